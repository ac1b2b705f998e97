/* SPDX-License-Identifier: MIT */
/* The limits on directory delegations (DD-10): who makes room. */
#include "base/cleanup.h"
#include "state/batch.h"
#include "state/client.h"
#include "state/deleg_private.h"
#include "state/dirmemory.h"
#include "state/policy_dirdeleg.h"
#include "state/recall.h"
#include "state/state_private.h"

#define EASE_ASK_MS     1000 /* between two walks near the limit */
#define EASE_RECLAIM_MS 10   /* between two recalls at it */
#define ASK_CLIENT_MS   5000 /* a client is asked so often */

struct heaviest {
	struct client *client; /* a reference; NULL: nobody has any */
	uint32_t held;
	uint32_t clients; /* that have some, or want the first */
};

static struct heaviest find_heaviest(struct state *s, const struct client *who)
{
	struct heaviest h = {.clients = who->dir_delegs == 0};
	struct htab_link *at = NULL;
	size_t cursor = 0;

	scope_lock(&s->clients_lock);
	while ((at = htab_walk(&s->clients_by_id, &cursor, at))) {
		struct client *c = container_of(at, struct client, by_id);
		uint32_t held = c->dir_delegs;

		h.clients += held > 0;
		if (held > h.held) {
			h.held = held;
			h.client = c;
		}
	}
	if (h.client)
		client_ref(h.client);
	return h;
}

/* Its oldest that is not being recalled, with a reference; or NULL. */
static struct deleg *oldest_of(struct client *c)
{
	struct stateid *sid;

	scope_lock(&c->stateids_lock);
	list_for_each_entry(sid, &c->stateids, on_client) {
		if (sid->kind == STATEID_DELEG_DIR &&
			sid->status == STATEID_LIVE &&
			deleg_of(sid)->state == DELEG_ACTIVE)
			return deleg_ref(deleg_of(sid));
	}
	return NULL;
}

static void reclaim_from(struct client *c)
{
	struct deleg *d = oldest_of(c);

	if (!d)
		return;
	recall_start(d, RECALL_RESOURCE);
	deleg_put(d);
}

static void ask_back(struct client *c, uint32_t held, uint64_t now)
{
	const struct state_ops *ops = &state_get_config(c->state)->ops;
	uint64_t last = c->asked_back_ms;

	if (held == 0 || !ops->send_recall_any ||
		(last && now - last < ASK_CLIENT_MS) ||
		!atomic_compare_exchange_strong(&c->asked_back_ms, &last, now))
		return;
	/* A quarter of what it has, and one at least. */
	ops->send_recall_any(ops->ctx, c, held - held / 4 - 1);
}

/* One walk now and then, however many ask. */
static bool is_time(
	struct deleg_books *b, uint64_t now, enum dirdeleg_pressure pressure)
{
	uint64_t pause =
		pressure == DIRDELEG_RECLAIM ? EASE_RECLAIM_MS : EASE_ASK_MS;

	scope_lock(&b->lock);
	if (now < b->ease_at_ms && b->ease_at_ms - now <= pause)
		return false;
	b->ease_at_ms = now + pause;
	return true;
}

/* All of them are too many: the client with the most makes room. */
static void ease_all(
	struct deleg_books *b, struct client *who, enum dirdeleg_pressure all)
{
	uint32_t out = atomic_load(&b->dir_delegs);
	struct heaviest h = find_heaviest(b->state, who);

	if (!h.client)
		return;
	ask_back(h.client, h.held, books_now_ms(b));
	if (all == DIRDELEG_RECLAIM &&
		dirdeleg_above_share(h.held, out, h.clients))
		reclaim_from(h.client);
	client_put(h.client);
}

/* Near what one client may have it is asked, too; it knows what it uses. */
static void ease_one(struct deleg_books *b, struct client *who)
{
	uint32_t max = state_get_config(b->state)->max_client_dir_delegs;
	uint32_t held = who->dir_delegs;

	if (max && dirdeleg_pressure(held, max) != DIRDELEG_ROOM)
		ask_back(who, held, books_now_ms(b));
}

/* What was too large for the memory that is left is not in its sum. */
static enum dirdeleg_pressure find_pressure(
	struct deleg_books *b, enum deleg_refusal refusal)
{
	const struct state_config *config = state_get_config(b->state);

	if (refusal == DELEG_REFUSED_MEMORY)
		return DIRDELEG_RECLAIM;
	return dirdeleg_tighter(dirdeleg_pressure(atomic_load(&b->dir_delegs),
					config->max_dir_delegs),
		dirdeleg_pressure(dirmemory_total(), config->max_deleg_bytes));
}

void dirdeleg_ease(
	struct deleg_books *b, struct client *who, enum deleg_refusal refusal)
{
	enum dirdeleg_pressure all = find_pressure(b, refusal);

	if (all == DIRDELEG_RECLAIM &&
		state_get_config(b->state)->refuse_at_limit)
		all = DIRDELEG_ASK;
	ease_one(b, who);
	if (all != DIRDELEG_ROOM && is_time(b, books_now_ms(b), all))
		ease_all(b, who, all);
}
