/* SPDX-License-Identifier: MIT */
/* Share reservations, upgrades, downgrades, CLOSE, unlinked open files. */
#include "world.h"

#include <pthread.h>
#include <stdio.h>

#include "state/node.h"
#include "state/open.h"
#include "state/policy_open.h"

#define R    OPEN4_SHARE_ACCESS_READ
#define W    OPEN4_SHARE_ACCESS_WRITE
#define RW   OPEN4_SHARE_ACCESS_BOTH
#define NONE OPEN4_SHARE_DENY_NONE

/* ---- pure decisions ---- */

/* By brute force: is (access, deny) the union of some subset of @pairs? */
static bool is_union_of_some(uint16_t pairs, uint32_t access, uint32_t deny)
{
	for (uint32_t subset = 1; subset < 65536; subset++) {
		uint32_t a = 0, d = 0;

		if (subset & ~pairs)
			continue;
		for (uint32_t i = 0; i < 16; i++) {
			if (subset >> i & 1) {
				a |= i / 4;
				d |= i % 4;
			}
		}
		if (a == access && d == deny)
			return true;
	}
	return false;
}

static void test_policy_downgrade(void **arg)
{
	/* The pairs of up to three opens; access is never 0. */
	for (uint32_t i = 4; i < 16; i++) {
		for (uint32_t j = 4; j < 16; j++) {
			uint16_t pairs = 1u << i | 1u << j |
				1u << (4 + (i * 7 + j * 3) % 12);

			for (uint32_t want = 4; want < 16; want++)
				assert_int_equal(policy_open_downgrade(pairs,
							 want / 4, want % 4),
					is_union_of_some(
						pairs, want / 4, want % 4));
		}
	}
	assert_false(policy_open_downgrade(0xffff, 0, 0));
}

static void test_policy_within(void **arg)
{
	for (uint32_t want = 0; want < 16; want++) {
		uint16_t within =
			policy_open_within(0xffff, want / 4, want % 4);

		for (uint32_t i = 0; i < 16; i++)
			assert_int_equal(within >> i & 1,
				!(i / 4 & ~(want / 4)) &&
					!(i % 4 & ~(want % 4)));
	}
}

static void test_policy_conflict(void **arg)
{
	for (int i = 0; i < 256; i++) {
		uint32_t a = i & 3, d = i >> 2 & 3;
		uint32_t has_a = i >> 4 & 3, has_d = i >> 6;

		assert_int_equal(policy_open_conflict(a, d, has_a, has_d),
			(a & has_d) != 0 || (d & has_a) != 0);
	}
}

static void test_policy_orphan(void **arg)
{
	for (uint32_t max = 0; max < 12; max++) {
		for (uint32_t i = 0; i < 12 * 12; i++) {
			uint32_t count = i / 12, own = i % 12;

			assert_int_equal(policy_orphan_fits(count, max, own),
				count < max && 2 * own < max + max % 2);
		}
	}
	assert_true(policy_orphan_fits(UINT32_MAX - 1, UINT32_MAX, 1));
}

/* ---- opens ---- */

static nfsstat4 try_open(struct peer *p, const char *file, const char *owner,
	uint32_t access, uint32_t deny, stateid4 *wire)
{
	struct fileid id = file_named(file);
	struct node *n = node_get(p->w->state, &id);
	struct xdr_opaque bytes = bytes_of(owner);
	nfsstat4 status =
		open_at_once(p->client, n, &bytes, access, deny, wire);

	node_put(n);
	return status;
}

static struct stateid *look_up(struct peer *p, const stateid4 *wire)
{
	struct stateid *sid;

	assert_int_equal(
		stateid_lookup(p->client, wire, STATEID_OPEN, &sid), NFS4_OK);
	return sid;
}

static uint64_t opens(struct world *w)
{
	struct state_stats stats;

	state_read_stats(w->state, &stats);
	return stats.opens;
}

