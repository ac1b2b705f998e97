/* SPDX-License-Identifier: MIT */
/*
 * What no client should send: the protocol's own error or a closed connection,
 * never a crash, and everybody else is served as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"
#include "wire/nfs4_xdr.h"
#include "wire/rpcmsg.h"

#define LAST 0x80000000u

struct pair {
	struct peer good, bad;
};

static void begin(struct pair *pair, void **state)
{
	struct rig *r = *state;

	peer_init(&pair->good, r->server, "good");
	peer_init(&pair->bad, r->server, "bad");
}

/* The good one goes on whatever happened to the bad one. */
static void end(struct pair *pair)
{
	assert_int_equal(make_dir(&pair->good, "dir"), NFS4_OK);
	assert_int_equal(peer_status_flags(&pair->good), 0);
	peer_fini(&pair->good);
	peer_fini(&pair->bad);
}

static void again(struct pair *pair)
{
	peer_reconnect(&pair->bad);
}

/* ---- records ---- */

static void records_too_large_close(void **state)
{
	static const uint32_t sizes[] = {
		0x7fffffff, 0x10000000, NFS_RECORD_MAX + 4096};
	struct pair pair;

	begin(&pair, state);
	for (size_t i = 0; i < 3; i++) {
		uint32_t mark = htonl(LAST | sizes[i]);

		peer_send_raw(&pair.bad, &mark, 4);
		assert_true(peer_is_closed(&pair.bad));
		again(&pair);
	}
	end(&pair);
}

/* Each is small, together they are not. */
static void fragments_without_end_close(void **state)
{
	static uint8_t fragment[4 + 65536];
	struct pair pair;
	uint32_t mark = htonl(65536);

	begin(&pair, state);
	memcpy(fragment, &mark, 4);
	for (int i = 0; i < 40; i++)
		peer_send_raw(&pair.bad, fragment, sizeof(fragment));
	assert_true(peer_is_closed(&pair.bad));
	end(&pair);
}

static void empty_records_close(void **state)
{
	struct pair pair;
	uint32_t mark = htonl(LAST);

	begin(&pair, state);
	peer_send_raw(&pair.bad, &mark, 4);
	assert_true(peer_is_closed(&pair.bad));
	end(&pair);
}

static void a_record_in_many_fragments_is_one(void **state)
{
	struct pair pair;
	uint8_t buf[512];
	size_t size;

	begin(&pair, state);
	peer_begin(&pair.bad);
	size = peer_encode(&pair.bad, buf, sizeof(buf));
	for (size_t i = 0; i < size; i++) {
		uint32_t mark = htonl(1 | (i + 1 == size ? LAST : 0));

		peer_send_raw(&pair.bad, &mark, 4);
		peer_send_raw(&pair.bad, buf + i, 1);
	}
	assert_int_equal(peer_finish(&pair.bad), NFS4_OK);
	end(&pair);
}

/* When SEQUENCE was whole, its slot has moved. */
static void note_slot(struct peer *p)
{
	struct rpcmsg_reply reply;
	COMPOUND4res res;
	struct xdr in;

	xdr_init_decode(&in, p->reply, p->reply_size, &p->arena);
	assert_true(rpcmsg_get_reply(&in, &reply));
	if (reply.stat != MSG_ACCEPTED || reply.accept_stat != SUCCESS)
		return;
	assert_true(nfs4_get_COMPOUND4res(&in, &res));
	assert_int_not_equal(res.status, NFS4_OK);
	if (res.resarray.count > 1)
		p->seqid[0]++;
}

/* A whole valid request, cut off at every byte: an answer or the end. */
static void requests_cut_off_anywhere(void **state)
{
	struct pair pair;
	uint8_t buf[1024];
	size_t size;

	begin(&pair, state);
	peer_begin(&pair.bad);
	ask_root(&pair.bad);
	ask_open_create(&pair.bad, "file", UNCHECKED4)
		->openhow.how.createattrs =
		ask_attr_u32(&pair.bad, FATTR4_MODE, 0600);
	ask_getattr(&pair.bad, FATTR4_TYPE);
	for (size_t cut = 0;; cut++) {
		size = peer_encode(&pair.bad, buf, sizeof(buf));
		if (cut >= size)
			break;
		peer_send_record(&pair.bad, buf, cut);
		if (!peer_recv(&pair.bad)) {
			again(&pair);
			continue;
		}
		note_slot(&pair.bad);
	}
	end(&pair);
}

