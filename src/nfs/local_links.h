/* SPDX-License-Identifier: MIT */
/*
 * Children with several links. The mark of a directory tells what is done to a
 * file by its names there; what is done by a name elsewhere only the file's
 * own mark does. So while somebody is promised the attributes of a directory's
 * children, those files in it that have more than one link are watched
 * themselves. Which ones is found out by listing when the promise begins, and
 * afterwards wherever a child turns out to have another link. Where one cannot
 * be watched the promise is not made, or is recalled (resource).
 *
 * Inside nfs/local*.c only. Locks: local.lock, inside. With a permit, but for
 * local_links_free().
 */
#ifndef NFS_LOCAL_LINKS_H
#define NFS_LOCAL_LINKS_H

#include <stdbool.h>

#include "vocab/fileid.h"
#include "vocab/name.h"

struct local_dir;

/*
 * Somebody is promised the attributes of children, and about to be told so.
 * -ENOSPC or another error: they cannot all be watched (logged).
 */
int local_links_fill(struct local_dir *d);

/*
 * @child of @d has several links, or is about to. True: it is watched only from
 * now on, so who has looked at it looks again.
 */
bool local_links_add(struct local_dir *d, const struct fileid *child);

/* What was reported of them (LOCAL_LINKS_*): the job, under no lock. */
void local_links_sweep(struct local_dir *d);
void local_links_give_up(struct local_dir *d);

/* If nobody is promised anything any more, watch none of them. */
void local_links_undo(struct local_dir *d);

/* Forget them; the watches went with the store's observer. */
void local_links_free(struct local_dir *d);

#endif
