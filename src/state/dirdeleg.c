/* SPDX-License-Identifier: MIT */
#include "state/dirdeleg.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "state/batch.h"
#include "state/cbsession.h"
#include "state/deleg_private.h"
#include "state/dirchange.h"
#include "state/dirmemory.h"
#include "state/dirside.h"
#include "state/policy_dirdeleg.h"
#include "state/recall.h"

uint32_t dirdeleg_supported(void)
{
	return DIRDELEG_KINDS;
}

/* In grace nothing is granted, nor before the client has reclaimed. */
static enum deleg_refusal check_asker(struct client *c)
{
	if (state_in_grace(c->state))
		return DELEG_REFUSED_GRACE;
	if (client_is_expired(c))
		return DELEG_REFUSED_NO_LEASE;
	scope_lock(&c->lock);
	if (c->ended)
		return DELEG_REFUSED_NO_LEASE;
	return c->reclaim_complete ? DELEG_NOT_REFUSED
				   : DELEG_REFUSED_NOT_RECLAIMED;
}

/* Does the back channel answer? Nobody knows before the first probe (DD-12). */
static enum deleg_refusal check_backchannel(struct client *c)
{
	const struct state_config *config = state_get_config(c->state);
	enum cb_health health = cbsession_health(c);

	if (health == CB_HEALTH_UNKNOWN)
		health = cbsession_wait_health(c, config->recall_wait_ms);
	return health == CB_HEALTH_UP ? DELEG_NOT_REFUSED
				      : DELEG_REFUSED_NO_BACKCHANNEL;
}

static struct dirdeleg_ask ask_of(const struct dirdeleg_request *r,
	const struct state_config *config, uint32_t max_request)
{
	return (struct dirdeleg_ask){
		.requested = r->notify.word[0],
		.supported = dirdeleg_supported(),
		.classic_notify = config->classic_notify,
		.has_order = r->will_own_order,
		.has_told = true,
		.child_attrs = dirdeleg_has_changing(&r->child_attrs),
		.dir_attrs = dirdeleg_has_changing(&r->dir_attrs),
		.fits = dirdeleg_worst_request(r->fh_len, r->attr_bytes,
				r->dir_attr_bytes) <= max_request,
	};
}

static struct deleg_terms terms_for(const struct dirdeleg_request *r,
	const struct dirdeleg_offer *offer, const struct state_config *config)
{
	struct deleg_terms terms = {.users = 0};

	if (dirdeleg_tells_child_attrs(offer->kinds))
		terms.child_attrs = r->child_attrs;
	if (offer->kinds & DIRDELEG_BIT(CHANGE_DIR_ATTRS))
		terms.dir_attrs = r->dir_attrs;
	if (offer->kinds & DIRDELEG_BIT(CHANGE_CHILD_ATTRS))
		terms.child_delay_ms = dirdeleg_child_delay(
			r->child_delay_ms, config->child_attr_min_delay_ms);
	if (r->cred)
		terms.cred = *r->cred;
	return terms;
}

/* The delegation as it will be granted; NULL when out of memory. */
static struct deleg *prepare(struct client *c, struct node *n,
	const struct dirdeleg_request *r, const struct dirdeleg_offer *offer,
	uint32_t max_request)
{
	const struct deleg_terms terms =
		terms_for(r, offer, state_get_config(c->state));
	struct deleg *d;

	d = deleg_new(c, n, STATEID_DELEG_DIR, r->fh, r->fh_len, max_request);
	if (!d)
		return NULL;
	d->granted = offer->kinds;
	d->order_aware = offer->order_aware;
	d->watched = r->watched;
	d->via = r->via;
	d->grant = r->slot;
	d->terms = dirdeleg_terms_get(state_deleg_books(c->state), &terms);
	if (d->terms)
		return d;
	deleg_put(d);
	return NULL;
}

/* Count one more, unless that is too many for the server (DD-10). */
static bool take_room(struct deleg_books *b)
{
	uint32_t max = state_get_config(b->state)->max_dir_delegs;

	if (atomic_fetch_add(&b->dir_delegs, 1) < max)
		return true;
	atomic_fetch_sub(&b->dir_delegs, 1);
	return false;
}

