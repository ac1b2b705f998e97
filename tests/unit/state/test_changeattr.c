/* SPDX-License-Identifier: MIT */
/*
 * The change attribute: no value is ever given to two states. Simple cases
 * first, then a random history of our changes, foreign changes that only move
 * ctime to the current tick, readers that are slow between the mark, the
 * attributes and the value, evictions, crashes and a clock set back.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "state/changeattr.h"
#include "state/policy_changeattr.h"

#define TICK_NS INT64_C(10000000)
#define TICK_MS 10

/* ---- arithmetic ---- */

static void test_policy(void **arg)
{
	const int64_t t = 10;

	for (int64_t before = -50; before <= 50; before++) {
		for (int64_t now = -50; now <= 50; now++)
			assert_int_equal(policy_ctime_closed(0, before, now, t),
				(before >= 30 && now >= 30) ||
					(before <= -30 && now <= -30));
	}
	for (int64_t ctime = 0; ctime < 200; ctime++) {
		assert_int_equal(policy_change_closed(ctime, t) & 1, 1);
		for (uint64_t last = 0; last < 300; last++) {
			for (int64_t age = 0; age < 60; age += 10) {
				uint64_t next = policy_change_next(
					ctime, ctime + age, last, t);

				assert_true(next > last && next % 2 == 0);
				assert_true(next >= (uint64_t)ctime + 2 * t);
				assert_true(age < 30 ||
					next >= (uint64_t)ctime + age + 2 * t);
			}
		}
	}
	/* Before 1970 there is only the counter. */
	assert_int_equal(policy_change_next(-1000, -1000, 6, t), 8);
}

/* ---- simple cases ---- */

static int64_t file_time(struct world *w)
{
	return clock_file_ns(&w->clock);
}

static uint64_t nodes(struct world *w)
{
	struct state_stats stats;

	state_read_stats(w->state, &stats);
	return stats.nodes;
}

static void test_closed_needs_no_node(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("f");
	int64_t ctime = file_time(w) - 3 * TICK_NS;
	uint64_t value = changeattr_read(w->state, &id, ctime);

	assert_int_equal(value & 1, 1);
	assert_int_equal(nodes(w), 0);
	world_advance(w, 100000);
	assert_true(changeattr_read(w->state, &id, ctime) == value);
	world_free(w);
}

static void test_open_tick_never_repeats(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("f");
	int64_t ctime = file_time(w);
	uint64_t seen = 0;

	for (int i = 0; i < 29; i++) {
		uint64_t value = changeattr_read(w->state, &id, ctime);

		assert_true(value > seen);
		seen = value;
		world_advance(w, 1);
	}
	assert_int_equal(nodes(w), 1);
	world_advance(w, 1); /* closed: one last value, and for ever */
	assert_true(changeattr_read(w->state, &id, ctime) > seen);
	seen = changeattr_read(w->state, &id, ctime);
	world_advance(w, 10 * TICK_MS);
	assert_int_equal(nodes(w), 0);
	assert_true(changeattr_read(w->state, &id, ctime) == seen);
	world_free(w);
}

static void test_exact_repeats(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("d");
	struct node *n = node_get(w->state, &id);
	int64_t old = file_time(w) - 1000 * TICK_NS, ctime = file_time(w);
	struct changeattr_mark before, after;
	uint64_t was = changeattr_read(w->state, &id, old), value;

	before = changeattr_mark(w->state, &id);
	assert_true(changeattr_read_node(n, old, &before) == was);
	changeattr_begin_node(n, true);
	value = changeattr_end_node(n, ctime);
	assert_true(value > was);
	after = changeattr_mark(w->state, &id);
	/* Read from before the change: of the old state, and nobody else's. */
	assert_true(changeattr_read_since(w->state, &id, old, &before) == was);
	assert_true(
		changeattr_read_since(w->state, &id, ctime, &after) == value);
	world_advance(w, 5000);
	assert_true(changeattr_read(w->state, &id, ctime) == value);
	assert_true(changeattr_read_node(n, ctime, &after) == value);
	/* A mark from before it cannot say which state was read. */
	assert_true(
		changeattr_read_since(w->state, &id, ctime, &before) != value);
	node_put(n);
	world_free(w);
}

