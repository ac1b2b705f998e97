/* SPDX-License-Identifier: MIT */
/* Outside changes of the memory store: what is reported, and to whom. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/memory_foreign.h"
#include "testutil.h"

#define TOLD_MAX 16

/* Reports in their order, as short lines. */
struct ear {
	unsigned count;
	char lines[TOLD_MAX][80];
};

static const char *const kinds[] = {
	[OUTSIDE_ENTRY] = "entry",
	[OUTSIDE_RENAME] = "rename",
	[OUTSIDE_OBJECT] = "object",
	[OUTSIDE_MOVED] = "moved",
	[OUTSIDE_ENDED] = "ended",
	[OUTSIDE_UNWATCHED] = "unwatched",
	[OUTSIDE_LOST] = "lost",
};

static void hear(void *ctx, const struct outside *what)
{
	struct ear *ear = ctx;

	assert_true(ear->count < TOLD_MAX);
	snprintf(ear->lines[ear->count++], sizeof(ear->lines[0]),
		"%s %.*s %.*s", kinds[what->kind], (int)what->name.len,
		what->name.data ? what->name.data : "", (int)what->new_name.len,
		what->new_name.data ? what->new_name.data : "");
}

struct rig {
	struct test_store t;
	struct ear ear;
};

static int setup(void **state)
{
	static struct rig rig;
	struct store_observer observer = {.outside = hear, .ctx = &rig.ear};

	rig.ear.count = 0;
	test_store_init(&rig.t);
	assert_int_equal(store_observe(rig.t.store, &observer), 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	test_store_fini(&rig->t);
	return 0;
}

static void expect(struct rig *rig, unsigned count, const char *last)
{
	assert_int_equal(rig->ear.count, count);
	if (count)
		assert_string_equal(rig->ear.lines[count - 1], last);
	rig->ear.count = 0;
}

static struct name n(const char *text)
{
	return name_from_str(text);
}

static void test_only_what_is_watched(void **state)
{
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root, dir;

	memory_foreign_create(s, root, n("dir"), OBJECT_DIR, &dir);
	expect(rig, 0, NULL);
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_ENTRIES), 0);
	memory_foreign_create(s, root, n("a"), OBJECT_FILE, NULL);
	expect(rig, 0, NULL);
	memory_foreign_create(s, &dir, n("a"), OBJECT_FILE, NULL);
	expect(rig, 1, "entry a ");
	memory_foreign_rename(s, &dir, n("a"), &dir, n("b"));
	expect(rig, 1, "rename a b");
	memory_foreign_rename(s, &dir, n("b"), root, n("b"));
	expect(rig, 1, "entry b ");
	/* Ours is not outside. */
	test_make(s, &dir, "c", OBJECT_FILE);
	expect(rig, 0, NULL);
}

static void test_entries_stay_watched_for_a_while(void **state)
{
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root;

	assert_int_equal(store_watch(s, root, STORE_WATCH_ENTRIES), 0);
	memory_foreign_evict(s, root);
	expect(rig, 0, NULL);
	store_unwatch(s, root, STORE_WATCH_ENTRIES);
	memory_foreign_create(s, root, n("a"), OBJECT_FILE, NULL);
	expect(rig, 1, "entry a ");
	memory_foreign_evict(s, root);
	expect(rig, 1, "unwatched  ");
	memory_foreign_create(s, root, n("b"), OBJECT_FILE, NULL);
	expect(rig, 0, NULL);
}

static void test_attributes_and_data(void **state)
{
	const struct setattr mode = {.mask = SETATTR_MODE, .mode = 0600};
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root, file, other;

	memory_foreign_create(s, root, n("f"), OBJECT_FILE, &file);
	memory_foreign_create(s, root, n("d"), OBJECT_DIR, &other);
	memory_foreign_setattr(s, root, n("f"), &mode);
	expect(rig, 0, NULL);
	assert_int_equal(store_watch(s, root, STORE_WATCH_CHILDREN), 0);
	memory_foreign_setattr(s, root, n("f"), &mode);
	expect(rig, 1, "object  ");
	memory_foreign_setattr(s, &other, n(""), &mode);
	expect(rig, 1, "object  ");
	memory_foreign_write(s, root, n("f"), 0, 1);
	expect(rig, 1, "object  ");
	store_unwatch(s, root, STORE_WATCH_CHILDREN);
	memory_foreign_write(s, root, n("f"), 0, 2);
	expect(rig, 0, NULL);
	/* By another name, elsewhere. */
	memory_foreign_link(s, &file, &other, n("g"));
	expect(rig, 0, NULL);
	assert_int_equal(store_watch(s, &file, STORE_WATCH_OBJECT), 0);
	memory_foreign_write(s, &other, n("g"), 0, 3);
	expect(rig, 1, "object  ");
	memory_foreign_rename(s, &other, n("g"), &other, n("h"));
	expect(rig, 1, "object  ");
	memory_foreign_remove(s, &other, n("h"));
	expect(rig, 1, "object  ");
	store_unwatch(s, &file, STORE_WATCH_OBJECT);
}

static void test_the_end_of_a_directory(void **state)
{
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root, dir;

	memory_foreign_create(s, root, n("d"), OBJECT_DIR, &dir);
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_END), 0);
	memory_foreign_rename(s, root, n("d"), root, n("e"));
	expect(rig, 1, "moved  ");
	memory_foreign_remove(s, root, n("e"));
	expect(rig, 1, "ended  ");
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_END), -ESTALE);
	store_unwatch(s, &dir, STORE_WATCH_END);
}

static void test_room_runs_out(void **state)
{
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root, dir;
	struct store_watch_stats stats;

	memory_foreign_create(s, root, n("d"), OBJECT_DIR, &dir);
	memory_foreign_limit(s, 1);
	assert_int_equal(store_watch(s, root, STORE_WATCH_ENTRIES), 0);
	assert_int_equal(store_watch(s, root, STORE_WATCH_END), 0);
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_ENTRIES), -ENOSPC);
	store_unwatch(s, root, STORE_WATCH_ENTRIES);
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_ENTRIES), -ENOSPC);
	store_unwatch(s, root, STORE_WATCH_END);
	assert_int_equal(store_watch(s, &dir, STORE_WATCH_ENTRIES), 0);
	store_read_watch_stats(s, &stats);
	assert_int_equal(stats.marks, 1);
	assert_int_equal(stats.max_marks, 1);
	assert_int_equal(stats.refused, 2);
}

static void test_nobody_observes(void **state)
{
	struct rig *rig = *state;
	struct store *s = rig->t.store;
	struct fileid *root = &rig->t.root;
	struct store_watch_stats stats;

	assert_int_equal(store_watch(s, root, STORE_WATCH_ENTRIES), 0);
	memory_foreign_lose(s);
	expect(rig, 1, "lost  ");
	assert_int_equal(store_observe(s, NULL), 0);
	memory_foreign_lose(s);
	memory_foreign_create(s, root, n("a"), OBJECT_FILE, NULL);
	expect(rig, 0, NULL);
	assert_int_equal(store_watch(s, root, STORE_WATCH_END), -EOPNOTSUPP);
	store_read_watch_stats(s, &stats);
	assert_int_equal(stats.marks, 0);
	store_unwatch(s, root, STORE_WATCH_ENTRIES);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_only_what_is_watched),
		CASE(test_entries_stay_watched_for_a_while),
		CASE(test_attributes_and_data),
		CASE(test_the_end_of_a_directory),
		CASE(test_room_runs_out),
		CASE(test_nobody_observes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
