/* SPDX-License-Identifier: MIT */
/* herald bench: how fast and how large. Finds what is to be measured. */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/verbs.h"

static const char help[] =
	"Usage: herald bench notify [OPTION]... nfs://HOST[:PORT]/PATH\n"
	"\n"
	"  notify      directory notifications: latency, throughput, memory\n"
	"\n"
	"herald bench notify --help tells more.\n";

int verb_bench(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "notify") == 0) {
		argv[1] = (char[]){"herald bench notify"};
		return bench_notify(argc - 1, argv + 1);
	}
	if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0) {
		fputs(help, stdout);
		return EXIT_OK;
	}
	fprintf(stderr, "herald bench: %s\n%s", "what is to be measured?",
		help);
	return EXIT_USAGE;
}
