/* SPDX-License-Identifier: MIT */
/*
 * CHANGE_CHILD_ATTRS from outside: a holder of "a", another client that changes
 * what is in there by any name and any operation, and what comes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"

#define CHILDREN BIT(NOTIFY4_CHANGE_CHILD_ATTRS)

/* The server's least delay. */
#define DELAY_MS 200

struct pair {
	struct rig *r;
	struct peer holder, other;
	struct handle a, b, x; /* directories, and a file a/x = b/link */
	stateid4 sid;          /* the holder's delegation of a */
	/* What came last. */
	char told[256];
	struct fattr4_values values;
};

/* ---- what the other client does ---- */

static void done(struct pair *t)
{
	assert_int_equal(peer_call(&t->other), NFS4_OK);
}

static void begin_in(struct peer *p, const struct handle *fh)
{
	peer_begin(p);
	ask_fh(p, fh);
}

static struct handle make(
	struct pair *t, const struct handle *dir, const char *name)
{
	begin_in(&t->other, dir);
	ask_open_create(&t->other, name, UNCHECKED4);
	ask_getfh(&t->other);
	done(t);
	return handle_from(&t->other, 2);
}

static void link_to(struct pair *t, const struct handle *file,
	const struct handle *dir, const char *name)
{
	begin_in(&t->other, file);
	peer_add(&t->other, OP_SAVEFH);
	ask_fh(&t->other, dir);
	ask_link(&t->other, name);
	done(t);
}

static void move(struct pair *t, const struct handle *from, const char *old,
	const struct handle *to, const char *name)
{
	begin_in(&t->other, from);
	peer_add(&t->other, OP_SAVEFH);
	ask_fh(&t->other, to);
	ask_rename(&t->other, old, name);
	done(t);
}

static void take_away(
	struct pair *t, const struct handle *dir, const char *name)
{
	begin_in(&t->other, dir);
	ask_remove(&t->other, name);
	done(t);
}

static void set_mode(struct peer *p, const struct handle *file, uint32_t mode)
{
	begin_in(p, file);
	ask_setattr(p, &anonymous_stateid, ask_attr_u32(p, FATTR4_MODE, mode));
	assert_int_equal(peer_call(p), NFS4_OK);
}

static void write_to(struct peer *p, const struct handle *file, uint64_t at,
	const char *text)
{
	begin_in(p, file);
	ask_write(p, &anonymous_stateid, at, text, FILE_SYNC4);
	assert_int_equal(peer_call(p), NFS4_OK);
}

/* ---- what the holder hears ---- */

static void append(struct pair *t, const struct notify4_event *e)
{
	static const char sign[CHANGE_KINDS] = {'~', '.', '-', '+', '>', '#'};
	size_t at = strlen(t->told);
	struct name name = e->change.entry.name;

	assert_true(at + name.len + 3 < sizeof(t->told));
	if (at)
		t->told[at++] = ' ';
	t->told[at++] = sign[e->change.kind];
	memcpy(t->told + at, name.data, name.len);
	t->told[at + name.len] = '\0';
	if (e->change.kind == CHANGE_CHILD_ATTRS)
		t->values = e->values;
}

/* The last CB_NOTIFY as "~x +y": attributes of x changed, y was added. */
static void read_told(struct pair *t)
{
	struct notify4_reader reader;
	struct notify4_event event;
	struct arena arena;
	struct xdr in;
	notify4 one;

	t->told[0] = '\0';
	arena_init(&arena, 4096);
	xdr_init_decode(&in, t->holder.cb_told, t->holder.cb_told_size, &arena);
	while (xdr_left(&in) && nfs4_get_notify4(&in, &one)) {
		notify4_read_init(&reader, &one, &arena);
		while (notify4_read_next(&reader, &event) == NOTIFY4_READ_EVENT)
			append(t, &event);
	}
	arena_fini(&arena);
}

static void expect_silence(struct pair *t)
{
	assert_int_equal(peer_serve(&t->holder, SILENCE_MS), 0);
}

