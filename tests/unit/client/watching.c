/* SPDX-License-Identifier: MIT */
#include "watching.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* For what must come: only a failing test waits so long. */
#define PATIENCE_TURNS 2000
#define TURN_MS        10
#define SILENCE_MS     100

static void append(struct watching *f, char *to, size_t size, const char *line)
{
	scope_lock(&f->lock);
	assert_true(strlen(to) + strlen(line) + 2 < size);
	strcat(strcat(to, line), "\n");
	cond_broadcast(&f->cond);
}

static void on_change(void *ctx, const struct watcher_change *change)
{
	static const char *const names[] = {
		"CREATE", "DELETE", "MOVE", "MODIFY", "ATTRIB", "RESCAN"};
	struct watching *f = ctx;
	char line[512];

	if (atomic_load(&f->lines_left) == 0)
		atomic_fetch_add(&f->told_without_room, 1);
	else if (atomic_load(&f->lines_left) > 0)
		atomic_fetch_sub(&f->lines_left, 1);
	snprintf(line, sizeof(line), "%.*s %s%s%.*s%s%.*s",
		(int)change->dir.len, change->dir.data, names[change->event],
		change->name.len ? " " : "", (int)change->name.len,
		change->name.data, change->to.len ? " " : "",
		(int)change->to.len, change->to.data);
	append(f, f->told, sizeof(f->told), line);
}

static void on_notice(void *ctx, const struct watcher_notice *notice)
{
	static const char *const names[] = {"READY", "CONN_LOST", "CONN_BACK",
		"RESTARTED", "NO_DELEGATIONS", "NO_NOTIFY", "NO_ATTRS",
		"REFUSED", "GRANTED", "CANNOT", "CANNOT_BELOW", "GONE",
		"TOO_SLOW", "CONTRADICTED"};
	struct watching *f = ctx;
	char line[100];

	if (notice->kind == WATCHER_READY)
		snprintf(line, sizeof(line), "READY %zu", notice->count);
	else
		snprintf(line, sizeof(line), "%s %.*s", names[notice->kind],
			(int)notice->dir.len, notice->dir.data);
	append(f, f->said, sizeof(f->said), line);
}

static bool has_room(void *ctx)
{
	struct watching *f = ctx;

	return !atomic_load(&f->no_room) && atomic_load(&f->lines_left) != 0;
}

static void *run(void *arg)
{
	struct watching *f = arg;

	f->result = watcher_run(f->w);
	return NULL;
}

/* Wait until @text has @wanted, or all of it if @whole; else what it has. */
static char *wait_for(
	struct watching *f, char *text, const char *wanted, bool whole)
{
	char *at = NULL;

	scope_lock(&f->lock);
	for (int i = 0; i < PATIENCE_TURNS; i++) {
		at = strstr(text, wanted);
		if (at && (!whole || strlen(text) >= strlen(wanted)))
			break;
		cond_wait_ms(&f->cond, &f->lock, TURN_MS);
	}
	if (!at || (whole && strcmp(text, wanted) != 0))
		return strdup(text);
	at += strlen(wanted);
	memmove(text, at, strlen(at) + 1);
	return NULL;
}

/* Wait until @text (told or said) contains @line; then forget up to there. */
void watching_expect(struct watching *f, char *text, const char *line)
{
	char wanted[512];
	char *instead;

	snprintf(wanted, sizeof(wanted), "%s\n", line);
	instead = wait_for(f, text, wanted, false);
	if (instead)
		fail_msg("no \"%s\", but:\n%s", line, instead);
}

/* What was told, exactly, since the last expectation. */
void watching_expect_all(struct watching *f, const char *lines)
{
	char *instead = wait_for(f, f->told, lines, true);

	if (instead)
		fail_msg("not\n%sbut\n%s", lines, instead);
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

void watching_expect_count(struct watching *f, unsigned lines)
{
	unsigned seen = 0, now = 0;

	lock_acquire(&f->lock);
	for (int i = 0; i < PATIENCE_TURNS && now < lines; i++) {
		cond_wait_ms(&f->cond, &f->lock, TURN_MS);
		now = count_lines(f->told);
		i = now > seen ? 0 : i;
		seen = now;
	}
	lock_release(&f->lock);
	assert_int_equal(now, lines);
}

/* Nothing is told for a while. */
void watching_expect_silence(struct watching *f)
{
	usleep(SILENCE_MS * 1000);
	watching_expect_all(f, "");
}

void watching_init(struct watching *f)
{
	*f = (struct watching){.lines_left = -1};
	lock_init(&f->lock, LOCK_SERVER);
	cond_init(&f->cond);
}

void watching_stop(struct watching *f)
{
	if (f->running)
		watcher_stop(f->w);
	watching_join(f);
}

void watching_join(struct watching *f)
{
	if (f->running)
		pthread_join(f->thread, NULL);
	f->running = false;
}

void watching_fini(struct watching *f)
{
	watching_stop(f);
	watcher_free(f->w);
	cond_fini(&f->cond);
	lock_fini(&f->lock);
}

int watching_open(struct watching *f, const struct nfsc_config *client,
	const char *path, bool recursive)
{
	struct name names[4];
	struct watcher_config config = {
		.client = *client,
		.path = names,
		.recursive = recursive,
		.events = f->want.events,
		.idle_ms = f->want.idle_ms,
		.memory = f->want.memory,
		.poll_ms = 50,
		.hopeless_ms = f->want.hopeless_ms,
		.change = on_change,
		.room = has_room,
		.notice = on_notice,
		.ctx = f,
	};
	size_t found;

	while (*path) {
		size_t len = strcspn(path, "/");

		names[config.npath++] = (struct name){(uint32_t)len, path};
		path += len + (path[len] == '/');
	}
	return watcher_new(&config, &f->w, &found);
}

void watching_start(struct watching *f, const struct nfsc_config *client,
	const char *path, bool recursive, const char *ready)
{
	assert_int_equal(watching_open(f, client, path, recursive), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	f->running = true;
	watching_expect(f, f->said, ready);
}
