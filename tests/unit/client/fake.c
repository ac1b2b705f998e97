/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "fake_priv.h"
#include "proto/rpc.h"
#include "wire/nfs4_xdr.h"
#include "wire/rpcmsg.h"

/* ---- sessions ---- */

static struct fake_session *find_session(struct fake *f, const sessionid4 id)
{
	for (int i = 0; i < FAKE_SESSIONS; i++) {
		struct fake_session *s = &f->sessions[i];

		if (s->used && memcmp(s->id, id, sizeof(s->id)) == 0)
			return s;
	}
	return NULL;
}

static void end_session(struct fake_session *s)
{
	for (int i = 0; i < FAKE_SLOTS; i++)
		free(s->slots[i].reply);
	if (s->conn)
		rpc_conn_put(s->conn);
	*s = (struct fake_session){.used = false};
}

static void bind_conn(struct fake_session *s, struct rpc_conn *conn)
{
	rpc_conn_get(conn);
	if (s->conn)
		rpc_conn_put(s->conn);
	s->conn = conn;
	rpc_conn_set_bound(conn, true);
}

static nfsstat4 run_exchange_id(struct fake_run *run, EXCHANGE_ID4resok *ok)
{
	struct fake *f = run->f;

	f->seen.exchange_ids++;
	if (!f->clientid) {
		f->clientid = f->epoch << 32 | ++f->next_id;
		f->create_seqid = 0;
	}
	ok->eir_clientid = f->clientid;
	ok->eir_sequenceid = f->create_seqid + 1;
	ok->eir_flags = EXCHGID4_FLAG_USE_NON_PNFS;
	ok->eir_server_owner.so_major_id = xdr_opaque_from_str("fake");
	ok->eir_server_scope = xdr_opaque_from_str("fake");
	return NFS4_OK;
}

static void take_security(
	struct fake_session *s, const CREATE_SESSION4args *args)
{
	opaque_auth auth;

	assert(args->csa_sec_parms.count == 1);
	assert(args->csa_sec_parms.items[0].cb_secflavor == AUTH_SYS);
	assert(rpcmsg_make_authsys(&auth,
		&args->csa_sec_parms.items[0].cbsp_sys_cred, s->auth,
		sizeof(s->auth)));
	s->auth_size = auth.body.len;
	s->cb_program = args->csa_cb_program;
}

static nfsstat4 run_create_session(struct fake_run *run,
	const CREATE_SESSION4args *args, CREATE_SESSION4resok *ok)
{
	struct fake *f = run->f;
	struct fake_session *s = f->sessions;

	if (!f->clientid || args->csa_clientid != f->clientid)
		return NFS4ERR_STALE_CLIENTID;
	if (args->csa_sequence != f->create_seqid + 1)
		return NFS4ERR_SEQ_MISORDERED;
	f->create_seqid++;
	if (f->fail_create) {
		f->fail_create--;
		return f->create_status;
	}
	f->seen.create_sessions++;
	while (s->used)
		s++;
	assert(s < f->sessions + FAKE_SESSIONS);
	s->used = true;
	s->clientid = f->clientid;
	s->minor = run->minor;
	memcpy(s->id, &(uint64_t){f->epoch}, 8);
	memcpy(s->id + 8, &(uint64_t){++f->next_id}, 8);
	take_security(s, args);
	bind_conn(s, run->call->conn);
	f->newest = s;
	memcpy(ok->csr_sessionid, s->id, sizeof(s->id));
	ok->csr_sequence = args->csa_sequence;
	ok->csr_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	ok->csr_fore_chan_attrs = args->csa_fore_chan_attrs;
	if (ok->csr_fore_chan_attrs.ca_maxrequests > FAKE_SLOTS)
		ok->csr_fore_chan_attrs.ca_maxrequests = FAKE_SLOTS;
	ok->csr_back_chan_attrs = args->csa_back_chan_attrs;
	return NFS4_OK;
}

static nfsstat4 run_bind(struct fake_run *run,
	const BIND_CONN_TO_SESSION4args *args, BIND_CONN_TO_SESSION4resok *ok)
{
	struct fake_session *s = find_session(run->f, args->bctsa_sessid);

	if (!s)
		return NFS4ERR_BADSESSION;
	run->f->seen.binds++;
	bind_conn(s, run->call->conn);
	memcpy(ok->bctsr_sessid, s->id, sizeof(s->id));
	ok->bctsr_dir = CDFS4_BOTH;
	return NFS4_OK;
}

