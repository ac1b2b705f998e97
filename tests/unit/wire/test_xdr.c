/* SPDX-License-Identifier: MIT */
/* The XDR cursor: its edges, and taking back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/nfs4_xdr.h"
#include "wire/xdr_bitmap.h"

static void scalars_are_big_endian(void **state)
{
	static const uint8_t wanted[] = {
		0x01, 0x02, 0x03, 0x04,                         /* u32 */
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* u64 */
		0xff, 0xff, 0xff, 0xfe,                         /* i32 -2 */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd, /* i64 -3 */
		0x00, 0x00, 0x00, 0x01,                         /* true */
	};
	uint8_t buf[sizeof(wanted)];
	uint32_t u32;
	uint64_t u64;
	int32_t i32;
	int64_t i64;
	bool b;
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u32(&x, 0x01020304);
	xdr_put_u64(&x, 0x1112131415161718);
	xdr_put_i32(&x, -2);
	xdr_put_i64(&x, -3);
	assert_true(xdr_put_bool(&x, true));
	assert_int_equal(xdr_pos(&x), sizeof(wanted));
	assert_memory_equal(buf, wanted, sizeof(wanted));

	xdr_init_decode(&x, buf, sizeof(buf), NULL);
	xdr_get_u32(&x, &u32);
	xdr_get_u64(&x, &u64);
	xdr_get_i32(&x, &i32);
	xdr_get_i64(&x, &i64);
	assert_true(xdr_get_bool(&x, &b));
	assert_int_equal(u32, 0x01020304);
	assert_true(u64 == 0x1112131415161718);
	assert_int_equal(i32, -2);
	assert_true(i64 == -3);
	assert_true(b);
	assert_int_equal(xdr_left(&x), 0);
}

static void failure_sticks_and_leaves_zero(void **state)
{
	static const uint8_t short_buf[] = {0, 0, 0, 7, 0xff, 0xff};
	uint32_t v = 99;
	struct xdr x;

	xdr_init_decode(&x, short_buf, sizeof(short_buf), NULL);
	assert_true(xdr_get_u32(&x, &v));
	assert_int_equal(v, 7);
	assert_false(xdr_get_u32(&x, &v));
	assert_int_equal(v, 0);
	xdr_init_decode(&x, short_buf, sizeof(short_buf), NULL);
	x.bad = true;
	v = 99;
	assert_false(xdr_get_u32(&x, &v)); /* there are bytes, and yet */
	assert_int_equal(v, 0);
	assert_int_equal(xdr_pos(&x), 0);
}

static void only_0_and_1_are_bools(void **state)
{
	for (uint32_t n = 0; n < 4; n++) {
		uint32_t be = htobe32(n);
		struct xdr x;
		bool b;

		xdr_init_decode(&x, &be, 4, NULL);
		assert_int_equal(xdr_get_bool(&x, &b), n < 2);
		assert_int_equal(b, n == 1);
	}
}

static void an_empty_buffer_is_no_trap(void **state)
{
	struct xdr_opaque o;
	uint64_t v;
	struct xdr x;

	xdr_init_decode(&x, NULL, 0, NULL);
	assert_false(xdr_get_u64(&x, &v));
	xdr_init_decode(&x, NULL, 0, NULL);
	assert_false(xdr_get_opaque_var(&x, &o, 10));
	assert_int_equal(o.len, 0);
	xdr_init_encode(&x, NULL, 0);
	assert_false(xdr_put_u32(&x, 1));
}

