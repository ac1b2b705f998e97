/* SPDX-License-Identifier: MIT */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/control_verb.h"

#define PEERS_MAX   16
#define BACKLOG     16
#define REQUEST_MAX 4096
#define PATIENCE_MS 10000 /* without a byte either way; then it may go */

/* A job goes on when less than this is left of what it wrote. */
#define OUT_LOW (64 * 1024)

/* Who asks: first the request comes, then the answer goes. */
struct peer {
	int fd; /* -1: nobody */
	uint64_t active_ms;
	size_t request_len;
	bool answering;
	struct control_job *job; /* NULL: all of it is in `out` */
	struct control_out out;
	char request[REQUEST_MAX];
};

struct control {
	struct control_source source;
	struct control_disks disks;
	int dir_fd; /* of the socket's directory, ours */
	int listen_fd, stop_fd;
	pthread_t thread;
	struct peer peers[PEERS_MAX];
};

static const struct control_verb *const verbs[] = {
	&control_status,
	&control_clients,
	&control_delegations,
	&control_recall,
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return timespec_to_ns(&now) / NSEC_PER_MSEC;
}

/* ---- output ---- */

static char *out_reserve(struct control_out *out, size_t size)
{
	size_t room = out->room ? out->room : 1024;
	char *grown;

	if (out->start == out->end)
		out->start = out->end = 0;
	while (room - out->end < size)
		room *= 2;
	if (room == out->room)
		return out->data + out->end;
	grown = realloc(out->data, room);
	if (!grown)
		return NULL;
	out->data = grown;
	out->room = room;
	return grown + out->end;
}

/* ASCII only: it is safe on any terminal. */
#define JSON_FORM (JSON_COMPACT | JSON_ENSURE_ASCII)

void control_put(struct control_out *out, json_t *object)
{
	size_t size = object ? json_dumpb(object, NULL, 0, JSON_FORM) : 0;
	char *at = size && !out->failed ? out_reserve(out, size + 1) : NULL;

	if (at) {
		json_dumpb(object, at, size, JSON_FORM);
		at[size] = '\n';
		out->end += size + 1;
	}
	out->failed |= !at;
	json_decref(object);
}

void control_put_error(struct control_out *out, const char *why)
{
	control_put(out, json_pack("{ss}", "error", why));
}

/* ---- a peer ---- */

static void peer_close(struct peer *p)
{
	if (p->job)
		p->job->free(p->job);
	free(p->out.data);
	close(p->fd);
	*p = (struct peer){.fd = -1};
}

static struct control_job *begin_job(const struct control_source *source,
	const json_t *request, const char **why)
{
	const char *name =
		json_string_value(json_object_get(request, "command"));

	*why = "\"command\" is missing or unknown";
	for (size_t i = 0; name && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i]->begin(source, request, why);
	}
	return NULL;
}

static void peer_begin(struct control *c, struct peer *p)
{
	json_t *request = json_loadb(
		p->request, p->request_len, JSON_REJECT_DUPLICATES, NULL);
	const char *why = "the request is not one line of JSON";

	p->answering = true;
	if (request)
		p->job = begin_job(&c->source, request, &why);
	if (!p->job)
		control_put_error(&p->out, why);
	json_decref(request);
}

