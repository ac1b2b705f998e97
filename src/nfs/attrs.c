/* SPDX-License-Identifier: MIT */
#include "nfs/attrs.h"

#include <errno.h>

#include "nfs/errmap.h"
#include "nfs/idname.h"
#include "nfs/local.h"
#include "state/changeattr.h"
#include "state/childattr.h"
#include "state/node.h"
#include "store/store.h"

nfsstat4 attrs_read(struct nfs_server *server, const struct export *export,
	const struct fileid *id, struct attr *ret)
{
	struct changeattr_mark mark = changeattr_mark(server->state, id);
	int err = store_getattr(export->store, id, ret);

	if (err < 0)
		return errmap_status(err);
	if (export->mounted_on && fileid_equal(id, &export->root))
		ret->mounted_on_inode = export->mounted_on;
	ret->change =
		changeattr_read_since(server->state, id, ret->ctime_ns, &mark);
	return NFS4_OK;
}

nfsstat4 attrs_fill_change_late(struct nfs_server *server,
	const struct export *export, const struct fileid *id, uint64_t clock_ns,
	struct attr *attr)
{
	struct changeattr_mark mark = changeattr_mark(server->state, id);

	if (mark.last != 0)
		return attrs_read(server, export, id, attr);
	mark.clock_ns = clock_ns;
	attr->change =
		changeattr_read_since(server->state, id, attr->ctime_ns, &mark);
	return NFS4_OK;
}

/* @change knows the compound and the object. */
static void begin(struct attrs_change *change, bool exact)
{
	struct compound *c = change->c;
	struct state *s = c->server->state;
	const struct fileid *id = change->id;

	change->node = node_get(s, id);
	if (change->node)
		changeattr_begin_node(change->node, exact);
	if (childattr_is_watched(s, id))
		change->has_before = store_getattr(c->fh.export->store, id,
					     &change->before) == 0;
}

void attrs_change_begin(struct attrs_change *change, struct compound *c,
	const struct fileid *id)
{
	*change = (struct attrs_change){.c = c, .id = id};
	begin(change, !c->fh.export->local_changes);
}

void attrs_change_begin_dir(struct attrs_change *change, struct compound *c,
	const struct fileid *id)
{
	*change = (struct attrs_change){.c = c, .id = id};
	change->watched = local_begin_change(c->fh.export, id);
	begin(change, change->watched);
}

/* Changed, and its ctime cannot be told any more: only the value can move. */
static void end_blind(struct attrs_change *change)
{
	if (change->node) {
		changeattr_abort_node(change->node);
		changeattr_touch(change->c->server->state, change->id);
	}
}

static uint64_t end_value(struct attrs_change *change, int64_t ctime_ns)
{
	if (change->node)
		return changeattr_end_node(change->node, ctime_ns);
	return changeattr_bump(change->c->server->state, change->id, ctime_ns);
}

/*
 * Of changes that overlap, one may undo the other so that neither sees a
 * difference, but somebody saw what was between: then all may have changed.
 */
static bitmap4 what_changed(
	const struct attrs_change *change, const struct attr *now, bool alone)
{
	if (!now || !change->has_before || !alone)
		return fattr4_child_notifiable();
	return attrs_changed(&change->before, now);
}

static void tell_holders(
	struct attrs_change *change, const struct attr *now, bool alone)
{
	struct compound *c = change->c;
	struct childattr_change note = {
		.id = change->id,
		.who = c->client,
		.via = c->fh.export->id,
		.in = change->in,
		.entry = change->entry,
	};

	if (!childattr_is_watched(c->server->state, change->id))
		return;
	note.changed = what_changed(change, now, alone);
	childattr_note(c->server->state, &note);
}

/* It was changed: true, and its attributes now, if they can be read. */
static bool end_changed(struct attrs_change *change, struct attr *now)
{
	struct store *store = change->c->fh.export->store;
	bool known = store_getattr(store, change->id, now) == 0;
	bool alone = change->node && !changeattr_is_mixed(change->node);

	if (known)
		now->change = end_value(change, now->ctime_ns);
	else
		end_blind(change);
	tell_holders(change, known ? now : NULL, alone);
	return known;
}

