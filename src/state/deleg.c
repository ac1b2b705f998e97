/* SPDX-License-Identifier: MIT */
#include "state/deleg.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "state/batch.h"
#include "state/client.h"
#include "state/deleg_private.h"
#include "state/dirdeleg.h"
#include "state/dirmemory.h"
#include "state/dirside.h"
#include "state/policy_dirdeleg.h"
#include "state/policy_recall.h"
#include "state/policy_stateid.h"

static const char *const reason_names[RECALL_REASONS] = {
	[RECALL_CONFLICT] = "conflict",
	[RECALL_UNSUBSCRIBED] = "unsubscribed",
	[RECALL_LOCAL_CHANGE] = "local_change",
	[RECALL_OVERFLOW] = "overflow",
	[RECALL_CALLBACK_ERROR] = "callback_error",
	[RECALL_RESOURCE] = "resource",
	[RECALL_ADMIN] = "admin",
	[RECALL_DIRECTORY_REMOVED] = "directory_removed",
	[RECALL_PERMISSION] = "permission",
};

const char *recall_reason_name(enum recall_reason reason)
{
	return reason < RECALL_REASONS ? reason_names[reason] : "?";
}

/* ---- the books ---- */

int deleg_books_init(struct deleg_books *b, struct state *s)
{
	const struct state_config *config = state_get_config(s);

	*b = (struct deleg_books){.state = s};
	b->holdoff.first_ms = config->damping_ms;
	b->holdoff.longest_ms = config->damping_max_ms;
	lock_init(&b->lock, LOCK_RECALL);
	cond_init(&b->ended);
	batch_books_init(b);
	recall_books_init(b);
	return htab_init(&b->terms, 0);
}

void deleg_books_fini(struct deleg_books *b)
{
	if (!b->state)
		return; /* never begun */
	recall_books_fini(b);
	batch_books_fini(b);
	assert(b->terms.count == 0);
	htab_fini(&b->terms);
	cond_fini(&b->ended);
	lock_fini(&b->lock);
}

static void add_type(
	const struct deleg_type_counts *from, struct state_stats *to)
{
	to->grants += counter_read(&from->granted);
	to->revocations += counter_read(&from->revoked);
	to->late_returns += counter_read(&from->late_returns);
	for (int r = 0; r < DELEG_REFUSALS; r++)
		to->refusals += counter_read(&from->refused[r]);
	for (int r = 0; r < RECALL_REASONS; r++) {
		uint64_t recalls = counter_read(&from->recalled[r]);

		to->recalls_by_reason[r] += recalls;
		to->recalls += recalls;
	}
}

static void add_events(const struct deleg_counts *from, struct state_stats *to)
{
	struct histogram_values batches;

	histogram_read(&from->batch_events, &batches);
	to->notifications = batches.sum;
	to->batches = histogram_count(&batches);
	for (int kind = 0; kind < CHANGE_KINDS; kind++)
		to->events += counter_read(&from->queued[kind]);
}

void deleg_books_stats(struct deleg_books *b, struct state_stats *ret)
{
	ret->dir_delegs = atomic_load(&b->dir_delegs);
	ret->notify_bytes = dir_event_bytes();
	add_events(&b->counts, ret);
	for (int type = 0; type < DELEG_TYPES; type++)
		add_type(&b->counts.type[type], ret);
	ret->overflows = ret->recalls_by_reason[RECALL_OVERFLOW];
}

/* ---- waiting ---- */

void deleg_wake_locked(struct deleg_books *b)
{
	lock_assert_held(&b->lock);
	b->generation++;
	cond_broadcast(&b->ended);
}

uint64_t deleg_generation(struct deleg_books *b)
{
	scope_lock(&b->lock);
	return b->generation;
}

bool deleg_wait(struct deleg_books *b, uint64_t seen, uint64_t deadline_ms)
{
	scope_lock(&b->lock);
	while (b->generation == seen) {
		uint64_t now = books_now_ms(b);

		if (now >= deadline_ms)
			return false;
		/* A fake clock stands still meanwhile: once is enough. */
		if (!cond_wait_ms(&b->ended, &b->lock, deadline_ms - now))
			return false;
	}
	return true;
}

/* ---- making and ending one ---- */

static int64_t deleg_bytes(uint8_t fh_len)
{
	return sizeof(struct deleg) + fh_len;
}

