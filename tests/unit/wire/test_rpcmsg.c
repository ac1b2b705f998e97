/* SPDX-License-Identifier: MIT */
/* RPC headers: against the described types, and cut off everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/rpc_xdr.h"
#include "wire/rpcmsg.h"

static uint8_t buffer[1024];

static size_t put_sample_call(void *auth_buf, size_t auth_size)
{
	static uint32_t gids[] = {10, 20, 30};
	authsys_parms parms = {.stamp = 5,
		.machinename = xdr_opaque_from_str("client.example"),
		.uid = 1000,
		.gid = 100,
		.gids = {3, gids}};
	struct rpcmsg_call call = {
		.xid = 0x1234, .prog = 100003, .vers = 4, .proc = 1};
	struct xdr x;

	assert_true(
		rpcmsg_make_authsys(&call.cred, &parms, auth_buf, auth_size));
	xdr_init_encode(&x, buffer, sizeof(buffer));
	assert_true(rpcmsg_put_call(&x, &call));
	return xdr_pos(&x);
}

static void a_call_arrives_as_it_was_sent(void **state)
{
	uint8_t auth[64];
	size_t len = put_sample_call(auth, sizeof(auth));
	struct rpcmsg_call call;
	authsys_parms parms;
	struct arena arena;
	struct xdr x;

	arena_init(&arena, 4096);
	xdr_init_decode(&x, buffer, len, NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_OK);
	assert_int_equal(xdr_left(&x), 0);
	assert_int_equal(call.xid, 0x1234);
	assert_int_equal(call.prog, 100003);
	assert_int_equal(call.vers, 4);
	assert_int_equal(call.proc, 1);
	assert_int_equal(call.verf.flavor, AUTH_NONE);
	assert_true(rpcmsg_get_authsys(&call.cred, &arena, &parms));
	assert_int_equal(parms.uid, 1000);
	assert_int_equal(parms.gid, 100);
	assert_int_equal(parms.gids.count, 3);
	assert_int_equal(parms.gids.items[2], 30);
	assert_int_equal(parms.machinename.len, 14);
	arena_fini(&arena);
}

static void a_call_is_what_the_description_says(void **state)
{
	uint8_t auth[64];
	size_t len = put_sample_call(auth, sizeof(auth));
	struct xdr x;
	rpc_msg msg;

	xdr_init_decode(&x, buffer, len, NULL);
	assert_true(rpc_get_rpc_msg(&x, &msg));
	assert_int_equal(msg.xid, 0x1234);
	assert_int_equal(msg.body.mtype, CALL);
	assert_int_equal(msg.body.cbody.rpcvers, 2);
	assert_int_equal(msg.body.cbody.prog, 100003);
	assert_int_equal(msg.body.cbody.cred.flavor, AUTH_SYS);
}

static void a_cut_call_is_never_ok(void **state)
{
	uint8_t auth[64];
	size_t len = put_sample_call(auth, sizeof(auth));

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		enum rpcmsg_result result;
		struct rpcmsg_call call;
		struct xdr x;

		memcpy(exact, buffer, cut);
		xdr_init_decode(&x, exact, cut, NULL);
		result = rpcmsg_get_call(&x, &call);
		if (cut < RPCMSG_CALL_MIN)
			assert_int_equal(result, RPCMSG_DROP);
		else if (cut < len - 8)
			assert_int_equal(result, RPCMSG_BAD_CRED);
		else
			assert_int_equal(result, RPCMSG_BAD_VERF);
		free(exact);
	}
}

static void a_cut_credential_is_refused(void **state)
{
	uint8_t auth[64];
	struct rpcmsg_call call;
	struct xdr x;
	uint32_t full;

	xdr_init_decode(&x, buffer, put_sample_call(auth, sizeof(auth)), NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_OK);
	full = call.cred.body.len;
	for (uint32_t cut = 0; cut < full; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		opaque_auth cred = {AUTH_SYS, xdr_opaque_from(exact, cut)};
		authsys_parms parms;
		struct arena arena;

		arena_init(&arena, 4096);
		memcpy(exact, call.cred.body.data, cut);
		assert_false(rpcmsg_get_authsys(&cred, &arena, &parms));
		arena_fini(&arena);
		free(exact);
	}
}

/* An AUTH_SYS body with a name of @name bytes and @gids groups, or more. */
static bool authsys_accepted(uint32_t name, uint32_t gids, uint32_t extra)
{
	static uint8_t body[1024], zeroes[512];
	opaque_auth cred = {.flavor = AUTH_SYS};
	struct xdr_opaque machine = {name, zeroes};
	authsys_parms parms;
	struct arena arena;
	struct xdr x;
	bool ok;

	xdr_init_encode(&x, body, sizeof(body));
	xdr_put_u32(&x, 0);
	xdr_put_opaque_var(&x, &machine, UINT32_MAX);
	xdr_put_u64(&x, 0); /* uid, gid */
	xdr_put_u32(&x, gids);
	for (uint32_t i = 0; i < gids + extra; i++)
		xdr_put_u32(&x, i);
	cred.body = xdr_opaque_from(body, (uint32_t)xdr_pos(&x));
	arena_init(&arena, 4096);
	ok = rpcmsg_get_authsys(&cred, &arena, &parms);
	arena_fini(&arena);
	return ok;
}

