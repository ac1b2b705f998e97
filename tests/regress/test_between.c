/* SPDX-License-Identifier: MIT */
/*
 * What others do between the dry check of a change and the change itself:
 * another object than the one that was looked at was removed, which nobody was
 * asked about and nobody kept for who had it open; a RENAME that
 * they had made into nothing was told all the same; and a file that they had
 * removed made the answer STALE.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"
#include "rig.h"
#include "state/deleg.h"
#include "store/memory_foreign.h"

struct scene {
	struct rig r;
	struct peer p, other;
	struct fileid dir;
};

/* ---- a store where others are quick ---- */

static const struct store_ops *plain;
static struct store_ops quick;
static struct fileid where;
static void (*deed)(struct store *s);

static void do_once(struct store *s)
{
	void (*it)(struct store * s) = deed;

	deed = NULL;
	if (it)
		it(s);
}

static int check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *attr)
{
	int err = plain->check_remove(s, cred, dir, name, victim, attr);

	do_once(s);
	return err;
}

static int check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	int err =
		plain->check_rename(s, cred, from_dir, from, to_dir, to, plan);

	do_once(s);
	return err;
}

static struct name n(const char *text)
{
	return name_from_str(text);
}

static void move(struct store *s, const char *from, const char *to)
{
	assert_int_equal(
		memory_foreign_rename(s, &where, n(from), &where, n(to)), 0);
}

static void begin(struct scene *s)
{
	rig_init(&s->r, NULL);
	where = s->dir = rig_make(&s->r, "dir", OBJECT_DIR, 0777);
	plain = s->r.below->ops;
	quick = *plain;
	quick.check_remove = check_remove;
	quick.check_rename = check_rename;
	s->r.below->ops = &quick;
	peer_init(&s->p, s->r.server, "p");
	peer_init(&s->other, s->r.server, "other");
}

static void end(struct scene *s)
{
	peer_fini(&s->p);
	peer_fini(&s->other);
	rig_fini(&s->r);
}

static void make(struct scene *s, const char *name)
{
	peer_begin(&s->p);
	ask_path(&s->p, "dir");
	ask_create(&s->p, name, NF4DIR);
	assert_int_equal(peer_call(&s->p), NFS4_OK);
}

/* ---- removal of another directory ---- */

static void another_in_its_place(struct store *s)
{
	move(s, "victim", "saved");
	move(s, "another", "victim");
}

static void make_both(struct scene *s, stateid4 *own)
{
	begin(s);
	make(s, "victim");
	make(s, "another");
	*own = take_dir_delegation(&s->p, "dir/victim", ENTRIES);
	take_dir_delegation(&s->other, "dir/another", ENTRIES);
	deed = another_in_its_place;
}

static void expect_valid(struct peer *p, stateid4 *sid)
{
	peer_begin(p);
	ask_test_stateid(p, sid);
	assert_int_equal(peer_call(p), NFS4_OK);
	assert_int_equal(
		peer_last(p)
			->optest_stateid.tsr_resok4.tsr_status_codes.items[0],
		NFS4_OK);
}

/* Both are as they were, and the first may still be granted to others. */
static void expect_both_there(struct scene *s, stateid4 *own)
{
	assert_int_equal(s->other.recalls, 0);
	handle_of(&s->p, "dir/victim");
	expect_valid(&s->p, own);
	take_dir_delegation(&s->other, "dir/saved", ENTRIES);
}

static nfsstat4 try_remove(struct scene *s, const char *name)
{
	peer_begin(&s->p);
	ask_path(&s->p, "dir");
	ask_remove(&s->p, name);
	return peer_call(&s->p);
}

/* When it is removed after all, who holds it is asked before. */
static void another_directory_is_not_removed(void **state)
{
	static struct scene s;
	stateid4 own;

	make_both(&s, &own);
	assert_int_equal(try_remove(&s, "victim"), NFS4ERR_DELAY);
	expect_both_there(&s, &own);
	assert_int_equal(try_remove(&s, "victim"), NFS4ERR_DELAY);
	peer_serve_until(&s.other, &s.other.recalls, 1);
	end(&s);
}

static void a_file_in_its_place(struct store *s)
{
	move(s, "victim", "saved");
	assert_int_equal(memory_foreign_create(
				 s, &where, n("victim"), OBJECT_FILE, NULL),
		0);
}

