/* SPDX-License-Identifier: MIT */
/*
 * The sorted names of one directory, or of a window of its places when it is
 * too big to keep: an array of segments, each a sorted array of entries. The
 * names of one place always lie in one segment, so ranks are found locally.
 *
 * A segment behind a reference never changes: who holds one may read it
 * without any lock, and a change then goes to a copy. No locking here; the
 * owner of the tree guards it, and references are taken under that guard.
 */
#ifndef STORE_DIRINDEX_TREE_H
#define STORE_DIRINDEX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ref.h"
#include "store/dirindex_hash.h"

struct dirseg_entry {
	uint64_t place;
	uint32_t name_at; /* in the segment's names */
	uint8_t name_len;
};

struct dirseg {
	struct ref ref;
	uint32_t count, capacity;
	uint32_t names_used, names_size;
	uint32_t names_dead; /* bytes of names removed */
	struct dirseg_entry *entries;
	char *names;
};

struct dirtree_slot {
	uint64_t first; /* place of the segment's first entry */
	struct dirseg *segment;
};

struct dirtree {
	const struct dirhash_keys *keys;
	struct dirtree_slot *slots; /* ascending */
	size_t count, capacity;
	size_t bytes;        /* memory in use */
	uint64_t begin, end; /* places that are kept: all of [begin, end) */
	uint64_t moved;      /* rank marks of entries whose rank is not 0 */
	uint64_t sum;        /* marks of all names put in, kept or not */
};

/* A tree for the places from @begin on. NULL when out of memory. */
struct dirtree *dirtree_new(const struct dirhash_keys *keys, uint64_t begin);
void dirtree_free(struct dirtree *t);

/* Does it keep every name of the directory? */
static inline bool dirtree_whole(const struct dirtree *t)
{
	return t->begin == 0 && t->end == DIRHASH_END;
}

static inline bool dirtree_covers(const struct dirtree *t, uint64_t place)
{
	return place >= t->begin && place < t->end;
}

/*
 * Put a name in, take it out: 1 done; 0 nothing to do, or its place is not
 * kept; -ENOMEM; -EOVERFLOW when a place has no rank left. After an error the
 * tree is good for dirtree_free() only.
 */
int dirtree_insert(struct dirtree *t, struct name name);
int dirtree_remove(struct dirtree *t, struct name name);

/* Where one name is; names point into the tree. */
struct dirtree_position {
	uint64_t cookie;
	bool has_previous;
	struct name previous;
	uint64_t previous_cookie;
	bool last;
};

/* False when the name is not in. */
bool dirtree_find(const struct dirtree *t, struct name name,
	struct dirtree_position *ret);

/*
 * Keep the lowest places that fit in @bytes of memory, one at least; moves
 * `end` down. -ENOMEM as above.
 */
int dirtree_shrink(struct dirtree *t, size_t bytes);

/* A reference to the segment with the first entry after @cookie, or NULL. */
struct dirseg *dirtree_segment_after(const struct dirtree *t, uint64_t cookie);
void dirseg_put(struct dirseg *s);

/* Walks the entries of one segment that lie after a cookie. */
struct dirseg_cursor {
	const struct dirseg *segment;
	uint32_t at;
	uint64_t rank; /* of the entry at `at` */
};

struct dirseg_cursor dirseg_after(const struct dirseg *s, uint64_t cookie);

/* The next entry; false at the end. */
bool dirseg_next(struct dirseg_cursor *c, struct name *name, uint64_t *cookie);

#endif
