/* SPDX-License-Identifier: MIT */
#include "nfs/change.h"

#include <errno.h>

#include "nfs/attrs.h"
#include "nfs/dirattr.h"
#include "nfs/errmap.h"
#include "nfs/local.h"
#include "state/childattr.h"
#include "state/node.h"
#include "state/policy_open.h"
#include "store/store.h"

static int dirs_of(const struct name_change *nc)
{
	return nc->dir[1] ? 2 : 1;
}

static nfsstat4 read_dirs(const struct name_change *nc, struct attr attr[2])
{
	for (int i = 0; i < dirs_of(nc); i++) {
		int err = store_getattr(nc->store, nc->dir[i], &attr[i]);

		if (err < 0)
			return errmap_status(err);
	}
	return NFS4_OK;
}

/*
 * Each open file without a name costs the store a descriptor until it is
 * closed, so they have a limit.
 */
static bool is_orphan_too_many(
	const struct name_change *nc, const struct dirchange *dc)
{
	uint32_t count, max, own;

	if (!nc->victim_last_link || !dc->victim ||
		!node_opener_orphans(dc->victim, &own))
		return false;
	store_count_orphans(nc->store, &count, &max);
	return !policy_orphan_fits(count, max, own);
}

/*
 * A file that is open stays reachable after its last name is gone. The pin
 * comes before the name goes, and who has it open is looked for after that: an
 * open is on the node by then, or finds out itself that the name has gone
 * (op_open.c, keep_open_file).
 */
static nfsstat4 pin_victim(struct name_change *nc, const struct dirchange *dc)
{
	int err;

	if (!nc->has_victim || nc->victim_is_dir)
		return NFS4_OK;
	if (is_orphan_too_many(nc, dc))
		return NFS4ERR_DELAY;
	err = store_pin(nc->store, &nc->victim);
	/* Others were faster: what is STALE is no handle of the client's. */
	return err == -ESTALE ? NFS4ERR_DELAY : errmap_status(err);
}

/* True: the last close will unpin. */
static bool leave_to_opens(struct name_change *nc)
{
	struct node *n = node_find(nc->c->server->state, &nc->victim);
	bool left = n && node_set_pinned(n, nc->store);

	node_put(n);
	return left;
}

static void settle_victim(struct name_change *nc, bool removed)
{
	if (!nc->has_victim || nc->victim_is_dir)
		return;
	if (!removed || !leave_to_opens(nc))
		store_unpin(nc->store, &nc->victim);
}

/*
 * Links and names are part of a child's state: its change value moves, too.
 * The victim and what is moved, linked or made; a removed directory ends.
 */
struct children {
	bool has_victim, has_child;
	struct attrs_change victim, child;
};

static void child_begin(struct attrs_change *change, struct name_change *nc,
	const struct dirchange *dc, const struct fileid *id, bool is_dir)
{
	if (is_dir)
		attrs_change_begin_dir(change, nc->c, id);
	else
		attrs_change_begin(change, nc->c, id);
	change->in = dc;
	change->entry = nc->change;
}

static void children_begin(
	struct name_change *nc, struct children *ch, const struct dirchange *dc)
{
	ch->has_victim = nc->has_victim && !nc->victim_is_dir;
	ch->has_child = nc->child.len != 0;
	if (ch->has_victim)
		child_begin(&ch->victim, nc, dc, &nc->victim, false);
	if (ch->has_child)
		child_begin(&ch->child, nc, dc, &nc->child,
			nc->child_type == OBJECT_DIR);
}

/* What has just been made had no value before: nothing to keep apart. */
static bool read_new_child(struct name_change *nc, struct attr *attr)
{
	return nc->child.len != 0 &&
		attrs_read(nc->c->server, nc->c->fh.export, &nc->child, attr) ==
		NFS4_OK;
}

/*
 * A file that gets its second link is watched itself where its first one is:
 * in one directory, or in two if others are about to move it. True: it was not
 * in one of them until now.
 */
static bool watch_first_link(struct name_change *nc)
{
	struct nfs_server *server = nc->c->server;
	struct fileid in[2];
	bool fresh = false;
	int count;

	if (!nc->adds_link || !local_tells_children(server))
		return false;
	count = childattr_find_dirs(server->state, &nc->child, in, 2);
	while (count)
		fresh |= local_note_linked(server, &in[--count], &nc->child);
	return fresh;
}

/*
 * Once more when it is made: who was granted a directory meanwhile may have
 * found the file there with one link.
 */
static void watch_first_link_again(struct name_change *nc)
{
	if (watch_first_link(nc))
		childattr_note_unknown(nc->c->server->state, &nc->child);
}

/*
 * And any that has several where it has come to. True: only from now on, so
 * what was read of it may be old.
 */
static bool watch_new_link(struct name_change *nc, const struct attr *attr)
{
	struct nfs_server *server = nc->c->server;

	if (attr->nlink < 2 || attr->type == OBJECT_DIR ||
		!local_tells_children(server))
		return false;
	return local_note_linked(server, nc->dir[dirs_of(nc) - 1], &nc->child);
}

