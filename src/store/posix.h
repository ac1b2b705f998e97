/* SPDX-License-Identifier: MIT */
/*
 * A store over a directory of the host: kernel file handles, walls no client
 * gets over, and the kernel's own permission checks as the caller
 * (doc/design.md: Identity, Walls, File descriptors).
 *
 * A fileid goes on naming its object wherever the host moves it on its file
 * system, but nothing leads from it to what was never below the export's root.
 * While the store exists its file system stays in use, even after an umount of
 * the path, and the process's umask is 0.
 */
#ifndef STORE_POSIX_H
#define STORE_POSIX_H

#include "base/clock.h"
#include "store/dirindex.h"
#include "store/store.h"

/* Which files are open, of all stores that may show the same ones. */
struct posix_pins;

/* NULL when out of memory. Freed after the stores; NULL is ignored. */
struct posix_pins *posix_pins_new(void);
void posix_pins_free(struct posix_pins *p);

/* Of watching for outside changes; all 0 is right. */
struct posix_watch_options {
	/* Objects marked at a time; 0: what the kernel allows one user. */
	uint64_t max_marks;
	/* Report this long after a change at the most; 0: 5. */
	unsigned gather_ms;
	bool limited_queue; /* for tests: one that overflows */
};

struct posix_options {
	const char *path;        /* the directory to export */
	struct clock *clock;     /* borrowed */
	struct dirindex *index;  /* borrowed, shared by all stores */
	struct posix_pins *pins; /* likewise; NULL: this is the only store */
	/*
	 * Descriptors the handle cache may keep, 32 to 65,536. Each thread at
	 * work uses up to six of them, and up to four more.
	 */
	unsigned max_fds;
	/*
	 * Nothing is written here, not even access times: where the store has
	 * a mount of its own, the kernel sees to that.
	 */
	bool read_only;
	struct posix_watch_options watch;
};

/*
 * Open the directory as a store. On failure NULL, with one sentence in @why
 * that says what is missing and what to do (no CAP_DAC_READ_SEARCH, a file
 * system without handles, handles that do not fit, not a directory ...).
 */
struct store *posix_new(
	const struct posix_options *options, char *why, size_t why_size);

/*
 * Close descriptors nobody used for @idle_ms, so that files removed on the
 * host give their space back. Busy stores do it by themselves.
 */
void posix_trim(struct store *s, uint64_t idle_ms);

#endif
