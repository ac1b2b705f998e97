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
#include "state/deleg_count.h"
#include "state/holdoff.h"

struct deleg_books {
	struct state *state;
	_Atomic uint32_t dir_delegs; /* live ones */
	struct deleg_counts counts;
	struct timer batch_timer, recall_timer;
	struct lock lock; /* LOCK_RECALL: guards all below */
	struct cond ended;
	uint64_t generation; /* counts endings, see deleg_wait() */
	struct list ready;   /* batches to be sent now; struct deleg.on_due */
	struct list due;     /* batches by time, all after one window */
	struct list again;   /* batches refused once, by time */
	uint64_t batch_timer_ms; /* when it fires; 0 = not set */
	struct list unsent; /* recalls to be sent; struct deleg.on_recall */
	struct list sent;   /* recalls under way, or to be sent again */
	bool recall_timer_set;
	struct htab terms;
	struct holdoff holdoff;
	uint64_t ease_at_ms; /* not before: see dirdeleg_ease() */
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

static inline uint64_t books_now_ms(struct deleg_books *b)
{
	return clock_mono_ms(state_get_config(b->state)->clock);
}

/*
 * A delegation for @client on @node, ACTIVE, in no list yet, with one
 * reference; @kind is STATEID_DELEG_*. NULL when out of memory.
 */
struct deleg *deleg_new(struct client *client, struct node *node,
	enum stateid_kind kind, const uint8_t *fh, uint8_t fh_len,
	uint32_t batch_bytes);

/*
 * Into the tables and on the node's list; refused when the client has ended
 * (NO_LEASE) or has @max of this type (CLIENT_LIMIT; 0: no limit). One of a
 * directory was counted in books->dir_delegs by the caller.
 */
enum deleg_refusal deleg_insert_locked(struct deleg *d, uint32_t max);

/*
 * Waiting for a batch or a delegation to end: read the generation, look, then
 * wait for the next one. False: @deadline_ms passed. Without locks.
 */
uint64_t deleg_generation(struct deleg_books *b);
bool deleg_wait(struct deleg_books *b, uint64_t seen, uint64_t deadline_ms);
void deleg_wake_locked(struct deleg_books *b); /* under the list lock */

/* Parts of the books, in the files that own them. */
void batch_books_init(struct deleg_books *b);
void batch_books_fini(struct deleg_books *b);
void recall_books_init(struct deleg_books *b);
void recall_books_fini(struct deleg_books *b);

/* A batch of @d ended: a recall that waited for it may go. List lock held. */
void recall_unhold_locked(struct deleg_books *b, struct deleg *d);

/* Under the list lock: is a CB_NOTIFY of @d on its way? */
bool batch_in_flight_locked(const struct deleg *d);

/*
 * Near or at the limits of all directory delegations, or of those of @who,
 * whose request ended with @refusal: ask or recall whoever has the most, ask
 * @who. Without locks.
 */
void dirdeleg_ease(
	struct deleg_books *b, struct client *who, enum deleg_refusal refusal);

/* Terms alike are one. NULL when out of memory; NULL is put too. */
struct deleg_terms *dirdeleg_terms_get(
	struct deleg_books *b, const struct deleg_terms *like);
void dirdeleg_terms_put(struct deleg_books *b, struct deleg_terms *t);

/* Has @now reached @at? Both are the low bits of monotonic milliseconds. */
static inline bool ms32_reached(uint32_t now, uint32_t at)
{
	return (int32_t)(now - at) >= 0;
}

/* How long ago a recall began that ends at @until: never less than nothing. */
static inline uint32_t recall_age_ms(
	uint32_t now, uint32_t until, uint32_t lease_ms)
{
	uint32_t age = now - (until - lease_ms);

	return (int32_t)age > 0 ? age : 0;
}

#endif
