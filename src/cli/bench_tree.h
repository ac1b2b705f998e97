/* SPDX-License-Identifier: MIT */
/* The directories a benchmark works in: made before it, removed after it. */
#ifndef CLI_BENCH_TREE_H
#define CLI_BENCH_TREE_H

#include <stdatomic.h>

#include "client/nfsc_ops.h"

struct bench_tree {
	struct nfsc *client;
	struct nfsc_fh top;  /* our own directory in the one we were given */
	char name[40];       /* its name there; empty: not made */
	struct nfsc_fh base; /* the one we were given */
	struct nfsc_fh *dirs;
	uint32_t n;
};

/*
 * Make @n directories below the one at @path. 0, or an error: what was made
 * is to be removed all the same.
 */
int bench_tree_make(struct bench_tree *tree, struct nfsc *c,
	const struct name *path, size_t npath, uint32_t n,
	const atomic_bool *stop);

/* Remove them and what is in them; 0 or the first error. */
int bench_tree_remove(struct bench_tree *tree);

#endif
