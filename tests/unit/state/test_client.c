/* SPDX-License-Identifier: MIT */
/* EXCHANGE_ID's cases, leases, courtesy, DESTROY_CLIENTID, limits. */
#include "world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "state/node.h"
#include "state/open.h"
#include "state/policy_client.h"

#define CONFIRMED EXCHGID4_FLAG_CONFIRMED_R
#define UPDATE    EXCHGID4_FLAG_UPD_CONFIRMED_REC_A
#define LEASE_MS  90000

/* ---- pure decisions, all of them ---- */

static void test_policy_exchange(void **arg)
{
	for (int i = 0; i < 32; i++) {
		bool update = i & 1;
		struct exchange_record old = {.exists = i & 2,
			.same_verifier = i & 4,
			.same_principal = i & 8,
			.in_use = i & 16};
		struct exchange_decision d = policy_exchange(update, old);

		assert_int_equal(d.action == EXCHANGE_REFUSE, d.status != 0);
		if (!old.exists)
			assert_int_equal(d.action,
				update ? EXCHANGE_REFUSE : EXCHANGE_NEW);
		else if (update)
			assert_int_equal(d.status,
				!old.same_principal          ? NFS4ERR_PERM
					: !old.same_verifier ? NFS4ERR_NOT_SAME
							     : NFS4_OK);
		else if (!old.same_principal)
			assert_int_equal(d.action,
				old.in_use ? EXCHANGE_REFUSE
					   : EXCHANGE_REPLACE);
		else
			assert_int_equal(d.action,
				old.same_verifier ? EXCHANGE_KEEP
						  : EXCHANGE_NEW);
		/* State under a valid lease is never thrown away. */
		assert_false(d.action == EXCHANGE_REPLACE && old.in_use);
	}
}

static void test_policy_destroy(void **arg)
{
	for (int i = 0; i < 256; i++) {
		struct client_holdings has = {.expired = i & 1,
			.calls = i & 2,
			.sessions = i & 4,
			.opens = i & 8,
			.locks = i & 16,
			.file_delegs = i & 32,
			.dir_delegs = i & 64};
		bool strict = i & 128;
		bool held = has.calls || has.sessions || has.opens ||
			has.locks || has.file_delegs ||
			(strict && has.dir_delegs);

		assert_int_equal(policy_client_destroy(&has, strict),
			held && !has.expired ? NFS4ERR_CLIENTID_BUSY : NFS4_OK);
	}
}

