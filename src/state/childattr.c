/* SPDX-License-Identifier: MIT */
#include "state/childattr.h"

#include <string.h>

#include "base/cleanup.h"
#include "state/batch.h"
#include "state/dirholder.h"
#include "state/dirside.h"
#include "state/recall.h"
#include "state/state_private.h"

struct noting {
	const struct childattr_change *change;
	uint64_t child;
	uint64_t now_ms;
};

bool childattr_is_watched(struct state *s, const struct fileid *id)
{
	return !childindex_is_empty(&s->children) &&
		childindex_has(&s->children, told_child(id));
}

/* ---- does it matter here? ---- */

/* Somebody wants to hear of it who did not do it himself. */
static bool concerns_holders(const struct noting *n, struct node *dir)
{
	const struct childattr_change *c = n->change;
	struct deleg *d;

	list_for_each_entry(d, &dir->delegs, on_node) {
		if (dirholder_wants_children(d) &&
			!deleg_is_own(d, c->who, c->via))
			return true;
	}
	return false;
}

static bool is_of_entry(const struct dir_change *entry, struct name name)
{
	return name_equal(entry->entry.name, name) ||
		(entry->kind == CHANGE_RENAME_ENTRY &&
			name_equal(entry->old.name, name));
}

/* Inside the directory's section: has the child no name but the entry's? */
static bool is_told_by_entry(const struct noting *n, const struct told *told,
	const struct dir_change *entry)
{
	struct told_entry e;
	uint32_t at = 0;

	while (told_next_name(told, n->child, &at, &e)) {
		if (!is_of_entry(entry, e.name))
			return false;
	}
	return true;
}

static bool is_told_anyway(const struct noting *n, struct node *dir)
{
	const struct childattr_change *c = n->change;

	for (int i = 0; c->in && i < 2; i++) {
		if (dir == c->in->dir[i])
			return is_told_by_entry(
				n, dir->side->told, &c->entry[i]);
	}
	return false;
}

/* ---- writing it down ---- */

/* Nothing is dropped: who cannot be told of it goes. */
static void lose_holders(struct node *dir, const struct childclass *class)
{
	struct deleg *d;

	list_for_each_entry(d, &dir->delegs, on_node) {
		if (!dirholder_wants_children(d) ||
			!childclass_fits(class, d->terms))
			continue;
		deleg_count_overflow(d, DELEG_OVERFLOW_MEMORY);
		recall_start_locked(d, RECALL_OVERFLOW);
	}
}

/*
 * Children that came, changed and went stay written down until their time. As
 * many as a directory may have entries do not wait for it; twice as many are
 * too many, when nobody comes to tell them.
 */
static void set_due(
	const struct noting *n, struct node *dir, struct childclass *class)
{
	struct childdue *due = &dir->state->child_due;
	struct childchanges *changes = class->changes;

	if (!changes->due_ms)
		childdue_set(due, changes, n->now_ms + class->delay_ms);
	else if (changes->due_ms > n->now_ms &&
		childclass_count(class) > dir->side->told->max)
		childdue_set(due, changes, n->now_ms);
}

static void note_class(
	const struct noting *n, struct node *dir, struct childclass *class)
{
	const struct childattr_change *c = n->change;
	bitmap4 both = bitmap4_and(&class->attrs, &c->changed);

	if (bitmap4_empty(&both))
		return;
	if (childclass_count(class) < 2 * (size_t)dir->side->told->max &&
		childclass_note(class, dir, n->child, c->id,
			c->who ? c->who->id : 0, c->via))
		set_due(n, dir, class);
	else
		lose_holders(dir, class);
}

static void note_in_dir(void *ctx, struct node *dir)
{
	const struct noting *n = ctx;

	scope_lock(&dir->lock);
	if (!dir->side || !dir->side->told || !concerns_holders(n, dir) ||
		is_told_anyway(n, dir))
		return;
	for (struct childclass *class = dir->side->classes; class;
		class = class->next)
		note_class(n, dir, class);
}

void childattr_note(struct state *s, const struct childattr_change *change)
{
	struct noting n = {.change = change};

	if (childindex_is_empty(&s->children))
		return;
	n.child = told_child(change->id);
	n.now_ms = state_now_ms(s);
	childindex_each(&s->children, n.child, note_in_dir, &n);
}

void childattr_note_unknown(struct state *s, const struct fileid *id)
{
	struct childattr_change change = {.id = id};

	memset(change.changed.word, 0xff, sizeof(change.changed.word));
	childattr_note(s, &change);
}

void childattr_settle(struct state *s, const struct change_entry *entry)
{
	struct changeattr_mark mark;

	if (!entry->has_attr || childindex_is_empty(&s->children))
		return;
	mark = changeattr_mark(s, &entry->child);
	if (mark.last && mark.last != entry->attr.change)
		childattr_note_unknown(s, &entry->child);
}

/* ---- directories ---- */

struct finding {
	struct fileid *ret;
	int count, max;
};

static void find_dir(void *ctx, struct node *dir)
{
	struct finding *f = ctx;

	if (f->count < f->max)
		node_copy_id(dir, &f->ret[f->count++]);
}

int childattr_find_dirs(
	struct state *s, const struct fileid *id, struct fileid *ret, int max)
{
	struct finding f = {.ret = ret, .max = max};

	if (!childindex_is_empty(&s->children))
		childindex_each(&s->children, told_child(id), find_dir, &f);
	return f.count;
}

void childattr_give_up(struct state *s, const struct fileid *dir)
{
	struct node *n = node_find(s, dir);
	struct deleg *d;

	if (!n)
		return;
	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (dirholder_wants_children(d))
			recall_start_locked(d, RECALL_RESOURCE);
	}
	lock_release(&n->lock);
	node_put(n);
	recall_kick(s);
	batch_kick(s);
}