/* ---- RPC ---- */

static void send_call(struct peer *p, const struct rpcmsg_call *call)
{
	uint8_t buf[1024];
	struct xdr out;

	xdr_init_encode(&out, buf, sizeof(buf));
	assert_true(rpcmsg_put_call(&out, call));
	xdr_put_u32(&out, 0); /* an empty COMPOUND 4.2 */
	xdr_put_u32(&out, 2);
	xdr_put_u32(&out, 0);
	peer_send_record(p, buf, xdr_pos(&out));
}

static void expect_reply(struct peer *p, struct rpcmsg_reply *reply)
{
	struct xdr in;

	assert_true(peer_recv(p));
	xdr_init_decode(&in, p->reply, p->reply_size, &p->arena);
	assert_true(rpcmsg_get_reply(&in, reply));
}

static const struct rpcmsg_call plain = {
	.xid = 7,
	.prog = NFS_PROGRAM,
	.vers = NFS_VERSION4,
	.proc = NFSPROC4_COMPOUND,
};

static void other_programs_versions_procedures(void **state)
{
	struct rpcmsg_call call;
	struct rpcmsg_reply reply;
	struct pair pair;

	begin(&pair, state);
	call = plain;
	call.prog = 100005;
	send_call(&pair.bad, &call);
	expect_reply(&pair.bad, &reply);
	assert_int_equal(reply.accept_stat, PROG_UNAVAIL);
	call = plain;
	call.vers = 3;
	send_call(&pair.bad, &call);
	expect_reply(&pair.bad, &reply);
	assert_int_equal(reply.accept_stat, PROG_MISMATCH);
	assert_int_equal(reply.versions.low, 4);
	assert_int_equal(reply.versions.high, 4);
	call = plain;
	call.proc = 2;
	send_call(&pair.bad, &call);
	expect_reply(&pair.bad, &reply);
	assert_int_equal(reply.accept_stat, PROC_UNAVAIL);
	call.proc = NFSPROC4_NULL;
	send_call(&pair.bad, &call);
	expect_reply(&pair.bad, &reply);
	assert_int_equal(reply.accept_stat, SUCCESS);
	end(&pair);
}

static auth_stat auth_status(struct peer *p, const struct rpcmsg_call *call)
{
	struct rpcmsg_reply reply;

	send_call(p, call);
	expect_reply(p, &reply);
	if (reply.stat != MSG_DENIED)
		return AUTH_OK;
	assert_int_equal(reply.reject_stat, AUTH_ERROR);
	return reply.auth_stat;
}

static void credentials_that_are_none(void **state)
{
	static uint8_t body[400];
	struct rpcmsg_call call = plain;
	struct pair pair;

	begin(&pair, state);
	assert_int_equal(auth_status(&pair.bad, &call), AUTH_OK);
	/* Unknown flavors, GSS without a context among them. */
	for (uint32_t flavor = 2; flavor < 8; flavor++) {
		call.cred.flavor = flavor;
		assert_int_not_equal(auth_status(&pair.bad, &call), AUTH_OK);
	}
	/* AUTH_SYS: too short, too many groups, a name too long. */
	call.cred.flavor = AUTH_SYS;
	for (uint32_t len = 0; len < 20; len++) {
		call.cred.body = xdr_opaque_from(body, len);
		assert_int_equal(auth_status(&pair.bad, &call), AUTH_BADCRED);
	}
	memset(body, 0, sizeof(body));
	body[19] = 17; /* groups */
	call.cred.body = xdr_opaque_from(body, 20 + 17 * 4);
	assert_int_equal(auth_status(&pair.bad, &call), AUTH_BADCRED);
	body[16] = 0xff;
	assert_int_equal(auth_status(&pair.bad, &call), AUTH_BADCRED);
	memset(body, 0, sizeof(body));
	body[6] = 1; /* machine name of 256 bytes */
	call.cred.body = xdr_opaque_from(body, 20 + 256);
	assert_int_equal(auth_status(&pair.bad, &call), AUTH_BADCRED);
	end(&pair);
}

