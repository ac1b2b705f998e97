/* SPDX-License-Identifier: MIT */
#include "rpc/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rpc/conn.h"

/* A 1 MiB READ or WRITE and what surrounds it in a COMPOUND. */
#define MAX_RECORD_DEFAULT ((1024 + 32) * 1024)

void rpc_config_default(struct rpc_config *config)
{
	*config = (struct rpc_config){
		.max_record = MAX_RECORD_DEFAULT,
		.max_connections = 10000,
		.threads_max = 256,
		.reserve = 4,
		.max_calls = 64,
		.max_unsent = 4 * 1024 * 1024,
		.max_arrears = (size_t)512 * 1024 * 1024,
		.idle_ms = 5 * 60 * 1000,
		.stuck_ms = 90 * 1000,
	};
}

/* ---- the table of connections ---- */

static struct endpoint_shard *shard_of(struct rpc *rpc, uint64_t id)
{
	return &rpc->shards[(id >> 1) % ENDPOINT_SHARDS];
}

int endpoint_add(struct rpc *rpc, struct rpc_conn *conn)
{
	struct endpoint_shard *shard;

	conn->id = atomic_fetch_add(&rpc->next_id, 2);
	shard = shard_of(rpc, conn->id);
	scope_lock(&shard->lock);
	if (atomic_load(&rpc->closing)) /* rpc_free() looks here after this */
		return -ESHUTDOWN;
	htab_insert(&shard->conns, &conn->by_id, conn->id);
	rpc_conn_get(conn);
	return 0;
}

void endpoint_remove(struct rpc *rpc, struct rpc_conn *conn)
{
	struct endpoint_shard *shard = shard_of(rpc, conn->id);

	scope_lock(&shard->lock);
	htab_remove(&shard->conns, &conn->by_id);
}

struct rpc_conn *endpoint_find(struct rpc *rpc, uint64_t id)
{
	struct endpoint_shard *shard = shard_of(rpc, id);
	struct htab_link *link;

	scope_lock(&shard->lock);
	link = htab_first(&shard->conns, id);
	if (!link)
		return NULL;
	return rpc_conn_get(container_of(link, struct rpc_conn, by_id));
}

bool endpoint_count(struct rpc *rpc)
{
	if (atomic_fetch_add(&rpc->nconns, 1) < rpc->config.max_connections)
		return true;
	endpoint_uncount(rpc);
	counter_add(&rpc->stats.refused, 1);
	return false;
}

void endpoint_uncount(struct rpc *rpc)
{
	scope_lock(&rpc->pool);
	if (atomic_fetch_sub(&rpc->nconns, 1) == 1)
		cond_broadcast(&rpc->quiet);
}

/* Any connection of the shard that is not closing yet, with a reference. */
static struct rpc_conn *find_open(struct endpoint_shard *shard)
{
	struct htab_link *link = NULL;
	size_t cursor = 0;

	scope_lock(&shard->lock);
	while ((link = htab_walk(&shard->conns, &cursor, link))) {
		struct rpc_conn *conn =
			container_of(link, struct rpc_conn, by_id);

		if (rpc_conn_is_open(conn))
			return rpc_conn_get(conn);
	}
	return NULL;
}

static void close_all(struct rpc *rpc)
{
	struct rpc_conn *conn;

	for (int i = 0; i < ENDPOINT_SHARDS; i++) {
		while ((conn = find_open(&rpc->shards[i]))) {
			rpc_conn_close(conn);
			rpc_conn_put(conn);
		}
	}
}

/* ---- start and end ---- */

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 2 ? n : 2;
}

/* Values that cannot be meant become those that can. */
static void settle_config(struct rpc_config *c)
{
	if (c->threads_max <= c->reserve)
		c->threads_max = c->reserve + 1;
	if (c->threads_min == 0)
		c->threads_min = cores();
	if (c->threads_min > c->threads_max)
		c->threads_min = c->threads_max;
	if (c->max_calls == 0)
		c->max_calls = 1;
}

static int init_shards(struct rpc *rpc)
{
	int err = 0;

	for (int i = 0; i < ENDPOINT_SHARDS; i++) {
		lock_init(&rpc->shards[i].lock, LOCK_CONNS);
		if (htab_init(&rpc->shards[i].conns, 16) < 0)
			err = -ENOMEM;
	}
	return err;
}

static void fini_shards(struct rpc *rpc)
{
	for (int i = 0; i < ENDPOINT_SHARDS; i++) {
		htab_fini(&rpc->shards[i].conns);
		lock_fini(&rpc->shards[i].lock);
	}
}

static int init_epoll(struct rpc *rpc)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLET, .data.u64 = ENDPOINT_EVENT_WAKE};

	rpc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rpc->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rpc->epoll_fd < 0 || rpc->wake_fd < 0)
		return -errno;
	if (epoll_ctl(rpc->epoll_fd, EPOLL_CTL_ADD, rpc->wake_fd, &ev) < 0)
		return -errno;
	return 0;
}

/* Buffers hold the largest record and the largest reply with its mark. */
static void init_bufs(struct rpc *rpc)
{
	size_t size = rpc->config.max_record;

	if (size < RECORD_SMALL)
		size = RECORD_SMALL;
	buf_pool_init(&rpc->bufs, size + 4096, cores() + 4);
}

static void endpoint_fini(struct rpc *rpc)
{
	worker_pool_fini(rpc);
	listener_fini_all(rpc);
	if (rpc->wake_fd >= 0)
		close(rpc->wake_fd);
	if (rpc->epoll_fd >= 0)
		close(rpc->epoll_fd);
	fini_shards(rpc);
	buf_pool_fini(&rpc->bufs);
	arrears_fini(&rpc->arrears);
	lock_fini(&rpc->listen_lock);
	free(rpc);
}

struct rpc *rpc_new(const struct rpc_config *config)
{
	struct rpc *rpc = calloc(1, sizeof(*rpc));
	int err;

	if (!rpc)
		return NULL;
	rpc->config = *config;
	rpc->epoll_fd = rpc->wake_fd = -1;
	settle_config(&rpc->config);
	atomic_init(&rpc->next_id, 1);
	lock_init(&rpc->listen_lock, LOCK_CONNS);
	list_init(&rpc->listeners);
	init_bufs(rpc);
	arrears_init(&rpc->arrears, rpc->config.max_arrears);
	worker_pool_init(rpc);
	err = init_shards(rpc);
	if (!err)
		err = init_epoll(rpc);
	if (!err)
		err = worker_pool_grow(rpc, rpc->config.threads_min);
	if (!err)
		return rpc;
	endpoint_fini(rpc);
	errno = -err;
	return NULL;
}

/* Until the last connection is torn down. */
static void wait_quiet(struct rpc *rpc)
{
	scope_lock(&rpc->pool);
	while (atomic_load(&rpc->nconns) > 0)
		cond_wait(&rpc->quiet, &rpc->pool);
}

void rpc_free(struct rpc *rpc)
{
	if (!rpc)
		return;
	atomic_store(&rpc->closing, true);
	close_all(rpc);
	wait_quiet(rpc);
	endpoint_fini(rpc);
}
