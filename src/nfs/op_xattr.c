/* SPDX-License-Identifier: MIT */
/* Extended attributes (RFC 8276). */
#include "nfs/ops.h"

#include <errno.h>
#include <string.h>

#include "nfs/attrs.h"
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

/* One call that changes attributes of CURRENT_FH, and its change_info4. */
struct xattr_change {
	struct attrs_change change;
	uint64_t before;
};

static nfsstat4 xattr_change_begin(struct xattr_change *xc, struct compound *c)
{
	struct attr attr;
	nfsstat4 status = attrs_read(c->server, c->fh.export, &c->fh.id, &attr);

	if (status != NFS4_OK)
		return status;
	xc->before = attr.change;
	attrs_change_begin(&xc->change, c, &c->fh.id);
	return NFS4_OK;
}

static nfsstat4 xattr_change_end(
	struct xattr_change *xc, int err, change_info4 *info)
{
	struct attr attr = {.change = xc->before};

	attrs_change_end(&xc->change, err == 0, &attr);
	*info = (change_info4){
		.atomic = false, /* others may change it in between */
		.before = xc->before,
		.after = attr.change,
	};
	return errmap_status(err);
}

static enum store_xattr_mode set_mode(setxattr_option4 option)
{
	switch (option) {
	case SETXATTR4_CREATE:
		return XATTR_CREATE_ONLY;
	case SETXATTR4_REPLACE:
		return XATTR_REPLACE_ONLY;
	default:
		return XATTR_EITHER;
	}
}

nfsstat4 op_setxattr(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const SETXATTR4args *args = &arg->opsetxattr;
	struct xattr_change xc;
	struct name name;
	nfsstat4 status = xattr_name(&args->sxa_key, &name);
	int err;

	if (status == NFS4_OK && args->sxa_option > SETXATTR4_REPLACE)
		status = NFS4ERR_INVAL;
	if (status == NFS4_OK && args->sxa_value.len > XATTR_VALUE_MAX)
		status = NFS4ERR_XATTR2BIG;
	if (status == NFS4_OK)
		status = xattr_change_begin(&xc, c);
	if (status != NFS4_OK)
		return status;
	err = store_xattr_set(c->fh.export->store, &c->cred, &c->fh.id, name,
		args->sxa_value.data, args->sxa_value.len,
		set_mode(args->sxa_option));
	return xattr_change_end(&xc, err, &res->opsetxattr.sxr_info);
}

nfsstat4 op_removexattr(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct xattr_change xc;
	struct name name;
	nfsstat4 status = xattr_name(&arg->opremovexattr.rxa_name, &name);
	int err;

	if (status == NFS4_OK)
		status = xattr_change_begin(&xc, c);
	if (status != NFS4_OK)
		return status;
	err = store_xattr_remove(
		c->fh.export->store, &c->cred, &c->fh.id, name);
	return xattr_change_end(&xc, err, &res->opremovexattr.rxr_info);
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
