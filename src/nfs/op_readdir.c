/* SPDX-License-Identifier: MIT */
/* READDIR (RFC 8881 18.23). */
#include "nfs/ops.h"

#include <endian.h>
#include <string.h>

#include "nfs/attrs.h"
#include "nfs/errmap.h"
#include "nfs/local_list.h"
#include "state/told.h"
#include "store/store.h"

/* What follows the last entry: "no more entries" and eof. */
#define TAIL_SIZE 8

/* A page that is not what was told is listed again so often. */
#define TELL_TRIES 4

struct readdir_page {
	struct compound *c;
	const bitmap4 *want;
	bool want_error;           /* rdattr_error was asked for */
	bool want_object;          /* something that only its fileid leads to */
	bool checked;              /* what is listed must have been told */
	uint64_t child;            /* of the entry just encoded: told_child() */
	struct local_listed *told; /* the page, if checked */
	const struct cred *cred;   /* to look up with */
	size_t end;                /* entries must not pass this position, */
	bool session_limits;       /* which is the session's, not maxcount's */
	size_t names_left; /* what dircount leaves: names and cookies only */
	uint32_t entries;
	bool full; /* an entry did not fit, or could not be told */
	nfsstat4 status;
};

/*
 * In the pseudo file system an entry may be an export: its own root is shown,
 * mounted there, and its own disk asked.
 */
static nfsstat4 encode_crossing(
	struct readdir_page *page, const struct fh *root, struct xdr *out)
{
	struct compound *c = page->c;
	struct attr attr;
	nfsstat4 status;

	if (!compound_take_permit(c, root->export))
		return NFS4ERR_DELAY;
	status = attrs_read(c->server, root->export, &root->id, &attr);
	if (status == NFS4_OK)
		status = attrs_encode(c, root, &attr, page->want, out);
	compound_give_permit(c, root->export);
	return status;
}

static nfsstat4 encode_child(
	struct readdir_page *page, struct name name, struct xdr *out)
{
	struct compound *c = page->c;
	uint64_t clock_ns = clock_file_ns(c->server->clock);
	struct fh child = {.export = c->fh.export};
	struct attr attr;
	nfsstat4 status = errmap_status(
		store_lookup_attr(c->fh.export->store, page->cred, &c->fh.id,
			name, page->want_object ? &child.id : NULL, &attr));

	page->child = 0;
	if (status != NFS4_OK)
		return status;
	if (page->checked)
		page->child = told_child(&child.id);
	if (!page->want_object)
		return attrs_encode(c, &child, &attr, page->want, out);
	exports_cross(&c->server->exports, &child.export, &child.id);
	if (child.export != c->fh.export)
		return encode_crossing(page, &child, out);
	status = attrs_fill_change_late(
		c->server, child.export, &child.id, clock_ns, &attr);
	if (status != NFS4_OK)
		return status;
	return attrs_encode(c, &child, &attr, page->want, out);
}

/* The child's attributes, or what replaces them when they cannot be had. */
static nfsstat4 put_attrs(
	struct readdir_page *page, struct name name, struct xdr *out)
{
	nfsstat4 status = encode_child(page, name, out);

	if (status == NFS4_OK)
		return status;
	if (status == NFS4ERR_NOENT || status == NFS4ERR_STALE ||
		!page->want_error)
		return status;
	return attrs_encode_error(status, out);
}

/* To be compared with what was told. */
static bool remember(struct readdir_page *page, struct name name)
{
	struct arena *arena = page->c->arena;
	struct local_listed *e;

	if (!page->checked)
		return true;
	e = arena_alloc(arena, sizeof(*e));
	if (!e)
		return false;
	*e = (struct local_listed){
		.next = page->told,
		.name = {.len = name.len,
			.data = arena_dup(arena, name.data, name.len)},
		.child = page->child,
	};
	page->told = e;
	return e->name.data;
}

/* One entry, whole or not at all. */
static bool emit_entry(void *ctx, struct name name, uint64_t cookie)
{
	struct readdir_page *page = ctx;
	struct xdr *out = &page->c->call->out;
	const struct xdr_opaque wire_name =
		xdr_opaque_from(name.data, name.len);
	size_t cost = 12 + xdr_padded(name.len);
	size_t mark = xdr_mark(out);
	nfsstat4 status;

	if (page->entries > 0 && cost > page->names_left) {
		page->full = true;
		return false;
	}
	xdr_put_bool(out, true);
	xdr_put_u64(out, cookie);
	xdr_put_opaque_var(out, &wire_name, NAME_LEN_MAX);
	status = put_attrs(page, name, out);
	if (status == NFS4_OK && !remember(page, name))
		status = NFS4ERR_DELAY;
	if (status == NFS4_OK && !out->bad && xdr_pos(out) <= page->end) {
		page->entries++;
		page->names_left -=
			cost < page->names_left ? cost : page->names_left;
		return true;
	}
	xdr_truncate(out, mark);
	if (status == NFS4ERR_NOENT ||
		status == NFS4ERR_STALE) /* gone by now */
		return true;
	page->status = status;
	page->full = true;
	return false;
}

