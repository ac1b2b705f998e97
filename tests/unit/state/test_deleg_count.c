/* SPDX-License-Identifier: MIT */
/* What is counted of delegations, under which name. */
#include "stage.h"

#include <stdarg.h>

#include "state/deleg_count.h"

static struct deleg_stats read_stats(struct stage *st)
{
	struct deleg_stats stats;

	deleg_stats_read(st->w.state, &stats);
	return stats;
}

static struct deleg_type_stats dir_stats(struct stage *st)
{
	return read_stats(st).type[DELEG_DIR];
}

static void assert_refused(struct stage *st, enum deleg_refusal reason, int n)
{
	assert_int_equal(dir_stats(st).refused[reason], n);
}

static void test_dd16_refusals_have_a_reason(void **state)
{
	struct stage st;

	stage_prepare(&st);
	st.w.config.grace_ms = 1000;
	st.w.config.max_dir_delegs = 1;
	st.w.config.refuse_at_limit = true;
	stage_start(&st);
	struct client *c = stage_client_new(&st, "c");
	struct client *other = stage_client(&st, "other");

	assert_null(stage_grant(&st, other, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_GRACE, 1);
	stage_pass(&st, 1001);
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_NOT_RECLAIMED, 1);
	client_reclaim_complete(c, false);
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_NO_BACKCHANNEL, 1);
	stage_answer_probe(c);
	struct deleg *d = stage_grant(&st, c, 1, ASK_NOTHING);

	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_DUPLICATE, 1);
	assert_null(stage_grant(&st, c, 2, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_LIMIT, 1);
	stage_change(&st, other, 1, CHANGE_ADD_ENTRY, "x");
	assert_null(stage_grant(&st, other, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_RECALL_PENDING, 1);
	struct fileid id = stage_dir(1);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_HOLDOFF, 1);
	client_end(other, CLIENT_END_ADMIN);
	assert_null(stage_grant(&st, other, 3, ASK_ALL));
	assert_refused(&st, DELEG_REFUSED_NO_LEASE, 1);
	assert_int_equal(stage_stats(&st).refusals, 8);
	deleg_put(d);
	client_put(c);
	client_put(other);
	stage_fini(&st);
}

static void test_dd18_the_life_of_one(void **state)
{
	struct stage st;
	struct deleg_type_stats stats;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);
	struct fileid id = stage_dir(1);

	stats = dir_stats(&st);
	assert_int_equal(stats.outstanding, 1);
	assert_int_equal(stats.granted, 1);
	recall_start(d, RECALL_ADMIN);
	recall_start(d, RECALL_OVERFLOW); /* under way: counted once */
	stats = dir_stats(&st);
	assert_int_equal(stats.being_recalled, 1);
	assert_int_equal(stats.recalled[RECALL_ADMIN], 1);
	assert_int_equal(stats.recalled[RECALL_OVERFLOW], 0);
	stage_pass(&st, 3000);
	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	stats = dir_stats(&st);
	assert_int_equal(stats.outstanding, 0);
	assert_int_equal(stats.being_recalled, 0);
	assert_int_equal(stats.revoked, 0);
	assert_int_equal(histogram_count(&stats.recall_ms), 1);
	assert_int_equal(stats.recall_ms.sum, 3000);
	assert_int_equal(read_stats(&st).type[DELEG_FILE].granted, 0);
	deleg_put(d);
	client_put(c);
	stage_fini(&st);
}

static void test_dd18_one_that_is_revoked(void **state)
{
	struct stage st;
	struct deleg_type_stats stats;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	recall_start(d, RECALL_CONFLICT);
	stage_pass(&st, STAGE_LEASE_MS + 1000);
	stats = dir_stats(&st);
	assert_int_equal(stats.outstanding, 0);
	assert_int_equal(stats.being_recalled, 0);
	assert_int_equal(stats.revoked, 1);
	assert_int_equal(histogram_count(&stats.recall_ms), 1);
	assert_true(stats.recall_ms.sum >= STAGE_LEASE_MS);
	deleg_put(d);
	client_put(c);
	stage_fini(&st);
}

