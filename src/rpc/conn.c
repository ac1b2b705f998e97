/* SPDX-License-Identifier: MIT */
#include "rpc/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rand.h"

/* A peer that vanished is noticed after about two minutes of silence. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_PROBES     4

/* xid and message type: nothing shorter is an RPC message. */
#define MESSAGE_MIN   8
#define MESSAGE_REPLY 1

static uint64_t now_ms(struct rpc_conn *conn)
{
	return clock_mono_ms(conn->rpc->config.clock);
}

/* ---- references and what a program may ask ---- */

struct rpc_conn *rpc_conn_get(struct rpc_conn *conn)
{
	ref_get(&conn->ref);
	return conn;
}

static void conn_free(struct rpc_conn *conn)
{
	close(conn->fd);
	conn_unsent_free_all_locked(conn);
	record_reader_fini(&conn->reader);
	free(conn->in);
	lock_fini(&conn->lock);
	free(conn);
}

void rpc_conn_put(struct rpc_conn *conn)
{
	if (conn && ref_put(&conn->ref))
		conn_free(conn);
}

bool rpc_conn_is_open(struct rpc_conn *conn)
{
	scope_lock(&conn->lock);
	return !conn->closing;
}

const char *rpc_conn_peer(const struct rpc_conn *conn)
{
	return conn->peer;
}

uint16_t rpc_conn_peer_port(const struct rpc_conn *conn)
{
	return conn->peer_port;
}

/* ---- the end ---- */

static void tell_programs(struct rpc_conn *conn)
{
	const struct rpc_config *config = &conn->rpc->config;

	for (size_t i = 0; i < config->nprograms; i++) {
		const struct rpc_program *program = &config->programs[i];

		if (program->conn_closed)
			program->conn_closed(program->ctx, conn);
	}
}

