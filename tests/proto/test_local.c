/* SPDX-License-Identifier: MIT */
/*
 * Changes behind the server's back (DD-23), over the memory store, whose
 * foreign changes are what another process of a host would do: who subscribed
 * is told, the others are recalled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "local_scene.h"
#include "nfs/local_dir.h"
#include "state/deleg.h"
#include "state/state.h"
#include "store/memory_foreign.h"

static struct name n(const char *text)
{
	return name_from_str(text);
}

static void make(struct scene *s, const char *name)
{
	assert_int_equal(memory_foreign_create(
				 s->below, &s->dir, n(name), OBJECT_FILE, NULL),
		0);
}

static uint64_t recalls(struct scene *s, enum recall_reason reason)
{
	struct state_stats stats;

	state_read_stats(s->r.server->state, &stats);
	return stats.recalls_by_reason[reason];
}

static struct local_stats local(struct scene *s)
{
	struct local_stats stats;

	local_read_stats(s->r.server, &stats);
	return stats;
}

static void expect_events(struct scene *s, unsigned count)
{
	unsigned want = s->holder.events + count;

	peer_serve_until(&s->holder, &s->holder.events, want);
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	assert_int_equal(s->holder.events, want);
	assert_int_equal(s->holder.recalls, 0);
}

static void expect_recall(struct scene *s, enum recall_reason reason)
{
	peer_serve_until(&s->holder, &s->holder.recalls, 1);
	assert_int_equal(recalls(s, reason), 1);
}

static gddrnf4_status ask_for(struct scene *s, struct peer *p, uint32_t bits)
{
	peer_begin(p);
	ask_path(p, "dir");
	ask_dir_delegation(p, bits);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_status;
}

/* A delegation that covers the directory's own attributes, too. */
static void take_all(struct scene *s)
{
	struct peer *p = &s->holder;
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] =
			ENTRIES | BIT(NOTIFY4_CHANGE_DIR_ATTRS)};

	bitmap4_set(&args.gdda_dir_attributes, FATTR4_CHANGE);
	bitmap4_set(&args.gdda_dir_attributes, FATTR4_MODE);
	take_dir_delegation_as(p, "dir", &args);
	assert_true(
		bitmap4_has(&peer_last(p)
				     ->opget_dir_delegation.gddr_res_non_fatal4
				     .gddrnf_resok4.gddr_notification,
			NOTIFY4_CHANGE_DIR_ATTRS));
}

/* ---- entries ---- */

static void dd23_who_subscribed_is_told(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	make(s, "a");
	expect_events(s, 1);
	memory_foreign_rename(s->below, &s->dir, n("a"), &s->dir, n("b"));
	expect_events(s, 1);
	make(s, "c");
	expect_events(s, 1);
	memory_foreign_rename(s->below, &s->dir, n("c"), &s->dir, n("b"));
	expect_events(s, 1);
	memory_foreign_remove(s->below, &s->dir, n("b"));
	expect_events(s, 1);
	assert_int_equal(local(s).told, 5);
}

static void dd23_renames_across_directories(void **state)
{
	struct scene *s = *state;

	struct fileid up = rig_make(&s->r, "up", OBJECT_DIR, 0777);

	make(s, "a");
	take_dir_delegation(&s->holder, "dir", ENTRIES);
	take_dir_delegation(&s->holder, "up", ENTRIES);
	memory_foreign_rename(s->below, &s->dir, n("a"), &up, n("b"));
	expect_events(s, 2);
	memory_foreign_rename(s->below, &up, n("b"), &s->dir, n("c"));
	expect_events(s, 2);
}

static void dd23_who_takes_recalls_is_recalled(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", 0);
	make(s, "a");
	expect_recall(s, RECALL_LOCAL_CHANGE);
}

static void dd23_who_has_not_this_kind_is_recalled(void **state)
{
	struct scene *s = *state;

	make(s, "a");
	take_dir_delegation(&s->holder, "dir",
		BIT(NOTIFY4_ADD_ENTRY) | BIT(NOTIFY4_GFLAG_EXTEND));
	make(s, "b");
	expect_events(s, 1);
	memory_foreign_remove(s->below, &s->dir, n("a"));
	expect_recall(s, RECALL_LOCAL_CHANGE);
}

