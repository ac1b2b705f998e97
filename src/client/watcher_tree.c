/* SPDX-License-Identifier: MIT */
/*
 * Which directories are watched: the tree that follows what the models say of
 * subdirectories.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/policy_attrs.h"
#include "client/watcher_priv.h"

static const struct name no_name;

/* ---- paths ---- */

static size_t path_length(const struct watcher_dir *dir)
{
	size_t len = dir->w->root_len;

	for (; dir->parent; dir = dir->parent)
		len += dir->name.len + 1;
	return len;
}

struct name watcher_dir_path(const struct watcher_dir *dir)
{
	struct watcher *w = dir->w;
	size_t len = path_length(dir), at = len;

	if (len > w->path_size) {
		char *path = realloc(w->path, 2 * len);

		if (!path)
			return name_from_str("?");
		w->path = path;
		w->path_size = 2 * len;
	}
	for (; dir->parent; dir = dir->parent) {
		w->path[--at] = '/';
		at -= dir->name.len;
		memcpy(w->path + at, dir->name.data, dir->name.len);
	}
	memcpy(w->path, w->root_path, w->root_len);
	return (struct name){.len = (uint32_t)len, .data = w->path};
}

/* ---- handles ---- */

static uint64_t fh_hash(const struct nfsc_fh *fh)
{
	return htab_hash(fh->data, fh->len);
}

static struct watcher_dir *find_fh(struct watcher *w, const struct nfsc_fh *fh)
{
	struct htab_link *link;

	htab_for_each_match(link, &w->by_fh, fh_hash(fh)) {
		struct watcher_dir *dir =
			container_of(link, struct watcher_dir, by_fh);

		if (nfsc_fh_equal(dirwatch_fh(dir->dw), fh))
			return dir;
	}
	return NULL;
}

static void wish_attrs(const struct watcher *w, struct dirwatch_config *config)
{
	bitmap4 watched = policy_attrs_watched();
	bitmap4 *child = &config->want.child_attrs;

	bitmap4_set(child, FATTR4_TYPE);
	bitmap4_set(child, FATTR4_FILEID);
	bitmap4_set(child, FATTR4_FILEHANDLE);
	if (w->tells_attrs) {
		*child = bitmap4_or(child, &watched);
		config->model.keep = watched;
		config->want.child_delay = w->child_delay;
		bitmap4_set(&config->want.types, NOTIFY4_CHANGE_CHILD_ATTRS);
	}
	config->list_attrs = *child;
	if (w->tells_dir_attrs) {
		bitmap4_set(&config->want.dir_attrs, FATTR4_CHANGE);
		config->want.dir_delay = w->dir_delay;
		bitmap4_set(&config->want.types, NOTIFY4_CHANGE_DIR_ATTRS);
	}
}

