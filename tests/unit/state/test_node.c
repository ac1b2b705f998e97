/* SPDX-License-Identifier: MIT */
/* Nodes: one per object, as long as somebody needs it. */
#include "world.h"

#include <pthread.h>
#include <stdio.h>

#include "base/rand.h"
#include "state/changeattr.h"
#include "state/node.h"

static uint64_t nodes(struct world *w)
{
	struct state_stats stats;

	state_read_stats(w->state, &stats);
	return stats.nodes;
}

static void test_one_per_object(void **arg)
{
	struct world *w = world_new();
	struct fileid f = file_named("f"), g = file_named("g"), got;
	struct node *n, *again, *other;

	assert_null(node_find(w->state, &f));
	n = node_get(w->state, &f);
	again = node_get(w->state, &f);
	other = node_get(w->state, &g);
	assert_ptr_equal(n, again);
	assert_ptr_not_equal(n, other);
	node_copy_id(n, &got);
	assert_true(fileid_equal(&got, &f));
	assert_int_equal(nodes(w), 2);
	node_put(again);
	again = node_find(w->state, &f);
	assert_ptr_equal(n, again);
	node_put(again);
	node_put(n);
	node_put(other);
	node_put(NULL);
	assert_int_equal(nodes(w), 0);
	assert_null(node_find(w->state, &f));
	world_free(w);
}

static void test_long_and_empty_ids(void **arg)
{
	struct world *w = world_new();
	struct fileid full = {.len = FILEID_MAX}, none = {.len = 0}, got;
	struct node *n, *m;

	memset(full.data, 0xa5, sizeof(full.data));
	n = node_get(w->state, &full);
	m = node_get(w->state, &none);
	assert_ptr_not_equal(n, m);
	node_copy_id(n, &got);
	assert_true(fileid_equal(&got, &full));
	node_put(n);
	node_put(m);
	world_free(w);
}

static void test_kept_for_a_while(void **arg)
{
	struct world *w = world_new();
	struct fileid f = file_named("f"), g = file_named("g");
	uint64_t keep_ms = changeattr_keep_ms(w->state);

	changeattr_bump(w->state, &f, clock_file_ns(&w->clock));
	world_advance(w, keep_ms - 1);
	changeattr_bump(w->state, &g, clock_file_ns(&w->clock));
	changeattr_bump(w->state, &f, clock_file_ns(&w->clock)); /* longer */
	world_advance(w, keep_ms - 1);
	assert_int_equal(nodes(w), 2);
	world_advance(w, keep_ms + 1);
	assert_int_equal(nodes(w), 0);
	/* Whoever is still kept goes with the state. */
	changeattr_bump(w->state, &f, clock_file_ns(&w->clock));
	world_free(w);
}

static void *get_and_put(void *arg)
{
	struct world *w = arg;
	struct rand_stream r = {.state = rand_u64()};
	char name[8];

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%d",
			(int)rand_stream_below(&r, 4));
		struct fileid id = file_named(name);
		struct node *n = node_get(w->state, &id);
		struct fileid got;

		node_copy_id(n, &got);
		assert_true(fileid_equal(&got, &id));
		if (i % 16 == 0)
			changeattr_bump_node(n, i);
		node_put(n);
	}
	return NULL;
}

static void test_race(void **arg)
{
	struct world *w = world_new();
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, get_and_put, w);
	for (int i = 0; i < 200; i++)
		world_advance(w, 10);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	world_advance(w, 1000);
	assert_int_equal(nodes(w), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_per_object),
		cmocka_unit_test(test_long_and_empty_ids),
		cmocka_unit_test(test_kept_for_a_while),
		cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
