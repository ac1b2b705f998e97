/* SPDX-License-Identifier: MIT */
/*
 * What a name of a directory that others changed too means for those who were
 * told of its entries, as a function of what they know and what is there now.
 */
#ifndef STATE_POLICY_OUTSIDE_H
#define STATE_POLICY_OUTSIDE_H

#include <stdbool.h>
#include <stdint.h>

/* A name as it was told and as it is: 0 = not there, else a child's digest. */
struct outside_name {
	uint64_t told;
	uint64_t now;
};

enum outside_diff {
	DIFF_NONE,
	DIFF_ADDED,
	DIFF_REMOVED,
	DIFF_REPLACED, /* added over what was there */
};

static inline enum outside_diff policy_outside_name(struct outside_name n)
{
	if (n.told == n.now)
		return DIFF_NONE;
	if (!n.told)
		return DIFF_ADDED;
	return n.now ? DIFF_REPLACED : DIFF_REMOVED;
}

/*
 * Somebody says that @from became @to. That is what to tell when it explains
 * all that differs; else each name is told for itself.
 */
static inline bool policy_outside_is_rename(
	struct outside_name from, struct outside_name to)
{
	return from.told && !from.now && to.now == from.told &&
		to.told != to.now;
}

#endif
