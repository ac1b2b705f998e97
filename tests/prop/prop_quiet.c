/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/dirattr.h"

/* How long attributes may take, which come late: behind time-outs, too. */
#define ATTRS_PATIENCE_S 120

static void account_all(struct world *w)
{
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		pthread_mutex_lock(&w->peers[i].lock);
		list_for_each_entry(h, &w->peers[i].holds, link)
			recall_account(w, h);
		pthread_mutex_unlock(&w->peers[i].lock);
	}
}

/* ---- models ---- */

/* One listing of each directory will do for all. */
struct listed {
	struct nfsc_fh dir;
	struct dircache *listing; /* NULL: it is gone */
	struct attr attr;         /* the directory's own */
};

struct listings {
	struct listed at[256];
	size_t n;
};

static struct listed *find_listed(
	struct world *w, struct listings *all, const struct nfsc_fh *dir)
{
	for (size_t i = 0; i < all->n; i++) {
		if (nfsc_fh_equal(&all->at[i].dir, dir))
			return &all->at[i];
	}
	if (all->n == sizeof(all->at) / sizeof(all->at[0]))
		prop_fail(w, "too many directories");
	return NULL;
}

static int read_listed(struct world *w, struct listed *l)
{
	bitmap4 child = fattr4_child_notifiable();
	bitmap4 dir = fattr4_dir_notifiable();
	struct fattr4_values values;
	int err = nfsc_getattr(w->referee, &l->dir, &dir, &values);

	if (err == 0)
		err = hold_list(w->referee, &l->dir, &child, l->listing);
	l->attr = values.attr;
	return err;
}

static struct listed *list_dir(
	struct world *w, struct listings *all, const struct nfsc_fh *dir)
{
	struct dircache_config config = {
		.keep = dirattr_known(), .ordered = true};
	struct listed *l = find_listed(w, all, dir);
	int err;

	if (l)
		return l;
	l = &all->at[all->n++];
	l->dir = *dir;
	l->listing = dircache_new(&config);
	err = read_listed(w, l);
	if (err && err != NFS4ERR_STALE)
		prop_fail(w, "listing for a comparison: %d", err);
	if (err) {
		dircache_free(l->listing);
		l->listing = NULL;
	}
	w->counts.listings++;
	return l;
}

/*
 * Others may have done to a name what makes two runs of changes look alike to
 * who is told of them: then nobody knows what its client did in between.
 */
static bool is_excused(struct world *w, struct hold *h)
{
	if (!w->options.local || !match_is_ambiguous(w, h))
		return false;
	w->counts.ambiguous++;
	h->usable = false;
	return true;
}

static void compare(struct world *w, struct hold *h,
	const struct dircache *model, const struct dircache *listing)
{
	struct dircache_compare how = {
		.cookies = !h->unsure,
		.order = hold_hears_all(h),
	};
	char why[512];

	bitmap4_set(&how.attrs, FATTR4_TYPE);
	bitmap4_set(&how.attrs, FATTR4_FILEID);
	bitmap4_set(&how.attrs, FATTR4_FILEHANDLE);
	if (!dircache_equal(model, listing, &how, why, sizeof(why))) {
		if (model == h->model && is_excused(w, h))
			return;
		match_show(w, h);
		prop_fail(w, "client %d, top %d, types %x, %s model: %s",
			h->peer->index, h->top, h->deleg.types.word[0],
			model == h->live ? "live" : "ordered", why);
	}
	if (hold_covers(h, CHANGE_COOKIE_VERIFIER) &&
		dircache_verifier(model) != dircache_verifier(listing))
		prop_fail(w, "client %d, top %d does not know the verifier",
			h->peer->index, h->top);
	w->counts.models++;
}

/*
 * Is all known of its model, or may something be on its way that happened just
 * before it was granted, and that no probe was behind? Or its recall, which is
 * tried again after an answer of DELAY, say, and takes the place of an event.
 */
static bool is_comparable(struct hold *h)
{
	bool lenient =
		weather_is_lenient(h->peer) || h->peer->world->options.local;

	return h->usable && h->state == HOLD_LIVE &&
		(h->probed || (h->granted == 0 && !lenient)) &&
		recall_reason_of(h) < 0;
}

