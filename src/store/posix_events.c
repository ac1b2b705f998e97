/* SPDX-License-Identifier: MIT */
/*
 * The reader: from fanotify's records to reports. It drops what this process
 * did itself, asks the table whether anybody wants to know, and does neither
 * I/O nor anything that waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_watch.h"

#define BUFFER_SIZE (64 * 1024)

/* What one event says, in fileids; len 0 = not said. */
struct told_event {
	uint64_t mask;
	bool own;
	struct fileid dir, from_dir, to_dir, target;
	struct name name, from, to;
};

/* ---- reports ---- */

static void report(struct watcher *w, const struct outside *o)
{
	counter_add(&w->reports, 1);
	w->observer.outside(w->observer.ctx, o);
}

void events_report(
	struct watcher *w, enum outside_kind kind, const struct fileid *id)
{
	struct outside o = {.kind = kind, .id = *id};

	report(w, &o);
}

static bool end_is_watched(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = id->len ? mark_find_locked(w, id) : NULL;
	return m && m->count[STORE_WATCH_END];
}

static bool entries_are_watched(struct watcher *w, const struct fileid *id)
{
	struct watch_mark *m;

	scope_lock(&w->lock);
	m = id->len ? mark_find_locked(w, id) : NULL;
	return m && (m->count[STORE_WATCH_ENTRIES] || m->is_kept);
}

static void report_entry(
	struct watcher *w, const struct fileid *dir, struct name name)
{
	struct outside o = {.kind = OUTSIDE_ENTRY, .id = *dir, .name = name};

	if (name.len && entries_are_watched(w, dir))
		report(w, &o);
}

static void report_rename(struct watcher *w, const struct told_event *e)
{
	struct outside o = {.kind = OUTSIDE_RENAME,
		.id = e->from_dir,
		.name = e->from,
		.new_name = e->to};

	if (!fileid_equal(&e->from_dir, &e->to_dir)) {
		report_entry(w, &e->from_dir, e->from);
		report_entry(w, &e->to_dir, e->to);
	} else if (e->from.len && e->to.len &&
		entries_are_watched(w, &e->from_dir)) {
		report(w, &o);
	}
}

/* Attributes or data: of a child, or of a marked object itself. */
static void report_content(struct watcher *w, const struct told_event *e)
{
	const struct fileid *id = e->target.len ? &e->target : &e->dir;

	if (id->len)
		events_report(w, OUTSIDE_OBJECT, id);
}

/* It has one link less, if any; what gets one is found by its new name. */
static void report_unlinked(struct watcher *w, const struct told_event *e)
{
	if (e->target.len && !(e->mask & FAN_ONDIR))
		events_report(w, OUTSIDE_OBJECT, &e->target);
}

static bool is_of_content(const struct told_event *e)
{
	if (e->mask & (FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE))
		return true;
	return (e->mask & FAN_MOVE_SELF) && !(e->mask & FAN_ONDIR);
}

static void report_foreign(struct watcher *w, const struct told_event *e)
{
	if (e->mask & FAN_RENAME)
		report_rename(w, e);
	if (e->mask & (FAN_CREATE | FAN_DELETE))
		report_entry(w, &e->dir, e->name);
	if (is_of_content(e))
		report_content(w, e);
	else if (e->mask & FAN_DELETE)
		report_unlinked(w, e);
	if ((e->mask & FAN_DELETE) && end_is_watched(w, &e->target))
		events_report(w, OUTSIDE_ENDED, &e->target);
	if ((e->mask & FAN_DELETE_SELF) && end_is_watched(w, &e->dir))
		events_report(w, OUTSIDE_ENDED, &e->dir);
}

/* A move of our own, too, takes a directory away from its marked parent. */
static void report_event(struct watcher *w, const struct told_event *e)
{
	if (e->mask & (FAN_MOVE_SELF | FAN_DELETE | FAN_ATTRIB))
		mark_doubt(w, e->target.len ? &e->target : &e->dir);
	if ((e->mask & FAN_MOVE_SELF) && end_is_watched(w, &e->dir))
		events_report(w, OUTSIDE_MOVED, &e->dir);
	if (e->own)
		counter_add(&w->own, 1);
	else
		report_foreign(w, e);
}

static void report_lost(struct watcher *w)
{
	struct outside o = {.kind = OUTSIDE_LOST};

	counter_add(&w->lost, 1);
	report(w, &o);
}

/* ---- decoding ---- */

/* The name behind the handle of an information record. */
static struct name name_after(
	const struct fanotify_event_info_fid *fid, const struct file_handle *h)
{
	const char *text = (const char *)h->f_handle + h->handle_bytes;
	const char *end = (const char *)fid + fid->hdr.len;
	struct name name = {.data = text};

	name.len = strnlen(text, end - text);
	return name;
}

