/* SPDX-License-Identifier: MIT */
/* Attributes: what is refused, and how values compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/fattr4.h"
#include "wire/nfs4_xdr.h"

static const struct fattr4_server server = {
	.lease_s = 90, .notifications = true};
static const struct fsinfo fsinfo = {.max_name = 255};
static const struct attr file = {
	.type = OBJECT_FILE, .mode = 0644, .uid = 7, .has_btime = true};
static const struct fattr4_source source = {.server = &server,
	.minorversion = 2,
	.attr = &file,
	.fsinfo = &fsinfo,
	.fh = {4, (const uint8_t *)"fhfh"}};

static uint8_t value_bytes[8192];
static struct xdr values; /* the values of `given` so far */
static fattr4 given;

static void give_nothing(void)
{
	given = (fattr4){.attrmask = {.beyond = false}};
	xdr_init_encode(&values, value_bytes, sizeof(value_bytes));
	given.attr_vals.data = value_bytes;
}

/* Add attribute @bit; its value is put to `values` first. */
static void give(unsigned bit)
{
	bitmap4_set(&given.attrmask, bit);
	given.attr_vals.len = (uint32_t)xdr_pos(&values);
}

static void give_u32(unsigned bit, uint32_t v)
{
	xdr_put_u32(&values, v);
	give(bit);
}

static void give_u64(unsigned bit, uint64_t v)
{
	xdr_put_u64(&values, v);
	give(bit);
}

static void give_text(unsigned bit, const char *text)
{
	struct xdr_opaque o = xdr_opaque_from_str(text);

	xdr_put_opaque_var(&values, &o, UINT32_MAX);
	give(bit);
}

static void give_time(unsigned bit, int64_t seconds, uint32_t nseconds)
{
	xdr_put_u32(&values, SET_TO_CLIENT_TIME4);
	xdr_put_i64(&values, seconds);
	xdr_put_u32(&values, nseconds);
	give(bit);
}

static nfsstat4 settable(enum fattr4_use use, struct setattr *set)
{
	struct setattr unused;

	return fattr4_decode_settable(&given, use, NULL, set ? set : &unused);
}

/* ---- setting ---- */

static void nothing_may_be_set(void **state)
{
	struct setattr set;

	give_nothing();
	assert_int_equal(settable(FATTR4_SETATTR, &set), NFS4_OK);
	assert_int_equal(set.mask, 0);
}

static void unknown_attributes_are_not_supported(void **state)
{
	give_nothing();
	given.attrmask.beyond = true;
	assert_int_equal(settable(FATTR4_CREATE, NULL), NFS4ERR_ATTRNOTSUPP);
	for (unsigned bit = 0; bit < BITMAP4_BITS; bit++) {
		give_nothing();
		give_u32(bit, 0);
		if (strcmp(fattr4_name(bit), "UNKNOWN") != 0)
			continue;
		assert_int_equal(
			settable(FATTR4_CREATE, NULL), NFS4ERR_ATTRNOTSUPP);
	}
	give_nothing(); /* also behind one that is read-only */
	give_u32(FATTR4_TYPE, 1);
	give_u32(FATTR4_ACL, 0);
	assert_int_equal(settable(FATTR4_CREATE, NULL), NFS4ERR_ATTRNOTSUPP);
}

static void read_only_attributes_are_invalid(void **state)
{
	give_nothing();
	give_u64(FATTR4_CHANGE, 1);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_u32(FATTR4_NUMLINKS, 1);
	assert_int_equal(settable(FATTR4_CREATE, NULL), NFS4ERR_INVAL);
}

static void values_end_where_they_should(void **state)
{
	give_nothing();
	give_u64(FATTR4_SIZE, 1);
	for (given.attr_vals.len = 0; given.attr_vals.len < 8;
		given.attr_vals.len++)
		assert_int_equal(
			settable(FATTR4_SETATTR, NULL), NFS4ERR_BADXDR);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4_OK);
	xdr_put_u32(&values, 0);
	given.attr_vals.len += 4;
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_BADXDR);
}

