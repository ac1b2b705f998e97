/* SPDX-License-Identifier: MIT */
/*
 * The property test of directory delegations: clients on threads of their own
 * do random things in a few directories and hold delegations there. The spy
 * knows what really happened, in order; at quiet points what each holder was
 * told must be exactly that, and its model what another client lists.
 *
 *	prop_main	options, periods and phases, the report
 *	prop_ops	one random operation
 *	prop_hold	delegations: asking, callbacks, returning
 *	prop_quiet	quiet points: everything told? then checks
 *	prop_match	events of a holder against the spy's changes
 */
#ifndef TESTS_PROP_H
#define TESTS_PROP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rand.h"
#include "client/dircache.h"
#include "client/nfsc_files.h"
#include "client/nfsc_ops.h"
#include "spy.h"
#include "testserver.h"

#define PEERS 4
#define TOPS  8
#define NAMES 20
/* Of those: two that share a cookie with others, in a narrow hash. */
#define RARE       2
#define NAME_QUIET NAMES /* made and removed at quiet points */

/* Directories by what is held there, see hold_terms(). */
#define TOP_PARTIAL 6
#define TOP_RECALL  7

/* What goes wrong on purpose. */
enum fault {
	FAULT_NOTHING,
	FAULT_OVERFLOW, /* queues of one event */
	FAULT_DELAY,    /* two clients often answer DELAY */
	FAULT_NOTSUPP,  /* ... sometimes NOTSUPP */
	FAULT_DROP,     /* ... close the connection on a callback */
	FAULT_REBIND,   /* ... lose their connections, bind again */
	FAULT_STORE,    /* store calls fail */
	FAULTS
};

enum terms {
	TERMS_NONE,
	TERMS_UNORDERED, /* GFLAG_EXTEND */
	TERMS_ORDERED,   /* GFLAG_EXTEND and CFLAG_ORDER */
	TERMS_CLASSIC,   /* neither: RFC 8881 as it is, ordered */
	TERMS_PARTIAL,   /* unordered, without RENAME or without REMOVE */
	TERMS_RECALL,    /* no notifications */
};

/* Of each client: up to where its changes are known to be over. */
struct moment {
	uint64_t done[PEERS];
	uint64_t seq;
};

struct event {
	struct list link;
	struct dircache_change change; /* its strings are in bytes */
	char bytes[];
};

enum hold_state {
	HOLD_ASKING,
	HOLD_LIVE,
	HOLD_RECALLED, /* the returner will see to it */
	HOLD_RETURNING,
	HOLD_ENDED,
};

struct hold {
	struct list link; /* peer's; under its lock */
	struct peer *peer;
	int top; /* index, or -1 */
	struct nfsc_fh fh;
	struct fileid dir;
	enum terms terms;
	struct nfsc_deleg_want want;
	struct nfsc_deleg deleg;
	/* Under the peer's lock. */
	enum hold_state state;
	bool recalled;
	bool lost;       /* ended without DELEGRETURN: tail may be missing */
	bool quiet_told; /* the end of the quiet point's own changes */
	struct list events;
	unsigned nevents;
	struct dircache *live; /* ordered ones: fed as events come */
	/* The grant, and the end, as far as they are known. */
	struct moment asked;
	uint64_t granted; /* seq */
	struct moment returning;
	uint64_t returned; /* seq */
	/* The op thread's, then the quiet point's. */
	struct dircache *model;
	bool usable; /* was filled */
	bool settled;
	bool moved;  /* the verifier, by somebody else, since it was granted */
	bool unsure; /* of cookies, after its own change moved some */
	uint64_t snap[NAMES + 1];
	uint64_t filled; /* seq when its listing began */
};

struct peer {
	struct world *world;
	int index;
	struct nfsc *client;
	struct rand_stream rand;
	pthread_t thread, returner;
	pthread_mutex_t lock;
	pthread_cond_t work; /* a recall for the returner, or stop */
	bool stop;
	struct list holds; /* under lock */
	bool misbehaves;
	uint64_t changes; /* made by it, as replies say, this period */
	_Atomic uint64_t done;
};

struct counts {
	uint64_t changes, changes_seen;
	uint64_t events, models, listings, entries, attrs;
	uint64_t recalls[16];
	uint64_t quiet_points, verifier_moves;
};

/* Recalls that must have been counted, and that may. */
struct expected {
	uint64_t conflict, other;
	uint64_t maybe_conflict, maybe_other;
};

struct options {
	const char *posix_path;
	uint64_t seed, ops;
	unsigned ops_per_period, periods_per_phase;
	enum fault fault;
	bool narrow; /* the cookie hash has 8 bits */
	bool verbose;
};

struct world {
	struct options options;
	struct testserver server;
	struct peer peers[PEERS];
	struct nfsc *referee; /* makes directories, quiet points */
	struct nfsc_fh root, tops[TOPS];
	enum terms terms[PEERS][TOPS];
	char names[NAMES + 1][NAME_LEN_MAX + 1];
	pthread_barrier_t barrier;
	bool over; /* read by peers after the barrier */
	unsigned period, phase;
	struct counts counts;
	atomic_ullong ops, ops_failed, ops_watched, grants, refusals, returns;
	struct expected expected;
};

/* The test failed: say why, with the seed, and end it. */
_Noreturn void prop_fail(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct name prop_name(const struct world *w, int i);

/* The index of a name, or -1. */
int prop_name_index(const struct world *w, struct name name);

struct fileid prop_fileid(struct world *w, const struct nfsc_fh *fh);

uint64_t prop_below(struct peer *p, uint64_t bound);

/* May recalls happen to this client that a healthy one never sees? */
static inline bool prop_is_lenient(const struct peer *p)
{
	return p->misbehaves || p->world->options.fault == FAULT_OVERFLOW ||
		p->world->options.fault == FAULT_STORE;
}

/* ---- prop_ops ---- */

void ops_random(struct peer *p);

/* ---- prop_hold ---- */

static inline bool terms_are_ordered(enum terms terms)
{
	return terms == TERMS_ORDERED || terms == TERMS_CLASSIC;
}

static inline bool terms_are_notified(enum terms terms)
{
	return terms != TERMS_NONE && terms != TERMS_RECALL;
}

/* Does this hold hear of this kind of change? */
bool hold_covers(const struct hold *h, enum change_kind kind);

/* What each client will want in each directory of a phase. */
void hold_choose_terms(struct world *w, struct rand_stream *rand);

void hold_handlers(struct peer *p, struct nfsc_handlers *ret);
void *hold_returner(void *peer);

/* Ask for a delegation unless there is one; @top -1: not one of the tops. */
void hold_ask(
	struct peer *p, int top, const struct nfsc_fh *dir, enum terms terms);

/* Return one of them now, if any is live. */
void hold_return_some(struct peer *p);

/* Return all, at the end of a phase. */
void hold_return_all(struct peer *p);

/* Is somebody else than @p notified of changes of @dir now? */
bool hold_is_watched(struct peer *p, const struct nfsc_fh *dir);

void hold_free(struct hold *h);

/* Fill @model from a listing by @c. 0 or an error of the listing. */
int hold_list(struct nfsc *c, const struct nfsc_fh *dir, const bitmap4 *attrs,
	struct dircache *model);

/* ---- prop_quiet ---- */

/* Nothing runs: everything must have been told by the end of this. */
void quiet_point(struct world *w);

/* ---- prop_match ---- */

/*
 * Were the events of @h what happened? Applies them, and its own changes in
 * their place, to its model. Fails the test if not.
 */
void match_hold(struct world *w, struct hold *h);

#endif
