/* SPDX-License-Identifier: MIT */
/* Recalls, from the decision to the return or the revocation. */
#include "stage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "state/policy_recall.h"

struct one {
	struct stage st;
	struct client *c, *other;
	struct deleg *d;
	struct fileid id;
	stateid4 wire;
};

static void begin(struct one *t, uint32_t ask)
{
	stage_init(&t->st);
	t->c = stage_client(&t->st, "c");
	t->other = stage_client(&t->st, "other");
	t->d = stage_grant(&t->st, t->c, 1, ask);
	t->id = stage_dir(1);
	stateid_to_wire(&t->d->sid, &t->wire);
}

/* Its holder hears of no change; the recall waits for its sender. */
static void begin_recalled(struct one *t)
{
	begin(t, ASK_NOTHING);
	recall_start(t->d, RECALL_ADMIN);
}

/* Its sender was asked to send one event, and has not begun to. */
static struct deleg *begin_notified(struct one *t)
{
	begin(t, ASK_ADD);
	stage_change(&t->st, t->other, 1, CHANGE_ADD_ENTRY, "x");
	stage_pass(&t->st, 50);
	return stage_pop_notify(&t->st);
}

static void end(struct one *t)
{
	deleg_put(t->d);
	client_put(t->c);
	client_put(t->other);
	stage_fini(&t->st);
}

/* The next recall handed out is ours; answer it. */
static void answer(struct one *t, enum recall_result result)
{
	struct deleg *sent = stage_pop_recall(&t->st);

	assert_ptr_equal(sent, t->d);
	recall_sent(sent, result);
}

/* Time goes by in which the client is heard of. */
static void pass_alive(struct one *t, uint64_t ms)
{
	for (uint64_t step = 1000; ms > 0; ms -= step) {
		if (step > ms)
			step = ms;
		client_renew(t->c);
		client_renew(t->other);
		stage_pass(&t->st, step);
	}
}

/* What was logged at @level while @act ran. */
static void read_log(char *text, size_t size, enum log_level level,
	void (*act)(struct one *t), struct one *t)
{
	FILE *log = tmpfile();
	size_t n;

	assert_non_null(log);
	log_setup(fileno(log), level);
	act(t);
	log_setup(STDERR_FILENO, LOG_LVL_INFO);
	rewind(log);
	n = fread(text, 1, size - 1, log);
	text[n] = 0;
	fclose(log);
}

static unsigned count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static void recall_some(struct one *t)
{
	for (unsigned dir = 10; dir < 14; dir++) {
		struct deleg *d = stage_grant(&t->st, t->c, dir, ASK_ALL);

		recall_start(
			d, dir == 13 ? RECALL_PERMISSION : RECALL_RESOURCE);
		deleg_put(d);
	}
}

/* However many there are, the log tells each reason, and of which directory. */
static void dd16_each_reason_has_its_line_in_the_log(void **state)
{
	struct fileid first = stage_dir(10), other = stage_dir(13);
	char text[8192], id[sizeof(struct fileid_text) + 32];
	struct one t;

	begin(&t, ASK_ALL);
	read_log(text, sizeof(text), LOG_LVL_INFO, recall_some, &t);
	assert_int_equal(count_of(text, "delegation recalled client="), 2);
	assert_int_equal(count_of(text, "reason=resource"), 1);
	assert_int_equal(count_of(text, "reason=permission"), 1);
	snprintf(id, sizeof(id), "resource id=%s ", fileid_text(&first).s);
	assert_int_equal(count_of(text, id), 1);
	snprintf(id, sizeof(id), "permission id=%s ", fileid_text(&other).s);
	assert_int_equal(count_of(text, id), 1);
	end(&t);
}

static void dd14_revoked_after_a_lease(void **state)
{
	struct one t;

	begin_recalled(&t);
	answer(&t, RECALL_SENT);
	pass_alive(&t, STAGE_LEASE_MS - 1);
	assert_int_equal(t.d->state, DELEG_RECALLED);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4_OK);
	stage_assert_quiet(&t.st); /* an OK is not sent again */
	pass_alive(&t, 1001);
	assert_int_equal(t.d->state, DELEG_REVOKED);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(
		deleg_return(&t.d->sid, &t.id, true), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(t.c->revoked, 1);
	assert_true(client_status_flags(t.c) &
		SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	assert_int_equal(stage_stats(&t.st).revocations, 1);
	/* A revoked one is in nobody's way. */
	assert_int_equal(stage_change(&t.st, t.other, 1, CHANGE_ADD_ENTRY, "x"),
		NFS4_OK);
	assert_int_equal(stateid_free_state(t.c, &t.wire), NFS4_OK);
	assert_int_equal(t.c->revoked, 0);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_BAD_STATEID);
	end(&t);
}

