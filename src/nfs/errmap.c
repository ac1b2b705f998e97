/* SPDX-License-Identifier: MIT */
#include "nfs/errmap.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static const struct {
	int err;
	nfsstat4 status;
} map[] = {
	{0, NFS4_OK},
	{EPERM, NFS4ERR_PERM},
	{ENOENT, NFS4ERR_NOENT},
	{EIO, NFS4ERR_IO},
	{ENXIO, NFS4ERR_NXIO},
	{EACCES, NFS4ERR_ACCESS},
	{EEXIST, NFS4ERR_EXIST},
	{EXDEV, NFS4ERR_XDEV},
	{ENOTDIR, NFS4ERR_NOTDIR},
	{EISDIR, NFS4ERR_ISDIR},
	{EINVAL, NFS4ERR_INVAL},
	{EFBIG, NFS4ERR_FBIG},
	{ENOSPC, NFS4ERR_NOSPC},
	{EROFS, NFS4ERR_ROFS},
	{EMLINK, NFS4ERR_MLINK},
	{ENAMETOOLONG, NFS4ERR_NAMETOOLONG},
	{ENOTEMPTY, NFS4ERR_NOTEMPTY},
	{EDQUOT, NFS4ERR_DQUOT},
	{ESTALE, NFS4ERR_STALE},
	{ELOOP, NFS4ERR_SYMLINK},
	{EOPNOTSUPP, NFS4ERR_NOTSUPP},
	{ENOSYS, NFS4ERR_NOTSUPP},
	{EKEYREJECTED, NFS4ERR_NOT_SAME}, /* store_readdir(): verifier */
	{ENODATA, NFS4ERR_NOXATTR},       /* RFC 8276 8.4 */
	{E2BIG, NFS4ERR_XATTR2BIG},
	{ERANGE, NFS4ERR_TOOSMALL},
	{EBUSY, NFS4ERR_FILE_OPEN},
	{ETXTBSY, NFS4ERR_ACCESS},
	{EAGAIN, NFS4ERR_DELAY}, /* EWOULDBLOCK: somebody's lease or lock */
	{EINTR, NFS4ERR_DELAY},
	{ENOMEM, NFS4ERR_DELAY}, /* try again when there is memory */
	{EMFILE, NFS4ERR_DELAY},
	{ENFILE, NFS4ERR_DELAY},
	{ETIMEDOUT, NFS4ERR_DELAY},
};

nfsstat4 errmap_status(int err)
{
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (map[i].err == -err)
			return map[i].status;
	}
	log_limited(LOG_LVL_WARN, 60000,
		"store error has no NFS status errno=%d (%s)", -err,
		strerror(-err));
	return NFS4ERR_IO;
}

nfsstat4 errmap_status_changed(int err)
{
	nfsstat4 status = errmap_status(err);

	return status == NFS4ERR_DELAY ? NFS4ERR_IO : status;
}
