/* SPDX-License-Identifier: MIT */
/* What is refused at start, with which words, and life with few privileges. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

#define PLAIN_USER 1000

static struct posix_rig rig;

static int setup(void **state)
{
	rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

static void set_caps(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {
		{.effective = effective, .permitted = permitted},
		{.effective = effective >> 32, .permitted = permitted >> 32},
	};

	if (syscall(SYS_capset, &head, data) != 0)
		abort();
}

static struct store *try_start(const char *path, char *why, size_t why_size)
{
	struct posix_options options = {
		.path = path, .clock = &rig.clock, .max_fds = RIG_FDS};
	struct store *store;

	rig.index = dirindex_new(&rig.clock, test_cookie_secret, TEST_BUDGET);
	options.index = rig.index;
	store = posix_new(&options, why, why_size);
	if (!store)
		dirindex_free(rig.index);
	return store;
}

static void check_refused(const char *path, const char *words)
{
	char why[256] = "";
	unsigned before = test_count_fds();

	assert_null(try_start(path, why, sizeof(why)));
	if (!strstr(why, words))
		fail_msg("\"%s\" does not say \"%s\"", why, words);
	assert_int_equal(test_count_fds(), before);
}

static void test_not_there(void **state)
{
	check_refused(rig_path(&rig, "nowhere"), "No such file");
}

static void test_not_a_directory(void **state)
{
	int fd = open(rig_path(&rig, "f"), O_CREAT | O_WRONLY, 0644);

	assert_true(fd >= 0);
	close(fd);
	check_refused(rig_path(&rig, "f"), "Not a directory");
}

static void test_no_handles(void **state)
{
	char options[512];

	for (const char *const *d = (const char *const[]){"low", "up", "work",
		     "over", NULL};
		*d; d++)
		assert_int_equal(mkdir(rig_outside(&rig, *d), 0755), 0);
	assert_int_equal(mount("none", rig.export, "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir(rig_path(&rig, "up"), 0755), 0);
	assert_int_equal(mkdir(rig_path(&rig, "work"), 0755), 0);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
		rig_outside(&rig, "low"), rig_path(&rig, "up"),
		rig_path(&rig, "work"));
	if (mount("none", rig_outside(&rig, "over"), "overlay", 0, options)) {
		umount(rig.export);
		skip();
	}
	check_refused(rig_outside(&rig, "over"), "nfs_export=on");
	assert_int_equal(umount(rig_outside(&rig, "over")), 0);
	assert_int_equal(umount(rig.export), 0);
}

static void *start_without_handle_cap(void *arg)
{
	set_caps(0, 0);
	check_refused(rig.export, "CAP_DAC_READ_SEARCH");
	check_refused(rig.export, "setcap");
	return NULL;
}

static void test_no_capability(void **state)
{
	pthread_t thread;

	assert_int_equal(
		pthread_create(&thread, NULL, start_without_handle_cap, NULL),
		0);
	pthread_join(thread, NULL);
}

static void *start_with_fixed_caps(void *arg)
{
	if (prctl(PR_SET_SECUREBITS, 1 << 2) != 0) /* NO_SETUID_FIXUP */
		abort();
	check_refused(rig.export, "SECBIT_NO_SETUID_FIXUP");
	return NULL;
}

/* Clients would act with root's capabilities. */
static void test_secure_bits(void **state)
{
	pthread_t thread;

	assert_int_equal(
		pthread_create(&thread, NULL, start_with_fixed_caps, NULL), 0);
	pthread_join(thread, NULL);
}

static void test_other_file_systems(void **state)
{
	struct fileid root;
	char why[256] = "";

	assert_int_equal(mount("none", rig.export, "tmpfs", 0, NULL), 0);
	rig.store = try_start(rig.export, why, sizeof(why));
	if (!rig.store)
		fail_msg("%s", why);
	assert_int_equal(store_root(rig.store, &root), 0);
	rig_make(&rig, &root, "f", OBJECT_FILE, PLAIN_USER);
	rig_stop(&rig);
	assert_int_equal(umount(rig.export), 0);
}

