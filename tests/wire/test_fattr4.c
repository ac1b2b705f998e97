/* SPDX-License-Identifier: MIT */
/* Attributes, byte for byte as RFC 8881 5.6 to 5.8 and 3.3 lay them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/fattr4.h"
#include "wire/nfs4_xdr.h"

static const struct fattr4_server server = {
	.lease_s = 90,
	.max_read = 0x100000,
	.max_write = 0x80000,
	.time_delta_ns = 1,
	.notifications = true,
	.dir_notif_delay_ms = 50,
	.dirent_notif_delay_ms = 1000,
};

static const struct attr file = {
	.type = OBJECT_FILE,
	.mode = 0644,
	.nlink = 1,
	.uid = 1000,
	.gid = 100,
	.rdev_major = 8,
	.rdev_minor = 1,
	.inode = 0x2a,
	.mounted_on_inode = 0x2b,
	.fsid = {0x11, 0x22},
	.size = 0x123456789,
	.space_used = 0x2000,
	.atime_ns = -1,
	.mtime_ns = 1700000000000000005,
	.ctime_ns = 1000000000,
	.btime_ns = 0,
	.has_btime = true,
	.change = 0x0102030405060708,
};

static const struct fsinfo fsinfo = {
	.space_total = 0x300,
	.space_free = 0x200,
	.space_avail = 0x100,
	.files_total = 0x30,
	.files_free = 0x20,
	.files_avail = 0x10,
	.max_file_size = INT64_MAX,
	.max_name = 255,
	.max_link = 65000,
	.has_xattrs = true,
};

static const struct fattr4_source source = {
	.server = &server,
	.minorversion = 2,
	.attr = &file,
	.fsinfo = &fsinfo,
	.fh = {5, (const uint8_t *)"hand!"},
};

/* Encode @want, compare with @wanted, and return what decoding makes of it. */
static struct fattr4_values check(const struct fattr4_source *src, bitmap4 want,
	const uint8_t *wanted, size_t len)
{
	struct fattr4_values values;
	uint8_t buf[512];
	fattr4 decoded;
	struct xdr x;

	assert_int_equal(fattr4_encoded_size(&want, src), len);
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(fattr4_encode(&x, &want, src));
	assert_int_equal(xdr_pos(&x), len);
	assert_memory_equal(buf, wanted, len);
	/* decode the constant, which outlives this function */
	xdr_init_decode(&x, wanted, len, NULL);
	assert_true(nfs4_get_fattr4(&x, &decoded));
	assert_int_equal(fattr4_decode(&decoded, &values), NFS4_OK);
	return values;
}

static void what_a_child_is_reported_with(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 2,                         /* two words of attrmask */
		0x00, 0x18, 0x00, 0x1a,             /* 1, 3, 4, 19, 20 */
		0x00, 0x20, 0x00, 0x3a,             /* 33, 35, 36, 37, 53 */
		0, 0, 0, 76,                        /* bytes of attr_vals */
		0, 0, 0, 1,                         /* type: NF4REG */
		1, 2, 3, 4, 5, 6, 7, 8,             /* change */
		0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, /* size */
		0, 0, 0, 5,                         /* filehandle length */
		'h', 'a', 'n', 'd', '!', 0, 0, 0,   /* and bytes, padded */
		0, 0, 0, 0, 0, 0, 0, 0x2a,          /* fileid */
		0, 0, 0x01, 0xa4,                   /* mode 0644 */
		0, 0, 0, 1,                         /* numlinks */
		0, 0, 0, 4, '1', '0', '0', '0',     /* owner */
		0, 0, 0, 3, '1', '0', '0', 0,       /* owner_group */
		0, 0, 0, 0, 0x65, 0x53, 0xf1, 0x00, /* time_modify: s */
		0, 0, 0, 5,                         /* and ns */
	};
	bitmap4 want = {.word = {0x0018001a, 0x0020003a}};
	struct fattr4_values v = check(&source, want, wanted, sizeof(wanted));

	assert_int_equal(v.attr.type, OBJECT_FILE);
	assert_true(v.attr.change == file.change);
	assert_true(v.attr.size == file.size);
	assert_memory_equal(v.fh.data, "hand!", 5);
	assert_true(v.attr.inode == 0x2a);
	assert_int_equal(v.attr.mode, 0644);
	assert_memory_equal(v.owner.data, "1000", 4);
	assert_true(v.attr.mtime_ns == file.mtime_ns);
}

