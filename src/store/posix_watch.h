/* SPDX-License-Identifier: MIT */
/*
 * Watching a posix store with fanotify: inode marks, one group and one reader
 * thread per store. posix_watch.c decides what is to be marked (counts, the
 * marks kept for later, the parents that tell of a directory's end),
 * posix_mark.c keeps the table and the kernel in step, posix_events.c reads.
 * Inside the posix store only.
 *
 * Nothing here is evictable by the kernel: what we promised to tell would be
 * lost in silence.
 */
#ifndef STORE_POSIX_WATCH_H
#define STORE_POSIX_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "store/outside.h"
#include "store/posix_impl.h"

/* One inode with a mark. Lives while anything below is wanted of it. */
struct watch_mark {
	struct htab_link link;     /* by fileid */
	struct list kept;          /* in watcher->kept while `is_kept` */
	struct watch_mark *parent; /* of a directory whose END is watched */
	uint32_t count[STORE_WATCHES];
	uint32_t ends; /* directories in it whose end it tells of */
	bool moved;    /* since its parent was looked for */
	bool followed; /* its parent tells of its end */
	bool is_kept;  /* entries are watched beyond need */
	uint64_t mask; /* what the kernel has */
	uint8_t id_len;
	uint8_t id_data[];
};

struct watcher {
	struct posix *posix;
	struct store_observer observer;
	int group_fd; /* fanotify */
	int stop_fd;  /* eventfd */
	pthread_t reader;
	pid_t pid; /* ours: what we do is nothing new */
	unsigned gather_ms;
	uint64_t max_marks;
	struct counter refused, reports, own, lost;
	/*
	 * Guards all below. Held over fanotify_mark(), which waits for no
	 * disk, so that table and kernel say the same.
	 */
	struct lock lock;
	struct htab marks;
	struct list kept; /* oldest first */
	unsigned kept_count;
};

/* ---- posix_mark.c ---- */

struct watch_mark *mark_find_locked(struct watcher *w, const struct fileid *id);

/* The mark of @id, made when missing; NULL: out of memory. */
struct watch_mark *mark_get_locked(struct watcher *w, const struct fileid *id);

/* Does the kernel tell what is wanted of it: no more; no less? */
bool mark_is_settled(const struct watch_mark *m);
bool mark_is_enough(const struct watch_mark *m);

/*
 * Make the kernel tell what is wanted, through @fd (any kind); -ENOSPC when it
 * has no room, and what was wanted before is still told.
 */
int mark_settle_locked(struct watcher *w, struct watch_mark *m, int fd);

/*
 * Less is wanted of @id: tell the kernel, and forget the mark when it was the
 * last. May open the object. False: it could not, and the mark stays.
 */
bool mark_settle(struct watcher *w, const struct fileid *id);

/*
 * It was moved, perhaps removed: who watches its end from now on looks for its
 * parent again.
 */
void mark_doubt(struct watcher *w, const struct fileid *id);

/* Free a mark of which nothing is wanted and nothing is left. */
void mark_drop_locked(struct watcher *w, struct watch_mark *m);

/* On and off the list of those kept for later. */
void mark_keep_locked(struct watcher *w, struct watch_mark *m);
void mark_unkeep_locked(struct watcher *w, struct watch_mark *m);

void mark_copy_id(const struct watch_mark *m, struct fileid *ret);
void marks_free_locked(struct watcher *w); /* all; the kernel's stay */

/* ---- posix_events.c ---- */

/*
 * A fanotify group that says what we need to know, in @ret: 0, -EPERM,
 * -EOPNOTSUPP, -EMFILE ... @unlimited: without the kernel's limits, where that
 * is allowed.
 */
int events_open(bool unlimited, int *ret);

/* The reader, until events_stop(): 0 or -errno. Stopped twice is no harm. */
int events_start(struct watcher *w);
void events_stop(struct watcher *w);

/* Tell the observer; no lock is held. */
void events_report(
	struct watcher *w, enum outside_kind kind, const struct fileid *id);

#endif
