/* SPDX-License-Identifier: MIT */
/*
 * 50,000 files open at once, where the process may have 4,096 descriptors: no
 * open file owns one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ask.h"
#include "host.h"
#include "testutil.h"

#define FILES       50000
#define DESCRIPTORS 4096
#define PER_CALL    20 /* PUTROOTFH, OPEN, GETFH each */
#define READS       2000

/* What the process has besides: sockets, epoll, a mount, standard streams. */
#define FEW 1000

static stateid4 sids[FILES];
static struct handle handles[FILES];

static const char *name_of(unsigned i)
{
	static char names[PER_CALL][16];
	char *name = names[i % PER_CALL];

	snprintf(name, sizeof(names[0]), "f%u", i);
	return name;
}

static void limit_descriptors(void)
{
	struct rlimit limit = {
		.rlim_cur = DESCRIPTORS, .rlim_max = DESCRIPTORS};

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void make_files(struct host *h)
{
	for (unsigned i = 0; i < FILES; i++)
		host_write(host_path(h, name_of(i)), name_of(i));
}

static void open_some(struct peer *p, unsigned first)
{
	peer_begin(p);
	for (unsigned i = first; i < first + PER_CALL; i++) {
		ask_root(p);
		ask_open(p, name_of(i), OPEN4_SHARE_ACCESS_READ);
		ask_getfh(p);
	}
	assert_int_equal(peer_call(p), NFS4_OK);
	for (unsigned i = 0; i < PER_CALL; i++) {
		sids[first + i] =
			peer_result(p, 3 * i + 1)->opopen.resok4.stateid;
		handles[first + i] = handle_from(p, 3 * i + 2);
	}
}

static void read_one(struct peer *p, unsigned i)
{
	const READ4resok *ok;

	peer_begin(p);
	ask_fh(p, &handles[i]);
	ask_read(p, &sids[i], 0, 100);
	assert_int_equal(peer_call(p), NFS4_OK);
	ok = &peer_last(p)->opread.resok4;
	assert_true(ok->eof);
	assert_int_equal(ok->data.len, strlen(name_of(i)));
	assert_memory_equal(ok->data.data, name_of(i), ok->data.len);
}

static void close_one(struct peer *p, unsigned i)
{
	peer_begin(p);
	ask_fh(p, &handles[i]);
	ask_close(p, &sids[i]);
	assert_int_equal(peer_call(p), NFS4_OK);
}

static void read_here_and_there(struct peer *p)
{
	uint32_t at = 1;

	for (int i = 0; i < READS; i++) {
		at = at * 1664525 + 1013904223;
		read_one(p, (at >> 8) % FILES);
	}
}

/* Open, without a name any more, and no descriptor of its own either. */
static void unlinked_files_are_read(struct peer *p)
{
	for (unsigned i = 0; i < FILES; i += FILES / 50)
		assert_int_equal(remove_name(p, name_of(i)), NFS4_OK);
	read_here_and_there(p);
	for (unsigned i = 0; i < FILES; i += FILES / 50)
		read_one(p, i);
	for (unsigned i = 0; i < FILES; i += FILES / 50) {
		close_one(p, i);
		peer_begin(p);
		ask_fh(p, &handles[i]);
		ask_getattr(p, FATTR4_TYPE);
		assert_int_equal(peer_call(p), NFS4ERR_STALE);
	}
}

static void many_opens_need_few_descriptors(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	unsigned most = 0, now;
	struct peer p;

	limit_descriptors();
	host_start(h);
	make_files(h);
	peer_init(&p, h->ts.server, "many");
	for (unsigned i = 0; i < FILES; i += PER_CALL) {
		open_some(&p, i);
		if (i % 5000 == 0) {
			now = test_count_fds();
			most = now > most ? now : most;
		}
	}
	read_here_and_there(&p);
	now = test_count_fds();
	most = now > most ? now : most;
	unlinked_files_are_read(&p);
	now = test_count_fds();
	most = now > most ? now : most;
	print_message("%d files open, at most %u descriptors\n", FILES, most);
	assert_true(most < FEW);
	peer_fini(&p);
	host_stop(h);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_opens_need_few_descriptors),
	};

	host_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
