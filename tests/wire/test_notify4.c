/* SPDX-License-Identifier: MIT */
/* The bodies of CB_NOTIFY, byte for byte (RFC 8881 20.4.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

/* type and size of children, change of the directory */
#define CHILD_ATTRS                                             \
	{                                                       \
		.word = { 1 << FATTR4_TYPE | 1 << FATTR4_SIZE } \
	}
#define DIR_ATTRS                              \
	{                                      \
		.word = { 1 << FATTR4_CHANGE } \
	}

static const struct fattr4_server server = {.notifications = true};
static const struct notify4_terms plain = {
	.child_attrs = CHILD_ATTRS, .dir_attrs = DIR_ATTRS, .server = &server};
static const struct notify4_terms ordered = {.child_attrs = CHILD_ATTRS,
	.dir_attrs = DIR_ATTRS,
	.ordered = true,
	.server = &server};
static const struct notify4_terms bare = {.server = &server};

#define NAME(text)                                    \
	{                                             \
		.len = sizeof(text) - 1, .data = text \
	}

static struct arena arena;

static enum notify4_read read_one(
	const uint8_t *bytes, size_t len, struct notify4_event *event)
{
	struct notify4_event second;
	struct notify4_reader r;
	enum notify4_read got;
	notify4 given;
	struct xdr x;

	xdr_init_decode(&x, bytes, len, &arena);
	if (!nfs4_get_notify4(&x, &given) || xdr_left(&x))
		return NOTIFY4_READ_BAD;
	notify4_read_init(&r, &given, &arena);
	got = notify4_read_next(&r, event);
	if (got != NOTIFY4_READ_EVENT)
		return got;
	got = notify4_read_next(&r, &second);
	return got == NOTIFY4_READ_END ? NOTIFY4_READ_EVENT : NOTIFY4_READ_BAD;
}

/* Cut off anywhere, on the outside or inside its values, it is refused. */
static void check_cuts(const uint8_t *bytes, size_t len)
{
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + 1);
		struct notify4_event event;
		uint32_t inner = htobe32((uint32_t)(cut - 12));

		memcpy(copy, bytes, cut);
		assert_int_equal(read_one(copy, cut, &event), NOTIFY4_READ_BAD);
		if (cut >= 12 && cut % 4 == 0) {
			memcpy(copy + 8, &inner, 4);
			assert_int_equal(
				read_one(copy, cut, &event), NOTIFY4_READ_BAD);
		}
		free(copy);
	}
}

static struct notify4_event check(const struct dir_change *change,
	const struct notify4_terms *terms, const uint8_t *wanted, size_t len)
{
	struct notify4_event event;
	uint8_t buf[512];
	struct xdr x;

	assert_int_equal(notify4_size(change, terms), len);
	assert_true(notify4_size_max(terms) >= len);
	xdr_init_encode(&x, buf, sizeof(buf));
	assert_true(notify4_put(&x, change, terms));
	assert_int_equal(xdr_pos(&x), len);
	assert_memory_equal(buf, wanted, len);
	xdr_init_encode(&x, buf, len - 4);
	assert_false(notify4_put(&x, change, terms));
	check_cuts(wanted, len);
	assert_int_equal(read_one(wanted, len, &event), NOTIFY4_READ_EVENT);
	assert_int_equal(event.change.kind, change->kind);
	return event;
}

#define CHECK(change, terms, wanted) \
	check(change, terms, wanted, sizeof(wanted))

static void assert_name(const struct name *name, const char *text)
{
	assert_int_equal(name->len, strlen(text));
	assert_memory_equal(name->data, text, name->len);
}

/* ---- removing ---- */

