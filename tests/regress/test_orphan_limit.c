/* SPDX-License-Identifier: MIT */
/*
 * Open files that lose their last name have a limit, which is about them alone:
 * at the limit it used to stop every removal there was. And one client has its
 * share of them, so that it cannot stop what others remove.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

#define MAX 4 /* a client may have two of them */

static struct {
	struct rig r;
	struct store_ops ops; /* the memory store's, but for the count */
	uint32_t count;
} t;

static void count_orphans(struct store *s, uint32_t *count, uint32_t *max)
{
	*count = t.count;
	*max = MAX;
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	rig_init(&t.r, NULL);
	t.ops = *t.r.below->ops;
	t.ops.count_orphans = count_orphans;
	t.r.below->ops = &t.ops;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&t.r);
	return 0;
}

static void close_file(struct peer *p, const char *name, stateid4 *sid)
{
	peer_begin(p);
	ask_path(p, name);
	ask_close(p, sid);
	assert_int_equal(peer_call(p), NFS4_OK);
}

static nfsstat4 rename_over(struct peer *p, const char *from, const char *to)
{
	peer_begin(p);
	ask_root(p);
	peer_add(p, OP_SAVEFH);
	ask_rename(p, from, to);
	return peer_call(p);
}

static nfsstat4 give_name(struct peer *p, const char *file, const char *name)
{
	peer_begin(p);
	ask_path(p, file);
	peer_add(p, OP_SAVEFH);
	ask_root(p);
	ask_link(p, name);
	return peer_call(p);
}

/* ---- the limit of all ---- */

static void only_open_files_are_refused(void **state)
{
	struct handle fh;
	struct peer p;
	stateid4 sid;

	peer_init(&p, t.r.server, "client");
	open_file(&p, "open", &fh);
	sid = open_file(&p, "closed", &fh);
	close_file(&p, "closed", &sid);
	sid = open_file(&p, "source", &fh);
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	t.count = MAX;
	assert_int_equal(remove_name(&p, "open"), NFS4ERR_DELAY);
	assert_int_equal(rename_over(&p, "source", "open"), NFS4ERR_DELAY);
	assert_int_equal(remove_name(&p, "closed"), NFS4_OK);
	assert_int_equal(remove_name(&p, "dir"), NFS4_OK);
	/* It loses a name, not the last. */
	assert_int_equal(give_name(&p, "open", "other"), NFS4_OK);
	assert_int_equal(remove_name(&p, "open"), NFS4_OK);
	t.count = MAX - 1;
	assert_int_equal(rename_over(&p, "source", "other"), NFS4_OK);
	peer_fini(&p);
}

/* ---- a client's share ---- */

static void a_client_has_its_share(void **state)
{
	struct peer greedy, modest;
	struct handle fh, first;
	stateid4 sid;

	peer_init(&greedy, t.r.server, "greedy");
	peer_init(&modest, t.r.server, "modest");
	sid = open_file(&greedy, "a", &first);
	open_file(&greedy, "b", &fh);
	open_file(&greedy, "c", &fh);
	open_file(&modest, "d", &fh);
	assert_int_equal(remove_name(&greedy, "a"), NFS4_OK);
	/* Whoever removes them: they count for who has them open. */
	assert_int_equal(remove_name(&modest, "b"), NFS4_OK);
	assert_int_equal(remove_name(&modest, "c"), NFS4ERR_DELAY);
	assert_int_equal(remove_name(&greedy, "c"), NFS4ERR_DELAY);
	assert_int_equal(remove_name(&modest, "d"), NFS4_OK);
	peer_begin(&greedy);
	ask_fh(&greedy, &first);
	ask_close(&greedy, &sid);
	assert_int_equal(peer_call(&greedy), NFS4_OK);
	assert_int_equal(remove_name(&modest, "c"), NFS4_OK);
	peer_fini(&greedy);
	peer_fini(&modest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_open_files_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_has_its_share, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
