/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- the program ---- */

static enum rpc_verdict echo(struct rpc_call *call)
{
	size_t size = xdr_left(&call->in);

	xdr_put_opaque_fixed(&call->out, call->in.data + call->in.pos, size);
	return RPC_DONE;
}

static void block(struct rig *rig)
{
	scope_lock(&rig->lock);
	rig->inside++;
	cond_broadcast(&rig->changed);
	while (rig->released == 0)
		cond_wait(&rig->changed, &rig->lock);
	rig->released--;
	rig->inside--;
	cond_broadcast(&rig->changed);
}

static enum rpc_verdict permit(struct rig *rig, struct rpc_call *call)
{
	uint32_t gate;
	bool taken;

	xdr_get_u32(&call->in, &gate);
	taken = rpc_permit_take(call->rpc, &rig->gates[gate % 2]);
	xdr_put_bool(&call->out, taken);
	if (taken) {
		block(rig);
		rpc_permit_give(call->rpc, &rig->gates[gate % 2]);
	}
	return RPC_DONE;
}

static enum rpc_verdict big(struct rpc_call *call)
{
	uint32_t size;
	uint8_t *room;

	xdr_get_u32(&call->in, &size);
	room = xdr_put_room(&call->out, size);
	if (room)
		memset(room, 'b', size);
	return RPC_DONE;
}

static enum rpc_verdict who(struct rpc_call *call)
{
	const struct cred *c = &call->auth.cred;

	xdr_put_u32(&call->out, c->uid);
	xdr_put_u32(&call->out, c->gid);
	xdr_put_u32(&call->out, c->ngroups);
	for (uint32_t i = 0; i < c->ngroups; i++)
		xdr_put_u32(&call->out, c->groups[i]);
	return RPC_DONE;
}

static enum rpc_verdict hold(struct rig *rig, struct rpc_call *call)
{
	scope_lock(&rig->lock);
	assert_null(rig->held);
	rig->held = rpc_conn_get(call->conn);
	return RPC_DONE;
}

static enum rpc_verdict run(void *ctx, struct rpc_call *call)
{
	struct rig *rig = ctx;
	uint32_t verdict;

	switch (call->procedure) {
	case RIG_ECHO:
		return echo(call);
	case RIG_BLOCK:
		block(rig);
		return echo(call);
	case RIG_PERMIT:
		return permit(rig, call);
	case RIG_BIG:
		return big(call);
	case RIG_VERDICT:
		xdr_get_u32(&call->in, &verdict);
		xdr_put_u32(&call->out, 0xdeadbeef);
		return verdict;
	case RIG_WHO:
		return who(call);
	case RIG_HOLD:
		return hold(rig, call);
	default:
		return RPC_PROC_UNAVAIL;
	}
}

static void conn_closed(void *ctx, struct rpc_conn *conn)
{
	struct rig *rig = ctx;

	assert_false(rpc_conn_is_open(conn));
	scope_lock(&rig->lock);
	rig->closed++;
	cond_broadcast(&rig->changed);
}

/* ---- the rig ---- */

void rig_init(struct rig *rig)
{
	*rig = (struct rig){.released = 0};
	clock_init_fake(&rig->clock, NSEC_PER_SEC, 0);
	timers_init(&rig->timers, &rig->clock);
	lock_init(&rig->lock, LOCK_LEAF);
	cond_init(&rig->changed);
	rig->program = (struct rpc_program){.number = RIG_PROGRAM,
		.version_low = RIG_VERSION_LOW,
		.version_high = RIG_VERSION_HIGH,
		.run = run,
		.conn_closed = conn_closed,
		.ctx = rig};
	rpc_config_default(&rig->config);
	rig->config.clock = &rig->clock;
	rig->config.timers = &rig->timers;
	rig->config.programs = &rig->program;
	rig->config.nprograms = 1;
	rig->config.max_record = 256 * 1024;
	rig->config.threads_min = 3;
	rig->config.threads_max = 16;
}

void rig_start(struct rig *rig)
{
	rig->rpc = rpc_new(&rig->config);
	assert_non_null(rig->rpc);
}

void rig_fini(struct rig *rig)
{
	rig_release(rig, 1000000);
	rpc_free(rig->rpc);
	rpc_conn_put(rig->held);
	timers_fini(&rig->timers);
	cond_fini(&rig->changed);
	lock_fini(&rig->lock);
}

void rig_release(struct rig *rig, unsigned calls)
{
	scope_lock(&rig->lock);
	rig->released += calls;
	cond_broadcast(&rig->changed);
}

static void wait_for(struct rig *rig, const unsigned *what, unsigned value)
{
	scope_lock(&rig->lock);
	while (*what != value) {
		if (!cond_wait_ms(&rig->changed, &rig->lock, RIG_PATIENCE_MS))
			fail_msg("waited in vain: %u, not %u", *what, value);
	}
}

void rig_wait_inside(struct rig *rig, unsigned calls)
{
	wait_for(rig, &rig->inside, calls);
}

void rig_wait_closed(struct rig *rig, unsigned conns)
{
	wait_for(rig, &rig->closed, conns);
}

void rig_wait(bool (*done)(void *ctx), void *ctx)
{
	for (int ms = 0; !done(ctx); ms++) {
		if (ms > RIG_PATIENCE_MS)
			fail_msg("waited in vain");
		usleep(1000);
	}
}

