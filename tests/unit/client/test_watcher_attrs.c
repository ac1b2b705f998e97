/* SPDX-License-Identifier: MIT */
/* Changed attributes, as a fake server that notifies them, or not, has them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watching_fake.h"

/* A directory with a file, watched by a server that notifies attributes. */
static void start_with_file(struct fixture *f)
{
	fake_grant_attrs(f->fake, true);
	fake_create(f->fake, "x");
	start(f, "", false, "READY 1");
}

static void test_told(void **state)
{
	struct fixture *f = *state;

	start_with_file(f);
	fake_write(f->fake, "x");
	fake_chmod_entry(f->fake, "x");
	fake_touch(f->fake, "x"); /* an extended attribute, perhaps */
	expect_all(f, "/ MODIFY x\n/ ATTRIB x\n/ ATTRIB x\n");
	assert_int_equal(seen(f).cb_failures, 0);
	assert_int_equal(seen(f).delegations, 1);
}

/* What the listing had already is not told again. */
static void test_nothing_new(void **state)
{
	struct fixture *f = *state;

	start_with_file(f);
	fake_tell_again(f->fake, "x");
	expect_silence(f);
}

/* The attributes of a new entry are no change. */
static void test_new_entry(void **state)
{
	struct fixture *f = *state;

	start_with_file(f);
	fake_create(f->fake, "new");
	fake_write(f->fake, "new");
	fake_rename(f->fake, "new", "name");
	fake_write(f->fake, "name");
	expect_all(f,
		"/ CREATE new\n/ MODIFY new\n/ MOVE new name\n"
		"/ MODIFY name\n");
}

/* Of a subdirectory, what happens in it is not told; who owns it is. */
static void test_subdirectory(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "dir");
	start_with_file(f);
	fake_write(f->fake, "dir");
	fake_chmod_entry(f->fake, "dir");
	expect_all(f, "/ ATTRIB dir\n");
}

static void test_asks_for_what_it_tells(void **state)
{
	struct fixture *f = *state;
	struct fake_seen s;

	f->watching.want.events =
		WATCHER_BIT(WATCHER_CREATE) | WATCHER_BIT(WATCHER_RESCAN);
	start_with_file(f);
	s = seen(f);
	assert_false(bitmap4_has(&s.asked_types, NOTIFY4_CHANGE_CHILD_ATTRS));
	assert_false(bitmap4_has(&s.asked_attrs, FATTR4_SIZE));
	fake_write(f->fake, "x");
	fake_create(f->fake, "y");
	fake_remove(f->fake, "x");
	expect_all(f, "/ CREATE y\n");
}

static void test_one_of_both(void **state)
{
	struct fixture *f = *state;

	f->watching.want.events = WATCHER_BIT(WATCHER_ATTRIB);
	start_with_file(f);
	fake_write(f->fake, "x");
	fake_create(f->fake, "y");
	fake_chmod_entry(f->fake, "x");
	expect_all(f, "/ ATTRIB x\n");
}

/* ---- servers that do not notify attributes ---- */

static void test_not_granted(void **state)
{
	struct fixture *f = *state;

	fake_create(f->fake, "x");
	fake_mkdir(f->fake, "dir");
	start(f, "", true, "NO_ATTRS /");
	expect_said(f, "READY 2");
	fake_write(f->fake, "x");
	fake_create(f->fake, "y");
	expect_all(f, "/ CREATE y\n");
	assert_string_equal(f->watching.said, ""); /* said once */
}

static void test_not_granted_nor_asked(void **state)
{
	struct fixture *f = *state;

	f->watching.want.events = WATCHER_BIT(WATCHER_CREATE);
	start(f, "", false, "READY 1");
	assert_string_equal(f->watching.said, "");
}

/* A listing that has to be made anyway shows what changed. */
static void test_rescan_tells(void **state)
{
	struct fixture *f = *state;

	fake_create(f->fake, "a");
	fake_create(f->fake, "b");
	fake_create(f->fake, "c");
	start(f, "", false, "READY 1");
	fake_write(f->fake, "b");
	fake_chmod_entry(f->fake, "c");
	fake_chmod(f->fake, "");
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ MODIFY b\n/ ATTRIB c\n");
}

/* ---- between two delegations ---- */

/*
 * Attributes change while nobody is told: the directory's change attribute
 * does not move, so only a listing finds them. No name can have been missed,
 * so there is no RESCAN.
 */
static void test_missed_between(void **state)
{
	struct fixture *f = *state;

	start_with_file(f);
	fake_recall(f->fake, "");
	assert_int_equal(seen(f).returns, 1);
	fake_write(f->fake, "x");
	expect_all(f, "/ MODIFY x\n");
	fake_write(f->fake, "x");
	expect_all(f, "/ MODIFY x\n");
}

static void test_restart(void **state)
{
	struct fixture *f = *state;

	start_with_file(f);
	fake_deaf(f->fake, true);
	fake_restart(f->fake);
	fake_chmod_entry(f->fake, "x");
	fake_deaf(f->fake, false);
	expect_said(f, "RESTARTED ");
	expect_all(f, "/ ATTRIB x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told),
		TEST(test_nothing_new),
		TEST(test_new_entry),
		TEST(test_subdirectory),
		TEST(test_asks_for_what_it_tells),
		TEST(test_one_of_both),
		TEST(test_not_granted),
		TEST(test_not_granted_nor_asked),
		TEST(test_rescan_tells),
		TEST(test_missed_between),
		TEST(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
