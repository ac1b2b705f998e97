/* SPDX-License-Identifier: MIT */
/* The herald program itself, as a process, against the fake server. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "herald_process.h"

/* ---- the program ---- */

static void test_help(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){"--help"}), 0);
	assert_non_null(strstr(f->child.out_text, "watch"));
	f->child.out_text[0] = '\0';
	assert_int_equal(
		run_for(f, (const char *[ARGS_MAX]){"watch", "--help"}), 0);
	assert_non_null(strstr(f->child.out_text, "--json"));
	f->child.out_text[0] = '\0';
	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){"--version"}), 0);
	assert_non_null(strstr(f->child.out_text, "herald "));
}

static void test_usage_errors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){NULL}), 2);
	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){"wtach"}), 2);
	assert_non_null(strstr(f->child.err_text, "wtach"));
	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){"watch"}), 1);
	assert_int_equal(
		run_for(f,
			(const char *[ARGS_MAX]){"watch", "--nix", "nfs://x/"}),
		1);
	expect_err(f,
		"herald watch: unrecognized option '--nix'\n"
		"herald watch --help tells how it is used\n");
	assert_int_equal(
		run_for(f, (const char *[ARGS_MAX]){"watch", "/a"}), 1);
	assert_non_null(strstr(f->child.err_text, "nfs://"));
}

/* Of each verb that getopt_long() complains about. */
static void test_usage_of_verbs(void **state)
{
	static const char *const verbs[] = {
		"status", "clients", "delegations", "recall", "check-config"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		char wanted[128];

		assert_int_equal(
			run_for(f, (const char *[ARGS_MAX]){verbs[i], "--nix"}),
			2);
		snprintf(wanted, sizeof(wanted),
			"herald %s: unrecognized option '--nix'\n"
			"herald %s --help tells how it is used\n",
			verbs[i], verbs[i]);
		expect_err(f, wanted);
	}
	assert_int_equal(run_for(f,
				 (const char *[ARGS_MAX]){
					 "bench", "notify", "-r", "x", "nfs:"}),
		2);
	expect_err(f,
		"herald bench notify: --rate: 'x' is not a number from 0 "
		"to 1000000\nherald bench notify --help tells");
	assert_int_equal(run_for(f,
				 (const char *[ARGS_MAX]){
					 "check-config", "--defaults", "x"}),
		2);
	expect_err(f, "--defaults takes no file");
}

static void test_control_words(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_for(f,
				 (const char *[ARGS_MAX]){
					 "delegations", "--type", "dir"}),
		2);
	expect_err(f,
		"herald delegations: --type: expected directory or file\n"
		"herald delegations --help tells");
	assert_int_equal(run_for(f,
				 (const char *[ARGS_MAX]){"delegations",
					 "--type", "file", "--socket", "/no"}),
		1);
	expect_err(f, "no heraldd is running there");
}

/* A file that was to be written, and the disk is full. */
static void test_full_disk(void **state)
{
	static const char *const verbs[] = {"check-config --defaults",
		"watch --help", "bench --help", "status --help", "--version"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		char line[256];
		int status;

		snprintf(line, sizeof(line),
			"%s %s 2>&1 >/dev/full | "
			"grep -q 'standard output: No space left'",
			program, verbs[i]);
		status = system(line); /* NOLINT: the test's own words */
		assert_int_equal(status, 0);
	}
}

static void test_no_server(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_for(f,
				 (const char *[ARGS_MAX]){
					 "watch", "nfs://127.0.0.1:1/a"}),
		1);
	assert_non_null(strstr(f->child.err_text, "refused"));
}

static void test_no_directory(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_create(f->fake, "a/file");
	watch(f, NULL, "/a/nix/b");
	expect_err(f, "/a/nix: there is no such directory\n");
	assert_int_equal(finish(f), 1);
	watch(f, NULL, "/a/file");
	expect_err(f, "/a/file: not a directory\n");
	assert_int_equal(finish(f), 1);
}

/* ---- watching ---- */

