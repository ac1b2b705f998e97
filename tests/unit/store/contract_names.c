/* SPDX-License-Identifier: MIT */
/* The contract: looking up, creating, linking and removing names. */
#include "contract_impl.h"

static void test_lookup(void **state)
{
	struct ct *t = *state;
	struct fileid file = ct_make(t, &t->dir, "file", OBJECT_FILE, 0600);
	struct fileid found;
	struct attr attr;

	assert_ok(ct_lookup(t, &t->dir, "file", &found));
	assert_true(fileid_equal(&file, &found));
	assert_ok(store_lookup_attr(t->s, &cred_server, &t->dir,
		name_from_str("file"), &found, &attr));
	assert_true(fileid_equal(&file, &found));
	assert_int_equal(attr.type, OBJECT_FILE);
	assert_int_equal(attr.mode, 0600);
	assert_int_equal(attr.nlink, 1);
	assert_err(ct_lookup(t, &t->dir, "none", &found), ENOENT);
	assert_err(ct_lookup(t, &file, "x", &found), ENOTDIR);
	assert_ok(store_probe(t->s, &file));
}

/* The short way of a listing says what the long one says. */
static void test_lookup_attr_alone(void **state)
{
	static const enum object_type types[] = {OBJECT_FILE, OBJECT_DIR,
		OBJECT_SYMLINK, OBJECT_FIFO, OBJECT_SOCKET};
	struct ct *t = *state;
	struct fileid found;
	struct attr attr, same;
	char name[2] = "a";

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		name[0] = (char)('a' + i);
		ct_make(t, &t->dir, name, types[i], 0644);
		assert_ok(store_lookup_attr(t->s, &cred_server, &t->dir,
			name_from_str(name), &found, &attr));
		assert_ok(store_lookup_attr(t->s, &cred_server, &t->dir,
			name_from_str(name), NULL, &same));
		assert_int_equal(same.type, types[i]);
		assert_int_equal(same.mode, attr.mode);
		assert_int_equal(same.inode, attr.inode);
		assert_int_equal(same.fsid.major, attr.fsid.major);
		assert_int_equal(same.fsid.minor, attr.fsid.minor);
		assert_int_equal(same.ctime_ns, attr.ctime_ns);
	}
	assert_err(store_lookup_attr(t->s, &cred_server, &t->dir,
			   name_from_str("none"), NULL, &attr),
		ENOENT);
}

static void test_lookup_needs_search(void **state)
{
	struct ct *t = *state;
	struct cred user = ct_user(1000);
	struct fileid dir = ct_make(t, &t->dir, "dir", OBJECT_DIR, 0644);
	struct attr attr;
	struct fileid found;

	if (!ct_has_users(t))
		return;
	ct_make(t, &dir, "file", OBJECT_FILE, 0644);
	assert_err(
		store_lookup(t->s, &user, &dir, name_from_str("file"), &found),
		EACCES);
	assert_err(
		store_lookup(t->s, &user, &dir, name_from_str("none"), &found),
		EACCES);
	assert_err(store_lookup_attr(t->s, &user, &dir, name_from_str("file"),
			   NULL, &attr),
		EACCES);
	assert_err(store_lookup_parent(t->s, &user, &dir, &found), EACCES);
}

static void test_names_are_bytes(void **state)
{
	struct ct *t = *state;
	char longest[NAME_LEN_MAX + 1];
	struct fileid id, found;

	memset(longest, 'x', NAME_LEN_MAX);
	longest[NAME_LEN_MAX] = 0;
	id = ct_make(t, &t->dir, longest, OBJECT_FILE, 0644);
	assert_ok(ct_lookup(t, &t->dir, longest, &found));
	assert_true(fileid_equal(&id, &found));
	id = ct_make(t, &t->dir, "\xff\x01 \\:*\xc3", OBJECT_FILE, 0644);
	assert_ok(ct_lookup(t, &t->dir, "\xff\x01 \\:*\xc3", &found));
	assert_true(fileid_equal(&id, &found));
	ct_make(t, &t->dir, "Case", OBJECT_FILE, 0644);
	assert_err(ct_lookup(t, &t->dir, "case", &found), ENOENT);
	ct_make(t, &t->dir, "...", OBJECT_FILE, 0644);
}

