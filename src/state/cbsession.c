/* SPDX-License-Identifier: MIT */
#include "state/cbsession.h"

#include <string.h>

#include "base/cleanup.h"
#include "state/client_private.h"
#include "state/session_private.h"
#include "state/state_private.h"

/* ---- one session, under its lock ---- */

/* The newest connection that carries its back channel, not @except. */
static struct session_conn *pick_conn_locked(
	struct session *ss, const void *except)
{
	struct session_conn *link, *found = NULL;

	list_for_each_entry(link, &ss->conns, on_session) {
		if (link->channels & CDFS4_BACK && !link->lost &&
			link->conn != except)
			found = link;
	}
	return found;
}

static enum cb_health health_locked(struct session *ss)
{
	if (ss->dead || !ss->back_secure || ss->back_failed || ss->back_gone ||
		ss->back_fault || !pick_conn_locked(ss, NULL))
		return CB_HEALTH_DOWN;
	return ss->back_verified ? CB_HEALTH_UP : CB_HEALTH_UNKNOWN;
}

void cbsession_bound_locked(struct session *ss)
{
	ss->back_wanted = true;
	ss->back_failed = false;
	ss->back_gone = false; /* the client named the session */
}

uint32_t cbsession_flags_locked(const struct session *ss)
{
	uint32_t flags = 0;

	/* The health functions only look. */
	if (ss->back_wanted &&
		health_locked((struct session *)ss) == CB_HEALTH_DOWN)
		flags |= SEQ4_STATUS_CB_PATH_DOWN_SESSION;
	if (ss->back_fault)
		flags |= SEQ4_STATUS_BACKCHANNEL_FAULT;
	return flags;
}

/* ---- security (18.36.3): AUTH_SYS as offered, or AUTH_NONE ---- */

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	at[0] = value >> 24;
	at[1] = value >> 16;
	at[2] = value >> 8;
	at[3] = value;
	return at + 4;
}

/* The body of the credential, as XDR; 0 when it does not fit. */
static uint32_t encode_authsys(
	const authsys_parms *parms, uint8_t *body, size_t size)
{
	uint32_t name = parms->machinename.len;
	uint32_t padded = (name + 3) & ~UINT32_C(3);
	uint8_t *at = body;

	if (name > RPC_AUTHSYS_NAME_MAX ||
		parms->gids.count > RPC_AUTHSYS_GIDS_MAX ||
		20 + padded + parms->gids.count * 4 > size)
		return 0;
	at = put_u32(at, parms->stamp);
	at = put_u32(at, name);
	memset(at, 0, padded);
	if (name)
		memcpy(at, parms->machinename.data, name);
	at = put_u32(at + padded, parms->uid);
	at = put_u32(at, parms->gid);
	at = put_u32(at, parms->gids.count);
	for (uint32_t i = 0; i < parms->gids.count; i++)
		at = put_u32(at, parms->gids.items[i]);
	return at - body;
}

static bool take_offer(struct session *ss, const callback_sec_parms4 *offer)
{
	if (offer->cb_secflavor == AUTH_SYS) {
		uint32_t size = encode_authsys(&offer->cbsp_sys_cred,
			ss->cb_body, sizeof(ss->cb_body));

		if (size == 0)
			return false;
		ss->cb_body_size = size;
	} else {
		ss->cb_body_size = 0;
	}
	ss->cb_flavor = offer->cb_secflavor;
	ss->back_secure = true;
	return true;
}

bool cbsession_set_security_locked(
	struct session *ss, const callback_sec_parms4 *offers, uint32_t count)
{
	static const auth_flavor wanted[] = {AUTH_SYS, AUTH_NONE};

	for (size_t w = 0; w < 2; w++) {
		for (uint32_t i = 0; i < count; i++) {
			if (offers[i].cb_secflavor == wanted[w] &&
				take_offer(ss, &offers[i]))
				return true;
		}
	}
	return false;
}

/* ---- the client's health: the best of its sessions ---- */

static enum cb_health sum_up_held(struct client *c, bool *wanted)
{
	enum cb_health best = CB_HEALTH_DOWN;
	struct session *ss;

	*wanted = false;
	list_for_each_entry(ss, &c->sessions, on_client) {
		scope_lock(&ss->lock);
		enum cb_health health = health_locked(ss);

		*wanted = *wanted || ss->back_wanted;
		if (health > best)
			best = health;
	}
	return best;
}

void cbsession_moved(struct client *c)
{
	struct state_ops *ops = &c->state->config.ops;
	bool starved, wanted;

	lock_acquire(&c->lock);
	c->cb_health = sum_up_held(c, &wanted);
	if (wanted)
		c->cb_wanted = true;
	if (c->cb_health != CB_HEALTH_UNKNOWN)
		c->cb_probing = false;
	starved = c->cb_starved;
	c->cb_starved = false;
	cond_broadcast(&c->cb_moved);
	lock_release(&c->lock);
	if (starved && ops->cb_ready)
		ops->cb_ready(ops->ctx, c);
}

enum cb_health cbsession_health(struct client *c)
{
	return c->cb_health;
}

