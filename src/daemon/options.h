/* SPDX-License-Identifier: MIT */
/* heraldd's command line, and the configuration that comes of it. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>

#include "daemon/config.h"

struct options {
	struct config config;
	bool verbose;
};

/*
 * Read the file that --config names, then what stands beside it. False:
 * nothing to run; *@exit_code is 0 after --help and --version, else 2 and the
 * reason was printed. options_free() in any case.
 */
bool options_parse(struct options *ret, int argc, char **argv, int *exit_code);
void options_free(struct options *options);

#endif
