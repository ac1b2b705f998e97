/* SPDX-License-Identifier: MIT */
/* The model of a delegated directory over scripted sequences. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model.h"

struct fixture {
	struct told told;
	struct dircache *m;
};

static struct dircache *make_model(struct told *told, bool ordered)
{
	struct dircache_config config = {.ordered = ordered,
		.echoes = !ordered,
		.tell = told_write,
		.ctx = told};
	struct dircache *m;

	bitmap4_set(&config.keep, FATTR4_SIZE);
	bitmap4_set(&config.keep, FATTR4_OWNER);
	m = dircache_new(&config);
	assert_non_null(m);
	return m;
}

static int begin(void **state, bool ordered)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->m = make_model(&f->told, ordered);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return begin(state, false);
}

static int setup_ordered(void **state)
{
	return begin(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dircache_free(f->m);
	free(f);
	return 0;
}

static void list_one(struct dircache *m, const char *name, uint64_t id)
{
	struct dircache_entry e = entry_of(name, id);

	assert_int_equal(dircache_fill_entry(m, &e), 0);
}

/* Fill with one letter per name; the fileid is the letter. */
static void list_letters(struct dircache *m, const char *letters)
{
	for (; *letters; letters++) {
		char name[2] = {*letters, '\0'};
		struct dircache_entry e = entry_of(name, (uint8_t)*letters);

		e.cookie = 100u + (uint8_t)*letters;
		assert_int_equal(dircache_fill_entry(m, &e), 0);
	}
}

static void fill(struct dircache *m, const char *letters)
{
	dircache_fill_begin(m);
	list_letters(m, letters);
	assert_int_equal(dircache_fill_end(m, 7), 0);
}

static void fill_settled(struct fixture *f, const char *letters)
{
	dircache_quiet(f->m, true);
	fill(f->m, letters);
	dircache_quiet(f->m, false);
	dircache_settle(f->m);
}

static void apply(struct fixture *f, struct dircache_change change)
{
	int err = dircache_apply(f->m, &change);

	if (err)
		fail_msg("%d: %s", err, dircache_contradiction(f->m));
}

static void apply_bad(
	struct fixture *f, struct dircache_change change, const char *why)
{
	assert_int_equal(dircache_apply(f->m, &change), -EILSEQ);
	assert_non_null(dircache_contradiction(f->m));
	if (!strstr(dircache_contradiction(f->m), why))
		fail_msg("\"%s\" does not say \"%s\"",
			dircache_contradiction(f->m), why);
}

static bool append_name(void *ctx, const struct dircache_entry *entry)
{
	strncat(ctx, entry->name.data, entry->name.len);
	return true;
}

static void assert_names(const struct dircache *m, const char *expected)
{
	char names[256] = "";

	dircache_each(m, append_name, names);
	assert_string_equal(names, expected);
	assert_int_equal(dircache_count(m), strlen(expected));
}

static void assert_told(struct fixture *f, const char *expected)
{
	f->told.text[f->told.len] = '\0';
	assert_string_equal(f->told.text, expected);
	f->told.len = 0;
}

/* ---- filling ---- */

static void test_fill(void **state)
{
	struct fixture *f = *state;
	struct dircache_entry e;

	fill(f->m, "abc");
	assert_told(f, "+a +b +c");
	assert_names(f->m, "abc");
	assert_int_equal(dircache_verifier(f->m), 7);
	assert_true(dircache_find(f->m, name_from_str("b"), &e));
	assert_int_equal(e.attr.inode, 'b');
	assert_int_equal(e.cookie, 100 + 'b');
	assert_false(dircache_find(f->m, name_from_str("x"), &e));
}

static void test_quiet(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "abc");
	assert_told(f, "");
	apply(f, add_of("d", 'd'));
	assert_told(f, "+d");
}

static void test_refill_tells_differences(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "abc");
	fill(f->m, "acd");
	assert_told(f, "+d -b");
	fill(f->m, "acd");
	assert_told(f, "");
	assert_false(dircache_is_settled(f->m));
}

static void test_refill_other_object(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	dircache_fill_begin(f->m);
	list_one(f->m, "a", 99);
	list_letters(f->m, "b");
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
	assert_told(f, "-a +a");
}

/* ---- settled: every change told, every contradiction found ---- */

