/* SPDX-License-Identifier: MIT */
/* The contract: attributes, permissions, extended attributes. */
#include "contract_impl.h"

static struct setattr set_mode(uint32_t mode)
{
	return (struct setattr){.mask = SETATTR_MODE, .mode = mode};
}

static struct setattr set_size(uint64_t size)
{
	return (struct setattr){.mask = SETATTR_SIZE, .size = size};
}

static struct setattr set_gid(uint32_t gid)
{
	return (struct setattr){.mask = SETATTR_GID, .gid = gid};
}

static struct setattr set_uid(uint32_t uid)
{
	return (struct setattr){.mask = SETATTR_UID, .uid = uid};
}

static void test_getattr(void **state)
{
	struct ct *t = *state;
	struct fileid a = ct_make(t, &t->dir, "a", OBJECT_FILE, 0640);
	struct fileid b = ct_make(t, &t->dir, "b", OBJECT_FILE, 0640);
	struct attr one = ct_attr(t, &a), two = ct_attr(t, &b);

	assert_int_not_equal(one.inode, two.inode);
	assert_int_equal(one.fsid.major, two.fsid.major);
	assert_int_equal(one.fsid.minor, two.fsid.minor);
	assert_int_equal(one.size, 0);
	assert_int_equal(one.change, 0);
	assert_int_equal(ct_attr(t, &t->dir).type, OBJECT_DIR);
	ct_restart(t);
	assert_int_equal(ct_attr(t, &a).inode, one.inode);
	assert_int_equal(ct_attr(t, &a).fsid.major, one.fsid.major);
	assert_int_equal(ct_attr(t, &a).ctime_ns, one.ctime_ns);
}

static void test_statfs(void **state)
{
	struct ct *t = *state;
	struct fsinfo info;

	assert_ok(store_statfs(t->s, &t->dir, &info));
	assert_true(info.space_total >= info.space_free);
	assert_true(info.space_free >= info.space_avail);
	assert_int_equal(info.max_name, NAME_LEN_MAX);
	assert_true(info.max_link > 1);
	assert_true(info.max_file_size > 5ULL << 30);
}

static void test_chmod(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct setattr masked = {
		.mask = SETATTR_MODE_MASKED, .mode = 0001, .mode_mask = 0007};
	struct cred owner = ct_user(1000), other = ct_user(2000);
	struct attr before;

	assert_ok(ct_setattr(t, &cred_server, &id, masked));
	assert_int_equal(ct_attr(t, &id).mode, 0641);
	before = ct_attr(t, &id);
	t->c->pass_time();
	assert_ok(ct_setattr(t, &cred_server, &id, set_mode(0600)));
	assert_int_equal(ct_attr(t, &id).mode, 0600);
	assert_true(ct_attr(t, &id).ctime_ns > before.ctime_ns);
	assert_int_equal(ct_attr(t, &id).mtime_ns, before.mtime_ns);
	if (!ct_has_users(t))
		return;
	ct_chown(t, &id, 1000, 50, 0600);
	assert_err(ct_setattr(t, &other, &id, set_mode(0666)), EPERM);
	assert_ok(ct_setattr(t, &owner, &id, set_mode(0666)));
	/* Not a member of the file's group: no setgid. */
	assert_ok(ct_setattr(t, &owner, &id, set_mode(02755)));
	assert_int_equal(ct_attr(t, &id).mode, 0755);
}

static void test_chown(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct cred owner = {
		.uid = 1000, .gid = 1000, .ngroups = 1, .groups = {55}};
	struct cred other = ct_user(2000);

	if (!ct_has_users(t))
		return;
	ct_chown(t, &id, 1000, 1000, 06755);
	assert_int_equal(ct_attr(t, &id).mode, 06755);
	assert_err(ct_setattr(t, &owner, &id, set_uid(2000)), EPERM);
	assert_err(ct_setattr(t, &owner, &id, set_gid(66)), EPERM);
	assert_err(ct_setattr(t, &other, &id, set_gid(2000)), EPERM);
	assert_int_equal(ct_attr(t, &id).mode, 06755);
	assert_ok(ct_setattr(t, &owner, &id, set_gid(55)));
	assert_int_equal(ct_attr(t, &id).gid, 55);
	assert_int_equal(ct_attr(t, &id).mode, 0755);
	ct_chown(t, &id, 1000, 1000, 04755);
	assert_ok(ct_setattr(t, &cred_server, &id, set_uid(2000)));
	assert_int_equal(ct_attr(t, &id).uid, 2000);
	assert_int_equal(ct_attr(t, &id).mode, 0755);
}

