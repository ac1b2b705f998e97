/* SPDX-License-Identifier: MIT */
/* The contract: what is in files. */
#include "contract_impl.h"

#include <stdio.h>

#define GIB (1ULL << 30)

static int put(struct ct *t, const struct cred *cred, const struct fileid *id,
	uint64_t offset, const void *data, size_t len)
{
	enum store_stability stability = STORE_UNSTABLE;
	size_t done = 0;
	int err = store_write(t->s, cred, id, STORE_IO_CHECK, offset, data, len,
		&stability, &done);

	if (!err)
		assert_int_equal(done, len);
	return err;
}

/* Read and compare; the end of the file must be where @eof says. */
static void expect(struct ct *t, const struct fileid *id, uint64_t offset,
	size_t len, const char *data, size_t data_len, bool eof)
{
	char buf[64];
	size_t done;
	bool end;

	assert_true(len <= sizeof(buf));
	assert_ok(store_read(t->s, &cred_server, id, STORE_IO_CHECK, offset,
		buf, len, &done, &end));
	assert_int_equal(done, data_len);
	assert_memory_equal(buf, data, data_len);
	assert_int_equal(end, eof);
}

static void test_read_and_write(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);

	expect(t, &id, 0, 10, "", 0, true);
	assert_ok(put(t, &cred_server, &id, 0, "hello world", 11));
	assert_int_equal(ct_attr(t, &id).size, 11);
	expect(t, &id, 0, 5, "hello", 5, false);
	expect(t, &id, 6, 5, "world", 5, true);
	expect(t, &id, 6, 50, "world", 5, true);
	expect(t, &id, 11, 5, "", 0, true);
	expect(t, &id, 500, 5, "", 0, true);
	expect(t, &id, 0, 0, "", 0, false);
	expect(t, &id, 11, 0, "", 0, true);
	assert_ok(put(t, &cred_server, &id, 4, "0", 1));
	expect(t, &id, 0, 11, "hell0 world", 11, true);
	assert_ok(put(t, &cred_server, &id, 14, "!", 1));
	expect(t, &id, 10, 10, "d\0\0\0!", 5, true);
	assert_ok(put(t, &cred_server, &id, 90, "", 0));
	assert_int_equal(ct_attr(t, &id).size, 15);
}

static void test_not_a_file(void **state)
{
	struct ct *t = *state;
	struct fileid link = ct_make(t, &t->dir, "l", OBJECT_SYMLINK, 0777);
	char buf[4];
	size_t done;
	bool eof;

	assert_err(store_read(t->s, &cred_server, &t->dir, STORE_IO_CHECK, 0,
			   buf, 4, &done, &eof),
		EISDIR);
	assert_err(store_read(t->s, &cred_server, &link, STORE_IO_CHECK, 0, buf,
			   4, &done, &eof),
		EINVAL);
	assert_err(put(t, &cred_server, &t->dir, 0, "x", 1), EISDIR);
	assert_err(put(t, &cred_server, &link, 0, "x", 1), EINVAL);
}

static void test_permissions(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0600);
	enum store_stability stability = STORE_UNSTABLE;
	struct cred user = ct_user(1000);
	char buf[4];
	size_t done;
	bool eof;

	if (!ct_has_users(t))
		return;
	assert_err(put(t, &user, &id, 0, "abc", 3), EACCES);
	assert_err(store_read(t->s, &user, &id, STORE_IO_CHECK, 0, buf, 4,
			   &done, &eof),
		EACCES);
	/* Opened when that was allowed: today's mode does not matter. */
	assert_ok(store_write(t->s, &user, &id, STORE_IO_OPENED, 0, "abc", 3,
		&stability, &done));
	assert_ok(store_read(
		t->s, &user, &id, STORE_IO_OPENED, 0, buf, 4, &done, &eof));
	assert_int_equal(done, 3);
	/* A program that may be run may be read. */
	ct_chown(t, &id, 0, 0, 0711);
	assert_ok(store_read(
		t->s, &user, &id, STORE_IO_CHECK, 0, buf, 4, &done, &eof));
}

static void test_times_of_writes(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct attr before = ct_attr(t, &id), after;

	t->c->pass_time();
	assert_ok(put(t, &cred_server, &id, 0, "x", 1));
	after = ct_attr(t, &id);
	assert_true(after.mtime_ns > before.mtime_ns);
	assert_true(after.ctime_ns > before.ctime_ns);
	expect(t, &id, 0, 1, "x", 1, true);
	assert_int_equal(ct_attr(t, &id).ctime_ns, after.ctime_ns);
}

