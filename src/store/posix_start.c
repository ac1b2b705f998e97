/* SPDX-License-Identifier: MIT */
/*
 * What must be true before a directory is served, each with one sentence for
 * the operator when it is not; and what differs between file systems, found
 * out once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "store/posix_impl.h"

#define MAGIC_BTRFS 0x9123683e
#define MAGIC_FUSE  0x65735546
#define MAGIC_XFS   0x58465342

struct excuse {
	char *why;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int refuse(
	const struct excuse *x, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(x->why, x->size, format, args);
	va_end(args);
	return err;
}

/* Secure bits could let root's capabilities outlast a change of ids. */
static bool caller_is_harmless(bool can_switch)
{
	static const struct cred nobody = {.uid = 65534, .gid = 65534};
	scope_caller err = caller_enter(can_switch, &nobody);

	return !err && !caller_has_cap(CAP_DAC_READ_SEARCH) &&
		!caller_has_cap(CAP_DAC_OVERRIDE) &&
		!caller_has_cap(CAP_FOWNER) && !caller_has_cap(CAP_CHOWN);
}

static int check_process(bool can_switch, const struct excuse *x)
{
	if (!caller_has_cap(CAP_DAC_READ_SEARCH))
		return refuse(x, -EPERM,
			"files cannot be opened by handle without "
			"CAP_DAC_READ_SEARCH: run as root or: "
			"setcap cap_dac_read_search+ep heraldd");
	if (!caller_is_harmless(can_switch))
		return refuse(x, -EPERM,
			"acting as another user keeps root's capabilities: "
			"run without SECBIT_NO_SETUID_FIXUP and with user "
			"65534 in the user namespace");
	return 0;
}

/*
 * A private clone of the mount with the directory as its root: the kernel then
 * refuses `..` out of it even for a directory moved out, and submounts are not
 * in it. Propagation is cut, or a later mount would appear inside.
 */
static int clone_tree(const char *path)
{
	struct mount_attr attr = {.propagation = MS_PRIVATE};
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static int open_root(struct posix *p, const char *path, const struct excuse *x)
{
	p->tree_fd = clone_tree(path);
	p->cloned = p->tree_fd >= 0;
	if (!p->cloned)
		p->tree_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->tree_fd < 0)
		return refuse(x, -errno, "cannot open %s: %m", path);
	p->root_fd =
		openat(p->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->root_fd < 0)
		return refuse(
			x, -errno, "cannot open %s as a directory: %m", path);
	if (!p->cloned)
		log_info("export without a mount of its own (no CAP_SYS_ADMIN)"
			 " path=%s",
			path);
	return 0;
}

/*
 * What is above the root: its mark tells of the root's removal. The top of a
 * file system has nothing above it, and cannot be removed.
 */
static void open_outer(struct posix *p, const char *path)
{
	scope_fd int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx up;
	int outer;

	if (fd < 0)
		return;
	outer = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (outer < 0)
		return;
	if (posix_stat(outer, &up) == 0 &&
		!posix_same_object(&up, &p->root_stat) &&
		up.stx_dev_major == p->root_stat.stx_dev_major &&
		up.stx_dev_minor == p->root_stat.stx_dev_minor)
		p->outer_fd = outer;
	else
		close(outer);
}

static int check_kernel(struct posix *p, const struct excuse *x)
{
	struct fd_path path = fd_path_of(p->root_fd);
	int fd, err;

	if (access(path.s, F_OK) != 0)
		return refuse(x, -errno, "/proc must be mounted: %m");
	err = posix_may(p->tree_fd, X_OK);
	if (err == -ENOSYS)
		return refuse(x, err, "the kernel lacks faccessat2 (5.8)");
	fd = posix_open_name(p, p->tree_fd, name_from_str("."));
	if (fd < 0)
		return refuse(x, fd, "openat2 (kernel 5.6) does not work: %s",
			strerror(-fd));
	close(fd);
	return 0;
}

/*
 * The 8 bytes in front of every fileid must survive reboots and be the same
 * for all exports of a file system. f_fsid, which fanotify reports, mostly is
 * made of the file system's UUID (ext4, f2fs ...). XFS makes it of the device
 * number and btrfs mixes the subvolume in, so there the UUID itself is taken.
 */
struct xfs_geometry {
	uint32_t sizes_and_counts[8];
	uint64_t blocks_and_log[4];
	uint8_t uuid[16];
	uint32_t the_rest[7];
};
_Static_assert(sizeof(struct xfs_geometry) == 112, "part of the ioctl number");
#define XFS_IOC_GEOMETRY_V1 _IOR('X', 100, struct xfs_geometry)

static uint64_t fold_uuid(const uint8_t uuid[16])
{
	uint64_t half[2];

	memcpy(half, uuid, sizeof(half));
	return half[0] ^ half[1];
}

