/* SPDX-License-Identifier: MIT */
#include "client/dirwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/htab.h"
#include "base/list.h"
#include "client/dirnotify.h"

/* How long a callback waits for the grant it may belong to. */
#define GRANT_WAIT_MS 1000

/*
 * Notifications that arrive so long after the listing was complete are about
 * changes after it, and must fit the model.
 */
#define SETTLE_MS 5000

#define FILL_TRIES 5

/* One CB_NOTIFY that waits: its notify4s, and their bytes behind. */
struct batch {
	struct list link;
	uint64_t arrived_ms;
	size_t size;
	uint32_t count;
	uint32_t next; /* the first that is not applied */
	notify4 changes[];
};

struct dirwatch_set {
	struct nfsc *client;
	struct clock clock;
	void (*event)(void *ctx, enum nfsc_event event);
	void *event_ctx;
	size_t max_bytes;

	struct lock lock; /* guards the following */
	struct cond cond;
	struct htab by_stateid; /* struct dirwatch */
	struct list all;
	struct list ready;
	unsigned flags;
	unsigned granting; /* GET_DIR_DELEGATIONs under way */
	size_t bytes;
	uint32_t keep;
	uint64_t oldest; /* generation of the first session that counts */
};

struct dirwatch {
	struct dirwatch_set *set;
	struct dirwatch_config config;
	struct dircache *model;
	struct list of_set;

	struct htab_link by_stateid; /* set->lock guards these */
	bool held;
	struct list ready; /* on set->ready */
	bool recalled;
	struct list batches;

	struct nfsc_deleg deleg; /* the owner's; stateid also by callbacks */
	uint64_t filled_ms;
	int refused; /* why the model did not take a change */
	bool told;   /* told_change is the model's */
	uint64_t told_change;
};

/* ---- looking up; the lock is held ---- */

static uint64_t stateid_hash(const stateid4 *stateid)
{
	return htab_hash(stateid->other, sizeof(stateid->other));
}

static struct dirwatch *find(struct dirwatch_set *set, const stateid4 *stateid)
{
	struct htab_link *link;

	htab_for_each_match(link, &set->by_stateid, stateid_hash(stateid)) {
		struct dirwatch *w =
			container_of(link, struct dirwatch, by_stateid);

		if (nfsc_stateid_equal(&w->deleg.stateid, stateid))
			return w;
	}
	return NULL;
}

/*
 * A callback may overtake the reply to the grant it is about; not all servers
 * say so by a referring call.
 */
static struct dirwatch *find_or_wait(
	struct dirwatch_set *set, const stateid4 *stateid)
{
	uint64_t now = clock_mono_ms(&set->clock);
	uint64_t end = now + GRANT_WAIT_MS;
	struct dirwatch *w;

	while (!(w = find(set, stateid)) && set->granting && now < end) {
		cond_wait_ms(&set->cond, &set->lock, end - now);
		now = clock_mono_ms(&set->clock);
	}
	return w;
}

static void make_ready(struct dirwatch *w)
{
	if (list_empty(&w->ready))
		list_add_tail(&w->set->ready, &w->ready);
	cond_broadcast(&w->set->cond);
}

static void unregister(struct dirwatch *w)
{
	if (!w->held)
		return;
	w->held = false;
	w->recalled = false;
	htab_remove(&w->set->by_stateid, &w->by_stateid);
}

/* ---- callbacks ---- */

static int ignore_change(void *ctx, const struct dircache_change *change)
{
	return 0;
}

/* Can it be read? The server hears of it now, or never. */
static nfsstat4 check_readable(const CB_NOTIFY4args *args)
{
	nfsstat4 status = NFS4_OK;
	struct arena arena;

	arena_init(&arena, 1024 * 1024);
	for (uint32_t i = 0; i < args->cna_changes.count && !status; i++) {
		arena_reset(&arena);
		status = dirnotify_decode(&args->cna_changes.items[i], &arena,
			ignore_change, NULL);
	}
	arena_fini(&arena);
	return status;
}

static struct batch *copy_batch(const CB_NOTIFY4args *args)
{
	uint32_t n = args->cna_changes.count;
	size_t size = sizeof(struct batch) + n * sizeof(notify4);
	struct batch *b;
	uint8_t *at;

