/* SPDX-License-Identifier: MIT */
/* SEQUENCE and the replay cache (RFC 8881 2.10.6, 18.46). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/client_private.h"
#include "state/session.h"
#include "state/session_private.h"
#include "state/state_private.h"

struct arrival {
	const SEQUENCE4args *args;
	const struct session_request *request;
};

/* Checked before the slot is looked at, in this order. */
static nfsstat4 check_limits(
	const struct session *ss, const struct arrival *call)
{
	const channel_attrs4 *fore = &ss->info.fore;
	const struct session_request *request = call->request;

	if (call->args->sa_slotid >= fore->ca_maxrequests)
		return NFS4ERR_BADSLOT;
	if (call->args->sa_highest_slotid >= fore->ca_maxrequests)
		return NFS4ERR_BAD_HIGH_SLOT;
	if (request->nops > fore->ca_maxoperations)
		return NFS4ERR_TOO_MANY_OPS;
	if (request->size > fore->ca_maxrequestsize)
		return NFS4ERR_REQ_TOO_BIG;
	if (request->reply_size > fore->ca_maxresponsesize)
		return NFS4ERR_REP_TOO_BIG;
	if (call->args->sa_cachethis &&
		request->reply_size > fore->ca_maxresponsesize_cached)
		return NFS4ERR_REP_TOO_BIG_TO_CACHE;
	return NFS4_OK;
}

static void forget_reply(struct slot *slot)
{
	counter_add(&slot->session->state->count_replay_bytes,
		-(int64_t)slot->reply_size);
	free(slot->reply);
	slot->reply = NULL;
	slot->reply_size = 0;
}

static void start_new(struct slot *slot, const struct arrival *call)
{
	forget_reply(slot);
	slot->seqid = call->args->sa_sequenceid;
	slot->use = SLOT_RUNNING;
	slot->has = SLOT_HAS_SEQUENCE;
	slot->cachethis = call->args->sa_cachethis;
	slot->who = *call->request->who;
	slot->digest = call->request->digest;
}

/* The same slot and seqid, but another request (2.10.6.1.3.1). */
static bool is_false_retry(const struct slot *slot, const struct arrival *call)
{
	return slot->digest != call->request->digest ||
		!principal_equal(&slot->who, call->request->who);
}

static nfsstat4 enter_slot(struct slot *slot, const struct arrival *call,
	enum slot_verdict *verdict)
{
	enum slot_step step;
	nfsstat4 status = policy_slot(slot->seqid, call->args->sa_sequenceid,
		slot->use, slot->has, &step);

	if (status != NFS4_OK)
		return status;
	if (step == SLOT_STEP_RUN) {
		start_new(slot, call);
		*verdict = SLOT_NEW;
		return NFS4_OK;
	}
	if (is_false_retry(slot, call))
		return NFS4ERR_SEQ_FALSE_RETRY;
	slot->use = SLOT_REPLAYING;
	*verdict = step == SLOT_STEP_REPLAY ? SLOT_REPLAY : SLOT_UNCACHED;
	return NFS4_OK;
}

static nfsstat4 enter(struct session *ss, const struct arrival *call,
	struct slot **ret, enum slot_verdict *verdict, uint32_t *flags)
{
	nfsstat4 status;

	scope_lock(&ss->lock);
	if (ss->dead)
		return NFS4ERR_BADSESSION;
	status = check_limits(ss, call);
	if (status != NFS4_OK)
		return status;
	*ret = &ss->slots[call->args->sa_slotid];
	*flags = cbsession_flags_locked(ss);
	return enter_slot(*ret, call, verdict);
}

static void fill_reply(const struct session *ss, const SEQUENCE4args *args,
	uint32_t flags, SEQUENCE4resok *res)
{
	uint32_t highest = ss->info.fore.ca_maxrequests - 1;

	*res = (SEQUENCE4resok){
		.sr_sequenceid = args->sa_sequenceid,
		.sr_slotid = args->sa_slotid,
		.sr_highest_slotid = highest,
		.sr_target_highest_slotid = highest,
		.sr_status_flags = flags | client_status_flags(ss->client),
	};
	memcpy(res->sr_sessionid, args->sa_sessionid, sizeof(sessionid4));
}