static void test_suid_is_cleared(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	enum store_stability stability = STORE_UNSTABLE;
	struct cred user = ct_user(1000);
	size_t done;

	if (!ct_has_users(t))
		return;
	ct_chown(t, &id, 1, 1, 06777);
	assert_ok(store_write(t->s, &user, &id, STORE_IO_CHECK, 0, "x", 1,
		&stability, &done));
	assert_int_equal(ct_attr(t, &id).mode, 0777);
	ct_chown(t, &id, 1, 1, 06777);
	assert_ok(ct_setattr(t, &user, &id, set_size(0)));
	assert_int_equal(ct_attr(t, &id).mode, 0777);
	ct_chown(t, &id, 1, 1, 04755);
	assert_ok(store_write(t->s, &cred_server, &id, STORE_IO_CHECK, 0, "x",
		1, &stability, &done));
	assert_int_equal(ct_attr(t, &id).mode, 04755);
}

static void test_times(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0622);
	struct setattr fixed = {.mask = SETATTR_ATIME | SETATTR_MTIME,
		.atime_ns = 1000000001,
		.mtime_ns = 2000000002};
	struct setattr now = {.mask = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW};
	struct cred owner = ct_user(1000), other = ct_user(2000);
	struct attr attr;

	assert_ok(ct_setattr(t, &cred_server, &id, fixed));
	attr = ct_attr(t, &id);
	assert_int_equal(attr.atime_ns, 1000000001);
	assert_int_equal(attr.mtime_ns, 2000000002);
	assert_ok(ct_setattr(t, &cred_server, &id, now));
	assert_true(ct_attr(t, &id).mtime_ns > 3000000000);
	assert_true(ct_attr(t, &id).atime_ns > 3000000000);
	if (!ct_has_users(t))
		return;
	ct_chown(t, &id, 1000, 1000, 0622);
	assert_err(ct_setattr(t, &other, &id, fixed), EPERM);
	assert_ok(ct_setattr(t, &other, &id, now));
	assert_ok(ct_setattr(t, &owner, &id, fixed));
	ct_chown(t, &id, 1000, 1000, 0600);
	assert_err(ct_setattr(t, &other, &id, now), EACCES);
}

static void test_size(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct cred user = ct_user(1000);
	struct setattr set = set_size(10);
	struct attr before = ct_attr(t, &id), after;

	t->c->pass_time();
	assert_ok(ct_setattr(t, &cred_server, &id, set));
	after = ct_attr(t, &id);
	assert_int_equal(after.size, 10);
	assert_true(after.mtime_ns > before.mtime_ns);
	assert_true(after.ctime_ns > before.ctime_ns);
	assert_err(ct_setattr(t, &cred_server, &t->dir, set), EISDIR);
	set.size = UINT64_MAX;
	assert_err(ct_setattr(t, &cred_server, &id, set), EFBIG);
	assert_int_equal(ct_attr(t, &id).size, 10);
	if (!ct_has_users(t))
		return;
	set.size = 5;
	assert_err(ct_setattr(t, &user, &id, set), EACCES);
	assert_ok(store_setattr(t->s, &user, &id, STORE_IO_OPENED, &set));
	assert_int_equal(ct_attr(t, &id).size, 5);
}

/* One refusal refuses all. */
static void test_setattr_fails_whole(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0666);
	struct setattr set = {
		.mask = SETATTR_SIZE | SETATTR_MODE, .size = 9, .mode = 0600};
	struct cred user = ct_user(1000);
	struct attr attr;

	if (!ct_has_users(t))
		return;
	assert_err(ct_setattr(t, &user, &id, set), EPERM);
	attr = ct_attr(t, &id);
	assert_int_equal(attr.size, 0);
	assert_int_equal(attr.mode, 0666);
}

static uint32_t granted(
	struct ct *t, const struct cred *cred, const struct fileid *id)
{
	uint32_t ret;

