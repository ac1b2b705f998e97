/* SPDX-License-Identifier: MIT */
/*
 * What a stateid in a request means (RFC 8881 8.2.4): pure decisions.
 */
#ifndef STATE_POLICY_STATEID_H
#define STATE_POLICY_STATEID_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/nfs4.h"
#include "state/stateid.h"

/*
 * The generation in a request against ours. Serial arithmetic: the counter
 * may have wrapped, and 0 asks for the current one.
 */
static inline nfsstat4 policy_stateid_seqid(uint32_t ours, uint32_t theirs)
{
	if (theirs == 0 || theirs == ours)
		return NFS4_OK;
	return (int32_t)(theirs - ours) > 0 ? NFS4ERR_BAD_STATEID
					    : NFS4ERR_OLD_STATEID;
}

/* The state is gone; the stateid waits for FREE_STATEID. */
static inline bool policy_stateid_revoked(enum stateid_status status)
{
	return status == STATEID_EXPIRED || status == STATEID_REVOKED ||
		status == STATEID_ADMIN_REVOKED;
}

/* So many of a client's may wait for FREE_STATEID before it gets no more. */
#define STATEID_REVOKED_MAX 1000

/*
 * May a client that has @held live ones of a @kind have no other? A client
 * that never frees what was revoked would have us keep ever more; what it may
 * be refused at will, delegations, it is not given then.
 */
static inline bool policy_stateid_full(
	enum stateid_kind kind, uint32_t held, uint32_t max, uint32_t revoked)
{
	if (max && held >= max)
		return true;
	return (kind & (STATEID_DELEG_DIR | STATEID_DELEG_FILE)) &&
		revoked >= STATEID_REVOKED_MAX;
}

static inline nfsstat4 policy_stateid_status(enum stateid_status status)
{
	switch (status) {
	case STATEID_LIVE:
		return NFS4_OK;
	case STATEID_EXPIRED:
		return NFS4ERR_EXPIRED;
	case STATEID_REVOKED:
		return NFS4ERR_DELEG_REVOKED;
	case STATEID_ADMIN_REVOKED:
		return NFS4ERR_ADMIN_REVOKED;
	default:
		return NFS4ERR_BAD_STATEID;
	}
}

/* In the order of 8.2.4: what became of it, its kind, its generation. */
static inline nfsstat4 policy_stateid_use(enum stateid_status status,
	bool kind_fits, uint32_t ours, uint32_t theirs)
{
	nfsstat4 error = policy_stateid_status(status);

	if (error != NFS4_OK)
		return error;
	if (!kind_fits)
		return NFS4ERR_BAD_STATEID;
	return policy_stateid_seqid(ours, theirs);
}

#endif
