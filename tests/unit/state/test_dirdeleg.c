/* SPDX-License-Identifier: MIT */
/* Who is granted a directory delegation, and on which terms. */
#include "stage.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "state/deleg_count.h"
#include "state/cbsession.h"
#include "state/policy_recall.h"
#include "state/policy_stateid.h"

static nfsstat4 ask(struct client *c, unsigned dir, uint32_t types,
	struct dirdeleg_grant *grant)
{
	struct fileid id = stage_dir(dir);
	struct dirdeleg_request request;

	stage_request(&request, types);
	return dirdeleg_grant(c, &id, &request, grant);
}

static void test_grant(void **state)
{
	struct stage st;
	struct dirdeleg_grant grant;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");
	struct dirdeleg_request request;
	struct fileid id = stage_dir(1);

	stage_request(&request, ASK_ALL);
	bitmap4_set(&request.child_attrs, FATTR4_SIZE);
	bitmap4_set(&request.dir_attrs, FATTR4_SIZE);
	assert_int_equal(dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
	assert_true(grant.granted);
	assert_int_equal(grant.stateid.seqid, 1);
	assert_int_equal(grant.notify.word[0], ASK_ALL);
	assert_true(bitmap4_has(&grant.child_attrs, FATTR4_SIZE));
	/* Promised only with CHANGE_DIR_ATTRS. */
	assert_true(bitmap4_empty(&grant.dir_attrs));

	struct deleg *d = stage_find(c, &grant.stateid);

	assert_int_equal(d->fh_len, request.fh_len);
	assert_memory_equal(d->fh, request.fh, request.fh_len);
	assert_false(d->order_aware);
	assert_int_equal(c->dir_delegs, 1);
	assert_int_equal(stage_stats(&st).dir_delegs, 1);
	assert_int_equal(stage_stats(&st).grants, 1);
	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	assert_int_equal(c->dir_delegs, 0);
	assert_int_equal(stage_stats(&st).dir_delegs, 0);
	deleg_put(d);
	client_put(c);
	stage_fini(&st);
}

static void dd01_off(void **state)
{
	struct stage st;
	struct dirdeleg_grant grant;

	stage_prepare(&st);
	st.w.config.dir_delegations = false;
	stage_start(&st);
	struct client *c = stage_client(&st, "c");

	assert_int_equal(ask(c, 1, ASK_ALL, &grant), NFS4ERR_NOTSUPP);
	client_put(c);
	stage_fini(&st);
}

static void dd24_duplicates_are_refused(void **state)
{
	struct stage st;

	stage_init(&st);
	struct client *a = stage_client(&st, "a"), *b = stage_client(&st, "b");
	struct deleg *d = stage_grant(&st, a, 1, ASK_NOTHING);

	assert_non_null(d);
	assert_null(stage_grant(&st, a, 1, ASK_ALL));
	/* Any number of clients, any number of directories. */
	struct deleg *other = stage_grant(&st, b, 1, ASK_ALL);
	struct deleg *second = stage_grant(&st, a, 2, ASK_ALL);

	assert_non_null(other);
	assert_non_null(second);
	/* Also while it is being recalled; then again. */
	recall_start(d, RECALL_ADMIN);
	assert_null(stage_grant(&st, a, 1, ASK_ALL));
	deleg_put(stage_grant(&st, a, 3, ASK_ALL));
	struct fileid id = stage_dir(1);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
	d = stage_grant(&st, a, 1, ASK_ALL);
	assert_non_null(d);
	assert_int_equal(stage_stats(&st).refusals, 2);
	deleg_put(d);
	deleg_put(other);
	deleg_put(second);
	client_put(a);
	client_put(b);
	stage_fini(&st);
}

static void dd12_needs_a_client_in_order(void **state)
{
	struct stage st;

	stage_prepare(&st);
	st.w.config.grace_ms = 1000;
	stage_start(&st);
	struct client *c = stage_client_new(&st, "c");
	struct client *cut = stage_client(&st, "cut");

	assert_null(stage_grant(&st, cut, 1, ASK_ALL)); /* grace */
	stage_pass(&st, 1001);
	/* A client that says it has reclaimed all. */
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_int_equal(client_reclaim_complete(c, false), NFS4_OK);
	/* A back channel that answers; it is asked now at the earliest. */
	assert_int_equal(st.w.probes, 0);
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	assert_int_equal(st.w.probes, 1);
	stage_answer_probe(c);
	deleg_put(stage_grant(&st, c, 1, ASK_ALL));
	stage_cut(&st, cut);
	assert_null(stage_grant(&st, cut, 1, ASK_ALL));
	client_put(cut);
	/* And one that is still there. */
	client_end(c, CLIENT_END_ADMIN);
	assert_int_equal(stage_stats(&st).dir_delegs, 0);
	assert_null(stage_grant(&st, c, 2, ASK_ALL));
	assert_int_equal(stage_stats(&st).dir_delegs, 0);
	client_put(c);
	stage_fini(&st);
}

static void dd10_limit(void **state)
{
	struct stage st;
	struct deleg *d[3];

	stage_prepare(&st);
	st.w.config.max_dir_delegs = 3;
	stage_start(&st);
	struct client *c = stage_client(&st, "c");

	for (unsigned i = 0; i < 3; i++) {
		d[i] = stage_grant(&st, c, i, ASK_ALL);
		assert_non_null(d[i]);
	}
	assert_null(stage_grant(&st, c, 4, ASK_ALL));
	deleg_revoke(d[1], STATEID_ADMIN_REVOKED, true);
	deleg_put(stage_grant(&st, c, 4, ASK_ALL));
	assert_int_equal(stage_stats(&st).dir_delegs, 3);
	for (unsigned i = 0; i < 3; i++)
		deleg_put(d[i]);
	client_put(c);
	stage_fini(&st);
}

/* ---- who makes room at the limit ---- */

struct asked {
	struct client *client;
	uint32_t keep;
	int times;
};

static struct asked asked;

static void note_asked(void *ctx, struct client *c, uint32_t keep)
{
	asked.client = c;
	asked.keep = keep;
	asked.times++;
}

/* A limit of 20 and two clients. */
static void begin_limited(
	struct stage *st, bool refuse, struct client **a, struct client **b)
{
	asked = (struct asked){.times = 0};
	stage_prepare(st);
	st->w.config.max_dir_delegs = 20;
	st->w.config.refuse_at_limit = refuse;
	st->w.config.ops.send_recall_any = note_asked;
	stage_start(st);
	*a = stage_client(st, "a");
	*b = stage_client(st, "b");
}

static void end_limited(struct stage *st, struct client *a, struct client *b)
{
	client_put(a);
	client_put(b);
	stage_fini(st);
}

static void take_many(
	struct stage *st, struct client *c, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		struct deleg *d = stage_grant(st, c, i, ASK_ALL);

		assert_non_null(d);
		deleg_put(d);
	}
}

