/* SPDX-License-Identifier: MIT */
/*
 * A growing hash table of intrusive links, chained. It stores and compares
 * hashes; the caller compares keys. No locking: for a table shared by all
 * threads, guard an array of `struct htab` with one lock each (a shard).
 */
#ifndef BASE_HTAB_H
#define BASE_HTAB_H

#include <stddef.h>
#include <stdint.h>

struct htab_link {
	struct htab_link *next;
	uint64_t hash;
};

struct htab {
	struct htab_link **buckets;
	size_t mask; /* buckets - 1 */
	size_t count;
};

/* An empty table of at least @size buckets. 0 or -ENOMEM. */
int htab_init(struct htab *t, size_t size);

/* Release the buckets; the table must be empty or its links forgotten. */
void htab_fini(struct htab *t);

/*
 * Link @item under @hash. Never fails: a table that cannot grow stays
 * correct and becomes slower.
 */
void htab_insert(struct htab *t, struct htab_link *item, uint64_t hash);

/* Unlink @item, which must be in @t. */
void htab_remove(struct htab *t, struct htab_link *item);

/* The first link with @hash, or NULL; then the next one with the same. */
struct htab_link *htab_first(const struct htab *t, uint64_t hash);
struct htab_link *htab_next(const struct htab_link *item);

/*
 * Any link at or after bucket *@cursor, or NULL at the end: to walk the whole
 * table start with *@cursor = 0. The link returned may be removed before the
 * next call only through htab_remove(), and must not be freed, inserted
 * elsewhere or followed by an insertion before that.
 */
struct htab_link *htab_walk(
	const struct htab *t, size_t *cursor, struct htab_link *previous);

/*
 * The links of one bucket, by their `next`, or NULL: a walk over the table in
 * steps, between which it may change. Start with *@cursor = 0; it is over when
 * that is 0 again. What is in the table all the time is seen once.
 */
struct htab_link *htab_scan(const struct htab *t, uint64_t *cursor);

#define htab_for_each_match(pos, t, h) \
	for (pos = htab_first(t, h); pos; pos = htab_next(pos))

/* A seeded hash of @len bytes; the seed is random per process. */
uint64_t htab_hash(const void *data, size_t len);

#endif
