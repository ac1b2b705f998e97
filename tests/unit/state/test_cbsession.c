/* SPDX-License-Identifier: MIT */
/* The back channel: slots, seqids, lost connections, health. */
#include "world.h"

#include <pthread.h>

#include "state/cbsession.h"

#define DOWN_BOTH (SEQ4_STATUS_CB_PATH_DOWN | SEQ4_STATUS_CB_PATH_DOWN_SESSION)

static struct cb_slot take(struct peer *p)
{
	struct cb_slot slot;

	assert_int_equal(
		cbsession_slot_take(p->client, 0, &slot), CB_SLOT_TAKEN);
	return slot;
}

/* A callback that is answered: the channel is known to work. */
static void prove(struct peer *p)
{
	struct cb_slot slot = take(p);

	cbsession_slot_give(&slot, CB_ANSWERED);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_UP);
}

static nfsstat4 bind_both(struct peer *p, struct fake_conn *conn)
{
	BIND_CONN_TO_SESSION4args args = {.bctsa_dir = CDFC4_FORE_OR_BOTH};
	BIND_CONN_TO_SESSION4resok res;

	memcpy(args.bctsa_sessid, p->session.csr_sessionid, 16);
	return session_bind_conn(p->w->state, &args, conn, &res);
}

static void test_slots_and_seqids(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct cb_slot s[4], more;

	assert_int_equal(cbsession_health(p->client), CB_HEALTH_UNKNOWN);
	assert_int_equal(cbsession_max_request(p->client), 4096);
	for (int i = 0; i < 4; i++) {
		s[i] = take(p);
		assert_int_equal(s[i].slot, i);
		assert_int_equal(s[i].seqid, 1);
		assert_int_equal(s[i].highest, i);
		assert_int_equal(s[i].program, 0x40000000);
		assert_int_equal(s[i].max_request, 4096);
		assert_int_equal(s[i].max_ops, 2);
		assert_int_equal(s[i].minor_version, 1);
		assert_memory_equal(
			s[i].session_id, p->session.csr_sessionid, 16);
		assert_ptr_equal(s[i].conn, p->conn);
	}
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &more), CB_SLOT_BUSY);
	assert_false(cbsession_has_free_slot(p->client));
	assert_int_equal(w->readies, 0);
	cbsession_slot_give(&s[1], CB_ANSWERED);
	assert_int_equal(w->readies, 1);
	assert_true(cbsession_has_free_slot(p->client));
	more = take(p);
	assert_int_equal(more.slot, 1);
	assert_int_equal(more.seqid, 2);
	cbsession_slot_give(&more, CB_NOT_SENT);
	more = take(p);
	assert_int_equal(more.seqid, 2); /* not used: still the same */
	cbsession_slot_give(&more, CB_SEQ_DELAY);
	more = take(p);
	assert_int_equal(more.seqid, 2);
	cbsession_slot_give(&more, CB_ANSWERED);
	cbsession_slot_give(&s[0], CB_ANSWERED);
	cbsession_slot_give(&s[2], CB_ANSWERED);
	cbsession_slot_give(&s[3], CB_ANSWERED);
	assert_int_equal(w->readies, 1); /* nobody waited */
}

static void test_size_and_target(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot, other;

	assert_int_equal(
		cbsession_slot_take(p->client, 4097, &slot), CB_SLOT_DOWN);
	assert_int_equal(
		cbsession_slot_take(p->client, 4096, &slot), CB_SLOT_TAKEN);
	slot.target_highest = 0; /* the client wants one at a time */
	cbsession_slot_give(&slot, CB_ANSWERED);
	slot = take(p);
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &other), CB_SLOT_BUSY);
	slot.target_highest = 1000;
	cbsession_slot_give(&slot, CB_ANSWERED);
	slot = take(p);
	other = take(p);
	cbsession_slot_give(&slot, CB_ANSWERED);
	cbsession_slot_give(&other, CB_ANSWERED);
}

/* The answer renews the lease (2.10.2.2). */
static void test_answer_renews(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;

	world_advance(w, 89999);
	prove(p);
	world_advance(w, 89999);
	assert_false(client_is_expired(p->client));
	world_advance(w, 1);
	assert_true(client_is_expired(p->client));
}

/* ---- lost connections ---- */

static void test_retry_on_other_connection(void **arg)
{
	struct peer *p = *arg;
	struct fake_conn *other = conn_make();
	struct cb_slot slot;

	assert_int_equal(bind_both(p, other), NFS4_OK);
	slot = take(p);
	assert_ptr_equal(slot.conn, other); /* the newest */
	assert_true(cbsession_slot_retry(&slot));
	assert_ptr_equal(slot.conn, p->conn);
	assert_int_equal(slot.seqid, 1);
	assert_int_equal(other->refs, 1);
	session_conn_gone(p->w->state, other);
	conn_drop(other);
	assert_int_equal(peer_sequence(p), 0);
	assert_false(cbsession_slot_retry(&slot));
	assert_int_equal(peer_sequence(p), DOWN_BOTH);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_DOWN);
}

