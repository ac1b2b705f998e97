/* SPDX-License-Identifier: MIT */
/* Attributes, access, listings, xattrs, filehandles and secinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

static struct peer p;

static int setup(void **state)
{
	struct rig *r;

	rig_setup(state);
	r = *state;
	peer_init(&p, r->server, "p");
	return 0;
}

static int teardown(void **state)
{
	peer_fini(&p);
	return rig_teardown(state);
}

/* ---- SETATTR, VERIFY, ACCESS ---- */

static void what_may_be_set(void **state)
{
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(&p, &sid, ask_attr_u64(&p, FATTR4_SIZE, 1000));
	ask_getattr(&p, FATTR4_SIZE);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(attrs_of(&p, 2).attr.size, 1000);
	/* Read-only, unknown, malformed. */
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(&p, &anonymous_stateid, ask_attr_u64(&p, FATTR4_FILEID, 7));
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(&p, &anonymous_stateid, ask_attr_u32(&p, 95, 7));
	assert_int_equal(peer_call(&p), NFS4ERR_ATTRNOTSUPP);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(&p, &anonymous_stateid, ask_attr_u32(&p, FATTR4_SIZE, 7));
	assert_int_equal(peer_call(&p), NFS4ERR_BADXDR);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(&p, &anonymous_stateid, ask_attr_u64(&p, FATTR4_MODE, 7));
	assert_int_equal(peer_call(&p), NFS4ERR_BADXDR);
	/* A directory has no size to set. */
	peer_begin(&p);
	ask_root(&p);
	ask_setattr(&p, &anonymous_stateid, ask_attr_u64(&p, FATTR4_SIZE, 7));
	assert_int_not_equal(peer_call(&p), NFS4_OK);
}

static void others_files_are_not_changed(void **state)
{
	struct handle fh;

	open_file(&p, "file", &fh);
	p.uid = 2000;
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(
		&p, &anonymous_stateid, ask_attr_u32(&p, FATTR4_MODE, 0777));
	assert_int_equal(peer_call(&p), NFS4ERR_PERM);
}

static void a_change_moves_the_change_attribute(void **state)
{
	uint64_t before, after;
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	rig_advance(*state, 1000);
	before = change_of(&p, "file");
	assert_int_equal(change_of(&p, "file"), before);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 0, "x", FILE_SYNC4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	after = change_of(&p, "file");
	assert_true(after > before);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_SAVEFH);
	ask_rename(&p, "file", "name");
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_true(change_of(&p, "name") > after);
}

static void change_info_brackets_the_change(void **state)
{
	const change_info4 *info;

	rig_advance(*state, 1000);
	peer_begin(&p);
	ask_root(&p);
	ask_getattr(&p, FATTR4_CHANGE);
	ask_create(&p, "dir", NF4DIR);
	ask_root(&p);
	ask_getattr(&p, FATTR4_CHANGE);
	assert_int_equal(peer_call(&p), NFS4_OK);
	info = &peer_result(&p, 2)->opcreate.resok4.cinfo;
	assert_true(info->atomic);
	assert_int_equal(info->before, attrs_of(&p, 1).attr.change);
	assert_int_equal(info->after, attrs_of(&p, 4).attr.change);
	assert_true(info->after > info->before);
}

static void verify_and_nverify(void **state)
{
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_VERIFY)->opverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_TYPE, NF4DIR);
	peer_add(&p, OP_NVERIFY)->opnverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_TYPE, NF4REG);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_VERIFY)->opverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_TYPE, NF4REG);
	assert_int_equal(peer_call(&p), NFS4ERR_NOT_SAME);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_NVERIFY)->opnverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_TYPE, NF4DIR);
	assert_int_equal(peer_call(&p), NFS4ERR_SAME);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_VERIFY)->opverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_RDATTR_ERROR, 0);
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
	peer_begin(&p);
	ask_root(&p);
	ask_getattr(&p, FATTR4_TIME_MODIFY_SET);
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
}

static void access_says_what_is_known(void **state)
{
	const ACCESS4resok *ok;
	struct handle fh;

	open_file(&p, "file", &fh);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(
		&p, &anonymous_stateid, ask_attr_u32(&p, FATTR4_MODE, 0600));
	peer_add(&p, OP_ACCESS)->opaccess.access = 0xffffffff;
	assert_int_equal(peer_call(&p), NFS4_OK);
	ok = &peer_last(&p)->opaccess.resok4;
	assert_int_equal(ok->access & ~ok->supported, 0);
	assert_int_equal(ok->supported & ACCESS4_LOOKUP, 0);
	assert_true(ok->access & ACCESS4_MODIFY);
	p.uid = p.gid = 2000;
	peer_begin(&p);
	ask_fh(&p, &fh);
	peer_add(&p, OP_ACCESS)->opaccess.access = ACCESS4_MODIFY;
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_last(&p)->opaccess.resok4.access, 0);
}

