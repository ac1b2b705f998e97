/* SPDX-License-Identifier: MIT */
/* What a POSIX user expects of files served to him: the kernel's own rules. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

#define ALICE 1000
#define BOB   1001

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

static int create_as(uint32_t uid, const struct fileid *dir, const char *name,
	const struct store_new *new, struct fileid *ret)
{
	struct cred cred = test_cred(uid);
	struct dir_change change = {0};

	return store_create(
		rig.store, &cred, dir, name_from_str(name), new, ret, &change);
}

static int remove_as(uint32_t uid, const struct fileid *dir, const char *name)
{
	struct cred cred = test_cred(uid);
	struct dir_change change = {0};

	return store_remove(
		rig.store, &cred, dir, name_from_str(name), &change);
}

static int check_remove_as(
	uint32_t uid, const struct fileid *dir, const char *name)
{
	struct cred cred = test_cred(uid);
	struct fileid victim;
	struct attr attr;

	return store_check_remove(
		rig.store, &cred, dir, name_from_str(name), &victim, &attr);
}

static int rename_as(uint32_t uid, const struct fileid *from_dir,
	const char *from, const struct fileid *to_dir, const char *to)
{
	struct cred cred = test_cred(uid);
	struct dir_change a = {0}, b = {0};
	struct store_rename_plan plan;
	bool nothing;
	int dry = store_check_rename(rig.store, &cred, from_dir,
		name_from_str(from), to_dir, name_from_str(to), &plan);
	int err = store_rename(rig.store, &cred, from_dir, name_from_str(from),
		to_dir, name_from_str(to), &a, &b, &nothing);

	assert_int_equal(dry, err);
	return err;
}

static void test_objects_are_the_callers(void **state)
{
	struct fileid id =
		rig_make(&rig, &rig.root, "file", OBJECT_FILE, ALICE);
	struct attr attr = rig_attr(&rig, &id);
	struct stat st;

	assert_int_equal(attr.uid, ALICE);
	assert_int_equal(attr.gid, ALICE);
	assert_int_equal(attr.mode, 0644);
	assert_true(attr.has_btime);
	assert_int_equal(stat(rig_path(&rig, "file"), &st), 0);
	assert_int_equal(st.st_uid, ALICE);
	assert_int_equal(st.st_ino, attr.inode);
}

static void test_supplementary_groups_count(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "file", OBJECT_FILE, 0);
	struct cred bob = test_cred(BOB);
	uint32_t granted;

	assert_int_equal(chown(rig_path(&rig, "file"), 0, 555), 0);
	rig_chmod(&rig, &id, 0060);
	assert_int_equal(store_access(rig.store, &bob, &id, 7, &granted), 0);
	assert_int_equal(granted, 0);
	bob.ngroups = 2;
	bob.groups[0] = 7;
	bob.groups[1] = 555;
	assert_int_equal(store_access(rig.store, &bob, &id, 7, &granted), 0);
	assert_int_equal(granted, STORE_MAY_READ | STORE_MAY_WRITE);
	bob.ngroups = 1;
	assert_int_equal(store_access(rig.store, &bob, &id, 7, &granted), 0);
	assert_int_equal(granted, 0);
}

/* An id nobody can have must never be taken for root. */
static void test_invalid_ids_are_refused(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "file", OBJECT_FILE, 0);
	struct cred cred = test_cred(UINT32_MAX);

	assert_int_equal(
		rig_write(&rig, &cred, &id, STORE_IO_CHECK, "x"), -EACCES);
	cred = test_cred(ALICE);
	cred.gid = UINT32_MAX;
	assert_int_equal(
		rig_write(&rig, &cred, &id, STORE_IO_CHECK, "x"), -EACCES);
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "x"), 0);
}

static void test_write_clears_suid(void **state)
{
	struct fileid id =
		rig_make(&rig, &rig.root, "prog", OBJECT_FILE, ALICE);
	struct cred bob = test_cred(BOB);

	rig_chmod(&rig, &id, 06777);
	assert_int_equal(rig_write(&rig, &bob, &id, STORE_IO_CHECK, "evil"), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0777);
	/* The descriptor is cached by now; whose write it is still counts. */
	rig_chmod(&rig, &id, 06777);
	assert_int_equal(
		rig_write(&rig, &bob, &id, STORE_IO_OPENED, "evil"), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0777);
	rig_chmod(&rig, &id, 06777);
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_OPENED, "ok"), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 06777);
}

