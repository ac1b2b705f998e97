/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "wire/xdr.h"

void ask_root(struct peer *p)
{
	peer_add(p, OP_PUTROOTFH);
}

void ask_fh(struct peer *p, const struct handle *fh)
{
	peer_add(p, OP_PUTFH)->opputfh.object =
		xdr_opaque_from(fh->data, fh->len);
}

void ask_lookup(struct peer *p, const char *name)
{
	peer_add(p, OP_LOOKUP)->oplookup.objname = xdr_opaque_from_str(name);
}

void ask_path(struct peer *p, const char *path)
{
	ask_root(p);
	for (;;) {
		size_t len = strcspn(path, "/");

		peer_add(p, OP_LOOKUP)->oplookup.objname =
			xdr_opaque_from(path, len);
		if (path[len] == '\0')
			return;
		path += len + 1;
	}
}

void ask_getfh(struct peer *p)
{
	peer_add(p, OP_GETFH);
}

void ask_getattr(struct peer *p, unsigned attr)
{
	bitmap4_set(&peer_add(p, OP_GETATTR)->opgetattr.attr_request, attr);
}

nfs_argop4 *ask_create(struct peer *p, const char *name, nfs_ftype4 type)
{
	nfs_argop4 *arg = peer_add(p, OP_CREATE);

	arg->opcreate.objname = xdr_opaque_from_str(name);
	arg->opcreate.objtype.type = type;
	if (type == NF4LNK)
		arg->opcreate.objtype.linkdata = xdr_opaque_from_str("text");
	return arg;
}

void ask_remove(struct peer *p, const char *name)
{
	peer_add(p, OP_REMOVE)->opremove.target = xdr_opaque_from_str(name);
}

void ask_rename(struct peer *p, const char *from, const char *to)
{
	RENAME4args *args = &peer_add(p, OP_RENAME)->oprename;

	args->oldname = xdr_opaque_from_str(from);
	args->newname = xdr_opaque_from_str(to);
}

void ask_link(struct peer *p, const char *name)
{
	peer_add(p, OP_LINK)->oplink.newname = xdr_opaque_from_str(name);
}

static OPEN4args *add_open(struct peer *p, uint32_t access)
{
	OPEN4args *args = &peer_add(p, OP_OPEN)->opopen;

	args->share_access = access;
	args->owner.clientid = p->clientid;
	args->owner.owner = xdr_opaque_from_str("opener");
	return args;
}

OPEN4args *ask_open(struct peer *p, const char *name, uint32_t access)
{
	OPEN4args *args = add_open(p, access);

	args->claim.claim = CLAIM_NULL;
	args->claim.file = xdr_opaque_from_str(name);
	return args;
}

OPEN4args *ask_open_create(struct peer *p, const char *name, createmode4 mode)
{
	OPEN4args *args = ask_open(p, name, OPEN4_SHARE_ACCESS_BOTH);

	args->openhow.opentype = OPEN4_CREATE;
	args->openhow.how.mode = mode;
	return args;
}

OPEN4args *ask_open_fh(struct peer *p, uint32_t access)
{
	OPEN4args *args = add_open(p, access);

	args->claim.claim = CLAIM_FH;
	return args;
}

void ask_close(struct peer *p, const stateid4 *sid)
{
	peer_add(p, OP_CLOSE)->opclose.open_stateid = *sid;
}

void ask_read(struct peer *p, const stateid4 *sid, uint64_t at, uint32_t len)
{
	READ4args *args = &peer_add(p, OP_READ)->opread;

	args->stateid = *sid;
	args->offset = at;
	args->count = len;
}

void ask_write(struct peer *p, const stateid4 *sid, uint64_t at,
	const char *text, stable_how4 stable)
{
	WRITE4args *args = &peer_add(p, OP_WRITE)->opwrite;

	args->stateid = *sid;
	args->offset = at;
	args->stable = stable;
	args->data = xdr_opaque_from_str(text);
}

READDIR4args *ask_readdir(
	struct peer *p, uint64_t cookie, const uint8_t *verf, uint32_t maxcount)
{
	READDIR4args *args = &peer_add(p, OP_READDIR)->opreaddir;

	args->cookie = cookie;
	if (verf)
		memcpy(args->cookieverf, verf, NFS4_VERIFIER_SIZE);
	args->maxcount = maxcount;
	return args;
}

LOCK4args *ask_lock(struct peer *p, const stateid4 *open, const char *owner,
	uint64_t at, uint64_t len)
{
	LOCK4args *args = &peer_add(p, OP_LOCK)->oplock;
	open_to_lock_owner4 *locker = &args->locker.open_owner;

	args->locktype = WRITE_LT;
	args->offset = at;
	args->length = len;
	args->locker.new_lock_owner = true;
	locker->open_stateid = *open;
	locker->lock_owner.clientid = p->clientid;
	locker->lock_owner.owner = xdr_opaque_from_str(owner);
	return args;
}

void ask_setattr(struct peer *p, const stateid4 *sid, fattr4 attrs)
{
	SETATTR4args *args = &peer_add(p, OP_SETATTR)->opsetattr;

	args->stateid = *sid;
	args->obj_attributes = attrs;
}

SETXATTR4args *ask_setxattr(struct peer *p, const char *key, const char *value)
{
	SETXATTR4args *args = &peer_add(p, OP_SETXATTR)->opsetxattr;

	args->sxa_option = SETXATTR4_EITHER;
	args->sxa_key = xdr_opaque_from_str(key);
	args->sxa_value = xdr_opaque_from_str(value);
	return args;
}

