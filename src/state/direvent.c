/* SPDX-License-Identifier: MIT */
#include "state/direvent.h"

#include <stdlib.h>
#include <string.h>

#include "state/dirform.h"
#include "state/dirmemory.h"

uint64_t dir_event_bytes(void)
{
	return dirmemory_bytes(DIRMEMORY_EVENTS);
}

void dir_event_count_bytes(int64_t more)
{
	dirmemory_count(DIRMEMORY_EVENTS, more);
}

/* What is packed behind the event, in this order. */
enum {
	HAS_ENTRY = 1 << 0,
	HAS_OLD = 1 << 1,
	HAS_OVERWRITTEN = 1 << 2,
	HAS_PREVIOUS = 1 << 3,
	IS_LAST = 1 << 4,
	VERIFIER_MOVED = 1 << 5,
	HAS_DIR_ATTR = 1 << 6,
};

/* An entry: this, its attributes if any, the child's id, the name. */
struct packed_entry {
	uint64_t cookie;
	uint32_t name_len;
	uint8_t child_len;
	bool has_attr;
};

static size_t round_up(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static size_t entry_size(const struct change_entry *e)
{
	return sizeof(struct packed_entry) +
		(e->has_attr ? sizeof(struct attr) : 0) +
		round_up(e->child.len + e->name.len);
}

static uint8_t change_parts(const struct dir_change *c)
{
	uint8_t parts = 0;

	if (c->kind != CHANGE_COOKIE_VERIFIER && c->kind != CHANGE_DIR_ATTRS)
		parts |= HAS_ENTRY;
	if (c->kind == CHANGE_RENAME_ENTRY)
		parts |= HAS_OLD;
	if (c->has_overwritten)
		parts |= HAS_OVERWRITTEN;
	if (c->has_previous)
		parts |= HAS_PREVIOUS;
	if (c->last)
		parts |= IS_LAST;
	if (c->verifier_moved)
		parts |= VERIFIER_MOVED;
	if (c->has_dir_attr)
		parts |= HAS_DIR_ATTR;
	return parts;
}

static size_t change_size(const struct dir_change *c, uint8_t parts)
{
	size_t size = 0;

	if (parts & HAS_ENTRY)
		size += entry_size(&c->entry);
	if (parts & HAS_OLD)
		size += entry_size(&c->old);
	if (parts & HAS_OVERWRITTEN)
		size += entry_size(&c->overwritten);
	if (parts & HAS_DIR_ATTR)
		size += sizeof(c->dir_attr);
	if (parts & HAS_PREVIOUS)
		size += 8 + round_up(c->previous.len);
	return size;
}

static uint8_t *put_bytes(uint8_t *to, const void *data, size_t len)
{
	if (len)
		memcpy(to, data, len);
	return to + len;
}

static uint8_t *pack_entry(uint8_t *to, const struct change_entry *e)
{
	struct packed_entry head = {
		.cookie = e->cookie,
		.name_len = e->name.len,
		.child_len = e->child.len,
		.has_attr = e->has_attr,
	};
	uint8_t *at = put_bytes(to, &head, sizeof(head));

	if (e->has_attr)
		at = put_bytes(at, &e->attr, sizeof(e->attr));
	at = put_bytes(at, e->child.data, e->child.len);
	put_bytes(at, e->name.data, e->name.len);
	return to + entry_size(e);
}

static void pack(struct dir_event *e, const struct dir_change *c)
{
	uint8_t *at = (uint8_t *)e->data;
	uint64_t len = c->previous.len;

	if (e->flags & HAS_ENTRY)
		at = pack_entry(at, &c->entry);
	if (e->flags & HAS_OLD)
		at = pack_entry(at, &c->old);
	if (e->flags & HAS_OVERWRITTEN)
		at = pack_entry(at, &c->overwritten);
	if (e->flags & HAS_DIR_ATTR)
		at = put_bytes(at, &c->dir_attr, sizeof(c->dir_attr));
	if (e->flags & HAS_PREVIOUS) {
		at = put_bytes(at, &len, sizeof(len));
		put_bytes(at, c->previous.data, len);
	}
}

struct dir_event *dir_event_new(
	const struct dir_change *change, uint64_t when_ms)
{
	uint8_t parts = change_parts(change);
	size_t size = sizeof(struct dir_event) + change_size(change, parts);
	struct dir_event *e = calloc(1, size);

	if (!e)
		return NULL;
	ref_init(&e->ref);
	e->kind = change->kind;
	e->flags = parts;
	e->size = size;
	e->when_ms = when_ms;
	e->before = change->before;
	e->after = change->after;
	e->previous_cookie = change->previous_cookie;
	e->old_verifier = change->old_verifier;
	e->new_verifier = change->new_verifier;
	atomic_init(&e->forms, NULL);
	pack(e, change);
	dir_event_count_bytes((int64_t)size);
	return e;
}

struct dir_event *dir_event_ref(struct dir_event *e)
{
	ref_get(&e->ref);
	return e;
}

void dir_event_put(struct dir_event *e)
{
	size_t size;

	if (!e || !ref_put(&e->ref))
		return;
	size = e->size + dir_forms_free(atomic_load(&e->forms));
	dir_event_count_bytes(-(int64_t)size);
	free(e);
}

bool dir_event_has_dir_attr(const struct dir_event *e)
{
	return e->flags & HAS_DIR_ATTR;
}

static const uint8_t *read_entry(const uint8_t *from, struct change_entry *ret)
{
	const struct packed_entry *head = (const void *)from;
	const uint8_t *at = from + sizeof(*head);

	ret->cookie = head->cookie;
	ret->has_attr = head->has_attr;
	if (head->has_attr) {
		memcpy(&ret->attr, at, sizeof(ret->attr));
		at += sizeof(ret->attr);
	}
	ret->child.len = head->child_len;
	memcpy(ret->child.data, at, head->child_len);
	at += head->child_len;
	ret->name =
		(struct name){.len = head->name_len, .data = (const char *)at};
	return from + entry_size(ret);
}

void dir_event_read(const struct dir_event *e, struct dir_change *ret)
{
	const uint8_t *at = (const uint8_t *)e->data;

	*ret = (struct dir_change){
		.kind = e->kind,
		.has_overwritten = e->flags & HAS_OVERWRITTEN,
		.has_previous = e->flags & HAS_PREVIOUS,
		.previous_cookie = e->previous_cookie,
		.last = e->flags & IS_LAST,
		.old_verifier = e->old_verifier,
		.new_verifier = e->new_verifier,
		.verifier_moved = e->flags & VERIFIER_MOVED,
		.before = e->before,
		.after = e->after,
		.has_dir_attr = e->flags & HAS_DIR_ATTR,
	};
	if (e->flags & HAS_ENTRY)
		at = read_entry(at, &ret->entry);
	if (e->flags & HAS_OLD)
		at = read_entry(at, &ret->old);
	if (e->flags & HAS_OVERWRITTEN)
		at = read_entry(at, &ret->overwritten);
	if (e->flags & HAS_DIR_ATTR) {
		memcpy(&ret->dir_attr, at, sizeof(ret->dir_attr));
		at += sizeof(ret->dir_attr);
	}
	if (e->flags & HAS_PREVIOUS)
		ret->previous = (struct name){
			.len = *(const uint64_t *)(const void *)at,
			.data = (const char *)at + 8};
}
