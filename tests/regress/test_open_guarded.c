/* SPDX-License-Identifier: MIT */
/*
 * An OPEN that has made its file and then lacks memory to grant it: told to
 * come again, a client of GUARDED4 would find its own file in the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

static struct {
	struct rig r;
	struct store_ops ops;
	const struct store_ops *below;
	bool made;
} t;

/* The last call before the open is granted. */
static int sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	t.made = true;
	return t.below->sync_entry(s, dir, child);
}

static int pin(struct store *s, const struct fileid *id)
{
	return -ENOMEM;
}

static int getattr(struct store *s, const struct fileid *id, struct attr *ret)
{
	return t.made ? -ENOMEM : t.below->getattr(s, id, ret);
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	rig_init(&t.r, NULL);
	t.below = t.r.below->ops;
	t.ops = *t.below;
	t.ops.sync_entry = sync_entry;
	t.ops.pin = pin;
	t.ops.getattr = getattr;
	t.r.below->ops = &t.ops;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&t.r);
	return 0;
}

static nfsstat4 make(struct peer *p, createmode4 mode)
{
	nfsstat4 status;

	peer_begin(p);
	ask_root(p);
	ask_open_create(p, "f", mode);
	status = peer_call(p);
	t.made = false;
	return status;
}

static void guarded_does_not_come_again(void **state)
{
	struct peer p;

	peer_init(&p, t.r.server, "client");
	assert_int_equal(make(&p, GUARDED4), NFS4ERR_IO);
	assert_int_equal(make(&p, GUARDED4), NFS4ERR_EXIST);
	peer_fini(&p);
}

/* These find their own file, so they may. */
static void others_do(void **state)
{
	struct peer p;

	peer_init(&p, t.r.server, "client");
	assert_int_equal(make(&p, UNCHECKED4), NFS4ERR_DELAY);
	assert_int_equal(make(&p, UNCHECKED4), NFS4_OK);
	peer_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			guarded_does_not_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(others_do, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