static void test_upgrade_and_downgrade(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;
	stateid4 first, second;

	assert_int_equal(try_open(p, "f", "o", R, NONE, &first), NFS4_OK);
	assert_int_equal(first.seqid, 1);
	assert_int_equal(try_open(p, "f", "o", W, NONE, &second), NFS4_OK);
	assert_int_equal(second.seqid, 2);
	assert_memory_equal(first.other, second.other, sizeof(first.other));
	assert_int_equal(opens(p->w), 1);
	sid = look_up(p, &second);
	assert_int_equal(open_access(sid), RW);
	assert_int_equal(open_downgrade(sid, R, 1, &first), NFS4ERR_INVAL);
	assert_int_equal(open_downgrade(sid, 0, 0, &first), NFS4ERR_INVAL);
	assert_int_equal(open_downgrade(sid, R, 4, &first), NFS4ERR_INVAL);
	assert_int_equal(open_downgrade(sid, R, NONE, &first), NFS4_OK);
	assert_int_equal(first.seqid, 3);
	assert_int_equal(open_access(sid), R);
	/* The write open is in effect no more. */
	assert_int_equal(open_downgrade(sid, W, NONE, &first), NFS4ERR_INVAL);
	assert_int_equal(open_downgrade(sid, RW, NONE, &first), NFS4ERR_INVAL);
	stateid_put(sid);
}

/* Opened for both at once: not downgradable to one of them (18.18.3). */
static void test_downgrade_of_one_open(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;
	stateid4 wire;

	assert_int_equal(try_open(p, "f", "o", RW, NONE, &wire), NFS4_OK);
	sid = look_up(p, &wire);
	assert_int_equal(open_downgrade(sid, R, NONE, &wire), NFS4ERR_INVAL);
	assert_int_equal(open_downgrade(sid, RW, NONE, &wire), NFS4_OK);
	stateid_put(sid);
}

static void test_share_conflicts(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct peer q;
	struct fileid id = file_named("f"), none = file_named("none");
	stateid4 wire;

	peer_connect(w, &q, "b");
	assert_int_equal(try_open(p, "f", "o1", R, W, &wire), NFS4_OK);
	assert_int_equal(
		try_open(p, "f", "o2", W, NONE, &wire), NFS4ERR_SHARE_DENIED);
	assert_int_equal(
		try_open(&q, "f", "o1", R, R, &wire), NFS4ERR_SHARE_DENIED);
	assert_int_equal(try_open(&q, "f", "o1", R, NONE, &wire), NFS4_OK);
	/* One's own deny is not in one's way, but the other reader is. */
	assert_int_equal(try_open(p, "f", "o1", W, NONE, &wire), NFS4_OK);
	assert_int_equal(
		try_open(p, "f", "o1", R, R, &wire), NFS4ERR_SHARE_DENIED);
	assert_int_equal(try_open(p, "f", "o", 0, NONE, &wire), NFS4ERR_INVAL);
	assert_int_equal(try_open(p, "f", "o", 4, NONE, &wire), NFS4ERR_INVAL);
	assert_int_equal(try_open(p, "f", "o", R, 4, &wire), NFS4ERR_INVAL);
	assert_int_equal(open_check_anonymous(w->state, &id, R), NFS4_OK);
	assert_int_equal(
		open_check_anonymous(w->state, &id, W), NFS4ERR_LOCKED);
	assert_int_equal(open_check_anonymous(w->state, &none, W), NFS4_OK);
	assert_int_equal(p->client->opens, 1);
	peer_drop(&q);
}

static void test_expired_holder(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct peer q;
	struct fileid id = file_named("g");
	stateid4 wire;

	peer_connect(w, &q, "b");
	assert_int_equal(try_open(p, "f", "o", R, R, &wire), NFS4_OK);
	assert_int_equal(try_open(p, "g", "o", R, RW, &wire), NFS4_OK);
	clock_advance_ms(&w->clock, 89999);
	peer_sequence(&q);
	assert_int_equal(
		try_open(&q, "f", "o", R, NONE, &wire), NFS4ERR_SHARE_DENIED);
	clock_advance_ms(&w->clock, 1);
	assert_int_equal(open_check_anonymous(w->state, &id, W), NFS4_OK);
	assert_true(p->client->ended);
	assert_int_equal(try_open(&q, "f", "o", R, NONE, &wire), NFS4_OK);
	assert_int_equal(opens(w), 1);
	/* The ended one can open nothing. */
	assert_int_equal(try_open(p, "f", "o", R, NONE, &wire), NFS4ERR_DELAY);
	assert_int_equal(opens(w), 1);
	peer_drop(&q);
}