static nfsstat4 run_destroy_session(
	struct fake_run *run, const DESTROY_SESSION4args *args)
{
	struct fake_session *s = find_session(run->f, args->dsa_sessionid);

	if (!s)
		return NFS4ERR_BADSESSION;
	run->f->seen.destroyed_sessions++;
	if (run->f->newest == s)
		run->f->newest = NULL;
	end_session(s);
	return NFS4_OK;
}

static nfsstat4 run_destroy_clientid(
	struct fake_run *run, const DESTROY_CLIENTID4args *args)
{
	struct fake *f = run->f;

	if (args->dca_clientid != f->clientid)
		return NFS4ERR_STALE_CLIENTID;
	for (int i = 0; i < FAKE_SESSIONS; i++) {
		if (f->sessions[i].used)
			return NFS4ERR_CLIENTID_BUSY;
	}
	if (f->seen.delegations)
		return NFS4ERR_CLIENTID_BUSY;
	f->seen.destroyed_clients++;
	f->clientid = 0;
	return NFS4_OK;
}

static nfsstat4 run_session_op(
	struct fake_run *run, const nfs_argop4 *arg, nfs_resop4 *res)
{
	switch (arg->argop) {
	case OP_EXCHANGE_ID:
		return run_exchange_id(run, &res->opexchange_id.eir_resok4);
	case OP_CREATE_SESSION:
		return run_create_session(run, &arg->opcreate_session,
			&res->opcreate_session.csr_resok4);
	case OP_BIND_CONN_TO_SESSION:
		return run_bind(run, &arg->opbind_conn_to_session,
			&res->opbind_conn_to_session.bctsr_resok4);
	case OP_DESTROY_SESSION:
		return run_destroy_session(run, &arg->opdestroy_session);
	case OP_DESTROY_CLIENTID:
		return run_destroy_clientid(run, &arg->opdestroy_clientid);
	default:
		return NFS4ERR_OP_NOT_IN_SESSION;
	}
}

/* ---- SEQUENCE ---- */

static nfsstat4 check_sequence(struct fake_run *run, const SEQUENCE4args *args)
{
	struct fake *f = run->f;
	struct fake_session *s = find_session(f, args->sa_sessionid);

	if (f->fail_sequence) {
		f->fail_sequence--;
		return f->fail_status;
	}
	if (!s)
		return NFS4ERR_BADSESSION;
	if (args->sa_slotid >= FAKE_SLOTS)
		return NFS4ERR_BADSLOT;
	run->session = s;
	run->slot = args->sa_slotid;
	run->seqid = args->sa_sequenceid;
	return NFS4_OK;
}

static nfsstat4 run_sequence(
	struct fake_run *run, const SEQUENCE4args *args, SEQUENCE4resok *ok)
{
	struct fake_slot *slot;
	nfsstat4 status = check_sequence(run, args);

	if (status)
		return status;
	slot = &run->session->slots[run->slot];
	if (args->sa_sequenceid != slot->seqid + 1) {
		run->session = NULL;
		return NFS4ERR_SEQ_MISORDERED;
	}
	run->f->seen.sequences++;
	slot->seqid++;
	free(slot->reply);
	slot->reply = NULL;
	memcpy(ok->sr_sessionid, args->sa_sessionid, sizeof(sessionid4));
	ok->sr_sequenceid = args->sa_sequenceid;
	ok->sr_slotid = args->sa_slotid;
	ok->sr_highest_slotid = FAKE_SLOTS - 1;
	ok->sr_target_highest_slotid = FAKE_SLOTS - 1;
	ok->sr_status_flags = run->f->flags;
	return NFS4_OK;
}

/* Is it the last request of its slot again? Then its reply goes out again. */
static bool replay(struct fake_run *run, const COMPOUND4args *args)
{
	const SEQUENCE4args *seq = &args->argarray.items[0].opsequence;
	struct fake_session *s;
	struct fake_slot *slot;

	if (args->argarray.count == 0 ||
		args->argarray.items[0].argop != OP_SEQUENCE)
		return false;
	s = find_session(run->f, seq->sa_sessionid);
	if (!s || seq->sa_slotid >= FAKE_SLOTS)
		return false;
	slot = &s->slots[seq->sa_slotid];
	if (slot->seqid != seq->sa_sequenceid || !slot->reply)
		return false;
	run->f->seen.replays++;
	xdr_put_opaque_fixed(&run->call->out, slot->reply, slot->size);
	return true;
}

