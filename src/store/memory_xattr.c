/* SPDX-License-Identifier: MIT */
/* User extended attributes, with the rules of xattr(7). */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

#define MODE_STICKY 01000u

static void xattr_free(struct mem_xattr *x)
{
	list_del(&x->link);
	free(x->value);
	free(x);
}

void mem_xattrs_free(struct mem_node *n)
{
	struct mem_xattr *x, *next;

	list_for_each_entry_safe(x, next, &n->xattrs, link)
		xattr_free(x);
}

static struct mem_xattr *xattr_find(struct mem_node *n, struct name name)
{
	struct mem_xattr *x;

	list_for_each_entry(x, &n->xattrs, link) {
		if (x->name_len == name.len &&
			memcmp(x->name, name.data, name.len) == 0)
			return x;
	}
	return NULL;
}

/* User attributes are for files and directories only. */
static bool may_have(const struct mem_node *n)
{
	return n->attr.type == OBJECT_FILE || n->attr.type == OBJECT_DIR;
}

static int find_readable(struct memory *m, const struct cred *cred,
	const struct fileid *id, struct mem_node **ret)
{
	int err = mem_find(m, id, ret);

	if (!err && may_have(*ret) && !mem_may(cred, *ret, STORE_MAY_READ))
		err = -EACCES;
	return err;
}

static int find_writable(struct memory *m, const struct cred *cred,
	const struct fileid *id, struct mem_node **ret)
{
	int err = mem_find(m, id, ret);

	if (err)
		return err;
	if (!may_have(*ret))
		return -EPERM;
	if ((*ret)->attr.type == OBJECT_DIR &&
		((*ret)->attr.mode & MODE_STICKY) && !mem_is_owner(cred, *ret))
		return -EPERM;
	return mem_may(cred, *ret, STORE_MAY_WRITE) ? 0 : -EACCES;
}

int mem_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len)
{
	struct memory *m = memory_of(s);
	struct mem_xattr *x;
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = find_readable(m, cred, id, &n);
	if (err)
		return err;
	x = xattr_find(n, name);
	if (!x)
		return -ENODATA;
	if (x->len > *len)
		return -ERANGE;
	if (x->len)
		memcpy(buf, x->value, x->len);
	*len = x->len;
	return 0;
}

/* May @name be set, or removed (XATTR_REPLACE_ONLY)? */
static int check_change(struct memory *m, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode,
	struct mem_node **ret)
{
	int err = find_writable(m, cred, id, ret);
	bool there;

	if (err)
		return err;
	there = xattr_find(*ret, name);
	if (there && mode == XATTR_CREATE_ONLY)
		return -EEXIST;
	return !there && mode == XATTR_REPLACE_ONLY ? -ENODATA : 0;
}

int mem_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;

	scope_lock(&m->lock);
	return check_change(m, cred, id, name, mode, &n);
}

static struct mem_xattr *xattr_new(struct mem_node *n, struct name name)
{
	struct mem_xattr *x = calloc(1, sizeof(*x) + name.len);

	if (!x)
		return NULL;
	memcpy(x->name, name.data, name.len);
	x->name_len = name.len;
	list_add_tail(&n->xattrs, &x->link);
	return x;
}

static int xattr_store(
	struct mem_node *n, struct name name, const void *value, size_t len)
{
	struct mem_xattr *x = xattr_find(n, name);
	void *copy = malloc(len ? len : 1);

	if (copy && !x)
		x = xattr_new(n, name);
	if (!copy || !x) {
		free(copy);
		return -ENOMEM;
	}
	if (len)
		memcpy(copy, value, len);
	free(x->value);
	x->value = copy;
	x->len = len;
	return 0;
}

int mem_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = check_change(m, cred, id, name, mode, &n);
	if (!err && len > MEM_XATTR_MAX)
		err = -E2BIG;
	if (!err)
		err = xattr_store(n, name, value, len);
	if (!err)
		n->attr.ctime_ns = mem_now(m);
	return err;
}

int mem_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names)
{
	struct memory *m = memory_of(s);
	struct mem_xattr *x;
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = find_readable(m, cred, id, &n);
	if (err)
		return err;
	list_for_each_entry(x, &n->xattrs, link) {
		if (names->size - names->used < x->name_len + 1)
			return -ERANGE;
		memcpy(names->data + names->used, x->name, x->name_len);
		names->used += x->name_len;
		names->data[names->used++] = 0;
	}
	return 0;
}

int mem_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = check_change(m, cred, id, name, XATTR_REPLACE_ONLY, &n);
	if (err)
		return err;
	xattr_free(xattr_find(n, name));
	n->attr.ctime_ns = mem_now(m);
	return 0;
}
