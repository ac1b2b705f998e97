/* SPDX-License-Identifier: MIT */
/*
 * The directory index: when a fill is trusted, what happens while one is
 * under way, and what is kept in memory. Built over both widths of the hash.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "dirindex_rig.h"
#include "store/dirindex_impl.h"

#define PLENTY (64u << 20)

static struct seen seen;

struct fixture {
	struct rig r;
	struct fake *f;
};

/* Ten names in an old directory. */
static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	rig_init(&x->r, PLENTY);
	x->f = fake_new(&x->r, 1);
	for (unsigned i = 0; i < 10; i++)
		fake_set(&x->r, x->f, i, true);
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	rig_fini(&x->r);
	fake_free(x->f);
	free(x);
	return 0;
}

/* List everything, check it, and say how many passes that took. */
static unsigned list(struct fixture *x)
{
	fake_scans(x->f);
	assert_ok(rig_list(&x->r, x->f, 3, &seen));
	check_seen(x->f, &seen);
	return fake_scans(x->f);
}

static void test_second_listing_is_free(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(list(x), 1);
	assert_int_equal(list(x), 0);
	clock_advance_ms(&x->r.clock, 100000);
	assert_int_equal(list(x), 0);
	assert_int_equal(rig_stats(&x->r).fills, 1);
	assert_true(rig_stats(&x->r).hits > 0);
	assert_int_equal(rig_stats(&x->r).directories, 1);
}

static void test_foreign_change(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(list(x), 1);
	fake_set(&x->r, x->f, 100, true);
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	assert_int_equal(list(x), 1);
	assert_int_equal(list(x), 0);
	fake_set(&x->r, x->f, 100, false);
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	assert_int_equal(list(x), 1);
}

/* A fill within two ticks of the ctime is not trusted; a later one is. */
static void test_young_fill(void **state)
{
	struct fixture *x = *state;

	fake_set(&x->r, x->f, 50, true);
	assert_int_equal(list(x), 1);
	fake_set(&x->r, x->f, 51, true); /* the same tick, the same ctime */
	assert_int_equal(list(x), 1);
	clock_advance_ns(&x->r.clock, TICK_NS);
	assert_int_equal(list(x), 1);
	assert_int_equal(list(x), 1);
	clock_advance_ns(&x->r.clock, TICK_NS);
	assert_int_equal(list(x), 1);
	assert_int_equal(list(x), 0);
}

/* After a change of ours a foreign one in its tick would not show. */
static void test_own_change(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {0};

	assert_int_equal(list(x), 1);
	assert_ok(rig_add(&x->r, x->f, 60, &change));
	assert_int_equal(fake_scans(x->f), 0);
	fake_set(&x->r, x->f, 61, true);
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	assert_int_equal(list(x), 1);
	assert_int_equal(list(x), 0);
}

static void test_page_after_the_first_is_not_fresh(void **state)
{
	struct fixture *x = *state;

	memset(&seen, 0, sizeof(seen));
	assert_ok(rig_page(&x->r, x->f, 4, &seen));
	fake_set(&x->r, x->f, 70, true);
	while (!seen.eof)
		assert_ok(rig_page(&x->r, x->f, 4, &seen));
	assert_int_equal(fake_scans(x->f), 1);
	assert_int_equal(seen.count, 10);
}

static void test_listing_goes_on_after_eviction(void **state)
{
	struct fixture *x = *state;

	memset(&seen, 0, sizeof(seen));
	assert_ok(rig_page(&x->r, x->f, 4, &seen));
	dirindex_forget(x->r.x, &x->f->id);
	while (!seen.eof)
		assert_ok(rig_page(&x->r, x->f, 4, &seen));
	assert_int_equal(fake_scans(x->f), 2);
	check_seen(x->f, &seen);
}

static void test_note_reads_the_directory(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {0};

	assert_ok(rig_add(&x->r, x->f, 60, &change));
	assert_int_equal(fake_scans(x->f), 1);
	assert_int_not_equal(change.entry.cookie, COOKIE_NONE);
	assert_int_not_equal(change.new_verifier, 0);
	list(x);
	assert_int_equal(seen.cookies[60], change.entry.cookie);
	assert_int_equal(seen.verifier, change.new_verifier);
}

static void test_note_for_nobody_reads_nothing(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {.no_position = true};

	assert_ok(rig_add(&x->r, x->f, 60, &change));
	assert_int_equal(fake_scans(x->f), 0);
	assert_int_equal(change.entry.cookie, COOKIE_NONE);
	assert_int_equal(change.new_verifier, 0);
	assert_int_equal(list(x), 1);
	assert_ok(rig_add(&x->r, x->f, 61, &change));
	assert_int_equal(change.entry.cookie != COOKIE_NONE, true);
}

