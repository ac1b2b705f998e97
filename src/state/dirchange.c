/* SPDX-License-Identifier: MIT */
#include "state/dirchange.h"

#include <assert.h>

#include "base/cleanup.h"
#include "state/batch.h"
#include "state/changeattr.h"
#include "state/deleg_private.h"
#include "state/dirdeleg.h"
#include "state/dirside.h"
#include "state/policy_dirdeleg.h"
#include "state/policy_recall.h"
#include "state/recall.h"

/* ---- in and out ---- */

static void put_nodes(struct dirchange *dc)
{
	node_put(dc->dir[0]);
	node_put(dc->dir[1]);
	node_put(dc->victim);
	dc->dir[0] = dc->dir[1] = dc->victim = NULL;
}

static struct lock *second_section(struct dirchange *dc)
{
	return dc->dir[1] ? &dc->dir[1]->change : &dc->dir[0]->change;
}

static void leave(struct dirchange *dc)
{
	assert(dc->locked);
	lock_release_pair(&dc->dir[0]->change, second_section(dc));
	dc->locked = false;
}

/* What was decided inside, done outside; most changes decide nothing. */
static void kick(struct state *s, bool held)
{
	if (!held)
		return;
	recall_kick(s);
	batch_kick(s);
}

nfsstat4 dirchange_begin(struct dirchange *dc, struct state *s,
	struct client *who, const struct fileid *a, const struct fileid *b)
{
	bool two = b && !fileid_equal(a, b);

	assert(!dc->locked && !dc->dir[0]);
	*dc = (struct dirchange){
		.state = s,
		.who = who,
		.via = dc->via,
		.deadline_ms = dc->deadline_ms,
	};
	dc->dir[0] = node_get(s, a);
	dc->dir[1] = two ? node_get(s, b) : NULL;
	if (!dc->dir[0] || (two && !dc->dir[1])) {
		put_nodes(dc);
		return NFS4ERR_DELAY;
	}
	lock_acquire_pair(&dc->dir[0]->change, second_section(dc));
	dc->locked = true;
	for (int i = 0; i < 2 && dc->dir[i]; i++)
		dc->mark[i] = changeattr_mark_node(dc->dir[i]);
	return NFS4_OK;
}

/* ---- one holder ---- */

static struct dirdeleg_holder holder_of(
	const struct dirchange *dc, struct deleg *d)
{
	return (struct dirdeleg_holder){
		.granted = d->granted,
		.own = deleg_is_own(d, dc->who, dc->via),
		.order_aware = d->order_aware,
		.state = d->state,
		.stopped = d->state != DELEG_ACTIVE &&
			notifyq_is_stopped(&d->queue),
	};
}

static bool wants_attrs(const struct deleg *d)
{
	return !bitmap4_empty(&d->terms->child_attrs);
}

static void recall_in_the_way(
	struct dirchange *dc, struct deleg *d, enum recall_reason reason)
{
	recall_start_locked(d, reason);
	d->blocking = true;
	dc->blocked = true;
}

/* ---- those whose lease is over ---- */

#define REVOKE_AT_ONCE 16

struct expired_holders {
	struct deleg *deleg[REVOKE_AT_ONCE]; /* references */
	int count;
};

static void note_expired(struct expired_holders *list, struct deleg *d)
{
	if (list->count < REVOKE_AT_ONCE)
		list->deleg[list->count++] = deleg_ref(d);
}

/* True: there may be more of them, look again. */
static bool revoke_expired(struct expired_holders *list)
{
	for (int i = 0; i < list->count; i++) {
		deleg_revoke(list->deleg[i], STATEID_EXPIRED, true);
		deleg_put(list->deleg[i]);
	}
	return list->count == REVOKE_AT_ONCE;
}

/* ---- admission ---- */

static void admit_holder(struct dirchange *dc, int i, enum change_kind kind,
	struct deleg *d, struct expired_holders *expired)
{
	struct dirdeleg_holder h = holder_of(dc, d);

	h.expired = client_is_expired(d->sid.client);
	switch (dirdeleg_judge(&h, kind)) {
	case DIRDELEG_NOTHING:
		break;
	case DIRDELEG_NOTIFY:
		dc->wants[i].told = true;
		dc->wants[i].attrs |= wants_attrs(d);
		break;
	case DIRDELEG_RECALL:
		recall_in_the_way(dc, d, dirdeleg_recall_reason(d->granted));
		break;
	case DIRDELEG_REVOKE:
		note_expired(expired, d);
	}
}

