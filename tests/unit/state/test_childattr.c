/* SPDX-License-Identifier: MIT */
/* Attributes of children change: who is told what, when, and by which name. */
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shortage.h"
#include "state/childattr.h"
#include "state/childclass.h"

/* ---- the scene: a and b hold, whoever is asked to changes ---- */

#define DELAY  200
#define WINDOW 50

struct scene {
	struct stage st; /* first: it is the context of callbacks */
	struct client *a, *b, *c;
	bool is_busy; /* whoever would tell */
	unsigned reads;
	int err;       /* of reading */
	uint64_t size; /* that is read */
	struct dirchange dc;
	struct dir_change add;
};

/* What directory 1 contains: old and link are one object. */
static const struct {
	const char *name;
	unsigned child;
} content[] = {{"one", 101}, {"two", 102}, {"old", 103}, {"link", 103}};

static int sample(void *ctx, struct told *told)
{
	for (int i = 0; i < 4; i++) {
		struct fileid id = stage_dir(content[i].child);
		int err = told_set(told,
			&(struct told_entry){
				.name = name_from_str(content[i].name),
				.child = told_child(&id),
				.cookie = 1000 + i,
				.type = OBJECT_FILE});

		if (err < 0)
			return err;
	}
	return 0;
}

static int read_child(void *ctx, const struct fileid *id, struct attr *ret)
{
	struct scene *s = ctx;

	s->reads++;
	*ret = (struct attr){.type = OBJECT_FILE, .size = s->size};
	return s->err;
}

static void tell(void *ctx, struct node *dir)
{
	struct scene *s = ctx;

	while (!s->is_busy && childattr_tell(dir, read_child, ctx))
		;
	node_put(dir);
}

static void begin_with(struct scene *s, uint32_t told_max)
{
	*s = (struct scene){.size = 7};
	stage_prepare(&s->st);
	s->st.w.config.ops.tell_children = tell;
	s->st.w.config.told_max_entries = told_max;
	stage_start(&s->st);
	s->a = stage_client(&s->st, "a");
	s->b = stage_client(&s->st, "b");
	s->c = stage_client(&s->st, "c");
}

static void begin(struct scene *s)
{
	begin_with(s, 100);
}

static void end(struct scene *s)
{
	client_put(s->a);
	client_put(s->b);
	client_put(s->c);
	stage_fini(&s->st);
}

