/* SPDX-License-Identifier: MIT */
/*
 * A delegation: one type for files and directories (DD-17); this file has what
 * both share and dirdeleg.h what directories add. Two machines (doc/design.md):
 *
 *  delegation	ACTIVE -> RECALLED -> RETURNED | REVOKED (stateid status)
 *  queue	IDLE -> QUEUED -> SENDING (-> SENDING+QUEUED) -> IDLE; STOPPED
 *
 * Locks: `state` and what belongs to it by the node's lock; the queue by its
 * own (notifyq.h); what is due by the state's list lock (LOCK_RECALL); the
 * rest is fixed when it is granted. An idle delegation costs at most 300 bytes.
 */
#ifndef STATE_DELEG_H
#define STATE_DELEG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "proto/nfs4.h"
#include "state/node.h"
#include "state/notifyq.h"
#include "state/session.h"
#include "state/stateid.h"

enum deleg_state {
	DELEG_ACTIVE,
	DELEG_RECALLED,
	DELEG_RETURNED,
	DELEG_REVOKED,
};

/* DD-16; names for logs and metrics: recall_reason_name(). */
enum recall_reason {
	RECALL_CONFLICT,
	RECALL_UNSUBSCRIBED,
	RECALL_LOCAL_CHANGE,
	RECALL_OVERFLOW,
	RECALL_CALLBACK_ERROR,
	RECALL_RESOURCE,
	RECALL_ADMIN,
	RECALL_DIRECTORY_REMOVED,
	RECALL_PERMISSION,
	RECALL_REASONS
};

struct deleg {
	struct stateid sid;
	struct deleg_terms *terms; /* shared: attribute masks, see dirdeleg.h */
	struct slot_ref grant;     /* what got it, for referring calls */
	uint32_t via;              /* export of the filehandle: fh */
	uint8_t granted;           /* CHANGE_* kinds as bits; 0 = recall only */
	bool is_dir;
	bool order_aware; /* cookies, previous entry, own changes */
	bool watched;     /* state_ops.dir_deleg_ended is to be told */
	uint8_t fh_len;
	/* Under the node's lock. */
	_Atomic uint8_t state; /* enum deleg_state; may be read without it */
	uint8_t recall_reason; /* once RECALLED */
	bool blocking : 1;     /* somebody's change waits for its return */
	bool needs_told : 1;   /* see dirside.h */
	bool recheck : 1;      /* see dirattrs.c */
	/* Under the list lock. */
	uint32_t return_until; /* low bits of ms; 0 = no DELEGRETURN yet */
	uint8_t recall_phase;  /* see recall.c */
	uint8_t batch_phase;   /* see batch.c */
	uint8_t tries;         /* of the batch at the front */
	uint32_t retry_at;     /* low bits of ms: CB_RECALL again */
	uint64_t due_ms;
	struct list on_recall; /* outstanding recalls; holds a reference */
	struct list on_due;    /* batches for later; holds a reference */
	/* Under the node's lock. */
	struct list on_node;   /* node->delegs */
	uint32_t recall_until; /* low bits of ms, once RECALLED */
	uint32_t granted_s;    /* on the monotonic clock; fixed */
	struct notifyq queue;
	uint8_t fh[]; /* the filehandle the client used (cna_fh) */
};

_Static_assert(sizeof(struct deleg) <= 300, "an idle delegation is small");
_Static_assert(CHANGE_KINDS <= 8, "`granted` has a bit for each kind");

const char *recall_reason_name(enum recall_reason reason);

static inline struct deleg *deleg_of(struct stateid *sid)
{
	return container_of(sid, struct deleg, sid);
}

/*
 * DELEGRETURN (18.6) of @sid on the object @id: OK, or DELAY while a batch is
 * pending (DD-15), which is sent at once. With @wait its answer is waited for
 * first, as a mutator waits. Nothing is sent for it after OK.
 */
nfsstat4 deleg_return(struct stateid *sid, const struct fileid *id, bool wait);

/*
 * End a delegation without the client: revoke it. With @keep the stateid stays,
 * as a stub, and says so until FREE_STATEID; without (end of client) it
 * vanishes, also when it was revoked before. Queue emptied, waiters woken. Idempotent; without
 * locks held but change sections.
 */
void deleg_revoke(struct deleg *d, enum stateid_status status, bool keep);

/*
 * @client was just told that @id is STALE: it cannot return what it holds
 * there (DELEGRETURN needs the handle), so all of that ends, with no flag
 * raised.
 */
void deleg_forget(struct client *client, const struct fileid *id);

/*
 * Does @who, who works through the handles of export @via, hold @d itself? One
 * client's handles of two exports that overlap are two directories to it: what
 * it does through the one it must hear of about the other.
 */
static inline bool deleg_is_own(
	const struct deleg *d, const struct client *who, uint32_t via)
{
	return d->sid.client == who && d->via == via;
}

/* References, as the stateid's. */
static inline struct deleg *deleg_ref(struct deleg *d)
{
	stateid_ref(&d->sid);
	return d;
}

static inline void deleg_put(struct deleg *d)
{
	stateid_put(&d->sid);
}

#endif