static void admit_dir(struct dirchange *dc, int i, enum change_kind kind)
{
	struct node *n = dc->dir[i];
	struct expired_holders expired;
	struct deleg *d;

	do {
		expired.count = 0;
		lock_acquire(&n->lock);
		dc->held |= !list_empty(&n->delegs);
		list_for_each_entry(d, &n->delegs, on_node)
			admit_holder(dc, i, kind, d, &expired);
		lock_release(&n->lock);
	} while (revoke_expired(&expired));
}

static void admit_victim_holder(
	struct dirchange *dc, struct deleg *d, struct expired_holders *expired)
{
	if (deleg_is_own(d, dc->who, dc->via))
		return;
	if (client_is_expired(d->sid.client))
		note_expired(expired, d);
	else
		recall_in_the_way(dc, d,
			d->is_dir ? RECALL_DIRECTORY_REMOVED : RECALL_CONFLICT);
}

/*
 * What is removed or overwritten: others return what they hold on it first,
 * and a directory is granted to nobody from now on. Only its name's parents
 * are locked, and whoever removes it holds one of those.
 */
static nfsstat4 admit_victim(
	struct dirchange *dc, const struct dirchange_plan *plan)
{
	struct expired_holders expired;
	struct node *n;
	struct deleg *d;

	n = plan->victim_is_dir ? node_get(dc->state, plan->victim)
				: node_find(dc->state, plan->victim);
	if (!n)
		return plan->victim_is_dir ? NFS4ERR_DELAY : NFS4_OK;
	dc->victim = n;
	do {
		expired.count = 0;
		lock_acquire(&n->lock);
		if (plan->victim_is_dir && !n->dying)
			n->dying = dc->victim_dying = true;
		dc->held |= !list_empty(&n->delegs);
		list_for_each_entry(d, &n->delegs, on_node)
			admit_victim_holder(dc, d, &expired);
		lock_release(&n->lock);
	} while (revoke_expired(&expired));
	return NFS4_OK;
}

/* From now on what others read of the directories is of neither state. */
static void begin_values(
	struct dirchange *dc, const struct dirchange_plan *plan)
{
	for (int i = 0; i < 2 && dc->dir[i]; i++) {
		dc->before[i] = changeattr_read_node(
			dc->dir[i], plan->ctime_ns[i], &dc->mark[i]);
		changeattr_begin_node(dc->dir[i], plan->exact);
	}
	dc->admitted = true;
}

nfsstat4 dirchange_admit(
	struct dirchange *dc, const struct dirchange_plan *plan)
{
	assert(dc->locked && !dc->admitted);
	if (plan->victim && admit_victim(dc, plan) != NFS4_OK)
		return NFS4ERR_DELAY;
	admit_dir(dc, 0, plan->kind[0]);
	if (dc->dir[1])
		admit_dir(dc, 1, plan->kind[1]);
	if (dc->blocked)
		return NFS4ERR_DELAY;
	begin_values(dc, plan);
	return NFS4_OK;
}

nfsstat4 dirchange_admit_setattr(struct dirchange *dc)
{
	assert(dc->locked);
	admit_dir(dc, 0, CHANGE_DIR_ATTRS);
	return dc->blocked ? NFS4ERR_DELAY : NFS4_OK;
}

bool dirchange_is_told(const struct dirchange *dc, int i)
{
	return dc->wants[i].told;
}

bool dirchange_wants_attrs(const struct dirchange *dc, int i)
{
	return dc->wants[i].attrs;
}

/* ---- commit ---- */

/* Has the event what this holder was promised? */
static bool is_complete_for(const struct deleg *d, const struct dir_change *c)
{
	if (c->kind == CHANGE_REMOVE_ENTRY)
		return !d->order_aware || c->entry.cookie != COOKIE_NONE;
	if (c->kind != CHANGE_ADD_ENTRY && c->kind != CHANGE_RENAME_ENTRY)
		return true;
	if (wants_attrs(d) && !c->entry.has_attr)
		return false;
	return !d->order_aware || c->entry.cookie != COOKIE_NONE;
}

static void overflow(struct deleg *d, enum deleg_overflow cause)
{
	deleg_count_overflow(d, cause);
	recall_start_locked(d, RECALL_OVERFLOW);
}

