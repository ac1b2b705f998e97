/* SPDX-License-Identifier: MIT */
/*
 * The inside of `struct state`, for the files of this folder only. Each file
 * owns the members under its name; others go through its header.
 */
#ifndef STATE_STATE_PRIVATE_H
#define STATE_STATE_PRIVATE_H

#include <stdatomic.h>

#include "base/counter.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "state/childdue.h"
#include "state/childindex.h"
#include "state/client.h"
#include "state/deleg_private.h"
#include "state/node.h"
#include "state/state.h"

#define NODE_SHARDS    64
#define SESSION_SHARDS 16

struct node_shard {
	struct lock lock; /* LOCK_NODES */
	struct htab table;
};

struct session_shard {
	struct lock lock; /* LOCK_SESSIONS */
	struct htab table;
};

struct state {
	struct state_config config;

	/* client.c */
	struct lock clients_lock; /* LOCK_CLIENTS: guards the next five */
	struct htab clients_by_id;
	struct htab clients_by_owner;
	uint32_t clients_count;
	uint32_t clients_made;
	struct list ending; /* clients with delegations left; references */
	struct timer lease_timer;
	uint64_t grace_until_ms;
	atomic_bool grace_over;
	uint8_t server_owner[32]; /* server_id in hexadecimal */

	/* session.c */
	struct session_shard sessions[SESSION_SHARDS];
	_Atomic size_t cache_reserved; /* promised to sessions */
	struct lock conns_lock;        /* LOCK_LEAF: guards conns */
	struct htab conns;             /* struct session_conn, by connection */

	/* node.c */
	struct node_shard nodes[NODE_SHARDS];
	struct lock idle_lock;  /* LOCK_LEAF: guards the next two */
	struct list nodes_idle; /* kept for a while, oldest first */
	uint32_t nodes_idle_count;
	struct timer idle_timer;

	/* changeattr.c */
	uint64_t tick_ns;
	_Atomic uint64_t change_high;       /* the highest even value given */
	_Atomic uint64_t change_clock_lead; /* file over monotonic time */
	_Atomic uint64_t change_back_until_ns; /* it was set back: until then */
	_Atomic uint64_t change_floor_until_ms; /* a node went too early */
	_Atomic uint32_t change_epoch; /* times that reports were lost */

	/* deleg*.c, dirdeleg.c, recall.c, ... */
	struct deleg_books delegs;

	/* childattr.c, childtell.c */
	struct childindex children;
	struct childdue child_due;

	/* state_read_stats() */
	struct counter count_nodes, count_stateids, count_sessions;
	struct counter count_opens, count_replay_bytes;
	struct counter count_locks; /* ranges */
};

/* state.c's parts, in the files that own them. 0 or -ENOMEM. */
int node_state_init(struct state *s);
void node_state_fini(struct state *s);
int client_state_init(struct state *s);
void client_state_fini(struct state *s);
int session_state_init(struct state *s);
void session_state_fini(struct state *s);

static inline uint64_t state_now_ms(struct state *s)
{
	return clock_mono_ms(s->config.clock);
}

/* A node goes before its time: new ones start above what it gave, until then. */
void changeattr_forget_early(struct state *s, uint64_t until_ms);

#endif
