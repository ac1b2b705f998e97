/* SPDX-License-Identifier: MIT */
/*
 * Listing order and cookies (doc/design.md, "Listing order and cookies"). A
 * READDIR cookie is a keyed hash of the name, so that a new entry's cookie is
 * known at once and every cookie survives unrelated changes, renames of the
 * directory and restarts, on any file system. `struct dirindex` is a memory-
 * bounded cache of the sorted entries of directories, shared by all stores of
 * the server and filled by one pass over a directory.
 *
 * Two names with one hash are ranked by their bytes and take one cookie after
 * the other, so adding or removing one may move the others. The verifier is a
 * function of the names that do not come first at their hash: it is one and
 * the same for all directories without such names, that is for all; equal
 * verifiers always mean equal cookies; and both are again what they were
 * after an eviction or a restart, for nothing but the set of names counts. A
 * change that moves it is reported in dir_change.verifier_moved.
 *
 * At cookie 0 a directory is read again unless it is certain that nothing
 * happened: its ctime is that of the last fill and was older than two ticks
 * then, and nothing of ours was noted since (a foreign change in the same
 * tick would not show). A listing under way goes on with what there is.
 *
 * A directory that does not fit in the budget is listed through windows, by
 * one pass for each; changes of it are noted without cookies.
 *
 * Locking: one lock per directory's index, inside, never held while a source
 * or an emit function runs. Entries lie in segments behind references, and a
 * listing reads a segment under no lock; a change then goes to a copy.
 */
#ifndef STORE_DIRINDEX_H
#define STORE_DIRINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/store.h"

struct dirindex;

/* Hands each entry's name to @add, "." and ".." excluded. */
typedef int (*dirindex_add_name)(void *fill, struct name name);

/* How a store lets the index read a directory: called outside all locks. */
struct dirindex_source {
	/* One pass over the directory: @add for each name, stop at < 0. */
	int (*scan)(void *store, const struct fileid *dir,
		dirindex_add_name add, void *fill);
	/* Its ctime, to know whether a fill can be trusted. */
	int (*ctime)(void *store, const struct fileid *dir, int64_t *ctime_ns);
	void *store;
};

/*
 * A cache of at most @budget bytes; what fills under way gather counts, and
 * only several of them together can exceed it. @secret (32 bytes) keys the
 * hash and must be the same after a restart. NULL when out of memory.
 */
struct dirindex *dirindex_new(
	struct clock *clock, const uint8_t secret[32], size_t budget);
void dirindex_free(struct dirindex *x);

/* store_readdir() without the permission check. */
int dirindex_list(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page);

/* store_dir_verifier(): changes of what does not fit carry no cookies. */
int dirindex_verifier(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t *ret, bool *cookies);

/*
 * Our own changes (or any the caller knows of), called by the store right
 * after it made them, inside the directory's change section: they keep the
 * index true and fill in cookies and position of @change (entry, old,
 * overwritten, previous, last, verifiers); its names, kind and has_overwritten
 * are the caller's. A directory that is not in the cache is read for it,
 * unless @change says no_position; then nothing may be known. The change
 * stands in any case: whenever something is not known, it is 0.
 * -E2BIG: the directory is over the budget. -ENOMEM etc.: the index was
 * dropped.
 */
int dirindex_note(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, struct dir_change *change);

/* The directory is gone: forget it. */
void dirindex_forget(struct dirindex *x, const struct fileid *dir);

/* For metrics and tests. */
struct dirindex_stats {
	uint64_t fills;     /* passes over a directory */
	uint64_t hits;      /* listings served without one */
	uint64_t evictions; /* directories dropped for the budget */
	uint64_t moved;     /* changes that moved a verifier */
	size_t bytes;       /* in use */
	size_t directories; /* in the cache */
};
void dirindex_read_stats(struct dirindex *x, struct dirindex_stats *ret);

#endif
