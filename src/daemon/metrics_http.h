/* SPDX-License-Identifier: MIT */
/*
 * The page of metrics over HTTP: GET /metrics and nothing else. One thread of
 * its own (libmicrohttpd), few connections, short patience: whoever is slow is
 * dropped and costs nobody else anything.
 */
#ifndef DAEMON_METRICS_HTTP_H
#define DAEMON_METRICS_HTTP_H

#include <sys/socket.h>

#include "daemon/metrics.h"

struct metrics_http;

/*
 * Serve on @addr; port 0 is any, @bound is what it became. @source is copied,
 * and what it points to must outlive the stop. 0 or -errno.
 */
int metrics_http_start(const struct sockaddr_storage *addr, socklen_t len,
	const struct metrics_source *source, struct metrics_http **ret,
	struct sockaddr_storage *bound);

/* Waits for the page being made, if any. NULL is ignored. */
void metrics_http_stop(struct metrics_http *http);

#endif
