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

/*
 * The same of an error that came after a change was made: not NFS4ERR_DELAY,
 * or the client would do it once more, and hear EXIST or NOENT.
 */
nfsstat4 errmap_status_changed(int err);

#endif
