/* SPDX-License-Identifier: MIT */
/* The end of a client with very many directory delegations (DD-13). */
#include "stage.h"

#define MANY 2500

struct scene {
	struct stage st;
	struct client *c, *other;
	unsigned asked; /* state_ops.end_slices */
};

static void note_slices(void *ctx)
{
	struct stage *st = ctx;

	container_of(st, struct scene, st)->asked++;
}

static void begin(struct scene *s)
{
	s->asked = 0;
	stage_prepare(&s->st);
	s->st.w.config.ops.end_slices = note_slices;
	stage_start(&s->st);
	s->c = stage_client(&s->st, "c");
	s->other = stage_client(&s->st, "other");
	for (unsigned dir = 0; dir < MANY; dir++) {
		struct deleg *d = stage_grant(&s->st, s->c, dir, ASK_NOTHING);

		assert_non_null(d);
		deleg_put(d);
	}
}

static void end(struct scene *s)
{
	client_put(s->c);
	client_put(s->other);
	stage_fini(&s->st);
}

static uint64_t left(struct scene *s)
{
	return stage_stats(&s->st).dir_delegs;
}

static void dd13_the_end_comes_in_slices(void **state)
{
	struct scene s;
	unsigned slices = 0;

	begin(&s);
	client_end(s.c, CLIENT_END_ADMIN);
	assert_int_equal(s.asked, 1);
	assert_int_equal(left(&s), MANY);
	while (state_end_slice(s.st.w.state)) {
		slices++;
		assert_true(left(&s) + slices * 1000 >= MANY);
	}
	assert_in_range(slices, 3, 4);
	assert_int_equal(left(&s), 0);
	assert_int_equal(s.c->dir_delegs, 0);
	assert_false(state_end_slice(s.st.w.state));
	end(&s);
}

/* What is not ended yet stands in nobody's way, and asks nobody. */
static void dd13_a_change_waits_for_no_slice(void **state)
{
	struct scene s;

	begin(&s);
	client_end(s.c, CLIENT_END_ADMIN);
	assert_int_equal(
		stage_change(&s.st, s.other, MANY - 1, CHANGE_ADD_ENTRY, "x"),
		NFS4_OK);
	assert_int_equal(left(&s), MANY - 1);
	stage_pass(&s.st, 1000);
	stage_assert_quiet(&s.st);
	while (state_end_slice(s.st.w.state))
		;
	assert_int_equal(left(&s), 0);
	end(&s);
}

/* Two clients end, and the server stops before either is done. */
static void a_shutdown_ends_the_rest(void **state)
{
	struct scene s;

	begin(&s);
	client_end(s.c, CLIENT_END_ADMIN);
	client_end(s.other, CLIENT_END_ADMIN);
	assert_true(state_end_slice(s.st.w.state));
	end(&s);
}

/* Directory delegations make no courtesy client. */
static void dd13_a_lease_that_is_over_ends_them(void **state)
{
	struct scene s;

	begin(&s);
	stage_pass(&s.st, STAGE_LEASE_MS * 2);
	while (state_end_slice(s.st.w.state))
		;
	assert_int_equal(left(&s), 0);
	assert_int_equal(stage_stats(&s.st).clients, 0);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd13_the_end_comes_in_slices),
		cmocka_unit_test(dd13_a_change_waits_for_no_slice),
		cmocka_unit_test(a_shutdown_ends_the_rest),
		cmocka_unit_test(dd13_a_lease_that_is_over_ends_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
