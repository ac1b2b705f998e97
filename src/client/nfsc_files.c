/* SPDX-License-Identifier: MIT */
#include "client/nfsc_files.h"

#include <errno.h>
#include <string.h>

/* ---- OPEN ---- */

static struct xdr_opaque owner_bytes(const char *owner)
{
	return xdr_opaque_from_str(owner ? owner : "herald");
}

static clientid4 clientid_of(struct nfsc *c)
{
	struct nfsc_info info;

	nfsc_read_info(c, &info);
	return info.clientid;
}

static int set_createhow(
	struct arena *arena, const struct nfsc_open *how, createhow4 *ret)
{
	fattr4 attrs;

	if (!nfsc_make_attrs(arena, how->set, &attrs))
		return -ENOMEM;
	ret->mode = how->mode;
	switch (how->mode) {
	case EXCLUSIVE4:
		memcpy(ret->createverf, how->verifier, sizeof(verifier4));
		break;
	case EXCLUSIVE4_1:
		memcpy(ret->ch_createboth.cva_verf, how->verifier,
			sizeof(verifier4));
		ret->ch_createboth.cva_attrs = attrs;
		break;
	default:
		ret->createattrs = attrs;
		break;
	}
	return 0;
}

static void take_opened(const OPEN4resok *ok, struct nfsc_opened *ret)
{
	ret->stateid = ok->stateid;
	ret->info = ok->cinfo;
	ret->flags = ok->rflags;
	ret->deleg_type = ok->delegation.delegation_type;
	if (ret->deleg_type == OPEN_DELEGATE_READ)
		ret->deleg = ok->delegation.read.stateid;
	else if (ret->deleg_type == OPEN_DELEGATE_WRITE)
		ret->deleg = ok->delegation.write.stateid;
}

static int open_claim(struct nfsc *c, const struct nfsc_fh *at,
	const open_claim4 *claim, const struct nfsc_open *how,
	struct nfsc_opened *ret)
{
	scope_compound struct nfsc_compound compound;
	OPEN4args *args;
	int err = 0;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, at);
	args = &nfsc_add(&compound, OP_OPEN)->opopen;
	args->share_access = how->access;
	args->share_deny = how->deny;
	args->owner.clientid = clientid_of(c);
	args->owner.owner = owner_bytes(how->owner);
	args->claim = *claim;
	args->openhow.opentype = how->create ? OPEN4_CREATE : OPEN4_NOCREATE;
	if (how->create)
		err = set_createhow(&compound.arena, how, &args->openhow.how);
	if (err)
		return err;
	nfsc_add(&compound, OP_GETFH);
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	*ret = (struct nfsc_opened){.flags = 0};
	take_opened(&nfsc_result(&compound, 1)->opopen.resok4, ret);
	if (!nfsc_fh_copy(
		    &ret->fh, nfsc_result(&compound, 2)->opgetfh.resok4.object))
		return -EPROTO;
	return 0;
}

int nfsc_open(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const struct nfsc_open *how, struct nfsc_opened *ret)
{
	open_claim4 claim = {.claim = CLAIM_NULL,
		.file = xdr_opaque_from(name.data, name.len)};

	return open_claim(c, dir, &claim, how, ret);
}

int nfsc_open_fh(struct nfsc *c, const struct nfsc_fh *fh,
	const struct nfsc_open *how, struct nfsc_opened *ret)
{
	open_claim4 claim = {.claim = CLAIM_FH};

	return open_claim(c, fh, &claim, how, ret);
}

int nfsc_close(
	struct nfsc *c, const struct nfsc_fh *fh, const stateid4 *stateid)
{
	scope_compound struct nfsc_compound compound;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	nfsc_add(&compound, OP_CLOSE)->opclose.open_stateid = *stateid;
	return nfsc_run(c, &compound);
}

