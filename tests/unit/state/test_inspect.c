/* SPDX-License-Identifier: MIT */
/* What operators see: walks over clients and delegations, and what each is. */
#include "stage.h"

#include <stdio.h>

#include "state/inspect.h"

#define DIRS 3000

static struct deleg *held[DIRS];
static unsigned char seen[DIRS];

/* Which of held[] it is. */
static unsigned number_of(const struct deleg *d)
{
	for (unsigned i = 0; i < DIRS; i++) {
		if (held[i] == d)
			return i;
	}
	fail_msg("nobody holds it");
	return 0;
}

static void drop(unsigned i)
{
	struct fileid id = stage_dir(i);

	assert_int_equal(deleg_return(&held[i]->sid, &id, true), NFS4_OK);
	deleg_put(held[i]);
	held[i] = NULL;
}

static void test_an_empty_server(void **state)
{
	struct client_walk clients;
	struct deleg_walk delegs;
	struct stage st;

	stage_init(&st);
	client_walk_init(&clients, st.w.state);
	deleg_walk_init(&delegs, st.w.state);
	assert_null(client_walk_next(&clients));
	assert_null(deleg_walk_next(&delegs));
	assert_null(deleg_walk_next(&delegs));
	assert_false(clients.failed || delegs.failed);
	client_walk_fini(&clients);
	deleg_walk_fini(&delegs);
	stage_fini(&st);
}

/* Whatever comes and goes in between: what stays is seen once. */
static void test_a_walk_sees_each_once(void **state)
{
	struct deleg_walk walk;
	struct deleg *d;
	struct stage st;
	unsigned count = 0, next = DIRS / 2;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < next; i++)
		held[i] = stage_grant(&st, c, i, ASK_NOTHING);
	deleg_walk_init(&walk, st.w.state);
	while ((d = deleg_walk_next(&walk))) {
		unsigned i = number_of(d);

		assert_int_equal(seen[i]++, 0);
		deleg_put(d);
		count += i < DIRS / 2;
		if (next < DIRS) {
			held[next] = stage_grant(&st, c, next, ASK_NOTHING);
			next++;
		}
	}
	assert_false(walk.failed);
	assert_int_equal(count, DIRS / 2);
	deleg_walk_fini(&walk);
	for (unsigned i = 0; i < next; i++)
		drop(i);
	client_put(c);
	stage_fini(&st);
}

/* Given up half way; and what was piled up ends before it is its turn. */
static void test_a_walk_given_up(void **state)
{
	struct deleg_walk walk;
	struct deleg *d;
	struct stage st;
	int rest = 0;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");

	for (unsigned i = 0; i < 500; i++)
		held[i] = stage_grant(&st, c, i, ASK_NOTHING);
	deleg_walk_init(&walk, st.w.state);
	for (int i = 0; i < 10; i++)
		deleg_put(deleg_walk_next(&walk));
	deleg_walk_fini(&walk);
	deleg_walk_init(&walk, st.w.state);
	deleg_put(deleg_walk_next(&walk));
	for (unsigned i = 0; i < 500; i++)
		drop(i);
	while ((d = deleg_walk_next(&walk))) {
		assert_int_equal(d->state, DELEG_RETURNED);
		deleg_put(d);
		rest++;
	}
	assert_true(rest < 500);
	deleg_walk_fini(&walk);
	client_put(c);
	stage_fini(&st);
}

static void test_many_holders_of_one(void **state)
{
	struct client *clients[40];
	struct deleg_walk walk;
	struct deleg *d;
	struct stage st;
	char name[8];
	int count = 0;

	stage_init(&st);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		clients[i] = stage_client(&st, name);
		held[i] = stage_grant(&st, clients[i], 1, ASK_ALL);
	}
	deleg_walk_init(&walk, st.w.state);
	while ((d = deleg_walk_next(&walk))) {
		number_of(d);
		deleg_put(d);
		count++;
	}
	assert_int_equal(count, 40);
	deleg_walk_fini(&walk);
	for (int i = 0; i < 40; i++) {
		deleg_put(held[i]);
		client_put(clients[i]);
	}
	stage_fini(&st);
}

static void test_what_a_delegation_is(void **state)
{
	struct deleg_view view;
	struct stage st;

	stage_init(&st);
	struct client *c = stage_client(&st, "c"),
		      *who = stage_client(&st, "w");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	stage_change(&st, who, 1, CHANGE_ADD_ENTRY, "a");
	stage_change(&st, who, 1, CHANGE_ADD_ENTRY, "b");
	deleg_inspect(d, &view);
	assert_int_equal(view.state, DELEG_ACTIVE);
	assert_int_equal(view.queued, 2);
	stage_pass(&st, 5000);
	recall_start(d, RECALL_OVERFLOW);
	stage_pass(&st, 2000);
	deleg_inspect(d, &view);
	assert_in_range(view.age_ms, 7000, 7999);
	assert_int_equal(view.state, DELEG_RECALLED);
	assert_int_equal(view.reason, RECALL_OVERFLOW);
	assert_in_range(view.recalled_ms, 1999, 2000);
	assert_int_equal(view.queued, 0);
	deleg_put(d);
	client_put(c);
	client_put(who);
	stage_fini(&st);
}

static void test_what_a_client_is(void **state)
{
	struct client_view view;
	struct client_walk walk;
	struct fake_conn *conn;
	struct stage st;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	client_walk_init(&walk, st.w.state);
	struct client *found = client_walk_next(&walk);

	assert_ptr_equal(found, c);
	client_put(found);
	assert_null(client_walk_next(&walk));
	client_walk_fini(&walk);
	stage_pass(&st, 3000);
	client_inspect(c, &view);
	assert_false(view.expired);
	assert_int_equal(view.silent_ms, 3000);
	assert_int_equal(view.sessions, 1);
	assert_true(view.minor_version == 1 || view.minor_version == 2);
	assert_int_equal(view.dir_delegs, 1);
	assert_int_equal(view.file_delegs, 0);
	assert_int_equal(view.backchannel, CB_HEALTH_UP);
	conn = client_any_conn(c);
	assert_non_null(conn);
	st.w.config.ops.conn_put(st.w.config.ops.ctx, conn);
	stage_pass(&st, STAGE_LEASE_MS);
	client_inspect(c, &view);
	assert_true(view.expired);
	deleg_put(d);
	client_put(c);
	stage_fini(&st);
}

static void test_found_by_its_name(void **state)
{
	uint8_t other[NFS4_OTHER_SIZE];
	struct stage st;

	stage_init(&st);
	struct client *c = stage_client(&st, "c");
	struct deleg *d = stage_grant(&st, c, 1, ASK_ALL);

	memcpy(other, d->sid.other, sizeof(other));
	assert_ptr_equal(deleg_by_other(st.w.state, other), d);
	deleg_put(d);
	other[11] ^= 1;
	assert_null(deleg_by_other(st.w.state, other));
	other[0] ^= 1;
	assert_null(deleg_by_other(st.w.state, other));
	deleg_put(d);
	client_put(c);
	stage_fini(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_server),
		cmocka_unit_test(test_a_walk_sees_each_once),
		cmocka_unit_test(test_a_walk_given_up),
		cmocka_unit_test(test_many_holders_of_one),
		cmocka_unit_test(test_what_a_delegation_is),
		cmocka_unit_test(test_what_a_client_is),
		cmocka_unit_test(test_found_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
