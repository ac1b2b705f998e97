/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that wait for a timer. Each is on the server's list, and belongs
 * to who takes it off: the timer, or the server that stops.
 */
#include "nfs/cb.h"

#include "base/cleanup.h"

/* The timer's: it is to be posted, and rpc must be there until it is. */
static bool take(struct cb_task *task)
{
	scope_lock(&task->server->cb_lock);
	if (list_empty(&task->waiting))
		return false;
	list_del(&task->waiting);
	task->server->cb_posting++;
	return true;
}

static void note_posted(struct nfs_server *server)
{
	scope_lock(&server->cb_lock);
	server->cb_posting--;
	cond_broadcast(&server->cb_posted);
}

/* On the timers' thread: a worker does the sending. */
static void retry_fired(struct timer *timer)
{
	struct cb_task *task = container_of(timer, struct cb_task, retry);
	struct nfs_server *server = task->server;

	if (!take(task))
		return; /* cb_stop() has it */
	task->job.run = task->retry_run;
	rpc_post(server->rpc, &task->job); /* and it may be gone */
	note_posted(server);
}

bool cb_retry_in(struct cb_task *task, uint64_t delay_ms,
	void (*run)(struct rpc_job *job))
{
	struct nfs_server *server = task->server;

	task->retry_run = run;
	timer_init(&task->retry, retry_fired);
	scope_lock(&server->cb_lock);
	if (atomic_load(&server->stopping))
		return false;
	timer_set(server->timers, &task->retry, delay_ms);
	list_add_tail(&server->cb_retries, &task->waiting);
	return true;
}

static struct cb_task *take_first(struct nfs_server *server)
{
	struct cb_task *task;

	scope_lock(&server->cb_lock);
	if (list_empty(&server->cb_retries))
		return NULL;
	task = list_first_entry(&server->cb_retries, struct cb_task, waiting);
	list_del(&task->waiting);
	return task;
}

/* Those that the timer took before us are with rpc, or soon will be. */
static void wait_for_timer(struct nfs_server *server)
{
	scope_lock(&server->cb_lock);
	while (server->cb_posting)
		cond_wait(&server->cb_posted, &server->cb_lock);
}

void cb_stop(struct nfs_server *server)
{
	struct cb_task *task;

	lock_acquire(&server->cb_lock);
	atomic_store(&server->stopping, true);
	lock_release(&server->cb_lock);
	while ((task = take_first(server))) {
		timer_cancel_wait(server->timers, &task->retry);
		task->job.run = cb_abandon;
		rpc_post(server->rpc, &task->job);
	}
	wait_for_timer(server);
}

void cb_init(struct nfs_server *server)
{
	lock_init(&server->cb_lock, LOCK_CB_RETRIES);
	cond_init(&server->cb_posted);
	list_init(&server->cb_retries);
}

void cb_fini(struct nfs_server *server)
{
	cond_fini(&server->cb_posted);
	lock_fini(&server->cb_lock);
}