/* True when the caller is to ask for the probe. */
static bool claim_probe(struct client *c)
{
	scope_lock(&c->lock);
	if (c->cb_health != CB_HEALTH_UNKNOWN || c->cb_probing)
		return false;
	c->cb_probing = true;
	return true;
}

/* False when it is still UNKNOWN at @deadline_ms. Under the client's lock. */
static bool wait_held(struct client *c, uint64_t deadline_ms)
{
	while (c->cb_health == CB_HEALTH_UNKNOWN && !c->ended) {
		uint64_t now_ms = state_now_ms(c->state);

		if (now_ms >= deadline_ms ||
			!cond_wait_ms(
				&c->cb_moved, &c->lock, deadline_ms - now_ms))
			return false;
	}
	return true;
}

enum cb_health cbsession_wait_health(struct client *c, uint64_t timeout_ms)
{
	struct state_ops *ops = &c->state->config.ops;
	uint64_t deadline_ms = state_now_ms(c->state) + timeout_ms;

	if (claim_probe(c) && ops->send_probe)
		ops->send_probe(ops->ctx, c);
	scope_lock(&c->lock);
	if (!wait_held(c, deadline_ms))
		c->cb_probing = false; /* who comes next asks again */
	return c->cb_health;
}

uint32_t cbsession_max_request(struct client *c)
{
	struct session *ss;
	uint32_t max = 0;

	scope_lock(&c->lock);
	list_for_each_entry(ss, &c->sessions, on_client) {
		scope_lock(&ss->lock);
		if (health_locked(ss) != CB_HEALTH_DOWN &&
			ss->info.back.ca_maxrequestsize > max)
			max = ss->info.back.ca_maxrequestsize;
	}
	return max;
}

/* ---- slots ---- */

/*
 * A free slot, one without doubts first, last one that its client may be busy
 * with for ever; NULL when all are in use.
 */
static struct cb_slot_state *find_slot_locked(struct session *ss)
{
	struct cb_slot_state *doubtful = NULL;

	for (uint32_t i = 0; i < ss->cb_slots_usable; i++) {
		struct cb_slot_state *slot = &ss->cb_slots[i];

		if (slot->busy)
			continue;
		if (!slot->uncertain)
			return slot;
		if (!doubtful || slot->delayed < doubtful->delayed)
			doubtful = slot;
	}
	return doubtful;
}

static uint32_t highest_busy_locked(const struct session *ss)
{
	uint32_t i = ss->cb_slots_count;

	while (i > 1 && !ss->cb_slots[i - 1].busy)
		i--;
	return i - 1;
}

static void *ref_conn(struct session *ss, void *conn)
{
	struct state_ops *ops = &ss->state->config.ops;

	if (ops->conn_get)
		ops->conn_get(ops->ctx, conn);
	return conn;
}

static void put_conn(struct session *ss, void *conn)
{
	struct state_ops *ops = &ss->state->config.ops;

	if (ops->conn_put)
		ops->conn_put(ops->ctx, conn);
}

static void fill_slot_locked(struct session *ss, struct cb_slot_state *slot,
	struct session_conn *link, struct cb_slot *ret)
{
	slot->busy = true;
	session_ref(ss);
	*ret = (struct cb_slot){
		.session = ss,
		.conn = ref_conn(ss, link->conn),
		.slot = slot - ss->cb_slots,
		.seqid = slot->seqid + 1,
		.highest = highest_busy_locked(ss),
		.minor_version = ss->info.minor_version,
		.program = ss->cb_program,
		.max_request = ss->info.back.ca_maxrequestsize,
		.max_response = ss->info.back.ca_maxresponsesize,
		.max_ops = ss->info.back.ca_maxoperations,
		.auth_flavor = ss->cb_flavor,
		.auth_body_size = ss->cb_body_size,
		.uncertain = slot->uncertain,
		.target_highest = UINT32_MAX,
	};
	memcpy(ret->session_id, ss->info.id, sizeof(ret->session_id));
	memcpy(ret->auth_body, ss->cb_body, ss->cb_body_size);
}

static enum cb_slot_result take_from(struct session *ss, size_t size,
	enum cb_health health, struct cb_slot *ret)
{
	struct cb_slot_state *slot;

	scope_lock(&ss->lock);
	if (health_locked(ss) != health ||
		ss->info.back.ca_maxrequestsize < size)
		return CB_SLOT_DOWN;
	slot = find_slot_locked(ss);
	if (!slot)
		return CB_SLOT_BUSY;
	if (ret)
		fill_slot_locked(ss, slot, pick_conn_locked(ss, NULL), ret);
	return CB_SLOT_TAKEN;
}

/* From any session, those that have answered before first. */
static enum cb_slot_result take_held(
	struct client *c, size_t size, struct cb_slot *ret)
{
	static const enum cb_health order[] = {CB_HEALTH_UP, CB_HEALTH_UNKNOWN};
	enum cb_slot_result result = CB_SLOT_DOWN;
	struct session *ss;

