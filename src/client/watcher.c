/* SPDX-License-Identifier: MIT */
#include "client/watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/watcher_priv.h"

/* Notifications that may wait to be served. */
#define QUEUE_MAX (64 * 1024 * 1024)

#define POLL_DEFAULT_MS     2000
#define HOPELESS_DEFAULT_MS 60000
#define WAIT_MAX_MS         60000

uint64_t watcher_now(struct watcher *w)
{
	return clock_mono_ms(&w->clock);
}

bool watcher_has_room(const struct watcher *w)
{
	return !w->config.room || w->config.room(w->config.ctx);
}

/* ---- telling ---- */

void watcher_say(struct watcher *w, enum watcher_notice_kind kind,
	const struct watcher_dir *dir, int error)
{
	struct watcher_notice notice = {
		.kind = kind, .error = error, .count = w->ndirs};

	if (dir)
		notice.dir = watcher_dir_path(dir);
	if (kind == WATCHER_CONTRADICTED)
		notice.why = dircache_contradiction(dirwatch_model(dir->dw));
	if (w->config.notice)
		w->config.notice(w->config.ctx, &notice);
}

void watcher_tell(const struct watcher_dir *dir, enum watcher_event event,
	struct name name, struct name to, enum object_type type)
{
	struct watcher *w = dir->w;
	struct watcher_change change = {
		.event = event, .name = name, .to = to, .type = type};

	if (!(w->config.events & WATCHER_BIT(event)))
		return;
	change.dir = watcher_dir_path(dir);
	w->told_ms = watcher_now(w);
	w->config.change(w->config.ctx, &change);
}

/* On any thread, so without a look at the tree. */
static void on_event(void *ctx, enum nfsc_event event)
{
	struct watcher *w = ctx;
	struct watcher_notice notice = {.error = 0};

	switch (event) {
	case NFSC_CONN_LOST:
		notice.kind = WATCHER_CONN_LOST;
		break;
	case NFSC_CONN_BACK:
	case NFSC_NEW_SESSION:
		notice.kind = WATCHER_CONN_BACK;
		break;
	case NFSC_RESTARTED:
		notice.kind = WATCHER_RESTARTED;
		break;
	default:
		return;
	}
	if (w->config.notice && !atomic_load(&w->stop))
		w->config.notice(w->config.ctx, &notice);
}

/* ---- life ---- */

static int make_root_path(struct watcher *w)
{
	const struct watcher_config *config = &w->config;
	size_t len = 1;
	char *at;

	for (size_t i = 0; i < config->npath; i++)
		len += config->path[i].len + 1;
	at = w->root_path = malloc(len);
	if (!at)
		return -ENOMEM;
	*at++ = '/';
	for (size_t i = 0; i < config->npath; i++) {
		memcpy(at, config->path[i].data, config->path[i].len);
		at += config->path[i].len;
		*at++ = '/';
	}
	w->root_len = len;
	return 0;
}

static int find_root(struct watcher *w, size_t *found)
{
	bitmap4 want = {.beyond = false};
	struct fattr4_values values;
	struct nfsc_fh fh;
	int err = nfsc_lookup(
		w->c, NULL, w->config.path, w->config.npath, &fh, found);

	bitmap4_set(&want, FATTR4_SUPPORTED_ATTRS);
	bitmap4_set(&want, FATTR4_DIR_NOTIF_DELAY);
	bitmap4_set(&want, FATTR4_DIRENT_NOTIF_DELAY);
	if (err == 0)
		err = nfsc_getattr(w->c, &fh, &want, &values);
	if (err)
		return err;
	w->tells_dir_attrs =
		bitmap4_has(&values.supported, FATTR4_DIR_NOTIF_DELAY);
	w->dir_delay = values.dir_notif_delay;
	w->child_delay = values.dirent_notif_delay;
	w->root = watcher_dir_new(w, NULL, (struct name){0, ""}, &fh, true);
	return w->root ? 0 : -ENOMEM;
}

