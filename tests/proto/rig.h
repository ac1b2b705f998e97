/* SPDX-License-Identifier: MIT */
/*
 * A whole server in this process, for protocol tests: memory stores behind
 * fault filters, a fake clock, no listener. peer.h connects to it. Failures
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
	struct store *below;  /* a memory store */
	struct store *store;  /* the fault filter over it */
	struct store *second; /* another one, if asked for */
	struct export exports[2];
	struct nfs_server_config config;
	struct nfs_server *server;
};

/* Memory for listings of the rigs that follow; TEST_BUDGET at first. */
extern size_t rig_listing_budget;

/* What a test wants otherwise; called before the server starts. */
typedef void (*rig_adjust)(struct nfs_server_config *config);

enum rig_exports {
	RIG_ROOT,    /* `store` is the root */
	RIG_TWO,     /* `store` at /one and `second` at /two */
	RIG_OVERLAP, /* `store` at both */
};

/* @adjust may be NULL; it finds one or two exports in the config. */
void rig_init(struct rig *r, rig_adjust adjust);
void rig_init_exports(
	struct rig *r, enum rig_exports exports, rig_adjust adjust);
void rig_fini(struct rig *r);

/* Another server over the same stores; peers must be gone. */
void rig_restart(struct rig *r);

/* cmocka: a fresh rig for each test in *@state. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* The same with a client "a" of it, which is in *@state. */
int rig_setup_peer(void **state);
int rig_teardown_peer(void **state);

/* Time passes; timers that are due fire. */
void rig_advance(struct rig *r, uint64_t ms);

/* A directory or file in the root, made behind the server's back. */
struct fileid rig_make(
	struct rig *r, const char *name, enum object_type type, uint32_t mode);

#endif
