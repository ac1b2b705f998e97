/* SPDX-License-Identifier: MIT */
/*
 * One encoding of a change for all who were promised the same, and never for
 * anybody else: two holders of each kind, one of them slower.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg_count.h"

/* What a holder asks for; without `classic` it is order-aware. */
struct terms {
	const char *path;
	bool classic;
	bool handles;   /* of children */
	bool dir_attrs; /* of the directory itself */
};

#define KINDS_MAX 5

/* Holders that answer at once, and their doubles, who do not. */
struct crowd {
	struct rig r;
	size_t kinds;
	struct peer prompt[KINDS_MAX], slow[KINDS_MAX];
	struct peer mutator;
};

static void hold(struct peer *p, const struct terms *terms)
{
	GET_DIR_DELEGATION4args wanted = {
		.gdda_notification_types.word[0] = ENTRIES};
	bitmap4 *types = &wanted.gdda_notification_types;

	if (!terms->classic)
		bitmap4_clear(types, NOTIFY4_GFLAG_EXTEND);
	bitmap4_set(&wanted.gdda_child_attributes, FATTR4_FILEID);
	if (terms->handles)
		bitmap4_set(&wanted.gdda_child_attributes, FATTR4_FILEHANDLE);
	if (terms->dir_attrs) {
		bitmap4_set(types, NOTIFY4_CHANGE_DIR_ATTRS);
		bitmap4_set(&wanted.gdda_dir_attributes, FATTR4_CHANGE);
	}
	take_dir_delegation_as(p, terms->path, &wanted);
}

/* Both of a kind ask for the same, but for the way there. */
static void begin(struct crowd *c, const struct terms *terms,
	const struct terms *slow, size_t kinds)
{
	static const char *const owners[2][KINDS_MAX] = {
		{"p0", "p1", "p2", "p3", "p4"}, {"s0", "s1", "s2", "s3", "s4"}};

	*c = (struct crowd){.kinds = kinds};
	rig_init_exports(&c->r, RIG_OVERLAP, NULL);
	rig_make(&c->r, "dir", OBJECT_DIR, 0777);
	peer_init(&c->mutator, c->r.server, "mutator");
	for (size_t i = 0; i < kinds; i++) {
		peer_init(&c->prompt[i], c->r.server, owners[0][i]);
		peer_init(&c->slow[i], c->r.server, owners[1][i]);
		hold(&c->prompt[i], &terms[i]);
		hold(&c->slow[i], &slow[i]);
	}
}

static void end(struct crowd *c)
{
	for (size_t i = 0; i < c->kinds; i++) {
		peer_fini(&c->prompt[i]);
		peer_fini(&c->slow[i]);
	}
	peer_fini(&c->mutator);
	rig_fini(&c->r);
}

static void make(struct crowd *c, const char *name)
{
	peer_begin(&c->mutator);
	ask_path(&c->mutator, "one/dir");
	ask_create(&c->mutator, name, NF4DIR);
	assert_int_equal(peer_call(&c->mutator), NFS4_OK);
}

static uint64_t encodings(struct crowd *c)
{
	struct deleg_stats stats;

	deleg_stats_read(c->r.server->state, &stats);
	return stats.encodings;
}

/* A change that everybody is sent, and the slow ones leave lying there. */
static void occupy_the_slow_ones(struct crowd *c)
{
	make(c, "first");
	for (size_t i = 0; i < c->kinds; i++) {
		peer_serve_until(&c->prompt[i], &c->prompt[i].notifies, 1);
		assert_true(peer_has_reply(&c->slow[i], PEER_PATIENCE_MS));
	}
}

static void assert_told_alike(const struct peer *a, const struct peer *b)
{
	assert_int_equal(a->cb_told_size, b->cb_told_size);
	assert_memory_equal(a->cb_told, b->cb_told, a->cb_told_size);
}

/*
 * The next change: the prompt ones are told, then their doubles. Returns how
 * many encodings the former took; the latter take none.
 */
