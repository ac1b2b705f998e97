/* SPDX-License-Identifier: MIT */
#include "state/dirmemory.h"

#include "base/counter.h"
#include "state/policy_dirdeleg.h"
#include "state/state.h"

static const char *const use_names[DIRMEMORY_USES] = {
	[DIRMEMORY_DELEGATIONS] = "delegations",
	[DIRMEMORY_TOLD_SETS] = "told_sets",
	[DIRMEMORY_CHILDREN] = "children",
	[DIRMEMORY_EVENTS] = "events",
	[DIRMEMORY_QUEUES] = "queues",
};

/* The sum is asked for with each change that is told, so it is kept. */
static struct counter bytes[DIRMEMORY_USES], all_bytes;

const char *dirmemory_use_name(enum dirmemory_use use)
{
	return use < DIRMEMORY_USES ? use_names[use] : "?";
}

void dirmemory_count(enum dirmemory_use use, int64_t more)
{
	counter_add(&bytes[use], more);
	counter_add(&all_bytes, more);
}

/* A sum that is read while others add and take away may seem below nothing. */
static uint64_t read_bytes(const struct counter *c)
{
	int64_t n = counter_read(c);

	return n > 0 ? n : 0;
}

uint64_t dirmemory_bytes(enum dirmemory_use use)
{
	return read_bytes(&bytes[use]);
}

uint64_t dirmemory_total(void)
{
	return read_bytes(&all_bytes);
}

bool dirmemory_has_room(const struct state *s)
{
	return dirdeleg_pressure(dirmemory_total(),
		       state_get_config(s)->max_deleg_bytes) !=
		DIRDELEG_RECLAIM;
}

bool dirmemory_is_over(const struct state *s)
{
	return dirdeleg_memory_is_over(
		dirmemory_total(), state_get_config(s)->max_deleg_bytes);
}
