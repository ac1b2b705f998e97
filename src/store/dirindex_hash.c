/* SPDX-License-Identifier: MIT */
#include "store/dirindex_hash.h"

#include <sodium.h>

_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == 16, "half the secret");
_Static_assert(crypto_shorthash_siphashx24_BYTES == 16, "place and mark");

static void hash_bytes(
	const uint8_t key[16], const void *data, size_t len, uint64_t out[2])
{
	crypto_shorthash_siphashx24((unsigned char *)out, data, len, key);
}

void dirhash_keys_init(struct dirhash_keys *k, const uint8_t secret[32])
{
	static const char purpose[] = "cookie verifier";
	uint64_t out[2];

	memcpy(k->name, secret, sizeof(k->name));
	hash_bytes(secret + 16, purpose, sizeof(purpose), out);
	k->verifier = out[0];
}

struct dirhash dirhash_name(const struct dirhash_keys *k, struct name name)
{
	uint64_t out[2];
	uint64_t place;

	hash_bytes(k->name, name.data, name.len, out);
	place = out[0] & (DIRHASH_END - 1);
	return (struct dirhash){.place = place ? place : 1, .mark = out[1]};
}

/* The finisher of splitmix64: every bit depends on every bit. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t dirhash_rank_mark(uint64_t mark, uint64_t rank)
{
	return mix(mark + rank * 0x9e3779b97f4a7c15ULL);
}

uint64_t dirhash_verifier(const struct dirhash_keys *k, uint64_t moved)
{
	uint64_t v = k->verifier + moved;

	return v ? v : 1;
}
