/* SPDX-License-Identifier: MIT */
/*
 * herald watch: changes of a directory on an NFS server, one line each, on
 * standard output, and a command run for each; what happens to the watching
 * itself on standard error.
 *
 * Threads: main waits for signals and sees to it that the end comes soon, one
 * runs the watcher, one writes lines and runs commands (output.h, runner.h).
 * When one of them has ended it says so and sends SIGUSR1 to main.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/render.h"
#include "cli/runner.h"
#include "cli/verbs.h"
#include "cli/watch_notice.h"
#include "cli/watch_options.h"
#include "client/watcher.h"
#include "proto/nfs4.h"

/* As inotifywait: no event came in time. */
#define EXIT_TIMEOUT 2

/* Lines that may wait for a slow reader or slow commands. */
#define OUTPUT_LIMIT (8 * 1024 * 1024)

/* After a signal: to give everything back; then to give up waiting for that. */
#define LEAVE_S 5
#define ABORT_S 2
/* Another signal so soon is the same one: timeout(1) sends two. */
#define SAME_SIGNAL_MS 500
/* ... and for what is left to be read, and a command to end. */
#define FLUSH_S 2

struct watch {
	struct watch_options options;
	pthread_t main_thread;
	struct nfsc_net *net;
	struct output *out;
	struct runner *runner; /* NULL: only lines */
	_Atomic(struct watcher *) watcher;
	struct render line, record; /* the watcher's thread's */
	uint64_t told;
	/* Said so, by any thread; from then on the watcher says what ends it. */
	atomic_bool ready;
	int status;
	atomic_bool watched, written; /* these threads have ended */
	sigset_t signals;
	struct clock clock;
	bool signalled, aborted; /* these are main's */
	uint64_t signalled_ms;
};

/* ---- what is told ---- */

static void on_notice(void *ctx, const struct watcher_notice *notice)
{
	struct watch *w = ctx;

	if (notice->kind == WATCHER_READY)
		atomic_store(&w->ready, true);
	watch_notice(&w->options, notice);
}

static void put(struct watch *w, const struct render_change *change)
{
	w->line.len = w->record.len = 0;
	render_change(&w->line, change, w->options.json);
	if (w->runner)
		runner_record(&w->record, change, &w->line);
	output_put(w->out, w->runner ? &w->record : &w->line);
}

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

	if (w->options.count && w->told == w->options.count)
		return;
	put(w, &line);
	if (++w->told == w->options.count)
		watcher_stop(atomic_load(&w->watcher));
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

/* ---- the threads ---- */

static void say_ended(struct watch *w, atomic_bool *what)
{
	atomic_store(what, true);
	pthread_kill(w->main_thread, SIGUSR1);
}

/* All is written, or nobody reads any more. */
static void on_written(void *ctx)
{
	struct watch *w = ctx;

	say_ended(w, &w->written);
}

static int start(struct watch *w, struct watcher **ret)
{
	const struct watch_options *o = &w->options;
	struct watcher_config config = {
		.path = o->url.names,
		.npath = o->url.nnames,
		.recursive = o->recursive,
		.events = o->events,
		.idle_ms = o->timeout_ms,
		.change = on_change,
		.room = has_room,
		.notice = on_notice,
		.ctx = w,
	};
	size_t found = 0;
	int err;

	nfsc_config_default(&config.client);
	config.client.net = w->net;
	config.client.host = o->url.host;
	config.client.port = o->url.port;
	config.client.reserved_port = true; /* knfsd's exports want it */
	err = watcher_new(&config, ret, &found);
	if (err == NFS4ERR_MINOR_VERS_MISMATCH) { /* a server of 4.1 only */
		config.client.minor_version = 1;
		err = watcher_new(&config, ret, &found);
	}
	if (err)
		watch_notice_start(o, err, found);
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
		if (err && err != -ETIME && !atomic_load(&w->ready))
			watch_notice_start(
				&w->options, err, w->options.url.nnames);
	}
	w->status = err == -ETIME ? EXIT_TIMEOUT : err ? EXIT_FAILED : EXIT_OK;
	say_ended(w, &w->watched);
	return NULL;
}

/* ---- the end ---- */