static void test_parent(void **state)
{
	struct ct *t = *state;
	struct fileid sub = ct_make(t, &t->dir, "sub", OBJECT_DIR, 0755);
	struct fileid file = ct_make(t, &t->dir, "file", OBJECT_FILE, 0644);
	struct fileid up;

	assert_ok(store_lookup_parent(t->s, &cred_server, &sub, &up));
	assert_true(fileid_equal(&up, &t->dir));
	assert_ok(store_lookup_parent(t->s, &cred_server, &t->dir, &up));
	assert_true(fileid_equal(&up, &t->root));
	assert_err(
		store_lookup_parent(t->s, &cred_server, &t->root, &up), ENOENT);
	assert_err(
		store_lookup_parent(t->s, &cred_server, &file, &up), ENOTDIR);
}

static void assert_path(struct ct *t, const struct fileid *dir, const char *end)
{
	char path[512];
	size_t len;

	assert_ok(store_path(t->s, dir, path, sizeof(path)));
	len = strlen(path);
	assert_true(len >= strlen(end));
	assert_string_equal(path + len - strlen(end), end);
}

static void test_path(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_DIR, 0700);
	struct fileid b = ct_make(t, &a, "b \n\xff", OBJECT_DIR, 0700);
	struct fileid file = ct_make(t, &a, "file", OBJECT_FILE, 0644);
	char path[512];

	assert_ok(store_path(t->s, &t->root, path, sizeof(path)));
	assert_string_equal(path, "/");
	assert_path(t, &a, "/a");
	assert_path(t, &b, "/a/b \n\xff");
	assert_ok(ct_rename(
		t, &cred_server, &a, "b \n\xff", &t->dir, "c", NULL, NULL));
	assert_path(t, &b, "/c");
	assert_err(store_path(t->s, &file, path, sizeof(path)), ENOTDIR);
	assert_err(store_path(t->s, &b, path, 3), ENAMETOOLONG);
	assert_ok(ct_remove(t, &cred_server, &t->dir, "c", NULL));
	assert_err(store_path(t->s, &b, path, sizeof(path)), ESTALE);
}

static void test_stale(void **state)
{
	struct ct *t = *state;
	struct fileid file = ct_make(t, &t->dir, "file", OBJECT_FILE, 0644);
	struct fileid dir = ct_make(t, &t->dir, "dir", OBJECT_DIR, 0755);
	struct fileid nonsense = {.len = 5, .data = "12345"}, ret;
	struct attr attr;

	assert_ok(ct_remove(t, &cred_server, &t->dir, "file", NULL));
	assert_ok(ct_remove(t, &cred_server, &t->dir, "dir", NULL));
	assert_err(store_probe(t->s, &file), ESTALE);
	assert_err(store_getattr(t->s, &file, &attr), ESTALE);
	assert_err(ct_lookup(t, &dir, "x", &ret), ESTALE);
	assert_err(
		ct_make_as(t, &cred_server, &dir, "x", OBJECT_FILE, 0644, &ret),
		ESTALE);
	assert_err(store_probe(t->s, &nonsense), ESTALE);
	assert_err(store_pin(t->s, &nonsense), ESTALE);
}

