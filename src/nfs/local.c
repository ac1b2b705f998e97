/* SPDX-License-Identifier: MIT */
#include "nfs/local.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nfs/export.h"
#include "nfs/local_dir.h"
#include "nfs/local_links.h"
#include "state/changeattr.h"
#include "state/childattr.h"

/* ---- reports ---- */

/* Also as a child of where it has its names. */
static void object_changed(struct state *s, const struct fileid *id)
{
	changeattr_touch(s, id);
	childattr_note_unknown(s, id);
}

static void outside(void *ctx, const struct outside *what)
{
	struct nfs_server *server = ctx;
	struct state *s = server->state;

	switch (what->kind) {
	case OUTSIDE_ENTRY:
	case OUTSIDE_RENAME:
		object_changed(s, &what->id);
		local_dir_report_name(
			server, &what->id, what->name, what->new_name);
		break;
	case OUTSIDE_OBJECT:
		object_changed(s, &what->id);
		local_dir_report(server, &what->id, LOCAL_ATTRS);
		break;
	case OUTSIDE_MOVED:
		local_dir_report(server, &what->id, LOCAL_MOVED);
		break;
	case OUTSIDE_ENDED:
		local_dir_report(server, &what->id, LOCAL_ENDED);
		break;
	case OUTSIDE_UNWATCHED:
		changeattr_set_inexact(s, &what->id);
		break;
	case OUTSIDE_LOST:
		log_limited(LOG_LVL_WARN, 1000,
			"reports of local changes were lost: comparing all "
			"directories with delegations");
		changeattr_lose(s);
		local_dir_report_lost(server);
	}
}

/* ---- start and end ---- */

int local_init(struct nfs_server *server)
{
	struct local *l = &server->local;

	lock_init(&l->lock, LOCK_LOCAL);
	list_init(&l->later);
	timer_init(&l->timer, local_dirs_retry);
	return htab_init(&l->dirs, 64);
}

void local_fini(struct nfs_server *server)
{
	struct local *l = &server->local;
	struct htab_link *at;
	size_t cursor = 0;

	if (!l->dirs.buckets)
		return;
	while ((at = htab_walk(&l->dirs, &cursor, NULL))) {
		struct local_dir *d = container_of(at, struct local_dir, link);

		d->holders = d->children = 0;
		d->posted = false; /* no worker is left to run it */
		lock_acquire(&l->lock);
		local_dir_drop_locked(l, d);
		lock_release(&l->lock);
		cursor--; /* the rest of the chain */
	}
	htab_fini(&l->dirs);
	lock_fini(&l->lock);
}

/* An export before @export with the same store. */
static const struct export *same_store(
	const struct exports *x, const struct export *export)
{
	for (const struct export *e = x->list; e < export; e++) {
		if (e->store == export->store && e->local_changes)
			return e;
	}
	return NULL;
}

static void tell_unwatched(const struct export *export, int err)
{
	log_warn("export path=%s: changes by others on this server cannot be "
		 "seen (%s), so no directory delegations are granted there; "
		 "if nobody else changes it, say --local-changes=off",
		export->path,
		err == -EPERM ? "fanotify needs CAP_SYS_ADMIN here"
			      : strerror(-err));
}

static void start_export(struct nfs_server *server, struct export *export)
{
	const struct store_observer observer = {
		.outside = outside, .ctx = server};
	const struct export *twin = same_store(&server->exports, export);
	int err = 0;

	if (twin)
		export->watched = twin->watched;
	else
		err = store_observe(export->store, &observer);
	if (err < 0)
		tell_unwatched(export, err);
	else if (!twin)
		export->watched = true;
}

void local_start(struct nfs_server *server)
{
	struct exports *x = &server->exports;

	for (size_t i = 0; i < x->count; i++) {
		if (x->list[i].local_changes)
			start_export(server, &x->list[i]);
	}
}

void local_stop(struct nfs_server *server)
{
	struct exports *x = &server->exports;
	struct local *l = &server->local;

	lock_acquire(&l->lock);
	l->stopping = true;
	lock_release(&l->lock);
	timer_cancel_wait(server->timers, &l->timer);
	for (size_t i = 0; i < x->count; i++) {
		if (x->list[i].watched)
			store_observe(x->list[i].store, NULL);
	}
}

/* ---- delegations ---- */

