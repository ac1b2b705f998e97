/* SPDX-License-Identifier: MIT */
#include "client/nfsc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/rand.h"
#include "client/nfsc_priv.h"
#include "wire/rpcmsg.h"

/* ---- the endpoint ---- */

static int net_time(
	struct nfsc_net *net, struct clock *clock, struct timers *timers)
{
	net->timers = timers;
	if (timers)
		return 0;
	clock_init(&net->own_clock);
	timers_init(&net->own_timers, &net->own_clock);
	net->own = true;
	net->timers = &net->own_timers;
	return timers_start(&net->own_timers);
}

static void net_close(struct nfsc_net *net)
{
	if (net->rpc)
		rpc_free(net->rpc);
	if (net->own)
		timers_fini(&net->own_timers);
	htab_fini(&net->conns);
	cond_fini(&net->cond);
	lock_fini(&net->lock);
	free(net);
}

static struct rpc *net_rpc(struct nfsc_net *net)
{
	struct rpc_config config;

	net->program = (struct rpc_program){
		.number = NFSC_CB_PROGRAM,
		.version_low = 1,
		.version_high = 4, /* RFC 8881 18.36.3 says 4, its XDR 1 */
		.run = nfsc_cb_run,
		.conn_closed = nfsc_conn_closed,
		.ctx = net,
	};
	rpc_config_default(&config);
	config.clock = net->timers->clock;
	config.timers = net->timers;
	config.programs = &net->program;
	config.nprograms = 1;
	config.max_record = NFSC_RECORD_MAX;
	config.threads_min = 4;
	return rpc_new(&config);
}

struct nfsc_net *nfsc_net_new(struct clock *clock, struct timers *timers)
{
	struct nfsc_net *net = calloc(1, sizeof(*net));
	int err;

	if (!net)
		return NULL;
	lock_init(&net->lock, LOCK_LEAF);
	cond_init(&net->cond);
	err = htab_init(&net->conns, 16);
	if (err == 0)
		err = net_time(net, clock, timers);
	if (err == 0) {
		net->rpc = net_rpc(net);
		err = net->rpc ? 0 : -errno;
	}
	if (err == 0)
		return net;
	net_close(net);
	errno = -err;
	return NULL;
}

void nfsc_net_free(struct nfsc_net *net)
{
	if (net)
		net_close(net);
}

struct rpc *nfsc_net_rpc(struct nfsc_net *net)
{
	return net->rpc;
}

/* ---- configuration ---- */

/* Who we are; of our groups, as many as AUTH_SYS carries. */
static struct cred own_cred(void)
{
	struct cred cred = {.uid = geteuid(), .gid = getegid()};
	int n = getgroups(0, NULL);
	scope_free gid_t *groups = calloc(n > 0 ? n : 1, sizeof(*groups));

	n = groups && n > 0 ? getgroups(n, groups) : 0;
	for (int i = 0; i < n && i < RPC_AUTHSYS_GIDS_MAX; i++)
		cred.groups[cred.ngroups++] = groups[i];
	return cred;
}

void nfsc_config_default(struct nfsc_config *config)
{
	*config = (struct nfsc_config){
		.port = 2049,
		.minor_version = 2,
		.cred = own_cred(),
		.fore_slots = 16,
		.back_slots = 8,
		.fore_size = NFSC_SIZE_MAX,
		.back_size = 256 * 1024,
		.call_timeout_ms = 30 * 1000,
		.renew = true,
	};
}

static unsigned clamp_slots(unsigned n)
{
	return n < 1 ? 1 : n > NFSC_SLOTS_MAX ? NFSC_SLOTS_MAX : n;
}

static uint32_t clamp_size(uint32_t n)
{
	return n < 1024 ? 1024 : n > NFSC_SIZE_MAX ? NFSC_SIZE_MAX : n;
}

