/* SPDX-License-Identifier: MIT */
/*
 * A store in memory: the reference for the contract and the store of all unit
 * and protocol tests. Complete (links, devices, permissions by mode bits,
 * xattrs, sparse files), durable in the sense that it outlives a server built
 * over it, and slow where that keeps it simple.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "base/clock.h"
#include "store/dirindex.h"
#include "store/store.h"

/*
 * An empty store whose root is a directory of mode 01777. @clock stamps times
 * (fake in tests), @index is shared and borrowed. NULL when out of memory.
 */
struct store *memory_new(struct clock *clock, struct dirindex *index);

/*
 * The server over the store was started anew: list through @index, borrowed,
 * from now on. No call may be running.
 */
void memory_set_index(struct store *s, struct dirindex *index);

#endif
