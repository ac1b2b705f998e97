/* SPDX-License-Identifier: MIT */
/* The one limit on memory, and who makes room for whom. */
#include "stage.h"

#include <stdio.h>

#include "state/childattr.h"
#include "state/deleg_count.h"
#include "state/dirmemory.h"
#include "state/dirside.h"

/* One delegation that needs nothing more. */
#define EACH (sizeof(struct deleg) + sizeof("handle"))

struct scene {
	struct stage st;
	struct client *a, *b;
	struct client *asked;
	uint32_t keep;
	int times;
};

static void note_asked(void *ctx, struct client *c, uint32_t keep)
{
	struct scene *s = ctx;

	s->asked = c;
	s->keep = keep;
	s->times++;
}

static void begin(struct scene *s, uint64_t limit, bool refuse)
{
	*s = (struct scene){.times = 0};
	assert_int_equal(dirmemory_total(), 0);
	stage_prepare(&s->st);
	s->st.w.config.max_deleg_bytes = limit;
	s->st.w.config.refuse_at_limit = refuse;
	s->st.w.config.ops.send_recall_any = note_asked;
	stage_start(&s->st);
	s->a = stage_client(&s->st, "a");
	s->b = stage_client(&s->st, "b");
}

/* And nothing is left over, whatever was done. */
static void end(struct scene *s)
{
	client_put(s->a);
	client_put(s->b);
	stage_fini(&s->st);
	for (int use = 0; use < DIRMEMORY_USES; use++)
		assert_int_equal(dirmemory_bytes(use), 0);
	assert_int_equal(dirmemory_total(), 0);
}

static struct deleg_stats stats(struct scene *s)
{
	struct deleg_stats ret;

	deleg_stats_read(s->st.w.state, &ret);
	return ret;
}

static uint64_t refused(struct scene *s)
{
	return stats(s).type[DELEG_DIR].refused[DELEG_REFUSED_MEMORY];
}

static void take_many(
	struct scene *s, struct client *c, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		struct deleg *d = stage_grant(&s->st, c, i, ASK_ALL);

		assert_non_null(d);
		deleg_put(d);
	}
}

static void give_back(struct deleg *d, unsigned dir)
{
	struct fileid id = stage_dir(dir);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
}

/* ---- directories of so many entries ---- */

static int sample(void *ctx, struct told *told)
{
	const unsigned *entries = ctx;

	for (unsigned i = 0; i < *entries; i++) {
		struct fileid id = stage_dir(1000 + i);
		char name[24];
		int err;

		snprintf(name, sizeof(name), "entry %u", i);
		err = told_set(told,
			&(struct told_entry){.name = name_from_str(name),
				.child = told_child(&id),
				.type = OBJECT_FILE});
		if (err < 0)
			return err;
	}
	return 0;
}

static struct deleg *hold(
	struct client *c, unsigned dir, uint32_t ask, unsigned entries)
{
	struct fileid id = stage_dir(dir);
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;

