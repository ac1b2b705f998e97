/* SPDX-License-Identifier: MIT */
#include "state/recall.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "state/batch.h"
#include "state/client.h"
#include "state/deleg_private.h"
#include "state/policy_recall.h"

#define RECALL_TICK_MS 1000

/* Where the CB_RECALL of a delegation is; guarded by the list lock. */
enum recall_phase {
	RECALL_NONE,
	RECALL_UNSENT,  /* on the list `unsent` */
	RECALL_HELD,    /* its CB_NOTIFY is in flight and goes first */
	RECALL_SENDING, /* send_recall was called */
	RECALL_WAITING, /* the client said OK: its turn */
	RECALL_LATER,   /* to be sent again at retry_at */
};

/* ---- the timer ---- */

static void arm_locked(struct deleg_books *b)
{
	if (b->recall_timer_set)
		return;
	if (list_empty(&b->unsent) && list_empty(&b->sent))
		return;
	timer_set(state_get_config(b->state)->timers, &b->recall_timer,
		RECALL_TICK_MS);
	b->recall_timer_set = true;
}

static void move_locked(
	struct deleg *d, struct list *to, enum recall_phase phase)
{
	d->recall_phase = phase;
	list_del(&d->on_recall);
	list_add_tail(to, &d->on_recall);
}

/* What was to be sent again and whose time has come. */
static void requeue_locked(struct deleg_books *b, uint64_t now)
{
	struct deleg *d, *tmp;

	list_for_each_entry_safe(d, tmp, &b->sent, on_recall) {
		if (d->recall_phase == RECALL_LATER &&
			ms32_reached(now, d->retry_at))
			move_locked(d, &b->unsent, RECALL_UNSENT);
	}
}

static void recall_timer_fired(struct timer *t)
{
	struct deleg_books *b =
		container_of(t, struct deleg_books, recall_timer);

	recall_expire(b->state);
	lock_acquire(&b->lock);
	b->recall_timer_set = false;
	requeue_locked(b, books_now_ms(b));
	arm_locked(b);
	lock_release(&b->lock);
	recall_kick(b->state);
}

void recall_books_init(struct deleg_books *b)
{
	list_init(&b->unsent);
	list_init(&b->sent);
	timer_init(&b->recall_timer, recall_timer_fired);
}

void recall_books_fini(struct deleg_books *b)
{
	timer_cancel_wait(state_get_config(b->state)->timers, &b->recall_timer);
}

/* ---- starting ---- */

static void list_unsent(struct deleg *d)
{
	struct deleg_books *b = deleg_books(d);

	scope_lock(&b->lock);
	deleg_ref(d);
	d->recall_phase = RECALL_UNSENT;
	list_add_tail(&b->unsent, &d->on_recall);
	if (d->is_dir && recall_is_conflict(d->recall_reason))
		holdoff_strike(
			&b->holdoff, d->sid.node->link.hash, books_now_ms(b));
	arm_locked(b);
}

void recall_start_locked(struct deleg *d, enum recall_reason reason)
{
	struct deleg_books *b = deleg_books(d);
	const struct state_config *config = state_get_config(b->state);

	lock_assert_held(&d->sid.node->lock);
	if (d->state != DELEG_ACTIVE && d->state != DELEG_RECALLED)
		return;
	if (recall_stops_queue(reason))
		notifyq_stop(&d->queue);
	if (d->state == DELEG_RECALLED)
		return;
	d->state = DELEG_RECALLED;
	d->recall_reason = reason;
	d->recall_until = (uint32_t)(books_now_ms(b) + config->lease_ms);
	deleg_count_recalled(d);
	batch_flush(d);
	list_unsent(d);
}

void recall_start(struct deleg *d, enum recall_reason reason)
{
	struct state *s = deleg_books(d)->state;

	lock_acquire(&d->sid.node->lock);
	recall_start_locked(d, reason);
	lock_release(&d->sid.node->lock);
	recall_kick(s);
	batch_kick(s); /* what is queued goes at once, too */
}

/* ---- in the log ---- */

#define LOG_LINE_MS 1000

/*
 * Each reason has a line a second and says how many it left out; those stand
 * there with everything else at the level of debugging.
 */
