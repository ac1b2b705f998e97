/* SPDX-License-Identifier: MIT */
/*
 *	prop_dirdeleg [--posix] [--fault NAME] [--ops N] [--seed N]
 *
 * PROP_OPS and PROP_SEED do the same. What threads do depends on their timing,
 * so a seed repeats the choices and not always the failure.
 */
#include "prop.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nfs/fh.h"
#include "state/deleg.h"
#include "store/fault.h"

#define SKIPPED 77

static const char *const fault_names[FAULTS] = {
	"nothing", "overflow", "delay", "notsupp", "drop", "rebind", "store"};

/* ---- what the others need ---- */

_Noreturn void prop_fail(const struct world *w, const char *format, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	va_list args;

	pthread_mutex_lock(&once);
	fprintf(stderr, "FAILED (seed %" PRIu64 ", phase %u, period %u): ",
		w->options.seed, w->phase, w->period);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	if (w->options.verbose) {
		sleep(3); /* a sanitizer may be about to say more */
		abort();
	}
	_exit(1);
}

struct name prop_name(const struct world *w, int i)
{
	return name_from_str(w->names[i]);
}

int prop_name_index(const struct world *w, struct name name)
{
	for (int i = 0; i <= NAMES; i++) {
		if (name_equal(prop_name(w, i), name))
			return i;
	}
	return -1;
}

struct fileid prop_fileid(struct world *w, const struct nfsc_fh *fh)
{
	struct xdr_opaque wire = nfsc_fh_wire(fh);
	struct fh decoded;

	if (fh_decode(w->server.server, &wire, &decoded) != NFS4_OK)
		prop_fail(w, "a filehandle that is none of the server's");
	return decoded.id;
}

uint64_t prop_below(struct peer *p, uint64_t bound)
{
	return rand_stream_below(&p->rand, bound);
}

/* ---- misbehaving ---- */

static bool is_notify(const CB_COMPOUND4args *args)
{
	return args->argarray.count > 1 &&
		args->argarray.items[1].argop == OP_CB_NOTIFY;
}

/* Of what runs on many threads at once: no order to keep. */
static uint64_t dice(void)
{
	return rand_u64() % 100;
}

static enum nfsc_cb_action mistreat(
	void *ctx, const CB_COMPOUND4args *args, nfsstat4 *status)
{
	const struct peer *p = ctx;

	switch (p->world->options.fault) {
	case FAULT_DELAY:
		*status = NFS4ERR_DELAY;
		return dice() < 20 ? NFSC_CB_STATUS : NFSC_CB_SERVE;
	case FAULT_NOTSUPP:
		*status = NFS4ERR_NOTSUPP;
		return is_notify(args) && dice() < 3 ? NFSC_CB_STATUS
						     : NFSC_CB_SERVE;
	case FAULT_DROP:
		if (dice() < 94)
			return NFSC_CB_SERVE;
		return dice() < 50 ? NFSC_CB_DROP : NFSC_CB_DROP_AFTER;
	default:
		return NFSC_CB_SERVE;
	}
}

/* What a client does to itself, or to the store, between operations. */
static void disturb(struct peer *p)
{
	struct world *w = p->world;

	if (w->options.fault == FAULT_REBIND && p->misbehaves) {
		if (prop_below(p, 60) == 0)
			nfsc_drop(p->client);
		else if (prop_below(p, 30) == 0)
			nfsc_bind(p->client, CDFC4_FORE_OR_BOTH);
	}
	if (w->options.fault == FAULT_STORE && prop_below(p, 6) == 0)
		fault_fail(w->server.store,
			(enum store_call)(1 + prop_below(p, STORE_CALLS - 1)),
			EIO, 1);
}

/* ---- clients ---- */

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	struct world *w = p->world;

	for (;;) {
		pthread_barrier_wait(&w->barrier);
		if (w->over)
			return NULL;
		if (w->period == 0) {
			for (int top = 0; top < TOPS; top++)
				hold_ask(p, top, &w->tops[top],
					w->terms[p->index][top]);
		}
		for (unsigned i = 0; i < w->options.ops_per_period / PEERS;
			i++) {
			disturb(p);
			ops_random(p);
		}
		pthread_barrier_wait(&w->barrier);
	}
}

static struct nfsc *connect_as(struct world *w, uint32_t uid, struct peer *p)
{
	struct nfsc_config config;
	struct nfsc *c;
	int err;

	testserver_client_config(&w->server, &config);
	config.cred = (struct cred){.uid = uid, .gid = uid};
	config.retry_delay_ms = 2;
	config.retry_delay_max_ms = 60 * 1000;
	if (p) {
		hold_handlers(p, &config.handlers);
		if (p->misbehaves) {
			config.cb_hook = mistreat;
			config.cb_hook_ctx = p;
		}
	}
	err = nfsc_new(&config, &c);
	if (err)
		prop_fail(w, "connecting: %d", err);
	return c;
}

