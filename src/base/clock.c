/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <assert.h>

#include "base/cleanup.h"

void clock_init(struct clock *c)
{
	*c = (struct clock){.fake = false};
	lock_init(&c->lock, LOCK_CLOCK);
}

void clock_init_fake(struct clock *c, uint64_t realtime_ns, uint64_t tick_ns)
{
	*c = (struct clock){
		.fake = true,
		.mono_ns = NSEC_PER_SEC, /* never 0: 0 means "not set" */
		.realtime_ns = realtime_ns,
		.tick_ns = tick_ns ? tick_ns : 1,
	};
	lock_init(&c->lock, LOCK_CLOCK);
}

void clock_advance_ns(struct clock *c, uint64_t ns)
{
	assert(c->fake);
	scope_lock(&c->lock);
	c->mono_ns += ns;
	c->realtime_ns += ns;
}

void clock_advance_ms(struct clock *c, uint64_t ms)
{
	clock_advance_ns(c, ms * NSEC_PER_MSEC);
}

static uint64_t kernel_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return timespec_to_ns(&now);
}

uint64_t clock_mono_ns(struct clock *c)
{
	if (!c->fake)
		return kernel_ns(CLOCK_MONOTONIC);
	scope_lock(&c->lock);
	return c->mono_ns;
}

uint64_t clock_mono_ms(struct clock *c)
{
	return clock_mono_ns(c) / NSEC_PER_MSEC;
}

uint64_t clock_file_ns(struct clock *c)
{
	if (!c->fake)
		return kernel_ns(CLOCK_REALTIME_COARSE);
	scope_lock(&c->lock);
	return c->realtime_ns - c->realtime_ns % c->tick_ns;
}

uint64_t clock_file_tick_ns(struct clock *c)
{
	struct timespec resolution;

	if (c->fake)
		return c->tick_ns;
	clock_getres(CLOCK_REALTIME_COARSE, &resolution);
	return timespec_to_ns(&resolution);
}
