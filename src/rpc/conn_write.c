/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "rpc/conn.h"

#define FLUSH_IOVS 32

struct unsent *conn_unsent_new(size_t size)
{
	struct unsent *item = malloc(sizeof(*item) + size);

	if (!item)
		return NULL;
	list_init(&item->link);
	item->start = 0;
	item->size = size;
	return item;
}

static struct unsent *copy_unsent(const void *data, size_t size)
{
	struct unsent *item = conn_unsent_new(size);

	if (item)
		memcpy(item->data, data, size);
	return item;
}

static void free_item_locked(struct rpc_conn *conn, struct unsent *item)
{
	conn->unsent_memory -= sizeof(*item) + item->size;
	list_del(&item->link);
	free(item);
}

void conn_unsent_free_all_locked(struct rpc_conn *conn)
{
	struct unsent *item, *next;

	list_for_each_entry_safe(item, next, &conn->unsent, link)
		free_item_locked(conn, item);
	conn->unsent_bytes = 0;
}

/* Bytes sent; 0 when the socket is full; -1 when it is broken. */
static ssize_t transmit(struct rpc_conn *conn, struct iovec *iov, size_t niov)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = niov};
	ssize_t n;

	do {
		n = sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n;
}

static size_t gather_locked(struct rpc_conn *conn, struct iovec *iov)
{
	struct unsent *item;
	size_t n = 0;

	list_for_each_entry(item, &conn->unsent, link) {
		iov[n++] = (struct iovec){.iov_base = item->data + item->start,
			.iov_len = item->size - item->start};
		if (n == FLUSH_IOVS)
			break;
	}
	return n;
}

/* A peer that takes a little now and then is not getting on. */
static void note_sent_locked(struct rpc_conn *conn, size_t sent)
{
	conn->unsent_bytes -= sent;
	conn->sent += sent;
	if (conn->sent < CONN_MOVED)
		return;
	conn->sent = 0;
	conn->progress_ms = clock_mono_ms(conn->rpc->config.clock);
	arrears_moved_locked(conn);
}

static void drop_sent_locked(struct rpc_conn *conn, size_t sent)
{
	struct unsent *item, *next;

	note_sent_locked(conn, sent);
	list_for_each_entry_safe(item, next, &conn->unsent, link) {
		size_t left = item->size - item->start;

		if (sent < left) {
			item->start += sent;
			return;
		}
		sent -= left;
		free_item_locked(conn, item);
	}
}

/* The queue shall be sent when the socket takes bytes again. */
static void block_locked(struct rpc_conn *conn)
{
	const struct rpc_config *config = &conn->rpc->config;

	conn->blocked = true;
	if (config->stuck_ms)
		conn_timer_need_locked(
			conn, conn->progress_ms + config->stuck_ms);
}

/* Send what there is, dropping the lock meanwhile; owner of the write side. */
static bool flush_some_locked(struct rpc_conn *conn)
{
	struct iovec iov[FLUSH_IOVS];
	size_t niov = gather_locked(conn, iov);
	ssize_t n;

	lock_release(&conn->lock);
	n = transmit(conn, iov, niov);
	lock_acquire(&conn->lock);
	if (n < 0 || conn->closing) /* the endpoint may be gone */
		return false;
	if (n == 0)
		block_locked(conn);
	else
		drop_sent_locked(conn, n);
	return true;
}

/* The owner of the write side sends the queue and gives the side back. */
static bool flush_and_end_locked(struct rpc_conn *conn)
{
	bool ok = true;

	while (ok && !conn->blocked && !conn->closing &&
		!list_empty(&conn->unsent))
		ok = flush_some_locked(conn);
	conn->writing = false;
	if (conn->closing)
		conn_unsent_free_all_locked(conn);
	conn_settle_locked(conn);
	conn_rearm_locked(conn);
	return ok;
}

static bool begin_write_locked(struct rpc_conn *conn)
{
	if (conn->closing || conn->writing || conn->blocked)
		return false;
	conn->writing = true;
	return true;
}

void conn_flush(struct rpc_conn *conn)
{
	bool ok = true;

	lock_acquire(&conn->lock);
	if (begin_write_locked(conn))
		ok = flush_and_end_locked(conn);
	else
		conn_settle_locked(conn);
	lock_release(&conn->lock);
	if (!ok)
		rpc_conn_close(conn);
}

static void append_locked(struct rpc_conn *conn, struct unsent *item)
{
	if (conn->unsent_bytes == 0) {
		conn->progress_ms = clock_mono_ms(conn->rpc->config.clock);
		conn->sent = 0;
	}
	conn->unsent_bytes += item->size - item->start;
	conn->unsent_memory += sizeof(*item) + item->size;
	list_add_tail(&conn->unsent, &item->link);
}

bool conn_queue(struct rpc_conn *conn, struct unsent *item)
{
	lock_acquire(&conn->lock);
	if (conn->closing) {
		lock_release(&conn->lock);
		free(item);
		return false;
	}
	append_locked(conn, item);
	lock_release(&conn->lock);
	conn_flush(conn);
	return true;
}

/* Nothing is before us: the write side is ours. */
static bool begin_direct(struct rpc_conn *conn)
{
	scope_lock(&conn->lock);
	return list_empty(&conn->unsent) && begin_write_locked(conn);
}

/* What the socket did not take goes before what others queued meanwhile. */
static bool put_back_locked(
	struct rpc_conn *conn, const uint8_t *data, size_t size)
{
	struct unsent *item = copy_unsent(data, size);

	if (!item)
		return false;
	append_locked(conn, item);
	list_del(&item->link);
	list_add_head(&conn->unsent, &item->link);
	return true;
}

static bool end_direct(struct rpc_conn *conn, const uint8_t *rest, size_t left)
{
	bool ok = true;

	scope_lock(&conn->lock);
	if (left)
		ok = put_back_locked(conn, rest, left);
	if (ok && left)
		block_locked(conn);
	return flush_and_end_locked(conn) && ok;
}

bool conn_send(struct rpc_conn *conn, const void *data, size_t size)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	ssize_t n = -1;
	bool ok;

	if (!begin_direct(conn)) {
		struct unsent *item = copy_unsent(data, size);

		if (item)
			return conn_queue(conn, item);
		rpc_conn_close(conn);
		return false;
	}
	n = transmit(conn, &iov, 1);
	ok = n >= 0;
	ok = end_direct(conn, (const uint8_t *)data + (ok ? n : 0),
		     ok ? size - n : 0) &&
		ok;
	if (!ok)
		rpc_conn_close(conn);
	return ok;
}
