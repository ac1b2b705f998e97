/* SPDX-License-Identifier: MIT */
/*
 * Decisions about clients: EXCHANGE_ID's cases, who may be destroyed, what
 * SEQUENCE says. Pure functions; the books are in client*.c.
 */
#ifndef STATE_POLICY_CLIENT_H
#define STATE_POLICY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/nfs4.h"

/*
 * What eia_flags may have. SUPP_FENCE_OPS came with 4.2 (RFC 7862 14.1): a
 * client may say so of itself; we do not.
 */
static inline uint32_t policy_exchange_flags(uint32_t minor_version)
{
	const uint32_t known = EXCHGID4_FLAG_SUPP_MOVED_REFER |
		EXCHGID4_FLAG_SUPP_MOVED_MIGR |
		EXCHGID4_FLAG_BIND_PRINC_STATEID | EXCHGID4_FLAG_MASK_PNFS |
		EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;

	return minor_version >= 2 ? known | EXCHGID4_FLAG_SUPP_FENCE_OPS
				  : known;
}

enum exchange_action {
	EXCHANGE_REFUSE,  /* with the status */
	EXCHANGE_KEEP,    /* answer with the confirmed record */
	EXCHANGE_NEW,     /* a new unconfirmed record beside it */
	EXCHANGE_REPLACE, /* the confirmed record goes first */
};

struct exchange_decision {
	enum exchange_action action;
	nfsstat4 status;
};

/* The confirmed record of the same owner, if there is one. */
struct exchange_record {
	bool exists;
	bool same_verifier;
	bool same_principal;
	bool in_use; /* state under a lease that is not over */
};

/* RFC 8881 18.35.4; an unconfirmed record is replaced in any case (4). */
static inline struct exchange_decision policy_exchange(
	bool update, struct exchange_record old)
{
	if (update) {
		if (!old.exists) /* case 7 */
			return (struct exchange_decision){
				EXCHANGE_REFUSE, NFS4ERR_NOENT};
		if (!old.same_principal) /* case 9 */
			return (struct exchange_decision){
				EXCHANGE_REFUSE, NFS4ERR_PERM};
		if (!old.same_verifier) /* case 8 */
			return (struct exchange_decision){
				EXCHANGE_REFUSE, NFS4ERR_NOT_SAME};
		return (struct exchange_decision){EXCHANGE_KEEP, NFS4_OK};
	}
	if (!old.exists) /* case 1 */
		return (struct exchange_decision){EXCHANGE_NEW, NFS4_OK};
	if (!old.same_principal) /* case 3 */
		return old.in_use
			? (struct exchange_decision){EXCHANGE_REFUSE,
				  NFS4ERR_CLID_INUSE}
			: (struct exchange_decision){EXCHANGE_REPLACE, NFS4_OK};
	if (old.same_verifier) /* case 2 */
		return (struct exchange_decision){EXCHANGE_KEEP, NFS4_OK};
	return (struct exchange_decision){EXCHANGE_NEW, NFS4_OK}; /* 5 */
}

/* What a client holds, for DESTROY_CLIENTID. */
struct client_holdings {
	bool expired;
	bool calls; /* compounds running */
	bool sessions, opens, locks, file_delegs, dir_delegs;
};

/*
 * 18.50.3, DD-13: state under an unexpired lease makes it busy, except that
 * directory delegations alone do not, unless read literally (@strict).
 */
static inline nfsstat4 policy_client_destroy(
	const struct client_holdings *has, bool strict)
{
	if (has->sessions || has->calls)
		return has->expired ? NFS4_OK : NFS4ERR_CLIENTID_BUSY;
	if (has->expired)
		return NFS4_OK;
	if (has->opens || has->locks || has->file_delegs)
		return NFS4ERR_CLIENTID_BUSY;
	return strict && has->dir_delegs ? NFS4ERR_CLIENTID_BUSY : NFS4_OK;
}

/* sr_status_flags (18.46.3), those that a client has on all its sessions. */
static inline uint32_t policy_client_flags(uint32_t sticky, uint32_t revoked,
	uint32_t expired, uint32_t admin, bool path_down)
{
	uint32_t flags = sticky;

	if (revoked)
		flags |= SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
	if (expired)
		flags |= SEQ4_STATUS_EXPIRED_SOME_STATE_REVOKED;
	if (admin)
		flags |= SEQ4_STATUS_ADMIN_STATE_REVOKED;
	if (path_down)
		flags |= SEQ4_STATUS_CB_PATH_DOWN;
	return flags;
}

#endif