static void required_attributes(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 3,             /* three words of attrmask */
		0x00, 0x00, 0x0f, 0xff, /* 0 to 11 */
		0, 0, 0, 0,             /* none of the second word */
		0x00, 0x00, 0x08, 0x00, /* 75 */
		0, 0, 0, 96,            /* bytes of attr_vals */
		0, 0, 0, 3,             /* supported_attrs: three words */
		0xfc, 0xff, 0xaf, 0xff, /* 0-11 13 15-23 26-31 */
		0x03, 0xfd, 0xbe, 0x3e, /* 33-37 41-45 47 48 50-57 */
		0x00, 0x06, 0x0c, 0x00, /* 74 75 81 82 */
		0, 0, 0, 1,             /* type */
		0, 0, 0, 0,             /* fh_expire_type: persistent */
		1, 2, 3, 4, 5, 6, 7, 8, /* change */
		0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, /* size */
		0, 0, 0, 1,                         /* link_support */
		0, 0, 0, 1,                         /* symlink_support */
		0, 0, 0, 0,                         /* named_attr */
		0, 0, 0, 0, 0, 0, 0, 0x11,          /* fsid major */
		0, 0, 0, 0, 0, 0, 0, 0x22,          /* fsid minor */
		0, 0, 0, 0,                         /* unique_handles */
		0, 0, 0, 90,                        /* lease_time */
		0, 0, 0, 0,                         /* rdattr_error */
		0, 0, 0, 3,                         /* suppattr_exclcreat: */
		0x00, 0x00, 0x00, 0x10,             /* size */
		0x00, 0x00, 0x00, 0x32,             /* mode, owner(s) */
		0x00, 0x02, 0x00, 0x00,             /* mode_umask */
	};
	bitmap4 want = {.word = {0xfff, 0, 1 << 11}};
	struct fattr4_values v = check(&source, want, wanted, sizeof(wanted));

	assert_int_equal(v.lease_s, 90);
	assert_true(v.link_support && v.symlink_support && !v.named_attr);
	assert_true(bitmap4_has(&v.supported, FATTR4_XATTR_SUPPORT));
	assert_true(v.attr.fsid.minor == 0x22);
}

static void in_4_1_there_is_nothing_of_4_2(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1,             /* attrmask: the 4.2 bits are gone */
		0x00, 0x00, 0x00, 0x01, /* supported_attrs */
		0, 0, 0, 16,            /* bytes */
		0, 0, 0, 3,             /* three words */
		0xfc, 0xff, 0xaf, 0xff, /* as above */
		0x00, 0xf9, 0xbe, 0x3e, /* without 50, 56, 57 */
		0x00, 0x00, 0x0c, 0x00, /* 74 75 */
	};
	bitmap4 want = {.word = {1, 0, 1 << 18}};
	struct fattr4_server quiet = server;
	struct fattr4_source src = source;
	struct attr no_btime = file;

	quiet.notifications = false;
	no_btime.has_btime = false;
	src.server = &quiet;
	src.attr = &no_btime;
	src.minorversion = 1;
	check(&src, want, wanted, sizeof(wanted));
}

static void the_file_system(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 3,                /* three words of attrmask */
		0xfc, 0xe7, 0xa0, 0x00,    /* 13 15-18 21-23 26-31 */
		0x00, 0x00, 0x1c, 0x04,    /* 34 42-44 */
		0x00, 0x04, 0x00, 0x00,    /* 82 */
		0, 0, 0, 112,              /* bytes of attr_vals */
		0, 0, 0, 0,                /* aclsupport: none */
		0, 0, 0, 1,                /* cansettime */
		0, 0, 0, 0,                /* case_insensitive */
		0, 0, 0, 1,                /* case_preserving */
		0, 0, 0, 1,                /* chown_restricted */
		0, 0, 0, 0, 0, 0, 0, 0x10, /* files_avail */
		0, 0, 0, 0, 0, 0, 0, 0x20, /* files_free */
		0, 0, 0, 0, 0, 0, 0, 0x30, /* files_total */
		0, 0, 0, 1,                /* homogeneous */
		0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff,                      /* maxfilesize */
		0, 0, 0xfd, 0xe8,          /* maxlink */
		0, 0, 0, 0xff,             /* maxname */
		0, 0, 0, 0, 0, 0x10, 0, 0, /* maxread */
		0, 0, 0, 0, 0, 0x08, 0, 0, /* maxwrite */
		0, 0, 0, 1,                /* no_trunc */
		0, 0, 0, 0, 0, 0, 1, 0,    /* space_avail */
		0, 0, 0, 0, 0, 0, 2, 0,    /* space_free */
		0, 0, 0, 0, 0, 0, 3, 0,    /* space_total */
		0, 0, 0, 1,                /* xattr_support */
	};
	bitmap4 want = {.word = {0xfce7a000, 0x00001c04, 0x00040000}};
	struct fattr4_values v = check(&source, want, wanted, sizeof(wanted));

	assert_true(v.fsinfo.space_total == 0x300);
	assert_true(v.fsinfo.files_avail == 0x10);
	assert_int_equal(v.fsinfo.max_name, 255);
	assert_true(v.fsinfo.has_xattrs);
	assert_true(v.max_write == 0x80000);
}