static void keep_reply(struct fake_run *run, size_t start)
{
	struct xdr *out = &run->call->out;
	struct fake_slot *slot;

	if (!run->session)
		return;
	slot = &run->session->slots[run->slot];
	slot->size = xdr_pos(out) - start;
	slot->reply = malloc(slot->size);
	memcpy(slot->reply, out->data + start, slot->size);
}

/* ---- COMPOUND ---- */

static nfsstat4 run_op(struct fake_run *run, unsigned i, const nfs_argop4 *arg,
	nfs_resop4 *res)
{
	if (i == 0 && arg->argop == OP_SEQUENCE)
		return run_sequence(
			run, &arg->opsequence, &res->opsequence.sr_resok4);
	if (!run->session)
		return run_session_op(run, arg, res);
	return fake_tree_op(run, arg, res);
}

static void run_ops(
	struct fake_run *run, const COMPOUND4args *args, COMPOUND4res *res)
{
	for (uint32_t i = 0; i < args->argarray.count; i++) {
		const nfs_argop4 *arg = &args->argarray.items[i];
		nfs_resop4 *to = &res->resarray.items[i];

		to->resop = arg->argop;
		res->status = run_op(run, i, arg, to);
		to->opillegal.status = res->status; /* first in every arm */
		res->resarray.count++;
		if (res->status)
			break;
	}
}

static enum rpc_verdict finish(struct fake_run *run)
{
	struct fake *f = run->f;

	while (run->granted && f->hold_grants && !f->closing)
		cond_wait(&f->cond, &f->lock);
	cond_broadcast(&f->cond);
	if (!f->drop_replies)
		return RPC_DONE;
	f->drop_replies--;
	return RPC_CLOSE;
}

static enum rpc_verdict fake_run_call(void *ctx, struct rpc_call *call)
{
	struct fake_run run = {.f = ctx, .call = call};
	COMPOUND4args args;
	COMPOUND4res res = {.status = NFS4_OK};
	size_t start = xdr_pos(&call->out);

	if (!nfs4_get_COMPOUND4args(&call->in, &args))
		return RPC_GARBAGE_ARGS;
	run.minor = args.minorversion;
	res.tag = args.tag;
	res.resarray.items = arena_array(
		&call->arena, args.argarray.count + 1, sizeof(nfs_resop4));
	scope_lock(&run.f->lock);
	if (run.f->deaf)
		return RPC_CLOSE;
	if (replay(&run, &args))
		return finish(&run);
	run_ops(&run, &args, &res);
	assert(nfs4_put_COMPOUND4res(&call->out, &res));
	keep_reply(&run, start);
	return finish(&run);
}

static void fake_conn_closed(void *ctx, struct rpc_conn *conn)
{
	struct fake *f = ctx;

	scope_lock(&f->lock);
	for (int i = 0; i < FAKE_SESSIONS; i++) {
		struct fake_session *s = &f->sessions[i];

		if (s->used && s->conn == conn) {
			rpc_conn_put(s->conn);
			s->conn = NULL;
		}
	}
	cond_broadcast(&f->cond);
}

/* ---- callbacks ---- */

struct cb_wait {
	struct rpc_outcall out;
	struct fake *f;
	struct fake_cb_reply *reply;
	bool done;
};

static void take_cb_reply(struct fake_cb_reply *reply, struct xdr *results)
{
	struct arena arena;
	CB_COMPOUND4res res;

	arena_init(&arena, 1024 * 1024);
	results->arena = &arena;
	if (!nfs4_get_CB_COMPOUND4res(results, &res)) {
		reply->outcome = RPC_OUT_REJECTED;
	} else {
		reply->status = res.status;
		reply->nresults = res.resarray.count;
		if (res.resarray.count)
			reply->last = res.resarray.items[res.resarray.count - 1]
					      .opcbillegal.status;
	}
	arena_fini(&arena);
}

static void cb_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct cb_wait *w = container_of(out, struct cb_wait, out);

	scope_lock(&w->f->lock);
	w->reply->outcome = outcome;
	if (outcome == RPC_OUT_OK)
		take_cb_reply(w->reply, results);
	w->done = true;
	cond_broadcast(&w->f->cond);
}

