/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every single allocation of a client's life: each call says
 * DELAY or does without, nothing is lost or kept for ever.
 */
#include "world.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "shortage.h"
#include "state/bytelock.h"
#include "state/cbsession.h"
#include "state/changeattr.h"
#include "state/node.h"
#include "state/open.h"

/* ---- a client's life ---- */

static bool ok(nfsstat4 status)
{
	if (status != NFS4_OK)
		assert_int_equal(status, NFS4ERR_DELAY);
	return status == NFS4_OK;
}

static bool connect_peer(struct world *w, struct peer *p)
{
	EXCHANGE_ID4args id_args = exchange_args("a", 1);
	EXCHANGE_ID4resok id;
	CREATE_SESSION4args args;

	if (!ok(client_exchange_id(w->state, &id_args, 1, &root, &id)))
		return false;
	args = session_args(id.eir_clientid, id.eir_sequenceid);
	if (!ok(session_create(
		    w->state, &args, 1, &root, p->conn, &p->session)))
		return false;
	p->client = client_find(w->state, id.eir_clientid);
	return true;
}

static void call_and_replay(struct peer *p)
{
	struct call call;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(call_begin(p, 0, 1, 0, &call), NFS4_OK);
		call_end(&call, "kept if there is memory");
	}
}

static void lock_something(struct peer *p, const stateid4 *wire)
{
	struct bytelock_request want = {10, 10, true};
	struct xdr_opaque owner = bytes_of("lock owner");
	struct stateid *open, *lock;
	uint8_t buf[NFS4_OPAQUE_LIMIT];
	LOCK4denied denied;
	stateid4 ret;

	assert_int_equal(
		stateid_lookup(p->client, wire, STATEID_OPEN, &open), NFS4_OK);
	if (ok(bytelock_lock_new(open, &owner, &want, &ret, &denied, buf))) {
		assert_int_equal(
			stateid_lookup(p->client, &ret, STATEID_LOCK, &lock),
			NFS4_OK);
		want.offset = 30;
		ok(bytelock_lock(lock, &want, &ret, &denied, buf));
		if (ok(bytelock_unlock(lock, 12, 2, &ret)) &&
			ok(bytelock_unlock(lock, 0, UINT64_MAX, &ret)))
			assert_int_equal(open_close(open, &ret), NFS4_OK);
		stateid_put(lock);
	}
	stateid_put(open);
}

static void open_something(struct peer *p)
{
	struct fileid id = file_named("f");
	struct node *n = node_get(p->w->state, &id);
	struct xdr_opaque owner = bytes_of("open owner");
	stateid4 wire;

	if (!n)
		return;
	if (ok(open_at_once(p->client, n, &owner, 1, 0, &wire)) &&
		ok(open_at_once(p->client, n, &owner, 2, 0, &wire)))
		lock_something(p, &wire);
	node_put(n);
}

static void callback(struct peer *p)
{
	struct cb_slot slot;

	if (cbsession_slot_take(p->client, 0, &slot) == CB_SLOT_TAKEN)
		cbsession_slot_give(&slot, CB_ANSWERED);
}

static void values(struct world *w)
{
	struct fileid id = file_named("g");
	int64_t now = clock_file_ns(&w->clock);
	uint64_t a = changeattr_bump(w->state, &id, now);
	uint64_t b = changeattr_read(w->state, &id, now);
	uint64_t c = changeattr_bump(w->state, &id, now);

	assert_true(a != b && b != c && a != c);
}

static void live(struct world *w)
{
	struct peer p = {.w = w, .conn = conn_make()};

	if (connect_peer(w, &p)) {
		call_and_replay(&p);
		open_something(&p);
		callback(&p);
	}
	values(w);
	if (p.client)
		client_end(p.client, CLIENT_END_ADMIN);
	client_put(p.client);
	session_conn_gone(w->state, p.conn);
	conn_drop(p.conn);
}

static void test_life(void **arg)
{
	struct world *w = world_new();
	unsigned needed;

	shortage_begin(UINT_MAX, false);
	live(w);
	shortage_end();
	needed = shortage.asked;
	assert_true(needed > 15);
	/* conn_make() of the test itself is the first. */
	for (unsigned i = 1; i < needed + 5; i++) {
		shortage_begin(i, false);
		live(w);
		shortage_end();
		assert_true(i >= needed || shortage.failed);
		world_advance(w, 200);
	}
	world_free(w);
}

static void test_start(void **arg)
{
	struct world w;
	unsigned i = 0;

	do {
		world_prepare(&w);
		shortage_begin(i++, false);
		w.state = state_new(&w.config);
		shortage_end();
		world_stop(&w);
	} while (!w.state);
	assert_true(i > 60); /* every shard of every table */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
