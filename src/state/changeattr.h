/* SPDX-License-Identifier: MIT */
/*
 * The change attribute (doc/design.md, "Change attribute"). For every object:
 * no value is ever given to two states, not after eviction, kill -9 or a
 * restart, and not on a kernel whose ctime stands still for a tick.
 *
 * t = resolution of the clock that stamps files. With a node the value is made
 * of max(ctime + 2t, last + 2), even, advanced under the node's lock by each
 * change through us; without one it is ctime + 3t, odd; an object whose ctime
 * is younger than 3t gets a node first; a node outlives its last change by 3t.
 */
#ifndef STATE_CHANGEATTR_H
#define STATE_CHANGEATTR_H

#include <stdint.h>

#include "state/node.h"
#include "state/state.h"

/* The value to report for @id, whose ctime was just read as @ctime_ns. */
uint64_t changeattr_read(
	struct state *s, const struct fileid *id, int64_t ctime_ns);

/* The same for a node already held. */
uint64_t changeattr_read_node(struct node *n, int64_t ctime_ns);

/*
 * The object was changed through us and its ctime is now @ctime_ns: a new
 * value, which is returned.
 */
uint64_t changeattr_bump(
	struct state *s, const struct fileid *id, int64_t ctime_ns);
uint64_t changeattr_bump_node(struct node *n, int64_t ctime_ns);

#endif