/* A co_ownerid that nobody else has. */
static int make_owner(struct nfsc *c, const struct xdr_opaque *given)
{
	char made[128];
	struct xdr_opaque owner = *given;
	uint8_t *copy;

	if (owner.len == 0) {
		snprintf(made, sizeof(made), "herald %s %ld %016llx",
			c->machine, (long)getpid(),
			(unsigned long long)rand_u64());
		owner = xdr_opaque_from_str(made);
	}
	copy = malloc(owner.len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, owner.data, owner.len);
	c->config.owner = xdr_opaque_from(copy, owner.len);
	return 0;
}

static int make_auth(struct nfsc *c)
{
	struct cred *cred = &c->config.cred;
	authsys_parms parms = {
		.machinename = xdr_opaque_from_str(c->machine),
		.uid = cred->uid,
		.gid = cred->gid,
		.gids = {.count = cred->ngroups, .items = cred->groups},
	};
	opaque_auth auth;

	if (!rpcmsg_make_authsys(
		    &auth, &parms, c->auth_body, sizeof(c->auth_body)))
		return -EINVAL;
	c->auth_size = auth.body.len;
	return 0;
}

static int settle_config(struct nfsc *c, const struct nfsc_config *config)
{
	int err;

	if (gethostname(c->machine, sizeof(c->machine) - 1) < 0)
		strcpy(c->machine, "localhost");
	c->config = *config;
	c->config.owner = (struct xdr_opaque){.len = 0};
	c->config.host = NULL;
	if (c->config.cred.ngroups > RPC_AUTHSYS_GIDS_MAX)
		c->config.cred.ngroups = RPC_AUTHSYS_GIDS_MAX;
	c->config.fore_slots = clamp_slots(config->fore_slots);
	c->config.back_slots = clamp_slots(config->back_slots);
	c->config.fore_size = clamp_size(config->fore_size);
	c->config.back_size = clamp_size(config->back_size);
	if (!config->verifier)
		c->config.verifier = rand_u64();
	if (config->host) {
		c->config.host = strdup(config->host);
		if (!c->config.host)
			return -ENOMEM;
	}
	err = make_owner(c, &config->owner);
	return err ? err : make_auth(c);
}

/* ---- keeping the lease ---- */

static uint64_t renew_interval(struct nfsc *c)
{
	return c->lease_ms / 3 + 1;
}

static void renew_fire(struct timer *t)
{
	struct nfsc *c = container_of(t, struct nfsc, renew_timer);

	scope_lock(&c->lock);
	c->renew_due = true;
	cond_broadcast(&c->cond);
}

/* The server cannot call back: bind again, once per renewal. */
static void repair_backchannel(struct nfsc *c, uint32_t flags)
{
	if ((flags & NFSC_PATH_DOWN_FLAGS) && c->config.back_slots)
		nfsc_bind(c, CDFC4_BACK_OR_BOTH);
}

static bool keeper_wait(struct nfsc *c)
{
	scope_lock(&c->lock);
	while (!c->stop_keeper && !c->cancelled && !c->renew_due &&
		(c->conn || c->held || !c->established))
		cond_wait(&c->cond, &c->lock);
	c->renew_due = false;
	return !c->stop_keeper && !c->cancelled;
}

static void *keeper_main(void *arg)
{
	struct nfsc *c = arg;
	uint32_t flags;

	while (keeper_wait(c)) {
		flags = 0;
		if (nfsc_renew(c, &flags) == 0)
			repair_backchannel(c, flags);
		else
			nfsc_sleep(c, 1000);
		if (flags & NFSC_REVOKED_FLAGS)
			nfsc_tell(c, NFSC_REVOKED);
		timer_set(c->net->timers, &c->renew_timer, renew_interval(c));
	}
	return NULL;
}

static int start_keeper(struct nfsc *c)
{
	int err;

	if (!c->config.renew)
		return 0;
	err = pthread_create(&c->keeper, NULL, keeper_main, c);
	if (err)
		return -err;
	c->has_keeper = true;
	timer_set(c->net->timers, &c->renew_timer, renew_interval(c));
	return 0;
}

static void stop_keeper(struct nfsc *c)
{
	lock_acquire(&c->lock);
	c->stop_keeper = true;
	cond_broadcast(&c->cond);
	lock_release(&c->lock);
	if (c->has_keeper)
		pthread_join(c->keeper, NULL);
	c->has_keeper = false;
	timer_cancel_wait(c->net->timers, &c->renew_timer);
}

