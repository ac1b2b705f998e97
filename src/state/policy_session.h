/* SPDX-License-Identifier: MIT */
/*
 * Decisions about sessions: channel attributes, slots, connections. Pure.
 */
#ifndef STATE_POLICY_SESSION_H
#define STATE_POLICY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/nfs4.h"

/*
 * The least that SEQUENCE and its reply take, RPC header included; the reply
 * with room for the bare failure of the operation behind it.
 */
#define SEQUENCE_REQUEST_MIN 88
#define SEQUENCE_REPLY_MIN   96
/* CB_SEQUENCE and CB_RECALL with a filehandle of full size, AUTH_NONE. */
#define CALLBACK_REQUEST_MIN 256
#define CALLBACK_REPLY_MIN   100
#define CALLBACK_OPS_MIN     2

#define CREATE_SESSION_FLAGS_KNOWN                                            \
	(CREATE_SESSION4_FLAG_PERSIST | CREATE_SESSION4_FLAG_CONN_BACK_CHAN | \
		CREATE_SESSION4_FLAG_CONN_RDMA)

/* What we grant at most on the fore channel; slots besides memory. */
struct channel_limits {
	uint32_t request, response, cached, ops, slots;
};

static inline uint32_t policy_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* 18.36.3: everything may be lowered, nothing raised. */
static inline nfsstat4 policy_fore_channel(const channel_attrs4 *asked,
	const struct channel_limits *max, channel_attrs4 *ret)
{
	if (asked->ca_maxrequestsize < SEQUENCE_REQUEST_MIN ||
		asked->ca_maxresponsesize < SEQUENCE_REPLY_MIN ||
		asked->ca_maxoperations < 1 || asked->ca_maxrequests < 1)
		return NFS4ERR_TOOSMALL;
	*ret = (channel_attrs4){
		.ca_maxrequestsize =
			policy_min(asked->ca_maxrequestsize, max->request),
		.ca_maxresponsesize =
			policy_min(asked->ca_maxresponsesize, max->response),
		.ca_maxoperations =
			policy_min(asked->ca_maxoperations, max->ops),
		.ca_maxrequests = policy_min(asked->ca_maxrequests, max->slots),
	};
	ret->ca_maxresponsesize_cached = policy_min(
		policy_min(asked->ca_maxresponsesize_cached, max->cached),
		ret->ca_maxresponsesize);
	return NFS4_OK;
}

/* Its operations and requests are the client's to say and stay. */
static inline nfsstat4 policy_back_channel(const channel_attrs4 *asked,
	const struct channel_limits *max, channel_attrs4 *ret)
{
	if (asked->ca_maxrequestsize < CALLBACK_REQUEST_MIN ||
		asked->ca_maxresponsesize < CALLBACK_REPLY_MIN ||
		asked->ca_maxoperations < CALLBACK_OPS_MIN ||
		asked->ca_maxrequests < 1)
		return NFS4ERR_TOOSMALL;
	*ret = (channel_attrs4){
		.ca_maxrequestsize =
			policy_min(asked->ca_maxrequestsize, max->request),
		.ca_maxresponsesize =
			policy_min(asked->ca_maxresponsesize, max->response),
		.ca_maxresponsesize_cached = asked->ca_maxresponsesize_cached,
		.ca_maxoperations = asked->ca_maxoperations,
		.ca_maxrequests = asked->ca_maxrequests,
	};
	return NFS4_OK;
}

/* ---- slots (2.10.6.1) ---- */

enum slot_use {
	SLOT_FREE,
	SLOT_RUNNING,   /* a new request executes */
	SLOT_REPLAYING, /* its kept reply is being sent again */
};

enum slot_has {
	SLOT_HAS_NOTHING,  /* never used: the contrived SEQ_MISORDERED */
	SLOT_HAS_SEQUENCE, /* only SEQUENCE's own result can be replayed */
	SLOT_HAS_REPLY,
};

enum slot_step { SLOT_STEP_RUN, SLOT_STEP_REPLAY, SLOT_STEP_UNCACHED };

/* NFS4_OK and what to do, or the error. */
static inline nfsstat4 policy_slot(uint32_t ours, uint32_t theirs,
	enum slot_use use, enum slot_has has, enum slot_step *step)
{
	if (theirs == ours + 1) { /* wraps */
		if (use == SLOT_RUNNING)
			return NFS4ERR_SEQ_MISORDERED;
		if (use == SLOT_REPLAYING)
			return NFS4ERR_DELAY;
		*step = SLOT_STEP_RUN;
		return NFS4_OK;
	}
	if (theirs != ours)
		return NFS4ERR_SEQ_MISORDERED;
	if (use != SLOT_FREE)
		return NFS4ERR_DELAY;
	if (has == SLOT_HAS_NOTHING)
		return NFS4ERR_SEQ_MISORDERED;
	*step = has == SLOT_HAS_REPLY ? SLOT_STEP_REPLAY : SLOT_STEP_UNCACHED;
	return NFS4_OK;
}

/* CREATE_SESSION's one slot (18.36.4): replay, next, or misordered. */
enum create_step { CREATE_REPLAY, CREATE_NEXT, CREATE_MISORDERED };

static inline enum create_step policy_create_slot(
	uint32_t ours, uint32_t theirs)
{
	if (theirs == ours)
		return CREATE_REPLAY;
	return theirs == ours + 1 ? CREATE_NEXT : CREATE_MISORDERED;
}

/* ---- connections (18.34.3) ---- */

/* Channels a connection carries, as bits: CDFS4_FORE, _BACK, _BOTH; 0 none. */
static inline nfsstat4 policy_bind(
	unsigned has, channel_dir_from_client4 asked, unsigned *ret)
{
	switch (asked) {
	case CDFC4_FORE:
	case CDFC4_BACK:
		/* A demand: what it carries already must be just that. */
		if (has && has != (unsigned)asked)
			return NFS4ERR_INVAL;
		*ret = asked;
		return NFS4_OK;
	case CDFC4_FORE_OR_BOTH:
	case CDFC4_BACK_OR_BOTH:
		*ret = CDFS4_BOTH;
		return NFS4_OK;
	}
	return NFS4ERR_INVAL;
}

#endif
