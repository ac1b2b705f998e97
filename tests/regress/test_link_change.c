/* SPDX-License-Identifier: MIT */
/*
 * LINK is a change of the file: its change value moves, however often within
 * one tick of the file clock. It used to follow the ctime alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "testserver.h"

static void test_links_in_one_tick(void **state)
{
	struct testserver_options options = {
		.fake_clock = true, .tick_ns = 10 * NSEC_PER_MSEC};
	static struct testserver ts;
	struct nfsc_fh root, file;
	uint64_t before, after;
	struct nfsc *c;

	testserver_start(&ts, &options);
	c = testserver_client(&ts);
	assert_int_equal(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), 0);
	assert_int_equal(
		nfsc_create_file(c, &root, name_from_str("file"), &file, NULL),
		0);
	assert_int_equal(nfsc_get_change(c, &file, &before), 0);
	for (char name[] = "a"; *name < 'd'; ++*name) {
		assert_int_equal(
			nfsc_link(c, &file, &root, name_from_str(name), NULL),
			0);
		assert_int_equal(nfsc_get_change(c, &file, &after), 0);
		assert_true(after > before);
		before = after;
	}
	nfsc_free(c);
	testserver_stop(&ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_in_one_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
