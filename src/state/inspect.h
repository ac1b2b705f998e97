/* SPDX-License-Identifier: MIT */
/*
 * What operators may see and touch: walks over all clients and delegations,
 * and what there is to say of each. A walk holds a lock for a few hundred
 * pointers at a time, and a million delegations do not exist twice for it.
 * What is there from its beginning to its end is seen once; what comes and
 * goes meanwhile may be seen or not.
 */
#ifndef STATE_INSPECT_H
#define STATE_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/cbsession.h"
#include "state/client.h"
#include "state/deleg.h"

/* Pointers that are references, taken from the end. */
struct inspect_pile {
	void **item;
	size_t count, room;
};

struct client_walk {
	struct state *state;
	uint64_t cursor;
	bool at_end, failed; /* failed: out of memory, it ended early */
	struct inspect_pile clients;
};

void client_walk_init(struct client_walk *w, struct state *s);

/* The next client that has a session, with a reference; NULL: the end. */
struct client *client_walk_next(struct client_walk *w);
void client_walk_fini(struct client_walk *w);

struct deleg_walk {
	struct state *state;
	unsigned shard;
	uint64_t cursor;
	bool failed;
	struct inspect_pile nodes, delegs;
};

void deleg_walk_init(struct deleg_walk *w, struct state *s);

/* The next that is neither returned nor revoked, likewise. */
struct deleg *deleg_walk_next(struct deleg_walk *w);
void deleg_walk_fini(struct deleg_walk *w);

struct client_view {
	bool expired;       /* a courtesy client: its lease is over */
	uint64_t silent_ms; /* since it was last heard of */
	uint32_t sessions, opens, lock_ranges, file_delegs, dir_delegs;
	uint32_t revoked;       /* delegations it has not given up */
	uint32_t minor_version; /* of its first session; 0: none */
	enum cb_health backchannel;
};

void client_inspect(struct client *c, struct client_view *ret);

/*
 * A connection bound to a session of @c, with a reference of state_ops'; NULL
 * when there is none.
 */
void *client_any_conn(struct client *c);

struct deleg_view {
	enum deleg_state state;
	enum recall_reason reason; /* when it is being recalled */
	uint64_t age_ms;           /* to the second */
	uint32_t recalled_ms;      /* ago */
	uint32_t queued;           /* changes that wait, or are on their way */
};

void deleg_inspect(struct deleg *d, struct deleg_view *ret);

/* The delegation with this `other` and a reference; NULL when there is none. */
struct deleg *deleg_by_other(
	struct state *s, const uint8_t other[NFS4_OTHER_SIZE]);

#endif