/* What is changed while a pass runs, whether the pass saw it or not. */
struct mid_pass {
	struct rig *r;
	bool done;
};

static void change_in_pass(struct fake *f)
{
	struct mid_pass *m = f->hook_arg;
	struct dir_change change = {.no_position = true};

	if (m->done)
		return;
	m->done = true;
	assert_ok(rig_add(m->r, f, 2000, &change)); /* not seen yet */
	assert_ok(rig_add(m->r, f, 20, &change));   /* was passed by */
	assert_ok(rig_remove(m->r, f, 3, &change)); /* was seen */
	assert_ok(rig_remove(m->r, f, 2001, &change));
	assert_ok(rig_rename(m->r, f, 4, 5, &change));
	assert_ok(rig_rename(m->r, f, 6, 21, &change));
	assert_ok(rig_add(m->r, f, 22, &change));
	assert_ok(rig_remove(m->r, f, 22, &change));
}

static void test_changes_during_the_first_fill(void **state)
{
	struct fixture *x = *state;
	struct mid_pass m = {.r = &x->r};

	fake_set(&x->r, x->f, 2001, true);
	x->f->hook = change_in_pass;
	x->f->hook_at = 1000;
	x->f->hook_arg = &m;
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	assert_int_equal(list(x), 1);
	assert_true(m.done);
}

static void test_changes_during_a_refill(void **state)
{
	struct fixture *x = *state;
	struct mid_pass m = {.r = &x->r};

	fake_set(&x->r, x->f, 2001, true);
	assert_int_equal(list(x), 1);
	x->f->hook = change_in_pass;
	x->f->hook_at = 1000;
	x->f->hook_arg = &m;
	assert_int_equal(list(x), 1);
	assert_true(m.done);
}

static void test_failing_source(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {0};
	uint64_t verifier;
	bool cookies;

	x->f->scan_error = -EIO;
	assert_err(rig_list(&x->r, x->f, 3, &seen), EIO);
	assert_err(rig_add(&x->r, x->f, 30, &change), EIO);
	assert_int_equal(change.entry.cookie, COOKIE_NONE);
	x->f->scan_error = 0;
	assert_int_equal(list(x), 1);
	x->f->ctime_error = -ESTALE;
	assert_err(rig_list(&x->r, x->f, 3, &seen), ESTALE);
	assert_err(dirindex_verifier(x->r.x, &x->r.source, &x->f->id, &verifier,
			   &cookies),
		ESTALE);
	x->f->ctime_error = 0;
	list(x);
}

static void forget_in_pass(struct fake *f)
{
	struct mid_pass *m = f->hook_arg;

	if (!m->done)
		dirindex_forget(m->r->x, &f->id);
	m->done = true;
}

static void test_forgotten_during_a_fill(void **state)
{
	struct fixture *x = *state;
	struct mid_pass m = {.r = &x->r};

	x->f->hook = forget_in_pass;
	x->f->hook_at = 5;
	x->f->hook_arg = &m;
	assert_err(rig_list(&x->r, x->f, 3, &seen), ESTALE);
	assert_int_equal(rig_stats(&x->r).directories, 0);
	assert_int_equal(rig_stats(&x->r).bytes, 0);
	assert_int_equal(list(x), 1);
}

static void test_forget(void **state)
{
	struct fixture *x = *state;

	dirindex_forget(x->r.x, &x->f->id);
	assert_int_equal(list(x), 1);
	dirindex_forget(x->r.x, &x->f->id);
	assert_int_equal(rig_stats(&x->r).directories, 0);
	assert_int_equal(rig_stats(&x->r).bytes, 0);
	assert_int_equal(list(x), 1);
}

/* Names a host may show us: twice, or longer than any we could be asked. */
static int odd_scan(void *store, const struct fileid *dir,
	dirindex_add_name add, void *fill)
{
	static char longest[NAME_LEN_MAX + 2];
	struct name name = {.data = longest};

	memset(longest, 'x', sizeof(longest));
	for (name.len = 0; name.len < sizeof(longest); name.len += 15) {
		assert_ok(add(fill, name));
		assert_ok(add(fill, name));
	}
	name.len = NAME_LEN_MAX + 1;
	return add(fill, name);
}

static bool count_names(void *ctx, struct name name, uint64_t cookie)
{
	++*(unsigned *)ctx;
	return true;
}

static void test_odd_names(void **state)
{
	struct fixture *x = *state;
	struct store_page page;
	unsigned count = 0;

	x->r.source.scan = odd_scan;
	assert_ok(dirindex_list(x->r.x, &x->r.source, &x->f->id, 0, 0,
		count_names, &count, &page));
	assert_int_equal(count, NAME_LEN_MAX / 15);
	assert_true(page.eof);
}

