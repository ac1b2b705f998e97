/* SPDX-License-Identifier: MIT */
#include "roundtrip.h"

#include <stdlib.h>

uint64_t random_below(struct random_source *r, uint64_t bound)
{
	return rand_stream_below(&r->stream, bound);
}

void *random_alloc(struct random_source *r, size_t size)
{
	void *p = arena_array(r->arena, 1, size);

	if (!p)
		abort();
	return p;
}

void random_fill(struct random_source *r, void *to, size_t len)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rand_stream_next(&r->stream);
}

void random_opaque(struct random_source *r, struct xdr_opaque *v, uint32_t max)
{
	uint32_t bound = max < 24 ? max : 24;
	uint8_t *data;

	v->len = (uint32_t)random_below(r, bound + 1);
	data = random_alloc(r, v->len);
	random_fill(r, data, v->len);
	v->data = data;
}

void *random_array(
	struct random_source *r, uint32_t *count, uint32_t max, size_t size)
{
	uint32_t bound = max < 3 ? max : 3;

	*count = (uint32_t)random_below(r, bound + 1);
	return random_alloc(r, *count * size);
}

/* Full of the values at which arithmetic goes wrong. */
void random_u64(struct random_source *r, uint64_t *v)
{
	static const uint64_t edges[] = {0, 1, UINT32_MAX, UINT64_MAX,
		INT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63};
	uint64_t pick = random_below(r, 2 * sizeof(edges) / sizeof(*edges));

	*v = pick < sizeof(edges) / sizeof(*edges)
		? edges[pick]
		: rand_stream_next(&r->stream);
}

void random_i64(struct random_source *r, int64_t *v)
{
	uint64_t u;

	random_u64(r, &u);
	*v = (int64_t)u;
}

void random_u32(struct random_source *r, uint32_t *v)
{
	uint64_t u;

	random_u64(r, &u);
	*v = (uint32_t)u;
}

void random_i32(struct random_source *r, int32_t *v)
{
	uint64_t u;

	random_u64(r, &u);
	*v = (int32_t)u;
}

void random_bool(struct random_source *r, bool *v)
{
	*v = random_below(r, 2);
}

void nfs4_random_bitmap4(struct random_source *r, bitmap4 *v)
{
	*v = (bitmap4){.beyond = false};
	for (uint64_t n = random_below(r, 6); n; n--)
		bitmap4_set(v, (unsigned)random_below(r, BITMAP4_BITS));
}
