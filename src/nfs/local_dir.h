/* SPDX-License-Identifier: MIT */
/*
 * One directory with delegations whose disk others change, too: what was
 * reported of it and not looked at yet, and the job that looks. Inside
 * nfs/local*.c only.
 *
 * There is one job for each directory at a time, so its reports are looked at
 * in their order. Locks: local.lock guards all but what says otherwise.
 */
#ifndef NFS_LOCAL_DIR_H
#define NFS_LOCAL_DIR_H

#include <stdatomic.h>

#include "base/list.h"
#include "nfs/local.h"
#include "nfs/server.h"

/* What was reported besides names. */
enum {
	LOCAL_ATTRS = 1,  /* its own attributes; or it is gone */
	LOCAL_MOVED = 2,  /* its end is to be watched from another place */
	LOCAL_ENDED = 4,  /* it was removed */
	LOCAL_RESCAN = 8, /* more names than we keep: compare them all */
	LOCAL_LOST = 16,  /* reports were lost: if it changed, the same */
	LOCAL_LINKS_LOST =
		32, /* a child that would have to be watched is not */
	LOCAL_LINKS_MANY = 64, /* children are watched that may be gone */
};

/* Names one after the other: each pair is a name and, renamed, its new name. */
struct local_names {
	char *data;
	uint32_t used, size;
	uint32_t at;   /* what lies before was looked at */
	uint32_t last; /* where the last pair begins */
};

/* Watches to be undone. */
struct local_undo {
	uint32_t dirs, children;
};

struct local_dir {
	struct htab_link link;
	struct nfs_server *server;
	struct export *export; /* whose store watches it; fixed */
	struct rpc_job job;
	struct list later;         /* in local.later */
	uint32_t holders;          /* delegations, granted or about to be */
	uint32_t children;         /* of those: told of its children, too */
	struct local_links *links; /* NULL: none; see local_links.h */
	uint32_t links_round;      /* times that `children` left or came to 0 */
	bool links_known;          /* all of them, since it was listed */
	bool links_lost; /* not all, until nobody is told of children */
	struct local_undo undo;
	uint8_t reported; /* LOCAL_* */
	bool posted;      /* the job is, or runs, or is in `later` */
	struct local_names names;
	int64_t seen_ctime_ns;   /* of the first holder's grant; 0: too young */
	struct local_names work; /* the job's own */
	/* The job's, too; whoever else looks at a name sets it. */
	atomic_bool attrs_untold; /* by changes that left no entry to tell */
	uint8_t id_len;
	uint8_t id_data[];
};

void local_dir_copy_id(const struct local_dir *d, struct fileid *ret);

/* The record of @id, made when missing; NULL: there is none, or no memory. */
struct local_dir *local_dir_find_locked(
	struct local *l, const struct fileid *id);
struct local_dir *local_dir_get_locked(struct nfs_server *server,
	struct export *export, const struct fileid *id);

/* Free it when it is of no more use. */
void local_dir_drop_locked(struct local *l, struct local_dir *d);

/* The record of @id, which stays until local_dir_put(); or NULL. */
struct local_dir *local_dir_get(
	struct nfs_server *server, const struct fileid *id);
void local_dir_put(struct local_dir *d);

/*
 * Something of @id was reported: @flags, or a name (and what it was renamed
 * to). A directory without delegations is of no interest.
 */
void local_dir_report(
	struct nfs_server *server, const struct fileid *id, uint8_t flags);
void local_dir_report_name(struct nfs_server *server, const struct fileid *id,
	struct name name, struct name new_name);

/* All of them: LOCAL_LOST. */
void local_dir_report_lost(struct nfs_server *server);

/* So many holders more (or less) are promised their children's attributes. */
void local_dir_count_children_locked(struct local_dir *d, int more);

/* These watches are to be undone; there is nothing where nobody watches. */
void local_dir_release(struct nfs_server *server, const struct fileid *id,
	struct local_undo undo);

/* Those that found no permit try again; on the timers' thread. */
void local_dirs_retry(struct timer *timer);

/* Names: append (false: no room, no memory), and take the next pair. */
bool local_names_put(
	struct local_names *n, struct name name, struct name new_name);
bool local_names_next(
	struct local_names *n, struct name *name, struct name *new_name);
void local_names_free(struct local_names *n);

/* ---- local_look.c: what the job does, with a permit ---- */

/* What was reported besides names. */
void local_look_at_dir(struct local_dir *d, uint8_t reported);

/* One name; or a pair, if @new_name is not empty. */
void local_look_at_name(
	struct local_dir *d, struct name name, struct name new_name);

/* What came of the directory's attributes where no name was told. */
void local_look_at_rest(struct local_dir *d);

/* It is watched from now on, for its first holder. */
void local_look_first(struct local_dir *d);

#endif
