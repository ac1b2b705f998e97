/* SPDX-License-Identifier: MIT */
/* CB_RECALL_ANY (RFC 8881 20.6): give back what you use least. */
#include "nfs/cb.h"

#include <stdlib.h>

#include "wire/nfs4_xdr.h"

struct recall_any_task {
	struct cb_task cb;
	uint32_t keep;
};

/*
 * Linux keeps directory delegations among its read delegations and ignores
 * DIR_DLG; the other bit is the one the RFC means.
 */
static int recall_any_encode(struct cb_task *task, struct xdr *out, size_t room)
{
	CB_RECALL_ANY4args args = {
		.craa_objects_to_keep =
			container_of(task, struct recall_any_task, cb)->keep,
	};

	bitmap4_set(&args.craa_type_mask, RCA4_TYPE_MASK_RDATA_DLG);
	bitmap4_set(&args.craa_type_mask, RCA4_TYPE_MASK_DIR_DLG);
	xdr_put_u32(out, OP_CB_RECALL_ANY);
	nfs4_put_CB_RECALL_ANY4args(out, &args);
	return 1;
}

/* A request, not an order: whatever the client says is fine. */
static void recall_any_done(
	struct cb_task *task, enum cb_end end, nfsstat4 status)
{
	free(container_of(task, struct recall_any_task, cb));
}

static const struct cb_kind recall_any_kind = {
	.counted_as = COUNT_CB_RECALL_ANY,
	.encode = recall_any_encode,
	.done = recall_any_done,
};

void cb_recall_any_send(void *ctx, struct client *client, uint32_t keep)
{
	struct recall_any_task *task = malloc(sizeof(*task));

	if (!task) /* it will be asked again, or recalled one by one */
		return;
	task->keep = keep;
	cb_submit(&task->cb, &recall_any_kind, ctx, client);
}
