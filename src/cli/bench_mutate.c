/* SPDX-License-Identifier: MIT */
#include "cli/bench_mutate.h"

#include <errno.h>
#include <time.h>

#include "cli/bench_each.h"

/* The first change is due so long after the start: threads must come up. */
#define RUN_UP_NS (20 * NSEC_PER_MSEC)

/* Sleep no longer at a time, so that a signal ends it soon. */
#define NAP_NS (50 * NSEC_PER_MSEC)

/* How long to wait for the change before, at a time. */
#define AFTER_NS (NSEC_PER_MSEC / 10)

struct run {
	const struct bench_mutator *m;
	uint64_t start_ns;
};

bool bench_sleep_until(uint64_t at_ns, const atomic_bool *stop)
{
	struct clock clock;
	struct timespec until;
	uint64_t now;

	clock_init(&clock);
	while (!*stop && (now = clock_mono_ns(&clock)) < at_ns) {
		until = timespec_from_ns(
			at_ns - now > NAP_NS ? now + NAP_NS : at_ns);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	return !*stop;
}

/* ---- one change each ---- */

static struct xdr_opaque name_bytes(const char *name)
{
	return xdr_opaque_from_str(name);
}

/* OPEN and CLOSE in one call: the current stateid (16.2.3.1.2) is the open's. */
static int create_file(
	struct nfsc *c, const struct nfsc_fh *dir, const char *name)
{
	scope_compound struct nfsc_compound compound;
	const struct setattr set = {.mask = SETATTR_MODE, .mode = 0644};
	struct nfsc_info info;
	OPEN4args *args;

	nfsc_read_info(c, &info);
	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, dir);
	args = &nfsc_add(&compound, OP_OPEN)->opopen;
	args->share_access =
		OPEN4_SHARE_ACCESS_WRITE | OPEN4_SHARE_ACCESS_WANT_NO_DELEG;
	args->owner.clientid = info.clientid;
	args->owner.owner = xdr_opaque_from_str("herald bench");
	args->claim.claim = CLAIM_NULL;
	args->claim.file = name_bytes(name);
	args->openhow.opentype = OPEN4_CREATE;
	args->openhow.how.mode = GUARDED4;
	if (!nfsc_make_attrs(
		    &compound.arena, &set, &args->openhow.how.createattrs))
		return -ENOMEM;
	nfsc_add(&compound, OP_CLOSE)->opclose.open_stateid.seqid = 1;
	return nfsc_run(c, &compound);
}

static int make_change(
	const struct bench_mutator *m, const struct bench_step *step)
{
	const struct nfsc_fh *dir = &m->dirs[step->directory];
	char before[BENCH_NAME_MAX], after[BENCH_NAME_MAX];

	bench_plan_name(before, false, step->file);
	bench_plan_name(after, true, step->file);
	switch (step->op) {
	case BENCH_CREATE:
		return create_file(m->client, dir, before);
	case BENCH_RENAME:
		return nfsc_rename(m->client, dir, name_from_str(before), dir,
			name_from_str(after), NULL, NULL);
	default:
		return nfsc_remove(m->client, dir, name_from_str(after), NULL);
	}
}

/* ---- one after the other ---- */

static bool wait_for_change(const struct bench_mutator *m, uint64_t i)
{
	const struct timespec pause = {.tv_nsec = AFTER_NS};

	while (!bench_tally_is_answered(m->tally, i)) {
		if (*m->stop)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static int mutate_one(void *ctx, uint64_t i)
{
	const struct run *run = ctx;
	const struct bench_mutator *m = run->m;
	const struct bench_plan *plan = m->tally->plan;
	struct bench_step step = bench_plan_step(plan, i);
	uint64_t due_ns = run->start_ns + bench_plan_due_ns(plan, i);

	if (!bench_sleep_until(due_ns, m->stop) ||
		(step.after != BENCH_NONE && !wait_for_change(m, step.after)))
		return -EINTR;
	bench_tally_sent(
		m->tally, i, plan->burst ? bench_tally_now(m->tally) : due_ns);
	bench_tally_answered(m->tally, i, make_change(m, &step));
	return 0;
}

int bench_mutate(const struct bench_mutator *m)
{
	struct run run = {
		.m = m, .start_ns = bench_tally_now(m->tally) + RUN_UP_NS};

	return bench_each(
		m->threads, m->tally->plan->changes, m->stop, mutate_one, &run);
}
