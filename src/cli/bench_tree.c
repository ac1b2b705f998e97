/* SPDX-License-Identifier: MIT */
#include "cli/bench_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "cli/bench_each.h"
#include "cli/bench_plan.h"

static const struct setattr dir_set = {.mask = SETATTR_MODE, .mode = 0755};

static struct name dir_name(char ret[BENCH_NAME_MAX], uint64_t i)
{
	snprintf(ret, BENCH_NAME_MAX, "d%06u", (unsigned)i);
	return name_from_str(ret);
}

/* ---- making ---- */

static int make_one(void *ctx, uint64_t i)
{
	struct bench_tree *tree = ctx;
	char name[BENCH_NAME_MAX];

	return nfsc_mkdir(tree->client, &tree->top, dir_name(name, i), &dir_set,
		&tree->dirs[i], NULL);
}

static int make_top(struct bench_tree *tree)
{
	int err;

	snprintf(tree->name, sizeof(tree->name), "herald-bench-%016llx",
		(unsigned long long)rand_u64());
	err = nfsc_mkdir(tree->client, &tree->base, name_from_str(tree->name),
		&dir_set, &tree->top, NULL);
	if (err)
		tree->name[0] = '\0';
	return err;
}

int bench_tree_make(struct bench_tree *tree, struct nfsc *c,
	const struct name *path, size_t npath, uint32_t n,
	const atomic_bool *stop)
{
	int err;

	*tree = (struct bench_tree){.client = c, .n = n};
	tree->dirs = calloc(n, sizeof(*tree->dirs));
	if (!tree->dirs)
		return -ENOMEM;
	err = nfsc_lookup(c, NULL, path, npath, &tree->base, NULL);
	if (err == 0)
		err = make_top(tree);
	return err ? err : bench_each(BENCH_THREADS, n, stop, make_one, tree);
}

/* ---- removing ---- */

/* What is left in a directory; names are ours, so they are short. */
struct leftovers {
	struct bench_tree *tree;
	const struct nfsc_fh *dir;
	char (*names)[BENCH_NAME_MAX];
	size_t n, room;
};

static int note_name(void *ctx, const struct dircache_entry *entry)
{
	struct leftovers *l = ctx;
	size_t room = l->room ? 2 * l->room : 64;
	void *grown;

	if (l->n == l->room) {
		grown = realloc(l->names, room * sizeof(*l->names));
		if (!grown)
			return -ENOMEM;
		l->names = grown;
		l->room = room;
	}
	snprintf(l->names[l->n++], BENCH_NAME_MAX, "%.*s", (int)entry->name.len,
		entry->name.data);
	return 0;
}

static int remove_name(void *ctx, uint64_t i)
{
	struct leftovers *l = ctx;

	return nfsc_remove(
		l->tree->client, l->dir, name_from_str(l->names[i]), NULL);
}

static int empty_dir(struct bench_tree *tree, const struct nfsc_fh *dir)
{
	struct leftovers l = {.tree = tree, .dir = dir};
	const bitmap4 none = {.beyond = false};
	struct nfsc_page page;
	int err = nfsc_readdir(tree->client, dir, &none, &page, note_name, &l);

	if (err == 0)
		err = bench_each(BENCH_THREADS, l.n, NULL, remove_name, &l);
	free(l.names);
	return err;
}

static int remove_dir(struct bench_tree *tree, const struct nfsc_fh *dir,
	const struct nfsc_fh *parent, struct name name)
{
	int err = nfsc_remove(tree->client, parent, name, NULL);

	if (err != NFS4ERR_NOTEMPTY)
		return err;
	err = empty_dir(tree, dir);
	return err ? err : nfsc_remove(tree->client, parent, name, NULL);
}

static int remove_one(void *ctx, uint64_t i)
{
	struct bench_tree *tree = ctx;
	char name[BENCH_NAME_MAX];

	if (tree->dirs[i].len == 0)
		return 0; /* never made */
	return remove_dir(tree, &tree->dirs[i], &tree->top, dir_name(name, i));
}

int bench_tree_remove(struct bench_tree *tree)
{
	int err = 0;

	if (tree->name[0]) {
		err = bench_each(
			BENCH_THREADS, tree->n, NULL, remove_one, tree);
		if (err == 0)
			err = nfsc_remove(tree->client, &tree->base,
				name_from_str(tree->name), NULL);
	}
	free(tree->dirs);
	tree->dirs = NULL;
	tree->name[0] = '\0';
	return err;
}
