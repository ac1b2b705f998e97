/* SPDX-License-Identifier: MIT */
/*
 * What other processes do to a directory we export is reported, and what we do
 * ourselves is not. Every test runs twice: with a group of the server's own,
 * and without CAP_SYS_ADMIN, as any user may watch. Rows: DD-23, its lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "foreign.h"
#include "posix_rig.h"
#include "testutil.h"

/* Longer than any machine needs; reached only when a test fails. */
#define PATIENCE_S 30
#define HEARD_MAX  65536

struct report {
	enum outside_kind kind;
	struct fileid id;
	char name[64], new_name[64];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct report heard[HEARD_MAX];
	unsigned count;
	unsigned asked; /* what was expected up to here is forgotten */
	bool plugged;   /* whoever tells has to wait */
} ear = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};

static struct posix_rig rig;
static bool admin;

static void copy_name(char to[64], struct name name)
{
	memcpy(to, name.len ? name.data : "", name.len);
	to[name.len] = 0;
}

static void hear(void *ctx, const struct outside *what)
{
	struct report *r;

	pthread_mutex_lock(&ear.lock);
	while (ear.plugged)
		pthread_cond_wait(&ear.more, &ear.lock);
	if (ear.count < HEARD_MAX) {
		r = &ear.heard[ear.count++];
		r->kind = what->kind;
		r->id = what->id;
		copy_name(r->name, what->name);
		copy_name(r->new_name, what->new_name);
	}
	pthread_cond_broadcast(&ear.more);
	pthread_mutex_unlock(&ear.lock);
}

static bool is_report(const struct report *r, enum outside_kind kind,
	const struct fileid *id, const char *name)
{
	return r->kind == kind && (!id || fileid_equal(&r->id, id)) &&
		strcmp(r->name, name) == 0;
}

static struct report *find_locked(
	enum outside_kind kind, const struct fileid *id, const char *name)
{
	for (unsigned i = ear.asked; i < ear.count; i++) {
		if (is_report(&ear.heard[i], kind, id, name))
			return &ear.heard[i];
	}
	return NULL;
}

/* Wait for such a report. */
static struct report await(
	enum outside_kind kind, const struct fileid *id, const char *name)
{
	struct report *r, ret = {0};
	struct timespec until;
	int late = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&ear.lock);
	while (!(r = find_locked(kind, id, name)) && !late)
		late = pthread_cond_timedwait(&ear.more, &ear.lock, &until);
	if (r)
		ret = *r;
	pthread_mutex_unlock(&ear.lock);
	if (!r)
		fail_msg("no report of kind %d name '%s'", kind, name);
	return ret;
}

static bool was_heard(
	enum outside_kind kind, const struct fileid *id, const char *name)
{
	bool found;

	pthread_mutex_lock(&ear.lock);
	found = find_locked(kind, id, name);
	pthread_mutex_unlock(&ear.lock);
	return found;
}

static bool was_told_of(const struct fileid *id)
{
	bool found = false;

	pthread_mutex_lock(&ear.lock);
	for (unsigned i = 0; i < ear.count && !found; i++)
		found = fileid_equal(&ear.heard[i].id, id);
	pthread_mutex_unlock(&ear.lock);
	return found;
}

static void forget(void)
{
	pthread_mutex_lock(&ear.lock);
	ear.asked = ear.count;
	pthread_mutex_unlock(&ear.lock);
}

static void plug(bool on)
{
	pthread_mutex_lock(&ear.lock);
	ear.plugged = on;
	pthread_cond_broadcast(&ear.more);
	pthread_mutex_unlock(&ear.lock);
}

/* ---- another process ---- */

/* Runs @statement in another process, at the export's root. */
#define HERE(statement) FOREIGN(rig.export, statement)

static void make_sentinel(const char *name)
{
	touch(name);
	must(unlink(name) == 0);
}

/*
 * All that happened so far has been reported: what is done last, in a
 * directory of its own, is. Its removal may be reported later, so that every
 * sentinel has a name of its own.
 */
static void settle(void)
{
	static unsigned times;
	struct fileid id = rig_lookup(&rig, &rig.root, "sentinel");
	char path[32];

	snprintf(path, sizeof(path), "sentinel/s%u", times++);
	HERE(make_sentinel(path));
	await(OUTSIDE_ENTRY, &id, strchr(path, '/') + 1);
}

/* ---- the rig ---- */

static int setup(bool as_admin)
{
	struct store_observer observer = {.outside = hear};
	struct fileid id;

	rig_init(&rig);
	rig_start(&rig);
	ear.count = ear.asked = 0;
	admin = as_admin;
	test_set_admin(as_admin);
	assert_int_equal(store_observe(rig.store, &observer), 0);
	test_set_admin(true);
	id = rig_make(&rig, &rig.root, "sentinel", OBJECT_DIR, 0);
	assert_int_equal(store_watch(rig.store, &id, STORE_WATCH_ENTRIES), 0);
	return 0;
}