static void start_peer(struct world *w, int i)
{
	struct peer *p = &w->peers[i];

	p->world = w;
	p->index = i;
	p->rand.state = w->options.seed + 1000 * (uint64_t)(i + 1);
	p->misbehaves = i < PEERS / 2 && w->options.fault >= FAULT_DELAY &&
		w->options.fault <= FAULT_REBIND;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	list_init(&p->holds);
	p->client = connect_as(w, SPY_UID_FIRST + i, p);
	if (pthread_create(&p->thread, NULL, peer_main, p) ||
		pthread_create(&p->returner, NULL, hold_returner, p))
		prop_fail(w, "no threads");
}

static void stop_peer(struct peer *p)
{
	pthread_join(p->thread, NULL);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->returner, NULL);
	nfsc_free(p->client);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

/* ---- names ---- */

static void name_plainly(struct world *w)
{
	static const char *const odd[] = {
		" ", "..a", "\xc3\xa4", "\xff\x01", "a b", "-", "%2F", "\\"};
	char *longest = w->names[NAMES - 1];

	for (int i = 0; i < NAMES; i++)
		snprintf(w->names[i], sizeof(w->names[i]), "name%d", i);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		strcpy(w->names[i], odd[i]);
	memset(longest, 'x', NAME_LEN_MAX);
}

static int take_cookie(void *ctx, const struct dircache_entry *entry)
{
	*(uint64_t *)ctx = entry->cookie;
	return 0;
}

/* The cookie of a name that is alone in its directory. */
static uint64_t cookie_of(struct world *w, const char *name)
{
	struct nfsc_page page = {.cookie = 0};
	bitmap4 none = {.beyond = false};
	uint64_t cookie = 0;
	struct nfsc_fh made;
	int err = nfsc_mkdir(
		w->referee, &w->root, name_from_str(name), NULL, &made, NULL);

	if (err == 0)
		err = nfsc_readdir(w->referee, &w->root, &none, &page,
			take_cookie, &cookie);
	if (err == 0)
		err = nfsc_remove(
			w->referee, &w->root, name_from_str(name), NULL);
	if (err)
		prop_fail(w, "looking for collisions: %d", err);
	return cookie;
}

/*
 * In a narrow hash: names that stay out of each other's way, but for the rare
 * ones, each of which shares its hash with another.
 */
static void name_narrowly(struct world *w)
{
	uint64_t cookies[NAMES + 1] = {0};
	unsigned filled = 0;

	for (unsigned n = 0; filled < NAMES - RARE + 1 || !cookies[NAMES - 1];
		n++) {
		char name[16];
		uint64_t cookie;
		bool near = false;
		int twin = -1;

		snprintf(name, sizeof(name), "n%u", n);
		cookie = cookie_of(w, name);
		for (int i = 0; i <= NAMES; i++) {
			if (!cookies[i])
				continue;
			near |= cookie < cookies[i] + 3 &&
				cookies[i] < cookie + 3;
			twin = cookie == cookies[i] ? i : twin;
		}
		int at = -1;

		if (!near && filled <= NAMES - RARE) {
			at = filled == NAMES - RARE ? NAMES : (int)filled;
			filled++;
		} else if (twin >= 0 && twin < NAMES - RARE) {
			at = cookies[NAMES - 2] ? NAMES - 1 : NAMES - 2;
			if (cookies[at])
				at = -1;
		}
		if (at < 0)
			continue;
		cookies[at] = cookie;
		strcpy(w->names[at], name);
	}
}

static void choose_names(struct world *w)
{
	if (w->options.narrow) {
		name_narrowly(w);
		return;
	}
	name_plainly(w);
	strcpy(w->names[NAME_QUIET], "quiet point");
}

/* ---- phases ---- */

/* Fresh directories: recalls of earlier ones hold no grant off. */
static void begin_phase(struct world *w)
{
	struct rand_stream rand = {.state = w->options.seed + w->phase};
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};

	hold_choose_terms(w, &rand);
	for (int i = 0; i < TOPS; i++) {
		char name[32];
		int err;

		snprintf(name, sizeof(name), "top-%u-%d", w->phase, i);
		err = nfsc_mkdir(w->referee, &w->root, name_from_str(name),
			&set, &w->tops[i], NULL);
		if (err)
			prop_fail(w, "making %s: %d", name, err);
	}
	spy_clear();
}

static void run_period(struct world *w)
{
	pthread_barrier_wait(&w->barrier);
	pthread_barrier_wait(&w->barrier);
	quiet_point(w);
}

static void run_phase(struct world *w)
{
	begin_phase(w);
	for (w->period = 0; w->period < w->options.periods_per_phase &&
		w->ops < w->options.ops;
		w->period++)
		run_period(w);
	for (int i = 0; i < PEERS; i++)
		hold_return_all(&w->peers[i]);
	quiet_point(w);
	w->phase++;
}

