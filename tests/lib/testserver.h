/* SPDX-License-Identifier: MIT */
/*
 * A whole server in the test's own process: a store under a fault filter, real
 * or fake clock, connections over socketpairs. For protocol and property
 * tests; the clients are src/client's. What cannot be set up ends the test.
 */
#ifndef TESTS_TESTSERVER_H
#define TESTS_TESTSERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/timer.h"
#include "client/nfsc.h"
#include "nfs/server.h"
#include "store/dirindex.h"
#include "store/posix.h"
#include "store/store.h"

struct testserver_options {
	bool fake_clock;        /* time moves by testserver_advance() only */
	uint64_t tick_ns;       /* fake clock: granularity of file times */
	const char *posix_path; /* serve this directory; NULL: a memory store */
	/* Two exports of the same files, /one and /two; else one, the root. */
	bool overlap;
	bool local_changes;               /* others write here, too */
	struct posix_watch_options watch; /* how that is watched */
	/* May change anything before the server starts; or NULL. */
	void (*configure)(struct nfs_server_config *config);
};

struct testserver {
	struct testserver_options options;
	struct clock clock;
	struct timers timers;
	struct dirindex *index;
	struct posix_pins *pins;
	struct store *below; /* memory or posix: the filter's */
	struct store *store; /* the fault filter; another after a restart */
	/*
	 * /two of `overlap`, over its own posix store; a memory store there is
	 * only one of: NULL.
	 */
	struct store *second_below;
	struct store *second;
	struct export exports[2];
	struct nfs_server_config config;
	pthread_mutex_t lock;      /* guards `server` against dialling */
	struct nfs_server *server; /* NULL while it is down */
	struct nfsc_net *net;      /* the clients' side, on real time */
};

/* Start; strings in @options must outlive the server. */
void testserver_start(
	struct testserver *ts, const struct testserver_options *options);

/* Clients must be gone. */
void testserver_stop(struct testserver *ts);

/*
 * The server goes without a word to anybody, and a new one starts over the
 * same files: another epoch, nothing in any cache, connections closed. Clients
 * stay, and find out. In two steps when something is to happen in between.
 */
void testserver_restart(struct testserver *ts);
void testserver_down(struct testserver *ts);
void testserver_up(struct testserver *ts);

/* Move a fake clock and fire what is due. */
void testserver_advance(struct testserver *ts, uint64_t ms);

/* A raw connection to the server: the client's end of a socketpair. */
int testserver_socket(struct testserver *ts);

/* Defaults for a client of this server (uid 0, which is not squashed here). */
void testserver_client_config(struct testserver *ts, struct nfsc_config *ret);

/* A client with a session. */
struct nfsc *testserver_client(struct testserver *ts);

#endif
