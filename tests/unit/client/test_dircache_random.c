/* SPDX-License-Identifier: MIT */
/*
 * The model against a simple directory: random changes, a listing read page by
 * page among them, notifications and pages that arrive late (in their own
 * order). In the end the model is the directory, what was told adds up to the
 * model, and a lost notification does not go unnoticed.
 *
 * HERALD_SEED repeats a run, HERALD_ROUNDS makes it longer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "model.h"

#define NAMES      12
#define MAX_EVENTS 400

/* Names are single letters; 'a' + i in slot i, listed by cookie. */
static char names[NAMES][2];
static uint64_t cookies[NAMES];
static uint64_t failing_seed;

struct world {
	struct rand_stream rand;
	uint64_t id[NAMES]; /* 0: not there */
	uint64_t next_id;
	/* notifications on their way */
	struct dircache_change events[MAX_EVENTS];
	size_t sent, arrived;
	/* the listing */
	struct dircache *m;
	bool listing;
	uint64_t at; /* cookie of the last entry read */
	bool page_waits, page_eof;
	uint64_t page_from, page_to;
	uint64_t page_id[NAMES]; /* as read */
	/* what was told */
	bool told[NAMES];
	bool told_badly;
};

static uint64_t pick(struct world *w, uint64_t bound)
{
	return rand_stream_below(&w->rand, bound);
}

static int slot_of(struct name name)
{
	return name.data[0] - 'a';
}

static void note_told(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	struct world *w = ctx;
	bool *told = &w->told[slot_of(entry->name)];

	switch (event) {
	case DIRCACHE_CREATE:
		w->told_badly |= *told != (replaced != NULL);
		*told = true;
		break;
	case DIRCACHE_DELETE:
		w->told_badly |= !*told;
		*told = false;
		break;
	case DIRCACHE_MOVE:
		w->told_badly |= !w->told[slot_of(from)];
		/* over another name of the same object nothing is replaced */
		w->told_badly |= replaced && !*told;
		w->told[slot_of(from)] = false;
		*told = true;
		break;
	case DIRCACHE_ATTRS:
		break;
	}
}

/* ---- the directory ---- */

/* The entry before slot @i in listing order, or -1. */
static int before(const struct world *w, int i)
{
	int found = -1;

	for (int k = 0; k < NAMES; k++) {
		if (w->id[k] && cookies[k] < cookies[i] &&
			(found < 0 || cookies[k] > cookies[found]))
			found = k;
	}
	return found;
}

static bool is_last(const struct world *w, int i)
{
	for (int k = 0; k < NAMES; k++) {
		if (w->id[k] && cookies[k] > cookies[i])
			return false;
	}
	return true;
}

static struct dircache_entry entry_in(int i, uint64_t id)
{
	struct dircache_entry e = entry_of(names[i], id);

	e.cookie = cookies[i];
	return e;
}

static void position(
	const struct world *w, struct dircache_change *change, int i)
{
	int prev = before(w, i);

	change->has_previous = prev >= 0;
	if (prev >= 0) {
		change->previous = name_from_str(names[prev]);
		change->previous_cookie = cookies[prev];
	}
	change->last = is_last(w, i);
}

static void send_event(struct world *w, struct dircache_change change)
{
	assert_true(w->sent < MAX_EVENTS);
	w->events[w->sent++] = change;
}

static void make(struct world *w, int i)
{
	struct dircache_change change = {.kind = CHANGE_ADD_ENTRY};

	if (w->id[i]) { /* a rename from elsewhere onto it */
		change.has_overwritten = true;
		change.overwritten = entry_in(i, w->id[i]);
	}
	w->id[i] = w->next_id++;
	change.entry = entry_in(i, w->id[i]);
	position(w, &change, i);
	send_event(w, change);
}

static void take_away(struct world *w, int i)
{
	struct dircache_change change = {
		.kind = CHANGE_REMOVE_ENTRY, .entry = entry_in(i, w->id[i])};

	w->id[i] = 0;
	send_event(w, change);
}