static int setup(void **state)
{
	struct scene *s = malloc(sizeof(*s));

	begin(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	end(*state);
	free(*state);
	return 0;
}

#define ASK (ASK_ALL | ASK_CHILD_ATTRS)

static struct dirdeleg_request request_for(uint32_t ask)
{
	struct dirdeleg_request r;

	stage_request(&r, ask);
	r.sample = sample;
	return r;
}

static struct deleg *grant(struct client *c, const struct dirdeleg_request *r)
{
	struct fileid id = stage_dir(1);
	struct dirdeleg_grant grant;

	assert_int_equal(dirdeleg_grant(c, &id, r, &grant), NFS4_OK);
	return grant.granted ? stage_find(c, &grant.stateid) : NULL;
}

static struct deleg *hold(struct client *c, uint32_t ask)
{
	struct dirdeleg_request r = request_for(ask);

	return grant(c, &r);
}

static bool wants_children(const struct deleg *d)
{
	return d->granted & 1u << CHANGE_CHILD_ATTRS;
}

static void note_via(struct scene *s, const struct client *who, uint32_t via,
	unsigned child, unsigned attr)
{
	struct fileid id = stage_dir(child);
	struct childattr_change change = {.id = &id, .who = who, .via = via};

	bitmap4_set(&change.changed, attr);
	childattr_note(s->st.w.state, &change);
}

static void change(struct scene *s, const struct client *who, unsigned child,
	unsigned attr)
{
	note_via(s, who, 0, child, attr);
}

static bool is_watched(struct scene *s, unsigned child)
{
	struct fileid id = stage_dir(child);

	return childattr_is_watched(s->st.w.state, &id);
}

/* Until the delay is over, then until the batch goes. */
static void wait(struct scene *s)
{
	stage_pass(&s->st, DELAY - 1);
	stage_assert_quiet(&s->st);
	stage_pass(&s->st, 1);
	stage_pass(&s->st, WINDOW);
}

static void give_back(struct deleg *d)
{
	struct fileid id = stage_dir(1);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
}

static void assert_recalled(
	struct scene *s, struct deleg *d, enum recall_reason reason)
{
	struct deleg *sent = stage_pop_recall(&s->st);

	assert_ptr_equal(sent, d);
	assert_int_equal(sent->recall_reason, reason);
	recall_sent(sent, RECALL_SENT);
}

/* One name more in directory 1, in two steps. */
static void add_begin(
	struct scene *s, struct client *who, const char *name, unsigned child)
{
	struct dirchange_plan plan = {.kind = {CHANGE_ADD_ENTRY}};
	struct fileid dir = stage_dir(1);

	s->dc = (struct dirchange){.via = 0};
	s->add = (struct dir_change){.kind = CHANGE_ADD_ENTRY};
	s->add.entry.name = name_from_str(name);
	s->add.entry.child = stage_dir(child);
	assert_int_equal(
		dirchange_begin(&s->dc, s->st.w.state, who, &dir, NULL),
		NFS4_OK);
	assert_int_equal(dirchange_admit(&s->dc, &plan), NFS4_OK);
}

static void add_commit(struct scene *s)
{
	int64_t now = clock_file_ns(&s->st.w.clock);

	dirchange_commit(&s->dc, (struct dir_change *[2]){&s->add, NULL},
		(int64_t[2]){now, now});
}

/* ---- what is told, and when ---- */

static void dd02_a_changed_child_is_told_with_its_values(void **state)
{
	struct scene *s = *state;
	struct dir_event *got[4];
	struct dir_change c;
	struct fileid id = stage_dir(102);

	struct deleg *d = hold(s->a, ASK);

	assert_true(wants_children(d));
	assert_true(is_watched(s, 102));
	assert_false(is_watched(s, 104));
	change(s, s->c, 102, FATTR4_SIZE);
	wait(s);
	assert_ptr_equal(stage_pop_notify(&s->st), d);
	assert_int_equal(batch_take(d, got, 4), 1);
	dir_event_read(got[0], &c);
	assert_int_equal(c.kind, CHANGE_CHILD_ATTRS);
	assert_true(name_equal(c.entry.name, name_from_str("two")));
	assert_true(fileid_equal(&c.entry.child, &id));
	assert_true(c.entry.has_attr);
	assert_int_equal(c.entry.attr.size, 7);
	dir_event_put(got[0]);
	batch_done(d, 1, BATCH_OK);
	assert_int_equal(s->reads, 1);
	deleg_put(d);
}

static void dd07_repeated_changes_are_one(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	for (int i = 0; i < 5; i++)
		change(s, s->c, 101, i % 2 ? FATTR4_SIZE : FATTR4_MODE);
	change(s, s->c, 102, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", "two", NULL);
	assert_int_equal(s->reads, 2);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	change(s, s->b, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	deleg_put(d);
}

static void dd02_only_what_was_promised(void **state)
{
	struct scene *s = *state;
	struct dirdeleg_request r = request_for(ASK);

	bitmap4_set(&r.child_attrs, FATTR4_TIME_ACCESS);
	struct deleg *d = grant(s->a, &r);

	change(s, s->c, 101, FATTR4_OWNER);
	change(s, s->c, 101, FATTR4_TIME_ACCESS);
	change(s, s->c, 104, FATTR4_SIZE);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	deleg_put(d);
}

static void dd03_who_did_not_ask_is_not_recalled(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK_ALL), *e = hold(s->b, ASK_NOTHING);

	assert_false(is_watched(s, 101));
	change(s, s->c, 101, FATTR4_SIZE);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	deleg_put(d);
	deleg_put(e);
}

static void dd02_many_children_in_several_stays(void **state)
{
	struct scene s;
	char name[16];

	begin_with(&s, 1000);
	struct deleg *d = hold(s.a, ASK);

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%u", i);
		add_begin(&s, s.a, name, 1000 + i);
		add_commit(&s);
		change(&s, s.c, 1000 + i, FATTR4_SIZE);
	}
	wait(&s);
	assert_int_equal(s.reads, 100);
	assert_int_equal(notifyq_length(&d->queue), 100);
	deleg_put(d);
	end(&s);
}

/* ---- names ---- */

static void dd02_every_name_of_a_hard_link(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	change(s, s->c, 103, FATTR4_MODE);
	wait(s);
	stage_deliver(&s->st, d, "link", "old", NULL);
	assert_int_equal(s->reads, 1);
	deleg_put(d);
}

/* An event of a removed name is never sent, one of a renamed has the new. */
static void dd07_never_passes_an_entry_event(void **state)
{
	struct scene *s = *state;
	struct dirdeleg_request r =
		request_for(ASK_RENAME | ASK_REMOVE | ASK_CHILD_ATTRS);
	struct deleg *d = grant(s->a, &r);

	change(s, s->c, 101, FATTR4_SIZE);
	change(s, s->c, 103, FATTR4_SIZE);
	assert_int_equal(
		stage_change(&s->st, s->c, 1, CHANGE_REMOVE_ENTRY, "one"),
		NFS4_OK);
	assert_int_equal(
		stage_change(&s->st, s->a, 1, CHANGE_RENAME_ENTRY, "new"),
		NFS4_OK); /* its own: not told */
	stage_pass(&s->st, WINDOW);
	stage_deliver(&s->st, d, "one", NULL);
	stage_pass(&s->st, DELAY);
	stage_pass(&s->st, WINDOW);
	stage_deliver(&s->st, d, "new", "link", NULL);
	deleg_put(d);
}

/* ---- own changes (DD-22) ---- */

static void dd22_own_changes_are_not_told(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	change(s, s->a, 101, FATTR4_SIZE);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	/* Somebody else holds, too: it is written down, for that one. */
	struct deleg *e = hold(s->b, ASK);

	change(s, s->a, 101, FATTR4_SIZE);
	change(s, s->a, 101, FATTR4_MODE);
	wait(s);
	stage_deliver(&s->st, e, "one", NULL);
	stage_assert_quiet(&s->st);
	deleg_put(d);
	deleg_put(e);
}

static void dd22_unless_another_changed_it_as_well(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK), *e = hold(s->b, ASK);

	change(s, s->a, 101, FATTR4_SIZE);
	change(s, s->b, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	stage_deliver(&s->st, e, "one", NULL);
	/* The other one's first. */
	change(s, s->c, 101, FATTR4_SIZE);
	change(s, s->a, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	stage_deliver(&s->st, e, "one", NULL);
	/* Nobody we know. */
	change(s, NULL, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	stage_deliver(&s->st, e, "one", NULL);
	deleg_put(d);
	deleg_put(e);
}

static void dd22_through_another_export_it_is_told(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	note_via(s, s->a, 9, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	deleg_put(d);
}

/* ---- different promises ---- */

static void dd02_each_as_it_was_promised(void **state)
{
	struct scene *s = *state;
	struct dirdeleg_request r = request_for(ASK);

	r.child_delay_ms = 1000;
	struct deleg *slow = grant(s->a, &r);

	r.child_delay_ms = 0;
	bitmap4_clear(&r.child_attrs, FATTR4_SIZE);
	struct deleg *mode = grant(s->b, &r);

	change(s, s->c, 101, FATTR4_SIZE);
	stage_pass(&s->st, 500);
	change(s, s->c, 102, FATTR4_MODE);
	wait(s);
	stage_deliver(&s->st, mode, "two", NULL);
	stage_pass(&s->st, 250);
	stage_pass(&s->st, WINDOW);
	stage_deliver(&s->st, slow, "one", "two", NULL);
	stage_assert_quiet(&s->st);
	deleg_put(slow);
	deleg_put(mode);
}

static void test_different_promises_are_limited(void **state)
{
	struct scene *s = *state;
	struct deleg *d[CHILDCLASSES_MAX + 2];
	char name[16];

	for (int i = 0; i < CHILDCLASSES_MAX + 2; i++) {
		struct dirdeleg_request r = request_for(ASK);
		struct client *c;

		snprintf(name, sizeof(name), "client %d", i);
		c = stage_client(&s->st, name);
		/* The last is like the first. */
		r.child_delay_ms = 1000 * (1 + i % (CHILDCLASSES_MAX + 1));
		d[i] = grant(c, &r);
		assert_non_null(d[i]);
		assert_int_equal(wants_children(d[i]), i != CHILDCLASSES_MAX);
		client_put(c);
	}
	for (int i = 0; i < CHILDCLASSES_MAX + 2; i++)
		give_back(d[i]);
	assert_false(is_watched(s, 101));
}

/* ---- coming and going ---- */

static void test_the_index_goes_with_who_needs_it(void **state)
{
	struct scene *s = *state;
	struct dirdeleg_request r = request_for(ASK_ALL);
	struct deleg *d = hold(s->a, ASK), *e = hold(s->b, ASK);

	/* It needs the told set, but not for this. */
	r.watched = true;
	struct deleg *f = grant(s->c, &r);

	give_back(d);
	assert_true(is_watched(s, 101));
	change(s, s->c, 101, FATTR4_SIZE);
	give_back(e);
	/* It is left at the next change. */
	assert_true(is_watched(s, 101));
	stage_change(&s->st, s->c, 1, CHANGE_REMOVE_ENTRY, "two");
	assert_false(is_watched(s, 101));
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	d = hold(s->a, ASK);
	assert_true(is_watched(s, 101));
	change(s, s->c, 101, FATTR4_SIZE);
	wait(s);
	stage_deliver(&s->st, d, "one", NULL);
	deleg_revoke(d, STATEID_EXPIRED, true);
	deleg_put(d);
	give_back(f);
	assert_false(is_watched(s, 101));
}

static void test_the_end_with_changes_written_down(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	change(s, s->c, 101, FATTR4_SIZE);
	deleg_put(d);
}

/* It gives the promise back with it; nothing is sent after it. */
static void dd15_written_down_is_not_pending(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	change(s, s->c, 101, FATTR4_SIZE);
	give_back(d);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
}

static void dd02_too_large_a_directory_is_not_promised(void **state)
{
	struct scene s;

	begin_with(&s, 3);
	struct deleg *d = hold(s.a, ASK);

	assert_non_null(d);
	assert_false(wants_children(d));
	assert_false(is_watched(&s, 101));
	deleg_put(d);
	end(&s);
}

static void dd21_one_that_grew_too_large_is_recalled(void **state)
{
	struct scene s;

	begin_with(&s, 4);
	struct deleg *d = hold(s.a, ASK_REMOVE | ASK_ADD | ASK_CHILD_ATTRS);

	/* The holder itself makes them, and hears of nothing else. */
	stage_change(&s.st, s.a, 1, CHANGE_ADD_ENTRY, "x");
	stage_assert_quiet(&s.st);
	stage_change(&s.st, s.a, 1, CHANGE_ADD_ENTRY, "y");
	assert_recalled(&s, d, RECALL_RESOURCE);
	assert_false(is_watched(&s, 101));
	deleg_put(d);
	end(&s);
}

/* ---- many that come and go ---- */

#define HOUR_MS 3600000

/* A directory of at most four entries, whose holder waits for long. */
static struct deleg *begin_patient(struct scene *s)
{
	struct dirdeleg_request r = request_for(ASK);

	begin_with(s, 4);
	r.child_delay_ms = HOUR_MS;
	return grant(s->a, &r);
}

/* The holder makes a child and removes it; another changes it in between. */
static void come_and_go(struct scene *s, unsigned child)
{
	add_begin(s, s->a, "guest", child);
	add_commit(s);
	change(s, s->c, child, FATTR4_SIZE);
	stage_change(&s->st, s->a, 1, CHANGE_REMOVE_ENTRY, "guest");
}

static void dd07_too_many_do_not_wait(void **state)
{
	struct scene s;
	struct deleg *d = begin_patient(&s);

	change(&s, s.c, 101, FATTR4_SIZE);
	for (int i = 0; i < 3; i++)
		come_and_go(&s, 200 + i);
	stage_pass(&s.st, WINDOW);
	stage_assert_quiet(&s.st);
	come_and_go(&s, 300);
	stage_pass(&s.st, 0);
	stage_pass(&s.st, WINDOW);
	stage_deliver(&s.st, d, "one", NULL);
	assert_int_equal(s.reads, 1);
	deleg_put(d);
	end(&s);
}

/* Nobody comes to tell them. */
static void dd21_too_many_are_recalled(void **state)
{
	struct scene s;
	struct deleg *d = begin_patient(&s);

	s.is_busy = true;
	for (int i = 0; i < 8; i++)
		come_and_go(&s, 200 + i);
	stage_pass(&s.st, WINDOW);
	stage_assert_quiet(&s.st);
	come_and_go(&s, 300);
	assert_recalled(&s, d, RECALL_OVERFLOW);
	deleg_put(d);
	end(&s);
}

/* ---- what goes wrong (DD-21) ---- */

static void dd21_no_memory_to_write_it_down(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	shortage_begin(0, true);
	change(s, s->c, 101, FATTR4_SIZE);
	shortage_end();
	recall_kick(s->st.w.state);
	assert_recalled(s, d, RECALL_OVERFLOW);
	deleg_put(d);
}

static void dd21_no_memory_to_tell_it(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	change(s, s->c, 101, FATTR4_SIZE);
	shortage_begin(0, true);
	stage_pass(&s->st, DELAY);
	shortage_end();
	assert_recalled(s, d, RECALL_OVERFLOW);
	deleg_put(d);
}

/* Granted with children? Then the change is told, or it is recalled. */
static void check_with_one_failure(struct scene *s)
{
	struct dirdeleg_request r = request_for(ASK);
	struct fileid id = stage_dir(1);
	struct dirdeleg_grant grant;
	nfsstat4 status = dirdeleg_grant(s->a, &id, &r, &grant);

	if (status == NFS4_OK && grant.granted) {
		change(s, s->c, 101, FATTR4_SIZE);
		stage_pass(&s->st, DELAY);
		stage_pass(&s->st, WINDOW);
		stage_pass(&s->st, 1000); /* a recall's timer */
		assert_int_equal(s->st.notifies + s->st.recalls,
			grant.notify.word[0] & 1u << CHANGE_CHILD_ATTRS);
	} else {
		assert_true(status == NFS4ERR_DELAY || status == NFS4_OK);
	}
}

static void dd21_any_one_allocation_may_fail(void **state)
{
	bool failed = true;

	for (unsigned n = 0; failed; n++) {
		struct scene s;

		begin(&s);
		shortage_begin(n, false);
		check_with_one_failure(&s);
		failed = shortage.failed > 0;
		shortage_end();
		end(&s);
		assert_true(n < 100);
	}
}

static void dd21_what_cannot_be_read_recalls(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);

	/* Gone, and that is told by other means. */
	s->err = -ESTALE;
	change(s, s->c, 101, FATTR4_SIZE);
	stage_pass(&s->st, 10000);
	stage_assert_quiet(&s->st);
	s->err = -EIO;
	change(s, s->c, 101, FATTR4_SIZE);
	stage_pass(&s->st, DELAY);
	assert_recalled(s, d, RECALL_OVERFLOW);
	deleg_put(d);
}

static void dd14_whose_lease_is_over_is_told_nothing(void **state)
{
	struct scene *s = *state;
	struct dirdeleg_request r = request_for(ASK);

	r.child_delay_ms = STAGE_LEASE_MS + 5000;
	struct deleg *d = grant(s->a, &r);

	change(s, s->c, 101, FATTR4_SIZE);
	stage_pass(&s->st, STAGE_LEASE_MS + 5000);
	stage_assert_quiet(&s->st);
	assert_int_not_equal(d->state, DELEG_ACTIVE);
	assert_int_equal(s->reads, 0);
	deleg_put(d);
}

/* Somebody writes to a file after its attributes were read for an event. */
static void dd04_changed_just_before_it_was_found(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);
	struct fileid id = stage_dir(200);
	int64_t now = clock_file_ns(&s->st.w.clock);

	add_begin(s, s->c, "new", 200);
	s->add.entry.has_attr = true;
	s->add.entry.attr.change = changeattr_bump(s->st.w.state, &id, now);
	changeattr_bump(s->st.w.state, &id, now);
	change(s, s->b, 200, FATTR4_SIZE);
	add_commit(s);
	stage_pass(&s->st, DELAY + WINDOW);
	stage_deliver(&s->st, d, "new", "new", NULL);
	deleg_put(d);
}

/* ... or between its attributes and their value. */
static void dd04_changed_while_it_was_read(void **state)
{
	struct scene *s = *state;
	struct deleg *d = hold(s->a, ASK);
	struct fileid id = stage_dir(200);
	struct node *child = node_get(s->st.w.state, &id);
	int64_t now = clock_file_ns(&s->st.w.clock);
	struct changeattr_mark mark = changeattr_mark(s->st.w.state, &id);

	add_begin(s, s->c, "new", 200);
	changeattr_touch(s->st.w.state, &id);
	childattr_note_unknown(s->st.w.state, &id);
	s->add.entry.has_attr = true;
	s->add.entry.attr.change =
		changeattr_read_since(s->st.w.state, &id, now, &mark);
	add_commit(s);
	stage_pass(&s->st, DELAY + WINDOW);
	stage_deliver(&s->st, d, "new", "new", NULL);
	node_put(child);
	deleg_put(d);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(dd02_a_changed_child_is_told_with_its_values),
		TEST(dd07_repeated_changes_are_one),
		TEST(dd02_only_what_was_promised),
		TEST(dd03_who_did_not_ask_is_not_recalled),
		cmocka_unit_test(dd02_many_children_in_several_stays),
		TEST(dd02_every_name_of_a_hard_link),
		TEST(dd07_never_passes_an_entry_event),
		TEST(dd22_own_changes_are_not_told),
		TEST(dd22_unless_another_changed_it_as_well),
		TEST(dd22_through_another_export_it_is_told),
		TEST(dd02_each_as_it_was_promised),
		TEST(test_different_promises_are_limited),
		TEST(test_the_index_goes_with_who_needs_it),
		TEST(test_the_end_with_changes_written_down),
		TEST(dd15_written_down_is_not_pending),
		cmocka_unit_test(dd02_too_large_a_directory_is_not_promised),
		cmocka_unit_test(dd21_one_that_grew_too_large_is_recalled),
		cmocka_unit_test(dd07_too_many_do_not_wait),
		cmocka_unit_test(dd21_too_many_are_recalled),
		TEST(dd21_no_memory_to_write_it_down),
		TEST(dd21_no_memory_to_tell_it),
		cmocka_unit_test(dd21_any_one_allocation_may_fail),
		TEST(dd21_what_cannot_be_read_recalls),
		TEST(dd14_whose_lease_is_over_is_told_nothing),
		TEST(dd04_changed_just_before_it_was_found),
		TEST(dd04_changed_while_it_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