	stage_request(&request, ask);
	request.watched = true;
	request.sample = sample;
	request.sample_ctx = &entries;
	assert_int_equal(dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
	return grant.granted ? stage_find(c, &grant.stateid) : NULL;
}

/* What a delegation of such a directory takes, told set included. */
static uint64_t cost_of(uint32_t ask, unsigned entries)
{
	struct scene s;
	uint64_t cost;

	begin(&s, UINT64_C(1) << 30, false);
	struct deleg *d = hold(s.a, 1, ask, entries);

	cost = dirmemory_total();
	assert_int_equal(dirmemory_bytes(DIRMEMORY_DELEGATIONS), EACH);
	assert_int_equal(
		dirmemory_bytes(DIRMEMORY_TOLD_SETS), told_bytes_all());
	deleg_put(d);
	end(&s);
	return cost;
}

/* ---- the tests ---- */

static void dd10_near_the_memory_limit_the_heaviest_is_asked(void **state)
{
	struct scene s;

	begin(&s, 20 * EACH, false);
	take_many(&s, s.a, 0, 13);
	take_many(&s, s.b, 100, 4);
	assert_int_equal(s.times, 0);
	take_many(&s, s.b, 110, 1); /* 18 of 20 */
	assert_int_equal(s.times, 1);
	assert_ptr_equal(s.asked, s.a);
	assert_int_equal(s.keep, 9);
	stage_assert_quiet(&s.st);
	assert_int_equal(refused(&s), 0);
	end(&s);
}

static void dd10_without_memory_the_heaviest_gives_its_oldest(void **state)
{
	struct scene s;
	struct fileid oldest = stage_dir(0);

	begin(&s, 20 * EACH + 1, false);
	take_many(&s, s.a, 0, 20);
	/* Nobody else wants one: it has what it may. */
	assert_null(stage_grant(&s.st, s.a, 50, ASK_ALL));
	assert_int_equal(refused(&s), 1);
	stage_assert_quiet(&s.st);
	stage_pass(&s.st, 10);
	assert_null(stage_grant(&s.st, s.b, 100, ASK_ALL));
	assert_int_equal(refused(&s), 2);
	assert_int_equal(s.st.recalls, 1);
	assert_ptr_equal(s.st.recall[0]->sid.client, s.a);
	assert_int_equal(s.st.recall[0]->recall_reason, RECALL_RESOURCE);
	assert_int_equal(
		deleg_return(&s.st.recall[0]->sid, &oldest, true), NFS4_OK);
	recall_sent(stage_pop_recall(&s.st), RECALL_SENT);
	take_many(&s, s.b, 100, 1);
	end(&s);
}

static void dd10_refusing_without_memory_still_asks(void **state)
{
	struct scene s;

	begin(&s, 20 * EACH + 1, true);
	take_many(&s, s.a, 0, 20);
	stage_pass(&s.st, 5000);
	s.times = 0;
	assert_null(stage_grant(&s.st, s.b, 100, ASK_ALL));
	assert_int_equal(refused(&s), 1);
	assert_int_equal(s.times, 1);
	assert_ptr_equal(s.asked, s.a);
	stage_assert_quiet(&s.st);
	end(&s);
}

/* What it would take counts, not only what is taken. */
static void dd10_a_directory_too_large_for_the_rest_makes_room(void **state)
{
	uint64_t large = cost_of(ASK_ALL, 500);
	struct scene s;
	struct deleg *d[2];

	begin(&s, 2 * large - 1, false);
	d[0] = hold(s.a, 1, ASK_ALL, 500);
	d[1] = hold(s.a, 2, ASK_ALL, 0);
	assert_non_null(d[0]);
	assert_non_null(d[1]);
	assert_null(hold(s.b, 3, ASK_ALL, 500));
	assert_int_equal(refused(&s), 1);
	assert_true(dirmemory_total() < 3 * large / 2);
	assert_int_equal(s.st.recalls, 1);
	assert_ptr_equal(s.st.recall[0], d[0]);
	recall_sent(stage_pop_recall(&s.st), RECALL_SENT);
	give_back(d[0], 1);
	deleg_put(hold(s.b, 3, ASK_ALL, 500));
	assert_int_equal(refused(&s), 1);
	deleg_put(d[1]);
	end(&s);
}

/* The index of children counts, and what is noted of them. */
static void dd10_children_count(void **state)
{
	const uint32_t ask = ASK_ALL | ASK_CHILD_ATTRS;
	uint64_t without = cost_of(ASK_ALL, 100), with = cost_of(ask, 100);
	struct childattr_change change = {.who = NULL};
	struct fileid id = stage_dir(1005);
	struct scene s;

	assert_true(with >= without + 100 * 32);
	begin(&s, UINT64_C(1) << 30, false);
	deleg_put(hold(s.a, 1, ask, 100));
	change.id = &id;
	bitmap4_set(&change.changed, FATTR4_SIZE);
	childattr_note(s.st.w.state, &change);
	assert_true(dirmemory_total() > with);
	end(&s);
}

static unsigned events(struct scene *s, struct client *who, unsigned dir)
{
	char name[24];

	for (unsigned i = 0;; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		assert_int_equal(
			stage_change(&s->st, who, dir, CHANGE_ADD_ENTRY, name),
			NFS4_OK);
		if (s->st.recalls)
			return i;
	}
}

/* What waits may take a quarter more; then who would wait for more goes. */
static void dd21_what_waits_is_bounded_by_memory_too(void **state)
{
	const uint64_t limit = 64 * 1024;
	struct scene s;

	begin(&s, limit, false);
	struct deleg *d = stage_grant(&s.st, s.a, 1, ASK_ALL);
	unsigned n = events(&s, s.b, 1);

	assert_true(n > 10);
	assert_ptr_equal(s.st.recall[0], d);
	assert_int_equal(d->recall_reason, RECALL_OVERFLOW);
	assert_int_equal(stats(&s).overflows[DELEG_OVERFLOW_MEMORY], 1);
	assert_int_equal(stats(&s).overflows[DELEG_OVERFLOW_QUEUE], 0);
	/* Its queue is gone, and there is room for others again. */
	assert_true(dirmemory_total() < limit / 4);
	recall_sent(stage_pop_recall(&s.st), RECALL_SENT);
	deleg_put(stage_grant(&s.st, s.b, 2, ASK_ALL));
	deleg_put(d);
	end(&s);
}

/* A directory that grows beyond it is given up, as one of too many entries. */
static void dd10_what_was_told_does_not_grow_beyond(void **state)
{
	const uint32_t ask = ASK_ALL | ASK_CHILD_ATTRS;
	struct scene s;

	begin(&s, cost_of(ask, 100) + 1, false);
	struct deleg *d = hold(s.a, 1, ask, 100);

	assert_non_null(d);
	/* Its own changes: nothing waits in a queue. */
	events(&s, s.a, 1);
	assert_ptr_equal(s.st.recall[0], d);
	assert_int_equal(d->recall_reason, RECALL_RESOURCE);
	assert_int_equal(dirmemory_bytes(DIRMEMORY_TOLD_SETS), 0);
	recall_sent(stage_pop_recall(&s.st), RECALL_SENT);
	deleg_put(d);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			dd10_near_the_memory_limit_the_heaviest_is_asked),
		cmocka_unit_test(
			dd10_without_memory_the_heaviest_gives_its_oldest),
		cmocka_unit_test(dd10_refusing_without_memory_still_asks),
		cmocka_unit_test(
			dd10_a_directory_too_large_for_the_rest_makes_room),
		cmocka_unit_test(dd10_children_count),
		cmocka_unit_test(dd21_what_waits_is_bounded_by_memory_too),
		cmocka_unit_test(dd10_what_was_told_does_not_grow_beyond),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
