/* SPDX-License-Identifier: MIT */
/*
 * The contract over posix: as it is meant to run, with few descriptors and a
 * small index, and without CAP_SYS_ADMIN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "contract.h"
#include "posix_rig.h"
#include "testutil.h"

#define BIG_ENTRIES  20000
#define SMALL_BUDGET (24u << 10)
#define FEW_FDS      1 /* as few as it accepts */

static struct posix_rig rig;
static size_t budget;
static unsigned fds;
static bool plain;

static void start(void)
{
	if (plain)
		rig_set_admin(false);
	rig_start(&rig);
	if (plain)
		rig_set_admin(true);
}

static struct store *make(void)
{
	rig_init(&rig);
	rig.index_budget = budget;
	rig.max_fds = fds;
	start();
	return rig.store;
}

static void unmake(struct store *s)
{
	rig_fini(&rig);
}

static struct store *restart(struct store *s)
{
	rig_stop(&rig);
	start();
	return rig.store;
}

static void pass_time(void)
{
	uint64_t ns = 3 * clock_file_tick_ns(&rig.clock);
	struct timespec t = timespec_from_ns(ns);

	nanosleep(&t, NULL);
}

int main(void)
{
	struct contract c = {
		.name = "posix",
		.make = make,
		.unmake = unmake,
		.restart = restart,
		.pass_time = pass_time,
		.big = BIG_ENTRIES,
		.has_users = true,
	};
	int failed;

	rig_need_root();
	budget = TEST_BUDGET;
	fds = RIG_FDS;
	failed = contract_run(&c);
	c.name = "posix without CAP_SYS_ADMIN";
	c.big = 500;
	plain = true;
	failed += contract_run(&c);
	plain = false;
	c.name = "posix, few descriptors and a small index";
	c.over_budget = true;
	budget = SMALL_BUDGET;
	fds = FEW_FDS;
	failed += contract_run(&c);
	return failed;
}
