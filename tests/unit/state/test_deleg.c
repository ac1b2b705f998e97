/* SPDX-License-Identifier: MIT */
/* DELEGRETURN, and the way of a batch to its sender and back. */
#include "stage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/policy_recall.h"

#define WINDOW 50

struct one {
	struct stage st;
	struct client *c, *other;
	struct deleg *d;
	struct fileid id;
};

static void start(struct one *t)
{
	stage_start(&t->st);
	t->c = stage_client(&t->st, "c");
	t->other = stage_client(&t->st, "other");
	t->d = stage_grant(&t->st, t->c, 1, ASK_ALL);
	t->id = stage_dir(1);
}

static void begin(struct one *t)
{
	stage_prepare(&t->st);
	start(t);
}

static void end(struct one *t)
{
	deleg_put(t->d);
	client_put(t->c);
	client_put(t->other);
	stage_fini(&t->st);
}

static int setup(void **state)
{
	struct one *t = malloc(sizeof(*t));

	begin(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	end(*state);
	free(*state);
	return 0;
}

static void add(struct one *t, const char *name)
{
	assert_int_equal(
		stage_change(&t->st, t->other, 1, CHANGE_ADD_ENTRY, name),
		NFS4_OK);
}

/* Take the batch that was handed out; its events are forgotten. */
static size_t take(struct one *t, size_t max)
{
	struct dir_event *got[64];
	struct deleg *d = stage_pop_notify(&t->st);
	size_t n;

	assert_ptr_equal(d, t->d);
	n = batch_take(d, got, max);
	for (size_t i = 0; i < n; i++)
		dir_event_put(got[i]);
	return n;
}

/* The batch of one event is on its way. */
static void send_one(struct one *t, const char *name)
{
	add(t, name);
	stage_pass(&t->st, WINDOW);
	assert_int_equal(take(t, 8), 1);
}

/* ---- DELEGRETURN ---- */

static void test_return(void **state)
{
	struct one *t = *state;
	struct fileid wrong = stage_dir(2);

	assert_int_equal(
		deleg_return(&t->d->sid, &wrong, true), NFS4ERR_BAD_STATEID);
	assert_int_equal(t->d->state, DELEG_ACTIVE);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4_OK);
	assert_int_equal(
		deleg_return(&t->d->sid, &t->id, true), NFS4ERR_BAD_STATEID);
	add(t, "x");
	stage_pass(&t->st, 1000);
	stage_assert_quiet(&t->st);
}

static void dd15_return_waits_for_what_is_pending(void **state)
{
	struct one *t = *state;

	add(t, "x");
	/* The first try sends it at once. */
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4ERR_DELAY);
	assert_int_equal(t->d->state, DELEG_ACTIVE);
	assert_int_equal(t->st.notifies, 1);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4ERR_DELAY);
	assert_int_equal(t->st.notifies, 1);
	stage_deliver(&t->st, t->d, "x", NULL);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4_OK);
	assert_int_equal(stage_stats(&t->st).late_returns, 0);
}

static void dd15_return_does_not_wait_for_ever(void **state)
{
	struct one *t = *state;

	add(t, "x");
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4ERR_DELAY);
	assert_int_equal(take(t, 8), 1);
	stage_pass(&t->st, RETURN_FLUSH_MS - 1);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4ERR_DELAY);
	stage_pass(&t->st, 2);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4_OK);
	assert_int_equal(stage_stats(&t->st).late_returns, 1);
	/* The answer that comes now means nothing. */
	batch_done(t->d, 0, BATCH_ERROR);
	stage_pass(&t->st, 1000);
	stage_assert_quiet(&t->st);
}

static void *deliver_soon(void *arg)
{
	struct one *t = arg;
	struct timespec pause = {.tv_nsec = 5000000};

	nanosleep(&pause, NULL);
	batch_done(t->d, 1, BATCH_OK);
	return NULL;
}

