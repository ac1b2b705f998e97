/* SPDX-License-Identifier: MIT */
/*
 * Reference counts. The owner of the object pairs ref_put() with its own
 * release when it returns true.
 */
#ifndef BASE_REF_H
#define BASE_REF_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ref {
	atomic_int count;
};

static inline void ref_init(struct ref *r)
{
	atomic_init(&r->count, 1);
}

/* One more reference; the caller already holds one. */
static inline void ref_get(struct ref *r)
{
	int old = atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);

	assert(old > 0);
}

/* One more reference unless the object is already going away. */
static inline bool ref_get_unless_zero(struct ref *r)
{
	int old = atomic_load_explicit(&r->count, memory_order_relaxed);

	while (old > 0) {
		if (atomic_compare_exchange_weak(&r->count, &old, old + 1))
			return true;
	}
	return false;
}

/* True when this was the last reference and the caller must release. */
static inline bool ref_put(struct ref *r)
{
	int old = atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel);

	assert(old > 0);
	return old == 1;
}

static inline int ref_read(const struct ref *r)
{
	return atomic_load_explicit(&r->count, memory_order_relaxed);
}

#endif
