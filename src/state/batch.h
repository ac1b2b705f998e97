/* SPDX-License-Identifier: MIT */
/*
 * From a delegation's queue to its sender: when a batch is due (the window
 * over, a batch full, somebody waiting for it), and what its answer means.
 * One CB_NOTIFY of a delegation is in flight at a time, so that order of
 * receipt is order of execution (RFC 8881 20.4.3). The sender is nfs/cb_notify:
 *
 *	send_notify(d)		a reference; post a job
 *	  take a slot		busy: wait for cb_ready; down: batch_done(AGAIN)
 *	  batch_take(d)		0: batch_done(d, 0, BATCH_OK), give the slot
 *	  encode, send; what does not fit in one request stays behind
 *	batch_done(d, ...)	gives the reference back
 */
#ifndef STATE_BATCH_H
#define STATE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "state/deleg.h"

/* How a CB_NOTIFY ended. */
enum batch_result {
	BATCH_OK,        /* NFS4_OK, or nothing was there to be sent */
	BATCH_AGAIN,     /* not now: DELAY, no backchannel; later, bounded */
	BATCH_UNKNOWN,   /* BADHANDLE, BAD_STATEID: a race, or it is gone */
	BATCH_ERROR,     /* any other answer, or none: recall it */
	BATCH_TOO_LARGE, /* the first event fits in no request: recall it */
};

/*
 * The next batch of @d: up to @max events with references, which are the
 * sender's. 0 when there is nothing to send any more.
 */
size_t batch_take(struct deleg *d, struct dir_event **ret, size_t max);

/*
 * The batch ended, with the first @sent events of it delivered (BATCH_OK).
 * Gives back the reference that send_notify() came with, tells whoever waits
 * for it, lets a recall go that waited for it. Without locks.
 */
void batch_done(struct deleg *d, size_t sent, enum batch_result result);

/* The rest is for state itself. */

/*
 * @d's queue has work since now; with @at_once it does not wait. Any lock up
 * to a queue's may be held: call batch_kick() after.
 */
void batch_put(struct deleg *d, bool at_once);

/* Do not let @d's batch, if any, wait for its window; then as above. */
void batch_flush(struct deleg *d);

/* Hand what is due to state_ops.send_notify. Without locks. */
void batch_kick(struct state *s);

#endif
