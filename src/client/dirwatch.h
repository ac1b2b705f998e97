/* SPDX-License-Identifier: MIT */
/*
 * One directory under a delegation: the grant, the model, the notifications
 * that wait to be applied. It does what it is told, step by step; when to ask,
 * to list and to give back is decided by who uses it (watcher.h, tests).
 *
 * A set holds all of one client's. Callbacks only queue: they look up the
 * delegation, check that the notification can be read, keep its bytes and
 * wake the owner. All other functions are the owner's, one thread.
 */
#ifndef CLIENT_DIRWATCH_H
#define CLIENT_DIRWATCH_H

#include "client/dircache.h"
#include "client/nfsc_ops.h"

struct dirwatch;
struct dirwatch_set;

/* ---- the set ---- */

/* What dirwatch_set_wait() reports besides directories with work. */
enum {
	DIRWATCH_NEW_SESSION = 1 << 0,
	DIRWATCH_RESTARTED = 1 << 1, /* no delegation is held any more */
	DIRWATCH_REVOKED = 1 << 2,   /* dirwatch_find_lost() */
	DIRWATCH_TRIM = 1 << 3,      /* give back some: dirwatch_set_keep() */
	DIRWATCH_WOKEN = 1 << 4,
};

/*
 * At most @max_bytes of notifications wait; more are answered NFS4ERR_DELAY,
 * and then it is for the server to give up and recall. NULL: no memory.
 */
struct dirwatch_set *dirwatch_set_new(size_t max_bytes);

/* All directories must be gone, and the client as well. */
void dirwatch_set_free(struct dirwatch_set *set);

/*
 * Handlers for the client that is to be made; @event (may be NULL) is told
 * what happens to the connection, on any thread.
 */
void dirwatch_set_handlers(struct dirwatch_set *set,
	void (*event)(void *ctx, enum nfsc_event event), void *ctx,
	struct nfsc_handlers *ret);

/* The client that was made with them. */
void dirwatch_set_client(struct dirwatch_set *set, struct nfsc *c);

/*
 * Wait for work, at most @timeout_ms (0: look only). Returns DIRWATCH_* that
 * came up since the last call; directories are in dirwatch_next_ready().
 */
unsigned dirwatch_set_wait(struct dirwatch_set *set, uint64_t timeout_ms);

/* End a wait; any thread. */
void dirwatch_set_wake(struct dirwatch_set *set);

/* How many delegations the server wants us to keep (CB_RECALL_ANY). */
uint32_t dirwatch_set_keep(struct dirwatch_set *set);

/* A directory that was notified or recalled since it was last returned. */
struct dirwatch *dirwatch_next_ready(struct dirwatch_set *set);

/* ---- one directory ---- */

struct dirwatch_config {
	struct dirwatch_set *set;
	struct nfsc_fh fh;
	struct nfsc_deleg_want want;
	bitmap4 list_attrs; /* asked of READDIR besides those granted */
	struct dircache_config model;
	void *owner; /* whatever: dirwatch_owner() */
	/* May the model tell more changes now? NULL: always. */
	bool (*room)(void *owner);
};

struct dirwatch *dirwatch_new(const struct dirwatch_config *config);

/* It must not be held: see dirwatch_return(), dirwatch_forget(). */
void dirwatch_free(struct dirwatch *w);

/*
 * Ask for the delegation. 0: dirwatch_is_held() tells whether it was granted,
 * and @change, when given, is the directory's change attribute as of then (0:
 * not told).
 */
int dirwatch_acquire(struct dirwatch *w, uint64_t *change);

/*
 * List the directory into the model. Under the delegation that makes it true;
 * without, it is a snapshot. -EILSEQ: a notification that waited contradicts
 * the listing: list again. -ENOBUFS: no room for what it finds; what was told
 * so far is not told again by the next one.
 */
int dirwatch_fill(struct dirwatch *w);

/*
 * Apply what was notified, while there is room. 0; -EILSEQ: the model must be
 * filled again; -EPROTO, -ENOMEM likewise.
 */
int dirwatch_drain(struct dirwatch *w);

/* Is something notified not applied yet? */
bool dirwatch_is_waiting(struct dirwatch *w);

/* Drop what was notified: the model must be filled again. */
void dirwatch_discard(struct dirwatch *w);

/*
 * Give the delegation back; nothing arrives any more. @change as above, from
 * just before. What was notified still waits. It is not held afterwards,
 * whatever the server says.
 */
int dirwatch_return(struct dirwatch *w, uint64_t *change);

/* Give back those of @ws that are held, many at a time; as above. */
void dirwatch_return_all(struct dirwatch *const *ws, size_t n);

/* The delegation is gone, or was never ours: not held any more. */
void dirwatch_forget(struct dirwatch *w);

/*
 * Ask the server which delegations it does not know or has revoked, free those
 * and forget them; they come up in dirwatch_next_ready(). 0 or an error.
 */
int dirwatch_find_lost(struct dirwatch_set *set);

/* The server restarted: forget what is from before; as above. */
void dirwatch_forget_old(struct dirwatch_set *set);

bool dirwatch_is_held(const struct dirwatch *w);
bool dirwatch_is_recalled(struct dirwatch *w);
struct dircache *dirwatch_model(struct dirwatch *w);
const struct nfsc_fh *dirwatch_fh(const struct dirwatch *w);
const struct nfsc_deleg *dirwatch_deleg(const struct dirwatch *w);
void *dirwatch_owner(const struct dirwatch *w);

/*
 * The directory's change attribute that the model is as of, as far as the
 * server tells: the grant's, or that of the last notification of directory
 * attributes. False: not known.
 */
bool dirwatch_told_change(const struct dirwatch *w, uint64_t *ret);

#endif
