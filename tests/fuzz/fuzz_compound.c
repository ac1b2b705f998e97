/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: requests. The first byte says how to read the rest: as a whole
 * RPC record, or as operations that run in a live session. Each is run where a
 * worker would run it, without a socket in between.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "base/log.h"
#include "operations.h"
#include "rig.h"
#include "rpc/call.h"
#include "wire/nfs4_xdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte. */
#define AS_RECORD  1
#define MINOR_1    2
#define CACHE_THIS 4
#define TIME_FLIES 8
#define SEND_TWICE 16

/* A server sees so many inputs, then it must go without a leak. */
#define INPUTS_PER_SERVER 100

#define OPS_MAX     32
#define RECORD_SIZE (NFS_RECORD_MAX + 4096)
#define ARENA_SIZE  (8u << 20)

static struct rig rig;
static struct peer peers[2]; /* of minor version 1 and 2 */
static struct rpc_conn *conn;
static int conn_fd;
static struct known known;
static unsigned inputs;
static uint8_t request[RECORD_SIZE], reply[RECORD_SIZE];

static void require(bool what, const char *message)
{
	if (what)
		return;
	fprintf(stderr, "%s\n", message);
	abort();
}

static void adjust(struct nfs_server_config *config)
{
	config->rpc.threads_min = 2;
	config->state.recall_wait_ms = 1;
}

/* Two clients, each with something to lose, in a tree with a bit of all. */
static void start_peer(struct peer *p, const char *owner, uint32_t minor)
{
	struct handle fh;

	peer_connect(p, rig.server);
	p->owner = owner;
	p->minor = minor;
	p->uid = 0;
	require(peer_exchange_id(p, 0) == NFS4_OK, "EXCHANGE_ID");
	require(peer_create_session(p, CREATE_SESSION4_FLAG_CONN_BACK_CHAN) ==
			NFS4_OK,
		"CREATE_SESSION");
	require(peer_reclaim_complete(p) == NFS4_OK, "RECLAIM_COMPLETE");
	open_file(p, owner, &fh);
	known_learn(&known, &p->res);
	take_dir_delegation(p, "dir",
		minor == 2 ? 1 << NOTIFY4_ADD_ENTRY | 1 << NOTIFY4_GFLAG_EXTEND
			   : 0);
	known_learn(&known, &p->res);
}

static void start(void)
{
	int fds[2];

	memset(&known, 0, sizeof(known));
	rig_init(&rig, adjust);
	rig.server->exports.list[0].root_squash = false;
	rig_make(&rig, "dir", OBJECT_DIR, 0777);
	rig_make(&rig, "link", OBJECT_SYMLINK, 0777);
	rig_make(&rig, "fifo", OBJECT_FIFO, 0777);
	start_peer(&peers[0], "one", 1);
	start_peer(&peers[1], "two", 2);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
	conn = rpc_add_socket(rig.server->rpc, fds[0]);
	conn_fd = fds[1];
	require(conn, "rpc_add_socket");
}

static void stop(void)
{
	peer_fini(&peers[0]);
	peer_fini(&peers[1]);
	close(conn_fd);
	rpc_conn_put(conn);
	rig_fini(&rig);
}

/* Callbacks must not fill the sockets. */
static void drain(int fd)
{
	static uint8_t sink[65536];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* As rpc/call.c does; the size of the reply, 0 = there is none. */
static size_t serve(const uint8_t *data, size_t size)
{
	struct rpc_call call = {
		.rpc = rig.server->rpc,
		.conn = conn,
		.record_size = size,
	};
	bool answer;

	arena_init(&call.arena, ARENA_SIZE);
	xdr_init_decode(&call.in, data, size, &call.arena);
	xdr_init_encode(&call.out, reply, sizeof(reply));
	answer = dispatch_call(&call);
	arena_fini(&call.arena);
	return answer ? xdr_pos(&call.out) : 0;
}

/* What our own server says, our own decoder must understand. */
static void check_reply(struct peer *p, size_t size)
{
	struct arena arena;
	struct rpcmsg_reply header;
	COMPOUND4res res;
	struct xdr in;

	arena_init(&arena, ARENA_SIZE);
	xdr_init_decode(&in, reply, size, &arena);
	require(rpcmsg_get_reply(&in, &header), "no RPC reply");
	if (header.stat == MSG_ACCEPTED && header.accept_stat == SUCCESS) {
		require(nfs4_get_COMPOUND4res(&in, &res), "no COMPOUND4res");
		require(xdr_left(&in) == 0, "something left over");
		known_learn(&known, &res);
		if (res.resarray.count > 0 &&
			res.resarray.items[0].opsequence.sr_status == NFS4_OK)
			p->seqid[0]++;
	}
	arena_fini(&arena);
}

static void run_operations(const uint8_t *data, size_t size, uint8_t how)
{
	struct peer *p = &peers[how & MINOR_1 ? 0 : 1];
	size_t len;

	peer_begin(p);
	p->cachethis = how & CACHE_THIS;
	p->nops += operations_decode(
		data, size, &known, &p->arena, p->ops + p->nops, OPS_MAX);
	len = peer_encode(p, request, sizeof(request));
	check_reply(p, serve(request, len));
	if (how & SEND_TWICE)
		serve(request, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_setup(STDERR_FILENO, LOG_LVL_ERROR);
	if (size < 1 || size > RECORD_SIZE / 2)
		return 0;
	if (inputs == 0)
		start();
	if (data[0] & TIME_FLIES)
		rig_advance(&rig, RIG_LEASE_MS / 3);
	if (data[0] & AS_RECORD)
		serve(data + 1, size - 1);
	else
		run_operations(data + 1, size - 1, data[0]);
	drain(conn_fd);
	drain(peers[0].fd);
	drain(peers[1].fd);
	inputs = (inputs + 1) % INPUTS_PER_SERVER;
	if (inputs == 0)
		stop();
	return 0;
}
