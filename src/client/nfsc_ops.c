/* SPDX-License-Identifier: MIT */
#include "client/nfsc_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirnotify.h"
#include "wire/nfs4_xdr.h"

#define LOOKUPS_MAX       24 /* per compound */
#define PAGE_SIZE_DEFAULT (256 * 1024)
#define ATTRS_SIZE        512

/* ---- filehandles, names, attributes ---- */

bool nfsc_fh_copy(struct nfsc_fh *fh, struct xdr_opaque given)
{
	if (given.len > sizeof(fh->data))
		return false;
	fh->len = given.len;
	if (given.len)
		memcpy(fh->data, given.data, given.len);
	return true;
}

bool nfsc_fh_equal(const struct nfsc_fh *a, const struct nfsc_fh *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

void nfsc_add_putfh(struct nfsc_compound *compound, const struct nfsc_fh *fh)
{
	if (fh)
		nfsc_add(compound, OP_PUTFH)->opputfh.object = nfsc_fh_wire(fh);
	else
		nfsc_add(compound, OP_PUTROOTFH);
}

static component4 wire_name(struct name name)
{
	return xdr_opaque_from(name.data, name.len);
}

void nfsc_add_lookup(struct nfsc_compound *compound, struct name name)
{
	nfsc_add(compound, OP_LOOKUP)->oplookup.objname = wire_name(name);
}

static void put_number_text(struct xdr *x, uint32_t number)
{
	char text[16];
	struct xdr_opaque owner;

	snprintf(text, sizeof(text), "%u", number);
	owner = xdr_opaque_from_str(text);
	xdr_put_opaque_var(x, &owner, UINT32_MAX);
}

/* settime4: the server's time when @now, else @ns. */
static void put_settime(struct xdr *x, bool now, int64_t ns)
{
	settime4 t = {
		.set_it = now ? SET_TO_SERVER_TIME4 : SET_TO_CLIENT_TIME4};

	if (!now)
		t.time = fattr4_time_from_ns(ns);
	nfs4_put_settime4(x, &t);
}

static void put_times(struct xdr *x, const struct setattr *set, bitmap4 *mask)
{
	if (set->mask & (SETATTR_ATIME | SETATTR_ATIME_NOW)) {
		bitmap4_set(mask, FATTR4_TIME_ACCESS_SET);
		put_settime(x, set->mask & SETATTR_ATIME_NOW, set->atime_ns);
	}
	if (set->mask & (SETATTR_MTIME | SETATTR_MTIME_NOW)) {
		bitmap4_set(mask, FATTR4_TIME_MODIFY_SET);
		put_settime(x, set->mask & SETATTR_MTIME_NOW, set->mtime_ns);
	}
}

bool nfsc_make_attrs(
	struct arena *arena, const struct setattr *set, fattr4 *ret)
{
	uint8_t *buf = arena_alloc(arena, ATTRS_SIZE);
	struct xdr x;

	*ret = (fattr4){.attr_vals = {.len = 0}};
	if (!set)
		return true;
	if (!buf)
		return false;
	xdr_init_encode(&x, buf, ATTRS_SIZE);
	if (set->mask & SETATTR_SIZE) {
		bitmap4_set(&ret->attrmask, FATTR4_SIZE);
		xdr_put_u64(&x, set->size);
	}
	if (set->mask & SETATTR_MODE) {
		bitmap4_set(&ret->attrmask, FATTR4_MODE);
		xdr_put_u32(&x, set->mode);
	}
	if (set->mask & SETATTR_UID) {
		bitmap4_set(&ret->attrmask, FATTR4_OWNER);
		put_number_text(&x, set->uid);
	}
	if (set->mask & SETATTR_GID) {
		bitmap4_set(&ret->attrmask, FATTR4_OWNER_GROUP);
		put_number_text(&x, set->gid);
	}
	put_times(&x, set, &ret->attrmask);
	ret->attr_vals = xdr_opaque_from(buf, (uint32_t)xdr_pos(&x));
	return !x.bad;
}

/* ---- looking up ---- */

/* The handle that GETFH at @i gave. */
static int take_fh(
	const struct nfsc_compound *compound, unsigned i, struct nfsc_fh *ret)
{
	const nfs_resop4 *res = nfsc_result(compound, i);

	if (!ret)
		return 0;
	if (!res || !nfsc_fh_copy(ret, res->opgetfh.resok4.object))
		return -EPROTO;
	return 0;
}

static int lookup_some(struct nfsc *c, const struct nfsc_fh *from,
	const struct name *path, size_t n, struct nfsc_fh *ret, size_t *done)
{
	scope_compound struct nfsc_compound compound;
	size_t found = 0;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, from);
	for (size_t i = 0; i < n; i++)
		nfsc_add_lookup(&compound, path[i]);
	nfsc_add(&compound, OP_GETFH);
	err = nfsc_run(c, &compound);
	while (found < n && nfsc_result(&compound, (unsigned)found + 1))
		found++;
	*done += found;
	return err ? err : take_fh(&compound, (unsigned)n + 1, ret);
}

