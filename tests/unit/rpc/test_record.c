/* SPDX-License-Identifier: MIT */
/* Record marking without sockets: every way to cut a record up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/record.h"

#define MAX (200 * 1024)

static struct buf_pool pool;

static int setup(void **state)
{
	buf_pool_init(&pool, MAX, 2);
	return 0;
}

static int teardown(void **state)
{
	buf_pool_fini(&pool);
	return 0;
}

static size_t put_mark(uint8_t *at, uint32_t mark)
{
	uint32_t be = htobe32(mark);

	memcpy(at, &be, 4);
	return 4;
}

static size_t put_fragment(uint8_t *at, bool last, const char *text)
{
	size_t size = strlen(text);

	put_mark(at, (last ? RECORD_MARK_LAST : 0) | (uint32_t)size);
	memcpy(at + 4, text, size);
	return 4 + size;
}

/* Feed all of it, at most @step bytes at a time. */
static enum record_state feed(struct record_reader *r, const uint8_t *from,
	size_t size, size_t step, size_t *used)
{
	enum record_state state = RECORD_MORE;
	size_t at = 0;

	while (at < size && state == RECORD_MORE) {
		size_t n = size - at < step ? size - at : step, eaten;

		state = record_eat(r, from + at, n, &eaten);
		assert_true(eaten <= n);
		at += eaten;
	}
	*used = at;
	return state;
}

static void expect_record(struct record_reader *r, const char *text)
{
	struct record rec = record_take(r);

	assert_int_equal(rec.size, strlen(text));
	assert_memory_equal(rec.data, text, rec.size);
	record_fini(&rec, &pool);
	assert_true(record_reader_is_empty(r));
}

static void test_steps_of_every_size(void **state)
{
	uint8_t bytes[64];
	struct record_reader r;
	size_t size, used;

	size = put_fragment(bytes, false, "ab");
	size += put_fragment(bytes + size, false, "");
	size += put_fragment(bytes + size, false, "cdefghi");
	size += put_fragment(bytes + size, true, "jklmnopq");
	record_reader_init(&r, &pool, MAX);
	for (size_t step = 1; step <= size; step++) {
		assert_int_equal(
			feed(&r, bytes, size, step, &used), RECORD_WHOLE);
		assert_int_equal(used, size);
		expect_record(&r, "abcdefghijklmnopq");
	}
	record_reader_fini(&r);
}

/* Cut the record into two fragments, and the stream in two, anywhere. */
static void cut_at(const char *text, size_t fragment, size_t stream)
{
	size_t len = strlen(text), size = 0, used;
	struct record_reader r;
	uint8_t bytes[64];

	size += put_mark(bytes, (uint32_t)fragment);
	memcpy(bytes + size, text, fragment);
	size += fragment;
	size += put_mark(
		bytes + size, RECORD_MARK_LAST | (uint32_t)(len - fragment));
	memcpy(bytes + size, text + fragment, len - fragment);
	size += len - fragment;
	if (stream > size)
		return;
	record_reader_init(&r, &pool, MAX);
	if (stream < size)
		assert_int_equal(
			feed(&r, bytes, stream, stream, &used), RECORD_MORE);
	else
		stream = 0;
	assert_int_equal(feed(&r, bytes + stream, size - stream, size, &used),
		RECORD_WHOLE);
	expect_record(&r, text);
	record_reader_fini(&r);
}

static void test_cuts_at_every_byte(void **state)
{
	const char *text = "0123456789abcdef";

	for (size_t fragment = 0; fragment <= strlen(text); fragment++) {
		for (size_t stream = 1; stream < 32; stream++)
			cut_at(text, fragment, stream);
	}
}

static void test_two_records_in_one_read(void **state)
{
	uint8_t bytes[64];
	struct record_reader r;
	size_t first, size, used;

	first = put_fragment(bytes, true, "one");
	size = first + put_fragment(bytes + first, true, "two");
	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed(&r, bytes, size, size, &used), RECORD_WHOLE);
	assert_int_equal(used, first);
	expect_record(&r, "one");
	assert_int_equal(feed(&r, bytes + first, size - first, size, &used),
		RECORD_WHOLE);
	expect_record(&r, "two");
	record_reader_fini(&r);
}

static enum record_state feed_mark(struct record_reader *r, uint32_t mark)
{
	uint8_t bytes[4];
	size_t used;

	put_mark(bytes, mark);
	return feed(r, bytes, 4, 4, &used);
}

