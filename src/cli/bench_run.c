/* SPDX-License-Identifier: MIT */
/* herald bench notify, from connecting to cleaning up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/bench_hold.h"
#include "cli/bench_mutate.h"
#include "cli/bench_report.h"
#include "cli/bench_tree.h"
#include "cli/verbs.h"
#include "proto/nfs4.h"

/* Changes that can be under way. */
#define MUTATORS 16

/* How many calls a holder can have under way; most have one. */
#define HOLDER_SLOTS 8

/* A change that meets a recall is tried again so often, for so long. */
#define DELAY_MS     10
#define DELAY_MAX_MS 60000

/* A server that is gone for longer ends it. */
#define PATIENCE_MS 30000

struct bench {
	const struct bench_options *options;
	const atomic_bool *stop;
	struct nfsc_net *net;
	struct nfsc *mutator;
	uint32_t minor_version;
	struct bench_tree tree;
	struct bench_plan plan;
	struct bench_tally *tally;
	struct bench_hold *hold;
	struct bench_report report;
};

static void read_usage(struct bench *b, struct bench_usage *ret)
{
	if (b->report.server && !bench_proc_usage(b->report.server, ret))
		b->report.server = 0;
}

/* ---- the steps ---- */

static void client_config(const struct bench *b, struct nfsc_config *ret)
{
	nfsc_config_default(ret);
	ret->net = b->net;
	ret->host = b->options->url.host;
	ret->port = b->options->url.port;
	ret->reserved_port = b->options->clients < 100; /* there are 359 */
	ret->minor_version = b->minor_version;
	ret->patience_ms = PATIENCE_MS;
	ret->retry_delay_ms = DELAY_MS;
	ret->retry_delay_max_ms = DELAY_MAX_MS;
}

static int connect_as(struct bench *b, uint32_t minor_version)
{
	struct nfsc_config config;

	b->minor_version = minor_version;
	client_config(b, &config);
	config.fore_slots = MUTATORS + 2;
	return nfsc_new(&config, &b->mutator);
}

static int connect_mutator(struct bench *b)
{
	int err;

	b->net = nfsc_net_new(NULL, NULL);
	if (!b->net)
		return -errno;
	err = connect_as(b, 2);
	if (err == NFS4ERR_MINOR_VERS_MISMATCH)
		err = connect_as(b, 1);
	return err;
}

/* The one we were told must be there; the one we look for need not be. */
static int find_server(struct bench *b)
{
	const struct nfsurl *url = &b->options->url;
	struct bench_usage usage;

	b->report.server = b->options->server;
	if (!b->report.server)
		b->report.server = bench_proc_find(url->host, url->port);
	else if (!bench_proc_usage(b->report.server, &usage))
		return -ESRCH;
	return 0;
}

static int make_tree(struct bench *b)
{
	const struct bench_options *o = b->options;

	return bench_tree_make(&b->tree, b->mutator, o->url.names,
		o->url.nnames, o->directories, b->stop);
}

static void make_plan(struct bench *b)
{
	const struct bench_options *o = b->options;

	if (o->burst)
		bench_plan_init_burst(&b->plan, o->directories, o->burst);
	else
		bench_plan_init(&b->plan, o->directories, o->rate,
			(uint64_t)(o->rate * o->seconds));
}

static int connect_holders(struct bench *b)
{
	const struct bench_options *o = b->options;
	struct bench_hold_config config = {
		.dirs = b->tree.dirs,
		.directories = o->directories,
		.holders = o->holders,
		.clients = o->clients,
		.attributes = o->attributes,
		.stop = b->stop,
	};

	client_config(b, &config.client);
	config.client.renew = false; /* the keeper does it for all */
	config.client.fore_slots = HOLDER_SLOTS;
	b->tally = config.tally = bench_tally_new(&b->plan);
	if (!b->tally)
		return -ENOMEM;
	b->hold = bench_hold_new(&config);
	if (!b->hold)
		return -ENOMEM;
	return bench_hold_connect(b->hold);
}

static int get_delegations(struct bench *b)
{
	int err;

	read_usage(b, &b->report.before);
	err = bench_hold_grant(b->hold);
	read_usage(b, &b->report.granted);
	return err;
}

