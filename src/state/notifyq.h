/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue of one delegation: events in the order of the changes,
 * each shared by all holders. Full is not an error to hide: it is a recall
 * (overflow). Leaving a state empties what that state owned. Who is told that
 * there is work, and when, is batch.h.
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
#include "state/direvent.h"
#include "state/state.h"

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
	uint32_t taken;       /* events in flight; also after a stop */
	uint32_t bytes;       /* of all events in the ring */
	uint32_t batch_bytes; /* as much makes a full batch */
	uint8_t state;        /* enum notifyq_state */
};

void notifyq_init(struct notifyq *q, uint32_t batch_bytes);

/* Empties it; nothing may be in flight. */
void notifyq_fini(struct notifyq *q);

enum notifyq_put {
	NOTIFYQ_PUT,       /* queued behind others */
	NOTIFYQ_PUT_FIRST, /* queued, and nobody has been told of this queue */
	NOTIFYQ_PUT_BATCH, /* queued, and a batch is full: no need to wait */
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
 * The batch in flight ended: its first @sent events were delivered and go, the
 * rest is at the front again. True: there is more to send.
 */
bool notifyq_sent(struct notifyq *q, size_t sent);

/*
 * Would notifyq_take() give something? Then *@front_ms: since when; 0 when
 * there is a full batch, which need not wait.
 */
bool notifyq_has_work(struct notifyq *q, uint64_t *front_ms);

/* Final: empty it. Waits for nothing; a batch in flight may still arrive. */
void notifyq_stop(struct notifyq *q);
bool notifyq_is_stopped(struct notifyq *q);

/* Events queued, those in flight included. */
uint32_t notifyq_length(struct notifyq *q);

/* Nothing queued and nothing in flight. */
bool notifyq_is_idle(struct notifyq *q);

#endif
