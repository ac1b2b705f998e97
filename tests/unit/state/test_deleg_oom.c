/* SPDX-License-Identifier: MIT */
/*
 * Out of memory at every single allocation between a grant and a delivery:
 * whoever holds a delegation is told of the change or loses it.
 */
#include "shortage.h"
#include "stage.h"

/* ---- two holders, a third that asks, a fourth that changes ---- */

struct cast {
	struct stage st;
	struct client *c[4];
	struct deleg *d[3];
};

static void begin(struct cast *t)
{
	static const char *const names[] = {"a", "b", "asks", "changes"};

	stage_init(&t->st);
	for (int i = 0; i < 4; i++)
		t->c[i] = stage_client(&t->st, names[i]);
	t->d[0] = stage_grant(&t->st, t->c[0], 1, ASK_ALL);
	t->d[1] = stage_grant(&t->st, t->c[1], 1, ASK_CLASSIC);
	t->d[2] = NULL;
}

static void end(struct cast *t)
{
	for (int i = 0; i < 3; i++) {
		if (t->d[i])
			deleg_put(t->d[i]);
	}
	for (int i = 0; i < 4; i++)
		client_put(t->c[i]);
	stage_fini(&t->st);
}

static void ask(struct cast *t)
{
	struct fileid id = stage_dir(1);
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;
	nfsstat4 status;

	stage_request(&request, ASK_ADD);
	bitmap4_set(&request.child_attrs, FATTR4_SIZE);
	status = dirdeleg_grant(t->c[2], &id, &request, &grant);
	if (status != NFS4_OK)
		assert_int_equal(status, NFS4ERR_DELAY);
	else
		assert_true(grant.granted);
	if (grant.granted)
		t->d[2] = stage_find(t->c[2], &grant.stateid);
}

/* True when it was committed. */
static bool change(struct cast *t)
{
	struct dirchange dc = {0};
	struct fileid id = stage_dir(1);
	struct dirchange_plan plan = {.kind = {CHANGE_ADD_ENTRY}};
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY, .entry.cookie = 5};
	struct dir_change *changes[2] = {&c, NULL};
	nfsstat4 status;

	c.entry.name = name_from_str("x");
	c.entry.has_attr = true;
	status = dirchange_begin(&dc, t->st.w.state, t->c[3], &id, NULL);
	if (status != NFS4_OK) {
		assert_int_equal(status, NFS4ERR_DELAY);
		return false;
	}
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
	dirchange_commit(&dc, changes, (int64_t[2]){1});
	return true;
}

static void assert_told_or_recalled(struct deleg *d, uint32_t changes)
{
	if (d->state == DELEG_ACTIVE) {
		assert_int_equal(d->queue.count, changes);
		return;
	}
	assert_int_equal(d->state, DELEG_RECALLED);
	assert_int_equal(d->recall_reason, RECALL_OVERFLOW);
	assert_true(notifyq_is_stopped(&d->queue));
}

/* Everything is sent, at the latest with the next change. */
static void assert_sent(struct cast *t)
{
	int live = 0;

	for (int i = 0; i < 3; i++)
		live += t->d[i] && t->d[i]->state == DELEG_ACTIVE;
	stage_change(&t->st, t->c[3], 2, CHANGE_ADD_ENTRY, "elsewhere");
	stage_pass(&t->st, 50);
	stage_pass(&t->st, 1000);
	assert_true(t->st.notifies >= live);
}

static void test_no_change_is_lost(void **state)
{
	bool failed = true;

	for (unsigned k = 0; failed; k++) {
		struct cast t;
		uint32_t changes = 0;

		begin(&t);
		shortage_begin(k, false);
		ask(&t);
		for (int i = 0; i < 10; i++)
			changes += change(&t);
		failed = shortage.failed > 0;
		shortage_end();
		for (int i = 0; i < 3; i++) {
			if (t.d[i])
				assert_told_or_recalled(t.d[i], changes);
		}
		assert_sent(&t);
		end(&t);
		assert_true(k < 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_change_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
