/* SPDX-License-Identifier: MIT */
/* What a change means for the holders of its directories. */
#include "stage.h"

#include <pthread.h>
#include <string.h>

struct two {
	struct stage st;
	struct client *a, *b; /* a holds, b changes */
	struct deleg *d;
};

static void begin(struct two *t, uint32_t ask)
{
	stage_init(&t->st);
	t->a = stage_client(&t->st, "a");
	t->b = stage_client(&t->st, "b");
	t->d = stage_grant(&t->st, t->a, 1, ask);
	assert_non_null(t->d);
}

static void end(struct two *t)
{
	deleg_put(t->d);
	client_put(t->a);
	client_put(t->b);
	stage_fini(&t->st);
}

static void give_back(struct deleg *d, unsigned dir)
{
	struct fileid id = stage_dir(dir);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
}

static const uint32_t ask_of[CHANGE_KINDS] = {
	[CHANGE_ADD_ENTRY] = ASK_ADD,
	[CHANGE_REMOVE_ENTRY] = ASK_REMOVE,
	[CHANGE_RENAME_ENTRY] = ASK_RENAME,
};

static void dd03_uncovered_is_recalled_first(void **state)
{
	static const enum change_kind kinds[] = {
		CHANGE_ADD_ENTRY, CHANGE_REMOVE_ENTRY, CHANGE_RENAME_ENTRY};

	for (int i = 0; i < 9; i++) {
		/* Nothing asked for; then the two other kinds only. */
		enum change_kind kind = kinds[i / 3], has = kinds[i % 3];
		bool none = kind == has;
		struct two t;
		struct deleg *sent;

		begin(&t, none ? ASK_NOTHING : ask_of[has]);
		assert_int_equal(
			stage_change(&t.st, t.b, 1, kind, "x"), NFS4ERR_DELAY);
		sent = stage_pop_recall(&t.st);
		assert_ptr_equal(sent, t.d);
		assert_int_equal(sent->recall_reason,
			none ? RECALL_CONFLICT : RECALL_UNSUBSCRIBED);
		recall_sent(sent, RECALL_SENT);
		/* Once only, however often it is tried. */
		assert_int_equal(
			stage_change(&t.st, t.b, 1, kind, "x"), NFS4ERR_DELAY);
		stage_assert_quiet(&t.st);
		give_back(t.d, 1);
		assert_int_equal(
			stage_change(&t.st, t.b, 1, kind, "x"), NFS4_OK);
		stage_assert_quiet(&t.st);
		end(&t);
	}
}

static void dd19_covered_is_told_after(void **state)
{
	struct two t;
	struct dir_event *got[8];
	struct dir_change c;
	struct deleg *d;

	begin(&t, ASK_ALL);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "x"), NFS4_OK);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_REMOVE_ENTRY, "y"), NFS4_OK);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_RENAME_ENTRY, "z"), NFS4_OK);
	assert_true(stage_stats(&t.st).notify_bytes > 0);
	stage_pass(&t.st, 49);
	stage_assert_quiet(&t.st); /* the window is open */
	stage_pass(&t.st, 1);
	d = stage_pop_notify(&t.st);
	assert_ptr_equal(d, t.d);
	assert_int_equal(batch_take(d, got, 8), 3);
	dir_event_read(got[0], &c);
	assert_int_equal(c.kind, CHANGE_ADD_ENTRY);
	assert_true(name_equal(c.entry.name, name_from_str("x")));
	assert_true(c.before && c.after && c.before != c.after);
	uint64_t after = c.after;

	dir_event_read(got[1], &c);
	assert_int_equal(c.kind, CHANGE_REMOVE_ENTRY);
	assert_int_equal(c.before, after);
	dir_event_read(got[2], &c);
	assert_int_equal(c.kind, CHANGE_RENAME_ENTRY);
	assert_true(name_equal(c.old.name, name_from_str("old")));
	for (int i = 0; i < 3; i++)
		dir_event_put(got[i]);
	batch_done(d, 3, BATCH_OK);
	stage_assert_quiet(&t.st);
	assert_int_equal(stage_stats(&t.st).events, 3);
	assert_int_equal(stage_stats(&t.st).notifications, 3);
	assert_int_equal(stage_stats(&t.st).batches, 1);
	assert_int_equal(stage_stats(&t.st).notify_bytes, 0);
	end(&t);
}

