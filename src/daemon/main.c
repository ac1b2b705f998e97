/* SPDX-License-Identifier: MIT */
/* heraldd: reads its options, builds the floors, waits for a signal. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "daemon/address.h"
#include "daemon/metrics_http.h"
#include "daemon/options.h"
#include "daemon/priv.h"

#include "nfs/server.h"
#include "store/dirindex.h"
#include "store/ident.h"
#include "store/posix.h"

/* Descriptors that are neither connections nor cached files. */
#define OTHER_FDS 64

/* As many descriptors as we can make use of. */
#define FILES_WANTED (1u << 20)

/* Of those, what there is room for from the start: 1 MiB of the kernel's. */
#define FILES_READY (1u << 17)

/* How often descriptors of files removed by others are let go. */
#define TIDY_S 30

/* What the listing index of all directories may cost. */
#define INDEX_BYTES (256u * 1024 * 1024)

#define WHY_SIZE 256

/* Everything a running daemon holds, in the order it is made. */
struct daemon {
	struct options options;
	unsigned max_files; /* RLIMIT_NOFILE */
	struct clock clock;
	struct timers timers;
	struct ident ident;
	struct dirindex *index;
	struct store *store;
	struct nfs_server *server;
	struct metrics_http *metrics;
};

static int start_store(struct daemon *d, unsigned max_connections)
{
	char why[WHY_SIZE] = "";
	unsigned limit = d->max_files;
	struct posix_options posix = {
		.path = d->options.export_path,
		.clock = &d->clock,
		.max_fds = limit > max_connections + OTHER_FDS + 64
			? limit - max_connections - OTHER_FDS
			: 64,
	};

	d->index = dirindex_new(&d->clock, d->ident.cookie_key, INDEX_BYTES);
	if (!d->index)
		return -ENOMEM;
	posix.index = d->index;
	d->store = posix_new(&posix, why, sizeof(why));
	if (d->store)
		return 0;
	log_error("cannot export path=%s: %s", d->options.export_path, why);
	return -EINVAL;
}

static int start_server(struct daemon *d, unsigned max_connections)
{
	struct nfs_server_config config;
	struct export export = export_default();

	nfs_server_config_default(&config, &d->clock, &d->timers);
	config.rpc.max_connections = max_connections;
	config.state.epoch = d->ident.epoch;
	config.state.lease_ms = d->options.lease_s * 1000;
	memcpy(config.state.server_id, d->ident.id, sizeof(d->ident.id));
	memcpy(config.handle_key, d->ident.handle_key,
		sizeof(config.handle_key));
	export.store = d->store;
	export.root_squash = d->options.root_squash;
	/* README: nobody but heraldd writes to the export, for now. */
	export.atomic_changes = true;
	config.exports = &export;
	config.nexports = 1;
	return nfs_server_start(&config, &d->server);
}

static int start_listening(struct daemon *d)
{
	struct sockaddr_storage bound;
	char text[ADDRESS_TEXT_MAX];
	int err = rpc_listen(d->server->rpc,
		(struct sockaddr *)&d->options.listen, d->options.listen_len,
		&bound);

	if (err < 0) {
		address_format(&d->options.listen, text, sizeof(text));
		log_error("cannot listen on address=%s: %s", text,
			strerror(-err));
		return err;
	}
	address_format(&bound, text, sizeof(text));
	if (address_is_wildcard(&bound))
		log_warn("listening on every address: anybody who reaches "
			 "address=%s may mount this export",
			text);
	log_info("serving path=%s address=%s lease_s=%u",
		d->options.export_path, text, d->options.lease_s);
	return 0;
}

static int start_metrics(struct daemon *d)
{
	const struct metrics_source source = {
		.server = d->server,
		.index = d->index,
		.started_s = time(NULL),
	};
	struct sockaddr_storage bound;
	char text[ADDRESS_TEXT_MAX];
	int err;

	if (d->options.metrics_len == 0)
		return 0;
	err = metrics_http_start(&d->options.metrics, d->options.metrics_len,
		&source, &d->metrics, &bound);
	address_format(
		err < 0 ? &d->options.metrics : &bound, text, sizeof(text));
	if (err < 0) {
		log_error("cannot serve metrics on address=%s: %s", text,
			strerror(-err));
		return err;
	}
	if (address_is_wildcard(&bound))
		log_warn("metrics on every address: anybody who reaches "
			 "address=%s may read them",
			text);
	log_info("serving metrics address=%s", text);
	return 0;
}

static int start_identity(struct daemon *d)
{
	char why[WHY_SIZE] = "";
	int err = ident_open(d->options.state_dir, &d->ident, why, sizeof(why));

	if (err < 0)
		log_error("cannot use state directory path=%s: %s",
			d->options.state_dir, why);
	return err;
}

/*
 * Check what is needed, raise what may be raised, give up the rest: all threads
 * inherit what is left, and there is only this one yet.
 */
static int settle_privileges(struct daemon *d)
{
	char why[WHY_SIZE] = "";
	int err = priv_check(why, sizeof(why));

	d->max_files = priv_raise_files(FILES_WANTED);
	priv_reserve_files(
		d->max_files < FILES_READY ? d->max_files : FILES_READY);
	if (err == 0)
		err = priv_trim(why, sizeof(why));
	if (err < 0)
		log_error("%s", why);
	return err;
}

static void daemon_stop(struct daemon *d)
{
	metrics_http_stop(d->metrics);
	nfs_server_stop(d->server);
	store_free(d->store);
	dirindex_free(d->index);
	timers_fini(&d->timers);
	ident_close(&d->ident);
}

static int daemon_start(struct daemon *d)
{
	struct rpc_config rpc;
	int err;

	rpc_config_default(&rpc);
	clock_init(&d->clock);
	err = timers_init(&d->timers, &d->clock);
	if (err == 0)
		err = timers_start(&d->timers);
	if (err == 0)
		err = start_identity(d);
	if (err == 0)
		err = start_store(d, rpc.max_connections);
	if (err == 0)
		err = start_server(d, rpc.max_connections);
	if (err == 0)
		err = start_metrics(d);
	if (err == 0)
		err = start_listening(d);
	return err;
}

/* The signals that end us are waited for, not handled: no thread takes them. */
static void block_signals(sigset_t *ending)
{
	sigemptyset(ending);
	sigaddset(ending, SIGINT);
	sigaddset(ending, SIGTERM);
	pthread_sigmask(SIG_BLOCK, ending, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Wait for one of @ending; now and then tidy up what an idle server keeps. */
static int serve_until(struct daemon *d, const sigset_t *ending)
{
	const struct timespec interval = {.tv_sec = TIDY_S};
	int number;

	while ((number = sigtimedwait(ending, NULL, &interval)) < 0)
		posix_trim(d->store, TIDY_S * 1000);
	return number;
}

int main(int argc, char **argv)
{
	struct daemon d = {.ident.dir_fd = -1};
	sigset_t ending;
	int err, number;

	if (!options_parse(&d.options, argc, argv, &err))
		return err;
	log_setup(STDERR_FILENO,
		d.options.verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	umask(0); /* modes are the clients' (SV-12) */
	block_signals(&ending);
	if (settle_privileges(&d) < 0)
		return EXIT_FAILURE;
	err = daemon_start(&d);
	if (err == 0) {
		number = serve_until(&d, &ending);
		log_info("stopping signal=%s", strsignal(number));
	}
	daemon_stop(&d);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
