/* SPDX-License-Identifier: MIT */
#include "base/counter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define THREADS 8
#define ROUNDS  10000

static struct counter counter;
static struct histogram histogram;

static void *add_many(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		counter_add(&counter, i % 2 ? 3 : -1);
		histogram_add(&histogram, i % 4);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct histogram_values values;
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, add_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(counter_read(&counter), THREADS * ROUNDS);
	histogram_read(&histogram, &values);
	assert_int_equal(histogram_count(&values), THREADS * ROUNDS);
	assert_int_equal(values.sum, THREADS * ROUNDS * 6 / 4);
	assert_int_equal(values.bucket[0], THREADS * ROUNDS / 2); /* 0, 1 */
	assert_int_equal(values.bucket[1], THREADS * ROUNDS / 4); /* 2 */
	assert_int_equal(values.bucket[2], THREADS * ROUNDS / 4); /* 3 */
}

/* A bucket holds what is above the one before and up to its power of two. */
static void test_buckets(void **state)
{
	const unsigned last = HISTOGRAM_BUCKETS - 1;

	assert_int_equal(histogram_bucket(0), 0);
	for (unsigned i = 0; i < last; i++) {
		assert_int_equal(histogram_bucket(UINT64_C(1) << i), i);
		assert_int_equal(
			histogram_bucket((UINT64_C(1) << i) + 1), i + 1);
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), last);
	assert_int_equal(histogram_bucket(UINT64_C(1) << 63), last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
