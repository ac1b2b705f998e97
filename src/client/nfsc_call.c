/* SPDX-License-Identifier: MIT */
/*
 * Compounds: building one, its slot, sending it until it is answered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/nfsc_priv.h"
#include "wire/nfs4_xdr.h"
#include "wire/rpcmsg.h"

#define ARENA_MAX    (64 * 1024 * 1024)
#define BODY_FIRST   4096
#define BODY_MAX     (4 * 1024 * 1024)
#define SEQ_DELAY_MS 100

/* ---- building ---- */

void nfsc_compound_init(struct nfsc_compound *compound)
{
	*compound = (struct nfsc_compound){.failed = false};
	arena_init(&compound->arena, ARENA_MAX);
}

void nfsc_compound_reset(struct nfsc_compound *compound)
{
	arena_reset(&compound->arena);
	free(compound->reply);
	compound->reply = NULL;
	compound->ops = NULL;
	compound->nops = compound->room = 0;
	compound->failed = compound->cachethis = false;
	compound->res = (COMPOUND4res){.status = NFS4_OK};
}

void nfsc_compound_fini(struct nfsc_compound *compound)
{
	free(compound->reply);
	arena_fini(&compound->arena);
	*compound = (struct nfsc_compound){.failed = true};
}

/* Room for one more after SEQUENCE, which stands at ops[0]. */
static bool compound_grow(struct nfsc_compound *compound)
{
	unsigned room = compound->room ? 2 * compound->room : 8;
	nfs_argop4 *ops;

	if (compound->nops + 1 < compound->room)
		return true;
	ops = arena_array(&compound->arena, room, sizeof(*ops));
	if (!ops)
		return false;
	if (compound->ops)
		memcpy(ops, compound->ops, (compound->nops + 1) * sizeof(*ops));
	compound->ops = ops;
	compound->room = room;
	return true;
}

/* Does a replay of @op have to give the first answer? */
static bool changes_something(nfs_opnum4 op)
{
	switch (op) {
	case OP_CLOSE:
	case OP_CREATE:
	case OP_DELEGRETURN:
	case OP_FREE_STATEID:
	case OP_GET_DIR_DELEGATION:
	case OP_LINK:
	case OP_LOCK:
	case OP_LOCKU:
	case OP_OPEN:
	case OP_OPEN_DOWNGRADE:
	case OP_RECLAIM_COMPLETE:
	case OP_REMOVE:
	case OP_REMOVEXATTR:
	case OP_RENAME:
	case OP_SETATTR:
	case OP_SETXATTR:
	case OP_WRITE:
		return true;
	default:
		return false;
	}
}

nfs_argop4 *nfsc_add(struct nfsc_compound *compound, nfs_opnum4 op)
{
	static _Thread_local nfs_argop4 nowhere;
	nfs_argop4 *at = &nowhere;

	if (compound_grow(compound))
		at = &compound->ops[++compound->nops];
	else
		compound->failed = true;
	memset(at, 0, sizeof(*at));
	at->argop = op;
	compound->cachethis = compound->cachethis || changes_something(op);
	return at;
}

const nfs_resop4 *nfsc_result(const struct nfsc_compound *compound, unsigned i)
{
	uint32_t count = compound->res.resarray.count;

	if (compound->res.status != NFS4_OK && count > 0)
		count--;
	return i < count ? &compound->res.resarray.items[i] : NULL;
}

/* ---- encoding ---- */

struct body {
	uint8_t *data;
	size_t size;
};

/* ops[@from ..] as COMPOUND arguments; freed by the caller. */
static int encode(const struct nfsc *c, const struct nfsc_compound *compound,
	unsigned from, struct body *ret)
{
	COMPOUND4args args = {
		.minorversion = c->config.minor_version,
		.argarray = {.count = compound->nops + 1 - from,
			.items = compound->ops + from},
	};

	for (size_t size = BODY_FIRST; size <= BODY_MAX; size *= 4) {
		uint8_t *data = malloc(size);
		struct xdr x;

		if (!data)
			return -ENOMEM;
		xdr_init_encode(&x, data, size);
		if (nfs4_put_COMPOUND4args(&x, &args)) {
			*ret = (struct body){.data = data, .size = xdr_pos(&x)};
			return 0;
		}
		free(data);
	}
	return -EMSGSIZE;
}

/* ---- one call on one connection ---- */

struct waiter {
	struct rpc_outcall out;
	struct lock lock;
	struct cond cond;
	bool done;
	enum rpc_outcome outcome;
	uint8_t *reply;
	size_t size;
};

