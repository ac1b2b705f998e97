/* SPDX-License-Identifier: MIT */
#include "state/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/deleg_private.h"
#include "state/session_private.h"
#include "state/state_private.h"

/* Buckets looked at under one hold of a table's lock. */
#define BUCKETS_AT_ONCE 256

/* ---- piles ---- */

/* Room for @n more; false without memory. Not under a lock. */
static bool pile_reserve(struct inspect_pile *p, size_t n)
{
	size_t room = p->count + n;
	void **grown;

	if (room <= p->room)
		return true;
	grown = realloc(p->item, room * sizeof(*grown));
	if (!grown)
		return false;
	p->item = grown;
	p->room = room;
	return true;
}

static void *pile_take(struct inspect_pile *p)
{
	return p->count ? p->item[--p->count] : NULL;
}

static void *client_taken(struct htab_link *link)
{
	struct client *c = container_of(link, struct client, by_id);

	return c->confirmed ? client_ref(c) : NULL;
}

static void *node_taken(struct htab_link *link)
{
	return node_ref(container_of(link, struct node, link));
}

/* A table on the way through it. */
struct scan {
	struct lock *lock;
	const struct htab *table;
	uint64_t *cursor;
	void *(*taken)(struct htab_link *link); /* a reference, or NULL */
};

static size_t bucket_length(const struct htab_link *at)
{
	size_t n = 0;

	for (; at; at = at->next)
		n++;
	return n;
}

/*
 * What is in the next buckets, as far as there is room. Returns the room that
 * is missing for the first of them, else 0.
 */
static size_t pile_buckets(struct inspect_pile *p, const struct scan *scan)
{
	scope_lock(scan->lock);
	for (int n = 0; n < BUCKETS_AT_ONCE; n++) {
		uint64_t next = *scan->cursor;
		struct htab_link *at = htab_scan(scan->table, &next);
		size_t length = bucket_length(at);

		if (p->count + length > p->room)
			return n ? 0 : length;
		for (; at; at = at->next) {
			p->item[p->count] = scan->taken(at);
			p->count += p->item[p->count] != NULL;
		}
		*scan->cursor = next;
		if (next == 0)
			return 0;
	}
	return 0;
}

/* False without memory. The table is through when its cursor is 0. */
static bool pile_some(struct inspect_pile *p, const struct scan *scan)
{
	size_t missing = BUCKETS_AT_ONCE;

	do {
		if (!pile_reserve(p, missing))
			return false;
		missing = pile_buckets(p, scan);
	} while (missing);
	return true;
}

/* ---- clients ---- */

void client_walk_init(struct client_walk *w, struct state *s)
{
	*w = (struct client_walk){.state = s};
}

struct client *client_walk_next(struct client_walk *w)
{
	struct state *s = w->state;
	const struct scan scan = {.lock = &s->clients_lock,
		.table = &s->clients_by_id,
		.cursor = &w->cursor,
		.taken = client_taken};

	while (w->clients.count == 0 && !w->at_end && !w->failed) {
		w->failed = !pile_some(&w->clients, &scan);
		w->at_end = w->cursor == 0;
	}
	return pile_take(&w->clients);
}

void client_walk_fini(struct client_walk *w)
{
	struct client *c;

	while ((c = pile_take(&w->clients)))
		client_put(c);
	free(w->clients.item);
}

static uint32_t first_minor_version(struct client *c)
{
	if (list_empty(&c->sessions))
		return 0;
	return list_first_entry(&c->sessions, struct session, on_client)
		->info.minor_version;
}

static uint64_t silent_ms(struct client *c)
{
	uint64_t heard_ms = c->lease_until_ms - c->state->config.lease_ms;
	uint64_t now_ms = state_now_ms(c->state);

	return c->calls_running == 0 && now_ms > heard_ms ? now_ms - heard_ms
							  : 0;
}

void client_inspect(struct client *c, struct client_view *ret)
{
	*ret = (struct client_view){
		.expired = client_is_expired(c),
		.silent_ms = silent_ms(c),
		.opens = c->opens,
		.lock_ranges = c->lock_ranges,
		.file_delegs = c->file_delegs,
		.dir_delegs = c->dir_delegs,
		.revoked = c->revoked + c->revoked_expired + c->revoked_admin,
		.backchannel = c->cb_health,
	};
	scope_lock(&c->lock);
	ret->sessions = c->sessions_count;
	ret->minor_version = first_minor_version(c);
}

