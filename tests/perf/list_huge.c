/* SPDX-License-Identifier: MIT */
/*
 * A huge directory is listed by several clients at once while another creates
 * files in it: does anybody wait, and does every listing have every name that
 * was there all the time exactly once?
 *
 *	list_huge HOST PORT DIRECTORY ENTRIES [CLIENTS [RATE]]
 *
 * DIRECTORY, below the server's root, has the files s0 .. s(ENTRIES - 1). RATE
 * files a second (100) are created on an open-loop schedule as long as any of
 * CLIENTS (8) lists; how long each took counts from when it was due. They are
 * removed at the end. Prints JSON; exit status 1: a name was missing, came
 * twice, or an operation failed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/bench_hist.h"
#include "client/nfsc_files.h"

#define CLIENTS_MAX  64
#define CREATORS     4
#define CREATORS_MAX 1000000 /* files */

struct huge {
	struct nfsc_config config;
	struct nfsc *creator;
	struct nfsc_fh dir;
	uint32_t entries;
	double rate;
	struct clock clock;
	uint64_t start_ns;
	_Atomic unsigned listing; /* that are not done */
	_Atomic uint32_t created;
	_Atomic unsigned failed;
	struct bench_hist waits;
};

struct lister {
	struct huge *huge;
	pthread_t thread;
	struct nfsc *client;
	uint8_t *seen, *new_seen; /* one byte for each name */
	uint64_t missing, twice, others;
	double seconds;
	int err;
};

static double since(struct huge *h, uint64_t from_ns)
{
	return (double)(clock_mono_ns(&h->clock) - from_ns) / 1e9;
}

/* ---- listing ---- */

/* The count of a name of that letter, or NULL. */
static uint8_t *count_of(
	uint8_t *counts, uint64_t n, char letter, struct name name)
{
	char text[24];
	uint64_t number;

	if (name.len < 2 || name.len >= sizeof(text) || name.data[0] != letter)
		return NULL;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	number = strtoull(text + 1, NULL, 10);
	return number < n ? &counts[number] : NULL;
}

static int note(void *ctx, const struct dircache_entry *entry)
{
	struct lister *l = ctx;
	uint8_t *count = count_of(l->seen, l->huge->entries, 's', entry->name);

	if (!count)
		count = count_of(l->new_seen, CREATORS_MAX, 'n', entry->name);
	if (!count)
		l->others++;
	else if (*count)
		l->twice++;
	else
		*count = 1;
	return 0;
}

static void *list_main(void *arg)
{
	struct lister *l = arg;
	struct huge *h = l->huge;
	bitmap4 attrs = {.beyond = false};
	uint64_t begun = clock_mono_ns(&h->clock);
	struct nfsc_page page;

	bitmap4_set(&attrs, FATTR4_TYPE);
	bitmap4_set(&attrs, FATTR4_FILEID);
	l->err = nfsc_readdir(l->client, &h->dir, &attrs, &page, note, l);
	l->seconds = since(h, begun);
	for (uint32_t i = 0; i < h->entries; i++)
		l->missing += !l->seen[i];
	h->listing--;
	return NULL;
}

/* ---- creating ---- */

