/* SPDX-License-Identifier: MIT */
#include "wire/notify4.h"

#include <assert.h>

#include "wire/nfs4_xdr.h"
#include "wire/xdr_bitmap.h"

/* A change about to be told: what both its size and its bytes need. */
struct telling {
	const struct dir_change *change;
	const struct notify4_terms *terms;
	bitmap4 attrs; /* reported of change->entry */
	struct fattr4_source src;
};

static const bitmap4 no_attrs;

/* ---- can it be told? ---- */

static bitmap4 granted_attrs(
	enum change_kind kind, const struct notify4_terms *terms)
{
	if (kind == CHANGE_DIR_ATTRS)
		return terms->dir_attrs;
	if (kind == CHANGE_REMOVE_ENTRY || kind == CHANGE_COOKIE_VERIFIER)
		return no_attrs; /* of what is gone, the name is enough */
	return terms->child_attrs;
}

/* Every attribute that was granted, or none of it: a promise is a promise. */
static bool resolve_attrs(struct telling *t)
{
	const struct change_entry *entry = &t->change->entry;
	bitmap4 there;

	t->attrs = granted_attrs(t->change->kind, t->terms);
	if (bitmap4_empty(&t->attrs))
		return true;
	if (!entry->has_attr)
		return false;
	t->src.attr = &entry->attr;
	if (t->terms->resolve &&
		!t->terms->resolve(t->terms->context, entry, &t->src))
		return false;
	there = fattr4_available(&t->attrs, &t->src);
	return bitmap4_equal(&there, &t->attrs);
}

/* Does the change know the cookies and the position it should tell? */
static bool has_order(const struct dir_change *c)
{
	if (c->kind != CHANGE_REMOVE_ENTRY && c->kind != CHANGE_ADD_ENTRY &&
		c->kind != CHANGE_RENAME_ENTRY)
		return true;
	if (c->no_position || c->entry.cookie == COOKIE_NONE)
		return false;
	if (c->kind == CHANGE_RENAME_ENTRY && c->old.cookie == COOKIE_NONE)
		return false;
	if (c->has_overwritten && c->overwritten.cookie == COOKIE_NONE)
		return false;
	return !c->has_previous || c->previous_cookie != COOKIE_NONE;
}

static bool telling_init(struct telling *t, const struct dir_change *change,
	const struct notify4_terms *terms)
{
	*t = (struct telling){
		.change = change,
		.terms = terms,
		.src = {.server = terms->server, .minorversion = 2},
	};
	if (change->kind >= CHANGE_KINDS)
		return false;
	if (terms->ordered && !has_order(change))
		return false;
	return resolve_attrs(t);
}

/* ---- sizes: each is what its put_ below writes ---- */

static size_t name_size(uint32_t len)
{
	return 4 + xdr_padded(len);
}

/* A name without attributes. */
static size_t bare_size(const struct name *name)
{
	return name_size(name->len) + 8;
}

static size_t entry_size(const struct telling *t)
{
	return name_size(t->change->entry.name.len) +
		fattr4_encoded_size(&t->attrs, &t->src);
}

static size_t remove_size(const struct change_entry *e)
{
	return bare_size(&e->name) + 8;
}

static size_t add_size(const struct telling *t)
{
	const struct dir_change *c = t->change;
	size_t size = 4 + entry_size(t) + 4 + 4 + 4;

	if (c->has_overwritten)
		size += remove_size(&c->overwritten);
	if (t->terms->ordered)
		size += 8;
	if (t->terms->ordered && c->has_previous)
		size += bare_size(&c->previous) + 8;
	return size;
}

static size_t body_size(const struct telling *t)
{
	switch (t->change->kind) {
	case CHANGE_CHILD_ATTRS:
	case CHANGE_DIR_ATTRS:
		return entry_size(t);
	case CHANGE_REMOVE_ENTRY:
		return remove_size(&t->change->entry);
	case CHANGE_ADD_ENTRY:
		return add_size(t);
	case CHANGE_RENAME_ENTRY:
		return remove_size(&t->change->old) + add_size(t);
	default:
		return 2 * NFS4_VERIFIER_SIZE;
	}
}

