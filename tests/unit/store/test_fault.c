/* SPDX-License-Identifier: MIT */
/* The fault filter: every call fails, counts and hangs when told to. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "store/fault.h"
#include "testutil.h"

struct rig {
	struct test_store t;
	struct store *fault;
	struct fileid file;
};

static int setup(void **state)
{
	struct rig *r = test_calloc(1, sizeof(*r));

	test_store_init(&r->t);
	r->file = test_make(r->t.store, &r->t.root, "file", OBJECT_FILE);
	r->fault = fault_new(r->t.store);
	assert_non_null(r->fault);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	r->t.store = NULL;
	store_free(r->fault);
	test_store_fini(&r->t);
	test_free(r);
	return 0;
}

static bool take_none(void *ctx, struct name name, uint64_t cookie)
{
	return false;
}

/* Calls about an object as such. */
static int call_object(struct rig *r, enum store_call call)
{
	const struct cred *cred = &cred_server;
	struct fsinfo info;
	struct fileid id;
	struct attr attr;
	uint32_t granted;
	size_t len;
	char buf[8];
	bool match;

	switch (call) {
	case STORE_CALL_ROOT:
		return store_root(r->fault, &id);
	case STORE_CALL_PROBE:
		return store_probe(r->fault, &r->file);
	case STORE_CALL_GETATTR:
		return store_getattr(r->fault, &r->file, &attr);
	case STORE_CALL_STATFS:
		return store_statfs(r->fault, &r->file, &info);
	case STORE_CALL_ACCESS:
		return store_access(
			r->fault, cred, &r->file, STORE_MAY_READ, &granted);
	case STORE_CALL_OPEN_CHECK:
		return store_open_check(
			r->fault, cred, &r->file, STORE_MAY_READ);
	case STORE_CALL_READLINK:
		return store_readlink(
			r->fault, cred, &r->file, buf, sizeof(buf), &len);
	case STORE_CALL_EXCLUSIVE_MATCH:
		return store_exclusive_match(r->fault, &r->file, 1, &match);
	default:
		return store_pin(r->fault, &r->file);
	}
}

/* Calls about names. */
static int call_name(struct rig *r, enum store_call call)
{
	struct name name = name_from_str("file"), other = name_from_str("b");
	const struct store_new new = {.type = OBJECT_FILE};
	const struct cred *cred = &cred_server;
	struct dir_change change = {0}, second = {0};
	const struct fileid *root = &r->t.root;
	struct store_rename_plan plan;
	struct store_page page;
	struct fileid id;
	struct attr attr;
	uint64_t verifier;
	bool cookies;
	bool nothing;

	switch (call) {
	case STORE_CALL_LOOKUP:
		return store_lookup(r->fault, cred, root, name, &id);
	case STORE_CALL_LOOKUP_PARENT:
		return store_lookup_parent(r->fault, cred, root, &id);
	case STORE_CALL_READDIR:
		return store_readdir(
			r->fault, cred, root, 0, 0, take_none, NULL, &page);
	case STORE_CALL_DIR_VERIFIER:
		return store_dir_verifier(r->fault, root, &verifier, &cookies);
	case STORE_CALL_CHECK_CREATE:
		return store_check_create(
			r->fault, cred, root, other, OBJECT_FILE);
	case STORE_CALL_CHECK_LINK:
		return store_check_link(r->fault, cred, &r->file, root, other);
	case STORE_CALL_CHECK_REMOVE:
		return store_check_remove(
			r->fault, cred, root, name, &id, &attr);
	case STORE_CALL_CHECK_RENAME:
		return store_check_rename(
			r->fault, cred, root, name, root, other, &plan);
	case STORE_CALL_CHECK_SETATTR:
		return store_check_setattr(r->fault, cred, root, STORE_IO_CHECK,
			&(struct setattr){0});
	case STORE_CALL_CHECK_XATTR:
		return store_check_xattr(
			r->fault, cred, root, name, XATTR_EITHER);
	case STORE_CALL_CREATE:
		return store_create(
			r->fault, cred, root, other, &new, &id, &change);
	case STORE_CALL_LINK:
		return store_link(r->fault, cred, &r->file, root,
			name_from_str("c"), &change);
	case STORE_CALL_REMOVE:
		return store_remove(r->fault, cred, root, name, &change);
	case STORE_CALL_RENAME:
		return store_rename(r->fault, cred, root, name, root, other,
			&change, &second, &nothing);
	default:
		return store_sync_entry(r->fault, root, NULL);
	}
}

