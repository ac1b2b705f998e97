/* SPDX-License-Identifier: MIT */
/*
 * Filehandles (SV-10): a store's fileid wrapped for one export and sealed with
 * a keyed MAC, so that a client can only show what it was given.
 *
 *	version 1 | kind 1 | reserved 2 | export id 4 | fileid | MAC 8
 */
#ifndef NFS_FH_H
#define NFS_FH_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/server.h"
#include "proto/nfs4.h"
#include "vocab/fileid.h"

#define FH_HEADER_SIZE 8
#define FH_MAC_SIZE    8

/* An object of an export, as a compound holds it. */
struct fh {
	struct export *export; /* NULL: no filehandle */
	struct fileid id;
};

/* The wire form; at most NFS4_FHSIZE bytes are written to @buf. */
uint32_t fh_encode(const struct nfs_server *server, const struct export *export,
	const struct fileid *id, uint8_t buf[NFS4_FHSIZE]);

/*
 * NFS4ERR_BADHANDLE for bytes that cannot be a handle of ours, NFS4ERR_STALE
 * for a wrong MAC or an export that is gone. Does not ask the store.
 */
nfsstat4 fh_decode(struct nfs_server *server, const struct xdr_opaque *wire,
	struct fh *ret);

#endif
