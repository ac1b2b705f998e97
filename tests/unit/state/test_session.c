/* SPDX-License-Identifier: MIT */
/* CREATE_SESSION, slots and replay, connections, DESTROY_SESSION. */
#include "world.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/rand.h"
#include "state/policy_session.h"

#define LEASE_MS 90000

/* ---- pure decisions ---- */

static void test_policy_slot(void **arg)
{
	static const uint32_t seqids[] = {0, 1, 2, 7, UINT32_MAX};

	for (int i = 0; i < 5 * 3 * 3; i++) {
		uint32_t ours = seqids[i % 5];
		enum slot_use use = i / 5 % 3;
		enum slot_has has = i / 15;
		enum slot_step step = 99;

		/* One behind, two ahead: misordered whatever the slot does. */
		assert_int_equal(policy_slot(ours, ours - 1, use, has, &step),
			NFS4ERR_SEQ_MISORDERED);
		assert_int_equal(policy_slot(ours, ours + 2, use, has, &step),
			NFS4ERR_SEQ_MISORDERED);
		assert_int_equal(policy_slot(ours, ours + 1, use, has, &step),
			use == SLOT_FREE              ? NFS4_OK
				: use == SLOT_RUNNING ? NFS4ERR_SEQ_MISORDERED
						      : NFS4ERR_DELAY);
		if (use == SLOT_FREE)
			assert_int_equal(step, SLOT_STEP_RUN);
		assert_int_equal(policy_slot(ours, ours, use, has, &step),
			use != SLOT_FREE ? NFS4ERR_DELAY
				: has == SLOT_HAS_NOTHING
				? NFS4ERR_SEQ_MISORDERED
				: NFS4_OK);
		if (use == SLOT_FREE && has != SLOT_HAS_NOTHING)
			assert_int_equal(step,
				has == SLOT_HAS_REPLY ? SLOT_STEP_REPLAY
						      : SLOT_STEP_UNCACHED);
	}
}

static void test_policy_bind(void **arg)
{
	static const channel_dir_from_client4 asked[] = {
		CDFC4_FORE, CDFC4_BACK, CDFC4_FORE_OR_BOTH, CDFC4_BACK_OR_BOTH};
	/* Rows: what it carries; columns: what is asked; 0 = INVAL. */
	static const unsigned expected[4][4] = {
		{CDFS4_FORE, CDFS4_BACK, CDFS4_BOTH, CDFS4_BOTH},
		{CDFS4_FORE, 0, CDFS4_BOTH, CDFS4_BOTH},
		{0, CDFS4_BACK, CDFS4_BOTH, CDFS4_BOTH},
		{0, 0, CDFS4_BOTH, CDFS4_BOTH},
	};

	for (unsigned has = 0; has < 4; has++) {
		for (int i = 0; i < 4; i++) {
			unsigned got = 0;
			nfsstat4 status = policy_bind(has, asked[i], &got);

			assert_int_equal(got, expected[has][i]);
			assert_int_equal(status, got ? NFS4_OK : NFS4ERR_INVAL);
		}
	}
	unsigned got;
	assert_int_equal(policy_bind(0, 4, &got), NFS4ERR_INVAL);
}

static void test_policy_create_slot(void **arg)
{
	assert_int_equal(policy_create_slot(0, 0), CREATE_REPLAY);
	assert_int_equal(policy_create_slot(0, 1), CREATE_NEXT);
	assert_int_equal(policy_create_slot(UINT32_MAX, 0), CREATE_NEXT);
	assert_int_equal(policy_create_slot(5, 4), CREATE_MISORDERED);
	assert_int_equal(policy_create_slot(5, 7), CREATE_MISORDERED);
}

