/* SPDX-License-Identifier: MIT */
/* Watching our own server while another client changes things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "state/deleg_count.h"
#include "testserver.h"
#include "watching.h"

struct fixture {
	struct testserver ts;
	struct watching watching;
	struct nfsc_config client;
	struct nfsc *other;
	struct nfsc_fh root;
};

static int setup(void **state)
{
	static const struct testserver_options options = {.fake_clock = false};
	struct fixture *f = calloc(1, sizeof(*f));
	struct nfsc_config other;

	testserver_start(&f->ts, &options);
	testserver_client_config(&f->ts, &f->client);
	watching_init(&f->watching);
	other = f->client;
	other.retry_delay_ms = 20;
	other.retry_delay_max_ms = 10000;
	assert_int_equal(nfsc_new(&other, &f->other), 0);
	assert_int_equal(nfsc_lookup_path(f->other, "", &f->root), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	watching_fini(&f->watching);
	nfsc_free(f->other);
	testserver_stop(&f->ts);
	free(f);
	return 0;
}

/*
 * On a busy machine the back channel may not answer in time for the first
 * requests; they are refused, and made again after the watcher is ready.
 */
static void wait_until_held(struct fixture *f, unsigned count)
{
	struct deleg_stats stats;

	for (int turn = 0; turn < 3000; turn++) {
		deleg_stats_read(f->ts.server->state, &stats);
		if (stats.type[DELEG_DIR].outstanding >= count)
			return;
		usleep(10000);
	}
	fail_msg("only %u of %u directories are held",
		(unsigned)stats.type[DELEG_DIR].outstanding, count);
}

static void start(
	struct fixture *f, const char *path, bool recursive, const char *ready)
{
	watching_start(&f->watching, &f->client, path, recursive, ready);
	wait_until_held(f, strtoul(ready + strlen("READY "), NULL, 10));
}

static void expect_all(struct fixture *f, const char *lines)
{
	watching_expect_all(&f->watching, lines);
}

static void make(struct fixture *f, const struct nfsc_fh *dir, const char *name)
{
	assert_int_equal(nfsc_create_file(f->other, dir, name_from_str(name),
				 NULL, NULL),
		0);
}

static struct nfsc_fh make_dir(
	struct fixture *f, const struct nfsc_fh *dir, const char *name)
{
	struct nfsc_fh made;

	assert_int_equal(nfsc_mkdir(f->other, dir, name_from_str(name), NULL,
				 &made, NULL),
		0);
	return made;
}

static void move(struct fixture *f, const struct nfsc_fh *from, const char *old,
	const struct nfsc_fh *to, const char *name)
{
	assert_int_equal(nfsc_rename(f->other, from, name_from_str(old), to,
				 name_from_str(name), NULL, NULL),
		0);
}

static void take_away(
	struct fixture *f, const struct nfsc_fh *dir, const char *name)
{
	assert_int_equal(
		nfsc_remove(f->other, dir, name_from_str(name), NULL), 0);
}

static void assert_recalls(struct fixture *f, uint64_t recalls)
{
	struct nfsc_stats stats;

	nfsc_read_stats(watcher_client(f->watching.w), &stats);
	assert_int_equal(stats.recalls, recalls);
	assert_int_equal(stats.cb_refused, 0);
}

static void test_changes(void **state)
{
	struct fixture *f = *state;

	make(f, &f->root, "old");
	start(f, "", false, "READY 1");
	make(f, &f->root, "new");
	move(f, &f->root, "new", &f->root, "name");
	move(f, &f->root, "name", &f->root, "old");
	take_away(f, &f->root, "old");
	make_dir(f, &f->root, "dir");
	expect_all(f,
		"/ CREATE new\n/ MOVE new name\n/ MOVE name old\n"
		"/ DELETE old\n/ CREATE dir\n");
	assert_recalls(f, 0);
}

static void test_links(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh file;

	make(f, &f->root, "a");
	assert_int_equal(nfsc_lookup_path(f->other, "a", &file), 0);
	/* That the number of links changes, too, is told some time later. */
	f->watching.want.events = WATCHER_BIT(WATCHER_CREATE) |
		WATCHER_BIT(WATCHER_DELETE) | WATCHER_BIT(WATCHER_MOVE);
	start(f, "", false, "READY 1");
	assert_int_equal(
		nfsc_link(f->other, &file, &f->root, name_from_str("b"), NULL),
		0);
	assert_int_equal(nfsc_symlink(f->other, &f->root, name_from_str("c"),
				 "a", NULL, NULL),
		0);
	/* two names of one file: a rename that does nothing */
	move(f, &f->root, "a", &f->root, "b");
	take_away(f, &f->root, "a");
	expect_all(f, "/ CREATE b\n/ CREATE c\n/ DELETE a\n");
	assert_recalls(f, 0);
}

static void append(struct fixture *f, const struct nfsc_fh *file, uint64_t at)
{
	static const stateid4 anonymous = {.seqid = 0};
	uint32_t count;

	assert_int_equal(nfsc_write(f->other, file, &anonymous, at, "text", 4,
				 FILE_SYNC4, &count),
		0);
}

