/* SPDX-License-Identifier: MIT */
/*
 * One call each for what is done with files: open, close, read, write, lock.
 * As nfsc_ops.h. Owners are strings; the client id is put with them.
 */
#ifndef CLIENT_NFSC_FILES_H
#define CLIENT_NFSC_FILES_H

#include "client/nfsc_ops.h"

struct nfsc_open {
	uint32_t access; /* OPEN4_SHARE_ACCESS_*, wants included */
	uint32_t deny;
	bool create;
	createmode4 mode;          /* with create */
	const struct setattr *set; /* with create; may be NULL */
	verifier4 verifier;        /* EXCLUSIVE4, EXCLUSIVE4_1 */
	const char *owner;         /* NULL: one for all */
};

struct nfsc_opened {
	struct nfsc_fh fh;
	stateid4 stateid;
	change_info4 info;
	uint32_t flags;
	open_delegation_type4 deleg_type;
	stateid4 deleg; /* OPEN_DELEGATE_READ, OPEN_DELEGATE_WRITE */
};

/* OPEN by name (CLAIM_NULL). */
int nfsc_open(struct nfsc *c, const struct nfsc_fh *dir, struct name name,
	const struct nfsc_open *how, struct nfsc_opened *ret);

/* OPEN by handle (CLAIM_FH). */
int nfsc_open_fh(struct nfsc *c, const struct nfsc_fh *fh,
	const struct nfsc_open *how, struct nfsc_opened *ret);

int nfsc_close(
	struct nfsc *c, const struct nfsc_fh *fh, const stateid4 *stateid);

/* An empty file: OPEN (GUARDED4, no delegation wanted) and CLOSE. */
int nfsc_create_file(struct nfsc *c, const struct nfsc_fh *dir,
	struct name name, struct nfsc_fh *ret, change_info4 *info);

/* @stateid may be NULL: the anonymous one. @count is what was done. */
int nfsc_write(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, uint64_t offset, const void *data,
	uint32_t size, stable_how4 stable, uint32_t *count);
int nfsc_read(struct nfsc *c, const struct nfsc_fh *fh, const stateid4 *stateid,
	uint64_t offset, void *data, uint32_t size, uint32_t *count, bool *eof);
int nfsc_commit(struct nfsc *c, const struct nfsc_fh *fh, verifier4 ret);

struct nfsc_range {
	nfs_lock_type4 type;
	uint64_t offset;
	uint64_t length;
};

/*
 * Lock by @owner. The first lock of an owner on a file takes the stateid of
 * the @open and gives that of the locks; @open NULL: @lock is one already.
 */
int nfsc_lock(struct nfsc *c, const struct nfsc_fh *fh, const char *owner,
	const struct nfsc_range *range, const stateid4 *open, stateid4 *lock);
int nfsc_unlock(struct nfsc *c, const struct nfsc_fh *fh,
	const struct nfsc_range *range, stateid4 *lock);

/* 0: could be locked; NFS4ERR_DENIED. */
int nfsc_lock_test(struct nfsc *c, const struct nfsc_fh *fh, const char *owner,
	const struct nfsc_range *range);

#endif
