/* SPDX-License-Identifier: MIT */
/* All names of a directory, for who wants to look at each. */
#ifndef NFS_DIRLIST_H
#define NFS_DIRLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/*
 * Call @each for every name of @dir, which is read anew, so that none is
 * missing that was there before the call. 0, and the verifier of the cookies
 * when asked for; -ECANCELED when @each was false; -EAGAIN when it cannot be
 * listed to its end; what else the store says.
 */
int dirlist_all(struct store *store, const struct cred *cred,
	const struct fileid *dir,
	bool (*each)(void *ctx, struct name name, uint64_t cookie), void *ctx,
	uint64_t *verifier);

#endif