static int setup_admin(void **state)
{
	return setup(true);
}

static int setup_user(void **state)
{
	return setup(false);
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

static struct fileid make_dir(const char *name)
{
	return rig_make(&rig, &rig.root, name, OBJECT_DIR, 0);
}

static void watch(const struct fileid *id, enum store_watch what)
{
	assert_int_equal(store_watch(rig.store, id, what), 0);
}

static struct store_watch_stats stats(void)
{
	struct store_watch_stats ret;

	store_read_watch_stats(rig.store, &ret);
	return ret;
}

/* ---- tests ---- */

static void test_entries(void **state)
{
	struct fileid d = make_dir("d"), e = make_dir("e");
	struct report r;

	watch(&d, STORE_WATCH_ENTRIES);
	HERE(touch("d/f"));
	await(OUTSIDE_ENTRY, &d, "f");
	HERE(must(rename("d/f", "d/g") == 0));
	r = await(OUTSIDE_RENAME, &d, "f");
	assert_string_equal(r.new_name, "g");
	forget();
	HERE(must(rename("d/g", "e/g") == 0));
	await(OUTSIDE_ENTRY, &d, "g");
	forget();
	HERE(must(rename("e/g", "d/h") == 0));
	await(OUTSIDE_ENTRY, &d, "h");
	HERE(must(link("d/h", "d/i") == 0));
	await(OUTSIDE_ENTRY, &d, "i");
	forget();
	HERE(must(unlink("d/h") == 0));
	await(OUTSIDE_ENTRY, &d, "h");
	HERE(must(mkdir("d/sub", 0700) == 0));
	await(OUTSIDE_ENTRY, &d, "sub");
	forget();
	HERE(must(rmdir("d/sub") == 0));
	await(OUTSIDE_ENTRY, &d, "sub");
	assert_false(was_heard(OUTSIDE_ENTRY, &e, "g"));
}

static void test_names_of_any_length(void **state)
{
	static char path[3 + NAME_LEN_MAX];
	struct fileid d = make_dir("d");

	/* What does not fit in a report's record here is cut by the ear. */
	watch(&d, STORE_WATCH_ENTRIES);
	snprintf(path, sizeof(path), "d/%062d", 7);
	HERE(touch(path));
	await(OUTSIDE_ENTRY, &d, path + 2);
	HERE(touch("d/\n \xff"));
	await(OUTSIDE_ENTRY, &d, "\n \xff");
}

static void test_the_directory_itself(void **state)
{
	static const struct timespec mtime_only[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
	struct fileid d = make_dir("d");

	watch(&d, STORE_WATCH_ENTRIES);
	HERE(must(chmod("d", 0700) == 0));
	await(OUTSIDE_OBJECT, &d, "");
	forget();
	HERE(must(chown("d", 1000, 1000) == 0));
	await(OUTSIDE_OBJECT, &d, "");
	forget();
	HERE(must(utimensat(AT_FDCWD, "d", NULL, 0) == 0));
	await(OUTSIDE_OBJECT, &d, "");
	forget();
	HERE(must(utimensat(AT_FDCWD, "d", mtime_only, 0) == 0));
	await(OUTSIDE_OBJECT, &d, "");
}

static void test_children(void **state)
{
	struct fileid d = make_dir("d"), f, sub;

	f = rig_make(&rig, &d, "f", OBJECT_FILE, 0);
	sub = rig_make(&rig, &d, "sub", OBJECT_DIR, 0);
	watch(&d, STORE_WATCH_ENTRIES);
	HERE(write_to("d/f"));
	settle();
	assert_false(was_heard(OUTSIDE_OBJECT, &f, ""));
	watch(&d, STORE_WATCH_CHILDREN);
	HERE(write_to("d/f"));
	await(OUTSIDE_OBJECT, &f, "");
	forget();
	HERE(must(chmod("d/f", 0600) == 0));
	await(OUTSIDE_OBJECT, &f, "");
	forget();
	HERE(must(utimensat(AT_FDCWD, "d/f", NULL, 0) == 0));
	await(OUTSIDE_OBJECT, &f, "");
	HERE(must(chmod("d/sub", 0700) == 0));
	await(OUTSIDE_OBJECT, &sub, "");
	/* Not any more. */
	store_unwatch(rig.store, &d, STORE_WATCH_CHILDREN);
	settle();
	forget();
	HERE(write_to("d/f"));
	HERE(touch("d/g"));
	settle();
	assert_false(was_heard(OUTSIDE_OBJECT, &f, ""));
	assert_true(was_heard(OUTSIDE_ENTRY, &d, "g"));
}

/* By a name in a directory that nobody watches. */
static void test_hard_links(void **state)
{
	struct fileid d = make_dir("d"), f;

	make_dir("e");
	f = rig_make(&rig, &d, "f", OBJECT_FILE, 0);
	watch(&d, STORE_WATCH_CHILDREN);
	HERE(must(link("d/f", "e/g") == 0));
	watch(&f, STORE_WATCH_OBJECT);
	HERE(write_to("e/g"));
	await(OUTSIDE_OBJECT, &f, "");
	settle();
	forget();
	HERE(must(rename("e/g", "e/h") == 0));
	await(OUTSIDE_OBJECT, &f, "");
	settle();
	forget();
	HERE(must(unlink("e/h") == 0));
	await(OUTSIDE_OBJECT, &f, "");
	store_unwatch(rig.store, &f, STORE_WATCH_OBJECT);
	assert_int_equal(
		store_watch(rig.store, &f, STORE_WATCH_ENTRIES), -ENOTDIR);
}

static void test_removed(void **state)
{
	struct fileid d = make_dir("d"), e = make_dir("e");
	struct fileid sub = rig_make(&rig, &d, "sub", OBJECT_DIR, 0);

	watch(&sub, STORE_WATCH_END);
	HERE(must(rmdir("d/sub") == 0));
	await(OUTSIDE_ENDED, &sub, "");
	assert_int_equal(
		store_watch(rig.store, &sub, STORE_WATCH_END), -ESTALE);
	store_unwatch(rig.store, &sub, STORE_WATCH_END);
	/* Overwritten: it tells by its attributes only. */
	watch(&e, STORE_WATCH_END);
	HERE(must(rename("d", "e") == 0));
	await(OUTSIDE_OBJECT, &e, "");
	store_unwatch(rig.store, &e, STORE_WATCH_END);
}

static void test_removed_from_another_place(void **state)
{
	struct fileid a = make_dir("a");
	struct fileid sub = rig_make(&rig, &a, "sub", OBJECT_DIR, 0);
	uint64_t marks = stats().marks;

	make_dir("b");
	watch(&sub, STORE_WATCH_END);
	assert_int_equal(stats().marks, marks + 2);
	HERE(must(rename("a/sub", "b/sub") == 0));
	await(OUTSIDE_MOVED, &sub, "");
	watch(&sub, STORE_WATCH_END);
	store_unwatch(rig.store, &sub, STORE_WATCH_END);
	assert_int_equal(stats().marks, marks + 2);
	HERE(must(rmdir("b/sub") == 0));
	await(OUTSIDE_ENDED, &sub, "");
	store_unwatch(rig.store, &sub, STORE_WATCH_END);
	assert_int_equal(stats().marks, marks);
}

static void test_our_own_move(void **state)
{
	struct dir_change from = {0}, to = {0};
	struct fileid b = make_dir("b"), sub = make_dir("sub");
	bool nothing;

	watch(&sub, STORE_WATCH_END);
	watch(&b, STORE_WATCH_ENTRIES);
	assert_int_equal(store_rename(rig.store, &cred_server, &rig.root,
				 name_from_str("sub"), &b, name_from_str("sub"),
				 &from, &to, &nothing),
		0);
	await(OUTSIDE_MOVED, &sub, "");
	assert_false(was_heard(OUTSIDE_ENTRY, &b, "sub"));
}

static void remove_export(void)
{
	must(chdir("..") == 0 && rmdir("export/sentinel") == 0 &&
		rmdir("export") == 0);
}

static void test_the_root_removed(void **state)
{
	watch(&rig.root, STORE_WATCH_END);
	HERE(remove_export());
	await(OUTSIDE_ENDED, &rig.root, "");
	assert_int_equal(mkdir(rig.export, 0700), 0);
}

static void test_our_own_are_silent(void **state)
{
	struct fileid d = make_dir("d"), f;

	watch(&d, STORE_WATCH_ENTRIES);
	watch(&d, STORE_WATCH_CHILDREN);
	f = rig_make(&rig, &d, "f", OBJECT_FILE, 0);
	rig_chmod(&rig, &f, 0600);
	assert_int_equal(rig_write(&rig, &cred_server, &f, 0, "text"), 0);
	test_remove(rig.store, &d, "f");
	rig_chmod(&rig, &d, 0700);
	settle();
	assert_false(was_told_of(&d) || was_told_of(&f));
	assert_true(stats().own > 0);
}

static void test_kept_until_room_is_needed(void **state)
{
	struct fileid d[4];
	char name[8];

	rig_stop(&rig);
	rig.watch.max_marks = 3;
	rig_start(&rig);
	assert_int_equal(store_observe(rig.store,
				 &(struct store_observer){.outside = hear}),
		0);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		d[i] = make_dir(name);
	}
	for (int i = 0; i < 3; i++)
		watch(&d[i], STORE_WATCH_ENTRIES);
	assert_int_equal(
		store_watch(rig.store, &d[3], STORE_WATCH_ENTRIES), -ENOSPC);
	assert_int_equal(stats().refused, 1);
	/* Nobody asks for the first any more, but it costs nothing yet. */
	store_unwatch(rig.store, &d[0], STORE_WATCH_ENTRIES);
	store_unwatch(rig.store, &d[1], STORE_WATCH_ENTRIES);
	assert_int_equal(stats().marks, 3);
	HERE(touch("d0/f"));
	await(OUTSIDE_ENTRY, &d[0], "f");
	watch(&d[1], STORE_WATCH_ENTRIES);
	watch(&d[3], STORE_WATCH_ENTRIES);
	await(OUTSIDE_UNWATCHED, &d[0], "");
	assert_int_equal(stats().marks, 3);
	HERE(touch("d0/g"));
	HERE(touch("d3/g"));
	await(OUTSIDE_ENTRY, &d[3], "g");
	assert_false(was_heard(OUTSIDE_ENTRY, &d[0], "g"));
}

static void make_many(void)
{
	char path[32];

	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "d/%d", i);
		must(mkdir(path, 0700) == 0 && rmdir(path) == 0);
	}
}

