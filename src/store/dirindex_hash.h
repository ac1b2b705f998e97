/* SPDX-License-Identifier: MIT */
/*
 * How a name becomes a cookie. A keyed hash of the name chooses a place, and
 * the names of one directory that share a place are ranked by their bytes:
 *
 *	cookie = place << DIRHASH_RANK_BITS | rank
 *
 * So a cookie depends on the name and on the names that share its place, and
 * on nothing else: the same set of names has the same cookies after a refill,
 * an eviction or a restart. With 60 bits of place a second name there is next
 * to impossible; a build with HERALD_COOKIE_BITS=8 makes it common, so that
 * tests walk that path.
 */
#ifndef STORE_DIRINDEX_HASH_H
#define STORE_DIRINDEX_HASH_H

#include <stdint.h>

#include "vocab/name.h"

#ifndef HERALD_COOKIE_BITS
#define HERALD_COOKIE_BITS 63
#endif

/* At least 3 bits of the 63 are kept for the rank. */
#define DIRHASH_PLACE_BITS (HERALD_COOKIE_BITS < 60 ? HERALD_COOKIE_BITS : 60)
#define DIRHASH_RANK_BITS  (63 - DIRHASH_PLACE_BITS)
#define DIRHASH_RANKS      (1ULL << DIRHASH_RANK_BITS)

/* Places are 1 .. DIRHASH_END - 1: every cookie is above the reserved ones. */
#define DIRHASH_END (1ULL << DIRHASH_PLACE_BITS)

struct dirhash_keys {
	uint8_t name[16];
	uint64_t verifier; /* of a directory where every rank is 0 */
};

/* What the hash says of one name. */
struct dirhash {
	uint64_t place;
	uint64_t mark; /* 64 independent bits, to sum up sets of names */
};

void dirhash_keys_init(struct dirhash_keys *k, const uint8_t secret[32]);

struct dirhash dirhash_name(const struct dirhash_keys *k, struct name name);

/* The mark of a name at a rank other than 0. */
uint64_t dirhash_rank_mark(uint64_t mark, uint64_t rank);

/*
 * The verifier of a directory whose names at a rank other than 0 have rank
 * marks that sum up to @moved: equal verifiers mean equal cookies. Never 0.
 */
uint64_t dirhash_verifier(const struct dirhash_keys *k, uint64_t moved);

static inline uint64_t dirhash_cookie(uint64_t place, uint64_t rank)
{
	return place << DIRHASH_RANK_BITS | rank;
}

static inline uint64_t dirhash_place(uint64_t cookie)
{
	return cookie >> DIRHASH_RANK_BITS;
}

static inline uint64_t dirhash_rank(uint64_t cookie)
{
	return cookie & (DIRHASH_RANKS - 1);
}

#endif
