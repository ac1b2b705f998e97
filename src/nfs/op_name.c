/* SPDX-License-Identifier: MIT */
/* CREATE, LINK, REMOVE, RENAME: operations that change directory entries. */
#include "nfs/ops.h"

#include "nfs/attrs.h"
#include "nfs/change.h"
#include "nfs/errmap.h"
#include "state/changeattr.h"
#include "store/store.h"

/* ---- CREATE (18.4): everything but regular files ---- */

struct create_change {
	struct name_change nc;
	struct name name;
	struct store_new new;
};

static nfsstat4 create_check(
	struct name_change *nc, struct dirchange_plan *plan)
{
	struct create_change *cc = container_of(nc, struct create_change, nc);

	plan->kind[0] = CHANGE_ADD_ENTRY;
	return errmap_status(store_check_create(
		nc->store, &nc->c->cred, nc->dir[0], cc->name, cc->new.type));
}

static int create_apply(struct name_change *nc)
{
	struct create_change *cc = container_of(nc, struct create_change, nc);

	return store_create(nc->store, &nc->c->cred, nc->dir[0], cc->name,
		&cc->new, &nc->child, &nc->change[0]);
}

#define LINK_TEXT_MAX 4095

static nfsstat4 decode_link_text(
	const struct xdr_opaque *text, struct store_new *new)
{
	if (text->len == 0)
		return NFS4ERR_INVAL;
	if (text->len > LINK_TEXT_MAX)
		return NFS4ERR_NAMETOOLONG;
	if (memchr(text->data, '\0', text->len))
		return NFS4ERR_INVAL;
	new->link_text = (struct name){
		.len = text->len, .data = (const char *)text->data};
	return NFS4_OK;
}

static nfsstat4 decode_type(const createtype4 *type, struct store_new *new)
{
	switch (type->type) {
	case NF4LNK:
		new->type = OBJECT_SYMLINK;
		return decode_link_text(&type->linkdata, new);
	case NF4BLK:
	case NF4CHR:
		new->rdev_major = type->devdata.specdata1;
		new->rdev_minor = type->devdata.specdata2;
		/* fall through */
	case NF4DIR:
	case NF4SOCK:
	case NF4FIFO:
		new->type = (enum object_type)type->type;
		return NFS4_OK;
	default:
		return NFS4ERR_BADTYPE; /* files come from OPEN */
	}
}

nfsstat4 op_create(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const CREATE4args *args = &arg->opcreate;
	struct fileid dir = c->fh.id;
	struct create_change cc = {
		.nc = {.c = c,
			.store = c->fh.export->store,
			.dir = {&dir},
			.check = create_check,
			.apply = create_apply},
	};
	nfsstat4 status = compound_name(&args->objname, &cc.name);

	if (status == NFS4_OK)
		status = decode_type(&args->objtype, &cc.new);
	if (status == NFS4_OK)
		status =
			attrs_decode_settable(&args->createattrs, FATTR4_CREATE,
				&cc.new.attr, &res->opcreate.resok4.attrset);
	cc.nc.child_type = cc.new.type;
	if (status == NFS4_OK)
		status = change_run(&cc.nc);
	if (status != NFS4_OK)
		return fh_not_a_directory(c, status);
	res->opcreate.resok4.cinfo = cc.nc.info[0];
	compound_set_fh(c, c->fh.export, &cc.nc.child);
	return NFS4_OK;
}

/* ---- LINK (18.9): SAVED_FH is the file, CURRENT_FH the directory ---- */

struct link_change {
	struct name_change nc;
	struct name name;
	struct fileid id;
};

static nfsstat4 link_check(struct name_change *nc, struct dirchange_plan *plan)
{
	struct link_change *lc = container_of(nc, struct link_change, nc);

	plan->kind[0] = CHANGE_ADD_ENTRY;
	return errmap_status(store_check_link(
		nc->store, &nc->c->cred, &lc->id, nc->dir[0], lc->name));
}

static int link_apply(struct name_change *nc)
{
	struct link_change *lc = container_of(nc, struct link_change, nc);

	return store_link(nc->store, &nc->c->cred, &lc->id, nc->dir[0],
		lc->name, &nc->change[0]);
}

nfsstat4 op_link(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct link_change lc = {
		.nc = {.c = c,
			.store = c->fh.export->store,
			.dir = {&c->fh.id},
			.child = c->saved.id,
			.adds_link = true,
			.check = link_check,
			.apply = link_apply},
		.id = c->saved.id,
	};
	nfsstat4 status = compound_name(&arg->oplink.newname, &lc.name);

	if (status == NFS4_OK && c->saved.export != c->fh.export)
		status = NFS4ERR_XDEV;
	if (status == NFS4_OK)
		status = change_run(&lc.nc);
	if (status != NFS4_OK)
		return fh_not_a_directory(c, status);
	res->oplink.resok4.cinfo = lc.nc.info[0];
	return NFS4_OK;
}