static void dd22_own_changes(void **state)
{
	struct two t;
	struct deleg *aware;

	begin(&t, ASK_ADD);
	aware = stage_grant(&t.st, t.a, 2, ASK_CLASSIC);
	assert_true(aware->order_aware);
	/* Neither told nor recalled, subscribed or not. */
	for (int kind = CHANGE_REMOVE_ENTRY; kind <= CHANGE_RENAME_ENTRY;
		kind++)
		assert_int_equal(
			stage_change(&t.st, t.a, 1, kind, "x"), NFS4_OK);
	assert_true(notifyq_is_idle(&t.d->queue));
	/* Whoever cares for order hears of itself. */
	for (int kind = CHANGE_REMOVE_ENTRY; kind <= CHANGE_RENAME_ENTRY;
		kind++)
		assert_int_equal(
			stage_change(&t.st, t.a, 2, kind, "x"), NFS4_OK);
	stage_pass(&t.st, 50);
	stage_deliver(&t.st, aware, "x", "x", "x", NULL);
	stage_assert_quiet(&t.st);
	deleg_put(aware);
	end(&t);
}

static void dd08_a_move_is_judged_in_each_directory(void **state)
{
	struct two t;
	struct deleg *target;

	begin(&t, ASK_REMOVE);
	target = stage_grant(&t.st, t.a, 2, ASK_ADD);
	assert_int_equal(stage_move(&t.st, t.b, 1, 2, "x"), NFS4_OK);
	stage_pass(&t.st, 50);
	stage_deliver(&t.st, t.d, "x", NULL);
	stage_deliver(&t.st, target, "x", NULL);
	/* The other way both are in the way, and both are asked at once. */
	assert_int_equal(stage_move(&t.st, t.b, 2, 1, "x"), NFS4ERR_DELAY);
	assert_int_equal(t.st.recalls, 2);
	give_back(t.d, 1);
	assert_int_equal(stage_move(&t.st, t.b, 2, 1, "x"), NFS4ERR_DELAY);
	give_back(target, 2);
	assert_int_equal(stage_move(&t.st, t.b, 2, 1, "x"), NFS4_OK);
	/* RENAME does not cover a move, nor the reverse. */
	deleg_put(t.d);
	stage_pass(&t.st, 60000);
	t.d = stage_grant(&t.st, t.a, 1, ASK_RENAME);
	assert_int_equal(stage_move(&t.st, t.b, 2, 1, "x"), NFS4ERR_DELAY);
	deleg_put(target);
	end(&t);
}

static void dd22_each_holder_by_its_own_mask(void **state)
{
	struct two t;
	struct client *c;
	struct deleg *other;

	begin(&t, ASK_ADD);
	c = stage_client(&t.st, "c");
	other = stage_grant(&t.st, c, 1, ASK_REMOVE);
	/* b adds: a is told, c is in the way; a own change of c is not. */
	assert_int_equal(stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "x"),
		NFS4ERR_DELAY);
	assert_ptr_equal(t.st.recall[0], other);
	assert_int_equal(t.st.recalls, 1);
	assert_int_equal(
		stage_change(&t.st, c, 1, CHANGE_ADD_ENTRY, "y"), NFS4_OK);
	stage_pass(&t.st, 50);
	stage_deliver(&t.st, t.d, "y", NULL);
	deleg_put(other);
	client_put(c);
	end(&t);
}

static void dd03_what_fails_tells_nobody(void **state)
{
	struct two t;

	begin(&t, ASK_ALL);
	assert_int_equal(stage_try(&t.st, t.b, 1, CHANGE_ADD_ENTRY), NFS4_OK);
	assert_true(notifyq_is_idle(&t.d->queue));
	assert_int_equal(t.d->state, DELEG_ACTIVE);
	end(&t);
}

