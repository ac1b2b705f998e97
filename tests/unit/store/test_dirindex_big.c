/* SPDX-License-Identifier: MIT */
/*
 * The directory index against plain sorting, and with a budget that is too
 * small for a directory: the same names, cookies and verifiers through
 * windows. Built over both widths of the hash.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rand.h"
#include "dirindex_rig.h"
#include "store/dirindex_hash.h"

#define PLENTY  (64u << 20)
#define TOO_FEW (16u << 10)

static struct seen seen, whole;

static void advance(struct rig *r)
{
	clock_advance_ns(&r->clock, 10 * TICK_NS);
}

static const uint8_t secret[32] = "thirty-two bytes of no one else";

/* The rule, in the simplest words: rank = names at my place before me. */
static uint64_t cookie_by_rule(
	const struct dirhash_keys *keys, const struct fake *f, unsigned number)
{
	char mine[16], other[16];
	struct name name = fake_name(number, mine);
	uint64_t place = dirhash_name(keys, name).place;
	uint64_t rank = 0;

	for (unsigned i = 0; i < FAKE_NAMES; i++) {
		if (!f->there[i] || i == number)
			continue;
		if (dirhash_name(keys, fake_name(i, other)).place == place &&
			strcmp(other, mine) < 0)
			rank++;
	}
	return dirhash_cookie(place, rank);
}

/* Whatever is done, every cookie is what the rule says. */
static void test_cookies_follow_the_rule(void **state)
{
	struct rand_stream rand = {.state = 7};
	struct dirhash_keys keys;
	struct fake *f;
	struct rig r;

	dirhash_keys_init(&keys, secret);
	rig_init(&r, PLENTY);
	f = fake_new(&r, 1);
	for (unsigned step = 0; step < 1500; step++) {
		unsigned n = rand_stream_below(&rand, 700);
		struct dir_change change = {0};

		if (f->there[n])
			assert_ok(rig_remove(&r, f, n, &change));
		else
			assert_ok(rig_add(&r, f, n, &change));
		if (step % 100 == 0)
			dirindex_forget(r.x, &f->id);
	}
	assert_ok(rig_list(&r, f, 10000, &seen));
	check_seen(f, &seen);
	for (unsigned i = 0; i < 700; i++) {
		if (f->there[i])
			assert_int_equal(
				seen.cookies[i], cookie_by_rule(&keys, f, i));
	}
	rig_fini(&r);
	fake_free(f);
}

/* Verifiers are a function of the set of names, and come back with it. */
static void test_verifier_comes_back(void **state)
{
	struct dir_change change = {0};
	uint64_t before[200];
	bool cookies;
	struct fake *f;
	struct rig r;

	rig_init(&r, PLENTY);
	f = fake_new(&r, 1);
	for (unsigned i = 0; i < 200; i++) {
		assert_ok(dirindex_verifier(
			r.x, &r.source, &f->id, &before[i], &cookies));
		assert_true(cookies);
		assert_ok(rig_add(&r, f, i, &change));
		assert_int_equal(change.old_verifier, before[i]);
	}
	for (unsigned i = 200; i-- > 0;) {
		assert_ok(rig_remove(&r, f, i, &change));
		assert_int_equal(change.new_verifier, before[i]);
		if (i % 10 == 0)
			dirindex_forget(r.x, &f->id);
	}
	rig_fini(&r);
	fake_free(f);
}

static struct fake *big_directory(struct rig *r, unsigned names)
{
	struct fake *f = fake_new(r, 1);

	for (unsigned i = 0; i < names; i++)
		fake_set(r, f, i * 2, true);
	advance(r);
	return f;
}

/* Through windows, a directory looks as it does with all memory. */
static void test_windows_list_the_same(void **state)
{
	static const unsigned rooms[] = {37, 1000, 100000};
	struct rig r, rich;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	rig_init(&rich, PLENTY);
	f = big_directory(&r, 3000);
	advance(&rich);
	assert_ok(rig_list(&rich, f, 500, &whole));
	assert_int_equal(fake_scans(f), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(rig_list(&r, f, rooms[i], &seen));
		check_seen(f, &seen);
		assert_memory_equal(
			seen.cookies, whole.cookies, sizeof(whole.cookies));
		assert_int_equal(seen.verifier, whole.verifier);
		assert_int_equal(seen.rejected, 0);
		assert_true(rig_stats(&r).bytes <= TOO_FEW);
	}
	assert_true(fake_scans(f) > 20);
	rig_fini(&r);
	rig_fini(&rich);
	fake_free(f);
}

