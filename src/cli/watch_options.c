/* SPDX-License-Identifier: MIT */
#include "cli/watch_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/verbs.h"
#include "client/watcher.h"

#define TIMEOUT_MAX_S 1e9

static const char help[] =
	"Usage: herald watch [OPTION]... nfs://HOST[:PORT]/PATH\n"
	"                    [--exec COMMAND [ARGUMENT]...]\n"
	"Print what changes in a directory on an NFSv4.1 server, one line per\n"
	"change, until interrupted:\n"
	"\n"
	"  DIR CREATE NAME     NAME is new in DIR, or replaced by another one\n"
	"  DIR DELETE NAME     NAME is gone\n"
	"  DIR MOVE OLD NEW    OLD is now called NEW, replacing any such\n"
	"  DIR MODIFY NAME     its size or time of modification changed\n"
	"  DIR ATTRIB NAME     mode, owner, links or the like changed\n"
	"  DIR RESCAN          something may have been missed in DIR; what is\n"
	"                      found to be different follows\n"
	"\n"
	"  -r, --recursive     the directories below, too, new ones included\n"
	"  -e, --event LIST    only these: create,delete,move,modify,attrib,\n"
	"                      rescan\n"
	"      --count N       end after N of them\n"
	"  -t, --timeout S     end when there was none for S seconds\n"
	"      --json          one JSON object per line\n"
	"      --exec COMMAND [ARGUMENT]...\n"
	"                      run it for each, one after the other, with\n"
	"                      HERALD_EVENT, HERALD_DIR, HERALD_NAME, "
	"HERALD_TO\n"
	"                      in its environment; the rest of the line is "
	"its\n"
	"  -v, --verbose       say more on standard error\n"
	"      --help\n"
	"\n"
	"Exit status: 0 after N events or a signal, 1 for errors and when the\n"
	"directory is removed, 2 after S seconds without an event.\n";

enum { OPTION_JSON = 256, OPTION_COUNT };

static const struct option options[] = {
	{"recursive", no_argument, NULL, 'r'},
	{"event", required_argument, NULL, 'e'},
	{"timeout", required_argument, NULL, 't'},
	{"verbose", no_argument, NULL, 'v'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* Where more is to be read: getopt_long() has said what is wrong. */
static bool refer_to_help(void)
{
	fputs("herald watch --help tells how it is used\n", stderr);
	return false;
}

/* Not EXIT_USAGE: 2 is for a time-out, as inotifywait has it. */
static bool usage_error(const char *about, const char *why)
{
	fprintf(stderr, "herald watch: %s%s%s\n", about, *about ? ": " : "",
		why);
	return refer_to_help();
}

static bool add_event(struct watch_options *o, const char *name, size_t len)
{
	static const char *const names[WATCHER_EVENTS] = {
		[WATCHER_CREATE] = "create",
		[WATCHER_DELETE] = "delete",
		[WATCHER_MOVE] = "move",
		[WATCHER_MODIFY] = "modify",
		[WATCHER_ATTRIB] = "attrib",
		[WATCHER_RESCAN] = "rescan",
	};

	for (int i = 0; i < WATCHER_EVENTS; i++) {
		if (strlen(names[i]) == len &&
			strncasecmp(names[i], name, len) == 0) {
			o->events |= WATCHER_BIT(i);
			return true;
		}
	}
	return false;
}

static bool parse_events(struct watch_options *o, const char *list)
{
	const char *at = list;

	for (;; at++) {
		size_t len = strcspn(at, ",");

		if (!add_event(o, at, len))
			return usage_error(list,
				"events are create, delete, move, modify, "
				"attrib and rescan");
		at += len;
		if (!*at)
			return true;
	}
}

static bool parse_count(struct watch_options *o, const char *text)
{
	char *end;

	errno = 0;
	o->count = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || o->count == 0)
		return usage_error(text, "not a number of events");
	return true;
}

static bool parse_timeout(struct watch_options *o, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds <= TIMEOUT_MAX_S))
		return usage_error(text, "not a number of seconds");
	o->timeout_ms = seconds > 0 ? (uint64_t)(seconds * 1000) + 1 : 0;
	return true;
}

static bool parse_option(struct watch_options *o, int option)
{
	switch (option) {
	case 'r':
		o->recursive = true;
		return true;
	case 'e':
		return parse_events(o, optarg);
	case 't':
		return parse_timeout(o, optarg);
	case 'v':
		o->verbose = true;
		return true;
	case OPTION_JSON:
		o->json = true;
		return true;
	case OPTION_COUNT:
		return parse_count(o, optarg);
	default:
		return refer_to_help();
	}
}

/* What follows --exec is not ours; how many arguments come before it. */
static int cut_command(int argc, char **argv, struct watch_options *o)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (strcmp(argv[i], "--exec") == 0) {
			o->command = argv + i + 1;
			return i;
		}
	}
	return argc;
}

static bool parse_url(struct watch_options *o, const char *text)
{
	const char *wrong = nfsurl_parse(text, &o->url);

	return wrong ? usage_error(text, wrong) : true;
}

bool watch_options_parse(
	int argc, char **argv, struct watch_options *ret, int *status)
{
	int option;

	*ret = (struct watch_options){.recursive = false};
	*status = EXIT_FAILED;
	argc = cut_command(argc, argv, ret);
	if (ret->command && !*ret->command)
		return usage_error("--exec", "a command is needed");
	while ((option = getopt_long(argc, argv, "re:t:vh", options, NULL)) !=
		-1) {
		if (option == 'h') {
			fputs(help, stdout);
			*status = EXIT_OK;
			return false;
		}
		if (!parse_option(ret, option))
			return false;
	}
	if (argc - optind != 1)
		return usage_error("", "one URL is needed");
	return parse_url(ret, argv[optind]);
}

void watch_options_fini(struct watch_options *o)
{
	nfsurl_fini(&o->url);
}
