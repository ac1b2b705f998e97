/* SPDX-License-Identifier: MIT */
/*
 * Changes behind our back (DD-23): what others do to the files on the server's
 * disk is made known to the holders of delegations, and to the change
 * attribute. A store's reports (store/outside.h) are hints; they are gathered
 * per directory, and jobs on the worker pool look, in the directory's change
 * section, at what is true now and tell the difference to what was told.
 *
 * A directory is watched for each delegation of it, from before its grant is
 * prepared until it has ended, and around each change of ours, so that
 * change_info4 may say it was atomic.
 */
#ifndef NFS_LOCAL_H
#define NFS_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/timer.h"
#include "store/store.h"

struct nfs_server;
struct export;

/* Embedded in the server. */
struct local {
	struct lock lock;          /* LOCK_LOCAL: guards what follows */
	struct htab dirs;          /* struct local_dir by fileid */
	struct list later;         /* those that found no permit */
	size_t bytes;              /* of names that wait */
	_Atomic uint64_t children; /* delegations with them, of all `dirs` */
	bool stopping;
	bool timer_set;
	struct timer timer; /* for `later` */
	struct counter hints, told, rescans, recalls, refused;
};

/* For metrics. Marks and their limits are summed up over all stores. */
struct local_stats {
	uint64_t hints;   /* reports about directories with delegations */
	uint64_t told;    /* changes that were found out and told */
	uint64_t rescans; /* directories compared as a whole */
	uint64_t refused; /* delegations not granted: nothing to watch with */
	struct store_watch_stats watch;
};

/* Before anything else of it; and when nothing calls it any more. */
int local_init(struct nfs_server *server);
void local_fini(struct nfs_server *server);

/*
 * Begin to observe the stores of exports that others change, too; logs what
 * cannot be. And the end: no report comes any more, jobs do nothing.
 */
void local_start(struct nfs_server *server);
void local_stop(struct nfs_server *server);

/*
 * Watch the directory @id for one delegation, @children too. 0; -ENOSPC: there
 * are no marks left (counted, logged); -EOPNOTSUPP: it cannot be watched;
 * -ESTALE etc. Does nothing for an export that only we change.
 */
int local_hold(struct nfs_server *server, struct export *export,
	const struct fileid *id, bool children);

/*
 * A delegation with children has been granted and is about to be answered:
 * watch those that have several links (local_links.h). 0; -ENOSPC or another
 * error: not all can be watched, so it must not be answered. With a permit.
 */
int local_watch_links(struct nfs_server *server, const struct fileid *id);

/* Is there any delegation with children? A hint, without a lock. */
bool local_tells_children(struct nfs_server *server);

/*
 * @child of @dir has several links, or is about to. True: if that matters to
 * somebody, it is watched only from now on. With a permit; change sections may
 * be held.
 */
bool local_note_linked(struct nfs_server *server, const struct fileid *dir,
	const struct fileid *child);

/*
 * Undo it: the delegation was not granted, or has ended; or only for children,
 * that it is not told of after all. Takes no permit and does no I/O itself; any
 * thread, no lock but change sections.
 */
void local_release(
	struct nfs_server *server, const struct fileid *id, bool children);
void local_release_children(struct nfs_server *server, const struct fileid *id);

/*
 * Around a change of ours in the directory: true when no foreign change can
 * hide behind it (changeattr_begin_node()'s `exact`); then local_end_change()
 * must follow. Inside the change section.
 */
bool local_begin_change(const struct export *export, const struct fileid *id);
void local_end_change(const struct export *export, const struct fileid *id);

void local_read_stats(struct nfs_server *server, struct local_stats *ret);

#endif
