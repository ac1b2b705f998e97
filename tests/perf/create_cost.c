/* SPDX-License-Identifier: MIT */
/*
 * What directory delegations cost those who do not use them: a whole server
 * over a memory store in this process makes N FIFOs by CREATE. Run it under
 *
 *	valgrind --tool=callgrind --toggle-collect=op_create
 *
 * which counts the instructions of the operation alone, once with delegations
 * switched off and once with them on (bench.py divides by N).
 *
 *	create_cost off|idle|elsewhere N
 *
 *	off		no delegations at all
 *	idle		nobody holds one
 *	elsewhere	another client holds another directory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/nfsc_ops.h"
#include "testserver.h"

static void must(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "create_cost: %s: %d\n", what, err);
	exit(1);
}

static void switch_off(struct nfs_server_config *config)
{
	config->state.dir_delegations = false;
}

static void make_dir(struct nfsc *c, struct nfsc_fh *root, const char *name,
	struct nfsc_fh *ret)
{
	must(nfsc_mkdir(c, root, name_from_str(name), NULL, ret, NULL),
		"mkdir");
}

static void hold(struct nfsc *c, const struct nfsc_fh *dir)
{
	struct nfsc_deleg_want want = {.signal = false};
	struct nfsc_deleg deleg = {.granted = false};

	bitmap4_set(&want.types, NOTIFY4_ADD_ENTRY);
	/* The first request may be too soon: the backchannel is probed. */
	for (int tries = 0; tries < 100 && !deleg.granted; tries++)
		must(nfsc_get_dir_delegation(c, dir, &want, NULL, NULL, &deleg),
			"a delegation");
	must(!deleg.granted, "a grant");
}

static void create(struct nfsc *c, const struct nfsc_fh *dir, unsigned n)
{
	const struct setattr set = {.mask = SETATTR_MODE, .mode = 0644};
	char name[24];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fifo%u", i);
		must(nfsc_mknod(c, dir, name_from_str(name), NF4FIFO, &set,
			     NULL, NULL),
			"create");
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc == 3 ? argv[1] : "";
	unsigned n = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	struct testserver_options options = {
		.configure = strcmp(mode, "off") == 0 ? switch_off : NULL};
	struct nfsc_fh root, here, elsewhere;
	struct testserver server;
	struct nfsc *c, *holder;

	if (n == 0) {
		fputs("usage: create_cost off|idle|elsewhere N\n", stderr);
		return 2;
	}
	testserver_start(&server, &options);
	c = testserver_client(&server);
	holder = testserver_client(&server);
	must(nfsc_lookup(c, NULL, NULL, 0, &root, NULL), "the root");
	make_dir(c, &root, "here", &here);
	make_dir(c, &root, "elsewhere", &elsewhere);
	if (strcmp(mode, "elsewhere") == 0)
		hold(holder, &elsewhere);
	create(c, &here, n);
	nfsc_leave(c);
	nfsc_free(c);
	nfsc_leave(holder);
	nfsc_free(holder);
	testserver_stop(&server);
	return 0;
}
