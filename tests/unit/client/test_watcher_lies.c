/* SPDX-License-Identifier: MIT */
/* A server that sends nonsense, floods and lies: nothing breaks or swells. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay.h"
#include "watching_fake.h"
#include "wire/nfs4_xdr.h"

/* CB_NOTIFY of the root's delegation with these notify4s. */
static nfsstat4 notify(struct fixture *f, notify4 *changes, uint32_t n)
{
	static uint8_t root[4] = {'F', 'H', 0, 0};
	struct fake_cb cb = {.nops = 1, .ops = {{.argop = OP_CB_NOTIFY}}};
	CB_NOTIFY4args *args = &cb.ops[0].opcbnotify;
	struct fake_cb_reply reply;

	args->cna_stateid = fake_stateid(f->fake, "");
	args->cna_stateid.seqid = 0;
	args->cna_fh = xdr_opaque_from(root, 4);
	args->cna_changes.count = n;
	args->cna_changes.items = changes;
	fake_call_back(f->fake, &cb, 5000, &reply);
	assert_int_equal(reply.outcome, RPC_OUT_OK);
	return reply.last;
}

static notify4 change_of(unsigned type, const struct xdr *body)
{
	notify4 change = {.notify_vals = xdr_opaque_from(
				  body->data, (uint32_t)xdr_pos(body))};

	assert_false(body->bad);
	bitmap4_set(&change.notify_mask, type);
	return change;
}

static notify4 removal(const char *name, size_t len, uint8_t *buf, size_t size)
{
	notify_remove4 gone = {.nrm_old_entry_cookie = 0};
	struct xdr x;

	gone.nrm_old_entry.ne_file = xdr_opaque_from(name, (uint32_t)len);
	xdr_init_encode(&x, buf, size);
	nfs4_put_notify_remove4(&x, &gone);
	return change_of(NOTIFY4_REMOVE_ENTRY, &x);
}

static notify4 addition(const char *name, uint8_t *buf, size_t size)
{
	notify_add4 added = {.nad_last_entry = false};
	struct xdr x;

	added.nad_new_entry.ne_file = xdr_opaque_from_str(name);
	xdr_init_encode(&x, buf, size);
	nfs4_put_notify_add4(&x, &added);
	return change_of(NOTIFY4_ADD_ENTRY, &x);
}

/* ---- nonsense ---- */

static void test_noise(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 1, refused = 0;
	uint8_t bytes[256];

	start(f, "", false, "READY 1");
	for (int i = 0; i < 2000; i++) {
		notify4 change = {.notify_mask = {.word = {1u << i % 8}}};

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] =
				rand_r(&seed) % 4 ? 0 : (uint8_t)rand_r(&seed);
		change.notify_vals = xdr_opaque_from(
			bytes, (uint32_t)rand_r(&seed) % sizeof(bytes));
		refused += notify(f, &change, 1) != NFS4_OK;
	}
	assert_true(refused > 1000);
	fake_create(f->fake, "x");
	expect_told(f, "/ CREATE x");
}

/* Names that would mislead whoever takes a line, or a path, apart. */
static void test_names(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} bad[] = {{"", 0}, {"a/b", 3}, {"../x", 4}, {"a\0b", 3}};
	struct fixture *f = *state;
	char lengthy[300];
	uint8_t buf[512];
	notify4 change;

	start(f, "", false, "READY 1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		change = removal(bad[i].name, bad[i].len, buf, sizeof(buf));
		assert_int_not_equal(notify(f, &change, 1), NFS4_OK);
	}
	memset(lengthy, 'x', sizeof(lengthy));
	change = removal(lengthy, sizeof(lengthy), buf, sizeof(buf));
	assert_int_not_equal(notify(f, &change, 1), NFS4_OK);
	change = removal(".", 1, buf, sizeof(buf));
	assert_int_not_equal(notify(f, &change, 1), NFS4_OK);
	change = addition("..", buf, sizeof(buf));
	assert_int_not_equal(notify(f, &change, 1), NFS4_OK);
	expect_silence(f);
}

/* Of a batch, nothing is told when some of it makes no sense. */
static void test_half_good(void **state)
{
	struct fixture *f = *state;
	uint8_t bufs[2][64];
	notify4 changes[2] = {addition("x", bufs[0], sizeof(bufs[0])),
		addition("y", bufs[1], sizeof(bufs[1]))};

	start(f, "", false, "READY 1");
	changes[1].notify_vals.len -= 4;
	assert_int_equal(notify(f, changes, 2), NFS4ERR_BADXDR);
	expect_silence(f);
}

/* ---- floods ---- */

#define PER_BATCH 1000

