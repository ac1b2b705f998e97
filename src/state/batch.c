/* SPDX-License-Identifier: MIT */
#include "state/batch.h"

#include "base/cleanup.h"
#include "state/deleg_private.h"
#include "state/policy_recall.h"
#include "state/recall.h"

/*
 * Where a delegation is between its queue and the wire: one sender at a time,
 * which finds by itself what was queued after it was told.
 */
enum batch_phase {
	BATCH_NONE,   /* nobody was told, or it waits on a list */
	BATCH_HANDED, /* send_notify was called */
	BATCH_FLIGHT, /* batch_take gave events */
};

bool batch_in_flight_locked(const struct deleg *d)
{
	return d->batch_phase == BATCH_FLIGHT;
}

/* ---- lists and timer, under the list lock ---- */

/* Make sure the timer fires at @at_ms or before. */
static void arm_locked(struct deleg_books *b, uint64_t at_ms)
{
	uint64_t now = books_now_ms(b);

	if (b->batch_timer_ms && b->batch_timer_ms <= at_ms)
		return;
	timer_set(state_get_config(b->state)->timers, &b->batch_timer,
		at_ms > now ? at_ms - now : 0);
	b->batch_timer_ms = at_ms;
}

/* By time; whoever is added now is nearly always the last. */
static void insert_by_time(struct list *list, struct deleg *d)
{
	struct list *at = list->prev;

	while (at != list &&
		list_entry(at, struct deleg, on_due)->due_ms > d->due_ms)
		at = at->prev;
	list_insert_after(at, &d->on_due);
}

static void add_locked(struct deleg_books *b, struct list *list,
	struct deleg *d, uint64_t due_ms)
{
	if (!list_empty(&d->on_due) || d->batch_phase != BATCH_NONE)
		return;
	deleg_ref(d);
	d->due_ms = due_ms;
	if (list == &b->ready) {
		list_add_tail(list, &d->on_due);
		return;
	}
	insert_by_time(list, d);
	arm_locked(b, due_ms);
}

static void hurry_locked(struct deleg_books *b, struct deleg *d)
{
	if (list_empty(&d->on_due))
		return;
	list_del(&d->on_due);
	list_add_tail(&b->ready, &d->on_due);
}

static struct deleg *first_of(struct list *list, uint64_t now_ms)
{
	struct deleg *d;

	if (list_empty(list))
		return NULL;
	d = list_first_entry(list, struct deleg, on_due);
	return d->due_ms <= now_ms ? d : NULL;
}

/* The next that is due, handed out with its list's reference. */
static struct deleg *pop_due(struct deleg_books *b, uint64_t now_ms)
{
	struct deleg *d;

	scope_lock(&b->lock);
	d = first_of(&b->ready, UINT64_MAX);
	if (!d)
		d = first_of(&b->due, now_ms);
	if (!d)
		d = first_of(&b->again, now_ms);
	if (!d)
		return NULL;
	list_del(&d->on_due);
	d->batch_phase = BATCH_HANDED;
	return d;
}

static void rearm(struct deleg_books *b)
{
	struct deleg *d;

	scope_lock(&b->lock);
	if ((d = first_of(&b->due, UINT64_MAX)))
		arm_locked(b, d->due_ms);
	if ((d = first_of(&b->again, UINT64_MAX)))
		arm_locked(b, d->due_ms);
}

static void batch_timer_fired(struct timer *t)
{
	struct deleg_books *b =
		container_of(t, struct deleg_books, batch_timer);

	lock_acquire(&b->lock);
	b->batch_timer_ms = 0;
	lock_release(&b->lock);
	batch_kick(b->state);
	rearm(b);
}

void batch_books_init(struct deleg_books *b)
{
	list_init(&b->ready);
	list_init(&b->due);
	list_init(&b->again);
	timer_init(&b->batch_timer, batch_timer_fired);
}

void batch_books_fini(struct deleg_books *b)
{
	struct deleg *d;

	timer_cancel_wait(state_get_config(b->state)->timers, &b->batch_timer);
	while ((d = pop_due(b, UINT64_MAX)))
		deleg_put(d);
}

/* ---- work comes ---- */

void batch_put(struct deleg *d, bool at_once)
{
	struct deleg_books *b = deleg_books(d);
	uint64_t window = state_get_config(b->state)->notify_window_ms;
	uint64_t now = books_now_ms(b);

	scope_lock(&b->lock);
	if (at_once || window == 0) {
		hurry_locked(b, d);
		add_locked(b, &b->ready, d, now);
	} else {
		add_locked(b, &b->due, d, now + window);
	}
}

