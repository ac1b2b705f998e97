/* SPDX-License-Identifier: MIT */
/*
 * One directory's life: asked for, listed, notified, recalled, asked for
 * again; polled while it is not held.
 */
#include <errno.h>

#include "client/watcher_priv.h"

#define LIST_TRIES 3

/* ---- being held or not ---- */

static void set_held(struct watcher_dir *dir)
{
	watcher_dir_put(dir, WATCHER_NONE);
	dir->granted_ms = watcher_now(dir->w);
	if (dir->refusal_said)
		watcher_say(dir->w, WATCHER_GRANTED, dir, 0);
	dir->refusal_said = false;
}

/* Put it on the list of those to be polled; the next try after its back-off. */
static void set_unheld(struct watcher_dir *dir)
{
	struct watcher *w = dir->w;
	uint64_t now = watcher_now(w);
	uint64_t spread = w->nunheld * 10; /* no more than 100 looks a second */

	watcher_dir_put(dir, WATCHER_UNHELD);
	dir->try_ms = now + dir->backoff_ms;
	dir->poll_ms =
		now + (w->config.poll_ms > spread ? w->config.poll_ms : spread);
	dir->backoff_ms *= 2;
	if (dir->backoff_ms > WATCHER_BACKOFF_MAX_MS)
		dir->backoff_ms = WATCHER_BACKOFF_MAX_MS;
}

/* Remember as of when the model is complete, now that nothing is notified. */
static void prove(struct watcher_dir *dir, bool complete)
{
	dir->proven =
		complete && dirwatch_told_change(dir->dw, &dir->proven_change);
}

/* It was held; how soon may we ask again? */
static void forgive(struct watcher_dir *dir)
{
	if (watcher_now(dir->w) - dir->granted_ms > WATCHER_GOOD_GRANT_MS ||
		dir->backoff_ms < WATCHER_BACKOFF_MIN_MS)
		dir->backoff_ms = WATCHER_BACKOFF_MIN_MS;
}

/* What it was, it is no more: ask again soon. */
static void lost(struct watcher_dir *dir, bool complete)
{
	prove(dir, complete);
	forgive(dir);
	set_unheld(dir);
}

/*
 * Give it back and apply nothing more: neither what was notified, nor what the
 * server delivers before it answers. The next listing begins without them.
 */
static void give_up(struct watcher_dir *dir)
{
	dirwatch_discard(dir->dw);
	dirwatch_return(dir->dw, NULL);
	dirwatch_discard(dir->dw);
}

/* The reader does not keep up: hold nobody up for him. */
static void let_go(struct watcher_dir *dir)
{
	watcher_say(dir->w, WATCHER_TOO_SLOW, dir, 0);
	give_up(dir);
	lost(dir, false);
}

/* ---- errors ---- */

static bool is_gone(int err)
{
	return err == NFS4ERR_STALE || err == NFS4ERR_BADHANDLE ||
		err == NFS4ERR_NOENT || err == NFS4ERR_FHEXPIRED;
}

static bool has_no_delegations(int err)
{
	return err == NFS4ERR_NOTSUPP || err == NFS4ERR_OP_ILLEGAL ||
		err == NFS4ERR_DIRDELEG_UNAVAIL;
}

/*
 * A call about @dir failed. The directory may be gone: its parent tells, and
 * if it is the root, we are done. Else it is tried again later.
 */
static void failed(struct watcher_dir *dir, int err)
{
	struct watcher *w = dir->w;

	if (err == -ECANCELED) {
		w->error = err;
		return;
	}
	if (err == -ENOBUFS) {
		let_go(dir);
		return;
	}
	if (!dir->parent && (is_gone(err) || !dir->listed)) {
		w->error = err;
		return;
	}
	if (dir->dw)
		give_up(dir);
	if (is_gone(err) || err == NFS4ERR_NOTDIR) {
		watcher_dir_doom(dir);
		return;
	}
	dir->proven = false;
	if (err != -ECONNRESET) {
		if (!dir->error_said)
			watcher_say(w, WATCHER_CANNOT, dir, err);
		dir->error_said = true;
		dir->backoff_ms = w->config.hopeless_ms;
	}
	set_unheld(dir);
	if (err != -ECONNRESET)
		dir->poll_ms = dir->try_ms;
}

