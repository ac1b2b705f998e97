/* SPDX-License-Identifier: MIT */
/* heraldd's command line. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct options {
	const char *export_path;
	const char *state_dir;
	struct sockaddr_storage listen;
	socklen_t listen_len;
	struct sockaddr_storage metrics;
	socklen_t metrics_len; /* 0 = none */
	unsigned lease_s;
	bool root_squash;
	bool verbose;
};

/*
 * False: nothing to run; *@exit_code is 0 after --help and --version, else 2
 * and the reason was printed.
 */
bool options_parse(struct options *ret, int argc, char **argv, int *exit_code);

#endif
