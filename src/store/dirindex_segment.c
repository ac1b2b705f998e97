/* SPDX-License-Identifier: MIT */
#include "store/dirindex_segment.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRIES_MIN 16
#define NAMES_MIN   256

struct dirseg *dirseg_new(void)
{
	struct dirseg *s = calloc(1, sizeof(*s));

	if (s)
		ref_init(&s->ref);
	return s;
}

static void dirseg_free(struct dirseg *s)
{
	free(s->entries);
	free(s->names);
	free(s);
}

void dirseg_put(struct dirseg *s)
{
	if (s && ref_put(&s->ref))
		dirseg_free(s);
}

size_t dirseg_bytes(const struct dirseg *s)
{
	return sizeof(*s) + s->capacity * sizeof(*s->entries) + s->names_size;
}

/* Room for @count entries and @names bytes; never shrinks. */
static int reserve(struct dirseg *s, uint32_t count, uint32_t names)
{
	if (count > s->capacity) {
		void *grown = realloc(s->entries, count * sizeof(*s->entries));

		if (!grown)
			return -ENOMEM;
		s->entries = grown;
		s->capacity = count;
	}
	if (names > s->names_size) {
		char *grown = realloc(s->names, names);

		if (!grown)
			return -ENOMEM;
		s->names = grown;
		s->names_size = names;
	}
	return 0;
}

static void append(struct dirseg *s, uint64_t place, struct name name)
{
	s->entries[s->count++] = (struct dirseg_entry){
		.place = place, .name_at = s->names_used, .name_len = name.len};
	memcpy(s->names + s->names_used, name.data, name.len);
	s->names_used += name.len;
}

struct dirseg *dirseg_copy(const struct dirseg *s, uint32_t from, uint32_t to)
{
	struct dirseg *copy = dirseg_new();
	uint32_t bytes = 0;

	if (!copy)
		return NULL;
	for (uint32_t i = from; i < to; i++)
		bytes += s->entries[i].name_len;
	if (reserve(copy, to - from, bytes)) {
		dirseg_free(copy);
		return NULL;
	}
	for (uint32_t i = from; i < to; i++)
		append(copy, s->entries[i].place, dirseg_name(s, i));
	return copy;
}

uint32_t dirseg_lower(const struct dirseg *s, uint64_t place)
{
	uint32_t low = 0, high = s->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->entries[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t dirseg_run_end(const struct dirseg *s, uint32_t at)
{
	uint64_t place = s->entries[at].place;

	/* Nearly always there is one; a long run is worth a search. */
	if (at + 1 < s->count && s->entries[at + 1].place == place)
		return dirseg_lower(s, place + 1);
	return at + 1;
}

static int compare_names(struct name a, struct name b)
{
	uint32_t shorter = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.data, b.data, shorter);

	return order ? order : (int)a.len - (int)b.len;
}

uint32_t dirseg_search(
	const struct dirseg *s, uint64_t place, struct name name, bool *found)
{
	uint32_t low = dirseg_lower(s, place), high = low;

	*found = false;
	if (low < s->count && s->entries[low].place == place)
		high = dirseg_run_end(s, low);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_names(dirseg_name(s, middle), name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Close the gaps in the names; their bytes shift, their order does not. */
static int compact(struct dirseg *s)
{
	char *names = malloc(s->names_size);
	uint32_t used = 0;

	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->count; i++) {
		struct name name = dirseg_name(s, i);

		memcpy(names + used, name.data, name.len);
		s->entries[i].name_at = used;
		used += name.len;
	}
	free(s->names);
	s->names = names;
	s->names_used = used;
	s->names_dead = 0;
	return 0;
}

static uint32_t grown_size(uint32_t now, uint64_t need, uint32_t least)
{
	uint64_t size = now + now / 2;

	if (size < need)
		size = need;
	if (size < least)
		size = least;
	return size < UINT32_MAX ? size : UINT32_MAX;
}

static int make_room(struct dirseg *s, uint32_t name_len)
{
	uint64_t names = (uint64_t)s->names_used + name_len;
	uint32_t count = s->capacity, size = s->names_size;

	if (names > size && s->names_dead > s->names_used / 2) {
		if (compact(s))
			return -ENOMEM;
		names = (uint64_t)s->names_used + name_len;
	}
	if (names > UINT32_MAX)
		return -EOVERFLOW;
	if (s->count == count)
		count = grown_size(count, count + 1ULL, ENTRIES_MIN);
	if (names > size)
		size = grown_size(size, names, NAMES_MIN);
	return reserve(s, count, size);
}

int dirseg_insert(
	struct dirseg *s, uint32_t at, uint64_t place, struct name name)
{
	struct dirseg_entry added;
	int err = make_room(s, name.len);

	if (err)
		return err;
	append(s, place, name);
	added = s->entries[s->count - 1];
	memmove(s->entries + at + 1, s->entries + at,
		(s->count - 1 - at) * sizeof(added));
	s->entries[at] = added;
	return 0;
}

void dirseg_remove(struct dirseg *s, uint32_t at)
{
	s->names_dead += s->entries[at].name_len;
	memmove(s->entries + at, s->entries + at + 1,
		(s->count - 1 - at) * sizeof(*s->entries));
	s->count--;
}

struct dirseg_cursor dirseg_after(const struct dirseg *s, uint64_t cookie)
{
	uint64_t place = dirhash_place(cookie);
	struct dirseg_cursor c = {.segment = s, .at = dirseg_lower(s, place)};

	/* Entries at the cookie's own place: those of higher rank only. */
	while (c.at < s->count && s->entries[c.at].place == place &&
		c.rank <= dirhash_rank(cookie)) {
		c.at++;
		c.rank++;
	}
	if (c.at < s->count && s->entries[c.at].place != place)
		c.rank = 0;
	return c;
}

bool dirseg_next(struct dirseg_cursor *c, struct name *name, uint64_t *cookie)
{
	const struct dirseg *s = c->segment;
	uint64_t place;

	if (c->at == s->count)
		return false;
	place = s->entries[c->at].place;
	*name = dirseg_name(s, c->at);
	*cookie = dirhash_cookie(place, c->rank);
	c->at++;
	if (c->at < s->count && s->entries[c->at].place == place)
		c->rank++;
	else
		c->rank = 0;
	return true;
}
