/* SPDX-License-Identifier: MIT */
/*
 * Counters that many threads bump and somebody reads now and then. Each
 * thread adds to one of a few cache lines; a read sums them up.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTER_STRIPES 4

struct counter {
	struct {
		_Alignas(64) _Atomic int64_t value;
	} stripe[COUNTER_STRIPES];
};

/* The calling thread's stripe. */
unsigned counter_stripe(void);

static inline void counter_add(struct counter *c, int64_t n)
{
	atomic_fetch_add_explicit(
		&c->stripe[counter_stripe()].value, n, memory_order_relaxed);
}

static inline int64_t counter_read(const struct counter *c)
{
	int64_t sum = 0;

	for (int i = 0; i < COUNTER_STRIPES; i++)
		sum += atomic_load_explicit(
			&c->stripe[i].value, memory_order_relaxed);
	return sum;
}

#endif
