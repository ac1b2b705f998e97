/* SPDX-License-Identifier: MIT */
/* Slots, replays and limits of a session (RFC 8881 2.10.6, 18.46). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

/* ---- SEQUENCE ---- */

static void a_lone_sequence_renews(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_init(&p, r->server, "a");
	for (int i = 0; i < 5; i++) {
		rig_advance(r, RIG_LEASE_MS - 1000);
		assert_int_equal(peer_status_flags(&p), 0);
	}
	peer_fini(&p);
}

static void a_replay_runs_nothing_twice(void **state)
{
	struct peer *p = *state;
	uint8_t first[512];
	size_t size;

	peer_begin(p);
	p->cachethis = true;
	ask_root(p);
	ask_create(p, "dir", NF4DIR);
	assert_int_equal(peer_call(p), NFS4_OK);
	size = p->reply_size - p->results_at;
	memcpy(first, p->reply + p->results_at, size);
	assert_int_equal(peer_resend(p), NFS4_OK);
	assert_int_equal(p->reply_size - p->results_at, size);
	assert_memory_equal(p->reply + p->results_at, first, size);
	/* As a new request it is another matter. */
	assert_int_equal(peer_call(p), NFS4ERR_EXIST);
}

static void a_replay_works_on_another_connection(void **state)
{
	struct peer *p = *state;

	peer_begin(p);
	p->cachethis = true;
	ask_root(p);
	ask_create(p, "dir", NF4DIR);
	assert_int_equal(peer_call(p), NFS4_OK);
	peer_reconnect(p);
	assert_int_equal(peer_resend(p), NFS4_OK);
}

/* Not asked to be kept, but it must not run twice all the same. */
static void a_change_is_kept_unasked(void **state)
{
	struct peer *p = *state;

	assert_int_equal(make_dir(p, "dir"), NFS4_OK);
	assert_int_equal(peer_resend(p), NFS4_OK);
	assert_int_equal(p->res.resarray.count, 3);
}

static void an_uncached_reply_is_said_to_be_so(void **state)
{
	struct peer *p = *state;

	peer_begin(p);
	ask_root(p);
	ask_getattr(p, FATTR4_TYPE);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(peer_resend(p), NFS4ERR_RETRY_UNCACHED_REP);
	assert_int_equal(p->res.resarray.count, 2);
	assert_int_equal(
		p->res.resarray.items[0].opsequence.sr_status, NFS4_OK);
	assert_int_equal(p->res.resarray.items[1].resop, OP_PUTROOTFH);
	/* The slot goes on. */
	assert_int_equal(peer_status_flags(p), 0);
	/* A lone SEQUENCE can always be replayed. */
	peer_begin(p);
	assert_int_equal(peer_resend(p), NFS4_OK);
}

