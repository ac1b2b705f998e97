/* SPDX-License-Identifier: MIT */
/*
 * From the wire to the model: what CB_NOTIFY and READDIR tell of a directory,
 * as dircache.h takes it. Everything decoded points into the given buffers or
 * the arena.
 */
#ifndef CLIENT_DIRNOTIFY_H
#define CLIENT_DIRNOTIFY_H

#include "base/arena.h"
#include "client/dircache.h"
#include "proto/nfs4.h"
#include "wire/fattr4.h"

/*
 * An entry of a listing or a notification. NFS4_OK, or what is wrong with the
 * attributes (BADXDR, ATTRNOTSUPP for one we cannot know).
 */
nfsstat4 dirnotify_entry(const component4 *name, const fattr4 *attrs,
	uint64_t cookie, struct dircache_entry *ret);

/* Called for each change in order; not 0 ends it. */
typedef int (*dirnotify_each)(void *ctx, const struct dircache_change *change);

/*
 * The changes of one notify4: one for each bit of its mask, in ascending
 * order. NFS4_OK; BADXDR; INVAL for a type we do not know, whose length nobody
 * can tell; SERVERFAULT when @each returned something or memory ran out.
 */
nfsstat4 dirnotify_decode(const notify4 *given, struct arena *arena,
	dirnotify_each each, void *ctx);

/* Can it be the name of an entry? 1 to 255 bytes, no '/', no NUL, no dots. */
bool dirnotify_is_name(struct name name);

/* "." or "..", which no notification is about but a listing may have. */
bool dirnotify_is_dots(struct name name);

/* All of @values->attr, owners as struct dircache_entry has them. */
struct attr dirnotify_attr(const struct fattr4_values *values);

/* READDIR's verifier as the number that wire/notify4.h makes of it. */
uint64_t dirnotify_verifier(const verifier4 verifier);

#endif
