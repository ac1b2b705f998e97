/* SPDX-License-Identifier: MIT */
/* The client's fore channel against a fake server that misbehaves. */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_ops.h"
#include "fake.h"

struct fixture {
	struct fake *fake;
	struct nfsc_net *net;
	struct nfsc *c;
	struct nfsc_config config;
	atomic_uint events[NFSC_REVOKED + 1];
};

static void note_event(void *ctx, enum nfsc_event event)
{
	struct fixture *f = ctx;

	atomic_fetch_add(&f->events[event], 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake = fake_new();
	f->net = nfsc_net_new(NULL, NULL);
	assert_non_null(f->net);
	nfsc_config_default(&f->config);
	f->config.net = f->net;
	f->config.dial = fake_dial;
	f->config.dial_ctx = f->fake;
	f->config.renew = false;
	f->config.handlers.event = note_event;
	f->config.handlers.ctx = f;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nfsc_free(f->c);
	nfsc_net_free(f->net);
	fake_free(f->fake);
	free(f);
	return 0;
}

static void connect_it(struct fixture *f)
{
	assert_int_equal(nfsc_new(&f->config, &f->c), 0);
}

static struct fake_seen seen(struct fixture *f)
{
	struct fake_seen s;

	fake_read_seen(f->fake, &s);
	return s;
}

/* ---- establishing ---- */

static void test_establish(void **state)
{
	struct fixture *f = *state;
	struct nfsc_info info;

	connect_it(f);
	assert_int_equal(seen(f).exchange_ids, 1);
	assert_int_equal(seen(f).create_sessions, 1);
	assert_int_equal(seen(f).claims, 1);
	nfsc_read_info(f->c, &info);
	assert_int_equal(info.lease_ms, 3000);
	assert_true(info.backchannel);
	assert_int_equal(info.generation, 1);
	assert_int_equal(info.back.ca_maxrequests, 8);
	assert_int_equal(f->events[NFSC_RESTARTED], 0);
}

static void test_over_tcp(void **state)
{
	struct fixture *f = *state;

	f->config.dial = NULL;
	f->config.host = "127.0.0.1";
	f->config.port = fake_port(f->fake);
	connect_it(f);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

/* Whether we may or not, it connects. */
static void test_reserved_port(void **state)
{
	struct fixture *f = *state;

	f->config.dial = NULL;
	f->config.host = "localhost";
	f->config.port = fake_port(f->fake);
	f->config.reserved_port = true;
	connect_it(f);
	fake_disconnect(f->fake);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

static void test_no_such_host(void **state)
{
	struct fixture *f = *state;

	f->config.dial = NULL;
	f->config.host = "a..b"; /* not even asked for */
	assert_int_equal(nfsc_new(&f->config, &f->c), -ENXIO);
	f->config.host = "127.0.0.1";
	f->config.port = 1;
	f->config.reserved_port = true;
	assert_int_equal(nfsc_new(&f->config, &f->c), -ECONNREFUSED);
}

static void test_nobody_there(void **state)
{
	struct fixture *f = *state;

	fake_deaf(f->fake, true);
	assert_int_equal(nfsc_new(&f->config, &f->c), -ECONNREFUSED);
	assert_null(f->c);
}

static void *hear_again(void *arg)
{
	usleep(200 * 1000);
	fake_deaf(arg, false);
	return NULL;
}

static void test_first_patience(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	fake_deaf(f->fake, true);
	f->config.first_patience_ms = 5000;
	pthread_create(&thread, NULL, hear_again, f->fake);
	connect_it(f);
	pthread_join(thread, NULL);
}

static void test_leave(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	assert_int_equal(nfsc_leave(f->c), 0);
	assert_int_equal(seen(f).destroyed_sessions, 1);
	assert_int_equal(seen(f).destroyed_clients, 1);
	assert_int_equal(nfsc_renew(f->c, NULL), -ECANCELED);
}

static void test_step_by_step(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(nfsc_new_idle(&f->config, &f->c), 0);
	assert_int_equal(nfsc_exchange_id(f->c), -ENOTCONN);
	assert_int_equal(nfsc_connect(f->c), 0);
	assert_int_equal(nfsc_create_session(f->c), NFS4ERR_STALE_CLIENTID);
	assert_int_equal(nfsc_exchange_id(f->c), 0);
	assert_int_equal(nfsc_create_session(f->c), 0);
	assert_int_equal(nfsc_bind(f->c, CDFC4_FORE_OR_BOTH), 0);
	assert_int_equal(nfsc_destroy_session(f->c), 0);
	assert_int_equal(nfsc_destroy_session(f->c), NFS4ERR_BADSESSION);
	assert_int_equal(nfsc_destroy_clientid(f->c), 0);
}

/* ---- operations ---- */

static int collect(void *ctx, const struct dircache_entry *entry)
{
	strncat(ctx, entry->name.data, entry->name.len);
	strcat(ctx, " ");
	return 0;
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh root, dir, file;
	struct nfsc_page page;
	bitmap4 attrs = {.word = {1u << FATTR4_FILEID}};
	char names[256] = "";

	fake_mkdir(f->fake, "dir");
	for (char c = 'a'; c <= 'l'; c++)
		fake_create(f->fake, (char[]){'d', 'i', 'r', '/', c, '\0'});
	connect_it(f);
	assert_int_equal(nfsc_lookup(f->c, NULL, NULL, 0, &root, NULL), 0);
	assert_int_equal(nfsc_lookup_path(f->c, "/dir/", &dir), 0);
	assert_int_equal(nfsc_lookup_path(f->c, "dir/c", &file), 0);
	assert_int_equal(nfsc_lookup_path(f->c, "dir/z", &file), NFS4ERR_NOENT);
	assert_int_equal(
		nfsc_readdir(f->c, &dir, &attrs, &page, collect, names), 0);
	assert_string_equal(names, "a b c d e f g h i j k l ");
	assert_int_equal(nfsc_remove(f->c, &dir, name_from_str("a"), NULL), 0);
	assert_int_equal(
		nfsc_mkdir(f->c, &root, name_from_str("new"), NULL, &dir, NULL),
		0);
	assert_int_equal(
		nfsc_mkdir(f->c, &root, name_from_str("new"), NULL, &dir, NULL),
		NFS4ERR_EXIST);
}

static void test_getattr(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh root;
	struct fattr4_values values;
	bitmap4 want = {.word = {1u << FATTR4_TYPE | 1u << FATTR4_FILEID}};

	connect_it(f);
	assert_int_equal(nfsc_lookup_path(f->c, "", &root), 0);
	assert_int_equal(nfsc_getattr(f->c, &root, &want, &values), 0);
	assert_int_equal(values.attr.type, OBJECT_DIR);
	assert_int_equal(values.attr.inode, 1000);
}

/* More operations than one growth of the compound. */
static void test_long_path(void **state)
{
	struct fixture *f = *state;
	char path[400] = "";
	struct nfsc_fh fh;

	for (int i = 0; i < 60; i++) {
		strcat(path, i ? "/d" : "d");
		fake_mkdir(f->fake, path);
	}
	connect_it(f);
	assert_int_equal(nfsc_lookup_path(f->c, path, &fh), 0);
	strcat(path, "/x");
	assert_int_equal(nfsc_lookup_path(f->c, path, &fh), NFS4ERR_NOENT);
}

/* ---- lost connections ---- */

/* The server did it, the answer was lost: it must not be done again. */
static void test_exactly_once(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh root;

	fake_create(f->fake, "x");
	connect_it(f);
	assert_int_equal(nfsc_lookup_path(f->c, "", &root), 0);
	fake_drop_replies(f->fake, 1);
	assert_int_equal(nfsc_remove(f->c, &root, name_from_str("x"), NULL), 0);
	assert_int_equal(seen(f).removes, 1);
	assert_int_equal(seen(f).replays, 1);
	assert_int_equal(seen(f).binds, 1);
	assert_int_equal(seen(f).create_sessions, 1);
	assert_int_equal(f->events[NFSC_CONN_LOST], 1);
	assert_int_equal(f->events[NFSC_CONN_BACK], 1);
}

static void test_idle_disconnect(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	for (int i = 0; i < 5; i++) {
		fake_disconnect(f->fake);
		assert_int_equal(nfsc_renew(f->c, NULL), 0);
	}
	nfsc_drop(f->c);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(seen(f).create_sessions, 1);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 0);
}

static void test_lost_while_connecting(void **state)
{
	struct fixture *f = *state;

	f->config.first_patience_ms = 5000;
	fake_drop_replies(f->fake, 4);
	connect_it(f);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

static void test_patience(void **state)
{
	struct fixture *f = *state;

	f->config.patience_ms = 200;
	connect_it(f);
	fake_deaf(f->fake, true);
	assert_int_equal(nfsc_renew(f->c, NULL), -ECONNREFUSED);
	fake_deaf(f->fake, false);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

static void *cancel_later(void *arg)
{
	usleep(100 * 1000);
	nfsc_cancel(arg);
	return NULL;
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	connect_it(f);
	nfsc_hold(f->c, true);
	nfsc_drop(f->c);
	pthread_create(&thread, NULL, cancel_later, f->c);
	assert_int_equal(nfsc_renew(f->c, NULL), -ECANCELED);
	pthread_join(thread, NULL);
}

/* ---- lost sessions and servers ---- */

static void test_new_session(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh root;

	connect_it(f);
	assert_int_equal(nfsc_lookup_path(f->c, "", &root), 0);
	fake_forget_sessions(f->fake);
	/* Not known to have run: not sent again. */
	assert_int_equal(nfsc_remove(f->c, &root, name_from_str("x"), NULL),
		-ECONNRESET);
	assert_int_equal(nfsc_remove(f->c, &root, name_from_str("x"), NULL),
		NFS4ERR_NOENT);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 1);
	fake_forget_sessions(f->fake);
	assert_int_equal(nfsc_renew(f->c, NULL), 0); /* harmless: it is */
	assert_int_equal(f->events[NFSC_NEW_SESSION], 2);
	assert_int_equal(f->events[NFSC_RESTARTED], 0);
	assert_int_equal(seen(f).exchange_ids, 1);
}

static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct nfsc_info before, after;

	connect_it(f);
	nfsc_read_info(f->c, &before);
	fake_restart(f->fake);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	nfsc_read_info(f->c, &after);
	assert_int_equal(f->events[NFSC_RESTARTED], 1);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 0);
	assert_true(before.clientid != after.clientid);
	assert_int_equal(seen(f).claims, 2);
}

/* An error used up its sequence id: the next request takes the next one. */
static void test_refused_session(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_forget_sessions(f->fake);
	fake_fail_create(f->fake, NFS4ERR_NOSPC, 1);
	assert_int_equal(nfsc_renew(f->c, NULL), NFS4ERR_NOSPC);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(seen(f).exchange_ids, 1);
	/* It asks which one is next when it is wrong. */
	fake_forget_sessions(f->fake);
	fake_fail_create(f->fake, NFS4ERR_DELAY, 1);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(seen(f).exchange_ids, 2);
	assert_int_equal(f->events[NFSC_RESTARTED], 0);
}

static void test_no_recovery(void **state)
{
	struct fixture *f = *state;

	f->config.no_recovery = true;
	connect_it(f);
	fake_forget_sessions(f->fake);
	assert_int_equal(nfsc_renew(f->c, NULL), -ECONNRESET);
	assert_int_equal(nfsc_renew(f->c, NULL), -ECONNRESET);
	assert_int_equal(nfsc_create_session(f->c), 0);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

static void test_sequence_delay(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_fail_sequence(f->fake, NFS4ERR_DELAY, 2);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 0);
}

static void test_sequence_misordered(void **state)
{
	struct fixture *f = *state;
	struct nfsc_compound compound;

	connect_it(f);
	nfsc_compound_init(&compound);
	fake_fail_sequence(f->fake, NFS4ERR_SEQ_MISORDERED, 1);
	assert_int_equal(nfsc_call(f->c, &compound), -EPROTO);
	assert_int_equal(compound.seq_status, NFS4ERR_SEQ_MISORDERED);
	nfsc_compound_fini(&compound);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 1);
}

