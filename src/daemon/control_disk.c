/* SPDX-License-Identifier: MIT */
#include "daemon/control_disk.h"

#include "base/cleanup.h"

/*
 * How long an operator waits for what would be nice to know; and while another
 * answer is late: exports are often of one disk, and hang together.
 */
#define PATIENCE_MS      1000
#define PATIENCE_LESS_MS 50

void control_disks_init(struct control_disks *disks)
{
	list_init(&disks->late);
}

void control_query_init(struct control_query *q)
{
	ref_init(&q->ref);
	list_init(&q->link);
	lock_init(&q->lock, LOCK_LEAF);
	cond_init(&q->cond);
}

void control_query_put(struct control_query *q)
{
	if (!ref_put(&q->ref))
		return;
	cond_fini(&q->cond);
	lock_fini(&q->lock);
	q->free(q);
}

static void finish(struct control_query *q, bool was_run)
{
	scope_lock(&q->lock);
	q->was_run = was_run;
	q->done = true;
	cond_signal(&q->cond);
}

static void run_query(struct rpc_job *job)
{
	struct control_query *q = container_of(job, struct control_query, job);
	bool permitted = rpc_permit_take(q->rpc, q->gate);

	if (permitted) {
		q->run(q);
		rpc_permit_give(q->rpc, q->gate);
	}
	finish(q, permitted);
	control_query_put(q);
}

static bool is_done(struct control_query *q)
{
	scope_lock(&q->lock);
	return q->done;
}

static bool wait_done(struct control_query *q, uint64_t patience_ms)
{
	scope_lock(&q->lock);
	while (!q->done) {
		if (!cond_wait_ms(&q->cond, &q->lock, patience_ms))
			return false;
	}
	return true;
}

/* Is an answer of the same export late still? Forget those that came. */
static bool is_late(struct control_disks *disks, const struct rpc_gate *gate)
{
	struct control_query *q, *next;
	bool late = false;

	list_for_each_entry_safe(q, next, &disks->late, link) {
		if (is_done(q)) {
			list_del(&q->link);
			control_query_put(q);
		} else if (q->gate == gate) {
			late = true;
		}
	}
	return late;
}

bool control_disks_ask(struct control_disks *disks, struct control_query *q,
	struct nfs_server *server, struct export *export)
{
	uint64_t patience_ms;

	if (is_late(disks, &export->gate))
		return false;
	patience_ms = list_empty(&disks->late) ? PATIENCE_MS : PATIENCE_LESS_MS;
	q->rpc = server->rpc;
	q->gate = &export->gate;
	q->job.run = run_query;
	ref_get(&q->ref);
	rpc_post(server->rpc, &q->job);
	if (wait_done(q, patience_ms))
		return q->was_run;
	ref_get(&q->ref);
	list_add_tail(&disks->late, &q->link);
	return false;
}

void control_disks_fini(struct control_disks *disks)
{
	struct control_query *q, *next;

	list_for_each_entry_safe(q, next, &disks->late, link) {
		list_del(&q->link);
		control_query_put(q);
	}
}
