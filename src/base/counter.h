/* SPDX-License-Identifier: MIT */
/*
 * Counters and histograms that many threads bump and somebody reads now and
 * then. Each thread adds to one of a few cache lines; a read sums them up, and
 * is no snapshot while others add.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTER_STRIPES 4

/* Padded, not aligned: whoever embeds one allocates with calloc(). */
struct counter {
	struct {
		_Atomic int64_t value;
		char other_lines[56];
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

/*
 * How often which value was seen, in buckets of powers of two: bucket i counts
 * those above 2^(i-1) and up to 2^i, the last one all above the one before.
 */
#define HISTOGRAM_BUCKETS 24

struct histogram {
	struct {
		_Atomic uint64_t sum;
		_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
		char other_lines[56];
	} stripe[COUNTER_STRIPES];
};

struct histogram_values {
	uint64_t sum; /* of all values */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned i = value > 1 ? 64 - __builtin_clzll(value - 1) : 0;

	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	unsigned mine = counter_stripe();

	atomic_fetch_add_explicit(
		&h->stripe[mine].bucket[histogram_bucket(value)], 1,
		memory_order_relaxed);
	atomic_fetch_add_explicit(
		&h->stripe[mine].sum, value, memory_order_relaxed);
}

void histogram_read(const struct histogram *h, struct histogram_values *ret);

/* How many values there were. */
uint64_t histogram_count(const struct histogram_values *values);

#endif