/* ---- READDIR ---- */

#define NAMES 100

static void fill(void)
{
	char name[32];

	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "entry with a name %d", i);
		assert_int_equal(make_dir(&p, name), NFS4_OK);
	}
}

/* Every name once, page by page. */
static unsigned list_all(uint32_t maxcount)
{
	bool seen[NAMES] = {false};
	unsigned count = 0;
	uint64_t cookie = 0;
	verifier4 verf = {0};
	bool eof = false;

	while (!eof) {
		const READDIR4resok *ok;
		const entry4 *e;

		peer_begin(&p);
		ask_root(&p);
		ask_readdir(&p, cookie, verf, maxcount);
		assert_int_equal(peer_call(&p), NFS4_OK);
		ok = &peer_last(&p)->opreaddir.resok4;
		memcpy(verf, ok->cookieverf, sizeof(verf));
		for (e = ok->reply.entries; e; e = e->nextentry, count++) {
			int i = atoi((const char *)e->name.data + 18);

			assert_true(e->cookie > cookie && e->cookie > 2);
			cookie = e->cookie;
			assert_false(seen[i]);
			seen[i] = true;
		}
		eof = ok->reply.eof;
	}
	return count;
}

static void listings_of_any_page_size(void **state)
{
	fill();
	for (uint32_t size = 128; size < 20000; size = size * 3 / 2)
		assert_int_equal(list_all(size), NAMES);
}

static void listings_that_do_not_fit(void **state)
{
	uint32_t size;

	fill();
	peer_begin(&p);
	ask_root(&p);
	ask_readdir(&p, 0, NULL, 0);
	/* The smallest entry takes 44 bytes, what is around it 16. */
	for (size = 0; size < 60; size += 4) {
		p.ops[2].opreaddir.maxcount = size;
		assert_int_equal(peer_call(&p), NFS4ERR_TOOSMALL);
	}
}

static void cookies_that_are_none(void **state)
{
	verifier4 verf;

	fill();
	peer_begin(&p);
	ask_root(&p);
	ask_readdir(&p, 0, NULL, 400);
	assert_int_equal(peer_call(&p), NFS4_OK);
	memcpy(verf, peer_last(&p)->opreaddir.resok4.cookieverf, 8);
	for (uint64_t cookie = 1; cookie <= 2; cookie++) {
		peer_begin(&p);
		ask_root(&p);
		ask_readdir(&p, cookie, verf, 400);
		assert_int_equal(peer_call(&p), NFS4ERR_BAD_COOKIE);
	}
	/* One that was, is or may be: what follows it. */
	peer_begin(&p);
	ask_root(&p);
	ask_readdir(&p, UINT64_MAX, verf, 400);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_true(peer_last(&p)->opreaddir.resok4.reply.eof);
	verf[3] ^= 1;
	peer_begin(&p);
	ask_root(&p);
	ask_readdir(&p, 5000, verf, 400);
	assert_int_equal(peer_call(&p), NFS4ERR_NOT_SAME);
}

static void only_directories_are_listed(void **state)
{
	struct handle fh;

	open_file(&p, "file", &fh);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_readdir(&p, 0, NULL, 400);
	assert_int_equal(peer_call(&p), NFS4ERR_NOTDIR);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_lookup(&p, "x");
	assert_int_equal(peer_call(&p), NFS4ERR_NOTDIR);
	peer_begin(&p);
	ask_fh(&p, &fh);
	peer_add(&p, OP_READLINK);
	assert_int_equal(peer_call(&p), NFS4ERR_WRONG_TYPE);
}

/* ---- xattrs ---- */

static nfsstat4 set_xattr(const char *key, setxattr_option4 option)
{
	SETXATTR4args *args;

	peer_begin(&p);
	ask_path(&p, "file");
	args = &peer_add(&p, OP_SETXATTR)->opsetxattr;
	args->sxa_key = xdr_opaque_from_str(key);
	args->sxa_value = xdr_opaque_from_str("value");
	args->sxa_option = option;
	return peer_call(&p);
}

