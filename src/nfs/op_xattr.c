/* SPDX-License-Identifier: MIT */
/* Extended attributes (RFC 8276). */
#include "nfs/ops.h"

#include <errno.h>
#include <string.h>

#include "nfs/attrs.h"
#include "nfs/dirattr.h"
#include "nfs/errmap.h"
#include "store/store.h"

/* What Linux allows one value and the list of names of one file. */
#define XATTR_VALUE_MAX (64 * 1024)
#define XATTR_NAME_MAX  250 /* 255 less "user." */
#define XATTR_LIST_MAX  (64 * 1024)

static nfsstat4 xattr_name(const struct xdr_opaque *wire, struct name *ret)
{
	if (wire->len == 0)
		return NFS4ERR_INVAL;
	if (wire->len > XATTR_NAME_MAX)
		return NFS4ERR_NAMETOOLONG;
	if (memchr(wire->data, '\0', wire->len))
		return NFS4ERR_INVAL;
	*ret = (struct name){
		.len = wire->len, .data = (const char *)wire->data};
	return NFS4_OK;
}

nfsstat4 op_getxattr(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct name name;
	size_t len = XATTR_VALUE_MAX;
	void *value = arena_alloc(c->arena, len);
	nfsstat4 status = xattr_name(&arg->opgetxattr.gxa_name, &name);

	if (!value)
		return NFS4ERR_DELAY;
	if (status == NFS4_OK)
		status = errmap_status(store_xattr_get(c->fh.export->store,
			&c->cred, &c->fh.id, name, value, &len));
	if (status != NFS4_OK)
		return status;
	res->opgetxattr.gxr_value = xdr_opaque_from(value, len);
	return NFS4_OK;
}

/* ---- changes ---- */

/* SETXATTR or REMOVEXATTR of CURRENT_FH. */
struct xattr_job {
	struct dirattr_change dac;
	struct compound *c;
	struct name name;
	const SETXATTR4args *set; /* NULL: remove it */
};

static enum store_xattr_mode job_mode(const struct xattr_job *job)
{
	switch (job->set ? job->set->sxa_option : SETXATTR4_REPLACE) {
	case SETXATTR4_CREATE:
		return XATTR_CREATE_ONLY;
	case SETXATTR4_REPLACE:
		return XATTR_REPLACE_ONLY;
	default:
		return XATTR_EITHER;
	}
}

static int xattr_apply(struct xattr_job *job)
{
	struct compound *c = job->c;
	struct store *store = c->fh.export->store;

	if (!job->set)
		return store_xattr_remove(
			store, &c->cred, &c->fh.id, job->name);
	return store_xattr_set(store, &c->cred, &c->fh.id, job->name,
		job->set->sxa_value.data, job->set->sxa_value.len,
		job_mode(job));
}

static nfsstat4 xattr_object(struct xattr_job *job, change_info4 *info)
{
	struct compound *c = job->c;
	struct attrs_change change;
	struct attr attr = {.change = info->before};
	int err;

	attrs_change_begin(&change, c, &c->fh.id);
	err = xattr_apply(job);
	attrs_change_end(&change, attrs_may_have_changed(err), &attr);
	info->after = attr.change;
	return errmap_status(err);
}

static nfsstat4 xattr_dir_check(struct dirattr_change *dac)
{
	struct xattr_job *job = container_of(dac, struct xattr_job, dac);
	struct compound *c = job->c;

	return errmap_status(store_check_xattr(c->fh.export->store, &c->cred,
		&c->fh.id, job->name, job_mode(job)));
}

static int xattr_dir_apply(struct dirattr_change *dac)
{
	return xattr_apply(container_of(dac, struct xattr_job, dac));
}

/* A change of the directory's own, as SETATTR is (DD-03). */
static nfsstat4 xattr_directory(struct xattr_job *job, change_info4 *info)
{
	nfsstat4 status;

	job->dac = (struct dirattr_change){
		.c = job->c,
		.check = xattr_dir_check,
		.apply = xattr_dir_apply,
	};
	status = dirattr_run(&job->dac);
	info->before = job->dac.before;
	info->after = job->dac.after;
	return status;
}

