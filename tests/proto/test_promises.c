/* SPDX-License-Identifier: MIT */
/*
 * Rows of the requirements on directory delegations, seen from outside by one
 * short test each; what is behind them is tested where it lives (the table in
 * doc/design.md names all).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg.h"
#include "testutil.h"

struct pair {
	struct rig *r;
	struct peer holder, other;
};

/* Two directories, "a" and "b", that everybody may change. */
static void begin(struct pair *t, void **state)
{
	t->r = *state;
	rig_make(t->r, "a", OBJECT_DIR, 0777);
	rig_make(t->r, "b", OBJECT_DIR, 0777);
	peer_init(&t->holder, t->r->server, "holder");
	peer_init(&t->other, t->r->server, "other");
}

static void end(struct pair *t)
{
	peer_fini(&t->holder);
	peer_fini(&t->other);
}

static nfsstat4 try_make(struct peer *p, const char *dir, const char *name)
{
	peer_begin(p);
	ask_path(p, dir);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

static void make(struct pair *t, const char *dir, const char *name)
{
	assert_int_equal(try_make(&t->other, dir, name), NFS4_OK);
}

static void move(struct pair *t, const char *from, const char *name,
	const char *to, const char *new_name)
{
	peer_begin(&t->other);
	ask_path(&t->other, from);
	peer_add(&t->other, OP_SAVEFH);
	ask_path(&t->other, to);
	ask_rename(&t->other, name, new_name);
	assert_int_equal(peer_call(&t->other), NFS4_OK);
}

/* Ask once, and for an attribute behind it: is it granted? */
static bool ask_once(struct peer *p, const char *name, uint32_t bits)
{
	uint32_t at;

	peer_begin(p);
	ask_root(p);
	if (name)
		ask_lookup(p, name);
	at = p->nops;
	ask_dir_delegation(p, bits);
	ask_getattr(p, FATTR4_TYPE);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(peer_last(p)->resop, OP_GETATTR);
	return peer_result(p, at - 1)
		       ->opget_dir_delegation.gddr_res_non_fatal4
		       .gddrnf_status == GDD4_OK;
}

static struct state_stats stats(struct pair *t)
{
	struct state_stats ret;

	state_read_stats(t->r->server->state, &ret);
	return ret;
}

/* ---- rigs that differ ---- */

static void switch_off(struct nfs_server_config *config)
{
	config->state.dir_delegations = false;
}

static void in_grace(struct nfs_server_config *config)
{
	config->state.grace_ms = 3600 * 1000;
}

static void one_event(struct nfs_server_config *config)
{
	config->state.notify_max_events = 1;
	config->state.notify_window_ms = 50;
}

static void windowed(struct nfs_server_config *config)
{
	config->state.notify_window_ms = 50;
}

static int setup(void **state, rig_adjust adjust)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, adjust);
	*state = r;
	return 0;
}

static int setup_off(void **state)
{
	return setup(state, switch_off);
}

static int setup_grace(void **state)
{
	return setup(state, in_grace);
}

static int setup_one_event(void **state)
{
	return setup(state, one_event);
}

/* For some directories, not for large ones. */
static int setup_small_index(void **state)
{
	int ret;

	rig_listing_budget = 4 << 10;
	ret = setup(state, NULL);
	rig_listing_budget = TEST_BUDGET;
	return ret;
}

static int setup_windowed(void **state)
{
	return setup(state, windowed);
}

/* ---- the rows ---- */

static void dd01_switched_off_is_notsupp(void **state)
{
	struct pair t;

	begin(&t, state);
	peer_begin(&t.holder);
	ask_path(&t.holder, "a");
	ask_dir_delegation(&t.holder, ENTRIES);
	assert_int_equal(peer_call(&t.holder), NFS4ERR_NOTSUPP);
	end(&t);
}

static void dd01_grace_refuses_without_an_error(void **state)
{
	struct pair t;

	begin(&t, state);
	peer_serve(&t.holder, SILENCE_MS);
	for (int i = 0; i < 3; i++)
		assert_false(ask_once(&t.holder, "a", ENTRIES));
	end(&t);
}