static int list_directories(struct bench *b)
{
	return b->plan.changes ? bench_hold_list(b->hold) : 0;
}

/* No change at all: what does it cost just to hold them? */
static int stay_idle(struct bench *b)
{
	uint64_t ns = (uint64_t)(b->options->seconds * 1e9);
	uint64_t end = bench_tally_now(b->tally) + ns;

	b->report.seconds = b->options->seconds;
	return bench_sleep_until(end, b->stop) ? 0 : -EINTR;
}

static int make_changes(struct bench *b)
{
	struct bench_tally *t = b->tally;
	const struct bench_mutator m = {
		.client = b->mutator,
		.dirs = b->tree.dirs,
		.tally = t,
		.threads = MUTATORS,
		.stop = b->stop,
	};
	uint64_t end;
	int err = bench_mutate(&m);

	bench_hold_drain(b->hold);
	end = t->last_event_ns > t->last_ns ? t->last_event_ns : t->last_ns;
	b->report.seconds = (double)(end - t->first_ns) / 1e9;
	return err;
}

static int run_it(struct bench *b)
{
	int err;

	read_usage(b, &b->report.begun);
	err = b->plan.changes ? make_changes(b) : stay_idle(b);
	read_usage(b, &b->report.ended);
	bench_hold_stats(b->hold, &b->report.hold);
	return err;
}

static int check(struct bench *b)
{
	if (b->plan.changes == 0)
		return 0;
	return bench_hold_check(b->hold, b->mutator, &b->report.verdict);
}

static const struct step {
	const char *what;
	int (*run)(struct bench *b);
} steps[] = {
	{"connect", connect_mutator},
	{"look at the server's process", find_server},
	{"make directories", make_tree},
	{"connect the holders", connect_holders},
	{"ask for delegations", get_delegations},
	{"list directories", list_directories},
	{"make changes", run_it},
	{"list directories again", check},
};

/* ---- saying how it went ---- */

static const char *error_text(int error)
{
	if (error == -ENXIO)
		return "there is no such host";
	return error > 0 ? nfs4_status_name((uint32_t)error) : strerror(-error);
}

static void complain(const struct bench *b, const char *what, int error)
{
	if (error == -EINTR)
		fputs("herald bench: interrupted, cleaning up\n", stderr);
	else
		fprintf(stderr, "herald bench: %s: cannot %s: %s\n",
			b->options->text, what, error_text(error));
}

/* For people who wait: some of it takes minutes. */
static void say_step(const struct bench *b, const struct step *step)
{
	if (isatty(STDERR_FILENO) && b->options->directories >= 10000)
		fprintf(stderr, "herald bench: %s...\n", step->what);
}

static void print_report(struct bench *b)
{
	const struct bench_options *o = b->options;
	struct bench_report *r = &b->report;

	r->url = o->text;
	r->holders = o->holders;
	r->directories = o->directories;
	r->clients = o->clients;
	r->plan = &b->plan;
	r->tally = b->tally;
	if (o->json)
		bench_report_json(r, stdout);
	else
		bench_report_text(r, stdout);
}

/* ---- all of it ---- */

static int run_steps(struct bench *b)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++) {
		say_step(b, &steps[i]);
		err = *b->stop ? -EINTR : steps[i].run(b);
		if (err)
			complain(b, steps[i].what, err);
	}
	return err;
}

static int clean_up(struct bench *b)
{
	int err = 0;

	if (b->hold)
		bench_hold_leave(b->hold);
	if (b->mutator) {
		err = bench_tree_remove(&b->tree);
		nfsc_leave(b->mutator);
		nfsc_free(b->mutator);
	}
	if (err)
		complain(b, "remove what was made", err);
	bench_hold_free(b->hold);
	bench_tally_free(b->tally);
	nfsc_net_free(b->net);
	return err;
}

int bench_run(const struct bench_options *options, const atomic_bool *stop)
{
	struct bench b = {.options = options, .stop = stop};
	bool good;

	make_plan(&b);
	good = run_steps(&b) == 0;
	if (good) {
		print_report(&b);
		good = bench_report_is_good(&b.report);
	}
	if (clean_up(&b))
		good = false;
	return good ? EXIT_OK : EXIT_FAILED;
}
