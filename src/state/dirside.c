/* SPDX-License-Identifier: MIT */
#include "state/dirside.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "state/dirholder.h"
#include "state/recall.h"
#include "state/state_private.h"

/* ---- the told set ---- */

struct told *dirside_told(struct node *n)
{
	scope_lock(&n->lock);
	if (!n->side || !n->side->told)
		return NULL;
	return told_ref(n->side->told);
}

static struct told *sample(
	const struct dirdeleg_request *request, uint32_t max_entries)
{
	struct told *told = told_new(max_entries);

	if (!told)
		return NULL;
	if (request->sample(request->sample_ctx, told) == 0)
		return told;
	told_put(told);
	return NULL;
}

struct told *dirside_sample(
	struct node *n, const struct dirdeleg_request *request)
{
	struct told *told = dirside_told(n);

	if (told || !request->sample)
		return told;
	return sample(request, state_get_config(n->state)->told_max_entries);
}

/* ---- classes ---- */

struct childclass *dirside_find_class(
	const struct dirside *side, const struct deleg_terms *terms)
{
	struct childclass *class;

	list_for_each_entry(class, &side->classes, link) {
		if (childclass_fits(class, terms))
			return class;
	}
	return NULL;
}

static bool has_class_for(struct node *n, const struct deleg_terms *terms)
{
	scope_lock(&n->lock);
	return !n->side || n->side->nclasses < CHILDCLASSES_MAX ||
		dirside_find_class(n->side, terms);
}

bool dirside_index(
	struct node *n, struct told *told, const struct deleg_terms *terms)
{
	if (!has_class_for(n, terms))
		return false;
	return told->index || told_index(told, &n->state->children, n) == 0;
}

static void join_class_locked(struct deleg *d, struct dirside_spare *spare)
{
	struct dirside *side = d->sid.node->side;
	struct childclass *class = dirside_find_class(side, d->terms);

	if (!class) {
		class = spare->class;
		spare->class = NULL;
		list_add_tail(&side->classes, &class->link);
		side->nclasses++;
	}
	class->holders++;
}

static void leave_class_locked(struct deleg *d, struct dirside_spare *left)
{
	struct dirside *side = d->sid.node->side;
	struct childclass *class = dirside_find_class(side, d->terms);

	if (--class->holders)
		return;
	list_del(&class->link);
	side->nclasses--;
	left->class = class;
}

/* ---- coming and going ---- */

static struct dirside *side_new(struct node *n)
{
	struct dirside *side = calloc(1, sizeof(*side));

	if (!side)
		return NULL;
	side->node = n;
	list_init(&side->classes);
	list_init(&side->on_due);
	return side;
}

static void side_free(struct dirside *side)
{
	if (!side)
		return;
	told_put(side->told);
	free(side);
}

bool dirside_spare_init(struct dirside_spare *spare, const struct deleg *d)
{
	bool children = dirholder_wants_children(d);

	*spare = (struct dirside_spare){
		.side = side_new(d->sid.node),
		.class = children ? childclass_new(d->terms) : NULL,
	};
	if (spare->side && (spare->class || !children))
		return true;
	dirside_spare_fini(spare);
	return false;
}

void dirside_spare_fini(struct dirside_spare *spare)
{
	side_free(spare->side);
	childclass_free(spare->class);
	*spare = (struct dirside_spare){.side = NULL};
}

void dirside_join_locked(
	struct deleg *d, struct told *told, struct dirside_spare *spare)
{
	struct node *n = d->sid.node;

	lock_assert_held(&n->lock);
	if (!n->side) {
		n->side = spare->side;
		spare->side = NULL;
	}
	if (!n->side->told)
		n->side->told = told_ref(told);
	n->side->told_users++;
	d->needs_told = true;
	if (dirholder_wants_children(d))
		join_class_locked(d, spare);
}

/* Where nobody wants changes of children any more, childtell.c stops it. */
void dirside_leave_locked(struct deleg *d, struct dirside_spare *left)
{
	struct node *n = d->sid.node;
	struct dirside *side = n->side;
	struct childdue *due = &n->state->child_due;

	lock_assert_held(&n->lock);
	if (!d->needs_told)
		return;
	d->needs_told = false;
	if (dirholder_wants_children(d))
		leave_class_locked(d, left);
	if (--side->told_users == 0) {
		childdue_cancel(due, side);
		n->side = NULL;
		left->side = side;
	} else if (left->class && side->nclasses == 0) {
		childdue_set(due, side, state_now_ms(n->state));
	}
}

/* ---- changes ---- */

/* From now on nobody knows which names a changed child has here. */
static void lose_told(struct node *n)
{
	struct told *told = NULL;
	struct deleg *d;

	lock_acquire(&n->lock);
	if (n->side) {
		told = n->side->told;
		n->side->told = NULL;
	}
	list_for_each_entry(d, &n->delegs, on_node) {
		if (dirholder_wants_children(d))
			recall_start_locked(d, RECALL_RESOURCE);
	}
	lock_release(&n->lock);
	told_put(told);
}

void dirside_apply(struct node *n, const struct dir_change *change)
{
	struct told *told = dirside_told(n);

	if (!told)
		return;
	if (told_apply(told, change) < 0)
		lose_told(n);
	told_put(told);
}