static void test_stability(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	uint64_t verifier = store_write_verifier(t->s);
	size_t done;

	for (int i = STORE_UNSTABLE; i <= STORE_FILE_SYNC; i++) {
		enum store_stability stability = i;

		assert_ok(store_write(t->s, &cred_server, &id, STORE_IO_CHECK,
			0, "abc", 3, &stability, &done));
		assert_true((int)stability >= i);
	}
	assert_ok(store_commit(t->s, &id, 0, 0));
	assert_ok(store_commit(t->s, &id, 1, 2));
	assert_ok(store_commit(t->s, &id, UINT64_MAX, UINT64_MAX));
	assert_int_equal(store_write_verifier(t->s), verifier);
	ct_restart(t);
	expect(t, &id, 0, 3, "abc", 3, true);
}

static void test_truncate(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct setattr set = {.mask = SETATTR_SIZE, .size = 3};

	assert_ok(put(t, &cred_server, &id, 0, "abcdef", 6));
	assert_ok(put(t, &cred_server, &id, 10000, "tail", 4));
	assert_ok(ct_setattr(t, &cred_server, &id, set));
	expect(t, &id, 0, 10, "abc", 3, true);
	set.size = 8; /* what was cut off does not come back */
	assert_ok(ct_setattr(t, &cred_server, &id, set));
	expect(t, &id, 0, 10, "abc\0\0\0\0\0", 8, true);
	set.size = 10004;
	assert_ok(ct_setattr(t, &cred_server, &id, set));
	expect(t, &id, 10000, 10, "\0\0\0\0", 4, true);
}

static uint64_t seek(struct ct *t, const struct fileid *id, uint64_t offset,
	bool hole, bool eof)
{
	uint64_t at;
	bool end;

	assert_ok(store_seek(t->s, &cred_server, id, STORE_IO_CHECK, offset,
		hole, &at, &end));
	assert_int_equal(end, eof);
	return at;
}

static void test_sparse(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	uint64_t at;
	bool eof;

	assert_ok(put(t, &cred_server, &id, 5 * GIB, "end", 3));
	assert_int_equal(ct_attr(t, &id).size, 5 * GIB + 3);
	assert_true(ct_attr(t, &id).space_used < 16 << 20);
	expect(t, &id, GIB, 4, "\0\0\0\0", 4, false);
	expect(t, &id, 5 * GIB - 1, 10, "\0end", 4, true);
	at = seek(t, &id, 0, false, false);
	assert_true(at > 4 * GIB && at <= 5 * GIB);
	assert_int_equal(seek(t, &id, 0, true, false), 0);
	assert_int_equal(seek(t, &id, 5 * GIB, false, false), 5 * GIB);
	assert_int_equal(seek(t, &id, 5 * GIB, true, true), 5 * GIB + 3);
	assert_err(store_seek(t->s, &cred_server, &id, STORE_IO_CHECK,
			   5 * GIB + 3, true, &at, &eof),
		ENXIO);
	assert_err(store_seek(t->s, &cred_server, &id, STORE_IO_CHECK,
			   UINT64_MAX, true, &at, &eof),
		ENXIO);
}

static void test_seek_no_more_data(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct setattr set = {.mask = SETATTR_SIZE, .size = 1 << 20};

	assert_ok(put(t, &cred_server, &id, 0, "x", 1));
	assert_ok(ct_setattr(t, &cred_server, &id, set));
	assert_int_equal(seek(t, &id, 1 << 19, false, true), 1 << 20);
	assert_int_equal(seek(t, &id, 0, false, false), 0);
}

static int allocate(
	struct ct *t, const struct fileid *id, uint64_t offset, uint64_t len)
{
	return store_allocate(
		t->s, &cred_server, id, STORE_IO_CHECK, offset, len);
}

static int deallocate(
	struct ct *t, const struct fileid *id, uint64_t offset, uint64_t len)
{
	return store_deallocate(
		t->s, &cred_server, id, STORE_IO_CHECK, offset, len);
}

static void test_allocate(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);

	assert_ok(put(t, &cred_server, &id, 0, "abc", 3));
	assert_ok(allocate(t, &id, 1, 10000));
	assert_int_equal(ct_attr(t, &id).size, 10001);
	assert_true(ct_attr(t, &id).space_used >= 10000);
	expect(t, &id, 0, 5, "abc\0\0", 5, false);
	assert_ok(allocate(t, &id, 0, 10)); /* never shrinks */
	assert_int_equal(ct_attr(t, &id).size, 10001);
	assert_err(allocate(t, &id, 0, 0), EINVAL);
	assert_err(allocate(t, &id, UINT64_MAX, 1), EINVAL);
	assert_err(allocate(t, &id, 5, INT64_MAX), EFBIG);
	assert_err(allocate(t, &t->dir, 0, 1), EISDIR);
}

