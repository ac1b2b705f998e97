/* SPDX-License-Identifier: MIT */
/*
 * A tree built from what a watcher tells (watching.h): every name must be told
 * once, and what is told must be possible.
 */
#ifndef TESTS_UNIT_CLIENT_REPLAY_H
#define TESTS_UNIT_CLIENT_REPLAY_H

#include <stdbool.h>

#include "watching.h"

#define REPLAY_PATHS 1024

struct replay {
	char paths[REPLAY_PATHS][192]; /* "/a/b", in no order */
	int n;
	int rescans;
	char wrong[512]; /* the first thing that cannot be, or "" */
};

/* For the tree that is expected, too. */
bool replay_has(const struct replay *r, const char *path);
void replay_add(struct replay *r, const char *path);
void replay_drop(struct replay *r, const char *path);
void replay_move(struct replay *r, const char *path, const char *to);

/*
 * Wait until what was told since the last expectation, on top of @before, is
 * the tree of @after. What cannot be, or does not come, ends the test.
 */
void replay_expect(struct watching *f, const struct replay *before,
	const struct replay *after);

#endif
