/* SPDX-License-Identifier: MIT */
/*
 * What a holder was told against what happened. The changes of entries of its
 * directory that it hears of stand in the spy's order; what it was told must be
 * a run of them without a gap, which begins and ends where its delegation did.
 * Where exactly is not known for what happened beside the grant or the return,
 * but every change that was surely after the grant, and surely over before the
 * return, must be in, and none that was surely outside may be.
 *
 * Attributes are told between those, merged and late; prop_attrs.c looks at
 * what became of them.
 */
#include "prop_match.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the run ---- */

static void show_change(const struct match *m, const struct heard *heard)
{
	static const char *const where[] = {"in", "maybe", "out"};
	const struct spy_change *c = heard->change;

	fprintf(stderr,
		"  %" PRIu64 " %s by %d%s: kind %d \"%.*s\" old \"%.*s\"%s, "
		"told: %d renames: %d overwrites: %d\n",
		c->seq, where[match_where(m->h, c)], c->who,
		c->local ? " (local)" : "", c->kind, (int)c->name.len,
		c->name.bytes, (int)c->old.len, c->old.bytes,
		c->has_overwritten ? " overwrites" : "", heard->form.comes,
		heard->form.renames, heard->form.overwrites);
}

/* Its own, too, of which it does not hear. */
static void show_any(const struct match *m, const struct spy_change *c,
	const struct heard **heard)
{
	struct heard own = {.change = (struct spy_change *)(uintptr_t)c};

	if (!fileid_equal(&c->dir, &m->h->dir) || c->kind == CHANGE_DIR_ATTRS)
		return;
	if (match_hears(m->h, c))
		show_change(m, (*heard)++);
	else
		show_change(m, &own);
}

static void show_local(const struct match *m)
{
	static const char *const deeds[] = {
		[LOCAL_NAME] = "came or went",
		[LOCAL_WRITTEN] = "was written to",
		[LOCAL_CHANGED] = "got another mode, owner or time",
		[LOCAL_LINKED] = "got another name",
	};

	for (int i = 0; i < ALL_NAMES; i++) {
		for (unsigned d = 0; d < sizeof(deeds) / sizeof(deeds[0]); d++)
			if (deeds[d] && actor_did(d, m->h->inode, i))
				fprintf(stderr, "locally \"%s\" %s\n",
					m->w->names[i], deeds[d]);
	}
}

static void show(const struct match *m)
{
	const struct heard *heard = m->heard;
	const struct hold *h = m->h;
	const struct event *e;

	fprintf(stderr,
		"client %d top %d types %x state %d recalled %d reason %d "
		"(%d) evidence %u lost %d asked %" PRIu64 " granted %" PRIu64
		" returning %" PRIu64 " returned %" PRIu64 " filled %" PRIu64
		" settled %d\nhappened:\n",
		h->peer->index, h->top, h->deleg.types.word[0], h->state,
		h->recalled, h->reason, h->on_its_way, h->evidence, h->lost,
		h->asked.seq, h->granted, h->returning.seq, h->returned,
		h->filled, h->settled);
	for (size_t i = 0; i < spy_count(); i++)
		show_any(m, spy_at(i), &heard);
	show_local(m);
	fprintf(stderr, "told:\n");
	list_for_each_entry(e, &h->events, link) {
		const struct dircache_change *c = &e->change;

		fprintf(stderr, "  kind %d \"%.*s\" old \"%.*s\"%s\n", c->kind,
			(int)c->entry.name.len, c->entry.name.data,
			(int)c->old.name.len, c->old.name.data,
			c->has_overwritten ? " overwrites" : "");
	}
}

/* Can what is not told be outside of the run, or not worth an event? */
static bool may_be_untold(const struct match *m, const struct heard *heard)
{
	return heard->form.comes != YES ||
		match_where(m->h, heard->change) != SURELY_IN;
}

/* NULL: @event may be that of @heard; or what speaks against it. */
static const char *mismatch(const struct match *m, const struct heard *heard,
	const struct event *event)
{
	if (heard->form.comes == NO ||
		match_where(m->h, heard->change) == SURELY_OUT)
		return "a gap, or too much";
	return match_wrong(m, heard, event);
}

/* One within the run: is it the next of the events? */
static const char *take(const struct match *m, struct heard *heard, size_t *n)
{
	const char *what = mismatch(m, heard, m->events[*n]);

	if (!what)
		heard->told = m->events[(*n)++];
	else if (heard->form.comes != YES)
		what = NULL;
	return what;
}