/* Told by its names, whichever it is changed by. */
static void test_attributes(void **state)
{
	static const struct setattr set = {.mask = SETATTR_MODE, .mode = 0611};
	struct fixture *f = *state;
	struct nfsc_fh dir, file;

	dir = make_dir(f, &f->root, "dir");
	make(f, &dir, "x");
	assert_int_equal(nfsc_lookup_path(f->other, "dir/x", &file), 0);
	assert_int_equal(nfsc_link(f->other, &file, &f->root,
				 name_from_str("link"), NULL),
		0);
	start(f, "", false, "READY 1");
	append(f, &file, 0);
	expect_all(f, "/ MODIFY link\n");
	append(f, &file, 4);
	expect_all(f, "/ MODIFY link\n");
	assert_int_equal(nfsc_setattr(f->other, &file, NULL, &set), 0);
	expect_all(f, "/ ATTRIB link\n");
	/* One link less; that the directory changed with it is its affair. */
	take_away(f, &dir, "x");
	expect_all(f, "/ ATTRIB link\n");
	assert_int_equal(nfsc_setattr(f->other, &dir, NULL, &set), 0);
	expect_all(f, "/ ATTRIB dir\n");
	assert_recalls(f, 0);
}

static void test_attributes_in_a_tree(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh a, b, file;

	a = make_dir(f, &f->root, "a");
	b = make_dir(f, &f->root, "b");
	make(f, &a, "x");
	assert_int_equal(nfsc_lookup_path(f->other, "a/x", &file), 0);
	start(f, "", true, "READY 3");
	append(f, &file, 0);
	expect_all(f, "/a/ MODIFY x\n");
	move(f, &a, "x", &b, "y");
	watching_expect(&f->watching, f->watching.told, "/b/ CREATE y");
	append(f, &file, 4);
	watching_expect(&f->watching, f->watching.told, "/b/ MODIFY y");
	assert_recalls(f, 0);
}

static void test_burst(void **state)
{
	struct fixture *f = *state;
	char name[32], line[48];

	start(f, "", false, "READY 1");
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		make(f, &f->root, name);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "/ CREATE file-%d", i);
		watching_expect(&f->watching, f->watching.told, line);
	}
	watching_expect_silence(&f->watching);
	assert_recalls(f, 0);
}

static void test_tree(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh a, b, c;

	a = make_dir(f, &f->root, "a");
	b = make_dir(f, &f->root, "b");
	start(f, "", true, "READY 3");
	c = make_dir(f, &a, "c");
	make(f, &c, "x");
	watching_expect(&f->watching, f->watching.told, "/a/c/ CREATE x");
	move(f, &a, "c", &b, "d");
	watching_expect(&f->watching, f->watching.told, "/b/d/ CREATE x");
	make(f, &c, "y");
	watching_expect(&f->watching, f->watching.told, "/b/d/ CREATE y");
	take_away(f, &c, "x");
	take_away(f, &c, "y");
	take_away(f, &b, "d");
	watching_expect(&f->watching, f->watching.told, "/b/ DELETE d");
}

/* Recalled for it or not, what comes after is told. */
static void test_chmod(void **state)
{
	static const struct setattr set = {.mask = SETATTR_MODE, .mode = 0711};
	struct fixture *f = *state;

	start(f, "", false, "READY 1");
	assert_int_equal(nfsc_setattr(f->other, &f->root, NULL, &set), 0);
	make(f, &f->root, "x");
	watching_expect(&f->watching, f->watching.told, "/ CREATE x");
}

static void test_restart(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh dir = make_dir(f, &f->root, "dir");

	start(f, "", true, "READY 2");
	testserver_restart(&f->ts);
	watching_expect(&f->watching, f->watching.said, "RESTARTED ");
	make(f, &dir, "x");
	watching_expect(&f->watching, f->watching.told, "/dir/ CREATE x");
}

static void test_removed(void **state)
{
	struct fixture *f = *state;

	make_dir(f, &f->root, "dir");
	start(f, "dir", false, "READY 1");
	take_away(f, &f->root, "dir");
	watching_expect(&f->watching, f->watching.said, "GONE /dir/");
	watching_join(&f->watching);
	assert_int_equal(f->watching.result, NFS4ERR_STALE);
}

/* Deeper than anybody's: what is too deep is not watched, and said. */
static void test_too_deep(void **state)
{
	struct fixture *f = *state;
	struct nfsc_fh dir = f->root;
	char said[100] = "CANNOT_BELOW /"; /* as much as is kept of it */

	for (size_t i = strlen(said); i < sizeof(said) - 1; i++)
		said[i] = i % 2 ? '/' : 'd';
	for (int i = 0; i < 1026; i++)
		dir = make_dir(f, &dir, "d");
	watching_start(&f->watching, &f->client, "", true, said);
	watching_expect(&f->watching, f->watching.said, "READY 1025");
	make(f, &f->root, "x");
	watching_expect(&f->watching, f->watching.told, "/ CREATE x");
}

/* Returned and destroyed: nobody is waited for afterwards. */
static void test_clean_exit(void **state)
{
	struct fixture *f = *state;

	make_dir(f, &f->root, "dir");
	start(f, "", true, "READY 2");
	watching_stop(&f->watching);
	assert_int_equal(f->watching.result, 0);
	make(f, &f->root, "x");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes),
		TEST(test_links),
		TEST(test_attributes),
		TEST(test_attributes_in_a_tree),
		TEST(test_burst),
		TEST(test_tree),
		TEST(test_chmod),
		TEST(test_restart),
		TEST(test_removed),
		TEST(test_too_deep),
		TEST(test_clean_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
