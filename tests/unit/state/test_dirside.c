/* SPDX-License-Identifier: MIT */
/* When it is known what a directory contains, and for how long. */
#include "stage.h"

#include <errno.h>
#include <string.h>

#include "state/dirside.h"

/* What the directory contains when it is sampled. */
struct content {
	const char *names[8];
	unsigned samples;
	int err;
};

static int sample(void *ctx, struct told *told)
{
	struct content *content = ctx;

	content->samples++;
	for (int i = 0; content->names[i]; i++) {
		struct fileid id = stage_dir(100 + i);
		int err = told_set(told,
			&(struct told_entry){
				.name = name_from_str(content->names[i]),
				.child = told_child(&id),
				.type = OBJECT_FILE});

		if (err < 0)
			return err;
	}
	return content->err;
}

static struct deleg *ask(
	struct client *c, uint32_t types, bool watched, struct content *content)
{
	struct fileid id = stage_dir(1);
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;

	stage_request(&request, types);
	request.watched = watched;
	request.sample = sample;
	request.sample_ctx = content;
	assert_int_equal(dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
	return grant.granted ? stage_find(c, &grant.stateid) : NULL;
}

static void give_back(struct deleg *d)
{
	struct fileid id = stage_dir(1);

	assert_int_equal(deleg_return(&d->sid, &id, true), NFS4_OK);
	deleg_put(d);
}

/* The set of directory 1, or NULL; its reference is given back at once. */
static struct told *told_of(struct stage *st)
{
	struct fileid id = stage_dir(1);
	struct node *n = node_find(st->w.state, &id);
	struct told *told = n ? dirside_told(n) : NULL;

