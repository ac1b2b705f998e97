/* SPDX-License-Identifier: MIT */
/*
 * What a holder was told against what happened. The changes of its directory
 * that it hears of stand in the spy's order; what it was told must be a run of
 * them without a gap, which begins and ends where its delegation did. Where
 * exactly is not known for what happened beside the grant or the return, but
 * every change that was surely after the grant, and surely over before the
 * return, must be in, and none that was surely outside may be.
 */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum where { SURELY_IN, MAYBE, SURELY_OUT };

struct match {
	struct world *w;
	struct hold *h;
	struct spy_change **heard; /* that it may hear of, in order */
	struct event **events;
	size_t nheard;
};

/* ---- what a hold hears of ---- */

static bool hears(const struct hold *h, const struct spy_change *c)
{
	return hold_covers(h, c->kind) &&
		(c->who != h->peer->index || terms_are_ordered(h->terms));
}

static bool was_over(const struct spy_change *c, const struct moment *m)
{
	if (c->who < 0)
		return c->seq <= m->seq; /* the referee is alone */
	return c->seq <= m->done[c->who];
}

static enum where where_is(const struct hold *h, const struct spy_change *c)
{
	bool ended = h->state == HOLD_ENDED && !h->lost;

	if (was_over(c, &h->asked))
		return SURELY_OUT;
	if (ended && c->seq > h->returned)
		return SURELY_OUT;
	if (c->seq <= h->granted)
		return MAYBE;
	if (h->lost || (ended && !was_over(c, &h->returning)))
		return MAYBE;
	/* Its recall may have met its return, and never been sent. */
	if ((h->recalled || ended) && prop_is_lenient(h->peer))
		return MAYBE;
	return SURELY_IN;
}

/* While it was held, nothing it cannot be told of may have happened. */
static void check_uncovered(
	struct world *w, const struct hold *h, const struct spy_change *c)
{
	bool held = c->seq > h->granted && !h->lost &&
		(h->state != HOLD_ENDED || c->seq <= h->returning.seq);

	if (held && !hold_covers(h, c->kind) && c->who != h->peer->index)
		prop_fail(w,
			"client %d, top %d: change %d of \"%.*s\" by %d "
			"(%" PRIu64 ") while it was held without it",
			h->peer->index, h->top, c->kind, (int)c->name.len,
			c->name.bytes, c->who, c->seq);
}

/* ---- one event, one change ---- */

static bool same(const struct spy_name *n, struct name name)
{
	return name_equal(spy_name(n), name);
}

static const char *wrong_names(
	const struct spy_change *c, const struct dircache_change *e)
{
	if (e->kind != c->kind)
		return "kind";
	if (!same(&c->name, e->entry.name))
		return "name";
	if (c->kind == CHANGE_RENAME_ENTRY && !same(&c->old, e->old.name))
		return "old name";
	if (c->has_overwritten != e->has_overwritten)
		return "overwritten or not";
	if (c->has_overwritten && !same(&c->name, e->overwritten.name))
		return "overwritten name";
	return NULL;
}

static const char *wrong_order(
	const struct spy_change *c, const struct dircache_change *e)
{
	if (c->cookie == COOKIE_NONE || e->entry.cookie != c->cookie)
		return "cookie";
	if (c->kind == CHANGE_REMOVE_ENTRY)
		return NULL;
	if (c->kind == CHANGE_RENAME_ENTRY && e->old.cookie != c->old_cookie)
		return "old cookie";
	if (c->has_overwritten &&
		e->overwritten.cookie != c->overwritten_cookie)
		return "overwritten cookie";
	if (c->has_previous != e->has_previous)
		return "previous entry or none";
	if (c->has_previous && !same(&c->previous, e->previous))
		return "previous name";
	if (c->has_previous && e->previous_cookie != c->previous_cookie)
		return "previous cookie";
	return c->last != e->last ? "last flag" : NULL;
}

