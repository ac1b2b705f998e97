/* SPDX-License-Identifier: MIT */
/*
 * The change attribute through a whole server: no value is ever given to two
 * states of an object, by GETATTR, READDIR or change_info4, while others read,
 * on a clock whose file times stand still for 10 ms, over evictions of nodes,
 * restarts and changes behind the server's back.
 *
 *	prop_change [--local] [--alone] [--ops N] [--seed N]
 *
 * One thread changes things and knows the state of each object; it numbers
 * them. Readers know only between which two numbers the state was when they
 * asked. All that is known of a value is kept as such a range: if it is empty,
 * the value was given twice. A reader beside a change may cost a new value
 * without need; alone, each change_info4 begins where the last one ended.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/htab.h"
#include "base/rand.h"
#include "client/nfsc_files.h"
#include "nfs/fh.h"
#include "store/memory_foreign.h"
#include "testserver.h"

#define READERS 2
#define DIRS    3
#define NAMES   6
#define TICK_NS (10 * NSEC_PER_MSEC)

/* Within this a directory's value is still known, and infos must chain. */
#define CHAIN_MS 30

struct object {
	struct htab_link link; /* by handle */
	struct nfsc_fh fh;
	unsigned links; /* 0: gone */
	/* The number of its state: before and after what is under way. */
	_Atomic uint64_t done, begun;
	uint64_t after; /* the last change_info4; 0: a chain is broken */
	uint64_t after_ms;
};

/* What is known of a value: the numbers of states it may mean. */
struct value {
	struct htab_link link;
	const struct object *object;
	uint64_t value, low, high;
};

static struct {
	uint64_t seed, ops;
	bool local, alone;
	struct testserver server;
	struct nfsc *writer;
	struct rand_stream rand;
	struct object *dirs[DIRS];
	struct object *entries[DIRS][NAMES];
	pthread_mutex_t lock; /* the tables and counts below */
	struct htab objects, values;
	uint64_t reads, infos, atomic, chained, repeats, restarts, locals,
		evictions;
	atomic_bool over;
} t = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(
	const char *format, ...)
{
	va_list args;

	fprintf(stderr, "FAILED (seed %" PRIu64 "): ", t.seed);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(1);
}

static void must(int err, const char *what)
{
	if (err)
		fail("%s: %d", what, err);
}

static uint64_t below(uint64_t bound)
{
	return rand_stream_below(&t.rand, bound);
}

static struct name name_of(int i)
{
	static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f"};

	return name_from_str(names[i]);
}

/* ---- objects ---- */

static struct object *find_locked(const struct nfsc_fh *fh)
{
	struct htab_link *at;

	htab_for_each_match(at, &t.objects, htab_hash(fh->data, fh->len)) {
		struct object *o = container_of(at, struct object, link);

		if (nfsc_fh_equal(&o->fh, fh))
			return o;
	}
	return NULL;
}

static struct object *object_new(const struct nfsc_fh *fh)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->fh = *fh;
	o->links = 1;
	o->done = o->begun = 1;
	pthread_mutex_lock(&t.lock);
	htab_insert(&t.objects, &o->link, htab_hash(fh->data, fh->len));
	pthread_mutex_unlock(&t.lock);
	return o;
}

/* Something is about to happen to it; then it has. NULL is nobody. */
static void begin(struct object *o)
{
	if (o)
		o->begun = o->done + 1;
}

static void end(struct object *o)
{
	if (o)
		o->done = o->begun;
}

/* ---- values ---- */

static struct value *find_value(const struct object *o, uint64_t value)
{
	const uint64_t key[2] = {(uintptr_t)o, value};
	uint64_t hash = htab_hash(key, sizeof(key));
	struct htab_link *at;
	struct value *v;

	htab_for_each_match(at, &t.values, hash) {
		v = container_of(at, struct value, link);
		if (v->object == o && v->value == value) {
			t.repeats++;
			return v;
		}
	}
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	*v = (struct value){.object = o, .value = value, .high = UINT64_MAX};
	htab_insert(&t.values, &v->link, hash);
	return v;
}

/* @value was given for a state of @o from @low to @high. */
static void given(const struct object *o, uint64_t value, uint64_t low,
	uint64_t high, const char *by)
{
	struct value *v;
	uint64_t was_low, was_high;

	pthread_mutex_lock(&t.lock);
	v = find_value(o, value);
	was_low = v->low;
	was_high = v->high;
	if (low > v->low)
		v->low = low;
	if (high < v->high)
		v->high = high;
	if (v->low > v->high)
		fail("%s gives %" PRIu64 " for state %" PRIu64 "..%" PRIu64
		     ", it was given for %" PRIu64 "..%" PRIu64,
			by, value, low, high, was_low, was_high);
	pthread_mutex_unlock(&t.lock);
}

