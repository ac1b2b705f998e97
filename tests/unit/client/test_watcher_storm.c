/* SPDX-License-Identifier: MIT */
/*
 * A tree of our own server, watched while directories in it are made, filled,
 * moved, removed and made again faster than they can be opened: each name is
 * told once, and what is told adds up to what is there. HERALD_SEED and
 * HERALD_OPS choose another storm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_files.h"
#include "replay.h"
#include "testserver.h"
#include "testutil.h"

#define NAMES     5 /* so that they meet */
#define DEPTH_MAX 5
#define NODES_MAX 60

struct storm {
	struct testserver ts;
	struct watching watching;
	struct nfsc *c;
	unsigned seed;
	struct replay tree, dirs; /* all there is; those of them */
	struct replay none;
};

static unsigned from_env(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* Notifications soon, so that they come between the changes. */
static void hurry(struct nfs_server_config *config)
{
	config->state.notify_window_ms = from_env("HERALD_SEED", 1) % 3 * 3;
}

static int setup(void **state)
{
	static const struct testserver_options options = {.configure = hurry};
	struct storm *s = calloc(1, sizeof(*s));
	struct nfsc_config config;

	testserver_start(&s->ts, &options);
	testserver_client_config(&s->ts, &config);
	watching_init(&s->watching);
	config.retry_delay_ms = 5;
	config.retry_delay_max_ms = 20000;
	assert_int_equal(nfsc_new(&config, &s->c), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct storm *s = *state;

	watching_fini(&s->watching);
	nfsc_free(s->c);
	testserver_stop(&s->ts);
	free(s);
	return 0;
}

/* ---- paths ---- */

static int pick(struct storm *s, int n)
{
	return rand_r(&s->seed) % n;
}

static int depth_of(const char *path)
{
	int depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

/* Any directory, the root ("") included. */
static const char *any_dir(struct storm *s)
{
	int i = pick(s, s->dirs.n + 1);

	return i < s->dirs.n ? s->dirs.paths[i] : "";
}

static void any_path(struct storm *s, char path[192])
{
	const char *dir = any_dir(s);
	char name = (char)('a' + pick(s, NAMES));

	snprintf(path, 192, "%.180s/%c", dir, name);
}

/* The directory's handle and the last name of @path. */
static struct nfsc_fh parent_of(
	struct storm *s, const char *path, struct name *name)
{
	const char *slash = strrchr(path, '/');
	char dir[192];
	struct nfsc_fh fh;

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	*name = name_from_str(slash + 1);
	assert_int_equal(nfsc_lookup_path(s->c, *dir ? dir + 1 : "", &fh), 0);
	return fh;
}

static bool is_empty(struct storm *s, const char *dir)
{
	size_t len = strlen(dir);

	for (int i = 0; i < s->tree.n; i++) {
		if (strncmp(s->tree.paths[i], dir, len) == 0 &&
			s->tree.paths[i][len] == '/')
			return false;
	}
	return true;
}

/* ---- changes ---- */

static void make_file(struct storm *s, const char *path)
{
	struct name name;
	struct nfsc_fh dir = parent_of(s, path, &name);

	assert_int_equal(nfsc_create_file(s->c, &dir, name, NULL, NULL), 0);
	replay_add(&s->tree, path);
}

static void make_dir(struct storm *s, const char *path)
{
	struct name name;
	struct nfsc_fh dir = parent_of(s, path, &name), made;

	assert_int_equal(nfsc_mkdir(s->c, &dir, name, NULL, &made, NULL), 0);
	replay_add(&s->tree, path);
	replay_add(&s->dirs, path);
}

static void take_away(struct storm *s, const char *path)
{
	struct name name;
	struct nfsc_fh dir = parent_of(s, path, &name);

	assert_int_equal(nfsc_remove(s->c, &dir, name, NULL), 0);
	replay_drop(&s->tree, path);
	replay_drop(&s->dirs, path);
}

/* A directory with files and directories in it, all at once. */
static void make_nest(struct storm *s, const char *path)
{
	char below[192];

	make_dir(s, path);
	if (depth_of(path) == DEPTH_MAX)
		return;
	for (int i = pick(s, 3); i > 0; i--) {
		snprintf(below, sizeof(below), "%.180s/%c", path,
			'a' + NAMES - i);
		make_file(s, below);
	}
	snprintf(below, sizeof(below), "%.180s/a", path);
	if (pick(s, 2))
		make_nest(s, below);
}

static void take_away_tree(struct storm *s, const char *path)
{
	char below[192];

	for (int i = s->tree.n - 1; i >= 0; i = s->tree.n - 1) {
		size_t len = strlen(path);

		while (i >= 0 &&
			(strncmp(s->tree.paths[i], path, len) != 0 ||
				s->tree.paths[i][len] != '/' ||
				!is_empty(s, s->tree.paths[i])))
			i--;
		if (i < 0)
			break;
		strcpy(below, s->tree.paths[i]);
		take_away(s, below);
	}
	take_away(s, path);
}

static void move(struct storm *s, const char *path, const char *to)
{
	struct name old, name;
	struct nfsc_fh from = parent_of(s, path, &old);
	struct nfsc_fh dir = parent_of(s, to, &name);

	assert_int_equal(
		nfsc_rename(s->c, &from, old, &dir, name, NULL, NULL), 0);
	replay_drop(&s->tree, to);
	replay_move(&s->tree, path, to);
	replay_drop(&s->dirs, to);
	replay_move(&s->dirs, path, to);
}

static int height_of(struct storm *s, const char *path)
{
	int deepest = depth_of(path);
	size_t len = strlen(path);

	for (int i = 0; i < s->tree.n; i++) {
		const char *p = s->tree.paths[i];

		if (strncmp(p, path, len) == 0 && depth_of(p) > deepest)
			deepest = depth_of(p);
	}
	return deepest - depth_of(path);
}

static bool is_same_dir(const char *a, const char *b)
{
	size_t len = (size_t)(strrchr(a, '/') - a);

	return len == (size_t)(strrchr(b, '/') - b) && !strncmp(a, b, len);
}

/*
 * Can @path be moved to @to? Not into itself; over its like, but only in one
 * directory: else it is told as a CREATE of what was there.
 */
static bool can_move(struct storm *s, const char *path, const char *to)
{
	size_t len = strlen(path);

	if (strncmp(path, to, len) == 0 || !strncmp(to, path, strlen(to)))
		return false;
	if (depth_of(to) + height_of(s, path) > DEPTH_MAX)
		return false;
	return !replay_has(&s->tree, to) ||
		(is_same_dir(path, to) && is_empty(s, to) &&
			replay_has(&s->dirs, path) == replay_has(&s->dirs, to));
}

static void move_any(struct storm *s, const char *path)
{
	char to[192];

	any_path(s, to);
	if (can_move(s, path, to))
		move(s, path, to);
}

static void change_new(struct storm *s, const char *path)
{
	if (depth_of(path) > DEPTH_MAX || s->tree.n > NODES_MAX)
		return;
	if (pick(s, 2))
		make_nest(s, path);
	else
		make_file(s, path);
}

static void change_old(struct storm *s, const char *path)
{
	bool is_dir = replay_has(&s->dirs, path);

	switch (pick(s, 4)) {
	case 0:
		take_away_tree(s, path);
		break;
	case 1:
		take_away_tree(s, path);
		if (is_dir)
			make_nest(s, path);
		break;
	default:
		move_any(s, path);
	}
}

static void change(struct storm *s)
{
	char path[192];

	any_path(s, path);
	if (replay_has(&s->tree, path))
		change_old(s, path);
	else
		change_new(s, path);
}

static void test_storm(void **state)
{
	struct storm *s = *state;
	unsigned ops = from_env("HERALD_OPS", 400);
	struct nfsc_config config;
	struct nfsc_stats stats;

	s->seed = from_env("HERALD_SEED", 1);
	printf("HERALD_SEED=%u HERALD_OPS=%u\n", s->seed, ops);
	testserver_client_config(&s->ts, &config);
	watching_start(&s->watching, &config, "", true, "READY 1");
	for (unsigned i = 0; i < ops; i++) {
		change(s);
		if (pick(s, 2))
			usleep((unsigned)pick(s, 3000));
	}
	replay_expect(&s->watching, &s->none, &s->tree);
	nfsc_read_stats(watcher_client(s->watching.w), &stats);
	printf("%d names, %d directories in the end; %llu notifications, "
	       "%llu recalls\n",
		s->tree.n, s->dirs.n, (unsigned long long)stats.notifies,
		(unsigned long long)stats.recalls);
	assert_int_equal(stats.cb_refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