/* A listing picked up in the middle needs the windows from there only. */
static void test_windows_resume_anywhere(void **state)
{
	struct rig r;
	struct fake *f;
	uint64_t middle;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 1000);
	assert_ok(rig_list(&r, f, 100, &whole));
	middle = whole.cookies[500];
	dirindex_forget(r.x, &f->id);
	memset(&seen, 0, sizeof(seen));
	seen.last = middle;
	seen.verifier = whole.verifier;
	while (!seen.eof)
		assert_ok(rig_page(&r, f, 100, &seen));
	for (unsigned i = 0; i < 2000; i += 2)
		assert_int_equal(seen.cookies[i],
			whole.cookies[i] > middle ? whole.cookies[i] : 0);
	rig_fini(&r);
	fake_free(f);
}

/* Changes of a directory over budget: no cookies, no pass, nothing wrong. */
static void test_windows_and_changes(void **state)
{
	struct dir_change change = {0};
	struct rig r, rich;
	struct fake *f;
	int err;

	rig_init(&r, TOO_FEW);
	rig_init(&rich, PLENTY);
	f = big_directory(&r, 3000);
	assert_ok(rig_list(&r, f, 100, &seen));
	fake_scans(f);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 2)
			err = rig_add(&r, f, i * 20 + 1, &change);
		else
			err = rig_remove(&r, f, i * 20, &change);
		assert_err(err, E2BIG);
		assert_int_equal(change.entry.cookie, COOKIE_NONE);
		assert_int_equal(change.new_verifier, 0);
	}
	assert_int_equal(fake_scans(f), 0);
	assert_ok(rig_list(&r, f, 100, &seen));
	check_seen(f, &seen);
	assert_ok(rig_list(&rich, f, 100, &whole));
	assert_int_equal(seen.verifier, whole.verifier);
	rig_fini(&r);
	rig_fini(&rich);
	fake_free(f);
}

struct toggle {
	struct rig *r;
	struct rand_stream rand;
};

/* A name comes or goes behind our back, now and then during a pass. */
static void toggle_in_pass(struct fake *f)
{
	struct toggle *t = f->hook_arg;
	unsigned odd = rand_stream_below(&t->rand, 900) * 2 + 1;

	if (rand_stream_below(&t->rand, 3) == 0)
		fake_set(t->r, f, odd, !f->there[odd]);
}

/*
 * Between pages and during passes names come and go, some of them unknown to
 * the index. Those that stay are listed once, or the listing is told to begin
 * anew.
 */
static void test_windows_between_changes(void **state)
{
	struct rand_stream rand = {.state = 3};
	struct toggle toggle = {.rand = {.state = 4}};
	struct dir_change change = {0};
	unsigned rejected = 0;
	struct rig r;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 900); /* even numbers stay */
	toggle.r = &r;
	f->hook = toggle_in_pass;
	f->hook_at = 700;
	f->hook_arg = &toggle;
	for (unsigned round = 0; round < 30; round++) {
		memset(&seen, 0, sizeof(seen));
		while (!seen.eof) {
			unsigned odd = rand_stream_below(&rand, 900) * 2 + 1;
			int err = rig_page(&r, f, 40, &seen);

			if (err) {
				assert_err(err, EKEYREJECTED);
				rejected++;
				break;
			}
			if (f->there[odd])
				rig_remove(&r, f, odd, &change);
			else if (round % 2)
				rig_add(&r, f, odd, &change);
			else
				fake_set(&r, f, odd, true);
			clock_advance_ns(&r.clock, TICK_NS / 3);
		}
		assert_int_equal(seen.repeated, 0);
		for (unsigned i = 0; i < 1800 && seen.eof; i += 2)
			assert_int_not_equal(seen.cookies[i], 0);
	}
	if (DIRHASH_PLACE_BITS > 32)
		assert_int_equal(rejected, 0);
	rig_fini(&r);
	fake_free(f);
}

/*
 * A name that is not there, and would come before others at its place: the
 * lowest such place. @cookie is that of the first one there now.
 */
struct trap {
	unsigned number;
	uint64_t cookie;
};

static bool trap_at(const struct dirhash_keys *keys, const struct fake *f,
	unsigned number, struct trap *trap)
{
	char mine[16], other[16];
	struct name name = fake_name(number, mine);
	uint64_t place = dirhash_name(keys, name).place;
	unsigned behind = 0;

	for (unsigned i = 0; i < FAKE_NAMES; i++) {
		if (!f->there[i] ||
			dirhash_name(keys, fake_name(i, other)).place != place)
			continue;
		if (strcmp(other, mine) < 0)
			return false;
		behind++;
	}
	if (behind < 2 || dirhash_cookie(place, 0) >= trap->cookie)
		return false;
	trap->number = number;
	trap->cookie = dirhash_cookie(place, 0);
	return true;
}

