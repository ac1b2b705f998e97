/* SPDX-License-Identifier: MIT */
/*
 * Sending callbacks (RFC 8881 2.10.3, 20): one CB_COMPOUND of CB_SEQUENCE and
 * at most one operation, on any session of the client that has a live
 * backchannel and a free slot. A lost connection is retried on another one with
 * the same slot and seqid; what to send and what an answer means is up to
 * cb_recall.c, cb_notify.c and cb_probe.c.
 */
#ifndef NFS_CB_H
#define NFS_CB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/server.h"
#include "proto/nfs4.h"
#include "rpc/rpc.h"
#include "state/cbsession.h"
#include "state/session.h"
#include "wire/xdr.h"

struct cb_task;

/* How a callback ended. */
enum cb_end {
	CB_END_ANSWERED, /* the operation has a status */
	CB_END_NOTHING,  /* `encode` had nothing to send any more */
	CB_END_DOWN,     /* no usable backchannel */
	CB_END_FAILED,   /* no answer, or none that makes sense */
};

struct cb_kind {
	enum count_callback counted_as;
	/*
	 * Put the operation behind CB_SEQUENCE, at most @room bytes. Returns
	 * how many operations (0 or 1); < 0: nothing to send, give up the slot.
	 */
	int (*encode)(struct cb_task *task, struct xdr *out, size_t room);
	/* The end; the task is the owner's again and may be freed. */
	void (*done)(struct cb_task *task, enum cb_end end, nfsstat4 status);
	/*
	 * The largest request that may become of it: it goes on a session that
	 * takes as much, as long as there is one. NULL: any will do.
	 */
	size_t (*largest)(const struct cb_task *task);
	/* The request that the client may not have seen answered; or NULL. */
	const struct slot_ref *(*referring)(struct cb_task *task);
};

/* One callback on its way, embedded in its owner's object. */
struct cb_task {
	const struct cb_kind *kind;
	struct nfs_server *server;
	struct client *client; /* a reference while under way */
	struct rpc_outcall out;
	struct rpc_job job;
	struct timer retry; /* after a DELAY, or for a lost connection */
	void (*retry_run)(struct rpc_job *job); /* what it starts */
	uint64_t lost_ms; /* when the connection went; 0 = it did not */
	/* client->cb_waiting, for a slot; server->cb_retries, for a timer. */
	struct list waiting;
	uint32_t calls_seen; /* client->cb_calls when it began to look */
	bool called;         /* it is the first in line, and looks */
	size_t need;         /* bytes a session's requests may have */
	struct cb_slot slot;
	bool in_doubt; /* sent, then the connection was lost: was it seen? */
	bool settling; /* a lone CB_SEQUENCE first: the slot is in doubt */
	unsigned tries;
	uint8_t *request; /* kept for a retry */
	size_t size;
};

/* Start it; `done` runs on a worker, once. May be called under no lock. */
void cb_submit(struct cb_task *task, const struct cb_kind *kind,
	struct nfs_server *server, struct client *client);

/* The server's part of this, before its first callback and after the last. */
void cb_init(struct nfs_server *server);
void cb_fini(struct nfs_server *server);

/*
 * The server stops: no callback is begun any more, those that wait for a timer
 * end. Those on their way end with their connections. rpc still runs.
 */
void cb_stop(struct nfs_server *server);

/*
 * Run @run on a worker in @delay_ms. False: it will not be, because the server
 * stops. A task that waits so when the server stops runs cb_abandon() instead.
 */
bool cb_retry_in(struct cb_task *task, uint64_t delay_ms,
	void (*run)(struct rpc_job *job));
void cb_abandon(struct rpc_job *job);

/* There is no way to send it (any more): CB_END_DOWN. */
void cb_end_unsent(struct cb_task *task);

/*
 * The line of those that wait for a slot (cb_line.c). Before it looks for one:
 * false, others came first, and it will be run again when it is called. Then
 * either it waits for one, or it has one (or there is none to be had) and
 * leaves.
 */
bool cb_line_may_look(struct cb_task *task);
void cb_line_wait(struct cb_task *task);
void cb_line_leave(struct cb_task *task);

/*
 * state_ops.cb_ready: a slot or a connection of @client can be tried again. The
 * first in line is called.
 */
void cb_ready(void *ctx, struct client *client);

/* state_ops.send_recall, send_notify, send_probe, send_recall_any; ctx is the nfs_server. */
void cb_recall_send(void *ctx, struct deleg *d);
void cb_notify_send(void *ctx, struct deleg *d);
void cb_probe_send(void *ctx, struct client *client);
void cb_recall_any_send(void *ctx, struct client *client, uint32_t keep);

#endif
