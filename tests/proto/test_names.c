/* SPDX-License-Identifier: MIT */
/* Component names of every kind in every operation that takes one (SV-12). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

typedef void (*ask_name)(struct peer *p, struct xdr_opaque name);

static void name_lookup(struct peer *p, struct xdr_opaque name)
{
	ask_lookup(p, "");
	p->ops[p->nops - 1].oplookup.objname = name;
}

static void name_remove(struct peer *p, struct xdr_opaque name)
{
	ask_remove(p, "");
	p->ops[p->nops - 1].opremove.target = name;
}

static void name_create(struct peer *p, struct xdr_opaque name)
{
	ask_create(p, "", NF4DIR)->opcreate.objname = name;
}

static void name_open(struct peer *p, struct xdr_opaque name)
{
	ask_open_create(p, "", UNCHECKED4)->claim.file = name;
}

static void name_rename_from(struct peer *p, struct xdr_opaque name)
{
	peer_add(p, OP_SAVEFH);
	ask_rename(p, "", "other");
	p->ops[p->nops - 1].oprename.oldname = name;
}

static void name_rename_to(struct peer *p, struct xdr_opaque name)
{
	peer_add(p, OP_SAVEFH);
	ask_rename(p, "there", "");
	p->ops[p->nops - 1].oprename.newname = name;
}

static void name_link(struct peer *p, struct xdr_opaque name)
{
	ask_lookup(p, "there");
	peer_add(p, OP_SAVEFH);
	ask_root(p);
	ask_link(p, "");
	p->ops[p->nops - 1].oplink.newname = name;
}

static void name_secinfo(struct peer *p, struct xdr_opaque name)
{
	peer_add(p, OP_SECINFO)->opsecinfo.name = name;
}

static const struct {
	const char *what;
	ask_name ask;
	bool makes; /* the name, when it is allowed */
} takers[] = {
	{"LOOKUP", name_lookup, false},
	{"REMOVE", name_remove, false},
	{"CREATE", name_create, true},
	{"OPEN", name_open, true},
	{"RENAME from", name_rename_from, false},
	{"RENAME to", name_rename_to, true},
	{"LINK", name_link, true},
	{"SECINFO", name_secinfo, false},
};

#define TAKERS (sizeof(takers) / sizeof(takers[0]))

static nfsstat4 use(struct peer *p, size_t taker, const void *data, size_t len)
{
	peer_begin(p);
	ask_root(p);
	takers[taker].ask(p, xdr_opaque_from(data, len));
	return peer_call(p);
}

static void make_there(struct peer *p)
{
	peer_begin(p);
	ask_root(p);
	ask_open_create(p, "there", UNCHECKED4);
	ask_close(p, &current_stateid);
	assert_int_equal(peer_call(p), NFS4_OK);
}

static const struct {
	const char *data;
	uint32_t len;
	nfsstat4 status;
} bad[] = {
	{"", 0, NFS4ERR_INVAL},
	{".", 1, NFS4ERR_BADNAME},
	{"..", 2, NFS4ERR_BADNAME},
	{"/", 1, NFS4ERR_BADCHAR},
	{"a/b", 3, NFS4ERR_BADCHAR},
	{"../x", 4, NFS4ERR_BADCHAR},
	{"\0", 1, NFS4ERR_BADCHAR},
	{"there\0", 6, NFS4ERR_BADCHAR},
	{"..\0", 3, NFS4ERR_BADCHAR},
};

static void names_that_are_none(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_init(&p, r->server, "a");
	make_there(&p);
	for (size_t t = 0; t < TAKERS; t++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			assert_int_equal(use(&p, t, bad[i].data, bad[i].len),
				bad[i].status);
	}
	/* Nothing was made, moved or lost. */
	peer_begin(&p);
	ask_root(&p);
	ask_readdir(&p, 0, NULL, 4096);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_non_null(peer_last(&p)->opreaddir.resok4.reply.entries);
	assert_null(peer_last(&p)->opreaddir.resok4.reply.entries->nextentry);
	peer_fini(&p);
}

static void names_have_255_bytes(void **state)
{
	static char name[4096];
	struct rig *r = *state;
	struct peer p;

	memset(name, 'n', sizeof(name));
	peer_init(&p, r->server, "a");
	for (size_t t = 0; t < TAKERS; t++) {
		make_there(&p);
		assert_int_equal(use(&p, t, name, 256), NFS4ERR_NAMETOOLONG);
		assert_int_equal(use(&p, t, name, 4096), NFS4ERR_NAMETOOLONG);
		assert_int_equal(use(&p, t, name, 255),
			takers[t].makes ? NFS4_OK : NFS4ERR_NOENT);
		if (takers[t].makes)
			assert_int_equal(use(&p, 1, name, 255), NFS4_OK);
	}
	peer_fini(&p);
}

/* Bytes are bytes: case, order, encoding are nobody's business. */
static void names_that_only_look_odd(void **state)
{
	static const char *const odd[] = {"...", "..a", ".a", "\xff\xfe",
		"a\nb", " ", "\xc3\x28", "\x7f", "-rf", "*",
		"\xed\xa0\x80" /* a lone surrogate */, "e\xcc\x81", "\xc3\xa9"};
	struct rig *r = *state;
	struct peer p;

	peer_init(&p, r->server, "a");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(make_dir(&p, odd[i]), NFS4_OK);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(remove_name(&p, odd[i]), NFS4_OK);
	assert_int_equal(make_dir(&p, "Case"), NFS4_OK);
	assert_int_equal(make_dir(&p, "case"), NFS4_OK);
	peer_fini(&p);
}

static void link_texts_have_limits(void **state)
{
	static char text[4096];
	struct rig *r = *state;
	struct peer p;
	nfs_argop4 *arg;

	memset(text, 't', sizeof(text));
	peer_init(&p, r->server, "a");
	peer_begin(&p);
	ask_root(&p);
	arg = ask_create(&p, "link", NF4LNK);
	arg->opcreate.objtype.linkdata = xdr_opaque_from(text, 4096);
	assert_int_equal(peer_call(&p), NFS4ERR_NAMETOOLONG);
	arg->opcreate.objtype.linkdata = xdr_opaque_from(text, 0);
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
	arg->opcreate.objtype.linkdata = xdr_opaque_from("a\0b", 3);
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
	arg->opcreate.objtype.linkdata = xdr_opaque_from(text, 4095);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_path(&p, "link");
	peer_add(&p, OP_READLINK);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_last(&p)->opreadlink.resok4.link.len, 4095);
	assert_memory_equal(
		peer_last(&p)->opreadlink.resok4.link.data, text, 4095);
	peer_fini(&p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_that_are_none),
		TEST(names_have_255_bytes),
		TEST(names_that_only_look_odd),
		TEST(link_texts_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
