/* SPDX-License-Identifier: MIT */
#include "store/store_calls.h"

#include "base/counter.h"

static struct counter calls[STORE_CALLS];
static struct counter failures[STORE_CALLS];

static const char *const call_names[STORE_CALLS] = {
	[STORE_CALL_ROOT] = "root",
	[STORE_CALL_PROBE] = "probe",
	[STORE_CALL_GETATTR] = "getattr",
	[STORE_CALL_STATFS] = "statfs",
	[STORE_CALL_ACCESS] = "access",
	[STORE_CALL_OPEN_CHECK] = "open_check",
	[STORE_CALL_LOOKUP] = "lookup",
	[STORE_CALL_LOOKUP_PARENT] = "lookup_parent",
	[STORE_CALL_READLINK] = "readlink",
	[STORE_CALL_READDIR] = "readdir",
	[STORE_CALL_DIR_VERIFIER] = "dir_verifier",
	[STORE_CALL_CHECK_CREATE] = "check_create",
	[STORE_CALL_CHECK_LINK] = "check_link",
	[STORE_CALL_CHECK_REMOVE] = "check_remove",
	[STORE_CALL_CHECK_RENAME] = "check_rename",
	[STORE_CALL_CHECK_SETATTR] = "check_setattr",
	[STORE_CALL_CHECK_XATTR] = "check_xattr",
	[STORE_CALL_CREATE] = "create",
	[STORE_CALL_LINK] = "link",
	[STORE_CALL_REMOVE] = "remove",
	[STORE_CALL_RENAME] = "rename",
	[STORE_CALL_SYNC_ENTRY] = "sync_entry",
	[STORE_CALL_EXCLUSIVE_MATCH] = "exclusive_match",
	[STORE_CALL_SETATTR] = "setattr",
	[STORE_CALL_READ] = "read",
	[STORE_CALL_WRITE] = "write",
	[STORE_CALL_COMMIT] = "commit",
	[STORE_CALL_SEEK] = "seek",
	[STORE_CALL_ALLOCATE] = "allocate",
	[STORE_CALL_DEALLOCATE] = "deallocate",
	[STORE_CALL_XATTR_GET] = "xattr_get",
	[STORE_CALL_XATTR_SET] = "xattr_set",
	[STORE_CALL_XATTR_LIST] = "xattr_list",
	[STORE_CALL_XATTR_REMOVE] = "xattr_remove",
	[STORE_CALL_PIN] = "pin",
	[STORE_CALL_OBSERVE] = "observe",
	[STORE_CALL_WATCH] = "watch",
};

struct store_call_stats store_call_stats(enum store_call call)
{
	return (struct store_call_stats){
		.calls = counter_read(&calls[call]),
		.failures = counter_read(&failures[call]),
	};
}

const char *store_call_name(enum store_call call)
{
	return call_names[call];
}

void store_calls_note(enum store_call call, bool failed)
{
	counter_add(&calls[call], 1);
	if (failed)
		counter_add(&failures[call], 1);
}
