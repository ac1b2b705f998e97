/* SPDX-License-Identifier: MIT */
/*
 * What the files that make and end clients share: the tables, and the steps of
 * an end. Inside src/state only.
 */
#ifndef STATE_CLIENT_PRIVATE_H
#define STATE_CLIENT_PRIVATE_H

#include "state/client.h"

/* Unconfirmed, in no table, with one reference; NULL when out of memory. */
struct client *client_new(struct state *s, const client_owner4 *owner,
	const struct principal *who);

/* Under the clients lock. The tables take a reference of their own. */
void client_link_locked(struct client *c);
struct client *client_by_id_locked(struct state *s, uint64_t id);
struct client *client_by_owner_locked(
	struct state *s, const struct xdr_opaque *owner, bool confirmed);

/*
 * Out of the tables: nobody finds it any more and no call of it begins. False
 * when that was done before; else client_finish() must follow, without locks.
 * Under the clients lock; _held: and under the client's own.
 */
bool client_unlink_locked(struct client *c);
bool client_unlink_held(struct client *c);

/* The rest of the end: sessions, stateids, waiters, the tables' reference. */
void client_finish(struct client *c, enum client_end_reason reason);

/* Anything that an unexpired lease protects (18.35.4 case 3)? */
bool client_has_state(struct client *c);

/* client_call_begin() and _end() without renewing the lease. */
bool client_hold(struct client *c);
void client_release(struct client *c);

bool principal_equal(const struct principal *a, const struct principal *b);

#endif