/* The least recently used goes first, and the budget is kept. */
static void test_eviction(void **state)
{
	struct fixture *x = *state;
	struct fake *dirs[8];
	size_t one;
	struct rig r;

	list(x);
	one = rig_stats(&x->r).bytes;
	rig_init(&r, 4 * one);
	for (unsigned i = 0; i < 8; i++) {
		dirs[i] = fake_new(&r, i);
		for (unsigned n = 0; n < 10; n++)
			fake_set(&r, dirs[i], n, true);
	}
	clock_advance_ns(&r.clock, 10 * TICK_NS);
	for (unsigned i = 0; i < 8; i++) {
		assert_ok(rig_list(&r, dirs[0], 20, &seen));
		assert_ok(rig_list(&r, dirs[i], 20, &seen));
		assert_true(rig_stats(&r).bytes <= 4 * one);
	}
	assert_int_equal(rig_stats(&r).directories, 4);
	assert_int_equal(rig_stats(&r).evictions, 4);
	assert_int_equal(fake_scans(dirs[0]), 1);
	assert_ok(rig_list(&r, dirs[7], 20, &seen));
	assert_int_equal(fake_scans(dirs[7]), 1);
	assert_ok(rig_list(&r, dirs[1], 20, &seen));
	assert_int_equal(fake_scans(dirs[1]), 2);
	rig_fini(&r);
	for (unsigned i = 0; i < 8; i++)
		fake_free(dirs[i]);
}

/* Threads that come while a pass is held up in the middle. */
struct company {
	struct fixture *x;
	pthread_t threads[4];
	atomic_uint in_pass;
	atomic_bool go_on;
	struct dir_change change;
	atomic_int failed;
};

static void wait_in_pass(struct fake *f)
{
	struct company *c = f->hook_arg;

	c->in_pass++;
	while (!c->go_on)
		sched_yield();
}

static void *list_thread(void *arg)
{
	struct company *c = arg;
	struct seen *s = calloc(1, sizeof(*s));

	if (rig_list(&c->x->r, c->x->f, 100, s) || s->count < 10)
		c->failed++;
	free(s);
	return NULL;
}

static void *note_thread(void *arg)
{
	struct company *c = arg;

	if (rig_add(&c->x->r, c->x->f, 40, &c->change))
		c->failed++;
	return NULL;
}

/* Until @n calls have to do with the directory. */
static void wait_for_users(struct fixture *x, unsigned n)
{
	unsigned users = 0;

	while (users < n) {
		struct dirindex_dir *d = dirindex_cache_find(x->r.x, &x->f->id);

		sched_yield();
		lock_acquire(&x->r.x->lock);
		users = d->users - 1;
		lock_release(&x->r.x->lock);
		dirindex_cache_put(x->r.x, d);
	}
}

static void company_start(
	struct company *c, struct fixture *x, unsigned n, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&c->threads[n], NULL, run, c), 0);
}

static void company_begin(struct company *c, struct fixture *x)
{
	c->x = x;
	x->f->hook = wait_in_pass;
	x->f->hook_at = 1000;
	x->f->hook_arg = c;
	company_start(c, x, 0, list_thread);
	while (c->in_pass == 0)
		sched_yield();
}

static void company_end(struct company *c, unsigned n)
{
	c->go_on = true;
	for (unsigned i = 0; i < n; i++)
		pthread_join(c->threads[i], NULL);
	assert_int_equal(c->failed, 0);
}

static void test_concurrent_fills_are_one(void **state)
{
	struct company c = {0};

	company_begin(&c, *state);
	for (unsigned i = 1; i < 4; i++)
		company_start(&c, *state, i, list_thread);
	wait_for_users(*state, 4);
	company_end(&c, 4);
	assert_int_equal(fake_scans(c.x->f), 1);
}

/* A change that somebody is told of waits for the first fill. */
static void test_note_waits_for_the_first_fill(void **state)
{
	struct fixture *x = *state;
	struct company c = {0};

	company_begin(&c, x);
	company_start(&c, x, 1, note_thread);
	wait_for_users(x, 2);
	company_end(&c, 2);
	/* A second one when the change moved a cookie under the listing. */
	assert_true(fake_scans(x->f) <= 1 + (DIRHASH_PLACE_BITS < 32));
	assert_int_not_equal(c.change.entry.cookie, COOKIE_NONE);
	list(x);
	assert_int_equal(seen.cookies[40], c.change.entry.cookie);
}

