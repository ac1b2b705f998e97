/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int ends[2];
static char text[8192];

static int setup(void **state)
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	log_setup(ends[1], LOG_LVL_INFO);
	return 0;
}

static int teardown(void **state)
{
	log_setup(STDERR_FILENO, LOG_LVL_INFO);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void a_line_is_time_level_message(void **state)
{
	log_info("export added path=%s", "/srv");
	logged();
	/* 2026-01-31T12:00:00.000Z INFO  export added path=/srv */
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	assert_string_equal(text + 24, " INFO  export added path=/srv\n");
}

static void less_serious_lines_are_left_out(void **state)
{
	log_debug("detail");
	assert_string_equal(logged(), "");
	log_warn("trouble");
	assert_non_null(strstr(logged(), "WARN  trouble\n"));
	log_error("failure");
	assert_non_null(strstr(logged(), "ERROR failure\n"));
}

/* A name a peer chose cannot forge a line or speak to the terminal. */
static void control_characters_are_masked(void **state)
{
	log_info("name=%s", "a\nb\r\x1b[31m\t\x7f\x01z \xc3\xa9");
	assert_non_null(strstr(logged(), "name=a?b??[31m???z \xc3\xa9\n"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_long_line_is_cut_and_ends(void **state)
{
	char name[3000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	log_info("name=%s", name);
	logged();
	assert_true(strlen(text) <= 1024);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal(text[strlen(text) - 2], 'x');
}

static void a_limited_line_comes_once(void **state)
{
	for (int i = 0; i < 100; i++)
		log_limited(LOG_LVL_WARN, 60000, "peer misbehaves n=%d", i);
	assert_non_null(strstr(logged(), "peer misbehaves n=0\n"));
	assert_null(strstr(text, "n=1"));
}

static void what_a_limit_left_out_is_counted(void **state)
{
	struct log_limit limit = {0};
	unsigned left_out = 7;

	assert_true(log_limit_pass(&limit, 60000, &left_out));
	assert_int_equal(left_out, 0);
	for (int i = 0; i < 3; i++)
		assert_false(log_limit_pass(&limit, 60000, &left_out));
	assert_int_equal(left_out, 0);
	limit.next_ms = 0; /* a minute later */
	assert_true(log_limit_pass(&limit, 60000, &left_out));
	assert_int_equal(left_out, 3);
	limit.next_ms = 0;
	assert_true(log_limit_pass(&limit, 60000, &left_out));
	assert_int_equal(left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_time_level_message),
		cmocka_unit_test(less_serious_lines_are_left_out),
		cmocka_unit_test(control_characters_are_masked),
		cmocka_unit_test(a_long_line_is_cut_and_ends),
		cmocka_unit_test(a_limited_line_comes_once),
		cmocka_unit_test(what_a_limit_left_out_is_counted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
