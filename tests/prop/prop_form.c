/* SPDX-License-Identifier: MIT */
/* What an event must be, and one event against one change. */
#include "prop_match.h"

#include <inttypes.h>

#include "state/policy_recall.h"

/* ---- what a hold hears of ---- */

/*
 * Its own renaming, when it does not hear of any, may come to it as what it is
 * to those who were told of all before: an addition or a removal.
 */
static bool may_hear_otherwise(const struct hold *h, const struct spy_change *c)
{
	return h->peer->world->options.local && !c->local &&
		c->kind == CHANGE_RENAME_ENTRY && hold_is_own(h, c->who) &&
		(hold_covers(h, CHANGE_ADD_ENTRY) ||
			hold_covers(h, CHANGE_REMOVE_ENTRY));
}

bool match_hears(const struct hold *h, const struct spy_change *c)
{
	if (c->kind == CHANGE_DIR_ATTRS ||
		(hold_is_own(h, c->who) && !hold_is_ordered(h)))
		return false;
	return hold_covers(h, c->kind) || may_hear_otherwise(h, c);
}

static bool was_over(const struct spy_change *c, const struct moment *m)
{
	if (c->who < 0)
		return c->seq <= m->seq; /* the referee is alone */
	return c->seq <= m->done[c->who];
}

enum where match_where(const struct hold *h, const struct spy_change *c)
{
	bool ended = h->state == HOLD_ENDED && !h->lost;

	if (was_over(c, &h->asked))
		return SURELY_OUT;
	/* Noted inside its section: when it was over nobody knows. */
	if (c->local && (h->recalled || h->state == HOLD_ENDED))
		return MAYBE;
	if (ended && c->seq > h->returned)
		return SURELY_OUT;
	if (c->seq <= h->granted)
		return MAYBE;
	if (h->lost || (ended && !was_over(c, &h->returning)))
		return MAYBE;
	/* No more names for it; no reason: the recall crossed its return. */
	if (h->recalled && (h->reason == RECALL_PERMISSION || h->reason < 0))
		return MAYBE;
	if (h->on_its_way >= 0 && recall_stops_queue(h->on_its_way))
		return MAYBE;
	/* Its recall may have met its return, and never been sent. */
	if ((h->recalled || ended) && weather_is_lenient(h->peer))
		return MAYBE;
	if (ended && !h->recalled && h->evidence)
		return MAYBE;
	return SURELY_IN;
}

/* While it was held, nothing it cannot be told of may have happened. */
void match_check_uncovered(
	struct world *w, const struct hold *h, const struct spy_change *c)
{
	bool held = c->seq > h->granted && !h->lost &&
		(h->state != HOLD_ENDED || c->seq <= h->returning.seq);

	if (held && !c->local && !hold_covers(h, c->kind) &&
		!hold_is_own(h, c->who))
		prop_fail(w,
			"client %d, top %d: change %d of \"%.*s\" by %d "
			"(%" PRIu64 ") while it was held without it",
			h->peer->index, h->top, c->kind, (int)c->name.len,
			c->name.bytes, c->who, c->seq);
}

/* ---- what is told of a change ---- */

static enum answer answer_of(bool yes)
{
	return yes ? YES : NO;
}

/* What a name is to those who were told, by an index that may be -1. */
static enum answer *there(struct match *m, const struct spy_name *name)
{
	int i = prop_name_index(m->w, spy_name(name));

	return i < 0 ? NULL : &m->there[i];
}

static enum answer is_there(struct match *m, const struct spy_name *name)
{
	const enum answer *is = there(m, name);

	return is ? *is : UNKNOWN;
}

static void set_there(
	struct match *m, const struct spy_name *name, enum answer answer)
{
	enum answer *is = there(m, name);

	if (is)
		*is = answer;
}

/* What is there for a holder at the begin: its model says so, once settled. */
void match_begin_told(struct match *m)
{
	struct dircache_entry entry;

	for (int i = 0; i < ALL_NAMES; i++)
		m->there[i] = !m->h->settled
			? UNKNOWN
			: answer_of(dircache_find(
				  m->h->model, prop_name(m->w, i), &entry));
}

/* Others may have taken away at once what a client put there. */
static bool is_vague(const struct match *m, const struct spy_change *c)
{
	return m->w->options.local && !c->local &&
		c->kind != CHANGE_REMOVE_ENTRY &&
		hold_shares_name(m->h, &c->name);
}

void match_move_told(struct match *m, const struct spy_change *c)
{
	if (c->kind == CHANGE_RENAME_ENTRY)
		set_there(m, &c->old,
			!c->local && hold_shares_name(m->h, &c->old) ? UNKNOWN
								     : NO);
	set_there(m, &c->name,
		c->kind == CHANGE_REMOVE_ENTRY ? NO
			: is_vague(m, c)       ? UNKNOWN
					       : YES);
}

/*
 * Without memory to write down what was told, a change means what it means to
 * the store; who does not know what others did is about to be recalled.
 */