static void test_truncate_clears_suid(void **state)
{
	struct fileid id =
		rig_make(&rig, &rig.root, "prog", OBJECT_FILE, ALICE);
	struct setattr set = {.mask = SETATTR_SIZE, .size = 3};
	struct cred bob = test_cred(BOB);

	rig_chmod(&rig, &id, 04777);
	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_CHECK, &set), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0777);
	assert_int_equal(rig_attr(&rig, &id).size, 3);
}

static void test_chown_clears_suid_and_mode_sets_it_again(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "prog", OBJECT_FILE, 0);
	struct setattr set = {.mask = SETATTR_UID, .uid = BOB};

	rig_chmod(&rig, &id, 04755);
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0755);
	set = (struct setattr){.mask = SETATTR_UID | SETATTR_MODE,
		.uid = ALICE,
		.mode = 04755};
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		0);
	assert_int_equal(rig_attr(&rig, &id).mode, 04755);
	assert_int_equal(rig_attr(&rig, &id).uid, ALICE);
}

static void test_sticky_directory(void **state)
{
	struct fileid other;

	rig_make(&rig, &rig.root, "alices", OBJECT_FILE, ALICE);
	rig_make(&rig, &rig.root, "bobs", OBJECT_FILE, BOB);
	other = rig_make(&rig, &rig.root, "other", OBJECT_DIR, BOB);
	assert_int_equal(check_remove_as(BOB, &rig.root, "alices"), -EPERM);
	assert_int_equal(remove_as(BOB, &rig.root, "alices"), -EPERM);
	assert_int_equal(
		rename_as(BOB, &rig.root, "alices", &other, "mine"), -EPERM);
	assert_int_equal(
		rename_as(BOB, &rig.root, "bobs", &rig.root, "alices"), -EPERM);
	assert_int_equal(check_remove_as(ALICE, &rig.root, "alices"), 0);
	assert_int_equal(remove_as(ALICE, &rig.root, "alices"), 0);
}

static void test_setgid_directory(void **state)
{
	struct fileid dir = rig_make(&rig, &rig.root, "team", OBJECT_DIR, 0);
	struct store_new new = {.type = OBJECT_FILE};
	struct fileid id;

	assert_int_equal(chown(rig_path(&rig, "team"), 0, 555), 0);
	rig_chmod(&rig, &dir, 02777);
	assert_int_equal(create_as(ALICE, &dir, "file", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).gid, 555);
	new = (struct store_new){.type = OBJECT_DIR,
		.attr = {.mask = SETATTR_MODE, .mode = 0750}};
	assert_int_equal(create_as(ALICE, &dir, "sub", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).gid, 555);
	assert_int_equal(rig_attr(&rig, &id).mode, 02750);
}