int nfsc_lookup(struct nfsc *c, const struct nfsc_fh *from,
	const struct name *path, size_t n, struct nfsc_fh *ret, size_t *done)
{
	struct nfsc_fh at;
	size_t found = 0;
	int err;

	do {
		size_t some = n - found < LOOKUPS_MAX ? n - found : LOOKUPS_MAX;

		err = lookup_some(c, from, path + found, some, &at, &found);
		from = &at;
	} while (err == 0 && found < n);
	if (done)
		*done = found;
	if (err == 0)
		*ret = at;
	return err;
}

int nfsc_lookup_path(struct nfsc *c, const char *path, struct nfsc_fh *ret)
{
	struct name *names = calloc(strlen(path) + 1, sizeof(*names));
	size_t n = 0;
	int err;

	if (!names)
		return -ENOMEM;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len)
			names[n++] = (struct name){
				.len = (uint32_t)len, .data = path};
		path += len + (path[len] == '/');
	}
	err = nfsc_lookup(c, NULL, names, n, ret, NULL);
	free(names);
	return err;
}

/* ---- attributes ---- */

int nfsc_getattr(struct nfsc *c, const struct nfsc_fh *fh, const bitmap4 *want,
	struct fattr4_values *ret)
{
	scope_compound struct nfsc_compound compound;
	const nfs_resop4 *res;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, fh);
	nfsc_add(&compound, OP_GETATTR)->opgetattr.attr_request = *want;
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	res = nfsc_result(&compound, 1);
	if (!res ||
		fattr4_decode(&res->opgetattr.resok4.obj_attributes, ret) !=
			NFS4_OK)
		return -EPROTO;
	ret->attr = dirnotify_attr(ret);
	ret->fh = ret->owner = ret->group = (struct xdr_opaque){.len = 0};
	return 0;
}

int nfsc_get_change(struct nfsc *c, const struct nfsc_fh *fh, uint64_t *ret)
{
	bitmap4 want = {.word = {1u << FATTR4_CHANGE}};
	struct fattr4_values values;
	int err = nfsc_getattr(c, fh, &want, &values);

	if (err == 0)
		*ret = values.attr.change;
	return err;
}

int nfsc_access(struct nfsc *c, const struct nfsc_fh *fh, uint32_t want,
	uint32_t *granted)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, fh);
	nfsc_add(&compound, OP_ACCESS)->opaccess.access = want;
	err = nfsc_run(c, &compound);
	if (err == 0)
		*granted = nfsc_result(&compound, 1)->opaccess.resok4.access;
	return err;
}

int nfsc_readlink(struct nfsc *c, const struct nfsc_fh *fh, char *to,
	size_t size, size_t *len)
{
	scope_compound struct nfsc_compound compound;
	const linktext4 *text;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, fh);
	nfsc_add(&compound, OP_READLINK);
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	text = &nfsc_result(&compound, 1)->opreadlink.resok4.link;
	*len = text->len;
	if (text->len)
		memcpy(to, text->data, text->len < size ? text->len : size);
	return 0;
}

int nfsc_setattr(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, const struct setattr *set)
{
	scope_compound struct nfsc_compound compound;
	SETATTR4args *args;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	args = &nfsc_add(&compound, OP_SETATTR)->opsetattr;
	if (stateid)
		args->stateid = *stateid;
	if (!nfsc_make_attrs(&compound.arena, set, &args->obj_attributes))
		return -ENOMEM;
	return nfsc_run(c, &compound);
}

/* ---- listing ---- */

static int emit_entries(const READDIR4resok *ok, struct nfsc_page *page,
	nfsc_emit emit, void *ctx)
{
	for (const entry4 *e = ok->reply.entries; e; e = e->nextentry) {
		struct dircache_entry entry;
		int err = 0;

		if (dirnotify_entry(&e->name, &e->attrs, e->cookie, &entry) !=
			NFS4_OK)
			return -EPROTO;
		if (dirnotify_is_name(entry.name))
			err = emit(ctx, &entry);
		else if (!dirnotify_is_dots(entry.name))
			err = -EPROTO;
		if (err)
			return err;
		page->cookie = e->cookie;
	}
	/* A page with nothing on it would be asked for again for ever. */
	if (!ok->reply.entries && !ok->reply.eof)
		return -EPROTO;
	page->eof = ok->reply.eof;
	memcpy(page->verifier, ok->cookieverf, sizeof(page->verifier));
	return 0;
}

