/* SPDX-License-Identifier: MIT */
/* Opens, share reservations, locks, I/O and the current stateid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

static struct peer p, q;

static int setup(void **state)
{
	struct rig *r;

	rig_setup(state);
	r = *state;
	peer_init(&p, r->server, "p");
	peer_init(&q, r->server, "q");
	return 0;
}

static int teardown(void **state)
{
	peer_fini(&p);
	peer_fini(&q);
	return rig_teardown(state);
}

static nfsstat4 open_as(struct peer *who, const struct handle *fh,
	const char *owner, uint32_t access, uint32_t deny)
{
	OPEN4args *args;

	peer_begin(who);
	ask_fh(who, fh);
	args = ask_open_fh(who, access);
	args->share_deny = deny;
	args->owner.owner = xdr_opaque_from_str(owner);
	return peer_call(who);
}

static stateid4 opened(struct peer *who)
{
	return peer_last(who)->opopen.resok4.stateid;
}

static struct handle new_file(const char *name, uint32_t mode)
{
	struct handle fh;

	peer_begin(&p);
	ask_root(&p);
	ask_open_create(&p, name, UNCHECKED4)->openhow.how.createattrs =
		ask_attr_u32(&p, FATTR4_MODE, mode);
	ask_getfh(&p);
	ask_close(&p, &current_stateid);
	assert_int_equal(peer_call(&p), NFS4_OK);
	fh = handle_from(&p, 2);
	return fh;
}

/* ---- OPEN ---- */

static void creating_modes(void **state)
{
	peer_begin(&p);
	ask_root(&p);
	ask_open_create(&p, "file", GUARDED4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_call(&p), NFS4ERR_EXIST);
	peer_begin(&p);
	ask_root(&p);
	ask_open_create(&p, "file", UNCHECKED4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	ask_open(&p, "nothing", OPEN4_SHARE_ACCESS_READ);
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
}

/* The same verifier is a retry, another one is somebody else (18.16.3). */
static void exclusive_creates(void **state)
{
	createhow4 *how;

	peer_begin(&p);
	ask_root(&p);
	how = &ask_open_create(&p, "file", EXCLUSIVE4_1)->openhow.how;
	how->ch_createboth.cva_verf[0] = 1;
	how->ch_createboth.cva_attrs = ask_attr_u32(&p, FATTR4_MODE, 0640);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_call(&p), NFS4_OK);
	how->ch_createboth.cva_verf[0] = 2;
	assert_int_equal(peer_call(&p), NFS4ERR_EXIST);
	peer_begin(&p);
	ask_path(&p, "file");
	ask_getattr(&p, FATTR4_MODE);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(attrs_of(&p, 2).attr.mode, 0640);
}

static uint32_t mode_of(const char *name)
{
	peer_begin(&p);
	ask_path(&p, name);
	ask_getattr(&p, FATTR4_MODE);
	assert_int_equal(peer_call(&p), NFS4_OK);
	return attrs_of(&p, 2).attr.mode;
}

/* Or others could open it before its maker has said who may. */
static void what_has_no_mode_is_its_makers(void **state)
{
	static const createmode4 modes[] = {
		UNCHECKED4, GUARDED4, EXCLUSIVE4, EXCLUSIVE4_1};

	q.uid = q.gid = 1001;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char name[] = {(char)('a' + i), '\0'};

		peer_begin(&p);
		ask_root(&p);
		ask_open_create(&p, name, modes[i]);
		assert_int_equal(peer_call(&p), NFS4_OK);
		assert_int_equal(mode_of(name), 0600);
		peer_begin(&q);
		ask_root(&q);
		ask_open(&q, name, OPEN4_SHARE_ACCESS_READ);
		assert_int_equal(peer_call(&q), NFS4ERR_ACCESS);
	}
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	assert_int_equal(mode_of("dir"), 0700);
}

/* mode_set_masked: what is said to be set is set. */
static void some_bits_of_a_new_mode(void **state)
{
	/* A value, and which of its bits count. */
	const uint64_t masked = UINT64_C(0444) << 32 | 0077;
	OPEN4resok *ok;

	peer_begin(&p);
	ask_root(&p);
	ask_open_create(&p, "file", GUARDED4)->openhow.how.createattrs =
		ask_attr_u64(&p, FATTR4_MODE_SET_MASKED, masked);
	assert_int_equal(peer_call(&p), NFS4_OK);
	ok = &peer_last(&p)->opopen.resok4;
	assert_true(bitmap4_has(&ok->attrset, FATTR4_MODE_SET_MASKED));
	assert_int_equal(mode_of("file"), 0644);
}

