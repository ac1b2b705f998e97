/* SPDX-License-Identifier: MIT */
/*
 * A callback got no answer in time because its client is still busy with it.
 * The slot is in doubt, and the lone CB_SEQUENCE that is to settle it is
 * answered DELAY, again and again. That used to be taken for an answer: the
 * next callback went out with the next seqid, the client found it misordered,
 * and the session was lost. The doubt has to last as long as the DELAY.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_ops.h"
#include "testserver.h"

struct slow {
	struct nfsc *c;
	atomic_int notifies, recalls;
	atomic_bool released;
};

static nfsstat4 on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	struct slow *s = ctx;

	s->notifies++;
	while (!s->released)
		usleep(1000);
	return NFS4_OK;
}

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct slow *s = ctx;

	s->recalls++;
	return NFS4_OK;
}

static void hold(struct testserver *ts, struct slow *s,
	const struct nfsc_fh *root, struct nfsc_deleg *deleg)
{
	struct nfsc_deleg_want want = {.signal = false};
	struct nfsc_config config;

	testserver_client_config(ts, &config);
	config.back_slots = 1;
	config.handlers.notify = on_notify;
	config.handlers.recall = on_recall;
	config.handlers.ctx = s;
	assert_int_equal(nfsc_new(&config, &s->c), 0);
	bitmap4_set(&want.types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(&want.types, NOTIFY4_GFLAG_EXTEND);
	assert_int_equal(
		nfsc_get_dir_delegation(s->c, root, &want, NULL, NULL, deleg),
		0);
	assert_true(deleg->granted);
}

/* Time passes, and the client gets to do its part. */
static void pass(struct testserver *ts, int ms)
{
	for (int at = 0; at < ms; at += 50) {
		testserver_advance(ts, 50);
		usleep(500);
	}
}

static void wait_for(struct testserver *ts, const atomic_int *what)
{
	for (int i = 0; i < 2000 && *what == 0; i++)
		pass(ts, 50);
	assert_int_equal(*what, 1);
}

static void test_delay_settles_nothing(void **state)
{
	struct testserver_options options = {.fake_clock = true};
	static struct testserver ts;
	static struct slow s;
	struct nfsc_deleg deleg;
	struct nfsc_fh root, made;
	struct nfsc *c;
	uint32_t flags;

	testserver_start(&ts, &options);
	c = testserver_client(&ts);
	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	hold(&ts, &s, &root, &deleg);
	assert_int_equal(
		nfsc_mkdir(c, &root, name_from_str("a"), NULL, &made, NULL), 0);
	wait_for(&ts, &s.notifies);
	pass(&ts, 10 * 1000); /* no answer */
	assert_int_equal(nfsc_bind(s.c, CDFC4_FORE_OR_BOTH), 0);
	pass(&ts, 20 * 1000); /* is it there? DELAY, fifty times */
	assert_int_equal(nfsc_renew(s.c, &flags), 0);
	assert_int_equal(flags & SEQ4_STATUS_BACKCHANNEL_FAULT, 0);
	s.released = true;
	wait_for(&ts, &s.recalls);
	assert_int_equal(nfsc_delegreturn(s.c, &root, &deleg.stateid, NULL), 0);
	assert_int_equal(nfsc_leave(s.c), 0);
	nfsc_free(s.c);
	nfsc_free(c);
	testserver_stop(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay_settles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
