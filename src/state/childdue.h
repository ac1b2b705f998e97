/* SPDX-License-Identifier: MIT */
/*
 * Directories with attribute changes of children to be told (childclass.h), by
 * the time for it, under one timer. When that has come the directory goes to
 * state_ops.tell_children, and is off the list.
 */
#ifndef STATE_CHILDDUE_H
#define STATE_CHILDDUE_H

#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "state/dirside.h"

/* Of each state; it has nothing to do with one that is never begun. */
struct childdue {
	struct state *state;
	struct lock lock;  /* LOCK_RECALL: guards the next two */
	struct list sides; /* struct dirside.on_due, by time */
	uint64_t timer_ms; /* when it fires; 0 = not set */
	struct timer timer;
};

void childdue_init(struct childdue *b, struct state *s);
void childdue_fini(struct childdue *b);

/*
 * @side is due at @at_ms (monotonic), or before if it is already. Its node is
 * locked.
 */
void childdue_set(struct childdue *b, struct dirside *side, uint64_t at_ms);

/* Not any more; it may have been handed out already. Its node is locked. */
void childdue_cancel(struct childdue *b, struct dirside *side);

#endif
