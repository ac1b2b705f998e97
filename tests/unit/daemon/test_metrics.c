/* SPDX-License-Identifier: MIT */
/* The table of metrics, the page made of it, and who may ask for it. */
#include "daemon/metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/address.h"
#include "testserver.h"

static struct metrics metrics;

static char *print(void (*function)(FILE *to))
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	function(to);
	if (fclose(to) != 0 || !text)
		abort();
	return text;
}

static void print_page(FILE *to)
{
	metrics_print_page(&metrics, to);
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* ---- the table ---- */

static void test_names_keep_the_rules(void **state)
{
	for (size_t i = 0; i < metrics_table_size; i++) {
		const struct metric *m = &metrics_table[i];
		bool time = m->milliseconds || strstr(m->name, "_time_");

		assert_memory_equal(m->name, "herald_", 7);
		assert_int_equal(m->type == METRIC_COUNTER,
			ends_with(m->name, "_total"));
		assert_int_equal(time, ends_with(m->name, "_seconds"));
		assert_true(ends_with(m->help, "."));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(m->name, metrics_table[k].name);
	}
}

/* No label takes more values than somebody could look at. */
static void test_labels_are_bounded(void **state)
{
	for (size_t i = 0; i < metrics_table_size; i++) {
		size_t series = 1;

		for (int k = 0; k < METRIC_LABELS_MAX; k++) {
			if (metrics_table[i].by[k].label)
				series *= metrics_table[i].by[k].label->count;
		}
		assert_true(series <= 400);
	}
}

static void test_dd18_types_share_names(void **state)
{
	char *page;

	memset(&metrics, 0, sizeof(metrics));
	metrics.delegs.type[DELEG_FILE].granted = 3;
	metrics.delegs.type[DELEG_DIR].granted = 70000000000;
	metrics.delegs.type[DELEG_DIR].recalled[RECALL_ADMIN] = 5;
	metrics.delegs.type[DELEG_DIR].refused[DELEG_REFUSED_HOLDOFF] = 6;
	page = print(print_page);
	assert_has(page,
		"\nherald_delegations_granted_total{type=\"file\"} 3\n"
		"herald_delegations_granted_total{type=\"directory\"} "
		"70000000000\n");
	assert_has(page,
		"\nherald_delegations_recalled_total{type=\"directory\","
		"reason=\"admin\"} 5\n");
	assert_has(page,
		"\nherald_delegations_refused_total{type=\"directory\","
		"reason=\"holdoff\"} 6\n");
	free(page);
}

static void test_histograms_add_up(void **state)
{
	struct histogram h = {0};
	char *page;

	memset(&metrics, 0, sizeof(metrics));
	histogram_add(&h, 1);
	histogram_add(&h, 3);
	histogram_add(&h, 4);
	histogram_add(&h, UINT64_C(1) << 40);
	histogram_read(&h, &metrics.delegs.type[DELEG_DIR].recall_ms);
	page = print(print_page);
#define NAME "\nherald_delegation_recall_duration_seconds"
	assert_has(page, NAME "_bucket{type=\"directory\",le=\"0.001\"} 1\n");
	assert_has(page, NAME "_bucket{type=\"directory\",le=\"0.002\"} 1\n");
	assert_has(page, NAME "_bucket{type=\"directory\",le=\"0.004\"} 3\n");
	assert_has(
		page, NAME "_bucket{type=\"directory\",le=\"4194.304\"} 3\n");
	assert_has(page, NAME "_bucket{type=\"directory\",le=\"+Inf\"} 4\n");
	assert_has(page, NAME "_sum{type=\"directory\"} 1099511627.784\n");
	assert_has(page, NAME "_count{type=\"directory\"} 4\n");
#undef NAME
	free(page);
}

/* Hundreds of operations nobody uses would only hide the others. */
static void test_unused_operations_are_left_out(void **state)
{
	char *page;

	memset(&metrics, 0, sizeof(metrics));
	metrics.operations[OP_CREATE][COUNT_DELAY] = 2;
	metrics.operations[COUNT_ILLEGAL][COUNT_REFUSED] = 1;
	metrics.operations[1][COUNT_OK] = 9; /* no operation has this number */
	page = print(print_page);
	assert_has(page,
		"# TYPE herald_operations_total counter\n"
		"herald_operations_total{operation=\"ILLEGAL\","
		"status=\"refused\"} 1\n"
		"herald_operations_total{operation=\"CREATE\","
		"status=\"delay\"} 2\n#");
	assert_has(page,
		"herald_callbacks_total{operation=\"CB_NOTIFY\","
		"answer=\"down\"} 0\n");
	free(page);
}

static void test_dd23_marks_and_local_events(void **state)
{
	char *page;

	memset(&metrics, 0, sizeof(metrics));
	metrics.watch = (struct store_watch_stats){.marks = 3,
		.max_marks = 8799,
		.refused = 4,
		.reports = 50,
		.own = 60,
		.lost = 1};
	page = print(print_page);
	assert_has(page, "\nherald_local_marks 3\n");
	assert_has(page, "\nherald_local_marks_limit 8799\n");
	assert_has(page, "\nherald_local_marks_refused_total 4\n");
	assert_has(page, "\nherald_local_events_total 50\n");
	assert_has(page, "\nherald_local_own_events_total 60\n");
	assert_has(page, "\nherald_local_overflows_total 1\n");
	free(page);
}

static void test_the_table_has_a_row_for_each(void **state)
{
	char *table = print(metrics_print_table), *at = table;
	size_t lines = 0;

	while ((at = strchr(at, '\n'))) {
		at++;
		lines++;
	}
	assert_int_equal(lines, metrics_table_size + 2);
	assert_has(table, "`kind`: child_attrs, dir_attrs, ");
	free(table);
}

/* ---- over HTTP ---- */

struct site {
	struct testserver ts;
	struct metrics_http *http;
	struct sockaddr_storage addr;
};

static int setup(void **state)
{
	static const struct testserver_options options;
	struct site *site = calloc(1, sizeof(*site));
	struct metrics_source source;
	struct sockaddr_storage any;
	socklen_t len;

	testserver_start(&site->ts, &options);
	source = (struct metrics_source){
		.server = site->ts.server, .index = site->ts.index};
	assert_true(address_parse_local("0", &any, &len));
	assert_int_equal(metrics_http_start(
				 &any, len, &source, &site->http, &site->addr),
		0);
	*state = site;
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;

	metrics_http_stop(site->http);
	testserver_stop(&site->ts);
	free(site);
	return 0;
}

static void switch_off(struct nfs_server_config *config)
{
	config->state.dir_delegations = false;
}

/* Where they are switched off, there are none. */
static void test_dd18_a_limit_of_none(void **state)
{
	static const struct testserver_options options = {
		.configure = switch_off};
	static struct metrics m;
	struct testserver ts;
	struct metrics_source source = {.started_s = 1};

	testserver_start(&ts, &options);
	source.server = ts.server;
	source.index = ts.index;
	metrics_read(&source, &m);
	assert_int_equal(m.deleg_limits[DELEG_DIR], 0);
	testserver_stop(&ts);
}

static int dial(const struct site *site)
{
	struct timeval patience = {.tv_sec = 30};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (const struct sockaddr *)&site->addr,
				 sizeof(struct sockaddr_in)),
		0);
	return fd;
}

