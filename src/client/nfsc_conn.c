/* SPDX-License-Identifier: MIT */
/*
 * The connection: which client it belongs to, making it, and repair: whoever
 * finds connection or session broken mends them, the others wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/nfsc_priv.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000

/* ---- which client a connection belongs to ---- */

static struct nfsc_conn *find_conn(struct nfsc_net *net, struct rpc_conn *conn)
{
	uint64_t hash = htab_hash(&conn, sizeof(conn));
	struct htab_link *link;

	htab_for_each_match(link, &net->conns, hash) {
		struct nfsc_conn *nc =
			container_of(link, struct nfsc_conn, by_conn);

		if (nc->conn == conn)
			return nc;
	}
	return NULL;
}

/* The caller holds net->lock and drops the reference to the connection. */
static void unlink_conn(struct nfsc_net *net, struct nfsc_conn *nc)
{
	htab_remove(&net->conns, &nc->by_conn);
	list_del(&nc->of_client);
}

struct nfsc *nfsc_client_of(struct nfsc_net *net, struct rpc_conn *conn)
{
	struct nfsc_conn *nc;

	scope_lock(&net->lock);
	nc = find_conn(net, conn);
	if (!nc)
		return NULL;
	nc->client->users++;
	return nc->client;
}

void nfsc_client_put(struct nfsc *c)
{
	struct nfsc_net *net = c->net;

	scope_lock(&net->lock);
	if (--c->users == 0)
		cond_broadcast(&net->cond);
}

/* Take @conn's entry out of the table and hold its client, or NULL. */
static struct nfsc_conn *take_conn(struct nfsc_net *net, struct rpc_conn *conn)
{
	struct nfsc_conn *nc;

	scope_lock(&net->lock);
	nc = find_conn(net, conn);
	if (nc) {
		unlink_conn(net, nc);
		nc->client->users++;
	}
	return nc;
}

void nfsc_conn_closed(void *ctx, struct rpc_conn *conn)
{
	struct nfsc_conn *nc = take_conn(ctx, conn);

	if (!nc)
		return;
	nfsc_conn_failed(nc->client, conn);
	nfsc_client_put(nc->client);
	rpc_conn_put(nc->conn);
	free(nc);
}

/* Callbacks on @conn are for @c from now on. */
static int register_conn(struct nfsc *c, struct rpc_conn *conn)
{
	struct nfsc_conn *nc = malloc(sizeof(*nc));

	if (!nc)
		return -ENOMEM;
	*nc = (struct nfsc_conn){.conn = rpc_conn_get(conn), .client = c};
	lock_acquire(&c->net->lock);
	list_add_tail(&c->conns, &nc->of_client);
	htab_insert(
		&c->net->conns, &nc->by_conn, htab_hash(&conn, sizeof(conn)));
	lock_release(&c->net->lock);
	if (rpc_conn_is_open(conn))
		return 0;
	/* It may have been closed before it was in the table. */
	nfsc_conn_closed(c->net, conn);
	return -ENOTCONN;
}

static struct nfsc_conn *take_any(struct nfsc *c)
{
	struct nfsc_conn *nc;

	if (list_empty(&c->conns))
		return NULL;
	nc = list_first_entry(&c->conns, struct nfsc_conn, of_client);
	unlink_conn(c->net, nc);
	return nc;
}

void nfsc_forget_conns(struct nfsc *c)
{
	struct nfsc_net *net = c->net;
	struct nfsc_conn *nc;

	lock_acquire(&net->lock);
	while ((nc = take_any(c))) {
		lock_release(&net->lock);
		rpc_conn_close(nc->conn);
		rpc_conn_put(nc->conn);
		free(nc);
		lock_acquire(&net->lock);
	}
	while (c->users > 0)
		cond_wait(&net->cond, &net->lock);
	lock_release(&net->lock);
}

/* ---- making a connection ---- */

