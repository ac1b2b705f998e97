/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"

#define DEFAULT_STATE_DIR "/var/lib/herald"
#define DEFAULT_LISTEN    "127.0.0.1:2049"
#define LEASE_DEFAULT     90
#define LEASE_MIN         5
#define LEASE_MAX         3600

static const char usage[] =
	"Usage: heraldd --export DIR [OPTION]...\n"
	"Serve the directory DIR over NFSv4.1 and 4.2, and tell clients what\n"
	"changes in it.\n"
	"\n"
	"  --export DIR        the directory to serve; clients mount HOST:/\n"
	"  --listen ADDR:PORT  where to listen (default " DEFAULT_LISTEN ");\n"
	"                      an IPv6 address stands in brackets: [::1]:2049\n"
	"  --state-dir DIR     what must survive a restart (default\n"
	"                      " DEFAULT_STATE_DIR
	"); one per server, never a copy\n"
	"  --lease SECONDS     lease time, 5 to 3600 (default 90)\n"
	"  --metrics [ADDR:]PORT\n"
	"                      metrics for Prometheus, by HTTP; only from "
	"this\n"
	"                      host unless ADDR says otherwise\n"
	"  --no-root-squash    root on a client is root here\n"
	"  --verbose           log more\n"
	"  --help, --version\n";

enum {
	OPTION_EXPORT = 256,
	OPTION_LISTEN,
	OPTION_STATE_DIR,
	OPTION_LEASE,
	OPTION_METRICS,
	OPTION_NO_ROOT_SQUASH,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"export", required_argument, NULL, OPTION_EXPORT},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"lease", required_argument, NULL, OPTION_LEASE},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"no-root-squash", no_argument, NULL, OPTION_NO_ROOT_SQUASH},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static bool parse_lease(const char *text, unsigned *ret)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || end == text || value < LEASE_MIN ||
		value > LEASE_MAX)
		return false;
	*ret = value;
	return true;
}

static bool refuse(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "heraldd: %s: '%s' is not %s\n", option, value,
		expected);
	return false;
}

/* One option; false: the reason was printed. */
static bool take(struct options *o, int option, const char *value)
{
	switch (option) {
	case OPTION_EXPORT:
		o->export_path = value;
		return true;
	case OPTION_LISTEN:
		return address_parse(value, &o->listen, &o->listen_len) ||
			refuse("--listen", value, "ADDR:PORT");
	case OPTION_STATE_DIR:
		o->state_dir = value;
		return true;
	case OPTION_LEASE:
		return parse_lease(value, &o->lease_s) ||
			refuse("--lease", value,
				"a number of seconds from 5 to 3600");
	case OPTION_METRICS:
		return address_parse_local(
			       value, &o->metrics, &o->metrics_len) ||
			refuse("--metrics", value, "[ADDR:]PORT");
	case OPTION_NO_ROOT_SQUASH:
		o->root_squash = false;
		return true;
	case OPTION_VERBOSE:
		o->verbose = true;
		return true;
	default: /* getopt_long() has said what is wrong */
		return false;
	}
}

static bool finish(const struct options *o, int argc)
{
	if (optind < argc) {
		fprintf(stderr, "heraldd: takes options only\n");
		return false;
	}
	if (!o->export_path) {
		fprintf(stderr,
			"heraldd: --export DIR is missing (see --help)\n");
		return false;
	}
	return true;
}

bool options_parse(struct options *ret, int argc, char **argv, int *exit_code)
{
	int option;

	*ret = (struct options){
		.state_dir = DEFAULT_STATE_DIR,
		.lease_s = LEASE_DEFAULT,
		.root_squash = true,
	};
	address_parse(DEFAULT_LISTEN, &ret->listen, &ret->listen_len);
	*exit_code = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
		-1) {
		if (option == OPTION_HELP) {
			fputs(usage, stdout);
			return false;
		}
		if (option == OPTION_VERSION) {
			puts("heraldd " HERALD_VERSION);
			return false;
		}
		if (!take(ret, option, optarg)) {
			*exit_code = 2;
			return false;
		}
	}
	if (finish(ret, argc))
		return true;
	*exit_code = 2;
	return false;
}
