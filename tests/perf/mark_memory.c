/* SPDX-License-Identifier: MIT */
/*
 * What watching a directory for local changes costs: N new directories below
 * DIRECTORY are watched as delegated ones are, and what the kernel keeps for
 * that is counted: objects in its slabs, before, meanwhile and after, each time
 * when all inodes and names that nothing holds were dropped. So a directory's inode,
 * which its mark keeps in memory, is counted, too. Needs root, and a machine
 * that does little else.
 *
 *	mark_memory DIRECTORY N
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/posix.h"

#define IN_ONE 1000 /* directories */
#define PASSES 5

static void must(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "mark_memory: %s: %s\n", what,
		strerror(err < 0 ? -err : errno));
	exit(1);
}

static void drop_inodes(void)
{
	FILE *f;

	sync();
	f = fopen("/proc/sys/vm/drop_caches", "w");
	must(!f, "drop_caches");
	fputs("2", f);
	must(fclose(f), "drop_caches");
	sleep(1); /* what is freed after a grace period */
}

/* Objects in use: pages that are half empty would hide some, or show more. */
static long read_slab_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	long active, size, sum = 0;
	char line[256];

	must(!f, "slabinfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %ld %*d %ld", &active, &size) == 2)
			sum += active * size;
	}
	fclose(f);
	return sum;
}

/* What was used lately is spared at first. */
static long slab_bytes(void)
{
	long least = -1;

	for (int i = 0; i < PASSES; i++) {
		long now;

		drop_inodes();
		now = read_slab_bytes();
		if (least < 0 || now < least)
			least = now;
	}
	return least;
}

static void name_of(unsigned n, char *path, size_t size)
{
	snprintf(path, size, "%u/%u", n / IN_ONE, n);
}

static void make(unsigned count)
{
	char path[32];

	for (unsigned n = 0; n < count; n++) {
		name_of(n, path, sizeof(path));
		if (n % IN_ONE == 0) {
			*strchr(path, '/') = '\0';
			must(mkdir(path, 0755), path);
			name_of(n, path, sizeof(path));
		}
		must(mkdir(path, 0755), path);
	}
}

static void take_away(unsigned count)
{
	char path[32];

	for (unsigned n = count; n-- > 0;) {
		name_of(n, path, sizeof(path));
		must(rmdir(path), path);
		if (n % IN_ONE == 0) {
			*strchr(path, '/') = '\0';
			must(rmdir(path), path);
		}
	}
}

static void watch(struct store *s, const char *path)
{
	struct fileid id, up;
	const char *name = strchr(path, '/') + 1;
	struct name first = {.data = path, .len = name - 1 - path};

	must(store_root(s, &id), "the root");
	must(store_lookup(s, &cred_server, &id, first, &up), path);
	must(store_lookup(s, &cred_server, &up, name_from_str(name), &id),
		path);
	must(store_watch(s, &id, STORE_WATCH_ENTRIES), "watch");
	must(store_watch(s, &id, STORE_WATCH_END), "watch its end");
}

static void ignore(void *ctx, const struct outside *what)
{
}

/* The slabs' size while all are watched. */
static long measure(const char *dir, unsigned count, size_t *heap)
{
	static const struct store_observer observer = {.outside = ignore};
	static const uint8_t secret[32];
	struct clock clock;
	struct dirindex *index = dirindex_new(&clock, secret, 1 << 20);
	struct posix_options options = {
		.path = dir,
		.clock = &clock,
		.index = index,
		.max_fds = 64,
		.watch.max_marks = 2 * (uint64_t)count + 16,
	};
	char why[256], path[32];
	struct store *s;
	size_t before;
	long bytes;

	clock_init(&clock);
	s = posix_new(&options, why, sizeof(why));
	if (!s) {
		fprintf(stderr, "mark_memory: %s\n", why);
		exit(1);
	}
	must(store_observe(s, &observer), "observe");
	before = mallinfo2().uordblks;
	for (unsigned n = 0; n < count; n++) {
		name_of(n, path, sizeof(path));
		watch(s, path);
	}
	posix_trim(s, 0);
	*heap = mallinfo2().uordblks - before;
	bytes = slab_bytes();
	store_free(s);
	dirindex_free(index);
	return bytes;
}

int main(int argc, char **argv)
{
	unsigned count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	long before, meanwhile, after;
	char dir[4096];
	size_t heap;

	if (!count) {
		fprintf(stderr, "usage: mark_memory DIRECTORY N\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/mark_memory-XXXXXX", argv[1]);
	must(!mkdtemp(dir), dir);
	must(chdir(dir), dir);
	make(count);
	before = slab_bytes();
	meanwhile = measure(dir, count, &heap);
	after = slab_bytes();
	printf("%u directories watched: %.0f bytes of the kernel's slabs each "
	       "(%.0f if what it kept afterwards is not counted), %.0f of our "
	       "own\n",
		count, (double)(meanwhile - before) / count,
		(double)(meanwhile - after) / count, (double)heap / count);
	take_away(count);
	must(chdir("/"), "/");
	must(rmdir(dir), dir);
	return 0;
}
