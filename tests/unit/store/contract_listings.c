/* SPDX-License-Identifier: MIT */
/* The contract: listings, whole and in pages, alone and in company. */
#include "contract_impl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static void fill_dir(
	struct ct *t, const struct fileid *dir, const char *stem, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s%u", stem, i);
		ct_make(t, dir, name, OBJECT_FILE, 0644);
	}
}

/* Names that are listed, whoever lists them, in ascending cookie order. */
static void check_order(const struct ct_listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		assert_true(l->at[i].cookie > 2);
		assert_true(l->at[i].cookie <= INT64_MAX);
		if (i > 0)
			assert_true(l->at[i].cookie > l->at[i - 1].cookie);
	}
}

static void check_equal(const struct ct_listing *a, const struct ct_listing *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->verifier, b->verifier);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->at[i].cookie, b->at[i].cookie);
		assert_string_equal(a->at[i].name, b->at[i].name);
	}
}

static void test_empty(void **state)
{
	struct ct *t = *state;
	struct ct_listing l = {0};
	uint64_t verifier;
	bool cookies = false;

	assert_ok(ct_list(t, &t->dir, 10, &l));
	assert_int_equal(l.count, 0);
	assert_ok(store_dir_verifier(t->s, &t->dir, &verifier, &cookies));
	assert_int_equal(l.verifier, verifier);
	assert_true(cookies);
}

static void test_pages(void **state)
{
	static const unsigned sizes[] = {1, 2, 7, 64, 299, 300, 301};
	struct ct *t = *state;
	struct ct_listing whole = {0}, l = {0};
	uint64_t verifier;
	bool cookies;

	fill_dir(t, &t->dir, "entry-", 300);
	assert_ok(ct_list(t, &t->dir, 100000, &whole));
	assert_int_equal(whole.count, 300);
	check_order(&whole);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_ok(ct_list(t, &t->dir, sizes[i], &l));
		check_equal(&whole, &l);
		assert_int_equal(l.rejected, 0);
	}
	assert_ok(store_dir_verifier(t->s, &t->dir, &verifier, &cookies));
	assert_int_equal(verifier, whole.verifier);
	ct_listing_free(&whole);
	ct_listing_free(&l);
}

struct taken {
	unsigned count;
	unsigned limit;
	uint64_t cookie;
};

static bool take(void *ctx, struct name name, uint64_t cookie)
{
	struct taken *k = ctx;

	if (k->count == k->limit)
		return false;
	k->count++;
	k->cookie = cookie;
	return true;
}

static int list_from(struct ct *t, uint64_t cookie, uint64_t verifier,
	struct taken *k, struct store_page *page)
{
	return store_readdir(
		t->s, &cred_server, &t->dir, cookie, verifier, take, k, page);
}

static void test_full_page(void **state)
{
	struct ct *t = *state;
	struct taken k = {.limit = 0};
	struct store_page page;

	fill_dir(t, &t->dir, "n", 3);
	assert_ok(list_from(t, 0, 0, &k, &page));
	assert_int_equal(k.count, 0);
	assert_false(page.eof);
	k.limit = 3;
	assert_ok(list_from(t, 0, 0, &k, &page));
	assert_int_equal(k.count, 3);
	assert_true(page.eof); /* the last entry was taken */
	k.count = 0;
	assert_ok(list_from(t, k.cookie, page.verifier, &k, &page));
	assert_int_equal(k.count, 0);
	assert_true(page.eof);
	assert_ok(list_from(t, UINT64_MAX, page.verifier, &k, &page));
	assert_true(page.eof);
}

static void test_verifier_is_checked(void **state)
{
	struct ct *t = *state;
	struct taken k = {.limit = 1};
	struct store_page page;

	fill_dir(t, &t->dir, "n", 3);
	assert_ok(list_from(t, 0, 12345, &k, &page));
	assert_err(list_from(t, k.cookie, page.verifier + 1, &k, &page),
		EKEYREJECTED);
	k.count = 0;
	assert_ok(list_from(t, k.cookie, page.verifier, &k, &page));
	assert_int_equal(k.count, 1);
}

