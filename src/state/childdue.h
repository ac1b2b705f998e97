/* SPDX-License-Identifier: MIT */
/*
 * Attribute changes of children that are written down (childclass.h), class by
 * class, by the time when they are to be told, under one timer. When that has
 * come the directory goes to state_ops.tell_children, and the class is off the
 * list.
 */
#ifndef STATE_CHILDDUE_H
#define STATE_CHILDDUE_H

#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "state/childclass.h"

/* Each state has one; _fini undoes nothing where there was no _init. */
struct childdue {
	struct state *state;
	struct lock lock;  /* LOCK_RECALL: guards the next two */
	struct list due;   /* struct childchanges.on_due, by time */
	uint64_t timer_ms; /* when it fires; 0 = not set */
	struct timer timer;
};

void childdue_init(struct childdue *b, struct state *s);
void childdue_fini(struct childdue *b);

/* @c is due at @at_ms (monotonic). Its node is locked. */
void childdue_set(struct childdue *b, struct childchanges *c, uint64_t at_ms);

/* Not any more; it may have been handed out already. Its node is locked. */
void childdue_cancel(struct childdue *b, struct childchanges *c);

#endif