static void test_flood(void **state)
{
	static uint8_t bufs[2][64];
	struct fixture *f = *state;
	notify4 *changes = calloc(PER_BATCH, sizeof(*changes));
	unsigned batches = 0;

	start(f, "", false, "READY 1");
	for (int i = 0; i < PER_BATCH; i++)
		changes[i] = i % 2 ? removal("x", 1, bufs[1], sizeof(bufs[1]))
				   : addition("x", bufs[0], sizeof(bufs[0]));
	atomic_store(&f->watching.no_room, true);
	while (notify(f, changes, PER_BATCH) == NFS4_OK)
		assert_true(++batches < 5000);
	assert_int_equal(notify(f, changes, PER_BATCH), NFS4ERR_DELAY);
	free(changes);
	/* It gives up what it cannot keep, and goes on. */
	fake_recall(f->fake, "");
	expect_said(f, "TOO_SLOW /");
	atomic_store(&f->watching.no_room, false);
	watcher_wake(f->watching.w);
	expect_told(f, "/ RESCAN");
	fake_create(f->fake, "y");
	expect_told(f, "/ CREATE y");
}

/* ---- listings without end ---- */

static void test_endless_names(void **state)
{
	struct fixture *f = *state;

	f->watching.want.memory = 256 * 1024;
	fake_list_endlessly(f->fake, true, false);
	assert_int_equal(watching_open(&f->watching, &f->client, "", false), 0);
	assert_int_equal(watcher_run(f->watching.w), -ENOMEM);
}

static void test_round_in_circles(void **state)
{
	struct fixture *f = *state;

	fake_list_endlessly(f->fake, false, true);
	assert_int_equal(watching_open(&f->watching, &f->client, "", false), 0);
	assert_int_equal(watcher_run(f->watching.w), -EPROTO);
}

/* One directory too many: it is said, the others are watched. */
static void test_too_many(void **state)
{
	struct fixture *f = *state;
	char path[32];

	f->watching.want.memory = 20 * 1024;
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "dir-%d", i);
		fake_mkdir(f->fake, path);
	}
	start(f, "", true, "CANNOT_BELOW /");
	expect_said(f, "READY 9");
	fake_create(f->fake, "dir-0/x");
	expect_told(f, "/dir-0/ CREATE x");
	fake_create(f->fake, "y");
	expect_told(f, "/ CREATE y");
}

/* ---- no more than there is room for ---- */

static void make_room(struct fixture *f)
{
	atomic_store(&f->watching.lines_left, -1);
	watcher_wake(f->watching.w);
}

/* A batch is told in parts, without a RESCAN. */
static void test_part_of_a_batch(void **state)
{
	static uint8_t bufs[5][64];
	struct fixture *f = *state;
	notify4 changes[5];

	start(f, "", false, "READY 1");
	for (int i = 0; i < 5; i++)
		changes[i] = addition((char[]){(char)('a' + i), '\0'}, bufs[i],
			sizeof(bufs[i]));
	atomic_store(&f->watching.lines_left, 2);
	assert_int_equal(notify(f, changes, 5), NFS4_OK);
	expect_all(f, "/ CREATE a\n/ CREATE b\n");
	expect_silence(f);
	make_room(f);
	expect_all(f, "/ CREATE c\n/ CREATE d\n/ CREATE e\n");
	assert_int_equal(atomic_load(&f->watching.told_without_room), 0);
}

static void create_in_silence(struct fixture *f, int n, struct replay *tree)
{
	char path[16];

	fake_mute(f->fake, true);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/file-%d", i);
		fake_create(f->fake, path + 1);
		replay_add(tree, path);
	}
	fake_mute(f->fake, false);
}

/* A listing is given up, and the next one tells the rest. */
static void test_part_of_a_listing(void **state)
{
	struct fixture *f = *state;
	struct replay *none = calloc(1, sizeof(*none));
	struct replay *tree = calloc(1, sizeof(*tree));

	start(f, "", false, "READY 1");
	create_in_silence(f, 30, tree);
	atomic_store(&f->watching.lines_left, 7);
	fake_recall(f->fake, "");
	expect_said(f, "TOO_SLOW /");
	assert_int_equal(atomic_load(&f->watching.told_without_room), 0);
	make_room(f);
	replay_expect(&f->watching, none, tree);
	free(none);
	free(tree);
}

/* What a listing finds to be gone as well. */
static void test_part_of_what_is_gone(void **state)
{
	struct fixture *f = *state;
	struct replay *none = calloc(1, sizeof(*none));
	struct replay *tree = calloc(1, sizeof(*tree));

	create_in_silence(f, 30, tree);
	start(f, "", false, "READY 1");
	fake_mute(f->fake, true);
	for (int i = 0; i < tree->n; i++)
		fake_remove(f->fake, tree->paths[i] + 1);
	fake_mute(f->fake, false);
	atomic_store(&f->watching.lines_left, 7);
	fake_recall(f->fake, "");
	expect_said(f, "TOO_SLOW /");
	assert_int_equal(atomic_load(&f->watching.told_without_room), 0);
	make_room(f);
	replay_expect(&f->watching, tree, none);
	free(none);
	free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_noise),
		TEST(test_names),
		TEST(test_half_good),
		TEST(test_flood),
		TEST(test_endless_names),
		TEST(test_round_in_circles),
		TEST(test_too_many),
		TEST(test_part_of_a_batch),
		TEST(test_part_of_a_listing),
		TEST(test_part_of_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