static void waiter_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct waiter *w = container_of(out, struct waiter, out);
	uint8_t *reply = NULL;
	size_t size = 0;

	if (outcome == RPC_OUT_OK) {
		size = xdr_left(results);
		reply = malloc(size ? size : 1);
		if (reply && size)
			memcpy(reply, results->data + xdr_pos(results), size);
	}
	scope_lock(&w->lock);
	w->outcome = outcome;
	w->reply = reply;
	w->size = size;
	w->done = true;
	cond_signal(&w->cond);
}

/* Other credentials than the client's own, encoded to @buf. */
static bool other_cred(const struct nfsc *c, const struct cred *cred,
	struct waiter *w, uint8_t buf[RPC_AUTH_BYTES_MAX])
{
	authsys_parms parms = {
		.machinename = xdr_opaque_from_str(c->machine),
		.uid = cred->uid,
		.gid = cred->gid,
		.gids = {.count = cred->ngroups,
			.items = (uint32_t *)(uintptr_t)cred->groups},
	};
	opaque_auth auth;

	if (!rpcmsg_make_authsys(&auth, &parms, buf, RPC_AUTH_BYTES_MAX))
		return false;
	w->out.auth_body = buf;
	w->out.auth_body_size = auth.body.len;
	return true;
}

static int wait_outcome(struct waiter *w, struct body *reply)
{
	lock_acquire(&w->lock);
	while (!w->done)
		cond_wait(&w->cond, &w->lock);
	lock_release(&w->lock);
	*reply = (struct body){.data = w->reply, .size = w->size};
	switch (w->outcome) {
	case RPC_OUT_OK:
		return w->reply ? 0 : -ENOMEM;
	case RPC_OUT_REJECTED:
		return -EACCES;
	default:
		return -ENOTCONN;
	}
}

/* Send and wait. -ENOTCONN: the connection is gone or was given up. */
static int send_on(struct nfsc *c, struct rpc_conn *conn,
	const struct cred *cred, const struct body *body, struct body *reply)
{
	uint8_t auth[RPC_AUTH_BYTES_MAX];
	struct waiter w = {
		.out = {.program = NFSC_NFS_PROGRAM,
			.version = NFSC_NFS_VERSION,
			.procedure = NFSPROC4_COMPOUND,
			.auth_flavor = AUTH_SYS,
			.auth_body = c->auth_body,
			.auth_body_size = c->auth_size,
			.done = waiter_done},
	};
	int err;

	if (cred && !other_cred(c, cred, &w, auth))
		return -EINVAL;
	lock_init(&w.lock, LOCK_LEAF);
	cond_init(&w.cond);
	err = rpc_outcall_send(conn, &w.out, body->data, body->size,
		c->config.call_timeout_ms);
	if (err == 0)
		err = wait_outcome(&w, reply);
	if (err == -ENOTCONN)
		nfsc_conn_failed(c, conn);
	cond_fini(&w.cond);
	lock_fini(&w.lock);
	return err;
}

/* Take @reply, which is the compound's from now on, apart. */
static int decode(struct nfsc_compound *compound, struct body *reply)
{
	struct xdr x;

	free(compound->reply);
	compound->reply = reply->data;
	xdr_init_decode(&x, reply->data, reply->size, &compound->arena);
	if (!nfs4_get_COMPOUND4res(&x, &compound->res))
		return x.nomem ? -ENOMEM : -EPROTO;
	return 0;
}

/* Is it an answer to what was asked? So that nobody need look again. */
static bool fits(const struct nfsc_compound *compound)
{
	const COMPOUND4res *res = &compound->res;

	if (res->resarray.count > compound->nops ||
		(res->status == NFS4_OK &&
			res->resarray.count != compound->nops))
		return false;
	for (uint32_t i = 0; i < res->resarray.count; i++) {
		nfs_opnum4 op = res->resarray.items[i].resop;

		if (op != compound->ops[i + 1].argop && op != OP_ILLEGAL)
			return false;
	}
	return true;
}

int nfsc_call_bare(struct nfsc *c, struct nfsc_compound *compound)
{
	struct rpc_conn *conn;
	struct body body, reply;
	int err;

	if (compound->failed)
		return -ENOMEM;
	lock_acquire(&c->lock);
	conn = c->conn && !c->cancelled ? rpc_conn_get(c->conn) : NULL;
	lock_release(&c->lock);
	if (!conn)
		return -ENOTCONN;
	err = encode(c, compound, 1, &body);
	if (err == 0) {
		err = send_on(c, conn, compound->cred, &body, &reply);
		free(body.data);
	}
	rpc_conn_put(conn);
	if (err == 0)
		err = decode(compound, &reply);
	return err == 0 && !fits(compound) ? -EPROTO : err;
}

