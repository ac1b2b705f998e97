/* SPDX-License-Identifier: MIT */
/* heraldd: reads its options, builds the floors, waits for a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "daemon/address.h"
#include "daemon/control.h"
#include "daemon/metrics_http.h"
#include "daemon/options.h"
#include "daemon/priv.h"
#include "daemon/stores.h"

#include "nfs/server.h"
#include "store/dirindex.h"
#include "store/ident.h"

/*
 * Descriptors that are neither connections nor cached files: a few, those that
 * a call opens beside the cache (posix.h), and what an export holds.
 */
#define OTHER_FDS  64
#define THREAD_FDS 4
#define EXPORT_FDS 8

/* As many descriptors as we can make use of. */
#define FILES_WANTED (1u << 20)

/* Of those, what there is room for from the start: 1 MiB of the kernel's. */
#define FILES_READY (1u << 17)

/* How often descriptors of files removed by others are let go. */
#define TIDY_S 30

/* Stores cannot work with fewer. */
#define STORE_FDS 64

#define WHY_SIZE 256

#define ADDRESSES_MAX 256

/* Everything a running daemon holds, in the order it is made. */
struct daemon {
	struct options options;
	unsigned max_files; /* RLIMIT_NOFILE */
	struct clock clock;
	struct timers timers;
	struct ident ident;
	struct dirindex *index;
	struct stores stores;
	struct nfs_server *server;
	struct metrics_source source;
	struct metrics_http *metrics;
	char addresses[ADDRESSES_MAX]; /* where it serves, with spaces */
	struct control *control;
};

/* Connections come first; the stores share the rest. */
static unsigned store_files(const struct daemon *d)
{
	const struct config *config = &d->options.config;
	uint64_t others = OTHER_FDS + config->server.max_connections +
		THREAD_FDS * config->server.threads +
		EXPORT_FDS * config->exports.count;

	return d->max_files > others + STORE_FDS ? d->max_files - others
						 : STORE_FDS;
}

static int start_stores(struct daemon *d)
{
	const struct config *config = &d->options.config;

	d->index = dirindex_new(
		&d->clock, d->ident.cookie_key, config->server.listing_cache);
	if (!d->index)
		return -ENOMEM;
	return stores_init(
		&d->stores, config, &d->clock, d->index, store_files(d));
}

static int start_server(struct daemon *d)
{
	const struct server_settings *server = &d->options.config.server;
	struct nfs_server_config config;

	nfs_server_config_default(&config, &d->clock, &d->timers);
	nfs_settings_apply(&d->options.config.nfs, &config);
	config.rpc.max_connections = server->max_connections;
	config.rpc.threads_max = server->threads;
	config.state.epoch = d->ident.epoch;
	config.state.lease_ms = server->lease;
	memcpy(config.state.server_id, d->ident.id, sizeof(d->ident.id));
	memcpy(config.handle_key, d->ident.handle_key,
		sizeof(config.handle_key));
	config.exports = d->stores.exports;
	config.nexports = d->stores.count;
	return nfs_server_start(&config, &d->server);
}

/* What does not fit any more nobody reads. */
static void note_address(struct daemon *d, const char *name)
{
	size_t used = strlen(d->addresses);

	snprintf(d->addresses + used, sizeof(d->addresses) - used, "%s%s",
		used ? " " : "", name);
}

static int listen_on(struct daemon *d, const char *text)
{
	struct sockaddr_storage addr, bound;
	char name[ADDRESS_TEXT_MAX];
	socklen_t len;
	int err;

	if (!address_parse(text, &addr, &len))
		return -EINVAL;
	err = rpc_listen(d->server->rpc, (struct sockaddr *)&addr, len, &bound);
	if (err < 0) {
		log_error("cannot listen on address=%s: %s", text,
			strerror(-err));
		return err;
	}
	address_format(&bound, name, sizeof(name));
	if (address_is_wildcard(&bound))
		log_warn("listening on every address: anybody who reaches "
			 "address=%s may mount what is exported",
			name);
	note_address(d, name);
	log_info("serving address=%s exports=%zu lease_s=%llu", name,
		d->stores.count,
		(unsigned long long)d->options.config.server.lease / 1000);
	return 0;
}

