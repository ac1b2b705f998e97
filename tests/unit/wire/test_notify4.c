/* SPDX-License-Identifier: MIT */
/* Notifications: what can be told, how large it is, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

static const struct fattr4_server server = {.notifications = true};
static const uint8_t handle[NFS4_FHSIZE] = {1, 2, 3};

static struct rand_stream stream;

static uint64_t below(uint64_t bound)
{
	return rand_stream_below(&stream, bound);
}

/* Filehandles as long as the child's id, and owners with a name. */
static bool resolve(void *context, const struct change_entry *entry,
	struct fattr4_source *src)
{
	src->fh = xdr_opaque_from(handle, entry->child.len);
	src->owner = *(struct xdr_opaque *)context;
	return true;
}

static bool resolve_fails(void *context, const struct change_entry *entry,
	struct fattr4_source *src)
{
	return false;
}

static struct name random_name(void)
{
	static const char letters[NAME_LEN_MAX] = "names are only bytes";

	return (struct name){1 + (uint32_t)below(NAME_LEN_MAX), letters};
}

static struct change_entry random_entry(void)
{
	return (struct change_entry){
		.name = random_name(),
		.cookie = 3 + below(INT64_MAX - 3),
		.child = {.len = 1 + (uint8_t)below(FILEID_MAX)},
		.has_attr = true,
		.attr = {.type = OBJECT_FILE,
			.uid = (uint32_t)below(UINT32_MAX),
			.has_btime = true},
	};
}

static struct dir_change random_change(void)
{
	struct dir_change c = {
		.kind = (enum change_kind)below(CHANGE_KINDS),
		.entry = random_entry(),
		.old = random_entry(),
		.has_overwritten = below(2),
		.overwritten = random_entry(),
		.has_previous = below(2),
		.previous = random_name(),
		.previous_cookie = 3 + below(100),
		.last = below(2),
		.old_verifier = 1,
		.new_verifier = 2,
	};

	if (c.kind == CHANGE_DIR_ATTRS)
		c.entry.name.len = 0;
	return c;
}

static struct notify4_terms random_terms(struct xdr_opaque *owner)
{
	bitmap4 child = {.word = {(uint32_t)rand_stream_next(&stream),
				 (uint32_t)rand_stream_next(&stream)}};
	bitmap4 dir = child;
	bitmap4 can_child = fattr4_child_notifiable();
	bitmap4 can_dir = fattr4_dir_notifiable();

	return (struct notify4_terms){
		.child_attrs = bitmap4_and(&child, &can_child),
		.dir_attrs = bitmap4_and(&dir, &can_dir),
		.ordered = below(2),
		.server = &server,
		.resolve = resolve,
		.context = owner,
	};
}

static void check_back(const struct dir_change *c,
	const struct notify4_terms *terms, const struct notify4_event *e)
{
	bool moves = c->kind >= CHANGE_REMOVE_ENTRY &&
		c->kind <= CHANGE_RENAME_ENTRY;
	bool places =
		c->kind == CHANGE_ADD_ENTRY || c->kind == CHANGE_RENAME_ENTRY;

	assert_int_equal(e->change.kind, c->kind);
	if (c->kind == CHANGE_COOKIE_VERIFIER)
		return;
	assert_true(name_equal(e->change.entry.name, c->entry.name));
	if (moves)
		assert_true(e->change.entry.cookie ==
			(terms->ordered ? c->entry.cookie : COOKIE_NONE));
	if (c->kind == CHANGE_RENAME_ENTRY)
		assert_true(name_equal(e->change.old.name, c->old.name));
	if (!places)
		return;
	assert_int_equal(e->change.has_overwritten, c->has_overwritten);
	assert_int_equal(
		e->change.has_previous, terms->ordered && c->has_previous);
	assert_int_equal(e->change.last, terms->ordered && c->last);
	assert_true(bitmap4_equal(&e->values.mask, &terms->child_attrs));
}

static void any_change_has_its_size_and_comes_back(void **state)
{
	struct xdr_opaque owner = xdr_opaque_from_str("owner@example");
	uint8_t buf[8192];

	stream.state = 11;
	for (int i = 0; i < 5000; i++) {
		struct notify4_terms terms = random_terms(&owner);
		struct dir_change change = random_change();
		size_t size = notify4_size(&change, &terms);
		struct notify4_reader r;
		struct notify4_event e;
		struct arena arena;
		notify4 given;
		struct xdr x;

		assert_true(size > 0 && size <= notify4_size_max(&terms));
		xdr_init_encode(&x, buf, sizeof(buf));
		assert_true(notify4_put(&x, &change, &terms));
		assert_int_equal(xdr_pos(&x), size);

		arena_init(&arena, 1 << 16);
		xdr_init_decode(&x, buf, size, &arena);
		assert_true(nfs4_get_notify4(&x, &given));
		notify4_read_init(&r, &given, &arena);
		assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_EVENT);
		check_back(&change, &terms, &e);
		assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_END);
		assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_END);
		arena_fini(&arena);
	}
}

/* What cannot be told writes nothing and leaves the cursor good. */
static void assert_untold(
	const struct dir_change *c, const struct notify4_terms *terms)
{
	uint8_t buf[1024];
	struct xdr x;

	assert_int_equal(notify4_size(c, terms), 0);
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_false(notify4_put(&x, c, terms));
	assert_int_equal(xdr_pos(&x), 0);
	assert_false(x.bad);
}

