/* SPDX-License-Identifier: MIT */
#include "testserver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/fault.h"
#include "store/ident.h"
#include "store/memory.h"
#include "store/posix.h"

/* The start of a fake clock: some day in 2026. */
#define FAKE_START_NS (1780000000ULL * NSEC_PER_SEC)

#define INDEX_BYTES (64u * 1024 * 1024)
#define POSIX_FDS   256

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "testserver: %s failed\n", what);
	abort();
}

/* ---- what lies below the server ---- */

static void start_time(struct testserver *ts)
{
	if (ts->options.fake_clock)
		clock_init_fake(&ts->clock, FAKE_START_NS, ts->options.tick_ns);
	else
		clock_init(&ts->clock);
	timers_init(&ts->timers, &ts->clock);
	if (!ts->options.fake_clock)
		must(timers_start(&ts->timers) == 0, "timers_start");
}

static struct dirindex *new_index(struct testserver *ts)
{
	struct dirindex *index;
	struct ident ident;

	ident_make_test(1, &ident);
	index = dirindex_new(&ts->clock, ident.cookie_key, INDEX_BYTES);
	must(index, "dirindex_new");
	return index;
}

static struct store *open_posix(struct testserver *ts)
{
	struct posix_options options = {
		.path = ts->options.posix_path,
		.clock = &ts->clock,
		.index = ts->index,
		.pins = ts->pins,
		.max_fds = POSIX_FDS,
		.watch = ts->options.watch,
	};
	char why[256] = "";
	struct store *s = posix_new(&options, why, sizeof(why));

	if (!s)
		fprintf(stderr, "testserver: %s\n", why);
	must(s, "posix_new");
	return s;
}

static void start_store(struct testserver *ts)
{
	ts->index = new_index(ts);
	ts->below = ts->options.posix_path ? open_posix(ts)
					   : memory_new(&ts->clock, ts->index);
	must(ts->below, "memory_new");
	ts->store = fault_new(ts->below);
	must(ts->store, "fault_new");
	if (ts->options.overlap && ts->options.posix_path) {
		ts->second_below = open_posix(ts);
		ts->second = fault_new(ts->second_below);
		must(ts->second, "fault_new");
	}
}

static void stop_store(struct testserver *ts)
{
	store_free(ts->second);
	store_free(ts->store);
	ts->second = ts->store = NULL;
	ts->second_below = NULL;
}

/* A memory store has nothing but itself to begin with again. */
static void restart_store(struct testserver *ts)
{
	struct dirindex *old = ts->index;

	if (ts->options.posix_path) {
		stop_store(ts);
		start_store(ts);
	} else {
		ts->index = new_index(ts);
		memory_set_index(ts->below, ts->index);
	}
	dirindex_free(old);
}

/* ---- the server ---- */

static void configure(struct testserver *ts)
{
	struct ident ident;

	ident_make_test(1, &ident);
	nfs_server_config_default(&ts->config, &ts->clock, &ts->timers);
	ts->config.state.epoch = 1;
	memcpy(ts->config.state.server_id, ident.id, sizeof(ident.id));
	memcpy(ts->config.handle_key, ident.handle_key,
		sizeof(ident.handle_key));
	ts->exports[0] = export_default();
	ts->exports[0].root_squash = false;
	ts->exports[0].local_changes = ts->options.local_changes;
	ts->exports[1] = ts->exports[0];
	ts->exports[1].path = "/two";
	if (ts->options.overlap)
		ts->exports[0].path = "/one";
	ts->config.exports = ts->exports;
	ts->config.nexports = ts->options.overlap ? 2 : 1;
	if (ts->options.configure)
		ts->options.configure(&ts->config);
}

void testserver_up(struct testserver *ts)
{
	struct nfs_server *server;

	ts->exports[0].store = ts->store;
	ts->exports[1].store = ts->second ? ts->second : ts->store;
	must(nfs_server_start(&ts->config, &server) == 0, "nfs_server_start");
	pthread_mutex_lock(&ts->lock);
	ts->server = server;
	pthread_mutex_unlock(&ts->lock);
}

void testserver_start(
	struct testserver *ts, const struct testserver_options *options)
{
	*ts = (struct testserver){.options = *options};
	must(pthread_mutex_init(&ts->lock, NULL) == 0, "a mutex");
	start_time(ts);
	ts->pins = posix_pins_new();
	must(ts->pins, "posix_pins_new");
	start_store(ts);
	configure(ts);
	testserver_up(ts);
	ts->net = nfsc_net_new(NULL, NULL);
	must(ts->net, "nfsc_net_new");
}

void testserver_down(struct testserver *ts)
{
	struct nfs_server *server;

	pthread_mutex_lock(&ts->lock);
	server = ts->server;
	ts->server = NULL;
	pthread_mutex_unlock(&ts->lock);
	nfs_server_stop(server);
	restart_store(ts);
	ts->config.state.epoch++;
	if (ts->options.fake_clock) /* as long as a start takes: server.h */
		clock_advance_ns(&ts->clock, 3 * ts->options.tick_ns);
}

void testserver_restart(struct testserver *ts)
{
	testserver_down(ts);
	testserver_up(ts);
}

void testserver_stop(struct testserver *ts)
{
	nfsc_net_free(ts->net);
	nfs_server_stop(ts->server);
	stop_store(ts);
	posix_pins_free(ts->pins);
	dirindex_free(ts->index);
	timers_fini(&ts->timers);
	pthread_mutex_destroy(&ts->lock);
}

void testserver_advance(struct testserver *ts, uint64_t ms)
{
	clock_advance_ms(&ts->clock, ms);
	timers_run(&ts->timers);
}

/* ---- clients ---- */

/* Both ends of a new connection; -ECONNREFUSED while the server is down. */
static int connect_pair(struct testserver *ts, int *fd)
{
	struct rpc_conn *conn = NULL;
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
		"socketpair");
	pthread_mutex_lock(&ts->lock);
	if (ts->server)
		conn = rpc_add_socket(ts->server->rpc, ends[0]);
	else
		close(ends[0]);
	pthread_mutex_unlock(&ts->lock);
	if (!conn) {
		close(ends[1]);
		return -ECONNREFUSED;
	}
	rpc_conn_put(conn);
	*fd = ends[1];
	return 0;
}

int testserver_socket(struct testserver *ts)
{
	int fd = -1;

	must(connect_pair(ts, &fd) == 0, "a connection");
	return fd;
}

static int dial(void *ctx, struct rpc *rpc, struct rpc_conn **ret)
{
	int fd, err = connect_pair(ctx, &fd);

	if (err < 0)
		return err;
	*ret = rpc_add_socket(rpc, fd);
	return *ret ? 0 : -errno;
}

void testserver_client_config(struct testserver *ts, struct nfsc_config *ret)
{
	nfsc_config_default(ret);
	ret->net = ts->net;
	ret->dial = dial;
	ret->dial_ctx = ts;
	ret->cred = (struct cred){.uid = 0};
}

struct nfsc *testserver_client(struct testserver *ts)
{
	struct nfsc_config config;
	struct nfsc *client = NULL;
	int err;

	testserver_client_config(ts, &config);
	err = nfsc_new(&config, &client);
	if (err)
		fprintf(stderr, "testserver: nfsc_new: %d\n", err);
	must(err == 0, "nfsc_new");
	return client;
}
