/* SPDX-License-Identifier: MIT */
/* What holders were told that a directory contains: names and children. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "state/told.h"

static struct fileid child_id(unsigned number)
{
	struct fileid id = {.len = sizeof(number)};

	memcpy(id.data, &number, sizeof(number));
	return id;
}

static uint64_t child(unsigned number)
{
	struct fileid id = child_id(number);

	return told_child(&id);
}

static int set(struct told *t, const char *name, unsigned number)
{
	return told_set(t,
		&(struct told_entry){.name = name_from_str(name),
			.child = child(number),
			.cookie = 1000 + number,
			.type = OBJECT_FILE});
}

static bool has(const struct told *t, const char *name, unsigned number)
{
	struct told_entry e;

	return told_find(t, name_from_str(name), &e) &&
		name_equal(e.name, name_from_str(name)) &&
		e.child == child(number);
}

static unsigned names_of(const struct told *t, unsigned number)
{
	struct told_entry e;
	uint32_t at = 0;
	unsigned n = 0;

	while (told_next_name(t, child(number), &at, &e)) {
		assert_int_equal(e.child, child(number));
		n++;
	}
	return n;
}

static void test_empty(void **state)
{
	uint64_t before = told_bytes_all();
	struct told *t = told_new(10);
	struct told_entry e;
	uint32_t at = 0;

	assert_false(told_find(t, name_from_str("a"), &e));
	assert_false(told_next_name(t, child(1), &at, &e));
	at = 0;
	assert_false(told_walk(t, &at, &e));
	assert_false(told_remove(t, name_from_str("a")));
	assert_int_equal(told_bytes_all() - before, told_bytes(t));
	assert_in_range(told_bytes(t), 1, 200);
	told_put(t);
	told_put(NULL);
	assert_int_equal(told_bytes_all(), before);
}

static void test_by_name_and_by_child(void **state)
{
	struct told *t = told_new(10);
	struct told_entry e;

	assert_int_equal(set(t, "a", 1), 0);
	assert_int_equal(set(t, "b", 2), 0);
	assert_int_equal(set(t, "link to a", 1), 0);
	assert_int_equal(t->count, 3);
	assert_true(has(t, "a", 1) && has(t, "b", 2) && has(t, "link to a", 1));
	assert_int_equal(names_of(t, 1), 2);
	assert_int_equal(names_of(t, 2), 1);
	assert_int_equal(names_of(t, 3), 0);
	assert_true(told_find(t, name_from_str("b"), &e));
	assert_int_equal(e.cookie, 1002);
	assert_int_equal(e.type, OBJECT_FILE);
	/* The name stands for another child now. */
	assert_int_equal(set(t, "a", 2), 0);
	assert_int_equal(t->count, 3);
	assert_int_equal(names_of(t, 1), 1);
	assert_int_equal(names_of(t, 2), 2);
	assert_true(told_remove(t, name_from_str("a")));
	assert_false(told_remove(t, name_from_str("a")));
	assert_int_equal(names_of(t, 2), 1);
	told_put(t);
}

static void test_no_more_than_the_limit(void **state)
{
	struct told *t = told_new(4);
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};

	assert_int_equal(set(t, "a", 1), 0);
	assert_int_equal(set(t, "b", 2), 0);
	assert_int_equal(set(t, "c", 3), 0);
	assert_int_equal(set(t, "d", 4), 0);
	assert_int_equal(set(t, "e", 5), -ENOSPC);
	assert_int_equal(set(t, "d", 6), 0); /* not one more */
	/* What comes later may be a quarter more. */
	c.entry.name = name_from_str("e");
	assert_int_equal(told_apply(t, &c), 0);
	c.entry.name = name_from_str("f");
	assert_int_equal(told_apply(t, &c), -ENOSPC);
	assert_int_equal(t->count, 5);
	told_put(t);
}

static void test_changes(void **state)
{
	struct told *t = told_new(10);
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};
	struct told_entry e;

	c.entry.name = name_from_str("x");
	c.entry.child = child_id(1);
	c.entry.cookie = 7;
	c.entry.type = OBJECT_SYMLINK;
	assert_int_equal(told_apply(t, &c), 0);
	assert_true(has(t, "x", 1));
	/* Renamed over another: that one is gone. */
	assert_int_equal(set(t, "y", 2), 0);
	c = (struct dir_change){
		.kind = CHANGE_RENAME_ENTRY, .has_overwritten = true};
	c.old.name = name_from_str("x");
	c.entry.name = c.overwritten.name = name_from_str("y");
	c.entry.cookie = 8;
	assert_int_equal(told_apply(t, &c), 0);
	assert_false(told_find(t, name_from_str("x"), &e));
	assert_true(told_find(t, name_from_str("y"), &e));
	assert_int_equal(e.child, child(1)); /* known by its old name */
	assert_int_equal(e.type, OBJECT_SYMLINK);
	assert_int_equal(e.cookie, 8);
	assert_int_equal(names_of(t, 2), 0);
	/* A moved verifier: nobody else's cookie is known. */
	assert_int_equal(set(t, "z", 3), 0);
	c = (struct dir_change){
		.kind = CHANGE_ADD_ENTRY, .verifier_moved = true};
	c.entry.name = name_from_str("w");
	c.entry.cookie = 9;
	assert_int_equal(told_apply(t, &c), 0);
	assert_true(told_find(t, name_from_str("z"), &e));
	assert_int_equal(e.cookie, COOKIE_NONE);
	assert_true(told_find(t, name_from_str("w"), &e));
	assert_int_equal(e.cookie, 9);
	/* Others change no entry. */
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		c = (struct dir_change){.kind = kind};
		c.entry.name = name_from_str("y");
		if (kind == CHANGE_ADD_ENTRY || kind == CHANGE_RENAME_ENTRY)
			continue;
		assert_int_equal(told_apply(t, &c), 0);
		assert_int_equal(told_find(t, name_from_str("y"), &e),
			kind < CHANGE_REMOVE_ENTRY);
	}
	told_put(t);
}

