/* SPDX-License-Identifier: MIT */
#include "state/bytelock.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/bytelock_range.h"
#include "state/open_private.h"
#include "state/state_private.h"

static void lock_state_free(struct stateid *sid)
{
	struct lock_state *ls = lock_state_of(sid);

	owner_put(ls->owner);
	stateid_put(&ls->open->sid);
	free(ls);
}

/* Takes the reference to @owner, on failure too. */
static struct lock_state *lock_state_new(struct open *o, struct owner *owner)
{
	struct lock_state *ls = owner ? calloc(1, sizeof(*ls)) : NULL;

	if (!ls) {
		owner_put(owner);
		return NULL;
	}
	stateid_init(&ls->sid, STATEID_LOCK, o->sid.client, o->sid.node,
		lock_state_free);
	list_init(&ls->on_open);
	stateid_ref(&o->sid);
	ls->open = o;
	ls->owner = owner;
	return ls;
}

static nfsstat4 to_span(const struct bytelock_request *want, struct span *ret)
{
	if (!span_from_wire(want->offset, want->length, ret))
		return NFS4ERR_INVAL;
	ret->exclusive = want->exclusive;
	return NFS4_OK;
}

static void fill_denied(
	const struct lock_range *r, LOCK4denied *denied, uint8_t *owner_buf)
{
	const struct owner *o = r->state->owner;

	memcpy(owner_buf, o->bytes, o->len);
	*denied = (LOCK4denied){
		.offset = r->start,
		.length = span_length(r->start, r->end),
		.locktype = r->exclusive ? WRITE_LT : READ_LT,
		.owner = {.clientid = o->client->id,
			.owner = xdr_opaque_from(owner_buf, o->len)},
	};
}

/*
 * Lock @n with no other owner's range in the way. Otherwise not locked: DENIED
 * and who, or DELAY when that one's client is just ending.
 */
static nfsstat4 lock_without_conflict(struct node *n, const struct owner *own,
	const struct span *want, LOCK4denied *denied, uint8_t *owner_buf)
{
	for (int i = 0; i < CONFLICT_TRIES; i++) {
		struct lock_range *other;
		struct client *holder;
		bool ended;

		lock_acquire(&n->lock);
		other = range_find_conflict(n, own, want);
		if (!other)
			return NFS4_OK;
		fill_denied(other, denied, owner_buf);
		holder = client_ref(other->state->sid.client);
		lock_release(&n->lock);
		ended = client_end_if_expired(holder);
		client_put(holder);
		if (!ended)
			return NFS4ERR_DENIED;
	}
	return NFS4ERR_DELAY;
}

/* ---- LOCK ---- */

static struct lock_state *find_under_open_locked(
	struct open *o, const struct owner *owner)
{
	struct lock_state *ls;

	list_for_each_entry(ls, &o->lock_states, on_open) {
		if (ls->owner == owner)
			return ls;
	}
	return NULL;
}

static nfsstat4 insert_locked(struct lock_state *ls)
{
	struct client *c = ls->sid.client;

	if (list_empty(&ls->open->on_node))
		return NFS4ERR_BAD_STATEID; /* closed meanwhile */
	if (c->locks >= c->state->config.max_locks)
		return NFS4ERR_SERVERFAULT;
	if (!stateid_insert(&ls->sid))
		return NFS4ERR_DELAY; /* the client has ended */
	list_add_tail(&ls->open->lock_states, &ls->on_open);
	return NFS4_OK;
}

static nfsstat4 check_limit(struct client *c)
{
	return c->lock_ranges >= c->state->config.max_locks
		? NFS4ERR_SERVERFAULT
		: NFS4_OK;
}

/* Under the node's lock, without conflict, the state being in place. */
static nfsstat4 set_locked(struct lock_state *ls, const struct span *want,
	struct range_spare *spare, stateid4 *ret)
{
	nfsstat4 status = check_limit(ls->sid.client);

	if (status != NFS4_OK)
		return status;
	range_set(ls, want, spare);
	stateid_advance_locked(&ls->sid);
	stateid_to_wire(&ls->sid, ret);
	return NFS4_OK;
}

/* A first lock answers with seqid 1: the state is new. */
static nfsstat4 set_new_locked(struct lock_state *fresh,
	const struct span *want, struct range_spare *spare, stateid4 *ret)
{
	struct lock_state *ls =
		find_under_open_locked(fresh->open, fresh->owner);
	nfsstat4 status;

	if (ls)
		return set_locked(ls, want, spare, ret);
	status = check_limit(fresh->sid.client);
	if (status == NFS4_OK)
		status = insert_locked(fresh);
	if (status != NFS4_OK)
		return status;
	range_set(fresh, want, spare);
	stateid_to_wire(&fresh->sid, ret);
	return NFS4_OK;
}

/* A write lock needs an open for writing, a read lock one for reading. */
static nfsstat4 check_mode(const struct open *o, const struct span *want)
{
	uint32_t need = want->exclusive ? OPEN4_SHARE_ACCESS_WRITE
					: OPEN4_SHARE_ACCESS_READ;

	return o->access & need ? NFS4_OK : NFS4ERR_OPENMODE;
}