static void dd14_expired_holders_lose_it_at_once(void **state)
{
	struct two t;
	struct deleg *more[40];
	struct client *c[40];

	begin(&t, ASK_ALL);
	for (int i = 0; i < 40; i++) {
		char name[8] = {'c', '0' + i / 10, '0' + i % 10};

		c[i] = stage_client(&t.st, name);
		more[i] = stage_grant(
			&t.st, c[i], 1, i & 1 ? ASK_NOTHING : ASK_ALL);
	}
	clock_advance_ms(&t.st.w.clock, STAGE_LEASE_MS + 1);
	client_renew(t.b);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "x"), NFS4_OK);
	stage_assert_quiet(&t.st);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(more[i]->state, DELEG_REVOKED);
		assert_int_equal(more[i]->sid.status, STATEID_EXPIRED);
		assert_true(notifyq_is_idle(&more[i]->queue));
		deleg_put(more[i]);
		client_put(c[i]);
	}
	assert_int_equal(t.d->state, DELEG_REVOKED);
	assert_int_equal(stage_stats(&t.st).dir_delegs, 0);
	assert_int_equal(stage_stats(&t.st).revocations, 41);
	end(&t);
}

/* ---- the removal of a delegated directory ---- */

static void *ask_for_it(void *arg)
{
	struct two *t = arg;

	assert_null(stage_grant(&t->st, t->a, 1, ASK_ALL));
	assert_null(stage_grant(&t->st, t->b, 1, ASK_ALL));
	return NULL;
}

/* On a thread of its own: this one is in a change section. */
static void assert_granted_to_nobody(struct two *t)
{
	pthread_t asker;

	pthread_create(&asker, NULL, ask_for_it, t);
	pthread_join(asker, NULL);
}

static nfsstat4 remove_dir(struct two *t, struct client *who, bool commit)
{
	struct dirchange dc = {0};
	struct fileid parent = stage_dir(100), victim = stage_dir(1);
	struct dirchange_plan plan = {
		.kind = {CHANGE_REMOVE_ENTRY},
		.victim = &victim,
		.victim_is_dir = true,
	};
	struct dir_change c = {.kind = CHANGE_REMOVE_ENTRY};
	struct dir_change *changes[2] = {&c, NULL};
	nfsstat4 status;

	assert_int_equal(
		dirchange_begin(&dc, t->st.w.state, who, &parent, NULL),
		NFS4_OK);
	status = dirchange_admit(&dc, &plan);
	if (status == NFS4_OK)
		assert_granted_to_nobody(t);
	if (status == NFS4_OK && commit) {
		c.entry.name = name_from_str("dir");
		dirchange_commit(&dc, changes, (int64_t[2]){1});
		return NFS4_OK;
	}
	dirchange_abort(&dc);
	if (status != NFS4_OK)
		assert_false(dirchange_wait(&dc));
	return status;
}

static void dd24_others_return_a_directory_first(void **state)
{
	struct two t;
	struct deleg *sent;

	begin(&t, ASK_ALL);
	assert_int_equal(remove_dir(&t, t.b, true), NFS4ERR_DELAY);
	sent = stage_pop_recall(&t.st);
	assert_ptr_equal(sent, t.d);
	assert_int_equal(sent->recall_reason, RECALL_DIRECTORY_REMOVED);
	recall_sent(sent, RECALL_SENT);
	give_back(t.d, 1);
	assert_int_equal(remove_dir(&t, t.b, false), NFS4_OK);
	/* It was called off: it may be granted again, in a while. */
	assert_null(stage_grant(&t.st, t.a, 1, ASK_ALL));
	stage_pass(&t.st, 1000);
	deleg_put(t.d);
	t.d = stage_grant(&t.st, t.a, 1, ASK_ALL);
	assert_non_null(t.d);
	give_back(t.d, 1);
	assert_int_equal(remove_dir(&t, t.b, true), NFS4_OK);
	end(&t);
}

