/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dirnotify.h"

/* For one CB_NOTIFY. */
#define EVENT_ARENA (1024 * 1024)

/* ---- terms ---- */

static enum terms usual_terms(struct rand_stream *rand)
{
	uint64_t dice = rand_stream_below(rand, 100);

	if (dice < 15)
		return TERMS_NONE;
	if (dice < 60)
		return TERMS_UNORDERED;
	return dice < 85 ? TERMS_ORDERED : TERMS_CLASSIC;
}

void hold_choose_terms(struct world *w, struct rand_stream *rand)
{
	for (int p = 0; p < PEERS; p++) {
		for (int top = 0; top < TOPS; top++) {
			enum terms *t = &w->terms[p][top];

			*t = usual_terms(rand);
			if (top == TOP_PARTIAL &&
				rand_stream_below(rand, 5) < 2)
				*t = TERMS_PARTIAL;
			if (top == TOP_RECALL && rand_stream_below(rand, 5) < 2)
				*t = TERMS_RECALL;
		}
	}
}

static bitmap4 random_attrs(struct peer *p)
{
	bitmap4 all = fattr4_child_notifiable(), set = {.beyond = false};
	uint64_t dice = prop_below(p, 8);

	if (dice == 0)
		return set;
	if (dice == 1)
		return all;
	for (unsigned bit = 0; bit < BITMAP4_BITS; bit++) {
		if (bitmap4_has(&all, bit) && prop_below(p, 2))
			bitmap4_set(&set, bit);
	}
	if (dice < 6) {
		bitmap4_set(&set, FATTR4_TYPE);
		bitmap4_set(&set, FATTR4_FILEID);
		bitmap4_set(&set, FATTR4_FILEHANDLE);
	}
	return set;
}

static void choose_want(struct hold *h)
{
	struct peer *p = h->peer;
	bitmap4 *types = &h->want.types;

	if (!terms_are_notified(h->terms))
		return;
	bitmap4_set(types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(types, NOTIFY4_REMOVE_ENTRY);
	bitmap4_set(types, NOTIFY4_RENAME_ENTRY);
	if (h->terms == TERMS_PARTIAL)
		bitmap4_clear(types,
			prop_below(p, 2) ? NOTIFY4_RENAME_ENTRY
					 : NOTIFY4_REMOVE_ENTRY);
	if (h->terms != TERMS_CLASSIC)
		bitmap4_set(types, NOTIFY4_GFLAG_EXTEND);
	if (h->terms == TERMS_ORDERED)
		bitmap4_set(types, NOTIFY4_CFLAG_ORDER);
	h->want.child_attrs = random_attrs(p);
}

bool hold_covers(const struct hold *h, enum change_kind kind)
{
	return bitmap4_has(&h->deleg.types, kind);
}

/* ---- life ---- */

static struct dircache *new_model(const struct hold *h)
{
	struct dircache_config config = {.keep = dirattr_known(),
		.ordered = terms_are_ordered(h->terms)};
	struct dircache *m = dircache_new(&config);

	if (!m)
		abort();
	return m;
}

static struct hold *hold_new(
	struct peer *p, int top, const struct nfsc_fh *dir, enum terms terms)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->peer = p;
	h->top = top;
	h->fh = *dir;
	h->dir = prop_fileid(p->world, dir);
	h->terms = terms;
	list_init(&h->events);
	h->model = new_model(h);
	/* In a narrow hash cookies may move before the recall is here. */
	if (terms_are_ordered(terms) && !p->world->options.narrow) {
		h->live = new_model(h);
		dircache_fill_begin(h->live);
	}
	choose_want(h);
	return h;
}

void hold_free(struct hold *h)
{
	struct event *e, *tmp;

	list_for_each_entry_safe(e, tmp, &h->events, link)
		free(e);
	dircache_free(h->model);
	dircache_free(h->live);
	free(h);
}

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

static struct hold *find_dir(struct peer *p, const struct nfsc_fh *dir)
{
	struct hold *h;

	list_for_each_entry(h, &p->holds, link) {
		if (h->state != HOLD_ENDED && nfsc_fh_equal(&h->fh, dir))
			return h;
	}
	return NULL;
}

bool hold_is_watched(struct peer *p, const struct nfsc_fh *dir)
{
	bool found = false;

	for (int i = 0; i < PEERS && !found; i++) {
		struct peer *other = &p->world->peers[i];
		struct hold *h;

		if (other == p)
			continue;
		pthread_mutex_lock(&other->lock);
		h = find_dir(other, dir);
		found = h && h->state == HOLD_LIVE &&
			terms_are_notified(h->terms);
		pthread_mutex_unlock(&other->lock);
	}
	return found;
}

