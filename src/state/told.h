/* SPDX-License-Identifier: MIT */
/*
 * What the holders of one directory's delegations have been told that it
 * contains: its entries as of the last event that was queued for them. Found
 * by name, and by child: its names here, hard links included. Two things need
 * it: attribute changes of a child, which come with a filehandle and no name,
 * and changes behind our back, which come as hints to be compared with it.
 *
 * It is filled by a sample of the directory at a grant and kept by the change
 * section (dirchange.h), commit by commit. It is no listing: the order of its
 * entries means nothing.
 *
 * Locks: none of its own. Whoever reads or changes one is inside the change
 * section of its directory, or has it for itself alone. One that is indexed
 * takes locks from LOCK_NODES on when it is changed or put.
 */
#ifndef STATE_TOLD_H
#define STATE_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ref.h"
#include "vocab/change.h"

struct childindex;
struct node;
struct told_slot;

struct told {
	struct ref ref;
	uint32_t max;      /* entries told_set() accepts */
	uint32_t count;    /* entries there are */
	uint64_t verifier; /* of the cookies told; 0: not known */
	/* Inside. */
	uint32_t mask;     /* buckets - 1 of both tables */
	uint32_t *by_name; /* first slot of each bucket, 1 + its index */
	uint32_t *by_child;
	struct told_slot *slots;
	uint32_t slots_size, slots_used, slots_free;
	uint32_t names_size, names_used, names_dead; /* bytes */
	char *names;
	struct childindex *index; /* see told_index(); NULL: in none */
	struct node *dir;         /* then: a reference */
};

struct told_entry {
	struct name name; /* borrowed: until the set changes */
	uint64_t child;   /* told_child() of its fileid; 0 when not known */
	uint64_t cookie;  /* COOKIE_NONE when not known */
	enum object_type type; /* OBJECT_NONE when not known */
};

/* A child as a told set knows it: a seeded digest of its fileid, never 0. */
uint64_t told_child(const struct fileid *id);

/*
 * An empty set, to be filled with up to @max entries; later changes may bring
 * a quarter more. With one reference; NULL when out of memory.
 */
struct told *told_new(uint32_t max);
struct told *told_ref(struct told *t);
void told_put(struct told *t); /* NULL is ignored */

/* The entry @name; false when there is none. */
bool told_find(const struct told *t, struct name name, struct told_entry *ret);

/*
 * The names of @child, one for each call: *@at is 0 at first. False after the
 * last. Nothing may change the set in between.
 */
bool told_next_name(const struct told *t, uint64_t child, uint32_t *at,
	struct told_entry *ret);

/* All entries, likewise; what was returned may be removed before the next. */
bool told_walk(const struct told *t, uint32_t *at, struct told_entry *ret);

/*
 * Add @entry, or replace what its name stood for. -ENOSPC: it is one too many;
 * -ENOMEM. The set is as it was then.
 */
int told_set(struct told *t, const struct told_entry *entry);

/* True when @name was there. */
bool told_remove(struct told *t, struct name name);

/*
 * What @change did to the entries; only ADD, REMOVE and RENAME do anything.
 * When cookies of others moved with it (`verifier_moved`), none but its own is
 * known from now on. -ENOSPC, -ENOMEM: the set does not hold what was told any more and
 * must be dropped.
 */
int told_apply(struct told *t, const struct dir_change *change);

/*
 * From now on, and until the set ends or told_unindex(), all its children are
 * found in @index as those of @dir; no two indexes at a time. -ENOMEM: none is.
 */
int told_index(struct told *t, struct childindex *index, struct node *dir);
void told_unindex(struct told *t);

/* Only what it did to the verifier, and so to cookies. */
void told_note_verifier(struct told *t, const struct dir_change *change);

/* Between which entries a cookie lies. */
struct told_place {
	struct told_entry previous; /* no name: it is the first */
	bool last;
};

/*
 * The place of @cookie among the others. Looks at all of them. False: nobody
 * can say, because cookies are not known.
 */
bool told_find_place(
	const struct told *t, uint64_t cookie, struct told_place *ret);

/* Memory: of this set, and of all there are in this process. */
size_t told_bytes(const struct told *t);
uint64_t told_bytes_all(void);

#endif
