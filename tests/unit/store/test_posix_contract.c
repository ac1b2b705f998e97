/* SPDX-License-Identifier: MIT */
/*
 * The contract over posix: as it is meant to run, with few descriptors and a
 * small index, without CAP_SYS_ADMIN, and as a plain user who may
 * do no more than open files by handle.
 */
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "contract.h"
#include "posix_rig.h"
#include "testutil.h"

#define BIG_ENTRIES  20000
#define SMALL_BUDGET (24u << 10)
#define PLAIN_USER   1000
#define FEW_FDS      1 /* as few as it accepts */

static struct posix_rig rig;
static size_t budget;
static unsigned fds;
static bool plain;

static void start(void)
{
	if (plain)
		test_set_admin(false);
	rig_start(&rig);
	if (plain)
		test_set_admin(true);
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

/* A thread that has never acted as root. */
static void *run_as_plain_user(void *arg)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {
		{.effective = 1u << CAP_DAC_READ_SEARCH,
			.permitted = 1u << CAP_DAC_READ_SEARCH}};
	const struct contract *c = arg;
	static int failed;

	failed = 1;
	if (syscall(SYS_capset, &head, data) == 0)
		failed = contract_run(c);
	return &failed;
}

static void become_plain_user(struct contract *c)
{
	pthread_t thread;
	void *failed;

	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setgroups(0, NULL) != 0 ||
		setresgid(PLAIN_USER, PLAIN_USER, PLAIN_USER) != 0 ||
		setresuid(PLAIN_USER, PLAIN_USER, PLAIN_USER) != 0 ||
		pthread_create(&thread, NULL, run_as_plain_user, c) != 0)
		_exit(1);
	pthread_join(thread, &failed);
	_exit(*(int *)failed != 0);
}

static int run_plain_user(struct contract c)
{
	int status = -1;
	pid_t pid;

	c.name = "posix, as a plain user";
	c.has_users = false;
	pid = fork();
	if (pid == 0)
		become_plain_user(&c);
	waitpid(pid, &status, 0);
	return status != 0;
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
	failed += run_plain_user(c);
	c.name = "posix, few descriptors and a small index";
	c.over_budget = true;
	budget = SMALL_BUDGET;
	fds = FEW_FDS;
	failed += contract_run(&c);
	return failed;
}
