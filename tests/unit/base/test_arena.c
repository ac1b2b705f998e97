/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void pieces_are_aligned_and_apart(void **state)
{
	char *last = NULL;
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t size = 0; size < 200; size++) {
		char *p = arena_alloc(&a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_ptr_not_equal(p, last);
		memset(p, (int)size, size);
		last = p;
	}
	arena_fini(&a);
}

static void the_limit_holds_until_reset(void **state)
{
	struct arena a;

	arena_init(&a, 1000);
	assert_null(arena_alloc(&a, 1001));
	assert_non_null(arena_alloc(&a, 500));
	assert_null(arena_alloc(&a, 600));
	assert_non_null(arena_alloc(&a, 400));
	assert_null(arena_alloc(&a, 200));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 1000));
	arena_fini(&a);
}

static void sizes_do_not_wrap(void **state)
{
	static const size_t limits[] = {1 << 20, SIZE_MAX};

	for (int i = 0; i < 2; i++) {
		struct arena a;

		arena_init(&a, limits[i]);
		assert_null(arena_array(&a, SIZE_MAX / 2, 4));
		assert_null(arena_array(&a, SIZE_MAX, SIZE_MAX));
		for (size_t size = SIZE_MAX - 64; size; size++)
			assert_null(arena_alloc(&a, size));
		assert_int_equal(a.used, 0);
		arena_fini(&a);
	}
}

static void arrays_are_cleared_and_copies_are_copies(void **state)
{
	static const char zeroes[300];
	struct arena a;
	char *p;

	arena_init(&a, 1 << 20);
	p = arena_alloc(&a, 300);
	memset(p, 0xee, 300);
	arena_reset(&a);
	assert_memory_equal(arena_array(&a, 100, 3), zeroes, 300);
	p = arena_dup(&a, "herald", 7);
	assert_string_equal(p, "herald");
	assert_non_null(arena_dup(&a, NULL, 0));
	assert_non_null(arena_array(&a, 0, 8));
	arena_fini(&a);
}

static void large_blocks_come_and_go(void **state)
{
	struct arena a;

	arena_init(&a, 8 << 20);
	for (int round = 0; round < 3; round++) {
		char *big = arena_alloc(&a, 1 << 20);
		char *small = arena_alloc(&a, 100);

		assert_non_null(big);
		assert_non_null(small);
		memset(big, 1, 1 << 20);
		memset(small, 2, 100);
		assert_int_equal(big[(1 << 20) - 1], 1);
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(the_limit_holds_until_reset),
		cmocka_unit_test(sizes_do_not_wrap),
		cmocka_unit_test(arrays_are_cleared_and_copies_are_copies),
		cmocka_unit_test(large_blocks_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
