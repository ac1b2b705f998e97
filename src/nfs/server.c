/* SPDX-License-Identifier: MIT */
#include "nfs/server.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nfs/cb.h"
#include "nfs/childjob.h"
#include "nfs/compound.h"
#include "rpc/rpc.h"

/* How long a client may stay away and find its cache of what it wrote true. */
#define CHANGE_LINGER_MS (10 * 60 * 1000)

/* How many DELEGRETURNs may wait for their batch on a thread. */
#define RETURNS_WAITING 16

/* RPC header and credentials around a compound, generously. */
#define RPC_OVERHEAD 1024

/* ---- what state asks of this floor ---- */

static void unpin(void *ctx, void *store, const struct fileid *id)
{
	store_unpin(store, id);
}

static void conn_bound(void *ctx, void *conn, bool bound)
{
	rpc_conn_set_bound(conn, bound);
}

static void conn_get(void *ctx, void *conn)
{
	rpc_conn_get(conn);
}

static void conn_put(void *ctx, void *conn)
{
	rpc_conn_put(conn);
}

static void end_slices(void *ctx)
{
	struct nfs_server *server = ctx;

	if (!atomic_exchange(&server->end_posted, true))
		rpc_post(server->rpc, &server->end_job);
}

static void run_end_slice(struct rpc_job *job)
{
	struct nfs_server *server =
		container_of(job, struct nfs_server, end_job);

	atomic_store(&server->end_posted, false); /* it may be posted again */
	if (state_end_slice(server->state))
		end_slices(server);
}

static void dir_deleg_ended(
	void *ctx, const struct fileid *dir, bool child_attrs)
{
	local_release(ctx, dir, child_attrs);
}

static struct state_ops state_ops_for(struct nfs_server *server)
{
	return (struct state_ops){
		.send_recall = cb_recall_send,
		.send_notify = cb_notify_send,
		.send_probe = cb_probe_send,
		.send_recall_any = cb_recall_any_send,
		.cb_ready = cb_ready,
		.unpin = unpin,
		.conn_bound = conn_bound,
		.conn_get = conn_get,
		.conn_put = conn_put,
		.end_slices = end_slices,
		.dir_deleg_ended = dir_deleg_ended,
		.tell_children = childjob_start,
		.ctx = server,
	};
}

/* ---- start and stop ---- */

void nfs_server_config_default(struct nfs_server_config *config,
	struct clock *clock, struct timers *timers)
{
	*config = (struct nfs_server_config){
		.clock = clock,
		.timers = timers,
	};
	state_config_default(&config->state);
	config->state.clock = clock;
	config->state.timers = timers;
	config->state.change_linger_ms = CHANGE_LINGER_MS;
	config->state.grace_ms = 0; /* nothing is reclaimable: doc/design.md */
	config->state.max_request = NFS_RECORD_MAX;
	config->state.max_response = NFS_RECORD_MAX;
	rpc_config_default(&config->rpc);
	config->rpc.clock = clock;
	config->rpc.timers = timers;
	config->rpc.max_record = NFS_RECORD_MAX + RPC_OVERHEAD;
	/*
	 * A session that uses all its slots does not stop its connection from
	 * being read: answers to callbacks come on it.
	 */
	config->rpc.max_calls = 2 * config->state.max_slots;
}

static int start_state(
	struct nfs_server *server, const struct nfs_server_config *config)
{
	struct state_config state = config->state;

	state.ops = state_ops_for(server);
	server->state = state_new(&state);
	return server->state ? 0 : -ENOMEM;
}

static int start_rpc(
	struct nfs_server *server, const struct nfs_server_config *config)
{
	struct rpc_config rpc = config->rpc;

	server->program = (struct rpc_program){
		.number = NFS_PROGRAM,
		.version_low = NFS_VERSION4,
		.version_high = NFS_VERSION4,
		.run = compound_run,
		.conn_closed = compound_conn_closed,
		.ctx = server,
	};
	rpc.programs = &server->program;
	rpc.nprograms = 1;
	rpc.stuck_ms = config->state.lease_ms;
	server->rpc = rpc_new(&rpc);
	return server->rpc ? 0 : -errno;
}

/*
 * A server before us, if it was killed just now, may have given change values
 * for ctimes that are not closed yet: see state/changeattr.h.
 */
static void outlive_open_ctimes(struct clock *clock)
{
	struct timespec wait = timespec_from_ns(3 * clock_file_tick_ns(clock));

	if (!clock->fake) /* whoever moves it sees to it */
		clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
}

static void free_server(struct nfs_server *server)
{
	state_free(server->state);
	local_fini(server);
	dirseen_fini(&server->dirs_seen);
	exports_fini(&server->exports);
	cb_fini(server);
	free(server);
}

int nfs_server_start(
	const struct nfs_server_config *config, struct nfs_server **ret)
{
	struct nfs_server *server;
	int err;

	if (sodium_init() < 0)
		return -ENOSYS;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	cb_init(server);
	err = local_init(server);
	if (err == 0)
		err = dirseen_init(&server->dirs_seen);
	server->end_job.run = run_end_slice;
	server->return_gate.limit = RETURNS_WAITING;
	server->clock = config->clock;
	server->timers = config->timers;
	memcpy(server->handle_key, config->handle_key,
		sizeof(server->handle_key));
	outlive_open_ctimes(config->clock);
	if (err == 0)
		err = exports_init(&server->exports, config->exports,
			config->nexports, config->clock);
	if (err == 0)
		err = start_state(server, config);
	if (err == 0)
		err = start_rpc(server, config);
	if (err < 0) {
		free_server(server);
		return err;
	}
	local_start(server);
	*ret = server;
	return 0;
}

void nfs_server_stop(struct nfs_server *server)
{
	if (!server)
		return;
	cb_stop(server);
	state_quiesce(server->state);
	local_stop(server);
	rpc_free(server->rpc);
	free_server(server);
}
