/* SPDX-License-Identifier: MIT */
/*
 * What is to be marked. Opening an object may wait for a disk, so it is done
 * before the watcher's lock is taken, and what was decided before is looked at
 * again under it.
 */
#include "store/posix_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Directories that stay watched so that their next change finds them so. */
#define KEPT_MAX 4096

/* When nobody says how many marks there may be, and the kernel does not. */
#define MARKS_MAX_DEFAULT 8192

/* ---- room ---- */

static bool kept_oldest(struct watcher *w, struct fileid *ret)
{
	scope_lock(&w->lock);
	if (list_empty(&w->kept))
		return false;
	mark_copy_id(list_first_entry(&w->kept, struct watch_mark, kept), ret);
	return true;
}

static bool unkeep(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (!m || !m->is_kept)
		return false;
	mark_unkeep_locked(w, m);
	return true;
}

/* Could not be taken off the kernel: there will be another time. */
static void keep_again(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (m && !mark_is_settled(m))
		mark_keep_locked(w, m);
}

/* Stop watching what was kept for longest. False: there is nothing. */
static bool evict(struct watcher *w)
{
	struct fileid id;
	bool done;

	if (!kept_oldest(w, &id))
		return false;
	if (!unkeep(w, &id))
		return true; /* somebody else was faster */
	done = mark_settle(w, &id);
	if (!done)
		keep_again(w, &id);
	events_report(w, OUTSIDE_UNWATCHED, &id);
	return done;
}

static bool has_room(struct watcher *w, const struct fileid *id)
{
	scope_lock(&w->lock);
	return w->marks.count < w->max_marks || mark_find_locked(w, id);
}

static void trim_kept(struct watcher *w)
{
	unsigned count;

	do {
		lock_acquire(&w->lock);
		count = w->kept_count;
		lock_release(&w->lock);
	} while (count > KEPT_MAX && evict(w));
}

/* ---- one more is wanted ---- */

/* Which count of a mark goes up: a watch, or a directory's end in it. */
enum { ENDS_IN_IT = STORE_WATCHES };

static uint32_t *count_of(struct watch_mark *m, int what)
{
	return what == ENDS_IN_IT ? &m->ends : &m->count[what];
}

/* The mark is there already and says enough. */
static bool add_to_settled(struct watcher *w, const struct fileid *id, int what)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (!m || (what == STORE_WATCH_END && !m->followed))
		return false;
	++*count_of(m, what);
	if (!mark_is_enough(m)) {
		--*count_of(m, what);
		return false;
	}
	if (what == STORE_WATCH_ENTRIES)
		mark_unkeep_locked(w, m);
	return true;
}

static int add_once(
	struct watcher *w, const struct fileid *id, int fd, int what)
{
	struct watch_mark *m;
	int err;

	if (!has_room(w, id))
		return -ENOSPC;
	scope_lock(&w->lock);
	if (w->group_fd < 0)
		return -EOPNOTSUPP;
	m = mark_get_locked(w, id);
	if (!m)
		return -ENOMEM;
	++*count_of(m, what);
	err = mark_settle_locked(w, m, fd);
	if (err) {
		--*count_of(m, what);
		mark_drop_locked(w, m);
	} else if (what == STORE_WATCH_ENTRIES) {
		mark_unkeep_locked(w, m);
	}
	return err;
}

static int add(struct watcher *w, const struct fileid *id, int fd, int what)
{
	int err = add_once(w, id, fd, what);

	while (err == -ENOSPC && evict(w))
		err = add_once(w, id, fd, what);
	if (err == -ENOSPC)
		counter_add(&w->refused, 1);
	return err;
}

/* One less. The parent that told of its end, if that is over, in @parent. */
static void take_away(struct watcher *w, const struct fileid *id, int what,
	struct fileid *parent)
{
	struct watch_mark *m;
	bool settled;

	parent->len = 0;
	lock_acquire(&w->lock);
	m = mark_find_locked(w, id);
	if (!m || *count_of(m, what) == 0) {
		lock_release(&w->lock);
		return;
	}
	--*count_of(m, what);
	if (what == STORE_WATCH_ENTRIES && m->count[what] == 0)
		mark_keep_locked(w, m);
	if (what == STORE_WATCH_END && m->count[what] == 0 && m->parent) {
		mark_copy_id(m->parent, parent);
		m->parent = NULL;
		m->followed = false;
	}
	settled = mark_is_settled(m);
	lock_release(&w->lock);
	if (!settled && !mark_settle(w, id))
		keep_again(w, id);
}

/* ---- the end of a directory ---- */

/* Its parent, also the export root's, on the same file system. */
static int open_parent(struct posix *p, const struct fileid *id, int fd)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;

	if (fileid_equal(id, &p->root) && p->outer_fd < 0)
		return -ENOENT;
	if (fileid_equal(id, &p->root))
		return posix_opened(p, fcntl(p->outer_fd, F_DUPFD_CLOEXEC, 0));
	return posix_opened(p, openat(fd, "..", flags));
}

/* From here on a move says that the parent is another one. */
static void begin_to_follow(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (m)
		m->moved = false;
}

/* The parent @up tells of the end of @id from now on, the old one does not. */
static void change_parent(struct watcher *w, const struct fileid *id,
	const struct fileid *up, struct fileid *old)
{
	struct watch_mark *m;

	old->len = 0;
	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (!m || !m->count[STORE_WATCH_END]) {
		*old = *up; /* unwatched meanwhile */
		return;
	}
	if (m->parent)
		mark_copy_id(m->parent, old);
	m->parent = mark_find_locked(w, up);
	m->followed = !m->moved;
}

