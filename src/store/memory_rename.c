/* SPDX-License-Identifier: MIT */
/* Renames of the memory store, with the rules of rename(2). */
#include <errno.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

/* A rename found possible: directories, entries. */
struct renaming {
	struct mem_node *from_dir, *to_dir;
	struct mem_entry *source;
	struct mem_entry *victim; /* NULL: the target name is free */
	bool nothing;             /* both names are one object */
};

static int find_dir(struct memory *m, const struct cred *cred,
	const struct fileid *id, struct mem_node **ret)
{
	int err = mem_find_dir(m, id, ret);

	if (!err && !mem_may(cred, *ret, STORE_MAY_EXECUTE))
		err = -EACCES;
	return err;
}

/* Is @n the directory @dir, or above it? */
static bool is_above(const struct mem_node *n, const struct mem_node *dir)
{
	for (; dir; dir = dir->parent) {
		if (dir == n)
			return true;
	}
	return false;
}

/* The target name exists: may the source take its place? */
static int check_victim(const struct cred *cred, const struct mem_node *to_dir,
	const struct mem_node *source, const struct mem_node *victim)
{
	bool source_is_dir = source->attr.type == OBJECT_DIR;
	bool victim_is_dir = victim->attr.type == OBJECT_DIR;
	int err = mem_may_remove(cred, to_dir, victim);

	if (err)
		return err;
	if (source_is_dir && !victim_is_dir)
		return -ENOTDIR;
	if (!source_is_dir && victim_is_dir)
		return -EISDIR;
	return mem_is_full(victim) ? -ENOTEMPTY : 0;
}

static int check_target(const struct cred *cred, const struct renaming *r)
{
	const struct mem_node *source = r->source->child;

	if (r->victim)
		return check_victim(cred, r->to_dir, source, r->victim->child);
	if (r->to_dir->attr.nlink == 0)
		return -ENOENT;
	if (!mem_may(cred, r->to_dir, STORE_MAY_WRITE | STORE_MAY_EXECUTE))
		return -EACCES;
	return 0;
}

/* A directory that gets another parent: its ".." is written. */
static int check_move(const struct cred *cred, const struct renaming *r)
{
	const struct mem_node *source = r->source->child;

	if (source->attr.type != OBJECT_DIR || r->from_dir == r->to_dir)
		return 0;
	if (!mem_may(cred, source, STORE_MAY_WRITE))
		return -EACCES;
	if (!r->victim && r->to_dir->attr.nlink >= MEM_LINKS_MAX)
		return -EMLINK;
	return 0;
}

static int check_loops(const struct renaming *r)
{
	if (is_above(r->source->child, r->to_dir))
		return -EINVAL;
	if (r->victim && is_above(r->victim->child, r->from_dir))
		return -ENOTEMPTY;
	return 0;
}

static int find_entries(struct memory *m, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to, struct renaming *r)
{
	int err = find_dir(m, cred, from_dir, &r->from_dir);

	if (!err)
		err = find_dir(m, cred, to_dir, &r->to_dir);
	if (err)
		return err;
	r->source = mem_entry_find(r->from_dir, from);
	r->victim = mem_entry_find(r->to_dir, to);
	return r->source ? 0 : -ENOENT;
}

static int check_rename(struct memory *m, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to, struct renaming *r)
{
	int err = find_entries(m, cred, from_dir, from, to_dir, to, r);

	if (!err)
		err = check_loops(r);
	if (err)
		return err;
	r->nothing = r->victim && r->victim->child == r->source->child;
	if (r->nothing)
		return 0;
	err = mem_may_remove(cred, r->from_dir, r->source->child);
	if (!err)
		err = check_target(cred, r);
	return err ? err : check_move(cred, r);
}

int mem_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	struct memory *m = memory_of(s);
	struct renaming r;
	int err;

	scope_lock(&m->lock);
	err = check_rename(m, cred, from_dir, from, to_dir, to, &r);
	if (err)
		return err;
	plan->source = mem_fileid(m, r.source->child);
	plan->source_type = r.source->child->attr.type;
	plan->same_object = r.nothing;
	plan->has_victim = r.victim != NULL;
	if (!r.victim)
		return 0;
	plan->victim = mem_fileid(m, r.victim->child);
	plan->victim_type = r.victim->child->attr.type;
	plan->victim_last_link = plan->victim_type == OBJECT_DIR ||
		r.victim->child->attr.nlink == 1;
	return 0;
}

static void drop_victim(
	struct memory *m, const struct renaming *r, struct mem_renamed *done)
{
	struct mem_node *victim = r->victim->child;

	done->victim = mem_fileid(m, victim);
	done->victim_was_dir = victim->attr.type == OBJECT_DIR;
	mem_entry_remove(m, r->to_dir, r->victim);
	mem_node_release(m, victim);
}

int mem_rename_entry(struct memory *m, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to, struct mem_renamed *done)
{
	struct mem_node *source;
	struct renaming r;
	int err;

	scope_lock(&m->lock);
	err = check_rename(m, cred, from_dir, from, to_dir, to, &r);
	if (err)
		return err;
	source = r.source->child;
	done->source = mem_fileid(m, source);
	done->source_is_dir = source->attr.type == OBJECT_DIR;
	done->nothing = r.nothing;
	if (r.nothing)
		return 0;
	err = mem_check_victim(m, r.victim, done->only);
	if (err)
		return err;
	/* The new name first: it alone can fail. */
	err = mem_entry_add(m, r.to_dir, to, source);
	if (err)
		return err;
	if (r.victim)
		drop_victim(m, &r, done);
	mem_entry_remove(m, r.from_dir, r.source);
	if (done->source_is_dir)
		mem_dir_moved(source, r.to_dir);
	return 0;
}

static void tell_overwritten(
	struct dir_change *c, struct name to, const struct mem_renamed *done)
{
	c->has_overwritten = done->victim.len > 0;
	if (!c->has_overwritten)
		return;
	c->overwritten.name = to;
	c->overwritten.child = done->victim;
}

static void tell_inside(struct memory *m, const struct fileid *dir,
	struct name from, struct name to, const struct mem_renamed *done,
	struct dir_change *c)
{
	c->old.name = from;
	c->old.child = done->source;
	tell_overwritten(c, to, done);
	mem_note_entry(m, dir, CHANGE_RENAME_ENTRY, to, &done->source, c);
}

static void tell_added(struct memory *m, const struct fileid *dir,
	struct name to, const struct mem_renamed *done, struct dir_change *c)
{
	tell_overwritten(c, to, done);
	mem_note_entry(m, dir, CHANGE_ADD_ENTRY, to, &done->source, c);
}

int mem_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	struct memory *m = memory_of(s);
	bool inside = fileid_equal(from_dir, to_dir);
	struct mem_renamed done = {
		.only = inside ? from_change->victim : to_change->victim};
	int err = mem_rename_entry(m, cred, from_dir, from, to_dir, to, &done);

	if (err)
		return err;
	*nothing = done.nothing;
	if (done.nothing)
		return 0;
	if (done.victim_was_dir)
		dirindex_forget(m->index, &done.victim);
	if (inside) {
		tell_inside(m, from_dir, from, to, &done, from_change);
		return 0;
	}
	mem_note_entry(m, from_dir, CHANGE_REMOVE_ENTRY, from, &done.source,
		from_change);
	tell_added(m, to_dir, to, &done, to_change);
	return 0;
}