/* ---- REMOVE (18.25) ---- */

struct remove_change {
	struct name_change nc;
	struct name name;
};

static nfsstat4 remove_check(
	struct name_change *nc, struct dirchange_plan *plan)
{
	struct remove_change *rc = container_of(nc, struct remove_change, nc);
	struct attr attr;
	int err = store_check_remove(nc->store, &nc->c->cred, nc->dir[0],
		rc->name, &nc->victim, &attr);

	if (err < 0)
		return errmap_status(err);
	plan->kind[0] = CHANGE_REMOVE_ENTRY;
	nc->has_victim = true;
	nc->victim_is_dir = attr.type == OBJECT_DIR;
	nc->victim_last_link = attr.nlink == 1;
	return NFS4_OK;
}

static int remove_apply(struct name_change *nc)
{
	struct remove_change *rc = container_of(nc, struct remove_change, nc);

	return store_remove(
		nc->store, &nc->c->cred, nc->dir[0], rc->name, &nc->change[0]);
}

nfsstat4 op_remove(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct remove_change rc = {
		.nc = {.c = c,
			.store = c->fh.export->store,
			.dir = {&c->fh.id},
			.check = remove_check,
			.apply = remove_apply},
	};
	nfsstat4 status = compound_name(&arg->opremove.target, &rc.name);

	if (status == NFS4_OK)
		status = change_run(&rc.nc);
	if (status != NFS4_OK)
		return fh_not_a_directory(c, status);
	res->opremove.resok4.cinfo = rc.nc.info[0];
	return NFS4_OK;
}

/* ---- RENAME (18.26): SAVED_FH is the source, CURRENT_FH the target ---- */

struct rename_change {
	struct name_change nc;
	struct name from, to;
	const struct fileid *from_dir, *to_dir;
};

static nfsstat4 rename_check(
	struct name_change *nc, struct dirchange_plan *plan)
{
	struct rename_change *rc = container_of(nc, struct rename_change, nc);
	struct store_rename_plan found;
	int err = store_check_rename(nc->store, &nc->c->cred, rc->from_dir,
		rc->from, rc->to_dir, rc->to, &found);

	if (err < 0)
		return errmap_status(err);
	plan->kind[0] = nc->dir[1] ? CHANGE_REMOVE_ENTRY : CHANGE_RENAME_ENTRY;
	plan->kind[1] = CHANGE_ADD_ENTRY;
	nc->nothing = found.has_victim && found.same_object;
	nc->has_victim = found.has_victim && !found.same_object;
	nc->victim = found.victim;
	nc->victim_is_dir = found.victim_type == OBJECT_DIR;
	nc->victim_last_link = found.victim_last_link;
	nc->child = found.source;
	nc->child_type = found.source_type;
	return NFS4_OK;
}

static int rename_apply(struct name_change *nc)
{
	struct rename_change *rc = container_of(nc, struct rename_change, nc);

	return store_rename(nc->store, &nc->c->cred, rc->from_dir, rc->from,
		rc->to_dir, rc->to, &nc->change[0], &nc->change[1],
		&nc->nothing);
}

nfsstat4 op_rename(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const RENAME4args *args = &arg->oprename;
	bool same_dir = fileid_equal(&c->saved.id, &c->fh.id);
	struct rename_change rc = {
		.nc = {.c = c,
			.store = c->fh.export->store,
			.dir = {&c->saved.id, same_dir ? NULL : &c->fh.id},
			.moves = true,
			.check = rename_check,
			.apply = rename_apply},
		.from_dir = &c->saved.id,
		.to_dir = &c->fh.id,
	};
	nfsstat4 status = compound_name(&args->oldname, &rc.from);

	if (status == NFS4_OK)
		status = compound_name(&args->newname, &rc.to);
	if (status == NFS4_OK && c->saved.export != c->fh.export)
		status = NFS4ERR_XDEV;
	if (status == NFS4_OK)
		status = change_run(&rc.nc);
	if (status != NFS4_OK)
		return status;
	res->oprename.resok4.source_cinfo = rc.nc.info[0];
	res->oprename.resok4.target_cinfo = rc.nc.info[same_dir ? 0 : 1];
	return NFS4_OK;
}
