/* SPDX-License-Identifier: MIT */
#include "state/childindex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* It never looks into a node. */
static char nodes[3];

static struct node *dir(int i)
{
	return (struct node *)(void *)&nodes[i];
}

struct seen {
	int count[3];
};

static void note(void *ctx, struct node *n)
{
	struct seen *seen = ctx;

	seen->count[(char *)n - nodes]++;
}

static struct seen look(struct childindex *ix, uint64_t child)
{
	struct seen seen = {{0}};

	childindex_each(ix, child, note, &seen);
	return seen;
}

static void test_a_child_in_several_directories(void **state)
{
	struct childindex ix = {.count = 0};

	assert_int_equal(childindex_init(&ix), 0);
	assert_true(childindex_is_empty(&ix));
	assert_false(childindex_has(&ix, 7));
	assert_int_equal(childindex_add(&ix, 7, dir(0)), 0);
	assert_int_equal(childindex_add(&ix, 7, dir(1)), 0);
	assert_int_equal(childindex_add(&ix, 8, dir(2)), 0);
	assert_false(childindex_is_empty(&ix));
	assert_true(childindex_has(&ix, 7));
	assert_memory_equal(look(&ix, 7).count, ((int[]){1, 1, 0}), 3 * 4);
	assert_memory_equal(look(&ix, 9).count, ((int[]){0, 0, 0}), 3 * 4);
	childindex_remove(&ix, 7, dir(0));
	childindex_remove(&ix, 7, dir(2)); /* it is not there */
	assert_memory_equal(look(&ix, 7).count, ((int[]){0, 1, 0}), 3 * 4);
	childindex_remove(&ix, 7, dir(1));
	childindex_remove(&ix, 8, dir(2));
	assert_false(childindex_has(&ix, 7));
	assert_true(childindex_is_empty(&ix));
	childindex_fini(&ix);
}

static void test_two_names_are_two_entries(void **state)
{
	struct childindex ix = {.count = 0};

	assert_int_equal(childindex_init(&ix), 0);
	childindex_add(&ix, 7, dir(0));
	childindex_add(&ix, 7, dir(0));
	assert_int_equal(look(&ix, 7).count[0], 2);
	childindex_remove(&ix, 7, dir(0));
	assert_int_equal(look(&ix, 7).count[0], 1);
	childindex_remove(&ix, 7, dir(0));
	assert_true(childindex_is_empty(&ix));
	childindex_fini(&ix);
}

static void test_many(void **state)
{
	struct childindex ix = {.count = 0};
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

	assert_int_equal(childindex_init(&ix), 0);
	for (uint64_t i = 1; i < 5000; i++)
		assert_int_equal(childindex_add(&ix, i * step, dir(i % 3)), 0);
	for (uint64_t i = 1; i < 5000; i++) {
		assert_int_equal(look(&ix, i * step).count[i % 3], 1);
		childindex_remove(&ix, i * step, dir(i % 3));
		assert_false(childindex_has(&ix, i * step));
	}
	assert_true(childindex_is_empty(&ix));
	childindex_fini(&ix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_in_several_directories),
		cmocka_unit_test(test_two_names_are_two_entries),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
