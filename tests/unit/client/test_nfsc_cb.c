/* SPDX-License-Identifier: MIT */
/* The client's back channel: slots, replay, handlers, misbehaviour on order. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_ops.h"
#include "fake.h"

struct fixture {
	struct fake *fake;
	struct nfsc_net *net;
	struct nfsc *c;
	atomic_uint notifies, recalls, settled;
	atomic_uint settled_at_notify; /* was the grant noted before? */
	enum nfsc_cb_action action;
	nfsstat4 status;
	atomic_uint hooked;
};

static nfsstat4 on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	struct fixture *f = ctx;

	atomic_fetch_add(&f->notifies, 1);
	atomic_store(&f->settled_at_notify, atomic_load(&f->settled));
	return NFS4_OK;
}

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct fixture *f = ctx;

	atomic_fetch_add(&f->recalls, 1);
	return args->fh.len ? NFS4_OK : NFS4ERR_BADHANDLE;
}

static enum nfsc_cb_action hook(
	void *ctx, const CB_COMPOUND4args *args, nfsstat4 *status)
{
	struct fixture *f = ctx;

	/* Once: what comes again is served. */
	if (atomic_fetch_add(&f->hooked, 1) > 0)
		return NFSC_CB_SERVE;
	*status = f->status;
	return f->action;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct nfsc_config config;

	f->fake = fake_new();
	f->net = nfsc_net_new(NULL, NULL);
	nfsc_config_default(&config);
	config.net = f->net;
	config.dial = fake_dial;
	config.dial_ctx = f->fake;
	config.renew = false;
	config.back_slots = 4;
	config.handlers.notify = on_notify;
	config.handlers.recall = on_recall;
	config.handlers.ctx = f;
	assert_int_equal(nfsc_new(&config, &f->c), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nfsc_free(f->c);
	nfsc_net_free(f->net);
	fake_free(f->fake);
	free(f);
	return 0;
}

static struct fake_cb notify_cb(void)
{
	return (struct fake_cb){.nops = 1, .ops = {{.argop = OP_CB_NOTIFY}}};
}

static struct fake_cb_reply call_back(struct fixture *f, struct fake_cb cb)
{
	struct fake_cb_reply reply;

	fake_call_back(f->fake, &cb, 3000, &reply);
	return reply;
}

static void assert_answer(struct fixture *f, struct fake_cb cb,
	unsigned nresults, nfsstat4 status)
{
	struct fake_cb_reply reply = call_back(f, cb);

	assert_int_equal(reply.outcome, RPC_OUT_OK);
	assert_int_equal(reply.status, status);
	assert_int_equal(reply.nresults, nresults);
	if (nresults)
		assert_int_equal(reply.last, status);
}

static struct nfsc_stats stats(struct fixture *f)
{
	struct nfsc_stats s;

	nfsc_read_stats(f->c, &s);
	return s;
}

/* ---- as it should be ---- */

static void test_probe(void **state)
{
	struct fixture *f = *state;

	assert_answer(f, (struct fake_cb){.nops = 0}, 1, NFS4_OK);
	assert_int_equal(stats(f).probes, 1);
	assert_int_equal(stats(f).callbacks, 1);
}

static void test_handlers(void **state)
{
	struct fixture *f = *state;
	struct fake_cb recall = {.nops = 1, .ops = {{.argop = OP_CB_RECALL}}};

	assert_answer(f, notify_cb(), 2, NFS4_OK);
	assert_int_equal(f->notifies, 1);
	recall.ops[0].opcbrecall.fh = xdr_opaque_from("h", 1);
	assert_answer(f, recall, 2, NFS4_OK);
	recall.ops[0].opcbrecall.fh.len = 0;
	assert_answer(f, recall, 2, NFS4ERR_BADHANDLE);
	assert_int_equal(f->recalls, 2);
	assert_int_equal(stats(f).recalls, 2);
}

static void test_recall_any(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = {.nops = 1, .ops = {{.argop = OP_CB_RECALL_ANY}}};
	bitmap4 *mask = &cb.ops[0].opcbrecall_any.craa_type_mask;

	bitmap4_set(mask, RCA4_TYPE_MASK_DIR_DLG);
	assert_answer(f, cb, 2, NFS4_OK);
	bitmap4_set(mask, 16); /* nobody's */
	assert_answer(f, cb, 2, NFS4ERR_INVAL);
}

static void test_slots_apart(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	for (cb.slot = 0; cb.slot < 4; cb.slot++)
		assert_answer(f, cb, 2, NFS4_OK);
	assert_answer(f, cb, 1, NFS4ERR_BADSLOT);
	assert_int_equal(f->notifies, 4);
}

/* ---- the server's mistakes ---- */

static void test_unknown_operations(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = {
		.nops = 1, .ops = {{.argop = OP_CB_WANTS_CANCELLED}}};

	assert_answer(f, cb, 2, NFS4ERR_NOTSUPP);
	cb.ops[0].argop = (nfs_cb_opnum4)4711;
	cb.ops[0].unknown = true;
	assert_answer(f, cb, 2, NFS4ERR_OP_ILLEGAL);
	cb.ops[0].argop = OP_CB_SEQUENCE; /* a second one */
	cb.ops[0].unknown = false;
	assert_answer(f, cb, 2, NFS4ERR_SEQUENCE_POS);
}

static void test_stops_at_error(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = {.nops = 2,
		.ops = {{.argop = OP_CB_WANTS_CANCELLED},
			{.argop = OP_CB_NOTIFY}}};

	assert_answer(f, cb, 2, NFS4ERR_NOTSUPP);
	assert_int_equal(f->notifies, 0);
}

static void test_no_sequence(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	cb.no_sequence = true;
	assert_answer(f, cb, 1, NFS4ERR_OP_NOT_IN_SESSION);
	assert_int_equal(f->notifies, 0);
}

static void test_wrong_session(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	cb.bad_session = true;
	cb.seqid = 1;
	assert_answer(f, cb, 1, NFS4ERR_BADSESSION);
	assert_answer(f, notify_cb(), 2, NFS4_OK); /* no slot was harmed */
}

static void test_wrong_minor(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	cb.minor = 1;
	cb.seqid = 1;
	assert_answer(f, cb, 0, NFS4ERR_MINOR_VERS_MISMATCH);
}

static void test_wrong_security(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	cb.auth_none = true;
	cb.seqid = 1;
	assert_int_equal(call_back(f, cb).outcome, RPC_OUT_REJECTED);
	assert_int_equal(f->notifies, 0);
}

static void test_too_big(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();
	uint8_t *big = calloc(1, 300 * 1024);
	notify4 change = {.notify_vals = {300 * 1024, big}};

	cb.ops[0].opcbnotify.cna_changes.count = 1;
	cb.ops[0].opcbnotify.cna_changes.items = &change;
	cb.seqid = 1;
	assert_answer(f, cb, 1, NFS4ERR_REQ_TOO_BIG);
	change.notify_vals.len = 200 * 1024;
	assert_answer(f, cb, 2, NFS4_OK);
	free(big);
}

static void test_sequence_numbers(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	cb.seqid = 2;
	assert_answer(f, cb, 1, NFS4ERR_SEQ_MISORDERED);
	cb.seqid = 0; /* 1 */
	assert_answer(f, cb, 2, NFS4_OK);
	cb.seqid = 3;
	assert_answer(f, cb, 1, NFS4ERR_SEQ_MISORDERED);
	assert_int_equal(f->notifies, 1);
	assert_int_equal(stats(f).cb_refused, 2);
}

/* ---- exactly once ---- */

static void test_replay(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	assert_answer(f, cb, 2, NFS4_OK);
	cb.seqid = 1;
	assert_answer(f, cb, 2, NFS4_OK);
	assert_answer(f, cb, 2, NFS4_OK);
	assert_int_equal(f->notifies, 1);
	assert_int_equal(stats(f).replays, 2);
	assert_int_equal(stats(f).callbacks, 1);
}

/* Wait for the client to be back after its connection went. */
static void come_back(struct fixture *f)
{
	assert_int_equal(nfsc_renew(f->c, NULL), 0);
}

static void test_dropped_before(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	f->action = NFSC_CB_DROP;
	nfsc_set_cb_hook(f->c, hook, f);
	assert_int_equal(call_back(f, cb).outcome, RPC_OUT_LOST);
	assert_int_equal(f->notifies, 0);
	come_back(f);
	cb.seqid = 1;
	assert_answer(f, cb, 2, NFS4_OK);
	assert_int_equal(f->notifies, 1);
}

static void test_dropped_after(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	f->action = NFSC_CB_DROP_AFTER;
	nfsc_set_cb_hook(f->c, hook, f);
	assert_int_equal(call_back(f, cb).outcome, RPC_OUT_LOST);
	assert_int_equal(f->notifies, 1);
	come_back(f);
	cb.seqid = 1;
	assert_answer(f, cb, 2, NFS4_OK);
	assert_int_equal(f->notifies, 1); /* replayed, not served again */
	assert_int_equal(stats(f).replays, 1);
}

/* ---- misbehaving on order ---- */

static void test_forced_status(void **state)
{
	struct fixture *f = *state;

	f->action = NFSC_CB_STATUS;
	f->status = NFS4ERR_DELAY;
	nfsc_set_cb_hook(f->c, hook, f);
	assert_answer(f, notify_cb(), 2, NFS4ERR_DELAY);
	assert_answer(f, notify_cb(), 2, NFS4_OK);
	assert_int_equal(f->notifies, 1);
}

static void test_forced_sequence_status(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	f->action = NFSC_CB_SEQ_STATUS;
	f->status = NFS4ERR_DELAY;
	nfsc_set_cb_hook(f->c, hook, f);
	assert_answer(f, cb, 1, NFS4ERR_DELAY);
	cb.seqid = 1; /* the same number again */
	assert_answer(f, cb, 2, NFS4_OK);
}

static void test_silent(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();
	struct fake_cb_reply reply;

	f->action = NFSC_CB_SILENT;
	nfsc_set_cb_hook(f->c, hook, f);
	fake_call_back(f->fake, &cb, 100, &reply);
	assert_int_equal(reply.outcome, RPC_OUT_TIMEOUT);
	cb.slot = 1; /* the others go on */
	assert_answer(f, cb, 2, NFS4_OK);
	/* and the client can still leave: teardown does */
}

/* The same request while it is being served: DELAY (2.10.6.2). */
static void test_again_while_served(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();
	struct fake_cb_reply reply;

	f->action = NFSC_CB_SILENT;
	nfsc_set_cb_hook(f->c, hook, f);
	fake_call_back(f->fake, &cb, 50, &reply);
	cb.seqid = 1;
	assert_answer(f, cb, 1, NFS4ERR_DELAY);
}

/* ---- referring calls ---- */

static void note_grant(void *ctx, const struct nfsc_deleg *deleg)
{
	struct fixture *f = ctx;

	atomic_fetch_add(&f->settled, 1);
}

static void *ask(void *arg)
{
	struct fixture *f = arg;
	struct nfsc_deleg_want want = {.signal = false};
	struct nfsc_deleg deleg;
	struct nfsc_fh root;
	int err = nfsc_lookup_path(f->c, "", &root);

	if (err == 0)
		err = nfsc_get_dir_delegation(
			f->c, &root, &want, note_grant, f, &deleg);
	return err || !deleg.granted ? "failed" : NULL;
}

static bool has_grants(const struct fake_seen *s, unsigned n)
{
	return s->grants >= n;
}

static void *release_later(void *arg)
{
	usleep(150 * 1000);
	fake_hold_grants(arg, false);
	return NULL;
}

/* A callback that overtakes the grant it is about waits for it. */
static void test_referring_call(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();
	pthread_t asker, releaser;
	void *failed;

	fake_hold_grants(f->fake, true);
	pthread_create(&asker, NULL, ask, f);
	/* granted, but the reply is held back */
	assert_true(fake_wait(f->fake, has_grants, 1));
	pthread_create(&releaser, NULL, release_later, f->fake);
	cb.referring = true;
	assert_answer(f, cb, 2, NFS4_OK);
	pthread_join(releaser, NULL);
	pthread_join(asker, &failed);
	assert_null(failed);
	assert_int_equal(f->notifies, 1);
	assert_int_equal(f->settled_at_notify, 1);
	assert_int_equal(stats(f).referring, 1);
}

/* One that is long done is not waited for. */
static void test_referring_done(void **state)
{
	struct fixture *f = *state;
	struct fake_cb cb = notify_cb();

	assert_null(ask(f));
	cb.referring = true;
	assert_answer(f, cb, 2, NFS4_OK);
	assert_int_equal(stats(f).referring, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probe),
		TEST(test_handlers),
		TEST(test_recall_any),
		TEST(test_slots_apart),
		TEST(test_unknown_operations),
		TEST(test_stops_at_error),
		TEST(test_no_sequence),
		TEST(test_wrong_session),
		TEST(test_wrong_minor),
		TEST(test_wrong_security),
		TEST(test_too_big),
		TEST(test_sequence_numbers),
		TEST(test_replay),
		TEST(test_dropped_before),
		TEST(test_dropped_after),
		TEST(test_forced_status),
		TEST(test_forced_sequence_status),
		TEST(test_silent),
		TEST(test_again_while_served),
		TEST(test_referring_call),
		TEST(test_referring_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
