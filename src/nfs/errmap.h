/* SPDX-License-Identifier: MIT */
/*
 * The one place where an errno of a store becomes an nfsstat4.
 */
#ifndef NFS_ERRMAP_H
#define NFS_ERRMAP_H

#include "proto/nfs4.h"

/*
 * @err is 0 or a negative errno. What has no counterpart is logged (limited)
 * and becomes NFS4ERR_IO.
 */
nfsstat4 errmap_status(int err);

#endif
