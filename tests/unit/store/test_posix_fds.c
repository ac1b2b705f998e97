/* SPDX-License-Identifier: MIT */
/*
 * Many files, few descriptors: the cache keeps its budget, nothing written is
 * forgotten on the way, and what is open outlives its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "posix_rig.h"
#include "testutil.h"

#define FILES 5000
#define LIMIT 256
#define SLACK 64 /* what the process has beside the cache */

static struct posix_rig rig;
static struct fileid ids[FILES];

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

/* Returns the limit there was. */
static unsigned limit_descriptors(unsigned n)
{
	struct rlimit limit;
	unsigned old;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	old = limit.rlim_cur;
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return old;
}

static void check_content(const struct fileid *id, const char *want)
{
	char buf[32];
	size_t done;
	bool eof;

	assert_int_equal(
		store_read(rig.store, &cred_server, id, STORE_IO_OPENED, 0, buf,
			sizeof(buf), &done, &eof),
		0);
	assert_int_equal(done, strlen(want));
	assert_memory_equal(buf, want, done);
}

/* As many files open and written as a build machine has, unsynced. */
static void test_thousands_of_open_files(void **state)
{
	uint64_t verifier = store_write_verifier(rig.store);
	struct cred alice = test_cred(1000);
	char text[16];

	limit_descriptors(LIMIT);
	rig_stop(&rig);
	rig.max_fds = LIMIT - SLACK;
	rig_start(&rig);
	verifier = store_write_verifier(rig.store);
	for (int i = 0; i < FILES; i++) {
		snprintf(text, sizeof(text), "file %d", i);
		ids[i] = rig_make(&rig, &rig.root, text, OBJECT_FILE, 1000);
		assert_int_equal(store_pin(rig.store, &ids[i]), 0);
		assert_int_equal(
			rig_write(&rig, &alice, &ids[i], STORE_IO_OPENED, text),
			0);
		assert_true(test_count_fds() < LIMIT);
	}
	for (int i = 0; i < FILES; i++) {
		snprintf(text, sizeof(text), "file %d", i);
		check_content(&ids[i], text);
		assert_int_equal(store_commit(rig.store, &ids[i], 0, 0), 0);
		store_unpin(rig.store, &ids[i]);
	}
	assert_int_equal(store_write_verifier(rig.store), verifier);
}

static void remove_name(const char *name)
{
	struct dir_change change = {0};

	assert_int_equal(store_remove(rig.store, &cred_server, &rig.root,
				 name_from_str(name), &change),
		0);
}

/* Make the cache forget whatever it may. */
static void churn(void)
{
	static unsigned serial;
	char name[16];

	for (int i = 0; i < 2 * RIG_FDS; i++) {
		snprintf(name, sizeof(name), "d%u", serial++);
		rig_make(&rig, &rig.root, name, OBJECT_DIR, 0);
	}
	posix_trim(rig.store, 0);
}

static void test_pinned_outlives_its_name(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);

	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "one"), 0);
	assert_int_equal(store_pin(rig.store, &id), 0);
	assert_int_equal(store_pin(rig.store, &id), 0);
	remove_name("f");
	churn();
	check_content(&id, "one");
	assert_int_equal(rig_attr(&rig, &id).nlink, 0);
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_OPENED, "two"), 0);
	store_unpin(rig.store, &id);
	churn();
	check_content(&id, "two");
	store_unpin(rig.store, &id);
	assert_int_equal(store_probe(rig.store, &id), -ESTALE);
}

static void test_pinned_outlives_being_overwritten(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	struct dir_change change = {0};
	bool nothing;

	rig_make(&rig, &rig.root, "g", OBJECT_FILE, 1000);
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "old"), 0);
	assert_int_equal(store_pin(rig.store, &id), 0);
	assert_int_equal(store_rename(rig.store, &cred_server, &rig.root,
				 name_from_str("g"), &rig.root,
				 name_from_str("f"), &change, NULL, &nothing),
		0);
	churn();
	check_content(&id, "old");
	store_unpin(rig.store, &id);
	assert_int_equal(store_probe(rig.store, &id), -ESTALE);
}

static void test_a_second_name_keeps_it(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	struct dir_change change = {0};

	assert_int_equal(store_link(rig.store, &cred_server, &id, &rig.root,
				 name_from_str("g"), &change),
		0);
	assert_int_equal(store_pin(rig.store, &id), 0);
	remove_name("f");
	churn();
	remove_name("g");
	churn();
	assert_int_equal(rig_attr(&rig, &id).nlink, 0);
	store_unpin(rig.store, &id);
	assert_int_equal(store_probe(rig.store, &id), -ESTALE);
}

