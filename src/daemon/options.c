/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_OPTIONS 2

static const char usage[] =
	"Usage: heraldd --export DIR [OPTION]...\n"
	"       heraldd --config FILE [OPTION]...\n"
	"Serve directories over NFSv4.1 and 4.2, and tell clients what "
	"changes\n"
	"in them.\n"
	"\n"
	"  --export DIR        serve this directory; clients mount HOST:/\n"
	"  --no-root-squash    root on a client is root here\n"
	"  --local-changes=on|off\n"
	"                      programs of this host change files there, too\n"
	"                      (on); off: trust that nobody does\n"
	"  --config FILE       serve what the file says (herald.yaml(5)); the\n"
	"                      following override it\n"
	"  --listen ADDR:PORT  where to listen (default 127.0.0.1:2049), "
	"several\n"
	"                      times for several; an IPv6 address stands in\n"
	"                      brackets: [::1]:2049\n"
	"  --state-dir DIR     what must survive a restart (default\n"
	"                      /var/lib/herald); one per server, never a copy\n"
	"  --lease SECONDS     lease time, 5 to 3600 (default 90)\n"
	"  --metrics [ADDR:]PORT\n"
	"                      metrics for Prometheus, by HTTP; only from\n"
	"                      this host unless ADDR says otherwise\n"
	"  --verbose           log more\n"
	"  --help, --version\n";

enum {
	OPTION_CONFIG = 256,
	OPTION_EXPORT,
	OPTION_LISTEN,
	OPTION_STATE_DIR,
	OPTION_LEASE,
	OPTION_LOCAL_CHANGES,
	OPTION_METRICS,
	OPTION_NO_ROOT_SQUASH,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"export", required_argument, NULL, OPTION_EXPORT},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"lease", required_argument, NULL, OPTION_LEASE},
	{"local-changes", required_argument, NULL, OPTION_LOCAL_CHANGES},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"no-root-squash", no_argument, NULL, OPTION_NO_ROOT_SQUASH},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

/* What is found before anything is done. */
struct plan {
	const char *config;
	const char *export;
	bool no_root_squash;
	const char *local_changes;
	bool listens; /* --listen was taken: the next one is one more */
	bool failed;
};

static void complain(struct plan *plan, const char *text)
{
	fprintf(stderr, "heraldd: %s\n", text);
	plan->failed = true;
}

/* ---- what belongs to the server as a whole ---- */

static const struct setting *server_row(const char *key)
{
	for (size_t i = 0; i < server_table.nrows; i++) {
		if (strcmp(server_table.rows[i].key, key) == 0)
			return &server_table.rows[i];
	}
	abort();
}

static void refuse(struct plan *plan, const char *option, const char *value,
	const struct setting *row)
{
	char expected[256];

	setting_expected(row, expected, sizeof(expected));
	fprintf(stderr, "heraldd: %s: '%s' is not %s\n", option, value,
		expected);
	plan->failed = true;
}

static void take_metrics(
	struct plan *plan, struct config *config, const char *value)
{
	const struct setting *row = server_row("metrics");

	if (setting_set(row, &config->server, value) < 0)
		refuse(plan, "--metrics", value, row);
}

static void take_listen(
	struct plan *plan, struct config *config, const char *value)
{
	const struct setting *row = server_row("listen");
	int err = plan->listens ? setting_append(row, &config->server, value)
				: setting_set(row, &config->server, value);

	plan->listens = true;
	if (err < 0)
		refuse(plan, "--listen", value, row);
}

/* On the command line a number alone is one of seconds. */
static void take_lease(
	struct plan *plan, struct config *config, const char *value)
{
	const struct setting *row = server_row("lease");
	char text[32];
	size_t digits = strspn(value, "0123456789");

	snprintf(text, sizeof(text), "%s%s", value,
		digits && value[digits] == '\0' ? "s" : "");
	if (setting_set(row, &config->server, text) < 0)
		refuse(plan, "--lease", value, row);
}

/* A path of the shell's may be relative, one of a file may not. */
static void take_path(struct plan *plan, char **to, const char *value)
{
	char *copy = strdup(value);

	if (!copy) {
		complain(plan, "out of memory");
		return;
	}
	free(*to);
	*to = copy;
}

