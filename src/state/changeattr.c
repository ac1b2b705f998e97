/* SPDX-License-Identifier: MIT */
#include "state/changeattr.h"

#include <assert.h>

#include "base/cleanup.h"
#include "state/policy_changeattr.h"
#include "state/state_private.h"

#define LAST_UNKNOWN UINT64_MAX /* a mark that compares to nothing */

/*
 * Until every ctime that was open then is closed. The clock may have been set
 * back by 2t, which nobody notices (read_clock()), and an open ctime be up to
 * 3t ahead of it; it closes 3t later.
 */
uint64_t changeattr_keep_ms(const struct state *s)
{
	return 8 * s->tick_ns / NSEC_PER_MSEC + 2;
}

static void raise_to(_Atomic uint64_t *high, uint64_t value)
{
	uint64_t seen = *high;

	while (seen < value &&
		!atomic_compare_exchange_weak(high, &seen, value))
		;
}

/* ---- the host's clock ---- */

/*
 * File time now. Against the time that nobody sets, it must not fall behind:
 * if it does, values made from it could have been given before, so for as long
 * as it takes to catch up nodes start above all others.
 */
static uint64_t read_clock(struct state *s)
{
	uint64_t now = clock_file_ns(s->config.clock);
	uint64_t mono = clock_mono_ns(s->config.clock);
	uint64_t lead = now - mono, seen = s->change_clock_lead;

	if (lead + 2 * s->tick_ns >= seen) {
		raise_to(&s->change_clock_lead, lead);
		return now;
	}
	raise_to(&s->change_back_until_ns, seen + mono + 6 * s->tick_ns);
	atomic_compare_exchange_strong(&s->change_clock_lead, &seen, lead);
	return now;
}

/* Where a node without history starts. */
static uint64_t fresh_start(struct state *s, uint64_t clock_ns)
{
	if (clock_ns < s->change_back_until_ns ||
		state_now_ms(s) < s->change_floor_until_ms)
		return s->change_high;
	return 0;
}

void changeattr_forget_early(struct state *s, uint64_t until_ms)
{
	raise_to(&s->change_floor_until_ms, until_ms);
}

/* ---- one node, under its lock ---- */

static struct changeattr_mark mark_now(struct state *s)
{
	return (struct changeattr_mark){
		.clock_ns = read_clock(s),
		.mono_ns = clock_mono_ns(s->config.clock),
		.last = LAST_UNKNOWN,
		.epoch = s->change_epoch,
	};
}

static bool is_exact(const struct node *n)
{
	return n->change_exact && n->change_epoch == n->state->change_epoch;
}

/* The mark is of the value that the node still has. */
static bool is_same_state(
	const struct node *n, int64_t ctime, const struct changeattr_mark *mark)
{
	return n->change_last && ctime == n->change_ctime_ns &&
		(mark->last == LAST_UNKNOWN || mark->last == n->change_last);
}

static bool is_closed(
	struct state *s, int64_t ctime, const struct changeattr_mark *mark)
{
	uint64_t now = read_clock(s);
	uint64_t passed = clock_mono_ns(s->config.clock) - mark->mono_ns;

	/* Set back since the mark, which says nothing then. */
	if (now + 2 * s->tick_ns < mark->clock_ns + passed)
		return false;
	return policy_ctime_closed(ctime, mark->clock_ns, now, s->tick_ns);
}

static bool may_repeat(
	const struct node *n, int64_t ctime, const struct changeattr_mark *mark)
{
	return is_exact(n) && !n->change_soft && is_same_state(n, ctime, mark);
}

/*
 * A value that was never given. @hard: it is that of the state the node
 * remembers, and may be given again if the node is exact.
 */
static uint64_t make_value(
	struct node *n, int64_t ctime, bool hard, struct node **surplus)
{
	struct state *s = n->state;
	bool first = n->change_last == 0;
	uint64_t now = read_clock(s);
	uint64_t last = first ? fresh_start(s, now) : n->change_last;

	n->change_last = policy_change_next(ctime, now, last, s->tick_ns);
	raise_to(&s->change_high, n->change_last);
	if (first || ctime >= n->change_ctime_ns)
		n->change_ctime_ns = ctime;
	else
		hard = false;
	n->change_soft = !hard;
	*surplus = node_keep_locked(n);
	return n->change_last;
}

/* That value was of no state: it is not the node's own. */
static void pass_by_locked(struct node *n)
{
	n->change_last += 2;
	raise_to(&n->state->change_high, n->change_last);
}

static uint64_t read_locked(struct node *n, int64_t ctime,
	const struct changeattr_mark *mark, bool in_section,
	struct node **surplus)
{
	struct state *s = n->state;
	uint64_t value;
	bool still = in_section || n->change_running == 0;
	bool mixed = mark->epoch != s->change_epoch ||
		(mark->last != LAST_UNKNOWN && mark->last != n->change_last);

	*surplus = NULL;
	if (still && may_repeat(n, ctime, mark))
		return n->change_last;
	if (is_closed(s, ctime, mark) && !(in_section && mixed))
		return policy_change_closed(ctime, s->tick_ns);
	value = make_value(n, ctime, is_exact(n) && still && !mixed, surplus);
	if (mixed)
		pass_by_locked(n);
	return value;
}

static uint64_t read_node(struct node *n, int64_t ctime,
	const struct changeattr_mark *mark, bool in_section)
{
	struct node *surplus;
	uint64_t value;

	lock_acquire(&n->lock);
	value = read_locked(n, ctime, mark, in_section, &surplus);
	lock_release(&n->lock);
	node_put(surplus);
	return value;
}

