/* SPDX-License-Identifier: MIT */
/* How changes are written, for eyes and for programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/render.h"
#include "cli/utf8.h"

static void assert_rendered(struct render *r, const char *expected)
{
	assert_false(r->failed);
	render_bytes(r, "", 1);
	assert_string_equal(r->data, expected);
	render_fini(r);
}

static void assert_name(const char *name, const char *expected)
{
	struct render r = {.data = NULL};

	render_name(&r, name_from_str(name));
	assert_rendered(&r, expected);
}

static void assert_json(const char *name, const char *expected)
{
	struct render r = {.data = NULL};

	render_json_name(&r, "n", name_from_str(name));
	assert_rendered(&r, expected);
}

static void test_name_plain(void **state)
{
	assert_name("", "");
	assert_name("a.txt", "a.txt");
	assert_name("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7");
}

static void test_name_escaped(void **state)
{
	assert_name("a b", "a\\ b");
	assert_name("a\\b", "a\\\\b");
	assert_name("a\nb\tc", "a\\nb\\tc");
	assert_name("\x1b[31m\x7f", "\\x1b[31m\\x7f");
	/* C1's CSI, a direction override, a line separator, a BOM */
	assert_name("\xc2\x9b"
		    "1m",
		"\\xc2\\x9b1m");
	assert_name("\xe2\x80\xae", "\\xe2\\x80\\xae");
	assert_name("\xe2\x80\xa8", "\\xe2\\x80\\xa8");
	assert_name("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
}

static void test_name_not_utf8(void **state)
{
	assert_name("\xff", "\\xff");
	assert_name("a\xc3", "a\\xc3");
	assert_name("\xc0\xaf", "\\xc0\\xaf");          /* overlong */
	assert_name("\xe0\x80\xaf", "\\xe0\\x80\\xaf"); /* overlong */
	assert_name("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
	assert_name("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	assert_name("\xe2\x82x", "\\xe2\\x82x");
}

static void test_json(void **state)
{
	assert_json("a b", "\"n\":\"a b\"");
	assert_json("a\"b\\c", "\"n\":\"a\\\"b\\\\c\"");
	assert_json("a\nb\x1b", "\"n\":\"a\\u000ab\\u001b\"");
	assert_json("\xc3\xa4", "\"n\":\"\xc3\xa4\"");
	assert_json("\xe2\x80\xae", "\"n\":\"\\u202e\"");
}

static void test_json_not_utf8(void **state)
{
	assert_json("\xff", "\"n\":\"\\ufffd\",\"n_b64\":\"/w==\"");
	assert_json("a\xff", "\"n\":\"a\\ufffd\",\"n_b64\":\"Yf8=\"");
	assert_json("ab\xff", "\"n\":\"ab\\ufffd\",\"n_b64\":\"YWL/\"");
	assert_json("abc\xff", "\"n\":\"abc\\ufffd\",\"n_b64\":\"YWJj/w==\"");
}

static void assert_line(
	const struct render_change *change, const char *text, const char *json)
{
	struct render r = {.data = NULL};

	render_change(&r, change, false);
	assert_rendered(&r, text);
	render_change(&r, change, true);
	assert_rendered(&r, json);
}

static void test_lines(void **state)
{
	struct render_change change = {
		.dir = name_from_str("/a b/"),
		.name = name_from_str("x"),
		.to = name_from_str("y"),
		.type = OBJECT_FILE,
	};

	change.event = RENDER_CREATE;
	assert_line(&change, "/a\\ b/ CREATE x\n",
		"{\"event\":\"CREATE\",\"dir\":\"/a b/\",\"name\":\"x\","
		"\"type\":\"file\"}\n");
	change.event = RENDER_DELETE;
	change.type = OBJECT_NONE;
	assert_line(&change, "/a\\ b/ DELETE x\n",
		"{\"event\":\"DELETE\",\"dir\":\"/a b/\",\"name\":\"x\"}\n");
	change.event = RENDER_MOVE;
	change.type = OBJECT_DIR;
	assert_line(&change, "/a\\ b/ MOVE x y\n",
		"{\"event\":\"MOVE\",\"dir\":\"/a b/\",\"name\":\"x\","
		"\"to\":\"y\",\"type\":\"dir\"}\n");
	change.event = RENDER_MODIFY;
	assert_line(&change, "/a\\ b/ MODIFY x\n",
		"{\"event\":\"MODIFY\",\"dir\":\"/a b/\",\"name\":\"x\","
		"\"type\":\"dir\"}\n");
	change.event = RENDER_ATTRIB;
	assert_line(&change, "/a\\ b/ ATTRIB x\n",
		"{\"event\":\"ATTRIB\",\"dir\":\"/a b/\",\"name\":\"x\","
		"\"type\":\"dir\"}\n");
	change.event = RENDER_RESCAN;
	assert_line(&change, "/a\\ b/ RESCAN\n",
		"{\"event\":\"RESCAN\",\"dir\":\"/a b/\"}\n");
}

static void test_odd_type(void **state)
{
	struct render_change change = {.event = RENDER_CREATE,
		.dir = name_from_str("/"),
		.name = name_from_str("x"),
		.type = (enum object_type)99};

	assert_line(&change, "/ CREATE x\n",
		"{\"event\":\"CREATE\",\"dir\":\"/\",\"name\":\"x\"}\n");
}

/* Whatever the bytes, a line of text stays one line of harmless UTF-8. */
static void test_every_byte(void **state)
{
	struct render r = {.data = NULL};
	char name[2];

	for (int i = 1; i < 256; i++) {
		for (int k = 1; k < 256; k++) {
			uint32_t c;

			name[0] = (char)i;
			name[1] = (char)k;
			r.len = 0;
			render_name(&r, (struct name){2, name});
			for (size_t at = 0, n; at < r.len; at += n) {
				n = utf8_next(r.data + at, r.len - at, &c);
				assert_true(n > 0 && utf8_is_harmless(c));
			}
		}
	}
	render_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_plain),
		cmocka_unit_test(test_name_escaped),
		cmocka_unit_test(test_name_not_utf8),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_not_utf8),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_odd_type),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
