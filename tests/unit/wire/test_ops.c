/* SPDX-License-Identifier: MIT */
/* Operations by number: the known, the unknown, and their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/nfs4_xdr.h"

static const uint32_t no_operations[] = {
	0, 1, 2, 76, 77, 10043, 10045, 0x7fffffff, 0x80000000, UINT32_MAX};

static void an_unknown_operation_is_only_a_number(void **state)
{
	for (size_t i = 0; i < 10; i++) {
		uint32_t buf[2] = {htobe32(no_operations[i]), 0};
		nfs_cb_argop4 cb_arg;
		nfs_argop4 arg;
		nfs_resop4 res;
		struct xdr x;

		xdr_init_decode(&x, buf, sizeof(buf), NULL);
		assert_true(nfs4_get_nfs_argop4(&x, &arg));
		assert_true(arg.unknown);
		assert_int_equal(arg.argop, no_operations[i]);
		assert_int_equal(xdr_left(&x), 4);
		xdr_init_decode(&x, buf, sizeof(buf), NULL);
		assert_true(nfs4_get_nfs_resop4(&x, &res));
		assert_true(res.unknown);
		xdr_init_decode(&x, buf, sizeof(buf), NULL);
		assert_true(nfs4_get_nfs_cb_argop4(&x, &cb_arg));
		assert_true(cb_arg.unknown);
		assert_string_equal(nfs4_op_name(no_operations[i]), "UNKNOWN");
	}
}

static void an_unknown_operation_can_be_sent(void **state)
{
	nfs_argop4 arg = {.argop = 76};
	uint8_t buf[8];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(nfs4_put_nfs_argop4(&x, &arg));
	assert_memory_equal(buf, "\0\0\0\x4c", 4);
	assert_int_equal(xdr_pos(&x), 4);
}

static void every_number_up_to_75_is_known(void **state)
{
	uint8_t zeroes[256] = {0};

	for (uint32_t op = 3; op <= 75; op++) {
		nfs_argop4 arg = {.argop = (nfs_opnum4)op, .unknown = true};
		struct arena arena;
		struct xdr x;

		arena_init(&arena, 4096);
		xdr_init_decode(&x, zeroes, sizeof(zeroes), &arena);
		nfs4_get_nfs_argop4_arm(&x, &arg);
		assert_false(arg.unknown);
		assert_string_not_equal(nfs4_op_name(op), "UNKNOWN");
		arena_fini(&arena);
	}
	for (uint32_t op = 3; op <= 15; op++)
		assert_string_not_equal(nfs4_cb_name(op), "UNKNOWN");
}

static void an_unknown_enum_value_is_bad_unless_open(void **state)
{
	uint32_t buf = htobe32(4711);
	open_claim_type4 claim;
	nfsstat4 status;
	nfs_ftype4 type;
	struct xdr x;

	xdr_init_decode(&x, &buf, 4, NULL);
	assert_false(nfs4_get_open_claim_type4(&x, &claim));
	xdr_init_decode(&x, &buf, 4, NULL);
	assert_true(nfs4_get_nfsstat4(&x, &status));
	assert_int_equal(status, 4711);
	xdr_init_decode(&x, &buf, 4, NULL);
	assert_true(nfs4_get_nfs_ftype4(&x, &type)); /* CREATE: BADTYPE */
}

static void numbers_have_names(void **state)
{
	assert_string_equal(
		nfs4_op_name(OP_GET_DIR_DELEGATION), "GET_DIR_DELEGATION");
	assert_string_equal(nfs4_op_name(10044), "ILLEGAL");
	assert_string_equal(nfs4_cb_name(6), "CB_NOTIFY");
	assert_string_equal(nfs4_status_name(0), "NFS4_OK");
	assert_string_equal(
		nfs4_status_name(10084), "NFS4ERR_DIRDELEG_UNAVAIL");
	assert_string_equal(nfs4_status_name(12345), "UNKNOWN");
}

/* A directory of any length costs no stack. */
static void a_long_listing_is_a_loop(void **state)
{
	enum { ENTRIES = 200000 };
	size_t size = ENTRIES * 28 + 8;
	uint8_t *buf = malloc(size);
	struct arena arena;
	uint32_t count = 0;
	dirlist4 list;
	struct xdr x;

	xdr_init_encode(&x, buf, size);
	for (int i = 0; i < ENTRIES; i++) {
		xdr_put_bool(&x, true);
		xdr_put_u64(&x, 3 + (uint64_t)i);
		xdr_put_u32(&x, 0); /* name */
		xdr_put_u32(&x, 0); /* attrmask */
		xdr_put_u32(&x, 0); /* attr_vals */
	}
	xdr_put_bool(&x, false);
	assert_true(xdr_put_bool(&x, true));
	arena_init(&arena, SIZE_MAX);
	xdr_init_decode(&x, buf, xdr_pos(&x), &arena);
	assert_true(nfs4_get_dirlist4(&x, &list));
	for (const entry4 *e = list.entries; e; e = e->nextentry)
		count++;
	assert_int_equal(count, ENTRIES);
	assert_true(list.eof);
	arena_fini(&arena);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unknown_operation_is_only_a_number),
		cmocka_unit_test(an_unknown_operation_can_be_sent),
		cmocka_unit_test(every_number_up_to_75_is_known),
		cmocka_unit_test(an_unknown_enum_value_is_bad_unless_open),
		cmocka_unit_test(numbers_have_names),
		cmocka_unit_test(a_long_listing_is_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