static uint64_t now_ms(void)
{
	return clock_mono_ms(&t.server.clock);
}

/* The directory's change_info4, after begin() and before end(). */
static void check_info(struct object *dir, const change_info4 *info)
{
	if (!info->atomic && !t.local)
		fail("atomic is false, and nobody else changes anything");
	t.atomic += info->atomic;
	given(dir, info->before, dir->done, dir->done, "before");
	given(dir, info->after, dir->begun, dir->begun, "after");
	if (t.alone && dir->after && now_ms() - dir->after_ms <= CHAIN_MS) {
		if (info->before != dir->after)
			fail("before is %" PRIu64 ", after was %" PRIu64,
				info->before, dir->after);
		t.chained++;
	}
	dir->after = info->after;
	dir->after_ms = now_ms();
	t.infos++;
}

/* ---- reading ---- */

static void read_object(struct nfsc *c, const struct object *o)
{
	uint64_t low = o->done, value;

	if (nfsc_get_change(c, &o->fh, &value) == 0)
		given(o, value, low, o->begun, "GETATTR");
}

/* One page: the states before it, by name, then what it says. */
struct page {
	const struct object *object[NAMES];
	uint64_t low[NAMES];
	size_t n;
};

static int listed(void *ctx, const struct dircache_entry *entry)
{
	struct page *page = ctx;
	struct nfsc_fh fh;
	const struct object *o;

	nfsc_fh_copy(&fh, entry->handle);
	pthread_mutex_lock(&t.lock);
	o = find_locked(&fh);
	pthread_mutex_unlock(&t.lock);
	for (size_t i = 0; o && i < page->n; i++) {
		if (page->object[i] == o)
			given(o, entry->attr.change, page->low[i], o->begun,
				"READDIR");
	}
	return 0;
}

static void read_dir(struct nfsc *c, int d)
{
	struct nfsc_page at = {.cookie = 0};
	struct page page = {.n = 0};
	bitmap4 attrs = {.beyond = false};

	bitmap4_set(&attrs, FATTR4_CHANGE);
	bitmap4_set(&attrs, FATTR4_FILEHANDLE);
	pthread_mutex_lock(&t.lock);
	for (int i = 0; i < NAMES; i++) {
		const struct object *o = t.entries[d][i];

		if (!o)
			continue;
		page.object[page.n] = o;
		page.low[page.n++] = o->done;
	}
	pthread_mutex_unlock(&t.lock);
	nfsc_readdir(c, &t.dirs[d]->fh, &attrs, &at, listed, &page);
}

static void read_some(struct nfsc *c, struct rand_stream *rand)
{
	int d = (int)rand_stream_below(rand, DIRS);
	const struct object *o;

	switch (rand_stream_below(rand, 3)) {
	case 0:
		read_dir(c, d);
		break;
	case 1:
		read_object(c, t.dirs[d]);
		break;
	default:
		pthread_mutex_lock(&t.lock);
		o = t.entries[d][rand_stream_below(rand, NAMES)];
		pthread_mutex_unlock(&t.lock);
		if (o)
			read_object(c, o);
	}
	pthread_mutex_lock(&t.lock);
	t.reads++;
	pthread_mutex_unlock(&t.lock);
}

static void *reader(void *arg)
{
	struct rand_stream rand = {.state = t.seed + (uintptr_t)arg};
	struct nfsc *c = testserver_client(&t.server);

	while (!t.over)
		read_some(c, &rand);
	nfsc_free(c);
	return NULL;
}

/* ---- changing ---- */

static void set_entry(int d, int i, struct object *o)
{
	pthread_mutex_lock(&t.lock);
	t.entries[d][i] = o;
	pthread_mutex_unlock(&t.lock);
}

static void make(int d, int i)
{
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_WRITE |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.create = true,
		.mode = GUARDED4,
	};
	struct nfsc_opened opened;

	begin(t.dirs[d]);
	must(nfsc_open(t.writer, &t.dirs[d]->fh, name_of(i), &how, &opened),
		"OPEN");
	check_info(t.dirs[d], &opened.info);
	end(t.dirs[d]);
	must(nfsc_close(t.writer, &opened.fh, &opened.stateid), "CLOSE");
	set_entry(d, i, object_new(&opened.fh));
}

static void remove_it(int d, int i)
{
	struct object *o = t.entries[d][i];
	change_info4 info;

	begin(t.dirs[d]);
	begin(o);
	must(nfsc_remove(t.writer, &t.dirs[d]->fh, name_of(i), &info),
		"REMOVE");
	check_info(t.dirs[d], &info);
	end(t.dirs[d]);
	end(o);
	o->links--;
	set_entry(d, i, NULL);
}

