/* SPDX-License-Identifier: MIT */
#include "nfs/count.h"

#include <stddef.h>

#include "nfs/optable.h"

static const char *const status_names[COUNT_STATUSES] = {
	[COUNT_OK] = "ok",
	[COUNT_DELAY] = "delay",
	[COUNT_REFUSED] = "refused",
	[COUNT_FAULT] = "fault",
};

static const char *const callback_names[COUNT_CALLBACKS] = {
	[COUNT_CB_SEQUENCE] = "CB_SEQUENCE",
	[COUNT_CB_NOTIFY] = "CB_NOTIFY",
	[COUNT_CB_RECALL] = "CB_RECALL",
	[COUNT_CB_RECALL_ANY] = "CB_RECALL_ANY",
};

static const char *const answer_names[COUNT_ANSWERS] = {
	[COUNT_ANSWER_OK] = "ok",
	[COUNT_ANSWER_DELAY] = "delay",
	[COUNT_ANSWER_REFUSED] = "refused",
	[COUNT_ANSWER_NONE] = "none",
	[COUNT_ANSWER_DOWN] = "down",
};

enum count_status count_status_of(nfsstat4 status)
{
	switch (status) {
	case NFS4_OK:
		return COUNT_OK;
	case NFS4ERR_DELAY:
		return COUNT_DELAY;
	case NFS4ERR_IO:
	case NFS4ERR_NOSPC:
	case NFS4ERR_DQUOT:
	case NFS4ERR_NXIO:
	case NFS4ERR_SERVERFAULT:
	case NFS4ERR_RESOURCE:
		return COUNT_FAULT;
	default:
		return COUNT_REFUSED;
	}
}

const char *count_status_name(enum count_status status)
{
	return status_names[status];
}

const char *count_operation_name(uint32_t operation)
{
	if (operation == COUNT_ILLEGAL)
		return "ILLEGAL";
	return optable_find(operation, 2) ? nfs4_op_name(operation) : NULL;
}

const char *count_callback_name(enum count_callback callback)
{
	return callback_names[callback];
}

const char *count_answer_name(enum count_answer answer)
{
	return answer_names[answer];
}
