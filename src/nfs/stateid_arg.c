/* SPDX-License-Identifier: MIT */
#include "nfs/stateid_arg.h"

#include "state/bytelock.h"
#include "state/node.h"
#include "state/open.h"
#include "state/stateid.h"
#include "store/store.h"

nfsstat4 stateid_for_fh(struct compound *c, const stateid4 *arg, unsigned kinds,
	struct stateid **ret)
{
	struct fileid id;
	struct stateid *sid;
	stateid4 wire;
	nfsstat4 status = compound_stateid(c, arg, &wire);

	if (status == NFS4_OK)
		status = stateid_lookup(c->client, &wire, kinds, &sid);
	if (status != NFS4_OK)
		return status;
	node_copy_id(sid->node, &id);
	if (!fileid_equal(&id, &c->fh.id)) {
		stateid_put(sid);
		return NFS4ERR_BAD_STATEID;
	}
	*ret = sid;
	return NFS4_OK;
}

static uint32_t opened_access(struct stateid *sid)
{
	if (sid->kind == STATEID_LOCK)
		return open_access(bytelock_open_of(sid));
	return open_access(sid);
}

/*
 * A file opened for writing only may be read all the same: clients fill their
 * pages so, and the check at OPEN covers it no less than in knfsd.
 */
static bool mode_allows(uint32_t opened, uint32_t access)
{
	if (access == OPEN4_SHARE_ACCESS_READ)
		return opened != 0;
	return (opened & access) == access;
}

nfsstat4 stateid_for_io(
	struct compound *c, const stateid4 *arg, uint32_t access, int *io)
{
	struct stateid *sid;
	uint32_t opened;
	nfsstat4 status;

	if (stateid_is_anonymous(arg) || stateid_is_bypass(arg)) {
		*io = STORE_IO_CHECK;
		if (stateid_is_bypass(arg) && access == OPEN4_SHARE_ACCESS_READ)
			return NFS4_OK;
		return open_check_anonymous(
			c->server->state, &c->fh.id, access);
	}
	status = stateid_for_fh(c, arg, STATEID_OPEN | STATEID_LOCK, &sid);
	if (status != NFS4_OK)
		return status;
	opened = opened_access(sid);
	stateid_put(sid);
	if (!mode_allows(opened, access))
		return NFS4ERR_OPENMODE;
	/* Read through a write-only open is checked as a new access. */
	*io = opened & access ? STORE_IO_OPENED : STORE_IO_CHECK;
	return NFS4_OK;
}
