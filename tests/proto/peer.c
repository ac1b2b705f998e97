/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"
#include "wire/rpcmsg.h"

#define PEER_RECORD_MAX (NFS_RECORD_MAX + 64 * 1024)
#define PEER_ARENA      (64u << 20)
#define PEER_CB_PROGRAM 0x40000000
#define LAST_FRAGMENT   0x80000000u

/* ---- the connection ---- */

static void open_socket(struct peer *p)
{
	struct rpc_conn *conn;
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	conn = rpc_add_socket(p->server->rpc, fds[0]);
	assert_non_null(conn);
	rpc_conn_put(conn);
	p->fd = fds[1];
}

void peer_connect(struct peer *p, struct nfs_server *server)
{
	*p = (struct peer){
		.server = server,
		.minor = 2,
		.flavor = AUTH_SYS,
		.uid = 1000,
		.gid = 1000,
		.verifier = "verifier",
	};
	arena_init(&p->arena, PEER_ARENA);
	for (int i = 0; i < PEER_SLOTS; i++)
		p->seqid[i] = 1;
	open_socket(p);
}

void peer_reconnect(struct peer *p)
{
	close(p->fd);
	open_socket(p);
}

void peer_fini(struct peer *p)
{
	close(p->fd);
	free(p->reply);
	p->reply = NULL;
	arena_fini(&p->arena);
}

void peer_init(struct peer *p, struct nfs_server *server, const char *owner)
{
	peer_connect(p, server);
	peer_join(p, owner);
}

void peer_start(struct peer *p, const char *owner, uint32_t flags)
{
	p->owner = owner;
	assert_int_equal(peer_exchange_id(p, 0), NFS4_OK);
	assert_int_equal(peer_create_session(p, flags), NFS4_OK);
}