static void dd14_free_stateid_of_a_live_one(void **state)
{
	struct one t;

	begin(&t, ASK_NOTHING);
	assert_int_equal(stateid_free_state(t.c, &t.wire), NFS4ERR_LOCKS_HELD);
	end(&t);
}

static void test_sent_again_until_it_arrives(void **state)
{
	static const enum recall_result again[] = {RECALL_RETRY, RECALL_FAILED};
	struct one t;

	begin_recalled(&t);
	for (int i = 0; i < 10; i++) {
		answer(&t, again[i & 1]);
		pass_alive(&t, 1000);
		stage_assert_quiet(&t.st);
		pass_alive(&t, 2000);
	}
	answer(&t, RECALL_SENT);
	pass_alive(&t, 10000);
	stage_assert_quiet(&t.st);
	assert_int_equal(deleg_return(&t.d->sid, &t.id, true), NFS4_OK);
	assert_int_equal(t.c->revoked, 0);
	pass_alive(&t, 2 * STAGE_LEASE_MS);
	assert_int_equal(stage_stats(&t.st).revocations, 0);
	assert_int_equal(stage_stats(&t.st).recalls, 1);
	end(&t);
}

static void dd24_never_answered_is_revoked_too(void **state)
{
	struct one t;

	begin_recalled(&t);
	pass_alive(&t, STAGE_LEASE_MS + 2000);
	assert_int_equal(t.d->state, DELEG_REVOKED);
	answer(&t, RECALL_RETRY); /* late, and means nothing */
	pass_alive(&t, 10000);
	stage_assert_quiet(&t.st);
	end(&t);
}

static void dd24_unknown_is_a_race_while_fresh(void **state)
{
	struct one t;

	begin_recalled(&t);
	answer(&t, RECALL_UNKNOWN);
	assert_int_equal(t.d->state, DELEG_RECALLED);
	pass_alive(&t, 3000);
	stage_use_slot(&t.st, t.c);
	answer(&t, RECALL_UNKNOWN);
	/* It is over, and nothing is held against the client. */
	assert_int_equal(t.d->state, DELEG_REVOKED);
	assert_int_equal(t.c->revoked, 0);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(stage_stats(&t.st).revocations, 0);
	assert_int_equal(t.c->dir_delegs, 0);
	end(&t);
}

/* A client that does not know it cannot free it: nothing stays of it. */
static void dd24_unknown_when_it_was_revoked(void **state)
{
	struct one t;

	begin_recalled(&t);
	pass_alive(&t, STAGE_LEASE_MS + 2000);
	assert_int_equal(t.c->revoked, 1);
	stage_use_slot(&t.st, t.c);
	answer(&t, RECALL_UNKNOWN);
	assert_int_equal(t.c->revoked, 0);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(stage_stats(&t.st).stateids, 0);
	end(&t);
}

static void dd24_returned_before_the_answer(void **state)
{
	struct one t;

	begin_recalled(&t);
	assert_int_equal(deleg_return(&t.d->sid, &t.id, true), NFS4_OK);
	answer(&t, RECALL_UNKNOWN);
	assert_int_equal(t.d->state, DELEG_RETURNED);
	end(&t);
}

static void dd20_follows_the_notification_in_flight(void **state)
{
	struct one t;
	struct dir_event *e;
	struct deleg *d = begin_notified(&t);

	assert_int_equal(batch_take(d, &e, 1), 1);
	dir_event_put(e);
	recall_start(d, RECALL_ADMIN);
	stage_assert_quiet(&t.st);
	batch_done(d, 1, BATCH_OK);
	answer(&t, RECALL_SENT);
	end(&t);
}

static void test_does_not_wait_for_what_is_queued(void **state)
{
	struct one t;

	begin(&t, ASK_ADD);
	stage_change(&t.st, t.other, 1, CHANGE_ADD_ENTRY, "x");
	recall_start(t.d, RECALL_ADMIN);
	answer(&t, RECALL_SENT);
	/* But that goes at once, too: the window is for quiet times. */
	stage_deliver(&t.st, t.d, "x", NULL);
	end(&t);
}

static void test_held_recall_of_an_empty_batch(void **state)
{
	struct one t;
	struct dir_event *e;
	struct deleg *d = begin_notified(&t);

	recall_start(d, RECALL_OVERFLOW);
	answer(&t, RECALL_SENT); /* nothing was in flight yet */
	assert_int_equal(batch_take(d, &e, 1), 0);
	batch_done(d, 0, BATCH_OK);
	stage_assert_quiet(&t.st);
	end(&t);
}