/* @e is NULL when it could not be made. */
static void tell(struct deleg *d, const struct dir_change *c,
	struct dir_event *e, const struct state_config *config)
{
	if (!e || !is_complete_for(d, c)) {
		overflow(d,
			e ? DELEG_OVERFLOW_INCOMPLETE : DELEG_OVERFLOW_MEMORY);
		return;
	}
	switch (notifyq_put(&d->queue, e, config)) {
	case NOTIFYQ_PUT_FIRST:
		batch_put(d, d->state == DELEG_RECALLED);
		break;
	case NOTIFYQ_PUT_BATCH:
		batch_put(d, true);
		break;
	case NOTIFYQ_PUT:
		break;
	case NOTIFYQ_FULL:
		overflow(d, DELEG_OVERFLOW_QUEUE);
		return;
	case NOTIFYQ_NOT_TAKEN:
		return;
	}
	counter_add(&deleg_books(d)->counts.queued[c->kind], 1);
}

/*
 * Whoever is in the way only now was let through by the dry check: it is told
 * by its recall, and nobody waits any more.
 */
static void commit_holder(struct dirchange *dc, struct deleg *d,
	const struct dir_change *c, struct dir_event *e)
{
	struct dirdeleg_holder h = holder_of(dc, d);

	switch (dirdeleg_judge(&h, c->kind)) {
	case DIRDELEG_NOTIFY:
		tell(d, c, e, state_get_config(dc->state));
		break;
	case DIRDELEG_RECALL:
		recall_start_locked(d, dirdeleg_recall_reason(d->granted));
		break;
	default:
		break;
	}
	if (c->verifier_moved && dirdeleg_moved_recalls(&h))
		recall_start_locked(d, RECALL_UNSUBSCRIBED);
}

static void commit_dir(
	struct dirchange *dc, int i, struct dir_change *c, int64_t ctime_ns)
{
	struct node *n = dc->dir[i];
	struct dir_event *e = NULL;
	struct deleg *d;

	c->before = dc->before[i];
	c->after = changeattr_end_node(n, ctime_ns);
	dirside_apply(n, c);
	if (dc->wants[i].told)
		e = dir_event_new(
			c, clock_mono_ms(state_get_config(dc->state)->clock));
	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node)
		commit_holder(dc, d, c, e);
	lock_release(&n->lock);
	dir_event_put(e);
}

/* The remover's own delegation of a directory that is gone. */
static void end_victims_holders(struct node *n)
{
	struct deleg *d;

	for (;;) {
		lock_acquire(&n->lock);
		d = list_empty(&n->delegs)
			? NULL
			: deleg_ref(list_first_entry(
				  &n->delegs, struct deleg, on_node));
		lock_release(&n->lock);
		if (!d)
			return;
		deleg_revoke(d, STATEID_CLOSED, false);
		deleg_put(d);
	}
}

void dirchange_commit(struct dirchange *dc, struct dir_change *change[2],
	const int64_t ctime_ns[2])
{
	assert(dc->locked && dc->admitted && change[0]);
	commit_dir(dc, 0, change[0], ctime_ns[0]);
	if (dc->dir[1]) {
		assert(change[1]);
		commit_dir(dc, 1, change[1], ctime_ns[1]);
	}
	dc->admitted = false;
	leave(dc);
	if (dc->victim_dying)
		end_victims_holders(dc->victim);
	put_nodes(dc);
	kick(dc->state, dc->held);
}

void dirchange_abort(struct dirchange *dc)
{
	if (dc->victim_dying) {
		lock_acquire(&dc->victim->lock);
		dc->victim->dying = false;
		lock_release(&dc->victim->lock);
		dc->victim_dying = false;
	}
	for (int i = 0; dc->admitted && i < 2 && dc->dir[i]; i++)
		changeattr_abort_node(dc->dir[i]);
	dc->admitted = false;
	leave(dc);
	if (!dc->blocked)
		put_nodes(dc);
	kick(dc->state, dc->held);
}

/* ---- waiting ---- */

static bool wait_for_all(struct dirchange *dc)
{
	struct node *nodes[] = {dc->dir[0], dc->dir[1], dc->victim};

	for (int i = 0; i < 3; i++) {
		if (nodes[i] &&
			!recall_wait(
				nodes[i], dc->who, dc->via, dc->deadline_ms))
			return false;
	}
	return true;
}

bool dirchange_wait(struct dirchange *dc)
{
	const struct state_config *config = state_get_config(dc->state);
	bool again;

	assert(!dc->locked);
	if (!dc->blocked)
		return false;
	if (!dc->deadline_ms)
		dc->deadline_ms =
			clock_mono_ms(config->clock) + config->recall_wait_ms;
	again = wait_for_all(dc);
	put_nodes(dc);
	dc->blocked = false;
	return again;
}