/* CB_SEQUENCE in front of the operations; under the lock. */
static size_t encode_cb(struct fake *f, struct fake_session *s,
	const struct fake_cb *cb, uint8_t *buf, size_t size)
{
	nfs_cb_argop4 ops[4] = {{.argop = OP_CB_SEQUENCE}};
	CB_SEQUENCE4args *seq = &ops[0].opcbsequence;
	referring_call4 call = {f->grant_seqid, f->grant_slot};
	referring_call_list4 list = {
		.rcl_referring_calls = {.count = 1, .items = &call}};
	CB_COMPOUND4args args = {
		.minorversion = cb->minor ? cb->minor : s->minor};
	struct xdr x;

	memcpy(seq->csa_sessionid, s->id, sizeof(s->id));
	seq->csa_sessionid[0] ^= cb->bad_session;
	seq->csa_slotid = cb->slot;
	seq->csa_sequenceid = cb->seqid ? cb->seqid : ++s->cb_seqid[cb->slot];
	if (cb->referring) {
		memcpy(list.rcl_sessionid, f->grant_session,
			sizeof(list.rcl_sessionid));
		seq->csa_referring_call_lists.count = 1;
		seq->csa_referring_call_lists.items = &list;
	}
	memcpy(ops + 1, cb->ops, cb->nops * sizeof(ops[0]));
	args.argarray.count = cb->nops + !cb->no_sequence;
	args.argarray.items = ops + cb->no_sequence;
	xdr_init_encode(&x, buf, size);
	assert(nfs4_put_CB_COMPOUND4args(&x, &args));
	return xdr_pos(&x);
}

void fake_call_back(struct fake *f, const struct fake_cb *cb,
	uint64_t timeout_ms, struct fake_cb_reply *ret)
{
	struct fake_session *s;
	struct cb_wait w = {.f = f, .reply = ret};
	struct rpc_conn *conn;
	uint8_t *buf = malloc(1024 * 1024);
	size_t size;

	*ret = (struct fake_cb_reply){.outcome = RPC_OUT_LOST};
	lock_acquire(&f->lock);
	s = f->newest;
	conn = s && s->conn ? rpc_conn_get(s->conn) : NULL;
	if (!conn) {
		lock_release(&f->lock);
		free(buf);
		return;
	}
	size = encode_cb(f, s, cb, buf, 1024 * 1024);
	w.out = (struct rpc_outcall){.program = s->cb_program,
		.version = 1,
		.procedure = CB_COMPOUND,
		.auth_flavor = cb->auth_none ? AUTH_NONE : AUTH_SYS,
		.auth_body = s->auth,
		.auth_body_size = cb->auth_none ? 0 : s->auth_size,
		.done = cb_done};
	lock_release(&f->lock);
	if (rpc_outcall_send(conn, &w.out, buf, size, timeout_ms) == 0) {
		lock_acquire(&f->lock);
		while (!w.done)
			cond_wait(&f->cond, &f->lock);
		lock_release(&f->lock);
	}
	rpc_conn_put(conn);
	free(buf);
}

/* ---- misbehaving ---- */

void fake_disconnect(struct fake *f)
{
	struct rpc_conn *conns[FAKE_SESSIONS];
	int n = 0;

	lock_acquire(&f->lock);
	for (int i = 0; i < FAKE_SESSIONS; i++) {
		if (f->sessions[i].used && f->sessions[i].conn)
			conns[n++] = rpc_conn_get(f->sessions[i].conn);
	}
	lock_release(&f->lock);
	while (n > 0) {
		rpc_conn_close(conns[--n]);
		rpc_conn_put(conns[n]);
	}
}

void fake_forget_sessions(struct fake *f)
{
	scope_lock(&f->lock);
	for (int i = 0; i < FAKE_SESSIONS; i++) {
		if (f->sessions[i].used)
			end_session(&f->sessions[i]);
	}
	f->newest = NULL;
}

void fake_restart(struct fake *f)
{
	fake_disconnect(f);
	fake_forget_sessions(f);
	scope_lock(&f->lock);
	f->clientid = 0;
	f->epoch++;
	memset(f->delegs, 0, sizeof(f->delegs));
	f->seen.delegations = 0;
}

