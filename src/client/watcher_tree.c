/* SPDX-License-Identifier: MIT */
/*
 * Which directories are watched: the tree that follows what the models say of
 * subdirectories.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/watcher_priv.h"

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

/* What is asked for; see watcher.h. */
static void set_wishes(const struct watcher *w, struct dirwatch_config *config)
{
	bitmap4 *child = &config->want.child_attrs;
	bitmap4 *types = &config->want.types;

	bitmap4_set(child, FATTR4_TYPE);
	bitmap4_set(child, FATTR4_FILEID);
	bitmap4_set(child, FATTR4_FILEHANDLE);
	config->list_attrs = *child;
	if (w->tells_dir_attrs) {
		bitmap4_set(&config->want.dir_attrs, FATTR4_CHANGE);
		bitmap4_set(types, NOTIFY4_CHANGE_DIR_ATTRS);
	}
	bitmap4_set(types, NOTIFY4_REMOVE_ENTRY);
	bitmap4_set(types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(types, NOTIFY4_RENAME_ENTRY);
	/*
	 * Not NOTIFY4_CHANGE_DIR_ATTRS: in knfsd 7.3 it takes one of the three
	 * places of the queue, and a rename inside one directory needs them all
	 * (RENAME, MOVED_FROM, MOVED_TO): each one would be a recall.
	 *
	 * Positions are of no use to us, so no server need keep them.
	 */
	bitmap4_set(types, NOTIFY4_GFLAG_EXTEND);
}

int watcher_dir_set_fh(struct watcher_dir *dir, const struct nfsc_fh *fh)
{
	struct watcher *w = dir->w;
	struct dirwatch_config config = {
		.set = w->set,
		.fh = *fh,
		.model = {.echoes = true,
			.tell = watcher_model_changed,
			.ctx = dir},
		.owner = dir,
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

static void dir_free(struct watcher_dir *dir)
{
	dirwatch_free(dir->dw);
	free((void *)(uintptr_t)dir->name.data);
	free(dir);
}

struct watcher_dir *watcher_dir_new(struct watcher *w,
	struct watcher_dir *parent, struct name name, const struct nfsc_fh *fh,
	bool quiet)
{
	struct watcher_dir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return NULL;
	dir->w = w;
	dir->parent = parent;
	dir->quiet = quiet;
	list_init(&dir->siblings);
	list_init(&dir->children);
	list_init(&dir->todo);
	if (copy_name(dir, name) < 0 ||
		(fh && watcher_dir_set_fh(dir, fh) < 0)) {
		dir_free(dir);
		return NULL;
	}
	if (parent)
		list_add_tail(&parent->children, &dir->siblings);
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

static struct watcher_dir *find_child(struct watcher_dir *dir, struct name name)
{
	struct watcher_dir *child;

	list_for_each_entry(child, &dir->children, siblings) {
		if (name_equal(child->name, name))
			return child;
	}
	return NULL;
}

static enum object_type type_of(const struct dircache_entry *entry)
{
	return bitmap4_has(&entry->mask, FATTR4_TYPE) ? entry->attr.type
						      : OBJECT_NONE;
}

static bool tell_content(void *ctx, const struct dircache_entry *entry)
{
	watcher_tell(ctx, WATCHER_CREATE, entry->name, (struct name){0, NULL},
		type_of(entry));
	return true;
}

/* All that is known below @dir, as if it were new. */
static void tell_contents(struct watcher_dir *dir)
{
	struct watcher_dir *child;

	if (!dir->dw)
		return;
	dircache_each(dirwatch_model(dir->dw), tell_content, dir);
	list_for_each_entry(child, &dir->children, siblings)
		tell_contents(child);
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

/* Known under another name: it was moved here, contents and all. */
static void adopt(struct watcher_dir *dir, struct watcher_dir *child,
	struct name name, bool quiet)
{
	if (is_above(child, dir) || copy_name(child, name) < 0)
		return;
	list_del(&child->siblings);
	list_add_tail(&dir->children, &child->siblings);
	child->parent = dir;
	child->quiet = child->quiet && quiet;
	if (!quiet)
		tell_contents(child);
}

static void new_entry(
	struct watcher_dir *dir, const struct dircache_entry *entry, bool quiet)
{
	enum object_type type = type_of(entry);
	struct watcher_dir *known = NULL;
	struct nfsc_fh fh = {.len = 0};

	if (!dir->w->config.recursive ||
		(type != OBJECT_DIR && type != OBJECT_NONE))
		return;
	if (type == OBJECT_DIR && nfsc_fh_copy(&fh, entry->handle) && fh.len)
		known = find_fh(dir->w, &fh);
	if (known)
		adopt(dir, known, entry->name, quiet);
	else
		watcher_dir_new(
			dir->w, dir, entry->name, fh.len ? &fh : NULL, quiet);
}

static void lost_name(struct watcher_dir *dir, struct name name)
{
	struct watcher_dir *child = find_child(dir, name);

	if (child)
		watcher_dir_doom(child);
}

static void moved_name(
	struct watcher_dir *dir, struct name from, struct name to)
{
	struct watcher_dir *child = find_child(dir, from);

	lost_name(dir, to);
	if (child && copy_name(child, to) < 0)
		watcher_dir_doom(child);
}

/* A model changed; what the first listing found was there before. */
void watcher_model_changed(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	static const enum watcher_event events[] = {
		[DIRCACHE_CREATE] = WATCHER_CREATE,
		[DIRCACHE_DELETE] = WATCHER_DELETE,
		[DIRCACHE_MOVE] = WATCHER_MOVE,
	};
	struct watcher_dir *dir = ctx;
	bool quiet = dir->quiet && !dir->listed;
	bool move = event == DIRCACHE_MOVE;

	if (event == DIRCACHE_ATTRS)
		return;
	if (!quiet)
		watcher_tell(dir, events[event], move ? from : entry->name,
			move ? entry->name : (struct name){0, NULL},
			type_of(entry));
	if (move)
		moved_name(dir, from, entry->name);
	else if (event == DIRCACHE_DELETE || replaced)
		lost_name(dir, entry->name);
	if (event == DIRCACHE_CREATE)
		new_entry(dir, entry, quiet);
}
