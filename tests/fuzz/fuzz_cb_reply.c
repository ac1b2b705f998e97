/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: what a client answers to callbacks. Each input is a new client
 * that brings the server to call it and then says what the input says. Two
 * bytes first: which callback, and how much of the reply is made right.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "base/log.h"
#include "rig.h"
#include "wire/nfs4_xdr.h"
#include "wire/rpcmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum which { ON_PROBE, ON_RECALL, ON_NOTIFY, WHICH };
enum how {
	ALL_RAW,   /* the input is a record */
	HEADER,    /* behind a right RPC header */
	SEQUENCED, /* and behind a right CB_SEQUENCE */
	TWICE,     /* that, and once more */
	HOW
};

#define INPUTS_PER_SERVER 50
#define REPLY_SIZE        65536

static struct rig rig;
static struct peer other;
static unsigned inputs;
static char dir[32]; /* this input's: recalls make one hard to get */

static void adjust(struct nfs_server_config *config)
{
	config->rpc.threads_min = 3;
	config->state.recall_wait_ms = 3;
}

static void start(void)
{
	rig_init(&rig, adjust);
	peer_init(&other, rig.server, "other");
}

static void stop(void)
{
	peer_fini(&other);
	rig_fini(&rig);
}

/* The last one of this owner goes with its delegation. */
static void start_holder(struct peer *p)
{
	peer_connect(p, rig.server);
	p->owner = "holder";
	memcpy(p->verifier, &inputs, sizeof(inputs));
	peer_exchange_id(p, 0);
	peer_create_session(p, CREATE_SESSION4_FLAG_CONN_BACK_CHAN);
	peer_reclaim_complete(p);
}

/* A recall is under way, or the server is busy: it may say DELAY. */
static nfsstat4 change_dir(void)
{
	peer_begin(&other);
	ask_path(&other, dir);
	ask_create(&other, "new", NF4DIR);
	return peer_call(&other);
}

/* Bring the server to call @p, and read the call. */
static void provoke(struct peer *p, enum which which)
{
	if (which == ON_PROBE) {
		p->cb = PEER_CB_HOLD;
		peer_begin(p);
		ask_path(p, dir);
		ask_dir_delegation(p, 0);
		peer_call(p); /* either may come first */
		peer_serve_until(p, &p->probes, 1);
		return;
	}
	take_dir_delegation(p, dir,
		which == ON_RECALL
			? 0
			: 1 << NOTIFY4_ADD_ENTRY | 1 << NOTIFY4_GFLAG_EXTEND);
	p->cb = PEER_CB_HOLD;
	while (change_dir() == NFS4ERR_DELAY && which == ON_NOTIFY)
		; /* nothing was changed: nobody would be told */
	peer_serve_until(p, which == ON_RECALL ? &p->recalls : &p->notifies, 1);
}

static void put_sequence(struct peer *p, struct xdr *out)
{
	const CB_SEQUENCE4args *seq = &p->cb_sequence;
	CB_SEQUENCE4resok ok = {
		.csr_sequenceid = seq->csa_sequenceid,
		.csr_slotid = seq->csa_slotid,
	};

	memcpy(ok.csr_sessionid, seq->csa_sessionid, NFS4_SESSIONID_SIZE);
	xdr_put_u32(out, NFS4_OK);
	xdr_put_u32(out, 0); /* tag */
	xdr_put_u32(out, 2);
	xdr_put_u32(out, OP_CB_SEQUENCE);
	xdr_put_u32(out, NFS4_OK);
	nfs4_put_CB_SEQUENCE4resok(out, &ok);
}

static void answer(
	struct peer *p, enum how how, const uint8_t *data, size_t size)
{
	static uint8_t buf[REPLY_SIZE];
	struct xdr out;

	xdr_init_encode(&out, buf, sizeof(buf));
	if (how != ALL_RAW)
		rpcmsg_put_success(&out, p->cb_xid, NULL);
	if (how >= SEQUENCED)
		put_sequence(p, &out);
	memcpy(buf + xdr_pos(&out), data, size);
	peer_send_record(p, buf, xdr_pos(&out) + size);
	if (how == TWICE)
		peer_send_record(p, buf, xdr_pos(&out) + size);
}

/* Whatever was said: the server goes on for others. */
static void check_alive(struct peer *p)
{
	struct pollfd poller = {.fd = p->fd, .events = POLLIN};

	peer_status_flags(&other);
	/* Let the answer arrive before its connection goes. */
	poll(&poller, 1, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p;

	log_setup(STDERR_FILENO, LOG_LVL_ERROR);
	if (size < 2 || size > REPLY_SIZE / 2)
		return 0;
	if (inputs % INPUTS_PER_SERVER == 0)
		start();
	snprintf(dir, sizeof(dir), "d%u", inputs);
	rig_make(&rig, dir, OBJECT_DIR, 0777);
	start_holder(&p);
	provoke(&p, data[0] % WHICH);
	answer(&p, data[1] % HOW, data + 2, size - 2);
	check_alive(&p);
	peer_fini(&p);
	inputs++;
	if (inputs % INPUTS_PER_SERVER == 0)
		stop();
	return 0;
}
