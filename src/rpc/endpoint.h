/* SPDX-License-Identifier: MIT */
/*
 * The endpoint's inside, private to rpc/: one epoll instance that all workers
 * wait on, the table of connections, the pool.
 *
 * What epoll hands out is an id, not a pointer: a connection that is armed
 * again while its event is on the way can have two events under way, and the
 * second may arrive when the first has closed it. An id that is no longer in
 * the table is ignored.
 */
#ifndef RPC_ENDPOINT_H
#define RPC_ENDPOINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/counter.h"
#include "base/htab.h"
#include "base/lock.h"
#include "rpc/arrears.h"
#include "rpc/buf.h"
#include "rpc/record.h"
#include "rpc/rpc.h"

#define ENDPOINT_SHARDS 16

/* What an epoll event's data says. Connections: their id, which is odd. */
#define ENDPOINT_EVENT_WAKE 0

struct endpoint_shard {
	struct lock lock; /* LOCK_CONNS */
	struct htab conns;
};

struct endpoint_stats {
	struct counter calls, running, replies, outcalls, jobs;
	struct counter refused, records_refused, accept_pauses;
	struct counter idle_closed, stuck_closed, arrears_closed;
};

struct rpc {
	struct rpc_config config;
	int epoll_fd;
	int wake_fd; /* an eventfd, edge triggered: one write, one worker */
	struct endpoint_shard shards[ENDPOINT_SHARDS];
	atomic_ullong next_id;
	atomic_uint nconns;
	atomic_bool closing; /* no new connections */
	struct buf_pool bufs;
	struct arrears arrears;
	struct endpoint_stats stats;

	struct lock listen_lock; /* LOCK_CONNS; guards listeners */
	struct list listeners;

	struct lock pool; /* LOCK_POOL; guards the following */
	struct list jobs;
	struct list ready; /* connections with a buffered record */
	struct list workers;
	unsigned threads;
	unsigned permits_taken, permit_waiters;
	struct cond permit_given;
	struct cond quiet; /* nconns went to 0 */
	bool stop;

	atomic_uint queued;  /* jobs and ready, to look without the lock */
	atomic_int waiting;  /* workers in epoll_wait() */
	atomic_ullong picks; /* events, jobs and records taken */
	struct timer stall;  /* adds a thread when all of them block */
	atomic_bool stall_set;
	unsigned long long stall_picks;
};

/* One thread of the pool and what it carries from call to call. */
struct worker {
	struct rpc *rpc;
	struct list link;
	pthread_t thread;
	struct inbuf *inbuf; /* spare, or NULL */
	struct record spare; /* small, or without memory */
	struct rpc_call call;
};

/* ---- worker.c ---- */

/* The pool without threads. */
void worker_pool_init(struct rpc *rpc);

/* End and join all workers, run the jobs that are left, free. */
void worker_pool_fini(struct rpc *rpc);

/* Start threads until there are @want (threads_max at most). 0 or -errno. */
int worker_pool_grow(struct rpc *rpc, unsigned want);

/* @conn has a whole record buffered; its read side and a reference go along. */
void worker_pool_ready(struct rpc *rpc, struct rpc_conn *conn);

/* ---- endpoint.c ---- */

/*
 * Put @conn in the table, which takes a reference, and give it its id.
 * -ESHUTDOWN or -ENOMEM when it was not.
 */
int endpoint_add(struct rpc *rpc, struct rpc_conn *conn);
void endpoint_remove(struct rpc *rpc, struct rpc_conn *conn);

/* The connection with @id and a reference, or NULL. */
struct rpc_conn *endpoint_find(struct rpc *rpc, uint64_t id);

/* One more connection, false when there are too many; one less. */
bool endpoint_count(struct rpc *rpc);
void endpoint_uncount(struct rpc *rpc);

/* ---- permit.c ---- */

/* Permits in all: threads_max without the reserve. */
unsigned permit_total(const struct rpc *rpc);

/* ---- listen.c ---- */

struct listener;

/* A connection may be waiting: accept some. On a worker. */
void listener_event(struct listener *l);

/* Close and free all listeners; no worker runs any more. */
void listener_fini_all(struct rpc *rpc);

#endif
