/* SPDX-License-Identifier: MIT */
/*
 * A disk that does not come back: what needs no disk lives on, what does gets
 * NFS4ERR_DELAY in bounded time, and nothing is lost when it comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "rig.h"
#include "store/memory_foreign.h"

#define THREADS 20
#define RESERVE 4
#define HALF    ((THREADS - RESERVE) / 2)
#define STUCK   24 /* requests for the disk: far more than permits */

#define WATCHED 40 /* directories: more than there are threads */

/* Bounded: a wait for a permit is 100 ms, the rest is a busy machine. */
#define SOON_MS 10000

static void few_threads(struct nfs_server_config *config)
{
	config->rpc.threads_min = THREADS;
	config->rpc.threads_max = THREADS;
	config->rpc.reserve = RESERVE;
	config->state.max_slots = PEER_SLOTS;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void ask_the_disk(struct peer *p)
{
	peer_begin(p);
	ask_root(p);
	ask_getattr(p, FATTR4_CHANGE);
	peer_send(p);
}

static void wait_for_waiters(struct rig *r, unsigned want)
{
	for (int i = 0; i < SOON_MS && fault_waiting(r->store) < want; i++)
		usleep(1000);
	assert_int_equal(fault_waiting(r->store), want);
}

static void others_live_while_a_disk_hangs(void **state)
{
	struct peer stuck[STUCK], p, holder;
	unsigned delayed = 0;
	struct rig r;
	stateid4 sid;
	struct handle dir;
	uint64_t begun;

	rig_init(&r, few_threads);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&p, r.server, "living");
	peer_init(&holder, r.server, "holder");
	dir = handle_of(&holder, "dir");
	sid = take_dir_delegation(&holder, "dir",
		1 << NOTIFY4_ADD_ENTRY | 1 << NOTIFY4_GFLAG_EXTEND);
	for (int i = 0; i < STUCK; i++) {
		char owner[16];

		snprintf(owner, sizeof(owner), "stuck %d", i);
		peer_init(&stuck[i], r.server, owner);
	}
	/* An event is under way when the disk goes. */
	peer_begin(&p);
	ask_fh(&p, &dir);
	ask_create(&p, "new", NF4DIR);
	assert_int_equal(peer_call(&p), NFS4_OK);

	fault_hang(r.store);
	for (int i = 0; i < STUCK; i++)
		ask_the_disk(&stuck[i]);
	/* One store takes half of the permits and no more. */
	wait_for_waiters(&r, HALF);
	/* The others are told to come again. */
	for (int i = 0; i < STUCK; i++) {
		if (!peer_has_reply(&stuck[i], 1000))
			continue;
		assert_int_equal(peer_finish(&stuck[i]), NFS4ERR_DELAY);
		delayed++;
	}
	assert_int_equal(delayed, STUCK - HALF);
	assert_int_equal(fault_waiting(r.store), HALF);

	/* The event is delivered. */
	peer_serve_until(&holder, &holder.notifies, 1);
	peer_settle(&holder);
	/* Leases are renewed, over more than one. */
	begun = now_ms();
	for (int i = 0; i < 4; i++) {
		rig_advance(&r, RIG_LEASE_MS / 2);
		assert_int_equal(peer_status_flags(&p), 0);
		assert_int_equal(peer_status_flags(&holder), 0);
	}
	/* State that needs no disk is tested and freed. */
	peer_begin(&holder);
	ask_test_stateid(&holder, &sid);
	assert_int_equal(peer_call(&holder), NFS4_OK);
	/* One more request for the disk: DELAY, soon. */
	ask_the_disk(&p);
	assert_int_equal(peer_finish(&p), NFS4ERR_DELAY);
	assert_true(now_ms() - begun < SOON_MS);

	fault_release(r.store);
	for (int i = 0; i < STUCK; i++) {
		if (stuck[i].seqid[0] == 2) /* not answered yet */
			assert_int_equal(peer_finish(&stuck[i]), NFS4_OK);
	}
	ask_the_disk(&p);
	assert_int_equal(peer_finish(&p), NFS4_OK);
	peer_begin(&holder);
	ask_fh(&holder, &dir);
	ask_delegreturn(&holder, &sid);
	assert_int_equal(peer_call(&holder), NFS4_OK);
	for (int i = 0; i < STUCK; i++)
		peer_fini(&stuck[i]);
	peer_fini(&p);
	peer_fini(&holder);
	rig_fini(&r);
}

