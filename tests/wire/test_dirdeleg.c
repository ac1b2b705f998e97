/* SPDX-License-Identifier: MIT */
/* GET_DIR_DELEGATION, byte for byte (RFC 8881 18.39.1 and 18.39.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/nfs4_xdr.h"

static const uint8_t args_bytes[] = {
	0, 0, 0, 46,            /* argop: OP_GET_DIR_DELEGATION */
	0, 0, 0, 0,             /* gdda_signal_deleg_avail: FALSE */
	0, 0, 0, 1,             /* gdda_notification_types: one word */
	0, 0, 0x10, 0x5f,       /* bits 0 to 4, 6, 12 */
	0, 0, 0, 0, 0, 0, 0, 1, /* gdda_child_attr_delay: 1 s */
	0x1d, 0xcd, 0x65, 0x00, /* + 500,000,000 ns */
	0, 0, 0, 0, 0, 0, 0, 0, /* gdda_dir_attr_delay: 0 s */
	0, 0, 0, 0,             /* + 0 ns */
	0, 0, 0, 2,             /* gdda_child_attributes: two words */
	0x00, 0x18, 0x00, 0x1a, /* type change size filehandle fileid */
	0x00, 0x34, 0xa2, 0x0a, /* 33 35 41 45 47 50 52 53 */
	0, 0, 0, 0,             /* gdda_dir_attributes: empty */
};

static const GET_DIR_DELEGATION4args args = {
	.gdda_notification_types = {.word = {0x105f}},
	.gdda_child_attr_delay = {1, 500000000},
	.gdda_child_attributes = {.word = {0x0018001a, 0x0034a20a}},
};

static void arguments(void **state)
{
	nfs_argop4 op = {
		.argop = OP_GET_DIR_DELEGATION, .opget_dir_delegation = args};
	uint8_t buf[sizeof(args_bytes)];
	nfs_argop4 back;
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(nfs4_put_nfs_argop4(&x, &op));
	assert_int_equal(xdr_pos(&x), sizeof(args_bytes));
	assert_memory_equal(buf, args_bytes, sizeof(args_bytes));

	xdr_init_decode(&x, args_bytes, sizeof(args_bytes), NULL);
	assert_true(nfs4_get_nfs_argop4(&x, &back));
	assert_int_equal(xdr_left(&x), 0);
	assert_false(back.unknown);
	const GET_DIR_DELEGATION4args *a = &back.opget_dir_delegation;

	assert_false(a->gdda_signal_deleg_avail);
	assert_true(
		bitmap4_has(&a->gdda_notification_types, NOTIFY4_CFLAG_ORDER));
	assert_true(
		bitmap4_has(&a->gdda_notification_types, NOTIFY4_GFLAG_EXTEND));
	assert_true(a->gdda_child_attr_delay.seconds == 1);
	assert_int_equal(a->gdda_child_attr_delay.nseconds, 500000000);
	assert_true(a->gdda_dir_attr_delay.seconds == 0);
	assert_true(bitmap4_has(&a->gdda_child_attributes, FATTR4_FILEHANDLE));
	assert_true(bitmap4_empty(&a->gdda_dir_attributes));
}

/* As the Linux client asks: nothing wanted, each bitmap one zero word. */
static void arguments_with_zero_words(void **state)
{
	static const uint8_t sent[] = {
		0, 0, 0, 0,                         /* no signal */
		0, 0, 0, 1, 0, 0, 0, 0,             /* no notification */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* no delay */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* no delay */
		0, 0, 0, 1, 0, 0, 0, 0,             /* no child attribute */
		0, 0, 0, 1, 0, 0, 0, 0,             /* no directory attribute */
	};
	GET_DIR_DELEGATION4args back;
	struct xdr x;

	xdr_init_decode(&x, sent, sizeof(sent), NULL);
	assert_true(nfs4_get_GET_DIR_DELEGATION4args(&x, &back));
	assert_int_equal(xdr_left(&x), 0);
	assert_true(bitmap4_empty(&back.gdda_notification_types));
}

