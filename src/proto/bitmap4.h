/* SPDX-License-Identifier: MIT */
/*
 * The protocol's bitmap4: attribute numbers, notification types, state
 * protection masks. On the wire it is a list of words of any length; every
 * bit the standards define lies in the first three, so three are kept and the
 * rest is remembered as "beyond": a peer asked for something unknown.
 */
#ifndef PROTO_BITMAP4_H
#define PROTO_BITMAP4_H

#include <stdbool.h>
#include <stdint.h>

#define BITMAP4_WORDS 3
#define BITMAP4_BITS  (BITMAP4_WORDS * 32)

typedef struct {
	uint32_t word[BITMAP4_WORDS];
	bool beyond; /* decoded only: some bit >= BITMAP4_BITS was set */
} bitmap4;

static inline bool bitmap4_has(const bitmap4 *b, unsigned bit)
{
	return bit < BITMAP4_BITS && (b->word[bit / 32] >> bit % 32 & 1);
}

/* @bit must be below BITMAP4_BITS; others are ignored. */
static inline void bitmap4_set(bitmap4 *b, unsigned bit)
{
	if (bit < BITMAP4_BITS)
		b->word[bit / 32] |= UINT32_C(1) << bit % 32;
}

static inline void bitmap4_clear(bitmap4 *b, unsigned bit)
{
	if (bit < BITMAP4_BITS)
		b->word[bit / 32] &= ~(UINT32_C(1) << bit % 32);
}

/* What is in both; never beyond. */
static inline bitmap4 bitmap4_and(const bitmap4 *a, const bitmap4 *b)
{
	bitmap4 both = {.beyond = false};

	for (int i = 0; i < BITMAP4_WORDS; i++)
		both.word[i] = a->word[i] & b->word[i];
	return both;
}

/* What is in either. */
static inline bitmap4 bitmap4_or(const bitmap4 *a, const bitmap4 *b)
{
	bitmap4 either = {.beyond = a->beyond || b->beyond};

	for (int i = 0; i < BITMAP4_WORDS; i++)
		either.word[i] = a->word[i] | b->word[i];
	return either;
}

/* What is in @a and not in @b; beyond stays when @a has it. */
static inline bitmap4 bitmap4_minus(const bitmap4 *a, const bitmap4 *b)
{
	bitmap4 rest = {.beyond = a->beyond};

	for (int i = 0; i < BITMAP4_WORDS; i++)
		rest.word[i] = a->word[i] & ~b->word[i];
	return rest;
}

/* True when every bit of @a is also in @b; never with bits beyond. */
static inline bool bitmap4_subset(const bitmap4 *a, const bitmap4 *b)
{
	if (a->beyond)
		return false;
	for (int i = 0; i < BITMAP4_WORDS; i++) {
		if (a->word[i] & ~b->word[i])
			return false;
	}
	return true;
}

static inline bool bitmap4_empty(const bitmap4 *b)
{
	if (b->beyond)
		return false;
	for (int i = 0; i < BITMAP4_WORDS; i++) {
		if (b->word[i])
			return false;
	}
	return true;
}

static inline bool bitmap4_equal(const bitmap4 *a, const bitmap4 *b)
{
	return bitmap4_subset(a, b) && bitmap4_subset(b, a);
}

/* Words needed on the wire: trailing zero words are not sent. */
static inline uint32_t bitmap4_words(const bitmap4 *b)
{
	uint32_t n = BITMAP4_WORDS;

	while (n > 0 && b->word[n - 1] == 0)
		n--;
	return n;
}

/* The lowest bit at or above @from, or BITMAP4_BITS when there is none. */
static inline unsigned bitmap4_next(const bitmap4 *b, unsigned from)
{
	for (unsigned at = from; at < BITMAP4_BITS; at = (at / 32 + 1) * 32) {
		uint32_t rest = b->word[at / 32] >> at % 32;

		if (rest)
			return at + (unsigned)__builtin_ctz(rest);
	}
	return BITMAP4_BITS;
}

/* Every bit in ascending order; @bit is an unsigned. */
#define bitmap4_for_each(bit, b)                           \
	for (bit = bitmap4_next(b, 0); bit < BITMAP4_BITS; \
		bit = bitmap4_next(b, bit + 1))

#endif
