/* SPDX-License-Identifier: MIT */
#include "posix_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "testutil.h"

#define SKIPPED 77

void rig_need_root(void)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "needs root: skipped\n");
	exit(SKIPPED);
}

void rig_init(struct posix_rig *r)
{
	const char *dir = getenv("HERALD_TEST_DIR");

	*r = (struct posix_rig){
		.max_fds = RIG_FDS, .index_budget = TEST_BUDGET};
	snprintf(r->base, sizeof(r->base), "%s/herald-posix-XXXXXX",
		dir ? dir : "/var/tmp");
	assert_non_null(mkdtemp(r->base));
	assert_int_equal(chmod(r->base, 0755), 0);
	snprintf(r->export, sizeof(r->export), "%s/export", r->base);
	assert_int_equal(mkdir(r->export, 0700), 0);
	assert_int_equal(chmod(r->export, 01777), 0);
	clock_init(&r->clock);
}

void rig_start(struct posix_rig *r)
{
	struct posix_options options = {
		.path = r->export,
		.clock = &r->clock,
		.max_fds = r->max_fds,
		.read_only = r->read_only,
		.watch = r->watch,
	};
	char why[256] = "";

	r->index = dirindex_new(&r->clock, test_cookie_secret, r->index_budget);
	assert_non_null(r->index);
	options.index = r->index;
	r->store = posix_new(&options, why, sizeof(why));
	if (!r->store)
		fail_msg("%s", why);
	assert_int_equal(store_root(r->store, &r->root), 0);
}

void rig_stop(struct posix_rig *r)
{
	store_free(r->store);
	dirindex_free(r->index);
	r->store = NULL;
}

void rig_restart(struct posix_rig *r)
{
	rig_stop(r);
	rig_start(r);
}

void rig_fini(struct posix_rig *r)
{
	char command[256];

	if (r->store)
		rig_stop(r);
	snprintf(command, sizeof(command), "rm -rf '%s'", r->base);
	assert_int_equal(system(command), 0);
}

static const char *join(const char *dir, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

const char *rig_path(const struct posix_rig *r, const char *name)
{
	return join(r->export, name);
}

const char *rig_outside(const struct posix_rig *r, const char *name)
{
	return join(r->base, name);
}

struct fileid rig_make(struct posix_rig *r, const struct fileid *dir,
	const char *name, enum object_type type, uint32_t uid)
{
	struct store_new new = {
		.type = type,
		.link_text = name_from_str("nowhere"),
		.attr = {.mask = SETATTR_MODE,
			.mode = type == OBJECT_DIR ? 0755 : 0644},
	};
	struct cred cred = uid ? test_cred(uid) : cred_server;
	struct dir_change change = {0};
	struct fileid id;

	assert_int_equal(store_create(r->store, &cred, dir, name_from_str(name),
				 &new, &id, &change),
		0);
	return id;
}

struct fileid rig_lookup(
	struct posix_rig *r, const struct fileid *dir, const char *name)
{
	struct fileid id;

	assert_int_equal(store_lookup(r->store, &cred_server, dir,
				 name_from_str(name), &id),
		0);
	return id;
}

struct attr rig_attr(struct posix_rig *r, const struct fileid *id)
{
	struct attr attr;

	assert_int_equal(store_getattr(r->store, id, &attr), 0);
	return attr;
}

void rig_chmod(struct posix_rig *r, const struct fileid *id, uint32_t mode)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = mode};

	assert_int_equal(
		store_setattr(r->store, &cred_server, id, STORE_IO_CHECK, &set),
		0);
}

int rig_write(struct posix_rig *r, const struct cred *cred,
	const struct fileid *id, int io, const char *text)
{
	enum store_stability stability = STORE_UNSTABLE;
	size_t done, len = strlen(text);
	int err = store_write(
		r->store, cred, id, io, 0, text, len, &stability, &done);

	if (!err)
		assert_int_equal(done, len);
	return err;
}
