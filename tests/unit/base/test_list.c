/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int number;
	struct list link;
};

/* The numbers on the list as one decimal figure. */
static int digits(struct list *head)
{
	struct item *i;
	int sum = 0;

	list_for_each_entry(i, head, link)
		sum = sum * 10 + i->number;
	return sum;
}

static void items_keep_their_order(void **state)
{
	struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
	struct list head = LIST_INIT(head);

	assert_true(list_empty(&head));
	list_add_tail(&head, &b.link);
	list_add_tail(&head, &c.link);
	list_add_head(&head, &a.link);
	assert_int_equal(digits(&head), 123);
	assert_ptr_equal(list_first_entry(&head, struct item, link), &a);
	assert_ptr_equal(list_last_entry(&head, struct item, link), &c);
	list_del(&b.link);
	assert_int_equal(digits(&head), 13);
	list_insert_after(&c.link, &b.link);
	assert_int_equal(digits(&head), 132);
}

static void deleting_twice_is_harmless(void **state)
{
	struct item a = {.number = 1}, b = {.number = 2};
	struct list head = LIST_INIT(head);

	list_add_tail(&head, &a.link);
	list_add_tail(&head, &b.link);
	list_del(&a.link);
	assert_true(list_empty(&a.link));
	list_del(&a.link);
	assert_int_equal(digits(&head), 2);
}

static void a_safe_walk_may_empty_the_list(void **state)
{
	struct item items[5], *i, *next;
	struct list head = LIST_INIT(head);
	int seen = 0;

	for (int n = 0; n < 5; n++) {
		items[n].number = n + 1;
		list_add_tail(&head, &items[n].link);
	}
	list_for_each_entry_safe(i, next, &head, link) {
		seen = seen * 10 + i->number;
		list_del(&i->link);
	}
	assert_int_equal(seen, 12345);
	assert_true(list_empty(&head));
}

static void splicing_moves_everything(void **state)
{
	struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
	struct list to = LIST_INIT(to), from = LIST_INIT(from);

	list_add_tail(&to, &a.link);
	list_splice_tail(&to, &from);
	assert_int_equal(digits(&to), 1);
	list_add_tail(&from, &b.link);
	list_add_tail(&from, &c.link);
	list_splice_tail(&to, &from);
	assert_int_equal(digits(&to), 123);
	assert_true(list_empty(&from));
	list_splice_tail(&from, &to);
	assert_int_equal(digits(&from), 123);
	assert_true(list_empty(&to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_keep_their_order),
		cmocka_unit_test(deleting_twice_is_harmless),
		cmocka_unit_test(a_safe_walk_may_empty_the_list),
		cmocka_unit_test(splicing_moves_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