/* When the delay is over, exactly this. */
static void expect(struct pair *t, const char *told)
{
	unsigned before = t->holder.notifies;

	rig_advance(t->r, DELAY_MS - 1);
	expect_silence(t);
	rig_advance(t->r, 1);
	peer_serve_until(&t->holder, &t->holder.notifies, before + 1);
	read_told(t);
	assert_string_equal(t->told, told);
	peer_settle(&t->holder);
	assert_int_equal(t->holder.recalls, 0);
}

static void expect_nothing(struct pair *t)
{
	rig_advance(t->r, DELAY_MS);
	expect_silence(t);
	assert_int_equal(t->holder.recalls, 0);
}

static GET_DIR_DELEGATION4args wanted_types(uint32_t types)
{
	GET_DIR_DELEGATION4args args = {
		.gdda_notification_types.word[0] = types};
	bitmap4 *attrs = &args.gdda_child_attributes;

	bitmap4_set(attrs, FATTR4_CHANGE);
	bitmap4_set(attrs, FATTR4_SIZE);
	bitmap4_set(attrs, FATTR4_MODE);
	bitmap4_set(attrs, FATTR4_NUMLINKS);
	bitmap4_set(attrs, FATTR4_FILEHANDLE);
	return args;
}

static void hold(struct pair *t)
{
	GET_DIR_DELEGATION4args args = wanted_types(ENTRIES | CHILDREN);

	t->sid = take_dir_delegation_as(&t->holder, "a", &args);
}

static void begin(struct pair *t, void **state)
{
	*t = (struct pair){.r = *state};
	rig_make(t->r, "a", OBJECT_DIR, 0777);
	rig_make(t->r, "b", OBJECT_DIR, 0777);
	peer_init(&t->holder, t->r->server, "holder");
	peer_init(&t->other, t->r->server, "other");
	t->a = handle_of(&t->other, "a");
	t->b = handle_of(&t->other, "b");
	t->x = make(t, &t->a, "x");
	link_to(t, &t->x, &t->b, "link");
	hold(t);
}

static void end(struct pair *t)
{
	peer_fini(&t->holder);
	peer_fini(&t->other);
}

/* ---- every way to change one ---- */

static void dd02_setattr_and_write_are_told(void **state)
{
	struct pair t;

	begin(&t, state);
	set_mode(&t.other, &t.x, 0604);
	expect(&t, "~x");
	assert_int_equal(t.values.attr.mode, 0604);
	write_to(&t.other, &t.x, 0, "four");
	write_to(&t.other, &t.x, 4, "more");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 8);
	expect_nothing(&t);
	end(&t);
}

static void dd02_open_truncates(void **state)
{
	OPEN4args *open;
	struct pair t;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	expect(&t, "~x");
	begin_in(&t.other, &t.a);
	open = ask_open_create(&t.other, "x", UNCHECKED4);
	open->openhow.how.createattrs = ask_attr_u64(&t.other, FATTR4_SIZE, 0);
	done(&t);
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 0);
	/* Opening it otherwise, and closing it, changes nothing. */
	make(&t, &t.a, "x");
	expect_nothing(&t);
	end(&t);
}

static void dd02_space_and_extended_attributes(void **state)
{
	ALLOCATE4args *allocate;
	struct pair t;

	begin(&t, state);
	begin_in(&t.other, &t.x);
	allocate = &peer_add(&t.other, OP_ALLOCATE)->opallocate;
	allocate->aa_length = 100;
	done(&t);
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 100);
	begin_in(&t.other, &t.x);
	ask_setxattr(&t.other, "colour", "blue");
	done(&t);
	expect(&t, "~x");
	begin_in(&t.other, &t.x);
	ask_removexattr(&t.other, "colour");
	done(&t);
	expect(&t, "~x");
	end(&t);
}