static void link_it(int from, int i, int d, int k)
{
	struct object *o = t.entries[from][i];
	change_info4 info;

	begin(t.dirs[d]);
	begin(o);
	must(nfsc_link(t.writer, &o->fh, &t.dirs[d]->fh, name_of(k), &info),
		"LINK");
	check_info(t.dirs[d], &info);
	end(t.dirs[d]);
	end(o);
	o->links++;
	set_entry(d, k, o);
}

/* Two names of one object: nothing happens. */
static void rename_to_itself(int from, int i, int to, int k)
{
	change_info4 source, target;

	must(nfsc_rename(t.writer, &t.dirs[from]->fh, name_of(i),
		     &t.dirs[to]->fh, name_of(k), &source, &target),
		"RENAME");
	if (source.before != source.after || target.before != target.after)
		fail("a change of nothing");
	given(t.dirs[from], source.after, t.dirs[from]->done,
		t.dirs[from]->done, "nothing's");
}

static void rename_it(int from, int i, int to, int k)
{
	struct object *o = t.entries[from][i], *victim = t.entries[to][k];
	change_info4 source, target;

	if (o == victim) {
		rename_to_itself(from, i, to, k);
		return;
	}
	begin(t.dirs[from]);
	if (to != from)
		begin(t.dirs[to]);
	begin(o);
	begin(victim);
	must(nfsc_rename(t.writer, &t.dirs[from]->fh, name_of(i),
		     &t.dirs[to]->fh, name_of(k), &source, &target),
		"RENAME");
	check_info(t.dirs[from], &source);
	if (to != from)
		check_info(t.dirs[to], &target);
	end(t.dirs[from]);
	end(t.dirs[to]);
	end(o);
	end(victim);
	if (victim)
		victim->links--;
	set_entry(from, i, NULL);
	set_entry(to, k, o);
}

static void change_file(struct object *o)
{
	struct setattr set = {
		.mask = SETATTR_MTIME, .mtime_ns = (int64_t)below(1u << 30)};
	uint32_t count;

	begin(o);
	switch (below(3)) {
	case 0:
		must(nfsc_write(t.writer, &o->fh, NULL, below(100), "x", 1,
			     UNSTABLE4, &count),
			"WRITE");
		break;
	case 1:
		set = (struct setattr){
			.mask = SETATTR_SIZE, .size = below(1000)};
		/* fall through */
	default:
		must(nfsc_setattr(t.writer, &o->fh, NULL, &set), "SETATTR");
	}
	end(o);
}

static void change_dir(struct object *o)
{
	struct setattr set = {
		.mask = SETATTR_MTIME, .mtime_ns = (int64_t)below(1u << 30)};

	begin(o);
	must(nfsc_setattr(t.writer, &o->fh, NULL, &set), "SETATTR");
	end(o);
	o->after = 0;
}

static void change_something(void)
{
	int d = (int)below(DIRS), i = (int)below(NAMES);
	int e = (int)below(DIRS), k = (int)below(NAMES);
	struct object *o = t.entries[d][i];

	if (!o) {
		make(d, i);
		return;
	}
	switch (below(8)) {
	case 0:
	case 1:
		remove_it(d, i);
		break;
	case 2:
		if (!t.entries[e][k])
			link_it(d, i, e, k);
		break;
	case 3:
	case 4:
		rename_it(d, i, e, k);
		break;
	case 5:
		change_dir(t.dirs[d]);
		break;
	default:
		change_file(o);
	}
}

/* Fails: no state is another one. */
static void change_nothing(void)
{
	int d = (int)below(DIRS), i = (int)below(NAMES);
	struct object *o = t.entries[d][i];
	change_info4 info;
	int err;

	if (o)
		err = nfsc_mkdir(t.writer, &t.dirs[d]->fh, name_of(i), NULL,
			&(struct nfsc_fh){.len = 0}, &info);
	else
		err = nfsc_remove(t.writer, &t.dirs[d]->fh, name_of(i), &info);
	if (err != (o ? NFS4ERR_EXIST : NFS4ERR_NOENT))
		fail("what must fail did not: %d", err);
}

/* ---- behind the server's back ---- */

static void change_locally(void)
{
	struct object *dir = t.dirs[below(DIRS)];
	struct xdr_opaque wire = nfsc_fh_wire(&dir->fh);
	struct name name = name_from_str("local");
	struct fh fh;

	must(fh_decode(t.server.server, &wire, &fh), "a filehandle");
	begin(dir);
	if (memory_foreign_create(
		    t.server.below, &fh.id, name, OBJECT_FILE, NULL) < 0)
		must(memory_foreign_remove(t.server.below, &fh.id, name),
			"a local change");
	end(dir);
	t.locals++;
}

