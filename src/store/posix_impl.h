/* SPDX-License-Identifier: MIT */
/*
 * The inside of a posix store, shared by its files: posix.c (start, end),
 * posix_start.c (checks at start), posix_id.c (fileids), posix_name.c
 * (lookups), posix_check.c (dry checks), posix_change.c (entry changes),
 * posix_attr.c, posix_io.c, posix_xattr.c, posix_watch.c (outside changes).
 * Nobody else includes it.
 *
 * The way of every call: find the object as the server (posix_path, by its
 * handle), act on its descriptor as the caller (scope_caller), keep the books
 * as the server.
 */
#ifndef STORE_POSIX_IMPL_H
#define STORE_POSIX_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "store/dirindex.h"
#include "store/posix.h"
#include "store/posix_cred.h"
#include "store/posix_fh.h"
#include "store/store.h"

/* "trusted.herald.exclusive" or, without CAP_SYS_ADMIN, "user.herald..." */
#define POSIX_XATTR_PREFIX    "user."
#define POSIX_EXCLUSIVE_NAME  "herald.exclusive"
#define POSIX_SYMLINK_MAX     4095
#define POSIX_XATTR_NAME_SIZE 256

struct posix {
	struct store store;
	struct clock *clock;
	struct dirindex *index;
	struct dirindex_source source;
	struct posix_pins *own_pins; /* NULL: they are shared */
	struct fh_cache cache;
	int tree_fd;  /* O_PATH: the export's root; of our clone if cloned */
	int outer_fd; /* O_PATH: above the root, if on its file system; or -1 */
	int root_fd;  /* the same, open for reading: names the mount */
	bool cloned;  /* the kernel keeps `..` inside */
	bool can_switch;
	bool has_xattrs;
	bool guards_links;           /* fs.protected_hardlinks */
	const char *exclusive_xattr; /* NULL: the file system has none */
	uint64_t fsid;               /* of the file system, in fileids */
	uint64_t root_minor; /* fsid.minor of what is on the root's device */
	uint64_t max_file_size;
	struct fileid root;
	struct statx root_stat; /* device and inode of the root */
	struct posix_watch_options watch;
	struct watcher *watcher; /* NULL: nobody observes */
};

static inline struct posix *posix_of(struct store *s)
{
	return (struct posix *)s;
}

/* A name as the kernel wants it. */
struct cname {
	char s[NAME_LEN_MAX + 1];
};

static inline struct cname cname_of(struct name name)
{
	struct cname c;

	memcpy(c.s, name.data, name.len);
	c.s[name.len] = 0;
	return c;
}

/* "/proc/self/fd/N": the only paths the store makes, from its own numbers. */
struct fd_path {
	char s[32];
};

struct fd_path fd_path_of(int fd);

/* posix_start.c: fill in @p, or -errno with a sentence in @why. */
int posix_start(struct posix *p, const struct posix_options *options, char *why,
	size_t why_size);

/*
 * posix_id.c: the fileid of a kernel handle, also one that fanotify reports;
 * of an open object; and an O_PATH descriptor of one.
 */
struct file_handle;
int posix_id_of_handle(
	const struct posix *p, const struct file_handle *h, struct fileid *ret);
int posix_id_of_fd(const struct posix *p, int fd, struct fileid *ret);
int posix_id_open(struct posix *p, const struct fileid *id);

/*
 * What open() and the like returned: @fd, or -errno. When there are no more
 * descriptors the cache gives some back, and -EWOULDBLOCK: try again.
 */
int posix_opened(struct posix *p, int fd);

/* The object's O_PATH entry, with a reference. -ESTALE. */
int posix_path(struct posix *p, const struct fileid *id, struct fh **ret);

/* As above, and -ENOTDIR unless it is a directory. */
int posix_dir(struct posix *p, const struct fileid *id, struct fh **ret);

/*
 * One step down (as whoever the thread acts as): an O_PATH descriptor of
 * @name in @dirfd, never a symlink's target. Where something else is mounted
 * (without a clone only) there is nothing for us: -ENOENT.
 */
int posix_open_name(struct posix *p, int dirfd, struct name name);

/* Can @name be made in @dirfd? -EEXIST, also where something is mounted. */
int posix_check_free(struct posix *p, int dirfd, struct name name);

/* -ENOENT from inside a removed directory is -ESTALE; others as they are. */
int posix_dir_error(int dirfd, int err);

/* open() of the object behind an O_PATH descriptor, or -errno. */
int posix_reopen(struct posix *p, int fd, int flags);

/* statx of a descriptor, and what the contract says of it. */
int posix_stat(int fd, struct statx *ret);
int posix_stat_name(int dirfd, struct name name, struct statx *ret);