/* What works on state alone needs no disk, though PUTFH stands before it. */
static void state_is_given_back_while_a_disk_hangs(void **state)
{
	struct peer stuck[HALF], p;
	struct handle dir, file;
	struct rig r;
	stateid4 deleg, open, lock;

	rig_init(&r, few_threads);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&p, r.server, "holder");
	dir = handle_of(&p, "dir");
	deleg = take_dir_delegation(&p, "dir", 0);
	open = open_file(&p, "file", &file);
	for (int i = 0; i < HALF; i++) {
		char owner[16];

		snprintf(owner, sizeof(owner), "stuck %d", i);
		peer_init(&stuck[i], r.server, owner);
	}
	fault_hang(r.store);
	for (int i = 0; i < HALF; i++)
		ask_the_disk(&stuck[i]);
	wait_for_waiters(&r, HALF);
	peer_begin(&p);
	ask_fh(&p, &dir);
	ask_delegreturn(&p, &deleg);
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_fh(&p, &file);
	ask_lock(&p, &open, "locker", 0, 10);
	assert_int_equal(peer_call(&p), NFS4_OK);
	lock = peer_last(&p)->oplock.resok4.lock_stateid;
	peer_begin(&p);
	ask_fh(&p, &file);
	peer_add(&p, OP_LOCKU)->oplocku = (LOCKU4args){
		.locktype = WRITE_LT, .lock_stateid = lock, .length = 10};
	ask_fh(&p, &file);
	ask_close(&p, &open);
	assert_int_equal(peer_call(&p), NFS4_OK);
	/* A test of a lock does look at the file. */
	peer_begin(&p);
	ask_fh(&p, &file);
	peer_add(&p, OP_LOCKT)->oplockt =
		(LOCKT4args){.locktype = READ_LT, .length = 1};
	assert_int_equal(peer_call(&p), NFS4ERR_DELAY);
	fault_release(r.store);
	for (int i = 0; i < HALF; i++) {
		assert_int_equal(peer_finish(&stuck[i]), NFS4_OK);
		peer_fini(&stuck[i]);
	}
	peer_fini(&p);
	rig_fini(&r);
}

/* Half of the permits wait for the disk of /one, others for one of those. */
static void hang_the_first(struct rig *r, struct peer *stuck)
{
	for (int i = 0; i < STUCK; i++) {
		char owner[16];

		snprintf(owner, sizeof(owner), "stuck %d", i);
		peer_init(&stuck[i], r->server, owner);
	}
	fault_hang(r->store);
	for (int i = 0; i < STUCK; i++) {
		peer_begin(&stuck[i]);
		ask_path(&stuck[i], "one");
		ask_getattr(&stuck[i], FATTR4_CHANGE);
		peer_send(&stuck[i]);
	}
	wait_for_waiters(r, HALF);
}

/* Every kind of work in /two, and a delegation there from grant to return. */
static void work_in_the_second(struct peer *p, struct peer *holder)
{
	struct handle dir, file;
	stateid4 sid, open;

	peer_begin(p);
	ask_path(p, "two");
	ask_create(p, "dir", NF4DIR);
	assert_int_equal(peer_call(p), NFS4_OK);
	dir = handle_of(p, "two/dir");
	sid = take_dir_delegation(holder, "two/dir",
		1 << NOTIFY4_ADD_ENTRY | 1 << NOTIFY4_GFLAG_EXTEND);
	peer_begin(p);
	ask_fh(p, &dir);
	ask_open_create(p, "file", UNCHECKED4);
	ask_getfh(p);
	assert_int_equal(peer_call(p), NFS4_OK);
	open = peer_result(p, 1)->opopen.resok4.stateid;
	file = handle_from(p, 2);
	peer_serve_until(holder, &holder->notifies, 1);
	peer_begin(p);
	ask_fh(p, &file);
	ask_write(p, &open, 0, "text", FILE_SYNC4);
	ask_read(p, &open, 0, 10);
	ask_close(p, &open);
	ask_fh(p, &dir);
	ask_readdir(p, 0, NULL, 1000);
	peer_add(p, OP_LOOKUPP);
	peer_add(p, OP_LOOKUPP); /* the pseudo root */
	ask_getattr(p, FATTR4_FSID);
	assert_int_equal(peer_call(p), NFS4_OK);
	peer_begin(holder);
	ask_fh(holder, &dir);
	ask_delegreturn(holder, &sid);
	assert_int_equal(peer_call(holder), NFS4_OK);
}

