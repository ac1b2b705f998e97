/* SPDX-License-Identifier: MIT */
/*
 * The configuration file: every setting of the tables with every kind of
 * mistake, each told with its line, column and what was expected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/settings_print.h"
#include "nfs/server.h"

#define TEXT_MAX 65536

/* ---- reading a text ---- */

static struct config config;
static unsigned error_count;
static char first_error[1024];

static void note_error(void *ctx, const char *line)
{
	if (first_error[0] == '\0')
		snprintf(first_error, sizeof(first_error), "%s", line);
}

static void parse_bytes(const char *text, size_t len)
{
	struct config_errors errors = {.file = "F", .tell = note_error};

	first_error[0] = '\0';
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(config_parse(&config, text, len, &errors), 0);
	error_count = errors.count;
}

static void expect_errors(const char *text, unsigned count)
{
	parse_bytes(text, strlen(text));
	if (error_count != count)
		print_error("%s\n%s\n", text, first_error);
	assert_int_equal(error_count, count);
}

/* What is read stays in `config` until config_free(). */
static void expect_good(const char *text)
{
	expect_errors(text, 0);
}

static void expect_error(const char *text, const char *start, const char *part)
{
	expect_errors(text, 1);
	config_free(&config);
	if (strncmp(first_error, start, strlen(start)) != 0 ||
		!strstr(first_error, part))
		fail_msg("%s\nsaid: %s\nnot: %s ... %s", text, first_error,
			start, part);
}

/* ---- every setting ---- */

/* A file with nothing in it but what is needed, and a place for one line. */
struct place {
	char before[256];
	int indent;
	const char *after;
	char path[128];
	unsigned line; /* where the line comes to stand */
};

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

typedef void (*row_visitor)(
	const struct setting *row, const struct place *place);

static void visit_rows(
	const struct settings *s, const struct place *outer, row_visitor visit)
{
	for (size_t i = 0; i < s->nrows; i++) {
		struct place place = *outer;

		/* A list of mappings begins with what is required, or with
		 * the row itself. */
		if (s->rows[0].value == NULL && i != 0)
			snprintf(place.before + strlen(place.before),
				sizeof(place.before) - strlen(place.before),
				"%*s%s: %s\n", place.indent, "", s->rows[0].key,
				s->rows[0].example);
		place.line = count_lines(place.before) + 1;
		visit(&s->rows[i], &place);
	}
}

static void visit_all(
	const struct settings *s, const struct place *outer, row_visitor visit)
{
	visit_rows(s, outer, visit);
	for (size_t i = 0; i < s->nparts; i++) {
		const struct settings_part *part = &s->parts[i];
		struct place place = *outer;
		size_t len = strlen(place.before), at = strlen(place.path);

		snprintf(place.before + len, sizeof(place.before) - len,
			"%*s%s:\n%*s%s", place.indent, "", part->settings->name,
			place.indent + 2, "", part->list ? "-\n" : "\n");
		place.indent += part->list ? 4 : 2;
		place.after = part->list ? "" : outer->after;
		snprintf(place.path + at, sizeof(place.path) - at, "%s%s%s",
			at ? "." : "", part->settings->name,
			part->list ? "[0]" : "");
		visit_all(part->settings, &place, visit);
	}
}

static void for_every_setting(row_visitor visit)
{
	const struct place top = {.after = "exports: [{path: /srv}]\n"};

	visit_all(&config_table, &top, visit);
}

static const char *with(
	const struct setting *row, const struct place *place, const char *value)
{
	static char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s%*s%s: %s\n%s", place->before,
		place->indent, "", row->key, value, place->after);
	return text;
}

/* The value of @row is wrong, and is told where it stands. */
static void refuse(
	const struct setting *row, const struct place *place, const char *value)
{
	char start[256], expected[256];

	setting_expected(row, expected, sizeof(expected));
	snprintf(start, sizeof(start), "F:%u:%zu: %s.%s: ", place->line,
		place->indent + strlen(row->key) + 3, place->path, row->key);
	expect_error(with(row, place, value), start, expected);
}