static void test_errors(void **state)
{
	struct ct *t = *state;
	struct fileid file = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0711);
	struct fileid gone = ct_make(t, &t->dir, "g", OBJECT_DIR, 0755);
	struct cred user = ct_user(1000);
	struct ct_listing l = {0};
	struct store_page page;
	struct taken k = {.limit = 1};
	uint64_t verifier;
	bool cookies;

	assert_err(ct_list(t, &file, 10, &l), ENOTDIR);
	assert_err(
		store_dir_verifier(t->s, &file, &verifier, &cookies), ENOTDIR);
	assert_ok(ct_list(t, &gone, 10, &l));
	assert_ok(ct_remove(t, &cred_server, &t->dir, "g", NULL));
	assert_err(ct_list(t, &gone, 10, &l), ESTALE);
	assert_err(
		store_dir_verifier(t->s, &gone, &verifier, &cookies), ESTALE);
	if (!ct_has_users(t))
		return;
	assert_err(store_readdir(t->s, &user, &dir, 0, 0, take, &k, &page),
		EACCES);
}

/* All that is in both has the cookie it had, or the verifier is another. */
static void check_stable(const struct ct *t, const struct ct_listing *a,
	const struct ct_listing *b)
{
	if (a->verifier != b->verifier) {
		assert_true(t->c->collisions);
		return;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct ct_entry *e =
			ct_listing_find(b, name_from_str(a->at[i].name));

		if (e)
			assert_int_equal(e->cookie, a->at[i].cookie);
	}
}

static void test_cookies_are_stable(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "dir", OBJECT_DIR, 0755);
	struct ct_listing first = {0}, now = {0};

	fill_dir(t, &dir, "keep", 100);
	fill_dir(t, &dir, "lose", 100);
	assert_ok(ct_list(t, &dir, 1000, &first));
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "lose%u", i);
		assert_ok(ct_remove(t, &cred_server, &dir, name, NULL));
	}
	fill_dir(t, &dir, "more", 50);
	assert_ok(ct_list(t, &dir, 1000, &now));
	assert_int_equal(now.count, 150);
	check_stable(t, &first, &now);
	assert_ok(ct_rename(t, &cred_server, &t->dir, "dir", &t->dir, "renamed",
		NULL, NULL));
	assert_ok(ct_list(t, &dir, 1000, &first));
	check_equal(&now, &first);
	ct_restart(t);
	assert_ok(ct_list(t, &dir, 1000, &first));
	check_equal(&now, &first);
	ct_listing_free(&first);
	ct_listing_free(&now);
}

/* A listing goes on behind an entry that is no longer there. */
static void test_resume_behind_a_removed_entry(void **state)
{
	struct ct *t = *state;
	struct ct_listing l = {0};
	struct store_page page;
	struct taken k = {.limit = 5};
	int err;

	fill_dir(t, &t->dir, "n", 20);
	assert_ok(ct_list(t, &t->dir, 100, &l));
	assert_ok(list_from(t, 0, 0, &k, &page));
	assert_int_equal(k.cookie, l.at[4].cookie);
	assert_ok(ct_remove(t, &cred_server, &t->dir, l.at[4].name, NULL));
	k = (struct taken){.limit = 1, .cookie = k.cookie};
	err = list_from(t, k.cookie, page.verifier, &k, &page);
	if (t->c->collisions && err == -EKEYREJECTED) {
		ct_listing_free(&l);
		return;
	}
	assert_ok(err);
	assert_int_equal(k.cookie, l.at[5].cookie);
	ct_listing_free(&l);
}

