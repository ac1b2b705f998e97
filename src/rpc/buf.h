/* SPDX-License-Identifier: MIT */
/*
 * Large buffers, all of one size: every reply is encoded into one, and a call
 * that outgrows a small buffer moves into one. The last one given back is
 * taken first, so few of them are ever touched; a few are kept, and what
 * concurrency needs beyond those comes from the heap and goes back to it.
 */
#ifndef RPC_BUF_H
#define RPC_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

#define BUF_KEPT_MAX 32

struct buf_pool {
	struct lock lock; /* guards kept and nkept */
	uint8_t *kept[BUF_KEPT_MAX];
	unsigned nkept, keep;
	size_t size; /* of each buffer */
};

/* Buffers of @size bytes, of which at most @keep stay when unused. */
void buf_pool_init(struct buf_pool *pool, size_t size, unsigned keep);

/* Every buffer must have been given back. */
void buf_pool_fini(struct buf_pool *pool);

/* Any thread, under any lock. NULL when memory is out. */
uint8_t *buf_take(struct buf_pool *pool);

/* Takes @data, which may be NULL. */
void buf_give(struct buf_pool *pool, uint8_t *data);

#endif