	for (uint32_t i = 0; i < n; i++)
		size += args->cna_changes.items[i].notify_vals.len;
	b = malloc(size);
	if (!b)
		return NULL;
	b->size = size;
	b->count = n;
	b->next = 0;
	at = (uint8_t *)&b->changes[n];
	for (uint32_t i = 0; i < n; i++) {
		const notify4 *from = &args->cna_changes.items[i];

		b->changes[i] = *from;
		if (from->notify_vals.len)
			memcpy(at, from->notify_vals.data,
				from->notify_vals.len);
		b->changes[i].notify_vals.data = at;
		at += from->notify_vals.len;
	}
	return b;
}

static nfsstat4 queue_batch(
	struct dirwatch_set *set, const stateid4 *stateid, struct batch *b)
{
	struct dirwatch *w;

	scope_lock(&set->lock);
	w = find_or_wait(set, stateid);
	if (!w)
		return NFS4ERR_BAD_STATEID;
	if (set->bytes + b->size > set->max_bytes)
		return NFS4ERR_DELAY;
	b->arrived_ms = clock_mono_ms(&set->clock);
	set->bytes += b->size;
	list_add_tail(&w->batches, &b->link);
	make_ready(w);
	return NFS4_OK;
}

static nfsstat4 on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	nfsstat4 status = check_readable(args);
	struct batch *b;

	if (status != NFS4_OK)
		return status;
	b = copy_batch(args);
	if (!b)
		return NFS4ERR_DELAY;
	status = queue_batch(ctx, &args->cna_stateid, b);
	if (status != NFS4_OK)
		free(b);
	return status;
}

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct dirwatch_set *set = ctx;
	struct dirwatch *w;

	scope_lock(&set->lock);
	w = find_or_wait(set, &args->stateid);
	if (!w)
		return NFS4ERR_BAD_STATEID;
	w->recalled = true;
	make_ready(w);
	return NFS4_OK;
}

static nfsstat4 on_recall_any(void *ctx, const CB_RECALL_ANY4args *args)
{
	struct dirwatch_set *set = ctx;

	if (!bitmap4_has(&args->craa_type_mask, RCA4_TYPE_MASK_DIR_DLG))
		return NFS4_OK;
	scope_lock(&set->lock);
	set->keep = args->craa_objects_to_keep;
	set->flags |= DIRWATCH_TRIM;
	cond_broadcast(&set->cond);
	return NFS4_OK;
}

static void on_event(void *ctx, enum nfsc_event event)
{
	static const unsigned flags[] = {
		[NFSC_NEW_SESSION] = DIRWATCH_NEW_SESSION,
		[NFSC_RESTARTED] = DIRWATCH_RESTARTED,
		[NFSC_REVOKED] = DIRWATCH_REVOKED,
	};
	struct dirwatch_set *set = ctx;
	struct nfsc_info info = {.generation = 0};

	/* Told before any grant of the new one. */
	if (event == NFSC_RESTARTED && set->client)
		nfsc_read_info(set->client, &info);
	lock_acquire(&set->lock);
	set->flags |= flags[event];
	if (info.generation)
		set->oldest = info.generation;
	cond_broadcast(&set->cond);
	lock_release(&set->lock);
	if (set->event)
		set->event(set->event_ctx, event);
}

/* ---- the set ---- */

struct dirwatch_set *dirwatch_set_new(size_t max_bytes)
{
	struct dirwatch_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	if (htab_init(&set->by_stateid, 16) < 0) {
		free(set);
		return NULL;
	}
	clock_init(&set->clock);
	lock_init(&set->lock, LOCK_CLIENT_SIDE);
	cond_init(&set->cond);
	list_init(&set->all);
	list_init(&set->ready);
	set->max_bytes = max_bytes;
	return set;
}

void dirwatch_set_free(struct dirwatch_set *set)
{
	if (!set)
		return;
	htab_fini(&set->by_stateid);
	cond_fini(&set->cond);
	lock_fini(&set->lock);
	free(set);
}

void dirwatch_set_handlers(struct dirwatch_set *set,
	void (*event)(void *ctx, enum nfsc_event event), void *ctx,
	struct nfsc_handlers *ret)
{
	set->event = event;
	set->event_ctx = ctx;
	*ret = (struct nfsc_handlers){
		.notify = on_notify,
		.recall = on_recall,
		.recall_any = on_recall_any,
		.event = on_event,
		.ctx = set,
	};
}

void dirwatch_set_client(struct dirwatch_set *set, struct nfsc *c)
{
	set->client = c;
}

