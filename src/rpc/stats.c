/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "rpc/endpoint.h"

void rpc_read_stats(struct rpc *rpc, struct rpc_stats *ret)
{
	const struct endpoint_stats *s = &rpc->stats;

	*ret = (struct rpc_stats){
		.calls = counter_read(&s->calls),
		.replies = counter_read(&s->replies),
		.outcalls = counter_read(&s->outcalls),
		.jobs = counter_read(&s->jobs),
		.calls_running = counter_read(&s->running),
		.connections = atomic_load(&rpc->nconns),
		.connections_refused = counter_read(&s->refused),
		.records_refused = counter_read(&s->records_refused),
		.idle_closed = counter_read(&s->idle_closed),
		.stuck_closed = counter_read(&s->stuck_closed),
		.arrears_closed = counter_read(&s->arrears_closed),
		.arrears = atomic_load(&rpc->arrears.bytes),
		.arrears_max = rpc->config.max_arrears,
		.accept_pauses = counter_read(&s->accept_pauses),
		.connections_max = rpc->config.max_connections,
		.threads_max = rpc->config.threads_max,
		.permits = permit_total(rpc),
	};
	scope_lock(&rpc->pool);
	ret->threads = rpc->threads;
	ret->permits_taken = rpc->permits_taken;
}