static void rename_slot(struct world *w, int from, int to)
{
	struct dircache_change change = {.kind = CHANGE_RENAME_ENTRY,
		.old = entry_in(from, w->id[from])};

	if (w->id[to]) {
		change.has_overwritten = true;
		change.overwritten = entry_in(to, w->id[to]);
	}
	w->id[to] = w->id[from];
	w->id[from] = 0;
	change.entry = entry_in(to, w->id[to]);
	position(w, &change, to);
	send_event(w, change);
}

static void change_something(struct world *w)
{
	int a = (int)pick(w, NAMES), b = (int)pick(w, NAMES);

	if (!w->id[a] || pick(w, 8) == 0)
		make(w, a);
	else if (a == b || pick(w, 3) == 0)
		take_away(w, a);
	else
		rename_slot(w, a, b);
}

/* ---- what arrives ---- */

static void deliver(struct world *w)
{
	int err;

	if (w->arrived == w->sent)
		return;
	err = dircache_apply(w->m, &w->events[w->arrived++]);
	if (err)
		fail_msg("HERALD_SEED=%llu: %d: %s",
			(unsigned long long)failing_seed, err,
			dircache_contradiction(w->m));
}

/* The server reads a page of at most three entries now. */
static void read_page(struct world *w)
{
	int taken = 0;

	memset(w->page_id, 0, sizeof(w->page_id));
	w->page_eof = true;
	for (;;) {
		int next = -1;

		for (int k = 0; k < NAMES; k++) {
			if (w->id[k] && cookies[k] > w->at &&
				(next < 0 || cookies[k] < cookies[next]))
				next = k;
		}
		if (next < 0)
			break;
		if (taken == 3) {
			w->page_eof = false;
			break;
		}
		w->page_id[next] = w->id[next];
		w->at = cookies[next];
		taken++;
	}
	w->page_waits = true;
}

static void take_page(struct world *w)
{
	int order[NAMES], n = 0, err;

	for (int k = 0; k < NAMES; k++) {
		if (w->page_id[k])
			order[n++] = k;
	}
	for (int i = 0; i < n; i++) { /* in listing order */
		for (int k = i + 1; k < n; k++) {
			if (cookies[order[k]] < cookies[order[i]]) {
				int swap = order[i];

				order[i] = order[k];
				order[k] = swap;
			}
		}
	}
	for (int i = 0; i < n; i++) {
		struct dircache_entry e =
			entry_in(order[i], w->page_id[order[i]]);

		assert_int_equal(dircache_fill_entry(w->m, &e), 0);
	}
	w->page_waits = false;
	if (w->page_eof) {
		w->listing = false;
		err = dircache_fill_end(w->m, 1);
		if (err)
			fail_msg("HERALD_SEED=%llu: %d: %s",
				(unsigned long long)failing_seed, err,
				dircache_contradiction(w->m));
	}
}

static void begin_listing(struct world *w)
{
	dircache_fill_begin(w->m);
	w->listing = true;
	w->page_waits = false;
	w->at = 0;
}

static void finish_listing(struct world *w)
{
	while (w->listing) {
		if (!w->page_waits)
			read_page(w);
		take_page(w);
	}
}

static void step(struct world *w)
{
	switch (pick(w, 4)) {
	case 0:
		deliver(w);
		break;
	case 1:
		if (w->listing && !w->page_waits)
			read_page(w);
		break;
	case 2:
		if (w->listing && w->page_waits)
			take_page(w);
		break;
	default:
		change_something(w);
		break;
	}
}

static void deliver_all(struct world *w)
{
	while (w->arrived < w->sent)
		deliver(w);
}

/* ---- the oracle ---- */

static struct dircache *list_now(const struct world *w)
{
	struct dircache_config config = {.ordered = true};
	struct dircache *m = dircache_new(&config);

	assert_non_null(m);
	dircache_fill_begin(m);
	for (uint64_t c = 1; c <= NAMES; c++) {
		for (int k = 0; k < NAMES; k++) {
			struct dircache_entry e = entry_in(k, w->id[k]);

			if (w->id[k] && cookies[k] == c)
				assert_int_equal(dircache_fill_entry(m, &e), 0);
		}
	}
	assert_int_equal(dircache_fill_end(m, 1), 0);
	return m;
}