/* Of what was made, linked or moved. */
static const struct change_entry *new_entry(const struct name_change *nc)
{
	return &nc->change[dirs_of(nc) - 1].entry;
}

/* Others were faster than us: it was not what the dry check found. */
static bool is_another(const struct name_change *nc)
{
	const struct fileid *moved = &new_entry(nc)->child;

	return nc->child.len && moved->len && !fileid_equal(moved, &nc->child);
}

static void tell_attrs(
	struct name_change *nc, struct dirchange *dc, const struct attr *attr)
{
	for (int i = 0; i < dirs_of(nc); i++) {
		struct dir_change *change = &nc->change[i];

		if (change->kind == CHANGE_REMOVE_ENTRY ||
			!dirchange_wants_attrs(dc, i))
			continue;
		change->entry.has_attr = true;
		change->entry.attr = *attr;
	}
}

/* The child cannot be read: because others removed it at once? */
static void tell_gone(struct name_change *nc)
{
	struct attr attr;
	bool gone = nc->c->fh.export->local_changes && nc->child.len &&
		store_getattr(nc->store, &nc->child, &attr) == -ESTALE;

	for (int i = 0; i < dirs_of(nc); i++)
		nc->change[i].entry.is_gone = gone;
}

/* Only what was removed has none: the event is of the child else. */
static void tell_type(struct name_change *nc, enum object_type type)
{
	for (int i = 0; i < dirs_of(nc); i++) {
		if (nc->change[i].kind != CHANGE_REMOVE_ENTRY)
			nc->change[i].entry.type = type;
	}
}

static bool attrs_are_wanted(const struct name_change *nc, struct dirchange *dc)
{
	return dirchange_wants_attrs(dc, 0) ||
		(nc->dir[1] && dirchange_wants_attrs(dc, 1));
}

static void children_end(struct name_change *nc, struct children *ch,
	struct dirchange *dc, bool changed)
{
	struct attr attr;
	bool known = false;

	if (ch->has_victim)
		attrs_change_end(&ch->victim, changed, NULL);
	if (ch->has_child)
		known = attrs_change_end(&ch->child, changed, &attr);
	if (changed)
		watch_first_link_again(nc);
	if (changed && is_another(nc)) {
		nc->child = new_entry(nc)->child;
		known = read_new_child(nc, &attr);
	} else if (changed && !ch->has_child && attrs_are_wanted(nc, dc)) {
		known = read_new_child(nc, &attr);
	}
	if (known && watch_new_link(nc, &attr))
		known = read_new_child(nc, &attr);
	if (known)
		tell_attrs(nc, dc, &attr);
	else if (changed && attrs_are_wanted(nc, dc))
		tell_gone(nc);
	tell_type(nc, known ? attr.type : nc->child_type);
}

/* What came of the directories: their own attributes ride with the event. */
static void tell_dirs(struct name_change *nc, struct dirchange *dc,
	const struct attr after[2])
{
	for (int i = 0; i < dirs_of(nc); i++) {
		if (!dirchange_wants_dir_attrs(dc, i))
			continue;
		nc->change[i].has_dir_attr = true;
		nc->change[i].dir_attr = after[i];
	}
}

/* The directories are children themselves, and changed with their entries. */
static void tell_parents(struct name_change *nc, const struct attr before[2],
	const struct attr *after)
{
	struct compound *c = nc->c;

	for (int i = 0; i < dirs_of(nc); i++) {
		struct childattr_change change = {
			.id = nc->dir[i],
			.changed = fattr4_child_notifiable(),
			.who = c->client,
			.via = c->fh.export->id,
		};

		if (!childattr_is_watched(c->server->state, nc->dir[i]))
			continue;
		if (after)
			change.changed = attrs_changed(&before[i], &after[i]);
		childattr_note(c->server->state, &change);
	}
}

static void commit(struct name_change *nc, struct dirchange *dc,
	const struct attr before[2])
{
	struct dir_change *changes[2] = {
		&nc->change[0], nc->dir[1] ? &nc->change[1] : NULL};
	/* On failure the old ctimes: values move all the same. */
	int64_t ctime_ns[2] = {before[0].ctime_ns, before[1].ctime_ns};
	struct attr after[2];
	bool known;

	settle_victim(nc, true);
	known = read_dirs(nc, after) == NFS4_OK;
	if (known) {
		tell_dirs(nc, dc, after);
		for (int i = 0; i < dirs_of(nc); i++)
			ctime_ns[i] = after[i].ctime_ns;
	}
	dirchange_commit(dc, changes, ctime_ns);
	tell_parents(nc, before, known ? after : NULL);
}

/* What the store is told of each change before it makes it. */
static void prepare_changes(struct name_change *nc, const struct dirchange *dc)
{
	static const struct fileid none = {.len = 0};

	for (int i = 0; i < dirs_of(nc); i++) {
		nc->change[i].no_position = !dirchange_is_told(dc, i);
		nc->change[i].victim = nc->has_victim ? &nc->victim : &none;
	}
}