/* ---- slots ---- */

struct slot_use {
	uint64_t generation;
	unsigned slot;
};

static int free_slot(const struct nfsc_session *s)
{
	for (unsigned i = 0; i < s->target; i++) {
		if (!s->slots[i].busy)
			return (int)i;
	}
	return -1;
}

static uint32_t highest_busy(const struct nfsc_session *s)
{
	uint32_t highest = 0;

	for (unsigned i = 0; i < s->nslots; i++) {
		if (s->slots[i].busy)
			highest = i;
	}
	return highest;
}

/* Take a slot for @args, or wait for anything to change and return false. */
static bool try_take_slot(
	struct nfsc *c, struct slot_use *use, SEQUENCE4args *args)
{
	struct nfsc_session *s = &c->session;
	int i;

	scope_lock(&c->lock);
	if (!s->live || c->cancelled)
		return false; /* nfsc_ensure() says why */
	i = free_slot(s);
	if (i < 0) {
		cond_wait(&c->cond, &c->lock);
		return false;
	}
	s->slots[i].busy = true;
	use->generation = s->generation;
	use->slot = (unsigned)i;
	memcpy(args->sa_sessionid, s->id, sizeof(s->id));
	args->sa_sequenceid = s->slots[i].seqid;
	args->sa_slotid = use->slot;
	args->sa_highest_slotid = highest_busy(s);
	c->stats.calls++;
	return true;
}

/* A free slot of the session there is, and SEQUENCE for it. */
static int take_slot(struct nfsc *c, struct slot_use *use, SEQUENCE4args *args)
{
	struct rpc_conn *conn;
	int err;

	do {
		err = nfsc_ensure(c, 0, &conn);
		if (err)
			return err;
		rpc_conn_put(conn);
	} while (!try_take_slot(c, use, args));
	return 0;
}

/* The request was executed (or not): the slot is free for the next one. */
static void give_slot(struct nfsc *c, const struct slot_use *use, bool executed)
{
	struct nfsc_session *s = &c->session;

	scope_lock(&c->lock);
	if (s->generation != use->generation)
		return;
	s->slots[use->slot].seqid += executed;
	s->slots[use->slot].busy = false;
	cond_broadcast(&c->cond);
}

static void note_target(struct nfsc *c, uint32_t highest)
{
	struct nfsc_session *s = &c->session;

	scope_lock(&c->lock);
	s->target = highest >= s->nslots ? s->nslots : highest + 1;
}

/* What is new of @flags; a session that was replaced has no say. */
static uint32_t take_flags(struct nfsc *c, uint64_t generation, uint32_t flags)
{
	uint32_t fresh;

	scope_lock(&c->lock);
	if (generation != c->session.generation)
		return 0;
	fresh = flags & ~c->last_flags;
	c->last_flags = flags;
	if (fresh & SEQ4_STATUS_BACKCHANNEL_FAULT) {
		c->session.live = false;
		c->session.broken = true;
	}
	if (fresh & NFSC_PATH_DOWN_FLAGS)
		c->renew_due = true; /* the keeper binds again */
	if (fresh & (SEQ4_STATUS_BACKCHANNEL_FAULT | NFSC_PATH_DOWN_FLAGS))
		cond_broadcast(&c->cond);
	return fresh;
}

void nfsc_note_flags(struct nfsc *c, uint64_t generation, uint32_t flags)
{
	if (take_flags(c, generation, flags) & NFSC_REVOKED_FLAGS)
		nfsc_tell(c, NFSC_REVOKED);
}

/* ---- one call in the session ---- */

/* Send until answered, over as many connections as it takes. */
static int send_in_session(struct nfsc *c, const struct slot_use *use,
	const struct nfsc_compound *compound, const struct body *body,
	struct body *reply)
{
	struct rpc_conn *conn;
	int err;

	for (;;) {
		err = nfsc_ensure(c, use->generation, &conn);
		if (err)
			return err;
		err = send_on(c, conn, compound->cred, body, reply);
		rpc_conn_put(conn);
		if (err != -ENOTCONN)
			return err;
		scope_lock(&c->lock);
		c->stats.resent++;
	}
}

