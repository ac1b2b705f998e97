/* SPDX-License-Identifier: MIT */
/* Clients, their leases, sessions and connections (RFC 8881 18.33-18.51). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

static nfsstat4 bind_conn(struct peer *p, channel_dir_from_client4 dir)
{
	BIND_CONN_TO_SESSION4args *args;

	peer_begin_bare(p);
	args = &peer_add(p, OP_BIND_CONN_TO_SESSION)->opbind_conn_to_session;
	memcpy(args->bctsa_sessid, p->session, NFS4_SESSIONID_SIZE);
	args->bctsa_dir = dir;
	return peer_call(p);
}

static nfsstat4 renew(struct peer *p)
{
	peer_begin(p);
	return peer_call(p);
}

/* ---- EXCHANGE_ID, CREATE_SESSION ---- */

static void the_same_owner_is_the_same_client(void **state)
{
	struct peer *p = *state;
	clientid4 id;

	id = p->clientid;
	assert_int_equal(peer_exchange_id(p, 0), NFS4_OK);
	assert_int_equal(p->clientid, id);
	assert_true(peer_last(p)->opexchange_id.eir_resok4.eir_flags &
		EXCHGID4_FLAG_CONFIRMED_R);
	assert_int_equal(renew(p), NFS4_OK);
}

static void a_restarted_client_loses_its_state(void **state)
{
	struct rig *r = *state;
	struct peer old, new;
	stateid4 sid;

	peer_init(&old, r->server, "a");
	sid = open_file(&old, "file", NULL);
	peer_connect(&new, r->server);
	new.owner = "a";
	new.verifier[0] ^= 1;
	assert_int_equal(peer_exchange_id(&new, 0), NFS4_OK);
	assert_true(new.clientid != old.clientid);
	/* Not before it is confirmed. */
	assert_int_equal(renew(&old), NFS4_OK);
	assert_int_equal(peer_create_session(&new, 0), NFS4_OK);
	assert_int_equal(renew(&old), NFS4ERR_BADSESSION);
	peer_begin(&new);
	ask_test_stateid(&new, &sid);
	assert_int_equal(peer_call(&new), NFS4_OK);
	assert_int_equal(
		peer_last(&new)
			->optest_stateid.tsr_resok4.tsr_status_codes.items[0],
		NFS4ERR_BAD_STATEID);
	peer_fini(&old);
	peer_fini(&new);
}

static void another_principal_cannot_take_an_owner(void **state)
{
	struct rig *r = *state;
	struct peer a, b;

	peer_init(&a, r->server, "a");
	open_file(&a, "file", NULL);
	peer_connect(&b, r->server);
	b.owner = "a";
	b.uid = 77;
	assert_int_equal(peer_exchange_id(&b, 0), NFS4ERR_CLID_INUSE);
	assert_int_equal(
		peer_exchange_id(&b, EXCHGID4_FLAG_UPD_CONFIRMED_REC_A),
		NFS4ERR_PERM);
	assert_int_equal(renew(&a), NFS4_OK);
	peer_fini(&a);
	peer_fini(&b);
}

static void updates_need_a_confirmed_record(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	p.owner = "a";
	assert_int_equal(
		peer_exchange_id(&p, EXCHGID4_FLAG_UPD_CONFIRMED_REC_A),
		NFS4ERR_NOENT);
	peer_fini(&p);
	peer_init(&p, r->server, "a");
	assert_int_equal(
		peer_exchange_id(&p, EXCHGID4_FLAG_UPD_CONFIRMED_REC_A),
		NFS4_OK);
	p.verifier[3] ^= 1;
	assert_int_equal(
		peer_exchange_id(&p, EXCHGID4_FLAG_UPD_CONFIRMED_REC_A),
		NFS4ERR_NOT_SAME);
	peer_fini(&p);
}

static void flags_out_of_place_are_invalid(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	p.owner = "a";
	assert_int_equal(
		peer_exchange_id(&p, EXCHGID4_FLAG_CONFIRMED_R), NFS4ERR_INVAL);
	assert_int_equal(peer_exchange_id(&p, 0x08000000), NFS4ERR_INVAL);
	peer_fini(&p);
}

static void create_session_is_replayed(void **state)
{
	struct rig *r = *state;
	struct peer p;
	sessionid4 first;

	peer_connect(&p, r->server);
	peer_start(&p, "a", 0);
	memcpy(first, p.session, sizeof(first));
	p.create_seqid--;
	assert_int_equal(peer_create_session(&p, 0), NFS4_OK);
	assert_memory_equal(p.session, first, sizeof(first));
	p.create_seqid += 5;
	assert_int_equal(peer_create_session(&p, 0), NFS4ERR_SEQ_MISORDERED);
	p.create_seqid -= 5;
	assert_int_equal(peer_create_session(&p, 0), NFS4_OK);
	assert_memory_not_equal(p.session, first, sizeof(first));
	p.clientid ^= 1;
	assert_int_equal(peer_create_session(&p, 0), NFS4ERR_STALE_CLIENTID);
	peer_fini(&p);
}

