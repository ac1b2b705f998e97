/* SPDX-License-Identifier: MIT */
#include "cli/bench_tally.h"

#include <stdlib.h>

struct bench_tally *bench_tally_new(const struct bench_plan *plan)
{
	struct bench_tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	clock_init(&t->clock);
	t->plan = plan;
	t->when = calloc(plan->changes + 1, sizeof(*t->when));
	t->made_in = calloc(plan->directories, sizeof(*t->made_in));
	if (t->when && t->made_in)
		return t;
	bench_tally_free(t);
	return NULL;
}

void bench_tally_free(struct bench_tally *t)
{
	if (!t)
		return;
	free(t->when);
	free(t->made_in);
	free(t);
}

uint64_t bench_tally_now(struct bench_tally *t)
{
	return clock_mono_ns(&t->clock);
}

static uint64_t span(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void raise_to(_Atomic uint64_t *at, uint64_t value)
{
	uint64_t seen = *at;

	while (value > seen && !atomic_compare_exchange_weak(at, &seen, value))
		;
}

void bench_tally_sent(struct bench_tally *t, uint64_t i, uint64_t due_ns)
{
	uint64_t now = bench_tally_now(t), none = 0;

	t->when[i].due_ns = due_ns;
	atomic_compare_exchange_strong(&t->first_ns, &none, now);
	raise_to(&t->last_ns, now);
	bench_hist_add(&t->late, span(due_ns, now));
}

void bench_tally_answered(struct bench_tally *t, uint64_t i, int error)
{
	uint32_t directory = bench_plan_step(t->plan, i).directory;
	int none = 0;

	if (error) {
		atomic_compare_exchange_strong(&t->first_error, &none, error);
		t->failed++;
	} else {
		t->made_in[directory]++;
		t->made++;
	}
	t->when[i].done_ns = bench_tally_now(t);
}

bool bench_tally_is_answered(const struct bench_tally *t, uint64_t i)
{
	return t->when[i].done_ns != 0;
}

void bench_tally_event(struct bench_tally *t, uint64_t i, uint64_t at_ns)
{
	uint64_t done_ns = t->when[i].done_ns;

	/* The reply counts as later, too, while it waits to be noted. */
	if (done_ns == 0 || done_ns > at_ns)
		t->early++;
	bench_hist_add(&t->since_due, span(t->when[i].due_ns, at_ns));
	bench_hist_add(&t->since_reply, done_ns ? span(done_ns, at_ns) : 0);
	raise_to(&t->last_event_ns, at_ns);
	t->events++;
}
