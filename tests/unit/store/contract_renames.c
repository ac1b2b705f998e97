/* SPDX-License-Identifier: MIT */
/* The contract: renames, with the rules and the errors of rename(2). */
#include "contract_impl.h"

static int rename_as_root(struct ct *t, const struct fileid *from_dir,
	const char *from, const struct fileid *to_dir, const char *to)
{
	return ct_rename(
		t, &cred_server, from_dir, from, to_dir, to, NULL, NULL);
}

static void test_inside(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid found;

	assert_ok(rename_as_root(t, &t->dir, "a", &t->dir, "b"));
	assert_err(ct_lookup(t, &t->dir, "a", &found), ENOENT);
	assert_ok(ct_lookup(t, &t->dir, "b", &found));
	assert_true(fileid_equal(&id, &found));
	assert_err(rename_as_root(t, &t->dir, "a", &t->dir, "c"), ENOENT);
}

static void test_across(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct fileid sub = ct_make(t, &t->dir, "sub", OBJECT_DIR, 0755);
	struct fileid leaf = ct_make(t, &sub, "leaf", OBJECT_DIR, 0755);
	struct fileid up;

	assert_int_equal(ct_attr(t, &t->dir).nlink, 4);
	assert_ok(rename_as_root(t, &t->dir, "sub", &dir, "moved"));
	assert_int_equal(ct_attr(t, &t->dir).nlink, 3);
	assert_int_equal(ct_attr(t, &dir).nlink, 3);
	assert_int_equal(ct_attr(t, &sub).nlink, 3);
	assert_ok(store_lookup_parent(t->s, &cred_server, &sub, &up));
	assert_true(fileid_equal(&up, &dir));
	assert_ok(store_lookup_parent(t->s, &cred_server, &leaf, &up));
	assert_true(fileid_equal(&up, &sub));
}

static int rename_only(struct ct *t, const char *from,
	const struct fileid *to_dir, const char *to,
	const struct fileid *victim)
{
	struct dir_change changes[2] = {{.victim = victim}, {.victim = victim}};
	bool nothing;

	return store_rename(t->s, &cred_server, &t->dir, name_from_str(from),
		to_dir, name_from_str(to), &changes[0], &changes[1], &nothing);
}

/* Nothing loses its name but what it was said to be. */
static void test_replaces_only(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid b = ct_make(t, &t->dir, "b", OBJECT_FILE, 0644);
	struct fileid c = ct_make(t, &dir, "c", OBJECT_FILE, 0644);
	const struct fileid none = {.len = 0};
	struct fileid found;

	assert_err(rename_only(t, "a", &t->dir, "b", &a), EWOULDBLOCK);
	assert_err(rename_only(t, "a", &dir, "c", &none), EWOULDBLOCK);
	assert_ok(ct_lookup(t, &t->dir, "a", &found));
	assert_ok(ct_lookup(t, &t->dir, "b", &found));
	assert_true(fileid_equal(&b, &found));
	assert_ok(ct_lookup(t, &dir, "c", &found));
	assert_true(fileid_equal(&c, &found));
	assert_ok(rename_only(t, "a", &t->dir, "b", &b));
	assert_ok(rename_only(t, "b", &t->dir, "free", &none));
	assert_ok(rename_only(t, "free", &t->dir, "gone", &b));
	assert_ok(rename_only(t, "gone", &dir, "c", &c));
}

static void test_replaces(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid b = ct_make(t, &t->dir, "b", OBJECT_FILE, 0644);
	struct fileid da = ct_make(t, &t->dir, "da", OBJECT_DIR, 0755);
	struct fileid db = ct_make(t, &t->dir, "db", OBJECT_DIR, 0755);
	struct fileid found;

	assert_ok(rename_as_root(t, &t->dir, "a", &t->dir, "b"));
	assert_ok(ct_lookup(t, &t->dir, "b", &found));
	assert_true(fileid_equal(&a, &found));
	assert_err(store_probe(t->s, &b), ESTALE);
	assert_ok(rename_as_root(t, &t->dir, "da", &t->dir, "db"));
	assert_ok(ct_lookup(t, &t->dir, "db", &found));
	assert_true(fileid_equal(&da, &found));
	assert_err(store_probe(t->s, &db), ESTALE);
	assert_int_equal(ct_attr(t, &t->dir).nlink, 3);
}

