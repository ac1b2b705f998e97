/* SPDX-License-Identifier: MIT */
#include "wire/rpcmsg.h"

#include "wire/rpc_xdr.h"

static const opaque_auth auth_none = {.flavor = AUTH_NONE};

bool rpcmsg_peek(const void *record, size_t len, uint32_t *xid, msg_type *type)
{
	struct xdr x;

	xdr_init_decode(&x, record, len, NULL);
	return xdr_get_u32(&x, xid) && rpc_get_msg_type(&x, type);
}

enum rpcmsg_result rpcmsg_get_call(struct xdr *x, struct rpcmsg_call *call)
{
	uint32_t version;
	msg_type type;

	*call = (struct rpcmsg_call){.xid = 0};
	xdr_get_u32(x, &call->xid);
	rpc_get_msg_type(x, &type);
	xdr_get_u32(x, &version);
	if (x->bad || type != CALL)
		return RPCMSG_DROP;
	if (version != RPC_VERSION)
		return RPCMSG_BAD_VERSION;
	xdr_get_u32(x, &call->prog);
	xdr_get_u32(x, &call->vers);
	xdr_get_u32(x, &call->proc);
	if (x->bad)
		return RPCMSG_DROP;
	if (!rpc_get_opaque_auth(x, &call->cred))
		return RPCMSG_BAD_CRED;
	if (!rpc_get_opaque_auth(x, &call->verf))
		return RPCMSG_BAD_VERF;
	return RPCMSG_OK;
}

static bool get_accepted(struct xdr *x, struct rpcmsg_reply *reply)
{
	rpc_get_opaque_auth(x, &reply->verf);
	rpc_get_accept_stat(x, &reply->accept_stat);
	if (reply->accept_stat == PROG_MISMATCH)
		rpc_get_rpc_versions(x, &reply->versions);
	return !x->bad;
}

static bool get_denied(struct xdr *x, struct rpcmsg_reply *reply)
{
	rpc_get_reject_stat(x, &reply->reject_stat);
	if (reply->reject_stat == RPC_MISMATCH)
		return rpc_get_rpc_versions(x, &reply->versions);
	return rpc_get_auth_stat(x, &reply->auth_stat);
}

bool rpcmsg_get_reply(struct xdr *x, struct rpcmsg_reply *reply)
{
	msg_type type;

	*reply = (struct rpcmsg_reply){.xid = 0};
	xdr_get_u32(x, &reply->xid);
	rpc_get_msg_type(x, &type);
	rpc_get_reply_stat(x, &reply->stat);
	if (x->bad || type != REPLY)
		return xdr_fail(x);
	if (reply->stat == MSG_ACCEPTED)
		return get_accepted(x, reply);
	return get_denied(x, reply);
}

bool rpcmsg_put_call(struct xdr *x, const struct rpcmsg_call *call)
{
	xdr_put_u32(x, call->xid);
	xdr_put_u32(x, CALL);
	xdr_put_u32(x, RPC_VERSION);
	xdr_put_u32(x, call->prog);
	xdr_put_u32(x, call->vers);
	xdr_put_u32(x, call->proc);
	rpc_put_opaque_auth(x, &call->cred);
	return rpc_put_opaque_auth(x, &call->verf);
}

static bool put_accepted(
	struct xdr *x, uint32_t xid, const opaque_auth *verf, accept_stat stat)
{
	xdr_put_u32(x, xid);
	xdr_put_u32(x, REPLY);
	xdr_put_u32(x, MSG_ACCEPTED);
	rpc_put_opaque_auth(x, verf);
	return xdr_put_u32(x, stat);
}

static bool put_denied(struct xdr *x, uint32_t xid, reject_stat stat)
{
	xdr_put_u32(x, xid);
	xdr_put_u32(x, REPLY);
	xdr_put_u32(x, MSG_DENIED);
	return xdr_put_u32(x, stat);
}

bool rpcmsg_put_success(struct xdr *x, uint32_t xid, const opaque_auth *verf)
{
	return put_accepted(x, xid, verf ? verf : &auth_none, SUCCESS);
}

bool rpcmsg_put_failure(struct xdr *x, uint32_t xid, accept_stat stat)
{
	return put_accepted(x, xid, &auth_none, stat);
}

bool rpcmsg_put_prog_mismatch(
	struct xdr *x, uint32_t xid, uint32_t low, uint32_t high)
{
	put_accepted(x, xid, &auth_none, PROG_MISMATCH);
	xdr_put_u32(x, low);
	return xdr_put_u32(x, high);
}

bool rpcmsg_put_rpc_mismatch(struct xdr *x, uint32_t xid)
{
	put_denied(x, xid, RPC_MISMATCH);
	xdr_put_u32(x, RPC_VERSION);
	return xdr_put_u32(x, RPC_VERSION);
}

bool rpcmsg_put_auth_error(struct xdr *x, uint32_t xid, auth_stat stat)
{
	put_denied(x, xid, AUTH_ERROR);
	return xdr_put_u32(x, stat);
}

bool rpcmsg_get_authsys(
	const opaque_auth *cred, struct arena *arena, authsys_parms *parms)
{
	struct xdr x;

	*parms = (authsys_parms){.stamp = 0};
	if (cred->flavor != AUTH_SYS)
		return false;
	xdr_init_decode(&x, cred->body.data, cred->body.len, arena);
	return rpc_get_authsys_parms(&x, parms) && xdr_left(&x) == 0;
}

bool rpcmsg_make_authsys(
	opaque_auth *cred, const authsys_parms *parms, void *buf, size_t size)
{
	struct xdr x;

	xdr_init_encode(&x, buf, size);
	if (!rpc_put_authsys_parms(&x, parms))
		return false;
	*cred = (opaque_auth){.flavor = AUTH_SYS,
		.body = xdr_opaque_from(buf, (uint32_t)xdr_pos(&x))};
	return true;
}
