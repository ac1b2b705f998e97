/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "state/notifyq.h"

static const struct state_config plenty = {
	.notify_max_events = 1000, .notify_max_bytes = 1 << 20};

static struct dir_event *numbered(unsigned n)
{
	char name[32];
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};
	struct dir_event *e;

	snprintf(name, sizeof(name), "%u", n);
	c.entry.name = name_from_str(name);
	c.entry.cookie = n;
	e = dir_event_new(&c, n);
	assert_non_null(e);
	return e;
}

static uint64_t number_of(const struct dir_event *e)
{
	struct dir_change c;

	dir_event_read(e, &c);
	return c.entry.cookie;
}

static enum notifyq_put put(struct notifyq *q, unsigned n)
{
	struct dir_event *e = numbered(n);
	enum notifyq_put got = notifyq_put(q, e, &plenty);

	dir_event_put(e);
	return got;
}

/* Take a batch, check that it is @first ... @first + n - 1, drop it. */
static size_t take(struct notifyq *q, size_t max, unsigned first)
{
	struct dir_event *got[64];
	size_t n = notifyq_take(q, got, max);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(number_of(got[i]), first + i);
		dir_event_put(got[i]);
	}
	return n;
}

static void test_walks_its_diagram(void **state)
{
	struct notifyq q;
	uint64_t front_ms;

	notifyq_init(&q, 1 << 20);
	assert_true(notifyq_is_idle(&q));
	assert_false(notifyq_has_work(&q, &front_ms));
	assert_int_equal(take(&q, 8, 0), 0);
	assert_int_equal(put(&q, 1), NOTIFYQ_PUT_FIRST);
	assert_int_equal(q.state, NOTIFYQ_QUEUED);
	assert_int_equal(put(&q, 2), NOTIFYQ_PUT);
	assert_true(notifyq_has_work(&q, &front_ms));
	assert_int_equal(front_ms, 1);
	assert_int_equal(take(&q, 8, 1), 2);
	assert_false(notifyq_has_work(&q, &front_ms));
	assert_int_equal(q.state, NOTIFYQ_SENDING);
	assert_false(notifyq_is_idle(&q));
	assert_int_equal(take(&q, 8, 0), 0); /* one in flight at a time */
	assert_int_equal(put(&q, 3), NOTIFYQ_PUT);
	assert_int_equal(q.state, NOTIFYQ_SENDING_QUEUED);
	assert_true(notifyq_sent(&q, 2));
	assert_int_equal(q.state, NOTIFYQ_QUEUED);
	assert_int_equal(take(&q, 8, 3), 1);
	assert_false(notifyq_sent(&q, 1));
	assert_int_equal(q.state, NOTIFYQ_IDLE);
	assert_null(q.ring);
	assert_int_equal(q.bytes, 0);
	assert_int_equal(put(&q, 4), NOTIFYQ_PUT_FIRST);
	notifyq_fini(&q);
}

static void test_unsent_rest_stays_in_front(void **state)
{
	struct notifyq q;

	notifyq_init(&q, 1 << 20);
	for (unsigned i = 0; i < 10; i++)
		put(&q, i);
	assert_int_equal(take(&q, 6, 0), 6);
	assert_int_equal(q.state, NOTIFYQ_SENDING_QUEUED);
	put(&q, 10);
	assert_true(notifyq_sent(&q, 4)); /* no more fitted */
	assert_int_equal(take(&q, 64, 4), 7);
	assert_true(notifyq_sent(&q, 0)); /* DELAY */
	assert_int_equal(take(&q, 64, 4), 7);
	assert_false(notifyq_sent(&q, 7));
	notifyq_fini(&q);
}

static void dd21_limits(void **state)
{
	struct state_config config = plenty;
	struct notifyq q;
	struct dir_event *e = numbered(1);

	notifyq_init(&q, 1 << 20);
	config.notify_max_events = 2;
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_PUT_FIRST);
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_PUT);
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_FULL);
	/* What is in flight counts until it has arrived. */
	assert_int_equal(take(&q, 1, 1), 1);
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_FULL);
	assert_true(notifyq_sent(&q, 1));
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_PUT);
	config = plenty;
	config.notify_max_bytes = 3 * e->size;
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_PUT);
	assert_int_equal(notifyq_put(&q, e, &config), NOTIFYQ_FULL);
	notifyq_fini(&q);
	assert_int_equal(ref_read(&e->ref), 1);
	dir_event_put(e);
}

static void test_says_when_a_batch_is_full(void **state)
{
	struct notifyq q;
	struct dir_event *e = numbered(1);
	uint64_t front_ms;

	notifyq_init(&q, 3 * e->size);
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_PUT_FIRST);
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_PUT);
	assert_true(notifyq_has_work(&q, &front_ms));
	assert_int_equal(front_ms, 1);
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_PUT_BATCH);
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_PUT);
	assert_true(notifyq_has_work(&q, &front_ms));
	assert_int_equal(front_ms, 0);
	notifyq_fini(&q);
	notifyq_init(&q, 1);
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_PUT_BATCH);
	notifyq_fini(&q);
	dir_event_put(e);
}

static void test_stop_is_final_and_empties(void **state)
{
	struct notifyq q;
	struct dir_event *e = numbered(0);

	notifyq_init(&q, 1 << 20);
	for (unsigned i = 0; i < 20; i++)
		notifyq_put(&q, e, &plenty);
	assert_int_equal(take(&q, 1, 0), 1);
	notifyq_stop(&q);
	assert_int_equal(ref_read(&e->ref), 1);
	assert_false(notifyq_is_idle(&q)); /* one is still on its way */
	assert_int_equal(notifyq_put(&q, e, &plenty), NOTIFYQ_NOT_TAKEN);
	assert_int_equal(take(&q, 8, 0), 0);
	assert_false(notifyq_sent(&q, 1));
	assert_true(notifyq_is_idle(&q));
	assert_true(notifyq_is_stopped(&q));
	notifyq_stop(&q);
	notifyq_fini(&q);
	dir_event_put(e);
}