static void test_create_every_type(void **state)
{
	static const enum object_type types[] = {OBJECT_FILE, OBJECT_DIR,
		OBJECT_SYMLINK, OBJECT_FIFO, OBJECT_SOCKET, OBJECT_BLOCK,
		OBJECT_CHAR};
	struct ct *t = *state;

	if (!ct_has_users(t))
		return;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char name[] = {'n', '0' + i, 0};
		struct fileid id = ct_make(t, &t->dir, name, types[i], 0640);
		struct fileid found;
		struct attr attr = ct_attr(t, &id);

		assert_ok(ct_lookup(t, &t->dir, name, &found));
		assert_true(fileid_equal(&id, &found));
		assert_int_equal(attr.type, types[i]);
		if (types[i] != OBJECT_SYMLINK)
			assert_int_equal(attr.mode, 0640);
		if (types[i] == OBJECT_BLOCK || types[i] == OBJECT_CHAR) {
			assert_int_equal(attr.rdev_major, 4);
			assert_int_equal(attr.rdev_minor, 7);
		}
		assert_err(ct_make_as(t, &cred_server, &t->dir, name, types[i],
				   0640, &found),
			EEXIST);
	}
}

static void test_symlink(void **state)
{
	struct ct *t = *state;
	struct fileid link = ct_make(t, &t->dir, "l", OBJECT_SYMLINK, 0777);
	struct fileid file = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	char buf[4096];
	size_t len;

	assert_ok(store_readlink(
		t->s, &cred_server, &link, buf, sizeof(buf), &len));
	assert_int_equal(len, strlen("some/where"));
	assert_memory_equal(buf, "some/where", len);
	assert_int_equal(ct_attr(t, &link).size, len);
	assert_err(store_readlink(
			   t->s, &cred_server, &file, buf, sizeof(buf), &len),
		EINVAL);
}

static void test_owner_and_mode(void **state)
{
	struct ct *t = *state;
	struct store_new new = {.type = OBJECT_FILE};
	struct cred user = {
		.uid = 1000, .gid = 1001, .ngroups = 1, .groups = {1002}};
	struct dir_change change = {0};
	struct fileid id;
	struct attr attr;

	if (!ct_has_users(t))
		return;
	assert_ok(store_create(t->s, &user, &t->dir, name_from_str("default"),
		&new, &id, &change));
	attr = ct_attr(t, &id);
	assert_int_equal(attr.uid, 1000);
	assert_int_equal(attr.gid, 1001);
	assert_int_equal(attr.mode, 0600);
	new.attr = (struct setattr){
		.mask = SETATTR_MODE | SETATTR_UMASK | SETATTR_GID,
		.mode = 0777,
		.umask = 027,
		.gid = 1002,
	};
	assert_ok(store_create(t->s, &user, &t->dir, name_from_str("masked"),
		&new, &id, &change));
	attr = ct_attr(t, &id);
	assert_int_equal(attr.mode, 0750);
	assert_int_equal(attr.gid, 1002);
	new.type = OBJECT_DIR;
	new.attr = (struct setattr){0};
	assert_ok(store_create(
		t->s, &user, &t->dir, name_from_str("d"), &new, &id, &change));
	assert_int_equal(ct_attr(t, &id).mode, 0700);
}

/* Bits of the mode that are not named are those of no mode at all. */
static void test_some_bits_of_the_mode(void **state)
{
	static const struct {
		enum object_type type;
		uint32_t mode, mask, expected;
	} cases[] = {
		{OBJECT_FILE, 0444, 0044, 0644},
		{OBJECT_FILE, 0444, 0777, 0444},
		{OBJECT_FILE, 0777, 0, 0600},
		{OBJECT_FIFO, 0020, 0220, 0420},
		{OBJECT_DIR, 01005, 01007, 01705},
	};
	struct ct *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_new new = {
			.type = cases[i].type,
			.attr = {.mask = SETATTR_MODE_MASKED,
				.mode = cases[i].mode,
				.mode_mask = cases[i].mask},
		};
		char name[] = {(char)('a' + i), '\0'};
		struct dir_change change = {0};
		struct fileid id;

		assert_ok(store_create(t->s, &cred_server, &t->dir,
			name_from_str(name), &new, &id, &change));
		assert_int_equal(ct_attr(t, &id).mode, cases[i].expected);
	}
}

