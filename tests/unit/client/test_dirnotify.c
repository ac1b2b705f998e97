/* SPDX-License-Identifier: MIT */
/*
 * CB_NOTIFY bodies as bytes worked out by hand from RFC 8881 20.4.1, and what
 * the model is to make of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/dirnotify.h"

#define MAX_SEEN 4

struct seen {
	struct dircache_change changes[MAX_SEEN];
	unsigned count;
};

static int see(void *ctx, const struct dircache_change *change)
{
	struct seen *seen = ctx;

	if (seen->count == MAX_SEEN)
		return 1;
	seen->changes[seen->count++] = *change;
	return 0;
}

static struct arena arena;

static nfsstat4 decode(
	uint32_t mask, const void *bytes, size_t len, struct seen *seen)
{
	notify4 given = {.notify_mask.word = {mask},
		.notify_vals = xdr_opaque_from(bytes, (uint32_t)len)};

	*seen = (struct seen){.count = 0};
	return dirnotify_decode(&given, &arena, see, seen);
}

static int setup(void **state)
{
	arena_init(&arena, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	arena_fini(&arena);
	return 0;
}

static void assert_name(struct name name, const char *expected)
{
	assert_int_equal(name.len, strlen(expected));
	assert_memory_equal(name.data, expected, name.len);
}

/* As knfsd sends them: no cookie, no position, no attributes. */
static void test_plain_remove(void **state)
{
	static const uint8_t bytes[] = {
		0, 0, 0, 3, 'o', 'l', 'd', 0, /* ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,       /* no attributes */
		0, 0, 0, 0, 0, 0, 0, 0,       /* cookie 0 */
	};
	struct seen seen;

	assert_int_equal(decode(1 << 2, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.changes[0].kind, CHANGE_REMOVE_ENTRY);
	assert_name(seen.changes[0].entry.name, "old");
	assert_int_equal(seen.changes[0].entry.cookie, COOKIE_NONE);
	assert_true(bitmap4_empty(&seen.changes[0].entry.mask));
}

static const uint8_t full_add[] = {
	0, 0, 0, 1,                     /* nad_old_entry: one */
	0, 0, 0, 1, 'o', 0, 0, 0,       /* its name */
	0, 0, 0, 0, 0, 0, 0, 0,         /* no attributes */
	0, 0, 0, 0, 0, 0, 0, 9,         /* its cookie */
	0, 0, 0, 4, 'n', 'a', 'm', 'e', /* the new name */
	0, 0, 0, 2,                     /* two words of mask */
	0, 0x18, 0, 2,                  /* 1 type, 19 handle, 20 fileid */
	0, 0, 0, 0x10,                  /* 36 owner */
	0, 0, 0, 32,                    /* bytes of values */
	0, 0, 0, 2,                     /* NF4DIR */
	0, 0, 0, 3, 'f', 'h', '!', 0,   /* the handle */
	0, 0, 0, 0, 0, 0, 1, 2,         /* fileid 258 */
	0, 0, 0, 5, '1', '0', '0', '0', '7', 0, 0, 0, /* owner */
	0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 77,          /* its cookie */
	0, 0, 0, 1,                                   /* nad_prev_entry: one */
	0, 0, 0, 2, 'p', 'r', 0, 0,                   /* its name */
	0, 0, 0, 0, 0, 0, 0, 0,                       /* no attributes */
	0, 0, 0, 0, 0, 0, 0, 76,                      /* its cookie */
	0, 0, 0, 1,                                   /* nad_last_entry */
};

static void check_full_add(const struct dircache_change *c)
{
	assert_true(c->has_overwritten);
	assert_name(c->overwritten.name, "o");
	assert_int_equal(c->overwritten.cookie, 9);
	assert_name(c->entry.name, "name");
	assert_int_equal(c->entry.attr.type, OBJECT_DIR);
	assert_int_equal(c->entry.attr.inode, 258);
	assert_int_equal(c->entry.attr.uid, 10007);
	assert_int_equal(c->entry.handle.len, 3);
	assert_memory_equal(c->entry.handle.data, "fh!", 3);
	assert_int_equal(c->entry.cookie, 77);
	assert_true(c->has_previous);
	assert_name(c->previous, "pr");
	assert_int_equal(c->previous_cookie, 76);
	assert_true(c->last);
}

static void test_full_add(void **state)
{
	struct seen seen;

	assert_int_equal(
		decode(1 << 3, full_add, sizeof(full_add), &seen), NFS4_OK);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.changes[0].kind, CHANGE_ADD_ENTRY);
	check_full_add(&seen.changes[0]);
}

