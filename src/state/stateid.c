/* SPDX-License-Identifier: MIT */
#include "state/stateid.h"

#include <assert.h>
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
		.node = node_ref(node),
		.free = free,
	};
	ref_init(&sid->ref);
	list_init(&sid->on_client);
	make_other(sid);
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

static bool is_revoked(enum stateid_status status)
{
	return status == STATEID_EXPIRED || status == STATEID_REVOKED ||
		status == STATEID_ADMIN_REVOKED;
}

/* Where @sid counts as long as it is in the table. */
static _Atomic uint32_t *count_of(struct stateid *sid)
{
	enum stateid_status status = sid->status;

	if (is_revoked(status))
		return count_of_status(sid->client, status);
	return count_of_kind(sid->client, sid->kind);
}

static void insert_locked(struct client *c, struct stateid *sid)
{
	assert(!sid->inserted);
	sid->inserted = true;
	stateid_ref(sid);
	htab_insert(&c->stateids_table, &sid->link,
		htab_hash(sid->other, sizeof(sid->other)));
	/* In front what goes first at the client's end. */
	if (sid->kind == STATEID_DELEG_DIR)
		list_add_tail(&c->stateids, &sid->on_client);
	else
		list_add_head(&c->stateids, &sid->on_client);
	atomic_fetch_add(count_of(sid), 1);
	counter_add(&c->state->count_stateids, 1);
}

enum stateid_inserted stateid_insert_within(struct stateid *sid, uint32_t max)
{
	struct client *c = sid->client;

	scope_lock(&c->stateids_lock);
	if (c->stateids_closed)
		return STATEID_CLIENT_ENDED;
	if (max && *count_of(sid) >= max)
		return STATEID_CLIENT_FULL;
	insert_locked(c, sid);
	return STATEID_INSERTED;
}

bool stateid_insert(struct stateid *sid)
{
	return stateid_insert_within(sid, 0) == STATEID_INSERTED;
}

static bool take_out(struct stateid *sid)
{
	struct client *c = sid->client;

	scope_lock(&c->stateids_lock);
	if (!sid->inserted)
		return false;
	sid->inserted = false;
	htab_remove(&c->stateids_table, &sid->link);
	list_del(&sid->on_client);
	atomic_fetch_sub(count_of(sid), 1);
	counter_add(&c->state->count_stateids, -1);
	if (!is_revoked(sid->status))
		sid->status = STATEID_CLOSED;
	return true;
}

void stateid_remove(struct stateid *sid)
{
	if (take_out(sid))
		stateid_put(sid);
}

void stateid_revoke(struct stateid *sid, enum stateid_status status)
{
	struct client *c = sid->client;

	assert(is_revoked(status));
	scope_lock(&c->stateids_lock);
	if (!sid->inserted || is_revoked(sid->status))
		return;
	atomic_fetch_sub(count_of(sid), 1);
	sid->status = status;
	atomic_fetch_add(count_of(sid), 1);
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
	sid->free(sid);
	node_put(n);
	client_put(c);
}

static struct stateid *find_locked(struct client *c, const stateid4 *wire)
{
	uint64_t hash = htab_hash(wire->other, sizeof(wire->other));
	struct htab_link *at;

	htab_for_each_match(at, &c->stateids_table, hash) {
		struct stateid *sid = container_of(at, struct stateid, link);

		if (memcmp(sid->other, wire->other, sizeof(sid->other)) == 0)
			return sid;
	}
	return NULL;
}

/* With a reference, or NULL. */
static struct stateid *find(struct client *c, const stateid4 *wire)
{
	struct stateid *sid;

	scope_lock(&c->stateids_lock);
	sid = find_locked(c, wire);
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
	if (status == NFS4_OK && is_revoked(sid->status))
		stateid_remove(sid);
	else if (status == NFS4_OK && sid->kind == STATEID_LOCK)
		status = bytelock_free_state(sid);
	else if (status == NFS4_OK)
		status = NFS4ERR_LOCKS_HELD;
	stateid_put(sid);
	return status;
}
