/* SPDX-License-Identifier: MIT */
/* Directory delegations as clients see them (RFC 8881 10.9, 18.39, 20.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "ask.h"
#include "rig.h"
#include "state/state.h"

struct scene {
	struct rig *r;
	struct peer holder, other;
	struct handle dir;
	stateid4 sid;
};

static void begin(struct scene *s, void **state, uint32_t bits)
{
	s->r = *state;
	peer_init(&s->holder, s->r->server, "holder");
	peer_init(&s->other, s->r->server, "other");
	make_dir_for_all(&s->holder, "dir");
	s->dir = handle_of(&s->holder, "dir");
	s->sid = take_dir_delegation(&s->holder, "dir", bits);
}

static void end(struct scene *s)
{
	peer_fini(&s->holder);
	peer_fini(&s->other);
}

/* A compound that starts in the directory. */
static void begin_in_dir(struct scene *s, struct peer *p)
{
	peer_begin(p);
	ask_fh(p, &s->dir);
}

static nfsstat4 create_in_dir(struct scene *s, struct peer *p, const char *name)
{
	begin_in_dir(s, p);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

static nfsstat4 give_back(struct scene *s)
{
	begin_in_dir(s, &s->holder);
	ask_delegreturn(&s->holder, &s->sid);
	return peer_call(&s->holder);
}

static nfsstat4 set_mode(struct scene *s, struct peer *p, uint32_t mode)
{
	begin_in_dir(s, p);
	ask_setattr(p, &anonymous_stateid, ask_attr_u32(p, FATTR4_MODE, mode));
	return peer_call(p);
}

/* The only permissions left are those of others. */
static void be_nobody(struct peer *p)
{
	p->uid = 55;
	p->gid = 55;
}

static nfsstat4 test_stateid(struct peer *p, stateid4 sid)
{
	peer_begin(p);
	ask_test_stateid(p, &sid);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)
		->optest_stateid.tsr_resok4.tsr_status_codes.items[0];
}

static nfsstat4 free_stateid(struct peer *p, const stateid4 *sid)
{
	peer_begin(p);
	ask_free_stateid(p, sid);
	return peer_call(p);
}

static gddrnf4_status ask_for_one(
	struct scene *s, struct peer *p, uint32_t bits)
{
	begin_in_dir(s, p);
	ask_dir_delegation(p, bits);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_status;
}

static gddrnf4_status ask_again(struct scene *s, uint32_t bits)
{
	return ask_for_one(s, &s->holder, bits);
}

static uint64_t recalls(struct scene *s)
{
	struct state_stats stats;

	state_read_stats(s->r->server->state, &stats);
	return stats.recalls;
}

/* Another client's change has to wait for it. */
static void recall_it(struct scene *s)
{
	assert_int_equal(create_in_dir(s, &s->other, "x"), NFS4ERR_DELAY);
	peer_serve_until(&s->holder, &s->holder.recalls, 1);
}

static void assert_undisturbed(struct scene *s)
{
	assert_int_equal(peer_serve(&s->holder, SILENCE_MS), 0);
	assert_int_equal(recalls(s), 0);
}

/* ---- grants ---- */

static void dd24_a_second_request_is_unavailable(void **state)
{
	struct scene s;

	begin(&s, state, ENTRIES);
	assert_int_equal(ask_again(&s, ENTRIES), GDD4_UNAVAIL);
	assert_int_equal(ask_again(&s, 0), GDD4_UNAVAIL);
	assert_int_equal(give_back(&s), NFS4_OK);
	s.sid = take_dir_delegation(&s.holder, "dir", ENTRIES);
	/* Another client's is another matter. */
	take_dir_delegation(&s.other, "dir", 0);
	end(&s);
}

/*
 * Linux takes over a change attribute that comes with a grant, and the names it
 * has cached under an older one.
 */
static void dd24_who_missed_a_change_hears_of_it_before_a_grant(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(give_back(&s), NFS4_OK);
	change_of(&s.holder, "dir");
	assert_int_equal(create_in_dir(&s, &s.other, "a"), NFS4_OK);
	assert_int_equal(ask_again(&s, 0), GDD4_UNAVAIL);
	assert_int_equal(ask_again(&s, 0), GDD4_UNAVAIL);
	change_of(&s.holder, "dir");
	s.sid = take_dir_delegation(&s.holder, "dir", 0);
	assert_int_equal(give_back(&s), NFS4_OK);
	/* What it did itself it knows; and who is notified looks anyway. */
	assert_int_equal(create_in_dir(&s, &s.holder, "b"), NFS4_OK);
	s.sid = take_dir_delegation(&s.holder, "dir", 0);
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(create_in_dir(&s, &s.other, "c"), NFS4_OK);
	take_dir_delegation(&s.holder, "dir", ENTRIES);
	end(&s);
}