static void deleg_free(struct stateid *sid)
{
	struct deleg *d = deleg_of(sid);

	assert(list_empty(&d->on_node));
	assert(list_empty(&d->on_recall) && list_empty(&d->on_due));
	notifyq_fini(&d->queue);
	dirdeleg_terms_put(deleg_books(d), d->terms);
	dirmemory_count(DIRMEMORY_DELEGATIONS, -deleg_bytes(d->fh_len));
	free(d);
}

struct deleg *deleg_new(struct client *client, struct node *node,
	enum stateid_kind kind, const uint8_t *fh, uint8_t fh_len,
	uint32_t batch_bytes)
{
	struct deleg *d = calloc(1, sizeof(*d) + fh_len);

	if (!d)
		return NULL;
	stateid_init(&d->sid, kind, client, node, deleg_free);
	d->is_dir = kind == STATEID_DELEG_DIR;
	d->granted_s =
		clock_mono_ms(state_get_config(client->state)->clock) / 1000;
	d->state = DELEG_ACTIVE;
	list_init(&d->on_node);
	list_init(&d->on_recall);
	list_init(&d->on_due);
	notifyq_init(&d->queue, batch_bytes);
	d->fh_len = fh_len;
	memcpy(d->fh, fh, fh_len);
	dirmemory_count(DIRMEMORY_DELEGATIONS, deleg_bytes(fh_len));
	return d;
}

enum deleg_refusal deleg_insert_locked(struct deleg *d, uint32_t max)
{
	struct node *n = d->sid.node;

	lock_assert_held(&n->lock);
	switch (stateid_insert_within(&d->sid, max)) {
	case STATEID_CLIENT_ENDED:
		return DELEG_REFUSED_NO_LEASE;
	case STATEID_CLIENT_FULL:
		return DELEG_REFUSED_CLIENT_LIMIT;
	case STATEID_INSERTED:
		break;
	}
	list_add_tail(&n->delegs, &d->on_node);
	deleg_count_made(d);
	if (d->is_dir)
		n->dir_delegs++;
	return DELEG_NOT_REFUSED;
}

static bool is_live(const struct deleg *d)
{
	return d->state == DELEG_ACTIVE || d->state == DELEG_RECALLED;
}

/* Off both lists; returns how many references they held. */
static int leave_lists(struct deleg *d)
{
	struct deleg_books *b = deleg_books(d);
	int refs = 0;

	scope_lock(&b->lock);
	if (!list_empty(&d->on_recall)) {
		list_del(&d->on_recall);
		refs++;
	}
	if (!list_empty(&d->on_due)) {
		list_del(&d->on_due);
		refs++;
	}
	deleg_wake_locked(b);
	return refs;
}

/* What is given back when the node is unlocked: put_leftovers(). */
struct leftovers {
	bool watched;
	int refs;
	struct dirside_spare side;
};

/* The one end of a delegation: once, for the first who comes. */
static bool end_locked(
	struct deleg *d, enum deleg_state to, struct leftovers *left)
{
	struct node *n = d->sid.node;

	lock_assert_held(&n->lock);
	*left = (struct leftovers){.refs = 0};
	if (!is_live(d))
		return false;
	deleg_count_ended(d, d->state == DELEG_RECALLED);
	d->state = to;
	list_del(&d->on_node);
	if (d->is_dir) {
		n->dir_delegs--;
		atomic_fetch_sub(&deleg_books(d)->dir_delegs, 1);
	}
	notifyq_stop(&d->queue);
	left->watched = d->watched;
	left->refs = leave_lists(d);
	dirside_leave_locked(d, &left->side);
	return true;
}

/* Whoever watched the directory for it need not any more. */
static void tell_end(struct deleg *d)
{
	struct node *n = d->sid.node;
	const struct state_ops *ops = &state_get_config(n->state)->ops;
	struct fileid id;

	node_copy_id(n, &id);
	if (ops->dir_deleg_ended)
		ops->dir_deleg_ended(ops->ctx, &id,
			d->granted & DIRDELEG_BIT(CHANGE_CHILD_ATTRS));
}

static void put_leftovers(struct deleg *d, struct leftovers *left)
{
	if (left->watched)
		tell_end(d);
	dirside_spare_fini(&left->side);
	while (left->refs-- > 0)
		deleg_put(d);
}

static void note_end(const struct deleg *d, const char *how)
{
	struct fileid id;

	node_copy_id(d->sid.node, &id);
	log_debug("delegation %s client=%llx type=%s id=%s", how,
		(unsigned long long)d->sid.client->id,
		d->is_dir ? "directory" : "file", fileid_text(&id).s);
}

