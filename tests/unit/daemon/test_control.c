/* SPDX-License-Identifier: MIT */
/* The control socket: what it answers, and whom it does not wait for. */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "nfs/fh.h"
#include "state/dirdeleg.h"
#include "state/inspect.h"
#include "store/fault.h"
#include "testserver.h"
#include "vocab/cred.h"

#define MANY 20000

struct site {
	struct testserver ts;
	struct nfsc *nfsc;
	struct client *client; /* the server's side of it */
	char dir[64];
	int dir_fd;
	struct control *control;
};

static void many_delegations(struct nfs_server_config *config)
{
	config->state.max_dir_delegs = 2 * MANY;
}

static struct client *only_client(struct site *site)
{
	struct client_walk walk;
	struct client *c;

	client_walk_init(&walk, site->ts.server->state);
	c = client_walk_next(&walk);
	client_walk_fini(&walk);
	assert_non_null(c);
	return c;
}

/* "I will give it back": some day. */
static nfsstat4 on_recall(void *ctx, const CB_RECALL4args *args)
{
	return NFS4_OK;
}

static struct nfsc *make_client(struct testserver *ts)
{
	struct nfsc_config config;
	struct nfsc *client;

	testserver_client_config(ts, &config);
	config.handlers.recall = on_recall;
	assert_int_equal(nfsc_new(&config, &client), 0);
	return client;
}

static int setup(void **state)
{
	static const struct testserver_options options = {
		.configure = many_delegations};
	struct site *site = calloc(1, sizeof(*site));
	struct control_source source = {.address = "here"};

	testserver_start(&site->ts, &options);
	site->nfsc = make_client(&site->ts);
	site->client = only_client(site);
	strcpy(site->dir, "/tmp/herald-control-XXXXXX");
	assert_non_null(mkdtemp(site->dir));
	site->dir_fd = open(site->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	source.metrics.server = site->ts.server;
	source.metrics.index = site->ts.index;
	assert_int_equal(
		control_start(site->dir_fd, &source, &site->control), 0);
	*state = site;
	return 0;
}

static int teardown(void **state)
{
	struct site *site = *state;

	control_stop(site->control);
	assert_int_equal(rmdir(site->dir), 0); /* the socket is gone */
	close(site->dir_fd);
	client_put(site->client);
	nfsc_free(site->nfsc);
	testserver_stop(&site->ts);
	free(site);
	return 0;
}

/* ---- delegations to speak of ---- */

static struct fileid make_dir(struct site *site, const char *name)
{
	struct export *export = &site->ts.server->exports.list[0];
	const struct store_new new = {.type = OBJECT_DIR};
	struct dir_change change = {0};
	struct fileid id;

	assert_int_equal(
		store_create(export->store, &cred_server, &export->root,
			name_from_str(name), &new, &id, &change),
		0);
	return id;
}

static bool try_grant(struct site *site, const struct fileid *id)
{
	struct export *export = &site->ts.server->exports.list[0];
	uint8_t fh[NFS4_FHSIZE];
	struct dirdeleg_request request = {.fh = fh};
	struct dirdeleg_grant grant;

	request.fh_len = fh_encode(site->ts.server, export, id, fh);
	assert_int_equal(
		dirdeleg_grant(site->client, id, &request, &grant), NFS4_OK);
	return grant.granted;
}

/* The first ones wait for the back channel to be probed. */
static void grant(struct site *site, const struct fileid *id)
{
	for (int i = 0; i < 500 && !try_grant(site, id); i++)
		usleep(10000);
}

/* ---- asking ---- */

static int dial(const struct site *site)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 30};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.60s/%s", site->dir,
		CONTROL_SOCKET);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(
		connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
		(ssize_t)strlen(text));
}

/* All that is answered, until it is closed; the caller frees it. */
static char *hear(int fd)
{
	size_t size = 0, room = 4096;
	char *text = malloc(room);
	ssize_t n;

	while ((n = read(fd, text + size, room - size - 1)) > 0) {
		size += (size_t)n;
		if (room - size < 4096)
			text = realloc(text, room *= 2);
	}
	text[size] = '\0';
	close(fd);
	return text;
}

/* The one object before the last line; NULL when there is none. */
static json_t *ask(const struct site *site, const char *request)
{
	int fd = dial(site);
	json_t *object;
	char *answer;

	say(fd, request);
	answer = hear(fd);
	if (!strstr(answer, "{\"done\":true}\n"))
		fail_msg("no end: %s", answer);
	object = json_loads(answer, JSON_DISABLE_EOF_CHECK, NULL);
	free(answer);
	return object;
}