static void remove_entry(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x04, /* notify_mask: REMOVE_ENTRY, 2 */
		0, 0, 0, 24,               /* bytes of notify_vals */
		0, 0, 0, 4, 'g', 'o', 'n', 'e', /* ne_file */
		0, 0, 0, 0,                     /* ne_attrs: no words */
		0, 0, 0, 0,                     /* and no values */
		0, 0, 0, 0, 0, 0, 0, 0, /* nrm_old_entry_cookie: not told */
	};
	struct dir_change change = {.kind = CHANGE_REMOVE_ENTRY,
		.entry = {.name = NAME("gone"), .cookie = 5}};
	struct notify4_event e = CHECK(&change, &plain, wanted);

	assert_name(&e.change.entry.name, "gone");
	assert_true(e.change.entry.cookie == COOKIE_NONE);
	assert_false(e.change.entry.has_attr);
}

static void remove_entry_in_order(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x04, /* notify_mask */
		0, 0, 0, 28,               /* bytes of notify_vals */
		0, 0, 0, 5, 'g', 'o', 'n', /* ne_file, */
		'e', '2', 0, 0, 0,         /* padded */
		0, 0, 0, 0, 0, 0, 0, 0,    /* ne_attrs: empty */
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* cookie */
	};
	struct dir_change change = {.kind = CHANGE_REMOVE_ENTRY,
		.entry = {.name = NAME("gone2"), .cookie = 0x1122334455667788}};
	struct notify4_event e = CHECK(&change, &ordered, wanted);

	assert_name(&e.change.entry.name, "gone2");
	assert_true(e.change.entry.cookie == 0x1122334455667788);
}

/* ---- adding ---- */

static void add_entry(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x08, /* notify_mask: ADD_ENTRY, 3 */
		0, 0, 0, 52,               /* bytes of notify_vals */
		0, 0, 0, 0,                /* nad_old_entry: none */
		0, 0, 0, 5, 'n', 'e', 'w', '.', 'c', 0, 0, 0, /* ne_file */
		0, 0, 0, 1, 0, 0, 0, 0x12, /* ne_attrs: type, size */
		0, 0, 0, 12,               /* bytes of values */
		0, 0, 0, 1,                /* type: NF4REG */
		0, 0, 0, 0, 0, 0, 0, 0,    /* size: 0 */
		0, 0, 0, 0,                /* nad_new_entry_cookie: none */
		0, 0, 0, 0,                /* nad_prev_entry: none */
		0, 0, 0, 0,                /* nad_last_entry: FALSE */
	};
	struct dir_change change = {.kind = CHANGE_ADD_ENTRY,
		.entry = {.name = NAME("new.c"),
			.cookie = 77,
			.has_attr = true,
			.attr = {.type = OBJECT_FILE}},
		.has_previous = true,
		.previous = NAME("main.c"),
		.previous_cookie = 76,
		.last = true};
	struct notify4_event e = CHECK(&change, &plain, wanted);

	assert_name(&e.change.entry.name, "new.c");
	assert_true(e.change.entry.has_attr);
	assert_int_equal(e.change.entry.attr.type, OBJECT_FILE);
	assert_true(e.change.entry.cookie == COOKIE_NONE);
	assert_false(e.change.has_previous || e.change.last ||
		e.change.has_overwritten);
}