/* Nor NOTDIR, of which the client would think that the parent is none. */
static void a_file_is_not_removed_for_a_directory(void **state)
{
	static struct scene s;

	begin(&s);
	make(&s, "victim");
	deed = a_file_in_its_place;
	assert_int_equal(try_remove(&s, "victim"), NFS4ERR_DELAY);
	handle_of(&s.p, "dir/victim");
	assert_int_equal(try_remove(&s, "victim"), NFS4_OK);
	end(&s);
}

static nfsstat4 try_rename(struct scene *s, const char *from, const char *to)
{
	struct peer *p = &s->p;

	peer_begin(p);
	ask_path(p, "dir");
	peer_add(p, OP_SAVEFH);
	ask_rename(p, from, to);
	return peer_call(p);
}

static void rename_in_dir(struct scene *s, const char *from, const char *to)
{
	assert_int_equal(try_rename(s, from, to), NFS4_OK);
}

static void another_directory_is_not_overwritten(void **state)
{
	static struct scene s;
	stateid4 own;

	make_both(&s, &own);
	make(&s, "source");
	assert_int_equal(try_rename(&s, "source", "victim"), NFS4ERR_DELAY);
	expect_both_there(&s, &own);
	end(&s);
}

static void away(struct store *s)
{
	move(s, "victim", "saved");
}

/* Then nothing is overwritten at all. */
static void the_directory_is_moved_away(void **state)
{
	static struct scene s;
	stateid4 own;

	begin(&s);
	make(&s, "victim");
	make(&s, "source");
	own = take_dir_delegation(&s.p, "dir/victim", ENTRIES);
	deed = away;
	rename_in_dir(&s, "source", "victim");
	expect_valid(&s.p, &own);
	take_dir_delegation(&s.other, "dir/saved", ENTRIES);
	end(&s);
}

/* ---- a RENAME that is none ---- */

static struct fileid source;

static void link_together(struct store *s)
{
	move(s, "b", "saved");
	assert_int_equal(memory_foreign_link(s, &source, &where, n("b")), 0);
}

static void make_a_and_b(struct scene *s)
{
	begin(s);
	assert_int_equal(memory_foreign_create(s->r.below, &where, n("a"),
				 OBJECT_FILE, &source),
		0);
	assert_int_equal(memory_foreign_create(
				 s->r.below, &where, n("b"), OBJECT_FILE, NULL),
		0);
}

static void a_rename_becomes_nothing(void **state)
{
	static struct scene s;
	const RENAME4resok *ok;

	make_a_and_b(&s);
	take_dir_delegation(&s.other, "dir", ENTRIES);
	deed = link_together;
	rename_in_dir(&s, "a", "b");
	ok = &peer_last(&s.p)->oprename.resok4;
	assert_int_equal(ok->source_cinfo.before, ok->source_cinfo.after);
	assert_int_equal(ok->target_cinfo.before, ok->target_cinfo.after);
	assert_int_equal(peer_serve(&s.other, SILENCE_MS), 0);
	/* The directory's section is as it was. */
	rename_in_dir(&s, "a", "c");
	peer_serve_until(&s.other, &s.other.events, 1);
	end(&s);
}

/* ---- a file that is no more ---- */

static void remove_b(struct store *s)
{
	assert_int_equal(memory_foreign_remove(s, &where, n("b")), 0);
}

/* That was STALE, of which the client thinks that the directory is. */
static void a_file_to_be_overwritten_has_gone(void **state)
{
	static struct scene s;

	make_a_and_b(&s);
	deed = remove_b;
	assert_int_equal(try_rename(&s, "a", "b"), NFS4ERR_DELAY);
	assert_int_equal(try_rename(&s, "a", "b"), NFS4_OK);
	end(&s);
}

static void a_file_to_be_removed_has_gone(void **state)
{
	static struct scene s;

	make_a_and_b(&s);
	deed = remove_b;
	assert_int_equal(try_remove(&s, "b"), NFS4ERR_DELAY);
	assert_int_equal(try_remove(&s, "b"), NFS4ERR_NOENT);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_directory_is_not_removed),
		cmocka_unit_test(a_file_is_not_removed_for_a_directory),
		cmocka_unit_test(another_directory_is_not_overwritten),
		cmocka_unit_test(the_directory_is_moved_away),
		cmocka_unit_test(a_rename_becomes_nothing),
		cmocka_unit_test(a_file_to_be_overwritten_has_gone),
		cmocka_unit_test(a_file_to_be_removed_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