static bool same_as_now(const struct world *w, char *why, size_t size)
{
	struct dircache_compare how = {
		.demand = true, .cookies = true, .order = true};
	struct dircache *now = list_now(w);
	bool same;

	bitmap4_set(&how.attrs, FATTR4_FILEID);
	same = dircache_equal(w->m, now, &how, why, size);
	dircache_free(now);
	return same;
}

static void check(const struct world *w)
{
	struct dircache_entry e;
	char why[200];

	if (!same_as_now(w, why, sizeof(why)))
		fail_msg("HERALD_SEED=%llu: %s",
			(unsigned long long)failing_seed, why);
	if (w->told_badly)
		fail_msg("HERALD_SEED=%llu: told badly",
			(unsigned long long)failing_seed);
	for (int i = 0; i < NAMES; i++)
		assert_int_equal(w->told[i],
			dircache_find(w->m, name_from_str(names[i]), &e));
}

/* ---- one round ---- */

static void world_init(struct world *w, uint64_t seed)
{
	struct dircache_config config = {
		.ordered = true, .tell = note_told, .ctx = w};

	*w = (struct world){.rand = {.state = seed}, .next_id = 1000};
	for (int i = 0; i < NAMES; i++) {
		names[i][0] = (char)('a' + i);
		cookies[i] = (uint64_t)i + 1;
	}
	for (int i = NAMES - 1; i > 0; i--) { /* an order that is no order */
		int k = (int)pick(w, (uint64_t)i + 1);
		uint64_t swap = cookies[i];

		cookies[i] = cookies[k];
		cookies[k] = swap;
	}
	for (int i = 0; i < NAMES; i++)
		w->id[i] = pick(w, 2) ? w->next_id++ : 0;
	w->m = dircache_new(&config);
	assert_non_null(w->m);
}

static void one_round(uint64_t seed)
{
	struct world w;

	world_init(&w, seed);
	for (int fills = 0; fills < 3; fills++) {
		begin_listing(&w);
		for (uint64_t n = pick(&w, 40); n > 0; n--)
			step(&w);
		finish_listing(&w);
		for (uint64_t n = pick(&w, 10); n > 0; n--)
			step(&w);
		deliver_all(&w);
		check(&w);
		dircache_settle(w.m);
		for (uint64_t n = pick(&w, 30); n > 0; n--)
			step(&w);
		deliver_all(&w);
		check(&w);
	}
	dircache_free(w.m);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_random(void **state)
{
	uint64_t seed = number_from("HERALD_SEED", rand_u64());
	uint64_t rounds = number_from("HERALD_ROUNDS", 3000);

	for (uint64_t i = 0; i < rounds; i++) {
		failing_seed = seed + i;
		one_round(seed + i);
	}
	print_message("HERALD_SEED=%llu, %llu rounds\n",
		(unsigned long long)seed, (unsigned long long)rounds);
}

/*
 * One notification is lost: then either a later one contradicts the model, or
 * it differs from the directory, or nothing of it is left to be seen.
 */
static void lose_one(uint64_t seed, uint64_t *noticed, uint64_t *missed)
{
	struct world w;
	char why[200];
	int err = 0;

	world_init(&w, seed);
	begin_listing(&w);
	finish_listing(&w);
	dircache_settle(w.m);
	change_something(&w);
	w.arrived++;
	for (int i = 0; i < 20; i++)
		change_something(&w);
	while (w.arrived < w.sent)
		err |= dircache_apply(w.m, &w.events[w.arrived++]);
	if (err)
		*noticed += 1;
	else if (!same_as_now(&w, why, sizeof(why)))
		*missed += 1;
	dircache_free(w.m);
}

static void test_lost_notification(void **state)
{
	uint64_t seed = number_from("HERALD_SEED", rand_u64());
	uint64_t noticed = 0, missed = 0;

	for (uint64_t i = 0; i < 1000; i++)
		lose_one(seed + i, &noticed, &missed);
	print_message("%llu of 1000 noticed by a contradiction, %llu only by "
		      "comparing\n",
		(unsigned long long)noticed, (unsigned long long)missed);
	assert_true(noticed > 700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_lost_notification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
