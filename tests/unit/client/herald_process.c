/* SPDX-License-Identifier: MIT */
#include "herald_process.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

const char *program;

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fake = fake_new();
	*state = f;
	return 0;
}

int teardown(void **state)
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
void start(struct fixture *f, const char *const *args)
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

/* Watch @path with @options and then @command; each ends with NULL or is. */
void watch_with(struct fixture *f, const char *const *options, const char *path,
	const char *const *command)
{
	const char *args[ARGS_MAX + 1] = {"watch"};
	char url[128];
	int n = 1;

	snprintf(url, sizeof(url), "nfs://127.0.0.1:%u%s", fake_port(f->fake),
		path);
	while (options && *options)
		args[n++] = *options++;
	args[n++] = url;
	if (command && *command)
		args[n++] = "--exec";
	while (command && *command)
		args[n++] = *command++;
	assert_true(n <= ARGS_MAX);
	start(f, args);
}

void watch(struct fixture *f, const char *option, const char *path)
{
	watch_with(f, (const char *[]){option, NULL}, path, NULL);
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

void expect_out(struct fixture *f, const char *wanted)
{
	struct child *c = &f->child;

	expect(c->out, c->out_text, sizeof(c->out_text), wanted);
}

void expect_err(struct fixture *f, const char *wanted)
{
	struct child *c = &f->child;

	expect(c->err, c->err_text, sizeof(c->err_text), wanted);
}

/* Wait for the end; its exit status. */
int finish(struct fixture *f)
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

int run_for(struct fixture *f, const char *const *args)
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

void end_well(struct fixture *f, int number)
{
	struct fake_seen seen;

	kill(f->child.pid, number);
	assert_int_equal(finish(f), 0);
	fake_read_seen(f->fake, &seen);
	assert_int_equal(seen.delegations, 0);
	assert_int_equal(seen.destroyed_clients, 1);
}
