/* SPDX-License-Identifier: MIT */
/*
 * Leases: a client that has not been heard of for a lease ends at once when it
 * holds no opens and no locks; else it becomes a courtesy client, which keeps
 * what it holds until somebody needs it (client_end_if_expired) or a day has
 * passed. Directory delegations alone keep nobody (DD-13): they are nothing
 * that a client could not ask for again.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "state/client.h"
#include "state/client_private.h"
#include "state/state_private.h"

#define COURTESY_MS  (24ull * 3600 * 1000)
#define EXPIRE_BATCH 64

static bool is_over(struct client *c, uint64_t now_ms)
{
	if (!client_is_expired(c))
		return false;
	if (!c->confirmed || now_ms >= c->lease_until_ms + COURTESY_MS)
		return true;
	return !c->opens && !c->locks && !c->file_delegs;
}

/* References to clients that are over, at most EXPIRE_BATCH. */
static int collect(struct state *s, struct client **over)
{
	uint64_t now_ms = state_now_ms(s);
	struct htab_link *at = NULL;
	size_t cursor = 0;
	int count = 0;

	scope_lock(&s->clients_lock);
	while (count < EXPIRE_BATCH &&
		(at = htab_walk(&s->clients_by_id, &cursor, at))) {
		struct client *c = container_of(at, struct client, by_id);

		if (is_over(c, now_ms))
			over[count++] = client_ref(c);
	}
	return count;
}

void client_expire_leases(struct state *s)
{
	struct client *over[EXPIRE_BATCH];
	int count;

	do {
		count = collect(s, over);
		for (int i = 0; i < count; i++) {
			client_end_if_expired(over[i]);
			client_put(over[i]);
		}
	} while (count == EXPIRE_BATCH);
}

static void lease_fired(struct timer *t)
{
	struct state *s = container_of(t, struct state, lease_timer);

	client_expire_leases(s);
	timer_set(s->config.timers, t, s->config.lease_ms / 4 + 1);
}

int client_state_init(struct state *s)
{
	lock_init(&s->clients_lock, LOCK_CLIENTS);
	list_init(&s->ending);
	if (htab_init(&s->clients_by_id, 0) < 0 ||
		htab_init(&s->clients_by_owner, 0) < 0)
		return -ENOMEM;
	timer_init(&s->lease_timer, lease_fired);
	timer_set(
		s->config.timers, &s->lease_timer, s->config.lease_ms / 4 + 1);
	return 0;
}

static struct client *any_client(struct state *s)
{
	struct htab_link *at;
	size_t cursor = 0;

	scope_lock(&s->clients_lock);
	at = htab_walk(&s->clients_by_id, &cursor, NULL);
	return at ? client_ref(container_of(at, struct client, by_id)) : NULL;
}

void client_state_fini(struct state *s)
{
	struct client *c;

	if (s->lease_timer.fire)
		timer_cancel_wait(s->config.timers, &s->lease_timer);
	while (s->clients_by_id.buckets && (c = any_client(s))) {
		client_end(c, CLIENT_END_SHUTDOWN);
		client_put(c);
	}
	while (s->clients_by_id.buckets && state_end_slice(s))
		;
	htab_fini(&s->clients_by_id);
	htab_fini(&s->clients_by_owner);
	lock_fini(&s->clients_lock);
}
