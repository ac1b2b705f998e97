/* SPDX-License-Identifier: MIT */
/* The command line of herald watch. */
#ifndef CLI_WATCH_OPTIONS_H
#define CLI_WATCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/nfsurl.h"

struct watch_options {
	struct nfsurl url;
	bool recursive, json, verbose;
	unsigned events;     /* WATCHER_BIT()s; 0: all */
	uint64_t count;      /* end after so many; 0: never */
	uint64_t timeout_ms; /* end without any for so long; 0: never */
	char **command;      /* of --exec, NULL at its end; NULL: none */
};

/*
 * Take the command line apart. True: go on, and @ret wants
 * watch_options_fini(); its command points into @argv. False: all is said, and
 * *@status is the exit status.
 */
bool watch_options_parse(
	int argc, char **argv, struct watch_options *ret, int *status);

void watch_options_fini(struct watch_options *options);

#endif
