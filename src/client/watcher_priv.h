/* SPDX-License-Identifier: MIT */
/*
 * The watcher's inside: watcher.c has the loop and the events of the client,
 * watcher_dir.c one directory's life, watcher_tree.c which directories there
 * are. All but the notices is one thread's.
 */
#ifndef CLIENT_WATCHER_PRIV_H
#define CLIENT_WATCHER_PRIV_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/htab.h"
#include "base/list.h"
#include "client/dirwatch.h"
#include "client/watcher.h"

#define WATCHER_BACKOFF_MIN_MS 100
#define WATCHER_BACKOFF_MAX_MS 30000

/* A grant that lived so long makes up for the refusals before. */
#define WATCHER_GOOD_GRANT_MS 10000

/* What the models may take together, and a directory beside its entries. */
#define WATCHER_MEMORY   ((size_t)1 << 30)
#define WATCHER_DIR_COST 2048

/* Directories below each other: trees are walked recursively. */
#define WATCHER_DEPTH_MAX 1024

/* On which list of the watcher a directory is. */
enum watcher_list {
	WATCHER_NONE,    /* held, nothing to do */
	WATCHER_FRESH,   /* to be asked for and listed */
	WATCHER_UNHELD,  /* to be polled and asked for again */
	WATCHER_CLOGGED, /* to be served when there is room */
	WATCHER_DOOMED,  /* to be given back and freed */
	WATCHER_LISTS
};

/* One watched directory. */
struct watcher_dir {
	struct watcher *w;
	struct watcher_dir *parent; /* NULL: the root, or doomed */
	struct list siblings;       /* in parent->children */
	struct list children;
	struct list all; /* in w->dirs */
	enum watcher_list on;
	struct list todo; /* in w->lists[on] */
	struct htab_link by_fh;
	bool in_by_fh;
	struct dirwatch *dw;      /* NULL until its handle is known */
	struct htab_link by_name; /* and by parent; not the root's */
	struct name name;         /* our bytes */
	unsigned depth;           /* 0: the root */
	bool quiet;               /* what the first listing finds is no news */
	bool listed;
	/* The model is complete as of this change attribute. */
	bool proven;
	uint64_t proven_change;
	uint64_t granted_ms, backoff_ms;
	uint64_t try_ms, poll_ms; /* when to do that next */
	bool refusal_said, error_said, below_said;
};

struct watcher {
	struct watcher_config config;
	struct nfsc *c;
	struct dirwatch_set *set;
	struct clock clock;
	struct watcher_dir *root;
	char *root_path; /* "/a/b/" */
	size_t root_len;
	struct dircache_budget budget;
	struct htab by_fh, by_name;
	struct list dirs; /* all but the doomed */
	struct list lists[WATCHER_LISTS];
	size_t ndirs, nunheld;
	char *path; /* of the directory spoken of */
	size_t path_size;
	/*
	 * Ask for the directory's change attribute with every notification:
	 * it tells whether anything was missed when the delegation is asked
	 * for again. Only servers that have dir_notif_delay (RFC 8881 5.11)
	 * are asked: knfsd 7.3, which has not, has room for three
	 * notifications, and this one would take one of them.
	 */
	bool tells_dir_attrs;
	/* Its own minimum for notified attributes, which we ask for. */
	nfstime4 child_delay, dir_delay;
	bool tells_attrs; /* MODIFY or ATTRIB is wanted */
	bool ready_said, no_notify_said, no_attrs_said, no_delegations;
	bool check_lost;
	uint64_t told_ms; /* when something was told, or could have been */
	atomic_bool stop;
	int error; /* ends it */
};

/* ---- watcher.c ---- */

uint64_t watcher_now(struct watcher *w);
bool watcher_has_room(const struct watcher *w);
void watcher_say(struct watcher *w, enum watcher_notice_kind kind,
	const struct watcher_dir *dir, int error);
void watcher_tell(const struct watcher_dir *dir, enum watcher_event event,
	struct name name, struct name to, enum object_type type);

/* ---- watcher_tree.c ---- */

/*
 * A directory of that handle (NULL: to be looked up), to be begun. NULL: no
 * memory.
 */
struct watcher_dir *watcher_dir_new(struct watcher *w,
	struct watcher_dir *parent, struct name name, const struct nfsc_fh *fh,
	bool quiet);

/* Put it on a list, and off the one it is on; not for the doomed. */
void watcher_dir_put(struct watcher_dir *dir, enum watcher_list on);

/* Its path, "/a/b/", until the next call; "?" when out of memory. */
struct name watcher_dir_path(const struct watcher_dir *dir);

/* Not watched any more, with all below it; freed by watcher_bury(). */
void watcher_dir_doom(struct watcher_dir *dir);

/* Give back and free what is doomed. */
void watcher_bury(struct watcher *w, bool give_back);

/*
 * Its handle was looked up: make its model. What was known by this handle is
 * doomed. 0 or an error.
 */
int watcher_dir_found(struct watcher_dir *dir, const struct nfsc_fh *fh);

/* The model changed (dircache_tell). */
void watcher_model_changed(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced);

/* ---- watcher_dir.c ---- */

/* The first grant and listing. */
void watcher_dir_begin(struct watcher_dir *dir);

/* Notified, recalled, or its delegation was lost. */
void watcher_dir_serve(struct watcher_dir *dir);

/* Not held: try or look again, if it is time. */
void watcher_dir_poll(struct watcher_dir *dir, uint64_t now);

/* Give it back because the server wants fewer. */
void watcher_dir_trim(struct watcher_dir *dir);

#endif
