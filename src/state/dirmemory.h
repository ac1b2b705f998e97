/* SPDX-License-Identifier: MIT */
/*
 * How much memory directory delegations take, and whether that is too much:
 * one limit over all of it (state_config.max_deleg_bytes). What is counted is
 * what clients can make us keep; an allocator's own bytes are not. The counts
 * are those of the process, as its memory is.
 */
#ifndef STATE_DIRMEMORY_H
#define STATE_DIRMEMORY_H

#include <stdbool.h>
#include <stdint.h>

struct state;

/* What it is taken for. */
enum dirmemory_use {
	DIRMEMORY_DELEGATIONS, /* themselves, with their filehandles */
	DIRMEMORY_TOLD_SETS,   /* told.h */
	DIRMEMORY_CHILDREN,    /* childindex.h, and what childclass.h notes */
	DIRMEMORY_EVENTS,      /* direvent.h, with their forms */
	DIRMEMORY_QUEUES,      /* rings of notifyq.h: who waits for which */
	DIRMEMORY_USES
};
const char *dirmemory_use_name(enum dirmemory_use use);

/* So much more, or less, is taken. Any thread, any lock. */
void dirmemory_count(enum dirmemory_use use, int64_t more);

/* What is taken now, in bytes: for one use, and in all. */
uint64_t dirmemory_bytes(enum dirmemory_use use);
uint64_t dirmemory_total(void);

/*
 * May a delegation be granted? And is there so much that not even what those
 * that are out need may grow any more (policy_dirdeleg.h)?
 */
bool dirmemory_has_room(const struct state *s);
bool dirmemory_is_over(const struct state *s);

#endif