static void a_misordered_seqid_leaves_the_slot_alone(void **state)
{
	struct peer *p = *state;
	uint32_t right;

	right = p->seqid[0];
	for (int i = 2; i < 40; i += 7) {
		p->seqid[0] = right + i;
		peer_begin(p);
		assert_int_equal(peer_call(p), NFS4ERR_SEQ_MISORDERED);
		p->seqid[0] = right - 1 - i;
		assert_int_equal(peer_call(p), NFS4ERR_SEQ_MISORDERED);
	}
	p->seqid[0] = right;
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* A slot never used has a reply: SEQ_MISORDERED (2.10.6.1). */
static void an_unused_slot_has_nothing_to_replay(void **state)
{
	struct peer *p = *state;

	peer_begin(p);
	p->slot = 3;
	p->seqid[3] = 0;
	assert_int_equal(peer_call(p), NFS4ERR_SEQ_MISORDERED);
	p->seqid[3] = 1;
	assert_int_equal(peer_call(p), NFS4_OK);
}

static void a_false_retry_is_found_out(void **state)
{
	struct peer *p = *state;

	assert_int_equal(make_dir(p, "one"), NFS4_OK);
	peer_begin(p);
	ask_root(p);
	ask_create(p, "two", NF4DIR);
	p->seqid[0]--;
	assert_int_equal(peer_call(p), NFS4ERR_SEQ_FALSE_RETRY);
	p->seqid[0]++;
	assert_int_equal(peer_call(p), NFS4_OK);
}

static void a_retry_by_somebody_else_is_false(void **state)
{
	struct peer *p = *state;

	assert_int_equal(make_dir(p, "one"), NFS4_OK);
	p->uid = 1001;
	assert_int_equal(peer_resend(p), NFS4ERR_SEQ_FALSE_RETRY);
}

static void slots_have_an_end(void **state)
{
	struct peer *p = *state;
	SEQUENCE4args *seq;
	uint8_t buf[512];
	size_t size;

	assert_int_equal(p->fore.ca_maxrequests, PEER_SLOTS);
	peer_begin(p);
	p->slot = PEER_SLOTS - 1;
	assert_int_equal(peer_call(p), NFS4_OK);
	/* One beyond: by hand, the peer counts no such slot. */
	peer_begin(p);
	p->sequenced = false;
	seq = &p->ops[0].opsequence;
	memcpy(seq->sa_sessionid, p->session, NFS4_SESSIONID_SIZE);
	seq->sa_sequenceid = 1;
	seq->sa_slotid = PEER_SLOTS;
	size = peer_encode(p, buf, sizeof(buf));
	peer_send_record(p, buf, size);
	assert_int_equal(peer_finish(p), NFS4ERR_BADSLOT);
	seq->sa_slotid = UINT32_MAX;
	size = peer_encode(p, buf, sizeof(buf));
	peer_send_record(p, buf, size);
	assert_int_equal(peer_finish(p), NFS4ERR_BADSLOT);
}

static void an_unknown_session_is_bad(void **state)
{
	struct peer *p = *state;

	p->session[5] ^= 1;
	peer_begin(p);
	assert_int_equal(peer_call(p), NFS4ERR_BADSESSION);
}

static void a_session_keeps_its_minor_version(void **state)
{
	struct peer *p = *state;

	p->minor = 1;
	peer_begin(p);
	assert_int_not_equal(peer_call(p), NFS4_OK);
	p->minor = 2;
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* ---- positions ---- */

static void sequence_comes_first_and_once(void **state)
{
	struct peer *p = *state;

	peer_begin(p);
	peer_add(p, OP_SEQUENCE);
	assert_int_equal(peer_call(p), NFS4ERR_SEQUENCE_POS);
	peer_begin_bare(p);
	ask_root(p);
	peer_add(p, OP_SEQUENCE);
	assert_int_equal(peer_call(p), NFS4ERR_OP_NOT_IN_SESSION);
}

static void operations_need_a_session(void **state)
{
	static const nfs_opnum4 few[] = {OP_PUTROOTFH, OP_GETATTR, OP_READ,
		OP_RECLAIM_COMPLETE, OP_TEST_STATEID, OP_BACKCHANNEL_CTL,
		OP_FREE_STATEID, OP_SEEK};
	struct peer *p = *state;

	for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
		peer_begin_bare(p);
		peer_add(p, few[i]);
		assert_int_equal(peer_call(p), NFS4ERR_OP_NOT_IN_SESSION);
	}
}

static void session_makers_stand_alone(void **state)
{
	static const nfs_opnum4 few[] = {OP_EXCHANGE_ID, OP_CREATE_SESSION,
		OP_DESTROY_SESSION, OP_DESTROY_CLIENTID,
		OP_BIND_CONN_TO_SESSION};
	struct peer *p = *state;

	for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++) {
		nfs_argop4 *arg;

		peer_begin_bare(p);
		arg = peer_add(p, few[i]);
		if (few[i] == OP_BIND_CONN_TO_SESSION)
			arg->opbind_conn_to_session.bctsa_dir = CDFC4_FORE;
		ask_root(p);
		assert_int_equal(peer_call(p), NFS4ERR_NOT_ONLY_OP);
		assert_int_equal(p->res.resarray.count, 1);
	}
	peer_begin(p);
	peer_add(p, OP_BIND_CONN_TO_SESSION)->opbind_conn_to_session.bctsa_dir =
		CDFC4_FORE;
	assert_int_equal(peer_call(p), NFS4ERR_NOT_ONLY_OP);
}

