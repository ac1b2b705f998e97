/* SPDX-License-Identifier: MIT */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/render_control.h"
#include "cli/verbs.h"

/* A server that says nothing for so long will not any more. */
#define PATIENCE_S 60

struct control_ask {
	const struct control_verb *verb;
	const char *socket;
	bool json;
	json_t *request;
	size_t chosen; /* how many values the command line gave */
};

/* ---- errors ---- */

static int complain(
	const struct control_ask *ask, const char *what, const char *why)
{
	struct render text = {.data = NULL};

	render_str(&text, "herald ");
	render_str(&text, ask->verb->name);
	render_str(&text, ": ");
	render_text(&text, what);
	render_str(&text, ": ");
	render_text(&text, why);
	render_str(&text, "\n");
	if (!text.failed)
		fwrite(text.data, 1, text.len, stderr);
	render_fini(&text);
	return EXIT_FAILED;
}

static const char *why_not_connected(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "no heraldd is running there (--socket names another "
		       "place)";
	case EACCES:
		return "only the user who runs heraldd may ask it";
	default:
		return strerror(error);
	}
}

/* ---- the socket ---- */

/* By way of its directory: the path may be too long for a socket's address. */
static int connect_in(int fd, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	scope_free char *dir = strdup(path);
	scope_free char *base = strdup(path);
	scope_fd int dir_fd = -1;

	if (!dir || !base)
		return ENOMEM;
	dir_fd = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return errno;
	if (snprintf(addr.sun_path, sizeof(addr.sun_path),
		    "/proc/self/fd/%d/%s", dir_fd,
		    basename(base)) >= (int)sizeof(addr.sun_path))
		return ENAMETOOLONG;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? errno : 0;
}

/* A stream to read the answer from; NULL, and the reason was printed. */
static FILE *dial(const struct control_ask *ask)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = fd < 0 ? errno : connect_in(fd, ask->socket);
	FILE *answer = NULL;

	if (!error) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience));
		answer = fdopen(fd, "r");
	}
	if (answer)
		return answer;
	complain(ask, ask->socket, why_not_connected(error ? error : ENOMEM));
	if (fd >= 0)
		close(fd);
	return NULL;
}

static bool send_request(FILE *to, const json_t *request)
{
	scope_free char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return false;
	text[len] = '\n'; /* in place of its end */
	return send(fileno(to), text, len + 1, MSG_NOSIGNAL) ==
		(ssize_t)len + 1;
}

/* ---- the answer ---- */

static void print_json(json_t *object)
{
	render_complete_json(object);
	json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
}

static void print_text(
	const struct control_ask *ask, const json_t *object, bool first)
{
	struct render text = {.data = NULL};

	if (first && ask->verb->head)
		ask->verb->head(&text);
	ask->verb->render(&text, object);
	fwrite(text.data, 1, text.len, stdout);
	render_fini(&text);
}

/* One object; true: more is to come. Else *@status is set. */
static bool print_next(
	const struct control_ask *ask, FILE *answer, bool first, int *status)
{
	json_t *object = json_loadf(answer, JSON_DISABLE_EOF_CHECK, NULL);
	const char *error = json_string_value(json_object_get(object, "error"));
	bool more = false;

	if (!object)
		*status = complain(
			ask, ask->socket, "the answer ended before its end");
	else if (error)
		*status = complain(ask, ask->socket, error);
	else if (json_object_get(object, "done"))
		*status = EXIT_OK;
	else
		more = true;
	if (more && ask->json)
		print_json(object);
	else if (more)
		print_text(ask, object, first);
	json_decref(object);
	return more;
}

/* What is still in stdio's buffer is part of it. */
static int check_output(const struct control_ask *ask, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return complain(ask, "standard output", strerror(errno));
}

static int run(const struct control_ask *ask)
{
	FILE *answer = dial(ask);
	int status = EXIT_FAILED;

	if (!answer)
		return EXIT_FAILED;
	if (!send_request(answer, ask->request)) {
		fclose(answer);
		return complain(ask, ask->socket, "it does not listen");
	}
	for (bool first = true;
		print_next(ask, answer, first, &status) && !ferror(stdout);
		first = false)
		;
	fclose(answer);
	return check_output(ask, status);
}

