/* SPDX-License-Identifier: MIT */
/*
 * herald watch: changes of a directory on an NFS server, one line each, on
 * standard output; what happens to the watching itself on standard error.
 *
 * Threads: main waits for signals and sees to it that the end comes soon, one
 * runs the watcher, one writes (output.h).
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "client/nfsurl.h"
#include "client/watcher.h"
#include "proto/nfs4.h"

/* Lines that may wait for a slow reader. */
#define OUTPUT_LIMIT (8 * 1024 * 1024)

/* To give everything back after a signal; then to give up waiting for that. */
#define LEAVE_S  5
#define ABORT_S  2
#define FLUSH_MS 2000

static const char help[] =
	"Usage: herald watch [-r] [--json] nfs://HOST[:PORT]/PATH\n"
	"Print what changes in a directory on an NFSv4.1 server, one line per\n"
	"change, until interrupted:\n"
	"\n"
	"  DIR CREATE NAME     NAME is new in DIR, or replaced by another one\n"
	"  DIR DELETE NAME     NAME is gone\n"
	"  DIR MOVE OLD NEW    OLD is now called NEW, replacing any such\n"
	"  DIR MODIFY NAME     its size or time of modification changed\n"
	"  DIR ATTRIB NAME     mode, owner, links or the like changed\n"
	"  DIR RESCAN          something may have been missed in DIR; what is\n"
	"                      found to be different follows\n"
	"\n"
	"  -r, --recursive     the directories below, too, new ones included\n"
	"      --json          one JSON object per line\n"
	"      --help\n";

struct watch {
	struct nfsurl url;
	bool recursive, json;
	pthread_t main_thread;
	struct nfsc_net *net;
	struct output *out;
	_Atomic(struct watcher *) watcher;
	struct render line;
	int status;
	bool aborted;
};

/* ---- standard error ---- */

/* One write, so that lines of two threads do not mix. */
static void complain(const struct render *text)
{
	if (!text->failed && write(STDERR_FILENO, text->data, text->len) < 0)
		return; /* then nobody listens */
}

static void render_url(struct render *r, const struct watch *w)
{
	char port[8] = "";
	bool v6 = strchr(w->url.host, ':') != NULL;

	if (w->url.port != NFSURL_PORT)
		snprintf(port, sizeof(port), ":%u", w->url.port);
	render_str(r, v6 ? "nfs://[" : "nfs://");
	render_name(r, name_from_str(w->url.host));
	render_str(r, v6 ? "]" : "");
	render_str(r, port);
}

static const char *error_text(int error)
{
	if (error == -ENXIO)
		return "there is no such host";
	return error > 0 ? nfs4_status_name((uint32_t)error) : strerror(-error);
}

/* The directory without the slash at its end, but the root is "/". */
static void render_dir(struct render *r, struct name dir)
{
	if (dir.len > 1)
		dir.len--;
	render_name(r, dir);
}

static void render_ready(struct render *r, const struct watcher_notice *notice)
{
	char count[48];

	render_str(r, "watching ");
	render_dir(r, notice->dir);
	snprintf(count, sizeof(count), " (%zu director%s)\n", notice->count,
		notice->count == 1 ? "y" : "ies");
	render_str(r, count);
}

/* What is said of a directory, after its path. */
static const char *about_dir(enum watcher_notice_kind kind)
{
	switch (kind) {
	case WATCHER_NO_DELEGATIONS:
		return "the server has no directory delegations: polling";
	case WATCHER_NO_NOTIFY:
		return "the server grants delegations, but sends no "
		       "notifications: every change will be a RESCAN";
	case WATCHER_NO_ATTRS:
		return "changed attributes are not told";
	case WATCHER_CANNOT_BELOW:
		return "not all directories in it can be watched: ";
	case WATCHER_REFUSED:
		return "the server does not grant a delegation now: polling";
	case WATCHER_GRANTED:
		return "the server grants a delegation again";
	case WATCHER_CONTRADICTED:
		return "a notification cannot be: ";
	case WATCHER_TOO_SLOW:
		return "standard output is not read fast enough: RESCAN later";
	case WATCHER_GONE:
		return "cannot be watched any more: ";
	default:
		return "cannot be watched now: ";
	}
}