/* The holder is told of what others do through NFS once. */
static void dd23_our_own_are_not_told_twice(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	peer_begin(&s->other);
	ask_path(&s->other, "dir");
	ask_create(&s->other, "x", NF4DIR);
	assert_int_equal(peer_call(&s->other), NFS4_OK);
	expect_events(s, 1);
	assert_int_equal(local(s).told, 0);
}

/* A report that says nothing new. */
static void dd23_hints_are_compared(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	memory_foreign_mute(s->below, true);
	make(s, "a");
	memory_foreign_mute(s->below, false);
	memory_foreign_remove(s->below, &s->dir, n("a"));
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	assert_int_equal(local(s).told, 0);
	make(s, "b");
	expect_events(s, 1);
}

/* What is listed was told: else nobody would tell that it is gone again. */
static void dd23_what_is_listed_was_told(void **state)
{
	struct scene *s = *state;
	struct peer *p = &s->other;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	memory_foreign_mute(s->below, true);
	make(s, "a");
	peer_begin(p);
	ask_path(p, "dir");
	ask_readdir(p, 0, NULL, 4096);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_non_null(peer_last(p)->opreaddir.resok4.reply.entries);
	expect_events(s, 1);
	memory_foreign_mute(s->below, false);
	memory_foreign_remove(s->below, &s->dir, n("a"));
	expect_events(s, 1);
}

/* It came and went: the directory's own times are not what they were. */
static void dd23_what_leaves_no_entry_changes_the_directory(void **state)
{
	struct scene *s = *state;

	take_all(s);
	memory_foreign_mute(s->below, true);
	make(s, "a");
	memory_foreign_mute(s->below, false);
	memory_foreign_remove(s->below, &s->dir, n("a"));
	expect_events(s, 1);
	assert_int_equal(local(s).told, 0);
}

static void dd23_lost_reports_are_made_up_for(void **state)
{
	struct scene *s = *state;

	make(s, "a");
	make(s, "b");
	rig_advance(&s->r, 1000);
	take_all(s);
	memory_foreign_lose(s->below);
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	assert_int_equal(local(s).rescans, 0);
	memory_foreign_mute(s->below, true);
	make(s, "c");
	memory_foreign_remove(s->below, &s->dir, n("a"));
	memory_foreign_rename(s->below, &s->dir, n("b"), &s->dir, n("d"));
	memory_foreign_mute(s->below, false);
	memory_foreign_lose(s->below);
	/* c and d came, a and b went, and with them its attributes changed */
	while (local(s).told < 4)
		peer_serve(&s->holder, 1);
	while (peer_serve(&s->holder, SILENCE_MS))
		;
	assert_true(s->holder.events > 4);
	assert_int_equal(s->holder.recalls, 0);
	assert_int_equal(local(s).rescans, 1);
	assert_int_equal(local(s).watch.lost, 2);
}

/* Its attributes may be among what was lost. */
static void dd23_lost_reports_recall_who_is_not_told_of_all(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	make(s, "a");
	expect_events(s, 1);
	memory_foreign_lose(s->below);
	expect_recall(s, RECALL_LOCAL_CHANGE);
}

static void dd23_a_failing_disk_is_no_removal(void **state)
{
	const struct setattr mode = {.mask = SETATTR_MODE, .mode = 0700};
	struct scene *s = *state;

	take_dir_delegation(
		&s->holder, "dir", ENTRIES | BIT(NOTIFY4_CHANGE_DIR_ATTRS));
	fault_fail(s->r.store, STORE_CALL_GETATTR, EIO, 0);
	memory_foreign_setattr(s->below, &s->dir, n(""), &mode);
	expect_recall(s, RECALL_LOCAL_CHANGE);
	assert_int_equal(recalls(s, RECALL_DIRECTORY_REMOVED), 0);
	fault_fail(s->r.store, STORE_CALL_GETATTR, 0, 0);
}