void batch_flush(struct deleg *d)
{
	struct deleg_books *b = deleg_books(d);

	scope_lock(&b->lock);
	hurry_locked(b, d);
}

/*
 * A sender that gives up at once calls batch_done(), which kicks: the kick
 * under way takes care of it, or ten thousand of them would nest.
 */
static __thread bool kicking;

void batch_kick(struct state *s)
{
	struct deleg_books *b = state_deleg_books(s);
	const struct state_ops *ops = &state_get_config(s)->ops;
	uint64_t now = books_now_ms(b);
	struct deleg *d;

	if (kicking)
		return;
	kicking = true;
	while ((d = pop_due(b, now)))
		ops->send_notify(ops->ctx, d);
	kicking = false;
}

/* ---- the sender ---- */

size_t batch_take(struct deleg *d, struct dir_event **ret, size_t max)
{
	struct deleg_books *b = deleg_books(d);
	size_t n;

	/* First the mark: a recall decided from now on goes after it. */
	lock_acquire(&b->lock);
	d->batch_phase = BATCH_FLIGHT;
	lock_release(&b->lock);
	n = notifyq_take(&d->queue, ret, max);
	if (n && d->tries == 0)
		deleg_count_sent(d, ret, n);
	if (n)
		return n;
	lock_acquire(&b->lock);
	d->batch_phase = BATCH_HANDED;
	recall_unhold_locked(b, d);
	lock_release(&b->lock);
	return 0;
}

static enum batch_step step_after(
	struct deleg *d, enum batch_result result, size_t sent)
{
	struct deleg_books *b = deleg_books(d);
	bool fresh = result == BATCH_UNKNOWN &&
		session_slot_ref_is_fresh(b->state, &d->grant);
	bool flight;

	lock_acquire(&b->lock);
	flight = d->batch_phase == BATCH_FLIGHT;
	/* Nothing of it went: whatever the sender says, not for ever. */
	if (result == BATCH_OK && flight && sent == 0)
		result = BATCH_AGAIN;
	d->tries = result == BATCH_OK ? 0 : d->tries + 1;
	enum batch_step step = batch_step_after(result, fresh, d->tries);

	lock_release(&b->lock);
	if (flight)
		notifyq_sent(&d->queue, step == BATCH_STEP_NEXT ? sent : 0);
	if (step == BATCH_STEP_NEXT && sent)
		histogram_add(&b->counts.batch_events, sent);
	return step;
}

/* When what is queued since @front_ms is due, told by who waits for it. */
static uint64_t due_locked(
	struct deleg_books *b, const struct deleg *d, uint64_t front_ms)
{
	/* A recall or a DELEGRETURN is on its way: no window any more. */
	if (!list_empty(&d->on_recall) || d->return_until)
		return 0;
	return front_ms + state_get_config(b->state)->notify_window_ms;
}

/* No sender any more; whoever queued something meanwhile relied on it. */
static void leave_flight(struct deleg *d, enum batch_step step)
{
	struct deleg_books *b = deleg_books(d);
	uint64_t now = books_now_ms(b), front_ms;

	lock_acquire(&b->lock);
	d->batch_phase = BATCH_NONE;
	recall_unhold_locked(b, d);
	deleg_wake_locked(b);
	lock_release(&b->lock);
	/* After the phase: what comes later puts itself on a list. */
	if (!notifyq_has_work(&d->queue, &front_ms))
		return;
	scope_lock(&b->lock);
	uint64_t due = due_locked(b, d, front_ms);

	if (step == BATCH_STEP_AGAIN)
		add_locked(b, &b->again, d, now + BATCH_AGAIN_MS);
	else if (due <= now)
		add_locked(b, &b->ready, d, now);
	else
		add_locked(b, &b->due, d, due);
}

void batch_done(struct deleg *d, size_t sent, enum batch_result result)
{
	struct state *s = deleg_books(d)->state;
	enum batch_step step = step_after(d, result, sent);

	if (step == BATCH_STEP_ERROR) {
		recall_start(d, RECALL_CALLBACK_ERROR);
	} else if (step == BATCH_STEP_OVERFLOW) {
		deleg_count_overflow(d, DELEG_OVERFLOW_TOO_LARGE);
		recall_start(d, RECALL_OVERFLOW);
	}
	leave_flight(d, step);
	deleg_put(d);
	recall_kick(s);
	batch_kick(s);
}
