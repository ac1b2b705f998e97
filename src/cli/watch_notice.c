/* SPDX-License-Identifier: MIT */
#include "cli/watch_notice.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/render.h"
#include "proto/nfs4.h"

/* One write, so that lines of two threads do not mix. */
static void complain(const struct render *text)
{
	if (!text->failed && write(STDERR_FILENO, text->data, text->len) < 0)
		return; /* then nobody listens */
}

static void render_url(struct render *r, const struct nfsurl *url)
{
	char port[8] = "";
	bool v6 = strchr(url->host, ':') != NULL;

	if (url->port != NFSURL_PORT)
		snprintf(port, sizeof(port), ":%u", url->port);
	render_str(r, v6 ? "nfs://[" : "nfs://");
	render_name(r, name_from_str(url->host));
	render_str(r, v6 ? "]" : "");
	render_str(r, port);
}

static const char *error_text(int error)
{
	if (error > 0)
		return nfs4_status_name((uint32_t)error);
	switch (-error) {
	case ENXIO:
		return "there is no such host";
	case ENOMEM:
		return "there is no memory for more entries";
	case ELOOP:
		return "too deep, or inside itself";
	default:
		return strerror(-error);
	}
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

static void render_notice(struct render *r, const struct watch_options *o,
	const struct watcher_notice *notice)
{
	render_str(r, "herald: ");
	if (notice->kind == WATCHER_CONN_LOST ||
		notice->kind == WATCHER_CONN_BACK ||
		notice->kind == WATCHER_RESTARTED) {
		render_url(r, &o->url);
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

void watch_notice(
	const struct watch_options *o, const struct watcher_notice *notice)
{
	struct render text = {.data = NULL};

	if (notice->kind == WATCHER_NO_ATTRS && !o->verbose)
		return;
	if (notice->kind == WATCHER_READY)
		render_ready(&text, notice);
	else
		render_notice(&text, o, notice);
	complain(&text);
	render_fini(&text);
}

void watch_notice_start(const struct watch_options *o, int error, size_t found)
{
	struct render text = {.data = NULL};

	render_str(&text, "herald: ");
	render_url(&text, &o->url);
	for (size_t i = 0; i <= found && i < o->url.nnames; i++) {
		render_str(&text, "/");
		render_name(&text, o->url.names[i]);
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

/* ---- the command ---- */

static void complain_command(const char *command, const char *what)
{
	struct render text = {.data = NULL};

	render_str(&text, "herald: ");
	render_text(&text, command);
	render_str(&text, ": ");
	render_str(&text, what);
	render_str(&text, "\n");
	complain(&text);
	render_fini(&text);
}

void watch_notice_no_command(const char *command, int error)
{
	complain_command(command, strerror(error));
}

void watch_notice_command(const char *command, int status)
{
	const char *name;
	char what[48];

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		snprintf(what, sizeof(what), "killed by SIG%s",
			name ? name : "?");
	} else {
		snprintf(what, sizeof(what), "exited with %d",
			WEXITSTATUS(status));
	}
	complain_command(command, what);
}
