/* SPDX-License-Identifier: MIT */
/*
 * Words for compounds in tests: each appends one operation to the compound
 * that a peer is building. Names and handles are borrowed until it is sent;
 * attribute lists live in the peer's arena.
 */
#ifndef TESTS_PROTO_ASK_H
#define TESTS_PROTO_ASK_H

#include "peer.h"
#include "wire/fattr4.h"

/* Notification types: all entries', for who does not care for their order. */
#define BIT(n) (UINT32_C(1) << (n))
#define ENTRIES                                               \
	(BIT(NOTIFY4_ADD_ENTRY) | BIT(NOTIFY4_REMOVE_ENTRY) | \
		BIT(NOTIFY4_RENAME_ENTRY) | BIT(NOTIFY4_GFLAG_EXTEND))

/* Long enough for a callback that must not come. */
#define SILENCE_MS 30

/* CREATE: a directory; anything else by ask_create(). */
void ask_root(struct peer *p);
void ask_fh(struct peer *p, const struct handle *fh);
void ask_lookup(struct peer *p, const char *name);
void ask_path(struct peer *p, const char *path); /* "a/b": from the root */
void ask_getfh(struct peer *p);
void ask_getattr(struct peer *p, unsigned attr);
nfs_argop4 *ask_create(struct peer *p, const char *name, nfs_ftype4 type);
void ask_remove(struct peer *p, const char *name);
void ask_rename(struct peer *p, const char *from, const char *to);
void ask_link(struct peer *p, const char *name);
OPEN4args *ask_open(struct peer *p, const char *name, uint32_t access);
OPEN4args *ask_open_create(struct peer *p, const char *name, createmode4 mode);
OPEN4args *ask_open_fh(struct peer *p, uint32_t access);
void ask_close(struct peer *p, const stateid4 *sid);
void ask_read(struct peer *p, const stateid4 *sid, uint64_t at, uint32_t len);
void ask_write(struct peer *p, const stateid4 *sid, uint64_t at,
	const char *text, stable_how4 stable);
READDIR4args *ask_readdir(struct peer *p, uint64_t cookie, const uint8_t *verf,
	uint32_t maxcount);
LOCK4args *ask_lock(struct peer *p, const stateid4 *open, const char *owner,
	uint64_t at, uint64_t len);
void ask_setattr(struct peer *p, const stateid4 *sid, fattr4 attrs);
SETXATTR4args *ask_setxattr(struct peer *p, const char *key, const char *value);
void ask_removexattr(struct peer *p, const char *key);
/* bits: notification types, in the first word */
void ask_dir_delegation(struct peer *p, uint32_t bits);
void ask_delegreturn(struct peer *p, const stateid4 *sid);
void ask_test_stateid(struct peer *p, stateid4 *sid);
void ask_free_stateid(struct peer *p, const stateid4 *sid);

/* One attribute; settable ones for SETATTR, CREATE and OPEN. */
fattr4 ask_attr_u32(struct peer *p, unsigned attr, uint32_t value);
fattr4 ask_attr_u64(struct peer *p, unsigned attr, uint64_t value);

/* ---- whole compounds ---- */

/* The handle that a path leads to; it must be there. */
struct handle handle_of(struct peer *p, const char *path);
struct handle handle_from(struct peer *p, uint32_t result);

/* Open (and make) a file in the root for reading and writing. */
stateid4 open_file(struct peer *p, const char *name, struct handle *fh);

/* What GETATTR as result @i says. */
struct fattr4_values attrs_of(struct peer *p, uint32_t i);
uint64_t change_of(struct peer *p, const char *path);

/* A delegation of the directory at @path; it must be granted. */
stateid4 take_dir_delegation(struct peer *p, const char *path, uint32_t bits);
stateid4 take_dir_delegation_as(struct peer *p, const char *path,
	const GET_DIR_DELEGATION4args *wanted);

/* The status of a compound of one operation behind PUTROOTFH. */
nfsstat4 remove_name(struct peer *p, const char *name);
nfsstat4 make_dir(struct peer *p, const char *name);

/* A directory in the root that everybody may change. */
void make_dir_for_all(struct peer *p, const char *name);

static const stateid4 anonymous_stateid = {.seqid = 0};
static const stateid4 current_stateid = {.seqid = 1};

#endif
