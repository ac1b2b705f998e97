/* SPDX-License-Identifier: MIT */
/*
 * What peers owe and we keep for them meanwhile: replies that they do not read
 * and records that they do not finish. Each connection's limits are its own
 * (conn.c); here all of it is counted and bounded, whoever owes it.
 *
 * From half of the limit on, a connection with anything unsent is not read.
 * At the limit those are closed whose peers have moved nothing for longest:
 * not those that owe most, because an honest peer may ask for much, and reads
 * it. What calls keep while they run is bounded by the threads.
 */
#ifndef RPC_ARREARS_H
#define RPC_ARREARS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/lock.h"

struct rpc;
struct rpc_conn;

struct arrears {
	size_t max;
	atomic_size_t bytes;
	struct lock lock;  /* LOCK_LEAF; guards the following */
	struct list conns; /* that owe anything, who moved longest ago first */
};

void arrears_init(struct arrears *a, size_t max);
void arrears_fini(struct arrears *a);

/* Half of the limit is reached. */
bool arrears_are_short(const struct arrears *a);

/* @conn owes @bytes now. Under its lock. */
void arrears_set_locked(struct rpc_conn *conn, size_t bytes);

/* @conn's peer has moved something. Under its lock. */
void arrears_moved_locked(struct rpc_conn *conn);

/* Close whom we must to keep the limit. Without locks, between two works. */
void arrears_enforce(struct rpc *rpc);

#endif