static void test_policy_channels(void **arg)
{
	const struct channel_limits max = {1000, 2000, 500, 16, 8};
	channel_attrs4 asked = {64, 9999, 9999, 9999, 99, 99, {0, NULL}}, got;

	assert_int_equal(policy_fore_channel(&asked, &max, &got), NFS4_OK);
	assert_int_equal(got.ca_headerpadsize, 0);
	assert_int_equal(got.ca_maxrequestsize, 1000);
	assert_int_equal(got.ca_maxresponsesize, 2000);
	assert_int_equal(got.ca_maxresponsesize_cached, 500);
	assert_int_equal(got.ca_maxoperations, 16);
	assert_int_equal(got.ca_maxrequests, 8);
	assert_int_equal(policy_back_channel(&asked, &max, &got), NFS4_OK);
	assert_int_equal(got.ca_maxoperations, 99); /* the client's to say */
	assert_int_equal(got.ca_maxrequests, 99);
	assert_int_equal(got.ca_maxrequestsize, 1000);
	asked = (channel_attrs4){0, 300, 200, 9999, 2, 1, {0, NULL}};
	assert_int_equal(policy_fore_channel(&asked, &max, &got), NFS4_OK);
	assert_int_equal(got.ca_maxrequestsize, 300); /* nothing is raised */
	assert_int_equal(got.ca_maxresponsesize_cached, 200);
	asked.ca_maxresponsesize_cached = 0;
	assert_int_equal(policy_fore_channel(&asked, &max, &got), NFS4_OK);
	assert_int_equal(got.ca_maxresponsesize_cached, 0);
}

static void too_small(
	count4 *field, count4 value, CREATE_SESSION4args *args, struct world *w)
{
	count4 was = *field;
	CREATE_SESSION4resok res;

	*field = value;
	assert_int_equal(session_create(w->state, args, 1, &root, NULL, &res),
		NFS4ERR_TOOSMALL);
	*field = was;
}

/* ---- CREATE_SESSION ---- */

static void test_create_too_small(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok id = exchange(w, "a", 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	channel_attrs4 *fore = &args.csa_fore_chan_attrs;
	channel_attrs4 *back = &args.csa_back_chan_attrs;
	CREATE_SESSION4resok res;

	too_small(&fore->ca_maxrequestsize, 20, &args, w);
	too_small(&fore->ca_maxresponsesize, 0, &args, w);
	too_small(&fore->ca_maxoperations, 0, &args, w);
	too_small(&fore->ca_maxrequests, 0, &args, w);
	too_small(&back->ca_maxrequestsize, 10, &args, w);
	too_small(&back->ca_maxresponsesize, 10, &args, w);
	too_small(&back->ca_maxoperations, 1, &args, w);
	too_small(&back->ca_maxrequests, 0, &args, w);
	args.csa_flags = 8;
	assert_int_equal(session_create(w->state, &args, 1, &root, NULL, &res),
		NFS4ERR_INVAL);
	args.csa_flags = 7; /* and none of that used up the sequence id */
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &res), NFS4_OK);
	assert_int_equal(res.csr_flags, CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
	assert_int_equal(res.csr_sequence, args.csa_sequence);
	world_free(w);
}

static void test_create_replay(void **arg)
{
	struct world *w = world_new();
	EXCHANGE_ID4resok id = exchange(w, "a", 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	CREATE_SESSION4resok first, again;
	struct state_stats stats;

	args.csa_sequence--;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &again),
		NFS4ERR_SEQ_MISORDERED); /* contrived: there was none */
	args.csa_sequence++;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &first),
		NFS4_OK);
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &again),
		NFS4_OK);
	assert_memory_equal(&first, &again, sizeof(first));
	args.csa_sequence += 2;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &again),
		NFS4ERR_SEQ_MISORDERED);
	args.csa_sequence--;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &again),
		NFS4_OK);
	assert_memory_not_equal(first.csr_sessionid, again.csr_sessionid, 16);
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.sessions, 2);
	args.csa_clientid++;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, NULL, &again),
		NFS4ERR_STALE_CLIENTID);
	world_free(w);
}

static void test_create_limits(void **arg)
{
	struct world w;
	EXCHANGE_ID4resok id;
	CREATE_SESSION4args args;
	CREATE_SESSION4resok res;
	uint32_t slots = 64;

	world_prepare(&w);
	w.config.max_sessions = 4;
	w.config.max_cache_bytes = 200000;
	world_start(&w);
	id = exchange(&w, "a", 1);
	args = session_args(id.eir_clientid, id.eir_sequenceid);
	args.csa_fore_chan_attrs.ca_maxrequests = 64;
	for (int i = 0; i < 4; i++, args.csa_sequence++) {
		assert_int_equal(
			session_create(w.state, &args, 1, &root, NULL, &res),
			NFS4_OK);
		assert_true(res.csr_fore_chan_attrs.ca_maxrequests < slots);
		slots = res.csr_fore_chan_attrs.ca_maxrequests;
		assert_true(slots > 0); /* others still get some */
	}
	assert_int_equal(session_create(w.state, &args, 1, &root, NULL, &res),
		NFS4ERR_NOSPC);
	args.csa_sequence += 2;
	assert_int_equal(session_create(w.state, &args, 1, &root, NULL, &res),
		NFS4ERR_SEQ_MISORDERED); /* which changes nothing */
	args.csa_sequence--;
	assert_int_equal(session_create(w.state, &args, 1, &root, NULL, &res),
		NFS4ERR_NOSPC);
	id = exchange(&w, "a", 1);
	assert_int_equal(id.eir_sequenceid, args.csa_sequence + 1);
	world_stop(&w);
}

