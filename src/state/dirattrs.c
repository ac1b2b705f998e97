/* SPDX-License-Identifier: MIT */
#include "state/dirattrs.h"

#include <assert.h>

#include "state/dirchange_private.h"
#include "state/dirholder.h"
#include "state/recall.h"

nfsstat4 dirattrs_admit(struct dirchange *dc, bool lenient)
{
	assert(dc->locked);
	dirchange_judge_all(dc, 0, CHANGE_DIR_ATTRS, lenient);
	return dc->blocked ? NFS4ERR_DELAY : NFS4_OK;
}

/* ---- who may still read it? ---- */

static void mark_all(struct node *n)
{
	struct deleg *d;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node)
		d->recheck = d->is_dir;
	lock_release(&n->lock);
}

/* The credentials of one that was not looked at yet; false: none is left. */
static bool next_cred(struct node *n, struct cred *ret)
{
	struct deleg *d;
	bool found = false;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (!d->recheck)
			continue;
		*ret = d->terms->cred;
		found = true;
		break;
	}
	lock_release(&n->lock);
	return found;
}

static void settle_cred(struct node *n, const struct cred *cred, bool allowed)
{
	struct deleg *d;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (!d->recheck || !cred_equal(&d->terms->cred, cred))
			continue;
		d->recheck = false;
		if (!allowed)
			recall_start_locked(d, RECALL_PERMISSION);
	}
	lock_release(&n->lock);
}

/* Nobody is granted one meanwhile: that takes the section. */
static void look_again(struct node *n, const struct dirattrs_change *change)
{
	struct cred cred;

	mark_all(n);
	while (next_cred(n, &cred))
		settle_cred(n, &cred, change->may_watch(change->ctx, &cred));
}

/* ---- telling ---- */

static bool is_concerned(
	const struct deleg *d, const struct dirattrs_change *change)
{
	bitmap4 both = bitmap4_and(&change->changed, &d->terms->dir_attrs);

	bitmap4_clear(&both, FATTR4_TIME_ACCESS);
	return !bitmap4_empty(&both);
}

static void tell_all(struct dirchange *dc, const struct dirattrs_change *change)
{
	struct dir_change c = {
		.kind = CHANGE_DIR_ATTRS, .has_dir_attr = change->now};
	struct node *n = dc->dir[0];
	struct dir_event *e;
	struct deleg *d;

	if (change->now)
		c.dir_attr = *change->now;
	e = dirholder_event(dc->state, &c);
	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		struct dirdeleg_holder h = dirholder_of(d, dc->who, dc->via);

		if (dirdeleg_judge(&h, CHANGE_DIR_ATTRS) == DIRDELEG_NOTIFY &&
			is_concerned(d, change))
			dirholder_tell(d, &c, e);
	}
	lock_release(&n->lock);
	dir_event_put(e);
}

static bool has_holders(struct dirchange *dc)
{
	struct node *n = dc->dir[0];
	bool held;

	lock_acquire(&n->lock);
	held = n->dir_delegs;
	lock_release(&n->lock);
	dc->held |= held;
	return held;
}

void dirattrs_commit(struct dirchange *dc, const struct dirattrs_change *change)
{
	assert(dc->locked);
	if (!has_holders(dc))
		return;
	if (change->may_watch)
		look_again(dc->dir[0], change);
	tell_all(dc, change);
}