static bool may_be_untracked(const struct match *m, const struct spy_change *c)
{
	return m->w->weather.memory && hold_shares_names(m->h, c);
}

/*
 * Others may have made or removed what a change of ours is about, and that is
 * told later, if it is still to be told then. So an event says what the change
 * means to those who were told of all before it.
 */
struct form match_form(struct match *m, const struct spy_change *c)
{
	struct form f = {.comes = YES,
		.renames = YES,
		.overwrites = answer_of(c->has_overwritten)};

	if (!m->w->options.local || c->local)
		return f;
	if (may_be_untracked(m, c))
		return (struct form){UNKNOWN, UNKNOWN, UNKNOWN};
	if (c->kind == CHANGE_REMOVE_ENTRY)
		f.comes = is_there(m, &c->name);
	else
		f.overwrites = is_there(m, &c->name);
	if (c->kind == CHANGE_RENAME_ENTRY)
		f.renames = hold_shares_name(m->h, &c->old)
			? UNKNOWN
			: is_there(m, &c->old);
	if (f.renames != YES && !hold_covers(m->h, CHANGE_ADD_ENTRY))
		f.comes = UNKNOWN; /* it is recalled for that */
	if (is_vague(m, c))
		f.comes = UNKNOWN;
	if (!hold_covers(m->h, c->kind)) {
		f.comes = UNKNOWN;
		f.renames = NO;
	}
	return f;
}

static bool may_be(enum answer answer, bool yes)
{
	return answer == UNKNOWN || answer == answer_of(yes);
}

/* ---- one event, one change ---- */

static bool same(const struct spy_name *n, struct name name)
{
	return name_equal(spy_name(n), name);
}

static bool has_kind(const struct spy_change *c, const struct form *f,
	const struct dircache_change *e)
{
	if (c->kind != CHANGE_RENAME_ENTRY)
		return e->kind == c->kind;
	if (e->kind == CHANGE_REMOVE_ENTRY)
		return f->comes == UNKNOWN; /* all that is left of it */
	if (e->kind != CHANGE_RENAME_ENTRY && e->kind != CHANGE_ADD_ENTRY)
		return false;
	return may_be(f->renames, e->kind == CHANGE_RENAME_ENTRY);
}

/* Of a renaming only that it left. */
bool match_is_left(const struct spy_change *c, const struct dircache_change *e)
{
	return c->kind == CHANGE_RENAME_ENTRY && e->kind == CHANGE_REMOVE_ENTRY;
}

static const char *wrong_names(const struct spy_change *c, const struct form *f,
	const struct dircache_change *e)
{
	if (!has_kind(c, f, e))
		return "kind";
	if (!same(match_is_left(c, e) ? &c->old : &c->name, e->entry.name))
		return "name";
	if (match_is_left(c, e))
		return NULL;
	if (e->kind == CHANGE_RENAME_ENTRY && !same(&c->old, e->old.name))
		return "old name";
	if (!may_be(f->overwrites, e->has_overwritten))
		return "overwritten or not";
	if (e->has_overwritten && !same(&c->name, e->overwritten.name))
		return "overwritten name";
	return NULL;
}

static const char *wrong_position(
	const struct spy_change *c, const struct dircache_change *e)
{
	if (c->has_previous != e->has_previous)
		return "previous entry or none";
	if (c->has_previous && !same(&c->previous, e->previous))
		return "previous name";
	if (c->has_previous && e->previous_cookie != c->previous_cookie)
		return "previous cookie";
	return c->last != e->last ? "last flag" : NULL;
}

/* Among entries that are told later the model has to know its place. */
static const char *wrong_order(const struct match *m,
	const struct spy_change *c, const struct dircache_change *e)
{
	uint64_t cookie = match_is_left(c, e) ? c->old_cookie : c->cookie;

	if (cookie == COOKIE_NONE || e->entry.cookie != cookie)
		return "cookie";
	if (e->kind == CHANGE_REMOVE_ENTRY)
		return NULL;
	if (e->kind == CHANGE_RENAME_ENTRY && e->old.cookie != c->old_cookie)
		return "old cookie";
	if (c->has_overwritten && e->has_overwritten &&
		e->overwritten.cookie != c->overwritten_cookie)
		return "overwritten cookie";
	return m->w->options.local ? NULL : wrong_position(c, e);
}

static const char *wrong_attrs(const struct match *m,
	const struct spy_change *c, const struct dircache_change *e)
{
	bitmap4 want = m->h->deleg.child_attrs;
	struct nfsc_fh fh;
	struct fileid id;

	if (e->kind == CHANGE_REMOVE_ENTRY)
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

const char *match_wrong(const struct match *m, const struct heard *heard,
	const struct event *event)
{
	const struct dircache_change *e = &event->change;
	const struct spy_change *c = heard->change;
	const char *what = wrong_names(c, &heard->form, e);

	if (!what && hold_is_ordered(m->h))
		what = wrong_order(m, c, e);
	return what ? what : wrong_attrs(m, c, e);
}
