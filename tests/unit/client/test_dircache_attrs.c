/* SPDX-License-Identifier: MIT */
/* What a model knows of attributes, what it takes, and what is told of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/dirattr.h"
#include "client/policy_attrs.h"
#include "model.h"
#include "proto/nfs4.h"

/* ---- packed attributes ---- */

static void fill_random(void *to, size_t size, unsigned *seed)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)rand_r(seed);
}

static bitmap4 random_mask(unsigned *seed)
{
	bitmap4 known = dirattr_known(), mask = {.beyond = false};
	unsigned bit;

	bitmap4_for_each(bit, &known) {
		if (rand_r(seed) % 2)
			bitmap4_set(&mask, bit);
	}
	return mask;
}

static void test_packed(void **state)
{
	unsigned seed = 1;

	for (int i = 0; i < 1000; i++) {
		bitmap4 mask = random_mask(&seed), told = random_mask(&seed);
		bitmap4 differ, both = bitmap4_and(&mask, &told);
		struct attr a, b, out;
		uint8_t packed[sizeof(struct attr)];

		fill_random(&a, sizeof(a), &seed);
		fill_random(&b, sizeof(b), &seed);
		assert_true(dirattr_packed_size(&mask) <= sizeof(packed));
		dirattr_pack(packed, &a, &mask, &mask);
		dirattr_pack(packed, &b, &mask, &told);
		memset(&out, 0, sizeof(out));
		dirattr_unpack(&out, packed, &mask);
		differ = dirattr_differences(&out, &b, &both);
		assert_true(bitmap4_empty(&differ));
		both = bitmap4_minus(&mask, &told);
		differ = dirattr_differences(&out, &a, &both);
		assert_true(bitmap4_empty(&differ));
	}
}

/* ---- what is told of them ---- */

struct heard {
	unsigned times;
	struct attr before, after;
	bitmap4 before_mask, after_mask;
};

static void hear(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	struct heard *h = ctx;

	if (event != DIRCACHE_ATTRS)
		return;
	h->times++;
	h->before = replaced->attr;
	h->before_mask = replaced->mask;
	h->after = entry->attr;
	h->after_mask = entry->mask;
}

static struct dircache *model_of(
	struct heard *heard, struct dircache_budget *budget)
{
	struct dircache_config config = {.keep = policy_attrs_watched(),
		.budget = budget,
		.tell = hear,
		.ctx = heard};
	struct dircache *m = dircache_new(&config);

	assert_non_null(m);
	return m;
}

static struct dircache_entry sized(const char *name, uint64_t size)
{
	struct dircache_entry e = entry_of(name, (uint8_t)*name);

	bitmap4_set(&e.mask, FATTR4_SIZE);
	e.attr.size = size;
	return e;
}

static void list_one(struct dircache *m, struct dircache_entry e)
{
	dircache_fill_begin(m);
	assert_int_equal(dircache_fill_entry(m, &e), 0);
	assert_int_equal(dircache_fill_end(m, 0), 0);
}

static void test_before_and_after(void **state)
{
	struct heard heard = {.times = 0};
	struct dircache *m = model_of(&heard, NULL);
	struct dircache_change change = {
		.kind = CHANGE_CHILD_ATTRS, .entry = sized("x", 7)};

	list_one(m, sized("x", 5));
	assert_int_equal(dircache_apply(m, &change), 0);
	assert_int_equal(heard.times, 1);
	assert_int_equal(heard.before.size, 5);
	assert_int_equal(heard.after.size, 7);
	assert_true(bitmap4_has(&heard.before_mask, FATTR4_SIZE));
	list_one(m, sized("x", 7));
	assert_int_equal(heard.times, 1);
	list_one(m, sized("x", 9));
	assert_int_equal(heard.times, 2);
	assert_int_equal(heard.before.size, 7);
	assert_int_equal(heard.after.size, 9);
	dircache_free(m);
}

/* What becomes known was not another value before. */
static void test_unknown_before(void **state)
{
	struct heard heard = {.times = 0};
	struct dircache *m = model_of(&heard, NULL);

	list_one(m, entry_of("x", 'x'));
	list_one(m, sized("x", 9));
	assert_int_equal(heard.times, 0);
	dircache_free(m);
}

/* ---- what a model may take ---- */

static void test_budget(void **state)
{
	struct dircache_budget budget = {.limit = 4096};
	struct heard heard = {.times = 0};
	struct dircache *m = model_of(&heard, &budget);
	char name[32];
	int err = 0, n = 0;

	dircache_fill_begin(m);
	for (; err == 0; n++) {
		struct dircache_entry e;

		snprintf(name, sizeof(name), "entry-%d", n);
		e = sized(name, 1);
		bitmap4_set(&e.mask, FATTR4_FILEHANDLE);
		e.handle = xdr_opaque_from(name, 20);
		err = dircache_fill_entry(m, &e);
		assert_true(budget.used <= budget.limit);
		assert_true(n < 100);
	}
	assert_int_equal(err, -ENOMEM);
	assert_true(n > 10);
	dircache_free(m);
	assert_int_equal(budget.used, 0);
}

