/* SPDX-License-Identifier: MIT */
/*
 * Pins: who has a file open wants it to outlive its last name. A pin costs no
 * descriptor while the object has a name; when the last one goes, an O_PATH
 * descriptor keeps the object, outside the eviction order.
 */
#include "store/posix_fh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

struct fh_pin {
	struct htab_link link;
	struct fileid id;
	unsigned count;
	struct fh *orphan; /* a reference, once the last name is gone */
};

static struct fh_pin *pin_find_locked(
	struct fh_cache *c, const struct fileid *id, uint64_t hash)
{
	struct htab_link *link;

	htab_for_each_match(link, &c->pins, hash) {
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

	scope_lock(&c->lock);
	pin = pin_find_locked(c, id, hash);
	if (!pin) {
		pin = calloc(1, sizeof(*pin));
		if (!pin)
			return -ENOMEM;
		pin->id = *id;
		htab_insert(&c->pins, &pin->link, hash);
	}
	pin->count++;
	return 0;
}

static void pin_free_locked(struct fh_cache *c, struct fh_pin *pin)
{
	if (pin->orphan)
		c->orphans--;
	htab_remove(&c->pins, &pin->link);
	free(pin);
}

/*
 * Nobody has the file open any more. Its descriptors for reading and writing
 * go now, unless there is something to sync, so that the space of a file
 * removed on the host comes back; a nameless object goes altogether.
 */
static void last_unpin(
	struct fh_cache *c, const struct fileid *id, struct fh *orphan)
{
	if (orphan)
		fh_forget(c, id);
	else
		fh_close_idle(c, id);
	fh_put(orphan);
}

void fh_unpin(struct fh_cache *c, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct fh *orphan = NULL;
	struct fh_pin *pin;

	lock_acquire(&c->lock);
	pin = pin_find_locked(c, id, hash);
	assert(pin);
	if (--pin->count == 0) {
		orphan = pin->orphan;
		pin_free_locked(c, pin);
	}
	lock_release(&c->lock);
	last_unpin(c, id, orphan);
}

bool fh_is_pinned(struct fh_cache *c, const struct fileid *id)
{
	scope_lock(&c->lock);

	return pin_find_locked(c, id, htab_hash(id->data, id->len)) != NULL;
}

int fh_check_orphan(struct fh_cache *c, const struct fileid *id)
{
	scope_lock(&c->lock);

	if (c->orphans < c->max / 2)
		return 0;
	return pin_find_locked(c, id, htab_hash(id->data, id->len)) ? -ENFILE
								    : 0;
}

/* The pin takes the caller's reference to @fh. False when none is there. */
static bool pin_keep(struct fh_cache *c, const struct fileid *id, struct fh *fh)
{
	struct fh_pin *pin;

	scope_lock(&c->lock);
	pin = pin_find_locked(c, id, htab_hash(id->data, id->len));
	if (!pin || pin->orphan)
		return false;
	pin->orphan = fh;
	c->orphans++;
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

void fh_pins_fini(struct fh_cache *c)
{
	struct htab_link *link;
	size_t cursor = 0;

	if (!c->pins.buckets)
		return;
	while ((link = htab_walk(&c->pins, &cursor, NULL))) {
		struct fh_pin *pin = container_of(link, struct fh_pin, link);

		fh_put(pin->orphan);
		pin_free_locked(c, pin);
		cursor--; /* the rest of the chain */
	}
	htab_fini(&c->pins);
}
