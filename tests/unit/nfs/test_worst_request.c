/* SPDX-License-Identifier: MIT */
/*
 * state/ decides at the grant whether a holder's backchannel can carry the
 * worst that it will be told, by a sum of its own: it does not know the wire.
 * Here that sum meets the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "state/policy_dirdeleg.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"
#include "wire/rpcmsg.h"

static const uint8_t zeroes[1024];

/* What an owner or a group may be called at most is fattr4's affair. */
static bool resolve(void *context, const struct change_entry *entry,
	struct fattr4_source *src)
{
	src->fh = xdr_opaque_from(zeroes, NFS4_FHSIZE);
	return true;
}

static struct change_entry longest_entry(void)
{
	return (struct change_entry){
		.name = {NAME_LEN_MAX, (const char *)zeroes},
		.cookie = INT64_MAX,
		.has_attr = true,
		.attr = {.type = OBJECT_FILE,
			.uid = UINT32_MAX,
			.gid = UINT32_MAX,
			.has_btime = true},
	};
}

/* A rename over an entry, and what became of the directory. */
static struct dir_change worst_change(enum change_kind kind)
{
	struct dir_change c = {
		.kind = kind,
		.entry = longest_entry(),
		.old = longest_entry(),
		.has_overwritten = true,
		.overwritten = longest_entry(),
		.has_previous = true,
		.previous = {NAME_LEN_MAX, (const char *)zeroes},
		.previous_cookie = INT64_MAX,
		.has_dir_attr = true,
	};

	if (kind == CHANGE_DIR_ATTRS) {
		c.entry.name.len = 0;
		c.entry.attr.type = OBJECT_DIR;
	}
	return c;
}

static size_t put_header(struct xdr *x)
{
	const struct rpcmsg_call call = {
		.cred = {.flavor = AUTH_SYS,
			.body = xdr_opaque_from(zeroes, RPC_AUTH_BYTES_MAX)}};

	assert_true(rpcmsg_put_call(x, &call));
	return xdr_pos(x);
}

/* All of the request but for its notify4s. */
static size_t size_around(uint32_t fh_len)
{
	referring_call4 call = {0};
	referring_call_list4 list = {
		.rcl_referring_calls = {.count = 1, .items = &call}};
	nfs_cb_argop4 ops[] = {
		{.argop = OP_CB_SEQUENCE}, {.argop = OP_CB_NOTIFY}};
	CB_COMPOUND4args args = {.argarray = {.count = 2, .items = ops}};
	uint8_t buf[2048];
	struct xdr x;

	ops[0].opcbsequence.csa_referring_call_lists.count = 1;
	ops[0].opcbsequence.csa_referring_call_lists.items = &list;
	ops[1].opcbnotify.cna_fh = xdr_opaque_from(zeroes, fh_len);
	xdr_init_encode(&x, buf, sizeof(buf));
	put_header(&x);
	assert_true(nfs4_put_CB_COMPOUND4args(&x, &args));
	return xdr_pos(&x);
}

static size_t size_of(enum change_kind kind, const struct notify4_terms *terms)
{
	struct dir_change change = worst_change(kind);
	uint8_t buf[8192];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(notify4_put(&x, &change, terms));
	assert_int_equal(xdr_pos(&x), notify4_size(&change, terms));
	return xdr_pos(&x);
}

static struct notify4_terms terms_of(bitmap4 child, bitmap4 dir)
{
	static const struct fattr4_server server = {.notifications = true};

	return (struct notify4_terms){.child_attrs = child,
		.dir_attrs = dir,
		.ordered = true,
		.server = &server,
		.resolve = resolve};
}

static size_t worst_of(uint32_t fh_len, const struct notify4_terms *terms)
{
	return dirdeleg_worst_request(fh_len,
		(uint32_t)fattr4_size_max(&terms->child_attrs),
		(uint32_t)fattr4_size_max(&terms->dir_attrs));
}

static void check(uint32_t fh_len, bitmap4 child, bitmap4 dir)
{
	struct notify4_terms terms = terms_of(child, dir);
	size_t around = size_around(fh_len), worst = worst_of(fh_len, &terms);

	assert_true(worst >= around + size_of(CHANGE_RENAME_ENTRY, &terms) +
			size_of(CHANGE_DIR_ATTRS, &terms));
	assert_true(worst >= around + notify4_size_max(&terms));
}

static void test_dd07_nothing_is_larger_than_the_worst(void **state)
{
	bitmap4 can_child = fattr4_child_notifiable();
	bitmap4 can_dir = fattr4_dir_notifiable();
	struct rand_stream stream = {.state = 1};

	check(NFS4_FHSIZE, can_child, can_dir);
	for (int i = 0; i < 2000; i++) {
		bitmap4 some = {.word = {(uint32_t)rand_stream_next(&stream),
					(uint32_t)rand_stream_next(&stream),
					(uint32_t)rand_stream_next(&stream)}};

		check((uint32_t)rand_stream_below(&stream, NFS4_FHSIZE + 1),
			bitmap4_and(&some, &can_child),
			bitmap4_and(&some, &can_dir));
	}
}

/* A backchannel that can just carry it is not refused for nothing. */
static void test_the_worst_is_hardly_more(void **state)
{
	static const bitmap4 nothing;
	struct notify4_terms terms = terms_of(nothing, nothing);
	size_t real = size_around(NFS4_FHSIZE) +
		size_of(CHANGE_RENAME_ENTRY, &terms) +
		size_of(CHANGE_DIR_ATTRS, &terms);

	assert_in_range(worst_of(NFS4_FHSIZE, &terms), real, real + 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dd07_nothing_is_larger_than_the_worst),
		cmocka_unit_test(test_the_worst_is_hardly_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
