/* SPDX-License-Identifier: MIT */
/* What one client does, or does not do, costs the others nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg.h"
#include "state/inspect.h"
#include "state/policy_stateid.h"
#include "state/recall.h"
#include "testserver.h"

#define DIRS PEER_SLOTS

static nfsstat4 make_in(struct peer *p, const char *dir, const char *name)
{
	peer_begin(p);
	ask_path(p, dir);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

/* ---- an unmount: all delegations at once ---- */

struct unmount {
	struct testserver ts;
	struct peer holder, other;
	struct handle dirs[DIRS];
	stateid4 sids[DIRS];
	bool returned[DIRS];
};

/*
 * DELEGRETURN waits for its batch as long as this: whoever is blocked by it
 * does not answer before.
 */
#define WAIT_MS 10000

/* Far fewer than take that long on the slowest machine. */
#define OTHERS_CALLS 8

static void patient(struct nfs_server_config *config)
{
	config->state.recall_wait_ms = WAIT_MS;
	config->state.notify_window_ms = 3600 * 1000;
}

static void arrive_as_root(
	struct peer *p, struct testserver *ts, const char *owner)
{
	peer_connect(p, ts->server);
	p->uid = 0;
	p->gid = 0;
	peer_join(p, owner);
}

static void mount(struct unmount *u)
{
	struct testserver_options options = {.configure = patient};
	char name[16];

	testserver_start(&u->ts, &options);
	arrive_as_root(&u->holder, &u->ts, "holder");
	arrive_as_root(&u->other, &u->ts, "other");
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		make_dir_for_all(&u->holder, name);
		u->dirs[i] = handle_of(&u->holder, name);
		u->sids[i] = take_dir_delegation(&u->holder, name, ENTRIES);
		assert_int_equal(make_in(&u->other, name, "x"), NFS4_OK);
	}
}

static void send_return(struct unmount *u, int i)
{
	peer_begin(&u->holder);
	u->holder.slot = i;
	ask_fh(&u->holder, &u->dirs[i]);
	ask_delegreturn(&u->holder, &u->sids[i]);
	peer_send(&u->holder);
}

/* Callbacks are answered while it waits for the reply. */
static void finish_return(struct unmount *u)
{
	nfsstat4 status = peer_finish(&u->holder);
	int slot = peer_sequence(&u->holder)->sr_slotid;

	if (status == NFS4ERR_DELAY) {
		send_return(u, slot);
		finish_return(u);
		return;
	}
	assert_int_equal(status, NFS4_OK);
	assert_false(u->returned[slot]);
	u->returned[slot] = true;
}

static void dd15_an_unmount_blocks_nobody(void **state)
{
	static struct unmount u;
	struct state_stats stats;
	char name[16];

	mount(&u);
	for (int i = 0; i < DIRS; i++)
		send_return(&u, i);
	/* Their batches are on their way, and nobody answers them. */
	for (int i = 0; i < OTHERS_CALLS; i++) {
		snprintf(name, sizeof(name), "y%d", i);
		assert_int_equal(make_in(&u.other, "d0", name), NFS4_OK);
		assert_int_equal(peer_status_flags(&u.other), 0);
	}
	/* And none of them was ended for that. */
	state_read_stats(u.ts.server->state, &stats);
	assert_int_equal(stats.dir_delegs, DIRS);
	for (int i = 0; i < DIRS; i++)
		finish_return(&u);
	state_read_stats(u.ts.server->state, &stats);
	assert_int_equal(stats.dir_delegs, 0);
	/* Each heard of its change first, or its patience ended (DD-15). */
	assert_true(u.holder.events + stats.late_returns >= DIRS);
	peer_fini(&u.holder);
	peer_fini(&u.other);
	testserver_stop(&u.ts);
}

/* ---- a client that answers no callback ---- */

#define DEAF    4
#define CHANGES 50

