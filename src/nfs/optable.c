/* SPDX-License-Identifier: MIT */
#include "nfs/optable.h"

#include <stddef.h>

#include "nfs/ops.h"

/* Sizes of result parts on the wire, status excluded. */
#define STATEID  16
#define CINFO    20
#define FH       (4 + NFS4_FHSIZE)
#define BITMAP   16
#define VERIFIER 8

/* More than all attributes we have, owners of full length included. */
#define ATTRS 2048

/* LOCK4denied with an owner of NFS4_OPAQUE_LIMIT bytes. */
#define DENIED (8 + 8 + 4 + 8 + 4 + NFS4_OPAQUE_LIMIT)

/* EXCHANGE_ID: ids, owner, scope and implementation name. */
#define EXCHANGED 512

/* OPEN: stateid, change_info, flags, attributes set, no delegation. */
#define OPENED (STATEID + CINFO + 4 + BITMAP + 16)

/* GET_DIR_DELEGATION: verifier, stateid, three bitmaps. */
#define DIR_DELEG (4 + VERIFIER + STATEID + 3 * BITMAP)

#define FH_CHANGE (OP_NEEDS_FH | OP_WRITES | OP_CHANGES | OP_BLOCKS)
#define FH_READ   (OP_NEEDS_FH | OP_BLOCKS)
#define FH_STATE  (OP_NEEDS_FH | OP_CHANGES | OP_BY_STATE)

/* Known to the protocol, answered NFS4ERR_NOTSUPP. */
#define ROW_NOTSUPP(minor_)       \
	{                         \
		.minor = (minor_) \
	}
#define ROW(run_, minor_, flags_, reply_)                            \
	{                                                            \
		.run = (run_), .minor = (minor_), .flags = (flags_), \
		.reply_max = (reply_)                                \
	}

