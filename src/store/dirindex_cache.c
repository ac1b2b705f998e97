/* SPDX-License-Identifier: MIT */
#include "store/dirindex_impl.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct dirindex *dirindex_new(
	struct clock *clock, const uint8_t secret[32], size_t budget)
{
	struct dirindex *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	if (htab_init(&x->dirs, 64)) {
		free(x);
		return NULL;
	}
	x->clock = clock;
	x->budget = budget;
	dirhash_keys_init(&x->keys, secret);
	lock_init(&x->lock, LOCK_LEAF);
	list_init(&x->lru);
	return x;
}

/* Take @d out of the table when nobody needs it; x->lock is held. */
static bool unlink_if_idle(struct dirindex *x, struct dirindex_dir *d)
{
	if (d->users > 0 || !list_empty(&d->lru))
		return false;
	htab_remove(&x->dirs, &d->link);
	x->bytes -= sizeof(*d);
	return true;
}

static void dir_free(struct dirindex_dir *d)
{
	lock_fini(&d->lock);
	cond_fini(&d->filled);
	free(d);
}

void dirindex_free(struct dirindex *x)
{
	struct dirindex_dir *d, *next;

	if (!x)
		return;
	list_for_each_entry_safe(d, next, &x->lru, lru) {
		dirtree_free(d->tree);
		list_del(&d->lru);
		if (unlink_if_idle(x, d))
			dir_free(d);
	}
	assert(x->dirs.count == 0); /* no call is running */
	htab_fini(&x->dirs);
	lock_fini(&x->lock);
	free(x);
}

static struct dirindex_dir *dir_new(const struct fileid *id)
{
	struct dirindex_dir *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->id = *id;
	list_init(&d->lru);
	lock_init(&d->lock, LOCK_DIRINDEX);
	cond_init(&d->filled);
	return d;
}

/* Find and use; x->lock is held. */
static struct dirindex_dir *find_locked(
	struct dirindex *x, const struct fileid *id, uint64_t hash)
{
	struct htab_link *at;

	htab_for_each_match(at, &x->dirs, hash) {
		struct dirindex_dir *d =
			container_of(at, struct dirindex_dir, link);

		if (!fileid_equal(&d->id, id))
			continue;
		d->users++;
		if (!list_empty(&d->lru)) {
			list_del(&d->lru);
			list_add_tail(&x->lru, &d->lru);
		}
		return d;
	}
	return NULL;
}

struct dirindex_dir *dirindex_cache_find(
	struct dirindex *x, const struct fileid *dir)
{
	uint64_t hash = htab_hash(dir->data, dir->len);

	scope_lock(&x->lock);
	return find_locked(x, dir, hash);
}

struct dirindex_dir *dirindex_cache_get(
	struct dirindex *x, const struct fileid *dir)
{
	uint64_t hash = htab_hash(dir->data, dir->len);
	struct dirindex_dir *d;

	scope_lock(&x->lock);
	d = find_locked(x, dir, hash);
	if (d)
		return d;
	d = dir_new(dir);
	if (!d)
		return NULL;
	d->users = 1;
	htab_insert(&x->dirs, &d->link, hash);
	x->bytes += sizeof(*d);
	return d;
}

static void unuse(struct dirindex *x, struct dirindex_dir *d)
{
	bool idle;

	lock_acquire(&x->lock);
	d->users--;
	idle = unlink_if_idle(x, d);
	lock_release(&x->lock);
	if (idle)
		dir_free(d);
}

void dirindex_cache_put(struct dirindex *x, struct dirindex_dir *d)
{
	unuse(x, d);
	dirindex_cache_evict(x);
}

void dirindex_cache_set_tree(struct dirindex *x, struct dirindex_dir *d,
	struct dirtree *tree, size_t charged)
{
	struct dirtree *old = d->tree;

	lock_assert_held(&d->lock);
	lock_acquire(&x->lock);
	x->bytes -= d->charged;
	if (old)
		x->directories--;
	list_del(&d->lru);
	if (tree)
		x->directories++;
	if (tree || d->big)
		list_add_tail(&x->lru, &d->lru);
	lock_release(&x->lock);
	d->tree = tree;
	d->charged = charged;
	dirtree_free(old);
}

void dirindex_cache_charge(struct dirindex *x, size_t *charged, size_t bytes)
{
	scope_lock(&x->lock);
	x->bytes += bytes - *charged;
	*charged = bytes;
}

void dirindex_cache_recharge(struct dirindex *x, struct dirindex_dir *d)
{
	if (d->tree)
		dirindex_cache_charge(x, &d->charged, d->tree->bytes);
}

void dirindex_cache_count(struct dirindex *x, uint64_t *counter)
{
	scope_lock(&x->lock);
	++*counter;
}

/* The directory to give up next, in use; NULL while the budget holds. */
static struct dirindex_dir *choose_victim(struct dirindex *x)
{
	struct dirindex_dir *d;

	scope_lock(&x->lock);
	if (x->bytes <= x->budget || list_empty(&x->lru))
		return NULL;
	d = list_first_entry(&x->lru, struct dirindex_dir, lru);
	list_del(&d->lru);
	d->users++;
	return d;
}

/*
 * Take the tree from @d. What was learnt of a big directory is kept, so that
 * the next pass does not try again to keep all of it, but only this once.
 */
static void give_up(struct dirindex *x, struct dirindex_dir *d)
{
	scope_lock(&d->lock);
	if (d->tree)
		dirindex_cache_count(x, &x->evictions);
	else
		d->big = false;
	dirindex_cache_set_tree(x, d, NULL, 0);
}

void dirindex_cache_evict(struct dirindex *x)
{
	struct dirindex_dir *d;

	while ((d = choose_victim(x))) {
		give_up(x, d);
		unuse(x, d);
	}
}

void dirindex_read_stats(struct dirindex *x, struct dirindex_stats *ret)
{
	scope_lock(&x->lock);
	*ret = (struct dirindex_stats){
		.fills = x->fills,
		.hits = x->hits,
		.evictions = x->evictions,
		.moved = x->moved,
		.bytes = x->bytes,
		.directories = x->directories,
	};
}
