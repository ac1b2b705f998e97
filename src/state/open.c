/* SPDX-License-Identifier: MIT */
#include "state/open.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/bytelock.h"
#include "state/open_private.h"
#include "state/policy_open.h"
#include "state/state_private.h"

static void open_free(struct stateid *sid)
{
	struct open *o = open_of(sid);

	owner_put(o->owner);
	free(o);
}

/* Of no node yet. NULL when out of memory. */
static struct open *open_new(
	struct client *client, const struct xdr_opaque *name)
{
	struct owner *owner = owner_get(client, OWNER_OPEN, name);
	struct open *o = owner ? calloc(1, sizeof(*o)) : NULL;

	if (!o) {
		owner_put(owner);
		return NULL;
	}
	stateid_init(&o->sid, STATEID_OPEN, client, NULL, open_free);
	list_init(&o->on_node);
	list_init(&o->lock_states);
	o->owner = owner;
	return o;
}

/* ---- conflicts ---- */

/* What is asked for; an owner's own open is never in its way. */
struct share {
	const struct owner *owner; /* NULL: nobody's own */
	uint32_t access, deny;
};

static struct open *find_conflict_locked(
	struct node *n, const struct share *want)
{
	struct open *o;

	list_for_each_entry(o, &n->opens, on_node) {
		if (o->owner != want->owner &&
			policy_open_conflict(want->access, want->deny,
				o->held_access, o->held_deny))
			return o;
	}
	return NULL;
}

/*
 * Lock @n with nothing in the way of @want. False: not locked; there is a
 * conflict with a client whose lease holds (*@status: SHARE_DENIED), or with
 * one that is just ending (DELAY).
 */
static bool lock_without_conflict(
	struct node *n, const struct share *want, nfsstat4 *status)
{
	for (int i = 0; i < CONFLICT_TRIES; i++) {
		struct open *other;
		struct client *holder;
		bool ended;

		lock_acquire(&n->lock);
		other = find_conflict_locked(n, want);
		if (!other)
			return true;
		holder = client_ref(other->sid.client);
		lock_release(&n->lock);
		ended = client_end_if_expired(holder);
		client_put(holder);
		if (!ended) {
			*status = NFS4ERR_SHARE_DENIED;
			return false;
		}
	}
	*status = NFS4ERR_DELAY;
	return false;
}

static bool is_valid_share(uint32_t access, uint32_t deny)
{
	return access >= 1 && access <= OPEN4_SHARE_ACCESS_BOTH &&
		deny <= OPEN4_SHARE_DENY_BOTH;
}

/* ---- OPEN ---- */

static struct open *find_own_locked(struct node *n, const struct owner *owner)
{
	struct open *o;

	list_for_each_entry(o, &n->opens, on_node) {
		if (o->owner == owner)
			return o;
	}
	return NULL;
}

/* What @o's sets of pairs come to. */
static void sum_shares_locked(struct open *o)
{
	uint32_t access, deny;

	policy_open_union(o->pairs, &access, &deny);
	o->access = access;
	policy_open_union(o->pairs | o->tried, &access, &deny);
	o->held_access = access;
	o->held_deny = deny;
}

static nfsstat4 status_of(enum stateid_inserted result)
{
	switch (result) {
	case STATEID_INSERTED:
		return NFS4_OK;
	case STATEID_CLIENT_FULL:
		return NFS4ERR_SERVERFAULT;
	default:
		return NFS4ERR_DELAY; /* the client has ended */
	}
}

static nfsstat4 insert_locked(struct open *o)
{
	struct state *s = o->sid.client->state;
	nfsstat4 status =
		status_of(stateid_insert_within(&o->sid, s->config.max_opens));

	if (status != NFS4_OK)
		return status;
	list_add_tail(&o->sid.node->opens, &o->on_node);
	counter_add(&s->count_opens, 1);
	return NFS4_OK;
}

/* On the owner's open, or on @fresh, which becomes it. */
static nfsstat4 try_locked(
	struct open *fresh, const struct share *want, struct open_try *t)
{
	struct open *o = find_own_locked(fresh->sid.node, want->owner);
	nfsstat4 status = NFS4_OK;

	if (!o) {
		o = fresh;
		status = insert_locked(fresh);
	}
	if (status != NFS4_OK)
		return status;
	o->tries++;
	o->tried |= policy_open_pair(want->access, want->deny);
	sum_shares_locked(o);
	stateid_ref(&o->sid);
	*t = (struct open_try){.open = o, .begun = true};
	return NFS4_OK;
}

/* One less; with the last one goes what was not granted. */
static void end_try_locked(struct open *o)
{
	assert(o->tries > 0);
	if (--o->tries == 0)
		o->tried = 0;
	sum_shares_locked(o);
}

nfsstat4 open_reserve(struct client *client, const struct xdr_opaque *owner,
	struct open_try *t)
{
	struct open *o;
	nfsstat4 status;

	if (t->open)
		return NFS4_OK;
	o = open_new(client, owner);
	if (!o)
		return NFS4ERR_DELAY;
	status = status_of(
		stateid_reserve(&o->sid, client->state->config.max_opens));
	if (status == NFS4_OK)
		t->open = o;
	else
		stateid_put(&o->sid);
	return status;
}

/* What was reserved, taken out of @t, or another; NULL when out of memory. */
static struct open *take_reserved(struct open_try *t, struct client *client,
	const struct xdr_opaque *owner)
{
	struct open *o = t->open;

	assert(!t->begun);
	t->open = NULL;
	return o ? o : open_new(client, owner);
}

