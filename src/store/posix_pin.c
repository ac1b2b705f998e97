/* SPDX-License-Identifier: MIT */
/*
 * Pins: who has a file open wants it to outlive its last name. A pin costs no
 * descriptor while the object has a name; when the last one goes, an O_PATH
 * descriptor keeps the object, outside the eviction order.
 *
 * Stores that may show the same files share their pins: a file that is open
 * through the one may lose its name through the other, whose descriptor then
 * keeps it for both.
 */
#include "store/posix_fh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix.h"

struct posix_pins {
	struct lock lock; /* never with a cache's lock */
	struct htab table;
};

struct fh_pin {
	struct htab_link link;
	struct fileid id;
	unsigned count;
	struct fh *orphan; /* a reference, once the last name is gone */
};

struct posix_pins *posix_pins_new(void)
{
	struct posix_pins *p = calloc(1, sizeof(*p));

	if (p && htab_init(&p->table, 64) == 0) {
		lock_init(&p->lock, LOCK_FDCACHE);
		return p;
	}
	free(p);
	return NULL;
}

static struct fh_pin *pin_find_locked(
	struct posix_pins *p, const struct fileid *id, uint64_t hash)
{
	struct htab_link *link;

	htab_for_each_match(link, &p->table, hash) {
		struct fh_pin *pin = container_of(link, struct fh_pin, link);

		if (fileid_equal(&pin->id, id))
			return pin;
	}
	return NULL;
}

int fh_pin(struct fh_cache *c, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct fh_pin *pin;

	scope_lock(&c->pins->lock);
	pin = pin_find_locked(c->pins, id, hash);
	if (!pin) {
		pin = calloc(1, sizeof(*pin));
		if (!pin)
			return -ENOMEM;
		pin->id = *id;
		htab_insert(&c->pins->table, &pin->link, hash);
	}
	pin->count++;
	return 0;
}

/* What kept the object, if anything did: the caller puts it. */
static struct fh *pin_free_locked(struct posix_pins *p, struct fh_pin *pin)
{
	struct fh *orphan = pin->orphan;

	if (orphan)
		atomic_fetch_sub(&orphan->cache->orphans, 1);
	htab_remove(&p->table, &pin->link);
	free(pin);
	return orphan;
}

/*
 * Nobody needs it kept any more. What was removed on the host meanwhile is no
 * longer read and written with anything, so that its space comes back; what we
 * kept goes altogether. Else everything stays: the descriptor that made a file
 * is the one its first WRITE will ask for.
 */
static void last_unpin(
	struct fh_cache *c, const struct fileid *id, struct fh *orphan)
{
	if (!orphan) {
		fh_close_nameless(c, id);
		return;
	}
	fh_forget(c, id);
	if (orphan->cache != c)
		fh_forget(orphan->cache, id);
	fh_put(orphan);
}

void fh_unpin(struct fh_cache *c, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct fh *orphan = NULL;
	struct fh_pin *pin;
	bool last;

	lock_acquire(&c->pins->lock);
	pin = pin_find_locked(c->pins, id, hash);
	assert(pin);
	last = --pin->count == 0;
	if (last)
		orphan = pin_free_locked(c->pins, pin);
	lock_release(&c->pins->lock);
	if (last)
		last_unpin(c, id, orphan);
}

bool fh_is_pinned(struct fh_cache *c, const struct fileid *id)
{
	scope_lock(&c->pins->lock);

	return pin_find_locked(c->pins, id, htab_hash(id->data, id->len)) !=
		NULL;
}

void fh_count_orphans(struct fh_cache *c, uint32_t *count, uint32_t *max)
{
	scope_lock(&c->lock);

	*count = atomic_load(&c->orphans);
	*max = c->max / 2;
}

/* The pin takes the caller's reference to @fh. False when none is there. */
static bool pin_keep(struct fh_cache *c, const struct fileid *id, struct fh *fh)
{
	struct fh_pin *pin;

	scope_lock(&c->pins->lock);
	pin = pin_find_locked(c->pins, id, htab_hash(id->data, id->len));
	if (!pin || pin->orphan)
		return false;
	pin->orphan = fh;
	atomic_fetch_add(&c->orphans, 1);
	return true;
}

void fh_orphan(struct fh_cache *c, const struct fileid *id, int fd)
{
	struct fh *fh;

	if (!fh_is_pinned(c, id)) {
		close(fd);
		fh_forget(c, id);
		return;
	}
	lock_acquire(&c->lock);
	c->count++; /* even beyond the limit: the object must live */
	lock_release(&c->lock);
	if (fh_add(c, id, FH_PATH, fd, &fh) != 0)
		return;
	if (pin_keep(c, id, fh))
		return;
	if (!fh_is_pinned(c, id)) /* just now unpinned */
		fh_forget(c, id);
	fh_put(fh);
}

/* The first pin whose object @c keeps, or any of them; it lets go of it. */
static bool release_one(struct posix_pins *p, const struct fh_cache *c)
{
	struct htab_link *link;
	struct fh *orphan = NULL;
	size_t cursor = 0;

	lock_acquire(&p->lock);
	while (!orphan && (link = htab_walk(&p->table, &cursor, NULL))) {
		struct fh_pin *pin = container_of(link, struct fh_pin, link);

		if (!pin->orphan || pin->orphan->cache != c)
			continue;
		orphan = pin->orphan;
		pin->orphan = NULL;
	}
	lock_release(&p->lock);
	fh_put(orphan);
	return orphan != NULL;
}

void fh_pins_leave(struct fh_cache *c)
{
	while (release_one(c->pins, c))
		;
}

void posix_pins_free(struct posix_pins *p)
{
	struct htab_link *link;
	size_t cursor = 0;

	if (!p)
		return;
	while ((link = htab_walk(&p->table, &cursor, NULL))) {
		pin_free_locked(p, container_of(link, struct fh_pin, link));
		cursor--; /* the rest of the chain */
	}
	htab_fini(&p->table);
	lock_fini(&p->lock);
	free(p);
}
