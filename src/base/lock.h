/* SPDX-License-Identifier: MIT */
/*
 * Mutexes with a rank. Locks are taken in ascending rank only; builds with
 * assertions check it for every acquisition (doc/locking.md has the reasons).
 * Two locks of one rank are taken together only by lock_acquire_pair().
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The order is the documentation: a thread that holds a lock may take only
 * locks further down this list.
 */
enum lock_rank {
	LOCK_SERVER,   /* start, stop, reload */
	LOCK_CHANGE,   /* one directory's change section (state/node) */
	LOCK_CLIENTS,  /* tables of clients */
	LOCK_CLIENT,   /* one client: its sessions, its state, its lease */
	LOCK_SESSIONS, /* one shard of the session table */
	LOCK_NODES,    /* one shard of the node table */
	LOCK_CHILDREN, /* one shard of the children that are watched */
	LOCK_NODE,     /* one object: opens, locks, delegations on it */
	LOCK_STATEIDS, /* one shard of the stateid table */
	LOCK_SESSION,  /* slots of one session, both channels */
	LOCK_NOTIFYQ,  /* one delegation's queue */
	LOCK_RECALL,   /* the list of outstanding recalls */
	LOCK_LOCAL,    /* directories watched for local changes (nfs/local) */
	LOCK_STORE,    /* a store's own tables (memory store: its tree) */
	LOCK_WATCH,    /* what a store watches for outside changes */
	LOCK_DIRINDEX, /* one directory's listing index */
	LOCK_FDCACHE,  /* handle to descriptor cache */
	LOCK_CONNS,    /* the list of connections */
	LOCK_CONN,     /* one connection: reading, write queue, calls */
	LOCK_POOL,     /* worker pool, job queue, permits */
	LOCK_CLIENT_SIDE, /* src/client's own */
	LOCK_CB_RETRIES,  /* callbacks to be sent again (nfs/cb) */
	LOCK_TIMERS,      /* the timer heap */
	LOCK_CLOCK,       /* the fake clock */
	LOCK_LEAF,        /* takes no other lock, may be taken under any */
	LOCK_RANKS
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

/* An unlocked lock; @rank decides where in the order it may be taken. */
void lock_init(struct lock *l, enum lock_rank rank);
void lock_fini(struct lock *l);
void lock_acquire(struct lock *l);
void lock_release(struct lock *l);

/* True when taken; keeps the rank rule like lock_acquire(). */
bool lock_try(struct lock *l);

/*
 * Take two locks of one rank in address order; @a == @b takes one. Release
 * with lock_release_pair().
 */
void lock_acquire_pair(struct lock *a, struct lock *b);
void lock_release_pair(struct lock *a, struct lock *b);

/* Assert that the calling thread holds a lock of this rank. */
void lock_assert_held(const struct lock *l);

/* Condition variables on the monotonic clock, used with a struct lock. */
struct cond {
	pthread_cond_t cond;
};

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
void cond_wait(struct cond *c, struct lock *l);

/* False when @timeout_ms passed first. */
bool cond_wait_ms(struct cond *c, struct lock *l, uint64_t timeout_ms);

#endif