/* False: it says what another one has just said. */
static bool take_signal(struct watch *w)
{
	uint64_t now = clock_mono_ms(&w->clock);

	if (w->signalled && now - w->signalled_ms < SAME_SIGNAL_MS)
		return false;
	w->signalled = true;
	w->signalled_ms = now;
	return true;
}

/*
 * Wait until @what has happened; false: there was a signal first, or @seconds
 * are over (0: there is no hurry).
 */
static bool wait_until(struct watch *w, atomic_bool *what, unsigned seconds)
{
	struct timespec timeout = {.tv_sec = (time_t)seconds};
	int number;

	while (!atomic_load(what)) {
		number = sigtimedwait(
			&w->signals, NULL, seconds ? &timeout : NULL);
		if (number < 0 && errno == EINTR)
			continue;
		if (number != SIGUSR1 && (number < 0 || take_signal(w)))
			return false;
		if (!seconds && atomic_load(&w->written))
			break; /* nobody to watch for */
	}
	return atomic_load(what);
}

static _Noreturn void give_up(void)
{
	_exit(EXIT_FAILED);
}

/* Until the watcher has ended, by itself or because it should. */
static void wait_watched(struct watch *w)
{
	struct watcher *watcher;

	if (wait_until(w, &w->watched, 0))
		return;
	if (w->runner)
		runner_stop(w->runner);
	watcher = atomic_load(&w->watcher);
	if (!watcher)
		give_up(); /* not even connected */
	watcher_stop(watcher);
	if (wait_until(w, &w->watched, LEAVE_S))
		return;
	w->aborted = true;
	watcher_abort(watcher);
	if (!wait_until(w, &w->watched, ABORT_S))
		give_up();
}

/*
 * Until everything is written and each command has ended; after a signal not
 * for long. A command may have had it from the terminal, too.
 */
static void wait_written(struct watch *w)
{
	static const int harder[] = {SIGTERM, SIGKILL};

	output_close(w->out);
	if (wait_until(w, &w->written, w->signalled ? FLUSH_S : 0))
		return;
	if (!w->runner)
		give_up();
	runner_stop(w->runner);
	for (int i = 0; i < 2; i++) {
		runner_kill(w->runner, harder[i]);
		if (wait_until(w, &w->written, FLUSH_S))
			return;
	}
	give_up();
}

static int finish(struct watch *w)
{
	int error = output_error(w->out);

	if (error == 0 || error == EPIPE)
		return w->aborted ? EXIT_FAILED : w->status;
	if (error != ECANCELED) /* the runner has told */
		fprintf(stderr, "herald: standard output: %s\n",
			strerror(error));
	return EXIT_FAILED;
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

static int to_stdout(void *to, const char *data, size_t len)
{
	return output_write_fd(STDOUT_FILENO, data, len);
}

static bool open_output(struct watch *w)
{
	const struct watch_options *o = &w->options;
	struct output_config config = {
		.limit = OUTPUT_LIMIT,
		.write = to_stdout,
		.drained = on_drained,
		.ended = on_written,
		.ctx = w,
	};

	if (o->command) {
		w->runner = runner_new(STDOUT_FILENO, o->command, o->verbose);
		if (!w->runner)
			return false;
		config.write = runner_write;
		config.to = w->runner;
	}
	w->out = output_new(&config);
	return w->out != NULL;
}

static int watch(struct watch *w)
{
	pthread_t thread;
	int status;

	block_signals(&w->signals);
	clock_init(&w->clock);
	w->main_thread = pthread_self();
	w->net = nfsc_net_new(NULL, NULL);
	if (!w->net || !open_output(w) ||
		pthread_create(&thread, NULL, watch_main, w) != 0) {
		fprintf(stderr, "herald: cannot start: %s\n", strerror(errno));
		give_up();
	}
	wait_watched(w);
	pthread_join(thread, NULL);
	wait_written(w);
	status = finish(w);
	output_free(w->out);
	watcher_free(atomic_load(&w->watcher));
	nfsc_net_free(w->net);
	runner_free(w->runner);
	render_fini(&w->line);
	render_fini(&w->record);
	return status;
}

int verb_watch(int argc, char **argv)
{
	struct watch w = {.status = EXIT_FAILED};
	int status;

	if (watch_options_parse(argc, argv, &w.options, &status)) {
		status = watch(&w);
		watch_options_fini(&w.options);
	}
	return status;
}