bool posix_same_object(const struct statx *a, const struct statx *b);

/* On the device of the export's root: no subvolume with numbers of its own. */
bool posix_is_on_device(const struct posix *p, const struct statx *st);

/* @fd is asked only when @st is not on the device of the export's root. */
void posix_fill_attr(const struct posix *p, int fd, const struct statx *st,
	struct attr *ret);
enum object_type posix_type_of(unsigned mode);
uint64_t posix_fsid_of_statfs(const struct statfs *fs);

/*
 * May whoever the thread acts as do this (R_OK, W_OK, X_OK) to the object?
 * 0, -EACCES, -EROFS, -EPERM.
 */
int posix_may(int fd, int mode);
int posix_may_as(struct posix *p, const struct cred *cred, int fd, int mode);

/* posix_io.c: a descriptor to read or write with, opened as the caller may. */
int posix_open_io(struct posix *p, const struct cred *cred,
	const struct fileid *id, int io, enum fh_kind kind, struct fh **ret);

/*
 * Make a new object durable, or one whose data changed. What can only be
 * opened O_PATH (symlinks, devices ...) has no fsync: a new one is carried by
 * its directory's. An error is never one that asks to try again.
 */
int posix_sync_object(struct posix *p, const struct fileid *id);

/*
 * Make a change of attributes durable. For what has no fsync that takes a
 * syncfs, which waits for everybody's data: rare, and shared by who waits.
 */
int posix_sync_attr(
	struct posix *p, const struct fileid *id, enum object_type type);

/* posix_attr.c: apply @set, but its size, as the caller; nothing is synced. */
int posix_apply(struct posix *p, const struct cred *cred, int fd,
	const struct setattr *set);

/*
 * May what @cred makes in this directory have the owner that @set says? Asked
 * before it is made, so that no listing shows it for a moment if not.
 */
int posix_check_new_owner(struct posix *p, const struct cred *cred, int dirfd,
	const struct setattr *set);

/*
 * The way from a directory up to the export's root (as the server): 0 when it
 * gets there, -ESTALE when not, -EINVAL when it comes by @avoid (may be NULL).
 */
int posix_check_way_up(struct posix *p, int start, const struct statx *avoid);

/*
 * A descriptor to list a directory with: its own, since the position belongs
 * to the descriptor; and one pass over it.
 */
int posix_open_listing(struct posix *p, int dirfd);
int posix_scan_fd(int fd, dirindex_add_name add, void *fill);

/* posix_check.c: is a directory empty? 0, -ENOTEMPTY or another error. */
int posix_check_empty(struct posix *p, int dirfd);

/* posix_path() for an object to be linked: -EISDIR for a directory. */
int posix_linkable(struct posix *p, const struct fileid *id, struct fh **ret);

/* Members of struct store_ops, by file. */
int posix_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr);
int posix_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret);
int posix_dir_path(
	struct store *s, const struct fileid *dir, char *buf, size_t size);
int posix_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len);
int posix_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page);
int posix_dir_verifier(struct store *s, const struct fileid *dir, uint64_t *ret,
	bool *cookies);
int posix_scan(void *store, const struct fileid *dir, dirindex_add_name add,
	void *fill);
int posix_dir_ctime(void *store, const struct fileid *dir, int64_t *ctime_ns);

int posix_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type);
int posix_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name);
int posix_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr);
int posix_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan);

int posix_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change);
int posix_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change);
int posix_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change);
int posix_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing);
int posix_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child);
int posix_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match);

int posix_getattr(struct store *s, const struct fileid *id, struct attr *ret);
int posix_statfs(struct store *s, const struct fileid *id, struct fsinfo *ret);
int posix_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted);
int posix_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access);
int posix_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);
int posix_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);

int posix_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof);
int posix_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done);
int posix_commit(struct store *s, const struct fileid *id, uint64_t offset,
	uint64_t len);
uint64_t posix_write_verifier(struct store *s);
int posix_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof);
int posix_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);
int posix_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);

int posix_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len);
int posix_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode);
int posix_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode);
int posix_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names);
int posix_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name);

int posix_pin(struct store *s, const struct fileid *id);
void posix_unpin(struct store *s, const struct fileid *id);

void posix_watch_fini(struct posix *p);
int posix_observe(struct store *s, const struct store_observer *observer);
int posix_watch(
	struct store *s, const struct fileid *id, enum store_watch what);
void posix_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what);
void posix_read_watch_stats(struct store *s, struct store_watch_stats *ret);
void posix_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change);

#endif