/* More than a queue takes, while nobody reads. */
static void test_overflow(void **state)
{
	struct fileid d;

	rig_stop(&rig);
	rig.watch.limited_queue = true;
	rig_start(&rig);
	assert_int_equal(store_observe(rig.store,
				 &(struct store_observer){.outside = hear}),
		0);
	d = make_dir("d");
	watch(&d, STORE_WATCH_ENTRIES);
	plug(true);
	HERE(touch("d/first"));
	HERE(make_many());
	plug(false);
	await(OUTSIDE_LOST, NULL, "");
	assert_int_equal(stats().lost, 1);
}

/* What is not there any more costs nothing, and does no harm. */
static void test_gone(void **state)
{
	struct fileid d = make_dir("d"), f;
	uint64_t marks = stats().marks;

	f = rig_make(&rig, &d, "f", OBJECT_FILE, 0);
	watch(&d, STORE_WATCH_ENTRIES);
	watch(&f, STORE_WATCH_OBJECT);
	HERE(must(unlink("d/f") == 0 && rmdir("d") == 0));
	store_unwatch(rig.store, &f, STORE_WATCH_OBJECT);
	store_unwatch(rig.store, &d, STORE_WATCH_ENTRIES);
	store_unwatch(rig.store, &d, STORE_WATCH_ENTRIES);
	store_unwatch(rig.store, &d, STORE_WATCH_CHILDREN);
	assert_true(stats().marks <= marks + 1);
}