static int watch(struct export *export, const struct fileid *id, bool children)
{
	struct store *store = export->store;
	int err = store_watch(store, id, STORE_WATCH_ENTRIES);

	if (err)
		return err;
	err = store_watch(store, id, STORE_WATCH_END);
	if (!err && children) {
		err = store_watch(store, id, STORE_WATCH_CHILDREN);
		if (err)
			store_unwatch(store, id, STORE_WATCH_END);
	}
	if (err)
		store_unwatch(store, id, STORE_WATCH_ENTRIES);
	return err;
}

static struct local_dir *join(struct nfs_server *server, struct export *export,
	const struct fileid *id, bool children, bool *first)
{
	struct local *l = &server->local;
	struct local_dir *d;

	scope_lock(&l->lock);
	d = local_dir_get_locked(server, export, id);
	if (!d)
		return NULL;
	*first = d->holders++ == 0;
	local_dir_count_children_locked(d, children);
	return d;
}

static void leave(struct nfs_server *server, struct local_dir *d, bool children)
{
	struct local *l = &server->local;

	lock_acquire(&l->lock);
	local_dir_count_children_locked(d, -(int)children);
	lock_release(&l->lock);
	local_links_undo(d);
	local_dir_put(d);
}

static void tell_refused(struct nfs_server *server, int err)
{
	counter_add(&server->local.refused, 1);
	log_limited(LOG_LVL_WARN, 10000,
		"a directory cannot be watched for local changes, so it is "
		"not delegated: %s%s",
		strerror(-err),
		err == -ENOSPC ? " (see fs.fanotify.max_user_marks)" : "");
}

int local_hold(struct nfs_server *server, struct export *export,
	const struct fileid *id, bool children)
{
	struct local_dir *d;
	bool first;
	int err;

	if (!export->local_changes)
		return 0;
	if (!export->watched)
		return -EOPNOTSUPP;
	d = join(server, export, id, children, &first);
	if (!d)
		return -ENOMEM;
	err = watch(d->export, id, children);
	if (err) {
		leave(server, d, children);
		tell_refused(server, err);
		return err;
	}
	if (first)
		local_look_first(d);
	return 0;
}

int local_watch_links(struct nfs_server *server, const struct fileid *id)
{
	struct local_dir *d = local_dir_get(server, id);
	int err;

	if (!d)
		return 0;
	err = local_links_fill(d);
	local_dir_put(d);
	return err;
}

bool local_tells_children(struct nfs_server *server)
{
	return atomic_load_explicit(
		&server->local.children, memory_order_relaxed);
}

bool local_note_linked(struct nfs_server *server, const struct fileid *dir,
	const struct fileid *child)
{
	struct local_dir *d = local_dir_get(server, dir);
	bool fresh = d && local_links_add(d, child);

	if (d)
		local_dir_put(d);
	return fresh;
}

void local_release(
	struct nfs_server *server, const struct fileid *id, bool children)
{
	local_dir_release(server, id,
		(struct local_undo){.dirs = 1, .children = children});
}

void local_release_children(struct nfs_server *server, const struct fileid *id)
{
	local_dir_release(server, id, (struct local_undo){.children = 1});
}

/* ---- changes of our own ---- */

bool local_begin_change(const struct export *export, const struct fileid *id)
{
	if (!export->local_changes)
		return true;
	return export->watched &&
		store_watch(export->store, id, STORE_WATCH_ENTRIES) == 0;
}

void local_end_change(const struct export *export, const struct fileid *id)
{
	if (export->local_changes)
		store_unwatch(export->store, id, STORE_WATCH_ENTRIES);
}

/* ---- figures ---- */

static void add_watches(struct store *store, struct store_watch_stats *sum)
{
	struct store_watch_stats one;

	store_read_watch_stats(store, &one);
	sum->marks += one.marks;
	sum->max_marks += one.max_marks;
	sum->refused += one.refused;
	sum->reports += one.reports;
	sum->own += one.own;
	sum->lost += one.lost;
}

void local_read_stats(struct nfs_server *server, struct local_stats *ret)
{
	struct exports *x = &server->exports;
	struct local *l = &server->local;

	*ret = (struct local_stats){
		.hints = counter_read(&l->hints),
		.told = counter_read(&l->told),
		.rescans = counter_read(&l->rescans),
		.refused = counter_read(&l->refused),
	};
	for (size_t i = 0; i < x->count; i++) {
		if (x->list[i].watched && !same_store(x, &x->list[i]))
			add_watches(x->list[i].store, &ret->watch);
	}
}
