/* SPDX-License-Identifier: MIT */
#include "state/told.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/htab.h"
#include "state/childindex.h"
#include "state/dirmemory.h"
#include "state/node.h"

/*
 * Slots in one array, chained by number: a set may hold ten thousand entries,
 * and 32 bytes each beside the name is what two intrusive tables of allocated
 * entries would take for their links alone. Names lie in one block that is
 * packed, and grows if need be, when it is full.
 */
struct told_slot {
	uint64_t cookie;
	uint64_t child;
	uint32_t next_name, next_child; /* 1 + index; 0 ends */
	uint32_t name_at;
	uint8_t name_len; /* 0: the slot is free, next_name the next free */
	uint8_t type;
};

_Static_assert(sizeof(struct told_slot) == 32, "one entry is small");

#define SLOTS_MIN 16
#define NAMES_MIN 256

uint64_t told_bytes_all(void)
{
	return dirmemory_bytes(DIRMEMORY_TOLD_SETS);
}

static void count_bytes(int64_t more)
{
	dirmemory_count(DIRMEMORY_TOLD_SETS, more);
}

uint64_t told_child(const struct fileid *id)
{
	uint64_t digest = htab_hash(id->data, id->len);

	return digest ? digest : 1;
}

/* ---- life ---- */

static size_t table_bytes(const struct told *t)
{
	return t->by_name ? ((size_t)t->mask + 1) * sizeof(uint32_t) : 0;
}

size_t told_bytes(const struct told *t)
{
	return sizeof(*t) + 2 * table_bytes(t) +
		(size_t)t->slots_size * sizeof(*t->slots) + t->names_size;
}

struct told *told_new(uint32_t max)
{
	struct told *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	t->max = max;
	count_bytes(sizeof(*t));
	return t;
}

struct told *told_ref(struct told *t)
{
	ref_get(&t->ref);
	return t;
}

void told_put(struct told *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	told_unindex(t);
	count_bytes(-(int64_t)told_bytes(t));
	free(t->by_name);
	free(t->by_child);
	free(t->slots);
	free(t->names);
	free(t);
}

/* ---- tables ---- */

static uint32_t *name_bucket(const struct told *t, struct name name)
{
	return &t->by_name[htab_hash(name.data, name.len) & t->mask];
}

static uint32_t *child_bucket(const struct told *t, uint64_t child)
{
	return &t->by_child[child & t->mask];
}

static struct name slot_name(const struct told *t, const struct told_slot *s)
{
	return (struct name){.len = s->name_len, .data = t->names + s->name_at};
}

static void link_slot(struct told *t, uint32_t number)
{
	struct told_slot *s = &t->slots[number - 1];
	uint32_t *name = name_bucket(t, slot_name(t, s));
	uint32_t *child = child_bucket(t, s->child);

	s->next_name = *name;
	*name = number;
	s->next_child = *child;
	*child = number;
}

static void unlink_slot(struct told *t, uint32_t number)
{
	struct told_slot *s = &t->slots[number - 1];
	uint32_t *at = name_bucket(t, slot_name(t, s));

	while (*at != number)
		at = &t->slots[*at - 1].next_name;
	*at = s->next_name;
	at = child_bucket(t, s->child);
	while (*at != number)
		at = &t->slots[*at - 1].next_child;
	*at = s->next_child;
}

static int grow_tables(struct told *t, uint32_t size)
{
	uint32_t *by_name = calloc(size, sizeof(*by_name));
	uint32_t *by_child = calloc(size, sizeof(*by_child));

	if (!by_name || !by_child) {
		free(by_name);
		free(by_child);
		return -ENOMEM;
	}
	free(t->by_name);
	free(t->by_child);
	t->by_name = by_name;
	t->by_child = by_child;
	t->mask = size - 1;
	for (uint32_t i = 0; i < t->slots_used; i++) {
		if (t->slots[i].name_len)
			link_slot(t, i + 1);
	}
	return 0;
}

/* ---- room ---- */

/* Tables of at least half as many buckets as slots; all are linked anew. */
static int fit_tables(struct told *t, uint32_t slots)
{
	uint32_t size = t->by_name ? t->mask + 1 : SLOTS_MIN;

	if (t->by_name && size >= slots / 2)
		return 0;
	while (size < slots / 2)
		size *= 2;
	return grow_tables(t, size);
}

