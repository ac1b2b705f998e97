/* SPDX-License-Identifier: MIT */
/* What must be the same after a restart, and what must not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

#define ENTRIES 200

static struct posix_rig rig;

static int setup(void **state)
{
	rig_init(&rig);
	rig_start(&rig);
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

struct listing {
	unsigned count;
	uint64_t cookies[ENTRIES];
	char names[ENTRIES][8];
};

static bool list_one(void *ctx, struct name name, uint64_t cookie)
{
	struct listing *l = ctx;

	assert_true(l->count < ENTRIES && name.len < sizeof(l->names[0]));
	l->cookies[l->count] = cookie;
	memcpy(l->names[l->count], name.data, name.len);
	l->names[l->count][name.len] = 0;
	l->count++;
	return true;
}

static uint64_t list(struct listing *l)
{
	struct store_page page;

	l->count = 0;
	assert_int_equal(store_readdir(rig.store, &cred_server, &rig.root, 0, 0,
				 list_one, l, &page),
		0);
	assert_true(page.eof);
	return page.verifier;
}

static void test_listing_stays(void **state)
{
	static struct listing before, after;
	uint64_t verifier;
	char name[8];

	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		rig_make(&rig, &rig.root, name, OBJECT_FILE, 1000);
	}
	verifier = list(&before);
	assert_int_equal(before.count, ENTRIES);
	rig_restart(&rig);
	assert_int_equal(list(&after), verifier);
	assert_int_equal(after.count, ENTRIES);
	assert_memory_equal(
		before.cookies, after.cookies, sizeof(before.cookies));
	assert_memory_equal(before.names, after.names, sizeof(before.names));
}

static void test_fileids_stay(void **state)
{
	static const enum object_type types[] = {OBJECT_FILE, OBJECT_DIR,
		OBJECT_SYMLINK, OBJECT_FIFO, OBJECT_SOCKET};
	struct fileid ids[5], root = rig.root, again;
	char name[2] = "a";

	for (int i = 0; i < 5; i++) {
		name[0] = 'a' + i;
		ids[i] = rig_make(&rig, &rig.root, name, types[i], 1000);
	}
	rig_restart(&rig);
	assert_true(fileid_equal(&rig.root, &root));
	for (int i = 0; i < 5; i++) {
		name[0] = 'a' + i;
		assert_int_equal(rig_attr(&rig, &ids[i]).type, types[i]);
		again = rig_lookup(&rig, &rig.root, name);
		assert_true(fileid_equal(&again, &ids[i]));
	}
}

static void test_a_reused_inode_is_another_file(void **state)
{
	struct fileid old = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	struct dir_change change = {0};
	struct fileid new;

	assert_int_equal(store_remove(rig.store, &cred_server, &rig.root,
				 name_from_str("f"), &change),
		0);
	new = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	assert_false(fileid_equal(&old, &new));
	rig_restart(&rig);
	assert_int_equal(store_probe(rig.store, &old), -ESTALE);
	assert_int_equal(store_probe(rig.store, &new), 0);
}

static void test_fsid_is_one_and_stays(void **state)
{
	struct attr root = rig_attr(&rig, &rig.root), attr;
	struct fileid id = rig_make(&rig, &rig.root, "d", OBJECT_DIR, 1000);

	rig_restart(&rig);
	attr = rig_attr(&rig, &id);
	assert_int_equal(attr.fsid.major, root.fsid.major);
	assert_int_equal(attr.fsid.minor, root.fsid.minor);
}

static void test_two_exports_share_their_files(void **state)
{
	struct posix_options options = {
		.path = rig.base, .clock = &rig.clock, .index = rig.index};
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	struct fileid root, export, again;
	struct store *wide;
	char why[256];

	wide = posix_new(&options, why, sizeof(why));
	assert_non_null(wide);
	assert_int_equal(store_root(wide, &root), 0);
	assert_int_equal(store_lookup(wide, &cred_server, &root,
				 name_from_str("export"), &export),
		0);
	assert_true(fileid_equal(&export, &rig.root));
	assert_int_equal(store_lookup(wide, &cred_server, &export,
				 name_from_str("f"), &again),
		0);
	assert_true(fileid_equal(&again, &id));
	store_free(wide);
}

static void test_write_verifier_is_new(void **state)
{
	uint64_t before = store_write_verifier(rig.store);

	assert_int_equal(store_write_verifier(rig.store), before);
	rig_restart(&rig);
	assert_int_not_equal(store_write_verifier(rig.store), before);
}

static void test_unsynced_writes_survive_a_stop(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	char buf[8];
	size_t done;
	bool eof;

	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "data"), 0);
	rig_restart(&rig);
	assert_int_equal(
		store_read(rig.store, &cred_server, &id, STORE_IO_CHECK, 0, buf,
			sizeof(buf), &done, &eof),
		0);
	assert_int_equal(done, 4);
	assert_true(eof);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_listing_stays),
		TEST(test_fileids_stay),
		TEST(test_a_reused_inode_is_another_file),
		TEST(test_fsid_is_one_and_stays),
		TEST(test_two_exports_share_their_files),
		TEST(test_write_verifier_is_new),
		TEST(test_unsynced_writes_survive_a_stop),
	};

	rig_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
