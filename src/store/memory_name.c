/* SPDX-License-Identifier: MIT */
/*
 * Names: looking them up, and the changes of one directory. Each change has a
 * check that finds out everything that can go wrong; the dry check is that
 * function alone, the operation is the same function and then the deed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

#define LINK_TEXT_MAX 4095u
#define MAY_CHANGE    (STORE_MAY_WRITE | STORE_MAY_EXECUTE)
#define MODE_STICKY   01000u

void mem_note(
	struct memory *m, const struct fileid *dir, struct dir_change *change)
{
	/* An error means that cookies are not known; @change says so. */
	(void)dirindex_note(m->index, &m->source, dir, change);
}

void mem_note_entry(struct memory *m, const struct fileid *dir,
	enum change_kind kind, struct name name, const struct fileid *child,
	struct dir_change *change)
{
	change->kind = kind;
	change->entry.name = name;
	change->entry.child = *child;
	mem_note(m, dir, change);
}

/* A directory in which @cred may look names up. */
static int find_searchable(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct mem_node **ret)
{
	int err = mem_find_dir(m, dir, ret);

	if (!err && !mem_may(cred, *ret, STORE_MAY_EXECUTE))
		err = -EACCES;
	return err;
}

/* The entry @name in such a directory. */
static int find_entry(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, struct mem_node **d,
	struct mem_entry **ret)
{
	int err = find_searchable(m, cred, dir, d);

	if (err)
		return err;
	*ret = mem_entry_find(*d, name);
	return *ret ? 0 : -ENOENT;
}

int mem_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr)
{
	struct memory *m = memory_of(s);
	struct mem_entry *e;
	struct mem_node *d;
	int err;

	scope_lock(&m->lock);
	err = find_entry(m, cred, dir, name, &d, &e);
	if (err)
		return err;
	if (ret)
		*ret = mem_fileid(m, e->child);
	if (ret_attr)
		mem_attr(m, e->child, ret_attr);
	return 0;
}

int mem_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret)
{
	struct memory *m = memory_of(s);
	struct mem_node *d;
	int err;

	scope_lock(&m->lock);
	err = find_searchable(m, cred, dir, &d);
	if (err)
		return err;
	if (!d->parent)
		return -ENOENT;
	*ret = mem_fileid(m, d->parent);
	return 0;
}

static const struct mem_entry *entry_of(const struct mem_node *dir)
{
	struct htab_link *at = NULL;
	size_t cursor = 0;

	while ((at = htab_walk(&dir->parent->entries, &cursor, at))) {
		const struct mem_entry *e =
			container_of(at, struct mem_entry, link);

		if (e->child == dir)
			return e;
	}
	return NULL;
}

int mem_path(struct store *s, const struct fileid *dir, char *buf, size_t size)
{
	struct memory *m = memory_of(s);
	const struct mem_entry *e;
	struct mem_node *n;
	size_t at = size - 1;
	int err;

	scope_lock(&m->lock);
	err = mem_find_dir(m, dir, &n);
	if (err)
		return err;
	buf[at] = '\0';
	for (; n->parent; n = n->parent) { /* from its end */
		e = entry_of(n);
		if (!e || at < e->name_len + 1)
			return e ? -ENAMETOOLONG : -ESTALE;
		at -= e->name_len;
		memcpy(buf + at, e->name, e->name_len);
		buf[--at] = '/';
	}
	if (n != m->root)
		return -ESTALE;
	if (!buf[at] && at)
		buf[--at] = '/';
	memmove(buf, buf + at, size - at);
	return 0;
}

bool mem_is_full(const struct mem_node *n)
{
	return n->attr.type == OBJECT_DIR && n->entries.count > 0;
}

int mem_may_remove(const struct cred *cred, const struct mem_node *dir,
	const struct mem_node *child)
{
	if (!mem_may(cred, dir, MAY_CHANGE))
		return -EACCES;
	if ((dir->attr.mode & MODE_STICKY) && !mem_is_owner(cred, dir) &&
		!mem_is_owner(cred, child))
		return -EPERM;
	return 0;
}

/* May a new name appear in @d? As mknod(2), link(2) and rename(2) ask it. */
static int check_new_name(
	const struct cred *cred, const struct mem_node *d, struct name name)
{
	if (d->attr.nlink == 0)
		return -ENOENT; /* removed, and held by a pin only */
	if (mem_entry_find(d, name))
		return -EEXIST;
	return mem_may(cred, d, MAY_CHANGE) ? 0 : -EACCES;
}

static int check_create(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type,
	struct mem_node **ret)
{
	int err = find_searchable(m, cred, dir, ret);

	if (!err)
		err = check_new_name(cred, *ret, name);
	if (err)
		return err;
	if ((type == OBJECT_BLOCK || type == OBJECT_CHAR) && cred->uid != 0)
		return -EPERM;
	if (type == OBJECT_DIR && (*ret)->attr.nlink >= MEM_LINKS_MAX)
		return -EMLINK;
	return 0;
}

int mem_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	struct memory *m = memory_of(s);
	struct mem_node *d;

	scope_lock(&m->lock);
	return check_create(m, cred, dir, name, type, &d);
}