/* Inside the section and admitted: change it, or say why not. */
static nfsstat4 apply_inside(struct name_change *nc, struct dirchange *dc,
	const struct attr before[2])
{
	struct children children;
	nfsstat4 status = pin_victim(nc, dc);
	bool changed;

	if (status != NFS4_OK) {
		dirchange_abort(dc);
		return status;
	}
	prepare_changes(nc, dc);
	watch_first_link(nc);
	children_begin(nc, &children, dc);
	status = errmap_status(nc->apply(nc));
	changed = status == NFS4_OK && !nc->nothing;
	children_end(nc, &children, dc, changed);
	if (changed) {
		commit(nc, dc, before);
		return NFS4_OK;
	}
	settle_victim(nc, false);
	dirchange_abort(dc);
	return status;
}

/* From before the directories are looked at until the change is told. */
static void watch_dirs(struct name_change *nc)
{
	for (int i = 0; i < dirs_of(nc); i++)
		nc->exact[i] = local_begin_change(nc->c->fh.export, nc->dir[i]);
}

static void unwatch_dirs(struct name_change *nc)
{
	for (int i = 0; i < dirs_of(nc); i++) {
		if (nc->exact[i])
			local_end_change(nc->c->fh.export, nc->dir[i]);
	}
}

/* The dry check, then whether the other holders allow it. */
static nfsstat4 admit(struct name_change *nc, struct dirchange *dc,
	struct attr before[2], bool *recalling)
{
	struct dirchange_plan plan = {.victim = NULL};
	nfsstat4 status = nc->check(nc, &plan);

	if (status != NFS4_OK || nc->nothing)
		return status;
	status = read_dirs(nc, before);
	if (status != NFS4_OK)
		return status;
	plan.victim = nc->has_victim ? &nc->victim : NULL;
	plan.victim_is_dir = nc->victim_is_dir;
	for (int i = 0; i < dirs_of(nc); i++) {
		plan.exact[i] = nc->exact[i];
		plan.ctime_ns[i] = before[i].ctime_ns;
	}
	status = dirchange_admit(dc, &plan);
	*recalling = status == NFS4ERR_DELAY;
	return status;
}

static nfsstat4 attempt(
	struct name_change *nc, struct dirchange *dc, bool *recalling)
{
	struct attr before[2] = {0};
	nfsstat4 status;

	*recalling = false;
	nc->has_victim = false;
	status = dirchange_begin(dc, nc->c->server->state, nc->c->client,
		nc->dir[0], nc->dir[1]);
	if (status != NFS4_OK)
		return status;
	watch_dirs(nc);
	status = admit(nc, dc, before, recalling);
	if (status == NFS4_OK && !nc->nothing)
		status = apply_inside(nc, dc, before);
	else
		dirchange_abort(dc);
	unwatch_dirs(nc);
	return status;
}

/* Outside every lock; a reply says "done" only for what is on disk. */
static nfsstat4 make_durable(const struct name_change *nc)
{
	int err = 0;

	if (nc->dir[1])
		err = store_sync_entry(nc->store, nc->dir[1],
			nc->child.len ? &nc->child : NULL);
	if (err == 0)
		err = store_sync_entry(nc->store, nc->dir[0],
			!nc->dir[1] && nc->child.len ? &nc->child : NULL);
	return errmap_status_changed(err);
}

static void fill_info(struct name_change *nc)
{
	for (int i = 0; i < dirs_of(nc); i++) {
		nc->info[i].atomic = nc->exact[i];
		nc->info[i].before = nc->change[i].before;
		nc->info[i].after = nc->change[i].after;
		compound_note_seen(nc->c, nc->dir[i], nc->info[i].after);
	}
}

/* Nothing moved: before and after are what the directories have now. */
static nfsstat4 fill_info_unchanged(struct name_change *nc)
{
	for (int i = 0; i < dirs_of(nc); i++) {
		struct attr attr;
		nfsstat4 status = attrs_read(
			nc->c->server, nc->c->fh.export, nc->dir[i], &attr);

		if (status != NFS4_OK)
			return status;
		nc->info[i].atomic = nc->exact[i];
		nc->info[i].before = attr.change;
		nc->info[i].after = attr.change;
	}
	return NFS4_OK;
}

nfsstat4 change_run(struct name_change *nc)
{
	struct dirchange dc = {.via = nc->c->fh.export->id};
	bool recalling;
	nfsstat4 status;

	do {
		status = attempt(nc, &dc, &recalling);
	} while (recalling && dirchange_wait(&dc));
	if (status != NFS4_OK)
		return status;
	if (nc->nothing)
		return fill_info_unchanged(nc);
	if (nc->moves && new_entry(nc)->type == OBJECT_DIR)
		dirattr_tell_moved(nc->c, &nc->child);
	fill_info(nc);
	return make_durable(nc);
}