static void test_slot_in_doubt(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot, all[4];

	slot = take(p);
	assert_false(cbsession_slot_retry(&slot)); /* lost, no other */
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &slot), CB_SLOT_DOWN);
	assert_int_equal(bind_both(p, p->conn), NFS4_OK); /* it is well */
	for (int i = 0; i < 4; i++)
		all[i] = take(p);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(all[i].slot, i + 1); /* the others first */
		assert_false(all[i].uncertain);
		cbsession_slot_give(&all[i], CB_ANSWERED);
	}
	assert_int_equal(all[3].slot, 0);
	assert_true(all[3].uncertain);
	assert_int_equal(all[3].seqid, 1);
	/* RETRY_UNCACHED_REP, say: it had seen that one. */
	cbsession_slot_give(&all[3], CB_SEQ_ERROR);
	slot = take(p);
	assert_int_equal(slot.slot, 0);
	assert_int_equal(slot.seqid, 2);
	assert_false(slot.uncertain);
	cbsession_slot_give(&slot, CB_SEQ_ERROR);
	slot = take(p);
	assert_int_equal(slot.seqid, 2); /* no doubt, no seqid used */
	cbsession_slot_give(&slot, CB_ANSWERED);
}

/* One that its client is still busy with does not keep the others waiting. */
static void test_slots_in_doubt_take_turns(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot, all[4];

	for (int i = 0; i < 4; i++)
		all[i] = take(p);
	for (int i = 0; i < 4; i++)
		cbsession_slot_give(&all[i], CB_CONN_LOST);
	assert_int_equal(bind_both(p, p->conn), NFS4_OK);
	slot = take(p);
	assert_int_equal(slot.slot, 0);
	assert_true(slot.uncertain);
	cbsession_slot_give(&slot, CB_SEQ_DELAY);
	slot = take(p);
	assert_int_equal(slot.slot, 1);
	assert_true(slot.uncertain);
	cbsession_slot_give(&slot, CB_ANSWERED);
	slot = take(p);
	assert_int_equal(slot.slot, 1);
	assert_false(slot.uncertain);
	cbsession_slot_give(&slot, CB_ANSWERED);
}

/* Busy with what it got on a connection that was lost, say. */
static void test_delay_is_a_doubt(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	prove(p);
	slot = take(p);
	assert_int_equal(slot.slot, 0);
	cbsession_slot_give(&slot, CB_SEQ_DELAY);
	slot = take(p);
	assert_int_equal(slot.slot, 1);
	assert_false(slot.uncertain);
	cbsession_slot_give(&slot, CB_ANSWERED);
}

static void test_connection_gone_while_sending(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	prove(p);
	slot = take(p);
	session_conn_gone(p->w->state, p->conn);
	assert_int_equal(p->conn->refs, 1); /* the callback's */
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_DOWN);
	assert_false(cbsession_slot_retry(&slot));
	assert_int_equal(p->conn->refs, 0);
}

static void test_session_destroyed_while_sending(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	slot = take(p);
	assert_int_equal(
		session_destroy(p->w->state, p->session.csr_sessionid, p->conn),
		NFS4_OK);
	assert_false(cbsession_slot_retry(&slot));
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &slot), CB_SLOT_DOWN);
}

static void test_client_ends_while_waiting(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot s[4], more;

	for (int i = 0; i < 4; i++)
		s[i] = take(p);
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &more), CB_SLOT_BUSY);
	client_end(p->client, CLIENT_END_ADMIN);
	assert_true(p->w->readies > 0);
	assert_true(cbsession_has_free_slot(p->client)); /* or down: look */
	assert_int_equal(
		cbsession_slot_take(p->client, 0, &more), CB_SLOT_DOWN);
	for (int i = 0; i < 4; i++)
		cbsession_slot_give(&s[i], CB_CONN_LOST);
}

/* ---- health and flags ---- */

static void test_time_out(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	prove(p);
	assert_int_equal(peer_sequence(p), 0);
	slot = take(p);
	cbsession_slot_give(&slot, CB_TIMED_OUT);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_DOWN);
	assert_int_equal(cbsession_max_request(p->client), 0);
	assert_int_equal(peer_sequence(p), DOWN_BOTH);
	assert_int_equal(bind_both(p, p->conn), NFS4_OK);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_UNKNOWN);
	assert_int_equal(peer_sequence(p), 0);
	prove(p);
}

