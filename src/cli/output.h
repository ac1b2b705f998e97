/* SPDX-License-Identifier: MIT */
/*
 * Lines to a descriptor that may be slow: whoever writes never waits, a thread
 * of its own does. Lines go out whole and as soon as the descriptor takes them.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output;

/*
 * @drained is called on the thread when there is room again, @broken (once)
 * when the descriptor fails. NULL: no memory or no thread.
 */
struct output *output_new(int fd, size_t limit, void (*drained)(void *ctx),
	void (*broken)(void *ctx), void *ctx);

/* Append; more than @limit is taken, too, but output_has_room() says no. */
void output_put(struct output *o, const char *data, size_t len);
bool output_has_room(struct output *o);

/* 0, or why the descriptor failed (errno; ENOMEM: lines were lost). */
int output_error(struct output *o);

/*
 * Write out the rest, but wait for the descriptor no longer than @timeout_ms,
 * and free. False: something was not written.
 */
bool output_finish(struct output *o, unsigned timeout_ms);

#endif