static bool is_number(const struct setting *row)
{
	return row->type == SETTING_NUMBER || row->type == SETTING_DURATION ||
		row->type == SETTING_SIZE;
}

static void accept_default(const struct setting *row, const struct place *place)
{
	const char *value = row->value ? row->value : row->example;

	assert_non_null(value);
	assert_non_null(row->what);
	expect_good(with(row, place, value));
	config_free(&config);
}

static void every_default_is_a_value(void **state)
{
	for_every_setting(accept_default);
}

static const char *base_unit(const struct setting *row)
{
	if (row->type == SETTING_DURATION)
		return "ms";
	return row->type == SETTING_SIZE ? "B" : "";
}

static void try_number(const struct setting *row, const struct place *place,
	uint64_t number, bool good)
{
	char value[64];

	snprintf(value, sizeof(value), "%llu%s", (unsigned long long)number,
		base_unit(row));
	if (!good) {
		refuse(row, place, value);
		return;
	}
	expect_good(with(row, place, value));
	config_free(&config);
}

static void try_range(const struct setting *row, const struct place *place)
{
	if (!is_number(row))
		return;
	assert_true(row->min < row->max);
	try_number(row, place, row->min, true);
	try_number(row, place, row->max, true);
	try_number(row, place, row->max + 1, false);
	if (row->min > 0)
		try_number(row, place, row->min - 1, false);
	refuse(row, place, "18446744073709551616");
	refuse(row, place, "99999999999999999999999h");
}

static void every_number_has_its_range(void **state)
{
	for_every_setting(try_range);
}

static void try_nonsense(const struct setting *row, const struct place *place)
{
	static const char *const values[] = {"nonsense", "-1", "+1", "1.5",
		"0x10", "1e3", "50 ms", "ms", "50msms", "{a: b}", "\"\"",
		"\" \"", "[]"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		refuse(row, place, values[i]);
	if (row->type != SETTING_LIST)
		refuse(row, place, "[1]");
	else
		refuse(row, place, "{}");
}

static void every_setting_refuses_nonsense(void **state)
{
	for_every_setting(try_nonsense);
}

static void try_units(const struct setting *row, const struct place *place)
{
	static const char *const none[] = {
		"20000k", "20000ns", "20000KB", "20000mb", "20000S", "20000"};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		if (is_number(row) &&
			(row->type != SETTING_NUMBER || none[i][5] != '\0'))
			refuse(row, place, none[i]);
	}
}

static void units_are_needed_and_known(void **state)
{
	for_every_setting(try_units);
}

/* Who wrote none, or another one, is told which there are. */
static void units_are_named(void **state)
{
	static const char start[] = "nfs:\n  directory_delegations:\n";
	static const struct {
		const char *line, *said;
	} bad[] = {
		{"batch_window: 50",
			"\"50\" has none of the units h, m, s, ms"
			": expected a duration from 0ms to 10s"},
		{"batch_window: 50us", "\"50us\" has none of the units h, m"},
		{"memory: 100MB",
			"\"100MB\" has none of the units TiB, GiB, "
			"MiB, KiB, B: expected a size from 1MiB"},
		{"batch_window: 11s", "\"11s\" is not a duration from 0ms"},
		{"batch_window: 0.5s", "\"0.5s\" is not a duration from 0ms"},
		{"max: 100k", "\"100k\" is not a number from 1 to"},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "%s    %s\n%s", start, bad[i].line,
			"exports: [{path: /a}]\n");
		expect_error(text, "F:3:", bad[i].said);
	}
}

static void try_twice(const struct setting *row, const struct place *place)
{
	const char *value = row->value ? row->value : row->example;
	char twice[512], start[256];

	snprintf(twice, sizeof(twice), "%s\n%*s%s: %s", value, place->indent,
		"", row->key, value);
	snprintf(start, sizeof(start), "F:%u:%d: %s.%s: ", place->line + 1,
		place->indent + 1, place->path, row->key);
	expect_error(with(row, place, twice), start, "is set already");
}

static void no_setting_is_set_twice(void **state)
{
	for_every_setting(try_twice);
}

