/* SPDX-License-Identifier: MIT */
#include "state/dirchange.h"

#include <assert.h>

#include "base/cleanup.h"
#include "state/batch.h"
#include "state/changeattr.h"
#include "state/childattr.h"
#include "state/dirchange_private.h"
#include "state/dirdeleg.h"
#include "state/dirholder.h"
#include "state/dirside.h"
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

/* ---- admission ---- */

static void recall_in_the_way(
	struct dirchange *dc, struct deleg *d, enum recall_reason reason)
{
	recall_start_locked(d, reason);
	d->blocking = true;
	dc->blocked = true;
}

static void admit_holder(struct dirchange *dc, int i, enum change_kind kind,
	struct deleg *d, struct expired_holders *expired)
{
	struct dirdeleg_holder h = dirholder_of(d, dc->who, dc->via);

	h.expired = client_is_expired(d->sid.client);
	switch (dirdeleg_judge(&h, kind)) {
	case DIRDELEG_NOTHING:
		break;
	case DIRDELEG_NOTIFY:
		dc->wants[i].told = true;
		dc->wants[i].attrs |= dirholder_wants_attrs(d);
		dc->wants[i].dir_attrs |= dirholder_wants_dir_attrs(d);
		dc->wants[i].order |= d->order_aware;
		break;
	case DIRDELEG_RECALL:
		recall_in_the_way(dc, d, dirdeleg_recall_reason(d->granted));
		break;
	case DIRDELEG_REVOKE:
		expired_note(expired, d);
	}
}

void dirchange_judge_all(
	struct dirchange *dc, int i, enum change_kind kind, bool lenient)
{
	struct node *n = dc->dir[i];
	struct expired_holders expired;
	struct deleg *d;

	do {
		expired.count = 0;
		lock_acquire(&n->lock);
		dc->held |= !list_empty(&n->delegs);
		list_for_each_entry(d, &n->delegs, on_node) {
			if (!lenient || (d->granted & DIRDELEG_BIT(kind)))
				admit_holder(dc, i, kind, d, &expired);
		}
		lock_release(&n->lock);
	} while (expired_revoke(&expired));
}

static void admit_victim_holder(
	struct dirchange *dc, struct deleg *d, struct expired_holders *expired)
{
	if (deleg_is_own(d, dc->who, dc->via))
		return;
	if (client_is_expired(d->sid.client))
		expired_note(expired, d);
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
	} while (expired_revoke(&expired));
	return NFS4_OK;
}

/* From now on what others read of the directories is of neither state. */
void dirchange_begin_values(
	struct dirchange *dc, const struct dirchange_plan *plan)
{
	for (int i = 0; i < 2 && dc->dir[i]; i++) {
		dc->before[i] = changeattr_read_node(
			dc->dir[i], plan->ctime_ns[i], &dc->mark[i]);
		changeattr_begin_node(dc->dir[i], plan->exact[i]);
	}
	dc->admitted = true;
}

nfsstat4 dirchange_admit(
	struct dirchange *dc, const struct dirchange_plan *plan)
{
	assert(dc->locked && !dc->admitted);
	if (plan->victim && admit_victim(dc, plan) != NFS4_OK)
		return NFS4ERR_DELAY;
	dirchange_judge_all(dc, 0, plan->kind[0], false);
	if (dc->dir[1])
		dirchange_judge_all(dc, 1, plan->kind[1], false);
	if (dc->blocked)
		return NFS4ERR_DELAY;
	dirchange_begin_values(dc, plan);
	return NFS4_OK;
}

bool dirchange_is_told(const struct dirchange *dc, int i)
{
	return dc->wants[i].told;
}

bool dirchange_wants_attrs(const struct dirchange *dc, int i)
{
	return dc->wants[i].attrs;
}

bool dirchange_wants_dir_attrs(const struct dirchange *dc, int i)
{
	return dc->wants[i].dir_attrs;
}

/* ---- commit ---- */

/*
 * Whoever is in the way only now was let through by the dry check: it is told
 * by its recall, and nobody waits any more.
 */
static void tell_holder(struct dirchange *dc, struct deleg *d,
	const struct dir_change *c, struct dir_event *e)
{
	struct dirdeleg_holder h = dirholder_of(d, dc->who, dc->via);

	if (dc->confused && h.own && !h.order_aware &&
		c->kind == CHANGE_ADD_ENTRY) {
		recall_start_locked(d, RECALL_LOCAL_CHANGE);
		return;
	}
	switch (dirdeleg_judge(&h, c->kind)) {
	case DIRDELEG_NOTIFY:
		dirholder_tell(d, c, e);
		break;
	case DIRDELEG_RECALL:
		recall_start_locked(d,
			dc->by_others ? RECALL_LOCAL_CHANGE
				      : dirdeleg_recall_reason(d->granted));
		break;
	default:
		break;
	}
}