static void dd24_a_deaf_client_costs_nobody_else(void **state)
{
	struct rig *r = *state;
	static const char *const owners[DEAF] = {"a", "b", "c", "d"};
	struct peer deaf[DEAF], healthy, other;
	struct state_stats stats;
	char name[16];

	peer_init(&healthy, r->server, "healthy");
	peer_init(&other, r->server, "other");
	make_dir_for_all(&other, "told");
	make_dir_for_all(&other, "recalled");
	take_dir_delegation(&healthy, "told", ENTRIES);
	for (int i = 0; i < DEAF; i++) {
		peer_init(&deaf[i], r->server, owners[i]);
		take_dir_delegation(&deaf[i], "told", ENTRIES);
		take_dir_delegation(&deaf[i], "recalled", 0);
		deaf[i].cb = PEER_CB_HOLD;
	}
	/* Who subscribed is waited for by nobody. */
	for (int i = 0; i < CHANGES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(make_in(&other, "told", name), NFS4_OK);
	}
	peer_serve_until(&healthy, &healthy.events, CHANGES);
	peer_settle(&healthy);
	/* Who did not is waited for as long as a lease, there only. */
	assert_int_equal(make_in(&other, "recalled", "x"), NFS4ERR_DELAY);
	for (int s = 0; s < RIG_LEASE_MS / 1000 - 1; s += 10) {
		rig_advance(r, 10000);
		snprintf(name, sizeof(name), "s%d", s);
		assert_int_equal(make_in(&other, "told", name), NFS4_OK);
		/* Answered, before its time is over as well. */
		peer_serve_until(
			&healthy, &healthy.events, CHANGES + s / 10 + 1);
		peer_settle(&healthy);
		for (int i = 0; i < DEAF; i++)
			peer_status_flags(&deaf[i]);
	}
	rig_advance(r, 2000);
	assert_int_equal(make_in(&other, "recalled", "x"), NFS4_OK);
	assert_int_equal(healthy.events, CHANGES + RIG_LEASE_MS / 10000);
	assert_int_equal(healthy.recalls, 0);
	/* Their CB_NOTIFYs ran out of time, and so did their recalls. */
	state_read_stats(r->server->state, &stats);
	assert_int_equal(stats.recalls_by_reason[RECALL_CONFLICT], DEAF);
	assert_int_equal(stats.recalls_by_reason[RECALL_CALLBACK_ERROR], DEAF);
	assert_true(stats.revocations >= DEAF);
	for (int i = 0; i < DEAF; i++) {
		assert_true(peer_status_flags(&deaf[i]) &
			SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
		peer_fini(&deaf[i]);
	}
	peer_fini(&healthy);
	peer_fini(&other);
}

/* ---- a client that frees nothing ---- */

#define LOST    STATEID_REVOKED_MAX
#define AT_ONCE 20 /* in one compound; divides LOST */

static void hold_some(struct peer *p, unsigned first, stateid4 *ret)
{
	char name[AT_ONCE][16];

	peer_begin(p);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		snprintf(name[i], sizeof(name[i]), "d%u", first + i);
		ask_root(p);
		ask_create(p, name[i], NF4DIR);
		ask_dir_delegation(p, 0);
	}
	assert_int_equal(peer_call(p), NFS4_OK);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		const GET_DIR_DELEGATION4res_non_fatal *res =
			&peer_result(p, i * 3 + 2)
				 ->opget_dir_delegation.gddr_res_non_fatal4;

		assert_int_equal(res->gddrnf_status, GDD4_OK);
		ret[i] = res->gddrnf_resok4.gddr_stateid;
	}
}

static void recall_one(struct rig *r, const stateid4 *sid)
{
	struct deleg *d = deleg_by_other(r->server->state, sid->other);

	assert_non_null(d);
	recall_start(d, RECALL_ADMIN);
	deleg_put(d);
}

/* It renews its lease and answers, and returns nothing. */
static void lose_all(struct rig *r, struct peer *p, const stateid4 *sids)
{
	for (int i = 0; i < LOST; i++)
		recall_one(r, &sids[i]);
	peer_serve_until(p, &p->recalls, LOST);
	for (int s = 0; s <= RIG_LEASE_MS / 1000; s += 10) {
		peer_settle(p);
		rig_advance(r, 10000);
	}
}

static gddrnf4_status ask_again(struct peer *p)
{
	peer_begin(p);
	ask_path(p, "d0");
	ask_dir_delegation(p, 0);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_status;
}

static void free_some(struct peer *p, const stateid4 *sids)
{
	peer_begin(p);
	for (unsigned i = 0; i < AT_ONCE; i++)
		ask_free_stateid(p, &sids[i]);
	assert_int_equal(peer_call(p), NFS4_OK);
}

static void dd10_revoked_ones_are_to_be_freed(void **state)
{
	static stateid4 sids[LOST];
	struct rig *r = *state;
	struct peer p, other;
	struct state_stats before, stats;

	peer_init(&p, r->server, "p");
	state_read_stats(r->server->state, &before);
	for (unsigned i = 0; i < LOST; i += AT_ONCE)
		hold_some(&p, i, &sids[i]);
	lose_all(r, &p, sids);
	assert_int_equal(
		peer_status_flags(&p), SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	state_read_stats(r->server->state, &stats);
	assert_int_equal(stats.revocations, LOST);
	assert_int_equal(stats.stateids, before.stateids + LOST);
	assert_int_equal(ask_again(&p), GDD4_UNAVAIL);
	peer_init(&other, r->server, "other");
	take_dir_delegation(&other, "d0", 0);
	for (unsigned i = 0; i < LOST; i += AT_ONCE)
		free_some(&p, &sids[i]);
	assert_int_equal(peer_status_flags(&p), 0);
	assert_int_equal(ask_again(&p), GDD4_OK);
	peer_fini(&p);
	peer_fini(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd15_an_unmount_blocks_nobody),
		cmocka_unit_test_setup_teardown(
			dd24_a_deaf_client_costs_nobody_else, rig_setup,
			rig_teardown),
		cmocka_unit_test_setup_teardown(
			dd10_revoked_ones_are_to_be_freed, rig_setup,
			rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