static void test_slots_out_of_step(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	slot = take(p);
	cbsession_slot_give(&slot, CB_SEQ_MISORDERED);
	assert_int_equal(
		peer_sequence(p), DOWN_BOTH | SEQ4_STATUS_BACKCHANNEL_FAULT);
	bind_both(p, p->conn); /* does not help: the session must go */
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_DOWN);
}

static void test_client_forgot_session(void **arg)
{
	struct peer *p = *arg;
	struct cb_slot slot;

	slot = take(p);
	cbsession_slot_give(&slot, CB_SEQ_BADSESSION);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_DOWN);
	assert_int_equal(peer_sequence(p), DOWN_BOTH);
}

/* Who never wanted a back channel is not told that it is down. */
static void test_never_wanted(void **arg)
{
	struct world *w = world_new();
	struct peer p = {.w = w, .conn = conn_make(), .seqid = {1}};
	EXCHANGE_ID4resok id = exchange(w, "a", 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	struct cb_slot slot;

	args.csa_flags = 0;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, p.conn, &p.session),
		NFS4_OK);
	assert_int_equal(p.session.csr_flags, 0);
	p.client = client_find(w->state, id.eir_clientid);
	assert_int_equal(peer_sequence(&p), 0);
	assert_int_equal(cbsession_slot_take(p.client, 0, &slot), CB_SLOT_DOWN);
	assert_int_equal(bind_both(&p, p.conn), NFS4_OK);
	prove(&p);
	peer_drop(&p);
	world_free(w);
}

/* Two sessions: the path is down only when both are. */
static void test_two_sessions(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct fake_conn *other = conn_make();
	CREATE_SESSION4args args;
	CREATE_SESSION4resok second;
	struct cb_slot slot;

	prove(p);
	args = session_args(p->client->id, 2);
	assert_int_equal(
		session_create(w->state, &args, 1, &root, other, &second),
		NFS4_OK);
	slot = take(p);
	assert_ptr_equal(slot.conn, p->conn); /* the one that has answered */
	cbsession_slot_give(&slot, CB_TIMED_OUT);
	assert_int_equal(peer_sequence(p), SEQ4_STATUS_CB_PATH_DOWN_SESSION);
	slot = take(p);
	assert_ptr_equal(slot.conn, other);
	cbsession_slot_give(&slot, CB_ANSWERED);
	session_conn_gone(w->state, other);
	assert_int_equal(peer_sequence(p), DOWN_BOTH);
	conn_drop(other);
}

/* ---- security ---- */

static void test_authsys(void **arg)
{
	static uint32_t gids[] = {7, 8};
	static const uint8_t body[] = {0, 0, 0, 5, 0, 0, 0, 5, 'h', 'o', 's',
		't', '1', 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0,
		7, 0, 0, 0, 8};
	struct peer *p = *arg;
	callback_sec_parms4 offers[] = {
		{.cb_secflavor = AUTH_NONE},
		{.cb_secflavor = RPCSEC_GSS},
		{.cb_secflavor = AUTH_SYS,
			.cbsp_sys_cred = {.stamp = 5,
				.machinename = bytes_of("host1"),
				.uid = 1,
				.gid = 2,
				.gids = {2, gids}}},
	};
	BACKCHANNEL_CTL4args args = {.bca_cb_program = 99};
	struct session *ss;
	struct cb_slot slot;

	slot = take(p);
	assert_int_equal(slot.auth_flavor, AUTH_NONE);
	cbsession_slot_give(&slot, CB_ANSWERED);
	ss = session_find(p->w->state, p->session.csr_sessionid);
	args.bca_sec_parms.count = 1;
	args.bca_sec_parms.items = &offers[1]; /* a GSS context of nobody's */
	assert_int_equal(session_backchannel_ctl(ss, &args), NFS4ERR_NOENT);
	slot = take(p);
	assert_int_equal(slot.program, 0x40000000);
	cbsession_slot_give(&slot, CB_ANSWERED);
	args.bca_sec_parms.count = 3;
	args.bca_sec_parms.items = offers;
	assert_int_equal(session_backchannel_ctl(ss, &args), NFS4_OK);
	assert_int_equal(cbsession_health(p->client), CB_HEALTH_UNKNOWN);
	slot = take(p);
	assert_int_equal(slot.program, 99);
	assert_int_equal(slot.auth_flavor, AUTH_SYS);
	assert_int_equal(slot.auth_body_size, sizeof(body));
	assert_memory_equal(slot.auth_body, body, sizeof(body));
	cbsession_slot_give(&slot, CB_ANSWERED);
	args.bca_sec_parms.count = 0; /* only the program */
	args.bca_cb_program = 100;
	assert_int_equal(session_backchannel_ctl(ss, &args), NFS4_OK);
	slot = take(p);
	assert_int_equal(slot.program, 100);
	assert_int_equal(slot.auth_flavor, AUTH_SYS);
	cbsession_slot_give(&slot, CB_ANSWERED);
	session_put(ss);
}

