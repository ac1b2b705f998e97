/* SPDX-License-Identifier: MIT */
#include "state/bytelock_range.h"

#include <assert.h>
#include <stdlib.h>

#include "state/state_private.h"

bool range_spare_get(struct range_spare *spare, int count)
{
	*spare = (struct range_spare){.range = {NULL}};
	for (int i = 0; i < count; i++) {
		spare->range[i] = malloc(sizeof(*spare->range[i]));
		if (!spare->range[i]) {
			range_spare_put(spare);
			return false;
		}
	}
	return true;
}

void range_spare_put(struct range_spare *spare)
{
	for (int i = 0; i < 2; i++) {
		free(spare->range[i]);
		spare->range[i] = NULL;
	}
}

static struct lock_range *spare_take(struct range_spare *spare)
{
	int i = spare->range[0] ? 0 : 1;
	struct lock_range *r = spare->range[i];

	assert(r);
	spare->range[i] = NULL;
	return r;
}

static void link_sorted(struct lock_range *r)
{
	struct node *n = r->state->sid.node;
	struct lock_range *at;

	list_for_each_entry(at, &n->locks, on_node) {
		if (at->start > r->start)
			break;
	}
	list_insert_after(at->on_node.prev, &r->on_node);
}

static void count(struct lock_state *ls, int n)
{
	ls->ranges += n;
	ls->sid.client->lock_ranges += n;
	counter_add(&ls->sid.node->state->count_locks, n);
}

static void add(struct lock_state *ls, const struct span *span,
	struct range_spare *spare)
{
	struct lock_range *r = spare_take(spare);

	*r = (struct lock_range){
		.state = ls,
		.start = span->start,
		.end = span->end,
		.exclusive = span->exclusive,
	};
	link_sorted(r);
	count(ls, 1);
}

static void drop(struct lock_range *r)
{
	count(r->state, -1);
	list_del(&r->on_node);
	free(r);
}

struct lock_range *range_find_conflict(
	struct node *n, const struct owner *own, const struct span *want)
{
	struct lock_range *r;

	list_for_each_entry(r, &n->locks, on_node) {
		if (r->start > want->end)
			break;
		if (r->end >= want->start && r->state->owner != own &&
			(r->exclusive || want->exclusive))
			return r;
	}
	return NULL;
}

/* What is left of @r beyond @end becomes a range of its own. */
static void keep_tail(
	struct lock_range *r, uint64_t end, struct range_spare *spare)
{
	const struct span tail = {end + 1, r->end, r->exclusive};

	add(r->state, &tail, spare);
}

/* Take @span out of @r, which it touches. */
static void cut(struct lock_range *r, const struct span *span,
	struct range_spare *spare)
{
	if (r->start < span->start) {
		if (r->end > span->end)
			keep_tail(r, span->end, spare);
		r->end = span->start - 1;
	} else if (r->end > span->end) {
		r->start = span->end + 1;
		list_del(&r->on_node);
		link_sorted(r);
	} else {
		drop(r);
	}
}

void range_clear(struct lock_state *ls, const struct span *span,
	struct range_spare *spare)
{
	struct lock_range *r, *next;

	list_for_each_entry_safe(r, next, &ls->sid.node->locks, on_node) {
		if (r->start > span->end)
			break;
		if (r->end >= span->start && r->state->owner == ls->owner)
			cut(r, span, spare);
	}
}

/* Does @r continue @span, before or behind, without a gap? */
static bool is_neighbour(const struct lock_range *r, const struct span *span)
{
	return (r->end != UINT64_MAX && r->end + 1 == span->start) ||
		(span->end != UINT64_MAX && span->end + 1 == r->start);
}

/* Neighbours of the same owner and type go; @span grows over them. */
static void join(struct lock_state *ls, struct span *span)
{
	struct lock_range *r, *next;

	list_for_each_entry_safe(r, next, &ls->sid.node->locks, on_node) {
		if (r->state->owner != ls->owner ||
			r->exclusive != span->exclusive ||
			!is_neighbour(r, span))
			continue;
		if (r->start < span->start)
			span->start = r->start;
		else
			span->end = r->end;
		drop(r);
	}
}

void range_set(struct lock_state *ls, const struct span *want,
	struct range_spare *spare)
{
	struct span span = *want;

	range_clear(ls, want, spare);
	join(ls, &span);
	add(ls, &span, spare);
}

void range_drop_all(struct lock_state *ls)
{
	struct lock_range *r, *next;

	list_for_each_entry_safe(r, next, &ls->sid.node->locks, on_node) {
		if (r->state == ls)
			drop(r);
	}
	assert(ls->ranges == 0);
}
