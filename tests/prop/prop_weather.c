/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "state/client.h"
#include "store/fault.h"

/* In a phase; each one costs the server's patience. */
#define SILENCES 2

/* An answer may take a tenth of it: who is silent holds everything up. */
#define LEASE_MS (50 * 1000)

/* ---- choosing ---- */

typedef void (*make_weather)(struct weather *w, struct rand_stream *rand);

/* The first half of the clients does it. */
static void mischief(struct weather *w, enum mischief m, uint16_t permille)
{
	for (int i = 0; i < PEERS / 2; i++)
		w->permille[i][m] = permille;
}

static void make_nothing(struct weather *w, struct rand_stream *rand)
{
}

static void make_overflow(struct weather *w, struct rand_stream *rand)
{
	w->queue_events = 1;
}

static void make_limit(struct weather *w, struct rand_stream *rand)
{
	w->max_delegs = 4 + (uint32_t)rand_stream_below(rand, 12);
}

static void make_scarce(struct weather *w, struct rand_stream *rand)
{
	w->memory = 4096 + (uint32_t)rand_stream_below(rand, 32 * 1024);
}

static void make_store(struct weather *w, struct rand_stream *rand)
{
	w->store_fails = true;
}

static void make_late(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_LATE, 150);
}

static void make_delay(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_DELAY, 200);
}

static void make_notsupp(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_NOTSUPP, 30);
}

static void make_drop(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_DROP, 30);
	mischief(w, MISCHIEF_DROP_AFTER, 30);
}

static void make_silent(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_SILENT, 10);
}

static void make_rebind(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_LOSE, 16);
	mischief(w, MISCHIEF_REBIND, 33);
	mischief(w, MISCHIEF_PART, 2);
}

static void make_expire(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_EXPIRE, 10);
}

static void make_neglect(struct weather *w, struct rand_stream *rand)
{
	mischief(w, MISCHIEF_NEGLECT, 400);
}

/* Each client has its own bad habits, or none. */
static void make_habits(struct weather *w, int peer, struct rand_stream *rand)
{
	static const uint16_t usual[MISCHIEFS] = {
		[MISCHIEF_LATE] = 100,
		[MISCHIEF_DELAY] = 20,
		[MISCHIEF_SEQ_DELAY] = 20,
		[MISCHIEF_NOTSUPP] = 10,
		[MISCHIEF_DROP] = 20,
		[MISCHIEF_DROP_AFTER] = 20,
		[MISCHIEF_SILENT] = 1,
		[MISCHIEF_LOSE] = 10,
		[MISCHIEF_REBIND] = 20,
		[MISCHIEF_PART] = 2,
		[MISCHIEF_EXPIRE] = 3,
		[MISCHIEF_NEGLECT] = 30,
	};

	if (rand_stream_below(rand, 2))
		return;
	for (int n = 1 + (int)rand_stream_below(rand, 3); n > 0; n--) {
		int m = (int)rand_stream_below(rand, MISCHIEFS);

		w->permille[peer][m] = usual[m];
	}
}

static void make_lost(struct weather *w, struct rand_stream *rand)
{
	w->reports_lost = true;
}

static void make_mixed(struct weather *w, struct rand_stream *rand)
{
	w->reports_lost = rand_stream_below(rand, 4) == 0;
	for (int i = 0; i < PEERS; i++)
		make_habits(w, i, rand);
	switch (rand_stream_below(rand, 16)) {
	case 0:
		w->queue_events = 1;
		break;
	case 1:
		w->queue_events = 2 + (uint32_t)rand_stream_below(rand, 20);
		break;
	case 2:
		make_limit(w, rand);
		break;
	case 3:
		make_scarce(w, rand);
		break;
	case 4:
	case 5:
		w->store_fails = true;
		break;
	default:
		break;
	}
}

static const struct {
	const char *name;
	make_weather make;
} faults[] = {
	{"nothing", make_nothing},
	{"overflow", make_overflow},
	{"limit", make_limit},
	{"scarce", make_scarce},
	{"store", make_store},
	{"lost", make_lost},
	{"late", make_late},
	{"delay", make_delay},
	{"notsupp", make_notsupp},
	{"drop", make_drop},
	{"silent", make_silent},
	{"rebind", make_rebind},
	{"expire", make_expire},
	{"neglect", make_neglect},
	{"mixed", make_mixed},
};

static make_weather maker_of(const char *fault)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (strcmp(faults[i].name, fault) == 0)
			return faults[i].make;
	}
	return NULL;
}

bool weather_is_known(const char *fault)
{
	return maker_of(fault) != NULL;
}

void weather_choose(struct world *w, struct rand_stream *rand)
{
	static const uint32_t windows[] = {0, 1, 3, 3, 10, 50};

	w->weather = (struct weather){
		.window_ms = windows[rand_stream_below(
			rand, sizeof(windows) / sizeof(windows[0]))],
	};
	maker_of(w->options.fault)(&w->weather, rand);
}