void ask_removexattr(struct peer *p, const char *key)
{
	peer_add(p, OP_REMOVEXATTR)->opremovexattr.rxa_name =
		xdr_opaque_from_str(key);
}

void ask_dir_delegation(struct peer *p, uint32_t bits)
{
	GET_DIR_DELEGATION4args *args =
		&peer_add(p, OP_GET_DIR_DELEGATION)->opget_dir_delegation;

	args->gdda_notification_types.word[0] = bits;
}

void ask_delegreturn(struct peer *p, const stateid4 *sid)
{
	peer_add(p, OP_DELEGRETURN)->opdelegreturn.deleg_stateid = *sid;
}

void ask_test_stateid(struct peer *p, stateid4 *sid)
{
	TEST_STATEID4args *args = &peer_add(p, OP_TEST_STATEID)->optest_stateid;

	args->ts_stateids.count = 1;
	args->ts_stateids.items = sid;
}

void ask_free_stateid(struct peer *p, const stateid4 *sid)
{
	peer_add(p, OP_FREE_STATEID)->opfree_stateid.fsa_stateid = *sid;
}

static fattr4 one_attr(
	struct peer *p, unsigned attr, const uint8_t *data, size_t len)
{
	fattr4 ret = {0};

	bitmap4_set(&ret.attrmask, attr);
	ret.attr_vals = xdr_opaque_from(arena_dup(&p->arena, data, len), len);
	return ret;
}

fattr4 ask_attr_u32(struct peer *p, unsigned attr, uint32_t value)
{
	uint8_t buf[4];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u32(&x, value);
	return one_attr(p, attr, buf, sizeof(buf));
}

fattr4 ask_attr_u64(struct peer *p, unsigned attr, uint64_t value)
{
	uint8_t buf[8];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u64(&x, value);
	return one_attr(p, attr, buf, sizeof(buf));
}

/* ---- whole compounds ---- */

static struct handle handle_in(const nfs_resop4 *res)
{
	struct handle ret;

	assert_int_equal(res->resop, OP_GETFH);
	ret.len = res->opgetfh.resok4.object.len;
	memcpy(ret.data, res->opgetfh.resok4.object.data, ret.len);
	return ret;
}

struct handle handle_from(struct peer *p, uint32_t result)
{
	return handle_in(peer_result(p, result));
}

struct handle handle_of(struct peer *p, const char *path)
{
	peer_begin(p);
	ask_path(p, path);
	ask_getfh(p);
	assert_int_equal(peer_call(p), NFS4_OK);
	return handle_in(peer_last(p));
}

stateid4 open_file(struct peer *p, const char *name, struct handle *fh)
{
	peer_begin(p);
	ask_root(p);
	ask_open_create(p, name, UNCHECKED4);
	ask_getfh(p);
	assert_int_equal(peer_call(p), NFS4_OK);
	if (fh)
		*fh = handle_from(p, 2);
	return peer_result(p, 1)->opopen.resok4.stateid;
}

static struct fattr4_values attrs_in(const nfs_resop4 *res)
{
	struct fattr4_values values;

	assert_int_equal(res->resop, OP_GETATTR);
	assert_int_equal(res->opgetattr.status, NFS4_OK);
	assert_int_equal(
		fattr4_decode(&res->opgetattr.resok4.obj_attributes, &values),
		NFS4_OK);
	return values;
}

struct fattr4_values attrs_of(struct peer *p, uint32_t i)
{
	return attrs_in(peer_result(p, i));
}

uint64_t change_of(struct peer *p, const char *path)
{
	peer_begin(p);
	ask_path(p, path);
	ask_getattr(p, FATTR4_CHANGE);
	assert_int_equal(peer_call(p), NFS4_OK);
	return attrs_in(peer_last(p)).attr.change;
}

/* The first request may be too early: the back channel is being proved. */
stateid4 take_dir_delegation_as(
	struct peer *p, const char *path, const GET_DIR_DELEGATION4args *wanted)
{
	for (int i = 0; i < 1000; i++) {
		const GET_DIR_DELEGATION4res_non_fatal *res;

		peer_begin(p);
		ask_path(p, path);
		peer_add(p, OP_GET_DIR_DELEGATION)->opget_dir_delegation =
			*wanted;
		assert_int_equal(peer_call(p), NFS4_OK);
		res = &peer_last(p)->opget_dir_delegation.gddr_res_non_fatal4;
		if (res->gddrnf_status == GDD4_OK)
			return res->gddrnf_resok4.gddr_stateid;
		peer_serve(p, 2);
	}
	fail_msg("no delegation of %s", path);
	return anonymous_stateid;
}

stateid4 take_dir_delegation(struct peer *p, const char *path, uint32_t bits)
{
	const GET_DIR_DELEGATION4args wanted = {
		.gdda_notification_types.word[0] = bits};

	return take_dir_delegation_as(p, path, &wanted);
}

nfsstat4 remove_name(struct peer *p, const char *name)
{
	peer_begin(p);
	ask_root(p);
	ask_remove(p, name);
	return peer_call(p);
}

nfsstat4 make_dir(struct peer *p, const char *name)
{
	peer_begin(p);
	ask_root(p);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

void make_dir_for_all(struct peer *p, const char *name)
{
	nfs_argop4 *arg;

	peer_begin(p);
	ask_root(p);
	arg = ask_create(p, name, NF4DIR);
	arg->opcreate.createattrs = ask_attr_u32(p, FATTR4_MODE, 0777);
	assert_int_equal(peer_call(p), NFS4_OK);
}
