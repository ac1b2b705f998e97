/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include "state/client.h"

static void ask_for_tops(struct peer *p)
{
	for (int top = 0; top < TOPS; top++)
		hold_ask_top(p, top);
}

static void run_period(struct peer *p)
{
	const struct world *w = p->world;

	if (w->period == 0)
		ask_for_tops(p);
	for (unsigned i = 0; i < w->options.ops_per_period / PEERS; i++) {
		weather_disturb(p);
		ops_random(p);
	}
	ops_finish(p);
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	struct world *w = p->world;

	for (;;) {
		pthread_barrier_wait(&w->barrier);
		if (w->over)
			return NULL;
		run_period(p);
		pthread_barrier_wait(&w->barrier);
	}
}

/* ---- clients ---- */

struct nfsc *peer_connect_as(struct world *w, uint32_t uid, struct peer *p)
{
	struct nfsc_config config;
	struct nfsc *c;
	int err;

	testserver_client_config(&w->server, &config);
	config.cred = (struct cred){.uid = uid, .gid = uid};
	config.retry_delay_ms = 2;
	config.retry_delay_max_ms = 60 * 1000;
	if (p) {
		config.net = p->net;
		hold_handlers(p, &config.handlers);
		config.cb_hook = weather_mistreat;
		config.cb_hook_ctx = p;
	}
	err = nfsc_new(&config, &c);
	if (err)
		prop_fail(w, "connecting: %d", err);
	return c;
}

void peer_connect(struct peer *p)
{
	p->revoked = false;
	p->expiries = 0;
	p->silences = 0;
	p->mischief = 0;
	p->via = p->world->options.overlap ? (int)prop_below(p, EXPORTS) : 0;
	p->client = peer_connect_as(
		p->world, SPY_UID_FIRST + (uint32_t)p->index, p);
}

static void fail_leaving(struct peer *p, uint64_t id, int err)
{
	struct client *c = client_find(p->world->server.server->state, id);

	if (!c)
		prop_fail(
			p->world, "client %d is gone, but: %d", p->index, err);
	prop_fail(p->world,
		"client %d cannot leave: %d, with %u sessions, %u opens, "
		"%u delegations, %u calls",
		p->index, err, c->sessions_count, c->opens, c->dir_delegs,
		c->calls_running);
}

/* Everything was returned: nothing is left that would keep its id. */
void peer_leave(struct peer *p)
{
	struct nfsc_info info;
	int err;

	nfsc_read_info(p->client, &info);
	err = nfsc_leave(p->client);
	if (err)
		fail_leaving(p, info.clientid, err);
	nfsc_free(p->client);
	p->client = NULL;
}

/* ---- threads ---- */

void peer_start(struct world *w, int index)
{
	struct peer *p = &w->peers[index];

	p->world = w;
	p->index = index;
	p->rand.state = w->options.seed + 1000 * (uint64_t)(index + 1);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	list_init(&p->holds);
	p->net = nfsc_net_new(NULL, NULL);
	if (!p->net)
		prop_fail(w, "no endpoint");
	if (pthread_create(&p->thread, NULL, peer_main, p) ||
		pthread_create(&p->returner, NULL, hold_returner, p))
		prop_fail(w, "no threads");
}

void peer_stop(struct peer *p)
{
	pthread_join(p->thread, NULL);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->returner, NULL);
	nfsc_net_free(p->net);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}
