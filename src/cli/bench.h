/* SPDX-License-Identifier: MIT */
/* What `herald bench` can measure, and what was asked of it. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/nfsurl.h"

struct bench_options {
	const char *text; /* the URL as given */
	struct nfsurl url;
	uint32_t holders, directories, clients;
	double rate, seconds;
	uint64_t burst;  /* 0: changes at @rate */
	pid_t server;    /* 0: look for it */
	bool attributes; /* want notifications of those, too */
	bool json;
};

/* @argv[0] is "notify". Returns the exit status. */
int bench_notify(int argc, char **argv);

/*
 * Measure as @options say and print it; returns the exit status. *@stop may
 * become true at any time: clean up and end.
 */
int bench_run(const struct bench_options *options, const atomic_bool *stop);

#endif
