/* SPDX-License-Identifier: MIT */
/*
 * SV-11: what peers make us keep of replies that they do not read and records
 * that they do not finish.
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STUCK_MS 1000
#define KIB      ((size_t)1024)

static void start(struct rig *rig, size_t max_arrears)
{
	rig_init(rig);
	rig->config.idle_ms = 0;
	rig->config.stuck_ms = STUCK_MS;
	rig->config.max_arrears = max_arrears;
	rig_start(rig);
}

static struct rpc_stats stats_of(struct rig *rig)
{
	struct rpc_stats stats;

	rpc_read_stats(rig->rpc, &stats);
	return stats;
}

/* A bound connection whose kernel buffers hold next to nothing. */
static int narrow_pair(struct rig *rig, struct rpc_conn **conn)
{
	static const struct timeval limit = {.tv_sec = RIG_PATIENCE_MS / 1000};
	int fds[2], least = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	*conn = rpc_add_socket(rig->rpc, fds[0]);
	assert_non_null(*conn);
	rpc_conn_set_bound(*conn, true);
	return fds[1];
}

struct level {
	struct rig *rig;
	uint64_t low, high;
};

static bool is_at_level(void *ctx)
{
	struct level *want = ctx;
	uint64_t owed = stats_of(want->rig).arrears;

	return want->low <= owed && owed <= want->high;
}

static void wait_owed(struct rig *rig, uint64_t low, uint64_t high)
{
	rig_wait(is_at_level, &(struct level){rig, low, high});
}

struct closed {
	struct rig *rig;
	uint64_t least;
};

static bool are_closed(void *ctx)
{
	struct closed *want = ctx;

	return stats_of(want->rig).arrears_closed >= want->least;
}

static void wait_closed(struct rig *rig, uint64_t least)
{
	rig_wait(are_closed, &(struct closed){rig, least});
}

static void read_some(int fd, size_t size)
{
	scope_free uint8_t *buf = malloc(size);

	assert_int_equal(recv(fd, buf, size, MSG_WAITALL), size);
}

/* ---- replies that nobody reads ---- */

static void ask_big(int fd, size_t size)
{
	peer_call_u32(fd, 1, RIG_BIG, (uint32_t)size);
}

/* To take a little now and then does not make the rest less stuck. */
static void test_reply_taken_in_sips_is_stuck(void **state)
{
	enum { SIZE = 200 * 1024, SIP = 8 * 1024 };
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 1024 * KIB);
	fd = narrow_pair(&rig, &conn);
	ask_big(fd, SIZE);
	wait_owed(&rig, SIZE / 2, 2 * SIZE);
	rig_wait_quiet(&rig);
	for (int i = 0; i < 4; i++) {
		read_some(fd, SIP);
		rig_pass_ms(&rig, STUCK_MS / 5);
	}
	assert_true(rpc_conn_is_open(conn));
	rig_pass_ms(&rig, STUCK_MS / 5);
	assert_false(rpc_conn_is_open(conn));
	assert_int_equal(stats_of(&rig).stuck_closed, 1);
	assert_int_equal(stats_of(&rig).arrears, 0);
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* Who takes as much as can be expected in that time stays. */
static void test_slow_peer_is_not_stuck(void **state)
{
	enum { SIZE = 20 * 1024, WIRE = 28 + SIZE, CALLS = 12, AT_ONCE = 4 };
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 1024 * KIB);
	fd = narrow_pair(&rig, &conn);
	for (int i = 0; i < CALLS; i++)
		ask_big(fd, SIZE);
	wait_owed(&rig, (CALLS - 1) * WIRE, CALLS * (WIRE + 100));
	rig_wait_quiet(&rig);
	for (int left = CALLS - AT_ONCE; left >= 0; left -= AT_ONCE) {
		rig_pass_ms(&rig, STUCK_MS - 100);
		read_some(fd, AT_ONCE * WIRE);
		wait_owed(&rig, 0, left * (WIRE + 100));
	}
	rig_pass_ms(&rig, 10 * STUCK_MS);
	assert_true(rpc_conn_is_open(conn));
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/*
 * Many who read nothing come to the limit together: it is they who go, and
 * not the one who asks for as much and reads it.
 */
static void test_honest_reader_outlives_hoarders(void **state)
{
	enum { HOARDERS = 12, SIZE = 200 * 1024, MAX = 1024 * 1024 };
	scope_free uint8_t *reply = malloc(SIZE + 64);
	struct rpc_conn *honest;
	int fds[HOARDERS], good;
	struct rig rig;

	start(&rig, MAX);
	good = narrow_pair(&rig, &honest);
	for (int i = 0; i < HOARDERS; i++) {
		struct rpc_conn *conn;

		fds[i] = narrow_pair(&rig, &conn);
		rpc_conn_put(conn);
		ask_big(fds[i], SIZE);
		ask_big(good, SIZE);
		assert_int_equal(peer_read(good, reply, SIZE + 64), 24 + SIZE);
		rig_wait_quiet(&rig);
		wait_owed(&rig, 1, MAX);
	}
	assert_true(rpc_conn_is_open(honest));
	wait_closed(&rig, HOARDERS - MAX / SIZE);
	assert_true(stats_of(&rig).arrears_closed < HOARDERS);
	rpc_conn_put(honest);
	for (int i = 0; i < HOARDERS; i++)
		close(fds[i]);
	close(good);
	rig_fini(&rig);
}

