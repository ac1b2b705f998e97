/* SPDX-License-Identifier: MIT */
/*
 * What happened in a directory: the one word that stores, the state manager,
 * the notification encoder and the client's model share. A store fills it in
 * when it changes something, state/dirchange copies it into an event for the
 * holders of delegations, wire/notify4 turns it into CB_NOTIFY and back.
 *
 * The kinds are those of notify_type4 (RFC 8881 20.4), in its numbers.
 */
#ifndef VOCAB_CHANGE_H
#define VOCAB_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vocab/attr.h"
#include "vocab/fileid.h"
#include "vocab/name.h"

enum change_kind {
	CHANGE_CHILD_ATTRS = 0,
	CHANGE_DIR_ATTRS = 1,
	CHANGE_REMOVE_ENTRY = 2,
	CHANGE_ADD_ENTRY = 3,
	CHANGE_RENAME_ENTRY = 4,
	CHANGE_COOKIE_VERIFIER = 5,
	CHANGE_KINDS
};

/* READDIR cookies: 0 is the start, 1 and 2 are reserved (RFC 8881 18.23). */
#define COOKIE_NONE 0

/* One entry as a change names it. */
struct change_entry {
	struct name name;
	uint64_t cookie;
	struct fileid child;   /* len 0 when not known */
	enum object_type type; /* of the child; OBJECT_NONE when not known */
	bool has_attr;
	bool is_gone;     /* others took it away at once: no attr to tell */
	struct attr attr; /* the child's, as of the change */
};

/*
 * kind			entry		old		overwritten
 * ADD_ENTRY		new entry	-		if has_overwritten
 * REMOVE_ENTRY		removed entry	-		-
 * RENAME_ENTRY		new name	old name	if has_overwritten
 * CHILD_ATTRS		changed child	-		-
 * DIR_ATTRS		empty name, attr = the directory's; queued: dir_attr
 * COOKIE_VERIFIER	old_verifier and new_verifier only
 *
 * The position (has_previous, previous, last) is that of `entry` after the
 * change, for ADD and RENAME, as order-aware clients want it.
 */
struct dir_change {
	enum change_kind kind;
	/*
	 * In: nobody is told of this change, so a store need not read a whole
	 * directory to find out cookies and position.
	 */
	bool no_position;
	/*
	 * In, of a removal or rename: nothing else may lose its name (len 0:
	 * nothing at all); NULL: whatever is there.
	 */
	const struct fileid *victim;
	struct change_entry entry;
	struct change_entry old;
	struct change_entry overwritten;
	bool has_overwritten;
	bool has_previous;
	struct name previous; /* may point to previous_bytes */
	uint64_t previous_cookie;
	char previous_bytes[NAME_LEN_MAX];
	bool last;
	uint64_t old_verifier;
	uint64_t new_verifier;
	/* The change moved a colliding name's cookie: verifiers differ. */
	bool verifier_moved;
	uint64_t before; /* the directory's change attribute, see dirchange */
	uint64_t after;
	/* The directory's own attributes after it, if somebody wants them. */
	bool has_dir_attr;
	struct attr dir_attr;
};

#endif