void peer_join(struct peer *p, const char *owner)
{
	peer_start(p, owner, CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
	assert_int_equal(peer_reclaim_complete(p), NFS4_OK);
}

/* ---- records ---- */

void peer_send_raw(struct peer *p, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t n = send(p->fd, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* closed: the reader will see it */
		at += n;
		size -= n;
	}
}

void peer_send_record(struct peer *p, const void *data, size_t size)
{
	uint32_t mark = htonl(LAST_FRAGMENT | (uint32_t)size);

	peer_send_raw(p, &mark, sizeof(mark));
	peer_send_raw(p, data, size);
}

/*
 * A signal is no silence: libFuzzer looks after its time-out with a timer, and
 * who takes that for an end fails every eleven seconds, now and then.
 */
static bool wait_readable(struct peer *p, int ms)
{
	struct pollfd poller = {.fd = p->fd, .events = POLLIN};
	int n;

	do {
		n = poll(&poller, 1, ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

bool peer_has_reply(struct peer *p, int ms)
{
	return wait_readable(p, ms);
}

/* False at the end of the connection; nothing for too long is a failure. */
static bool read_full(struct peer *p, void *buf, size_t size)
{
	uint8_t *at = buf;

	while (size > 0) {
		ssize_t n;

		if (!wait_readable(p, PEER_PATIENCE_MS))
			fail_msg("the server says nothing");
		n = recv(p->fd, at, size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}

static uint8_t *read_record(struct peer *p, size_t *size)
{
	uint8_t *data = NULL;
	uint32_t mark;

	*size = 0;
	do {
		size_t len;

		if (!read_full(p, &mark, sizeof(mark)))
			break;
		mark = ntohl(mark);
		len = mark & ~LAST_FRAGMENT;
		assert_true(*size + len <= PEER_RECORD_MAX);
		data = realloc(data, *size + len + 1);
		assert_non_null(data);
		if (!read_full(p, data + *size, len))
			break;
		*size += len;
		if (mark & LAST_FRAGMENT)
			return data;
	} while (true);
	free(data);
	return NULL;
}

/* ---- callbacks ---- */

static void note_handle(struct handle *ret, const nfs_fh4 *fh)
{
	ret->len = fh->len;
	if (fh->len)
		memcpy(ret->data, fh->data, fh->len);
}

static void note_change(struct peer *p, const notify4 *change)
{
	struct notify4_reader reader;
	struct notify4_event event;
	struct arena arena;

	arena_init(&arena, PEER_ARENA);
	notify4_read_init(&reader, change, &arena);
	while (notify4_read_next(&reader, &event) == NOTIFY4_READ_EVENT) {
		if (event.change.kind != CHANGE_DIR_ATTRS) {
			note_handle(&p->cb_child, &event.values.fh);
			p->cb_cookie = event.change.entry.cookie;
		}
		p->overwrote = event.change.has_overwritten;
		if (p->events < PEER_KINDS_KEPT)
			p->kinds[p->events] = event.change.kind;
		p->events++;
	}
	arena_fini(&arena);
}

static void keep_told(struct peer *p, const notify4 *change)
{
	struct xdr x;

	xdr_init_encode(&x, p->cb_told, sizeof(p->cb_told));
	xdr_take(&x, p->cb_told_size);
	nfs4_put_notify4(&x, change);
	if (!x.bad)
		p->cb_told_size = xdr_pos(&x);
}

static void note_notify(struct peer *p, const CB_NOTIFY4args *args)
{
	p->cb_stateid = args->cna_stateid;
	note_handle(&p->cb_fh, &args->cna_fh);
	p->cb_told_size = 0;
	for (uint32_t i = 0; i < args->cna_changes.count; i++) {
		note_change(p, &args->cna_changes.items[i]);
		keep_told(p, &args->cna_changes.items[i]);
	}
	p->notifies++;
}

static void note_callback(struct peer *p, const nfs_cb_argop4 *op)
{
	if (op->argop == OP_CB_RECALL) {
		p->cb_stateid = op->opcbrecall.stateid;
		note_handle(&p->cb_fh, &op->opcbrecall.fh);
		p->recalls++;
	} else if (op->argop == OP_CB_NOTIFY) {
		note_notify(p, &op->opcbnotify);
	} else {
		fail_msg("callback %u is not expected", op->argop);
	}
}

static void note_sequence(struct peer *p, const CB_SEQUENCE4args *seq)
{
	assert_memory_equal(
		seq->csa_sessionid, p->session, NFS4_SESSIONID_SIZE);
	p->cb_sequence = *seq;
	p->cb_referred = seq->csa_referring_call_lists.count > 0;
	if (p->cb_referred)
		p->cb_referring = seq->csa_referring_call_lists.items[0]
					  .rcl_referring_calls.items[0];
}

static void put_cb_results(
	struct peer *p, struct xdr *out, const CB_COMPOUND4args *args)
{
	const CB_SEQUENCE4args *seq = &args->argarray.items[0].opcbsequence;
	CB_SEQUENCE4resok ok = {
		.csr_sequenceid = seq->csa_sequenceid,
		.csr_slotid = seq->csa_slotid,
		.csr_highest_slotid = seq->csa_highest_slotid,
		.csr_target_highest_slotid = p->back.ca_maxrequests - 1,
	};
	bool more = args->argarray.count > 1;

	if (more && p->cb_seq_status != NFS4_OK) {
		xdr_put_u32(out, p->cb_seq_status);
		xdr_put_u32(out, 0); /* tag */
		xdr_put_u32(out, 1);
		xdr_put_u32(out, OP_CB_SEQUENCE);
		xdr_put_u32(out, p->cb_seq_status);
		return;
	}
	memcpy(ok.csr_sessionid, seq->csa_sessionid, NFS4_SESSIONID_SIZE);
	xdr_put_u32(out, more ? p->cb_status : NFS4_OK);
	xdr_put_u32(out, 0); /* tag */
	xdr_put_u32(out, more ? 2 : 1);
	xdr_put_u32(out, OP_CB_SEQUENCE);
	xdr_put_u32(out, NFS4_OK);
	nfs4_put_CB_SEQUENCE4resok(out, &ok);
	if (!more)
		return;
	xdr_put_u32(out, args->argarray.items[1].argop);
	xdr_put_u32(out, p->cb_status);
}

static void answer_callback(
	struct peer *p, uint32_t xid, const CB_COMPOUND4args *args)
{
	uint8_t buf[512];
	struct xdr out;

	xdr_init_encode(&out, buf, sizeof(buf));
	rpcmsg_put_success(&out, xid, NULL);
	put_cb_results(p, &out, args);
	assert_false(out.bad);
	peer_send_record(p, buf, xdr_pos(&out));
}

static void serve_callback(struct peer *p, const uint8_t *data, size_t size)
{
	struct arena arena;
	struct rpcmsg_call call;
	CB_COMPOUND4args args;
	struct xdr in;

	arena_init(&arena, PEER_ARENA);
	xdr_init_decode(&in, data, size, &arena);
	assert_int_equal(rpcmsg_get_call(&in, &call), RPCMSG_OK);
	assert_int_equal(call.prog, PEER_CB_PROGRAM);
	assert_true(nfs4_get_CB_COMPOUND4args(&in, &args));
	assert_int_equal(xdr_left(&in), 0);
	assert_true(args.argarray.count >= 1 && args.argarray.count <= 2);
	assert_int_equal(args.argarray.items[0].argop, OP_CB_SEQUENCE);
	p->cb_xid = call.xid;
	note_sequence(p, &args.argarray.items[0].opcbsequence);
	if (args.argarray.count == 1)
		p->probes++;
	else
		note_callback(p, &args.argarray.items[1]);
	if (p->cb == PEER_CB_SERVE)
		answer_callback(p, call.xid, &args);
	arena_fini(&arena);
}

static bool is_callback(const uint8_t *data, size_t size)
{
	uint32_t xid;
	msg_type type;

	assert_true(rpcmsg_peek(data, size, &xid, &type));
	return type == CALL;
}

bool peer_recv(struct peer *p)
{
	free(p->reply);
	while ((p->reply = read_record(p, &p->reply_size))) {
		if (!is_callback(p->reply, p->reply_size))
			return true;
		serve_callback(p, p->reply, p->reply_size);
		free(p->reply);
	}
	return false;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* One callback within @ms. */
static bool serve_one(struct peer *p, unsigned ms)
{
	uint8_t *data;
	size_t size;

	if (!wait_readable(p, ms))
		return false;
	data = read_record(p, &size);
	if (!data)
		return false;
	assert_true(is_callback(data, size));
	serve_callback(p, data, size);
	free(data);
	return true;
}

unsigned peer_serve(struct peer *p, unsigned ms)
{
	uint64_t until = now_ms() + ms;
	unsigned count = 0;

	while (now_ms() < until)
		count += serve_one(p, until - now_ms());
	return count;
}

void peer_serve_until(struct peer *p, const unsigned *count, unsigned want)
{
	uint64_t until = now_ms() + PEER_PATIENCE_MS;

	while (*count < want) {
		if (now_ms() >= until || !serve_one(p, PEER_PATIENCE_MS))
			fail_msg("the callback does not come");
	}
}

/* Records are read in their order, but served on several threads. */
void peer_settle(struct peer *p)
{
	peer_status_flags(p);
	peer_serve(p, 20);
}

bool peer_is_closed(struct peer *p)
{
	uint8_t byte;

	return wait_readable(p, PEER_PATIENCE_MS) &&
		recv(p->fd, &byte, 1, 0) <= 0;
}

/* ---- compounds ---- */

void peer_begin_bare(struct peer *p)
{
	arena_reset(&p->arena);
	p->nops = 0;
	p->slot = 0;
	p->cachethis = false;
	p->sequenced = false;
	p->tag = (struct xdr_opaque){0};
}

void peer_begin(struct peer *p)
{
	peer_begin_bare(p);
	p->sequenced = true;
	peer_add(p, OP_SEQUENCE);
}

nfs_argop4 *peer_add(struct peer *p, nfs_opnum4 op)
{
	nfs_argop4 *arg = &p->ops[p->nops++];

	assert_true(p->nops <= PEER_OPS);
	memset(arg, 0, sizeof(*arg));
	arg->argop = op;
	return arg;
}

static void put_header(struct peer *p, struct xdr *out)
{
	uint8_t body[64];
	struct rpcmsg_call call = {
		.xid = ++p->xid,
		.prog = NFS_PROGRAM,
		.vers = NFS_VERSION4,
		.proc = NFSPROC4_COMPOUND,
		.cred.flavor = p->flavor,
	};
	const authsys_parms parms = {
		.machinename = xdr_opaque_from_str("peer"),
		.uid = p->uid,
		.gid = p->gid,
	};

	if (p->flavor == AUTH_SYS)
		assert_true(rpcmsg_make_authsys(
			&call.cred, &parms, body, sizeof(body)));
	assert_true(rpcmsg_put_call(out, &call));
}

static void fill_sequence(struct peer *p)
{
	SEQUENCE4args *seq = &p->ops[0].opsequence;

	memcpy(seq->sa_sessionid, p->session, NFS4_SESSIONID_SIZE);
	seq->sa_sequenceid = p->seqid[p->slot];
	seq->sa_slotid = p->slot;
	seq->sa_highest_slotid = p->slot;
	seq->sa_cachethis = p->cachethis;
}

size_t peer_encode(struct peer *p, uint8_t *buf, size_t size)
{
	struct xdr out;
	COMPOUND4args args = {
		.tag = p->tag,
		.minorversion = p->minor,
		.argarray = {.count = p->nops, .items = p->ops},
	};

	if (p->sequenced)
		fill_sequence(p);
	xdr_init_encode(&out, buf, size);
	put_header(p, &out);
	assert_true(nfs4_put_COMPOUND4args(&out, &args));
	return xdr_pos(&out);
}

void peer_send(struct peer *p)
{
	uint8_t *buf = malloc(PEER_RECORD_MAX);

	assert_non_null(buf);
	peer_send_record(p, buf, peer_encode(p, buf, PEER_RECORD_MAX));
	free(buf);
}

/* A SEQUENCE that was accepted uses up its seqid. */
static void count_seqid(struct peer *p)
{
	const nfs_resop4 *first = p->res.resarray.items;

	if (p->res.resarray.count == 0 || first->resop != OP_SEQUENCE ||
		first->opsequence.sr_status != NFS4_OK)
		return;
	p->seqid[first->opsequence.sr_resok4.sr_slotid] =
		first->opsequence.sr_resok4.sr_sequenceid + 1;
}

nfsstat4 peer_finish(struct peer *p)
{
	struct rpcmsg_reply reply;
	struct xdr in;

	if (!peer_recv(p))
		fail_msg("the server closed the connection");
	xdr_init_decode(&in, p->reply, p->reply_size, &p->arena);
	assert_true(rpcmsg_get_reply(&in, &reply));
	assert_int_equal(reply.stat, MSG_ACCEPTED);
	assert_int_equal(reply.accept_stat, SUCCESS);
	p->results_at = xdr_pos(&in);
	assert_true(nfs4_get_COMPOUND4res(&in, &p->res));
	assert_int_equal(xdr_left(&in), 0);
	count_seqid(p);
	return p->res.status;
}

nfsstat4 peer_call(struct peer *p)
{
	peer_send(p);
	return peer_finish(p);
}

nfsstat4 peer_resend(struct peer *p)
{
	p->seqid[p->slot]--;
	return peer_call(p);
}

nfs_resop4 *peer_result(struct peer *p, uint32_t i)
{
	uint32_t at = i + p->sequenced;

	assert_true(at < p->res.resarray.count);
	return &p->res.resarray.items[at];
}

nfs_resop4 *peer_last(struct peer *p)
{
	assert_true(p->res.resarray.count > 0);
	return &p->res.resarray.items[p->res.resarray.count - 1];
}

nfsstat4 peer_result_status(struct peer *p, uint32_t i)
{
	nfsstat4 status;

	/* Every result of the protocol begins with its status. */
	memcpy(&status, &peer_result(p, i)->opillegal, sizeof(status));
	return status;
}

const SEQUENCE4resok *peer_sequence(struct peer *p)
{
	assert_true(p->res.resarray.count > 0);
	return &p->res.resarray.items[0].opsequence.sr_resok4;
}

/* ---- sessions ---- */

nfsstat4 peer_exchange_id(struct peer *p, uint32_t flags)
{
	EXCHANGE_ID4args *args;
	nfsstat4 status;

	peer_begin_bare(p);
	args = &peer_add(p, OP_EXCHANGE_ID)->opexchange_id;
	args->eia_clientowner.co_ownerid = xdr_opaque_from_str(p->owner);
	memcpy(args->eia_clientowner.co_verifier, p->verifier,
		sizeof(p->verifier));
	args->eia_flags = flags;
	status = peer_call(p);
	if (status == NFS4_OK) {
		const EXCHANGE_ID4resok *ok =
			&peer_last(p)->opexchange_id.eir_resok4;

		p->clientid = ok->eir_clientid;
		p->create_seqid = ok->eir_sequenceid;
	}
	return status;
}

static void ask_channels(struct peer *p)
{
	if (p->fore.ca_maxrequests == 0)
		p->fore = (channel_attrs4){
			.ca_maxrequestsize = NFS_RECORD_MAX,
			.ca_maxresponsesize = NFS_RECORD_MAX,
			.ca_maxresponsesize_cached = 8192,
			.ca_maxoperations = 64,
			.ca_maxrequests = PEER_SLOTS,
		};
	if (p->back.ca_maxrequests == 0)
		p->back = (channel_attrs4){
			.ca_maxrequestsize = 65536,
			.ca_maxresponsesize = 4096,
			.ca_maxoperations = 8,
			.ca_maxrequests = 4,
		};
}

nfsstat4 peer_create_session(struct peer *p, uint32_t flags)
{
	static callback_sec_parms4 none = {.cb_secflavor = AUTH_NONE};
	CREATE_SESSION4args *args;
	nfsstat4 status;

	ask_channels(p);
	peer_begin_bare(p);
	args = &peer_add(p, OP_CREATE_SESSION)->opcreate_session;
	args->csa_clientid = p->clientid;
	args->csa_sequence = p->create_seqid;
	args->csa_flags = flags;
	args->csa_fore_chan_attrs = p->fore;
	args->csa_back_chan_attrs = p->back;
	args->csa_cb_program = PEER_CB_PROGRAM;
	args->csa_sec_parms.count = 1;
	args->csa_sec_parms.items = &none;
	status = peer_call(p);
	if (status == NFS4_OK) {
		const CREATE_SESSION4resok *ok =
			&peer_last(p)->opcreate_session.csr_resok4;

		memcpy(p->session, ok->csr_sessionid, NFS4_SESSIONID_SIZE);
		p->fore = ok->csr_fore_chan_attrs;
		p->fore.ca_rdma_ird.count = 0;
		p->create_seqid++;
		for (int i = 0; i < PEER_SLOTS; i++)
			p->seqid[i] = 1;
	}
	return status;
}

nfsstat4 peer_reclaim_complete(struct peer *p)
{
	peer_begin(p);
	peer_add(p, OP_RECLAIM_COMPLETE);
	return peer_call(p);
}

uint32_t peer_status_flags(struct peer *p)
{
	peer_begin(p);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_sequence(p)->sr_status_flags;
}

nfsstat4 peer_destroy_session(struct peer *p)
{
	nfs_argop4 *arg;

	peer_begin_bare(p);
	arg = peer_add(p, OP_DESTROY_SESSION);
	memcpy(arg->opdestroy_session.dsa_sessionid, p->session,
		NFS4_SESSIONID_SIZE);
	return peer_call(p);
}

nfsstat4 peer_destroy_clientid(struct peer *p)
{
	peer_begin_bare(p);
	peer_add(p, OP_DESTROY_CLIENTID)->opdestroy_clientid.dca_clientid =
		p->clientid;
	return peer_call(p);
}

void peer_leave(struct peer *p)
{
	assert_int_equal(peer_destroy_session(p), NFS4_OK);
	assert_int_equal(peer_destroy_clientid(p), NFS4_OK);
	peer_fini(p);
}
