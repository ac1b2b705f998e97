/* SPDX-License-Identifier: MIT */
#include "state/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/rand.h"
#include "state/cbsession.h"
#include "state/client_private.h"
#include "state/policy_client.h"
#include "state/state_private.h"

struct client *client_ref(struct client *c)
{
	ref_get(&c->ref);
	return c;
}

void client_put(struct client *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	assert(list_empty(&c->sessions) && list_empty(&c->stateids));
	assert(c->owners.count == 0);
	htab_fini(&c->owners);
	htab_fini(&c->stateids_table);
	cond_fini(&c->cb_moved);
	lock_fini(&c->stateids_lock);
	lock_fini(&c->lock);
	free(c);
}

bool principal_equal(const struct principal *a, const struct principal *b)
{
	return a->flavor == b->flavor && a->uid == b->uid;
}

static bool init_tables(struct client *c)
{
	if (htab_init(&c->owners, 0) < 0)
		return false;
	if (htab_init(&c->stateids_table, 0) == 0)
		return true;
	htab_fini(&c->owners);
	return false;
}

struct client *client_new(struct state *s, const client_owner4 *owner,
	const struct principal *who)
{
	struct client *c = calloc(1, sizeof(*c) + owner->co_ownerid.len);

	if (!c || !init_tables(c)) {
		free(c);
		return NULL;
	}
	ref_init(&c->ref);
	c->state = s;
	lock_init(&c->lock, LOCK_CLIENT);
	lock_init(&c->stateids_lock, LOCK_STATEIDS);
	cond_init(&c->cb_moved);
	list_init(&c->sessions);
	list_init(&c->stateids);
	list_init(&c->on_ending);
	list_init(&c->cb_waiting);
	c->stateids_made = (uint32_t)rand_u64();
	memcpy(c->verifier, owner->co_verifier, sizeof(c->verifier));
	c->principal = *who;
	c->create_status = NFS4ERR_SEQ_MISORDERED;
	c->owner_len = owner->co_ownerid.len;
	if (c->owner_len)
		memcpy(c->owner, owner->co_ownerid.data, c->owner_len);
	client_renew(c);
	return c;
}

/* ---- the tables ---- */

void client_link_locked(struct client *c)
{
	struct state *s = c->state;

	lock_assert_held(&s->clients_lock);
	c->id = s->config.epoch << 32 | ++s->clients_made;
	client_ref(c);
	htab_insert(&s->clients_by_id, &c->by_id, htab_hash(&c->id, 8));
	htab_insert(&s->clients_by_owner, &c->by_owner,
		htab_hash(c->owner, c->owner_len));
	s->clients_count++;
}

struct client *client_by_id_locked(struct state *s, uint64_t id)
{
	struct htab_link *at;

	htab_for_each_match(at, &s->clients_by_id, htab_hash(&id, 8)) {
		struct client *c = container_of(at, struct client, by_id);

		if (c->id == id)
			return c;
	}
	return NULL;
}

struct client *client_by_owner_locked(
	struct state *s, const struct xdr_opaque *owner, bool confirmed)
{
	uint64_t hash = htab_hash(owner->data, owner->len);
	struct htab_link *at;

	htab_for_each_match(at, &s->clients_by_owner, hash) {
		struct client *c = container_of(at, struct client, by_owner);
		struct xdr_opaque own = xdr_opaque_from(c->owner, c->owner_len);

		if (c->confirmed == confirmed && xdr_opaque_equal(&own, owner))
			return c;
	}
	return NULL;
}

bool client_unlink_locked(struct client *c)
{
	scope_lock(&c->lock);
	return client_unlink_held(c);
}

bool client_unlink_held(struct client *c)
{
	struct state *s = c->state;

	lock_assert_held(&s->clients_lock);
	lock_assert_held(&c->lock);
	if (c->ended)
		return false;
	c->ended = true;
	htab_remove(&s->clients_by_id, &c->by_id);
	htab_remove(&s->clients_by_owner, &c->by_owner);
	s->clients_count--;
	return true;
}

struct client *client_find(struct state *s, uint64_t id)
{
	struct client *c;

	scope_lock(&s->clients_lock);
	c = client_by_id_locked(s, id);
	return c && c->confirmed ? client_ref(c) : NULL;
}

/* ---- lease ---- */

void client_renew(struct client *c)
{
	c->lease_until_ms = state_now_ms(c->state) + c->state->config.lease_ms;
}

bool client_hold(struct client *c)
{
	scope_lock(&c->lock);
	if (c->ended)
		return false;
	c->calls_running++;
	return true;
}

void client_release(struct client *c)
{
	c->calls_running--;
}

bool client_call_begin(struct client *c)
{
	if (!client_hold(c))
		return false;
	client_renew(c);
	return true;
}

void client_call_end(struct client *c)
{
	client_renew(c); /* first: it must not look expired in between */
	client_release(c);
}

bool client_is_expired(struct client *c)
{
	if (c->ended)
		return true;
	return c->calls_running == 0 &&
		state_now_ms(c->state) >= c->lease_until_ms;
}

bool client_has_state(struct client *c)
{
	return c->sessions_count || c->opens || c->locks || c->file_delegs ||
		c->dir_delegs;
}

uint32_t client_status_flags(struct client *c)
{
	return policy_client_flags(c->status_flags, c->revoked,
		c->revoked_expired, c->revoked_admin,
		c->cb_wanted && c->cb_health == CB_HEALTH_DOWN);
}

nfsstat4 client_reclaim_complete(struct client *c, bool one_fs)
{
	if (one_fs)
		return NFS4_OK; /* no migration here: nothing to reclaim */
	scope_lock(&c->lock);
	if (c->reclaim_complete)
		return NFS4ERR_COMPLETE_ALREADY;
	c->reclaim_complete = true;
	return NFS4_OK;
}
