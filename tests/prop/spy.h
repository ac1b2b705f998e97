/* SPDX-License-Identifier: MIT */
/*
 * What really happened: the four calls of a store that change directories are
 * watched in place, and since they run inside their directory's change
 * section, the spy's order is the order of the changes. It also numbers when an
 * object was last touched at all, so that a test knows which attributes told
 * earlier must still be true. One spy for the whole test.
 */
#ifndef TESTS_SPY_H
#define TESTS_SPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Who changes something acts as this user and those after it. */
#define SPY_UID_FIRST 1000

struct spy_name {
	uint32_t len;
	char bytes[NAME_LEN_MAX];
};

struct spy_change {
	uint64_t seq;
	int who; /* uid - SPY_UID_FIRST; < 0: somebody else */
	enum change_kind kind;
	struct fileid dir;
	struct spy_name name, old, previous;
	uint64_t cookie, old_cookie, overwritten_cookie, previous_cookie;
	struct fileid child, overwritten;
	bool has_overwritten, has_previous, last, verifier_moved;
	bool seen; /* for the test: some holder was told */
};

/* From now on @s is watched; again after its server was restarted. */
void spy_install(struct store *s);

/* The number of the last change or touch so far. */
uint64_t spy_seq(void);

/* The changes since spy_clear(): only while nothing runs. */
size_t spy_count(void);
struct spy_change *spy_at(size_t i);
void spy_clear(void);

/* When an object was last touched; 0: never. */
uint64_t spy_touched(const struct fileid *id);

/*
 * When somebody last tried to take its name, and the dry check had nothing
 * against it; 0: never.
 */
uint64_t spy_doomed(const struct fileid *id);

/* The same for its attributes: a test says itself when it is about to. */
void spy_mark_set(const struct fileid *id);
uint64_t spy_set(const struct fileid *id);

static inline struct name spy_name(const struct spy_name *n)
{
	return (struct name){.len = n->len, .data = n->bytes};
}

void spy_fini(void);

#endif
