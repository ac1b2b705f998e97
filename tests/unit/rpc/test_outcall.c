/* SPDX-License-Identifier: MIT */
/*
 * Outgoing calls: each is completed once, by its answer, its time-out or the
 * loss of its connection, whatever comes together.
 */
#include "rig.h"

#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/rand.h"

#define CB_PROGRAM 0x40000000

/* An outgoing call that remembers how it ended. */
struct cb {
	struct rpc_outcall out;
	struct lock lock;
	struct cond ended;
	unsigned times;
	enum rpc_outcome outcome;
	uint8_t results[64];
	size_t results_size;
};

static void cb_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct cb *cb = container_of(out, struct cb, out);

	scope_lock(&cb->lock);
	cb->times++;
	cb->outcome = outcome;
	assert_int_equal(results != NULL, outcome == RPC_OUT_OK);
	if (results) {
		cb->results_size = xdr_left(results);
		assert_true(cb->results_size <= sizeof(cb->results));
		xdr_get_opaque_fixed(results, cb->results, cb->results_size);
	}
	cond_broadcast(&cb->ended);
}

static void cb_init(struct cb *cb)
{
	*cb = (struct cb){.out = {.program = CB_PROGRAM,
				  .version = 1,
				  .procedure = 1,
				  .done = cb_done}};
	lock_init(&cb->lock, LOCK_LEAF);
	cond_init(&cb->ended);
}

static void cb_send(
	struct cb *cb, struct rpc_conn *conn, const char *body, uint64_t ms)
{
	assert_int_equal(
		rpc_outcall_send(conn, &cb->out, body, strlen(body), ms), 0);
}

static void cb_wait(struct cb *cb, enum rpc_outcome outcome)
{
	scope_lock(&cb->lock);
	while (cb->times == 0) {
		if (!cond_wait_ms(&cb->ended, &cb->lock, RIG_PATIENCE_MS))
			fail_msg("an outgoing call never ended");
	}
	assert_int_equal(cb->times, 1);
	assert_int_equal(cb->outcome, outcome);
}

/* The peer reads a call; its xid. */
static uint32_t peer_read_call(int fd, uint8_t *buf, size_t size)
{
	ssize_t n = peer_read(fd, buf, size);

	assert_true(n >= 40);
	assert_int_equal(peer_u32(buf + 4), 0); /* CALL */
	return peer_u32(buf);
}

/* Answer @xid with @nwords words after REPLY. */
static void peer_answer(
	int fd, uint32_t xid, const uint32_t *words, size_t nwords)
{
	uint32_t message[16] = {
		htobe32(0x80000000u | (uint32_t)(8 + 4 * nwords)), htobe32(xid),
		htobe32(1)};

	for (size_t i = 0; i < nwords; i++)
		message[3 + i] = htobe32(words[i]);
	peer_write(fd, message, 12 + 4 * nwords);
}

static const uint32_t success_42[] = {0, 0, 0, 0, 42};

/* One endpoint, one connection, one outgoing call and its xid. */
struct scene {
	struct rig rig;
	struct rpc_conn *conn;
	struct cb cb;
	uint8_t call[128];
	uint32_t xid;
	int fd;
};

static void scene_init(struct scene *s)
{
	rig_init(&s->rig);
	rig_start(&s->rig);
	s->fd = rig_pair(&s->rig, &s->conn);
	cb_init(&s->cb);
	cb_send(&s->cb, s->conn, "args", 1000);
	s->xid = peer_read_call(s->fd, s->call, sizeof(s->call));
}

static void scene_fini(struct scene *s)
{
	if (s->conn)
		rpc_conn_put(s->conn);
	if (s->fd >= 0)
		close(s->fd);
	rig_fini(&s->rig);
	assert_int_equal(s->cb.times, 1);
}

static void test_answered(void **state)
{
	struct scene s;

	scene_init(&s);
	assert_memory_equal(s.call + 40, "args", 4);
	peer_answer(s.fd, s.xid, success_42, 5);
	cb_wait(&s.cb, RPC_OUT_OK);
	assert_int_equal(s.cb.results_size, 4);
	assert_int_equal(peer_u32(s.cb.results), 42);
	rig_pass_ms(&s.rig, 5000); /* its time-out is no more */
	scene_fini(&s);
}

