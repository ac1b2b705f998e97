/* SPDX-License-Identifier: MIT */
/*
 *	prop_dirdeleg [--posix] [--overlap] [--local] [--fault NAME] [--ops N]
 *		[--seed N] [--verbose]
 *
 * With --overlap there are two exports of the same files, with --local others
 * change them behind the server's back. NAME is one of
 * prop_weather.c's, "mixed" is all of them in turn. PROP_OPS and PROP_SEED
 * overrule the options, for long runs of what CI runs for a moment.
 * What threads do depends on their timing, so a seed repeats the choices and
 * not always the failure.
 *
 * Rows: DD-02, DD-03, DD-04, DD-05, DD-06, DD-07, DD-08, DD-17, DD-19, DD-21,
 * DD-22, DD-23, DD-24.
 */
#include "prop.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nfs/fh.h"

#define SKIPPED 77

/* ---- what the others need ---- */

_Noreturn void prop_fail(const struct world *w, const char *format, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	va_list args;

	pthread_mutex_lock(&once);
	fprintf(stderr,
		"FAILED (--fault %s --seed %" PRIu64 ", phase %u, period %u): ",
		w->options.fault, w->options.seed, w->phase, w->period);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	report_weather(w);
	if (w->options.verbose) {
		sleep(3); /* a sanitizer may be about to say more */
		abort();
	}
	_exit(1);
}

struct fileid prop_fileid(struct world *w, const struct nfsc_fh *fh)
{
	struct xdr_opaque wire = nfsc_fh_wire(fh);
	struct fh decoded;

	if (fh_decode(w->server.server, &wire, &decoded) != NFS4_OK)
		prop_fail(w, "a filehandle that is none of the server's");
	return decoded.id;
}

uint64_t prop_inode(struct world *w, const struct fileid *id)
{
	struct attr attr;

	if (store_getattr(w->server.below, id, &attr) < 0 || attr.nlink == 0)
		return 0;
	return attr.inode;
}

uint64_t prop_below(struct peer *p, uint64_t bound)
{
	return rand_stream_below(&p->rand, bound);
}

/* ---- phases ---- */

static void find_roots(struct world *w)
{
	static const char *const paths[EXPORTS] = {"one", "two"};
	int err = 0;

	if (!w->options.overlap)
		err = nfsc_lookup(
			w->referee, NULL, NULL, 0, &w->roots[0], NULL);
	for (int i = 0; i < EXPORTS && w->options.overlap && err == 0; i++)
		err = nfsc_lookup_path(w->referee, paths[i], &w->roots[i]);
	if (err)
		prop_fail(w, "looking up the root: %d", err);
}

/* The same directory by the other export's handle. */
static void find_again(struct world *w, int top, struct name name)
{
	int err;

	if (!w->options.overlap)
		return;
	err = nfsc_lookup(
		w->referee, &w->roots[1], &name, 1, &w->tops[1][top], NULL);
	if (err)
		prop_fail(w, "looking for a top: %d", err);
}

/* Fresh directories: recalls of earlier ones hold no grant off. */
static void make_top(struct world *w, int top, struct rand_stream *rand)
{
	uint32_t owner =
		SPY_UID_FIRST + (uint32_t)rand_stream_below(rand, PEERS);
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};
	struct setattr own = {.mask = SETATTR_UID, .uid = owner};
	struct nfsc_fh *fh = &w->tops[0][top];
	char name[32];
	int err;

	snprintf(name, sizeof(name), "top-%u-%d", w->phase, top);
	err = nfsc_mkdir(
		w->referee, &w->roots[0], name_from_str(name), &set, fh, NULL);
	if (err == 0)
		err = nfsc_setattr(w->referee, fh, NULL, &own);
	if (err)
		prop_fail(w, "making %s: %d", name, err);
	find_again(w, top, name_from_str(name));
}

/* The first phase finds the server as it was started. */
static void start_server(struct world *w)
{
	if (w->phase > 0)
		testserver_down(&w->server);
	weather_configure(&w->weather, &w->server.config.state);
	if (w->phase > 0)
		testserver_up(&w->server);
	spy_install(w->server.below);
	if (w->server.second_below)
		spy_install(w->server.second_below);
	w->referee = peer_connect_as(w, 0, NULL);
}

static void begin_phase(struct world *w)
{
	struct rand_stream rand = {.state = w->options.seed + w->phase};

	weather_choose(w, &rand);
	if (w->options.verbose)
		report_weather(w);
	start_server(w);
	find_roots(w);
	if (w->phase == 0)
		names_choose(w);
	terms_choose(w, &rand);
	for (int i = 0; i < TOPS; i++)
		make_top(w, i, &rand);
	for (int i = 0; i < PEERS; i++)
		peer_connect(&w->peers[i]);
	spy_clear();
}

/* ---- local changes ---- */

static void describe_place(struct world *w, struct local_job *job)
{
	for (int i = 0; i < TOPS; i++) {
		struct fileid id = prop_fileid(w, &w->tops[0][i]);

		job->top[i].id = id;
		if (w->options.posix_path)
			snprintf(job->path[i], LOCAL_PATH, "%s/top-%u-%d",
				w->options.posix_path, w->phase, i);
	}
	memcpy(job->names, w->names, sizeof(job->names));
	job->nnames = NAMES;
	job->nrare = w->options.narrow ? RARE : 0;
	job->store = w->server.below;
	job->loses = w->weather.reports_lost;
}