static void take(
	struct plan *plan, struct options *o, int option, const char *value)
{
	struct config *config = &o->config;

	switch (option) {
	case OPTION_LISTEN:
		take_listen(plan, config, value);
		break;
	case OPTION_STATE_DIR:
		take_path(plan, &config->server.state_dir, value);
		break;
	case OPTION_LEASE:
		take_lease(plan, config, value);
		break;
	case OPTION_METRICS:
		take_metrics(plan, config, value);
		break;
	case OPTION_VERBOSE:
		o->verbose = true;
		break;
	default: /* the plan's */
		break;
	}
}

/* ---- what is served ---- */

static void tell(void *ctx, const char *line)
{
	fprintf(stderr, "heraldd: %s\n", line);
}

static void read_config(struct plan *plan, struct config *config)
{
	struct config_errors errors = {.file = plan->config, .tell = tell};

	if (config_read(config, &errors) < 0)
		complain(plan, "out of memory");
	if (errors.count > 0)
		plan->failed = true;
}

static void make_export(struct plan *plan, struct config *config)
{
	struct export_settings *e = config_add_export(config, plan->export);

	if (!e ||
		(plan->no_root_squash &&
			config_set_option(e, "no_root_squash") < 0))
		complain(plan, "out of memory");
	else if (plan->local_changes &&
		config_set_local_changes(e, plan->local_changes) < 0)
		complain(plan, "--local-changes: expected on or off");
}

static void make_exports(struct plan *plan, struct config *config)
{
	if (plan->config && plan->export)
		complain(plan,
			"--export does not go with --config: the file "
			"says what is served");
	else if (plan->config && plan->no_root_squash)
		complain(plan,
			"--no-root-squash does not go with --config: "
			"it is an option of the file's exports");
	else if (plan->config && plan->local_changes)
		complain(plan,
			"--local-changes does not go with --config: "
			"it is a setting of the file's exports");
	else if (plan->config)
		read_config(plan, config);
	else if (plan->export)
		make_export(plan, config);
	else
		complain(plan,
			"--export DIR or --config FILE is missing "
			"(see --help)");
}

/* ---- the line as a whole ---- */

/* What is served is said once; several exports take a file. */
static void note_once(struct plan *plan, const char **to, const char *value,
	const char *again)
{
	if (*to)
		complain(plan, again);
	*to = value;
}

/* False: all is said and done. */
static bool note(struct plan *plan, int option, const char *value)
{
	switch (option) {
	case OPTION_CONFIG:
		note_once(plan, &plan->config, value,
			"--config was there before: expected one file");
		return true;
	case OPTION_EXPORT:
		note_once(plan, &plan->export, value,
			"--export was there before: several exports need "
			"--config FILE");
		return true;
	case OPTION_NO_ROOT_SQUASH:
		plan->no_root_squash = true;
		return true;
	case OPTION_LOCAL_CHANGES:
		plan->local_changes = value;
		return true;
	case OPTION_HELP:
		fputs(usage, stdout);
		return false;
	case OPTION_VERSION:
		puts("heraldd " HERALD_VERSION);
		return false;
	case '?': /* getopt_long() has said what is wrong */
		plan->failed = true;
		return true;
	default:
		return true;
	}
}

/* Once over the line: what must be known before the rest is taken. */
static bool make_plan(struct plan *plan, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) !=
		-1) {
		if (!note(plan, option, optarg))
			return false;
	}
	if (optind < argc && !plan->failed)
		complain(plan, "takes options only");
	return true;
}

static void take_all(
	struct plan *plan, struct options *ret, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take(plan, ret, option, optarg);
}

bool options_parse(struct options *ret, int argc, char **argv, int *exit_code)
{
	struct plan plan = {.config = NULL};

	*ret = (struct options){.verbose = false};
	*exit_code = 0;
	if (!make_plan(&plan, argc, argv))
		return false;
	if (config_init(&ret->config) < 0)
		complain(&plan, "out of memory");
	if (!plan.failed)
		make_exports(&plan, &ret->config);
	if (!plan.failed)
		take_all(&plan, ret, argc, argv);
	if (!plan.failed)
		return true;
	*exit_code = EXIT_OPTIONS;
	return false;
}

void options_free(struct options *options)
{
	config_free(&options->config);
}
