/* SPDX-License-Identifier: MIT */
#include "base/counter.h"

unsigned counter_stripe(void)
{
	static atomic_uint next;
	static __thread unsigned mine; /* stripe + 1; 0 = not chosen yet */

	if (!mine)
		mine = atomic_fetch_add(&next, 1) % COUNTER_STRIPES + 1;
	return mine - 1;
}
