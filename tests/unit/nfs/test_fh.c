/* SPDX-License-Identifier: MIT */
/* Filehandles: what we gave out comes back, anything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "nfs/fh.h"

static struct export exported = {.id = 7};

static struct nfs_server server = {
	.exports = {.list = &exported, .count = 1},
	.handle_key = "sixteen bytes ok",
};

static struct fileid some_id(uint8_t len)
{
	struct fileid id = {.len = len};

	for (int i = 0; i < len; i++)
		id.data[i] = i * 7;
	return id;
}

static void round_trip_of_every_length(void **state)
{
	for (int len = 1; len <= FILEID_MAX; len++) {
		struct fileid id = some_id(len);
		uint8_t buf[NFS4_FHSIZE];
		struct xdr_opaque wire;
		struct fh fh;

		wire = xdr_opaque_from(
			buf, fh_encode(&server, &exported, &id, buf));
		assert_int_equal(fh_decode(&server, &wire, &fh), NFS4_OK);
		assert_ptr_equal(fh.export, &exported);
		assert_true(fileid_equal(&fh.id, &id));
	}
}

static void any_flipped_bit_is_refused(void **state)
{
	struct fileid id = some_id(24);
	uint8_t buf[NFS4_FHSIZE];
	uint32_t len = fh_encode(&server, &exported, &id, buf);
	struct xdr_opaque wire = xdr_opaque_from(buf, len);

	for (uint32_t bit = 0; bit < len * 8; bit++) {
		struct fh fh;
		nfsstat4 status;

		buf[bit / 8] ^= 1 << bit % 8;
		status = fh_decode(&server, &wire, &fh);
		assert_true(
			status == NFS4ERR_STALE || status == NFS4ERR_BADHANDLE);
		buf[bit / 8] ^= 1 << bit % 8;
	}
}

static void every_wrong_length_is_refused(void **state)
{
	struct fileid id = some_id(24);
	uint8_t buf[NFS4_FHSIZE + 1] = {0};
	uint32_t len = fh_encode(&server, &exported, &id, buf);

	for (uint32_t cut = 0; cut <= NFS4_FHSIZE; cut++) {
		struct xdr_opaque wire = xdr_opaque_from(buf, cut);
		struct fh fh;

		if (cut != len)
			assert_int_not_equal(
				fh_decode(&server, &wire, &fh), NFS4_OK);
	}
}

static void another_key_or_export_is_stale(void **state)
{
	struct nfs_server other = server;
	struct export stranger = {.id = 8};
	struct fileid id = some_id(12);
	uint8_t buf[NFS4_FHSIZE];
	uint32_t len = fh_encode(&server, &exported, &id, buf);
	struct xdr_opaque wire = xdr_opaque_from(buf, len);
	struct fh fh;

	other.handle_key[3] ^= 1;
	assert_int_equal(fh_decode(&other, &wire, &fh), NFS4ERR_STALE);
	other = server;
	other.exports.list = &stranger;
	assert_int_equal(fh_decode(&other, &wire, &fh), NFS4ERR_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_of_every_length),
		cmocka_unit_test(any_flipped_bit_is_refused),
		cmocka_unit_test(every_wrong_length_is_refused),
		cmocka_unit_test(another_key_or_export_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