static void reclaims_are_complete_once(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	peer_start(&p, "a", 0);
	/* No new state before. */
	peer_begin(&p);
	ask_root(&p);
	ask_open_create(&p, "file", UNCHECKED4);
	assert_int_equal(peer_call(&p), NFS4ERR_GRACE);
	assert_int_equal(peer_reclaim_complete(&p), NFS4_OK);
	assert_int_equal(peer_reclaim_complete(&p), NFS4ERR_COMPLETE_ALREADY);
	open_file(&p, "file", NULL);
	peer_fini(&p);
}

static void reclaims_are_refused(void **state)
{
	struct rig *r = *state;
	struct peer p;
	OPEN4args *args;

	peer_connect(&p, r->server);
	peer_start(&p, "a", 0);
	peer_begin(&p);
	ask_root(&p);
	args = ask_open_fh(&p, OPEN4_SHARE_ACCESS_READ);
	args->claim.claim = CLAIM_PREVIOUS;
	assert_int_equal(peer_call(&p), NFS4ERR_NO_GRACE);
	peer_fini(&p);
}

/* ---- the end of sessions and clients ---- */

static void a_destroyed_session_is_bad(void **state)
{
	struct peer *p = *state;

	assert_int_equal(peer_destroy_session(p), NFS4_OK);
	assert_int_equal(peer_destroy_session(p), NFS4ERR_BADSESSION);
	assert_int_equal(renew(p), NFS4ERR_BADSESSION);
}

/* Only on a connection of its own (18.37.3); and last in a compound. */
static void who_may_destroy_a_session(void **state)
{
	struct peer *p = *state;
	nfs_argop4 *arg;

	peer_begin(p);
	arg = peer_add(p, OP_DESTROY_SESSION);
	memcpy(arg->opdestroy_session.dsa_sessionid, p->session,
		NFS4_SESSIONID_SIZE);
	ask_root(p);
	assert_int_equal(peer_call(p), NFS4ERR_NOT_ONLY_OP);
	peer_reconnect(p);
	assert_int_equal(
		peer_destroy_session(p), NFS4ERR_CONN_NOT_BOUND_TO_SESSION);
	assert_int_equal(renew(p), NFS4_OK); /* binds */
	peer_begin(p);
	arg = peer_add(p, OP_DESTROY_SESSION);
	memcpy(arg->opdestroy_session.dsa_sessionid, p->session,
		NFS4_SESSIONID_SIZE);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(renew(p), NFS4ERR_BADSESSION);
}

static void a_client_with_something_left_is_busy(void **state)
{
	struct peer *p = *state;
	stateid4 sid;
	struct handle fh;

	sid = open_file(p, "file", &fh);
	assert_int_equal(peer_destroy_clientid(p), NFS4ERR_CLIENTID_BUSY);
	assert_int_equal(peer_destroy_session(p), NFS4_OK);
	assert_int_equal(peer_destroy_clientid(p), NFS4ERR_CLIENTID_BUSY);
	/* It lost nothing by that. */
	assert_int_equal(peer_create_session(p, 0), NFS4_OK);
	peer_begin(p);
	ask_fh(p, &fh);
	ask_close(p, &sid);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(peer_destroy_session(p), NFS4_OK);
	assert_int_equal(peer_destroy_clientid(p), NFS4_OK);
	assert_int_equal(peer_destroy_clientid(p), NFS4ERR_STALE_CLIENTID);
}

static void an_expired_client_without_state_is_gone(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_init(&p, r->server, "a");
	rig_advance(r, 2 * RIG_LEASE_MS);
	rig_advance(r, RIG_LEASE_MS);
	assert_int_equal(renew(&p), NFS4ERR_BADSESSION);
	peer_fini(&p);
}

/* Who comes back before anybody minded has lost nothing (8.4.3). */
static void a_courtesy_client_comes_back(void **state)
{
	struct rig *r = *state;
	struct peer p;
	struct handle fh;
	stateid4 sid;

	peer_init(&p, r->server, "a");
	sid = open_file(&p, "file", &fh);
	for (int i = 0; i < 4; i++)
		rig_advance(r, RIG_LEASE_MS);
	assert_int_equal(peer_status_flags(&p), 0);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 0, "still mine", FILE_SYNC4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_fini(&p);
}

