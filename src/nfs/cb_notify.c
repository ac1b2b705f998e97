/* SPDX-License-Identifier: MIT */
/* CB_NOTIFY (RFC 8881 20.4): a batch of a delegation's queue on its way. */
#include "nfs/cb.h"

#include <stdlib.h>

#include "nfs/fh.h"
#include "state/batch.h"
#include "state/deleg.h"
#include "state/deleg_count.h"
#include "state/dirdeleg.h"
#include "state/dirform.h"
#include "state/policy_dirdeleg.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

/* The most changes of one CB_NOTIFY; more follow in the next. */
#define BATCH_MAX 512

struct notify_task {
	struct cb_task cb;
	struct deleg *deleg; /* the reference send_notify() came with */
	struct slot_ref grant;
	size_t taken;              /* events of this batch, with references */
	size_t encoded;            /* of them, in this request */
	struct dir_event **events; /* NULL until there is a slot for them */
};

static struct notify_task *notify_of(struct cb_task *task)
{
	return container_of(task, struct notify_task, cb);
}

/* ---- encoding ---- */

/* What the wire floor cannot know of an entry: its filehandle here. */
struct resolver {
	struct nfs_server *server;
	const struct export *export; /* of the delegation's own handle */
	uint8_t fh[NFS4_FHSIZE];
};

static bool resolve_entry(void *context, const struct change_entry *entry,
	struct fattr4_source *src)
{
	struct resolver *r = context;

	if (entry->child.len == 0 || !r->export)
		return false;
	src->fh = xdr_opaque_from(
		r->fh, fh_encode(r->server, r->export, &entry->child, r->fh));
	return true;
}

/* One request being filled. */
struct filling {
	struct xdr *out;
	const struct deleg *deleg;
	struct notify4_terms terms;
	size_t reserve; /* for the directory's own attributes, at the end */
	uint32_t count; /* notify4s written */
	struct dir_event *of_dir; /* the last event that knew those */
};

/* What CHANGE_DIR_ATTRS takes: a mask, a length, an empty name, the values. */
static size_t dir_attrs_size(const struct deleg *d)
{
	if (bitmap4_empty(&d->terms->dir_attrs))
		return 0;
	return (8 + 4) + 4 + fattr4_size_max(&d->terms->dir_attrs);
}

static struct dir_form_key form_key(const struct deleg *d, bool of_dir_attr)
{
	const bitmap4 *attrs =
		of_dir_attr ? &d->terms->dir_attrs : &d->terms->child_attrs;

	return (struct dir_form_key){
		.attrs = *attrs,
		.via = bitmap4_has(attrs, FATTR4_FILEHANDLE) ? d->via : 0,
		.ordered = d->order_aware && !of_dir_attr,
		.of_dir_attr = of_dir_attr,
	};
}

static bool encode_entry(struct filling *f, const struct dir_event *e)
{
	struct dir_change change;

	dir_event_read(e, &change);
	return notify4_put(f->out, &change, &f->terms);
}

static bool encode_dir_attr(struct filling *f, const struct dir_event *e)
{
	struct dir_change of_event;
	struct dir_change change = {.kind = CHANGE_DIR_ATTRS};

	dir_event_read(e, &of_event);
	change.entry.has_attr = true;
	change.entry.attr = of_event.dir_attr;
	node_copy_id(f->deleg->sid.node, &change.entry.child);
	return notify4_put(f->out, &change, &f->terms);
}

/* As others were told it, or encoded: for them, too, if there are others. */
static bool put_form(struct filling *f, struct dir_event *e, bool of_dir_attr)
{
	const struct dir_form_key key = form_key(f->deleg, of_dir_attr);
	struct xdr_opaque form = dir_form_find(e, &key);
	size_t start = xdr_pos(f->out);

	if (form.len)
		return xdr_put_opaque_fixed(f->out, form.data, form.len);
	if (!(of_dir_attr ? encode_dir_attr(f, e) : encode_entry(f, e)))
		return false;
	deleg_count_encoded(f->deleg);
	if (dir_form_is_wanted(e))
		dir_form_keep(e, &key,
			xdr_opaque_from(f->out->data + start,
				(uint32_t)(xdr_pos(f->out) - start)));
	return true;
}

/* Those of the directory itself come last, as of the last event told. */
static bool put_event(struct filling *f, struct dir_event *e)
{
	size_t mark = xdr_mark(f->out);

	if (e->kind != CHANGE_DIR_ATTRS) {
		if (!put_form(f, e, false) || xdr_left(f->out) < f->reserve) {
			xdr_truncate(f->out, mark);
			return false;
		}
		f->count++;
	}
	if (f->reserve && dir_event_has_dir_attr(e))
		f->of_dir = e;
	return true;
}

/*
 * Those of the directory itself at the end. False: they cannot be told, and so
 * nothing is.
 */
static bool put_dir_attrs(struct filling *f)
{
	if (!f->of_dir)
		return true;
	if (!put_form(f, f->of_dir, true))
		return false;
	f->count++;
	return true;
}