/* Nobody reads any more, and nobody will: `closing` is set. */
static void conn_teardown(struct rpc_job *job)
{
	struct rpc_conn *conn =
		container_of(job, struct rpc_conn, teardown_job);
	struct rpc *rpc = conn->rpc;

	epoll_ctl(rpc->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	endpoint_remove(rpc, conn);
	timer_cancel_wait(rpc->config.timers, &conn->timer);
	tell_programs(conn);
	backchannel_lose_all(conn);
	record_reader_fini(&conn->reader);
	endpoint_uncount(rpc);
	rpc_conn_put(conn); /* the table's */
}

static void finish_close_locked(struct rpc_conn *conn)
{
	if (conn->reading || conn->teardown)
		return;
	conn->teardown = true;
	rpc_post(conn->rpc, &conn->teardown_job);
}

bool conn_close(struct rpc_conn *conn)
{
	bool first;

	lock_acquire(&conn->lock);
	first = !conn->closing;
	if (first) {
		arrears_set_locked(conn, 0);
		conn->closing = true;
		if (!conn->writing)
			conn_unsent_free_all_locked(conn);
		finish_close_locked(conn);
	}
	lock_release(&conn->lock);
	if (first)
		shutdown(conn->fd, SHUT_RDWR);
	return first;
}

void rpc_conn_close(struct rpc_conn *conn)
{
	conn_close(conn);
}

/* ---- what the peer owes ---- */

void conn_settle_locked(struct rpc_conn *conn)
{
	if (!conn->closing) /* then all of it was written off */
		arrears_set_locked(
			conn, conn->unsent_memory + conn->record_memory);
}

/* What came of a record that is not whole; the caller had the read side. */
static void note_unfinished_locked(struct rpc_conn *conn)
{
	const struct record_reader *r = &conn->reader;
	size_t size = r->record.size;
	bool before = conn->unfinished;

	conn->unfinished = !record_reader_is_empty(r);
	conn->record_memory = conn->unfinished ? record_reader_memory(r) : 0;
	conn_settle_locked(conn);
	if (!conn->unfinished ||
		(before && size - conn->record_size < CONN_MOVED))
		return;
	conn->record_size = size;
	conn->record_ms = now_ms(conn);
	arrears_moved_locked(conn);
	if (conn->rpc->config.stuck_ms)
		conn_timer_need_locked(
			conn, conn->record_ms + conn->rpc->config.stuck_ms);
}

static bool may_read_locked(const struct rpc_conn *conn)
{
	const struct rpc_config *config = &conn->rpc->config;
	size_t max = config->max_unsent;

	if (arrears_are_short(&conn->rpc->arrears))
		max = 0;
	return conn->calls < config->max_calls && conn->unsent_bytes <= max;
}

/* ---- idle and stuck ---- */

void conn_timer_need_locked(struct rpc_conn *conn, uint64_t at_ms)
{
	uint64_t now = now_ms(conn);

	if (conn->closing || (conn->timer_at_ms && conn->timer_at_ms <= at_ms))
		return;
	timer_set(conn->rpc->config.timers, &conn->timer,
		at_ms > now ? at_ms - now : 0);
	conn->timer_at_ms = at_ms;
}

static bool is_idle_locked(const struct rpc_conn *conn)
{
	return !conn->bound && conn->calls == 0 && list_empty(&conn->outcalls);
}

/*
 * A message stands still for too long, in either direction; else look again
 * when it could. A record that we do not read now is not its peer's fault.
 */
static bool is_stuck_locked(struct rpc_conn *conn, uint64_t now)
{
	uint64_t limit = conn->rpc->config.stuck_ms;

	if (conn->unsent_bytes) {
		if (conn->progress_ms + limit <= now)
			return true;
		conn_timer_need_locked(conn, conn->progress_ms + limit);
	}
	if (conn->unfinished) {
		if (conn->reading || !may_read_locked(conn))
			conn->record_ms = now;
		if (conn->record_ms + limit <= now)
			return true;
		conn_timer_need_locked(conn, conn->record_ms + limit);
	}
	return false;
}

enum limit { LIMIT_NONE, LIMIT_IDLE, LIMIT_STUCK };

/* Which limit has passed; else when to look again. */
static enum limit check_limits_locked(struct rpc_conn *conn)
{
	const struct rpc_config *config = &conn->rpc->config;
	uint64_t now = now_ms(conn);
	uint64_t idle_at = conn->active_ms + config->idle_ms;

	if (config->stuck_ms && is_stuck_locked(conn, now))
		return LIMIT_STUCK;
	if (!config->idle_ms || conn->bound)
		return LIMIT_NONE;
	if (!is_idle_locked(conn))
		idle_at = now + config->idle_ms;
	if (idle_at <= now)
		return LIMIT_IDLE;
	conn_timer_need_locked(conn, idle_at);
	return LIMIT_NONE;
}

/* The teardown waits for this to return, so @conn stays. */
static void conn_timer_fire(struct timer *t)
{
	struct rpc_conn *conn = container_of(t, struct rpc_conn, timer);
	enum limit passed;

	lock_acquire(&conn->lock);
	conn->timer_at_ms = 0;
	passed = conn->closing ? LIMIT_NONE : check_limits_locked(conn);
	lock_release(&conn->lock);
	if (passed == LIMIT_NONE)
		return;
	log_debug("closing connection peer=%s reason=%s", conn->peer,
		passed == LIMIT_IDLE ? "idle" : "stuck");
	counter_add(passed == LIMIT_IDLE ? &conn->rpc->stats.idle_closed
					 : &conn->rpc->stats.stuck_closed,
		1);
	rpc_conn_close(conn);
}

void rpc_conn_set_bound(struct rpc_conn *conn, bool bound)
{
	scope_lock(&conn->lock);
	if (conn->closing || conn->bound == bound)
		return;
	conn->bound = bound;
	if (bound || !conn->rpc->config.idle_ms)
		return;
	conn->active_ms = now_ms(conn);
	conn_timer_need_locked(
		conn, conn->active_ms + conn->rpc->config.idle_ms);
}

/* ---- what epoll is asked for ---- */

static void arm_locked(struct rpc_conn *conn, uint32_t want)
{
	struct epoll_event ev = {
		.events = want | EPOLLONESHOT, .data.u64 = conn->id};

	epoll_ctl(conn->rpc->epoll_fd, EPOLL_CTL_MOD, conn->fd, &ev);
	conn->armed = want;
}

/*
 * A connection that is not read for its limits is armed for nothing, which
 * still reports that the peer is gone.
 */
void conn_rearm_locked(struct rpc_conn *conn)
{
	uint32_t want = conn->blocked ? EPOLLOUT : 0;

	if (conn->closing) {
		finish_close_locked(conn);
		return;
	}
	if (!conn->reading && may_read_locked(conn)) {
		if (conn->in) { /* epoll knows nothing of these bytes */
			conn->reading = true;
			worker_pool_ready(conn->rpc, rpc_conn_get(conn));
		} else {
			want |= EPOLLIN;
		}
	}
	if (want == conn->armed || (conn->reading && !want))
		return;
	arm_locked(conn, want);
}

/* Take the read side; false when another has it or it has to wait. */
static bool begin_read(struct rpc_conn *conn, uint32_t events, bool *gone)
{
	scope_lock(&conn->lock);
	conn->armed = CONN_UNARMED;
	if (events & EPOLLOUT)
		conn->blocked = false;
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || conn->closing ||
		conn->reading)
		return false;
	if (may_read_locked(conn) && !conn->in)
		conn->reading = true;
	else if (events & (EPOLLHUP | EPOLLERR))
		*gone = true;
	return conn->reading;
}

