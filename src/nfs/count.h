/* SPDX-License-Identifier: MIT */
/*
 * What this floor counts for metrics: operations by how they ended, callbacks
 * by what came of them.
 */
#ifndef NFS_COUNT_H
#define NFS_COUNT_H

#include <stdint.h>

#include "base/counter.h"
#include "proto/nfs4.h"

/* Operations by number; below the first one: what is none of them. */
#define COUNT_OPERATIONS (OP_REMOVEXATTR + 1)
#define COUNT_ILLEGAL    0

/* How an operation ended, as far as an operator cares. */
enum count_status {
	COUNT_OK,
	COUNT_DELAY,   /* NFS4ERR_DELAY: the client tries again */
	COUNT_REFUSED, /* not possible, not allowed, not there */
	COUNT_FAULT,   /* the server or its disk could not */
	COUNT_STATUSES
};
enum count_status count_status_of(nfsstat4 status);
const char *count_status_name(enum count_status status);

/* "CREATE", "ILLEGAL"; NULL for a number that is no operation. */
const char *count_operation_name(uint32_t operation);

enum count_callback {
	COUNT_CB_SEQUENCE, /* a probe */
	COUNT_CB_NOTIFY,
	COUNT_CB_RECALL,
	COUNT_CB_RECALL_ANY,
	COUNT_CALLBACKS
};
const char *count_callback_name(enum count_callback callback);

enum count_answer {
	COUNT_ANSWER_OK,
	COUNT_ANSWER_DELAY,
	COUNT_ANSWER_REFUSED, /* any other status */
	COUNT_ANSWER_NONE,    /* in time, or one that makes sense */
	COUNT_ANSWER_DOWN,    /* no backchannel to send it on */
	COUNT_ANSWERS
};
const char *count_answer_name(enum count_answer answer);

struct nfs_counts {
	struct counter operations[COUNT_OPERATIONS][COUNT_STATUSES];
	struct counter callbacks[COUNT_CALLBACKS][COUNT_ANSWERS];
};

/* @operation: one of the table, or COUNT_ILLEGAL. */
static inline void count_operation(
	struct nfs_counts *counts, uint32_t operation, nfsstat4 status)
{
	counter_add(&counts->operations[operation][count_status_of(status)], 1);
}

#endif
