/* SPDX-License-Identifier: MIT */
#include "rpc/arrears.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "rpc/conn.h"

void arrears_init(struct arrears *a, size_t max)
{
	*a = (struct arrears){.max = max};
	atomic_init(&a->bytes, 0);
	lock_init(&a->lock, LOCK_LEAF);
	list_init(&a->conns);
}

void arrears_fini(struct arrears *a)
{
	lock_fini(&a->lock);
}

static size_t bytes_of(const struct arrears *a)
{
	return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

bool arrears_are_short(const struct arrears *a)
{
	return bytes_of(a) > a->max / 2;
}

void arrears_set_locked(struct rpc_conn *conn, size_t bytes)
{
	struct arrears *a = &conn->rpc->arrears;

	if (bytes == conn->owed)
		return;
	atomic_fetch_add(&a->bytes, bytes - conn->owed); /* wraps to less */
	scope_lock(&a->lock);
	if (conn->owed == 0)
		list_add_tail(&a->conns, &conn->owing);
	else if (bytes == 0)
		list_del(&conn->owing);
	conn->owed = bytes;
}

void arrears_moved_locked(struct rpc_conn *conn)
{
	struct arrears *a = &conn->rpc->arrears;

	if (conn->owed == 0)
		return;
	scope_lock(&a->lock);
	list_del(&conn->owing);
	list_add_tail(&a->conns, &conn->owing);
}

/* Who moved longest ago, if that is too much; a connection there is open. */
static struct rpc_conn *take_worst(struct arrears *a)
{
	if (bytes_of(a) <= a->max) /* as nearly always: without the lock */
		return NULL;
	scope_lock(&a->lock);
	if (bytes_of(a) <= a->max || list_empty(&a->conns))
		return NULL; /* whoever leaves has paid before */
	return rpc_conn_get(
		list_first_entry(&a->conns, struct rpc_conn, owing));
}

static void note_closed(struct rpc *rpc, const struct rpc_conn *conn)
{
	counter_add(&rpc->stats.arrears_closed, 1);
	log_limited(LOG_LVL_INFO, 10000,
		"closing connection peer=%s reason=memory",
		rpc_conn_peer(conn));
}

/* To close one pays its debt, so this ends. */
void arrears_enforce(struct rpc *rpc)
{
	struct rpc_conn *conn;

	while ((conn = take_worst(&rpc->arrears))) {
		if (conn_close(conn)) /* no other worker was faster */
			note_closed(rpc, conn);
		rpc_conn_put(conn);
	}
}
