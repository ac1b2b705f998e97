/* SPDX-License-Identifier: MIT */
/*
 * One holder of a directory's delegation while something changes there: how
 * it is judged (policy_dirdeleg.h) and how it is told. Inside src/state only,
 * for the files that know of changes: dirchange, dirattrs, childattr.
 *
 * Under the node's lock, all but expired_revoke().
 */
#ifndef STATE_DIRHOLDER_H
#define STATE_DIRHOLDER_H

#include "state/deleg_private.h"
#include "state/dirdeleg.h"
#include "state/policy_dirdeleg.h"

/*
 * The holder as a change by @who (NULL: nobody we know) through export @via
 * sees it; `expired` is left false.
 */
static inline struct dirdeleg_holder dirholder_of(
	struct deleg *d, const struct client *who, uint32_t via)
{
	return (struct dirdeleg_holder){
		.granted = d->granted,
		.own = deleg_is_own(d, who, via),
		.order_aware = d->order_aware,
		.state = d->state,
		.stopped = d->state != DELEG_ACTIVE &&
			notifyq_is_stopped(&d->queue),
	};
}

static inline bool dirholder_wants_attrs(const struct deleg *d)
{
	return !bitmap4_empty(&d->terms->child_attrs);
}

static inline bool dirholder_wants_children(const struct deleg *d)
{
	return d->granted & DIRDELEG_BIT(CHANGE_CHILD_ATTRS);
}

static inline bool dirholder_wants_dir_attrs(const struct deleg *d)
{
	return d->granted & DIRDELEG_BIT(CHANGE_DIR_ATTRS);
}

/*
 * Queue @e, made of @change, for @d. What cannot be queued, or lacks what @d
 * was promised, recalls it; @e is NULL when it could not be made.
 */
void dirholder_tell(
	struct deleg *d, const struct dir_change *change, struct dir_event *e);

/* An event of @change as of now, for the holders to share; NULL: no memory. */
struct dir_event *dirholder_event(
	struct state *s, const struct dir_change *change);

/* Holders whose lease is over, to be revoked when the node is unlocked. */
#define EXPIRED_AT_ONCE 16

struct expired_holders {
	struct deleg *deleg[EXPIRED_AT_ONCE]; /* references */
	int count;
};

void expired_note(struct expired_holders *list, struct deleg *d);

/* Without the node's lock. True: there may be more of them, look again. */
bool expired_revoke(struct expired_holders *list);

#endif