static bool is_held_off(struct deleg_books *b, const struct node *n)
{
	scope_lock(&b->lock);
	return holdoff_active(&b->holdoff, n->link.hash, books_now_ms(b));
}

/* Do others change it all the time (DD-25)? */
static bool is_hot(const struct node *n, uint64_t quiet_ms)
{
	struct deleg_books *b = state_deleg_books(n->state);

	scope_lock(&b->lock);
	return holdoff_is_hot(
		&b->holdoff, n->link.hash, books_now_ms(b), quiet_ms);
}

/*
 * Nothing against it on the directory: a duplicate, also one being recalled
 * (18.39.4); somebody's change that waits for a recall; its own removal. And
 * memory, that of the grant included when it has been prepared.
 */
static enum deleg_refusal check_node_locked(
	const struct node *n, const struct client *c, uint32_t via)
{
	const struct deleg *d;

	if (n->dying)
		return DELEG_REFUSED_REMOVED;
	list_for_each_entry(d, &n->delegs, on_node) {
		if (deleg_is_own(d, c, via))
			return DELEG_REFUSED_DUPLICATE;
		if (d->blocking)
			return DELEG_REFUSED_RECALL_PENDING;
	}
	if (is_held_off(state_deleg_books(n->state), n))
		return DELEG_REFUSED_HOLDOFF;
	return dirmemory_has_room(n->state) ? DELEG_NOT_REFUSED
					    : DELEG_REFUSED_MEMORY;
}

/* Would it be granted, as it looks now? */
static enum deleg_refusal check_node(
	struct node *n, const struct client *c, uint32_t via)
{
	scope_lock(&n->lock);
	return check_node_locked(n, c, via);
}

/* @told: NULL when it needs none. */
static enum deleg_refusal insert(
	struct deleg *d, struct told *told, struct dirside_spare *spare)
{
	struct deleg_books *b = deleg_books(d);
	struct node *n = d->sid.node;
	enum deleg_refusal refusal;

	scope_lock(&n->lock);
	refusal = check_node_locked(n, d->sid.client, d->via);
	if (refusal != DELEG_NOT_REFUSED)
		return refusal;
	if (!take_room(b))
		return DELEG_REFUSED_LIMIT;
	refusal = deleg_insert_locked(
		d, state_get_config(b->state)->max_client_dir_delegs);
	if (refusal != DELEG_NOT_REFUSED)
		atomic_fetch_sub(&b->dir_delegs, 1);
	else if (told)
		dirside_join_locked(d, told, spare);
	return refusal;
}

static void fill_grant(struct dirdeleg_grant *ret, const struct deleg *d,
	const struct dirdeleg_offer *offer)
{
	ret->granted = true;
	stateid_to_wire(&d->sid, &ret->stateid);
	ret->notify.word[0] = offer->reply;
	ret->child_attrs = d->terms->child_attrs;
	ret->dir_attrs = d->terms->dir_attrs;
}

/* A delegation as offered, with @told if it needs that. */
static nfsstat4 grant_offer(struct deleg *d, struct told *told,
	const struct dirdeleg_offer *offer, struct dirdeleg_grant *ret)
{
	struct dirside_spare spare = {.side = NULL};

	if (told && !dirside_spare_init(&spare, d))
		return NFS4ERR_DELAY;
	ret->refusal = insert(d, told, &spare);
	if (ret->refusal == DELEG_NOT_REFUSED)
		fill_grant(ret, d, offer);
	dirside_spare_fini(&spare);
	return NFS4_OK;
}

/* Can what is offered be told of children? Inside the section of @n. */
static bool can_tell_children(struct node *n, struct told *told,
	const struct dirdeleg_request *r, const struct dirdeleg_offer *offer)
{
	const struct deleg_terms terms =
		terms_for(r, offer, state_get_config(n->state));

	if (!(offer->kinds & DIRDELEG_BIT(CHANGE_CHILD_ATTRS)))
		return false;
	return told && dirside_index(n, told, &terms);
}

/*
 * Sample the directory if need be, and offer what that allows. Returns the
 * told set with a reference, NULL when none is needed. Inside the section.
 */