static void dd12_without_a_back_channel_there_is_none(void **state)
{
	struct scene s;
	struct peer p;

	begin(&s, state, 0);
	peer_connect(&p, s.r->server);
	peer_start(&p, "mute", 0);
	assert_int_equal(peer_reclaim_complete(&p), NFS4_OK);
	begin_in_dir(&s, &p);
	ask_dir_delegation(&p, 0);
	ask_getattr(&p, FATTR4_TYPE); /* a refusal aborts nothing */
	assert_int_equal(peer_call(&p), NFS4_OK);
	assert_int_equal(peer_result(&p, 1)
				 ->opget_dir_delegation.gddr_res_non_fatal4
				 .gddrnf_status,
		GDD4_UNAVAIL);
	peer_fini(&p);
	end(&s);
}

/* A back channel that never answered is not trusted (DD-12). */
static void dd12_an_unproved_back_channel_is_none(void **state)
{
	struct scene s;
	struct peer p;

	begin(&s, state, 0);
	peer_init(&p, s.r->server, "silent");
	p.cb = PEER_CB_HOLD;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_for_one(&s, &p, 0), GDD4_UNAVAIL);
	peer_fini(&p);
	end(&s);
}

static void dd01_only_directories_have_them(void **state)
{
	struct scene s;
	struct handle file;

	begin(&s, state, 0);
	open_file(&s.holder, "file", &file);
	peer_begin(&s.holder);
	ask_fh(&s.holder, &file);
	ask_dir_delegation(&s.holder, 0);
	assert_int_equal(peer_call(&s.holder), NFS4ERR_NOTDIR);
	take_dir_delegation(&s.other, "dir", ENTRIES);
	end(&s);
}

static void dd12_who_may_not_read_may_not_watch(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(set_mode(&s, &s.holder, 0711), NFS4_OK);
	be_nobody(&s.other);
	assert_int_equal(ask_for_one(&s, &s.other, 0), GDD4_UNAVAIL);
	end(&s);
}

/* ---- changes ---- */

static void dd03_another_clients_change_recalls(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	recall_it(&s);
	assert_int_equal(s.holder.cb_stateid.seqid, 0);
	assert_memory_equal(
		s.holder.cb_stateid.other, s.sid.other, sizeof(s.sid.other));
	/* The same change again starts nothing new. */
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4ERR_DELAY);
	assert_int_equal(recalls(&s), 1);
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);
	/* Not granted again at once (DD-25). */
	assert_int_equal(ask_again(&s, 0), GDD4_UNAVAIL);
	assert_int_equal(peer_serve(&s.holder, SILENCE_MS), 0);
	end(&s);
}

static void dd02_another_clients_change_notifies(void **state)
{
	struct scene s;

	begin(&s, state, ENTRIES);
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);
	peer_serve_until(&s.holder, &s.holder.events, 1);
	begin_in_dir(&s, &s.other);
	peer_add(&s.other, OP_SAVEFH);
	ask_rename(&s.other, "x", "y");
	ask_remove(&s.other, "y");
	assert_int_equal(peer_call(&s.other), NFS4_OK);
	peer_serve_until(&s.holder, &s.holder.events, 3);
	assert_int_equal(s.holder.recalls, 0);
	assert_memory_equal(
		s.holder.cb_stateid.other, s.sid.other, sizeof(s.sid.other));
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(create_in_dir(&s, &s.other, "z"), NFS4_OK);
	assert_int_equal(peer_serve(&s.holder, SILENCE_MS), 0);
	end(&s);
}

/* The grant's reply may still be on its way (2.10.6.3). */
static void dd20_the_recall_names_the_call_that_got_it(void **state)
{
	struct scene s;
	uint32_t seqid;

	begin(&s, state, 0);
	seqid = s.holder.seqid[0] - 1;
	recall_it(&s);
	assert_true(s.holder.cb_referred);
	assert_int_equal(s.holder.cb_referring.rc_slotid, 0);
	assert_int_equal(s.holder.cb_referring.rc_sequenceid, seqid);
	end(&s);
}