static void opaques_are_padded(void **state)
{
	uint8_t buf[16];
	struct xdr_opaque in = xdr_opaque_from_str("abcde"), out;
	struct xdr x;

	memset(buf, 0xee, sizeof(buf));
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(xdr_put_opaque_var(&x, &in, 5));
	assert_int_equal(xdr_pos(&x), 12);
	assert_memory_equal(buf, "\0\0\0\5abcde\0\0\0\xee", 13);

	memset(buf + 9, 0x55, 3); /* padding of any kind is accepted */
	xdr_init_decode(&x, buf, 12, NULL);
	assert_true(xdr_get_opaque_var(&x, &out, 5));
	assert_true(xdr_opaque_equal(&in, &out));
	assert_ptr_equal(out.data, buf + 4);

	xdr_init_decode(&x, buf, 11, NULL); /* cut off in the padding */
	assert_false(xdr_get_opaque_var(&x, &out, 5));
	assert_int_equal(out.len, 0);
	xdr_init_decode(&x, buf, 12, NULL);
	assert_false(xdr_get_opaque_var(&x, &out, 4)); /* above its maximum */
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_false(xdr_put_opaque_var(&x, &in, 4));
}

static void absurd_lengths_do_not_wrap(void **state)
{
	static const uint32_t lengths[] = {UINT32_MAX, UINT32_MAX - 1,
		UINT32_MAX - 2, UINT32_MAX - 3, 0x80000000, 9};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint32_t buf[3] = {htobe32(lengths[i])};
		struct xdr_opaque o;
		struct xdr x;

		xdr_init_decode(&x, buf, sizeof(buf), NULL);
		assert_false(xdr_get_opaque_var(&x, &o, UINT32_MAX));
		assert_int_equal(o.len, 0);
	}
	for (size_t len = SIZE_MAX - 4; len; len++) {
		uint8_t buf[8];
		struct xdr x;

		xdr_init_decode(&x, buf, sizeof(buf), NULL);
		assert_null(xdr_get_bytes(&x, len));
		xdr_init_encode(&x, buf, sizeof(buf));
		assert_null(xdr_put_room(&x, len));
		xdr_init_encode(&x, buf, sizeof(buf));
		assert_int_equal(xdr_reserve(&x, len), XDR_NOWHERE);
	}
}

static void absurd_counts_allocate_nothing(void **state)
{
	static const uint32_t counts[] = {UINT32_MAX, 0x10000000, 3};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		uint32_t buf[3] = {htobe32(counts[i])}; /* room for two */
		struct arena arena;
		uint32_t count = 9;
		struct xdr x;

		arena_init(&arena, SIZE_MAX);
		xdr_init_decode(&x, buf, sizeof(buf), &arena);
		assert_null(xdr_get_array(&x, &count, UINT32_MAX, 4, 4096));
		assert_true(x.bad);
		assert_false(x.nomem);
		assert_int_equal(count, 0);
		assert_int_equal(arena.used, 0);
		arena_fini(&arena);
	}
}

static void arrays_keep_their_maximum_and_the_arena_its_limit(void **state)
{
	uint32_t buf[3] = {htobe32(2)};
	struct arena arena;
	uint32_t count;
	struct xdr x;

	arena_init(&arena, 64);
	xdr_init_decode(&x, buf, sizeof(buf), &arena);
	assert_null(xdr_get_array(&x, &count, 1, 4, 8));
	assert_true(x.bad);
	xdr_init_decode(&x, buf, sizeof(buf), &arena);
	assert_null(xdr_get_array(&x, &count, 2, 4, 33));
	assert_true(x.bad);
	assert_true(x.nomem); /* our fault, not the peer's */
	xdr_init_decode(&x, buf, sizeof(buf), &arena);
	assert_non_null(xdr_get_array(&x, &count, 2, 4, 32));
	assert_int_equal(count, 2);
	xdr_init_decode(&x, buf, sizeof(buf), NULL);
	assert_null(xdr_get_array(&x, &count, 2, 4, 1));
	assert_true(x.nomem);
	arena_fini(&arena);
}

