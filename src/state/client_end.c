/* SPDX-License-Identifier: MIT */
/* The ways a client ends; all of them go through client_finish(). */
#include "base/cleanup.h"
#include "base/log.h"
#include "state/bytelock.h"
#include "state/client.h"
#include "state/client_private.h"
#include "state/deleg.h"
#include "state/open.h"
#include "state/policy_client.h"
#include "state/policy_stateid.h"
#include "state/session.h"
#include "state/state_private.h"

/* The first stateid left, with a reference; nothing is added any more. */
static struct stateid *first_stateid(struct client *c)
{
	struct stateid *sid;

	scope_lock(&c->stateids_lock);
	c->stateids_closed = true;
	if (list_empty(&c->stateids))
		return NULL;
	sid = list_first_entry(&c->stateids, struct stateid, on_client);
	stateid_ref(sid);
	return sid;
}

static void end_stateid(struct stateid *sid)
{
	switch (sid->kind) {
	case STATEID_OPEN:
		open_end(sid);
		break;
	case STATEID_LOCK:
		bytelock_end(sid);
		break;
	default:
		/* When it was revoked it may be a stub, and has ended anyway. */
		if (!policy_stateid_revoked(sid->status))
			deleg_revoke(deleg_of(sid), STATEID_CLOSED, false);
	}
	stateid_remove(sid); /* harmless when that was done */
}

/* Who waits for a slot or for the channel's health waits for nothing now. */
static void wake_waiters(struct client *c)
{
	struct state_ops *ops = &c->state->config.ops;

	lock_acquire(&c->lock);
	cond_broadcast(&c->cb_moved);
	lock_release(&c->lock);
	if (ops->cb_ready)
		ops->cb_ready(ops->ctx, c);
}

/* ---- directory delegations, slice by slice ---- */

/* So many at a time: a worker is wanted elsewhere, too. */
#define END_SLICE 1000

/* False when @c has nothing left. */
static bool end_some(struct client *c)
{
	struct stateid *sid;

	for (int n = 0; n < END_SLICE; n++) {
		sid = first_stateid(c);
		if (!sid)
			return false;
		end_stateid(sid);
		stateid_put(sid);
	}
	return true;
}

static struct client *first_ending(struct state *s)
{
	scope_lock(&s->clients_lock);
	if (list_empty(&s->ending))
		return NULL;
	return client_ref(
		list_first_entry(&s->ending, struct client, on_ending));
}

/* Two slices may meet at one client: the first to see its end takes it off. */
static void leave_ending(struct client *c)
{
	struct state *s = c->state;
	bool first;

	lock_acquire(&s->clients_lock);
	first = !list_empty(&c->on_ending);
	list_del(&c->on_ending);
	lock_release(&s->clients_lock);
	if (first)
		client_put(c);
}

bool state_end_slice(struct state *s)
{
	struct client *c = first_ending(s);

	if (!c)
		return false;
	if (!end_some(c))
		leave_ending(c);
	client_put(c);
	return true;
}

/* Takes the caller's reference. At a shutdown no worker is left. */
static void end_in_slices(struct client *c, enum client_end_reason reason)
{
	struct state *s = c->state;
	const struct state_ops *ops = &s->config.ops;

	lock_acquire(&s->clients_lock);
	list_add_tail(&s->ending, &c->on_ending);
	lock_release(&s->clients_lock);
	if (ops->end_slices && reason != CLIENT_END_SHUTDOWN)
		ops->end_slices(ops->ctx);
	else
		while (state_end_slice(s))
			;
}

/* ---- the end ---- */

/* What others may wait for: opens, locks, delegations of files. */
static void end_what_conflicts(struct client *c)
{
	struct stateid *sid;

	while ((sid = first_stateid(c)) && sid->kind != STATEID_DELEG_DIR) {
		end_stateid(sid);
		stateid_put(sid);
	}
	if (sid)
		stateid_put(sid);
}

void client_finish(struct client *c, enum client_end_reason reason)
{
	session_end_all(c);
	end_what_conflicts(c);
	wake_waiters(c);
	log_debug("client ended id=%llx reason=%d", (unsigned long long)c->id,
		(int)reason);
	end_in_slices(c, reason);
}

void client_end(struct client *c, enum client_end_reason reason)
{
	struct state *s = c->state;
	bool first;

	lock_acquire(&s->clients_lock);
	first = client_unlink_locked(c);
	lock_release(&s->clients_lock);
	if (first)
		client_finish(c, reason);
}

bool client_end_if_expired(struct client *c)
{
	struct state *s = c->state;
	bool ended, first = false;

	lock_acquire(&s->clients_lock);
	lock_acquire(&c->lock);
	/* Calls begin under c->lock: none can while we look and unlink. */
	if (client_is_expired(c))
		first = client_unlink_held(c);
	ended = c->ended;
	lock_release(&c->lock);
	lock_release(&s->clients_lock);
	if (first)
		client_finish(c, CLIENT_END_EXPIRED);
	return ended;
}

static struct client_holdings holdings(struct client *c)
{
	return (struct client_holdings){
		.expired = client_is_expired(c),
		.calls = c->calls_running > 0,
		.sessions = c->sessions_count > 0,
		.opens = c->opens > 0,
		.locks = c->locks > 0,
		.file_delegs = c->file_delegs > 0,
		.dir_delegs = c->dir_delegs > 0,
	};
}

/* Decides and unlinks in one step; *@ret is borrowed from the tables. */
static nfsstat4 unlink_idle(struct state *s, uint64_t id, struct client **ret)
{
	struct client *c;
	nfsstat4 status;

	scope_lock(&s->clients_lock);
	*ret = c = client_by_id_locked(s, id);
	if (!c)
		return NFS4ERR_STALE_CLIENTID;
	scope_lock(&c->lock);
	struct client_holdings has = holdings(c);

	status = policy_client_destroy(&has, s->config.strict_destroy_clientid);
	if (status == NFS4_OK)
		client_unlink_held(c);
	return status;
}

nfsstat4 client_destroy(struct state *s, uint64_t id)
{
	struct client *c;
	nfsstat4 status = unlink_idle(s, id, &c);

	if (status == NFS4_OK)
		client_finish(c, CLIENT_END_DESTROYED);
	return status;
}
