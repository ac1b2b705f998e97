/* SPDX-License-Identifier: MIT */
/*
 * Many durations in little memory: counted in buckets whose width is at most
 * 1/64 of their value, so that a percentile is at most 1.6 % too high. Any
 * number of threads add; who reads wants them to be done.
 */
#ifndef CLI_BENCH_HIST_H
#define CLI_BENCH_HIST_H

#include <stdatomic.h>
#include <stdint.h>

/* Below 128 ns every value has a bucket of its own; above 4.9 h all have one. */
#define BENCH_HIST_BUCKETS (64 * 39)

struct bench_hist {
	_Atomic uint64_t count, max_ns;
	_Atomic uint64_t bucket[BENCH_HIST_BUCKETS];
};

void bench_hist_add(struct bench_hist *h, uint64_t ns);

/*
 * The smallest value that at least @share (0 .. 1) of all do not exceed,
 * rounded up to its bucket's end, never above the largest; 0 when empty.
 */
uint64_t bench_hist_at(const struct bench_hist *h, double share);

#endif
