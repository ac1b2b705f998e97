/* SPDX-License-Identifier: MIT */
/*
 * Byte-range locks: the protocol's cases, and a random history against a model
 * of one array of bytes per owner.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "state/bytelock.h"
#include "state/node.h"
#include "state/open.h"

#define ALL UINT64_MAX

struct locker {
	struct peer *peer;
	const char *owner;
	struct stateid *open; /* a reference */
	struct stateid *lock; /* a reference; NULL before the first lock */
};

static uint8_t denied_owner[NFS4_OPAQUE_LIMIT];

static struct stateid *look_up(struct peer *p, const stateid4 *wire)
{
	struct stateid *sid;

	assert_int_equal(
		stateid_lookup(p->client, wire, STATEID_ANY, &sid), NFS4_OK);
	return sid;
}

static void open_file(
	struct locker *l, struct peer *p, const char *owner, uint32_t access)
{
	struct fileid id = file_named("f");
	struct node *n = node_get(p->w->state, &id);
	struct xdr_opaque bytes = bytes_of(owner);
	stateid4 wire;

	*l = (struct locker){.peer = p, .owner = owner};
	assert_int_equal(
		open_at_once(p->client, n, &bytes, access, 0, &wire), NFS4_OK);
	l->open = look_up(p, &wire);
	node_put(n);
}

static void locker_drop(struct locker *l)
{
	if (l->lock)
		stateid_put(l->lock);
	stateid_put(l->open);
}

static nfsstat4 lock(struct locker *l, uint64_t offset, uint64_t length,
	bool exclusive, LOCK4denied *denied)
{
	struct bytelock_request want = {offset, length, exclusive};
	struct xdr_opaque owner = bytes_of(l->owner);
	LOCK4denied ignored;
	stateid4 wire;
	nfsstat4 status;

	if (!denied)
		denied = &ignored;
	if (l->lock)
		return bytelock_lock(
			l->lock, &want, &wire, denied, denied_owner);
	status = bytelock_lock_new(
		l->open, &owner, &want, &wire, denied, denied_owner);
	if (status == NFS4_OK)
		l->lock = look_up(l->peer, &wire);
	return status;
}

static nfsstat4 test_lock(struct locker *l, uint64_t offset, uint64_t length,
	bool exclusive, LOCK4denied *denied)
{
	struct bytelock_request want = {offset, length, exclusive};
	struct fileid id = file_named("f");
	struct xdr_opaque owner = bytes_of(l->owner);

	return bytelock_test(
		l->peer->client, &id, &owner, &want, denied, denied_owner);
}

static nfsstat4 unlock(struct locker *l, uint64_t offset, uint64_t length)
{
	stateid4 wire;

	return bytelock_unlock(l->lock, offset, length, &wire);
}

static uint64_t ranges(struct world *w)
{
	struct state_stats stats;

	state_read_stats(w->state, &stats);
	return stats.locks;
}

struct scene {
	struct world *w;
	struct peer p, q;
	struct locker a, b, c; /* a and b of one client, c of another */
};

static struct scene *scene_new(void)
{
	struct scene *s = malloc(sizeof(*s));

	s->w = world_new();
	peer_connect(s->w, &s->p, "p");
	peer_connect(s->w, &s->q, "q");
	open_file(&s->a, &s->p, "a", OPEN4_SHARE_ACCESS_BOTH);
	open_file(&s->b, &s->p, "b", OPEN4_SHARE_ACCESS_BOTH);
	open_file(&s->c, &s->q, "a", OPEN4_SHARE_ACCESS_BOTH);
	return s;
}

static void scene_free(struct scene *s)
{
	locker_drop(&s->a);
	locker_drop(&s->b);
	locker_drop(&s->c);
	peer_drop(&s->p);
	peer_drop(&s->q);
	world_free(s->w);
	free(s);
}

static void test_arguments(void **arg)
{
	struct scene *s = scene_new();
	struct locker r, w;
	LOCK4denied denied;

	assert_int_equal(lock(&s->a, 5, 0, false, NULL), NFS4ERR_INVAL);
	assert_int_equal(lock(&s->a, 2, ALL - 1, false, NULL), NFS4ERR_INVAL);
	assert_int_equal(lock(&s->a, 1, ALL - 1, false, NULL), NFS4_OK);
	assert_int_equal(lock(&s->a, ALL, ALL, false, NULL), NFS4_OK);
	assert_int_equal(lock(&s->a, ALL, 1, false, NULL), NFS4ERR_INVAL);
	assert_int_equal(test_lock(&s->b, 5, 0, true, &denied), NFS4ERR_INVAL);
	assert_int_equal(unlock(&s->a, 5, 0), NFS4ERR_INVAL);
	assert_int_equal(unlock(&s->a, 0, ALL), NFS4_OK);
	assert_int_equal(ranges(s->w), 0);
	open_file(&r, &s->p, "r", OPEN4_SHARE_ACCESS_READ);
	open_file(&w, &s->p, "w", OPEN4_SHARE_ACCESS_WRITE);
	assert_int_equal(lock(&r, 0, 1, true, NULL), NFS4ERR_OPENMODE);
	assert_int_equal(lock(&r, 0, 1, false, NULL), NFS4_OK);
	assert_int_equal(lock(&r, 0, 1, true, NULL), NFS4ERR_OPENMODE);
	assert_int_equal(lock(&w, 5, 1, false, NULL), NFS4ERR_OPENMODE);
	assert_int_equal(lock(&w, 5, 1, true, NULL), NFS4_OK);
	locker_drop(&r);
	locker_drop(&w);
	scene_free(s);
}