static void encoding_can_be_taken_back(void **state)
{
	uint8_t buf[12];
	struct xdr x;
	size_t mark;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u32(&x, 1);
	mark = xdr_mark(&x);
	xdr_put_u64(&x, 2);
	assert_false(xdr_put_u32(&x, 3));
	xdr_truncate(&x, mark);
	assert_false(x.bad);
	assert_int_equal(xdr_pos(&x), 4);
	assert_true(xdr_put_u32(&x, 4));
	assert_memory_equal(buf, "\0\0\0\1\0\0\0\4", 8);
}

static void a_failure_before_the_mark_stays(void **state)
{
	uint8_t buf[4];
	struct xdr x;
	size_t mark;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u64(&x, 1);
	mark = xdr_mark(&x);
	xdr_put_u32(&x, 2);
	xdr_truncate(&x, mark);
	assert_true(x.bad);
}

static void reserved_words_are_patched(void **state)
{
	uint8_t buf[8] = {0};
	struct xdr x;
	size_t at;

	xdr_init_encode(&x, buf, sizeof(buf));
	at = xdr_reserve(&x, 4);
	xdr_put_u32(&x, 7);
	xdr_patch_u32(&x, at, 0x0a0b0c0d);
	assert_memory_equal(buf, "\x0a\x0b\x0c\x0d\0\0\0\7", 8);
	at = xdr_reserve(&x, 4);
	assert_int_equal(at, XDR_NOWHERE);
	xdr_patch_u32(&x, at, 1); /* harmless, as are these */
	xdr_patch_u32(&x, 5, 1);
	xdr_patch_u32(&x, SIZE_MAX - 2, 1);
	assert_memory_equal(buf, "\x0a\x0b\x0c\x0d\0\0\0\7", 8);
}

static void the_limit_moves_within_bounds(void **state)
{
	uint8_t buf[16];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u64(&x, 1);
	xdr_set_limit(&x, 12);
	assert_int_equal(xdr_left(&x), 4);
	assert_false(xdr_put_u64(&x, 2));
	xdr_truncate(&x, 8);
	xdr_set_limit(&x, 100);
	assert_int_equal(xdr_left(&x), 8);
	xdr_set_limit(&x, 3);
	assert_int_equal(xdr_left(&x), 0);
	assert_int_equal(xdr_pos(&x), 8);
}

static void pad_goes_to_the_next_word(void **state)
{
	uint8_t buf[8];
	struct xdr x;

	memset(buf, 0xee, sizeof(buf));
	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_reserve(&x, 5);
	assert_true(xdr_pad(&x));
	assert_int_equal(xdr_pos(&x), 8);
	assert_memory_equal(buf + 5, "\0\0\0", 3);
	assert_true(xdr_pad(&x));
	assert_int_equal(xdr_pos(&x), 8);
}

/* A count, and up to three words given. */
static bool get_bitmap(bitmap4 *b, size_t words, const uint32_t *w)
{
	uint32_t buf[8];
	struct xdr x;

	for (size_t i = 0; i < words; i++)
		buf[i] = htobe32(w[i]);
	xdr_init_decode(&x, buf, words * 4, NULL);
	return nfs4_get_bitmap4(&x, b) && xdr_left(&x) == 0;
}

static void bitmaps_of_any_length_are_read(void **state)
{
	bitmap4 b;

	assert_true(get_bitmap(&b, 1, (uint32_t[]){0}));
	assert_true(bitmap4_empty(&b));
	assert_true(get_bitmap(&b, 2, (uint32_t[]){1, 0}));
	assert_true(bitmap4_empty(&b));
	assert_true(get_bitmap(&b, 3, (uint32_t[]){2, 1 << 4, 1 << 24}));
	assert_true(bitmap4_has(&b, 4) && bitmap4_has(&b, 56));
	assert_false(b.beyond);
	assert_true(get_bitmap(&b, 6, (uint32_t[]){5, 0, 0, 1 << 18, 0, 0}));
	assert_true(bitmap4_has(&b, 82));
	assert_false(b.beyond);
	assert_true(get_bitmap(&b, 6, (uint32_t[]){5, 0, 0, 0, 0, 1}));
	assert_true(b.beyond);
	assert_false(bitmap4_empty(&b));
	assert_false(get_bitmap(&b, 2, (uint32_t[]){2, 1}));
	assert_false(get_bitmap(&b, 2, (uint32_t[]){UINT32_MAX, 1}));
	assert_false(get_bitmap(&b, 1, (uint32_t[]){1}));
}

