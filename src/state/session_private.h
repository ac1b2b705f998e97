/* SPDX-License-Identifier: MIT */
/*
 * What the files about sessions share. Inside src/state only.
 */
#ifndef STATE_SESSION_PRIVATE_H
#define STATE_SESSION_PRIVATE_H

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/ref.h"
#include "state/cbsession.h"
#include "state/policy_session.h"
#include "state/session.h"

#define SESSION_CONNS_MAX 64 /* more are served, but not bound */
#define CB_SLOTS_MAX      64 /* that we use; the client may offer more */

/* A slot of the fore channel; guarded by session->lock. */
struct slot {
	struct session *session;
	uint32_t index;
	uint32_t seqid; /* of the request running or done */
	uint8_t use;    /* enum slot_use */
	uint8_t has;    /* enum slot_has */
	bool cachethis;
	struct principal who;
	uint64_t digest;
	void *reply;
	size_t reply_size;
};

/* A connection bound to a session. */
struct session_conn {
	struct htab_link by_conn; /* state->conns: state->conns_lock */
	struct list on_session;   /* session->conns: session->lock */
	struct session *session;  /* borrowed: it unbinds before it goes */
	void *conn;               /* a reference */
	uint8_t channels;         /* CDFS4_*; guarded by session->lock */
	bool lost;                /* a callback on it got no answer, ditto */
};

struct cb_slot_state {
	uint32_t seqid; /* of the last request that was answered */
	bool busy;
	bool uncertain;  /* the next one may have been seen already */
	uint8_t delayed; /* how often its client said DELAY to that doubt */
};

struct session {
	struct htab_link link; /* its shard */
	struct list on_client; /* client->sessions: client->lock */
	struct ref ref;        /* table and list hold one together */
	struct session_info info;
	struct state *state;
	struct client *client; /* a reference */
	size_t reserved;       /* of state->cache_reserved */
	struct lock lock;      /* LOCK_SESSION: guards all below */
	bool dead;             /* destroyed */
	struct list conns;     /* oldest first */
	uint32_t conns_count;
	/* The back channel, cbsession.c. */
	bool back_wanted;   /* it had one: its loss is told */
	bool back_verified; /* a CB_SEQUENCE was answered */
	bool back_failed;   /* timed out: wait for a new binding */
	bool back_gone;     /* the client does not know the session */
	bool back_fault;    /* slots out of step: BACKCHANNEL_FAULT */
	bool back_secure;   /* the client offered a flavour we speak */
	uint32_t cb_program;
	uint32_t cb_flavor;
	uint8_t cb_body[400];
	uint32_t cb_body_size;
	uint32_t cb_slots_count;
	uint32_t cb_slots_usable; /* what the client's target leaves of them */
	struct cb_slot_state *cb_slots;
	struct slot slots[]; /* info.fore.ca_maxrequests */
};

void session_ref(struct session *ss);

/* Into the client's list and the table. Under the client's lock. */
void session_link_held(struct session *ss);

/* Out of both, unbound, dead. False: done before. */
bool session_end(struct session *ss);

/* session_conn.c: the binding of @conn to @ss, or NULL. Under ss->lock. */
struct session_conn *session_conn_find_locked(
	struct session *ss, const void *conn);

/*
 * Bind @conn to @ss for at least these channels. False: no memory, too many,
 * the session is dead, or @conn is NULL. Without locks.
 */
bool session_conn_bind(struct session *ss, void *conn, unsigned channels);

/* All bindings of a dead session go. Without locks. */
void session_conn_unbind_all(struct session *ss);

/* cbsession.c: take the security we can use; false when there is none. */
bool cbsession_set_security_locked(
	struct session *ss, const callback_sec_parms4 *offers, uint32_t count);

/* A back channel was bound: what failed before is forgotten. */
void cbsession_bound_locked(struct session *ss);

/* sr_status_flags of this session. */
uint32_t cbsession_flags_locked(const struct session *ss);

/*
 * The health of a back channel of @c may have changed, or a slot is free: sum
 * up, wake who waits. Without locks.
 */
void cbsession_moved(struct client *c);

#endif
