/* SPDX-License-Identifier: MIT */
/* The operation table, names from the wire, errno to status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "nfs/errmap.h"
#include "nfs/optable.h"
#include "proto/nfs4.h"

/* RFC 8881 and 7862: 3 to 58 in both, 59 to 75 in 4.2 only. */
static void every_operation_has_a_row(void **state)
{
	for (uint32_t op = 0; op < 100; op++) {
		bool in_41 = op >= OP_ACCESS && op <= OP_RECLAIM_COMPLETE;
		bool in_42 = op >= OP_ACCESS && op <= OP_REMOVEXATTR;

		assert_int_equal(optable_find(op, 1) != NULL, in_41);
		assert_int_equal(optable_find(op, 2) != NULL, in_42);
	}
	assert_null(optable_find(OP_ILLEGAL, 2));
	assert_null(optable_find(UINT32_MAX, 2));
}

/* Section 17: what a server must have, it has. */
static void required_operations_run(void **state)
{
	static const uint32_t required[] = {OP_ACCESS, OP_CLOSE, OP_COMMIT,
		OP_CREATE, OP_GETATTR, OP_GETFH, OP_LOCK, OP_LOCKT, OP_LOCKU,
		OP_LOOKUP, OP_LOOKUPP, OP_NVERIFY, OP_OPEN, OP_OPEN_DOWNGRADE,
		OP_PUTFH, OP_PUTPUBFH, OP_PUTROOTFH, OP_READ, OP_READDIR,
		OP_REMOVE, OP_RENAME, OP_RESTOREFH, OP_SAVEFH, OP_SECINFO,
		OP_SETATTR, OP_VERIFY, OP_WRITE, OP_BACKCHANNEL_CTL,
		OP_BIND_CONN_TO_SESSION, OP_EXCHANGE_ID, OP_CREATE_SESSION,
		OP_DESTROY_SESSION, OP_FREE_STATEID, OP_SEQUENCE, OP_SET_SSV,
		OP_TEST_STATEID, OP_DESTROY_CLIENTID, OP_RECLAIM_COMPLETE,
		OP_LINK, OP_READLINK, OP_SECINFO_NO_NAME, OP_GET_DIR_DELEGATION,
		OP_DELEGRETURN};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		assert_non_null(optable_find(required[i], 1)->run);
}

/*
 * What writes is refused on a read-only export, and what cannot be done twice
 * is kept for a replay: pinned in both directions, so that no new operation
 * escapes by being forgotten.
 */
static void writing_operations_are_these(void **state)
{
	for (uint32_t op = OP_ACCESS; op <= OP_REMOVEXATTR; op++) {
		bool writes;

		switch (op) {
		case OP_CREATE:
		case OP_LINK:
		case OP_REMOVE:
		case OP_RENAME:
		case OP_SETATTR:
		case OP_WRITE:
		case OP_ALLOCATE:
		case OP_DEALLOCATE:
		case OP_SETXATTR:
		case OP_REMOVEXATTR:
			writes = true;
			break;
		default: /* OPEN decides by what is asked: op_open.c */
			writes = false;
		}
		assert_int_equal(
			(optable_find(op, 2)->flags & OP_WRITES) != 0, writes);
		if (writes)
			assert_true(optable_find(op, 2)->flags & OP_CHANGES);
	}
}

static nfsstat4 name_status(const char *data, uint32_t len)
{
	struct xdr_opaque wire = xdr_opaque_from(data, len);
	struct name name;

	return compound_name(&wire, &name);
}

static void names_are_bytes_but_not_any(void **state)
{
	char longest[NAME_LEN_MAX + 1];

	memset(longest, 'x', sizeof(longest));
	assert_int_equal(name_status("a", 1), NFS4_OK);
	assert_int_equal(name_status("...", 3), NFS4_OK);
	assert_int_equal(name_status(".a", 2), NFS4_OK);
	assert_int_equal(name_status("\xff\xfe\n", 3), NFS4_OK);
	assert_int_equal(name_status(longest, NAME_LEN_MAX), NFS4_OK);
	assert_int_equal(name_status("", 0), NFS4ERR_INVAL);
	assert_int_equal(name_status(".", 1), NFS4ERR_BADNAME);
	assert_int_equal(name_status("..", 2), NFS4ERR_BADNAME);
	assert_int_equal(name_status("a/b", 3), NFS4ERR_BADCHAR);
	assert_int_equal(name_status("/", 1), NFS4ERR_BADCHAR);
	assert_int_equal(name_status("a\0b", 3), NFS4ERR_BADCHAR);
	assert_int_equal(
		name_status(longest, NAME_LEN_MAX + 1), NFS4ERR_NAMETOOLONG);
}

static void errors_keep_their_meaning(void **state)
{
	assert_int_equal(errmap_status(0), NFS4_OK);
	assert_int_equal(errmap_status(-ENOENT), NFS4ERR_NOENT);
	assert_int_equal(errmap_status(-EACCES), NFS4ERR_ACCESS);
	assert_int_equal(errmap_status(-EPERM), NFS4ERR_PERM);
	assert_int_equal(errmap_status(-ESTALE), NFS4ERR_STALE);
	assert_int_equal(errmap_status(-ENOSPC), NFS4ERR_NOSPC);
	assert_int_equal(errmap_status(-EDQUOT), NFS4ERR_DQUOT);
	assert_int_equal(errmap_status(-ENOMEM), NFS4ERR_DELAY);
	assert_int_equal(errmap_status(-EWOULDBLOCK), NFS4ERR_DELAY);
	assert_int_equal(errmap_status(-EIO), NFS4ERR_IO);
	assert_int_equal(errmap_status(-EBADMSG), NFS4ERR_IO);
	assert_int_equal(errmap_status_changed(0), NFS4_OK);
	assert_int_equal(errmap_status_changed(-ENOSPC), NFS4ERR_NOSPC);
	assert_int_equal(errmap_status_changed(-ENOMEM), NFS4ERR_IO);
	assert_int_equal(errmap_status_changed(-EWOULDBLOCK), NFS4ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_has_a_row),
		cmocka_unit_test(required_operations_run),
		cmocka_unit_test(writing_operations_are_these),
		cmocka_unit_test(names_are_bytes_but_not_any),
		cmocka_unit_test(errors_keep_their_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
