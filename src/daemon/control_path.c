/* SPDX-License-Identifier: MIT */
/* Directories and their paths, as clients see them from the server's root. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_verb.h"
#include "nfs/fh.h"
#include "vocab/cred.h"

/* ---- the paths of filehandles ---- */

/* Of one export; only the first `count` are asked for. */
struct path_query {
	struct control_query query;
	struct store *store;
	size_t count;
	size_t at[CONTROL_PATHS_MAX]; /* the caller's index */
	struct fileid id[CONTROL_PATHS_MAX];
	char *below[CONTROL_PATHS_MAX]; /* from the export's root; or NULL */
};

static void find_paths(struct control_query *query)
{
	struct path_query *q = container_of(query, struct path_query, query);
	char below[PATH_MAX];

	for (size_t i = 0; i < q->count; i++) {
		if (store_path(q->store, &q->id[i], below, sizeof(below)) == 0)
			q->below[i] = strdup(below);
	}
}

static void free_paths(struct control_query *query)
{
	struct path_query *q = container_of(query, struct path_query, query);

	for (size_t i = 0; i < q->count; i++)
		free(q->below[i]);
	free(q);
}

/* A path below an export's as one of the server; NULL without memory. */
static char *whole_path(const struct export *export, const char *below)
{
	const char *above = export->path;
	char *path;

	if (strcmp(above, "/") == 0)
		above = ""; /* it is the root */
	else if (strcmp(below, "/") == 0)
		below = "";
	return asprintf(&path, "%s%s", above, below) < 0 ? NULL : path;
}

/* All of @fh that are of @export; they are asked for from here on. */
static struct path_query *gather(
	struct export *export, struct fh *fh, size_t count)
{
	struct path_query *q = calloc(1, sizeof(*q));

	if (q) {
		q->query.run = find_paths;
		q->query.free = free_paths;
		q->store = export->store;
		control_query_init(&q->query);
	}
	for (size_t i = 0; i < count; i++) {
		if (fh[i].export != export)
			continue;
		fh[i].export = NULL;
		if (!q)
			continue;
		q->at[q->count] = i;
		q->id[q->count++] = fh[i].id;
	}
	return q;
}

static void ask_export(const struct control_source *source,
	struct export *export, struct fh *fh, size_t count, char **paths)
{
	struct path_query *q = gather(export, fh, count);

	if (!q)
		return;
	if (control_disks_ask(
		    source->disks, &q->query, source->metrics.server, export)) {
		for (size_t i = 0; i < q->count; i++) {
			if (q->below[i])
				paths[q->at[i]] =
					whole_path(export, q->below[i]);
		}
	}
	control_query_put(&q->query);
}

void control_find_paths(const struct control_source *source,
	const struct xdr_opaque *handles, size_t count, char **paths)
{
	struct fh fh[CONTROL_PATHS_MAX];

	memset(paths, 0, count * sizeof(*paths));
	for (size_t i = 0; i < count; i++) {
		if (fh_decode(source->metrics.server, &handles[i], &fh[i]) !=
			NFS4_OK)
			fh[i].export = NULL;
	}
	for (size_t i = 0; i < count; i++) {
		if (fh[i].export)
			ask_export(source, fh[i].export, fh, count, paths);
	}
}

/* ---- the directory at a path ---- */

struct dir_query {
	struct control_query query;
	struct store *store;
	struct fileid dir; /* where the path begins, then where it ends */
	int err;
	char path[]; /* from there on */
};

/* The next name of *@path, which moves behind it; false: there is none. */
static bool next_name(const char **path, struct name *ret)
{
	const char *at = *path + strspn(*path, "/");

	*ret = (struct name){.data = at, .len = strcspn(at, "/")};
	*path = at + ret->len;
	return ret->len > 0;
}

/* What store_lookup() takes for a name: no steps to the side or up. */
static bool is_plain(struct name name)
{
	return name.len <= NAME_LEN_MAX &&
		!name_equal(name, name_from_str(".")) &&
		!name_equal(name, name_from_str(".."));
}

static int step_down(struct store *store, struct fileid *dir, struct name name)
{
	return is_plain(name)
		? store_lookup(store, &cred_server, dir, name, dir)
		: -EINVAL;
}

static void walk(struct control_query *query)
{
	struct dir_query *q = container_of(query, struct dir_query, query);
	const char *path = q->path;
	struct name name;

	while (!q->err && next_name(&path, &name))
		q->err = step_down(q->store, &q->dir, name);
}

static void free_dir(struct control_query *query)
{
	free(container_of(query, struct dir_query, query));
}

/* The rest of the way, in an export, where no other lies below. */
static int walk_export(const struct control_source *source,
	struct export *export, const char *path, struct fileid *dir)
{
	struct dir_query *q = calloc(1, sizeof(*q) + strlen(path) + 1);
	int err = -ETIMEDOUT;

	if (!q)
		return -ENOMEM;
	q->query.run = walk;
	q->query.free = free_dir;
	q->store = export->store;
	q->dir = *dir;
	strcpy(q->path, path);
	control_query_init(&q->query);
	if (control_disks_ask(
		    source->disks, &q->query, source->metrics.server, export)) {
		err = q->err;
		*dir = q->dir;
	}
	control_query_put(&q->query);
	return err;
}

int control_find_dir(const struct control_source *source, const char *path,
	struct fileid *ret)
{
	struct exports *exports = &source->metrics.server->exports;
	struct export *export = exports_root(exports);
	struct name name;
	int err = path[0] == '/' ? 0 : -EINVAL;

	*ret = export->root;
	while (!err && export->is_pseudo && next_name(&path, &name)) {
		err = step_down(export->store, ret, name);
		if (!err)
			exports_cross(exports, &export, ret);
	}
	if (err || export->is_pseudo)
		return err;
	return walk_export(source, export, path, ret);
}
