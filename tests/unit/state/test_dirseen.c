/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "state/dirseen.h"

/* Twice what there is room for. */
#define MANY (2 * DIRSEEN_SETS * DIRSEEN_WAYS)

static struct fileid dir(uint32_t number)
{
	struct fileid id = {.len = sizeof(number)};

	memcpy(id.data, &number, sizeof(number));
	return id;
}

static void test_the_last_value_counts(void **state)
{
	struct fileid a = dir(1), b = dir(2);
	struct dirseen seen;

	assert_int_equal(dirseen_init(&seen), 0);
	assert_false(dirseen_is_outdated(&seen, 1, &a, 10));
	dirseen_note(&seen, 1, &a, 10);
	assert_false(dirseen_is_outdated(&seen, 1, &a, 10));
	assert_true(dirseen_is_outdated(&seen, 1, &a, 11));
	/* Neither for another client, nor for another directory. */
	assert_false(dirseen_is_outdated(&seen, 2, &a, 11));
	assert_false(dirseen_is_outdated(&seen, 1, &b, 11));
	dirseen_note(&seen, 1, &a, 11);
	assert_true(dirseen_is_outdated(&seen, 1, &a, 10));
	assert_false(dirseen_is_outdated(&seen, 1, &a, 11));
	dirseen_fini(&seen);
}

/* What is forgotten is taken for out of date, never for up to date. */
static void test_what_finds_no_room_is_out_of_date(void **state)
{
	struct dirseen seen;
	unsigned forgotten = 0;

	assert_int_equal(dirseen_init(&seen), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		struct fileid id = dir(i);

		dirseen_note(&seen, 1, &id, i);
		assert_false(dirseen_is_outdated(&seen, 1, &id, i));
	}
	for (uint32_t i = 0; i < MANY; i++) {
		struct fileid id = dir(i);

		assert_true(dirseen_is_outdated(&seen, 1, &id, i + 1));
		forgotten += dirseen_is_outdated(&seen, 1, &id, i);
	}
	assert_true(forgotten >= MANY / 2);
	dirseen_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_value_counts),
		cmocka_unit_test(test_what_finds_no_room_is_out_of_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