void weather_configure(const struct weather *weather, struct state_config *c)
{
	struct state_config usual;

	state_config_default(&usual);
	c->lease_ms = LEASE_MS;
	c->notify_window_ms = weather->window_ms;
	c->child_attr_min_delay_ms = weather->window_ms;
	c->notify_max_events = weather->queue_events ? weather->queue_events
						     : usual.notify_max_events;
	c->max_dir_delegs = weather->max_delegs ? weather->max_delegs
						: usual.max_dir_delegs;
	c->max_deleg_bytes =
		weather->memory ? weather->memory : usual.max_deleg_bytes;
}

/* ---- asking ---- */

bool weather_lets_hold(const struct world *w)
{
	const struct weather *weather = &w->weather;

	return weather->queue_events != 1 && !weather->max_delegs &&
		!weather->memory && !weather->reports_lost;
}

bool weather_has(const struct peer *p, enum mischief m)
{
	return p->world->weather.permille[p->index][m] > 0;
}

bool weather_is_rough(const struct peer *p)
{
	for (int m = 0; m < MISCHIEFS; m++) {
		if (m != MISCHIEF_LATE && m != MISCHIEF_REBIND &&
			weather_has(p, (enum mischief)m))
			return true;
	}
	return false;
}

bool weather_is_lenient(const struct peer *p)
{
	const struct weather *w = &p->world->weather;

	return w->queue_events || w->memory || w->store_fails ||
		weather_is_rough(p);
}

/* ---- striking ---- */

/* Of what runs on many threads at once: no order to keep. */
bool weather_strikes(struct peer *p, enum mischief m)
{
	struct world *w = p->world;
	uint16_t permille = w->weather.permille[p->index][m];

	if (permille == 0 || rand_u64() % 1000 >= permille)
		return false;
	w->mischief[m]++;
	p->mischief++;
	return true;
}

static bool is_notify(const CB_COMPOUND4args *args)
{
	return args->argarray.count > 1 &&
		args->argarray.items[1].argop == OP_CB_NOTIFY;
}

enum nfsc_cb_action weather_mistreat(
	void *peer, const CB_COMPOUND4args *args, nfsstat4 *status)
{
	struct peer *p = peer;

	if (weather_strikes(p, MISCHIEF_LATE))
		usleep((useconds_t)(rand_u64() % 20000));
	if (weather_strikes(p, MISCHIEF_DROP))
		return NFSC_CB_DROP;
	if (weather_strikes(p, MISCHIEF_DROP_AFTER))
		return NFSC_CB_DROP_AFTER;
	if (p->silences < SILENCES && weather_strikes(p, MISCHIEF_SILENT)) {
		p->silences++;
		return NFSC_CB_SILENT;
	}
	*status = NFS4ERR_DELAY;
	if (weather_strikes(p, MISCHIEF_SEQ_DELAY))
		return NFSC_CB_SEQ_STATUS;
	if (weather_strikes(p, MISCHIEF_DELAY))
		return NFSC_CB_STATUS;
	*status = NFS4ERR_NOTSUPP;
	if (is_notify(args) && weather_strikes(p, MISCHIEF_NOTSUPP))
		return NFSC_CB_STATUS;
	return NFSC_CB_SERVE;
}

/* ---- between operations ---- */

/* Its lease is over at once, unless a call of it is being served. */
static void end_lease(struct peer *p)
{
	struct state *s = p->world->server.server->state;
	struct nfsc_info info;
	struct client *c;

	nfsc_read_info(p->client, &info);
	c = client_find(s, info.clientid);
	if (!c)
		return;
	p->expiries++;
	atomic_store(&c->lease_until_ms,
		clock_mono_ms(state_get_config(s)->clock) - 1);
	client_put(c);
}

static void part(struct peer *p, bool expire)
{
	nfsc_hold(p->client, true);
	nfsc_drop(p->client);
	if (expire)
		end_lease(p);
	usleep((useconds_t)(rand_u64() % 50000));
	nfsc_hold(p->client, false);
	nfsc_renew(p->client, NULL);
}

static void disturb_store(struct peer *p)
{
	struct world *w = p->world;

	if (w->weather.store_fails && prop_below(p, 6) == 0)
		fault_fail(w->server.store,
			(enum store_call)(1 + prop_below(p, STORE_CALLS - 1)),
			EIO, 1);
}

void weather_calm_store(struct world *w)
{
	for (int call = 0; call <= FAULT_ALL; call++)
		fault_fail(w->server.store, call, 0, 0);
}

void weather_disturb(struct peer *p)
{
	disturb_store(p);
	if (weather_strikes(p, MISCHIEF_LOSE))
		nfsc_drop(p->client);
	if (weather_strikes(p, MISCHIEF_REBIND))
		nfsc_bind(p->client, CDFC4_FORE_OR_BOTH);
	if (weather_strikes(p, MISCHIEF_PART))
		part(p, false);
	if (weather_strikes(p, MISCHIEF_EXPIRE))
		part(p, true);
	if (atomic_exchange(&p->revoked, false))
		hold_sweep(p);
}