static int start(struct watcher *w, size_t *found)
{
	int err = htab_init(&w->by_fh, 16);

	if (err == 0)
		err = htab_init(&w->by_name, 16);
	if (err == 0)
		err = make_root_path(w);
	if (err)
		return err;
	w->set = dirwatch_set_new(QUEUE_MAX);
	if (!w->set)
		return -ENOMEM;
	dirwatch_set_handlers(w->set, on_event, w, &w->config.client.handlers);
	err = nfsc_new(&w->config.client, &w->c);
	if (err)
		return err;
	dirwatch_set_client(w->set, w->c);
	return find_root(w, found);
}

static void set_defaults(struct watcher *w)
{
	struct watcher_config *config = &w->config;

	if (!config->poll_ms)
		config->poll_ms = POLL_DEFAULT_MS;
	if (!config->hopeless_ms)
		config->hopeless_ms = HOPELESS_DEFAULT_MS;
	if (!config->events)
		config->events = WATCHER_BIT(WATCHER_EVENTS) - 1;
	w->tells_attrs = config->events &
		(WATCHER_BIT(WATCHER_MODIFY) | WATCHER_BIT(WATCHER_ATTRIB));
	w->budget.limit = config->memory ? config->memory : WATCHER_MEMORY;
	if (!config->client.retry_delay_ms) {
		config->client.retry_delay_ms = 100;
		config->client.retry_delay_max_ms = 10000;
	}
}

int watcher_new(const struct watcher_config *config, struct watcher **ret,
	size_t *found)
{
	struct watcher *w = calloc(1, sizeof(*w));
	int err;

	*found = 0;
	if (!w)
		return -ENOMEM;
	w->config = *config;
	set_defaults(w);
	clock_init(&w->clock);
	list_init(&w->dirs);
	for (int i = 0; i < WATCHER_LISTS; i++)
		list_init(&w->lists[i]);
	err = start(w, found);
	if (err) {
		watcher_free(w);
		return err;
	}
	*ret = w;
	return 0;
}

void watcher_free(struct watcher *w)
{
	if (!w)
		return;
	if (w->root)
		watcher_dir_doom(w->root);
	watcher_bury(w, false);
	nfsc_free(w->c);
	dirwatch_set_free(w->set);
	htab_fini(&w->by_fh);
	htab_fini(&w->by_name);
	free(w->root_path);
	free(w->path);
	free(w);
}

struct nfsc *watcher_client(struct watcher *w)
{
	return w->c;
}

void watcher_wake(struct watcher *w)
{
	dirwatch_set_wake(w->set);
}

void watcher_stop(struct watcher *w)
{
	atomic_store(&w->stop, true);
	watcher_wake(w);
}

void watcher_abort(struct watcher *w)
{
	watcher_stop(w);
	nfsc_cancel(w->c);
}

/* ---- the loop ---- */

static uint32_t count_held(struct watcher *w, struct watcher_dir **newest)
{
	struct watcher_dir *dir;
	uint32_t held = 0;

	list_for_each_entry(dir, &w->dirs, all) {
		if (dir->dw && dirwatch_is_held(dir->dw)) {
			held++;
			*newest = dir;
		}
	}
	return held;
}

/* The server wants back all but so many; the newest go first. */
static void trim(struct watcher *w)
{
	uint32_t keep = dirwatch_set_keep(w->set);
	struct watcher_dir *newest = NULL;

	while (!w->error && count_held(w, &newest) > keep)
		watcher_dir_trim(newest);
}

static void handle_flags(struct watcher *w, unsigned flags)
{
	if (flags & DIRWATCH_RESTARTED) {
		w->no_delegations = false;
		dirwatch_forget_old(w->set);
	}
	if (flags & (DIRWATCH_NEW_SESSION | DIRWATCH_REVOKED))
		w->check_lost = true;
	if (w->check_lost)
		w->check_lost = dirwatch_find_lost(w->set) != 0;
	if (flags & DIRWATCH_TRIM)
		trim(w);
}

