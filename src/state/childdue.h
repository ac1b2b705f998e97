/* SPDX-License-Identifier: MIT */
/*
 * Classes with attribute changes of children to be told (childclass.h), by the
 * time for it, under one timer. When that has come the directory goes to
 * state_ops.tell_children, and the class is off the list.
 */
#ifndef STATE_CHILDDUE_H
#define STATE_CHILDDUE_H

#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "state/childclass.h"

/* Of each state; it has nothing to do with one that is never begun. */
struct childdue {
	struct state *state;
	struct lock lock;    /* LOCK_RECALL: guards the next two */
	struct list classes; /* struct childclass.on_due, by time */
	uint64_t timer_ms;   /* when it fires; 0 = not set */
	struct timer timer;
};

void childdue_init(struct childdue *b, struct state *s);
void childdue_fini(struct childdue *b);

/* @class is due at @at_ms (monotonic). Its node is locked. */
void childdue_set(struct childdue *b, struct childclass *class, uint64_t at_ms);

/* Not any more; it may have been handed out already. Its node is locked. */
void childdue_cancel(struct childdue *b, struct childclass *class);

#endif
