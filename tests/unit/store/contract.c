/* SPDX-License-Identifier: MIT */
#include "contract_impl.h"

#include <assert.h>

#include "store/dirindex_hash.h"

/* With a narrow hash a place is shared by many, and sums them at each change */
#define BIG_NARROW 2000

static struct contract current;

int ct_setup(void **state)
{
	struct ct *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->c = &current;
	t->s = current.make();
	assert_ok(store_root(t->s, &t->root));
	t->dir = ct_make(t, &t->root, "work", OBJECT_DIR, 0777);
	*state = t;
	return 0;
}

int ct_teardown(void **state)
{
	struct ct *t = *state;

	current.unmake(t->s);
	free(t);
	return 0;
}

void ct_restart(struct ct *t)
{
	t->s = t->c->restart(t->s);
}

bool ct_has_users(const struct ct *t)
{
	return t->c->has_users;
}

struct cred ct_user(uint32_t uid)
{
	return (struct cred){.uid = uid, .gid = uid};
}

int ct_make_as(struct ct *t, const struct cred *cred, const struct fileid *dir,
	const char *name, enum object_type type, uint32_t mode,
	struct fileid *ret)
{
	struct store_new new = {.type = type,
		.link_text = name_from_str("some/where"),
		.rdev_major = 4,
		.rdev_minor = 7,
		.attr = {.mask = SETATTR_MODE, .mode = mode}};
	struct dir_change change = {0};
	struct name n = name_from_str(name);
	int check = store_check_create(t->s, cred, dir, n, type);
	int err = store_create(t->s, cred, dir, n, &new, ret, &change);

	assert_int_equal(check, err);
	return err;
}

struct fileid ct_make(struct ct *t, const struct fileid *dir, const char *name,
	enum object_type type, uint32_t mode)
{
	struct fileid id;

	assert_ok(ct_make_as(t, &cred_server, dir, name, type, mode, &id));
	return id;
}

int ct_link(struct ct *t, const struct cred *cred, const struct fileid *id,
	const struct fileid *dir, const char *name, struct dir_change *change)
{
	struct dir_change spare = {0};
	struct name n = name_from_str(name);
	int check = store_check_link(t->s, cred, id, dir, n);
	int err = store_link(t->s, cred, id, dir, n, change ? change : &spare);

	assert_int_equal(check, err);
	return err;
}

int ct_remove(struct ct *t, const struct cred *cred, const struct fileid *dir,
	const char *name, struct dir_change *change)
{
	struct dir_change spare = {0};
	struct name n = name_from_str(name);
	struct fileid victim;
	struct attr attr;
	int check = store_check_remove(t->s, cred, dir, n, &victim, &attr);
	int err;

	if (!change)
		change = &spare;
	err = store_remove(t->s, cred, dir, n, change);
	assert_int_equal(check, err);
	if (!err)
		assert_true(fileid_equal(&change->entry.child, &victim));
	return err;
}

/* What the plan of a rename said must have been so. */
static void check_plan(const struct store_rename_plan *plan,
	const struct dir_change *done, bool nothing)
{
	assert_int_equal(plan->same_object, nothing);
	if (nothing)
		return;
	assert_true(fileid_equal(&plan->source, &done->entry.child));
	assert_int_equal(plan->has_victim, done->has_overwritten);
	if (plan->has_victim)
		assert_true(
			fileid_equal(&plan->victim, &done->overwritten.child));
}

int ct_rename(struct ct *t, const struct cred *cred,
	const struct fileid *from_dir, const char *from,
	const struct fileid *to_dir, const char *to,
	struct dir_change *from_change, struct dir_change *to_change)
{
	struct dir_change spare[2] = {{0}, {0}};
	struct store_rename_plan plan;
	struct name f = name_from_str(from), n = name_from_str(to);
	bool nothing;
	int check =
		store_check_rename(t->s, cred, from_dir, f, to_dir, n, &plan);
	int err;

