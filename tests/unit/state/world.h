/* SPDX-License-Identifier: MIT */
/*
 * A state manager on a fake clock with somebody above it who counts what he is
 * asked for, and short ways to be a client of it. Connections are pointers to
 * `struct fake_conn`.
 */
#ifndef TESTS_STATE_WORLD_H
#define TESTS_STATE_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/timer.h"
#include "proto/nfs4.h"
#include "state/client.h"
#include "state/session.h"
#include "state/state.h"

struct fake_conn {
	atomic_int refs;
	atomic_int bound; /* what conn_bound() said last: -1 never */
};

struct world {
	struct clock clock;
	struct timers timers;
	struct state_config config;
	struct state *state;
	atomic_int probes, readies, unpins;
	struct fileid unpinned;
};

/* Set up with defaults; change @w->config, then world_start(). */
void world_prepare(struct world *w);
void world_start(struct world *w);
void world_stop(struct world *w);

/* Both in one, and the cmocka way. */
struct world *world_new(void);
void world_free(struct world *w);

/* Time passes, and the timers that are due fire. */
void world_advance(struct world *w, uint64_t ms);

struct fake_conn *conn_make(void);

/* Fails the test when somebody still holds it. */
void conn_drop(struct fake_conn *conn);

extern const struct principal root, alice;

EXCHANGE_ID4args exchange_args(const char *owner, uint64_t verifier);
CREATE_SESSION4args session_args(uint64_t clientid, uint32_t sequence);
struct fileid file_named(const char *name);
struct xdr_opaque bytes_of(const char *text);

/* An OPEN that fails, or is granted at once. */
nfsstat4 open_at_once(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	stateid4 *ret);

/* EXCHANGE_ID that must succeed. */
EXCHANGE_ID4resok exchange(
	struct world *w, const char *owner, uint64_t verifier);

/* A confirmed client with one session, over @conn with a back channel. */
struct peer {
	struct world *w;
	struct client *client; /* a reference */
	struct fake_conn *conn;
	CREATE_SESSION4resok session;
	uint32_t seqid[64]; /* next on each slot */
};

void peer_connect(struct world *w, struct peer *p, const char *owner);
void peer_drop(struct peer *p);

/* cmocka: a client "a" of a fresh world, for each test in *@arg. */
int peer_setup(void **arg);
int peer_teardown(void **arg);

/* A call on a slot, to its end or only to its begin. */
struct call {
	struct session *session;
	struct slot *slot;
	enum slot_verdict verdict;
	SEQUENCE4resok res;
};
nfsstat4 call_begin(struct peer *p, uint32_t slot, uint32_t seqid,
	uint64_t digest, struct call *ret);
void call_end(struct call *call, const char *reply);

/* A whole SEQUENCE on slot 0 that must succeed: its status flags. */
uint32_t peer_sequence(struct peer *p);

#endif
