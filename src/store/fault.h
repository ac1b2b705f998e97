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

/* A filter over @below, which it takes. NULL when out of memory. */
struct store *fault_new(struct store *below);

/* Any of the calls. */
#define FAULT_ALL STORE_CALLS

/* From now on @call fails with -@error (0 = no more), @times (0 = always). */
void fault_fail(
	struct store *s, enum store_call call, int error, uint64_t times);

/* Only the @nth of @call from now (1 = the next) fails with -@error. */
void fault_fail_nth(
	struct store *s, enum store_call call, int error, uint64_t nth);

/*
 * The next @call does its work and then fails with -@error, as one whose result
 * does not reach the disk. Only those that change an object's data or attributes
 * can: SETATTR, WRITE, ALLOCATE, DEALLOCATE, XATTR_SET and XATTR_REMOVE.
 */
void fault_fail_late(struct store *s, enum store_call call, int error);

/* From now on every call waits until fault_release(). */
void fault_hang(struct store *s);
void fault_release(struct store *s);

/* How many calls wait in a hang now, and how many of @call there were. */
unsigned fault_waiting(struct store *s);
uint64_t fault_count(struct store *s, enum store_call call);

#endif
