/* SPDX-License-Identifier: MIT */
#include "nfs/compound.h"

#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "nfs/optable.h"
#include "wire/nfs4_xdr.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* A false retry differs early: hashing more would tax every WRITE. */
#define DIGEST_MAX 1024

/* Below this much room the look-ahead before a change is worth its cost. */
#define PLENTY_OF_ROOM (16 * 1024)

struct compound_head {
	struct xdr_opaque tag;
	uint32_t minor;
	uint32_t nops;
	uint64_t digest;
	size_t status_at, count_at; /* to be patched in the reply */
};

void compound_cred_for(
	const struct compound *c, const struct export *export, struct cred *ret)
{
	const struct rpc_auth *auth = &c->call->auth;

	*ret = auth->cred;
	if (auth->flavor != AUTH_SYS || export->all_squash) {
		*ret = (struct cred){
			.uid = export->anon_uid, .gid = export->anon_gid};
		return;
	}
	if (!export->root_squash)
		return;
	if (ret->uid == 0)
		ret->uid = export->anon_uid;
	if (ret->gid == 0)
		ret->gid = export->anon_gid;
	for (uint32_t i = 0; i < ret->ngroups; i++) {
		if (ret->groups[i] == 0)
			ret->groups[i] = export->anon_gid;
	}
}

void compound_set_fh(
	struct compound *c, struct export *export, const struct fileid *id)
{
	if (c->fh.export != export)
		compound_cred_for(c, export, &c->cred);
	c->fh.export = export;
	c->fh.id = *id;
	c->sid.set = false; /* RFC 8881 16.2.3.1.2 */
}

bool compound_take_permit(struct compound *c, struct export *export)
{
	return export->is_pseudo ||
		rpc_permit_take(c->server->rpc, &export->gate);
}

void compound_give_permit(struct compound *c, struct export *export)
{
	if (!export->is_pseudo)
		rpc_permit_give(c->server->rpc, &export->gate);
}

void compound_note_seen(
	struct compound *c, const struct fileid *dir, uint64_t change)
{
	if (c->client)
		dirseen_note(&c->server->dirs_seen, c->client->id, dir, change);
}

void compound_set_stateid(struct compound *c, const stateid4 *sid)
{
	c->sid.set = true;
	c->sid.value = *sid;
}

nfsstat4 compound_stateid(
	const struct compound *c, const stateid4 *arg, stateid4 *ret)
{
	if (!stateid_is_current(arg)) {
		*ret = *arg;
		return NFS4_OK;
	}
	if (!c->sid.set)
		return NFS4ERR_BAD_STATEID;
	*ret = c->sid.value;
	return NFS4_OK;
}

bool compound_next_is_by_state(const struct compound *c)
{
	struct xdr peek = c->call->in;
	const struct op_row *row;
	uint32_t op;

	if (c->index + 1 >= c->nops || !xdr_get_u32(&peek, &op))
		return false;
	row = optable_find(op, c->minor);
	return row && (row->flags & OP_BY_STATE);
}

struct principal compound_principal(const struct compound *c)
{
	const struct rpc_auth *auth = &c->call->auth;

	return (struct principal){
		.flavor = auth->flavor,
		.uid = auth->flavor == AUTH_SYS ? auth->cred.uid : 0,
	};
}

nfsstat4 compound_name(const struct xdr_opaque *wire, struct name *ret)
{
	const char *data = (const char *)wire->data;

	if (wire->len == 0)
		return NFS4ERR_INVAL;
	if (wire->len > NAME_LEN_MAX)
		return NFS4ERR_NAMETOOLONG;
	if (memchr(data, '/', wire->len) || memchr(data, '\0', wire->len))
		return NFS4ERR_BADCHAR;
	if (data[0] == '.' &&
		(wire->len == 1 || (wire->len == 2 && data[1] == '.')))
		return NFS4ERR_BADNAME;
	*ret = (struct name){.len = wire->len, .data = data};
	return NFS4_OK;
}

nfsstat4 compound_too_big(const struct compound *c)
{
	return c->cache_limits ? NFS4ERR_REP_TOO_BIG_TO_CACHE
			       : NFS4ERR_REP_TOO_BIG;
}

