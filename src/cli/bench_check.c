/* SPDX-License-Identifier: MIT */
/* Was everything heard, and are the models true? */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/bench_hold_priv.h"

/* Without an event for so long, no more are expected. */
#define QUIET_MS 10000
#define LOOK_MS  5

/* ---- events ---- */

/* Events that were made for @d and did not come. */
static uint64_t missing_of(struct bench_hold *h, struct bench_deleg *d)
{
	uint32_t made = h->config.tally->made_in[d->directory];

	if (!d->client || !d->model)
		return 0;
	scope_lock(&d->client->lock);
	if (d->state != BENCH_HELD || d->nheard >= made)
		return 0;
	return made - d->nheard;
}

static bool is_any_missing(struct bench_hold *h)
{
	for (uint64_t i = 0; i < h->ndelegs; i++) {
		if (missing_of(h, &h->delegs[i]))
			return true;
	}
	return false;
}

void bench_hold_drain(struct bench_hold *h)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * NSEC_PER_MSEC};
	struct bench_tally *t = h->config.tally;
	uint64_t seen = t->events, quiet_ms = 0;

	while (quiet_ms < QUIET_MS && !*h->config.stop && is_any_missing(h)) {
		nanosleep(&pause, NULL);
		quiet_ms = t->events == seen ? quiet_ms + LOOK_MS : 0;
		seen = t->events;
	}
}

/* ---- models ---- */

struct checking {
	struct bench_hold *hold;
	struct nfsc *client;
	struct lock lock; /* guards the verdict */
	struct bench_verdict *verdict;
};

static int fill_entry(void *ctx, const struct dircache_entry *entry)
{
	return dircache_fill_entry(ctx, entry);
}

/* The directory as it is now; NULL and *@err. */
static struct dircache *list_now(
	struct checking *c, uint32_t directory, int *err)
{
	const struct dircache_config config = {.ordered = false};
	struct dircache *now = dircache_new(&config);
	bitmap4 attrs = {.beyond = false};
	struct nfsc_page page;

	*err = -ENOMEM;
	if (!now)
		return NULL;
	bitmap4_set(&attrs, FATTR4_TYPE);
	bitmap4_set(&attrs, FATTR4_FILEID);
	bitmap4_set(&attrs, FATTR4_FILEHANDLE);
	dircache_fill_begin(now);
	*err = nfsc_readdir(c->client, &c->hold->config.dirs[directory], &attrs,
		&page, fill_entry, now);
	if (*err == 0)
		*err = dircache_fill_end(now, 0);
	if (*err == 0)
		return now;
	dircache_free(now);
	return NULL;
}

static bool is_right(struct bench_deleg *d, const struct dircache *now,
	char *why, size_t size)
{
	struct dircache_compare how = {.attrs = {.beyond = false}};
	const char *contradiction = dircache_contradiction(d->model);

	bitmap4_set(&how.attrs, FATTR4_TYPE);
	bitmap4_set(&how.attrs, FATTR4_FILEID);
	bitmap4_set(&how.attrs, FATTR4_FILEHANDLE);
	if (!contradiction)
		return dircache_equal(d->model, now, &how, why, size);
	snprintf(why, size, "%s", contradiction);
	return false;
}

static void check_model(
	struct checking *c, struct bench_deleg *d, const struct dircache *now)
{
	struct bench_verdict *v = c->verdict;
	char why[sizeof(v->why)] = "";
	uint64_t lost = missing_of(c->hold, d);
	bool right;

	lock_acquire(&d->client->lock);
	right = d->state != BENCH_HELD || is_right(d, now, why, sizeof(why));
	lock_release(&d->client->lock);
	scope_lock(&c->lock);
	v->lost += lost;
	v->models += d->state == BENCH_HELD;
	v->wrong += !right;
	if (!right && !v->why[0])
		snprintf(v->why, sizeof(v->why), "%s", why);
}

/* All holders of one directory against one listing. */
static int check_directory(void *ctx, uint64_t directory)
{
	struct checking *c = ctx;
	struct bench_hold *h = c->hold;
	uint64_t first = directory * h->config.holders;
	struct dircache *now;
	int err;

	now = list_now(c, (uint32_t)directory, &err);
	if (!now)
		return err;
	for (uint32_t i = 0; i < h->config.holders; i++) {
		struct bench_deleg *d = &h->delegs[first + i];

		if (d->model)
			check_model(c, d, now);
	}
	dircache_free(now);
	return 0;
}

int bench_hold_check(
	struct bench_hold *h, struct nfsc *client, struct bench_verdict *ret)
{
	struct checking c = {.hold = h, .client = client, .verdict = ret};
	int err;

	*ret = (struct bench_verdict){.lost = 0};
	lock_init(&c.lock, LOCK_LEAF);
	err = bench_each(BENCH_THREADS, h->config.directories, h->config.stop,
		check_directory, &c);
	lock_fini(&c.lock);
	return err;
}