static void test_modes_and_umask(void **state)
{
	struct store_new new = {.type = OBJECT_FILE,
		.attr = {.mask = SETATTR_MODE | SETATTR_UMASK,
			.mode = 0666,
			.umask = 027}};
	struct fileid id;

	assert_int_equal(create_as(ALICE, &rig.root, "a", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0640);
	new.attr.mask = 0;
	assert_int_equal(create_as(ALICE, &rig.root, "b", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0600);
	new.type = OBJECT_DIR;
	assert_int_equal(create_as(ALICE, &rig.root, "c", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0700);
	new.attr = (struct setattr){.mask = SETATTR_MODE, .mode = 07755};
	assert_int_equal(create_as(ALICE, &rig.root, "d", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 07755);
}

/* A default ACL of u::rwx,g::rwx,o::- in the kernel's own format. */
static const unsigned char default_acl[] = {
	2, 0, 0, 0,                            /* version */
	1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,    /* user:: */
	4, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,    /* group:: */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* other:: */
};

static void test_default_acl_beats_umask(void **state)
{
	struct fileid dir = rig_make(&rig, &rig.root, "acl", OBJECT_DIR, ALICE);
	struct store_new new = {.type = OBJECT_FILE,
		.attr = {.mask = SETATTR_MODE | SETATTR_UMASK,
			.mode = 0666,
			.umask = 077}};
	struct fileid id;

	if (setxattr(rig_path(&rig, "acl"), "system.posix_acl_default",
		    default_acl, sizeof(default_acl), 0) != 0)
		skip();
	assert_int_equal(create_as(ALICE, &dir, "file", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0660);
}

static void test_owner_of_a_new_object(void **state)
{
	struct store_new new = {
		.type = OBJECT_FILE, .attr = {.mask = SETATTR_UID, .uid = BOB}};
	struct fileid id;

	/* Not his to give away, and nothing is left of the attempt. */
	assert_int_equal(create_as(ALICE, &rig.root, "f", &new, &id), -EPERM);
	assert_int_equal(access(rig_path(&rig, "f"), F_OK), -1);
	new.attr.uid = ALICE;
	assert_int_equal(create_as(ALICE, &rig.root, "f", &new, &id), 0);
	new.attr.uid = BOB;
	new.type = OBJECT_DIR;
	assert_int_equal(create_as(0, &rig.root, "d", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).uid, BOB);
	new.type = OBJECT_SYMLINK;
	new.link_text = name_from_str("x");
	assert_int_equal(create_as(0, &rig.root, "s", &new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).uid, BOB);
}

static int read_as(uint32_t uid, const struct fileid *id, int io)
{
	struct cred cred = test_cred(uid);
	char buf[16];
	size_t done;
	bool eof;

	return store_read(
		rig.store, &cred, id, io, 0, buf, sizeof(buf), &done, &eof);
}

static void test_executable_may_be_read(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "prog", OBJECT_FILE, 0);
	struct cred bob = test_cred(BOB);
	uint32_t granted;

	rig_chmod(&rig, &id, 0711);
	assert_int_equal(
		store_open_check(rig.store, &bob, &id, STORE_MAY_READ), 0);
	assert_int_equal(read_as(BOB, &id, STORE_IO_CHECK), 0);
	assert_int_equal(
		store_open_check(rig.store, &bob, &id, STORE_MAY_WRITE),
		-EACCES);
	assert_int_equal(store_access(rig.store, &bob, &id, 7, &granted), 0);
	assert_int_equal(granted, STORE_MAY_EXECUTE);
	rig_chmod(&rig, &id, 0700);
	assert_int_equal(store_open_check(rig.store, &bob, &id, STORE_MAY_READ),
		-EACCES);
	assert_int_equal(read_as(BOB, &id, STORE_IO_CHECK), -EACCES);
}

/* Permission is asked when a file is opened, not afterwards. */
static void test_opened_files_outlive_a_chmod(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct setattr set = {.mask = SETATTR_SIZE, .size = 1};
	struct cred bob = test_cred(BOB);

	rig_chmod(&rig, &id, 0);
	rig_restart(&rig); /* no descriptor is left from before */
	assert_int_equal(read_as(BOB, &id, STORE_IO_CHECK), -EACCES);
	assert_int_equal(read_as(BOB, &id, STORE_IO_OPENED), 0);
	assert_int_equal(
		rig_write(&rig, &bob, &id, STORE_IO_CHECK, "x"), -EACCES);
	assert_int_equal(rig_write(&rig, &bob, &id, STORE_IO_OPENED, "xy"), 0);
	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_CHECK, &set),
		-EACCES);
	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_OPENED, &set), 0);
	/* A descriptor in the cache grants nothing by itself. */
	assert_int_equal(read_as(BOB, &id, STORE_IO_CHECK), -EACCES);
}

static void test_write_only_file(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 0);
	struct cred bob = test_cred(BOB);

	rig_chmod(&rig, &id, 0622);
	assert_int_equal(rig_write(&rig, &bob, &id, STORE_IO_CHECK, "x"), 0);
	assert_int_equal(read_as(BOB, &id, STORE_IO_CHECK), -EACCES);
}