static const char *about_server(enum watcher_notice_kind kind)
{
	switch (kind) {
	case WATCHER_CONN_LOST:
		return ": connection lost, trying again\n";
	case WATCHER_CONN_BACK:
		return ": connected again\n";
	default:
		return ": the server restarted (or forgot us), going on\n";
	}
}

static void render_notice(struct render *r, const struct watch *w,
	const struct watcher_notice *notice)
{
	render_str(r, "herald: ");
	if (notice->kind == WATCHER_CONN_LOST ||
		notice->kind == WATCHER_CONN_BACK ||
		notice->kind == WATCHER_RESTARTED) {
		render_url(r, w);
		render_str(r, about_server(notice->kind));
		return;
	}
	render_dir(r, notice->dir);
	render_str(r, ": ");
	render_str(r, about_dir(notice->kind));
	if (notice->error)
		render_str(r, error_text(notice->error));
	if (notice->why)
		render_text(r, notice->why);
	render_str(r, "\n");
}

static void on_notice(void *ctx, const struct watcher_notice *notice)
{
	struct render text = {.data = NULL};

	if (notice->kind == WATCHER_READY)
		render_ready(&text, notice);
	else
		render_notice(&text, ctx, notice);
	complain(&text);
	render_fini(&text);
}

/* ---- standard output ---- */

static void on_change(void *ctx, const struct watcher_change *change)
{
	static const enum render_event events[] = {
		[WATCHER_CREATE] = RENDER_CREATE,
		[WATCHER_DELETE] = RENDER_DELETE,
		[WATCHER_MOVE] = RENDER_MOVE,
		[WATCHER_MODIFY] = RENDER_MODIFY,
		[WATCHER_ATTRIB] = RENDER_ATTRIB,
		[WATCHER_RESCAN] = RENDER_RESCAN,
	};
	struct watch *w = ctx;
	struct render_change line = {
		.event = events[change->event],
		.dir = change->dir,
		.name = change->name,
		.to = change->to,
		.type = change->type,
	};

	w->line.len = 0;
	render_change(&w->line, &line, w->json);
	output_put(w->out, w->line.data, w->line.len);
}

static bool has_room(void *ctx)
{
	struct watch *w = ctx;

	return output_has_room(w->out);
}

static void on_drained(void *ctx)
{
	struct watch *w = ctx;
	struct watcher *watcher = atomic_load(&w->watcher);

	if (watcher)
		watcher_wake(watcher);
}

/* Nobody reads any more. */
static void on_broken(void *ctx)
{
	struct watch *w = ctx;

	pthread_kill(w->main_thread, SIGTERM);
}

/* ---- watching ---- */

static void complain_start(const struct watch *w, int error, size_t found)
{
	struct render text = {.data = NULL};

	render_str(&text, "herald: ");
	render_url(&text, w);
	for (size_t i = 0; i <= found && i < w->url.nnames; i++) {
		render_str(&text, "/");
		render_name(&text, w->url.names[i]);
	}
	render_str(&text, ": ");
	render_str(&text,
		error == NFS4ERR_NOENT ? "there is no such directory"
			: error == NFS4ERR_NOTDIR || error == NFS4ERR_SYMLINK
			? "not a directory"
			: error_text(error));
	render_str(&text, "\n");
	complain(&text);
	render_fini(&text);
}

static int start(struct watch *w, struct watcher **ret)
{
	struct watcher_config config = {
		.path = w->url.names,
		.npath = w->url.nnames,
		.recursive = w->recursive,
		.change = on_change,
		.room = has_room,
		.notice = on_notice,
		.ctx = w,
	};
	size_t found = 0;
	int err;

	nfsc_config_default(&config.client);
	config.client.net = w->net;
	config.client.host = w->url.host;
	config.client.port = w->url.port;
	config.client.reserved_port = true; /* knfsd's exports want it */
	err = watcher_new(&config, ret, &found);
	if (err == NFS4ERR_MINOR_VERS_MISMATCH) { /* a server of 4.1 only */
		config.client.minor_version = 1;
		err = watcher_new(&config, ret, &found);
	}
	if (err)
		complain_start(w, err, found);
	return err;
}