/* While memory is short, what has replies unsent is not read. */
static void test_reading_stops_at_half(void **state)
{
	enum { SIZE = 200 * 1024, MORE = 3 };
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 2 * SIZE - 50 * 1024);
	fd = narrow_pair(&rig, &conn);
	ask_big(fd, SIZE);
	wait_owed(&rig, SIZE / 2, 2 * SIZE);
	for (int i = 0; i < MORE; i++)
		peer_call_u32(fd, 2, RIG_BLOCK, 0);
	read_some(fd, SIZE / 2);
	assert_int_equal(stats_of(&rig).calls, 1);
	read_some(fd, SIZE - SIZE / 2 + 28);
	rig_wait_inside(&rig, MORE);
	assert_true(rpc_conn_is_open(conn));
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* ---- records that nobody finishes ---- */

static void begin_record(int fd, size_t size)
{
	scope_free uint8_t *bytes = calloc(1, size);

	peer_write(fd, "\x80\x04\x00\x00", 4); /* of 256 KiB */
	peer_write(fd, bytes, size);
}

/* Also on a connection of a session, which has no idle limit. */
static void test_unfinished_record_is_stuck(void **state)
{
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 1024 * KIB);
	fd = narrow_pair(&rig, &conn);
	begin_record(fd, 100 * KIB);
	wait_owed(&rig, 100 * KIB, 100 * KIB);
	for (int i = 0; i < 9; i++) {
		rig_pass_ms(&rig, STUCK_MS / 10);
		peer_write(fd, "", 1);
		wait_owed(&rig, 100 * KIB + i + 1, 100 * KIB + i + 1);
	}
	assert_true(rpc_conn_is_open(conn));
	rig_pass_ms(&rig, STUCK_MS / 10);
	assert_false(rpc_conn_is_open(conn));
	peer_expect_end(fd);
	assert_int_equal(stats_of(&rig).stuck_closed, 1);
	assert_int_equal(stats_of(&rig).arrears, 0);
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

struct later {
	struct rig *rig;
	struct rpc_conn *conn;
};

static bool is_closed_in_time(void *ctx)
{
	struct later *later = ctx;

	rig_pass_ms(later->rig, STUCK_MS);
	return !rpc_conn_is_open(later->conn);
}

/* Part of a record mark is enough to keep a buffer. */
static void test_unfinished_mark_is_stuck(void **state)
{
	struct peer_call call = peer_call_of(1, RIG_ECHO, "complete", 8);
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 1024 * KIB);
	fd = narrow_pair(&rig, &conn);
	peer_call(fd, &call);
	peer_write(fd, "\x80", 1);
	peer_expect(fd, 1, "complete", 8);
	rig_wait(is_closed_in_time, &(struct later){&rig, conn});
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* A record that comes slowly, but comes, is served. */
static void test_slow_record_is_served(void **state)
{
	enum { SIZE = 250 * 1024, STEP = 70 * 1024 };
	scope_free uint8_t *body = calloc(1, SIZE);
	scope_free uint8_t *bytes = malloc(SIZE + 64);
	struct peer_call call = peer_call_of(1, RIG_ECHO, body, SIZE);
	size_t size = peer_encode(&call, bytes, SIZE + 64);
	struct rpc_conn *conn;
	struct rig rig;
	int fd;

	start(&rig, 1024 * KIB);
	fd = narrow_pair(&rig, &conn);
	for (size_t at = 0; at < size; at += STEP) {
		size_t n = size - at < STEP ? size - at : STEP;

		peer_write(fd, bytes + at, n);
		if (at + n == size)
			break;
		wait_owed(&rig, at + n - 4, at + n - 4);
		rig_pass_ms(&rig, STUCK_MS - 100);
	}
	peer_expect(fd, 1, body, SIZE);
	assert_true(rpc_conn_is_open(conn));
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/* Beginnings of records come to the limit: the oldest of them goes. */
static void test_beginnings_are_bounded(void **state)
{
	enum { PEERS = 6, SIZE = 100 * 1024, MAX = 3 * SIZE + 1000 };
	struct rpc_conn *conns[PEERS];
	struct rig rig;
	int fds[PEERS];

	start(&rig, MAX);
	for (int i = 0; i < PEERS; i++) {
		uint64_t want = (i < 3 ? i + 1 : 3) * SIZE;

		fds[i] = narrow_pair(&rig, &conns[i]);
		begin_record(fds[i], SIZE);
		wait_closed(&rig, i < 3 ? 0 : i - 2);
		wait_owed(&rig, want, want);
	}
	for (int i = 0; i < PEERS; i++) {
		assert_int_equal(rpc_conn_is_open(conns[i]), i >= PEERS - 3);
		rpc_conn_put(conns[i]);
		close(fds[i]);
	}
	assert_int_equal(stats_of(&rig).arrears_closed, PEERS - 3);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_taken_in_sips_is_stuck),
		cmocka_unit_test(test_slow_peer_is_not_stuck),
		cmocka_unit_test(test_honest_reader_outlives_hoarders),
		cmocka_unit_test(test_reading_stops_at_half),
		cmocka_unit_test(test_unfinished_record_is_stuck),
		cmocka_unit_test(test_unfinished_mark_is_stuck),
		cmocka_unit_test(test_slow_record_is_served),
		cmocka_unit_test(test_beginnings_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