unsigned dirwatch_set_wait(struct dirwatch_set *set, uint64_t timeout_ms)
{
	uint64_t now = clock_mono_ms(&set->clock);
	uint64_t end = now + timeout_ms;
	unsigned flags;

	scope_lock(&set->lock);
	while (!set->flags && list_empty(&set->ready) && now < end) {
		cond_wait_ms(&set->cond, &set->lock, end - now);
		now = clock_mono_ms(&set->clock);
	}
	flags = set->flags;
	set->flags = 0;
	return flags;
}

void dirwatch_set_wake(struct dirwatch_set *set)
{
	scope_lock(&set->lock);
	set->flags |= DIRWATCH_WOKEN;
	cond_broadcast(&set->cond);
}

uint32_t dirwatch_set_keep(struct dirwatch_set *set)
{
	scope_lock(&set->lock);
	return set->keep;
}

struct dirwatch *dirwatch_next_ready(struct dirwatch_set *set)
{
	struct dirwatch *w;

	scope_lock(&set->lock);
	if (list_empty(&set->ready))
		return NULL;
	w = list_first_entry(&set->ready, struct dirwatch, ready);
	list_del(&w->ready);
	return w;
}

/* ---- one directory ---- */

struct dirwatch *dirwatch_new(const struct dirwatch_config *config)
{
	struct dirwatch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->set = config->set;
	w->config = *config;
	list_init(&w->ready);
	list_init(&w->batches);
	w->model = dircache_new(&config->model);
	if (!w->model) {
		free(w);
		return NULL;
	}
	lock_acquire(&w->set->lock);
	list_add_tail(&w->set->all, &w->of_set);
	lock_release(&w->set->lock);
	return w;
}

void dirwatch_free(struct dirwatch *w)
{
	if (!w)
		return;
	dirwatch_forget(w);
	dirwatch_discard(w);
	lock_acquire(&w->set->lock);
	list_del(&w->ready);
	list_del(&w->of_set);
	lock_release(&w->set->lock);
	dircache_free(w->model);
	free(w);
}

/* ---- the grant ---- */

/* Before any callback that waits for this grant goes on. */
static void settle_grant(void *ctx, const struct nfsc_deleg *deleg)
{
	struct dirwatch *w = ctx;

	scope_lock(&w->set->lock);
	w->deleg = *deleg;
	w->held = true;
	w->recalled = false;
	htab_insert(&w->set->by_stateid, &w->by_stateid,
		stateid_hash(&deleg->stateid));
	cond_broadcast(&w->set->cond);
}

static void count_granting(struct dirwatch_set *set, int n)
{
	scope_lock(&set->lock);
	set->granting += (unsigned)n;
	cond_broadcast(&set->cond);
}

int dirwatch_acquire(struct dirwatch *w, uint64_t *change)
{
	struct nfsc_deleg deleg = {.granted = false};
	int err;

	count_granting(w->set, 1);
	err = nfsc_get_dir_delegation(w->set->client, &w->config.fh,
		&w->config.want, settle_grant, w, &deleg);
	count_granting(w->set, -1);
	if (change)
		*change = deleg.has_change ? deleg.change : 0;
	return err;
}

/* The server keeps it until it is freed. */
static bool is_revoked(int err)
{
	return err == NFS4ERR_DELEG_REVOKED || err == NFS4ERR_ADMIN_REVOKED ||
		err == NFS4ERR_EXPIRED;
}

int dirwatch_return(struct dirwatch *w, uint64_t *change)
{
	stateid4 stateid = w->deleg.stateid;
	int err;

	if (!dirwatch_is_held(w))
		return 0;
	stateid.seqid = 0;
	/* Registered meanwhile: the server may deliver a last batch first. */
	err = nfsc_delegreturn(w->set->client, &w->config.fh, &stateid, change);
	if (err == -ECONNRESET) /* if it was done: BAD_STATEID now */
		err = nfsc_delegreturn(
			w->set->client, &w->config.fh, &stateid, change);
	if (is_revoked(err))
		nfsc_free_stateid(w->set->client, &stateid);
	dirwatch_forget(w);
	return err;
}

#define RETURN_AT_ONCE 32

/*
 * The next ones that are held, from *@from on; where the one behind them
 * stands.
 */
static unsigned next_held(struct dirwatch *const *ws, size_t n, size_t *from,
	struct dirwatch *ret[RETURN_AT_ONCE])
{
	unsigned count = 0;