/* An error of a disk does not say that nothing was changed. */
static void dd02_what_fails_when_it_is_done_is_told(void **state)
{
	struct pair t;

	begin(&t, state);
	begin_in(&t.other, &t.x);
	ask_write(&t.other, &anonymous_stateid, 0, "four", FILE_SYNC4);
	fault_fail_late(t.r->store, STORE_CALL_WRITE, EIO);
	assert_int_equal(peer_call(&t.other), NFS4ERR_IO);
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 4);
	begin_in(&t.other, &t.x);
	ask_setattr(&t.other, &anonymous_stateid,
		ask_attr_u32(&t.other, FATTR4_MODE, 0604));
	fault_fail_late(t.r->store, STORE_CALL_SETATTR, ENOSPC);
	assert_int_equal(peer_call(&t.other), NFS4ERR_NOSPC);
	expect(&t, "~x");
	assert_int_equal(t.values.attr.mode, 0604);
	/* A refusal changes nothing. */
	begin_in(&t.other, &t.x);
	ask_setattr(&t.other, &anonymous_stateid,
		ask_attr_u32(&t.other, FATTR4_MODE, 0640));
	fault_fail(t.r->store, STORE_CALL_SETATTR, EPERM, 1);
	assert_int_equal(peer_call(&t.other), NFS4ERR_PERM);
	expect_nothing(&t);
	end(&t);
}

static void dd04_values_are_those_of_getattr(void **state)
{
	struct pair t;
	struct fattr4_values now;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	set_mode(&t.other, &t.x, 0640);
	expect(&t, "~x");
	begin_in(&t.other, &t.x);
	ask_getattr(&t.other, FATTR4_CHANGE);
	ask_getattr(&t.other, FATTR4_NUMLINKS);
	done(&t);
	now = attrs_of(&t.other, 1);
	assert_true(t.values.attr.change == now.attr.change);
	now = attrs_of(&t.other, 2);
	assert_int_equal(t.values.attr.nlink, now.attr.nlink);
	assert_int_equal(t.values.attr.nlink, 2);
	assert_int_equal(t.values.fh.len, t.x.len);
	assert_memory_equal(t.values.fh.data, t.x.data, t.x.len);
	end(&t);
}

static void dd03_nothing_else_is_told(void **state)
{
	struct pair t;
	struct handle y;
	uint8_t now[16] = {0}; /* SET_TO_SERVER_TIME4 */
	fattr4 atime = {.attr_vals = xdr_opaque_from(now, 4)};
	GET_DIR_DELEGATION4args args = wanted_types(CHILDREN);

	begin(&t, state);
	/* In another directory; of its own directory; of no size or mode. */
	y = make(&t, &t.b, "y");
	set_mode(&t.other, &y, 0600);
	expect_nothing(&t);
	bitmap4_clear(&args.gdda_child_attributes, FATTR4_CHANGE);
	args.gdda_child_attributes.word[0] |= BIT(FATTR4_TYPE);
	take_dir_delegation_as(&t.holder, "b", &args);
	bitmap4_set(&atime.attrmask, FATTR4_TIME_ACCESS_SET);
	begin_in(&t.other, &y);
	ask_setattr(&t.other, &anonymous_stateid, atime);
	done(&t);
	expect_nothing(&t);
	end(&t);
}

/* ---- names ---- */

static void dd02_hard_links_by_their_other_names(void **state)
{
	struct pair t;
	struct handle link;

	begin(&t, state);
	link = handle_of(&t.other, "b/link");
	write_to(&t.other, &link, 0, "text");
	expect(&t, "~x");
	take_away(&t, &t.b, "link");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.nlink, 1);
	link_to(&t, &t.x, &t.b, "again");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.nlink, 2);
	move(&t, &t.b, "again", &t.b, "renamed");
	expect(&t, "~x");
	/* Overwritten. */
	make(&t, &t.b, "over");
	move(&t, &t.b, "over", &t.b, "renamed");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.nlink, 1);
	end(&t);
}

