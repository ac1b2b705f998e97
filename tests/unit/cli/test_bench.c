/* SPDX-License-Identifier: MIT */
/* What herald bench computes: its plan, its percentiles, its books. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bench_each.h"
#include "cli/bench_proc.h"
#include "cli/bench_tally.h"

/* ---- the plan ---- */

/* What a holder is told of change @i. */
static struct dircache_change told_of(
	const struct bench_plan *plan, uint64_t i, char name[BENCH_NAME_MAX])
{
	static const enum change_kind kinds[] = {
		[BENCH_CREATE] = CHANGE_ADD_ENTRY,
		[BENCH_RENAME] = CHANGE_RENAME_ENTRY,
		[BENCH_REMOVE] = CHANGE_REMOVE_ENTRY,
	};
	struct bench_step step = bench_plan_step(plan, i);

	bench_plan_name(name, step.op != BENCH_CREATE, step.file);
	return (struct dircache_change){
		.kind = kinds[step.op], .entry = {.name = name_from_str(name)}};
}

/* Every change is found by what is told of it, and follows the one before. */
static void check_plan(const struct bench_plan *plan)
{
	char name[BENCH_NAME_MAX];
	uint64_t *in = calloc(plan->directories, sizeof(*in));

	for (uint64_t i = 0; i < plan->changes; i++) {
		struct bench_step step = bench_plan_step(plan, i), before;
		struct dircache_change told = told_of(plan, i, name);

		assert_int_equal(bench_plan_find(plan, &told), i);
		assert_int_equal(step.directory, i % plan->directories);
		in[step.directory]++;
		if (step.op == BENCH_CREATE) {
			assert_int_equal(step.after, BENCH_NONE);
			continue;
		}
		assert_true(step.after < i);
		before = bench_plan_step(plan, step.after);
		assert_int_equal(before.op, step.op - 1);
		assert_int_equal(before.file, step.file);
		assert_int_equal(before.directory, step.directory);
	}
	for (uint32_t d = 0; d < plan->directories; d++)
		assert_int_equal(bench_plan_in(plan, d), in[d]);
	free(in);
}

static void test_plan_finds_every_change(void **state)
{
	static const uint32_t directories[] = {1, 2, 7, 63, 64, 65, 1000};
	static const uint64_t changes[] = {0, 1, 63, 64, 65, 1000, 20000};
	struct bench_plan plan;

	for (size_t d = 0; d < 7; d++) {
		for (size_t n = 0; n < 7; n++) {
			bench_plan_init(&plan, directories[d], 100, changes[n]);
			check_plan(&plan);
			bench_plan_init_burst(
				&plan, directories[d], changes[n]);
			check_plan(&plan);
		}
	}
}

static void test_plan_knows_others(void **state)
{
	static const struct {
		enum change_kind kind;
		const char *name;
	} others[] = {
		{CHANGE_ADD_ENTRY, ""},
		{CHANGE_ADD_ENTRY, "f"},
		{CHANGE_ADD_ENTRY, "fx"},
		{CHANGE_ADD_ENTRY, "f1x"},
		{CHANGE_ADD_ENTRY, "r1"}, /* the echo of a rename */
		{CHANGE_REMOVE_ENTRY, "f1"},
		{CHANGE_ADD_ENTRY, "f1000"}, /* more than there are */
		{CHANGE_ADD_ENTRY, "f18446744073709551617"},
		{CHANGE_DIR_ATTRS, "f1"},
	};
	struct bench_plan plan;

	bench_plan_init(&plan, 1, 100, 1000);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct dircache_change told = {.kind = others[i].kind,
			.entry = {.name = name_from_str(others[i].name)}};

		assert_int_equal(bench_plan_find(&plan, &told), BENCH_NONE);
	}
}

