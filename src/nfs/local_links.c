/* SPDX-License-Identifier: MIT */
#include "nfs/local_links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "nfs/dirlist.h"
#include "nfs/export.h"
#include "nfs/local_dir.h"
#include "state/childattr.h"
#include "state/dirchange.h"
#include "state/dirside.h"

/*
 * Of one directory, so that one does not take all the marks there are; a
 * quarter more may come later.
 */
#define LINKS_MAX 1024

/* So many more, and it is time to find out which are still there. */
#define SWEEP_AFTER 64

struct local_link {
	struct htab_link link; /* by told_child() */
	struct local_link *next;
	uint8_t id_len;
	uint8_t id_data[];
};

struct local_links {
	struct htab table;
	size_t sweep_at;
};

static void copy_id(const struct local_link *l, struct fileid *ret)
{
	ret->len = l->id_len;
	memcpy(ret->data, l->id_data, l->id_len);
}

/* ---- the table ---- */

static bool has_locked(const struct local_dir *d, const struct fileid *id)
{
	uint64_t hash = told_child(id);
	struct htab_link *at;

	if (!d->links)
		return false;
	htab_for_each_match(at, &d->links->table, hash) {
		const struct local_link *l =
			container_of(at, struct local_link, link);

		if (l->id_len == id->len &&
			memcmp(l->id_data, id->data, id->len) == 0)
			return true;
	}
	return false;
}

static int make_table_locked(struct local_dir *d)
{
	if (d->links)
		return 0;
	d->links = calloc(1, sizeof(*d->links));
	if (d->links && htab_init(&d->links->table, 0) == 0) {
		d->links->sweep_at = SWEEP_AFTER;
		return 0;
	}
	free(d->links);
	d->links = NULL;
	return -ENOMEM;
}

static size_t count_locked(const struct local_dir *d)
{
	return d->links ? d->links->table.count : 0;
}

static int insert_locked(struct local_dir *d, const struct fileid *id)
{
	struct local_link *l;
	int err = make_table_locked(d);

	if (err)
		return err;
	l = calloc(1, sizeof(*l) + id->len);
	if (!l)
		return -ENOMEM;
	l->id_len = id->len;
	memcpy(l->id_data, id->data, id->len);
	htab_insert(&d->links->table, &l->link, told_child(id));
	return 1;
}

/* ---- watching one ---- */

static bool is_wanted(struct local_dir *d, const struct fileid *id)
{
	scope_lock(&d->server->local.lock);
	return d->children && !d->links_lost && !has_locked(d, id);
}

/* 1: it was not known; 0: it is, or nobody is promised anything. */
static int remember(struct local_dir *d, const struct fileid *id)
{
	size_t max = LINKS_MAX;

	scope_lock(&d->server->local.lock);
	if (!d->children || has_locked(d, id))
		return 0;
	if (d->links_known)
		max += LINKS_MAX / 4;
	return count_locked(d) < max ? insert_locked(d, id) : -ENOSPC;
}

/* The same; what is not remembered is not watched. */
static int watch(struct local_dir *d, const struct fileid *id)
{
	struct store *store = d->export->store;
	int result;

	if (!is_wanted(d, id))
		return 0;
	result = store_watch(store, id, STORE_WATCH_OBJECT);
	if (result == -ESTALE)
		return 0;
	if (result == 0) {
		result = remember(d, id);
		if (result != 1)
			store_unwatch(store, id, STORE_WATCH_OBJECT);
	}
	return result;
}

static void report(struct local_dir *d, uint8_t flag)
{
	struct fileid id;

	local_dir_copy_id(d, &id);
	local_dir_report(d->server, &id, flag);
}

static bool is_time_to_sweep(struct local_dir *d)
{
	scope_lock(&d->server->local.lock);
	return d->links && d->links->table.count >= d->links->sweep_at;
}

static void lose(struct local_dir *d)
{
	lock_acquire(&d->server->local.lock);
	d->links_lost = true;
	lock_release(&d->server->local.lock);
	report(d, LOCAL_LINKS_LOST);
}

bool local_links_add(struct local_dir *d, const struct fileid *child)
{
	int result = watch(d, child);

	if (result < 0)
		lose(d);
	else if (result && is_time_to_sweep(d))
		report(d, LOCAL_LINKS_MANY);
	return result == 1;
}

/* ---- finding them ---- */

/* It may be gone by now. */
static int look_at(struct local_dir *d, struct name name)
{
	struct fileid id, child;
	struct attr attr;
	int result;

	local_dir_copy_id(d, &id);
	result = store_lookup_attr(
		d->export->store, &cred_server, &id, name, &child, &attr);
	if (result == -ENOENT || result == -ESTALE)
		return 0;
	if (result == 0 && attr.nlink > 1 && attr.type != OBJECT_DIR)
		result = watch(d, &child);
	return result < 0 ? result : 0;
}

