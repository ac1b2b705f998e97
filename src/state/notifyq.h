/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue of one delegation: events in the order of the changes,
 * each shared by all holders. Full is not an error to hide: it is a recall
 * (overflow). Leaving a state empties what that state owned.
 *
 *	 put		     window over		answered OK
 *  IDLE ----> QUEUED ------------------> SENDING --------------------> IDLE
 *		 ^			  |  put			 ^
 *		 |			  v		answered OK	 |
 *		 +---------------- SENDING+QUEUED ----> QUEUED		 |
 *  any ----> STOPPED (recall that must not notify, return, revocation; final)
 */
#ifndef STATE_NOTIFYQ_H
#define STATE_NOTIFYQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/ref.h"
#include "base/timer.h"
#include "state/state.h"
#include "vocab/change.h"

/*
 * One change, one allocation, shared by all holders: names are copied into it.
 */
struct dir_event {
	struct ref ref;
	size_t size; /* bytes, for the limits */
	uint64_t when_ms;
	struct dir_change change; /* names point behind the struct */
};

/* A copy of @change with one reference; NULL when out of memory. */
struct dir_event *dir_event_new(
	const struct dir_change *change, uint64_t when_ms);
struct dir_event *dir_event_ref(struct dir_event *e);
void dir_event_put(struct dir_event *e);

enum notifyq_state {
	NOTIFYQ_IDLE,
	NOTIFYQ_QUEUED,
	NOTIFYQ_SENDING,
	NOTIFYQ_SENDING_QUEUED,
	NOTIFYQ_STOPPED,
};

struct notifyq {
	struct lock lock;
	struct dir_event **ring; /* NULL while empty */
	uint32_t first, count, capacity;
	uint32_t taken; /* events of the batch in flight */
	size_t bytes;
	uint8_t state; /* enum notifyq_state */
};

void notifyq_init(struct notifyq *q);

/* Empties it; the queue must be idle or stopped. */
void notifyq_fini(struct notifyq *q);

enum notifyq_put {
	NOTIFYQ_PUT,       /* queued behind others */
	NOTIFYQ_PUT_FIRST, /* queued, and somebody must be told: kick */
	NOTIFYQ_FULL,      /* limits or memory: recall it (overflow) */
	NOTIFYQ_NOT_TAKEN, /* stopped: nothing to do */
};

/* Append @e (a reference is taken on success). Limits from the config. */
enum notifyq_put notifyq_put(struct notifyq *q, struct dir_event *e,
	const struct state_config *config);

/*
 * Start a batch: up to @max events from the front, with references, into @ret.
 * Returns how many; 0 = nothing to send now (empty, sending, or stopped).
 */
size_t notifyq_take(struct notifyq *q, struct dir_event **ret, size_t max);

/*
 * The batch was delivered in part: the first @sent events of it go, the rest
 * is put back to the front. True: there is more to send.
 */
bool notifyq_sent(struct notifyq *q, size_t sent);

/* Final: empty it. Waits for nothing; a batch in flight may still arrive. */
void notifyq_stop(struct notifyq *q);

bool notifyq_is_idle(struct notifyq *q);

#endif
