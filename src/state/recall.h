/* SPDX-License-Identifier: MIT */
/*
 * Recalls (RFC 8881 10.4.5, 10.9): from the decision to the return or the
 * revocation, one lease later. state_ops.send_recall does the sending.
 */
#ifndef STATE_RECALL_H
#define STATE_RECALL_H

#include "state/deleg.h"

/*
 * Start the recall of @d for @reason unless one is under way. Overflow,
 * callback_error and permission stop the queue at once, also when it is; the
 * other reasons let it run until DELEGRETURN. Under the node's lock; sends
 * nothing itself: call recall_kick() after all locks are released.
 */
void recall_start_locked(struct deleg *d, enum recall_reason reason);

/*
 * Hand started recalls to state_ops.send_recall, except those whose CB_NOTIFY
 * is in flight: they follow its batch_done(). Without locks.
 */
void recall_kick(struct state *s);

/* Both in one, without locks. */
void recall_start(struct deleg *d, enum recall_reason reason);

/* What became of a CB_RECALL; takes the reference send_recall() gave. */
enum recall_result {
	RECALL_SENT,    /* the client answered OK: wait for DELEGRETURN */
	RECALL_RETRY,   /* DELAY, or a race with the grant: again later */
	RECALL_UNKNOWN, /* BADHANDLE, BAD_STATEID: the client has it not */
	RECALL_FAILED,  /* no backchannel: wait for return or revocation */
};
void recall_sent(struct deleg *d, enum recall_result result);

/* Revoke what was not returned within a lease. On state's timer. */
void recall_expire(struct state *s);

/*
 * Wait until no delegation but what @self holds itself (see deleg_is_own()) is
 * in the way (`blocking`) on @n, at most until @deadline_ms (monotonic). True:
 * none is any more. Without locks held.
 */
bool recall_wait(struct node *n, struct client *self, uint32_t via,
	uint64_t deadline_ms);

#endif