static void test_policy_flags(void **arg)
{
	assert_int_equal(policy_client_flags(0, 0, 0, 0, false), 0);
	assert_int_equal(policy_client_flags(0, 1, 0, 0, false),
		SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	assert_int_equal(policy_client_flags(0, 0, 1, 0, false),
		SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED);
	assert_int_equal(policy_client_flags(0, 0, 0, 1, false),
		SEQ4_STATUS_ADMIN_STATE_REVOKED);
	assert_int_equal(policy_client_flags(0, 0, 0, 0, true),
		SEQ4_STATUS_CB_PATH_DOWN);
	assert_int_equal(policy_client_flags(8, 1, 1, 1, true), 8 | 0x71);
}

/* ---- EXCHANGE_ID ---- */

static nfsstat4 try_exchange(struct world *w, const char *owner,
	uint64_t verifier, uint32_t flags, const struct principal *who,
	EXCHANGE_ID4resok *res)
{
	EXCHANGE_ID4args args = exchange_args(owner, verifier);

	args.eia_flags = flags;
	return client_exchange_id(w->state, &args, 1, who, res);
}

static void confirm(struct world *w, const EXCHANGE_ID4resok *id,
	const struct principal *who, nfsstat4 expected)
{
	CREATE_SESSION4args args =
		session_args(id->eir_clientid, id->eir_sequenceid);
	CREATE_SESSION4resok res;

	assert_int_equal(
		session_create(w->state, &args, 1, who, NULL, &res), expected);
}

static void test_exchange_arguments(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4args args = exchange_args("a", 1);
	EXCHANGE_ID4resok res;
	nfs_impl_id4 impl[2] = {0};

	for (int bit = 0; bit < 32; bit++) {
		uint32_t flag = 1u << bit;
		nfsstat4 status = try_exchange(w, "a", 1, flag, &root, &res);

		if (flag == UPDATE)
			assert_int_equal(status, NFS4ERR_NOENT);
		else
			assert_int_equal(status,
				flag & policy_exchange_flags(1)
					? NFS4_OK
					: NFS4ERR_INVAL);
	}
	args.eia_client_impl_id.count = 2;
	args.eia_client_impl_id.items = impl;
	assert_int_equal(client_exchange_id(w->state, &args, 1, &root, &res),
		NFS4ERR_BADXDR);
	args.eia_client_impl_id.count = 1;
	assert_int_equal(
		client_exchange_id(w->state, &args, 1, &root, &res), NFS4_OK);
	args.eia_flags = EXCHGID4_FLAG_SUPP_FENCE_OPS; /* of RFC 7862 */
	assert_int_equal(client_exchange_id(w->state, &args, 1, &root, &res),
		NFS4ERR_INVAL);
	assert_int_equal(
		client_exchange_id(w->state, &args, 2, &root, &res), NFS4_OK);
	assert_false(res.eir_flags & EXCHGID4_FLAG_SUPP_FENCE_OPS);
	args.eia_flags = 0;
	args.eia_state_protect.spa_how = SP4_MACH_CRED;
	assert_int_equal(client_exchange_id(w->state, &args, 1, &root, &res),
		NFS4ERR_INVAL);
	args.eia_state_protect.spa_how = SP4_SSV;
	assert_int_equal(client_exchange_id(w->state, &args, 1, &root, &res),
		NFS4ERR_ENCR_ALG_UNSUPP);
	world_free(w);
}

static void test_exchange_reply(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok a = exchange(w, "a", 1), b = exchange(w, "b", 1);

	assert_int_equal(a.eir_flags, EXCHGID4_FLAG_USE_NON_PNFS);
	assert_int_equal(a.eir_clientid >> 32, 7); /* the epoch */
	assert_true(a.eir_clientid != b.eir_clientid);
	assert_int_equal(a.eir_sequenceid, 1);
	assert_int_equal(a.eir_server_owner.so_major_id.len, 32);
	assert_true(xdr_opaque_equal(
		&a.eir_server_owner.so_major_id, &a.eir_server_scope));
	world_free(w);
}

/* Cases 1, 2 and 4: new, known, and an unconfirmed record replaced. */
static void test_exchange_same(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok first = exchange(w, "a", 1), again;
	struct state_stats stats;

	again = exchange(w, "a", 1);
	assert_true(again.eir_clientid != first.eir_clientid);
	confirm(w, &first, &root, NFS4ERR_STALE_CLIENTID);
	confirm(w, &again, &root, NFS4_OK);
	first = exchange(w, "a", 1);
	assert_true(again.eir_clientid == first.eir_clientid);
	assert_true(first.eir_flags & CONFIRMED);
	assert_int_equal(first.eir_sequenceid, 2);
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.clients, 1);
	world_free(w);
}

/* Case 5: a new incarnation beside the old one until it is confirmed. */
static void test_exchange_restart(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	EXCHANGE_ID4resok fresh;
	struct call call;

	fresh = exchange(w, "a", 2);
	assert_true(fresh.eir_clientid != p->client->id);
	assert_false(fresh.eir_flags & CONFIRMED);
	peer_sequence(p);
	confirm(w, &fresh, &root, NFS4_OK);
	assert_int_equal(call_begin(p, 0, 2, 0, &call), NFS4ERR_BADSESSION);
	assert_null(client_find(w->state, p->client->id));
	assert_true(p->client->ended);
}

/* Case 3: another principal. */
static void test_exchange_collision(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	EXCHANGE_ID4resok res;

	assert_int_equal(
		try_exchange(w, "a", 1, 0, &alice, &res), NFS4ERR_CLID_INUSE);
	assert_int_equal(
		session_destroy(w->state, p->session.csr_sessionid, p->conn),
		NFS4_OK);
	assert_int_equal(try_exchange(w, "a", 1, 0, &alice, &res), NFS4_OK);
	assert_true(p->client->ended);
}

