/* SPDX-License-Identifier: MIT */
#include "rpc/buf.h"

#include <stdlib.h>

#include "base/cleanup.h"

void buf_pool_init(struct buf_pool *pool, size_t size, unsigned keep)
{
	*pool = (struct buf_pool){.size = size};
	pool->keep = keep < BUF_KEPT_MAX ? keep : BUF_KEPT_MAX;
	lock_init(&pool->lock, LOCK_LEAF);
}

void buf_pool_fini(struct buf_pool *pool)
{
	while (pool->nkept)
		free(pool->kept[--pool->nkept]);
	lock_fini(&pool->lock);
}

static uint8_t *take_kept(struct buf_pool *pool)
{
	scope_lock(&pool->lock);
	return pool->nkept ? pool->kept[--pool->nkept] : NULL;
}

uint8_t *buf_take(struct buf_pool *pool)
{
	uint8_t *data = take_kept(pool);

	return data ? data : malloc(pool->size);
}

static bool keep_it(struct buf_pool *pool, uint8_t *data)
{
	scope_lock(&pool->lock);
	if (pool->nkept == pool->keep)
		return false;
	pool->kept[pool->nkept++] = data;
	return true;
}

void buf_give(struct buf_pool *pool, uint8_t *data)
{
	if (data && !keep_it(pool, data))
		free(data);
}
