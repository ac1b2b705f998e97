/* SPDX-License-Identifier: MIT */
#include "store/posix_fh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rand.h"

#define SWEEP_EVERY_MS 1000
#define SWEEP_IDLE_MS  30000
#define SWEEP_MAX      64 /* entries in one go */

static uint64_t hash_of(const struct fileid *id, enum fh_kind kind)
{
	return htab_hash(id->data, id->len) + kind;
}

int fh_cache_init(struct fh_cache *c, struct clock *clock,
	struct posix_pins *pins, unsigned max)
{
	*c = (struct fh_cache){.clock = clock, .max = max, .pins = pins};
	lock_init(&c->lock, LOCK_FDCACHE);
	cond_init(&c->synced);
	list_init(&c->lru);
	atomic_init(&c->verifier, rand_u64());
	if (htab_init(&c->table, 1024) == 0 && htab_init(&c->kept, 16) == 0)
		return 0;
	fh_cache_fini(c);
	return -ENOMEM;
}

/* Close and free an entry that nobody can find any more. */
static void fh_destroy(struct fh *fh)
{
	assert(!fh->cached && fh->users == 0);
	if (fh->fd >= 0)
		close(fh->fd);
	free(fh);
}

static void destroy_all(struct list *dead)
{
	struct fh *fh, *next;

	list_for_each_entry_safe(fh, next, dead, lru) {
		list_del(&fh->lru);
		fh_destroy(fh);
	}
}

/* Out of the table and off the list; the caller destroys it when unused. */
static void uncache_locked(struct fh *fh)
{
	htab_remove(&fh->cache->table, &fh->link);
	list_del(&fh->lru);
	fh->cached = false;
	fh->cache->count--;
}

static void take_locked(struct fh *fh)
{
	list_del(&fh->lru);
	fh->users++;
}

/* True when the caller must destroy @fh, outside the lock. */
static bool release_locked(struct fh *fh)
{
	assert(fh->users > 0);
	if (--fh->users > 0)
		return false;
	if (!fh->cached)
		return true;
	fh->idle_since_ms = clock_mono_ms(fh->cache->clock);
	list_add_tail(&fh->cache->lru, &fh->lru);
	return false;
}

struct fh *fh_find_locked(
	struct fh_cache *c, const struct fileid *id, enum fh_kind kind)
{
	struct htab_link *link;

	htab_for_each_match(link, &c->table, hash_of(id, kind)) {
		struct fh *fh = container_of(link, struct fh, link);

		if (fh->kind == kind && fileid_equal(&fh->id, id)) {
			take_locked(fh);
			return fh;
		}
	}
	return NULL;
}

struct fh *fh_find(
	struct fh_cache *c, const struct fileid *id, enum fh_kind kind)
{
	scope_lock(&c->lock);

	return fh_find_locked(c, id, kind);
}

void fh_put(struct fh *fh)
{
	bool dead;

	if (!fh)
		return;
	lock_acquire(&fh->cache->lock);
	dead = release_locked(fh);
	lock_release(&fh->cache->lock);
	if (dead)
		fh_destroy(fh);
}

/*
 * Sync a batch of the oldest entries with unsynced writes, then close those
 * that nobody touched meanwhile. A batch, because starting all write-backs
 * before waiting for any makes one journal commit serve them all.
 */
static void collect_dirty_locked(struct fh_cache *c, struct list *batch)
{
	unsigned room = c->max / 8 + 1;
	struct fh *fh, *next;

	list_for_each_entry_safe(fh, next, &c->lru, lru) {
		if (!fh_is_dirty_locked(fh))
			continue;
		take_locked(fh);
		list_add_tail(batch, &fh->batch);
		if (--room == 0)
			break;
	}
}

static void sync_batch(struct list *batch)
{
	struct fh *fh;

	list_for_each_entry(fh, batch, batch)
		fh_sync_start(fh);
	list_for_each_entry(fh, batch, batch) {
		int err = fh_sync(fh, false, fh_failures(fh));

		if (err)
			fh_keep_error(fh->cache, &fh->id, err);
	}
}

static bool evict_dirty_locked(struct fh_cache *c)
{
	struct list batch = LIST_INIT(batch), dead = LIST_INIT(dead);
	struct fh *fh, *next;
	bool evicted;

	collect_dirty_locked(c, &batch);
	lock_release(&c->lock);
	sync_batch(&batch);
	lock_acquire(&c->lock);
	list_for_each_entry_safe(fh, next, &batch, batch) {
		list_del(&fh->batch);
		if (fh->users == 1 && fh->cached && !fh_is_dirty_locked(fh))
			uncache_locked(fh);
		if (release_locked(fh))
			list_add_tail(&dead, &fh->lru);
	}
	evicted = !list_empty(&dead);
	lock_release(&c->lock);
	destroy_all(&dead);
	lock_acquire(&c->lock);
	return evicted;
}

/* Close the oldest unused entry; gives up the lock meanwhile. */
static bool evict_locked(struct fh_cache *c)
{
	struct fh *fh;

	if (list_empty(&c->lru))
		return false;
	fh = list_first_entry(&c->lru, struct fh, lru);
	if (fh_is_dirty_locked(fh))
		return evict_dirty_locked(c);
	uncache_locked(fh);
	lock_release(&c->lock);
	fh_destroy(fh);
	lock_acquire(&c->lock);
	return true;
}

/* Take what is clean and idle for @idle_ms to @dead, @room at most. */
static void sweep_locked(
	struct fh_cache *c, uint64_t idle_ms, unsigned room, struct list *dead)
{
	uint64_t now = clock_mono_ms(c->clock);
	struct fh *fh, *next;

