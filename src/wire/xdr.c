/* SPDX-License-Identifier: MIT */
#include "wire/xdr.h"

static void *no_memory(struct xdr *x)
{
	x->bad = true;
	x->nomem = true;
	return NULL;
}

void *xdr_alloc(struct xdr *x, size_t size)
{
	void *p;

	if (x->bad)
		return NULL;
	p = x->arena ? arena_array(x->arena, 1, size) : NULL;
	return p ? p : no_memory(x);
}

void *xdr_get_array(struct xdr *x, uint32_t *count, uint32_t max,
	size_t wire_min, size_t size)
{
	uint32_t n;
	void *p;

	*count = 0;
	xdr_get_u32(x, &n);
	if (x->bad || n == 0)
		return NULL;
	if (n > max || n > xdr_left(x) / wire_min) {
		x->bad = true;
		return NULL;
	}
	p = x->arena ? arena_array(x->arena, n, size) : NULL;
	if (!p)
		return no_memory(x);
	*count = n;
	return p;
}