static void test_times_of_now_for_writers(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct setattr set = {.mask = SETATTR_MTIME_NOW};
	struct cred bob = test_cred(BOB);

	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_CHECK, &set),
		-EACCES);
	rig_chmod(&rig, &id, 0666);
	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_CHECK, &set), 0);
	set = (struct setattr){.mask = SETATTR_MTIME, .mtime_ns = 5};
	assert_int_equal(
		store_setattr(rig.store, &bob, &id, STORE_IO_CHECK, &set),
		-EPERM);
}

static void test_times_to_the_nanosecond(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct fileid link =
		rig_make(&rig, &rig.root, "s", OBJECT_SYMLINK, ALICE);
	struct setattr set = {
		.mask = SETATTR_ATIME | SETATTR_MTIME,
		.atime_ns = 1234567890123456789,
		.mtime_ns = -1, /* before 1970 */
	};
	struct cred alice = test_cred(ALICE);
	struct attr attr;

	assert_int_equal(
		store_setattr(rig.store, &alice, &id, STORE_IO_CHECK, &set), 0);
	attr = rig_attr(&rig, &id);
	assert_int_equal(attr.atime_ns, set.atime_ns);
	assert_int_equal(attr.mtime_ns, set.mtime_ns);
	assert_int_equal(
		store_setattr(rig.store, &alice, &link, STORE_IO_CHECK, &set),
		0);
	assert_int_equal(rig_attr(&rig, &link).mtime_ns, set.mtime_ns);
	set = (struct setattr){.mask = SETATTR_MODE, .mode = 0600};
	assert_int_equal(
		store_setattr(rig.store, &alice, &link, STORE_IO_CHECK, &set),
		-EOPNOTSUPP);
}

static void test_mode_masked(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct setattr set = {
		.mask = SETATTR_MODE_MASKED, .mode = 07, .mode_mask = 07};
	struct cred alice = test_cred(ALICE);

	assert_int_equal(
		store_setattr(rig.store, &alice, &id, STORE_IO_CHECK, &set), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, 0647);
}

/* Opening a FIFO would hang, opening a device might do things. */
static void test_special_files_are_never_opened(void **state)
{
	static const enum object_type types[] = {
		OBJECT_FIFO, OBJECT_SOCKET, OBJECT_CHAR, OBJECT_BLOCK};
	struct setattr set = {
		.mask = SETATTR_MODE | SETATTR_UID, .mode = 0600, .uid = ALICE};
	struct store_new new = {.rdev_major = 1, .rdev_minor = 3};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct fileid id;
		char name[2] = {'a' + i, 0};

		new.type = types[i];
		assert_int_equal(create_as(0, &rig.root, name, &new, &id), 0);
		assert_int_equal(rig_attr(&rig, &id).type, types[i]);
		assert_int_equal(store_open_check(rig.store, &cred_server, &id,
					 STORE_MAY_READ),
			-ENXIO);
		assert_int_equal(read_as(0, &id, STORE_IO_OPENED), -EINVAL);
		assert_int_equal(rig_write(&rig, &cred_server, &id,
					 STORE_IO_OPENED, "x"),
			-EINVAL);
		assert_int_equal(store_setattr(rig.store, &cred_server, &id,
					 STORE_IO_CHECK, &set),
			0);
		assert_int_equal(rig_attr(&rig, &id).mode, 0600);
		assert_int_equal(
			store_sync_entry(rig.store, &rig.root, &id), 0);
		assert_int_equal(store_commit(rig.store, &id, 0, 0), -EINVAL);
	}
}

