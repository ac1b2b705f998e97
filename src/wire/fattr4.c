/* SPDX-License-Identifier: MIT */
#include "wire/fattr4.h"

#include <assert.h>

#include "base/clock.h"
#include "wire/fattr4_table.h"
#include "wire/nfs4_xdr.h"
#include "wire/xdr_bitmap.h"

/* ---- sets ---- */

/* Every attribute that has one of @flags. */
static bitmap4 rows_with(uint16_t flags)
{
	bitmap4 set = {.beyond = false};

	for (unsigned i = 0; i < BITMAP4_BITS; i++) {
		if (fattr4_rows[i].name && fattr4_rows[i].flags & flags)
			bitmap4_set(&set, i);
	}
	return set;
}

bitmap4 fattr4_known(void)
{
	return rows_with(ROW_READ | ROW_WRITE);
}

bitmap4 fattr4_exclcreat(void)
{
	return rows_with(ROW_EXCLUSIVE);
}

bitmap4 fattr4_child_notifiable(void)
{
	return rows_with(ROW_CHILD);
}

bitmap4 fattr4_dir_notifiable(void)
{
	return rows_with(ROW_DIR);
}

bitmap4 fattr4_supported(const struct fattr4_source *src)
{
	bitmap4 set = fattr4_known();
	bitmap4 deleg = rows_with(ROW_NOTIFICATIONS);
	bitmap4 minor2 = rows_with(ROW_MINOR2);

	if (src->minorversion < 2)
		set = bitmap4_minus(&set, &minor2);
	if (!src->server->notifications)
		set = bitmap4_minus(&set, &deleg);
	if (src->attr && !src->attr->has_btime)
		bitmap4_clear(&set, FATTR4_TIME_CREATE);
	return set;
}

bool fattr4_wants_fsinfo(const bitmap4 *want)
{
	unsigned bit;

	bitmap4_for_each(bit, want) {
		if (fattr4_rows[bit].flags & ROW_FSINFO)
			return true;
	}
	return false;
}

nfsstat4 fattr4_check_readable(const bitmap4 *want)
{
	unsigned bit;

	bitmap4_for_each(bit, want) {
		uint16_t flags = fattr4_rows[bit].flags;

		if (flags & ROW_WRITE && !(flags & ROW_READ))
			return NFS4ERR_INVAL;
	}
	return NFS4_OK;
}

/* ---- encoding ---- */

static bool row_available(unsigned bit, const struct fattr4_source *src)
{
	uint16_t flags = fattr4_rows[bit].flags;

	if (!(flags & ROW_READ))
		return false;
	if (flags & ROW_MINOR2 && src->minorversion < 2)
		return false;
	if (!src->attr)
		return flags & ROW_ANYWAY;
	if (flags & ROW_FSINFO)
		return src->fsinfo;
	if (flags & ROW_NOTIFICATIONS)
		return src->server->notifications;
	if (bit == FATTR4_FILEHANDLE)
		return src->fh.len;
	if (bit == FATTR4_TIME_CREATE)
		return src->attr->has_btime;
	return true;
}

bitmap4 fattr4_available(const bitmap4 *want, const struct fattr4_source *src)
{
	bitmap4 set = {.beyond = false};
	unsigned bit;

	bitmap4_for_each(bit, want) {
		if (row_available(bit, src))
			bitmap4_set(&set, bit);
	}
	return set;
}

static size_t values_size(const bitmap4 *set, const struct fattr4_source *src)
{
	size_t size = 0;
	unsigned bit;

	bitmap4_for_each(bit, set) {
		const struct fattr4_row *row = &fattr4_rows[bit];

		size += row->size ? row->size : row->size_of(src);
	}
	return size;
}

size_t fattr4_encoded_size(const bitmap4 *want, const struct fattr4_source *src)
{
	bitmap4 set = fattr4_available(want, src);

	return xdr_bitmap4_size(&set) + 4 + values_size(&set, src);
}

static size_t row_size_max(unsigned bit)
{
	switch (bit) {
	case FATTR4_FILEHANDLE:
		return 4 + NFS4_FHSIZE;
	case FATTR4_OWNER:
	case FATTR4_OWNER_GROUP:
		return 4 + FATTR4_OWNER_MAX;
	case FATTR4_SUPPORTED_ATTRS:
	case FATTR4_SUPPATTR_EXCLCREAT:
		return 4 + 4 * BITMAP4_WORDS;
	default:
		return fattr4_rows[bit].size;
	}
}

