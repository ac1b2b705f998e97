/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "rpc/conn.h"

#define BACKLOG      1024
#define ACCEPT_BATCH 16

/* Without descriptors there is no use in trying again at once. */
#define PAUSE_MS 100

struct listener {
	struct rpc *rpc;
	struct list link;
	int fd;
	struct timer resume;
};

/* ---- accepting ---- */

static int arm(struct listener *l, int op)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLONESHOT, .data.ptr = l};

	return epoll_ctl(l->rpc->epoll_fd, op, l->fd, &ev) < 0 ? -errno : 0;
}

static void rearm(struct listener *l)
{
	int err = arm(l, EPOLL_CTL_MOD);

	if (err)
		log_error("cannot wait for connections error=%d", -err);
}

static void resume_fire(struct timer *t)
{
	rearm(container_of(t, struct listener, resume));
}

/* Wait a moment: the backlog holds them; others may close meanwhile. */
static void pause_accept(struct listener *l, int err)
{
	log_limited(LOG_LVL_WARN, 60000, "cannot accept a connection error=%d",
		err);
	counter_add(&l->rpc->stats.accept_pauses, 1);
	timer_set(l->rpc->config.timers, &l->resume, PAUSE_MS);
}

static void admit(struct rpc *rpc, int fd)
{
	struct rpc_conn *conn;

	if (!endpoint_count(rpc)) {
		close(fd);
		return;
	}
	conn = conn_new(rpc, fd, false);
	rpc_conn_put(conn);
}

/* Errors of a connection that died in the backlog are not ours. */
static bool is_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS ||
		err == ENOMEM;
}

void listener_event(struct listener *l)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(
			l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(l->rpc, fd);
		} else if (is_shortage(errno)) {
			pause_accept(l, errno);
			return;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		}
	}
	rearm(l);
}

/* ---- listening ---- */

static void set_flag(int fd, int level, int name)
{
	int one = 1;

	setsockopt(fd, level, name, &one, sizeof(one));
}

/* A listening socket, or -errno. */
static int open_socket(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(
		addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
	if (addr->sa_family == AF_INET6) /* leaves IPv4 to its own socket */
		set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (bind(fd, addr, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void report_address(int fd, struct sockaddr_storage *bound)
{
	socklen_t len = sizeof(*bound);

	*bound = (struct sockaddr_storage){.ss_family = AF_UNSPEC};
	getsockname(fd, (struct sockaddr *)bound, &len);
}

static struct listener *listener_new(struct rpc *rpc, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->rpc = rpc;
	l->fd = fd;
	timer_init(&l->resume, resume_fire);
	return l;
}

/* The socket is taken, also on failure. */
static int listener_start(struct rpc *rpc, int fd)
{
	struct listener *l = listener_new(rpc, fd);
	int err;

	if (!l) {
		close(fd);
		return -ENOMEM;
	}
	scope_lock(&rpc->listen_lock);
	err = arm(l, EPOLL_CTL_ADD);
	if (err) {
		close(fd);
		free(l);
		return err;
	}
	list_add_tail(&rpc->listeners, &l->link);
	return 0;
}

int rpc_listen(struct rpc *rpc, const struct sockaddr *addr, socklen_t len,
	struct sockaddr_storage *bound)
{
	int fd = open_socket(addr, len);

	if (fd < 0)
		return fd;
	if (bound)
		report_address(fd, bound);
	return listener_start(rpc, fd);
}

void listener_fini_all(struct rpc *rpc)
{
	struct listener *l, *next;

	list_for_each_entry_safe(l, next, &rpc->listeners, link) {
		timer_cancel_wait(rpc->config.timers, &l->resume);
		list_del(&l->link);
		close(l->fd);
		free(l);
	}
}

/* ---- connecting ---- */

/* 0 when the connection stands, else -errno. */
static int wait_connected(int fd, uint64_t timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	int limit = timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
	socklen_t len = sizeof(int);
	int err = 0;
	int n;

	do {
		n = poll(&pfd, 1, limit);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int connect_socket(
	int fd, const struct sockaddr *addr, socklen_t len, uint64_t timeout_ms)
{
	if (connect(fd, addr, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	return wait_connected(fd, timeout_ms);
}

int rpc_connect(struct rpc *rpc, const struct sockaddr *addr, socklen_t len,
	uint64_t timeout_ms, struct rpc_conn **ret)
{
	int fd = socket(
		addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	*ret = NULL;
	if (fd < 0)
		return -errno;
	err = connect_socket(fd, addr, len, timeout_ms);
	if (!err && !endpoint_count(rpc))
		err = -EMFILE;
	if (err) {
		close(fd);
		return err;
	}
	*ret = conn_new(rpc, fd, true);
	return *ret ? 0 : -errno;
}
