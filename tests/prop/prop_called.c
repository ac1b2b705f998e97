/* SPDX-License-Identifier: MIT */
/* What a client is called back for: events are kept, recalls handed on. */
#include "prop.h"

#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dirnotify.h"

/* For one CB_NOTIFY. */
#define EVENT_ARENA (1024 * 1024)

/* ---- events ---- */

/* A copy of what came, for the quiet point. */
static struct event *event_new(const struct dircache_change *change)
{
	struct event *e = malloc(sizeof(*e) + dircache_change_bytes(change));

	if (!e)
		abort();
	dircache_change_copy(&e->change, change, e->bytes);
	e->applied = false;
	return e;
}

static void note_kind(struct hold *h, const struct dircache_change *change)
{
	const struct world *w = h->peer->world;
	const struct dircache_entry *entry = &change->entry;

	if (!hold_covers(h, change->kind))
		prop_fail(w, "told of kind %d, which was not granted",
			change->kind);
	switch (change->kind) {
	case CHANGE_DIR_ATTRS:
		dirattr_copy(&h->dir_attr, &entry->attr, &entry->mask);
		h->dir_mask = bitmap4_or(&h->dir_mask, &entry->mask);
		break;
	case CHANGE_REMOVE_ENTRY:
		h->quiet_told |=
			name_equal(entry->name, prop_name(w, NAME_QUIET));
		h->local_unmade |=
			name_equal(entry->name, prop_name(w, NAME_LOCAL));
		h->nentries++;
		break;
	case CHANGE_ADD_ENTRY:
		h->local_made |=
			name_equal(entry->name, prop_name(w, NAME_LOCAL));
		h->nentries++;
		break;
	case CHANGE_RENAME_ENTRY:
		h->nentries++;
		break;
	default:
		break;
	}
}

/*
 * Without memory to write down what was told, changes of ours are told as they
 * are, and a recall follows for those of others: see check_models().
 */
static void contradicted(struct hold *h)
{
	const struct world *w = h->peer->world;

	if (!w->options.local || !w->weather.memory)
		prop_fail(w, "client %d top %d: %s", h->peer->index, h->top,
			dircache_contradiction(h->live));
	h->contradicted = true;
}

static int keep_event(void *ctx, const struct dircache_change *change)
{
	struct hold *h = ctx;
	struct event *e = event_new(change);

	list_add_tail(&h->events, &e->link);
	note_kind(h, change);
	if (h->live && dircache_apply(h->live, change) != 0)
		contradicted(h);
	return 0;
}

/* ---- callbacks ---- */

static struct hold *find_stateid(struct peer *p, const stateid4 *stateid)
{
	struct hold *h;

	list_for_each_entry(h, &p->holds, link) {
		if (h->state != HOLD_ASKING &&
			nfsc_stateid_equal(&h->deleg.stateid, stateid))
			return h;
	}
	return NULL;
}

static nfsstat4 notify_hold(struct hold *h, const CB_NOTIFY4args *args)
{
	struct world *w = h->peer->world;
	struct arena arena;
	nfsstat4 status = NFS4_OK;

	if (h->state == HOLD_ENDED && !h->lost)
		prop_fail(w, "CB_NOTIFY after DELEGRETURN was answered");
	if (args->cna_fh.len != h->fh.len ||
		memcmp(args->cna_fh.data, h->fh.data, h->fh.len))
		prop_fail(w, "CB_NOTIFY with another filehandle");
	arena_init(&arena, EVENT_ARENA);
	for (uint32_t i = 0; i < args->cna_changes.count; i++) {
		status = dirnotify_decode(
			&args->cna_changes.items[i], &arena, keep_event, h);
		if (status != NFS4_OK)
			prop_fail(w, "CB_NOTIFY does not decode: %d", status);
	}
	arena_fini(&arena);
	return NFS4_OK;
}

static nfsstat4 on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	struct peer *p = ctx;
	nfsstat4 status = NFS4ERR_BAD_STATEID;
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	h = find_stateid(p, &args->cna_stateid);
	if (h)
		status = notify_hold(h, args);
	pthread_mutex_unlock(&p->lock);
	return status;
}

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct peer *p = ctx;
	nfsstat4 status = NFS4ERR_BAD_STATEID;
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	h = find_stateid(p, &args->stateid);
	if (h) {
		h->recalled = true;
		if (h->reason < 0)
			h->reason = recall_reason_of(h);
		if (h->state == HOLD_LIVE)
			h->state = HOLD_RECALLED;
		if (h->state != HOLD_ENDED)
			status = NFS4_OK;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return status;
}

static nfsstat4 on_recall_any(void *ctx, const CB_RECALL_ANY4args *args)
{
	struct peer *p = ctx;

	p->give_some = true;
	return NFS4_OK;
}

static void on_event(void *ctx, enum nfsc_event event)
{
	struct peer *p = ctx;

	if (event == NFSC_REVOKED || event == NFSC_RESTARTED)
		p->revoked = true;
}

void hold_handlers(struct peer *p, struct nfsc_handlers *ret)
{
	ret->notify = on_notify;
	ret->recall = on_recall;
	ret->recall_any = on_recall_any;
	ret->event = on_event;
	ret->ctx = p;
}
