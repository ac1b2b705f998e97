/* SPDX-License-Identifier: MIT */
/* Listening and connecting: addresses, the limits on connections. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct sockaddr_in loopback4(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void expect_echo(int fd)
{
	struct peer_call call = peer_call_of(1, RIG_ECHO, "echo", 4);

	peer_call(fd, &call);
	peer_expect(fd, 1, "echo", 4);
}

static void peer_is_named(int family, const char *prefix)
{
	char name[64];
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_tcp(&rig, family);
	if (fd >= 0) {
		peer_call_u32(fd, 1, RIG_HOLD, 0);
		peer_expect(fd, 1, NULL, 0);
		snprintf(name, sizeof(name), "%s%u", prefix,
			rpc_conn_peer_port(rig.held));
		assert_string_equal(rpc_conn_peer(rig.held), name);
		assert_int_not_equal(rpc_conn_peer_port(rig.held), 0);
		close(fd);
	}
	rig_fini(&rig);
	if (fd < 0)
		skip();
}

static void test_ipv4_peer(void **state)
{
	peer_is_named(AF_INET, "127.0.0.1:");
}

static void test_ipv6_peer(void **state)
{
	peer_is_named(AF_INET6, "[::1]:");
}

static void test_address_in_use(void **state)
{
	struct sockaddr_in addr = loopback4(0);
	struct sockaddr_storage bound;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	assert_int_equal(rpc_listen(rig.rpc, (struct sockaddr *)&addr,
				 sizeof(addr), &bound),
		0);
	assert_int_equal(rpc_listen(rig.rpc, (struct sockaddr *)&bound,
				 sizeof(addr), NULL),
		-EADDRINUSE);
	rig_fini(&rig);
}

/* A socket of the test that listens, or not, and its address. */
static int other_server(struct sockaddr_storage *bound, bool listening)
{
	struct sockaddr_in addr = loopback4(0);
	socklen_t len = sizeof(*bound);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)bound, &len), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_connect(void **state)
{
	struct sockaddr_storage addr;
	int fd = other_server(&addr, true);
	struct rpc_conn *conn;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	assert_int_equal(rpc_connect(rig.rpc, (struct sockaddr *)&addr,
				 sizeof(struct sockaddr_in), 5000, &conn),
		0);
	rig_pass_ms(&rig, rig.config.idle_ms * 3);
	assert_true(rpc_conn_is_open(conn)); /* ours: no idle limit */
	close(fd); /* resets what was never accepted */
	rig_wait_closed(&rig, 1);
	rpc_conn_put(conn);
	rig_fini(&rig);
}

static void test_connect_refused(void **state)
{
	struct sockaddr_storage addr;
	int fd = other_server(&addr, false); /* keeps the port from others */
	struct rpc_conn *conn;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	assert_int_equal(rpc_connect(rig.rpc, (struct sockaddr *)&addr,
				 sizeof(struct sockaddr_in), 5000, &conn),
		-ECONNREFUSED);
	assert_null(conn);
	close(fd);
	rig_fini(&rig);
}

/* ---- limits ---- */

static void test_connection_limit(void **state)
{
	struct rpc_stats stats;
	struct rig rig;
	int fds[2], extra[2];

	rig_init(&rig);
	rig.config.max_connections = 2;
	rig_start(&rig);
	for (int i = 0; i < 2; i++)
		fds[i] = rig_pair(&rig, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, extra), 0);
	assert_null(rpc_add_socket(rig.rpc, extra[0]));
	assert_int_equal(errno, EMFILE);
	peer_expect_end(extra[1]);
	close(extra[1]);
	extra[1] = rig_tcp(&rig, AF_INET); /* accepted, and closed at once */
	peer_expect_end(extra[1]);
	close(extra[1]);
	rpc_read_stats(rig.rpc, &stats);
	assert_int_equal(stats.connections_refused, 2);
	assert_int_equal(stats.connections, 2);
	close(fds[0]);
	rig_wait_closed(&rig, 1);
	expect_echo(fds[1]);
	close(fds[1]);
	rig_fini(&rig);
}

static bool is_uncounted(void *ctx)
{
	struct rig *rig = ctx;
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats.connections == 0;
}

/* Room that a closed connection leaves is used again. */
static void test_connection_limit_is_given_back(void **state)
{
	struct rig rig;

	rig_init(&rig);
	rig.config.max_connections = 1;
	rig_start(&rig);
	for (int i = 0; i < 20; i++) {
		int fd = rig_pair(&rig, NULL);

		expect_echo(fd);
		close(fd);
		rig_wait(is_uncounted, &rig);
	}
	rig_fini(&rig);
}

static void limit_files(rlim_t files)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = files;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static bool has_paused(void *ctx)
{
	struct rig *rig = ctx;
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats.accept_pauses > 0;
}

static unsigned pauses(struct rig *rig)
{
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats.accept_pauses;
}

/*
 * Out of descriptors: accepting pauses, once for each time that the clock lets
 * it try again, and goes on when there are some. The last descriptor that the
 * limit allows is the client's.
 */
static void test_out_of_descriptors(void **state)
{
	struct sockaddr_in addr = loopback4(0);
	struct sockaddr_storage bound;
	struct rlimit before;
	struct rig rig;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	rig_init(&rig);
	rig_start(&rig);
	assert_int_equal(rpc_listen(rig.rpc, (struct sockaddr *)&addr,
				 sizeof(addr), &bound),
		0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	limit_files(fd + 1);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&bound, sizeof(addr)), 0);
	rig_wait(has_paused, &rig);
	usleep(20000); /* gives a spinning server time to show itself */
	assert_int_equal(pauses(&rig), 1);
	limit_files(before.rlim_cur);
	assert_int_equal(pauses(&rig), 1);
	rig_pass_ms(&rig, 1000);
	expect_echo(fd);
	assert_int_equal(pauses(&rig), 1);
	close(fd);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_peer),
		cmocka_unit_test(test_ipv6_peer),
		cmocka_unit_test(test_address_in_use),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_refused),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_connection_limit_is_given_back),
		cmocka_unit_test(test_out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
