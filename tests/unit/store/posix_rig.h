/* SPDX-License-Identifier: MIT */
/*
 * A posix store over a fresh directory of the host, for the tests of what is
 * posix's own. The tests need root (handles, other users' ids) and are skipped
 * without. HERALD_TEST_DIR names a directory to work in, to test another file
 * system; it is /var/tmp.
 */
#ifndef TESTS_POSIX_RIG_H
#define TESTS_POSIX_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "store/dirindex.h"
#include "store/posix.h"
#include "store/store.h"

#define RIG_FDS 64

struct posix_rig {
	char base[128];   /* a directory of the test's own */
	char export[160]; /* below it: the store's root, mode 01777 */
	unsigned max_fds; /* set before rig_start() to have another budget */
	size_t index_budget;
	bool read_only;                   /* likewise */
	struct posix_watch_options watch; /* likewise */
	struct clock clock;
	struct dirindex *index;
	struct store *store;
	struct fileid root;
};

/* Exit with 77 (skipped) unless run as root. First thing in main(). */
void rig_need_root(void);

/* Directories, then the store on them. */
void rig_init(struct posix_rig *r);
void rig_start(struct posix_rig *r);

/* As a restart of the server: a new index and a new store. */
void rig_stop(struct posix_rig *r);
void rig_restart(struct posix_rig *r);
void rig_fini(struct posix_rig *r);

/* "<export>/<name>" or, with @outside, "<base>/<name>"; static memory. */
const char *rig_path(const struct posix_rig *r, const char *name);
const char *rig_outside(const struct posix_rig *r, const char *name);

/* Make as @uid (0644, 0755); find as the server; both must succeed. */
struct fileid rig_make(struct posix_rig *r, const struct fileid *dir,
	const char *name, enum object_type type, uint32_t uid);
struct fileid rig_lookup(
	struct posix_rig *r, const struct fileid *dir, const char *name);
struct attr rig_attr(struct posix_rig *r, const struct fileid *id);
void rig_chmod(struct posix_rig *r, const struct fileid *id, uint32_t mode);

/* Write @text at 0, checking permission; the error. */
int rig_write(struct posix_rig *r, const struct cred *cred,
	const struct fileid *id, int io, const char *text);

#endif
