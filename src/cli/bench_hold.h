/* SPDX-License-Identifier: MIT */
/*
 * The holders of a benchmark: clients with a session each, the delegations
 * they hold, and a model of each delegated directory that says at the end
 * whether anything was lost. Callbacks do the work; one thread renews leases
 * and gives back what is recalled.
 */
#ifndef CLI_BENCH_HOLD_H
#define CLI_BENCH_HOLD_H

#include "cli/bench_tally.h"
#include "client/nfsc_ops.h"

struct bench_hold;

struct bench_hold_config {
	struct nfsc_config client; /* how to reach the server */
	const struct nfsc_fh *dirs;
	uint32_t directories, holders, clients; /* holders <= clients */
	bool attributes; /* ask for notifications of those, too */
	struct bench_tally *tally;
	const atomic_bool *stop; /* give up when it becomes true */
};

/* NULL when out of memory. What @config points to is borrowed. */
struct bench_hold *bench_hold_new(const struct bench_hold_config *config);

/* The clients must have left. */
void bench_hold_free(struct bench_hold *h);

/*
 * The steps, in this order; 0, an NFS status or -errno. Granting with no
 * holders looks at each directory by each client instead. Refused delegations
 * are no error. Listing makes the models.
 */
int bench_hold_connect(struct bench_hold *h);
int bench_hold_grant(struct bench_hold *h);
int bench_hold_list(struct bench_hold *h);

/* Wait until all that was made was heard, or nothing is for a while. */
void bench_hold_drain(struct bench_hold *h);

struct bench_verdict {
	uint64_t lost;   /* events, of delegations that were never recalled */
	uint64_t models; /* that were compared with a listing */
	uint64_t wrong;  /* of those */
	char why[400];   /* the first that is */
};

/* Compare models and directories as @c lists them. */
int bench_hold_check(
	struct bench_hold *h, struct nfsc *c, struct bench_verdict *ret);

/* Give everything back and leave; more than once does no harm. */
void bench_hold_leave(struct bench_hold *h);

struct bench_hold_stats {
	uint64_t granted, refused;
	uint64_t recalls, recall_anys, callbacks;
	uint64_t disturbances; /* connections and sessions lost, revocations */
};
void bench_hold_stats(struct bench_hold *h, struct bench_hold_stats *ret);

#endif
