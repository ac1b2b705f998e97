/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dirnotify.h"
#include "state/client.h"
#include "state/deleg_private.h"
#include "state/dirdeleg.h"

/* For one CB_NOTIFY. */
#define EVENT_ARENA (1024 * 1024)

/* ---- life ---- */

static struct dircache *new_model(const struct hold *h)
{
	struct dircache_config config = {
		.keep = dirattr_known(), .ordered = hold_hears_all(h)};
	struct dircache *m = dircache_new(&config);

	if (!m)
		abort();
	return m;
}

/* In a narrow hash cookies may move before the recall for it is here. */
static bool is_fed(const struct hold *h)
{
	const uint32_t moves = UINT32_C(1) << CHANGE_COOKIE_VERIFIER;

	return hold_hears_all(h) &&
		(!h->peer->world->options.narrow ||
			(h->terms.kinds & dirdeleg_supported() & moves));
}

static struct hold *hold_new(struct peer *p, int top, int via,
	const struct nfsc_fh *dir, const struct terms *terms)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->peer = p;
	h->top = top;
	h->via = via;
	h->fh = *dir;
	h->dir = prop_fileid(p->world, dir);
	h->inode = prop_inode(p->world, &h->dir);
	h->terms = *terms;
	h->reason = -1;
	list_init(&h->events);
	h->model = new_model(h);
	if (is_fed(h)) {
		h->live = new_model(h);
		dircache_fill_begin(h->live);
	}
	terms_make_want(h);
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

static bool is_told_of(struct hold *h, int who, const struct fileid *dir)
{
	return h->state == HOLD_LIVE && hold_is_probed(h) &&
		!hold_is_own(h, who) && fileid_equal(&h->dir, dir);
}