static void test_create_with_a_size(void **state)
{
	struct ct *t = *state;
	struct store_new new = {.type = OBJECT_FILE,
		.attr = {.mask = SETATTR_SIZE, .size = UINT64_MAX}};
	struct dir_change change = {0};
	struct fileid id;

	assert_err(store_create(t->s, &cred_server, &t->dir, name_from_str("x"),
			   &new, &id, &change),
		EFBIG);
	assert_err(ct_lookup(t, &t->dir, "x", &id), ENOENT);
	new.attr.size = 12345;
	assert_ok(store_create(t->s, &cred_server, &t->dir, name_from_str("x"),
		&new, &id, &change));
	assert_int_equal(ct_attr(t, &id).size, 12345);
}

/* What may not be given leaves nothing behind. */
static void test_create_fails_whole(void **state)
{
	struct ct *t = *state;
	struct store_new new = {
		.type = OBJECT_FILE, .attr = {.mask = SETATTR_UID, .uid = 5}};
	struct cred user = ct_user(1000);
	struct dir_change change = {0};
	struct fileid id;

	if (!ct_has_users(t))
		return;
	assert_err(store_create(t->s, &user, &t->dir, name_from_str("x"), &new,
			   &id, &change),
		EPERM);
	assert_err(ct_lookup(t, &t->dir, "x", &id), ENOENT);
}

static void test_setgid_directory(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "g", OBJECT_DIR, 0777);
	struct cred user = ct_user(1000);
	struct fileid id;
	struct attr attr;

	if (!ct_has_users(t))
		return;
	ct_chown(t, &dir, 7, 77, 02777);
	assert_ok(ct_make_as(t, &user, &dir, "f", OBJECT_FILE, 0644, &id));
	assert_int_equal(ct_attr(t, &id).gid, 77);
	assert_int_equal(ct_attr(t, &id).mode, 0644);
	assert_ok(ct_make_as(t, &user, &dir, "d", OBJECT_DIR, 0755, &id));
	attr = ct_attr(t, &id);
	assert_int_equal(attr.gid, 77);
	assert_int_equal(attr.mode, 02755);
}

static void test_create_permissions(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct cred user = ct_user(1000);
	struct fileid id;

	if (!ct_has_users(t))
		return;
	ct_make(t, &dir, "there", OBJECT_FILE, 0644);
	assert_err(ct_make_as(t, &user, &dir, "x", OBJECT_FILE, 0644, &id),
		EACCES);
	assert_err(ct_make_as(t, &user, &dir, "there", OBJECT_FILE, 0644, &id),
		EEXIST);
	assert_err(ct_make_as(t, &user, &t->dir, "dev", OBJECT_CHAR, 0644, &id),
		EPERM);
	assert_ok(ct_make_as(t, &user, &t->dir, "p", OBJECT_FIFO, 0644, &id));
}

static void test_exclusive(void **state)
{
	struct ct *t = *state;
	struct store_new new = {
		.type = OBJECT_FILE, .exclusive = true, .verifier = 0x1234567};
	struct fileid plain = ct_make(t, &t->dir, "p", OBJECT_FILE, 0644);
	struct dir_change change = {0};
	struct fileid id;
	bool match;

	assert_ok(store_create(t->s, &cred_server, &t->dir, name_from_str("e"),
		&new, &id, &change));
	ct_restart(t);
	assert_ok(store_exclusive_match(t->s, &id, 0x1234567, &match));
	assert_true(match);
	assert_ok(store_exclusive_match(t->s, &id, 0x1234568, &match));
	assert_false(match);
	assert_ok(store_exclusive_match(t->s, &plain, 0, &match));
	assert_false(match);
}

/* Also of a file that its maker may not write, as git makes them. */
static void test_exclusive_read_only(void **state)
{
	struct ct *t = *state;
	struct store_new new = {.type = OBJECT_FILE,
		.exclusive = true,
		.verifier = 0x89abcdef,
		.attr = {.mask = SETATTR_MODE, .mode = 0444}};
	struct dir_change change = {0};
	struct fileid id;
	bool match;

	assert_ok(store_create(t->s, &cred_server, &t->dir, name_from_str("e"),
		&new, &id, &change));
	assert_int_equal(ct_attr(t, &id).mode, 0444);
	assert_ok(store_exclusive_match(t->s, &id, 0x89abcdef, &match));
	assert_true(match);
}

