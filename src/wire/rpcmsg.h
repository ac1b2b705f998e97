/* SPDX-License-Identifier: MIT */
/*
 * The headers of ONC RPC calls and replies (RFC 5531), in both roles, and the
 * AUTH_SYS credential. Record marks are not here (rpc/conn), nor is what a
 * program puts after the header. A header of any length, cut off anywhere, is
 * safe to decode.
 */
#ifndef WIRE_RPCMSG_H
#define WIRE_RPCMSG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/rpc.h"
#include "wire/xdr.h"

/* xid, message type, RPC version, program, version, procedure */
#define RPCMSG_CALL_MIN 24

struct rpcmsg_call {
	uint32_t xid;
	uint32_t prog;
	uint32_t vers;
	uint32_t proc;
	opaque_auth cred; /* points into the buffer */
	opaque_auth verf;
};

enum rpcmsg_result {
	RPCMSG_OK,
	RPCMSG_DROP,        /* not a call, or too short to answer */
	RPCMSG_BAD_VERSION, /* answer with rpcmsg_put_rpc_mismatch() */
	RPCMSG_BAD_CRED,    /* AUTH_BADCRED or AUTH_BADVERF: malformed */
	RPCMSG_BAD_VERF,
};

struct rpcmsg_reply {
	uint32_t xid;
	reply_stat stat;
	opaque_auth verf;        /* MSG_ACCEPTED */
	accept_stat accept_stat; /* MSG_ACCEPTED */
	reject_stat reject_stat; /* MSG_DENIED */
	auth_stat auth_stat;     /* AUTH_ERROR */
	rpc_versions versions;   /* PROG_MISMATCH, RPC_MISMATCH */
};

/*
 * What kind of message a whole record holds; on a connection with a back
 * channel both arrive. False when it is neither.
 */
bool rpcmsg_peek(const void *record, size_t len, uint32_t *xid, msg_type *type);

/*
 * Read a call's header; on RPCMSG_OK the cursor stands at the program's
 * arguments. For every answer but RPCMSG_DROP call->xid is valid.
 */
enum rpcmsg_result rpcmsg_get_call(struct xdr *x, struct rpcmsg_call *call);

/*
 * Read a reply's header, false when malformed. After MSG_ACCEPTED, SUCCESS the
 * cursor stands at the results.
 */
bool rpcmsg_get_reply(struct xdr *x, struct rpcmsg_reply *reply);

bool rpcmsg_put_call(struct xdr *x, const struct rpcmsg_call *call);

/* An accepted call's reply up to its results; NULL @verf is AUTH_NONE. */
bool rpcmsg_put_success(struct xdr *x, uint32_t xid, const opaque_auth *verf);

/* PROG_UNAVAIL, PROC_UNAVAIL, GARBAGE_ARGS or SYSTEM_ERR. */
bool rpcmsg_put_failure(struct xdr *x, uint32_t xid, accept_stat stat);

bool rpcmsg_put_prog_mismatch(
	struct xdr *x, uint32_t xid, uint32_t low, uint32_t high);
bool rpcmsg_put_rpc_mismatch(struct xdr *x, uint32_t xid);
bool rpcmsg_put_auth_error(struct xdr *x, uint32_t xid, auth_stat stat);

/*
 * The AUTH_SYS credential in @cred: its groups go to @arena, its name points
 * into the buffer. False when it is malformed or not AUTH_SYS.
 */
bool rpcmsg_get_authsys(
	const opaque_auth *cred, struct arena *arena, authsys_parms *parms);

/*
 * Make @cred an AUTH_SYS credential whose body is written to @buf, which must
 * outlive it. False when @size is too small or the parameters too long.
 */
bool rpcmsg_make_authsys(
	opaque_auth *cred, const authsys_parms *parms, void *buf, size_t size);

#endif
