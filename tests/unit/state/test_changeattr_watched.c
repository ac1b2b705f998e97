/* SPDX-License-Identifier: MIT */
/*
 * The change attribute of a directory that others change, too, and whose
 * changes we are told of some time later (an exact node). Clients cache what
 * the directory contained with the value it had; who changes it himself and
 * is told that this was atomic goes on with his cache under the new value.
 * Property: once all is reported, a client whose value is still the
 * directory's has the directory's contents.
 *
 * Contents are two counts here: of our own changes and of foreign ones.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "state/changeattr.h"

#define TICK_MS   10
#define DIRS      3
#define CLIENTS   3
#define READERS   4
#define HISTORIES 40
#define STEPS     50000

struct contents {
	uint64_t own, foreign;
};

struct dir {
	struct fileid id;
	struct contents now;
	int64_t ctime;
	bool watched;
	unsigned unreported;
	bool being_changed;
	struct node *held;
};

struct cache {
	uint64_t value; /* 0 = none */
	struct contents contents;
};

enum step { IDLE, BEGUN, DONE };

struct reader {
	enum step step;
	int dir, client;
	struct changeattr_mark mark;
	struct contents contents;
	int64_t ctime;
};

struct writer {
	enum step step;
	int client;
	struct node *node;
	struct changeattr_mark mark;
	uint64_t before;
	int64_t ctime;
};

struct history {
	struct world *w;
	struct rand_stream rand;
	uint64_t seed;
	struct dir dir[DIRS];
	struct cache cache[CLIENTS][DIRS];
	struct reader reader[READERS];
	struct writer writer[DIRS];
	uint64_t checked, kept;
};

static uint64_t below(struct history *h, uint64_t bound)
{
	return rand_stream_below(&h->rand, bound);
}

static void stamp(struct history *h, struct dir *d)
{
	d->ctime = clock_file_ns(&h->w->clock);
}

static void seen(struct history *h, int client, int dir, uint64_t value,
	const struct contents *contents)
{
	struct cache *c = &h->cache[client][dir];

	h->kept += c->value == value;
	if (c->value != value)
		*c = (struct cache){value, *contents};
}

static void step_reader(struct history *h, struct reader *r)
{
	struct dir *d;

	if (r->step == IDLE) {
		r->dir = below(h, DIRS);
		r->client = below(h, CLIENTS);
	}
	d = &h->dir[r->dir];
	switch (r->step) {
	case IDLE:
		r->mark = changeattr_mark(h->w->state, &d->id);
		r->step = BEGUN;
		break;
	case BEGUN:
		r->contents = d->now;
		r->ctime = d->ctime;
		r->step = DONE;
		break;
	case DONE:
		seen(h, r->client, r->dir,
			changeattr_read_since(
				h->w->state, &d->id, r->ctime, &r->mark),
			&r->contents);
		r->step = IDLE;
	}
}

/* Marked first: from here on every foreign change is reported. */
static void begin_write(struct history *h, struct dir *d, struct writer *wr)
{
	wr->client = below(h, CLIENTS);
	wr->node = node_get(h->w->state, &d->id);
	d->watched = true;
	wr->mark = changeattr_mark_node(wr->node);
	wr->ctime = d->ctime;
	wr->step = BEGUN;
	d->being_changed = true;
}

static void end_write(struct history *h, int i, struct writer *wr)
{
	struct cache *c = &h->cache[wr->client][i];
	uint64_t after = changeattr_end_node(wr->node, wr->ctime);

	if (c->value == wr->before) {
		c->value = after;
		c->contents.own++;
	} else {
		c->value = 0;
	}
}

static void step_writer(struct history *h, int i)
{
	struct writer *wr = &h->writer[i];
	struct dir *d = &h->dir[i];

	switch (wr->step) {
	case IDLE:
		begin_write(h, d, wr);
		return;
	case BEGUN:
		wr->before =
			changeattr_read_node(wr->node, wr->ctime, &wr->mark);
		changeattr_begin_node(wr->node, true);
		if (below(h, 8) == 0) {
			changeattr_abort_node(wr->node);
			break;
		}
		if (below(h, 2))
			world_advance(h->w, below(h, 3));
		d->now.own++;
		stamp(h, d);
		wr->ctime = d->ctime;
		wr->step = DONE;
		return;
	case DONE:
		end_write(h, i, wr);
	}
	node_put(wr->node);
	wr->step = IDLE;
	d->being_changed = false;
}

static void foreign_change(struct history *h, struct dir *d)
{
	d->now.foreign++;
	stamp(h, d);
	d->unreported += d->watched;
}

static void report(struct history *h, struct dir *d)
{
	if (!d->unreported)
		return;
	d->unreported = 0;
	changeattr_touch(h->w->state, &d->id);
}