static void modes_have_twelve_bits_and_one_source(void **state)
{
	struct setattr set;

	give_nothing();
	give_u32(FATTR4_MODE, 010000);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_u64(FATTR4_MODE_SET_MASKED, UINT64_C(04711) << 32 | 04777);
	assert_int_equal(settable(FATTR4_SETATTR, &set), NFS4_OK);
	assert_int_equal(set.mask, SETATTR_MODE_MASKED);
	assert_int_equal(set.mode, 04711);
	assert_int_equal(set.mode_mask, 04777);
	give_nothing();
	give_u64(FATTR4_MODE_SET_MASKED, 010000);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_u32(FATTR4_MODE, 0644);
	give_u64(FATTR4_MODE_SET_MASKED, 0);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_u32(FATTR4_MODE, 0644);
	give_u64(FATTR4_MODE_UMASK, 0);
	assert_int_equal(settable(FATTR4_CREATE, NULL), NFS4ERR_INVAL);
}

static void a_umask_is_for_creation(void **state)
{
	struct setattr set;

	give_nothing();
	give_u64(FATTR4_MODE_UMASK, UINT64_C(0666) << 32 | 022);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	assert_int_equal(settable(FATTR4_CREATE, &set), NFS4_OK);
	assert_int_equal(set.mask, SETATTR_MODE | SETATTR_UMASK);
	assert_int_equal(set.mode, 0666);
	assert_int_equal(set.umask, 022);
	assert_int_equal(settable(FATTR4_EXCLUSIVE, NULL), NFS4_OK);
}

static void an_exclusive_create_sets_no_times(void **state)
{
	give_nothing();
	give_time(FATTR4_TIME_ACCESS_SET, 1, 0);
	assert_int_equal(settable(FATTR4_CREATE, NULL), NFS4_OK);
	assert_int_equal(settable(FATTR4_EXCLUSIVE, NULL), NFS4ERR_INVAL);
}

static void times_have_limits(void **state)
{
	struct setattr set;

	give_nothing();
	give_time(FATTR4_TIME_MODIFY_SET, 1, 1000000000);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_time(FATTR4_TIME_MODIFY_SET, INT64_MAX, 0);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_time(FATTR4_TIME_MODIFY_SET, INT64_MIN, 5);
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_INVAL);
	give_nothing();
	give_time(FATTR4_TIME_MODIFY_SET, -1, 999999999);
	assert_int_equal(settable(FATTR4_SETATTR, &set), NFS4_OK);
	assert_int_equal(set.mask, SETATTR_MTIME);
	assert_true(set.mtime_ns == -1);
	give_nothing();
	give_u32(FATTR4_TIME_MODIFY_SET, 2); /* no such way to set it */
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_BADXDR);
}

static bool find_root(
	void *context, bool group, struct xdr_opaque name, uint32_t *ret)
{
	struct xdr_opaque root = xdr_opaque_from_str("root@example");

	*ret = group ? 100 : 200;
	++*(int *)context;
	return xdr_opaque_equal(&name, &root);
}

static void owners_are_decimal_or_known(void **state)
{
	static const char *const bad[] = {"", "root", "-1", "+1", "01", "1 ",
		"4294967295", "99999999999", "0x10", "1000@example"};
	int asked = 0;
	struct fattr4_names names = {find_root, &asked};
	struct setattr set;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		give_nothing();
		give_text(FATTR4_OWNER, bad[i]);
		assert_int_equal(
			settable(FATTR4_SETATTR, NULL), NFS4ERR_BADOWNER);
		assert_int_equal(fattr4_decode_settable(
					 &given, FATTR4_SETATTR, &names, &set),
			NFS4ERR_BADOWNER);
	}
	asked = 0;
	give_nothing();
	give_text(FATTR4_OWNER, "4294967294");
	give_text(FATTR4_OWNER_GROUP, "root@example");
	assert_int_equal(settable(FATTR4_SETATTR, NULL), NFS4ERR_BADOWNER);
	assert_int_equal(
		fattr4_decode_settable(&given, FATTR4_SETATTR, &names, &set),
		NFS4_OK);
	assert_int_equal(asked, 1); /* decimal asks nobody */
	assert_int_equal(set.uid, 4294967294);
	assert_int_equal(set.gid, 100);
}

