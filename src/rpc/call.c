/* SPDX-License-Identifier: MIT */
#include "rpc/call.h"

#include <endian.h>
#include <string.h>

#include "rpc/conn.h"

#define EMERGENCY_SIZE (RECORD_MARK_SIZE + CALL_REFUSAL_MAX)

static void call_begin(struct worker *w, struct rpc_conn *conn,
	const struct record *rec, uint8_t *out, size_t out_size)
{
	struct rpc_call *call = &w->call;

	call->rpc = w->rpc;
	call->conn = conn;
	call->record_size = rec->size;
	call->reply_header_size = 0;
	xdr_init_decode(&call->in, rec->data, rec->size, &call->arena);
	xdr_init_encode(&call->out, out + RECORD_MARK_SIZE,
		out_size - RECORD_MARK_SIZE);
	counter_add(&w->rpc->stats.calls, 1);
	counter_add(&w->rpc->stats.running, 1);
}

static void send_reply(struct rpc_call *call, uint8_t *out)
{
	size_t size = xdr_pos(&call->out);
	uint32_t mark = htobe32(RECORD_MARK_LAST | (uint32_t)size);

	memcpy(out, &mark, RECORD_MARK_SIZE);
	if (conn_send(call->conn, out, RECORD_MARK_SIZE + size))
		counter_add(&call->rpc->stats.replies, 1);
}

/*
 * Without memory for a reply the call is not run, but answered with
 * SYSTEM_ERR: the connection lives.
 */
void call_serve(
	struct worker *w, struct rpc_conn *conn, const struct record *rec)
{
	uint8_t *big = buf_take(&w->rpc->bufs);
	uint8_t emergency[EMERGENCY_SIZE];
	uint8_t *out = big ? big : emergency;

	call_begin(w, conn, rec, out,
		big ? RECORD_MARK_SIZE + w->rpc->config.max_record
		    : sizeof(emergency));
	if (dispatch_call(&w->call))
		send_reply(&w->call, out);
	else
		rpc_conn_close(conn);
	buf_give(&w->rpc->bufs, big);
	arena_reset(&w->call.arena);
	conn_call_done(conn);
	counter_add(&w->rpc->stats.running, -1);
}