static void dd01_unclaimed_state_refuses_without_an_error(void **state)
{
	struct pair t;
	struct peer p;

	begin(&t, state);
	peer_connect(&p, t.r->server);
	peer_start(
		&p, "has not reclaimed", CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
	for (int i = 0; i < 3; i++) {
		assert_false(ask_once(&p, "a", ENTRIES));
		peer_serve(&p, SILENCE_MS);
	}
	assert_int_equal(peer_reclaim_complete(&p), NFS4_OK);
	take_dir_delegation(&p, "a", ENTRIES);
	peer_fini(&p);
	end(&t);
}

static const GET_DIR_DELEGATION4resok *take_attrs(
	struct pair *t, const char *dir, unsigned attr, unsigned other)
{
	GET_DIR_DELEGATION4args wanted = {
		.gdda_notification_types.word[0] = ENTRIES |
			BIT(NOTIFY4_CHANGE_CHILD_ATTRS) |
			BIT(NOTIFY4_CHANGE_DIR_ATTRS)};

	bitmap4_set(&wanted.gdda_child_attributes, attr);
	bitmap4_set(&wanted.gdda_child_attributes, other);
	wanted.gdda_dir_attributes = wanted.gdda_child_attributes;
	take_dir_delegation_as(&t->holder, dir, &wanted);
	return &peer_last(&t->holder)
			->opget_dir_delegation.gddr_res_non_fatal4
			.gddrnf_resok4;
}

/* What is not told is not promised, and earns nothing. */
static void dd03_the_access_time_is_no_promise(void **state)
{
	const GET_DIR_DELEGATION4resok *ok;
	bitmap4 size = {0}, type = {0};
	struct pair t;

	begin(&t, state);
	bitmap4_set(&size, FATTR4_SIZE);
	bitmap4_set(&type, FATTR4_TYPE);
	ok = take_attrs(&t, "a", FATTR4_TIME_ACCESS, FATTR4_TYPE);
	assert_int_equal(ok->gddr_notification.word[0], ENTRIES);
	/* Of an entry that is added the type is told. */
	assert_true(bitmap4_equal(&ok->gddr_child_attributes, &type));
	assert_true(bitmap4_empty(&ok->gddr_dir_attributes));
	ok = take_attrs(&t, "b", FATTR4_TIME_ACCESS, FATTR4_SIZE);
	assert_int_equal(ok->gddr_notification.word[0],
		ENTRIES | BIT(NOTIFY4_CHANGE_CHILD_ATTRS) |
			BIT(NOTIFY4_CHANGE_DIR_ATTRS));
	assert_true(bitmap4_equal(&ok->gddr_child_attributes, &size));
	assert_true(bitmap4_equal(&ok->gddr_dir_attributes, &size));
	end(&t);
}

static void dd07_a_window_gathers_changes(void **state)
{
	struct pair t;

	begin(&t, state);
	take_dir_delegation(&t.holder, "a", ENTRIES);
	make(&t, "a", "1");
	make(&t, "a", "2");
	rig_advance(t.r, 40);
	make(&t, "a", "3");
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	rig_advance(t.r, 10);
	peer_serve_until(&t.holder, &t.holder.events, 3);
	assert_int_equal(t.holder.notifies, 1);
	/* The next one opens a window of its own. */
	make(&t, "a", "4");
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	rig_advance(t.r, 50);
	peer_serve_until(&t.holder, &t.holder.events, 4);
	end(&t);
}

static void dd08_a_rename_is_one_event_where_it_is_one_change(void **state)
{
	struct pair t;
	struct peer *h = &t.holder;

	begin(&t, state);
	make(&t, "a", "x");
	make(&t, "a", "y");
	take_dir_delegation(h, "a", ENTRIES);
	move(&t, "a", "x", "a", "z");
	peer_serve_until(h, &h->events, 1);
	assert_int_equal(h->kinds[0], CHANGE_RENAME_ENTRY);
	assert_false(h->overwrote);
	/* Over an existing name: no REMOVE of its own. */
	move(&t, "a", "z", "a", "y");
	peer_serve_until(h, &h->events, 2);
	assert_int_equal(h->kinds[1], CHANGE_RENAME_ENTRY);
	assert_true(h->overwrote);
	move(&t, "a", "y", "b", "y");
	peer_serve_until(h, &h->events, 3);
	assert_int_equal(h->kinds[2], CHANGE_REMOVE_ENTRY);
	make(&t, "a", "y");
	peer_serve_until(h, &h->events, 4);
	move(&t, "b", "y", "a", "y");
	peer_serve_until(h, &h->events, 5);
	assert_int_equal(h->kinds[4], CHANGE_ADD_ENTRY);
	assert_true(h->overwrote);
	assert_int_equal(peer_serve(h, SILENCE_MS), 0);
	assert_int_equal(h->recalls, 0);
	end(&t);
}

static void dd09_the_root_is_a_directory_like_others(void **state)
{
	struct pair t;
	bool granted = false;

	begin(&t, state);
	for (int i = 0; i < 1000 && !granted; i++) {
		granted = ask_once(&t.holder, NULL, ENTRIES);
		peer_serve(&t.holder, 2);
	}
	assert_true(granted);
	assert_int_equal(make_dir(&t.other, "c"), NFS4_OK);
	peer_serve_until(&t.holder, &t.holder.events, 1);
	assert_int_equal(t.holder.kinds[0], CHANGE_ADD_ENTRY);
	end(&t);
}

static void dd11_time_alone_ends_none(void **state)
{
	struct pair t;
	stateid4 sid;

	begin(&t, state);
	sid = take_dir_delegation(&t.holder, "a", ENTRIES);
	for (int i = 0; i < 200; i++) {
		rig_advance(t.r, RIG_LEASE_MS / 2);
		peer_status_flags(&t.holder);
	}
	peer_begin(&t.holder);
	ask_test_stateid(&t.holder, &sid);
	assert_int_equal(peer_call(&t.holder), NFS4_OK);
	assert_int_equal(
		peer_last(&t.holder)
			->optest_stateid.tsr_resok4.tsr_status_codes.items[0],
		NFS4_OK);
	assert_int_equal(t.holder.recalls, 0);
	end(&t);
}

/* Nobody answers: one is on its way for each delegation, and no second. */
static void dd20_one_notification_of_each_is_on_its_way(void **state)
{
	struct pair t;

	begin(&t, state);
	take_dir_delegation(&t.holder, "a", ENTRIES);
	take_dir_delegation(&t.holder, "b", ENTRIES);
	t.holder.cb = PEER_CB_HOLD;
	make(&t, "a", "1");
	peer_serve_until(&t.holder, &t.holder.notifies, 1);
	make(&t, "a", "2");
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	make(&t, "b", "1");
	peer_serve_until(&t.holder, &t.holder.notifies, 2);
	make(&t, "b", "2");
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	assert_int_equal(t.holder.events, 2);
	end(&t);
}

static void dd21_a_full_queue_is_a_recall(void **state)
{
	struct pair t;
	uint64_t reasons[RECALL_REASONS] = {0};

	begin(&t, state);
	take_dir_delegation(&t.holder, "a", ENTRIES);
	make(&t, "a", "1");
	make(&t, "a", "2"); /* nobody waits for it */
	peer_serve_until(&t.holder, &t.holder.recalls, 1);
	reasons[RECALL_OVERFLOW] = 1;
	for (int i = 0; i < RECALL_REASONS; i++)
		assert_int_equal(stats(&t).recalls_by_reason[i], reasons[i]);
	end(&t);
}

static void dd21_an_answer_of_error_is_a_recall(void **state)
{
	struct pair t;

	begin(&t, state);
	take_dir_delegation(&t.holder, "a", ENTRIES);
	t.holder.cb_status = NFS4ERR_NOTSUPP;
	make(&t, "a", "1");
	peer_serve_until(&t.holder, &t.holder.recalls, 1);
	assert_int_equal(stats(&t).recalls_by_reason[RECALL_CALLBACK_ERROR], 1);
	end(&t);
}

static void dd22_its_own_changes_do_not_concern_it(void **state)
{
	struct pair t;

	begin(&t, state);
	take_dir_delegation(&t.holder, "a", ENTRIES);
	take_dir_delegation(&t.other, "a", 0);
	take_dir_delegation(&t.holder, "b", 0);
	assert_int_equal(try_make(&t.holder, "b", "mine"), NFS4_OK);
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	/* Another holder is judged by its own mask. */
	assert_int_equal(try_make(&t.holder, "a", "mine"), NFS4ERR_DELAY);
	peer_serve_until(&t.other, &t.other.recalls, 1);
	assert_int_equal(peer_serve(&t.holder, SILENCE_MS), 0);
	end(&t);
}

/* What is granted to a classic client, which cares for order. */
static uint32_t granted_kinds(struct pair *t)
{
	take_dir_delegation(
		&t->holder, "a", ENTRIES & ~BIT(NOTIFY4_GFLAG_EXTEND));
	return peer_last(&t->holder)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_resok4
		.gddr_notification.word[0];
}

/*
 * Its changes carry no cookies: entries are not promised to who cares for their
 * order, or each change would break the promise.
 */
static void dd06_a_directory_too_large_to_index_is_recalled(void **state)
{
	struct pair t;
	char name[16];

	begin(&t, state);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make(&t, "a", name);
	}
	assert_int_equal(granted_kinds(&t), 0);
	assert_int_equal(try_make(&t.other, "a", "x"), NFS4ERR_DELAY);
	peer_serve_until(&t.holder, &t.holder.recalls, 1);
	assert_int_equal(stats(&t).recalls_by_reason[RECALL_CONFLICT], 1);
	end(&t);
}

