/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of changeattr.h, pure. Times in nanoseconds of the clock that
 * stamps files; @t is its tick.
 */
#ifndef STATE_POLICY_CHANGEATTR_H
#define STATE_POLICY_CHANGEATTR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Can no change from @clock on bear this ctime? A ctime far ahead was made
 * before the clock was set back: the clock will reach it, but not that very
 * nanosecond with a change of that very object.
 */
static inline bool policy_ctime_closed(int64_t ctime, int64_t clock, int64_t t)
{
	return clock - ctime >= 3 * t || ctime - clock >= 3 * t;
}

/* The value of the one state that a closed ctime names. */
static inline uint64_t policy_change_closed(int64_t ctime, int64_t t)
{
	return (uint64_t)(ctime + 3 * t) | 1;
}

/* The next value of a node that gave @last: even, and higher. */
static inline uint64_t policy_change_next(
	int64_t ctime, uint64_t last, int64_t t)
{
	uint64_t from_time = (uint64_t)(ctime + 2 * t);
	uint64_t value = last + 2;

	if (ctime >= 0 && from_time > value)
		value = from_time;
	return value + (value & 1);
}

#endif
