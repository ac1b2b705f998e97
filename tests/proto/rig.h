/* SPDX-License-Identifier: MIT */
/*
 * A whole server in this process, for protocol tests: a memory store behind
 * the fault filter, a fake clock, no listener. peer.h connects to it. Failures
 * end the test (cmocka asserts).
 */
#ifndef TESTS_PROTO_RIG_H
#define TESTS_PROTO_RIG_H

#include "base/clock.h"
#include "base/timer.h"
#include "nfs/server.h"
#include "store/dirindex.h"
#include "store/fault.h"
#include "store/store.h"

#define RIG_LEASE_MS 90000

struct rig {
	struct clock clock;
	struct timers timers;
	struct dirindex *index;
	struct store *store; /* the fault filter */
	struct nfs_server *server;
};

/* What a test wants otherwise; called before the server starts. */
typedef void (*rig_adjust)(struct nfs_server_config *config);

/* @adjust may be NULL. */
void rig_init(struct rig *r, rig_adjust adjust);
void rig_fini(struct rig *r);

/* cmocka: a fresh rig for each test in *@state. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Time passes; timers that are due fire. */
void rig_advance(struct rig *r, uint64_t ms);

/* A directory or file in the root, made behind the server's back. */
struct fileid rig_make(
	struct rig *r, const char *name, enum object_type type, uint32_t mode);

#endif