static void test_unpinned_is_gone_at_once(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);

	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "x"), 0);
	remove_name("f");
	assert_int_equal(store_probe(rig.store, &id), -ESTALE);
	assert_int_equal(store_pin(rig.store, &id), -ESTALE);
}

/* What made a file is kept for its writer, pins or not; not if it is gone. */
static void test_the_makers_descriptor_stays(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	unsigned before;

	assert_int_equal(store_pin(rig.store, &id), 0);
	before = test_count_fds();
	store_unpin(rig.store, &id);
	assert_int_equal(test_count_fds(), before);
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_OPENED, "x"), 0);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	assert_int_equal(test_count_fds(), before);
	assert_int_equal(store_pin(rig.store, &id), 0);
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
	store_unpin(rig.store, &id);
	assert_int_equal(test_count_fds(), before - 1);
}

static void check_orphans(uint32_t want)
{
	uint32_t count, max;

	store_count_orphans(rig.store, &count, &max);
	assert_int_equal(count, want);
	assert_int_equal(max, RIG_FDS / 2);
}

/* How many there may be is for those to heed who know what is open. */
static void test_orphans_are_counted(void **state)
{
	char name[16];
	int i;

	check_orphans(0);
	for (i = 0; i <= RIG_FDS / 2; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ids[i] = rig_make(&rig, &rig.root, name, OBJECT_FILE, 1000);
		assert_int_equal(store_pin(rig.store, &ids[i]), 0);
		remove_name(name);
		check_orphans(i + 1);
	}
	while (i-- > 0) {
		assert_int_equal(rig_attr(&rig, &ids[i]).nlink, 0);
		store_unpin(rig.store, &ids[i]);
		check_orphans(i);
	}
}

static void test_trim_gives_space_back(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	unsigned before = test_count_fds();

	check_content(&id, "");
	assert_true(test_count_fds() >= before);
	posix_trim(rig.store, 3600 * 1000);
	assert_true(test_count_fds() >= before);
	posix_trim(rig.store, 0);
	assert_true(test_count_fds() < before);
	check_content(&id, "");
}

/* Unsynced writes stay until synced, trimming or not. */
static void test_trim_keeps_unsynced(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	unsigned before;

	posix_trim(rig.store, 0);
	before = test_count_fds();
	assert_int_equal(
		rig_write(&rig, &cred_server, &id, STORE_IO_CHECK, "x"), 0);
	posix_trim(rig.store, 0);
	assert_int_equal(test_count_fds(), before + 1);
	assert_int_equal(store_commit(rig.store, &id, 0, 0), 0);
	posix_trim(rig.store, 0);
	assert_int_equal(test_count_fds(), before);
}

/* A budget the process does not have: it learns, and goes on. */
static void test_too_large_a_budget(void **state)
{
	struct cred alice = test_cred(1000);
	unsigned refused = 0, old;
	struct dir_change change;
	struct store_new new = {.type = OBJECT_FILE};
	char name[16];

	rig_stop(&rig);
	rig.max_fds = 10000;
	rig_start(&rig);
	old = limit_descriptors(test_count_fds() + 90);
	for (int i = 0; i < 500;) {
		int err;

		snprintf(name, sizeof(name), "f%d", i);
		change = (struct dir_change){0};
		err = store_create(rig.store, &alice, &rig.root,
			name_from_str(name), &new, &ids[i], &change);
		if (err == -EWOULDBLOCK && refused++ < 50)
			continue;
		assert_int_equal(err, 0);
		i++;
	}
	assert_in_range(refused, 1, 5);
	for (int i = 0; i < 500; i++)
		check_content(&ids[i], "");
	limit_descriptors(old);
}

