/* SPDX-License-Identifier: MIT */
#include "cli/bench_each.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define THREADS_MAX 64

struct each {
	int (*one)(void *ctx, uint64_t i);
	void *ctx;
	const atomic_bool *stop;
	uint64_t n;
	_Atomic uint64_t next;
	_Atomic int error;
};

static void *each_main(void *arg)
{
	struct each *e = arg;
	uint64_t i;
	int err, none;

	while ((i = atomic_fetch_add(&e->next, 1)) < e->n && !e->error) {
		err = e->stop && *e->stop ? -EINTR : e->one(e->ctx, i);
		none = 0;
		if (err)
			atomic_compare_exchange_strong(&e->error, &none, err);
	}
	return NULL;
}

/* This thread works, too: it is done even if no other can be made. */
int bench_each(unsigned threads, uint64_t n, const atomic_bool *stop,
	int (*one)(void *ctx, uint64_t i), void *ctx)
{
	struct each e = {.one = one, .ctx = ctx, .stop = stop, .n = n};
	pthread_t others[THREADS_MAX];
	unsigned made = 0;

	while (made + 1 < threads && made < THREADS_MAX && made + 1 < n &&
		pthread_create(&others[made], NULL, each_main, &e) == 0)
		made++;
	each_main(&e);
	while (made > 0)
		pthread_join(others[--made], NULL);
	return e.error;
}
