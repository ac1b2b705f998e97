/* SPDX-License-Identifier: MIT */
#include "replay.h"

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

#define PATIENCE_TURNS 1000
#define TURN_US        20000

/* ---- paths ---- */

/* @path itself, or below it. */
static bool is_under(const char *path, const char *of)
{
	size_t len = strlen(of);

	return strncmp(path, of, len) == 0 &&
		(path[len] == '\0' || path[len] == '/');
}

bool replay_has(const struct replay *r, const char *path)
{
	for (int i = 0; i < r->n; i++) {
		if (strcmp(r->paths[i], path) == 0)
			return true;
	}
	return false;
}

void replay_add(struct replay *r, const char *path)
{
	assert_true(r->n < REPLAY_PATHS);
	assert_true(strlen(path) < sizeof(r->paths[0]));
	strcpy(r->paths[r->n++], path);
}

void replay_drop(struct replay *r, const char *path)
{
	for (int i = r->n - 1; i >= 0; i--) {
		if (is_under(r->paths[i], path))
			memmove(r->paths[i], r->paths[--r->n],
				sizeof(r->paths[0]));
	}
}

void replay_move(struct replay *r, const char *path, const char *to)
{
	char moved[2 * sizeof(r->paths[0])];

	for (int i = 0; i < r->n; i++) {
		if (!is_under(r->paths[i], path))
			continue;
		snprintf(moved, sizeof(moved), "%s%s", to,
			r->paths[i] + strlen(path));
		assert_true(strlen(moved) < sizeof(r->paths[0]));
		strcpy(r->paths[i], moved);
	}
}

/* ---- lines ---- */

static void apply(struct replay *r, const char *event, const char *path,
	const char *to, const char *line)
{
	bool there = replay_has(r, path), create = event[0] == 'C';

	if (create == there)
		snprintf(r->wrong, sizeof(r->wrong), "%.400s: it is%s there",
			line, there ? "" : " not");
	else if (create)
		replay_add(r, path);
	else if (event[0] == 'D')
		replay_drop(r, path);
	else if (event[0] == 'M') {
		replay_drop(r, to); /* it may replace it */
		replay_move(r, path, to);
	}
}

static void apply_line(struct replay *r, const char *line)
{
	char dir[160], event[16], a[64] = "", b[64] = "";
	char path[256], to[256];

	sscanf(line, "%159s %15s %63s %63s", dir, event, a, b);
	snprintf(path, sizeof(path), "%s%s", dir, a);
	snprintf(to, sizeof(to), "%s%s", dir, b);
	if (strcmp(event, "RESCAN") == 0)
		r->rescans++;
	else if (strcmp(event, "MODIFY") != 0 && strcmp(event, "ATTRIB") != 0)
		apply(r, event, path, to, line);
}

static void apply_lines(struct replay *r, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line && !*r->wrong;
		line = strtok_r(NULL, "\n", &save))
		apply_line(r, line);
}

/* ---- waiting ---- */

static char *told(struct watching *f)
{
	scope_lock(&f->lock);
	return strdup(f->told);
}

static bool is_same(const struct replay *a, const struct replay *b)
{
	for (int i = 0; i < a->n; i++) {
		if (!replay_has(b, a->paths[i]))
			return false;
	}
	return a->n == b->n;
}

/* What one has and the other has not. */
static void say_difference(
	const struct replay *a, const struct replay *b, const char *what)
{
	for (int i = 0; i < a->n; i++) {
		if (!replay_has(b, a->paths[i]))
			print_error("%s: %s\n", what, a->paths[i]);
	}
}

void replay_expect(struct watching *f, const struct replay *before,
	const struct replay *after)
{
	struct replay *r = malloc(sizeof(*r));
	bool same = false;

	for (int i = 0; i < PATIENCE_TURNS && !same; i++) {
		char *text = told(f);

		*r = *before;
		apply_lines(r, text);
		same = is_same(r, after);
		if (*r->wrong)
			print_error("%s\nin:\n%s", r->wrong, f->told);
		free(text);
		assert_string_equal(r->wrong, "");
		if (!same)
			usleep(TURN_US);
	}
	say_difference(after, r, "not told");
	say_difference(r, after, "only told");
	if (!same)
		print_error("told:\n%s", f->told);
	free(r);
	assert_true(same);
}