static bool trap_find(const struct fake *f, struct trap *trap)
{
	struct dirhash_keys keys;
	bool found = false;

	dirhash_keys_init(&keys, secret);
	trap->cookie = INT64_MAX;
	for (unsigned i = 1; i < 1000; i += 2)
		found |= trap_at(&keys, f, i, trap);
	return found;
}

/* List up to the trap, one by one. */
static void list_to_trap(struct rig *r, struct fake *f, const struct trap *trap)
{
	memset(&seen, 0, sizeof(seen));
	while (seen.last != trap->cookie)
		assert_ok(rig_page(r, f, 1, &seen));
}

/* The first of a place moves behind a listing that has just passed it. */
static void test_windows_and_a_noted_move(void **state)
{
	struct dir_change change = {0};
	struct trap trap;
	struct rig r;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 900);
	if (trap_find(f, &trap)) {
		list_to_trap(&r, f, &trap);
		assert_err(rig_add(&r, f, trap.number, &change), E2BIG);
		assert_err(rig_page(&r, f, 1, &seen), EKEYREJECTED);
	} else {
		assert_true(DIRHASH_PLACE_BITS > 32);
	}
	rig_fini(&r);
	fake_free(f);
}

struct spring {
	struct rig *r;
	struct trap trap;
	unsigned passes;
};

static void spring_in_third_pass(struct fake *f)
{
	struct spring *s = f->hook_arg;

	if (++s->passes == 3)
		fake_set(s->r, f, s->trap.number, true);
}

/* The same, while the windows are walked for the verifier. */
static void test_windows_and_a_move_in_the_walk(void **state)
{
	struct seen *other = calloc(1, sizeof(*other));
	struct spring s = {0};
	struct rig r;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 900);
	s.r = &r;
	f->hook = spring_in_third_pass;
	f->hook_arg = &s;
	if (trap_find(f, &s.trap)) {
		list_to_trap(&r, f, &s.trap);
		assert_int_equal(seen.cookies[s.trap.number], 0);
		advance(&r);
		assert_ok(rig_page(&r, f, 1, other)); /* reads it again */
		assert_err(rig_page(&r, f, 1, &seen), EKEYREJECTED);
	}
	rig_fini(&r);
	fake_free(f);
	free(other);
}

/*
 * Known changes inside the window cost no walk, but for one now and then, of
 * a name that was the last in its window.
 */
static void test_windows_and_known_changes(void **state)
{
	struct dir_change change = {0};
	unsigned passes;
	struct rig r;
	struct fake *f;

	if (DIRHASH_PLACE_BITS < 32)
		return; /* would have to begin anew all the time */
	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 900);
	assert_ok(rig_list(&r, f, 10, &whole));
	fake_scans(f);
	assert_ok(rig_list(&r, f, 10, &whole));
	passes = fake_scans(f);
	memset(&seen, 0, sizeof(seen));
	while (!seen.eof) {
		unsigned page = 0;

		assert_ok(rig_page(&r, f, 10, &seen));
		while (whole.cookies[page] != seen.last)
			page++;
		assert_err(rig_remove(&r, f, page, &change), E2BIG);
	}
	assert_true(fake_scans(f) < 2 * passes);
	rig_fini(&r);
	fake_free(f);
}

/* What was learnt of a big directory outlives the eviction of its window. */
static void test_windows_and_eviction(void **state)
{
	struct dir_change change = {0};
	struct fake *f, *others[8];
	struct rig r;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 1000);
	assert_ok(rig_list(&r, f, 100, &seen));
	for (unsigned i = 0; i < 8; i++) {
		others[i] = fake_new(&r, i + 2);
		for (unsigned n = 0; n < 100; n++)
			fake_set(&r, others[i], n, true);
		assert_ok(rig_list(&r, others[i], 100, &seen));
	}
	assert_true(rig_stats(&r).evictions > 1);
	fake_scans(f);
	assert_err(rig_add(&r, f, 1, &change), E2BIG);
	assert_int_equal(fake_scans(f), 0);
	assert_ok(rig_list(&r, f, 100, &seen));
	check_seen(f, &seen);
	for (unsigned i = 0; i < 8; i++)
		fake_free(others[i]);
	rig_fini(&r);
	fake_free(f);
}

