/* SPDX-License-Identifier: MIT */
/*
 * Each recall has a reason, and each reason needs a cause that the spy saw or
 * that the test made itself: a healthy client whose kinds cover what happened
 * sees no recall at all.
 */
#include "prop.h"

#include <inttypes.h>

#include "state/client.h"

/* ---- local changes ---- */

/* Of whose removal nobody can tell more than that it is gone. */
static bool is_gone_locally(const struct hold *h)
{
	return actor_ended_some() && prop_inode(h->peer->world, &h->dir) == 0;
}

bool recall_is_doomed(const struct hold *h)
{
	return spy_doomed(&h->dir) > 0 || is_gone_locally(h);
}

static bool is_recall_only(const struct hold *h)
{
	for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
		if (hold_covers(h, (enum change_kind)kind))
			return false;
	}
	return true;
}

/*
 * A client's change that means another one, with what others did: it takes a
 * name from where it was not told, or took another object than its own client
 * believes, or what it made is gone before anybody could read its attributes.
 */
static bool is_half_known(const struct hold *h, const struct spy_change *c)
{
	bool own = hold_is_own(h, c->who);
	bool lacks_some = !hold_covers(h, CHANGE_ADD_ENTRY) ||
		!hold_covers(h, CHANGE_REMOVE_ENTRY);

	if (own && c->has_source &&
		actor_did(LOCAL_NAME, 0,
			prop_name_index(h->peer->world, spy_name(&c->source))))
		return true;
	return (own || lacks_some) && c->kind != CHANGE_REMOVE_ENTRY &&
		hold_shares_names(h, c);
}

/* Was a change told in a way that it does not cover? */
static bool was_told_otherwise(const struct hold *h, const struct spy_change *c)
{
	if (!fileid_equal(&c->dir, &h->dir) || c->seq <= h->born)
		return false;
	if (c->local)
		return !hold_covers(h, c->kind) ||
			(c->verifier_moved &&
				!hold_covers(h, CHANGE_COOKIE_VERIFIER));
	return is_half_known(h, c);
}

static bool was_local(const struct hold *h)
{
	/* When reports are lost, its own attributes may have been set. */
	if (!hold_covers(h, CHANGE_DIR_ATTRS) &&
		(actor_did(LOCAL_SET, h->inode, -1) ||
			h->peer->world->weather.reports_lost))
		return true;
	if (is_recall_only(h) && actor_did(LOCAL_NAME, h->inode, -1))
		return true;
	/* Their names may move cookies that are told with a later change. */
	if (h->peer->world->options.narrow &&
		!hold_covers(h, CHANGE_COOKIE_VERIFIER) &&
		actor_did(LOCAL_NAME, h->inode, -1))
		return true;
	for (size_t i = 0; i < spy_count(); i++) {
		if (was_told_otherwise(h, spy_at(i)))
			return true;
	}
	return false;
}

/* ---- what the server thinks ---- */

struct deleg *recall_find(struct hold *h)
{
	struct world *w = h->peer->world;
	struct nfsc_info info;
	struct stateid *sid = NULL;
	struct client *c;

	nfsc_read_info(h->peer->client, &info);
	c = client_find(w->server.server->state, info.clientid);
	if (!c)
		return NULL;
	if (stateid_lookup(c, &h->deleg.stateid, STATEID_DELEG_DIR, &sid) !=
		NFS4_OK)
		sid = NULL;
	client_put(c);
	return sid ? deleg_of(sid) : NULL;
}

int recall_reason_of(struct hold *h)
{
	struct deleg *d = recall_find(h);
	int reason = -1;

	if (!d)
		return -1;
	lock_acquire(&d->sid.node->lock);
	if (d->state == DELEG_RECALLED)
		reason = d->recall_reason;
	lock_release(&d->sid.node->lock);
	deleg_put(d);
	return reason;
}

/* ---- evidence ---- */

/* Was it held, as far as is known, when @seq happened? */
static bool was_held(const struct hold *h, uint64_t seq)
{
	return seq > h->born && (h->state != HOLD_ENDED || seq <= h->returned);
}

static bool was_uncovered(const struct hold *h)
{
	for (size_t i = 0; i < spy_attempts(); i++) {
		const struct spy_attempt *a = spy_attempt_at(i);

		if (!hold_is_own(h, a->who) && !hold_covers(h, a->kind) &&
			was_held(h, a->seq) && fileid_equal(&a->dir, &h->dir))
			return true;
	}
	return false;
}

/* Who cares for order hears of its own moving cookies, too. */
static bool was_moved(const struct hold *h)
{
	for (size_t i = 0; i < spy_count(); i++) {
		const struct spy_change *c = spy_at(i);

		if (c->verifier_moved && was_held(h, c->seq) &&
			(!hold_is_own(h, c->who) ||
				hold_relies_on_cookies(h)) &&
			fileid_equal(&c->dir, &h->dir))
			return true;
	}
	return false;
}

