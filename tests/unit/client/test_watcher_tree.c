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

#include "replay.h"
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

/* ---- while it is being opened ---- */

/* Asked for, but the grant has not arrived. */
static void mkdir_and_hold_grant(struct fixture *f, const char *path)
{
	unsigned grants = seen(f).grants;

	fake_hold_grants(f->fake, true);
	fake_mkdir(f->fake, path);
	assert_true(fake_wait(f->fake, has_grants, grants + 1));
}

static void test_renamed_while_opened(void **state)
{
	struct fixture *f = *state;

	start(f, "", true, "READY 1");
	mkdir_and_hold_grant(f, "new");
	fake_mute(f->fake, true);
	fake_create(f->fake, "new/x");
	fake_mute(f->fake, false);
	fake_rename(f->fake, "new", "now");
	fake_hold_grants(f->fake, false);
	expect_all(f, "/ CREATE new\n/new/ CREATE x\n/ MOVE new now\n");
	fake_create(f->fake, "now/y");
	expect_all(f, "/now/ CREATE y\n");
}

static void test_removed_while_opened(void **state)
{
	struct fixture *f = *state;

	start(f, "", true, "READY 1");
	mkdir_and_hold_grant(f, "new");
	fake_mute(f->fake, true);
	fake_create(f->fake, "new/x");
	fake_remove(f->fake, "new/x");
	fake_mute(f->fake, false);
	fake_hold_grants(f->fake, false);
	fake_remove(f->fake, "new");
	fake_mkdir(f->fake, "new"); /* another one */
	fake_create(f->fake, "new/y");
	expect_all(f,
		"/ CREATE new\n/ DELETE new\n/ CREATE new\n"
		"/new/ CREATE y\n");
}

/* By a name that is not true any more when it is looked up. */
static void test_renamed_before_looked_up(void **state)
{
	struct fixture *f = *state;

	fake_promise_little(f->fake, true);
	start(f, "", true, "READY 1");
	fake_mute(f->fake, true);
	fake_mkdir(f->fake, "now");
	fake_create(f->fake, "now/x");
	fake_mute(f->fake, false);
	fake_tell_added(f->fake, "new", "now");
	expect_all(f, "/ CREATE new\n");
	expect_silence(f); /* the server has no such name */
	fake_mute(f->fake, true);
	fake_rename(f->fake, "now", "new");
	fake_mute(f->fake, false);
	fake_rename(f->fake, "new", "now");
	expect_all(f, "/ MOVE new now\n/now/ CREATE x\n");
	fake_create(f->fake, "now/y");
	expect_all(f, "/now/ CREATE y\n");
}

/* ---- moved here and back again ---- */

/*
 * Of two directories, each tells its own changes in order, but one may be
 * late: then a directory seems to be where it was for a moment only.
 */
static void test_late_news(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_mkdir(f->fake, "b");
	fake_mkdir(f->fake, "a/dir");
	start(f, "", true, "READY 4");
	fake_tell_added(f->fake, "b/dir", "a/dir");
	expect_all(f, "/b/ CREATE dir\n");
	fake_create(f->fake, "a/dir/x");
	expect_all(f, "/a/dir/ CREATE x\n");
	fake_tell_removed(f->fake, "b/dir");
	expect_all(f, "/b/ DELETE dir\n");
	fake_create(f->fake, "a/dir/y");
	expect_all(f, "/a/dir/ CREATE y\n");
	assert_int_equal(seen(f).delegations, 4);
}

/* ---- in a hurry ---- */

static void test_nested_in_a_hurry(void **state)
{
	struct fixture *f = *state;
	struct replay *none = calloc(1, sizeof(*none));
	struct replay *tree = calloc(1, sizeof(*tree));
	char path[64] = "", file[80];

	start(f, "", true, "READY 1");
	for (int i = 0; i < 12; i++) {
		strcat(path, i ? "/d" : "d");
		fake_mkdir(f->fake, path);
		snprintf(file, sizeof(file), "/%s", path);
		replay_add(tree, file);
		for (int k = 0; k < 3; k++) {
			snprintf(file, sizeof(file), "/%s/%c", path, 'x' + k);
			fake_create(f->fake, file + 1);
			replay_add(tree, file);
		}
	}
	replay_expect(&f->watching, none, tree);
	free(none);
	free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tree),
		TEST(test_new_subdirectory),
		TEST(test_new_subdirectory_in_a_hurry),
		TEST(test_subdirectory_removed),
		TEST(test_moved_across),
		TEST(test_renamed_while_opened),
		TEST(test_removed_while_opened),
		TEST(test_renamed_before_looked_up),
		TEST(test_late_news),
		TEST(test_nested_in_a_hurry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