static const char *wrong_attrs(const struct match *m,
	const struct spy_change *c, const struct dircache_change *e)
{
	bitmap4 want = m->h->deleg.child_attrs;
	struct nfsc_fh fh;
	struct fileid id;

	if (c->kind == CHANGE_REMOVE_ENTRY)
		return NULL;
	bitmap4_clear(&want, FATTR4_TIME_CREATE); /* not every store has it */
	if (!bitmap4_subset(&want, &e->entry.mask) ||
		!bitmap4_subset(&e->entry.mask, &m->h->deleg.child_attrs))
		return "attributes";
	if (!bitmap4_has(&want, FATTR4_FILEHANDLE))
		return NULL;
	nfsc_fh_copy(&fh, e->entry.handle);
	id = prop_fileid(m->w, &fh);
	return fileid_equal(&id, &c->child) ? NULL : "filehandle";
}

static const char *wrong(const struct match *m, const struct spy_change *c,
	const struct event *event)
{
	const struct dircache_change *e = &event->change;
	const char *what = wrong_names(c, e);

	if (!what && terms_are_ordered(m->h->terms))
		what = wrong_order(c, e);
	return what ? what : wrong_attrs(m, c, e);
}

/* ---- the run ---- */

static void show_change(const struct match *m, const struct spy_change *c)
{
	static const char *const where[] = {"in", "maybe", "out"};

	fprintf(stderr,
		"  %" PRIu64 " %s by %d: kind %d \"%.*s\" old \"%.*s\"%s\n",
		c->seq, where[where_is(m->h, c)], c->who, c->kind,
		(int)c->name.len, c->name.bytes, (int)c->old.len, c->old.bytes,
		c->has_overwritten ? " overwrites" : "");
}

static void show(const struct match *m)
{
	const struct hold *h = m->h;

	fprintf(stderr,
		"client %d top %d terms %d state %d recalled %d lost %d "
		"asked %" PRIu64 " granted %" PRIu64 " returning %" PRIu64
		" returned %" PRIu64 "\nhappened:\n",
		h->peer->index, h->top, h->terms, h->state, h->recalled,
		h->lost, h->asked.seq, h->granted, h->returning.seq,
		h->returned);
	for (size_t i = 0; i < m->nheard; i++)
		show_change(m, m->heard[i]);
	fprintf(stderr, "told:\n");
	for (unsigned i = 0; i < h->nevents; i++) {
		const struct dircache_change *e = &m->events[i]->change;

		fprintf(stderr, "  kind %d \"%.*s\" old \"%.*s\"%s\n", e->kind,
			(int)e->entry.name.len, e->entry.name.data,
			(int)e->old.name.len, e->old.name.data,
			e->has_overwritten ? " overwrites" : "");
	}
}

/* Is what was told the run that begins at @from? How far is it right? */
static bool fits(
	const struct match *m, size_t from, size_t *right, const char **what)
{
	size_t n = m->h->nevents;

	*right = 0;
	*what = "a gap, or too much";
	if (from + n > m->nheard)
		return false;
	for (size_t i = 0; i < m->nheard; i++) {
		bool in = i >= from && i < from + n;
		enum where where = where_is(m->h, m->heard[i]);

		if (where == (in ? SURELY_OUT : SURELY_IN))
			return false;
		if (!in)
			continue;
		*what = wrong(m, m->heard[i], m->events[i - from]);
		if (*what)
			return false;
		*what = "a gap, or too much";
		++*right;
	}
	return true;
}

static size_t find_run(const struct match *m)
{
	const char *what, *best_what = "nothing like it";
	size_t right, best = 0;

	for (size_t from = 0; from + m->h->nevents <= m->nheard; from++) {
		if (fits(m, from, &right, &what))
			return from;
		if (right >= best) {
			best = right;
			best_what = what;
		}
	}
	show(m);
	prop_fail(m->w, "told something else than what happened: %s after %zu",
		best_what, best);
}

