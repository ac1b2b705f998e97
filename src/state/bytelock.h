/* SPDX-License-Identifier: MIT */
/*
 * Byte-range locks (RFC 8881 9.1-9.6, 18.10-18.12): lock owners, ranges,
 * split and merge, conflicts. Ranges are [offset, offset + length) with length
 * all ones meaning to the end.
 */
#ifndef STATE_BYTELOCK_H
#define STATE_BYTELOCK_H

#include "state/client.h"
#include "state/open.h"
#include "state/stateid.h"

struct bytelock_request {
	uint64_t offset, length;
	bool exclusive;
};

/*
 * LOCK for an owner new to this file: makes its lock state under @open_sid.
 * DENIED fills @denied, whose owner points into @owner_buf (NFS4_OPAQUE_LIMIT
 * bytes). INVAL for empty or overflowing ranges, OPENMODE, BAD_RANGE never.
 */
nfsstat4 bytelock_lock_new(struct stateid *open_sid,
	const struct xdr_opaque *owner, const struct bytelock_request *want,
	stateid4 *ret, LOCK4denied *denied, uint8_t *owner_buf);

/* LOCK with an existing lock stateid. */
nfsstat4 bytelock_lock(struct stateid *lock_sid,
	const struct bytelock_request *want, stateid4 *ret, LOCK4denied *denied,
	uint8_t *owner_buf);

/* LOCKT: would it be granted? The owner's own locks do not count. */
nfsstat4 bytelock_test(struct client *client, const struct fileid *id,
	const struct xdr_opaque *owner, const struct bytelock_request *want,
	LOCK4denied *denied, uint8_t *owner_buf);

/* LOCKU. */
nfsstat4 bytelock_unlock(struct stateid *lock_sid, uint64_t offset,
	uint64_t length, stateid4 *ret);

/*
 * FREE_STATEID of a live lock state: LOCKS_HELD while it has ranges. And the
 * end of its client: it goes with all it holds. Without locks.
 */
nfsstat4 bytelock_free_state(struct stateid *lock_sid);
void bytelock_end(struct stateid *lock_sid);

/* The open under a lock state (borrowed while @lock_sid is held). */
struct stateid *bytelock_open_of(struct stateid *lock_sid);

#endif