static void fill_entry(
	struct change_entry *e, const char *name, uint64_t n, bool has_attr)
{
	memset(e, 0, sizeof(*e));
	e->name = name_from_str(name);
	e->cookie = n;
	e->child.len = n % (FILEID_MAX + 1);
	memset(e->child.data, (int)n, e->child.len);
	e->has_attr = has_attr;
	if (has_attr) {
		e->attr.type = OBJECT_FILE;
		e->attr.size = n * 1000;
		e->attr.change = n + 7;
	}
}

static void assert_entry(
	const struct change_entry *a, const struct change_entry *b)
{
	assert_true(name_equal(a->name, b->name));
	assert_int_equal(a->cookie, b->cookie);
	assert_true(fileid_equal(&a->child, &b->child));
	assert_int_equal(a->has_attr, b->has_attr);
	if (a->has_attr)
		assert_memory_equal(&a->attr, &b->attr, sizeof(a->attr));
}

static void assert_change(
	const struct dir_change *a, const struct dir_change *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_entry(&a->entry, &b->entry);
	assert_entry(&a->old, &b->old);
	assert_int_equal(a->has_overwritten, b->has_overwritten);
	assert_entry(&a->overwritten, &b->overwritten);
	assert_int_equal(a->has_previous, b->has_previous);
	assert_true(name_equal(a->previous, b->previous));
	assert_int_equal(a->previous_cookie, b->previous_cookie);
	assert_int_equal(a->last, b->last);
	assert_int_equal(a->verifier_moved, b->verifier_moved);
	assert_int_equal(a->old_verifier, b->old_verifier);
	assert_int_equal(a->new_verifier, b->new_verifier);
	assert_int_equal(a->before, b->before);
	assert_int_equal(a->after, b->after);
	assert_int_equal(a->has_dir_attr, b->has_dir_attr);
	if (a->has_dir_attr)
		assert_memory_equal(
			&a->dir_attr, &b->dir_attr, sizeof(a->dir_attr));
}

static void test_event_keeps_the_change(void **state)
{
	char longest[NAME_LEN_MAX + 1];

	memset(longest, 'x', NAME_LEN_MAX);
	longest[NAME_LEN_MAX] = 0;
	for (unsigned bits = 0; bits < 64 * CHANGE_KINDS; bits++) {
		struct dir_change in = {.kind = bits / 64}, out;
		struct dir_event *e;

		if (in.kind != CHANGE_COOKIE_VERIFIER &&
			in.kind != CHANGE_DIR_ATTRS)
			fill_entry(&in.entry, longest + bits % 255,
				bits * 13 + 1, bits & 1);
		if (in.kind == CHANGE_RENAME_ENTRY)
			fill_entry(&in.old, longest + bits % 7, bits, bits & 2);
		in.has_overwritten = bits & 4;
		if (in.has_overwritten)
			fill_entry(&in.overwritten, "y", bits, bits & 2);
		in.has_previous = bits & 8;
		if (in.has_previous) {
			in.previous = name_from_str(longest + bits % 200);
			in.previous_cookie = bits + 1;
		}
		in.has_dir_attr = bits & 2;
		if (in.has_dir_attr)
			in.dir_attr = (struct attr){.size = bits, .nlink = 3};
		in.last = bits & 16;
		in.verifier_moved = bits & 32;
		in.old_verifier = bits;
		in.new_verifier = bits + 1;
		in.before = 2 * bits;
		in.after = 3 * bits;
		e = dir_event_new(&in, 5);
		assert_non_null(e);
		dir_event_read(e, &out);
		assert_change(&in, &out);
		dir_event_put(e);
	}
}

static void test_an_event_is_small(void **state)
{
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};
	struct dir_event *e;

	fill_entry(&c.entry, "a-name-of-some-length", 28, true);
	e = dir_event_new(&c, 0);
	assert_true(e->size <= 288);
	dir_event_put(e);
}

/* One thread puts, one sends: each number arrives once, in order. */
static void *put_many(void *arg)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct dir_event *e = numbered(i);

		while (notifyq_put(arg, e, &plenty) == NOTIFYQ_FULL)
			sched_yield();
		dir_event_put(e);
	}
	return NULL;
}

static void test_order_between_threads(void **state)
{
	struct rand_stream r = {.state = 1};
	struct notifyq q;
	pthread_t putter;
	unsigned next = 0;

	notifyq_init(&q, 1 << 20);
	pthread_create(&putter, NULL, put_many, &q);
	while (next < 20000) {
		struct dir_event *got[16];
		size_t n = notifyq_take(&q, got, 16);
		size_t sent = n ? rand_stream_below(&r, n + 1) : 0;

		for (size_t i = 0; i < n; i++) {
			assert_int_equal(number_of(got[i]), next + i);
			dir_event_put(got[i]);
		}
		if (n)
			notifyq_sent(&q, sent);
		else
			sched_yield();
		next += sent;
	}
	pthread_join(putter, NULL);
	assert_true(notifyq_is_idle(&q));
	notifyq_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks_its_diagram),
		cmocka_unit_test(test_unsent_rest_stays_in_front),
		cmocka_unit_test(dd21_limits),
		cmocka_unit_test(test_says_when_a_batch_is_full),
		cmocka_unit_test(test_stop_is_final_and_empties),
		cmocka_unit_test(test_event_keeps_the_change),
		cmocka_unit_test(test_an_event_is_small),
		cmocka_unit_test(test_order_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