/* Take every descriptor that is left; give_back() closes @n of them. */
static unsigned take_all(int *fds, unsigned max)
{
	unsigned n = 0;

	while (n < max && (fds[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	assert_true(n < max);
	return n;
}

static void give_back(const int *fds, unsigned n)
{
	while (n-- > 0)
		close(fds[n]);
}

/*
 * What was changed is made durable also when nothing can be opened any more:
 * "try again" would make a client remove what is gone by now.
 */
static void test_done_is_done_without_descriptors(void **state)
{
	struct cred alice = test_cred(1000);
	struct name key = name_from_str("key");
	struct fileid file, dir;
	int fds[LIMIT];
	unsigned taken, old;

	dir = rig_make(&rig, &rig.root, "d", OBJECT_DIR, 1000);
	rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	posix_trim(rig.store, 0);
	file = rig_lookup(&rig, &rig.root, "f");
	rig_attr(&rig, &dir);
	old = limit_descriptors(LIMIT);
	taken = take_all(fds, LIMIT);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &dir), 0);
	assert_int_equal(store_sync_entry(rig.store, &rig.root, &file), 0);
	assert_int_equal(store_xattr_set(rig.store, &alice, &file, key, "v", 1,
				 XATTR_CREATE_ONLY),
		0);
	assert_int_equal(store_xattr_remove(rig.store, &alice, &file, key), 0);
	give_back(fds, taken);
	limit_descriptors(old);
}

/* Only a descriptor is missing: what is still there is not said to be gone. */
static void test_pinned_nameless_without_descriptors(void **state)
{
	struct fileid id = rig_make(&rig, &rig.root, "f", OBJECT_FILE, 1000);
	unsigned old = limit_descriptors(LIMIT);
	int fds[LIMIT];
	unsigned taken;

	rig_attr(&rig, &id); /* its descriptor is kept */
	assert_int_equal(unlink(rig_path(&rig, "f")), 0);
	taken = take_all(fds, LIMIT);
	assert_int_equal(store_pin(rig.store, &id), -EWOULDBLOCK);
	give_back(fds, taken);
	assert_int_equal(store_pin(rig.store, &id), 0);
	posix_trim(rig.store, 0);
	assert_int_equal(rig_attr(&rig, &id).nlink, 0);
	store_unpin(rig.store, &id);
	limit_descriptors(old);
}

#define THREADS 8
#define ROUNDS  300

static atomic_uint waits;

static int try_round(const struct cred *cred, unsigned seed, unsigned round)
{
	enum store_stability stability = STORE_UNSTABLE;
	const struct fileid *id = &ids[(seed * 31 + round * 7) % 100];
	char buf[8];
	size_t done;
	bool eof;
	int err;

	err = store_write(rig.store, cred, id, STORE_IO_OPENED, 0, "abcdefgh",
		8, &stability, &done);
	if (!err)
		err = store_read(rig.store, cred, id, STORE_IO_OPENED, 0, buf,
			8, &done, &eof);
	if (!err && round % 5 == 0)
		err = store_commit(rig.store, id, 0, 0);
	return err;
}

static void *hammer(void *arg)
{
	unsigned seed = (uintptr_t)arg;
	struct cred cred = test_cred(1000 + seed);

	for (unsigned round = 0; round < ROUNDS; round++) {
		int err = try_round(&cred, seed, round);

		if (err == -EWOULDBLOCK)
			atomic_fetch_add(&waits, 1);
		else
			assert_int_equal(err, 0);
	}
	return NULL;
}

/* Threads of many users over few descriptors: mostly served, never wrong. */
static void test_many_threads(void **state)
{
	pthread_t threads[THREADS];
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ids[i] = rig_make(&rig, &rig.root, name, OBJECT_FILE, 0);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, hammer, (void *)i),
			0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&waits) < THREADS * ROUNDS / 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_attr(&rig, &ids[i]).size, 8);
}

/*
 * Everything at once in one directory: names come and go under open and pinned
 * files. Changes of a directory are made one at a time, as state/dirchange has
 * it; nothing else waits.
 */
#define RACE_NAMES  16
#define RACE_ROUNDS 400

static struct {
	pthread_mutex_t section; /* the directory's change section */
	pthread_mutex_t lock;    /* guards ids */
	struct fileid ids[RACE_NAMES];
} race = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, {{0}}};

static struct fileid race_id(unsigned n)
{
	struct fileid id;

	pthread_mutex_lock(&race.lock);
	id = race.ids[n];
	pthread_mutex_unlock(&race.lock);
	return id;
}

static void race_publish(unsigned n, const struct fileid *id)
{
	pthread_mutex_lock(&race.lock);
	race.ids[n] = *id;
	pthread_mutex_unlock(&race.lock);
}

static bool is_expected(int err)
{
	return !err || err == -ESTALE || err == -ENOENT || err == -EEXIST ||
		err == -EWOULDBLOCK || err == -ENFILE;
}

static void race_change(struct rand_stream *r, struct dir_change *change)
{
	unsigned n = rand_stream_below(r, RACE_NAMES);
	char name[2] = {'a' + n, 0}, other[2] = {'A' + n, 0};
	struct store_new new = {.type = OBJECT_FILE};
	struct fileid id;
	bool nothing;
	int err;

	memset(change, 0, sizeof(*change));
	switch (rand_stream_below(r, 3)) {
	case 0:
		err = store_create(rig.store, &cred_server, &rig.root,
			name_from_str(name), &new, &id, change);
		if (!err)
			race_publish(n, &id);
		break;
	case 1:
		err = store_remove(rig.store, &cred_server, &rig.root,
			name_from_str(name), change);
		break;
	default:
		err = store_rename(rig.store, &cred_server, &rig.root,
			name_from_str(name), &rig.root, name_from_str(other),
			change, NULL, &nothing);
	}
	assert_true(is_expected(err));
}