/* The session, with its client held; NULL = BADSESSION. */
static struct session *find_and_hold(
	struct state *s, const SEQUENCE4args *args, uint32_t minor_version)
{
	struct session *ss = session_find(s, args->sa_sessionid);

	if (ss && ss->info.minor_version == minor_version &&
		client_hold(ss->client))
		return ss;
	session_put(ss);
	return NULL;
}

nfsstat4 session_sequence(struct state *s, const SEQUENCE4args *args,
	const struct session_request *request, SEQUENCE4resok *res,
	struct session **ret_session, struct slot **ret_slot,
	enum slot_verdict *verdict)
{
	const struct arrival call = {args, request};
	struct session *ss = find_and_hold(s, args, request->minor_version);
	uint32_t flags;
	nfsstat4 status;

	*verdict = SLOT_ERROR;
	if (!ss)
		return NFS4ERR_BADSESSION;
	status = enter(ss, &call, ret_slot, verdict, &flags);
	if (status != NFS4_OK) {
		client_release(ss->client); /* the lease is not renewed */
		session_put(ss);
		return status;
	}
	client_renew(ss->client);
	session_conn_bind(ss, request->conn, CDFS4_FORE);
	fill_reply(ss, args, flags, res);
	*ret_session = ss;
	return NFS4_OK;
}

void session_slot_reply(struct slot *slot, const void **data, size_t *size)
{
	assert(slot->use == SLOT_REPLAYING && slot->has == SLOT_HAS_REPLY);
	*data = slot->reply;
	*size = slot->reply_size;
}

uint32_t session_slot_cache_limit(const struct slot *slot)
{
	return slot->session->info.fore.ca_maxresponsesize_cached;
}

bool session_slot_cachethis(const struct slot *slot)
{
	return slot->cachethis;
}

/* A copy of what fits; NULL: it is not kept. */
static void *copy_reply(const struct slot *slot, const void *reply, size_t size)
{
	void *copy;

	if (!reply || size == 0 || size > session_slot_cache_limit(slot))
		return NULL;
	copy = malloc(size);
	if (copy)
		memcpy(copy, reply, size);
	return copy;
}

static void leave(struct session *ss)
{
	client_call_end(ss->client);
	session_put(ss);
}

void session_slot_end(
	struct session *ss, struct slot *slot, const void *reply, size_t size)
{
	void *copy = copy_reply(slot, reply, size);

	lock_acquire(&ss->lock);
	assert(slot->use == SLOT_RUNNING);
	slot->use = SLOT_FREE;
	if (copy) {
		slot->reply = copy;
		slot->reply_size = size;
		slot->has = SLOT_HAS_REPLY;
		counter_add(&ss->state->count_replay_bytes, size);
	}
	lock_release(&ss->lock);
	leave(ss);
}

void session_slot_end_replay(struct session *ss, struct slot *slot)
{
	lock_acquire(&ss->lock);
	assert(slot->use == SLOT_REPLAYING);
	slot->use = SLOT_FREE;
	lock_release(&ss->lock);
	leave(ss);
}

void session_slot_ref(const struct slot *slot, struct slot_ref *ret)
{
	memcpy(ret->session, slot->session->info.id, sizeof(ret->session));
	ret->slot = slot->index;
	ret->seqid = slot->seqid;
}

bool session_slot_ref_is_fresh(struct state *s, const struct slot_ref *ref)
{
	struct session *ss = session_find(s, ref->session);
	bool fresh = false;

	if (!ss)
		return false;
	if (ref->slot < ss->info.fore.ca_maxrequests) {
		lock_acquire(&ss->lock);
		fresh = ss->slots[ref->slot].seqid == ref->seqid;
		lock_release(&ss->lock);
	}
	session_put(ss);
	return fresh;
}