void fake_deaf(struct fake *f, bool deaf)
{
	lock_acquire(&f->lock);
	f->deaf = deaf;
	lock_release(&f->lock);
	if (deaf)
		fake_disconnect(f);
}

#define SETTER(name, type, field)             \
	void name(struct fake *f, type value) \
	{                                     \
		scope_lock(&f->lock);         \
		f->field = value;             \
		cond_broadcast(&f->cond);     \
	}

SETTER(fake_drop_replies, unsigned, drop_replies)
SETTER(fake_promise_little, bool, promise_little)
SETTER(fake_grant_attrs, bool, grant_attrs)
SETTER(fake_recall_always, bool, recall_always)
SETTER(fake_mute, bool, mute)
SETTER(fake_hold_grants, bool, hold_grants)
SETTER(fake_hold_returns, bool, hold_returns)
SETTER(fake_fail_readdir, nfsstat4, readdir_status)
SETTER(fake_set_flags, uint32_t, flags)

void fake_list_endlessly(struct fake *f, bool new_names, bool old_names)
{
	scope_lock(&f->lock);
	f->endless_new = new_names;
	f->endless_old = old_names;
}

void fake_fail_sequence(struct fake *f, nfsstat4 status, unsigned n)
{
	scope_lock(&f->lock);
	f->fail_status = status;
	f->fail_sequence = n;
}

void fake_fail_create(struct fake *f, nfsstat4 status, unsigned n)
{
	scope_lock(&f->lock);
	f->create_status = status;
	f->fail_create = n;
}

void fake_refuse(struct fake *f, bool refuse, nfsstat4 status)
{
	scope_lock(&f->lock);
	f->refuse = refuse;
	f->refuse_status = status;
}

void fake_read_seen(struct fake *f, struct fake_seen *ret)
{
	scope_lock(&f->lock);
	*ret = f->seen;
}

bool fake_wait(struct fake *f,
	bool (*check)(const struct fake_seen *seen, unsigned n), unsigned n)
{
	scope_lock(&f->lock);
	for (int i = 0; i < 200; i++) {
		if (check(&f->seen, n))
			return true;
		cond_wait_ms(&f->cond, &f->lock, 10);
	}
	return false;
}

/* ---- life ---- */

static void listen_loopback(struct fake *f)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage bound;

	assert(rpc_listen(f->rpc, (struct sockaddr *)&addr, sizeof(addr),
		       &bound) == 0);
	f->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct rpc_config config;

	lock_init(&f->lock, LOCK_SERVER);
	cond_init(&f->cond);
	clock_init(&f->clock);
	timers_init(&f->timers, &f->clock);
	assert(timers_start(&f->timers) == 0);
	f->epoch = 1;
	f->nodes[0] = (struct fake_node){
		.used = true, .dir = true, .change = 1, .mode = 0755};
	f->program = (struct rpc_program){.number = 100003,
		.version_low = 4,
		.version_high = 4,
		.run = fake_run_call,
		.conn_closed = fake_conn_closed,
		.ctx = f};
	rpc_config_default(&config);
	config.clock = &f->clock;
	config.timers = &f->timers;
	config.programs = &f->program;
	config.nprograms = 1;
	config.threads_min = 4;
	f->rpc = rpc_new(&config);
	assert(f->rpc);
	listen_loopback(f);
	return f;
}

uint16_t fake_port(struct fake *f)
{
	return f->port;
}

int fake_dial(void *ctx, struct rpc *rpc, struct rpc_conn **ret)
{
	struct fake *f = ctx;
	struct rpc_conn *theirs;
	int fds[2];
	bool deaf;

	lock_acquire(&f->lock);
	deaf = f->deaf;
	lock_release(&f->lock);
	if (deaf)
		return -ECONNREFUSED;
	assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	theirs = rpc_add_socket(f->rpc, fds[0]);
	assert(theirs);
	rpc_conn_put(theirs);
	*ret = rpc_add_socket(rpc, fds[1]);
	return *ret ? 0 : -errno;
}

void fake_free(struct fake *f)
{
	lock_acquire(&f->lock);
	f->closing = true;
	cond_broadcast(&f->cond);
	lock_release(&f->lock);
	rpc_free(f->rpc);
	fake_forget_sessions(f);
	timers_fini(&f->timers);
	cond_fini(&f->cond);
	lock_fini(&f->lock);
	free(f);
}