/* Longer than any credential may be, or than its record. */
static void credentials_that_lie_about_their_size(void **state)
{
	static const uint32_t sizes[] = {401, 4096, 0x7fffffff, UINT32_MAX};
	struct pair pair;

	begin(&pair, state);
	for (size_t i = 0; i < 4; i++) {
		uint32_t words[16] = {htonl(9), 0, htonl(2), htonl(NFS_PROGRAM),
			htonl(4), htonl(1), htonl(1), htonl(sizes[i])};
		struct rpcmsg_reply reply;

		peer_send_record(&pair.bad, words, sizeof(words));
		expect_reply(&pair.bad, &reply);
		assert_int_equal(reply.stat, MSG_DENIED);
	}
	end(&pair);
}

static void replies_nobody_asked_for(void **state)
{
	uint32_t words[6] = {htonl(1), htonl(1)};
	struct pair pair;

	begin(&pair, state);
	for (uint32_t xid = 0; xid < 100; xid++) {
		words[0] = htonl(xid);
		peer_send_record(&pair.bad, words, sizeof(words));
	}
	assert_int_equal(peer_status_flags(&pair.bad), 0);
	/* Neither a call nor a reply. */
	words[1] = htonl(2);
	peer_send_record(&pair.bad, words, sizeof(words));
	assert_true(peer_is_closed(&pair.bad));
	end(&pair);
}

/* ---- COMPOUND ---- */

/* Send what was built, with the four bytes at @at from the end replaced. */
static nfsstat4 call_patched(struct peer *p, size_t at, uint32_t value)
{
	uint8_t buf[2048];
	size_t size = peer_encode(p, buf, sizeof(buf));
	uint32_t be = htonl(value);

	memcpy(buf + size - at, &be, 4);
	peer_send_record(p, buf, size);
	return peer_finish(p);
}

static void absurd_counts(void **state)
{
	static const uint32_t counts[] = {3, 1000, 0x7fffffff, UINT32_MAX};
	struct peer *p;
	struct pair pair;

	begin(&pair, state);
	p = &pair.bad;
	for (size_t i = 0; i < 4; i++) {
		stateid4 sid = {0};

		/* Operations: more than there are. */
		peer_begin(p);
		assert_int_not_equal(
			call_patched(p, 4 + 4 + 16 + 4 * 4, counts[i]),
			NFS4_OK);
		/* Stateids. */
		peer_begin(p);
		ask_test_stateid(p, &sid);
		assert_int_equal(
			call_patched(p, 20, counts[i]), NFS4ERR_BADXDR);
		/* Bitmap words. */
		peer_begin(p);
		ask_root(p);
		ask_getattr(p, 0);
		assert_int_equal(call_patched(p, 8, counts[i]), NFS4ERR_BADXDR);
		/* A name. */
		peer_begin(p);
		ask_root(p);
		ask_lookup(p, "");
		assert_int_equal(call_patched(p, 4, counts[i]), NFS4ERR_BADXDR);
		/* A filehandle. */
		peer_begin(p);
		peer_add(p, OP_PUTFH);
		assert_int_equal(call_patched(p, 4, counts[i]), NFS4ERR_BADXDR);
	}
	end(&pair);
}

static void absurd_unions_and_booleans(void **state)
{
	struct peer *p;
	struct pair pair;
	READDIR4args *args;

	begin(&pair, state);
	p = &pair.bad;
	peer_begin(p);
	ask_root(p);
	ask_open_create(p, "x", UNCHECKED4);
	/* The claim: claim_type, then the name. */
	assert_int_equal(call_patched(p, 4 + 8, 77), NFS4ERR_BADXDR);
	peer_begin(p);
	peer_add(p, OP_RECLAIM_COMPLETE);
	assert_int_equal(call_patched(p, 4, 2), NFS4ERR_BADXDR);
	peer_begin(p);
	ask_root(p);
	ask_create(p, "y", NF4DIR);
	/* The type: before name (8), bitmap and values (4 + 4). */
	assert_int_not_equal(call_patched(p, 4 + 8 + 8, 99), NFS4_OK);
	peer_begin(p);
	ask_root(p);
	args = ask_readdir(p, 0, NULL, 0);
	args->maxcount = UINT32_MAX;
	args->dircount = UINT32_MAX;
	assert_int_equal(peer_call(p), NFS4_OK);
	end(&pair);
}