/* The plan tells what will be lost. */
static void test_plan(void **state)
{
	struct ct *t = *state;
	struct name a = name_from_str("a"), b = name_from_str("b");
	struct store_rename_plan plan;
	struct fileid victim;

	ct_make(t, &t->dir, "a", OBJECT_SYMLINK, 0777);
	assert_ok(store_check_rename(
		t->s, &cred_server, &t->dir, a, &t->dir, b, &plan));
	assert_false(plan.has_victim);
	assert_int_equal(plan.source_type, OBJECT_SYMLINK);
	victim = ct_make(t, &t->dir, "b", OBJECT_FILE, 0644);
	assert_ok(store_check_rename(
		t->s, &cred_server, &t->dir, a, &t->dir, b, &plan));
	assert_true(plan.has_victim);
	assert_int_equal(plan.victim_type, OBJECT_FILE);
	assert_true(plan.victim_last_link);
	assert_ok(ct_link(t, &cred_server, &victim, &t->dir, "c", NULL));
	assert_ok(store_check_rename(
		t->s, &cred_server, &t->dir, a, &t->dir, b, &plan));
	assert_false(plan.victim_last_link);
}

static void test_types_do_not_match(void **state)
{
	struct ct *t = *state;
	struct fileid full = ct_make(t, &t->dir, "full", OBJECT_DIR, 0755);

	ct_make(t, &full, "x", OBJECT_FILE, 0644);
	ct_make(t, &t->dir, "dir", OBJECT_DIR, 0755);
	ct_make(t, &t->dir, "file", OBJECT_FILE, 0644);
	assert_err(rename_as_root(t, &t->dir, "dir", &t->dir, "file"), ENOTDIR);
	assert_err(rename_as_root(t, &t->dir, "file", &t->dir, "dir"), EISDIR);
	assert_err(
		rename_as_root(t, &t->dir, "dir", &t->dir, "full"), ENOTEMPTY);
}

static void test_loops(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_DIR, 0755);
	struct fileid b = ct_make(t, &a, "b", OBJECT_DIR, 0755);

	assert_err(rename_as_root(t, &t->dir, "a", &b, "x"), EINVAL);
	assert_err(rename_as_root(t, &t->dir, "a", &a, "x"), EINVAL);
	ct_make(t, &b, "f", OBJECT_FILE, 0644);
	assert_err(rename_as_root(t, &b, "f", &t->dir, "a"), ENOTEMPTY);
	ct_make(t, &b, "d", OBJECT_DIR, 0755);
	assert_err(rename_as_root(t, &b, "d", &t->dir, "a"), ENOTEMPTY);
}

/* Two names of one object: nothing happens, and both stay. */
static void test_same_object(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);

	assert_ok(ct_link(t, &cred_server, &id, &t->dir, "b", NULL));
	assert_ok(rename_as_root(t, &t->dir, "a", &t->dir, "b"));
	assert_int_equal(ct_attr(t, &id).nlink, 2);
	assert_ok(rename_as_root(t, &t->dir, "a", &t->dir, "a"));
	assert_int_equal(ct_attr(t, &id).nlink, 2);
}

static void test_permissions(void **state)
{
	struct ct *t = *state;
	struct cred user = ct_user(1000);
	struct fileid closed = ct_make(t, &t->dir, "c", OBJECT_DIR, 0755);
	struct fileid open = ct_make(t, &t->dir, "o", OBJECT_DIR, 0777);
	struct fileid id;

	if (!ct_has_users(t))
		return;
	ct_chown(t, &open, 0, 0, 0777);
	ct_make(t, &closed, "x", OBJECT_FILE, 0666);
	ct_make(t, &open, "x", OBJECT_FILE, 0666);
	ct_make(t, &open, "d", OBJECT_DIR, 0755);
	assert_err(ct_rename(t, &user, &closed, "x", &open, "y", NULL, NULL),
		EACCES);
	assert_err(ct_rename(t, &user, &open, "x", &closed, "y", NULL, NULL),
		EACCES);
	assert_err(ct_rename(t, &user, &open, "x", &closed, "x", NULL, NULL),
		EACCES);
	/* A directory that changes its parent must be writable itself. */
	assert_err(ct_rename(t, &user, &open, "d", &t->dir, "d", NULL, NULL),
		EACCES);
	assert_ok(ct_rename(t, &user, &open, "d", &open, "e", NULL, NULL));
	assert_ok(ct_make_as(t, &user, &open, "own", OBJECT_DIR, 0755, &id));
	assert_ok(
		ct_rename(t, &user, &open, "own", &t->dir, "own", NULL, NULL));
}

int contract_run_renames(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_inside),
		ct_test(test_across),
		ct_test(test_replaces),
		ct_test(test_replaces_only),
		ct_test(test_plan),
		ct_test(test_types_do_not_match),
		ct_test(test_loops),
		ct_test(test_same_object),
		ct_test(test_permissions),
	};

	return cmocka_run_group_tests_name("renames", tests, NULL, NULL);
}