static void dd06_one_that_is_indexed_is_told_in_order(void **state)
{
	struct pair t;

	begin(&t, state);
	assert_int_equal(
		granted_kinds(&t), ENTRIES & ~BIT(NOTIFY4_GFLAG_EXTEND));
	make(&t, "a", "x");
	peer_serve_until(&t.holder, &t.holder.events, 1);
	assert_true(t.holder.cb_cookie > 2);
	end(&t);
}

/* Grant, conflict, return; then how long until it is granted again. */
static uint64_t time_out_of_favour(struct pair *t, stateid4 *sid, int round)
{
	uint64_t waited = 0;
	char name[8];

	snprintf(name, sizeof(name), "%d", round);
	assert_int_equal(try_make(&t->other, "a", name), NFS4ERR_DELAY);
	peer_serve_until(&t->holder, &t->holder.recalls, round + 1);
	peer_begin(&t->holder);
	ask_path(&t->holder, "a");
	ask_delegreturn(&t->holder, sid);
	assert_int_equal(peer_call(&t->holder), NFS4_OK);
	make(t, "a", name);
	while (!ask_once(&t->holder, "a", 0)) {
		rig_advance(t->r, 50);
		waited += 50;
	}
	*sid = peer_result(&t->holder, 2)
		       ->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_resok4
		       .gddr_stateid;
	return waited;
}