static void add_entry_in_order(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x08,  /* notify_mask: ADD_ENTRY */
		0, 0, 0, 104,               /* bytes of notify_vals */
		0, 0, 0, 1,                 /* nad_old_entry: one */
		0, 0, 0, 2, 'b', 'b', 0, 0, /* ne_file of what it replaced */
		0, 0, 0, 0, 0, 0, 0, 0,     /* ne_attrs: empty */
		0, 0, 0, 0, 0, 0, 0, 9,     /* nrm_old_entry_cookie */
		0, 0, 0, 2, 'b', 'b', 0, 0, /* nad_new_entry: ne_file */
		0, 0, 0, 1, 0, 0, 0, 0x12,  /* ne_attrs: type, size */
		0, 0, 0, 12,                /* bytes of values */
		0, 0, 0, 2,                 /* type: NF4DIR */
		0, 0, 0, 0, 0, 0, 0x10, 0,  /* size: 4096 */
		0, 0, 0, 1,                 /* nad_new_entry_cookie: one */
		0, 0, 0, 0, 0, 0, 0, 9,     /* it */
		0, 0, 0, 1,                 /* nad_prev_entry: one */
		0, 0, 0, 1, 'a', 0, 0, 0,   /* its ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,     /* its ne_attrs: empty */
		0, 0, 0, 0, 0, 0, 0, 8,     /* pe_prev_entry_cookie */
		0, 0, 0, 1,                 /* nad_last_entry: TRUE */
	};
	struct dir_change change = {.kind = CHANGE_ADD_ENTRY,
		.entry = {.name = NAME("bb"),
			.cookie = 9,
			.has_attr = true,
			.attr = {.type = OBJECT_DIR, .size = 4096}},
		.has_overwritten = true,
		.overwritten = {.name = NAME("bb"), .cookie = 9},
		.has_previous = true,
		.previous = NAME("a"),
		.previous_cookie = 8,
		.last = true};
	struct notify4_event e = CHECK(&change, &ordered, wanted);

	assert_name(&e.change.overwritten.name, "bb");
	assert_true(e.change.overwritten.cookie == 9);
	assert_true(e.change.entry.cookie == 9);
	assert_true(e.change.entry.attr.size == 4096);
	assert_name(&e.change.previous, "a");
	assert_true(e.change.previous_cookie == 8);
	assert_true(e.change.last);
}

/* ---- renaming ---- */

static void rename_entry(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x10,    /* notify_mask: RENAME_ENTRY, 4 */
		0, 0, 0, 56,                  /* bytes of notify_vals */
		0, 0, 0, 3, 'o', 'l', 'd', 0, /* nrn_old_entry: ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,       /* ne_attrs: empty */
		0, 0, 0, 0, 0, 0, 0, 0,       /* cookie: not told */
		0, 0, 0, 0,                   /* nad_old_entry: none */
		0, 0, 0, 3, 'n', 'e', 'w', 0, /* nad_new_entry: ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,       /* ne_attrs: none granted */
		0, 0, 0, 0,                   /* nad_new_entry_cookie: none */
		0, 0, 0, 0,                   /* nad_prev_entry: none */
		0, 0, 0, 0,                   /* nad_last_entry: FALSE */
	};
	struct dir_change change = {.kind = CHANGE_RENAME_ENTRY,
		.entry = {.name = NAME("new"), .cookie = 4},
		.old = {.name = NAME("old"), .cookie = 3}};
	struct notify4_event e = CHECK(&change, &bare, wanted);

	assert_name(&e.change.old.name, "old");
	assert_name(&e.change.entry.name, "new");
	assert_false(e.change.has_overwritten);
	assert_false(e.change.entry.has_attr);
}

static void rename_entry_in_order(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x10, /* notify_mask: RENAME_ENTRY */
		0, 0, 0, 104,              /* bytes of notify_vals */
		0, 0, 0, 1, 'x', 0, 0, 0,  /* nrn_old_entry: ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,    /* ne_attrs: empty */
		0, 0, 0, 0, 0, 0, 0, 3,    /* nrm_old_entry_cookie */
		0, 0, 0, 1,                /* nad_old_entry: overwritten */
		0, 0, 0, 1, 'y', 0, 0, 0,  /* its ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,    /* its ne_attrs: empty */
		0, 0, 0, 0, 0, 0, 0, 4,    /* its cookie */
		0, 0, 0, 1, 'y', 0, 0, 0,  /* nad_new_entry: ne_file */
		0, 0, 0, 1, 0, 0, 0, 0x12, /* ne_attrs: type, size */
		0, 0, 0, 12,               /* bytes of values */
		0, 0, 0, 5,                /* type: NF4LNK */
		0, 0, 0, 0, 0, 0, 0, 7,    /* size */
		0, 0, 0, 1,                /* nad_new_entry_cookie: one */
		0, 0, 0, 0, 0, 0, 0, 4,    /* it */
		0, 0, 0, 0,                /* nad_prev_entry: it is first */
		0, 0, 0, 0,                /* nad_last_entry: FALSE */
	};
	struct dir_change change = {.kind = CHANGE_RENAME_ENTRY,
		.entry = {.name = NAME("y"),
			.cookie = 4,
			.has_attr = true,
			.attr = {.type = OBJECT_SYMLINK, .size = 7}},
		.old = {.name = NAME("x"), .cookie = 3},
		.has_overwritten = true,
		.overwritten = {.name = NAME("y"), .cookie = 4}};
	struct notify4_event e = CHECK(&change, &ordered, wanted);

	assert_name(&e.change.old.name, "x");
	assert_true(e.change.old.cookie == 3);
	assert_name(&e.change.overwritten.name, "y");
	assert_true(e.change.entry.cookie == 4);
	assert_false(e.change.has_previous);
	assert_int_equal(e.change.entry.attr.type, OBJECT_SYMLINK);
}