int nfsc_connect(struct nfsc *c)
{
	struct rpc_conn *conn, *old;
	int err = nfsc_dial(c, &conn);

	if (err < 0)
		return err;
	rpc_conn_set_bound(conn, true);
	lock_acquire(&c->lock);
	old = c->conn;
	c->conn = rpc_conn_get(conn);
	c->stats.connects++;
	lock_release(&c->lock);
	if (old) {
		rpc_conn_close(old);
		rpc_conn_put(old);
	}
	err = register_conn(c, conn);
	if (err < 0)
		nfsc_conn_failed(c, conn);
	rpc_conn_put(conn);
	return err;
}

void nfsc_conn_failed(struct nfsc *c, struct rpc_conn *conn)
{
	bool was_ours, tell;

	lock_acquire(&c->lock);
	was_ours = c->conn == conn;
	tell = was_ours && !c->cancelled;
	if (was_ours) {
		c->conn = NULL;
		cond_broadcast(&c->cond);
	}
	lock_release(&c->lock);
	rpc_conn_close(conn);
	if (was_ours)
		rpc_conn_put(conn);
	if (tell)
		nfsc_tell(c, NFSC_CONN_LOST);
}

void nfsc_drop(struct nfsc *c)
{
	struct rpc_conn *conn;

	lock_acquire(&c->lock);
	conn = c->conn ? rpc_conn_get(c->conn) : NULL;
	lock_release(&c->lock);
	if (conn) {
		nfsc_conn_failed(c, conn);
		rpc_conn_put(conn);
	}
}

/* ---- repair ---- */

static void end_session(struct nfsc *c, uint64_t generation, bool broken)
{
	scope_lock(&c->lock);
	if (c->session.generation == generation && c->session.live) {
		c->session.live = false;
		c->session.broken = broken;
		cond_broadcast(&c->cond);
	}
}

void nfsc_session_lost(struct nfsc *c, uint64_t generation)
{
	end_session(c, generation, false);
}

void nfsc_session_broken(struct nfsc *c, uint64_t generation)
{
	end_session(c, generation, true);
}

static bool is_session_gone(int err)
{
	return err == NFS4ERR_BADSESSION || err == NFS4ERR_DEADSESSION;
}

static bool has_conn(struct nfsc *c)
{
	scope_lock(&c->lock);
	return c->conn != NULL;
}

/* The generation of the session the server has, or 0. */
static uint64_t live_session(struct nfsc *c)
{
	scope_lock(&c->lock);
	return c->session.live ? c->session.generation : 0;
}

/* A new connection, bound to the session if there is one. */
static int repair_conn(struct nfsc *c)
{
	uint64_t generation;
	int err;

	if (has_conn(c))
		return 0;
	err = nfsc_connect(c);
	generation = live_session(c);
	if (err || !generation)
		return err;
	err = nfsc_bind(c, CDFC4_FORE_OR_BOTH);
	if (is_session_gone(err)) {
		nfsc_session_lost(c, generation);
		return 0;
	}
	if (err == 0)
		nfsc_tell(c, NFSC_CONN_BACK);
	return err;
}

/*
 * Who gives up a session tells the server (18.46.3), or it stays there until
 * the client id goes, which it prevents.
 */
static void destroy_broken(struct nfsc *c)
{
	bool broken;

	lock_acquire(&c->lock);
	broken = c->session.broken;
	c->session.broken = false;
	lock_release(&c->lock);
	if (broken)
		nfsc_destroy_session(c);
}

/* A session for the client id we have, or else for a new one. */
static int repair_session(struct nfsc *c)
{
	int err = NFS4ERR_STALE_CLIENTID;

	if (live_session(c))
		return 0;
	if (c->config.no_recovery && c->established)
		return -ECONNRESET;
	destroy_broken(c);
	if (c->has_clientid) {
		err = nfsc_create_session(c);
		if (err == 0 && !c->fresh)
			nfsc_tell(c, NFSC_NEW_SESSION);
	}
	/* It is unknown, or which sequence id comes next is. */
	if (err == NFS4ERR_STALE_CLIENTID || err == NFS4ERR_SEQ_MISORDERED) {
		err = nfsc_exchange_id(c);
		if (err == 0)
			err = nfsc_create_session(c);
	}
	return err;
}