static void test_exchange_collision_expired(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	EXCHANGE_ID4resok res;

	clock_advance_ms(&w->clock, LEASE_MS);
	assert_int_equal(try_exchange(w, "a", 1, 0, &alice, &res), NFS4_OK);
	assert_true(p->client->ended);
}

/* Cases 6 to 9: updates. */
static void test_exchange_update(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok first = exchange(w, "a", 1), res;

	assert_int_equal(try_exchange(w, "a", 1, UPDATE, &root, &res),
		NFS4ERR_NOENT); /* not confirmed */
	confirm(w, &first, &root, NFS4_OK);
	assert_int_equal(try_exchange(w, "a", 1, UPDATE, &root, &res), NFS4_OK);
	assert_true(res.eir_clientid == first.eir_clientid);
	assert_true(res.eir_flags & CONFIRMED);
	assert_int_equal(
		try_exchange(w, "a", 2, UPDATE, &root, &res), NFS4ERR_NOT_SAME);
	assert_int_equal(
		try_exchange(w, "a", 1, UPDATE, &alice, &res), NFS4ERR_PERM);
	world_free(w);
}

static void test_confirm_principal(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok id = exchange(w, "a", 1);

	confirm(w, &id, &alice, NFS4ERR_CLID_INUSE);
	confirm(w, &id, &alice, NFS4ERR_CLID_INUSE);
	confirm(w, &id, &root, NFS4_OK);
	id = exchange(w, "a", 1);
	confirm(w, &id, &alice, NFS4_OK); /* it is confirmed now */
	world_free(w);
}

/* ---- limits ---- */

static void test_client_limit(void **arg)
{
	struct world w;
	struct peer p[2];
	struct state_stats stats;
	EXCHANGE_ID4resok res;
	char owner[16];

	world_prepare(&w);
	w.config.max_clients = 2;
	world_start(&w);
	for (int i = 0; i < 10; i++) { /* unconfirmed ones make room */
		snprintf(owner, sizeof(owner), "flood %d", i);
		exchange(&w, owner, 1);
		clock_advance_ms(&w.clock, 1);
	}
	state_read_stats(w.state, &stats);
	assert_int_equal(stats.clients, 2);
	peer_connect(&w, &p[0], "a");
	peer_connect(&w, &p[1], "b");
	assert_int_equal(
		try_exchange(&w, "c", 1, 0, &root, &res), NFS4ERR_DELAY);
	clock_advance_ms(&w.clock, LEASE_MS - 1);
	peer_sequence(&p[1]);
	clock_advance_ms(&w.clock, 1);
	assert_int_equal(try_exchange(&w, "c", 1, 0, &root, &res), NFS4_OK);
	assert_true(p[0].client->ended);
	assert_false(p[1].client->ended);
	peer_drop(&p[0]);
	peer_drop(&p[1]);
	world_stop(&w);
}

/* ---- leases ---- */

static void open_something(struct peer *p, const char *name, uint32_t deny)
{
	struct fileid id = file_named(name);
	struct node *n = node_get(p->w->state, &id);
	struct xdr_opaque owner = bytes_of("owner");
	stateid4 sid;

	assert_int_equal(open_at_once(p->client, n, &owner,
				 OPEN4_SHARE_ACCESS_READ, deny, &sid),
		NFS4_OK);
	node_put(n);
}

static void test_unconfirmed_goes(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok id = exchange(w, "a", 1);

	world_advance(w, LEASE_MS - 1);
	assert_false(client_find(w->state, id.eir_clientid));
	confirm(w, &id, &root, NFS4_OK);
	id = exchange(w, "b", 1);
	world_advance(w, LEASE_MS + LEASE_MS / 4 + 1);
	confirm(w, &id, &root, NFS4ERR_STALE_CLIENTID);
	world_free(w);
}

static void test_lease_without_state(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct state_stats stats;

	for (int i = 0; i < 10; i++) {
		world_advance(w, LEASE_MS - 1);
		peer_sequence(p);
	}
	assert_false(client_is_expired(p->client));
	world_advance(w, LEASE_MS - 1);
	assert_false(client_is_expired(p->client));
	world_advance(w, 1);
	assert_true(client_is_expired(p->client));
	world_advance(w, LEASE_MS / 4 + 1);
	assert_true(p->client->ended);
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.clients, 0);
	assert_int_equal(stats.sessions, 0);
}

