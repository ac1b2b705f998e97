/* SPDX-License-Identifier: MIT */
/* Looking up, testing, revoking and freeing stateids, apart from their kinds. */
#include "world.h"

#include <pthread.h>
#include <stdlib.h>

#include "state/node.h"
#include "state/policy_stateid.h"
#include "state/stateid.h"

static void release(struct stateid *sid)
{
	free(sid);
}

/* A stateid of @kind on "f" with the caller's reference; inserted or not. */
static struct stateid *make(struct peer *p, enum stateid_kind kind, bool insert)
{
	struct fileid id = file_named("f");
	struct node *n = node_get(p->w->state, &id);
	struct stateid *sid = malloc(sizeof(*sid));

	stateid_init(sid, kind, p->client, n, release);
	node_put(n);
	if (insert)
		assert_true(stateid_insert(sid));
	return sid;
}

static void drop(struct stateid *sid)
{
	stateid_remove(sid);
	stateid_put(sid);
}

/* ---- pure decisions ---- */

static void test_policy_seqid(void **arg)
{
	static const uint32_t ours[] = {
		1, 2, 1000, 0x7fffffff, 0x80000000, UINT32_MAX};

	for (int i = 0; i < 6; i++) {
		assert_int_equal(policy_stateid_seqid(ours[i], 0), NFS4_OK);
		assert_int_equal(
			policy_stateid_seqid(ours[i], ours[i]), NFS4_OK);
		if (ours[i] + 1 != 0)
			assert_int_equal(
				policy_stateid_seqid(ours[i], ours[i] + 1),
				NFS4ERR_BAD_STATEID);
		if (ours[i] - 1 != 0)
			assert_int_equal(
				policy_stateid_seqid(ours[i], ours[i] - 1),
				NFS4ERR_OLD_STATEID);
	}
	/* 0 is skipped when the counter wraps. */
	assert_int_equal(
		policy_stateid_seqid(1, UINT32_MAX), NFS4ERR_OLD_STATEID);
}

static void test_policy_use(void **arg)
{
	static const nfsstat4 answer[] = {
		[STATEID_LIVE] = NFS4_OK,
		[STATEID_CLOSED] = NFS4ERR_BAD_STATEID,
		[STATEID_EXPIRED] = NFS4ERR_EXPIRED,
		[STATEID_REVOKED] = NFS4ERR_DELEG_REVOKED,
		[STATEID_ADMIN_REVOKED] = NFS4ERR_ADMIN_REVOKED,
	};

	for (int i = 0; i < 5 * 2 * 3; i++) {
		enum stateid_status status = i % 5;
		bool fits = i / 5 % 2;
		uint32_t theirs = 4 + i / 10;
		nfsstat4 got = policy_stateid_use(status, fits, 5, theirs);

		if (status != STATEID_LIVE)
			assert_int_equal(got, answer[status]);
		else if (!fits)
			assert_int_equal(got, NFS4ERR_BAD_STATEID);
		else
			assert_int_equal(got, policy_stateid_seqid(5, theirs));
	}
}

static void test_policy_full(void **arg)
{
	static const uint32_t revoked[] = {
		0, STATEID_REVOKED_MAX - 1, STATEID_REVOKED_MAX, UINT32_MAX};

	for (int i = 0; i < 4 * 4 * 3 * 3; i++) {
		enum stateid_kind kind = 1 << i % 4;
		uint32_t left = revoked[i / 4 % 4];
		uint32_t held = 4 + i / 16 % 3, max = i / 48 ? 3 + i / 48 : 0;
		bool deleg = kind & (STATEID_DELEG_DIR | STATEID_DELEG_FILE);

		assert_int_equal(policy_stateid_full(kind, held, max, left),
			(max && held >= max) ||
				(deleg && left >= STATEID_REVOKED_MAX));
	}
}

static void test_special(void **arg)
{
	stateid4 wire = {.seqid = 0};

	assert_true(stateid_is_anonymous(&wire));
	wire.seqid = 1;
	assert_false(stateid_is_anonymous(&wire));
	assert_true(stateid_is_current(&wire));
	wire.seqid = UINT32_MAX;
	assert_true(stateid_is_invalid(&wire));
	assert_false(stateid_is_bypass(&wire));
	memset(wire.other, 0xff, sizeof(wire.other));
	assert_true(stateid_is_bypass(&wire));
	assert_false(stateid_is_invalid(&wire));
	wire.other[11] = 0;
	assert_false(stateid_is_bypass(&wire));
}

