/* SPDX-License-Identifier: MIT */
/* A directory's own attributes change: who is told, recalled, or neither. */
#include "stage.h"

#include <string.h>

#include "state/dirattrs.h"

/* a, b and c hold, whoever is asked to changes. */
struct scene {
	struct stage st;
	struct client *a, *b, *c;
};

static void begin(struct scene *s)
{
	stage_init(&s->st);
	s->a = stage_client(&s->st, "a");
	s->b = stage_client(&s->st, "b");
	s->c = stage_client(&s->st, "c");
}

static void end(struct scene *s)
{
	client_put(s->a);
	client_put(s->b);
	client_put(s->c);
	stage_fini(&s->st);
}

static const struct attr now_attr = {.mode = 0750, .size = 7, .change = 42};

static bitmap4 bits_of(unsigned attr)
{
	bitmap4 set = {.beyond = false};

	bitmap4_set(&set, attr);
	return set;
}

/* One SETATTR by @who of attribute @attr; NFS4ERR_DELAY: not admitted. */
static nfsstat4 set_as(struct scene *s, struct client *who, unsigned attr,
	bool lenient, struct dirattrs_change *change)
{
	struct dirchange dc = {0};
	struct fileid id = stage_dir(1);
	nfsstat4 status;

	change->changed = bits_of(attr);
	assert_int_equal(
		dirchange_begin(&dc, s->st.w.state, who, &id, NULL), NFS4_OK);
	status = dirattrs_admit(&dc, lenient);
	if (status == NFS4_OK)
		dirattrs_commit(&dc, change);
	dirchange_leave(&dc);
	if (status != NFS4_OK)
		assert_false(dirchange_wait(&dc));
	return status;
}

static nfsstat4 set(struct scene *s, struct client *who, unsigned attr)
{
	struct dirattrs_change change = {.now = &now_attr};

	return set_as(s, who, attr, attr == FATTR4_TIME_ACCESS, &change);
}

static void assert_recalled(
	struct scene *s, struct deleg *d, enum recall_reason reason)
{
	struct deleg *sent = stage_pop_recall(&s->st);

	assert_ptr_equal(sent, d);
	assert_int_equal(sent->recall_reason, reason);
	recall_sent(sent, RECALL_SENT);
}

/* ---- who hears of it (DD-03) ---- */

static void dd03_who_did_not_ask_is_recalled_before(void **state)
{
	struct scene s;

	begin(&s);
	struct deleg *none = stage_grant(&s.st, s.a, 1, ASK_NOTHING);
	struct deleg *entries = stage_grant(&s.st, s.b, 1, ASK_ALL);

	assert_int_equal(set(&s, s.c, FATTR4_MODE), NFS4ERR_DELAY);
	assert_recalled(&s, none, RECALL_CONFLICT);
	assert_recalled(&s, entries, RECALL_UNSUBSCRIBED);
	deleg_put(none);
	deleg_put(entries);
	end(&s);
}

