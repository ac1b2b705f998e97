/* SPDX-License-Identifier: MIT */
#include "testutil.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

const uint8_t test_cookie_secret[32] = "an unguessable secret for tests";

void test_store_init_budget(struct test_store *t, size_t budget)
{
	clock_init_fake(&t->clock, TEST_EPOCH_NS, TEST_TICK_NS);
	t->index = dirindex_new(&t->clock, test_cookie_secret, budget);
	assert_non_null(t->index);
	t->store = memory_new(&t->clock, t->index);
	assert_non_null(t->store);
	assert_int_equal(store_root(t->store, &t->root), 0);
}

void test_store_init(struct test_store *t)
{
	test_store_init_budget(t, TEST_BUDGET);
}

void test_store_fini(struct test_store *t)
{
	store_free(t->store);
	dirindex_free(t->index);
}

void test_store_restart(struct test_store *t, size_t budget)
{
	struct dirindex *index =
		dirindex_new(&t->clock, test_cookie_secret, budget);

	assert_non_null(index);
	memory_set_index(t->store, index);
	dirindex_free(t->index);
	t->index = index;
}

struct cred test_cred(uint32_t uid)
{
	return (struct cred){.uid = uid, .gid = uid};
}

struct fileid test_make(struct store *s, const struct fileid *dir,
	const char *name, enum object_type type)
{
	struct store_new new = {.type = type,
		.link_text = name_from_str("target"),
		.attr = {.mask = SETATTR_MODE,
			.mode = type == OBJECT_DIR ? 0755 : 0644}};
	struct dir_change change = {0};
	struct fileid id;

	assert_int_equal(store_create(s, &cred_server, dir, name_from_str(name),
				 &new, &id, &change),
		0);
	return id;
}

void test_remove(struct store *s, const struct fileid *dir, const char *name)
{
	struct dir_change change = {0};

	assert_int_equal(store_remove(s, &cred_server, dir, name_from_str(name),
				 &change),
		0);
}

void test_set_admin(bool on)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	uint32_t bit = 1u << CAP_SYS_ADMIN;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (on)
		data[0].effective |= bit;
	else
		data[0].effective &= ~bit;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

bool test_own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

unsigned test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and this one */
}
