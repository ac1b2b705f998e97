/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/dirattr.h"
#include "state/deleg.h"
#include "store/fault.h"

/* How long to wait for what must come. */
#define PATIENCE_S 120

/* ---- waiting ---- */

struct waiting {
	unsigned returns; /* recalled, not returned yet */
	unsigned untold;  /* live, and not told of the quiet point yet */
};

static void count_waiting(struct peer *p, bool probed, struct waiting *n)
{
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	list_for_each_entry(h, &p->holds, link) {
		if (h->state == HOLD_RECALLED || h->state == HOLD_RETURNING)
			n->returns++;
		if (probed && h->state == HOLD_LIVE &&
			terms_are_notified(h->terms) && !h->quiet_told)
			n->untold++;
	}
	pthread_mutex_unlock(&p->lock);
}

static void wait_for_all(struct world *w, bool probed)
{
	time_t end = time(NULL) + PATIENCE_S;
	struct waiting n;

	for (;;) {
		n = (struct waiting){.returns = 0};
		for (int i = 0; i < PEERS; i++)
			count_waiting(&w->peers[i], probed, &n);
		if (n.returns == 0 && n.untold == 0)
			return;
		if (time(NULL) > end)
			prop_fail(w, "%u returns and %u notifications missing",
				n.returns, n.untold);
		usleep(500);
	}
}

/* ---- what nobody can have missed ---- */

static bool is_probed(
	const struct nfsc_fh *done, size_t ndone, const struct nfsc_fh *dir)
{
	for (size_t i = 0; i < ndone; i++) {
		if (nfsc_fh_equal(&done[i], dir))
			return true;
	}
	return false;
}

/*
 * It went with its directory, without a word: only its own remover's does.
 * Under the peer's lock.
 */
static void lose(struct world *w, struct hold *h)
{
	if (!spy_doomed(&h->dir))
		prop_fail(w, "a held directory is gone, but nobody removed it");
	if (h->state == HOLD_LIVE) {
		h->state = HOLD_ENDED;
		h->lost = true;
	}
}

/* The last changes before the checks: who was told of them was told of all. */
static int probe(struct world *w, const struct nfsc_fh *dir)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};
	struct name name = prop_name(w, NAME_QUIET);
	struct nfsc_fh made;
	int err = nfsc_mkdir(w->referee, dir, name, &set, &made, NULL);

	if (err == NFS4ERR_STALE)
		return err;
	if (err == 0)
		err = nfsc_remove(w->referee, dir, name, NULL);
	if (err)
		prop_fail(w, "the quiet point's changes: %d", err);
	return 0;
}

static bool is_told(struct hold *h)
{
	bool told;

	pthread_mutex_lock(&h->peer->lock);
	told = h->state == HOLD_LIVE && terms_are_notified(h->terms);
	pthread_mutex_unlock(&h->peer->lock);
	return told;
}

static void probe_all(struct world *w)
{
	struct nfsc_fh done[256];
	size_t n = 0;
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		/* Only states change beside us: the list is ours. */
		list_for_each_entry(h, &w->peers[i].holds, link) {
			if (!is_told(h) || is_probed(done, n, &h->fh))
				continue;
			if (probe(w, &h->fh) != 0) {
				pthread_mutex_lock(&h->peer->lock);
				lose(w, h);
				pthread_mutex_unlock(&h->peer->lock);
			} else if (n < sizeof(done) / sizeof(done[0])) {
				done[n++] = h->fh;
			}
		}
	}
}

/* ---- recalls ---- */

static bool was_moved(const struct hold *h)
{
	for (size_t i = 0; i < spy_count(); i++) {
		const struct spy_change *c = spy_at(i);

		if (c->verifier_moved && c->who != h->peer->index &&
			fileid_equal(&c->dir, &h->dir))
			return true;
	}
	return false;
}

/* A healthy client whose mask covers the changes sees no recall. */
static void check_explained(struct world *w, const struct hold *h)
{
	if (h->terms == TERMS_PARTIAL || h->terms == TERMS_RECALL ||
		prop_is_lenient(h->peer) || h->moved)
		return;
	if (h->top < 0 && (spy_doomed(&h->dir) || spy_set(&h->dir)))
		return;
	prop_fail(w, "client %d was recalled in top %d for nothing",
		h->peer->index, h->top);
}