/* Its length is the first character of the longer one, which is a dot. */
#define LIKE_THE_END "0123456789012345678901234567890123456789012345"

static void dd23_a_name_like_the_end_of_another(void **state)
{
	struct scene *s = *state;

	assert_int_equal(strlen(LIKE_THE_END), '.');
	take_dir_delegation(&s->holder, "dir", ENTRIES);
	scene_hold_look(s);
	make(s, "." LIKE_THE_END);
	make(s, LIKE_THE_END);
	fault_release(s->r.store);
	expect_events(s, 3);
}

static void few_entries(struct nfs_server_config *config)
{
	config->state.told_max_entries = 2;
}

static void dd23_too_many_entries_to_compare(void **state)
{
	struct scene *s = *state;

	scene_fini(s);
	scene_init(s, few_entries);
	for (const char *name = "abcd"; *name; name++)
		memory_foreign_create(s->below, &s->dir,
			(struct name){.len = 1, .data = name}, OBJECT_FILE,
			NULL);
	take_dir_delegation(&s->holder, "dir", ENTRIES);
	make(s, "e");
	expect_recall(s, RECALL_LOCAL_CHANGE);
}

/* ---- children ---- */

/* The server's least delay for changed attributes of children. */
#define DELAY_MS 200

static void take_children_and(struct scene *s, const char *path, uint32_t types)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] =
			ENTRIES | BIT(NOTIFY4_CHANGE_CHILD_ATTRS) | types};

	bitmap4_set(&args.gdda_dir_attributes, FATTR4_CHANGE);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_SIZE);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_MODE);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_NUMLINKS);
	take_dir_delegation_as(&s->holder, path, &args);
}

/* A delegation that covers children, too. */
static void take_children(struct scene *s, const char *path)
{
	take_children_and(s, path, 0);
}

/* When it is time, and not before. */
static void expect_children(struct scene *s, unsigned count)
{
	rig_advance(&s->r, DELAY_MS - 1);
	expect_events(s, 0);
	rig_advance(&s->r, 1);
	expect_events(s, count);
}

/* The same of what a worker finds out, whenever it does. */
static void await_children(struct scene *s, unsigned count)
{
	unsigned want = s->holder.events + count;

	while (s->holder.events < want) {
		rig_advance(&s->r, DELAY_MS);
		peer_serve(&s->holder, SILENCE_MS);
	}
	expect_children(s, 0);
	assert_int_equal(s->holder.events, want);
}

static void dd23_changed_children_are_told(void **state)
{
	static const struct setattr set = {.mask = SETATTR_MODE, .mode = 0604};
	struct scene *s = *state;

	make(s, "a");
	take_children(s, "dir");
	memory_foreign_write(s->below, &s->dir, n("a"), 0, 'x');
	memory_foreign_write(s->below, &s->dir, n("a"), 1, 'x');
	expect_children(s, 1);
	memory_foreign_setattr(s->below, &s->dir, n("a"), &set);
	expect_children(s, 1);
	/* Gone before it is told. */
	memory_foreign_write(s->below, &s->dir, n("a"), 2, 'x');
	memory_foreign_remove(s->below, &s->dir, n("a"));
	expect_events(s, 1);
	expect_children(s, 0);
}

static void dd23_links_of_children_are_told(void **state)
{
	struct scene *s = *state;
	struct fileid a;

	memory_foreign_create(s->below, &s->dir, n("a"), OBJECT_FILE, &a);
	take_children(s, "dir");
	memory_foreign_link(s->below, &a, &s->dir, n("b"));
	expect_events(s, 1);
	/* By both of its names. */
	await_children(s, 2);
	memory_foreign_remove(s->below, &s->dir, n("b"));
	expect_events(s, 1);
	expect_children(s, 1);
}

