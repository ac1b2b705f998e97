/* SPDX-License-Identifier: MIT */
/*
 * One thread for all clients: it renews their leases in turn, which saves a
 * thread for each, and gives back what is recalled.
 */
#include "base/cleanup.h"
#include "cli/bench_hold_priv.h"

/* Leases are renewed so often in their time. */
#define RENEWALS 3

#define RETURN_AT_ONCE 32

static void forget(struct bench_deleg *d)
{
	struct bench_client *bc = d->client;

	scope_lock(&bc->lock);
	d->state = BENCH_RECALLED;
	htab_remove(&bc->by_stateid, &d->by_stateid);
}

/* ---- what is recalled ---- */

static struct bench_deleg *pop_recalled(struct bench_hold *h)
{
	struct bench_deleg *d;

	scope_lock(&h->lock);
	if (list_empty(&h->recalled))
		return NULL;
	d = list_first_entry(&h->recalled, struct bench_deleg, on_recalled);
	list_del(&d->on_recalled);
	return d;
}

/* Still known meanwhile: the server may deliver a last batch first. */
static void return_recalled(struct bench_hold *h)
{
	struct bench_deleg *d;

	while ((d = pop_recalled(h))) {
		nfsc_delegreturn(d->client->nfsc, &h->config.dirs[d->directory],
			&d->stateid, NULL);
		forget(d);
	}
}

/* ---- all of one client, at the end ---- */

static unsigned some_of(struct bench_client *bc, struct bench_deleg **ret)
{
	struct htab_link *at = NULL;
	size_t cursor = 0;
	unsigned n = 0;

	scope_lock(&bc->lock);
	while (n < RETURN_AT_ONCE &&
		(at = htab_walk(&bc->by_stateid, &cursor, at)))
		ret[n++] = container_of(at, struct bench_deleg, by_stateid);
	return n;
}

/* How many of them were returned, or cannot be. */
static unsigned return_some(
	struct bench_client *bc, struct bench_deleg **ds, unsigned n)
{
	const struct nfsc_fh *fhs[RETURN_AT_ONCE];
	stateid4 stateids[RETURN_AT_ONCE];
	unsigned done;
	int err;

	for (unsigned i = 0; i < n; i++) {
		fhs[i] = &bc->hold->config.dirs[ds[i]->directory];
		stateids[i] = ds[i]->stateid;
	}
	err = nfsc_delegreturn_some(bc->nfsc, fhs, stateids, n, &done);
	return done < n && err ? done + 1 : done;
}

void bench_return_all(struct bench_client *bc)
{
	struct bench_deleg *ds[RETURN_AT_ONCE];
	unsigned n, done;

	while ((n = some_of(bc, ds)) > 0) {
		done = return_some(bc, ds, n);
		for (unsigned i = 0; i < done; i++)
			forget(ds[i]);
	}
}

/* ---- leases ---- */

/* Until the next client is due; all of them in a third of a lease. */
static uint64_t pause_ms(struct bench_hold *h)
{
	struct nfsc_info info;

	nfsc_read_info(h->clients[0].nfsc, &info);
	return info.lease_ms / RENEWALS / h->config.clients + 1;
}

/* Wait for a recall, or until @until_ms; false: it is over. */
static bool wait_for_work(struct bench_hold *h, uint64_t until_ms)
{
	uint64_t now_ms = clock_mono_ms(&h->clock);

	scope_lock(&h->lock);
	if (list_empty(&h->recalled) && !h->stop && now_ms < until_ms)
		cond_wait_ms(&h->cond, &h->lock, until_ms - now_ms);
	return !h->stop;
}

static void *keeper_main(void *arg)
{
	struct bench_hold *h = arg;
	uint64_t next_ms = 0;
	uint32_t who = 0;

	while (wait_for_work(h, next_ms)) {
		return_recalled(h);
		if (clock_mono_ms(&h->clock) < next_ms)
			continue;
		nfsc_renew(h->clients[who].nfsc, NULL);
		who = (who + 1) % h->config.clients;
		next_ms = clock_mono_ms(&h->clock) + pause_ms(h);
	}
	return NULL;
}

int bench_keeper_start(struct bench_hold *h)
{
	int err = pthread_create(&h->keeper, NULL, keeper_main, h);

	h->has_keeper = err == 0;
	return -err;
}

void bench_keeper_stop(struct bench_hold *h)
{
	if (!h->has_keeper)
		return;
	lock_acquire(&h->lock);
	h->stop = true;
	cond_signal(&h->cond);
	lock_release(&h->lock);
	pthread_join(h->keeper, NULL);
	h->has_keeper = false;
}
