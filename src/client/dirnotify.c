/* SPDX-License-Identifier: MIT */
#include "client/dirnotify.h"

#include <string.h>

#include "base/htab.h"
#include "wire/notify4.h"

uint64_t dirnotify_verifier(const verifier4 verifier)
{
	uint64_t v = 0;

	for (size_t i = 0; i < NFS4_VERIFIER_SIZE; i++)
		v = v << 8 | (uint8_t)verifier[i];
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

struct attr dirnotify_attr(const struct fattr4_values *values)
{
	struct attr attr = values->attr;

	if (bitmap4_has(&values->mask, FATTR4_OWNER))
		attr.uid = owner_number(values->owner);
	if (bitmap4_has(&values->mask, FATTR4_OWNER_GROUP))
		attr.gid = owner_number(values->group);
	return attr;
}

static struct dircache_entry entry_of(
	struct name name, uint64_t cookie, const struct fattr4_values *values)
{
	return (struct dircache_entry){
		.name = name,
		.cookie = cookie,
		.mask = values->mask,
		.attr = dirnotify_attr(values),
		.handle = values->fh,
	};
}

nfsstat4 dirnotify_entry(const component4 *name, const fattr4 *attrs,
	uint64_t cookie, struct dircache_entry *ret)
{
	struct fattr4_values values;
	nfsstat4 status = fattr4_decode(attrs, &values);

	if (status != NFS4_OK)
		return status;
	*ret = entry_of((struct name){name->len, (const char *)name->data},
		cookie, &values);
	return NFS4_OK;
}

/* ---- changes ---- */

/* What is gone, or has another name now: no attributes are told of it. */
static struct dircache_entry bare(const struct change_entry *given)
{
	return (struct dircache_entry){
		.name = given->name, .cookie = given->cookie};
}

static struct dircache_change change_of(const struct notify4_event *event)
{
	const struct dir_change *c = &event->change;

	return (struct dircache_change){
		.kind = c->kind,
		.entry = entry_of(
			c->entry.name, c->entry.cookie, &event->values),
		.old = bare(&c->old),
		.overwritten = bare(&c->overwritten),
		.has_overwritten = c->has_overwritten,
		.has_previous = c->has_previous,
		.previous = c->previous,
		.previous_cookie = c->previous_cookie,
		.last = c->last,
		.old_verifier = c->old_verifier,
		.new_verifier = c->new_verifier,
	};
}

bool dirnotify_is_dots(struct name name)
{
	return (name.len == 1 || name.len == 2) && name.data[0] == '.' &&
		name.data[name.len - 1] == '.';
}

/* A name no directory can hold would only be passed on to somebody's tool. */
bool dirnotify_is_name(struct name name)
{
	return !dirnotify_is_dots(name) && name.len > 0 &&
		name.len <= NAME_LEN_MAX && !memchr(name.data, '/', name.len) &&
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

static nfsstat4 why_bad(
	const struct notify4_reader *r, const struct notify4_event *event)
{
	if (r->x.nomem)
		return NFS4ERR_SERVERFAULT;
	return event->change.kind < CHANGE_KINDS ? NFS4ERR_BADXDR
						 : NFS4ERR_INVAL;
}

nfsstat4 dirnotify_decode(const notify4 *given, struct arena *arena,
	dirnotify_each each, void *ctx)
{
	struct notify4_event event = {.change = {.no_position = false}};
	struct notify4_reader reader;
	struct dircache_change change;
	enum notify4_read got;

	if (given->notify_mask.beyond)
		return NFS4ERR_INVAL;
	notify4_read_init(&reader, given, arena);
	while ((got = notify4_read_next(&reader, &event)) ==
		NOTIFY4_READ_EVENT) {
		change = change_of(&event);
		if (!names_are_good(&change))
			return NFS4ERR_INVAL;
		if (each(ctx, &change))
			return NFS4ERR_SERVERFAULT;
	}
	return got == NOTIFY4_READ_END ? NFS4_OK : why_bad(&reader, &event);
}
