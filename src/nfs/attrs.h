/* SPDX-License-Identifier: MIT */
/*
 * Attributes between store, state and wire: reading them with the change
 * attribute filled in, encoding what a client asked for, and decoding what it
 * wants set.
 */
#ifndef NFS_ATTRS_H
#define NFS_ATTRS_H

#include "nfs/compound.h"
#include "state/dirchange.h"
#include "vocab/attr.h"
#include "wire/fattr4.h"

/*
 * All attributes of an object of @export, `change` included; those of its root
 * say what it is mounted on.
 */
nfsstat4 attrs_read(struct nfs_server *server, const struct export *export,
	const struct fileid *id, struct attr *ret);

/*
 * Fill in `change` of attributes read after @clock_ns by name, when the object
 * was not known before (READDIR): they are read again if it changed recently.
 */
nfsstat4 attrs_fill_change_late(struct nfs_server *server,
	const struct export *export, const struct fileid *id, uint64_t clock_ns,
	struct attr *attr);

/*
 * Around a change of the data or attributes of an object of CURRENT_FH's export
 * (a directory's entries are dirchange's): its change attribute moves, nobody is
 * given a value for what lies between, and those who want to hear of changed
 * children are told (state/childattr.h).
 */
struct attrs_change {
	struct compound *c;
	const struct fileid *id; /* borrowed until the end */
	struct node *node;       /* NULL: out of memory, still correct */
	bool watched;            /* until the end, see local_begin_change() */
	bool has_before;         /* somebody wants to know what changes */
	struct attr before;
	/* In a change of entries, see struct childattr_change; else NULL. */
	const struct dirchange *in;
	const struct dir_change *entry;
};

void attrs_change_begin(struct attrs_change *change, struct compound *c,
	const struct fileid *id);

/*
 * The same of a directory, whose value can be told from what others do to it
 * where it can be watched, so that it is given again.
 */
void attrs_change_begin_dir(struct attrs_change *change, struct compound *c,
	const struct fileid *id);

/*
 * May a call of the store that ended with @err (0 or -errno) have changed the
 * object? Whatever refuses does so first; what a disk, its room or our memory
 * failed at may be done in part, or be done and not be on the disk.
 */
bool attrs_may_have_changed(int err);

/*
 * The end, @changed or not. When it was and @ret is given, the attributes now,
 * `change` included; false when they cannot be read.
 */
bool attrs_change_end(
	struct attrs_change *change, bool changed, struct attr *ret);

/*
 * Does one of @want need the object itself, and not just what the attributes
 * of its name tell? Then attrs_encode() wants its id.
 */
bool attrs_need_object(const bitmap4 *want);

/*
 * Which attributes (FATTR4_*) of an object differ after a change of it; its
 * change attribute always does.
 */
bitmap4 attrs_changed(const struct attr *before, const struct attr *after);

/*
 * Encode those attributes of @want that are supported, for the object @fh
 * whose values are @attr. INVAL when write-only ones are asked for. A failed
 * encode shows in @out.
 */
nfsstat4 attrs_encode(struct compound *c, const struct fh *fh,
	const struct attr *attr, const bitmap4 *want, struct xdr *out);

/* A fattr4 of rdattr_error alone, for READDIR (RFC 8881 18.23.3). */
nfsstat4 attrs_encode_error(nfsstat4 error, struct xdr *out);

/*
 * VERIFY: do CURRENT_FH's attributes @attr have the values of @given?
 * NFS4ERR_SAME or NOT_SAME; ATTRNOTSUPP, INVAL, BADXDR.
 */
nfsstat4 attrs_compare(
	struct compound *c, const struct attr *attr, const fattr4 *given);

/*
 * What a client wants set in this use: NFS4ERR_ATTRNOTSUPP, INVAL (not
 * settable), BADXDR, BADOWNER. @given is the set of attributes it named.
 */
nfsstat4 attrs_decode_settable(const fattr4 *wire, enum fattr4_use use,
	struct setattr *ret, bitmap4 *given);

#endif
