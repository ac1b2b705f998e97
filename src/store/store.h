/* SPDX-License-Identifier: MIT */
/*
 * The storage contract: what a store of files must do, and the only way the
 * rest of the server reaches one. A store knows nothing of NFS: it speaks
 * errno and the vocabulary. Every function below is the checked waist
 * (store.c): it asserts the contract on the way in and out, counts, and calls
 * the store's own `struct store_ops`. The fault filter is a store over a store.
 *
 * Common to all functions
 *  - They return 0 or -errno; outputs are untouched on failure unless said.
 *    -ESTALE: the fileid names nothing (any more), or is not this store's.
 *    -EWOULDBLOCK: not now, somebody else's lease or lock; try again later.
 *    That and -ENOMEM say that nothing was changed which cannot be done again.
 *  - Any thread, at any time. Functions that change a directory are called
 *    inside that directory's change section (state/dirchange), so two of
 *    them never run at once for one directory through this server; other
 *    processes may change it at any time.
 *  - @cred is who asks; permission checks are the store's (for posix: the
 *    kernel's). Borrowed, as every pointer here.
 *  - Names are checked before they get here: 1 to 255 bytes, no '/', no NUL,
 *    neither "." nor ".."; of xattrs: 1 to 250 bytes, no NUL.
 *  - Offsets and lengths may be any 64-bit value. What lies beyond 2^63-1 the
 *    waist answers itself (end of file; -EFBIG, -EINVAL or -ENXIO), so a store
 *    sees @offset + @len <= 2^63-1 only.
 *  - They may block on a disk; the caller holds a permit, and no lock but a
 *    change section.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/outside.h"
#include "vocab/attr.h"
#include "vocab/change.h"
#include "vocab/cred.h"
#include "vocab/fileid.h"
#include "vocab/name.h"

struct store_ops;

/* The calls that can fail: counted here, made to fail by store/fault. */
enum store_call {
	STORE_CALL_ROOT,
	STORE_CALL_PROBE,
	STORE_CALL_GETATTR,
	STORE_CALL_STATFS,
	STORE_CALL_ACCESS,
	STORE_CALL_OPEN_CHECK,
	STORE_CALL_LOOKUP,
	STORE_CALL_LOOKUP_PARENT,
	STORE_CALL_READLINK,
	STORE_CALL_READDIR,
	STORE_CALL_DIR_VERIFIER,
	STORE_CALL_CHECK_CREATE,
	STORE_CALL_CHECK_LINK,
	STORE_CALL_CHECK_REMOVE,
	STORE_CALL_CHECK_RENAME,
	STORE_CALL_CHECK_SETATTR,
	STORE_CALL_CHECK_XATTR,
	STORE_CALL_CREATE,
	STORE_CALL_LINK,
	STORE_CALL_REMOVE,
	STORE_CALL_RENAME,
	STORE_CALL_SYNC_ENTRY,
	STORE_CALL_EXCLUSIVE_MATCH,
	STORE_CALL_SETATTR,
	STORE_CALL_READ,
	STORE_CALL_WRITE,
	STORE_CALL_COMMIT,
	STORE_CALL_SEEK,
	STORE_CALL_ALLOCATE,
	STORE_CALL_DEALLOCATE,
	STORE_CALL_XATTR_GET,
	STORE_CALL_XATTR_SET,
	STORE_CALL_XATTR_LIST,
	STORE_CALL_XATTR_REMOVE,
	STORE_CALL_PIN,
	STORE_CALL_OBSERVE,
	STORE_CALL_WATCH,
	STORE_CALLS
};

/* Of all stores of this process: calls so far, those that failed, a name. */
struct store_call_stats {
	uint64_t calls;
	uint64_t failures;
};
struct store_call_stats store_call_stats(enum store_call call);
const char *store_call_name(enum store_call call);

/* Embedded at the start of every store's own struct. */
struct store {
	const struct store_ops *ops;
	const char *kind; /* "posix", "memory", ...: for logs */
};

/* Rights asked of store_access(). */
enum {
	STORE_MAY_READ = 1,    /* read a file, list a directory */
	STORE_MAY_WRITE = 2,   /* write a file, change a directory's entries */
	STORE_MAY_EXECUTE = 4, /* run a file, search a directory */
};

/*
 * How an I/O call was authorised. OPENED: @cred passed store_open_check() for
 * this access earlier and holds an open, so the file's mode of today does not
 * matter (POSIX checks at open time only).
 */
enum { STORE_IO_CHECK = 0, STORE_IO_OPENED = 1 };

enum store_stability {
	STORE_UNSTABLE,  /* may be lost until store_commit() */
	STORE_DATA_SYNC, /* data and what is needed to find it are on disk */
	STORE_FILE_SYNC, /* data and all attributes are on disk */
};