static void test_promises_allocate_nothing(void **state)
{
	struct record_reader r;

	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed_mark(&r, RECORD_MARK_LAST | MAX), RECORD_MORE);
	assert_null(r.record.data);
	record_reader_fini(&r);
}

static void test_absurd_lengths(void **state)
{
	const uint32_t marks[] = {
		MAX + 1, RECORD_MARK_LAST | (MAX + 1), 0x7fffffff, 0xffffffff};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct record_reader r;

		record_reader_init(&r, &pool, MAX);
		assert_int_equal(feed_mark(&r, marks[i]), RECORD_BAD);
		record_reader_fini(&r);
	}
}

/* Fragments that are fine one by one, and together too much by one byte. */
static void test_sum_of_fragments(void **state)
{
	uint8_t bytes[16];
	struct record_reader r;
	size_t size = put_fragment(bytes, false, "ab"), used;

	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed(&r, bytes, size, size, &used), RECORD_MORE);
	assert_int_equal(
		feed_mark(&r, RECORD_MARK_LAST | (MAX - 1)), RECORD_BAD);
	record_reader_fini(&r);
}

static void test_empty_fragments_are_bounded(void **state)
{
	struct record_reader r;

	record_reader_init(&r, &pool, MAX);
	for (int i = 0; i < RECORD_EMPTY_MAX; i++)
		assert_int_equal(feed_mark(&r, 0), RECORD_MORE);
	assert_int_equal(feed_mark(&r, 0), RECORD_BAD);
	record_reader_fini(&r);
}

static void test_empty_record(void **state)
{
	struct record_reader r;

	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed_mark(&r, RECORD_MARK_LAST), RECORD_WHOLE);
	expect_record(&r, "");
	record_reader_fini(&r);
}

/* The largest record, read in place: memory at most doubles what arrived. */
static void test_large_record_grows(void **state)
{
	struct record_reader r;
	enum record_state got = RECORD_MORE;
	struct record rec;
	uint8_t *to;
	size_t done = 0;

	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed_mark(&r, RECORD_MARK_LAST | MAX), RECORD_MORE);
	while (got == RECORD_MORE) {
		size_t room = record_room(&r, &to);

		assert_true(room > 0 && room <= MAX - done);
		if (r.record.capacity <= RECORD_SMALL)
			assert_true(r.record.capacity <= RECORD_FIRST ||
				r.record.capacity <= 2 * done);
		if (room > 5000)
			room = 5000;
		memset(to, (int)(done / 5000), room);
		done += room;
		got = record_filled(&r, room);
	}
	assert_int_equal(got, RECORD_WHOLE);
	rec = record_take(&r);
	assert_int_equal(rec.size, MAX);
	record_fini(&rec, &pool);
	assert_int_equal(pool.nkept, 1);
	record_reader_fini(&r);
}

/* A record given up half-way leaves nothing behind (the sanitizer says). */
static void test_abandoned_half_way(void **state)
{
	struct record_reader r;
	uint8_t bytes[8] = {0};
	size_t used;

	record_reader_init(&r, &pool, MAX);
	assert_int_equal(feed_mark(&r, RECORD_MARK_LAST | 100), RECORD_MORE);
	assert_int_equal(feed(&r, bytes, 8, 8, &used), RECORD_MORE);
	assert_false(record_reader_is_empty(&r));
	record_reader_fini(&r);
}

static void test_pool_keeps_a_few(void **state)
{
	uint8_t *bufs[4];

	for (int i = 0; i < 4; i++)
		assert_non_null(bufs[i] = buf_take(&pool));
	for (int i = 0; i < 4; i++)
		buf_give(&pool, bufs[i]);
	buf_give(&pool, NULL);
	assert_int_equal(pool.nkept, 2);
	assert_ptr_equal(buf_take(&pool), bufs[1]); /* last in, first out */
	buf_give(&pool, bufs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_of_every_size),
		cmocka_unit_test(test_cuts_at_every_byte),
		cmocka_unit_test(test_two_records_in_one_read),
		cmocka_unit_test(test_promises_allocate_nothing),
		cmocka_unit_test(test_absurd_lengths),
		cmocka_unit_test(test_sum_of_fragments),
		cmocka_unit_test(test_empty_fragments_are_bounded),
		cmocka_unit_test(test_empty_record),
		cmocka_unit_test(test_large_record_grows),
		cmocka_unit_test(test_abandoned_half_way),
		cmocka_unit_test(test_pool_keeps_a_few),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
