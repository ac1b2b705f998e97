/* SPDX-License-Identifier: MIT */
/*
 * One timer service for the whole server. Callbacks run on the service's
 * thread (or, with a fake clock, inside timers_run()) with no lock held; they
 * must be short: mark something and hand a job to the worker pool.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/lock.h"

struct timer {
	void (*fire)(struct timer *t);
	uint64_t deadline_ms; /* on the monotonic clock */
	bool set;
	/*
	 * Its place in the heap. Nothing is allocated, so that a promise with
	 * a time in it can always be kept.
	 */
	struct timer *child, *next; /* the first below it; beside it */
	struct timer *before;       /* beside it, or what the first is below */
};

struct timers {
	struct clock *clock;
	struct lock lock; /* guards everything below */
	struct cond wake;
	struct cond idle;      /* signalled when `running` becomes NULL */
	struct timer *first;   /* a pairing heap by deadline */
	struct timer *running; /* whose callback runs now */
	bool stop, threaded;
	pthread_t thread;
};

/* A service on @clock (borrowed). */
void timers_init(struct timers *ts, struct clock *clock);

/* Start the thread (real clock only). 0 or -errno. */
int timers_start(struct timers *ts);

/* Stop the thread; timers still set are forgotten. */
void timers_fini(struct timers *ts);

static inline void timer_init(struct timer *t, void (*fire)(struct timer *))
{
	*t = (struct timer){.fire = fire};
}

/*
 * Fire @t once, @delay_ms from now; a timer already set is moved. Any thread,
 * the callback included. Never fails.
 */
void timer_set(struct timers *ts, struct timer *t, uint64_t delay_ms);

/*
 * Make sure that @t is not set. Returns true when it was. Its callback may be
 * running on another thread: timer_cancel_wait() also waits for that, and must
 * not be called from the callback or under a lock the callback takes.
 */
bool timer_cancel(struct timers *ts, struct timer *t);
bool timer_cancel_wait(struct timers *ts, struct timer *t);

/* Fire all that is due on a fake clock, in order; returns how many. */
size_t timers_run(struct timers *ts);

#endif
