/* SPDX-License-Identifier: MIT */
/*
 * A server that stopped while callbacks waited, to be sent again or for a
 * slot, lost them: their references stayed, and their timer fired into a
 * server that was gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "ask.h"
#include "rig.h"

#define ADD (1u << NOTIFY4_ADD_ENTRY | 1u << NOTIFY4_GFLAG_EXTEND)

static void create_in(struct peer *p, const char *dir, nfsstat4 status)
{
	peer_begin(p);
	ask_path(p, dir);
	ask_create(p, "new", NF4DIR);
	assert_int_equal(peer_call(p), status);
}

/* A server with two clients; peers outlive it. */
struct scene {
	struct rig r;
	struct peer holder, other;
};

/* The callback about a change waits to be sent again. */
static void begin_delayed(struct scene *s, uint32_t bits)
{
	struct peer *p = &s->holder;

	rig_init(&s->r, NULL);
	rig_make(&s->r, "dir", OBJECT_DIR, 0777);
	peer_init(p, s->r.server, "holder");
	peer_init(&s->other, s->r.server, "other");
	take_dir_delegation(p, "dir", bits);
	p->cb_seq_status = NFS4ERR_DELAY;
	create_in(&s->other, "dir", bits ? NFS4_OK : NFS4ERR_DELAY);
	peer_serve_until(p, bits ? &p->notifies : &p->recalls, 1);
	peer_settle(p);
}

static void end(struct scene *s)
{
	rig_fini(&s->r);
	peer_fini(&s->holder);
	peer_fini(&s->other);
}

static void stop_while_it_is_to_be_sent_again(uint32_t bits)
{
	struct scene s;

	begin_delayed(&s, bits);
	end(&s);
}

static void a_notification_that_was_delayed(void **state)
{
	stop_while_it_is_to_be_sent_again(ADD);
}

static void a_recall_that_was_delayed(void **state)
{
	stop_while_it_is_to_be_sent_again(0);
}

/* It is sent again when the time has come. */
static void a_delay_ends(void **state)
{
	struct scene s;

	begin_delayed(&s, ADD);
	s.holder.cb_seq_status = NFS4_OK;
	while (s.holder.notifies == 1) {
		rig_advance(&s.r, 100);
		peer_serve(&s.holder, 5);
	}
	end(&s);
}

static void callbacks_without_a_slot(void **state)
{
	struct scene s;
	struct peer *p = &s.holder;

	rig_init(&s.r, NULL);
	rig_make(&s.r, "one", OBJECT_DIR, 0777);
	rig_make(&s.r, "two", OBJECT_DIR, 0777);
	rig_make(&s.r, "three", OBJECT_DIR, 0777);
	peer_connect(p, s.r.server);
	p->back = (channel_attrs4){.ca_maxrequestsize = 8192,
		.ca_maxresponsesize = 4096,
		.ca_maxoperations = 2,
		.ca_maxrequests = 1};
	peer_join(p, "holder");
	peer_init(&s.other, s.r.server, "other");
	take_dir_delegation(p, "one", ADD);
	take_dir_delegation(p, "two", ADD);
	take_dir_delegation(p, "three", 0);
	p->cb = PEER_CB_HOLD;
	create_in(&s.other, "one", NFS4_OK);
	create_in(&s.other, "two", NFS4_OK);
	create_in(&s.other, "three", NFS4ERR_DELAY);
	peer_serve(p, 20);
	end(&s);
}

/* ---- a timer's thread that is slow ---- */

static __thread bool is_timer;
static atomic_bool held, stopped;

void __real_rpc_post(struct rpc *rpc, struct rpc_job *job);
void __wrap_rpc_post(struct rpc *rpc, struct rpc_job *job);

/* It stands here until the server has gone, or should have waited for it. */
static void stand_still(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	held = true;
	for (int ms = 0; !stopped && ms < 200; ms++)
		nanosleep(&pause, NULL);
}

void __wrap_rpc_post(struct rpc *rpc, struct rpc_job *job)
{
	if (is_timer)
		stand_still();
	__real_rpc_post(rpc, job);
}

static void *run_timer(void *arg)
{
	is_timer = true;
	while (!held)
		rig_advance(arg, 100);
	return NULL;
}

static void while_the_timer_hands_it_over(void **state)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	pthread_t timer;
	struct scene s;

	begin_delayed(&s, ADD);
	pthread_create(&timer, NULL, run_timer, &s.r);
	while (!held)
		nanosleep(&pause, NULL);
	nfs_server_stop(s.r.server);
	s.r.server = NULL;
	stopped = true;
	pthread_join(timer, NULL);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notification_that_was_delayed),
		cmocka_unit_test(a_recall_that_was_delayed),
		cmocka_unit_test(a_delay_ends),
		cmocka_unit_test(callbacks_without_a_slot),
		cmocka_unit_test(while_the_timer_hands_it_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