static void test_link(void **state)
{
	struct ct *t = *state;
	struct fileid file = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct cred *root = (struct cred *)&cred_server;
	struct fileid found;

	assert_ok(ct_link(t, root, &file, &dir, "b", NULL));
	assert_ok(ct_lookup(t, &dir, "b", &found));
	assert_true(fileid_equal(&file, &found));
	assert_int_equal(ct_attr(t, &file).nlink, 2);
	assert_err(ct_link(t, root, &file, &dir, "b", NULL), EEXIST);
	assert_err(ct_link(t, root, &dir, &t->dir, "c", NULL), EISDIR);
	assert_err(ct_link(t, root, &file, &file, "c", NULL), ENOTDIR);
	assert_ok(ct_remove(t, root, &t->dir, "a", NULL));
	assert_ok(store_probe(t->s, &file));
	assert_int_equal(ct_attr(t, &file).nlink, 1);
	assert_err(ct_remove(t, root, &t->dir, "a", NULL), ENOENT);
	assert_ok(ct_remove(t, root, &dir, "b", NULL));
	assert_err(store_probe(t->s, &file), ESTALE);
}

static void test_link_permissions(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct cred user = ct_user(1000);
	struct fileid id;

	if (!ct_has_users(t))
		return;
	assert_ok(ct_make_as(t, &user, &t->dir, "f", OBJECT_FILE, 0644, &id));
	assert_err(ct_link(t, &user, &id, &dir, "x", NULL), EACCES);
	assert_ok(ct_link(t, &user, &id, &t->dir, "x", NULL));
}

static void test_remove(void **state)
{
	struct ct *t = *state;
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0755);
	struct cred user = ct_user(1000);

	ct_make(t, &dir, "in", OBJECT_FILE, 0644);
	assert_err(ct_remove(t, &cred_server, &t->dir, "none", NULL), ENOENT);
	assert_err(ct_remove(t, &cred_server, &t->dir, "d", NULL), ENOTEMPTY);
	if (t->c->has_users)
		assert_err(ct_remove(t, &user, &dir, "in", NULL), EACCES);
	assert_int_equal(ct_attr(t, &t->dir).nlink, 3);
	assert_ok(ct_remove(t, &cred_server, &dir, "in", NULL));
	assert_ok(ct_remove(t, &cred_server, &t->dir, "d", NULL));
	assert_int_equal(ct_attr(t, &t->dir).nlink, 2);
}

static int remove_only(struct ct *t, const char *name, const struct fileid *id)
{
	struct dir_change change = {.victim = id};

	return store_remove(
		t->s, &cred_server, &t->dir, name_from_str(name), &change);
}

/* What others have put there since it was looked at stays. */
static void test_remove_only(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	struct fileid b = ct_make(t, &t->dir, "b", OBJECT_DIR, 0755);
	struct fileid found;

	assert_err(remove_only(t, "a", &b), EWOULDBLOCK);
	assert_err(remove_only(t, "b", &a), EWOULDBLOCK);
	assert_ok(ct_lookup(t, &t->dir, "a", &found));
	assert_ok(remove_only(t, "a", &a));
	assert_err(remove_only(t, "a", &a), ENOENT);
	assert_ok(remove_only(t, "b", &b));
}

static void test_sticky(void **state)
{
	struct ct *t = *state;
	struct cred one = ct_user(1000), two = ct_user(2000);
	struct fileid dir = ct_make(t, &t->dir, "tmp", OBJECT_DIR, 0777);
	struct fileid id;

	if (!ct_has_users(t))
		return;
	ct_chown(t, &dir, 0, 0, 01777);
	assert_ok(ct_make_as(t, &one, &dir, "mine", OBJECT_FILE, 0666, &id));
	assert_err(ct_remove(t, &two, &dir, "mine", NULL), EPERM);
	assert_err(ct_rename(t, &two, &dir, "mine", &dir, "his", NULL, NULL),
		EPERM);
	assert_ok(ct_remove(t, &one, &dir, "mine", NULL));
}

