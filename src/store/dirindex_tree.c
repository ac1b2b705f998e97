/* SPDX-License-Identifier: MIT */
#include "store/dirindex_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store/dirindex_segment.h"

struct dirtree *dirtree_new(const struct dirhash_keys *keys, uint64_t begin)
{
	struct dirtree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->keys = keys;
	t->begin = begin;
	t->end = DIRHASH_END;
	t->bytes = sizeof(*t);
	return t;
}

void dirtree_free(struct dirtree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		dirseg_put(t->slots[i].segment);
	free(t->slots);
	free(t);
}

/* The slot that @place belongs to: the last one that begins at or below. */
static size_t slot_of(const struct dirtree *t, uint64_t place)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->slots[middle].first <= place)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

/* Put @s at slot @at; the tree owns it then. */
static int slot_insert(struct dirtree *t, size_t at, struct dirseg *s)
{
	if (t->count == t->capacity) {
		size_t more = t->capacity ? t->capacity * 2 : 1;
		void *grown = realloc(t->slots, more * sizeof(*t->slots));

		if (!grown)
			return -ENOMEM;
		t->bytes += (more - t->capacity) * sizeof(*t->slots);
		t->slots = grown;
		t->capacity = more;
	}
	memmove(t->slots + at + 1, t->slots + at,
		(t->count - at) * sizeof(*t->slots));
	t->slots[at] = (struct dirtree_slot){.segment = s};
	if (s->count)
		t->slots[at].first = s->entries[0].place;
	t->count++;
	t->bytes += dirseg_bytes(s);
	return 0;
}

static void slot_remove(struct dirtree *t, size_t at)
{
	t->bytes -= dirseg_bytes(t->slots[at].segment);
	dirseg_put(t->slots[at].segment);
	memmove(t->slots + at, t->slots + at + 1,
		(t->count - 1 - at) * sizeof(*t->slots));
	t->count--;
}

/* Put @s in the place of the segment at slot @at. */
static void slot_replace(struct dirtree *t, size_t at, struct dirseg *s)
{
	struct dirseg *old = t->slots[at].segment;

	t->bytes += dirseg_bytes(s) - dirseg_bytes(old);
	t->slots[at].segment = s;
	dirseg_put(old);
}

/*
 * The segment at @slot, ours alone: somebody who reads it keeps the old one.
 * New readers come under the tree's guard only, so one reference stays one;
 * acquire pairs with the release of the last reader's put.
 */
static struct dirseg *slot_own(struct dirtree *t, size_t slot)
{
	struct dirseg *s = t->slots[slot].segment;
	struct dirseg *copy;

	if (atomic_load_explicit(&s->ref.count, memory_order_acquire) == 1)
		return s;
	copy = dirseg_copy(s, 0, s->count);
	if (copy)
		slot_replace(t, slot, copy);
	return copy;
}

/* Split the segment at @slot before its entry @at, which is inside. */
static int slot_split(struct dirtree *t, size_t slot, uint32_t at)
{
	struct dirseg *s = t->slots[slot].segment;
	struct dirseg *low = dirseg_copy(s, 0, at);
	struct dirseg *high = dirseg_copy(s, at, s->count);

	if (!low || !high || slot_insert(t, slot + 1, high)) {
		dirseg_put(low);
		dirseg_put(high);
		return -ENOMEM;
	}
	slot_replace(t, slot, low);
	return 0;
}

/* Where to split near the middle without parting a place; 0 = nowhere. */
static uint32_t split_point(const struct dirseg *s)
{
	uint32_t middle = s->count / 2;
	uint32_t at = dirseg_lower(s, s->entries[middle].place);

	if (at == 0)
		at = dirseg_run_end(s, 0);
	return at < s->count ? at : 0;
}

static int slot_split_if_long(struct dirtree *t, size_t slot)
{
	const struct dirseg *s = t->slots[slot].segment;
	uint32_t at;

	if (s->count <= DIRSEG_MAX)
		return 0;
	at = split_point(s);
	return at ? slot_split(t, slot, at) : 0;
}

/* The rank marks of entries @from .. @to - 1, which share a place. */
static uint64_t run_marks(const struct dirtree *t, const struct dirseg *s,
	uint32_t from, uint32_t to)
{
	uint64_t sum = 0;

	for (uint32_t i = from + 1; i < to; i++) {
		struct dirhash h = dirhash_name(t->keys, dirseg_name(s, i));

		sum += dirhash_rank_mark(h.mark, i - from);
	}
	return sum;
}

/* The rank marks of all entries at @place. */
static uint64_t place_marks(
	const struct dirtree *t, const struct dirseg *s, uint64_t place)
{
	uint32_t from = dirseg_lower(s, place);

	if (from == s->count || s->entries[from].place != place)
		return 0;
	return run_marks(t, s, from, dirseg_run_end(s, from));
}

static uint64_t segment_marks(const struct dirtree *t, const struct dirseg *s)
{
	uint64_t sum = 0;
	uint32_t end;

	for (uint32_t at = 0; at < s->count; at = end) {
		end = dirseg_run_end(s, at);
		sum += run_marks(t, s, at, end);
	}
	return sum;
}

/* Are there more entries at the place of entry @at than ranks? */
static bool run_is_full(const struct dirseg *s, uint32_t at)
{
	uint32_t from = dirseg_lower(s, s->entries[at].place);
	uint64_t run = dirseg_run_end(s, from) - from;

	return run > DIRHASH_RANKS;
}

