/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <stdlib.h>

#include "state/open.h"

const struct principal root = {.flavor = 1, .uid = 0};
const struct principal alice = {.flavor = 1, .uid = 1000};

static void send_recall(void *ctx, struct deleg *d)
{
	(void)ctx;
	(void)d;
	fail_msg("nobody here holds a delegation");
}

static void send_probe(void *ctx, struct client *c)
{
	((struct world *)ctx)->probes++;
}

static void cb_ready(void *ctx, struct client *c)
{
	((struct world *)ctx)->readies++;
}

static void unpin(void *ctx, void *store, const struct fileid *id)
{
	struct world *w = ctx;

	assert_ptr_equal(store, &w->unpins);
	w->unpins++;
	w->unpinned = *id;
}

static void conn_bound(void *ctx, void *conn, bool bound)
{
	((struct fake_conn *)conn)->bound = bound;
}

static void conn_get(void *ctx, void *conn)
{
	((struct fake_conn *)conn)->refs++;
}

static void conn_put(void *ctx, void *conn)
{
	int left = --((struct fake_conn *)conn)->refs;

	assert_true(left >= 0);
}

void world_prepare(struct world *w)
{
	memset(w, 0, sizeof(*w));
	clock_init_fake(&w->clock, 1700000000 * NSEC_PER_SEC, 10000000);
	timers_init(&w->timers, &w->clock);
	state_config_default(&w->config);
	w->config.clock = &w->clock;
	w->config.timers = &w->timers;
	w->config.epoch = 7;
	w->config.grace_ms = 0;
	w->config.ops = (struct state_ops){
		.send_recall = send_recall,
		.send_notify = send_recall,
		.send_probe = send_probe,
		.cb_ready = cb_ready,
		.unpin = unpin,
		.conn_bound = conn_bound,
		.conn_get = conn_get,
		.conn_put = conn_put,
		.ctx = w,
	};
}

void world_start(struct world *w)
{
	w->state = state_new(&w->config);
	assert_non_null(w->state);
}

void world_stop(struct world *w)
{
	state_free(w->state);
	timers_fini(&w->timers);
	lock_fini(&w->clock.lock);
}

struct world *world_new(void)
{
	struct world *w = malloc(sizeof(*w));

	world_prepare(w);
	world_start(w);
	return w;
}

void world_free(struct world *w)
{
	world_stop(w);
	free(w);
}

void world_advance(struct world *w, uint64_t ms)
{
	clock_advance_ms(&w->clock, ms);
	timers_run(&w->timers);
}

struct fake_conn *conn_make(void)
{
	struct fake_conn *conn = malloc(sizeof(*conn));

	atomic_init(&conn->refs, 0);
	atomic_init(&conn->bound, -1);
	return conn;
}

void conn_drop(struct fake_conn *conn)
{
	assert_int_equal(conn->refs, 0);
	free(conn);
}

struct xdr_opaque bytes_of(const char *text)
{
	return xdr_opaque_from_str(text);
}

nfsstat4 open_at_once(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	stateid4 *ret)
{
	struct open_try try = {.open = NULL};
	nfsstat4 status = open_begin(client, node, owner, access, deny, &try);

	return status == NFS4_OK ? open_commit(&try, access, deny, ret)
				 : status;
}

struct fileid file_named(const char *name)
{
	struct fileid id = {.len = strlen(name)};

	memcpy(id.data, name, id.len);
	return id;
}

EXCHANGE_ID4args exchange_args(const char *owner, uint64_t verifier)
{
	EXCHANGE_ID4args args = {
		.eia_clientowner.co_ownerid = bytes_of(owner),
		.eia_state_protect.spa_how = SP4_NONE,
	};

	memcpy(args.eia_clientowner.co_verifier, &verifier, 8);
	return args;
}

EXCHANGE_ID4resok exchange(
	struct world *w, const char *owner, uint64_t verifier)
{
	EXCHANGE_ID4args args = exchange_args(owner, verifier);
	EXCHANGE_ID4resok res;

	assert_int_equal(
		client_exchange_id(w->state, &args, 1, &root, &res), NFS4_OK);
	return res;
}

CREATE_SESSION4args session_args(uint64_t clientid, uint32_t sequence)
{
	static callback_sec_parms4 none = {.cb_secflavor = AUTH_NONE};
	CREATE_SESSION4args args = {
		.csa_clientid = clientid,
		.csa_sequence = sequence,
		.csa_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN,
		.csa_fore_chan_attrs = {0, 8192, 8192, 8192, 16, 8, {0, NULL}},
		.csa_back_chan_attrs = {0, 4096, 4096, 0, 2, 4, {0, NULL}},
		.csa_cb_program = 0x40000000,
		.csa_sec_parms = {.count = 1, .items = &none},
	};

	return args;
}

void peer_connect(struct world *w, struct peer *p, const char *owner)
{
	EXCHANGE_ID4resok id = exchange(w, owner, 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);

	*p = (struct peer){.w = w, .conn = conn_make()};
	for (size_t i = 0; i < 64; i++)
		p->seqid[i] = 1;
	assert_int_equal(
		session_create(w->state, &args, 1, &root, p->conn, &p->session),
		NFS4_OK);
	p->client = client_find(w->state, id.eir_clientid);
	assert_non_null(p->client);
}

void peer_drop(struct peer *p)
{
	session_conn_gone(p->w->state, p->conn);
	conn_drop(p->conn);
	client_put(p->client);
}

int peer_setup(void **arg)
{
	struct peer *p = malloc(sizeof(*p));

	peer_connect(world_new(), p, "a");
	*arg = p;
	return 0;
}

int peer_teardown(void **arg)
{
	struct peer *p = *arg;

	peer_drop(p);
	world_free(p->w);
	free(p);
	return 0;
}

nfsstat4 call_begin(struct peer *p, uint32_t slot, uint32_t seqid,
	uint64_t digest, struct call *ret)
{
	SEQUENCE4args args = {
		.sa_sequenceid = seqid,
		.sa_slotid = slot,
		.sa_highest_slotid = slot,
		.sa_cachethis = true,
	};
	const struct session_request request = {
		.minor_version = 1,
		.nops = 2,
		.size = 200,
		.reply_size = 100,
		.digest = digest,
		.who = &root,
		.conn = p->conn,
	};

	memcpy(args.sa_sessionid, p->session.csr_sessionid,
		sizeof(args.sa_sessionid));
	return session_sequence(p->w->state, &args, &request, &ret->res,
		&ret->session, &ret->slot, &ret->verdict);
}

void call_end(struct call *call, const char *reply)
{
	if (call->verdict == SLOT_NEW)
		session_slot_end(call->session, call->slot, reply,
			reply ? strlen(reply) : 0);
	else
		session_slot_end_replay(call->session, call->slot);
}

uint32_t peer_sequence(struct peer *p)
{
	struct call call;

	assert_int_equal(call_begin(p, 0, p->seqid[0]++, 0, &call), NFS4_OK);
	assert_int_equal(call.verdict, SLOT_NEW);
	call_end(&call, NULL);
	return call.res.sr_status_flags;
}
