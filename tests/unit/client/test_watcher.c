/* SPDX-License-Identifier: MIT */
/* Watching directories of a fake server that notifies, recalls, refuses ... */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "watching_fake.h"

/* ---- one directory ---- */

static void test_changes(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "dir");
	fake_create(f->fake, "dir/old");
	start(f, "dir", false, "READY 1");
	fake_create(f->fake, "dir/new");
	fake_rename(f->fake, "dir/new", "dir/name");
	fake_rename(f->fake, "dir/name", "dir/old"); /* over it */
	fake_remove(f->fake, "dir/old");
	fake_mkdir(f->fake, "dir/sub");
	fake_create(f->fake, "dir/sub/x"); /* not ours */
	expect_all(f,
		"/dir/ CREATE new\n/dir/ MOVE new name\n"
		"/dir/ MOVE name old\n/dir/ DELETE old\n/dir/ CREATE sub\n");
	assert_int_equal(seen(f).cb_failures, 0);
	assert_int_equal(seen(f).delegations, 1);
}

static void test_clean_exit(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	fake_mkdir(f->fake, "a/b");
	start(f, "a", true, "READY 2");
	assert_int_equal(seen(f).delegations, 2);
	watching_stop(&f->watching);
	assert_int_equal(f->watching.result, 0);
	assert_int_equal(seen(f).delegations, 0);
	assert_int_equal(seen(f).returns, 2);
	assert_int_equal(seen(f).destroyed_sessions, 1);
	assert_int_equal(seen(f).destroyed_clients, 1);
}

static void test_root(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_create(f->fake, "x");
	expect_all(f, "/ CREATE x\n");
}

static void test_not_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		watching_open(&f->watching, &f->client, "nowhere", false),
		NFS4ERR_NOENT);
	assert_null(f->watching.w);
}

static void test_not_a_directory(void **state)
{
	struct fixture *f = *state;

	fake_create(f->fake, "file");
	assert_int_equal(
		watching_open(&f->watching, &f->client, "file", false), 0);
	assert_int_equal(watcher_run(f->watching.w), NFS4ERR_NOTDIR);
}

/* ---- recalled ---- */

static void test_recall(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_recall_always(f->fake, true);
	fake_create(f->fake, "x");
	fake_recall_always(f->fake, false);
	/* The change attribute moved: something may have been missed. */
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE x\n");
	assert_true(fake_wait(f->fake, has_grants, 2));
	fake_create(f->fake, "y");
	expect_all(f, "/ CREATE y\n");
}

/* Recalled for nothing: what was told is still all there is. */
static void test_recall_unchanged(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_recall_any(f->fake, 0);
	assert_true(fake_wait(f->fake, fake_has_returned, 1));
	expect_silence(f);
}

static void test_chmod(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_chmod(f->fake, "");
	expect_all(f, "/ RESCAN\n"); /* nothing to be told, but who knows */
	assert_true(fake_wait(f->fake, has_grants, 2));
	fake_create(f->fake, "x");
	expect_all(f, "/ CREATE x\n");
}

static void test_revoked(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_revoke_all(f->fake);
	fake_create(f->fake, "x"); /* nobody is told */
	nfsc_renew(watcher_client(f->watching.w), NULL);
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE x\n");
	assert_true(fake_wait(f->fake, has_grants, 2));
	assert_int_equal(seen(f).delegations, 1);
}

/* ---- refused ---- */

static void test_unavailable(void **state)
{
	struct fixture *f = *state;

	fake_refuse(f->fake, true, NFS4_OK);
	start(f, "", false, "READY 1");
	expect_said(f, "REFUSED /");
	fake_create(f->fake, "x");
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE x\n");
	fake_remove(f->fake, "x");
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ DELETE x\n");
	expect_silence(f);
	fake_refuse(f->fake, false, NFS4_OK);
	expect_said(f, "GRANTED /");
	fake_create(f->fake, "y");
	expect_all(f, "/ CREATE y\n");
}