/* ---- the command line ---- */

enum {
	OPTION_SOCKET = CONTROL_VALUES,
	OPTION_JSON,
	OPTION_HELP,
};

/* Where more is to be read: getopt_long() has said what is wrong. */
static int refer_to_help(const struct control_ask *ask)
{
	fprintf(stderr, "herald %s --help tells how it is used\n",
		ask->verb->name);
	return EXIT_USAGE;
}

static int usage_error(const struct control_ask *ask, const char *why)
{
	fprintf(stderr, "herald %s: %s\n", ask->verb->name, why);
	return refer_to_help(ask);
}

/* The verb's own options by their number, then those that all have. */
static void make_options(
	const struct control_verb *verb, struct option options[])
{
	size_t n = 0;

	for (int i = 0; i < CONTROL_VALUES && verb->values[i].option; i++)
		options[n++] = (struct option){
			verb->values[i].option, required_argument, NULL, i};
	options[n++] = (struct option){
		"socket", required_argument, NULL, OPTION_SOCKET};
	options[n++] = (struct option){"json", no_argument, NULL, OPTION_JSON};
	options[n++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
	options[n] = (struct option){NULL, 0, NULL, 0};
}

/* -1, or the exit status of what cannot be asked. */
static int choose(struct control_ask *ask, const char *key, const char *value)
{
	json_t *text = json_string(value);

	if (!text)
		return usage_error(ask, "an argument is not UTF-8");
	json_object_set_new(ask->request, key, text);
	ask->chosen++;
	return -1;
}

static bool is_one_of(const char *const *words, const char *value)
{
	for (; *words; words++) {
		if (strcmp(*words, value) == 0)
			return true;
	}
	return false;
}

/* As choose(). */
static int choose_option(struct control_ask *ask, int option, const char *value)
{
	const char *name = ask->verb->values[option].option;
	const char *const *words = ask->verb->values[option].words;

	if (!words || is_one_of(words, value))
		return choose(ask, ask->verb->values[option].key, value);
	fprintf(stderr, "herald %s: --%s: expected %s", ask->verb->name, name,
		words[0]);
	for (int i = 1; words[i]; i++)
		fprintf(stderr, " or %s", words[i]);
	fputs("\n", stderr);
	return refer_to_help(ask);
}

static int take_option(struct control_ask *ask, int option)
{
	switch (option) {
	case OPTION_SOCKET:
		ask->socket = optarg;
		return -1;
	case OPTION_JSON:
		ask->json = true;
		return -1;
	case OPTION_HELP:
		fputs(ask->verb->help, stdout);
		return EXIT_OK;
	case '?':
		return refer_to_help(ask);
	default:
		return choose_option(ask, option, optarg);
	}
}

/* -1, or the exit status of a command line that leaves nothing to ask. */
static int parse(struct control_ask *ask, int argc, char **argv)
{
	struct option options[CONTROL_VALUES + 4];
	int option, status = -1;

	make_options(ask->verb, options);
	while (status < 0 &&
		(option = getopt_long(argc, argv, "", options, NULL)) != -1)
		status = take_option(ask, option);
	if (status < 0 && optind < argc && ask->verb->operand)
		status = choose(ask, ask->verb->operand, argv[optind++]);
	if (status >= 0)
		return status;
	if (optind < argc)
		return usage_error(ask, "there is an argument too many");
	if (ask->verb->needs_one && ask->chosen != 1)
		return usage_error(ask, "it needs to know what, and one only");
	return -1;
}

int control_main(const struct control_verb *verb, int argc, char **argv)
{
	struct control_ask ask = {
		.verb = verb,
		.socket = CONTROL_DEFAULT,
		.request = json_pack("{ss}", "command", verb->name),
	};
	int status = parse(&ask, argc, argv);

	if (status < 0)
		status = run(&ask);
	json_decref(ask.request);
	return status;
}
