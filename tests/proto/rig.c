/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "testutil.h"

/* More than the stall timer would start: a fake clock does not fire it. */
#define RIG_THREADS 8

void rig_init(struct rig *r, rig_adjust adjust)
{
	struct nfs_server_config config;

	clock_init_fake(&r->clock, TEST_EPOCH_NS, TEST_TICK_NS);
	assert_int_equal(timers_init(&r->timers, &r->clock), 0);
	r->index = dirindex_new(&r->clock, test_cookie_secret, TEST_BUDGET);
	assert_non_null(r->index);
	r->store = fault_new(memory_new(&r->clock, r->index));
	assert_non_null(r->store);
	nfs_server_config_default(&config, &r->clock, &r->timers);
	config.export.store = r->store;
	config.export.atomic_changes = true;
	config.rpc.threads_min = RIG_THREADS;
	config.rpc.idle_ms = 0;
	config.state.notify_window_ms = 0;
	config.state.epoch = 1;
	if (adjust)
		adjust(&config);
	assert_int_equal(nfs_server_start(&config, &r->server), 0);
}

void rig_fini(struct rig *r)
{
	nfs_server_stop(r->server);
	timers_fini(&r->timers);
	store_free(r->store);
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