/* Its mode was, which may lock out whoever did it. */
static bool was_set(const struct hold *h)
{
	for (size_t i = 0; i < spy_attempts(); i++) {
		const struct spy_attempt *a = spy_attempt_at(i);

		if (a->kind == CHANGE_DIR_ATTRS && was_held(h, a->seq) &&
			fileid_equal(&a->dir, &h->dir))
			return true;
	}
	return false;
}

static void gather_evidence(struct hold *h)
{
	if (was_uncovered(h))
		h->evidence |= EVIDENCE_UNCOVERED;
	if (!hold_covers(h, CHANGE_COOKIE_VERIFIER) && was_moved(h))
		h->evidence |= EVIDENCE_MOVED;
	if (spy_doomed(&h->dir) > h->born || is_gone_locally(h))
		h->evidence |= EVIDENCE_DOOMED;
	if (was_set(h) || actor_did(LOCAL_SET, h->inode, -1))
		h->evidence |= EVIDENCE_SET;
	if (was_local(h))
		h->evidence |= EVIDENCE_LOCAL;
}

/* A disk that fails may refuse to watch a file with several links. */
static bool has_unwatched_links(const struct hold *h)
{
	const struct world *w = h->peer->world;

	return w->options.local && w->weather.store_fails &&
		hold_covers(h, CHANGE_CHILD_ATTRS);
}

static bool is_explained(const struct hold *h)
{
	const struct weather *weather = &h->peer->world->weather;
	bool changed = h->evidence & (EVIDENCE_UNCOVERED | EVIDENCE_MOVED);

	switch (h->reason) {
	case RECALL_CONFLICT:
		return changed && is_recall_only(h);
	case RECALL_UNSUBSCRIBED:
		return changed && !is_recall_only(h);
	case RECALL_DIRECTORY_REMOVED:
		return h->evidence & EVIDENCE_DOOMED;
	case RECALL_PERMISSION: /* or nobody can tell whether it has it */
		return (h->evidence & EVIDENCE_SET) || weather->store_fails;
	case RECALL_OVERFLOW:
		return weather->queue_events || weather->memory ||
			weather->store_fails;
	case RECALL_CALLBACK_ERROR:
		return h->peer->mischief > 0;
	case RECALL_RESOURCE:
		return weather->max_delegs || weather->memory ||
			has_unwatched_links(h);
	case RECALL_LOCAL_CHANGE: /* or nobody can tell what there is */
		return (h->evidence & EVIDENCE_LOCAL) || weather->memory ||
			weather->store_fails;
	case -1: /* over before the client could ask */
		return changed || h->evidence || weather_is_lenient(h->peer) ||
			weather->max_delegs || weather->memory;
	default:
		return false;
	}
}

static const char *reason_name(int reason)
{
	return reason < 0 ? "no reason any more"
			  : recall_reason_name((enum recall_reason)reason);
}

/* ---- accounting ---- */

void recall_account(struct world *w, struct hold *h)
{
	gather_evidence(h);
	if (h->counted)
		return;
	if (h->recalled && !is_explained(h))
		prop_fail(w,
			"client %d was recalled in top %d for nothing (%s, "
			"evidence %u, granted %x)",
			h->peer->index, h->top, reason_name(h->reason),
			h->evidence, h->deleg.types.word[0]);
	if (h->recalled && h->reason >= 0)
		w->recalls_seen[h->reason]++;
	else if (h->recalled || h->state == HOLD_ENDED)
		w->recalls_maybe++;
	h->counted = h->recalled || h->state == HOLD_ENDED;
}

/* Who returned by itself may have been counted as recalled. */
void recall_check_totals(struct world *w)
{
	struct state_stats stats;
	uint64_t maybe = 0;

	state_read_stats(w->server.server->state, &stats);
	for (int r = 0; r < RECALL_REASONS; r++) {
		uint64_t n = stats.recalls_by_reason[r];

		if (n < w->recalls_seen[r])
			prop_fail(w,
				"%" PRIu64 " recalls (%s) were seen, but "
				"%" PRIu64 " counted",
				w->recalls_seen[r], reason_name(r), n);
		maybe += n - w->recalls_seen[r];
		w->counts.recalls[r] += n;
		w->recalls_seen[r] = 0;
	}
	if (maybe > w->recalls_maybe)
		prop_fail(w,
			"%" PRIu64 " recalls reached nobody, but only %" PRIu64
			" can have crossed their return",
			maybe, w->recalls_maybe);
	w->recalls_maybe = 0;
	if (stats.dir_delegs)
		prop_fail(w, "%" PRIu64 " delegations are left",
			stats.dir_delegs);
}