static void test_budget_of_changes(void **state)
{
	struct dircache_budget budget = {.limit = 2048};
	struct heard heard = {.times = 0};
	struct dircache *m = model_of(&heard, &budget);
	struct dircache_change remove = remove_of("x");
	struct dircache_change add = add_of("x", 1);
	uint8_t handle[100] = {0};
	size_t one;

	list_one(m, sized("a", 1));
	dircache_settle(m);
	one = budget.used;
	for (int i = 0; i < 100; i++) {
		bitmap4_set(&add.entry.mask, FATTR4_FILEHANDLE);
		add.entry.handle = xdr_opaque_from(handle, 1 + i % 100u);
		assert_int_equal(dircache_apply(m, &add), 0);
		assert_int_equal(dircache_apply(m, &remove), 0);
		assert_int_equal(budget.used, one);
	}
	for (int i = 0; i < 100; i++) { /* learn other handles */
		struct dircache_change change = {
			.kind = CHANGE_CHILD_ATTRS, .entry = sized("a", 2)};

		bitmap4_set(&change.entry.mask, FATTR4_FILEHANDLE);
		handle[0]++;
		change.entry.handle = xdr_opaque_from(handle, 50);
		assert_int_equal(dircache_apply(m, &change), 0);
		assert_int_equal(budget.used, one + 50);
	}
	dircache_free(m);
	assert_int_equal(budget.used, 0);
}

/* ---- leaving out what a listing did not have, one by one ---- */

static void test_prune(void **state)
{
	struct told told = {.len = 0};
	struct dircache_config config = {.tell = told_write, .ctx = &told};
	struct dircache *m = dircache_new(&config);
	struct dircache_entry e;
	static const char names[][2] = {"a", "b", "c", "d"};

	dircache_fill_begin(m);
	for (int i = 0; i < 4; i++) {
		e = entry_of(names[i], (uint64_t)i + 1);
		assert_int_equal(dircache_fill_entry(m, &e), 0);
	}
	assert_int_equal(dircache_fill_end(m, 0), 0);
	told.len = 0;
	dircache_fill_begin(m);
	e = entry_of("c", 3);
	assert_int_equal(dircache_fill_entry(m, &e), 0);
	assert_true(dircache_fill_prune(m));
	assert_string_equal(told.text, "-a");
	/* given up: what was listed last is the next one's business */
	dircache_fill_begin(m);
	e = entry_of("d", 4);
	assert_int_equal(dircache_fill_entry(m, &e), 0);
	assert_int_equal(dircache_fill_end(m, 0), 0);
	assert_string_equal(told.text, "-a -b -c");
	assert_false(dircache_fill_prune(m));
	assert_int_equal(dircache_count(m), 1);
	dircache_free(m);
}

/* A server whose listing never ends. */
static void test_round_in_circles(void **state)
{
	struct dircache_config config = {.tell = NULL};
	struct dircache *m = dircache_new(&config);
	static const char names[][2] = {"a", "b", "c"};
	int err = 0, n = 0;

	dircache_fill_begin(m);
	for (; err == 0; n++) {
		struct dircache_entry e = entry_of(names[n % 3], 1);

		err = dircache_fill_entry(m, &e);
		assert_true(n < 10000);
	}
	assert_int_equal(err, -EPROTO);
	assert_true(n > 100);
	dircache_free(m);
}

/* ---- the decision ---- */

static bool any(const bitmap4 *b, unsigned x, unsigned y, unsigned z)
{
	return bitmap4_has(b, x) || bitmap4_has(b, y) || bitmap4_has(b, z);
}

static void check_verdict(
	enum object_type type, const bitmap4 *changed, bool told)
{
	struct policy_attrs_verdict v = policy_attrs_judge(type, changed, told);
	bool rights =
		any(changed, FATTR4_MODE, FATTR4_OWNER, FATTR4_OWNER_GROUP);
	bool nothing = bitmap4_empty(changed);

	if (type == OBJECT_DIR) {
		assert_false(v.modify);
		assert_false(nothing && v.attrib);
		assert_true(!rights || v.attrib);
		/* what happens in it moves all of these */
		if (any(changed, FATTR4_SIZE, FATTR4_TIME_MODIFY,
			    FATTR4_NUMLINKS))
			assert_int_equal(v.attrib, rights);
		return;
	}
	assert_int_equal(v.modify,
		any(changed, FATTR4_SIZE, FATTR4_TIME_MODIFY, FATTR4_SIZE));
	assert_true(!rights || v.attrib);
	assert_true(!bitmap4_has(changed, FATTR4_NUMLINKS) || v.attrib);
	/* something is told whenever something changed, and only then */
	assert_int_equal(v.modify || v.attrib, !nothing || told);
}

static void test_verdicts(void **state)
{
	bitmap4 watched = policy_attrs_watched();

	for (int type = OBJECT_NONE; type <= OBJECT_FIFO; type++) {
		for (unsigned set = 0; set < 1u << 7; set++) {
			bitmap4 changed = {.beyond = false};
			unsigned bit, i = 0;

			bitmap4_for_each(bit, &watched) {
				if (set >> i++ & 1)
					bitmap4_set(&changed, bit);
			}
			assert_int_equal(i, 7);
			check_verdict((enum object_type)type, &changed, false);
			check_verdict((enum object_type)type, &changed, true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_before_and_after),
		cmocka_unit_test(test_unknown_before),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_budget_of_changes),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_round_in_circles),
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
