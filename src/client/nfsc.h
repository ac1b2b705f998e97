/* SPDX-License-Identifier: MIT */
/*
 * A small NFSv4.1/4.2 client (RFC 8881, RFC 7862): one client id, one session,
 * one connection that carries both channels, and the recovery that belongs to
 * it. It knows no files: nfsc_ops.h has calls for those, dircache.h the model
 * of a delegated directory.
 *
 * Calls block their thread. Callbacks run on the endpoint's workers: their
 * handlers must not call the server, and should be short.
 *
 *	connection lost	a new one is made and bound to the session, calls
 *			under way are sent again: exactly once (2.10.6)
 *	session lost	a new one for the same client id: state is kept,
 *			calls under way fail with -ECONNRESET
 *	client id lost	a new one: all state is gone (NFSC_RESTARTED)
 *
 * Errors: functions that return int return 0, a positive nfsstat4 from the
 * server, or a negative errno from here.
 */
#ifndef CLIENT_NFSC_H
#define CLIENT_NFSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/timer.h"
#include "proto/nfs4.h"
#include "rpc/rpc.h"
#include "vocab/cred.h"

struct nfsc;
struct nfsc_net;

/* ---- the endpoint, shared by any number of clients ---- */

/*
 * @clock and @timers are borrowed; both NULL: its own, on real time. NULL when
 * it cannot be made (errno).
 */
struct nfsc_net *nfsc_net_new(struct clock *clock, struct timers *timers);

/* All clients must be gone. */
void nfsc_net_free(struct nfsc_net *net);

struct rpc *nfsc_net_rpc(struct nfsc_net *net);

/* ---- what the client is told ---- */

enum nfsc_event {
	NFSC_CONN_LOST,   /* it is being made again */
	NFSC_CONN_BACK,   /* bound to the same session: nothing was lost */
	NFSC_NEW_SESSION, /* state is kept; callbacks may have come twice */
	NFSC_RESTARTED,   /* the server forgot us: all state is gone */
	NFSC_REVOKED,     /* some state was revoked: TEST_STATEID tells which */
};

/*
 * Handlers of callbacks; NULL ones are answered NFS4ERR_NOTSUPP, except
 * recall_any, which may be ignored. @args dies with the call. Each callback is
 * handed over once, whatever the server sends again.
 */
struct nfsc_handlers {
	nfsstat4 (*notify)(void *ctx, const CB_NOTIFY4args *args);
	nfsstat4 (*recall)(void *ctx, const CB_RECALL4args *args);
	nfsstat4 (*recall_any)(void *ctx, const CB_RECALL_ANY4args *args);
	/* What it puts in @ret may come from @arena. */
	nfsstat4 (*getattr)(void *ctx, const CB_GETATTR4args *args, fattr4 *ret,
		struct arena *arena);
	/* On the thread that found it out, no lock held. */
	void (*event)(void *ctx, enum nfsc_event event);
	void *ctx;
};

/* How a test wants a callback to be mistreated. */
enum nfsc_cb_action {
	NFSC_CB_SERVE,      /* as it should be */
	NFSC_CB_STATUS,     /* CB_SEQUENCE is fine, the rest gets `status` */
	NFSC_CB_SEQ_STATUS, /* CB_SEQUENCE itself gets `status` */
	NFSC_CB_DROP,       /* not served: the connection is closed */
	NFSC_CB_DROP_AFTER, /* served, and closed instead of an answer */
	NFSC_CB_SILENT,     /* not served, never answered */
};

/*
 * Asked before a callback is served; @args as decoded. It may sleep: that is a
 * late answer. Replays from the slot's cache do not ask.
 */
typedef enum nfsc_cb_action (*nfsc_cb_hook)(
	void *ctx, const CB_COMPOUND4args *args, nfsstat4 *status);

/* ---- one client ---- */

struct nfsc_config {
	struct nfsc_net *net; /* borrowed */
	/*
	 * Where the server is: a name or an address, or a function that makes
	 * a connection (a socketpair in tests): 0 and a reference, or -errno.
	 */
	const char *host; /* borrowed; -ENXIO when there is none such */
	uint16_t port;
	bool reserved_port; /* connect from below 1024 if we may */
	int (*dial)(void *ctx, struct rpc *rpc, struct rpc_conn **ret);
	void *dial_ctx;
	uint32_t minor_version;  /* 1 or 2 */
	struct xdr_opaque owner; /* co_ownerid; empty: made up, unique */
	uint64_t verifier;       /* of this start of the owner; 0: random */
	struct cred cred;        /* of calls, and asked for in callbacks */
	/* Asked of the server, which may give less. */
	unsigned fore_slots;
	unsigned back_slots;
	uint32_t fore_size; /* largest request and reply, in bytes */
	uint32_t back_size;
	/* Without an answer for this long a connection is given up. */
	uint64_t call_timeout_ms;
	/*
	 * How long to try to reach the server: the first time (0 = try once),
	 * and again after the connection was lost (0 = for ever).
	 */
	uint64_t first_patience_ms;
	uint64_t patience_ms;
	/*
	 * Send a compound again so long after NFS4ERR_DELAY, for so long in
	 * all; 0: the caller gets NFS4ERR_DELAY.
	 */
	uint64_t retry_delay_ms, retry_delay_max_ms;
	bool renew;     /* keep the lease in the background */
	bool no_claims; /* the test itself sends RECLAIM_COMPLETE */
	/* The test itself makes up for a lost session: calls fail. */
	bool no_recovery;
	struct nfsc_handlers handlers;
	nfsc_cb_hook cb_hook;
	void *cb_hook_ctx;
};

