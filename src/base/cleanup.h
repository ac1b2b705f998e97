/* SPDX-License-Identifier: MIT */
/*
 * Scope-exit clean-up: what a block acquires it gives back on every way out.
 *
 *	scope_lock(&table->lock);           released at the end of the block
 *	scope_fd int fd = open(...);        closed when >= 0
 *	scope_free char *p = malloc(...);   freed
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#include "base/lock.h"

static inline void cleanup_unlock(struct lock **l)
{
	lock_release(*l);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline struct lock *cleanup_lock(struct lock *l)
{
	lock_acquire(l);
	return l;
}

#define CLEANUP_JOIN2(a, b) a##b
#define CLEANUP_JOIN(a, b)  CLEANUP_JOIN2(a, b)

#define scope_lock(l)                                                  \
	__attribute__((cleanup(cleanup_unlock), unused)) struct lock * \
	CLEANUP_JOIN(scope_lock_, __LINE__) = cleanup_lock(l)

#define scope_fd   __attribute__((cleanup(cleanup_fd)))
#define scope_free __attribute__((cleanup(cleanup_free)))

#endif