/* Every byte of the call, by hand from RFC 5531. */
static void test_bytes_of_a_call(void **state)
{
	static const uint8_t cred[] = {0, 0, 0, 1, 0, 0, 0, 1, 'h', 0, 0, 0, 0,
		0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0};
	static const uint8_t want[] = {0, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0, 0,
		0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0,
		0, 1, 'h', 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 'b', 'o', 'd', 'y'};
	struct rpc_conn *conn;
	uint8_t got[128];
	struct rig rig;
	struct cb cb;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	cb_init(&cb);
	cb.out.procedure = 7;
	cb.out.auth_flavor = 1;
	cb.out.auth_body = cred;
	cb.out.auth_body_size = sizeof(cred);
	cb_send(&cb, conn, "body", 1000);
	assert_int_equal(peer_read(fd, got, sizeof(got)), 4 + sizeof(want));
	assert_memory_equal(got + 4, want, sizeof(want));
	assert_int_equal(rpc_outcall_overhead(&cb.out), sizeof(want));
	close(fd);
	rpc_conn_put(conn);
	rig_fini(&rig);
	assert_int_equal(cb.outcome, RPC_OUT_LOST);
}

static void rejected(const uint32_t *words, size_t nwords)
{
	struct scene s;

	scene_init(&s);
	peer_answer(s.fd, s.xid, words, nwords);
	cb_wait(&s.cb, RPC_OUT_REJECTED);
	assert_true(rpc_conn_is_open(s.conn));
	scene_fini(&s);
}

static void test_rejected(void **state)
{
	rejected((const uint32_t[]){0, 0, 0, 1}, 4);       /* PROG_UNAVAIL */
	rejected((const uint32_t[]){0, 0, 0, 2, 1, 4}, 6); /* PROG_MISMATCH */
	rejected((const uint32_t[]){1, 1, 5}, 3);          /* AUTH_TOOWEAK */
	rejected((const uint32_t[]){1, 0, 2, 2}, 4);       /* RPC_MISMATCH */
	rejected((const uint32_t[]){0, 0}, 2);             /* cut short */
	rejected(NULL, 0);
	rejected((const uint32_t[]){7}, 1); /* neither accepted nor denied */
}

static void test_timeout_and_late_answer(void **state)
{
	struct scene s;
	struct cb next;

	scene_init(&s);
	rig_pass_ms(&s.rig, 999);
	assert_int_equal(s.cb.times, 0);
	rig_pass_ms(&s.rig, 1);
	cb_wait(&s.cb, RPC_OUT_TIMEOUT);
	peer_answer(s.fd, s.xid, success_42, 5);
	cb_init(&next); /* the connection lives on */
	cb_send(&next, s.conn, "next", 1000);
	peer_answer(s.fd, peer_read_call(s.fd, s.call, 128), success_42, 5);
	cb_wait(&next, RPC_OUT_OK);
	scene_fini(&s);
}

static void test_answer_nobody_asked_for(void **state)
{
	struct scene s;

	scene_init(&s);
	peer_answer(s.fd, s.xid + 1, success_42, 5);
	peer_answer(s.fd, s.xid - 1, NULL, 0);
	peer_answer(s.fd, s.xid, success_42, 5);
	peer_answer(s.fd, s.xid, success_42, 5); /* twice */
	cb_wait(&s.cb, RPC_OUT_OK);
	peer_call_u32(s.fd, 3, RIG_ECHO, 3);
	peer_expect(s.fd, 3, "\0\0\0\3", 4);
	scene_fini(&s);
}

static void test_lost_with_the_peer(void **state)
{
	struct scene s;

	scene_init(&s);
	close(s.fd);
	s.fd = -1;
	cb_wait(&s.cb, RPC_OUT_LOST);
	assert_int_equal(
		rpc_outcall_send(s.conn, &s.cb.out, "", 0, 1), -ENOTCONN);
	scene_fini(&s);
}

static void test_lost_by_close(void **state)
{
	struct scene s;

	scene_init(&s);
	rpc_conn_close(s.conn);
	cb_wait(&s.cb, RPC_OUT_LOST);
	scene_fini(&s);
}

static void test_lost_at_the_end(void **state)
{
	struct scene s;

	scene_init(&s);
	rpc_conn_put(s.conn);
	s.conn = NULL;
	scene_fini(&s);
	assert_int_equal(s.cb.outcome, RPC_OUT_LOST);
}

