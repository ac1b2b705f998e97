/* SPDX-License-Identifier: MIT */
/*
 * Errors of write-back are never swallowed. The test has an fsync() of its own
 * that fails on demand as the kernel does: once, and then all seems well.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "posix_rig.h"
#include "testutil.h"

static struct posix_rig rig;
static atomic_int fail_next; /* how many syncs are to fail */
static atomic_uint syncs, all_syncs;

static atomic_bool gate_shut; /* syncs wait before they go on ... */
static atomic_uint at_gate;   /* ... as many as are here */

static int sync_or_fail(long call, int fd)
{
	atomic_fetch_add(&syncs, 1);
	atomic_fetch_add(&at_gate, 1);
	while (atomic_load(&gate_shut))
		sched_yield();
	atomic_fetch_sub(&at_gate, 1);
	if (atomic_load(&fail_next) > 0) {
		atomic_fetch_sub(&fail_next, 1);
		errno = EIO;
		return -1;
	}
	return syscall(call, fd);
}

int fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
	atomic_fetch_add(&all_syncs, 1);
	return sync_or_fail(SYS_syncfs, fd);
}

static int setup(void **state)
{
	rig_init(&rig);
	rig_start(&rig);
	fail_next = 0;
	syncs = 0;
	return 0;
}

static int teardown(void **state)
{
	fail_next = 0;
	rig_fini(&rig);
	return 0;
}

static struct fileid make(const char *name)
{
	return rig_make(&rig, &rig.root, name, OBJECT_FILE, 1000);
}

static void write_unstable(const struct fileid *id)
{
	assert_int_equal(
		rig_write(&rig, &cred_server, id, STORE_IO_CHECK, "x"), 0);
}

static int write_stable(
	const struct fileid *id, enum store_stability *stability)
{
	size_t done;

	return store_write(rig.store, &cred_server, id, STORE_IO_CHECK, 0, "y",
		1, stability, &done);
}

static void test_commit_tells_and_changes_the_verifier(void **state)
{
	struct fileid id = make("f");
	uint64_t verifier = store_write_verifier(rig.store);

	write_unstable(&id);
	fail_next = 1;
	assert_int_equal(store_commit(rig.store, &id, 0, 0), -EIO);
	assert_int_not_equal(store_write_verifier(rig.store), verifier);
	verifier = store_write_verifier(rig.store);
	write_unstable(&id);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(store_write_verifier(rig.store), verifier);
}

static void test_stable_writes_tell(void **state)
{
	enum store_stability stability = STORE_FILE_SYNC;
	struct fileid id = make("f");
	uint64_t verifier = store_write_verifier(rig.store);

	fail_next = 1;
	assert_int_equal(write_stable(&id, &stability), -EIO);
	assert_int_not_equal(store_write_verifier(rig.store), verifier);
	verifier = store_write_verifier(rig.store);
	stability = STORE_DATA_SYNC;
	fail_next = 1;
	assert_int_equal(write_stable(&id, &stability), -EIO);
	assert_int_not_equal(store_write_verifier(rig.store), verifier);
	assert_int_equal(write_stable(&id, &stability), 0);
	assert_int_equal(stability, STORE_DATA_SYNC);
}

static void test_setattr_tells(void **state)
{
	struct setattr set = {.mask = SETATTR_SIZE, .size = 10};
	struct fileid id = make("f");

	fail_next = 1;
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		-EIO);
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		0);
}

static void test_sync_entry_tells(void **state)
{
	struct fileid id = make("f");
	struct fileid dir = rig_make(&rig, &rig.root, "d", OBJECT_DIR, 1000);

	fail_next = 1;
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), -EIO);
	fail_next = 1;
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &dir), -EIO);
	fail_next = 1;
	assert_int_equal(store_sync_entry(rig.store, &rig.root, NULL), -EIO);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
}

/* What a removal leaves to be synced is the directory. */
static void test_sync_entry_of_the_gone(void **state)
{
	struct fileid dir = rig_make(&rig, &rig.root, "d", OBJECT_DIR, 1000);
	struct fileid id = make("f");

	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
	assert_int_equal(rmdir(rig_path(&rig, "d")), 0);
	posix_trim(rig.store, 0);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
	assert_int_equal(store_sync_entry(rig.store, &dir, NULL), 0);
}

