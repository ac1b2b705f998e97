/* SPDX-License-Identifier: MIT */
/* What a benchmark found, as text for people or as one JSON object. */
#ifndef CLI_BENCH_REPORT_H
#define CLI_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/bench_hold.h"
#include "cli/bench_proc.h"
#include "cli/bench_tally.h"

struct bench_report {
	const char *url;
	uint32_t holders, directories, clients;
	const struct bench_plan *plan;
	const struct bench_tally *tally;
	struct bench_hold_stats hold;
	struct bench_verdict verdict;
	double seconds; /* from the first change to the last event */
	pid_t server;   /* 0: not known, and nothing of the following is */
	struct bench_usage before, granted, begun, ended;
	/* Before and after the grants, before and after the changes. */
};

/* If not, the figures are those of a system that is too slow for the rate. */
bool bench_report_kept_rate(const struct bench_report *r);

/* Nothing lost, no model wrong, no change failed. */
bool bench_report_is_good(const struct bench_report *r);

void bench_report_text(const struct bench_report *r, FILE *to);
void bench_report_json(const struct bench_report *r, FILE *to);

#endif
