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
 * Can no change from now on bear this ctime, nor did one since it was read?
 * @before and @now: the clock before that and now. A ctime far ahead of both
 * was made before the clock was set back: the clock will reach it, but not
 * that very nanosecond with a change of that very object.
 */
static inline bool policy_ctime_closed(
	int64_t ctime, int64_t before, int64_t now, int64_t t)
{
	return (before - ctime >= 3 * t && now - ctime >= 3 * t) ||
		(ctime - before >= 3 * t && ctime - now >= 3 * t);
}

/* The value of the one state that a closed ctime names. */
static inline uint64_t policy_change_closed(int64_t ctime, int64_t t)
{
	return (uint64_t)(ctime + 3 * t) | 1;
}

/*
 * The next value of a node that gave @last: even, and higher. A ctime that is
 * old by now came late, with a slow caller: then the node may be a second one
 * of this object, and must pass what the first gave for the same ctime.
 */
static inline uint64_t policy_change_next(
	int64_t ctime, int64_t now, uint64_t last, int64_t t)
{
	int64_t time = (now - ctime >= 3 * t ? now : ctime) + 2 * t;
	uint64_t value = last + 2;

	if (time > 0 && (uint64_t)time > value)
		value = time;
	return value + (value & 1);
}

#endif
