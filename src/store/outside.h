/* SPDX-License-Identifier: MIT */
/*
 * Outside changes: what happens to a store's objects without passing through
 * the store, and how it tells. Somebody watches objects (store_watch()); the
 * store reports what it learns of them to its one observer.
 *
 * A report is a hint. It comes after the change, may come merged with others
 * or out of order, and may tell of what the server did itself; whoever wants
 * to know what is true now looks. But none is left out: after a change there is
 * a report of it, or OUTSIDE_LOST.
 */
#ifndef STORE_OUTSIDE_H
#define STORE_OUTSIDE_H

#include <stdint.h>

#include "vocab/fileid.h"
#include "vocab/name.h"

/* What of an object is watched; each on its own. */
enum store_watch {
	STORE_WATCH_ENTRIES,  /* a directory's names, and its attributes */
	STORE_WATCH_CHILDREN, /* attributes and data of what it contains */
	STORE_WATCH_END,      /* a directory's own removal */
	STORE_WATCH_OBJECT,   /* attributes and data, whatever the name */
	STORE_WATCHES
};

enum outside_kind {
	OUTSIDE_ENTRY,     /* @name of @id came, went, or is another object */
	OUTSIDE_RENAME,    /* the same of @name and @new_name: a rename */
	OUTSIDE_OBJECT,    /* attributes or data of @id */
	OUTSIDE_MOVED,     /* the directory @id has another place now */
	OUTSIDE_ENDED,     /* the directory @id was removed */
	OUTSIDE_UNWATCHED, /* @id is not watched any more, see store_unwatch */
	OUTSIDE_LOST,      /* anything that is watched may have changed */
};

struct outside {
	enum outside_kind kind;
	struct fileid id;
	struct name name, new_name;
};

/*
 * Who hears of it: `outside` is called on any thread, under no lock of the
 * store; it must not block, do I/O or call the store. All is borrowed.
 */
struct store_observer {
	void (*outside)(void *ctx, const struct outside *what);
	void *ctx;
};

/* For logs and metrics. */
struct store_watch_stats {
	uint64_t marks;     /* what watching costs: objects marked now */
	uint64_t max_marks; /* and the most there may be; 0 = no limit */
	uint64_t refused;   /* watches that found no room */
	uint64_t reports;   /* to the observer */
	uint64_t own;       /* events of our own changes, dropped */
	uint64_t lost;      /* times that OUTSIDE_LOST was reported */
};

#endif
