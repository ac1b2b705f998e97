/* SPDX-License-Identifier: MIT */
/*
 * What a store says about an object, in host terms; wire/fattr4 turns it into
 * fattr4 and back. Times are nanoseconds since the epoch, signed.
 */
#ifndef VOCAB_ATTR_H
#define VOCAB_ATTR_H

#include <stdbool.h>
#include <stdint.h>

/* Values are those of nfs_ftype4. */
enum object_type {
	OBJECT_NONE = 0,
	OBJECT_FILE = 1,
	OBJECT_DIR = 2,
	OBJECT_BLOCK = 3,
	OBJECT_CHAR = 4,
	OBJECT_SYMLINK = 5,
	OBJECT_SOCKET = 6,
	OBJECT_FIFO = 7,
};

struct fsid {
	uint64_t major;
	uint64_t minor;
};

struct attr {
	enum object_type type;
	uint32_t mode; /* permission bits, 07777 */
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint64_t inode; /* fileid attribute (20): unique within fsid */
	uint64_t mounted_on_inode;
	struct fsid fsid;
	uint64_t size;
	uint64_t space_used; /* bytes */
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
	int64_t btime_ns; /* valid only with has_btime */
	bool has_btime;
	/*
	 * The change attribute. A store leaves it 0; whoever reports the
	 * object fills it in from state/changeattr (doc/design.md).
	 */
	uint64_t change;
};

/* What of `struct setattr` is to be set. */
enum {
	SETATTR_MODE = 1 << 0,
	SETATTR_UID = 1 << 1,
	SETATTR_GID = 1 << 2,
	SETATTR_SIZE = 1 << 3,
	SETATTR_ATIME = 1 << 4,     /* to atime_ns */
	SETATTR_ATIME_NOW = 1 << 5, /* to the server's time */
	SETATTR_MTIME = 1 << 6,
	SETATTR_MTIME_NOW = 1 << 7,
	SETATTR_MODE_MASKED = 1 << 8, /* mode bits under mode_mask only */
	SETATTR_UMASK = 1 << 9,       /* creation only: mode_umask (81) */
};

struct setattr {
	uint32_t mask; /* SETATTR_* */
	uint32_t mode;
	uint32_t mode_mask;
	uint32_t umask;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	int64_t atime_ns;
	int64_t mtime_ns;
};

/* What becomes of permission bits that are @mode now. */
static inline uint32_t setattr_mode(const struct setattr *set, uint32_t mode)
{
	if (set->mask & SETATTR_MODE)
		return set->mode;
	if (set->mask & SETATTR_MODE_MASKED)
		return (mode & ~set->mode_mask) | (set->mode & set->mode_mask);
	return mode;
}

/* Whole-file-system figures; bytes and file counts as statvfs means them. */
struct fsinfo {
	uint64_t space_total;
	uint64_t space_free;
	uint64_t space_avail; /* to an ordinary user */
	uint64_t files_total;
	uint64_t files_free;
	uint64_t files_avail;
	uint64_t max_file_size;
	uint32_t max_name;
	uint32_t max_link;
	bool has_xattrs;
	bool case_insensitive;
};

#endif