/* ---- attributes ---- */

static void child_attributes(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x01,    /* mask: CHANGE_CHILD_ATTRS, 0 */
		0, 0, 0, 32,                  /* bytes of notify_vals */
		0, 0, 0, 3, 'l', 'o', 'g', 0, /* na_changed_entry: ne_file */
		0, 0, 0, 1, 0, 0, 0, 0x12,    /* ne_attrs: type, size */
		0, 0, 0, 12,                  /* bytes of values */
		0, 0, 0, 1,                   /* type: NF4REG */
		0, 0, 0, 1, 0, 0, 0, 0,       /* size: 4 GiB */
	};
	struct dir_change change = {.kind = CHANGE_CHILD_ATTRS,
		.entry = {.name = NAME("log"),
			.has_attr = true,
			.attr = {.type = OBJECT_FILE,
				.size = UINT64_C(1) << 32}}};
	struct notify4_event e = CHECK(&change, &plain, wanted);

	assert_name(&e.change.entry.name, "log");
	assert_true(e.change.entry.attr.size == UINT64_C(1) << 32);
	assert_int_equal(e.values.mask.word[0], 0x12);
	CHECK(&change, &ordered, wanted); /* knows no order */
}

static void directory_attributes(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x02,    /* mask: CHANGE_DIR_ATTRS, 1 */
		0, 0, 0, 24,                  /* bytes of notify_vals */
		0, 0, 0, 0,                   /* ne_file: no name */
		0, 0, 0, 1, 0, 0, 0, 0x08,    /* ne_attrs: change */
		0, 0, 0, 8,                   /* bytes of values */
		0, 0, 0, 0, 0, 0, 0x12, 0x34, /* change */
	};
	struct dir_change change = {.kind = CHANGE_DIR_ATTRS,
		.entry = {.has_attr = true,
			.attr = {.type = OBJECT_DIR, .change = 0x1234}}};
	struct notify4_event e = CHECK(&change, &plain, wanted);

	assert_int_equal(e.change.entry.name.len, 0);
	assert_true(e.change.entry.attr.change == 0x1234);
}

static void cookie_verifier(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 1, 0, 0, 0, 0x20, /* CHANGE_COOKIE_VERIFIER, 5 */
		0, 0, 0, 16,               /* bytes of notify_vals */
		1, 2, 3, 4, 5, 6, 7, 8,    /* nv_old_cookieverf */
		1, 2, 3, 4, 5, 6, 7, 9,    /* nv_new_cookieverf */
	};
	struct dir_change change = {.kind = CHANGE_COOKIE_VERIFIER,
		.old_verifier = 0x0102030405060708,
		.new_verifier = 0x0102030405060709};
	struct notify4_event e = CHECK(&change, &bare, wanted);

	assert_true(e.change.old_verifier == 0x0102030405060708);
	assert_true(e.change.new_verifier == 0x0102030405060709);
}

/* ---- the whole operation ---- */

