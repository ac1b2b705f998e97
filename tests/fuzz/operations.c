/* SPDX-License-Identifier: MIT */
#include "operations.h"

#include <string.h>

#include "wire/nfs4_xdr.h"

static void learn_handle(struct known *k, const nfs_fh4 *fh)
{
	unsigned at = k->handles_count++ % KNOWN_MAX;

	k->handles[at].len = fh->len;
	memcpy(k->handles[at].data, fh->data, fh->len);
}

static void learn_stateid(struct known *k, const stateid4 *sid)
{
	k->stateids[k->stateids_count++ % KNOWN_MAX] = *sid;
}

static void learn_result(struct known *k, const nfs_resop4 *res)
{
	const GET_DIR_DELEGATION4res *dir = &res->opget_dir_delegation;

	switch (res->resop) {
	case OP_GETFH:
		if (res->opgetfh.status == NFS4_OK)
			learn_handle(k, &res->opgetfh.resok4.object);
		break;
	case OP_OPEN:
		if (res->opopen.status == NFS4_OK)
			learn_stateid(k, &res->opopen.resok4.stateid);
		break;
	case OP_LOCK:
		if (res->oplock.status == NFS4_OK)
			learn_stateid(k, &res->oplock.resok4.lock_stateid);
		break;
	case OP_GET_DIR_DELEGATION:
		if (dir->gddr_status == NFS4_OK &&
			dir->gddr_res_non_fatal4.gddrnf_status == GDD4_OK)
			learn_stateid(k,
				&dir->gddr_res_non_fatal4.gddrnf_resok4
					 .gddr_stateid);
		break;
	default:
		break;
	}
}

void known_learn(struct known *k, const COMPOUND4res *res)
{
	for (uint32_t i = 0; i < res->resarray.count; i++)
		learn_result(k, &res->resarray.items[i]);
}

static unsigned at_most(unsigned count)
{
	return count < KNOWN_MAX ? count : KNOWN_MAX;
}

static void give_handle(const struct known *k, nfs_fh4 *fh)
{
	unsigned count = at_most(k->handles_count);
	unsigned at;

	if (count == 0 || fh->len == 0 || fh->len > 4)
		return;
	at = fh->data[0] % count;
	*fh = xdr_opaque_from(k->handles[at].data, k->handles[at].len);
}

static void give_stateid(const struct known *k, stateid4 *sid)
{
	unsigned count = at_most(k->stateids_count);
	uint32_t seqid = sid->seqid;

	if (count == 0 || memcmp(sid->other, FUZZ_STATEID_MAGIC, 4) != 0)
		return;
	*sid = k->stateids[sid->other[4] % count];
	sid->seqid = seqid ? sid->seqid + seqid - 1 : 0;
}

static void give_to_lock(const struct known *k, LOCK4args *args)
{
	if (args->locker.new_lock_owner)
		give_stateid(k, &args->locker.open_owner.open_stateid);
	else
		give_stateid(k, &args->locker.lock_owner.lock_stateid);
}

static void give_to_test(const struct known *k, TEST_STATEID4args *args)
{
	for (uint32_t i = 0; i < args->ts_stateids.count; i++)
		give_stateid(k, &args->ts_stateids.items[i]);
}

/* The memory store makes every page: what is no error must not be large. */
static void give_to_allocate(const struct known *k, ALLOCATE4args *args)
{
	give_stateid(k, &args->aa_stateid);
	if (args->aa_length >> 40 == 0)
		args->aa_length &= 0xfffff;
}

static void give(const struct known *k, nfs_argop4 *op)
{
	switch (op->argop) {
	case OP_PUTFH:
		give_handle(k, &op->opputfh.object);
		break;
	case OP_CLOSE:
		give_stateid(k, &op->opclose.open_stateid);
		break;
	case OP_DELEGRETURN:
		give_stateid(k, &op->opdelegreturn.deleg_stateid);
		break;
	case OP_LOCK:
		give_to_lock(k, &op->oplock);
		break;
	case OP_LOCKU:
		give_stateid(k, &op->oplocku.lock_stateid);
		break;
	case OP_OPEN_DOWNGRADE:
		give_stateid(k, &op->opopen_downgrade.open_stateid);
		break;
	case OP_READ:
		give_stateid(k, &op->opread.stateid);
		break;
	case OP_WRITE:
		give_stateid(k, &op->opwrite.stateid);
		break;
	case OP_SETATTR:
		give_stateid(k, &op->opsetattr.stateid);
		break;
	case OP_FREE_STATEID:
		give_stateid(k, &op->opfree_stateid.fsa_stateid);
		break;
	case OP_TEST_STATEID:
		give_to_test(k, &op->optest_stateid);
		break;
	case OP_ALLOCATE:
		give_to_allocate(k, &op->opallocate);
		break;
	case OP_DEALLOCATE:
		give_stateid(k, &op->opdeallocate.da_stateid);
		break;
	case OP_SEEK:
		give_stateid(k, &op->opseek.sa_stateid);
		break;
	default:
		break;
	}
}

uint32_t operations_decode(const uint8_t *data, size_t size,
	const struct known *k, struct arena *arena, nfs_argop4 *ops,
	uint32_t max)
{
	struct xdr in;
	uint32_t n;

	xdr_init_decode(&in, data, size, arena);
	for (n = 0; n < max; n++) {
		if (!nfs4_get_nfs_argop4(&in, &ops[n]))
			break;
		give(k, &ops[n]);
	}
	return n;
}
