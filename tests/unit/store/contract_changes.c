/* SPDX-License-Identifier: MIT */
/*
 * The contract: what a change says of itself. Whatever happens in a directory,
 * the cookies, the position and the verifiers of the change are those that a
 * listing before it and one after it show.
 */
#include "contract_impl.h"

#include <stdio.h>

#define NAMES 120
#define STEPS 300

/* One directory, as listed before and after a change. */
struct watched {
	struct fileid dir;
	struct ct_listing before, after;
};

struct random_ops {
	struct ct *t;
	struct watched dirs[2];
	uint64_t seed;
	unsigned moved; /* changes that moved a verifier */
};

static uint64_t below(struct random_ops *r, uint64_t bound)
{
	r->seed = r->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (r->seed >> 33) % bound;
}

static uint64_t cookie_in(const struct ct_listing *l, struct name name)
{
	const struct ct_entry *e = ct_listing_find(l, name);

	assert_non_null(e);
	return e->cookie;
}

static void check_absent(const struct ct_listing *l, struct name name)
{
	assert_null(ct_listing_find(l, name));
}

static void check_position(
	const struct ct_listing *after, const struct dir_change *c)
{
	const struct ct_entry *e = ct_listing_find(after, c->entry.name);
	size_t at = e - after->at;

	assert_int_equal(c->last, at + 1 == after->count);
	assert_int_equal(c->has_previous, at > 0);
	if (at == 0)
		return;
	assert_int_equal(c->previous_cookie, e[-1].cookie);
	assert_true(name_equal(c->previous, name_from_str(e[-1].name)));
}

static void check_cookies(const struct watched *w, const struct dir_change *c)
{
	if (c->kind == CHANGE_REMOVE_ENTRY) {
		assert_int_equal(
			c->entry.cookie, cookie_in(&w->before, c->entry.name));
		check_absent(&w->after, c->entry.name);
		return;
	}
	assert_int_equal(c->entry.cookie, cookie_in(&w->after, c->entry.name));
	if (c->kind == CHANGE_RENAME_ENTRY) {
		assert_int_equal(
			c->old.cookie, cookie_in(&w->before, c->old.name));
		check_absent(&w->after, c->old.name);
	}
	if (c->has_overwritten)
		assert_int_equal(c->overwritten.cookie,
			cookie_in(&w->before, c->entry.name));
	else
		check_absent(&w->before, c->entry.name);
	check_position(&w->after, c);
}

/* One verifier: nothing that stayed has moved. */
static void check_unmoved(const struct watched *w)
{
	for (size_t i = 0; i < w->after.count; i++) {
		const struct ct_entry *e = &w->after.at[i];
		const struct ct_entry *old =
			ct_listing_find(&w->before, name_from_str(e->name));

		if (old)
			assert_int_equal(old->cookie, e->cookie);
	}
}

static void check_change(struct random_ops *r, const struct watched *w,
	const struct dir_change *c)
{
	bool same = w->before.verifier == w->after.verifier;

	if (same)
		check_unmoved(w);
	else
		assert_true(r->t->c->collisions);
	if (c->entry.cookie == COOKIE_NONE) {
		assert_true(c->no_position || r->t->c->over_budget);
		assert_int_equal(c->old_verifier, 0);
		assert_int_equal(c->new_verifier, 0);
		return;
	}
	assert_int_equal(c->old_verifier, w->before.verifier);
	assert_int_equal(c->new_verifier, w->after.verifier);
	assert_int_equal(c->verifier_moved, !same);
	r->moved += !same;
	check_cookies(w, c);
}

static void list_both(struct random_ops *r, bool after)
{
	for (int i = 0; i < 2; i++) {
		struct watched *w = &r->dirs[i];

		assert_ok(ct_list(
			r->t, &w->dir, 1000, after ? &w->after : &w->before));
	}
}

struct step {
	struct watched *from, *to;
	char from_name[8], to_name[8];
	struct dir_change from_change, to_change;
};

static void step_create(struct random_ops *r, struct step *s)
{
	struct store_new new = {.type = OBJECT_FILE};
	struct fileid id;
	int err = store_create(r->t->s, &cred_server, &s->to->dir,
		name_from_str(s->to_name), &new, &id, &s->to_change);

	if (err)
		assert_int_equal(err, -EEXIST);
	else
		assert_true(fileid_equal(&id, &s->to_change.entry.child));
	if (!err) {
		list_both(r, true);
		check_change(r, s->to, &s->to_change);
	}
}