/* ---- listing ---- */

/*
 * List the directory and tell the differences. @change is its change attribute
 * from before. @missed: something may have been that the listing does not show.
 * 0 or an error, of which failed() is to be told.
 */
static int list(struct watcher_dir *dir, uint64_t change, bool missed)
{
	static const struct name no_name;
	int err = -EILSEQ;

	if (dir->listed && missed)
		watcher_tell(
			dir, WATCHER_RESCAN, no_name, no_name, OBJECT_NONE);
	for (int i = 0; i < LIST_TRIES && err == -EILSEQ; i++)
		err = dirwatch_fill(dir->dw);
	if (err)
		return err;
	dir->listed = true;
	dir->error_said = false;
	dir->proven = !dirwatch_is_held(dir->dw) && change != 0;
	dir->proven_change = change;
	return 0;
}

/* Nothing can have been missed if the directory is as it was. */
static bool is_proven(const struct watcher_dir *dir, uint64_t change)
{
	return dir->listed && dir->proven && change != 0 &&
		change == dir->proven_change;
}

/* ---- asking ---- */

static void refused(struct watcher_dir *dir)
{
	struct watcher *w = dir->w;

	if (!dir->refusal_said && !w->no_delegations &&
		dir->backoff_ms > 8 * WATCHER_BACKOFF_MIN_MS) {
		watcher_say(w, WATCHER_REFUSED, dir, 0);
		dir->refusal_said = true;
	}
	set_unheld(dir);
}

static bool has_type(const struct watcher_dir *dir, notify_type4 type)
{
	return dirwatch_is_held(dir->dw) &&
		bitmap4_has(&dirwatch_deleg(dir->dw)->types, type);
}

static void say_no_attrs(struct watcher_dir *dir)
{
	struct watcher *w = dir->w;

	if (w->tells_attrs && !w->no_attrs_said)
		watcher_say(w, WATCHER_NO_ATTRS, dir, 0);
	w->no_attrs_said = true;
}

/* Say once what the server does not do. */
static void check_types(struct watcher_dir *dir)
{
	struct watcher *w = dir->w;

	if (!has_type(dir, NOTIFY4_ADD_ENTRY) && !w->no_notify_said) {
		w->no_notify_said = true;
		watcher_say(w, WATCHER_NO_NOTIFY, dir, 0);
	}
	if (!has_type(dir, NOTIFY4_CHANGE_CHILD_ATTRS))
		say_no_attrs(dir);
}

/* The delegation, or just the change attribute if there are none. */
static int ask(struct watcher_dir *dir, uint64_t *change)
{
	struct watcher *w = dir->w;
	int err = NFS4ERR_NOTSUPP;

	if (!w->no_delegations)
		err = dirwatch_acquire(dir->dw, change);
	if (!has_no_delegations(err))
		return err;
	if (!w->no_delegations)
		watcher_say(w, WATCHER_NO_DELEGATIONS, dir, 0);
	w->no_delegations = true;
	say_no_attrs(dir);
	return nfsc_get_change(w->c, dirwatch_fh(dir->dw), change);
}

/*
 * List what is not as it was. The directory's change attribute does not move
 * with attributes of its entries, so whoever is notified of those lists in any
 * case, to begin with what is true; what came and went may have been merged.
 */
static int catch_up(struct watcher_dir *dir, uint64_t change)
{
	bool missed = !is_proven(dir, change);
	bool attrs = dir->w->tells_attrs &&
		has_type(dir, NOTIFY4_CHANGE_CHILD_ATTRS);

	return missed || attrs ? list(dir, change, missed) : 0;
}

static void try_acquire(struct watcher_dir *dir)
{
	uint64_t change = 0;
	int err = ask(dir, &change);

	if (err == 0)
		err = catch_up(dir, change);
	if (err) {
		failed(dir, err);
	} else if (dirwatch_is_held(dir->dw)) {
		set_held(dir);
		check_types(dir);
	} else {
		refused(dir);
	}
}

