/* SPDX-License-Identifier: MIT */
/*
 * The client's end of the back channel (RFC 8881 2.10.6, 20.9): slots with
 * replay, referring calls, and the operations handed to the user's handlers.
 *
 * Every reply is kept for a replay, csa_cachethis or not: they are small, and
 * a server that lost the connection asks again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "client/nfsc_priv.h"
#include "wire/nfs4_xdr.h"

/* How long a callback waits for the reply to a call it refers to. */
#define REFERRING_WAIT_MS 2000
#define CREATING_WAIT_MS  2000

/* One CB_COMPOUND being served. */
struct cb {
	struct nfsc *c;
	struct rpc_call *call;
	CB_COMPOUND4args args;
	bool cut; /* the last operation is unknown or malformed */
	nfsstat4 cut_status;
	CB_COMPOUND4res res;
	uint64_t generation; /* of the session whose slot it holds; 0: none */
	unsigned slot;
	nfsstat4 forced; /* a test's status for all but CB_SEQUENCE */
	bool close;
};

void nfsc_cb_reset(struct nfsc_session *session)
{
	for (unsigned i = 0; i < NFSC_SLOTS_MAX; i++) {
		free(session->cb_slots[i].reply);
		session->cb_slots[i] = (struct nfsc_cb_slot){.seqid = 0};
	}
}

/* ---- decoding ---- */

/*
 * One operation after the other, since nobody knows how long the arguments of
 * an unknown one are.
 */
static bool decode_ops(struct cb *cb, struct xdr *x, uint32_t count)
{
	nfs_cb_argop4 *items;

	if (count > NFSC_CB_OPS_MAX)
		count = NFSC_CB_OPS_MAX + 1; /* refused in serve() */
	items = arena_array(&cb->call->arena, count + 1, sizeof(*items));
	if (!items)
		return false;
	cb->args.argarray.items = items;
	for (uint32_t i = 0; i < count && !cb->cut; i++) {
		bool ok = nfs4_get_nfs_cb_argop4(x, &items[i]);

		cb->args.argarray.count++;
		cb->cut = !ok || items[i].unknown;
		cb->cut_status = ok ? NFS4ERR_OP_ILLEGAL : NFS4ERR_BADXDR;
	}
	return true;
}

static bool decode(struct cb *cb)
{
	struct xdr *x = &cb->call->in;
	uint32_t count;

	nfs4_get_utf8str_cs(x, &cb->args.tag);
	xdr_get_u32(x, &cb->args.minorversion);
	xdr_get_u32(x, &cb->args.callback_ident);
	if (!xdr_get_u32(x, &count) || !decode_ops(cb, x, count))
		return false;
	cb->res.tag = cb->args.tag;
	cb->res.resarray.items = arena_array(&cb->call->arena,
		cb->args.argarray.count + 1, sizeof(nfs_cb_resop4));
	return cb->res.resarray.items != NULL;
}

/* ---- CB_SEQUENCE ---- */

enum slot_verdict { SLOT_NEW, SLOT_REPLAY, SLOT_ERROR };

/* A callback may come before the reply that made its session. */
static void wait_for_session(struct nfsc *c)
{
	while (c->creating && !c->cancelled) {
		if (!cond_wait_ms(&c->cond, &c->lock, CREATING_WAIT_MS))
			return;
	}
}

static nfsstat4 check_session(const struct cb *cb, const CB_SEQUENCE4args *args)
{
	const struct nfsc_session *s = &cb->c->session;

	if (s->generation == 0 ||
		memcmp(s->id, args->csa_sessionid, sizeof(s->id)) != 0)
		return NFS4ERR_BADSESSION;
	if (args->csa_slotid >= s->ncb_slots)
		return NFS4ERR_BADSLOT;
	if (args->csa_highest_slotid >= s->ncb_slots)
		return NFS4ERR_BAD_HIGH_SLOT;
	if (cb->call->record_size > s->back.ca_maxrequestsize)
		return NFS4ERR_REQ_TOO_BIG;
	return NFS4_OK;
}

/* Put the kept reply to this very request into the answer. */
static enum slot_verdict replay(
	struct cb *cb, const struct nfsc_cb_slot *slot, nfsstat4 *status)
{
	if (slot->busy) {
		*status = NFS4ERR_DELAY;
		return SLOT_ERROR;
	}
	if (!slot->reply) {
		*status = NFS4ERR_SEQ_MISORDERED;
		return SLOT_ERROR;
	}
	xdr_put_opaque_fixed(&cb->call->out, slot->reply, slot->reply_size);
	cb->c->stats.replays++;
	return SLOT_REPLAY;
}