static void lose(struct history *h)
{
	for (int i = 0; i < DIRS; i++)
		h->dir[i].unreported = 0;
	changeattr_lose(h->w->state);
}

/* The mark goes, then the node hears of it: in between is a change unseen. */
static void unwatch(struct history *h, struct dir *d)
{
	if (!d->watched || d->being_changed)
		return;
	d->watched = false;
	d->unreported = 0;
	if (below(h, 2))
		foreign_change(h, d);
	changeattr_set_inexact(h->w->state, &d->id);
}

static void check(struct history *h, int i)
{
	struct dir *d = &h->dir[i];
	uint64_t value;

	if (d->unreported || d->being_changed)
		return;
	value = changeattr_read(h->w->state, &d->id, d->ctime);
	for (int c = 0; c < CLIENTS; c++) {
		const struct cache *cache = &h->cache[c][i];

		if (cache->value != value)
			continue;
		if (cache->contents.own != d->now.own ||
			cache->contents.foreign != d->now.foreign)
			fail_msg("seed %llu: client %d is wrong about "
				 "directory %d",
				(unsigned long long)h->seed, c, i);
		h->checked++;
	}
}

static void hold_or_drop(struct history *h, struct dir *d)
{
	if (d->held) {
		node_put(d->held);
		d->held = NULL;
	} else {
		d->held = node_get(h->w->state, &d->id);
	}
}

static void step(struct history *h)
{
	uint64_t what = below(h, 1000);
	int i = below(h, DIRS);

	if (what < 300)
		step_reader(h, &h->reader[below(h, READERS)]);
	else if (what < 500)
		step_writer(h, i);
	else if (what < 600)
		foreign_change(h, &h->dir[i]);
	else if (what < 700)
		report(h, &h->dir[i]);
	else if (what < 820)
		check(h, i);
	else if (what < 940)
		world_advance(h->w, below(h, 4));
	else if (what < 960)
		world_advance(h->w, below(h, 6 * TICK_MS));
	else if (what < 980)
		hold_or_drop(h, &h->dir[i]);
	else if (what < 990)
		unwatch(h, &h->dir[i]);
	else if (what < 995)
		lose(h);
}

static void end_history(struct history *h)
{
	for (int i = 0; i < DIRS; i++) {
		while (h->writer[i].step != IDLE)
			step_writer(h, i);
		node_put(h->dir[i].held);
	}
	world_free(h->w);
}

static void run_history(struct history *h)
{
	char name[16];

	h->w = world_new();
	h->rand.state = h->seed;
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "directory %d", i);
		h->dir[i].id = file_named(name);
		stamp(h, &h->dir[i]);
	}
	for (int i = 0; i < STEPS; i++)
		step(h);
	end_history(h);
}

static void test_watched(void **arg)
{
	const char *given = getenv("HERALD_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : rand_u64();
	uint64_t checked = 0, kept = 0;

	print_message("seeds from %llu\n", (unsigned long long)seed);
	for (int i = 0; i < HISTORIES; i++) {
		struct history h = {.seed = seed + i};

		run_history(&h);
		checked += h.checked;
		kept += h.kept;
	}
	print_message("%llu caches checked, %llu found true again\n",
		(unsigned long long)checked, (unsigned long long)kept);
	assert_true(checked > 500 && kept > 500);
}

/* A change that fails, watched from now on. */
static void begin_and_abort(struct node *n)
{
	changeattr_begin_node(n, true);
	changeattr_abort_node(n);
}

/* What nobody watched between two of our changes may have been changed. */
static void test_a_new_watch_revives_no_value(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("directory");
	struct node *n = node_get(w->state, &id);
	int64_t ctime = clock_file_ns(&w->clock);
	uint64_t told;

	changeattr_begin_node(n, true);
	told = changeattr_end_node(n, ctime);
	begin_and_abort(n);
	assert_int_equal(changeattr_read(w->state, &id, ctime), told);
	changeattr_lose(w->state);
	begin_and_abort(n);
	assert_int_not_equal(changeattr_read(w->state, &id, ctime), told);
	node_put(n);
	world_free(w);
}

static void test_a_new_watch_keeps_no_older_reading(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("directory");
	struct node *n = node_get(w->state, &id);
	int64_t ctime = clock_file_ns(&w->clock);
	struct changeattr_mark mark = changeattr_mark(w->state, &id);
	uint64_t told;

	/* Read; then changed by others within the tick; then watched. */
	begin_and_abort(n);
	told = changeattr_read_since(w->state, &id, ctime, &mark);
	assert_int_not_equal(changeattr_read(w->state, &id, ctime), told);
	node_put(n);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_watch_revives_no_value),
		cmocka_unit_test(test_a_new_watch_keeps_no_older_reading),
		cmocka_unit_test(test_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
