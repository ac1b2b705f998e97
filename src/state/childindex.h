/* SPDX-License-Identifier: MIT */
/*
 * Which directories have a child whose attribute changes somebody wants to
 * hear of: digests of children (told.h) -> nodes of directories, one entry for
 * each name. Nearly every change of a file ends with childindex_is_empty(), or
 * a miss.
 *
 * Entries hold no reference: they are those of a told set, which has one.
 */
#ifndef STATE_CHILDINDEX_H
#define STATE_CHILDINDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/htab.h"
#include "base/lock.h"

struct node;

#define CHILDINDEX_SHARDS 64

struct childindex {
	_Atomic uint64_t count; /* entries in all */
	struct childindex_shard {
		struct lock lock; /* LOCK_CHILDREN */
		struct htab table;
	} shard[CHILDINDEX_SHARDS];
};

/* 0 or -ENOMEM; _fini also undoes what a failed _init began. */
int childindex_init(struct childindex *ix);
void childindex_fini(struct childindex *ix);

/* Is there no entry at all? A hint, without a lock. */
static inline bool childindex_is_empty(const struct childindex *ix)
{
	return atomic_load_explicit(&ix->count, memory_order_relaxed) == 0;
}

/* 0 or -ENOMEM. What is added twice is there twice. */
int childindex_add(struct childindex *ix, uint64_t child, struct node *dir);

/* One entry less; nothing when there is none. */
void childindex_remove(struct childindex *ix, uint64_t child, struct node *dir);

bool childindex_has(struct childindex *ix, uint64_t child);

/*
 * Call @each for the directories of @child (one with two names of it twice)
 * under the shard's lock, so that a node is alive: it may take locks from
 * LOCK_NODE on.
 */
void childindex_each(struct childindex *ix, uint64_t child,
	void (*each)(void *ctx, struct node *dir), void *ctx);

#endif
