/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/posix_impl.h"

#define STAT_MASK (STATX_BASIC_STATS | STATX_BTIME)

int posix_stat(int fd, struct statx *ret)
{
	int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_AS_STAT;

	return statx(fd, "", flags, STAT_MASK, ret) == 0 ? 0 : -errno;
}

int posix_stat_name(int dirfd, struct name name, struct statx *ret)
{
	int flags =
		AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_AS_STAT;
	struct cname c = cname_of(name);

	return statx(dirfd, c.s, flags, STAT_MASK, ret) == 0 ? 0 : -errno;
}

enum object_type posix_type_of(unsigned mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return OBJECT_FILE;
	case S_IFDIR:
		return OBJECT_DIR;
	case S_IFBLK:
		return OBJECT_BLOCK;
	case S_IFCHR:
		return OBJECT_CHAR;
	case S_IFLNK:
		return OBJECT_SYMLINK;
	case S_IFSOCK:
		return OBJECT_SOCKET;
	default:
		return OBJECT_FIFO;
	}
}

static int64_t time_of(const struct statx_timestamp *t)
{
	int64_t ns;

	if (__builtin_mul_overflow(t->tv_sec, (int64_t)NSEC_PER_SEC, &ns) ||
		__builtin_add_overflow(ns, (int64_t)t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX; /* 1677, 2262 */
	return ns;
}

uint64_t posix_fsid_of_statfs(const struct statfs *fs)
{
	uint64_t fsid;

	_Static_assert(sizeof(fs->f_fsid) == sizeof(fsid), "8 bytes");
	memcpy(&fsid, &fs->f_fsid, sizeof(fsid));
	return fsid;
}

bool posix_same_object(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino &&
		a->stx_dev_major == b->stx_dev_major &&
		a->stx_dev_minor == b->stx_dev_minor;
}

bool posix_is_on_device(const struct posix *p, const struct statx *st)
{
	return st->stx_dev_major == p->root_stat.stx_dev_major &&
		st->stx_dev_minor == p->root_stat.stx_dev_minor;
}

/*
 * Inode numbers are unique per device, and a btrfs subvolume is a device of
 * its own inside the mount: it gets a minor number of its own.
 */
static uint64_t minor_of(const struct posix *p, int fd, const struct statx *st)
{
	struct statfs fs;

	if (posix_is_on_device(p, st))
		return p->root_minor;
	return fstatfs(fd, &fs) == 0 ? posix_fsid_of_statfs(&fs) : 0;
}

void posix_fill_attr(
	const struct posix *p, int fd, const struct statx *st, struct attr *ret)
{
	*ret = (struct attr){
		.type = posix_type_of(st->stx_mode),
		.mode = st->stx_mode & 07777,
		.nlink = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.rdev_major = st->stx_rdev_major,
		.rdev_minor = st->stx_rdev_minor,
		.inode = st->stx_ino,
		.mounted_on_inode = st->stx_ino,
		.fsid = {.major = p->fsid, .minor = minor_of(p, fd, st)},
		.size = st->stx_size,
		.space_used = st->stx_blocks * 512,
		.atime_ns = time_of(&st->stx_atime),
		.mtime_ns = time_of(&st->stx_mtime),
		.ctime_ns = time_of(&st->stx_ctime),
		.btime_ns = time_of(&st->stx_btime),
		.has_btime = (st->stx_mask & STATX_BTIME) != 0,
	};
}

/* A descriptor we kept does not make a removed object exist. */
static int check_exists(
	struct posix *p, const struct fileid *id, const struct statx *st)
{
	if (st->stx_nlink > 0 || fh_is_pinned(&p->cache, id))
		return 0;
	fh_forget(&p->cache, id);
	return -ESTALE;
}

int posix_getattr(struct store *s, const struct fileid *id, struct attr *ret)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct statx st;
	int err = posix_path(p, id, &fh);

	if (!err)
		err = posix_stat(fh->fd, &st);
	if (!err)
		err = check_exists(p, id, &st);
	if (!err)
		posix_fill_attr(p, fh->fd, &st, ret);
	return err;
}

int posix_may(int fd, int mode)
{
	int err = syscall(
		SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS);

	return err ? -errno : 0;
}

int posix_may_as(struct posix *p, const struct cred *cred, int fd, int mode)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	return err ? err : posix_may(fd, mode);
}

static int mode_of_rights(uint32_t rights)
{
	return (rights & STORE_MAY_READ ? R_OK : 0) |
		(rights & STORE_MAY_WRITE ? W_OK : 0) |
		(rights & STORE_MAY_EXECUTE ? X_OK : 0);
}

static bool is_refusal(int err)
{
	return err == -EACCES || err == -EPERM || err == -EROFS ||
		err == -ETXTBSY;
}