static void *session_any_conn(struct session *ss)
{
	const struct state_ops *ops = &ss->state->config.ops;
	struct session_conn *link;

	scope_lock(&ss->lock);
	if (list_empty(&ss->conns))
		return NULL;
	link = list_first_entry(&ss->conns, struct session_conn, on_session);
	if (ops->conn_get)
		ops->conn_get(ops->ctx, link->conn);
	return link->conn;
}

void *client_any_conn(struct client *c)
{
	struct session *ss;
	void *conn;

	scope_lock(&c->lock);
	list_for_each_entry(ss, &c->sessions, on_client) {
		conn = session_any_conn(ss);
		if (conn)
			return conn;
	}
	return NULL;
}

/* ---- delegations ---- */

void deleg_walk_init(struct deleg_walk *w, struct state *s)
{
	*w = (struct deleg_walk){.state = s};
}

/* References to the delegations on @n; the room that is missing, else 0. */
static size_t pile_holders(struct inspect_pile *p, struct node *n)
{
	size_t length = 0;
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node)
		length++;
	if (p->count + length > p->room)
		return length;
	list_for_each_entry(d, &n->delegs, on_node)
		p->item[p->count++] = deleg_ref(d);
	return 0;
}

/* Takes the reference to @n. */
static bool pile_delegs(struct inspect_pile *p, struct node *n)
{
	size_t missing;
	bool room = true;

	while (room && (missing = pile_holders(p, n)))
		room = pile_reserve(p, missing);
	node_put(n);
	return room;
}

/* The nodes of the next part of the table. */
static bool pile_nodes(struct deleg_walk *w)
{
	struct node_shard *shard = &w->state->nodes[w->shard];
	const struct scan scan = {.lock = &shard->lock,
		.table = &shard->table,
		.cursor = &w->cursor,
		.taken = node_taken};
	bool room = pile_some(&w->nodes, &scan);

	w->shard += w->cursor == 0;
	return room;
}

struct deleg *deleg_walk_next(struct deleg_walk *w)
{
	struct node *n;

	while (w->delegs.count == 0 && !w->failed) {
		n = pile_take(&w->nodes);
		if (n)
			w->failed = !pile_delegs(&w->delegs, n);
		else if (w->shard < NODE_SHARDS)
			w->failed = !pile_nodes(w);
		else
			break;
	}
	return pile_take(&w->delegs);
}

void deleg_walk_fini(struct deleg_walk *w)
{
	struct deleg *d;
	struct node *n;

	while ((d = pile_take(&w->delegs)))
		deleg_put(d);
	while ((n = pile_take(&w->nodes)))
		node_put(n);
	free(w->delegs.item);
	free(w->nodes.item);
}

void deleg_inspect(struct deleg *d, struct deleg_view *ret)
{
	struct state *s = d->sid.node->state;
	uint64_t now_ms = state_now_ms(s);

	*ret = (struct deleg_view){
		.age_ms = now_ms - d->granted_s * UINT64_C(1000),
		.queued = notifyq_length(&d->queue),
	};
	scope_lock(&d->sid.node->lock);
	ret->state = d->state;
	ret->reason = d->recall_reason;
	if (ret->state == DELEG_RECALLED)
		ret->recalled_ms = recall_age_ms(
			now_ms, d->recall_until, s->config.lease_ms);
}

struct deleg *deleg_by_other(
	struct state *s, const uint8_t other[NFS4_OTHER_SIZE])
{
	stateid4 wire = {.seqid = 0};
	struct stateid *sid = NULL;
	struct client *c;
	uint64_t id;

	memcpy(&id, other, sizeof(id)); /* as stateid.c makes it */
	memcpy(wire.other, other, sizeof(wire.other));
	c = client_find(s, id);
	if (!c)
		return NULL;
	stateid_lookup(c, &wire, STATEID_DELEG_DIR | STATEID_DELEG_FILE, &sid);
	client_put(c);
	return sid ? deleg_of(sid) : NULL;
}