static enum slot_verdict take_slot(
	struct cb *cb, const CB_SEQUENCE4args *args, nfsstat4 *status)
{
	struct nfsc *c = cb->c;
	struct nfsc_cb_slot *slot;

	scope_lock(&c->lock);
	wait_for_session(c);
	*status = check_session(cb, args);
	if (*status != NFS4_OK)
		return SLOT_ERROR;
	slot = &c->session.cb_slots[args->csa_slotid];
	if (args->csa_sequenceid == slot->seqid)
		return replay(cb, slot, status);
	if (slot->busy || args->csa_sequenceid != slot->seqid + 1) {
		*status = NFS4ERR_SEQ_MISORDERED;
		return SLOT_ERROR;
	}
	slot->seqid++;
	slot->busy = true;
	free(slot->reply);
	slot->reply = NULL;
	cb->generation = c->session.generation;
	cb->slot = args->csa_slotid;
	c->stats.callbacks++;
	return SLOT_NEW;
}

/* The callback is answered with @size bytes at @reply (NULL: not at all). */
static void give_slot(struct cb *cb, const uint8_t *reply, size_t size)
{
	struct nfsc *c = cb->c;
	struct nfsc_cb_slot *slot = &c->session.cb_slots[cb->slot];

	scope_lock(&c->lock);
	if (!cb->generation || cb->generation != c->session.generation)
		return;
	slot->busy = false;
	slot->reply = reply ? malloc(size) : NULL;
	if (slot->reply) {
		memcpy(slot->reply, reply, size);
		slot->reply_size = size;
	}
}

static void sequence_result(
	const struct cb *cb, const CB_SEQUENCE4args *args, CB_SEQUENCE4res *res)
{
	CB_SEQUENCE4resok *ok = &res->csr_resok4;
	uint32_t highest = cb->c->config.back_slots - 1;

	res->csr_status = NFS4_OK;
	memcpy(ok->csr_sessionid, args->csa_sessionid, NFS4_SESSIONID_SIZE);
	ok->csr_sequenceid = args->csa_sequenceid;
	ok->csr_slotid = args->csa_slotid;
	ok->csr_highest_slotid = highest;
	ok->csr_target_highest_slotid = highest;
}

/* ---- referring calls ---- */

static bool is_under_way(struct nfsc *c, const referring_call4 *call)
{
	struct nfsc_session *s = &c->session;

	return call->rc_slotid < s->nslots && s->slots[call->rc_slotid].busy &&
		s->slots[call->rc_slotid].seqid == call->rc_sequenceid;
}

static bool any_under_way(struct nfsc *c, const CB_SEQUENCE4args *args)
{
	for (uint32_t i = 0; i < args->csa_referring_call_lists.count; i++) {
		const referring_call_list4 *list =
			&args->csa_referring_call_lists.items[i];

		if (memcmp(list->rcl_sessionid, c->session.id,
			    NFS4_SESSIONID_SIZE) != 0)
			continue;
		for (uint32_t k = 0; k < list->rcl_referring_calls.count; k++) {
			if (is_under_way(
				    c, &list->rcl_referring_calls.items[k]))
				return true;
		}
	}
	return false;
}

/*
 * Wait until the replies to the calls this callback refers to were seen and
 * settled (2.10.6.3). False: not in time, answer NFS4ERR_DELAY.
 */
static bool await_referring(struct nfsc *c, const CB_SEQUENCE4args *args)
{
	struct clock *clock = c->net->timers->clock;
	uint64_t end;

	scope_lock(&c->lock);
	if (!any_under_way(c, args))
		return true;
	c->stats.referring++;
	end = clock_mono_ms(clock) + REFERRING_WAIT_MS;
	while (!c->cancelled && any_under_way(c, args)) {
		uint64_t now = clock_mono_ms(clock);

		if (now >= end || !cond_wait_ms(&c->cond, &c->lock, end - now))
			return !any_under_way(c, args);
	}
	return true;
}

/* ---- the operations ---- */

static void count_op(struct nfsc *c, nfs_cb_opnum4 op)
{
	scope_lock(&c->lock);
	switch (op) {
	case OP_CB_NOTIFY:
		c->stats.notifies++;
		break;
	case OP_CB_RECALL:
		c->stats.recalls++;
		break;
	case OP_CB_RECALL_ANY:
		c->stats.recall_anys++;
		break;
	default:
		break;
	}
}

static nfsstat4 serve_getattr(
	struct cb *cb, const CB_GETATTR4args *args, CB_GETATTR4res *res)
{
	const struct nfsc_handlers *h = &cb->c->config.handlers;

