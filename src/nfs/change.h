/* SPDX-License-Identifier: MIT */
/*
 * The one way an operation changes directory entries: the change section of
 * state/dirchange around the store's dry check and change, with what each of
 * the five operations does itself given as two functions.
 */
#ifndef NFS_CHANGE_H
#define NFS_CHANGE_H

#include <stdbool.h>

#include "nfs/compound.h"
#include "state/dirchange.h"
#include "vocab/change.h"

struct name_change {
	struct compound *c;
	struct store *store;
	const struct fileid *dir[2]; /* [1] NULL: one directory only */

	/*
	 * Would it succeed? Fills in the plan, `nothing`, and `victim` when an
	 * object loses this name. Runs inside the section, may run again.
	 */
	nfsstat4 (*check)(struct name_change *nc, struct dirchange_plan *plan);

	/*
	 * The store's change; fills in `change` and `child`, and `nothing` when
	 * others made it so since the check.
	 */
	int (*apply)(struct name_change *nc);

	bool has_victim;
	struct fileid victim; /* loses a name, for good when it has no other */
	bool victim_is_dir;
	bool victim_last_link; /* it has no other name */

	struct fileid child;         /* made, linked or moved; len 0 = none */
	enum object_type child_type; /* of what is made or moved */
	bool adds_link;              /* to `child` */
	bool moves;                  /* it is a rename */
	bool nothing;                /* rename onto itself: no change at all */

	bool exact[2]; /* no foreign change can hide: nfs/local.h */
	struct dir_change change[2];
	change_info4 info[2]; /* the answer, per directory */
};

/*
 * Run it: the section, the wait for recalls (at most recall_wait_ms in all,
 * then NFS4ERR_DELAY with nothing changed), the events, and durability before
 * it returns.
 */
nfsstat4 change_run(struct name_change *nc);

#endif