/* What nobody told us of shows in the next listing, even in one tick. */
static void test_every_listing_is_fresh(void **state)
{
	struct ct *t = *state;
	struct ct_listing l = {0};

	for (unsigned i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u", i);
		ct_make(t, &t->dir, name, OBJECT_FILE, 0644);
		assert_ok(ct_list(t, &t->dir, 7, &l));
		assert_int_equal(l.count, i + 1);
		if (i % 3 == 0)
			t->c->pass_time();
	}
	ct_listing_free(&l);
}

/* Threads that list, and one that changes names nobody counts on. */
struct company {
	struct ct *t;
	unsigned stable; /* names s0 .. */
	unsigned changes;
	atomic_bool changed; /* all changes are made */
	atomic_uint wrong;
};

static void *change_names(void *arg)
{
	struct company *c = arg;
	struct store_new new = {.type = OBJECT_FILE};

	for (unsigned i = 0; i < c->changes; i++) {
		struct dir_change change = {0};
		struct fileid id;
		char name[32];
		int err;

		snprintf(name, sizeof(name), "c%u", i / 2 % 500);
		if (i % 2 == 0)
			err = store_create(c->t->s, &cred_server, &c->t->dir,
				name_from_str(name), &new, &id, &change);
		else
			err = store_remove(c->t->s, &cred_server, &c->t->dir,
				name_from_str(name), &change);
		if (err)
			c->wrong++;
	}
	c->changed = true;
	return NULL;
}

/* Every stable name exactly once. */
static bool listing_is_right(const struct company *c, struct ct_listing *l)
{
	uint8_t *seen = calloc(c->stable, 1);
	unsigned once = 0, i;
	bool twice = false;

	for (size_t k = 0; k < l->count; k++) {
		if (sscanf(l->at[k].name, "s%u", &i) != 1)
			continue;
		twice |= seen[i];
		seen[i] = 1;
		once++;
	}
	free(seen);
	return !twice && once == c->stable;
}

static void *list_names(void *arg)
{
	struct company *c = arg;
	struct ct_listing l = {0};
	bool changed;

	do {
		changed = c->changed;
		if (ct_list(c->t, &c->t->dir, 1 + c->stable / 100, &l))
			c->wrong++;
		else if (!listing_is_right(c, &l))
			c->wrong++;
	} while (!changed);
	ct_listing_free(&l);
	return NULL;
}

static void test_big_directory_in_company(void **state)
{
	struct ct *t = *state;
	struct company c = {
		.t = t, .stable = t->c->big, .changes = t->c->big / 5};
	pthread_t threads[4];

	fill_dir(t, &t->dir, "s", c.stable);
	assert_int_equal(
		pthread_create(&threads[0], NULL, change_names, &c), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, list_names, &c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.wrong, 0);
}

/* Nobody changes anything: all who list at once after a restart agree. */
static void *list_same(void *arg)
{
	struct company *c = arg;
	struct ct_listing l = {0};

	if (ct_list(c->t, &c->t->dir, 1000, &l) || l.rejected ||
		!listing_is_right(c, &l))
		c->wrong++;
	ct_listing_free(&l);
	return NULL;
}

static void test_many_list_at_once(void **state)
{
	struct ct *t = *state;
	struct company c = {.t = t, .stable = 2000};
	pthread_t threads[8];

	fill_dir(t, &t->dir, "s", c.stable);
	for (int round = 0; round < 5; round++) {
		ct_restart(t);
		for (int i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
						 list_same, &c),
				0);
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(c.wrong, 0);
	}
}

int contract_run_listings(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_empty),
		ct_test(test_pages),
		ct_test(test_full_page),
		ct_test(test_verifier_is_checked),
		ct_test(test_errors),
		ct_test(test_cookies_are_stable),
		ct_test(test_resume_behind_a_removed_entry),
		ct_test(test_every_listing_is_fresh),
		ct_test(test_big_directory_in_company),
		ct_test(test_many_list_at_once),
	};

	return cmocka_run_group_tests_name("listings", tests, NULL, NULL);
}
