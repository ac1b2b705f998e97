/* SPDX-License-Identifier: MIT */
/* What SETATTR, CREATE and OPEN may set, and what is wrong with the rest. */
#include "wire/fattr4_table.h"

#define MODE_BITS 07777

/* An id in decimal, without sign, spaces or leading zeros; not -1. */
static bool parse_decimal(struct xdr_opaque text, uint32_t *ret)
{
	uint64_t id = 0;

	if (text.len == 0 || text.len > 10)
		return false;
	if (text.data[0] == '0' && text.len > 1)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		id = id * 10 + (text.data[i] - '0');
	}
	*ret = (uint32_t)id;
	return id < UINT32_MAX; /* -1 means "leave it" to chown() */
}

static nfsstat4 find_id(struct xdr_opaque text, bool group,
	const struct fattr4_names *names, uint32_t *ret)
{
	if (parse_decimal(text, ret))
		return NFS4_OK;
	if (names && names->find(names->context, group, text, ret))
		return NFS4_OK;
	return NFS4ERR_BADOWNER;
}

/* May this attribute be set, and in this use? */
static nfsstat4 check_row(unsigned bit, enum fattr4_use use)
{
	uint16_t flags = fattr4_rows[bit].flags;

	if (!fattr4_rows[bit].name)
		return NFS4ERR_ATTRNOTSUPP;
	if (!(flags & ROW_WRITE))
		return NFS4ERR_INVAL;
	if (bit == FATTR4_MODE_UMASK && use == FATTR4_SETATTR)
		return NFS4ERR_INVAL; /* RFC 8275: when creating only */
	if (use == FATTR4_EXCLUSIVE && !(flags & ROW_EXCLUSIVE))
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

/* Three attributes set the mode; at most one at a time (5.8.2.15, 6.2.5). */
static bool modes_exclude(const bitmap4 *mask)
{
	return bitmap4_has(mask, FATTR4_MODE) +
		bitmap4_has(mask, FATTR4_MODE_SET_MASKED) +
		bitmap4_has(mask, FATTR4_MODE_UMASK) >
		1;
}

static nfsstat4 check_mask(const bitmap4 *mask, enum fattr4_use use)
{
	nfsstat4 status = NFS4_OK;
	unsigned bit;

	if (mask->beyond)
		return NFS4ERR_ATTRNOTSUPP;
	bitmap4_for_each(bit, mask) {
		nfsstat4 one = check_row(bit, use);

		/* what we do not know is said first, wherever it stands */
		if (one == NFS4ERR_ATTRNOTSUPP)
			return one;
		if (one != NFS4_OK)
			status = one;
	}
	if (status == NFS4_OK && modes_exclude(mask))
		status = NFS4ERR_INVAL;
	return status;
}

static nfsstat4 set_mode(const struct fattr4_values *v, struct setattr *ret)
{
	if (bitmap4_has(&v->mask, FATTR4_MODE)) {
		ret->mask |= SETATTR_MODE;
		ret->mode = v->attr.mode;
	}
	if (bitmap4_has(&v->mask, FATTR4_MODE_SET_MASKED)) {
		ret->mask |= SETATTR_MODE_MASKED;
		ret->mode = v->mode_set_masked.mm_value_to_set;
		ret->mode_mask = v->mode_set_masked.mm_mask_bits;
	}
	if (bitmap4_has(&v->mask, FATTR4_MODE_UMASK)) {
		ret->mask |= SETATTR_MODE | SETATTR_UMASK;
		ret->mode = v->mode_umask.mu_mode;
		ret->umask = v->mode_umask.mu_umask;
	}
	if ((ret->mode | ret->mode_mask | ret->umask) & ~MODE_BITS)
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

/* @to_client and @to_now are the bits of setattr.mask for this time. */
static nfsstat4 set_time(const settime4 *given, uint32_t to_client,
	uint32_t to_now, struct setattr *ret, int64_t *ns)
{
	if (given->set_it != SET_TO_CLIENT_TIME4) {
		ret->mask |= to_now;
		return NFS4_OK;
	}
	ret->mask |= to_client;
	return fattr4_time_to_ns(&given->time, ns) ? NFS4_OK : NFS4ERR_INVAL;
}

static nfsstat4 set_times(const struct fattr4_values *v, struct setattr *ret)
{
	nfsstat4 status = NFS4_OK;

	if (bitmap4_has(&v->mask, FATTR4_TIME_ACCESS_SET))
		status = set_time(&v->time_access_set, SETATTR_ATIME,
			SETATTR_ATIME_NOW, ret, &ret->atime_ns);
	if (status == NFS4_OK && bitmap4_has(&v->mask, FATTR4_TIME_MODIFY_SET))
		status = set_time(&v->time_modify_set, SETATTR_MTIME,
			SETATTR_MTIME_NOW, ret, &ret->mtime_ns);
	return status;
}

static nfsstat4 set_owners(const struct fattr4_values *v,
	const struct fattr4_names *names, struct setattr *ret)
{
	nfsstat4 status = NFS4_OK;

	if (bitmap4_has(&v->mask, FATTR4_OWNER)) {
		ret->mask |= SETATTR_UID;
		status = find_id(v->owner, false, names, &ret->uid);
	}
	if (status == NFS4_OK && bitmap4_has(&v->mask, FATTR4_OWNER_GROUP)) {
		ret->mask |= SETATTR_GID;
		status = find_id(v->group, true, names, &ret->gid);
	}
	return status;
}

nfsstat4 fattr4_decode_settable(const fattr4 *given, enum fattr4_use use,
	const struct fattr4_names *names, struct setattr *ret)
{
	struct fattr4_values v;
	nfsstat4 status = check_mask(&given->attrmask, use);

	*ret = (struct setattr){.mask = 0};
	if (status == NFS4_OK)
		status = fattr4_decode(given, &v);
	if (status != NFS4_OK)
		return status;
	if (bitmap4_has(&v.mask, FATTR4_SIZE)) {
		ret->mask |= SETATTR_SIZE;
		ret->size = v.attr.size;
	}
	status = set_mode(&v, ret);
	if (status == NFS4_OK)
		status = set_times(&v, ret);
	if (status == NFS4_OK)
		status = set_owners(&v, names, ret);
	return status;
}
