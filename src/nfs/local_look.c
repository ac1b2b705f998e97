/* SPDX-License-Identifier: MIT */
/*
 * Looking at what was reported: in the directory's change section, against
 * what its holders were told. Whatever the report said, what is told is what
 * is there now, so reports may come merged, late and in any order.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nfs/attrs.h"
#include "nfs/dirattr.h"
#include "nfs/dirlist.h"
#include "nfs/export.h"
#include "nfs/local_dir.h"
#include "nfs/local_links.h"
#include "state/childattr.h"
#include "state/dirattrs.h"
#include "state/dirdeleg.h"
#include "state/diroutside.h"
#include "state/policy_outside.h"

/* One visit of a directory's change section. */
struct visit {
	struct local_dir *d;
	struct nfs_server *server;
	struct store *store;
	struct fileid id;
	struct dirchange dc;
	struct told *told; /* a reference */
	bool exact;
};

/* A name as it is now. */
struct found {
	struct name name;
	struct fileid child; /* len 0: there is none */
	struct attr attr;    /* of it, `change` not filled in */
	struct told_entry told;
	struct outside_name digest;
};

/* -ESTALE: it is gone. */
static int read_dir(struct local_dir *d, struct attr *now)
{
	struct fileid id;
	int err;

	local_dir_copy_id(d, &id);
	err = store_getattr(d->export->store, &id, now);
	return !err && now->nlink == 0 ? -ESTALE : err;
}

/*
 * Nobody can tell the holders what is true, so they look themselves. Mostly
 * because it was emptied and removed, and what was in it is reported first.
 */
static void give_up(struct local_dir *d)
{
	struct fileid id;
	struct attr now;

	local_dir_copy_id(d, &id);
	dirdeleg_recall(d->server->state, &id,
		read_dir(d, &now) == -ESTALE ? RECALL_DIRECTORY_REMOVED
					     : RECALL_LOCAL_CHANGE);
}

/* ---- the section ---- */

/* False: there is nobody to tell, and nothing to leave. */
static bool visit_begin(struct visit *v, struct local_dir *d)
{
	*v = (struct visit){
		.d = d, .server = d->server, .store = d->export->store};
	local_dir_copy_id(d, &v->id);
	if (dirchange_begin(&v->dc, d->server->state, NULL, &v->id, NULL) !=
		NFS4_OK) {
		give_up(d); /* out of memory */
		return false;
	}
	v->told = diroutside_told(&v->dc);
	if (v->told)
		v->exact = local_begin_change(d->export, &v->id);
	else
		dirchange_abort(&v->dc);
	return v->told;
}

static void visit_end(struct visit *v)
{
	if (v->dc.locked)
		dirchange_abort(&v->dc);
	if (v->exact)
		local_end_change(v->d->export, &v->id);
	told_put(v->told);
}

/* ---- what is there ---- */

/* 0, or what makes it impossible to say. */
static int find(struct visit *v, struct name name, struct found *f)
{
	int err;

	*f = (struct found){.name = name};
	err = store_lookup_attr(
		v->store, &cred_server, &v->id, name, &f->child, &f->attr);
	if (err == -ENOENT)
		f->child.len = 0;
	else if (err)
		return err;
	else
		f->digest.now = told_child(&f->child);
	if (told_find(v->told, name, &f->told))
		f->digest.told = f->told.child ? f->told.child : UINT64_MAX;
	return 0;
}

/* ---- telling ---- */

static struct change_entry entry_of(const struct found *f)
{
	return (struct change_entry){.name = f->name,
		.child = f->child,
		.type = f->child.len ? f->attr.type : OBJECT_NONE};
}

/* What the holders may want to know. */
static nfsstat4 read_attrs(struct visit *v, struct dir_change *change)
{
	struct change_entry *entry = &change->entry;
	nfsstat4 status = NFS4_OK;

	if (change->kind != CHANGE_REMOVE_ENTRY)
		status = attrs_read(
			v->server, v->d->export, &entry->child, &entry->attr);
	if (status == NFS4_OK &&
		store_getattr(v->store, &v->id, &change->dir_attr) < 0)
		status = NFS4ERR_IO; /* or it is gone itself */
	return status;
}

static nfsstat4 tell_as_it_is(struct visit *v, struct dir_change *change)
{
	struct dir_change *changes[2] = {change, NULL};
	struct dirchange_plan plan = {
		.kind = {change->kind}, .exact = {v->exact}};
	nfsstat4 status = read_attrs(v, change);

	if (status != NFS4_OK)
		return status;
	plan.ctime_ns[0] = change->dir_attr.ctime_ns;
	diroutside_admit(&v->dc, &plan);
	change->has_dir_attr = dirchange_wants_dir_attrs(&v->dc, 0);
	change->entry.has_attr = change->kind != CHANGE_REMOVE_ENTRY &&
		dirchange_wants_attrs(&v->dc, 0);
	change->no_position = !dirchange_is_told(&v->dc, 0);
	store_note_outside(v->store, &v->id, change);
	dirchange_commit(&v->dc, changes, plan.ctime_ns);
	counter_add(&v->server->local.told, 1);
	return NFS4_OK;
}