static uint64_t tell_one_after_the_other(struct crowd *c)
{
	uint64_t before, between;

	occupy_the_slow_ones(c);
	before = encodings(c);
	make(c, "second");
	for (size_t i = 0; i < c->kinds; i++)
		peer_serve_until(&c->prompt[i], &c->prompt[i].notifies, 2);
	between = encodings(c);
	for (size_t i = 0; i < c->kinds; i++) {
		peer_serve_until(&c->slow[i], &c->slow[i].notifies, 2);
		assert_told_alike(&c->prompt[i], &c->slow[i]);
	}
	assert_int_equal(encodings(c), between);
	return between - before;
}

static void dd07_one_encoding_serves_holders_with_the_same_masks(void **state)
{
	static const struct terms terms[] = {
		{"one/dir", .classic = true},
		{"one/dir", .classic = true, .handles = true},
		{"two/dir", .classic = true, .handles = true},
		{"one/dir", .classic = false},
	};
	struct crowd c;

	begin(&c, terms, terms, 4);
	assert_int_equal(tell_one_after_the_other(&c), 4);
	for (size_t i = 0; i < 4; i++) {
		struct handle child;

		assert_int_equal(
			c.slow[i].cb_cookie != COOKIE_NONE, !terms[i].classic);
		if (!terms[i].handles)
			continue;
		child = handle_of(&c.mutator,
			i == 1 ? "one/dir/second" : "two/dir/second");
		assert_int_equal(c.slow[i].cb_child.len, child.len);
		assert_memory_equal(
			c.slow[i].cb_child.data, child.data, child.len);
	}
	end(&c);
}

/* Without filehandles it does not matter by which export one looks. */
static void dd07_two_exports_share_what_is_the_same_in_both(void **state)
{
	static const struct terms one = {"one/dir", .classic = true};
	static const struct terms two = {"two/dir", .classic = true};
	struct crowd c;

	begin(&c, &one, &two, 1);
	assert_int_equal(tell_one_after_the_other(&c), 1);
	end(&c);
}

/* CHANGE_DIR_ATTRS at the end of a batch is one for all, too. */
static void dd07_dir_attrs_are_encoded_once(void **state)
{
	static const struct terms terms[] = {
		{"one/dir", .classic = true, .dir_attrs = true},
		{"one/dir", .dir_attrs = true},
	};
	struct crowd c;

	begin(&c, terms, terms, 2);
	/* The changes themselves; the attributes once or, at a time, twice. */
	assert_in_range(tell_one_after_the_other(&c), 3, 4);
	assert_int_equal(c.slow[0].events, 4);
	assert_int_equal(c.slow[1].kinds[3], CHANGE_DIR_ATTRS);
	end(&c);
}

/* More kinds of holders than an event keeps forms for: all are told. */
static void dd07_more_kinds_than_forms_are_told_as_well(void **state)
{
	static const struct terms terms[] = {
		{"one/dir", .classic = true},
		{"one/dir", .classic = true, .handles = true},
		{"two/dir", .classic = true, .handles = true},
		{"one/dir", .classic = false},
		{"two/dir", .classic = false, .handles = true},
	};
	struct crowd c;

	begin(&c, terms, terms, 5);
	occupy_the_slow_ones(&c);
	make(&c, "second");
	for (size_t i = 0; i < 5; i++) {
		peer_serve_until(&c.prompt[i], &c.prompt[i].notifies, 2);
		peer_serve_until(&c.slow[i], &c.slow[i].notifies, 2);
		assert_told_alike(&c.prompt[i], &c.slow[i]);
	}
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			dd07_one_encoding_serves_holders_with_the_same_masks),
		cmocka_unit_test(
			dd07_two_exports_share_what_is_the_same_in_both),
		cmocka_unit_test(dd07_dir_attrs_are_encoded_once),
		cmocka_unit_test(dd07_more_kinds_than_forms_are_told_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