	for (; *from < n && count < RETURN_AT_ONCE; *from += 1) {
		if (ws[*from] && dirwatch_is_held(ws[*from]))
			ret[count++] = ws[*from];
	}
	return count;
}

/* In one call as far as that goes; the one that stops it, by itself. */
static int return_some(struct dirwatch *const *ws, unsigned n)
{
	const struct nfsc_fh *fhs[RETURN_AT_ONCE];
	stateid4 stateids[RETURN_AT_ONCE];
	unsigned done;
	int err;

	for (unsigned i = 0; i < n; i++) {
		fhs[i] = &ws[i]->config.fh;
		stateids[i] = ws[i]->deleg.stateid;
		stateids[i].seqid = 0;
	}
	err = nfsc_delegreturn_some(
		ws[0]->set->client, fhs, stateids, n, &done);
	for (unsigned i = 0; i < done; i++)
		dirwatch_forget(ws[i]);
	if (err == -ECANCELED)
		return err;
	return done < n && err ? dirwatch_return(ws[done], NULL) : 0;
}

void dirwatch_return_all(struct dirwatch *const *ws, size_t n)
{
	struct dirwatch *some[RETURN_AT_ONCE];
	size_t from = 0, again;
	unsigned count;

	for (;;) {
		again = from;
		count = next_held(ws, n, &from, some);
		if (count == 0 || return_some(some, count) == -ECANCELED)
			return;
		from = again; /* those that are left */
	}
}

void dirwatch_forget(struct dirwatch *w)
{
	scope_lock(&w->set->lock);
	unregister(w);
}

/* ---- the model ---- */

static bitmap4 attrs_to_list(const struct dirwatch *w)
{
	bitmap4 attrs = w->config.list_attrs;

	return dirwatch_is_held(w) ? bitmap4_or(&attrs, &w->deleg.child_attrs)
				   : attrs;
}

static bool has_room(const struct dirwatch *w)
{
	return !w->config.room || w->config.room(w->config.owner);
}

static int fill_entry(void *ctx, const struct dircache_entry *entry)
{
	struct dirwatch *w = ctx;

	return has_room(w) ? dircache_fill_entry(w->model, entry) : -ENOBUFS;
}

/* A whole listing, begun again when its cookies lose their meaning. */
static int list_it(struct dirwatch *w, struct nfsc_page *page)
{
	bitmap4 attrs = attrs_to_list(w);
	int err = NFS4ERR_NOT_SAME;

	for (int i = 0; i < FILL_TRIES; i++) {
		dircache_fill_begin(w->model);
		err = nfsc_readdir(w->set->client, &w->config.fh, &attrs, page,
			fill_entry, w);
		if (err != NFS4ERR_NOT_SAME && err != NFS4ERR_BAD_COOKIE)
			break;
	}
	return err;
}

static int prune(struct dirwatch *w)
{
	while (has_room(w)) {
		if (!dircache_fill_prune(w->model))
			return 0;
	}
	return -ENOBUFS;
}

int dirwatch_fill(struct dirwatch *w)
{
	struct nfsc_page page;
	int err = list_it(w, &page);

	w->told = false;
	if (err == 0)
		err = prune(w);
	if (err)
		return err;
	err = dircache_fill_end(w->model, dirnotify_verifier(page.verifier));
	w->filled_ms = clock_mono_ms(&w->set->clock);
	if (dirwatch_is_held(w) && w->deleg.has_change) {
		w->told = true;
		w->told_change = w->deleg.change;
	}
	return err;
}

static int apply_change(void *ctx, const struct dircache_change *change)
{
	struct dirwatch *w = ctx;

	w->refused = dircache_apply(w->model, change);
	if (w->refused)
		return w->refused;
	if (change->kind == CHANGE_DIR_ATTRS &&
		bitmap4_has(&change->entry.mask, FATTR4_CHANGE)) {
		w->told = true;
		w->told_change = change->entry.attr.change;
	} else if (change->kind != CHANGE_CHILD_ATTRS) {
		/* A change whose change attribute is not known (yet). */
		w->told = false;
	}
	return 0;
}

