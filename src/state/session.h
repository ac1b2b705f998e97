/* SPDX-License-Identifier: MIT */
/*
 * Sessions (RFC 8881 2.10): slots with exactly-once replay, and which
 * connections are bound to which channel. Connections are opaque here: a
 * pointer that state_ops can reference and release.
 */
#ifndef STATE_SESSION_H
#define STATE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nfs4.h"
#include "state/client.h"
#include "state/state.h"

struct session;
struct slot;

/* What the floor above wants to know of a session; fixed at creation. */
struct session_info {
	struct client *client; /* borrowed from the session */
	uint8_t id[NFS4_SESSIONID_SIZE];
	uint32_t minor_version;
	channel_attrs4 fore;
	channel_attrs4 back;
};

/*
 * CREATE_SESSION (18.36), with its own replay cache, which keeps NOSPC, too:
 * of the errors it alone uses up the sequence id. @conn becomes bound to
 * the fore channel, and to the back channel when asked. @minor_version is the
 * compound's; a session is used with one only.
 */
nfsstat4 session_create(struct state *s, const CREATE_SESSION4args *args,
	uint32_t minor_version, const struct principal *who, void *conn,
	CREATE_SESSION4resok *res);

/* The session with this id, with a reference; NULL when none. */
struct session *session_find(
	struct state *s, const uint8_t id[NFS4_SESSIONID_SIZE]);
void session_put(struct session *ss);
const struct session_info *session_get_info(const struct session *ss);

/* DESTROY_SESSION (18.37). @conn must be bound to it. */
nfsstat4 session_destroy(
	struct state *s, const uint8_t id[NFS4_SESSIONID_SIZE], void *conn);

/* BIND_CONN_TO_SESSION (18.34). */
nfsstat4 session_bind_conn(struct state *s,
	const BIND_CONN_TO_SESSION4args *args, void *conn,
	BIND_CONN_TO_SESSION4resok *res);

/*
 * @conn is closed: unbind it everywhere, put the references. No call of it may
 * run or begin later: SEQUENCE would bind it again.
 */
void session_conn_gone(struct state *s, void *conn);

/* The client ends: none of its sessions is found or used any more. */
void session_end_all(struct client *c);

/* BACKCHANNEL_CTL (18.33): new program, more security. */
nfsstat4 session_backchannel_ctl(
	struct session *ss, const BACKCHANNEL_CTL4args *args);

enum slot_verdict {
	SLOT_NEW,      /* run the compound, then session_slot_end() */
	SLOT_REPLAY,   /* send slot_reply() again */
	SLOT_UNCACHED, /* SEQUENCE OK, next operation RETRY_UNCACHED_REP */
	SLOT_ERROR,    /* the status says what; the slot is untouched */
};

/* What a SEQUENCE brings besides its arguments; all borrowed. */
struct session_request {
	uint32_t minor_version; /* the compound's, as the others */
	uint32_t nops;
	size_t size;       /* of the request, RPC header included */
	size_t reply_size; /* the least its reply takes, likewise */
	uint64_t digest;   /* of the request, to detect a false retry */
	const struct principal *who;
	void *conn;
};

/*
 * SEQUENCE (18.46): find the session, bind the connection to its fore channel
 * if it is not yet, check sizes, slot and seqid (TOO_MANY_OPS, REQ_TOO_BIG,
 * REP_TOO_BIG, REP_TOO_BIG_TO_CACHE ...). On NFS4_OK: @ret_session and
 * @ret_slot are the caller's until session_slot_end(), the client's call has
 * begun, @res is filled in. On failure the slot is as it was.
 */
nfsstat4 session_sequence(struct state *s, const SEQUENCE4args *args,
	const struct session_request *request, SEQUENCE4resok *res,
	struct session **ret_session, struct slot **ret_slot,
	enum slot_verdict *verdict);

/* The reply kept in the slot (SLOT_REPLAY): the COMPOUND4res bytes. */
void session_slot_reply(struct slot *slot, const void **data, size_t *size);

/* May this reply be kept? Room for it in ca_maxresponsesize_cached. */
uint32_t session_slot_cache_limit(const struct slot *slot);
bool session_slot_cachethis(const struct slot *slot);

/*
 * The compound is done: keep @reply (copied; NULL = only SEQUENCE's, a retry
 * gets RETRY_UNCACHED_REP), free the slot for the next seqid, end the client's
 * call. Consumes the session and slot that session_sequence() gave.
 */
void session_slot_end(
	struct session *ss, struct slot *slot, const void *reply, size_t size);

/* As above for SLOT_REPLAY and SLOT_UNCACHED: nothing is kept anew. */
void session_slot_end_replay(struct session *ss, struct slot *slot);

/*
 * The {session, slot, seqid} of a request, kept with a delegation for
 * referring calls (2.10.6.3) until the slot is used again.
 */
struct slot_ref {
	uint8_t session[NFS4_SESSIONID_SIZE];
	uint32_t slot;
	uint32_t seqid;
};

void session_slot_ref(const struct slot *slot, struct slot_ref *ret);

/* May the client still not have seen that request's reply? */
bool session_slot_ref_is_fresh(struct state *s, const struct slot_ref *ref);

#endif
