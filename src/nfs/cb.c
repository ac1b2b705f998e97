/* SPDX-License-Identifier: MIT */
#include "nfs/cb.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "state/client.h"
#include "wire/nfs4_xdr.h"

#define CB_PROC_COMPOUND 1

/* The most we make of a generous client's ca_maxrequestsize. */
#define CB_REQUEST_MAX (256 * 1024)

/* Room for what decodes of an answer: statuses and session ids. */
#define CB_REPLY_ARENA (64 * 1024)

/* A client that answers CB_SEQUENCE with DELAY is asked again so often. */
#define CB_DELAY_MS    100
#define CB_DELAY_TRIES 50

/* How often to look whether a lost connection was replaced. */
#define CB_REBIND_MS 50

/* How long an answer may take: a tenth of the lease, 5 to 10 seconds. */
static uint64_t answer_ms(const struct nfs_server *server)
{
	uint64_t ms = state_get_config(server->state)->lease_ms / 10;

	if (ms < 5000)
		return 5000;
	return ms > 10000 ? 10000 : ms;
}

static enum count_answer answer_of(enum cb_end end, nfsstat4 status)
{
	if (end == CB_END_DOWN)
		return COUNT_ANSWER_DOWN;
	if (end != CB_END_ANSWERED)
		return COUNT_ANSWER_NONE;
	if (status == NFS4_OK)
		return COUNT_ANSWER_OK;
	return status == NFS4ERR_DELAY ? COUNT_ANSWER_DELAY
				       : COUNT_ANSWER_REFUSED;
}

static void finish(struct cb_task *task, enum cb_end end, nfsstat4 status)
{
	struct nfs_counts *counts = &task->server->counts;
	struct client *client = task->client;

	if (end != CB_END_NOTHING)
		counter_add(&counts->callbacks[task->kind->counted_as]
					      [answer_of(end, status)],
			1);
	free(task->request);
	task->request = NULL;
	task->client = NULL;
	task->kind->done(task, end, status); /* may free the task */
	client_put(client);
}

void cb_end_unsent(struct cb_task *task)
{
	finish(task, CB_END_DOWN, NFS4ERR_SERVERFAULT);
}

static void give_up(
	struct cb_task *task, enum cb_outcome outcome, enum cb_end end)
{
	cbsession_slot_give(&task->slot, outcome);
	finish(task, end, NFS4ERR_SERVERFAULT);
}

/* ---- encoding ---- */

static void put_sequence(struct cb_task *task, struct xdr *out)
{
	const struct slot_ref *seen =
		task->kind->referring ? task->kind->referring(task) : NULL;
	referring_call4 call;
	referring_call_list4 list = {0};
	CB_SEQUENCE4args args = {
		.csa_sequenceid = task->slot.seqid,
		.csa_slotid = task->slot.slot,
		.csa_highest_slotid = task->slot.highest,
		.csa_cachethis = false, /* Linux keeps nothing for us */
	};

	memcpy(args.csa_sessionid, task->slot.session_id, NFS4_SESSIONID_SIZE);
	if (seen) {
		call.rc_sequenceid = seen->seqid;
		call.rc_slotid = seen->slot;
		memcpy(list.rcl_sessionid, seen->session, NFS4_SESSIONID_SIZE);
		list.rcl_referring_calls.count = 1;
		list.rcl_referring_calls.items = &call;
		args.csa_referring_call_lists.count = 1;
		args.csa_referring_call_lists.items = &list;
	}
	xdr_put_u32(out, OP_CB_SEQUENCE);
	nfs4_put_CB_SEQUENCE4args(out, &args);
}

static void describe_call(struct cb_task *task)
{
	task->out.program = task->slot.program;
	task->out.version = 1; /* not 4: see doc/design.md, Backchannel */
	task->out.procedure = CB_PROC_COMPOUND;
	task->out.auth_flavor = task->slot.auth_flavor;
	task->out.auth_body = task->slot.auth_body;
	task->out.auth_body_size = task->slot.auth_body_size;
}

/* It was made as large as the client takes, and is kept for a retry. */
static void shrink_request(struct cb_task *task)
{
	uint8_t *less = realloc(task->request, task->size);

	if (less)
		task->request = less;
}