static void log_by_reason(struct log_limit *limits, enum log_level level,
	const char *what, const struct deleg *d)
{
	unsigned left_out = 0;
	struct fileid id;

	if (!log_limit_pass(&limits[d->recall_reason], LOG_LINE_MS, &left_out))
		level = LOG_LVL_DEBUG;
	node_copy_id(d->sid.node, &id);
	log_write(level,
		"delegation %s client=%llx type=%s reason=%s id=%s left_out=%u",
		what, (unsigned long long)d->sid.client->id,
		deleg_type_name(deleg_type(d)),
		recall_reason_name(d->recall_reason), fileid_text(&id).s,
		left_out);
}

/* ---- sending ---- */

static struct deleg *pop_unsent(struct deleg_books *b)
{
	struct deleg *d, *tmp;

	scope_lock(&b->lock);
	list_for_each_entry_safe(d, tmp, &b->unsent, on_recall) {
		if (batch_in_flight_locked(d)) {
			move_locked(d, &b->sent, RECALL_HELD);
			continue;
		}
		move_locked(d, &b->sent, RECALL_SENDING);
		return deleg_ref(d);
	}
	return NULL;
}

void recall_kick(struct state *s)
{
	struct deleg_books *b = state_deleg_books(s);
	const struct state_ops *ops = &state_get_config(s)->ops;
	static struct log_limit limits[RECALL_REASONS];
	struct deleg *d;

	while ((d = pop_unsent(b))) {
		log_by_reason(limits, LOG_LVL_INFO, "recalled", d);
		ops->send_recall(ops->ctx, d);
	}
}

void recall_unhold_locked(struct deleg_books *b, struct deleg *d)
{
	lock_assert_held(&b->lock);
	if (d->recall_phase == RECALL_HELD && !list_empty(&d->on_recall))
		move_locked(d, &b->unsent, RECALL_UNSENT);
}

/* Unless it ended meanwhile: then it is on no list any more. */
static void set_phase(struct deleg *d, enum recall_phase phase)
{
	struct deleg_books *b = deleg_books(d);

	scope_lock(&b->lock);
	if (list_empty(&d->on_recall) || d->recall_phase != RECALL_SENDING)
		return;
	d->recall_phase = phase;
	d->retry_at = books_now_ms(b) + RECALL_RETRY_MS;
}

void recall_sent(struct deleg *d, enum recall_result result)
{
	bool fresh = result == RECALL_UNKNOWN &&
		session_slot_ref_is_fresh(deleg_books(d)->state, &d->grant);

	switch (recall_step_after(result, fresh)) {
	case RECALL_STEP_WAIT:
		set_phase(d, RECALL_WAITING);
		break;
	case RECALL_STEP_RETRY:
		set_phase(d, RECALL_LATER);
		break;
	case RECALL_STEP_END:
		deleg_revoke(d, STATEID_CLOSED, false);
	}
	deleg_put(d);
}

/* ---- the end of patience ---- */

static struct deleg *overdue_on(struct list *list, uint64_t now_ms)
{
	struct deleg *d;

	list_for_each_entry(d, list, on_recall) {
		if (ms32_reached(now_ms, d->recall_until))
			return deleg_ref(d);
	}
	return NULL;
}

static struct deleg *find_overdue(struct deleg_books *b, uint64_t now_ms)
{
	struct deleg *d;

	scope_lock(&b->lock);
	d = overdue_on(&b->sent, now_ms);
	return d ? d : overdue_on(&b->unsent, now_ms);
}

void recall_expire(struct state *s)
{
	struct deleg_books *b = state_deleg_books(s);
	uint64_t now = books_now_ms(b);
	static struct log_limit limits[RECALL_REASONS];
	struct deleg *d;

	while ((d = find_overdue(b, now))) {
		log_by_reason(limits, LOG_LVL_WARN, "revoked", d);
		deleg_revoke(d, STATEID_REVOKED, true);
		deleg_put(d);
	}
}

/* ---- waiting for it ---- */

static bool is_blocked(struct node *n, struct client *self, uint32_t via)
{
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (d->blocking && !deleg_is_own(d, self, via))
			return true;
	}
	return false;
}

bool recall_wait(
	struct node *n, struct client *self, uint32_t via, uint64_t deadline_ms)
{
	struct deleg_books *b = state_deleg_books(n->state);

	for (;;) {
		uint64_t seen = deleg_generation(b);

		if (!is_blocked(n, self, via))
			return true;
		if (!deleg_wait(b, seen, deadline_ms))
			return !is_blocked(n, self, via);
	}
}
