/* SPDX-License-Identifier: MIT */
#include "base/htab.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/rand.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HTAB_MIN 16

static size_t size_to_buckets(size_t size)
{
	size_t n = HTAB_MIN;

	while (n < size)
		n *= 2;
	return n;
}

int htab_init(struct htab *t, size_t size)
{
	size_t n = size_to_buckets(size);

	t->buckets = calloc(n, sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	t->mask = n - 1;
	t->count = 0;
	return 0;
}

void htab_fini(struct htab *t)
{
	free(t->buckets);
	t->buckets = NULL;
	t->count = 0;
}

static void bucket_push(struct htab *t, struct htab_link *item)
{
	struct htab_link **bucket = &t->buckets[item->hash & t->mask];

	item->next = *bucket;
	*bucket = item;
}

static void htab_grow(struct htab *t)
{
	struct htab_link **old = t->buckets;
	size_t old_size = t->mask + 1;
	struct htab_link **grown = calloc(old_size * 2, sizeof(*grown));

	if (!grown)
		return; /* slower, still correct */
	t->buckets = grown;
	t->mask = old_size * 2 - 1;
	for (size_t i = 0; i < old_size; i++) {
		while (old[i]) {
			struct htab_link *item = old[i];

			old[i] = item->next;
			bucket_push(t, item);
		}
	}
	free(old);
}

void htab_insert(struct htab *t, struct htab_link *item, uint64_t hash)
{
	if (t->count > t->mask)
		htab_grow(t);
	item->hash = hash;
	bucket_push(t, item);
	t->count++;
}

void htab_remove(struct htab *t, struct htab_link *item)
{
	struct htab_link **at = &t->buckets[item->hash & t->mask];

	while (*at != item) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = item->next; /* item keeps its own, for htab_walk() */
	t->count--;
}

static struct htab_link *skip_to_hash(struct htab_link *item, uint64_t hash)
{
	while (item && item->hash != hash)
		item = item->next;
	return item;
}

struct htab_link *htab_first(const struct htab *t, uint64_t hash)
{
	return skip_to_hash(t->buckets[hash & t->mask], hash);
}

struct htab_link *htab_next(const struct htab_link *item)
{
	return skip_to_hash(item->next, item->hash);
}

struct htab_link *htab_walk(
	const struct htab *t, size_t *cursor, struct htab_link *previous)
{
	if (previous && previous->next)
		return previous->next;
	while (*cursor <= t->mask) {
		struct htab_link *item = t->buckets[(*cursor)++];

		if (item)
			return item;
	}
	return NULL;
}

static uint64_t reverse_bits(uint64_t v)
{
	v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
	v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
	return __builtin_bswap64(v);
}

/*
 * The bucket number counts with its highest bit as the least: when the table
 * doubles, a bucket's two halves are neighbours in this order, both done or
 * both to come.
 */
struct htab_link *htab_scan(const struct htab *t, uint64_t *cursor)
{
	struct htab_link *first = t->buckets[*cursor & t->mask];

	*cursor = reverse_bits(reverse_bits(*cursor | ~(uint64_t)t->mask) + 1);
	return first;
}

static uint64_t hash_seed;
static pthread_once_t hash_seed_once = PTHREAD_ONCE_INIT;

static void hash_seed_make(void)
{
	rand_bytes(&hash_seed, sizeof(hash_seed));
}

uint64_t htab_hash(const void *data, size_t len)
{
	pthread_once(&hash_seed_once, hash_seed_make);
	return XXH3_64bits_withSeed(data, len, hash_seed);
}
