/* SPDX-License-Identifier: MIT */
/*
 * The fault filter: a store over a store that fails, delays or hangs calls on
 * demand, so that every error path of the server can be walked in a test.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* One per member of struct store_ops; FAULT_ALL means any of them. */
enum fault_call {
	FAULT_ROOT,
	FAULT_PROBE,
	FAULT_GETATTR,
	FAULT_STATFS,
	FAULT_ACCESS,
	FAULT_OPEN_CHECK,
	FAULT_LOOKUP,
	FAULT_LOOKUP_PARENT,
	FAULT_READLINK,
	FAULT_READDIR,
	FAULT_DIR_VERIFIER,
	FAULT_CHECK_CREATE,
	FAULT_CHECK_LINK,
	FAULT_CHECK_REMOVE,
	FAULT_CHECK_RENAME,
	FAULT_CREATE,
	FAULT_LINK,
	FAULT_REMOVE,
	FAULT_RENAME,
	FAULT_SYNC_ENTRY,
	FAULT_EXCLUSIVE_MATCH,
	FAULT_SETATTR,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_COMMIT,
	FAULT_SEEK,
	FAULT_ALLOCATE,
	FAULT_DEALLOCATE,
	FAULT_XATTR_GET,
	FAULT_XATTR_SET,
	FAULT_XATTR_LIST,
	FAULT_XATTR_REMOVE,
	FAULT_PIN,
	FAULT_CALLS,
	FAULT_ALL = FAULT_CALLS,
};

/* A filter over @below, which it takes. NULL when out of memory. */
struct store *fault_new(struct store *below);

/* From now on @call fails with -@error (0 = no more), @times (0 = always). */
void fault_fail(
	struct store *s, enum fault_call call, int error, uint64_t times);

/* From now on every call waits until fault_release(). */
void fault_hang(struct store *s);
void fault_release(struct store *s);

/* How many calls wait in a hang now, and how many of @call there were. */
unsigned fault_waiting(struct store *s);
uint64_t fault_count(struct store *s, enum fault_call call);

#endif