static void test_denied(void **arg)
{
	struct scene *s = scene_new();
	LOCK4denied denied;

	assert_int_equal(lock(&s->a, 10, 10, true, NULL), NFS4_OK);
	/* Another owner of the same client; the same name of another. */
	assert_int_equal(lock(&s->b, 15, 10, false, &denied), NFS4ERR_DENIED);
	assert_int_equal(denied.offset, 10);
	assert_int_equal(denied.length, 10);
	assert_int_equal(denied.locktype, WRITE_LT);
	assert_true(denied.owner.clientid == s->p.client->id);
	assert_int_equal(denied.owner.owner.len, 1);
	assert_memory_equal(denied.owner.owner.data, "a", 1);
	assert_int_equal(lock(&s->c, 19, 1, true, &denied), NFS4ERR_DENIED);
	assert_int_equal(
		test_lock(&s->c, 0, ALL, false, &denied), NFS4ERR_DENIED);
	assert_int_equal(test_lock(&s->a, 0, ALL, true, &denied), NFS4_OK);
	assert_null(s->b.lock); /* a denied first lock leaves no state */
	assert_int_equal(s->p.client->locks, 1);
	assert_int_equal(lock(&s->b, 20, ALL, false, NULL), NFS4_OK);
	assert_int_equal(lock(&s->c, 30, 1, false, NULL), NFS4_OK);
	assert_int_equal(lock(&s->c, 30, 1, true, &denied), NFS4ERR_DENIED);
	assert_int_equal(denied.length, ALL);
	assert_int_equal(denied.locktype, READ_LT);
	scene_free(s);
}

static void test_seqids(void **arg)
{
	struct scene *s = scene_new();
	struct bytelock_request want = {0, 1, true};
	struct xdr_opaque owner = bytes_of("a");
	LOCK4denied denied;
	stateid4 first, again;

	assert_int_equal(bytelock_lock_new(s->a.open, &owner, &want, &first,
				 &denied, denied_owner),
		NFS4_OK);
	assert_int_equal(first.seqid, 1);
	want.offset = 5;
	assert_int_equal(bytelock_lock_new(s->a.open, &owner, &want, &again,
				 &denied, denied_owner),
		NFS4_OK);
	assert_int_equal(again.seqid, 2); /* the same state */
	assert_memory_equal(first.other, again.other, sizeof(first.other));
	s->a.lock = look_up(&s->p, &again);
	assert_int_equal(bytelock_unlock(s->a.lock, 0, 1, &again), NFS4_OK);
	assert_int_equal(again.seqid, 3);
	assert_ptr_equal(bytelock_open_of(s->a.lock), s->a.open);
	assert_int_equal(open_access(s->a.lock), OPEN4_SHARE_ACCESS_BOTH);
	scene_free(s);
}

static void test_close_and_free(void **arg)
{
	struct scene *s = scene_new();
	stateid4 wire, closed;

	assert_int_equal(lock(&s->a, 0, 10, true, NULL), NFS4_OK);
	stateid_to_wire(s->a.lock, &wire);
	assert_int_equal(open_close(s->a.open, &closed), NFS4ERR_LOCKS_HELD);
	assert_int_equal(
		stateid_free_state(s->p.client, &wire), NFS4ERR_LOCKS_HELD);
	assert_int_equal(unlock(&s->a, 0, 10), NFS4_OK);
	stateid_to_wire(s->a.lock, &wire);
	assert_int_equal(stateid_free_state(s->p.client, &wire), NFS4_OK);
	assert_int_equal(
		stateid_free_state(s->p.client, &wire), NFS4ERR_BAD_STATEID);
	assert_int_equal(lock(&s->a, 0, 1, true, NULL), NFS4ERR_BAD_STATEID);
	assert_int_equal(unlock(&s->a, 0, 1), NFS4ERR_BAD_STATEID);
	assert_int_equal(lock(&s->b, 0, 10, true, NULL), NFS4_OK);
	assert_int_equal(unlock(&s->b, 0, ALL), NFS4_OK);
	assert_int_equal(open_close(s->b.open, &closed), NFS4_OK);
	assert_int_equal(s->p.client->locks, 0); /* CLOSE freed it */
	assert_int_equal(lock(&s->b, 0, 1, true, NULL), NFS4ERR_BAD_STATEID);
	scene_free(s);
}

