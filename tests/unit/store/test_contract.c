/* SPDX-License-Identifier: MIT */
/*
 * The contract over the memory store: with all the memory it wants, with an
 * index too small for its directories, and through the fault filter. Built a
 * second time over an index with an 8-bit hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "contract.h"
#include "store/dirindex_hash.h"
#include "store/fault.h"
#include "testutil.h"

#define BIG_ENTRIES 100000

/* Windows of a few segments: far too small for most directories here. */
#define SMALL_BUDGET (24u << 10)

static struct test_store rig;
static size_t budget;

static struct store *make(void)
{
	test_store_init_budget(&rig, budget);
	return rig.store;
}

static struct store *make_fault(void)
{
	struct store *s;

	test_store_init_budget(&rig, budget);
	s = fault_new(rig.store);
	assert_non_null(s);
	return s;
}

static void unmake(struct store *s)
{
	rig.store = s; /* the filter takes the store below with it */
	test_store_fini(&rig);
}

static struct store *restart(struct store *s)
{
	test_store_restart(&rig, budget);
	return s;
}

static void pass_time(void)
{
	clock_advance_ns(&rig.clock, 3 * TEST_TICK_NS);
}

int main(void)
{
	struct contract c = {
		.name = "memory",
		.make = make,
		.unmake = unmake,
		.restart = restart,
		.pass_time = pass_time,
		.big = BIG_ENTRIES,
		.has_users = true,
		.collisions = DIRHASH_PLACE_BITS < 32,
	};
	int failed;

	budget = TEST_BUDGET;
	failed = contract_run(&c);
	c.name = "fault over memory";
	c.make = make_fault;
	c.big = 500;
	failed += contract_run(&c);
	c.name = "memory, small index";
	c.make = make;
	c.over_budget = true;
	budget = SMALL_BUDGET;
	failed += contract_run(&c);
	return failed;
}
