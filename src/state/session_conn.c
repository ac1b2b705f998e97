/* SPDX-License-Identifier: MIT */
/* Which connections carry which channel of a session (RFC 8881 2.10.3). */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/session.h"
#include "state/session_private.h"
#include "state/state_private.h"

static uint64_t hash_conn(const void *conn)
{
	return htab_hash(&conn, sizeof(conn));
}

/* Any binding of @conn; under conns_lock. */
static struct session_conn *first_binding(struct state *s, const void *conn)
{
	struct htab_link *at;

	htab_for_each_match(at, &s->conns, hash_conn(conn)) {
		struct session_conn *link =
			container_of(at, struct session_conn, by_conn);

		if (link->conn == conn)
			return link;
	}
	return NULL;
}

static bool is_bound(struct state *s, const void *conn)
{
	scope_lock(&s->conns_lock);
	return first_binding(s, conn) != NULL;
}

/*
 * Say whether @conn is bound to any session. Two threads may cross here: each
 * looks again after it has spoken, so the last word is true.
 */
static void tell_bound(struct state *s, void *conn)
{
	struct state_ops *ops = &s->config.ops;
	bool bound;

	if (!ops->conn_bound)
		return;
	do {
		bound = is_bound(s, conn);
		ops->conn_bound(ops->ctx, conn, bound);
	} while (bound != is_bound(s, conn));
}

static void put_conn(struct state *s, void *conn)
{
	if (s->config.ops.conn_put)
		s->config.ops.conn_put(s->config.ops.ctx, conn);
}

struct session_conn *session_conn_find_locked(
	struct session *ss, const void *conn)
{
	struct session_conn *link;

	lock_assert_held(&ss->lock);
	list_for_each_entry(link, &ss->conns, on_session) {
		if (link->conn == conn)
			return link;
	}
	return NULL;
}

static void link_locked(struct session *ss, struct session_conn *link)
{
	struct state *s = ss->state;

	list_add_tail(&ss->conns, &link->on_session);
	ss->conns_count++;
	scope_lock(&s->conns_lock);
	htab_insert(&s->conns, &link->by_conn, hash_conn(link->conn));
}

static void unlink_locked(struct session *ss, struct session_conn *link)
{
	struct state *s = ss->state;

	list_del(&link->on_session);
	ss->conns_count--;
	scope_lock(&s->conns_lock);
	htab_remove(&s->conns, &link->by_conn);
}

enum bind_result { BIND_KNOWN, BIND_ADDED, BIND_REFUSED };

/* @fresh is used when @conn is not bound yet; NULL = only look. */
static enum bind_result bind_locked(struct session *ss, void *conn,
	unsigned channels, struct session_conn *fresh)
{
	struct session_conn *link = session_conn_find_locked(ss, conn);
	enum bind_result result = BIND_KNOWN;

	if (ss->dead)
		return BIND_REFUSED;
	if (!link) {
		if (!fresh || ss->conns_count >= SESSION_CONNS_MAX)
			return BIND_REFUSED;
		link = fresh;
		link_locked(ss, link);
		result = BIND_ADDED;
	}
	link->channels |= channels;
	link->lost = link->lost && !(channels & CDFS4_BACK);
	if (channels & CDFS4_BACK)
		cbsession_bound_locked(ss);
	return result;
}

static struct session_conn *conn_new(struct session *ss, void *conn)
{
	struct session_conn *link = calloc(1, sizeof(*link));
	struct state_ops *ops = &ss->state->config.ops;

	if (!link)
		return NULL;
	link->session = ss;
	link->conn = conn;
	list_init(&link->on_session);
	if (ops->conn_get)
		ops->conn_get(ops->ctx, conn);
	return link;
}

static void conn_free(struct state *s, struct session_conn *link)
{
	void *conn = link->conn;

	free(link);
	put_conn(s, conn);
}