int nfsc_create_file(struct nfsc *c, const struct nfsc_fh *dir,
	struct name name, struct nfsc_fh *ret, change_info4 *info)
{
	static const struct setattr set = {.mask = SETATTR_MODE, .mode = 0644};
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_WRITE |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.create = true,
		.mode = GUARDED4,
		.set = &set,
	};
	struct nfsc_opened opened;
	int err = nfsc_open(c, dir, name, &how, &opened);

	if (err)
		return err;
	if (ret)
		*ret = opened.fh;
	if (info)
		*info = opened.info;
	return nfsc_close(c, &opened.fh, &opened.stateid);
}

/* ---- bytes ---- */

int nfsc_write(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, uint64_t offset, const void *data,
	uint32_t size, stable_how4 stable, uint32_t *count)
{
	scope_compound struct nfsc_compound compound;
	WRITE4args *args;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_WRITE)->opwrite;
	if (stateid)
		args->stateid = *stateid;
	args->offset = offset;
	args->stable = stable;
	args->data = xdr_opaque_from(data, size);
	err = nfsc_run(c, &compound);
	if (err == 0 && count)
		*count = nfsc_result(&compound, 1)->opwrite.resok4.count;
	return err;
}

int nfsc_read(struct nfsc *c, const struct nfsc_fh *fh, const stateid4 *stateid,
	uint64_t offset, void *data, uint32_t size, uint32_t *count, bool *eof)
{
	scope_compound struct nfsc_compound compound;
	const READ4resok *ok;
	READ4args *args;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_READ)->opread;
	if (stateid)
		args->stateid = *stateid;
	args->offset = offset;
	args->count = size;
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	ok = &nfsc_result(&compound, 1)->opread.resok4;
	if (ok->data.len > size)
		return -EPROTO;
	if (ok->data.len)
		memcpy(data, ok->data.data, ok->data.len);
	*count = ok->data.len;
	if (eof)
		*eof = ok->eof;
	return 0;
}

int nfsc_commit(struct nfsc *c, const struct nfsc_fh *fh, verifier4 ret)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, fh);
	nfsc_add(&compound, OP_COMMIT);
	err = nfsc_run(c, &compound);
	if (err == 0)
		memcpy(ret,
			nfsc_result(&compound, 1)->opcommit.resok4.writeverf,
			sizeof(verifier4));
	return err;
}

/* ---- locks ---- */

int nfsc_lock(struct nfsc *c, const struct nfsc_fh *fh, const char *owner,
	const struct nfsc_range *range, const stateid4 *open, stateid4 *lock)
{
	scope_compound struct nfsc_compound compound;
	LOCK4args *args;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_LOCK)->oplock;
	args->locktype = range->type;
	args->offset = range->offset;
	args->length = range->length;
	args->locker.new_lock_owner = open != NULL;
	if (open) {
		open_to_lock_owner4 *o = &args->locker.open_owner;

		o->open_stateid = *open;
		o->lock_owner.clientid = clientid_of(c);
		o->lock_owner.owner = owner_bytes(owner);
	} else {
		args->locker.lock_owner.lock_stateid = *lock;
	}
	err = nfsc_run(c, &compound);
	if (err == 0)
		*lock = nfsc_result(&compound, 1)->oplock.resok4.lock_stateid;
	return err;
}

int nfsc_unlock(struct nfsc *c, const struct nfsc_fh *fh,
	const struct nfsc_range *range, stateid4 *lock)
{
	scope_compound struct nfsc_compound compound;
	LOCKU4args *args;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_LOCKU)->oplocku;
	args->locktype = range->type;
	args->lock_stateid = *lock;
	args->offset = range->offset;
	args->length = range->length;
	err = nfsc_run(c, &compound);
	if (err == 0)
		*lock = nfsc_result(&compound, 1)->oplocku.lock_stateid;
	return err;
}

int nfsc_lock_test(struct nfsc *c, const struct nfsc_fh *fh, const char *owner,
	const struct nfsc_range *range)
{
	scope_compound struct nfsc_compound compound;
	LOCKT4args *args;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_LOCKT)->oplockt;
	args->locktype = range->type;
	args->offset = range->offset;
	args->length = range->length;
	args->owner.clientid = clientid_of(c);
	args->owner.owner = owner_bytes(owner);
	return nfsc_run(c, &compound);
}
