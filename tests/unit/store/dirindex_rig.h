/* SPDX-License-Identifier: MIT */
/*
 * A directory index over directories made of nothing: a name is there when a
 * test says so, time stands still, and a pass can be watched from inside.
 */
#ifndef TESTS_STORE_DIRINDEX_RIG_H
#define TESTS_STORE_DIRINDEX_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/lock.h"
#include "store/dirindex.h"

#define TICK_NS (4 * NSEC_PER_MSEC)

#define assert_ok(call)     assert_int_equal(call, 0)
#define assert_err(call, e) assert_int_equal(call, -(e))

/* Names are numbers: "n0" .. */
#define FAKE_NAMES 8192

struct fake {
	struct fileid id;
	struct lock lock; /* guards `there` */
	uint8_t there[FAKE_NAMES];
	int64_t ctime_ns;
	atomic_uint scans;
	int scan_error, ctime_error;
	/* Called in a scan, before name number @hook_at. */
	void (*hook)(struct fake *f);
	unsigned hook_at;
	void *hook_arg;
};

struct rig {
	struct clock clock;
	struct dirindex *x;
	struct dirindex_source source;
};

void rig_init(struct rig *r, size_t budget);
void rig_fini(struct rig *r);

/* An empty directory number @n; its ctime is now. */
struct fake *fake_new(struct rig *r, unsigned n);
void fake_free(struct fake *f);

/* Add or remove a name behind the index's back; the ctime becomes now. */
void fake_set(struct rig *r, struct fake *f, unsigned number, bool there);

/* "n<number>" in @buf. */
struct name fake_name(unsigned number, char buf[16]);
unsigned fake_number(struct name name);

/* The same, and tell the index. */
int rig_add(struct rig *r, struct fake *f, unsigned number,
	struct dir_change *change);
int rig_remove(struct rig *r, struct fake *f, unsigned number,
	struct dir_change *change);
int rig_rename(struct rig *r, struct fake *f, unsigned from, unsigned to,
	struct dir_change *change);

/* A listing: cookies by number, 0 = not listed. */
struct seen {
	uint64_t cookies[FAKE_NAMES];
	unsigned count;
	unsigned repeated;
	unsigned rejected; /* how often it had to begin anew */
	uint64_t last;     /* cookie to go on from */
	uint64_t verifier;
	bool eof;
};

/* One page of at most @room entries; @s begins zeroed. */
int rig_page(struct rig *r, struct fake *f, unsigned room, struct seen *s);

/* All of it, in pages. */
int rig_list(struct rig *r, struct fake *f, unsigned room, struct seen *s);

/* How many passes were made over @f since this was last asked. */
unsigned fake_scans(struct fake *f);

/* Exactly the names that are there, each once. */
void check_seen(const struct fake *f, const struct seen *s);

struct dirindex_stats rig_stats(struct rig *r);

#endif
