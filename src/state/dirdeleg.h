/* SPDX-License-Identifier: MIT */
/*
 * Directory delegations (RFC 8881 10.9, 18.39; DD-*): who gets one, on which
 * terms, and what a change means for each holder. The decisions are pure
 * functions in policy_dirdeleg.h; this file keeps the books.
 */
#ifndef STATE_DIRDELEG_H
#define STATE_DIRDELEG_H

#include "state/client.h"
#include "state/deleg.h"
#include "state/deleg_count.h"
#include "state/node.h"
#include "state/told.h"
#include "vocab/cred.h"

/* What a holder was promised, and who asked; shared by delegations alike. */
struct deleg_terms {
	struct htab_link link;
	uint32_t users; /* under the list lock */
	bitmap4 child_attrs;
	bitmap4 dir_attrs;
	uint32_t child_delay_ms; /* of CHANGE_CHILD_ATTRS */
	struct cred cred;        /* for a second look at permissions */
};

/* A request as GET_DIR_DELEGATION makes it. */
struct dirdeleg_request {
	bitmap4 notify;      /* gdda_notification_types */
	bitmap4 child_attrs; /* already cut to what fattr4 can notify */
	bitmap4 dir_attrs;
	uint32_t attr_bytes;     /* the most child_attrs of an entry take */
	uint32_t dir_attr_bytes; /* and dir_attrs */
	uint32_t child_delay_ms; /* gdda_child_attr_delay */
	const struct cred *cred; /* may list and search it; NULL: root */
	const uint8_t *fh;       /* the filehandle the client used */
	uint8_t fh_len;
	uint32_t via;         /* the export of that */
	struct slot_ref slot; /* the request itself */
	bool will_own_order;  /* the store gives cookies and positions */
	uint64_t quiet_ms;    /* for so long nobody has changed it */
	/*
	 * Changes made on the server's disk are watched there: a holder that
	 * is notified hears of them, for which the told set is needed.
	 */
	bool watched;
	/*
	 * Put all entries of the directory into @told, which is empty: 0 or
	 * -errno. Called inside the directory's change section, and only when
	 * the told set is needed and not there yet. NULL: cannot be done.
	 */
	int (*sample)(void *ctx, struct told *told);
	void *sample_ctx;
};

struct dirdeleg_grant {
	bool granted;               /* false: GDD4_UNAVAIL */
	enum deleg_refusal refusal; /* then: why */
	stateid4 stateid;
	bitmap4 notify; /* gddr_notification, flags 6 and 12 echoed */
	bitmap4 child_attrs;
	bitmap4 dir_attrs;
};

/*
 * Grant or refuse (GDD4_UNAVAIL: a duplicate, no backchannel that answers,
 * limits, grace, a recall or removal under way). Takes the directory's change
 * section itself: a grant is before or after a change, never beside it.
 * NFS4_OK; NOTSUPP when switched off; DELAY out of memory.
 */
nfsstat4 dirdeleg_grant(struct client *client, const struct fileid *dir,
	const struct dirdeleg_request *request, struct dirdeleg_grant *ret);

/*
 * What dirdeleg_grant() granted @client is not wanted after all, and the client
 * was not told: it ends, and nothing else the client has there.
 */
void dirdeleg_cancel(struct client *client, const stateid4 *granted);

/*
 * Recall every delegation of @dir for @reason: it is gone on disk, changed
 * behind our back, or somebody told us to. Nobody waits. Returns how many were
 * not being recalled yet. Without locks.
 */
unsigned dirdeleg_recall(
	struct state *s, const struct fileid *dir, enum recall_reason reason);

/* The kinds this build can notify at all, as notify_type4 bits. */
uint32_t dirdeleg_supported(void);

#endif