	list_for_each_entry_safe(fh, next, &c->lru, lru) {
		if (fh->idle_since_ms + idle_ms > now || room-- == 0)
			break;
		if (fh_is_dirty_locked(fh))
			continue;
		uncache_locked(fh);
		list_add_tail(dead, &fh->lru);
	}
	c->swept_ms = now;
}

void fh_trim(struct fh_cache *c, uint64_t idle_ms)
{
	struct list dead = LIST_INIT(dead);

	lock_acquire(&c->lock);
	sweep_locked(c, idle_ms, c->max, &dead);
	lock_release(&c->lock);
	destroy_all(&dead);
}

/* Now and then, so that a removed file's space comes back without a timer. */
static void sweep_sometimes(struct fh_cache *c)
{
	struct list dead = LIST_INIT(dead);

	lock_acquire(&c->lock);
	if (clock_mono_ms(c->clock) >= c->swept_ms + SWEEP_EVERY_MS)
		sweep_locked(c, SWEEP_IDLE_MS, SWEEP_MAX, &dead);
	lock_release(&c->lock);
	destroy_all(&dead);
}

int fh_reserve(struct fh_cache *c)
{
	sweep_sometimes(c);
	scope_lock(&c->lock);
	while (c->count >= c->max) {
		if (!evict_locked(c) && c->count >= c->max)
			return -EWOULDBLOCK;
	}
	c->count++;
	return 0;
}

void fh_unreserve(struct fh_cache *c)
{
	scope_lock(&c->lock);

	c->count--;
}

void fh_shrink(struct fh_cache *c)
{
	unsigned max;

	lock_acquire(&c->lock);
	max = c->count - c->count / 8;
	if (max < c->max)
		c->max = max < FH_CACHE_MIN ? FH_CACHE_MIN : max;
	max = c->max;
	while (c->count > max && evict_locked(c))
		;
	lock_release(&c->lock);
	log_limited(LOG_LVL_WARN, 60000,
		"out of file descriptors; the limit of open files is too low "
		"for this many connections and threads cached=%u",
		max);
}

static struct fh *fh_new(
	struct fh_cache *c, const struct fileid *id, enum fh_kind kind, int fd)
{
	struct fh *fh = calloc(1, sizeof(*fh));

	if (!fh)
		return NULL;
	list_init(&fh->lru);
	list_init(&fh->batch);
	fh->cache = c;
	fh->id = *id;
	fh->kind = kind;
	fh->fd = fd;
	fh->users = 1;
	return fh;
}

int fh_add(struct fh_cache *c, const struct fileid *id, enum fh_kind kind,
	int fd, struct fh **ret)
{
	struct fh *fh = fh_new(c, id, kind, fd);
	struct fh *other;

	if (!fh) {
		close(fd);
		fh_unreserve(c);
		return -ENOMEM;
	}
	lock_acquire(&c->lock);
	other = fh_find_locked(c, id, kind);
	if (!other) {
		htab_insert(&c->table, &fh->link, hash_of(id, kind));
		fh->cached = true;
	} else {
		c->count--;
	}
	lock_release(&c->lock);
	if (other) {
		fh->users = 0;
		fh_destroy(fh);
		fh = other;
	}
	*ret = fh;
	return 0;
}

void fh_forget(struct fh_cache *c, const struct fileid *id)
{
	struct list dead = LIST_INIT(dead);

	lock_acquire(&c->lock);
	for (int kind = 0; kind < FH_KINDS; kind++) {
		struct fh *fh = fh_find_locked(c, id, kind);

		if (!fh)
			continue;
		uncache_locked(fh);
		if (release_locked(fh))
			list_add_tail(&dead, &fh->lru);
	}
	lock_release(&c->lock);
	destroy_all(&dead);
}

static bool is_nameless(const struct fh *fh)
{
	struct stat st;

	return fstat(fh->fd, &st) == 0 && st.st_nlink == 0;
}

/* By its only user: it is closed when he puts it. */
static void uncache_idle(struct fh *fh)
{
	scope_lock(&fh->cache->lock);
	if (fh->cached && fh->users == 1 && !fh_is_dirty_locked(fh))
		uncache_locked(fh);
}

void fh_close_nameless(struct fh_cache *c, const struct fileid *id)
{
	for (int kind = FH_READ; kind <= FH_WRITE; kind++) {
		scope_fh *fh = fh_find(c, id, kind);

		if (fh && is_nameless(fh))
			uncache_idle(fh);
	}
}

int fh_format(struct fh *fh, unsigned *ret)
{
	unsigned format = atomic_load(&fh->format);
	struct stat st;

	if (!format) {
		if (fstat(fh->fd, &st) != 0)
			return -errno;
		format = st.st_mode & S_IFMT;
		atomic_store(&fh->format, format);
	}
	*ret = format;
	return 0;
}

/* Unsynced writes are given to the disk; nobody is left to hear of errors. */
static void close_all(struct fh_cache *c)
{
	struct htab_link *link;
	size_t cursor = 0;

	while ((link = htab_walk(&c->table, &cursor, NULL))) {
		struct fh *fh = container_of(link, struct fh, link);

		fh_sync(fh, false, fh_failures(fh));
		lock_acquire(&c->lock);
		uncache_locked(fh);
		lock_release(&c->lock);
		fh_destroy(fh);
		cursor--; /* the rest of the chain */
	}
}

void fh_cache_fini(struct fh_cache *c)
{
	fh_pins_leave(c);
	if (c->table.buckets)
		close_all(c);
	fh_kept_fini(c);
	htab_fini(&c->table);
	cond_fini(&c->synced);
	lock_fini(&c->lock);
}