static void dd20_a_notification_names_that_call_as_well(void **state)
{
	struct scene s;
	uint32_t seqid;

	begin(&s, state, ENTRIES);
	seqid = s.holder.seqid[0] - 1;
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);
	peer_serve_until(&s.holder, &s.holder.events, 1);
	assert_true(s.holder.cb_referred);
	assert_int_equal(s.holder.cb_referring.rc_slotid, 0);
	assert_int_equal(s.holder.cb_referring.rc_sequenceid, seqid);
	peer_status_flags(&s.holder); /* uses the slot again */
	assert_int_equal(create_in_dir(&s, &s.other, "y"), NFS4_OK);
	peer_serve_until(&s.holder, &s.holder.events, 2);
	assert_false(s.holder.cb_referred);
	end(&s);
}

static void dd20_a_reply_that_was_seen_is_not_named(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	peer_status_flags(&s.holder); /* uses the slot again */
	recall_it(&s);
	assert_false(s.holder.cb_referred);
	end(&s);
}

static void dd22_the_holders_own_change_recalls_nothing(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(create_in_dir(&s, &s.holder, "x"), NFS4_OK);
	begin_in_dir(&s, &s.holder);
	peer_add(&s.holder, OP_SAVEFH);
	ask_rename(&s.holder, "x", "y");
	ask_remove(&s.holder, "y");
	ask_setattr(&s.holder, &anonymous_stateid,
		ask_attr_u32(&s.holder, FATTR4_MODE, 0755));
	assert_int_equal(peer_call(&s.holder), NFS4_OK);
	assert_undisturbed(&s);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4_OK);
	end(&s);
}

/* Whatever fails tells nobody (DD-03). */
static void dd03_a_failing_operation_calls_nobody(void **state)
{
	struct scene s;
	struct peer *p = &s.other;
	struct handle file;

	begin(&s, state, 0);
	assert_int_equal(create_in_dir(&s, &s.holder, "full"), NFS4_OK);
	begin_in_dir(&s, &s.holder);
	ask_lookup(&s.holder, "full");
	ask_create(&s.holder, "inside", NF4DIR);
	assert_int_equal(peer_call(&s.holder), NFS4_OK);
	open_file(p, "file", &file);

	assert_int_equal(create_in_dir(&s, p, "full"), NFS4ERR_EXIST);
	begin_in_dir(&s, p);
	ask_open_create(p, "full", GUARDED4);
	assert_int_equal(peer_call(p), NFS4ERR_EXIST);
	peer_begin(p);
	ask_fh(p, &file);
	peer_add(p, OP_SAVEFH);
	ask_fh(p, &s.dir);
	ask_link(p, "full");
	assert_int_equal(peer_call(p), NFS4ERR_EXIST);
	begin_in_dir(&s, p);
	ask_remove(p, "nothing");
	assert_int_equal(peer_call(p), NFS4ERR_NOENT);
	begin_in_dir(&s, p);
	peer_add(p, OP_SAVEFH);
	ask_rename(p, "nothing", "else");
	assert_int_equal(peer_call(p), NFS4ERR_NOENT);
	begin_in_dir(&s, p);
	ask_remove(p, "full");
	assert_int_equal(peer_call(p), NFS4ERR_NOTEMPTY);
	peer_begin(p);
	ask_root(p);
	peer_add(p, OP_SAVEFH);
	ask_fh(p, &s.dir);
	ask_rename(p, "file", "full");
	assert_int_not_equal(peer_call(p), NFS4_OK);

	assert_undisturbed(&s);
	end(&s);
}

static void dd03_an_operation_not_permitted_calls_nobody(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	begin_in_dir(&s, &s.holder);
	ask_create(&s.holder, "x", NF4DIR);
	ask_fh(&s.holder, &s.dir);
	ask_setattr(&s.holder, &anonymous_stateid,
		ask_attr_u32(&s.holder, FATTR4_MODE, 0755));
	assert_int_equal(peer_call(&s.holder), NFS4_OK);
	be_nobody(&s.other);
	assert_int_equal(create_in_dir(&s, &s.other, "y"), NFS4ERR_ACCESS);
	begin_in_dir(&s, &s.other);
	ask_remove(&s.other, "x");
	assert_int_equal(peer_call(&s.other), NFS4ERR_ACCESS);
	assert_undisturbed(&s);
	end(&s);
}

