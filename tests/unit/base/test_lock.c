/* SPDX-License-Identifier: MIT */
/* The order of locks is kept by force: whoever breaks it dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/lock.h"

static struct lock client, session, change1, change2;

static int setup(void **state)
{
	lock_init(&client, LOCK_CLIENT);
	lock_init(&session, LOCK_SESSION);
	lock_init(&change1, LOCK_CHANGE);
	lock_init(&change2, LOCK_CHANGE);
	return 0;
}

/* True when a child that runs @crime is killed by an assertion. */
static bool dies(void (*crime)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit no_core = {0, 0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL); /* the test framework's handler */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		crime();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void ascending(void)
{
	scope_lock(&change1);
	scope_lock(&client);
	scope_lock(&session);
	lock_assert_held(&session);
}

static void descending(void)
{
	scope_lock(&session);
	scope_lock(&client);
}

static void descending_try(void)
{
	scope_lock(&session);
	lock_try(&client);
}

static void same_rank(void)
{
	scope_lock(&change1);
	scope_lock(&change2);
}

static void not_held(void)
{
	scope_lock(&session);
	lock_assert_held(&client);
}

static void release_without_acquire(void)
{
	lock_release(&client);
}

static void pair(void)
{
	lock_acquire_pair(&change2, &change1);
	lock_acquire(&client);
	lock_release(&client);
	lock_release_pair(&change2, &change1);
	lock_acquire_pair(&change1, &change1);
	lock_release_pair(&change1, &change1);
	ascending(); /* nothing is left behind */
}

static void the_order_may_be_kept(void **state)
{
	assert_false(dies(ascending));
	assert_false(dies(pair));
}

static void the_order_may_not_be_broken(void **state)
{
	assert_true(dies(descending));
	assert_true(dies(descending_try));
	assert_true(dies(same_rank));
	assert_true(dies(not_held));
	assert_true(dies(release_without_acquire));
}

static void a_free_lock_can_be_tried(void **state)
{
	assert_true(lock_try(&client));
	lock_release(&client);
}

static void waiting_ends_in_time(void **state)
{
	struct cond c;

	cond_init(&c);
	lock_acquire(&client);
	assert_false(cond_wait_ms(&c, &client, 5));
	lock_assert_held(&client);
	lock_release(&client);
	cond_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_may_be_kept),
		cmocka_unit_test(the_order_may_not_be_broken),
		cmocka_unit_test(a_free_lock_can_be_tried),
		cmocka_unit_test(waiting_ends_in_time),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
