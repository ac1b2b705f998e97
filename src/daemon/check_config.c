/* SPDX-License-Identifier: MIT */
#include "daemon/check_config.h"

#include <getopt.h>
#include <stdio.h>

#include "daemon/config.h"
#include "daemon/settings_print.h"

static const char usage[] =
	"Usage: herald check-config FILE...\n"
	"       herald check-config --defaults\n"
	"Read configuration files as heraldd --config would, and tell every\n"
	"mistake with its line and column. Nothing is served, and nothing "
	"that\n"
	"the file names is looked at.\n"
	"\n"
	"  --defaults  print a file with every setting, what it means and "
	"what\n"
	"              it is when nobody sets it\n"
	"  --help\n"
	"\n"
	"Exit status: 0 all is well, 1 a file has mistakes, 2 wrong usage.\n";

enum { GOOD = 0, BAD = 1, USAGE = 2 };

static const struct option long_options[] = {
	{"defaults", no_argument, NULL, 'd'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void tell(void *ctx, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static void tell_untold(const struct config_errors *errors)
{
	if (errors->count > CONFIG_ERRORS_MAX)
		fprintf(stderr, "%s: and %u more\n", errors->file,
			errors->count - CONFIG_ERRORS_MAX);
}

static int check_file(const char *path)
{
	struct config_errors errors = {.file = path, .tell = tell};
	struct config config;
	int ret = BAD;

	if (config_init(&config) < 0 || config_read(&config, &errors) < 0)
		fprintf(stderr, "%s: out of memory\n", path);
	else if (errors.count > 0)
		tell_untold(&errors);
	else
		ret = GOOD;
	if (ret == GOOD)
		printf("%s: ok, exports: %zu\n", path, config.exports.count);
	config_free(&config);
	return ret;
}

static int usage_error(const char *why)
{
	fprintf(stderr, "%s%s", why,
		"herald check-config --help tells how it is used\n");
	return USAGE;
}

static int print_defaults(int operands)
{
	if (operands)
		return usage_error("herald check-config: --defaults takes no "
				   "file\n");
	settings_print_yaml(&config_table, stdout);
	return GOOD;
}

int check_config(int argc, char **argv)
{
	bool defaults = false;
	int option, ret = GOOD;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) !=
		-1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return GOOD;
		}
		if (option != 'd')
			return usage_error("");
		defaults = true;
	}
	if (defaults)
		return print_defaults(argc - optind);
	if (optind == argc)
		return usage_error("herald check-config: a file is missing\n");
	for (int i = optind; i < argc; i++) {
		if (check_file(argv[i]) != GOOD)
			ret = BAD;
	}
	return ret;
}