static void test_not_supported(void **state)
{
	struct fixture *f = *state;

	fake_refuse(f->fake, true, NFS4ERR_NOTSUPP);
	start(f, "", false, "READY 1");
	fake_create(f->fake, "x");
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE x\n");
	assert_int_equal(seen(f).grants, 0);
	/* Another incarnation may be able to. */
	fake_refuse(f->fake, false, NFS4_OK);
	fake_restart(f->fake);
	assert_true(fake_wait(f->fake, has_grants, 1));
}

/* ---- trouble ---- */

static void test_lost_notification(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_create(f->fake, "x");
	fake_mute(f->fake, true);
	fake_remove(f->fake, "x"); /* of which it never hears */
	fake_create(f->fake, "y");
	fake_mute(f->fake, false);
	fake_create(f->fake, "x");
	expect_all(f, "/ CREATE x\n/ CREATE x\n/ RESCAN\n/ CREATE y\n");
	fake_create(f->fake, "z");
	expect_all(f, "/ CREATE z\n");
	assert_int_equal(seen(f).grants, 1);
}

static bool is_returning(const struct fake_seen *s, unsigned n)
{
	return s->returning >= n;
}

/*
 * A listing fails, so the delegation is given back, and while the server has
 * it back it delivers what it had not yet: that is older than the next listing.
 */
static void test_told_while_giving_up(void **state)
{
	struct fixture *f = *state;

	fake_create(f->fake, "x");
	f->watching.want.hopeless_ms = 100;
	start(f, "", false, "READY 1");
	fake_create(f->fake, "z");
	fake_mute(f->fake, true);
	fake_remove(f->fake, "z");
	fake_mute(f->fake, false);
	fake_fail_readdir(f->fake, NFS4ERR_IO);
	fake_hold_returns(f->fake, true);
	fake_create(f->fake, "z"); /* a contradiction, so it lists again */
	assert_true(fake_wait(f->fake, is_returning, 1));
	fake_tell_removed(f->fake, "x"); /* which was made again since */
	fake_fail_readdir(f->fake, NFS4_OK);
	fake_hold_returns(f->fake, false);
	assert_true(fake_wait(f->fake, has_grants, 2));
	expect_all(f, "/ CREATE z\n/ CREATE z\n/ RESCAN\n/ RESCAN\n");
	fake_create(f->fake, "y");
	expect_all(f, "/ CREATE y\n");
}

static void test_connection_lost(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_disconnect(f->fake);
	expect_said(f, "CONN_LOST ");
	expect_said(f, "CONN_BACK ");
	fake_create(f->fake, "x");
	expect_all(f, "/ CREATE x\n");
	assert_int_equal(seen(f).grants, 1);
}

static void test_session_lost(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_forget_sessions(f->fake);
	nfsc_renew(watcher_client(f->watching.w), NULL);
	expect_said(f, "CONN_BACK ");
	fake_create(f->fake, "x");
	expect_all(f, "/ CREATE x\n");
	assert_int_equal(seen(f).grants, 1);
}

static void test_restart(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "a");
	start(f, "", true, "READY 2");
	fake_restart(f->fake);
	expect_said(f, "RESTARTED ");
	assert_true(fake_wait(f->fake, has_grants, 4));
	expect_silence(f); /* the change attributes prove it */
	fake_create(f->fake, "a/x");
	expect_all(f, "/a/ CREATE x\n");
}

static void test_restart_and_change(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	fake_deaf(f->fake, true);
	fake_restart(f->fake);
	fake_create(f->fake, "x");
	fake_deaf(f->fake, false);
	expect_said(f, "RESTARTED ");
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE x\n");
}

static void test_root_removed(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "dir");
	start(f, "dir", false, "READY 1");
	fake_remove(f->fake, "dir");
	expect_said(f, "GONE /dir/");
	watching_join(&f->watching);
	assert_int_equal(f->watching.result, NFS4ERR_STALE);
}

static void test_slow_reader(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	atomic_store(&f->watching.no_room, true);
	fake_create(f->fake, "a");
	fake_create(f->fake, "b");
	expect_silence(f);
	/* Who waits for us is not held up by our reader. */
	fake_chmod(f->fake, "");
	expect_said(f, "TOO_SLOW /");
	assert_int_equal(seen(f).returns, 1);
	atomic_store(&f->watching.no_room, false);
	watcher_wake(f->watching.w);
	expect_told(f, "/ RESCAN");
	expect_all(f, "/ CREATE a\n/ CREATE b\n");
}