static void unknown_operations_are_illegal(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_init(&p, r->server, "a");
	peer_begin(&p);
	peer_add(&p, OP_ILLEGAL);
	assert_int_equal(peer_call(&p), NFS4ERR_OP_ILLEGAL);
	assert_int_equal(peer_last(&p)->resop, OP_ILLEGAL);
	peer_begin_bare(&p);
	peer_add(&p, OP_ILLEGAL);
	assert_int_equal(peer_call(&p), NFS4ERR_OP_ILLEGAL);
	peer_fini(&p);
	/* 4.2's are illegal in 4.1. */
	peer_connect(&p, r->server);
	p.minor = 1;
	peer_start(&p, "b", 0);
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_SEEK);
	assert_int_equal(peer_call(&p), NFS4ERR_OP_ILLEGAL);
	peer_fini(&p);
}

static void a_wrong_minor_version_has_no_results(void **state)
{
	static const uint32_t wrong[] = {0, 3, 77, UINT32_MAX};
	struct peer *p = *state;

	for (size_t i = 0; i < 4; i++) {
		p->minor = wrong[i];
		peer_begin(p);
		peer_add(p, OP_ILLEGAL);
		assert_int_equal(peer_call(p), NFS4ERR_MINOR_VERS_MISMATCH);
		assert_int_equal(p->res.resarray.count, 0);
	}
}

static void an_empty_compound_is_fine(void **state)
{
	struct peer *p = *state;

	peer_begin_bare(p);
	p->tag = xdr_opaque_from_str("hello");
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(p->res.resarray.count, 0);
	assert_true(xdr_opaque_equal(&p->res.tag, &p->tag));
}

/* ---- sizes ---- */

static void small_session(
	struct peer *p, struct rig *r, const channel_attrs4 *fore)
{
	peer_connect(p, r->server);
	p->fore = *fore;
	peer_start(p, "small", 0);
	assert_int_equal(peer_reclaim_complete(p), NFS4_OK);
}

static const channel_attrs4 roomy = {
	.ca_maxrequestsize = 4096,
	.ca_maxresponsesize = 4096,
	.ca_maxresponsesize_cached = 4096,
	.ca_maxoperations = 8,
	.ca_maxrequests = 2,
};

static void too_many_operations(void **state)
{
	struct rig *r = *state;
	struct peer p;

	small_session(&p, r, &roomy);
	peer_begin(&p);
	while (p.nops < 8)
		ask_root(&p);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	while (p.nops < 9)
		ask_root(&p);
	assert_int_equal(peer_call(&p), NFS4ERR_TOO_MANY_OPS);
	peer_fini(&p);
}

static void a_request_too_big(void **state)
{
	static char big[5000];
	struct rig *r = *state;
	struct peer p;

	memset(big, 'x', sizeof(big) - 1);
	small_session(&p, r, &roomy);
	peer_begin(&p);
	ask_root(&p);
	ask_lookup(&p, big);
	assert_int_equal(peer_call(&p), NFS4ERR_REQ_TOO_BIG);
	assert_int_equal(peer_status_flags(&p), 0);
	peer_fini(&p);
}

