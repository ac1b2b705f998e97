/* SPDX-License-Identifier: MIT */
/*
 * Nothing outside the export can be reached. Every test runs twice: over a
 * clone of the mount, and without CAP_SYS_ADMIN, when openat2() and the walk
 * up are the walls.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

static struct posix_rig rig;
static bool cloned;

static int setup_cloned(void **state)
{
	rig_init(&rig);
	rig_start(&rig);
	cloned = true;
	return 0;
}

static int setup_plain(void **state)
{
	rig_init(&rig);
	test_set_admin(false);
	rig_start(&rig);
	test_set_admin(true);
	cloned = false;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

static int parent_of(const struct fileid *dir, struct fileid *ret)
{
	return store_lookup_parent(rig.store, &cred_server, dir, ret);
}

static int lookup(const struct fileid *dir, const char *name)
{
	struct fileid id;

	return store_lookup(
		rig.store, &cred_server, dir, name_from_str(name), &id);
}

static void test_parents_stop_at_the_root(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, 0);
	struct fileid b = rig_make(&rig, &a, "b", OBJECT_DIR, 0);
	struct fileid up;

	assert_int_equal(parent_of(&b, &up), 0);
	assert_true(fileid_equal(&up, &a));
	assert_int_equal(parent_of(&a, &up), 0);
	assert_true(fileid_equal(&up, &rig.root));
	assert_int_equal(parent_of(&rig.root, &up), -ENOENT);
}

static void test_parent_needs_search(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, 0);
	struct cred cred = test_cred(1000);
	struct fileid up;

	rig_chmod(&rig, &a, 0700);
	assert_int_equal(
		store_lookup_parent(rig.store, &cred, &a, &up), -EACCES);
}

/* Somebody on the host moves a directory out while a client is in it. */
static void test_moved_out(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, 0);
	struct fileid b = rig_make(&rig, &a, "b", OBJECT_DIR, 0);
	struct fileid up;

	assert_int_equal(
		rename(rig_path(&rig, "a"), rig_outside(&rig, "a")), 0);
	assert_int_equal(parent_of(&a, &up), -ESTALE);
	/* The way up from below ends where the export did. */
	if (parent_of(&b, &up) == 0)
		assert_true(fileid_equal(&up, &a));
	posix_trim(rig.store, 0);
	assert_int_equal(parent_of(&a, &up), -ESTALE);
	assert_int_equal(
		rename(rig_outside(&rig, "a"), rig_path(&rig, "z")), 0);
	assert_int_equal(parent_of(&a, &up), 0);
	assert_true(fileid_equal(&up, &rig.root));
}

/* A handle of something above the export, as only a forger would have it. */
static void test_above_the_root(void **state)
{
	struct fileid outside = rig.root, up;
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + FILEID_MAX];
	} h = {.head.handle_bytes = FILEID_MAX - 9};
	int mount;

	assert_int_equal(
		name_to_handle_at(AT_FDCWD, rig.base, &h.head, &mount, 0), 0);
	outside.len = 9 + h.head.handle_bytes;
	outside.data[8] = h.head.handle_type;
	memcpy(outside.data + 9, h.head.f_handle, h.head.handle_bytes);
	assert_int_equal(parent_of(&outside, &up), -ESTALE);
}

static void test_symlinks_are_not_followed(void **state)
{
	struct fileid id;
	struct attr attr;

	assert_int_equal(symlink(rig.base, rig_path(&rig, "out")), 0);
	assert_int_equal(symlink("..", rig_path(&rig, "up")), 0);
	id = rig_lookup(&rig, &rig.root, "out");
	attr = rig_attr(&rig, &id);
	assert_int_equal(attr.type, OBJECT_SYMLINK);
	assert_int_equal(lookup(&id, "export"), -ENOTDIR);
	assert_int_equal(
		store_open_check(rig.store, &cred_server, &id, STORE_MAY_READ),
		-ELOOP);
	id = rig_lookup(&rig, &rig.root, "up");
	assert_int_equal(lookup(&id, "export"), -ENOTDIR);
}

