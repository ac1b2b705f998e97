/* SPDX-License-Identifier: MIT */
/* The workers: permits, gates, jobs, growth, and the end while they run. */
#include "rig.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static const uint8_t yes[] = {0, 0, 0, 1}, no[] = {0, 0, 0, 0};

static struct rpc_stats stats_of(struct rig *rig)
{
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats;
}

/* ---- permits ---- */

/* 4 permits, of which each gate may have @limit (0 = half). */
static int start_with_permits(struct rig *rig, unsigned limit)
{
	rig_init(rig);
	rig->config.threads_min = 2;
	rig->config.threads_max = 8;
	rig->config.reserve = 4;
	rig->gates[0].limit = limit;
	rig_start(rig);
	return rig_pair(rig, NULL);
}

/* All permits are held: calls that need none run, the others are refused. */
static void test_all_permits_taken(void **state)
{
	struct rig rig;
	int fd = start_with_permits(&rig, 4);

	for (uint32_t i = 0; i < 4; i++)
		peer_call_u32(fd, i, RIG_PERMIT, 0);
	rig_wait_inside(&rig, 4);
	assert_int_equal(stats_of(&rig).permits_taken, 4);
	assert_int_equal(stats_of(&rig).threads, 8);
	for (uint32_t i = 10; i < 30; i++) {
		peer_call_u32(fd, i, RIG_ECHO, 1);
		peer_expect(fd, i, yes, 4);
	}
	peer_call_u32(fd, 40, RIG_PERMIT, 0);
	peer_expect(fd, 40, no, 4);
	peer_call_u32(fd, 41, RIG_PERMIT, 1); /* the other gate, too */
	peer_expect(fd, 41, no, 4);
	rig_release(&rig, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(peer_read(fd, (uint8_t[64]){0}, 64), 28);
	rig_wait_quiet(&rig);
	assert_int_equal(stats_of(&rig).permits_taken, 0);
	assert_int_equal(rig.gates[0].taken, 0);
	close(fd);
	rig_fini(&rig);
}

static void test_gate_leaves_permits(void **state)
{
	struct rig rig;
	int fd = start_with_permits(&rig, 0);

	peer_call_u32(fd, 1, RIG_PERMIT, 0);
	peer_call_u32(fd, 2, RIG_PERMIT, 0);
	rig_wait_inside(&rig, 2);
	peer_call_u32(fd, 3, RIG_PERMIT, 0); /* its half is gone */
	peer_expect(fd, 3, no, 4);
	peer_call_u32(fd, 4, RIG_PERMIT, 1);
	rig_wait_inside(&rig, 3);
	close(fd);
	rig_fini(&rig);
}

struct taker {
	struct rig *rig;
	bool taken;
};

static void *take_permit(void *arg)
{
	struct taker *t = arg;

	t->taken = rpc_permit_take(t->rig->rpc, &t->rig->gates[0]);
	return NULL;
}

/* Who waits for a permit gets the one that is given back. */
static void test_waits_for_a_permit(void **state)
{
	struct rig rig;
	int fd = start_with_permits(&rig, 1);
	struct taker taker = {.rig = &rig};
	pthread_t thread;

	/* Not in time on a loaded machine? Then it was refused; again. */
	for (int i = 0; i < 50 && !taker.taken; i++) {
		assert_true(rpc_permit_take(rig.rpc, &rig.gates[0]));
		pthread_create(&thread, NULL, take_permit, &taker);
		usleep(1000 * i);
		rpc_permit_give(rig.rpc, &rig.gates[0]);
		pthread_join(thread, NULL);
	}
	assert_true(taker.taken);
	rpc_permit_give(rig.rpc, &rig.gates[0]);
	close(fd);
	rig_fini(&rig);
}

static void *permit_hammer(void *arg)
{
	struct rig *rig = arg;

	for (int i = 0; i < 2000; i++) {
		struct rpc_gate *gate = &rig->gates[i % 2];

		if (rpc_permit_take(rig->rpc, gate))
			rpc_permit_give(rig->rpc, gate);
	}
	return NULL;
}

static void test_permits_add_up(void **state)
{
	pthread_t threads[6];
	struct rig rig;
	int fd = start_with_permits(&rig, 0);

	for (int i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, permit_hammer, &rig);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stats_of(&rig).permits_taken, 0);
	assert_int_equal(rig.gates[0].taken, 0);
	assert_int_equal(rig.gates[1].taken, 0);
	close(fd);
	rig_fini(&rig);
}

/* ---- growth ---- */

static bool has_two_inside(void *ctx)
{
	struct rig *rig = ctx;

	rig_pass_ms(rig, 20); /* a stalled pool gets a thread each time */
	scope_lock(&rig->lock);
	return rig->inside == 2;
}