nfsstat4 bytelock_lock_new(struct stateid *open_sid,
	const struct xdr_opaque *owner, const struct bytelock_request *want,
	stateid4 *ret, LOCK4denied *denied, uint8_t *owner_buf)
{
	struct client *c = open_sid->client;
	struct open *o = open_of(open_sid);
	struct lock_state *fresh;
	struct range_spare spare;
	struct span span;
	nfsstat4 status = to_span(want, &span);

	if (status == NFS4_OK)
		status = check_mode(o, &span);
	if (status != NFS4_OK)
		return status;
	fresh = lock_state_new(o, owner_get(c, OWNER_LOCK, owner));
	if (!fresh)
		return NFS4ERR_DELAY;
	status = range_spare_get(&spare, 2) ? NFS4_OK : NFS4ERR_DELAY;
	if (status == NFS4_OK)
		status = lock_without_conflict(
			open_sid->node, fresh->owner, &span, denied, owner_buf);
	if (status == NFS4_OK) {
		status = set_new_locked(fresh, &span, &spare, ret);
		lock_release(&open_sid->node->lock);
	}
	range_spare_put(&spare);
	stateid_put(&fresh->sid);
	return status;
}

nfsstat4 bytelock_lock(struct stateid *lock_sid,
	const struct bytelock_request *want, stateid4 *ret, LOCK4denied *denied,
	uint8_t *owner_buf)
{
	struct lock_state *ls = lock_state_of(lock_sid);
	struct range_spare spare;
	struct span span;
	nfsstat4 status = to_span(want, &span);

	if (status == NFS4_OK)
		status = check_mode(ls->open, &span);
	if (status != NFS4_OK)
		return status;
	if (!range_spare_get(&spare, 2))
		return NFS4ERR_DELAY;
	status = lock_without_conflict(
		lock_sid->node, ls->owner, &span, denied, owner_buf);
	if (status == NFS4_OK) {
		status = list_empty(&ls->on_open)
			? NFS4ERR_BAD_STATEID
			: set_locked(ls, &span, &spare, ret);
		lock_release(&lock_sid->node->lock);
	}
	range_spare_put(&spare);
	return status;
}

/* ---- LOCKT, LOCKU ---- */

nfsstat4 bytelock_test(struct client *client, const struct fileid *id,
	const struct xdr_opaque *owner, const struct bytelock_request *want,
	LOCK4denied *denied, uint8_t *owner_buf)
{
	struct owner *own;
	struct node *n;
	struct span span;
	nfsstat4 status = to_span(want, &span);

	if (status != NFS4_OK)
		return status;
	n = node_find(client->state, id);
	if (!n)
		return NFS4_OK;
	own = owner_find(client, OWNER_LOCK, owner);
	status = lock_without_conflict(n, own, &span, denied, owner_buf);
	if (status == NFS4_OK)
		lock_release(&n->lock);
	owner_put(own);
	node_put(n);
	return status;
}

nfsstat4 bytelock_unlock(struct stateid *lock_sid, uint64_t offset,
	uint64_t length, stateid4 *ret)
{
	struct lock_state *ls = lock_state_of(lock_sid);
	struct range_spare spare;
	struct span span;
	nfsstat4 status = NFS4_OK;

	if (!span_from_wire(offset, length, &span))
		return NFS4ERR_INVAL;
	if (!range_spare_get(&spare, 1))
		return NFS4ERR_DELAY;
	lock_acquire(&lock_sid->node->lock);
	if (list_empty(&ls->on_open)) {
		status = NFS4ERR_BAD_STATEID;
	} else {
		range_clear(ls, &span, &spare);
		stateid_advance_locked(lock_sid);
		stateid_to_wire(lock_sid, ret);
	}
	lock_release(&lock_sid->node->lock);
	range_spare_put(&spare);
	return status;
}

/* ---- the end of a lock state ---- */

static bool detach_locked(struct lock_state *ls)
{
	if (list_empty(&ls->on_open))
		return false;
	list_del(&ls->on_open);
	range_drop_all(ls);
	return true;
}

void bytelock_end(struct stateid *lock_sid)
{
	lock_acquire(&lock_sid->node->lock);
	detach_locked(lock_state_of(lock_sid));
	lock_release(&lock_sid->node->lock);
	stateid_remove(lock_sid);
}

nfsstat4 bytelock_free_state(struct stateid *lock_sid)
{
	struct lock_state *ls = lock_state_of(lock_sid);
	bool held;

	lock_acquire(&lock_sid->node->lock);
	held = ls->ranges > 0;
	if (!held)
		detach_locked(ls);
	lock_release(&lock_sid->node->lock);
	if (held)
		return NFS4ERR_LOCKS_HELD;
	stateid_remove(lock_sid);
	return NFS4_OK;
}

struct stateid *bytelock_open_of(struct stateid *lock_sid)
{
	return &lock_state_of(lock_sid)->open->sid;
}