bool hold_is_watched(struct peer *p, const struct nfsc_fh *dir)
{
	struct fileid id = prop_fileid(p->world, dir);
	bool found = false;

	for (int i = 0; i < PEERS && !found; i++) {
		struct peer *other = &p->world->peers[i];
		struct hold *h;

		pthread_mutex_lock(&other->lock);
		list_for_each_entry(h, &other->holds, link)
			found |= is_told_of(h, p->index, &id);
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
	h->filled = h->looked = spy_seq();
	for (int i = 0; i < ALL_NAMES; i++)
		h->known[i].since_ns = p->world->began_ns;
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

/* What a client reads when it takes up the delegation. */
static void read_dir_attrs(struct hold *h)
{
	struct peer *p = h->peer;
	struct fattr4_values values;
	bitmap4 fresh;

	if (!hold_covers(h, CHANGE_DIR_ATTRS) ||
		nfsc_getattr(p->client, &h->fh, &h->deleg.dir_attrs, &values))
		return;
	pthread_mutex_lock(&p->lock);
	fresh = bitmap4_minus(&values.mask, &h->dir_mask);
	dirattr_copy(&h->dir_attr, &values.attr, &fresh);
	h->dir_mask = bitmap4_or(&h->dir_mask, &fresh);
	pthread_mutex_unlock(&p->lock);
}

static void take_up(struct hold *h)
{
	h->peer->world->grants++;
	terms_check_grant(h);
	read_dir_attrs(h);
	h->usable = !bitmap4_empty(&h->deleg.types) && fill(h) == 0;
}

static void refused(struct hold *h, int err)
{
	struct peer *p = h->peer;

	if (err < 0 && p->expiries == 0)
		prop_fail(p->world, "GET_DIR_DELEGATION: %d", err);
	hold_free(h);
	p->world->refusals++;
}

void hold_ask(struct peer *p, int top, int via, const struct nfsc_fh *dir,
	const struct terms *terms)
{
	/* The hold's own copy is the handlers': it is there before they are. */
	struct nfsc_deleg answer;
	struct hold *h;
	bool is_granted;
	int err;

	pthread_mutex_lock(&p->lock);
	h = find_dir(p, dir);
	pthread_mutex_unlock(&p->lock);
	if (h || !terms->ask)
		return;
	h = hold_new(p, top, via, dir, terms);
	pthread_mutex_lock(&p->lock);
	list_add_tail(&p->holds, &h->link);
	pthread_mutex_unlock(&p->lock);
	take_moment(p->world, &h->asked);
	h->born = h->asked.seq;
	err = nfsc_get_dir_delegation(
		p->client, dir, &h->want, granted, h, &answer);
	pthread_mutex_lock(&p->lock);
	is_granted = h->state != HOLD_ASKING;
	if (!is_granted)
		list_del(&h->link);
	pthread_mutex_unlock(&p->lock);
	if (is_granted)
		take_up(h);
	else
		refused(h, err);
}

void hold_ask_top(struct peer *p, int top)
{
	struct world *w = p->world;
	int via = w->options.overlap ? (int)prop_below(p, EXPORTS) : p->via;

	hold_ask(p, top, via, &w->tops[via][top], &w->terms[p->index][top]);
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
static struct event *event_new(const struct dircache_change *change)
{
	struct event *e = malloc(sizeof(*e) + bytes_of(&change->entry) +
		bytes_of(&change->old) + bytes_of(&change->overwritten) +
		change->previous.len);
	char *at;

	if (!e)
		abort();
	e->change = *change;
	e->applied = false;
	at = e->bytes;
	keep(&e->change.entry, &at);
	keep(&e->change.old, &at);
	keep(&e->change.overwritten, &at);
	if (change->previous.len)
		memcpy(at, change->previous.data, change->previous.len);
	e->change.previous.data = at;
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

static int keep_event(void *ctx, const struct dircache_change *change)
{
	struct hold *h = ctx;
	struct event *e = event_new(change);

	list_add_tail(&h->events, &e->link);
	note_kind(h, change);
	if (h->live && dircache_apply(h->live, change) != 0)
		prop_fail(h->peer->world, "client %d top %d: %s",
			h->peer->index, h->top,
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

/* ---- the end ---- */

static bool is_revoked(int status)
{
	return status == NFS4ERR_EXPIRED || status == NFS4ERR_DELEG_REVOKED;
}

/* It may have ended already: with its directory, or for what its client did. */
static void check_end(const struct hold *h, int status)
{
	const struct peer *p = h->peer;

	if (status == NFS4_OK)
		return;
	if (status == NFS4ERR_DELEG_REVOKED && h->state == HOLD_NEGLECTED)
		return;
	if (p->expiries &&
		(status == NFS4ERR_EXPIRED || status == NFS4ERR_BAD_STATEID))
		return;
	if ((status == NFS4ERR_STALE || status == NFS4ERR_BAD_STATEID) &&
		(recall_is_doomed(h) || weather_is_lenient(p)))
		return;
	if (status == NFS4ERR_IO && p->world->weather.store_fails)
		return;
	prop_fail(p->world,
		"the delegation of client %d, top %d, state %d ended with %d",
		p->index, h->top, h->state, status);
}

/* Under the peer's lock. */
static void end(struct hold *h, bool lost)
{
	h->state = HOLD_ENDED;
	h->returned = spy_seq();
	h->lost = lost;
}

/* Revoked: the server keeps it until it is told that this was noticed. */
static void let_go(struct hold *h)
{
	struct peer *p = h->peer;
	int err = nfsc_free_stateid(p->client, &h->deleg.stateid);

	if (err && !p->expiries)
		prop_fail(p->world, "FREE_STATEID: %d", err);
	p->world->revoked++;
}

/* ---- returning ---- */

/* @h is RETURNING, and ours. */
static void do_return(struct hold *h)
{
	struct peer *p = h->peer;
	int err;

	take_moment(p->world, &h->returning);
	err = nfsc_delegreturn(p->client, &h->fh, &h->deleg.stateid, NULL);
	check_end(h, err);
	if (is_revoked(err))
		let_go(h);
	pthread_mutex_lock(&p->lock);
	end(h, err != 0);
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

/* Waiting for a lease to pass would take too long. */
static void hurry_revocation(struct hold *h)
{
	struct deleg *d = recall_find(h);

	if (!d)
		return;
	lock_acquire(&d->sid.node->lock);
	lock_acquire(&deleg_books(d)->lock);
	d->recall_until = books_now_ms(deleg_books(d));
	lock_release(&deleg_books(d)->lock);
	lock_release(&d->sid.node->lock);
	deleg_put(d);
}

static void neglect(struct hold *h)
{
	struct peer *p = h->peer;

	pthread_mutex_lock(&p->lock);
	h->state = HOLD_NEGLECTED;
	pthread_mutex_unlock(&p->lock);
	hurry_revocation(h);
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
		if (weather_strikes(p, MISCHIEF_NEGLECT))
			neglect(h);
		else
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

/* ---- what was revoked ---- */

#define SWEPT_MAX 256

static bool is_held(const struct hold *h)
{
	return h->state == HOLD_LIVE || h->state == HOLD_RECALLED ||
		h->state == HOLD_NEGLECTED;
}

static unsigned list_held(
	struct peer *p, struct hold *holds[SWEPT_MAX], stateid4 *stateids)
{
	struct hold *h;
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	list_for_each_entry(h, &p->holds, link) {
		if (!is_held(h) || n == SWEPT_MAX)
			continue;
		holds[n] = h;
		stateids[n++] = h->deleg.stateid;
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* True: it has to be freed. The returner may have been faster. */
static bool end_revoked(struct hold *h, nfsstat4 status)
{
	struct peer *p = h->peer;
	bool ours;

	pthread_mutex_lock(&p->lock);
	ours = is_held(h);
	if (ours) {
		check_end(h, (int)status);
		end(h, true);
	}
	pthread_mutex_unlock(&p->lock);
	return ours && is_revoked((int)status);
}

void hold_sweep(struct peer *p)
{
	struct hold *holds[SWEPT_MAX];
	stateid4 stateids[SWEPT_MAX];
	nfsstat4 status[SWEPT_MAX];
	unsigned n = list_held(p, holds, stateids);
	int err = nfsc_test_stateids(p->client, stateids, n, status);

	if (err)
		prop_fail(p->world, "TEST_STATEID: %d", err);
	for (unsigned i = 0; i < n; i++) {
		if (status[i] != NFS4_OK && end_revoked(holds[i], status[i]))
			let_go(holds[i]);
	}
}
