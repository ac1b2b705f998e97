/* SPDX-License-Identifier: MIT */
/*
 * The decisions about recalls and about callbacks that were not answered OK,
 * as functions of their inputs alone.
 */
#ifndef STATE_POLICY_RECALL_H
#define STATE_POLICY_RECALL_H

#include <stdbool.h>
#include <stdint.h>

#include "state/batch.h"
#include "state/recall.h"

#define RECALL_RETRY_MS   2000  /* CB_RECALL again after DELAY or no channel */
#define BATCH_AGAIN_MS    500   /* CB_NOTIFY again after DELAY */
#define BATCH_TRIES       20    /* then its client is not listening */
#define RETURN_FLUSH_MS   2000  /* DELEGRETURN waits so long for a batch */
#define HOLDOFF_FORGET_MS 60000 /* without a recall: as if there was none */

/* Does this reason stop the queue, or does it run until DELEGRETURN? */
static inline bool recall_stops_queue(enum recall_reason reason)
{
	return reason == RECALL_OVERFLOW || reason == RECALL_CALLBACK_ERROR ||
		reason == RECALL_PERMISSION;
}

/* Was it in the way, so that it is not granted again at once (DD-25)? */
static inline bool recall_is_conflict(enum recall_reason reason)
{
	return reason == RECALL_CONFLICT || reason == RECALL_UNSUBSCRIBED ||
		reason == RECALL_LOCAL_CHANGE ||
		reason == RECALL_DIRECTORY_REMOVED;
}

/*
 * How long after the @strikes'th recall a directory is not granted: @first_ms,
 * twice as long each time, never more than @longest_ms.
 */
static inline uint64_t recall_holdoff_ms(
	uint32_t strikes, uint64_t first_ms, uint64_t longest_ms)
{
	uint64_t ms = first_ms;

	for (uint32_t i = 1; i < strikes && ms > 0 && ms < longest_ms; i++)
		ms *= 2;
	return ms < longest_ms ? ms : longest_ms;
}

/* What a CB_RECALL that ended so means. */
enum recall_step {
	RECALL_STEP_WAIT,  /* for DELEGRETURN or the lease */
	RECALL_STEP_RETRY, /* send it again in a while */
	RECALL_STEP_END,   /* the client does not have it: it is over */
};

/*
 * @fresh: the client may not have seen the grant's reply yet, so that
 * "unknown" is a race (RFC 8881 2.10.6.3).
 */
static inline enum recall_step recall_step_after(
	enum recall_result result, bool fresh)
{
	switch (result) {
	case RECALL_SENT:
		return RECALL_STEP_WAIT;
	case RECALL_UNKNOWN:
		return fresh ? RECALL_STEP_RETRY : RECALL_STEP_END;
	default:
		return RECALL_STEP_RETRY;
	}
}

/* What a CB_NOTIFY that ended so means. */
enum batch_step {
	BATCH_STEP_NEXT,     /* delivered: the next one, if there is more */
	BATCH_STEP_AGAIN,    /* the same events in a while */
	BATCH_STEP_ERROR,    /* recall: callback_error */
	BATCH_STEP_OVERFLOW, /* recall: overflow */
};

/* @tries: how often this batch was refused, this time included. */
static inline enum batch_step batch_step_after(
	enum batch_result result, bool fresh, unsigned tries)
{
	switch (result) {
	case BATCH_OK:
		return BATCH_STEP_NEXT;
	case BATCH_AGAIN:
		break;
	case BATCH_UNKNOWN:
		if (!fresh)
			return BATCH_STEP_ERROR;
		break;
	case BATCH_TOO_LARGE:
		return BATCH_STEP_OVERFLOW;
	default:
		return BATCH_STEP_ERROR;
	}
	return tries < BATCH_TRIES ? BATCH_STEP_AGAIN : BATCH_STEP_ERROR;
}

#endif