static void test_lease_holds_while_running(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call;

	assert_int_equal(call_begin(p, 0, 1, 0, &call), NFS4_OK);
	world_advance(w, 10 * LEASE_MS);
	assert_false(client_is_expired(p->client));
	call_end(&call, NULL);
	world_advance(w, LEASE_MS - 1);
	assert_false(client_is_expired(p->client));
	world_advance(w, 1);
	assert_true(client_is_expired(p->client));
}

static void test_failed_sequence_renews_nothing(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call;

	world_advance(w, LEASE_MS - 1);
	assert_int_equal(call_begin(p, 0, 9, 0, &call), NFS4ERR_SEQ_MISORDERED);
	world_advance(w, 1);
	assert_true(client_is_expired(p->client));
}

static void test_courtesy(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct peer q;

	open_something(p, "f", OPEN4_SHARE_DENY_READ);
	world_advance(w, 5 * LEASE_MS);
	assert_false(p->client->ended); /* kept, nobody needs it */
	assert_true(client_is_expired(p->client));
	peer_sequence(p); /* it is back */
	assert_false(client_is_expired(p->client));
	assert_false(client_end_if_expired(p->client));
	world_advance(w, 5 * LEASE_MS);
	peer_connect(w, &q, "b");
	open_something(&q, "f", OPEN4_SHARE_DENY_NONE);
	assert_true(p->client->ended);
	assert_true(client_end_if_expired(p->client));
	peer_drop(&q);
}

#define CROWD 1000

/* All that are in the way go at once, not a few at a time. */
static void test_a_crowd_of_courtesy_clients(void **arg)
{
	struct peer *crowd = calloc(CROWD, sizeof(*crowd)), q;
	struct world *w = world_new();
	struct state_stats stats;
	char name[16];

	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		peer_connect(w, &crowd[i], name);
		open_something(&crowd[i], "f", OPEN4_SHARE_DENY_NONE);
	}
	world_advance(w, 5 * LEASE_MS);
	peer_connect(w, &q, "b");
	open_something(&q, "f", OPEN4_SHARE_DENY_READ);
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.clients, 1);
	assert_int_equal(stats.opens, 1);
	for (int i = 0; i < CROWD; i++)
		peer_drop(&crowd[i]);
	peer_drop(&q);
	world_free(w);
	free(crowd);
}

static void test_courtesy_is_not_for_ever(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;

	open_something(p, "f", OPEN4_SHARE_DENY_READ);
	for (int hour = 0; hour < 23; hour++)
		world_advance(w, 3600 * 1000);
	assert_false(p->client->ended);
	world_advance(w, 2 * 3600 * 1000);
	world_advance(w, LEASE_MS);
	assert_true(p->client->ended);
}

/* ---- the end ---- */

static void test_destroy(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	EXCHANGE_ID4resok id;
	uint64_t number;

	number = p->client->id;
	open_something(p, "f", OPEN4_SHARE_DENY_NONE);
	assert_int_equal(
		client_destroy(w->state, number + 100), NFS4ERR_STALE_CLIENTID);
	assert_int_equal(
		client_destroy(w->state, number), NFS4ERR_CLIENTID_BUSY);
	peer_sequence(p); /* no side effect */
	session_destroy(w->state, p->session.csr_sessionid, p->conn);
	assert_int_equal(
		client_destroy(w->state, number), NFS4ERR_CLIENTID_BUSY);
	world_advance(w, LEASE_MS);
	assert_int_equal(client_destroy(w->state, number), NFS4_OK);
	assert_int_equal(
		client_destroy(w->state, number), NFS4ERR_STALE_CLIENTID);
	id = exchange(w, "unconfirmed", 1);
	assert_int_equal(client_destroy(w->state, id.eir_clientid), NFS4_OK);
}

static void test_destroy_waits_for_calls(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call;
	uint64_t number;

	number = p->client->id;
	assert_int_equal(call_begin(p, 0, 1, 0, &call), NFS4_OK);
	session_destroy(w->state, p->session.csr_sessionid, p->conn);
	assert_int_equal(
		client_destroy(w->state, number), NFS4ERR_CLIENTID_BUSY);
	call_end(&call, "done");
	assert_int_equal(client_destroy(w->state, number), NFS4_OK);
}

