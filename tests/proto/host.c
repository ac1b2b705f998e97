/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77

void host_need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: needs root\n");
	exit(SKIPPED);
}

static void start(struct host *h, struct testserver_options options)
{
	const char *dir = getenv("HERALD_TEST_DIR");

	options.posix_path = h->export;
	snprintf(h->base, sizeof(h->base), "%s/herald-proto-XXXXXX",
		dir ? dir : "/var/tmp");
	assert_non_null(mkdtemp(h->base));
	snprintf(h->export, sizeof(h->export), "%s/export", h->base);
	assert_int_equal(mkdir(h->export, 0777), 0);
	assert_int_equal(chmod(h->export, 0777), 0);
	testserver_start(&h->ts, &options);
}

void host_start(struct host *h)
{
	start(h, (struct testserver_options){.overlap = false});
}

void host_start_twice(struct host *h)
{
	start(h, (struct testserver_options){.overlap = true});
}

void host_start_watched(struct host *h, const struct posix_watch_options *watch)
{
	start(h,
		(struct testserver_options){
			.local_changes = true, .watch = *watch});
}

static int remove_one(
	const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

void host_stop(struct host *h)
{
	testserver_stop(&h->ts);
	nftw(h->base, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static const char *join(const char *dir, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

const char *host_path(const struct host *h, const char *name)
{
	return join(h->export, name);
}

const char *host_outside(const struct host *h, const char *name)
{
	return join(h->base, name);
}

void host_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0666), 0);
}
