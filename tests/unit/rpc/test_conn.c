/* SPDX-License-Identifier: MIT */
/* One connection: records off the socket, limits, back-pressure, its end. */
#include "rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- records ---- */

static void test_byte_by_byte(void **state)
{
	struct peer_call call = peer_call_of(1, RIG_ECHO, "one by one!!", 12);
	uint8_t bytes[128];
	size_t size = peer_encode(&call, bytes, sizeof(bytes));
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (size_t i = 0; i < size; i++)
		peer_write(fd, bytes + i, 1);
	peer_expect(fd, 1, "one by one!!", 12);
	close(fd);
	rig_fini(&rig);
}

/* Two fragments, cut at every byte, in separate writes. */
static void test_fragments_at_every_byte(void **state)
{
	struct peer_call call = peer_call_of(1, RIG_ECHO, "fragment", 8);
	uint8_t bytes[128];
	size_t size = peer_encode(&call, bytes, sizeof(bytes)) - 4;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (size_t cut = 0; cut <= size; cut++) {
		const uint8_t first[] = {0, 0, 0, (uint8_t)cut};
		const uint8_t last[] = {0x80, 0, 0, (uint8_t)(size - cut)};

		peer_write(fd, first, 4);
		peer_write(fd, bytes + 4, cut);
		peer_write(fd, last, 4);
		peer_write(fd, bytes + 4 + cut, size - cut);
		peer_expect(fd, 1, "fragment", 8);
	}
	close(fd);
	rig_fini(&rig);
}

/* What is sent ends the connection, and nothing else. */
static void refused(const void *bytes, size_t size)
{
	struct peer_call call = peer_call_of(1, RIG_ECHO, "fine", 4);
	struct rpc_stats stats;
	struct rig rig;
	int bad, good;

	rig_init(&rig);
	rig_start(&rig);
	bad = rig_pair(&rig, NULL);
	good = rig_pair(&rig, NULL);
	peer_write(bad, bytes, size);
	peer_expect_end(bad);
	rig_wait_closed(&rig, 1);
	rpc_read_stats(rig.rpc, &stats);
	assert_int_equal(stats.records_refused, 1);
	peer_call(good, &call);
	peer_expect(good, 1, "fine", 4);
	close(good);
	close(bad);
	rig_fini(&rig);
}

static void test_oversize_record(void **state)
{
	refused("\x80\x04\x00\x01", 4); /* 256 KiB + 1 */
}

static void test_absurd_lengths(void **state)
{
	refused("\xff\xff\xff\xff", 4);
	refused("\x7f\xff\xff\xff", 4);
}

static void test_too_short_for_a_message(void **state)
{
	refused("\x80\x00\x00\x00", 4);
	refused("\x80\x00\x00\x07\0\0\0\0\0\0\0", 11);
}

static void test_empty_fragments_flood(void **state)
{
	static const uint8_t zeroes[4 * 9];

	refused(zeroes, sizeof(zeroes));
}

/* A message that is neither call nor reply ends the connection. */
static void test_message_type_unknown(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_write(fd, "\x80\0\0\x08\0\0\0\1\0\0\0\2", 12);
	peer_expect_end(fd);
	close(fd);
	rig_fini(&rig);
}

static void test_garbage(void **state)
{
	uint64_t seed = 1;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	for (int round = 0; round < 200; round++) {
		int fd = rig_pair(&rig, NULL);
		uint8_t bytes[256];

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 6364136223846793005ULL + 1;
			bytes[i] = (uint8_t)(seed >> 56);
		}
		if (round % 2) /* whole records of garbage */
			memcpy(bytes, "\x80\0\0\xfc", 4);
		send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		peer_expect_end(fd);
		close(fd);
	}
	rig_wait_closed(&rig, 200);
	rig_fini(&rig);
}

/* ---- idle ---- */

static void test_idle_is_closed(void **state)
{
	struct rpc_stats stats;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.idle_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	rig_pass_ms(&rig, 999);
	peer_call_u32(fd, 1, RIG_VERDICT, RPC_PROC_UNAVAIL);
	assert_int_equal(peer_read(fd, (uint8_t[64]){0}, 64), 24);
	rig_wait_quiet(&rig);
	rig_pass_ms(&rig, 999); /* the call began a new span */
	rpc_read_stats(rig.rpc, &stats);
	assert_int_equal(stats.idle_closed, 0);
	rig_pass_ms(&rig, 1000);
	peer_expect_end(fd);
	rig_wait_closed(&rig, 1);
	rpc_read_stats(rig.rpc, &stats);
	assert_int_equal(stats.idle_closed, 1);
	close(fd);
	rig_fini(&rig);
}

