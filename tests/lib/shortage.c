/* SPDX-License-Identifier: MIT */
#include "shortage.h"

#include <stddef.h>

/* Linked in place of the allocator, see meson.build. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

struct shortage shortage;

static bool is_on, is_lasting;
static unsigned spared;

void shortage_begin(unsigned spare, bool lasting)
{
	shortage = (struct shortage){.asked = 0};
	spared = spare;
	is_lasting = lasting;
	is_on = true;
}

void shortage_end(void)
{
	is_on = false;
}

static bool fails(void)
{
	if (!is_on || shortage.asked++ < spared)
		return false;
	is_on = is_lasting;
	shortage.failed++;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}
