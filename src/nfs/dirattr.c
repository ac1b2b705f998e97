/* SPDX-License-Identifier: MIT */
#include "nfs/dirattr.h"

#include "nfs/attrs.h"
#include "nfs/errmap.h"
#include "state/dirattrs.h"
#include "state/dirdeleg.h"
#include "state/node.h"
#include "store/store.h"

bool dirattr_may_watch(
	struct store *store, const struct cred *cred, const struct fileid *dir)
{
	const uint32_t need = STORE_MAY_READ | STORE_MAY_EXECUTE;
	uint32_t granted;

	return store_access(store, cred, dir, need, &granted) == 0 &&
		granted == need;
}

static bool may_still_watch(void *ctx, const struct cred *cred)
{
	struct dirattr_change *dac = ctx;
	const struct compound *c = dac->c;

	return dirattr_may_watch(c->fh.export->store, cred, &c->fh.id);
}

/* ---- inside the section ---- */

static void commit(struct dirattr_change *dac, struct dirchange *dc,
	const struct attr *before, const struct attr *now)
{
	struct dirattrs_change change = {
		.now = now,
		.may_watch = dac->permits ? may_still_watch : NULL,
		.ctx = dac,
	};

	if (now)
		change.changed = attrs_changed(before, now);
	else
		change.changed = fattr4_dir_notifiable();
	dirattrs_commit(dc, &change);
}

static nfsstat4 apply_inside(struct dirattr_change *dac, struct dirchange *dc)
{
	struct compound *c = dac->c;
	struct attr before, now;
	struct attrs_change change;
	bool known, changed;
	int err;
	nfsstat4 status =
		attrs_read(c->server, c->fh.export, &c->fh.id, &before);

	if (status != NFS4_OK)
		return status;
	attrs_change_begin_dir(&change, c, &c->fh.id);
	err = dac->apply(dac);
	changed = attrs_may_have_changed(err);
	known = attrs_change_end(&change, changed, &now);
	dac->before = before.change;
	dac->after = known ? now.change : before.change;
	if (changed)
		commit(dac, dc, &before, known ? &now : NULL);
	return errmap_status(err);
}

static nfsstat4 attempt(
	struct dirattr_change *dac, struct dirchange *dc, bool *recalling)
{
	struct compound *c = dac->c;
	nfsstat4 status;

	*recalling = false;
	status = dirchange_begin(
		dc, c->server->state, c->client, &c->fh.id, NULL);
	if (status != NFS4_OK)
		return status;
	status = dac->check(dac);
	if (status == NFS4_OK) {
		status = dirattrs_admit(dc, dac->lenient);
		*recalling = status == NFS4ERR_DELAY;
	}
	if (status == NFS4_OK)
		status = apply_inside(dac, dc);
	dirchange_leave(dc);
	return status;
}

nfsstat4 dirattr_run(struct dirattr_change *dac)
{
	struct dirchange dc = {.via = dac->c->fh.export->id};
	bool recalling;
	nfsstat4 status;

	do {
		status = attempt(dac, &dc, &recalling);
	} while (recalling && dirchange_wait(&dc));
	return status;
}

/* ---- moved to another name ---- */

static bool is_held(struct state *s, const struct fileid *id)
{
	struct node *n = node_find(s, id);
	bool held;

	if (!n)
		return false;
	lock_acquire(&n->lock);
	held = n->dir_delegs > 0;
	lock_release(&n->lock);
	node_put(n);
	return held;
}

/* It has another name, and that moved these two alone. */
void dirattr_tell_moved(struct compound *c, const struct fileid *id)
{
	struct dirchange dc = {.via = c->fh.export->id};
	struct dirattrs_change change = {.now = NULL};
	struct attr now;

	if (!is_held(c->server->state, id))
		return;
	bitmap4_set(&change.changed, FATTR4_CHANGE);
	bitmap4_set(&change.changed, FATTR4_TIME_METADATA);
	if (dirchange_begin(&dc, c->server->state, c->client, id, NULL) !=
		NFS4_OK) {
		dirdeleg_recall(c->server->state, id, RECALL_OVERFLOW);
		return;
	}
	if (attrs_read(c->server, c->fh.export, id, &now) == NFS4_OK)
		change.now = &now;
	dirattrs_commit(&dc, &change);
	dirchange_leave(&dc);
}