static void sleep_until(uint64_t ns)
{
	struct timespec at = timespec_from_ns(ns);

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int create(struct huge *h, uint32_t i)
{
	const struct setattr set = {.mask = SETATTR_MODE, .mode = 0644};
	char name[24];

	snprintf(name, sizeof(name), "n%u", i);
	return nfsc_mknod(h->creator, &h->dir, name_from_str(name), NF4FIFO,
		&set, NULL, NULL);
}

static void *create_main(void *arg)
{
	struct huge *h = arg;
	uint64_t due, now;
	uint32_t i;

	while (h->listing && (i = h->created++) < CREATORS_MAX) {
		due = h->start_ns + (uint64_t)((double)i * 1e9 / h->rate);
		sleep_until(due);
		h->failed += create(h, i) != 0;
		now = clock_mono_ns(&h->clock);
		bench_hist_add(&h->waits, now > due ? now - due : 0);
	}
	return NULL;
}

static void remove_created(struct huge *h)
{
	char name[24];

	for (uint32_t i = 0; i < h->created && i < CREATORS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		nfsc_remove(h->creator, &h->dir, name_from_str(name), NULL);
	}
}

/* ---- all of it ---- */

static bool start_lister(struct huge *h, struct lister *l)
{
	l->huge = h;
	l->seen = calloc(h->entries, 1);
	l->new_seen = calloc(CREATORS_MAX, 1);
	return l->seen && l->new_seen && nfsc_new(&h->config, &l->client) == 0;
}

static void run(struct huge *h, struct lister *listers, unsigned n)
{
	pthread_t creators[CREATORS];

	h->listing = n;
	h->start_ns = clock_mono_ns(&h->clock);
	for (int i = 0; i < CREATORS; i++)
		pthread_create(&creators[i], NULL, create_main, h);
	for (unsigned i = 0; i < n; i++)
		pthread_create(
			&listers[i].thread, NULL, list_main, &listers[i]);
	for (unsigned i = 0; i < n; i++)
		pthread_join(listers[i].thread, NULL);
	for (int i = 0; i < CREATORS; i++)
		pthread_join(creators[i], NULL);
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* Prints the figures; true when all listings were right. */
static bool report(struct huge *h, const struct lister *listers, unsigned n)
{
	uint64_t missing = 0, twice = 0, others = 0;
	double slowest = 0;
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		missing += listers[i].missing;
		twice += listers[i].twice;
		others += listers[i].others;
		err = err ? err : listers[i].err;
		if (listers[i].seconds > slowest)
			slowest = listers[i].seconds;
	}
	printf("{\"entries\":%u,\"clients\":%u,\"slowest_listing_s\":%.3f,"
	       "\"missing\":%llu,\"twice\":%llu,\"others\":%llu,"
	       "\"listing_error\":%d,\"created\":%llu,\"create_failed\":%u,"
	       "\"create_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n",
		h->entries, n, slowest, (unsigned long long)missing,
		(unsigned long long)twice, (unsigned long long)others, err,
		(unsigned long long)h->waits.count, h->failed,
		ms(bench_hist_at(&h->waits, 0.5)),
		ms(bench_hist_at(&h->waits, 0.99)), ms(h->waits.max_ns));
	return !missing && !twice && !others && !err && !h->failed;
}

static int start(struct huge *h, char **argv)
{
	nfsc_config_default(&h->config);
	h->config.net = nfsc_net_new(NULL, NULL);
	h->config.host = argv[1];
	h->config.port = (uint16_t)strtoul(argv[2], NULL, 10);
	h->config.retry_delay_ms = 10;
	h->config.retry_delay_max_ms = 60000;
	h->entries = (uint32_t)strtoul(argv[4], NULL, 10);
	clock_init(&h->clock);
	if (!h->config.net || nfsc_new(&h->config, &h->creator) != 0)
		return -1;
	return nfsc_lookup_path(h->creator, argv[3], &h->dir);
}

int main(int argc, char **argv)
{
	static struct lister listers[CLIENTS_MAX];
	static struct huge h;
	unsigned n = argc > 5 ? (unsigned)strtoul(argv[5], NULL, 10) : 8;
	bool good = true;

	if (argc < 5 || n == 0 || n > CLIENTS_MAX) {
		fputs("usage: list_huge HOST PORT DIRECTORY ENTRIES "
		      "[CLIENTS [RATE]]\n",
			stderr);
		return 2;
	}
	h.rate = argc > 6 ? strtod(argv[6], NULL) : 100;
	if (start(&h, argv) != 0) {
		fputs("list_huge: cannot reach the directory\n", stderr);
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		good = good && start_lister(&h, &listers[i]);
	if (good) {
		run(&h, listers, n);
		good = report(&h, listers, n);
		remove_created(&h);
	}
	for (unsigned i = 0; i < n && listers[i].client; i++) {
		nfsc_leave(listers[i].client);
		nfsc_free(listers[i].client);
	}
	nfsc_leave(h.creator);
	nfsc_free(h.creator);
	nfsc_net_free(h.config.net);
	return good ? 0 : 1;
}