static void test_changes(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "abc");
	apply(f, add_of("d", 'd'));
	apply(f, remove_of("a"));
	apply(f, rename_of("b", "e"));
	apply(f, over(rename_of("e", "c"), "c"));
	apply(f, over(add_of("d", 42), "d"));
	assert_told(f, "+d -a b>e e>c! +d!");
	assert_int_equal(dircache_count(f->m), 2);
	assert_null(dircache_contradiction(f->m));
}

static void test_rename_keeps_what_is_known(void **state)
{
	struct fixture *f = *state;
	struct dircache_entry e;

	fill_settled(f, "a");
	apply(f, rename_of("a", "z"));
	assert_true(dircache_find(f->m, name_from_str("z"), &e));
	assert_int_equal(e.attr.inode, 'a');
	assert_int_equal(e.cookie, COOKIE_NONE);
}

static void test_add_known(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, add_of("a", 'x'), "\"a\" was added, but was there");
	assert_told(f, "+a!");
}

static void test_remove_unknown(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, remove_of("x"), "\"x\" was removed, but was not there");
	assert_told(f, "");
}

static void test_rename_unknown(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, rename_of("x", "y"), "\"x\" was renamed to \"y\"");
	assert_told(f, "+y");
}

static void test_rename_onto_known(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, rename_of("a", "b"), "which was there");
	assert_told(f, "a>b!");
	assert_names(f->m, "b");
}

static void test_overwrites_nothing(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, over(rename_of("a", "x"), "x"), "\"x\" was overwritten");
	fill_settled(f, "ab");
	apply_bad(f, over(add_of("y", 1), "y"), "\"y\" was overwritten");
}

static void test_attrs_of_unknown(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = {
		.kind = CHANGE_CHILD_ATTRS, .entry = entry_of("x", 0)};

	fill_settled(f, "ab");
	apply_bad(f, change, "attributes of \"x\"");
}

static void test_cookies(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = remove_of("a");

	fill_settled(f, "abc");
	change.entry.cookie = 100 + 'a';
	apply(f, change);
	change = rename_of("b", "d");
	change.old.cookie = 5;
	apply_bad(f, change, "cookie 5, but it was");
	change = remove_of("c"); /* not told: nothing to check */
	apply(f, change);
}

static void test_refill_forgives(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "ab");
	apply_bad(f, remove_of("x"), "x");
	fill(f->m, "ab");
	assert_null(dircache_contradiction(f->m));
}

static void test_unknown_kind(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = {.kind = CHANGE_KINDS};

	fill_settled(f, "ab");
	assert_int_equal(dircache_apply(f->m, &change), -EINVAL);
}

/* ---- notifications while the listing is read ---- */

/* Begin, list @before, let @during come, list @after, end. */
static void fill_during(struct fixture *f, const char *before,
	struct dircache_change during, const char *after)
{
	dircache_quiet(f->m, true);
	dircache_fill_begin(f->m);
	list_letters(f->m, before);
	dircache_quiet(f->m, false);
	apply(f, during);
	dircache_quiet(f->m, true);
	list_letters(f->m, after);
	dircache_quiet(f->m, false);
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
}

static void test_add_listed(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "a", add_of("b", 'b'), "bc");
	assert_names(f->m, "abc");
	assert_told(f, "");
}

static void test_add_not_listed(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "b", add_of("a", 'a'), "c");
	assert_names(f->m, "bca");
	assert_told(f, "+a");
}

static void test_remove_listed(void **state)
{
	struct fixture *f = *state;

	/* The page was read, then the change was made and told. */
	fill_during(f, "ab", remove_of("a"), "c");
	assert_names(f->m, "bc");
	assert_told(f, "-a");
}

/* The page was read before the change, but handed over after it was told. */
static void test_remove_overtakes_page(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "", remove_of("a"), "ab");
	assert_names(f->m, "b");
	assert_told(f, "-a");
}

static void test_remove_not_listed(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "", remove_of("a"), "bc");
	assert_names(f->m, "bc");
	assert_told(f, "");
}

static void test_rename_seen(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "", rename_of("a", "b"), "bc");
	assert_names(f->m, "bc");
	assert_told(f, "");
}

static void test_rename_not_seen(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "ac", rename_of("a", "b"), "d");
	assert_names(f->m, "cdb");
	assert_told(f, "a>b");
}

