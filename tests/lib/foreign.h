/* SPDX-License-Identifier: MIT */
/*
 * Another process of this host that changes files: our own changes are not
 * foreign ones. A deed runs in a child and may only use system calls.
 */
#ifndef TESTS_FOREIGN_H
#define TESTS_FOREIGN_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run @deed in another process, in the directory @where. True: it went well. */
static inline bool foreign_run(const char *where, void (*deed)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(where) != 0)
			_exit(1);
		deed();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
		WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs @statement so. */
#define FOREIGN(where, statement)                              \
	do {                                                   \
		void foreign_deed(void)                        \
		{                                              \
			statement;                             \
		}                                              \
		assert_true(foreign_run(where, foreign_deed)); \
	} while (0)

/* In a deed: what fails fails the test. */
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