	if (!from_change)
		from_change = &spare[0];
	if (!to_change)
		to_change = &spare[1];
	err = store_rename(t->s, cred, from_dir, f, to_dir, n, from_change,
		to_change, &nothing);
	assert_int_equal(check, err);
	if (!err)
		check_plan(&plan,
			fileid_equal(from_dir, to_dir) ? from_change
						       : to_change,
			nothing);
	return err;
}

int ct_lookup(struct ct *t, const struct fileid *dir, const char *name,
	struct fileid *ret)
{
	return store_lookup(t->s, &cred_server, dir, name_from_str(name), ret);
}

struct attr ct_attr(struct ct *t, const struct fileid *id)
{
	struct attr attr;

	assert_ok(store_getattr(t->s, id, &attr));
	return attr;
}

int ct_setattr(struct ct *t, const struct cred *cred, const struct fileid *id,
	struct setattr set)
{
	int check = store_check_setattr(t->s, cred, id, STORE_IO_CHECK, &set);
	int err = store_setattr(t->s, cred, id, STORE_IO_CHECK, &set);

	assert_int_equal(check, err);
	return err;
}

void ct_chown(struct ct *t, const struct fileid *id, uint32_t uid, uint32_t gid,
	uint32_t mode)
{
	struct setattr owner = {
		.mask = SETATTR_UID | SETATTR_GID, .uid = uid, .gid = gid};
	struct setattr bits = {.mask = SETATTR_MODE, .mode = mode};

	assert_ok(ct_setattr(t, &cred_server, id, owner));
	assert_ok(ct_setattr(t, &cred_server, id, bits));
}

/* A page on its way in. */
struct page_in {
	struct ct_listing *l;
	unsigned room;
};

static bool take_entry(void *ctx, struct name name, uint64_t cookie)
{
	struct page_in *p = ctx;
	struct ct_listing *l = p->l;
	struct ct_entry *e;

	if (p->room == 0)
		return false;
	p->room--;
	if (l->count == l->capacity) {
		l->capacity = l->capacity ? l->capacity * 2 : 16;
		l->at = realloc(l->at, l->capacity * sizeof(*l->at));
		assert(l->at);
	}
	e = &l->at[l->count++];
	memcpy(e->name, name.data, name.len);
	e->name[name.len] = 0;
	e->cookie = cookie;
	return true;
}

int ct_list(struct ct *t, const struct fileid *dir, unsigned page,
	struct ct_listing *l)
{
	struct store_page got = {0};
	uint64_t cookie = 0;

	l->count = 0;
	l->rejected = 0;
	while (!got.eof) {
		struct page_in in = {.l = l, .room = page};
		int err = store_readdir(t->s, &cred_server, dir, cookie,
			l->verifier, take_entry, &in, &got);

		if (err && err != -EKEYREJECTED)
			return err;
		if (err) {
			l->count = 0;
			l->rejected++;
		}
		l->verifier = got.verifier;
		cookie = l->count ? l->at[l->count - 1].cookie : 0;
	}
	return 0;
}

void ct_listing_free(struct ct_listing *l)
{
	free(l->at);
	*l = (struct ct_listing){0};
}

const struct ct_entry *ct_listing_find(
	const struct ct_listing *l, struct name name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (name_equal(name_from_str(l->at[i].name), name))
			return &l->at[i];
	}
	return NULL;
}

int contract_run(const struct contract *c)
{
	int failed = 0;

	current = *c;
	current.collisions |= DIRHASH_PLACE_BITS < 32;
	if (current.collisions && current.big > BIG_NARROW)
		current.big = BIG_NARROW;
	print_message("== %s\n", c->name);
	failed += contract_run_names();
	failed += contract_run_renames();
	failed += contract_run_attrs();
	failed += contract_run_contents();
	failed += contract_run_listings();
	failed += contract_run_changes();
	return failed;
}
