/* SPDX-License-Identifier: MIT */
#include "store/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char base[64];
static char dir[80];
static char why[256];

static int setup(void **state)
{
	strcpy(base, "/tmp/herald-ident-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(dir, sizeof(dir), "%s/state", base);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command);
}

static void overwrite(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void first_start_makes_it(void **state)
{
	struct ident id;
	struct stat st;
	char path[128];

	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	assert_int_equal(id.epoch, 1);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/identity", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_memory_not_equal(id.handle_key, id.cookie_key, 16);
	ident_close(&id);
}

static void restart_is_the_same_server(void **state)
{
	struct ident a, b, saved;

	assert_int_equal(ident_open(dir, &a, why, sizeof(why)), 0);
	saved = a;
	ident_close(&a);
	assert_int_equal(ident_open(dir, &b, why, sizeof(why)), 0);
	assert_memory_equal(b.id, saved.id, sizeof(b.id));
	assert_memory_equal(b.handle_key, saved.handle_key, 16);
	assert_memory_equal(b.cookie_key, saved.cookie_key, 32);
	assert_int_equal(b.epoch, saved.epoch + 1);
	ident_close(&b);
}

static void another_directory_is_another_server(void **state)
{
	char other[96];
	struct ident a, b;

	snprintf(other, sizeof(other), "%s/other", base);
	assert_int_equal(ident_open(dir, &a, why, sizeof(why)), 0);
	assert_int_equal(ident_open(other, &b, why, sizeof(why)), 0);
	assert_memory_not_equal(a.id, b.id, sizeof(a.id));
	assert_memory_not_equal(a.handle_key, b.handle_key, 16);
	ident_close(&a);
	ident_close(&b);
}

static void one_daemon_per_directory(void **state)
{
	struct ident a, b;

	assert_int_equal(ident_open(dir, &a, why, sizeof(why)), 0);
	assert_int_equal(ident_open(dir, &b, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "another daemon"));
	assert_non_null(strstr(why, dir));
	ident_close(&a);
	assert_int_equal(ident_open(dir, &b, why, sizeof(why)), 0);
	assert_int_equal(b.epoch, 2); /* the refused one did not count */
	ident_close(&b);
}

static void damage_is_refused(void **state)
{
	struct ident id;

	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	ident_close(&id);
	overwrite("epoch", "");
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), -EUCLEAN);
	assert_non_null(strstr(why, "epoch"));
	overwrite("epoch", "41\n");
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	assert_int_equal(id.epoch, 42);
	ident_close(&id);
	overwrite("identity", "herald identity 1\nid 00\nsecret 00\n");
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), -EUCLEAN);
	assert_non_null(strstr(why, "identity"));
}

static void a_lost_epoch_is_not_restarted(void **state)
{
	char path[128];
	struct ident id;

	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	ident_close(&id);
	snprintf(path, sizeof(path), "%s/epoch", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), -ENOENT);
}

static void a_half_written_file_is_ignored(void **state)
{
	struct ident id;

	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	ident_close(&id);
	overwrite("epoch.new", "9");
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), 0);
	assert_int_equal(id.epoch, 2);
	ident_close(&id);
}

static void others_must_not_write_there(void **state)
{
	struct ident id;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(ident_open(dir, &id, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "0700"));
}

static void no_place_says_why(void **state)
{
	struct ident id;

	assert_int_equal(
		ident_open("/nowhere/at/all", &id, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/at/all"));
}

static void test_identities_repeat(void **state)
{
	struct ident a, b, c;

	ident_make_test(7, &a);
	ident_make_test(7, &b);
	ident_make_test(8, &c);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(a.id, c.id, sizeof(a.id));
	ident_close(&a);
	ident_close(&b);
	ident_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_start_makes_it),
		TEST(restart_is_the_same_server),
		TEST(another_directory_is_another_server),
		TEST(one_daemon_per_directory),
		TEST(damage_is_refused),
		TEST(a_lost_epoch_is_not_restarted),
		TEST(a_half_written_file_is_ignored),
		TEST(others_must_not_write_there),
		TEST(no_place_says_why),
		TEST(test_identities_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
