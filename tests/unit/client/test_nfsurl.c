/* SPDX-License-Identifier: MIT */
/* nfs:// URLs: what is understood, and what is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/nfsurl.h"

/* The components joined by '|', so that a test is one comparison. */
static void assert_path(const struct nfsurl *url, const char *expected)
{
	char joined[1024] = "";
	size_t at = 0;

	for (size_t i = 0; i < url->nnames; i++)
		at += (size_t)snprintf(joined + at, sizeof(joined) - at,
			"%s%.*s", i ? "|" : "", (int)url->names[i].len,
			url->names[i].data);
	assert_string_equal(joined, expected);
}

static void assert_good(
	const char *text, const char *host, unsigned port, const char *path)
{
	struct nfsurl url;
	const char *wrong = nfsurl_parse(text, &url);

	if (wrong)
		fail_msg("%s: %s", text, wrong);
	assert_string_equal(url.host, host);
	assert_int_equal(url.port, port);
	assert_path(&url, path);
	nfsurl_fini(&url);
}

static void assert_bad(const char *text, const char *reason)
{
	struct nfsurl url;
	const char *wrong = nfsurl_parse(text, &url);

	if (!wrong)
		fail_msg("%s was taken", text);
	if (!strstr(wrong, reason))
		fail_msg("%s: \"%s\", not \"%s\"", text, wrong, reason);
	assert_null(url.host);
	assert_null(url.names);
}

static void test_plain(void **state)
{
	assert_good("nfs://server/export/dir", "server", 2049, "export|dir");
	assert_good("nfs://server:20490/a", "server", 20490, "a");
	assert_good("nfs://192.0.2.1/a", "192.0.2.1", 2049, "a");
}

static void test_root(void **state)
{
	assert_good("nfs://server", "server", 2049, "");
	assert_good("nfs://server/", "server", 2049, "");
	assert_good("nfs://server:1", "server", 1, "");
}

static void test_ipv6(void **state)
{
	assert_good("nfs://[::1]/a", "::1", 2049, "a");
	assert_good("nfs://[fe80::1%eth0]:700", "fe80::1%eth0", 700, "");
	assert_bad("nfs://[::1/a", "']'");
	assert_bad("nfs://[]/a", "host");
	assert_bad("nfs://[::1]x/a", "port");
}

static void test_slashes_and_dots(void **state)
{
	assert_good("nfs://s//a///b/", "s", 2049, "a|b");
	assert_good("nfs://s/./a/./b/.", "s", 2049, "a|b");
	assert_good("nfs://s/.../..a", "s", 2049, "...|..a");
	assert_bad("nfs://s/a/../b", "..");
	assert_bad("nfs://s/%2e%2E", "..");
}

static void test_escapes(void **state)
{
	assert_good("nfs://s/a%20b/%C3%a4/%25", "s", 2049, "a b|\xc3\xa4|%");
	assert_good("nfs://s/%ff%01", "s", 2049, "\xff\x01");
	assert_good("nfs://s/a b+c&d=e", "s", 2049, "a b+c&d=e");
	assert_bad("nfs://s/a%2", "hexadecimal");
	assert_bad("nfs://s/a%", "hexadecimal");
	assert_bad("nfs://s/a%g0", "hexadecimal");
	assert_bad("nfs://s/a%0x", "hexadecimal");
	assert_bad("nfs://s/a%00b", "NUL");
	assert_bad("nfs://s/a%2fb", "'/'");
	assert_bad("nfs://s/a?b", "%3F");
	assert_bad("nfs://s/a#b", "%23");
}

static void test_bad_hosts(void **state)
{
	assert_bad("server:/export", "nfs://");
	assert_bad("NFS:/server/a", "nfs://");
	assert_bad("", "nfs://");
	assert_bad("nfs://", "host");
	assert_bad("nfs:///a", "host");
	assert_bad("nfs://:2049/a", "host");
	assert_bad("nfs://me@server/a", "user");
	assert_bad("nfs://s:/a", "port");
	assert_bad("nfs://s:0/a", "port");
	assert_bad("nfs://s:65536/a", "port");
	assert_bad("nfs://s:100000/a", "port");
	assert_bad("nfs://s:20x/a", "port");
	assert_bad("nfs://fe80::1/a", "port");
}

static void test_long_names(void **state)
{
	char text[600];
	struct nfsurl url;

	strcpy(text, "nfs://s/");
	memset(text + 8, 'a', 256);
	text[8 + 255] = '\0';
	assert_null(nfsurl_parse(text, &url));
	assert_int_equal(url.names[0].len, 255);
	nfsurl_fini(&url);
	text[8 + 255] = 'a';
	text[8 + 256] = '\0';
	assert_bad(text, "255");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_slashes_and_dots),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_bad_hosts),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
