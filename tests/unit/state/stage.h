/* SPDX-License-Identifier: MIT */
/*
 * A world for tests about delegations: clients with a back channel that
 * answers, directories by number, and a sender that only writes down what it
 * was asked to send until the test delivers it.
 */
#ifndef TESTS_STATE_STAGE_H
#define TESTS_STATE_STAGE_H

#include "world.h"

#include "state/batch.h"
#include "state/deleg.h"
#include "state/dirchange.h"
#include "state/dirdeleg.h"
#include "state/recall.h"

#define STAGE_SENT_MAX 64
#define STAGE_LEASE_MS 90000

/* Notification types as a client asks for them. */
#define ASK_NOTHING 0u
#define ASK_ADD     (1u << NOTIFY4_ADD_ENTRY | 1u << NOTIFY4_GFLAG_EXTEND)
#define ASK_REMOVE  (1u << NOTIFY4_REMOVE_ENTRY | 1u << NOTIFY4_GFLAG_EXTEND)
#define ASK_RENAME  (1u << NOTIFY4_RENAME_ENTRY | 1u << NOTIFY4_GFLAG_EXTEND)
#define ASK_ALL     (ASK_ADD | ASK_REMOVE | ASK_RENAME)
#define ASK_CLASSIC (ASK_ALL & ~(1u << NOTIFY4_GFLAG_EXTEND))

/* With attributes: size and mode of children, all those of the directory. */
#define ASK_CHILD_ATTRS \
	(1u << NOTIFY4_CHANGE_CHILD_ATTRS | 1u << NOTIFY4_GFLAG_EXTEND)
#define ASK_DIR_ATTRS \
	(1u << NOTIFY4_CHANGE_DIR_ATTRS | 1u << NOTIFY4_GFLAG_EXTEND)
#define ASK_VERIFIER_BIT (1u << NOTIFY4_CHANGE_COOKIE_VERIFIER)
#define ASK_VERIFIER     (ASK_VERIFIER_BIT | 1u << NOTIFY4_GFLAG_EXTEND)

struct actor {
	struct peer peer;
	struct actor *next;
};

struct stage {
	struct world w; /* first: it is the context of its own callbacks */
	/* What was handed to the sender and not yet answered: references. */
	struct deleg *notify[STAGE_SENT_MAX], *recall[STAGE_SENT_MAX];
	int notifies, recalls;
	uint32_t back_request; /* ca_maxrequestsize of back channels to come */
	struct actor *actors;
};

/*
 * No grace, window 50 ms, mutators do not wait (there is one thread). Prepare,
 * change w.config, start; or all in one.
 */
void stage_prepare(struct stage *st);
void stage_start(struct stage *st);
void stage_init(struct stage *st);
void stage_fini(struct stage *st);

/* Time goes by, timers fire. */
void stage_pass(struct stage *st, uint64_t ms);

/*
 * A confirmed client with a reference. It has reclaimed, and its back channel
 * has answered; _new: neither.
 */
struct client *stage_client(struct stage *st, const char *name);
struct client *stage_client_new(struct stage *st, const char *name);
void stage_answer_probe(struct client *c);
void stage_cut(struct stage *st, struct client *c);

/* It has seen all replies so far: its slot is used again. */
void stage_use_slot(struct stage *st, struct client *c);

struct fileid stage_dir(unsigned number);

/* Ask for a delegation; NULL when refused. The reference is the caller's. */
struct deleg *stage_grant(
	struct stage *st, struct client *c, unsigned dir, uint32_t ask);
void stage_request(struct dirdeleg_request *r, uint32_t ask);
struct deleg *stage_find(struct client *c, const stateid4 *wire);

/* Run one change of an entry in @dir; NFS4ERR_DELAY: it was not admitted. */
nfsstat4 stage_change(struct stage *st, struct client *who, unsigned dir,
	enum change_kind kind, const char *name);

/* The same in two directories: @name moves. */
nfsstat4 stage_move(struct stage *st, struct client *who, unsigned from,
	unsigned to, const char *name);

/* Only whether it would be admitted; then it is called off. */
nfsstat4 stage_try(struct stage *st, struct client *who, unsigned dir,
	enum change_kind kind);

/* Take back what the sender was given, oldest first; NULL when nothing. */
struct deleg *stage_pop_notify(struct stage *st);
struct deleg *stage_pop_recall(struct stage *st);

/*
 * Deliver the next batch, which must be @d's and hold exactly these names (a
 * NULL ends them).
 */
void stage_deliver(struct stage *st, struct deleg *d, ...);

/* Nothing was handed to the sender. */
void stage_assert_quiet(struct stage *st);

struct state_stats stage_stats(struct stage *st);

#endif