/* The old name in an early page, the new one in a late page. */
static void test_rename_seen_twice(void **state)
{
	struct fixture *f = *state;

	dircache_quiet(f->m, true);
	dircache_fill_begin(f->m);
	list_letters(f->m, "ab");
	apply(f, rename_of("a", "z"));
	list_one(f->m, "z", 'a');
	dircache_quiet(f->m, false);
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
	assert_names(f->m, "bz");
	assert_told(f, "a>z");
}

/* The new name's page was read before, the old name's after the change. */
static void test_rename_seen_never(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "b", rename_of("z", "a"), "c");
	assert_names(f->m, "bca");
	assert_told(f, "+a");
}

static void test_rename_over_listed(void **state)
{
	struct fixture *f = *state;

	fill_during(f, "ab", over(rename_of("a", "b"), "b"), "c");
	assert_names(f->m, "cb");
	assert_told(f, "a>b!");
}

/* "a" is renamed to "b", then made again; both are listed after that. */
static void fill_made_again(struct fixture *f, struct dircache_change renamed)
{
	dircache_fill_begin(f->m);
	apply(f, renamed);
	apply(f, add_of("a", 77));
	list_one(f->m, "b", 'a');
	list_one(f->m, "a", 77);
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
}

static void test_rename_and_made_again(void **state)
{
	struct fixture *f = *state;
	struct dircache_entry e;

	fill_made_again(f, rename_of("a", "b"));
	assert_true(dircache_find(f->m, name_from_str("b"), &e));
	assert_int_equal(e.attr.inode, 'a');
	assert_true(dircache_find(f->m, name_from_str("a"), &e));
	assert_int_equal(e.attr.inode, 77);
}

/* The new name was there before: it may be either. */
static void test_rename_over_and_made_again(void **state)
{
	struct fixture *f = *state;
	struct dircache_entry e;

	fill_made_again(f, over(rename_of("a", "b"), "b"));
	assert_true(dircache_find(f->m, name_from_str("b"), &e));
	assert_false(bitmap4_has(&e.mask, FATTR4_FILEID));
}

static void test_removed_and_made_again(void **state)
{
	struct fixture *f = *state;
	struct dircache_entry e;

	dircache_quiet(f->m, true);
	dircache_fill_begin(f->m);
	apply(f, remove_of("a"));
	apply(f, add_of("a", 77));
	list_one(f->m, "a", 77); /* the new one is what is listed */
	dircache_quiet(f->m, false);
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
	assert_told(f, "-a +a");
	assert_true(dircache_find(f->m, name_from_str("a"), &e));
	assert_int_equal(e.attr.inode, 77);
}

/* After the fill's end but before it is settled the same holds. */
static void test_late_notifications(void **state)
{
	struct fixture *f = *state;

	dircache_quiet(f->m, true);
	fill(f->m, "abc");
	dircache_quiet(f->m, false);
	apply(f, add_of("b", 'b'));
	apply(f, remove_of("x"));
	assert_told(f, "");
	/* But only once: the first one explained the listing. */
	apply_bad(f, add_of("b", 'b'), "was added");
}

/* The waiting ones are copies: their memory may go. */
static void test_waiting_are_copies(void **state)
{
	struct fixture *f = *state;
	char name[] = "new", handle[] = "fh";
	struct dircache_change change = add_of(name, 5);
	struct dircache_entry e;

	bitmap4_set(&change.entry.mask, FATTR4_FILEHANDLE);
	change.entry.handle = xdr_opaque_from(handle, 2);
	dircache_fill_begin(f->m);
	apply(f, change);
	memset(name, 'x', 3);
	memset(handle, 'x', 2);
	assert_int_equal(dircache_fill_end(f->m, 7), 0);
	assert_true(dircache_find(f->m, name_from_str("new"), &e));
	assert_memory_equal(e.handle.data, "fh", 2);
}

/* ---- attributes ---- */

static void test_attributes(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = {
		.kind = CHANGE_CHILD_ATTRS, .entry = entry_of("a", 0)};
	struct dircache_entry e;

	fill_settled(f, "ab");
	bitmap4_set(&change.entry.mask, FATTR4_SIZE);
	bitmap4_set(&change.entry.mask, FATTR4_MODE); /* not kept */
	change.entry.attr.size = 4711;
	apply(f, change);
	assert_told(f, "~a");
	assert_true(dircache_find(f->m, name_from_str("a"), &e));
	assert_int_equal(e.attr.size, 4711);
	assert_int_equal(e.attr.inode, 'a');
	assert_false(bitmap4_has(&e.mask, FATTR4_MODE));
}