struct filling {
	struct local_dir *d;
	int err;
};

static bool fill_name(void *ctx, struct name name, uint64_t cookie)
{
	struct filling *f = ctx;

	f->err = look_at(f->d, name);
	return f->err == 0;
}

static int fill(struct local_dir *d)
{
	struct filling f = {.d = d};
	struct fileid id;
	int err;

	local_dir_copy_id(d, &id);
	err = dirlist_all(
		d->export->store, &cred_server, &id, fill_name, &f, NULL);
	return f.err ? f.err : err;
}

/* True: there is nothing to find out; how it stands is in @err. */
static bool is_settled(struct local_dir *d, uint32_t *round, int *err)
{
	scope_lock(&d->server->local.lock);
	*round = d->links_round;
	*err = d->links_lost ? -ENOSPC : 0;
	return d->links_lost || d->links_known;
}

/* If nobody was the first or the last meanwhile, so that each was noted. */
static void settle(struct local_dir *d, uint32_t round)
{
	scope_lock(&d->server->local.lock);
	if (d->links_round != round)
		return;
	d->links_known = true;
	if (d->links)
		d->links->sweep_at = d->links->table.count + SWEEP_AFTER;
}

int local_links_fill(struct local_dir *d)
{
	uint32_t round;
	int err;

	if (is_settled(d, &round, &err))
		return err;
	err = fill(d);
	if (err == 0)
		settle(d, round);
	else
		log_limited(LOG_LVL_WARN, 10000,
			"files with several links cannot all be watched in a "
			"directory, so changes of its entries' attributes are "
			"not promised: %s",
			strerror(-err));
	return err;
}

/* ---- letting them go ---- */

static void unwatch_all(struct local_dir *d, struct local_link *gone)
{
	while (gone) {
		struct local_link *l = gone;
		struct fileid id;

		gone = l->next;
		copy_id(l, &id);
		store_unwatch(d->export->store, &id, STORE_WATCH_OBJECT);
		free(l);
	}
}

/* Off the table: those that have no name in @told; all, if it is NULL. */
static struct local_link *take_gone(
	struct local_links *links, const struct told *told)
{
	struct local_link *gone = NULL;
	struct htab_link *at = NULL;
	size_t cursor = 0;

	while ((at = htab_walk(&links->table, &cursor, at))) {
		struct local_link *l =
			container_of(at, struct local_link, link);
		struct told_entry e;
		uint32_t from = 0;

		if (told && told_next_name(told, at->hash, &from, &e))
			continue;
		htab_remove(&links->table, at);
		l->next = gone;
		gone = l;
	}
	return gone;
}

static struct local_link *take_unnamed(
	struct local_dir *d, const struct told *told)
{
	struct local_link *gone;

	scope_lock(&d->server->local.lock);
	if (!d->links)
		return NULL;
	gone = take_gone(d->links, told);
	d->links->sweep_at = d->links->table.count + SWEEP_AFTER;
	return gone;
}

/* In the change section: what is about to come has its name when it is left. */
void local_links_sweep(struct local_dir *d)
{
	struct dirchange dc = {.via = 0};
	struct local_link *gone = NULL;
	struct told *told;
	struct fileid id;

	local_dir_copy_id(d, &id);
	if (dirchange_begin(&dc, d->server->state, NULL, &id, NULL) != NFS4_OK)
		return;
	told = dirside_told(dc.dir[0]);
	if (told)
		gone = take_unnamed(d, told);
	told_put(told);
	dirchange_abort(&dc);
	unwatch_all(d, gone);
}

void local_links_give_up(struct local_dir *d)
{
	struct fileid id;

	local_dir_copy_id(d, &id);
	log_limited(LOG_LVL_WARN, 10000,
		"a file with several links cannot be watched: recalling who "
		"is told of changes of its attributes");
	childattr_give_up(d->server->state, &id);
}

static struct local_links *take_links(struct local_dir *d)
{
	struct local_links *links;

	scope_lock(&d->server->local.lock);
	if (d->children)
		return NULL;
	links = d->links;
	d->links = NULL;
	d->links_lost = false;
	return links;
}

static void links_free(struct local_links *links)
{
	htab_fini(&links->table);
	free(links);
}

void local_links_undo(struct local_dir *d)
{
	struct local_links *links = take_links(d);

	if (!links)
		return;
	unwatch_all(d, take_gone(links, NULL));
	links_free(links);
}

void local_links_free(struct local_dir *d)
{
	struct local_link *gone;

	if (!d->links)
		return;
	gone = take_gone(d->links, NULL);
	while (gone) {
		struct local_link *l = gone;

		gone = l->next;
		free(l);
	}
	links_free(d->links);
	d->links = NULL;
}