/* A key that is none stands where the row's would, and is told with them. */
static void try_unknown(const struct setting *row, const struct place *place)
{
	struct setting wrong = *row;
	char key[64], start[256];

	snprintf(key, sizeof(key), "%sx", row->key);
	wrong.key = key;
	snprintf(start, sizeof(start), "F:%u:%d: %s: ", place->line,
		place->indent + 1, place->path);
	if (!row->value)
		return; /* missing, as well */
	expect_error(with(&wrong, place, row->value), start, row->key);
}

static void unknown_settings_are_told(void **state)
{
	for_every_setting(try_unknown);
	expect_error("exports: [{path: /a}]\nsrever: {}\n",
		"F:2:1: ", "expected one of server, exports, nfs");
	expect_error("exports: [{path: /a}]\nnfs: {x: {}}\n",
		"F:2:7: nfs: ", "expected one of directory_delegations");
}

/* ---- what must be there, and what must go together ---- */

static void exports_are_needed(void **state)
{
	expect_error("", "F:1:1: ", "exports is missing");
	expect_error("# nothing\n", "F:1:1: ", "exports is missing");
	expect_error("server:\n", "F:1:1: ", "exports is missing");
	expect_error("exports: []\n", "F:1:1: ", "exports is missing");
	expect_error("exports: /srv\n", "F:1:10: exports: ", "a list");
	expect_error("exports:\n  path: /srv\n", "F:2:3: exports: ", "a list");
	expect_error(
		"exports: [/srv]\n", "F:1:11: exports[0]: ", "name: value");
	expect_error("exports:\n  - pseudo: /a\n",
		"F:2:5: exports[0]: ", "path is missing");
	expect_error("exports:\n  - path: /a\n  - {}\n",
		"F:3:5: exports[1]: ", "path is missing");
}

static void exports_do_not_lie_below_one_another(void **state)
{
	expect_error("exports:\n  - path: /a\n  - path: /b\n",
		"F:3:5: exports[1].pseudo: ", "exports[0] (line 2)");
	expect_error("exports: [{path: /a, pseudo: /x},\n"
		     "  {path: /b, pseudo: /x/y}]\n",
		"F:2:3: exports[1].pseudo: ", "\"/x/y\" and \"/x\"");
	expect_good("exports: [{path: /a, pseudo: /x},\n"
		    "  {path: /a, pseudo: /xy}, {path: /a, pseudo: /y/x}]\n");
	assert_int_equal(config.exports.count, 3);
	config_free(&config);
}

static struct export options_of(const char *options)
{
	char text[256];
	struct export e;

	snprintf(text, sizeof(text), "exports: [{path: /a, options: %s}]\n",
		options);
	expect_good(text);
	e = config_export_options(config_export(&config, 0));
	e.path = NULL;
	config_free(&config);
	return e;
}

static void options_of_exports(void **state)
{
	struct export e = options_of("rw");

	assert_false(e.read_only);
	assert_true(e.root_squash);
	assert_false(e.all_squash);
	assert_int_equal(e.anon_uid, 65534);
	assert_int_equal(e.anon_gid, 65534);
	e = options_of("[ro, no_root_squash, all_squash, anonuid=7, "
		       "anongid=4294967294]");
	assert_true(e.read_only);
	assert_false(e.root_squash);
	assert_true(e.all_squash);
	assert_int_equal(e.anon_uid, 7);
	assert_int_equal(e.anon_gid, 4294967294);
	e = options_of("[root_squash, no_all_squash]");
	assert_true(e.root_squash);
	assert_false(e.all_squash);
	for (size_t i = 0; i < export_words_count; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s%s", export_words[i].word,
			export_words[i].how == EXPORT_ID ? "=1" : "");
		options_of(text);
	}
}

static void options_that_are_none(void **state)
{
	static const char *const none[] = {"r", "row", "rw=1", "RO", "anonuid",
		"anonuid=", "anonuid=x", "anonuid=-1", "anonuid=4294967295",
		"secure", "root_squash "};
	char text[128];

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		snprintf(text, sizeof(text),
			"exports:\n  - path: /a\n    options: [rw, \"%s\"]\n",
			none[i]);
		expect_error(
			text, "F:3:19: exports[0].options: ", "expected rw");
	}
	expect_error("exports: [{path: /a, options: [rw, ro]}]\n",
		"F:1:31: exports[0].options: ", "\"rw\" and \"ro\"");
	expect_error("exports:\n  - path: /a\n"
		     "    options: [anonuid=1, anonuid=2]\n",
		"F:3:14: exports[0].options: ", "expected one of them");
}

