/* SPDX-License-Identifier: MIT */
/*
 * Clients come and go for 24 lease periods: some leave as they should, some
 * fall silent with what they hold, some come back as another instance, some
 * let a recall run out. Then memory and every count are what they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "rig.h"
#include "state/direvent.h"
#include "state/dirmemory.h"
#include "state/state.h"

#ifdef __SANITIZE_ADDRESS__
/* gcc 12 has no header for it. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#define PERIODS    24
#define WARM_UP    8 /* caches and pools fill */
#define RECORD_MAX (64 * 1024)
#define DIRS       16

/* A courtesy client's day, and the time change values linger. */
#define LONG_GONE_MS (25ull * 3600 * 1000)

static size_t allocated(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

static void make_dirs(struct rig *r)
{
	for (int i = 0; i < DIRS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir%d", i);
		rig_make(r, name, OBJECT_DIR, 0777);
	}
}

/* All kinds, so that told sets and the index of children are needed. */
static GET_DIR_DELEGATION4args everything(void)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] = ENTRIES |
			BIT(NOTIFY4_CHANGE_CHILD_ATTRS) |
			BIT(NOTIFY4_CHANGE_DIR_ATTRS) |
			BIT(NOTIFY4_CHANGE_COOKIE_VERIFIER)};

	bitmap4_set(&args.gdda_child_attributes, FATTR4_MODE);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_FILEHANDLE);
	bitmap4_set(&args.gdda_dir_attributes, FATTR4_CHANGE);
	return args;
}

/* Every second one only to be recalled. */
static void hold_dirs(struct peer *p, stateid4 sids[DIRS])
{
	const GET_DIR_DELEGATION4args all = everything();

	for (int i = 0; i < DIRS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir%d", i);
		sids[i] = i % 2 ? take_dir_delegation_as(p, name, &all)
				: take_dir_delegation(p, name, 0);
	}
}

static void return_dirs(struct peer *p, const stateid4 sids[DIRS])
{
	for (int i = 0; i < DIRS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir%d", i);
		peer_begin(p);
		ask_path(p, name);
		ask_delegreturn(p, &sids[i]);
		assert_int_equal(peer_call(p), NFS4_OK);
	}
}