static void dd24_the_remover_loses_its_own_silently(void **state)
{
	struct two t;
	stateid4 wire;

	begin(&t, ASK_NOTHING);
	stateid_to_wire(&t.d->sid, &wire);
	assert_int_equal(remove_dir(&t, t.a, false), NFS4_OK);
	assert_int_equal(t.d->state, DELEG_ACTIVE);
	assert_int_equal(remove_dir(&t, t.a, true), NFS4_OK);
	stage_assert_quiet(&t.st);
	assert_int_equal(t.d->state, DELEG_REVOKED);
	assert_int_equal(stateid_test(t.a, &wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(t.a->revoked, 0);
	assert_int_equal(stage_stats(&t.st).revocations, 0);
	end(&t);
}

static void test_an_expired_holder_keeps_no_directory(void **state)
{
	struct two t;

	begin(&t, ASK_ALL);
	clock_advance_ms(&t.st.w.clock, STAGE_LEASE_MS + 1);
	client_renew(t.b);
	assert_int_equal(remove_dir(&t, t.b, true), NFS4_OK);
	assert_int_equal(t.d->sid.status, STATEID_EXPIRED);
	end(&t);
}

/* ---- events that cannot be told ---- */

static void commit_as(struct two *t, struct client *who, struct dir_change *c)
{
	struct dirchange dc = {0};
	struct fileid id = stage_dir(1);
	struct dirchange_plan plan = {.kind = {c->kind}};
	struct dir_change *changes[2] = {c, NULL};

	assert_int_equal(
		dirchange_begin(&dc, t->st.w.state, who, &id, NULL), NFS4_OK);
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
	dirchange_commit(&dc, changes, (int64_t[2]){1});
}

static void commit_raw(struct two *t, struct dir_change *c)
{
	commit_as(t, t->b, c);
}

static void assert_recalled(struct two *t, enum recall_reason reason)
{
	struct deleg *sent = stage_pop_recall(&t->st);

	assert_ptr_equal(sent, t->d);
	assert_int_equal(sent->recall_reason, reason);
	recall_sent(sent, RECALL_SENT);
}

static void dd21_a_full_queue_recalls(void **state)
{
	struct two t;

	stage_prepare(&t.st);
	t.st.w.config.notify_max_events = 2;
	stage_start(&t.st);
	t.a = stage_client(&t.st, "a");
	t.b = stage_client(&t.st, "b");
	t.d = stage_grant(&t.st, t.a, 1, ASK_ALL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "x"),
			NFS4_OK);
	assert_recalled(&t, RECALL_OVERFLOW);
	assert_true(notifyq_is_stopped(&t.d->queue));
	assert_int_equal(stage_stats(&t.st).overflows, 1);
	/* What it subscribed to goes on without it; the rest waits. */
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "x"), NFS4_OK);
	stage_pass(&t.st, 50);
	struct deleg *d = stage_pop_notify(&t.st);
	struct dir_event *got[8];

	/* Told before, and there is nothing any more. */
	if (d) {
		assert_int_equal(batch_take(d, got, 8), 0);
		batch_done(d, 0, BATCH_OK);
	}
	stage_assert_quiet(&t.st);
	end(&t);
}

static void dd21_missing_attributes_recall(void **state)
{
	struct two t;
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;
	struct fileid id = stage_dir(1);
	struct dirchange dc = {0};
	struct dirchange_plan plan = {.kind = {CHANGE_ADD_ENTRY}};
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY, .entry.cookie = 9};

	begin(&t, ASK_ALL);
	give_back(t.d, 1);
	deleg_put(t.d);
	stage_request(&request, ASK_ALL);
	bitmap4_set(&request.child_attrs, FATTR4_SIZE);
	assert_int_equal(dirdeleg_grant(t.a, &id, &request, &grant), NFS4_OK);
	t.d = stage_find(t.a, &grant.stateid);
	assert_int_equal(
		dirchange_begin(&dc, t.st.w.state, t.b, &id, NULL), NFS4_OK);
	assert_false(dirchange_is_told(&dc, 0));
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
	assert_true(dirchange_is_told(&dc, 0));
	assert_true(dirchange_wants_attrs(&dc, 0));
	dirchange_abort(&dc);
	c.entry.name = name_from_str("x");
	c.entry.has_attr = true;
	commit_raw(&t, &c);
	stage_assert_quiet(&t.st);
	/* A removal has none. */
	c.kind = CHANGE_REMOVE_ENTRY;
	c.entry.has_attr = false;
	commit_raw(&t, &c);
	stage_assert_quiet(&t.st);
	c.kind = CHANGE_RENAME_ENTRY;
	commit_raw(&t, &c);
	assert_recalled(&t, RECALL_OVERFLOW);
	end(&t);
}