/* A directory is a child as well: its size, links and times. */
static void dd23_a_changed_subdirectory_is_told(void **state)
{
	struct scene *s = *state;
	struct fileid sub;

	memory_foreign_create(s->below, &s->dir, n("sub"), OBJECT_DIR, &sub);
	take_children(s, "dir");
	take_dir_delegation(&s->other, "dir/sub", ENTRIES);
	memory_foreign_create(s->below, &sub, n("x"), OBJECT_FILE, NULL);
	peer_serve_until(&s->other, &s->other.events, 1);
	expect_children(s, 1);
}

static void dd23_lost_changes_of_children_are_told(void **state)
{
	struct scene *s = *state;

	make(s, "a");
	make(s, "b");
	rig_advance(&s->r, 1000);
	take_children(s, "dir");
	memory_foreign_mute(s->below, true);
	memory_foreign_write(s->below, &s->dir, n("a"), 0, 'x');
	memory_foreign_mute(s->below, false);
	memory_foreign_lose(s->below);
	await_children(s, 2);
	assert_int_equal(local(s).rescans, 1);
}

/* More than is looked at in one go; and more names than are remembered. */
#define CHILDREN  80
#define NEWCOMERS 300

/* While children are in doubt too many names are reported to keep them. */
static void dd23_lost_changes_are_not_forgotten(void **state)
{
	struct scene *s = *state;
	char name[256];

	for (int i = 0; i < CHILDREN; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make(s, name);
	}
	rig_advance(&s->r, 1000);
	take_children_and(s, "dir", BIT(NOTIFY4_CHANGE_DIR_ATTRS));
	memory_foreign_mute(s->below, true);
	for (int i = 0; i < CHILDREN; i++) {
		snprintf(name, sizeof(name), "%d", i);
		memory_foreign_write(s->below, &s->dir, n(name), 0, 'x');
	}
	memory_foreign_mute(s->below, false);
	fault_hang(s->r.store);
	memory_foreign_lose(s->below);
	while (fault_waiting(s->r.store) == 0)
		usleep(1000);
	for (int i = 0; i < NEWCOMERS; i++) {
		snprintf(name, sizeof(name), "%0250d", i);
		make(s, name);
	}
	fault_release(s->r.store);
	while (local(s).rescans < 2)
		peer_serve(&s->holder, 1);
	while (s->holder.events < CHILDREN + NEWCOMERS) {
		rig_advance(&s->r, DELAY_MS);
		assert_int_not_equal(peer_serve(&s->holder, 2000), 0);
	}
	assert_int_equal(s->holder.recalls, 0);
}

/* ---- the directory itself ---- */

static void dd23_a_removed_directory_is_recalled(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	memory_foreign_remove(s->below, &s->root, n("dir"));
	expect_recall(s, RECALL_DIRECTORY_REMOVED);
}

static void dd23_an_overwritten_directory_is_recalled(void **state)
{
	struct scene *s = *state;

	rig_make(&s->r, "over", OBJECT_DIR, 0777);
	take_dir_delegation(&s->holder, "dir", ENTRIES);
	memory_foreign_rename(
		s->below, &s->root, n("over"), &s->root, n("dir"));
	expect_recall(s, RECALL_DIRECTORY_REMOVED);
}

static void dd23_a_moved_directory_is_not(void **state)
{
	struct scene *s = *state;

	rig_make(&s->r, "up", OBJECT_DIR, 0777);
	take_dir_delegation(&s->holder, "dir", ENTRIES);
	memory_foreign_rename(
		s->below, &s->root, n("dir"), &s->root, n("moved"));
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	make(s, "a");
	expect_events(s, 1);
	memory_foreign_remove(s->below, &s->dir, n("a"));
	expect_events(s, 1);
	memory_foreign_remove(s->below, &s->root, n("moved"));
	expect_recall(s, RECALL_DIRECTORY_REMOVED);
}

static void chmod_dir(struct scene *s, uint32_t mode)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = mode};

	memory_foreign_setattr(
		s->below, &s->dir, (struct name){.len = 0}, &set);
}