/* What store_create() makes. */
struct store_new {
	enum object_type type;
	struct name link_text; /* symlinks; 1 to 4,095 bytes, no NUL */
	uint32_t rdev_major;   /* devices */
	uint32_t rdev_minor;
	/*
	 * Initial attributes; the mode is store_default_mode() or made of it.
	 * SETATTR_UMASK: `mode & ~umask`, unless the directory has a default
	 * ACL (RFC 8275). The process umask is 0.
	 */
	struct setattr attr;
	/*
	 * Files only: remember @verifier on disk with the file, so that a
	 * retried exclusive create is recognised (RFC 8881 18.16.3).
	 */
	bool exclusive;
	uint64_t verifier;
};

/*
 * The mode of what is made without one: its owner's alone, until he says who
 * else may. Symlinks have no mode to speak of.
 */
static inline uint32_t store_default_mode(enum object_type type)
{
	switch (type) {
	case OBJECT_DIR:
		return 0700;
	case OBJECT_SYMLINK:
		return 0777;
	default:
		return 0600;
	}
}

/* What a rename would do, found out by store_check_rename(). */
struct store_rename_plan {
	struct fileid source;
	enum object_type source_type;
	bool has_victim;      /* the target name exists ... */
	bool same_object;     /* ... and is the same object: nothing happens */
	struct fileid victim; /* ... and will be replaced */
	enum object_type victim_type;
	bool victim_last_link;
};

/* One page of a listing; see store_readdir(). */
struct store_page {
	uint64_t verifier; /* out: the directory's cookie verifier */
	bool eof;          /* out: the last entry was emitted */
};

/*
 * Called for each entry in cookie order; false stops the page before this
 * entry. @name dies with the call. Runs under no lock of the store.
 */
typedef bool (*store_emit)(void *ctx, struct name name, uint64_t cookie);

struct store_xattr_names {
	char *data;  /* names one after the other, each ended by a NUL */
	size_t size; /* room at data */
	size_t used; /* out */
};

/* Release the store. No call may be running. NULL is ignored. */
void store_free(struct store *s);

/* The fileid of the export's root directory. */
int store_root(struct store *s, struct fileid *ret);

/* 0 while @id names an object of this store that is still there. */
int store_probe(struct store *s, const struct fileid *id);

/* Attributes of an object, `change` left 0. No permission is needed. */
int store_getattr(struct store *s, const struct fileid *id, struct attr *ret);

/* Figures of the file system that @id lies on. */
int store_statfs(struct store *s, const struct fileid *id, struct fsinfo *ret);

/* Which of the STORE_MAY_* bits in @want @cred has. */
int store_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted);

/*
 * May @cred open this regular file for @access (STORE_MAY_READ|WRITE)? Files
 * only: -EISDIR, and -ELOOP for a symlink, -ENXIO for anything else. As knfsd
 * does: read is also granted to who may execute it.
 */
int store_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access);

/* The entry @name of @dir. -ENOENT, -ENOTDIR, -EACCES (search). */
int store_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret);

/*
 * As store_lookup(), with the attributes, in one step (for READDIR). Who does
 * not ask which object it is (@ret NULL) gets them for less.
 */
int store_lookup_attr(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr);

/* The parent of a directory; -ENOENT at the export's root. Never leaves. */
int store_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret);

/*
 * Where a directory is now, from the root on: "/" or "/a/b", terminated. For
 * people: by the time they read it it may be elsewhere. At most @size bytes,
 * -ENAMETOOLONG; -EOPNOTSUPP of a store that cannot tell. Not counted, and
 * may take long.
 */
int store_path(
	struct store *s, const struct fileid *dir, char *buf, size_t size);

/* The text of a symlink, not terminated; -EINVAL for anything else. */
int store_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len);

/*
 * List @dir from after @cookie (0 = start), in ascending cookie order; "."
 * and ".." never. @verifier is compared when @cookie is not 0.
 * -EACCES, -ENOTDIR; -EKEYREJECTED: the verifier is not today's.
 */
int store_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page);

/*
 * The cookie verifier store_readdir() would report. *@cookies: as it is now,
 * changes of the directory tell cookies and positions (if memory allows).
 */
int store_dir_verifier(struct store *s, const struct fileid *dir, uint64_t *ret,
	bool *cookies);

/*
 * Dry checks: would the operation succeed now? They change nothing and return
 * what the operation would: -EEXIST, -ENOENT, -EACCES, -EPERM (sticky),
 * -ENOTEMPTY, -EROFS, -ENOTDIR, -EISDIR, -EXDEV, -EINVAL ... What only the
 * attempt can tell (-ENOSPC, -EIO) they do not.
 */
int store_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type);
int store_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name);
int store_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr);
int store_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan);
int store_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);

