/* SPDX-License-Identifier: MIT */
#include "state/state.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "state/state_private.h"

void state_config_default(struct state_config *config)
{
	*config = (struct state_config){
		.lease_ms = 90 * 1000,
		.grace_ms = 90 * 1000,
		.max_clients = 10000,
		.max_sessions = 64,
		.max_slots = 64,
		.max_request = (1u << 20) + 4096, /* 1 MiB of WRITE */
		.max_response = (1u << 20) + 4096,
		.max_cached = 8192, /* Linux asks for 7,588 */
		.max_ops = 64,
		.max_cache_bytes = 256u << 20,
		.max_opens = 100000,
		.max_locks = 100000,
		.max_dir_delegs = 100000,
		.max_deleg_bytes = 1u << 30,
		.notify_max_events = 16384,
		.notify_max_bytes = 4u << 20,
		.notify_window_ms = 50,
		.recall_wait_ms = 30,
		.damping_ms = 500,
		.damping_max_ms = 30000,
		.told_max_entries = 10000,
		.child_attr_min_delay_ms = 200,
		.dir_delegations = true,
		.classic_notify = true,
	};
}

static void make_server_owner(struct state *s)
{
	static const char digits[16] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(s->config.server_id); i++) {
		s->server_owner[i * 2] = digits[s->config.server_id[i] >> 4];
		s->server_owner[i * 2 + 1] =
			digits[s->config.server_id[i] & 15];
	}
}

static bool init_parts(struct state *s)
{
	return node_state_init(s) == 0 && session_state_init(s) == 0 &&
		client_state_init(s) == 0 &&
		childindex_init(&s->children) == 0 &&
		deleg_books_init(&s->delegs, s) == 0;
}

struct state *state_new(const struct state_config *config)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	s->tick_ns = clock_file_tick_ns(config->clock);
	s->grace_until_ms = state_now_ms(s) + config->grace_ms;
	make_server_owner(s);
	childdue_init(&s->child_due, s);
	if (!init_parts(s)) {
		state_free(s);
		return NULL;
	}
	return s;
}

/* What is set again by calls that still run finds nobody to call. */
void state_quiesce(struct state *s)
{
	timer_cancel_wait(s->config.timers, &s->lease_timer);
	timer_cancel_wait(s->config.timers, &s->delegs.recall_timer);
	timer_cancel_wait(s->config.timers, &s->delegs.batch_timer);
	timer_cancel_wait(s->config.timers, &s->child_due.timer);
}

void state_free(struct state *s)
{
	if (!s)
		return;
	client_state_fini(s);
	childdue_fini(&s->child_due);
	childindex_fini(&s->children);
	deleg_books_fini(&s->delegs);
	session_state_fini(s);
	node_state_fini(s);
	free(s);
}

const struct state_config *state_get_config(const struct state *s)
{
	return &s->config;
}

struct deleg_books *state_deleg_books(struct state *s)
{
	return &s->delegs;
}

bool state_in_grace(struct state *s)
{
	return !s->grace_over && state_now_ms(s) < s->grace_until_ms;
}

void state_end_grace(struct state *s)
{
	s->grace_over = true;
}

static uint64_t count_clients(struct state *s)
{
	scope_lock(&s->clients_lock);
	return s->clients_count;
}

void state_read_stats(struct state *s, struct state_stats *ret)
{
	*ret = (struct state_stats){
		.clients = count_clients(s),
		.sessions = counter_read(&s->count_sessions),
		.opens = counter_read(&s->count_opens),
		.locks = counter_read(&s->count_locks),
		.nodes = counter_read(&s->count_nodes),
		.stateids = counter_read(&s->count_stateids),
		.replay_bytes = counter_read(&s->count_replay_bytes),
	};
	deleg_books_stats(&s->delegs, ret);
}
