/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_BLOCK (16 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){.limit = limit};
}

static void free_blocks(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_reset(struct arena *a)
{
	a->used = 0;
	if (!a->blocks)
		return;
	free_blocks(a->blocks->next);
	a->blocks->next = NULL;
	a->blocks->used = 0;
	if (a->blocks->size > ARENA_BLOCK) { /* keep only a plain block */
		free(a->blocks);
		a->blocks = NULL;
	}
}

void arena_fini(struct arena *a)
{
	free_blocks(a->blocks);
	a->blocks = NULL;
	a->used = 0;
}

static struct arena_block *block_for(struct arena *a, size_t size)
{
	struct arena_block *b = a->blocks;
	size_t data_size = size > ARENA_BLOCK ? size : ARENA_BLOCK;

	if (b && b->size - b->used >= size)
		return b;
	b = malloc(sizeof(*b) + data_size);
	if (!b)
		return NULL;
	b->size = data_size;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b;
	void *p;

	if (size == 0)
		size = 1;
	if (size > a->limit || a->used > a->limit - size ||
		size > PTRDIFF_MAX) /* so that rounding up cannot wrap */
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	b = block_for(a, size);
	if (!b)
		return NULL;
	p = b->data + b->used;
	b->used += size;
	a->used += size;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	p = arena_alloc(a, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *arena_dup(struct arena *a, const void *data, size_t len)
{
	void *p = arena_alloc(a, len);

	if (p && len)
		memcpy(p, data, len);
	return p;
}
