/* SPDX-License-Identifier: MIT */
#include "state/node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/changeattr.h"
#include "state/client.h"
#include "state/open_private.h"
#include "state/state_private.h"

/* Nodes kept only for their change attribute; above, the oldest goes early. */
#define NODES_IDLE_MAX 65536

static struct node_shard *shard_of(struct state *s, uint64_t hash)
{
	return &s->nodes[hash >> 32 & (NODE_SHARDS - 1)];
}

static struct node *find_locked(
	struct node_shard *shard, const struct fileid *id, uint64_t hash)
{
	struct htab_link *at;

	htab_for_each_match(at, &shard->table, hash) {
		struct node *n = container_of(at, struct node, link);

		if (n->id_len == id->len &&
			memcmp(n->id_data, id->data, id->len) == 0)
			return n;
	}
	return NULL;
}

void *node_room_new(void)
{
	return malloc(sizeof(struct node) + FILEID_MAX);
}

/* The rest of it is not kept as long as the node is. */
static struct node *shrink_room(void *room, size_t size)
{
	struct node *n = realloc(room, size);

	return n ? n : room;
}

/* Takes @room, if there is any. */
static struct node *node_new(
	struct state *s, const struct fileid *id, void *room)
{
	size_t size = sizeof(struct node) + id->len;
	struct node *n = room ? shrink_room(room, size) : malloc(size);

	if (!n)
		return NULL;
	*n = (struct node){.state = s, .id_len = id->len};
	ref_init(&n->ref);
	lock_init(&n->change, LOCK_CHANGE);
	lock_init(&n->lock, LOCK_NODE);
	list_init(&n->opens);
	list_init(&n->locks);
	list_init(&n->delegs);
	list_init(&n->idle);
	memcpy(n->id_data, id->data, id->len);
	counter_add(&s->count_nodes, 1);
	return n;
}

static void node_free(struct node *n)
{
	assert(list_empty(&n->opens) && list_empty(&n->locks));
	assert(list_empty(&n->delegs) && list_empty(&n->idle) && !n->side);
	counter_add(&n->state->count_nodes, -1);
	lock_fini(&n->change);
	lock_fini(&n->lock);
	free(n);
}

struct node *node_get(struct state *s, const struct fileid *id)
{
	void *room = NULL;

	return node_get_in(s, id, &room);
}

struct node *node_get_in(struct state *s, const struct fileid *id, void **room)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct node_shard *shard = shard_of(s, hash);
	struct node *n;

	scope_lock(&shard->lock);
	n = find_locked(shard, id, hash);
	if (n)
		return node_ref(n);
	n = node_new(s, id, *room);
	*room = NULL;
	if (n)
		htab_insert(&shard->table, &n->link, hash);
	return n;
}

struct node *node_find(struct state *s, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct node_shard *shard = shard_of(s, hash);
	struct node *n;

	scope_lock(&shard->lock);
	n = find_locked(shard, id, hash);
	return n ? node_ref(n) : NULL;
}

struct node *node_ref(struct node *n)
{
	ref_get(&n->ref);
	return n;
}

/* Drop a reference that is not the last; false when it may be. */
static bool put_shared(struct node *n)
{
	int seen = ref_read(&n->ref);

	while (seen > 1) {
		if (atomic_compare_exchange_weak(
			    &n->ref.count, &seen, seen - 1))
			return true;
	}
	return false;
}

/*
 * The last reference goes under the shard's lock, so that whoever finds a node
 * in the table finds a live one.
 */
void node_put(struct node *n)
{
	struct node_shard *shard;
	bool last;

	if (!n || put_shared(n))
		return;
	shard = shard_of(n->state, n->link.hash);
	lock_acquire(&shard->lock);
	last = ref_put(&n->ref);
	if (last)
		htab_remove(&shard->table, &n->link);
	lock_release(&shard->lock);
	if (last)
		node_free(n);
}

void node_copy_id(const struct node *n, struct fileid *ret)
{
	ret->len = n->id_len;
	memcpy(ret->data, n->id_data, n->id_len);
}

bool node_has_opens(struct node *n)
{
	scope_lock(&n->lock);
	return !list_empty(&n->opens);
}

/* The client of its oldest open, or NULL. */
static struct client *opener_locked(struct node *n)
{
	struct open *o;

	if (list_empty(&n->opens))
		return NULL;
	o = list_first_entry(&n->opens, struct open, on_node);
	return o->sid.client;
}

bool node_opener_orphans(struct node *n, uint32_t *count)
{
	struct client *opener;

	scope_lock(&n->lock);
	opener = opener_locked(n);
	if (opener)
		*count = atomic_load(&opener->orphans);
	return opener;
}

