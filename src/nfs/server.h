/* SPDX-License-Identifier: MIT */
/*
 * What the NFS floor needs to serve: the endpoint it answers on, the state
 * manager, the exports and the keys. The daemon builds one; protocol tests
 * build one over a socketpair and a memory store.
 */
#ifndef NFS_SERVER_H
#define NFS_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "nfs/count.h"
#include "nfs/local.h"
#include "nfs/export.h"
#include "rpc/rpc.h"
#include "state/dirseen.h"
#include "state/state.h"
#include "store/store.h"

#define NFS_PROGRAM  100003
#define NFS_VERSION4 4

/* The most one READ or WRITE moves (maxread, maxwrite). */
#define NFS_IO_MAX (1024 * 1024)

/* The largest record: one WRITE and what stands around it. */
#define NFS_RECORD_MAX (NFS_IO_MAX + 16 * 1024)

struct nfs_server {
	struct rpc *rpc;
	struct rpc_program program; /* what `rpc` runs: us */
	struct state *state;
	struct clock *clock;   /* borrowed */
	struct timers *timers; /* borrowed */
	struct exports exports;
	uint8_t handle_key[16]; /* MAC key of filehandles */

	struct nfs_counts counts;
	struct local local;
	struct dirseen dirs_seen;

	struct rpc_gate return_gate; /* DELEGRETURNs that wait for a batch */

	struct rpc_job end_job; /* runs state_end_slice() */
	atomic_bool end_posted;

	atomic_bool stopping;   /* callbacks end at once */
	struct lock cb_lock;    /* LOCK_CB_RETRIES */
	struct list cb_retries; /* those that a timer will send again */
	unsigned cb_posting;    /* that it is handing to `rpc` now */
	struct cond cb_posted;
};

struct nfs_server_config {
	struct clock *clock;       /* borrowed */
	struct timers *timers;     /* borrowed */
	struct state_config state; /* ops are filled in by the server */
	struct rpc_config rpc;     /* programs are filled in by the server */
	struct export *exports;    /* borrowed: the server copies them */
	size_t nexports;
	uint8_t handle_key[16];
};

/* Defaults of both floors below, sized to each other. */
void nfs_server_config_default(struct nfs_server_config *config,
	struct clock *clock, struct timers *timers);

/*
 * A running server without connections: rpc_listen() or rpc_add_socket() on
 * its `rpc` next. 0 or -errno. Takes three ticks of file time, which a fake
 * clock must have moved since a server over the same store was stopped. Stores
 * stay the caller's and must outlive the server. See exports_init() for what is
 * refused.
 */
int nfs_server_start(
	const struct nfs_server_config *config, struct nfs_server **ret);

/* Close all connections, end all clients, free. */
void nfs_server_stop(struct nfs_server *server);

#endif