/*
 * Over the whole run. Who returned by itself may have been counted as recalled,
 * and so is whose recall for a moved verifier is still on its way.
 */
static void expect(struct world *w, struct hold *h, uint64_t *on_their_way)
{
	struct expected *e = &w->expected;
	bool recall_only = h->terms == TERMS_RECALL;

	h->moved |= was_moved(h);
	if (h->recalled) {
		check_explained(w, h);
		*(recall_only ? &e->conflict : &e->other) += 1;
	} else if (h->state == HOLD_ENDED) {
		*(recall_only ? &e->maybe_conflict : &e->maybe_other) += 1;
	} else {
		*on_their_way += h->moved;
	}
}

static bool within(uint64_t n, uint64_t sure, uint64_t maybe)
{
	return n >= sure && n <= sure + maybe;
}

static void check_reasons(struct world *w, uint64_t on_their_way)
{
	const struct expected *e = &w->expected;
	uint64_t *n = w->counts.recalls, other, odd = 0;
	struct state_stats stats;

	state_read_stats(w->server.server->state, &stats);
	for (int r = 0; r < RECALL_REASONS; r++) {
		n[r] = stats.recalls_by_reason[r];
		odd += n[r];
	}
	other = n[RECALL_UNSUBSCRIBED] + n[RECALL_DIRECTORY_REMOVED];
	odd -= n[RECALL_CONFLICT] + other;
	if (w->options.fault != FAULT_NOTHING)
		return;
	if (odd)
		prop_fail(w, "%" PRIu64 " recalls for odd reasons", odd);
	if (!within(n[RECALL_CONFLICT], e->conflict,
		    e->maybe_conflict + on_their_way))
		prop_fail(w,
			"%" PRIu64 " recalls for conflict, expected %" PRIu64
			" (+%" PRIu64 ")",
			n[RECALL_CONFLICT], e->conflict,
			e->maybe_conflict + on_their_way);
	if (!within(other, e->other, e->maybe_other + on_their_way))
		prop_fail(w,
			"%" PRIu64 " + %" PRIu64 " recalls, expected %" PRIu64
			" (+%" PRIu64 ")",
			n[RECALL_UNSUBSCRIBED], n[RECALL_DIRECTORY_REMOVED],
			e->other, e->maybe_other + on_their_way);
}

static void check_recalls(struct world *w)
{
	uint64_t on_their_way = 0;
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		pthread_mutex_lock(&w->peers[i].lock);
		list_for_each_entry(h, &w->peers[i].holds, link)
			expect(w, h, &on_their_way);
		pthread_mutex_unlock(&w->peers[i].lock);
	}
	check_reasons(w, on_their_way);
}

/* ---- models ---- */

/* One listing of each directory will do for all. */
struct listed {
	struct nfsc_fh dir;
	struct dircache *listing; /* NULL: it is gone */
};

struct listings {
	struct listed at[256];
	size_t n;
};

static struct dircache *list_dir(
	struct world *w, struct listings *all, const struct nfsc_fh *dir)
{
	struct dircache_config config = {
		.keep = dirattr_known(), .ordered = true};
	bitmap4 attrs = fattr4_child_notifiable();
	struct listed *l;
	int err;

	for (size_t i = 0; i < all->n; i++) {
		if (nfsc_fh_equal(&all->at[i].dir, dir))
			return all->at[i].listing;
	}
	if (all->n == sizeof(all->at) / sizeof(all->at[0]))
		prop_fail(w, "too many directories");
	l = &all->at[all->n++];
	l->dir = *dir;
	l->listing = dircache_new(&config);
	err = hold_list(w->referee, dir, &attrs, l->listing);
	if (err && err != NFS4ERR_STALE)
		prop_fail(w, "listing for a comparison: %d", err);
	if (err) {
		dircache_free(l->listing);
		l->listing = NULL;
	}
	w->counts.listings++;
	return l->listing;
}

static void compare(struct world *w, const struct hold *h,
	const struct dircache *model, const struct dircache *listing)
{
	struct dircache_compare how = {
		.cookies = !h->unsure,
		.order = terms_are_ordered(h->terms),
	};
	char why[512];

	bitmap4_set(&how.attrs, FATTR4_TYPE);
	bitmap4_set(&how.attrs, FATTR4_FILEID);
	bitmap4_set(&how.attrs, FATTR4_FILEHANDLE);
	if (!dircache_equal(model, listing, &how, why, sizeof(why)))
		prop_fail(w, "client %d, top %d, terms %d, %s model: %s",
			h->peer->index, h->top, h->terms,
			model == h->live ? "live" : "ordered", why);
	w->counts.models++;
}