static void dd03_who_asked_is_told_the_values(void **state)
{
	struct dir_event *got[4];
	struct dir_change c;
	struct scene s;

	begin(&s);
	struct deleg *d = stage_grant(&s.st, s.a, 1, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(set(&s, s.c, FATTR4_MODE), NFS4_OK);
	stage_pass(&s.st, 50);
	assert_ptr_equal(stage_pop_notify(&s.st), d);
	assert_int_equal(batch_take(d, got, 4), 1);
	dir_event_read(got[0], &c);
	assert_int_equal(c.kind, CHANGE_DIR_ATTRS);
	assert_true(c.has_dir_attr);
	assert_int_equal(c.dir_attr.mode, 0750);
	assert_int_equal(c.dir_attr.change, 42);
	dir_event_put(got[0]);
	batch_done(d, 1, BATCH_OK);
	stage_assert_quiet(&s.st);
	deleg_put(d);
	end(&s);
}

static void dd03_only_attributes_that_were_promised(void **state)
{
	struct scene s;

	begin(&s);
	struct deleg *d = stage_grant(&s.st, s.a, 1, ASK_ALL | ASK_DIR_ATTRS);

	/* Covered, so no recall; but of the owner it did not want to hear. */
	assert_int_equal(set(&s, s.c, FATTR4_OWNER), NFS4_OK);
	stage_pass(&s.st, 1000);
	stage_assert_quiet(&s.st);
	deleg_put(d);
	end(&s);
}

static void dd03_access_time_never(void **state)
{
	struct scene s;

	begin(&s);
	struct deleg *none = stage_grant(&s.st, s.a, 1, ASK_NOTHING);
	struct deleg *all = stage_grant(&s.st, s.b, 1, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(set(&s, s.c, FATTR4_TIME_ACCESS), NFS4_OK);
	stage_pass(&s.st, 1000);
	stage_assert_quiet(&s.st);
	deleg_put(none);
	deleg_put(all);
	end(&s);
}

static void dd22_own_changes_are_no_news(void **state)
{
	struct scene s;

	begin(&s);
	struct deleg *none = stage_grant(&s.st, s.a, 1, ASK_NOTHING);

	assert_int_equal(set(&s, s.a, FATTR4_MODE), NFS4_OK);
	stage_assert_quiet(&s.st);
	struct deleg *all = stage_grant(&s.st, s.b, 1, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(set(&s, s.b, FATTR4_MODE), NFS4ERR_DELAY);
	assert_recalled(&s, none, RECALL_CONFLICT);
	stage_pass(&s.st, 1000);
	assert_int_equal(s.st.notifies, 0);
	deleg_put(none);
	deleg_put(all);
	end(&s);
}

/* ---- with entries ---- */

static void an_entry_carries_the_directorys_attributes(void **state)
{
	struct fileid id = stage_dir(1);
	struct dirchange dc = {0};
	struct dirchange_plan plan = {.kind = {CHANGE_REMOVE_ENTRY}};
	struct dir_change c = {.kind = CHANGE_REMOVE_ENTRY};
	struct dir_change *changes[2] = {&c, NULL};
	struct dir_event *got[4];
	struct scene s;

	begin(&s);
	struct deleg *d = stage_grant(&s.st, s.a, 1, ASK_ALL | ASK_DIR_ATTRS);

	for (int has = 1; has >= 0; has--) {
		assert_int_equal(
			dirchange_begin(&dc, s.st.w.state, s.b, &id, NULL),
			NFS4_OK);
		assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
		assert_true(dirchange_wants_dir_attrs(&dc, 0));
		c.entry.name = name_from_str("x");
		c.has_dir_attr = has;
		c.dir_attr = now_attr;
		dirchange_commit(&dc, changes, (int64_t[2]){1});
		if (!has) /* it was promised, and could not be read */
			continue;
		stage_pass(&s.st, 50);
		assert_ptr_equal(stage_pop_notify(&s.st), d);
		assert_int_equal(batch_take(d, got, 4), 1);
		dir_event_read(got[0], &c);
		assert_true(c.has_dir_attr);
		assert_int_equal(c.dir_attr.size, 7);
		assert_int_equal(c.dir_attr.change, c.after);
		dir_event_put(got[0]);
		batch_done(d, 1, BATCH_OK);
	}
	assert_recalled(&s, d, RECALL_OVERFLOW);
	deleg_put(d);
	end(&s);
}

static void unreadable_attributes_recall(void **state)
{
	struct dirattrs_change change = {.now = NULL};
	struct scene s;

	begin(&s);
	struct deleg *d = stage_grant(&s.st, s.a, 1, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(set_as(&s, s.c, FATTR4_MODE, false, &change), NFS4_OK);
	assert_recalled(&s, d, RECALL_OVERFLOW);
	deleg_put(d);
	end(&s);
}

/* ---- who may still read it (DD-12) ---- */

struct door {
	uint32_t uid; /* who may */
	unsigned asked;
};

static bool may_watch(void *ctx, const struct cred *cred)
{
	struct door *door = ctx;

	door->asked++;
	return cred->uid == door->uid;
}

static struct deleg *grant_to(
	struct scene *s, struct client *c, uint32_t uid, uint32_t ask)
{
	struct fileid id = stage_dir(1);
	struct cred cred = {.uid = uid};
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;

	stage_request(&request, ask);
	request.cred = &cred;
	assert_int_equal(dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
	assert_true(grant.granted);
	return stage_find(c, &grant.stateid);
}

static void dd12_who_may_no_longer_read_is_recalled(void **state)
{
	struct door door = {.uid = 5};
	struct dirattrs_change change = {
		.now = &now_attr, .may_watch = may_watch, .ctx = &door};
	struct scene s;

	begin(&s);
	struct deleg *may = grant_to(&s, s.a, 5, ASK_ALL | ASK_DIR_ATTRS);
	struct deleg *may_not = grant_to(&s, s.b, 6, ASK_ALL | ASK_DIR_ATTRS);
	struct deleg *own = grant_to(&s, s.c, 6, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(set_as(&s, s.c, FATTR4_MODE, false, &change), NFS4_OK);
	assert_int_equal(door.asked, 2); /* once for each of them */
	assert_recalled(&s, may_not, RECALL_PERMISSION);
	assert_recalled(&s, own, RECALL_PERMISSION);
	assert_true(notifyq_is_stopped(&may_not->queue));
	assert_int_equal(s.st.recalls, 0);
	stage_pass(&s.st, 50);
	assert_ptr_equal(s.st.notify[0], may);
	assert_int_equal(s.st.notifies, 1);
	deleg_put(may);
	deleg_put(may_not);
	deleg_put(own);
	end(&s);
}

static void dd12_only_when_permissions_changed(void **state)
{
	struct dirattrs_change change = {.now = &now_attr};
	struct scene s;

	begin(&s);
	struct deleg *d = grant_to(&s, s.a, 6, ASK_ALL | ASK_DIR_ATTRS);

	assert_int_equal(
		set_as(&s, s.c, FATTR4_TIME_MODIFY, false, &change), NFS4_OK);
	assert_int_equal(s.st.recalls, 0);
	deleg_put(d);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd03_who_did_not_ask_is_recalled_before),
		cmocka_unit_test(dd03_who_asked_is_told_the_values),
		cmocka_unit_test(dd03_only_attributes_that_were_promised),
		cmocka_unit_test(dd03_access_time_never),
		cmocka_unit_test(dd22_own_changes_are_no_news),
		cmocka_unit_test(an_entry_carries_the_directorys_attributes),
		cmocka_unit_test(unreadable_attributes_recall),
		cmocka_unit_test(dd12_who_may_no_longer_read_is_recalled),
		cmocka_unit_test(dd12_only_when_permissions_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