static void mount_inside(void)
{
	assert_int_equal(mkdir(rig_path(&rig, "mnt"), 0755), 0);
	assert_int_equal(
		mount("none", rig_path(&rig, "mnt"), "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir(rig_path(&rig, "mnt/inside"), 0755), 0);
}

static int make_dir(const char *name)
{
	const struct store_new new = {.type = OBJECT_DIR};
	struct dir_change change = {0};
	struct fileid id;
	int err = store_check_create(rig.store, &cred_server, &rig.root,
		name_from_str(name), OBJECT_DIR);

	assert_int_equal(store_create(rig.store, &cred_server, &rig.root,
				 name_from_str(name), &new, &id, &change),
		err);
	return err;
}

static int remove_dir(const char *name)
{
	struct dir_change change = {0};
	struct fileid id;
	struct attr attr;
	int err = store_check_remove(rig.store, &cred_server, &rig.root,
		name_from_str(name), &id, &attr);

	assert_int_equal(store_remove(rig.store, &cred_server, &rig.root,
				 name_from_str(name), &change),
		err);
	return err;
}

static int rename_dir(const char *from, const char *to)
{
	struct dir_change change = {0};
	struct store_rename_plan plan;
	bool nothing;
	int err = store_check_rename(rig.store, &cred_server, &rig.root,
		name_from_str(from), &rig.root, name_from_str(to), &plan);

	assert_int_equal(store_rename(rig.store, &cred_server, &rig.root,
				 name_from_str(from), &rig.root,
				 name_from_str(to), &change, NULL, &nothing),
		err);
	return err;
}

/* Nobody sees it, but its name is taken. */
static void check_hidden_mount(void)
{
	assert_int_equal(lookup(&rig.root, "mnt"), -ENOENT);
	assert_int_equal(make_dir("mnt"), -EEXIST);
	assert_int_equal(remove_dir("mnt"), -ENOENT);
	assert_int_equal(rename_dir("mnt", "other"), -ENOENT);
	assert_int_equal(make_dir("dir"), 0);
	assert_int_equal(rename_dir("dir", "mnt"), -EBUSY);
	assert_int_equal(remove_dir("dir"), 0);
}

/* What is mounted inside is not ours to serve, whenever it was mounted. */
static void check_submount(void)
{
	struct fileid id;

	if (!cloned) {
		check_hidden_mount();
		return;
	}
	id = rig_lookup(&rig, &rig.root, "mnt"); /* what is underneath */
	assert_int_equal(lookup(&id, "inside"), -ENOENT);
}

static void test_submount_is_invisible(void **state)
{
	mount_inside();
	check_submount();
	posix_trim(rig.store, 0);
	check_submount();
	assert_int_equal(umount(rig_path(&rig, "mnt")), 0);
}

/* A directory held from before, covered by a mount later. */
static void test_covered_directory(void **state)
{
	struct fileid dir = rig_make(&rig, &rig.root, "mnt", OBJECT_DIR, 0);
	struct fileid sub = rig_make(&rig, &dir, "sub", OBJECT_DIR, 0);

	assert_int_equal(
		mount("none", rig_path(&rig, "mnt"), "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir(rig_path(&rig, "mnt/inside"), 0755), 0);
	assert_int_equal(lookup(&dir, "inside"), -ENOENT);
	assert_int_equal(lookup(&dir, "sub"), 0);
	posix_trim(rig.store, 0);
	assert_int_equal(lookup(&dir, "inside"), -ENOENT);
	assert_int_equal(store_probe(rig.store, &sub), 0);
	assert_int_equal(umount(rig_path(&rig, "mnt")), 0);
}

static void test_foreign_fileids_are_stale(void **state)
{
	struct fileid id = rig.root;
	struct attr attr;

	id.data[0] ^= 1; /* another file system */
	assert_int_equal(store_getattr(rig.store, &id, &attr), -ESTALE);
	id = rig.root;
	memset(id.data + 9, 0xff, id.len - 9);
	assert_int_equal(store_getattr(rig.store, &id, &attr), -ESTALE);
	id.len = 5;
	assert_int_equal(store_getattr(rig.store, &id, &attr), -ESTALE);
}

static int setup_read_only(void **state)
{
	int fd;

	rig_init(&rig);
	fd = open(rig_path(&rig, "f"), O_CREAT | O_WRONLY, 0666);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text", 4), 4);
	close(fd);
	rig.read_only = true;
	rig_start(&rig);
	return 0;
}

/* Whatever an operation forgets to ask, and whoever wants it. */
static void test_read_only_export(void **state)
{
	const struct setattr empty = {.mask = SETATTR_SIZE};
	const struct setattr for_all = {.mask = SETATTR_MODE, .mode = 0777};
	const struct store_new new = {.type = OBJECT_FILE};
	struct fileid id = rig_lookup(&rig, &rig.root, "f"), made;
	struct dir_change change = {0};
	struct name f = name_from_str("f");
	struct store *s = rig.store;

	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_OPENED, "x"),
		-EROFS);
	assert_int_equal(
		store_setattr(s, &cred_server, &id, STORE_IO_OPENED, &empty),
		-EROFS);
	assert_int_equal(
		store_setattr(s, &cred_server, &id, STORE_IO_CHECK, &for_all),
		-EROFS);
	assert_int_equal(
		store_xattr_set(s, &cred_server, &id, f, "x", 1, XATTR_EITHER),
		-EROFS);
	assert_int_equal(store_create(s, &cred_server, &rig.root,
				 name_from_str("g"), &new, &made, &change),
		-EROFS);
	assert_int_equal(
		store_remove(s, &cred_server, &rig.root, f, &change), -EROFS);
	assert_int_equal(rig_attr(&rig, &id).size, 4);
	/* That of the host it is not. */
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
}

#define TEST(f)                                                             \
	cmocka_unit_test_setup_teardown(f, setup_cloned, teardown),         \
	{                                                                   \
#f " without CAP_SYS_ADMIN", f, setup_plain, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_parents_stop_at_the_root),
		TEST(test_parent_needs_search),
		TEST(test_moved_out),
		TEST(test_above_the_root),
		TEST(test_symlinks_are_not_followed),
		TEST(test_submount_is_invisible),
		TEST(test_covered_directory),
		TEST(test_foreign_fileids_are_stale),
		cmocka_unit_test_setup_teardown(
			test_read_only_export, setup_read_only, teardown),
	};

	rig_need_root();
	/* Mounts of our own, and shared ones: they spread where they can. */
	if (!test_own_mounts() ||
		mount("none", "/", NULL, MS_REC | MS_SHARED, NULL) != 0) {
		perror("cannot have mounts of our own: skipped");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