size_t fattr4_size_max(const bitmap4 *want)
{
	size_t size = 4 + 4 * BITMAP4_WORDS + 4;
	unsigned bit;

	bitmap4_for_each(bit, want)
		size += row_size_max(bit);
	return size;
}

bool fattr4_encode(
	struct xdr *out, const bitmap4 *want, const struct fattr4_source *src)
{
	bitmap4 set = fattr4_available(want, src);
	size_t length_at, values_at;
	unsigned bit;

	nfs4_put_bitmap4(out, &set);
	length_at = xdr_reserve(out, 4);
	values_at = xdr_pos(out);
	bitmap4_for_each(bit, &set)
		fattr4_rows[bit].put(out, src);
	xdr_patch_u32(out, length_at, (uint32_t)(xdr_pos(out) - values_at));
	return !out->bad;
}

bool fattr4_encode_empty(struct xdr *out)
{
	return xdr_put_u64(out, 0); /* no words, no values */
}

/* ---- decoding ---- */

nfsstat4 fattr4_decode(const fattr4 *given, struct fattr4_values *ret)
{
	struct xdr x;
	unsigned bit;

	memset(ret, 0, sizeof(*ret));
	ret->mask = given->attrmask;
	if (given->attrmask.beyond)
		return NFS4ERR_ATTRNOTSUPP;
	xdr_init_decode(&x, given->attr_vals.data, given->attr_vals.len, NULL);
	bitmap4_for_each(bit, &given->attrmask) {
		if (!fattr4_rows[bit].name)
			return NFS4ERR_ATTRNOTSUPP;
		fattr4_rows[bit].get(&x, ret);
	}
	return x.bad || xdr_left(&x) ? NFS4ERR_BADXDR : NFS4_OK;
}

/* May these be compared with @src at all (RFC 8881 18.15.3, 18.31.3)? */
static nfsstat4 check_comparable(
	const bitmap4 *mask, const struct fattr4_source *src)
{
	bitmap4 supported = fattr4_supported(src);
	nfsstat4 status;

	if (!bitmap4_subset(mask, &supported))
		return NFS4ERR_ATTRNOTSUPP;
	status = fattr4_check_readable(mask);
	if (status == NFS4_OK && bitmap4_has(mask, FATTR4_RDATTR_ERROR))
		status = NFS4ERR_INVAL;
	return status;
}

nfsstat4 fattr4_compare(const fattr4 *given, const struct fattr4_source *src,
	struct arena *arena)
{
	struct fattr4_values values;
	nfsstat4 status = check_comparable(&given->attrmask, src);
	bitmap4 set = fattr4_available(&given->attrmask, src);
	size_t size = values_size(&set, src);
	struct xdr x;
	unsigned bit;
	void *buf;

	if (status == NFS4_OK)
		status = fattr4_decode(given, &values);
	if (status != NFS4_OK)
		return status;
	if (!bitmap4_equal(&set, &given->attrmask) ||
		size != given->attr_vals.len)
		return NFS4ERR_NOT_SAME;
	if (size == 0)
		return NFS4ERR_SAME;
	buf = arena_alloc(arena, size);
	if (!buf)
		return NFS4ERR_DELAY;
	xdr_init_encode(&x, buf, size);
	bitmap4_for_each(bit, &set)
		fattr4_rows[bit].put(&x, src);
	assert(!x.bad && xdr_left(&x) == 0);
	return memcmp(buf, given->attr_vals.data, size) == 0 ? NFS4ERR_SAME
							     : NFS4ERR_NOT_SAME;
}

/* ---- times ---- */

nfstime4 fattr4_time_from_ns(int64_t ns)
{
	int64_t second = (int64_t)NSEC_PER_SEC;
	int64_t seconds = ns / second;
	int64_t fraction = ns % second;

	if (fraction < 0) { /* before 1970; nseconds counts forward */
		fraction += second;
		seconds--;
	}
	return (nfstime4){.seconds = seconds, .nseconds = (uint32_t)fraction};
}

bool fattr4_time_to_ns(const nfstime4 *t, int64_t *ns)
{
	*ns = 0;
	if (t->nseconds >= NSEC_PER_SEC)
		return false;
	return !__builtin_mul_overflow(t->seconds, (int64_t)NSEC_PER_SEC, ns) &&
		!__builtin_add_overflow(*ns, (int64_t)t->nseconds, ns);
}