static void test_exact_between_begin_and_end(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("d");
	struct node *n = node_get(w->state, &id);
	int64_t ctime = file_time(w);
	uint64_t value, during;

	changeattr_begin_node(n, true);
	value = changeattr_end_node(n, ctime);
	changeattr_begin_node(n, true);
	during = changeattr_read(w->state, &id, ctime);
	assert_true(during != value);
	changeattr_abort_node(n);
	/* What came of it nobody can know: not that value again. */
	assert_true(changeattr_read(w->state, &id, ctime) != during);
	node_put(n);
	world_free(w);
}

static void test_watch_lost(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("d");
	struct node *n = node_get(w->state, &id);
	int64_t ctime = file_time(w);
	uint64_t value, seen;

	changeattr_begin_node(n, true);
	value = changeattr_end_node(n, ctime);
	changeattr_touch(w->state, &id);
	seen = changeattr_read(w->state, &id, ctime);
	assert_true(seen != value);
	assert_true(changeattr_read(w->state, &id, ctime) == seen);
	changeattr_set_inexact(w->state, &id);
	assert_true(changeattr_read(w->state, &id, ctime) != seen);
	node_put(n);
	world_free(w);
}

/* Who compares it later finds that attributes it was read with may be old. */
static void test_changed_while_it_was_read(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("f");
	struct node *n = node_get(w->state, &id);
	struct changeattr_mark mark = changeattr_mark(w->state, &id);
	int64_t ctime = file_time(w);
	uint64_t value;

	value = changeattr_read_since(w->state, &id, ctime, &mark);
	mark = changeattr_mark(w->state, &id);
	assert_true(mark.last == value);
	changeattr_touch(w->state, &id);
	value = changeattr_read_since(w->state, &id, ctime, &mark);
	mark = changeattr_mark(w->state, &id);
	assert_true(mark.last > value);
	node_put(n);
	world_free(w);
}

static void test_node_outlives_change(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("f");
	uint64_t first = changeattr_bump(w->state, &id, file_time(w));
	uint64_t second = changeattr_bump(w->state, &id, file_time(w));

	assert_true(second > first);
	world_advance(w, 7 * TICK_MS);
	assert_int_equal(nodes(w), 1);
	world_advance(w, 2 * TICK_MS);
	assert_int_equal(nodes(w), 0);
	world_free(w);
}

/*
 * By less than is noticed; and ctimes finer than a tick are ahead of its clock.
 * Hence the value's ctime stays open for longer than 4t.
 */
static void test_clock_set_back_a_little(void **arg)
{
	struct world *w = world_new();
	struct fileid id = file_named("f");
	int64_t ctime = file_time(w) + TICK_NS / 2;
	uint64_t seen = changeattr_read(w->state, &id, ctime);

	/* Somebody changes it, and its ctime is the same. */
	w->clock.realtime_ns -= TICK_NS;
	world_advance(w, 4 * TICK_MS + TICK_MS / 2);
	assert_true(changeattr_read(w->state, &id, ctime) > seen);
	world_free(w);
}

/* More nodes than are kept: the oldest goes early, and no value comes back. */
static void test_too_many_nodes(void **arg)
{
	struct world *w = world_new();
	struct fileid first = file_named("first");
	uint64_t seen = changeattr_bump(w->state, &first, file_time(w));
	uint64_t again;
	char name[16];

	for (int i = 0; i < 70000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		struct fileid id = file_named(name);

		changeattr_bump(w->state, &id, file_time(w));
	}
	assert_int_equal(nodes(w), 65536);
	again = changeattr_bump(w->state, &first, file_time(w));
	assert_true(again > seen);
	world_free(w);
}

/* ---- random histories ---- */

#define OBJECTS 6
#define ACTORS  4 /* slow readers and slow writers, each */

struct object {
	struct fileid id;
	uint64_t state; /* a number nothing else ever had */
	int64_t ctime;
	struct node *held; /* somebody keeps the node, or NULL */
};

enum step { STEP_IDLE, STEP_MARKED, STEP_READ };

struct reader {
	enum step step;
	int object;
	struct changeattr_mark mark;
	uint64_t state;
	int64_t ctime;
};

struct writer {
	enum step step;
	int object;
	struct node *node;
	uint64_t state;
	int64_t ctime;
};

struct given {
	uint64_t value;
	uint64_t state; /* 0 = empty */
	int object;
};

