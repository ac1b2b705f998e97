/* SPDX-License-Identifier: MIT */
/*
 * What a stateid in the arguments of an I/O operation permits (RFC 8881 8.2.3,
 * 9.1.2): an open, a lock state under one, a delegation, or nothing but the
 * caller's permissions.
 */
#ifndef NFS_STATEID_ARG_H
#define NFS_STATEID_ARG_H

#include "nfs/compound.h"

/*
 * May CURRENT_FH be read or written (@access: OPEN4_SHARE_ACCESS_READ or
 * WRITE) with @arg? On NFS4_OK @io is STORE_IO_OPENED or STORE_IO_CHECK.
 * NFS4ERR_OPENMODE, LOCKED (deny bits of others), BAD_STATEID and the
 * revocation errors.
 */
nfsstat4 stateid_for_io(
	struct compound *c, const stateid4 *arg, uint32_t access, int *io);

/*
 * The open or lock state that @arg names, on CURRENT_FH, with a reference.
 * NFS4ERR_BAD_STATEID when it belongs to another file.
 */
nfsstat4 stateid_for_fh(struct compound *c, const stateid4 *arg, unsigned kinds,
	struct stateid **ret);

#endif