/* No memory left for a single slot: DELAY, until somebody leaves. */
static void test_create_without_memory(void **arg)
{
	struct world w;
	EXCHANGE_ID4resok id;
	CREATE_SESSION4args args;
	CREATE_SESSION4resok res;

	world_prepare(&w);
	w.config.max_cache_bytes = 10000; /* one slot */
	world_start(&w);
	id = exchange(&w, "a", 1);
	args = session_args(id.eir_clientid, id.eir_sequenceid);
	assert_int_equal(
		session_create(w.state, &args, 1, &root, NULL, &res), NFS4_OK);
	id = exchange(&w, "b", 1);
	args = session_args(id.eir_clientid, id.eir_sequenceid);
	assert_int_equal(session_create(w.state, &args, 1, &root, NULL, &res),
		NFS4ERR_DELAY);
	world_advance(&w, LEASE_MS - 1);
	id = exchange(&w, "b", 1);
	world_advance(&w, LEASE_MS / 4 + 2);
	args = session_args(id.eir_clientid, id.eir_sequenceid);
	assert_int_equal(
		session_create(w.state, &args, 1, &root, NULL, &res), NFS4_OK);
	world_stop(&w);
}

/* ---- SEQUENCE ---- */

static void test_sequence_runs_and_replays(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call;
	struct state_stats stats;
	const void *data;
	size_t size;

	assert_int_equal(call_begin(p, 0, 0, 5, &call),
		NFS4ERR_SEQ_MISORDERED); /* contrived: there was none */
	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4_OK);
	assert_int_equal(call.verdict, SLOT_NEW);
	assert_int_equal(call.res.sr_sequenceid, 1);
	assert_int_equal(call.res.sr_highest_slotid, 7);
	assert_true(session_slot_cachethis(call.slot));
	assert_int_equal(session_slot_cache_limit(call.slot), 8192);
	call_end(&call, "the reply");
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.replay_bytes, 9);
	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4_OK);
	assert_int_equal(call.verdict, SLOT_REPLAY);
	session_slot_reply(call.slot, &data, &size);
	assert_int_equal(size, 9);
	assert_memory_equal(data, "the reply", 9);
	call_end(&call, NULL);
	assert_int_equal(call_begin(p, 0, 3, 5, &call), NFS4ERR_SEQ_MISORDERED);
	assert_int_equal(call_begin(p, 0, 2, 5, &call), NFS4_OK);
	call_end(&call, NULL); /* not kept */
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.replay_bytes, 0);
	assert_int_equal(call_begin(p, 0, 2, 5, &call), NFS4_OK);
	assert_int_equal(call.verdict, SLOT_UNCACHED);
	call_end(&call, NULL);
	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4ERR_SEQ_MISORDERED);
}

static void test_sequence_in_progress(void **arg)
{
	struct peer *p = *arg;
	struct call call, other;

	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4_OK);
	assert_int_equal(call_begin(p, 0, 1, 5, &other), NFS4ERR_DELAY);
	assert_int_equal(
		call_begin(p, 0, 2, 5, &other), NFS4ERR_SEQ_MISORDERED);
	assert_int_equal(call_begin(p, 1, 1, 5, &other), NFS4_OK);
	call_end(&other, "other slot");
	call_end(&call, "x");
	/* While a reply is being sent again the slot waits. */
	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4_OK);
	assert_int_equal(call_begin(p, 0, 2, 5, &other), NFS4ERR_DELAY);
	call_end(&call, NULL);
	assert_int_equal(call_begin(p, 0, 2, 5, &call), NFS4_OK);
	call_end(&call, "y");
}

