/* SPDX-License-Identifier: MIT */
/*
 * One connection, private to rpc/: the socket, who reads it, what is unsent,
 * what is in flight.
 *
 * References: the endpoint's table holds one until the connection is torn
 * down; a worker that handles its event, a call that runs, an outgoing call
 * and a place in the ready list hold one each; the rest are the program's. The
 * socket is shut down at once by a close and its descriptor is closed with the
 * last reference, so a worker never writes to somebody else's descriptor.
 *
 * Who has set `reading` owns the read side (reader and in) until he clears it:
 * a worker assembling a record, or the ready list. Who has set `writing` owns
 * the socket's write side and the items at the head of the queue. Neither
 * reads nor writes under the lock.
 *
 * Once `closing` is set nothing here touches the endpoint on behalf of a
 * program, so references may outlive rpc_free().
 */
#ifndef RPC_CONN_H
#define RPC_CONN_H

#include "base/htab.h"
#include "base/lock.h"
#include "base/ref.h"
#include "rpc/endpoint.h"

#define INBUF_SIZE (16 * 1024)

/* Bytes received that no record has eaten yet. */
struct inbuf {
	size_t start, end;
	uint8_t data[INBUF_SIZE];
};

/* A piece of the write queue. */
struct unsent {
	struct list link;
	size_t start, size;
	uint8_t data[];
};

/* Less than this in all of stuck_ms is standing still. */
#define CONN_MOVED ((size_t)64 * 1024)

/* `armed` when an event may have disarmed the socket. */
#define CONN_UNARMED UINT32_MAX

struct rpc_conn {
	struct ref ref;
	struct rpc *rpc;
	uint64_t id;
	int fd;
	struct htab_link by_id; /* guarded by the table's shard */
	char peer[64];
	uint16_t peer_port;

	struct lock lock;     /* LOCK_CONN; guards the following */
	bool closing;         /* no record is taken, no reply sent any more */
	bool teardown;        /* the job is posted */
	bool bound;           /* no idle limit */
	bool reading;         /* somebody owns the read side */
	bool writing;         /* somebody owns the write side */
	bool blocked;         /* the socket takes no more: wait for EPOLLOUT */
	uint32_t armed;       /* events asked for, or CONN_UNARMED */
	unsigned calls;       /* in flight */
	struct list unsent;   /* struct unsent */
	size_t unsent_bytes;  /* in the queue */
	size_t unsent_memory; /* of its items */
	size_t sent;          /* since progress_ms, less than CONN_MOVED */
	uint64_t progress_ms; /* when the queue last moved or began */
	bool unfinished;      /* some of a record has come, but not all */
	size_t record_memory; /* what that part takes */
	size_t record_size;   /* it had at record_ms */
	uint64_t record_ms;   /* when it last moved or began */
	size_t owed;          /* see rpc/arrears.h, which guards `owing` */
	struct list owing;
	uint64_t active_ms;   /* when a call last arrived or ended */
	struct timer timer;   /* idle and stuck */
	uint64_t timer_at_ms; /* 0 = not set */
	struct list outcalls; /* struct rpc_outcall, by age */
	uint32_t next_xid;
	struct rpc_job teardown_job;

	struct record_reader reader; /* the read side's owner */
	struct inbuf *in;            /* NULL when empty */
	struct list ready;           /* guarded by the pool's lock */
};

/* ---- conn.c ---- */

/*
 * Make a connection of the connected socket @fd, which is taken also on
 * failure, and start to read it. Returns a reference, or NULL (errno set).
 * The caller has counted it (endpoint_count()).
 */
struct rpc_conn *conn_new(struct rpc *rpc, int fd, bool bound);

/* Something happened on the socket (epoll's bits). On a worker. */
void conn_event(struct worker *w, struct rpc_conn *conn, uint32_t events);

/* Take a record and run it; the caller owns the read side. On a worker. */
void conn_read(struct worker *w, struct rpc_conn *conn);

/* As rpc_conn_close(); true: it was open before. */
bool conn_close(struct rpc_conn *conn);

/* A call taken by conn_read() has ended: its reply is sent or queued. */
void conn_call_done(struct rpc_conn *conn);

/* What the peer owes has changed. */
void conn_settle_locked(struct rpc_conn *conn);

/* Ask epoll for what the connection waits for now, or finish a close. */
void conn_rearm_locked(struct rpc_conn *conn);

/* Make sure that the timer fires at @at_ms at the latest. */
void conn_timer_need_locked(struct rpc_conn *conn, uint64_t at_ms);

/* ---- conn_write.c ---- */

/*
 * Send @size bytes, record mark included; what does not go at once is copied
 * to the queue. False when the connection is closed, or closed by this.
 */
bool conn_send(struct rpc_conn *conn, const void *data, size_t size);

/* An item for conn_queue() with room for @size bytes; NULL without memory. */
struct unsent *conn_unsent_new(size_t size);

/* Send @item, which is taken, after what is queued. */
bool conn_queue(struct rpc_conn *conn, struct unsent *item);

/* The socket takes bytes again. */
void conn_flush(struct rpc_conn *conn);

/* Free what will never be sent; nobody owns the write side. */
void conn_unsent_free_all_locked(struct rpc_conn *conn);

/* ---- call.c ---- */

/* Run the call in @rec, answer it, and conn_call_done(). */
void call_serve(
	struct worker *w, struct rpc_conn *conn, const struct record *rec);

/* ---- backchannel.c ---- */

/* The record is the answer to an outgoing call: complete that one. */
void backchannel_reply(
	struct worker *w, struct rpc_conn *conn, const struct record *rec);

/* The connection is gone: complete all its outgoing calls. On a worker. */
void backchannel_lose_all(struct rpc_conn *conn);

#endif
