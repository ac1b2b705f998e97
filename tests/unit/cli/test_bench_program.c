/* SPDX-License-Identifier: MIT */
/*
 * herald bench as a process against a whole server: its books add up, and it
 * leaves nothing behind. How long anything took is not looked at.
 */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/nfsc_ops.h"
#include "testserver.h"

#define ARGS_MAX 16

static const char *program;

struct fixture {
	struct testserver server;
	struct nfsc *client;
	char url[64];
	pid_t pid;
	int out;
	char text[8192];
};

/* Many delegations are asked for, few of them granted. */
static void configure(struct nfs_server_config *config)
{
	config->state.max_dir_delegs = 40;
	config->state.refuse_at_limit = true;
	config->state.notify_window_ms = 1;
}

static void listen_somewhere(struct fixture *f)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_storage bound;

	assert_int_equal(rpc_listen(f->server.server->rpc,
				 (struct sockaddr *)&any, sizeof(any), &bound),
		0);
	snprintf(f->url, sizeof(f->url), "nfs://127.0.0.1:%u/",
		ntohs(((struct sockaddr_in *)&bound)->sin_port));
}

static int setup(void **state)
{
	const struct testserver_options options = {.configure = configure};
	struct fixture *f = calloc(1, sizeof(*f));

	testserver_start(&f->server, &options);
	listen_somewhere(f);
	f->client = testserver_client(&f->server);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	nfsc_leave(f->client);
	nfsc_free(f->client);
	testserver_stop(&f->server);
	free(f);
	return 0;
}

/* ---- the program ---- */

/* Start it with @words and the URL; standard output goes to a pipe. */
static void start(struct fixture *f, const char *words)
{
	char copy[256], *argv[ARGS_MAX + 1] = {(char *)(uintptr_t)program};
	int out[2], n = 1;

	snprintf(copy, sizeof(copy), "bench notify %s", words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = f->url;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execv(program, argv);
		_exit(127);
	}
	close(out[1]);
	f->out = out[0];
}

/* Read until it has ended; its exit status. */
static int finish(struct fixture *f)
{
	size_t len = 0;
	int status;
	ssize_t n;

	while ((n = read(f->out, f->text + len, sizeof(f->text) - len - 1)) > 0)
		len += (size_t)n;
	close(f->out);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	f->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static double figure(struct fixture *f, const char *key)
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\"%s\":", key);
	at = strstr(f->text, wanted);
	if (!at)
		fail_msg("no %s in %s", key, f->text);
	return strtod(at + strlen(wanted), NULL);
}

static void expect(struct fixture *f, const char *key, double value)
{
	if (figure(f, key) != value)
		fail_msg("%s is not %g in %s", key, value, f->text);
}

/* ---- what it leaves ---- */

static int count_entry(void *ctx, const struct dircache_entry *entry)
{
	++*(unsigned *)ctx;
	return 0;
}

static unsigned entries(struct fixture *f)
{
	const bitmap4 none = {.beyond = false};
	struct nfsc_page page;
	struct nfsc_fh root;
	unsigned n = 0;

	assert_int_equal(nfsc_lookup(f->client, NULL, NULL, 0, &root, NULL), 0);
	assert_int_equal(
		nfsc_readdir(f->client, &root, &none, &page, count_entry, &n),
		0);
	return n;
}

static void test_rate(void **state)
{
	struct fixture *f = *state;

	start(f, "-d 3 -H 2 -n 5 -a -r 400 -s 1 --json");
	assert_int_equal(finish(f), 0);
	expect(f, "delegations", 6);
	expect(f, "changes", 400);
	expect(f, "events", 800);
	expect(f, "events_lost", 0);
	expect(f, "events_again", 0);
	expect(f, "events_other", 0);
	expect(f, "models", 6);
	expect(f, "models_wrong", 0);
	expect(f, "recalls", 0);
	expect(f, "disturbances", 0);
	assert_true(figure(f, "callbacks") > 0);
	assert_true(figure(f, "callbacks") <= 800);
	assert_true(figure(f, "rss_bytes") > 0);
	assert_int_equal(entries(f), 0);
}

static void test_burst(void **state)
{
	struct fixture *f = *state;

	start(f, "--holders 3 --burst 300 --json");
	assert_int_equal(finish(f), 0);
	expect(f, "delegations", 3);
	expect(f, "changes", 300);
	expect(f, "events", 900);
	expect(f, "events_lost", 0);
	expect(f, "models_wrong", 0);
	assert_int_equal(entries(f), 0);
}

static void test_idle_and_refused(void **state)
{
	struct fixture *f = *state;

	start(f, "-d 50 -r 0 -s 0.01 --json");
	assert_int_equal(finish(f), 0);
	expect(f, "delegations", 40);
	expect(f, "refused", 10);
	assert_null(strstr(f->text, "events"));
	start(f, "-d 5 -H 0 -n 2 -r 0 -s 0 --json");
	assert_int_equal(finish(f), 0);
	expect(f, "delegations", 0);
	expect(f, "refused", 0);
	assert_int_equal(entries(f), 0);
}

static void test_text(void **state)
{
	struct fixture *f = *state;

	start(f, "-b 10");
	assert_int_equal(finish(f), 0);
	assert_non_null(strstr(f->text, "1 delegation: 1 directory"));
	assert_non_null(strstr(f->text, "lost       0 events; 0 of 1 models"));
}

/* Changes without a holder: nothing is said of events that cannot be. */
static void test_nobody_holds(void **state)
{
	struct fixture *f = *state;

	start(f, "-H 0 -r 200 -s 0.1 --json");
	assert_int_equal(finish(f), 0);
	expect(f, "changes", 20);
	assert_null(strstr(f->text, "due_to_event_ms"));
	assert_null(strstr(f->text, "\"events"));
	start(f, "-H 0 -r 200 -s 0.1");
	assert_int_equal(finish(f), 0);
	assert_non_null(strstr(f->text, "  changes    20"));
	assert_null(strstr(f->text, "from due"));
	assert_null(strstr(f->text, "lost"));
}

/* A process that is to be measured must be there. */
static void test_no_such_server(void **state)
{
	struct fixture *f = *state;
	char words[64];
	pid_t gone = fork();

	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	snprintf(words, sizeof(words), "-s 0 -p %ld", (long)gone);
	start(f, words);
	assert_int_equal(finish(f), 1);
	assert_string_equal(f->text, "");
}

/* A signal in the middle of it: it cleans up. */
static void test_interrupted(void **state)
{
	struct fixture *f = *state;

	start(f, "-s 1000");
	while (entries(f) == 0)
		usleep(1000);
	kill(f->pid, SIGINT);
	assert_int_equal(finish(f), 1);
	assert_string_equal(f->text, "");
	assert_int_equal(entries(f), 0);
}

static void test_usage(void **state)
{
	static const char *const wrong[] = {"-H 2 -n 1", "-r -1", "-r x",
		"-d 0", "-b 0", "--seconds 1e9", "--none", "one two"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start(f, wrong[i]);
		assert_int_equal(finish(f), 2);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_idle_and_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_nobody_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_no_such_server, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
	};

	assert(argc > 1);
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