static void test_sequence_false_retry(void **arg)
{
	struct peer *p = *arg;
	struct call call;
	SEQUENCE4args args = {.sa_sequenceid = 1};
	struct session_request request = {.minor_version = 1,
		.nops = 2,
		.size = 200,
		.reply_size = 100,
		.digest = 5,
		.who = &alice};

	assert_int_equal(call_begin(p, 0, 1, 5, &call), NFS4_OK);
	call_end(&call, "x");
	assert_int_equal(
		call_begin(p, 0, 1, 6, &call), NFS4ERR_SEQ_FALSE_RETRY);
	memcpy(args.sa_sessionid, p->session.csr_sessionid, 16);
	request.conn = p->conn;
	assert_int_equal(
		session_sequence(p->w->state, &args, &request, &call.res,
			&call.session, &call.slot, &call.verdict),
		NFS4ERR_SEQ_FALSE_RETRY);
}

static void test_sequence_wraps(void **arg)
{
	struct peer *p = *arg;
	struct call call;
	enum slot_step step;

	/* Four thousand million calls are too many for a test. */
	assert_int_equal(
		policy_slot(UINT32_MAX, 0, SLOT_FREE, SLOT_HAS_REPLY, &step),
		NFS4_OK);
	assert_int_equal(step, SLOT_STEP_RUN);
	for (uint32_t seq = 1; seq < 100; seq++) {
		assert_int_equal(call_begin(p, 3, seq, 0, &call), NFS4_OK);
		call_end(&call, "r");
	}
}

static nfsstat4 try_sequence(struct peer *p, const SEQUENCE4args *args,
	struct session_request request)
{
	struct call call;
	nfsstat4 status;

	request.who = &root;
	request.conn = p->conn;
	status = session_sequence(p->w->state, args, &request, &call.res,
		&call.session, &call.slot, &call.verdict);
	if (status == NFS4_OK)
		call_end(&call, NULL);
	else
		assert_int_equal(call.verdict, SLOT_ERROR);
	return status;
}

/* In the order of the table; each leaves the slot untouched. */
static void test_sequence_errors(void **arg)
{
	struct peer *p = *arg;
	SEQUENCE4args good = {.sa_sequenceid = 1}, args;
	const struct session_request fits = {.minor_version = 1,
		.nops = 16,
		.size = 8192,
		.reply_size = 8192};
	struct session_request r = fits;

	memcpy(good.sa_sessionid, p->session.csr_sessionid, 16);
	args = good;
	args.sa_sessionid[3] ^= 1;
	assert_int_equal(try_sequence(p, &args, r), NFS4ERR_BADSESSION);
	r.minor_version = 2;
	assert_int_equal(try_sequence(p, &good, r), NFS4ERR_BADSESSION);
	r = fits;
	args = good;
	args.sa_slotid = args.sa_highest_slotid = 8;
	assert_int_equal(try_sequence(p, &args, r), NFS4ERR_BADSLOT);
	args.sa_slotid = 0;
	assert_int_equal(try_sequence(p, &args, r), NFS4ERR_BAD_HIGH_SLOT);
	r.nops = 17;
	assert_int_equal(try_sequence(p, &good, r), NFS4ERR_TOO_MANY_OPS);
	r = fits;
	r.size = 8193;
	assert_int_equal(try_sequence(p, &good, r), NFS4ERR_REQ_TOO_BIG);
	r = fits;
	r.reply_size = 8193;
	assert_int_equal(try_sequence(p, &good, r), NFS4ERR_REP_TOO_BIG);
	assert_int_equal(try_sequence(p, &good, fits), NFS4_OK);
}

/* Not even SEQUENCE's own result may be kept (pynfs CSESS27). */
static void test_sequence_cannot_cache(void **arg)
{
	struct world *w = world_new();
	struct peer p = {.w = w, .conn = conn_make()};
	EXCHANGE_ID4resok id = exchange(w, "a", 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	struct call call;

	args.csa_fore_chan_attrs.ca_maxresponsesize_cached = 10;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, p.conn, &p.session),
		NFS4_OK);
	assert_int_equal(
		call_begin(&p, 0, 1, 0, &call), NFS4ERR_REP_TOO_BIG_TO_CACHE);
	session_conn_gone(w->state, p.conn);
	conn_drop(p.conn);
	world_free(w);
}

