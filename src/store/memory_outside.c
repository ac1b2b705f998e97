/* SPDX-License-Identifier: MIT */
/*
 * Watching the memory store. Only memory_foreign.c changes it from outside, so
 * to watch is to count; whoever was watched for entries once stays so.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

static bool is_watched(const struct mem_node *n)
{
	for (int i = 0; i < STORE_WATCHES; i++) {
		if (n->watched[i])
			return true;
	}
	return false;
}

void mem_forget_watches(struct memory *m, struct mem_node *n)
{
	if (is_watched(n))
		m->watches.marks--;
	memset(n->watched, 0, sizeof(n->watched));
	n->was_watched = false;
}

static void forget_all(struct memory *m)
{
	struct htab_link *at = NULL;
	size_t cursor = 0;

	while ((at = htab_walk(&m->nodes, &cursor, at)))
		mem_forget_watches(m, container_of(at, struct mem_node, link));
}

int mem_observe(struct store *s, const struct store_observer *observer)
{
	struct memory *m = memory_of(s);

	scope_lock(&m->lock);
	while (m->reporting > 0)
		cond_wait(&m->reported, &m->lock);
	m->observer = observer ? *observer : (struct store_observer){0};
	if (!observer)
		forget_all(m);
	return 0;
}

static int check_room(struct memory *m, const struct mem_node *n)
{
	if (is_watched(n) || !m->watches.max_marks ||
		m->watches.marks < m->watches.max_marks)
		return 0;
	m->watches.refused++;
	return -ENOSPC;
}

int mem_watch(struct store *s, const struct fileid *id, enum store_watch what)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = what == STORE_WATCH_OBJECT ? mem_find(m, id, &n)
					 : mem_find_dir(m, id, &n);
	if (!err && !m->observer.outside)
		err = -EOPNOTSUPP;
	if (!err)
		err = check_room(m, n);
	if (err)
		return err;
	m->watches.marks += !is_watched(n);
	n->watched[what]++;
	n->was_watched |= what == STORE_WATCH_ENTRIES;
	return 0;
}

void mem_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;

	scope_lock(&m->lock);
	if (mem_find(m, id, &n) < 0 || !n->watched[what])
		return; /* it is gone, or the observer is */
	n->watched[what]--;
	m->watches.marks -= !is_watched(n);
}

void mem_read_watch_stats(struct store *s, struct store_watch_stats *ret)
{
	struct memory *m = memory_of(s);

	scope_lock(&m->lock);
	*ret = m->watches;
}

void mem_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
	mem_note(memory_of(s), dir, change);
}

/* Does anybody who watches @id want to hear of this? Locked. */
static bool is_wanted_locked(struct memory *m, const struct outside *o)
{
	struct mem_node *n;

	switch (o->kind) {
	case OUTSIDE_ENTRY:
	case OUTSIDE_RENAME:
		return mem_find(m, &o->id, &n) == 0 && n->was_watched;
	case OUTSIDE_MOVED:
		return mem_find(m, &o->id, &n) == 0 &&
			n->watched[STORE_WATCH_END] > 0;
	default:
		return true;
	}
}

void mem_report(struct memory *m, const struct outside *o)
{
	struct store_observer observer = {0};

	lock_acquire(&m->lock);
	if (!m->mute && m->observer.outside && is_wanted_locked(m, o)) {
		observer = m->observer;
		m->reporting++;
		m->watches.reports++;
		m->watches.lost += o->kind == OUTSIDE_LOST;
	}
	lock_release(&m->lock);
	if (!observer.outside)
		return;
	observer.outside(observer.ctx, o);
	lock_acquire(&m->lock);
	m->reporting--;
	cond_broadcast(&m->reported);
	lock_release(&m->lock);
}

/* A directory has one name, however it was come by. */
static struct mem_node *parent_of(
	struct memory *m, const struct mem_node *n, const struct fileid *dir)
{
	struct mem_node *parent = n->parent;

	if (n->attr.type != OBJECT_DIR && mem_find(m, dir, &parent) < 0)
		return NULL;
	return parent;
}

bool mem_sees_object(
	struct memory *m, const struct fileid *dir, const struct fileid *id)
{
	struct mem_node *parent, *n;

	scope_lock(&m->lock);
	if (mem_find(m, id, &n) < 0)
		return false;
	parent = parent_of(m, n, dir);
	if (parent && parent->watched[STORE_WATCH_CHILDREN])
		return true;
	return n->watched[STORE_WATCH_OBJECT] || n->was_watched;
}