/* Its handle is not known yet: is it a directory at all? */
static int look_up(struct watcher_dir *dir)
{
	static const bitmap4 want = {.word = {1u << FATTR4_TYPE}};
	struct watcher *w = dir->w;
	struct fattr4_values values;
	struct nfsc_fh fh;
	int err = nfsc_lookup(
		w->c, dirwatch_fh(dir->parent->dw), &dir->name, 1, &fh, NULL);

	if (err == 0)
		err = nfsc_getattr(w->c, &fh, &want, &values);
	if (err == 0 && values.attr.type != OBJECT_DIR)
		err = NFS4ERR_NOTDIR;
	return err ? err : watcher_dir_found(dir, &fh);
}

void watcher_dir_begin(struct watcher_dir *dir)
{
	int err = 0;

	watcher_dir_put(dir, WATCHER_NONE);
	dir->backoff_ms = WATCHER_BACKOFF_MIN_MS;
	if (!dir->dw)
		err = look_up(dir);
	if (err)
		failed(dir, err);
	else
		try_acquire(dir);
}

/* ---- notified, recalled, lost ---- */

/*
 * Give it back: what was notified is told first, and what the server still
 * delivers before it answers.
 */
static void give_back(struct watcher_dir *dir, bool complete)
{
	int err = dirwatch_return(dir->dw, NULL);

	if (err == -ECANCELED || is_gone(err)) {
		failed(dir, err);
		return;
	}
	complete = dirwatch_drain(dir->dw) == 0 && complete;
	if (dirwatch_is_waiting(dir->dw))
		let_go(dir);
	else
		lost(dir, complete);
}

/* There is no room for what was notified. */
static void serve_clogged(struct watcher_dir *dir)
{
	if (dirwatch_is_held(dir->dw) && !dirwatch_is_recalled(dir->dw))
		watcher_dir_put(dir, WATCHER_CLOGGED);
	else
		let_go(dir);
}

/* The model did not take a notification: @why. */
static void relist(struct watcher_dir *dir, int why)
{
	int err;

	if (why == -EILSEQ)
		watcher_say(dir->w, WATCHER_CONTRADICTED, dir, 0);
	dirwatch_discard(dir->dw);
	err = list(dir, 0, true);
	if (err)
		failed(dir, err);
}

void watcher_dir_serve(struct watcher_dir *dir)
{
	int err;

	if (dir->on != WATCHER_NONE && dir->on != WATCHER_CLOGGED)
		return;
	watcher_dir_put(dir, WATCHER_NONE);
	err = dirwatch_drain(dir->dw);
	if (err == 0 && dirwatch_is_waiting(dir->dw))
		serve_clogged(dir);
	else if (dirwatch_is_recalled(dir->dw))
		give_back(dir, err == 0);
	else if (!dirwatch_is_held(dir->dw))
		lost(dir, err == 0);
	else if (err)
		relist(dir, err);
}

void watcher_dir_trim(struct watcher_dir *dir)
{
	if (!dir->dw || !dirwatch_is_held(dir->dw))
		return;
	give_back(dir, dirwatch_drain(dir->dw) == 0);
	dir->try_ms = watcher_now(dir->w) + WATCHER_BACKOFF_MAX_MS;
}

/* ---- not held ---- */

static void look_again(struct watcher_dir *dir)
{
	uint64_t change;
	int err = nfsc_get_change(dir->w->c, dirwatch_fh(dir->dw), &change);

	if (err == 0)
		err = catch_up(dir, change);
	if (err) {
		failed(dir, err);
		return;
	}
	dir->poll_ms = watcher_now(dir->w) + dir->w->config.poll_ms;
}

void watcher_dir_poll(struct watcher_dir *dir, uint64_t now)
{
	struct watcher *w = dir->w;

	if (now < dir->try_ms && now < dir->poll_ms)
		return;
	if (!watcher_has_room(w))
		return;
	if (!dir->dw)
		watcher_dir_begin(dir);
	else if (now >= dir->try_ms)
		try_acquire(dir);
	else
		look_again(dir);
}
