/* SPDX-License-Identifier: MIT */
/*
 * Outgoing calls. Whoever takes one off its connection's list, under that
 * connection's lock, completes it, so that it is completed once: the worker
 * that read the answer, the timer, or the teardown of the connection. The
 * timer's callback may be running at that moment, therefore the other two
 * wait for it before they call `done`, after which the object is gone.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "rpc/call.h"
#include "rpc/conn.h"

/* ---- completion ---- */

static void take_locked(struct rpc_outcall *out)
{
	list_del(&out->link);
	out->pending = false;
}

static void complete(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct rpc_conn *conn = out->conn;

	out->conn = NULL;
	out->done(out, outcome, results);
	rpc_conn_put(conn);
}

static void run_timeout(struct rpc_job *job)
{
	complete(container_of(job, struct rpc_outcall, job), RPC_OUT_TIMEOUT,
		NULL);
}

/*
 * On the timers' thread. Once posted, @out may be gone at any moment. Posted
 * under the lock: the teardown, and so the end of the endpoint, wait for it.
 */
static void timeout_fire(struct timer *t)
{
	struct rpc_outcall *out = container_of(t, struct rpc_outcall, timer);
	struct rpc_conn *conn = out->conn;

	scope_lock(&conn->lock);
	if (!out->pending)
		return;
	take_locked(out);
	rpc_post(conn->rpc, &out->job);
}

static struct rpc_outcall *take_by_xid(struct rpc_conn *conn, uint32_t xid)
{
	struct rpc_outcall *out;

	scope_lock(&conn->lock);
	list_for_each_entry(out, &conn->outcalls, link) {
		if (out->xid == xid) {
			take_locked(out);
			return out;
		}
	}
	return NULL;
}

static struct rpc_outcall *take_any(struct rpc_conn *conn)
{
	struct rpc_outcall *out;

	scope_lock(&conn->lock);
	if (list_empty(&conn->outcalls))
		return NULL;
	out = list_first_entry(&conn->outcalls, struct rpc_outcall, link);
	take_locked(out);
	return out;
}

void backchannel_reply(
	struct worker *w, struct rpc_conn *conn, const struct record *rec)
{
	struct rpcmsg_reply reply;
	struct rpc_outcall *out;
	struct xdr in;
	bool ok;

	xdr_init_decode(&in, rec->data, rec->size, &w->call.arena);
	ok = rpcmsg_get_reply(&in, &reply);
	out = take_by_xid(conn, reply.xid);
	if (!out)
		return; /* late, or nobody asked */
	timer_cancel_wait(w->rpc->config.timers, &out->timer);
	ok = ok && reply.stat == MSG_ACCEPTED && reply.accept_stat == SUCCESS;
	complete(out, ok ? RPC_OUT_OK : RPC_OUT_REJECTED, ok ? &in : NULL);
	arena_reset(&w->call.arena);
}

void backchannel_lose_all(struct rpc_conn *conn)
{
	struct rpc_outcall *out;

	while ((out = take_any(conn))) {
		timer_cancel_wait(conn->rpc->config.timers, &out->timer);
		complete(out, RPC_OUT_LOST, NULL);
	}
}

/* ---- sending ---- */

static void fill_header(const struct rpc_outcall *out, struct rpcmsg_call *call)
{
	*call = (struct rpcmsg_call){
		.xid = out->xid,
		.prog = out->program,
		.vers = out->version,
		.proc = out->procedure,
		.cred.flavor = out->auth_flavor,
		.cred.body = {.data = out->auth_body,
			.len = out->auth_body_size},
		.verf.flavor = AUTH_NONE,
	};
}

size_t rpc_outcall_overhead(const struct rpc_outcall *out)
{
	/* after RPCMSG_CALL_MIN: two flavors, two lengths, one body */
	return RPCMSG_CALL_MIN + 16 + xdr_padded(out->auth_body_size);
}

/* The whole record; its xid is not known yet. */
static struct unsent *encode(
	const struct rpc_outcall *out, const void *body, size_t size)
{
	size_t header = rpc_outcall_overhead(out);
	struct unsent *item = conn_unsent_new(RECORD_MARK_SIZE + header + size);
	struct rpcmsg_call call;
	struct xdr x;

	if (!item)
		return NULL;
	xdr_init_encode(&x, item->data, item->size);
	xdr_put_u32(&x, RECORD_MARK_LAST | (uint32_t)(header + size));
	fill_header(out, &call);
	rpcmsg_put_call(&x, &call);
	if (size)
		memcpy(item->data + xdr_pos(&x), body, size);
	if (!x.bad && xdr_pos(&x) == RECORD_MARK_SIZE + header)
		return item;
	free(item); /* longer credentials than RPC has */
	return NULL;
}

/* From here on the answer, the timer or the teardown completes @out. */
static int register_locked(
	struct rpc_conn *conn, struct rpc_outcall *out, uint64_t timeout_ms)
{
	if (conn->closing)
		return -ENOTCONN;
	out->conn = conn;
	out->xid = conn->next_xid++;
	out->pending = true;
	out->job.run = run_timeout;
	timer_init(&out->timer, timeout_fire);
	timer_set(conn->rpc->config.timers, &out->timer, timeout_ms);
	list_add_tail(&conn->outcalls, &out->link);
	rpc_conn_get(conn);
	counter_add(&conn->rpc->stats.outcalls, 1);
	return 0;
}

int rpc_outcall_send(struct rpc_conn *conn, struct rpc_outcall *out,
	const void *body, size_t size, uint64_t timeout_ms)
{
	struct unsent *item = encode(out, body, size);
	uint32_t xid;
	int err;

	if (!item)
		return -ENOMEM;
	/* The caller's reference may go with @out, before we are done. */
	rpc_conn_get(conn);
	lock_acquire(&conn->lock);
	err = register_locked(conn, out, timeout_ms);
	xid = htobe32(out->xid);
	lock_release(&conn->lock);
	/* @out may be completed and gone from here on. */
	if (err) {
		free(item);
	} else {
		memcpy(item->data + RECORD_MARK_SIZE, &xid, sizeof(xid));
		conn_queue(conn, item);
	}
	rpc_conn_put(conn);
	return err;
}
