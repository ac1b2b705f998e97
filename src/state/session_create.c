/* SPDX-License-Identifier: MIT */
/* CREATE_SESSION (RFC 8881 18.36). */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rand.h"
#include "state/client_private.h"
#include "state/session.h"
#include "state/session_private.h"
#include "state/state_private.h"

/* What a session costs besides its replies, roughly. */
#define SESSION_COST 1024
#define SLOT_COST    (sizeof(struct slot) + 32)

/* One CREATE_SESSION on its way. */
struct creation {
	struct state *state;
	const CREATE_SESSION4args *args;
	const struct principal *who;
	struct session *session; /* ready but for its client and id */
	struct client *replaced; /* an older incarnation, unlinked */
	bool confirmed;          /* the client, by this session */
};

static nfsstat4 negotiate(struct state *s, const CREATE_SESSION4args *args,
	struct session_info *info)
{
	const struct state_config *config = &s->config;
	const struct channel_limits max = {
		.request = config->max_request,
		.response = config->max_response,
		.cached = config->max_cached,
		.ops = config->max_ops,
		.slots = config->max_slots,
	};
	nfsstat4 status;

	if (args->csa_flags & ~CREATE_SESSION_FLAGS_KNOWN)
		return NFS4ERR_INVAL;
	status = policy_fore_channel(
		&args->csa_fore_chan_attrs, &max, &info->fore);
	if (status != NFS4_OK)
		return status;
	return policy_back_channel(
		&args->csa_back_chan_attrs, &max, &info->back);
}

/*
 * Memory for kept replies, promised before the first is kept: no session takes
 * more than a third of what is left, so that there is always some for others.
 * Returns how many slots are paid for.
 */
static uint32_t reserve_slots(struct state *s, struct session *ss)
{
	uint32_t slots = ss->info.fore.ca_maxrequests;
	size_t slot = SLOT_COST + ss->info.fore.ca_maxresponsesize_cached;
	size_t seen = s->cache_reserved;
	size_t left, want;

	do {
		left = s->config.max_cache_bytes > seen
			? s->config.max_cache_bytes - seen
			: 0;
		if (left < SESSION_COST + slot)
			return 0;
		if (slots * slot > left / 3)
			slots = policy_min(slots, left / 3 / slot);
		if (slots == 0)
			slots = 1;
		want = SESSION_COST + slots * slot;
	} while (!atomic_compare_exchange_weak(
		&s->cache_reserved, &seen, seen + want));
	ss->reserved = want;
	return slots;
}

static void init_session(
	struct session *ss, struct state *s, const struct session_info *info)
{
	ref_init(&ss->ref);
	ss->state = s;
	ss->info = *info;
	list_init(&ss->on_client);
	list_init(&ss->conns);
	lock_init(&ss->lock, LOCK_SESSION);
	for (uint32_t i = 0; i < info->fore.ca_maxrequests; i++) {
		ss->slots[i].session = ss;
		ss->slots[i].index = i;
	}
	ss->cb_slots_count =
		policy_min(info->back.ca_maxrequests, CB_SLOTS_MAX);
	ss->cb_slots_usable = ss->cb_slots_count;
}

static void set_back_channel(
	struct session *ss, const CREATE_SESSION4args *args)
{
	scope_lock(&ss->lock);
	ss->cb_program = args->csa_cb_program;
	cbsession_set_security_locked(
		ss, args->csa_sec_parms.items, args->csa_sec_parms.count);
}

/* A session without client and id; NULL when out of memory. */
static struct session *session_new(struct state *s,
	const struct session_info *info, const CREATE_SESSION4args *args)
{
	uint32_t slots = info->fore.ca_maxrequests;
	struct session *ss =
		calloc(1, sizeof(*ss) + slots * sizeof(struct slot));

	if (!ss)
		return NULL;
	init_session(ss, s, info);
	ss->cb_slots = calloc(ss->cb_slots_count, sizeof(*ss->cb_slots));
	if (ss->cb_slots)
		ss->info.fore.ca_maxrequests = reserve_slots(s, ss);
	if (ss->info.fore.ca_maxrequests == 0 || !ss->cb_slots) {
		session_put(ss);
		return NULL;
	}
	set_back_channel(ss, args);
	return ss;
}

/* The client's id, so that ids never repeat, and what nobody can guess. */
static void make_id(struct session *ss, const struct client *c)
{
	memcpy(ss->info.id, &c->id, sizeof(c->id));
	rand_bytes(ss->info.id + sizeof(c->id),
		sizeof(ss->info.id) - sizeof(c->id));
}