static void dd23_attributes_of_the_directory_are_told(void **state)
{
	struct scene *s = *state;

	take_all(s);
	chmod_dir(s, 0755);
	expect_events(s, 1);
}

static void dd23_or_recalled(void **state)
{
	struct scene *s = *state;

	take_dir_delegation(&s->holder, "dir", ENTRIES);
	chmod_dir(s, 0755);
	expect_recall(s, RECALL_LOCAL_CHANGE);
}

static void dd23_who_may_not_read_any_more_is_recalled(void **state)
{
	struct scene *s = *state;

	s->holder.uid = s->holder.gid = 1000;
	take_all(s);
	chmod_dir(s, 0700);
	expect_recall(s, RECALL_PERMISSION);
}

/* ---- grants ---- */

static void dd23_without_marks_there_is_no_grant(void **state)
{
	struct scene *s = *state;

	rig_make(&s->r, "first", OBJECT_DIR, 0777);
	memory_foreign_limit(s->below, 1);
	take_dir_delegation(&s->holder, "first", ENTRIES);
	assert_int_equal(ask_for(s, &s->holder, ENTRIES), GDD4_UNAVAIL);
	assert_int_equal(local(s).refused, 1);
	memory_foreign_limit(s->below, 2);
	assert_int_equal(ask_for(s, &s->holder, ENTRIES), GDD4_OK);
}

static uint64_t marks(struct scene *s)
{
	return local(s).watch.marks;
}

static void wait_for_marks(struct scene *s, uint64_t want)
{
	while (marks(s) != want)
		peer_serve(&s->other, 1);
}

static void dd23_marks_go_with_the_last_holder(void **state)
{
	struct scene *s = *state;
	stateid4 mine = take_dir_delegation(&s->holder, "dir", ENTRIES);
	stateid4 his = take_dir_delegation(&s->other, "dir", 0);
	struct handle dir = handle_of(&s->holder, "dir");

	assert_int_equal(marks(s), 1);
	/* What is refused is not watched either. */
	assert_int_equal(ask_for(s, &s->holder, ENTRIES), GDD4_UNAVAIL);
	peer_begin(&s->holder);
	ask_fh(&s->holder, &dir);
	ask_delegreturn(&s->holder, &mine);
	assert_int_equal(peer_call(&s->holder), NFS4_OK);
	make(s, "a");
	peer_serve_until(&s->other, &s->other.recalls, 1);
	assert_int_equal(marks(s), 1);
	peer_begin(&s->other);
	ask_fh(&s->other, &dir);
	ask_delegreturn(&s->other, &his);
	assert_int_equal(peer_call(&s->other), NFS4_OK);
	wait_for_marks(s, 0);
}

/* ---- change_info4 ---- */

static change_info4 create(struct scene *s, const char *name)
{
	struct peer *p = &s->other;

	peer_begin(p);
	ask_path(p, "dir");
	ask_create(p, name, NF4DIR);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)->opcreate.resok4.cinfo;
}

static void dd23_changes_are_atomic_where_watched(void **state)
{
	struct scene *s = *state;
	change_info4 first = create(s, "a"), second;

	assert_true(first.atomic);
	/* Nobody else was there, and time stands still. */
	second = create(s, "b");
	assert_true(second.before == first.after);
	/* Somebody was, in the same tick. */
	make(s, "c");
	assert_true(change_of(&s->other, "dir") != second.after);
	memory_foreign_limit(s->below, 1);
	assert_int_equal(
		store_watch(s->below, &s->root, STORE_WATCH_ENTRIES), 0);
	assert_false(create(s, "d").atomic);
}

/* Else whoever has listed it would list it again for nothing. */
static void dd23_a_moved_directory_keeps_its_value(void **state)
{
	struct scene *s = *state;
	struct peer *p = &s->other;
	uint64_t value;

	peer_begin(p);
	ask_path(p, "dir");
	ask_create(p, "sub", NF4DIR);
	ask_path(p, "dir");
	peer_add(p, OP_SAVEFH);
	ask_rename(p, "sub", "moved");
	assert_int_equal(peer_call(p), NFS4_OK);
	value = change_of(p, "dir/moved");
	assert_true(change_of(p, "dir/moved") == value);
	memory_foreign_setattr(s->below, &s->dir, n("moved"),
		&(struct setattr){.mask = SETATTR_MODE, .mode = 0711});
	assert_true(change_of(p, "dir/moved") != value);
}

