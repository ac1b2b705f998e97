/* SPDX-License-Identifier: MIT */
/* Telling what childattr.c has written down, when it is due. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "state/childattr.h"
#include "state/dirchange_private.h"
#include "state/dirholder.h"
#include "state/dirside.h"
#include "state/recall.h"
#include "state/state_private.h"

/* What could not be done now is tried again after this. */
#define LATER_MS 100

/* Children told in one stay in the change section. */
#define TELL_AT_ONCE 32

/* Some changes of one class on their way. */
struct telling {
	struct dirchange dc;
	struct node *dir;
	struct told *told;       /* a reference; NULL: it was given up */
	struct deleg_terms like; /* those of the class's holders */
	struct childchange *change[TELL_AT_ONCE];
	int count;
};

/* ---- what is due ---- */

static void take_locked(struct telling *t, struct childclass *class)
{
	struct childchange *change;

	t->like = (struct deleg_terms){
		.child_attrs = class->attrs,
		.child_delay_ms = class->delay_ms,
	};
	while (t->count < TELL_AT_ONCE && (change = childclass_take(class)))
		t->change[t->count++] = change;
	if (!list_empty(&class->changes->list))
		return;
	childdue_cancel(&t->dir->state->child_due, class->changes);
	childclass_drop_changes(class);
}

static bool is_due(const struct childclass *class, uint64_t now_ms)
{
	const struct childchanges *c = class->changes;

	return c && c->due_ms && c->due_ms <= now_ms;
}

/* Take some that are due, all of one class. True: there are others. */
static bool take_due(struct telling *t, uint64_t now_ms)
{
	struct dirside *side;
	bool taken = false, more = false;

	scope_lock(&t->dir->lock);
	side = t->dir->side;
	for (struct childclass *class = side ? side->classes : NULL; class;
		class = class->next) {
		if (is_due(class, now_ms) && !taken) {
			take_locked(t, class);
			taken = true;
		}
		more |= is_due(class, now_ms);
	}
	return more;
}

/* ---- to whom ---- */

/* Is @d one of those it is for? */
static bool is_of_class(const struct telling *t, const struct deleg *d)
{
	const struct childclass like = {
		.attrs = t->like.child_attrs,
		.delay_ms = t->like.child_delay_ms,
	};

	return dirholder_wants_children(d) && childclass_fits(&like, d->terms);
}

static bool is_for(const struct telling *t, struct deleg *d,
	const struct childchange *change)
{
	struct dirdeleg_holder h;

	if (!is_of_class(t, d) || childchange_is_own(change, d))
		return false;
	h = dirholder_of(d, NULL, 0);
	return dirdeleg_judge(&h, CHANGE_CHILD_ATTRS) == DIRDELEG_NOTIFY;
}

static bool is_wanted(struct telling *t, const struct childchange *change)
{
	struct deleg *d;
	struct told_entry e;
	uint32_t at = 0;

	if (!t->told || !told_next_name(t->told, change->link.hash, &at, &e))
		return false;
	scope_lock(&t->dir->lock);
	list_for_each_entry(d, &t->dir->delegs, on_node) {
		if (is_for(t, d, change))
			return true;
	}
	return false;
}

/* ---- telling ---- */

static void tell_change(struct telling *t, const struct childchange *change,
	const struct dir_change *c)
{
	struct dir_event *e = dirholder_event(t->dir->state, c);
	struct deleg *d;

	lock_acquire(&t->dir->lock);
	list_for_each_entry(d, &t->dir->delegs, on_node) {
		if (is_for(t, d, change))
			dirholder_tell(d, c, e);
	}
	lock_release(&t->dir->lock);
	dir_event_put(e);
}

/* One event for each of its names; @attr is NULL if it cannot be read. */
static void tell_names(struct telling *t, const struct childchange *change,
	const struct attr *attr)
{
	struct dir_change c = {.kind = CHANGE_CHILD_ATTRS};
	struct told_entry e;
	uint32_t at = 0;

	childchange_copy_id(change, &c.entry.child);
	c.entry.has_attr = attr;
	if (attr)
		c.entry.attr = *attr;
	while (told_next_name(t->told, change->link.hash, &at, &e)) {
		c.entry.name = e.name;
		c.entry.cookie = e.cookie;
		c.entry.type = e.type;
		tell_change(t, change, &c);
	}
}

static void tell_one(struct telling *t, const struct childchange *change,
	int (*read)(void *ctx, const struct fileid *id, struct attr *ret),
	void *ctx)
{
	struct fileid id;
	struct attr attr;
	int err;

	if (!is_wanted(t, change))
		return;
	childchange_copy_id(change, &id);
	err = read(ctx, &id, &attr);
	if (err != -ESTALE)
		tell_names(t, change, err < 0 ? NULL : &attr);
}

bool childattr_tell(struct node *dir,
	int (*read)(void *ctx, const struct fileid *id, struct attr *ret),
	void *ctx)
{
	struct telling t = {.dir = dir};
	struct fileid id;
	bool more;

	node_copy_id(dir, &id);
	if (dirchange_begin(&t.dc, dir->state, NULL, &id, NULL) != NFS4_OK) {
		childattr_tell_later(dir);
		return false;
	}
	t.told = dirside_told(dir);
	more = take_due(&t, state_now_ms(dir->state));
	/* Whose lease is over is revoked, and queued nothing. */
	dirchange_judge_all(&t.dc, 0, CHANGE_CHILD_ATTRS, true);
	for (int i = 0; i < t.count; i++) {
		tell_one(&t, t.change[i], read, ctx);
		childchange_free(t.change[i]);
	}
	dirchange_leave(&t.dc);
	told_put(t.told);
	return more;
}

void childattr_tell_later(struct node *dir)
{
	struct state *s = dir->state;
	uint64_t now = state_now_ms(s);

	scope_lock(&dir->lock);
	for (struct childclass *class = dir->side ? dir->side->classes : NULL;
		class; class = class->next) {
		if (is_due(class, now))
			childdue_set(
				&s->child_due, class->changes, now + LATER_MS);
	}
}

bool childattr_find_export(struct node *dir, uint32_t *via)
{
	scope_lock(&dir->lock);
	if (!dir->dir_delegs)
		return false;
	*via = list_first_entry(&dir->delegs, struct deleg, on_node)->via;
	return true;
}
