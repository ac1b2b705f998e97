/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

struct output {
	struct output_config config;
	pthread_t thread;

	struct lock lock; /* guards the following */
	struct cond cond;
	struct render waiting; /* what the thread has not taken yet */
	size_t taken;          /* bytes the thread is writing */
	bool full;             /* somebody was told that there is no room */
	bool closed;
	int error;
};

int output_write_fd(int fd, const char *data, size_t len)
{
	while (len > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		ssize_t n = write(fd, data, len);

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
	while (o->waiting.len == 0 && !o->waiting.failed && !o->closed &&
		!o->error)
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
	return was_full;
}

static void *output_main(void *arg)
{
	struct output *o = arg;
	const struct output_config *config = &o->config;
	struct render lines;

	while (take(o, &lines)) {
		int error = config->write(config->to, lines.data, lines.len);

		render_fini(&lines);
		if (note_written(o, error))
			config->drained(config->ctx);
	}
	config->ended(config->ctx);
	return NULL;
}

struct output *output_new(const struct output_config *config)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->config = *config;
	lock_init(&o->lock, LOCK_LEAF);
	cond_init(&o->cond);
	if (pthread_create(&o->thread, NULL, output_main, o) == 0)
		return o;
	cond_fini(&o->cond);
	lock_fini(&o->lock);
	free(o);
	return NULL;
}

void output_put(struct output *o, const struct render *lines)
{
	scope_lock(&o->lock);
	if (o->error)
		return;
	render_bytes(&o->waiting, lines->data, lines->len);
	o->waiting.failed |= lines->failed;
	cond_broadcast(&o->cond);
}

bool output_has_room(struct output *o)
{
	scope_lock(&o->lock);
	if (o->error || o->waiting.len + o->taken < o->config.limit)
		return true;
	o->full = true;
	return false;
}

int output_error(struct output *o)
{
	scope_lock(&o->lock);
	return o->error;
}

void output_close(struct output *o)
{
	scope_lock(&o->lock);
	o->closed = true;
	cond_broadcast(&o->cond);
}

void output_free(struct output *o)
{
	pthread_join(o->thread, NULL);
	render_fini(&o->waiting);
	cond_fini(&o->cond);
	lock_fini(&o->lock);
	free(o);
}