	if (!h->getattr)
		return NFS4ERR_BADHANDLE;
	return h->getattr(
		h->ctx, args, &res->resok4.obj_attributes, &cb->call->arena);
}

/* The bits above OTHER_LAYOUT_MAX are defined by nobody (20.6.3). */
static nfsstat4 serve_recall_any(struct nfsc *c, const CB_RECALL_ANY4args *args)
{
	const struct nfsc_handlers *h = &c->config.handlers;

	if (args->craa_type_mask.beyond ||
		bitmap4_next(&args->craa_type_mask,
			RCA4_TYPE_MASK_OTHER_LAYOUT_MAX + 1) < BITMAP4_BITS)
		return NFS4ERR_INVAL;
	return h->recall_any ? h->recall_any(h->ctx, args) : NFS4_OK;
}

static nfsstat4 serve_recall_slot(
	struct nfsc *c, const CB_RECALL_SLOT4args *args)
{
	struct nfsc_session *s = &c->session;
	uint32_t highest = args->rsa_target_highest_slotid;

	scope_lock(&c->lock);
	if (highest < s->nslots)
		s->target = highest + 1;
	return NFS4_OK;
}

static nfsstat4 serve_op(
	struct cb *cb, const nfs_cb_argop4 *arg, nfs_cb_resop4 *res)
{
	const struct nfsc_handlers *h = &cb->c->config.handlers;

	count_op(cb->c, arg->argop);
	switch (arg->argop) {
	case OP_CB_NOTIFY:
		return h->notify ? h->notify(h->ctx, &arg->opcbnotify)
				 : NFS4ERR_NOTSUPP;
	case OP_CB_RECALL:
		return h->recall ? h->recall(h->ctx, &arg->opcbrecall)
				 : NFS4ERR_BADHANDLE;
	case OP_CB_GETATTR:
		return serve_getattr(cb, &arg->opcbgetattr, &res->opcbgetattr);
	case OP_CB_RECALL_ANY:
		return serve_recall_any(cb->c, &arg->opcbrecall_any);
	case OP_CB_RECALL_SLOT:
		return serve_recall_slot(cb->c, &arg->opcbrecall_slot);
	case OP_CB_SEQUENCE:
		return NFS4ERR_SEQUENCE_POS;
	default:
		return NFS4ERR_NOTSUPP;
	}
}

/* Append the result of one operation; every arm begins with its status. */
static void put_result(struct cb *cb, const nfs_cb_argop4 *arg,
	const nfs_cb_resop4 *res, nfsstat4 status)
{
	nfs_cb_resop4 *to = &cb->res.resarray.items[cb->res.resarray.count++];

	if (res)
		*to = *res;
	to->resop = arg->unknown ? OP_CB_ILLEGAL : arg->argop;
	to->unknown = false;
	to->opcbillegal.status = status;
	cb->res.status = status;
}

static bool is_last(const struct cb *cb, uint32_t i)
{
	return i + 1 == cb->args.argarray.count;
}

static void serve_ops(struct cb *cb, bool settled)
{
	if (cb->args.argarray.count == 1) {
		scope_lock(&cb->c->lock);
		cb->c->stats.probes++;
	}
	for (uint32_t i = 1; i < cb->args.argarray.count; i++) {
		const nfs_cb_argop4 *arg = &cb->args.argarray.items[i];
		nfs_cb_resop4 res = {.resop = arg->argop};
		nfsstat4 status;

		if (cb->cut && is_last(cb, i))
			status = cb->cut_status;
		else if (cb->forced)
			status = cb->forced;
		else if (!settled)
			status = NFS4ERR_DELAY;
		else
			status = serve_op(cb, arg, &res);
		put_result(cb, arg, &res, status);
		if (status != NFS4_OK)
			break;
	}
}

/* ---- misbehaving, for tests ---- */

/* Until the client goes, nothing. */
static void be_silent(struct nfsc *c)
{
	scope_lock(&c->lock);
	while (!c->cancelled)
		cond_wait(&c->cond, &c->lock);
}

/* False: CB_SEQUENCE is to fail with *@status, or nothing be answered. */
static bool ask_hook(
	struct cb *cb, enum nfsc_cb_action *action, nfsstat4 *status)
{
	nfsc_cb_hook hook;
	void *ctx;

