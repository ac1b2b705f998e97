/* SPDX-License-Identifier: MIT */
/*
 * From name to object: one component at a time, through openat2() on a
 * descriptor, so that nothing a client sends is ever a path.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_impl.h"

#define SCAN_BUFFER (64 * 1024)
#define DEPTH_MAX   4096 /* of a directory below the export's root */

static int open_step(
	struct posix *p, int dirfd, const char *name, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | resolve,
	};

	return posix_opened(
		p, syscall(SYS_openat2, dirfd, name, &how, sizeof(how)));
}

int posix_open_name(struct posix *p, int dirfd, struct name name)
{
	struct cname c = cname_of(name);
	int fd = open_step(p, dirfd, c.s, RESOLVE_BENEATH);

	return fd == -EXDEV ? -ENOENT : fd;
}

int posix_check_free(struct posix *p, int dirfd, struct name name)
{
	struct cname c = cname_of(name);
	scope_fd int fd = open_step(p, dirfd, c.s, RESOLVE_BENEATH);
	int err;

	if (fd >= 0 || fd == -EXDEV)
		return -EEXIST;
	err = posix_dir_error(dirfd, fd);
	return err == -ENOENT ? 0 : err;
}

int posix_dir_error(int dirfd, int err)
{
	struct statx st;

	if (err == -ENOENT && posix_stat(dirfd, &st) == 0 && st.stx_nlink == 0)
		return -ESTALE;
	return err;
}

static int open_child(
	struct posix *p, const struct cred *cred, int dirfd, struct name name)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (err)
		return err;
	err = posix_open_name(p, dirfd, name);
	return err < 0 ? posix_dir_error(dirfd, err) : err;
}

/*
 * Keep the descriptor of a lookup: attributes are usually asked for next. A
 * listing's are not kept, or one large directory would empty the cache.
 */
static int found(struct posix *p, int fd, struct fileid *ret)
{
	struct fh *fh;
	int err = posix_id_of_fd(p, fd, ret);

	if (err || fh_reserve(&p->cache) != 0)
		close(fd);
	else if (fh_add(&p->cache, ret, FH_PATH, fd, &fh) == 0)
		fh_put(fh);
	return err;
}

static int found_with_attr(
	struct posix *p, int opened, struct fileid *ret, struct attr *ret_attr)
{
	scope_fd int fd = opened;
	struct statx st;
	int err = ret ? posix_id_of_fd(p, fd, ret) : 0;

	if (!err)
		err = posix_stat(fd, &st);
	if (!err)
		posix_fill_attr(p, fd, &st, ret_attr);
	return err;
}

/*
 * Attributes by name alone, for a quarter of the calls. False: the long way
 * is to be gone, since something might be mounted there or be a subvolume.
 */
static bool stat_child(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, struct attr *ret, int *err)
{
	scope_caller entered = caller_enter(p->can_switch, cred);
	struct statx st;

	*err = entered ? entered : posix_stat_name(dirfd, name, &st);
	if (*err)
		return true;
	if (!posix_is_on_device(p, &st))
		return false;
	posix_fill_attr(p, -1, &st, ret);
	return true;
}

int posix_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int fd, err = posix_dir(p, dir, &fh);

	if (err)
		return err;
	if (!ret && p->cloned &&
		stat_child(p, cred, fh->fd, name, ret_attr, &err))
		return err ? posix_dir_error(fh->fd, err) : 0;
	fd = open_child(p, cred, fh->fd, name);
	if (fd < 0)
		return fd;
	return ret_attr ? found_with_attr(p, fd, ret, ret_attr)
			: found(p, fd, ret);
}

/* One step up; the kernel says ENOENT at the wall of our clone. */
static int open_up(struct posix *p, int fd)
{
	int up = open_step(p, fd, "..", 0);

	return up == -ENOENT || up == -EXDEV ? -ESTALE : up;
}

/* Move *@fd one step up. @st: of *@fd, before and after. */
static int step_up(struct posix *p, int *fd, struct statx *st)
{
	struct statx below = *st;
	int err, up = open_up(p, *fd);

	if (up < 0)
		return up;
	close(*fd);
	*fd = up;
	err = posix_stat(up, st);
	if (!err && posix_same_object(st, &below))
		err = -ESTALE; /* the mount's own root, above ours */
	return err;
}

int posix_check_way_up(struct posix *p, int start, const struct statx *avoid)
{
	scope_fd int fd = fcntl(start, F_DUPFD_CLOEXEC, 0);
	struct statx st;
	int err;

	if (fd < 0)
		return -EWOULDBLOCK;
	err = posix_stat(fd, &st);
	for (int depth = 0; !err && depth < DEPTH_MAX; depth++) {
		if (avoid && posix_same_object(&st, avoid))
			return -EINVAL;
		if (posix_same_object(&st, &p->root_stat))
			return 0;
		err = step_up(p, &fd, &st);
	}
	return err ? err : -ESTALE;
}