static int start_listening(struct daemon *d)
{
	const struct setting_list *listen = &d->options.config.server.listen;
	int err = 0;

	for (size_t i = 0; i < listen->count && err == 0; i++)
		err = listen_on(d, listen->items[i]);
	return err;
}

static int start_metrics(struct daemon *d)
{
	const char *wanted = d->options.config.server.metrics;
	struct sockaddr_storage addr, bound;
	char text[ADDRESS_TEXT_MAX];
	socklen_t len;
	int err;

	d->source = (struct metrics_source){
		.server = d->server,
		.index = d->index,
		.started_s = time(NULL),
	};
	if (strcmp(wanted, "off") == 0)
		return 0;
	if (!address_parse_local(wanted, &addr, &len))
		return -EINVAL;
	err = metrics_http_start(&addr, len, &d->source, &d->metrics, &bound);
	address_format(err < 0 ? &addr : &bound, text, sizeof(text));
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

static int start_control(struct daemon *d)
{
	const struct control_source source = {
		.metrics = d->source, .address = d->addresses};
	int err = control_start(d->ident.dir_fd, &source, &d->control);

	if (err < 0)
		log_error("cannot make the control socket in path=%s: %s",
			d->options.config.server.state_dir, strerror(-err));
	return err;
}

static int start_identity(struct daemon *d)
{
	char why[WHY_SIZE] = "";
	const char *dir = d->options.config.server.state_dir;
	int err = ident_open(dir, &d->ident, why, sizeof(why));

	if (err < 0)
		log_error("cannot use state directory path=%s: %s", dir, why);
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
	control_stop(d->control);
	metrics_http_stop(d->metrics);
	nfs_server_stop(d->server);
	stores_fini(&d->stores);
	dirindex_free(d->index);
	timers_fini(&d->timers);
	ident_close(&d->ident);
	options_free(&d->options);
}

static int daemon_start(struct daemon *d)
{
	int err;

	clock_init(&d->clock);
	timers_init(&d->timers, &d->clock);
	err = timers_start(&d->timers);
	if (err == 0)
		err = start_identity(d);
	if (err == 0)
		err = start_stores(d);
	if (err == 0)
		err = start_server(d);
	if (err == 0)
		err = start_metrics(d);
	if (err == 0)
		err = start_listening(d);
	if (err == 0)
		err = start_control(d);
	return err;
}

/* Signals that mean us are waited for, not handled: no thread takes them. */
static void block_signals(sigset_t *ours)
{
	sigemptyset(ours);
	sigaddset(ours, SIGINT);
	sigaddset(ours, SIGTERM);
	sigaddset(ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ours, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/*
 * Wait for one of @ours that ends us; now and then tidy up what an idle server
 * keeps. A terminal that is closed, or somebody who wants the configuration
 * read again, must not end a server.
 */
static int serve_until(struct daemon *d, const sigset_t *ours)
{
	const struct timespec interval = {.tv_sec = TIDY_S};
	int number;

	for (;;) {
		number = sigtimedwait(ours, NULL, &interval);
		if (number == SIGHUP)
			log_info("ignored signal=%s: the configuration is read "
				 "at start only",
				strsignal(number));
		else if (number > 0)
			return number;
		else
			stores_trim(&d->stores, TIDY_S * 1000);
	}
}

int main(int argc, char **argv)
{
	struct daemon d = {.ident.dir_fd = -1};
	sigset_t ours;
	int err, number;

	if (!options_parse(&d.options, argc, argv, &err)) {
		options_free(&d.options);
		return err;
	}
	log_setup(STDERR_FILENO,
		d.options.verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO);
	umask(0); /* modes are the clients' (SV-12) */
	block_signals(&ours);
	if (settle_privileges(&d) < 0) {
		options_free(&d.options);
		return EXIT_FAILURE;
	}
	err = daemon_start(&d);
	if (err == 0) {
		number = serve_until(&d, &ours);
		log_info("stopping signal=%s", strsignal(number));
	}
	daemon_stop(&d);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
