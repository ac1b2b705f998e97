/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

/* How many locks of each rank this thread holds, and which ranks at all. */
static __thread uint8_t held_count[LOCK_RANKS];
static __thread uint32_t held_ranks;

_Static_assert(LOCK_RANKS <= 32, "held_ranks is a 32-bit set");

static void note_acquired(const struct lock *l)
{
	held_count[l->rank]++;
	held_ranks |= 1u << l->rank;
}

static void note_released(const struct lock *l)
{
	assert(held_count[l->rank] > 0);
	if (--held_count[l->rank] == 0)
		held_ranks &= ~(1u << l->rank);
}

/* Every rank held must be lower than the one asked for. */
static void assert_ascending(enum lock_rank rank)
{
	assert(held_ranks >> rank == 0);
}

static void mutex_lock(struct lock *l)
{
	int err = pthread_mutex_lock(&l->mutex);

	assert(err == 0);
	(void)err;
	note_acquired(l);
}

void lock_init(struct lock *l, enum lock_rank rank)
{
	pthread_mutex_init(&l->mutex, NULL);
	l->rank = rank;
}

void lock_fini(struct lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

void lock_acquire(struct lock *l)
{
	assert_ascending(l->rank);
	mutex_lock(l);
}

void lock_release(struct lock *l)
{
	int err;

	note_released(l);
	err = pthread_mutex_unlock(&l->mutex);
	assert(err == 0);
	(void)err;
}

bool lock_try(struct lock *l)
{
	assert_ascending(l->rank);
	if (pthread_mutex_trylock(&l->mutex) != 0)
		return false;
	note_acquired(l);
	return true;
}

void lock_acquire_pair(struct lock *a, struct lock *b)
{
	assert(a->rank == b->rank);
	assert_ascending(a->rank);
	mutex_lock(a < b ? a : b);
	if (a != b)
		mutex_lock(a < b ? b : a);
}

void lock_release_pair(struct lock *a, struct lock *b)
{
	lock_release(a);
	if (a != b)
		lock_release(b);
}

void lock_assert_held(const struct lock *l)
{
	assert(held_count[l->rank] > 0);
	(void)l;
}

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *c)
{
	pthread_cond_destroy(&c->cond);
}

void cond_signal(struct cond *c)
{
	pthread_cond_signal(&c->cond);
}

void cond_broadcast(struct cond *c)
{
	pthread_cond_broadcast(&c->cond);
}

void cond_wait(struct cond *c, struct lock *l)
{
	pthread_cond_wait(&c->cond, &l->mutex);
}

bool cond_wait_ms(struct cond *c, struct lock *l, uint64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_cond_timedwait(&c->cond, &l->mutex, &until) != ETIMEDOUT;
}
