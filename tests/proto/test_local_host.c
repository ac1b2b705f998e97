/* SPDX-License-Identifier: MIT */
/*
 * Changes that other processes make on the server's disk (DD-23), as a client
 * of herald watch is told of them. Each line is waited for; it must come from
 * a notification, so RESCAN, which would follow a recall, is none of them.
 */
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
#include "foreign.h"
#include "host.h"
#include "nfs/local.h"
#include "state/deleg.h"
#include "state/state.h"
#include "watching.h"

struct scene {
	struct host host;
	struct watching watching;
	struct nfsc_config client;
};

/* Longer than any machine needs; reached only when a test fails. */
#define PATIENCE_MS 60000

static struct scene *scene;

#define ATTRIBUTES (WATCHER_BIT(WATCHER_ATTRIB) | WATCHER_BIT(WATCHER_MODIFY))

static void begin(const struct posix_watch_options *watch)
{
	scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	host_start_watched(&scene->host, watch);
	testserver_client_config(&scene->host.ts, &scene->client);
	watching_init(&scene->watching);
	scene->watching.want.events =
		WATCHER_BIT(WATCHER_EVENTS) - 1 - ATTRIBUTES;
}

static int setup(void **state)
{
	begin(&(struct posix_watch_options){.max_marks = 0});
	return 0;
}

static int teardown(void **state)
{
	watching_fini(&scene->watching);
	host_stop(&scene->host);
	free(scene);
	return 0;
}

#define HERE(statement) FOREIGN(scene->host.export, statement)

static void start(const char *path, bool recursive, const char *ready)
{
	watching_start(
		&scene->watching, &scene->client, path, recursive, ready);
}

static uint64_t delegations(void)
{
	struct state_stats stats;

	state_read_stats(scene->host.ts.server->state, &stats);
	return stats.dir_delegs;
}

/* On a busy machine the first answer may be "not now" (DD-12): ready to poll. */
static void hold(const char *path, bool recursive, unsigned directories)
{
	char ready[32];

	snprintf(ready, sizeof(ready), "READY %u", directories);
	start(path, recursive, ready);
	for (int ms = 0; delegations() < directories; ms++) {
		assert_true(ms < PATIENCE_MS);
		usleep(1000);
	}
}

static void expect_all(const char *lines)
{
	watching_expect_all(&scene->watching, lines);
}

static struct local_stats local(void)
{
	struct local_stats stats;

	local_read_stats(scene->host.ts.server, &stats);
	return stats;
}

static uint64_t recalls(void)
{
	struct nfsc_stats stats;

	nfsc_read_stats(watcher_client(scene->watching.w), &stats);
	return stats.recalls;
}

static void dd23_entries(void **state)
{
	hold("", false, 1);
	HERE(touch("new"));
	expect_all("/ CREATE new\n");
	HERE(must(rename("new", "old") == 0));
	expect_all("/ MOVE new old\n");
	HERE(must(link("old", "second") == 0));
	expect_all("/ CREATE second\n");
	HERE(must(mkdir("dir", 0755) == 0));
	expect_all("/ CREATE dir\n");
	HERE(must(rename("second", "third") == 0));
	expect_all("/ MOVE second third\n");
	HERE(must(unlink("old") == 0));
	expect_all("/ DELETE old\n");
	HERE(must(rmdir("dir") == 0));
	expect_all("/ DELETE dir\n");
	assert_int_equal(recalls(), 0);
}

static void dd23_renames_over_others(void **state)
{
	HERE(touch("a"); touch("b"));
	hold("", false, 1);
	HERE(must(rename("a", "b") == 0));
	expect_all("/ MOVE a b\n");
	HERE(touch("c"));
	expect_all("/ CREATE c\n");
	HERE(touch("d"); must(rename("d", "c") == 0); touch("e"));
	watching_expect(&scene->watching, scene->watching.told, "/ CREATE e");
	assert_int_equal(recalls(), 0);
}

