/* SPDX-License-Identifier: MIT */
/*
 * Which changes a benchmark makes, when, and which notification belongs to
 * which: all of it follows from the number of the change, so nothing has to be
 * remembered. Pure.
 *
 * A file is made, renamed and removed. Change after change goes to the next
 * lane, a lane belongs to one directory and has one file at a time, and there
 * are enough lanes that many changes can be under way. In a burst every change
 * makes a file of its own.
 */
#ifndef CLI_BENCH_PLAN_H
#define CLI_BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "client/dircache.h"

#define BENCH_NONE     UINT64_MAX
#define BENCH_NAME_MAX 24

enum bench_op { BENCH_CREATE, BENCH_RENAME, BENCH_REMOVE };

struct bench_plan {
	uint64_t changes;
	uint32_t directories;
	uint64_t lanes;
	double rate; /* changes a second; 0 in a burst: as fast as it goes */
	bool burst;
};

/* @changes changes at @rate a second in @directories (at least one). */
void bench_plan_init(struct bench_plan *plan, uint32_t directories, double rate,
	uint64_t changes);
void bench_plan_init_burst(
	struct bench_plan *plan, uint32_t directories, uint64_t changes);

/* One change. */
struct bench_step {
	enum bench_op op;
	uint32_t directory;
	uint64_t file;
	uint64_t after; /* the change that must be done first, or BENCH_NONE */
};

struct bench_step bench_plan_step(const struct bench_plan *plan, uint64_t i);

/* When change @i is due, in nanoseconds after the first one. */
uint64_t bench_plan_due_ns(const struct bench_plan *plan, uint64_t i);

/* How many of the changes are in @directory. */
uint64_t bench_plan_in(const struct bench_plan *plan, uint32_t directory);

/* The name of @file before and after its rename. */
void bench_plan_name(char ret[BENCH_NAME_MAX], bool renamed, uint64_t file);

/* The number of the change that @told is about, or BENCH_NONE. */
uint64_t bench_plan_find(
	const struct bench_plan *plan, const struct dircache_change *told);

#endif