	told_put(told);
	node_put(n);
	return told;
}

static bool is_told(struct stage *st, const char *name)
{
	struct told_entry e;

	return told_find(told_of(st), name_from_str(name), &e);
}

static void test_only_who_needs_it_pays(void **state)
{
	struct content content = {.names = {"a", "b"}};
	uint64_t before = told_bytes_all();
	struct stage st;

	stage_init(&st);
	struct client *a = stage_client(&st, "a");
	struct client *b = stage_client(&st, "b");
	struct deleg *d = ask(a, ASK_ALL, false, &content);
	struct deleg *e = ask(b, ASK_NOTHING, true, &content);

	assert_non_null(d);
	assert_non_null(e);
	assert_null(told_of(&st));
	assert_int_equal(content.samples, 0);
	assert_int_equal(told_bytes_all(), before);
	give_back(d);
	give_back(e);
	client_put(a);
	client_put(b);
	stage_fini(&st);
}

static void test_one_sample_for_all_holders(void **state)
{
	struct content content = {.names = {"a", "b"}};
	uint64_t before = told_bytes_all();
	struct stage st;

	stage_init(&st);
	struct client *a = stage_client(&st, "a");
	struct client *b = stage_client(&st, "b");
	struct client *c = stage_client(&st, "c");
	struct deleg *d = ask(a, ASK_ALL, true, &content);
	struct deleg *e = ask(b, ASK_ALL, true, &content);

	assert_int_equal(content.samples, 1);
	assert_true(is_told(&st, "a") && is_told(&st, "b"));
	/* Kept by every change, whoever makes it. */
	assert_int_equal(
		stage_change(&st, c, 1, CHANGE_ADD_ENTRY, "new"), NFS4_OK);
	assert_int_equal(
		stage_change(&st, a, 1, CHANGE_REMOVE_ENTRY, "a"), NFS4_OK);
	assert_true(is_told(&st, "new"));
	assert_false(is_told(&st, "a"));
	stage_pass(&st, 50);
	stage_deliver(&st, d, "new", NULL);
	stage_deliver(&st, e, "new", "a", NULL);
	give_back(d);
	assert_true(is_told(&st, "new"));
	deleg_revoke(e, STATEID_EXPIRED, true);
	deleg_put(e);
	assert_null(told_of(&st));
	assert_int_equal(told_bytes_all(), before);
	/* The next one looks again. */
	content.names[1] = NULL;
	d = ask(a, ASK_ALL, true, &content);
	assert_int_equal(content.samples, 2);
	assert_true(is_told(&st, "a"));
	assert_false(is_told(&st, "new"));
	deleg_put(d);
	client_put(a);
	client_put(b);
	client_put(c);
	stage_fini(&st);
	assert_int_equal(told_bytes_all(), before);
}

static void test_no_sample_for_a_refusal(void **state)
{
	struct content content = {.names = {"a"}};
	struct stage st;

	stage_init(&st);
	struct client *a = stage_client(&st, "a");
	struct deleg *d = ask(a, ASK_ALL, false, &content);

	assert_non_null(d);
	assert_null(ask(a, ASK_ALL, true, &content));
	assert_int_equal(content.samples, 0);
	deleg_put(d);
	client_put(a);
	stage_fini(&st);
}

/* Directories of more than @max entries are too large to remember. */
static void init_small(struct stage *st, uint32_t max)
{
	stage_prepare(st);
	st->w.config.told_max_entries = max;
	stage_start(st);
}

static void test_too_large_or_failing_is_granted_without(void **state)
{
	struct content content = {.names = {"a", "b", "c"}};
	struct stage st;

	init_small(&st, 2);
	struct client *a = stage_client(&st, "a");
	struct deleg *d = ask(a, ASK_ALL, true, &content);

	assert_non_null(d);
	assert_int_equal(content.samples, 1);
	assert_null(told_of(&st));
	give_back(d);
	content.names[2] = NULL;
	content.err = -EIO;
	d = ask(a, ASK_ALL, true, &content);
	assert_non_null(d);
	assert_null(told_of(&st));
	give_back(d);
	client_put(a);
	stage_fini(&st);
}

static void test_a_set_that_grew_too_large_is_dropped(void **state)
{
	struct content content = {.names = {"a", "b", "c", "d"}};
	struct stage st;

	init_small(&st, 4);
	struct client *a = stage_client(&st, "a");
	struct client *b = stage_client(&st, "b");
	struct deleg *d = ask(a, ASK_ALL, true, &content);

	assert_int_equal(
		stage_change(&st, b, 1, CHANGE_ADD_ENTRY, "e"), NFS4_OK);
	assert_true(is_told(&st, "e"));
	assert_int_equal(
		stage_change(&st, b, 1, CHANGE_ADD_ENTRY, "f"), NFS4_OK);
	assert_null(told_of(&st));
	/* Its holder was told of both. */
	stage_pass(&st, 50);
	stage_deliver(&st, d, "e", "f", NULL);
	stage_assert_quiet(&st);
	give_back(d);
	client_put(a);
	client_put(b);
	stage_fini(&st);
}

/* ---- what others did meanwhile (DD-23) ---- */

struct fitting {
	struct stage st;
	struct content content;
	struct client *c;
	struct deleg *d;
	struct node *n;
};

/* "a" and "b" were told. */
static void fitting_init(struct fitting *f)
{
	struct fileid id = stage_dir(1);

	stage_init(&f->st);
	f->content = (struct content){.names = {"a", "b"}};
	f->c = stage_client(&f->st, "a");
	f->d = ask(f->c, ASK_ALL, true, &f->content);
	f->n = node_find(f->st.w.state, &id);
	assert_non_null(f->n);
}

static void fitting_fini(struct fitting *f)
{
	node_put(f->n);
	deleg_put(f->d);
	client_put(f->c);
	stage_fini(&f->st);
}

static struct dir_change change_of(enum change_kind kind, const char *name)
{
	return (struct dir_change){
		.kind = kind, .entry = {.name = name_from_str(name)}};
}

/* @child is what stage_dir() makes of it. */
static struct dir_change rename_of(
	const char *old, const char *name, unsigned child)
{
	struct dir_change c = change_of(CHANGE_RENAME_ENTRY, name);

	c.entry.child = stage_dir(child);
	c.old.name = name_from_str(old);
	return c;
}

static void dd23_a_removal_of_what_nobody_knows(void **state)
{
	struct dir_change c = change_of(CHANGE_REMOVE_ENTRY, "x");
	struct fitting f;

	fitting_init(&f);
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_NOTHING);
	c = change_of(CHANGE_REMOVE_ENTRY, "a");
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_SAME);
	assert_false(is_told(&f.st, "a"));
	fitting_fini(&f);
}

static void dd23_an_addition_over_what_is_still_known(void **state)
{
	struct dir_change c = change_of(CHANGE_ADD_ENTRY, "a");
	struct fitting f;

	fitting_init(&f);
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_ANOTHER);
	assert_true(c.has_overwritten);
	assert_true(name_equal(c.overwritten.name, c.entry.name));
	/* The other way round: what it replaced nobody knew. */
	c = change_of(CHANGE_ADD_ENTRY, "x");
	c.has_overwritten = true;
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_ANOTHER);
	assert_false(c.has_overwritten);
	fitting_fini(&f);
}

static void dd23_a_renaming_of_what_nobody_knows(void **state)
{
	struct dir_change c = rename_of("x", "b", 200);
	struct fitting f;

	fitting_init(&f);
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_ANOTHER);
	assert_int_equal(c.kind, CHANGE_ADD_ENTRY);
	assert_true(c.has_overwritten);
	fitting_fini(&f);
}