	assert_ok(store_access(t->s, cred, id,
		STORE_MAY_READ | STORE_MAY_WRITE | STORE_MAY_EXECUTE, &ret));
	return ret;
}

static void test_access(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0700);
	struct cred owner = ct_user(1000), other = ct_user(2000);
	struct cred member = {
		.uid = 3000, .gid = 3000, .ngroups = 2, .groups = {9, 60}};
	uint32_t ret;

	if (!ct_has_users(t))
		return;
	ct_chown(t, &id, 1000, 60, 0651);
	assert_int_equal(
		granted(t, &owner, &id), STORE_MAY_READ | STORE_MAY_WRITE);
	assert_int_equal(
		granted(t, &member, &id), STORE_MAY_READ | STORE_MAY_EXECUTE);
	assert_int_equal(granted(t, &other, &id), STORE_MAY_EXECUTE);
	assert_int_equal(granted(t, &other, &dir), 0);
	assert_int_equal(granted(t, &cred_server, &dir),
		STORE_MAY_READ | STORE_MAY_WRITE | STORE_MAY_EXECUTE);
	ct_chown(t, &id, 1000, 60, 0000);
	assert_int_equal(granted(t, &cred_server, &id),
		STORE_MAY_READ | STORE_MAY_WRITE);
	assert_ok(store_access(t->s, &owner, &id, 0, &ret));
	assert_int_equal(ret, 0);
}

static void test_open_check(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct fileid link = ct_make(t, &t->dir, "l", OBJECT_SYMLINK, 0777);
	struct fileid fifo = ct_make(t, &t->dir, "p", OBJECT_FIFO, 0666);
	const uint32_t both = STORE_MAY_READ | STORE_MAY_WRITE;
	struct cred user = ct_user(1000);

	assert_ok(store_open_check(t->s, &cred_server, &id, both));
	assert_err(
		store_open_check(t->s, &cred_server, &t->dir, STORE_MAY_READ),
		EISDIR);
	assert_err(store_open_check(t->s, &cred_server, &link, STORE_MAY_READ),
		ELOOP);
	assert_err(store_open_check(t->s, &cred_server, &fifo, STORE_MAY_READ),
		ENXIO);
	if (!ct_has_users(t))
		return;
	assert_ok(store_open_check(t->s, &user, &id, STORE_MAY_READ));
	assert_err(store_open_check(t->s, &user, &id, both), EACCES);
	ct_chown(t, &id, 0, 0, 0711);
	assert_ok(store_open_check(t->s, &user, &id, STORE_MAY_READ));
	ct_chown(t, &id, 0, 0, 0700);
	assert_err(store_open_check(t->s, &user, &id, STORE_MAY_READ), EACCES);
}

static int xattr_set(struct ct *t, const struct cred *cred,
	const struct fileid *id, const char *name, const char *value,
	enum store_xattr_mode mode)
{
	struct name attribute = name_from_str(name);
	int check = store_check_xattr(t->s, cred, id, attribute, mode);

	assert_int_equal(store_xattr_set(t->s, cred, id, attribute, value,
				 strlen(value), mode),
		check);
	return check;
}

/* What the dry check says, the attempt does, too. */
static int xattr_remove(struct ct *t, const struct cred *cred,
	const struct fileid *id, const char *name)
{
	struct name attribute = name_from_str(name);
	int check = store_check_xattr(
		t->s, cred, id, attribute, XATTR_REPLACE_ONLY);

	assert_int_equal(store_xattr_remove(t->s, cred, id, attribute), check);
	return check;
}

