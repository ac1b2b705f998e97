/* SPDX-License-Identifier: MIT */
#include "state/notifyq.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "state/dirmemory.h"

#define RING_SMALLEST 8

void notifyq_init(struct notifyq *q, uint32_t batch_bytes)
{
	*q = (struct notifyq){
		.state = NOTIFYQ_IDLE, .batch_bytes = batch_bytes};
	lock_init(&q->lock, LOCK_NOTIFYQ);
}

static struct dir_event **slot_at(struct notifyq *q, uint32_t i)
{
	return &q->ring[(q->first + i) & (q->capacity - 1)];
}

static int64_t ring_bytes(uint32_t capacity)
{
	return (int64_t)capacity * (int64_t)sizeof(struct dir_event *);
}

/* A ring moved out of its queue, to be emptied without the lock. */
struct old_ring {
	struct dir_event **ring;
	uint32_t first, count, capacity;
};

static struct old_ring take_ring_locked(struct notifyq *q)
{
	struct old_ring old = {q->ring, q->first, q->count, q->capacity};

	q->ring = NULL;
	q->first = q->count = q->capacity = 0;
	q->bytes = 0;
	return old;
}

static void ring_free(struct dir_event **ring, uint32_t capacity)
{
	dirmemory_count(DIRMEMORY_QUEUES, -ring_bytes(capacity));
	free(ring);
}

static void old_ring_free(struct old_ring *old)
{
	for (uint32_t i = 0; i < old->count; i++)
		dir_event_put(
			old->ring[(old->first + i) & (old->capacity - 1)]);
	ring_free(old->ring, old->capacity);
}

void notifyq_fini(struct notifyq *q)
{
	struct old_ring old = take_ring_locked(q);

	old_ring_free(&old);
	lock_fini(&q->lock);
}

/* Room for one more: a power of two, so that positions wrap by masking. */
static bool reserve_locked(struct notifyq *q)
{
	uint32_t grown = q->capacity ? q->capacity * 2 : RING_SMALLEST;
	struct dir_event **ring;

	if (q->count < q->capacity)
		return true;
	ring = malloc(grown * sizeof(*ring));
	if (!ring)
		return false;
	for (uint32_t i = 0; i < q->count; i++)
		ring[i] = *slot_at(q, i);
	ring_free(q->ring, q->capacity);
	dirmemory_count(DIRMEMORY_QUEUES, ring_bytes(grown));
	q->ring = ring;
	q->first = 0;
	q->capacity = grown;
	return true;
}

static bool is_full_locked(const struct notifyq *q, const struct dir_event *e,
	const struct state_config *config)
{
	return q->count >= config->notify_max_events ||
		(size_t)q->bytes + e->size > config->notify_max_bytes ||
		q->bytes > UINT32_MAX - e->size;
}

static void append_locked(struct notifyq *q, struct dir_event *e)
{
	*slot_at(q, q->count) = dir_event_ref(e);
	q->count++;
	q->bytes += e->size;
}

/* Is @e, just appended, the one that made a full batch? */
static bool fills_batch_locked(
	const struct notifyq *q, const struct dir_event *e)
{
	return q->bytes >= q->batch_bytes &&
		q->bytes - e->size < q->batch_bytes;
}

enum notifyq_put notifyq_put(struct notifyq *q, struct dir_event *e,
	const struct state_config *config)
{
	scope_lock(&q->lock);
	if (q->state == NOTIFYQ_STOPPED)
		return NOTIFYQ_NOT_TAKEN;
	if (is_full_locked(q, e, config) || !reserve_locked(q))
		return NOTIFYQ_FULL;
	append_locked(q, e);
	switch (q->state) {
	case NOTIFYQ_IDLE:
		q->state = NOTIFYQ_QUEUED;
		return fills_batch_locked(q, e) ? NOTIFYQ_PUT_BATCH
						: NOTIFYQ_PUT_FIRST;
	case NOTIFYQ_QUEUED:
		return fills_batch_locked(q, e) ? NOTIFYQ_PUT_BATCH
						: NOTIFYQ_PUT;
	default:
		q->state = NOTIFYQ_SENDING_QUEUED;
		return NOTIFYQ_PUT;
	}
}

size_t notifyq_take(struct notifyq *q, struct dir_event **ret, size_t max)
{
	size_t n;

	scope_lock(&q->lock);
	if (q->state != NOTIFYQ_QUEUED || max == 0)
		return 0;
	n = q->count < max ? q->count : max;
	for (size_t i = 0; i < n; i++)
		ret[i] = dir_event_ref(*slot_at(q, i));
	q->taken = n;
	q->state = n < q->count ? NOTIFYQ_SENDING_QUEUED : NOTIFYQ_SENDING;
	return n;
}

static void drop_front_locked(struct notifyq *q)
{
	struct dir_event *e = *slot_at(q, 0);

	q->bytes -= e->size;
	q->first = (q->first + 1) & (q->capacity - 1);
	q->count--;
	dir_event_put(e);
}

/* An idle delegation keeps no ring. */
static void release_ring_locked(struct notifyq *q)
{
	ring_free(q->ring, q->capacity);
	q->ring = NULL;
	q->first = q->capacity = 0;
}

bool notifyq_sent(struct notifyq *q, size_t sent)
{
	scope_lock(&q->lock);
	assert(sent <= q->taken);
	q->taken = 0;
	if (q->state == NOTIFYQ_STOPPED)
		return false;
	for (size_t i = 0; i < sent; i++)
		drop_front_locked(q);
	if (q->count) {
		q->state = NOTIFYQ_QUEUED;
		return true;
	}
	release_ring_locked(q);
	q->state = NOTIFYQ_IDLE;
	return false;
}

bool notifyq_has_work(struct notifyq *q, uint64_t *front_ms)
{
	scope_lock(&q->lock);
	if (q->state != NOTIFYQ_QUEUED)
		return false;
	*front_ms = q->bytes < q->batch_bytes ? (*slot_at(q, 0))->when_ms : 0;
	return true;
}

void notifyq_stop(struct notifyq *q)
{
	struct old_ring old;

	lock_acquire(&q->lock);
	q->state = NOTIFYQ_STOPPED;
	old = take_ring_locked(q);
	lock_release(&q->lock);
	old_ring_free(&old);
}

bool notifyq_is_stopped(struct notifyq *q)
{
	scope_lock(&q->lock);
	return q->state == NOTIFYQ_STOPPED;
}

uint32_t notifyq_length(struct notifyq *q)
{
	scope_lock(&q->lock);
	return q->count;
}

bool notifyq_is_idle(struct notifyq *q)
{
	scope_lock(&q->lock);
	return q->count == 0 && q->taken == 0;
}
