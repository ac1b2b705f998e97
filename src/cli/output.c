/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/render.h"

struct output {
	int fd;
	size_t limit;
	void (*drained)(void *ctx);
	void (*broken)(void *ctx);
	void *ctx;
	pthread_t thread;

	struct lock lock; /* guards the following */
	struct cond cond;
	struct render waiting; /* what the thread has not taken yet */
	size_t taken;          /* bytes the thread is writing */
	bool full;             /* somebody was told that there is no room */
	bool finish, abandon;
	int error;
};

/* Write all of it; 0 or errno. */
static int write_all(struct output *o, const char *data, size_t len)
{
	while (len > 0) {
		struct pollfd ready = {.fd = o->fd, .events = POLLOUT};
		ssize_t n = write(o->fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			poll(&ready, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

/* Wait for lines and take them; false: there will be no more. */
static bool take(struct output *o, struct render *ret)
{
	scope_lock(&o->lock);
	while (o->waiting.len == 0 && !o->finish && !o->error)
		cond_wait(&o->cond, &o->lock);
	if (o->waiting.failed && !o->error)
		o->error = ENOMEM;
	if (o->waiting.len == 0 || o->error)
		return false;
	*ret = o->waiting;
	o->waiting = (struct render){.data = NULL};
	o->taken = ret->len;
	return true;
}

/* True when somebody waits to hear that there is room. */
static bool note_written(struct output *o, int error)
{
	bool was_full;

	scope_lock(&o->lock);
	o->taken = 0;
	if (error)
		o->error = error;
	was_full = o->full;
	o->full = false;
	cond_broadcast(&o->cond);
	return was_full;
}

static void *output_main(void *arg)
{
	struct output *o = arg;
	struct render lines;

	while (take(o, &lines)) {
		int error = write_all(o, lines.data, lines.len);

		render_fini(&lines);
		if (note_written(o, error))
			o->drained(o->ctx);
	}
	if (output_error(o))
		o->broken(o->ctx);
	return NULL;
}

struct output *output_new(int fd, size_t limit, void (*drained)(void *ctx),
	void (*broken)(void *ctx), void *ctx)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->fd = fd;
	o->limit = limit;
	o->drained = drained;
	o->broken = broken;
	o->ctx = ctx;
	lock_init(&o->lock, LOCK_LEAF);
	cond_init(&o->cond);
	if (pthread_create(&o->thread, NULL, output_main, o) == 0)
		return o;
	cond_fini(&o->cond);
	lock_fini(&o->lock);
	free(o);
	return NULL;
}

void output_put(struct output *o, const char *data, size_t len)
{
	scope_lock(&o->lock);
	if (o->error)
		return;
	render_bytes(&o->waiting, data, len);
	cond_broadcast(&o->cond);
}

bool output_has_room(struct output *o)
{
	scope_lock(&o->lock);
	if (o->error || o->waiting.len + o->taken < o->limit)
		return true;
	o->full = true;
	return false;
}

int output_error(struct output *o)
{
	scope_lock(&o->lock);
	return o->error;
}

bool output_finish(struct output *o, unsigned timeout_ms)
{
	struct timespec end;
	bool good;

	lock_acquire(&o->lock);
	o->finish = true;
	cond_broadcast(&o->cond);
	lock_release(&o->lock);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	/* Stuck in write(): leave it there, the process is about to end. */
	if (pthread_timedjoin_np(o->thread, NULL, &end) != 0)
		return false;
	good = o->error == 0;
	render_fini(&o->waiting);
	cond_fini(&o->cond);
	lock_fini(&o->lock);
	free(o);
	return good;
}