static void opens_of_what_is_no_file(void **state)
{
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	ask_create(&p, "link", NF4LNK);
	ask_root(&p);
	ask_create(&p, "fifo", NF4FIFO);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	ask_open(&p, "dir", OPEN4_SHARE_ACCESS_READ);
	assert_int_equal(peer_call(&p), NFS4ERR_ISDIR);
	p.ops[2].opopen.claim.file = xdr_opaque_from_str("link");
	assert_int_equal(peer_call(&p), NFS4ERR_SYMLINK);
	p.ops[2].opopen.claim.file = xdr_opaque_from_str("fifo");
	assert_int_equal(peer_call(&p), NFS4ERR_WRONG_TYPE);
}

static void shares_that_make_no_sense(void **state)
{
	struct handle fh = new_file("file", 0666);

	assert_int_equal(open_as(&p, &fh, "o", 0, 0), NFS4ERR_INVAL);
	assert_int_equal(open_as(&p, &fh, "o", 1, 4), NFS4ERR_INVAL);
	assert_int_equal(open_as(&p, &fh, "o", 0x80000001, 0), NFS4ERR_INVAL);
}

static void share_reservations(void **state)
{
	struct handle fh = new_file("file", 0666);
	stateid4 sid;

	assert_int_equal(open_as(&p, &fh, "one", OPEN4_SHARE_ACCESS_READ,
				 OPEN4_SHARE_DENY_WRITE),
		NFS4_OK);
	sid = opened(&p);
	assert_int_equal(open_as(&q, &fh, "two", OPEN4_SHARE_ACCESS_WRITE, 0),
		NFS4ERR_SHARE_DENIED);
	assert_int_equal(open_as(&q, &fh, "two", OPEN4_SHARE_ACCESS_READ,
				 OPEN4_SHARE_DENY_READ),
		NFS4ERR_SHARE_DENIED);
	assert_int_equal(
		open_as(&q, &fh, "two", OPEN4_SHARE_ACCESS_READ, 0), NFS4_OK);
	/* A write without an open is denied, too. */
	peer_begin(&q);
	ask_fh(&q, &fh);
	ask_write(&q, &anonymous_stateid, 0, "x", UNSTABLE4);
	assert_int_equal(peer_call(&q), NFS4ERR_LOCKED);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_close(&p, &sid);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(
		open_as(&q, &fh, "two", OPEN4_SHARE_ACCESS_WRITE, 0), NFS4_OK);
}

static void an_open_is_up_and_downgraded(void **state)
{
	struct handle fh = new_file("file", 0666);
	OPEN_DOWNGRADE4args *args;
	stateid4 first, second;

	assert_int_equal(
		open_as(&p, &fh, "o", OPEN4_SHARE_ACCESS_READ, 0), NFS4_OK);
	first = opened(&p);
	assert_int_equal(
		open_as(&p, &fh, "o", OPEN4_SHARE_ACCESS_WRITE, 0), NFS4_OK);
	second = opened(&p);
	assert_memory_equal(first.other, second.other, sizeof(first.other));
	assert_int_equal(second.seqid, first.seqid + 1);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &first, 0, "x", UNSTABLE4);
	assert_int_equal(peer_call(&p), NFS4ERR_OLD_STATEID);
	peer_begin(&p);
	ask_fh(&p, &fh);
	args = &peer_add(&p, OP_OPEN_DOWNGRADE)->opopen_downgrade;
	args->open_stateid = second;
	args->share_access = OPEN4_SHARE_ACCESS_READ;
	ask_write(&p, &current_stateid, 0, "x", UNSTABLE4);
	assert_int_equal(peer_call(&p), NFS4ERR_OPENMODE);
	assert_int_equal(peer_last(&p)->resop, OP_WRITE);
	/* Never up. */
	peer_begin(&p);
	ask_fh(&p, &fh);
	second.seqid = 0;
	args = &peer_add(&p, OP_OPEN_DOWNGRADE)->opopen_downgrade;
	args->open_stateid = second;
	args->share_access = OPEN4_SHARE_ACCESS_BOTH;
	assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
}

/* Permission is that of the time of the open; its owner may go on. */
static void the_mode_matters_at_open(void **state)
{
	struct handle fh = new_file("file", 0600);
	stateid4 sid;

	q.uid = q.gid = 2000;
	assert_int_equal(open_as(&q, &fh, "o", OPEN4_SHARE_ACCESS_READ, 0),
		NFS4ERR_ACCESS);
	assert_int_equal(
		open_as(&p, &fh, "o", OPEN4_SHARE_ACCESS_BOTH, 0), NFS4_OK);
	sid = opened(&p);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_setattr(
		&p, &anonymous_stateid, ask_attr_u32(&p, FATTR4_MODE, 0000));
	ask_write(&p, &sid, 0, "mine", FILE_SYNC4);
	ask_read(&p, &sid, 0, 10);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_last(&p)->opread.resok4.data.len, 4);
}