static void a_courtesy_client_is_in_nobodys_way(void **state)
{
	struct rig *r = *state;
	struct peer a, b;
	struct handle fh;

	peer_init(&a, r->server, "a");
	peer_init(&b, r->server, "b");
	open_file(&a, "file", &fh);
	peer_begin(&a);
	ask_fh(&a, &fh);
	ask_open_fh(&a, OPEN4_SHARE_ACCESS_READ)->share_deny =
		OPEN4_SHARE_DENY_WRITE;
	a.ops[2].opopen.owner.owner = xdr_opaque_from_str("other");
	/* Its own write access is in the way of the denial. */
	assert_int_equal(peer_call(&a), NFS4ERR_SHARE_DENIED);
	peer_begin(&b);
	ask_fh(&b, &fh);
	ask_open_fh(&b, OPEN4_SHARE_ACCESS_READ)->share_deny =
		OPEN4_SHARE_DENY_WRITE;
	b.ops[2].opopen.owner.owner = xdr_opaque_from_str("other");
	b.uid = 1000;
	assert_int_equal(peer_call(&b), NFS4ERR_SHARE_DENIED);
	rig_advance(r, RIG_LEASE_MS - 1000);
	assert_int_equal(renew(&b), NFS4_OK);
	rig_advance(r, 2000);
	peer_begin(&b);
	ask_fh(&b, &fh);
	ask_open_fh(&b, OPEN4_SHARE_ACCESS_READ)->share_deny =
		OPEN4_SHARE_DENY_WRITE;
	assert_int_equal(peer_call(&b), NFS4_OK);
	/* The price. */
	assert_int_equal(renew(&a), NFS4ERR_BADSESSION);
	peer_fini(&a);
	peer_fini(&b);
}

/* ---- connections ---- */

static void connections_are_bound_as_asked(void **state)
{
	struct peer *p = *state;

	assert_int_equal(peer_status_flags(p), 0);
	peer_reconnect(p);
	/* The new one is bound to the fore channel by SEQUENCE. */
	for (int i = 0;
		i < 1000 && !(peer_status_flags(p) & SEQ4_STATUS_CB_PATH_DOWN);
		i++)
		;
	assert_true(peer_status_flags(p) & SEQ4_STATUS_CB_PATH_DOWN);
	assert_int_equal(bind_conn(p, CDFC4_FORE_OR_BOTH), NFS4_OK);
	assert_int_equal(
		peer_last(p)->opbind_conn_to_session.bctsr_resok4.bctsr_dir,
		CDFS4_BOTH);
	assert_int_equal(peer_status_flags(p), 0);
	assert_int_equal(bind_conn(p, CDFC4_BACK), NFS4ERR_INVAL);
	p->session[1] ^= 1;
	assert_int_equal(bind_conn(p, CDFC4_FORE), NFS4ERR_BADSESSION);
}

static void the_back_channel_is_reset(void **state)
{
	static callback_sec_parms4 sec[2] = {
		{.cb_secflavor = AUTH_NONE}, {.cb_secflavor = 6}};
	struct peer *p = *state;
	BACKCHANNEL_CTL4args *args;

	peer_begin(p);
	args = &peer_add(p, OP_BACKCHANNEL_CTL)->opbackchannel_ctl;
	args->bca_cb_program = 0x40000000;
	args->bca_sec_parms.count = 1;
	args->bca_sec_parms.items = sec;
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(make_dir(p, "dir"), NFS4_OK);
	take_dir_delegation(p, "dir", 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define PEER_TEST(f) \
	cmocka_unit_test_setup_teardown(f, rig_setup_peer, rig_teardown_peer)
	const struct CMUnitTest tests[] = {
		PEER_TEST(the_same_owner_is_the_same_client),
		TEST(a_restarted_client_loses_its_state),
		TEST(another_principal_cannot_take_an_owner),
		TEST(updates_need_a_confirmed_record),
		TEST(flags_out_of_place_are_invalid),
		TEST(create_session_is_replayed),
		TEST(reclaims_are_complete_once),
		TEST(reclaims_are_refused),
		PEER_TEST(a_destroyed_session_is_bad),
		PEER_TEST(who_may_destroy_a_session),
		PEER_TEST(a_client_with_something_left_is_busy),
		TEST(an_expired_client_without_state_is_gone),
		TEST(a_courtesy_client_comes_back),
		TEST(a_courtesy_client_is_in_nobodys_way),
		PEER_TEST(connections_are_bound_as_asked),
		PEER_TEST(the_back_channel_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