static void test_devices_are_roots(void **state)
{
	struct store_new new = {
		.type = OBJECT_CHAR, .rdev_major = 1, .rdev_minor = 3};
	struct cred alice = test_cred(ALICE);
	struct stat st;
	struct fileid id;

	assert_int_equal(store_check_create(rig.store, &alice, &rig.root,
				 name_from_str("null"), OBJECT_CHAR),
		-EPERM);
	assert_int_equal(
		create_as(ALICE, &rig.root, "null", &new, &id), -EPERM);
	assert_int_equal(create_as(0, &rig.root, "null", &new, &id), 0);
	assert_int_equal(stat(rig_path(&rig, "null"), &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(1, 3));
}

static void test_long_symlinks(void **state)
{
	char text[4096], got[4096];
	struct store_new new = {.type = OBJECT_SYMLINK,
		.link_text = {.len = 4095, .data = text}};
	struct fileid id;
	size_t len;

	memset(text, 'x', sizeof(text));
	text[4095] = 0;
	if (symlink(text, rig_path(&rig, "try")) != 0)
		skip(); /* XFS takes 1,023 bytes */
	text[4095] = 'x';
	assert_int_equal(create_as(ALICE, &rig.root, "long", &new, &id), 0);
	assert_int_equal(store_readlink(rig.store, &cred_server, &id, got,
				 sizeof(got), &len),
		0);
	assert_int_equal(len, 4095);
	assert_memory_equal(got, text, 4095);
	new.link_text.len = 4096;
	assert_int_equal(create_as(ALICE, &rig.root, "longer", &new, &id),
		-ENAMETOOLONG);
	assert_int_equal(access(rig_path(&rig, "longer"), F_OK), -1);
}

static void test_hard_links_of_symlinks(void **state)
{
	struct fileid id =
		rig_make(&rig, &rig.root, "s", OBJECT_SYMLINK, ALICE);
	struct cred alice = test_cred(ALICE);
	struct dir_change change = {0};
	struct fileid again;

	assert_int_equal(store_link(rig.store, &alice, &id, &rig.root,
				 name_from_str("t"), &change),
		0);
	again = rig_lookup(&rig, &rig.root, "t");
	assert_true(fileid_equal(&id, &again));
	assert_int_equal(rig_attr(&rig, &id).nlink, 2);
}

static bool links_are_guarded(void)
{
	int fd = open("/proc/sys/fs/protected_hardlinks", O_RDONLY);
	char digit = 0;

	if (fd >= 0 && read(fd, &digit, 1) != 1)
		digit = 0;
	close(fd);
	return digit == '1';
}

/* fs.protected_hardlinks: the dry check and the kernel agree. */
static void test_guarded_hard_links(void **state)
{
	static const struct {
		uint32_t mode;
		bool allowed;
	} cases[] = {
		{0644, false}, {0666, true}, {04666, false}, {02676, false}};
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct cred bob = test_cred(BOB);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool allowed = cases[i].allowed || !links_are_guarded();
		struct dir_change change = {0};
		struct name name = {.len = 1, .data = &"abcd"[i]};
		int dry;

		rig_chmod(&rig, &id, cases[i].mode);
		dry = store_check_link(rig.store, &bob, &id, &rig.root, name);
		assert_int_equal(dry, allowed ? 0 : -EPERM);
		assert_int_equal(store_link(rig.store, &bob, &id, &rig.root,
					 name, &change),
			dry);
	}
}

static void test_directories_do_not_swallow_themselves(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, ALICE);
	struct fileid b = rig_make(&rig, &a, "b", OBJECT_DIR, ALICE);
	struct fileid c = rig_make(&rig, &b, "c", OBJECT_DIR, ALICE);

	assert_int_equal(rename_as(ALICE, &rig.root, "a", &c, "x"), -EINVAL);
	assert_int_equal(rename_as(ALICE, &rig.root, "a", &a, "x"), -EINVAL);
	assert_int_equal(rename_as(ALICE, &b, "c", &rig.root, "a"), -ENOTEMPTY);
	assert_int_equal(rename_as(ALICE, &b, "c", &rig.root, "c"), 0);
}

/* Its `..` is written, so a directory that moves must be writable. */
static void test_moving_a_directory_writes_it(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, ALICE);
	struct fileid b = rig_make(&rig, &rig.root, "b", OBJECT_DIR, ALICE);
	struct fileid c = rig_make(&rig, &a, "c", OBJECT_DIR, ALICE);

	rig_chmod(&rig, &c, 0555);
	assert_int_equal(rename_as(ALICE, &a, "c", &b, "c"), -EACCES);
	assert_int_equal(rename_as(ALICE, &a, "c", &a, "d"), 0);
}

