/* SPDX-License-Identifier: MIT */
#include "cli/render_control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef void (*renderer)(struct render *r, const json_t *object);

static void check(renderer render, const char *json, const char *expected)
{
	json_t *object = json_loads(json, 0, NULL);
	struct render r = {.data = NULL};

	assert_non_null(object);
	render(&r, object);
	render_bytes(&r, "", 1);
	assert_string_equal(r.data, expected);
	render_fini(&r);
	json_decref(object);
}

/* Where a column begins, by its title. */
static size_t column(void (*head)(struct render *r), const char *title)
{
	struct render r = {.data = NULL};
	size_t at;

	head(&r);
	render_bytes(&r, "", 1);
	assert_non_null(strstr(r.data, title));
	at = (size_t)(strstr(r.data, title) - r.data);
	render_fini(&r);
	return at;
}

static const char active[] =
	"{\"delegation\":\"0100000001000000fe197289\",\"type\":\"directory\","
	"\"client\":\"100000001\",\"owner\":\"Linux NFSv4.2 alice\","
	"\"address\":\"127.0.0.1:703\",\"path\":\"/photos\","
	"\"filehandle\":\"0101\",\"kinds\":[\"remove_entry\",\"add_entry\","
	"\"child_attrs\"],\"state\":\"active\",\"age_s\":63,\"queued\":12}";

static void test_a_delegation(void **state)
{
	check(render_delegation, active,
		"0100000001000000fe197289 127.0.0.1:703         directory "
		"active              1m         12 "
		"remove,add,child_attrs     /photos                  "
		"Linux\\ NFSv4.2\\ alice\n");
}

/* What herald watch asks for would not fit the column. */
static void test_all_kinds(void **state)
{
	check(render_delegation,
		"{\"delegation\":\"01\",\"type\":\"directory\","
		"\"kinds\":[\"child_attrs\",\"dir_attrs\",\"remove_entry\","
		"\"add_entry\",\"rename_entry\",\"cookie_verifier\"],"
		"\"state\":\"active\",\"age_s\":7,\"queued\":0,"
		"\"path\":\"/a\"}",
		"01                       -                     directory "
		"active              7s          0 "
		"all                        /a                       -\n");
}

static void test_dd16_a_recall_shows_its_reason(void **state)
{
	check(render_delegation,
		"{\"delegation\":\"01\",\"type\":\"directory\","
		"\"kinds\":[],\"state\":\"recalled\",\"reason\":\"overflow\","
		"\"age_s\":7,\"queued\":0,\"filehandle\":\"abcd\"}",
		"01                       -                     directory "
		"recalled:overflow   7s          0 "
		"-                          handle:abcd              -\n");
}

/* Whatever a client or a directory is called. */
static void test_names_are_safe(void **state)
{
	check(render_delegation,
		"{\"delegation\":\"01\",\"type\":\"directory\","
		"\"owner\":\"a\\u001b[31m\\nb\",\"path_b64\":\"L2H/IGI=\","
		"\"state\":\"active\",\"age_s\":0,\"queued\":0}",
		"01                       -                     directory "
		"active              0s          0 "
		"-                          /a\\xff\\ b                "
		"a\\x1b[31m\\nb\n");
	check(render_delegation, "{\"delegation\":\"\\u001b\"}",
		"\\x1b                     -                     -         "
		"                    0s          0 "
		"-                          handle:-                 -\n");
}

static void assert_column(const char *line, const char *text, size_t at)
{
	const char *found = strstr(line, text);

	assert_non_null(found);
	assert_int_equal(found - line, at);
}

static void test_columns_are_below_their_titles(void **state)
{
	json_t *object = json_loads(active, 0, NULL);
	struct render r = {.data = NULL};

	render_delegation(&r, object);
	render_bytes(&r, "", 1);
	assert_column(
		r.data, "127.", column(render_delegations_head, "ADDRESS"));
	assert_column(
		r.data, "directory", column(render_delegations_head, "TYPE"));
	assert_column(
		r.data, "active", column(render_delegations_head, "STATE"));
	assert_column(r.data, "1m", column(render_delegations_head, "AGE"));
	assert_column(
		r.data, "remove,", column(render_delegations_head, "KINDS"));
	assert_column(
		r.data, "/photos", column(render_delegations_head, "PATH"));
	assert_column(
		r.data, "Linux", column(render_delegations_head, "OWNER"));
	render_fini(&r);
	json_decref(object);
}

static void test_a_client(void **state)
{
	check(render_client,
		"{\"client\":\"100000001\",\"owner\":\"x\","
		"\"address\":\"[2001:db8::1]:703\",\"minor_version\":2,"
		"\"state\":\"expired\",\"backchannel\":\"down\","
		"\"silent_s\":90061,\"sessions\":1,\"opens\":20,"
		"\"directory_delegations\":300,\"revoked\":4}",
		"100000001         [2001:db8::1]:703     expired down    "
		"1d1h          1      20       300       4 x\n");
	assert_int_equal(column(render_clients_head, "OWNER"),
		strlen("100000001         [2001:db8::1]:703     expired down "
		       "   1d1h          1      20       300       4 "));
}

