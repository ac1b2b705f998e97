/* SPDX-License-Identifier: MIT */
#include "state/open.h"

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

/* Takes the reference to @owner, on failure too. NULL when out of memory. */
static struct open *open_new(
	struct client *client, struct node *node, struct owner *owner)
{
	struct open *o = owner ? calloc(1, sizeof(*o)) : NULL;

	if (!o) {
		owner_put(owner);
		return NULL;
	}
	stateid_init(&o->sid, STATEID_OPEN, client, node, open_free);
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
			policy_open_conflict(
				want->access, want->deny, o->access, o->deny))
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

static void add_share_locked(struct open *o, const struct share *want)
{
	o->pairs |= policy_open_pair(want->access, want->deny);
	o->access |= want->access;
	o->deny |= want->deny;
}

static nfsstat4 insert_locked(struct open *o, const struct share *want)
{
	struct client *c = o->sid.client;
	struct state *s = c->state;

	if (c->opens >= s->config.max_opens)
		return NFS4ERR_SERVERFAULT;
	if (!stateid_insert(&o->sid))
		return NFS4ERR_DELAY; /* the client has ended */
	list_add_tail(&o->sid.node->opens, &o->on_node);
	counter_add(&s->count_opens, 1);
	add_share_locked(o, want);
	return NFS4_OK;
}

/* Upgrade the owner's open, or make @fresh one. Under the node's lock. */
static nfsstat4 grant_locked(
	struct open *fresh, const struct share *want, stateid4 *ret)
{
	struct open *o = find_own_locked(fresh->sid.node, want->owner);
	nfsstat4 status;

	if (o) {
		add_share_locked(o, want);
		stateid_advance_locked(&o->sid);
		stateid_to_wire(&o->sid, ret);
		return NFS4_OK;
	}
	status = insert_locked(fresh, want);
	if (status == NFS4_OK)
		stateid_to_wire(&fresh->sid, ret);
	return status;
}

nfsstat4 open_grant(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	stateid4 *ret)
{
	struct share want = {.access = access, .deny = deny};
	struct open *fresh;
	nfsstat4 status;

	if (!is_valid_share(access, deny))
		return NFS4ERR_INVAL;
	fresh = open_new(client, node, owner_get(client, OWNER_OPEN, owner));
	if (!fresh)
		return NFS4ERR_DELAY;
	want.owner = fresh->owner;
	if (lock_without_conflict(node, &want, &status)) {
		status = grant_locked(fresh, &want, ret);
		lock_release(&node->lock);
	}
	stateid_put(&fresh->sid);
	return status;
}

nfsstat4 open_check(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny)
{
	struct owner *own = owner_find(client, OWNER_OPEN, owner);
	struct share want = {.owner = own, .access = access, .deny = deny};
	nfsstat4 status = NFS4_OK;

	if (!is_valid_share(access, deny))
		status = NFS4ERR_INVAL;
	else if (lock_without_conflict(node, &want, &status))
		lock_release(&node->lock);
	owner_put(own);
	return status;
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
	o->access = access;
	o->deny = deny;
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

uint32_t open_access(const struct stateid *sid)
{
	if (sid->kind == STATEID_LOCK)
		return lock_state_of(sid)->open->access;
	return open_of(sid)->access;
}
