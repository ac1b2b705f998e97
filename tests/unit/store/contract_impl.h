/* SPDX-License-Identifier: MIT */
/*
 * What the groups of the contract share: the store under test and a directory
 * of it to work in, short calls as the server itself, and whole listings.
 */
#ifndef TESTS_STORE_CONTRACT_IMPL_H
#define TESTS_STORE_CONTRACT_IMPL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "contract.h"

#define assert_ok(call)     assert_int_equal(call, 0)
#define assert_err(call, e) assert_int_equal(call, -(e))

struct ct {
	const struct contract *c;
	struct store *s;
	struct fileid root;
	struct fileid dir; /* 0777, empty at the start of each test */
};

/* Fixtures of every test; the contract is set by contract_run(). */
int ct_setup(void **state);
int ct_teardown(void **state);

#define ct_test(f) cmocka_unit_test_setup_teardown(f, ct_setup, ct_teardown)

/* Go on with the store as after a restart. */
void ct_restart(struct ct *t);

/* Can it act as other users? A test that must ends early when not. */
bool ct_has_users(const struct ct *t);

struct cred ct_user(uint32_t uid);

/* Make an object; the mode is exactly @mode. */
struct fileid ct_make(struct ct *t, const struct fileid *dir, const char *name,
	enum object_type type, uint32_t mode);

/* The same as @cred: the result of the call. */
int ct_make_as(struct ct *t, const struct cred *cred, const struct fileid *dir,
	const char *name, enum object_type type, uint32_t mode,
	struct fileid *ret);

/*
 * Operations as @cred, after their dry check, which must agree about the
 * result. Changes go to @change when it is not NULL.
 */
int ct_link(struct ct *t, const struct cred *cred, const struct fileid *id,
	const struct fileid *dir, const char *name, struct dir_change *change);
int ct_remove(struct ct *t, const struct cred *cred, const struct fileid *dir,
	const char *name, struct dir_change *change);
int ct_rename(struct ct *t, const struct cred *cred,
	const struct fileid *from_dir, const char *from,
	const struct fileid *to_dir, const char *to,
	struct dir_change *from_change, struct dir_change *to_change);

/* As the server: the entry, or the error. */
int ct_lookup(struct ct *t, const struct fileid *dir, const char *name,
	struct fileid *ret);
struct attr ct_attr(struct ct *t, const struct fileid *id);

/* Give an object owner, group and mode. */
void ct_chown(struct ct *t, const struct fileid *id, uint32_t uid, uint32_t gid,
	uint32_t mode);

int ct_setattr(struct ct *t, const struct cred *cred, const struct fileid *id,
	struct setattr set);

/* A whole directory as it was listed. */
struct ct_entry {
	char name[NAME_LEN_MAX + 1];
	uint64_t cookie;
};

struct ct_listing {
	struct ct_entry *at;
	size_t count, capacity;
	uint64_t verifier;
	unsigned rejected; /* times it began anew for another verifier */
};

/* List in pages of @page entries. 0, or the error of a page. */
int ct_list(struct ct *t, const struct fileid *dir, unsigned page,
	struct ct_listing *l);
void ct_listing_free(struct ct_listing *l);
const struct ct_entry *ct_listing_find(
	const struct ct_listing *l, struct name name);

/* The groups; how many tests failed. */
int contract_run_names(void);
int contract_run_renames(void);
int contract_run_attrs(void);
int contract_run_contents(void);
int contract_run_listings(void);
int contract_run_changes(void);

#endif