/* ---- beginning and end ---- */

static uint64_t fault_queue_events(enum fault fault)
{
	return fault == FAULT_OVERFLOW ? 1 : 0;
}

static enum fault chosen_fault;

static void configure(struct nfs_server_config *config)
{
	config->state.notify_window_ms = 3;
	if (fault_queue_events(chosen_fault))
		config->state.notify_max_events =
			(uint32_t)fault_queue_events(chosen_fault);
}

static void start(struct world *w)
{
	struct testserver_options options = {
		.posix_path = w->options.posix_path, .configure = configure};
	int err;

	chosen_fault = w->options.fault;
	testserver_start(&w->server, &options);
	spy_install(w->server.below);
	w->referee = connect_as(w, 0, NULL);
	err = nfsc_lookup(w->referee, NULL, NULL, 0, &w->root, NULL);
	if (err)
		prop_fail(w, "looking up the root: %d", err);
	choose_names(w);
	pthread_barrier_init(&w->barrier, NULL, PEERS + 1);
	for (int i = 0; i < PEERS; i++)
		start_peer(w, i);
}

static void stop(struct world *w)
{
	w->over = true;
	pthread_barrier_wait(&w->barrier);
	for (int i = 0; i < PEERS; i++)
		stop_peer(&w->peers[i]);
	pthread_barrier_destroy(&w->barrier);
	nfsc_free(w->referee);
	testserver_stop(&w->server);
	spy_fini();
}

static void report(const struct world *w, double seconds)
{
	const struct counts *c = &w->counts;

	printf("%llu operations (%.0f/s), %llu failed, %llu where somebody "
	       "else was watching\n",
		w->ops, (double)w->ops / seconds, w->ops_failed,
		w->ops_watched);
	printf("%" PRIu64 " changes, %" PRIu64
	       " seen by a live holder, %" PRIu64 " moved a verifier\n",
		c->changes, c->changes_seen, c->verifier_moves);
	printf("%llu grants, %llu refusals, %llu returns\n", w->grants,
		w->refusals, w->returns);
	printf("%" PRIu64 " events checked, %" PRIu64
	       " models compared with %" PRIu64 " listings at %" PRIu64
	       " quiet points, %" PRIu64 " entries, %" PRIu64 " attributes\n",
		c->events, c->models, c->listings, c->quiet_points, c->entries,
		c->attrs);
	printf("recalls:");
	for (int r = 0; r < RECALL_REASONS; r++)
		printf(" %s=%" PRIu64, recall_reason_name(r), c->recalls[r]);
	printf("\n");
}

/* Faults recall: then fewer are watching. */
static void check_enough(const struct world *w)
{
	if (w->options.fault != FAULT_NOTHING)
		return;
	if (2 * w->counts.changes_seen < w->counts.changes ||
		2 * w->ops_watched < w->ops)
		prop_fail(w, "too few operations were seen by a live holder");
	if (!w->counts.events || !w->counts.models || !w->counts.attrs)
		prop_fail(w, "nothing was checked");
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

static enum fault fault_named(const char *name)
{
	for (int i = 0; i < FAULTS; i++) {
		if (strcmp(fault_names[i], name) == 0)
			return (enum fault)i;
	}
	fprintf(stderr, "no such fault: %s\n", name);
	exit(2);
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"posix", no_argument, NULL, 'p'},
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
		else if (c == 'f')
			o->fault = fault_named(optarg);
		else if (c == 'o')
			o->ops = strtoull(optarg, NULL, 0);
		else if (c == 's')
			o->seed = strtoull(optarg, NULL, 0);
		else if (c == 'v')
			o->verbose = true;
		else
			exit(2);
	}
	return posix;
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
		.seed = env_number("PROP_SEED", rand_u64() % 1000000000),
		.ops = env_number("PROP_OPS", 100000), .ops_per_period = 400,
		.periods_per_phase = 8,
#if defined(HERALD_COOKIE_BITS) && HERALD_COOKIE_BITS < 16
		.narrow = true,
#endif
	};
	if (parse(argc, argv, &w.options))
		w.options.posix_path = make_export(path, sizeof(path));
	printf("seed %" PRIu64 ", %" PRIu64 " operations, %s store, fault: "
	       "%s%s\n",
		w.options.seed, w.options.ops,
		w.options.posix_path ? "posix" : "memory",
		fault_names[w.options.fault],
		w.options.narrow ? ", narrow hash" : "");
	fflush(stdout);
	start(&w);
	began = now();
	while (w.ops < w.options.ops)
		run_phase(&w);
	report(&w, now() - began);
	stop(&w);
	if (w.options.posix_path)
		remove_export(path);
	check_enough(&w);
	return 0;
}
