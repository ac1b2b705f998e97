/* SPDX-License-Identifier: MIT */
#include "state/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "state/client_private.h"
#include "state/session_private.h"
#include "state/state_private.h"

static struct session_shard *shard_of(struct state *s, uint64_t hash)
{
	return &s->sessions[hash >> 32 & (SESSION_SHARDS - 1)];
}

struct session *session_find(
	struct state *s, const uint8_t id[NFS4_SESSIONID_SIZE])
{
	uint64_t hash = htab_hash(id, NFS4_SESSIONID_SIZE);
	struct session_shard *shard = shard_of(s, hash);
	struct htab_link *at;

	scope_lock(&shard->lock);
	htab_for_each_match(at, &shard->table, hash) {
		struct session *ss = container_of(at, struct session, link);

		if (memcmp(ss->info.id, id, NFS4_SESSIONID_SIZE) == 0) {
			session_ref(ss);
			return ss;
		}
	}
	return NULL;
}

void session_ref(struct session *ss)
{
	ref_get(&ss->ref);
}

static void free_slots(struct session *ss)
{
	for (uint32_t i = 0; i < ss->info.fore.ca_maxrequests; i++) {
		struct slot *slot = &ss->slots[i];

		counter_add(&ss->state->count_replay_bytes,
			-(int64_t)slot->reply_size);
		free(slot->reply);
	}
	free(ss->cb_slots);
}

void session_put(struct session *ss)
{
	struct client *c;

	if (!ss || !ref_put(&ss->ref))
		return;
	assert(list_empty(&ss->conns));
	c = ss->client;
	free_slots(ss);
	ss->state->cache_reserved -= ss->reserved;
	lock_fini(&ss->lock);
	free(ss);
	client_put(c);
}

const struct session_info *session_get_info(const struct session *ss)
{
	return &ss->info;
}

/* ---- into and out of the tables ---- */

void session_link_held(struct session *ss)
{
	uint64_t hash = htab_hash(ss->info.id, NFS4_SESSIONID_SIZE);
	struct session_shard *shard = shard_of(ss->state, hash);
	struct client *c = ss->client;

	lock_assert_held(&c->lock);
	session_ref(ss);
	list_add_tail(&c->sessions, &ss->on_client);
	c->sessions_count++;
	counter_add(&ss->state->count_sessions, 1);
	lock_acquire(&shard->lock);
	htab_insert(&shard->table, &ss->link, hash);
	lock_release(&shard->lock);
}

/* Under the client's lock; false when it was done before. */
static bool unlink_held(struct session *ss)
{
	struct session_shard *shard = shard_of(ss->state, ss->link.hash);
	struct client *c = ss->client;

	if (list_empty(&ss->on_client))
		return false;
	list_del(&ss->on_client);
	c->sessions_count--;
	counter_add(&ss->state->count_sessions, -1);
	lock_acquire(&shard->lock);
	htab_remove(&shard->table, &ss->link);
	lock_release(&shard->lock);
	return true;
}

/* Calls that run on it go on; the tables' reference is put. */
static void finish(struct session *ss)
{
	lock_acquire(&ss->lock);
	ss->dead = true;
	lock_release(&ss->lock);
	session_conn_unbind_all(ss);
	cbsession_moved(ss->client);
	session_put(ss);
}

bool session_end(struct session *ss)
{
	bool first;

	lock_acquire(&ss->client->lock);
	first = unlink_held(ss);
	lock_release(&ss->client->lock);
	if (first)
		finish(ss);
	return first;
}

static struct session *pop_session(struct client *c)
{
	struct session *ss;

	scope_lock(&c->lock);
	if (list_empty(&c->sessions))
		return NULL;
	ss = list_first_entry(&c->sessions, struct session, on_client);
	unlink_held(ss);
	return ss;
}

void session_end_all(struct client *c)
{
	struct session *ss;

	while ((ss = pop_session(c)))
		finish(ss);
}

nfsstat4 session_destroy(
	struct state *s, const uint8_t id[NFS4_SESSIONID_SIZE], void *conn)
{
	struct session *ss = session_find(s, id);
	nfsstat4 status = NFS4_OK;
	bool bound;

	if (!ss)
		return NFS4ERR_BADSESSION;
	lock_acquire(&ss->lock);
	bound = session_conn_find_locked(ss, conn) != NULL;
	lock_release(&ss->lock);
	if (!bound)
		status = NFS4ERR_CONN_NOT_BOUND_TO_SESSION;
	else if (!session_end(ss))
		status = NFS4ERR_BADSESSION;
	session_put(ss);
	return status;
}

nfsstat4 session_backchannel_ctl(
	struct session *ss, const BACKCHANNEL_CTL4args *args)
{
	uint32_t count = args->bca_sec_parms.count;

	lock_acquire(&ss->lock);
	/* What cannot be used is a GSS context that we do not have. */
	if (count > 0 &&
		!cbsession_set_security_locked(
			ss, args->bca_sec_parms.items, count)) {
		lock_release(&ss->lock);
		return NFS4ERR_NOENT;
	}
	ss->cb_program = args->bca_cb_program;
	ss->back_verified = false;
	lock_release(&ss->lock);
	cbsession_moved(ss->client);
	return NFS4_OK;
}

int session_state_init(struct state *s)
{
	for (int i = 0; i < SESSION_SHARDS; i++) {
		lock_init(&s->sessions[i].lock, LOCK_SESSIONS);
		if (htab_init(&s->sessions[i].table, 0) < 0)
			return -ENOMEM;
	}
	lock_init(&s->conns_lock, LOCK_LEAF);
	return htab_init(&s->conns, 0);
}

void session_state_fini(struct state *s)
{
	for (int i = 0; i < SESSION_SHARDS; i++) {
		assert(s->sessions[i].table.count == 0);
		htab_fini(&s->sessions[i].table);
		lock_fini(&s->sessions[i].lock);
	}
	assert(s->conns.count == 0);
	htab_fini(&s->conns);
	lock_fini(&s->conns_lock);
}
