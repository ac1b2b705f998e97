/* SPDX-License-Identifier: MIT */
/*
 * The ranges locked on one node: a list by start, where ranges of different
 * owners may overlap (read locks) and those of one owner never do. Setting one
 * replaces what the owner held there, and joins neighbours of the same type.
 * All under the node's lock; memory is got before it is taken.
 */
#ifndef STATE_BYTELOCK_RANGE_H
#define STATE_BYTELOCK_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "state/open_private.h"

struct span {
	uint64_t start, end; /* both included */
	bool exclusive;
};

/* False for empty ranges and those that pass the last byte (18.10.3). */
static inline bool span_from_wire(
	uint64_t offset, uint64_t length, struct span *ret)
{
	*ret = (struct span){.start = offset, .end = UINT64_MAX};
	if (length == UINT64_MAX)
		return true;
	if (length == 0 || length > UINT64_MAX - offset)
		return false;
	ret->end = offset + (length - 1);
	return true;
}

static inline uint64_t span_length(uint64_t start, uint64_t end)
{
	return end == UINT64_MAX ? UINT64_MAX : end - start + 1;
}

/* Ranges for what an operation may have to add. */
struct range_spare {
	struct lock_range *range[2];
};

/* False, with nothing held, when out of memory. */
bool range_spare_get(struct range_spare *spare, int count);
void range_spare_put(struct range_spare *spare);

/* The first range of another owner that is in the way; NULL: none. */
struct lock_range *range_find_conflict(
	struct node *n, const struct owner *own, const struct span *want);

/* Needs two spares. */
void range_set(struct lock_state *ls, const struct span *want,
	struct range_spare *spare);

/* Needs one spare: the middle of a range may go. */
void range_clear(struct lock_state *ls, const struct span *span,
	struct range_spare *spare);

void range_drop_all(struct lock_state *ls);

#endif
