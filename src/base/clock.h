/* SPDX-License-Identifier: MIT */
/*
 * Time as the server sees it. A real clock reads the kernel's; a fake one
 * stands still until a test moves it, so that leases and recalls take
 * microseconds to test. Every part that needs time holds a `struct clock *`.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/lock.h"

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

struct clock {
	bool fake;
	struct lock lock;     /* fake only: guards the fields below */
	uint64_t mono_ns;     /* fake only */
	uint64_t realtime_ns; /* fake only */
	uint64_t tick_ns;     /* fake only: granularity of realtime */
};

/* The kernel's clock. */
void clock_init(struct clock *c);

/*
 * A clock that starts at @realtime_ns since the epoch, whose file times move
 * in steps of @tick_ns (0 = every nanosecond).
 */
void clock_init_fake(struct clock *c, uint64_t realtime_ns, uint64_t tick_ns);

/* Move a fake clock on. Timers do not fire by themselves: timers_run(). */
void clock_advance_ms(struct clock *c, uint64_t ms);
void clock_advance_ns(struct clock *c, uint64_t ns);

/* Monotonic time: deadlines, leases. */
uint64_t clock_mono_ms(struct clock *c);
uint64_t clock_mono_ns(struct clock *c);

/*
 * Wall time since the epoch as the kernel stamps files (CLOCK_REALTIME_COARSE),
 * and its resolution in nanoseconds.
 */
uint64_t clock_file_ns(struct clock *c);
uint64_t clock_file_tick_ns(struct clock *c);

static inline uint64_t timespec_to_ns(const struct timespec *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

static inline struct timespec timespec_from_ns(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC};
}

#endif