static void test_ages(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{"{\"silent_s\":59}", "59s"},
		{"{\"silent_s\":60}", "1m"},
		{"{\"silent_s\":3599}", "59m"},
		{"{\"silent_s\":3660}", "1h01m"},
		{"{\"silent_s\":86400}", "1d0h"},
		{"{\"silent_s\":-5}", "0s"},
		{"{}", "0s"},
	};
	size_t at = column(render_clients_head, "SILENT");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *object = json_loads(rows[i].json, 0, NULL);
		struct render r = {.data = NULL};

		render_client(&r, object);
		assert_memory_equal(
			r.data + at, rows[i].text, strlen(rows[i].text));
		render_fini(&r);
		json_decref(object);
	}
}

static void test_recalled(void **state)
{
	check(render_recall, "{\"recalled\":0}", "0 delegations recalled\n");
	check(render_recall, "{\"recalled\":1}", "1 delegation recalled\n");
	check(render_recall, "{\"recalled\":7}", "7 delegations recalled\n");
}

static void test_status(void **state)
{
	check(render_status,
		"{\"version\":\"1.2\",\"pid\":77,\"uptime_s\":61,"
		"\"address\":\"[::]:2049\",\"lease_s\":90,\"grace\":true,"
		"\"exports\":[{\"path\":\"/a\",\"read_only\":true},"
		"{\"path\":\"/b c\",\"read_only\":false}],"
		"\"clients\":1,\"sessions\":2,\"connections\":3,\"opens\":4,"
		"\"lock_ranges\":5,\"threads\":6,\"delegations\":{"
		"\"file\":{\"limit\":0},\"directory\":{\"outstanding\":10,"
		"\"limit\":100,\"being_recalled\":1,\"granted\":20,"
		"\"revoked\":2,\"refused\":{\"limit\":3},\"recalled\":"
		"{\"conflict\":4,\"admin\":5}}},\"delegation_memory\":{"
		"\"bytes\":4400,\"limit_bytes\":1048576},"
		"\"notifications\":{"
		"\"queued\":{\"add_entry\":9},\"delivered\":{},\"batches\":8,"
		"\"overflows\":{},\"queue_bytes\":640}}",
		"heraldd        1.2, pid 77, up 1m, in grace\n"
		"address        [::]:2049, lease 90 s\n"
		"exports        /a (read-only)\n"
		"               /b\\ c\n"
		"clients        1\n"
		"sessions       2\n"
		"connections    3\n"
		"threads        6\n"
		"open files     4\n"
		"locked ranges  5\n"
		"directory      10 of 100 delegations, 1 being recalled\n"
		"  granted      20\n"
		"  refused      3 (limit 3)\n"
		"  recalled     9 (conflict 4, admin 5)\n"
		"  revoked      2\n"
		"  memory       4.3 KiB of 1.0 MiB\n"
		"notifications  8 sent, 640 bytes waiting\n"
		"  queued       9 (add_entry 9)\n"
		"  delivered    0\n"
		"  overflows    0\n");
}

static void test_status_without_delegations(void **state)
{
	check(render_status,
		"{\"version\":\"1\",\"pid\":7,\"address\":\"x\","
		"\"delegations\":{\"file\":{\"limit\":0},"
		"\"directory\":{\"limit\":0,\"refused\":{}}}}",
		"heraldd        1, pid 7, up 0s\n"
		"address        x, lease 0 s\n"
		"clients        0\n"
		"sessions       0\n"
		"connections    0\n"
		"threads        0\n"
		"open files     0\n"
		"locked ranges  0\n"
		"directory      no delegations: they are switched off\n"
		"notifications  0 sent, 0 bytes waiting\n"
		"  queued       0\n"
		"  delivered    0\n"
		"  overflows    0\n");
}

/* A server of another age says less, or other things. */
static void test_anything_is_rendered(void **state)
{
	static const renderer all[] = {
		render_status, render_client, render_delegation, render_recall};
	static const char *const objects[] = {"{}", "[]", "7",
		"{\"kinds\":7,\"owner\":7,\"path\":[],\"path_b64\":\"*\","
		"\"exports\":[7],\"delegations\":[],\"recalled\":\"x\","
		"\"notifications\":{\"queued\":7}}"};

	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 4; k++) {
			json_t *object =
				json_loads(objects[k], JSON_DECODE_ANY, NULL);
			struct render r = {.data = NULL};

			all[i](&r, object);
			assert_int_equal(r.data[r.len - 1], '\n');
			assert_false(r.failed);
			render_fini(&r);
			json_decref(object);
		}
	}
}

static void test_json_of_what_is_no_text(void **state)
{
	json_t *object = json_loads(
		"{\"path_b64\":\"L2H/YsM=\",\"owner\":\"x\"}", 0, NULL);

	render_complete_json(object);
	assert_string_equal(json_string_value(json_object_get(object, "path")),
		"/a\xef\xbf\xbd"
		"b\xef\xbf\xbd");
	assert_string_equal(
		json_string_value(json_object_get(object, "owner")), "x");
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_delegation),
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_dd16_a_recall_shows_its_reason),
		cmocka_unit_test(test_names_are_safe),
		cmocka_unit_test(test_columns_are_below_their_titles),
		cmocka_unit_test(test_a_client),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_recalled),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_status_without_delegations),
		cmocka_unit_test(test_anything_is_rendered),
		cmocka_unit_test(test_json_of_what_is_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