static void test_bound_is_never_idle(void **state)
{
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.idle_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	rpc_conn_set_bound(conn, true);
	for (int i = 0; i < 10; i++)
		rig_pass_ms(&rig, 100000);
	assert_true(rpc_conn_is_open(conn));
	rpc_conn_set_bound(conn, false);
	rig_pass_ms(&rig, 999);
	assert_true(rpc_conn_is_open(conn));
	rig_pass_ms(&rig, 1);
	assert_false(rpc_conn_is_open(conn));
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* A call that runs for long is not idleness. */
static void test_running_call_is_not_idle(void **state)
{
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.idle_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	peer_call_u32(fd, 1, RIG_BLOCK, 1);
	rig_wait_inside(&rig, 1);
	rig_pass_ms(&rig, 5000);
	assert_true(rpc_conn_is_open(conn));
	rig_release(&rig, 1);
	peer_expect(fd, 1, "\0\0\0\1", 4);
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* Bytes that never become a record do not keep a connection alive. */
static void test_trickle_is_idle(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.idle_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_write(fd, "\x80\0\0\x40\0\0\0\1", 8);
	rig_pass_ms(&rig, 600);
	peer_write(fd, "\0\0", 2);
	rig_pass_ms(&rig, 400);
	peer_expect_end(fd);
	close(fd);
	rig_fini(&rig);
}

/* ---- back-pressure ---- */

struct calls_seen {
	struct rig *rig;
	uint64_t calls;
};

static bool has_seen(void *ctx)
{
	struct calls_seen *want = ctx;
	struct rpc_stats stats;

	rpc_read_stats(want->rig->rpc, &stats);
	return stats.calls >= want->calls;
}

/*
 * The peer asks for much and reads nothing: the server stops to read calls,
 * and goes on when the peer reads.
 */
static void test_slow_reader(void **state)
{
	enum { CALLS = 64, SIZE = 100 * 1024 };
	scope_free uint8_t *reply = malloc(SIZE + 64);
	struct rpc_stats stats;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.max_unsent = 2 * SIZE;
	rig.config.max_calls = 1; /* so that the limit is exact */
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (uint32_t i = 0; i < CALLS; i++)
		peer_call_u32(fd, i, RIG_BIG, SIZE);
	rig_wait(has_seen, &(struct calls_seen){&rig, 3});
	for (uint32_t i = 0; i < CALLS; i++) {
		rpc_read_stats(rig.rpc, &stats);
		/* read by us, in the socket, unsent, and the one too much */
		assert_true(stats.calls <= i + 2 + 3 + 2);
		assert_int_equal(peer_read(fd, reply, SIZE + 64), 24 + SIZE);
		assert_int_equal(peer_u32(reply), i);
	}
	close(fd);
	rig_fini(&rig);
}

enum { WHOLE_CALLS = 100, WHOLE_SIZE = 60 * 1024 };

static void *write_echoes(void *arg)
{
	scope_free uint8_t *body = malloc(WHOLE_SIZE);

	for (uint32_t i = 0; i < WHOLE_CALLS; i++) {
		struct peer_call call =
			peer_call_of(i, RIG_ECHO, body, WHOLE_SIZE);

		memset(body, (int)i, WHOLE_SIZE);
		peer_call(*(int *)arg, &call);
	}
	return NULL;
}

/* Replies written by many workers to a full socket do not mix. */
static void test_replies_stay_whole(void **state)
{
	scope_free uint8_t *reply = malloc(WHOLE_SIZE + 64);
	uint8_t want[WHOLE_SIZE];
	pthread_t thread;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.max_unsent = 10 * WHOLE_SIZE;
	rig.config.threads_min = 8;
	rig_start(&rig);
	fd = rig_tcp(&rig, AF_INET);
	pthread_create(&thread, NULL, write_echoes, &fd);
	for (uint32_t i = 0; i < WHOLE_CALLS; i++) {
		assert_int_equal(
			peer_read(fd, reply, WHOLE_SIZE + 64), 24 + WHOLE_SIZE);
		memset(want, (int)peer_u32(reply), WHOLE_SIZE);
		assert_memory_equal(reply + 24, want, WHOLE_SIZE);
	}
	pthread_join(thread, NULL);
	close(fd);
	rig_fini(&rig);
}

/* Nothing leaves for stuck_ms: closed. */
static void test_stuck_is_closed(void **state)
{
	enum { SIZE = 200 * 1024, CALLS = 8 };
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.stuck_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	rpc_conn_set_bound(conn, true);
	for (uint32_t i = 0; i < CALLS; i++)
		peer_call_u32(fd, i, RIG_BIG, SIZE);
	rig_wait(has_seen, &(struct calls_seen){&rig, CALLS});
	rig_wait_quiet(&rig);
	rig_pass_ms(&rig, 999);
	assert_true(rpc_conn_is_open(conn));
	rig_pass_ms(&rig, 1);
	assert_false(rpc_conn_is_open(conn));
	rig_wait_closed(&rig, 1);
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

static bool stays_at(struct rig *rig, unsigned inside)
{
	usleep(20000); /* gives a wrong server time to show itself */
	scope_lock(&rig->lock);
	return rig->inside == inside;
}

/* The call after max_calls is taken when one of them has ended. */
static void test_calls_in_flight_are_limited(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.max_calls = 4;
	rig.config.threads_min = 8;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (uint32_t i = 0; i < 6; i++)
		peer_call_u32(fd, i, RIG_BLOCK, 0);
	rig_wait_inside(&rig, 4);
	assert_true(stays_at(&rig, 4));
	rig_release(&rig, 1);
	rig_wait_inside(&rig, 4);
	rig_release(&rig, 5);
	for (int i = 0; i < 6; i++)
		assert_int_equal(peer_read(fd, (uint8_t[64]){0}, 64), 28);
	close(fd);
	rig_fini(&rig);
}

/* A connection that is not read still notices that its peer has gone. */
static void test_gone_while_not_read(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.max_calls = 1;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call_u32(fd, 1, RIG_BLOCK, 0);
	rig_wait_inside(&rig, 1);
	peer_call_u32(fd, 2, RIG_BLOCK, 0);
	close(fd);
	rig_wait_closed(&rig, 1);
	assert_int_equal(rig.inside, 1);
	rig_fini(&rig);
}

/* ---- the end ---- */

static void test_close_from_outside(void **state)
{
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	assert_true(rpc_conn_is_open(conn));
	assert_string_equal(rpc_conn_peer(conn), "local");
	assert_int_equal(rpc_conn_peer_port(conn), 0);
	for (int i = 0; i < 3; i++)
		rpc_conn_close(conn);
	peer_expect_end(fd);
	rig_wait_closed(&rig, 1);
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
	assert_int_equal(rig.closed, 1);
}

/* References may outlive the endpoint. */
static void test_reference_after_the_end(void **state)
{
	struct rpc_outcall out = {.program = 1};
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	peer_write(fd, "\x80\0\0\x40\0\0\0\1", 8); /* half a record */
	rig_fini(&rig);
	assert_false(rpc_conn_is_open(conn));
	rpc_conn_close(conn);
	rpc_conn_set_bound(conn, true);
	assert_int_equal(rpc_outcall_send(conn, &out, "", 0, 1), -ENOTCONN);
	rpc_conn_put(conn);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_fragments_at_every_byte),
		cmocka_unit_test(test_oversize_record),
		cmocka_unit_test(test_absurd_lengths),
		cmocka_unit_test(test_too_short_for_a_message),
		cmocka_unit_test(test_empty_fragments_flood),
		cmocka_unit_test(test_message_type_unknown),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_idle_is_closed),
		cmocka_unit_test(test_bound_is_never_idle),
		cmocka_unit_test(test_running_call_is_not_idle),
		cmocka_unit_test(test_trickle_is_idle),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_replies_stay_whole),
		cmocka_unit_test(test_stuck_is_closed),
		cmocka_unit_test(test_calls_in_flight_are_limited),
		cmocka_unit_test(test_gone_while_not_read),
		cmocka_unit_test(test_close_from_outside),
		cmocka_unit_test(test_reference_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
