/* SPDX-License-Identifier: MIT */
/*
 * ONC RPC (RFC 5531) over TCP for both ends: an endpoint owns connections,
 * worker threads and programs; a connection carries calls both ways, so that
 * a server can call back on the connection its client made (RFC 8881 2.10.3)
 * and our own client is an endpoint too.
 *
 * One worker carries one call from socket to socket: wait, take one whole
 * record, hand the connection on, run the program, write the reply
 * (doc/design.md, Load). Nothing here knows NFS.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/timer.h"
#include "vocab/cred.h"
#include "wire/xdr.h"

struct rpc;
struct rpc_conn;

/* Who calls, as the peer claims it (RFC 5531 appendix A for AUTH_SYS). */
struct rpc_auth {
	uint32_t flavor;  /* AUTH_NONE 0, AUTH_SYS 1 */
	struct cred cred; /* AUTH_SYS; AUTH_NONE: uid and gid of nobody */
};

/* One call being served. Lives on its worker; everything dies with it. */
struct rpc_call {
	struct rpc *rpc;
	struct rpc_conn *conn; /* referenced while the call runs */
	uint32_t xid;
	uint32_t program, version, procedure;
	struct rpc_auth auth;
	struct arena arena;
	struct xdr in;      /* at the procedure's arguments */
	struct xdr out;     /* at the procedure's results */
	size_t record_size; /* the whole call, record mark excluded */
	/* Bytes of the reply header before `out`'s results, for limits. */
	size_t reply_header_size;
};

/* What a program says when it returns. */
enum rpc_verdict {
	RPC_DONE, /* results are in call->out */
	RPC_PROC_UNAVAIL,
	RPC_GARBAGE_ARGS,
	RPC_SYSTEM_ERR,
	RPC_AUTH_TOOWEAK,
	RPC_CLOSE, /* no answer: close the connection */
};

/*
 * A program the endpoint serves; the other way out of floor 4 to nfs/. Its
 * procedure 0 is answered by the endpoint: nothing in, nothing out (RFC 5531
 * 12.3). `run` is called on many workers at once, without locks.
 */
struct rpc_program {
	uint32_t number;
	uint32_t version_low, version_high;
	enum rpc_verdict (*run)(void *ctx, struct rpc_call *call);
	/*
	 * The connection is closed and no record of it will be taken any
	 * more; calls taken before may still be running, and its outgoing
	 * calls end (RPC_OUT_LOST) after this. Called once, on a worker,
	 * without locks; the program drops its references. May be NULL.
	 */
	void (*conn_closed)(void *ctx, struct rpc_conn *conn);
	void *ctx;
};

struct rpc_config {
	struct clock *clock;                /* borrowed */
	struct timers *timers;              /* borrowed */
	const struct rpc_program *programs; /* borrowed */
	size_t nprograms;
	size_t max_record;        /* larger ones close; replies as well */
	unsigned max_connections; /* further ones are closed at once */
	unsigned threads_min;     /* started at once; 0 = from the cores */
	unsigned threads_max;     /* grown to when workers block; 256 */
	unsigned reserve;         /* threads that never take a permit; 4 */
	unsigned max_calls;       /* in flight per connection; 64 */
	size_t max_unsent;        /* bytes unsent per connection; 4 MiB */
	size_t max_arrears;       /* unsent or unfinished in all; 512 MiB */
	uint64_t idle_ms;         /* for connections bound to nothing; 0: no */
	uint64_t stuck_ms;        /* a message stands still: closed; 0: no */
};

/* Sensible values for all but clock, timers and programs. */
void rpc_config_default(struct rpc_config *config);

/* An endpoint with its workers running; NULL on failure (errno set). */
struct rpc *rpc_new(const struct rpc_config *config);

/*
 * Stop: close all connections, end all workers, free. Waits for the calls that
 * run, so not on a worker. References to connections may be put later.
 */
void rpc_free(struct rpc *rpc);

/*
 * Accept connections on @addr (IPv4 or IPv6; port 0 = any). 0 or -errno;
 * @bound, when given, is the address in use.
 */
int rpc_listen(struct rpc *rpc, const struct sockaddr *addr, socklen_t len,
	struct sockaddr_storage *bound);

/*
 * Serve a connected stream socket, which the endpoint takes (also on failure);
 * a socketpair in tests. Returns a reference, or NULL (errno set).
 */
struct rpc_conn *rpc_add_socket(struct rpc *rpc, int fd);

