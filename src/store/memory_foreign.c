/* SPDX-License-Identifier: MIT */
#include "store/memory_foreign.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

static struct memory *memory_checked(struct store *s)
{
	assert(s->ops->observe == mem_observe);
	return memory_of(s);
}

static void report_entry(
	struct memory *m, const struct fileid *dir, struct name name)
{
	struct outside o = {.kind = OUTSIDE_ENTRY, .id = *dir, .name = name};

	mem_report(m, &o);
}

static void report(
	struct memory *m, enum outside_kind kind, const struct fileid *id)
{
	struct outside o = {.kind = kind, .id = *id};

	mem_report(m, &o);
}

static void report_object(
	struct memory *m, const struct fileid *dir, const struct fileid *id)
{
	if (mem_sees_object(m, dir, id))
		report(m, OUTSIDE_OBJECT, id);
}

int memory_foreign_create(struct store *s, const struct fileid *dir,
	struct name name, enum object_type type, struct fileid *ret)
{
	struct memory *m = memory_checked(s);
	struct store_new new = {
		.type = type,
		.link_text = name_from_str("target"),
		.attr = {.mask = SETATTR_MODE,
			.mode = type == OBJECT_DIR ? 0755 : 0644},
	};
	struct fileid id;
	int err = mem_create_entry(m, &cred_server, dir, name, &new, &id);

	if (err)
		return err;
	if (ret)
		*ret = id;
	report_entry(m, dir, name);
	return 0;
}

int memory_foreign_link(struct store *s, const struct fileid *id,
	const struct fileid *dir, struct name name)
{
	const struct fileid no_dir = {0};
	struct memory *m = memory_checked(s);
	int err = mem_link_entry(m, &cred_server, id, dir, name);

	if (err)
		return err;
	report_object(m, &no_dir, id); /* as a kernel: by the file alone */
	report_entry(m, dir, name);
	return 0;
}

static void report_victim(
	struct memory *m, const struct fileid *victim, bool was_dir)
{
	if (was_dir)
		dirindex_forget(m->index, victim);
	report(m, was_dir ? OUTSIDE_ENDED : OUTSIDE_OBJECT, victim);
}

int memory_foreign_remove(
	struct store *s, const struct fileid *dir, struct name name)
{
	struct memory *m = memory_checked(s);
	struct fileid victim;
	bool was_dir;
	int err = mem_remove_entry(
		m, &cred_server, dir, name, NULL, &victim, &was_dir);

	if (err)
		return err;
	report_victim(m, &victim, was_dir);
	report_entry(m, dir, name);
	return 0;
}

static void report_rename(struct memory *m, const struct fileid *from_dir,
	struct name from, const struct fileid *to_dir, struct name to)
{
	struct outside o = {.kind = OUTSIDE_RENAME,
		.id = *from_dir,
		.name = from,
		.new_name = to};

	if (fileid_equal(from_dir, to_dir)) {
		mem_report(m, &o);
		return;
	}
	report_entry(m, from_dir, from);
	report_entry(m, to_dir, to);
}

int memory_foreign_rename(struct store *s, const struct fileid *from_dir,
	struct name from, const struct fileid *to_dir, struct name to)
{
	const struct fileid no_dir = {0};
	struct memory *m = memory_checked(s);
	struct mem_renamed done = {0};
	int err = mem_rename_entry(
		m, &cred_server, from_dir, from, to_dir, to, &done);

	if (err || done.nothing)
		return err;
	if (done.victim.len)
		report_victim(m, &done.victim, done.victim_was_dir);
	if (done.source_is_dir)
		report(m, OUTSIDE_MOVED, &done.source);
	else
		report_object(m, &no_dir, &done.source); /* its ctime moved */
	report_rename(m, from_dir, from, to_dir, to);
	return 0;
}

static int object_named(struct store *s, const struct fileid *dir,
	struct name name, struct fileid *ret)
{
	*ret = *dir;
	return name.len ? mem_lookup(s, &cred_server, dir, name, ret, NULL) : 0;
}

int memory_foreign_setattr(struct store *s, const struct fileid *dir,
	struct name name, const struct setattr *set)
{
	struct memory *m = memory_checked(s);
	struct fileid id;
	int err = object_named(s, dir, name, &id);

	if (!err)
		err = mem_setattr(s, &cred_server, &id, STORE_IO_OPENED, set);
	if (!err)
		report_object(m, dir, &id);
	return err;
}

int memory_foreign_write(struct store *s, const struct fileid *dir,
	struct name name, uint64_t offset, uint8_t byte)
{
	enum store_stability stability = STORE_FILE_SYNC;
	struct memory *m = memory_checked(s);
	struct fileid id;
	size_t done;
	int err = object_named(s, dir, name, &id);

	if (!err)
		err = mem_write(s, &cred_server, &id, STORE_IO_OPENED, offset,
			&byte, 1, &stability, &done);
	if (!err)
		report_object(m, dir, &id);
	return err;
}

void memory_foreign_lose(struct store *s)
{
	struct outside o = {.kind = OUTSIDE_LOST};

	mem_report(memory_checked(s), &o);
}

void memory_foreign_mute(struct store *s, bool mute)
{
	struct memory *m = memory_checked(s);

	scope_lock(&m->lock);
	m->mute = mute;
}

void memory_foreign_evict(struct store *s, const struct fileid *dir)
{
	struct memory *m = memory_checked(s);
	struct mem_node *n;
	bool evicted;

	lock_acquire(&m->lock);
	evicted = mem_find(m, dir, &n) == 0 && n->was_watched &&
		!n->watched[STORE_WATCH_ENTRIES];
	if (evicted)
		n->was_watched = false;
	lock_release(&m->lock);
	if (evicted)
		report(m, OUTSIDE_UNWATCHED, dir);
}

void memory_foreign_limit(struct store *s, uint64_t max)
{
	struct memory *m = memory_checked(s);

	scope_lock(&m->lock);
	m->watches.max_marks = max;
}
