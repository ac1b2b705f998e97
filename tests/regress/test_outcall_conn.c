/* SPDX-License-Identifier: MIT */
/*
 * An answer and the end of its connection could overtake the sender of the
 * callback: the connection was freed while it still wrote to it. Under ASan
 * and TSan; the order is up to the scheduler.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "ask.h"
#include "rig.h"

#define ROUNDS 300

static void connections_that_end_with_the_answer(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < ROUNDS; i++) {
		struct peer p;
		char owner[16];

		snprintf(owner, sizeof(owner), "client %d", i);
		peer_init(&p, r->server, owner);
		peer_begin(&p);
		ask_root(&p);
		ask_dir_delegation(&p, 0);
		peer_send(&p);
		if (i & 1) {
			peer_finish(&p); /* either may come first */
			peer_serve_until(&p, &p.probes, 1);
		}
		peer_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			connections_that_end_with_the_answer, rig_setup,
			rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