/* What the entry's own event tells is not told again. */
static void dd02_an_entry_event_speaks_for_itself(void **state)
{
	struct pair t;
	unsigned *events;

	begin(&t, state);
	events = &t.holder.events;
	move(&t, &t.a, "x", &t.a, "y");
	peer_serve_until(&t.holder, events, 1);
	expect_nothing(&t);
	link_to(&t, &t.x, &t.a, "z");
	peer_serve_until(&t.holder, events, 2);
	read_told(&t);
	assert_string_equal(t.told, "+z");
	expect(&t, "~z ~y"); /* y has one link more */
	assert_int_equal(t.values.attr.nlink, 3);
	take_away(&t, &t.a, "y");
	peer_serve_until(&t.holder, events, 5);
	expect(&t, "~z");
	take_away(&t, &t.a, "z");
	peer_serve_until(&t.holder, events, 7);
	expect_nothing(&t);
	move(&t, &t.b, "link", &t.a, "x");
	peer_serve_until(&t.holder, events, 8);
	expect_nothing(&t);
	write_to(&t.other, &t.x, 0, "text");
	expect(&t, "~x");
	end(&t);
}

static void dd07_told_by_the_name_it_has_then(void **state)
{
	struct pair t;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	move(&t, &t.a, "x", &t.a, "y");
	peer_serve_until(&t.holder, &t.holder.events, 1);
	read_told(&t);
	assert_string_equal(t.told, ">y");
	expect(&t, "~y");
	write_to(&t.other, &t.x, 4, "text");
	take_away(&t, &t.a, "y");
	peer_serve_until(&t.holder, &t.holder.events, 3);
	expect_nothing(&t);
	end(&t);
}

static void dd02_a_directory_is_a_child_as_well(void **state)
{
	struct pair t;
	struct handle sub;

	begin(&t, state);
	begin_in(&t.other, &t.a);
	ask_create(&t.other, "sub", NF4DIR);
	ask_getfh(&t.other);
	done(&t);
	sub = handle_from(&t.other, 2);
	peer_serve_until(&t.holder, &t.holder.events, 1);
	expect_nothing(&t);
	make(&t, &sub, "1");
	make(&t, &sub, "2");
	expect(&t, "~sub");
	set_mode(&t.other, &sub, 0700);
	expect(&t, "~sub");
	assert_int_equal(t.values.attr.mode, 0700);
	move(&t, &t.b, "link", &sub, "link"); /* x has a younger ctime, too */
	expect(&t, "~x ~sub");
	end(&t);
}

/* ---- whose changes ---- */

static void dd22_not_its_own(void **state)
{
	struct pair t;

	begin(&t, state);
	write_to(&t.holder, &t.x, 0, "mine");
	expect_nothing(&t);
	write_to(&t.holder, &t.x, 0, "mine");
	write_to(&t.other, &t.x, 0, "another's");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 9);
	end(&t);
}

/* One client's handles of two exports are two files to it. */
static void dd22_its_own_by_another_export(void **state)
{
	struct pair t = {.r = calloc(1, sizeof(struct rig))};
	GET_DIR_DELEGATION4args args = wanted_types(CHILDREN);
	struct handle x;

	rig_init_exports(t.r, RIG_OVERLAP, NULL);
	rig_make(t.r, "a", OBJECT_DIR, 0777);
	peer_init(&t.holder, t.r->server, "holder");
	peer_init(&t.other, t.r->server, "other");
	t.a = handle_of(&t.other, "one/a");
	t.x = make(&t, &t.a, "x");
	x = handle_of(&t.other, "two/a/x");
	take_dir_delegation_as(&t.holder, "one/a", &args);
	write_to(&t.holder, &t.x, 0, "mine");
	expect_nothing(&t);
	write_to(&t.holder, &x, 0, "mine again");
	expect(&t, "~x");
	assert_int_equal(t.values.attr.size, 10);
	assert_memory_equal(t.values.fh.data, t.x.data, t.x.len);
	end(&t);
	rig_fini(t.r);
	free(t.r);
}

/* ---- what is promised ---- */

static GET_DIR_DELEGATION4resok last_grant(struct pair *t)
{
	return peer_last(&t->holder)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_resok4;
}