/* What was told of the old name is still to be told that it is gone. */
static void dd23_a_renaming_of_what_was_replaced(void **state)
{
	struct dir_change c = rename_of("a", "c", 200);
	struct fitting f;

	fitting_init(&f);
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_CONFUSED);
	assert_int_equal(c.kind, CHANGE_ADD_ENTRY);
	assert_true(is_told(&f.st, "a") && is_told(&f.st, "c"));
	c = rename_of("b", "d", 101);
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_SAME);
	assert_false(is_told(&f.st, "b"));
	fitting_fini(&f);
}

/* Whether something else is there now will be looked at. */
static void dd23_what_was_taken_away_at_once(void **state)
{
	struct dir_change c = change_of(CHANGE_ADD_ENTRY, "x");
	struct fitting f;

	fitting_init(&f);
	c.entry.is_gone = true;
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_NOTHING);
	assert_false(is_told(&f.st, "x"));
	c = rename_of("a", "b", 100);
	c.entry.is_gone = true;
	assert_int_equal(dirside_apply(f.n, &c, false), DIRSIDE_ANOTHER);
	assert_int_equal(c.kind, CHANGE_REMOVE_ENTRY);
	assert_true(name_equal(c.entry.name, name_from_str("a")));
	assert_true(!is_told(&f.st, "a") && is_told(&f.st, "b"));
	fitting_fini(&f);
}

/* A change by @who of what others took away before it could be looked at. */
static void change_in_vain(
	struct stage *st, struct client *who, struct dir_change *c)
{
	struct dirchange_plan plan = {.kind = {c->kind}, .exact = {true, true}};
	int64_t now = clock_file_ns(&st->w.clock);
	struct dir_change *changes[2] = {c};
	struct fileid id = stage_dir(1);
	struct dirchange dc = {0};

	c->entry.is_gone = true;
	plan.ctime_ns[0] = now;
	assert_int_equal(
		dirchange_begin(&dc, st->w.state, who, &id, NULL), NFS4_OK);
	assert_int_equal(dirchange_admit(&dc, &plan), NFS4_OK);
	dirchange_commit(&dc, changes, (int64_t[2]){now});
}

/* It is not told of its own changes, so it believes in them. */
static void dd23_a_change_in_vain_recalls_who_made_it(void **state)
{
	struct dir_change c = change_of(CHANGE_ADD_ENTRY, "x");
	struct content content = {.names = {"a", "b"}};
	struct fitting f;
	struct client *other;
	struct deleg *d;

	fitting_init(&f);
	other = stage_client(&f.st, "b");
	d = ask(other, ASK_ALL, true, &content);
	change_in_vain(&f.st, f.c, &c);
	assert_int_equal(f.d->state, DELEG_RECALLED);
	assert_int_equal(f.d->recall_reason, RECALL_LOCAL_CHANGE);
	assert_int_equal(d->state, DELEG_ACTIVE);
	deleg_put(d);
	client_put(other);
	fitting_fini(&f);
}

/* Of the first holder's listing nothing is known, and something may be due. */
static void dd23_a_new_sample_hides_nothing_from_others(void **state)
{
	struct content content = {.names = {"a", "b", "c"}};
	struct stage st;

	init_small(&st, 2);
	struct client *a = stage_client(&st, "a");
	struct client *b = stage_client(&st, "b");
	struct deleg *d = ask(a, ASK_ALL, true, &content);
	struct deleg *e;

	content.names[2] = NULL;
	e = ask(b, ASK_ALL, true, &content);
	assert_non_null(e);
	assert_null(told_of(&st));
	give_back(e);
	give_back(d);
	e = ask(b, ASK_ALL, true, &content);
	assert_non_null(told_of(&st));
	give_back(e);
	client_put(a);
	client_put(b);
	stage_fini(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_who_needs_it_pays),
		cmocka_unit_test(test_one_sample_for_all_holders),
		cmocka_unit_test(test_no_sample_for_a_refusal),
		cmocka_unit_test(test_too_large_or_failing_is_granted_without),
		cmocka_unit_test(test_a_set_that_grew_too_large_is_dropped),
		cmocka_unit_test(dd23_a_removal_of_what_nobody_knows),
		cmocka_unit_test(dd23_an_addition_over_what_is_still_known),
		cmocka_unit_test(dd23_a_renaming_of_what_nobody_knows),
		cmocka_unit_test(dd23_a_renaming_of_what_was_replaced),
		cmocka_unit_test(dd23_what_was_taken_away_at_once),
		cmocka_unit_test(dd23_a_change_in_vain_recalls_who_made_it),
		cmocka_unit_test(dd23_a_new_sample_hides_nothing_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
