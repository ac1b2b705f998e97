/* SPDX-License-Identifier: MIT */
/*
 * Inside the directory index: the cache of directories (dirindex_cache.c),
 * the passes that fill it (dirindex_fill.c) and what stores ask of it
 * (dirindex.c). Not for anybody else.
 *
 * Two locks: a directory's own (LOCK_DIRINDEX) guards its tree; the cache's
 * (LOCK_LEAF) guards the table, the LRU list and use counts, and is taken
 * alone or under a directory's.
 */
#ifndef STORE_DIRINDEX_IMPL_H
#define STORE_DIRINDEX_IMPL_H

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "store/dirindex.h"
#include "store/dirindex_tree.h"

struct dirindex {
	struct clock *clock;
	struct dirhash_keys keys;
	size_t budget;
	struct lock lock;
	struct htab dirs; /* struct dirindex_dir by fileid */
	struct list lru;  /* those with a tree, oldest first */
	size_t bytes;     /* directories, trees, trees being filled */
	size_t directories;
	uint64_t fills, hits, evictions, moved;
};

/* One pass under way, or several that make up one fill. */
struct dirindex_fill {
	struct dirindex_logged *log; /* our own changes since it began */
	struct dirindex_logged **log_end;
	int spoiled; /* -errno: its result is of no use */
};

struct dirindex_dir {
	/* Guarded by the cache's lock. */
	struct htab_link link;
	struct list lru;
	unsigned users;
	struct fileid id;

	struct lock lock; /* guards what follows */
	struct cond filled;
	struct dirtree *tree; /* NULL: nothing is known */
	size_t charged;       /* what of it is in dirindex.bytes */
	struct dirindex_fill *fill;
	uint64_t fills_begun;
	uint64_t tree_fill; /* which of them made `tree` */

	/*
	 * When `tree` can be trusted at the start of a listing: when the
	 * directory's ctime is still the one from before the fill, and was not
	 * young (within two ticks) then. A change of ours moves the ctime like
	 * any other, for behind it a foreign one in its tick could hide.
	 */
	bool young;
	int64_t ctime_ns;

	/*
	 * The directory does not fit: `tree` is a window, and `rank_marks` what
	 * all windows together have in `moved`, as of the set of names whose
	 * marks sum up to `name_marks` (when `marks_known`).
	 */
	bool big;
	bool marks_known;
	uint64_t rank_marks;
	uint64_t name_marks;
};

/* The directory's object, made when missing; give back. NULL: no memory. */
struct dirindex_dir *dirindex_cache_get(
	struct dirindex *x, const struct fileid *dir);
void dirindex_cache_put(struct dirindex *x, struct dirindex_dir *d);

/* As above, NULL when there is none. */
struct dirindex_dir *dirindex_cache_find(
	struct dirindex *x, const struct fileid *dir);

/* Make @tree (NULL = none) the directory's; its lock is held. Takes @tree. */
void dirindex_cache_set_tree(struct dirindex *x, struct dirindex_dir *d,
	struct dirtree *tree, size_t charged);

/* Bring what is charged for @d to what its tree has; its lock is held. */
void dirindex_cache_recharge(struct dirindex *x, struct dirindex_dir *d);

/* Charge the difference between *@charged and @bytes for a tree in filling. */
void dirindex_cache_charge(struct dirindex *x, size_t *charged, size_t bytes);

/* Drop what was not used for longest until the budget holds. No lock held. */
void dirindex_cache_evict(struct dirindex *x);

void dirindex_cache_count(struct dirindex *x, uint64_t *counter);

/*
 * Make sure that @d has a tree with the names at @place; @fresh: one that
 * tells the directory as it was when this call began, or later. Called and
 * returns with d->lock held, and drops it in between.
 */
int dirfill_ensure(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, uint64_t place, bool fresh);

/* Remember a change for the fill under way, if any; d->lock is held. */
void dirfill_log(struct dirindex_dir *d, bool add, struct name name);

/* Apply a change to the tree, window or not; as dirtree_insert/_remove. */
int dirfill_apply(struct dirindex_dir *d, bool add, struct name name);

/* The verifier of the directory as `tree` has it; d->lock is held. */
uint64_t dirfill_verifier(
	const struct dirindex *x, const struct dirindex_dir *d);

#endif
