/* SPDX-License-Identifier: MIT */
/*
 * From the header of a call to the header of its reply, private to rpc/. No
 * sockets: bytes in call->in, bytes in call->out.
 */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "rpc/rpc.h"
#include "wire/rpcmsg.h"

/* The longest reply without results; less room: no memory for results. */
#define CALL_REFUSAL_MAX 32

/* ---- dispatch.c ---- */

/*
 * Decode the header at call->in, find the program, run it and leave the whole
 * reply in call->out. False: no reply, close the connection.
 */
bool dispatch_call(struct rpc_call *call);

/* ---- auth.c ---- */

/* Who calls, by @cred. AUTH_OK, or why he is refused. */
auth_stat auth_check(
	const opaque_auth *cred, struct arena *arena, struct rpc_auth *auth);

#endif
