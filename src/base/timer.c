/* SPDX-License-Identifier: MIT */
#include "base/timer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

static void heap_put(struct timers *ts, size_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->heap_at = i + 1;
}

static void heap_up(struct timers *ts, size_t i)
{
	struct timer *t = ts->heap[i];

	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (ts->heap[parent]->deadline_ms <= t->deadline_ms)
			break;
		heap_put(ts, i, ts->heap[parent]);
		i = parent;
	}
	heap_put(ts, i, t);
}

static void heap_down(struct timers *ts, size_t i)
{
	struct timer *t = ts->heap[i];

	for (;;) {
		size_t child = i * 2 + 1;

		if (child >= ts->count)
			break;
		if (child + 1 < ts->count &&
			ts->heap[child + 1]->deadline_ms <
				ts->heap[child]->deadline_ms)
			child++;
		if (t->deadline_ms <= ts->heap[child]->deadline_ms)
			break;
		heap_put(ts, i, ts->heap[child]);
		i = child;
	}
	heap_put(ts, i, t);
}

static void heap_remove(struct timers *ts, struct timer *t)
{
	size_t i = t->heap_at - 1;
	struct timer *last = ts->heap[--ts->count];

	t->heap_at = 0;
	if (last == t)
		return;
	heap_put(ts, i, last);
	heap_up(ts, i);
	heap_down(ts, last->heap_at - 1);
}

static int heap_reserve(struct timers *ts)
{
	size_t grown = ts->capacity ? ts->capacity * 2 : 64;
	struct timer **heap;

	if (ts->count < ts->capacity)
		return 0;
	heap = realloc(ts->heap, grown * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	ts->heap = heap;
	ts->capacity = grown;
	return 0;
}

int timers_init(struct timers *ts, struct clock *clock)
{
	*ts = (struct timers){.clock = clock};
	lock_init(&ts->lock, LOCK_TIMERS);
	cond_init(&ts->wake);
	cond_init(&ts->idle);
	return heap_reserve(ts);
}

/* The first timer that is due, taken off the heap and marked running. */
static struct timer *take_due_locked(struct timers *ts)
{
	struct timer *t;

	if (ts->count == 0)
		return NULL;
	t = ts->heap[0];
	if (t->deadline_ms > clock_mono_ms(ts->clock))
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
	if (ts->count == 0) {
		cond_wait(&ts->wake, &ts->lock);
		return;
	}
	uint64_t now = clock_mono_ms(ts->clock);
	uint64_t due = ts->heap[0]->deadline_ms;

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
	free(ts->heap);
	cond_fini(&ts->wake);
	cond_fini(&ts->idle);
	lock_fini(&ts->lock);
}

int timer_set(struct timers *ts, struct timer *t, uint64_t delay_ms)
{
	uint64_t deadline = clock_mono_ms(ts->clock) + delay_ms;

	scope_lock(&ts->lock);
	if (t->heap_at)
		heap_remove(ts, t);
	if (heap_reserve(ts) < 0)
		return -ENOMEM;
	t->deadline_ms = deadline;
	ts->heap[ts->count] = t;
	t->heap_at = ++ts->count;
	heap_up(ts, ts->count - 1);
	cond_signal(&ts->wake);
	return 0;
}

static bool cancel_locked(struct timers *ts, struct timer *t)
{
	if (!t->heap_at)
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