/* Calls about contents. */
static int call_content(struct rig *r, enum store_call call)
{
	enum store_stability stability = STORE_UNSTABLE;
	struct store_xattr_names names = {0};
	const struct cred *cred = &cred_server;
	struct name name = name_from_str("attribute");
	const struct setattr set = {0};
	uint64_t at;
	size_t done;
	char buf[8];
	bool eof;

	switch (call) {
	case STORE_CALL_SETATTR:
		return store_setattr(r->fault, cred, &r->file, 0, &set);
	case STORE_CALL_READ:
		return store_read(r->fault, cred, &r->file, 0, 0, buf,
			sizeof(buf), &done, &eof);
	case STORE_CALL_WRITE:
		return store_write(r->fault, cred, &r->file, 0, 0, "abc", 3,
			&stability, &done);
	case STORE_CALL_COMMIT:
		return store_commit(r->fault, &r->file, 0, 0);
	case STORE_CALL_SEEK:
		return store_seek(
			r->fault, cred, &r->file, 0, 0, true, &at, &eof);
	case STORE_CALL_ALLOCATE:
		return store_allocate(r->fault, cred, &r->file, 0, 0, 1);
	case STORE_CALL_DEALLOCATE:
		return store_deallocate(r->fault, cred, &r->file, 0, 0, 1);
	case STORE_CALL_XATTR_GET:
		done = sizeof(buf);
		return store_xattr_get(
			r->fault, cred, &r->file, name, buf, &done);
	case STORE_CALL_XATTR_SET:
		return store_xattr_set(
			r->fault, cred, &r->file, name, "v", 1, XATTR_EITHER);
	case STORE_CALL_XATTR_LIST:
		return store_xattr_list(r->fault, cred, &r->file, &names);
	default:
		return store_xattr_remove(r->fault, cred, &r->file, name);
	}
}

static void deaf(void *ctx, const struct outside *what)
{
}

static int call_watch(struct rig *r, enum store_call call)
{
	const struct store_observer observer = {.outside = deaf};

	if (call == STORE_CALL_OBSERVE)
		return store_observe(r->fault, &observer);
	return store_watch(r->fault, &r->file, STORE_WATCH_OBJECT);
}

static int call_any(struct rig *r, enum store_call call)
{
	switch (call) {
	case STORE_CALL_ROOT ... STORE_CALL_OPEN_CHECK:
	case STORE_CALL_READLINK:
	case STORE_CALL_EXCLUSIVE_MATCH:
	case STORE_CALL_PIN:
		return call_object(r, call);
	case STORE_CALL_SETATTR ... STORE_CALL_XATTR_REMOVE:
		return call_content(r, call);
	case STORE_CALL_OBSERVE:
	case STORE_CALL_WATCH:
		return call_watch(r, call);
	default:
		return call_name(r, call);
	}
}

/* Each call, each in its turn, with an error nothing else gives. */
static void test_each_call_fails(void **state)
{
	struct rig *r = *state;

	for (int call = 0; call < STORE_CALLS; call++) {
		struct store_call_stats before = store_call_stats(call);
		struct store_call_stats after;

		assert_non_null(store_call_name(call));
		fault_fail(r->fault, call, EXFULL, 2);
		assert_int_equal(call_any(r, call), -EXFULL);
		assert_int_equal(call_any(r, call), -EXFULL);
		assert_int_equal(fault_count(r->fault, call), 2);
		after = store_call_stats(call);
		assert_int_equal(after.calls - before.calls, 2);
		assert_int_equal(after.failures - before.failures, 2);
	}
	/* In this order every call then works, or fails by itself. */
	for (int call = 0; call < STORE_CALLS; call++)
		assert_int_not_equal(call_any(r, call), -EXFULL);
	store_unpin(r->fault, &r->file);
}

static void test_all_calls_fail_until_told(void **state)
{
	struct rig *r = *state;

	fault_fail(r->fault, FAULT_ALL, EDQUOT, 0);
	for (int call = 0; call < STORE_CALLS; call++)
		assert_int_equal(call_any(r, call), -EDQUOT);
	fault_fail(r->fault, FAULT_ALL, 0, 0);
	assert_int_equal(call_any(r, STORE_CALL_PROBE), 0);
}

/* A failure leaves the caller's results alone. */
static void test_results_are_untouched(void **state)
{
	struct rig *r = *state;
	struct attr attr = {.size = 77};
	size_t done = 33;
	bool eof = true;
	char buf[1];

	fault_fail(r->fault, FAULT_ALL, EIO, 0);
	assert_int_equal(store_getattr(r->fault, &r->file, &attr), -EIO);
	assert_int_equal(attr.size, 77);
	assert_int_equal(store_read(r->fault, &cred_server, &r->file, 0, 0, buf,
				 1, &done, &eof),
		-EIO);
	assert_int_equal(done, 33);
	assert_true(eof);
}

static void *hang_thread(void *arg)
{
	struct rig *r = arg;

	assert_int_equal(call_any(r, STORE_CALL_GETATTR), 0);
	return NULL;
}

static void test_hang_and_release(void **state)
{
	struct rig *r = *state;
	pthread_t threads[3];

	fault_hang(r->fault);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, hang_thread, r);
	while (fault_waiting(r->fault) < 3)
		sched_yield();
	fault_release(r->fault);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fault_waiting(r->fault), 0);
	assert_int_equal(call_any(r, STORE_CALL_PROBE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_each_call_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_all_calls_fail_until_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_results_are_untouched, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_hang_and_release, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