static void serve_ready(struct watcher *w)
{
	struct list *clogged = &w->lists[WATCHER_CLOGGED];
	struct dirwatch *dw;

	while (!w->error && !list_empty(clogged) && watcher_has_room(w))
		watcher_dir_serve(
			list_first_entry(clogged, struct watcher_dir, todo));
	while (!w->error && (dw = dirwatch_next_ready(w->set)))
		watcher_dir_serve(dirwatch_owner(dw));
}

/* Serving one may end any other, so they are taken one by one. */
static void poll_unheld(struct watcher *w)
{
	uint64_t now = watcher_now(w);
	struct list round = LIST_INIT(round);
	struct watcher_dir *dir;

	list_splice_tail(&round, &w->lists[WATCHER_UNHELD]);
	while (!list_empty(&round)) {
		dir = list_first_entry(&round, struct watcher_dir, todo);
		watcher_dir_put(dir, WATCHER_UNHELD);
		if (!w->error)
			watcher_dir_poll(dir, now);
	}
}

/* How long until config.idle_ms are over. */
static uint64_t idle_left(const struct watcher *w, uint64_t now)
{
	uint64_t end = w->told_ms + w->config.idle_ms;

	return end > now ? end - now : 0;
}

/* Was there nothing to tell for so long? What waits for room is something. */
static void check_idle(struct watcher *w)
{
	if (!w->config.idle_ms || !w->ready_said || w->error)
		return;
	if (!watcher_has_room(w) || !list_empty(&w->lists[WATCHER_CLOGGED]))
		w->told_ms = watcher_now(w);
	else if (idle_left(w, watcher_now(w)) == 0)
		w->error = -ETIME;
}

/* How long nothing needs to be done if nothing comes in. */
static uint64_t time_to_wait(struct watcher *w)
{
	uint64_t now = watcher_now(w), wait = WAIT_MAX_MS;
	struct watcher_dir *dir;

	if (w->check_lost)
		wait = 1000;
	if (!watcher_has_room(w))
		return wait; /* watcher_wake() says when there is */
	if (!w->ready_said || !list_empty(&w->lists[WATCHER_FRESH]))
		return 0;
	if (w->config.idle_ms && idle_left(w, now) < wait)
		wait = idle_left(w, now);
	list_for_each_entry(dir, &w->lists[WATCHER_UNHELD], todo) {
		uint64_t at =
			dir->try_ms < dir->poll_ms ? dir->try_ms : dir->poll_ms;
		uint64_t left = at > now ? at - now : 10;

		if (left < wait)
			wait = left;
	}
	return wait;
}

static void do_some(struct watcher *w)
{
	struct list *fresh = &w->lists[WATCHER_FRESH];
	unsigned flags = dirwatch_set_wait(w->set, time_to_wait(w));

	handle_flags(w, flags);
	serve_ready(w);
	watcher_bury(w, true);
	if (!w->error && !list_empty(fresh)) {
		if (watcher_has_room(w))
			watcher_dir_begin(list_first_entry(
				fresh, struct watcher_dir, todo));
	} else if (!w->ready_said && !w->error) {
		w->ready_said = true;
		w->told_ms = watcher_now(w);
		watcher_say(w, WATCHER_READY, w->root, 0);
	}
	poll_unheld(w);
	check_idle(w);
	watcher_bury(w, true);
}

static int clean_up(struct watcher *w)
{
	if (w->root)
		watcher_dir_doom(w->root);
	w->root = NULL;
	watcher_bury(w, true);
	return nfsc_leave(w->c);
}

int watcher_run(struct watcher *w)
{
	while (!atomic_load(&w->stop) && !w->error)
		do_some(w);
	if (w->error == 0 || w->error == -ECANCELED) {
		clean_up(w);
		return 0;
	}
	if (w->ready_said && w->root && w->error != -ETIME)
		watcher_say(w, WATCHER_GONE, w->root, w->error);
	clean_up(w);
	return w->error;
}