static int open_parent(struct posix *p, const struct cred *cred, int dirfd)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (err)
		return err;
	return open_up(p, dirfd);
}

int posix_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int fd, err = posix_dir(p, dir, &fh);

	if (err)
		return err;
	if (fileid_equal(dir, &p->root))
		return -ENOENT;
	/* Without a clone nothing stops `..` at the export's root. */
	err = p->cloned ? 0 : posix_check_way_up(p, fh->fd, NULL);
	if (err)
		return err;
	fd = open_parent(p, cred, fh->fd);
	return fd < 0 ? fd : found(p, fd, ret);
}

/* What the kernel calls the object behind @fd, from where it sees a root. */
static int path_of_fd(int fd, char *buf, size_t size)
{
	struct fd_path link = fd_path_of(fd);
	ssize_t n = readlink(link.s, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

/*
 * Cut the way to the export's root off; in a clone that is only "/". What has
 * been moved out of it is not told.
 */
static int cut_root(struct posix *p, char *buf)
{
	char root[PATH_MAX];
	int err = path_of_fd(p->root_fd, root, sizeof(root));
	size_t len = strlen(root);

	if (err)
		return err;
	if (len == 1)
		return buf[1] ? 0 : -ESTALE;
	if (strncmp(buf, root, len) != 0 || buf[len] != '/')
		return -ESTALE;
	memmove(buf, buf + len, strlen(buf + len) + 1);
	return 0;
}

/* A descriptor of its own: a look at all of them shall not empty the cache. */
int posix_dir_path(
	struct store *s, const struct fileid *dir, char *buf, size_t size)
{
	struct posix *p = posix_of(s);
	scope_fd int fd = posix_id_open(p, dir);
	struct statx st;
	int err;

	if (fd < 0)
		return fd;
	err = posix_stat(fd, &st);
	if (err)
		return err;
	if (posix_type_of(st.stx_mode) != OBJECT_DIR)
		return -ENOTDIR;
	if (st.stx_nlink == 0)
		return -ESTALE;
	if (fileid_equal(dir, &p->root))
		return snprintf(buf, size, "/") < (int)size ? 0 : -ENAMETOOLONG;
	err = path_of_fd(fd, buf, size);
	return err ? err : cut_root(p, buf);
}

int posix_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	unsigned format;
	ssize_t n;
	int err = posix_path(p, id, &fh);

	if (!err)
		err = fh_format(fh, &format);
	if (err)
		return err;
	if (format != S_IFLNK)
		return -EINVAL;
	n = readlinkat(fh->fd, "", buf, size);
	if (n < 0)
		return -errno;
	*len = n;
	return 0;
}

int posix_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_dir(p, dir, &fh);

	if (!err)
		err = posix_may_as(p, cred, fh->fd, R_OK);
	if (err)
		return err;
	return dirindex_list(
		p->index, &p->source, dir, cookie, verifier, emit, ctx, page);
}

int posix_dir_verifier(
	struct store *s, const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	struct posix *p = posix_of(s);

	return dirindex_verifier(p->index, &p->source, dir, ret, cookies);
}

/* The kernel's record, of which libc declares only a 64-bit look-alike. */
struct dirent_record {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* @add each name in a buffer of @size bytes. */
static int scan_buffer(
	const char *buf, size_t size, dirindex_add_name add, void *fill)
{
	size_t at = 0;

	while (at < size) {
		const struct dirent_record *r = (const void *)(buf + at);
		int err = is_dots(r->name) ? 0
					   : add(fill, name_from_str(r->name));

		if (err)
			return err;
		at += r->length;
	}
	return 0;
}

int posix_scan_fd(int fd, dirindex_add_name add, void *fill)
{
	scope_free char *buf = malloc(SCAN_BUFFER);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, SCAN_BUFFER);
		int err;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		err = scan_buffer(buf, n, add, fill);
		if (err)
			return err;
	}
}

/* A descriptor to list with: its own, since the position is the file's. */
int posix_open_listing(struct posix *p, int dirfd)
{
	int fd = openat(
		dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	return posix_dir_error(dirfd, posix_opened(p, fd));
}

int posix_scan(void *store, const struct fileid *dir, dirindex_add_name add,
	void *fill)
{
	struct posix *p = store;
	scope_fh *fh = NULL;
	scope_fd int fd = -1;
	int err = posix_dir(p, dir, &fh);

	if (err)
		return err;
	fd = posix_open_listing(p, fh->fd);
	return fd < 0 ? fd : posix_scan_fd(fd, add, fill);
}

int posix_dir_ctime(void *store, const struct fileid *dir, int64_t *ctime_ns)
{
	struct posix *p = store;
	struct attr attr;
	int err = posix_getattr(&p->store, dir, &attr);

	if (!err)
		*ctime_ns = attr.ctime_ns;
	return err;
}
