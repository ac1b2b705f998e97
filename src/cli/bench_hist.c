/* SPDX-License-Identifier: MIT */
#include "cli/bench_hist.h"

#define EXACT 128u /* values below are their own buckets */
#define STEPS 64u  /* buckets of each power of two above */

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift, at;

	if (ns < EXACT)
		return (unsigned)ns;
	shift = 57 - (unsigned)__builtin_clzll(ns);
	at = shift * STEPS + (unsigned)(ns >> shift);
	return at < BENCH_HIST_BUCKETS ? at : BENCH_HIST_BUCKETS - 1;
}

/* The largest value that goes there. */
static uint64_t end_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < EXACT)
		return bucket;
	shift = bucket / STEPS - 1;
	return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

static void raise_max(struct bench_hist *h, uint64_t ns)
{
	uint64_t max = h->max_ns;

	while (ns > max && !atomic_compare_exchange_weak(&h->max_ns, &max, ns))
		;
}

void bench_hist_add(struct bench_hist *h, uint64_t ns)
{
	atomic_fetch_add(&h->bucket[bucket_of(ns)], 1);
	atomic_fetch_add(&h->count, 1);
	raise_max(h, ns);
}

uint64_t bench_hist_at(const struct bench_hist *h, double share)
{
	double wanted = share * (double)h->count;
	uint64_t seen = 0, end;

	/* The last bucket has no end: what is there is the largest. */
	for (unsigned i = 0; i < BENCH_HIST_BUCKETS - 1; i++) {
		seen += h->bucket[i];
		if (seen == 0 || (double)seen < wanted)
			continue;
		end = end_of(i);
		return end < h->max_ns ? end : h->max_ns;
	}
	return h->max_ns;
}