static void tell_all(struct dirchange *dc, struct node *n,
	const struct dir_change *c, struct dir_event *e)
{
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node)
		tell_holder(dc, d, c, e);
}

/* Only what came of the directory's own attributes, to who covers them. */
static void tell_dir_attrs(
	struct dirchange *dc, struct node *n, const struct dir_change *c)
{
	const struct dir_change own = {
		.kind = CHANGE_DIR_ATTRS,
		.has_dir_attr = c->has_dir_attr,
		.dir_attr = c->dir_attr,
	};
	struct dir_event *e = dirholder_event(dc->state, &own);
	struct deleg *d;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (dirholder_wants_dir_attrs(d))
			tell_holder(dc, d, &own, e);
	}
	lock_release(&n->lock);
	dir_event_put(e);
}

/* A colliding name's cookie moved: a change of its own, behind the entry's. */
static void tell_moved(
	struct dirchange *dc, struct node *n, const struct dir_change *entry)
{
	const struct dir_change c = {
		.kind = CHANGE_COOKIE_VERIFIER,
		.old_verifier = entry->old_verifier,
		.new_verifier = entry->new_verifier,
	};
	struct dir_event *e = dirholder_event(dc->state, &c);

	tell_all(dc, n, &c, e);
	dir_event_put(e);
}

/* It believes in a name that others took away before it could be told of. */
static void recall_mutator(struct dirchange *dc, struct node *n)
{
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		struct dirdeleg_holder h = dirholder_of(d, dc->who, dc->via);

		if (h.own && !h.order_aware)
			recall_start_locked(d, RECALL_LOCAL_CHANGE);
	}
}

static void commit_dir(
	struct dirchange *dc, int i, struct dir_change *c, int64_t ctime_ns)
{
	struct node *n = dc->dir[i];
	struct dir_event *e = NULL;
	struct client *who = dc->who;
	bool moved = c->verifier_moved; /* by us, and not by others before */
	bool gone = c->entry.is_gone && c->kind != CHANGE_REMOVE_ENTRY;
	enum dirside_news news;

	c->before = dc->before[i];
	c->after = c->dir_attr.change = changeattr_end_node(n, ctime_ns);
	news = dirside_apply(n, c, dc->wants[i].order);
	dc->confused |= news == DIRSIDE_CONFUSED;
	dc->by_others = !dc->who || dc->confused || news != DIRSIDE_SAME;
	childattr_settle(dc->state, &c->entry);
	if (news == DIRSIDE_NOTHING) {
		tell_dir_attrs(dc, n, c);
	} else {
		if (dc->wants[i].told)
			e = dirholder_event(dc->state, c);
		tell_all(dc, n, c, e);
	}
	if (gone && news != DIRSIDE_SAME)
		recall_mutator(dc, n);
	dc->who = moved ? who : NULL;
	dc->by_others = !dc->who;
	if (c->verifier_moved)
		tell_moved(dc, n, c);
	dc->who = who;
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

static void spare_victim(struct dirchange *dc)
{
	lock_acquire(&dc->victim->lock);
	dc->victim->dying = false;
	lock_release(&dc->victim->lock);
	dc->victim_dying = false;
}

/* What lost its name, as far as the store knows: else empty; NULL: nothing. */
static const struct fileid *removed_by(const struct dir_change *c)
{
	if (c->has_overwritten)
		return &c->overwritten.child;
	return c->kind == CHANGE_REMOVE_ENTRY ? &c->entry.child : NULL;
}

/*
 * Others may have moved it away since it was looked at, and another directory
 * to its place: then that one is gone, and nobody was asked.
 */
static void end_victim(struct dirchange *dc, const struct fileid *removed)
{
	struct fileid id;

	node_copy_id(dc->victim, &id);
	if (removed && (removed->len == 0 || fileid_equal(removed, &id))) {
		end_victims_holders(dc->victim);
		return;
	}
	spare_victim(dc);
	if (removed)
		dirdeleg_recall(dc->state, removed, RECALL_DIRECTORY_REMOVED);
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
		end_victim(dc, removed_by(change[dc->dir[1] ? 1 : 0]));
	put_nodes(dc);
	kick(dc->state, dc->held);
}

void dirchange_abort(struct dirchange *dc)
{
	if (dc->victim_dying)
		spare_victim(dc);
	for (int i = 0; dc->admitted && i < 2 && dc->dir[i]; i++)
		changeattr_abort_node(dc->dir[i]);
	dc->admitted = false;
	dirchange_leave(dc);
}

void dirchange_leave(struct dirchange *dc)
{
	assert(!dc->admitted);
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