void deleg_revoke(struct deleg *d, enum stateid_status status, bool keep)
{
	struct stateid *gone = keep ? stateid_stub_new(&d->sid) : NULL;
	struct node *n = d->sid.node;
	struct leftovers left;
	bool first;

	lock_acquire(&n->lock);
	first = end_locked(d, DELEG_REVOKED, &left);
	if (first && keep)
		gone = stateid_revoke(&d->sid, status, gone);
	lock_release(&n->lock);
	if (first && keep)
		deleg_count_revoked(d);
	if (!keep)
		stateid_remove(&d->sid);
	if (first)
		note_end(d, keep ? "revoked" : "ended");
	put_leftovers(d, &left);
	if (gone)
		stateid_put(gone);
}

/* One that @client holds on @n, with a reference; or NULL. */
static struct deleg *find_held(struct node *n, const struct client *client)
{
	struct deleg *d;

	scope_lock(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		if (d->sid.client == client)
			return deleg_ref(d);
	}
	return NULL;
}

void deleg_forget(struct client *client, const struct fileid *id)
{
	struct node *n = node_find(client->state, id);
	struct deleg *d;

	if (!n)
		return;
	while ((d = find_held(n, client))) {
		deleg_revoke(d, STATEID_CLOSED, false);
		deleg_put(d);
	}
	node_put(n);
}

/* ---- DELEGRETURN ---- */

static bool is_on(const struct deleg *d, const struct fileid *id)
{
	const struct node *n = d->sid.node;

	return n->id_len == id->len &&
		memcmp(n->id_data, id->data, id->len) == 0;
}

/*
 * A first try starts the clock and sends what is pending at once. False: the
 * time for that is over, return it as it is.
 */
static bool flush_for_return(struct deleg *d)
{
	struct deleg_books *b = deleg_books(d);
	uint64_t now = books_now_ms(b);

	lock_acquire(&b->lock);
	bool late = d->return_until && ms32_reached(now, d->return_until);

	if (!d->return_until)
		d->return_until = (uint32_t)(now + RETURN_FLUSH_MS) | 1;
	lock_release(&b->lock);
	if (late)
		return false;
	batch_flush(d);
	batch_kick(b->state);
	return true;
}

/* Send what is pending; with @wait, wait for its answer as a mutator waits. */
enum drain {
	DRAINED,
	DRAIN_PENDING,
	DRAIN_LATE, /* the client waited long enough: return it as it is */
};

static enum drain drain_for_return(struct deleg *d, bool wait)
{
	struct deleg_books *b = deleg_books(d);
	uint64_t deadline, seen;

	if (notifyq_is_idle(&d->queue))
		return DRAINED;
	if (!flush_for_return(d)) {
		deleg_count_returned_late(d);
		return DRAIN_LATE;
	}
	deadline = books_now_ms(b) + state_get_config(b->state)->recall_wait_ms;
	do {
		seen = deleg_generation(b);
		if (notifyq_is_idle(&d->queue))
			return DRAINED;
	} while (wait && deleg_wait(b, seen, deadline));
	return notifyq_is_idle(&d->queue) ? DRAINED : DRAIN_PENDING;
}

/* One that was returned is as good as never granted, marked so yet or not. */
static nfsstat4 status_of_ended(const struct deleg *d)
{
	nfsstat4 error = policy_stateid_status(d->sid.status);

	return error ? error : NFS4ERR_BAD_STATEID;
}

/*
 * The end, if the queue is still empty now that nothing can be queued: what
 * came since the look at it must be delivered first (DD-15).
 */
static nfsstat4 return_drained(struct deleg *d, bool late)
{
	struct leftovers left;
	bool first;

	lock_acquire(&d->sid.node->lock);
	if (is_live(d) && !late && !notifyq_is_idle(&d->queue)) {
		lock_release(&d->sid.node->lock);
		return NFS4ERR_DELAY;
	}
	first = end_locked(d, DELEG_RETURNED, &left);
	lock_release(&d->sid.node->lock);
	if (!first)
		return status_of_ended(d);
	stateid_remove(&d->sid);
	note_end(d, "returned");
	put_leftovers(d, &left);
	return NFS4_OK;
}

nfsstat4 deleg_return(struct stateid *sid, const struct fileid *id, bool wait)
{
	struct deleg *d = deleg_of(sid);
	enum drain drain;

	if (!is_on(d, id))
		return NFS4ERR_BAD_STATEID;
	drain = drain_for_return(d, wait);
	if (drain == DRAIN_PENDING)
		return NFS4ERR_DELAY;
	return return_drained(d, drain == DRAIN_LATE);
}