/* The whole CB_COMPOUND4args; false: nothing to send, or no memory. */
static bool encode_request(struct cb_task *task, int *operations)
{
	size_t overhead, size;
	struct xdr out;
	size_t count_at;

	describe_call(task);
	overhead = rpc_outcall_overhead(&task->out);
	size = task->slot.max_request < CB_REQUEST_MAX ? task->slot.max_request
						       : CB_REQUEST_MAX;
	if (size <= overhead)
		return false;
	task->request = malloc(size - overhead);
	if (!task->request)
		return false;
	xdr_init_encode(&out, task->request, size - overhead);
	xdr_put_u32(&out, 0); /* no tag */
	xdr_put_u32(&out, task->slot.minor_version);
	xdr_put_u32(&out, 0); /* callback_ident: 4.0 only */
	count_at = xdr_reserve(&out, 4);
	put_sequence(task, &out);
	*operations = task->settling
		? 0
		: task->kind->encode(task, &out, xdr_left(&out));
	if (*operations < 0 || out.bad)
		return false;
	xdr_patch_u32(&out, count_at, 1 + *operations);
	task->size = xdr_pos(&out);
	shrink_request(task);
	return true;
}

/* ---- answers ---- */

struct cb_answer {
	nfsstat4 sequence; /* of CB_SEQUENCE */
	nfsstat4 operation;
};

static bool sequence_matches(
	const struct cb_task *task, const CB_SEQUENCE4resok *ok)
{
	return memcmp(ok->csr_sessionid, task->slot.session_id,
		       NFS4_SESSIONID_SIZE) == 0 &&
		ok->csr_sequenceid == task->slot.seqid &&
		ok->csr_slotid == task->slot.slot;
}

/* Every callback result begins with its status. */
static nfsstat4 status_of(const nfs_cb_resop4 *res)
{
	nfsstat4 status;

	memcpy(&status, &res->opcbillegal, sizeof(status));
	return status;
}

static bool decode_answer(
	struct cb_task *task, struct xdr *results, struct cb_answer *ret)
{
	CB_COMPOUND4res res;
	const nfs_cb_resop4 *sequence;

	if (!nfs4_get_CB_COMPOUND4res(results, &res) || res.resarray.count == 0)
		return false;
	sequence = &res.resarray.items[0];
	if (sequence->resop != OP_CB_SEQUENCE)
		return false;
	ret->sequence = status_of(sequence);
	if (ret->sequence == NFS4_OK)
		task->slot.target_highest = sequence->opcbsequence.csr_resok4
						    .csr_target_highest_slotid;
	if (ret->sequence == NFS4_OK &&
		!sequence_matches(task, &sequence->opcbsequence.csr_resok4))
		return false;
	ret->operation = res.resarray.count > 1
		? status_of(&res.resarray.items[1])
		: res.status;
	return true;
}

static enum cb_outcome sequence_outcome(nfsstat4 status)
{
	switch (status) {
	case NFS4ERR_BADSESSION:
	case NFS4ERR_DEADSESSION:
		return CB_SEQ_BADSESSION;
	case NFS4ERR_SEQ_MISORDERED:
	case NFS4ERR_SEQ_FALSE_RETRY:
		return CB_SEQ_MISORDERED;
	default:
		return CB_SEQ_ERROR;
	}
}

static void transmit(struct cb_task *task);
static void run_task(struct rpc_job *job);
static void start(struct cb_task *task);
static void retry_task(struct rpc_job *job);

/* In the end the slot is in doubt: the client may be busy with it for ever. */
static void retry_later(struct cb_task *task)
{
	if (++task->tries > CB_DELAY_TRIES ||
		!cb_retry_in(task, CB_DELAY_MS, retry_task))
		give_up(task, CB_SEQ_DELAY, CB_END_FAILED);
}

void cb_abandon(struct rpc_job *job)
{
	give_up(container_of(job, struct cb_task, job), CB_SEQ_ERROR,
		CB_END_FAILED);
}

/*
 * The slot of a callback that got no answer once was in doubt: the lone
 * CB_SEQUENCE has settled it, one way or the other. Now the real one.
 */
static void settled(struct cb_task *task, nfsstat4 sequence)
{
	cbsession_slot_give(
		&task->slot, sequence == NFS4_OK ? CB_ANSWERED : CB_SEQ_ERROR);
	free(task->request);
	task->request = NULL;
	task->in_doubt = false; /* only that CB_SEQUENCE was */
	task->job.run = run_task;
	start(task);
}

/*
 * Another session may do, unless the client may have seen it on this one; other
 * refusals would meet every callback alike.
 */
static void session_refused(struct cb_task *task, nfsstat4 sequence)
{
	enum cb_outcome outcome = sequence_outcome(sequence);

	give_up(task, outcome,
		outcome == CB_SEQ_BADSESSION && !task->in_doubt
			? CB_END_DOWN
			: CB_END_FAILED);
}

