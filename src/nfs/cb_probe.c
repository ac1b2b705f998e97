/* SPDX-License-Identifier: MIT */
/* A lone CB_SEQUENCE: does the backchannel answer (DD-12)? */
#include "nfs/cb.h"

#include <stdlib.h>

static int probe_encode(struct cb_task *task, struct xdr *out, size_t room)
{
	return 0;
}

/* What the answer says of the channel, cbsession_slot_give() has noted. */
static void probe_done(struct cb_task *task, enum cb_end end, nfsstat4 status)
{
	free(task);
}

static const struct cb_kind probe_kind = {
	.counted_as = COUNT_CB_SEQUENCE,
	.encode = probe_encode,
	.done = probe_done,
};

void cb_probe_send(void *ctx, struct client *client)
{
	struct cb_task *task = malloc(sizeof(*task));

	if (task) /* without memory the health stays unknown: no grant */
		cb_submit(task, &probe_kind, ctx, client);
}