static void restart(void)
{
	int err, tries = 0;

	testserver_restart(&t.server);
	do {
		err = nfsc_renew(t.writer, NULL);
	} while (err && ++tries < 10);
	must(err, "coming back after a restart");
	for (int d = 0; d < DIRS; d++)
		t.dirs[d]->after = 0;
	t.restarts++;
}

/* Nodes are kept for ten minutes; nobody may lose his lease meanwhile. */
static void evict(void)
{
	for (int i = 0; i < 24; i++) {
		testserver_advance(&t.server, 30 * 1000);
		must(nfsc_renew(t.writer, NULL), "SEQUENCE");
	}
	t.evictions++;
}

static void step(void)
{
	uint64_t dice = below(1000);

	if (dice < 300)
		clock_advance_ns(&t.server.clock, below(4 * TICK_NS));
	else if (dice < 310)
		testserver_advance(&t.server, below(2000));
	if (dice == 999 && below(3) == 0)
		restart();
	else if (dice == 998 && below(3) == 0)
		evict();
	else if (t.local && dice % 10 == 0)
		change_locally();
	else if (dice % 10 == 1)
		change_nothing();
	else if (dice % 10 < 6)
		change_something();
	else
		read_some(t.writer, &t.rand);
}

/* ---- beginning and end ---- */

static void configure(struct nfs_server_config *config)
{
	config->exports[0].local_changes = t.local;
}

static void start(void)
{
	struct testserver_options options = {
		.fake_clock = true, .tick_ns = TICK_NS, .configure = configure};
	struct nfsc_fh root, fh;

	testserver_start(&t.server, &options);
	if (t.local) /* not enough for both of a rename */
		memory_foreign_limit(t.server.below, 1);
	if (htab_init(&t.objects, 1024) < 0 || htab_init(&t.values, 1024) < 0)
		abort();
	t.writer = testserver_client(&t.server);
	must(nfsc_lookup(t.writer, NULL, NULL, 0, &root, NULL), "the root");
	for (int d = 0; d < DIRS; d++) {
		must(nfsc_mkdir(t.writer, &root, name_of(d), NULL, &fh, NULL),
			"CREATE");
		t.dirs[d] = object_new(&fh);
	}
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"local", no_argument, NULL, 'l'},
		{"alone", no_argument, NULL, 'a'},
		{"ops", required_argument, NULL, 'o'},
		{"seed", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	const char *ops = getenv("PROP_OPS"), *seed = getenv("PROP_SEED");
	int c;

	t.ops = ops ? strtoull(ops, NULL, 0) : 30000;
	t.seed = seed ? strtoull(seed, NULL, 0) : rand_u64() % 1000000000;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'l')
			t.local = true;
		else if (c == 'a')
			t.alone = true;
		else if (c == 'o')
			t.ops = strtoull(optarg, NULL, 0);
		else if (c == 's')
			t.seed = strtoull(optarg, NULL, 0);
		else
			exit(2);
	}
	t.rand.state = t.seed;
}

static void forget(struct htab *table, size_t offset)
{
	struct htab_link *at, *next;
	size_t cursor = 0;

	for (at = htab_walk(table, &cursor, NULL); at; at = next) {
		next = htab_walk(table, &cursor, at);
		free((char *)at - offset);
	}
	htab_fini(table);
}

int main(int argc, char **argv)
{
	pthread_t readers[READERS];

	parse(argc, argv);
	printf("seed %" PRIu64 ", %" PRIu64 " steps%s%s\n", t.seed, t.ops,
		t.local ? ", with local changes" : "",
		t.alone ? ", alone" : "");
	fflush(stdout);
	start();
	for (uintptr_t i = 0; i < READERS && !t.alone; i++) {
		if (pthread_create(&readers[i], NULL, reader, (void *)(i + 1)))
			abort();
	}
	for (uint64_t i = 0; i < t.ops; i++)
		step();
	t.over = true;
	for (int i = 0; i < READERS && !t.alone; i++)
		pthread_join(readers[i], NULL);
	printf("%zu objects, %zu values, %" PRIu64 " given again, %" PRIu64
	       " reads, %" PRIu64 " change infos, %" PRIu64 " atomic, %" PRIu64
	       " chained, %" PRIu64 " local changes, %" PRIu64
	       " restarts, %" PRIu64 " evictions\n",
		t.objects.count, t.values.count, t.repeats, t.reads, t.infos,
		t.atomic, t.chained, t.locals, t.restarts, t.evictions);
	nfsc_free(t.writer);
	testserver_stop(&t.server);
	forget(&t.objects, offsetof(struct object, link));
	forget(&t.values, offsetof(struct value, link));
	if (t.alone && !t.local && !t.chained)
		fail("nothing was chained");
	if (t.local && (!t.atomic || t.atomic == t.infos))
		fail("%" PRIu64 " of %" PRIu64 " were atomic", t.atomic,
			t.infos);
	return 0;
}
