/* SPDX-License-Identifier: MIT */
/*
 * One row per attribute this server knows. `put` writes the value of an
 * object, `get` reads it into fattr4_values; both leave errors to the cursor.
 */
#include "wire/fattr4_table.h"

#include <stdio.h>

#include "base/clock.h"
#include "wire/nfs4_xdr.h"
#include "wire/xdr_bitmap.h"

/* ---- what most attributes are made of ---- */

#define PUT_U32(name, value)                                                 \
	static void put_##name(struct xdr *x, const struct fattr4_source *s) \
	{                                                                    \
		xdr_put_u32(x, value);                                       \
	}
#define PUT_U64(name, value)                                                 \
	static void put_##name(struct xdr *x, const struct fattr4_source *s) \
	{                                                                    \
		xdr_put_u64(x, value);                                       \
	}
#define PUT_TIME(name, value)                                                \
	static void put_##name(struct xdr *x, const struct fattr4_source *s) \
	{                                                                    \
		nfstime4 t = fattr4_time_from_ns(value);                     \
                                                                             \
		nfs4_put_nfstime4(x, &t);                                    \
	}
#define GET(name, type, field)                                         \
	static void get_##name(struct xdr *x, struct fattr4_values *v) \
	{                                                              \
		type(x, &v->field);                                    \
	}
#define GET_TIME(name, field)                                          \
	static void get_##name(struct xdr *x, struct fattr4_values *v) \
	{                                                              \
		get_time(x, &v->field);                                \
	}

/* A time beyond what we can hold becomes the last one that we can. */
static void get_time(struct xdr *x, int64_t *ns)
{
	nfstime4 t;

	if (!nfs4_get_nfstime4(x, &t))
		return;
	if (t.nseconds >= NSEC_PER_SEC)
		xdr_fail(x);
	else if (!fattr4_time_to_ns(&t, ns))
		*ns = t.seconds < 0 ? INT64_MIN : INT64_MAX;
}

/* ---- 0 to 11 and 75: what every object has ---- */

static void put_supported_attrs(struct xdr *x, const struct fattr4_source *s)
{
	bitmap4 supported = fattr4_supported(s);

	nfs4_put_bitmap4(x, &supported);
}

static size_t size_supported_attrs(const struct fattr4_source *s)
{
	bitmap4 supported = fattr4_supported(s);

	return xdr_bitmap4_size(&supported);
}

static bitmap4 exclcreat(const struct fattr4_source *s)
{
	bitmap4 supported = fattr4_supported(s);
	bitmap4 set = fattr4_exclcreat();

	return bitmap4_and(&set, &supported);
}

static void put_suppattr_exclcreat(struct xdr *x, const struct fattr4_source *s)
{
	bitmap4 set = exclcreat(s);

	nfs4_put_bitmap4(x, &set);
}

static size_t size_suppattr_exclcreat(const struct fattr4_source *s)
{
	bitmap4 set = exclcreat(s);

	return xdr_bitmap4_size(&set);
}

static void get_type(struct xdr *x, struct fattr4_values *v)
{
	uint32_t type;

	xdr_get_u32(x, &type);
	v->attr.type =
		type <= OBJECT_FIFO ? (enum object_type)type : OBJECT_NONE;
}

static void put_fsid(struct xdr *x, const struct fattr4_source *s)
{
	xdr_put_u64(x, s->attr->fsid.major);
	xdr_put_u64(x, s->attr->fsid.minor);
}

static void get_fsid(struct xdr *x, struct fattr4_values *v)
{
	xdr_get_u64(x, &v->attr.fsid.major);
	xdr_get_u64(x, &v->attr.fsid.minor);
}

PUT_U32(type, s->attr->type)
PUT_U32(fh_expire_type, FH4_PERSISTENT)
PUT_U64(change, s->attr->change)
PUT_U64(size, s->attr->size)
PUT_U32(true, true)
PUT_U32(false, false)
PUT_U32(lease_time, s->server->lease_s)
PUT_U32(rdattr_error, s->rdattr_error)

GET(supported_attrs, nfs4_get_bitmap4, supported)
GET(suppattr_exclcreat, nfs4_get_bitmap4, exclcreat)
GET(fh_expire_type, xdr_get_u32, fh_expire_type)
GET(change, xdr_get_u64, attr.change)
GET(size, xdr_get_u64, attr.size)
GET(link_support, xdr_get_bool, link_support)
GET(symlink_support, xdr_get_bool, symlink_support)
GET(named_attr, xdr_get_bool, named_attr)
GET(unique_handles, xdr_get_bool, unique_handles)
GET(lease_time, xdr_get_u32, lease_s)
GET(rdattr_error, nfs4_get_nfsstat4, rdattr_error)