static void test_observed_no_more(void **state)
{
	struct fileid d = make_dir("d");
	unsigned fds;

	watch(&d, STORE_WATCH_ENTRIES);
	assert_int_equal(store_observe(rig.store, NULL), 0);
	fds = test_count_fds();
	HERE(touch("d/f"));
	assert_int_equal(
		store_watch(rig.store, &d, STORE_WATCH_ENTRIES), -EOPNOTSUPP);
	store_unwatch(rig.store, &d, STORE_WATCH_ENTRIES);
	assert_int_equal(stats().marks, 0);
	assert_int_equal(store_observe(rig.store,
				 &(struct store_observer){.outside = hear}),
		0);
	assert_int_equal(store_observe(rig.store, NULL), 0);
	assert_int_equal(test_count_fds(), fds);
	assert_false(was_heard(OUTSIDE_ENTRY, &d, "f"));
}

#define CASE(name)                                                    \
	cmocka_unit_test_setup_teardown(name, setup_admin, teardown), \
		cmocka_unit_test_setup_teardown(name, setup_user, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_entries),
		CASE(test_names_of_any_length),
		CASE(test_the_directory_itself),
		CASE(test_children),
		CASE(test_hard_links),
		CASE(test_removed),
		CASE(test_removed_from_another_place),
		CASE(test_our_own_move),
		CASE(test_the_root_removed),
		CASE(test_our_own_are_silent),
		CASE(test_kept_until_room_is_needed),
		CASE(test_overflow),
		CASE(test_gone),
		CASE(test_observed_no_more),
	};

	rig_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
