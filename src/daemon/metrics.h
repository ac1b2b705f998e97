/* SPDX-License-Identifier: MIT */
/*
 * Metrics: one table (metrics_table.c) says what there is; the page that
 * Prometheus reads and the table in docs/NFS.md are both made of it. A value is
 * found by its place in struct metrics, which is read anew for each page.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nfs/server.h"
#include "state/deleg_count.h"
#include "state/dirmemory.h"
#include "store/dirindex.h"

/* Everything at one moment, as far as it goes: others count meanwhile. */
struct metrics {
	uint64_t one;
	uint64_t started_s; /* since the epoch */
	struct state_stats state;
	struct deleg_stats delegs;
	uint64_t deleg_limits[DELEG_TYPES];
	uint64_t deleg_bytes[DIRMEMORY_USES];
	uint64_t deleg_bytes_all, deleg_bytes_limit;
	struct rpc_stats rpc;
	struct store_call_stats store[STORE_CALLS];
	uint64_t operations[COUNT_OPERATIONS][COUNT_STATUSES];
	uint64_t callbacks[COUNT_CALLBACKS][COUNT_ANSWERS];
	struct dirindex_stats index;
	struct store_watch_stats watch; /* of all exports' stores */
};

/* Where they come from; all borrowed. */
struct metrics_source {
	struct nfs_server *server;
	struct dirindex *index;
	uint64_t started_s;
};

void metrics_read(const struct metrics_source *source, struct metrics *ret);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* A label and its values; a value without a name is left out. */
struct metric_label {
	const char *name;
	size_t count;
	const char *(*value)(unsigned i);
};

#define METRIC_LABELS_MAX 2

struct metric {
	const char *name;
	const char *help; /* a sentence */
	enum metric_type type;
	/* In struct metrics: a uint64_t, or a struct histogram_values. */
	size_t at;
	/* Its labels, and how far apart the values of each are; or NULL. */
	struct {
		const struct metric_label *label;
		size_t stride;
	} by[METRIC_LABELS_MAX];
	bool milliseconds; /* counted so, shown in seconds */
	bool sparse;       /* what is 0 is left out */
};

extern const struct metric metrics_table[];
extern const size_t metrics_table_size;

/* The text format of Prometheus, version 0.0.4. */
void metrics_print_page(const struct metrics *m, FILE *to);

/* A table in Markdown. */
void metrics_print_table(FILE *to);

#endif