static void test_deallocate(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	uint64_t used;

	for (int i = 0; i < 256; i++) {
		char block[4096];

		memset(block, 'a' + i % 26, sizeof(block));
		assert_ok(put(
			t, &cred_server, &id, i * 4096, block, sizeof(block)));
	}
	used = ct_attr(t, &id).space_used;
	assert_ok(deallocate(t, &id, 4095, 200 * 4096));
	assert_int_equal(ct_attr(t, &id).size, 256 * 4096);
	assert_true(ct_attr(t, &id).space_used < used);
	expect(t, &id, 4094, 4, "a\0\0\0", 4, false);
	expect(t, &id, 200 * 4096 + 4094, 2, "\0s", 2, false);
	assert_ok(deallocate(t, &id, 2, 3)); /* inside a block */
	expect(t, &id, 0, 7, "aa\0\0\0aa", 7, false);
	assert_ok(deallocate(t, &id, 256 * 4096 - 1, 1 << 20));
	assert_int_equal(ct_attr(t, &id).size, 256 * 4096);
	expect(t, &id, 256 * 4096 - 2, 9, "v\0", 2, true);
	assert_err(deallocate(t, &id, 0, 0), EINVAL);
}

static void test_offsets_beyond_all_files(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);

	assert_ok(put(t, &cred_server, &id, 0, "abc", 3));
	expect(t, &id, UINT64_MAX, 10, "", 0, true);
	expect(t, &id, INT64_MAX, 10, "", 0, true);
	expect(t, &id, INT64_MAX - 5, 10, "", 0, true);
	assert_err(put(t, &cred_server, &id, UINT64_MAX, "x", 1), EFBIG);
	assert_err(put(t, &cred_server, &id, INT64_MAX, "x", 1), EFBIG);
	assert_int_equal(ct_attr(t, &id).size, 3);
}

/* Writes, holes and truncations at random, against a plain array. */
struct model {
	uint8_t bytes[64 << 10];
	size_t size;
	uint64_t seed;
};

static uint64_t below(struct model *m, uint64_t bound)
{
	m->seed = m->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (m->seed >> 33) % bound;
}

static void model_step(struct ct *t, const struct fileid *id, struct model *m)
{
	struct setattr set = {.mask = SETATTR_SIZE};
	size_t at = below(m, sizeof(m->bytes));
	size_t len = 1 + below(m, sizeof(m->bytes) - at) / (1 + below(m, 64));

	switch (below(m, 4)) {
	case 0:
		set.size = at;
		assert_ok(ct_setattr(t, &cred_server, id, set));
		memset(m->bytes + at, 0, sizeof(m->bytes) - at);
		m->size = at;
		return;
	case 1:
		assert_ok(deallocate(t, id, at, len));
		memset(m->bytes + at, 0, len);
		return;
	default:
		memset(m->bytes + at, 1 + below(m, 255), len);
		assert_ok(put(t, &cred_server, id, at, m->bytes + at, len));
		if (at + len > m->size)
			m->size = at + len;
	}
}

static void test_random(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct model *m = test_calloc(1, sizeof(*m));
	uint8_t *buf = test_malloc(sizeof(m->bytes));

	for (int i = 0; i < 300; i++) {
		size_t done;
		bool eof;

		model_step(t, &id, m);
		assert_ok(store_read(t->s, &cred_server, &id, STORE_IO_CHECK, 0,
			buf, sizeof(m->bytes), &done, &eof));
		assert_int_equal(done, m->size);
		assert_memory_equal(buf, m->bytes, m->size);
	}
	test_free(buf);
	test_free(m);
}

int contract_run_contents(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_read_and_write),
		ct_test(test_not_a_file),
		ct_test(test_permissions),
		ct_test(test_times_of_writes),
		ct_test(test_stability),
		ct_test(test_truncate),
		ct_test(test_sparse),
		ct_test(test_seek_no_more_data),
		ct_test(test_allocate),
		ct_test(test_deallocate),
		ct_test(test_offsets_beyond_all_files),
		ct_test(test_random),
	};

	return cmocka_run_group_tests_name("contents", tests, NULL, NULL);
}