nfsstat4 open_begin(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	struct open_try *t)
{
	struct share want = {.access = access, .deny = deny};
	struct open *fresh = take_reserved(t, client, owner);
	nfsstat4 status = NFS4ERR_INVAL;

	if (!fresh)
		return NFS4ERR_DELAY;
	stateid_set_node(&fresh->sid, node);
	want.owner = fresh->owner;
	if (is_valid_share(access, deny) &&
		lock_without_conflict(node, &want, &status)) {
		status = try_locked(fresh, &want, t);
		lock_release(&node->lock);
	}
	stateid_put(&fresh->sid);
	return status;
}

/* The first grant of a stateid has the seqid it was made with. */
static void grant_locked(
	struct open *o, uint32_t access, uint32_t deny, stateid4 *ret)
{
	if (o->pairs)
		stateid_advance_locked(&o->sid);
	o->pairs |= policy_open_pair(access, deny);
	stateid_to_wire(&o->sid, ret);
}

nfsstat4 open_commit(
	struct open_try *t, uint32_t access, uint32_t deny, stateid4 *ret)
{
	struct open *o = t->open;
	struct node *n = o->sid.node;
	bool closed;

	assert(is_valid_share(access, deny));
	lock_acquire(&n->lock);
	closed = list_empty(&o->on_node);
	if (!closed)
		grant_locked(o, access, deny, ret);
	end_try_locked(o);
	lock_release(&n->lock);
	stateid_put(&o->sid);
	*t = (struct open_try){.open = NULL};
	return closed ? NFS4ERR_DELAY : NFS4_OK;
}

nfsstat4 open_check_anonymous(
	struct state *s, const struct fileid *id, uint32_t access)
{
	struct share want = {.access = access};
	struct node *n = node_find(s, id);
	nfsstat4 status = NFS4_OK;

	if (!n)
		return NFS4_OK;
	if (lock_without_conflict(n, &want, &status))
		lock_release(&n->lock);
	node_put(n);
	return status == NFS4ERR_SHARE_DENIED ? NFS4ERR_LOCKED : status;
}

/* ---- OPEN_DOWNGRADE ---- */

nfsstat4 open_downgrade(
	struct stateid *sid, uint32_t access, uint32_t deny, stateid4 *ret)
{
	struct open *o = open_of(sid);

	if (!is_valid_share(access, deny))
		return NFS4ERR_INVAL;
	scope_lock(&sid->node->lock);
	if (list_empty(&o->on_node))
		return NFS4ERR_BAD_STATEID;
	if (!policy_open_downgrade(o->pairs, access, deny))
		return NFS4ERR_INVAL;
	o->pairs = policy_open_within(o->pairs, access, deny);
	sum_shares_locked(o);
	stateid_advance_locked(sid);
	stateid_to_wire(sid, ret);
	return NFS4_OK;
}

/* ---- CLOSE ---- */

static bool holds_ranges_locked(const struct open *o)
{
	struct lock_state *ls;

	list_for_each_entry(ls, &o->lock_states, on_open) {
		if (ls->ranges > 0)
			return true;
	}
	return false;
}

/* Off the node; false when it was already. */
static bool detach_locked(struct open *o)
{
	if (list_empty(&o->on_node))
		return false;
	list_del(&o->on_node);
	counter_add(&o->sid.node->state->count_opens, -1);
	return true;
}

/* A lock state under @o, with a reference; NULL when there is none left. */
static struct stateid *any_lock_state(struct open *o)
{
	struct lock_state *ls;

	scope_lock(&o->sid.node->lock);
	if (list_empty(&o->lock_states))
		return NULL;
	ls = list_first_entry(&o->lock_states, struct lock_state, on_open);
	stateid_ref(&ls->sid);
	return &ls->sid;
}

/* After detach_locked(), without locks. */
static void finish_close(struct open *o)
{
	struct stateid *ls;

	while ((ls = any_lock_state(o))) {
		bytelock_end(ls);
		stateid_put(ls);
	}
	node_unpin_unused(o->sid.node);
	stateid_remove(&o->sid);
}

static nfsstat4 close_locked(struct open *o)
{
	if (holds_ranges_locked(o))
		return NFS4ERR_LOCKS_HELD;
	return detach_locked(o) ? NFS4_OK : NFS4ERR_BAD_STATEID;
}

nfsstat4 open_close(struct stateid *sid, stateid4 *ret)
{
	struct open *o = open_of(sid);
	nfsstat4 status;

	lock_acquire(&sid->node->lock);
	status = close_locked(o);
	lock_release(&sid->node->lock);
	if (status != NFS4_OK)
		return status;
	finish_close(o);
	/* The invalid special stateid (18.2.4): it must not be used again. */
	*ret = (stateid4){.seqid = UINT32_MAX};
	return NFS4_OK;
}

void open_end(struct stateid *sid)
{
	struct open *o = open_of(sid);
	bool first;

	lock_acquire(&sid->node->lock);
	first = detach_locked(o);
	lock_release(&sid->node->lock);
	if (first)
		finish_close(o);
}

/* Nothing granted, and nobody left who may be: as if it had never been. */
static bool is_unused_locked(const struct open *o)
{
	return o->tries == 0 && o->pairs == 0;
}

/* The last of them ends the open, unless something was granted. */
static void give_up(struct open *o)
{
	struct node *n = o->sid.node;
	bool ends;

	lock_acquire(&n->lock);
	end_try_locked(o);
	ends = is_unused_locked(o) && detach_locked(o);
	lock_release(&n->lock);
	if (ends)
		finish_close(o);
}

void open_abort(struct open_try *t)
{
	struct open *o = t->open;

	if (!o)
		return;
	if (t->begun)
		give_up(o);
	*t = (struct open_try){.open = NULL};
	stateid_put(&o->sid);
}

uint32_t open_access(const struct stateid *sid)
{
	if (sid->kind == STATEID_LOCK)
		return lock_state_of(sid)->open->access;
	return open_of(sid)->access;
}