/* ---- what a file may be ---- */

static void several_addresses(void **state)
{
	const struct setting_list *listen = &config.server.listen;

	expect_good("exports: [{path: /a}]\n"
		    "server: {listen: [10.0.0.1:2049, '[::1]:1']}\n");
	assert_int_equal(listen->count, 2);
	assert_string_equal(listen->items[0], "10.0.0.1:2049");
	assert_string_equal(listen->items[1], "[::1]:1");
	config_free(&config);
	expect_error("exports: [{path: /a}]\n"
		     "server: {listen: [10.0.0.1:2049, localhost:1]}\n",
		"F:2:34: server.listen: ",
		"\"localhost:1\" is not a numeric address");
	expect_error("exports: [{path: /a}]\n"
		     "server: {listen: [10.0.0.1:2049, [x]]}\n",
		"F:2:34: server.listen: ", "numeric");
}

static void anchors_are_values_like_any(void **state)
{
	expect_good("exports:\n  - &one {path: &p /a, pseudo: /one}\n"
		    "  - {path: *p, pseudo: /two}\n");
	assert_string_equal(config_export(&config, 1)->path, "/a");
	config_free(&config);
	expect_errors("exports: &x\n  - *x\n", 1);
	config_free(&config);
	expect_error("exports: [{path: /a}]\nserver: &x {listen: *x}\n",
		"F:2:9: server.listen: ", "numeric");
}

