/* SPDX-License-Identifier: MIT */
/*
 * Changes of children's attributes, written down for holders in one directory
 * that were promised the same for the same delay: a class. A child is written
 * down once, however often it changes, and what is told of it is what is true
 * at the end of the delay.
 *
 * Classes are those of a struct dirside; all of this is under its node's lock.
 */
#ifndef STATE_CHILDCLASS_H
#define STATE_CHILDCLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/htab.h"
#include "base/list.h"
#include "state/dirdeleg.h"
#include "vocab/fileid.h"

/* Different promises in one directory; further ones are not made. */
#define CHILDCLASSES_MAX 16

struct childclass {
	struct childclass *next;      /* in struct dirside */
	struct childchanges *changes; /* written down; NULL: nothing is */
	bitmap4 attrs;                /* promised, less the access time */
	uint32_t delay_ms;
	uint32_t holders;
};

/* There are many classes, and most have nothing written down. */
struct childchanges {
	struct node *node; /* the class's holders keep it */
	struct list list;  /* struct childchange.on_class, oldest first */
	struct htab table; /* the same, by child */
	/* Of childdue.c, which writes them under its own lock as well. */
	uint64_t due_ms; /* when it is to be told; 0: not set */
	struct list on_due;
};

/* A child that changed. */
struct childchange {
	struct list on_class;
	struct htab_link link; /* its hash is the child (told.h) */
	uint64_t by;           /* client; 0 = nobody we know */
	uint32_t via;          /* ... and the export it used */
	bool by_many;          /* not all of it was them: tell them, too */
	uint8_t id_len;
	uint8_t id_data[];
};

/*
 * A class for holders with @terms, none yet; NULL when out of memory. When it
 * is freed it is not due any more.
 */
struct childclass *childclass_new(const struct deleg_terms *terms);
void childclass_free(struct childclass *class); /* NULL is ignored */

/* Is it the class of holders with @terms? */
bool childclass_fits(
	const struct childclass *class, const struct deleg_terms *terms);

/*
 * Write down that @id, which is @child of @node, changed, by client @by (0:
 * nobody we know) through export @via. False: out of memory, or over its limit.
 */
bool childclass_note(struct childclass *class, struct node *node,
	uint64_t child, const struct fileid *id, uint64_t by, uint32_t via);

/* How many are written down. */
size_t childclass_count(const struct childclass *class);

/* The oldest of those written down, now the caller's to free; NULL: none. */
struct childchange *childclass_take(struct childclass *class);
void childchange_free(struct childchange *change);

/* All were taken, and are not due any more. */
void childclass_drop_changes(struct childclass *class);

void childchange_copy_id(const struct childchange *change, struct fileid *ret);

/* Was it all done by the holder @d itself? */
bool childchange_is_own(
	const struct childchange *change, const struct deleg *d);

#endif
