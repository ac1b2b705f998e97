/* SPDX-License-Identifier: MIT */
/* Giving up capabilities is for good, so each test is a process of its own. */
#include "daemon/priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char why[256];

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not so: %s (%s)\n", what, why);
	_exit(1);
}

#define EXPECT(x) expect(x, #x)

static void in_child(void (*f)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		f();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool has(cap_value_t cap, cap_flag_t set)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	cap_get_flag(caps, cap, set, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static void trim(void)
{
	bool could_bound = has(CAP_SETPCAP, CAP_EFFECTIVE);

	EXPECT(priv_trim(why, sizeof(why)) == 0);
	EXPECT(!has(CAP_SYS_RESOURCE, CAP_PERMITTED));
	EXPECT(!has(CAP_SYS_MODULE, CAP_PERMITTED));
	EXPECT(!has(CAP_NET_ADMIN, CAP_EFFECTIVE));
	EXPECT(has(CAP_DAC_READ_SEARCH, CAP_EFFECTIVE));
	EXPECT(has(CAP_SETUID, CAP_EFFECTIVE));
	EXPECT(has(CAP_SETGID, CAP_EFFECTIVE));
	EXPECT(!has(CAP_SETUID, CAP_INHERITABLE));
	EXPECT(!could_bound || cap_get_bound(CAP_SYS_MODULE) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(priv_check(why, sizeof(why)) == 0);
	EXPECT(priv_trim(why, sizeof(why)) == 0); /* once more is nothing */
}

static void test_trim(void **state)
{
	if (geteuid() != 0)
		skip();
	in_child(trim);
}

static void check_without(void)
{
	cap_t none = cap_init();

	EXPECT(cap_set_proc(none) == 0);
	cap_free(none);
	EXPECT(priv_check(why, sizeof(why)) == -EPERM);
	EXPECT(strstr(why, "CAP_DAC_READ_SEARCH") != NULL);
	EXPECT(strstr(why, "+ep heraldd") != NULL);
}

static void test_check(void **state)
{
	in_child(check_without);
}

static void raise_files(void)
{
	struct rlimit limit = {.rlim_cur = 100, .rlim_max = 200};

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	EXPECT(priv_raise_files(50) == 100);
	EXPECT(priv_raise_files(150) == 150);
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	EXPECT(limit.rlim_cur == 150 && limit.rlim_max == 200);
	if (has(CAP_SYS_RESOURCE, CAP_EFFECTIVE))
		EXPECT(priv_raise_files(300) == 300);
	else
		EXPECT(priv_raise_files(300) == 200);
}

static unsigned table_size(void)
{
	char line[256];
	unsigned size = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "FDSize: %u", &size);
	fclose(f);
	return size;
}

static void reserve_files(void)
{
	unsigned used = table_size();
	struct rlimit limit = {.rlim_cur = 5000, .rlim_max = 5000};

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	priv_reserve_files(0);
	priv_reserve_files(6000);
	EXPECT(table_size() == used);
	priv_reserve_files(5000);
	EXPECT(table_size() >= 5000);
}

static void test_reserve_files(void **state)
{
	in_child(reserve_files);
}

static void test_raise_files(void **state)
{
	in_child(raise_files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_raise_files),
		cmocka_unit_test(test_reserve_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
