/* SPDX-License-Identifier: MIT */
/*
 * Opens and the byte-range locks under them. Inside src/state only; all fields
 * are guarded by the node's lock unless said otherwise.
 */
#ifndef STATE_OPEN_PRIVATE_H
#define STATE_OPEN_PRIVATE_H

#include <stdatomic.h>

#include "base/list.h"
#include "state/open.h"
#include "state/owner.h"
#include "state/stateid.h"

/*
 * How often to look again after an expired client was pushed aside: a file may
 * have been open to many when the network went.
 */
#define CONFLICT_TRIES 2048

struct open {
	struct stateid sid;
	struct list on_node;     /* node->opens; empty: closed */
	struct list lock_states; /* struct lock_state.on_open */
	struct owner *owner;     /* a reference */
	uint16_t pairs;         /* granted, see policy_open.h; 0: nothing yet */
	uint16_t tried;         /* of those who are between begin and end ... */
	uint16_t tries;         /* ... and how many they are */
	_Atomic uint8_t access; /* of `pairs`; read without the lock, too */
	uint8_t held_access;    /* of both: what others must not conflict */
	uint8_t held_deny;      /* with */
};

/* One lock owner's locks under one open. */
struct lock_state {
	struct stateid sid;
	struct list on_open; /* empty: ended */
	struct open *open;   /* a reference to its sid */
	struct owner *owner; /* a reference */
	uint32_t ranges;
};

struct lock_range {
	struct list on_node; /* node->locks, by start */
	struct lock_state *state;
	uint64_t start, end; /* both included */
	bool exclusive;
};

static inline struct open *open_of(const struct stateid *sid)
{
	return container_of(sid, struct open, sid);
}

static inline struct lock_state *lock_state_of(const struct stateid *sid)
{
	return container_of(sid, struct lock_state, sid);
}

#endif
