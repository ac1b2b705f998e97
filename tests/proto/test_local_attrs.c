/* SPDX-License-Identifier: MIT */
/*
 * What other processes do to attributes on the server's disk (DD-23), as the
 * kernel reports it and a holder is told: with the values that are true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "foreign.h"
#include "host.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

#define DIR_ATTRS BIT(NOTIFY4_CHANGE_DIR_ATTRS)

/* What was told last, of which object. */
struct news {
	enum change_kind kind;
	char name[32];
	struct attr attr;
	uint32_t uid;
};

struct scene {
	struct host host;
	struct peer holder;
	struct news news;
};

static struct scene *scene;

#define HERE(statement) FOREIGN(scene->host.export, statement)

static int setup(void **state)
{
	scene = calloc(1, sizeof(*scene));
	assert_non_null(scene);
	host_start_watched(
		&scene->host, &(struct posix_watch_options){.max_marks = 0});
	peer_init(&scene->holder, scene->host.ts.server, "holder");
	HERE(must(mkdir("dir", 0755) == 0));
	return 0;
}

static int teardown(void **state)
{
	peer_fini(&scene->holder);
	host_stop(&scene->host);
	free(scene);
	return 0;
}

/* ---- what the holder hears ---- */

static void keep(struct news *news, const struct notify4_event *e)
{
	char owner[16];

	news->kind = e->change.kind;
	news->attr = e->values.attr;
	snprintf(news->name, sizeof(news->name), "%.*s",
		(int)e->change.entry.name.len, e->change.entry.name.data);
	snprintf(owner, sizeof(owner), "%.*s", (int)e->values.owner.len,
		(const char *)e->values.owner.data);
	news->uid = (uint32_t)strtoul(owner, NULL, 10);
}

/* Is one of the changes of the last CB_NOTIFY what @is wanted? */
static bool was_told(bool (*is)(const struct news *news))
{
	struct peer *p = &scene->holder;
	struct notify4_reader reader;
	struct notify4_event event;
	struct arena arena;
	struct xdr in;
	notify4 one;
	bool found = false;

	arena_init(&arena, 4096);
	xdr_init_decode(&in, p->cb_told, p->cb_told_size, &arena);
	while (xdr_left(&in) && nfs4_get_notify4(&in, &one)) {
		notify4_read_init(&reader, &one, &arena);
		while (notify4_read_next(&reader, &event) ==
			NOTIFY4_READ_EVENT) {
			keep(&scene->news, &event);
			found |= is(&scene->news);
		}
	}
	arena_fini(&arena);
	return found;
}

static void await(bool (*is)(const struct news *news))
{
	struct peer *p = &scene->holder;

	do {
		peer_serve_until(p, &p->notifies, p->notifies + 1);
		assert_int_equal(p->recalls, 0);
	} while (!was_told(is));
}

/* ---- the directory itself ---- */

static void take_dir(void)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] = ENTRIES | DIR_ATTRS};

	bitmap4_set(&args.gdda_dir_attributes, FATTR4_MODE);
	bitmap4_set(&args.gdda_dir_attributes, FATTR4_OWNER);
	bitmap4_set(&args.gdda_dir_attributes, FATTR4_TIME_MODIFY);
	take_dir_delegation_as(&scene->holder, "dir", &args);
}

static bool has_mode(const struct news *n)
{
	return n->kind == CHANGE_DIR_ATTRS && n->attr.mode == 0705;
}

static bool has_owner(const struct news *n)
{
	return n->kind == CHANGE_DIR_ATTRS && n->uid == 1000;
}

static bool has_times(const struct news *n)
{
	return n->kind == CHANGE_DIR_ATTRS &&
		n->attr.mtime_ns == 2 * NSEC_PER_SEC;
}

static bool has_mtime(const struct news *n)
{
	return n->kind == CHANGE_DIR_ATTRS &&
		n->attr.mtime_ns == 3 * NSEC_PER_SEC;
}

static void dd23_attributes_of_the_directory(void **state)
{
	static const struct timespec both[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
	static const struct timespec one[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = 3}};

	take_dir();
	HERE(must(chmod("dir", 0705) == 0));
	await(has_mode);
	HERE(must(chown("dir", 1000, 1000) == 0));
	await(has_owner);
	HERE(must(utimensat(AT_FDCWD, "dir", both, 0) == 0));
	await(has_times);
	HERE(must(utimensat(AT_FDCWD, "dir", one, 0) == 0));
	await(has_mtime);
}

/* Who is not told of them is recalled. */
static void dd23_mtime_alone_recalls(void **state)
{
	static const struct timespec one[2] = {
		{.tv_nsec = UTIME_OMIT}, {.tv_sec = 3}};
	struct peer *p = &scene->holder;

	take_dir_delegation(p, "dir", ENTRIES);
	HERE(must(utimensat(AT_FDCWD, "dir", one, 0) == 0));
	peer_serve_until(p, &p->recalls, 1);
}

/* ---- a child with several links ---- */

static void take_children(void)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] =
			ENTRIES | BIT(NOTIFY4_CHANGE_CHILD_ATTRS)};

	bitmap4_set(&args.gdda_child_attributes, FATTR4_SIZE);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_MODE);
	take_dir_delegation_as(&scene->holder, "dir", &args);
}

static bool is_longer(const struct news *n)
{
	return n->kind == CHANGE_CHILD_ATTRS && strcmp(n->name, "f") == 0 &&
		n->attr.size == 1;
}

static bool is_private(const struct news *n)
{
	return n->kind == CHANGE_CHILD_ATTRS && strcmp(n->name, "f") == 0 &&
		n->attr.mode == 0600;
}

/* By its name in a directory that nobody watches. */
static void dd23_a_file_by_another_link(void **state)
{
	HERE(must(mkdir("out", 0755) == 0); touch("dir/f");
		must(link("dir/f", "out/g") == 0));
	take_children();
	HERE(write_to("out/g"));
	await(is_longer);
	HERE(must(chmod("out/g", 0600) == 0));
	await(is_private);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dd23_attributes_of_the_directory),
		CASE(dd23_mtime_alone_recalls),
		CASE(dd23_a_file_by_another_link),
	};

	host_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