static int grow_slots(struct told *t)
{
	uint32_t size = t->slots_size + t->slots_size / 2;
	struct told_slot *slots;

	if (size < SLOTS_MIN)
		size = SLOTS_MIN;
	slots = realloc(t->slots, size * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	t->slots = slots;
	t->slots_size = size;
	return fit_tables(t, size);
}

static int reserve_slot(struct told *t)
{
	if (t->slots_free || (t->by_name && t->slots_used < t->slots_size))
		return 0;
	return grow_slots(t);
}

/* All living names into a block of @size bytes. */
static int move_names(struct told *t, uint32_t size)
{
	char *names = malloc(size), *to = names;

	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->slots_used; i++) {
		struct told_slot *s = &t->slots[i];

		if (s->name_len == 0)
			continue;
		memcpy(to, t->names + s->name_at, s->name_len);
		s->name_at = to - names;
		to += s->name_len;
	}
	free(t->names);
	t->names = names;
	t->names_size = size;
	t->names_used = to - names;
	t->names_dead = 0;
	return 0;
}

static int reserve_name(struct told *t, uint32_t len)
{
	uint32_t size = t->names_size ? t->names_size : NAMES_MIN;
	uint32_t live = t->names_used - t->names_dead;

	if (t->names_size - t->names_used >= len)
		return 0;
	while (size - live < size / 4 + len)
		size += size / 2;
	return move_names(t, size);
}

static int reserve(struct told *t, uint32_t name_len)
{
	size_t before = told_bytes(t);
	int err = reserve_slot(t);

	if (err == 0)
		err = reserve_name(t, name_len);
	count_bytes((int64_t)told_bytes(t) - (int64_t)before);
	return err;
}

/* ---- the index of children ---- */

static int index_add(struct told *t, uint64_t child)
{
	return t->index && child ? childindex_add(t->index, child, t->dir) : 0;
}

static void index_remove(struct told *t, uint64_t child)
{
	if (t->index && child)
		childindex_remove(t->index, child, t->dir);
}

/* Only its first @slots are there. */
static void leave_index(struct told *t, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++) {
		if (t->slots[i].name_len)
			index_remove(t, t->slots[i].child);
	}
	node_put(t->dir);
	t->index = NULL;
	t->dir = NULL;
}

int told_index(struct told *t, struct childindex *index, struct node *dir)
{
	assert(!t->index);
	t->index = index;
	t->dir = node_ref(dir);
	for (uint32_t i = 0; i < t->slots_used; i++) {
		if (!t->slots[i].name_len ||
			index_add(t, t->slots[i].child) == 0)
			continue;
		leave_index(t, i);
		return -ENOMEM;
	}
	return 0;
}

void told_unindex(struct told *t)
{
	if (t->index)
		leave_index(t, t->slots_used);
}

/* ---- one entry ---- */

static uint32_t find(const struct told *t, struct name name)
{
	uint32_t at = t->by_name ? *name_bucket(t, name) : 0;

	while (at && !name_equal(slot_name(t, &t->slots[at - 1]), name))
		at = t->slots[at - 1].next_name;
	return at;
}

static void read_slot(
	const struct told *t, uint32_t number, struct told_entry *ret)
{
	const struct told_slot *s = &t->slots[number - 1];

	*ret = (struct told_entry){
		.name = slot_name(t, s),
		.child = s->child,
		.cookie = s->cookie,
		.type = s->type,
	};
}

bool told_find(const struct told *t, struct name name, struct told_entry *ret)
{
	uint32_t number = find(t, name);

	if (number)
		read_slot(t, number, ret);
	return number;
}

bool told_next_name(const struct told *t, uint64_t child, uint32_t *at,
	struct told_entry *ret)
{
	uint32_t number = *at ? t->slots[*at - 1].next_child
		: t->by_child ? *child_bucket(t, child)
			      : 0;

	while (number && t->slots[number - 1].child != child)
		number = t->slots[number - 1].next_child;
	*at = number;
	if (number)
		read_slot(t, number, ret);
	return number;
}

bool told_walk(const struct told *t, uint32_t *at, struct told_entry *ret)
{
	uint32_t i = *at;

	while (i < t->slots_used && t->slots[i].name_len == 0)
		i++;
	*at = i + 1;
	if (i >= t->slots_used)
		return false;
	read_slot(t, i + 1, ret);
	return true;
}