/*
 * The changes of a directory. The caller zeroes @change and may set its
 * `no_position` and `victim` (of the new name's directory; -EWOULDBLOCK: others
 * have put something else there, which may differ in all that was checked,
 * asked and pinned of it); the rest is filled in (names borrowed from the
 * arguments): cookies, position, children's fileids; no attributes, and
 * before/after left 0. A cookie or verifier that could not be found out is 0.
 * On failure nothing has changed and @change means nothing. Changes are durable
 * only after store_sync_entry() of each directory touched.
 *
 * create: the new object's fileid in @ret; -EEXIST when the name exists.
 * link: -EISDIR for a directory.
 */
int store_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change);
int store_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change);
int store_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change);

/*
 * rename: inside one directory @from_change is one RENAME_ENTRY and @to_change
 * is not touched; across, REMOVE_ENTRY and ADD_ENTRY. When both names are the
 * same object nothing happens and *@nothing is set.
 */
int store_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing);

/*
 * Make an entry change durable: @dir on disk and, when @child is given, the
 * child's own metadata. Called outside every lock.
 */
int store_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child);

/* Was this file made by an exclusive create with @verifier? */
int store_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match);

/*
 * Set what @set->mask says, as @cred. @io: with STORE_IO_OPENED a size change
 * needs no write permission. Durable on return.
 */
int store_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);

/*
 * Read up to @len bytes at @offset. *@eof: the end of the file was reached
 * exactly or passed, also by a read of no bytes. -EISDIR, -EINVAL for what cannot be read.
 */
int store_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof);

/*
 * Write @len bytes; *@done may be less. *@stability: what is asked, then what
 * was given (never less).
 */
int store_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done);

/*
 * Everything written so far is on disk, or -EIO etc. and the write verifier
 * has changed. @len 0 = to the end.
 */
int store_commit(struct store *s, const struct fileid *id, uint64_t offset,
	uint64_t len);

/* The write verifier (RFC 8881 18.3.3): one per store, new at each start. */
uint64_t store_write_verifier(struct store *s);

/*
 * The next data (@hole false) or hole at or after @offset. *@eof: there is
 * none before the end of the file, and *@ret is its size. -ENXIO when @offset
 * is at or past the end.
 */
int store_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof);

/*
 * Reserve space (the file grows), or punch a hole (it does not). Durable.
 * -EINVAL for no length.
 */
int store_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);
int store_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);

/* User extended attributes; names without the "user." prefix (RFC 8276). */
enum store_xattr_mode { XATTR_EITHER, XATTR_CREATE_ONLY, XATTR_REPLACE_ONLY };

/* *@len: room at @buf, then the value's size; -ERANGE when it has no room. */
int store_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len);
int store_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode);
int store_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names);
int store_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name);

/*
 * The dry check of both; to remove is as XATTR_REPLACE_ONLY. Of the value it
 * says nothing.
 */
int store_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode);

/*
 * Keep an object reachable by its fileid after its last name is gone, for an
 * open file. Pins count; the last unpin lets it go.
 */
int store_pin(struct store *s, const struct fileid *id);
void store_unpin(struct store *s, const struct fileid *id);

/*
 * How many objects only a pin keeps, and how many that should be at most; the
 * store takes more, but has less room for all else. Not counted.
 */
void store_count_orphans(struct store *s, uint32_t *count, uint32_t *max);

/*
 * Outside changes (outside.h). @observer (copied) hears of them until it is
 * NULL: when that returns only calls that are still running report, and what
 * they ask to watch is refused. Set anew only while no other call runs.
 * -EOPNOTSUPP: this store cannot tell of them; -EPERM: it lacks the privilege.
 */
int store_observe(struct store *s, const struct store_observer *observer);

/*
 * Watch @id: of each change of this kind that happens after the return there
 * will be a report. Watches count. Watching STORE_WATCH_END again after
 * OUTSIDE_MOVED takes one that follows the move; the old one is to be undone.
 * -EOPNOTSUPP: nobody observes, or the store cannot; -ENOSPC: as many objects
 * are watched as may be; -ENOTDIR; -ESTALE.
 */
int store_watch(
	struct store *s, const struct fileid *id, enum store_watch what);

/*
 * Undo one such call. A store may go on watching STORE_WATCH_ENTRIES as long as
 * it has room, so that to watch again is cheap: then OUTSIDE_UNWATCHED is
 * reported when it stops. Never fails; @id may be gone.
 */
void store_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what);

void store_read_watch_stats(struct store *s, struct store_watch_stats *ret);

/*
 * An outside change of @dir, found out by looking: @change has kind, names and
 * children. Fills in the rest as the changes above do.
 */
void store_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change);

/*
 * What a store implements: one member per function above, same meaning, same
 * arguments. None may be NULL; a store without a feature returns -EOPNOTSUPP.
 */