static void dd10_near_the_limit_the_heaviest_is_asked(void **state)
{
	struct stage st;
	struct client *a, *b;

	begin_limited(&st, false, &a, &b);
	take_many(&st, a, 0, 13);
	take_many(&st, b, 100, 4);
	assert_int_equal(asked.times, 0);
	take_many(&st, b, 110, 1); /* 18 of 20 */
	assert_int_equal(asked.times, 1);
	assert_ptr_equal(asked.client, a);
	assert_int_equal(asked.keep, 9);
	/* Not again for a while. */
	stage_pass(&st, 2000);
	take_many(&st, b, 120, 1);
	assert_int_equal(asked.times, 1);
	stage_pass(&st, 3000);
	assert_null(stage_grant(&st, b, 120, ASK_ALL)); /* has it */
	assert_int_equal(asked.times, 2);
	stage_assert_quiet(&st);
	end_limited(&st, a, b);
}

static uint64_t refused_by_client_limit(struct stage *st)
{
	struct deleg_stats stats;

	deleg_stats_read(st->w.state, &stats);
	return stats.type[DELEG_DIR].refused[DELEG_REFUSED_CLIENT_LIMIT];
}

static void dd10_a_client_has_a_limit_of_its_own(void **state)
{
	struct stage st;
	struct deleg *d;
	struct fileid id = stage_dir(8);

	asked = (struct asked){.times = 0};
	stage_prepare(&st);
	st.w.config.max_client_dir_delegs = 10;
	st.w.config.ops.send_recall_any = note_asked;
	stage_start(&st);
	struct client *a = stage_client(&st, "a"), *b = stage_client(&st, "b");

	take_many(&st, a, 0, 8);
	assert_int_equal(asked.times, 0);
	d = stage_grant(&st, a, 8, ASK_ALL); /* 9 of 10 */
	assert_int_equal(asked.times, 1);
	assert_ptr_equal(asked.client, a);
	assert_int_equal(asked.keep, 6);
	take_many(&st, a, 9, 1);
	assert_null(stage_grant(&st, a, 10, ASK_ALL));
	assert_int_equal(refused_by_client_limit(&st), 1);
	/* Others are not concerned, and nothing is taken from it. */
	take_many(&st, b, 100, 5);
	assert_int_equal(asked.times, 1);
	stage_assert_quiet(&st);
	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
	take_many(&st, a, 10, 1);
	end_limited(&st, a, b);
}

