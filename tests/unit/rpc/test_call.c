/* SPDX-License-Identifier: MIT */
/* Calls and their answers: headers, credentials, verdicts, concurrency. */
#include "rig.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

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

/* ---- headers and credentials ---- */

/* One call, one answer in @reply; returns its size. */
static ssize_t exchange(const struct peer_call *call, uint8_t *reply)
{
	struct rig rig;
	ssize_t size;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call(fd, call);
	size = peer_read(fd, reply, 1024);
	close(fd);
	rig_fini(&rig);
	return size;
}

/* The words of the answer after the xid, which is 5. */
static void expect_words(
	const struct peer_call *call, const uint32_t *words, size_t nwords)
{
	uint8_t reply[1024];

	assert_int_equal(exchange(call, reply), 4 + nwords * 4);
	assert_int_equal(peer_u32(reply), 5);
	for (size_t i = 0; i < nwords; i++)
		assert_int_equal(peer_u32(reply + 4 + 4 * i), words[i]);
}

#define EXPECT_WORDS(call, ...)                             \
	expect_words(call, (const uint32_t[]){__VA_ARGS__}, \
		sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void test_null_procedure(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_NULL, NULL, 0);

	EXPECT_WORDS(&call, 1, 0, 0, 0, 0);
}

static void test_program_unavailable(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_NULL, NULL, 0);

	call.program++;
	EXPECT_WORDS(&call, 1, 0, 0, 0, 1);
}

static void test_program_mismatch(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_NULL, NULL, 0);

	call.version = RIG_VERSION_HIGH + 1;
	EXPECT_WORDS(&call, 1, 0, 0, 0, 2, RIG_VERSION_LOW, RIG_VERSION_HIGH);
	call.version = RIG_VERSION_LOW - 1;
	EXPECT_WORDS(&call, 1, 0, 0, 0, 2, RIG_VERSION_LOW, RIG_VERSION_HIGH);
}

static void test_procedure_unavailable(void **state)
{
	struct peer_call call = peer_call_of(5, 999, NULL, 0);

	EXPECT_WORDS(&call, 1, 0, 0, 0, 3);
}

static void verdict(uint32_t which, uint32_t accept_stat)
{
	uint32_t be = htobe32(which);
	struct peer_call call = peer_call_of(5, RIG_VERDICT, &be, 4);

	EXPECT_WORDS(&call, 1, 0, 0, 0, accept_stat);
}

static void test_verdicts(void **state)
{
	uint32_t tooweak = htobe32(RPC_AUTH_TOOWEAK);
	struct peer_call call = peer_call_of(5, RIG_VERDICT, &tooweak, 4);

	verdict(RPC_PROC_UNAVAIL, 3);
	verdict(RPC_GARBAGE_ARGS, 4);
	verdict(RPC_SYSTEM_ERR, 5);
	EXPECT_WORDS(&call, 1, 1, 1, 5);
}

static void test_verdict_close(void **state)
{
	uint32_t be = htobe32(RPC_CLOSE);
	struct peer_call call = peer_call_of(5, RIG_VERDICT, &be, 4);
	uint8_t reply[1024];

	assert_int_equal(exchange(&call, reply), -1);
}

/* Results that do not fit in a reply are an error, not a short answer. */
static void test_reply_too_large(void **state)
{
	uint32_t be = htobe32(256 * 1024 - 20);
	struct peer_call call = peer_call_of(5, RIG_BIG, &be, 4);

	EXPECT_WORDS(&call, 1, 0, 0, 0, 5);
}

static void test_rpc_version(void **state)
{
	const uint8_t message[] = {
		0x80, 0, 0, 12, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3};
	uint8_t reply[64];
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_write(fd, message, sizeof(message));
	assert_int_equal(peer_read(fd, reply, sizeof(reply)), 24);
	assert_int_equal(peer_u32(reply + 8), 1);  /* denied */
	assert_int_equal(peer_u32(reply + 12), 0); /* RPC_MISMATCH */
	assert_int_equal(peer_u32(reply + 16), 2);
	assert_int_equal(peer_u32(reply + 20), 2);
	close(fd);
	rig_fini(&rig);
}

/* stamp 0, "host", uid 1000, gid 100, groups 100 and 27 */
static const uint8_t authsys[] = {0, 0, 0, 0, 0, 0, 0, 4, 'h', 'o', 's', 't', 0,
	0, 0x03, 0xe8, 0, 0, 0, 100, 0, 0, 0, 2, 0, 0, 0, 100, 0, 0, 0, 27};

static void test_auth_sys(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_WHO, NULL, 0);

	call.flavor = 1;
	call.cred = authsys;
	call.cred_size = sizeof(authsys);
	EXPECT_WORDS(&call, 1, 0, 0, 0, 0, 1000, 100, 2, 100, 27);
}

static void test_auth_none_is_nobody(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_WHO, NULL, 0);

	EXPECT_WORDS(&call, 1, 0, 0, 0, 0, 65534, 65534, 0);
}

static void test_auth_sys_cut_short(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_WHO, NULL, 0);

	call.flavor = 1;
	call.cred = authsys;
	for (size_t n = 0; n < sizeof(authsys); n += 4) {
		call.cred_size = n;
		EXPECT_WORDS(&call, 1, 1, 1, 1); /* AUTH_BADCRED */
	}
}