static void answered(struct cb_task *task, struct xdr *results)
{
	struct cb_answer answer;

	if (!decode_answer(task, results, &answer)) {
		give_up(task, CB_SEQ_ERROR, CB_END_FAILED);
		return;
	}
	if (answer.sequence == NFS4ERR_DELAY) {
		retry_later(task);
		return;
	}
	if (task->settling) {
		settled(task, answer.sequence);
		return;
	}
	if (answer.sequence != NFS4_OK) {
		session_refused(task, answer.sequence);
		return;
	}
	cbsession_slot_give(&task->slot, CB_ANSWERED);
	finish(task, CB_END_ANSWERED, answer.operation);
}

static void reconnect_task(struct rpc_job *job);

/* A new connection may be bound soon; false: it has been waited for enough. */
static bool wait_for_connection(struct cb_task *task)
{
	uint64_t now = clock_mono_ms(task->server->clock);

	if (task->lost_ms == 0)
		task->lost_ms = now;
	if (now - task->lost_ms > answer_ms(task->server))
		return false;
	return cb_retry_in(task, CB_REBIND_MS, reconnect_task);
}

/*
 * Same slot, seqid and content on another connection of the session: what the
 * client has seen already it will not take twice (RFC 8881 2.10.6.2).
 */
static void connection_lost(struct cb_task *task)
{
	enum cb_retry prospect = cbsession_slot_prospect(&task->slot);

	if (prospect == CB_RETRY_LATER && wait_for_connection(task))
		return;
	if (cbsession_slot_retry(&task->slot)) {
		task->lost_ms = 0;
		transmit(task);
		return;
	}
	/* Sent afresh elsewhere, what it has seen would reach it twice. */
	finish(task, task->in_doubt ? CB_END_FAILED : CB_END_DOWN,
		NFS4ERR_SERVERFAULT);
}

static void reconnect_task(struct rpc_job *job)
{
	connection_lost(container_of(job, struct cb_task, job));
}

static void call_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct cb_task *task = container_of(out, struct cb_task, out);
	struct arena arena;

	switch (outcome) {
	case RPC_OUT_OK:
		arena_init(&arena, CB_REPLY_ARENA);
		results->arena = &arena;
		answered(task, results); /* decoded before the task may go */
		arena_fini(&arena);
		return;
	case RPC_OUT_LOST:
		task->in_doubt = true;
		connection_lost(task);
		return;
	case RPC_OUT_TIMEOUT:
		give_up(task, CB_TIMED_OUT, CB_END_FAILED);
		return;
	default:
		give_up(task, CB_SEQ_ERROR, CB_END_FAILED);
	}
}

/* ---- sending ---- */

static void transmit(struct cb_task *task)
{
	task->out.done = call_done;
	if (rpc_outcall_send(task->slot.conn, &task->out, task->request,
		    task->size, answer_ms(task->server)) < 0)
		connection_lost(task);
}

static void send_on_slot(struct cb_task *task)
{
	int operations = 0;

	task->settling = task->slot.uncertain;
	if (encode_request(task, &operations)) {
		transmit(task);
		return;
	}
	/* Never sent: the seqid is free for the next callback. */
	cbsession_slot_give(&task->slot, CB_NOT_SENT);
	finish(task, operations < 0 ? CB_END_NOTHING : CB_END_DOWN,
		NFS4ERR_SERVERFAULT);
}

/* Where all sessions are too small it is tried on one: it may be less. */
static enum cb_slot_result take_slot(struct cb_task *task)
{
	enum cb_slot_result result =
		cbsession_slot_take(task->client, task->need, &task->slot);

	if (result != CB_SLOT_DOWN || task->need == 0)
		return result;
	task->need = 0;
	return cbsession_slot_take(task->client, 0, &task->slot);
}

static void run_task(struct rpc_job *job)
{
	struct cb_task *task = container_of(job, struct cb_task, job);

	if (!cb_line_may_look(task))
		return;
	switch (take_slot(task)) {
	case CB_SLOT_TAKEN:
		cb_line_leave(task);
		send_on_slot(task);
		return;
	case CB_SLOT_BUSY:
		cb_line_wait(task);
		return;
	case CB_SLOT_DOWN:
		cb_line_leave(task);
		cb_end_unsent(task);
	}
}

static void retry_task(struct rpc_job *job)
{
	struct cb_task *task = container_of(job, struct cb_task, job);

	transmit(task);
}

/* While the server stops there may be no worker left to run it. */
static void start(struct cb_task *task)
{
	if (atomic_load(&task->server->stopping))
		cb_end_unsent(task);
	else
		rpc_post(task->server->rpc, &task->job);
}

void cb_submit(struct cb_task *task, const struct cb_kind *kind,
	struct nfs_server *server, struct client *client)
{
	*task = (struct cb_task){
		.kind = kind,
		.server = server,
		.client = client_ref(client),
		.job.run = run_task,
	};
	if (kind->largest)
		task->need = kind->largest(task);
	list_init(&task->waiting);
	start(task);
}
