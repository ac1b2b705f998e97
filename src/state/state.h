/* SPDX-License-Identifier: MIT */
/*
 * The state manager: clients, sessions, stateids, opens, locks, directory
 * delegations and the change sections that order a directory's changes. It
 * knows the protocol's rules (RFC 8881) and its types, but neither the wire
 * nor any store: it never sends and never touches a file. What it needs done
 * it asks for through `struct state_ops`.
 *
 * Functions return nfsstat4 where a client will see the answer.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/timer.h"
#include "vocab/fileid.h"

struct state;
struct client;
struct deleg;
struct node;

/*
 * What the floor above does for state. Called without any lock of state held,
 * from any thread (timers included); must not block: post a job.
 */
struct state_ops {
	/* Send CB_RECALL for @d: a reference that recall_sent() takes back. */
	void (*send_recall)(void *ctx, struct deleg *d);
	/*
	 * A batch of @d is due (its window is over): send CB_NOTIFY, see
	 * batch.h. A reference that batch_done() takes back.
	 */
	void (*send_notify)(void *ctx, struct deleg *d);
	/*
	 * Ask @c to give directory delegations back until it has @keep
	 * (CB_RECALL_ANY; Linux listens to RDATA_DLG only). May be NULL.
	 */
	void (*send_recall_any)(void *ctx, struct client *c, uint32_t keep);
	/* Probe the backchannel of @c with a lone CB_SEQUENCE (DD-12). */
	void (*send_probe)(void *ctx, struct client *c);
	/* A backchannel slot of @c became free or a connection was bound. */
	void (*cb_ready)(void *ctx, struct client *c);
	/* The last open of an unlinked object is gone: store_unpin(). */
	void (*unpin)(void *ctx, void *store, const struct fileid *id);
	/*
	 * Run state_end_slice() on a worker until it returns false. May be
	 * NULL: it is run at once.
	 */
	void (*end_slices)(void *ctx);
	/*
	 * A delegation of the directory @dir that was granted with `watched`
	 * has ended; @child_attrs: it was one that is told of children. Change
	 * sections may be held, too. May be NULL.
	 */
	void (*dir_deleg_ended)(
		void *ctx, const struct fileid *dir, bool child_attrs);
	/*
	 * Attributes of children of @dir have changed and are to be told now:
	 * call childattr_tell(), then node_put(). May be NULL: never.
	 */
	void (*tell_children)(void *ctx, struct node *dir);
	/* A connection (see session.h) is bound to a session, or to none. */
	void (*conn_bound)(void *ctx, void *conn, bool bound);
	/*
	 * References to the opaque connections that sessions hold. Getting one
	 * only counts: it is called under locks of state.
	 */
	void (*conn_get)(void *ctx, void *conn);
	void (*conn_put)(void *ctx, void *conn);
	void *ctx;
};

struct state_config {
	struct clock *clock;   /* borrowed */
	struct timers *timers; /* borrowed */
	struct state_ops ops;
	uint64_t epoch;         /* of this start, in client ids */
	uint8_t server_id[16];  /* server owner and scope */
	uint64_t lease_ms;      /* 90 s */
	uint64_t grace_ms;      /* 0 = no grace period */
	uint32_t max_clients;   /* 10,000 */
	uint32_t max_sessions;  /* per client; 64 */
	uint32_t max_slots;     /* ca_maxrequests granted; 64 */
	uint32_t max_request;   /* ca_maxrequestsize granted */
	uint32_t max_response;  /* ca_maxresponsesize granted */
	uint32_t max_cached;    /* ca_maxresponsesize_cached; >= 7,588 */
	uint32_t max_ops;       /* ca_maxoperations granted */
	size_t max_cache_bytes; /* replies kept, all clients */
	uint32_t max_opens;     /* per client; 100,000 */
	uint32_t max_locks;     /* per client */
	/*
	 * Change attribute values are remembered this long beyond need, while
	 * there is room: whoever comes back to what he just changed finds the
	 * value he knows, and his cache with it.
	 */
	uint64_t change_linger_ms;
	uint32_t max_dir_delegs;        /* all clients */
	uint32_t max_client_dir_delegs; /* of one; 0 = no limit of its own */
	uint64_t max_deleg_bytes;       /* of all they need: dirmemory.h */
	uint32_t notify_max_events;     /* per delegation; 16,384 */
	size_t notify_max_bytes;        /* per delegation; 4 MiB */
	uint64_t notify_window_ms;      /* batch window; 0 = at once */
	uint64_t recall_wait_ms;        /* a mutator waits this long; 30 */
	uint64_t damping_ms;       /* no grant after a conflict; 0 = none */
	uint64_t damping_max_ms;   /* it doubles each time, up to this */
	uint32_t told_max_entries; /* of one directory; see told.h */
	uint32_t child_attr_min_delay_ms; /* see policy_dirdeleg.h */
	bool refuse_at_limit;             /* of all of them: recall nobody */
	bool dir_delegations;         /* false: GET_DIR_DELEGATION = NOTSUPP */
	bool classic_notify;          /* serve clients without GFLAG_EXTEND */
	bool strict_destroy_clientid; /* directory delegations: BUSY, too */
};

void state_config_default(struct state_config *config);

/* NULL when out of memory. Nothing may call into it before this returns. */
struct state *state_new(const struct state_config *config);

/*
 * Before the floor above takes its callbacks away: no timer of state runs any
 * more when this returns. Only state_free() may follow.
 */
void state_quiesce(struct state *s);

/* All clients end; callbacks must not be running any more. */
void state_free(struct state *s);

const struct state_config *state_get_config(const struct state *s);

/*
 * End some of the directory delegations that ended clients left behind. False
 * when there are no more. Any thread, without locks.
 */
bool state_end_slice(struct state *s);

/* In grace (RFC 8881 8.4.2): only reclaims are let through. */
bool state_in_grace(struct state *s);

/* Nobody is left who could reclaim: grace ends before its time. */
void state_end_grace(struct state *s);

/* For logs, tests and metrics: how many there are now. */
struct state_stats {
	uint64_t clients, sessions, opens, locks, dir_delegs, nodes, stateids;
	uint64_t replay_bytes, notify_bytes;
	uint64_t grants, refusals, recalls, revocations;
	uint64_t events;        /* queued, one for each holder told */
	uint64_t notifications; /* of those: delivered */
	uint64_t batches;       /* CB_NOTIFYs that were answered OK */
	uint64_t overflows;
	uint64_t late_returns; /* DELEGRETURN answered with a batch pending */
	uint64_t recalls_by_reason[16]; /* by enum recall_reason */
};
void state_read_stats(struct state *s, struct state_stats *ret);

#endif
