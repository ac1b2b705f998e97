/* SPDX-License-Identifier: MIT */
/*
 * File attributes on the wire (RFC 8881 section 5): between `fattr4` and what
 * stores and the server say in host terms (vocab/attr.h). One row per
 * attribute in fattr4_table.c is all there is to know about it.
 *
 * No lookups happen here: who wants an owner other than decimal resolves it
 * first, and the way back goes through a function the caller gives.
 */
#ifndef WIRE_FATTR4_H
#define WIRE_FATTR4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nfs4.h"
#include "vocab/attr.h"
#include "wire/xdr.h"

/* No owner's name is longer; who has one gives the number. */
#define FATTR4_OWNER_MAX 256

/* What does not depend on the object. */
struct fattr4_server {
	uint32_t lease_s;
	uint64_t max_read;
	uint64_t max_write;
	uint64_t time_delta_ns;
	/* Directory delegations are on: attributes 56 and 57 exist. */
	bool notifications;
	uint64_t dir_notif_delay_ms;
	uint64_t dirent_notif_delay_ms;
};

/* One object, for encoding. Everything is borrowed. */
struct fattr4_source {
	const struct fattr4_server *server;
	uint32_t minorversion;
	const struct attr *attr; /* NULL: only rdattr_error can be told */
	/* May be NULL unless fattr4_wants_fsinfo(). */
	const struct fsinfo *fsinfo;
	nfs_fh4 fh;              /* len 0: there is none */
	struct xdr_opaque owner; /* data NULL: decimal */
	struct xdr_opaque group; /* data NULL: decimal */
	nfsstat4 rdattr_error;
};

/* What a fattr4 said; only fields whose bit is in mask mean anything. */
struct fattr4_values {
	bitmap4 mask;
	struct attr attr;     /* all of it but uid, gid: see owner, group */
	struct fsinfo fsinfo; /* likewise max_name and so on */
	bitmap4 supported;
	bitmap4 exclcreat;
	nfs_fh4 fh; /* these three point into the buffer */
	struct xdr_opaque owner;
	struct xdr_opaque group;
	nfsstat4 rdattr_error;
	uint32_t fh_expire_type;
	uint32_t lease_s;
	uint32_t aclsupport;
	uint64_t max_read;
	uint64_t max_write;
	nfstime4 time_delta;
	nfstime4 dir_notif_delay;
	nfstime4 dirent_notif_delay;
	settime4 time_access_set;
	settime4 time_modify_set;
	mode_masked4 mode_set_masked;
	mode_umask4 mode_umask;
	bool link_support;
	bool symlink_support;
	bool named_attr;
	bool unique_handles;
	bool cansettime;
	bool case_preserving;
	bool chown_restricted;
	bool homogeneous;
	bool no_trunc;
};

/* ---- sets ---- */

/* All that this server knows; some objects lack some of them. */
bitmap4 fattr4_known(void);

/* What may be set by EXCLUSIVE4_1 (attribute 75): no times. */
bitmap4 fattr4_exclcreat(void);

/*
 * What a directory delegation can promise to report, of children and of the
 * directory itself (RFC 8881 20.4.3); to be cut to fattr4_supported(), too. Not
 * the access time: nobody is told when it moves.
 */
bitmap4 fattr4_child_notifiable(void);
bitmap4 fattr4_dir_notifiable(void);

/* supported_attrs of this object. */
bitmap4 fattr4_supported(const struct fattr4_source *src);

/* Must src->fsinfo be there to encode @want? */
bool fattr4_wants_fsinfo(const bitmap4 *want);

/* NFS4ERR_INVAL when write-only attributes are asked for (GETATTR, READDIR). */
nfsstat4 fattr4_check_readable(const bitmap4 *want);

/* ---- encoding ---- */

/* Which of @want fattr4_encode() will write: what is readable and there. */
bitmap4 fattr4_available(const bitmap4 *want, const struct fattr4_source *src);

/* Bytes that fattr4_encode() will write. */
size_t fattr4_encoded_size(
	const bitmap4 *want, const struct fattr4_source *src);

/* An upper bound of that for any object. */
size_t fattr4_size_max(const bitmap4 *want);

/* A fattr4 of what is available; the rest is left out without a word. */
bool fattr4_encode(
	struct xdr *out, const bitmap4 *want, const struct fattr4_source *src);

/* An empty one: no attributes. */
bool fattr4_encode_empty(struct xdr *out);

/* ---- decoding ---- */

/*
 * NFS4_OK; ATTRNOTSUPP for an attribute that is not in fattr4_known() (its
 * length is unknown, so what follows cannot be read); BADXDR when values are
 * short, malformed or left over.
 */
nfsstat4 fattr4_decode(const fattr4 *given, struct fattr4_values *ret);

/*
 * VERIFY and NVERIFY: NFS4ERR_SAME or NFS4ERR_NOT_SAME, or ATTRNOTSUPP, INVAL
 * (write-only, or rdattr_error: RFC 8881 18.31.3), BADXDR. DELAY when @arena
 * gives no memory for the comparison.
 */
nfsstat4 fattr4_compare(const fattr4 *given, const struct fattr4_source *src,
	struct arena *arena);

/* How to find the id of an owner or group that is not decimal. */
struct fattr4_names {
	bool (*find)(void *context, bool group, struct xdr_opaque name,
		uint32_t *ret);
	void *context;
};

enum fattr4_use {
	FATTR4_SETATTR,
	FATTR4_CREATE,    /* CREATE; OPEN UNCHECKED4 and GUARDED4 */
	FATTR4_EXCLUSIVE, /* OPEN EXCLUSIVE4_1: fattr4_exclcreat() only */
};

/*
 * What @given wants set. @names may be NULL: decimal owners only.
 * ATTRNOTSUPP: not known here. INVAL: read-only, not allowed in this use, a
 * value out of range, or two attributes that exclude each other. BADOWNER:
 * nobody of that name. BADXDR: short, malformed or left over. @ret is
 * unspecified on failure.
 */
nfsstat4 fattr4_decode_settable(const fattr4 *given, enum fattr4_use use,
	const struct fattr4_names *names, struct setattr *ret);

/* ---- times ---- */

nfstime4 fattr4_time_from_ns(int64_t ns);

/* False when nseconds is no fraction or the time does not fit. */
bool fattr4_time_to_ns(const nfstime4 *t, int64_t *ns);

/* ---- the table ---- */

/* An attribute's name, "UNKNOWN" for others. */
const char *fattr4_name(unsigned number);

#endif
