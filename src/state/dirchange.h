/* SPDX-License-Identifier: MIT */
/*
 * The change section: a directory's change, its change attribute and its
 * notifications are one critical section of that directory, so that the order
 * of events is the order of changes. Every operation that changes entries goes
 *
 *	dirchange_begin		lock the parent (two: in order)
 *	  dry check by the store; a failing operation aborts: nobody is told
 *	dirchange_admit		may the other holders be told? else recall
 *	  the store's change
 *	dirchange_commit	change attribute, events queued, unlock, kick
 * or	dirchange_abort		unlock
 *
 * nfs/change.c is the one caller that runs this sequence for all of them.
 */
#ifndef STATE_DIRCHANGE_H
#define STATE_DIRCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "state/changeattr.h"
#include "state/client.h"
#include "state/node.h"
#include "vocab/change.h"

struct dirchange {
	struct state *state;
	struct client *who;  /* the mutator; NULL: nobody we know */
	uint32_t via;        /* the export it works through; caller's */
	struct node *dir[2]; /* references; [1] only for two directories */
	struct node *victim; /* what loses a name and may end; or NULL */
	bool victim_dying;   /* we marked it */
	bool locked;
	bool blocked; /* the last admit failed */
	bool held;    /* somebody has a delegation on one of the nodes */
	struct {
		bool told, attrs, dir_attrs, order;
	} wants[2];     /* what the holders to be told need */
	bool by_others; /* what is told is not what we did ourselves */
	bool confused;  /* ... nor is it the child that its mutator believes */
	bool admitted;  /* change values are between begin and end */
	struct changeattr_mark mark[2]; /* as of the begin */
	uint64_t before[2];   /* change attributes of the directories */
	uint64_t deadline_ms; /* how long to wait for recalls in all */
};

/* What is going to happen, for dirchange_admit(). */
struct dirchange_plan {
	enum change_kind kind[2];    /* per directory: ADD, REMOVE, RENAME */
	const struct fileid *victim; /* removed or overwritten, or NULL */
	bool victim_is_dir;
	bool exact[2];       /* see changeattr_begin_node() */
	int64_t ctime_ns[2]; /* of each directory, just read */
};

/*
 * Enter the section of @a and, when given, @b (which may equal @a: then there
 * is one). NFS4ERR_DELAY when out of memory, with nothing to undo. @dc is
 * zeroed but for `via` before the first call for an operation; it is called
 * again, with @dc as it is, after dirchange_wait() said so.
 */
nfsstat4 dirchange_begin(struct dirchange *dc, struct state *s,
	struct client *who, const struct fileid *a, const struct fileid *b);

/*
 * May it happen now? NFS4_OK: still inside, go on. NFS4ERR_DELAY: other
 * clients' delegations that the change is not covered by are being recalled;
 * abort, then dirchange_wait(). A holder whose lease is over loses it at once.
 */
nfsstat4 dirchange_admit(
	struct dirchange *dc, const struct dirchange_plan *plan);

/*
 * What the holders that will be notified in @dir[@i] need, once admitted: is
 * there any (else change.no_position), and does one want child attributes
 * (change.entry.has_attr)?
 */
bool dirchange_is_told(const struct dirchange *dc, int i);
bool dirchange_wants_attrs(const struct dirchange *dc, int i);

/* The same of the directory's own attributes (change.has_dir_attr). */
bool dirchange_wants_dir_attrs(const struct dirchange *dc, int i);

/*
 * It happened. @ctime_ns[i]: each directory's ctime after the change. Fills in
 * before/after of each change (for change_info4, and as dir_attr.change), tells
 * of a cookie that moved behind the entry's event, queues one event per
 * directory, unlocks, kicks deliveries and recalls. A change whose event
 * cannot be made recalls its holders (overflow). @change[1] is used with two.
 */
void dirchange_commit(struct dirchange *dc, struct dir_change *change[2],
	const int64_t ctime_ns[2]);

/*
 * It did not happen: leave, put the nodes. After a failed admit too, and then
 * dirchange_wait() must follow, which gives up what it waits on.
 */
void dirchange_abort(struct dirchange *dc);

/*
 * Nothing is under way in here (any more): leave, put the nodes, kick what was
 * decided inside. What abort does when there is nothing to undo.
 */
void dirchange_leave(struct dirchange *dc);

/*
 * After an abort that followed a failed admit: wait for those recalls, at most
 * recall_wait_ms in all for this operation. True: begin again; false: answer
 * NFS4ERR_DELAY. Holds no lock; the caller may hold a permit.
 */
bool dirchange_wait(struct dirchange *dc);

#endif
