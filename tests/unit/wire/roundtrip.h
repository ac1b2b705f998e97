/* SPDX-License-Identifier: MIT */
/*
 * Random values for the generated random_T() functions, and one row per
 * protocol type so that a test can walk over all of them.
 */
#ifndef ROUNDTRIP_H
#define ROUNDTRIP_H

#include "base/arena.h"
#include "base/rand.h"
#include "proto/bitmap4.h"
#include "proto/opaque.h"
#include "wire/xdr.h"

struct random_source {
	struct rand_stream stream;
	struct arena *arena; /* where what values point to goes */
};

struct roundtrip {
	const char *name;
	size_t size;
	void (*fill)(struct random_source *r, void *v);
	bool (*get)(struct xdr *x, void *v);
	bool (*put)(struct xdr *x, const void *v);
};

#define ROUNDTRIP(prefix, type)                                   \
	static void fill_##type(struct random_source *r, void *v) \
	{                                                         \
		prefix##_random_##type(r, v);                     \
	}                                                         \
	static bool get_##type(struct xdr *x, void *v)            \
	{                                                         \
		return prefix##_get_##type(x, v);                 \
	}                                                         \
	static bool put_##type(struct xdr *x, const void *v)      \
	{                                                         \
		return prefix##_put_##type(x, v);                 \
	}

#define ROUNDTRIP_ROW(type)                                              \
	{                                                                \
#type, sizeof(type), fill_##type, get_##type, put_##type \
	}

uint64_t random_below(struct random_source *r, uint64_t bound);
void *random_alloc(struct random_source *r, size_t size);
void random_fill(struct random_source *r, void *to, size_t len);

/* A short opaque of at most @max bytes; often empty or not a multiple of 4. */
void random_opaque(struct random_source *r, struct xdr_opaque *v, uint32_t max);

/* 0 to 3 cleared elements, at most @max. */
void *random_array(
	struct random_source *r, uint32_t *count, uint32_t max, size_t size);

void random_u32(struct random_source *r, uint32_t *v);
void random_i32(struct random_source *r, int32_t *v);
void random_u64(struct random_source *r, uint64_t *v);
void random_i64(struct random_source *r, int64_t *v);
void random_bool(struct random_source *r, bool *v);
void nfs4_random_bitmap4(struct random_source *r, bitmap4 *v);

#endif