static void test_auth_sys_17_groups(void **state)
{
	uint8_t cred[20 + 17 * 4] = {[11] = 1, [15] = 1, [19] = 17};
	struct peer_call call = peer_call_of(5, RIG_WHO, NULL, 0);

	call.flavor = 1;
	call.cred = cred;
	call.cred_size = sizeof(cred);
	EXPECT_WORDS(&call, 1, 1, 1, 1);
	cred[19] = 16;
	call.cred_size -= 4;
	EXPECT_WORDS(&call, 1, 0, 0, 0, 0, 1, 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0);
}

static void test_unknown_flavor(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_NULL, NULL, 0);

	call.flavor = 6; /* RPCSEC_GSS */
	EXPECT_WORDS(&call, 1, 1, 1, 5);
}

/* A header cut off anywhere gets an answer or ends the connection. */
static void test_header_cut_short(void **state)
{
	struct peer_call call = peer_call_of(5, RIG_NULL, NULL, 0);
	uint8_t whole[128], reply[128];
	size_t size = peer_encode(&call, whole, sizeof(whole));
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig);
	for (size_t n = 0; n < size - 4; n++) {
		int fd = rig_pair(&rig, NULL);

		whole[3] = (uint8_t)n;
		peer_write(fd, whole, 4 + n);
		assert_int_not_equal(peer_read(fd, reply, sizeof(reply)), 24);
		close(fd);
	}
	rig_fini(&rig);
}

/* ---- many at once ---- */

#define MANY 12

/* Every call is inside the program before the first one is answered. */
static void test_calls_of_one_connection_run_at_once(void **state)
{
	bool answered[MANY] = {false};
	uint8_t reply[128];
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig.config.threads_min = MANY;
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (uint32_t i = 0; i < MANY; i++)
		peer_call_u32(fd, i, RIG_BLOCK, i);
	rig_wait_inside(&rig, MANY);
	rig_release(&rig, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		ssize_t n = peer_read(fd, reply, sizeof(reply));
		uint32_t xid = peer_u32(reply);

		assert_true(xid < MANY && !answered[xid]);
		answered[xid] = true;
		assert_int_equal(n, 28);
		assert_int_equal(peer_u32(reply + 24), xid);
	}
	close(fd);
	rig_fini(&rig);
}

static void test_later_call_overtakes(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call_u32(fd, 1, RIG_BLOCK, 1);
	rig_wait_inside(&rig, 1);
	peer_call_u32(fd, 2, RIG_VERDICT, RPC_DONE);
	peer_expect(fd, 2, "\xde\xad\xbe\xef", 4);
	rig_release(&rig, 1);
	peer_expect(fd, 1, "\0\0\0\1", 4);
	close(fd);
	rig_fini(&rig);
}

/* Many calls in one write: the server finds them all in its buffer. */
static void test_pipelined_in_one_write(void **state)
{
	enum { CALLS = 500 };
	scope_free uint8_t *buf = malloc(CALLS * 64);
	bool answered[CALLS] = {false};
	uint8_t reply[128];
	struct rig rig;
	size_t size = 0;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	for (uint32_t i = 0; i < CALLS; i++) {
		struct peer_call call = peer_call_of(i, RIG_ECHO, "abcd", 4);

		size += peer_encode(&call, buf + size, 64);
	}
	peer_write(fd, buf, size);
	for (uint32_t i = 0; i < CALLS; i++) {
		assert_int_equal(peer_read(fd, reply, sizeof(reply)), 28);
		assert_false(answered[peer_u32(reply)]);
		answered[peer_u32(reply)] = true;
	}
	close(fd);
	rig_fini(&rig);
}

/* The reply of a call whose connection went away is dropped. */
static void test_reply_on_closed_connection(void **state)
{
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, NULL);
	peer_call_u32(fd, 1, RIG_BLOCK, 1);
	rig_wait_inside(&rig, 1);
	close(fd);
	rig_wait_closed(&rig, 1);
	rig_release(&rig, 1);
	rig_wait_inside(&rig, 0);
	assert_int_equal(rig.closed, 1);
	rig_fini(&rig);
}

static void test_large_echo(void **state)
{
	enum { SIZE = 200 * 1024 };
	scope_free uint8_t *body = calloc(1, SIZE);
	struct peer_call call = peer_call_of(3, RIG_ECHO, body, SIZE);
	struct rig rig;
	int fd;

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
	rig_init(&rig);
	rig_start(&rig);
	fd = rig_tcp(&rig, AF_INET);
	for (int i = 0; i < 3; i++) {
		peer_call(fd, &call);
		peer_expect(fd, 3, body, SIZE);
	}
	close(fd);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_over_pair),
		cmocka_unit_test(test_echo_over_ipv4),
		cmocka_unit_test(test_echo_over_ipv6),
		cmocka_unit_test(test_null_procedure),
		cmocka_unit_test(test_program_unavailable),
		cmocka_unit_test(test_program_mismatch),
		cmocka_unit_test(test_procedure_unavailable),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_verdict_close),
		cmocka_unit_test(test_reply_too_large),
		cmocka_unit_test(test_rpc_version),
		cmocka_unit_test(test_auth_sys),
		cmocka_unit_test(test_auth_none_is_nobody),
		cmocka_unit_test(test_auth_sys_cut_short),
		cmocka_unit_test(test_auth_sys_17_groups),
		cmocka_unit_test(test_unknown_flavor),
		cmocka_unit_test(test_header_cut_short),
		cmocka_unit_test(test_calls_of_one_connection_run_at_once),
		cmocka_unit_test(test_later_call_overtakes),
		cmocka_unit_test(test_pipelined_in_one_write),
		cmocka_unit_test(test_reply_on_closed_connection),
		cmocka_unit_test(test_large_echo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