/* ---- the gates, in the order of RFC 8881 18.46 and 15.1 ---- */

static nfsstat4 gate_position(
	const struct compound *c, uint32_t op, const struct op_row *row)
{
	if (op == OP_SEQUENCE)
		return c->index == 0 ? NFS4_OK : NFS4ERR_SEQUENCE_POS;
	if (c->session)
		return row->flags & OP_ALONE ? NFS4ERR_NOT_ONLY_OP : NFS4_OK;
	if (!(row->flags & OP_SESSIONLESS))
		return NFS4ERR_OP_NOT_IN_SESSION;
	return c->nops == 1 ? NFS4_OK : NFS4ERR_NOT_ONLY_OP;
}

static nfsstat4 gate_filehandle(
	const struct compound *c, const struct op_row *row)
{
	if ((row->flags & OP_NEEDS_FH) && !c->fh.export)
		return NFS4ERR_NOFILEHANDLE;
	if ((row->flags & OP_NEEDS_SAVED) && !c->saved.export)
		return NFS4ERR_NOFILEHANDLE;
	if ((row->flags & OP_WRITES) && c->fh.export->read_only)
		return NFS4ERR_ROFS;
	return NFS4_OK;
}

static bool is_harmless_follower(uint32_t op)
{
	return op == OP_GETFH || op == OP_ACCESS || op == OP_GETATTR ||
		op == OP_SAVEFH || op == OP_RESTOREFH;
}

/*
 * Bytes the operations right behind a change will want: a client that cannot
 * be told the filehandle of what it made is lost (RFC 8881 2.10.6.4).
 */
static size_t followers_need(const struct compound *c)
{
	struct xdr peek = c->call->in;
	size_t need = 0;

	for (uint32_t i = c->index + 1; i < c->nops; i++) {
		nfs_argop4 arg;
		const struct op_row *row;

		if (!nfs4_get_nfs_argop4(&peek, &arg))
			break;
		if (!is_harmless_follower(arg.argop))
			break;
		row = optable_find(arg.argop, c->minor);
		need += 8 + row->reply_max;
	}
	return need;
}

/* What must not be done twice is not done unless it can be answered. */
static nfsstat4 gate_room(const struct compound *c, const struct op_row *row)
{
	size_t left = xdr_left(&c->call->out);
	size_t need = 8 + row->reply_max;

	if (!(row->flags & OP_CHANGES) || left >= PLENTY_OF_ROOM)
		return NFS4_OK;
	if (row->flags & OP_MOVES_FH)
		need += followers_need(c);
	return need <= left ? NFS4_OK : compound_too_big(c);
}

static nfsstat4 pass_gates(
	const struct compound *c, uint32_t op, const struct op_row *row)
{
	nfsstat4 status = gate_position(c, op, row);

	if (status == NFS4_OK)
		status = gate_filehandle(c, row);
	if (status == NFS4_OK)
		status = gate_room(c, row);
	return status;
}

/* ---- one operation ---- */

static nfsstat4 run_with_permit(struct compound *c, const struct op_row *row,
	const nfs_argop4 *arg, nfs_resop4 *res)
{
	/* The handler may move CURRENT_FH: the permit is the old one's. */
	struct export *export = c->fh.export;
	nfsstat4 status;

	if (!(row->flags & OP_BLOCKS))
		return row->run(c, arg, res);
	if (!compound_take_permit(c, export))
		return NFS4ERR_DELAY;
	status = row->run(c, arg, res);
	compound_give_permit(c, export);
	return status;
}

static nfsstat4 run_row(struct compound *c, const struct op_row *row,
	const nfs_argop4 *arg, nfs_resop4 *res)
{
	nfsstat4 status = pass_gates(c, arg->argop, row);

	if (status != NFS4_OK)
		return status;
	if (!row->run)
		return NFS4ERR_NOTSUPP;
	status = run_with_permit(c, row, arg, res);
	/* An attempt may have changed something even when it failed. */
	if ((row->flags & OP_CHANGES) && status != NFS4ERR_DELAY)
		c->keep_reply = true;
	return status;
}

