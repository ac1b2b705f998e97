/* SPDX-License-Identifier: MIT */
#include "cli/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/output.h"
#include "cli/watch_notice.h"

#define PREFIX "HERALD_"

struct runner {
	int fd;
	char *const *command;
	bool verbose;

	struct lock lock; /* guards the following */
	bool stopped;
	pid_t running; /* 0: none; not reaped while it is set */
};

/* One event: then come its line and its variables, each ended by NUL. */
struct record {
	uint32_t line, variables;
};

/* ---- life ---- */

struct runner *runner_new(int fd, char *const *command, bool verbose)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->fd = fd;
	r->command = command;
	r->verbose = verbose;
	lock_init(&r->lock, LOCK_LEAF);
	return r;
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	lock_fini(&r->lock);
	free(r);
}

void runner_stop(struct runner *r)
{
	scope_lock(&r->lock);
	r->stopped = true;
}

void runner_kill(struct runner *r, int number)
{
	scope_lock(&r->lock);
	if (r->running)
		kill(r->running, number);
}

static bool is_stopped(struct runner *r)
{
	scope_lock(&r->lock);
	return r->stopped;
}

/* ---- records ---- */

static void put_variable(struct render *to, const char *name, struct name value)
{
	render_str(to, PREFIX);
	render_str(to, name);
	render_str(to, "=");
	render_bytes(to, value.data, value.len);
	render_bytes(to, "", 1);
}

void runner_record(struct render *to, const struct render_change *change,
	const struct render *line)
{
	struct record record = {.line = (uint32_t)line->len};
	size_t start = to->len;

	render_bytes(to, &record, sizeof(record));
	render_bytes(to, line->data, line->len);
	put_variable(
		to, "EVENT", name_from_str(render_event_name(change->event)));
	put_variable(to, "DIR", change->dir);
	if (change->name.len)
		put_variable(to, "NAME", change->name);
	if (change->to.len)
		put_variable(to, "TO", change->to);
	to->failed |= line->failed;
	if (to->failed)
		return;
	record.variables =
		(uint32_t)(to->len - start - sizeof(record) - line->len);
	memcpy(to->data + start, &record, sizeof(record));
}

/* ---- one command ---- */

static bool is_ours(const char *variable)
{
	return strncmp(variable, PREFIX, sizeof(PREFIX) - 1) == 0;
}

/* Our environment with these variables; NULL: no memory. */
static char **make_environment(const char *variables, size_t len)
{
	const char *end = variables + len;
	size_t n = len / sizeof(PREFIX) + 1, used = 0;
	char **env;

	for (char **e = environ; *e; e++)
		n++;
	env = calloc(n, sizeof(*env));
	if (!env)
		return NULL;
	for (char **e = environ; *e; e++) {
		if (!is_ours(*e))
			env[used++] = *e;
	}
	for (; variables < end; variables += strlen(variables) + 1)
		env[used++] = (char *)(uintptr_t)variables;
	return env;
}

/* 0 or an errno. The signals we block or ignore are as usual for it. */
static int spawn(struct runner *r, char **env, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t set;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(
		&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attr);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawnp(ret, r->command[0], &files, &attr, r->command, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

/* Start it unless we were stopped; what runner_kill() may kill is noted. */
static int start(struct runner *r, char **env, pid_t *ret)
{
	int err = 0;

	scope_lock(&r->lock);
	*ret = 0;
	if (!r->stopped)
		err = spawn(r, env, ret);
	r->running = err ? 0 : *ret;
	return err;
}

/* It is reaped only when runner_kill() cannot mean it any more. */
static int wait_for(struct runner *r, pid_t pid)
{
	siginfo_t info;
	int status = 0;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 &&
		errno == EINTR)
		;
	lock_acquire(&r->lock);
	r->running = 0;
	lock_release(&r->lock);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int run(struct runner *r, const char *variables, size_t len)
{
	char **env = make_environment(variables, len);
	int status, err = ENOMEM;
	pid_t pid = 0;

	if (env)
		err = start(r, env, &pid);
	free(env);
	if (err)
		watch_notice_no_command(r->command[0], err);
	if (err)
		return err == E2BIG ? 0 : ECANCELED;
	if (!pid)
		return 0;
	status = wait_for(r, pid);
	if (r->verbose)
		watch_notice_command(r->command[0], status);
	return 0;
}

int runner_write(void *runner, const char *data, size_t len)
{
	const char *end = data + len;
	struct runner *r = runner;
	struct record record;
	int err = 0;

	while (data < end && err == 0 && !is_stopped(r)) {
		memcpy(&record, data, sizeof(record));
		data += sizeof(record);
		err = output_write_fd(r->fd, data, record.line);
		data += record.line;
		if (err == 0)
			err = run(r, data, record.variables);
		data += record.variables;
	}
	return err;
}
