/* SPDX-License-Identifier: MIT */
/* Trees: directories that come, go and move while they are being opened. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "watching_fake.h"

/* ---- trees ---- */

static void test_tree(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_mkdir(f->fake, "a/b");
	fake_create(f->fake, "a/b/there");
	start(f, "", true, "READY 3");
	fake_create(f->fake, "a/b/x");
	expect_all(f, "/a/b/ CREATE x\n");
	fake_rename(f->fake, "a/b", "a/c");
	fake_create(f->fake, "a/c/y");
	expect_all(f, "/a/ MOVE b c\n/a/c/ CREATE y\n");
	assert_int_equal(seen(f).cb_failures, 0);
}

static void test_new_subdirectory(void **state)
{
	struct fixture *f = *state;

	start(f, "", true, "READY 1");
	fake_mkdir(f->fake, "new");
	expect_told(f, "/ CREATE new");
	assert_true(fake_wait(f->fake, has_grants, 2));
	fake_create(f->fake, "new/x");
	expect_all(f, "/new/ CREATE x\n");
}

/* What was made before it was watched is found by listing. */
static void test_new_subdirectory_in_a_hurry(void **state)
{
	struct fixture *f = *state;

	start(f, "", true, "READY 1");
	fake_mute(f->fake, true);
	fake_mkdir(f->fake, "new");
	fake_mkdir(f->fake, "new/sub");
	fake_create(f->fake, "new/sub/x");
	fake_mute(f->fake, false);
	fake_rename(f->fake, "new", "now");
	expect_told(f, "/now/ CREATE sub");
	expect_all(f, "/now/sub/ CREATE x\n");
}

static void test_subdirectory_removed(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_mkdir(f->fake, "a/b");
	start(f, "", true, "READY 3");
	fake_remove(f->fake, "a/b");
	expect_all(f, "/a/ DELETE b\n");
	fake_mkdir(f->fake, "a/b"); /* another one of that name */
	expect_all(f, "/a/ CREATE b\n");
	assert_true(fake_wait(f->fake, has_grants, 4));
	fake_create(f->fake, "a/b/x");
	expect_all(f, "/a/b/ CREATE x\n");
}

static void test_moved_across(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_mkdir(f->fake, "b");
	fake_mkdir(f->fake, "a/dir");
	fake_mkdir(f->fake, "a/dir/sub");
	fake_create(f->fake, "a/dir/x");
	start(f, "", true, "READY 5");
	fake_rename(f->fake, "a/dir", "b/moved");
	expect_told(f, "/a/ DELETE dir");
	expect_told(f, "/b/ CREATE moved");
	expect_told(f, "/b/moved/ CREATE x");
	assert_true(fake_wait(f->fake, has_grants, 7));
	fake_create(f->fake, "b/moved/sub/y");
	expect_told(f, "/b/moved/sub/ CREATE y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tree),
		TEST(test_new_subdirectory),
		TEST(test_new_subdirectory_in_a_hurry),
		TEST(test_subdirectory_removed),
		TEST(test_moved_across),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