static void long_bitmaps_end_somewhere(void **state)
{
	size_t words = XDR_BITMAP_WORDS_MAX + 1;
	uint32_t *buf = calloc(words + 1, 4);
	struct xdr x;
	bitmap4 b;

	buf[0] = htobe32((uint32_t)words);
	xdr_init_decode(&x, buf, 4 * (words + 1), NULL);
	assert_false(nfs4_get_bitmap4(&x, &b));
	buf[0] = htobe32((uint32_t)words - 1);
	xdr_init_decode(&x, buf, 4 * (words + 1), NULL);
	assert_true(nfs4_get_bitmap4(&x, &b));
	assert_int_equal(xdr_left(&x), 4);
	free(buf);
}

static void bitmaps_are_written_trimmed(void **state)
{
	uint8_t buf[16];
	bitmap4 b = {.beyond = true}; /* cannot be written: not kept */
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(nfs4_put_bitmap4(&x, &b));
	assert_int_equal(xdr_pos(&x), 4);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	bitmap4_set(&b, 33);
	assert_int_equal(xdr_bitmap4_size(&b), 12);
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(nfs4_put_bitmap4(&x, &b));
	assert_int_equal(xdr_pos(&x), 12);
	assert_memory_equal(buf, "\0\0\0\2\0\0\0\0\0\0\0\2", 12);
}

static void bitmap_arithmetic(void **state)
{
	bitmap4 a = {.word = {3, 0, 1u << 31}}, b = {.word = {1, 8, 1u << 31}};
	bitmap4 r = bitmap4_and(&a, &b);
	unsigned bit, sum = 0, count = 0;

	assert_true(bitmap4_subset(&r, &a) && bitmap4_subset(&r, &b));
	assert_false(bitmap4_subset(&a, &b));
	r = bitmap4_minus(&a, &b);
	assert_true(bitmap4_has(&r, 1) && bitmap4_words(&r) == 1);
	r = bitmap4_or(&a, &b);
	bitmap4_for_each(bit, &r) {
		sum += bit;
		count++;
	}
	assert_int_equal(count, 4); /* 0, 1, 35, 95 */
	assert_int_equal(sum, 131);
	bitmap4_clear(&r, 95);
	assert_false(bitmap4_has(&r, 95));
	bitmap4_set(&r, 96); /* there is no such bit */
	assert_false(bitmap4_has(&r, 96));
	a.beyond = true;
	assert_false(bitmap4_subset(&a, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_big_endian),
		cmocka_unit_test(failure_sticks_and_leaves_zero),
		cmocka_unit_test(only_0_and_1_are_bools),
		cmocka_unit_test(an_empty_buffer_is_no_trap),
		cmocka_unit_test(opaques_are_padded),
		cmocka_unit_test(absurd_lengths_do_not_wrap),
		cmocka_unit_test(absurd_counts_allocate_nothing),
		cmocka_unit_test(
			arrays_keep_their_maximum_and_the_arena_its_limit),
		cmocka_unit_test(encoding_can_be_taken_back),
		cmocka_unit_test(a_failure_before_the_mark_stays),
		cmocka_unit_test(reserved_words_are_patched),
		cmocka_unit_test(the_limit_moves_within_bounds),
		cmocka_unit_test(pad_goes_to_the_next_word),
		cmocka_unit_test(bitmaps_of_any_length_are_read),
		cmocka_unit_test(long_bitmaps_end_somewhere),
		cmocka_unit_test(bitmaps_are_written_trimmed),
		cmocka_unit_test(bitmap_arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
