/* SPDX-License-Identifier: MIT */
/*
 * A server over a directory of the host, for protocol tests of what only a
 * real one shows. Needs root, as the posix store does; skipped without.
 * HERALD_TEST_DIR names a directory to work in; it is /var/tmp.
 */
#ifndef TESTS_PROTO_HOST_H
#define TESTS_PROTO_HOST_H

#include "testserver.h"

struct host {
	char base[128];   /* a directory of the test's own */
	char export[160]; /* below it: what is exported */
	struct testserver ts;
};

/* Exit with 77 (skipped) unless run as root. First thing in main(). */
void host_need_root(void);

void host_start(struct host *h);
/* Others write there, too. */
void host_start_watched(
	struct host *h, const struct posix_watch_options *watch);
void host_start_twice(struct host *h); /* the same tree at /one and /two */
void host_stop(struct host *h);        /* removes everything */

/* "<export>/<name>" or "<base>/<name>"; static memory. */
const char *host_path(const struct host *h, const char *name);
const char *host_outside(const struct host *h, const char *name);

/* A file of the host with @text in it. */
void host_write(const char *path, const char *text);

#endif
