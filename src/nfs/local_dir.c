/* SPDX-License-Identifier: MIT */
#include "nfs/local_dir.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nfs/export.h"
#include "nfs/local_links.h"

/* Names of one directory that wait; beyond, all of it is compared. */
#define NAMES_MAX (64u * 1024)

/* Names of all directories that wait. */
#define BYTES_MAX (16u * 1024 * 1024)

/* Names looked at before the job lets others have its worker. */
#define SLICE 64

/* A permit was not to be had: try again. */
#define RETRY_MS 20

/* ---- names ---- */

bool local_names_put(
	struct local_names *n, struct name name, struct name new_name)
{
	uint32_t need = 2 + name.len + new_name.len;

	if (n->size - n->used < need) {
		uint32_t size = n->size * 2 + 64 + need;
		char *data = realloc(n->data, size);

		if (!data)
			return false;
		n->data = data;
		n->size = size;
	}
	n->last = n->used;
	n->data[n->used++] = name.len;
	memcpy(n->data + n->used, name.data, name.len);
	n->used += name.len;
	n->data[n->used++] = new_name.len;
	if (new_name.len)
		memcpy(n->data + n->used, new_name.data, new_name.len);
	n->used += new_name.len;
	return true;
}

static struct name take_name(struct local_names *n)
{
	struct name name = {
		.len = (uint8_t)n->data[n->at], .data = n->data + n->at + 1};

	n->at += 1 + name.len;
	return name;
}

bool local_names_next(
	struct local_names *n, struct name *name, struct name *new_name)
{
	if (n->at == n->used)
		return false;
	*name = take_name(n);
	*new_name = take_name(n);
	return true;
}

void local_names_free(struct local_names *n)
{
	free(n->data);
	*n = (struct local_names){.data = NULL};
}

/* The same as what was reported last: there is no need to look twice. */
static bool is_last(
	const struct local_names *n, struct name name, struct name new_name)
{
	const char *last = n->data + n->last;

	if (n->used - n->last != 2u + name.len + new_name.len)
		return false;
	return (uint8_t)last[0] == name.len &&
		memcmp(last + 1, name.data, name.len) == 0 &&
		(!new_name.len ||
			memcmp(last + 2 + name.len, new_name.data,
				new_name.len) == 0);
}

/* ---- records ---- */

void local_dir_copy_id(const struct local_dir *d, struct fileid *ret)
{
	ret->len = d->id_len;
	memcpy(ret->data, d->id_data, d->id_len);
}

struct local_dir *local_dir_find_locked(
	struct local *l, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct htab_link *at;

	htab_for_each_match(at, &l->dirs, hash) {
		struct local_dir *d = container_of(at, struct local_dir, link);

		if (d->id_len == id->len &&
			memcmp(d->id_data, id->data, id->len) == 0)
			return d;
	}
	return NULL;
}

static void run(struct rpc_job *job);

struct local_dir *local_dir_get_locked(struct nfs_server *server,
	struct export *export, const struct fileid *id)
{
	struct local *l = &server->local;
	struct local_dir *d = local_dir_find_locked(l, id);

	if (d)
		return d;
	d = calloc(1, sizeof(*d) + id->len);
	if (!d)
		return NULL;
	d->server = server;
	d->export = export;
	d->job.run = run;
	list_init(&d->later);
	d->id_len = id->len;
	memcpy(d->id_data, id->data, id->len);
	htab_insert(&l->dirs, &d->link, htab_hash(id->data, id->len));
	return d;
}

void local_dir_drop_locked(struct local *l, struct local_dir *d)
{
	/* One that has ended already may leave its children to be let go. */
	if (d->holders || d->children || d->posted)
		return;
	htab_remove(&l->dirs, &d->link);
	l->bytes -= d->names.used;
	local_names_free(&d->names);
	local_names_free(&d->work);
	local_links_free(d);
	free(d);
}

struct local_dir *local_dir_get(
	struct nfs_server *server, const struct fileid *id)
{
	struct local *l = &server->local;
	struct local_dir *d;

	scope_lock(&l->lock);
	d = local_dir_find_locked(l, id);
	if (d)
		d->holders++;
	return d;
}

void local_dir_put(struct local_dir *d)
{
	struct local *l = &d->server->local;

	scope_lock(&l->lock);
	d->holders--;
	local_dir_drop_locked(l, d);
}

/* ---- reports ---- */

/* True: the caller posts the job when it has left the lock. */
static bool claim_locked(struct local *l, struct local_dir *d)
{
	if (d->posted || l->stopping)
		return false;
	d->posted = true;
	return true;
}

static void post(struct local_dir *d)
{
	rpc_post(d->server->rpc, &d->job);
}

/* Leave the lock, with something to do for @d; NULL: for nobody. */
static void release_and_post(struct local *l, struct local_dir *d)
{
	bool claimed = d && claim_locked(l, d);

	lock_release(&l->lock);
	if (claimed)
		post(d);
}

void local_dir_report(
	struct nfs_server *server, const struct fileid *id, uint8_t flags)
{
	struct local *l = &server->local;
	struct local_dir *d;

	lock_acquire(&l->lock);
	d = local_dir_find_locked(l, id);
	if (d) {
		counter_add(&l->hints, 1);
		d->reported |= flags;
	}
	release_and_post(l, d);
}

/* Too much to remember: all names will be looked at. */
static void forget_names_locked(struct local *l, struct local_dir *d)
{
	l->bytes -= d->names.used;
	local_names_free(&d->names);
	d->reported |= LOCAL_RESCAN;
}

static void keep_name_locked(struct local *l, struct local_dir *d,
	struct name name, struct name new_name)
{
	uint32_t before = d->names.used;