static void check_result(const GET_DIR_DELEGATION4res *res,
	const uint8_t *wanted, size_t len, GET_DIR_DELEGATION4res *back)
{
	uint8_t buf[256];
	struct xdr x;

	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(nfs4_put_GET_DIR_DELEGATION4res(&x, res));
	assert_int_equal(xdr_pos(&x), len);
	assert_memory_equal(buf, wanted, len);
	xdr_init_decode(&x, wanted, len, NULL);
	assert_true(nfs4_get_GET_DIR_DELEGATION4res(&x, back));
	assert_int_equal(xdr_left(&x), 0);
	for (size_t cut = 0; cut < len; cut++) {
		GET_DIR_DELEGATION4res unused;

		xdr_init_decode(&x, wanted, cut, NULL);
		assert_false(nfs4_get_GET_DIR_DELEGATION4res(&x, &unused));
	}
}

static void granted(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 0,             /* gddr_status: NFS4_OK */
		0, 0, 0, 0,             /* gddrnf_status: GDD4_OK */
		8, 7, 6, 5, 4, 3, 2, 1, /* gddr_cookieverf */
		0, 0, 0, 1,             /* gddr_stateid.seqid */
		'd', 'e', 'l', 'e', 'g', 'a', 't', 'i', 'o', 'n', '0', '1', 0,
		0, 0, 1, 0, 0, 0, 0x5c,       /* gddr_notification: 2 3 4 6 */
		0, 0, 0, 1, 0, 0x08, 0, 0x02, /* gddr_child_attributes */
		0, 0, 0, 0,                   /* gddr_dir_attributes: none */
	};
	GET_DIR_DELEGATION4res res = {.gddr_status = NFS4_OK,
		.gddr_res_non_fatal4 = {.gddrnf_status = GDD4_OK,
			.gddrnf_resok4 = {
				.gddr_cookieverf = {8, 7, 6, 5, 4, 3, 2, 1},
				.gddr_stateid = {1, "delegation01"},
				.gddr_notification = {.word = {0x5c}},
				.gddr_child_attributes = {.word = {0x80002}},
			}}};
	GET_DIR_DELEGATION4res back;
	const GET_DIR_DELEGATION4resok *ok =
		&back.gddr_res_non_fatal4.gddrnf_resok4;

	check_result(&res, wanted, sizeof(wanted), &back);
	assert_int_equal(back.gddr_res_non_fatal4.gddrnf_status, GDD4_OK);
	assert_int_equal(ok->gddr_cookieverf[0], 8);
	assert_int_equal(ok->gddr_stateid.seqid, 1);
	assert_memory_equal(ok->gddr_stateid.other, "delegation01", 12);
	assert_int_equal(ok->gddr_notification.word[0], 0x5c);
	assert_int_equal(ok->gddr_child_attributes.word[0], 0x80002);
	assert_true(bitmap4_empty(&ok->gddr_dir_attributes));
}

static void not_available(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 0, /* gddr_status: NFS4_OK */
		0, 0, 0, 1, /* gddrnf_status: GDD4_UNAVAIL */
		0, 0, 0, 0, /* gddrnf_will_signal_deleg_avail: FALSE */
	};
	GET_DIR_DELEGATION4res res = {
		.gddr_res_non_fatal4 = {.gddrnf_status = GDD4_UNAVAIL}};
	GET_DIR_DELEGATION4res back;

	check_result(&res, wanted, sizeof(wanted), &back);
	assert_int_equal(back.gddr_res_non_fatal4.gddrnf_status, GDD4_UNAVAIL);
	assert_false(back.gddr_res_non_fatal4.gddrnf_will_signal_deleg_avail);
}

static void an_error_is_only_a_status(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0x27, 0x64, /* NFS4ERR_DIRDELEG_UNAVAIL, 10084 */
	};
	GET_DIR_DELEGATION4res res = {.gddr_status = NFS4ERR_DIRDELEG_UNAVAIL};
	GET_DIR_DELEGATION4res back;

	check_result(&res, wanted, sizeof(wanted), &back);
	assert_int_equal(back.gddr_status, 10084);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(arguments_with_zero_words),
		cmocka_unit_test(granted),
		cmocka_unit_test(not_available),
		cmocka_unit_test(an_error_is_only_a_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
