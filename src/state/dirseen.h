/* SPDX-License-Identifier: MIT */
/*
 * Which value of a directory's change attribute each client was told last.
 *
 * A Linux client (7.3) that is granted a delegation in the same compound as
 * its GETATTR believes that nothing changed before either: it takes over a new
 * change attribute and keeps the names it has cached under the old one. So who
 * takes recalls only is not granted a directory while the last it was told of
 * it is out of date; the GETATTR behind the refusal brings it up to date.
 *
 * A table of digests without locks: what finds no room there is forgotten, and
 * taken for out of date until it is told again.
 */
#ifndef STATE_DIRSEEN_H
#define STATE_DIRSEEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vocab/fileid.h"

#define DIRSEEN_SETS 16384
#define DIRSEEN_WAYS 4

struct dirseen {
	_Atomic uint64_t (*sets)[DIRSEEN_WAYS];
};

/* 0 or -ENOMEM. */
int dirseen_init(struct dirseen *seen);
void dirseen_fini(struct dirseen *seen);

/* The client is being told @change of the directory. Any thread. */
void dirseen_note(struct dirseen *seen, uint64_t client_id,
	const struct fileid *dir, uint64_t change);

/* Was it told another value last? False if it was never told any. */
bool dirseen_is_outdated(const struct dirseen *seen, uint64_t client_id,
	const struct fileid *dir, uint64_t change);

#endif