/* One has its disk back: whoever waited is answered. */
static void release_the_first(struct rig *r, struct peer *stuck)
{
	fault_release(r->store);
	for (int i = 0; i < STUCK; i++) {
		nfsstat4 status = peer_finish(&stuck[i]);

		assert_true(status == NFS4_OK || status == NFS4ERR_DELAY);
		peer_fini(&stuck[i]);
	}
}

static void another_store_lives_while_one_hangs(void **state)
{
	static struct peer stuck[STUCK];
	struct peer p, holder;
	struct handle dir;
	struct rig r;
	stateid4 sid;

	rig_init_exports(&r, RIG_TWO, few_threads);
	rig_make(&r, "dir", OBJECT_DIR, 0777);
	peer_init(&p, r.server, "living");
	peer_init(&holder, r.server, "holder");
	sid = take_dir_delegation(&holder, "one/dir", 0);
	dir = handle_of(&holder, "one/dir");
	hang_the_first(&r, stuck);
	for (int i = 0; i < 4; i++) {
		work_in_the_second(&p, &holder);
		peer_begin(&p);
		ask_path(&p, "two/dir");
		ask_remove(&p, "file");
		ask_path(&p, "two");
		ask_remove(&p, "dir");
		assert_int_equal(peer_call(&p), NFS4_OK);
		rig_advance(&r, RIG_LEASE_MS / 2);
		assert_int_equal(peer_status_flags(&p), 0);
		assert_int_equal(peer_status_flags(&holder), 0);
	}
	/* The list of exports asks both disks: later, then. */
	peer_begin(&p);
	ask_root(&p);
	bitmap4_set(&ask_readdir(&p, 0, NULL, 1000)->attr_request, FATTR4_FSID);
	assert_int_equal(peer_call(&p), NFS4ERR_DELAY);
	/* What is held where the disk hangs is given back all the same. */
	peer_begin(&holder);
	ask_fh(&holder, &dir);
	ask_delegreturn(&holder, &sid);
	assert_int_equal(peer_call(&holder), NFS4_OK);
	assert_int_equal(fault_waiting(r.store), HALF);
	release_the_first(&r, stuck);
	handle_of(&p, "one/dir");
	peer_fini(&p);
	peer_fini(&holder);
	rig_fini(&r);
}

static void few_threads_and_others_write(struct nfs_server_config *config)
{
	few_threads(config);
	config->exports[0].local_changes = true;
}

/* Looks at local changes wait for the disk; the timers do not wait for them. */
static void local_changes_wait_while_a_disk_hangs(void **state)
{
	static struct peer stuck[STUCK];
	struct fileid dir[WATCHED];
	struct peer holder;
	struct rig r;

	rig_init(&r, few_threads_and_others_write);
	peer_init(&holder, r.server, "holder");
	for (int i = 0; i < WATCHED; i++) {
		char name[16];

		snprintf(name, sizeof(name), "dir %d", i);
		dir[i] = rig_make(&r, name, OBJECT_DIR, 0777);
		take_dir_delegation(&holder, name,
			1 << NOTIFY4_ADD_ENTRY | 1 << NOTIFY4_GFLAG_EXTEND);
	}
	fault_hang(r.store);
	for (int i = 0; i < STUCK; i++) {
		char owner[16];

		snprintf(owner, sizeof(owner), "stuck %d", i);
		peer_init(&stuck[i], r.server, owner);
		ask_the_disk(&stuck[i]);
	}
	wait_for_waiters(&r, HALF);
	for (int i = 0; i < WATCHED; i++) {
		assert_int_equal(
			memory_foreign_create(r.below, &dir[i],
				name_from_str("new"), OBJECT_FILE, NULL),
			0);
	}
	for (int i = 0; i < 10; i++) {
		rig_advance(&r, RIG_LEASE_MS / 20);
		assert_int_equal(peer_status_flags(&holder), 0);
	}
	assert_int_equal(holder.events, 0);
	release_the_first(&r, stuck);
	while (holder.events < WATCHED) {
		rig_advance(&r, 50);
		peer_serve(&holder, 10);
	}
	assert_int_equal(holder.events, WATCHED);
	assert_int_equal(holder.recalls, 0);
	peer_fini(&holder);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_live_while_a_disk_hangs),
		cmocka_unit_test(state_is_given_back_while_a_disk_hangs),
		cmocka_unit_test(another_store_lives_while_one_hangs),
		cmocka_unit_test(local_changes_wait_while_a_disk_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
