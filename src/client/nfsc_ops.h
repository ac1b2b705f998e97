/* SPDX-License-Identifier: MIT */
/*
 * One call each for what is done with directories and delegations; files are
 * in nfsc_files.h. All block, and return 0, a positive nfsstat4 or a negative
 * errno (nfsc.h). With retry_delay_ms configured NFS4ERR_DELAY is waited out;
 * else it is returned like any other.
 */
#ifndef CLIENT_NFSC_OPS_H
#define CLIENT_NFSC_OPS_H

#include "client/dircache.h"
#include "client/nfsc.h"
#include "vocab/name.h"
#include "wire/fattr4.h"

/* A filehandle that is ours to keep. */
struct nfsc_fh {
	uint32_t len;
	uint8_t data[NFS4_FHSIZE];
};

static inline struct xdr_opaque nfsc_fh_wire(const struct nfsc_fh *fh)
{
	return xdr_opaque_from(fh->data, fh->len);
}

/* A copy of @given; false when it is too long to be one. */
bool nfsc_fh_copy(struct nfsc_fh *fh, struct xdr_opaque given);
bool nfsc_fh_equal(const struct nfsc_fh *a, const struct nfsc_fh *b);

/* Append PUTFH, or PUTROOTFH for NULL. */
void nfsc_add_putfh(struct nfsc_compound *compound, const struct nfsc_fh *fh);

/* Append LOOKUP. */
void nfsc_add_lookup(struct nfsc_compound *compound, struct name name);

/*
 * What SETATTR, CREATE and OPEN are told; from @arena. SETATTR_MODE_MASKED and
 * SETATTR_UMASK are not for us.
 */
bool nfsc_make_attrs(
	struct arena *arena, const struct setattr *set, fattr4 *ret);

/* ---- looking ---- */

/*
 * Walk the @n names at @path from @from (NULL: the root). @done, when given,
 * is how many were found.
 */
int nfsc_lookup(struct nfsc *c, const struct nfsc_fh *from,
	const struct name *path, size_t n, struct nfsc_fh *ret, size_t *done);

/* As nfsc_lookup() of the names in "a/b/c". */
int nfsc_lookup_path(struct nfsc *c, const char *path, struct nfsc_fh *ret);

/*
 * Strings and handle in @ret are empty: they died with the call. Owners stand
 * in attr.uid and gid as struct dircache_entry has them.
 */
int nfsc_getattr(struct nfsc *c, const struct nfsc_fh *fh, const bitmap4 *want,
	struct fattr4_values *ret);

/* Just the change attribute. */
int nfsc_get_change(struct nfsc *c, const struct nfsc_fh *fh, uint64_t *ret);

int nfsc_access(struct nfsc *c, const struct nfsc_fh *fh, uint32_t want,
	uint32_t *granted);

/* At most @size bytes, no NUL; the whole length in @len. */
int nfsc_readlink(struct nfsc *c, const struct nfsc_fh *fh, char *to,
	size_t size, size_t *len);

/* Where a listing stands; all zero is its start. */
struct nfsc_page {
	uint64_t cookie;
	verifier4 verifier;
	bool eof;
};

/* Not 0 ends the listing with that value. @entry dies on return. */
typedef int (*nfsc_emit)(void *ctx, const struct dircache_entry *entry);

/*
 * One READDIR: the next page after @page, of at most @size bytes. NOT_SAME or
 * BAD_COOKIE: begin again. An entry whose name or attributes make no sense is -EPROTO.
 */
int nfsc_readdir_page(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, uint32_t size, struct nfsc_page *page,
	nfsc_emit emit, void *ctx);

/* All pages. The verifier is in @page, which need not be set before. */
int nfsc_readdir(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, struct nfsc_page *page, nfsc_emit emit,
	void *ctx);

/* ---- changing ---- */

/* @info may be NULL, @set may be NULL (no attributes), @ret may be NULL. */
int nfsc_remove(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	change_info4 *info);
int nfsc_rename(struct nfsc *c, const struct nfsc_fh *from, struct name old,
	const struct nfsc_fh *to, struct name name, change_info4 *source,
	change_info4 *target);
int nfsc_link(struct nfsc *c, const struct nfsc_fh *file,
	const struct nfsc_fh *dir, struct name name, change_info4 *info);
int nfsc_mkdir(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const struct setattr *set, struct nfsc_fh *ret, change_info4 *info);
int nfsc_symlink(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const char *target, struct nfsc_fh *ret, change_info4 *info);

/* FIFOs, sockets, devices (numbers 0:0). */
int nfsc_mknod(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	nfs_ftype4 type, const struct setattr *set, struct nfsc_fh *ret,
	change_info4 *info);

/* @stateid may be NULL: the anonymous one. */
int nfsc_setattr(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, const struct setattr *set);

/* ---- directory delegations ---- */

struct nfsc_deleg_want {
	bitmap4 types; /* NOTIFY4_*, flags included */
	bitmap4 child_attrs, dir_attrs;
	nfstime4 child_delay, dir_delay;
	bool signal;
};

struct nfsc_deleg {
	bool granted;
	bool will_signal; /* when not granted */
	stateid4 stateid;
	uint64_t generation; /* of the session it was asked for in */
	verifier4 verifier;
	bitmap4 types, child_attrs, dir_attrs;
	/* The directory's, from a GETATTR after the grant (or refusal). */
	bool has_change;
	uint64_t change;
};

/*
 * 0 also when the server does not grant it now. @settle, when given, is called
 * with a grant before a callback that refers to it can be served.
 */
int nfsc_get_dir_delegation(struct nfsc *c, const struct nfsc_fh *dir,
	const struct nfsc_deleg_want *want,
	void (*settle)(void *ctx, const struct nfsc_deleg *deleg), void *ctx,
	struct nfsc_deleg *ret);

/* @change, when given, is the directory's just before; 0 if it had none. */
int nfsc_delegreturn(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, uint64_t *change);

/*
 * As many as fit into one call of the @n delegations (@fhs[i], @stateids[i])
 * up to the first that fails. *@done is how many were returned; an error is
 * that of the next one, or of the call.
 */
int nfsc_delegreturn_some(struct nfsc *c, const struct nfsc_fh *const *fhs,
	const stateid4 *stateids, unsigned n, unsigned *done);

/* One status for each of @n stateids. */
int nfsc_test_stateids(
	struct nfsc *c, const stateid4 *stateids, unsigned n, nfsstat4 *ret);
int nfsc_free_stateid(struct nfsc *c, const stateid4 *stateid);

static inline bool nfsc_stateid_equal(const stateid4 *a, const stateid4 *b)
{
	return memcmp(a->other, b->other, sizeof(a->other)) == 0;
}

#endif
