/* SPDX-License-Identifier: MIT */
/* CB_RECALL (RFC 8881 20.2). */
#include "nfs/cb.h"

#include <stdlib.h>

#include "base/log.h"
#include "state/deleg.h"
#include "state/recall.h"
#include "wire/nfs4_xdr.h"

struct recall_task {
	struct cb_task cb;
	struct deleg *deleg; /* the reference send_recall() came with */
	struct slot_ref grant;
};

static struct recall_task *recall_of(struct cb_task *task)
{
	return container_of(task, struct recall_task, cb);
}

static int recall_encode(struct cb_task *task, struct xdr *out, size_t room)
{
	struct deleg *d = recall_of(task)->deleg;
	CB_RECALL4args args = {
		.truncate = false,
		.fh = xdr_opaque_from(d->fh, d->fh_len),
	};

	stateid_to_wire(&d->sid, &args.stateid);
	args.stateid.seqid = 0; /* callbacks name the latest (8.2.2) */
	xdr_put_u32(out, OP_CB_RECALL);
	nfs4_put_CB_RECALL4args(out, &args);
	return 1;
}

static const struct slot_ref *recall_referring(struct cb_task *task)
{
	struct recall_task *recall = recall_of(task);

	recall->grant = recall->deleg->grant;
	return session_slot_ref_is_fresh(task->server->state, &recall->grant)
		? &recall->grant
		: NULL;
}

static enum recall_result recall_result(enum cb_end end, nfsstat4 status)
{
	if (end != CB_END_ANSWERED)
		return RECALL_FAILED;
	switch (status) {
	case NFS4_OK:
	case NFS4ERR_RETRY_UNCACHED_REP: /* it has seen it before */
		return RECALL_SENT;
	case NFS4ERR_DELAY:
		return RECALL_RETRY;
	case NFS4ERR_BADHANDLE:
	case NFS4ERR_BAD_STATEID:
		return RECALL_UNKNOWN;
	default:
		return RECALL_FAILED;
	}
}

static void recall_done(struct cb_task *task, enum cb_end end, nfsstat4 status)
{
	struct recall_task *recall = recall_of(task);

	recall_sent(recall->deleg, recall_result(end, status));
	free(recall);
}

static const struct cb_kind recall_kind = {
	.counted_as = COUNT_CB_RECALL,
	.encode = recall_encode,
	.done = recall_done,
	.referring = recall_referring,
};

void cb_recall_send(void *ctx, struct deleg *d)
{
	struct recall_task *recall = malloc(sizeof(*recall));

	if (!recall) {
		recall_sent(d, RECALL_RETRY);
		return;
	}
	recall->deleg = d;
	cb_submit(&recall->cb, &recall_kind, ctx, d->sid.client);
}
