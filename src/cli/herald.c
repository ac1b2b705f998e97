/* SPDX-License-Identifier: MIT */
/* herald: everything but the server. Finds the verb and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "daemon/check_config.h"

struct verb {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
	{"watch", "print what changes in a directory on an NFS server",
		verb_watch},
	{"status", "what the server on this host is doing", verb_status},
	{"clients", "who uses it", verb_clients},
	{"delegations", "what they hold, and why not for long",
		verb_delegations},
	{"recall", "make them give delegations back", verb_recall},
	{"bench", "measure how a server tells of changes", verb_bench},
	{"check-config", "tell what is wrong with a configuration file",
		check_config},
};

#define NVERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *to)
{
	fputs("Usage: herald VERB [OPTION]... [ARGUMENT]...\n\n", to);
	for (size_t i = 0; i < NVERBS; i++)
		fprintf(to, "  %-12s  %s\n", verbs[i].name, verbs[i].summary);
	fputs("\nherald VERB --help tells more about one; herald --version.\n",
		to);
}

static int usage_error(const char *what, const char *name)
{
	fprintf(stderr, "herald: %s%s\nherald --help lists what there is\n",
		what, name);
	return EXIT_USAGE;
}

/* getopt_long() begins its messages with the title. */
static int run_verb(const struct verb *verb, int argc, char **argv)
{
	char title[32];

	snprintf(title, sizeof(title), "herald %s", verb->name);
	argv[0] = title;
	return verb->run(argc, argv);
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name)
		return usage_error("a verb is missing", "");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return EXIT_OK;
	}
	if (strcmp(name, "--version") == 0) {
		puts("herald " HERALD_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < NVERBS; i++) {
		if (strcmp(name, verbs[i].name) == 0)
			return run_verb(&verbs[i], argc - 1, argv + 1);
	}
	return usage_error("there is no verb ", name);
}

/* What nobody could read is no success. */
int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if (status != EXIT_OK || (fflush(stdout) == 0 && !ferror(stdout)))
		return status;
	fprintf(stderr, "herald: standard output: %s\n", strerror(errno));
	return EXIT_FAILED;
}