static int init_link_text(struct mem_node *n, struct name text)
{
	if (text.len == 0 || memchr(text.data, 0, text.len))
		return -EINVAL;
	if (text.len > LINK_TEXT_MAX)
		return -ENAMETOOLONG;
	n->link_text = malloc(text.len);
	if (!n->link_text)
		return -ENOMEM;
	memcpy(n->link_text, text.data, text.len);
	n->attr.size = text.len;
	return 0;
}

static int init_node(struct memory *m, const struct cred *cred,
	const struct mem_node *dir, struct mem_node *n,
	const struct store_new *new)
{
	int err = mem_init_attr(m, cred, dir, n, &new->attr);

	if (!err && new->type == OBJECT_SYMLINK)
		err = init_link_text(n, new->link_text);
	if (new->type == OBJECT_BLOCK || new->type == OBJECT_CHAR) {
		n->attr.rdev_major = new->rdev_major;
		n->attr.rdev_minor = new->rdev_minor;
	}
	n->exclusive = new->exclusive;
	n->verifier = new->verifier;
	return err;
}

int mem_create_entry(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret)
{
	struct mem_node *d, *n;
	int err;

	scope_lock(&m->lock);
	err = check_create(m, cred, dir, name, new->type, &d);
	if (err)
		return err;
	if (m->nodes.count >= MEM_FILES_MAX)
		return -ENOSPC;
	n = mem_node_new(m, new->type);
	if (!n)
		return -ENOMEM;
	err = init_node(m, cred, d, n, new);
	if (!err)
		err = mem_entry_add(m, d, name, n);
	if (err)
		mem_node_free(m, n);
	else
		*ret = mem_fileid(m, n);
	return err;
}

int mem_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	struct memory *m = memory_of(s);
	int err = mem_create_entry(m, cred, dir, name, new, ret);

	if (!err)
		mem_note_entry(m, dir, CHANGE_ADD_ENTRY, name, ret, change);
	return err;
}

static int check_link(struct memory *m, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct mem_node **child, struct mem_node **ret)
{
	int err = mem_find(m, id, child);

	if (!err)
		err = find_searchable(m, cred, dir, ret);
	if (err)
		return err;
	if ((*child)->attr.type == OBJECT_DIR)
		return -EISDIR;
	err = check_new_name(cred, *ret, name);
	if (err)
		return err;
	if ((*child)->attr.nlink == 0)
		return -ENOENT;
	return (*child)->attr.nlink < MEM_LINKS_MAX ? 0 : -EMLINK;
}

int mem_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	struct memory *m = memory_of(s);
	struct mem_node *child, *d;

	scope_lock(&m->lock);
	return check_link(m, cred, id, dir, name, &child, &d);
}

int mem_link_entry(struct memory *m, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	struct mem_node *child, *d;
	int err;

	scope_lock(&m->lock);
	err = check_link(m, cred, id, dir, name, &child, &d);
	return err ? err : mem_entry_add(m, d, name, child);
}

int mem_link(struct store *s, const struct cred *cred, const struct fileid *id,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	struct memory *m = memory_of(s);
	int err = mem_link_entry(m, cred, id, dir, name);

	if (!err)
		mem_note_entry(m, dir, CHANGE_ADD_ENTRY, name, id, change);
	return err;
}

static int check_remove(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, struct mem_node **d,
	struct mem_entry **e)
{
	int err = find_entry(m, cred, dir, name, d, e);

	if (!err)
		err = mem_may_remove(cred, *d, (*e)->child);
	if (err)
		return err;
	return mem_is_full((*e)->child) ? -ENOTEMPTY : 0;
}

int mem_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	struct memory *m = memory_of(s);
	struct mem_entry *e;
	struct mem_node *d;
	int err;

	scope_lock(&m->lock);
	err = check_remove(m, cred, dir, name, &d, &e);
	if (err)
		return err;
	*victim = mem_fileid(m, e->child);
	mem_attr(m, e->child, victim_attr);
	return 0;
}

int mem_check_victim(const struct memory *m, const struct mem_entry *entry,
	const struct fileid *only)
{
	struct fileid id;

	if (!entry || !only)
		return 0;
	id = mem_fileid(m, entry->child);
	return fileid_equal(&id, only) ? 0 : -EWOULDBLOCK;
}

int mem_remove_entry(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct fileid *only,
	struct fileid *victim, bool *was_dir)
{
	struct mem_entry *e;
	struct mem_node *d, *child;
	int err;

	scope_lock(&m->lock);
	err = check_remove(m, cred, dir, name, &d, &e);
	if (!err)
		err = mem_check_victim(m, e, only);
	if (err)
		return err;
	child = e->child;
	*victim = mem_fileid(m, child);
	*was_dir = child->attr.type == OBJECT_DIR;
	mem_entry_remove(m, d, e);
	mem_node_release(m, child);
	return 0;
}

int mem_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	struct memory *m = memory_of(s);
	struct fileid victim;
	bool was_dir;
	int err = mem_remove_entry(
		m, cred, dir, name, change->victim, &victim, &was_dir);

	if (err)
		return err;
	if (was_dir)
		dirindex_forget(m->index, &victim);
	mem_note_entry(m, dir, CHANGE_REMOVE_ENTRY, name, &victim, change);
	return 0;
}
