/* SPDX-License-Identifier: MIT */
/* The fixture itself: a client of it sees files, restarts and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "testserver.h"

static void stays_after_restart(struct testserver *ts)
{
	struct nfsc *c = testserver_client(ts);
	struct nfsc_fh root, made, found;

	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	assert_int_equal(
		nfsc_create_file(c, &root, name_from_str("kept"), &made, NULL),
		0);
	testserver_restart(ts);
	assert_int_equal(nfsc_lookup_path(c, "kept", &found), 0);
	assert_true(nfsc_fh_equal(&made, &found));
	nfsc_free(c);
}

static void test_restart(void **state)
{
	struct testserver_options options = {.fake_clock = false};
	struct testserver ts;

	testserver_start(&ts, &options);
	stays_after_restart(&ts);
	testserver_stop(&ts);
}

static void test_fake_clock(void **state)
{
	struct testserver_options options = {
		.fake_clock = true, .tick_ns = 10 * NSEC_PER_MSEC};
	struct testserver ts;
	struct nfsc *c;

	testserver_start(&ts, &options);
	c = testserver_client(&ts);
	/* Two leases later the client is another one. */
	testserver_advance(&ts, 200 * 1000);
	assert_int_equal(nfsc_renew(c, NULL), 0);
	nfsc_free(c);
	stays_after_restart(&ts);
	testserver_stop(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_fake_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
