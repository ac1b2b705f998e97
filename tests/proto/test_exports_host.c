/* SPDX-License-Identifier: MIT */
/* One directory of the host, exported twice: two stores, one set of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ask.h"
#include "host.h"
#include "store/posix.h"

static struct host host;

static stateid4 make_file(struct peer *p, const char *root, struct handle *fh)
{
	peer_begin(p);
	ask_path(p, root);
	ask_open_create(p, "file", UNCHECKED4);
	ask_getfh(p);
	assert_int_equal(peer_call(p), NFS4_OK);
	*fh = handle_from(p, 3);
	return peer_result(p, 2)->opopen.resok4.stateid;
}

static void read_text(
	struct peer *p, const struct handle *fh, const stateid4 *open)
{
	const READ4resok *ok;

	peer_begin(p);
	ask_fh(p, fh);
	ask_read(p, open, 0, 10);
	assert_int_equal(peer_call(p), NFS4_OK);
	ok = &peer_last(p)->opread.resok4;
	assert_int_equal(ok->data.len, 4);
	assert_memory_equal(ok->data.data, "text", 4);
}

/* The last name goes through the one, the file stays open through the other. */
static void an_open_file_outlives_its_name(void **state)
{
	struct handle file;
	stateid4 open;
	struct peer p;

	host_start_twice(&host);
	peer_init(&p, host.ts.server, "p");
	p.uid = 0;
	open = make_file(&p, "one", &file);
	peer_begin(&p);
	ask_fh(&p, &file);
	ask_write(&p, &open, 0, "text", UNSTABLE4);
	ask_path(&p, "two");
	ask_remove(&p, "file");
	assert_int_equal(peer_call(&p), NFS4_OK);
	read_text(&p, &file, &open);
	posix_trim(host.ts.below, 0); /* no descriptor is left by chance */
	read_text(&p, &file, &open);
	peer_begin(&p);
	ask_fh(&p, &file);
	ask_close(&p, &open);
	assert_int_equal(peer_call(&p), NFS4_OK);
	posix_trim(host.ts.below, 0);
	peer_begin(&p);
	ask_fh(&p, &file);
	assert_int_equal(peer_call(&p), NFS4ERR_STALE);
	peer_fini(&p);
	host_stop(&host);
}

/* What the one lists, the other changes. */
static void a_listing_sees_what_the_other_did(void **state)
{
	const entry4 *e;
	struct peer p;

	host_start_twice(&host);
	peer_init(&p, host.ts.server, "p");
	p.uid = 0;
	for (int i = 0; i < 20; i++) {
		char name[2] = {(char)('a' + i)};
		int n = 0;

		peer_begin(&p);
		ask_path(&p, i % 2 ? "one" : "two");
		ask_create(&p, name, NF4DIR);
		ask_path(&p, i % 2 ? "two" : "one");
		ask_readdir(&p, 0, NULL, 4000);
		assert_int_equal(peer_call(&p), NFS4_OK);
		e = peer_last(&p)->opreaddir.resok4.reply.entries;
		for (; e; e = e->nextentry)
			n++;
		assert_int_equal(n, i + 1);
	}
	peer_fini(&p);
	host_stop(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_file_outlives_its_name),
		cmocka_unit_test(a_listing_sees_what_the_other_did),
	};

	host_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