/* ---- identity ---- */

static void put_filehandle(struct xdr *x, const struct fattr4_source *s)
{
	nfs4_put_nfs_fh4(x, &s->fh);
}

static size_t size_filehandle(const struct fattr4_source *s)
{
	return 4 + xdr_padded(s->fh.len);
}

/* The id in decimal, which is what AUTH_SYS clients expect (5.9). */
static uint32_t decimal(char buf[16], uint32_t id)
{
	return (uint32_t)snprintf(buf, 16, "%u", id);
}

static void put_who(struct xdr *x, const struct xdr_opaque *name, uint32_t id)
{
	struct xdr_opaque who = *name;
	char buf[16];

	if (!who.data)
		who = xdr_opaque_from(buf, decimal(buf, id));
	xdr_put_opaque_var(x, &who, UINT32_MAX);
}

static size_t size_who(const struct xdr_opaque *name, uint32_t id)
{
	char buf[16];

	return 4 + xdr_padded(name->data ? name->len : decimal(buf, id));
}

static void put_owner(struct xdr *x, const struct fattr4_source *s)
{
	put_who(x, &s->owner, s->attr->uid);
}

static size_t size_owner(const struct fattr4_source *s)
{
	return size_who(&s->owner, s->attr->uid);
}

static void put_owner_group(struct xdr *x, const struct fattr4_source *s)
{
	put_who(x, &s->group, s->attr->gid);
}

static size_t size_owner_group(const struct fattr4_source *s)
{
	return size_who(&s->group, s->attr->gid);
}

static void get_owner(struct xdr *x, struct fattr4_values *v)
{
	xdr_get_opaque_var(x, &v->owner, UINT32_MAX);
}

static void get_owner_group(struct xdr *x, struct fattr4_values *v)
{
	xdr_get_opaque_var(x, &v->group, UINT32_MAX);
}

static void put_rawdev(struct xdr *x, const struct fattr4_source *s)
{
	xdr_put_u32(x, s->attr->rdev_major);
	xdr_put_u32(x, s->attr->rdev_minor);
}

static void get_rawdev(struct xdr *x, struct fattr4_values *v)
{
	xdr_get_u32(x, &v->attr.rdev_major);
	xdr_get_u32(x, &v->attr.rdev_minor);
}

PUT_U64(fileid, s->attr->inode)
PUT_U32(mode, s->attr->mode & 07777)
PUT_U32(numlinks, s->attr->nlink)
PUT_U64(space_used, s->attr->space_used)
PUT_U64(mounted_on_fileid, s->attr->mounted_on_inode)

GET(filehandle, nfs4_get_nfs_fh4, fh)
GET(fileid, xdr_get_u64, attr.inode)
GET(mode, xdr_get_u32, attr.mode)
GET(numlinks, xdr_get_u32, attr.nlink)
GET(space_used, xdr_get_u64, attr.space_used)
GET(mounted_on_fileid, xdr_get_u64, attr.mounted_on_inode)

/* ---- the file system ---- */

PUT_U32(none, 0)
PUT_U32(case_insensitive, s->fsinfo->case_insensitive)
PUT_U64(files_avail, s->fsinfo->files_avail)
PUT_U64(files_free, s->fsinfo->files_free)
PUT_U64(files_total, s->fsinfo->files_total)
PUT_U64(maxfilesize, s->fsinfo->max_file_size)
PUT_U32(maxlink, s->fsinfo->max_link)
PUT_U32(maxname, s->fsinfo->max_name)
PUT_U64(maxread, s->server->max_read)
PUT_U64(maxwrite, s->server->max_write)
PUT_U64(space_avail, s->fsinfo->space_avail)
PUT_U64(space_free, s->fsinfo->space_free)
PUT_U64(space_total, s->fsinfo->space_total)
PUT_U32(xattr_support, s->fsinfo->has_xattrs)

