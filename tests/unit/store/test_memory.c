/* SPDX-License-Identifier: MIT */
/* What is the memory store's own, beside the contract. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/memory_foreign.h"
#include "testutil.h"

struct count {
	unsigned names;
	char last[NAME_LEN_MAX + 1];
};

static bool count_name(void *ctx, struct name name, uint64_t cookie)
{
	struct count *c = ctx;

	c->names++;
	memcpy(c->last, name.data, name.len);
	c->last[name.len] = 0;
	return true;
}

static unsigned count_dir(struct test_store *t, const struct fileid *dir)
{
	struct count c = {0};
	struct store_page page;

	assert_int_equal(store_readdir(t->store, &cred_server, dir, 0, 0,
				 count_name, &c, &page),
		0);
	assert_true(page.eof);
	return c.names;
}

static void test_fresh(void **state)
{
	struct test_store t;
	struct fsinfo info;
	struct attr attr;

	test_store_init(&t);
	assert_int_equal(store_getattr(t.store, &t.root, &attr), 0);
	assert_int_equal(attr.type, OBJECT_DIR);
	assert_int_equal(attr.mode, 01777);
	assert_int_equal(attr.nlink, 2);
	assert_int_equal(count_dir(&t, &t.root), 0);
	assert_int_equal(store_statfs(t.store, &t.root, &info), 0);
	assert_true(info.has_xattrs);
	test_store_fini(&t);
}

static void test_time_stands_still(void **state)
{
	struct test_store t;
	struct attr before, after;

	test_store_init(&t);
	store_getattr(t.store, &t.root, &before);
	test_make(t.store, &t.root, "a", OBJECT_FILE);
	store_getattr(t.store, &t.root, &after);
	assert_int_equal(before.ctime_ns, after.ctime_ns);
	clock_advance_ns(&t.clock, TEST_TICK_NS);
	test_make(t.store, &t.root, "b", OBJECT_FILE);
	store_getattr(t.store, &t.root, &after);
	assert_int_equal(before.ctime_ns + TEST_TICK_NS, after.ctime_ns);
	test_store_fini(&t);
}

static int foreign_create(struct test_store *t, struct name name)
{
	return memory_foreign_create(
		t->store, &t->root, name, OBJECT_FILE, NULL);
}

static void test_local_changes_show(void **state)
{
	struct name name = name_from_str("local");
	struct test_store t;

	test_store_init(&t);
	assert_int_equal(count_dir(&t, &t.root), 0);
	/* In one tick with the fill, and later: neither is missed. */
	assert_int_equal(foreign_create(&t, name), 0);
	assert_int_equal(foreign_create(&t, name), -EEXIST);
	assert_int_equal(count_dir(&t, &t.root), 1);
	clock_advance_ms(&t.clock, 100);
	assert_int_equal(count_dir(&t, &t.root), 1);
	clock_advance_ms(&t.clock, 100);
	assert_int_equal(memory_foreign_remove(t.store, &t.root, name), 0);
	assert_int_equal(
		memory_foreign_remove(t.store, &t.root, name), -ENOENT);
	assert_int_equal(count_dir(&t, &t.root), 0);
	test_store_fini(&t);
}

static void test_outlives_its_server(void **state)
{
	struct test_store t;

	test_store_init(&t);
	test_make(t.store, &t.root, "kept", OBJECT_FILE);
	assert_int_equal(count_dir(&t, &t.root), 1);
	test_store_restart(&t, TEST_BUDGET);
	assert_int_equal(count_dir(&t, &t.root), 1);
	test_store_fini(&t);
}

static void test_fileids_are_never_reused(void **state)
{
	struct fileid first, second;
	struct test_store t, other;

	test_store_init(&t);
	test_store_init(&other);
	first = test_make(t.store, &t.root, "a", OBJECT_FILE);
	test_remove(t.store, &t.root, "a");
	second = test_make(t.store, &t.root, "a", OBJECT_FILE);
	assert_false(fileid_equal(&first, &second));
	assert_int_equal(store_probe(t.store, &first), -ESTALE);
	assert_int_equal(store_probe(t.store, &second), 0);
	assert_int_equal(store_probe(other.store, &second), -ESTALE);
	test_store_fini(&other);
	test_store_fini(&t);
}

static void test_space_ends(void **state)
{
	struct fsinfo before, after;
	struct test_store t;
	struct fileid id;

	test_store_init(&t);
	id = test_make(t.store, &t.root, "f", OBJECT_FILE);
	assert_int_equal(store_statfs(t.store, &id, &before), 0);
	assert_int_equal(store_allocate(t.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, before.space_total + 1),
		-ENOSPC);
	assert_int_equal(store_allocate(t.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, 1 << 20),
		0);
	assert_int_equal(store_statfs(t.store, &id, &after), 0);
	assert_int_equal(before.space_free - after.space_free, 1 << 20);
	test_remove(t.store, &t.root, "f");
	assert_int_equal(store_statfs(t.store, &t.root, &after), 0);
	assert_int_equal(before.space_free, after.space_free);
	test_store_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_time_stands_still),
		cmocka_unit_test(test_local_changes_show),
		cmocka_unit_test(test_outlives_its_server),
		cmocka_unit_test(test_fileids_are_never_reused),
		cmocka_unit_test(test_space_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