static void test_end_is_idempotent(void **arg)
{
	struct peer *p = *arg;
	struct call call;

	open_something(p, "f", OPEN4_SHARE_DENY_NONE);
	assert_int_equal(call_begin(p, 0, 1, 0, &call), NFS4_OK);
	client_end(p->client, CLIENT_END_ADMIN);
	client_end(p->client, CLIENT_END_ADMIN);
	assert_int_equal(p->client->opens, 0);
	assert_false(client_call_begin(p->client));
	call_end(&call, "late");
	assert_int_equal(p->conn->refs, 0);
}

static void test_reclaim_complete(void **arg)
{
	struct peer *p = *arg;

	assert_int_equal(client_reclaim_complete(p->client, true), NFS4_OK);
	assert_int_equal(client_reclaim_complete(p->client, false), NFS4_OK);
	assert_int_equal(client_reclaim_complete(p->client, false),
		NFS4ERR_COMPLETE_ALREADY);
}

static void test_grace(void **arg)
{
	struct world w;

	world_prepare(&w);
	w.config.grace_ms = 1000;
	world_start(&w);
	assert_true(state_in_grace(w.state));
	world_advance(&w, 999);
	assert_true(state_in_grace(w.state));
	world_advance(&w, 1);
	assert_false(state_in_grace(w.state));
	world_stop(&w);
	world_prepare(&w);
	w.config.grace_ms = 1000;
	world_start(&w);
	state_end_grace(w.state);
	assert_false(state_in_grace(w.state));
	world_stop(&w);
}

/* ---- threads ---- */

static bool has_ended(struct client *c)
{
	bool ended;

	lock_acquire(&c->lock);
	ended = c->ended;
	lock_release(&c->lock);
	return ended;
}

/* Comes back again and again, until the lease was over one time too long. */
static void *keep_alive(void *arg)
{
	struct peer *p = arg;
	struct call call;
	nfsstat4 status;

	while ((status = call_begin(p, 0, p->seqid[0]++, 0, &call)) ==
		NFS4_OK) {
		/* No lease ends under a running call. */
		assert_false(has_ended(p->client));
		call_end(&call, NULL);
	}
	assert_int_equal(status, NFS4ERR_BADSESSION);
	assert_true(has_ended(p->client));
	return NULL;
}

static void test_race_lease(void **arg)
{
	struct world *w = world_new();
	struct peer p;
	pthread_t thread;

	for (int round = 0; round < 30; round++) {
		peer_connect(w, &p, "a");
		open_something(&p, "f", OPEN4_SHARE_DENY_NONE);
		pthread_create(&thread, NULL, keep_alive, &p);
		while (!client_end_if_expired(p.client))
			clock_advance_ms(&w->clock, LEASE_MS);
		pthread_join(thread, NULL);
		assert_int_equal(p.client->calls_running, 0);
		assert_int_equal(p.client->opens, 0);
		peer_drop(&p);
	}
	world_free(w);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_exchange),
		cmocka_unit_test(test_policy_destroy),
		cmocka_unit_test(test_policy_flags),
		cmocka_unit_test(test_exchange_arguments),
		cmocka_unit_test(test_exchange_reply),
		cmocka_unit_test(test_exchange_same),
		TEST(test_exchange_restart),
		TEST(test_exchange_collision),
		TEST(test_exchange_collision_expired),
		cmocka_unit_test(test_exchange_update),
		cmocka_unit_test(test_confirm_principal),
		cmocka_unit_test(test_client_limit),
		cmocka_unit_test(test_unconfirmed_goes),
		TEST(test_lease_without_state),
		TEST(test_lease_holds_while_running),
		TEST(test_failed_sequence_renews_nothing),
		TEST(test_courtesy),
		cmocka_unit_test(test_a_crowd_of_courtesy_clients),
		TEST(test_courtesy_is_not_for_ever),
		TEST(test_destroy),
		TEST(test_destroy_waits_for_calls),
		TEST(test_end_is_idempotent),
		TEST(test_reclaim_complete),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_race_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