static void fill_reply(const struct session *ss,
	const CREATE_SESSION4args *args, CREATE_SESSION4resok *res)
{
	*res = (CREATE_SESSION4resok){
		.csr_sequence = args->csa_sequence,
		.csr_fore_chan_attrs = ss->info.fore,
		.csr_back_chan_attrs = ss->info.back,
	};
	memcpy(res->csr_sessionid, ss->info.id, sizeof(ss->info.id));
	if (args->csa_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN &&
		ss->back_secure)
		res->csr_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
}

/* Phases three and four of 18.36.4: the principal, and room for one more. */
static nfsstat4 judge_locked(const struct creation *job, const struct client *c)
{
	if (!c->confirmed && !principal_equal(&c->principal, job->who))
		return NFS4ERR_CLID_INUSE;
	if (c->sessions_count >= job->state->config.max_sessions)
		return NFS4ERR_NOSPC;
	return job->session ? NFS4_OK : NFS4ERR_DELAY;
}

/*
 * An error uses up the sequence id as well, and a retry meets it again. But
 * DELAY asks for the same request once more, who is not the client's principal
 * does not take its turn, and bad arguments do not get here: whether they do
 * is open (18.36.4), and here it is as with Linux and as pynfs wants it.
 */
static bool uses_up(nfsstat4 status)
{
	return status == NFS4ERR_NOSPC;
}

/*
 * Phase two, the sequence id, and then those. OK: go on; *@replay: @res and
 * the status are those of the last time.
 */
static nfsstat4 check_client(struct creation *job, struct client *c,
	CREATE_SESSION4resok *res, bool *replay)
{
	nfsstat4 status;

	scope_lock(&c->lock);
	switch (policy_create_slot(c->create_seqid, job->args->csa_sequence)) {
	case CREATE_REPLAY:
		*replay = true;
		*res = c->create_reply;
		return c->create_status;
	case CREATE_MISORDERED:
		return NFS4ERR_SEQ_MISORDERED;
	case CREATE_NEXT:
		break;
	}
	status = judge_locked(job, c);
	if (status != NFS4_OK && uses_up(status)) {
		c->create_seqid = job->args->csa_sequence;
		c->create_status = status;
	}
	return status;
}

/* The first session confirms: an older incarnation goes (18.35.4, case 5). */
static void confirm_locked(struct creation *job, struct client *c)
{
	struct xdr_opaque owner = xdr_opaque_from(c->owner, c->owner_len);
	struct client *old = client_by_owner_locked(c->state, &owner, true);

	if (old && client_unlink_locked(old))
		job->replaced = old;
	c->confirmed = true;
	job->confirmed = true;
}

static void add_session(
	struct creation *job, struct client *c, CREATE_SESSION4resok *res)
{
	struct session *ss = job->session;

	ss->client = client_ref(c);
	ss->info.client = c;
	make_id(ss, c);
	fill_reply(ss, job->args, res);
	scope_lock(&c->lock);
	session_link_held(ss);
	c->create_seqid = job->args->csa_sequence;
	c->create_status = NFS4_OK;
	c->create_reply = *res;
}

static nfsstat4 create_locked(
	struct creation *job, CREATE_SESSION4resok *res, bool *replay)
{
	struct client *c;
	nfsstat4 status;

	*replay = false;
	scope_lock(&job->state->clients_lock);
	c = client_by_id_locked(job->state, job->args->csa_clientid);
	if (!c)
		return NFS4ERR_STALE_CLIENTID;
	status = check_client(job, c, res, replay);
	if (status != NFS4_OK || *replay)
		return status;
	if (!c->confirmed)
		confirm_locked(job, c);
	client_renew(c);
	add_session(job, c, res);
	return NFS4_OK;
}

static void say_confirmed(const struct client *c)
{
	log_debug("client confirmed id=%llx owner=%.*s",
		(unsigned long long)c->id, (int)c->owner_len,
		(const char *)c->owner);
}

/* The connection it came on carries the session from now on. */
static void bind_first(struct creation *job, void *conn, uint32_t flags)
{
	bool back = flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN;

	session_conn_bind(job->session, conn, back ? CDFS4_BOTH : CDFS4_FORE);
}

nfsstat4 session_create(struct state *s, const CREATE_SESSION4args *args,
	uint32_t minor_version, const struct principal *who, void *conn,
	CREATE_SESSION4resok *res)
{
	struct creation job = {.state = s, .args = args, .who = who};
	struct session_info info = {.minor_version = minor_version};
	nfsstat4 status = negotiate(s, args, &info);
	bool replay;

	if (status != NFS4_OK)
		return status;
	job.session = session_new(s, &info, args);
	status = create_locked(&job, res, &replay);
	if (status == NFS4_OK && !replay)
		bind_first(&job, conn, res->csr_flags);
	if (job.confirmed)
		say_confirmed(job.session->client);
	if (job.replaced)
		client_finish(job.replaced, CLIENT_END_REPLACED);
	session_put(job.session);
	return status;
}
