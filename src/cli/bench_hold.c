/* SPDX-License-Identifier: MIT */
#include "cli/bench_hold_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

/* ---- life ---- */

struct bench_hold *bench_hold_new(const struct bench_hold_config *config)
{
	struct bench_hold *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->config = *config;
	clock_init(&h->clock);
	h->ndelegs = (uint64_t)config->directories * config->holders;
	h->delegs = calloc(h->ndelegs + 1, sizeof(*h->delegs));
	h->clients = calloc(config->clients, sizeof(*h->clients));
	lock_init(&h->lock, LOCK_LEAF);
	cond_init(&h->cond);
	list_init(&h->recalled);
	if (h->delegs && h->clients)
		return h;
	bench_hold_free(h);
	return NULL;
}

static void client_fini(struct bench_client *bc)
{
	if (!bc->hold)
		return;
	nfsc_free(bc->nfsc);
	htab_fini(&bc->by_stateid);
	lock_fini(&bc->lock);
}

void bench_hold_free(struct bench_hold *h)
{
	if (!h)
		return;
	bench_keeper_stop(h);
	for (uint32_t i = 0; h->clients && i < h->config.clients; i++)
		client_fini(&h->clients[i]);
	for (uint64_t i = 0; h->delegs && i < h->ndelegs; i++) {
		dircache_free(h->delegs[i].model);
		free(h->delegs[i].heard);
	}
	cond_fini(&h->cond);
	lock_fini(&h->lock);
	free(h->clients);
	free(h->delegs);
	free(h);
}

static int each(
	struct bench_hold *h, uint64_t n, int (*one)(void *ctx, uint64_t i))
{
	return bench_each(BENCH_THREADS, n, h->config.stop, one, h);
}

/* ---- clients ---- */

static void on_event(void *ctx, enum nfsc_event event)
{
	struct bench_client *bc = ctx;

	if (event != NFSC_CONN_BACK)
		bc->hold->disturbances++;
}

static int connect_one(void *ctx, uint64_t i)
{
	struct bench_hold *h = ctx;
	struct bench_client *bc = &h->clients[i];
	struct nfsc_config config = h->config.client;
	struct nfsc *c;
	int err = htab_init(&bc->by_stateid, 16);

	if (err)
		return err;
	lock_init(&bc->lock, LOCK_CLIENT_SIDE);
	bc->hold = h;
	config.handlers = (struct nfsc_handlers){
		.notify = bench_on_notify,
		.recall = bench_on_recall,
		.event = on_event,
		.ctx = bc,
	};
	err = nfsc_new(&config, &c);
	if (err == 0)
		bc->nfsc = c;
	return err;
}

int bench_hold_connect(struct bench_hold *h)
{
	int err = each(h, h->config.clients, connect_one);

	return err ? err : bench_keeper_start(h);
}

/* ---- delegations ---- */

/* Who holds delegation @i: a directory's holders are neighbours. */
static struct bench_client *client_of(struct bench_hold *h, uint64_t i)
{
	return &h->clients[i % h->config.clients];
}

static uint32_t directory_of(const struct bench_hold *h, uint64_t i)
{
	return (uint32_t)(i / h->config.holders);
}

static void want_attributes(struct nfsc_deleg_want *want)
{
	bitmap4_set(&want->child_attrs, FATTR4_CHANGE);
	bitmap4_set(&want->child_attrs, FATTR4_SIZE);
	bitmap4_set(&want->child_attrs, FATTR4_MODE);
	bitmap4_set(&want->child_attrs, FATTR4_TIME_MODIFY);
	bitmap4_set(&want->dir_attrs, FATTR4_CHANGE);
	bitmap4_set(&want->dir_attrs, FATTR4_TIME_MODIFY);
	bitmap4_set(&want->types, NOTIFY4_CHANGE_CHILD_ATTRS);
	bitmap4_set(&want->types, NOTIFY4_CHANGE_DIR_ATTRS);
	bitmap4_set(&want->types, NOTIFY4_CHANGE_COOKIE_VERIFIER);
}