static void times_and_the_rest(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 2,                /* two words of attrmask */
		0, 0, 0, 0,                /* none of the first */
		0x03, 0x9c, 0xa2, 0x00,    /* 41 45 47 50 51 52 55 56 57 */
		0, 0, 0, 96,               /* bytes of attr_vals */
		0, 0, 0, 8, 0, 0, 0, 1,    /* rawdev 8:1 */
		0, 0, 0, 0, 0, 0, 0x20, 0, /* space_used */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* atime -1 s */
		0x3b, 0x9a, 0xc9, 0xff,             /* + 999999999 ns */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* time_create: 1970 */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, /* time_delta: 1 ns */
		0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, /* time_metadata: 1 s */
		0, 0, 0, 0, 0, 0, 0, 0x2b,          /* mounted_on_fileid */
		0, 0, 0, 0, 0, 0, 0, 0,             /* dir_notif_delay: 0 s */
		0x02, 0xfa, 0xf0, 0x80,             /* + 50 ms */
		0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, /* dirent_notif_delay */
	};
	bitmap4 want = {.word = {0, 0x039ca200}};
	struct fattr4_values v = check(&source, want, wanted, sizeof(wanted));

	assert_int_equal(v.attr.rdev_major, 8);
	assert_true(v.attr.atime_ns == -1);
	assert_true(v.attr.has_btime);
	assert_int_equal(v.dir_notif_delay.nseconds, 50000000);
}

static void what_cannot_be_told_is_left_out(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1,             /* one word of attrmask */
		0x00, 0x00, 0x08, 0x00, /* rdattr_error */
		0, 0, 0, 4,             /* bytes */
		0, 0, 0x27, 0x18,       /* NFS4ERR_DELAY, 10008 */
	};
	struct fattr4_source src = {.server = &server,
		.minorversion = 2,
		.rdattr_error = NFS4ERR_DELAY};
	bitmap4 want = {.word = {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
	struct fattr4_values v = check(&src, want, wanted, sizeof(wanted));

	assert_int_equal(v.rdattr_error, NFS4ERR_DELAY);
}

static void an_empty_fattr4_is_eight_bytes(void **state)
{
	static const uint8_t wanted[8];
	bitmap4 none = {.beyond = true};
	uint8_t buf[8];
	struct xdr x;

	check(&source, none, wanted, sizeof(wanted));
	memset(buf, 0xee, sizeof(buf));
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(fattr4_encode_empty(&x));
	assert_memory_equal(buf, wanted, 8);
}

/* What a client sends to set: SETATTR4args.obj_attributes. */
static void everything_that_can_be_set(void **state)
{
	static const uint8_t sent[] = {
		0, 0, 0, 2,                 /* two words of attrmask */
		0x00, 0x00, 0x00, 0x10,     /* size */
		0x00, 0x41, 0x00, 0x32,     /* 33 36 37 48 54 */
		0, 0, 0, 48,                /* bytes of attr_vals */
		0, 0, 0, 0, 0, 0, 0x10, 0,  /* size */
		0, 0, 0x0f, 0xff,           /* mode 07777 */
		0, 0, 0, 1, '0', 0, 0, 0,   /* owner "0" */
		0, 0, 0, 2, '1', '0', 0, 0, /* owner_group "10" */
		0, 0, 0, 1,                 /* access: SET_TO_CLIENT_TIME4 */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, /* -2 s */
		0x1d, 0xcd, 0x65, 0x00, /* + 500000000 ns */
		0, 0, 0, 0,             /* modify: SET_TO_SERVER_TIME4 */
	};
	struct setattr set;
	fattr4 given;
	struct xdr x;

	xdr_init_decode(&x, sent, sizeof(sent), NULL);
	assert_true(nfs4_get_fattr4(&x, &given));
	assert_int_equal(
		fattr4_decode_settable(&given, FATTR4_SETATTR, NULL, &set),
		NFS4_OK);
	assert_int_equal(set.mask,
		SETATTR_SIZE | SETATTR_MODE | SETATTR_UID | SETATTR_GID |
			SETATTR_ATIME | SETATTR_MTIME_NOW);
	assert_true(set.size == 4096);
	assert_int_equal(set.mode, 07777);
	assert_int_equal(set.uid, 0);
	assert_int_equal(set.gid, 10);
	assert_true(set.atime_ns == -1500000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_child_is_reported_with),
		cmocka_unit_test(required_attributes),
		cmocka_unit_test(in_4_1_there_is_nothing_of_4_2),
		cmocka_unit_test(the_file_system),
		cmocka_unit_test(times_and_the_rest),
		cmocka_unit_test(what_cannot_be_told_is_left_out),
		cmocka_unit_test(an_empty_fattr4_is_eight_bytes),
		cmocka_unit_test(everything_that_can_be_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
