/* SPDX-License-Identifier: MIT */
/* What holders hear: CB_NOTIFY and CB_RECALL. */
#include "base/cleanup.h"
#include "cli/bench_hold_priv.h"
#include "client/dirnotify.h"

#define ARENA_MAX (1024 * 1024)

/* One CB_NOTIFY being taken apart; the client's lock is held. */
struct hearing {
	struct bench_deleg *deleg;
	struct bench_tally *tally;
	uint64_t at_ns;
};

static struct bench_deleg *find_locked(
	struct bench_client *bc, const stateid4 *stateid)
{
	uint64_t hash = htab_hash(stateid->other, sizeof(stateid->other));
	struct htab_link *at;

	htab_for_each_match(at, &bc->by_stateid, hash) {
		struct bench_deleg *d =
			container_of(at, struct bench_deleg, by_stateid);

		if (nfsc_stateid_equal(&d->stateid, stateid))
			return d;
	}
	return NULL;
}

/* True the first time. */
static bool mark_heard(struct bench_deleg *d, uint64_t ordinal)
{
	uint8_t bit = (uint8_t)(1u << ordinal % 8);

	if (d->heard[ordinal / 8] & bit)
		return false;
	d->heard[ordinal / 8] |= bit;
	d->nheard++;
	return true;
}

static bool is_about_attributes(const struct dircache_change *change)
{
	return change->kind == CHANGE_CHILD_ATTRS ||
		change->kind == CHANGE_DIR_ATTRS ||
		change->kind == CHANGE_COOKIE_VERIFIER;
}

static int hear_change(void *ctx, const struct dircache_change *change)
{
	struct hearing *hearing = ctx;
	struct bench_tally *t = hearing->tally;
	struct bench_deleg *d = hearing->deleg;
	uint64_t i = bench_plan_find(t->plan, change);

	/* A contradiction stays in the model and is found at the end. */
	dircache_apply(d->model, change);
	if (is_about_attributes(change))
		t->attributes++;
	else if (i == BENCH_NONE || i % t->plan->directories != d->directory)
		t->others++;
	else if (mark_heard(d, i / t->plan->directories))
		bench_tally_event(t, i, hearing->at_ns);
	else
		t->again++;
	return 0;
}

static nfsstat4 hear_all(struct hearing *hearing, const CB_NOTIFY4args *args)
{
	nfsstat4 status = NFS4_OK;
	struct arena arena;

	arena_init(&arena, ARENA_MAX);
	for (uint32_t i = 0; i < args->cna_changes.count && !status; i++) {
		arena_reset(&arena);
		status = dirnotify_decode(&args->cna_changes.items[i], &arena,
			hear_change, hearing);
	}
	arena_fini(&arena);
	return status;
}

nfsstat4 bench_on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	struct bench_client *bc = ctx;
	struct bench_tally *t = bc->hold->config.tally;
	struct hearing hearing = {.tally = t, .at_ns = bench_tally_now(t)};

	scope_lock(&bc->lock);
	hearing.deleg = find_locked(bc, &args->cna_stateid);
	if (!hearing.deleg)
		return NFS4ERR_BAD_STATEID;
	/* Nobody changes anything before the models are there. */
	if (!hearing.deleg->model)
		return NFS4_OK;
	return hear_all(&hearing, args);
}

nfsstat4 bench_on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct bench_client *bc = ctx;
	struct bench_hold *h = bc->hold;
	struct bench_deleg *d;

	scope_lock(&bc->lock);
	d = find_locked(bc, &args->stateid);
	if (!d)
		return NFS4ERR_BAD_STATEID;
	if (d->state == BENCH_RECALLED)
		return NFS4_OK;
	d->state = BENCH_RECALLED;
	lock_acquire(&h->lock);
	list_add_tail(&h->recalled, &d->on_recalled);
	cond_signal(&h->cond);
	lock_release(&h->lock);
	return NFS4_OK;
}