/* Which of @want the thread has; asks for all at once first. */
static int granted_of(int fd, uint32_t want, uint32_t *granted)
{
	int err = posix_may(fd, mode_of_rights(want));

	*granted = err ? 0 : want;
	if (!is_refusal(err))
		return err;
	for (uint32_t bit = 1; bit <= STORE_MAY_EXECUTE; bit <<= 1) {
		if (!(want & bit))
			continue;
		err = posix_may(fd, mode_of_rights(bit));
		if (!err)
			*granted |= bit;
		else if (!is_refusal(err))
			return err;
	}
	return 0;
}

int posix_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_path(p, id, &fh);

	if (err)
		return err;
	scope_caller entered = caller_enter(p->can_switch, cred);
	return entered ? entered : granted_of(fh->fd, want, granted);
}

/* To chown() all ones are nobody: leave it as it is. */
static int check_ids(const struct setattr *set)
{
	bool no_uid = (set->mask & SETATTR_UID) && set->uid == UINT32_MAX;
	bool no_gid = (set->mask & SETATTR_GID) && set->gid == UINT32_MAX;

	return no_uid || no_gid ? -EINVAL : 0;
}

/* The order is that of a local system: size, owner, mode, times. */
static int set_owner(int fd, const struct setattr *set)
{
	uid_t uid = set->mask & SETATTR_UID ? set->uid : (uid_t)-1;
	gid_t gid = set->mask & SETATTR_GID ? set->gid : (gid_t)-1;
	int err = check_ids(set);

	if (err || !(set->mask & (SETATTR_UID | SETATTR_GID)))
		return err;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) ? -errno : 0;
}

static int set_mode(int fd, const struct setattr *set)
{
	struct fd_path path = fd_path_of(fd);
	struct statx st;
	int err;

	if (!(set->mask & (SETATTR_MODE | SETATTR_MODE_MASKED)))
		return 0;
	err = posix_stat(fd, &st);
	if (err)
		return err;
	if ((st.stx_mode & S_IFMT) == S_IFLNK)
		return -EOPNOTSUPP;
	/* fchmod() refuses O_PATH, and fchmodat2() is too new (6.6). */
	return chmod(path.s, setattr_mode(set, st.stx_mode) & 07777) ? -errno
								     : 0;
}

static struct timespec time_to_set(
	const struct setattr *set, uint32_t to, uint32_t now, int64_t ns)
{
	struct timespec t = {.tv_nsec = UTIME_OMIT};
	int64_t rest = ns % (int64_t)NSEC_PER_SEC;

	if (set->mask & now)
		t.tv_nsec = UTIME_NOW;
	if (!(set->mask & to))
		return t;
	if (rest < 0)
		rest += NSEC_PER_SEC; /* before 1970 */
	t.tv_nsec = rest;
	t.tv_sec = (ns - rest) / (int64_t)NSEC_PER_SEC;
	return t;
}

#define TIMES_NOW   (SETATTR_ATIME_NOW | SETATTR_MTIME_NOW)
#define TIMES_GIVEN (SETATTR_ATIME | SETATTR_MTIME)

/*
 * Setting times to "now" needs no more than the right to write, but the kernel
 * grants that for both times together only; a client may ask for one.
 */
static int set_one_time_now(struct posix *p, const struct cred *cred, int fd,
	struct timespec *times)
{
	int err = posix_may_as(p, cred, fd, W_OK);

	if (err)
		return err;
	return utimensat(fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
}

static int set_times_as(struct posix *p, const struct cred *cred, int fd,
	const struct timespec *times)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err && utimensat(fd, "", times, AT_EMPTY_PATH) != 0)
		err = -errno;
	return err;
}

static int set_times(struct posix *p, const struct cred *cred, int fd,
	const struct setattr *set)
{
	struct timespec times[2] = {
		time_to_set(
			set, SETATTR_ATIME, SETATTR_ATIME_NOW, set->atime_ns),
		time_to_set(
			set, SETATTR_MTIME, SETATTR_MTIME_NOW, set->mtime_ns),
	};
	int err;

	if (!(set->mask & (TIMES_NOW | TIMES_GIVEN)))
		return 0;
	err = set_times_as(p, cred, fd, times);
	if ((err == -EPERM || err == -EACCES) && !(set->mask & TIMES_GIVEN))
		err = set_one_time_now(p, cred, fd, times);
	return err;
}

static int set_owner_and_mode(struct posix *p, const struct cred *cred, int fd,
	const struct setattr *set)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err)
		err = set_owner(fd, set);
	if (!err)
		err = set_mode(fd, set);
	return err;
}

int posix_apply(struct posix *p, const struct cred *cred, int fd,
	const struct setattr *set)
{
	int err = set_owner_and_mode(p, cred, fd, set);

	return err ? err : set_times(p, cred, fd, set);
}