static void test_slot_ref(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call;
	struct slot_ref ref;

	assert_int_equal(call_begin(p, 2, 1, 0, &call), NFS4_OK);
	session_slot_ref(call.slot, &ref);
	assert_int_equal(ref.slot, 2);
	assert_int_equal(ref.seqid, 1);
	call_end(&call, "x");
	assert_true(session_slot_ref_is_fresh(w->state, &ref));
	assert_int_equal(call_begin(p, 2, 1, 0, &call), NFS4_OK);
	assert_true(session_slot_ref_is_fresh(w->state, &ref)); /* a replay */
	call_end(&call, NULL);
	assert_int_equal(call_begin(p, 2, 2, 0, &call), NFS4_OK);
	assert_false(session_slot_ref_is_fresh(w->state, &ref));
	call_end(&call, "x");
	ref.slot = 1000;
	assert_false(session_slot_ref_is_fresh(w->state, &ref));
	ref.session[0] ^= 1;
	assert_false(session_slot_ref_is_fresh(w->state, &ref));
}

/* ---- connections ---- */

static void test_sequence_binds(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct fake_conn *first, *second = conn_make();

	first = p->conn;
	assert_int_equal(first->bound, 1);
	assert_int_equal(
		session_destroy(w->state, p->session.csr_sessionid, second),
		NFS4ERR_CONN_NOT_BOUND_TO_SESSION);
	p->conn = second;
	peer_sequence(p);
	peer_sequence(p);
	assert_int_equal(second->bound, 1);
	assert_int_equal(second->refs, 1);
	session_conn_gone(w->state, first);
	assert_int_equal(first->bound, 0);
	conn_drop(first);
	assert_int_equal(
		session_destroy(w->state, p->session.csr_sessionid, second),
		NFS4_OK);
	assert_int_equal(second->bound, 0);
	assert_int_equal(
		session_destroy(w->state, p->session.csr_sessionid, second),
		NFS4ERR_BADSESSION);
}

static void test_bind_conn(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct fake_conn *other = conn_make();
	BIND_CONN_TO_SESSION4args args = {.bctsa_dir = CDFC4_FORE};
	BIND_CONN_TO_SESSION4resok res;

	assert_int_equal(session_bind_conn(w->state, &args, other, &res),
		NFS4ERR_BADSESSION);
	memcpy(args.bctsa_sessid, p->session.csr_sessionid, 16);
	assert_int_equal(
		session_bind_conn(w->state, &args, other, &res), NFS4_OK);
	assert_int_equal(res.bctsr_dir, CDFS4_FORE);
	args.bctsa_dir = CDFC4_BACK;
	assert_int_equal(
		session_bind_conn(w->state, &args, other, &res), NFS4ERR_INVAL);
	args.bctsa_dir = CDFC4_FORE_OR_BOTH;
	assert_int_equal(
		session_bind_conn(w->state, &args, other, &res), NFS4_OK);
	assert_int_equal(res.bctsr_dir, CDFS4_BOTH);
	assert_memory_equal(res.bctsr_sessid, args.bctsa_sessid, 16);
	assert_int_equal(other->refs, 1);
	session_conn_gone(w->state, other);
	conn_drop(other);
}

static void test_conn_of_many_sessions(void **arg)
{
	struct world *w = world_new();
	struct peer p[3];
	struct fake_conn *conn;

	for (int i = 0; i < 3; i++)
		peer_connect(w, &p[i], i == 0 ? "a" : i == 1 ? "b" : "c");
	conn = p[0].conn;
	for (int i = 1; i < 3; i++) {
		session_conn_gone(w->state, p[i].conn);
		conn_drop(p[i].conn);
		p[i].conn = conn;
		peer_sequence(&p[i]);
	}
	assert_int_equal(conn->refs, 3);
	client_end(p[0].client, CLIENT_END_ADMIN);
	assert_int_equal(conn->refs, 2);
	assert_int_equal(conn->bound, 1);
	session_conn_gone(w->state, conn);
	assert_int_equal(conn->bound, 0);
	for (int i = 0; i < 3; i++)
		client_put(p[i].client);
	conn_drop(conn);
	world_free(w);
}

static void test_too_many_connections(void **arg)
{
	struct peer *p = *arg;
	struct fake_conn *conn[80], *first;

	first = p->conn;
	for (int i = 0; i < 80; i++) {
		p->conn = conn[i] = conn_make();
		peer_sequence(p); /* served, but not all are bound */
	}
	assert_int_equal(conn[62]->refs, 1);
	assert_int_equal(conn[63]->refs, 0);
	for (int i = 0; i < 80; i++) {
		session_conn_gone(p->w->state, conn[i]);
		conn_drop(conn[i]);
	}
	p->conn = first;
}

