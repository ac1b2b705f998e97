/* SPDX-License-Identifier: MIT */
#include "client/dirnotify.h"

#include <string.h>

#include "base/htab.h"
#include "wire/fattr4.h"
#include "wire/nfs4_xdr.h"

uint64_t dirnotify_verifier(const verifier4 verifier)
{
	uint64_t v;

	memcpy(&v, verifier, sizeof(v));
	return v;
}

/* ---- entries ---- */

/* The id an owner string says, or a hash of it; see dircache.h. */
static uint32_t owner_number(struct xdr_opaque owner)
{
	uint64_t number = 0;

	if (owner.len == 0 || owner.len > 10)
		return (uint32_t)htab_hash(owner.data, owner.len);
	for (uint32_t i = 0; i < owner.len; i++) {
		if (owner.data[i] < '0' || owner.data[i] > '9')
			return (uint32_t)htab_hash(owner.data, owner.len);
		number = number * 10 + (uint64_t)(owner.data[i] - '0');
	}
	return (uint32_t)number;
}

nfsstat4 dirnotify_entry(const component4 *name, const fattr4 *attrs,
	uint64_t cookie, struct dircache_entry *ret)
{
	struct fattr4_values values;
	nfsstat4 status = fattr4_decode(attrs, &values);

	*ret = (struct dircache_entry){
		.name = {.len = name->len, .data = (const char *)name->data},
		.cookie = cookie,
	};
	if (status != NFS4_OK)
		return status;
	ret->mask = values.mask;
	ret->attr = values.attr;
	ret->handle = values.fh;
	if (bitmap4_has(&values.mask, FATTR4_OWNER))
		ret->attr.uid = owner_number(values.owner);
	if (bitmap4_has(&values.mask, FATTR4_OWNER_GROUP))
		ret->attr.gid = owner_number(values.group);
	return NFS4_OK;
}

static nfsstat4 from_entry(
	const notify_entry4 *given, uint64_t cookie, struct dircache_entry *ret)
{
	return dirnotify_entry(&given->ne_file, &given->ne_attrs, cookie, ret);
}

static nfsstat4 from_old(
	const notify_remove4 *given, struct dircache_entry *ret)
{
	return from_entry(
		&given->nrm_old_entry, given->nrm_old_entry_cookie, ret);
}

/* ---- the six bodies ---- */

static nfsstat4 from_add(const notify_add4 *given, struct dircache_change *ret)
{
	uint64_t cookie = given->nad_new_entry_cookie.count
		? given->nad_new_entry_cookie.items[0]
		: COOKIE_NONE;
	nfsstat4 status =
		from_entry(&given->nad_new_entry, cookie, &ret->entry);

	if (status == NFS4_OK && given->nad_old_entry.count) {
		ret->has_overwritten = true;
		status = from_old(
			&given->nad_old_entry.items[0], &ret->overwritten);
	}
	if (given->nad_prev_entry.count) {
		const prev_entry4 *prev = &given->nad_prev_entry.items[0];
		const component4 *name = &prev->pe_prev_entry.ne_file;

		ret->has_previous = true;
		ret->previous = (struct name){
			.len = name->len, .data = (const char *)name->data};
		ret->previous_cookie = prev->pe_prev_entry_cookie;
	}
	ret->last = given->nad_last_entry;
	return status;
}

static nfsstat4 get_attrs(struct xdr *x, struct dircache_change *ret)
{
	notify_attr4 body;

	if (!nfs4_get_notify_attr4(x, &body))
		return NFS4ERR_BADXDR;
	return from_entry(&body.na_changed_entry, COOKIE_NONE, &ret->entry);
}

static nfsstat4 get_remove(struct xdr *x, struct dircache_change *ret)
{
	notify_remove4 body;

	if (!nfs4_get_notify_remove4(x, &body))
		return NFS4ERR_BADXDR;
	return from_old(&body, &ret->entry);
}

static nfsstat4 get_add(struct xdr *x, struct dircache_change *ret)
{
	notify_add4 body;

	if (!nfs4_get_notify_add4(x, &body))
		return NFS4ERR_BADXDR;
	return from_add(&body, ret);
}

static nfsstat4 get_rename(struct xdr *x, struct dircache_change *ret)
{
	notify_rename4 body;
	nfsstat4 status;

	if (!nfs4_get_notify_rename4(x, &body))
		return NFS4ERR_BADXDR;
	status = from_old(&body.nrn_old_entry, &ret->old);
	return status ? status : from_add(&body.nrn_new_entry, ret);
}

static nfsstat4 get_verifier(struct xdr *x, struct dircache_change *ret)
{
	notify_verifier4 body;

	if (!nfs4_get_notify_verifier4(x, &body))
		return NFS4ERR_BADXDR;
	ret->old_verifier = dirnotify_verifier(body.nv_old_cookieverf);
	ret->new_verifier = dirnotify_verifier(body.nv_new_cookieverf);
	return NFS4_OK;
}

/* A name no directory can hold would only be passed on to somebody's tool. */
bool dirnotify_is_name(struct name name)
{
	return name.len > 0 && name.len <= NAME_LEN_MAX &&
		!memchr(name.data, '/', name.len) &&
		!memchr(name.data, '\0', name.len);
}

static bool names_are_good(const struct dircache_change *change)
{
	if (change->kind == CHANGE_DIR_ATTRS ||
		change->kind == CHANGE_COOKIE_VERIFIER)
		return true;
	return dirnotify_is_name(change->entry.name) &&
		(change->kind != CHANGE_RENAME_ENTRY ||
			dirnotify_is_name(change->old.name));
}

static nfsstat4 get_change(
	struct xdr *x, unsigned type, struct dircache_change *ret)
{
	typedef nfsstat4 (*get)(struct xdr * x, struct dircache_change * ret);
	static const get gets[CHANGE_KINDS] = {
		[CHANGE_CHILD_ATTRS] = get_attrs,
		[CHANGE_DIR_ATTRS] = get_attrs,
		[CHANGE_REMOVE_ENTRY] = get_remove,
		[CHANGE_ADD_ENTRY] = get_add,
		[CHANGE_RENAME_ENTRY] = get_rename,
		[CHANGE_COOKIE_VERIFIER] = get_verifier,
	};
	nfsstat4 status;

	if (type >= CHANGE_KINDS)
		return NFS4ERR_INVAL;
	*ret = (struct dircache_change){.kind = (enum change_kind)type};
	status = gets[type](x, ret);
	if (status == NFS4_OK && !names_are_good(ret))
		status = NFS4ERR_INVAL;
	return status;
}

nfsstat4 dirnotify_decode(const notify4 *given, struct arena *arena,
	dirnotify_each each, void *ctx)
{
	struct dircache_change change;
	struct xdr x;
	unsigned type;
	nfsstat4 status;

	if (given->notify_mask.beyond)
		return NFS4ERR_INVAL;
	xdr_init_decode(
		&x, given->notify_vals.data, given->notify_vals.len, arena);
	bitmap4_for_each(type, &given->notify_mask) {
		status = get_change(&x, type, &change);
		if (status != NFS4_OK)
			return x.nomem ? NFS4ERR_SERVERFAULT : status;
		if (each(ctx, &change))
			return NFS4ERR_SERVERFAULT;
	}
	return xdr_left(&x) ? NFS4ERR_BADXDR : NFS4_OK;
}