/* What is answered until the server closes; @text is the caller's. */
static void ask(
	const struct site *site, const char *request, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd = dial(site);

	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while ((n = read(fd, text + len, size - len - 1)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

#define GET(path) \
	"GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_get(void **state)
{
	static char text[128 * 1024];
	struct nfsc *client;
	struct site *site = *state;

	client = testserver_client(&site->ts);
	ask(site, GET("/metrics"), text, sizeof(text));
	assert_memory_equal(text, "HTTP/1.1 200 ", 13);
	assert_has(text, "Content-Type: text/plain; version=0.0.4");
	assert_has(text, "\nherald_clients 1\n");
	assert_has(text, "operation=\"EXCHANGE_ID\",status=\"ok\"} 1\n");
	nfsc_free(client);
}

static void test_anything_else(void **state)
{
	static char text[64 * 1024];
	const struct site *site = *state;

	ask(site, GET("/"), text, sizeof(text));
	assert_memory_equal(text, "HTTP/1.1 404 ", 13);
	ask(site, GET("/metrics/x"), text, sizeof(text));
	assert_memory_equal(text, "HTTP/1.1 404 ", 13);
	ask(site,
		"DELETE /metrics HTTP/1.1\r\nHost: x\r\n"
		"Connection: close\r\n\r\n",
		text, sizeof(text));
	assert_memory_equal(text, "HTTP/1.1 405 ", 13);
	assert_has(text, "Allow: GET, HEAD");
	ask(site,
		"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
		"Connection: close\r\n\r\nabc",
		text, sizeof(text));
	assert_memory_equal(text, "HTTP/1.1 405 ", 13);
	ask(site, "nonsense\r\n\r\n", text, sizeof(text));
	assert_null(strstr(text, " 200 "));
}

/* One more than a host may have: it is closed at once, without a word. */
static void test_connections_are_bounded(void **state)
{
	struct site *site = *state;
	int fds[9];
	char byte;

	for (size_t i = 0; i < 9; i++)
		fds[i] = dial(site);
	errno = 0;
	assert_true(read(fds[8], &byte, 1) <= 0);
	assert_int_not_equal(errno, EAGAIN);
	for (size_t i = 0; i < 9; i++)
		close(fds[i]);
}

static void test_a_taken_address(void **state)
{
	struct site *site = *state;
	struct metrics_source source = {.server = site->ts.server};
	struct sockaddr_storage bound;
	struct metrics_http *second;

	assert_int_equal(
		metrics_http_start(&site->addr, sizeof(struct sockaddr_in),
			&source, &second, &bound),
		-EADDRINUSE);
}

/* ---- addresses ---- */

static void assert_local(const char *text, const char *expected)
{
	char formatted[ADDRESS_TEXT_MAX];
	struct sockaddr_storage addr;
	socklen_t len;

	if (!expected) {
		assert_false(address_parse_local(text, &addr, &len));
		return;
	}
	assert_true(address_parse_local(text, &addr, &len));
	address_format(&addr, formatted, sizeof(formatted));
	assert_string_equal(formatted, expected);
}

static void test_a_port_alone_is_local(void **state)
{
	assert_local("9465", "127.0.0.1:9465");
	assert_local(":9465", "127.0.0.1:9465");
	assert_local("192.0.2.1:80", "192.0.2.1:80");
	assert_local("[::1]:80", "[::1]:80");
	assert_local("0.0.0.0:80", "0.0.0.0:80");
	assert_local("", NULL);
	assert_local(":", NULL);
	assert_local("host:80", NULL);
	assert_local("192.0.2.1", NULL);
	assert_local("99999999999999999999999999999999999999999999999999999"
		     "9999999999",
		NULL);
}

#define HTTP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_keep_the_rules),
		cmocka_unit_test(test_labels_are_bounded),
		cmocka_unit_test(test_dd18_types_share_names),
		cmocka_unit_test(test_histograms_add_up),
		cmocka_unit_test(test_unused_operations_are_left_out),
		cmocka_unit_test(test_dd23_marks_and_local_events),
		cmocka_unit_test(test_dd18_a_limit_of_none),
		cmocka_unit_test(test_the_table_has_a_row_for_each),
		HTTP_TEST(test_get),
		HTTP_TEST(test_anything_else),
		HTTP_TEST(test_connections_are_bounded),
		HTTP_TEST(test_a_taken_address),
		cmocka_unit_test(test_a_port_alone_is_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
