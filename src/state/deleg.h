/* SPDX-License-Identifier: MIT */
/*
 * A delegation: one type for files and directories (DD-17); this file has what
 * both share and dirdeleg.h what directories add. Two machines (doc/design.md):
 *
 *  delegation	ACTIVE -> RECALLED -> RETURNED | REVOKED (stateid status)
 *  queue	IDLE -> QUEUED -> SENDING (-> SENDING+QUEUED) -> IDLE; STOPPED
 *
 * Locks: `recall_*` and `state` by the node's lock; the queue by its own
 * (notifyq.h). An idle delegation costs at most 300 bytes.
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
	struct list on_node;   /* node->delegs */
	struct list on_recall; /* state's list of outstanding recalls */
	struct slot_ref
		grant; /* the request that got it, for referring calls */
	bool is_dir;
	uint8_t state;         /* enum deleg_state */
	uint8_t recall_reason; /* once RECALLED */
	bool order_aware;      /* cookies, previous entry, own changes */
	uint32_t granted;      /* CHANGE_* kinds as bits; 0 = recall only */
	uint64_t recall_until_ms;
	struct deleg_terms *terms; /* shared: attribute masks, see dirdeleg.h */
	struct notifyq queue;
	uint8_t fh_len; /* the filehandle the client used (cna_fh) */
	uint8_t fh[];
};

const char *recall_reason_name(enum recall_reason reason);

static inline struct deleg *deleg_of(struct stateid *sid)
{
	return container_of(sid, struct deleg, sid);
}

/*
 * DELEGRETURN (18.6) of @sid on the object @id: OK, or DELAY while a batch is
 * pending (DD-15). Nothing is sent for it afterwards.
 */
nfsstat4 deleg_return(struct stateid *sid, const struct fileid *id);

/*
 * End a delegation without the client: revoke it. With @keep the stateid stays
 * and says so until FREE_STATEID; without (end of client) it vanishes. Queue
 * emptied, waiters woken. Without locks held; idempotent.
 */
void deleg_revoke(struct deleg *d, enum stateid_status status, bool keep);

#endif