	lock_acquire(&cb->c->lock);
	hook = cb->c->cb_hook;
	ctx = cb->c->cb_hook_ctx;
	lock_release(&cb->c->lock);
	*action = NFSC_CB_SERVE;
	*status = NFS4_OK;
	if (hook)
		*action = hook(ctx, &cb->args, status);
	switch (*action) {
	case NFSC_CB_STATUS:
		cb->forced = *status;
		return true;
	case NFSC_CB_SILENT:
		be_silent(cb->c);
		/* fall through */
	case NFSC_CB_DROP:
		cb->close = true;
		return false;
	case NFSC_CB_SEQ_STATUS:
		return false;
	default:
		return true;
	}
}

/* As if the request had never come: the slot's number goes back. */
static void ungive_slot(struct cb *cb)
{
	struct nfsc_session *s = &cb->c->session;

	scope_lock(&cb->c->lock);
	if (cb->generation != s->generation)
		return;
	s->cb_slots[cb->slot].seqid--;
	s->cb_slots[cb->slot].busy = false;
}

/* ---- one CB_COMPOUND ---- */

static void encode_and_give(struct cb *cb)
{
	struct xdr *out = &cb->call->out;
	size_t start = xdr_pos(out);

	nfs4_put_CB_COMPOUND4res(out, &cb->res);
	if (cb->generation)
		give_slot(cb, out->bad ? NULL : out->data + start,
			xdr_pos(out) - start);
}

static void refuse(struct cb *cb, const nfs_cb_argop4 *arg, nfsstat4 status)
{
	scope_lock(&cb->c->lock);
	cb->c->stats.cb_refused++;
	if (arg)
		put_result(cb, arg, NULL, status);
	cb->res.status = status;
}

static void serve_new(struct cb *cb, const CB_SEQUENCE4args *args)
{
	const nfs_cb_argop4 *first = &cb->args.argarray.items[0];
	nfs_cb_resop4 res = {.resop = OP_CB_SEQUENCE};
	enum nfsc_cb_action action;
	nfsstat4 status;

	if (!ask_hook(cb, &action, &status)) {
		ungive_slot(cb);
		cb->generation = 0;
		put_result(cb, first, NULL, status);
		return;
	}
	sequence_result(cb, args, &res.opcbsequence);
	put_result(cb, first, &res, NFS4_OK);
	serve_ops(cb, await_referring(cb->c, args));
	cb->close = action == NFSC_CB_DROP_AFTER;
}

/* What must hold before the slot is looked at. */
static nfsstat4 check_form(const struct cb *cb)
{
	if (cb->args.argarray.count == 1 && cb->cut)
		return cb->cut_status;
	if (cb->args.argarray.items[0].argop != OP_CB_SEQUENCE)
		return NFS4ERR_OP_NOT_IN_SESSION;
	if (cb->args.argarray.count > NFSC_CB_OPS_MAX)
		return NFS4ERR_TOO_MANY_OPS;
	return NFS4_OK;
}

static enum rpc_verdict serve(struct cb *cb)
{
	const nfs_cb_argop4 *first = &cb->args.argarray.items[0];
	nfsstat4 status;

	if (cb->args.minorversion != cb->c->config.minor_version) {
		refuse(cb, NULL, NFS4ERR_MINOR_VERS_MISMATCH);
	} else if (cb->args.argarray.count > 0) {
		status = check_form(cb);
		if (status != NFS4_OK) {
			refuse(cb, first, status);
		} else {
			switch (take_slot(cb, &first->opcbsequence, &status)) {
			case SLOT_REPLAY:
				return RPC_DONE;
			case SLOT_ERROR:
				refuse(cb, first, status);
				break;
			case SLOT_NEW:
				serve_new(cb, &first->opcbsequence);
				break;
			}
		}
	}
	encode_and_give(cb);
	return cb->close ? RPC_CLOSE : RPC_DONE;
}

static enum rpc_verdict run_compound(struct nfsc *c, struct rpc_call *call)
{
	struct cb cb = {.c = c, .call = call};

	/* We offered AUTH_SYS and nothing else (18.36.3). */
	if (call->auth.flavor != AUTH_SYS)
		return RPC_AUTH_TOOWEAK;
	if (!decode(&cb))
		return RPC_GARBAGE_ARGS;
	return serve(&cb);
}

enum rpc_verdict nfsc_cb_run(void *ctx, struct rpc_call *call)
{
	struct nfsc *c;
	enum rpc_verdict verdict;

	if (call->procedure != CB_COMPOUND)
		return RPC_PROC_UNAVAIL;
	c = nfsc_client_of(ctx, call->conn);
	if (!c)
		return RPC_CLOSE; /* the client is just leaving */
	verdict = run_compound(c, call);
	nfsc_client_put(c);
	return verdict;
}
