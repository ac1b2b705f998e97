/* SPDX-License-Identifier: MIT */
/*
 * What a directory has beside its node while a holder must be told of more
 * than what goes through the change section by name: the told set (told.h),
 * for holders of attribute changes of children and for those who are told of
 * changes made on the server's disk. Made for the first such holder, gone with
 * the last; any other directory pays one pointer in its node.
 *
 * Locks: what is in here by the node's lock; what the told set holds by the
 * change section. So the set is taken out with a reference and used inside.
 */
#ifndef STATE_DIRSIDE_H
#define STATE_DIRSIDE_H

#include "state/dirdeleg.h"
#include "state/node.h"
#include "state/told.h"

struct dirside {
	struct told *told;   /* a reference; NULL: it grew too large */
	uint32_t told_users; /* live delegations that need it */
};

/* The told set of @n with a reference, or NULL. Inside its change section. */
struct told *dirside_told(struct node *n);

/*
 * The told set of @n for a grant: the one it has, or a sample as @request
 * makes it. With a reference; NULL: too many entries, an error of the store,
 * out of memory. Inside the change section of @n.
 */
struct told *dirside_sample(
	struct node *n, const struct dirdeleg_request *request);

/*
 * @d is granted, and needs @told. @spare: memory for the side from
 * dirside_spare(), NULL afterwards when it was used.
 */
struct dirside *dirside_spare(void);
void dirside_join_locked(
	struct deleg *d, struct told *told, struct dirside **spare);

/*
 * @d ended. Returns what dirside_free() must be given when the node is
 * unlocked, or NULL.
 */
struct dirside *dirside_leave_locked(struct deleg *d);
void dirside_free(struct dirside *side);

/*
 * Commit: @change happened in @n and is being told. A set that cannot follow
 * is dropped, and who relied on it for its children is recalled (resource).
 * Inside the change section; recall_kick() must follow.
 */
void dirside_apply(struct node *n, const struct dir_change *change);

#endif
