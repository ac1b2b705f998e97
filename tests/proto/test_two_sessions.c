/* SPDX-License-Identifier: MIT */
/*
 * A client with two sessions, one of which takes small callbacks only: what is
 * promised counts on the large one, so it goes there while that is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg.h"
#include "state/state.h"

#define SMALL 300 /* a notification with a short name fits */

struct scene {
	struct rig *r;
	struct peer small, large; /* one client */
	struct peer other;
	char long_name[NAME_LEN_MAX + 1];
};

static void join_again(struct scene *s)
{
	struct peer *p = &s->large;

	peer_connect(p, s->r->server);
	p->owner = s->small.owner;
	assert_int_equal(peer_exchange_id(p, 0), NFS4_OK);
	assert_int_equal(p->clientid, s->small.clientid);
	assert_int_equal(
		peer_create_session(p, CREATE_SESSION4_FLAG_CONN_BACK_CHAN),
		NFS4_OK);
}

/* The small one has answered already, so that it would be taken first. */
static void begin(struct scene *s, void **state)
{
	s->r = *state;
	memset(s->long_name, 'n', NAME_LEN_MAX);
	s->long_name[NAME_LEN_MAX] = 0;
	rig_make(s->r, "a", OBJECT_DIR, 0777);
	rig_make(s->r, "b", OBJECT_DIR, 0777);
	peer_connect(&s->small, s->r->server);
	s->small.back = (channel_attrs4){
		.ca_maxrequestsize = SMALL,
		.ca_maxresponsesize = 4096,
		.ca_maxoperations = 8,
		.ca_maxrequests = 4,
	};
	peer_join(&s->small, "holder");
	take_dir_delegation(&s->small, "b", 0);
	join_again(s);
	peer_init(&s->other, s->r->server, "other");
}

static void end(struct scene *s)
{
	peer_fini(&s->small);
	peer_fini(&s->large);
	peer_fini(&s->other);
}

static void make(struct scene *s, const char *name)
{
	peer_begin(&s->other);
	ask_path(&s->other, "a");
	ask_create(&s->other, name, NF4DIR);
	assert_int_equal(peer_call(&s->other), NFS4_OK);
}

static uint64_t recalls(struct scene *s, enum recall_reason reason)
{
	struct state_stats stats;

	state_read_stats(s->r->server->state, &stats);
	assert_int_equal(stats.recalls, stats.recalls_by_reason[reason]);
	return stats.recalls;
}

static void dd21_a_large_event_takes_the_large_session(void **state)
{
	struct scene s;

	begin(&s, state);
	take_dir_delegation(&s.large, "a", ENTRIES);
	make(&s, s.long_name);
	peer_serve_until(&s.large, &s.large.events, 1);
	make(&s, "short");
	peer_serve_until(&s.large, &s.large.events, 2);
	assert_int_equal(s.small.events, 0);
	assert_int_equal(recalls(&s, RECALL_OVERFLOW), 0);
	end(&s);
}

/* What fits still goes; what does not is a recall, and at once. */
static void dd21_without_the_large_session_small_events_go(void **state)
{
	struct scene s;

	begin(&s, state);
	take_dir_delegation(&s.large, "a", ENTRIES);
	assert_int_equal(peer_destroy_session(&s.large), NFS4_OK);
	make(&s, "short");
	peer_serve_until(&s.small, &s.small.events, 1);
	assert_int_equal(recalls(&s, RECALL_OVERFLOW), 0);
	make(&s, s.long_name);
	peer_serve_until(&s.small, &s.small.recalls, 1);
	assert_int_equal(recalls(&s, RECALL_OVERFLOW), 1);
	end(&s);
}

static void dd21_dir_attrs_that_do_not_fit_are_a_recall(void **state)
{
	GET_DIR_DELEGATION4args wanted = {
		.gdda_dir_attributes = fattr4_dir_notifiable()};
	struct scene s;

	begin(&s, state);
	bitmap4_set(&wanted.gdda_notification_types, NOTIFY4_CHANGE_DIR_ATTRS);
	bitmap4_set(&wanted.gdda_notification_types, NOTIFY4_GFLAG_EXTEND);
	take_dir_delegation_as(&s.large, "a", &wanted);
	assert_int_equal(peer_destroy_session(&s.large), NFS4_OK);
	peer_begin(&s.other);
	ask_path(&s.other, "a");
	ask_setxattr(&s.other, "colour", "red");
	assert_int_equal(peer_call(&s.other), NFS4_OK);
	peer_serve_until(&s.small, &s.small.recalls, 1);
	assert_int_equal(recalls(&s, RECALL_OVERFLOW), 1);
	assert_int_equal(s.small.notifies, 0);
	end(&s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(dd21_a_large_event_takes_the_large_session),
		TEST(dd21_without_the_large_session_small_events_go),
		TEST(dd21_dir_attrs_that_do_not_fit_are_a_recall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