#define GRABBERS 4
#define EACH     8
#define ROUNDS   200
#define SHARE    6

struct grabber {
	struct stage *st;
	struct client *c;
	pthread_barrier_t *together;
	unsigned from, granted;
	pthread_t thread;
};

static void *grab_some(void *arg)
{
	struct grabber *g = arg;

	pthread_barrier_wait(g->together);
	for (unsigned i = 0; i < EACH; i++) {
		struct deleg *d =
			stage_grant(g->st, g->c, g->from + i, ASK_ALL);

		if (d) {
			g->granted++;
			deleg_put(d);
		}
	}
	return NULL;
}

/* All at once, each for directories of its own; returns the grants. */
static unsigned grab_together(struct stage *st, struct client *c)
{
	struct grabber grabbers[GRABBERS];
	pthread_barrier_t together;
	unsigned granted = 0;

	pthread_barrier_init(&together, NULL, GRABBERS);
	for (unsigned i = 0; i < GRABBERS; i++) {
		grabbers[i] = (struct grabber){.st = st,
			.c = c,
			.together = &together,
			.from = i * EACH};
		assert_int_equal(pthread_create(&grabbers[i].thread, NULL,
					 grab_some, &grabbers[i]),
			0);
	}
	for (unsigned i = 0; i < GRABBERS; i++) {
		pthread_join(grabbers[i].thread, NULL);
		granted += grabbers[i].granted;
	}
	pthread_barrier_destroy(&together);
	return granted;
}

static void dd10_requests_at_once_do_not_pass_a_clients_limit(void **state)
{
	struct stage st;

	stage_prepare(&st);
	st.w.config.max_client_dir_delegs = SHARE;
	stage_start(&st);
	for (int i = 0; i < ROUNDS; i++) {
		char name[16];
		struct client *c;

		snprintf(name, sizeof(name), "client %d", i);
		c = stage_client(&st, name);
		assert_int_equal(grab_together(&st, c), SHARE);
		assert_int_equal(c->dir_delegs, SHARE);
		client_put(c);
	}
	assert_int_equal(stage_stats(&st).dir_delegs, ROUNDS * SHARE);
	stage_fini(&st);
}

static void dd10_at_the_limit_the_heaviest_gives_its_oldest(void **state)
{
	struct stage st;
	struct client *a, *b;
	struct fileid oldest = stage_dir(0);

	begin_limited(&st, false, &a, &b);
	take_many(&st, a, 0, 20);
	/* Nobody else wants one: it has what it may. */
	assert_null(stage_grant(&st, a, 50, ASK_ALL));
	stage_assert_quiet(&st);
	stage_pass(&st, 10);
	assert_null(stage_grant(&st, b, 100, ASK_ALL));
	assert_int_equal(st.recalls, 1);
	assert_ptr_equal(st.recall[0]->sid.client, a);
	assert_int_equal(st.recall[0]->recall_reason, RECALL_RESOURCE);
	/* Not one for each try. */
	assert_null(stage_grant(&st, b, 100, ASK_ALL));
	assert_int_equal(st.recalls, 1);
	stage_pass(&st, 10);
	assert_null(stage_grant(&st, b, 100, ASK_ALL));
	assert_int_equal(st.recalls, 2);
	assert_ptr_not_equal(st.recall[0], st.recall[1]);
	assert_int_equal(
		deleg_return(&st.recall[0]->sid, &oldest, true), NFS4_OK);
	take_many(&st, b, 100, 1);
	end_limited(&st, a, b);
}

static void dd10_equal_shares_are_left_alone(void **state)
{
	struct stage st;
	struct client *a, *b;

	begin_limited(&st, false, &a, &b);
	take_many(&st, a, 0, 10);
	take_many(&st, b, 100, 10);
	stage_pass(&st, 10);
	assert_null(stage_grant(&st, b, 120, ASK_ALL));
	stage_assert_quiet(&st);
	end_limited(&st, a, b);
}

