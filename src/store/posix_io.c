/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_impl.h"

/* Only these are ever opened: a FIFO would hang, a device would do things. */
static int check_regular(struct fh *path)
{
	unsigned format;
	int err = fh_format(path, &format);

	if (err || format == S_IFREG)
		return err;
	return format == S_IFDIR ? -EISDIR : -EINVAL;
}

/*
 * May the thread open it? Who may execute a file may read it, or programs of
 * mode 0111 could not be run over the network (as knfsd).
 */
static int may_open(int fd, uint32_t access)
{
	int mode = (access & STORE_MAY_READ ? R_OK : 0) |
		(access & STORE_MAY_WRITE ? W_OK : 0);
	int err = posix_may(fd, mode);

	if (err == -EACCES && access == STORE_MAY_READ)
		err = posix_may(fd, X_OK);
	return err;
}

int posix_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	unsigned format;
	int err = posix_path(p, id, &fh);

	if (!err)
		err = fh_format(fh, &format);
	if (err)
		return err;
	if (format == S_IFDIR)
		return -EISDIR;
	if (format != S_IFREG)
		return format == S_IFLNK ? -ELOOP : -ENXIO;
	scope_caller entered = caller_enter(p->can_switch, cred);
	return entered ? entered : may_open(fh->fd, access);
}

static int reopen_as(
	struct posix *p, const struct cred *cred, int fd, int flags)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	return err ? err : posix_reopen(p, fd, flags);
}

/*
 * Open as the caller, whom the kernel may show the file's lease holders. He is
 * authorised by now, so if the mode of today shuts him out (an open from
 * before a chmod, a file he may only execute), open for him.
 */
static int open_for(
	struct posix *p, const struct cred *cred, int fd, enum fh_kind kind)
{
	int flags = kind == FH_WRITE ? O_RDWR : O_RDONLY;
	int opened = reopen_as(p, cred, fd, flags);

	return opened == -EACCES ? posix_reopen(p, fd, flags) : opened;
}

/* A descriptor for writing reads as well. */
static struct fh *find_open(
	struct posix *p, const struct fileid *id, enum fh_kind kind)
{
	struct fh *fh = fh_find(&p->cache, id, kind);

	if (!fh && kind == FH_READ)
		fh = fh_find(&p->cache, id, FH_WRITE);
	return fh;
}

static int authorise(struct posix *p, const struct cred *cred, struct fh *path,
	int io, enum fh_kind kind)
{
	uint32_t access = kind == FH_WRITE ? STORE_MAY_WRITE : STORE_MAY_READ;
	int err = check_regular(path);

	if (err || io == STORE_IO_OPENED)
		return err;
	scope_caller entered = caller_enter(p->can_switch, cred);
	return entered ? entered : may_open(path->fd, access);
}

int posix_open_io(struct posix *p, const struct cred *cred,
	const struct fileid *id, int io, enum fh_kind kind, struct fh **ret)
{
	scope_fh *path = NULL;
	int fd, err;

	if (io == STORE_IO_OPENED) {
		*ret = find_open(p, id, kind);
		if (*ret)
			return 0;
	}
	err = posix_path(p, id, &path);
	if (!err)
		err = authorise(p, cred, path, io, kind);
	if (err)
		return err;
	*ret = find_open(p, id, kind);
	if (*ret)
		return 0;
	err = fh_reserve(&p->cache);
	if (err)
		return err;
	fd = open_for(p, cred, path->fd, kind);
	if (fd < 0) {
		fh_unreserve(&p->cache);
		return fd;
	}
	return fh_add(&p->cache, id, kind, fd, ret);
}

int posix_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct stat st;
	ssize_t n;
	int err = posix_open_io(p, cred, id, io, FH_READ, &fh);

	if (err)
		return err;
	n = pread(fh->fd, buf, len, offset);
	if (n < 0 || fstat(fh->fd, &st) != 0)
		return -errno;
	*done = n;
	*eof = offset + n >= (uint64_t)st.st_size;
	return 0;
}

static ssize_t write_as(struct posix *p, const struct cred *cred, int fd,
	const void *buf, size_t len, uint64_t offset)
{
	scope_caller err = caller_enter(p->can_switch, cred);
	ssize_t n;

	if (err)
		return err;
	n = pwrite(fd, buf, len, offset);
	return n < 0 ? -errno : n;
}