static void xattrs_come_and_go(void **state)
{
	const LISTXATTRS4resok *list;

	open_file(&p, "file", NULL);
	assert_int_equal(set_xattr("a", SETXATTR4_REPLACE), NFS4ERR_NOXATTR);
	assert_int_equal(set_xattr("a", SETXATTR4_CREATE), NFS4_OK);
	assert_int_equal(set_xattr("a", SETXATTR4_CREATE), NFS4ERR_EXIST);
	assert_int_equal(set_xattr("b", SETXATTR4_EITHER), NFS4_OK);
	assert_int_equal(set_xattr("", SETXATTR4_EITHER), NFS4ERR_INVAL);
	peer_begin(&p);
	ask_path(&p, "file");
	peer_add(&p, OP_GETXATTR)->opgetxattr.gxa_name =
		xdr_opaque_from_str("a");
	peer_add(&p, OP_LISTXATTRS)->oplistxattrs.lxa_maxcount = 1000;
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_result(&p, 2)->opgetxattr.gxr_value.len, 5);
	list = &peer_last(&p)->oplistxattrs.lxr_value;
	assert_int_equal(list->lxr_names.count, 2);
	assert_true(list->lxr_eof);
	/* One per page. */
	peer_begin(&p);
	ask_path(&p, "file");
	peer_add(&p, OP_LISTXATTRS)->oplistxattrs.lxa_maxcount = 24;
	assert_int_equal(peer_call(&p), NFS4_OK);
	list = &peer_last(&p)->oplistxattrs.lxr_value;
	assert_int_equal(list->lxr_names.count, 1);
	assert_false(list->lxr_eof);
	peer_begin(&p);
	ask_path(&p, "file");
	peer_add(&p, OP_LISTXATTRS)->oplistxattrs.lxa_maxcount = 3;
	assert_int_equal(peer_call(&p), NFS4ERR_TOOSMALL);
	peer_begin(&p);
	ask_path(&p, "file");
	peer_add(&p, OP_REMOVEXATTR)->opremovexattr.rxa_name =
		xdr_opaque_from_str("a");
	peer_add(&p, OP_GETXATTR)->opgetxattr.gxa_name =
		xdr_opaque_from_str("a");
	assert_int_equal(peer_call(&p), NFS4ERR_NOXATTR);
}

/* ---- filehandles ---- */

static void filehandles_come_and_go(void **state)
{
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	peer_begin(&p);
	ask_getfh(&p);
	assert_int_equal(peer_call(&p), NFS4ERR_NOFILEHANDLE);
	peer_begin(&p);
	peer_add(&p, OP_RESTOREFH);
	assert_int_equal(peer_call(&p), NFS4ERR_NOFILEHANDLE);
	peer_begin(&p);
	ask_root(&p);
	ask_rename(&p, "a", "b");
	assert_int_equal(peer_call(&p), NFS4ERR_NOFILEHANDLE);
	peer_begin(&p);
	ask_path(&p, "dir");
	peer_add(&p, OP_LOOKUPP);
	ask_lookup(&p, "dir");
	peer_add(&p, OP_LOOKUPP);
	peer_add(&p, OP_LOOKUPP);
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
	assert_int_equal(p.res.resarray.count, 7);
}

/* What the export accepts; and no filehandle is left (18.29.3). */
static void secinfo_takes_the_filehandle(void **state)
{
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_SECINFO)->opsecinfo.name = xdr_opaque_from_str("dir");
	ask_getfh(&p);
	assert_int_equal(peer_call(&p), NFS4ERR_NOFILEHANDLE);
	assert_int_equal(
		peer_result(&p, 1)->opsecinfo.resok4.items[0].flavor, 1);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_SECINFO_NO_NAME)->opsecinfo_no_name =
		SECINFO_STYLE4_PARENT;
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_SECINFO)->opsecinfo.name = xdr_opaque_from_str("no");
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
}

static void what_create_does_not_make(void **state)
{
	peer_begin(&p);
	ask_root(&p);
	ask_create(&p, "file", NF4REG);
	assert_int_equal(peer_call(&p), NFS4ERR_BADTYPE);
	p.ops[2].opcreate.objtype.type = NF4ATTRDIR;
	assert_int_equal(peer_call(&p), NFS4ERR_BADTYPE);
	/* A device is root's to make. */
	p.ops[2].opcreate.objtype.type = NF4BLK;
	assert_int_equal(peer_call(&p), NFS4ERR_PERM);
	p.ops[2].opcreate.objtype.type = NF4SOCK;
	assert_int_equal(peer_call(&p), NFS4_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_may_be_set),
		TEST(others_files_are_not_changed),
		TEST(a_change_moves_the_change_attribute),
		TEST(change_info_brackets_the_change),
		TEST(verify_and_nverify),
		TEST(access_says_what_is_known),
		TEST(listings_of_any_page_size),
		TEST(listings_that_do_not_fit),
		TEST(cookies_that_are_none),
		TEST(only_directories_are_listed),
		TEST(xattrs_come_and_go),
		TEST(filehandles_come_and_go),
		TEST(secinfo_takes_the_filehandle),
		TEST(what_create_does_not_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
