/* SPDX-License-Identifier: MIT */
/*
 * The back channel's side of sessions (RFC 8881 2.10.3, 20.9): which slots are
 * free, which connection carries a callback, and what a CB_SEQUENCE error
 * means. It sends nothing: nfs/cb asks for a slot, sends, and gives it back.
 */
#ifndef STATE_CBSESSION_H
#define STATE_CBSESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "proto/nfs4.h"
#include "state/session.h"

/* A callback slot in use, with everything needed to send on it. */
struct cb_slot {
	struct session *session; /* a reference */
	void *conn;              /* a reference, through state_ops */
	uint8_t session_id[NFS4_SESSIONID_SIZE];
	uint32_t slot;
	uint32_t seqid;
	uint32_t highest;
	uint32_t minor_version;
	uint32_t program;
	uint32_t max_request, max_response, max_ops;
	uint32_t auth_flavor; /* as the client offered: AUTH_NONE or AUTH_SYS */
	uint8_t auth_body[400]; /* AUTH_SYS: encoded verbatim */
	uint32_t auth_body_size;
	/*
	 * What was sent last on this slot got no answer: the client may have
	 * seen this seqid and answer from its cache. Send a lone CB_SEQUENCE.
	 */
	bool uncertain;
	uint32_t target_highest; /* the answer's; set before giving back */
};

enum cb_slot_result {
	CB_SLOT_TAKEN,
	CB_SLOT_BUSY, /* all in use: state_ops.cb_ready says when to retry */
	CB_SLOT_DOWN, /* no session of the client has a usable backchannel */
};

/*
 * Take a free slot on any session of @c with a live backchannel whose request
 * limit is at least @size (0 = any). The seqid is the one to send.
 */
enum cb_slot_result cbsession_slot_take(
	struct client *c, size_t size, struct cb_slot *ret);

/*
 * Could a slot be taken now, or is the channel down? For who lined up on
 * client->cb_waiting and must not miss a state_ops.cb_ready in between.
 * When a client ends, cb_ready is called once more: those who wait find
 * CB_SLOT_DOWN.
 */
bool cbsession_has_free_slot(struct client *c);

/* How the callback on a slot ended. */
enum cb_outcome {
	CB_ANSWERED,       /* CB_SEQUENCE was OK: the seqid advances */
	CB_SEQ_DELAY,      /* CB_SEQUENCE says DELAY for too long: in doubt */
	CB_SEQ_BADSESSION, /* the client lost the session */
	CB_SEQ_MISORDERED, /* slot state lost: BACKCHANNEL_FAULT */
	CB_SEQ_ERROR,      /* anything else from CB_SEQUENCE */
	CB_CONN_LOST,      /* no answer: see cbsession_slot_retry() */
	CB_TIMED_OUT,
	CB_NOT_SENT, /* the slot was not used after all: the seqid stays */
};

/* Give the slot back. Takes the references; the channel's health is noted. */
void cbsession_slot_give(struct cb_slot *slot, enum cb_outcome outcome);

/*
 * The connection of @slot went before the answer came. What can be done: there
 * is another one of the same session (NOW), one may be bound soon (LATER: the
 * slot stays taken, ask again), or the session or its back channel is no more
 * (NEVER).
 */
enum cb_retry { CB_RETRY_NOW, CB_RETRY_LATER, CB_RETRY_NEVER };
enum cb_retry cbsession_slot_prospect(const struct cb_slot *slot);

/*
 * After CB_CONN_LOST, instead of giving back: the same slot and seqid on
 * another bound connection of the same session (2.10.6.2). False: there is
 * none now; the slot was given back and CB_PATH_DOWN_SESSION is set; send
 * afresh elsewhere.
 */
bool cbsession_slot_retry(struct cb_slot *slot);

/*
 * Is there a backchannel, with nothing failed on it, that answered a probe?
 * UNKNOWN: bound, but never tried.
 */
enum cb_health { CB_HEALTH_DOWN, CB_HEALTH_UNKNOWN, CB_HEALTH_UP };
enum cb_health cbsession_health(struct client *c);

/*
 * Wait up to @timeout_ms for UNKNOWN to become something else, after asking
 * for a probe (state_ops.send_probe) if none is under way. Without locks.
 */
enum cb_health cbsession_wait_health(struct client *c, uint64_t timeout_ms);

/* The largest request any live backchannel of @c takes; 0 when none. */
uint32_t cbsession_max_request(struct client *c);

#endif
