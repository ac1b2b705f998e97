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

/* An OPEN that is neither granted nor given up; filled in by open_begin(). */
struct open_try {
	struct open *open; /* a reference to its sid */
};

/*
 * Open @node for @owner of @client, in two steps, because what can fail once
 * the share is taken (a truncation) must leave nothing behind.
 *
 * begin keeps others from what conflicts with @access and @deny
 * (OPEN4_SHARE_ACCESS_*, DENY_*); to the owner nothing has happened yet. On
 * NFS4_OK commit or abort must follow. SHARE_DENIED on a conflict (a client
 * whose lease is over is ended instead), DELAY without memory, SERVERFAULT at
 * the limit (RESOURCE is not an error of 4.1), INVAL.
 *
 * commit grants @access and @deny, which are not more than what was begun. An
 * open that the owner had on the node is upgraded: same stateid, next seqid.
 * DELAY: the owner closed it meanwhile, or the client has ended.
 */
nfsstat4 open_begin(struct client *client, struct node *node,
	const struct xdr_opaque *owner, uint32_t access, uint32_t deny,
	struct open_try *ret);
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