/* The bare form of a failed operation; the reserve is its room. */
static void put_failure(
	struct compound *c, size_t mark, uint32_t op, nfsstat4 status)
{
	struct xdr *out = &c->call->out;

	xdr_truncate(out, mark);
	xdr_set_limit(out, c->limit);
	xdr_put_u32(out, op);
	xdr_put_u32(out, status);
	if (op == OP_SETATTR) /* attrsset follows also a failure */
		xdr_put_u32(out, 0);
	assert(!out->bad);
}

static void set_status(nfs_resop4 *res, nfsstat4 status)
{
	/* Every result of the protocol begins with its status. */
	memcpy(&res->opillegal, &status, sizeof(status));
}

static nfsstat4 encode_result(struct compound *c, size_t mark,
	const struct op_row *row, nfs_resop4 *res, nfsstat4 status)
{
	struct xdr *out = &c->call->out;

	if (row->flags & OP_STREAMS) {
		if (status == NFS4_OK && !out->bad)
			return NFS4_OK; /* it has written all by itself */
		if (status == NFS4_OK)
			status = compound_too_big(c);
		put_failure(c, mark, res->resop, status);
		return status;
	}
	set_status(res, status);
	if (nfs4_put_nfs_resop4(out, res))
		return status;
	status = compound_too_big(c);
	put_failure(c, mark, res->resop, status);
	return status;
}

/*
 * Decode, run and answer the next operation; what it says goes on or stops.
 * *@operation is set when it is one.
 */
static nfsstat4 do_operation(struct compound *c, uint32_t *operation)
{
	struct xdr *in = &c->call->in;
	struct xdr *out = &c->call->out;
	size_t mark = xdr_mark(out);
	const struct op_row *row;
	nfs_argop4 arg = {0};
	nfs_resop4 res = {0};
	bool decoded = nfs4_get_nfs_argop4(in, &arg);
	nfsstat4 status;

	if (in->nomem) {
		put_failure(c, mark, arg.argop, NFS4ERR_DELAY);
		return NFS4ERR_DELAY;
	}
	row = optable_find(arg.argop, c->minor);
	if (!row) {
		put_failure(c, mark, OP_ILLEGAL, NFS4ERR_OP_ILLEGAL);
		return NFS4ERR_OP_ILLEGAL;
	}
	*operation = arg.argop;
	if (!decoded) {
		put_failure(c, mark, arg.argop, NFS4ERR_BADXDR);
		return NFS4ERR_BADXDR;
	}
	res.resop = arg.argop;
	if (row->flags & OP_STREAMS) {
		xdr_put_u32(out, arg.argop);
		xdr_put_u32(out, NFS4_OK);
	}
	status = run_row(c, row, &arg, &res);
	if (status != NFS4_OK)
		log_debug("%s %s peer=%s", nfs4_op_name(arg.argop),
			nfs4_status_name(status), rpc_conn_peer(c->call->conn));
	return encode_result(c, mark, row, &res, status);
}

static nfsstat4 do_and_count(struct compound *c)
{
	uint32_t operation = COUNT_ILLEGAL;
	nfsstat4 status = do_operation(c, &operation);

	count_operation(&c->server->counts, operation, status);
	return status;
}

/* ---- the whole compound ---- */

static uint64_t request_digest(const struct xdr *in)
{
	size_t len = xdr_left(in);

	return XXH3_64bits_withSeed(
		in->data + in->pos, len < DIGEST_MAX ? len : DIGEST_MAX, len);
}

static bool get_head(struct compound *c, struct compound_head *head)
{
	struct xdr *in = &c->call->in;

	head->digest = request_digest(in);
	xdr_get_opaque_var(in, &head->tag, NFS4_OPAQUE_LIMIT);
	xdr_get_u32(in, &head->minor);
	xdr_get_u32(in, &head->nops);
	return !in->bad;
}