static void test_close(void **arg)
{
	struct peer *p = *arg;
	struct stateid *sid;
	stateid4 wire, closed;

	assert_int_equal(try_open(p, "f", "o", RW, RW, &wire), NFS4_OK);
	sid = look_up(p, &wire);
	assert_int_equal(open_close(sid, &closed), NFS4_OK);
	assert_true(stateid_is_invalid(&closed));
	assert_int_equal(open_close(sid, &closed), NFS4ERR_BAD_STATEID);
	assert_int_equal(
		open_downgrade(sid, RW, RW, &closed), NFS4ERR_BAD_STATEID);
	stateid_put(sid);
	assert_int_equal(stateid_lookup(p->client, &wire, STATEID_ANY, &sid),
		NFS4ERR_BAD_STATEID);
	assert_int_equal(opens(p->w), 0);
	assert_int_equal(p->client->opens, 0);
	assert_int_equal(p->client->owners.count, 0);
	/* Open again: another stateid, and nothing denies. */
	assert_int_equal(try_open(p, "f", "o2", R, NONE, &closed), NFS4_OK);
	assert_memory_not_equal(wire.other, closed.other, sizeof(wire.other));
}

static void limit_opens(struct world *w, struct peer *p, uint32_t max)
{
	world_prepare(w);
	w->config.max_opens = max;
	world_start(w);
	peer_connect(w, p, "a");
}

static void test_limit(void **arg)
{
	struct world w;
	struct peer p;
	stateid4 wire;

	limit_opens(&w, &p, 2);
	assert_int_equal(try_open(&p, "f", "o", R, NONE, &wire), NFS4_OK);
	assert_int_equal(try_open(&p, "g", "o", R, NONE, &wire), NFS4_OK);
	assert_int_equal(
		try_open(&p, "h", "o", R, NONE, &wire), NFS4ERR_SERVERFAULT);
	assert_int_equal(try_open(&p, "g", "o", W, NONE, &wire), NFS4_OK);
	peer_drop(&p);
	world_stop(&w);
}

/* What is reserved counts at once, and no more when it is open. */
static void test_reserved(void **arg)
{
	struct xdr_opaque owner = bytes_of("o");
	struct open_try try[2] = {0};
	struct fileid id = file_named("f");
	struct node *n;
	struct world w;
	struct peer p;
	stateid4 wire;

	limit_opens(&w, &p, 1);
	assert_int_equal(open_reserve(p.client, &owner, &try[0]), NFS4_OK);
	assert_int_equal(open_reserve(p.client, &owner, &try[0]), NFS4_OK);
	assert_int_equal(
		open_reserve(p.client, &owner, &try[1]), NFS4ERR_SERVERFAULT);
	assert_int_equal(
		try_open(&p, "g", "o", R, NONE, &wire), NFS4ERR_SERVERFAULT);
	assert_int_equal(opens(&w), 0);
	n = node_get(w.state, &id);
	assert_int_equal(
		open_begin(p.client, n, &owner, R, NONE, &try[0]), NFS4_OK);
	node_put(n);
	assert_int_equal(open_commit(&try[0], R, NONE, &wire), NFS4_OK);
	assert_int_equal(p.client->opens, 1);
	assert_int_equal(opens(&w), 1);
	open_abort(&try[0]);
	open_abort(&try[1]);
	assert_int_equal(p.client->opens, 1);
	peer_drop(&p);
	world_stop(&w);
}

/* Given up, refused, or of an owner who has the file open already. */
static void test_reserved_in_vain(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct xdr_opaque owner = bytes_of("o");
	struct fileid id = file_named("f");
	struct open_try try = {.open = NULL};
	struct node *n = node_get(w->state, &id);
	struct peer q;
	stateid4 wire;

	peer_connect(w, &q, "b");
	assert_int_equal(open_reserve(p->client, &owner, &try), NFS4_OK);
	open_abort(&try);
	assert_int_equal(p->client->opens, 0);
	assert_int_equal(p->client->owners.count, 0);
	assert_int_equal(try_open(&q, "f", "o", R, W, &wire), NFS4_OK);
	assert_int_equal(open_reserve(p->client, &owner, &try), NFS4_OK);
	assert_int_equal(open_begin(p->client, n, &owner, W, NONE, &try),
		NFS4ERR_SHARE_DENIED);
	assert_int_equal(p->client->opens, 0);
	assert_int_equal(try_open(p, "f", "o", R, NONE, &wire), NFS4_OK);
	assert_int_equal(open_reserve(p->client, &owner, &try), NFS4_OK);
	assert_int_equal(p->client->opens, 2);
	assert_int_equal(
		open_begin(p->client, n, &owner, R, NONE, &try), NFS4_OK);
	assert_int_equal(p->client->opens, 1);
	assert_int_equal(open_commit(&try, R, NONE, &wire), NFS4_OK);
	assert_int_equal(wire.seqid, 2);
	assert_int_equal(open_reserve(p->client, &owner, &try), NFS4_OK);
	client_end(p->client, CLIENT_END_ADMIN);
	assert_int_equal(
		open_begin(p->client, n, &owner, R, NONE, &try), NFS4ERR_DELAY);
	assert_int_equal(open_reserve(p->client, &owner, &try), NFS4ERR_DELAY);
	assert_int_equal(p->client->opens, 0);
	node_put(n);
	peer_drop(&q);
}

