/* SPDX-License-Identifier: MIT */
/*
 * Changes of children that no name of theirs tells of (DD-23): others make them
 * by another link that nobody watches, or move a child away and back. The
 * memory store reports no more than a kernel does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "local_scene.h"
#include "base/cleanup.h"
#include "nfs/local.h"
#include "nfs/local_dir.h"
#include "state/deleg.h"
#include "state/state.h"
#include "store/memory_foreign.h"

/* The server's least delay for changed attributes of children. */
#define DELAY_MS 200

static struct name n(const char *text)
{
	return name_from_str(text);
}

/* ---- others on the server ---- */

static struct fileid make(
	struct scene *s, const struct fileid *dir, const char *name)
{
	struct fileid id;

	assert_int_equal(
		memory_foreign_create(s->below, dir, n(name), OBJECT_FILE, &id),
		0);
	return id;
}

static void link_to(struct scene *s, const struct fileid *id,
	const struct fileid *dir, const char *name)
{
	assert_int_equal(memory_foreign_link(s->below, id, dir, n(name)), 0);
}

/* By a name in the root, which nobody watches. */
static void write_to(struct scene *s, const char *name)
{
	static uint64_t at;

	assert_int_equal(
		memory_foreign_write(s->below, &s->root, n(name), at++, 'x'),
		0);
}

/* ---- the holder ---- */

static uint64_t marks(struct scene *s)
{
	struct local_stats stats;

	local_read_stats(s->r.server, &stats);
	return stats.watch.marks;
}

static bool tells_children(struct peer *p)
{
	return bitmap4_has(&peer_last(p)
				    ->opget_dir_delegation.gddr_res_non_fatal4
				    .gddrnf_resok4.gddr_notification,
		NOTIFY4_CHANGE_CHILD_ATTRS);
}

/* Of the size alone: a changed number of links is of no interest. */
static stateid4 take_children(struct scene *s)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] =
			ENTRIES | BIT(NOTIFY4_CHANGE_CHILD_ATTRS)};

	bitmap4_set(&args.gdda_child_attributes, FATTR4_SIZE);
	return take_dir_delegation_as(&s->holder, "dir", &args);
}

static void expect_events(struct scene *s, unsigned count)
{
	unsigned want = s->holder.events + count;

	peer_serve_until(&s->holder, &s->holder.events, want);
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	assert_int_equal(s->holder.events, want);
	assert_int_equal(s->holder.recalls, 0);
}

/* Some worker may find out first that it has to be told. */
static void await_child(struct scene *s)
{
	unsigned before = s->holder.events;

	for (unsigned ms = 0;
		ms < PEER_PATIENCE_MS && s->holder.events == before;
		ms += SILENCE_MS) {
		rig_advance(&s->r, DELAY_MS);
		peer_serve(&s->holder, SILENCE_MS);
	}
	assert_true(s->holder.events > before);
	assert_int_equal(s->holder.recalls, 0);
}

/* Nothing is on its way any more. */
static void settle(struct scene *s)
{
	unsigned before;

	do {
		before = s->holder.events;
		rig_advance(&s->r, DELAY_MS);
		peer_serve(&s->holder, SILENCE_MS);
	} while (s->holder.events != before);
}

static void expect_told(struct scene *s, const char *name)
{
	settle(s);
	write_to(s, name);
	await_child(s);
}

static void expect_marks(struct scene *s, uint64_t count)
{
	for (unsigned i = 0; i < PEER_PATIENCE_MS && marks(s) != count; i++)
		peer_serve(&s->holder, 1);
	assert_int_equal(marks(s), count);
}