static void dd03_a_read_only_export_calls_nobody(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	s.r->server->exports.list[0].read_only = true;
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4ERR_ROFS);
	begin_in_dir(&s, &s.other);
	ask_open_create(&s.other, "x", UNCHECKED4);
	assert_int_equal(peer_call(&s.other), NFS4ERR_ROFS);
	assert_int_equal(set_mode(&s, &s.other, 0700), NFS4ERR_ROFS);
	assert_undisturbed(&s);
	end(&s);
}

/* ---- extended attributes of the directory itself ---- */

static nfsstat4 set_xattr(struct scene *s, struct peer *p, setxattr_option4 how)
{
	begin_in_dir(s, p);
	ask_setxattr(p, "colour", "red")->sxa_option = how;
	return peer_call(p);
}

static nfsstat4 remove_xattr(struct scene *s, struct peer *p)
{
	begin_in_dir(s, p);
	ask_removexattr(p, "colour");
	return peer_call(p);
}

static void dd03_an_xattr_of_the_directory_recalls(void **state)
{
	struct scene s;

	begin(&s, state, ENTRIES);
	/* The holder's own does not. */
	assert_int_equal(set_xattr(&s, &s.holder, SETXATTR4_CREATE), NFS4_OK);
	assert_int_equal(remove_xattr(&s, &s.holder), NFS4_OK);
	assert_int_equal(
		set_xattr(&s, &s.other, SETXATTR4_EITHER), NFS4ERR_DELAY);
	peer_serve_until(&s.holder, &s.holder.recalls, 1);
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(set_xattr(&s, &s.other, SETXATTR4_CREATE), NFS4_OK);
	assert_int_equal(s.holder.notifies, 0);
	end(&s);
}

static void hold_dir_attrs(struct scene *s)
{
	GET_DIR_DELEGATION4args wanted = {0};

	bitmap4_set(&wanted.gdda_notification_types, NOTIFY4_CHANGE_DIR_ATTRS);
	bitmap4_set(&wanted.gdda_dir_attributes, FATTR4_CHANGE);
	assert_int_equal(give_back(s), NFS4_OK);
	s->sid = take_dir_delegation_as(&s->holder, "dir", &wanted);
}

/* Who covers CHANGE_DIR_ATTRS is told, and keeps it. */
static void dd03_an_xattr_of_the_directory_notifies(void **state)
{
	change_info4 info;
	struct scene s;

	begin(&s, state, 0);
	hold_dir_attrs(&s);
	assert_int_equal(set_xattr(&s, &s.other, SETXATTR4_CREATE), NFS4_OK);
	info = peer_last(&s.other)->opsetxattr.sxr_info;
	assert_true(info.after > info.before);
	peer_serve_until(&s.holder, &s.holder.events, 1);
	assert_int_equal(remove_xattr(&s, &s.other), NFS4_OK);
	assert_int_equal(
		peer_last(&s.other)->opremovexattr.rxr_info.before, info.after);
	peer_serve_until(&s.holder, &s.holder.events, 2);
	assert_int_equal(s.holder.kinds[0], CHANGE_DIR_ATTRS);
	assert_int_equal(s.holder.kinds[1], CHANGE_DIR_ATTRS);
	assert_int_equal(recalls(&s), 0);
	end(&s);
}

/* An error of a disk does not say that nothing was changed. */
static void dd03_an_xattr_that_fails_when_it_is_set_notifies(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	hold_dir_attrs(&s);
	fault_fail_late(s.r->store, STORE_CALL_XATTR_SET, EIO);
	assert_int_equal(set_xattr(&s, &s.other, SETXATTR4_CREATE), NFS4ERR_IO);
	peer_serve_until(&s.holder, &s.holder.events, 1);
	assert_int_equal(s.holder.kinds[0], CHANGE_DIR_ATTRS);
	assert_int_equal(recalls(&s), 0);
	end(&s);
}