static void test_destroy_under_call(void **arg)
{
	struct peer *p = *arg;
	struct world *w = p->w;
	struct call call, other;
	struct state_stats stats;

	assert_int_equal(call_begin(p, 0, 1, 0, &call), NFS4_OK);
	assert_int_equal(
		session_destroy(w->state, p->session.csr_sessionid, p->conn),
		NFS4_OK);
	assert_int_equal(call_begin(p, 1, 1, 0, &other), NFS4ERR_BADSESSION);
	call_end(&call, "late");
	state_read_stats(w->state, &stats);
	assert_int_equal(stats.sessions, 0);
	assert_int_equal(stats.replay_bytes, 0);
	assert_int_equal(stats.clients, 1); /* the client outlives it */
}

/* ---- threads ---- */

#define THREADS 4
#define CALLS   3000

struct racer {
	pthread_t thread;
	struct peer *peer;
	uint64_t seed;
	unsigned ran, refused;
};

/* Everybody fights for two slots; nobody knows the seqid but by trying. */
static void *race_slots(void *arg)
{
	struct racer *r = arg;
	struct rand_stream rand = {.state = r->seed};

	for (int i = 0; i < CALLS; i++) {
		uint32_t slot = rand_stream_below(&rand, 2);
		uint32_t seq = __atomic_load_n(
			&r->peer->seqid[slot], __ATOMIC_RELAXED);
		struct call call;

		if (call_begin(r->peer, slot, seq, 0, &call) != NFS4_OK) {
			r->refused++;
			continue;
		}
		if (call.verdict == SLOT_NEW) {
			r->ran++;
			__atomic_store_n(&r->peer->seqid[slot], seq + 1,
				__ATOMIC_RELAXED);
		}
		call_end(&call, "reply");
	}
	return NULL;
}

static void test_race_slots(void **arg)
{
	struct peer *p = *arg;
	struct racer r[THREADS];
	unsigned ran = 0;

	for (int i = 0; i < THREADS; i++) {
		r[i] = (struct racer){.peer = p, .seed = i};
		pthread_create(&r[i].thread, NULL, race_slots, &r[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(r[i].thread, NULL);
		ran += r[i].ran;
	}
	/* Each seqid ran exactly once. */
	assert_int_equal(ran, p->seqid[0] - 1 + p->seqid[1] - 1);
	assert_int_equal(p->client->calls_running, 0);
}

/* Calls, ends of the client and of connections, all at once. */
static void *race_calls(void *arg)
{
	struct racer *r = arg;

	for (uint32_t seq = 1; seq < CALLS; seq++) {
		struct call call;

		if (call_begin(r->peer, r->seed, seq, 0, &call) != NFS4_OK)
			break;
		r->ran++;
		call_end(&call, "reply");
	}
	return NULL;
}

static void *race_ticks(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < 200; i++) {
		session_conn_gone(r->peer->w->state, r->peer->conn);
		client_expire_leases(r->peer->w->state);
		sched_yield();
	}
	client_end(r->peer->client, CLIENT_END_ADMIN);
	return NULL;
}

static void test_race_end(void **arg)
{
	struct peer *p = *arg;
	struct racer r[THREADS + 1];

	for (int i = 0; i <= THREADS; i++) {
		r[i] = (struct racer){.peer = p, .seed = i};
		pthread_create(&r[i].thread, NULL,
			i < THREADS ? race_calls : race_ticks, &r[i]);
	}
	for (int i = 0; i <= THREADS; i++)
		pthread_join(r[i].thread, NULL);
	assert_int_equal(p->client->calls_running, 0);
	assert_true(p->client->ended);
	assert_int_equal(p->conn->refs, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_slot),
		cmocka_unit_test(test_policy_bind),
		cmocka_unit_test(test_policy_create_slot),
		cmocka_unit_test(test_policy_channels),
		cmocka_unit_test(test_create_too_small),
		cmocka_unit_test(test_create_replay),
		cmocka_unit_test(test_create_limits),
		cmocka_unit_test(test_create_without_memory),
		TEST(test_sequence_runs_and_replays),
		TEST(test_sequence_in_progress),
		TEST(test_sequence_false_retry),
		TEST(test_sequence_wraps),
		TEST(test_sequence_errors),
		cmocka_unit_test(test_sequence_cannot_cache),
		TEST(test_slot_ref),
		TEST(test_sequence_binds),
		TEST(test_bind_conn),
		cmocka_unit_test(test_conn_of_many_sessions),
		TEST(test_too_many_connections),
		TEST(test_destroy_under_call),
		TEST(test_race_slots),
		TEST(test_race_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