/* Is what was told the run that begins at @from? How far is it right? */
static bool fits(
	const struct match *m, size_t from, size_t *right, const char **what)
{
	*right = 0;
	*what = "a gap, or too much";
	for (size_t i = 0; i < m->nheard; i++) {
		struct heard *heard = &m->heard[i];

		heard->told = NULL;
		if (i < from || *right == m->h->nentries) {
			if (!may_be_untold(m, heard))
				return false;
			continue;
		}
		*what = take(m, heard, right);
		if (*what)
			return false;
		*what = "a gap, or too much";
	}
	return *right == m->h->nentries;
}

static void find_run(const struct match *m)
{
	const char *what, *best_what = "nothing like it";
	size_t right, best = 0;

	for (size_t from = 0; from <= m->nheard; from++) {
		if (fits(m, from, &right, &what))
			return;
		if (right >= best) {
			best = right;
			best_what = what;
		}
	}
	show(m);
	prop_fail(m->w, "told something else than what happened: %s after %zu",
		best_what, best);
}

/*
 * The same from the end: each event for the last change that it can be of.
 * True: that is another run than the one that was found.
 */
static bool fits_otherwise(const struct match *m)
{
	size_t left = m->h->nentries;
	bool other = false;

	for (size_t i = m->nheard; i-- > 0 && left;) {
		struct heard *heard = &m->heard[i];
		struct event *e = m->events[left - 1];
		bool may_be = !mismatch(m, heard, e);

		if (!may_be && !may_be_untold(m, heard))
			return false;
		other |= may_be && heard->told != e;
		left -= may_be;
	}
	return other && !left;
}

/*
 * A renaming that its first listing has behind it already: what is there under
 * the old name by then is not what was renamed.
 */
static bool replays_renaming(const struct match *m)
{
	for (size_t i = 0; i < m->nheard && !m->h->settled; i++) {
		const struct heard *heard = &m->heard[i];

		if (heard->told && heard->change->seq <= m->h->filled &&
			heard->change->kind == CHANGE_RENAME_ENTRY)
			return true;
	}
	return false;
}

/* ---- the model ---- */

static struct known *known_of(struct match *m, struct name name)
{
	int i = prop_name_index(m->w, name);

	return i < 0 ? NULL : &m->h->known[i];
}

static void note_snap(
	struct match *m, const struct spy_change *c, bool has_attrs)
{
	struct hold *h = m->h;
	struct known *to = known_of(m, spy_name(&c->name));
	const struct known *from = c->kind == CHANGE_RENAME_ENTRY
		? known_of(m, spy_name(&c->old))
		: NULL;

	if (c->kind == CHANGE_REMOVE_ENTRY || !to)
		return;
	if (!has_attrs)
		*to = from ? *from : (struct known){.snap = 0};
	else if (!h->settled && h->filled < c->seq)
		*to = (struct known){h->filled, m->w->began_ns, false};
	else
		*to = (struct known){c->seq, m->w->began_ns, false};
}

/* Has it a model that will be compared? */
static bool is_followed(const struct hold *h)
{
	return h->usable && h->state == HOLD_LIVE;
}

static void apply(struct match *m, const struct dircache_change *e)
{
	struct hold *h = m->h;

	if (dircache_apply(h->model, e) == 0)
		return;
	show(m);
	prop_fail(m->w, "model of client %d, top %d: %s", h->peer->index,
		h->top, dircache_contradiction(h->model));
}

/*
 * What was there, for all that a client was told, when it did this. False: it
 * knew so much already.
 */
static bool adapt(const struct match *m, struct dircache_change *own)
{
	const struct dircache *model = m->h->model;
	struct dircache_entry known;
	bool is_there = dircache_find(model, own->entry.name, &known);

	if (own->kind == CHANGE_REMOVE_ENTRY)
		return is_there;
	own->has_overwritten = is_there;
	if (own->kind == CHANGE_RENAME_ENTRY &&
		!dircache_find(model, own->old.name, &known))
		own->kind = CHANGE_ADD_ENTRY;
	return true;
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

	if (m->w->options.local && !adapt(m, &own))
		return;
	apply(m, &own);
	note_snap(m, c, false);
}

/* ---- a verifier that moved ---- */

/* Who relies on cookies is told of its own moving them, too. */
static bool hears_move(const struct hold *h, const struct spy_change *c)
{
	return hold_covers(h, CHANGE_COOKIE_VERIFIER) &&
		(!hold_is_own(h, c->who) || hold_relies_on_cookies(h));
}

