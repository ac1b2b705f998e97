/* SPDX-License-Identifier: MIT */
/*
 * The cache of descriptors of a posix store: fileid and kind of access to an
 * open descriptor. Nothing else in the server owns one for longer than a call,
 * so any number of files can be open at once under a fixed number of
 * descriptors.
 *
 * An entry is used under a reference and may be closed when it has none,
 * oldest first. Two kinds stay longer:
 *  - a descriptor with unsynced writes leaves only after fsync, because closing
 *    it could lose the kernel's only report of a failed write-back. A failure
 *    changes the write verifier and is kept for the next commit of that file;
 *  - the last name of a pinned object being gone, its O_PATH descriptor is what
 *    keeps it alive, until the last unpin.
 *
 * Locking: one lock per cache, over the tables and lists only; opening, syncing
 * and closing happen outside.
 */
#ifndef STORE_POSIX_FH_H
#define STORE_POSIX_FH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "vocab/fileid.h"

/* A cache smaller than this is none: one call may use six at a time. */
#define FH_CACHE_MIN 32

/* More would only hold kernel memory, 1 to 2 KiB for each idle object. */
#define FH_CACHE_MAX 65536

enum fh_kind {
	FH_PATH,  /* O_PATH: any object */
	FH_READ,  /* O_RDONLY: files, and directories for fsync */
	FH_WRITE, /* O_RDWR: files */
	FH_KINDS
};

struct fh_cache;
struct posix_pins; /* posix.h */

struct fh {
	struct htab_link link; /* in cache->table while `cached` */
	struct list lru;       /* in cache->lru while it has no user */
	struct list batch;     /* entries one thread syncs to close them */
	struct fh_cache *cache;
	struct fileid id;
	enum fh_kind kind;
	int fd;
	unsigned users;         /* under the cache's lock */
	bool cached;            /* likewise */
	uint64_t idle_since_ms; /* likewise */
	atomic_uint format;     /* S_IFMT bits, 0 = not asked yet */

	/* FH_WRITE: writes numbered, and the last one known to be on disk. */
	_Atomic uint64_t written;
	_Atomic uint64_t failures;
	uint64_t synced;  /* under the cache's lock, as all that follows */
	uint64_t flushed; /* the same, data only (fdatasync) */
	bool syncing;     /* one fsync at a time, see fh_sync() */
	int failure;
};

struct fh_cache {
	struct clock *clock;
	struct lock lock; /* guards everything below */
	struct cond synced;
	struct htab table;
	struct list lru;         /* unused entries, oldest first */
	unsigned max;            /* may become less, see fh_shrink() */
	unsigned count;          /* descriptors open or about to be */
	struct posix_pins *pins; /* borrowed, maybe other caches' too */
	atomic_uint orphans;     /* entries that only a pin keeps */
	struct htab kept;        /* errors of write-back nobody heard of yet */
	uint64_t swept_ms;
	uint64_t all_begun; /* fh_sync_all(): syncs of the file system */
	uint64_t all_ended;
	uint64_t all_failures;
	int all_failure;
	bool all_running;
	_Atomic uint64_t verifier;
};

/* @max descriptors at most (some calls may add a few). 0 or -ENOMEM. */
int fh_cache_init(struct fh_cache *c, struct clock *clock,
	struct posix_pins *pins, unsigned max);

/* Sync what is unsynced and close everything. */
void fh_cache_fini(struct fh_cache *c);

/* The entry with a reference, or NULL. */
struct fh *fh_find(
	struct fh_cache *c, const struct fileid *id, enum fh_kind kind);

/*
 * Announce one more descriptor, closing an old one when there are too many:
 * call it before opening. -EWOULDBLOCK when all are in use.
 */
int fh_reserve(struct fh_cache *c);
void fh_unreserve(struct fh_cache *c);

/*
 * Keep @fd (taken, on failure closed), which was reserved. When another thread
 * was faster its entry is returned. With a reference; -ENOMEM.
 */
int fh_add(struct fh_cache *c, const struct fileid *id, enum fh_kind kind,
	int fd, struct fh **ret);

/* Give a reference back; NULL is ignored. */
void fh_put(struct fh *fh);

/* The object is gone: close its descriptors as soon as nobody uses them. */
void fh_forget(struct fh_cache *c, const struct fileid *id);

/*
 * If the file has no name any more: close what it is read and written with, if
 * that is unused and has nothing to sync.
 */
void fh_close_nameless(struct fh_cache *c, const struct fileid *id);

/* Close what nobody used for @idle_ms, so that removed files free space. */
void fh_trim(struct fh_cache *c, uint64_t idle_ms);

/* The process ran out of descriptors: close some, and make do with less. */
void fh_shrink(struct fh_cache *c);

/* S_IFMT bits of the object. 0 or -errno. */
int fh_format(struct fh *fh, unsigned *ret);

/*
 * Around each change of a file's data: take the count of failed syncs before
 * it, number the change after it. A sync that fails in between, whoever asked
 * for it, may have lost this change, and the kernel tells only once.
 */
uint64_t fh_failures(struct fh *fh);
void fh_wrote(struct fh *fh);

/*
 * Everything written through @fh before the call is on disk; @data_only as
 * fdatasync. -EIO etc. when a sync failed that began after @failures was
 * taken; the verifier has changed then.
 */
int fh_sync(struct fh *fh, bool data_only, uint64_t failures);

/* Start writing back, without waiting. */
void fh_sync_start(struct fh *fh);

/* Has @fh writes that closing it could lose an error of? Locked. */
bool fh_is_dirty_locked(const struct fh *fh);

/* Remember that a sync of @id failed with @err (< 0): fh_commit() tells. */
void fh_keep_error(struct fh_cache *c, const struct fileid *id, int err);

/*
 * fsync of any other descriptor; failing changes the verifier as well, but for
 * -EINVAL: there is no such thing as syncing it.
 */
int fh_sync_fd(struct fh_cache *c, int fd);

/*
 * syncfs of @fd's file system, one for all who wait: for what has no fsync of
 * its own.
 */
int fh_sync_all(struct fh_cache *c, int fd);

/* store_commit(): syncs what is unsynced, and reports an error kept. */
int fh_commit(struct fh_cache *c, const struct fileid *id);

/* store_pin() and store_unpin(); fh_pin only counts. 0 or -ENOMEM. */
int fh_pin(struct fh_cache *c, const struct fileid *id);
void fh_unpin(struct fh_cache *c, const struct fileid *id);
bool fh_is_pinned(struct fh_cache *c, const struct fileid *id);

/* Objects that only a pin keeps, and how many there should be at most. */
void fh_count_orphans(struct fh_cache *c, uint32_t *count, uint32_t *max);

/*
 * The last name of @id is gone: when it is pinned @fd (O_PATH, taken in any
 * case) keeps it alive, else everything about it is forgotten.
 */
void fh_orphan(struct fh_cache *c, const struct fileid *id, int fd);

/* For the parts of the cache in other files: an entry looked up, locked. */
struct fh *fh_find_locked(
	struct fh_cache *c, const struct fileid *id, enum fh_kind kind);
void fh_pins_leave(struct fh_cache *c);
void fh_kept_fini(struct fh_cache *c);

static inline void fh_put_scope(struct fh **fh)
{
	fh_put(*fh);
}

#define scope_fh __attribute__((cleanup(fh_put_scope))) struct fh

#endif
