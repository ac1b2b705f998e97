/* SPDX-License-Identifier: MIT */
/*
 * When each change was made and each event came: the books of one run, kept by
 * the mutator's threads and by callbacks at once.
 *
 * Latency counts from the time a change was due, whenever it was really sent:
 * a server that keeps the mutator waiting makes later changes late, and that
 * must show. (In a burst a change is due when it is sent.) The second latency
 * counts from the reply to the change: what a client sees that asks another
 * one whether it has heard.
 */
#ifndef CLI_BENCH_TALLY_H
#define CLI_BENCH_TALLY_H

#include "base/clock.h"
#include "cli/bench_hist.h"
#include "cli/bench_plan.h"

struct bench_when {
	_Atomic uint64_t due_ns;  /* 0: not begun */
	_Atomic uint64_t done_ns; /* 0: not answered */
};

struct bench_tally {
	const struct bench_plan *plan;
	struct clock clock;
	struct bench_when *when;   /* by change */
	_Atomic uint32_t *made_in; /* changes that succeeded, by directory */
	struct bench_hist late;    /* sent behind the schedule */
	struct bench_hist since_due, since_reply;
	_Atomic uint64_t made, failed;
	_Atomic int first_error;
	_Atomic uint64_t first_ns, last_ns; /* of sending */
	_Atomic uint64_t events;            /* matched, each holder's first */
	_Atomic uint64_t early;             /* of those: before the reply */
	_Atomic uint64_t last_event_ns;
	/* Told twice; about no change; about attributes, which we do not time. */
	_Atomic uint64_t again, others, attributes;
};

/* NULL when out of memory. @plan is borrowed. */
struct bench_tally *bench_tally_new(const struct bench_plan *plan);
void bench_tally_free(struct bench_tally *t);

uint64_t bench_tally_now(struct bench_tally *t);

/* Change @i, due at @due_ns, is sent now. */
void bench_tally_sent(struct bench_tally *t, uint64_t i, uint64_t due_ns);

/* It was answered now: 0, an NFS status or -errno. */
void bench_tally_answered(struct bench_tally *t, uint64_t i, int error);
bool bench_tally_is_answered(const struct bench_tally *t, uint64_t i);

/* A holder heard of change @i for the first time, at @at_ns. */
void bench_tally_event(struct bench_tally *t, uint64_t i, uint64_t at_ns);

#endif
