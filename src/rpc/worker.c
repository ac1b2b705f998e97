/* SPDX-License-Identifier: MIT */
/*
 * Leader and followers: every worker waits in epoll_wait() on the one epoll
 * instance, and the kernel wakes one for each event (the last to have gone to
 * sleep, whose caches are warm). There is no dispatcher to hand work over.
 *
 * Work that does not come from a socket (jobs, connections with a record
 * already buffered) lies in queues; a worker looks there each time round, and
 * an edge on the eventfd wakes one worker when some sleep. `waiting` and
 * `queued` are each written before the other is read, so either the poster
 * sees the sleeper or the sleeper sees the work.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "rpc/conn.h"

/* All threads blocked for this long: add one. */
#define STALL_MS 20

/* What decoding one request may allocate. */
#define ARENA_LIMIT(max_record) (4 * (max_record) + 1024 * 1024)

/* ---- a pool whose threads all block grows ---- */

static void watch_stall(struct rpc *rpc)
{
	if (atomic_exchange(&rpc->stall_set, true))
		return;
	rpc->stall_picks = atomic_load(&rpc->picks);
	timer_set(rpc->config.timers, &rpc->stall, STALL_MS);
}

static void stall_fire(struct timer *t)
{
	struct rpc *rpc = container_of(t, struct rpc, stall);
	bool stalled = rpc->stall_picks == atomic_load(&rpc->picks);

	atomic_store(&rpc->stall_set, false);
	if (atomic_load(&rpc->waiting) > 0)
		return;
	if (stalled) {
		lock_acquire(&rpc->pool);
		unsigned want = rpc->threads + 1;
		lock_release(&rpc->pool);
		worker_pool_grow(rpc, want);
	}
	watch_stall(rpc);
}

/* This worker has something to do now. */
static void note_pick(struct rpc *rpc)
{
	atomic_fetch_add(&rpc->picks, 1);
	if (atomic_load(&rpc->waiting) == 0)
		watch_stall(rpc);
}

/* ---- queues ---- */

static void wake_one(struct rpc *rpc)
{
	uint64_t one = 1;
	ssize_t n = write(rpc->wake_fd, &one, sizeof(one));

	assert(n == sizeof(one)); /* nobody adds 2^64 of them */
	(void)n;
}

/* One of the queues got an item. */
static void note_queued(struct rpc *rpc)
{
	atomic_fetch_add(&rpc->queued, 1);
	if (atomic_load(&rpc->waiting) > 0)
		wake_one(rpc);
}

void rpc_post(struct rpc *rpc, struct rpc_job *job)
{
	lock_acquire(&rpc->pool);
	list_add_tail(&rpc->jobs, &job->link);
	lock_release(&rpc->pool);
	note_queued(rpc);
}

void worker_pool_ready(struct rpc *rpc, struct rpc_conn *conn)
{
	lock_acquire(&rpc->pool);
	list_add_tail(&rpc->ready, &conn->ready);
	lock_release(&rpc->pool);
	note_queued(rpc);
}

static struct rpc_job *take_job(struct rpc *rpc)
{
	struct rpc_job *job;

	scope_lock(&rpc->pool);
	if (list_empty(&rpc->jobs))
		return NULL;
	job = list_first_entry(&rpc->jobs, struct rpc_job, link);
	list_del(&job->link);
	atomic_fetch_sub(&rpc->queued, 1);
	return job;
}

static struct rpc_conn *take_ready(struct rpc *rpc)
{
	struct rpc_conn *conn;

	scope_lock(&rpc->pool);
	if (list_empty(&rpc->ready))
		return NULL;
	conn = list_first_entry(&rpc->ready, struct rpc_conn, ready);
	list_del(&conn->ready);
	atomic_fetch_sub(&rpc->queued, 1);
	return conn;
}

/* Several posts can be one edge: who takes an item wakes the next worker. */
static void pass_on(struct rpc *rpc)
{
	if (atomic_load(&rpc->queued) > 0 && atomic_load(&rpc->waiting) > 0)
		wake_one(rpc);
}

static void run_job(struct rpc *rpc, struct rpc_job *job)
{
	counter_add(&rpc->stats.jobs, 1);
	job->run(job); /* may free it */
}

/* One item of each queue, so that neither waits for the other. */
static void run_queued(struct worker *w)
{
	struct rpc *rpc = w->rpc;
	struct rpc_conn *conn = take_ready(rpc);
	struct rpc_job *job;

	if (conn) {
		note_pick(rpc);
		pass_on(rpc);
		conn_read(w, conn);
		rpc_conn_put(conn);
	}
	job = take_job(rpc);
	if (job) {
		note_pick(rpc);
		pass_on(rpc);
		run_job(rpc, job);
	}
}

/* ---- events ---- */