static void test_dir_attributes(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = {.kind = CHANGE_DIR_ATTRS};
	const struct attr *attr;
	bitmap4 mask;

	bitmap4_set(&change.entry.mask, FATTR4_CHANGE);
	change.entry.attr.change = 12;
	apply(f, change);
	attr = dircache_dir_attr(f->m, &mask);
	assert_true(bitmap4_has(&mask, FATTR4_CHANGE));
	assert_int_equal(attr->change, 12);
}

static void test_verifier(void **state)
{
	struct fixture *f = *state;
	struct dircache_change change = {.kind = CHANGE_COOKIE_VERIFIER,
		.old_verifier = 7,
		.new_verifier = 8};
	struct dircache_entry e;

	fill_settled(f, "ab");
	apply(f, change);
	assert_int_equal(dircache_verifier(f->m), 8);
	assert_true(dircache_find(f->m, name_from_str("a"), &e));
	assert_int_equal(e.cookie, COOKIE_NONE);
	apply_bad(f, change, "verifier");
}

static struct dircache_change behind(
	struct dircache_change change, const char *previous, bool last)
{
	change.has_previous = previous != NULL;
	if (previous)
		change.previous = name_from_str(previous);
	change.last = last;
	return change;
}

/* ---- what knfsd says of a rename ---- */

static void test_echoes(void **state)
{
	struct fixture *f = *state;
	struct dircache_change attrs = {.kind = CHANGE_DIR_ATTRS};

	fill_settled(f, "abc");
	apply(f, rename_of("a", "x"));
	apply(f, remove_of("a"));
	apply(f, attrs);
	apply(f, add_of("x", 'a'));
	apply(f, over(rename_of("b", "c"), "c"));
	apply(f, remove_of("b"));
	apply(f, over(add_of("c", 'b'), "c"));
	assert_told(f, "a>x b>c!");
}

static void test_no_echoes(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "abc");
	apply(f, rename_of("a", "x"));
	apply(f, add_of("y", 1)); /* in between: then it is none */
	apply_bad(f, remove_of("a"), "\"a\" was removed");
	fill_settled(f, "abc");
	apply(f, rename_of("a", "x"));
	apply(f, remove_of("a"));
	apply_bad(f, remove_of("a"), "\"a\" was removed"); /* only once */
	fill_settled(f, "abc");
	apply(f, rename_of("a", "x"));
	apply_bad(f, add_of("x", 99), "\"x\" was added"); /* another file */
	fill_settled(f, "abc");
	apply(f, rename_of("a", "x"));
	apply(f, remove_of("x")); /* a real one */
	apply(f, add_of("a", 1));
	assert_names(f->m, "bca");
}

static void test_echo_not_asked_for(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "abc");
	apply(f, behind(rename_of("a", "x"), "c", true));
	apply_bad(f, remove_of("a"), "\"a\" was removed");
}

/* ---- order ---- */

static void test_order(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "bdf");
	apply(f, behind(add_of("c", 1), "b", false));
	apply(f, behind(add_of("a", 1), NULL, false));
	apply(f, behind(add_of("g", 1), "f", true));
	assert_names(f->m, "abcdfg");
	apply(f, behind(rename_of("a", "e"), "d", false));
	assert_names(f->m, "bcdefg");
	apply_bad(f, behind(add_of("x", 1), "nobody", false), "nobody");
}

static void test_order_last(void **state)
{
	struct fixture *f = *state;

	fill_settled(f, "bdf");
	apply_bad(f, behind(add_of("c", 1), "b", true), "last entry");
	fill_settled(f, "bdf");
	apply_bad(f, behind(add_of("g", 1), "f", false), "not said");
}

/* ---- comparing ---- */

static void assert_differs(const struct dircache *a, const struct dircache *b,
	const struct dircache_compare *how, const char *expected)
{
	char why[200];

	assert_false(dircache_equal(a, b, how, why, sizeof(why)));
	if (!strstr(why, expected))
		fail_msg("\"%s\" does not say \"%s\"", why, expected);
}

