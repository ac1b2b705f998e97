/* SPDX-License-Identifier: MIT */
/*
 * What `herald watch` does, without its output: a directory, or a tree of
 * them, watched through one client by directory delegations.
 *
 * What is told is what the models say, change by change; it adds up to the
 * state of the server. WATCHER_RESCAN comes first whenever something may have
 * been missed in between, even something that came and went: the delegation
 * was recalled, revoked or refused and the directory's change attribute does
 * not prove that nothing happened meanwhile, or a notification contradicted
 * the model. Then the directory is listed and the differences are told. A
 * directory that the server does not grant is polled by its change attribute
 * and listed when that moved.
 *
 * A delegation that is recalled is given back at once, after what was notified
 * before, and asked for again, ever more slowly while the server refuses.
 *
 * A subdirectory that appears is granted, then listed, and what is in it is
 * told as CREATE; so nothing that stays is missed. One that was moved here
 * from elsewhere in the tree is told in the same way.
 *
 * Changed attributes of entries are told as far as the server promises to
 * notify them, and whenever a listing shows that they are not what they were.
 * Changes of one entry may be merged, those of attributes and of contents come
 * apart.
 *
 * What a server can make it hold is bounded: notifications that wait, models
 * (what does not fit is not watched, and said), the depth of the tree.
 */
#ifndef CLIENT_WATCHER_H
#define CLIENT_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/nfsc.h"
#include "vocab/attr.h"
#include "vocab/name.h"

struct watcher;

enum watcher_event {
	WATCHER_CREATE,
	WATCHER_DELETE,
	WATCHER_MOVE,
	WATCHER_MODIFY, /* size or time of modification changed */
	WATCHER_ATTRIB, /* another attribute did */
	WATCHER_RESCAN,
	WATCHER_EVENTS
};

#define WATCHER_BIT(event) (1u << (event))

/* Dies with the call. */
struct watcher_change {
	enum watcher_event event;
	struct name dir; /* its path on the server, "/a/b/" */
	struct name name;
	struct name to;        /* MOVE only */
	enum object_type type; /* OBJECT_NONE: not known */
};

/* What happens to the watching itself. */
enum watcher_notice_kind {
	WATCHER_READY,          /* everything is watched; `count` directories */
	WATCHER_CONN_LOST,      /* trying to reach the server again */
	WATCHER_CONN_BACK,      /* nothing was lost */
	WATCHER_RESTARTED,      /* the server restarted or forgot us */
	WATCHER_NO_DELEGATIONS, /* the server has none: polling, all of it */
	WATCHER_NO_NOTIFY,      /* granted, but it only recalls */
	WATCHER_NO_ATTRS,       /* changed attributes are not told of `dir` */
	WATCHER_REFUSED,        /* `dir` is not granted now: polling it */
	WATCHER_GRANTED,        /* `dir` is granted after all */
	WATCHER_CANNOT,         /* `dir` cannot be listed: `error` */
	WATCHER_CANNOT_BELOW,   /* a directory in it cannot be watched */
	WATCHER_GONE,           /* the directory to watch was removed */
	WATCHER_TOO_SLOW,       /* the reader is too slow: will RESCAN */
	WATCHER_CONTRADICTED,   /* `why` a notification cannot be: RESCAN */
};

struct watcher_notice {
	enum watcher_notice_kind kind;
	struct name dir;
	int error; /* nfsstat4 or -errno */
	size_t count;
	const char *why;
};

struct watcher_config {
	struct nfsc_config client; /* without handlers */
	const struct name *path;   /* from the server's root; borrowed */
	size_t npath;
	bool recursive;
	unsigned events;  /* WATCHER_BIT()s to be told; 0: all */
	uint64_t idle_ms; /* end when nothing was told for so long; 0: never */
	uint64_t poll_ms; /* between looks at what is not granted; 2 s */
	uint64_t hopeless_ms; /* the same after an error; 60 s */
	size_t memory;        /* bytes the models may take; 0: 1 GiB */
	/* On the thread of watcher_run(). */
	void (*change)(void *ctx, const struct watcher_change *change);
	/* May more be told now? NULL: always. Say when by watcher_wake(). */
	bool (*room)(void *ctx);
	/* On any thread. */
	void (*notice)(void *ctx, const struct watcher_notice *notice);
	void *ctx;
};

/*
 * Connect and find the directory. 0 or an error; *@found is the number of
 * names of the path that are there.
 */
int watcher_new(const struct watcher_config *config, struct watcher **ret,
	size_t *found);

/*
 * Watch until watcher_stop(): then all delegations are given back and session
 * and client id are destroyed. 0; -ETIME after config.idle_ms; NFS4ERR_NOTDIR,
 * NFS4ERR_STALE or another error when the directory cannot be watched at all,
 * or not any more. More may be told after watcher_stop().
 */
int watcher_run(struct watcher *w);

/* Any thread: end watcher_run(). */
void watcher_stop(struct watcher *w);

/* Any thread: end it now, whatever it waits for; nothing is given back. */
void watcher_abort(struct watcher *w);

/* Any thread: look at config.room() again. */
void watcher_wake(struct watcher *w);

void watcher_free(struct watcher *w);

/* The client, for tests. */
struct nfsc *watcher_client(struct watcher *w);

#endif
