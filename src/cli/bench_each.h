/* SPDX-License-Identifier: MIT */
/* Do something many times, some at a time. */
#ifndef CLI_BENCH_EACH_H
#define CLI_BENCH_EACH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Calls of a benchmark under way while nothing is timed. */
#define BENCH_THREADS 16

/*
 * Call @one for 0 .. @n - 1 on @threads threads, in about that order. Returns
 * 0, or the first error, after which no more are begun; -EINTR when @stop is
 * not NULL and becomes true.
 */
int bench_each(unsigned threads, uint64_t n, const atomic_bool *stop,
	int (*one)(void *ctx, uint64_t i), void *ctx);

#endif
