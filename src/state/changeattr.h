/* SPDX-License-Identifier: MIT */
/*
 * The change attribute (doc/design.md, "Change attribute"). For every object:
 * no value is ever given to two states, not after eviction, kill -9 or a
 * restart, and not on a kernel whose ctime stands still for a tick.
 *
 * t = resolution of the clock that stamps files. A ctime is *closed* once it
 * is 3t old: no later change can bear it any more. A closed ctime names one
 * state, and the value is ctime + 3t made odd: nothing has to be remembered.
 * Before that the value is max(ctime + 2t, last + 2), even, made under the
 * lock of a node that outlives it by 8t. So:
 *
 *  - each of our changes makes a new value;
 *  - each read while the ctime is open makes one, too, since a foreign change
 *    in the same tick would hide behind it. Not so in an *exact* node, whose
 *    foreign changes we are told of (or that can have none): there a value is
 *    given again until something changes.
 *
 * A host clock set back: values of new nodes start above all given before.
 *
 * Attributes and their value belong together: take a mark, read the
 * attributes, then ask for the value since that mark.
 */
#ifndef STATE_CHANGEATTR_H
#define STATE_CHANGEATTR_H

#include <stdbool.h>
#include <stdint.h>

#include "state/node.h"
#include "state/state.h"

struct changeattr_mark {
	uint64_t clock_ns; /* file time when it was taken, */
	uint64_t mono_ns;  /* and the time no host sets back */
	uint64_t last;     /* the node's value then; 0 = none */
	uint32_t epoch;    /* times that reports had been lost */
};

/* Before the attributes of @id are read. */
struct changeattr_mark changeattr_mark(
	struct state *s, const struct fileid *id);

/*
 * The value to report for @id, whose ctime was read after @mark. When @id was
 * changed since @mark, it is not the one that a mark taken now finds.
 */
uint64_t changeattr_read_since(struct state *s, const struct fileid *id,
	int64_t ctime_ns, const struct changeattr_mark *mark);

/* The same when ctime was read this very moment. */
uint64_t changeattr_read(
	struct state *s, const struct fileid *id, int64_t ctime_ns);

/*
 * The value of a node in whose change section the caller is: what was true
 * before the change, if ctime, which was read after @mark, still told all then.
 */
struct changeattr_mark changeattr_mark_node(struct node *n);
uint64_t changeattr_read_node(
	struct node *n, int64_t ctime_ns, const struct changeattr_mark *mark);

/*
 * The object was changed through us and its ctime is now @ctime_ns: a new
 * value, which is returned.
 */
uint64_t changeattr_bump(
	struct state *s, const struct fileid *id, int64_t ctime_ns);
uint64_t changeattr_bump_node(struct node *n, int64_t ctime_ns);

/*
 * Around a change of a node: what is read between begin and end (or abort) is
 * of neither state. @exact: foreign changes of it do move its value (memory
 * store, no local changes, or watched); it holds until a begin says otherwise
 * or changeattr_set_inexact(). change_info4.atomic is TRUE only if exact.
 */
void changeattr_begin_node(struct node *n, bool exact);
uint64_t changeattr_end_node(struct node *n, int64_t ctime_ns);
void changeattr_abort_node(struct node *n);

/* Between begin and end: did another change overlap that one? */
bool changeattr_is_mixed(struct node *n);

/* @id is watched no more. */
void changeattr_set_inexact(struct state *s, const struct fileid *id);

/*
 * A foreign change of @id was reported: its value moves even when its ctime
 * does not, and so do those that are being made of older attributes.
 */
void changeattr_touch(struct state *s, const struct fileid *id);

/* Reports were lost: what holds for @id above holds for every object. */
void changeattr_lose(struct state *s);

/* How long a node must outlive the last value made in it. */
uint64_t changeattr_keep_ms(const struct state *s);

#endif