static void a_reply_too_big(void **state)
{
	channel_attrs4 fore = roomy;
	struct rig *r = *state;
	struct peer p;

	fore.ca_maxresponsesize = 600;
	fore.ca_maxresponsesize_cached = 300;
	small_session(&p, r, &fore);
	peer_begin(&p);
	ask_root(&p);
	for (int i = 0; i < 6; i++)
		bitmap4_set(&peer_add(&p, OP_GETATTR)->opgetattr.attr_request,
			FATTR4_SUPPORTED_ATTRS);
	for (uint32_t i = 2; i < p.nops; i++)
		for (unsigned a = 0; a < 56; a++)
			if (a != FATTR4_TIME_ACCESS_SET &&
				a != FATTR4_TIME_MODIFY_SET)
				bitmap4_set(
					&p.ops[i].opgetattr.attr_request, a);
	assert_int_equal(peer_call(&p), NFS4ERR_REP_TOO_BIG);
	assert_true(p.reply_size <= 600);
	p.cachethis = true;
	assert_int_equal(peer_call(&p), NFS4ERR_REP_TOO_BIG_TO_CACHE);
	assert_true(p.reply_size <= 300);
	peer_fini(&p);
}

/* TOOSMALL is for maxcount: a larger one would not help here (18.23.3). */
static void a_listing_too_big(void **state)
{
	char name[NAME_LEN_MAX + 1] = {0};
	channel_attrs4 fore = roomy;
	struct rig *r = *state;
	READDIR4args *args;
	struct peer p;

	memset(name, 'n', NAME_LEN_MAX);
	rig_make(r, name, OBJECT_FILE, 0644);
	fore.ca_maxresponsesize = 300;
	fore.ca_maxresponsesize_cached = 200;
	small_session(&p, r, &fore);
	peer_begin(&p);
	ask_root(&p);
	args = ask_readdir(&p, 0, NULL, 4000);
	assert_int_equal(peer_call(&p), NFS4ERR_REP_TOO_BIG);
	p.cachethis = true;
	assert_int_equal(peer_call(&p), NFS4ERR_REP_TOO_BIG_TO_CACHE);
	p.cachethis = false;
	args->maxcount = 50;
	assert_int_equal(peer_call(&p), NFS4ERR_TOOSMALL);
	peer_fini(&p);
}

/* What cannot be answered is not done (2.10.6.4). */
static void a_change_without_room_for_its_reply(void **state)
{
	channel_attrs4 fore = roomy;
	struct rig *r = *state;
	struct peer p;

	fore.ca_maxresponsesize_cached = 160;
	small_session(&p, r, &fore);
	peer_begin(&p);
	p.cachethis = true;
	ask_root(&p);
	ask_create(&p, "dir", NF4DIR);
	ask_getfh(&p);
	assert_int_equal(peer_call(&p), NFS4ERR_REP_TOO_BIG_TO_CACHE);
	assert_int_equal(peer_last(&p)->resop, OP_CREATE);
	assert_int_equal(remove_name(&p, "dir"), NFS4ERR_NOENT);
	peer_fini(&p);
}

/* Tags count; a SEQUENCE that cannot be answered leaves its slot alone. */
static void a_tag_larger_than_any_reply(void **state)
{
	static uint8_t tag[NFS4_OPAQUE_LIMIT];
	channel_attrs4 fore = roomy;
	struct rig *r = *state;
	struct peer p;

	fore.ca_maxresponsesize = 200;
	fore.ca_maxresponsesize_cached = 150;
	small_session(&p, r, &fore);
	for (uint32_t len = 0; len <= sizeof(tag); len += len < 256 ? 1 : 128) {
		nfsstat4 status;

		peer_begin(&p);
		p.cachethis = len & 1;
		p.tag = xdr_opaque_from(tag, len);
		ask_root(&p);
		peer_add(&p, OP_ILLEGAL);
		status = peer_call(&p);
		if (len > 200 - 96)
			assert_int_equal(status, NFS4ERR_REP_TOO_BIG);
		else if (p.cachethis && len > 150 - 96)
			assert_int_equal(status, NFS4ERR_REP_TOO_BIG_TO_CACHE);
		else
			assert_true(p.reply_size <= 200);
	}
	peer_begin(&p);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_fini(&p);
}