/* ---- between begin and end ---- */

static struct open_try begin(
	struct peer *p, const char *owner, uint32_t access, uint32_t deny)
{
	struct fileid id = file_named("f");
	struct node *n = node_get(p->w->state, &id);
	struct xdr_opaque bytes = bytes_of(owner);
	struct open_try try = {.open = NULL};

	assert_int_equal(
		open_begin(p->client, n, &bytes, access, deny, &try), NFS4_OK);
	node_put(n);
	return try;
}

/* Others are kept out at once; what is granted may be less. */
static void test_begun_and_granted(void **arg)
{
	struct peer *p = *arg;
	struct open_try try;
	struct stateid *sid;
	struct peer q;
	stateid4 wire;

	peer_connect(p->w, &q, "b");
	try = begin(p, "o", RW, NONE);
	assert_int_equal(
		try_open(&q, "f", "o", R, W, &wire), NFS4ERR_SHARE_DENIED);
	assert_int_equal(open_commit(&try, R, NONE, &wire), NFS4_OK);
	assert_int_equal(wire.seqid, 1);
	sid = look_up(p, &wire);
	assert_int_equal(open_access(sid), R);
	stateid_put(sid);
	assert_int_equal(try_open(&q, "f", "o", R, W, &wire), NFS4_OK);
	peer_drop(&q);
}

static void test_given_up(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct open_try try;
	struct stateid *sid;
	struct peer q;
	stateid4 wire;

	peer_connect(w, &q, "b");
	try = begin(p, "o", RW, RW);
	assert_int_equal(opens(w), 1);
	open_abort(&try);
	assert_int_equal(opens(w), 0);
	assert_int_equal(p->client->opens, 0);
	assert_int_equal(try_open(&q, "f", "o", R, NONE, &wire), NFS4_OK);
	/* What the owner had before stays, seqid and all. */
	assert_int_equal(try_open(p, "f", "o", R, NONE, &wire), NFS4_OK);
	try = begin(p, "o", W, NONE);
	open_abort(&try);
	sid = look_up(p, &wire);
	assert_int_equal(open_access(sid), R);
	stateid_put(sid);
	assert_int_equal(try_open(&q, "f", "o2", R, W, &wire), NFS4_OK);
	peer_drop(&q);
}

/* Two of one owner at a time share one open, which the last one ends. */
static void test_tried_twice(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct open_try one, two;
	stateid4 wire;

	one = begin(p, "o", R, NONE);
	two = begin(p, "o", W, NONE);
	open_abort(&one);
	assert_int_equal(open_commit(&two, W, NONE, &wire), NFS4_OK);
	assert_int_equal(wire.seqid, 1);
	one = begin(p, "o2", R, NONE);
	two = begin(p, "o2", R, NONE);
	assert_int_equal(opens(w), 2);
	open_abort(&two);
	assert_int_equal(opens(w), 2);
	open_abort(&one);
	assert_int_equal(opens(w), 1);
}

static void test_closed_meanwhile(void **arg)
{
	struct peer *p = *arg;
	struct open_try try;
	struct stateid *sid;
	stateid4 wire, closed;

	assert_int_equal(try_open(p, "f", "o", R, NONE, &wire), NFS4_OK);
	try = begin(p, "o", W, NONE);
	sid = look_up(p, &wire);
	assert_int_equal(open_close(sid, &closed), NFS4_OK);
	stateid_put(sid);
	assert_int_equal(open_commit(&try, W, NONE, &wire), NFS4ERR_DELAY);
	try = begin(p, "o", W, NONE);
	client_end(p->client, CLIENT_END_ADMIN);
	assert_int_equal(open_commit(&try, W, NONE, &wire), NFS4ERR_DELAY);
	assert_int_equal(opens(p->w), 0);
}

