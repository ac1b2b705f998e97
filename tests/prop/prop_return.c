/* SPDX-License-Identifier: MIT */
/* How delegations end: returned, or revoked. */
#include "prop.h"

#include "state/client.h"
#include "state/deleg_private.h"

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

/* Who does not answer a notification for two seconds ends without the rest. */
static uint64_t count_late(const struct peer *p)
{
	struct state_stats stats;

	state_read_stats(p->world->server.server->state, &stats);
	return stats.late_returns;
}

/* @h is RETURNING, and ours. */
static void do_return(struct hold *h)
{
	struct peer *p = h->peer;
	uint64_t late = count_late(p);
	int err;

	hold_take_moment(p->world, &h->returning);
	err = nfsc_delegreturn(p->client, &h->fh, &h->deleg.stateid, NULL);
	check_end(h, err);
	if (is_revoked(err))
		let_go(h);
	late = count_late(p) - late; /* or that of another one */
	pthread_mutex_lock(&p->lock);
	end(h, err || late);
	pthread_mutex_unlock(&p->lock);
	p->world->returns++;
	p->world->late_returns += late > 0;
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