static void test_plan_is_an_open_loop(void **state)
{
	struct bench_plan plan;

	bench_plan_init(&plan, 1, 100, 1000000);
	assert_int_equal(bench_plan_due_ns(&plan, 0), 0);
	assert_int_equal(bench_plan_due_ns(&plan, 1), 10000000);
	assert_int_equal(bench_plan_due_ns(&plan, 999999), 9999990000000);
	bench_plan_init(&plan, 1, 3, 10);
	assert_in_range(bench_plan_due_ns(&plan, 9), 2999999999, 3000000001);
	bench_plan_init_burst(&plan, 1, 10);
	assert_int_equal(bench_plan_due_ns(&plan, 9), 0);
}

/* ---- percentiles ---- */

static void test_hist_small_values_are_exact(void **state)
{
	struct bench_hist *h = calloc(1, sizeof(*h));

	assert_int_equal(bench_hist_at(h, 0.5), 0);
	for (uint64_t ns = 1; ns <= 100; ns++)
		bench_hist_add(h, ns);
	assert_int_equal(bench_hist_at(h, 0), 1);
	assert_int_equal(bench_hist_at(h, 0.5), 50);
	assert_int_equal(bench_hist_at(h, 0.99), 99);
	assert_int_equal(bench_hist_at(h, 1), 100);
	assert_int_equal(h->max_ns, 100);
	free(h);
}

/* Never too low, at most 1/64 too high, never above the largest. */
static void check_value(uint64_t ns)
{
	struct bench_hist *h = calloc(1, sizeof(*h));
	uint64_t at;

	bench_hist_add(h, ns);
	bench_hist_add(h, UINT64_MAX);
	at = bench_hist_at(h, 0.5);
	assert_true(at >= ns);
	assert_true(at - ns <= ns / 64);
	free(h);
}

static void test_hist_error_is_bounded(void **state)
{
	for (unsigned bit = 0; bit < 43; bit++) {
		uint64_t power = UINT64_C(1) << bit;

		check_value(power - 1);
		check_value(power);
		check_value(power + 1);
		check_value(power + power / 3);
	}
}

static void test_hist_has_no_end(void **state)
{
	struct bench_hist *h = calloc(1, sizeof(*h));

	bench_hist_add(h, UINT64_MAX);
	bench_hist_add(h, UINT64_C(1) << 50);
	assert_true(bench_hist_at(h, 0.5) == UINT64_MAX);
	assert_true(bench_hist_at(h, 1) == UINT64_MAX);
	free(h);
}

static void test_hist_p99_leaves_one_of_a_hundred(void **state)
{
	struct bench_hist *h = calloc(1, sizeof(*h));

	for (int i = 0; i < 990; i++)
		bench_hist_add(h, 1000);
	for (int i = 0; i < 10; i++)
		bench_hist_add(h, 1000000);
	assert_in_range(bench_hist_at(h, 0.99), 1000, 1016);
	assert_in_range(bench_hist_at(h, 0.9901), 1000000, 1015625);
	free(h);
}

/* ---- the books ---- */

static void test_tally_counts_from_when_it_was_due(void **state)
{
	struct bench_plan plan;
	struct bench_tally *t;
	uint64_t now;

	bench_plan_init(&plan, 2, 100, 10);
	t = bench_tally_new(&plan);
	now = bench_tally_now(t);
	/* Due a second ago: the mutator was kept waiting. */
	bench_tally_sent(t, 3, now - NSEC_PER_SEC);
	assert_false(bench_tally_is_answered(t, 3));
	assert_true(t->late.max_ns >= NSEC_PER_SEC);
	bench_tally_event(t, 3, now + 500);
	assert_int_equal(t->early, 1);
	assert_int_equal(t->since_due.max_ns, NSEC_PER_SEC + 500);
	assert_int_equal(t->since_reply.max_ns, 0);
	bench_tally_answered(t, 3, 0);
	assert_true(bench_tally_is_answered(t, 3));
	bench_tally_event(t, 3, t->when[3].done_ns + 700);
	assert_int_equal(t->since_reply.max_ns, 700);
	assert_int_equal(t->early, 1);
	assert_int_equal(t->events, 2);
	assert_int_equal(t->made, 1);
	assert_int_equal(t->made_in[1], 1);
	bench_tally_free(t);
}

