/* SPDX-License-Identifier: MIT */
/*
 * An endpoint with a program to play with, and a peer that is a bare socket
 * and writes its RPC by hand, so that it can break every rule. The clock is
 * fake; waiting for another thread is bounded by RIG_PATIENCE_MS, which only
 * a failing test spends.
 */
#ifndef RPC_TEST_RIG_H
#define RPC_TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/timer.h"
#include "rpc/rpc.h"

#define RIG_PROGRAM      0x20000042
#define RIG_VERSION_LOW  2
#define RIG_VERSION_HIGH 3
#define RIG_PATIENCE_MS  20000

enum rig_proc {
	RIG_NULL,
	RIG_ECHO,    /* arguments come back */
	RIG_BLOCK,   /* as above, after rig_release() */
	RIG_PERMIT,  /* u32 gate: bool taken; holds it until rig_release() */
	RIG_BIG,     /* u32 n: n bytes */
	RIG_VERDICT, /* u32: the program says just that */
	RIG_WHO,     /* uid, gid, count, groups */
	RIG_HOLD,    /* keeps a reference to the connection in held */
};

struct rig {
	struct clock clock;
	struct timers timers;
	struct rpc_config config;
	struct rpc_program program;
	struct rpc *rpc;

	struct lock lock; /* guards the following */
	struct cond changed;
	unsigned inside;   /* calls in BLOCK or PERMIT */
	unsigned released; /* how many of them may go on */
	unsigned closed;   /* conn_closed calls */
	struct rpc_conn *held;
	struct rpc_gate gates[2];
};

/* Default values, small limits; change rig->config, then rig_start(). */
void rig_init(struct rig *rig);
void rig_start(struct rig *rig);

/* Releases all that block, frees the endpoint. */
void rig_fini(struct rig *rig);

void rig_release(struct rig *rig, unsigned calls);

/* Until that many calls are inside BLOCK or PERMIT. */
void rig_wait_inside(struct rig *rig, unsigned calls);
void rig_wait_closed(struct rig *rig, unsigned conns);

/* Until @done(@ctx): polls; for what has no event to wait for. */
void rig_wait(bool (*done)(void *ctx), void *ctx);

/* Until no call runs: a reply arrives before its call has ended. */
void rig_wait_quiet(struct rig *rig);

/* Move the fake clock and fire timers. */
void rig_pass_ms(struct rig *rig, uint64_t ms);

/* A connected peer over a socketpair; *@conn is the endpoint's end. */
int rig_pair(struct rig *rig, struct rpc_conn **conn);

/* A peer over TCP to the endpoint; @family AF_INET or AF_INET6; -1 without. */
int rig_tcp(struct rig *rig, int family);

/* ---- the peer ---- */

struct peer_call {
	uint32_t xid, program, version, procedure;
	uint32_t flavor;
	const void *cred;
	size_t cred_size;
	const void *body;
	size_t body_size;
};

/* A call of RIG_PROGRAM with AUTH_NONE. */
struct peer_call peer_call_of(
	uint32_t xid, uint32_t procedure, const void *body, size_t size);

/* The call as one record with its mark; returns the size. */
size_t peer_encode(const struct peer_call *call, uint8_t *buf, size_t size);

void peer_write(int fd, const void *data, size_t size);
void peer_call(int fd, const struct peer_call *call);
void peer_call_u32(int fd, uint32_t xid, uint32_t procedure, uint32_t arg);

/* One record without its mark; its size, or -1 at the end of the stream. */
ssize_t peer_read(int fd, uint8_t *buf, size_t size);

/* A reply's header: asserts success of @xid; offset of the results. */
size_t peer_expect_success(const uint8_t *record, size_t size, uint32_t xid);

/* Read one record, which must be a successful reply to @xid with @results. */
void peer_expect(int fd, uint32_t xid, const void *results, size_t size);

/* The stream must end. */
void peer_expect_end(int fd);

uint32_t peer_u32(const uint8_t *at);

#endif
