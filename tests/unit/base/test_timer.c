/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/rand.h"
#include "base/timer.h"

struct alarm {
	int number;
	struct timer timer;
};

static struct clock clk;
static struct timers service;
static int fired[512];
static size_t nfired;

static void note(struct timer *t)
{
	fired[nfired++] = container_of(t, struct alarm, timer)->number;
}

static void again(struct timer *t)
{
	note(t);
	if (nfired < 3)
		timer_set(&service, t, 10);
}

static int setup(void **state)
{
	nfired = 0;
	clock_init_fake(&clk, 1000 * NSEC_PER_SEC, 0);
	timers_init(&service, &clk);
	return 0;
}

static int teardown(void **state)
{
	timers_fini(&service);
	return 0;
}

static void run_at(uint64_t advance_ms, size_t count)
{
	clock_advance_ms(&clk, advance_ms);
	assert_int_equal(timers_run(&service), count);
}

static void timers_fire_when_due_and_in_order(void **state)
{
	struct alarm a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

	timer_init(&a.timer, note);
	timer_init(&b.timer, note);
	timer_init(&c.timer, note);
	timer_set(&service, &a.timer, 30);
	timer_set(&service, &b.timer, 10);
	timer_set(&service, &c.timer, 20);
	run_at(9, 0);
	run_at(1, 1);
	run_at(100, 2);
	assert_int_equal(fired[0], 2);
	assert_int_equal(fired[1], 3);
	assert_int_equal(fired[2], 1);
	run_at(1000, 0);
}

static void a_set_timer_can_be_moved(void **state)
{
	struct alarm a = {.number = 1};

	timer_init(&a.timer, note);
	timer_set(&service, &a.timer, 10);
	timer_set(&service, &a.timer, 50);
	run_at(49, 0);
	run_at(1, 1);
	timer_set(&service, &a.timer, 100);
	timer_set(&service, &a.timer, 5);
	run_at(5, 1);
	run_at(1000, 0);
}

static void a_cancelled_timer_is_silent(void **state)
{
	struct alarm a = {.number = 1};

	timer_init(&a.timer, note);
	assert_false(timer_cancel(&service, &a.timer));
	timer_set(&service, &a.timer, 10);
	assert_true(timer_cancel(&service, &a.timer));
	assert_false(timer_cancel_wait(&service, &a.timer));
	run_at(100, 0);
}

static void a_callback_may_set_its_timer_again(void **state)
{
	struct alarm a = {.number = 1};

	timer_init(&a.timer, again);
	timer_set(&service, &a.timer, 10);
	run_at(10, 1);
	run_at(10, 1);
	run_at(10, 1);
	run_at(100, 0);
}

/* Against the obvious: sort by deadline. */
static void many_timers_fire_in_order(void **state)
{
	static struct alarm alarms[400];
	struct rand_stream r = {.state = 42};
	uint64_t last = 0;

	for (int i = 0; i < 400; i++) {
		alarms[i].number = i;
		timer_init(&alarms[i].timer, note);
	}
	for (int i = 0; i < 1000; i++) {
		struct alarm *a = &alarms[rand_stream_below(&r, 400)];

		if (rand_stream_below(&r, 4) == 0)
			timer_cancel(&service, &a->timer);
		else
			timer_set(&service, &a->timer,
				rand_stream_below(&r, 5000));
	}
	clock_advance_ms(&clk, 5000);
	timers_run(&service);
	assert_true(nfired > 100);
	for (size_t i = 0; i < nfired; i++) {
		assert_true(alarms[fired[i]].timer.deadline_ms >= last);
		last = alarms[fired[i]].timer.deadline_ms;
	}
}

static void file_time_moves_in_ticks(void **state)
{
	struct clock c;

	clock_init_fake(&c, 1000 * NSEC_PER_SEC, 10 * NSEC_PER_MSEC);
	assert_true(clock_file_tick_ns(&c) == 10 * NSEC_PER_MSEC);
	clock_advance_ms(&c, 9);
	assert_true(clock_file_ns(&c) == 1000 * NSEC_PER_SEC);
	clock_advance_ms(&c, 1);
	assert_true(
		clock_file_ns(&c) == 1000 * NSEC_PER_SEC + 10 * NSEC_PER_MSEC);
}

static _Atomic int threaded_fired;

static void note_threaded(struct timer *t)
{
	threaded_fired++;
}

static void the_thread_fires_on_the_real_clock(void **state)
{
	struct clock real;
	struct timers ts;
	struct timer t;

	clock_init(&real);
	timers_init(&ts, &real);
	assert_int_equal(timers_start(&ts), 0);
	timer_init(&t, note_threaded);
	timer_set(&ts, &t, 1);
	for (int i = 0; i < 5000 && !threaded_fired; i++)
		usleep(1000);
	assert_int_equal(threaded_fired, 1);
	timer_cancel_wait(&ts, &t);
	timers_fini(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			timers_fire_when_due_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_set_timer_can_be_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_cancelled_timer_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_callback_may_set_its_timer_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			many_timers_fire_in_order, setup, teardown),
		cmocka_unit_test(file_time_moves_in_ticks),
		cmocka_unit_test(the_thread_fires_on_the_real_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