void conn_event(struct worker *w, struct rpc_conn *conn, uint32_t events)
{
	bool gone = false;
	bool mine = begin_read(conn, events, &gone);

	if (gone)
		rpc_conn_close(conn);
	if (events & EPOLLOUT)
		conn_flush(conn);
	if (mine) {
		conn_read(w, conn);
		return;
	}
	scope_lock(&conn->lock);
	conn_rearm_locked(conn);
}

/* ---- reading ---- */

enum input { INPUT_RECORD, INPUT_NONE_YET, INPUT_END, INPUT_REFUSED };

/* Give the connection the worker's spare buffers for as long as it reads. */
static bool lend_buffers(struct worker *w, struct rpc_conn *conn)
{
	if (!conn->in) {
		conn->in = w->inbuf ? w->inbuf : malloc(sizeof(*conn->in));
		w->inbuf = NULL;
		if (!conn->in)
			return false;
		conn->in->start = conn->in->end = 0;
	}
	if (!conn->reader.record.data)
		record_lend(&conn->reader, &w->spare);
	return true;
}

/* What holds no bytes goes back to the worker. */
static void reclaim_buffers(struct worker *w, struct rpc_conn *conn)
{
	if (conn->in && conn->in->start == conn->in->end) {
		if (w->inbuf)
			free(w->inbuf);
		w->inbuf = conn->in;
		conn->in = NULL;
	}
	if (!w->spare.data && conn->reader.record.data &&
		record_reader_is_empty(&conn->reader))
		w->spare = record_take(&conn->reader);
}

/* recv() to @to: bytes, 0 with *@state set when there are none. */
static size_t receive(
	struct rpc_conn *conn, void *to, size_t size, enum input *state)
{
	ssize_t n;

	do {
		n = recv(conn->fd, to, size, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	*state = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
		? INPUT_NONE_YET
		: INPUT_END;
	return 0;
}

static enum record_state eat_buffered(struct rpc_conn *conn)
{
	struct inbuf *in = conn->in;
	enum record_state state;
	size_t eaten;

	state = record_eat(&conn->reader, in->data + in->start,
		in->end - in->start, &eaten);
	in->start += eaten;
	return state;
}

/* Large records are read into their place, small ones with what follows. */
static enum record_state receive_more(struct rpc_conn *conn, enum input *input)
{
	struct inbuf *in = conn->in;
	uint8_t *to;
	size_t room, n;

	if (conn->reader.left >= INBUF_SIZE) {
		room = record_room(&conn->reader, &to);
		if (room == 0)
			return RECORD_NOMEM;
		n = receive(conn, to, room, input);
		return n ? record_filled(&conn->reader, n) : RECORD_MORE;
	}
	in->start = 0;
	in->end = receive(conn, in->data, INBUF_SIZE, input);
	return RECORD_MORE;
}

/* Until a record is whole or the socket is empty; owner of the read side. */
static enum input assemble(struct rpc_conn *conn)
{
	enum input input = INPUT_RECORD; /* so far nothing is missing */
	enum record_state state;

	do {
		state = eat_buffered(conn);
		if (state == RECORD_MORE)
			state = receive_more(conn, &input);
	} while (state == RECORD_MORE && input == INPUT_RECORD);
	if (state == RECORD_MORE)
		return input;
	if (state == RECORD_WHOLE && conn->reader.record.size >= MESSAGE_MIN)
		return INPUT_RECORD;
	return INPUT_REFUSED;
}

static bool is_reply(const struct record *rec)
{
	uint32_t type;

	memcpy(&type, rec->data + 4, sizeof(type));
	return be32toh(type) == MESSAGE_REPLY;
}

/* Let the next worker have the read side. */
static void end_read(struct rpc_conn *conn, bool is_call)
{
	scope_lock(&conn->lock);
	note_unfinished_locked(conn);
	conn->reading = false;
	if (is_call) {
		conn->calls++;
		conn->active_ms = now_ms(conn);
	}
	conn_rearm_locked(conn);
}

static void run_record(
	struct worker *w, struct rpc_conn *conn, const struct record *rec)
{
	bool reply = is_reply(rec);

	end_read(conn, !reply);
	if (reply)
		backchannel_reply(w, conn, rec);
	else
		call_serve(w, conn, rec);
}

static void refuse(struct rpc_conn *conn)
{
	counter_add(&conn->rpc->stats.records_refused, 1);
	log_limited(LOG_LVL_INFO, 10000,
		"closing connection peer=%s reason=bad_record", conn->peer);
}

/* The worker keeps a small buffer for the next record. */
static void keep_record(struct worker *w, struct record *rec)
{
	if (!w->spare.data && rec->capacity <= RECORD_SMALL)
		w->spare = *rec;
	else
		record_fini(rec, &w->rpc->bufs);
}

void conn_read(struct worker *w, struct rpc_conn *conn)
{
	struct record rec = {.data = NULL};
	enum input input = INPUT_REFUSED;

	if (lend_buffers(w, conn))
		input = assemble(conn);
	if (input == INPUT_RECORD)
		rec = record_take(&conn->reader);
	reclaim_buffers(w, conn);
	if (input == INPUT_RECORD) {
		run_record(w, conn, &rec);
		keep_record(w, &rec);
		return;
	}
	if (input == INPUT_REFUSED)
		refuse(conn);
	if (input != INPUT_NONE_YET)
		rpc_conn_close(conn);
	end_read(conn, false);
}

void conn_call_done(struct rpc_conn *conn)
{
	scope_lock(&conn->lock);
	conn->calls--;
	conn->active_ms = now_ms(conn);
	conn_rearm_locked(conn);
}

/* ---- the beginning ---- */

static void name_peer(struct rpc_conn *conn)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	socklen_t len = sizeof(ss);
	char host[INET6_ADDRSTRLEN];

	snprintf(conn->peer, sizeof(conn->peer), "local");
	if (getpeername(conn->fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	if (ss.ss_family == AF_INET) {
		conn->peer_port = ntohs(v4->sin_port);
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(conn->peer, sizeof(conn->peer), "%s:%u", host,
			conn->peer_port);
	} else if (ss.ss_family == AF_INET6) {
		conn->peer_port = ntohs(v6->sin6_port);
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(conn->peer, sizeof(conn->peer), "[%s]:%u", host,
			conn->peer_port);
	}
}

static void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value)); /* a wish */
}

