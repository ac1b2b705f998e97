/* SPDX-License-Identifier: MIT */
/*
 * Opens (RFC 8881 9, 18.16): open owners, share reservations, the open stateid
 * with upgrades and downgrades. Files are not opened here: an open is a right.
 */
#ifndef STATE_OPEN_H
#define STATE_OPEN_H

#include "state/client.h"
#include "state/node.h"
#include "state/stateid.h"

struct open;

/* An OPEN that is neither granted nor given up; zeroed at first. */
struct open_try {
	struct open *open; /* a reference to its sid; NULL: none is under way */
	bool begun;        /* else it is only reserved */
};

/*
 * What an open of @owner takes is had and counts: for a file that is still to
 * be made, and shall not be if the open cannot be kept. It cannot fail for want
 * of memory or room any more. Begin or abort must follow. DELAY without memory
 * or when the client has ended; SERVERFAULT at the limit (RESOURCE is not an
 * error of 4.1). Nothing is done when @t is reserved already.
 */
nfsstat4 open_reserve(struct client *client, const struct xdr_opaque *owner,
	struct open_try *t);

/*
 * Open @node for @owner of @client, in two steps, because what can fail once
 * the share is taken (a truncation) must leave nothing behind.
 *
 * begin keeps others from what conflicts with @access and @deny
 * (OPEN4_SHARE_ACCESS_*, DENY_*); to the owner nothing has happened yet. On
 * NFS4_OK commit or abort must follow; on failure a reservation is given up.
 * SHARE_DENIED on a conflict (a client whose lease is over is ended instead),
 * DELAY and SERVERFAULT as above, INVAL.
 *
 * commit grants @access and @deny, which are not more than what was begun. An
 * open that the owner had on the node is upgraded: same stateid, next seqid.
 * DELAY: the owner closed it meanwhile, or the client has ended.
 *
 * abort of what is not under way does nothing.
 */
nfsstat4 open_begin(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	struct open_try *t);
nfsstat4 open_commit(
	struct open_try *t, uint32_t access, uint32_t deny, stateid4 *ret);
void open_abort(struct open_try *t);

/* OPEN_DOWNGRADE (18.18): INVAL unless a subset that was opened so. */
nfsstat4 open_downgrade(
	struct stateid *sid, uint32_t access, uint32_t deny, stateid4 *ret);

/* CLOSE (18.2): LOCKS_HELD while its lock states hold ranges. */
nfsstat4 open_close(struct stateid *sid, stateid4 *ret);

/* What an open stateid (or the lock state under it) permits: ACCESS bits. */
uint32_t open_access(const struct stateid *sid);

/*
 * May I/O without an open (special stateids) proceed against others' deny
 * bits? @access is OPEN4_SHARE_ACCESS_READ or WRITE. NFS4ERR_LOCKED if not.
 */
nfsstat4 open_check_anonymous(
	struct state *s, const struct fileid *id, uint32_t access);

/* The client ends: close it whatever it holds. Without locks. */
void open_end(struct stateid *sid);

#endif