/* ---- reading ---- */

static void write_only_attributes_cannot_be_read(void **state)
{
	static const unsigned bits[] = {FATTR4_TIME_ACCESS_SET,
		FATTR4_TIME_MODIFY_SET, FATTR4_MODE_SET_MASKED,
		FATTR4_MODE_UMASK};
	bitmap4 want = fattr4_known();

	for (size_t i = 0; i < 4; i++) {
		bitmap4 one = {.beyond = false};

		bitmap4_set(&one, bits[i]);
		assert_int_equal(fattr4_check_readable(&one), NFS4ERR_INVAL);
		bitmap4_clear(&want, bits[i]);
	}
	want.beyond = true; /* unknown ones are merely left out */
	bitmap4_set(&want, FATTR4_ACL);
	assert_int_equal(fattr4_check_readable(&want), NFS4_OK);
}

static void statfs_is_only_asked_for_when_needed(void **state)
{
	bitmap4 want = fattr4_child_notifiable();

	assert_false(fattr4_wants_fsinfo(&want));
	want = fattr4_dir_notifiable();
	assert_false(fattr4_wants_fsinfo(&want));
	bitmap4_set(&want, FATTR4_SPACE_FREE);
	assert_true(fattr4_wants_fsinfo(&want));
}

static void notifiable_is_a_part_of_readable(void **state)
{
	bitmap4 child = fattr4_child_notifiable(), known = fattr4_known();
	bitmap4 dir = fattr4_dir_notifiable();

	assert_true(bitmap4_subset(&child, &known));
	assert_true(bitmap4_subset(&dir, &child));
	assert_int_equal(fattr4_check_readable(&child), NFS4_OK);
	assert_true(bitmap4_has(&child, FATTR4_FILEHANDLE));
	assert_false(bitmap4_has(&dir, FATTR4_FILEHANDLE));
	assert_false(bitmap4_has(&child, FATTR4_LEASE_TIME));
	assert_false(bitmap4_has(&child, FATTR4_TIME_ACCESS));
	assert_false(bitmap4_has(&child, FATTR4_SPACE_FREE));
}

/* Any set of attributes has the size that was foretold, and decodes. */
static void sizes_are_foretold(void **state)
{
	struct rand_stream r = {.state = 7};
	uint8_t buf[2048];

	for (int i = 0; i < 5000; i++) {
		struct fattr4_source src = source;
		struct fattr4_values v;
		bitmap4 want = {.word = {(uint32_t)rand_stream_next(&r),
					(uint32_t)rand_stream_next(&r),
					(uint32_t)rand_stream_next(&r)}};
		fattr4 decoded;
		struct xdr x;

		src.minorversion = i % 2 + 1;
		if (i % 3 == 0)
			src.owner = xdr_opaque_from_str("somebody@example");
		xdr_init_encode(&x, buf, sizeof(buf));
		assert_true(fattr4_encode(&x, &want, &src));
		assert_int_equal(xdr_pos(&x), fattr4_encoded_size(&want, &src));
		xdr_init_decode(&x, buf, xdr_pos(&x), NULL);
		assert_true(nfs4_get_fattr4(&x, &decoded));
		assert_int_equal(xdr_left(&x), 0);
		assert_int_equal(fattr4_decode(&decoded, &v), NFS4_OK);
	}
}

static void too_little_room_is_noticed(void **state)
{
	bitmap4 want = fattr4_known();
	size_t size = fattr4_encoded_size(&want, &source);

	for (size_t room = 0; room < size; room++) {
		uint8_t *exact = malloc(room ? room : 1);
		struct xdr x;

		xdr_init_encode(&x, exact, room);
		assert_false(fattr4_encode(&x, &want, &source));
		free(exact);
	}
}