/* During a refill the old index serves changes and listings under way. */
static void test_refill_holds_nobody_up(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {0};
	struct company c = {0};
	uint64_t cookie;

	list(x);
	cookie = seen.cookies[0];
	fake_set(&x->r, x->f, 0, true); /* moves the ctime */
	clock_advance_ns(&x->r.clock, 10 * TICK_NS);
	fake_set(&x->r, x->f, 0, true);
	company_begin(&c, x);
	assert_ok(rig_add(&x->r, x->f, 41, &change));
	assert_int_not_equal(change.entry.cookie, COOKIE_NONE);
	memset(seen.cookies, 0, sizeof(seen.cookies));
	seen.last = cookie - 1;
	seen.verifier = change.new_verifier;
	assert_ok(rig_page(&x->r, x->f, 1, &seen));
	assert_int_equal(seen.cookies[0], cookie);
	company_end(&c, 1);
	list(x);
	assert_int_equal(seen.cookies[41], change.entry.cookie);
}

/* While a page is emitted the directory changes: it tells what it was. */
struct emission {
	struct fixture *x;
	unsigned names, limit;
	bool wrong;
	uint64_t cookie;
	const struct seen *before;
};

static bool change_and_take(void *ctx, struct name name, uint64_t cookie)
{
	struct emission *e = ctx;
	struct dir_change change = {0};

	e->wrong |= cookie <= e->cookie;
	if (fake_number(name) < 1000) /* was there all the time */
		e->wrong |= cookie != e->before->cookies[fake_number(name)];
	e->cookie = cookie;
	e->names++;
	assert_ok(rig_add(&e->x->r, e->x->f, 1000 + e->names, &change));
	if (e->names % 2 == 0)
		assert_ok(
			rig_remove(&e->x->r, e->x->f, 999 + e->names, &change));
	return e->names < e->limit;
}

static void test_changes_during_a_page(void **state)
{
	struct fixture *x = *state;
	struct emission e = {.x = x, .limit = 3000};
	struct store_page page;
	uint64_t verifier;

	for (unsigned i = 0; i < 1000; i++)
		fake_set(&x->r, x->f, i, true);
	list(x);
	e.before = &seen;
	verifier = seen.verifier;
	assert_ok(dirindex_list(x->r.x, &x->r.source, &x->f->id, 0, 0,
		change_and_take, &e, &page));
	assert_false(e.wrong);
	assert_true(e.names > 100);
	assert_int_equal(page.verifier, verifier);
	list(x);
}

/* Names that come and go leave no more behind than those that stay. */
static void test_churn(void **state)
{
	struct fixture *x = *state;
	struct dir_change change = {0};
	size_t bytes;

	assert_ok(rig_add(&x->r, x->f, 100, &change));
	bytes = rig_stats(&x->r).bytes;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = 11 + i * 7 % 5000;

		assert_ok(rig_add(&x->r, x->f, n, &change));
		assert_ok(rig_remove(&x->r, x->f, n, &change));
	}
	assert_true(rig_stats(&x->r).bytes < bytes + 4096);
	assert_int_equal(fake_scans(x->f), 1);
	/* Not from 0: what is listed is what was kept, not read again. */
	memset(&seen, 0, sizeof(seen));
	seen.last = 1;
	seen.verifier = change.new_verifier;
	assert_ok(rig_page(&x->r, x->f, 1000, &seen));
	assert_int_equal(fake_scans(x->f), 0);
	check_seen(x->f, &seen);
}

static void test_secret_matters(void **state)
{
	struct fixture *x = *state;
	struct seen *other = calloc(1, sizeof(*other));
	struct rig r = x->r;
	unsigned same = 0;

	r.x = dirindex_new(
		&r.clock, (const uint8_t[32]){1, 2, 3, [16] = 1}, PLENTY);
	assert_ok(rig_list(&r, x->f, 100, other));
	assert_ok(rig_list(&x->r, x->f, 100, &seen));
	for (unsigned i = 0; i < 10; i++)
		same += seen.cookies[i] == other->cookies[i];
	assert_true(same < 5);
	assert_int_not_equal(seen.verifier, other->verifier);
	free(other);
	dirindex_free(r.x);
}

#define fixture_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(test_second_listing_is_free),
		fixture_test(test_foreign_change),
		fixture_test(test_young_fill),
		fixture_test(test_own_change),
		fixture_test(test_page_after_the_first_is_not_fresh),
		fixture_test(test_listing_goes_on_after_eviction),
		fixture_test(test_note_reads_the_directory),
		fixture_test(test_note_for_nobody_reads_nothing),
		fixture_test(test_changes_during_the_first_fill),
		fixture_test(test_changes_during_a_refill),
		fixture_test(test_failing_source),
		fixture_test(test_forgotten_during_a_fill),
		fixture_test(test_forget),
		fixture_test(test_odd_names),
		fixture_test(test_eviction),
		fixture_test(test_concurrent_fills_are_one),
		fixture_test(test_note_waits_for_the_first_fill),
		fixture_test(test_refill_holds_nobody_up),
		fixture_test(test_changes_during_a_page),
		fixture_test(test_churn),
		fixture_test(test_secret_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
