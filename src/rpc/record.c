/* SPDX-License-Identifier: MIT */
#include "rpc/record.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

void record_reader_init(
	struct record_reader *r, struct buf_pool *pool, size_t max)
{
	assert(max <= pool->size && pool->size > RECORD_SMALL);
	*r = (struct record_reader){.pool = pool, .max = max};
}

void record_reader_fini(struct record_reader *r)
{
	record_fini(&r->record, r->pool);
}

void record_fini(struct record *rec, struct buf_pool *pool)
{
	if (rec->capacity > RECORD_SMALL)
		buf_give(pool, rec->data);
	else
		free(rec->data);
	*rec = (struct record){.data = NULL};
}

bool record_reader_is_empty(const struct record_reader *r)
{
	return r->record.size == 0 && r->left == 0 && r->mark_have == 0 &&
		r->empty == 0;
}

/* A buffer of the pool was touched as far as it is filled. */
size_t record_reader_memory(const struct record_reader *r)
{
	const struct record *rec = &r->record;

	return rec->capacity > RECORD_SMALL ? rec->size : rec->capacity;
}

static enum record_state mark_complete(struct record_reader *r)
{
	uint32_t mark;

	memcpy(&mark, r->mark, sizeof(mark));
	mark = be32toh(mark);
	r->mark_have = 0;
	r->last = mark & RECORD_MARK_LAST;
	r->left = mark & ~RECORD_MARK_LAST;
	if (r->left > r->max - r->record.size)
		return RECORD_BAD;
	if (r->left > 0)
		return RECORD_MORE;
	if (r->last)
		return RECORD_WHOLE;
	return ++r->empty > RECORD_EMPTY_MAX ? RECORD_BAD : RECORD_MORE;
}

/* A small buffer of twice the size. */
static bool grow_small(struct record *rec)
{
	size_t capacity = rec->capacity ? rec->capacity * 2 : RECORD_FIRST;
	uint8_t *data = realloc(rec->data, capacity);

	if (!data)
		return false;
	rec->data = data;
	rec->capacity = capacity;
	return true;
}

static bool move_to_pool(struct record *rec, struct buf_pool *pool)
{
	uint8_t *data = buf_take(pool);

	if (!data)
		return false;
	memcpy(data, rec->data, rec->size);
	free(rec->data);
	rec->data = data;
	rec->capacity = pool->size;
	return true;
}

size_t record_room(struct record_reader *r, uint8_t **to)
{
	struct record *rec = &r->record;
	bool ok = true;
	size_t room;

	*to = NULL;
	if (r->left == 0)
		return 0;
	if (rec->size == rec->capacity)
		ok = rec->capacity < RECORD_SMALL ? grow_small(rec)
						  : move_to_pool(rec, r->pool);
	if (!ok)
		return 0;
	*to = rec->data + rec->size;
	room = rec->capacity - rec->size;
	return room < r->left ? room : r->left;
}

enum record_state record_filled(struct record_reader *r, size_t n)
{
	assert(n <= r->left);
	r->record.size += n;
	r->left -= n;
	return r->left == 0 && r->last ? RECORD_WHOLE : RECORD_MORE;
}

static enum record_state eat_body(
	struct record_reader *r, const uint8_t *from, size_t len, size_t *eaten)
{
	uint8_t *to;
	size_t n = record_room(r, &to);

	*eaten = 0;
	if (n == 0)
		return RECORD_NOMEM;
	if (n > len)
		n = len;
	memcpy(to, from, n);
	*eaten = n;
	return record_filled(r, n);
}

static enum record_state eat_mark(
	struct record_reader *r, const uint8_t *from, size_t len, size_t *eaten)
{
	size_t n = RECORD_MARK_SIZE - r->mark_have;

	if (n > len)
		n = len;
	memcpy(r->mark + r->mark_have, from, n);
	r->mark_have += n;
	*eaten = n;
	if (r->mark_have < RECORD_MARK_SIZE)
		return RECORD_MORE;
	return mark_complete(r);
}

enum record_state record_eat(
	struct record_reader *r, const uint8_t *from, size_t len, size_t *eaten)
{
	enum record_state state = RECORD_MORE;
	size_t n;

	for (*eaten = 0; *eaten < len && state == RECORD_MORE; *eaten += n) {
		const uint8_t *at = from + *eaten;

		state = r->left ? eat_body(r, at, len - *eaten, &n)
				: eat_mark(r, at, len - *eaten, &n);
	}
	return state;
}

struct record record_take(struct record_reader *r)
{
	struct record rec = r->record;

	assert(r->left == 0 && r->mark_have == 0);
	record_reader_init(r, r->pool, r->max);
	return rec;
}

void record_lend(struct record_reader *r, struct record *rec)
{
	assert(!r->record.data && rec->capacity <= RECORD_SMALL);
	r->record = *rec;
	r->record.size = 0;
	*rec = (struct record){.data = NULL};
}