static void dd23_a_tree(void **state)
{
	HERE(must(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0));
	hold("", true, 3);
	HERE(touch("a/f"));
	expect_all("/a/ CREATE f\n");
	HERE(must(rename("a/f", "b/g") == 0));
	watching_expect(&scene->watching, scene->watching.told, "/b/ CREATE g");
	HERE(must(mkdir("a/sub", 0755) == 0); touch("a/sub/x"));
	watching_expect(
		&scene->watching, scene->watching.told, "/a/sub/ CREATE x");
	HERE(touch("a/sub/y"));
	watching_expect(
		&scene->watching, scene->watching.told, "/a/sub/ CREATE y");
	assert_int_equal(recalls(), 0);
}

static void append(const char *path)
{
	FILE *file = fopen(path, "a");

	must(file && fputs("text", file) >= 0 && fclose(file) == 0);
}

static void dd23_attributes_of_children(void **state)
{
	static const struct timespec past[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

	HERE(touch("f"); must(mkdir("dir", 0755) == 0); touch("dir/g"));
	scene->watching.want.events |= ATTRIBUTES;
	hold("", true, 2);
	HERE(append("f"));
	expect_all("/ MODIFY f\n");
	HERE(must(chmod("f", 0604) == 0));
	expect_all("/ ATTRIB f\n");
	HERE(must(utimensat(AT_FDCWD, "f", past, 0) == 0));
	expect_all("/ MODIFY f\n");
	HERE(must(truncate("dir/g", 100) == 0));
	expect_all("/dir/ MODIFY g\n");
	HERE(must(link("f", "link") == 0));
	watching_expect(
		&scene->watching, scene->watching.told, "/ CREATE link");
	watching_expect(&scene->watching, scene->watching.told, "/ ATTRIB f");
	HERE(must(unlink("link") == 0));
	watching_expect(
		&scene->watching, scene->watching.told, "/ DELETE link");
	watching_expect(&scene->watching, scene->watching.told, "/ ATTRIB f");
	assert_int_equal(recalls(), 0);
}

/* This client is told, and prints none of it (test_local_attrs.c). */
static void dd23_the_directory_itself(void **state)
{
	hold("", false, 1);
	HERE(must(chmod(".", 0755) == 0));
	HERE(must(chown(".", 1000, 1000) == 0));
	HERE(must(utimensat(AT_FDCWD, ".", NULL, 0) == 0));
	HERE(touch("last"));
	expect_all("/ CREATE last\n");
	assert_int_equal(recalls(), 0);
}

static void dd23_a_directory_removed(void **state)
{
	HERE(must(mkdir("dir", 0755) == 0));
	hold("dir", false, 1);
	HERE(must(rmdir("dir") == 0));
	watching_expect(&scene->watching, scene->watching.said, "GONE /dir/");
}

static void dd23_a_directory_overwritten(void **state)
{
	HERE(must(mkdir("dir", 0755) == 0 && mkdir("other", 0755) == 0));
	hold("dir", false, 1);
	HERE(must(rename("other", "dir") == 0));
	watching_expect(&scene->watching, scene->watching.said, "GONE /dir/");
}

static void dd23_a_directory_moved_and_removed(void **state)
{
	HERE(must(mkdir("dir", 0755) == 0 && mkdir("up", 0755) == 0));
	hold("dir", false, 1);
	HERE(must(rename("dir", "up/dir") == 0); touch("up/dir/f"));
	expect_all("/dir/ CREATE f\n");
	HERE(must(unlink("up/dir/f") == 0));
	expect_all("/dir/ DELETE f\n");
	HERE(must(rmdir("up/dir") == 0));
	watching_expect(&scene->watching, scene->watching.said, "GONE /dir/");
}

static uint64_t recalled_for(enum recall_reason reason)
{
	struct state_stats stats;

	state_read_stats(scene->host.ts.server->state, &stats);
	return stats.recalls_by_reason[reason];
}

/* The names in it are reported first, but can be looked at no more. */
static void dd23_a_directory_emptied_and_removed(void **state)
{
	begin(&(struct posix_watch_options){.gather_ms = 1000});
	HERE(must(mkdir("dir", 0755) == 0); touch("dir/a"); touch("dir/b"));
	hold("dir", false, 1);
	HERE(touch("dir/c"));
	expect_all("/dir/ CREATE c\n");
	HERE(must(unlink("dir/a") == 0); must(unlink("dir/b") == 0);
		must(unlink("dir/c") == 0); must(rmdir("dir") == 0));
	watching_expect(&scene->watching, scene->watching.said, "GONE /dir/");
	assert_int_equal(recalled_for(RECALL_DIRECTORY_REMOVED), 1);
	assert_int_equal(recalled_for(RECALL_LOCAL_CHANGE), 0);
}

/* ---- our own ---- */

#define MANY 10000

static void create_many(struct nfsc *c, const struct nfsc_fh *dir)
{
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(nfsc_create_file(c, dir, name_from_str(name),
					 NULL, NULL),
			0);
	}
}