static void test_rename(void **state)
{
	uint8_t bytes[24 + sizeof(full_add)] = {
		0, 0, 0, 3, 'w', 'a', 's', 0, /* nrn_old_entry */
		0, 0, 0, 0, 0, 0, 0, 0,       /* no attributes */
		0, 0, 0, 0, 0, 0, 0, 5,       /* its cookie */
	};
	struct seen seen;

	memcpy(bytes + 24, full_add, sizeof(full_add));
	assert_int_equal(decode(1 << 4, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(seen.changes[0].kind, CHANGE_RENAME_ENTRY);
	assert_name(seen.changes[0].old.name, "was");
	assert_int_equal(seen.changes[0].old.cookie, 5);
	check_full_add(&seen.changes[0]);
}

static void test_dir_attrs(void **state)
{
	static const uint8_t bytes[] = {
		0, 0, 0, 0,             /* no name */
		0, 0, 0, 1, 0, 0, 0, 8, /* 3 change */
		0, 0, 0, 8,             /* bytes */
		0, 0, 0, 1, 0, 0, 0, 0, /* 2^32 */
	};
	struct seen seen;

	assert_int_equal(decode(1 << 1, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(seen.changes[0].kind, CHANGE_DIR_ATTRS);
	assert_int_equal(seen.changes[0].entry.attr.change, 1ull << 32);
}

static void test_verifier(void **state)
{
	static const uint8_t bytes[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1};
	verifier4 old = {1, 2, 3, 4, 5, 6, 7, 8};
	struct seen seen;

	assert_int_equal(decode(1 << 5, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(seen.changes[0].kind, CHANGE_COOKIE_VERIFIER);
	assert_int_equal(seen.changes[0].old_verifier, dirnotify_verifier(old));
	assert_int_not_equal(
		seen.changes[0].new_verifier, seen.changes[0].old_verifier);
}

/* Several bits in one mask: their values follow in ascending order. */
static void test_two_in_one(void **state)
{
	static const uint8_t bytes[] = {
		0,
		0,
		0,
		1,
		'a',
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0, /* attrs */
		0,
		0,
		0,
		1,
		'b',
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0, /* remove */
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
	};
	struct seen seen;

	assert_int_equal(
		decode(1 << 2 | 1 << 0, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.changes[0].kind, CHANGE_CHILD_ATTRS);
	assert_name(seen.changes[0].entry.name, "a");
	assert_int_equal(seen.changes[1].kind, CHANGE_REMOVE_ENTRY);
	assert_name(seen.changes[1].entry.name, "b");
}

static void test_malformed(void **state)
{
	struct seen seen;
	uint8_t longer[sizeof(full_add) + 4] = {0};

	for (size_t len = 0; len < sizeof(full_add); len++)
		assert_int_equal(
			decode(1 << 3, full_add, len, &seen), NFS4ERR_BADXDR);
	memcpy(longer, full_add, sizeof(full_add));
	assert_int_equal(
		decode(1 << 3, longer, sizeof(longer), &seen), NFS4ERR_BADXDR);
	assert_int_equal(decode(1 << 6, full_add, sizeof(full_add), &seen),
		NFS4ERR_INVAL);
	assert_int_equal(decode(0, "", 0, &seen), NFS4_OK);
	assert_int_equal(seen.count, 0);
}

/* Names that are none must not reach anybody's tool. */
static void test_bad_names(void **state)
{
	uint8_t bytes[] = {
		0, 0, 0, 3, 'a', '/', 'b', 0, /* ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,       /* no attributes */
		0, 0, 0, 0, 0, 0, 0, 0,       /* cookie 0 */
	};
	static const uint8_t empty[20] = {0};
	struct seen seen;

	assert_int_equal(
		decode(1 << 2, bytes, sizeof(bytes), &seen), NFS4ERR_INVAL);
	bytes[5] = '\0';
	assert_int_equal(
		decode(1 << 2, bytes, sizeof(bytes), &seen), NFS4ERR_INVAL);
	bytes[5] = 'x';
	assert_int_equal(decode(1 << 2, bytes, sizeof(bytes), &seen), NFS4_OK);
	assert_int_equal(
		decode(1 << 2, empty, sizeof(empty), &seen), NFS4ERR_BADXDR);
}

static void test_named_owner(void **state)
{
	static const uint8_t value[] = {0, 0, 0, 4, 'r', 'o', 'o', 't'};
	fattr4 attrs = {.attr_vals = {.len = 8, .data = value}};
	component4 name = xdr_opaque_from_str("x");
	struct dircache_entry a, b;

	bitmap4_set(&attrs.attrmask, FATTR4_OWNER);
	assert_int_equal(dirnotify_entry(&name, &attrs, 3, &a), NFS4_OK);
	assert_int_equal(dirnotify_entry(&name, &attrs, 3, &b), NFS4_OK);
	assert_int_equal(a.attr.uid, b.attr.uid);
	assert_int_equal(a.cookie, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_remove),
		TEST(test_full_add),
		TEST(test_rename),
		TEST(test_dir_attrs),
		TEST(test_verifier),
		TEST(test_two_in_one),
		TEST(test_malformed),
		TEST(test_bad_names),
		TEST(test_named_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