static void test_equal(void **state)
{
	struct fixture *f = *state;
	struct told told = {.len = 0};
	struct dircache *b = make_model(&told, false);
	struct dircache_compare how = {.cookies = true, .order = true};
	struct dircache_entry e;
	char why[200];

	bitmap4_set(&how.attrs, FATTR4_FILEID);
	bitmap4_set(&how.attrs, FATTR4_SIZE);
	fill(f->m, "abc");
	fill(b, "abc");
	assert_true(dircache_equal(f->m, b, &how, why, sizeof(why)));
	assert_string_equal(why, "");
	fill(b, "abcd");
	assert_differs(f->m, b, &how, "\"d\" is in the listing");
	fill(b, "ab");
	assert_differs(f->m, b, &how, "\"c\" is in the model");
	fill(b, "acb");
	assert_differs(f->m, b, &how, "goes on with \"b\"");
	how.order = false;
	assert_true(dircache_equal(f->m, b, &how, why, sizeof(why)));

	e = entry_of("a", 'a');
	e.cookie = 3;
	dircache_fill_entry(b, &e);
	assert_differs(f->m, b, &how, "cookie 197 in the model, 3");
	how.cookies = false;
	e = entry_of("a", 55);
	dircache_fill_entry(b, &e);
	assert_differs(f->m, b, &how, "attribute 20 is 97 in the model, 55");
	dircache_free(b);
}

static void test_equal_demand(void **state)
{
	struct fixture *f = *state;
	struct told told = {.len = 0};
	struct dircache *b = make_model(&told, false);
	struct dircache_compare how = {.demand = true};
	struct dircache_entry e = entry_of("a", 'a');

	bitmap4_set(&how.attrs, FATTR4_SIZE);
	fill(f->m, "a");
	bitmap4_set(&e.mask, FATTR4_SIZE);
	dircache_fill_begin(b);
	dircache_fill_entry(b, &e);
	dircache_fill_end(b, 7);
	assert_differs(f->m, b, &how, "attribute 4 is not known");
	dircache_free(b);
}

static void test_equal_handles(void **state)
{
	struct fixture *f = *state;
	struct told told = {.len = 0};
	struct dircache *b = make_model(&told, false);
	struct dircache_compare how = {.demand = false};
	struct dircache_entry e = entry_of("a", 1);

	bitmap4_set(&how.attrs, FATTR4_FILEHANDLE);
	bitmap4_set(&e.mask, FATTR4_FILEHANDLE);
	e.handle = xdr_opaque_from("one", 3);
	dircache_fill_entry(f->m, &e);
	e.handle = xdr_opaque_from("two", 3);
	dircache_fill_entry(b, &e);
	assert_differs(f->m, b, &how, "filehandles differ");
	dircache_free(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_ORDERED(f) \
	cmocka_unit_test_setup_teardown(f, setup_ordered, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fill),
		TEST(test_quiet),
		TEST(test_refill_tells_differences),
		TEST(test_refill_other_object),
		TEST(test_changes),
		TEST(test_rename_keeps_what_is_known),
		TEST(test_add_known),
		TEST(test_remove_unknown),
		TEST(test_rename_unknown),
		TEST(test_rename_onto_known),
		TEST(test_overwrites_nothing),
		TEST(test_attrs_of_unknown),
		TEST(test_cookies),
		TEST(test_refill_forgives),
		TEST(test_unknown_kind),
		TEST(test_add_listed),
		TEST(test_add_not_listed),
		TEST(test_remove_listed),
		TEST(test_remove_overtakes_page),
		TEST(test_remove_not_listed),
		TEST(test_rename_seen),
		TEST(test_rename_not_seen),
		TEST(test_rename_seen_twice),
		TEST(test_rename_seen_never),
		TEST(test_rename_over_listed),
		TEST(test_rename_and_made_again),
		TEST(test_rename_over_and_made_again),
		TEST(test_removed_and_made_again),
		TEST(test_late_notifications),
		TEST(test_waiting_are_copies),
		TEST(test_attributes),
		TEST(test_dir_attributes),
		TEST(test_verifier),
		TEST(test_echoes),
		TEST(test_no_echoes),
		TEST_ORDERED(test_echo_not_asked_for),
		TEST_ORDERED(test_order),
		TEST_ORDERED(test_order_last),
		TEST(test_equal),
		TEST(test_equal_demand),
		TEST(test_equal_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