static void dd10_refusing_at_the_limit_still_asks(void **state)
{
	struct stage st;
	struct client *a, *b;

	begin_limited(&st, true, &a, &b);
	take_many(&st, a, 0, 20);
	assert_int_equal(asked.times, 1); /* at 18 */
	assert_int_equal(asked.keep, 13);
	stage_pass(&st, 5000);
	assert_null(stage_grant(&st, b, 100, ASK_ALL));
	stage_assert_quiet(&st);
	assert_int_equal(asked.times, 2);
	assert_ptr_equal(asked.client, a);
	assert_int_equal(asked.keep, 14);
	end_limited(&st, a, b);
}

/* What one client may have is refused beyond it in any case: it is asked. */
static void dd10_a_client_is_asked_where_limits_refuse(void **state)
{
	struct stage st;

	asked = (struct asked){.times = 0};
	stage_prepare(&st);
	st.w.config.max_client_dir_delegs = 10;
	st.w.config.refuse_at_limit = true;
	st.w.config.ops.send_recall_any = note_asked;
	stage_start(&st);
	struct client *a = stage_client(&st, "a");

	take_many(&st, a, 0, 9);
	assert_int_equal(asked.times, 1);
	assert_ptr_equal(asked.client, a);
	assert_int_equal(asked.keep, 6);
	stage_assert_quiet(&st);
	client_put(a);
	stage_fini(&st);
}

static void dd21_too_small_a_channel_is_recall_only(void **state)
{
	struct stage st;
	struct dirdeleg_grant grant;

	stage_init(&st);
	st.back_request = 1024;
	struct client *small = stage_client(&st, "small");

	st.back_request = 4096;
	struct client *page = stage_client(&st, "page");

	assert_int_equal(ask(small, 1, ASK_ALL, &grant), NFS4_OK);
	assert_true(grant.granted);
	assert_int_equal(grant.notify.word[0], 0);
	assert_int_equal(ask(page, 2, ASK_ALL, &grant), NFS4_OK);
	assert_int_equal(grant.notify.word[0], ASK_ALL);
	client_put(small);
	client_put(page);
	stage_fini(&st);
}

static void dd25_conflict_holds_off(void **state)
{
	struct stage st;
	struct fileid id = stage_dir(1);

	stage_init(&st);
	struct client *a = stage_client(&st, "a"), *b = stage_client(&st, "b");
	struct deleg *d = stage_grant(&st, a, 1, ASK_NOTHING);

	assert_int_equal(
		stage_change(&st, b, 1, CHANGE_ADD_ENTRY, "x"), NFS4ERR_DELAY);
	/* Somebody waits: nobody is granted it meanwhile. */
	stage_pass(&st, st.w.config.damping_ms + 1);
	assert_null(stage_grant(&st, b, 1, ASK_ALL));
	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
	/* Long enough ago by now. */
	d = stage_grant(&st, a, 1, ASK_NOTHING);
	assert_non_null(d);
	assert_int_equal(
		stage_change(&st, b, 1, CHANGE_ADD_ENTRY, "x"), NFS4ERR_DELAY);
	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
	/* The second time it takes longer; the mutator comes first. */
	assert_null(stage_grant(&st, a, 1, ASK_NOTHING));
	assert_int_equal(
		stage_change(&st, b, 1, CHANGE_ADD_ENTRY, "x"), NFS4_OK);
	stage_pass(&st, st.w.config.damping_ms + 1);
	assert_null(stage_grant(&st, a, 1, ASK_NOTHING));
	stage_pass(&st, st.w.config.damping_ms);
	deleg_put(stage_grant(&st, a, 1, ASK_NOTHING));
	client_put(a);
	client_put(b);
	stage_fini(&st);
}

