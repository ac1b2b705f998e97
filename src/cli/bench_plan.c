/* SPDX-License-Identifier: MIT */
#include "cli/bench_plan.h"

#include <inttypes.h>
#include <stdio.h>

/* Changes that can be under way, at least. */
#define LANES_MIN 64

#define OPS 3

/* Digits of a number that cannot overflow. */
#define DIGITS_MAX 18

void bench_plan_init(struct bench_plan *plan, uint32_t directories, double rate,
	uint64_t changes)
{
	uint32_t each = (LANES_MIN + directories - 1) / directories;

	*plan = (struct bench_plan){
		.changes = changes,
		.directories = directories,
		.lanes = (uint64_t)directories * each,
		.rate = rate,
	};
}

void bench_plan_init_burst(
	struct bench_plan *plan, uint32_t directories, uint64_t changes)
{
	*plan = (struct bench_plan){
		.changes = changes,
		.directories = directories,
		.burst = true,
	};
}

struct bench_step bench_plan_step(const struct bench_plan *plan, uint64_t i)
{
	struct bench_step step = {
		.op = BENCH_CREATE,
		.directory = (uint32_t)(i % plan->directories),
		.file = i,
		.after = BENCH_NONE,
	};
	uint64_t round;

	if (plan->burst)
		return step;
	round = i / plan->lanes;
	step.op = (enum bench_op)(round % OPS);
	step.file = i % plan->lanes + plan->lanes * (round / OPS);
	if (step.op != BENCH_CREATE)
		step.after = i - plan->lanes;
	return step;
}

uint64_t bench_plan_due_ns(const struct bench_plan *plan, uint64_t i)
{
	return plan->rate > 0 ? (uint64_t)((double)i * 1e9 / plan->rate) : 0;
}

uint64_t bench_plan_in(const struct bench_plan *plan, uint32_t directory)
{
	return plan->changes / plan->directories +
		(directory < plan->changes % plan->directories);
}

void bench_plan_name(char ret[BENCH_NAME_MAX], bool renamed, uint64_t file)
{
	snprintf(ret, BENCH_NAME_MAX, "%c%" PRIu64, renamed ? 'r' : 'f', file);
}

/* The number in a name that begins with @letter. */
static uint64_t file_of(struct name name, char letter)
{
	uint64_t file = 0;

	if (name.len < 2 || name.len > DIGITS_MAX + 1 || name.data[0] != letter)
		return BENCH_NONE;
	for (uint32_t i = 1; i < name.len; i++) {
		if (name.data[i] < '0' || name.data[i] > '9')
			return BENCH_NONE;
		file = file * 10 + (uint64_t)(name.data[i] - '0');
	}
	return file;
}

static uint64_t change_of(
	const struct bench_plan *plan, enum bench_op op, uint64_t file)
{
	uint64_t i;

	if (file >= plan->changes)
		return BENCH_NONE;
	i = plan->burst ? file
			: (file / plan->lanes * OPS + op) * plan->lanes +
			file % plan->lanes;
	return i < plan->changes ? i : BENCH_NONE;
}

uint64_t bench_plan_find(
	const struct bench_plan *plan, const struct dircache_change *told)
{
	struct name name = told->entry.name;

	switch (told->kind) {
	case CHANGE_ADD_ENTRY:
		return change_of(plan, BENCH_CREATE, file_of(name, 'f'));
	case CHANGE_RENAME_ENTRY:
		if (plan->burst)
			return BENCH_NONE;
		return change_of(plan, BENCH_RENAME, file_of(name, 'r'));
	case CHANGE_REMOVE_ENTRY:
		if (plan->burst)
			return BENCH_NONE;
		return change_of(plan, BENCH_REMOVE, file_of(name, 'r'));
	default:
		return BENCH_NONE;
	}
}