/* A directory that shrinks fits again, and its changes have cookies. */
static void test_windows_come_to_an_end(void **state)
{
	struct dir_change change = {0};
	struct rig r;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	f = big_directory(&r, 3000);
	assert_ok(rig_list(&r, f, 1000, &seen));
	for (unsigned i = 50; i < 6000; i++)
		fake_set(&r, f, i, false);
	advance(&r);
	assert_ok(rig_list(&r, f, 1000, &seen));
	check_seen(f, &seen);
	assert_ok(rig_add(&r, f, 77, &change));
	assert_int_not_equal(change.entry.cookie, COOKIE_NONE);
	rig_fini(&r);
	fake_free(f);
}

/* A directory that grows under our hands until it fits no more. */
static void test_growing_over_the_budget(void **state)
{
	struct dir_change change = {0};
	unsigned known = 0;
	struct rig r;
	struct fake *f;

	rig_init(&r, TOO_FEW);
	f = fake_new(&r, 1);
	for (unsigned i = 0; i < 2000; i++) {
		int err = rig_add(&r, f, i, &change);

		assert_true(err == 0 || err == -E2BIG);
		known += err == 0;
		assert_true(rig_stats(&r).bytes <= TOO_FEW);
	}
	assert_true(known > 100 && known < 2000);
	assert_ok(rig_list(&r, f, 100, &seen));
	check_seen(f, &seen);
	rig_fini(&r);
	fake_free(f);
}

/* Many directories and few bytes, from many threads. */
struct crowd {
	struct rig r;
	struct fake *dirs[6];
	struct lock change[6]; /* a directory's change section */
	atomic_uint next, wrong;
};

static void crowd_change(struct crowd *c, unsigned d, struct rand_stream *rand)
{
	unsigned odd = rand_stream_below(rand, 300) * 2 + 1;
	struct dir_change change = {.no_position = odd % 3 == 0};
	int err;

	scope_lock(&c->change[d]);
	if (c->dirs[d]->there[odd])
		err = rig_remove(&c->r, c->dirs[d], odd, &change);
	else
		err = rig_add(&c->r, c->dirs[d], odd, &change);
	if (err && err != -E2BIG)
		c->wrong++;
}

static void *crowd_thread(void *arg)
{
	struct crowd *c = arg;
	struct rand_stream rand = {.state = c->next++};
	struct seen *s = calloc(1, sizeof(*s));

	for (unsigned i = 0; i < 400; i++) {
		unsigned d = rand_stream_below(&rand, 6);

		if (i % 8) {
			crowd_change(c, d, &rand);
			continue;
		}
		memset(s, 0, sizeof(*s));
		while (!s->eof && !rig_page(&c->r, c->dirs[d], 50, s))
			;
		for (unsigned n = 0; n < 100 * d && s->eof; n += 2)
			c->wrong += s->cookies[n] == 0;
		c->wrong += s->repeated;
	}
	free(s);
	return NULL;
}

static void test_crowd(void **state)
{
	struct crowd c = {0};
	pthread_t threads[6];

	rig_init(&c.r, TOO_FEW);
	for (unsigned d = 0; d < 6; d++) {
		c.dirs[d] = fake_new(&c.r, d);
		lock_init(&c.change[d], LOCK_CHANGE);
		for (unsigned n = 0; n < 100 * d; n += 2)
			fake_set(&c.r, c.dirs[d], n, true);
	}
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, crowd_thread, &c), 0);
	for (unsigned i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.wrong, 0);
	assert_true(rig_stats(&c.r).bytes <= TOO_FEW);
	for (unsigned d = 0; d < 6; d++) {
		assert_ok(rig_list(&c.r, c.dirs[d], 100, &seen));
		check_seen(c.dirs[d], &seen);
		dirindex_forget(c.r.x, &c.dirs[d]->id);
	}
	assert_int_equal(rig_stats(&c.r).bytes, 0);
	rig_fini(&c.r);
	for (unsigned d = 0; d < 6; d++) {
		fake_free(c.dirs[d]);
		lock_fini(&c.change[d]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cookies_follow_the_rule),
		cmocka_unit_test(test_verifier_comes_back),
		cmocka_unit_test(test_windows_list_the_same),
		cmocka_unit_test(test_windows_resume_anywhere),
		cmocka_unit_test(test_windows_and_changes),
		cmocka_unit_test(test_windows_between_changes),
		cmocka_unit_test(test_windows_and_a_noted_move),
		cmocka_unit_test(test_windows_and_a_move_in_the_walk),
		cmocka_unit_test(test_windows_and_known_changes),
		cmocka_unit_test(test_windows_and_eviction),
		cmocka_unit_test(test_windows_come_to_an_end),
		cmocka_unit_test(test_growing_over_the_budget),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
