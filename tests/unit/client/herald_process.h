/* SPDX-License-Identifier: MIT */
/*
 * The herald program as a process, beside a fake server: the fixture of its
 * tests. What is not as expected ends the test.
 */
#ifndef TESTS_UNIT_CLIENT_HERALD_PROCESS_H
#define TESTS_UNIT_CLIENT_HERALD_PROCESS_H

#include <sys/types.h>

#include "fake.h"

#define ARGS_MAX 12

/* The path of herald; main() sets it. */
extern const char *program;

struct child {
	pid_t pid;
	int out, err;
	char out_text[1024 * 1024], err_text[8192];
};

struct fixture {
	struct fake *fake;
	struct child child;
};

/* For cmocka. */
int setup(void **state);
int teardown(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Start it with these arguments, which end with NULL. */
void start(struct fixture *f, const char *const *args);

/* Start it watching @path of the fake; NULL: no option. */
void watch(struct fixture *f, const char *option, const char *path);

/* The same with several options and a command, which end with NULL or are. */
void watch_with(struct fixture *f, const char *const *options, const char *path,
	const char *const *command);

/* Wait until its output has @wanted; forget up to there. */
void expect_out(struct fixture *f, const char *wanted);
void expect_err(struct fixture *f, const char *wanted);

/* Wait for the end; its exit status. */
int finish(struct fixture *f);

/* Start it, wait for the end and read all it said; its exit status. */
int run_for(struct fixture *f, const char *const *args);

/* End it by a signal: it must end well and leave nothing on the server. */
void end_well(struct fixture *f, int number);

#endif