static void test_full_directories_stay(void **state)
{
	struct fileid a = rig_make(&rig, &rig.root, "a", OBJECT_DIR, ALICE);

	rig_make(&rig, &a, "x", OBJECT_FILE, ALICE);
	rig_make(&rig, &rig.root, "b", OBJECT_DIR, ALICE);
	assert_int_equal(check_remove_as(ALICE, &rig.root, "a"), -ENOTEMPTY);
	assert_int_equal(remove_as(ALICE, &rig.root, "a"), -ENOTEMPTY);
	assert_int_equal(
		rename_as(ALICE, &rig.root, "b", &rig.root, "a"), -ENOTEMPTY);
	assert_int_equal(remove_as(ALICE, &a, "x"), 0);
	assert_int_equal(rename_as(ALICE, &rig.root, "b", &rig.root, "a"), 0);
}

/* Runs between a look at what is to be removed and its removal. */
static void (*meanwhile)(const char *path);

int unlinkat(int dirfd, const char *name, int flags)
{
	void (*it)(const char *path) = meanwhile;

	meanwhile = NULL;
	if (it)
		it(rig_path(&rig, name));
	return syscall(SYS_unlinkat, dirfd, name, flags);
}

static void make_it_a_directory(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_it_a_file(const char *path)
{
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mknod(path, S_IFREG | 0644, 0), 0);
}

/* No error of the caller's, and nothing to say of the directory it is in. */
static void test_another_type_at_the_last_moment(void **state)
{
	rig_make(&rig, &rig.root, "f", OBJECT_FILE, 0);
	meanwhile = make_it_a_directory;
	assert_int_equal(remove_as(0, &rig.root, "f"), -EWOULDBLOCK);
	meanwhile = make_it_a_file;
	assert_int_equal(remove_as(0, &rig.root, "f"), -EWOULDBLOCK);
	assert_int_equal(remove_as(0, &rig.root, "f"), 0);
}

static void test_what_is_gone_is_stale(void **state)
{
	struct fileid dir = rig_make(&rig, &rig.root, "d", OBJECT_DIR, ALICE);
	struct fileid file = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	struct cred alice = test_cred(ALICE);
	struct store_new new = {.type = OBJECT_FILE};
	struct fileid id;
	struct attr attr;

	/* Behind our back, with descriptors of both in the cache. */
	assert_int_equal(rmdir(rig_path(&rig, "d")), 0);
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
	assert_int_equal(
		store_lookup(rig.store, &alice, &dir, name_from_str("x"), &id),
		-ESTALE);
	assert_int_equal(create_as(ALICE, &dir, "x", &new, &id), -ESTALE);
	assert_int_equal(store_getattr(rig.store, &dir, &attr), -ESTALE);
	assert_int_equal(store_getattr(rig.store, &file, &attr), -ESTALE);
	assert_int_equal(store_probe(rig.store, &file), -ESTALE);
}

static void test_exclusive_verifier(void **state)
{
	struct store_new new = {.type = OBJECT_FILE,
		.exclusive = true,
		.verifier = 0x1122334455667788};
	char names[256];
	struct store_xattr_names list = {.data = names, .size = sizeof(names)};
	struct cred alice = test_cred(ALICE);
	struct attr attr;
	struct fileid id;
	bool match;

	assert_int_equal(create_as(ALICE, &rig.root, "f", &new, &id), 0);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
	rig_restart(&rig);
	assert_int_equal(
		store_exclusive_match(rig.store, &id, new.verifier, &match), 0);
	assert_true(match);
	assert_int_equal(
		store_exclusive_match(rig.store, &id, new.verifier + 1, &match),
		0);
	assert_false(match);
	/* Nothing of it shows: not in the times, not in the attributes. */
	attr = rig_attr(&rig, &id);
	assert_int_equal(attr.atime_ns, attr.btime_ns);
	assert_int_equal(store_xattr_list(rig.store, &alice, &id, &list), 0);
	assert_int_equal(list.used, 0);
}

static void test_ordinary_files_match_no_verifier(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	bool match = true;

	assert_int_equal(store_exclusive_match(rig.store, &id, 0, &match), 0);
	assert_false(match);
}