static void dd23_a_mark_that_goes_moves_the_value(void **state)
{
	struct scene *s = *state;
	change_info4 info = create(s, "a");

	assert_true(change_of(&s->other, "dir") == info.after);
	memory_foreign_evict(s->below, &s->dir);
	assert_true(change_of(&s->other, "dir") != info.after);
}

static void dd23_lost_reports_move_all_values(void **state)
{
	struct scene *s = *state;
	change_info4 info = create(s, "a");

	memory_foreign_lose(s->below);
	assert_true(change_of(&s->other, "dir") != info.after);
	info = create(s, "b");
	assert_true(info.atomic);
	assert_true(change_of(&s->other, "dir") == info.after);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

/* ---- watches ---- */

static void wait_for_job(struct scene *s)
{
	struct local *l = &s->r.server->local;
	const struct timespec pause = {.tv_nsec = 1000000};
	bool posted = true;

	for (int ms = 0; posted && ms < PEER_PATIENCE_MS; ms++) {
		struct local_dir *d;

		nanosleep(&pause, NULL);
		lock_acquire(&l->lock);
		d = local_dir_find_locked(l, &s->dir);
		posted = d && d->posted;
		lock_release(&l->lock);
	}
	assert_false(posted);
}

/*
 * It is not told of children after all, and has ended before that was undone:
 * the watch for them used to stay.
 */
static void dd23_ended_before_its_children_are_let_go(void **state)
{
	struct scene *s = *state;
	struct nfs_server *server = s->r.server;
	struct export *export = &server->exports.list[0];

	assert_int_equal(local_hold(server, export, &s->dir, true), 0);
	local_release(server, &s->dir, false);
	wait_for_job(s);
	local_release_children(server, &s->dir);
	wait_for_job(s);
	assert_int_equal(local(s).watch.marks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dd23_who_subscribed_is_told),
		CASE(dd23_renames_across_directories),
		CASE(dd23_who_takes_recalls_is_recalled),
		CASE(dd23_who_has_not_this_kind_is_recalled),
		CASE(dd23_our_own_are_not_told_twice),
		CASE(dd23_hints_are_compared),
		CASE(dd23_what_is_listed_was_told),
		CASE(dd23_what_leaves_no_entry_changes_the_directory),
		CASE(dd23_lost_reports_are_made_up_for),
		CASE(dd23_lost_reports_recall_who_is_not_told_of_all),
		CASE(dd23_a_failing_disk_is_no_removal),
		CASE(dd23_a_name_like_the_end_of_another),
		CASE(dd23_too_many_entries_to_compare),
		CASE(dd23_changed_children_are_told),
		CASE(dd23_links_of_children_are_told),
		CASE(dd23_a_changed_subdirectory_is_told),
		CASE(dd23_lost_changes_of_children_are_told),
		CASE(dd23_lost_changes_are_not_forgotten),
		CASE(dd23_a_removed_directory_is_recalled),
		CASE(dd23_an_overwritten_directory_is_recalled),
		CASE(dd23_a_moved_directory_is_not),
		CASE(dd23_attributes_of_the_directory_are_told),
		CASE(dd23_or_recalled),
		CASE(dd23_who_may_not_read_any_more_is_recalled),
		CASE(dd23_without_marks_there_is_no_grant),
		CASE(dd23_marks_go_with_the_last_holder),
		CASE(dd23_changes_are_atomic_where_watched),
		CASE(dd23_a_moved_directory_keeps_its_value),
		CASE(dd23_a_mark_that_goes_moves_the_value),
		CASE(dd23_lost_reports_move_all_values),
		CASE(dd23_ended_before_its_children_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