/* What a watcher asks for: all that happens to entries, and which they are. */
static void make_want(const struct bench_hold *h, struct nfsc_deleg_want *want)
{
	*want = (struct nfsc_deleg_want){.signal = false};
	bitmap4_set(&want->child_attrs, FATTR4_TYPE);
	bitmap4_set(&want->child_attrs, FATTR4_FILEID);
	bitmap4_set(&want->child_attrs, FATTR4_FILEHANDLE);
	bitmap4_set(&want->types, NOTIFY4_REMOVE_ENTRY);
	bitmap4_set(&want->types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(&want->types, NOTIFY4_RENAME_ENTRY);
	bitmap4_set(&want->types, NOTIFY4_GFLAG_EXTEND);
	if (h->config.attributes)
		want_attributes(want);
}

/* Before any callback about it is served. */
static void settle(void *ctx, const struct nfsc_deleg *granted)
{
	struct bench_deleg *d = ctx;

	scope_lock(&d->client->lock);
	d->stateid = granted->stateid;
	d->stateid.seqid = 0;
	d->state = BENCH_HELD;
	htab_insert(&d->client->by_stateid, &d->by_stateid,
		htab_hash(d->stateid.other, sizeof(d->stateid.other)));
}

/* Before a client's first grant, wait so long and so often in all. */
#define FIRST_PAUSE_MS 50
#define FIRST_TRIES    200

/*
 * True: try again. A server may refuse what comes before it knows that the
 * backchannel answers; that is no news of any limit.
 */
static bool is_too_early(struct bench_hold *h, struct bench_client *bc)
{
	const struct timespec pause = {
		.tv_nsec = FIRST_PAUSE_MS * NSEC_PER_MSEC};

	if (bc->tries++ >= FIRST_TRIES || *h->config.stop)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

static int ask(struct bench_hold *h, struct bench_deleg *d, bool *granted)
{
	struct nfsc_deleg_want want;
	struct nfsc_deleg deleg;
	bool first;
	int err;

	make_want(h, &want);
	do {
		first = d->client->granted == 0;
		err = nfsc_get_dir_delegation(d->client->nfsc,
			&h->config.dirs[d->directory], &want, settle, d,
			&deleg);
	} while (err == 0 && !deleg.granted && first &&
		is_too_early(h, d->client));
	*granted = err == 0 && deleg.granted;
	return err;
}

static int grant_one(void *ctx, uint64_t i)
{
	struct bench_hold *h = ctx;
	struct bench_deleg *d = &h->delegs[i];
	bool granted;
	int err;

	d->client = client_of(h, i);
	d->directory = directory_of(h, i);
	list_init(&d->on_recalled);
	err = ask(h, d, &granted);
	if (err)
		return err;
	d->client->granted += granted;
	h->granted += granted;
	h->refused += !granted;
	return 0;
}

/* The same round without delegations, to compare with. */
static int look_one(void *ctx, uint64_t i)
{
	struct bench_hold *h = ctx;
	const struct bench_hold_config *config = &h->config;
	uint64_t change;

	return nfsc_get_change(h->clients[i % config->clients].nfsc,
		&config->dirs[i / config->clients], &change);
}

int bench_hold_grant(struct bench_hold *h)
{
	const struct bench_hold_config *config = &h->config;

	if (h->ndelegs == 0)
		return each(h, (uint64_t)config->directories * config->clients,
			look_one);
	return each(h, h->ndelegs, grant_one);
}

/* ---- models ---- */

static int fill_entry(void *ctx, const struct dircache_entry *entry)
{
	struct bench_deleg *d = ctx;

	scope_lock(&d->client->lock);
	return dircache_fill_entry(d->model, entry);
}

static int model_new(struct bench_hold *h, struct bench_deleg *d)
{
	const struct dircache_config config = {.echoes = true};
	uint64_t n = bench_plan_in(h->config.tally->plan, d->directory);
	struct dircache *model = dircache_new(&config);
	uint8_t *heard = calloc(n / 8 + 1, 1);

	if (!model || !heard) {
		dircache_free(model);
		free(heard);
		return -ENOMEM;
	}
	dircache_fill_begin(model);
	scope_lock(&d->client->lock);
	d->model = model;
	d->heard = heard;
	return 0;
}

static int list_one(void *ctx, uint64_t i)
{
	struct bench_hold *h = ctx;
	struct bench_deleg *d = &h->delegs[i];
	struct nfsc_deleg_want want;
	struct nfsc_page page;
	int err;

	if (d->state != BENCH_HELD)
		return 0;
	make_want(h, &want);
	err = model_new(h, d);
	if (err == 0)
		err = nfsc_readdir(d->client->nfsc,
			&h->config.dirs[d->directory], &want.child_attrs, &page,
			fill_entry, d);
	if (err)
		return err;
	scope_lock(&d->client->lock);
	err = dircache_fill_end(d->model, 0);
	dircache_settle(d->model); /* nobody changes anything yet */
	return err;
}

int bench_hold_list(struct bench_hold *h)
{
	return each(h, h->ndelegs, list_one);
}

/* ---- giving back ---- */

/* Those of one client, many in a call. */
static int return_of(void *ctx, uint64_t i)
{
	struct bench_client *bc = &((struct bench_hold *)ctx)->clients[i];

	if (bc->nfsc)
		bench_return_all(bc);
	return 0;
}

static int leave_one(void *ctx, uint64_t i)
{
	struct bench_client *bc = &((struct bench_hold *)ctx)->clients[i];
	struct nfsc *c = bc->nfsc;

	if (!c)
		return 0;
	nfsc_leave(c);
	nfsc_free(c);
	bc->nfsc = NULL;
	return 0;
}

void bench_hold_leave(struct bench_hold *h)
{
	uint32_t n = h->config.clients;

	bench_keeper_stop(h);
	bench_each(BENCH_THREADS, n, NULL, return_of, h);
	bench_each(BENCH_THREADS, n, NULL, leave_one, h);
}

/* ---- figures ---- */

void bench_hold_stats(struct bench_hold *h, struct bench_hold_stats *ret)
{
	struct nfsc_stats stats;

	*ret = (struct bench_hold_stats){
		.granted = h->granted,
		.refused = h->refused,
		.disturbances = h->disturbances,
	};
	for (uint32_t i = 0; i < h->config.clients; i++) {
		if (!h->clients[i].nfsc)
			continue;
		nfsc_read_stats(h->clients[i].nfsc, &stats);
		ret->callbacks += stats.notifies;
		ret->recalls += stats.recalls;
		ret->recall_anys += stats.recall_anys;
	}
}