static void test_a_second_reason_may_still_stop_the_queue(void **state)
{
	struct one t;

	begin(&t, ASK_ADD);
	recall_start(t.d, RECALL_RESOURCE);
	answer(&t, RECALL_SENT);
	assert_false(notifyq_is_stopped(&t.d->queue));
	recall_start(t.d, RECALL_PERMISSION);
	stage_assert_quiet(&t.st);
	assert_true(notifyq_is_stopped(&t.d->queue));
	assert_int_equal(t.d->recall_reason, RECALL_RESOURCE);
	struct state_stats stats = stage_stats(&t.st);

	assert_int_equal(stats.recalls, 1);
	assert_int_equal(stats.recalls_by_reason[RECALL_RESOURCE], 1);
	assert_int_equal(stats.recalls_by_reason[RECALL_PERMISSION], 0);
	end(&t);
}

static void test_all_of_a_directory(void **state)
{
	struct one t;
	struct fileid none = stage_dir(9);

	begin(&t, ASK_ADD);
	struct deleg *second = stage_grant(&t.st, t.other, 1, ASK_NOTHING);
	struct deleg *elsewhere = stage_grant(&t.st, t.other, 2, ASK_NOTHING);
	struct state *s = t.st.w.state;

	assert_int_equal(dirdeleg_recall(s, &none, RECALL_ADMIN), 0);
	assert_int_equal(dirdeleg_recall(s, &t.id, RECALL_LOCAL_CHANGE), 2);
	assert_int_equal(t.st.recalls, 2);
	assert_int_equal(dirdeleg_recall(s, &t.id, RECALL_ADMIN), 0);
	assert_int_equal(t.st.recalls, 2);
	assert_int_equal(t.d->recall_reason, RECALL_LOCAL_CHANGE);
	assert_int_equal(elsewhere->state, DELEG_ACTIVE);
	deleg_put(second);
	deleg_put(elsewhere);
	end(&t);
}

static void dd16_every_reason_has_a_name(void **state)
{
	for (int r = 0; r < RECALL_REASONS; r++)
		assert_true(strlen(recall_reason_name(r)) > 3);
}

static void dd13_end_of_client_while_recalled(void **state)
{
	struct one t;
	struct dir_event *e;
	struct deleg *d;

	begin(&t, ASK_ADD);
	stage_change(&t.st, t.other, 1, CHANGE_ADD_ENTRY, "x");
	recall_start(t.d, RECALL_ADMIN);
	client_end(t.c, CLIENT_END_DESTROYED);
	assert_int_equal(t.d->state, DELEG_REVOKED);
	d = stage_pop_notify(&t.st);
	assert_int_equal(batch_take(d, &e, 1), 0);
	batch_done(d, 0, BATCH_OK);
	answer(&t, RECALL_RETRY);
	stage_pass(&t.st, 5000);
	assert_int_equal(t.st.recalls, 0);
	assert_int_equal(t.st.notifies, 0);
	assert_int_equal(stage_stats(&t.st).revocations, 0);
	end(&t);
}

static void dd13_end_of_client_with_a_revoked_one(void **state)
{
	struct one t;

	begin(&t, ASK_ADD);
	deleg_revoke(t.d, STATEID_ADMIN_REVOKED, true);
	deleg_revoke(t.d, STATEID_REVOKED, true); /* once */
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_ADMIN_REVOKED);
	assert_int_equal(stage_stats(&t.st).revocations, 1);
	client_end(t.c, CLIENT_END_ADMIN);
	assert_int_equal(stateid_test(t.c, &t.wire), NFS4ERR_BAD_STATEID);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd16_each_reason_has_its_line_in_the_log),
		cmocka_unit_test(dd14_revoked_after_a_lease),
		cmocka_unit_test(dd14_free_stateid_of_a_live_one),
		cmocka_unit_test(test_sent_again_until_it_arrives),
		cmocka_unit_test(dd24_never_answered_is_revoked_too),
		cmocka_unit_test(dd24_unknown_is_a_race_while_fresh),
		cmocka_unit_test(dd24_unknown_when_it_was_revoked),
		cmocka_unit_test(dd24_returned_before_the_answer),
		cmocka_unit_test(dd20_follows_the_notification_in_flight),
		cmocka_unit_test(test_does_not_wait_for_what_is_queued),
		cmocka_unit_test(test_held_recall_of_an_empty_batch),
		cmocka_unit_test(test_a_second_reason_may_still_stop_the_queue),
		cmocka_unit_test(test_all_of_a_directory),
		cmocka_unit_test(dd16_every_reason_has_a_name),
		cmocka_unit_test(dd13_end_of_client_while_recalled),
		cmocka_unit_test(dd13_end_of_client_with_a_revoked_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
