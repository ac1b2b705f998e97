/* SPDX-License-Identifier: MIT */
/*
 * The books on delegations, one set per state: what is due to be sent, what is
 * being recalled, shared terms, counters. Inside src/state only.
 *
 * state.c embeds one in struct state: deleg_books_init() last in state_new(),
 * deleg_books_fini() in state_free() once all clients have ended, and
 * deleg_books_stats() from state_read_stats().
 */
#ifndef STATE_DELEG_PRIVATE_H
#define STATE_DELEG_PRIVATE_H

#include <stdatomic.h>

#include "base/counter.h"
#include "base/htab.h"
#include "base/timer.h"
#include "state/deleg.h"
#include "state/holdoff.h"

struct deleg_books {
	struct state *state;
	_Atomic uint32_t dir_delegs; /* live ones */
	struct counter grants, refusals, revocations;
	struct counter events, notifications, batches, late_returns;
	struct counter recalls[RECALL_REASONS];
	struct timer batch_timer, recall_timer;
	struct lock lock; /* LOCK_RECALL: guards all below */
	struct cond ended;
	uint64_t generation; /* counts endings, see deleg_wait() */
	struct list due;     /* batches by time; struct deleg.on_due */
	struct list again;   /* batches refused once, by time */
	struct list unsent;  /* recalls to be sent; struct deleg.on_recall */
	struct list sent;    /* recalls under way, or to be sent again */
	struct htab terms;
	struct holdoff holdoff;
};

/* 0 or -ENOMEM. Timers may fire from now on. */
int deleg_books_init(struct deleg_books *b, struct state *s);
void deleg_books_fini(struct deleg_books *b);
void deleg_books_stats(struct deleg_books *b, struct state_stats *ret);

/* The books of @s; state.c has it. */
struct deleg_books *state_deleg_books(struct state *s);

static inline struct deleg_books *deleg_books(const struct deleg *d)
{
	return state_deleg_books(d->sid.node->state);
}

/* A batch or a delegation ended: wake whoever waits. */
void deleg_wake(struct deleg_books *b);

/* Has @now reached @at? Both are the low bits of monotonic milliseconds. */
static inline bool ms32_reached(uint32_t now, uint32_t at)
{
	return (int32_t)(now - at) >= 0;
}

#endif
