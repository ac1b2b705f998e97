/* SPDX-License-Identifier: MIT */
/*
 * A watcher on a thread of its own, with what it tells and says as text: lines
 * like "/a/ CREATE x" and "READY 1". What is not as expected ends the test.
 */
#ifndef TESTS_UNIT_CLIENT_WATCHING_H
#define TESTS_UNIT_CLIENT_WATCHING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/lock.h"
#include "client/watcher.h"

struct watching {
	struct watcher *w;
	pthread_t thread;
	bool running;
	int result; /* of watcher_run() */
	/* Before it is opened: events, idle_ms, hopeless_ms, memory. */
	struct watcher_config want;
	atomic_bool no_room;
	atomic_int lines_left;        /* until there is no room; -1: endless */
	atomic_int told_without_room; /* must stay 0 */

	struct lock lock;
	struct cond cond;
	char told[1024 * 1024];
	char said[4096];
};

void watching_init(struct watching *f);
void watching_fini(struct watching *f);

/* Connect and find "a/b"; as watcher_new(). @client is without handlers. */
int watching_open(struct watching *f, const struct nfsc_config *client,
	const char *path, bool recursive);

/* The same, then run it and wait until it says @ready. */
void watching_start(struct watching *f, const struct nfsc_config *client,
	const char *path, bool recursive, const char *ready);

/* End it; what it returned is in result. */
void watching_stop(struct watching *f);

/* Wait until it ends by itself. */
void watching_join(struct watching *f);

/* Wait until @text (f->told or f->said) has @line; forget up to there. */
void watching_expect(struct watching *f, char *text, const char *line);

/* What was told, exactly, since the last expectation; wait for it. */
void watching_expect_all(struct watching *f, const char *lines);

/* So many lines were told since then; wait for them. */
void watching_expect_count(struct watching *f, unsigned lines);

/* Nothing is told for a while. */
void watching_expect_silence(struct watching *f);

#endif