/* Neither too many for the queue, nor told twice. */
static void dd23_ten_thousand_of_our_own(void **state)
{
	struct nfsc *other = testserver_client(&scene->host.ts);
	struct nfsc_fh root;

	assert_int_equal(nfsc_lookup_path(other, "", &root), 0);
	hold("", false, 1);
	create_many(other, &root);
	HERE(touch("last"));
	watching_expect_count(&scene->watching, MANY + 1);
	assert_int_equal(local().watch.lost, 0);
	assert_int_equal(local().told, 1);
	assert_true(local().watch.own > 0);
	nfsc_free(other);
}

/* ---- more than the kernel tells ---- */

/* Renaming is what makes events fastest: far faster than they are gathered. */
#define EVENTS 20000
#define FILES  10

static void rename_many_times(void)
{
	char from[16] = "walker", to[16];

	touch(from);
	for (int i = 0; i < EVENTS; i++) {
		snprintf(to, sizeof(to), "%d", i);
		must(rename(from, to) == 0);
		memcpy(from, to, sizeof(from));
		if (i % (EVENTS / FILES) == 0) {
			snprintf(to, sizeof(to), "file %d", i);
			touch(to);
		}
	}
}

/* The names may all be told before the reader comes to the loss itself. */
static void await_loss(void)
{
	for (int i = 0; i < PATIENCE_MS / 10 && !local().watch.lost; i++)
		usleep(10 * 1000);
	assert_int_equal(local().watch.lost, 1);
}

static void dd23_the_queue_overflows(void **state)
{
	begin(&(struct posix_watch_options){
		.limited_queue = true, .gather_ms = 5000});
	hold("", false, 1);
	HERE(touch("first"));
	expect_all("/ CREATE first\n");
	HERE(rename_many_times());
	await_loss();
	watching_expect_count(&scene->watching, FILES + 1);
	assert_int_equal(recalls(), 0);
}

static void dd23_marks_run_out(void **state)
{
	begin(&(struct posix_watch_options){.max_marks = 4});
	HERE(must(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 &&
		mkdir("c", 0755) == 0 && mkdir("d", 0755) == 0));
	start("", true, "READY 5");
	assert_true(local().refused > 0);
	assert_true(local().watch.marks <= 4);
	HERE(touch("d/f"); touch("a/f"));
	watching_expect(&scene->watching, scene->watching.told, "/a/ CREATE f");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dd23_entries),
		CASE(dd23_renames_over_others),
		CASE(dd23_a_tree),
		CASE(dd23_attributes_of_children),
		CASE(dd23_the_directory_itself),
		CASE(dd23_a_directory_removed),
		CASE(dd23_a_directory_overwritten),
		CASE(dd23_a_directory_moved_and_removed),
		BARE(dd23_a_directory_emptied_and_removed),
		CASE(dd23_ten_thousand_of_our_own),
		BARE(dd23_the_queue_overflows),
		BARE(dd23_marks_run_out),
	};

	host_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