static void test_not_bound(void **state)
{
	struct fixture *f = *state;

	connect_it(f);
	fake_fail_sequence(f->fake, NFS4ERR_CONN_NOT_BOUND_TO_SESSION, 1);
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
	assert_int_equal(seen(f).binds, 1);
}

/* ---- the lease and its flags ---- */

static bool has_sequences(const struct fake_seen *s, unsigned n)
{
	return s->sequences >= n;
}

static void test_keeper_renews(void **state)
{
	struct fixture *f = *state;

	f->config.renew = true;
	connect_it(f);
	/* Two before, then one a second: a third of the lease. */
	assert_true(fake_wait(f->fake, has_sequences, seen(f).sequences + 1));
}

static bool has_binds(const struct fake_seen *s, unsigned n)
{
	return s->binds >= n;
}

static void test_keeper_reconnects(void **state)
{
	struct fixture *f = *state;

	f->config.renew = true;
	connect_it(f);
	fake_disconnect(f->fake);
	assert_true(fake_wait(f->fake, has_binds, 1));
}

static void test_keeper_binds_again(void **state)
{
	struct fixture *f = *state;

	f->config.renew = true;
	connect_it(f);
	fake_set_flags(f->fake, SEQ4_STATUS_CB_PATH_DOWN);
	assert_true(fake_wait(f->fake, has_binds, 1));
	fake_set_flags(f->fake, 0);
}

