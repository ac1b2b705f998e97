/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the memory store and the directory index fails once,
 * and then all of them from each on: a call may fail, and then nothing has
 * happened; what is there afterwards is what the calls said.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shortage.h"
#include "testutil.h"

#define FILES 30

/* What must be there, as far as the calls said so. */
struct script {
	struct test_store t;
	bool there[2 * FILES];
	bool has_value;
	size_t size;
	struct fileid file;
};

static struct name file_name(unsigned i, char buf[16])
{
	return (struct name){.len = snprintf(buf, 16, "f%u", i), .data = buf};
}

static bool worked(int err)
{
	assert_true(err == 0 || (err == -ENOMEM && shortage.failed > 0));
	return err == 0;
}

struct names_seen {
	const struct script *s;
	unsigned count;
	bool wrong;
};

static bool see_name(void *ctx, struct name name, uint64_t cookie)
{
	struct names_seen *n = ctx;
	char buf[16] = {0};

	if (name_equal(name, name_from_str("file")) || name.data[0] == 'o')
		return true;
	memcpy(buf, name.data, name.len);
	n->wrong |= !n->s->there[atoi(buf + 1)];
	n->count++;
	return true;
}

static void check_names(struct script *s)
{
	struct names_seen n = {.s = s};
	struct store_page page;
	unsigned expected = 0;

	if (!worked(store_readdir(s->t.store, &cred_server, &s->t.root, 0, 0,
		    see_name, &n, &page)))
		return;
	for (unsigned i = 0; i < 2 * FILES; i++)
		expected += s->there[i];
	assert_false(n.wrong);
	if (page.eof)
		assert_int_equal(n.count, expected);
}

static void run_names(struct script *s)
{
	struct store_new new = {.type = OBJECT_FILE};
	struct store *store = s->t.store;
	struct fileid *root = &s->t.root, id;
	bool nothing;

	for (unsigned i = 0; i < FILES; i++) {
		struct dir_change change = {0};
		char buf[16], to[16];

		new.type = i % 4 ? OBJECT_FILE : OBJECT_DIR;
		if (!worked(store_create(store, &cred_server, root,
			    file_name(i, buf), &new, &id, &change)))
			continue;
		s->there[i] = true;
		if (i % 3 == 0 &&
			worked(store_rename(store, &cred_server, root,
				file_name(i, buf), root,
				file_name(FILES + i, to), &change, &change,
				&nothing))) {
			s->there[i] = false;
			s->there[FILES + i] = true;
		} else if (i % 5 == 1 &&
			worked(store_remove(store, &cred_server, root,
				file_name(i, buf), &change))) {
			s->there[i] = false;
		}
	}
}

static void run_contents(struct script *s)
{
	enum store_stability stability = STORE_UNSTABLE;
	struct store *store = s->t.store;
	char data[10000] = {0};
	size_t done;

	for (unsigned i = 0; i < 4; i++) {
		if (worked(store_write(store, &cred_server, &s->file, 0,
			    s->size, data, sizeof(data), &stability, &done)))
			s->size += done;
	}
	s->has_value |= worked(store_xattr_set(store, &cred_server, &s->file,
		name_from_str("name"), "value", 5, XATTR_EITHER));
}

static void check_contents(struct script *s)
{
	struct attr attr;
	char buf[8];
	size_t len = sizeof(buf);
	int err = store_xattr_get(s->t.store, &cred_server, &s->file,
		name_from_str("name"), buf, &len);

	assert_int_equal(err, s->has_value ? 0 : -ENODATA);
	assert_int_equal(store_getattr(s->t.store, &s->file, &attr), 0);
	assert_int_equal(attr.size, s->size);
}

/*
 * Everything, with the @n-th allocation failing, beside @others that are there
 * before: how many failed.
 */
static unsigned run(unsigned n, bool lasting, unsigned others)
{
	struct script s = {0};
	char buf[16] = "o";

	test_store_init(&s.t);
	for (unsigned i = 0; i < others; i++) {
		snprintf(buf, sizeof(buf), "o%u", i);
		test_make(s.t.store, &s.t.root, buf, OBJECT_FILE);
	}
	s.file = test_make(s.t.store, &s.t.root, "file", OBJECT_FILE);
	dirindex_forget(s.t.index, &s.t.root);
	shortage_begin(n, lasting);
	run_names(&s);
	check_names(&s);
	run_contents(&s);
	check_names(&s);
	shortage_end();
	check_names(&s);
	check_contents(&s);
	test_store_fini(&s.t);
	return shortage.failed;
}

static void test_one_fails(void **state)
{
	unsigned n = 0;

	while (run(n, false, 0))
		n++;
	assert_true(n > 3 * FILES); /* there was something to fail */
}

static void test_all_fail_from_one_on(void **state)
{
	unsigned n = 0;

	while (run(n, true, 0))
		n++;
}

/* Enough names for segments to be split. */
static void test_one_fails_in_a_crowd(void **state)
{
	unsigned n = 0;

	while (run(n, false, 600))
		n++;
}

/* What cannot be made is not made, and nothing is left of it. */
static void test_no_store(void **state)
{
	struct clock clock;
	unsigned n = 0;

	clock_init_fake(&clock, TEST_EPOCH_NS, TEST_TICK_NS);
	do {
		struct dirindex *index;
		struct store *store = NULL;

		shortage_begin(n++, false);
		index = dirindex_new(&clock, test_cookie_secret, TEST_BUDGET);
		if (index)
			store = memory_new(&clock, index);
		shortage_end();
		assert_int_equal(!store, shortage.failed > 0);
		store_free(store);
		dirindex_free(index);
	} while (shortage.failed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_fails),
		cmocka_unit_test(test_all_fail_from_one_on),
		cmocka_unit_test(test_one_fails_in_a_crowd),
		cmocka_unit_test(test_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
