/* SPDX-License-Identifier: MIT */
/* Filehandles: who is current, who is saved, and steps between them. */
#include "nfs/ops.h"

#include "nfs/errmap.h"
#include "state/deleg.h"
#include "store/store.h"

/* Is it there? The permit is that of its own export, not of CURRENT_FH's. */
static nfsstat4 look_for(struct compound *c, const struct fh *fh)
{
	nfsstat4 status;

	if (!compound_take_permit(c, fh->export))
		return NFS4ERR_DELAY;
	status = errmap_status(store_probe(fh->export->store, &fh->id));
	compound_give_permit(c, fh->export);
	if (status == NFS4ERR_STALE)
		deleg_forget(c->client, &fh->id);
	return status;
}

nfsstat4 op_putfh(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct fh fh;
	nfsstat4 status = fh_decode(c->server, &arg->opputfh.object, &fh);

	if (status == NFS4_OK && !compound_next_is_by_state(c))
		status = look_for(c, &fh);
	if (status != NFS4_OK)
		return status;
	compound_set_fh(c, fh.export, &fh.id);
	return NFS4_OK;
}

/* The public filehandle is the root (RFC 8881 4.1.2 lets it be). */
nfsstat4 op_putrootfh(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct export *export = exports_root(&c->server->exports);

	compound_set_fh(c, export, &export->root);
	return NFS4_OK;
}

nfsstat4 op_getfh(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	uint8_t *buf = arena_alloc(c->arena, NFS4_FHSIZE);
	GETFH4resok *ok = &res->opgetfh.resok4;

	if (!buf)
		return NFS4ERR_DELAY;
	ok->object.data = buf;
	ok->object.len = fh_encode(c->server, c->fh.export, &c->fh.id, buf);
	return NFS4_OK;
}

nfsstat4 op_savefh(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	c->saved = c->fh;
	c->saved_sid = c->sid;
	return NFS4_OK;
}

nfsstat4 op_restorefh(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	compound_set_fh(c, c->saved.export, &c->saved.id);
	c->sid = c->saved_sid;
	return NFS4_OK;
}

/* A symlink to look into is SYMLINK, not NOTDIR (RFC 8881 18.13.4). */
nfsstat4 fh_not_a_directory(struct compound *c, nfsstat4 status)
{
	struct attr attr;

	if (status != NFS4ERR_NOTDIR)
		return status;
	if (store_getattr(c->fh.export->store, &c->fh.id, &attr) == 0 &&
		attr.type == OBJECT_SYMLINK)
		return NFS4ERR_SYMLINK;
	return status;
}

/* The entry of CURRENT_FH that a LOOKUP or SECINFO names. */
static nfsstat4 find_child(
	struct compound *c, const component4 *wire, struct fh *ret)
{
	struct name name;
	nfsstat4 status = compound_name(wire, &name);

	if (status != NFS4_OK)
		return status;
	ret->export = c->fh.export;
	status = errmap_status(store_lookup(
		c->fh.export->store, &c->cred, &c->fh.id, name, &ret->id));
	if (status != NFS4_OK)
		return fh_not_a_directory(c, status);
	exports_cross(&c->server->exports, &ret->export, &ret->id);
	return NFS4_OK;
}

/* The directory above CURRENT_FH; from an export's root a pseudo directory. */
static nfsstat4 find_parent(struct compound *c, struct fh *ret)
{
	nfsstat4 status;

	*ret = c->fh;
	if (exports_climb(&c->server->exports, &ret->export, &ret->id))
		return NFS4_OK;
	status = errmap_status(store_lookup_parent(
		c->fh.export->store, &c->cred, &c->fh.id, &ret->id));
	return fh_not_a_directory(c, status);
}

nfsstat4 op_lookup(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct fh child;
	nfsstat4 status = find_child(c, &arg->oplookup.objname, &child);

	if (status == NFS4_OK)
		compound_set_fh(c, child.export, &child.id);
	return status;
}

nfsstat4 op_lookupp(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct fh parent;
	nfsstat4 status = find_parent(c, &parent);

	if (status == NFS4_OK)
		compound_set_fh(c, parent.export, &parent.id);
	return status;
}

/* What the export accepts: AUTH_SYS, for every name alike (SV-12). */
static nfsstat4 answer_secinfo(struct compound *c, SECINFO4res *res)
{
	secinfo4 *info = arena_array(c->arena, 1, sizeof(*info));

	if (!info)
		return NFS4ERR_DELAY;
	info->flavor = AUTH_SYS;
	res->resok4.count = 1;
	res->resok4.items = info;
	c->fh.export = NULL; /* both operations consume it (18.29.3) */
	return NFS4_OK;
}

nfsstat4 op_secinfo(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct fh child;
	nfsstat4 status = find_child(c, &arg->opsecinfo.name, &child);

	return status == NFS4_OK ? answer_secinfo(c, &res->opsecinfo) : status;
}

nfsstat4 op_secinfo_no_name(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct fh parent;
	nfsstat4 status = NFS4_OK;

	if (arg->opsecinfo_no_name == SECINFO_STYLE4_PARENT)
		status = find_parent(c, &parent);
	if (status != NFS4_OK)
		return status;
	return answer_secinfo(c, &res->opsecinfo_no_name);
}