static void check_models(struct world *w, struct hold *h, struct listings *all)
{
	const struct listed *l;

	if (!is_comparable(h))
		return;
	if (h->contradicted)
		prop_fail(w,
			"client %d, top %d still holds what it was told "
			"of in contradictions",
			h->peer->index, h->top);
	l = list_dir(w, all, &h->fh);
	if (!l->listing) {
		probe_lose(h);
		return;
	}
	dircache_settle(h->model);
	compare(w, h, h->model, l->listing);
	if (!h->usable)
		return;
	if (h->live) {
		dircache_settle(h->live);
		compare(w, h, h->live, l->listing);
	}
	h->settled = true;
}

/* ---- attributes ---- */

/* What a directory's own attributes are is known when it was told last. */
static const char *check_dir(
	struct world *w, struct hold *h, const struct listed *l, bool final)
{
	const char *wrong;

	if (!hold_covers(h, CHANGE_DIR_ATTRS) || !h->probed)
		return NULL;
	wrong = attrs_check_dir(w, h, &l->attr, false);
	if (final && !wrong)
		dirattr_copy(&h->dir_attr, &l->attr, &h->dir_mask);
	return wrong;
}

/* NULL: what @h knows is true. Its peer is locked. */
static const char *check_attrs(
	struct world *w, struct hold *h, struct listings *all, bool final)
{
	const struct listed *l;
	const char *wrong;

	if (!is_comparable(h))
		return NULL;
	l = list_dir(w, all, &h->fh);
	if (!l->listing)
		return NULL;
	match_rest(w, h);
	wrong = attrs_check(w, h, l->listing, final);
	return wrong ? wrong : check_dir(w, h, l, final);
}