static void take_moment(struct world *w, struct moment *m)
{
	for (int i = 0; i < PEERS; i++)
		m->done[i] = w->peers[i].done;
	m->seq = spy_seq();
}

/* ---- asking ---- */

static void granted(void *ctx, const struct nfsc_deleg *deleg)
{
	struct hold *h = ctx;

	pthread_mutex_lock(&h->peer->lock);
	h->deleg = *deleg;
	h->granted = spy_seq();
	h->state = HOLD_LIVE;
	pthread_mutex_unlock(&h->peer->lock);
}

/* We get all we ask for, or the server is not the one under test. */
static void check_grant(const struct hold *h)
{
	bitmap4 can = fattr4_child_notifiable();
	bitmap4 attrs = bitmap4_and(&h->want.child_attrs, &can);

	if (!bitmap4_equal(&h->deleg.types, &h->want.types))
		prop_fail(h->peer->world, "asked for types %x, granted %x",
			h->want.types.word[0], h->deleg.types.word[0]);
	if (terms_are_notified(h->terms) &&
		!bitmap4_equal(&h->deleg.child_attrs, &attrs))
		prop_fail(h->peer->world, "granted other attributes");
}

struct listing {
	struct hold *hold; /* NULL: only `model` */
	struct dircache *model;
};

static int list_entry_cb(void *ctx, const struct dircache_entry *entry)
{
	struct listing *l = ctx;
	int err = dircache_fill_entry(l->model, entry);

	if (err == 0 && l->hold && l->hold->live) {
		pthread_mutex_lock(&l->hold->peer->lock);
		err = dircache_fill_entry(l->hold->live, entry);
		pthread_mutex_unlock(&l->hold->peer->lock);
	}
	return err;
}

static int list_once(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, struct listing *l, struct nfsc_page *page)
{
	dircache_fill_begin(l->model);
	return nfsc_readdir(c, dir, attrs, page, list_entry_cb, l);
}

int hold_list(struct nfsc *c, const struct nfsc_fh *dir, const bitmap4 *attrs,
	struct dircache *model)
{
	struct listing l = {.model = model};
	struct nfsc_page page = {.cookie = 0};
	int err = list_once(c, dir, attrs, &l, &page);

	if (err)
		return err;
	err = dircache_fill_end(model, dirnotify_verifier(page.verifier));
	dircache_settle(model);
	return err;
}

/* A verifier that moves under the listing: begin again. */
static int fill(struct hold *h)
{
	struct peer *p = h->peer;
	struct listing l = {.hold = h, .model = h->model};
	bitmap4 attrs = h->deleg.child_attrs;
	struct nfsc_page page;
	int err, tries = 0;

	bitmap4_set(&attrs, FATTR4_TYPE);
	bitmap4_set(&attrs, FATTR4_FILEID);
	bitmap4_set(&attrs, FATTR4_FILEHANDLE);
	h->filled = spy_seq();
	do {
		page = (struct nfsc_page){.cookie = 0};
		err = list_once(p->client, &h->fh, &attrs, &l, &page);
	} while (err == NFS4ERR_NOT_SAME && ++tries < 10);
	if (err)
		return err;
	if (!p->world->options.narrow &&
		memcmp(page.verifier, h->deleg.verifier, sizeof(verifier4)))
		prop_fail(p->world, "the grant has another verifier");
	err = dircache_fill_end(h->model, dirnotify_verifier(page.verifier));
	if (err == 0 && h->live) {
		pthread_mutex_lock(&p->lock);
		err = dircache_fill_end(
			h->live, dirnotify_verifier(page.verifier));
		pthread_mutex_unlock(&p->lock);
	}
	if (err)
		prop_fail(p->world, "filling a model: %d", err);
	return 0;
}

void hold_ask(
	struct peer *p, int top, const struct nfsc_fh *dir, enum terms terms)
{
	struct hold *h;
	int err;

	pthread_mutex_lock(&p->lock);
	h = terms == TERMS_NONE ? NULL : find_dir(p, dir);
	pthread_mutex_unlock(&p->lock);
	if (terms == TERMS_NONE || h)
		return;
	h = hold_new(p, top, dir, terms);
	pthread_mutex_lock(&p->lock);
	list_add_tail(&p->holds, &h->link);
	pthread_mutex_unlock(&p->lock);
	take_moment(p->world, &h->asked);
	/* The hold's own copy is the handlers': it is there before they are. */
	struct nfsc_deleg answer;

