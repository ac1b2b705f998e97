/* SPDX-License-Identifier: MIT */
/*
 * Randomness: the kernel's for anything a peer must not guess, and a small
 * seeded generator for tests and for spreading timers.
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Fill @buf from the kernel. Cannot fail once the kernel is up. */
void rand_bytes(void *buf, size_t len);
uint64_t rand_u64(void);

/* A repeatable stream (splitmix64); not for secrets. */
struct rand_stream {
	uint64_t state;
};

uint64_t rand_stream_next(struct rand_stream *r);

/* A number in 0 .. @bound - 1; @bound > 0. */
uint64_t rand_stream_below(struct rand_stream *r, uint64_t bound);

#endif