static void give_back(struct scene *s, stateid4 sid)
{
	struct peer *p = &s->holder;

	settle(s);
	peer_begin(p);
	ask_path(p, "dir");
	ask_delegreturn(p, &sid);
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* ---- tests ---- */

static void dd23_links_there_are(void **state)
{
	struct scene *s = *state;
	struct fileid a = make(s, &s->dir, "a"), single;
	stateid4 sid;

	single = make(s, &s->dir, "single");
	link_to(s, &a, &s->root, "elsewhere");
	link_to(s, &a, &s->dir, "again");
	sid = take_children(s);
	assert_int_equal(marks(s), 2);
	write_to(s, "elsewhere");
	rig_advance(&s->r, DELAY_MS);
	expect_events(s, 2); /* by both of its names */
	/* Whatever is watched for it is not any more, once nobody asks. */
	give_back(s, sid);
	expect_marks(s, 0);
	link_to(s, &single, &s->root, "other");
	take_children(s);
	assert_int_equal(marks(s), 3);
}

static void save_path(struct peer *p, const char *from)
{
	peer_begin(p);
	ask_path(p, from);
	peer_add(p, OP_SAVEFH);
}

/* Also by the holder itself, who is not told of that. */
static void dd23_links_made_through_us(void **state)
{
	struct scene *s = *state;
	struct peer *p = &s->holder;

	make(s, &s->dir, "a");
	make(s, &s->root, "b");
	take_children(s);
	save_path(p, "dir/a");
	ask_root(p);
	ask_link(p, "a2");
	assert_int_equal(peer_call(p), NFS4_OK);
	expect_events(s, 0);
	expect_told(s, "a2");
	p = &s->other;
	save_path(p, "b");
	ask_path(p, "dir");
	ask_link(p, "b2");
	assert_int_equal(peer_call(p), NFS4_OK);
	expect_told(s, "b");
}

static nfsstat4 link_a_to_root(struct peer *p)
{
	save_path(p, "dir/a");
	ask_root(p);
	ask_link(p, "elsewhere");
	return peer_call(p);
}

/* Whichever look at attributes fails: told of the other link, or recalled. */
static void dd23_links_made_on_a_failing_disk(void **state)
{
	struct scene *s = *state;
	unsigned made = 0;

	for (uint64_t nth = 1; nth <= 8; nth++) {
		scene_fini(s);
		scene_init(s, NULL);
		make(s, &s->dir, "a");
		take_children(s);
		fault_fail_nth(s->r.store, STORE_CALL_GETATTR, EIO, nth);
		if (link_a_to_root(&s->holder) != NFS4_OK)
			continue;
		fault_fail(s->r.store, STORE_CALL_GETATTR, 0, 0);
		made++;
		peer_serve(&s->holder, SILENCE_MS);
		if (s->holder.recalls == 0)
			expect_told(s, "elsewhere");
	}
	assert_true(made > 2);
}

static void dd23_a_linked_file_moved_here_through_us(void **state)
{
	struct scene *s = *state;
	struct peer *p = &s->other;
	struct fileid from = rig_make(&s->r, "from", OBJECT_DIR, 0777);
	struct fileid x = make(s, &from, "x");

	link_to(s, &x, &s->root, "y");
	take_children(s);
	save_path(p, "from");
	ask_path(p, "dir");
	ask_rename(p, "x", "moved");
	assert_int_equal(peer_call(p), NFS4_OK);
	expect_told(s, "y");
}

static void dd23_links_that_others_make(void **state)
{
	struct scene *s = *state;
	struct fileid x = make(s, &s->root, "x"), y = make(s, &s->root, "y");

	link_to(s, &y, &s->root, "y2");
	take_children(s);
	link_to(s, &x, &s->dir, "linked");
	expect_events(s, 1);
	expect_told(s, "x");
	memory_foreign_rename(s->below, &s->root, n("y"), &s->dir, n("moved"));
	expect_told(s, "y2");
}

static void count_children(struct local_dir *d, int more)
{
	scope_lock(&d->server->local.lock);
	local_dir_count_children_locked(d, more);
}

/*
 * The last one's release waits for a worker when the next one comes. What came
 * in between was not noted, and a list made then is of nobody's.
 */
static void dd23_links_made_between_two_holders(void **state)
{
	struct scene *s = *state;
	struct nfs_server *server = s->r.server;
	struct fileid x = make(s, &s->root, "x");
	struct local_dir *d;

	take_children(s);
	d = local_dir_get(server, &s->dir);
	count_children(d, -1);
	assert_int_equal(local_watch_links(server, &s->dir), 0);
	link_to(s, &x, &s->dir, "linked");
	await_child(s);
	settle(s);
	assert_int_equal(marks(s), 1);
	count_children(d, 1);
	assert_int_equal(local_watch_links(server, &s->dir), 0);
	local_dir_put(d);
	expect_told(s, "x");
}

static void move(struct scene *s, const struct fileid *from,
	const struct fileid *to, const char *name)
{
	assert_int_equal(
		memory_foreign_rename(s->below, from, n(name), to, n(name)), 0);
}

/* Its name is as it was when anybody looks, but its ctime is not. */
static void dd23_a_child_that_went_and_came_back(void **state)
{
	struct scene *s = *state;

	make(s, &s->dir, "a");
	take_children(s);
	scene_hold_look(s);
	move(s, &s->dir, &s->root, "a");
	move(s, &s->root, &s->dir, "a");
	fault_release(s->r.store);
	expect_events(s, 1); /* of "held" */
	await_child(s);
}

static void dd23_without_room_children_are_not_promised(void **state)
{
	struct scene *s = *state;
	struct fileid a = make(s, &s->dir, "a");
	stateid4 sid;

	link_to(s, &a, &s->root, "elsewhere");
	memory_foreign_limit(s->below, 1);
	sid = take_children(s);
	assert_false(tells_children(&s->holder));
	expect_marks(s, 1);
	/* As soon as there is room. */
	give_back(s, sid);
	memory_foreign_limit(s->below, 2);
	take_children(s);
	assert_true(tells_children(&s->holder));
	assert_int_equal(marks(s), 2);
}

/* One directory does not take all the marks there are. */
static void dd23_too_many_links_are_not_promised(void **state)
{
	struct scene *s = *state;
	struct fileid id;
	char name[16];

	for (int i = 0; i <= 1024; i++) {
		snprintf(name, sizeof(name), "%d", i);
		id = make(s, &s->dir, name);
		link_to(s, &id, &s->root, name);
	}
	take_children(s);
	assert_false(tells_children(&s->holder));
	expect_marks(s, 1);
}

static void dd23_no_room_for_a_new_link_recalls(void **state)
{
	struct scene *s = *state;
	struct fileid x = make(s, &s->root, "x");
	struct state_stats stats;

	memory_foreign_limit(s->below, 1);
	take_children(s);
	assert_true(tells_children(&s->holder));
	link_to(s, &x, &s->dir, "linked");
	peer_serve_until(&s->holder, &s->holder.recalls, 1);
	state_read_stats(s->r.server->state, &stats);
	assert_int_equal(stats.recalls_by_reason[RECALL_RESOURCE], 1);
}

/* Those that come and go do not add up. */
static void dd23_gone_links_are_let_go(void **state)
{
	struct scene *s = *state;
	struct fileid id;
	char name[16];

	take_children(s);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%d", i);
		id = make(s, &s->root, name);
		link_to(s, &id, &s->dir, name);
		peer_serve_until(
			&s->holder, &s->holder.events, s->holder.events + 1);
		memory_foreign_remove(s->below, &s->dir, n(name));
		peer_serve_until(
			&s->holder, &s->holder.events, s->holder.events + 1);
	}
	assert_true(marks(s) < 150);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dd23_links_there_are),
		CASE(dd23_links_made_through_us),
		CASE(dd23_links_made_on_a_failing_disk),
		CASE(dd23_a_linked_file_moved_here_through_us),
		CASE(dd23_links_that_others_make),
		CASE(dd23_links_made_between_two_holders),
		CASE(dd23_a_child_that_went_and_came_back),
		CASE(dd23_without_room_children_are_not_promised),
		CASE(dd23_too_many_links_are_not_promised),
		CASE(dd23_no_room_for_a_new_link_recalls),
		CASE(dd23_gone_links_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
