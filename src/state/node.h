/* SPDX-License-Identifier: MIT */
/*
 * A node is the meeting point of all state on one object: one per fileid that
 * has opens, locks, delegations, or a recent change (its change attribute must
 * be remembered, see changeattr.h). Nodes are found by fileid, so exports that
 * overlap share them.
 *
 * Locks: `change` (LOCK_CHANGE) is the directory's change section and is taken
 * by state/dirchange only; `lock` (LOCK_NODE) guards the lists and fields and
 * is held for pointer work only.
 */
#ifndef STATE_NODE_H
#define STATE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/ref.h"
#include "state/state.h"
#include "vocab/fileid.h"

struct node {
	struct htab_link link; /* in its shard */
	struct ref ref;
	struct state *state;
	struct lock change;
	struct lock lock;
	struct list opens;         /* struct open.on_node */
	struct list locks;         /* struct lock_range.on_node, by start */
	struct list delegs;        /* struct deleg.on_node */
	uint32_t dir_delegs;       /* how many of those are of directories */
	struct dirside *side;      /* NULL: nothing beside, see dirside.h */
	uint64_t change_last;      /* see changeattr.h; 0 = none yet */
	uint64_t change_until_ms;  /* keep the node until then: idle_lock */
	int64_t change_ctime_ns;   /* the ctime change_last was made of */
	bool change_soft;          /* that value must not be given again */
	bool change_exact;         /* foreign changes cannot hide, ... */
	bool change_mixed;         /* more than one of the next at a time */
	uint32_t change_epoch;     /* ... since state->change_epoch was this */
	uint32_t change_running;   /* changes begun, not ended */
	bool dying;                /* removed or about to be: grant nothing */
	bool pinned;               /* unlinked with opens: unpin at the end */
	void *pin_store;           /* for state_ops.unpin */
	struct client *pin_client; /* whose open it was; a reference */
	struct list idle;          /* nodes kept for a while: idle_lock */
	uint8_t id_len;
	uint8_t id_data[];
};

/*
 * The node of @id, made when missing. Returns a reference; NULL when out of
 * memory.
 */
struct node *node_get(struct state *s, const struct fileid *id);

/*
 * Memory for the node of an object that is still to be made, so that the node
 * cannot fail then: NULL without it. node_get_in() takes it if it is needed and
 * sets *@room to NULL; what is left the caller frees.
 */
void *node_room_new(void);
struct node *node_get_in(struct state *s, const struct fileid *id, void **room);

/* The node of @id if there is one, with a reference; else NULL. */
struct node *node_find(struct state *s, const struct fileid *id);

/* One more reference to a node already held. */
struct node *node_ref(struct node *n);

/*
 * Give a reference back; NULL is ignored. Takes the shard's lock (LOCK_NODES):
 * not under the lock of a node or a stateid table.
 */
void node_put(struct node *n);

void node_copy_id(const struct node *n, struct fileid *ret);

/*
 * The object lost its last name while open: it is pinned in @store and will be
 * unpinned (state_ops.unpin) when its last open is gone. Returns false, and
 * nothing is remembered, when it has no opens or is pinned already: the
 * caller's pin is one too many.
 */
bool node_has_opens(struct node *n);
bool node_set_pinned(struct node *n, void *store);

/*
 * Somebody has it open: how many objects are pinned for that client's opens
 * already, in all stores. False: nobody has.
 */
bool node_opener_orphans(struct node *n, uint32_t *count);

/* An open went: calls state_ops.unpin when it was the last of a pinned one. */
void node_unpin_unused(struct node *n);

/*
 * The change attribute moved: keep the node for changeattr_keep_ms(), under
 * its lock. Returns a node to put once that lock is released, or NULL.
 */
struct node *node_keep_locked(struct node *n);

#endif