/* After a conflict others come first, for a while that grows. */
static void dd25_a_hot_directory_is_left_alone(void **state)
{
	struct pair t;
	stateid4 sid;
	uint64_t waited = 0;

	begin(&t, state);
	sid = take_dir_delegation(&t.holder, "a", 0);
	for (int round = 0; round < 4; round++) {
		uint64_t now = time_out_of_favour(&t, &sid, round);

		assert_true(now > waited);
		waited = now;
	}
	end(&t);
}

/* One change by another client; the holder gives way. True: it had to. */
static bool change_it(struct pair *t, stateid4 *sid, int round)
{
	char name[12];
	nfsstat4 status;

	snprintf(name, sizeof(name), "%d", round);
	status = try_make(&t->other, "a", name);
	if (status == NFS4_OK)
		return false;
	assert_int_equal(status, NFS4ERR_DELAY);
	peer_serve_until(&t->holder, &t->holder.recalls, t->holder.recalls + 1);
	peer_begin(&t->holder);
	ask_path(&t->holder, "a");
	ask_delegreturn(&t->holder, sid);
	assert_int_equal(peer_call(&t->holder), NFS4_OK);
	make(t, "a", name);
	return true;
}

static bool ask_knowing(struct pair *t, stateid4 *sid)
{
	change_of(&t->holder, "a");
	if (!ask_once(&t->holder, "a", 0))
		return false;
	*sid = peer_result(&t->holder, 2)
		       ->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_resok4
		       .gddr_stateid;
	return true;
}

/* Somebody changes it ten times a second, for five minutes. */
static void dd25_who_is_only_recalled_keeps_out_of_a_busy_directory(
	void **state)
{
	struct pair t;
	stateid4 sid;
	int in_the_way = 0;

	begin(&t, state);
	sid = take_dir_delegation(&t.holder, "a", 0);
	for (int i = 0; i < 3000; i++) {
		in_the_way += change_it(&t, &sid, i);
		rig_advance(t.r, 90);
		ask_knowing(&t, &sid);
		rig_advance(t.r, 10);
	}
	assert_int_equal(in_the_way, 1);
	/* Who is notified is in nobody's way. */
	take_dir_delegation(&t.other, "a", ENTRIES);
	/* And when it is quiet there, it is granted again. */
	rig_advance(t.r, 500);
	assert_true(ask_knowing(&t, &sid));
	end(&t);
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define WITH(s, f) cmocka_unit_test_setup_teardown(f, s, rig_teardown)
	const struct CMUnitTest tests[] = {
		WITH(setup_off, dd01_switched_off_is_notsupp),
		WITH(setup_grace, dd01_grace_refuses_without_an_error),
		TEST(dd01_unclaimed_state_refuses_without_an_error),
		TEST(dd03_the_access_time_is_no_promise),
		WITH(setup_windowed, dd07_a_window_gathers_changes),
		TEST(dd08_a_rename_is_one_event_where_it_is_one_change),
		WITH(setup_small_index,
			dd06_a_directory_too_large_to_index_is_recalled),
		WITH(setup_small_index,
			dd06_one_that_is_indexed_is_told_in_order),
		TEST(dd09_the_root_is_a_directory_like_others),
		TEST(dd11_time_alone_ends_none),
		TEST(dd20_one_notification_of_each_is_on_its_way),
		WITH(setup_one_event, dd21_a_full_queue_is_a_recall),
		TEST(dd21_an_answer_of_error_is_a_recall),
		TEST(dd22_its_own_changes_do_not_concern_it),
		TEST(dd25_a_hot_directory_is_left_alone),
		TEST(dd25_who_is_only_recalled_keeps_out_of_a_busy_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
