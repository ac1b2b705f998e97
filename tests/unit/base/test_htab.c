/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/htab.h"
#include "base/list.h"

#define ITEMS 1000

struct item {
	int number;
	int seen;
	struct htab_link link;
};

static struct item items[ITEMS];

static struct item *item_of(struct htab_link *link)
{
	return container_of(link, struct item, link);
}

/* A table of all items, @per_hash of them under each hash. */
static void fill(struct htab *t, int per_hash)
{
	assert_int_equal(htab_init(t, 1), 0);
	for (int i = 0; i < ITEMS; i++) {
		int key = i / per_hash;

		items[i] = (struct item){.number = i};
		htab_insert(t, &items[i].link, htab_hash(&key, sizeof(key)));
	}
}

static struct item *find(const struct htab *t, int number)
{
	struct htab_link *l;

	htab_for_each_match(l, t, htab_hash(&number, sizeof(number))) {
		if (item_of(l)->number == number)
			return item_of(l);
	}
	return NULL;
}

static void items_are_found_after_growing(void **state)
{
	struct htab t;

	fill(&t, 1);
	assert_int_equal(t.count, ITEMS);
	assert_true(t.mask + 1 >= ITEMS / 2);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(find(&t, i), &items[i]);
	assert_null(find(&t, ITEMS));
	for (int i = 0; i < ITEMS; i += 2)
		htab_remove(&t, &items[i].link);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(find(&t, i), i % 2 ? &items[i] : NULL);
	htab_fini(&t);
}

static void equal_hashes_live_together(void **state)
{
	struct htab t;
	int key = 3;
	int matches = 0;
	struct htab_link *l;

	fill(&t, 10);
	htab_for_each_match(l, &t, htab_hash(&key, sizeof(key))) {
		assert_int_equal(item_of(l)->number / 10, 3);
		matches++;
	}
	assert_int_equal(matches, 10);
	htab_fini(&t);
}

static void a_walk_meets_everything_once(void **state)
{
	struct htab_link *l = NULL;
	size_t cursor = 0;
	struct htab t;
	int met = 0;

	fill(&t, 7); /* long chains */
	while ((l = htab_walk(&t, &cursor, l))) {
		assert_int_equal(item_of(l)->seen++, 0);
		met++;
	}
	assert_int_equal(met, ITEMS);
	htab_fini(&t);
}

/* As the header promises: the link at hand may be removed on the way. */
static void a_walk_may_remove_what_it_meets(void **state)
{
	struct htab_link *l = NULL;
	size_t cursor = 0;
	struct htab t;
	int met = 0;

	fill(&t, 7);
	while ((l = htab_walk(&t, &cursor, l))) {
		htab_remove(&t, l);
		met++;
	}
	assert_int_equal(met, ITEMS);
	assert_int_equal(t.count, 0);
	htab_fini(&t);
}

static void an_empty_table_has_nothing(void **state)
{
	size_t cursor = 0;
	struct htab t;

	assert_int_equal(htab_init(&t, 100), 0);
	assert_true(t.mask + 1 >= 100);
	assert_null(htab_walk(&t, &cursor, NULL));
	assert_null(find(&t, 1));
	htab_fini(&t);
}

static void see_bucket(const struct htab *t, uint64_t *cursor)
{
	struct htab_link *l;

	for (l = htab_scan(t, cursor); l; l = l->next)
		item_of(l)->seen++;
}

/* Half of them are there from the beginning; the others come on the way. */
static void a_scan_sees_each_once_while_the_table_grows(void **state)
{
	for (int pace = 0; pace < 40; pace++) {
		int there = ITEMS / 2;
		uint64_t cursor = 0;
		struct htab t;

		assert_int_equal(htab_init(&t, 1), 0);
		for (int i = 0; i < ITEMS; i++) {
			items[i] = (struct item){.number = i};
			if (i < there)
				htab_insert(&t, &items[i].link,
					htab_hash(&i, sizeof(i)));
		}
		do {
			see_bucket(&t, &cursor);
			for (int n = 0; n < pace && there < ITEMS; n++) {
				htab_insert(&t, &items[there].link,
					htab_hash(&there, sizeof(there)));
				there++;
			}
		} while (cursor);
		for (int i = 0; i < ITEMS / 2; i++)
			assert_int_equal(items[i].seen, 1);
		for (int i = ITEMS / 2; i < ITEMS; i++)
			assert_true(items[i].seen <= 1);
		htab_fini(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_sees_each_once_while_the_table_grows),
		cmocka_unit_test(items_are_found_after_growing),
		cmocka_unit_test(equal_hashes_live_together),
		cmocka_unit_test(a_walk_meets_everything_once),
		cmocka_unit_test(a_walk_may_remove_what_it_meets),
		cmocka_unit_test(an_empty_table_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
