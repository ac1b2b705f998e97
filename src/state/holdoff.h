/* SPDX-License-Identifier: MIT */
/*
 * Directories that had to be recalled are not granted again for a short,
 * growing time (DD-25), or a hot one would live in grant and recall. A small
 * table without chains: two directories that meet in a slot only forget, or
 * wait, a little too early.
 *
 * No lock of its own: the state's list lock (LOCK_RECALL).
 */
#ifndef STATE_HOLDOFF_H
#define STATE_HOLDOFF_H

#include <stdbool.h>
#include <stdint.h>

#define HOLDOFF_SLOTS 1024

struct holdoff {
	uint64_t first_ms; /* 0: no directory is held off */
	uint64_t longest_ms;
	struct holdoff_slot {
		uint64_t hash;
		uint64_t until_ms; /* 0 = free */
		uint32_t strikes;
	} slot[HOLDOFF_SLOTS];
};

/* A delegation of the directory with this hash was in somebody's way. */
void holdoff_strike(struct holdoff *h, uint64_t hash, uint64_t now_ms);

/* May the directory not be granted yet? */
bool holdoff_active(const struct holdoff *h, uint64_t hash, uint64_t now_ms);

/*
 * Would whoever takes recalls only be in the way again at once? So it is while
 * the directory, changed last @quiet_ms ago, has not been left alone for as
 * long as it was held off; and as long as somebody asks that is not forgotten.
 */
bool holdoff_is_hot(
	struct holdoff *h, uint64_t hash, uint64_t now_ms, uint64_t quiet_ms);

#endif