static int apply_batch(struct dirwatch *w, struct batch *b)
{
	struct arena arena;
	nfsstat4 status = NFS4_OK;

	w->refused = 0;
	if (b->arrived_ms > w->filled_ms + SETTLE_MS)
		dircache_settle(w->model);
	arena_init(&arena, 1024 * 1024);
	while (b->next < b->count && !status && has_room(w)) {
		arena_reset(&arena);
		status = dirnotify_decode(
			&b->changes[b->next++], &arena, apply_change, w);
	}
	arena_fini(&arena);
	if (w->refused)
		return w->refused;
	return status == NFS4_OK ? 0 : -EPROTO;
}

/* The one to apply next; it stays on the list. */
static struct batch *first_batch(struct dirwatch *w)
{
	scope_lock(&w->set->lock);
	return list_empty(&w->batches)
		? NULL
		: list_first_entry(&w->batches, struct batch, link);
}

static void drop_batch(struct dirwatch *w, struct batch *b)
{
	lock_acquire(&w->set->lock);
	list_del(&b->link);
	w->set->bytes -= b->size;
	lock_release(&w->set->lock);
	free(b);
}

int dirwatch_drain(struct dirwatch *w)
{
	struct batch *b;
	int err = 0;

	while (err == 0 && (b = first_batch(w)) && has_room(w)) {
		err = apply_batch(w, b);
		if (err || b->next == b->count)
			drop_batch(w, b);
	}
	return err;
}

bool dirwatch_is_waiting(struct dirwatch *w)
{
	return first_batch(w) != NULL;
}

void dirwatch_discard(struct dirwatch *w)
{
	struct batch *b;

	while ((b = first_batch(w)))
		drop_batch(w, b);
}

/* ---- delegations that are gone ---- */

void dirwatch_forget_old(struct dirwatch_set *set)
{
	struct dirwatch *w;

	scope_lock(&set->lock);
	list_for_each_entry(w, &set->all, of_set) {
		if (!w->held || w->deleg.generation >= set->oldest)
			continue;
		unregister(w);
		make_ready(w);
	}
}

#define TEST_AT_ONCE 64

/* The next ones of @set->all that are held, from @from on. */
static unsigned some_held(struct dirwatch_set *set, size_t *from,
	struct dirwatch *ws[TEST_AT_ONCE], stateid4 stateids[TEST_AT_ONCE])
{
	struct dirwatch *w;
	size_t i = 0;
	unsigned n = 0;

	scope_lock(&set->lock);
	list_for_each_entry(w, &set->all, of_set) {
		if (i++ < *from)
			continue;
		if (n == TEST_AT_ONCE)
			break;
		*from += 1;
		if (!w->held)
			continue;
		ws[n] = w;
		stateids[n] = w->deleg.stateid;
		stateids[n].seqid = 0;
		n++;
	}
	return n;
}

static void lose(struct dirwatch *w, const stateid4 *stateid, nfsstat4 status)
{
	if (status != NFS4ERR_BAD_STATEID)
		nfsc_free_stateid(w->set->client, stateid);
	scope_lock(&w->set->lock);
	unregister(w);
	make_ready(w);
}

int dirwatch_find_lost(struct dirwatch_set *set)
{
	struct dirwatch *ws[TEST_AT_ONCE];
	stateid4 stateids[TEST_AT_ONCE];
	nfsstat4 statuses[TEST_AT_ONCE];
	size_t from = 0;
	unsigned n;
	int err;

	while ((n = some_held(set, &from, ws, stateids)) > 0) {
		err = nfsc_test_stateids(set->client, stateids, n, statuses);
		if (err)
			return err;
		for (unsigned i = 0; i < n; i++) {
			if (statuses[i] != NFS4_OK)
				lose(ws[i], &stateids[i], statuses[i]);
		}
	}
	return 0;
}

/* ---- looking ---- */

bool dirwatch_is_held(const struct dirwatch *w)
{
	scope_lock(&w->set->lock);
	return w->held;
}

bool dirwatch_is_recalled(struct dirwatch *w)
{
	scope_lock(&w->set->lock);
	return w->recalled;
}

struct dircache *dirwatch_model(struct dirwatch *w)
{
	return w->model;
}

const struct nfsc_fh *dirwatch_fh(const struct dirwatch *w)
{
	return &w->config.fh;
}

const struct nfsc_deleg *dirwatch_deleg(const struct dirwatch *w)
{
	return &w->deleg;
}

void *dirwatch_owner(const struct dirwatch *w)
{
	return w->config.owner;
}

bool dirwatch_told_change(const struct dirwatch *w, uint64_t *ret)
{
	*ret = w->told_change;
	return w->told;
}
