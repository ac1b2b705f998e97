/* SPDX-License-Identifier: MIT */
#include "base/timer.h"

#include "base/cleanup.h"

/* ---- the heap ---- */

/* Of two heaps one; either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->deadline_ms < a->deadline_ms) {
		struct timer *later = a;

		a = b;
		b = later;
	}
	b->before = a;
	b->next = a->child;
	if (b->next)
		b->next->before = b;
	a->child = b;
	return a;
}

/* Take the first of a row of heaps. */
static struct timer *shift(struct timer **row)
{
	struct timer *t = *row;

	if (!t)
		return NULL;
	*row = t->next;
	t->next = t->before = NULL;
	return t;
}

/* Of a row one heap: in pairs, then from the last pair on. */
static struct timer *meld_row(struct timer *row)
{
	struct timer *pairs = NULL, *heap = NULL, *pair;

	while ((pair = shift(&row))) {
		pair = meld(pair, shift(&row));
		pair->next = pairs;
		pairs = pair;
	}
	while ((pair = shift(&pairs)))
		heap = meld(heap, pair);
	return heap;
}

static void cut(struct timer *t)
{
	if (t->before->child == t)
		t->before->child = t->next;
	else
		t->before->next = t->next;
	if (t->next)
		t->next->before = t->before;
}

static void heap_remove(struct timers *ts, struct timer *t)
{
	struct timer *below = meld_row(t->child);

	if (t == ts->first) {
		ts->first = below;
	} else {
		cut(t);
		ts->first = meld(ts->first, below);
	}
	t->child = t->next = t->before = NULL;
	t->set = false;
}

static void heap_add(struct timers *ts, struct timer *t)
{
	t->set = true;
	ts->first = meld(ts->first, t);
}

/* ---- the service ---- */

void timers_init(struct timers *ts, struct clock *clock)
{
	*ts = (struct timers){.clock = clock};
	lock_init(&ts->lock, LOCK_TIMERS);
	cond_init(&ts->wake);
	cond_init(&ts->idle);
}

/* The first timer that is due, taken off the heap and marked running. */
static struct timer *take_due_locked(struct timers *ts)
{
	struct timer *t = ts->first;

	if (!t || t->deadline_ms > clock_mono_ms(ts->clock))
		return NULL;
	heap_remove(ts, t);
	ts->running = t;
	return t;
}

static bool run_one(struct timers *ts)
{
	struct timer *t;

	lock_acquire(&ts->lock);
	t = take_due_locked(ts);
	lock_release(&ts->lock);
	if (!t)
		return false;
	t->fire(t); /* may free t */
	lock_acquire(&ts->lock);
	ts->running = NULL;
	cond_broadcast(&ts->idle);
	lock_release(&ts->lock);
	return true;
}

size_t timers_run(struct timers *ts)
{
	size_t fired = 0;

	while (run_one(ts))
		fired++;
	return fired;
}

static void wait_for_work(struct timers *ts)
{
	scope_lock(&ts->lock);
	if (ts->stop)
		return;
	if (!ts->first) {
		cond_wait(&ts->wake, &ts->lock);
		return;
	}
	uint64_t now = clock_mono_ms(ts->clock);
	uint64_t due = ts->first->deadline_ms;

	if (due > now)
		cond_wait_ms(&ts->wake, &ts->lock, due - now);
}

static bool must_stop(struct timers *ts)
{
	scope_lock(&ts->lock);
	return ts->stop;
}

static void *timers_main(void *arg)
{
	struct timers *ts = arg;

	while (!must_stop(ts)) {
		timers_run(ts);
		wait_for_work(ts);
	}
	return NULL;
}

int timers_start(struct timers *ts)
{
	int err = pthread_create(&ts->thread, NULL, timers_main, ts);

	ts->threaded = err == 0;
	return -err;
}

void timers_fini(struct timers *ts)
{
	lock_acquire(&ts->lock);
	ts->stop = true;
	cond_signal(&ts->wake);
	lock_release(&ts->lock);
	if (ts->threaded)
		pthread_join(ts->thread, NULL);
	cond_fini(&ts->wake);
	cond_fini(&ts->idle);
	lock_fini(&ts->lock);
}

void timer_set(struct timers *ts, struct timer *t, uint64_t delay_ms)
{
	uint64_t deadline = clock_mono_ms(ts->clock) + delay_ms;

	scope_lock(&ts->lock);
	if (t->set)
		heap_remove(ts, t);
	t->deadline_ms = deadline;
	heap_add(ts, t);
	cond_signal(&ts->wake);
}

static bool cancel_locked(struct timers *ts, struct timer *t)
{
	if (!t->set)
		return false;
	heap_remove(ts, t);
	return true;
}

bool timer_cancel(struct timers *ts, struct timer *t)
{
	scope_lock(&ts->lock);
	return cancel_locked(ts, t);
}

bool timer_cancel_wait(struct timers *ts, struct timer *t)
{
	bool was_set;

	scope_lock(&ts->lock);
	was_set = cancel_locked(ts, t);
	while (ts->running == t)
		cond_wait(&ts->idle, &ts->lock);
	return cancel_locked(ts, t) || was_set;
}