static void *race_changer(void *arg)
{
	struct rand_stream r = {(uintptr_t)arg};
	struct dir_change *change = malloc(sizeof(*change));

	for (int i = 0; i < RACE_ROUNDS; i++) {
		pthread_mutex_lock(&race.section);
		race_change(&r, change);
		pthread_mutex_unlock(&race.section);
	}
	free(change);
	return NULL;
}

/* While it is pinned and was there, it stays there. */
static void race_use_pinned(const struct cred *cred, const struct fileid *id)
{
	enum store_stability stability = STORE_UNSTABLE;
	struct attr attr;
	char byte;
	size_t done;
	bool eof;
	int err = store_write(rig.store, cred, id, STORE_IO_OPENED, 0, "x", 1,
		&stability, &done);

	assert_true(!err || err == -EWOULDBLOCK);
	if (err)
		return;
	err = store_read(
		rig.store, cred, id, STORE_IO_OPENED, 0, &byte, 1, &done, &eof);
	assert_true(!err || err == -EWOULDBLOCK);
	if (!err)
		assert_int_equal(byte, 'x');
	err = store_getattr(rig.store, id, &attr);
	assert_true(!err || err == -EWOULDBLOCK);
	err = store_commit(rig.store, id, 0, 0);
	assert_true(!err || err == -EWOULDBLOCK);
}

static void *race_user(void *arg)
{
	struct rand_stream r = {(uintptr_t)arg};
	struct cred cred = test_cred(1000 + (uintptr_t)arg);

	for (int i = 0; i < RACE_ROUNDS; i++) {
		struct fileid id = race_id(rand_stream_below(&r, RACE_NAMES));
		int err = id.len ? store_pin(rig.store, &id) : -ENOENT;

		assert_true(is_expected(err));
		if (err)
			continue;
		race_use_pinned(&cred, &id);
		store_unpin(rig.store, &id);
	}
	return NULL;
}

static void test_races(void **state)
{
	pthread_t threads[THREADS];
	unsigned before;

	posix_trim(rig.store, 0);
	before = test_count_fds();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL,
				i < 2 ? race_changer : race_user, (void *)i),
			0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	posix_trim(rig.store, 0);
	assert_int_equal(test_count_fds(), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#define STALE_ROUNDS 1500

static atomic_bool stop_making;

/* Inode numbers that come free are used again at once. */
static void *make_and_remove(void *arg)
{
	const char *path = arg;

	while (!atomic_load(&stop_making)) {
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		if (fd < 0)
			break;
		close(fd);
		unlink(path);
	}
	return NULL;
}

/* The kernel says ENOMEM of a number that is just being given to another. */
static void test_what_is_gone_is_stale_while_others_are_made(void **state)
{
	static char path[256];
	pthread_t maker;

	snprintf(path, sizeof(path), "%s", rig_path(&rig, "other"));
	atomic_store(&stop_making, false);
	assert_int_equal(
		pthread_create(&maker, NULL, make_and_remove, path), 0);
	for (int i = 0; i < STALE_ROUNDS; i++) {
		struct fileid id =
			rig_make(&rig, &rig.root, "f", OBJECT_FILE, 0);
		struct attr attr;

		posix_trim(rig.store, 0);
		assert_int_equal(unlink(rig_path(&rig, "f")), 0);
		assert_int_equal(store_getattr(rig.store, &id, &attr), -ESTALE);
	}
	atomic_store(&stop_making, true);
	pthread_join(maker, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pinned_outlives_its_name),
		TEST(test_pinned_outlives_being_overwritten),
		TEST(test_a_second_name_keeps_it),
		TEST(test_unpinned_is_gone_at_once),
		TEST(test_the_makers_descriptor_stays),
		TEST(test_orphans_are_counted),
		TEST(test_trim_gives_space_back),
		TEST(test_trim_keeps_unsynced),
		TEST(test_too_large_a_budget),
		TEST(test_done_is_done_without_descriptors),
		TEST(test_pinned_nameless_without_descriptors),
		TEST(test_many_threads),
		TEST(test_races),
		TEST(test_what_is_gone_is_stale_while_others_are_made),
		TEST(test_thousands_of_open_files),
	};

	rig_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