/* The mask, one word for bits below 32, and the length of the values. */
#define HEADER_SIZE (4 + 4 + 4)

size_t notify4_size(
	const struct dir_change *change, const struct notify4_terms *terms)
{
	struct telling t;

	if (!telling_init(&t, change, terms))
		return 0;
	return HEADER_SIZE + body_size(&t);
}

size_t notify4_size_max(const struct notify4_terms *terms)
{
	size_t name = name_size(NAME_LEN_MAX);
	size_t bare = name + 8 + 8; /* no attributes, a cookie */
	size_t dir = name_size(0) + fattr4_size_max(&terms->dir_attrs);
	size_t add = 4 + bare + name + fattr4_size_max(&terms->child_attrs) +
		4 + 8 + 4 + bare + 4;
	size_t rename = bare + add;

	return HEADER_SIZE + (dir > rename ? dir : rename);
}

/* ---- bytes ---- */

static void put_name(struct xdr *x, const struct name *name)
{
	struct xdr_opaque bytes = xdr_opaque_from(name->data, name->len);

	xdr_put_opaque_var(x, &bytes, UINT32_MAX);
}

static void put_bare(struct xdr *x, const struct name *name)
{
	put_name(x, name);
	fattr4_encode_empty(x);
}

static void put_entry(struct xdr *x, const struct telling *t)
{
	put_name(x, &t->change->entry.name);
	fattr4_encode(x, &t->attrs, &t->src);
}

/* The cookie of what is gone has to stand there; 0 says nothing. */
static void put_remove(
	struct xdr *x, const struct telling *t, const struct change_entry *e)
{
	put_bare(x, &e->name);
	xdr_put_u64(x, t->terms->ordered ? e->cookie : COOKIE_NONE);
}

static void put_add(struct xdr *x, const struct telling *t)
{
	const struct dir_change *c = t->change;
	bool ordered = t->terms->ordered;
	bool previous = ordered && c->has_previous;

	xdr_put_u32(x, c->has_overwritten); /* nad_old_entry<1> */
	if (c->has_overwritten)
		put_remove(x, t, &c->overwritten);
	put_entry(x, t);
	xdr_put_u32(x, ordered); /* nad_new_entry_cookie<1> */
	if (ordered)
		xdr_put_u64(x, c->entry.cookie);
	xdr_put_u32(x, previous); /* nad_prev_entry<1> */
	if (previous) {
		put_bare(x, &c->previous);
		xdr_put_u64(x, c->previous_cookie);
	}
	xdr_put_bool(x, ordered && c->last);
}

static void put_body(struct xdr *x, const struct telling *t)
{
	switch (t->change->kind) {
	case CHANGE_CHILD_ATTRS:
	case CHANGE_DIR_ATTRS:
		put_entry(x, t);
		break;
	case CHANGE_REMOVE_ENTRY:
		put_remove(x, t, &t->change->entry);
		break;
	case CHANGE_ADD_ENTRY:
		put_add(x, t);
		break;
	case CHANGE_RENAME_ENTRY:
		put_remove(x, t, &t->change->old);
		put_add(x, t);
		break;
	default:
		xdr_put_u64(x, t->change->old_verifier);
		xdr_put_u64(x, t->change->new_verifier);
	}
}

bool notify4_put(struct xdr *x, const struct dir_change *change,
	const struct notify4_terms *terms)
{
	bitmap4 mask = {.beyond = false};
	struct telling t;
	size_t size, start;

	if (!telling_init(&t, change, terms))
		return false;
	size = body_size(&t);
	bitmap4_set(&mask, change->kind);
	nfs4_put_bitmap4(x, &mask);
	xdr_put_u32(x, (uint32_t)size);
	start = xdr_pos(x);
	put_body(x, &t);
	if (x->bad)
		return false;
	assert(xdr_pos(x) - start == size);
	return true;
}