static void step_link(struct random_ops *r, struct step *s)
{
	struct fileid id;
	int err = ct_lookup(r->t, &s->from->dir, s->from_name, &id);

	if (!err)
		err = ct_link(r->t, &cred_server, &id, &s->to->dir, s->to_name,
			&s->to_change);
	if (err) {
		assert_true(err == -ENOENT || err == -EEXIST);
		return;
	}
	assert_true(fileid_equal(&id, &s->to_change.entry.child));
	list_both(r, true);
	check_change(r, s->to, &s->to_change);
}

static void step_remove(struct random_ops *r, struct step *s)
{
	int err = ct_remove(r->t, &cred_server, &s->from->dir, s->from_name,
		&s->from_change);

	if (err) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	list_both(r, true);
	check_change(r, s->from, &s->from_change);
}

static void step_rename(struct random_ops *r, struct step *s)
{
	int err = ct_rename(r->t, &cred_server, &s->from->dir, s->from_name,
		&s->to->dir, s->to_name, &s->from_change, &s->to_change);

	if (err) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	if (s->from_change.kind == CHANGE_CHILD_ATTRS)
		return; /* two names of one file: nothing happened */
	list_both(r, true);
	check_change(r, s->from, &s->from_change);
	if (s->from != s->to)
		check_change(r, s->to, &s->to_change);
}

static void random_step(struct random_ops *r)
{
	struct step s = {
		.from = &r->dirs[below(r, 2)], .to = &r->dirs[below(r, 2)]};
	unsigned what = below(r, 10);

	snprintf(s.from_name, sizeof(s.from_name), "n%u",
		(unsigned)below(r, NAMES));
	snprintf(
		s.to_name, sizeof(s.to_name), "n%u", (unsigned)below(r, NAMES));
	s.from_change.no_position = s.to_change.no_position = below(r, 8) == 0;
	list_both(r, false);
	if (below(r, 10) == 0)
		ct_restart(r->t); /* the change finds no index */
	if (below(r, 10) == 0)
		r->t->c->pass_time();
	if (what < 5)
		step_create(r, &s);
	else if (what < 6)
		step_link(r, &s);
	else if (what < 7)
		step_remove(r, &s);
	else
		step_rename(r, &s);
}

static void test_random_changes(void **state)
{
	struct random_ops r = {.t = *state, .seed = 20240101};

	r.dirs[0].dir = ct_make(r.t, &r.t->dir, "one", OBJECT_DIR, 0755);
	r.dirs[1].dir = ct_make(r.t, &r.t->dir, "two", OBJECT_DIR, 0755);
	for (int i = 0; i < STEPS; i++)
		random_step(&r);
	if (!r.t->c->collisions)
		assert_int_equal(r.moved, 0);
	else if (!r.t->c->over_budget)
		assert_true(r.moved > 0);
	for (int i = 0; i < 2; i++) {
		ct_listing_free(&r.dirs[i].before);
		ct_listing_free(&r.dirs[i].after);
	}
}

/* What each change says of children and kinds. */
static void test_kinds(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid b = ct_make(t, &t->dir, "b", OBJECT_FILE, 0644);
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct fileid x = ct_make(t, &dir, "x", OBJECT_FILE, 0644);
	struct dir_change one = {0}, two = {0};

	assert_ok(ct_rename(
		t, &cred_server, &t->dir, "a", &t->dir, "b", &one, &two));
	assert_int_equal(one.kind, CHANGE_RENAME_ENTRY);
	assert_true(one.has_overwritten);
	assert_true(fileid_equal(&one.entry.child, &a));
	assert_true(fileid_equal(&one.old.child, &a));
	assert_true(fileid_equal(&one.overwritten.child, &b));
	assert_int_equal(two.kind, CHANGE_CHILD_ATTRS); /* not touched */
	assert_ok(ct_rename(
		t, &cred_server, &t->dir, "b", &dir, "x", &one, &two));
	assert_int_equal(one.kind, CHANGE_REMOVE_ENTRY);
	assert_true(fileid_equal(&one.entry.child, &a));
	assert_false(one.has_overwritten);
	assert_int_equal(two.kind, CHANGE_ADD_ENTRY);
	assert_true(fileid_equal(&two.entry.child, &a));
	assert_true(two.has_overwritten);
	assert_true(fileid_equal(&two.overwritten.child, &x));
	assert_true(name_equal(two.overwritten.name, name_from_str("x")));
	assert_int_equal(two.before, 0);
	assert_int_equal(two.after, 0);
	assert_false(two.entry.has_attr);
}

int contract_run_changes(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_kinds),
		ct_test(test_random_changes),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
