/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "base/cleanup.h"
#include "rpc/endpoint.h"

/* How long a call may wait for a permit; real time, whatever the clock. */
#define PERMIT_WAIT_MS 100

unsigned permit_total(const struct rpc *rpc)
{
	return rpc->config.threads_max - rpc->config.reserve;
}

static unsigned gate_limit(const struct rpc *rpc, const struct rpc_gate *gate)
{
	unsigned half = permit_total(rpc) / 2;

	if (gate->limit)
		return gate->limit;
	return half ? half : 1;
}

static uint64_t real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return timespec_to_ns(&now) / NSEC_PER_MSEC;
}

static bool available_locked(struct rpc *rpc, const struct rpc_gate *gate)
{
	return rpc->permits_taken < permit_total(rpc) &&
		gate->taken < gate_limit(rpc, gate);
}

/* Threads that serve nobody now, or could still be started. */
static bool may_wait_locked(struct rpc *rpc)
{
	int waiting = atomic_load(&rpc->waiting);
	unsigned idle = waiting > 0 ? waiting : 0;

	return !rpc->stop &&
		rpc->config.threads_max - rpc->threads + idle >
		rpc->config.reserve;
}

/*
 * Threads that keep all who hold or want a permit away from the others. Must
 * be called with the lock held and may drop it.
 */
static void replace_thread_locked(struct rpc *rpc)
{
	unsigned want = rpc->config.threads_min;

	if (want < rpc->config.reserve)
		want = rpc->config.reserve;
	want += rpc->permits_taken + rpc->permit_waiters;
	if (rpc->threads >= want || rpc->threads >= rpc->config.threads_max)
		return;
	lock_release(&rpc->pool);
	worker_pool_grow(rpc, want);
	lock_acquire(&rpc->pool);
}

static bool wait_available_locked(struct rpc *rpc, struct rpc_gate *gate)
{
	uint64_t until = real_ms() + PERMIT_WAIT_MS;

	while (!available_locked(rpc, gate)) {
		uint64_t now = real_ms();

		if (now >= until || !may_wait_locked(rpc))
			return false;
		cond_wait_ms(&rpc->permit_given, &rpc->pool, until - now);
	}
	return true;
}

static bool take(struct rpc *rpc, struct rpc_gate *gate, bool wait)
{
	bool taken;

	scope_lock(&rpc->pool);
	rpc->permit_waiters++;
	replace_thread_locked(rpc);
	taken = available_locked(rpc, gate) ||
		(wait && wait_available_locked(rpc, gate));
	rpc->permit_waiters--;
	if (taken) {
		rpc->permits_taken++;
		gate->taken++;
	}
	return taken;
}

bool rpc_permit_take(struct rpc *rpc, struct rpc_gate *gate)
{
	return take(rpc, gate, true);
}

bool rpc_permit_try(struct rpc *rpc, struct rpc_gate *gate)
{
	return take(rpc, gate, false);
}

void rpc_permit_give(struct rpc *rpc, struct rpc_gate *gate)
{
	scope_lock(&rpc->pool);
	rpc->permits_taken--;
	gate->taken--;
	if (rpc->permit_waiters)
		cond_broadcast(&rpc->permit_given);
}
