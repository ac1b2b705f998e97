/* SPDX-License-Identifier: MIT */
#include "base/counter.h"

unsigned counter_stripe(void)
{
	static atomic_uint next;
	static __thread unsigned mine; /* stripe + 1; 0 = not chosen yet */

	if (!mine)
		mine = atomic_fetch_add(&next, 1) % COUNTER_STRIPES + 1;
	return mine - 1;
}

void histogram_read(const struct histogram *h, struct histogram_values *ret)
{
	*ret = (struct histogram_values){.sum = 0};
	for (int s = 0; s < COUNTER_STRIPES; s++) {
		ret->sum += atomic_load_explicit(
			&h->stripe[s].sum, memory_order_relaxed);
		for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
			ret->bucket[i] += atomic_load_explicit(
				&h->stripe[s].bucket[i], memory_order_relaxed);
	}
}

uint64_t histogram_count(const struct histogram_values *values)
{
	uint64_t count = 0;

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += values->bucket[i];
	return count;
}
