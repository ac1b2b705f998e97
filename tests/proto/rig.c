/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peer.h"
#include "testutil.h"

/* More than the stall timer would start: a fake clock does not fire it. */
#define RIG_THREADS 8

size_t rig_listing_budget = TEST_BUDGET;

static struct store *new_store(struct rig *r)
{
	struct store *below = memory_new(&r->clock, r->index);
	struct store *s;

	assert_non_null(below);
	s = fault_new(below);
	assert_non_null(s);
	if (!r->below)
		r->below = below;
	return s;
}

/* Returns how many there are. */
static size_t fill_exports(struct rig *r, enum rig_exports exports)
{
	struct export *list = r->exports;

	r->store = new_store(r);
	r->second = exports == RIG_TWO ? new_store(r) : NULL;
	list[0] = export_default();
	list[0].store = r->store;
	if (exports == RIG_ROOT)
		return 1;
	list[0].path = "/one";
	list[1] = list[0];
	list[1].path = "/two";
	if (r->second)
		list[1].store = r->second;
	return 2;
}

static void start_server(struct rig *r)
{
	r->config.state.epoch++;
	assert_int_equal(nfs_server_start(&r->config, &r->server), 0);
}

void rig_init_exports(
	struct rig *r, enum rig_exports exports, rig_adjust adjust)
{
	struct nfs_server_config *config = &r->config;

	clock_init_fake(&r->clock, TEST_EPOCH_NS, TEST_TICK_NS);
	timers_init(&r->timers, &r->clock);
	r->index =
		dirindex_new(&r->clock, test_cookie_secret, rig_listing_budget);
	assert_non_null(r->index);
	nfs_server_config_default(config, &r->clock, &r->timers);
	config->exports = r->exports;
	config->nexports = fill_exports(r, exports);
	config->rpc.threads_min = RIG_THREADS;
	config->rpc.idle_ms = 0;
	config->state.notify_window_ms = 0;
	if (adjust)
		adjust(config);
	start_server(r);
}

void rig_init(struct rig *r, rig_adjust adjust)
{
	rig_init_exports(r, RIG_ROOT, adjust);
}

void rig_restart(struct rig *r)
{
	nfs_server_stop(r->server);
	clock_advance_ns(&r->clock, 3 * TEST_TICK_NS); /* see server.h */
	start_server(r);
}

void rig_fini(struct rig *r)
{
	nfs_server_stop(r->server);
	timers_fini(&r->timers);
	store_free(r->store);
	store_free(r->second);
	dirindex_free(r->index);
}

int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, NULL);
	*state = r;
	return 0;
}

int rig_teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

/* A rig with one client. */
struct joined {
	struct peer peer; /* first: it is what the test gets */
	void *rig;
};

int rig_setup_peer(void **state)
{
	struct joined *j = calloc(1, sizeof(*j));
	struct rig *r;

	rig_setup(&j->rig);
	r = j->rig;
	peer_init(&j->peer, r->server, "a");
	*state = j;
	return 0;
}

int rig_teardown_peer(void **state)
{
	struct joined *j = *state;

	peer_fini(&j->peer);
	rig_teardown(&j->rig);
	free(j);
	return 0;
}

void rig_advance(struct rig *r, uint64_t ms)
{
	clock_advance_ms(&r->clock, ms);
	timers_run(&r->timers);
}

struct fileid rig_make(
	struct rig *r, const char *name, enum object_type type, uint32_t mode)
{
	struct store_new new = {
		.type = type,
		.link_text = name_from_str("target"),
		.attr = {.mask = SETATTR_MODE, .mode = mode},
	};
	struct dir_change change = {0};
	struct fileid root, id;

	assert_int_equal(store_root(r->store, &root), 0);
	assert_int_equal(store_create(r->store, &cred_server, &root,
				 name_from_str(name), &new, &id, &change),
		0);
	return id;
}