/* An outstanding outgoing call keeps an unbound connection from idling. */
static void test_waiting_is_not_idle(void **state)
{
	struct rpc_conn *conn;
	struct rig rig;
	struct cb cb;
	int fd;

	rig_init(&rig);
	rig.config.idle_ms = 1000;
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	cb_init(&cb);
	cb_send(&cb, conn, "", 100000);
	rig_pass_ms(&rig, 50000);
	assert_true(rpc_conn_is_open(conn));
	close(fd);
	cb_wait(&cb, RPC_OUT_LOST);
	rpc_conn_put(conn);
	rig_fini(&rig);
}

#define MANY 32

static void test_answers_in_reverse(void **state)
{
	struct rpc_conn *conn;
	uint32_t xids[MANY];
	struct cb cbs[MANY];
	uint8_t buf[128];
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, &conn);
	for (int i = 0; i < MANY; i++) {
		cb_init(&cbs[i]);
		cb_send(&cbs[i], conn, "abcd", 1000);
		xids[i] = peer_read_call(fd, buf, sizeof(buf));
	}
	for (uint32_t i = MANY; i-- > 0;)
		peer_answer(fd, xids[i], (uint32_t[]){0, 0, 0, 0, i}, 5);
	for (uint32_t i = 0; i < MANY; i++) {
		cb_wait(&cbs[i], RPC_OUT_OK);
		assert_int_equal(peer_u32(cbs[i].results), i);
	}
	rpc_conn_put(conn);
	close(fd);
	rig_fini(&rig);
}

/*
 * Calls in both directions with the same xids, answered crosswise while the
 * program is busy.
 */
static void test_both_directions(void **state)
{
	struct scene s;

	scene_init(&s);
	peer_call_u32(s.fd, s.xid, RIG_BLOCK, 5);
	rig_wait_inside(&s.rig, 1);
	peer_answer(s.fd, s.xid, success_42, 5);
	cb_wait(&s.cb, RPC_OUT_OK);
	assert_int_equal(s.rig.inside, 1);
	rig_release(&s.rig, 1);
	peer_expect(s.fd, s.xid, "\0\0\0\5", 4);
	scene_fini(&s);
}

/* ---- `done` may do what it likes with the object ---- */

struct again {
	struct rpc_outcall out;
	struct rpc_conn *conn;
	struct rig *rig;
	unsigned left;
};

static void again_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct again *a = container_of(out, struct again, out);

	if (a->left-- > 0 &&
		rpc_outcall_send(a->conn, &a->out, "more", 4, 1000) == 0)
		return;
	rpc_conn_put(a->conn);
	free(a);
}

static void test_sent_again_and_freed_by_done(void **state)
{
	struct again *a = calloc(1, sizeof(*a));
	uint8_t buf[128];
	struct rig rig;
	int fd;

	rig_init(&rig);
	rig_start(&rig);
	fd = rig_pair(&rig, &a->conn);
	a->out =
		(struct rpc_outcall){.program = CB_PROGRAM, .done = again_done};
	a->left = 100;
	assert_int_equal(
		rpc_outcall_send(a->conn, &a->out, "once", 4, 1000), 0);
	for (int i = 0; i < 50; i++) {
		uint32_t xid = peer_read_call(fd, buf, sizeof(buf));

		if (i % 5)
			peer_answer(fd, xid, success_42, 5);
		else
			rig_pass_ms(&rig, 1000);
	}
	close(fd);
	rig_fini(&rig);
}

/* ---- everything at once ---- */

enum { STORM_CALLS = 3000, STORM_THREADS = 4 };

struct storm {
	struct rig rig;
	struct lock lock; /* guards conn */
	struct rpc_conn *conn;
	atomic_uint done[4];
	atomic_uint sent;
};

struct storm_call {
	struct rpc_outcall out;
	struct storm *storm;
};

static void storm_done(
	struct rpc_outcall *out, enum rpc_outcome outcome, struct xdr *results)
{
	struct storm_call *c = container_of(out, struct storm_call, out);

	atomic_fetch_add(&c->storm->done[outcome], 1);
	free(c);
}

