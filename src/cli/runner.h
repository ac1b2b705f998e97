/* SPDX-License-Identifier: MIT */
/*
 * A command run for each event, one after the other, with the event in its
 * environment and never through a shell. It is where an output's lines go
 * (output.h): each line is written before its command is run.
 *
 * HERALD_EVENT, HERALD_DIR and, when there are any, HERALD_NAME and HERALD_TO
 * hold the exact bytes. Standard input is empty; all else is this process's.
 */
#ifndef CLI_RUNNER_H
#define CLI_RUNNER_H

#include <stdbool.h>

#include "cli/render.h"

struct runner;

/*
 * Lines go to @fd. @command ends with NULL and is borrowed. @verbose: say how
 * each ended. NULL: no memory.
 */
struct runner *runner_new(int fd, char *const *command, bool verbose);
void runner_free(struct runner *r);

/* Append @change, whose line is @line, to @to as runner_write() wants it. */
void runner_record(struct render *to, const struct render_change *change,
	const struct render *line);

/*
 * An output's write: whole records. 0 or an errno; ECANCELED when the command
 * cannot be run at all, which was said.
 */
int runner_write(void *runner, const char *data, size_t len);

/* Any thread: write no more lines and run no more commands. */
void runner_stop(struct runner *r);

/* Any thread: send @number to the command that runs now, if one does. */
void runner_kill(struct runner *r, int number);

#endif