static void authsys_has_limits(void **state)
{
	opaque_auth none = {.flavor = AUTH_NONE};
	authsys_parms parms;

	assert_true(authsys_accepted(255, 16, 0));
	assert_false(authsys_accepted(256, 16, 0));
	assert_false(authsys_accepted(255, 17, 0));
	assert_false(authsys_accepted(8, 2, 1));
	assert_false(rpcmsg_get_authsys(&none, NULL, &parms));
}

static void a_credential_is_at_most_400_bytes(void **state)
{
	uint32_t words[6 + 2 + 101 + 2] = {0};
	struct rpcmsg_call call;
	struct xdr x;

	words[2] = htobe32(2);
	words[7] = htobe32(400);
	xdr_init_decode(&x, words, sizeof(words), NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_OK);
	words[7] = htobe32(401);
	xdr_init_decode(&x, words, sizeof(words), NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_BAD_CRED);
	words[2] = htobe32(3);
	xdr_init_decode(&x, words, sizeof(words), NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_BAD_VERSION);
	words[1] = htobe32(REPLY);
	xdr_init_decode(&x, words, sizeof(words), NULL);
	assert_int_equal(rpcmsg_get_call(&x, &call), RPCMSG_DROP);
}

enum reply_kind { OK, FAILED, WRONG_VERSION, WRONG_RPC, WRONG_AUTH, KINDS };

static size_t put_reply(enum reply_kind kind)
{
	struct xdr x;
	bool ok = false;

	xdr_init_encode(&x, buffer, sizeof(buffer));
	if (kind == OK)
		ok = rpcmsg_put_success(&x, 7, NULL);
	else if (kind == FAILED)
		ok = rpcmsg_put_failure(&x, 7, GARBAGE_ARGS);
	else if (kind == WRONG_VERSION)
		ok = rpcmsg_put_prog_mismatch(&x, 7, 4, 5);
	else if (kind == WRONG_RPC)
		ok = rpcmsg_put_rpc_mismatch(&x, 7);
	else if (kind == WRONG_AUTH)
		ok = rpcmsg_put_auth_error(&x, 7, AUTH_TOOWEAK);
	assert_true(ok);
	return xdr_pos(&x);
}

static void check_reply(enum reply_kind kind, const struct rpcmsg_reply *r)
{
	bool denied = kind == WRONG_RPC || kind == WRONG_AUTH;

	assert_int_equal(r->xid, 7);
	assert_int_equal(r->stat, denied ? MSG_DENIED : MSG_ACCEPTED);
	if (kind == OK)
		assert_int_equal(r->accept_stat, SUCCESS);
	else if (kind == FAILED)
		assert_int_equal(r->accept_stat, GARBAGE_ARGS);
	else if (kind == WRONG_VERSION)
		assert_int_equal(r->versions.high, 5);
	else if (kind == WRONG_RPC)
		assert_int_equal(r->versions.low, 2);
	else
		assert_int_equal(r->auth_stat, AUTH_TOOWEAK);
}

static void replies_arrive_whole_or_not_at_all(void **state)
{
	for (enum reply_kind kind = OK; kind < KINDS; kind++) {
		size_t len = put_reply(kind);
		struct rpcmsg_reply reply;
		struct xdr x;
		rpc_msg msg;

		xdr_init_decode(&x, buffer, len, NULL);
		assert_true(rpcmsg_get_reply(&x, &reply));
		assert_int_equal(xdr_left(&x), 0);
		check_reply(kind, &reply);
		xdr_init_decode(&x, buffer, len, NULL);
		assert_true(rpc_get_rpc_msg(&x, &msg));
		assert_int_equal(xdr_left(&x), 0);
		for (size_t cut = 0; cut < len; cut++) {
			xdr_init_decode(&x, buffer, cut, NULL);
			assert_false(rpcmsg_get_reply(&x, &reply));
		}
	}
}

static void calls_and_replies_are_told_apart(void **state)
{
	uint8_t auth[64];
	uint32_t xid;
	msg_type type;

	put_sample_call(auth, sizeof(auth));
	assert_true(rpcmsg_peek(buffer, 8, &xid, &type));
	assert_int_equal(xid, 0x1234);
	assert_int_equal(type, CALL);
	put_reply(OK);
	assert_true(rpcmsg_peek(buffer, 8, &xid, &type));
	assert_int_equal(type, REPLY);
	assert_false(rpcmsg_peek(buffer, 7, &xid, &type));
	buffer[7] = 2;
	assert_false(rpcmsg_peek(buffer, 8, &xid, &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_arrives_as_it_was_sent),
		cmocka_unit_test(a_call_is_what_the_description_says),
		cmocka_unit_test(a_cut_call_is_never_ok),
		cmocka_unit_test(a_cut_credential_is_refused),
		cmocka_unit_test(authsys_has_limits),
		cmocka_unit_test(a_credential_is_at_most_400_bytes),
		cmocka_unit_test(replies_arrive_whole_or_not_at_all),
		cmocka_unit_test(calls_and_replies_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
