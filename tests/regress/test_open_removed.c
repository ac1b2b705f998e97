/* SPDX-License-Identifier: MIT */
/*
 * Files that lose their names around an OPEN: one that is made by it and is
 * gone before the open is granted is open all the same, not STALE; an open
 * file that loses two names is kept once, or nobody would let it go; and who
 * opens a file while it is being removed, or while it is let go of, has it.
 * What is gone before it is open is NOENT, and not STALE.
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
	/* Somebody else, who opens `made` from inside a call of the store. */
	struct nfsc *quick;
	struct nfsc_fh root, made;
	int remove_at_check; /* so often */
	bool open_at_remove, open_at_rename, open_at_unpin;
	struct nfsc_opened open;
} t;

static const struct nfsc_open for_both = {
	.access = OPEN4_SHARE_ACCESS_BOTH | OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
};

static void open_quickly(bool *now)
{
	bool was = *now;

	*now = false;
	if (was)
		assert_int_equal(
			nfsc_open(t.quick, &t.root, name_from_str("made"),
				&for_both, &t.open),
			0);
}

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

/* The name is looked up, and gone when its file is to be opened. */
static int open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	struct dir_change change = {.no_position = true};
	struct fileid root;

	if (t.remove_at_check > 0) {
		t.remove_at_check--;
		t.below->root(s, &root);
		t.below->remove(
			s, &cred_server, &root, name_from_str("made"), &change);
	}
	return t.below->open_check(s, cred, id, access);
}

static int remove_slowly(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	open_quickly(&t.open_at_remove);
	return t.below->remove(s, cred, dir, name, change);
}

static int rename_slowly(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	open_quickly(&t.open_at_rename);
	return t.below->rename(s, cred, from_dir, from, to_dir, to, from_change,
		to_change, nothing);
}

static int pin(struct store *s, const struct fileid *id)
{
	int err = t.below->pin(s, id);

	t.pins += err == 0;
	return err;
}

static void unpin(struct store *s, const struct fileid *id)
{
	if (t.open_at_unpin) {
		t.open_at_unpin = false;
		assert_int_equal(
			nfsc_open_fh(t.quick, &t.made, &for_both, &t.open), 0);
	}
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
	t.ops.open_check = open_check;
	t.ops.remove = remove_slowly;
	t.ops.rename = rename_slowly;
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

/* `made` is there and closed; somebody quick is ready to open it. */
static struct nfsc *begin_quick(void)
{
	struct nfsc *c = testserver_client(&t.server);
	struct nfsc_opened open;

	t.quick = testserver_client(&t.server);
	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &t.root, NULL), 0);
	open_new(c, &t.root, &open);
	t.made = open.fh;
	assert_int_equal(nfsc_close(c, &open.fh, &open.stateid), 0);
	return c;
}

/* The open that was quick is a good one, and the last. */
static void end_quick(struct nfsc *c)
{
	assert_usable(t.quick, &t.open);
	assert_int_equal(t.pins, 1);
	assert_int_equal(nfsc_close(t.quick, &t.open.fh, &t.open.stateid), 0);
	assert_gone(c, &t.open);
	nfsc_free(t.quick);
	nfsc_free(c);
}

static void test_opened_while_removed(void **state)
{
	struct nfsc *c = begin_quick();

	t.open_at_remove = true;
	assert_int_equal(
		nfsc_remove(c, &t.root, name_from_str("made"), NULL), 0);
	end_quick(c);
}

static void test_opened_while_overwritten(void **state)
{
	struct nfsc *c = begin_quick();
	struct name other = name_from_str("other");
	struct nfsc_fh fh;

	assert_int_equal(nfsc_create_file(c, &t.root, other, &fh, NULL), 0);
	t.open_at_rename = true;
	assert_int_equal(nfsc_rename(c, &t.root, other, &t.root,
				 name_from_str("made"), NULL, NULL),
		0);
	end_quick(c);
}

/* The name is gone, and REMOVE has seen that nobody has it open. */
static void test_opened_after_removed(void **state)
{
	struct nfsc *c = begin_quick();

	t.open_at_unpin = true;
	assert_int_equal(
		nfsc_remove(c, &t.root, name_from_str("made"), NULL), 0);
	end_quick(c);
}

static void test_opened_at_the_last_close(void **state)
{
	struct nfsc *c = begin_quick();
	struct nfsc_opened open;

	assert_int_equal(nfsc_open_fh(c, &t.made, &for_both, &open), 0);
	assert_int_equal(
		nfsc_remove(c, &t.root, name_from_str("made"), NULL), 0);
	t.open_at_unpin = true;
	assert_int_equal(nfsc_close(c, &open.fh, &open.stateid), 0);
	end_quick(c);
}

/* It is the file that is gone, not the directory the client named. */
static void test_removed_before_opened(void **state)
{
	struct nfsc *c = begin_quick();
	struct name made = name_from_str("made");
	struct nfsc_open how = for_both;
	struct nfsc_opened open;

	t.remove_at_check = 1;
	assert_int_equal(
		nfsc_open(c, &t.root, made, &how, &open), NFS4ERR_NOENT);
	open_new(c, &t.root, &open);
	assert_int_equal(nfsc_close(c, &open.fh, &open.stateid), 0);
	t.remove_at_check = 1;
	how.create = true;
	how.mode = UNCHECKED4;
	assert_int_equal(nfsc_open(c, &t.root, made, &how, &open), 0);
	assert_usable(c, &open);
	nfsc_free(t.quick);
	nfsc_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_removed_before_granted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_two_names_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_opened_while_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_removed_before_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_opened_while_overwritten, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_opened_after_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_opened_at_the_last_close, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
