/* SPDX-License-Identifier: MIT */
/*
 * A bump allocator for everything one request allocates. Memory comes in
 * blocks, is handed out aligned to 16 bytes and given back all at once. The
 * limit bounds what one request may make us allocate. One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	size_t used;                /* bytes handed out since the last reset */
	size_t limit;               /* refuse beyond this many bytes */
};

/* An empty arena that hands out at most @limit bytes between resets. */
void arena_init(struct arena *a, size_t limit);

/* Give back everything; one block is kept for the next request. */
void arena_reset(struct arena *a);

/* Give back everything to the heap. */
void arena_fini(struct arena *a);

/* @size bytes (0 is one), not cleared; NULL when memory or limit is out. */
void *arena_alloc(struct arena *a, size_t size);

/* @count elements of @size bytes, cleared; NULL also when that overflows. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* A copy of @len bytes at @data; NULL when memory or limit is out. */
void *arena_dup(struct arena *a, const void *data, size_t len);

#endif
