/* SPDX-License-Identifier: MIT */
/* READ, WRITE, COMMIT (RFC 8881 18.22, 18.32, 18.3). */
#include "nfs/ops.h"

#include <string.h>

#include "nfs/attrs.h"
#include "nfs/errmap.h"
#include "nfs/stateid_arg.h"
#include "store/store.h"

/* I/O on what is no regular file: ISDIR, or as 18.22.3 has it. */
static nfsstat4 check_is_file(struct compound *c)
{
	struct attr attr;
	nfsstat4 status = errmap_status(
		store_getattr(c->fh.export->store, &c->fh.id, &attr));

	if (status != NFS4_OK)
		return status;
	switch (attr.type) {
	case OBJECT_FILE:
		return NFS4_OK;
	case OBJECT_DIR:
		return NFS4ERR_ISDIR;
	case OBJECT_SYMLINK:
		return NFS4ERR_SYMLINK;
	default:
		return NFS4ERR_WRONG_TYPE;
	}
}

/* Straight into the reply: `eof`, a length to patch, the bytes. */
nfsstat4 op_read(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const READ4args *args = &arg->opread;
	struct xdr *out = &c->call->out;
	size_t eof_at = xdr_reserve(out, 4);
	size_t len_at = xdr_reserve(out, 4);
	size_t want = args->count, done;
	bool eof;
	int io;
	nfsstat4 status =
		stateid_for_io(c, &args->stateid, OPEN4_SHARE_ACCESS_READ, &io);

	if (status == NFS4_OK)
		status = check_is_file(c);
	if (status != NFS4_OK || out->bad)
		return status;
	if (want > NFS_IO_MAX)
		want = NFS_IO_MAX;
	if (want > (xdr_left(out) & ~(size_t)3))
		want = xdr_left(out) & ~(size_t)3;
	status = errmap_status(store_read(c->fh.export->store, &c->cred,
		&c->fh.id, io, args->offset, out->data + xdr_pos(out), want,
		&done, &eof));
	if (status != NFS4_OK)
		return status;
	xdr_put_room(out, done);
	xdr_patch_u32(out, eof_at, eof);
	xdr_patch_u32(out, len_at, done);
	return NFS4_OK;
}

static void put_verifier(struct compound *c, verifier4 ret)
{
	uint64_t verifier = store_write_verifier(c->fh.export->store);

	memcpy(ret, &verifier, sizeof(verifier));
}

nfsstat4 op_write(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const WRITE4args *args = &arg->opwrite;
	WRITE4resok *ok = &res->opwrite.resok4;
	enum store_stability stability = (enum store_stability)args->stable;
	struct attrs_change change;
	size_t done = 0;
	int io, err;
	nfsstat4 status = stateid_for_io(
		c, &args->stateid, OPEN4_SHARE_ACCESS_WRITE, &io);

	if (status == NFS4_OK)
		status = check_is_file(c);
	if (status != NFS4_OK)
		return status;
	/* The verifier from before: if it changes meanwhile, one resend. */
	put_verifier(c, ok->writeverf);
	attrs_change_begin(&change, c, &c->fh.id);
	err = store_write(c->fh.export->store, &c->cred, &c->fh.id, io,
		args->offset, args->data.data, args->data.len, &stability,
		&done);
	attrs_change_end(&change, attrs_may_have_changed(err), NULL);
	if (err < 0)
		return errmap_status(err);
	ok->count = done;
	ok->committed = (stable_how4)stability;
	return NFS4_OK;
}

nfsstat4 op_commit(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const COMMIT4args *args = &arg->opcommit;
	nfsstat4 status = check_is_file(c);

	if (status == NFS4_OK)
		status = errmap_status(store_commit(c->fh.export->store,
			&c->fh.id, args->offset, args->count));
	if (status != NFS4_OK)
		return status;
	put_verifier(c, res->opcommit.resok4.writeverf);
	return NFS4_OK;
}