static const struct op_row rows[] = {
	[OP_ACCESS] = ROW(op_access, 1, FH_READ, 8),
	[OP_CLOSE] = ROW(op_close, 1, FH_STATE, STATEID),
	[OP_COMMIT] = ROW(op_commit, 1, FH_READ, VERIFIER),
	[OP_CREATE] =
		ROW(op_create, 1, FH_CHANGE | OP_MOVES_FH, CINFO + BITMAP),
	[OP_DELEGPURGE] = ROW_NOTSUPP(1),
	[OP_DELEGRETURN] = ROW(op_delegreturn, 1, FH_STATE, 0),
	[OP_GETATTR] = ROW(op_getattr, 1, FH_READ | OP_STREAMS, ATTRS),
	[OP_GETFH] = ROW(op_getfh, 1, OP_NEEDS_FH, FH),
	[OP_LINK] = ROW(op_link, 1, FH_CHANGE | OP_NEEDS_SAVED, CINFO),
	[OP_LOCK] = ROW(op_lock, 1, FH_STATE, DENIED),
	[OP_LOCKT] = ROW(op_lockt, 1, FH_READ, DENIED),
	[OP_LOCKU] = ROW(op_locku, 1, FH_STATE, STATEID),
	[OP_LOOKUP] = ROW(op_lookup, 1, FH_READ | OP_MOVES_FH, 0),
	[OP_LOOKUPP] = ROW(op_lookupp, 1, FH_READ | OP_MOVES_FH, 0),
	[OP_NVERIFY] = ROW(op_nverify, 1, FH_READ, 0),
	[OP_OPEN] = ROW(op_open, 1,
		OP_NEEDS_FH | OP_CHANGES | OP_BLOCKS | OP_MOVES_FH, OPENED),
	[OP_OPENATTR] = ROW_NOTSUPP(1),
	[OP_OPEN_CONFIRM] = ROW_NOTSUPP(1),
	[OP_OPEN_DOWNGRADE] = ROW(op_open_downgrade, 1, FH_STATE, STATEID),
	[OP_PUTFH] = ROW(op_putfh, 1, OP_MOVES_FH, 0), /* takes a permit */
	[OP_PUTPUBFH] = ROW(op_putrootfh, 1, OP_MOVES_FH, 0),
	[OP_PUTROOTFH] = ROW(op_putrootfh, 1, OP_MOVES_FH, 0),
	[OP_READ] = ROW(op_read, 1, FH_READ | OP_STREAMS, 8),
	[OP_READDIR] = ROW(op_readdir, 1, FH_READ | OP_STREAMS, 16),
	[OP_READLINK] = ROW(op_readlink, 1, FH_READ, 4 + 4096),
	[OP_REMOVE] = ROW(op_remove, 1, FH_CHANGE, CINFO),
	[OP_RENAME] = ROW(op_rename, 1, FH_CHANGE | OP_NEEDS_SAVED, 2 * CINFO),
	[OP_RENEW] = ROW_NOTSUPP(1),
	[OP_RESTOREFH] = ROW(op_restorefh, 1, OP_NEEDS_SAVED | OP_MOVES_FH, 0),
	[OP_SAVEFH] = ROW(op_savefh, 1, OP_NEEDS_FH, 0),
	[OP_SECINFO] = ROW(op_secinfo, 1, FH_READ, 8),
	[OP_SETATTR] = ROW(op_setattr, 1, FH_CHANGE, BITMAP),
	[OP_SETCLIENTID] = ROW_NOTSUPP(1),
	[OP_SETCLIENTID_CONFIRM] = ROW_NOTSUPP(1),
	[OP_VERIFY] = ROW(op_verify, 1, FH_READ, 0),
	[OP_WRITE] = ROW(op_write, 1, FH_CHANGE, 8 + VERIFIER),
	[OP_RELEASE_LOCKOWNER] = ROW_NOTSUPP(1),
	[OP_BACKCHANNEL_CTL] = ROW(op_backchannel_ctl, 1, 0, 0),
	[OP_BIND_CONN_TO_SESSION] = ROW(op_bind_conn_to_session, 1,
		OP_SESSIONLESS | OP_ALONE, NFS4_SESSIONID_SIZE + 8),
	[OP_EXCHANGE_ID] = ROW(op_exchange_id, 1, OP_SESSIONLESS, EXCHANGED),
	[OP_CREATE_SESSION] = ROW(op_create_session, 1, OP_SESSIONLESS, 128),
	[OP_DESTROY_SESSION] = ROW(op_destroy_session, 1, OP_SESSIONLESS, 0),
	[OP_FREE_STATEID] = ROW(op_free_stateid, 1, OP_CHANGES, 0),
	[OP_GET_DIR_DELEGATION] = ROW(op_get_dir_delegation, 1,
		OP_NEEDS_FH | OP_CHANGES | OP_BLOCKS, DIR_DELEG),
	[OP_GETDEVICEINFO] = ROW_NOTSUPP(1),
	[OP_GETDEVICELIST] = ROW_NOTSUPP(1),
	[OP_LAYOUTCOMMIT] = ROW_NOTSUPP(1),
	[OP_LAYOUTGET] = ROW_NOTSUPP(1),
	[OP_LAYOUTRETURN] = ROW_NOTSUPP(1),
	[OP_SECINFO_NO_NAME] = ROW(op_secinfo_no_name, 1, FH_READ, 8),
	[OP_SEQUENCE] = ROW(op_sequence, 1, OP_SESSIONLESS, 36),
	[OP_SET_SSV] = ROW(op_set_ssv, 1, 0, 0),
	[OP_TEST_STATEID] = ROW(op_test_stateid, 1, 0, 4),
	[OP_WANT_DELEGATION] = ROW_NOTSUPP(1),
	[OP_DESTROY_CLIENTID] = ROW(op_destroy_clientid, 1, OP_SESSIONLESS, 0),
	[OP_RECLAIM_COMPLETE] = ROW(op_reclaim_complete, 1, OP_CHANGES, 0),
	[OP_ALLOCATE] = ROW(op_allocate, 2, FH_CHANGE, 0),
	[OP_COPY] = ROW_NOTSUPP(2),
	[OP_COPY_NOTIFY] = ROW_NOTSUPP(2),
	[OP_DEALLOCATE] = ROW(op_deallocate, 2, FH_CHANGE, 0),
	[OP_IO_ADVISE] = ROW_NOTSUPP(2),
	[OP_LAYOUTERROR] = ROW_NOTSUPP(2),
	[OP_LAYOUTSTATS] = ROW_NOTSUPP(2),
	[OP_OFFLOAD_CANCEL] = ROW_NOTSUPP(2),
	[OP_OFFLOAD_STATUS] = ROW_NOTSUPP(2),
	[OP_READ_PLUS] = ROW_NOTSUPP(2),
	[OP_SEEK] = ROW(op_seek, 2, FH_READ, 12),
	[OP_WRITE_SAME] = ROW_NOTSUPP(2),
	[OP_CLONE] = ROW_NOTSUPP(2),
	[OP_GETXATTR] = ROW(op_getxattr, 2, FH_READ, 4),
	[OP_SETXATTR] = ROW(op_setxattr, 2, FH_CHANGE, CINFO),
	[OP_LISTXATTRS] = ROW(op_listxattrs, 2, FH_READ, 16),
	[OP_REMOVEXATTR] = ROW(op_removexattr, 2, FH_CHANGE, CINFO),
};

const struct op_row *optable_find(uint32_t op, uint32_t minor)
{
	const struct op_row *row;

	if (op >= sizeof(rows) / sizeof(rows[0]))
		return NULL;
	row = &rows[op];
	if (row->minor == 0 || row->minor > minor)
		return NULL;
	return row;
}
