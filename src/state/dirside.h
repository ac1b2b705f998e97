/* SPDX-License-Identifier: MIT */
/*
 * What a directory has beside its node while a holder must be told of more
 * than what goes through the change section by name: the told set (told.h),
 * for holders of attribute changes of children and for those who are told of
 * changes made on the server's disk; for the former also what changed and is
 * not told yet (childclass.h). Made for the first such holder, gone with the
 * last; any other directory pays one pointer in its node.
 *
 * Locks: what is in here by the node's lock; what the told set holds by the
 * change section. So the set is taken out with a reference and used inside.
 */
#ifndef STATE_DIRSIDE_H
#define STATE_DIRSIDE_H

#include "state/childclass.h"
#include "state/dirdeleg.h"
#include "state/node.h"
#include "state/told.h"

struct dirside {
	struct told *told;          /* a reference; NULL: it grew too large */
	uint32_t told_users;        /* live delegations that need it */
	uint32_t nclasses;          /* of the next */
	struct childclass *classes; /* of those who are told of children */
};

/* The told set of @n with a reference, or NULL. Inside its change section. */
struct told *dirside_told(struct node *n);

/*
 * The told set of @n for a grant: the one it has, or a sample as @request
 * makes it. With a reference; NULL: too many entries, an error of the store,
 * out of memory, or others who are told of local changes do without. Inside
 * the change section of @n.
 */
struct told *dirside_sample(
	struct node *n, const struct dirdeleg_request *request);

/*
 * Can changes of children's attributes be told to a holder with @terms, too?
 * Then they are found from now on, if @told is that of @n. False: out of
 * memory, or too many different promises. Inside the change section of @n.
 */
bool dirside_index(
	struct node *n, struct told *told, const struct deleg_terms *terms);

/* What a join may need, made before a node is locked. */
struct dirside_spare {
	struct dirside *side;
	struct childclass *class; /* for CHANGE_CHILD_ATTRS */
};

/* False: out of memory, and @spare holds nothing. */
bool dirside_spare_init(struct dirside_spare *spare, const struct deleg *d);
void dirside_spare_fini(struct dirside_spare *spare);

/* @d is granted, and needs @told. Takes of @spare what it needs. */
void dirside_join_locked(
	struct deleg *d, struct told *told, struct dirside_spare *spare);

/* @d ended. What is left over is for dirside_spare_fini(), after unlocking. */
void dirside_leave_locked(struct deleg *d, struct dirside_spare *left);

/* What a change is to those who are told of it. */
enum dirside_news {
	DIRSIDE_SAME,     /* what it is */
	DIRSIDE_ANOTHER,  /* it was made another one */
	DIRSIDE_CONFUSED, /* so, since it moved another child than was told */
	DIRSIDE_NOTHING,  /* what is gone they were never told of */
};

/*
 * Commit: @change happened in @n and is being told. It may be about names that
 * others made or removed meanwhile, which is told later: so it is made what it
 * means to those who were told of all before it; with @order its position is
 * one among the entries they know. A set that cannot follow, or
 * has outgrown the memory limit, is dropped, and who
 * relied on it for its children is recalled (resource); one that
 * nobody needs for that any more leaves the index. Inside the change section;
 * recall_kick() must follow.
 */
enum dirside_news dirside_apply(
	struct node *n, struct dir_change *change, bool order);

/* The class of holders with @terms, or NULL. Under the node's lock. */
struct childclass *dirside_find_class(
	const struct dirside *side, const struct deleg_terms *terms);

#endif
