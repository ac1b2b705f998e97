/* SPDX-License-Identifier: MIT */
/*
 * A CB_NOTIFY whose connection is lost before its answer arrives, with no other
 * connection there: it waits for one and goes out again on its slot, so that
 * the client answers from its cache. It used to be sent anew, and its events
 * came twice. When none comes in time, nobody can know whether it was seen: the
 * delegation is recalled, and the events do not come again either.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "state/deleg.h"
#include "testserver.h"

struct watcher {
	struct nfsc *c;
	atomic_int changes;
	atomic_int recalls;
	atomic_int drops; /* to do: after the handler, or before */
	enum nfsc_cb_action how;
};

static nfsstat4 on_notify(void *ctx, const CB_NOTIFY4args *args)
{
	struct watcher *w = ctx;

	w->changes += (int)args->cna_changes.count;
	return NFS4_OK;
}

static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	struct watcher *w = ctx;

	w->recalls++;
	return NFS4_OK;
}

static enum nfsc_cb_action drop_some(
	void *ctx, const CB_COMPOUND4args *args, nfsstat4 *status)
{
	struct watcher *w = ctx;

	if (args->argarray.count < 2 || w->drops == 0)
		return NFSC_CB_SERVE;
	w->drops--;
	return w->how;
}

static void watch(struct testserver *ts, struct watcher *w,
	const struct nfsc_fh *root, struct nfsc_deleg *deleg)
{
	struct nfsc_deleg_want want = {.signal = false};
	struct nfsc_config config;

	testserver_client_config(ts, &config);
	config.handlers.notify = on_notify;
	config.handlers.recall = on_recall;
	config.handlers.ctx = w;
	config.retry_delay_ms = 5; /* of DELEGRETURN, while a batch is out */
	config.retry_delay_max_ms = 20 * 1000;
	config.cb_hook = drop_some;
	config.cb_hook_ctx = w;
	assert_int_equal(nfsc_new(&config, &w->c), 0);
	bitmap4_set(&want.types, NOTIFY4_ADD_ENTRY);
	bitmap4_set(&want.types, NOTIFY4_GFLAG_EXTEND);
	assert_int_equal(
		nfsc_get_dir_delegation(w->c, root, &want, NULL, NULL, deleg),
		0);
	assert_true(deleg->granted);
}

static void wait_changes(struct watcher *w, int n)
{
	for (int i = 0; i < 20000 && w->changes < n; i++)
		usleep(1000);
	assert_int_equal(w->changes, n);
}

static void run(enum nfsc_cb_action how)
{
	struct testserver_options options = {.fake_clock = false};
	static struct watcher w;
	struct nfsc_deleg deleg;
	static struct testserver ts;
	struct nfsc_fh root, made;
	struct nfsc *c;

	w.changes = 0;
	w.drops = 3;
	w.how = how;
	testserver_start(&ts, &options);
	c = testserver_client(&ts);
	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	watch(&ts, &w, &root, &deleg);
	assert_int_equal(
		nfsc_mkdir(c, &root, name_from_str("a"), NULL, &made, NULL), 0);
	wait_changes(&w, 1);
	assert_int_equal(
		nfsc_mkdir(c, &root, name_from_str("b"), NULL, &made, NULL), 0);
	wait_changes(&w, 2);
	/* What is still under way is over with the delegation. */
	assert_int_equal(nfsc_delegreturn(w.c, &root, &deleg.stateid, NULL), 0);
	assert_int_equal(w.changes, 2);
	nfsc_free(w.c);
	nfsc_free(c);
	testserver_stop(&ts);
}

static void dd24_lost_after_it_was_served(void **state)
{
	run(NFSC_CB_DROP_AFTER);
}

static void dd24_lost_before(void **state)
{
	run(NFSC_CB_DROP);
}

static void advance_until(
	struct testserver *ts, const atomic_int *what, int n, int most_ms)
{
	for (int ms = 0; ms < most_ms && *what < n; ms += 100) {
		testserver_advance(ts, 100);
		usleep(1000);
	}
	assert_int_equal(*what, n);
}

static void dd24_no_connection_in_time(void **state)
{
	struct testserver_options options = {.fake_clock = true};
	static struct watcher w;
	static struct testserver ts;
	struct state_stats stats;
	struct nfsc_deleg deleg;
	struct nfsc_fh root, made;
	struct nfsc *c;

	w = (struct watcher){.drops = 1, .how = NFSC_CB_DROP_AFTER};
	testserver_start(&ts, &options);
	c = testserver_client(&ts);
	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	watch(&ts, &w, &root, &deleg);
	nfsc_hold(w.c, true);
	assert_int_equal(
		nfsc_mkdir(c, &root, name_from_str("a"), NULL, &made, NULL), 0);
	advance_until(&ts, &w.changes, 1, 10 * 1000);
	for (int ms = 0; ms < 12 * 1000; ms += 50) {
		testserver_advance(&ts, 50);
		usleep(500);
	}
	state_read_stats(ts.server->state, &stats);
	assert_int_equal(stats.recalls_by_reason[RECALL_CALLBACK_ERROR], 1);
	nfsc_hold(w.c, false);
	advance_until(&ts, &w.recalls, 1, 60 * 1000);
	assert_int_equal(nfsc_delegreturn(w.c, &root, &deleg.stateid, NULL), 0);
	assert_int_equal(w.changes, 1);
	nfsc_free(w.c);
	nfsc_free(c);
	testserver_stop(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd24_lost_after_it_was_served),
		cmocka_unit_test(dd24_lost_before),
		cmocka_unit_test(dd24_no_connection_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