static void what_is_no_yaml_is_told(void **state)
{
	static const struct {
		const char *text, *start;
	} bad[] = {
		{"exports: [\n", "F:2:1: "},
		{"exports: [{path: /a}]\n\tserver: {}\n", "F:2:1: "},
		{"exports: [{path: /a}]\n--- {}\n", "F:2:5: "},
		{"a: b: c\n", "F:1:5: "},
		{"exports: [{path: \"\\0/a\"}]\n", "F:1:18: exports[0].path: "},
		{"exports: [{path: /a}]\nserver: \"\\q\"\n", "F:2:10: "},
		{"? [a]\n: b\nexports: [{path: /a}]\n", "F:1:3: "},
		{"exports: [{path: *nobody}]\n", "F:1:18: "},
		{"just words\n", "F:1:1: expected settings"},
		{"- a\n", "F:1:1: expected settings"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_error(bad[i].text, bad[i].start, "");
	expect_error("exports:\n - path: /\u00e4\nserver:\n\tlease: 9s\n",
		"F:4:1: ", "a tab: expected spaces");
	/* Bytes that are no text. */
	expect_error("server: {}\n# \xff\n", "F:2:3: ", "UTF-8");
	parse_bytes("exports: [{path: /a\0b}]\n", 24);
	assert_int_equal(error_count, 1);
	config_free(&config);
}

static void many_mistakes_are_counted(void **state)
{
	char text[4096] = "exports: [{path: /a}]\nserver:\n";

	for (int i = 0; i < 50; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"  x%d: 1\n", i);
	expect_errors(text, 50);
	config_free(&config);
}

static void a_file_that_is_not_there(void **state)
{
	struct config_errors errors = {
		.file = "/nonexistent/herald.yaml", .tell = note_error};

	first_error[0] = '\0';
	assert_int_equal(config_init(&config), 0);
	assert_int_equal(config_read(&config, &errors), 0);
	assert_int_equal(errors.count, 1);
	assert_string_equal(first_error,
		"/nonexistent/herald.yaml: No such file or directory");
	errors = (struct config_errors){.file = "/tmp", .tell = note_error};
	assert_int_equal(config_read(&config, &errors), 0);
	assert_int_equal(errors.count, 1);
	config_free(&config);
}

/* ---- defaults ---- */

/* The file of all defaults is one, and says what nobody says. */
static void the_printed_defaults_are_a_file(void **state)
{
	struct config plain;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	settings_print_yaml(&config_table, to);
	fclose(to);
	expect_good(text);
	assert_int_equal(config_init(&plain), 0);
	assert_memory_equal(&config.nfs, &plain.nfs, sizeof(plain.nfs));
	assert_string_equal(config.server.metrics, plain.server.metrics);
	assert_int_equal(config.server.lease, plain.server.lease);
	assert_int_equal(config.server.threads, plain.server.threads);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") < 80);
	config_free(&config);
	config_free(&plain);
	free(text);
}

/* A server that nobody configures is one configured with defaults. */
static void defaults_are_those_of_the_server(void **state)
{
	struct nfs_server_config plain, set;
	struct rpc_config rpc;

	expect_good("exports: [{path: /a}]\n");
	nfs_server_config_default(&plain, NULL, NULL);
	set = plain;
	nfs_settings_apply(&config.nfs, &set);
	assert_memory_equal(&plain, &set, sizeof(set));
	rpc_config_default(&rpc);
	assert_int_equal(rpc.max_connections, config.server.max_connections);
	assert_int_equal(rpc.threads_max, config.server.threads);
	assert_int_equal(plain.state.lease_ms, config.server.lease);
	config_free(&config);
}

/* What the file says arrives. */
static void settings_reach_the_server(void **state)
{
	struct nfs_server_config set;

	expect_good("exports: [{path: /a}]\n"
		    "nfs:\n  directory_delegations:\n"
		    "    enabled: off\n    batch_window: 2s\n    max: 7\n"
		    "    max_per_client: 3\n    at_limit: refuse\n"
		    "    memory: 2MiB\n"
		    "    queue_events: 9\n    queue_bytes: 1MiB\n"
		    "    classic_clients: recall\n    damping: 0\n"
		    "    damping_max: 1m\n    recall_wait: 5ms\n"
		    "    told_max_entries: 11\n"
		    "    child_attr_min_delay: 3s\n"
		    "    strict_destroy_clientid: yes\n");
	nfs_server_config_default(&set, NULL, NULL);
	nfs_settings_apply(&config.nfs, &set);
	assert_false(set.state.dir_delegations);
	assert_int_equal(set.state.notify_window_ms, 2000);
	assert_int_equal(set.state.max_dir_delegs, 7);
	assert_int_equal(set.state.max_client_dir_delegs, 3);
	assert_int_equal(set.state.max_deleg_bytes, 2 << 20);
	assert_true(set.state.refuse_at_limit);
	assert_int_equal(set.state.notify_max_events, 9);
	assert_int_equal(set.state.notify_max_bytes, 1 << 20);
	assert_false(set.state.classic_notify);
	assert_int_equal(set.state.damping_ms, 0);
	assert_int_equal(set.state.damping_max_ms, 60000);
	assert_int_equal(set.state.recall_wait_ms, 5);
	assert_int_equal(set.state.told_max_entries, 11);
	assert_int_equal(set.state.child_attr_min_delay_ms, 3000);
	assert_true(set.state.strict_destroy_clientid);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_a_value),
		cmocka_unit_test(every_number_has_its_range),
		cmocka_unit_test(every_setting_refuses_nonsense),
		cmocka_unit_test(units_are_needed_and_known),
		cmocka_unit_test(units_are_named),
		cmocka_unit_test(no_setting_is_set_twice),
		cmocka_unit_test(unknown_settings_are_told),
		cmocka_unit_test(exports_are_needed),
		cmocka_unit_test(exports_do_not_lie_below_one_another),
		cmocka_unit_test(options_of_exports),
		cmocka_unit_test(options_that_are_none),
		cmocka_unit_test(several_addresses),
		cmocka_unit_test(anchors_are_values_like_any),
		cmocka_unit_test(what_is_no_yaml_is_told),
		cmocka_unit_test(many_mistakes_are_counted),
		cmocka_unit_test(a_file_that_is_not_there),
		cmocka_unit_test(the_printed_defaults_are_a_file),
		cmocka_unit_test(defaults_are_those_of_the_server),
		cmocka_unit_test(settings_reach_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