static void test_read_only(void **state)
{
	struct cred cred = test_cred(PLAIN_USER);
	struct store_new new = {.type = OBJECT_FILE};
	struct dir_change change = {0};
	struct fileid id, root;
	struct attr attr;
	uint32_t granted;
	char why[256] = "";

	close(open(rig_path(&rig, "f"), O_CREAT | O_WRONLY, 0666));
	assert_int_equal(chmod(rig_path(&rig, "f"), 0666), 0);
	assert_int_equal(mount(rig.export, rig.export, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, rig.export, NULL,
				 MS_BIND | MS_REMOUNT | MS_RDONLY, NULL),
		0);
	rig.store = try_start(rig.export, why, sizeof(why));
	assert_non_null(rig.store);
	store_root(rig.store, &root);
	id = rig_lookup(&rig, &root, "f");
	assert_int_equal(store_access(rig.store, &cred, &id, 7, &granted), 0);
	assert_int_equal(granted, STORE_MAY_READ);
	assert_int_equal(store_check_create(rig.store, &cred, &root,
				 name_from_str("g"), OBJECT_FILE),
		-EROFS);
	assert_int_equal(store_create(rig.store, &cred, &root,
				 name_from_str("g"), &new, &id, &change),
		-EROFS);
	assert_int_equal(store_check_remove(rig.store, &cred, &root,
				 name_from_str("f"), &id, &attr),
		-EROFS);
	rig_stop(&rig);
	assert_int_equal(umount(rig.export), 0);
}

/* In a process of their own: no cmocka there, only an exit status. */
static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not so: %s\n", what);
	_exit(1);
}

#define EXPECT(x) expect(x, #x)

static void use_as_plain_user(const struct fileid *root)
{
	struct cred other = test_cred(PLAIN_USER + 1);
	struct store_new new = {.type = OBJECT_FILE};
	struct dir_change change = {0};
	struct fileid id, secret, up;
	struct attr attr;
	size_t done;
	char buf[8];
	bool eof;

	EXPECT(store_create(rig.store, &other, root, name_from_str("mine"),
		       &new, &id, &change) == 0);
	EXPECT(store_getattr(rig.store, &id, &attr) == 0);
	EXPECT(attr.uid == PLAIN_USER); /* it can be nobody else */
	EXPECT(rig_write(&rig, &other, &id, STORE_IO_CHECK, "x") == 0);
	EXPECT(store_commit(rig.store, &id, 0, 0) == 0);
	EXPECT(store_lookup_parent(rig.store, &other, root, &up) == -ENOENT);
	/* The capability that opens handles must not read for clients. */
	EXPECT(store_lookup(rig.store, &other, root, name_from_str("secret"),
		       &secret) == 0);
	EXPECT(store_open_check(rig.store, &other, &secret, STORE_MAY_READ) ==
		-EACCES);
	EXPECT(store_read(rig.store, &other, &secret, STORE_IO_CHECK, 0, buf,
		       sizeof(buf), &done, &eof) == -EACCES);
	EXPECT(store_lookup(rig.store, &other, root, name_from_str("shut"),
		       &secret) == 0);
	EXPECT(store_lookup(rig.store, &other, &secret, name_from_str("x"),
		       &id) == -EACCES);
}

static void *plain_user(void *arg)
{
	uint64_t cap = 1ull << CAP_DAC_READ_SEARCH;
	struct fileid root;
	char why[256] = "";

	set_caps(cap, cap);
	rig.store = try_start(rig.export, why, sizeof(why));
	expect(rig.store, why);
	EXPECT(store_root(rig.store, &root) == 0);
	use_as_plain_user(&root);
	rig_stop(&rig);
	return NULL;
}

static void become_plain_user(void)
{
	pthread_t thread;

	EXPECT(prctl(PR_SET_KEEPCAPS, 1) == 0);
	EXPECT(setgroups(0, NULL) == 0);
	EXPECT(setresgid(PLAIN_USER, PLAIN_USER, PLAIN_USER) == 0);
	EXPECT(setresuid(PLAIN_USER, PLAIN_USER, PLAIN_USER) == 0);
	/* A thread that has never acted as root. */
	EXPECT(pthread_create(&thread, NULL, plain_user, NULL) == 0);
	pthread_join(thread, NULL);
	_exit(0);
}

static void test_plain_user(void **state)
{
	int fd = open(rig_path(&rig, "secret"), O_CREAT | O_WRONLY, 0600);
	int status;
	pid_t pid;

	close(fd);
	assert_int_equal(mkdir(rig_path(&rig, "shut"), 0700), 0);
	pid = fork();
	if (pid == 0)
		become_plain_user();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_user),
		TEST(test_not_there),
		TEST(test_not_a_directory),
		TEST(test_no_capability),
		TEST(test_secure_bits),
		TEST(test_no_handles),
		TEST(test_other_file_systems),
		TEST(test_read_only),
	};

	rig_need_root();
	if (!test_own_mounts()) {
		perror("cannot have mounts of our own: skipped");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
