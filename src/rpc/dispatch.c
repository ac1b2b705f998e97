/* SPDX-License-Identifier: MIT */
#include "rpc/call.h"
#include "rpc/endpoint.h"

/* RFC 5531 section 12.3: nothing in, nothing out, by convention. */
#define PROC_NULL 0

/* The program's row that fits best: its number, and the version if any has. */
static const struct rpc_program *find_program(const struct rpc_call *call)
{
	const struct rpc_config *config = &call->rpc->config;
	const struct rpc_program *found = NULL;

	for (size_t i = 0; i < config->nprograms; i++) {
		const struct rpc_program *p = &config->programs[i];

		if (p->number != call->program)
			continue;
		found = p;
		if (call->version >= p->version_low &&
			call->version <= p->version_high)
			break;
	}
	return found;
}

static bool fail(struct rpc_call *call, accept_stat stat)
{
	xdr_truncate(&call->out, 0);
	return rpcmsg_put_failure(&call->out, call->xid, stat);
}

static bool deny(struct rpc_call *call, auth_stat stat)
{
	xdr_truncate(&call->out, 0);
	return rpcmsg_put_auth_error(&call->out, call->xid, stat);
}

/* The program has returned: keep its results or say why there are none. */
static bool conclude(struct rpc_call *call, enum rpc_verdict verdict)
{
	switch (verdict) {
	case RPC_DONE:
		return !call->out.bad || fail(call, SYSTEM_ERR);
	case RPC_PROC_UNAVAIL:
		return fail(call, PROC_UNAVAIL);
	case RPC_GARBAGE_ARGS:
		return fail(call, GARBAGE_ARGS);
	case RPC_SYSTEM_ERR:
		return fail(call, SYSTEM_ERR);
	case RPC_AUTH_TOOWEAK:
		return deny(call, AUTH_TOOWEAK);
	case RPC_CLOSE:
		break;
	}
	return false;
}

static bool run_program(struct rpc_call *call)
{
	const struct rpc_program *program = find_program(call);
	enum rpc_verdict verdict = RPC_DONE;

	if (!program)
		return fail(call, PROG_UNAVAIL);
	if (call->version < program->version_low ||
		call->version > program->version_high)
		return rpcmsg_put_prog_mismatch(&call->out, call->xid,
			program->version_low, program->version_high);
	rpcmsg_put_success(&call->out, call->xid, NULL);
	call->reply_header_size = xdr_pos(&call->out);
	if (call->out.size <= CALL_REFUSAL_MAX)
		return fail(call, SYSTEM_ERR);
	if (call->procedure != PROC_NULL)
		verdict = program->run(program->ctx, call);
	return conclude(call, verdict);
}

static bool answer_refusal(struct rpc_call *call, enum rpcmsg_result result)
{
	switch (result) {
	case RPCMSG_BAD_VERSION:
		return rpcmsg_put_rpc_mismatch(&call->out, call->xid);
	case RPCMSG_BAD_CRED:
		return deny(call, AUTH_BADCRED);
	case RPCMSG_BAD_VERF:
		return deny(call, AUTH_BADVERF);
	default:
		return false;
	}
}

bool dispatch_call(struct rpc_call *call)
{
	struct rpcmsg_call header;
	enum rpcmsg_result result = rpcmsg_get_call(&call->in, &header);
	auth_stat stat;

	call->xid = header.xid;
	if (result != RPCMSG_OK)
		return answer_refusal(call, result);
	call->program = header.prog;
	call->version = header.vers;
	call->procedure = header.proc;
	stat = auth_check(&header.cred, &call->arena, &call->auth);
	if (stat != AUTH_OK)
		return deny(call, stat);
	return run_program(call);
}