static void a_removed_file_is_read_while_it_is_open(void **state)
{
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 0, "text", FILE_SYNC4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(remove_name(&q, "file"), NFS4_OK);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_read(&p, &sid, 0, 10);
	ask_close(&p, &sid);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_fh(&p, &fh);
	assert_int_equal(peer_call(&p), NFS4ERR_STALE);
}

/* ---- I/O ---- */

static void reads_and_their_ends(void **state)
{
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 0, "0123456789", FILE_SYNC4);
	ask_read(&p, &sid, 0, 10);
	ask_read(&p, &sid, 0, 9);
	ask_read(&p, &sid, 10, 5);
	ask_read(&p, &sid, UINT64_MAX, 5);
	ask_read(&p, &sid, 3, 0);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_true(peer_result(&p, 2)->opread.resok4.eof);
	assert_false(peer_result(&p, 3)->opread.resok4.eof);
	assert_true(peer_result(&p, 4)->opread.resok4.eof);
	assert_int_equal(peer_result(&p, 4)->opread.resok4.data.len, 0);
	assert_true(peer_result(&p, 5)->opread.resok4.eof);
	assert_false(peer_result(&p, 6)->opread.resok4.eof);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, UINT64_MAX - 2, "toolong", FILE_SYNC4);
	assert_int_not_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	ask_read(&p, &anonymous_stateid, 0, 10);
	assert_int_equal(peer_call(&p), NFS4ERR_ISDIR);
}

static void stateids_that_are_none(void **state)
{
	stateid4 sid, wrong;
	struct handle fh, other = new_file("other", 0666);

	sid = open_file(&p, "file", &fh);
	wrong = sid;
	wrong.other[7] ^= 1;
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_read(&p, &wrong, 0, 1);
	assert_int_equal(peer_call(&p), NFS4ERR_BAD_STATEID);
	/* Another file's, another client's, from the future. */
	peer_begin(&p);
	ask_fh(&p, &other);
	ask_read(&p, &sid, 0, 1);
	assert_int_equal(peer_call(&p), NFS4ERR_BAD_STATEID);
	peer_begin(&q);
	ask_fh(&q, &fh);
	ask_read(&q, &sid, 0, 1);
	assert_int_equal(peer_call(&q), NFS4ERR_BAD_STATEID);
	wrong = sid;
	wrong.seqid += 5;
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_read(&p, &wrong, 0, 1);
	assert_int_equal(peer_call(&p), NFS4ERR_BAD_STATEID);
	/* No current stateid yet; then there is one. */
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_read(&p, &current_stateid, 0, 1);
	assert_int_equal(peer_call(&p), NFS4ERR_BAD_STATEID);
	peer_begin(&p);
	ask_root(&p);
	ask_open(&p, "file", OPEN4_SHARE_ACCESS_READ);
	ask_read(&p, &current_stateid, 0, 1);
	peer_add(&p, OP_SAVEFH);
	ask_root(&p);
	peer_add(&p, OP_RESTOREFH);
	ask_close(&p, &current_stateid);
	assert_int_equal(peer_call(&p), NFS4_OK);
}

static void write_verifiers_agree(void **state)
{
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 0, "abc", UNSTABLE4);
	peer_add(&p, OP_COMMIT);
	ask_write(&p, &sid, 3, "def", FILE_SYNC4);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_memory_equal(peer_result(&p, 1)->opwrite.resok4.writeverf,
		peer_result(&p, 2)->opcommit.resok4.writeverf, 8);
	assert_int_equal(
		peer_result(&p, 3)->opwrite.resok4.committed, FILE_SYNC4);
	assert_int_equal(peer_result(&p, 3)->opwrite.resok4.count, 3);
}

static void holes_and_space(void **state)
{
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_write(&p, &sid, 1 << 20, "far", FILE_SYNC4);
	peer_add(&p, OP_SEEK)->opseek =
		(SEEK4args){.sa_stateid = sid, .sa_what = NFS4_CONTENT_DATA};
	peer_add(&p, OP_SEEK)->opseek =
		(SEEK4args){.sa_stateid = sid, .sa_what = NFS4_CONTENT_HOLE};
	peer_add(&p, OP_ALLOCATE)->opallocate = (ALLOCATE4args){
		.aa_stateid = sid, .aa_offset = 2 << 20, .aa_length = 4096};
	ask_getattr(&p, FATTR4_SIZE);
	peer_add(&p, OP_DEALLOCATE)->opdeallocate =
		(DEALLOCATE4args){.da_stateid = sid, .da_length = 4 << 20};
	ask_getattr(&p, FATTR4_SIZE);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_true(peer_result(&p, 2)->opseek.resok4.sr_offset > 0);
	assert_int_equal(peer_result(&p, 3)->opseek.resok4.sr_offset, 0);
	assert_int_equal(attrs_of(&p, 5).attr.size, (2 << 20) + 4096);
	assert_int_equal(attrs_of(&p, 7).attr.size, (2 << 20) + 4096);
	peer_begin(&p);
	ask_fh(&p, &fh);
	peer_add(&p, OP_SEEK)->opseek =
		(SEEK4args){.sa_stateid = sid, .sa_offset = 4 << 20};
	assert_int_equal(peer_call(&p), NFS4ERR_NXIO);
	p.ops[2].opseek.sa_what = 7;
	assert_int_equal(peer_call(&p), NFS4ERR_UNION_NOTSUPP);
}