struct attr_check {
	struct world *w;
	const struct hold *h;
};

/*
 * Attributes told are those of the event: still true if nothing touched the
 * object since. Of a change value a newer one may be given at any time, and
 * reading moves the time of access.
 */
static bool check_attrs(void *ctx, const struct dircache_entry *listed)
{
	struct attr_check *c = ctx;
	struct world *w = c->w;
	struct dircache_entry known;
	struct nfsc_fh fh;
	struct fileid id;
	bitmap4 both;
	unsigned bit;
	char told[64], now[64];
	int i = prop_name_index(w, listed->name);

	if (i < 0 || !dircache_find(c->h->model, listed->name, &known))
		return true;
	nfsc_fh_copy(&fh, listed->handle);
	id = prop_fileid(w, &fh);
	w->counts.entries++;
	if (spy_touched(&id) > c->h->snap[i])
		return true;
	both = bitmap4_and(&known.mask, &listed->mask);
	bitmap4_clear(&both, FATTR4_CHANGE);
	bitmap4_clear(&both, FATTR4_TIME_ACCESS);
	if (w->options.posix_path)
		bitmap4_clear(&both, FATTR4_SPACE_USED);
	bit = dirattr_first_difference(&known.attr, &listed->attr, &both);
	if (bit < BITMAP4_BITS) {
		dirattr_show(&known.attr, bit, told, sizeof(told));
		dirattr_show(&listed->attr, bit, now, sizeof(now));
		prop_fail(w, "attribute %u of \"%.*s\": %s told, %s now", bit,
			(int)listed->name.len, listed->name.data, told, now);
	}
	for (bit = 0; bit < BITMAP4_BITS; bit++)
		w->counts.attrs += bitmap4_has(&both, bit);
	return true;
}

static void check_models(struct world *w, struct hold *h, struct listings *all)
{
	struct attr_check attrs = {.w = w, .h = h};
	struct dircache *listing;

	if (!h->usable || h->state != HOLD_LIVE)
		return;
	listing = list_dir(w, all, &h->fh);
	if (!listing) {
		lose(w, h);
		return;
	}
	dircache_settle(h->model);
	compare(w, h, h->model, listing);
	dircache_each(listing, check_attrs, &attrs);
	if (h->live) {
		dircache_settle(h->live);
		compare(w, h, h->live, listing);
	}
	h->settled = true;
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
	h->nevents = 0;
	h->quiet_told = false;
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

/* Replies and the spy must agree on how much was done. */
static void check_changes(struct world *w)
{
	uint64_t made[PEERS] = {0};

	for (size_t i = 0; i < spy_count(); i++) {
		const struct spy_change *c = spy_at(i);

		if (c->who >= PEERS)
			prop_fail(w, "a change by nobody");
		if (c->who < 0)
			continue;
		made[c->who]++;
		w->counts.changes++;
		w->counts.changes_seen += c->seen;
		w->counts.verifier_moves += c->verifier_moved;
	}
	for (int i = 0; i < PEERS; i++) {
		if (made[i] != w->peers[i].changes &&
			w->options.fault != FAULT_STORE)
			prop_fail(w,
				"client %d made %" PRIu64
				" changes, was told of %" PRIu64,
				i, made[i], w->peers[i].changes);
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

void quiet_point(struct world *w)
{
	struct listings *all = calloc(1, sizeof(*all));

	if (!all)
		abort();
	if (w->options.fault == FAULT_STORE) {
		for (int call = 0; call <= FAULT_ALL; call++)
			fault_fail(w->server.store, call, 0, 0);
	}
	wait_for_all(w, false);
	probe_all(w);
	wait_for_all(w, true);
	check_recalls(w);
	for (int i = 0; i < PEERS; i++)
		check_holds(w, &w->peers[i], all);
	check_changes(w);
	for (int i = 0; i < PEERS; i++)
		end_period(w, &w->peers[i]);
	for (size_t i = 0; i < all->n; i++)
		dircache_free(all->at[i].listing);
	free(all);
	spy_clear();
	w->counts.quiet_points++;
}