/* ---- against a plain list ---- */

#define MODEL_NAMES    600
#define MODEL_CHILDREN 40

struct model {
	unsigned child[MODEL_NAMES]; /* 0: no such name */
	unsigned count;
};

static void name_of(unsigned i, char *buf, size_t size)
{
	/* Lengths from one byte to the longest there is. */
	size_t len = 1 + snprintf(buf, size, "%u", i);

	while (len < 2 + i * 7 % 255 && len < size)
		buf[len++ - 1] = 'x';
	buf[len - 1] = '\0';
}

static void compare(const struct told *t, const struct model *m)
{
	unsigned names[MODEL_CHILDREN + 1] = {0}, seen = 0;
	struct told_entry e;
	char buf[256];
	uint32_t at = 0;

	assert_int_equal(t->count, m->count);
	for (unsigned i = 0; i < MODEL_NAMES; i++) {
		name_of(i, buf, sizeof(buf));
		if (m->child[i])
			assert_true(has(t, buf, m->child[i]));
		else
			assert_false(told_find(t, name_from_str(buf), &e));
		names[m->child[i]]++;
	}
	for (unsigned c = 1; c <= MODEL_CHILDREN; c++)
		assert_int_equal(names_of(t, c), names[c]);
	while (told_walk(t, &at, &e))
		seen++;
	assert_int_equal(seen, m->count);
}

static void step(struct told *t, struct model *m, struct rand_stream *r)
{
	unsigned i = rand_stream_below(r, MODEL_NAMES);
	unsigned c = 1 + rand_stream_below(r, MODEL_CHILDREN);
	char buf[256];

	name_of(i, buf, sizeof(buf));
	if (rand_stream_below(r, 100) < 45) {
		assert_int_equal(
			told_remove(t, name_from_str(buf)), m->child[i] != 0);
		m->count -= m->child[i] != 0;
		m->child[i] = 0;
		return;
	}
	assert_int_equal(set(t, buf, c), 0);
	m->count += m->child[i] == 0;
	m->child[i] = c;
}

static void test_against_a_list(void **state)
{
	struct rand_stream r = {.state = 2024};
	struct model m = {.count = 0};
	struct told *t = told_new(MODEL_NAMES);
	uint64_t before = told_bytes_all() - told_bytes(t);

	for (unsigned i = 0; i < 20000; i++) {
		step(t, &m, &r);
		if (i % 500 == 0)
			compare(t, &m);
	}
	compare(t, &m);
	assert_int_equal(told_bytes_all() - before, told_bytes(t));
	told_put(t);
	assert_int_equal(told_bytes_all(), before);
}

static void test_walk_may_remove(void **state)
{
	struct told *t = told_new(100);
	struct told_entry e;
	uint32_t at = 0;
	char buf[16];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(buf, sizeof(buf), "%u", i);
		assert_int_equal(set(t, buf, i), 0);
	}
	while (told_walk(t, &at, &e))
		assert_true(told_remove(t, e.name));
	assert_int_equal(t->count, 0);
	told_put(t);
}

/* What ten thousand entries with names of 12 bytes take. */
static void set_cookie(struct told *t, const char *name, uint64_t cookie)
{
	struct told_entry e = {
		.name = name_from_str(name), .child = 1, .cookie = cookie};

	assert_int_equal(told_set(t, &e), 0);
}

static void test_places(void **state)
{
	struct told *t = told_new(10);
	struct told_place place;

	assert_true(told_find_place(t, 5, &place));
	assert_true(place.last && place.previous.name.len == 0);
	set_cookie(t, "c", 30);
	set_cookie(t, "a", 10);
	set_cookie(t, "b", 20);
	assert_true(told_find_place(t, 20, &place));
	assert_true(name_equal(place.previous.name, name_from_str("a")));
	assert_false(place.last);
	assert_true(told_find_place(t, 31, &place));
	assert_int_equal(place.previous.cookie, 30);
	assert_true(place.last);
	assert_false(told_find_place(t, COOKIE_NONE, &place));
	set_cookie(t, "d", COOKIE_NONE);
	assert_false(told_find_place(t, 20, &place));
	told_put(t);
}

static void test_memory(void **state)
{
	const unsigned count = 10000;
	struct told *t = told_new(count);
	char buf[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(buf, sizeof(buf), "file-%07u", i);
		assert_int_equal(set(t, buf, i), 0);
	}
	print_message("%zu bytes per entry\n", told_bytes(t) / count);
	assert_in_range(told_bytes(t) / count, 32 + 12, 80);
	told_put(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_by_name_and_by_child),
		cmocka_unit_test(test_no_more_than_the_limit),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_against_a_list),
		cmocka_unit_test(test_walk_may_remove),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
