/* SPDX-License-Identifier: MIT */
/* LOCK, LOCKT, LOCKU (RFC 8881 18.10-18.12). */
#include "nfs/ops.h"

#include "nfs/errmap.h"
#include "nfs/stateid_arg.h"
#include "state/bytelock.h"
#include "store/store.h"

static bool is_exclusive(nfs_lock_type4 type)
{
	return type == WRITE_LT || type == WRITEW_LT;
}

static bool type_is_known(nfs_lock_type4 type)
{
	return type >= READ_LT && type <= WRITEW_LT;
}

/* Room for the owner of a conflicting lock, as long as the reply. */
static uint8_t *denied_owner(struct compound *c)
{
	return arena_alloc(c->arena, NFS4_OPAQUE_LIMIT);
}

static nfsstat4 lock_new(struct compound *c, const LOCK4args *args,
	const struct bytelock_request *want, LOCK4res *res, uint8_t *owner)
{
	const open_to_lock_owner4 *locker = &args->locker.open_owner;
	struct stateid *open_sid;
	nfsstat4 status = stateid_for_fh(
		c, &locker->open_stateid, STATEID_OPEN, &open_sid);

	if (status != NFS4_OK)
		return status;
	status = bytelock_lock_new(open_sid, &locker->lock_owner.owner, want,
		&res->resok4.lock_stateid, &res->denied, owner);
	stateid_put(open_sid);
	return status;
}

static nfsstat4 lock_more(struct compound *c, const LOCK4args *args,
	const struct bytelock_request *want, LOCK4res *res, uint8_t *owner)
{
	struct stateid *lock_sid;
	nfsstat4 status = stateid_for_fh(c,
		&args->locker.lock_owner.lock_stateid, STATEID_LOCK, &lock_sid);

	if (status != NFS4_OK)
		return status;
	status = bytelock_lock(
		lock_sid, want, &res->resok4.lock_stateid, &res->denied, owner);
	stateid_put(lock_sid);
	return status;
}

nfsstat4 op_lock(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const LOCK4args *args = &arg->oplock;
	const struct bytelock_request want = {
		.offset = args->offset,
		.length = args->length,
		.exclusive = is_exclusive(args->locktype),
	};
	uint8_t *owner = denied_owner(c);
	nfsstat4 status;

	if (!owner)
		return NFS4ERR_DELAY;
	if (!type_is_known(args->locktype))
		return NFS4ERR_BADXDR;
	if (args->reclaim) /* nothing is reclaimable yet: README */
		return NFS4ERR_NO_GRACE;
	if (state_in_grace(c->server->state))
		return NFS4ERR_GRACE;
	if (args->locker.new_lock_owner)
		status = lock_new(c, args, &want, &res->oplock, owner);
	else
		status = lock_more(c, args, &want, &res->oplock, owner);
	if (status == NFS4_OK)
		compound_set_stateid(c, &res->oplock.resok4.lock_stateid);
	return status;
}

nfsstat4 op_lockt(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const LOCKT4args *args = &arg->oplockt;
	const struct bytelock_request want = {
		.offset = args->offset,
		.length = args->length,
		.exclusive = is_exclusive(args->locktype),
	};
	uint8_t *owner = denied_owner(c);
	struct attr attr;
	nfsstat4 status;

	if (!owner)
		return NFS4ERR_DELAY;
	if (!type_is_known(args->locktype))
		return NFS4ERR_BADXDR;
	if (state_in_grace(c->server->state))
		return NFS4ERR_GRACE;
	status = errmap_status(
		store_getattr(c->fh.export->store, &c->fh.id, &attr));
	if (status != NFS4_OK)
		return status;
	if (attr.type == OBJECT_DIR)
		return NFS4ERR_ISDIR;
	if (attr.type != OBJECT_FILE)
		return NFS4ERR_WRONG_TYPE;
	return bytelock_test(c->client, &c->fh.id, &args->owner.owner, &want,
		&res->oplockt.denied, owner);
}

nfsstat4 op_locku(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const LOCKU4args *args = &arg->oplocku;
	struct stateid *lock_sid;
	nfsstat4 status =
		stateid_for_fh(c, &args->lock_stateid, STATEID_LOCK, &lock_sid);

	if (status != NFS4_OK)
		return status;
	status = bytelock_unlock(lock_sid, args->offset, args->length,
		&res->oplocku.lock_stateid);
	stateid_put(lock_sid);
	if (status == NFS4_OK)
		compound_set_stateid(c, &res->oplocku.lock_stateid);
	return status;
}
