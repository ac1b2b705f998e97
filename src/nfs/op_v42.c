/* SPDX-License-Identifier: MIT */
/* The small NFSv4.2 operations on file space (RFC 7862 15.1, 15.4, 15.11). */
#include "nfs/ops.h"

#include "nfs/attrs.h"
#include "nfs/errmap.h"
#include "nfs/stateid_arg.h"
#include "store/store.h"

nfsstat4 op_seek(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const SEEK4args *args = &arg->opseek;
	seek_res4 *ok = &res->opseek.resok4;
	int io;
	nfsstat4 status = stateid_for_io(
		c, &args->sa_stateid, OPEN4_SHARE_ACCESS_READ, &io);

	if (status != NFS4_OK)
		return status;
	if (args->sa_what != NFS4_CONTENT_DATA &&
		args->sa_what != NFS4_CONTENT_HOLE)
		return NFS4ERR_UNION_NOTSUPP;
	return errmap_status(
		store_seek(c->fh.export->store, &c->cred, &c->fh.id, io,
			args->sa_offset, args->sa_what == NFS4_CONTENT_HOLE,
			&ok->sr_offset, &ok->sr_eof));
}

typedef int (*space_call)(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);

static nfsstat4 change_space(struct compound *c, const stateid4 *stateid,
	uint64_t offset, uint64_t len, space_call call)
{
	struct attrs_change change;
	int io, err;
	nfsstat4 status =
		stateid_for_io(c, stateid, OPEN4_SHARE_ACCESS_WRITE, &io);

	if (status != NFS4_OK)
		return status;
	if (len == 0 || offset + len < offset)
		return NFS4ERR_INVAL;
	attrs_change_begin(&change, c, &c->fh.id);
	err = call(c->fh.export->store, &c->cred, &c->fh.id, io, offset, len);
	attrs_change_end(&change, attrs_may_have_changed(err), NULL);
	return errmap_status(err);
}

nfsstat4 op_allocate(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const ALLOCATE4args *args = &arg->opallocate;

	return change_space(c, &args->aa_stateid, args->aa_offset,
		args->aa_length, store_allocate);
}

nfsstat4 op_deallocate(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const DEALLOCATE4args *args = &arg->opdeallocate;

	return change_space(c, &args->da_stateid, args->da_offset,
		args->da_length, store_deallocate);
}