bool node_set_pinned(struct node *n, void *store)
{
	struct client *opener;

	scope_lock(&n->lock);
	opener = opener_locked(n);
	if (!opener || n->pinned)
		return false;
	n->pinned = true;
	n->pin_store = store;
	n->pin_client = client_ref(opener);
	atomic_fetch_add(&opener->orphans, 1);
	return true;
}

void node_unpin_unused(struct node *n)
{
	struct state_ops *ops = &n->state->config.ops;
	struct client *client;
	void *store;
	struct fileid id;
	bool unpin;

	lock_acquire(&n->lock);
	unpin = n->pinned && list_empty(&n->opens);
	store = n->pin_store;
	client = n->pin_client;
	if (unpin) {
		n->pinned = false;
		n->pin_client = NULL;
	}
	lock_release(&n->lock);
	if (!unpin)
		return;
	atomic_fetch_sub(&client->orphans, 1);
	client_put(client);
	node_copy_id(n, &id);
	if (ops->unpin)
		ops->unpin(ops->ctx, store, &id);
}

/* ---- nodes kept for their change attribute ---- */

/* The oldest of the list when its time is over, taken off; else NULL. */
static struct node *pop_idle(struct state *s, uint64_t now_ms)
{
	struct node *n;

	scope_lock(&s->idle_lock);
	if (list_empty(&s->nodes_idle))
		return NULL;
	n = list_first_entry(&s->nodes_idle, struct node, idle);
	if (n->change_until_ms + s->config.change_linger_ms > now_ms)
		return NULL;
	list_del(&n->idle);
	s->nodes_idle_count--;
	return n;
}

static uint64_t idle_interval_ms(const struct state *s)
{
	return changeattr_keep_ms(s) + s->config.change_linger_ms / 16;
}

static void idle_fired(struct timer *t)
{
	struct state *s = container_of(t, struct state, idle_timer);
	uint64_t now_ms = state_now_ms(s);
	struct node *n;
	bool more;

	while ((n = pop_idle(s, now_ms)))
		node_put(n);
	lock_acquire(&s->idle_lock);
	more = !list_empty(&s->nodes_idle);
	lock_release(&s->idle_lock);
	if (more)
		timer_set(s->config.timers, t, idle_interval_ms(s));
}

/* Off the list when it has grown too long: the oldest, or NULL. */
static struct node *pop_surplus_locked(
	struct state *s, uint64_t now_ms, uint64_t until_ms)
{
	struct node *n;

	if (s->nodes_idle_count <= NODES_IDLE_MAX)
		return NULL;
	n = list_first_entry(&s->nodes_idle, struct node, idle);
	if (n->change_until_ms > now_ms)
		changeattr_forget_early(s, until_ms);
	list_del(&n->idle);
	s->nodes_idle_count--;
	return n;
}

struct node *node_keep_locked(struct node *n)
{
	struct state *s = n->state;
	uint64_t now_ms = state_now_ms(s);
	uint64_t until_ms = now_ms + changeattr_keep_ms(s);
	struct node *surplus;
	bool first;

	lock_acquire(&s->idle_lock);
	first = list_empty(&s->nodes_idle);
	if (list_empty(&n->idle)) {
		ref_get(&n->ref);
		s->nodes_idle_count++;
	}
	list_del(&n->idle);
	n->change_until_ms = until_ms;
	list_add_tail(&s->nodes_idle, &n->idle);
	surplus = pop_surplus_locked(s, now_ms, until_ms);
	lock_release(&s->idle_lock);
	if (first)
		timer_set(
			s->config.timers, &s->idle_timer, idle_interval_ms(s));
	return surplus;
}

/* ---- the table ---- */

int node_state_init(struct state *s)
{
	for (int i = 0; i < NODE_SHARDS; i++) {
		lock_init(&s->nodes[i].lock, LOCK_NODES);
		if (htab_init(&s->nodes[i].table, 0) < 0)
			return -ENOMEM;
	}
	lock_init(&s->idle_lock, LOCK_LEAF);
	list_init(&s->nodes_idle);
	timer_init(&s->idle_timer, idle_fired);
	return 0;
}

void node_state_fini(struct state *s)
{
	struct node *n;

	if (s->idle_timer.fire)
		timer_cancel_wait(s->config.timers, &s->idle_timer);
	while (s->nodes_idle.next && (n = pop_idle(s, UINT64_MAX)))
		node_put(n);
	for (int i = 0; i < NODE_SHARDS; i++) {
		assert(s->nodes[i].table.count == 0);
		htab_fini(&s->nodes[i].table);
		lock_fini(&s->nodes[i].lock);
	}
	lock_fini(&s->idle_lock);
}