static void assert_answer(
	const struct site *site, const char *request, const char *expected)
{
	int fd = dial(site);
	char *answer;

	say(fd, request);
	answer = hear(fd);
	assert_string_equal(answer, expected);
	free(answer);
}

static void assert_error(const struct site *site, const char *request)
{
	int fd = dial(site);
	char *answer;

	say(fd, request);
	answer = hear(fd);
	assert_memory_equal(answer, "{\"error\":\"", 10);
	assert_string_equal(answer + strlen(answer) - 3, "\"}\n");
	free(answer);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

static json_int_t number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* ---- answers ---- */

static void test_only_its_owner_may_ask(void **state)
{
	const struct site *site = *state;
	struct stat st;

	assert_int_equal(fstatat(site->dir_fd, CONTROL_SOCKET, &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
}

static void test_status(void **state)
{
	struct site *site = *state;
	struct fileid id = make_dir(site, "d");
	json_t *status, *dirs;

	grant(site, &id);
	status = ask(site, "{\"command\":\"status\"}\n");
	dirs = json_object_get(
		json_object_get(status, "delegations"), "directory");
	assert_string_equal(text_at(status, "address"), "here");
	assert_int_equal(number_at(status, "pid"), getpid());
	assert_int_equal(number_at(status, "clients"), 1);
	assert_int_equal(number_at(status, "sessions"), 1);
	assert_int_equal(number_at(dirs, "outstanding"), 1);
	assert_int_equal(number_at(dirs, "limit"), 2 * MANY);
	assert_int_equal(number_at(dirs, "granted"), 1);
	json_decref(status);
}

static void test_clients(void **state)
{
	struct site *site = *state;
	json_t *client = ask(site, "{\"command\":\"clients\"}\n");
	char request[256];

	assert_string_equal(text_at(client, "state"), "active");
	assert_string_equal(text_at(client, "address"), "local");
	assert_int_equal(number_at(client, "sessions"), 1);
	assert_non_null(json_object_get(client, "owner"));
	/* Found by its number, by its owner; and nobody else is. */
	snprintf(request, sizeof(request),
		"{\"command\":\"clients\",\"client\":\"%s\"}\n",
		text_at(client, "client"));
	json_decref(ask(site, request));
	snprintf(request, sizeof(request),
		"{\"command\":\"clients\",\"client\":\"%s\"}\n",
		text_at(client, "owner"));
	json_decref(ask(site, request));
	assert_error(site, "{\"command\":\"clients\",\"client\":\"x\"}\n");
	assert_error(site, "{\"command\":\"clients\",\"client\":7}\n");
	json_decref(client);
}

static void test_dd16_a_delegation(void **state)
{
	static const char request[] =
		"{\"command\":\"delegations\",\"type\":\"directory\"}\n";
	struct site *site = *state;
	struct fileid id = make_dir(site, "photos");
	json_t *d;

	grant(site, &id);
	d = ask(site, request);
	assert_string_equal(text_at(d, "path"), "/photos");
	assert_string_equal(text_at(d, "type"), "directory");
	assert_string_equal(text_at(d, "state"), "active");
	assert_null(json_object_get(d, "reason"));
	assert_int_equal(json_array_size(json_object_get(d, "kinds")), 0);
	assert_int_equal(strlen(text_at(d, "delegation")), 24);
	json_decref(d);
	dirdeleg_recall(site->ts.server->state, &id, RECALL_LOCAL_CHANGE);
	d = ask(site, request);
	assert_string_equal(text_at(d, "state"), "recalled");
	assert_string_equal(text_at(d, "reason"), "local_change");
	json_decref(d);
	assert_answer(site, "{\"command\":\"delegations\",\"type\":\"file\"}\n",
		"{\"done\":true}\n");
	assert_error(site, "{\"command\":\"delegations\",\"type\":\"x\"}\n");
}

/* What is not UTF-8 is told exactly. */
static void test_a_path_that_is_no_text(void **state)
{
	struct site *site = *state;
	struct fileid id = make_dir(site, "a\xff");
	json_t *d;

	grant(site, &id);
	d = ask(site, "{\"command\":\"delegations\"}\n");
	assert_null(json_object_get(d, "path"));
	assert_string_equal(text_at(d, "path_b64"), "L2H/");
	json_decref(d);
}

static uint64_t recalls(const struct site *site)
{
	struct deleg_stats stats;

	deleg_stats_read(site->ts.server->state, &stats);
	return stats.type[DELEG_DIR].recalled[RECALL_ADMIN];
}

static void test_dd16_recall_for_the_reason_admin(void **state)
{
	struct site *site = *state;
	struct fileid a = make_dir(site, "a"), b = make_dir(site, "b");
	char request[128];
	json_t *d;

	grant(site, &a);
	d = ask(site, "{\"command\":\"delegations\"}\n");
	snprintf(request, sizeof(request),
		"{\"command\":\"recall\",\"delegation\":\"%s\"}\n",
		text_at(d, "delegation"));
	json_decref(d);
	assert_answer(site, request, "{\"recalled\":1}\n{\"done\":true}\n");
	assert_int_equal(recalls(site), 1);
	grant(site, &b);
	assert_answer(site, "{\"command\":\"recall\",\"directory\":\"//b/\"}\n",
		"{\"recalled\":1}\n{\"done\":true}\n");
	assert_int_equal(recalls(site), 2);
	assert_answer(site, "{\"command\":\"recall\",\"directory\":\"/\"}\n",
		"{\"recalled\":0}\n{\"done\":true}\n");
}

static void test_recall_all_of_a_client(void **state)
{
	struct site *site = *state;
	json_t *answer;

	for (int i = 0; i < 1000; i++) {
		struct fileid id = {.len = 16};

		memcpy(id.data, &i, sizeof(i));
		grant(site, &id);
	}
	answer = ask(site, "{\"command\":\"recall\",\"client\":\"local\"}\n");
	assert_int_equal(number_at(answer, "recalled"), 1000);
	assert_int_equal(recalls(site), 1000);
	json_decref(answer);
}

static void test_nothing_to_recall(void **state)
{
	static const char *const requests[] = {
		"{\"command\":\"recall\"}\n",
		"{\"command\":\"recall\",\"directory\":\"/x\"}\n",
		"{\"command\":\"recall\",\"directory\":\"x\"}\n",
		"{\"command\":\"recall\",\"directory\":\"/..\"}\n",
		"{\"command\":\"recall\",\"directory\":\"/./x\"}\n",
		"{\"command\":\"recall\",\"directory\":7}\n",
		"{\"command\":\"recall\",\"delegation\":\"xyz\"}\n",
		"{\"command\":\"recall\",\"delegation\":"
		"\"000000000000000000000000\"}\n",
		"{\"command\":\"recall\",\"client\":\"x\"}\n",
		"{\"command\":\"recall\",\"client\":\"local\","
		"\"directory\":\"/\"}\n",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_error(*state, requests[i]);
}

/* ---- those who ask badly ---- */

static void test_nonsense(void **state)
{
	static const char *const requests[] = {"\n", "x\n", "[]\n", "{}\n",
		"{\"command\":7}\n", "{\"command\":\"reboot\"}\n",
		"{\"command\":\"status\"} more\n",
		"{\"command\":\"status\",\"command\":\"clients\"}\n",
		"{\"command\":\"\xff\"}\n"};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_error(*state, requests[i]);
}

static void test_too_long(void **state)
{
	char request[4097];

	memset(request, ' ', sizeof(request) - 1);
	request[4096] = '\0';
	assert_error(*state, request);
}

static void test_gone_before_it_asked(void **state)
{
	const struct site *site = *state;
	char *answer;
	int fd = dial(site);

	say(fd, "{\"command\":");
	shutdown(fd, SHUT_WR);
	answer = hear(fd);
	assert_string_equal(answer, "");
	free(answer);
	json_decref(ask(site, "{\"command\":\"status\"}\n"));
}

static void test_too_many(void **state)
{
	const struct site *site = *state;
	int fds[16];

	for (int i = 0; i < 16; i++)
		fds[i] = dial(site);
	/* Those who ask nothing keep others out, but only so long. */
	for (int i = 0; i < 8; i++) {
		char *answer = hear(dial(site));

		assert_non_null(strstr(answer, "too many"));
		free(answer);
	}
	for (int i = 0; i < 16; i++)
		close(fds[i]);
}

/* ---- many ---- */

static void grant_many(struct site *site)
{
	for (int i = 0; i < MANY; i++) {
		struct fileid id = {.len = 16};

		memcpy(id.data, &i, sizeof(i));
		grant(site, &id);
	}
}

/* Somebody who does not read his long answer is in nobody's way. */
static void test_a_slow_reader(void **state)
{
	struct site *site = *state;
	int slow = dial(site), gone = dial(site);
	char byte, *answer;

	grant_many(site);
	say(gone, "{\"command\":\"delegations\"}\n");
	say(slow, "{\"command\":\"delegations\"}\n");
	assert_int_equal(read(slow, &byte, 1), 1);
	assert_int_equal(read(gone, &byte, 1), 1);
	close(gone);
	for (int i = 0; i < 20; i++)
		json_decref(ask(site, "{\"command\":\"status\"}\n"));
	answer = hear(slow);
	assert_int_equal(count_lines(answer), MANY + 1);
	assert_non_null(strstr(answer, "\n{\"done\":true}\n"));
	free(answer);
}

static void start_with_patience(struct site *site, unsigned ms)
{
	struct control_source source = {.address = "here", .patience_ms = ms};

	control_stop(site->control);
	source.metrics.server = site->ts.server;
	source.metrics.index = site->ts.index;
	assert_int_equal(
		control_start(site->dir_fd, &source, &site->control), 0);
}

/*
 * Who has his answer in a pager may read for a while. He is in nobody's way:
 * who asks next has the place of whoever has stood still for longest.
 */
static void test_readers_who_pause(void **state)
{
	struct site *site = *state;
	char byte, *answer;
	int fds[16];

	start_with_patience(site, 100);
	grant_many(site);
	for (int i = 0; i < 16; i++) {
		fds[i] = dial(site);
		say(fds[i], "{\"command\":\"delegations\"}\n");
		assert_int_equal(read(fds[i], &byte, 1), 1);
	}
	usleep(2500 * 1000); /* the server looks at them every second */
	for (int i = 0; i < 3; i++)
		json_decref(ask(site, "{\"command\":\"status\"}\n"));
	answer = hear(fds[15]);
	assert_int_equal(count_lines(answer), MANY + 1);
	assert_non_null(strstr(answer, "\n{\"done\":true}\n"));
	free(answer);
	for (int i = 0; i < 15; i++)
		close(fds[i]);
}

static void test_stopped_in_the_middle(void **state)
{
	struct site *site = *state;
	int fd = dial(site);
	char byte;

	grant_many(site);
	say(fd, "{\"command\":\"delegations\"}\n");
	assert_int_equal(read(fd, &byte, 1), 1);
	control_stop(site->control);
	site->control = NULL;
	close(fd);
}

/* ---- a disk that hangs ---- */

/* What is known without it is told; one question is out, and no more. */
static void test_a_disk_that_hangs(void **state)
{
	static const char list[] = "{\"command\":\"delegations\"}\n";
	struct site *site = *state;
	struct store *store = site->ts.store;
	struct fileid id = make_dir(site, "a");
	bool told = false;
	json_t *d;

	grant(site, &id);
	fault_hang(store);
	for (int i = 0; i < 3; i++) {
		d = ask(site, list);
		assert_null(json_object_get(d, "path"));
		assert_string_equal(text_at(d, "state"), "active");
		json_decref(d);
		json_decref(ask(site, "{\"command\":\"status\"}\n"));
		assert_error(site,
			"{\"command\":\"recall\",\"directory\":\"/a\"}\n");
		assert_int_equal(fault_waiting(store), 1);
	}
	fault_release(store);
	for (int i = 0; i < 1000 && !told; i++) {
		d = ask(site, list);
		told = strcmp(text_at(d, "path"), "/a") == 0;
		json_decref(d);
	}
	assert_true(told);
}

static void test_stopped_while_a_disk_hangs(void **state)
{
	struct site *site = *state;
	struct fileid id = make_dir(site, "a");

	grant(site, &id);
	fault_hang(site->ts.store);
	json_decref(ask(site, "{\"command\":\"delegations\"}\n"));
	assert_int_equal(fault_waiting(site->ts.store), 1);
	control_stop(site->control);
	site->control = NULL;
	fault_release(site->ts.store);
}

/* What a server that was killed left behind is replaced. */
static void test_an_old_socket(void **state)
{
	struct site *site = *state;
	struct control_source source = {.address = "again"};

	control_stop(site->control);
	close(openat(site->dir_fd, CONTROL_SOCKET, O_CREAT | O_WRONLY, 0600));
	source.metrics.server = site->ts.server;
	source.metrics.index = site->ts.index;
	assert_int_equal(
		control_start(site->dir_fd, &source, &site->control), 0);
	json_decref(ask(site, "{\"command\":\"status\"}\n"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_only_its_owner_may_ask),
		TEST(test_status),
		TEST(test_clients),
		TEST(test_dd16_a_delegation),
		TEST(test_a_path_that_is_no_text),
		TEST(test_dd16_recall_for_the_reason_admin),
		TEST(test_recall_all_of_a_client),
		TEST(test_nothing_to_recall),
		TEST(test_nonsense),
		TEST(test_too_long),
		TEST(test_gone_before_it_asked),
		TEST(test_too_many),
		TEST(test_a_slow_reader),
		TEST(test_readers_who_pause),
		TEST(test_stopped_in_the_middle),
		TEST(test_a_disk_that_hangs),
		TEST(test_stopped_while_a_disk_hangs),
		TEST(test_an_old_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
