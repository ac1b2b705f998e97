/* SPDX-License-Identifier: MIT */
/*
 * Clients (RFC 8881 2.4): identity, lease, and the one routine that ends one.
 */
#ifndef STATE_CLIENT_H
#define STATE_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/ref.h"
#include "proto/nfs4.h"
#include "state/state.h"

/* Who sends, as far as SP4_NONE can tell them apart. */
struct principal {
	uint32_t flavor;
	uint32_t uid;
};

struct client {
	struct htab_link by_id;    /* guarded by state's clients lock */
	struct htab_link by_owner; /* same */
	struct ref ref;
	struct state *state;
	uint64_t id;
	struct lock lock; /* guards all below, with exceptions */
	struct list sessions;
	struct htab owners; /* open and lock owners, see owner.h */
	struct list
		cb_waiting;   /* callbacks in line for a slot: nfs/cb_line's */
	uint32_t cb_calls;    /* how often cb_ready came; nfs/cb_line's */
	struct cond cb_moved; /* the health of the back channel changed */
	bool cb_starved;      /* somebody found no slot: cb_ready when free */
	bool cb_probing;      /* state_ops.send_probe was called */
	uint8_t verifier[8];
	struct principal principal;
	bool confirmed;        /* guarded by the clients lock */
	atomic_bool ended;     /* out of the tables: changed under both locks */
	bool reclaim_complete; /* the global RECLAIM_COMPLETE came */
	uint32_t sessions_count;
	/* CREATE_SESSION's one slot (18.36.4). */
	uint32_t create_seqid;
	nfsstat4 create_status;
	CREATE_SESSION4resok create_reply;

	/* Read and written without the lock. */
	_Atomic uint64_t lease_until_ms;
	_Atomic uint32_t calls_running; /* the lease holds while > 0 */
	_Atomic uint32_t status_flags;  /* sticky SEQ4_STATUS_* */
	_Atomic uint32_t lock_ranges;   /* byte ranges locked, all owners */
	_Atomic uint8_t cb_health;      /* enum cb_health, all sessions */
	atomic_bool cb_wanted;          /* it asked for a back channel once */
	_Atomic uint64_t asked_back_ms; /* state_ops.send_recall_any; 0 never */

	/* LOCK_STATEIDS: guards the stateids; see stateid.h. */
	struct lock stateids_lock;
	struct htab stateids_table; /* by `other` */
	struct list stateids;       /* struct stateid.on_client */
	bool stateids_closed;       /* the end of the client has begun */
	struct list on_ending;      /* state->ending, see client_end.c */
	uint32_t stateids_made;
	/* How many, kept by stateid_insert(), _remove() and _revoke(). */
	_Atomic uint32_t opens, locks, file_delegs, dir_delegs;
	/* Objects without a name that are kept for its opens: node.h. */
	_Atomic uint32_t orphans;
	/* Those of them that wait for FREE_STATEID, by why. */
	_Atomic uint32_t revoked, revoked_expired, revoked_admin;

	uint32_t owner_len;
	uint8_t owner[]; /* co_ownerid */
};

struct client *client_ref(struct client *c);
void client_put(struct client *c);

/*
 * EXCHANGE_ID: every case of RFC 8881 18.35.4. @args borrowed; pointers in
 * @res live as long as the state. @minor_version is the compound's. Which
 * implementation this is (eir_server_impl_id) the caller may add.
 */
nfsstat4 client_exchange_id(struct state *s, const EXCHANGE_ID4args *args,
	uint32_t minor_version, const struct principal *who,
	EXCHANGE_ID4resok *res);

/* The confirmed client with this id, with a reference; NULL when none. */
struct client *client_find(struct state *s, uint64_t id);

/* DESTROY_CLIENTID (18.50; DD-13): BUSY without any side effect. */
nfsstat4 client_destroy(struct state *s, uint64_t id);

/* RECLAIM_COMPLETE (18.51). */
nfsstat4 client_reclaim_complete(struct client *c, bool one_fs);

/* Why a client ends. */
enum client_end_reason {
	CLIENT_END_DESTROYED,
	CLIENT_END_REPLACED, /* new verifier, confirmed */
	CLIENT_END_EXPIRED,
	CLIENT_END_ADMIN,
	CLIENT_END_SHUTDOWN,
};

/*
 * The one end-of-client routine: out of the tables, all sessions, opens, locks
 * and delegations go, callbacks are abandoned, waiting mutators wake. Without
 * any lock held; idempotent. Directory delegations, of which there may be very
 * many, go in slices afterwards (state_end_slice()); a change that meets one
 * of them before revokes it as one whose lease is over.
 */
void client_end(struct client *c, enum client_end_reason reason);

/*
 * A compound of @c begins or ends: renews the lease and keeps it from
 * expiring while it runs. False: the client has ended.
 */
bool client_call_begin(struct client *c);
void client_call_end(struct client *c);

/* Any other sign of life that counts: an answered CB_SEQUENCE (2.10.2.2). */
void client_renew(struct client *c);

/*
 * True when the lease is over (its state is kept until a conflict), or the
 * client has ended. Takes no lock: a change section asks for every holder,
 * under the node's lock.
 */
bool client_is_expired(struct client *c);

/* sr_status_flags as far as they are not of one session (18.46.3). */
uint32_t client_status_flags(struct client *c);

/*
 * Walk over all clients and expire leases that are over: clients without opens
 * and locks end, the others become courtesy clients until somebody needs what
 * they hold.
 * Runs by itself on state's timer; tests with a fake clock call timers_run().
 */
void client_expire_leases(struct state *s);

/*
 * A client that is in the way of somebody: end it if its lease is over. True
 * when it ended, now or before. Without locks held.
 */
bool client_end_if_expired(struct client *c);

#endif