/* The results less SEQUENCE's; its status. */
static nfsstat4 split_sequence(struct nfsc *c, struct nfsc_compound *compound)
{
	COMPOUND4res *res = &compound->res;
	const SEQUENCE4res *seq;

	if (res->resarray.count == 0 ||
		res->resarray.items[0].resop != OP_SEQUENCE)
		return res->status ? res->status : NFS4ERR_SERVERFAULT;
	seq = &res->resarray.items[0].opsequence;
	if (seq->sr_status != NFS4_OK)
		return seq->sr_status;
	compound->status_flags = seq->sr_resok4.sr_status_flags;
	note_target(c, seq->sr_resok4.sr_target_highest_slotid);
	nfsc_note_flags(c, compound->generation, compound->status_flags);
	res->resarray.items++;
	res->resarray.count--;
	return NFS4_OK;
}

/* What a status of SEQUENCE itself means; 1: send the same again. */
static int sequence_failed(
	struct nfsc *c, const struct slot_use *use, nfsstat4 status)
{
	switch (status) {
	case NFS4ERR_DELAY:
		nfsc_sleep(c, SEQ_DELAY_MS);
		return 1;
	case NFS4ERR_BADSESSION:
	case NFS4ERR_DEADSESSION:
		nfsc_session_lost(c, use->generation);
		return -ECONNRESET;
	case NFS4ERR_CONN_NOT_BOUND_TO_SESSION:
		nfsc_drop(c); /* repair binds the next one */
		return 1;
	case NFS4ERR_SEQ_MISORDERED:
	case NFS4ERR_SEQ_FALSE_RETRY:
	case NFS4ERR_BADSLOT:
		/* The server and we disagree about this slot: start anew. */
		if (!c->config.no_recovery)
			nfsc_session_broken(c, use->generation);
		return -EPROTO;
	default:
		return -EPROTO;
	}
}

static int try_slot(struct nfsc *c, struct nfsc_compound *compound,
	const struct slot_use *use)
{
	struct body body, reply;
	int err = encode(c, compound, 0, &body);

	if (err)
		return err;
	do {
		err = send_in_session(c, use, compound, &body, &reply);
		if (err == 0)
			err = decode(compound, &reply);
		if (err)
			break;
		compound->seq_status = split_sequence(c, compound);
		if (compound->seq_status != NFS4_OK)
			err = sequence_failed(c, use, compound->seq_status);
	} while (err == 1);
	free(body.data);
	return err == 0 && !fits(compound) ? -EPROTO : err;
}

/* A replay whose first answer the server did not keep. */
static bool was_not_kept(const struct nfsc_compound *compound)
{
	return compound->res.status == NFS4ERR_RETRY_UNCACHED_REP;
}

static int call_once(struct nfsc *c, struct nfsc_compound *compound)
{
	SEQUENCE4args *args;
	struct slot_use use;
	int err;

	memset(&compound->ops[0], 0, sizeof(compound->ops[0]));
	compound->ops[0].argop = OP_SEQUENCE;
	args = &compound->ops[0].opsequence;
	args->sa_cachethis = compound->cachethis;
	compound->res = (COMPOUND4res){.status = NFS4_OK};
	compound->seq_status = NFS4_OK;
	err = take_slot(c, &use, args);
	if (err)
		return err;
	compound->generation = use.generation;
	err = try_slot(c, compound, &use);
	if (err == 0 && compound->settle)
		compound->settle(compound->settle_ctx, compound);
	/*
	 * After an answer that made no sense, or none at all, the server may
	 * or may not have counted it: such a slot stays taken.
	 */
	if (err == 0 || compound->seq_status != NFS4_OK || err == -EMSGSIZE ||
		err == -EACCES)
		give_slot(c, &use, err == 0);
	return err;
}

/* Once more with what is not known to have run, if that does no harm. */
static int call_through(struct nfsc *c, struct nfsc_compound *compound)
{
	int err;

	do {
		err = call_once(c, compound);
	} while (compound->idempotent && !c->config.no_recovery &&
		(err == -ECONNRESET || (err == 0 && was_not_kept(compound))));
	return err;
}

int nfsc_call(struct nfsc *c, struct nfsc_compound *compound)
{
	uint64_t waited = 0;
	int err;

	if (!compound->ops && !compound_grow(compound))
		compound->failed = true;
	if (compound->failed)
		return -ENOMEM;
	for (;;) {
		err = call_through(c, compound);
		if (err || compound->res.status != NFS4ERR_DELAY ||
			waited >= c->config.retry_delay_max_ms)
			return err;
		nfsc_sleep(c, c->config.retry_delay_ms);
		waited += c->config.retry_delay_ms;
	}
}

int nfsc_run(struct nfsc *c, struct nfsc_compound *compound)
{
	int err = nfsc_call(c, compound);

	return err ? err : (int)compound->res.status;
}