struct changeattr_mark changeattr_mark_node(struct node *n)
{
	struct changeattr_mark mark = mark_now(n->state);

	lock_acquire(&n->lock);
	mark.last = n->change_last;
	lock_release(&n->lock);
	return mark;
}

uint64_t changeattr_read_node(
	struct node *n, int64_t ctime_ns, const struct changeattr_mark *mark)
{
	return read_node(n, ctime_ns, mark, true);
}

/*
 * One change less. True when no other ran beside it: only then is the ctime
 * its caller saw surely that of the state the node is left in.
 */
static bool end_running_locked(struct node *n)
{
	bool alone = !n->change_mixed;

	assert(n->change_running > 0);
	if (--n->change_running > 0)
		return false;
	n->change_mixed = false;
	return alone;
}

static uint64_t bump_node(struct node *n, int64_t ctime, bool end)
{
	struct node *surplus;
	uint64_t value;
	bool alone;

	lock_acquire(&n->lock);
	alone = end && end_running_locked(n);
	value = make_value(n, ctime, alone && is_exact(n), &surplus);
	lock_release(&n->lock);
	node_put(surplus);
	return value;
}

uint64_t changeattr_bump_node(struct node *n, int64_t ctime_ns)
{
	return bump_node(n, ctime_ns, false);
}

uint64_t changeattr_end_node(struct node *n, int64_t ctime_ns)
{
	return bump_node(n, ctime_ns, true);
}

/*
 * What anybody read up to now, or is reading, may be of the state before the
 * foreign change: no value made of that is given again. Those of a change of
 * ours that runs are of neither.
 */
static struct node *disturb_locked(struct node *n)
{
	struct state *s = n->state;
	uint64_t now = read_clock(s);
	uint64_t last = n->change_last ? n->change_last : fresh_start(s, now);
	int64_t ctime = n->change_last ? n->change_ctime_ns : (int64_t)now;

	n->change_last = policy_change_next(ctime, now, last, s->tick_ns);
	raise_to(&s->change_high, n->change_last);
	n->change_soft = true;
	if (n->change_running > 0)
		n->change_mixed = true;
	return node_keep_locked(n);
}

/*
 * Of what happened while the node was not exact there is no report: whatever
 * was made of it, or is being made, is old from here on.
 */
void changeattr_begin_node(struct node *n, bool exact)
{
	struct node *surplus = NULL;

	lock_acquire(&n->lock);
	if (exact && !is_exact(n))
		surplus = disturb_locked(n);
	if (n->change_running++ > 0)
		n->change_mixed = true;
	n->change_exact = exact;
	n->change_epoch = n->state->change_epoch;
	lock_release(&n->lock);
	node_put(surplus);
}

bool changeattr_is_mixed(struct node *n)
{
	scope_lock(&n->lock);
	return n->change_mixed;
}

void changeattr_abort_node(struct node *n)
{
	scope_lock(&n->lock);
	end_running_locked(n);
}

/* ---- by id ---- */

struct changeattr_mark changeattr_mark(struct state *s, const struct fileid *id)
{
	struct changeattr_mark mark = mark_now(s);
	struct node *n = node_find(s, id);

	if (n)
		mark = changeattr_mark_node(n);
	else
		mark.last = 0;
	node_put(n);
	return mark;
}

/* Out of memory for a node: a value nobody else gets, and none below it. */
static uint64_t value_without_node(struct state *s)
{
	changeattr_forget_early(s, state_now_ms(s) + changeattr_keep_ms(s));
	return atomic_fetch_add(&s->change_high, 2) + 2;
}

uint64_t changeattr_read_since(struct state *s, const struct fileid *id,
	int64_t ctime_ns, const struct changeattr_mark *mark)
{
	bool closed = is_closed(s, ctime_ns, mark);
	struct node *n = closed ? node_find(s, id) : node_get(s, id);
	uint64_t value;

	if (!n && closed)
		return policy_change_closed(ctime_ns, s->tick_ns);
	if (!n)
		return value_without_node(s);
	value = read_node(n, ctime_ns, mark, false);
	node_put(n);
	return value;
}

uint64_t changeattr_read(
	struct state *s, const struct fileid *id, int64_t ctime_ns)
{
	struct changeattr_mark mark = mark_now(s);

	return changeattr_read_since(s, id, ctime_ns, &mark);
}

uint64_t changeattr_bump(
	struct state *s, const struct fileid *id, int64_t ctime_ns)
{
	struct node *n = node_get(s, id);
	uint64_t value;

	if (!n)
		return value_without_node(s);
	value = changeattr_bump_node(n, ctime_ns);
	node_put(n);
	return value;
}

static void disturb(struct state *s, const struct fileid *id, bool exact)
{
	struct node *n = node_find(s, id), *surplus;

	if (!n)
		return; /* nothing is remembered that could be wrong */
	lock_acquire(&n->lock);
	surplus = disturb_locked(n);
	n->change_exact = n->change_exact && exact;
	lock_release(&n->lock);
	node_put(surplus);
	node_put(n);
}

void changeattr_set_inexact(struct state *s, const struct fileid *id)
{
	disturb(s, id, false);
}

void changeattr_touch(struct state *s, const struct fileid *id)
{
	disturb(s, id, true);
}

void changeattr_lose(struct state *s)
{
	atomic_fetch_add(&s->change_epoch, 1);
}
