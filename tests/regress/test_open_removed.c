/* SPDX-License-Identifier: MIT */
/*
 * Files that lose their names around an OPEN: one that is made by it and is
 * gone before the open is granted is open all the same, not STALE; and an open
 * file that loses two names is kept once, or nobody would let it go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "testserver.h"

static struct {
	struct testserver server;
	struct store_ops ops;
	const struct store_ops *below;
	bool remove_at_sync;
	int pins;
} t;

/* After the change section, before the open is granted: somebody is quick. */
static int sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	struct dir_change change = {.no_position = true};

	if (t.remove_at_sync)
		t.below->remove(
			s, &cred_server, dir, name_from_str("made"), &change);
	t.remove_at_sync = false;
	return t.below->sync_entry(s, dir, child);
}

static int pin(struct store *s, const struct fileid *id)
{
	int err = t.below->pin(s, id);

	t.pins += err == 0;
	return err;
}

static void unpin(struct store *s, const struct fileid *id)
{
	t.pins--;
	t.below->unpin(s, id);
}

static int setup(void **state)
{
	struct testserver_options options = {.fake_clock = false};

	testserver_start(&t.server, &options);
	t.below = t.server.below->ops;
	t.ops = *t.below;
	t.ops.sync_entry = sync_entry;
	t.ops.pin = pin;
	t.ops.unpin = unpin;
	t.server.below->ops = &t.ops;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(t.pins, 0);
	testserver_stop(&t.server);
	return 0;
}

static void open_new(
	struct nfsc *c, const struct nfsc_fh *root, struct nfsc_opened *ret)
{
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_BOTH |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.create = true,
		.mode = GUARDED4,
	};

	assert_int_equal(
		nfsc_open(c, root, name_from_str("made"), &how, ret), 0);
}

static void assert_usable(struct nfsc *c, const struct nfsc_opened *open)
{
	uint32_t count;

	assert_int_equal(nfsc_write(c, &open->fh, &open->stateid, 0, "x", 1,
				 FILE_SYNC4, &count),
		0);
	assert_int_equal(count, 1);
}

static void assert_gone(struct nfsc *c, const struct nfsc_opened *open)
{
	uint64_t change;

	assert_int_equal(nfsc_get_change(c, &open->fh, &change), NFS4ERR_STALE);
}

static void test_removed_before_granted(void **state)
{
	struct nfsc *c = testserver_client(&t.server);
	struct nfsc_opened open;
	struct nfsc_fh root;

	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	t.remove_at_sync = true;
	open_new(c, &root, &open);
	assert_usable(c, &open);
	assert_int_equal(t.pins, 1);
	assert_int_equal(nfsc_close(c, &open.fh, &open.stateid), 0);
	assert_gone(c, &open);
	nfsc_free(c);
}

static void test_two_names_removed(void **state)
{
	struct nfsc *c = testserver_client(&t.server);
	struct name other = name_from_str("other");
	struct nfsc_opened open;
	struct nfsc_fh root;

	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	open_new(c, &root, &open);
	assert_int_equal(t.pins, 0);
	assert_int_equal(nfsc_link(c, &open.fh, &root, other, NULL), 0);
	assert_int_equal(nfsc_remove(c, &root, other, NULL), 0);
	assert_int_equal(nfsc_remove(c, &root, name_from_str("made"), NULL), 0);
	assert_usable(c, &open);
	assert_int_equal(nfsc_close(c, &open.fh, &open.stateid), 0);
	assert_gone(c, &open);
	nfsc_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_removed_before_granted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_two_names_removed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