/* What is asked for; see watcher.h. */
static void set_wishes(const struct watcher *w, struct dirwatch_config *config)
{
	bitmap4 *types = &config->want.types;

	wish_attrs(w, config);
	bitmap4_set(types, NOTIFY4_REMOVE_ENTRY);
	bitmap4_set(types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(types, NOTIFY4_RENAME_ENTRY);
	/*
	 * Not NOTIFY4_CHANGE_DIR_ATTRS: in knfsd 7.3 it takes one of the three
	 * places of the queue, and a rename inside one directory needs them all
	 * (RENAME, MOVED_FROM, MOVED_TO): each one would be a recall.
	 *
	 * Positions are of no use to us, so no server need keep them; cookies
	 * neither, so another verifier is no reason for a recall.
	 */
	bitmap4_set(types, NOTIFY4_GFLAG_EXTEND);
	bitmap4_set(types, NOTIFY4_CHANGE_COOKIE_VERIFIER);
}

/* Can what a listing or a notification finds be told? */
static bool dir_has_room(void *owner)
{
	const struct watcher_dir *dir = owner;

	return (dir->quiet && !dir->listed) || watcher_has_room(dir->w);
}

static int set_fh(struct watcher_dir *dir, const struct nfsc_fh *fh)
{
	struct watcher *w = dir->w;
	struct dirwatch_config config = {
		.set = w->set,
		.fh = *fh,
		.model = {.echoes = true,
			.budget = &w->budget,
			.tell = watcher_model_changed,
			.ctx = dir},
		.owner = dir,
		.room = dir_has_room,
	};

	set_wishes(w, &config);
	dir->dw = dirwatch_new(&config);
	if (!dir->dw)
		return -ENOMEM;
	htab_insert(&w->by_fh, &dir->by_fh, fh_hash(fh));
	dir->in_by_fh = true;
	return 0;
}

/* ---- making and ending ---- */

void watcher_dir_put(struct watcher_dir *dir, enum watcher_list on)
{
	struct watcher *w = dir->w;

	w->nunheld -= dir->on == WATCHER_UNHELD;
	w->nunheld += on == WATCHER_UNHELD;
	list_del(&dir->todo);
	if (on != WATCHER_NONE)
		list_add_tail(&w->lists[on], &dir->todo);
	dir->on = on;
}

static int copy_name(struct watcher_dir *dir, struct name name)
{
	char *copy = malloc(name.len + 1);

	if (!copy)
		return -ENOMEM;
	if (name.len)
		memcpy(copy, name.data, name.len);
	free((void *)(uintptr_t)dir->name.data);
	dir->name = (struct name){.len = name.len, .data = copy};
	return 0;
}

static uint64_t name_hash(const struct watcher_dir *parent, struct name name)
{
	return htab_hash(name.data, name.len) ^ (uintptr_t)parent >> 4;
}

/* Its parent finds it by its name. */
static void enter(struct watcher_dir *dir)
{
	if (dir->parent)
		htab_insert(&dir->w->by_name, &dir->by_name,
			name_hash(dir->parent, dir->name));
}

static void leave(struct watcher_dir *dir)
{
	if (dir->parent)
		htab_remove(&dir->w->by_name, &dir->by_name);
}

static struct watcher_dir *find_child(struct watcher_dir *dir, struct name name)
{
	struct htab *by_name = &dir->w->by_name;
	struct htab_link *link;

	htab_for_each_match(link, by_name, name_hash(dir, name)) {
		struct watcher_dir *child =
			container_of(link, struct watcher_dir, by_name);

		if (child->parent == dir && name_equal(child->name, name))
			return child;
	}
	return NULL;
}

static void dir_free(struct watcher_dir *dir)
{
	dir->w->budget.used -= WATCHER_DIR_COST;
	dirwatch_free(dir->dw);
	free((void *)(uintptr_t)dir->name.data);
	free(dir);
}

struct watcher_dir *watcher_dir_new(struct watcher *w,
	struct watcher_dir *parent, struct name name, const struct nfsc_fh *fh,
	bool quiet)
{
	struct watcher_dir *dir;

	if (w->budget.used + WATCHER_DIR_COST > w->budget.limit)
		return NULL;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return NULL;
	w->budget.used += WATCHER_DIR_COST;
	dir->w = w;
	dir->parent = parent;
	dir->depth = parent ? parent->depth + 1 : 0;
	dir->quiet = quiet;
	list_init(&dir->siblings);
	list_init(&dir->children);
	list_init(&dir->todo);
	if (copy_name(dir, name) < 0 || (fh && set_fh(dir, fh) < 0)) {
		dir_free(dir);
		return NULL;
	}
	if (parent)
		list_add_tail(&parent->children, &dir->siblings);
	enter(dir);
	list_add_tail(&w->dirs, &dir->all);
	watcher_dir_put(dir, WATCHER_FRESH);
	w->ndirs++;
	return dir;
}

/* Children first, so that each is doomed before what it hangs on. */
void watcher_dir_doom(struct watcher_dir *dir)
{
	struct watcher *w = dir->w;
	struct watcher_dir *child, *tmp;

	list_for_each_entry_safe(child, tmp, &dir->children, siblings)
		watcher_dir_doom(child);
	if (dir->in_by_fh)
		htab_remove(&w->by_fh, &dir->by_fh);
	dir->in_by_fh = false;
	leave(dir);
	list_del(&dir->siblings);
	list_del(&dir->all);
	watcher_dir_put(dir, WATCHER_DOOMED);
	dir->parent = NULL;
	w->ndirs--;
}

static void give_back_doomed(struct watcher *w)
{
	struct dirwatch *some[64];
	struct watcher_dir *dir;
	size_t n = 0;

	list_for_each_entry(dir, &w->lists[WATCHER_DOOMED], todo) {
		if (n == sizeof(some) / sizeof(some[0])) {
			dirwatch_return_all(some, n);
			n = 0;
		}
		if (dir->dw)
			some[n++] = dir->dw;
	}
	dirwatch_return_all(some, n);
}

void watcher_bury(struct watcher *w, bool give_back)
{
	struct list *doomed = &w->lists[WATCHER_DOOMED];
	struct watcher_dir *dir, *tmp;

	if (give_back)
		give_back_doomed(w);
	list_for_each_entry_safe(dir, tmp, doomed, todo) {
		list_del(&dir->todo);
		dir_free(dir);
	}
}

/* ---- following the models ---- */

static enum object_type type_of(const struct dircache_entry *entry)
{
	return bitmap4_has(&entry->mask, FATTR4_TYPE) ? entry->attr.type
						      : OBJECT_NONE;
}

static void cannot_follow(struct watcher_dir *dir, int why)
{
	if (!dir->below_said)
		watcher_say(dir->w, WATCHER_CANNOT_BELOW, dir, why);
	dir->below_said = true;
}

static void follow(struct watcher_dir *dir, struct name name,
	const struct nfsc_fh *fh, bool quiet)
{
	if (dir->depth == WATCHER_DEPTH_MAX)
		cannot_follow(dir, -ELOOP);
	else if (!watcher_dir_new(dir->w, dir, name, fh, quiet))
		cannot_follow(dir, -ENOMEM);
}

static bool is_above(
	const struct watcher_dir *dir, const struct watcher_dir *of)
{
	for (; of; of = of->parent) {
		if (of == dir)
			return true;
	}
	return false;
}

/*
 * A directory that is known elsewhere was moved here, or moved here and away
 * again: which of them, the server knows when it is asked.
 */
int watcher_dir_found(struct watcher_dir *dir, const struct nfsc_fh *fh)
{
	struct watcher_dir *known = find_fh(dir->w, fh);

	if (known && is_above(known, dir)) {
		cannot_follow(dir->parent, -ELOOP);
		return NFS4ERR_NOENT;
	}
	if (known)
		watcher_dir_doom(known);
	return set_fh(dir, fh);
}

/* Its handle, if that is told and not known elsewhere. */
static bool is_unknown(const struct watcher_dir *dir,
	const struct dircache_entry *entry, struct nfsc_fh *fh)
{
	return nfsc_fh_copy(fh, entry->handle) && fh->len > 0 &&
		!find_fh(dir->w, fh);
}

static void new_entry(
	struct watcher_dir *dir, const struct dircache_entry *entry, bool quiet)
{
	enum object_type type = type_of(entry);
	struct nfsc_fh fh;

	if (!dir->w->config.recursive ||
		(type != OBJECT_DIR && type != OBJECT_NONE))
		return;
	if (type == OBJECT_DIR && is_unknown(dir, entry, &fh))
		follow(dir, entry->name, &fh, quiet);
	else
		follow(dir, entry->name, NULL, quiet);
}

static void lost_name(struct watcher_dir *dir, struct name name)
{
	struct watcher_dir *child = find_child(dir, name);

	if (child)
		watcher_dir_doom(child);
}

static void rename_child(struct watcher_dir *child, struct name name)
{
	leave(child);
	if (copy_name(child, name) == 0) {
		enter(child);
		return;
	}
	enter(child);
	cannot_follow(child->parent, -ENOMEM);
	watcher_dir_doom(child);
}

/*
 * What could not be watched by its old name may be by its new one; unless it is
 * known elsewhere, for then it has left this directory since.
 */
static void moved_name(struct watcher_dir *dir, struct name from,
	const struct dircache_entry *entry)
{
	struct watcher_dir *child = find_child(dir, from);
	struct nfsc_fh fh = {.len = 0};

	lost_name(dir, entry->name);
	if (child)
		rename_child(child, entry->name);
	else if (is_unknown(dir, entry, &fh) || fh.len == 0)
		new_entry(dir, entry, false);
}

static void tell_attrs(struct watcher_dir *dir,
	const struct dircache_entry *entry, const struct dircache_entry *before)
{
	struct dircache *model = dirwatch_model(dir->dw);
	bitmap4 both = bitmap4_and(&entry->mask, &before->mask);
	bitmap4 changed =
		dirattr_differences(&entry->attr, &before->attr, &both);
	enum object_type type = type_of(entry);
	struct policy_attrs_verdict verdict =
		policy_attrs_judge(type, &changed, dircache_is_settled(model));

	if (verdict.modify)
		watcher_tell(dir, WATCHER_MODIFY, entry->name, no_name, type);
	if (verdict.attrib)
		watcher_tell(dir, WATCHER_ATTRIB, entry->name, no_name, type);
}

static void tell_name(struct watcher_dir *dir, enum dircache_event event,
	const struct dircache_entry *entry, struct name from)
{
	static const enum watcher_event events[] = {
		[DIRCACHE_CREATE] = WATCHER_CREATE,
		[DIRCACHE_DELETE] = WATCHER_DELETE,
		[DIRCACHE_MOVE] = WATCHER_MOVE,
	};
	bool move = event == DIRCACHE_MOVE;

	watcher_tell(dir, events[event], move ? from : entry->name,
		move ? entry->name : no_name, type_of(entry));
}

/* A model changed; what the first listing found was there before. */
void watcher_model_changed(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	struct watcher_dir *dir = ctx;
	bool quiet = dir->quiet && !dir->listed;

	if (event == DIRCACHE_ATTRS) {
		if (!quiet)
			tell_attrs(dir, entry, replaced);
		return;
	}
	if (!quiet)
		tell_name(dir, event, entry, from);
	if (event == DIRCACHE_MOVE)
		moved_name(dir, from, entry);
	else if (event == DIRCACHE_DELETE || replaced)
		lost_name(dir, entry->name);
	if (event == DIRCACHE_CREATE)
		new_entry(dir, entry, quiet);
}