int posix_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	uint64_t failures;
	ssize_t n;
	int err = posix_open_io(p, cred, id, io, FH_WRITE, &fh);

	if (err)
		return err;
	failures = fh_failures(fh);
	n = write_as(p, cred, fh->fd, buf, len, offset);
	if (n < 0)
		return n;
	fh_wrote(fh);
	*done = n;
	if (*stability == STORE_UNSTABLE)
		return 0;
	return fh_sync(fh, *stability == STORE_DATA_SYNC, failures);
}

int posix_commit(
	struct store *s, const struct fileid *id, uint64_t offset, uint64_t len)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_path(p, id, &fh);

	if (!err)
		err = check_regular(fh);
	return err ? err : fh_commit(&p->cache, id);
}

uint64_t posix_write_verifier(struct store *s)
{
	return atomic_load(&posix_of(s)->cache.verifier);
}

/* The kernel knows a hole at the end of every file, RFC 7862 does not. */
static int seek_fd(int fd, uint64_t offset, bool hole, uint64_t *ret, bool *eof)
{
	struct stat st;
	off_t at;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (offset >= (uint64_t)st.st_size)
		return -ENXIO;
	at = lseek(fd, offset, hole ? SEEK_HOLE : SEEK_DATA);
	if (at < 0 && errno != ENXIO)
		return -errno;
	*eof = at < 0 || at >= st.st_size;
	*ret = *eof ? (uint64_t)st.st_size : (uint64_t)at;
	return 0;
}

int posix_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_open_io(p, cred, id, io, FH_READ, &fh);

	return err ? err : seek_fd(fh->fd, offset, hole, ret, eof);
}

static int fallocate_as(struct posix *p, const struct cred *cred, int fd,
	int mode, uint64_t offset, uint64_t len)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err && fallocate(fd, mode, offset, len) != 0)
		err = -errno;
	return err;
}

static int change_space(struct posix *p, const struct cred *cred,
	const struct fileid *id, int io, int mode, uint64_t offset,
	uint64_t len)
{
	scope_fh *fh = NULL;
	uint64_t failures;
	int err = posix_open_io(p, cred, id, io, FH_WRITE, &fh);

	if (err)
		return err;
	failures = fh_failures(fh);
	err = fallocate_as(p, cred, fh->fd, mode, offset, len);
	fh_wrote(fh); /* a failure may have done part of it */
	return err ? err : fh_sync(fh, false, failures);
}

int posix_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	return change_space(posix_of(s), cred, id, io, 0, offset, len);
}

int posix_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	return change_space(posix_of(s), cred, id, io,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
}

/*
 * Nothing can be opened to sync with: no descriptor, no memory, or somebody has
 * a lease. What has been changed must not be answered with "try again", so the
 * whole file system is synced.
 */
static int sync_otherwise(struct posix *p, int err)
{
	if (err != -EWOULDBLOCK && err != -ENOMEM)
		return err;
	return fh_sync_all(&p->cache, p->root_fd);
}

static int sync_file(struct posix *p, const struct fileid *id, int path_fd)
{
	scope_fh *fh = fh_find(&p->cache, id, FH_WRITE);
	scope_fd int fd = -1;

	if (fh) {
		uint64_t failures = fh_failures(fh);

		fh_wrote(fh); /* a change of attributes, which it numbers too */
		return fh_sync(fh, false, failures);
	}
	fd = posix_reopen(p, path_fd, O_RDONLY);
	return fd < 0 ? sync_otherwise(p, fd) : fh_sync_fd(&p->cache, fd);
}

static int sync_dir(struct posix *p, int path_fd)
{
	scope_fd int fd = posix_open_listing(p, path_fd);
	int err = fd < 0 ? sync_otherwise(p, fd) : fh_sync_fd(&p->cache, fd);

	return err == -EINVAL ? 0
			      : err; /* nothing there that could be synced */
}

int posix_sync_attr(
	struct posix *p, const struct fileid *id, enum object_type type)
{
	if (type == OBJECT_FILE || type == OBJECT_DIR)
		return posix_sync_object(p, id);
	return fh_sync_all(&p->cache, p->root_fd);
}

int posix_sync_object(struct posix *p, const struct fileid *id)
{
	scope_fh *path = NULL;
	unsigned format;
	int err = posix_path(p, id, &path);

	if (!err)
		err = fh_format(path, &format);
	if (err)
		return sync_otherwise(p, err);
	if (format == S_IFREG)
		return sync_file(p, id, path->fd);
	return format == S_IFDIR ? sync_dir(p, path->fd) : 0;
}