#define GIVEN_MAX (1 << 15)
#define HISTORIES 20

struct history {
	struct world *w;
	struct rand_stream rand;
	uint64_t seed;
	bool exact, files, set_back;
	int64_t phase; /* of ctimes within a tick; moves when set back */
	uint64_t states;
	struct object object[OBJECTS];
	struct reader reader[ACTORS];
	struct writer writer[ACTORS];
	struct given *given;
	uint64_t values;
};

static uint64_t below(struct history *h, uint64_t bound)
{
	return rand_stream_below(&h->rand, bound);
}

static int64_t stamp(struct history *h)
{
	return file_time(h->w) + h->phase;
}

/* @value was given out with @state of this object: never with another. */
static void report(
	struct history *h, int object, uint64_t state, uint64_t value)
{
	uint64_t key[2] = {value, object};
	size_t at = htab_hash(key, sizeof(key)) % GIVEN_MAX;

	while (h->given[at].state != 0) {
		struct given *g = &h->given[at];

		if (g->value == value && g->object == object) {
			if (g->state != state)
				fail_msg("seed %llu: value %llu of object %d "
					 "for states %llu and %llu",
					(unsigned long long)h->seed,
					(unsigned long long)value, object,
					(unsigned long long)g->state,
					(unsigned long long)state);
			return;
		}
		at = (at + 1) % GIVEN_MAX;
	}
	h->given[at] = (struct given){value, state, object};
	h->values++;
}

static void change(struct history *h, int i)
{
	h->object[i].state = ++h->states;
	h->object[i].ctime = stamp(h);
}

static void step_reader(struct history *h, struct reader *r)
{
	struct object *o;

	if (r->step == STEP_IDLE)
		r->object = below(h, OBJECTS);
	o = &h->object[r->object];
	switch (r->step) {
	case STEP_IDLE:
		r->mark = changeattr_mark(h->w->state, &o->id);
		r->step = STEP_MARKED;
		break;
	case STEP_MARKED:
		r->state = o->state;
		r->ctime = o->ctime;
		r->step = STEP_READ;
		break;
	case STEP_READ:
		report(h, r->object, r->state,
			changeattr_read_since(
				h->w->state, &o->id, r->ctime, &r->mark));
		r->step = STEP_IDLE;
	}
}

static bool is_being_written(struct history *h, int object)
{
	for (int i = 0; i < ACTORS; i++) {
		if (h->writer[i].step != STEP_IDLE &&
			h->writer[i].object == object)
			return true;
	}
	return false;
}

static void begin_write(struct history *h, struct writer *wr)
{
	int i = below(h, OBJECTS);
	struct object *o = &h->object[i];
	struct changeattr_mark mark;

	if (!h->files && is_being_written(h, i))
		return; /* a directory's changes are one after the other */
	wr->object = i;
	wr->node = node_get(h->w->state, &o->id);
	mark = changeattr_mark_node(wr->node);
	if (!h->files)
		report(h, i, o->state,
			changeattr_read_node(wr->node, o->ctime, &mark));
	changeattr_begin_node(wr->node, h->exact);
	wr->step = STEP_MARKED;
}

static void step_writer(struct history *h, struct writer *wr)
{
	struct object *o = &h->object[wr->object];

	switch (wr->step) {
	case STEP_IDLE:
		begin_write(h, wr);
		break;
	case STEP_MARKED:
		if (below(h, 8) == 0) { /* it failed */
			changeattr_abort_node(wr->node);
			node_put(wr->node);
			wr->step = STEP_IDLE;
			break;
		}
		change(h, wr->object);
		wr->state = o->state;
		wr->ctime = o->ctime;
		wr->step = STEP_READ;
		break;
	case STEP_READ:
		report(h, wr->object, wr->state,
			changeattr_end_node(wr->node, wr->ctime));
		node_put(wr->node);
		wr->step = STEP_IDLE;
	}
}

static void read_at_once(struct history *h, int i)
{
	struct object *o = &h->object[i];
	struct changeattr_mark mark = changeattr_mark(h->w->state, &o->id);

	report(h, i, o->state,
		changeattr_read_since(h->w->state, &o->id, o->ctime, &mark));
}

static void foreign_change(struct history *h, int i)
{
	if (h->exact)
		return; /* there are none */
	change(h, i);
}