/* Both ends of a pair are connections of the endpoint: it calls itself. */
static void storm_connect(struct storm *s)
{
	struct rpc_conn *old;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	rpc_conn_put(rpc_add_socket(s->rig.rpc, fds[0]));
	lock_acquire(&s->lock);
	old = s->conn;
	s->conn = NULL;
	lock_release(&s->lock);
	if (old) {
		rpc_conn_close(old);
		rpc_conn_put(old);
	}
	old = rpc_add_socket(s->rig.rpc, fds[1]);
	lock_acquire(&s->lock);
	s->conn = old;
	lock_release(&s->lock);
}

static struct rpc_conn *storm_conn(struct storm *s)
{
	scope_lock(&s->lock);
	return s->conn ? rpc_conn_get(s->conn) : NULL;
}

static void storm_send(struct storm *s, struct rpc_conn *conn)
{
	struct storm_call *c = calloc(1, sizeof(*c));
	uint64_t r = rand_u64();

	c->storm = s;
	c->out = (struct rpc_outcall){.program = RIG_PROGRAM,
		.version = RIG_VERSION_LOW,
		.procedure = RIG_ECHO,
		.done = storm_done};
	if (rpc_outcall_send(conn, &c->out, "stormy!!", 8, r % 3) == 0)
		atomic_fetch_add(&s->sent, 1);
	else
		free(c);
}

static void *storm_thread(void *arg)
{
	struct storm *s = arg;

	for (int i = 0; i < STORM_CALLS;) {
		struct rpc_conn *conn = storm_conn(s);

		if (conn && rpc_conn_is_open(conn)) {
			storm_send(s, conn);
			i++;
		}
		if (i % 16 == 0)
			sched_yield();
		rpc_conn_put(conn);
	}
	return NULL;
}

/* A clock and timers that run by themselves, before rig_start(). */
static void use_real_time(struct rig *rig)
{
	timers_fini(&rig->timers);
	clock_init(&rig->clock);
	timers_init(&rig->timers, &rig->clock);
	assert_int_equal(timers_start(&rig->timers), 0);
}

/* The end of the endpoint comes while calls time out. */
static void test_end_while_calls_time_out(void **state)
{
	for (int round = 0; round < 300; round++) {
		struct storm s = {.sent = 0};
		int fd;

		rig_init(&s.rig);
		use_real_time(&s.rig);
		rig_start(&s.rig);
		fd = rig_pair(&s.rig, &s.conn);
		for (int i = 0; i < 6; i++)
			storm_send(&s, s.conn);
		usleep(rand_u64() % 1500);
		rpc_conn_put(s.conn);
		rig_fini(&s.rig);
		assert_int_equal(
			s.done[RPC_OUT_TIMEOUT] + s.done[RPC_OUT_LOST], s.sent);
		close(fd);
	}
}

/*
 * Answers, time-outs of 0 to 2 ms and closes race: every call that was sent
 * ends once. The sanitizers watch the rest.
 */
static void test_storm(void **state)
{
	pthread_t threads[STORM_THREADS];
	unsigned done = 0;
	struct storm s = {.sent = 0};

	rig_init(&s.rig);
	use_real_time(&s.rig);
	lock_init(&s.lock, LOCK_LEAF);
	rig_start(&s.rig);
	storm_connect(&s);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_create(&threads[i], NULL, storm_thread, &s);
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		storm_connect(&s);
	}
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	rpc_conn_put(s.conn);
	rig_fini(&s.rig);
	for (int i = 0; i < 4; i++)
		done += s.done[i];
	print_message("sent %u: ok %u rejected %u timeout %u lost %u\n", s.sent,
		s.done[0], s.done[1], s.done[2], s.done[3]);
	assert_int_equal(done, s.sent);
	assert_int_equal(s.done[RPC_OUT_REJECTED], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_bytes_of_a_call),
		cmocka_unit_test(test_rejected),
		cmocka_unit_test(test_timeout_and_late_answer),
		cmocka_unit_test(test_answer_nobody_asked_for),
		cmocka_unit_test(test_lost_with_the_peer),
		cmocka_unit_test(test_lost_by_close),
		cmocka_unit_test(test_lost_at_the_end),
		cmocka_unit_test(test_waiting_is_not_idle),
		cmocka_unit_test(test_answers_in_reverse),
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_sent_again_and_freed_by_done),
		cmocka_unit_test(test_end_while_calls_time_out),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
