/* SPDX-License-Identifier: MIT */
/*
 * What herald watch says on standard error: each call writes whole lines at
 * once, so that those of several threads do not mix.
 */
#ifndef CLI_WATCH_NOTICE_H
#define CLI_WATCH_NOTICE_H

#include "cli/watch_options.h"
#include "client/watcher.h"

/* What happens to the watching. */
void watch_notice(const struct watch_options *options,
	const struct watcher_notice *notice);

/* It cannot begin: @error (nfsstat4 or -errno) after @found names. */
void watch_notice_start(
	const struct watch_options *options, int error, size_t found);

/* The command could not be run: @error is an errno. */
void watch_notice_no_command(const char *command, int error);

/* It ended with @status, as wait() tells it. */
void watch_notice_command(const char *command, int status);

#endif