static struct told *sample_for(struct node *n, const struct dirdeleg_request *r,
	struct dirdeleg_ask *ask, struct dirdeleg_offer *offer)
{
	struct told *told;

	if (!dirdeleg_needs_told(offer->kinds, r->watched))
		return NULL;
	told = dirside_sample(n, r);
	ask->has_told = can_tell_children(n, told, r, offer);
	*offer = dirdeleg_offer(ask);
	if (dirdeleg_needs_told(offer->kinds, r->watched))
		return told;
	told_put(told);
	return NULL;
}

/* Inside the section of @n. */
static nfsstat4 grant_on(struct client *c, struct node *n,
	const struct dirdeleg_request *r, struct dirdeleg_grant *ret)
{
	uint32_t max_request = cbsession_max_request(c);
	struct dirdeleg_ask ask =
		ask_of(r, state_get_config(c->state), max_request);
	struct dirdeleg_offer offer = dirdeleg_offer(&ask);
	struct told *told;
	nfsstat4 status = NFS4ERR_DELAY;
	struct deleg *d;

	ret->refusal = check_node(n, c, r->via);
	if (ret->refusal != DELEG_NOT_REFUSED)
		return NFS4_OK;
	told = sample_for(n, r, &ask, &offer);
	if (offer.kinds == 0 && is_hot(n, r->quiet_ms)) {
		ret->refusal = DELEG_REFUSED_HOLDOFF;
		return NFS4_OK;
	}
	d = prepare(c, n, r, &offer, max_request);
	if (d)
		status = grant_offer(d, told, &offer, ret);
	if (d)
		deleg_put(d);
	told_put(told);
	return status;
}

static void note_answer(struct client *c, const struct fileid *dir,
	const struct dirdeleg_grant *grant)
{
	unsigned long long id = c->id;

	if (grant->granted) {
		log_debug("delegation granted client=%llx type=directory id=%s",
			id, fileid_text(dir).s);
		return;
	}
	deleg_count_refused(c->state, DELEG_DIR, grant->refusal);
	log_debug("delegation refused client=%llx type=directory reason=%s"
		  " id=%s",
		id, deleg_refusal_name(grant->refusal), fileid_text(dir).s);
}

nfsstat4 dirdeleg_grant(struct client *client, const struct fileid *dir,
	const struct dirdeleg_request *request, struct dirdeleg_grant *ret)
{
	struct state *s = client->state;
	struct deleg_books *b = state_deleg_books(s);
	struct dirchange dc = {0};
	nfsstat4 status = NFS4_OK;

	*ret = (struct dirdeleg_grant){.granted = false};
	if (!state_get_config(s)->dir_delegations)
		return NFS4ERR_NOTSUPP;
	ret->refusal = check_asker(client);
	if (ret->refusal == DELEG_NOT_REFUSED)
		ret->refusal = check_backchannel(client);
	if (ret->refusal == DELEG_NOT_REFUSED) {
		status = dirchange_begin(&dc, s, client, dir, NULL);
		if (status != NFS4_OK)
			return status;
		status = grant_on(client, dc.dir[0], request, ret);
		dirchange_abort(&dc);
	}
	if (status == NFS4_OK)
		note_answer(client, dir, ret);
	dirdeleg_ease(b, client, ret->refusal);
	return status;
}

void dirdeleg_cancel(struct client *client, const stateid4 *granted)
{
	struct stateid *sid;

	if (stateid_lookup(client, granted, STATEID_DELEG_DIR, &sid) != NFS4_OK)
		return; /* it has ended by itself */
	deleg_revoke(deleg_of(sid), STATEID_CLOSED, false);
	stateid_put(sid);
}

/* ---- recalling all of a directory ---- */

unsigned dirdeleg_recall(
	struct state *s, const struct fileid *dir, enum recall_reason reason)
{
	struct node *n = node_find(s, dir);
	struct deleg *d;
	unsigned started = 0;

	if (!n)
		return 0;
	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		started += d->state == DELEG_ACTIVE;
		recall_start_locked(d, reason);
	}
	lock_release(&n->lock);
	node_put(n);
	recall_kick(s);
	batch_kick(s);
	return started;
}