static void dd03_the_reply_promises_what_is_sent(void **state)
{
	struct pair t;
	GET_DIR_DELEGATION4args args = wanted_types(ENTRIES | CHILDREN);
	GET_DIR_DELEGATION4resok ok;

	begin(&t, state);
	bitmap4_set(&args.gdda_child_attributes, FATTR4_SPACE_FREE);
	take_dir_delegation_as(&t.holder, "b", &args);
	ok = last_grant(&t);
	assert_int_equal(ok.gddr_notification.word[0], ENTRIES | CHILDREN);
	bitmap4_clear(&args.gdda_child_attributes, FATTR4_SPACE_FREE);
	assert_true(bitmap4_equal(
		&ok.gddr_child_attributes, &args.gdda_child_attributes));
	end(&t);
}

static void no_told_sets(struct nfs_server_config *config)
{
	config->state.told_max_entries = 0;
}

static int setup_no_told_sets(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, no_told_sets);
	*state = r;
	return 0;
}

static void dd03_a_large_directory_is_not_promised(void **state)
{
	struct pair t;

	begin(&t, state);
	assert_int_equal(last_grant(&t).gddr_notification.word[0], ENTRIES);
	write_to(&t.other, &t.x, 0, "text");
	expect_nothing(&t);
	end(&t);
}

static void dd07_the_client_may_want_more_delay(void **state)
{
	struct pair t;
	GET_DIR_DELEGATION4args args = wanted_types(CHILDREN);
	struct handle link;

	begin(&t, state);
	args.gdda_child_attr_delay.seconds = 2;
	take_dir_delegation_as(&t.other, "b", &args);
	link = handle_of(&t.holder, "b/link");
	set_mode(&t.holder, &link, 0604);
	for (int i = 0; i < 1999 / DELAY_MS; i++)
		rig_advance(t.r, DELAY_MS);
	assert_int_equal(peer_serve(&t.other, SILENCE_MS), 0);
	rig_advance(t.r, DELAY_MS);
	peer_serve_until(&t.other, &t.other.events, 1);
	end(&t);
}

static void dd15_a_return_ends_the_promise(void **state)
{
	struct pair t;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	begin_in(&t.holder, &t.a);
	ask_delegreturn(&t.holder, &t.sid);
	assert_int_equal(peer_call(&t.holder), NFS4_OK);
	expect_nothing(&t);
	end(&t);
}

/* ---- what goes wrong ---- */

static void dd21_what_cannot_be_read_is_a_recall(void **state)
{
	struct pair t;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	fault_fail(t.r->store, STORE_CALL_GETATTR, EIO, 0);
	rig_advance(t.r, DELAY_MS);
	peer_serve_until(&t.holder, &t.holder.recalls, 1);
	assert_int_equal(t.holder.notifies, 0);
	fault_fail(t.r->store, STORE_CALL_GETATTR, 0, 0);
	end(&t);
}

static void test_the_server_stops_with_something_due(void **state)
{
	struct pair t;

	begin(&t, state);
	write_to(&t.other, &t.x, 0, "text");
	rig_advance(t.r, DELAY_MS);
	write_to(&t.other, &t.x, 0, "text");
	end(&t);
}

int main(void)
{
#define TEST(f)    cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define WITH(s, f) cmocka_unit_test_setup_teardown(f, s, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(dd02_setattr_and_write_are_told),
		TEST(dd02_open_truncates),
		TEST(dd02_space_and_extended_attributes),
		TEST(dd02_what_fails_when_it_is_done_is_told),
		TEST(dd04_values_are_those_of_getattr),
		TEST(dd03_nothing_else_is_told),
		TEST(dd02_hard_links_by_their_other_names),
		TEST(dd02_an_entry_event_speaks_for_itself),
		TEST(dd07_told_by_the_name_it_has_then),
		TEST(dd02_a_directory_is_a_child_as_well),
		TEST(dd22_not_its_own),
		cmocka_unit_test(dd22_its_own_by_another_export),
		TEST(dd03_the_reply_promises_what_is_sent),
		WITH(setup_no_told_sets,
			dd03_a_large_directory_is_not_promised),
		TEST(dd07_the_client_may_want_more_delay),
		TEST(dd15_a_return_ends_the_promise),
		TEST(dd21_what_cannot_be_read_is_a_recall),
		TEST(test_the_server_stops_with_something_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