static void hold_or_drop(struct history *h, int i)
{
	struct object *o = &h->object[i];

	if (o->held) {
		node_put(o->held);
		o->held = NULL;
	} else {
		o->held = node_get(h->w->state, &o->id);
	}
}

/* Everybody lets go; what they were about to say is lost. */
static void abandon(struct history *h)
{
	for (int i = 0; i < ACTORS; i++) {
		h->reader[i].step = STEP_IDLE;
		if (h->writer[i].step != STEP_IDLE) {
			changeattr_abort_node(h->writer[i].node);
			node_put(h->writer[i].node);
		}
		h->writer[i].step = STEP_IDLE;
	}
	for (int i = 0; i < OBJECTS; i++) {
		node_put(h->object[i].held);
		h->object[i].held = NULL;
	}
}

static void crash(struct history *h)
{
	abandon(h);
	state_free(h->w->state);
	h->w->state = NULL;
	if (!h->exact && below(h, 2))
		change(h, below(h, OBJECTS)); /* while the server is down */
	clock_advance_ms(&h->w->clock, 3 * TICK_MS); /* start-up waits */
	world_start(h->w);
}

static void set_clock_back(struct history *h)
{
	h->w->clock.realtime_ns -= below(h, 500) * 1000000;
	/* Real ticks do not fall on the same nanoseconds again. */
	h->phase += 137;
}

static void step(struct history *h)
{
	uint64_t what = below(h, 1000);
	int i = below(h, OBJECTS);

	if (what < 250)
		step_reader(h, &h->reader[below(h, ACTORS)]);
	else if (what < 450)
		step_writer(h, &h->writer[below(h, ACTORS)]);
	else if (what < 600)
		read_at_once(h, i);
	else if (what < 750)
		foreign_change(h, i);
	else if (what < 900)
		world_advance(h->w, below(h, 4));
	else if (what < 950)
		world_advance(h->w, below(h, 5 * TICK_MS));
	else if (what < 990)
		hold_or_drop(h, i);
	else if (what < 994)
		world_advance(h->w, 100 + below(h, 1000));
	else if (what < 996 && h->set_back)
		set_clock_back(h);
	else if (what == 999 && !h->set_back)
		crash(h);
}

static void run_history(struct history *h, int steps)
{
	char name[16];

	h->w = world_new();
	h->rand.state = h->seed;
	h->given = calloc(GIVEN_MAX, sizeof(*h->given));
	for (int i = 0; i < OBJECTS; i++) {
		snprintf(name, sizeof(name), "object %d", i);
		h->object[i].id = file_named(name);
		change(h, i);
		h->object[i].ctime -= 1000 * TICK_NS;
	}
	for (int i = 0; i < steps; i++)
		step(h);
	abandon(h);
	assert_true(h->values > (uint64_t)steps / 100);
	free(h->given);
	world_free(h->w);
}

static void run_histories(bool exact, bool files, bool set_back)
{
	const char *given = getenv("HERALD_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : rand_u64();

	for (int i = 0; i < HISTORIES; i++) {
		struct history h = {.seed = seed + i,
			.exact = exact,
			.files = files,
			.set_back = set_back};

		run_history(&h, 10000);
	}
	print_message("seeds from %llu\n", (unsigned long long)seed);
}

static void test_random_foreign(void **arg)
{
	run_histories(false, false, false);
	run_histories(false, true, false);
}

static void test_random_exact(void **arg)
{
	run_histories(true, false, false);
	run_histories(true, true, false);
}

static void test_random_set_back(void **arg)
{
	run_histories(false, true, true);
	run_histories(true, false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_closed_needs_no_node),
		cmocka_unit_test(test_open_tick_never_repeats),
		cmocka_unit_test(test_exact_repeats),
		cmocka_unit_test(test_exact_between_begin_and_end),
		cmocka_unit_test(test_watch_lost),
		cmocka_unit_test(test_changed_while_it_was_read),
		cmocka_unit_test(test_node_outlives_change),
		cmocka_unit_test(test_clock_set_back_a_little),
		cmocka_unit_test(test_too_many_nodes),
		cmocka_unit_test(test_random_foreign),
		cmocka_unit_test(test_random_exact),
		cmocka_unit_test(test_random_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
