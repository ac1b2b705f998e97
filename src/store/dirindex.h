/* SPDX-License-Identifier: MIT */
/*
 * Listing order and cookies (doc/design.md, "Listing order and cookies"). A
 * READDIR cookie is a keyed hash of the name, so that a new entry's cookie is
 * known at once and every cookie survives unrelated changes, renames of the
 * directory and restarts, on any file system. `struct dirindex` is a memory-
 * bounded cache of the sorted entries of directories, shared by all stores of
 * the server and filled by one pass over a directory.
 *
 * Two names with one hash: order (hash, name), the second takes the next free
 * value; removing either may move the other, which changes the directory's
 * cookie verifier and is reported in dir_change.verifier_moved.
 *
 * Locking: one lock per directory's index, inside; immutable segments behind
 * references let a listing go on while the directory changes.
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
 * A cache of at most @budget bytes. @secret (32 bytes) keys the hash and must
 * be the same after a restart. NULL when out of memory.
 */
struct dirindex *dirindex_new(
	struct clock *clock, const uint8_t secret[32], size_t budget);
void dirindex_free(struct dirindex *x);

/* store_readdir() without the permission check. */
int dirindex_list(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page);

int dirindex_verifier(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t *ret);

/*
 * Our own changes, called by the store right after it made them, inside the
 * directory's change section: they keep the index true and fill in cookies
 * and position of @change (entry, old, overwritten, previous, last,
 * verifiers). -ENOMEM etc. mean the index was dropped; the change stands and
 * @change says nothing about cookies (0): the caller reports it so.
 */
int dirindex_note(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, struct dir_change *change);

/* The directory is gone: forget it. */
void dirindex_forget(struct dirindex *x, const struct fileid *dir);

/* For metrics and tests. */
struct dirindex_stats {
	uint64_t fills, hits, evictions, moved;
	size_t bytes, directories;
};
void dirindex_read_stats(struct dirindex *x, struct dirindex_stats *ret);

#endif
