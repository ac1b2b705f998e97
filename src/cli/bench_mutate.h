/* SPDX-License-Identifier: MIT */
/*
 * The mutator: makes the changes of a plan, each when it is due, by a client
 * that holds nothing.
 */
#ifndef CLI_BENCH_MUTATE_H
#define CLI_BENCH_MUTATE_H

#include "cli/bench_tally.h"
#include "client/nfsc_ops.h"

struct bench_mutator {
	struct nfsc *client;
	const struct nfsc_fh *dirs;
	struct bench_tally *tally;
	unsigned threads; /* changes that can be under way */
	const atomic_bool *stop;
};

/*
 * Make all changes. 0, also when some of them failed (the tally knows), or
 * -EINTR.
 */
int bench_mutate(const struct bench_mutator *m);

/* Sleep until @at_ns of the monotonic clock; false: stopped. */
bool bench_sleep_until(uint64_t at_ns, const atomic_bool *stop);

#endif
