/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of the user namespace, which is the only one clients see
 * (RFC 8276). By way of /proc/self/fd: the calls on descriptors refuse O_PATH.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_impl.h"

#define PREFIX     "user."
#define PREFIX_LEN 5

struct xattr_name {
	char s[POSIX_XATTR_NAME_SIZE];
};

#define LIST_MAX 65536 /* XATTR_LIST_MAX */

/* Our own mark of an exclusive create lives there when nowhere else can. */
static bool is_hidden(const struct posix *p, const char *full)
{
	return p->exclusive_xattr && strcmp(full, p->exclusive_xattr) == 0;
}

/* The name with its prefix; -EACCES for the one that is ours. */
static int full_name(
	const struct posix *p, struct name name, struct xattr_name *full)
{
	if (PREFIX_LEN + name.len >= sizeof(full->s))
		return -ENAMETOOLONG;
	memcpy(full->s, PREFIX, PREFIX_LEN);
	memcpy(full->s + PREFIX_LEN, name.data, name.len);
	full->s[PREFIX_LEN + name.len] = 0;
	return is_hidden(p, full->s) ? -EACCES : 0;
}

static int get_as(struct posix *p, const struct cred *cred, int fd,
	const char *name, void *buf, size_t *len)
{
	struct fd_path path = fd_path_of(fd);
	scope_caller err = caller_enter(p->can_switch, cred);
	ssize_t n;

	if (err)
		return err;
	n = getxattr(path.s, name, *len ? buf : NULL, *len);
	if (n < 0)
		return -errno;
	if ((size_t)n > *len)
		return -ERANGE; /* no room at all asks for the size only */
	*len = n;
	return 0;
}

int posix_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct xattr_name full;
	int err = full_name(p, name, &full);

	if (err)
		return err == -EACCES ? -ENODATA : err;
	err = posix_path(p, id, &fh);
	return err ? err : get_as(p, cred, fh->fd, full.s, buf, len);
}

/* xattr_permission() of the kernel, for a change in the user namespace. */
static int check_writable(struct posix *p, const struct cred *cred, int fd)
{
	const uint64_t frozen = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	scope_caller err = caller_enter(p->can_switch, cred);
	struct statx st;

	if (!err)
		err = posix_stat(fd, &st);
	if (err)
		return err;
	if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode))
		return -EPERM;
	if (st.stx_attributes & frozen)
		return -EPERM;
	/* In a sticky directory, as in /tmp, it is for the owner. */
	if (S_ISDIR(st.stx_mode) && (st.stx_mode & S_ISVTX) &&
		st.stx_uid != caller_uid() &&
		!caller_is_privileged(p->can_switch, cred))
		return -EPERM;
	return posix_may(fd, W_OK);
}

/* Looked at as the server: to change one need not be allowed to read it. */
static int check_there(int fd, const char *name, enum store_xattr_mode mode)
{
	struct fd_path path = fd_path_of(fd);

	if (getxattr(path.s, name, NULL, 0) >= 0)
		return mode == XATTR_CREATE_ONLY ? -EEXIST : 0;
	if (errno == ENODATA)
		return mode == XATTR_REPLACE_ONLY ? -ENODATA : 0;
	return errno == EACCES ? 0 : -errno;
}

/* The object, and the whole name of one of its attributes. */
static int find_named(struct posix *p, const struct fileid *id,
	struct name name, struct fh **fh, struct xattr_name *full)
{
	int err = full_name(p, name, full);

	return err ? err : posix_path(p, id, fh);
}

int posix_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct xattr_name full;
	int err = find_named(p, id, name, &fh, &full);

	if (!err)
		err = check_writable(p, cred, fh->fd);
	return err ? err : check_there(fh->fd, full.s, mode);
}

static int flags_of(enum store_xattr_mode mode)
{
	switch (mode) {
	case XATTR_CREATE_ONLY:
		return XATTR_CREATE;
	case XATTR_REPLACE_ONLY:
		return XATTR_REPLACE;
	default:
		return 0;
	}
}

static int set_as(struct posix *p, const struct cred *cred, int fd,
	const char *name, const void *value, size_t len, int flags)
{
	struct fd_path path = fd_path_of(fd);
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err && setxattr(path.s, name, value, len, flags) != 0)
		err = -errno;
	return err;
}

int posix_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct xattr_name full;
	int err = find_named(p, id, name, &fh, &full);

	if (!err)
		err = set_as(
			p, cred, fh->fd, full.s, value, len, flags_of(mode));
	return err ? err : posix_sync_object(p, id);
}

static int remove_as(
	struct posix *p, const struct cred *cred, int fd, const char *name)
{
	struct fd_path path = fd_path_of(fd);
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err && removexattr(path.s, name) != 0)
		err = -errno;
	return err;
}

int posix_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct xattr_name full;
	int err = find_named(p, id, name, &fh, &full);

	if (!err)
		err = remove_as(p, cred, fh->fd, full.s);
	return err ? err : posix_sync_object(p, id);
}

/* Copy what a client may see; -ERANGE when it has no room. */
static int filter_names(const struct posix *p, const char *all, size_t size,
	struct store_xattr_names *names)
{
	names->used = 0;
	for (size_t at = 0; at < size; at += strlen(all + at) + 1) {
		const char *shown = all + at + PREFIX_LEN;
		size_t len;

		if (strncmp(all + at, PREFIX, PREFIX_LEN) != 0 ||
			is_hidden(p, all + at))
			continue;
		len = strlen(shown) + 1;
		if (len > names->size - names->used)
			return -ERANGE;
		memcpy(names->data + names->used, shown, len);
		names->used += len;
	}
	return 0;
}

static ssize_t list_as(struct posix *p, const struct cred *cred, int fd,
	char *buf, size_t size)
{
	struct fd_path path = fd_path_of(fd);
	scope_caller err = caller_enter(p->can_switch, cred);
	ssize_t n;

	if (!err)
		err = posix_may(fd, R_OK); /* listxattr() asks nothing */
	if (err)
		return err;
	n = listxattr(path.s, buf, size);
	return n < 0 ? -errno : n;
}

int posix_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names)
{
	struct posix *p = posix_of(s);
	scope_free char *buf = malloc(LIST_MAX);
	scope_fh *fh = NULL;
	ssize_t n;
	int err = buf ? posix_path(p, id, &fh) : -ENOMEM;

	if (err)
		return err;
	n = list_as(p, cred, fh->fd, buf, LIST_MAX);
	return n < 0 ? (int)n : filter_names(p, buf, n, names);
}