static void revoke(struct stateid *sid, enum stateid_status status)
{
	struct stateid *gone =
		stateid_revoke(sid, status, stateid_stub_new(sid));

	if (gone)
		stateid_put(gone);
}

/* ---- look-ups ---- */

static void test_lookup(void **arg)
{
	struct peer *p = *arg;
	struct peer q;
	struct stateid *sid, *found;
	stateid4 wire, special = {.seqid = 0};

	peer_connect(p->w, &q, "b");
	sid = make(p, STATEID_DELEG_DIR, true);
	stateid_to_wire(sid, &wire);
	assert_int_equal(wire.seqid, 1);
	assert_int_equal(
		stateid_lookup(p->client, &wire, STATEID_DELEG_DIR, &found),
		NFS4_OK);
	assert_ptr_equal(found, sid);
	stateid_put(found);
	assert_int_equal(stateid_lookup(p->client, &wire,
				 STATEID_ANY & ~STATEID_DELEG_DIR, &found),
		NFS4ERR_BAD_STATEID);
	assert_null(found);
	/* Of another client it does not exist. */
	assert_int_equal(stateid_lookup(q.client, &wire, STATEID_ANY, &found),
		NFS4ERR_BAD_STATEID);
	assert_int_equal(stateid_test(q.client, &wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(
		stateid_test(p->client, &special), NFS4ERR_BAD_STATEID);
	lock_acquire(&sid->node->lock);
	stateid_advance_locked(sid);
	lock_release(&sid->node->lock);
	assert_int_equal(stateid_test(p->client, &wire), NFS4ERR_OLD_STATEID);
	assert_int_equal(
		stateid_free_state(p->client, &wire), NFS4ERR_OLD_STATEID);
	wire.seqid = 3;
	assert_int_equal(stateid_test(p->client, &wire), NFS4ERR_BAD_STATEID);
	wire.seqid = 0;
	assert_int_equal(stateid_test(p->client, &wire), NFS4_OK);
	assert_int_equal(
		stateid_free_state(p->client, &wire), NFS4ERR_LOCKS_HELD);
	drop(sid);
	assert_int_equal(stateid_test(p->client, &wire), NFS4ERR_BAD_STATEID);
	peer_drop(&q);
}

static void test_others_are_unique(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid[500];

	for (int i = 0; i < 500; i++) {
		sid[i] = make(p, STATEID_OPEN, false);
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(
				sid[i]->other, sid[j]->other, NFS4_OTHER_SIZE);
	}
	for (int i = 0; i < 500; i++)
		drop(sid[i]);
}

static void test_seqid_skips_zero(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;

	sid = make(p, STATEID_OPEN, true);
	sid->seqid = UINT32_MAX;
	lock_acquire(&sid->node->lock);
	stateid_advance_locked(sid);
	lock_release(&sid->node->lock);
	assert_int_equal(sid->seqid, 1);
	drop(sid);
}

/* ---- revoked ---- */

static void test_revoke(void **arg)
{
	static const struct {
		enum stateid_status status;
		nfsstat4 answer;
		uint32_t flag;
	} cases[] = {
		{STATEID_REVOKED, NFS4ERR_DELEG_REVOKED,
			SEQ4_STATUS_RECALLABLE_STATE_REVOKED},
		{STATEID_EXPIRED, NFS4ERR_EXPIRED,
			SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED},
		{STATEID_ADMIN_REVOKED, NFS4ERR_ADMIN_REVOKED,
			SEQ4_STATUS_ADMIN_STATE_REVOKED},
	};
	struct peer *p = *arg;

	for (int i = 0; i < 3; i++) {
		struct stateid *one = make(p, STATEID_DELEG_DIR, true);
		struct stateid *two = make(p, STATEID_DELEG_DIR, true);
		stateid4 wire, other;

		stateid_to_wire(one, &wire);
		stateid_to_wire(two, &other);
		assert_int_equal(p->client->dir_delegs, 2);
		revoke(one, cases[i].status);
		revoke(one, STATEID_REVOKED); /* once is enough */
		revoke(two, cases[i].status);
		assert_int_equal(p->client->dir_delegs, 0);
		assert_int_equal(peer_sequence(p), cases[i].flag);
		assert_int_equal(
			stateid_test(p->client, &wire), cases[i].answer);
		assert_int_equal(stateid_free_state(p->client, &wire), NFS4_OK);
		assert_int_equal(peer_sequence(p), cases[i].flag);
		assert_int_equal(
			stateid_free_state(p->client, &other), NFS4_OK);
		assert_int_equal(peer_sequence(p), 0);
		assert_int_equal(stateid_free_state(p->client, &wire),
			NFS4ERR_BAD_STATEID);
		stateid_put(one);
		stateid_put(two);
	}
}

/* Without memory for a stub it stays itself. */
static void test_revoke_without_stub(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;
	stateid4 wire;

	sid = make(p, STATEID_DELEG_DIR, true);
	stateid_to_wire(sid, &wire);
	assert_null(stateid_revoke(sid, STATEID_REVOKED, NULL));
	stateid_put(sid);
	assert_int_equal(stateid_test(p->client, &wire), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(p->client->revoked, 1);
	assert_int_equal(stateid_free_state(p->client, &wire), NFS4_OK);
	assert_int_equal(p->client->revoked, 0);
}

static void test_counts(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid[4];

	for (int i = 0; i < 4; i++)
		sid[i] = make(p, 1 << i, true);
	assert_int_equal(p->client->opens, 1);
	assert_int_equal(p->client->locks, 1);
	assert_int_equal(p->client->file_delegs, 1);
	assert_int_equal(p->client->dir_delegs, 1);
	for (int i = 0; i < 4; i++) {
		stateid_remove(sid[i]);
		stateid_remove(sid[i]);          /* harmless */
		revoke(sid[i], STATEID_REVOKED); /* too late */
		stateid_put(sid[i]);
	}
	assert_int_equal(p->client->opens, 0);
	assert_int_equal(p->client->locks, 0);
	assert_int_equal(p->client->file_delegs, 0);
	assert_int_equal(p->client->dir_delegs, 0);
	assert_int_equal(p->client->revoked, 0);
}

static void test_insert_after_end(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;

	sid = make(p, STATEID_OPEN, false);
	client_end(p->client, CLIENT_END_ADMIN);
	assert_false(stateid_insert(sid));
	stateid_remove(sid);
	stateid_put(sid);
}

/* ---- threads ---- */

struct racer {
	pthread_t thread;
	struct peer *peer;
	struct stateid *sid;
	int what;
};

static void *remove_revoke_look(void *arg)
{
	struct racer *r = arg;
	struct stateid *found;
	stateid4 wire;

	stateid_to_wire(r->sid, &wire);
	switch (r->what % 4) {
	case 0:
		revoke(r->sid, STATEID_REVOKED);
		break;
	case 1:
		stateid_free_state(r->peer->client, &wire);
		break;
	case 2:
		stateid_remove(r->sid);
		break;
	case 3:
		if (stateid_lookup(r->peer->client, &wire, STATEID_ANY,
			    &found) == NFS4_OK)
			stateid_put(found);
	}
	return NULL;
}

static void test_race(void **arg)
{
	struct peer *p = *arg;
	struct racer r[4];

	for (int round = 0; round < 100; round++) {
		struct stateid *sid = make(p, STATEID_DELEG_DIR, true);

		for (int i = 0; i < 4; i++) {
			r[i] = (struct racer){
				.peer = p, .sid = sid, .what = round + i};
			pthread_create(
				&r[i].thread, NULL, remove_revoke_look, &r[i]);
		}
		for (int i = 0; i < 4; i++)
			pthread_join(r[i].thread, NULL);
		stateid_remove(sid);
		stateid_put(sid);
		assert_int_equal(p->client->dir_delegs, 0);
		assert_int_equal(p->client->revoked, 0);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_seqid),
		cmocka_unit_test(test_policy_use),
		cmocka_unit_test(test_policy_full),
		cmocka_unit_test(test_special),
		TEST(test_lookup),
		TEST(test_others_are_unique),
		TEST(test_seqid_skips_zero),
		TEST(test_revoke),
		TEST(test_revoke_without_stub),
		TEST(test_counts),
		TEST(test_insert_after_end),
		TEST(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