/* A new client id has nothing to reclaim, and knows no lease time yet. */
static int repair_client(struct nfsc *c)
{
	bool again = c->established;
	int err;

	if (!c->fresh)
		return 0;
	err = c->config.no_claims ? 0 : nfsc_reclaim_complete(c);
	if (err == 0)
		err = nfsc_learn_lease(c);
	if (err)
		return err;
	lock_acquire(&c->lock);
	c->fresh = false;
	c->established = true;
	c->stats.restarts += again;
	lock_release(&c->lock);
	if (again)
		nfsc_tell(c, NFSC_RESTARTED);
	return 0;
}

static int repair_once(struct nfsc *c)
{
	int err = repair_conn(c);

	if (err == 0)
		err = repair_session(c);
	if (err == 0)
		err = repair_client(c);
	return err;
}

/* Would trying again be of use? */
static bool is_passing(int err)
{
	switch (err) {
	case NFS4ERR_DELAY:
	case NFS4ERR_GRACE:
	case NFS4ERR_CLID_INUSE: /* until the lease of the other one ends */
	case NFS4ERR_STALE_CLIENTID:
	case NFS4ERR_BADSESSION:
	case NFS4ERR_DEADSESSION:
	case NFS4ERR_SERVERFAULT:
		return true;
	case -EACCES:
	case -EINVAL:
	case -EMSGSIZE:
	case -EPROTO:
	case -ECONNRESET:
	case -ECANCELED:
		return false;
	default:
		return err < 0;
	}
}

/* Nobody else repairs. The calling thread may use the half-built session. */
static int repair(struct nfsc *c)
{
	uint64_t patience = c->established ? c->config.patience_ms
					   : c->config.first_patience_ms;
	bool forever = c->established && patience == 0;
	uint64_t start = clock_mono_ms(c->net->timers->clock);
	uint64_t backoff = BACKOFF_MIN_MS;
	int err;

	while ((err = repair_once(c)) && is_passing(err)) {
		uint64_t now = clock_mono_ms(c->net->timers->clock);

		if (!forever && now - start >= patience)
			break;
		nfsc_sleep(c, backoff);
		backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS
						       : backoff * 2;
		lock_acquire(&c->lock);
		err = c->cancelled ? -ECANCELED : 0;
		lock_release(&c->lock);
		if (err)
			break;
	}
	return err;
}

/* Take up repairs, or wait for who does; the lock is held. */
static int repair_or_wait_locked(struct nfsc *c)
{
	int err;

	if (c->repairing || c->held) {
		cond_wait(&c->cond, &c->lock);
		return 0;
	}
	c->repairing = true;
	c->repairer = pthread_self();
	lock_release(&c->lock);
	err = repair(c);
	lock_acquire(&c->lock);
	c->repairing = false;
	cond_broadcast(&c->cond);
	return err;
}

int nfsc_ensure(struct nfsc *c, uint64_t generation, struct rpc_conn **ret)
{
	bool repairer;
	int err = 0;

	scope_lock(&c->lock);
	while (err == 0) {
		repairer = c->repairing &&
			pthread_equal(c->repairer, pthread_self());
		if (c->cancelled)
			return -ECANCELED;
		if (generation && generation != c->session.generation)
			return -ECONNRESET;
		if (c->conn && c->session.live && (repairer || !c->repairing))
			break;
		if (repairer)
			return -ENOTCONN;
		err = repair_or_wait_locked(c);
	}
	if (err == 0)
		*ret = rpc_conn_get(c->conn);
	return err;
}