static int first_slot(struct dirtree *t)
{
	struct dirseg *s = dirseg_new();

	if (s && !slot_insert(t, 0, s))
		return 0;
	dirseg_put(s);
	return -ENOMEM;
}

/* Does an entry beside where @at is, or would be put, have @place? */
static bool place_is_shared(
	const struct dirseg *s, uint32_t at, uint32_t after, uint64_t place)
{
	return (at > 0 && s->entries[at - 1].place == place) ||
		(after < s->count && s->entries[after].place == place);
}

static int slot_put_name(struct dirtree *t, size_t slot, uint32_t at,
	struct dirhash h, struct name name)
{
	struct dirseg *s = slot_own(t, slot);
	size_t before;
	bool shared;
	int err;

	if (!s)
		return -ENOMEM;
	shared = place_is_shared(s, at, at, h.place);
	if (shared)
		t->moved -= place_marks(t, s, h.place);
	before = dirseg_bytes(s);
	err = dirseg_insert(s, at, h.place, name);
	t->bytes += dirseg_bytes(s) - before;
	if (err)
		return err;
	if (shared && run_is_full(s, at))
		return -EOVERFLOW;
	if (shared)
		t->moved += place_marks(t, s, h.place);
	t->sum += h.mark;
	t->slots[slot].first = s->entries[0].place;
	return slot_split_if_long(t, slot);
}

int dirtree_insert(struct dirtree *t, struct name name)
{
	struct dirhash h = dirhash_name(t->keys, name);
	size_t slot;
	uint32_t at;
	bool found;
	int err;

	if (!dirtree_covers(t, h.place)) {
		t->sum += h.mark;
		return 0;
	}
	if (t->count == 0 && first_slot(t))
		return -ENOMEM;
	slot = slot_of(t, h.place);
	at = dirseg_search(t->slots[slot].segment, h.place, name, &found);
	if (found)
		return 0;
	err = slot_put_name(t, slot, at, h, name);
	return err ? err : 1;
}

static int slot_take_name(
	struct dirtree *t, size_t slot, uint32_t at, struct dirhash h)
{
	struct dirseg *s = slot_own(t, slot);
	bool shared;

	if (!s)
		return -ENOMEM;
	shared = place_is_shared(s, at, at + 1, h.place);
	if (shared)
		t->moved -= place_marks(t, s, h.place);
	dirseg_remove(s, at);
	if (shared)
		t->moved += place_marks(t, s, h.place);
	t->sum -= h.mark;
	if (s->count)
		t->slots[slot].first = s->entries[0].place;
	else
		slot_remove(t, slot);
	return 1;
}

int dirtree_remove(struct dirtree *t, struct name name)
{
	struct dirhash h = dirhash_name(t->keys, name);
	size_t slot = slot_of(t, h.place);
	uint32_t at;
	bool found;

	if (t->count == 0)
		return 0;
	at = dirseg_search(t->slots[slot].segment, h.place, name, &found);
	return found ? slot_take_name(t, slot, at, h) : 0;
}

/* The cookie of the entry at @at. */
static uint64_t entry_cookie(const struct dirseg *s, uint32_t at)
{
	uint64_t place = s->entries[at].place;

	return dirhash_cookie(place, at - dirseg_lower(s, place));
}

bool dirtree_find(
	const struct dirtree *t, struct name name, struct dirtree_position *ret)
{
	struct dirhash h = dirhash_name(t->keys, name);
	size_t slot = slot_of(t, h.place);
	const struct dirseg *s;
	uint32_t at;
	bool found;

	if (t->count == 0)
		return false;
	s = t->slots[slot].segment;
	at = dirseg_search(s, h.place, name, &found);
	if (!found)
		return false;
	ret->cookie = entry_cookie(s, at);
	ret->last = slot + 1 == t->count && at + 1 == s->count;
	ret->has_previous = at > 0 || slot > 0;
	if (!ret->has_previous)
		return true;
	if (at == 0) {
		s = t->slots[slot - 1].segment;
		at = s->count;
	}
	ret->previous = dirseg_name(s, at - 1);
	ret->previous_cookie = entry_cookie(s, at - 1);
	return true;
}

static void drop_slot(struct dirtree *t, size_t slot)
{
	t->moved -= segment_marks(t, t->slots[slot].segment);
	slot_remove(t, slot);
}

int dirtree_shrink(struct dirtree *t, size_t bytes)
{
	while (t->bytes > bytes && t->count > 0) {
		uint32_t at = split_point(t->slots[0].segment);

		if (t->count == 1 && at == 0)
			break; /* a single place */
		if (t->count == 1 && slot_split(t, 0, at))
			return -ENOMEM;
		t->end = t->slots[t->count - 1].first;
		drop_slot(t, t->count - 1);
	}
	return 0;
}

struct dirseg *dirtree_segment_after(const struct dirtree *t, uint64_t cookie)
{
	size_t slot = slot_of(t, dirhash_place(cookie));
	struct dirseg *s;

	for (; slot < t->count; slot++) {
		s = t->slots[slot].segment;
		if (dirseg_after(s, cookie).at < s->count) {
			ref_get(&s->ref);
			return s;
		}
	}
	return NULL;
}
