/* SPDX-License-Identifier: MIT */
/* herald bench notify: the command line, and what ends it early. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cli/bench.h"
#include "cli/verbs.h"

#define DIRECTORIES_MAX 1000000
#define CLIENTS_MAX     9000
#define CHANGES_MAX     100000000
#define REAL_MAX        1000000 /* seconds, changes a second */

static const char help[] =
	"Usage: herald bench notify [OPTION]... nfs://HOST[:PORT]/PATH\n"
	"Hold delegations of directories on an NFSv4.1 server, make changes\n"
	"in them as another client, and measure how the server tells of them.\n"
	"Everything happens in a new directory below PATH, which is removed.\n"
	"\n"
	"  -d, --directories D  directories (1)\n"
	"  -H, --holders H      holders of each (1); 0: the same without any\n"
	"  -n, --clients N      clients that share them (H): a client holds a\n"
	"                       directory once, so at least H\n"
	"  -a, --attributes     ask for notifications of attributes, too\n"
	"  -r, --rate C         changes a second, in all directories (100);\n"
	"                       0: hold them and change nothing\n"
	"  -s, --seconds S      for so long (10)\n"
	"  -b, --burst N        instead: N files created as fast as it goes\n"
	"  -p, --server-pid P   the server's process, to measure its memory;\n"
	"                       on this machine it is found without\n"
	"      --json           one JSON object\n"
	"      --help\n"
	"\n"
	"Exit status 1: it could not be measured, a change failed, or an\n"
	"event was lost.\n";

static const struct option options[] = {
	{"directories", required_argument, NULL, 'd'},
	{"holders", required_argument, NULL, 'H'},
	{"clients", required_argument, NULL, 'n'},
	{"attributes", no_argument, NULL, 'a'},
	{"rate", required_argument, NULL, 'r'},
	{"seconds", required_argument, NULL, 's'},
	{"burst", required_argument, NULL, 'b'},
	{"server-pid", required_argument, NULL, 'p'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* ---- numbers ---- */

static bool wrong_number(
	const char *what, const char *text, uint64_t min, uint64_t max)
{
	fprintf(stderr,
		"herald bench notify: --%s: '%s' is not a number from %" PRIu64
		" to %" PRIu64 "\n",
		what, text, min, max);
	return false;
}

static bool take_real(
	const char *what, const char *text, uint64_t max, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	if (end == text || *end || !isfinite(*ret) || *ret < 0 ||
		*ret > (double)max)
		return wrong_number(what, text, 0, max);
	return true;
}

static bool take_count(const char *what, const char *text, uint64_t min,
	uint64_t max, uint64_t *ret)
{
	char *end;

	*ret = strtoull(text, &end, 10);
	if (end == text || *end || text[0] == '-' || *ret < min || *ret > max)
		return wrong_number(what, text, min, max);
	return true;
}

static bool take_u32(const char *what, const char *text, uint32_t min,
	uint32_t max, uint32_t *ret)
{
	uint64_t value;

	if (!take_count(what, text, min, max, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* ---- the command line ---- */

static bool take(struct bench_options *o, int option, const char *value)
{
	uint64_t pid;

	switch (option) {
	case 'd':
		return take_u32("directories", value, 1, DIRECTORIES_MAX,
			&o->directories);
	case 'H':
		return take_u32("holders", value, 0, CLIENTS_MAX, &o->holders);
	case 'n':
		return take_u32("clients", value, 1, CLIENTS_MAX, &o->clients);
	case 'a':
		o->attributes = true;
		return true;
	case 'r':
		return take_real("rate", value, REAL_MAX, &o->rate);
	case 's':
		return take_real("seconds", value, REAL_MAX, &o->seconds);
	case 'b':
		return take_count("burst", value, 1, CHANGES_MAX, &o->burst);
	case 'p':
		if (!take_count("server-pid", value, 1, INT32_MAX, &pid))
			return false;
		o->server = (pid_t)pid;
		return true;
	case 'j':
		o->json = true;
		return true;
	default: /* getopt_long() has said what is wrong */
		return false;
	}
}

static const char *settle(struct bench_options *o, int nargs, char **args)
{
	if (nargs != 1)
		return "one URL is needed";
	if (o->clients == 0)
		o->clients = o->holders ? o->holders : 1;
	if (o->holders > o->clients)
		return "there must be as many clients as holders";
	if (o->rate * o->seconds > CHANGES_MAX)
		return "too many changes";
	o->text = args[0];
	return nfsurl_parse(o->text, &o->url);
}

/* Where more is to be read: what is wrong has been said. */
static int refer_to_help(void)
{
	fputs("herald bench notify --help tells how it is used\n", stderr);
	return EXIT_USAGE;
}

static int usage_error(const char *why)
{
	fprintf(stderr, "herald bench notify: %s\n", why);
	return refer_to_help();
}

/* ---- signals ---- */

static atomic_bool stopped;

/* The first signal ends it well, the second at once. */
static void on_signal(int number)
{
	stopped = true;
}

static void catch_signals(void)
{
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* A connection for each client. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int bench_notify(int argc, char **argv)
{
	struct bench_options o = {
		.holders = 1, .directories = 1, .rate = 100, .seconds = 10};
	const char *wrong;
	int option, status;

	while ((option = getopt_long(
			argc, argv, "d:H:n:ar:s:b:p:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_OK;
		}
		if (!take(&o, option, optarg))
			return refer_to_help();
	}
	wrong = settle(&o, argc - optind, argv + optind);
	if (wrong)
		return usage_error(wrong);
	catch_signals();
	raise_file_limit();
	status = bench_run(&o, &stopped);
	nfsurl_fini(&o.url);
	return status;
}
