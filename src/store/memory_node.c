/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

/* What a fileid of this store is made of. */
struct mem_id {
	uint64_t store;
	uint64_t inode;
};

_Static_assert(sizeof(struct mem_id) <= FILEID_MAX, "a fileid has room");

struct fileid mem_fileid(const struct memory *m, const struct mem_node *n)
{
	struct mem_id id = {.store = m->id, .inode = n->attr.inode};
	struct fileid ret = {.len = sizeof(id)};

	memcpy(ret.data, &id, sizeof(id));
	return ret;
}

int mem_find(struct memory *m, const struct fileid *id, struct mem_node **ret)
{
	struct htab_link *at;
	struct mem_id key;

	if (id->len != sizeof(key))
		return -ESTALE;
	memcpy(&key, id->data, sizeof(key));
	if (key.store != m->id)
		return -ESTALE;
	at = htab_first(&m->nodes, htab_hash(&key.inode, sizeof(key.inode)));
	while (at) {
		*ret = container_of(at, struct mem_node, link);
		if ((*ret)->attr.inode == key.inode)
			return 0;
		at = htab_next(at);
	}
	return -ESTALE;
}

int mem_find_dir(
	struct memory *m, const struct fileid *id, struct mem_node **ret)
{
	int err = mem_find(m, id, ret);

	if (!err && (*ret)->attr.type != OBJECT_DIR)
		err = -ENOTDIR;
	return err;
}

int64_t mem_now(const struct memory *m)
{
	return clock_file_ns(m->clock);
}

struct mem_node *mem_node_new(struct memory *m, enum object_type type)
{
	struct mem_node *n = calloc(1, sizeof(*n));
	uint64_t inode = m->next_inode;
	int64_t now = mem_now(m);

	if (!n)
		return NULL;
	list_init(&n->xattrs);
	n->attr = (struct attr){
		.type = type,
		.inode = inode,
		.mounted_on_inode = inode,
		.fsid = {.major = m->id, .minor = 0},
		.atime_ns = now,
		.mtime_ns = now,
		.ctime_ns = now,
		.btime_ns = now,
		.has_btime = true,
	};
	if (type == OBJECT_DIR && htab_init(&n->entries, 1)) {
		free(n);
		return NULL;
	}
	if (type == OBJECT_DIR)
		n->attr.size = MEM_PAGE;
	htab_insert(&m->nodes, &n->link, htab_hash(&inode, sizeof(inode)));
	m->next_inode++;
	return n;
}

static void entries_free(struct mem_node *dir)
{
	struct htab_link *at;
	size_t cursor = 0;

	while ((at = htab_walk(&dir->entries, &cursor, NULL))) {
		htab_remove(&dir->entries, at);
		free(container_of(at, struct mem_entry, link));
		cursor--; /* the bucket may hold more */
	}
	htab_fini(&dir->entries);
}

void mem_node_free(struct memory *m, struct mem_node *n)
{
	htab_remove(&m->nodes, &n->link);
	mem_forget_watches(m, n);
	if (n->attr.type == OBJECT_DIR)
		entries_free(n);
	mem_pages_free(m, &n->pages);
	mem_xattrs_free(n);
	free(n->link_text);
	free(n);
}

void mem_node_release(struct memory *m, struct mem_node *n)
{
	if (n->attr.nlink == 0 && n->pins == 0)
		mem_node_free(m, n);
}

struct mem_entry *mem_entry_find(const struct mem_node *dir, struct name name)
{
	struct htab_link *at;
	uint64_t hash = htab_hash(name.data, name.len);

	htab_for_each_match(at, &dir->entries, hash) {
		struct mem_entry *e = container_of(at, struct mem_entry, link);

		if (e->name_len == name.len &&
			memcmp(e->name, name.data, name.len) == 0)
			return e;
	}
	return NULL;
}

static void touch_dir(struct memory *m, struct mem_node *dir)
{
	dir->attr.mtime_ns = mem_now(m);
	dir->attr.ctime_ns = dir->attr.mtime_ns;
}

int mem_entry_add(struct memory *m, struct mem_node *dir, struct name name,
	struct mem_node *child)
{
	struct mem_entry *e = malloc(sizeof(*e) + name.len);

	if (!e)
		return -ENOMEM;
	e->child = child;
	e->name_len = name.len;
	memcpy(e->name, name.data, name.len);
	htab_insert(&dir->entries, &e->link, htab_hash(name.data, name.len));
	if (child->attr.type == OBJECT_DIR) {
		child->parent = dir;
		child->attr.nlink = 2 + child->subdirs;
		dir->subdirs++;
		dir->attr.nlink++;
	} else {
		child->attr.nlink++;
	}
	touch_dir(m, dir);
	child->attr.ctime_ns = mem_now(m);
	return 0;
}

void mem_entry_remove(
	struct memory *m, struct mem_node *dir, struct mem_entry *e)
{
	struct mem_node *child = e->child;

	htab_remove(&dir->entries, &e->link);
	free(e);
	if (child->attr.type == OBJECT_DIR) {
		child->parent = NULL;
		child->attr.nlink = 0;
		dir->subdirs--;
		dir->attr.nlink--;
	} else {
		child->attr.nlink--;
	}
	touch_dir(m, dir);
	child->attr.ctime_ns = mem_now(m);
}

void mem_dir_moved(struct mem_node *dir, struct mem_node *parent)
{
	dir->parent = parent;
	dir->attr.nlink = 2 + dir->subdirs;
}

void mem_attr(
	const struct memory *m, const struct mem_node *n, struct attr *ret)
{
	*ret = n->attr;
	if (n->attr.type == OBJECT_FILE)
		ret->space_used = n->pages.count * MEM_PAGE;
	else
		ret->space_used = n->attr.size;
}

int mem_dir_ctime(void *store, const struct fileid *dir, int64_t *ctime_ns)
{
	struct memory *m = store;
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find_dir(m, dir, &n);
	if (!err)
		*ctime_ns = n->attr.ctime_ns;
	return err;
}

/* All names of a directory, each as a length byte and its bytes. */
struct snapshot {
	uint8_t *data;
	size_t size;
};

static int snapshot_take(const struct mem_node *dir, struct snapshot *snap)
{
	struct htab_link *at = NULL;
	size_t cursor = 0, used = 0;

	snap->size = 0;
	while ((at = htab_walk(&dir->entries, &cursor, at)))
		snap->size +=
			1 + container_of(at, struct mem_entry, link)->name_len;
	snap->data = malloc(snap->size ? snap->size : 1);
	if (!snap->data)
		return -ENOMEM;
	cursor = 0;
	at = NULL;
	while ((at = htab_walk(&dir->entries, &cursor, at))) {
		struct mem_entry *e = container_of(at, struct mem_entry, link);

		snap->data[used++] = e->name_len;
		memcpy(snap->data + used, e->name, e->name_len);
		used += e->name_len;
	}
	return 0;
}

static int snapshot_dir(
	struct memory *m, const struct fileid *dir, struct snapshot *snap)
{
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find_dir(m, dir, &n);
	return err ? err : snapshot_take(n, snap);
}

int mem_scan(void *store, const struct fileid *dir, dirindex_add_name add,
	void *fill)
{
	struct snapshot snap;
	int err = snapshot_dir(store, dir, &snap);

	if (err)
		return err;
	for (size_t at = 0; at < snap.size && err >= 0;) {
		struct name name = {.len = snap.data[at],
			.data = (char *)snap.data + at + 1};

		err = add(fill, name);
		at += 1 + name.len;
	}
	free(snap.data);
	return err < 0 ? err : 0;
}
