/* SPDX-License-Identifier: MIT */
/*
 * What most tests of the floors above the store need first: a fake clock, a
 * directory index and a memory store on them, and callers to act as. Failures
 * end the test (cmocka asserts).
 */
#ifndef TESTS_TESTUTIL_H
#define TESTS_TESTUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/dirindex.h"
#include "store/memory.h"
#include "store/store.h"

/* The fake clock starts in 2024 and ticks every 4 ms, as a kernel's does. */
#define TEST_EPOCH_NS (1704067200ULL * NSEC_PER_SEC)
#define TEST_TICK_NS  (4 * NSEC_PER_MSEC)
#define TEST_BUDGET   (64u << 20)

extern const uint8_t test_cookie_secret[32];

struct test_store {
	struct clock clock;
	struct dirindex *index;
	struct store *store; /* a memory store */
	struct fileid root;
};

void test_store_init(struct test_store *t);

/* As above with an index of @budget bytes. */
void test_store_init_budget(struct test_store *t, size_t budget);
void test_store_fini(struct test_store *t);

/* A new index, as a restart of the server gives the store. */
void test_store_restart(struct test_store *t, size_t budget);

/* An ordinary user with one group of the same number. */
struct cred test_cred(uint32_t uid);

/* Make a file (0644) or a directory (0755) as the server itself. */
struct fileid test_make(struct store *s, const struct fileid *dir,
	const char *name, enum object_type type);
void test_remove(struct store *s, const struct fileid *dir, const char *name);

/* CAP_SYS_ADMIN of this thread; a store started without has no clone. */
void test_set_admin(bool on);

/* From now on this process mounts for itself alone. False: it must not. */
bool test_own_mounts(void);

/* Descriptors this process has open. */
unsigned test_count_fds(void);

#endif