static int watch_parent(struct watcher *w, const struct fileid *id, int fd)
{
	struct posix *p = w->posix;
	scope_fd int up_fd = open_parent(p, id, fd);
	struct fileid up, old, none;
	int err;

	if (up_fd == -ENOENT && fileid_equal(id, &p->root))
		return 0; /* the top of its file system cannot be removed */
	if (up_fd < 0)
		return up_fd;
	err = posix_id_of_fd(p, up_fd, &up);
	if (!err)
		err = add(w, &up, up_fd, ENDS_IN_IT);
	if (err)
		return err;
	change_parent(w, id, &up, &old);
	if (old.len)
		take_away(w, &old, ENDS_IN_IT, &none);
	return 0;
}

/* Its marks are there; was it gone before? */
static int check_linked(int fd)
{
	struct statx st;
	int err = posix_stat(fd, &st);

	return err ? err : st.stx_nlink == 0 ? -ESTALE : 0;
}

static int watch_end(struct watcher *w, const struct fileid *id, int fd)
{
	int err = add(w, id, fd, STORE_WATCH_END);

	if (err)
		return err;
	begin_to_follow(w, id);
	err = watch_parent(w, id, fd);
	if (!err)
		err = check_linked(fd);
	if (err)
		posix_unwatch(&w->posix->store, id, STORE_WATCH_END);
	return err;
}

/* ---- members of struct store_ops ---- */

int posix_watch(struct store *s, const struct fileid *id, enum store_watch what)
{
	struct posix *p = posix_of(s);
	struct watcher *w = p->watcher;
	scope_fh *fh = NULL;
	int err;

	if (!w)
		return -EOPNOTSUPP;
	if (add_to_settled(w, id, what))
		return 0;
	err = what == STORE_WATCH_OBJECT ? posix_path(p, id, &fh)
					 : posix_dir(p, id, &fh);
	if (err)
		return err;
	return what == STORE_WATCH_END ? watch_end(w, id, fh->fd)
				       : add(w, id, fh->fd, what);
}

void posix_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	struct watcher *w = posix_of(s)->watcher;
	struct fileid parent, none;

	if (!w)
		return;
	take_away(w, id, what, &parent);
	if (parent.len)
		take_away(w, &parent, ENDS_IN_IT, &none);
	if (what == STORE_WATCH_ENTRIES)
		trim_kept(w);
}

void posix_read_watch_stats(struct store *s, struct store_watch_stats *ret)
{
	struct watcher *w = posix_of(s)->watcher;

	if (!w)
		return;
	lock_acquire(&w->lock);
	ret->marks = w->marks.count;
	lock_release(&w->lock);
	ret->max_marks = w->max_marks;
	ret->refused = counter_read(&w->refused);
	ret->reports = counter_read(&w->reports);
	ret->own = counter_read(&w->own);
	ret->lost = counter_read(&w->lost);
}

void posix_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
	struct posix *p = posix_of(s);

	dirindex_note(p->index, &p->source, dir, change);
}

/* ---- start and end ---- */

/* What the kernel finds right for one user on a machine of this size. */
static uint64_t default_max_marks(void)
{
	scope_fd int fd = open(
		"/proc/sys/fs/fanotify/max_user_marks", O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	long value = 0;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		value = atol(text);
	return value > 0 ? value : MARKS_MAX_DEFAULT;
}

/*
 * From now on nothing is watched. Others may be about to look: the watcher
 * itself goes with the store, or when it is observed anew.
 */
static void watcher_close(struct watcher *w)
{
	if (!w)
		return;
	events_stop(w);
	scope_lock(&w->lock);
	marks_free_locked(w);
	if (w->group_fd >= 0)
		close(w->group_fd);
	w->group_fd = -1;
}

static void watcher_free(struct watcher *w)
{
	if (!w)
		return;
	watcher_close(w);
	htab_fini(&w->marks);
	lock_fini(&w->lock);
	free(w);
}

static struct watcher *watcher_new(
	struct posix *p, const struct store_observer *observer)
{
	struct watcher *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->posix = p;
	w->observer = *observer;
	w->group_fd = -1;
	w->gather_ms = p->watch.gather_ms;
	w->max_marks =
		p->watch.max_marks ? p->watch.max_marks : default_max_marks();
	lock_init(&w->lock, LOCK_WATCH);
	list_init(&w->kept);
	w->stop_fd = -1;
	if (htab_init(&w->marks, 64) == 0)
		return w;
	lock_fini(&w->lock);
	free(w);
	return NULL;
}

/* Can this file system be watched at all? The root shows it. */
static int try_mark(struct watcher *w)
{
	struct posix *p = w->posix;
	struct fileid none;
	int err = add(w, &p->root, p->root_fd, STORE_WATCH_END);

	if (err)
		return err == -ENOSPC ? err : -EOPNOTSUPP;
	take_away(w, &p->root, STORE_WATCH_END, &none);
	return 0;
}

int posix_observe(struct store *s, const struct store_observer *observer)
{
	struct posix *p = posix_of(s);
	struct watcher *w;
	int err;

	if (!observer) {
		watcher_close(p->watcher);
		return 0;
	}
	watcher_free(p->watcher);
	p->watcher = NULL;
	w = watcher_new(p, observer);
	if (!w)
		return -ENOMEM;
	err = events_open(!p->watch.limited_queue, &w->group_fd);
	if (!err)
		err = try_mark(w);
	if (!err)
		err = events_start(w);
	if (err) {
		watcher_free(w);
		return err;
	}
	p->watcher = w;
	return 0;
}

void posix_watch_fini(struct posix *p)
{
	watcher_free(p->watcher);
}
