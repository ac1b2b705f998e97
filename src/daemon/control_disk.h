/* SPDX-License-Identifier: MIT */
/*
 * What of an answer needs a disk. A worker asks it, with a permit as a client's
 * call has, and the thread of the control socket waits for a moment only: a
 * disk that hangs is when operators ask, and must not hold them up, nor a stop.
 * As long as an answer of an export is late, nothing more is asked of it.
 */
#ifndef DAEMON_CONTROL_DISK_H
#define DAEMON_CONTROL_DISK_H

#include "base/list.h"
#include "base/lock.h"
#include "base/ref.h"
#include "nfs/server.h"

/* The questions whose answers are late; the control thread's. */
struct control_disks {
	struct list late;
};

/* A question, embedded in its arguments and its answer. */
struct control_query {
	/* On a worker; may take as long as the disk does. */
	void (*run)(struct control_query *q);
	void (*free)(struct control_query *q);

	/* Below: control_disk.c's. */
	struct ref ref;
	struct rpc *rpc;
	struct rpc_gate *gate;
	struct rpc_job job;
	struct list link; /* in control_disks.late */
	struct lock lock; /* LOCK_LEAF; guards the following */
	struct cond cond;
	bool done, was_run;
};

void control_disks_init(struct control_disks *disks);

/* Waits for nobody; what is late is freed when it comes. */
void control_disks_fini(struct control_disks *disks);

/* With a reference, the caller's; run and free are set. */
void control_query_init(struct control_query *q);
void control_query_put(struct control_query *q);

/*
 * Have @q run for @export. True: it has been. False: the disk or a permit did
 * not come in time, and what is in @q is not the caller's any more.
 */
bool control_disks_ask(struct control_disks *disks, struct control_query *q,
	struct nfs_server *server, struct export *export);

#endif