static void test_terms_alike_are_shared(void **state)
{
	struct stage st;
	struct deleg *d[3];

	stage_init(&st);
	struct client *c = stage_client(&st, "c");

	for (unsigned i = 0; i < 3; i++) {
		struct fileid id = stage_dir(i);
		struct dirdeleg_request request;
		struct dirdeleg_grant grant;

		stage_request(&request, ASK_ALL);
		bitmap4_set(&request.child_attrs,
			i == 1 ? FATTR4_TYPE : FATTR4_SIZE);
		assert_int_equal(
			dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
		d[i] = stage_find(c, &grant.stateid);
	}
	assert_ptr_equal(d[0]->terms, d[2]->terms);
	assert_ptr_not_equal(d[0]->terms, d[1]->terms);
	for (unsigned i = 0; i < 3; i++)
		deleg_put(d[i]);
	client_put(c);
	stage_fini(&st);
}

/* ---- who never frees what was revoked ---- */

static void revoke_one(struct stage *st, struct client *c, unsigned dir)
{
	struct deleg *d = stage_grant(st, c, dir, ASK_ALL);

	assert_non_null(d);
	deleg_revoke(d, STATEID_REVOKED, true);
	deleg_put(d);
}

/* Little of it is kept, and no more than so many times. */
static void dd10_who_frees_nothing_is_granted_no_more(void **state)
{
	struct stage st;
	struct stateid *sid;
	stateid4 wire;

	stage_init(&st);
	struct client *c = stage_client(&st, "c"), *b = stage_client(&st, "b");
	struct deleg *d = stage_grant(&st, c, 0, ASK_ALL);

	stateid_to_wire(&d->sid, &wire);
	deleg_revoke(d, STATEID_REVOKED, true);
	deleg_put(d);
	for (unsigned dir = 1; dir < STATEID_REVOKED_MAX; dir++)
		revoke_one(&st, c, dir);
	assert_int_equal(c->revoked, STATEID_REVOKED_MAX);
	assert_int_equal(stage_stats(&st).nodes, 0);
	assert_null(stage_grant(&st, c, 0, ASK_ALL));
	assert_int_equal(refused_by_client_limit(&st), 1);
	assert_int_equal(stage_stats(&st).dir_delegs, 0);
	deleg_put(stage_grant(&st, b, 0, ASK_ALL)); /* others are */
	/* What it frees it may have again. */
	assert_int_equal(stateid_lookup(c, &wire, STATEID_ANY, &sid),
		NFS4ERR_DELEG_REVOKED);
	assert_int_equal(stateid_free_state(c, &wire), NFS4_OK);
	revoke_one(&st, c, 1);
	assert_null(stage_grant(&st, c, 1, ASK_ALL));
	client_end(c, CLIENT_END_ADMIN);
	assert_int_equal(stage_stats(&st).stateids, 1);
	client_put(c);
	client_put(b);
	stage_fini(&st);
}

/* A batch that was under way when it was revoked ends as any. */
static void dd14_revoked_under_way(void **state)
{
	struct stage st;
	struct dir_event *e;
	stateid4 wire;

	stage_init(&st);
	struct client *c = stage_client(&st, "c"), *b = stage_client(&st, "b");
	struct deleg *d = stage_grant(&st, c, 0, ASK_ALL);

	stateid_to_wire(&d->sid, &wire);
	assert_int_equal(
		stage_change(&st, b, 0, CHANGE_ADD_ENTRY, "x"), NFS4_OK);
	deleg_put(d);
	stage_pass(&st, 50);
	d = stage_pop_notify(&st); /* with the sender's reference only */
	assert_int_equal(batch_take(d, &e, 1), 1);
	dir_event_put(e);
	deleg_revoke(d, STATEID_REVOKED, true);
	assert_int_equal(stateid_test(c, &wire), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(stateid_free_state(c, &wire), NFS4_OK);
	assert_int_equal(stateid_test(c, &wire), NFS4ERR_BAD_STATEID);
	batch_done(d, 1, BATCH_OK);
	assert_int_equal(stage_stats(&st).stateids, 0);
	client_put(c);
	client_put(b);
	stage_fini(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grant),
		cmocka_unit_test(dd01_off),
		cmocka_unit_test(dd24_duplicates_are_refused),
		cmocka_unit_test(dd12_needs_a_client_in_order),
		cmocka_unit_test(dd10_limit),
		cmocka_unit_test(dd10_near_the_limit_the_heaviest_is_asked),
		cmocka_unit_test(dd10_a_client_has_a_limit_of_its_own),
		cmocka_unit_test(
			dd10_at_the_limit_the_heaviest_gives_its_oldest),
		cmocka_unit_test(
			dd10_requests_at_once_do_not_pass_a_clients_limit),
		cmocka_unit_test(dd10_equal_shares_are_left_alone),
		cmocka_unit_test(dd10_refusing_at_the_limit_still_asks),
		cmocka_unit_test(dd10_a_client_is_asked_where_limits_refuse),
		cmocka_unit_test(dd21_too_small_a_channel_is_recall_only),
		cmocka_unit_test(dd25_conflict_holds_off),
		cmocka_unit_test(test_terms_alike_are_shared),
		cmocka_unit_test(dd10_who_frees_nothing_is_granted_no_more),
		cmocka_unit_test(dd14_revoked_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
