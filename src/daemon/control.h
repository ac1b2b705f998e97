/* SPDX-License-Identifier: MIT */
/*
 * The control socket: how `herald status` and the like ask a running server.
 * A unix socket in the state directory that only its owner may open. A request
 * is one line of JSON, the answer any number of lines and a last one that says
 * {"done":true} or {"error":"why"}; then the connection is closed.
 *
 * One thread serves all who ask, a piece at a time: whoever reads slowly waits
 * for himself only, and whoever says nothing is dropped.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "daemon/metrics.h"

#define CONTROL_SOCKET "control.sock"

struct control;

/* Whom it asks; all borrowed. */
struct control_source {
	struct metrics_source metrics; /* with the server itself */
	const char *address;           /* where it serves, for people */
	struct control_disks *disks;   /* control_start() has its own */
	unsigned patience_ms;          /* with who stands still; 0: 10 s */
};

/*
 * Listen on CONTROL_SOCKET in the directory @dir_fd, which no other server
 * uses: what is left there of an earlier one is replaced. @source is copied. 0
 * or -errno.
 */
int control_start(
	int dir_fd, const struct control_source *source, struct control **ret);

/* Drop everybody and remove the socket. NULL is ignored. */
void control_stop(struct control *control);

#endif