/* Workers that block without a permit are noticed, and others started. */
static void test_stalled_pool_grows(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.threads_min = 1;
	rig.config.threads_max = 8;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call_u32(fd, 1, RIG_BLOCK, 0);
	rig_wait_inside(&rig, 1);
	assert_int_equal(stats_of(&rig).threads, 1);
	peer_call_u32(fd, 2, RIG_BLOCK, 0);
	rig_wait(has_two_inside, &rig);
	assert_true(stats_of(&rig).threads >= 2);
	close(fd);
	rig_fini(&rig);
}

/* ---- jobs ---- */

struct counted_job {
	struct rpc_job job;
	atomic_uint *runs;
	struct rpc *rpc;
	unsigned again;
};

static void count_and_free(struct rpc_job *job)
{
	struct counted_job *c = container_of(job, struct counted_job, job);

	if (c->again > 0) {
		c->again--;
		rpc_post(c->rpc, &c->job);
		return;
	}
	atomic_fetch_add(c->runs, 1);
	free(c);
}

static void post(struct rig *rig, atomic_uint *runs, unsigned again)
{
	struct counted_job *c = calloc(1, sizeof(*c));

	*c = (struct counted_job){.job.run = count_and_free,
		.runs = runs,
		.rpc = rig->rpc,
		.again = again};
	rpc_post(rig->rpc, &c->job);
}

static bool is_1000(void *ctx)
{
	return atomic_load((atomic_uint *)ctx) == 1000;
}

static void test_jobs_run_once(void **state)
{
	atomic_uint runs = 0;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	for (unsigned i = 0; i < 1000; i++)
		post(&rig, &runs, i % 3);
	rig_wait(is_1000, &runs);
	rig_fini(&rig);
	assert_int_equal(runs, 1000);
}

/* Jobs posted before the end run before it. */
static void test_jobs_at_the_end(void **state)
{
	atomic_uint runs = 0;
	struct rig rig;

	rig_init(&rig);
	rig.config.threads_min = 1;
	rig_start(&rig);
	for (unsigned i = 0; i < 1000; i++)
		post(&rig, &runs, i % 3);
	rig_fini(&rig);
	assert_int_equal(runs, 1000);
}

struct endless {
	struct rpc_job job;
	struct rpc *rpc;
	atomic_bool stop;
	atomic_bool ended;
};

static void run_endless(struct rpc_job *job)
{
	struct endless *e = container_of(job, struct endless, job);

	if (atomic_load(&e->stop))
		atomic_store(&e->ended, true);
	else
		rpc_post(e->rpc, &e->job);
}

/* A job that posts itself for ever does not keep one worker from sockets. */
static void test_jobs_do_not_starve_calls(void **state)
{
	struct endless e = {.job.run = run_endless};
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.threads_min = 1;
	rig_start(&rig);
	e.rpc = rig.rpc;
	rpc_post(rig.rpc, &e.job);
	fd = rig_pair(&rig, NULL);
	for (uint32_t i = 0; i < 100; i++) {
		peer_call_u32(fd, i, RIG_ECHO, 1);
		peer_expect(fd, i, yes, 4);
	}
	atomic_store(&e.stop, true);
	close(fd);
	rig_fini(&rig);
	assert_true(e.ended);
}

/* ---- the end ---- */

static void *free_endpoint(void *arg)
{
	rpc_free(arg);
	return NULL;
}

/* The end closes connections at once and waits for the calls. */
static void test_end_while_calls_run(void **state)
{
	pthread_t thread;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call_u32(fd, 1, RIG_BLOCK, 0);
	peer_call_u32(fd, 2, RIG_BLOCK, 0);
	rig_wait_inside(&rig, 2);
	pthread_create(&thread, NULL, free_endpoint, rig.rpc);
	peer_expect_end(fd);
	rig_wait_closed(&rig, 1);
	assert_int_equal(rig.inside, 2);
	rig_release(&rig, 2);
	pthread_join(thread, NULL);
	assert_int_equal(rig.inside, 0);
	rig.rpc = NULL;
	close(fd);
	rig_fini(&rig);
}

/* Under load, with calls in every state. */
static void test_end_under_load(void **state)
{
	for (int round = 0; round < 20; round++) {
		struct rig rig;
		int fds[8];

		rig_init(&rig);
		rig_start(&rig);
		for (int i = 0; i < 8; i++)
			fds[i] = rig_pair(&rig, NULL);
		for (uint32_t i = 0; i < 200; i++)
			peer_call_u32(fds[i % 8], i, RIG_ECHO, i);
		rig_fini(&rig);
		assert_int_equal(rig.closed, 8);
		for (int i = 0; i < 8; i++)
			close(fds[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_permits_taken),
		cmocka_unit_test(test_gate_leaves_permits),
		cmocka_unit_test(test_waits_for_a_permit),
		cmocka_unit_test(test_permits_add_up),
		cmocka_unit_test(test_stalled_pool_grows),
		cmocka_unit_test(test_jobs_run_once),
		cmocka_unit_test(test_jobs_at_the_end),
		cmocka_unit_test(test_jobs_do_not_starve_calls),
		cmocka_unit_test(test_end_while_calls_run),
		cmocka_unit_test(test_end_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
