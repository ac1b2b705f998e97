/* SPDX-License-Identifier: MIT */
/* Attributes and what one may do: GETATTR, SETATTR, (N)VERIFY, ACCESS. */
#include "nfs/ops.h"

#include "nfs/attrs.h"
#include "nfs/dirattr.h"
#include "nfs/errmap.h"
#include "nfs/stateid_arg.h"
#include "state/policy_dirdeleg.h"
#include "store/store.h"

/* Straight into the reply: all attributes of CURRENT_FH that are asked for. */
nfsstat4 op_getattr(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct attr attr;
	nfsstat4 status = attrs_read(c->server, c->fh.export, &c->fh.id, &attr);

	if (status != NFS4_OK)
		return status;
	if (attr.type == OBJECT_DIR &&
		bitmap4_has(&arg->opgetattr.attr_request, FATTR4_CHANGE))
		compound_note_seen(c, &c->fh.id, attr.change);
	return attrs_encode(
		c, &c->fh, &attr, &arg->opgetattr.attr_request, &c->call->out);
}

/* ---- SETATTR (18.30) ---- */

struct setattr_job {
	struct dirattr_change dac;
	struct compound *c;
	struct setattr set;
	int io;
};

static int setattr_apply(struct setattr_job *job)
{
	struct compound *c = job->c;

	return store_setattr(
		c->fh.export->store, &c->cred, &c->fh.id, job->io, &job->set);
}

static nfsstat4 setattr_object(struct setattr_job *job)
{
	struct compound *c = job->c;
	struct attrs_change change;
	int err;

	attrs_change_begin(&change, c, &c->fh.id);
	err = setattr_apply(job);
	attrs_change_end(&change, attrs_may_have_changed(err), NULL);
	return errmap_status(err);
}

/* Who may not do it disturbs nobody. */
static nfsstat4 setattr_dir_check(struct dirattr_change *dac)
{
	struct setattr_job *job = container_of(dac, struct setattr_job, dac);
	struct compound *c = job->c;

	return errmap_status(store_check_setattr(
		c->fh.export->store, &c->cred, &c->fh.id, job->io, &job->set));
}

static int setattr_dir_apply(struct dirattr_change *dac)
{
	return setattr_apply(container_of(dac, struct setattr_job, dac));
}

static nfsstat4 setattr_directory(struct setattr_job *job)
{
	job->dac = (struct dirattr_change){
		.c = job->c,
		.check = setattr_dir_check,
		.apply = setattr_dir_apply,
		.lenient = !dirdeleg_setattr_recalls(job->set.mask),
		.permits = dirdeleg_setattr_permits(job->set.mask),
	};
	return dirattr_run(&job->dac);
}

nfsstat4 op_setattr(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const SETATTR4args *args = &arg->opsetattr;
	struct setattr_job job = {.c = c, .io = STORE_IO_CHECK};
	struct attr attr;
	bitmap4 given;
	nfsstat4 status = attrs_decode_settable(
		&args->obj_attributes, FATTR4_SETATTR, &job.set, &given);

	if (status != NFS4_OK)
		return status;
	if (job.set.mask & SETATTR_SIZE)
		status = stateid_for_io(
			c, &args->stateid, OPEN4_SHARE_ACCESS_WRITE, &job.io);
	if (status == NFS4_OK)
		status = errmap_status(
			store_getattr(c->fh.export->store, &c->fh.id, &attr));
	if (status != NFS4_OK)
		return status;
	/* A symlink has no mode of its own to change: nothing to refuse. */
	if (attr.type == OBJECT_SYMLINK)
		job.set.mask &= ~(SETATTR_MODE | SETATTR_MODE_MASKED);
	if (attr.type == OBJECT_DIR)
		status = setattr_directory(&job);
	else
		status = setattr_object(&job);
	if (status == NFS4_OK)
		res->opsetattr.attrsset = given;
	return status;
}

/* ---- VERIFY and NVERIFY (18.31, 18.15) ---- */

static nfsstat4 compare(struct compound *c, const fattr4 *given)
{
	struct attr attr;
	nfsstat4 status = attrs_read(c->server, c->fh.export, &c->fh.id, &attr);

	return status == NFS4_OK ? attrs_compare(c, &attr, given) : status;
}

nfsstat4 op_verify(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	nfsstat4 status = compare(c, &arg->opverify.obj_attributes);

	return status == NFS4ERR_SAME ? NFS4_OK : status;
}

nfsstat4 op_nverify(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	nfsstat4 status = compare(c, &arg->opnverify.obj_attributes);

	return status == NFS4ERR_NOT_SAME ? NFS4_OK : status;
}

/* ---- ACCESS (18.1) ---- */

#define ACCESS_FILE \
	(ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_EXECUTE)
#define ACCESS_DIR                                                         \
	(ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | \
		ACCESS4_DELETE)
#define ACCESS_XATTR (ACCESS4_XAREAD | ACCESS4_XAWRITE | ACCESS4_XALIST)

static uint32_t supported_access(
	const struct compound *c, enum object_type type)
{
	uint32_t bits = type == OBJECT_DIR ? ACCESS_DIR : ACCESS_FILE;

	return c->minor >= 2 ? bits | ACCESS_XATTR : bits;
}

/* Which ACCESS4 bits each right of the store grants. */
static uint32_t access_bits(uint32_t granted, bool dir, bool read_only)
{
	uint32_t bits = 0;

	if (granted & STORE_MAY_READ)
		bits |= ACCESS4_READ | ACCESS4_XAREAD | ACCESS4_XALIST;
	if (granted & STORE_MAY_EXECUTE)
		bits |= dir ? ACCESS4_LOOKUP : ACCESS4_EXECUTE;
	if ((granted & STORE_MAY_WRITE) && !read_only)
		bits |= ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE |
			ACCESS4_XAWRITE;
	return bits;
}

nfsstat4 op_access(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct store *store = c->fh.export->store;
	struct attr attr;
	uint32_t granted, supported;
	nfsstat4 status = errmap_status(store_getattr(store, &c->fh.id, &attr));

	if (status == NFS4_OK)
		status = errmap_status(store_access(store, &c->cred, &c->fh.id,
			STORE_MAY_READ | STORE_MAY_WRITE | STORE_MAY_EXECUTE,
			&granted));
	if (status != NFS4_OK)
		return status;
	supported = arg->opaccess.access & supported_access(c, attr.type);
	res->opaccess.resok4.supported = supported;
	res->opaccess.resok4.access = supported &
		access_bits(granted, attr.type == OBJECT_DIR,
			c->fh.export->read_only);
	return NFS4_OK;
}

nfsstat4 op_readlink(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const size_t size = 4096;
	char *text = arena_alloc(c->arena, size);
	size_t len;
	nfsstat4 status;

	if (!text)
		return NFS4ERR_DELAY;
	status = errmap_status(store_readlink(
		c->fh.export->store, &c->cred, &c->fh.id, text, size, &len));
	if (status != NFS4_OK) /* 18.24.3: INVAL, or WRONG_TYPE in 4.1 */
		return status == NFS4ERR_INVAL ? NFS4ERR_WRONG_TYPE : status;
	res->opreadlink.resok4.link = xdr_opaque_from(text, len);
	return NFS4_OK;
}
