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

static void stop_while_it_is_to_be_sent_again(uint32_t bits)
{
	struct peer holder, other;
	struct rig r;

	rig_init(&r, NULL);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&holder, r.server, "holder");
	peer_init(&other, r.server, "other");
	take_dir_delegation(&holder, "dir", bits);
	holder.cb_seq_status = NFS4ERR_DELAY;
	create_in(&other, "dir", bits ? NFS4_OK : NFS4ERR_DELAY);
	peer_serve_until(&holder, bits ? &holder.notifies : &holder.recalls, 1);
	peer_settle(&holder);
	rig_fini(&r);
	peer_fini(&holder);
	peer_fini(&other);
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
	struct peer holder, other;
	struct rig r;

	rig_init(&r, NULL);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&holder, r.server, "holder");
	peer_init(&other, r.server, "other");
	take_dir_delegation(&holder, "dir", ADD);
	holder.cb_seq_status = NFS4ERR_DELAY;
	create_in(&other, "dir", NFS4_OK);
	peer_serve_until(&holder, &holder.notifies, 1);
	peer_settle(&holder);
	holder.cb_seq_status = NFS4_OK;
	while (holder.notifies == 1) {
		rig_advance(&r, 100);
		peer_serve(&holder, 5);
	}
	peer_fini(&holder);
	peer_fini(&other);
	rig_fini(&r);
}

static void callbacks_without_a_slot(void **state)
{
	struct peer holder, other;
	struct rig r;

	rig_init(&r, NULL);
	rig_make(&r, "one", OBJECT_DIR, 0777);
	rig_make(&r, "two", OBJECT_DIR, 0777);
	rig_make(&r, "three", OBJECT_DIR, 0777);
	peer_connect(&holder, r.server);
	holder.owner = "holder";
	holder.back = (channel_attrs4){.ca_maxrequestsize = 8192,
		.ca_maxresponsesize = 4096,
		.ca_maxoperations = 2,
		.ca_maxrequests = 1};
	assert_int_equal(peer_exchange_id(&holder, 0), NFS4_OK);
	assert_int_equal(peer_create_session(
				 &holder, CREATE_SESSION4_FLAG_CONN_BACK_CHAN),
		NFS4_OK);
	assert_int_equal(peer_reclaim_complete(&holder), NFS4_OK);
	peer_init(&other, r.server, "other");
	take_dir_delegation(&holder, "one", ADD);
	take_dir_delegation(&holder, "two", ADD);
	take_dir_delegation(&holder, "three", 0);
	holder.cb = PEER_CB_HOLD;
	create_in(&other, "one", NFS4_OK);
	create_in(&other, "two", NFS4_OK);
	create_in(&other, "three", NFS4ERR_DELAY);
	peer_serve(&holder, 20);
	rig_fini(&r);
	peer_fini(&holder);
	peer_fini(&other);
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
	struct peer holder, other;
	pthread_t timer;
	struct rig r;

	rig_init(&r, NULL);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&holder, r.server, "holder");
	peer_init(&other, r.server, "other");
	take_dir_delegation(&holder, "dir", ADD);
	holder.cb_seq_status = NFS4ERR_DELAY;
	create_in(&other, "dir", NFS4_OK);
	peer_serve_until(&holder, &holder.notifies, 1);
	peer_settle(&holder);
	pthread_create(&timer, NULL, run_timer, &r);
	while (!held)
		nanosleep(&pause, NULL);
	nfs_server_stop(r.server);
	r.server = NULL;
	stopped = true;
	pthread_join(timer, NULL);
	rig_fini(&r);
	peer_fini(&holder);
	peer_fini(&other);
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
