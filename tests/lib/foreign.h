/* SPDX-License-Identifier: MIT */
/*
 * Another process of this host that changes files: our own changes are not
 * foreign ones. What is done so runs in a child and may only use system calls.
 */
#ifndef TESTS_FOREIGN_H
#define TESTS_FOREIGN_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* True in another process, in the directory @where, that foreign_end() ends. */
static inline bool foreign_begin(const char *where, pid_t *pid)
{
	*pid = fork();
	if (*pid == 0 && chdir(where) != 0)
		_exit(1);
	return *pid == 0;
}

/* True: what was done went well. */
static inline bool foreign_end(pid_t pid)
{
	int status;

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
		WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs @statement in another process, in the directory @where. */
#define FOREIGN(where, statement)                         \
	do {                                              \
		pid_t foreign_pid;                        \
                                                          \
		if (foreign_begin(where, &foreign_pid)) { \
			statement;                        \
		}                                         \
		assert_true(foreign_end(foreign_pid));    \
	} while (0)

/* In such a statement: what fails fails the test. */
static inline void must(bool well)
{
	if (!well)
		_exit(2);
}

static inline void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);

	must(fd >= 0);
	close(fd);
}

static inline void write_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	must(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

#endif