GET(aclsupport, xdr_get_u32, aclsupport)
GET(cansettime, xdr_get_bool, cansettime)
GET(case_insensitive, xdr_get_bool, fsinfo.case_insensitive)
GET(case_preserving, xdr_get_bool, case_preserving)
GET(chown_restricted, xdr_get_bool, chown_restricted)
GET(files_avail, xdr_get_u64, fsinfo.files_avail)
GET(files_free, xdr_get_u64, fsinfo.files_free)
GET(files_total, xdr_get_u64, fsinfo.files_total)
GET(homogeneous, xdr_get_bool, homogeneous)
GET(maxfilesize, xdr_get_u64, fsinfo.max_file_size)
GET(maxlink, xdr_get_u32, fsinfo.max_link)
GET(maxname, xdr_get_u32, fsinfo.max_name)
GET(maxread, xdr_get_u64, max_read)
GET(maxwrite, xdr_get_u64, max_write)
GET(no_trunc, xdr_get_bool, no_trunc)
GET(space_avail, xdr_get_u64, fsinfo.space_avail)
GET(space_free, xdr_get_u64, fsinfo.space_free)
GET(space_total, xdr_get_u64, fsinfo.space_total)
GET(xattr_support, xdr_get_bool, fsinfo.has_xattrs)

/* ---- times ---- */

static void get_time_create(struct xdr *x, struct fattr4_values *v)
{
	get_time(x, &v->attr.btime_ns);
	v->attr.has_btime = !x->bad;
}

PUT_TIME(time_access, s->attr->atime_ns)
PUT_TIME(time_create, s->attr->btime_ns)
PUT_TIME(time_delta, (int64_t)s->server->time_delta_ns)
PUT_TIME(time_metadata, s->attr->ctime_ns)
PUT_TIME(time_modify, s->attr->mtime_ns)
PUT_TIME(dir_notif_delay,
	(int64_t)(s->server->dir_notif_delay_ms *NSEC_PER_MSEC))
PUT_TIME(dirent_notif_delay,
	(int64_t)(s->server->dirent_notif_delay_ms *NSEC_PER_MSEC))

GET_TIME(time_access, attr.atime_ns)
GET_TIME(time_metadata, attr.ctime_ns)
GET_TIME(time_modify, attr.mtime_ns)
GET(time_delta, nfs4_get_nfstime4, time_delta)
GET(dir_notif_delay, nfs4_get_nfstime4, dir_notif_delay)
GET(dirent_notif_delay, nfs4_get_nfstime4, dirent_notif_delay)

/* ---- what can only be set ---- */

GET(time_access_set, nfs4_get_settime4, time_access_set)
GET(time_modify_set, nfs4_get_settime4, time_modify_set)
GET(mode_set_masked, nfs4_get_mode_masked4, mode_set_masked)
GET(mode_umask, nfs4_get_mode_umask4, mode_umask)

/* ---- the table ---- */

