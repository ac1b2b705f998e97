/* SPDX-License-Identifier: MIT */
/*
 * RENAME of P to P/Q against RMDIR of P/Q and of P, by clients on threads of
 * their own, while others take delegations on both and give them back: nothing
 * hangs, and nothing but the errors that are due comes back. The rename has the
 * parent's section and P's, and P/Q is its victim; the removals have each other
 * order of the same directories.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/nfsc_ops.h"
#include "testserver.h"

#define ROUNDS 1500

struct racer {
	struct nfsc *c;
	struct nfsc_fh root;
	pthread_t thread;
	unsigned done; /* that succeeded */
};

static const struct name p = {.len = 1, .data = "P"};
static const struct name q = {.len = 1, .data = "Q"};

static void expect(int err, const char *what, const int *allowed, size_t n)
{
	if (err == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (err == allowed[i])
			return;
	}
	fprintf(stderr, "%s: %d\n", what, err);
	abort();
}

#define EXPECT(err, what, ...)                        \
	expect(err, what, (const int[]){__VA_ARGS__}, \
		sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static bool find_p(struct racer *r, struct nfsc_fh *ret)
{
	int err = nfsc_lookup(r->c, &r->root, &p, 1, ret, NULL);

	EXPECT(err, "LOOKUP", NFS4ERR_NOENT);
	return err == 0;
}

static void *rename_into_itself(void *arg)
{
	struct racer *r = arg;
	change_info4 source, target;
	struct nfsc_fh dir;

	for (int i = 0; i < ROUNDS; i++) {
		if (!find_p(r, &dir))
			continue;
		int err = nfsc_rename(
			r->c, &r->root, p, &dir, q, &source, &target);

		EXPECT(err, "RENAME", NFS4ERR_INVAL, NFS4ERR_NOENT,
			NFS4ERR_STALE);
		if (err == 0) {
			fprintf(stderr, "P is in P now\n");
			abort();
		}
		r->done++;
	}
	return NULL;
}

static void *make_and_remove(void *arg)
{
	struct racer *r = arg;
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};
	struct nfsc_fh dir, made;
	int err;

	for (int i = 0; i < ROUNDS; i++) {
		err = nfsc_mkdir(r->c, &r->root, p, &set, &made, NULL);
		EXPECT(err, "mkdir P", NFS4ERR_EXIST);
		if (!find_p(r, &dir))
			continue;
		err = nfsc_mkdir(r->c, &dir, q, &set, &made, NULL);
		EXPECT(err, "mkdir Q", NFS4ERR_EXIST, NFS4ERR_STALE,
			NFS4ERR_NOENT);
		err = nfsc_remove(r->c, &dir, q, NULL);
		EXPECT(err, "rmdir Q", NFS4ERR_NOENT, NFS4ERR_STALE);
		r->done += err == 0;
		err = nfsc_remove(r->c, &r->root, p, NULL);
		EXPECT(err, "rmdir P", NFS4ERR_NOENT, NFS4ERR_NOTEMPTY);
		r->done += err == 0;
	}
	return NULL;
}

/* ---- a holder of both, recalled by nearly everything ---- */

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	return NFS4_OK; /* it is on its way back anyhow */
}

static void hold(struct racer *r, const struct nfsc_fh *dir)
{
	struct nfsc_deleg_want want = {.signal = false};
	struct nfsc_deleg deleg;
	int err = nfsc_get_dir_delegation(r->c, dir, &want, NULL, NULL, &deleg);

	EXPECT(err, "GET_DIR_DELEGATION", NFS4ERR_STALE);
	if (err || !deleg.granted)
		return;
	r->done++;
	err = nfsc_delegreturn(r->c, dir, &deleg.stateid, NULL);
	EXPECT(err, "DELEGRETURN", NFS4ERR_STALE, NFS4ERR_BAD_STATEID);
}

static void *hold_and_return(void *arg)
{
	struct racer *r = arg;
	struct nfsc_fh dir, inner;

	for (int i = 0; i < ROUNDS; i++) {
		if (!find_p(r, &dir))
			continue;
		if (nfsc_lookup(r->c, &dir, &q, 1, &inner, NULL) == 0)
			hold(r, &inner);
		hold(r, &dir);
	}
	return NULL;
}

/* ---- all together ---- */

static void start(struct racer *r, struct testserver *ts, void *(*run)(void *))
{
	struct nfsc_config config;

	testserver_client_config(ts, &config);
	config.retry_delay_ms = 1;
	config.retry_delay_max_ms = 60 * 1000;
	config.handlers.recall = on_recall;
	if (nfsc_new(&config, &r->c) != 0 ||
		nfsc_lookup(r->c, NULL, NULL, 0, &r->root, NULL) != 0 ||
		pthread_create(&r->thread, NULL, run, r) != 0)
		abort();
}

int main(void)
{
	static void *(*const runs[])(void *) = {rename_into_itself,
		rename_into_itself, make_and_remove, make_and_remove,
		hold_and_return};
	enum { RACERS = sizeof(runs) / sizeof(runs[0]) };
	struct testserver_options options = {.fake_clock = false};
	static struct racer racers[RACERS];
	static struct testserver ts;

	testserver_start(&ts, &options);
	for (int i = 0; i < RACERS; i++)
		start(&racers[i], &ts, runs[i]);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		nfsc_free(racers[i].c);
	}
	printf("%u + %u renames refused, %u + %u removals, %u delegations\n",
		racers[0].done, racers[1].done, racers[2].done, racers[3].done,
		racers[4].done);
	testserver_stop(&ts);
	return 0;
}