static void test_xattrs(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct cred *root = (struct cred *)&cred_server;
	struct name name = name_from_str("colour");
	char buf[16];
	size_t len = sizeof(buf);

	assert_err(store_xattr_get(t->s, root, &id, name, buf, &len), ENODATA);
	assert_err(xattr_set(t, root, &id, "colour", "x", XATTR_REPLACE_ONLY),
		ENODATA);
	assert_ok(xattr_set(t, root, &id, "colour", "red", XATTR_CREATE_ONLY));
	assert_err(xattr_set(t, root, &id, "colour", "x", XATTR_CREATE_ONLY),
		EEXIST);
	assert_ok(store_xattr_get(t->s, root, &id, name, buf, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(buf, "red", 3);
	len = 2;
	assert_err(store_xattr_get(t->s, root, &id, name, buf, &len), ERANGE);
	assert_ok(xattr_set(t, root, &id, "colour", "", XATTR_REPLACE_ONLY));
	len = sizeof(buf);
	assert_ok(store_xattr_get(t->s, root, &id, name, buf, &len));
	assert_int_equal(len, 0);
	assert_ok(xattr_remove(t, root, &id, "colour"));
	assert_err(xattr_remove(t, root, &id, "colour"), ENODATA);
}

static void test_xattr_list(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0644);
	struct cred *root = (struct cred *)&cred_server;
	char buf[64];
	struct store_xattr_names names = {.data = buf, .size = sizeof(buf)};

	assert_ok(store_xattr_list(t->s, root, &id, &names));
	assert_int_equal(names.used, 0);
	assert_ok(xattr_set(t, root, &id, "one", "1", XATTR_EITHER));
	assert_ok(xattr_set(t, root, &id, "three", "3", XATTR_EITHER));
	assert_ok(store_xattr_list(t->s, root, &id, &names));
	assert_int_equal(names.used, 10);
	/* Either order. */
	if (strcmp(buf, "one") == 0)
		assert_string_equal(buf + 4, "three");
	else
		assert_string_equal(buf + 6, "one");
	names.size = 9;
	assert_err(store_xattr_list(t->s, root, &id, &names), ERANGE);
}

static void test_xattr_permissions(void **state)
{
	struct ct *t = *state;
	struct fileid id = ct_make(t, &t->dir, "f", OBJECT_FILE, 0600);
	struct fileid link = ct_make(t, &t->dir, "l", OBJECT_SYMLINK, 0777);
	struct fileid dir = ct_make(t, &t->dir, "d", OBJECT_DIR, 0777);
	struct cred user = ct_user(1000);
	struct attr before = ct_attr(t, &id);
	char buf[4];
	size_t len = sizeof(buf);

	assert_err(xattr_set(t, &cred_server, &link, "a", "1", XATTR_EITHER),
		EPERM);
	t->c->pass_time();
	assert_ok(xattr_set(t, &cred_server, &id, "a", "1", XATTR_EITHER));
	assert_true(ct_attr(t, &id).ctime_ns > before.ctime_ns);
	if (!ct_has_users(t))
		return;
	assert_err(xattr_set(t, &user, &id, "a", "2", XATTR_EITHER), EACCES);
	assert_err(store_xattr_get(
			   t->s, &user, &id, name_from_str("a"), buf, &len),
		EACCES);
	assert_err(xattr_remove(t, &user, &id, "a"), EACCES);
	/* To change one, nobody need be allowed to read it. */
	ct_chown(t, &id, 0, 0, 0602);
	assert_ok(xattr_set(t, &user, &id, "a", "2", XATTR_REPLACE_ONLY));
	assert_err(
		xattr_set(t, &user, &id, "a", "2", XATTR_CREATE_ONLY), EEXIST);
	assert_ok(xattr_remove(t, &user, &id, "a"));
	assert_err(xattr_remove(t, &user, &id, "a"), ENODATA);
	/* A sticky directory's are its owner's. */
	ct_chown(t, &dir, 0, 0, 01777);
	assert_err(xattr_set(t, &user, &dir, "a", "1", XATTR_EITHER), EPERM);
	assert_err(xattr_remove(t, &user, &dir, "a"), EPERM);
	assert_ok(xattr_set(t, &cred_server, &dir, "a", "1", XATTR_EITHER));
	ct_chown(t, &dir, 1000, 0, 01700);
	assert_ok(xattr_set(t, &user, &dir, "a", "2", XATTR_REPLACE_ONLY));
}

int contract_run_attrs(void)
{
	const struct CMUnitTest tests[] = {
		ct_test(test_getattr),
		ct_test(test_statfs),
		ct_test(test_chmod),
		ct_test(test_chown),
		ct_test(test_suid_is_cleared),
		ct_test(test_times),
		ct_test(test_size),
		ct_test(test_setattr_fails_whole),
		ct_test(test_access),
		ct_test(test_open_check),
		ct_test(test_xattrs),
		ct_test(test_xattr_list),
		ct_test(test_xattr_permissions),
	};

	return cmocka_run_group_tests_name("attributes", tests, NULL, NULL);
}