static void far_times_are_the_last_ones(void **state)
{
	struct fattr4_values v;

	give_nothing();
	xdr_put_i64(&values, INT64_MAX);
	xdr_put_u32(&values, 0);
	give(FATTR4_TIME_ACCESS);
	xdr_put_i64(&values, INT64_MIN);
	xdr_put_u32(&values, 0);
	give(FATTR4_TIME_MODIFY);
	assert_int_equal(fattr4_decode(&given, &v), NFS4_OK);
	assert_true(v.attr.atime_ns == INT64_MAX);
	assert_true(v.attr.mtime_ns == INT64_MIN);
	give_nothing();
	xdr_put_i64(&values, 0);
	xdr_put_u32(&values, 1000000000);
	give(FATTR4_TIME_ACCESS);
	assert_int_equal(fattr4_decode(&given, &v), NFS4ERR_BADXDR);
}

static void times_go_both_ways(void **state)
{
	static const int64_t times[] = {0, 1, -1, 999999999, 1000000000,
		-1000000000, -1000000001, INT64_MAX, INT64_MIN + 1000000000};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		nfstime4 t = fattr4_time_from_ns(times[i]);
		int64_t ns;

		assert_true(t.nseconds < 1000000000);
		assert_true(fattr4_time_to_ns(&t, &ns));
		assert_true(ns == times[i]);
	}
}

/* ---- VERIFY ---- */

static nfsstat4 compare(void)
{
	struct arena arena;
	nfsstat4 status;

	arena_init(&arena, 4096);
	status = fattr4_compare(&given, &source, &arena);
	arena_fini(&arena);
	return status;
}

static void values_are_compared(void **state)
{
	give_nothing();
	assert_int_equal(compare(), NFS4ERR_SAME);
	give_u32(FATTR4_TYPE, 1);
	give_u32(FATTR4_MODE, 0644);
	give_text(FATTR4_OWNER, "7");
	assert_int_equal(compare(), NFS4ERR_SAME);
	give_nothing();
	give_u32(FATTR4_TYPE, 1);
	give_u32(FATTR4_MODE, 0645);
	assert_int_equal(compare(), NFS4ERR_NOT_SAME);
	give_nothing();
	give_text(FATTR4_OWNER, "nobody@example");
	assert_int_equal(compare(), NFS4ERR_NOT_SAME);
}

static void not_everything_can_be_compared(void **state)
{
	give_nothing();
	give_u32(FATTR4_ACL, 0);
	assert_int_equal(compare(), NFS4ERR_ATTRNOTSUPP);
	give_nothing();
	give_u32(FATTR4_TIME_MODIFY_SET, 0);
	assert_int_equal(compare(), NFS4ERR_INVAL);
	give_nothing();
	give_u32(FATTR4_RDATTR_ERROR, 0);
	assert_int_equal(compare(), NFS4ERR_INVAL);
	give_nothing();
	give_u32(FATTR4_SIZE, 0);
	assert_int_equal(compare(), NFS4ERR_BADXDR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_may_be_set),
		cmocka_unit_test(unknown_attributes_are_not_supported),
		cmocka_unit_test(read_only_attributes_are_invalid),
		cmocka_unit_test(values_end_where_they_should),
		cmocka_unit_test(modes_have_twelve_bits_and_one_source),
		cmocka_unit_test(a_umask_is_for_creation),
		cmocka_unit_test(an_exclusive_create_sets_no_times),
		cmocka_unit_test(times_have_limits),
		cmocka_unit_test(owners_are_decimal_or_known),
		cmocka_unit_test(write_only_attributes_cannot_be_read),
		cmocka_unit_test(statfs_is_only_asked_for_when_needed),
		cmocka_unit_test(notifiable_is_a_part_of_readable),
		cmocka_unit_test(sizes_are_foretold),
		cmocka_unit_test(too_little_room_is_noticed),
		cmocka_unit_test(far_times_are_the_last_ones),
		cmocka_unit_test(times_go_both_ways),
		cmocka_unit_test(values_are_compared),
		cmocka_unit_test(not_everything_can_be_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