/* A pinned object is reached by its fileid until the last pin goes. */
static void test_pin(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	enum store_stability stability = STORE_UNSTABLE;
	size_t done;

	assert_ok(store_pin(t->s, &id));
	assert_ok(store_pin(t->s, &id));
	assert_ok(ct_remove(t, &cred_server, &t->dir, "f", NULL));
	assert_int_equal(ct_attr(t, &id).nlink, 0);
	assert_ok(store_write(t->s, &cred_server, &id, STORE_IO_OPENED, 0, "a",
		1, &stability, &done));
	store_unpin(t->s, &id);
	assert_int_equal(ct_attr(t, &id).size, 1);
	store_unpin(t->s, &id);
	assert_err(store_probe(t->s, &id), ESTALE);
}

static void test_pin_with_a_name(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);

	assert_ok(store_pin(t->s, &id));
	store_unpin(t->s, &id);
	assert_ok(store_probe(t->s, &id));
}

/* Whatever happens to an entry shows in the times of its directory. */
static void test_times_of_changes(void **state)
{
	struct ct *t = *state;
	struct attr before = ct_attr(t, &t->dir), after;
	struct fileid file;

	t->c->pass_time();
	file = ct_make(t, &t->dir, "a", OBJECT_FILE, 0644);
	after = ct_attr(t, &t->dir);
	assert_true(after.ctime_ns > before.ctime_ns);
	assert_true(after.mtime_ns > before.mtime_ns);
	before = after;
	t->c->pass_time();
	assert_ok(ct_rename(
		t, &cred_server, &t->dir, "a", &t->dir, "b", NULL, NULL));
	after = ct_attr(t, &t->dir);
	assert_true(after.ctime_ns > before.ctime_ns);
	before = ct_attr(t, &file);
	t->c->pass_time();
	assert_ok(ct_link(t, &cred_server, &file, &t->dir, "c", NULL));
	assert_true(ct_attr(t, &file).ctime_ns > before.ctime_ns);
	before = ct_attr(t, &t->dir);
	t->c->pass_time();
	assert_ok(ct_remove(t, &cred_server, &t->dir, "b", NULL));
	assert_true(ct_attr(t, &t->dir).ctime_ns > before.ctime_ns);
}

static void test_sync(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);

	assert_ok(store_sync_entry(t->s, &t->dir, NULL));
	assert_ok(store_sync_entry(t->s, &t->dir, &id));
}

static void test_restart_keeps_names(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct fileid found;

	ct_restart(t);
	assert_ok(store_probe(t->s, &id));
	assert_ok(ct_lookup(t, &t->dir, "f", &found));
	assert_true(fileid_equal(&id, &found));
}

int contract_run_names(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_lookup),
		ct_test(test_lookup_attr_alone),
		ct_test(test_lookup_needs_search),
		ct_test(test_names_are_bytes),
		ct_test(test_parent),
		ct_test(test_path),
		ct_test(test_stale),
		ct_test(test_create_every_type),
		ct_test(test_symlink),
		ct_test(test_owner_and_mode),
		ct_test(test_some_bits_of_the_mode),
		ct_test(test_create_with_a_size),
		ct_test(test_create_fails_whole),
		ct_test(test_setgid_directory),
		ct_test(test_create_permissions),
		ct_test(test_exclusive),
		ct_test(test_exclusive_read_only),
		ct_test(test_link),
		ct_test(test_link_permissions),
		ct_test(test_remove),
		ct_test(test_remove_only),
		ct_test(test_sticky),
		ct_test(test_pin),
		ct_test(test_pin_with_a_name),
		ct_test(test_times_of_changes),
		ct_test(test_sync),
		ct_test(test_restart_keeps_names),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