static void move_dir(
	struct peer *p, const char *from, const char *to, const char *to_dir)
{
	peer_begin(p);
	ask_root(p);
	peer_add(p, OP_SAVEFH);
	if (to_dir)
		ask_path(p, to_dir);
	ask_rename(p, from, to);
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* Its change attribute moves with it. Nobody returns it for that. */
static void dd02_a_directory_that_moves_tells_of_itself(void **state)
{
	struct scene s;
	uint64_t before;

	begin(&s, state, 0);
	make_dir_for_all(&s.holder, "beside");
	hold_dir_attrs(&s);
	take_dir_delegation(&s.other, "dir", 0);
	before = change_of(&s.holder, "dir");
	move_dir(&s.other, "dir", "new", NULL);
	peer_serve_until(&s.holder, &s.holder.events, 1);
	assert_true(change_of(&s.holder, "new") > before);
	move_dir(&s.other, "new", "newer", "beside");
	peer_serve_until(&s.holder, &s.holder.events, 2);
	assert_int_equal(s.holder.kinds[0], CHANGE_DIR_ATTRS);
	assert_int_equal(s.holder.kinds[1], CHANGE_DIR_ATTRS);
	/* Its own doing it knows. */
	peer_begin(&s.holder);
	ask_path(&s.holder, "beside");
	peer_add(&s.holder, OP_SAVEFH);
	ask_rename(&s.holder, "newer", "newest");
	assert_int_equal(peer_call(&s.holder), NFS4_OK);
	assert_undisturbed(&s);
	end(&s);
}

static void dd03_an_xattr_that_fails_calls_nobody(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(remove_xattr(&s, &s.other), NFS4ERR_NOXATTR);
	assert_int_equal(
		set_xattr(&s, &s.other, SETXATTR4_REPLACE), NFS4ERR_NOXATTR);
	assert_int_equal(set_xattr(&s, &s.holder, SETXATTR4_CREATE), NFS4_OK);
	assert_int_equal(
		set_xattr(&s, &s.other, SETXATTR4_CREATE), NFS4ERR_EXIST);
	assert_int_equal(set_mode(&s, &s.holder, 0755), NFS4_OK);
	be_nobody(&s.other);
	assert_int_equal(
		set_xattr(&s, &s.other, SETXATTR4_EITHER), NFS4ERR_ACCESS);
	assert_int_equal(remove_xattr(&s, &s.other), NFS4ERR_ACCESS);
	assert_undisturbed(&s);
	end(&s);
}

/* ---- the end of one ---- */

/* A lease after the recall it is revoked, not before (DD-14). */
static void dd14_a_recall_without_answer_revokes(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	recall_it(&s);
	peer_settle(&s.holder);
	rig_advance(s.r, RIG_LEASE_MS / 2);
	assert_int_equal(peer_status_flags(&s.holder), 0);
	assert_int_equal(peer_status_flags(&s.other), 0);
	rig_advance(s.r, RIG_LEASE_MS / 2 - 1000);
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4ERR_DELAY);
	assert_int_equal(peer_status_flags(&s.holder), 0);
	rig_advance(s.r, 2000);
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);

	assert_int_equal(peer_status_flags(&s.holder),
		SEQ4_STATUS_RECALLABLE_STATE_REVOKED);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(give_back(&s), NFS4ERR_DELEG_REVOKED);
	assert_int_equal(free_stateid(&s.holder, &s.sid), NFS4_OK);
	assert_int_equal(peer_status_flags(&s.holder), 0);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4ERR_BAD_STATEID);
	assert_int_equal(free_stateid(&s.holder, &s.sid), NFS4ERR_BAD_STATEID);
	assert_int_equal(give_back(&s), NFS4ERR_BAD_STATEID);
	end(&s);
}

static void dd14_a_live_one_cannot_be_freed(void **state)
{
	struct scene s;
	stateid4 sid;

	begin(&s, state, 0);
	assert_int_equal(free_stateid(&s.holder, &s.sid), NFS4ERR_LOCKS_HELD);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4_OK);
	sid = s.sid;
	sid.seqid = 0;
	assert_int_equal(test_stateid(&s.holder, sid), NFS4_OK);
	sid.seqid = 2;
	assert_int_equal(test_stateid(&s.holder, sid), NFS4ERR_BAD_STATEID);
	end(&s);
}

static void dd14_another_client_cannot_use_it(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(test_stateid(&s.other, s.sid), NFS4ERR_BAD_STATEID);
	assert_int_equal(free_stateid(&s.other, &s.sid), NFS4ERR_BAD_STATEID);
	begin_in_dir(&s, &s.other);
	ask_delegreturn(&s.other, &s.sid);
	assert_int_equal(peer_call(&s.other), NFS4ERR_BAD_STATEID);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4_OK);
	end(&s);
}

static void it_opens_no_file(void **state)
{
	struct scene s;
	struct handle file;

	begin(&s, state, 0);
	open_file(&s.holder, "file", &file);
	peer_begin(&s.holder);
	ask_fh(&s.holder, &file);
	ask_read(&s.holder, &s.sid, 0, 10);
	assert_int_equal(peer_call(&s.holder), NFS4ERR_BAD_STATEID);
	begin_in_dir(&s, &s.holder);
	ask_close(&s.holder, &s.sid);
	assert_int_equal(peer_call(&s.holder), NFS4ERR_BAD_STATEID);
	/* And is returned on its own directory only. */
	peer_begin(&s.holder);
	ask_root(&s.holder);
	ask_delegreturn(&s.holder, &s.sid);
	assert_int_equal(peer_call(&s.holder), NFS4ERR_BAD_STATEID);
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(give_back(&s), NFS4ERR_BAD_STATEID);
	end(&s);
}