static void decode_info(struct watcher *w,
	const struct fanotify_event_info_fid *fid, struct told_event *e)
{
	const struct file_handle *h = (const struct file_handle *)fid->handle;
	struct fileid id;

	/* A handle that does not fit in a fileid is of nothing we marked. */
	if (posix_id_of_handle(w->posix, h, &id) != 0)
		return;
	switch (fid->hdr.info_type) {
	case FAN_EVENT_INFO_TYPE_FID:
		e->target = id;
		break;
	case FAN_EVENT_INFO_TYPE_DFID:
		e->dir = id;
		break;
	case FAN_EVENT_INFO_TYPE_DFID_NAME:
		e->dir = id;
		e->name = name_after(fid, h);
		break;
	case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
		e->from_dir = id;
		e->from = name_after(fid, h);
		break;
	case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
		e->to_dir = id;
		e->to = name_after(fid, h);
	}
}

/* The records of the event at @at, whose head is @meta. */
static void decode(struct watcher *w, const char *at,
	const struct fanotify_event_metadata *meta, struct told_event *e)
{
	const char *end = at + meta->event_len;

	*e = (struct told_event){
		.mask = meta->mask, .own = meta->pid == w->pid};
	at += meta->metadata_len;
	while (at + sizeof(struct fanotify_event_info_fid) <= end) {
		const struct fanotify_event_info_fid *fid = (const void *)at;

		if (fid->hdr.len < sizeof(*fid) || at + fid->hdr.len > end)
			return;
		decode_info(w, fid, e);
		at += fid->hdr.len;
	}
}

static void take_event(struct watcher *w, const char *at,
	const struct fanotify_event_metadata *meta)
{
	struct told_event e;

	if (meta->vers != FANOTIFY_METADATA_VERSION ||
		(meta->mask & FAN_Q_OVERFLOW)) {
		report_lost(w);
		return;
	}
	decode(w, at, meta, &e);
	report_event(w, &e);
}

/* An event begins where the one before ended, aligned or not. */
static void take_events(struct watcher *w, const char *at, ssize_t left)
{
	struct fanotify_event_metadata meta;

	while (left >= (ssize_t)sizeof(meta)) {
		memcpy(&meta, at, sizeof(meta));
		if (!FAN_EVENT_OK(&meta, left))
			return;
		take_event(w, at, &meta);
		at += meta.event_len;
		left -= meta.event_len;
	}
}

/* ---- the thread ---- */

/* Everything that is there now. What cannot be read is lost. */
static void read_all(struct watcher *w, char *buffer)
{
	ssize_t size;

	for (;;) {
		size = read(w->group_fd, buffer, BUFFER_SIZE);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			break;
		take_events(w, buffer, size);
	}
	if (size < 0 && errno != EAGAIN)
		report_lost(w);
}

/* True: told to stop. @timeout_ms < 0: until there are events. */
static bool wait_for(struct watcher *w, int timeout_ms)
{
	struct pollfd fds[2] = {
		{.fd = w->stop_fd, .events = POLLIN},
		{.fd = w->group_fd, .events = POLLIN},
	};

	poll(fds, timeout_ms < 0 ? 2 : 1, timeout_ms);
	return fds[0].revents;
}

/*
 * After each look it rests for a moment: our own changes are told of as well,
 * and need not wake us one by one.
 */
static void *reader_main(void *arg)
{
	struct watcher *w = arg;
	_Alignas(8) char buffer[BUFFER_SIZE];

	while (!wait_for(w, -1)) {
		read_all(w, buffer);
		if (wait_for(w, w->gather_ms))
			break;
	}
	return NULL;
}

int events_start(struct watcher *w)
{
	int err;

	w->pid = getpid();
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (w->stop_fd < 0)
		return -errno;
	err = pthread_create(&w->reader, NULL, reader_main, w);
	if (err) {
		close(w->stop_fd);
		w->stop_fd = -1;
	}
	return -err;
}

void events_stop(struct watcher *w)
{
	const uint64_t one = 1;

	if (w->stop_fd < 0)
		return;
	while (write(w->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(w->reader, NULL);
	close(w->stop_fd);
	w->stop_fd = -1;
}

int events_open(bool unlimited, int *ret)
{
	const unsigned flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK |
		FAN_REPORT_DFID_NAME_TARGET;
	int fd = -1;

	if (unlimited)
		fd = fanotify_init(
			flags | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, 0);
	if (fd < 0)
		fd = fanotify_init(flags, 0);
	if (fd < 0)
		return errno == EINVAL || errno == ENOSYS ? -EOPNOTSUPP
							  : -errno;
	*ret = fd;
	return 0;
}