static int prepare_socket(struct rpc_conn *conn)
{
	int fd = conn->fd;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	name_peer(conn);
	if (!conn->peer_port)
		return 0;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	if (conn->rpc->config.stuck_ms)
		set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
			conn->rpc->config.stuck_ms);
	return 0;
}

static struct rpc_conn *conn_alloc(struct rpc *rpc, int fd, bool bound)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	ref_init(&conn->ref);
	conn->rpc = rpc;
	conn->fd = fd;
	conn->bound = bound;
	lock_init(&conn->lock, LOCK_CONN);
	list_init(&conn->unsent);
	list_init(&conn->outcalls);
	list_init(&conn->owing);
	timer_init(&conn->timer, conn_timer_fire);
	conn->teardown_job.run = conn_teardown;
	conn->next_xid = (uint32_t)rand_u64();
	conn->active_ms = now_ms(conn);
	record_reader_init(&conn->reader, &rpc->bufs, rpc->config.max_record);
	return conn;
}

/* From here on events come; -errno when they will not. */
static int start_reading(struct rpc_conn *conn)
{
	struct rpc *rpc = conn->rpc;
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLONESHOT, .data.u64 = conn->id};

	scope_lock(&conn->lock);
	if (rpc->config.idle_ms && !conn->bound)
		conn_timer_need_locked(
			conn, conn->active_ms + rpc->config.idle_ms);
	conn->armed = EPOLLIN;
	if (epoll_ctl(rpc->epoll_fd, EPOLL_CTL_ADD, conn->fd, &ev) < 0)
		return -errno;
	return 0;
}

struct rpc_conn *conn_new(struct rpc *rpc, int fd, bool bound)
{
	struct rpc_conn *conn = conn_alloc(rpc, fd, bound);
	int err = -ENOMEM;

	if (conn) {
		err = prepare_socket(conn);
		if (!err)
			err = endpoint_add(rpc, conn);
		if (!err && start_reading(conn) < 0)
			rpc_conn_close(conn); /* counts as born and died */
		if (!err)
			return conn;
		rpc_conn_put(conn);
	} else {
		close(fd);
	}
	endpoint_uncount(rpc);
	errno = -err;
	return NULL;
}

struct rpc_conn *rpc_add_socket(struct rpc *rpc, int fd)
{
	if (!endpoint_count(rpc)) {
		close(fd);
		errno = EMFILE;
		return NULL;
	}
	return conn_new(rpc, fd, false);
}