/*
 * To look up the entries of a directory one may search is everybody's right,
 * so it is asked once and not for each of a million.
 */
static nfsstat4 choose_cred(struct readdir_page *page)
{
	struct compound *c = page->c;
	uint32_t granted;
	int err = store_access(c->fh.export->store, &c->cred, &c->fh.id,
		STORE_MAY_EXECUTE, &granted);

	if (err < 0)
		return errmap_status(err);
	page->cred = granted ? &cred_server : &c->cred;
	return NFS4_OK;
}

/* Positions in the reply, after what the client and the session allow. */
static nfsstat4 open_page(struct readdir_page *page, const READDIR4args *args)
{
	struct xdr *out = &page->c->call->out;
	size_t room = xdr_left(out);

	/* maxcount covers all of READDIR4resok: verifier, list, eof. */
	if (args->maxcount < 8 + TAIL_SIZE)
		return NFS4ERR_TOOSMALL;
	page->session_limits = args->maxcount >= room;
	if (!page->session_limits)
		room = args->maxcount;
	if (room < 8 + TAIL_SIZE)
		return compound_too_big(page->c);
	page->end = xdr_pos(out) + room - TAIL_SIZE;
	page->names_left = args->dircount ? args->dircount : SIZE_MAX;
	return NFS4_OK;
}

static nfsstat4 list_entries(struct readdir_page *page,
	const READDIR4args *args, struct store_page *listed)
{
	struct compound *c = page->c;
	uint64_t verifier;
	nfsstat4 status;

	memcpy(&verifier, args->cookieverf, sizeof(verifier));
	verifier = be64toh(verifier);
	status = errmap_status(store_readdir(c->fh.export->store, &c->cred,
		&c->fh.id, args->cookie, verifier, emit_entry, page, listed));
	if (status != NFS4_OK)
		return fh_not_a_directory(c, status);
	if (page->entries > 0 || listed->eof)
		return NFS4_OK;
	if (!page->full) /* the listing was cut short: from here again */
		return NFS4ERR_DELAY;
	if (page->status != NFS4_OK)
		return page->status;
	return page->session_limits ? compound_too_big(c) : NFS4ERR_TOOSMALL;
}

static nfsstat4 list_page(struct readdir_page *page, const READDIR4args *args,
	struct store_page *listed)
{
	struct xdr *out = &page->c->call->out;
	nfsstat4 status = open_page(page, args);
	size_t verifier_at;
	uint64_t verifier;

	if (status != NFS4_OK)
		return status;
	page->entries = 0;
	page->full = false;
	page->told = NULL;
	verifier_at = xdr_reserve(out, NFS4_VERIFIER_SIZE);
	status = list_entries(page, args, listed);
	if (status != NFS4_OK)
		return status;
	verifier = htobe64(listed->verifier);
	memcpy(out->data + verifier_at, &verifier, sizeof(verifier));
	return NFS4_OK;
}

/* Who holds a delegation hears of what is gone only if it was told of it. */
static nfsstat4 list_what_was_told(struct readdir_page *page,
	const READDIR4args *args, struct store_page *listed)
{
	struct compound *c = page->c;
	size_t mark = xdr_mark(&c->call->out);

	for (int i = 0; i < TELL_TRIES; i++) {
		nfsstat4 status = list_page(page, args, listed);

		if (status != NFS4_OK || !page->checked ||
			local_list_check(c->server, &c->fh.id, page->told))
			return status;
		xdr_truncate(&c->call->out, mark);
	}
	local_list_give_up(c->server, &c->fh.id);
	return list_page(page, args, listed);
}

nfsstat4 op_readdir(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const READDIR4args *args = &arg->opreaddir;
	struct xdr *out = &c->call->out;
	struct readdir_page page = {
		.c = c,
		.want = &args->attr_request,
		.want_error =
			bitmap4_has(&args->attr_request, FATTR4_RDATTR_ERROR),
		.checked = c->fh.export->local_changes &&
			local_list_matters(c->server, &c->fh.id),
	};
	struct store_page listed = {0};
	nfsstat4 status;

	page.want_object = page.checked || c->fh.export->is_pseudo ||
		attrs_need_object(&args->attr_request);
	if (args->cookie == 1 || args->cookie == 2)
		return NFS4ERR_BAD_COOKIE;
	status = choose_cred(&page);
	if (status == NFS4_OK)
		status = list_what_was_told(&page, args, &listed);
	if (status != NFS4_OK)
		return status;
	xdr_put_bool(out, false);
	xdr_put_bool(out, listed.eof);
	return NFS4_OK;
}