struct store_ops {
	void (*free)(struct store *s);
	int (*root)(struct store *s, struct fileid *ret);
	int (*probe)(struct store *s, const struct fileid *id);
	int (*getattr)(
		struct store *s, const struct fileid *id, struct attr *ret);
	int (*statfs)(
		struct store *s, const struct fileid *id, struct fsinfo *ret);
	int (*access)(struct store *s, const struct cred *cred,
		const struct fileid *id, uint32_t want, uint32_t *granted);
	int (*open_check)(struct store *s, const struct cred *cred,
		const struct fileid *id, uint32_t access);
	int (*lookup)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct name name, struct fileid *ret,
		struct attr *ret_attr); /* one of the two may be NULL */
	int (*lookup_parent)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct fileid *ret);
	int (*path)(struct store *s, const struct fileid *dir, char *buf,
		size_t size); /* may be NULL */
	int (*readlink)(struct store *s, const struct cred *cred,
		const struct fileid *id, char *buf, size_t size, size_t *len);
	int (*readdir)(struct store *s, const struct cred *cred,
		const struct fileid *dir, uint64_t cookie, uint64_t verifier,
		store_emit emit, void *ctx, struct store_page *page);
	int (*dir_verifier)(struct store *s, const struct fileid *dir,
		uint64_t *ret, bool *cookies);
	int (*check_create)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct name name,
		enum object_type type);
	int (*check_link)(struct store *s, const struct cred *cred,
		const struct fileid *id, const struct fileid *dir,
		struct name name);
	int (*check_remove)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct name name,
		struct fileid *victim, struct attr *victim_attr);
	int (*check_rename)(struct store *s, const struct cred *cred,
		const struct fileid *from_dir, struct name from,
		const struct fileid *to_dir, struct name to,
		struct store_rename_plan *plan);
	int (*check_setattr)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, const struct setattr *set);
	int (*check_xattr)(struct store *s, const struct cred *cred,
		const struct fileid *id, struct name name,
		enum store_xattr_mode mode);
	int (*create)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct name name,
		const struct store_new *new, struct fileid *ret,
		struct dir_change *change);
	int (*link)(struct store *s, const struct cred *cred,
		const struct fileid *id, const struct fileid *dir,
		struct name name, struct dir_change *change);
	int (*remove)(struct store *s, const struct cred *cred,
		const struct fileid *dir, struct name name,
		struct dir_change *change);
	int (*rename)(struct store *s, const struct cred *cred,
		const struct fileid *from_dir, struct name from,
		const struct fileid *to_dir, struct name to,
		struct dir_change *from_change, struct dir_change *to_change,
		bool *nothing);
	int (*sync_entry)(struct store *s, const struct fileid *dir,
		const struct fileid *child);
	int (*exclusive_match)(struct store *s, const struct fileid *id,
		uint64_t verifier, bool *match);
	int (*setattr)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, const struct setattr *set);
	int (*read)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, uint64_t offset, void *buf,
		size_t len, size_t *done, bool *eof);
	int (*write)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, uint64_t offset,
		const void *buf, size_t len, enum store_stability *stability,
		size_t *done);
	int (*commit)(struct store *s, const struct fileid *id, uint64_t offset,
		uint64_t len);
	uint64_t (*write_verifier)(struct store *s);
	int (*seek)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, uint64_t offset, bool hole,
		uint64_t *ret, bool *eof);
	int (*allocate)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, uint64_t offset, uint64_t len);
	int (*deallocate)(struct store *s, const struct cred *cred,
		const struct fileid *id, int io, uint64_t offset, uint64_t len);
	int (*xattr_get)(struct store *s, const struct cred *cred,
		const struct fileid *id, struct name name, void *buf,
		size_t *len);
	int (*xattr_set)(struct store *s, const struct cred *cred,
		const struct fileid *id, struct name name, const void *value,
		size_t len, enum store_xattr_mode mode);
	int (*xattr_list)(struct store *s, const struct cred *cred,
		const struct fileid *id, struct store_xattr_names *names);
	int (*xattr_remove)(struct store *s, const struct cred *cred,
		const struct fileid *id, struct name name);
	int (*pin)(struct store *s, const struct fileid *id);
	void (*unpin)(struct store *s, const struct fileid *id);
	void (*count_orphans)(struct store *s, uint32_t *count,
		uint32_t *max); /* may be NULL: no limit */
	int (*observe)(struct store *s, const struct store_observer *observer);
	int (*watch)(struct store *s, const struct fileid *id,
		enum store_watch what);
	void (*unwatch)(struct store *s, const struct fileid *id,
		enum store_watch what);
	void (*read_watch_stats)(
		struct store *s, struct store_watch_stats *ret);
	void (*note_outside)(struct store *s, const struct fileid *dir,
		struct dir_change *change);
};

#endif