/* Only GSS on offer: the session works, its back channel does not. */
static void test_no_usable_security(void **arg)
{
	callback_sec_parms4 gss = {.cb_secflavor = RPCSEC_GSS};
	struct world *w = world_new();
	EXCHANGE_ID4resok id = exchange(w, "a", 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	struct peer p = {.w = w, .conn = conn_make(), .seqid = {1}};
	BIND_CONN_TO_SESSION4args bind = {.bctsa_dir = CDFC4_FORE_OR_BOTH};
	BIND_CONN_TO_SESSION4resok bound;

	args.csa_sec_parms.items = &gss;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, p.conn, &p.session),
		NFS4_OK);
	assert_int_equal(p.session.csr_flags, 0);
	memcpy(bind.bctsa_sessid, p.session.csr_sessionid, 16);
	assert_int_equal(
		session_bind_conn(w->state, &bind, p.conn, &bound), NFS4_OK);
	assert_int_equal(bound.bctsr_dir, CDFS4_FORE);
	p.client = client_find(w->state, id.eir_clientid);
	assert_int_equal(cbsession_health(p.client), CB_HEALTH_DOWN);
	peer_drop(&p);
	world_free(w);
}

/* ---- waiting for the probe ---- */

static void *answer_probe(void *arg)
{
	struct peer *p = arg;
	struct cb_slot slot;

	while (p->w->probes == 0)
		sched_yield();
	slot = take(p);
	cbsession_slot_give(&slot, CB_ANSWERED);
	return NULL;
}

static void test_wait_for_health(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	pthread_t thread;

	assert_int_equal(
		cbsession_wait_health(p->client, 1), CB_HEALTH_UNKNOWN);
	assert_int_equal(w->probes, 1);
	w->probes = 0;
	pthread_create(&thread, NULL, answer_probe, p);
	assert_int_equal(cbsession_wait_health(p->client, 60000), CB_HEALTH_UP);
	pthread_join(thread, NULL);
	assert_int_equal(w->probes, 1);
	assert_int_equal(cbsession_wait_health(p->client, 1), CB_HEALTH_UP);
	assert_int_equal(w->probes, 1);
	session_conn_gone(w->state, p->conn);
	assert_int_equal(
		cbsession_wait_health(p->client, 60000), CB_HEALTH_DOWN);
}

/* ---- threads: callbacks, connections that come and go, one session ---- */

struct sender {
	pthread_t thread;
	struct peer *peer;
	atomic_int *stop;
	atomic_int sent;
};

static void end_one(struct cb_slot *slot, int i)
{
	if (i % 7 == 0 && !cbsession_slot_retry(slot))
		return; /* given back */
	cbsession_slot_give(slot, i % 11 ? CB_ANSWERED : CB_SEQ_DELAY);
}

static void *send_callbacks(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; !*s->stop; i++) {
		struct cb_slot slot;

		if (cbsession_slot_take(s->peer->client, 0, &slot) ==
			CB_SLOT_TAKEN) {
			end_one(&slot, i);
			s->sent++;
		}
	}
	return NULL;
}

static void test_race_connections(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct sender s[3];
	struct fake_conn *conn[200];
	atomic_int stop = 0;

	for (int i = 0; i < 3; i++) {
		s[i].peer = p;
		s[i].stop = &stop;
		s[i].sent = 0;
		pthread_create(&s[i].thread, NULL, send_callbacks, &s[i]);
	}
	for (int i = 0; i < 200; i++) {
		conn[i] = conn_make();
		assert_int_equal(bind_both(p, conn[i]), NFS4_OK);
		if (i > 0)
			session_conn_gone(w->state, conn[i - 1]);
	}
	while (s[0].sent + s[1].sent + s[2].sent == 0)
		bind_both(p, conn[199]);
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(s[i].thread, NULL);
	session_conn_gone(w->state, conn[199]);
	for (int i = 0; i < 200; i++)
		conn_drop(conn[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_slots_and_seqids),
		TEST(test_size_and_target),
		TEST(test_answer_renews),
		TEST(test_retry_on_other_connection),
		TEST(test_slot_in_doubt),
		TEST(test_slots_in_doubt_take_turns),
		TEST(test_delay_is_a_doubt),
		TEST(test_connection_gone_while_sending),
		TEST(test_session_destroyed_while_sending),
		TEST(test_client_ends_while_waiting),
		TEST(test_time_out),
		TEST(test_slots_out_of_step),
		TEST(test_client_forgot_session),
		cmocka_unit_test(test_never_wanted),
		TEST(test_two_sessions),
		TEST(test_authsys),
		cmocka_unit_test(test_no_usable_security),
		TEST(test_wait_for_health),
		TEST(test_race_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