/*
 * As many events as fit, in their order; returns how many notify4s those are.
 */
static uint32_t put_events(struct notify_task *nt, struct xdr *out)
{
	const struct deleg *d = nt->deleg;
	struct resolver resolver = {
		.server = nt->cb.server,
		.export = exports_find(&nt->cb.server->exports, d->via),
	};
	const struct fattr4_server server = {0}; /* no attribute needs it */
	struct filling f = {
		.out = out,
		.deleg = d,
		.terms =
			{
				.child_attrs = d->terms->child_attrs,
				.dir_attrs = d->terms->dir_attrs,
				.ordered = d->order_aware,
				.server = &server,
				.resolve = resolve_entry,
				.context = &resolver,
			},
		.reserve = dir_attrs_size(d),
	};

	while (nt->encoded < nt->taken &&
		put_event(&f, nt->events[nt->encoded]))
		nt->encoded++;
	if (!put_dir_attrs(&f))
		nt->encoded = 0;
	return f.count;
}

/* Only now, since many may wait for a slot. False: there is none. */
static bool take_events(struct notify_task *nt)
{
	struct dir_event **less;

	nt->events = malloc(BATCH_MAX * sizeof(struct dir_event *));
	if (!nt->events)
		return false;
	nt->taken = batch_take(nt->deleg, nt->events, BATCH_MAX);
	if (nt->taken == 0)
		return false;
	less = realloc(nt->events, nt->taken * sizeof(struct dir_event *));
	if (less)
		nt->events = less;
	return true;
}

static int notify_encode(struct cb_task *task, struct xdr *out, size_t room)
{
	struct notify_task *nt = notify_of(task);
	const struct deleg *d = nt->deleg;
	const nfs_fh4 fh = xdr_opaque_from(d->fh, d->fh_len);
	stateid4 stateid;
	size_t count_at;

	if (!take_events(nt))
		return -1;
	stateid_to_wire(&d->sid, &stateid);
	stateid.seqid = 0; /* callbacks name the latest (8.2.2) */
	xdr_put_u32(out, OP_CB_NOTIFY);
	nfs4_put_stateid4(out, &stateid);
	nfs4_put_nfs_fh4(out, &fh);
	count_at = xdr_reserve(out, 4);
	if (out->bad)
		return -1;
	xdr_patch_u32(out, count_at, put_events(nt, out));
	return nt->encoded ? 1 : -1;
}

static size_t notify_largest(const struct cb_task *task)
{
	const struct notify_task *nt =
		container_of(task, struct notify_task, cb);
	const struct deleg *d = nt->deleg;

	return dirdeleg_worst_request(d->fh_len,
		fattr4_size_max(&d->terms->child_attrs),
		fattr4_size_max(&d->terms->dir_attrs));
}

static const struct slot_ref *notify_referring(struct cb_task *task)
{
	struct notify_task *nt = notify_of(task);

	nt->grant = nt->deleg->grant;
	return session_slot_ref_is_fresh(task->server->state, &nt->grant)
		? &nt->grant
		: NULL;
}

/* ---- the end ---- */

static enum batch_result result_of(
	const struct notify_task *nt, enum cb_end end, nfsstat4 status)
{
	if (end == CB_END_NOTHING && !nt->events)
		return BATCH_AGAIN; /* no memory */
	if (end == CB_END_NOTHING)
		return nt->taken ? BATCH_TOO_LARGE : BATCH_OK;
	if (end == CB_END_DOWN)
		return BATCH_AGAIN;
	if (end == CB_END_FAILED)
		return BATCH_ERROR;
	switch (status) {
	case NFS4_OK:
		return BATCH_OK;
	case NFS4ERR_DELAY:
		return BATCH_AGAIN;
	case NFS4ERR_BADHANDLE:
	case NFS4ERR_BAD_STATEID:
		return BATCH_UNKNOWN;
	default:
		return BATCH_ERROR;
	}
}

static void notify_done(struct cb_task *task, enum cb_end end, nfsstat4 status)
{
	struct notify_task *nt = notify_of(task);
	enum batch_result result = result_of(nt, end, status);

	if (result == BATCH_OK)
		deleg_count_delivered(nt->deleg, nt->events, nt->encoded);
	for (size_t i = 0; i < nt->taken; i++)
		dir_event_put(nt->events[i]);
	batch_done(nt->deleg, result == BATCH_OK ? nt->encoded : 0, result);
	free(nt->events);
	free(nt);
}

static const struct cb_kind notify_kind = {
	.counted_as = COUNT_CB_NOTIFY,
	.encode = notify_encode,
	.done = notify_done,
	.largest = notify_largest,
	.referring = notify_referring,
};

void cb_notify_send(void *ctx, struct deleg *d)
{
	struct notify_task *nt = malloc(sizeof(*nt));

	if (!nt) {
		batch_done(d, 0, BATCH_AGAIN);
		return;
	}
	nt->deleg = d;
	nt->taken = 0;
	nt->encoded = 0;
	nt->events = NULL;
	cb_submit(&nt->cb, &notify_kind, ctx, d->sid.client);
}