/*
 * All but net, host or dial, and handlers. cred is this process's own, with
 * the first 16 groups it is in besides: AUTH_SYS carries no more.
 */
void nfsc_config_default(struct nfsc_config *config);

/*
 * Connect, exchange ids, make a session, send RECLAIM_COMPLETE. @config is
 * copied. 0 and a client in @ret, or an error.
 */
int nfsc_new(const struct nfsc_config *config, struct nfsc **ret);

/* A client that has done nothing yet, for tests that go step by step. */
int nfsc_new_idle(const struct nfsc_config *config, struct nfsc **ret);

/*
 * Leave: destroy session and client id. State must have been returned, else
 * the server says NFS4ERR_CLIENTID_BUSY. Nothing can be called afterwards but
 * nfsc_free().
 */
int nfsc_leave(struct nfsc *c);

/* Forget everything without a word to the server. No call may be under way. */
void nfsc_free(struct nfsc *c);

/*
 * Calls under way and to come fail at once with -ECANCELED, whatever they wait
 * for. Callable from any thread.
 */
void nfsc_cancel(struct nfsc *c);

/* ---- compounds ---- */

/*
 * One COMPOUND: append operations, fill in their arguments, call, read the
 * results. SEQUENCE is put in front and is not counted. Arguments may point to
 * the caller's memory until the call returned; results live until the next
 * reset. Running out of memory shows as -ENOMEM from nfsc_call().
 */
struct nfsc_compound {
	struct arena arena;
	nfs_argop4 *ops;
	unsigned nops, room;
	bool failed;
	/* Kept by the server for a replay; set for what changes something. */
	bool cachethis;
	/* After a lost session it is sent again instead of -ECONNRESET. */
	bool idempotent;
	const struct cred *cred; /* NULL: the client's */
	/*
	 * Run with the results before the slot is free again: who notes new
	 * state here notes it before a callback that refers to this call.
	 */
	void (*settle)(void *ctx, struct nfsc_compound *compound);
	void *settle_ctx;
	/* Results: one per operation that was tried, less SEQUENCE. */
	COMPOUND4res res;
	uint32_t status_flags; /* SEQ4_STATUS_* */
	uint64_t generation;   /* of the session that answered */
	nfsstat4 seq_status;   /* when the call was -EPROTO */
	uint8_t *reply;
};

void nfsc_compound_init(struct nfsc_compound *compound);

/* Forget operations and results; idempotent, cred and settle stay. */
void nfsc_compound_reset(struct nfsc_compound *compound);
void nfsc_compound_fini(struct nfsc_compound *compound);

/* A compound for one scope. */
#define scope_compound __attribute__((cleanup(nfsc_compound_fini)))

/* Append @op; its arguments are zero. Never NULL. */
nfs_argop4 *nfsc_add(struct nfsc_compound *compound, nfs_opnum4 op);

/*
 * Run it in the session. 0 when the server answered: res.status and the
 * results tell. -ECONNRESET: the session was lost, whether it ran is not
 * known. -ENOTCONN: patience ran out. -EACCES: the RPC layer refused it.
 * -EPROTO: the answer made no sense, or SEQUENCE failed with seq_status.
 * -ECANCELED.
 */
int nfsc_call(struct nfsc *c, struct nfsc_compound *compound);

/* As above, and an NFS error is returned: for compounds that must succeed. */
int nfsc_run(struct nfsc *c, struct nfsc_compound *compound);

/* Run it without SEQUENCE, once, on the connection there is. */
int nfsc_call_bare(struct nfsc *c, struct nfsc_compound *compound);

/* The result of operation @i, or NULL when it was not reached or failed. */
const nfs_resop4 *nfsc_result(const struct nfsc_compound *compound, unsigned i);

/* ---- the session, step by step ---- */

int nfsc_connect(struct nfsc *c);
int nfsc_exchange_id(struct nfsc *c);
int nfsc_create_session(struct nfsc *c);
int nfsc_destroy_session(struct nfsc *c);
int nfsc_destroy_clientid(struct nfsc *c);
int nfsc_bind(struct nfsc *c, channel_dir_from_client4 dir);
int nfsc_reclaim_complete(struct nfsc *c);

/* An empty compound: renews the lease, tells status flags if asked. */
int nfsc_renew(struct nfsc *c, uint32_t *flags);

/* ---- looking in, and breaking things ---- */

struct nfsc_info {
	clientid4 clientid;
	sessionid4 sessionid;
	uint64_t generation; /* of the session; 0 = none yet */
	channel_attrs4 fore, back;
	uint32_t lease_ms;
	char server_name[128]; /* nii_name, or empty */
	bool backchannel;      /* bound, as far as we know */
};
void nfsc_read_info(struct nfsc *c, struct nfsc_info *ret);

struct nfsc_stats {
	uint64_t calls, resent;
	uint64_t connects, sessions, restarts;
	uint64_t callbacks; /* CB_COMPOUNDs served, replays excluded */
	uint64_t replays;
	uint64_t notifies, recalls, recall_anys, probes;
	uint64_t referring;  /* had to wait for a referring call */
	uint64_t cb_refused; /* protocol errors of the server's callbacks */
};
void nfsc_read_stats(struct nfsc *c, struct nfsc_stats *ret);

/* Close the connection under the client's feet. */
void nfsc_drop(struct nfsc *c);

/* While held, no new connection is made: a partition. */
void nfsc_hold(struct nfsc *c, bool held);

/* Change the hook; a callback being served keeps the old one. */
void nfsc_set_cb_hook(struct nfsc *c, nfsc_cb_hook hook, void *ctx);

#endif