/* Revoked at the first change, without a callback, without waiting. */
static void dd14_an_expired_holder_is_not_asked(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	rig_advance(s.r, RIG_LEASE_MS / 2);
	assert_int_equal(peer_status_flags(&s.other), 0);
	rig_advance(s.r, RIG_LEASE_MS / 2 + 1000);
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);
	assert_int_equal(peer_serve(&s.holder, SILENCE_MS), 0);
	end(&s);
}

/* DESTROY_CLIENTID with nothing but directory delegations (DD-13). */
static void dd13_it_does_not_keep_a_client(void **state)
{
	struct scene s;
	struct peer *p;

	begin(&s, state, 0);
	p = &s.holder;
	assert_int_equal(peer_destroy_clientid(p), NFS4ERR_CLIENTID_BUSY);
	assert_int_equal(test_stateid(p, s.sid), NFS4_OK);
	assert_int_equal(peer_destroy_session(p), NFS4_OK);
	assert_int_equal(peer_destroy_clientid(p), NFS4_OK);
	/* Nobody is in the way any more. */
	assert_int_equal(create_in_dir(&s, &s.other, "x"), NFS4_OK);
	end(&s);
}

/* The holder's own RMDIR waits for nobody; the handle is stale then. */
static void dd24_a_removed_directory_ends_it(void **state)
{
	struct scene s;

	begin(&s, state, 0);
	assert_int_equal(remove_name(&s.holder, "dir"), NFS4_OK);
	begin_in_dir(&s, &s.holder);
	assert_int_equal(peer_call(&s.holder), NFS4ERR_STALE);
	peer_serve(&s.holder, SILENCE_MS);
	assert_int_equal(test_stateid(&s.holder, s.sid), NFS4ERR_BAD_STATEID);
	assert_int_equal(peer_status_flags(&s.holder), 0);
	end(&s);
}

static void dd24_removing_it_recalls_the_others(void **state)
{
	struct scene s;

	begin(&s, state, ENTRIES);
	assert_int_equal(remove_name(&s.other, "dir"), NFS4ERR_DELAY);
	peer_serve_until(&s.holder, &s.holder.recalls, 1);
	assert_int_equal(give_back(&s), NFS4_OK);
	assert_int_equal(remove_name(&s.other, "dir"), NFS4_OK);
	end(&s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(dd24_a_second_request_is_unavailable),
		TEST(dd24_who_missed_a_change_hears_of_it_before_a_grant),
		TEST(dd12_without_a_back_channel_there_is_none),
		TEST(dd12_an_unproved_back_channel_is_none),
		TEST(dd01_only_directories_have_them),
		TEST(dd12_who_may_not_read_may_not_watch),
		TEST(dd03_another_clients_change_recalls),
		TEST(dd02_another_clients_change_notifies),
		TEST(dd20_the_recall_names_the_call_that_got_it),
		TEST(dd20_a_notification_names_that_call_as_well),
		TEST(dd20_a_reply_that_was_seen_is_not_named),
		TEST(dd22_the_holders_own_change_recalls_nothing),
		TEST(dd03_a_failing_operation_calls_nobody),
		TEST(dd03_an_operation_not_permitted_calls_nobody),
		TEST(dd03_a_read_only_export_calls_nobody),
		TEST(dd03_an_xattr_of_the_directory_recalls),
		TEST(dd03_an_xattr_of_the_directory_notifies),
		TEST(dd03_an_xattr_that_fails_when_it_is_set_notifies),
		TEST(dd02_a_directory_that_moves_tells_of_itself),
		TEST(dd03_an_xattr_that_fails_calls_nobody),
		TEST(dd14_a_recall_without_answer_revokes),
		TEST(dd14_a_live_one_cannot_be_freed),
		TEST(dd14_another_client_cannot_use_it),
		TEST(it_opens_no_file),
		TEST(dd14_an_expired_holder_is_not_asked),
		TEST(dd13_it_does_not_keep_a_client),
		TEST(dd24_a_removed_directory_ends_it),
		TEST(dd24_removing_it_recalls_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
