/* SPDX-License-Identifier: MIT */
/*
 * The common part of everything a stateid4 names (RFC 8881 8.2): an open, a
 * byte-range lock state, a delegation. `other` is the client's id and random
 * bits; a stateid is looked up for a client and never found for another one:
 * each client has a table of its own, guarded by client->stateids_lock
 * (LOCK_STATEIDS: may be taken under a node's lock).
 *
 * Lifetime: the table and the client's list hold one reference together, from
 * stateid_insert() to stateid_remove(); lookups return their own.
 */
#ifndef STATE_STATEID_H
#define STATE_STATEID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/ref.h"
#include "proto/nfs4.h"
#include "state/state.h"

enum stateid_kind {
	STATEID_OPEN = 1 << 0,
	STATEID_LOCK = 1 << 1,
	STATEID_DELEG_FILE = 1 << 2,
	STATEID_DELEG_DIR = 1 << 3,
	STATEID_ANY = 0xf,
};

enum stateid_status {
	STATEID_LIVE,
	STATEID_CLOSED,        /* found no more: BAD_STATEID */
	STATEID_EXPIRED,       /* NFS4ERR_EXPIRED until FREE_STATEID */
	STATEID_REVOKED,       /* NFS4ERR_DELEG_REVOKED until FREE_STATEID */
	STATEID_ADMIN_REVOKED, /* NFS4ERR_ADMIN_REVOKED until FREE_STATEID */
};

struct stateid {
	struct htab_link link; /* client->stateids_table */
	struct list on_client; /* client->stateids */
	struct ref ref;
	enum stateid_kind kind;
	_Atomic(enum stateid_status) status;
	_Atomic uint32_t seqid; /* changed under the node's lock */
	struct client *client;  /* a reference */
	struct node *node;      /* a reference; NULL: a stub, or reserved */
	uint8_t other[NFS4_OTHER_SIZE];
	bool inserted; /* in the table; guarded by client->stateids_lock */
	bool reserved; /* counted without being there yet; likewise */
	void (*free)(struct stateid *sid); /* the object's own release */
};

/*
 * Give @sid a fresh `other`, seqid 1, status LIVE, references to @client and
 * @node, and one reference (the caller's). It is found after stateid_insert().
 * @node may be NULL until then: stateid_set_node() takes one.
 */
void stateid_init(struct stateid *sid, enum stateid_kind kind,
	struct client *client, struct node *node,
	void (*free)(struct stateid *sid));

/*
 * Into the table and on the client's list; takes one more reference. False:
 * the client has ended (client_end walked its list), nothing was done.
 * Counts in client->opens, ->locks, ->file_delegs or ->dir_delegs.
 */
bool stateid_insert(struct stateid *sid);

/*
 * The same, unless the client has @max of this kind already, however many come
 * at the same time (0: there is no limit), or it is a delegation and the client
 * does not free those that were revoked: see policy_stateid_full().
 */
enum stateid_inserted {
	STATEID_INSERTED,
	STATEID_CLIENT_ENDED,
	STATEID_CLIENT_FULL
};
enum stateid_inserted stateid_insert_within(struct stateid *sid, uint32_t max);

void stateid_set_node(struct stateid *sid, struct node *node);

/*
 * The same answers for one that comes later, if at all: it counts from now on,
 * and has its place when it is inserted. Given up by the last put.
 */
enum stateid_inserted stateid_reserve(struct stateid *sid, uint32_t max);

/*
 * Out of both, and what stayed of it if it was revoked; later lookups do not
 * find it. Drops that reference. Harmless when it was done already: a return,
 * FREE_STATEID and the client's end race.
 */
void stateid_remove(struct stateid *sid);

/*
 * What will stay of @sid until FREE_STATEID: kind, `other` and status, without
 * a node. Not under a lock; NULL when out of memory.
 */
struct stateid *stateid_stub_new(const struct stateid *sid);

/*
 * The state is gone without the client's doing: lookups say @status (EXPIRED,
 * REVOKED or ADMIN_REVOKED) until FREE_STATEID, client->revoked counts it and
 * SEQUENCE's flags tell. It no longer counts in ->dir_delegs and the like.
 * @stub takes its place in the table (NULL: it stays itself). Returns what the
 * caller puts once it holds no lock, or NULL: @sid's reference of the table;
 * @stub when @sid was removed or revoked already.
 */
struct stateid *stateid_revoke(
	struct stateid *sid, enum stateid_status status, struct stateid *stub);

/*
 * The last put calls the object's `free` (client and node put after): no lock
 * of a node or below may be held by who may drop the last one.
 */
void stateid_ref(struct stateid *sid);
void stateid_put(struct stateid *sid);

/*
 * The state that @wire names for @client, if it is one of @kinds. Returns a
 * reference in @ret. Checks in the order of RFC 8881 8.2.4: BAD_STATEID, then
 * EXPIRED / DELEG_REVOKED / ADMIN_REVOKED, then the kind (BAD_STATEID), then
 * seqid (0 = current; BAD_STATEID when newer, OLD_STATEID when older).
 * Special stateids are not found: BAD_STATEID.
 */
nfsstat4 stateid_lookup(struct client *client, const stateid4 *wire,
	unsigned kinds, struct stateid **ret);

/* The wire form with the present seqid. */
void stateid_to_wire(const struct stateid *sid, stateid4 *ret);

/* Its state changed: the next seqid. Under its node's lock. */
void stateid_advance_locked(struct stateid *sid);

/* The special stateids of RFC 8881 8.2.3. */
bool stateid_is_anonymous(const stateid4 *wire); /* all zero */
bool stateid_is_bypass(const stateid4 *wire);    /* all ones */
bool stateid_is_current(const stateid4 *wire);   /* seqid 1, other zero */
bool stateid_is_invalid(const stateid4 *wire);   /* seqid max, other zero */

/* TEST_STATEID (18.48) of one stateid: its status, never an error of ours. */
nfsstat4 stateid_test(struct client *client, const stateid4 *wire);

/*
 * FREE_STATEID (18.38): a revoked or expired one goes; LOCKS_HELD for a live
 * open or delegation or a lock state that holds locks.
 */
nfsstat4 stateid_free_state(struct client *client, const stateid4 *wire);

#endif
