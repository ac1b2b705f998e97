/* SPDX-License-Identifier: MIT */
/*
 * What the files of the client share: nfsc.c (endpoint, life), nfsc_dial.c and
 * nfsc_conn.c (the connection and its repair), nfsc_session.c (ids and
 * sessions), nfsc_call.c (compounds and slots), nfsc_cb.c (callbacks).
 *
 * c->lock guards all that may change; nothing is sent, waited for (but on
 * c->cond) or called back under it.
 */
#ifndef CLIENT_NFSC_PRIV_H
#define CLIENT_NFSC_PRIV_H

#include <pthread.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "client/nfsc.h"
#include "proto/rpc.h"

#define NFSC_NFS_PROGRAM 100003
#define NFSC_NFS_VERSION 4
/* The first of RFC 5531's transient numbers; only our own server sees it. */
#define NFSC_CB_PROGRAM 0x40000000

#define NFSC_SLOTS_MAX    64
#define NFSC_SIZE_MAX     (1024 * 1024)
#define NFSC_RECORD_MAX   (NFSC_SIZE_MAX + 64 * 1024)
#define NFSC_CB_OPS_MAX   16
#define NFSC_CB_REPLY_MAX 4096
#define NFSC_LEASE_MS     90000 /* until the server told */
#define NFSC_REVOKED_FLAGS                               \
	(SEQ4_STATUS_EXPIRED_ALL_STATE_REVOKED |         \
		SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED | \
		SEQ4_STATUS_ADMIN_STATE_REVOKED |        \
		SEQ4_STATUS_RECALLABLE_STATE_REVOKED)
#define NFSC_PATH_DOWN_FLAGS \
	(SEQ4_STATUS_CB_PATH_DOWN | SEQ4_STATUS_CB_PATH_DOWN_SESSION)

struct nfsc_net {
	struct clock own_clock;
	struct timers own_timers;
	bool own;
	struct timers *timers;
	struct rpc *rpc;
	struct rpc_program program;
	struct lock lock;  /* a leaf; guards the table and nfsc.users */
	struct cond cond;  /* users of some client became 0 */
	struct htab conns; /* struct nfsc_conn by connection */
};

/* Which client a connection belongs to. */
struct nfsc_conn {
	struct htab_link by_conn;
	struct list of_client;
	struct rpc_conn *conn; /* a reference */
	struct nfsc *client;
};

struct nfsc_slot {
	uint32_t seqid; /* of the next request */
	bool busy;
};

struct nfsc_cb_slot {
	uint32_t seqid; /* of the last request */
	bool busy;
	uint8_t *reply; /* to that request */
	size_t reply_size;
};

struct nfsc_session {
	uint64_t generation;
	bool live;   /* the server has it, as far as we know */
	bool broken; /* ... but it is of no use to us: not live either */
	sessionid4 id;
	channel_attrs4 fore, back;
	bool backchannel;
	unsigned nslots, target; /* slots there are; slots we may use */
	struct nfsc_slot slots[NFSC_SLOTS_MAX];
	unsigned ncb_slots;
	struct nfsc_cb_slot cb_slots[NFSC_SLOTS_MAX];
};

struct nfsc {
	struct nfsc_config config; /* strings are ours */
	struct nfsc_net *net;
	uint8_t auth_body[RPC_AUTH_BYTES_MAX];
	uint32_t auth_size;
	char machine[64];

	unsigned users;    /* callbacks being served; net->lock */
	struct list conns; /* struct nfsc_conn; net->lock */

	struct lock lock;      /* guards the following */
	struct cond cond;      /* anything changed */
	struct rpc_conn *conn; /* a reference, or NULL: down */
	bool cancelled;
	bool held;     /* nfsc_hold() */
	bool creating; /* callbacks of a session in the making wait */
	bool repairing;
	pthread_t repairer; /* valid while repairing */
	clientid4 clientid;
	bool has_clientid;
	bool fresh;       /* this client id: not reported, nothing reclaimed */
	bool established; /* there was a client id in use once */
	sequenceid4 create_seq;
	struct nfsc_session session;
	uint32_t last_flags;
	uint32_t lease_ms;
	char server_name[128];
	nfsc_cb_hook cb_hook;
	void *cb_hook_ctx;
	struct nfsc_stats stats;

	struct timer renew_timer;
	bool renew_due;
	bool has_keeper, stop_keeper;
	pthread_t keeper;
};

/* ---- nfsc.c ---- */

void nfsc_tell(struct nfsc *c, enum nfsc_event event);

/* Sleep, but not longer than until nfsc_cancel(). Takes the lock itself. */
void nfsc_sleep(struct nfsc *c, uint64_t ms);

/* ---- nfsc_conn.c ---- */

/* The client a connection belongs to, held until nfsc_client_put(). */
struct nfsc *nfsc_client_of(struct nfsc_net *net, struct rpc_conn *conn);
void nfsc_client_put(struct nfsc *c);
void nfsc_conn_closed(void *ctx, struct rpc_conn *conn);
void nfsc_forget_conns(struct nfsc *c);

/* @conn is of no use any more: close it; repair makes a new one. */
void nfsc_conn_failed(struct nfsc *c, struct rpc_conn *conn);

/*
 * Wait until connection and session are good, repairing them if nobody else
 * does. 0 and a reference to the connection in @ret; -ECONNRESET when
 * @generation is given (not 0) and is not the session's any more; or why not.
 */
int nfsc_ensure(struct nfsc *c, uint64_t generation, struct rpc_conn **ret);

/* The session is gone as the server says; @generation saw it. */
void nfsc_session_lost(struct nfsc *c, uint64_t generation);

/* The server has it still, but we disagree about a slot: it has to go. */
void nfsc_session_broken(struct nfsc *c, uint64_t generation);

/* ---- nfsc_dial.c ---- */

/* A new connection as the configuration says; 0 or -errno. */
int nfsc_dial(struct nfsc *c, struct rpc_conn **ret);

/* ---- nfsc_session.c ---- */

/* Ask for the lease time; a server that does not tell is no error. */
int nfsc_learn_lease(struct nfsc *c);

/* ---- nfsc_call.c ---- */

/* Note what a SEQUENCE reply of that session tells; without the lock. */
void nfsc_note_flags(struct nfsc *c, uint64_t generation, uint32_t flags);

/* ---- nfsc_cb.c ---- */

enum rpc_verdict nfsc_cb_run(void *ctx, struct rpc_call *call);
void nfsc_cb_reset(struct nfsc_session *session);

#endif