int nfsc_readdir_page(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, uint32_t size, struct nfsc_page *page,
	nfsc_emit emit, void *ctx)
{
	scope_compound struct nfsc_compound compound;
	const nfs_resop4 *res;
	READDIR4args *args;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	nfsc_add_putfh(&compound, dir);
	args = &nfsc_add(&compound, OP_READDIR)->opreaddir;
	args->cookie = page->cookie;
	memcpy(args->cookieverf, page->verifier, sizeof(args->cookieverf));
	args->dircount = size;
	args->maxcount = size;
	args->attr_request = *attrs;
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	res = nfsc_result(&compound, 1);
	if (!res)
		return -EPROTO;
	return emit_entries(&res->opreaddir.resok4, page, emit, ctx);
}

int nfsc_readdir(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, struct nfsc_page *page, nfsc_emit emit, void *ctx)
{
	struct nfsc_info info;
	uint32_t size = PAGE_SIZE_DEFAULT;
	int err = 0;

	nfsc_read_info(c, &info);
	if (info.fore.ca_maxresponsesize > 8192 &&
		size > info.fore.ca_maxresponsesize - 4096)
		size = info.fore.ca_maxresponsesize - 4096;
	*page = (struct nfsc_page){.cookie = 0};
	while (err == 0 && !page->eof)
		err = nfsc_readdir_page(c, dir, attrs, size, page, emit, ctx);
	return err;
}

/* ---- changing names ---- */

static void take_info(change_info4 *to, const change_info4 *from)
{
	if (to)
		*to = *from;
}

int nfsc_remove(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	change_info4 *info)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, dir);
	nfsc_add(&compound, OP_REMOVE)->opremove.target = wire_name(name);
	err = nfsc_run(c, &compound);
	if (err == 0)
		take_info(info,
			&nfsc_result(&compound, 1)->opremove.resok4.cinfo);
	return err;
}

int nfsc_rename(struct nfsc *c, const struct nfsc_fh *from, struct name old,
	const struct nfsc_fh *to, struct name name, change_info4 *source,
	change_info4 *target)
{
	scope_compound struct nfsc_compound compound;
	const RENAME4resok *ok;
	RENAME4args *args;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, from);
	nfsc_add(&compound, OP_SAVEFH);
	nfsc_add_putfh(&compound, to);
	args = &nfsc_add(&compound, OP_RENAME)->oprename;
	args->oldname = wire_name(old);
	args->newname = wire_name(name);
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	ok = &nfsc_result(&compound, 3)->oprename.resok4;
	take_info(source, &ok->source_cinfo);
	take_info(target, &ok->target_cinfo);
	return 0;
}

int nfsc_link(struct nfsc *c, const struct nfsc_fh *file,
	const struct nfsc_fh *dir, struct name name, change_info4 *info)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, file);
	nfsc_add(&compound, OP_SAVEFH);
	nfsc_add_putfh(&compound, dir);
	nfsc_add(&compound, OP_LINK)->oplink.newname = wire_name(name);
	err = nfsc_run(c, &compound);
	if (err == 0)
		take_info(
			info, &nfsc_result(&compound, 3)->oplink.resok4.cinfo);
	return err;
}

static int create(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const createtype4 *type, const struct setattr *set, struct nfsc_fh *ret,
	change_info4 *info)
{
	scope_compound struct nfsc_compound compound;
	CREATE4args *args;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, dir);
	args = &nfsc_add(&compound, OP_CREATE)->opcreate;
	args->objtype = *type;
	args->objname = wire_name(name);
	if (!nfsc_make_attrs(&compound.arena, set, &args->createattrs))
		return -ENOMEM;
	nfsc_add(&compound, OP_GETFH);
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	take_info(info, &nfsc_result(&compound, 1)->opcreate.resok4.cinfo);
	return take_fh(&compound, 2, ret);
}

int nfsc_mkdir(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const struct setattr *set, struct nfsc_fh *ret, change_info4 *info)
{
	createtype4 type = {.type = NF4DIR};

	return create(c, dir, name, &type, set, ret, info);
}

int nfsc_symlink(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const char *target, struct nfsc_fh *ret, change_info4 *info)
{
	createtype4 type = {
		.type = NF4LNK, .linkdata = xdr_opaque_from_str(target)};

	return create(c, dir, name, &type, NULL, ret, info);
}

int nfsc_mknod(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	nfs_ftype4 kind, const struct setattr *set, struct nfsc_fh *ret,
	change_info4 *info)
{
	createtype4 type = {.type = kind};

	return create(c, dir, name, &type, set, ret, info);
}