static void dd15_return_waits_a_moment_itself(void **state)
{
	struct one t;
	pthread_t sender;

	stage_prepare(&t.st);
	t.st.w.config.recall_wait_ms = 10000;
	start(&t);
	send_one(&t, "x");
	pthread_create(&sender, NULL, deliver_soon, &t);
	assert_int_equal(deleg_return(&t.d->sid, &t.id, true), NFS4_OK);
	pthread_join(sender, NULL);
	assert_int_equal(stage_stats(&t.st).late_returns, 0);
	end(&t);
}

static void *return_it(void *arg)
{
	struct one *t = arg;
	static nfsstat4 status;

	status = deleg_return(&t->d->sid, &t->id, true);
	return &status;
}

/* An event that is queued and taken between the look and the end. */
static void dd15_return_sees_what_came_in_between(void **state)
{
	struct one *t = *state;
	struct timespec pause = {.tv_nsec = 20000000};
	struct dir_change change = {
		.kind = CHANGE_ADD_ENTRY, .entry.name = name_from_str("x")};
	struct dir_event *e = dir_event_new(&change, 0), *taken[8];
	pthread_t returner;
	void *status;

	lock_acquire(&t->d->sid.node->lock);
	pthread_create(&returner, NULL, return_it, t);
	nanosleep(&pause, NULL); /* it has looked, and waits for the lock */
	notifyq_put(&t->d->queue, e, state_get_config(t->st.w.state));
	dir_event_put(e);
	assert_int_equal(batch_take(t->d, taken, 8), 1);
	dir_event_put(taken[0]);
	lock_release(&t->d->sid.node->lock);
	pthread_join(returner, &status);
	assert_int_equal(*(nfsstat4 *)status, NFS4ERR_DELAY);
	assert_int_equal(t->d->state, DELEG_ACTIVE);
	batch_done(deleg_ref(t->d), 1, BATCH_OK);
	assert_int_equal(deleg_return(&t->d->sid, &t->id, true), NFS4_OK);
}