/* The smallest session there is can renew its lease. */
static void the_smallest_session(void **state)
{
	const channel_attrs4 least = {
		.ca_maxrequestsize = 128,
		.ca_maxresponsesize = 96,
		.ca_maxoperations = 1,
		.ca_maxrequests = 1,
	};
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	p.fore = least;
	peer_start(&p, "small", 0);
	peer_begin(&p);
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_resend(&p), NFS4_OK);
	peer_fini(&p);
}

static void the_server_says_which_it_is(void **state)
{
	const EXCHANGE_ID4resok *ok;
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	p.owner = "curious";
	for (p.minor = 1; p.minor <= 2; p.minor++) {
		assert_int_equal(peer_exchange_id(&p, 0), NFS4_OK);
		ok = &peer_last(&p)->opexchange_id.eir_resok4;
		assert_int_equal(ok->eir_server_impl_id.count, 1);
		assert_memory_equal(
			ok->eir_server_impl_id.items[0].nii_name.data,
			"heraldd ", 8);
		assert_int_equal(
			peer_exchange_id(&p, EXCHGID4_FLAG_SUPP_FENCE_OPS),
			p.minor == 2 ? NFS4_OK : NFS4ERR_INVAL);
	}
	peer_fini(&p);
}

static void channels_too_small_are_refused(void **state)
{
	channel_attrs4 fore = roomy;
	struct rig *r = *state;
	struct peer p;

	peer_connect(&p, r->server);
	p.owner = "small";
	assert_int_equal(peer_exchange_id(&p, 0), NFS4_OK);
	fore.ca_maxrequestsize = 20;
	p.fore = fore;
	assert_int_equal(peer_create_session(&p, 0), NFS4ERR_TOOSMALL);
	fore = roomy;
	fore.ca_maxresponsesize = 0;
	p.fore = fore;
	assert_int_equal(peer_create_session(&p, 0), NFS4ERR_TOOSMALL);
	p.fore = roomy;
	assert_int_equal(peer_create_session(&p, 0), NFS4_OK);
	peer_fini(&p);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define PEER_TEST(f) \
	cmocka_unit_test_setup_teardown(f, rig_setup_peer, rig_teardown_peer)
	const struct CMUnitTest tests[] = {
		TEST(a_lone_sequence_renews),
		PEER_TEST(a_replay_runs_nothing_twice),
		PEER_TEST(a_replay_works_on_another_connection),
		PEER_TEST(a_change_is_kept_unasked),
		PEER_TEST(an_uncached_reply_is_said_to_be_so),
		PEER_TEST(a_misordered_seqid_leaves_the_slot_alone),
		PEER_TEST(an_unused_slot_has_nothing_to_replay),
		PEER_TEST(a_false_retry_is_found_out),
		PEER_TEST(a_retry_by_somebody_else_is_false),
		PEER_TEST(slots_have_an_end),
		PEER_TEST(an_unknown_session_is_bad),
		PEER_TEST(a_session_keeps_its_minor_version),
		PEER_TEST(sequence_comes_first_and_once),
		PEER_TEST(operations_need_a_session),
		PEER_TEST(session_makers_stand_alone),
		TEST(unknown_operations_are_illegal),
		PEER_TEST(a_wrong_minor_version_has_no_results),
		PEER_TEST(an_empty_compound_is_fine),
		TEST(too_many_operations),
		TEST(a_request_too_big),
		TEST(a_reply_too_big),
		TEST(a_listing_too_big),
		TEST(a_change_without_room_for_its_reply),
		TEST(a_tag_larger_than_any_reply),
		TEST(the_smallest_session),
		TEST(channels_too_small_are_refused),
		TEST(the_server_says_which_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
