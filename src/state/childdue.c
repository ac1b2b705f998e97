/* SPDX-License-Identifier: MIT */
#include "state/childdue.h"

#include "base/cleanup.h"
#include "state/node.h"
#include "state/state.h"

static void arm_locked(struct childdue *b, uint64_t at_ms)
{
	const struct state_config *config = state_get_config(b->state);
	uint64_t now = clock_mono_ms(config->clock);

	if (b->timer_ms && b->timer_ms <= at_ms)
		return;
	timer_set(config->timers, &b->timer, at_ms > now ? at_ms - now : 0);
	b->timer_ms = at_ms;
}

static struct childchanges *first_locked(struct childdue *b)
{
	return list_empty(&b->due)
		? NULL
		: list_first_entry(&b->due, struct childchanges, on_due);
}

/* By time; where delays are alike whoever comes now is the last. */
static void insert_by_time(struct list *list, struct childchanges *c)
{
	struct list *at = list->prev;

	while (at != list &&
		list_entry(at, struct childchanges, on_due)->due_ms > c->due_ms)
		at = at->prev;
	list_insert_after(at, &c->on_due);
}

void childdue_set(struct childdue *b, struct childchanges *c, uint64_t at_ms)
{
	lock_assert_held(&c->node->lock);
	scope_lock(&b->lock);
	list_del(&c->on_due);
	c->due_ms = at_ms;
	insert_by_time(&b->due, c);
	arm_locked(b, first_locked(b)->due_ms);
}

void childdue_cancel(struct childdue *b, struct childchanges *c)
{
	lock_assert_held(&c->node->lock);
	scope_lock(&b->lock);
	list_del(&c->on_due);
	c->due_ms = 0;
}

/*
 * The next directory that is due, with a reference: a class on the list has
 * holders, and they keep its node.
 */
static struct node *pop_due(struct childdue *b, uint64_t now_ms)
{
	struct childchanges *c;

	scope_lock(&b->lock);
	c = first_locked(b);
	if (!c || c->due_ms > now_ms)
		return NULL;
	list_del(&c->on_due);
	return node_ref(c->node);
}

static void hand_out(const struct state_config *config, struct node *dir)
{
	if (config->ops.tell_children)
		config->ops.tell_children(config->ops.ctx, dir);
	else
		node_put(dir);
}

static void timer_fired(struct timer *t)
{
	struct childdue *b = container_of(t, struct childdue, timer);
	const struct state_config *config = state_get_config(b->state);
	uint64_t now = clock_mono_ms(config->clock);
	struct node *dir;

	lock_acquire(&b->lock);
	b->timer_ms = 0;
	lock_release(&b->lock);
	while ((dir = pop_due(b, now)))
		hand_out(config, dir);
	scope_lock(&b->lock);
	if (!list_empty(&b->due))
		arm_locked(b, first_locked(b)->due_ms);
}

void childdue_init(struct childdue *b, struct state *s)
{
	b->state = s;
	lock_init(&b->lock, LOCK_RECALL);
	list_init(&b->due);
	timer_init(&b->timer, timer_fired);
}

void childdue_fini(struct childdue *b)
{
	if (!b->state)
		return; /* never begun */
	timer_cancel_wait(state_get_config(b->state)->timers, &b->timer);
	lock_fini(&b->lock);
}
