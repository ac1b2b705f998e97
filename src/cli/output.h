/* SPDX-License-Identifier: MIT */
/*
 * Lines to something that may be slow: whoever puts them never waits, a thread
 * of its own does. They are handed on whole and as soon as they are taken.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/render.h"

struct output;

struct output_config {
	size_t limit; /* bytes that may wait */
	/*
	 * Take whole puts, one or more; waits as long as need be. 0 or an
	 * errno, which ends it. On the thread.
	 */
	int (*write)(void *to, const char *data, size_t len);
	void *to;
	/* On the thread: there is room again; it ended, by itself or not. */
	void (*drained)(void *ctx);
	void (*ended)(void *ctx);
	void *ctx;
};

/* NULL: no memory or no thread. */
struct output *output_new(const struct output_config *config);

/*
 * Append a copy of @lines; more than the limit is taken, too, but
 * output_has_room() says no. Failed ones end it: lines were lost.
 */
void output_put(struct output *o, const struct render *lines);
bool output_has_room(struct output *o);

/* 0, or why it ended early (errno; ENOMEM: lines were lost). */
int output_error(struct output *o);

/* Nothing more comes: it ends when all is written. */
void output_close(struct output *o);

/* After it ended. */
void output_free(struct output *o);

/* All of @data to @fd, however long that takes. 0 or an errno. */
int output_write_fd(int fd, const char *data, size_t len);

#endif