static void put_head(struct compound *c, struct compound_head *head)
{
	struct xdr *out = &c->call->out;

	c->start = xdr_pos(out);
	head->status_at = xdr_reserve(out, 4);
	xdr_put_opaque_var(out, &head->tag, NFS4_OPAQUE_LIMIT);
	head->count_at = xdr_reserve(out, 4);
	c->limit = out->limit;
	xdr_set_limit(out, c->limit - COMPOUND_RESERVE);
}

/* The slot's second operation cannot be replayed (RFC 8881 2.10.6.1.3). */
static nfsstat4 put_uncached(struct compound *c)
{
	nfs_argop4 arg = {0};

	nfs4_get_nfs_argop4(&c->call->in, &arg);
	put_failure(c, xdr_mark(&c->call->out), arg.argop,
		NFS4ERR_RETRY_UNCACHED_REP);
	return NFS4ERR_RETRY_UNCACHED_REP;
}

static nfsstat4 run_operations(struct compound *c, uint32_t *done)
{
	nfsstat4 status = NFS4_OK;

	for (c->index = 0; c->index < c->nops; c->index++) {
		if (c->index == 1 && c->verdict == SLOT_UNCACHED)
			status = put_uncached(c);
		else
			status = do_and_count(c);
		++*done;
		if (status != NFS4_OK || c->verdict == SLOT_REPLAY)
			break;
	}
	return status;
}

static void replay(struct compound *c)
{
	const void *data;
	size_t size;

	session_slot_reply(c->slot, &data, &size);
	xdr_truncate(&c->call->out, c->start);
	xdr_set_limit(&c->call->out, c->limit);
	xdr_put_opaque_fixed(&c->call->out, data, size);
	session_slot_end_replay(c->session, c->slot);
}

/* Give the slot back with what a retry shall see. */
static void finish_session(struct compound *c)
{
	const uint8_t *reply = c->call->out.data + c->start;
	size_t size = xdr_pos(&c->call->out) - c->start;

	if (c->verdict == SLOT_UNCACHED) {
		session_slot_end_replay(c->session, c->slot);
		return;
	}
	if (!session_slot_cachethis(c->slot) &&
		(!c->keep_reply || size > session_slot_cache_limit(c->slot)))
		reply = NULL;
	session_slot_end(c->session, c->slot, reply, size);
}

static void run_compound(struct compound *c, struct compound_head *head)
{
	struct xdr *out = &c->call->out;
	nfsstat4 status;
	uint32_t done = 0;

	if (head->minor < 1 || head->minor > 2) {
		xdr_patch_u32(
			out, head->status_at, NFS4ERR_MINOR_VERS_MISMATCH);
		xdr_patch_u32(out, head->count_at, 0);
		return;
	}
	status = run_operations(c, &done);
	if (c->verdict == SLOT_REPLAY && c->session) {
		replay(c);
		return;
	}
	xdr_patch_u32(out, head->status_at, status);
	xdr_patch_u32(out, head->count_at, done);
	if (c->session)
		finish_session(c);
}

static enum rpc_verdict compound_call(
	struct nfs_server *server, struct rpc_call *call)
{
	struct compound_head head = {0};
	struct compound c = {
		.server = server,
		.call = call,
		.arena = &call->arena,
	};

	if (!get_head(&c, &head))
		return RPC_GARBAGE_ARGS;
	c.minor = head.minor;
	c.nops = head.nops;
	c.digest = head.digest;
	put_head(&c, &head);
	if (call->out.bad)
		return RPC_SYSTEM_ERR;
	run_compound(&c, &head);
	/* Whatever bound it while it was being closed: no more. */
	if (!rpc_conn_is_open(call->conn))
		session_conn_gone(server->state, call->conn);
	return call->out.bad ? RPC_SYSTEM_ERR : RPC_DONE;
}

enum rpc_verdict compound_run(void *ctx, struct rpc_call *call)
{
	switch (call->procedure) {
	case NFSPROC4_NULL:
		return RPC_DONE;
	case NFSPROC4_COMPOUND:
		return compound_call(ctx, call);
	default:
		return RPC_PROC_UNAVAIL;
	}
}

void compound_conn_closed(void *ctx, struct rpc_conn *conn)
{
	struct nfs_server *server = ctx;

	session_conn_gone(server->state, conn);
}