/* False: it is gone, or was never serious. */
static bool peer_read(struct control *c, struct peer *p)
{
	char *at = p->request + p->request_len, *end;
	ssize_t n = recv(p->fd, at, REQUEST_MAX - p->request_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	p->request_len += (size_t)n;
	end = memchr(at, '\n', (size_t)n);
	if (end) {
		p->request_len = (size_t)(end - p->request);
		peer_begin(c, p);
	} else if (p->request_len == REQUEST_MAX) {
		p->answering = true;
		control_put_error(&p->out, "the request is too long");
	}
	return true;
}

static bool peer_wants_step(const struct peer *p)
{
	return p->job && p->out.end - p->out.start < OUT_LOW;
}

static void peer_step(struct peer *p)
{
	bool more = p->job->step(p->job, &p->out);

	p->active_ms = now_ms();
	if (more && !p->out.failed)
		return;
	p->job->free(p->job);
	p->job = NULL;
	control_put(&p->out, json_pack("{sb}", "done", 1));
}

/* False: it is gone, or has everything. */
static bool peer_write(struct peer *p)
{
	struct control_out *out = &p->out;
	ssize_t n;

	if (peer_wants_step(p))
		peer_step(p);
	if (out->failed)
		return false; /* without the last line: it is seen */
	if (out->start == out->end)
		return p->job != NULL;
	n = send(p->fd, out->data + out->start, out->end - out->start,
		MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	out->start += (size_t)n;
	p->active_ms = now_ms();
	return p->job || out->start < out->end;
}

static bool stands_still(const struct control *c, const struct peer *p)
{
	return now_ms() - p->active_ms > c->source.patience_ms;
}

static void peer_serve(struct control *c, struct peer *p, short events)
{
	bool good = !(p->answering && (events & (POLLHUP | POLLERR)));

	if (!p->answering && events)
		good = peer_read(c, p);
	if (good && p->answering)
		good = peer_write(p);
	if (!good || (!p->answering && stands_still(c, p)))
		peer_close(p);
}

/* ---- the thread ---- */

/*
 * A free one, made free if need be: somebody may read his answer in a pager,
 * but only as long as nobody else wants to ask.
 */
static struct peer *free_peer(struct control *c)
{
	struct peer *stillest = &c->peers[0];

	for (int i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &c->peers[i];

		if (p->fd < 0)
			return p;
		if (p->active_ms < stillest->active_ms)
			stillest = p;
	}
	if (!stands_still(c, stillest))
		return NULL;
	peer_close(stillest);
	return stillest;
}

static void refuse(int fd)
{
	static const char why[] =
		"{\"error\":\"too many are asking, try again\"}\n";

	if (send(fd, why, sizeof(why) - 1, MSG_NOSIGNAL) < 0)
		log_debug("control: %s", strerror(errno));
	close(fd);
}

/* False: no descriptors left, or the like; not again at once. */
static bool accept_peer(struct control *c)
{
	int fd =
		accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer *p = fd < 0 ? NULL : free_peer(c);

	if (fd < 0)
		return false;
	if (!p) {
		refuse(fd);
		return true;
	}
	p->fd = fd;
	p->active_ms = now_ms();
	return true;
}

/* What to wait for, and how long. */
static int prepare(const struct control *c, bool accepting, struct pollfd *fds)
{
	int timeout_ms = accepting ? -1 : 1000;

	fds[0] = (struct pollfd){.fd = c->stop_fd, .events = POLLIN};
	fds[1] = (struct pollfd){
		.fd = accepting ? c->listen_fd : -1, .events = POLLIN};
	for (int i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = &c->peers[i];

		fds[2 + i] = (struct pollfd){
			.fd = p->fd, .events = p->answering ? POLLOUT : POLLIN};
		if (p->fd >= 0)
			timeout_ms = 1000;
	}
	return timeout_ms;
}

static void serve_peers(struct control *c, const struct pollfd *ready)
{
	for (int i = 0; i < PEERS_MAX; i++) {
		if (c->peers[i].fd >= 0 && c->peers[i].fd == ready[i].fd)
			peer_serve(c, &c->peers[i], ready[i].revents);
	}
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	struct pollfd fds[2 + PEERS_MAX];
	bool accepting = true;

	for (;;) {
		int timeout_ms = prepare(c, accepting, fds);

		poll(fds, 2 + PEERS_MAX, timeout_ms);
		if (fds[0].revents)
			return NULL;
		serve_peers(c, fds + 2);
		accepting = !fds[1].revents || accept_peer(c);
	}
}

/* ---- start and stop ---- */

/* By way of the directory: a path may be too long for a socket's address. */
static struct sockaddr_un address_in(int dir_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
		dir_fd, CONTROL_SOCKET);
	return addr;
}

/* Nobody else may open it, not even between bind() and chmod(). */
static int listen_in(int dir_fd)
{
	struct sockaddr_un addr = address_in(dir_fd);
	int err,
		fd = socket(
			AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	unlinkat(dir_fd, CONTROL_SOCKET, 0);
	if (fchmod(fd, 0600) == 0 &&
		bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void control_free(struct control *c)
{
	for (int i = 0; i < PEERS_MAX; i++) {
		if (c->peers[i].fd >= 0)
			peer_close(&c->peers[i]);
	}
	if (c->listen_fd >= 0) {
		unlinkat(c->dir_fd, CONTROL_SOCKET, 0);
		close(c->listen_fd);
	}
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	if (c->dir_fd >= 0)
		close(c->dir_fd);
	control_disks_fini(&c->disks);
	free(c);
}

static int open_all(struct control *c, int dir_fd)
{
	c->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (c->dir_fd < 0)
		return -errno;
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (c->stop_fd < 0)
		return -errno;
	c->listen_fd = listen_in(c->dir_fd);
	return c->listen_fd < 0 ? c->listen_fd : 0;
}

int control_start(
	int dir_fd, const struct control_source *source, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->source = *source;
	c->source.disks = &c->disks;
	if (!c->source.patience_ms)
		c->source.patience_ms = PATIENCE_MS;
	control_disks_init(&c->disks);
	c->dir_fd = c->listen_fd = c->stop_fd = -1;
	for (int i = 0; i < PEERS_MAX; i++)
		c->peers[i].fd = -1;
	err = open_all(c, dir_fd);
	if (!err)
		err = -pthread_create(&c->thread, NULL, control_main, c);
	if (err) {
		control_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

void control_stop(struct control *c)
{
	const uint64_t one = 1;

	if (!c)
		return;
	if (write(c->stop_fd, &one, sizeof(one)) < 0)
		abort(); /* an eventfd of our own takes a first 1 */
	pthread_join(c->thread, NULL);
	control_free(c);
}
