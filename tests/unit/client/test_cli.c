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

#include "fake.h"

#define ARGS_MAX 6

static const char *program;

struct child {
	pid_t pid;
	int out, err;
	char out_text[1024 * 1024], err_text[8192];
};

struct fixture {
	struct fake *fake;
	struct child child;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake = fake_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->child.pid > 0) {
		kill(f->child.pid, SIGKILL);
		waitpid(f->child.pid, NULL, 0);
	}
	fake_free(f->fake);
	free(f);
	return 0;
}

static void run_child(const char *const *args, int out, int err)
{
	char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t)program};

	for (int i = 0; i < ARGS_MAX && args[i]; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(program, argv);
	_exit(127);
}

/* Start the program; its output goes to pipes. */
static void start(struct fixture *f, const char *const *args)
{
	struct child *c = &f->child;
	int out[2], err[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0)
		run_child(args, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
}

static void watch(struct fixture *f, const char *option, const char *path)
{
	const char *args[ARGS_MAX] = {"watch"};
	char url[128];
	int n = 1;

	snprintf(url, sizeof(url), "nfs://127.0.0.1:%u%s", fake_port(f->fake),
		path);
	if (option)
		args[n++] = option;
	args[n++] = url;
	start(f, args);
}

/* Read what there is within @ms; false at the end of the pipe. */
static bool read_some(int fd, char *text, size_t size, int ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	size_t len = strlen(text);
	ssize_t n;

	if (poll(&ready, 1, ms) <= 0)
		return true;
	assert_true(len + 1 < size);
	n = read(fd, text + len, size - len - 1);
	if (n > 0)
		text[len + (size_t)n] = '\0';
	return n > 0;
}

/* Wait until the text read from @fd has @wanted; forget up to there. */
static void expect(int fd, char *text, size_t size, const char *wanted)
{
	char *at;

	for (int i = 0; i < 600 && !strstr(text, wanted); i++) {
		if (!read_some(fd, text, size, 20))
			break;
	}
	at = strstr(text, wanted);
	if (!at)
		fail_msg("no \"%s\", but:\n%s", wanted, text);
	at += strlen(wanted);
	memmove(text, at, strlen(at) + 1);
}

static void expect_out(struct fixture *f, const char *wanted)
{
	struct child *c = &f->child;

	expect(c->out, c->out_text, sizeof(c->out_text), wanted);
}

static void expect_err(struct fixture *f, const char *wanted)
{
	struct child *c = &f->child;

	expect(c->err, c->err_text, sizeof(c->err_text), wanted);
}

/* Wait for the end; its exit status. */
static int finish(struct fixture *f)
{
	struct child *c = &f->child;
	struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int status;

	for (int i = 0; i < 600; i++) {
		if (waitpid(c->pid, &status, WNOHANG) == c->pid) {
			c->pid = 0;
			assert_true(WIFEXITED(status));
			return WEXITSTATUS(status);
		}
		nanosleep(&pause, NULL);
	}
	fail_msg("it does not end");
	return -1;
}

/* ---- the program ---- */

static int run_for(struct fixture *f, const char *const *args)
{
	int status;

	start(f, args);
	status = finish(f);
	while (read_some(f->child.out, f->child.out_text,
		sizeof(f->child.out_text), 100))
		;
	while (read_some(f->child.err, f->child.err_text,
		sizeof(f->child.err_text), 100))
		;
	return status;
}

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
	assert_int_equal(run_for(f, (const char *[ARGS_MAX]){"watch"}), 2);
	assert_int_equal(
		run_for(f,
			(const char *[ARGS_MAX]){"watch", "--nix", "nfs://x/"}),
		2);
	assert_int_equal(
		run_for(f, (const char *[ARGS_MAX]){"watch", "/a"}), 2);
	assert_non_null(strstr(f->child.err_text, "nfs://"));
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

static void end_well(struct fixture *f, int number)
{
	struct fake_seen seen;

	kill(f->child.pid, number);
	assert_int_equal(finish(f), 0);
	fake_read_seen(f->fake, &seen);
	assert_int_equal(seen.delegations, 0);
	assert_int_equal(seen.destroyed_clients, 1);
}

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_help),
		TEST(test_usage_errors),
		TEST(test_no_server),
		TEST(test_no_directory),
		TEST(test_watch),
		TEST(test_watch_json),
		TEST(test_watch_tree),
		TEST(test_restart),
		TEST(test_refused),
		TEST(test_signal_without_server),
		TEST(test_closed_output),
		TEST(test_slow_reader),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test_cli HERALD\n");
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
