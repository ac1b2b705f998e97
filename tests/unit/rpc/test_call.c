/* SPDX-License-Identifier: MIT */
/* Calls and their answers: headers, credentials, verdicts, concurrency. */
#include "rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_echo_over_pair(void **state)
{
	struct peer_call call = peer_call_of(7, RIG_ECHO, "hello, w", 8);
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call(fd, &call);
	peer_expect(fd, 7, "hello, w", 8);
	close(fd);
	rig_wait_closed(&rig, 1);
	rig_fini(&rig);
}

static void echo_over_tcp(int family)
{
	struct peer_call call = peer_call_of(9, RIG_ECHO, "overtcp!", 8);
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_tcp(&rig, family);
	if (fd >= 0) {
		peer_call(fd, &call);
		peer_expect(fd, 9, "overtcp!", 8);
		close(fd);
		rig_wait_closed(&rig, 1);
	}
	rig_fini(&rig);
	if (fd < 0)
		skip();
}

static void test_echo_over_ipv4(void **state)
{
	echo_over_tcp(AF_INET);
}

static void test_echo_over_ipv6(void **state)
{
	echo_over_tcp(AF_INET6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_over_pair),
		cmocka_unit_test(test_echo_over_ipv4),
		cmocka_unit_test(test_echo_over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