/* ---- unlinked while open ---- */

static void test_unlinked_open_file(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct peer q;
	struct fileid id = file_named("f");
	struct node *n;
	struct stateid *sid;
	stateid4 mine, theirs;

	peer_connect(w, &q, "b");
	n = node_get(w->state, &id);
	assert_false(node_has_opens(n));
	assert_false(node_set_pinned(n, &w->unpins));
	assert_int_equal(try_open(p, "f", "o", R, NONE, &mine), NFS4_OK);
	assert_int_equal(try_open(&q, "f", "o", R, NONE, &theirs), NFS4_OK);
	assert_true(node_has_opens(n));
	assert_true(node_set_pinned(n, &w->unpins));
	node_put(n);
	sid = look_up(p, &mine);
	assert_int_equal(open_close(sid, &mine), NFS4_OK);
	stateid_put(sid);
	assert_int_equal(w->unpins, 0);
	client_end(q.client, CLIENT_END_ADMIN);
	assert_int_equal(w->unpins, 1);
	assert_true(fileid_equal(&w->unpinned, &id));
	peer_drop(&q);
}

/* ---- threads ---- */

struct opener {
	pthread_t thread;
	struct peer *peer;
	int number;
	int granted;
};

/* Exclusive opens of one file by many: never two at a time. */
static atomic_int inside;

static void *open_and_close(void *arg)
{
	struct opener *o = arg;
	char owner[16];

	snprintf(owner, sizeof(owner), "%d", o->number);
	for (int i = 0; i < 2000; i++) {
		struct stateid *sid;
		stateid4 wire;

		if (try_open(o->peer, "f", owner, RW, RW, &wire) != NFS4_OK)
			continue;
		o->granted++;
		assert_int_equal(inside++, 0);
		sid = look_up(o->peer, &wire);
		inside--;
		assert_int_equal(open_close(sid, &wire), NFS4_OK);
		stateid_put(sid);
	}
	return NULL;
}

static void test_race_exclusive(void **arg)
{
	struct world *w = world_new();
	struct peer p[2];
	struct opener o[4];
	int granted = 0;

	peer_connect(w, &p[0], "a");
	peer_connect(w, &p[1], "b");
	for (int i = 0; i < 4; i++) {
		o[i] = (struct opener){.peer = &p[i % 2], .number = i};
		pthread_create(&o[i].thread, NULL, open_and_close, &o[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(o[i].thread, NULL);
		granted += o[i].granted;
	}
	assert_true(granted > 0);
	assert_int_equal(opens(w), 0);
	peer_drop(&p[0]);
	peer_drop(&p[1]);
	world_free(w);
}

/* Opens race with the end of their client: nothing is left behind. */
static void *open_many(void *arg)
{
	struct opener *o = arg;
	char file[16];
	stateid4 wire;

	for (int i = 0; i < 500; i++) {
		snprintf(file, sizeof(file), "%d %d", o->number, i);
		if (try_open(o->peer, file, "o", R, NONE, &wire) == NFS4_OK)
			o->granted++;
	}
	return NULL;
}

static void test_race_end(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct opener o[3];
	struct state_stats stats;

	for (int i = 0; i < 3; i++) {
		o[i] = (struct opener){.peer = p, .number = i};
		pthread_create(&o[i].thread, NULL, open_many, &o[i]);
	}
	while (opens(w) < 50)
		sched_yield();
	client_end(p->client, CLIENT_END_ADMIN);
	for (int i = 0; i < 3; i++)
		pthread_join(o[i].thread, NULL);
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.opens, 0);
	assert_int_equal(stats.stateids, 0);
	assert_int_equal(stats.nodes, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_downgrade),
		cmocka_unit_test(test_policy_within),
		cmocka_unit_test(test_policy_conflict),
		cmocka_unit_test(test_policy_orphan),
		TEST(test_upgrade_and_downgrade),
		TEST(test_downgrade_of_one_open),
		TEST(test_share_conflicts),
		TEST(test_expired_holder),
		TEST(test_close),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_reserved),
		TEST(test_reserved_in_vain),
		TEST(test_begun_and_granted),
		TEST(test_given_up),
		TEST(test_tried_twice),
		TEST(test_closed_meanwhile),
		TEST(test_unlinked_open_file),
		cmocka_unit_test(test_race_exclusive),
		TEST(test_race_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
