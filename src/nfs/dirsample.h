/* SPDX-License-Identifier: MIT */
/* What CURRENT_FH, a directory, contains, for the told set (state/told.h). */
#ifndef NFS_DIRSAMPLE_H
#define NFS_DIRSAMPLE_H

#include "state/told.h"

/*
 * dirdeleg_request.sample: @ctx is the compound whose caller may list and
 * search the directory. 0; -ENOSPC when it does not fit; -EAGAIN, -EIO and
 * what else the store says.
 */
int dirsample_fill(void *ctx, struct told *told);

#endif