static nfsstat4 xattr_change(struct xattr_job *job, change_info4 *info)
{
	struct compound *c = job->c;
	struct attr attr;
	nfsstat4 status = attrs_read(c->server, c->fh.export, &c->fh.id, &attr);

	if (status != NFS4_OK)
		return status;
	/* Never atomic: others may change it in between. */
	*info = (change_info4){.atomic = false, .before = attr.change};
	if (attr.type == OBJECT_DIR)
		return xattr_directory(job, info);
	return xattr_object(job, info);
}

nfsstat4 op_setxattr(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const SETXATTR4args *args = &arg->opsetxattr;
	struct xattr_job job = {.c = c, .set = args};
	nfsstat4 status = xattr_name(&args->sxa_key, &job.name);

	if (status == NFS4_OK && args->sxa_option > SETXATTR4_REPLACE)
		status = NFS4ERR_INVAL;
	if (status == NFS4_OK && args->sxa_value.len > XATTR_VALUE_MAX)
		status = NFS4ERR_XATTR2BIG;
	if (status != NFS4_OK)
		return status;
	return xattr_change(&job, &res->opsetxattr.sxr_info);
}

nfsstat4 op_removexattr(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct xattr_job job = {.c = c};
	nfsstat4 status = xattr_name(&arg->opremovexattr.rxa_name, &job.name);

	if (status != NFS4_OK)
		return status;
	return xattr_change(&job, &res->opremovexattr.rxr_info);
}

/* ---- LISTXATTRS: the cookie is how many names went before ---- */

/* What of LISTXATTRS4resok is not names: cookie, count, eof. */
#define LIST_FIXED (8 + 4 + 4)

static uint32_t count_names(const struct store_xattr_names *names)
{
	uint32_t count = 0;

	for (size_t i = 0; i < names->used; i++)
		count += names->data[i] == '\0';
	return count;
}

/* Fill @ok with the names from @args' cookie on that fit its maxcount. */
static nfsstat4 list_page(const LISTXATTRS4args *args,
	const struct store_xattr_names *names, xattrkey4 *keys,
	LISTXATTRS4resok *ok)
{
	size_t room = args->lxa_maxcount;
	size_t at = 0;
	uint64_t index = 0;

	if (room < LIST_FIXED)
		return NFS4ERR_TOOSMALL;
	room -= LIST_FIXED;
	for (; at < names->used; index++) {
		size_t len = strlen(names->data + at);

		if (index >= args->lxa_cookie) {
			if (4 + xdr_padded(len) > room)
				break;
			room -= 4 + xdr_padded(len);
			keys[ok->lxr_names.count++] =
				xdr_opaque_from(names->data + at, len);
		}
		at += len + 1;
	}
	ok->lxr_names.items = keys;
	ok->lxr_cookie = index;
	ok->lxr_eof = at >= names->used;
	if (ok->lxr_names.count == 0 && !ok->lxr_eof)
		return NFS4ERR_TOOSMALL;
	return NFS4_OK;
}

nfsstat4 op_listxattrs(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct store_xattr_names names = {.size = XATTR_LIST_MAX};
	xattrkey4 *keys;
	uint32_t count;
	nfsstat4 status;

	names.data = arena_alloc(c->arena, names.size);
	if (!names.data)
		return NFS4ERR_DELAY;
	status = errmap_status(store_xattr_list(
		c->fh.export->store, &c->cred, &c->fh.id, &names));
	if (status != NFS4_OK)
		return status;
	count = count_names(&names);
	if (arg->oplistxattrs.lxa_cookie > count)
		return NFS4ERR_BAD_COOKIE;
	keys = arena_array(c->arena, count, sizeof(*keys));
	if (!keys)
		return NFS4ERR_DELAY;
	return list_page(
		&arg->oplistxattrs, &names, keys, &res->oplistxattrs.lxr_value);
}