/* Somebody's lease shuts us out, but the change of its links is made. */
static void test_sync_entry_under_a_lease(void **state)
{
	struct dir_change change = {0};
	struct fileid id = make("f");
	int fd;

	posix_trim(rig.store, 0);
	signal(SIGIO, SIG_IGN);
	fd = open(rig_path(&rig, "f"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	all_syncs = 0;
	assert_int_equal(store_link(rig.store, &cred_server, &id, &rig.root,
				 name_from_str("g"), &change),
		0);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
	assert_int_equal(all_syncs, 1);
	fail_next = 1;
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), -EIO);
	close(fd);
}

/* Nobody asked for the sync that failed, so the next commit is told. */
static void test_eviction_keeps_its_error(void **state)
{
	struct fileid id = make("f");
	uint64_t verifier = store_write_verifier(rig.store);
	char name[16];

	write_unstable(&id);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	write_unstable(&id);
	fail_next = 1;
	for (int i = 0; i < 2 * RIG_FDS; i++) {
		struct fileid other;

		snprintf(name, sizeof(name), "f%d", i);
		other = make(name);
		write_unstable(&other);
	}
	assert_int_equal(fail_next, 0);
	assert_int_not_equal(store_write_verifier(rig.store), verifier);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), -EIO);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
}

static void test_nothing_to_sync_is_not_synced(void **state)
{
	struct fileid id = make("f");

	syncs = 0;
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(syncs, 0);
	write_unstable(&id);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(syncs, 1);
}

/* Data on disk is not yet its times on disk: COMMIT still has work. */
static void test_commit_after_data_sync(void **state)
{
	enum store_stability stability = STORE_DATA_SYNC;
	struct fileid id = make("f");

	syncs = 0;
	assert_int_equal(write_stable(&id, &stability), 0);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(syncs, 2);
}

/* Symlinks and devices have no fsync: the file system has. */
static void test_attributes_of_special_files(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "s", OBJECT_SYMLINK, 1000);
	struct setattr set = {.mask = SETATTR_MTIME, .mtime_ns = 1};

	all_syncs = 0;
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
	assert_int_equal(all_syncs, 0);
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		0);
	assert_int_equal(all_syncs, 1);
	fail_next = 1;
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		-EIO);
	assert_int_equal(store_setattr(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, &set),
		0);
	assert_int_equal(all_syncs, 3);
}

static void test_space_calls_are_durable(void **state)
{
	struct fileid id = make("f");

	syncs = 0;
	assert_int_equal(store_allocate(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, 65536),
		0);
	assert_int_equal(syncs, 1);
	assert_int_equal(store_deallocate(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, 65536),
		0);
	assert_int_equal(syncs, 2);
	fail_next = 1;
	assert_int_equal(store_allocate(rig.store, &cred_server, &id,
				 STORE_IO_CHECK, 0, 65536),
		-EIO);
}

struct syncer {
	struct fileid id;
	pthread_t thread;
	int err;
};

static void *commit_thread(void *arg)
{
	struct syncer *y = arg;

	y->err = store_commit(rig.store, &y->id, 0, 0);
	return NULL;
}

static void *stable_thread(void *arg)
{
	enum store_stability stability = STORE_FILE_SYNC;
	struct syncer *y = arg;
	size_t done;

	y->err = store_write(rig.store, &cred_server, &y->id, STORE_IO_CHECK,
		100, "z", 1, &stability, &done);
	return NULL;
}

static void start(struct syncer *y, void *(*f)(void *))
{
	assert_int_equal(pthread_create(&y->thread, NULL, f, y), 0);
}

static int finish(struct syncer *y)
{
	pthread_join(y->thread, NULL);
	return y->err;
}

static void wait_for_size(const struct fileid *id, uint64_t size)
{
	while (rig_attr(&rig, id).size != size)
		sched_yield();
}