/* Two holders of one directory, two changes, 20 ms before they are sent. */
static void test_events_by_kind_and_age(void **state)
{
	struct stage st;
	struct deleg_stats stats;
	struct dir_event *events[8];

	stage_init(&st);
	struct client *c = stage_client(&st, "c"),
		      *who = stage_client(&st, "w");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	stage_change(&st, who, 1, CHANGE_ADD_ENTRY, "a");
	stage_pass(&st, 20);
	stage_change(&st, who, 1, CHANGE_REMOVE_ENTRY, "a");
	stage_pass(&st, 30);
	assert_ptr_equal(stage_pop_notify(&st), d);
	assert_int_equal(batch_take(d, events, 8), 2);
	stage_pass(&st, 5);
	deleg_count_delivered(d, events, 2);
	for (int i = 0; i < 2; i++)
		dir_event_put(events[i]);
	batch_done(d, 2, BATCH_OK);
	stats = read_stats(&st);
	assert_int_equal(stats.queued[CHANGE_ADD_ENTRY], 1);
	assert_int_equal(stats.queued[CHANGE_REMOVE_ENTRY], 1);
	assert_int_equal(stats.entries[CHANGE_ADD_ENTRY], 1);
	assert_int_equal(stats.entries[CHANGE_REMOVE_ENTRY], 1);
	assert_int_equal(stats.entries[CHANGE_RENAME_ENTRY], 0);
	assert_int_equal(stats.sent_ms.sum, 50 + 30);
	assert_int_equal(stats.answered_ms.sum, 55 + 35);
	assert_int_equal(histogram_count(&stats.batch_events), 1);
	assert_int_equal(stats.batch_events.sum, 2);
	deleg_put(d);
	client_put(c);
	client_put(who);
	stage_fini(&st);
}

static void test_overflow_has_a_cause(void **state)
{
	struct stage st;
	struct deleg_stats stats;

	stage_prepare(&st);
	st.w.config.notify_max_events = 1;
	stage_start(&st);
	struct client *c = stage_client(&st, "c"),
		      *who = stage_client(&st, "w");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	stage_change(&st, who, 1, CHANGE_ADD_ENTRY, "a");
	stage_change(&st, who, 1, CHANGE_ADD_ENTRY, "b");
	stats = read_stats(&st);
	assert_int_equal(stats.overflows[DELEG_OVERFLOW_QUEUE], 1);
	assert_int_equal(stats.type[DELEG_DIR].recalled[RECALL_OVERFLOW], 1);
	deleg_put(d);
	client_put(c);
	client_put(who);
	stage_fini(&st);
}

static void assert_named(const char *(*name)(unsigned), unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_non_null(name(i));
		assert_string_not_equal(name(i), "?");
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(name(i), name(k));
	}
	assert_string_equal(name(count), "?");
}

static const char *refusal(unsigned i)
{
	return deleg_refusal_name(i);
}

static const char *overflow(unsigned i)
{
	return deleg_overflow_name(i);
}

static const char *kind(unsigned i)
{
	return change_kind_name(i);
}

static const char *type(unsigned i)
{
	return deleg_type_name(i);
}

static void test_everything_has_a_name(void **state)
{
	assert_named(refusal, DELEG_REFUSALS);
	assert_named(overflow, DELEG_OVERFLOWS);
	assert_named(kind, CHANGE_KINDS);
	assert_named(type, DELEG_TYPES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dd16_refusals_have_a_reason),
		cmocka_unit_test(test_dd18_the_life_of_one),
		cmocka_unit_test(test_dd18_one_that_is_revoked),
		cmocka_unit_test(test_events_by_kind_and_age),
		cmocka_unit_test(test_overflow_has_a_cause),
		cmocka_unit_test(test_everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