static void missing_attributes_are_not_told(void **state)
{
	struct xdr_opaque owner = {0, NULL};
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY,
		.entry = {.name = name_from_str("n"), .child = {.len = 1}}};
	struct notify4_terms terms = {.server = &server, .context = &owner};

	assert_int_not_equal(notify4_size(&c, &terms), 0);
	bitmap4_set(&terms.child_attrs, FATTR4_SIZE);
	assert_untold(&c, &terms);
	c.entry.has_attr = true;
	assert_int_not_equal(notify4_size(&c, &terms), 0);
	bitmap4_set(&terms.child_attrs, FATTR4_FILEHANDLE);
	assert_untold(&c, &terms);
	terms.resolve = resolve;
	assert_int_not_equal(notify4_size(&c, &terms), 0);
	terms.resolve = resolve_fails;
	assert_untold(&c, &terms);
	terms.resolve = resolve;
	bitmap4_set(&terms.child_attrs, FATTR4_TIME_CREATE);
	assert_untold(&c, &terms);    /* the store has no such time */
	c.kind = CHANGE_REMOVE_ENTRY; /* needs none of it */
	assert_int_not_equal(notify4_size(&c, &terms), 0);
}

static void missing_order_is_not_told(void **state)
{
	struct notify4_terms terms = {.server = &server, .ordered = true};
	struct dir_change good = {.kind = CHANGE_RENAME_ENTRY,
		.entry = {.name = name_from_str("n"), .cookie = 3},
		.old = {.name = name_from_str("o"), .cookie = 4},
		.has_overwritten = true,
		.overwritten = {.name = name_from_str("n"), .cookie = 3},
		.has_previous = true,
		.previous = name_from_str("p"),
		.previous_cookie = 5};
	struct dir_change c = good;

	assert_int_not_equal(notify4_size(&c, &terms), 0);
	c.entry.cookie = COOKIE_NONE;
	assert_untold(&c, &terms);
	c = good;
	c.old.cookie = COOKIE_NONE;
	assert_untold(&c, &terms);
	c = good;
	c.overwritten.cookie = COOKIE_NONE;
	assert_untold(&c, &terms);
	c = good;
	c.previous_cookie = COOKIE_NONE;
	assert_untold(&c, &terms);
	c = good;
	c.no_position = true;
	assert_untold(&c, &terms);
	terms.ordered = false;
	assert_int_not_equal(notify4_size(&c, &terms), 0);
}

/* ---- reading what others write ---- */

static uint8_t body[256];
static struct xdr out;
static notify4 given;
static struct arena arena;

static struct notify4_reader reader(uint32_t mask)
{
	struct notify4_reader r;

	given = (notify4){.notify_mask = {.word = {mask}},
		.notify_vals = {(uint32_t)xdr_pos(&out), body}};
	notify4_read_init(&r, &given, &arena);
	return r;
}

static void put_removed(const char *name)
{
	struct xdr_opaque text = xdr_opaque_from_str(name);

	xdr_put_opaque_var(&out, &text, UINT32_MAX);
	xdr_put_u64(&out, 0);
	xdr_put_u64(&out, 0);
}

static int setup(void **state)
{
	arena_init(&arena, 1 << 16);
	xdr_init_encode(&out, body, sizeof(body));
	return 0;
}

static int teardown(void **state)
{
	arena_fini(&arena);
	return 0;
}

/* The standard leaves room for it: values in ascending order of the bits. */
static void one_mask_may_hold_several_changes(void **state)
{
	struct notify4_reader r;
	struct notify4_event e;

	put_removed("a");
	xdr_put_u64(&out, 1);
	xdr_put_u64(&out, 2);
	r = reader(1 << CHANGE_REMOVE_ENTRY | 1 << CHANGE_COOKIE_VERIFIER);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_EVENT);
	assert_int_equal(e.change.kind, CHANGE_REMOVE_ENTRY);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_EVENT);
	assert_int_equal(e.change.kind, CHANGE_COOKIE_VERIFIER);
	assert_true(e.change.new_verifier == 2);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_END);
}

static void unknown_kinds_are_not_guessed_at(void **state)
{
	struct notify4_reader r;
	struct notify4_event e;

	put_removed("a");
	r = reader(1 << NOTIFY4_CHANGE_AUTH);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_BAD);
	r = reader(1 << CHANGE_REMOVE_ENTRY);
	r.mask.beyond = true;
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_EVENT);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_BAD);
}

static void names_have_a_length(void **state)
{
	char name[NAME_LEN_MAX + 2] = {0};
	struct notify4_reader r;
	struct notify4_event e;
	uint8_t large[512];

	put_removed("");
	r = reader(1 << CHANGE_REMOVE_ENTRY);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_BAD);
	memset(name, 'x', NAME_LEN_MAX + 1);
	xdr_init_encode(&out, large, sizeof(large));
	put_removed(name);
	r = reader(1 << CHANGE_REMOVE_ENTRY);
	given.notify_vals.data = large;
	notify4_read_init(&r, &given, &arena);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_BAD);
}

static void leftovers_are_refused(void **state)
{
	struct notify4_reader r;
	struct notify4_event e;

	put_removed("a");
	xdr_put_u32(&out, 0);
	r = reader(1 << CHANGE_REMOVE_ENTRY);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_EVENT);
	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_BAD);
}

static void an_empty_mask_says_nothing(void **state)
{
	struct notify4_reader r = reader(0);
	struct notify4_event e;

	assert_int_equal(notify4_read_next(&r, &e), NOTIFY4_READ_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_change_has_its_size_and_comes_back),
		cmocka_unit_test(missing_attributes_are_not_told),
		cmocka_unit_test(missing_order_is_not_told),
		cmocka_unit_test_setup_teardown(
			one_mask_may_hold_several_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unknown_kinds_are_not_guessed_at, setup, teardown),
		cmocka_unit_test_setup_teardown(
			names_have_a_length, setup, teardown),
		cmocka_unit_test_setup_teardown(
			leftovers_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_empty_mask_says_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