	if ((d->reported & LOCAL_RESCAN) || is_last(&d->names, name, new_name))
		return;
	if (before >= NAMES_MAX || l->bytes >= BYTES_MAX ||
		!local_names_put(&d->names, name, new_name))
		forget_names_locked(l, d);
	else
		l->bytes += d->names.used - before;
}

void local_dir_report_name(struct nfs_server *server, const struct fileid *id,
	struct name name, struct name new_name)
{
	struct local *l = &server->local;
	struct local_dir *d;

	lock_acquire(&l->lock);
	d = local_dir_find_locked(l, id);
	if (d) {
		counter_add(&l->hints, 1);
		keep_name_locked(l, d, name, new_name);
	}
	release_and_post(l, d);
}

void local_dir_report_lost(struct nfs_server *server)
{
	struct local *l = &server->local;
	struct htab_link *at = NULL;
	size_t cursor = 0;

	lock_acquire(&l->lock);
	while ((at = htab_walk(&l->dirs, &cursor, at))) {
		struct local_dir *d = container_of(at, struct local_dir, link);

		d->reported |= LOCAL_LOST;
		if (claim_locked(l, d))
			list_add_tail(&l->later, &d->later);
	}
	lock_release(&l->lock);
	local_dirs_retry(&l->timer);
}

/* Links that come while nobody is promised anything are not noted. */
void local_dir_count_children_locked(struct local_dir *d, int more)
{
	bool before = d->children;

	d->children += more;
	d->server->local.children += more;
	if (before == (d->children != 0))
		return;
	d->links_known = false;
	d->links_round++;
}

void local_dir_release(struct nfs_server *server, const struct fileid *id,
	struct local_undo undo)
{
	struct local *l = &server->local;
	struct local_dir *d;

	lock_acquire(&l->lock);
	d = local_dir_find_locked(l, id);
	if (d) {
		d->holders -= undo.dirs;
		local_dir_count_children_locked(d, -(int)undo.children);
		d->undo.dirs += undo.dirs;
		d->undo.children += undo.children;
	}
	release_and_post(l, d);
}

/* ---- the job ---- */

/* What there is to do, taken off the record. */
struct portion {
	struct local_undo undo;
	uint8_t reported;
};

static void take(struct local_dir *d, struct portion *p)
{
	struct local *l = &d->server->local;

	scope_lock(&l->lock);
	*p = (struct portion){.undo = d->undo, .reported = d->reported};
	d->undo = (struct local_undo){.dirs = 0};
	d->reported = 0;
	if (d->work.at < d->work.used)
		return; /* those first */
	l->bytes -= d->names.used;
	local_names_free(&d->work);
	d->work = d->names;
	d->names = (struct local_names){.data = NULL};
}

static void undo(struct local_dir *d, struct local_undo undo)
{
	struct store *store = d->export->store;
	struct fileid id;

	local_dir_copy_id(d, &id);
	for (; undo.dirs; undo.dirs--) {
		store_unwatch(store, &id, STORE_WATCH_END);
		store_unwatch(store, &id, STORE_WATCH_ENTRIES);
	}
	if (undo.children)
		local_links_undo(d);
	for (; undo.children; undo.children--)
		store_unwatch(store, &id, STORE_WATCH_CHILDREN);
}

static void look(struct local_dir *d, const struct portion *p)
{
	struct name name, new_name;

	if (p->reported)
		local_look_at_dir(d, p->reported);
	for (int i = 0; i < SLICE; i++) {
		if (!local_names_next(&d->work, &name, &new_name))
			break;
		local_look_at_name(d, name, new_name);
	}
	local_look_at_rest(d);
	undo(d, p->undo);
}

static bool has_more_locked(const struct local_dir *d)
{
	return d->work.at < d->work.used || d->names.used || d->reported ||
		d->undo.dirs || d->undo.children;
}

/* Again, or until the next report. */
static void finish(struct local_dir *d)
{
	struct local *l = &d->server->local;
	bool more;

	lock_acquire(&l->lock);
	more = has_more_locked(d) && !l->stopping;
	d->posted = more;
	if (!more)
		local_dir_drop_locked(l, d);
	lock_release(&l->lock);
	if (more)
		post(d);
}

static void wait_for_permit(struct local_dir *d)
{
	struct local *l = &d->server->local;

	scope_lock(&l->lock);
	list_add_tail(&l->later, &d->later);
	if (l->timer_set || l->stopping)
		return;
	timer_set(d->server->timers, &l->timer, RETRY_MS);
	l->timer_set = true;
}

static void run(struct rpc_job *job)
{
	struct local_dir *d = container_of(job, struct local_dir, job);
	struct rpc *rpc = d->server->rpc;
	struct portion p;

	if (!rpc_permit_take(rpc, &d->export->gate)) {
		wait_for_permit(d);
		return;
	}
	take(d, &p);
	look(d, &p);
	rpc_permit_give(rpc, &d->export->gate);
	finish(d);
}

/* What waits now: one that finds no permit again waits for the next time. */
static void take_later(struct local *l, struct list *ret)
{
	scope_lock(&l->lock);
	l->timer_set = false;
	if (!l->stopping)
		list_splice_tail(ret, &l->later);
}

void local_dirs_retry(struct timer *timer)
{
	struct local *l = container_of(timer, struct local, timer);
	struct list ready;

	list_init(&ready);
	take_later(l, &ready);
	while (!list_empty(&ready)) {
		struct local_dir *d =
			list_first_entry(&ready, struct local_dir, later);

		list_del(&d->later); /* the job may end it */
		post(d);
	}
}