static void remove_slot(struct told *t, uint32_t number)
{
	struct told_slot *s = &t->slots[number - 1];

	index_remove(t, s->child);
	unlink_slot(t, number);
	t->names_dead += s->name_len;
	s->name_len = 0;
	s->next_name = t->slots_free;
	t->slots_free = number;
	t->count--;
}

bool told_remove(struct told *t, struct name name)
{
	uint32_t number = find(t, name);

	if (number)
		remove_slot(t, number);
	return number;
}

static uint32_t take_slot(struct told *t)
{
	uint32_t number = t->slots_free;

	if (!number)
		return ++t->slots_used;
	t->slots_free = t->slots[number - 1].next_name;
	return number;
}

static void add_slot(struct told *t, const struct told_entry *entry)
{
	uint32_t number = take_slot(t);

	t->slots[number - 1] = (struct told_slot){
		.cookie = entry->cookie,
		.child = entry->child,
		.name_at = t->names_used,
		.name_len = entry->name.len,
		.type = entry->type,
	};
	memcpy(t->names + t->names_used, entry->name.data, entry->name.len);
	t->names_used += entry->name.len;
	link_slot(t, number);
	t->count++;
}

static void replace_slot(
	struct told *t, uint32_t number, const struct told_entry *entry)
{
	struct told_slot *s = &t->slots[number - 1];

	index_remove(t, s->child);
	unlink_slot(t, number);
	s->child = entry->child;
	s->cookie = entry->cookie;
	s->type = entry->type;
	link_slot(t, number);
}

static int put_within(
	struct told *t, const struct told_entry *entry, uint32_t max)
{
	uint32_t number = find(t, entry->name);
	int err;

	assert(entry->name.len > 0 && entry->name.len <= NAME_LEN_MAX);
	if (!number && t->count >= max)
		return -ENOSPC;
	err = number ? 0 : reserve(t, entry->name.len);
	if (err == 0)
		err = index_add(t, entry->child);
	if (err < 0)
		return err;
	if (number)
		replace_slot(t, number, entry);
	else
		add_slot(t, entry);
	return 0;
}

int told_set(struct told *t, const struct told_entry *entry)
{
	return put_within(t, entry, t->max);
}

/* ---- changes ---- */

static void forget_cookies(struct told *t)
{
	for (uint32_t i = 0; i < t->slots_used; i++)
		t->slots[i].cookie = COOKIE_NONE;
}

static struct told_entry entry_of(const struct change_entry *e)
{
	return (struct told_entry){
		.name = e->name,
		.child = e->child.len ? told_child(&e->child) : 0,
		.cookie = e->cookie,
		.type = e->type,
	};
}

static int apply_entry(struct told *t, const struct dir_change *c)
{
	const uint32_t max = t->max + t->max / 4;
	struct told_entry entry = entry_of(&c->entry), old;

	if (c->kind == CHANGE_RENAME_ENTRY && told_find(t, c->old.name, &old)) {
		if (entry.child == 0)
			entry.child = old.child;
		if (entry.type == OBJECT_NONE && entry.child == old.child)
			entry.type = old.type;
		told_remove(t, c->old.name);
	}
	return put_within(t, &entry, max);
}

void told_note_verifier(struct told *t, const struct dir_change *change)
{
	if (change->verifier_moved)
		forget_cookies(t);
	if (change->new_verifier)
		t->verifier = change->new_verifier;
}

int told_apply(struct told *t, const struct dir_change *change)
{
	told_note_verifier(t, change);
	switch (change->kind) {
	case CHANGE_REMOVE_ENTRY:
		told_remove(t, change->entry.name);
		return 0;
	case CHANGE_ADD_ENTRY:
	case CHANGE_RENAME_ENTRY:
		return apply_entry(t, change);
	default:
		return 0;
	}
}

/* ---- order ---- */

bool told_find_place(
	const struct told *t, uint64_t cookie, struct told_place *ret)
{
	uint32_t best = 0;

	*ret = (struct told_place){.last = true};
	if (cookie == COOKIE_NONE)
		return false;
	for (uint32_t i = 0; i < t->slots_used; i++) {
		const struct told_slot *s = &t->slots[i];

		if (s->name_len == 0)
			continue;
		if (s->cookie == COOKIE_NONE)
			return false;
		if (s->cookie > cookie)
			ret->last = false;
		else if (s->cookie < cookie &&
			(!best || s->cookie > t->slots[best - 1].cookie))
			best = i + 1;
	}
	if (best)
		read_slot(t, best, &ret->previous);
	return true;
}
