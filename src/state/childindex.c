/* SPDX-License-Identifier: MIT */
#include "state/childindex.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "state/dirmemory.h"

struct entry {
	struct htab_link link; /* its hash is the child */
	struct node *dir;
};

/* With its part of the table's buckets. */
#define ENTRY_BYTES ((int64_t)(sizeof(struct entry) + sizeof(void *)))

static struct childindex_shard *shard_of(struct childindex *ix, uint64_t child)
{
	return &ix->shard[child >> 32 & (CHILDINDEX_SHARDS - 1)];
}

int childindex_init(struct childindex *ix)
{
	for (int i = 0; i < CHILDINDEX_SHARDS; i++) {
		lock_init(&ix->shard[i].lock, LOCK_CHILDREN);
		if (htab_init(&ix->shard[i].table, 0) < 0)
			return -ENOMEM;
	}
	return 0;
}

void childindex_fini(struct childindex *ix)
{
	assert(childindex_is_empty(ix));
	for (int i = 0; i < CHILDINDEX_SHARDS; i++) {
		if (!ix->shard[i].table.buckets)
			return; /* no further did _init come */
		htab_fini(&ix->shard[i].table);
		lock_fini(&ix->shard[i].lock);
	}
}

int childindex_add(struct childindex *ix, uint64_t child, struct node *dir)
{
	struct childindex_shard *shard = shard_of(ix, child);
	struct entry *e = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->dir = dir;
	scope_lock(&shard->lock);
	htab_insert(&shard->table, &e->link, child);
	atomic_fetch_add(&ix->count, 1);
	dirmemory_count(DIRMEMORY_CHILDREN, ENTRY_BYTES);
	return 0;
}

void childindex_remove(struct childindex *ix, uint64_t child, struct node *dir)
{
	struct childindex_shard *shard = shard_of(ix, child);
	struct htab_link *at;

	scope_lock(&shard->lock);
	htab_for_each_match(at, &shard->table, child) {
		struct entry *e = container_of(at, struct entry, link);

		if (e->dir != dir)
			continue;
		htab_remove(&shard->table, &e->link);
		atomic_fetch_sub(&ix->count, 1);
		dirmemory_count(DIRMEMORY_CHILDREN, -ENTRY_BYTES);
		free(e);
		return;
	}
}

bool childindex_has(struct childindex *ix, uint64_t child)
{
	struct childindex_shard *shard = shard_of(ix, child);

	scope_lock(&shard->lock);
	return htab_first(&shard->table, child);
}

void childindex_each(struct childindex *ix, uint64_t child,
	void (*each)(void *ctx, struct node *dir), void *ctx)
{
	struct childindex_shard *shard = shard_of(ix, child);
	struct htab_link *at;

	scope_lock(&shard->lock);
	htab_for_each_match(at, &shard->table, child)
		each(ctx, container_of(at, struct entry, link)->dir);
}
