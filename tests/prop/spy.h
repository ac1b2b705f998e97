/* SPDX-License-Identifier: MIT */
/*
 * What really happened: the calls of a store that change directories are
 * watched in place, and since they run inside their directory's change
 * section, the spy's order is the order of the changes. It also numbers when an
 * object was last touched at all, so that a test knows which attributes told
 * earlier must still be true; and what somebody was about to change, since a
 * recall comes before the change, which may never come. One spy for the whole
 * test.
 */
#ifndef TESTS_SPY_H
#define TESTS_SPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Who changes something acts as this user and those after it. */
#define SPY_UID_FIRST 1000
#define SPY_USERS     8

struct spy_name {
	uint32_t len;
	char bytes[NAME_LEN_MAX];
};

/* Of entries, or DIR_ATTRS: then it has no names. */
struct spy_change {
	uint64_t seq;
	int who;    /* uid - SPY_UID_FIRST; < 0: somebody else */
	bool local; /* found out by the server, not made by it */
	enum change_kind kind;
	struct fileid dir;
	struct spy_name name, old, previous;
	struct spy_name source; /* renamed: its old name, wherever */
	bool has_source;
	uint64_t cookie, old_cookie, overwritten_cookie, previous_cookie;
	struct fileid child, overwritten;
	uint64_t old_verifier, new_verifier;
	bool has_overwritten, has_previous, last, verifier_moved;
	bool seen; /* for the test: some holder was told */
};

/* The dry check had nothing against it. Children, too, may get DIR_ATTRS. */
struct spy_attempt {
	uint64_t seq;
	int who;
	enum change_kind kind;
	struct fileid dir;
};

/* From now on @s is watched; again after its server was restarted. */
void spy_install(struct store *s);

/* The number of the last change or touch so far. */
uint64_t spy_seq(void);

/* The changes since spy_clear(): only while nothing runs. */
size_t spy_count(void);
struct spy_change *spy_at(size_t i);
size_t spy_attempts(void);
const struct spy_attempt *spy_attempt_at(size_t i);
void spy_clear(void);

/* When an object was last touched, by anybody or by @who; 0: never. */
uint64_t spy_touched(const struct fileid *id);
uint64_t spy_touched_by(const struct fileid *id, int who);

/*
 * When somebody last tried to take its name, and the dry check had nothing
 * against it; 0: never.
 */
uint64_t spy_doomed(const struct fileid *id);

static inline struct name spy_name(const struct spy_name *n)
{
	return (struct name){.len = n->len, .data = n->bytes};
}

void spy_fini(void);

#endif
