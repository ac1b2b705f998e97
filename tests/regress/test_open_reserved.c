/* SPDX-License-Identifier: MIT */
/*
 * An OPEN that makes a file and cannot be kept, because the client has as many
 * opens as it may or there is no memory for one more, left the file behind, and
 * whoever watches the directory was told of it. Now what the open needs is had
 * before there is a file (RFC 8881 18.16).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

static struct {
	struct rig r;
	struct store_ops ops;
	const struct store_ops *below;
	struct peer maker, watcher;
	bool starve;
} t;

/* ---- memory, which this thread may have none of ---- */

static _Thread_local bool starved;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return starved ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return starved ? NULL : __real_calloc(count, size);
}

/* The last call before the open is granted, and one when it is kept. */
static int sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	int err = t.below->sync_entry(s, dir, child);

	starved = t.starve;
	return err;
}

static int getattr(struct store *s, const struct fileid *id, struct attr *ret)
{
	starved = false;
	return t.below->getattr(s, id, ret);
}

/* ---- the scene ---- */

static void allow_one_open(struct nfs_server_config *config)
{
	config->state.max_opens = 1;
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	rig_init(&t.r, allow_one_open);
	t.below = t.r.below->ops;
	t.ops = *t.below;
	t.ops.sync_entry = sync_entry;
	t.ops.getattr = getattr;
	t.r.below->ops = &t.ops;
	peer_init(&t.maker, t.r.server, "maker");
	peer_init(&t.watcher, t.r.server, "watcher");
	make_dir_for_all(&t.maker, "dir");
	take_dir_delegation(&t.watcher, "dir", ENTRIES);
	return 0;
}

static int teardown(void **state)
{
	peer_fini(&t.maker);
	peer_fini(&t.watcher);
	rig_fini(&t.r);
	return 0;
}

static nfsstat4 make(const char *name, createmode4 mode)
{
	peer_begin(&t.maker);
	ask_path(&t.maker, "dir");
	ask_open_create(&t.maker, name, mode);
	ask_getfh(&t.maker);
	return peer_call(&t.maker);
}

static void close_made(void)
{
	stateid4 sid = peer_result(&t.maker, 2)->opopen.resok4.stateid;
	struct handle fh = handle_from(&t.maker, 3);

	peer_begin(&t.maker);
	ask_fh(&t.maker, &fh);
	ask_close(&t.maker, &sid);
	assert_int_equal(peer_call(&t.maker), NFS4_OK);
}

static nfsstat4 look_for(const char *name)
{
	peer_begin(&t.maker);
	ask_path(&t.maker, "dir");
	ask_lookup(&t.maker, name);
	return peer_call(&t.maker);
}

static void an_open_too_many_makes_nothing(void **state)
{
	const createmode4 modes[] = {UNCHECKED4, GUARDED4, EXCLUSIVE4_1};

	assert_int_equal(make("first", GUARDED4), NFS4_OK);
	peer_serve_until(&t.watcher, &t.watcher.events, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(make("more", modes[i]), NFS4ERR_SERVERFAULT);
		assert_int_equal(look_for("more"), NFS4ERR_NOENT);
	}
	assert_int_equal(peer_serve(&t.watcher, SILENCE_MS), 0);
	assert_int_equal(t.watcher.recalls, 0);
}

/* What was set aside for them and not used is there again. */
static void failed_creates_cost_no_room(void **state)
{
	for (int i = 0; i < 3; i++) {
		fault_fail(t.r.store, STORE_CALL_CREATE, ENOSPC, 1);
		assert_int_equal(make("file", GUARDED4), NFS4ERR_NOSPC);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(make("file", UNCHECKED4), NFS4_OK);
		close_made();
		assert_int_equal(make("file", GUARDED4), NFS4ERR_EXIST);
	}
}

static void what_is_made_needs_no_more_memory(void **state)
{
	t.starve = true;
	assert_int_equal(make("file", GUARDED4), NFS4_OK);
	close_made();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_open_too_many_makes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			failed_creates_cost_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_made_needs_no_more_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