static nfsstat4 touch(struct peer *p, int dir, const char *name)
{
	char path[16];

	snprintf(path, sizeof(path), "dir%d", dir);
	peer_begin(p);
	ask_path(p, path);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

static nfsstat4 untouch(struct peer *p, int dir, const char *name)
{
	char path[16];

	snprintf(path, sizeof(path), "dir%d", dir);
	peer_begin(p);
	ask_path(p, path);
	ask_remove(p, name);
	return peer_call(p);
}

static void set_mode(struct peer *p, const char *path, uint32_t mode)
{
	peer_begin(p);
	ask_path(p, path);
	ask_setattr(p, &anonymous_stateid, ask_attr_u32(p, FATTR4_MODE, mode));
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* Each time another instance of its owner. */
static void arrive(struct peer *p, struct rig *r, const char *owner)
{
	static uint32_t instance;

	peer_connect(p, r->server);
	instance++;
	memcpy(p->verifier, &instance, sizeof(instance));
	peer_join(p, owner);
}

/* A holder is told of some changes while it lives, and of some not. */
static void a_lease_period(struct rig *r)
{
	struct peer polite, silent, reborn, deaf, writer;
	stateid4 sids[DIRS], others[DIRS];
	struct handle file;

	arrive(&polite, r, "polite");
	arrive(&silent, r, "silent");
	arrive(&deaf, r, "deaf");
	arrive(&writer, r, "writer");
	hold_dirs(&polite, sids);
	assert_int_equal(touch(&writer, 1, "x"), NFS4_OK);
	rig_advance(r, 100);
	peer_serve_until(&polite, &polite.notifies, 1);
	peer_settle(&polite);
	/* A child that is written down until its delay is over. */
	assert_true(dirmemory_bytes(DIRMEMORY_TOLD_SETS) > 0);
	assert_true(dirmemory_bytes(DIRMEMORY_CHILDREN) > 0);
	set_mode(&writer, "dir1/x", 0711);
	rig_advance(r, 1000);
	rig_advance(r, 100);
	peer_serve_until(&polite, &polite.notifies, 2);
	peer_settle(&polite);
	set_mode(&writer, "dir1/x", 0700);
	return_dirs(&polite, sids);
	hold_dirs(&silent, others);
	open_file(&silent, "open", &file);
	arrive(&reborn, r, "reborn");
	hold_dirs(&reborn, others);
	peer_fini(&reborn);
	arrive(&reborn, r, "reborn");
	hold_dirs(&deaf, others);
	peer_leave(&polite);
	peer_fini(&silent);
	/* All that hold it fell silent or are deaf: a recall runs out. */
	assert_int_equal(touch(&writer, 0, "x"), NFS4ERR_DELAY);
	rig_advance(r, RIG_LEASE_MS / 2);
	peer_status_flags(&writer);
	peer_status_flags(&deaf);
	rig_advance(r, RIG_LEASE_MS / 2 + 2000);
	assert_int_equal(touch(&writer, 0, "x"), NFS4_OK);
	assert_int_equal(untouch(&writer, 0, "x"), NFS4_OK);
	peer_status_flags(&deaf);
	peer_fini(&deaf);
	peer_fini(&reborn);
	rig_advance(r, RIG_LEASE_MS * 2);
	/* The last holders have gone with their leases. */
	peer_fini(&writer);
	arrive(&writer, r, "writer");
	assert_int_equal(untouch(&writer, 1, "x"), NFS4_OK);
	peer_leave(&writer);
}

static void long_after(struct rig *r)
{
	for (uint64_t ms = 0; ms < LONG_GONE_MS; ms += RIG_LEASE_MS)
		rig_advance(r, RIG_LEASE_MS);
}

static void nothing_is_left(struct rig *r)
{
	struct state_stats stats;

	/* A worker ends the delegations of ended clients. */
	for (int ms = 0; ms < PEER_PATIENCE_MS; ms++) {
		state_read_stats(r->server->state, &stats);
		if (stats.dir_delegs == 0)
			break;
		usleep(1000);
	}
	assert_int_equal(stats.clients, 0);
	assert_int_equal(stats.sessions, 0);
	assert_int_equal(stats.opens, 0);
	assert_int_equal(stats.locks, 0);
	assert_int_equal(stats.dir_delegs, 0);
	assert_int_equal(stats.stateids, 0);
	/* Those that it has just left behind. */
	long_after(r);
	state_read_stats(r->server->state, &stats);
	assert_int_equal(stats.nodes, 0);
	assert_int_equal(stats.replay_bytes, 0);
	assert_int_equal(stats.notify_bytes, 0);
	assert_int_equal(dir_event_bytes(), 0);
	/* Told sets, the index of children, changes of them, delegations. */
	assert_int_equal(dirmemory_total(), 0);
}

static void memory_returns_to_its_start(void **state)
{
	struct rig *r = *state;
	size_t before, after;

	make_dirs(r);
	for (int i = 0; i < WARM_UP; i++)
		a_lease_period(r);
	long_after(r);
	nothing_is_left(r);
	before = allocated();
	for (int i = 0; i < PERIODS; i++)
		a_lease_period(r);
	long_after(r);
	nothing_is_left(r);
	after = allocated();
	print_message("bytes allocated: %zu before, %zu after %d periods\n",
		before, after, PERIODS);
	/* A worker or two may have a buffer more; a leak is larger. */
	assert_true(after < before + 4 * RECORD_MAX);
}

static void small_records(struct nfs_server_config *config)
{
	config->rpc.max_record = RECORD_MAX;
	config->state.max_request = RECORD_MAX - 1024;
	config->state.max_response = RECORD_MAX - 1024;
}

static int setup(void **state)
{
	static struct rig r;

	rig_init(&r, small_records);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			memory_returns_to_its_start, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