static bool bind_new(struct session *ss, void *conn, unsigned channels)
{
	struct session_conn *fresh = conn_new(ss, conn);
	enum bind_result result;

	if (!fresh)
		return false;
	lock_acquire(&ss->lock);
	result = bind_locked(ss, conn, channels, fresh);
	lock_release(&ss->lock);
	if (result != BIND_ADDED)
		conn_free(ss->state, fresh);
	else
		tell_bound(ss->state, conn);
	return result != BIND_REFUSED;
}

bool session_conn_bind(struct session *ss, void *conn, unsigned channels)
{
	bool bound;

	if (!conn)
		return false;
	lock_acquire(&ss->lock);
	bound = bind_locked(ss, conn, channels, NULL) == BIND_KNOWN;
	lock_release(&ss->lock);
	bound = bound || bind_new(ss, conn, channels);
	if (bound && channels & CDFS4_BACK)
		cbsession_moved(ss->client);
	return bound;
}

/* One binding of @ss: that of @conn, or any when NULL. */
static struct session_conn *pop_binding(struct session *ss, const void *conn)
{
	struct session_conn *link;

	scope_lock(&ss->lock);
	if (conn)
		link = session_conn_find_locked(ss, conn);
	else if (list_empty(&ss->conns))
		link = NULL;
	else
		link = list_first_entry(
			&ss->conns, struct session_conn, on_session);
	if (link)
		unlink_locked(ss, link);
	return link;
}

static bool unbind(struct session *ss, const void *conn)
{
	struct session_conn *link = pop_binding(ss, conn);

	if (!link)
		return false;
	tell_bound(ss->state, link->conn);
	conn_free(ss->state, link);
	return true;
}

void session_conn_unbind_all(struct session *ss)
{
	while (unbind(ss, NULL))
		;
}

/* A session that @conn is bound to, with a reference; NULL when none. */
static struct session *any_session(struct state *s, const void *conn)
{
	struct session_conn *link;

	scope_lock(&s->conns_lock);
	link = first_binding(s, conn);
	if (!link)
		return NULL;
	session_ref(link->session);
	return link->session;
}

void session_conn_gone(struct state *s, void *conn)
{
	struct session *ss;

	while ((ss = any_session(s, conn))) {
		unbind(ss, conn);
		cbsession_moved(ss->client);
		session_put(ss);
	}
}

/* The channels @conn is to carry; CDFS4_*. */
static nfsstat4 choose_channels(struct session *ss, const void *conn,
	channel_dir_from_client4 asked, unsigned *ret)
{
	struct session_conn *link;
	unsigned has;

	scope_lock(&ss->lock);
	if (ss->dead)
		return NFS4ERR_BADSESSION;
	link = session_conn_find_locked(ss, conn);
	has = link ? link->channels : 0;
	if (asked == CDFC4_FORE_OR_BOTH && !ss->back_secure) {
		*ret = has | CDFS4_FORE; /* a back channel is of no use */
		return NFS4_OK;
	}
	return policy_bind(has, asked, ret);
}

nfsstat4 session_bind_conn(struct state *s,
	const BIND_CONN_TO_SESSION4args *args, void *conn,
	BIND_CONN_TO_SESSION4resok *res)
{
	struct session *ss = session_find(s, args->bctsa_sessid);
	unsigned channels;
	nfsstat4 status;

	if (!ss)
		return NFS4ERR_BADSESSION;
	status = choose_channels(ss, conn, args->bctsa_dir, &channels);
	if (status == NFS4_OK && !session_conn_bind(ss, conn, channels))
		status = NFS4ERR_DELAY;
	if (status == NFS4_OK) {
		memcpy(res->bctsr_sessid, args->bctsa_sessid,
			NFS4_SESSIONID_SIZE);
		res->bctsr_dir = channels;
		res->bctsr_use_conn_in_rdma_mode = false;
	}
	session_put(ss);
	return status;
}