/*
 * Connect to @addr within @timeout_ms (real time). Returns a reference in
 * @ret. The connection is bound: who opened it decides when it ends.
 */
int rpc_connect(struct rpc *rpc, const struct sockaddr *addr, socklen_t len,
	uint64_t timeout_ms, struct rpc_conn **ret);

struct rpc_conn *rpc_conn_get(struct rpc_conn *conn);
void rpc_conn_put(struct rpc_conn *conn);

/*
 * Close: no reply is sent from now on; conn_closed follows. Any thread, any
 * number of times.
 */
void rpc_conn_close(struct rpc_conn *conn);

/* Still open? A hint only. */
bool rpc_conn_is_open(struct rpc_conn *conn);

/* A connection bound to a session has no idle limit. */
void rpc_conn_set_bound(struct rpc_conn *conn, bool bound);

/* "192.0.2.1:1234", "[2001:db8::1]:700", "local": for logs; never NULL. */
const char *rpc_conn_peer(const struct rpc_conn *conn);

/* The peer's source port, 0 when it has none (for `secure`). */
uint16_t rpc_conn_peer_port(const struct rpc_conn *conn);

/*
 * Jobs: short work for a worker, in no order. The object is the caller's and
 * may be freed or posted again by its own `run`.
 */
struct rpc_job {
	struct list link;
	void (*run)(struct rpc_job *job);
};

void rpc_post(struct rpc *rpc, struct rpc_job *job);

/*
 * Outgoing calls, on any connection. The object is the caller's (usually
 * embedded) and must live until `done` ran.
 */
enum rpc_outcome {
	RPC_OUT_OK,       /* accepted: results follow */
	RPC_OUT_REJECTED, /* answered, but not with results */
	RPC_OUT_TIMEOUT,  /* no answer in time; a late one is ignored */
	RPC_OUT_LOST,     /* the connection went first */
};

struct rpc_outcall {
	uint32_t program, version, procedure;
	uint32_t auth_flavor;     /* AUTH_NONE or AUTH_SYS */
	const uint8_t *auth_body; /* AUTH_SYS: encoded authsys_parms */
	uint32_t auth_body_size;
	/*
	 * Once, on a worker and without locks, for every call for which
	 * rpc_outcall_send() returned 0. @results lives until it returns.
	 */
	void (*done)(struct rpc_outcall *out, enum rpc_outcome outcome,
		struct xdr *results);
	/* Below: the connection's. */
	struct rpc_conn *conn;
	struct list link;
	struct timer timer;
	struct rpc_job job;
	uint32_t xid;
	bool pending; /* nobody has begun to complete it */
};

/*
 * Send @body (the encoded arguments, copied) as a call. 0, or -ENOTCONN /
 * -ENOMEM and `done` never runs.
 */
int rpc_outcall_send(struct rpc_conn *conn, struct rpc_outcall *out,
	const void *body, size_t size, uint64_t timeout_ms);

/* Bytes of the RPC header that rpc_outcall_send() puts before the body. */
size_t rpc_outcall_overhead(const struct rpc_outcall *out);

/*
 * Permits for work that may block on a disk, or that waits (a mutator for a
 * recall). There are always `reserve` more threads than permits, so what needs
 * none is never behind a disk. @gate bounds one store's share, so that a store
 * that hangs does not take all of them.
 */
struct rpc_gate {
	unsigned limit; /* 0 = half of all permits */
	unsigned taken;
};

/*
 * Take a permit, waiting at most 100 ms and only while enough threads are
 * free. False: answer NFS4ERR_DELAY, nothing was done.
 */
bool rpc_permit_take(struct rpc *rpc, struct rpc_gate *gate);

/* The same without waiting. */
bool rpc_permit_try(struct rpc *rpc, struct rpc_gate *gate);

void rpc_permit_give(struct rpc *rpc, struct rpc_gate *gate);

struct rpc_stats {
	uint64_t calls, replies, outcalls, jobs;
	uint64_t connections, calls_running, threads, permits_taken;
	uint64_t connections_max, threads_max, permits; /* the limits */
	uint64_t connections_refused, records_refused;
	uint64_t idle_closed, stuck_closed, arrears_closed;
	uint64_t arrears, arrears_max; /* bytes that peers owe */
	uint64_t accept_pauses;        /* times we were out of descriptors */
};
void rpc_read_stats(struct rpc *rpc, struct rpc_stats *ret);

#endif
