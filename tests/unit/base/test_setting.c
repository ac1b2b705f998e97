/* SPDX-License-Identifier: MIT */
/* Values of settings, from text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/setting.h"

struct values {
	bool flag;
	uint64_t number, duration, size;
	unsigned choice;
	char *text;
	struct setting_list list;
};

static const char *const words[] = {"red", "green", "blue", NULL};

static const char *no_spaces(const char *text)
{
	return *text == '\0' || strchr(text, ' ') ? "has a space" : NULL;
}

#define AT(member) .at = offsetof(struct values, member)

enum { FLAG, NUMBER, DURATION, SIZE, CHOICE, TEXT, LIST };

static const struct setting rows[] = {
	[FLAG] = {"flag", SETTING_BOOL, AT(flag), .value = "true"},
	[NUMBER] = {"number", SETTING_NUMBER, AT(number), 0, UINT64_MAX,
		.value = "7"},
	[DURATION] = {"duration", SETTING_DURATION, AT(duration), 5,
		7200 * 1000, .value = "90s"},
	[SIZE] = {"size", SETTING_SIZE, AT(size), 0, UINT64_MAX,
		.value = "4KiB"},
	[CHOICE] = {"choice", SETTING_CHOICE, AT(choice), .words = words,
		.value = "green"},
	[TEXT] = {"text", SETTING_TEXT, AT(text), .fault = no_spaces,
		.expected = "one word"},
	[LIST] = {"list", SETTING_LIST, AT(list), .fault = no_spaces,
		.expected = "words", .value = "a"},
};

static const struct settings table = {
	.name = "values",
	.size = sizeof(struct values),
	.rows = rows,
	.nrows = sizeof(rows) / sizeof(rows[0]),
};

static struct values v;

static int setup(void **state)
{
	return settings_init(&table, &v);
}

static int teardown(void **state)
{
	settings_free(&table, &v);
	return 0;
}

static void assert_format(int row, const char *text)
{
	char buf[64];

	setting_format(&rows[row], &v, buf, sizeof(buf));
	assert_string_equal(buf, text);
}

static void assert_expected(int row, const char *text)
{
	char buf[64];

	setting_expected(&rows[row], buf, sizeof(buf));
	assert_string_equal(buf, text);
}

static void set(int row, const char *text)
{
	assert_int_equal(setting_set(&rows[row], &v, text), 0);
}

static void refuse(int row, const char *text)
{
	char before[64], after[64];

	setting_format(&rows[row], &v, before, sizeof(before));
	assert_int_equal(setting_set(&rows[row], &v, text), -EINVAL);
	setting_format(&rows[row], &v, after, sizeof(after));
	assert_string_equal(before, after);
}

static void defaults(void **state)
{
	assert_true(v.flag);
	assert_int_equal(v.number, 7);
	assert_int_equal(v.duration, 90000);
	assert_int_equal(v.size, 4096);
	assert_int_equal(v.choice, 1);
	assert_string_equal(v.text, "");
	assert_int_equal(v.list.count, 1);
}

static void switches(void **state)
{
	set(FLAG, "off");
	assert_false(v.flag);
	set(FLAG, "yes");
	assert_true(v.flag);
	set(FLAG, "no");
	set(FLAG, "on");
	set(FLAG, "false");
	assert_format(FLAG, "false");
	refuse(FLAG, "1");
	refuse(FLAG, "True");
	refuse(FLAG, "");
	assert_expected(FLAG, "true or false");
}

static void numbers(void **state)
{
	set(NUMBER, "18446744073709551615");
	assert_true(v.number == UINT64_MAX);
	assert_format(NUMBER, "18446744073709551615");
	refuse(NUMBER, "18446744073709551616");
	refuse(NUMBER, "184467440737095516150");
	refuse(NUMBER, "7s");
	refuse(NUMBER, " 7");
	refuse(NUMBER, "-7");
	set(NUMBER, "007");
	assert_format(NUMBER, "7");
}

static void durations(void **state)
{
	static const struct {
		const char *text, *format;
		uint64_t ms;
	} good[] = {{"5ms", "5ms", 5}, {"1500ms", "1500ms", 1500},
		{"2000ms", "2s", 2000}, {"60s", "1m", 60000},
		{"2h", "2h", 7200000}, {"120m", "2h", 7200000}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		set(DURATION, good[i].text);
		assert_int_equal(v.duration, good[i].ms);
		assert_format(DURATION, good[i].format);
	}
	refuse(DURATION, "4ms");
	refuse(DURATION, "0");
	refuse(DURATION, "121m");
	refuse(DURATION, "5");
	refuse(DURATION, "5 s");
	refuse(DURATION, "5d");
	refuse(DURATION, "5124095576030432h"); /* past 2^64 ms */
	assert_expected(DURATION, "a duration from 5ms to 2h");
}

static void sizes(void **state)
{
	set(SIZE, "0");
	assert_format(SIZE, "0B");
	set(SIZE, "16777215TiB");
	assert_format(SIZE, "16777215TiB");
	refuse(SIZE, "16777216TiB"); /* 2^64 */
	set(SIZE, "1536B");
	assert_format(SIZE, "1536B");
	set(SIZE, "1536MiB");
	assert_format(SIZE, "1536MiB");
	refuse(SIZE, "4MB");
	refuse(SIZE, "4096");
}

static void choices(void **state)
{
	set(CHOICE, "blue");
	assert_int_equal(v.choice, 2);
	assert_format(CHOICE, "blue");
	refuse(CHOICE, "Blue");
	refuse(CHOICE, "");
	assert_expected(CHOICE, "red, green or blue");
}

static void texts_and_lists(void **state)
{
	set(TEXT, "word");
	assert_format(TEXT, "word");
	refuse(TEXT, "two words");
	assert_expected(TEXT, "one word");
	assert_int_equal(setting_append(&rows[LIST], &v, "b"), 0);
	assert_int_equal(setting_append(&rows[LIST], &v, "c d"), -EINVAL);
	assert_int_equal(v.list.count, 2);
	assert_string_equal(v.list.items[1], "b");
	set(LIST, "z");
	assert_int_equal(v.list.count, 1);
	assert_format(LIST, "z");
	refuse(LIST, "");
}

/* However little room there is, what is written ends. */
static void short_buffers(void **state)
{
	char buf[64];

	for (size_t size = 1; size < sizeof(buf); size++) {
		for (size_t i = 0; i < table.nrows; i++) {
			setting_expected(&rows[i], buf, size);
			assert_true(strlen(buf) < size);
			setting_format(&rows[i], &v, buf, size);
			assert_true(strlen(buf) < size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(switches),
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(choices),
		cmocka_unit_test(texts_and_lists),
		cmocka_unit_test(short_buffers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
