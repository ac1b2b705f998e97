/* SPDX-License-Identifier: MIT */
/* Who may do what, and the attributes a caller can set. */
#include <errno.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

#define MODE_SUID 04000u
#define MODE_SGID 02000u
#define MODE_XGRP 00010u
#define MODE_ALL  07777u

bool mem_is_owner(const struct cred *cred, const struct mem_node *n)
{
	return cred->uid == 0 || cred->uid == n->attr.uid;
}

bool mem_may(const struct cred *cred, const struct mem_node *n, uint32_t want)
{
	uint32_t have = n->attr.mode;

	if (cred->uid == 0)
		return !(want & STORE_MAY_EXECUTE) || (have & 0111) ||
			n->attr.type == OBJECT_DIR;
	if (cred->uid == n->attr.uid)
		have >>= 6;
	else if (cred_in_group(cred, n->attr.gid))
		have >>= 3;
	/* Mode bits are r = 4, w = 2, x = 1. */
	if ((want & STORE_MAY_READ) && !(have & 4))
		return false;
	if ((want & STORE_MAY_WRITE) && !(have & 2))
		return false;
	return !(want & STORE_MAY_EXECUTE) || (have & 1);
}

/* May @cred give the object this owner or group? */
static int check_owner(const struct cred *cred, const struct mem_node *n,
	const struct setattr *set)
{
	if (cred->uid == 0)
		return 0;
	if ((set->mask & SETATTR_UID) &&
		(set->uid != n->attr.uid || cred->uid != n->attr.uid))
		return -EPERM;
	if ((set->mask & SETATTR_GID) &&
		(cred->uid != n->attr.uid ||
			(set->gid != n->attr.gid &&
				!cred_in_group(cred, set->gid))))
		return -EPERM;
	return 0;
}

static int check_size(const struct cred *cred, const struct mem_node *n, int io)
{
	if (n->attr.type == OBJECT_DIR)
		return -EISDIR;
	if (n->attr.type != OBJECT_FILE)
		return -EINVAL;
	if (io == STORE_IO_CHECK && !mem_may(cred, n, STORE_MAY_WRITE))
		return -EACCES;
	return 0;
}

/* Any time for the owner; the time of now for whoever may write. */
static int check_times(const struct cred *cred, const struct mem_node *n,
	const struct setattr *set)
{
	if (mem_is_owner(cred, n))
		return 0;
	if (set->mask & (SETATTR_ATIME | SETATTR_MTIME))
		return -EPERM;
	if ((set->mask & (SETATTR_ATIME_NOW | SETATTR_MTIME_NOW)) &&
		!mem_may(cred, n, STORE_MAY_WRITE))
		return -EACCES;
	return 0;
}

static int check_set(const struct cred *cred, const struct mem_node *n, int io,
	const struct setattr *set)
{
	int err = check_owner(cred, n, set);

	if (!err && (set->mask & (SETATTR_MODE | SETATTR_MODE_MASKED)) &&
		!mem_is_owner(cred, n))
		err = -EPERM;
	if (!err && (set->mask & SETATTR_SIZE))
		err = check_size(cred, n, io);
	if (!err)
		err = check_times(cred, n, set);
	return err;
}

/* Only members may give a file its group's rights (chmod(2)). */
static uint32_t mode_for(
	const struct cred *cred, const struct mem_node *n, uint32_t mode)
{
	if (cred->uid != 0 && !cred_in_group(cred, n->attr.gid))
		mode &= ~MODE_SGID;
	return mode;
}

static void drop_suid(struct mem_node *n)
{
	if (n->attr.type != OBJECT_FILE)
		return;
	n->attr.mode &= ~MODE_SUID;
	if (n->attr.mode & MODE_XGRP)
		n->attr.mode &= ~MODE_SGID;
}

void mem_clear_suid(const struct cred *cred, struct mem_node *n)
{
	if (cred->uid != 0)
		drop_suid(n);
}

static void apply_owner(
	const struct cred *cred, struct mem_node *n, const struct setattr *set)
{
	if (set->mask & SETATTR_UID)
		n->attr.uid = set->uid;
	if (set->mask & SETATTR_GID)
		n->attr.gid = set->gid;
	if (set->mask & (SETATTR_UID | SETATTR_GID))
		drop_suid(n); /* for root too, see chown(2) */
	if (set->mask & (SETATTR_MODE | SETATTR_MODE_MASKED))
		n->attr.mode = mode_for(
			cred, n, setattr_mode(set, n->attr.mode) & MODE_ALL);
}

static void apply_times(
	struct mem_node *n, const struct setattr *set, int64_t now)
{
	if (set->mask & SETATTR_ATIME)
		n->attr.atime_ns = set->atime_ns;
	if (set->mask & SETATTR_ATIME_NOW)
		n->attr.atime_ns = now;
	if (set->mask & SETATTR_MTIME)
		n->attr.mtime_ns = set->mtime_ns;
	if (set->mask & SETATTR_MTIME_NOW)
		n->attr.mtime_ns = now;
}

static void apply_set(struct memory *m, const struct cred *cred,
	struct mem_node *n, const struct setattr *set)
{
	int64_t now = mem_now(m);

	if (set->mask & SETATTR_SIZE) {
		mem_resize(m, n, set->size);
		mem_clear_suid(cred, n);
		n->attr.mtime_ns = now;
	}
	apply_owner(cred, n, set);
	apply_times(n, set, now);
	n->attr.ctime_ns = now;
}

int mem_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	return err ? err : check_set(cred, n, io, set);
}

int mem_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (!err)
		err = check_set(cred, n, io, set);
	if (!err && set->mask)
		apply_set(m, cred, n, set);
	return err;
}

/* The group of a new object, and the bit a directory hands on. */
static void inherit_group(const struct cred *cred, const struct mem_node *dir,
	struct mem_node *n, uint32_t *mode)
{
	n->attr.gid = cred->gid;
	if (!(dir->attr.mode & MODE_SGID))
		return;
	n->attr.gid = dir->attr.gid;
	if (n->attr.type == OBJECT_DIR)
		*mode |= MODE_SGID;
}

int mem_init_attr(struct memory *m, const struct cred *cred,
	const struct mem_node *dir, struct mem_node *n,
	const struct setattr *set)
{
	uint32_t mode = store_default_mode(n->attr.type);
	int err;

	if (n->attr.type != OBJECT_SYMLINK)
		mode = setattr_mode(set, mode) & MODE_ALL;
	if (set->mask & SETATTR_UMASK)
		mode &= ~set->umask;
	n->attr.uid = cred->uid;
	n->attr.mode = mode;
	inherit_group(cred, dir, n, &mode);
	err = check_owner(cred, n, set);
	if (err)
		return err;
	if ((set->mask & SETATTR_SIZE) && n->attr.type != OBJECT_FILE)
		return -EINVAL;
	apply_owner(cred, n, set);
	/* Last, as a mode that was asked for is not lost to the chown. */
	n->attr.mode =
		n->attr.type == OBJECT_DIR ? mode : mode_for(cred, n, mode);
	if (set->mask & SETATTR_SIZE)
		mem_resize(m, n, set->size);
	apply_times(n, set, mem_now(m));
	return 0;
}
