/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that waited for a slot were all started again for each slot that
 * came free: N of them cost N * N / 2 jobs, and each held 4 KiB for events it
 * had not taken yet. Now they stand in line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "nfs/fh.h"
#include "rig.h"
#include "state/client.h"
#include "state/deleg.h"

/* In one compound; a number that divides MANY. */
#define AT_ONCE 10
#define MANY    10000

struct line {
	struct rig r;
	struct peer holder, other;
	char name[AT_ONCE][16];
};

static uint64_t jobs(struct line *l)
{
	struct rpc_stats stats;

	rpc_read_stats(l->r.server->rpc, &stats);
	return stats.jobs;
}

/* A client with one callback slot. */
static void begin(struct line *l)
{
	struct peer *p = &l->holder;

	rig_init(&l->r, NULL);
	peer_init(&l->other, l->r.server, "other");
	peer_connect(p, l->r.server);
	p->back = (channel_attrs4){.ca_maxrequestsize = 65536,
		.ca_maxresponsesize = 4096,
		.ca_maxoperations = 2,
		.ca_maxrequests = 1};
	peer_join(p, "holder");
	make_dir_for_all(&l->other, "all");
	/* Until the backchannel has answered once nothing is granted. */
	make_dir_for_all(&l->other, "unchanged");
	take_dir_delegation(p, "unchanged", ENTRIES);
}

static void end(struct line *l)
{
	peer_fini(&l->holder);
	peer_fini(&l->other);
	rig_fini(&l->r);
}

/* In one compound: directories that the holder has delegations of. */
static void hold_some(struct line *l, unsigned first, unsigned n)
{
	struct peer *p = &l->holder;

	peer_begin(p);
	for (unsigned i = 0; i < n; i++) {
		fattr4 mode = ask_attr_u32(p, FATTR4_MODE, 0777);

		snprintf(l->name[i], sizeof(l->name[i]), "d%u", first + i);
		ask_path(p, "all");
		ask_create(p, l->name[i], NF4DIR)->opcreate.createattrs = mode;
		ask_dir_delegation(p, ENTRIES);
	}
	assert_int_equal(peer_call(p), NFS4_OK);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(peer_result(p, i * 4 + 3)
					 ->opget_dir_delegation
					 .gddr_res_non_fatal4.gddrnf_status,
			GDD4_OK);
}

static void change_some(struct line *l, unsigned first, unsigned n)
{
	struct peer *p = &l->other;

	peer_begin(p);
	for (unsigned i = 0; i < n; i++) {
		snprintf(l->name[i], sizeof(l->name[i]), "d%u", first + i);
		ask_path(p, "all");
		ask_lookup(p, l->name[i]);
		ask_create(p, "x", NF4DIR);
	}
	assert_int_equal(peer_call(p), NFS4_OK);
}

static struct client *holder_of(struct line *l)
{
	struct client *c = client_find(l->r.server->state, l->holder.clientid);

	assert_non_null(c);
	return c;
}

static unsigned length(struct line *l)
{
	struct client *c = holder_of(l);
	unsigned n = 0;

	lock_acquire(&c->lock);
	for (struct list *at = c->cb_waiting.next; at != &c->cb_waiting;
		at = at->next)
		n++;
	lock_release(&c->lock);
	client_put(c);
	return n;
}

static void wait_for_length(struct line *l, unsigned n)
{
	for (int ms = 0; length(l) != n && ms < PEER_PATIENCE_MS; ms++)
		usleep(1000);
	assert_int_equal(length(l), n);
}

/* Each is begun once, and called once. */
static void a_freed_slot_costs_one_look(void **state)
{
	static struct line l;
	uint64_t before;

	begin(&l);
	for (unsigned i = 0; i < MANY; i += AT_ONCE)
		hold_some(&l, i, AT_ONCE);
	before = jobs(&l);
	for (unsigned i = 0; i < MANY; i += AT_ONCE)
		change_some(&l, i, AT_ONCE);
	wait_for_length(&l, MANY - 1);
	for (unsigned i = 100; i <= MANY; i += 100)
		peer_serve_until(&l.holder, &l.holder.events, i);
	peer_settle(&l.holder);
	print_message("%d callbacks, %llu jobs\n", MANY,
		(unsigned long long)(jobs(&l) - before));
	assert_int_equal(l.holder.notifies, MANY);
	assert_true(jobs(&l) - before <= 3 * MANY);
	end(&l);
}

#define FEW 8

/* One is on its way, the others stand in line in their order. */
static void change_in_order(struct line *l)
{
	change_some(l, 0, 1);
	assert_true(peer_has_reply(&l->holder, PEER_PATIENCE_MS));
	for (unsigned i = 1; i < FEW; i++) {
		change_some(l, i, 1);
		wait_for_length(l, i);
	}
}

static void first_come_first_served(void **state)
{
	static struct line l;
	struct handle dir;
	char path[32];

	begin(&l);
	hold_some(&l, 0, FEW);
	change_in_order(&l);
	for (unsigned i = 0; i < FEW; i++) {
		snprintf(path, sizeof(path), "all/d%u", i);
		dir = handle_of(&l.other, path);
		peer_serve_until(&l.holder, &l.holder.notifies, i + 1);
		assert_int_equal(l.holder.cb_fh.len, dir.len);
		assert_memory_equal(l.holder.cb_fh.data, dir.data, dir.len);
	}
	end(&l);
}

static void forget(struct line *l, const char *path)
{
	struct handle h = handle_of(&l->other, path);
	struct client *c = holder_of(l);
	const struct xdr_opaque wire = xdr_opaque_from(h.data, h.len);
	struct fh fh;

	assert_int_equal(fh_decode(l->r.server, &wire, &fh), NFS4_OK);
	deleg_forget(c, &fh.id);
	client_put(c);
}

/* Who is called and has nothing to send any more does not keep the slot. */
static void the_call_is_passed_on(void **state)
{
	static struct line l;
	char path[32];

	begin(&l);
	hold_some(&l, 0, FEW);
	change_in_order(&l);
	for (unsigned i = 1; i < FEW - 1; i++) {
		snprintf(path, sizeof(path), "all/d%u", i);
		forget(&l, path);
	}
	peer_serve_until(&l.holder, &l.holder.notifies, 2);
	assert_int_equal(peer_serve(&l.holder, SILENCE_MS), 0);
	end(&l);
}

/* Without a backchannel all of them hear of it, and are sent later. */
static void all_leave_when_it_is_down(void **state)
{
	static struct line l;
	BIND_CONN_TO_SESSION4args *bind;

	begin(&l);
	hold_some(&l, 0, FEW);
	change_in_order(&l);
	peer_reconnect(&l.holder);
	wait_for_length(&l, 0);
	rig_advance(&l.r, 6000); /* no connection came: given up */
	peer_begin_bare(&l.holder);
	bind = &peer_add(&l.holder, OP_BIND_CONN_TO_SESSION)
			->opbind_conn_to_session;
	memcpy(bind->bctsa_sessid, l.holder.session, NFS4_SESSIONID_SIZE);
	bind->bctsa_dir = CDFC4_FORE_OR_BOTH;
	assert_int_equal(peer_call(&l.holder), NFS4_OK);
	while (l.holder.notifies < FEW - 1) {
		rig_advance(&l.r, 100);
		peer_serve(&l.holder, 5);
	}
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_freed_slot_costs_one_look),
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(the_call_is_passed_on),
		cmocka_unit_test(all_leave_when_it_is_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
