/* SPDX-License-Identifier: MIT */
/* The client's side of wire/notify4.h. */
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

static bool take_name(const component4 *from, struct name *to)
{
	to->len = from->len;
	to->data = (const char *)from->data;
	return from->len <= NAME_LEN_MAX;
}

/* The name of an entry; only a directory's own notification has none. */
static bool take_entry_name(const component4 *from, struct change_entry *to)
{
	return from->len > 0 && take_name(from, &to->name);
}

static bool take_attrs(const fattr4 *from, struct notify4_event *to)
{
	struct change_entry *entry = &to->change.entry;

	if (fattr4_decode(from, &to->values) != NFS4_OK)
		return false;
	entry->has_attr = !bitmap4_empty(&from->attrmask);
	entry->attr = to->values.attr;
	return true;
}

static bool read_attr(struct xdr *x, struct notify4_event *to)
{
	notify_entry4 *changed;
	notify_attr4 body;
	bool named = to->change.kind == CHANGE_CHILD_ATTRS;

	if (!nfs4_get_notify_attr4(x, &body))
		return false;
	changed = &body.na_changed_entry;
	if (!take_name(&changed->ne_file, &to->change.entry.name))
		return false;
	if (named && changed->ne_file.len == 0)
		return false;
	return take_attrs(&changed->ne_attrs, to);
}

static bool take_removed(const notify_remove4 *from, struct change_entry *to)
{
	to->cookie = from->nrm_old_entry_cookie;
	return take_entry_name(&from->nrm_old_entry.ne_file, to);
}

static bool take_added(const notify_add4 *from, struct notify4_event *to)
{
	struct dir_change *c = &to->change;

	c->has_overwritten = from->nad_old_entry.count;
	if (c->has_overwritten &&
		!take_removed(from->nad_old_entry.items, &c->overwritten))
		return false;
	if (from->nad_new_entry_cookie.count)
		c->entry.cookie = *from->nad_new_entry_cookie.items;
	c->has_previous = from->nad_prev_entry.count;
	if (c->has_previous) {
		const prev_entry4 *p = from->nad_prev_entry.items;

		c->previous_cookie = p->pe_prev_entry_cookie;
		if (!take_name(&p->pe_prev_entry.ne_file, &c->previous))
			return false;
	}
	c->last = from->nad_last_entry;
	return take_entry_name(&from->nad_new_entry.ne_file, &c->entry) &&
		take_attrs(&from->nad_new_entry.ne_attrs, to);
}

static bool read_remove(struct xdr *x, struct notify4_event *to)
{
	notify_remove4 body;

	return nfs4_get_notify_remove4(x, &body) &&
		take_removed(&body, &to->change.entry);
}

static bool read_add(struct xdr *x, struct notify4_event *to)
{
	notify_add4 body;

	return nfs4_get_notify_add4(x, &body) && take_added(&body, to);
}

static bool read_rename(struct xdr *x, struct notify4_event *to)
{
	notify_rename4 body;

	return nfs4_get_notify_rename4(x, &body) &&
		take_removed(&body.nrn_old_entry, &to->change.old) &&
		take_added(&body.nrn_new_entry, to);
}

static bool read_verifier(struct xdr *x, struct notify4_event *to)
{
	xdr_get_u64(x, &to->change.old_verifier);
	return xdr_get_u64(x, &to->change.new_verifier);
}

static bool read_event(struct xdr *x, struct notify4_event *to)
{
	switch (to->change.kind) {
	case CHANGE_CHILD_ATTRS:
	case CHANGE_DIR_ATTRS:
		return read_attr(x, to);
	case CHANGE_REMOVE_ENTRY:
		return read_remove(x, to);
	case CHANGE_ADD_ENTRY:
		return read_add(x, to);
	case CHANGE_RENAME_ENTRY:
		return read_rename(x, to);
	case CHANGE_COOKIE_VERIFIER:
		return read_verifier(x, to);
	default:
		return false; /* its length is unknown */
	}
}

void notify4_read_init(
	struct notify4_reader *r, const notify4 *given, struct arena *arena)
{
	xdr_init_decode(
		&r->x, given->notify_vals.data, given->notify_vals.len, arena);
	r->mask = given->notify_mask;
	r->bit = bitmap4_next(&r->mask, 0);
}

enum notify4_read notify4_read_next(
	struct notify4_reader *r, struct notify4_event *ret)
{
	if (r->bit == BITMAP4_BITS) {
		if (r->mask.beyond || xdr_left(&r->x))
			return NOTIFY4_READ_BAD;
		return NOTIFY4_READ_END;
	}
	memset(ret, 0, sizeof(*ret));
	ret->change.kind = (enum change_kind)r->bit;
	if (!read_event(&r->x, ret))
		return NOTIFY4_READ_BAD;
	r->bit = bitmap4_next(&r->mask, r->bit + 1);
	return NOTIFY4_READ_EVENT;
}