static void test_only_user_xattrs_show(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	const char *path = rig_path(&rig, "f");
	struct cred alice = test_cred(ALICE), bob = test_cred(BOB);
	char names[64], value[8];
	struct store_xattr_names list = {.data = names, .size = sizeof(names)};
	size_t len = sizeof(value);

	assert_int_equal(setxattr(path, "trusted.t", "1", 1, 0), 0);
	assert_int_equal(setxattr(path, "security.s", "1", 1, 0), 0);
	assert_int_equal(store_xattr_set(rig.store, &alice, &id,
				 name_from_str("k"), "vv", 2, XATTR_EITHER),
		0);
	assert_int_equal(getxattr(path, "user.k", value, sizeof(value)), 2);
	assert_int_equal(store_xattr_list(rig.store, &alice, &id, &list), 0);
	assert_int_equal(list.used, 2);
	assert_string_equal(names, "k");
	assert_int_equal(store_xattr_set(rig.store, &bob, &id,
				 name_from_str("k"), "b", 1, XATTR_EITHER),
		-EACCES);
	assert_int_equal(store_xattr_get(rig.store, &bob, &id,
				 name_from_str("k"), value, &len),
		0);
	assert_int_equal(len, 2);
}

static void test_names_are_bytes(void **state)
{
	static const char raw[] = "\xff\xfe \n\x01";
	char longest[NAME_LEN_MAX + 1];
	struct fileid id = rig_make(&rig, &rig.root, raw, OBJECT_FILE, ALICE);
	struct fileid found = rig_lookup(&rig, &rig.root, raw);

	assert_true(fileid_equal(&id, &found));
	memset(longest, 'n', NAME_LEN_MAX);
	longest[NAME_LEN_MAX] = 0;
	id = rig_make(&rig, &rig.root, longest, OBJECT_DIR, ALICE);
	found = rig_lookup(&rig, &rig.root, longest);
	assert_true(fileid_equal(&id, &found));
}

static void test_beyond_4_gib(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, ALICE);
	enum store_stability stability = STORE_UNSTABLE;
	uint64_t far = 5ull << 30, at;
	struct fsinfo info;
	struct attr attr;
	size_t done;
	bool eof;

	assert_int_equal(
		store_write(rig.store, &cred_server, &id, STORE_IO_CHECK, far,
			"x", 1, &stability, &done),
		0);
	attr = rig_attr(&rig, &id);
	assert_int_equal(attr.size, far + 1);
	assert_true(attr.space_used < 1 << 20);
	assert_int_equal(store_seek(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, false, &at, &eof),
		0);
	assert_false(eof);
	assert_true(at > 0 && at <= far);
	assert_int_equal(store_statfs(rig.store, &id, &info), 0);
	assert_true(info.max_file_size > far);
	assert_int_equal(
		store_write(rig.store, &cred_server, &id, STORE_IO_CHECK,
			info.max_file_size, "x", 1, &stability, &done),
		-EFBIG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_objects_are_the_callers),
		TEST(test_supplementary_groups_count),
		TEST(test_invalid_ids_are_refused),
		TEST(test_write_clears_suid),
		TEST(test_truncate_clears_suid),
		TEST(test_chown_clears_suid_and_mode_sets_it_again),
		TEST(test_sticky_directory),
		TEST(test_setgid_directory),
		TEST(test_modes_and_umask),
		TEST(test_default_acl_beats_umask),
		TEST(test_owner_of_a_new_object),
		TEST(test_executable_may_be_read),
		TEST(test_opened_files_outlive_a_chmod),
		TEST(test_write_only_file),
		TEST(test_times_of_now_for_writers),
		TEST(test_times_to_the_nanosecond),
		TEST(test_mode_masked),
		TEST(test_special_files_are_never_opened),
		TEST(test_devices_are_roots),
		TEST(test_long_symlinks),
		TEST(test_hard_links_of_symlinks),
		TEST(test_guarded_hard_links),
		TEST(test_directories_do_not_swallow_themselves),
		TEST(test_moving_a_directory_writes_it),
		TEST(test_full_directories_stay),
		TEST(test_another_type_at_the_last_moment),
		TEST(test_what_is_gone_is_stale),
		TEST(test_exclusive_verifier),
		TEST(test_ordinary_files_match_no_verifier),
		TEST(test_only_user_xattrs_show),
		TEST(test_names_are_bytes),
		TEST(test_beyond_4_gib),
	};

	rig_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
