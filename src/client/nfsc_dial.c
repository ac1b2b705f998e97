/* SPDX-License-Identifier: MIT */
/* Finding the server's host and connecting to it. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/rand.h"
#include "client/nfsc_priv.h"

#define CONNECT_TIMEOUT_MS 10000

/* Ports below 1024 that no well-known service claims. */
#define RESERVED_FIRST 665
#define RESERVED_LAST  1023

/* ---- from a port below 1024 ---- */

static void set_port(struct sockaddr_storage *addr, uint16_t port)
{
	if (addr->ss_family == AF_INET6)
		((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)addr)->sin_port = htons(port);
}

/* Bind @fd to a free one; 0 or -errno (EACCES: we may not). */
static int bind_reserved(int fd, sa_family_t family)
{
	struct sockaddr_storage any = {.ss_family = family};
	socklen_t len = family == AF_INET6 ? sizeof(struct sockaddr_in6)
					   : sizeof(struct sockaddr_in);
	unsigned n = RESERVED_LAST - RESERVED_FIRST + 1;
	unsigned at = (unsigned)(rand_u64() % n);

	for (unsigned i = 0; i < n; i++) {
		set_port(&any, (uint16_t)(RESERVED_FIRST + (at + i) % n));
		if (bind(fd, (struct sockaddr *)&any, len) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

static int wait_connected(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int n, err = 0;

	do {
		n = poll(&ready, 1, CONNECT_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

/* A connected socket, or -errno. */
static int connect_reserved(const struct addrinfo *ai)
{
	int fd = socket(
		ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = bind_reserved(fd, (sa_family_t)ai->ai_family);
	if (err == 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		err = errno == EINPROGRESS ? wait_connected(fd) : -errno;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

/* ---- any way ---- */

static int dial_address(
	struct nfsc *c, const struct addrinfo *ai, struct rpc_conn **ret)
{
	int fd = c->config.reserved_port ? connect_reserved(ai) : -EACCES;

	/* We may not, or all were used just now: the server may not mind. */
	if (fd == -EACCES || fd == -EADDRINUSE || fd == -EADDRNOTAVAIL)
		return rpc_connect(c->net->rpc, ai->ai_addr, ai->ai_addrlen,
			CONNECT_TIMEOUT_MS, ret);
	if (fd < 0)
		return fd;
	*ret = rpc_add_socket(c->net->rpc, fd);
	return *ret ? 0 : -errno;
}

static int dial_any(
	struct nfsc *c, const struct addrinfo *list, struct rpc_conn **ret)
{
	int err = -EADDRNOTAVAIL;

	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		err = dial_address(c, ai, ret);
		if (err == 0)
			return 0;
	}
	return err;
}

static int dial_host(struct nfsc *c, struct rpc_conn **ret)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list;
	char port[8];
	int err;

	snprintf(port, sizeof(port), "%u", c->config.port);
	err = getaddrinfo(c->config.host, port, &hints, &list);
	if (err == EAI_SYSTEM)
		return -errno;
	if (err)
		return err == EAI_AGAIN ? -EAGAIN : -ENXIO;
	err = dial_any(c, list, ret);
	freeaddrinfo(list);
	return err;
}

int nfsc_dial(struct nfsc *c, struct rpc_conn **ret)
{
	if (c->config.dial)
		return c->config.dial(c->config.dial_ctx, c->net->rpc, ret);
	if (c->config.host)
		return dial_host(c, ret);
	return -EINVAL;
}
