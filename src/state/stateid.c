/* SPDX-License-Identifier: MIT */
#include "state/stateid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/bytelock.h"
#include "state/policy_stateid.h"
#include "state/state_private.h"

/*
 * `other`: the client's id, which is never used again, and a number of this
 * stateid. The number is a counter spread over 32 bits (an odd factor keeps
 * it unique), so that nobody can take two for neighbours.
 */
static void make_other(struct stateid *sid)
{
	struct client *c = sid->client;
	uint32_t number;

	lock_acquire(&c->stateids_lock);
	number = ++c->stateids_made * UINT32_C(0x9e3779b1);
	lock_release(&c->stateids_lock);
	memcpy(sid->other, &c->id, sizeof(c->id));
	memcpy(sid->other + sizeof(c->id), &number, sizeof(number));
}

void stateid_init(struct stateid *sid, enum stateid_kind kind,
	struct client *client, struct node *node,
	void (*free)(struct stateid *sid))
{
	*sid = (struct stateid){
		.kind = kind,
		.status = STATEID_LIVE,
		.seqid = 1,
		.client = client_ref(client),
		.node = node ? node_ref(node) : NULL,
		.free = free,
	};
	ref_init(&sid->ref);
	list_init(&sid->on_client);
	make_other(sid);
}

void stateid_set_node(struct stateid *sid, struct node *node)
{
	assert(!sid->node);
	sid->node = node_ref(node);
}

static _Atomic uint32_t *count_of_kind(struct client *c, enum stateid_kind kind)
{
	switch (kind) {
	case STATEID_OPEN:
		return &c->opens;
	case STATEID_LOCK:
		return &c->locks;
	case STATEID_DELEG_FILE:
		return &c->file_delegs;
	default:
		return &c->dir_delegs;
	}
}

static _Atomic uint32_t *count_of_status(
	struct client *c, enum stateid_status status)
{
	switch (status) {
	case STATEID_EXPIRED:
		return &c->revoked_expired;
	case STATEID_ADMIN_REVOKED:
		return &c->revoked_admin;
	default:
		return &c->revoked;
	}
}

/* Where @sid counts as long as it is in the table. */
static _Atomic uint32_t *count_of(struct stateid *sid)
{
	enum stateid_status status = sid->status;

	if (policy_stateid_revoked(status))
		return count_of_status(sid->client, status);
	return count_of_kind(sid->client, sid->kind);
}

/* Into the table; the reference that goes with it is the caller's matter. */
static void table_locked(struct client *c, struct stateid *sid)
{
	assert(!sid->inserted);
	sid->inserted = true;
	htab_insert(&c->stateids_table, &sid->link,
		htab_hash(sid->other, sizeof(sid->other)));
	if (!sid->reserved)
		atomic_fetch_add(count_of(sid), 1);
	sid->reserved = false;
}

/* Out of it and of the list, likewise. */
static void untable_locked(struct client *c, struct stateid *sid)
{
	sid->inserted = false;
	htab_remove(&c->stateids_table, &sid->link);
	list_del(&sid->on_client);
	atomic_fetch_sub(count_of(sid), 1);
}

static void insert_locked(struct client *c, struct stateid *sid)
{
	stateid_ref(sid);
	table_locked(c, sid);
	/* In front what goes first at the client's end. */
	if (sid->kind == STATEID_DELEG_DIR)
		list_add_tail(&c->stateids, &sid->on_client);
	else
		list_add_head(&c->stateids, &sid->on_client);
	counter_add(&c->state->count_stateids, 1);
}

static bool is_full(struct stateid *sid, uint32_t max)
{
	const struct client *c = sid->client;
	uint32_t revoked = c->revoked + c->revoked_expired + c->revoked_admin;

	return policy_stateid_full(sid->kind, *count_of(sid), max, revoked);
}

static enum stateid_inserted may_insert_locked(
	struct stateid *sid, uint32_t max)
{
	if (sid->client->stateids_closed)
		return STATEID_CLIENT_ENDED;
	if (!sid->reserved && is_full(sid, max))
		return STATEID_CLIENT_FULL;
	return STATEID_INSERTED;
}

enum stateid_inserted stateid_insert_within(struct stateid *sid, uint32_t max)
{
	struct client *c = sid->client;
	enum stateid_inserted result;

	scope_lock(&c->stateids_lock);
	result = may_insert_locked(sid, max);
	if (result == STATEID_INSERTED)
		insert_locked(c, sid);
	return result;
}

enum stateid_inserted stateid_reserve(struct stateid *sid, uint32_t max)
{
	enum stateid_inserted result;

	scope_lock(&sid->client->stateids_lock);
	result = may_insert_locked(sid, max);
	if (result != STATEID_INSERTED)
		return result;
	sid->reserved = true;
	atomic_fetch_add(count_of(sid), 1);
	return result;
}

bool stateid_insert(struct stateid *sid)
{
	return stateid_insert_within(sid, 0) == STATEID_INSERTED;
}

static struct stateid *find_locked(
	struct client *c, const uint8_t other[NFS4_OTHER_SIZE])
{
	uint64_t hash = htab_hash(other, NFS4_OTHER_SIZE);
	struct htab_link *at;

	htab_for_each_match(at, &c->stateids_table, hash) {
		struct stateid *sid = container_of(at, struct stateid, link);

		if (memcmp(sid->other, other, NFS4_OTHER_SIZE) == 0)
			return sid;
	}
	return NULL;
}