static void numbers_that_are_no_operation(void **state)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 76, 1000, 10043, 10045, 0x7fffffff, UINT32_MAX};
	struct peer *p;
	struct pair pair;

	begin(&pair, state);
	p = &pair.bad;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		peer_begin(p);
		ask_root(p);
		assert_int_equal(
			call_patched(p, 4, numbers[i]), NFS4ERR_OP_ILLEGAL);
		assert_int_equal(peer_last(p)->resop, OP_ILLEGAL);
		assert_int_equal(p->res.resarray.count, 2);
	}
	end(&pair);
}

static void garbage_behind_a_valid_header(void **state)
{
	struct pair pair;
	uint32_t seed = 12345;

	begin(&pair, state);
	for (int i = 0; i < 200; i++) {
		uint8_t buf[600];
		struct xdr out;
		size_t header;

		xdr_init_encode(&out, buf, sizeof(buf));
		rpcmsg_put_call(&out, &plain);
		header = xdr_pos(&out);
		for (size_t at = header; at < sizeof(buf); at++) {
			seed = seed * 1664525 + 1013904223;
			buf[at] = seed >> 24;
		}
		/* Some way further into it each time. */
		memset(buf + header, 0, i % 16 * 4);
		peer_send_record(&pair.bad, buf, sizeof(buf));
		if (!peer_recv(&pair.bad))
			again(&pair);
	}
	end(&pair);
}

static void bytes_behind_the_last_operation(void **state)
{
	struct pair pair;
	uint8_t buf[1024];
	size_t size;

	begin(&pair, state);
	peer_begin(&pair.bad);
	memset(buf, 0xee, sizeof(buf));
	size = peer_encode(&pair.bad, buf, sizeof(buf));
	peer_send_record(&pair.bad, buf, size + 200);
	assert_true(peer_recv(&pair.bad));
	end(&pair);
}

/* ---- filehandles ---- */

static nfsstat4 put_handle(struct peer *p, const struct handle *fh)
{
	peer_begin(p);
	ask_fh(p, fh);
	ask_getattr(p, FATTR4_TYPE);
	return peer_call(p);
}

static void forged_filehandles(void **state)
{
	struct handle right, fh;
	struct pair pair;
	nfsstat4 status;

	begin(&pair, state);
	assert_int_equal(make_dir(&pair.bad, "secret"), NFS4_OK);
	right = handle_of(&pair.bad, "secret");
	for (uint32_t bit = 0; bit < right.len * 8; bit++) {
		fh = right;
		fh.data[bit / 8] ^= 1 << bit % 8;
		status = put_handle(&pair.bad, &fh);
		assert_true(
			status == NFS4ERR_STALE || status == NFS4ERR_BADHANDLE);
	}
	for (uint32_t len = 0; len <= NFS4_FHSIZE; len++) {
		fh = right;
		fh.len = len;
		status = put_handle(&pair.bad, &fh);
		if (len == right.len)
			assert_int_equal(status, NFS4_OK);
		else
			assert_true(status == NFS4ERR_STALE ||
				status == NFS4ERR_BADHANDLE);
	}
	end(&pair);
}

static void a_removed_objects_handle_is_stale(void **state)
{
	struct handle fh;
	struct pair pair;

	begin(&pair, state);
	assert_int_equal(make_dir(&pair.bad, "gone"), NFS4_OK);
	fh = handle_of(&pair.bad, "gone");
	assert_int_equal(remove_name(&pair.bad, "gone"), NFS4_OK);
	assert_int_equal(put_handle(&pair.bad, &fh), NFS4ERR_STALE);
	/* The name is taken again, by another object. */
	assert_int_equal(make_dir(&pair.bad, "gone"), NFS4_OK);
	assert_int_equal(put_handle(&pair.bad, &fh), NFS4ERR_STALE);
	end(&pair);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_too_large_close),
		TEST(fragments_without_end_close),
		TEST(empty_records_close),
		TEST(a_record_in_many_fragments_is_one),
		TEST(requests_cut_off_anywhere),
		TEST(other_programs_versions_procedures),
		TEST(credentials_that_are_none),
		TEST(credentials_that_lie_about_their_size),
		TEST(replies_nobody_asked_for),
		TEST(absurd_counts),
		TEST(absurd_unions_and_booleans),
		TEST(numbers_that_are_no_operation),
		TEST(garbage_behind_a_valid_header),
		TEST(bytes_behind_the_last_operation),
		TEST(forged_filehandles),
		TEST(a_removed_objects_handle_is_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