static void test_tally_expects_nothing_of_what_failed(void **state)
{
	struct bench_plan plan;
	struct bench_tally *t;

	bench_plan_init(&plan, 1, 100, 10);
	t = bench_tally_new(&plan);
	bench_tally_sent(t, 0, 0);
	bench_tally_answered(t, 0, -EIO);
	bench_tally_answered(t, 1, -EACCES);
	assert_int_equal(t->failed, 2);
	assert_int_equal(t->first_error, -EIO);
	assert_int_equal(t->made_in[0], 0);
	bench_tally_free(t);
}

/* ---- many at a time ---- */

struct count {
	_Atomic unsigned done[1000];
	atomic_bool stop;
};

static int count_one(void *ctx, uint64_t i)
{
	struct count *c = ctx;

	c->done[i]++;
	if (i == 700)
		c->stop = true;
	return 0;
}

static int fail_one(void *ctx, uint64_t i)
{
	count_one(ctx, i);
	return i == 10 ? -EIO : 0;
}

static void test_each_does_all_once(void **state)
{
	struct count c = {.stop = false};

	assert_int_equal(bench_each(8, 1000, NULL, count_one, &c), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(c.done[i], 1);
	assert_int_equal(bench_each(8, 0, NULL, count_one, &c), 0);
}

static void test_each_ends_early(void **state)
{
	struct count c = {.stop = false};

	assert_int_equal(bench_each(1, 1000, NULL, fail_one, &c), -EIO);
	assert_int_equal(c.done[11], 0);
	assert_int_equal(bench_each(1, 1000, &c.stop, count_one, &c), -EINTR);
	assert_int_equal(c.done[701], 0);
}

/* ---- /proc ---- */

static void test_proc_reads_stat(void **state)
{
	assert_int_equal(
		bench_proc_ticks(
			"12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 500 40 0 0"),
		540);
	assert_int_equal(bench_proc_ticks("nonsense"), 0);
}

static void test_proc_reads_status(void **state)
{
	static const char status[] =
		"Name:\tVmRSS\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nx:\t1\n";

	assert_int_equal(bench_proc_bytes(status, "VmRSS"), 200 * 1024);
	assert_int_equal(bench_proc_bytes(status, "VmSwap"), 0);
	assert_int_equal(bench_proc_bytes("", "VmRSS"), 0);
}

static void test_proc_finds_the_listener(void **state)
{
	static const char tcp[] =
		"  sl  local_address rem_address   st tx_queue rx_queue tr "
		"tm->when retrnsmt   uid  timeout inode\n"
		"   0: 0100007F:0801 0200007F:1234 01 00000000:00000000 "
		"00:00000000 00000000     0        0 111 1 x 20 4 0 10 -1\n"
		"   1: 0200007F:0801 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 222 1 x 20 4 0 10 -1\n"
		"   2: 0100007F:0801 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 333 1 x 20 4 0 10 -1\n"
		"   3: 00000000:0802 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 444 1 x 20 4 0 10 -1\n";

	assert_int_equal(bench_proc_listener(tcp, "0100007F", 0x801), 333);
	assert_int_equal(bench_proc_listener(tcp, "0100007F", 0x802), 444);
	assert_int_equal(bench_proc_listener(tcp, "0100007F", 0x803), 0);
	assert_int_equal(bench_proc_listener("", "0100007F", 0x801), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_finds_every_change),
		cmocka_unit_test(test_plan_knows_others),
		cmocka_unit_test(test_plan_is_an_open_loop),
		cmocka_unit_test(test_hist_small_values_are_exact),
		cmocka_unit_test(test_hist_error_is_bounded),
		cmocka_unit_test(test_hist_has_no_end),
		cmocka_unit_test(test_hist_p99_leaves_one_of_a_hundred),
		cmocka_unit_test(test_tally_counts_from_when_it_was_due),
		cmocka_unit_test(test_tally_expects_nothing_of_what_failed),
		cmocka_unit_test(test_each_does_all_once),
		cmocka_unit_test(test_each_ends_early),
		cmocka_unit_test(test_proc_reads_stat),
		cmocka_unit_test(test_proc_reads_status),
		cmocka_unit_test(test_proc_finds_the_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