static void *watch_main(void *arg)
{
	struct watch *w = arg;
	struct watcher *watcher;
	int err = start(w, &watcher);

	if (err == 0) {
		atomic_store(&w->watcher, watcher);
		err = watcher_run(watcher);
		if (err == NFS4ERR_NOTDIR)
			complain_start(w, err, w->url.nnames);
	}
	w->status = err ? EXIT_FAILED : EXIT_OK;
	pthread_kill(w->main_thread, SIGUSR1);
	return NULL;
}

/* ---- the end ---- */

/* The next signal, within @seconds; 0: none. */
static int next_signal(const sigset_t *signals, unsigned seconds)
{
	struct timespec timeout = {.tv_sec = (time_t)seconds};
	int number;

	do {
		number = sigtimedwait(signals, NULL, &timeout);
	} while (number < 0 && errno == EINTR);
	return number < 0 ? 0 : number;
}

/*
 * Wait until the watcher has ended, by itself or because of a signal. False:
 * it does not end.
 */
static bool wait_for_end(struct watch *w, const sigset_t *signals)
{
	struct watcher *watcher;
	int number;

	sigwait(signals, &number);
	if (number == SIGUSR1)
		return true;
	watcher = atomic_load(&w->watcher);
	if (!watcher)
		return false; /* not even connected */
	watcher_stop(watcher);
	if (next_signal(signals, LEAVE_S) == SIGUSR1)
		return true;
	w->aborted = true;
	watcher_abort(watcher);
	return next_signal(signals, ABORT_S) == SIGUSR1;
}

static int finish(struct watch *w, pthread_t thread)
{
	int broken;

	pthread_join(thread, NULL);
	broken = output_error(w->out);
	if (broken && broken != EPIPE)
		fprintf(stderr, "herald: standard output: %s\n",
			strerror(broken));
	if (!output_finish(w->out, FLUSH_MS))
		_exit(EXIT_FAILED);
	watcher_free(atomic_load(&w->watcher));
	nfsc_net_free(w->net);
	render_fini(&w->line);
	nfsurl_fini(&w->url);
	return w->aborted ? EXIT_FAILED : w->status;
}

/* Before there is any other thread: they inherit that signals are blocked. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int watch(struct watch *w)
{
	sigset_t signals;
	pthread_t thread;

	block_signals(&signals);
	w->main_thread = pthread_self();
	w->net = nfsc_net_new(NULL, NULL);
	w->out = output_new(
		STDOUT_FILENO, OUTPUT_LIMIT, on_drained, on_broken, w);
	if (!w->net || !w->out ||
		pthread_create(&thread, NULL, watch_main, w) != 0) {
		fprintf(stderr, "herald: cannot start: %s\n", strerror(errno));
		_exit(EXIT_FAILED);
	}
	if (!wait_for_end(w, &signals))
		_exit(EXIT_FAILED);
	return finish(w, thread);
}

/* ---- the command line ---- */

static const struct option options[] = {
	{"recursive", no_argument, NULL, 'r'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int usage_error(const char *why)
{
	fprintf(stderr, "herald watch: %s\n%s", why,
		"herald watch --help tells how it is used\n");
	return EXIT_USAGE;
}

int verb_watch(int argc, char **argv)
{
	struct watch w = {.status = EXIT_FAILED};
	const char *wrong;
	int option;

	while ((option = getopt_long(argc, argv, "rh", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			w.recursive = true;
			break;
		case 'j':
			w.json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return usage_error("see above");
		}
	}
	if (argc - optind != 1)
		return usage_error("one URL is needed");
	wrong = nfsurl_parse(argv[optind], &w.url);
	if (wrong) {
		fprintf(stderr, "herald watch: %s: %s\n", argv[optind], wrong);
		return EXIT_USAGE;
	}
	return watch(&w);
}
