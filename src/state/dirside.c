/* SPDX-License-Identifier: MIT */
#include "state/dirside.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/dirholder.h"
#include "state/dirmemory.h"
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

/*
 * Somebody relies on reports alone. What others did and was not reported yet
 * would be in a new sample, and so not seen as a change when it is.
 */
static bool has_untracked_holder(struct node *n)
{
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (d->granted && d->state == DELEG_ACTIVE)
			return true;
	}
	return false;
}

struct told *dirside_sample(
	struct node *n, const struct dirdeleg_request *request)
{
	struct told *told = dirside_told(n);

	if (told || !request->sample)
		return told;
	if (request->watched && has_untracked_holder(n))
		return NULL;
	return sample(request, state_get_config(n->state)->told_max_entries);
}

/* ---- classes ---- */

struct childclass *dirside_find_class(
	const struct dirside *side, const struct deleg_terms *terms)
{
	struct childclass *class = side->classes;

	while (class && !childclass_fits(class, terms))
		class = class->next;
	return class;
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
		class->next = side->classes;
		side->classes = class;
		side->nclasses++;
	}
	class->holders++;
}

static void leave_class_locked(struct deleg *d, struct dirside_spare *left)
{
	struct node *n = d->sid.node;
	struct childclass *class = dirside_find_class(n->side, d->terms);
	struct childclass **at = &n->side->classes;

	if (--class->holders)
		return;
	while (*at != class)
		at = &(*at)->next;
	*at = class->next;
	n->side->nclasses--;
	if (class->changes)
		childdue_cancel(&n->state->child_due, class->changes);
	left->class = class;
}

/* ---- coming and going ---- */

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
		.side = calloc(1, sizeof(*spare->side)),
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

void dirside_leave_locked(struct deleg *d, struct dirside_spare *left)
{
	struct node *n = d->sid.node;

	lock_assert_held(&n->lock);
	if (!d->needs_told)
		return;
	d->needs_told = false;
	if (dirholder_wants_children(d))
		leave_class_locked(d, left);
	if (--n->side->told_users)
		return;
	left->side = n->side;
	n->side = NULL;
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

/* It takes the place of what was told, or of nothing. */
static bool fit_target(const struct told *told, struct dir_change *c)
{
	struct told_entry known;
	bool had = c->has_overwritten;

	c->has_overwritten = told_find(told, c->entry.name, &known);
	if (c->has_overwritten == had)
		return false;
	c->overwritten = (struct change_entry){.cookie = COOKIE_NONE};
	if (had)
		return true;
	c->overwritten.name = c->entry.name;
	c->overwritten.cookie =
		known.cookie != COOKIE_NONE ? known.cookie : c->entry.cookie;
	return true;
}

static bool is_same_child(
	const struct told_entry *known, const struct change_entry *entry)
{
	return !known->child || !entry->child.len ||
		known->child == told_child(&entry->child);
}

/*
 * Where it came from nobody was told, or of something else, which stays told:
 * others took it away, so it will be looked at.
 */
static void add_instead(struct dir_change *c)
{
	c->kind = CHANGE_ADD_ENTRY;
	c->old = (struct change_entry){.cookie = COOKIE_NONE};
}

/*
 * There is nothing to tell of where it came to, which will be looked at: only
 * that it left.
 */
static enum dirside_news fit_gone(const struct told *told, struct dir_change *c)
{
	struct told_entry known;

	if (c->kind != CHANGE_RENAME_ENTRY ||
		!told_find(told, c->old.name, &known))
		return DIRSIDE_NOTHING;
	c->kind = CHANGE_REMOVE_ENTRY;
	c->entry = c->old;
	c->has_overwritten = c->has_previous = c->last = false;
	return DIRSIDE_ANOTHER;
}

static enum dirside_news fit(const struct told *told, struct dir_change *c)
{
	enum dirside_news news = DIRSIDE_SAME;
	struct told_entry known;

	if (c->entry.is_gone && c->kind != CHANGE_REMOVE_ENTRY)
		return fit_gone(told, c);
	switch (c->kind) {
	case CHANGE_REMOVE_ENTRY:
		if (!told_find(told, c->entry.name, &known))
			return DIRSIDE_NOTHING;
		return is_same_child(&known, &c->entry) ? DIRSIDE_SAME
							: DIRSIDE_CONFUSED;
	case CHANGE_RENAME_ENTRY:
		if (!told_find(told, c->old.name, &known))
			news = DIRSIDE_ANOTHER;
		else if (!is_same_child(&known, &c->entry))
			news = DIRSIDE_CONFUSED;
		if (news != DIRSIDE_SAME)
			add_instead(c);
		/* fall through */
	case CHANGE_ADD_ENTRY:
		if (fit_target(told, c) && news == DIRSIDE_SAME)
			news = DIRSIDE_ANOTHER;
		/* fall through */
	default:
		return news;
	}
}

/* Other changes may lie between what was told and this one. */
static void fit_verifier(const struct told *told, struct dir_change *c)
{
	if (!told->verifier || !c->new_verifier)
		return;
	c->old_verifier = told->verifier;
	c->verifier_moved = told->verifier != c->new_verifier;
}

/* @c was applied; where cookies are not known its place stays as it is. */
static void fit_place(const struct told *told, struct dir_change *c)
{
	struct told_place place;
	struct name name;

	if (c->kind == CHANGE_REMOVE_ENTRY ||
		!told_find_place(told, c->entry.cookie, &place))
		return;
	name = place.previous.name;
	c->last = place.last;
	c->has_previous = name.len > 0;
	if (!c->has_previous)
		return;
	memcpy(c->previous_bytes, name.data, name.len);
	c->previous = (struct name){.len = name.len, .data = c->previous_bytes};
	c->previous_cookie = place.previous.cookie;
}

/* It grew where nothing may grow any more. */
static bool has_outgrown(const struct node *n, const struct dir_change *c)
{
	return c->kind == CHANGE_ADD_ENTRY && dirmemory_is_over(n->state);
}

static bool wants_children(struct node *n)
{
	scope_lock(&n->lock);
	return n->side && n->side->classes;
}

enum dirside_news dirside_apply(
	struct node *n, struct dir_change *change, bool order)
{
	struct told *told = dirside_told(n);
	enum dirside_news news;

	if (!told)
		return DIRSIDE_SAME;
	if (told->index && !wants_children(n))
		told_unindex(told);
	fit_verifier(told, change);
	news = fit(told, change);
	if (news == DIRSIDE_NOTHING)
		told_note_verifier(told, change);
	else if (told_apply(told, change) < 0 || has_outgrown(n, change))
		lose_told(n);
	else if (order)
		fit_place(told, change);
	told_put(told);
	return news;
}