/*
 * The kernel tells one of two syncs of an open file that fail together. Both
 * writers must hear of it: either's data may be what was lost.
 */
static void test_both_are_told(void **state)
{
	struct syncer commit = {.id = make("f")}, write = {.id = commit.id};

	write_unstable(&commit.id);
	gate_shut = true;
	fail_next = 1;
	start(&commit, commit_thread);
	while (at_gate == 0)
		sched_yield();
	start(&write, stable_thread);
	wait_for_size(&commit.id, 101);
	gate_shut = false;
	assert_int_equal(finish(&commit), -EIO);
	assert_int_equal(finish(&write), -EIO);
}

/* A sync that began before a write says nothing about that write. */
static void test_late_writes_are_synced_again(void **state)
{
	struct syncer commit = {.id = make("f")}, write = {.id = commit.id};

	write_unstable(&commit.id);
	syncs = 0;
	gate_shut = true;
	start(&commit, commit_thread);
	while (at_gate == 0)
		sched_yield();
	start(&write, stable_thread);
	wait_for_size(&commit.id, 101);
	assert_int_equal(syncs, 1); /* one at a time */
	gate_shut = false;
	assert_int_equal(finish(&commit), 0);
	assert_int_equal(finish(&write), 0);
	assert_int_equal(syncs, 2);
}

/*
 * The real thing: a file system on a loop device whose backing file cannot
 * grow, because the tmpfs it lies on is full.
 */
static bool mount_small_disk(void)
{
	char command[512];

	if (mount("none", rig.base, "tmpfs", 0, "size=12M") != 0)
		return false;
	snprintf(command, sizeof(command),
		"cd '%s' && mkdir disk && truncate -s 64M image && "
		"mkfs.ext4 -q -F image && mount -o loop image disk && "
		"chmod 1777 disk",
		rig.base);
	return system(command) == 0;
}

static void fill(const char *path)
{
	static const char zeros[65536];
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
}

static void lose_data_on_a_disk(void)
{
	static char data[1 << 20];
	enum store_stability stability = STORE_UNSTABLE;
	struct fileid id = make("f");
	uint64_t verifier = store_write_verifier(rig.store);
	size_t done;

	assert_int_equal(store_sync_entry(rig.store, &rig.root, &id), 0);
	fill(rig_outside(&rig, "filler"));
	memset(data, 'x', sizeof(data));
	assert_int_equal(
		store_write(rig.store, &cred_server, &id, STORE_IO_CHECK, 0,
			data, sizeof(data), &stability, &done),
		0);
	assert_int_equal(store_write_verifier(rig.store), verifier);
	/* EIO or ENOSPC: the loop device says what happened to it. */
	assert_true(store_commit(rig.store, &id, 0, 0) < 0);
	assert_int_not_equal(store_write_verifier(rig.store), verifier);
}

static void test_a_disk_that_fails(void **state)
{
	bool mounted;

	rig_stop(&rig);
	mounted = mount_small_disk();
	if (mounted) {
		snprintf(rig.export, sizeof(rig.export), "%s/disk", rig.base);
		rig_start(&rig);
		lose_data_on_a_disk();
		rig_stop(&rig);
		umount2(rig.export, 0);
	}
	umount2(rig.base, MNT_DETACH);
	if (!mounted)
		skip();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commit_tells_and_changes_the_verifier),
		TEST(test_stable_writes_tell),
		TEST(test_setattr_tells),
		TEST(test_sync_entry_tells),
		TEST(test_sync_entry_of_the_gone),
		TEST(test_sync_entry_under_a_lease),
		TEST(test_eviction_keeps_its_error),
		TEST(test_nothing_to_sync_is_not_synced),
		TEST(test_commit_after_data_sync),
		TEST(test_attributes_of_special_files),
		TEST(test_space_calls_are_durable),
		TEST(test_both_are_told),
		TEST(test_late_writes_are_synced_again),
		TEST(test_a_disk_that_fails),
	};

	rig_need_root();
	if (!test_own_mounts()) {
		perror("cannot have mounts of our own: skipped");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