static const char *check_attrs_of(struct world *w, struct peer *p,
	struct listings *all, struct hold **who, bool final)
{
	const char *wrong = NULL;
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	list_for_each_entry(h, &p->holds, link) {
		*who = h;
		wrong = check_attrs(w, h, all, final);
		if (wrong)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return wrong;
}

/* Attributes are told late, merged: they may still come. */
static void check_all_attrs(struct world *w, struct listings *all)
{
	time_t end = time(NULL) + ATTRS_PATIENCE_S;
	const char *wrong = NULL;
	struct hold *who = NULL;

	do {
		if (wrong)
			usleep(1000);
		for (int i = 0; i < PEERS; i++) {
			wrong = check_attrs_of(
				w, &w->peers[i], all, &who, false);
			if (wrong)
				break;
		}
	} while (wrong && time(NULL) <= end);
	if (wrong) {
		match_show(w, who);
		prop_fail(w, "client %d, top %d, types %x: %s",
			who->peer->index, who->top, who->deleg.types.word[0],
			wrong);
	}
	for (int i = 0; i < PEERS; i++)
		check_attrs_of(w, &w->peers[i], all, &who, true);
}

/* ---- the mode, before the probes tell everything else ---- */

static const char *wrong_mode(struct world *w, struct hold *h)
{
	bitmap4 want = {.beyond = false};
	struct fattr4_values values;

	if (h->state != HOLD_LIVE || !hold_covers(h, CHANGE_DIR_ATTRS) ||
		!bitmap4_has(&h->dir_mask, FATTR4_MODE))
		return NULL;
	bitmap4_set(&want, FATTR4_MODE);
	if (nfsc_getattr(w->referee, &h->fh, &want, &values) != 0)
		return NULL;
	return attrs_check_dir(w, h, &values.attr, true);
}

static const char *any_wrong_mode(struct world *w, struct hold **who)
{
	const char *wrong = NULL;
	struct hold *h;

	for (int i = 0; i < PEERS && !wrong; i++) {
		pthread_mutex_lock(&w->peers[i].lock);
		list_for_each_entry(h, &w->peers[i].holds, link) {
			*who = h;
			wrong = wrong_mode(w, h);
			if (wrong)
				break;
		}
		pthread_mutex_unlock(&w->peers[i].lock);
	}
	return wrong;
}

/* SETATTR of a directory is told by itself. */
static void check_modes(struct world *w)
{
	time_t end = time(NULL) + ATTRS_PATIENCE_S;
	const char *wrong;
	struct hold *who;

	while ((wrong = any_wrong_mode(w, &who))) {
		if (time(NULL) > end)
			prop_fail(w, "client %d, top %d: %s", who->peer->index,
				who->top, wrong);
		usleep(1000);
	}
}

/* ---- the next period ---- */

/* From now on everything is told. */
static void begin_anew(struct hold *h)
{
	struct event *e, *tmp;

	list_for_each_entry_safe(e, tmp, &h->events, link) {
		list_del(&e->link);
		free(e);
	}
	h->nentries = 0;
	h->quiet_told = false;
	h->probed = h->local_probed = false;
	h->local_made = h->local_unmade = false;
	h->granted = 0;
	h->asked = (struct moment){.seq = 0};
}

static void end_period(struct world *w, struct peer *p)
{
	struct hold *h, *tmp;

	pthread_mutex_lock(&p->lock);
	list_for_each_entry_safe(h, tmp, &p->holds, link) {
		if (h->state == HOLD_ENDED) {
			list_del(&h->link);
			hold_free(h);
		} else {
			begin_anew(h);
		}
	}
	pthread_mutex_unlock(&p->lock);
	p->changes = 0;
}

static void count_changes(struct world *w, uint64_t made[PEERS])
{
	bool fair = weather_lets_hold(w);

	for (size_t i = 0; i < spy_count(); i++) {
		const struct spy_change *c = spy_at(i);

		if (c->who >= PEERS)
			prop_fail(w, "a change by nobody");
		w->counts.local_told += c->local;
		if (c->who < 0 || c->kind == CHANGE_DIR_ATTRS)
			continue;
		made[c->who]++;
		w->counts.changes++;
		w->counts.changes_seen += c->seen;
		w->counts.fair_changes += fair;
		w->counts.fair_changes_seen += fair && c->seen;
		w->counts.verifier_moves += c->verifier_moved;
	}
}

/*
 * What is made and gone at once, because others took it, makes an operation
 * fail that did change something.
 */
static bool may_differ(const struct world *w, uint64_t made, uint64_t told)
{
	return w->weather.store_fails || (w->options.local && told < made);
}

/* Replies and the spy must agree on how much was done. */
static void check_changes(struct world *w)
{
	uint64_t made[PEERS] = {0};

	count_changes(w, made);
	for (int i = 0; i < PEERS; i++) {
		uint64_t told = w->peers[i].changes;

		if (made[i] != told && !may_differ(w, made[i], told))
			prop_fail(w,
				"client %d made %" PRIu64
				" changes, was told of %" PRIu64,
				i, made[i], told);
	}
}

static void check_holds(struct world *w, struct peer *p, struct listings *all)
{
	struct hold *h;

	/* Callbacks may wait: the listings do not depend on them. */
	pthread_mutex_lock(&p->lock);
	list_for_each_entry(h, &p->holds, link) {
		match_hold(w, h);
		check_models(w, h, all);
	}
	pthread_mutex_unlock(&p->lock);
}

static void check_all(struct world *w)
{
	struct listings *all = calloc(1, sizeof(*all));

	if (!all)
		abort();
	for (int i = 0; i < PEERS; i++)
		check_holds(w, &w->peers[i], all);
	check_all_attrs(w, all);
	for (size_t i = 0; i < all->n; i++)
		dircache_free(all->at[i].listing);
	free(all);
}

void quiet_point(struct world *w)
{
	weather_calm_store(w);
	probe_wait(w);
	if (w->options.local)
		probe_locally(w);
	check_modes(w);
	probe_all(w);
	account_all(w);
	check_all(w);
	check_changes(w);
	for (int i = 0; i < PEERS; i++)
		end_period(w, &w->peers[i]);
	spy_clear();
	w->counts.local_acts += actor_turn();
	w->counts.quiet_points++;
}
