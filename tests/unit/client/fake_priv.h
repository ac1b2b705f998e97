/* SPDX-License-Identifier: MIT */
/*
 * The fake server's inside: fake.c has RPC and sessions, fake_tree.c the names
 * and their operations, fake_tell.c what somebody else does and is told of.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_PRIV_H
#define TESTS_UNIT_CLIENT_FAKE_PRIV_H

#include "base/lock.h"
#include "base/timer.h"
#include "fake.h"

#define FAKE_NODES    256
#define FAKE_SESSIONS 8
#define FAKE_SLOTS    16
#define FAKE_DELEGS   64

struct fake_node {
	bool used, dir;
	uint32_t parent;
	char name[64];
	uint64_t change, size;
	int64_t mtime_ns, ctime_ns;
	uint32_t mode;
};

struct fake_slot {
	uint32_t seqid;
	uint8_t *reply;
	size_t size;
};

struct fake_session {
	bool used;
	uint64_t clientid;
	sessionid4 id;
	uint32_t minor;
	struct fake_slot slots[FAKE_SLOTS];
	uint32_t cb_seqid[FAKE_SLOTS];
	struct rpc_conn *conn; /* for callbacks; a reference */
	uint32_t cb_program;
	uint8_t auth[400];
	uint32_t auth_size;
};

struct fake_deleg {
	bool used, recalled, revoked;
	uint64_t clientid;
	uint32_t node;
	stateid4 stateid;
	bitmap4 types, child_attrs, dir_attrs;
};

struct fake {
	struct clock clock;
	struct timers timers;
	struct rpc *rpc;
	struct rpc_program program;
	uint16_t port;

	struct lock lock; /* guards the following */
	struct cond cond;
	struct fake_node nodes[FAKE_NODES];
	struct fake_session sessions[FAKE_SESSIONS];
	struct fake_deleg delegs[FAKE_DELEGS];
	uint64_t next_id; /* client ids, session ids, stateids, changes */
	uint64_t epoch;   /* of this incarnation */
	uint64_t clientid;
	struct fake_session *newest;
	/* the newest GET_DIR_DELEGATION */
	sessionid4 grant_session;
	uint32_t grant_slot, grant_seqid;
	struct fake_seen seen;
	unsigned drop_replies, fail_sequence, fail_create;
	nfsstat4 fail_status, create_status, refuse_status, readdir_status;
	uint32_t create_seqid; /* of the last CREATE_SESSION */
	bool refuse, recall_always, mute, hold_grants, hold_returns, deaf;
	bool closing;
	bool grant_attrs, promise_little, endless_new, endless_old;
	uint32_t flags;
};

/* One COMPOUND being run; under the lock. */
struct fake_run {
	struct fake *f;
	struct rpc_call *call;
	struct fake_session *session; /* after SEQUENCE */
	uint32_t slot, seqid;
	uint32_t minor;
	uint32_t fh, saved; /* node + 1; 0: none */
	bool granted;
};

/* Everything but sessions. The status is put in @res as well. */
nfsstat4 fake_tree_op(
	struct fake_run *run, const nfs_argop4 *arg, nfs_resop4 *res);

/* ---- fake_tree.c; the lock is held ---- */

/* The node of that name in @dir, or -1. */
int fake_find_child(struct fake *f, uint32_t dir, const char *name, size_t len);

/* The node at @path, or with @last its parent and the last name. */
int fake_walk(struct fake *f, const char *path, const char **last);
uint32_t fake_new_node(struct fake *f, uint32_t dir, const char *name,
	size_t len, bool is_dir);
fattr4 fake_attrs_of(struct fake *f, uint32_t node, const bitmap4 *want,
	uint8_t *buf, size_t size);
struct fake_deleg *fake_find_deleg(struct fake *f, const stateid4 *stateid);

#endif