/*
 * @change has kind and names. The section is left, if it is told. ESTALE: it
 * is gone again, and a report of that will come. The child's node remembers
 * what is reported of it from before it is read until it is told.
 */
static nfsstat4 tell(struct visit *v, struct dir_change *change)
{
	struct node *child = NULL;
	nfsstat4 status;

	if (change->entry.child.len)
		child = node_get(v->server->state, &change->entry.child);
	status = tell_as_it_is(v, change);
	node_put(child);
	return status;
}

static nfsstat4 tell_name(struct visit *v, const struct found *f)
{
	struct dir_change change = {.entry = entry_of(f)};

	switch (policy_outside_name(f->digest)) {
	case DIFF_NONE:
		v->d->attrs_untold = true;
		return NFS4_OK;
	case DIFF_REMOVED:
		change.kind = CHANGE_REMOVE_ENTRY;
		break;
	case DIFF_REPLACED:
		change.has_overwritten = true;
		change.overwritten.name = f->name;
		/* fall through */
	case DIFF_ADDED:
		change.kind = CHANGE_ADD_ENTRY;
	}
	return tell(v, &change);
}

static nfsstat4 tell_rename(
	struct visit *v, const struct found *from, const struct found *to)
{
	struct dir_change change = {
		.kind = CHANGE_RENAME_ENTRY,
		.entry = entry_of(to),
		.old = {.name = from->name, .child = to->child},
		.has_overwritten = to->digest.told,
	};

	if (change.has_overwritten)
		change.overwritten.name = to->name;
	return tell(v, &change);
}

/* ---- reports of names ---- */

/*
 * What was told of a name says how its child is. But one that is there as
 * before may have been elsewhere and come back, or reports of it are lost; and
 * the other names of a linked one bear the same attributes, of which its ctime
 * and its number of links just changed.
 */
static void note_child(struct local_dir *d, const struct found *f)
{
	bool linked = f->attr.nlink > 1 && f->attr.type != OBJECT_DIR;

	if (!f->child.len)
		return;
	if (linked)
		local_links_add(d, &f->child);
	if (linked || f->digest.now == f->digest.told)
		childattr_note_unknown(d->server->state, &f->child);
}

static void look_at_one(struct local_dir *d, struct name name)
{
	struct found f;
	struct visit v;
	nfsstat4 status = NFS4ERR_IO;

	if (!visit_begin(&v, d))
		return;
	if (find(&v, name, &f) == 0)
		status = tell_name(&v, &f);
	visit_end(&v);
	if (status == NFS4_OK)
		note_child(d, &f);
	if (status != NFS4_OK && status != NFS4ERR_STALE)
		give_up(d);
}

/* True: it was a rename, and is told. */
static bool look_at_rename(
	struct local_dir *d, struct name name, struct name new_name)
{
	struct found from, to;
	struct visit v;
	bool rename;

	if (!visit_begin(&v, d))
		return true;
	rename = find(&v, name, &from) == 0 && find(&v, new_name, &to) == 0 &&
		policy_outside_is_rename(from.digest, to.digest) &&
		tell_rename(&v, &from, &to) == NFS4_OK;
	visit_end(&v);
	if (rename)
		note_child(d, &to);
	return rename;
}

void local_look_at_name(
	struct local_dir *d, struct name name, struct name new_name)
{
	if (new_name.len && look_at_rename(d, name, new_name))
		return;
	look_at_one(d, name);
	if (new_name.len)
		look_at_one(d, new_name);
}

/* ---- all names ---- */

struct listing {
	struct local_names *names;
	struct told *seen;
	int err;
};

static bool list_name(void *ctx, struct name name, uint64_t cookie)
{
	struct told_entry entry = {.name = name, .child = 1};
	struct listing *l = ctx;

	l->err = told_set(l->seen, &entry);
	if (l->err == 0 &&
		!local_names_put(l->names, name, (struct name){.len = 0}))
		l->err = -ENOMEM;
	return l->err == 0;
}

static int list_all(struct local_dir *d, struct listing *l)
{
	struct fileid id;

	local_dir_copy_id(d, &id);
	return dirlist_all(
		d->export->store, &cred_server, &id, list_name, l, NULL);
}

/* The names that were told and are not listed. */
static int add_told(struct local_dir *d, struct listing *l)
{
	struct told_entry told, entry;
	struct visit v;
	uint32_t at = 0;
	int err = 0;

	if (!visit_begin(&v, d))
		return -ESTALE;
	while (!err && told_walk(v.told, &at, &told)) {
		if (!told_find(l->seen, told.name, &entry) &&
			!local_names_put(
				l->names, told.name, (struct name){.len = 0}))
			err = -ENOMEM;
	}
	visit_end(&v);
	return err;
}

