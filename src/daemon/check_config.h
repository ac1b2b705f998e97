/* SPDX-License-Identifier: MIT */
/* herald check-config: what heraldd would make of a file, without a server. */
#ifndef DAEMON_CHECK_CONFIG_H
#define DAEMON_CHECK_CONFIG_H

/*
 * @argv[0] is the verb. 0: all files are good; 1: some are not, and why was
 * printed; 2: wrong usage.
 */
int check_config(int argc, char **argv);

#endif