static struct event *next_move(struct match *m)
{
	struct event *e;

	list_for_each_entry(e, &m->h->events, link) {
		if (!e->applied && e->change.kind == CHANGE_COOKIE_VERIFIER)
			return e;
	}
	return NULL;
}

/* It takes all cookies with it; who is not told has to know. */
static void suppose_move(struct match *m, const struct spy_change *c)
{
	struct dircache_change move = {
		.kind = CHANGE_COOKIE_VERIFIER,
		.old_verifier = dircache_verifier(m->h->model),
		.new_verifier = c->new_verifier,
	};

	m->h->unsure = true;
	apply(m, &move);
}

static void apply_move(struct match *m, const struct spy_change *c)
{
	struct event *e = hears_move(m->h, c) ? next_move(m) : NULL;

	/* With names of others it is told when they are: next_entry(). */
	if (m->w->options.local && hears_move(m->h, c))
		return;
	if (e && e->change.old_verifier == c->old_verifier &&
		e->change.new_verifier == c->new_verifier) {
		e->applied = true;
		apply(m, &e->change);
		return;
	}
	if (hears_move(m->h, c) && match_where(m->h, c) == SURELY_IN) {
		show(m);
		prop_fail(m->w,
			"client %d, top %d was not told that a verifier "
			"moved (%" PRIu64 ")",
			m->h->peer->index, m->h->top, c->seq);
	}
	suppose_move(m, c);
}

/* None of those that were told may be left. */
static void check_moves(struct match *m)
{
	const struct event *e = next_move(m);

	if (!e)
		return;
	show(m);
	prop_fail(m->w,
		"client %d, top %d was told of a verifier that never moved",
		m->h->peer->index, m->h->top);
}

/* ---- attributes in between ---- */

static bool is_of_entry(const struct event *e)
{
	return e->change.kind == CHANGE_ADD_ENTRY ||
		e->change.kind == CHANGE_REMOVE_ENTRY ||
		e->change.kind == CHANGE_RENAME_ENTRY;
}

/*
 * Its own changes since its last entry event, as an unordered client has them:
 * whether an attribute that is told was before or after them nobody tells it.
 */
struct window {
	struct spy_change *own[64];
	size_t n;
};

static bool is_in_window(const struct window *window, struct name name)
{
	for (size_t i = 0; i < window->n; i++) {
		const struct spy_change *c = window->own[i];

		if (name_equal(spy_name(&c->name), name) ||
			(c->old.len && name_equal(spy_name(&c->old), name)))
			return true;
	}
	return window->n == sizeof(window->own) / sizeof(window->own[0]);
}

static void note_own(struct window *window, struct spy_change *c)
{
	if (window->n < sizeof(window->own) / sizeof(window->own[0]))
		window->own[window->n++] = c;
}

/* Whatever it was said of, it has to look itself now. */
static void be_unsure(struct match *m, const struct window *window)
{
	for (size_t i = 0; i < window->n; i++) {
		struct known *known =
			known_of(m, spy_name(&window->own[i]->name));

		if (known)
			known->unsure = true;
	}
}

/* @window may be NULL: no own changes. */
static void apply_attrs(
	struct match *m, struct event *e, const struct window *window)
{
	e->applied = true;
	if (e->change.kind == CHANGE_CHILD_ATTRS && window &&
		is_in_window(window, e->change.entry.name))
		be_unsure(m, window);
	else
		apply(m, &e->change);
}

/* What was told from @at on before the next change of an entry. */
static struct event *next_entry(
	struct match *m, struct list **at, const struct window *window)
{
	while (*at != &m->h->events) {
		struct event *e = list_entry(*at, struct event, link);

		if (is_of_entry(e))
			return e;
		*at = e->link.next;
		if (!e->applied &&
			(m->w->options.local ||
				e->change.kind != CHANGE_COOKIE_VERIFIER))
			apply_attrs(m, e, window);
	}
	return NULL;
}

/* Behind an entry's event, before its client does anything itself. */
static void next_moves(struct match *m, struct list **at)
{
	while (m->w->options.local && *at != &m->h->events) {
		struct event *e = list_entry(*at, struct event, link);

		if (e->change.kind != CHANGE_COOKIE_VERIFIER)
			return;
		*at = e->link.next;
		apply_attrs(m, e, NULL);
	}
}

/* ---- all of it ---- */

