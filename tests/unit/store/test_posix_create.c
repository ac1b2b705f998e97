/* SPDX-License-Identifier: MIT */
/*
 * Creating takes several calls: what one of them fails is undone, and nothing
 * but that. And an exclusive create needs no privilege to be remembered.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

#define ALICE 1000
#define BOB   1001
#define LIMIT 256

static struct posix_rig rig;

/* Runs in the middle of an exclusive create, which then fails. */
static void (*spoil)(void);

int fsetxattr(
	int fd, const char *name, const void *value, size_t size, int flags)
{
	if (!spoil)
		return syscall(SYS_fsetxattr, fd, name, value, size, flags);
	spoil();
	errno = ENOSPC;
	return -1;
}

/* How often an owner was given to what had been made already. */
static int chowns;

int fchownat(int fd, const char *path, uid_t uid, gid_t gid, int flags)
{
	chowns++;
	return syscall(SYS_fchownat, fd, path, uid, gid, flags);
}

static int setup(void **state)
{
	spoil = NULL;
	chowns = 0;
	rig_init(&rig);
	rig_start(&rig);
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

static int create(const struct store_new *new, struct fileid *ret)
{
	struct cred alice = test_cred(ALICE);
	struct dir_change change = {0};

	return store_create(rig.store, &alice, &rig.root, name_from_str("f"),
		new, ret, &change);
}

static struct store_new exclusive(uint32_t mode)
{
	return (struct store_new){.type = OBJECT_FILE,
		.exclusive = true,
		.verifier = 0x1122334455667788,
		.attr = {.mask = SETATTR_MODE, .mode = mode}};
}

/* Who owns "f" on the host; -1: there is none. */
static int owner_of_f(void)
{
	struct stat st;

	return lstat(rig_path(&rig, "f"), &st) == 0 ? (int)st.st_uid : -1;
}

/* ---- undone ---- */

static void do_nothing(void)
{
}

static void put_bobs_there(void)
{
	const char *path = rig_path(&rig, "f");
	int fd;

	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, BOB, BOB), 0);
	close(fd);
}

static void test_half_made_is_not_made(void **state)
{
	const struct store_new new = exclusive(0644);
	struct fileid id;

	spoil = do_nothing;
	assert_int_equal(create(&new, &id), -ENOSPC);
	assert_int_equal(owner_of_f(), -1);
}

static void test_what_others_put_there_stays(void **state)
{
	const struct store_new new = exclusive(0644);
	struct fileid id;

	spoil = put_bobs_there;
	assert_int_equal(create(&new, &id), -ENOSPC);
	assert_int_equal(owner_of_f(), BOB);
}

static void check_owner_refused(struct setattr set, int error)
{
	struct store_new new = {.attr = set};
	struct fileid id;

	for (new.type = OBJECT_FILE; new.type <= OBJECT_DIR; new.type++) {
		assert_int_equal(create(&new, &id), -error);
		assert_int_equal(owner_of_f(), -1);
	}
	assert_int_equal(chowns, 0);
}

/* No listing shows for a moment what is refused. */
static void test_an_owner_is_refused_before(void **state)
{
	struct setattr uid = {.mask = SETATTR_UID, .uid = BOB};
	struct setattr gid = {.mask = SETATTR_GID, .gid = BOB};
	struct setattr both = {
		.mask = SETATTR_UID | SETATTR_GID, .uid = ALICE, .gid = BOB};

	check_owner_refused(uid, EPERM);
	check_owner_refused(gid, EPERM);
	check_owner_refused(both, EPERM);
	uid.uid = UINT32_MAX;
	check_owner_refused(uid, EINVAL);
	gid.gid = UINT32_MAX;
	check_owner_refused(gid, EINVAL);
}

/* What needs no privilege: himself, his group, that of the directory. */
static void test_an_owner_is_granted(void **state)
{
	struct store_new new = {.type = OBJECT_DIR,
		.attr = {.mask = SETATTR_UID | SETATTR_GID,
			.uid = ALICE,
			.gid = ALICE}};
	struct fileid id;

	assert_int_equal(create(&new, &id), 0);
	assert_int_equal(rmdir(rig_path(&rig, "f")), 0);
	assert_int_equal(chown(rig.export, 0, BOB), 0);
	assert_int_equal(chmod(rig.export, 03777), 0);
	new.attr.gid = BOB;
	assert_int_equal(create(&new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).gid, BOB);
}

/* Made, but no descriptor is left to look at it with. */
static void test_made_without_descriptors(void **state)
{
	const struct store_new new = {.type = OBJECT_DIR};
	struct rlimit limit, low;
	int fds[LIMIT], n = 0;
	struct fileid id;
	struct attr attr = rig_attr(&rig, &rig.root);

	assert_int_equal(attr.type, OBJECT_DIR);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = LIMIT, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < LIMIT && (fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	assert_int_equal(create(&new, &id), -EWOULDBLOCK);
	assert_int_equal(owner_of_f(), -1);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(create(&new, &id), 0);
}

/* ---- exclusive ---- */

/* The mode is what it is without a verifier. */
static void check_exclusive(uint32_t mode)
{
	struct store_new new = exclusive(mode);
	struct fileid id;
	uint32_t plain;
	bool match;

	new.exclusive = false;
	assert_int_equal(create(&new, &id), 0);
	plain = rig_attr(&rig, &id).mode;
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
	new.exclusive = true;
	assert_int_equal(create(&new, &id), 0);
	assert_int_equal(rig_attr(&rig, &id).mode, plain);
	assert_int_equal(rig_attr(&rig, &id).uid, ALICE);
	assert_int_equal(
		store_exclusive_match(rig.store, &id, new.verifier, &match), 0);
	assert_true(match);
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
}

static void check_modes(void)
{
	static const uint32_t modes[] = {0644, 0444, 0400, 0, 04555, 02755};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		check_exclusive(modes[i]);
}

static void test_exclusive(void **state)
{
	check_modes();
}

/* This thread may still be other users, and is not above permissions. */
static void drop_caps(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	uint32_t drop =
		1u << CAP_SYS_ADMIN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective &= ~drop;
	data[0].permitted &= ~drop;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void *run_weak(void *arg)
{
	drop_caps();
	rig_start(&rig);
	check_modes();
	rig_stop(&rig);
	return NULL;
}

static void test_exclusive_without_privileges(void **state)
{
	pthread_t thread;

	rig_stop(&rig);
	assert_int_equal(pthread_create(&thread, NULL, run_weak, NULL), 0);
	pthread_join(thread, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_half_made_is_not_made),
		TEST(test_what_others_put_there_stays),
		TEST(test_an_owner_is_refused_before),
		TEST(test_an_owner_is_granted),
		TEST(test_made_without_descriptors),
		TEST(test_exclusive),
		TEST(test_exclusive_without_privileges),
	};

	rig_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