static void test_slow_reader_catches_up(void **state)
{
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	atomic_store(&f->watching.no_room, true);
	fake_create(f->fake, "a");
	fake_create(f->fake, "b");
	expect_silence(f);
	atomic_store(&f->watching.no_room, false);
	watcher_wake(f->watching.w);
	expect_all(f, "/ CREATE a\n/ CREATE b\n");
	assert_int_equal(seen(f).grants, 1);
}

/* ---- what was told adds up ---- */

/* Random changes, faults among them; in the end a set built from the lines is
 * compared with the server's names. */
static void add_line(char names[64][80], int *n, const char *path)
{
	for (int i = 0; i < *n; i++) {
		if (strcmp(names[i], path) == 0)
			return;
	}
	snprintf(names[(*n)++], 80, "%s", path);
}

static void drop_line(char names[64][80], int *n, const char *path)
{
	for (int i = 0; i < *n; i++) {
		if (strcmp(names[i], path) == 0)
			memcpy(names[i], names[--*n], 80);
	}
}

static void replay(const char *told, char names[64][80], int *n)
{
	while (*told) {
		char dir[64], event[16], a[64] = "", b[64] = "";
		char from[160], to[160];

		sscanf(told, "%63s %15s %63[a-z] %63[a-z]", dir, event, a, b);
		snprintf(from, sizeof(from), "%s%s", dir, a);
		snprintf(to, sizeof(to), "%s%s", dir, b);
		if (!strcmp(event, "CREATE"))
			add_line(names, n, from);
		else if (!strcmp(event, "RESCAN"))
			;
		else
			drop_line(names, n, from);
		if (!strcmp(event, "MOVE"))
			add_line(names, n, to);
		told += strcspn(told, "\n") + 1;
	}
}

static void fault(struct fixture *f, unsigned number)
{
	switch (number % 6) {
	case 0:
		fake_disconnect(f->fake);
		break;
	case 1:
		fake_restart(f->fake);
		break;
	case 2:
		fake_forget_sessions(f->fake);
		break;
	case 3:
		fake_chmod(f->fake, "");
		break;
	case 4:
		fake_revoke_all(f->fake);
		break;
	default:
		fake_drop_replies(f->fake, 1);
		break;
	}
}

static bool adds_up(struct fixture *f, const bool *there)
{
	char names[64][80];
	int n = 0, expected = 0;
	bool same = true;

	scope_lock(&f->watching.lock);
	replay(f->watching.told, names, &n);
	for (int i = 0; i < 10; i++) {
		char path[3] = {'/', (char)('a' + i), '\0'};
		bool found = false;

		expected += there[i];
		for (int k = 0; k < n; k++)
			found |= strcmp(names[k], path) == 0;
		same = same && found == there[i];
	}
	return same && n == expected;
}

static void test_adds_up(void **state)
{
	struct fixture *f = *state;
	bool there[10] = {false};
	unsigned seed = 1;

	start(f, "", false, "READY 1");
	for (int i = 0; i < 150; i++) {
		int a = rand_r(&seed) % 10;
		char path[2] = {(char)('a' + a), '\0'};

		if (there[a])
			fake_remove(f->fake, path);
		else
			fake_create(f->fake, path);
		there[a] = !there[a];
		if (i % 15 == 14)
			fault(f, (unsigned)i / 15);
	}
	for (int i = 0; i < 1000 && !adds_up(f, there); i++)
		usleep(10 * 1000);
	assert_true(adds_up(f, there));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes),
		TEST(test_clean_exit),
		TEST(test_root),
		TEST(test_not_there),
		TEST(test_not_a_directory),
		TEST(test_recall),
		TEST(test_recall_unchanged),
		TEST(test_chmod),
		TEST(test_revoked),
		TEST(test_unavailable),
		TEST(test_not_supported),
		TEST(test_lost_notification),
		TEST(test_told_while_giving_up),
		TEST(test_connection_lost),
		TEST(test_session_lost),
		TEST(test_restart),
		TEST(test_restart_and_change),
		TEST(test_root_removed),
		TEST(test_slow_reader),
		TEST(test_slow_reader_catches_up),
		TEST(test_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