static void apply_heard(struct match *m, struct spy_change *c, struct event *e)
{
	c->seen = true;
	apply(m, &e->change);
	if (!match_is_left(c, &e->change))
		note_snap(m, c, !bitmap4_empty(&e->change.entry.mask));
	e->applied = true;
}

/* Does its model wait to be told of such a change? */
static bool expects(const struct hold *h, const struct spy_change *c)
{
	return hold_covers(h, c->kind) && match_hears(h, c);
}

/* Events and own changes, each in its place. */
static void apply_run(struct match *m)
{
	struct hold *h = m->h;
	struct window window = {.n = 0};
	struct list *at = h->events.next;
	const struct heard *heard = m->heard;

	for (size_t i = 0; i < spy_count(); i++) {
		struct spy_change *c = spy_at(i);
		bool own = hold_is_own(h, c->who);

		if (!fileid_equal(&c->dir, &h->dir) ||
			c->kind == CHANGE_DIR_ATTRS)
			continue;
		bool hears = match_hears(h, c);

		if (hears && heard->told) {
			struct event *e = next_entry(m, &at, &window);

			apply_heard(m, c, e);
			at = e->link.next;
			next_moves(m, &at);
			window.n = 0;
		} else if (own && !expects(h, c) && c->seq > h->asked.seq) {
			apply_own(m, c);
			note_own(&window, c);
		}
		heard += hears;
		if (c->verifier_moved && c->seq > h->asked.seq)
			apply_move(m, c);
	}
	next_entry(m, &at, &window);
	check_moves(m);
}

static void see_run(struct match *m)
{
	for (size_t i = 0; i < m->nheard; i++)
		m->heard[i].change->seen |= m->heard[i].told != NULL;
}

/*
 * What was told before its grant, and to whom, is not known here: from then on
 * all that happens is.
 */
static void gather_change(struct match *m, struct spy_change *c)
{
	if (!fileid_equal(&c->dir, &m->h->dir))
		return;
	match_check_uncovered(m->w, m->h, c);
	if (c->kind == CHANGE_DIR_ATTRS)
		return;
	if (match_hears(m->h, c))
		m->heard[m->nheard++] =
			(struct heard){.change = c, .form = match_form(m, c)};
	if (c->seq > m->h->granted)
		match_move_told(m, c);
}

static void gather(struct match *m)
{
	struct event *e;
	size_t n = 0;

	m->heard = calloc(spy_count() + 1, sizeof(*m->heard));
	m->events = calloc(m->h->nentries + 1, sizeof(*m->events));
	if (!m->heard || !m->events)
		abort();
	match_begin_told(m);
	for (size_t i = 0; i < spy_count(); i++)
		gather_change(m, spy_at(i));
	list_for_each_entry(e, &m->h->events, link) {
		if (is_of_entry(e))
			m->events[n++] = e;
	}
}

static void forget(struct match *m)
{
	free(m->heard);
	free(m->events);
}

static void count_events(struct match *m)
{
	struct event *e;

	list_for_each_entry(e, &m->h->events, link)
		m->w->counts.events[e->change.kind]++;
}

void match_hold(struct world *w, struct hold *h)
{
	struct match m = {.w = w, .h = h};

	h->on_its_way = recall_reason_of(h);
	gather(&m);
	count_events(&m);
	find_run(&m);
	if (is_followed(h))
		apply_run(&m);
	else
		see_run(&m);
	forget(&m);
}

bool match_is_ambiguous(struct world *w, struct hold *h)
{
	struct match m = {.w = w, .h = h};
	bool ambiguous;

	gather(&m);
	find_run(&m);
	ambiguous = replays_renaming(&m) || fits_otherwise(&m);
	forget(&m);
	return ambiguous;
}

void match_show(struct world *w, struct hold *h)
{
	struct match m = {.w = w, .h = h};

	gather(&m);
	show(&m);
	forget(&m);
}

void match_rest(struct world *w, struct hold *h)
{
	struct match m = {.w = w, .h = h};
	struct event *e;

	if (!is_followed(h))
		return;
	list_for_each_entry(e, &h->events, link) {
		if (e->applied)
			continue;
		w->counts.events[e->change.kind]++;
		if (is_of_entry(e))
			prop_fail(w,
				"client %d, top %d was told of \"%.*s\" long "
				"after everything",
				h->peer->index, h->top,
				(int)e->change.entry.name.len,
				e->change.entry.name.data);
		apply_attrs(&m, e, NULL);
	}
}