static uint64_t fsid_of(int fd, const struct statfs *fs)
{
	struct xfs_geometry xfs = {0};
	struct btrfs_ioctl_fs_info_args btrfs = {0};

	if (fs->f_type == MAGIC_XFS &&
		ioctl(fd, XFS_IOC_GEOMETRY_V1, &xfs) == 0)
		return fold_uuid(xfs.uuid);
	if (fs->f_type == MAGIC_BTRFS &&
		ioctl(fd, BTRFS_IOC_FS_INFO, &btrfs) == 0)
		return fold_uuid(btrfs.fsid);
	return posix_fsid_of_statfs(fs);
}

static int check_file_system(
	struct posix *p, const char *path, const struct excuse *x)
{
	struct statfs fs;

	if (fstatfs(p->root_fd, &fs) != 0)
		return refuse(x, -errno, "cannot statfs %s: %m", path);
	if (fs.f_type == MAGIC_FUSE)
		return refuse(x, -EOPNOTSUPP,
			"%s is on FUSE, whose file handles do not last: "
			"export the directory below it",
			path);
	p->fsid = fsid_of(p->root_fd, &fs);
	if (fs.f_type == MAGIC_BTRFS)
		p->root_minor = posix_fsid_of_statfs(&fs);
	return 0;
}

/* The root's handle, there and back again. */
static int check_handles(
	struct posix *p, const char *path, const struct excuse *x)
{
	struct statx again;
	scope_fd int fd = -1;
	int err = posix_id_of_fd(p, p->root_fd, &p->root);

	if (err == -EOVERFLOW)
		return refuse(x, err,
			"the file handles of %s do not fit in %d bytes", path,
			FILEID_MAX);
	if (err)
		return refuse(x, err,
			"the file system of %s has no file handles (%s); "
			"an overlay needs the mount option nfs_export=on",
			path, strerror(-err));
	fd = posix_id_open(p, &p->root);
	if (fd < 0)
		return refuse(x, fd,
			"%s cannot be opened by its file handle: %s", path,
			strerror(-fd));
	err = posix_stat(fd, &again);
	if (!err)
		err = posix_stat(p->root_fd, &p->root_stat);
	if (!err && !posix_same_object(&again, &p->root_stat))
		err = -EOPNOTSUPP;
	return err ? refuse(x, err, "the file handle of %s names another file",
			     path)
		   : 0;
}

static bool has_xattr_kind(int fd, const char *name)
{
	return fgetxattr(fd, name, NULL, 0) >= 0 || errno == ENODATA;
}

static void find_xattrs(struct posix *p)
{
	p->has_xattrs = has_xattr_kind(p->root_fd, "user.herald.exclusive");
	p->exclusive_xattr = NULL;
	if (caller_has_cap(CAP_SYS_ADMIN) &&
		has_xattr_kind(p->root_fd, "trusted.herald.exclusive"))
		p->exclusive_xattr = "trusted." POSIX_EXCLUSIVE_NAME;
	else if (p->has_xattrs)
		p->exclusive_xattr = "user." POSIX_EXCLUSIVE_NAME;
	else
		log_warn("no extended attributes: an exclusive create that is "
			 "repeated after a restart will fail");
}

/* Nothing says how large a file may be, but seeking checks it. */
static uint64_t find_max_file_size(int root_fd)
{
	uint64_t low = INT32_MAX, high = INT64_MAX;
	scope_fd int fd =
		openat(root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return INT64_MAX;
	while (low < high) {
		uint64_t mid = low + (high - low) / 2 + 1;

		if (lseek(fd, mid, SEEK_SET) >= 0)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static bool links_are_guarded(void)
{
	scope_fd int fd =
		open("/proc/sys/fs/protected_hardlinks", O_RDONLY | O_CLOEXEC);
	char digit = 0;

	return fd >= 0 && read(fd, &digit, 1) == 1 && digit == '1';
}

/* Last, since looking for the largest file writes. */
static int make_read_only(const struct posix *p, const struct excuse *x)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

	if (!p->cloned ||
		mount_setattr(p->tree_fd, "", AT_EMPTY_PATH, &attr,
			sizeof(attr)) == 0)
		return 0;
	return refuse(x, -errno, "cannot make a mount read-only: %m");
}

int posix_start(struct posix *p, const struct posix_options *options, char *why,
	size_t why_size)
{
	const struct excuse x = {why, why_size};
	const char *path = options->path;
	int err;

	p->can_switch = caller_can_switch();
	caller_be_server(p->can_switch);
	err = check_process(p->can_switch, &x);
	if (!err)
		err = open_root(p, path, &x);
	if (!err)
		err = check_kernel(p, &x);
	if (!err)
		err = check_file_system(p, path, &x);
	if (!err)
		err = check_handles(p, path, &x);
	if (err)
		return err;
	if (!p->can_switch)
		log_warn("without CAP_SETUID and CAP_SETGID every client acts "
			 "as the server's own user uid=%u",
			geteuid());
	open_outer(p, path);
	find_xattrs(p);
	p->guards_links = links_are_guarded();
	p->max_file_size = find_max_file_size(p->root_fd);
	return options->read_only ? make_read_only(p, &x) : 0;
}
