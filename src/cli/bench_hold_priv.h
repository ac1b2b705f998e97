/* SPDX-License-Identifier: MIT */
/*
 * The inside of the holders: bench_hold.c takes the steps, bench_heard.c
 * serves the callbacks, bench_keeper.c keeps what is held alive, gives back
 * what is recalled, and bench_check.c compares in the end.
 */
#ifndef CLI_BENCH_HOLD_PRIV_H
#define CLI_BENCH_HOLD_PRIV_H

#include <pthread.h>

#include "base/htab.h"
#include "base/list.h"
#include "cli/bench_each.h"
#include "cli/bench_hold.h"

enum bench_deleg_state {
	BENCH_NOT_HELD, /* refused, or not asked for yet */
	BENCH_HELD,
	BENCH_RECALLED, /* or given back since */
};

/* There may be a million: those that nobody changes have no model. */
struct bench_deleg {
	struct bench_client *client;
	struct htab_link by_stateid;
	stateid4 stateid;
	uint32_t directory;
	_Atomic enum bench_deleg_state state;
	/* Under the client's lock. */
	uint32_t nheard;
	struct dircache *model;
	uint8_t *heard;          /* one bit for each change of its directory */
	struct list on_recalled; /* hold->lock */
};

struct bench_client {
	struct bench_hold *hold; /* NULL: never begun */
	struct nfsc *nfsc;
	_Atomic uint32_t granted, tries; /* tries: before the first grant */
	struct lock lock;
	struct htab by_stateid; /* all that are not given back */
};

struct bench_hold {
	struct bench_hold_config config;
	struct clock clock;
	struct bench_client *clients;
	struct bench_deleg *delegs;
	uint64_t ndelegs;
	_Atomic uint64_t granted, refused, disturbances;

	struct lock lock; /* guards the following */
	struct cond cond;
	struct list recalled;
	bool stop;
	bool has_keeper;
	pthread_t keeper;
};

/* ---- bench_heard.c ---- */

nfsstat4 bench_on_notify(void *ctx, const CB_NOTIFY4args *args);
nfsstat4 bench_on_recall(void *ctx, const CB_RECALL4args *args);

/* ---- bench_keeper.c ---- */

/* Once all clients are connected; 0 or -errno. */
int bench_keeper_start(struct bench_hold *h);
void bench_keeper_stop(struct bench_hold *h);

/* Give back all of @bc, recalled or not; the keeper must be stopped. */
void bench_return_all(struct bench_client *bc);

#endif