static void begin_local(struct world *w)
{
	struct local_job *job;

	if (!w->options.local)
		return;
	job = actor_job();
	describe_place(w, job);
	job->task = LOCAL_ACT;
	job->seed = w->options.seed + w->counts.quiet_points * 7919;
	job->acts = w->options.ops_per_period / 10;
	actor_begin();
}

static void end_local(struct world *w)
{
	if (w->options.local)
		actor_end();
}

/* ---- */

static void run_period(struct world *w)
{
	w->began_ns = (int64_t)clock_file_ns(&w->server.clock);
	pthread_barrier_wait(&w->barrier);
	begin_local(w);
	pthread_barrier_wait(&w->barrier);
	end_local(w);
	quiet_point(w);
}

static void end_phase(struct world *w)
{
	for (int i = 0; i < PEERS; i++)
		hold_return_all(&w->peers[i]);
	quiet_point(w);
	recall_check_totals(w);
	for (int i = 0; i < PEERS; i++)
		peer_leave(&w->peers[i]);
	if (nfsc_leave(w->referee) != 0)
		prop_fail(w, "the referee cannot leave");
	nfsc_free(w->referee);
	w->phase++;
}

static void run_phase(struct world *w)
{
	begin_phase(w);
	for (w->period = 0; w->period < w->options.periods_per_phase &&
		w->ops < w->options.ops;
		w->period++)
		run_period(w);
	end_phase(w);
}

/* ---- beginning and end ---- */

static void start(struct world *w)
{
	struct testserver_options options = {
		.posix_path = w->options.posix_path,
		.overlap = w->options.overlap,
		.local_changes = w->options.local};

	if (w->options.local)
		actor_init(w->options.posix_path);

	testserver_start(&w->server, &options);
	pthread_barrier_init(&w->barrier, NULL, PEERS + 1);
	for (int i = 0; i < PEERS; i++)
		peer_start(w, i);
}

static void stop(struct world *w)
{
	w->over = true;
	pthread_barrier_wait(&w->barrier);
	for (int i = 0; i < PEERS; i++)
		peer_stop(&w->peers[i]);
	pthread_barrier_destroy(&w->barrier);
	testserver_stop(&w->server);
	actor_fini();
	spy_fini();
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"posix", no_argument, NULL, 'p'},
		{"overlap", no_argument, NULL, 't'},
		{"local", no_argument, NULL, 'l'},
		{"fault", required_argument, NULL, 'f'},
		{"ops", required_argument, NULL, 'o'},
		{"seed", required_argument, NULL, 's'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	bool posix = false;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'p')
			posix = true;
		else if (c == 't')
			o->overlap = true;
		else if (c == 'l')
			o->local = true;
		else if (c == 'f')
			o->fault = optarg;
		else if (c == 'o')
			o->ops = strtoull(optarg, NULL, 0);
		else if (c == 's')
			o->seed = strtoull(optarg, NULL, 0);
		else if (c == 'v')
			o->verbose = true;
		else
			exit(2);
	}
	if (weather_is_known(o->fault))
		return posix;
	fprintf(stderr, "no such fault: %s\n", o->fault);
	exit(2);
}

/* A directory in memory, if there is one: syncing is others' test. */
static const char *make_export(char *path, size_t size)
{
	const char *base = getenv("HERALD_TEST_DIR");

	if (geteuid() != 0) {
		fprintf(stderr, "needs root: skipped\n");
		exit(SKIPPED);
	}
	if (!base)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp";
	snprintf(path, size, "%s/herald-prop-XXXXXX", base);
	if (!mkdtemp(path) || chmod(path, 0755) < 0) {
		perror(path);
		exit(1);
	}
	return path;
}

static void remove_export(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		fprintf(stderr, "%s stays\n", path);
}

int main(int argc, char **argv)
{
	static struct world w;
	char path[128];
	double began;

	w.options = (struct options)
	{
		.seed = rand_u64() % 1000000000, .ops = 60000,
		.ops_per_period = 400, .periods_per_phase = 8,
		.fault = "nothing",
#if defined(HERALD_COOKIE_BITS) && HERALD_COOKIE_BITS < 16
		.narrow = true,
#endif
	};
	if (parse(argc, argv, &w.options))
		w.options.posix_path = make_export(path, sizeof(path));
	w.options.ops = env_number("PROP_OPS", w.options.ops);
	w.options.seed = env_number("PROP_SEED", w.options.seed);
	printf("prop_dirdeleg%s%s%s%s --fault %s --ops %" PRIu64
	       " --seed %" PRIu64 "\n",
		w.options.narrow ? "_narrow" : "",
		w.options.posix_path ? " --posix" : "",
		w.options.overlap ? " --overlap" : "",
		w.options.local ? " --local" : "", w.options.fault,
		w.options.ops, w.options.seed);
	fflush(stdout);
	start(&w);
	began = now();
	while (w.ops < w.options.ops)
		run_phase(&w);
	report_print(&w, now() - began);
	fflush(stdout);
	stop(&w);
	if (w.options.posix_path)
		remove_export(path);
	report_check(&w);
	return 0;
}