static void test_expired_holder(void **arg)
{
	struct scene *s = scene_new();

	assert_int_equal(lock(&s->a, 0, 10, true, NULL), NFS4_OK);
	clock_advance_ms(&s->w->clock, 89999);
	peer_sequence(&s->q);
	assert_int_equal(lock(&s->c, 5, 1, true, NULL), NFS4ERR_DENIED);
	clock_advance_ms(&s->w->clock, 1);
	assert_int_equal(lock(&s->c, 5, 1, true, NULL), NFS4_OK);
	assert_true(s->p.client->ended);
	assert_int_equal(ranges(s->w), 1);
	scene_free(s);
}

static void test_limits(void **arg)
{
	struct world w;
	struct peer p;
	struct locker a, b;

	world_prepare(&w);
	w.config.max_locks = 3;
	world_start(&w);
	peer_connect(&w, &p, "p");
	open_file(&a, &p, "a", OPEN4_SHARE_ACCESS_BOTH);
	open_file(&b, &p, "b", OPEN4_SHARE_ACCESS_BOTH);
	for (int i = 0; i < 3; i++)
		assert_int_equal(lock(&a, i * 2, 1, true, NULL), NFS4_OK);
	assert_int_equal(lock(&a, 10, 1, true, NULL), NFS4ERR_SERVERFAULT);
	assert_int_equal(lock(&b, 10, 1, true, NULL), NFS4ERR_SERVERFAULT);
	assert_int_equal(p.client->locks, 1);
	assert_int_equal(unlock(&a, 0, 1), NFS4_OK);
	assert_int_equal(lock(&b, 10, 1, true, NULL), NFS4_OK);
	locker_drop(&a);
	locker_drop(&b);
	peer_drop(&p);
	world_stop(&w);
}

/* One lock owner under two opens of the file: it is one holder. */
static void test_owner_under_two_opens(void **arg)
{
	struct scene *s = scene_new();
	stateid4 closed;

	s->b.owner = "a";
	assert_int_equal(lock(&s->a, 0, 10, true, NULL), NFS4_OK);
	assert_int_equal(lock(&s->b, 5, 10, true, NULL), NFS4_OK);
	assert_int_equal(ranges(s->w), 1); /* joined, under the later open */
	assert_int_equal(unlock(&s->b, 0, ALL), NFS4_OK);
	assert_int_equal(ranges(s->w), 0);
	assert_int_equal(open_close(s->a.open, &closed), NFS4_OK);
	scene_free(s);
}

/* ---- against a model ---- */

#define BYTES   40
#define LOCKERS 3

static char model[LOCKERS][BYTES]; /* 0, 'r' or 'w' */

static bool model_conflicts(int who, int from, int to, bool exclusive)
{
	for (int l = 0; l < LOCKERS; l++) {
		for (int i = from; l != who && i < to; i++) {
			if (model[l][i] == 'w' || (model[l][i] && exclusive))
				return true;
		}
	}
	return false;
}

/* How many ranges the list must have: runs of equal bytes. */
static uint64_t model_ranges(void)
{
	uint64_t count = 0;

	for (int l = 0; l < LOCKERS; l++) {
		for (int i = 0; i < BYTES; i++) {
			char before = i > 0 ? model[l][i - 1] : 0;

			count += model[l][i] && model[l][i] != before;
		}
	}
	return count;
}

static void model_step(
	struct scene *s, struct locker **l, struct rand_stream *r)
{
	int who = rand_stream_below(r, LOCKERS);
	int from = rand_stream_below(r, BYTES);
	int to = from + 1 + rand_stream_below(r, BYTES - from);
	uint64_t length = to == BYTES ? ALL : (uint64_t)(to - from);
	bool exclusive = rand_stream_below(r, 2);
	bool conflict = model_conflicts(who, from, to, exclusive);
	LOCK4denied denied;

	switch (rand_stream_below(r, 3)) {
	case 0:
		assert_int_equal(lock(l[who], from, length, exclusive, &denied),
			conflict ? NFS4ERR_DENIED : NFS4_OK);
		if (!conflict)
			memset(&model[who][from], exclusive ? 'w' : 'r',
				to - from);
		break;
	case 1:
		assert_int_equal(
			test_lock(l[who], from, length, exclusive, &denied),
			conflict ? NFS4ERR_DENIED : NFS4_OK);
		break;
	case 2:
		if (!l[who]->lock)
			break;
		assert_int_equal(unlock(l[who], from, length), NFS4_OK);
		memset(&model[who][from], 0, to - from);
	}
	assert_int_equal(ranges(s->w), model_ranges());
}

static void test_model(void **arg)
{
	const char *given = getenv("HERALD_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : rand_u64();
	struct rand_stream r = {.state = seed};

	print_message("seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 50; round++) {
		struct scene *s = scene_new();
		struct locker *l[LOCKERS] = {&s->a, &s->b, &s->c};

		memset(model, 0, sizeof(model));
		for (int i = 0; i < 300; i++)
			model_step(s, l, &r);
		scene_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_seqids),
		cmocka_unit_test(test_close_and_free),
		cmocka_unit_test(test_expired_holder),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_owner_under_two_opens),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