static void test_watch(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "dir");
	watch(f, NULL, "/dir");
	expect_err(f, "watching /dir (1 directory)\n");
	fake_create(f->fake, "dir/a file");
	expect_out(f, "/dir/ CREATE a\\ file\n");
	fake_rename(f->fake, "dir/a file", "dir/\x1b[31mred");
	expect_out(f, "/dir/ MOVE a\\ file \\x1b[31mred\n");
	fake_remove(f->fake, "dir/\x1b[31mred");
	expect_out(f, "/dir/ DELETE \\x1b[31mred\n");
	end_well(f, SIGINT);
}

static void test_watch_json(void **state)
{
	struct fixture *f = *state;

	watch(f, "--json", "/");
	expect_err(f, "watching / (1 directory)\n");
	fake_create(f->fake, "\xff");
	expect_out(f,
		"{\"event\":\"CREATE\",\"dir\":\"/\",\"name\":\"\\ufffd\","
		"\"name_b64\":\"/w==\",\"type\":\"file\"}\n");
	fake_chmod(f->fake, "");
	expect_out(f, "{\"event\":\"RESCAN\",\"dir\":\"/\"}\n");
	end_well(f, SIGTERM);
}

static void test_watch_tree(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	watch(f, "-r", "/");
	expect_err(f, "watching / (2 directories)\n");
	fake_mkdir(f->fake, "a/b");
	expect_out(f, "/a/ CREATE b\n");
	fake_create(f->fake, "a/b/c");
	expect_out(f, "/a/b/ CREATE c\n");
	end_well(f, SIGTERM);
}

static void test_restart(void **state)
{
	struct fixture *f = *state;

	watch(f, NULL, "/");
	expect_err(f, "watching /");
	fake_deaf(f->fake, true);
	expect_err(f, "connection lost, trying again\n");
	fake_restart(f->fake);
	fake_create(f->fake, "x");
	fake_deaf(f->fake, false);
	expect_err(f, "the server restarted (or forgot us), going on\n");
	expect_out(f, "/ RESCAN\n/ CREATE x\n");
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	fake_refuse(f->fake, true, NFS4ERR_NOTSUPP);
	watch(f, NULL, "/");
	expect_err(f, "has no directory delegations: polling\n");
	expect_err(f, "watching /");
	fake_create(f->fake, "x");
	expect_out(f, "/ RESCAN\n/ CREATE x\n");
}

/* It is there, but may not be listed. */
static void test_forbidden(void **state)
{
	struct fixture *f = *state;

	fake_fail_readdir(f->fake, NFS4ERR_ACCESS);
	watch(f, NULL, "/");
	expect_err(f, ": NFS4ERR_ACCESS\n");
	assert_int_equal(finish(f), 1);
}

/* A signal ends it even if the server does not answer any more. */
static void test_signal_without_server(void **state)
{
	struct fixture *f = *state;

	watch(f, NULL, "/");
	expect_err(f, "watching /");
	fake_deaf(f->fake, true);
	expect_err(f, "connection lost");
	kill(f->child.pid, SIGINT);
	assert_int_equal(finish(f), 1);
}

static void test_closed_output(void **state)
{
	struct fixture *f = *state;

	watch(f, NULL, "/");
	expect_err(f, "watching /");
	close(f->child.out);
	fake_create(f->fake, "x");
	finish(f);
}

/* Nobody reads: it neither grows nor holds up others, and catches up. */
static void test_slow_reader(void **state)
{
	struct fixture *f = *state;

	watch(f, NULL, "/");
	expect_err(f, "watching /");
	for (int i = 0; i < 3000; i++) { /* more than a pipe holds */
		fake_create(f->fake, "some-name-that-is-quite-long");
		fake_remove(f->fake, "some-name-that-is-quite-long");
	}
	fake_create(f->fake, "last");
	expect_out(f, "/ CREATE last\n");
	end_well(f, SIGTERM);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_help),
		TEST(test_usage_errors),
		TEST(test_usage_of_verbs),
		TEST(test_control_words),
		TEST(test_full_disk),
		TEST(test_no_server),
		TEST(test_no_directory),
		TEST(test_watch),
		TEST(test_watch_json),
		TEST(test_watch_tree),
		TEST(test_restart),
		TEST(test_refused),
		TEST(test_forbidden),
		TEST(test_signal_without_server),
		TEST(test_closed_output),
		TEST(test_slow_reader),
	};

	program = argv[argc - 1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