bool attrs_may_have_changed(int err)
{
	switch (-err) {
	case 0:
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ENOMEM:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case EINTR:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

bool attrs_change_end(
	struct attrs_change *change, bool changed, struct attr *ret)
{
	struct attr now;
	bool known = false;

	if (changed)
		known = end_changed(change, &now);
	else if (change->node)
		changeattr_abort_node(change->node);
	node_put(change->node);
	if (change->watched)
		local_end_change(change->c->fh.export, change->id);
	if (known && ret)
		*ret = now;
	return known;
}

static void set_if(bitmap4 *set, unsigned attr, bool differs)
{
	if (differs)
		bitmap4_set(set, attr);
}

bitmap4 attrs_changed(const struct attr *before, const struct attr *after)
{
	const struct attr *a = before, *b = after;
	bitmap4 set = {.beyond = false};

	bitmap4_set(&set, FATTR4_CHANGE);
	set_if(&set, FATTR4_SIZE, a->size != b->size);
	set_if(&set, FATTR4_MODE, a->mode != b->mode);
	set_if(&set, FATTR4_NUMLINKS, a->nlink != b->nlink);
	set_if(&set, FATTR4_OWNER, a->uid != b->uid);
	set_if(&set, FATTR4_OWNER_GROUP, a->gid != b->gid);
	set_if(&set, FATTR4_SPACE_USED, a->space_used != b->space_used);
	set_if(&set, FATTR4_TIME_ACCESS, a->atime_ns != b->atime_ns);
	set_if(&set, FATTR4_TIME_METADATA, a->ctime_ns != b->ctime_ns);
	set_if(&set, FATTR4_TIME_MODIFY, a->mtime_ns != b->mtime_ns);
	return set;
}

/* What is the same for every object of this server. */
static struct fattr4_server server_values(const struct nfs_server *server)
{
	const struct state_config *config = state_get_config(server->state);

	return (struct fattr4_server){
		.lease_s = config->lease_ms / 1000,
		.max_read = NFS_IO_MAX,
		.max_write = NFS_IO_MAX,
		.time_delta_ns = 1,
		.notifications = config->dir_delegations,
		.dir_notif_delay_ms = config->notify_window_ms,
		.dirent_notif_delay_ms = config->child_attr_min_delay_ms,
	};
}

/* A source and all it borrows. */
struct source {
	struct fattr4_server server;
	struct fsinfo fsinfo;
	uint8_t fh[NFS4_FHSIZE];
	struct fattr4_source src;
};

static nfsstat4 source_fill(struct source *s, struct compound *c,
	const struct fh *fh, const struct attr *attr, const bitmap4 *want)
{
	s->server = server_values(c->server);
	s->src = (struct fattr4_source){
		.server = &s->server,
		.minorversion = c->minor,
		.attr = attr,
		.fsinfo = &s->fsinfo,
	};
	if (bitmap4_has(want, FATTR4_FILEHANDLE))
		s->src.fh = xdr_opaque_from(s->fh,
			fh_encode(c->server, fh->export, &fh->id, s->fh));
	if (!fattr4_wants_fsinfo(want))
		return NFS4_OK;
	return errmap_status(
		store_statfs(fh->export->store, &fh->id, &s->fsinfo));
}

bool attrs_need_object(const bitmap4 *want)
{
	return bitmap4_has(want, FATTR4_CHANGE) ||
		bitmap4_has(want, FATTR4_FILEHANDLE) ||
		fattr4_wants_fsinfo(want);
}

nfsstat4 attrs_encode(struct compound *c, const struct fh *fh,
	const struct attr *attr, const bitmap4 *want, struct xdr *out)
{
	struct source source;
	nfsstat4 status = fattr4_check_readable(want);

	if (status == NFS4_OK)
		status = source_fill(&source, c, fh, attr, want);
	if (status == NFS4_OK)
		fattr4_encode(out, want, &source.src);
	return status;
}

nfsstat4 attrs_encode_error(nfsstat4 error, struct xdr *out)
{
	const struct fattr4_server none = {0};
	const struct fattr4_source src = {
		.server = &none,
		.rdattr_error = error,
	};
	bitmap4 want = {0};

	bitmap4_set(&want, FATTR4_RDATTR_ERROR);
	fattr4_encode(out, &want, &src);
	return NFS4_OK;
}

nfsstat4 attrs_compare(
	struct compound *c, const struct attr *attr, const fattr4 *given)
{
	struct source source;
	nfsstat4 status =
		source_fill(&source, c, &c->fh, attr, &given->attrmask);

	if (status != NFS4_OK)
		return status;
	return fattr4_compare(given, &source.src, c->arena);
}

nfsstat4 attrs_decode_settable(const fattr4 *wire, enum fattr4_use use,
	struct setattr *ret, bitmap4 *given)
{
	const struct fattr4_names names = {.find = idname_find};

	*given = wire->attrmask;
	return fattr4_decode_settable(wire, use, &names, ret);
}