/* ---- life ---- */

int nfsc_new_idle(const struct nfsc_config *config, struct nfsc **ret)
{
	struct nfsc *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->net = config->net;
	list_init(&c->conns);
	lock_init(&c->lock, LOCK_CLIENT_SIDE);
	cond_init(&c->cond);
	timer_init(&c->renew_timer, renew_fire);
	c->lease_ms = NFSC_LEASE_MS;
	c->cb_hook = config->cb_hook;
	c->cb_hook_ctx = config->cb_hook_ctx;
	err = settle_config(c, config);
	if (err < 0) {
		nfsc_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

int nfsc_new(const struct nfsc_config *config, struct nfsc **ret)
{
	struct rpc_conn *conn;
	struct nfsc *c;
	int err = nfsc_new_idle(config, &c);

	if (err)
		return err;
	err = nfsc_ensure(c, 0, &conn);
	if (err == 0) {
		rpc_conn_put(conn);
		err = start_keeper(c);
	}
	if (err) {
		nfsc_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

int nfsc_leave(struct nfsc *c)
{
	int err;

	stop_keeper(c);
	err = nfsc_destroy_session(c);
	if (err == NFS4ERR_BADSESSION)
		err = 0;
	if (err == 0)
		err = nfsc_destroy_clientid(c);
	nfsc_cancel(c);
	return err;
}

void nfsc_cancel(struct nfsc *c)
{
	struct rpc_conn *conn;

	lock_acquire(&c->lock);
	c->cancelled = true;
	conn = c->conn ? rpc_conn_get(c->conn) : NULL;
	cond_broadcast(&c->cond);
	lock_release(&c->lock);
	if (conn) {
		rpc_conn_close(conn);
		rpc_conn_put(conn);
	}
}

void nfsc_free(struct nfsc *c)
{
	if (!c)
		return;
	nfsc_cancel(c);
	stop_keeper(c);
	nfsc_forget_conns(c);
	nfsc_cb_reset(&c->session);
	if (c->conn)
		rpc_conn_put(c->conn);
	free((void *)c->config.owner.data);
	free((void *)c->config.host);
	cond_fini(&c->cond);
	lock_fini(&c->lock);
	free(c);
}

/* ---- small things ---- */

void nfsc_tell(struct nfsc *c, enum nfsc_event event)
{
	const struct nfsc_handlers *h = &c->config.handlers;

	if (h->event)
		h->event(h->ctx, event);
}

void nfsc_sleep(struct nfsc *c, uint64_t ms)
{
	struct clock real;
	uint64_t end, now;

	clock_init(&real);
	now = clock_mono_ms(&real);
	end = now + ms;
	scope_lock(&c->lock);
	while (!c->cancelled && now < end) {
		if (c->stop_keeper && pthread_equal(c->keeper, pthread_self()))
			break;
		cond_wait_ms(&c->cond, &c->lock, end - now);
		now = clock_mono_ms(&real);
	}
}

void nfsc_read_info(struct nfsc *c, struct nfsc_info *ret)
{
	scope_lock(&c->lock);
	*ret = (struct nfsc_info){
		.clientid = c->clientid,
		.generation = c->session.generation,
		.fore = c->session.fore,
		.back = c->session.back,
		.lease_ms = c->lease_ms,
		.backchannel = c->session.backchannel,
	};
	memcpy(ret->sessionid, c->session.id, sizeof(ret->sessionid));
	memcpy(ret->server_name, c->server_name, sizeof(ret->server_name));
}

void nfsc_read_stats(struct nfsc *c, struct nfsc_stats *ret)
{
	scope_lock(&c->lock);
	*ret = c->stats;
}

void nfsc_hold(struct nfsc *c, bool held)
{
	scope_lock(&c->lock);
	c->held = held;
	cond_broadcast(&c->cond);
}

void nfsc_set_cb_hook(struct nfsc *c, nfsc_cb_hook hook, void *ctx)
{
	scope_lock(&c->lock);
	c->cb_hook = hook;
	c->cb_hook_ctx = ctx;
}