static void dd06_unknown_order_recalls_who_cares(void **state)
{
	struct two t;
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};

	begin(&t, ASK_CLASSIC);
	c.entry.name = name_from_str("x");
	commit_raw(&t, &c);
	assert_recalled(&t, RECALL_OVERFLOW);
	end(&t);
	begin(&t, ASK_ALL);
	commit_raw(&t, &c);
	stage_assert_quiet(&t.st);
	end(&t);
}

static void dd05_a_moved_cookie_recalls(void **state)
{
	struct two t;
	struct dir_change c = {
		.kind = CHANGE_ADD_ENTRY,
		.entry.cookie = 9,
		.verifier_moved = true,
		.old_verifier = 1,
		.new_verifier = 2,
	};

	begin(&t, ASK_ALL);
	c.entry.name = name_from_str("x");
	commit_raw(&t, &c);
	assert_recalled(&t, RECALL_UNSUBSCRIBED);
	stage_deliver(&t.st, t.d, "x", NULL); /* at once, being recalled */
	end(&t);
}

/* With the kind for it, it is told, directly behind the entry. */
static void test_a_moved_cookie_is_told(void **state)
{
	struct two t;
	struct dir_event *got[4];
	struct dir_change c = {
		.kind = CHANGE_REMOVE_ENTRY,
		.entry.cookie = 9,
		.verifier_moved = true,
		.old_verifier = 1,
		.new_verifier = 2,
	};

	begin(&t, ASK_ALL | ASK_VERIFIER);
	c.entry.name = name_from_str("x");
	commit_raw(&t, &c);
	stage_pass(&t.st, 50);
	assert_ptr_equal(stage_pop_notify(&t.st), t.d);
	assert_int_equal(batch_take(t.d, got, 4), 2);
	dir_event_read(got[0], &c);
	assert_int_equal(c.kind, CHANGE_REMOVE_ENTRY);
	dir_event_read(got[1], &c);
	assert_int_equal(c.kind, CHANGE_COOKIE_VERIFIER);
	assert_int_equal(c.old_verifier, 1);
	assert_int_equal(c.new_verifier, 2);
	dir_event_put(got[0]);
	dir_event_put(got[1]);
	batch_done(t.d, 2, BATCH_OK);
	stage_assert_quiet(&t.st);
	end(&t);
}

/* It relies on cookies: its own change may not move them unseen. */
static void test_own_moved_cookies(void **state)
{
	static const struct {
		uint32_t ask;
		bool told, recalled;
	} cases[] = {
		{ASK_NOTHING, false, false},
		{ASK_ALL, false, false},
		{ASK_ALL | ASK_VERIFIER, false, false},
		{ASK_CLASSIC, true, true},
		{ASK_CLASSIC | ASK_VERIFIER_BIT, true, false},
	};

	for (size_t i = 0; i < 5; i++) {
		struct dir_change c = {
			.kind = CHANGE_ADD_ENTRY,
			.entry.cookie = 9,
			.verifier_moved = true,
		};
		struct two t;

		begin(&t, cases[i].ask);
		c.entry.name = name_from_str("x");
		commit_as(&t, t.a, &c);
		if (cases[i].recalled)
			assert_recalled(&t, RECALL_UNSUBSCRIBED);
		stage_pass(&t.st, 50);
		assert_int_equal(t.st.notifies, cases[i].told);
		assert_int_equal(t.st.recalls, 0);
		end(&t);
	}
}

