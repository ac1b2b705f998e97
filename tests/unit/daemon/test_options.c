/* SPDX-License-Identifier: MIT */
/* heraldd's command line, alone and beside a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"

#define ARGS_MAX 16
#define WRONG    2

static struct options options;
static int exit_code;
static char said[4096];

/* What goes to standard error meanwhile is kept in `said`. */
static bool parse(const char *first, ...)
{
	char *argv[ARGS_MAX] = {(char *)"heraldd", (char *)first};
	FILE *capture = tmpfile();
	int argc = first ? 2 : 1, saved = dup(STDERR_FILENO);
	va_list args;
	bool ret;
	size_t len;

	va_start(args, first);
	while (first && (argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	fflush(stderr);
	dup2(fileno(capture), STDERR_FILENO);
	ret = options_parse(&options, argc, argv, &exit_code);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(capture);
	len = fread(said, 1, sizeof(said) - 1, capture);
	said[len] = '\0';
	fclose(capture);
	return ret;
}

#define refuse(says, ...)                                          \
	do {                                                       \
		assert_false(parse(__VA_ARGS__, NULL));            \
		assert_int_equal(exit_code, WRONG);                \
		if (!strstr(said, says))                           \
			fail_msg("said: %s\nnot: %s", said, says); \
		options_free(&options);                            \
	} while (0)

static const char *file_with(const char *text)
{
	static char path[] = "/tmp/herald-options-XXXXXX";
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void a_directory_is_enough(void **state)
{
	const struct export_settings *e;
	struct export x;

	assert_true(parse("--export", "some/dir", NULL));
	assert_int_equal(options.config.exports.count, 1);
	e = config_export(&options.config, 0);
	x = config_export_options(e);
	assert_string_equal(e->path, "some/dir");
	assert_string_equal(x.path, "/");
	assert_true(x.root_squash);
	assert_string_equal(
		options.config.server.listen.items[0], "127.0.0.1:2049");
	assert_int_equal(options.config.server.lease, 90000);
	assert_false(options.verbose);
	options_free(&options);
}

static void everything_can_be_said(void **state)
{
	const struct server_settings *server = &options.config.server;

	assert_true(parse("--listen", "[::1]:1", "--export", "/srv",
		"--no-root-squash", "--state-dir", "state", "--lease", "30",
		"--metrics", "9465", "--verbose", "--listen", "10.0.0.1:2",
		NULL));
	assert_int_equal(server->listen.count, 2);
	assert_string_equal(server->listen.items[0], "[::1]:1");
	assert_string_equal(server->listen.items[1], "10.0.0.1:2");
	assert_string_equal(server->state_dir, "state");
	assert_string_equal(server->metrics, "9465");
	assert_int_equal(server->lease, 30000);
	assert_true(options.verbose);
	assert_false(config_export_options(config_export(&options.config, 0))
			     .root_squash);
	options_free(&options);
}

static void what_is_wrong_is_said(void **state)
{
	refuse("--export DIR or --config FILE is missing", NULL);
	refuse("'3' is not a duration from 5s to 1h", "--export", "/",
		"--lease", "3");
	refuse("'90x' is not", "--export", "/", "--lease", "90x");
	refuse("'' is not", "--export", "/", "--lease", "");
	refuse("'here' is not a numeric address", "--export", "/", "--listen",
		"here");
	refuse("'1.2.3.4:65536' is not", "--export", "/", "--listen",
		"1.2.3.4:65536");
	refuse("'1.2.3.4:+1' is not", "--export", "/", "--listen",
		"1.2.3.4:+1");
	refuse("--metrics: 'x' is not", "--export", "/", "--metrics", "x");
	refuse("takes options only", "--export", "/", "more");
	refuse("unrecognized option", "--export", "/", "--nothing");
	refuse("requires an argument", "--export");
	refuse("--export was there before", "--export", "/a", "--export", "/b");
	refuse("--config was there before", "--config", "/a", "--config", "/b");
	refuse("heraldd: /none: No such file", "--config", "/none");
}

static void a_file_and_the_line(void **state)
{
	const char *file = file_with("exports: [{path: /srv, pseudo: /a}]\n"
				     "server: {lease: 10s, metrics: 1}\n");

	/* The line overrides the file, wherever it stands. */
	assert_true(parse("--lease", "2m", "--config", file, NULL));
	assert_int_equal(options.config.server.lease, 120000);
	assert_string_equal(options.config.server.metrics, "1");
	assert_string_equal(config_export(&options.config, 0)->pseudo, "/a");
	options_free(&options);
	refuse("--export does not go with --config", "--config", file,
		"--export", "/srv");
	refuse("--no-root-squash does not go with --config", "--config", file,
		"--no-root-squash");
	unlink(file);
	file = file_with("exports: [{path: /srv}]\nserver: {lease: 1s}\n");
	refuse(":2:17: server.lease: \"1s\" is not", "--config", file);
	unlink(file);
}

static void help_and_version_are_no_errors(void **state)
{
	assert_false(parse("--help", NULL));
	assert_int_equal(exit_code, 0);
	options_free(&options);
	assert_false(parse("--version", "--export", "/", NULL));
	assert_int_equal(exit_code, 0);
	options_free(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_enough),
		cmocka_unit_test(everything_can_be_said),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_file_and_the_line),
		cmocka_unit_test(help_and_version_are_no_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