	for (size_t i = 0; i < 2; i++) {
		list_for_each_entry(ss, &c->sessions, on_client) {
			switch (take_from(ss, size, order[i], ret)) {
			case CB_SLOT_TAKEN:
				return CB_SLOT_TAKEN;
			case CB_SLOT_BUSY:
				result = CB_SLOT_BUSY;
				break;
			case CB_SLOT_DOWN:
				break;
			}
		}
	}
	return result;
}

enum cb_slot_result cbsession_slot_take(
	struct client *c, size_t size, struct cb_slot *ret)
{
	enum cb_slot_result result;

	scope_lock(&c->lock);
	result = take_held(c, size, ret);
	if (result == CB_SLOT_BUSY)
		c->cb_starved = true;
	return result;
}

bool cbsession_has_free_slot(struct client *c)
{
	scope_lock(&c->lock);
	if (take_held(c, 0, NULL) != CB_SLOT_BUSY)
		return true;
	c->cb_starved = true;
	return false;
}

/* @conn is as good as closed; its owner will say so in a moment. */
static void conn_lost_locked(struct session *ss, const void *conn)
{
	struct session_conn *link = session_conn_find_locked(ss, conn);

	if (link)
		link->lost = true;
	ss->back_verified = false;
}

static void set_target_locked(struct session *ss, uint32_t target)
{
	if (target == UINT32_MAX)
		return;
	ss->cb_slots_usable =
		target < ss->cb_slots_count ? target + 1 : ss->cb_slots_count;
}

/* What the end of a callback says of its slot and of the channel. */
static void note_outcome_locked(struct session *ss, struct cb_slot_state *slot,
	const struct cb_slot *taken, enum cb_outcome outcome)
{
	switch (outcome) {
	case CB_ANSWERED:
		slot->seqid = taken->seqid;
		slot->uncertain = false;
		slot->delayed = 0;
		ss->back_verified = true;
		set_target_locked(ss, taken->target_highest);
		break;
	case CB_SEQ_BADSESSION:
		ss->back_gone = true;
		break;
	case CB_SEQ_MISORDERED:
		ss->back_fault = true;
		break;
	case CB_SEQ_ERROR:
		/* It answers, and has seen the seqid if there was a doubt. */
		if (slot->uncertain)
			slot->seqid = taken->seqid;
		slot->uncertain = false;
		slot->delayed = 0;
		break;
	case CB_TIMED_OUT:
		ss->back_failed = true;
		ss->back_verified = false;
		slot->uncertain = true;
		break;
	case CB_CONN_LOST:
		conn_lost_locked(ss, taken->conn);
		slot->uncertain = true;
		break;
	case CB_SEQ_DELAY:
		/* Busy with it, perhaps since a connection was lost. */
		slot->uncertain = true;
		if (slot->delayed < UINT8_MAX)
			slot->delayed++;
		break;
	case CB_NOT_SENT:
		break;
	}
}

void cbsession_slot_give(struct cb_slot *taken, enum cb_outcome outcome)
{
	struct session *ss = taken->session;
	struct cb_slot_state *slot = &ss->cb_slots[taken->slot];

	lock_acquire(&ss->lock);
	note_outcome_locked(ss, slot, taken, outcome);
	slot->busy = false;
	lock_release(&ss->lock);
	if (outcome == CB_ANSWERED)
		client_renew(ss->client);
	cbsession_moved(ss->client);
	put_conn(ss, taken->conn);
	taken->conn = NULL;
	taken->session = NULL;
	session_put(ss);
}

/* Another connection for @taken, with a reference; NULL when there is none. */
static void *replace_conn(struct session *ss, struct cb_slot *taken)
{
	struct session_conn *link;

	scope_lock(&ss->lock);
	conn_lost_locked(ss, taken->conn);
	if (health_locked(ss) == CB_HEALTH_DOWN)
		return NULL;
	link = pick_conn_locked(ss, taken->conn);
	return link ? ref_conn(ss, link->conn) : NULL;
}

static enum cb_retry prospect_locked(
	struct session *ss, const struct cb_slot *taken)
{
	conn_lost_locked(ss, taken->conn);
	if (ss->dead || ss->back_gone || ss->back_fault || ss->back_failed)
		return CB_RETRY_NEVER;
	return pick_conn_locked(ss, taken->conn) ? CB_RETRY_NOW
						 : CB_RETRY_LATER;
}

enum cb_retry cbsession_slot_prospect(const struct cb_slot *taken)
{
	struct session *ss = taken->session;
	enum cb_retry prospect;

	lock_acquire(&ss->lock);
	prospect = prospect_locked(ss, taken);
	lock_release(&ss->lock);
	cbsession_moved(ss->client);
	return prospect;
}

bool cbsession_slot_retry(struct cb_slot *taken)
{
	struct session *ss = taken->session;
	void *conn = replace_conn(ss, taken);

	if (!conn) {
		cbsession_slot_give(taken, CB_CONN_LOST);
		return false;
	}
	put_conn(ss, taken->conn);
	taken->conn = conn;
	cbsession_moved(ss->client);
	return true;
}