/* What is in the table for @sid: itself, or what stayed when it was revoked. */
static struct stateid *in_table_locked(struct client *c, struct stateid *sid)
{
	if (sid->inserted)
		return sid;
	return policy_stateid_revoked(sid->status) ? find_locked(c, sid->other)
						   : NULL;
}

/* Out of the table, with its reference; NULL when nothing was there. */
static struct stateid *take_out(struct stateid *sid)
{
	struct client *c = sid->client;
	struct stateid *out;

	scope_lock(&c->stateids_lock);
	out = in_table_locked(c, sid);
	if (!out)
		return NULL;
	untable_locked(c, out);
	counter_add(&c->state->count_stateids, -1);
	if (!policy_stateid_revoked(out->status))
		out->status = STATEID_CLOSED;
	return out;
}

void stateid_remove(struct stateid *sid)
{
	struct stateid *out = take_out(sid);

	if (out)
		stateid_put(out);
}

/* ---- revoked ---- */

static void free_stub(struct stateid *stub)
{
	free(stub);
}

struct stateid *stateid_stub_new(const struct stateid *sid)
{
	struct stateid *stub = malloc(sizeof(*stub));

	if (!stub)
		return NULL;
	*stub = (struct stateid){
		.kind = sid->kind,
		.client = client_ref(sid->client),
		.free = free_stub,
	};
	ref_init(&stub->ref);
	list_init(&stub->on_client);
	memcpy(stub->other, sid->other, sizeof(stub->other));
	return stub;
}

/* In its place in the list, too: the order there means something. */
static void replace_locked(
	struct client *c, struct stateid *sid, struct stateid *stub)
{
	list_insert_after(&sid->on_client, &stub->on_client);
	untable_locked(c, sid);
	stub->seqid = sid->seqid;
	stub->status = sid->status;
	table_locked(c, stub);
}

struct stateid *stateid_revoke(
	struct stateid *sid, enum stateid_status status, struct stateid *stub)
{
	struct client *c = sid->client;

	assert(policy_stateid_revoked(status));
	scope_lock(&c->stateids_lock);
	if (!sid->inserted || policy_stateid_revoked(sid->status))
		return stub;
	atomic_fetch_sub(count_of(sid), 1);
	sid->status = status;
	atomic_fetch_add(count_of(sid), 1);
	if (!stub)
		return NULL;
	replace_locked(c, sid, stub);
	return sid;
}

void stateid_ref(struct stateid *sid)
{
	ref_get(&sid->ref);
}

void stateid_put(struct stateid *sid)
{
	struct client *c = sid->client;
	struct node *n = sid->node;

	if (!ref_put(&sid->ref))
		return;
	if (sid->reserved)
		atomic_fetch_sub(count_of(sid), 1);
	sid->free(sid);
	node_put(n);
	client_put(c);
}

/* With a reference, or NULL. */
static struct stateid *find(struct client *c, const stateid4 *wire)
{
	struct stateid *sid;

	scope_lock(&c->stateids_lock);
	sid = find_locked(c, wire->other);
	if (sid)
		stateid_ref(sid);
	return sid;
}

nfsstat4 stateid_lookup(struct client *client, const stateid4 *wire,
	unsigned kinds, struct stateid **ret)
{
	struct stateid *sid = find(client, wire);
	nfsstat4 status;

	*ret = NULL;
	if (!sid)
		return NFS4ERR_BAD_STATEID;
	status = policy_stateid_use(
		sid->status, sid->kind & kinds, sid->seqid, wire->seqid);
	if (status == NFS4_OK)
		*ret = sid;
	else
		stateid_put(sid);
	return status;
}

void stateid_to_wire(const struct stateid *sid, stateid4 *ret)
{
	ret->seqid = sid->seqid;
	memcpy(ret->other, sid->other, sizeof(sid->other));
}

void stateid_advance_locked(struct stateid *sid)
{
	lock_assert_held(&sid->node->lock);
	if (++sid->seqid == 0)
		sid->seqid = 1; /* 0 means "the current one" (8.2.2) */
}

static bool other_is(const stateid4 *wire, uint8_t byte)
{
	for (size_t i = 0; i < sizeof(wire->other); i++) {
		if (wire->other[i] != byte)
			return false;
	}
	return true;
}

bool stateid_is_anonymous(const stateid4 *wire)
{
	return wire->seqid == 0 && other_is(wire, 0);
}

bool stateid_is_bypass(const stateid4 *wire)
{
	return wire->seqid == UINT32_MAX && other_is(wire, 0xff);
}

bool stateid_is_current(const stateid4 *wire)
{
	return wire->seqid == 1 && other_is(wire, 0);
}

bool stateid_is_invalid(const stateid4 *wire)
{
	return wire->seqid == UINT32_MAX && other_is(wire, 0);
}

nfsstat4 stateid_test(struct client *client, const stateid4 *wire)
{
	struct stateid *sid;
	nfsstat4 status = stateid_lookup(client, wire, STATEID_ANY, &sid);

	if (sid)
		stateid_put(sid);
	return status;
}

nfsstat4 stateid_free_state(struct client *client, const stateid4 *wire)
{
	struct stateid *sid = find(client, wire);
	nfsstat4 status;

	if (!sid)
		return NFS4ERR_BAD_STATEID;
	status = policy_stateid_seqid(sid->seqid, wire->seqid);
	if (status == NFS4_OK && policy_stateid_revoked(sid->status))
		stateid_remove(sid);
	else if (status == NFS4_OK && sid->kind == STATEID_LOCK)
		status = bytelock_free_state(sid);
	else if (status == NFS4_OK)
		status = NFS4ERR_LOCKS_HELD;
	stateid_put(sid);
	return status;
}