/* ---- the model ---- */

static void note_snap(struct hold *h, struct world *w,
	const struct spy_change *c, bool has_attrs)
{
	int to = prop_name_index(w, spy_name(&c->name));
	int from = c->kind == CHANGE_RENAME_ENTRY
		? prop_name_index(w, spy_name(&c->old))
		: -1;

	if (c->kind == CHANGE_REMOVE_ENTRY || to < 0)
		return;
	if (!has_attrs)
		h->snap[to] = from >= 0 ? h->snap[from] : 0;
	else if (!h->settled && h->filled < c->seq)
		h->snap[to] = h->filled;
	else
		h->snap[to] = c->seq;
}

static void apply(struct match *m, const struct spy_change *c,
	const struct dircache_change *e)
{
	struct hold *h = m->h;
	int err;

	if (!h->usable || h->state != HOLD_LIVE) /* or nobody compares it */
		return;
	err = dircache_apply(h->model, e);
	if (err) {
		show(m);
		prop_fail(m->w, "model of client %d, top %d: %s",
			h->peer->index, h->top,
			dircache_contradiction(h->model));
	}
	if (e->kind == c->kind)
		note_snap(h, m->w, c, !bitmap4_empty(&e->entry.mask));
}

/* What a client knows of what it did itself. */
static void apply_own(struct match *m, const struct spy_change *c)
{
	struct dircache_change own = {
		.kind = c->kind,
		.entry = {.name = spy_name(&c->name)},
		.old = {.name = spy_name(&c->old)},
		.overwritten = {.name = spy_name(&c->name)},
		.has_overwritten = c->has_overwritten,
	};

	apply(m, c, &own);
}

/*
 * A verifier that moved takes all cookies with it. Others are recalled for it,
 * but perhaps only in a moment; who did it itself has to know.
 */
static void apply_move(struct match *m, const struct spy_change *c)
{
	struct hold *h = m->h;
	struct dircache_change move = {
		.kind = CHANGE_COOKIE_VERIFIER,
		.old_verifier = dircache_verifier(h->model),
		.new_verifier = c->seq,
	};

	h->unsure = true;
	apply(m, c, &move);
}

/* Events and own changes, each in its place. */
static void apply_run(struct match *m, size_t from)
{
	struct hold *h = m->h;
	size_t heard = 0, end = from + h->nevents;

	for (size_t i = 0; i < spy_count(); i++) {
		struct spy_change *c = spy_at(i);
		bool own = c->who == h->peer->index;

		if (!fileid_equal(&c->dir, &h->dir))
			continue;
		if (hears(h, c)) {
			if (heard >= from && heard < end) {
				c->seen = true;
				apply(m, c, &m->events[heard - from]->change);
			}
			heard++;
		} else if (own && c->seq > h->asked.seq) {
			apply_own(m, c);
		}
		if (c->verifier_moved && c->seq > h->asked.seq)
			apply_move(m, c);
	}
}

static void gather(struct match *m)
{
	struct event *e;
	size_t n = 0;

	m->heard = calloc(spy_count() + 1, sizeof(*m->heard));
	m->events = calloc(m->h->nevents + 1, sizeof(*m->events));
	if (!m->heard || !m->events)
		abort();
	for (size_t i = 0; i < spy_count(); i++) {
		struct spy_change *c = spy_at(i);

		if (!fileid_equal(&c->dir, &m->h->dir))
			continue;
		check_uncovered(m->w, m->h, c);
		if (hears(m->h, c))
			m->heard[m->nheard++] = c;
	}
	list_for_each_entry(e, &m->h->events, link)
		m->events[n++] = e;
}

void match_hold(struct world *w, struct hold *h)
{
	struct match m = {.w = w, .h = h};

	gather(&m);
	apply_run(&m, find_run(&m));
	w->counts.events += h->nevents;
	free(m.heard);
	free(m.events);
}