	err = nfsc_get_dir_delegation(
		p->client, dir, &h->want, granted, h, &answer);
	pthread_mutex_lock(&p->lock);
	if (h->state == HOLD_ASKING)
		list_del(&h->link);
	pthread_mutex_unlock(&p->lock);
	if (list_empty(&h->link)) {
		if (err < 0)
			prop_fail(p->world, "GET_DIR_DELEGATION: %d", err);
		hold_free(h);
		p->world->refusals++;
		return;
	}
	p->world->grants++;
	check_grant(h);
	h->usable = terms_are_notified(terms) && fill(h) == 0;
}

/* ---- callbacks ---- */

static void keep(struct dircache_entry *entry, char **at)
{
	if (entry->name.len)
		memcpy(*at, entry->name.data, entry->name.len);
	entry->name.data = *at;
	*at += entry->name.len;
	if (entry->handle.len)
		memcpy(*at, entry->handle.data, entry->handle.len);
	entry->handle.data = (uint8_t *)*at;
	*at += entry->handle.len;
}

static size_t bytes_of(const struct dircache_entry *entry)
{
	return entry->name.len + entry->handle.len;
}

/* A copy of what came, for the quiet point. */
static int keep_event(void *ctx, const struct dircache_change *change)
{
	struct hold *h = ctx;
	struct world *w = h->peer->world;
	struct event *e = malloc(sizeof(*e) + bytes_of(&change->entry) +
		bytes_of(&change->old) + bytes_of(&change->overwritten) +
		change->previous.len);
	char *at;
	int err;

	if (!e)
		abort();
	e->change = *change;
	at = e->bytes;
	keep(&e->change.entry, &at);
	keep(&e->change.old, &at);
	keep(&e->change.overwritten, &at);
	if (change->previous.len)
		memcpy(at, change->previous.data, change->previous.len);
	e->change.previous.data = at;
	list_add_tail(&h->events, &e->link);
	h->nevents++;
	if (change->kind == CHANGE_REMOVE_ENTRY &&
		name_equal(change->entry.name, prop_name(w, NAME_QUIET)))
		h->quiet_told = true;
	err = h->live ? dircache_apply(h->live, change) : 0;
	if (err)
		prop_fail(w, "client %d top %d: %s", h->peer->index, h->top,
			dircache_contradiction(h->live));
	return 0;
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
		if (h->state == HOLD_LIVE)
			h->state = HOLD_RECALLED;
		if (h->state != HOLD_ENDED)
			status = NFS4_OK;
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return status;
}

void hold_handlers(struct peer *p, struct nfsc_handlers *ret)
{
	ret->notify = on_notify;
	ret->recall = on_recall;
	ret->ctx = p;
}

/* ---- returning ---- */

/* It may have ended already, with its directory. */
static void check_return(const struct hold *h, int err)
{
	if (err == 0 || prop_is_lenient(h->peer))
		return;
	if ((err == NFS4ERR_STALE || err == NFS4ERR_BAD_STATEID) &&
		spy_doomed(&h->dir))
		return;
	prop_fail(h->peer->world, "DELEGRETURN of client %d, top %d: %d",
		h->peer->index, h->top, err);
}

/* @h is RETURNING, and ours. */
static void do_return(struct hold *h)
{
	struct peer *p = h->peer;
	int err;

	take_moment(p->world, &h->returning);
	err = nfsc_delegreturn(p->client, &h->fh, &h->deleg.stateid, NULL);
	check_return(h, err);
	pthread_mutex_lock(&p->lock);
	h->state = HOLD_ENDED;
	h->returned = spy_seq();
	h->lost = err != 0;
	pthread_mutex_unlock(&p->lock);
	p->world->returns++;
}

static struct hold *take_in_state(struct peer *p, enum hold_state state)
{
	struct hold *h;

	list_for_each_entry(h, &p->holds, link) {
		if (h->state != state)
			continue;
		h->state = HOLD_RETURNING;
		return h;
	}
	return NULL;
}

void *hold_returner(void *peer)
{
	struct peer *p = peer;
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		h = take_in_state(p, HOLD_RECALLED);
		if (!h) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		do_return(h);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void hold_return_some(struct peer *p)
{
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	h = take_in_state(p, HOLD_LIVE);
	pthread_mutex_unlock(&p->lock);
	if (h)
		do_return(h);
}

void hold_return_all(struct peer *p)
{
	struct hold *h;

	do {
		pthread_mutex_lock(&p->lock);
		h = take_in_state(p, HOLD_LIVE);
		pthread_mutex_unlock(&p->lock);
		if (h)
			do_return(h);
	} while (h);
}