static void dd24_stale_handle_forgets(void **state)
{
	struct one *t = *state;
	struct fileid none = stage_dir(77);
	stateid4 wire;

	stateid_to_wire(&t->d->sid, &wire);
	deleg_forget(t->other, &t->id);
	deleg_forget(t->c, &none);
	assert_int_equal(t->d->state, DELEG_ACTIVE);
	deleg_forget(t->c, &t->id);
	assert_int_equal(t->d->state, DELEG_REVOKED);
	assert_int_equal(stateid_test(t->c, &wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(t->c->revoked, 0);
}

/* ---- batches ---- */

static void dd07_window_zero_sends_at_once(void **state)
{
	struct one t;

	stage_prepare(&t.st);
	t.st.w.config.notify_window_ms = 0;
	start(&t);
	add(&t, "x");
	assert_int_equal(t.st.notifies, 1);
	add(&t, "y"); /* not told twice */
	assert_int_equal(t.st.notifies, 1);
	stage_deliver(&t.st, t.d, "x", "y", NULL);
	stage_assert_quiet(&t.st);
	end(&t);
}

static void dd07_a_full_batch_does_not_wait(void **state)
{
	struct one t;
	char name[16];
	int n = 0;

	stage_prepare(&t.st);
	t.st.back_request = 4096;
	start(&t);
	while (t.st.notifies == 0) {
		snprintf(name, sizeof(name), "%d", n++);
		add(&t, name);
		assert_true(n < 200);
	}
	assert_true(n > 10);
	assert_int_equal(take(&t, 64), n);
	batch_done(t.d, n, BATCH_OK);
	end(&t);
}

static void dd20_one_sender_at_a_time(void **state)
{
	struct one t;

	stage_prepare(&t.st);
	t.st.back_request = 4096;
	start(&t);
	add(&t, "first");
	stage_pass(&t.st, WINDOW);
	assert_int_equal(t.st.notifies, 1);
	/* The batch gets full after the sender was told. */
	for (int i = 0; i < 60; i++)
		add(&t, "more");
	stage_pass(&t.st, 100);
	assert_int_equal(t.st.notifies, 1);
	assert_int_equal(take(&t, 64), 61);
	batch_done(t.d, 61, BATCH_OK);
	stage_assert_quiet(&t.st);
	end(&t);
}

static void dd20_what_comes_during_flight_follows(void **state)
{
	struct one *t = *state;

	send_one(t, "1");
	add(t, "2");
	stage_pass(&t->st, 30);
	stage_assert_quiet(&t->st); /* one at a time */
	batch_done(t->d, 1, BATCH_OK);
	stage_assert_quiet(&t->st); /* its own window */
	stage_pass(&t->st, 20);
	assert_int_equal(take(t, 8), 1);
	add(t, "3");
	stage_pass(&t->st, 60);
	batch_done(t->d, 1, BATCH_OK);
	stage_deliver(&t->st, t->d, "3", NULL); /* waited long enough */
}

static void dd07_nothing_waits_for_a_window_when_recalled(void **state)
{
	struct one t;

	begin(&t);
	send_one(&t, "1");
	add(&t, "2");
	recall_start(t.d, RECALL_RESOURCE);
	batch_done(t.d, 1, BATCH_OK);
	stage_deliver(&t.st, t.d, "2", NULL);
	assert_int_equal(t.st.recalls, 1);
	end(&t);
	begin(&t);
	send_one(&t, "1");
	add(&t, "2");
	assert_int_equal(deleg_return(&t.d->sid, &t.id, true), NFS4ERR_DELAY);
	batch_done(t.d, 1, BATCH_OK);
	stage_deliver(&t.st, t.d, "2", NULL);
	assert_int_equal(deleg_return(&t.d->sid, &t.id, true), NFS4_OK);
	end(&t);
}

static void test_the_rest_of_a_batch_follows_at_once(void **state)
{
	struct one *t = *state;

	add(t, "1");
	add(t, "2");
	add(t, "3");
	stage_pass(&t->st, WINDOW);
	assert_int_equal(take(t, 8), 3);
	batch_done(t->d, 2, BATCH_OK);
	stage_deliver(&t->st, t->d, "3", NULL);
	assert_int_equal(stage_stats(&t->st).notifications, 3);
}

static void dd24_delay_is_sent_again_but_not_for_ever(void **state)
{
	struct one *t = *state;

	add(t, "1");
	stage_pass(&t->st, WINDOW);
	for (int i = 1; i < BATCH_TRIES; i++) {
		assert_int_equal(take(t, 8), 1);
		batch_done(t->d, 0, BATCH_AGAIN);
		stage_pass(&t->st, BATCH_AGAIN_MS - 1);
		stage_assert_quiet(&t->st);
		stage_pass(&t->st, 1);
	}
	assert_int_equal(take(t, 8), 1);
	batch_done(t->d, 0, BATCH_AGAIN);
	assert_int_equal(t->st.recalls, 1);
	assert_int_equal(t->d->recall_reason, RECALL_CALLBACK_ERROR);
	assert_true(notifyq_is_stopped(&t->d->queue));
	stage_pass(&t->st, 5000);
	assert_int_equal(t->st.notifies, 0);
}

static void test_success_forgives(void **state)
{
	struct one *t = *state;

	for (int i = 0; i < 5 * BATCH_TRIES; i++) {
		send_one(t, "1");
		batch_done(t->d, 0, BATCH_AGAIN);
		stage_pass(&t->st, BATCH_AGAIN_MS);
		stage_deliver(&t->st, t->d, "1", NULL);
	}
	assert_int_equal(t->d->state, DELEG_ACTIVE);
}

static void test_no_channel_when_handed_out(void **state)
{
	struct one *t = *state;
	struct deleg *d;

	add(t, "1");
	stage_pass(&t->st, WINDOW);
	d = stage_pop_notify(&t->st);
	batch_done(d, 0, BATCH_AGAIN); /* nothing was taken */
	stage_pass(&t->st, BATCH_AGAIN_MS);
	stage_deliver(&t->st, t->d, "1", NULL);
}

static void dd21_bad_answers_recall(void **state)
{
	static const struct {
		enum batch_result result;
		enum recall_reason reason;
	} rows[] = {
		{BATCH_ERROR, RECALL_CALLBACK_ERROR},
		{BATCH_UNKNOWN, RECALL_CALLBACK_ERROR},
		{BATCH_TOO_LARGE, RECALL_OVERFLOW},
	};

	for (int i = 0; i < 3; i++) {
		struct one t;

		begin(&t);
		stage_use_slot(&t.st, t.c);
		send_one(&t, "1");
		add(&t, "2");
		batch_done(t.d, 0, rows[i].result);
		assert_int_equal(t.st.recalls, 1);
		assert_int_equal(t.d->recall_reason, rows[i].reason);
		assert_true(notifyq_is_idle(&t.d->queue));
		stage_pass(&t.st, 1000);
		assert_int_equal(t.st.notifies, 0);
		end(&t);
	}
}

static void dd24_unknown_while_fresh_is_sent_again(void **state)
{
	struct one *t = *state;

	send_one(t, "1");
	batch_done(t->d, 0, BATCH_UNKNOWN);
	stage_pass(&t->st, BATCH_AGAIN_MS);
	stage_deliver(&t->st, t->d, "1", NULL);
}

/* A sender that does it all inside send_notify. */
static int depth, deepest, delivered;

static void send_at_once(void *ctx, struct deleg *d)
{
	struct dir_event *got[8];
	size_t n;

	if (++depth > deepest)
		deepest = depth;
	n = batch_take(d, got, 8);
	for (size_t i = 0; i < n; i++)
		dir_event_put(got[i]);
	delivered += n;
	batch_done(d, n, BATCH_OK);
	depth--;
}

static void test_a_sender_may_be_done_at_once(void **state)
{
	struct stage st;

	depth = deepest = delivered = 0;
	stage_prepare(&st);
	st.w.config.ops.send_notify = send_at_once;
	stage_start(&st);
	struct client *c = stage_client(&st, "c");
	struct client *other = stage_client(&st, "other");

	for (unsigned dir = 0; dir < 100; dir++) {
		deleg_put(stage_grant(&st, c, dir, ASK_ALL));
		stage_change(&st, other, dir, CHANGE_ADD_ENTRY, "x");
	}
	stage_pass(&st, WINDOW);
	assert_int_equal(delivered, 100);
	assert_int_equal(deepest, 1);
	client_put(c);
	client_put(other);
	stage_fini(&st);
}

static void test_an_answer_after_the_end(void **state)
{
	struct one *t = *state;
	struct dir_event *e;

	add(t, "1");
	stage_pass(&t->st, WINDOW);
	struct deleg *d = stage_pop_notify(&t->st);

	assert_int_equal(batch_take(d, &e, 1), 1);
	client_end(t->c, CLIENT_END_ADMIN);
	dir_event_put(e);
	batch_done(d, 1, BATCH_OK);
	stage_pass(&t->st, 1000);
	stage_assert_quiet(&t->st);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_return),
		TEST(dd15_return_waits_for_what_is_pending),
		TEST(dd15_return_does_not_wait_for_ever),
		cmocka_unit_test(dd15_return_waits_a_moment_itself),
		TEST(dd15_return_sees_what_came_in_between),
		TEST(dd24_stale_handle_forgets),
		cmocka_unit_test(dd07_window_zero_sends_at_once),
		cmocka_unit_test(dd07_a_full_batch_does_not_wait),
		cmocka_unit_test(dd20_one_sender_at_a_time),
		TEST(dd20_what_comes_during_flight_follows),
		cmocka_unit_test(dd07_nothing_waits_for_a_window_when_recalled),
		TEST(test_the_rest_of_a_batch_follows_at_once),
		TEST(dd24_delay_is_sent_again_but_not_for_ever),
		TEST(test_success_forgives),
		TEST(test_no_channel_when_handed_out),
		cmocka_unit_test(dd21_bad_answers_recall),
		TEST(dd24_unknown_while_fresh_is_sent_again),
		cmocka_unit_test(test_a_sender_may_be_done_at_once),
		TEST(test_an_answer_after_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