/* Whoever cannot be told is recalled; is somebody left? */
static bool has_told(struct local_dir *d)
{
	struct visit v;

	if (!visit_begin(&v, d))
		return false;
	visit_end(&v);
	return true;
}

/*
 * All names, those that are there and those that were told, are to be looked
 * at. What happens meanwhile is reported by itself.
 */
static void rescan(struct local_dir *d)
{
	const struct state_config *config = state_get_config(d->server->state);
	struct local_names names = {.data = NULL};
	struct listing l = {.names = &names};
	int err = -ENOMEM;

	if (!has_told(d))
		return;
	counter_add(&d->server->local.rescans, 1);
	l.seen = told_new(config->told_max_entries);
	if (l.seen)
		err = list_all(d, &l);
	if (!err)
		err = add_told(d, &l);
	told_put(l.seen);
	if (err) {
		local_names_free(&names);
		give_up(d);
		return;
	}
	local_names_free(&d->work);
	d->work = names;
}

/* ---- reports of the directory ---- */

static bool may_still_watch(void *ctx, const struct cred *cred)
{
	struct local_dir *d = ctx;
	struct fileid id;

	local_dir_copy_id(d, &id);
	return dirattr_may_watch(d->export->store, cred, &id);
}

/* What exactly others changed of it nobody knows, mode and owner included. */
static void look_at_attrs(struct local_dir *d)
{
	struct dirchange dc = {.via = 0};
	struct dirattrs_change change = {
		.changed = fattr4_dir_notifiable(),
		.may_watch = may_still_watch,
		.ctx = d,
	};
	struct fileid id;
	struct attr now;

	local_dir_copy_id(d, &id);
	if (dirchange_begin(&dc, d->server->state, NULL, &id, NULL) !=
		NFS4_OK) {
		give_up(d);
		return;
	}
	diroutside_recall_uncovered(&dc, CHANGE_DIR_ATTRS);
	if (attrs_read(d->server, d->export, &id, &now) == NFS4_OK)
		change.now = &now;
	dirattrs_commit(&dc, &change);
	dirchange_leave(&dc);
}

void local_look_at_rest(struct local_dir *d)
{
	struct dirattrs_change change = {.changed = fattr4_dir_notifiable()};
	struct attr now;
	struct visit v;

	if (!atomic_exchange(&d->attrs_untold, false))
		return;
	if (!visit_begin(&v, d))
		return;
	if (attrs_read(v.server, d->export, &v.id, &now) == NFS4_OK)
		change.now = &now;
	dirattrs_commit(&v.dc, &change);
	visit_end(&v);
}

/*
 * Was it changed since it is watched, as far as its ctime can tell? Our own
 * changes count, too.
 */
static bool may_have_changed(struct local_dir *d, const struct attr *now)
{
	struct local *l = &d->server->local;

	scope_lock(&l->lock);
	return !d->seen_ctime_ns || d->seen_ctime_ns != now->ctime_ns;
}

static bool tells_children(struct local_dir *d)
{
	scope_lock(&d->server->local.lock);
	return d->children > 0;
}

/* A change in the ticks that follow may leave a young ctime as it is. */
void local_look_first(struct local_dir *d)
{
	struct local *l = &d->server->local;
	struct clock *clock = d->server->clock;
	int64_t now_ns = clock_file_ns(clock);
	int64_t young_ns = 2 * clock_file_tick_ns(clock);
	struct attr attr;
	struct fileid id;
	bool known;

	local_dir_copy_id(d, &id);
	known = store_getattr(d->export->store, &id, &attr) == 0 &&
		now_ns - attr.ctime_ns > young_ns;
	scope_lock(&l->lock);
	d->seen_ctime_ns = known ? attr.ctime_ns : 0;
}

/* The mark of its parent tells of its removal: of which parent? */
static void follow_move(struct local_dir *d)
{
	struct store *store = d->export->store;
	struct fileid id;

	local_dir_copy_id(d, &id);
	if (store_watch(store, &id, STORE_WATCH_END) < 0)
		give_up(d);
	else
		store_unwatch(store, &id, STORE_WATCH_END);
}

void local_look_at_dir(struct local_dir *d, uint8_t reported)
{
	struct attr now;
	bool lost = reported & LOCAL_LOST, children;

	if (read_dir(d, &now) < 0) {
		give_up(d);
		return;
	}
	if (reported & LOCAL_MOVED)
		follow_move(d);
	if (reported & LOCAL_LINKS_LOST)
		local_links_give_up(d);
	if (reported & LOCAL_LINKS_MANY)
		local_links_sweep(d);
	/* A child may change where the directory does not. */
	children = lost && tells_children(d);
	lost = lost && may_have_changed(d, &now);
	if ((reported & LOCAL_RESCAN) || lost || children)
		rescan(d);
	if ((reported & LOCAL_ATTRS) || lost)
		look_at_attrs(d);
}
