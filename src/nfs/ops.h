/* SPDX-License-Identifier: MIT */
/*
 * The handlers of all operations, by theme. Each takes decoded arguments and
 * fills in the result of its own name in @res; the status is what it returns
 * (the loop puts it into the result). What its row in optable.c promises holds
 * when it runs.
 */
#ifndef NFS_OPS_H
#define NFS_OPS_H

#include "nfs/compound.h"
#include "proto/nfs4.h"

#define OP_HANDLER(name) \
	nfsstat4 name(   \
		struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)

/* op_session.c */
OP_HANDLER(op_sequence);
OP_HANDLER(op_exchange_id);
OP_HANDLER(op_create_session);
OP_HANDLER(op_destroy_session);
OP_HANDLER(op_bind_conn_to_session);
OP_HANDLER(op_backchannel_ctl);
OP_HANDLER(op_destroy_clientid);
OP_HANDLER(op_reclaim_complete);
OP_HANDLER(op_test_stateid);
OP_HANDLER(op_free_stateid);
OP_HANDLER(op_set_ssv);

/* op_fh.c */
OP_HANDLER(op_putfh);
OP_HANDLER(op_putrootfh);
OP_HANDLER(op_getfh);
OP_HANDLER(op_savefh);
OP_HANDLER(op_restorefh);
OP_HANDLER(op_lookup);
OP_HANDLER(op_lookupp);
OP_HANDLER(op_secinfo);
OP_HANDLER(op_secinfo_no_name);

/* op_name.c */
OP_HANDLER(op_create);
OP_HANDLER(op_link);
OP_HANDLER(op_remove);
OP_HANDLER(op_rename);

/* op_attr.c */
OP_HANDLER(op_getattr);
OP_HANDLER(op_setattr);
OP_HANDLER(op_verify);
OP_HANDLER(op_nverify);
OP_HANDLER(op_access);
OP_HANDLER(op_readlink);

/* op_readdir.c */
OP_HANDLER(op_readdir);

/* op_open.c */
OP_HANDLER(op_open);
OP_HANDLER(op_open_downgrade);
OP_HANDLER(op_close);

/* op_io.c */
OP_HANDLER(op_read);
OP_HANDLER(op_write);
OP_HANDLER(op_commit);

/* op_lock.c */
OP_HANDLER(op_lock);
OP_HANDLER(op_lockt);
OP_HANDLER(op_locku);

/* op_deleg.c */
OP_HANDLER(op_get_dir_delegation);
OP_HANDLER(op_delegreturn);

/* op_v42.c */
OP_HANDLER(op_seek);
OP_HANDLER(op_allocate);
OP_HANDLER(op_deallocate);

/* op_xattr.c */
OP_HANDLER(op_getxattr);
OP_HANDLER(op_setxattr);
OP_HANDLER(op_listxattrs);
OP_HANDLER(op_removexattr);

/*
 * NFS4ERR_NOTDIR about CURRENT_FH is NFS4ERR_SYMLINK when that is what it is
 * (RFC 8881 18.13.4); any other status passes through.
 */
nfsstat4 fh_not_a_directory(struct compound *c, nfsstat4 status);

#endif