static void test_flags(void **state)
{
	struct fixture *f = *state;
	struct fake_seen seen;
	uint32_t flags;

	connect_it(f);
	fake_set_flags(f->fake, SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	assert_int_equal(nfsc_renew(f->c, &flags), 0);
	assert_int_equal(flags, SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	assert_int_equal(nfsc_renew(f->c, &flags), 0);
	assert_int_equal(f->events[NFSC_REVOKED], 1); /* not at every call */
	fake_set_flags(f->fake, SEQ4_STATUS_BACKCHANNEL_FAULT);
	assert_int_equal(nfsc_renew(f->c, &flags), 0);
	fake_set_flags(f->fake, 0);
	assert_int_equal(nfsc_renew(f->c, &flags), 0);
	assert_int_equal(f->events[NFSC_NEW_SESSION], 1);
	fake_read_seen(f->fake, &seen);
	assert_int_equal(seen.destroyed_sessions, 1); /* the useless one */
}

/* ---- many at once ---- */

struct maker {
	struct fixture *f;
	struct nfsc_fh root;
	unsigned number;
	int failed;
};

static void *make_many(void *arg)
{
	struct maker *m = arg;
	char name[32];

	for (int i = 0; i < 24 && !m->failed; i++) {
		snprintf(name, sizeof(name), "t%u-%d", m->number, i);
		m->failed = nfsc_mkdir(m->f->c, &m->root, name_from_str(name),
			NULL, NULL, NULL);
	}
	return NULL;
}

/* However often the connection goes, everything is done once. */
static void test_many_threads(void **state)
{
	struct fixture *f = *state;
	struct maker makers[8];
	pthread_t threads[8];
	struct nfsc_stats stats;
	struct nfsc_fh root;

	f->config.fore_slots = 6; /* fewer than threads */
	connect_it(f);
	assert_int_equal(nfsc_lookup_path(f->c, "", &root), 0);
	for (unsigned i = 0; i < 8; i++) {
		makers[i] = (struct maker){f, root, i, 0};
		pthread_create(&threads[i], NULL, make_many, &makers[i]);
	}
	for (int i = 0; i < 10; i++) {
		usleep(5000);
		fake_drop_replies(f->fake, 1);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(makers[i].failed, 0);
	}
	nfsc_read_stats(f->c, &stats);
	print_message("%llu calls, %llu sent again, %u replayed\n",
		(unsigned long long)stats.calls,
		(unsigned long long)stats.resent, seen(f).replays);
	assert_int_equal(seen(f).create_sessions, 1);
}

/* ---- who we are ---- */

/* In a child: is a process of these groups one of the first @sent of them? */
static int groups_sent(const gid_t *groups, size_t count, uint32_t sent)
{
	struct nfsc_config config;

	if (setgroups(count, groups) < 0)
		return 77;
	nfsc_config_default(&config);
	if (config.cred.ngroups != sent)
		return 1;
	for (uint32_t i = 0; i < sent; i++) {
		if (config.cred.groups[i] != groups[i])
			return 2;
	}
	return 0;
}

static void expect_groups(const gid_t *groups, size_t count, uint32_t sent)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(groups_sent(groups, count, sent));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* only root may change them */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A right that a secondary group gives is ours here as it is on a mount. */
static void test_secondary_groups(void **state)
{
	gid_t groups[20];

	for (gid_t i = 0; i < 20; i++)
		groups[i] = 5000 + i;
	expect_groups(groups, 0, 0);
	expect_groups(groups, 3, 3);
	expect_groups(groups, 20, 16);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_establish),
		TEST(test_over_tcp),
		TEST(test_reserved_port),
		TEST(test_no_such_host),
		TEST(test_nobody_there),
		TEST(test_first_patience),
		TEST(test_leave),
		TEST(test_step_by_step),
		TEST(test_names),
		TEST(test_getattr),
		TEST(test_long_path),
		TEST(test_exactly_once),
		TEST(test_idle_disconnect),
		TEST(test_lost_while_connecting),
		TEST(test_patience),
		TEST(test_cancel),
		TEST(test_new_session),
		TEST(test_restart),
		TEST(test_refused_session),
		TEST(test_no_recovery),
		TEST(test_sequence_delay),
		TEST(test_sequence_misordered),
		TEST(test_not_bound),
		TEST(test_keeper_renews),
		TEST(test_keeper_reconnects),
		TEST(test_keeper_binds_again),
		TEST(test_flags),
		TEST(test_many_threads),
		cmocka_unit_test(test_secondary_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