static void test_told_until_it_is_returned(void **state)
{
	struct two t;

	begin(&t, ASK_ADD);
	assert_int_equal(stage_change(&t.st, t.b, 1, CHANGE_REMOVE_ENTRY, "x"),
		NFS4ERR_DELAY);
	assert_recalled(&t, RECALL_UNSUBSCRIBED);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "y"), NFS4_OK);
	stage_deliver(&t.st, t.d, "y", NULL);
	give_back(t.d, 1);
	assert_int_equal(
		stage_change(&t.st, t.b, 1, CHANGE_ADD_ENTRY, "z"), NFS4_OK);
	stage_pass(&t.st, 1000);
	stage_assert_quiet(&t.st);
	end(&t);
}

/* ---- waiting ---- */

static void *return_soon(void *arg)
{
	struct two *t = arg;
	struct timespec pause = {.tv_nsec = 5000000};

	nanosleep(&pause, NULL);
	give_back(t->d, 1);
	return NULL;
}

static void test_a_mutator_waits_for_the_return(void **state)
{
	struct two t;
	struct dirchange dc = {0};
	struct fileid id = stage_dir(1);
	struct dirchange_plan plan = {.kind = {CHANGE_ADD_ENTRY}};
	pthread_t holder;

	stage_prepare(&t.st);
	t.st.w.config.recall_wait_ms = 10000;
	stage_start(&t.st);
	t.a = stage_client(&t.st, "a");
	t.b = stage_client(&t.st, "b");
	t.d = stage_grant(&t.st, t.a, 1, ASK_NOTHING);
	assert_int_equal(
		dirchange_begin(&dc, t.st.w.state, t.b, &id, NULL), NFS4_OK);
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4ERR_DELAY);
	dirchange_abort(&dc);
	pthread_create(&holder, NULL, return_soon, &t);
	assert_true(dirchange_wait(&dc));
	pthread_join(holder, NULL);
	assert_int_equal(
		dirchange_begin(&dc, t.st.w.state, t.b, &id, NULL), NFS4_OK);
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
	dirchange_abort(&dc);
	end(&t);
}

static void dd19_same_directory_twice_is_one(void **state)
{
	struct two t;
	struct dirchange dc = {0};
	struct fileid id = stage_dir(1);

	begin(&t, ASK_ALL);
	assert_int_equal(
		dirchange_begin(&dc, t.st.w.state, t.b, &id, &id), NFS4_OK);
	assert_null(dc.dir[1]);
	dirchange_abort(&dc);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd03_uncovered_is_recalled_first),
		cmocka_unit_test(dd19_covered_is_told_after),
		cmocka_unit_test(dd22_own_changes),
		cmocka_unit_test(dd08_a_move_is_judged_in_each_directory),
		cmocka_unit_test(dd22_each_holder_by_its_own_mask),
		cmocka_unit_test(dd03_what_fails_tells_nobody),
		cmocka_unit_test(dd14_expired_holders_lose_it_at_once),
		cmocka_unit_test(dd24_others_return_a_directory_first),
		cmocka_unit_test(dd24_the_remover_loses_its_own_silently),
		cmocka_unit_test(test_an_expired_holder_keeps_no_directory),
		cmocka_unit_test(dd21_a_full_queue_recalls),
		cmocka_unit_test(dd21_missing_attributes_recall),
		cmocka_unit_test(dd06_unknown_order_recalls_who_cares),
		cmocka_unit_test(dd05_a_moved_cookie_recalls),
		cmocka_unit_test(test_a_moved_cookie_is_told),
		cmocka_unit_test(test_own_moved_cookies),
		cmocka_unit_test(test_told_until_it_is_returned),
		cmocka_unit_test(test_a_mutator_waits_for_the_return),
		cmocka_unit_test(dd19_same_directory_twice_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
