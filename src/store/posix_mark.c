/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/fanotify.h>

#include "base/cleanup.h"
#include "store/posix_watch.h"

/* MODIFY is of the directory itself: its time of modification set alone. */
#define MASK_ENTRIES                                                      \
	(FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ATTRIB | FAN_MODIFY | \
		FAN_ONDIR)
#define MASK_CONTENT (FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE)
/* A rename elsewhere moves the time of its metadata. */
#define MASK_OBJECT   (MASK_CONTENT | FAN_MOVE_SELF)
#define MASK_CHILDREN (MASK_CONTENT | FAN_EVENT_ON_CHILD | FAN_ONDIR)
/* Overwritten by a rename it is told of by ATTRIB alone. */
#define MASK_END (FAN_MOVE_SELF | FAN_DELETE_SELF | FAN_ATTRIB | FAN_ONDIR)
/* The parent's part: DELETE_SELF waits for our own descriptors. */
#define MASK_ENDS (FAN_DELETE | FAN_ONDIR)

static uint64_t wanted_of(const struct watch_mark *m)
{
	uint64_t mask = 0;

	if (m->count[STORE_WATCH_ENTRIES] || m->is_kept)
		mask |= MASK_ENTRIES;
	if (m->count[STORE_WATCH_CHILDREN])
		mask |= MASK_CHILDREN;
	if (m->count[STORE_WATCH_END])
		mask |= MASK_END;
	if (m->count[STORE_WATCH_OBJECT])
		mask |= MASK_OBJECT;
	if (m->ends)
		mask |= MASK_ENDS;
	return mask;
}

bool mark_is_settled(const struct watch_mark *m)
{
	return m->mask == wanted_of(m);
}

bool mark_is_enough(const struct watch_mark *m)
{
	return !(wanted_of(m) & ~m->mask);
}

struct watch_mark *mark_find_locked(struct watcher *w, const struct fileid *id)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct htab_link *at;

	htab_for_each_match(at, &w->marks, hash) {
		struct watch_mark *m =
			container_of(at, struct watch_mark, link);

		if (m->id_len == id->len &&
			memcmp(m->id_data, id->data, id->len) == 0)
			return m;
	}
	return NULL;
}

struct watch_mark *mark_get_locked(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m = mark_find_locked(w, id);

	if (m)
		return m;
	m = calloc(1, sizeof(*m) + id->len);
	if (!m)
		return NULL;
	list_init(&m->kept);
	m->id_len = id->len;
	memcpy(m->id_data, id->data, id->len);
	htab_insert(&w->marks, &m->link, htab_hash(id->data, id->len));
	return m;
}

void mark_copy_id(const struct watch_mark *m, struct fileid *ret)
{
	ret->len = m->id_len;
	memcpy(ret->data, m->id_data, m->id_len);
}

void mark_keep_locked(struct watcher *w, struct watch_mark *m)
{
	if (m->is_kept)
		return;
	m->is_kept = true;
	list_add_tail(&w->kept, &m->kept);
	w->kept_count++;
}

void mark_unkeep_locked(struct watcher *w, struct watch_mark *m)
{
	if (!m->is_kept)
		return;
	m->is_kept = false;
	list_del(&m->kept);
	w->kept_count--;
}

void mark_drop_locked(struct watcher *w, struct watch_mark *m)
{
	if (m->mask || wanted_of(m))
		return;
	htab_remove(&w->marks, &m->link);
	free(m);
}

void mark_doubt(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (!m)
		return;
	m->moved = true;
	m->followed = false;
}

static int mark_kernel(struct watcher *w, unsigned how, uint64_t mask, int fd)
{
	struct fd_path path = fd_path_of(fd);

	if (fanotify_mark(w->group_fd, how, mask, AT_FDCWD, path.s) == 0)
		return 0;
	return -errno;
}

int mark_settle_locked(struct watcher *w, struct watch_mark *m, int fd)
{
	uint64_t wanted = wanted_of(m);
	int err;

	if (wanted & ~m->mask) {
		err = mark_kernel(w, FAN_MARK_ADD, wanted, fd);
		if (err)
			return err;
		m->mask |= wanted;
	}
	if (m->mask & ~wanted) {
		/* Gone already with the object, at the worst. */
		mark_kernel(w, FAN_MARK_REMOVE, m->mask & ~wanted, fd);
		m->mask = wanted;
	}
	return 0;
}

bool mark_settle(struct watcher *w, const struct fileid *id)
{
	scope_fh *fh = NULL;
	int err = posix_path(w->posix, id, &fh);
	struct watch_mark *m;

	if (err && err != -ESTALE)
		return false;
	scope_lock(&w->lock);
	m = mark_find_locked(w, id);
	if (!m)
		return true;
	if (err)
		m->mask &= wanted_of(m); /* the kernel's mark went with it */
	else
		mark_settle_locked(w, m, fh->fd);
	mark_drop_locked(w, m);
	return true;
}

void marks_free_locked(struct watcher *w)
{
	struct htab_link *at;
	size_t cursor = 0;

	while ((at = htab_walk(&w->marks, &cursor, NULL))) {
		struct watch_mark *m =
			container_of(at, struct watch_mark, link);

		mark_unkeep_locked(w, m);
		htab_remove(&w->marks, at);
		free(m);
		cursor--; /* the rest of the chain */
	}
}
