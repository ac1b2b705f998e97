/* SPDX-License-Identifier: MIT */
/*
 * OPEN with CREATE, UNCHECKED4 and a size of 0 empties a file that exists,
 * also when it opens it for reading only. It used to be emptied on an export
 * that is read-only, against others' share reservations, and by an OPEN that
 * failed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"
#include "rig.h"

static struct rig r;
static struct peer p, q;

static void put_text(const char *name)
{
	struct fileid id = rig_make(&r, name, OBJECT_FILE, 0666);
	enum store_stability stability = STORE_FILE_SYNC;
	size_t done;

	assert_int_equal(store_write(r.store, &cred_server, &id, STORE_IO_CHECK,
				 0, "text", 4, &stability, &done),
		0);
}

static void begin(rig_adjust adjust)
{
	rig_init(&r, adjust);
	put_text("file");
	put_text("other");
	peer_init(&p, r.server, "p");
	peer_init(&q, r.server, "q");
}

static void end(void)
{
	peer_fini(&p);
	peer_fini(&q);
	rig_fini(&r);
}

static void make_read_only(struct nfs_server_config *config)
{
	config->exports[0].read_only = true;
}

static void allow_one_open(struct nfs_server_config *config)
{
	config->state.max_opens = 1;
}

/* As open(O_RDONLY | O_CREAT | O_TRUNC) on Linux. */
static nfsstat4 truncate_by_open(struct peer *who)
{
	OPEN4args *args;

	peer_begin(who);
	ask_root(who);
	args = ask_open_create(who, "file", UNCHECKED4);
	args->share_access = OPEN4_SHARE_ACCESS_READ;
	args->openhow.how.createattrs = ask_attr_u64(who, FATTR4_SIZE, 0);
	return peer_call(who);
}

static nfsstat4 open_denying(struct peer *who, const char *name, uint32_t deny)
{
	peer_begin(who);
	ask_root(who);
	ask_open(who, name, OPEN4_SHARE_ACCESS_READ)->share_deny = deny;
	return peer_call(who);
}

static uint64_t size_of_file(void)
{
	peer_begin(&q);
	ask_path(&q, "file");
	ask_getattr(&q, FATTR4_SIZE);
	assert_int_equal(peer_call(&q), NFS4_OK);
	return attrs_of(&q, 2).attr.size;
}

static void it_empties_the_file(void **state)
{
	begin(NULL);
	assert_int_equal(truncate_by_open(&p), NFS4_OK);
	assert_true(bitmap4_has(
		&peer_last(&p)->opopen.resok4.attrset, FATTR4_SIZE));
	assert_int_equal(size_of_file(), 0);
	/* For reading: nobody who denies writing is in its way now. */
	assert_int_equal(
		open_denying(&q, "file", OPEN4_SHARE_DENY_WRITE), NFS4_OK);
	end();
}

static void not_on_a_read_only_export(void **state)
{
	begin(make_read_only);
	assert_int_equal(truncate_by_open(&p), NFS4ERR_ROFS);
	assert_int_equal(size_of_file(), 4);
	end();
}

static void not_against_who_denies_writing(void **state)
{
	begin(NULL);
	assert_int_equal(
		open_denying(&q, "file", OPEN4_SHARE_DENY_WRITE), NFS4_OK);
	assert_int_equal(truncate_by_open(&p), NFS4ERR_SHARE_DENIED);
	assert_int_equal(size_of_file(), 4);
	end();
}

static void not_by_an_open_too_many(void **state)
{
	begin(allow_one_open);
	assert_int_equal(open_denying(&p, "other", 0), NFS4_OK);
	assert_int_equal(truncate_by_open(&p), NFS4ERR_SERVERFAULT);
	assert_int_equal(size_of_file(), 4);
	end();
}

/* What could not be emptied is not open, and denies nothing to anybody. */
static void a_failure_leaves_no_open(void **state)
{
	begin(NULL);
	fault_fail(r.store, STORE_CALL_SETATTR, ENOSPC, 1);
	assert_int_equal(truncate_by_open(&p), NFS4ERR_NOSPC);
	assert_int_equal(size_of_file(), 4);
	assert_int_equal(
		open_denying(&q, "file", OPEN4_SHARE_DENY_BOTH), NFS4_OK);
	end();
}

/* The open that there was is as it was. */
static void a_failure_leaves_an_older_open(void **state)
{
	stateid4 sid;

	begin(NULL);
	assert_int_equal(open_denying(&p, "file", 0), NFS4_OK);
	sid = peer_last(&p)->opopen.resok4.stateid;
	fault_fail(r.store, STORE_CALL_SETATTR, ENOSPC, 1);
	assert_int_equal(truncate_by_open(&p), NFS4ERR_NOSPC);
	peer_begin(&p);
	ask_path(&p, "file");
	ask_read(&p, &sid, 0, 4);
	ask_close(&p, &sid);
	assert_int_equal(peer_call(&p), NFS4_OK);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_empties_the_file),
		cmocka_unit_test(not_on_a_read_only_export),
		cmocka_unit_test(not_against_who_denies_writing),
		cmocka_unit_test(not_by_an_open_too_many),
		cmocka_unit_test(a_failure_leaves_no_open),
		cmocka_unit_test(a_failure_leaves_an_older_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