static void handle_event(struct worker *w, const struct epoll_event *ev)
{
	struct rpc_conn *conn;

	if (ev->data.u64 == ENDPOINT_EVENT_WAKE)
		return; /* the queues are looked at anyway */
	if (!(ev->data.u64 & 1)) {
		listener_event(ev->data.ptr);
		return;
	}
	conn = endpoint_find(w->rpc, ev->data.u64);
	if (!conn)
		return;
	conn_event(w, conn, ev->events);
	rpc_conn_put(conn);
}

/* Sleep until there is an event, or look for one if there is queued work. */
static bool wait_event(struct rpc *rpc, struct epoll_event *ev)
{
	int n;

	atomic_fetch_add(&rpc->waiting, 1);
	n = epoll_wait(
		rpc->epoll_fd, ev, 1, atomic_load(&rpc->queued) ? 0 : -1);
	atomic_fetch_sub(&rpc->waiting, 1);
	if (n <= 0)
		return false;
	note_pick(rpc);
	return true;
}

static bool must_stop(struct rpc *rpc)
{
	scope_lock(&rpc->pool);
	return rpc->stop;
}

static void worker_loop(struct worker *w)
{
	struct epoll_event ev;

	for (;;) {
		if (atomic_load(&w->rpc->queued))
			run_queued(w);
		if (wait_event(w->rpc, &ev))
			handle_event(w, &ev);
		arrears_enforce(w->rpc);
		if (atomic_load(&w->rpc->closing) && must_stop(w->rpc))
			return;
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	arena_init(&w->call.arena, ARENA_LIMIT(w->rpc->config.max_record));
	worker_loop(w);
	arena_fini(&w->call.arena);
	record_fini(&w->spare, &w->rpc->bufs);
	free(w->inbuf);
	return NULL;
}

/* ---- the pool ---- */

void worker_pool_init(struct rpc *rpc)
{
	lock_init(&rpc->pool, LOCK_POOL);
	list_init(&rpc->jobs);
	list_init(&rpc->ready);
	list_init(&rpc->workers);
	cond_init(&rpc->permit_given);
	cond_init(&rpc->quiet);
	timer_init(&rpc->stall, stall_fire);
}

/* Workers leave signals to the thread that wants them. */
static int create_thread(struct worker *w)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static int start_worker(struct rpc *rpc)
{
	struct worker *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->rpc = rpc;
	err = create_thread(w);
	if (err) {
		free(w);
		return err;
	}
	scope_lock(&rpc->pool);
	list_add_tail(&rpc->workers, &w->link);
	return 0;
}

/* One thread more is to be started, and counted already. */
static bool claim_thread(struct rpc *rpc, unsigned want)
{
	scope_lock(&rpc->pool);
	if (rpc->stop || rpc->threads >= want ||
		rpc->threads >= rpc->config.threads_max)
		return false;
	rpc->threads++;
	return true;
}

int worker_pool_grow(struct rpc *rpc, unsigned want)
{
	while (claim_thread(rpc, want)) {
		int err = start_worker(rpc);

		if (err) {
			scope_lock(&rpc->pool);
			rpc->threads--;
			log_limited(LOG_LVL_WARN, 60000,
				"cannot start a worker thread error=%d", -err);
			return err;
		}
	}
	return 0;
}

/* Let all sleepers see the eventfd, which nobody reads, from now on. */
static void stop_workers(struct rpc *rpc)
{
	struct epoll_event ev = {.events = EPOLLIN};

	lock_acquire(&rpc->pool);
	rpc->stop = true;
	cond_broadcast(&rpc->permit_given);
	lock_release(&rpc->pool);
	atomic_store(&rpc->closing, true);
	if (rpc->wake_fd < 0)
		return;
	wake_one(rpc);
	epoll_ctl(rpc->epoll_fd, EPOLL_CTL_MOD, rpc->wake_fd, &ev);
}

static struct worker *take_worker(struct rpc *rpc)
{
	struct worker *w;

	scope_lock(&rpc->pool);
	if (list_empty(&rpc->workers))
		return NULL;
	w = list_first_entry(&rpc->workers, struct worker, link);
	list_del(&w->link);
	return w;
}

static void join_workers(struct rpc *rpc)
{
	struct worker *w;

	while ((w = take_worker(rpc))) {
		pthread_join(w->thread, NULL);
		free(w);
	}
}

void worker_pool_fini(struct rpc *rpc)
{
	struct rpc_job *job;

	stop_workers(rpc);
	timer_cancel_wait(rpc->config.timers, &rpc->stall);
	join_workers(rpc);
	timer_cancel_wait(rpc->config.timers, &rpc->stall);
	while ((job = take_job(rpc)))
		run_job(rpc, job);
	cond_fini(&rpc->permit_given);
	cond_fini(&rpc->quiet);
	lock_fini(&rpc->pool);
}