static void a_whole_callback(void **state)
{
	static const uint8_t wanted[] = {
		0, 0, 0, 6, /* argop: OP_CB_NOTIFY */
		0, 0, 0, 0, /* cna_stateid.seqid: 0 (8.2.2) */
		'd', 'e', 'l', 'e', 'g', 'a', 't', 'i', 'o', 'n', '0', '1', 0,
		0, 0, 6, 'h', 'a', 'n', 'd', 'l', 'e', 0, 0, /* cna_fh */
		0, 0, 0, 2,                /* cna_changes: two */
		0, 0, 0, 1, 0, 0, 0, 0x04, /* first: REMOVE_ENTRY */
		0, 0, 0, 24,               /* its bytes */
		0, 0, 0, 1, 'a', 0, 0, 0,  /* ne_file */
		0, 0, 0, 0, 0, 0, 0, 0,    /* ne_attrs */
		0, 0, 0, 0, 0, 0, 0, 0,    /* cookie */
		0, 0, 0, 1, 0, 0, 0, 0x02, /* second: CHANGE_DIR_ATTRS */
		0, 0, 0, 24,               /* its bytes */
		0, 0, 0, 0,                /* ne_file */
		0, 0, 0, 1, 0, 0, 0, 0x08, /* ne_attrs: change */
		0, 0, 0, 8,                /* bytes of values */
		0, 0, 0, 0, 0, 0, 0, 2,    /* change */
	};
	struct dir_change gone = {
		.kind = CHANGE_REMOVE_ENTRY, .entry = {.name = NAME("a")}};
	struct dir_change dir = {.kind = CHANGE_DIR_ATTRS,
		.entry = {.has_attr = true, .attr = {.change = 2}}};
	stateid4 stateid = {0, "delegation01"};
	nfs_fh4 fh = {6, (const uint8_t *)"handle"};
	uint8_t buf[sizeof(wanted)];
	nfs_cb_argop4 op;
	struct xdr x;
	size_t count_at;

	xdr_init_encode(&x, buf, sizeof(buf));
	xdr_put_u32(&x, OP_CB_NOTIFY);
	nfs4_put_stateid4(&x, &stateid);
	nfs4_put_nfs_fh4(&x, &fh);
	count_at = xdr_reserve(&x, 4);
	assert_true(notify4_put(&x, &gone, &plain));
	assert_true(notify4_put(&x, &dir, &plain));
	xdr_patch_u32(&x, count_at, 2);
	assert_memory_equal(buf, wanted, sizeof(wanted));

	xdr_init_decode(&x, wanted, sizeof(wanted), &arena);
	assert_true(nfs4_get_nfs_cb_argop4(&x, &op));
	assert_int_equal(xdr_left(&x), 0);
	assert_int_equal(op.opcbnotify.cna_changes.count, 2);
	assert_memory_equal(op.opcbnotify.cna_stateid.other, stateid.other, 12);
	assert_int_equal(op.opcbnotify.cna_fh.len, 6);
}

/* Added up by hand: names of 255 bytes padded, no attributes, no cookies. */
static void the_longest_rename_takes_572_bytes(void **state)
{
	static const char letters[NAME_LEN_MAX];
	struct name longest = {NAME_LEN_MAX, letters};
	struct dir_change change = {.kind = CHANGE_RENAME_ENTRY,
		.entry = {.name = longest},
		.old = {.name = longest}};

	assert_int_equal(notify4_size(&change, &bare), 572);
}

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	arena_fini(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remove_entry),
		cmocka_unit_test(remove_entry_in_order),
		cmocka_unit_test(add_entry),
		cmocka_unit_test(add_entry_in_order),
		cmocka_unit_test(rename_entry),
		cmocka_unit_test(rename_entry_in_order),
		cmocka_unit_test(child_attributes),
		cmocka_unit_test(directory_attributes),
		cmocka_unit_test(cookie_verifier),
		cmocka_unit_test(a_whole_callback),
		cmocka_unit_test(the_longest_rename_takes_572_bytes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
