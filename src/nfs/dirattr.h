/* SPDX-License-Identifier: MIT */
/*
 * The one way an operation changes a directory's own attributes. They are part
 * of what a delegation promises, so other holders hear of it or lose it before
 * it happens (state/dirattrs.h).
 */
#ifndef NFS_DIRATTR_H
#define NFS_DIRATTR_H

#include <stdbool.h>

#include "nfs/compound.h"

struct dirattr_change {
	struct compound *c; /* CURRENT_FH is the directory */
	/* Would it succeed? Runs inside the section, may run again. */
	nfsstat4 (*check)(struct dirattr_change *dac);
	/* The store's change: 0 or -errno. */
	int (*apply)(struct dirattr_change *dac);
	bool lenient;           /* recalls nobody: of the access time alone */
	bool permits;           /* it may change who may read the directory */
	uint64_t before, after; /* out: the change attribute */
};

/*
 * Run it, waiting for recalls at most recall_wait_ms in all, then NFS4ERR_DELAY
 * with nothing changed.
 */
nfsstat4 dirattr_run(struct dirattr_change *dac);

/*
 * CURRENT_FH's client has moved the directory @id, so its times and change
 * attribute moved: who covers them is told, and nobody recalled. Takes the
 * section of @id: outside of those of its parents.
 */
void dirattr_tell_moved(struct compound *c, const struct fileid *id);

/*
 * May @cred list and search the directory? Who may not must not learn its
 * names from notifications either (DD-12).
 */
bool dirattr_may_watch(
	struct store *store, const struct cred *cred, const struct fileid *dir);

#endif