static bool is_quiet(void *ctx)
{
	struct rig *rig = ctx;
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats.calls_running == 0;
}

void rig_wait_quiet(struct rig *rig)
{
	rig_wait(is_quiet, rig);
}

void rig_pass_ms(struct rig *rig, uint64_t ms)
{
	clock_advance_ms(&rig->clock, ms);
	timers_run(&rig->timers);
}

/* A peer that gets no answer fails the test instead of hanging it. */
static int patient(int fd)
{
	struct timeval limit = {.tv_sec = RIG_PATIENCE_MS / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

int rig_pair(struct rig *rig, struct rpc_conn **conn)
{
	struct rpc_conn *c;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	c = rpc_add_socket(rig->rpc, fds[0]);
	assert_non_null(c);
	if (conn)
		*conn = c;
	else
		rpc_conn_put(c);
	return patient(fds[1]);
}

static socklen_t loopback(struct sockaddr_storage *ss, int family)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	*ss = (struct sockaddr_storage){.ss_family = family};
	if (family == AF_INET) {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_addr = in6addr_loopback;
	return sizeof(*v6);
}

int rig_tcp(struct rig *rig, int family)
{
	struct sockaddr_storage addr, bound;
	socklen_t len = loopback(&addr, family);
	int fd;

	if (rpc_listen(rig->rpc, (struct sockaddr *)&addr, len, &bound) < 0)
		return -1;
	fd = socket(family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&bound, len), 0);
	return patient(fd);
}

/* ---- the peer ---- */

struct peer_call peer_call_of(
	uint32_t xid, uint32_t procedure, const void *body, size_t size)
{
	return (struct peer_call){.xid = xid,
		.program = RIG_PROGRAM,
		.version = RIG_VERSION_LOW,
		.procedure = procedure,
		.body = body,
		.body_size = size};
}

static uint8_t *put_u32(uint8_t *at, uint32_t v)
{
	uint32_t be = htobe32(v);

	memcpy(at, &be, 4);
	return at + 4;
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t size)
{
	if (size)
		memcpy(at, data, size);
	return at + size;
}

size_t peer_encode(const struct peer_call *call, uint8_t *buf, size_t size)
{
	uint8_t *at = buf + 4;

	assert_true(44 + call->cred_size + call->body_size <= size);
	at = put_u32(at, call->xid);
	at = put_u32(at, 0); /* CALL */
	at = put_u32(at, 2);
	at = put_u32(at, call->program);
	at = put_u32(at, call->version);
	at = put_u32(at, call->procedure);
	at = put_u32(at, call->flavor);
	at = put_u32(at, (uint32_t)call->cred_size);
	at = put_bytes(at, call->cred, call->cred_size);
	at = put_u32(at, 0); /* no verifier */
	at = put_u32(at, 0);
	at = put_bytes(at, call->body, call->body_size);
	put_u32(buf, 0x80000000u | (uint32_t)(at - buf - 4));
	return at - buf;
}

void peer_write(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

		assert_true(n > 0);
		at += n;
		size -= n;
	}
}

void peer_call(int fd, const struct peer_call *call)
{
	size_t size = call->body_size + call->cred_size + 64;
	scope_free uint8_t *buf = malloc(size);

	assert_non_null(buf);
	peer_write(fd, buf, peer_encode(call, buf, size));
}

void peer_call_u32(int fd, uint32_t xid, uint32_t procedure, uint32_t arg)
{
	uint32_t be = htobe32(arg);
	struct peer_call call = peer_call_of(xid, procedure, &be, sizeof(be));

	peer_call(fd, &call);
}

static bool read_fully(int fd, void *buf, size_t size)
{
	char *at = buf;

	while (size > 0) {
		ssize_t n = recv(fd, at, size, 0);

		if (n <= 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}

ssize_t peer_read(int fd, uint8_t *buf, size_t size)
{
	uint8_t mark[4];
	size_t len;

	if (!read_fully(fd, mark, sizeof(mark)))
		return -1;
	assert_true(mark[0] & 0x80);
	len = peer_u32(mark) & 0x7fffffff;
	assert_true(len <= size);
	return read_fully(fd, buf, len) ? (ssize_t)len : -1;
}

uint32_t peer_u32(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, 4);
	return be32toh(be);
}

size_t peer_expect_success(const uint8_t *record, size_t size, uint32_t xid)
{
	assert_true(size >= 24);
	assert_int_equal(peer_u32(record), xid);
	assert_int_equal(peer_u32(record + 4), 1); /* REPLY */
	for (int i = 8; i < 24; i += 4) /* accepted, no verifier, success */
		assert_int_equal(peer_u32(record + i), 0);
	return 24;
}

void peer_expect(int fd, uint32_t xid, const void *results, size_t size)
{
	scope_free uint8_t *buf = malloc(size + 64);
	ssize_t n = peer_read(fd, buf, size + 64);

	assert_int_equal(n, 24 + size);
	peer_expect_success(buf, n, xid);
	if (size)
		assert_memory_equal(buf + 24, results, size);
}

void peer_expect_end(int fd)
{
	char c;
	ssize_t n;

	do {
		n = recv(fd, &c, 1, 0);
	} while (n > 0);
	if (n < 0)
		assert_int_equal(errno, ECONNRESET);
}
