/* SPDX-License-Identifier: MIT */
/*
 * The model of one delegated directory: built from READDIR, kept true by
 * notifications. It talks to nobody and knows no time; who owns it locks it.
 *
 * How a model becomes true. The delegation is granted first, then READDIR
 * reads pages while notifications arrive already. Notifications that arrive
 * between dircache_fill_begin() and dircache_fill_end() wait; then they are
 * applied in order. That is right because every change after the grant is
 * told: for a name that some notification is about the last one decides, for
 * all others nothing happened since the grant, so the listing is right. Only
 * the checks must be lenient for a while: a change may have happened before
 * its page was read, and its notification comes later still. So until
 * dircache_settle() an ADD of a name the listing already had, or a REMOVE of a
 * name it did not have, is no contradiction. After that it is one: something
 * was missed, the model says so and must be built anew.
 *
 * Every change of the model is told to a callback, so that what was told is
 * what the model says, whatever came twice. Building a model anew tells the
 * differences.
 */
#ifndef CLIENT_DIRCACHE_H
#define CLIENT_DIRCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bitmap4.h"
#include "proto/opaque.h"
#include "vocab/attr.h"
#include "vocab/change.h"
#include "vocab/name.h"

/* One entry, as told or as known. Everything is borrowed. */
struct dircache_entry {
	struct name name;
	uint64_t cookie; /* COOKIE_NONE: not told */
	/*
	 * FATTR4_* that are told in attr and handle. Owners that are no
	 * decimal numbers stand in uid and gid as hashes of their names: good
	 * for a comparison only.
	 */
	bitmap4 mask;
	struct attr attr;
	struct xdr_opaque handle; /* with FATTR4_FILEHANDLE in mask */
};

/*
 * One notification: struct dir_change as a client sees it. Which members mean
 * something is said there; `entry` of DIR_ATTRS has no name.
 */
struct dircache_change {
	enum change_kind kind;
	struct dircache_entry entry;
	struct dircache_entry old;
	struct dircache_entry overwritten;
	bool has_overwritten;
	bool has_previous;
	struct name previous;
	uint64_t previous_cookie;
	bool last;
	uint64_t old_verifier;
	uint64_t new_verifier;
};

enum dircache_event {
	DIRCACHE_CREATE,
	DIRCACHE_DELETE,
	DIRCACHE_MOVE,
	DIRCACHE_ATTRS, /* attributes of an entry changed */
};

/*
 * The model changed. @entry is as it is now (DELETE: as it was); @from is the
 * old name of a MOVE; @replaced is what lost its name to @entry, or NULL: then
 * no DELETE of its own comes. ATTRS: @replaced is the entry as it was, less its
 * handle; a notification may tell nothing new. Must not touch the model.
 */
typedef void (*dircache_tell)(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced);

struct dircache;

/* What some models may take together; one thread's. */
struct dircache_budget {
	size_t limit, used; /* bytes */
};

struct dircache_config {
	/*
	 * Attributes to keep (FATTR4_* of struct attr); TYPE, FILEID and
	 * FILEHANDLE are kept anyway.
	 */
	bitmap4 keep;
	/* Positions are told: keep the order of the listing, and check it. */
	bool ordered;
	/*
	 * knfsd 7.3 tells a rename within the directory three times: as
	 * RENAME, then REMOVE of the old and ADD of the new name. Take those
	 * two, directly behind it, for the echoes they are.
	 */
	bool echoes;
	/* Entries above it are -ENOMEM. Borrowed; NULL: no limit. */
	struct dircache_budget *budget;
	dircache_tell tell; /* may be NULL */
	void *ctx;
};

/* An empty model; NULL when out of memory. */
struct dircache *dircache_new(const struct dircache_config *config);
void dircache_free(struct dircache *m);

/* ---- filling ---- */

/* A listing begins, from the start. Entries known so far stay for now. */
void dircache_fill_begin(struct dircache *m);

/*
 * An entry of the listing. Told as CREATE if it is new. 0; -ENOMEM; -EPROTO
 * when so many come once more that it goes round in circles.
 */
int dircache_fill_entry(struct dircache *m, const struct dircache_entry *entry);

/*
 * The listing is complete. Drop an entry that it did not have (told as DELETE);
 * false: there is none left. For who cannot have all of it told at once.
 */
bool dircache_fill_prune(struct dircache *m);

/*
 * The listing is complete: what it did not have is gone (told as DELETE), then
 * the waiting notifications are applied. As dircache_apply().
 */
int dircache_fill_end(struct dircache *m, uint64_t verifier);

/* Of no change before the end of the fill a notification can come any more. */
void dircache_settle(struct dircache *m);
bool dircache_is_settled(const struct dircache *m);

/* While @quiet nothing is told: for the first listing. */
void dircache_quiet(struct dircache *m, bool quiet);

/* ---- changing ---- */

/*
 * Apply @change, or keep a copy of it while the model is being filled. 0;
 * -ENOMEM; -EILSEQ: it contradicts the model, which must be built anew (until
 * then it is a best guess).
 */
int dircache_apply(struct dircache *m, const struct dircache_change *change);

/* Why dircache_apply() said -EILSEQ since the last fill; NULL: it did not. */
const char *dircache_contradiction(const struct dircache *m);

/*
 * A copy of @from that borrows nothing: all it points to lies in @bytes, which
 * has room for dircache_change_bytes().
 */
size_t dircache_change_bytes(const struct dircache_change *change);
void dircache_change_copy(struct dircache_change *to,
	const struct dircache_change *from, char *bytes);

/* ---- looking ---- */

size_t dircache_count(const struct dircache *m);
uint64_t dircache_verifier(const struct dircache *m);

/* The directory's own attributes as last told, and which. */
const struct attr *dircache_dir_attr(const struct dircache *m, bitmap4 *mask);

/* False when there is none. @ret points into the model until it changes. */
bool dircache_find(
	const struct dircache *m, struct name name, struct dircache_entry *ret);

/* All entries, in order if it is known; false from @each ends it. */
void dircache_each(const struct dircache *m,
	bool (*each)(void *ctx, const struct dircache_entry *entry), void *ctx);

struct dircache_compare {
	bitmap4 attrs; /* compare these where both know them */
	bool demand;   /* ... and both must know them */
	bool cookies;  /* compare cookies where both know them */
	bool order;
};

/*
 * Do both say the same? If not, the first difference is in @why, for people.
 */
bool dircache_equal(const struct dircache *model,
	const struct dircache *listing, const struct dircache_compare *how,
	char *why, size_t size);

#endif