#define ROW(number, label, how, bytes, putter) \
	[number] = {.name = #label,            \
		.flags = (how),                \
		.size = (bytes),               \
		.put = putter,                 \
		.get = get_##label}
#define ROW_SIZED(number, label, how, putter, sizer) \
	[number] = {.name = #label,                  \
		.flags = (how),                      \
		.put = putter,                       \
		.get = get_##label,                  \
		.size_of = sizer}

/* Flags that come together. */
#define R   ROW_READ
#define W   ROW_WRITE
#define RW  (ROW_READ | ROW_WRITE)
#define RFS (ROW_READ | ROW_FSINFO)
#define C   ROW_CHILD
#define CD  (ROW_CHILD | ROW_DIR)
#define X   ROW_EXCLUSIVE
#define V42 ROW_MINOR2

const struct fattr4_row fattr4_rows[BITMAP4_BITS] = {
	ROW_SIZED(FATTR4_SUPPORTED_ATTRS, supported_attrs, R,
		put_supported_attrs, size_supported_attrs),
	ROW(FATTR4_TYPE, type, R | CD, 4, put_type),
	ROW(FATTR4_FH_EXPIRE_TYPE, fh_expire_type, R, 4, put_fh_expire_type),
	ROW(FATTR4_CHANGE, change, R | CD, 8, put_change),
	ROW(FATTR4_SIZE, size, RW | CD | X, 8, put_size),
	ROW(FATTR4_LINK_SUPPORT, link_support, R, 4, put_true),
	ROW(FATTR4_SYMLINK_SUPPORT, symlink_support, R, 4, put_true),
	ROW(FATTR4_NAMED_ATTR, named_attr, R | CD, 4, put_false),
	ROW(FATTR4_FSID, fsid, R | CD, 16, put_fsid),
	/* overlapping exports give one object several handles */
	ROW(FATTR4_UNIQUE_HANDLES, unique_handles, R, 4, put_false),
	ROW(FATTR4_LEASE_TIME, lease_time, R, 4, put_lease_time),
	ROW(FATTR4_RDATTR_ERROR, rdattr_error, R | ROW_ANYWAY, 4,
		put_rdattr_error),
	ROW(FATTR4_ACLSUPPORT, aclsupport, R, 4, put_none),
	ROW(FATTR4_CANSETTIME, cansettime, R, 4, put_true),
	ROW(FATTR4_CASE_INSENSITIVE, case_insensitive, RFS, 4,
		put_case_insensitive),
	ROW(FATTR4_CASE_PRESERVING, case_preserving, R, 4, put_true),
	ROW(FATTR4_CHOWN_RESTRICTED, chown_restricted, R, 4, put_true),
	ROW_SIZED(FATTR4_FILEHANDLE, filehandle, R | C, put_filehandle,
		size_filehandle),
	ROW(FATTR4_FILEID, fileid, R | CD, 8, put_fileid),
	ROW(FATTR4_FILES_AVAIL, files_avail, RFS, 8, put_files_avail),
	ROW(FATTR4_FILES_FREE, files_free, RFS, 8, put_files_free),
	ROW(FATTR4_FILES_TOTAL, files_total, RFS, 8, put_files_total),
	ROW(FATTR4_HOMOGENEOUS, homogeneous, R, 4, put_true),
	ROW(FATTR4_MAXFILESIZE, maxfilesize, RFS, 8, put_maxfilesize),
	ROW(FATTR4_MAXLINK, maxlink, RFS, 4, put_maxlink),
	ROW(FATTR4_MAXNAME, maxname, RFS, 4, put_maxname),
	ROW(FATTR4_MAXREAD, maxread, R, 8, put_maxread),
	ROW(FATTR4_MAXWRITE, maxwrite, R, 8, put_maxwrite),
	ROW(FATTR4_MODE, mode, RW | CD | X, 4, put_mode),
	ROW(FATTR4_NO_TRUNC, no_trunc, R, 4, put_true),
	ROW(FATTR4_NUMLINKS, numlinks, R | CD, 4, put_numlinks),
	ROW_SIZED(FATTR4_OWNER, owner, RW | CD | X, put_owner, size_owner),
	ROW_SIZED(FATTR4_OWNER_GROUP, owner_group, RW | CD | X, put_owner_group,
		size_owner_group),
	ROW(FATTR4_RAWDEV, rawdev, R | CD, 8, put_rawdev),
	ROW(FATTR4_SPACE_AVAIL, space_avail, RFS, 8, put_space_avail),
	ROW(FATTR4_SPACE_FREE, space_free, RFS, 8, put_space_free),
	ROW(FATTR4_SPACE_TOTAL, space_total, RFS, 8, put_space_total),
	ROW(FATTR4_SPACE_USED, space_used, R | CD, 8, put_space_used),
	ROW(FATTR4_TIME_ACCESS, time_access, R, 12, put_time_access),
	ROW(FATTR4_TIME_ACCESS_SET, time_access_set, W, 0, NULL),
	ROW(FATTR4_TIME_CREATE, time_create, R | CD, 12, put_time_create),
	ROW(FATTR4_TIME_DELTA, time_delta, R, 12, put_time_delta),
	ROW(FATTR4_TIME_METADATA, time_metadata, R | CD, 12, put_time_metadata),
	ROW(FATTR4_TIME_MODIFY, time_modify, R | CD, 12, put_time_modify),
	ROW(FATTR4_TIME_MODIFY_SET, time_modify_set, W, 0, NULL),
	ROW(FATTR4_MOUNTED_ON_FILEID, mounted_on_fileid, R | CD, 8,
		put_mounted_on_fileid),
	ROW(FATTR4_DIR_NOTIF_DELAY, dir_notif_delay, R | ROW_NOTIFICATIONS, 12,
		put_dir_notif_delay),
	ROW(FATTR4_DIRENT_NOTIF_DELAY, dirent_notif_delay,
		R | ROW_NOTIFICATIONS, 12, put_dirent_notif_delay),
	ROW(FATTR4_MODE_SET_MASKED, mode_set_masked, W, 0, NULL),
	ROW_SIZED(FATTR4_SUPPATTR_EXCLCREAT, suppattr_exclcreat, R,
		put_suppattr_exclcreat, size_suppattr_exclcreat),
	ROW(FATTR4_MODE_UMASK, mode_umask, W | X | V42, 0, NULL),
	ROW(FATTR4_XATTR_SUPPORT, xattr_support, RFS | V42, 4,
		put_xattr_support),
};

const char *fattr4_name(unsigned number)
{
	if (number >= BITMAP4_BITS || !fattr4_rows[number].name)
		return "UNKNOWN";
	return fattr4_rows[number].name;
}