/* ---- locks ---- */

static void locks_are_denied_by_name(void **state)
{
	struct handle fh = new_file("file", 0666);
	stateid4 mine = open_file(&p, "file", NULL), other, lock;
	const LOCK4denied *denied;

	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_lock(&p, &mine, "first locker", 10, 10);
	assert_int_equal(peer_call(&p), NFS4_OK);
	lock = peer_last(&p)->oplock.resok4.lock_stateid;
	q.uid = 2000;
	assert_int_equal(
		open_as(&q, &fh, "o", OPEN4_SHARE_ACCESS_BOTH, 0), NFS4_OK);
	other = opened(&q);
	peer_begin(&q);
	ask_fh(&q, &fh);
	ask_lock(&q, &other, "second", 0, UINT64_MAX);
	assert_int_equal(peer_call(&q), NFS4ERR_DENIED);
	denied = &peer_last(&q)->oplock.denied;
	assert_int_equal(denied->offset, 10);
	assert_int_equal(denied->length, 10);
	assert_int_equal(denied->locktype, WRITE_LT);
	assert_int_equal(denied->owner.owner.len, strlen("first locker"));
	/* With locks the open cannot be closed away under them. */
	peer_begin(&p);
	ask_fh(&p, &fh);
	peer_add(&p, OP_LOCKU)->oplocku = (LOCKU4args){.locktype = WRITE_LT,
		.lock_stateid = lock,
		.length = UINT64_MAX};
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&q);
	ask_fh(&q, &fh);
	ask_lock(&q, &other, "second", 0, UINT64_MAX);
	assert_int_equal(peer_call(&q), NFS4_OK);
}

static void ranges_that_are_none(void **state)
{
	static const uint64_t bad[][2] = {
		{0, 0}, {10, UINT64_MAX - 9}, {UINT64_MAX, 2}};
	struct handle fh;
	stateid4 sid = open_file(&p, "file", &fh);

	for (int i = 0; i < 3; i++) {
		peer_begin(&p);
		ask_fh(&p, &fh);
		ask_lock(&p, &sid, "o", bad[i][0], bad[i][1]);
		assert_int_equal(peer_call(&p), NFS4ERR_INVAL);
	}
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_lock(&p, &sid, "o", 10, UINT64_MAX - 10);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_LOCKT)->oplockt =
		(LOCKT4args){.locktype = READ_LT, .length = 1};
	assert_int_equal(peer_call(&p), NFS4ERR_ISDIR);
}

static void a_lock_needs_its_access(void **state)
{
	struct handle fh = new_file("file", 0666);
	stateid4 sid;

	assert_int_equal(
		open_as(&p, &fh, "r", OPEN4_SHARE_ACCESS_READ, 0), NFS4_OK);
	sid = opened(&p);
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_lock(&p, &sid, "o", 0, 10);
	assert_int_equal(peer_call(&p), NFS4ERR_OPENMODE);
	p.ops[2].oplock.locktype = READ_LT;
	assert_int_equal(peer_call(&p), NFS4_OK);
	/* A reclaim has nothing to reclaim. */
	peer_begin(&p);
	ask_fh(&p, &fh);
	ask_lock(&p, &sid, "o", 0, 10)->reclaim = true;
	assert_int_equal(peer_call(&p), NFS4ERR_NO_GRACE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(creating_modes),
		TEST(exclusive_creates),
		TEST(what_has_no_mode_is_its_makers),
		TEST(some_bits_of_a_new_mode),
		TEST(opens_of_what_is_no_file),
		TEST(shares_that_make_no_sense),
		TEST(share_reservations),
		TEST(an_open_is_up_and_downgraded),
		TEST(the_mode_matters_at_open),
		TEST(a_removed_file_is_read_while_it_is_open),
		TEST(reads_and_their_ends),
		TEST(stateids_that_are_none),
		TEST(write_verifiers_agree),
		TEST(holes_and_space),
		TEST(locks_are_denied_by_name),
		TEST(ranges_that_are_none),
		TEST(a_lock_needs_its_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