/* The size, with a descriptor that was opened for it. */
static int set_size(struct posix *p, const struct cred *cred,
	const struct fileid *id, int io, uint64_t size)
{
	scope_fh *fh = NULL;
	int err = posix_open_io(p, cred, id, io, FH_WRITE, &fh);

	if (err)
		return err;
	scope_caller entered = caller_enter(p->can_switch, cred);
	if (entered)
		return entered;
	if (ftruncate(fh->fd, size) != 0)
		return -errno;
	fh_wrote(fh);
	return 0;
}

/* chown(2): root gives files away, owners share them with their groups. */
static int check_owner(const struct posix *p, const struct cred *cred,
	const struct attr *attr, const struct setattr *set)
{
	bool owner = caller_uid() == attr->uid;

	if ((set->mask & SETATTR_UID) && !(owner && set->uid == attr->uid))
		return -EPERM;
	if (!(set->mask & SETATTR_GID))
		return 0;
	if (!owner)
		return -EPERM;
	/* Whose groups we have ourselves only the kernel knows. */
	return !p->can_switch || set->gid == attr->gid ||
			cred_in_group(cred, set->gid)
		? 0
		: -EPERM;
}

/* It has his group, or the directory's: by its set-group-ID bit or its mount. */
static int check_new_owner_as(struct posix *p, const struct cred *cred,
	int dirfd, const struct setattr *set)
{
	scope_caller err = caller_enter(p->can_switch, cred);
	struct statx dir;
	struct attr attr;

	if (err || caller_is_privileged(p->can_switch, cred))
		return err;
	err = posix_stat(dirfd, &dir);
	if (err)
		return err;
	attr = (struct attr){.uid = caller_uid(), .gid = dir.stx_gid};
	return check_owner(p, cred, &attr, set);
}

int posix_check_new_owner(struct posix *p, const struct cred *cred, int dirfd,
	const struct setattr *set)
{
	int err = check_ids(set);

	if (err || !(set->mask & (SETATTR_UID | SETATTR_GID)))
		return err;
	return check_new_owner_as(p, cred, dirfd, set);
}

/*
 * The kernel checks all that one setattr asks for before it changes anything;
 * we need several calls and must not stop half way. setattr_prepare() of the
 * kernel, but for what only the calls can tell.
 */
static int check_set(struct posix *p, const struct cred *cred,
	const struct attr *attr, const struct setattr *set)
{
	const uint32_t mode = SETATTR_MODE | SETATTR_MODE_MASKED;
	scope_caller err = caller_enter(p->can_switch, cred);

	if (err)
		return err;
	if ((set->mask & mode) && attr->type == OBJECT_SYMLINK)
		return -EOPNOTSUPP;
	if (caller_is_privileged(p->can_switch, cred))
		return 0;
	if ((set->mask & (mode | TIMES_GIVEN)) && caller_uid() != attr->uid)
		return -EPERM;
	return check_owner(p, cred, attr, set);
}

/* The time of now is for the owner and for whoever may write. */
static int check_now(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct attr *attr,
	const struct setattr *set)
{
	const uint32_t now = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW;
	uint32_t granted = 0;
	int err;

	if (!(set->mask & now) || cred->uid == attr->uid)
		return 0;
	err = posix_access(s, cred, id, STORE_MAY_WRITE, &granted);
	if (err)
		return err;
	return granted & STORE_MAY_WRITE ? 0 : -EACCES;
}

int posix_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct posix *p = posix_of(s);
	struct attr attr;
	int err = posix_getattr(s, id, &attr);

	if (!err)
		err = check_set(p, cred, &attr, set);
	if (!err && (set->mask & SETATTR_SIZE) && attr.type == OBJECT_DIR)
		err = -EISDIR;
	if (!err && io == STORE_IO_CHECK && (set->mask & SETATTR_SIZE))
		err = posix_open_check(s, cred, id, STORE_MAY_WRITE);
	return err ? err : check_now(s, cred, id, &attr, set);
}

/* What is left to set when the size has been: it sets the time, too. */
static struct setattr without_size(const struct setattr *set)
{
	struct setattr rest = *set;

	if (set->mask & SETATTR_SIZE)
		rest.mask &= ~(SETATTR_SIZE | SETATTR_MTIME_NOW);
	return rest;
}

int posix_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct posix *p = posix_of(s);
	const struct setattr rest = without_size(set);
	scope_fh *fh = NULL;
	struct attr attr;
	int err = posix_getattr(s, id, &attr);

	if (!err)
		err = check_set(p, cred, &attr, set);
	if (!err)
		err = posix_path(p, id, &fh);
	if (!err && (set->mask & SETATTR_SIZE))
		err = set_size(p, cred, id, io, set->size);
	if (!err)
		err = posix_apply(p, cred, fh->fd, &rest);
	return err || !set->mask ? err : posix_sync_attr(p, id, attr.type);
}
