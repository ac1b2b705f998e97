/* SPDX-License-Identifier: MIT */
/*
 * A directory that was moved out of the export on the host: no way after it.
 * And what is mounted inside is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "host.h"
#include "testutil.h"

static struct host host;

/* Move <export>/dir to <base>/elsewhere/dir, beside a secret. */
static void move_out(void)
{
	char from[512];

	assert_int_equal(mkdir(host_outside(&host, "elsewhere"), 0777), 0);
	host_write(host_outside(&host, "elsewhere/secret"), "secret");
	snprintf(from, sizeof(from), "%s", host_path(&host, "dir"));
	assert_int_equal(rename(from, host_outside(&host, "elsewhere/dir")), 0);
}

static void there_is_no_way_up(struct peer *p, const struct handle *dir)
{
	nfsstat4 status;

	peer_begin(p);
	ask_fh(p, dir);
	peer_add(p, OP_LOOKUPP);
	ask_lookup(p, "secret");
	status = peer_call(p);
	assert_int_not_equal(status, NFS4_OK);
	assert_int_not_equal(peer_last(p)->resop, OP_LOOKUP);
	peer_begin(p);
	ask_fh(p, dir);
	peer_add(p, OP_SECINFO_NO_NAME)->opsecinfo_no_name =
		SECINFO_STYLE4_PARENT;
	assert_int_not_equal(peer_call(p), NFS4_OK);
}

static void lookupp_does_not_leave(void **state)
{
	struct handle dir, sub;
	struct peer p;

	host_start(&host);
	peer_init(&p, host.ts.server, "climber");
	p.uid = 0;
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	dir = handle_of(&p, "dir");
	peer_begin(&p);
	ask_fh(&p, &dir);
	ask_create(&p, "sub", NF4DIR);
	ask_getfh(&p);
	assert_int_equal(peer_call(&p), NFS4_OK);
	sub = handle_from(&p, 2);
	move_out();
	there_is_no_way_up(&p, &dir);
	/* From further down, one step at a time. */
	peer_begin(&p);
	ask_fh(&p, &sub);
	peer_add(&p, OP_LOOKUPP);
	peer_add(&p, OP_LOOKUPP);
	assert_int_not_equal(peer_call(&p), NFS4_OK);
	/* The export's own root has no parent. */
	peer_begin(&p);
	ask_root(&p);
	peer_add(&p, OP_LOOKUPP);
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
	peer_fini(&p);
	host_stop(&host);
}

/* A link out of the export is the client's to follow, not ours. */
static void links_are_not_followed(void **state)
{
	struct peer p;

	host_start(&host);
	host_write(host_outside(&host, "secret"), "secret");
	peer_init(&p, host.ts.server, "climber");
	p.uid = 0;
	peer_begin(&p);
	ask_root(&p);
	ask_create(&p, "link", NF4LNK)->opcreate.objtype.linkdata =
		xdr_opaque_from_str("../secret");
	ask_root(&p);
	ask_create(&p, "up", NF4LNK)->opcreate.objtype.linkdata =
		xdr_opaque_from_str("..");
	assert_int_equal(peer_call(&p), NFS4_OK);
	peer_begin(&p);
	ask_root(&p);
	ask_open(&p, "link", OPEN4_SHARE_ACCESS_READ);
	assert_int_equal(peer_call(&p), NFS4ERR_SYMLINK);
	peer_begin(&p);
	ask_path(&p, "up");
	ask_lookup(&p, "secret");
	assert_int_equal(peer_call(&p), NFS4ERR_SYMLINK);
	peer_begin(&p);
	ask_path(&p, "link");
	ask_read(&p, &anonymous_stateid, 0, 10);
	assert_int_equal(peer_call(&p), NFS4ERR_SYMLINK);
	peer_fini(&p);
	host_stop(&host);
}

/* ---- without CAP_SYS_ADMIN: no mount of the export's own ---- */

/* How many names the root has; one page holds them. */
static unsigned list_root(struct peer *p, unsigned attr)
{
	const READDIR4resok *ok;
	unsigned count = 0;

	peer_begin(p);
	ask_root(p);
	bitmap4_set(&ask_readdir(p, 0, NULL, 8192)->attr_request, attr);
	assert_int_equal(peer_call(p), NFS4_OK);
	ok = &peer_last(p)->opreaddir.resok4;
	assert_true(ok->reply.eof);
	for (const entry4 *e = ok->reply.entries; e; e = e->nextentry)
		count++;
	return count;
}

/* Something mounted inside is left out, and nothing else. */
static void mounts_are_left_out(void **state)
{
	struct peer p;

	if (!test_own_mounts())
		skip();
	test_set_admin(false);
	host_start(&host);
	test_set_admin(true);
	peer_init(&p, host.ts.server, "lister");
	p.uid = 0;
	assert_int_equal(make_dir(&p, "dir"), NFS4_OK);
	assert_int_equal(make_dir(&p, "mnt"), NFS4_OK);
	assert_int_equal(make_dir(&p, "other"), NFS4_OK);
	assert_int_equal(
		mount("none", host_path(&host, "mnt"), "tmpfs", 0, NULL), 0);
	assert_int_equal(list_root(&p, FATTR4_FILEHANDLE), 2);
	assert_int_equal(list_root(&p, FATTR4_TYPE), 2);
	peer_begin(&p);
	ask_root(&p);
	ask_lookup(&p, "mnt");
	assert_int_equal(peer_call(&p), NFS4ERR_NOENT);
	assert_int_equal(make_dir(&p, "mnt"), NFS4ERR_EXIST);
	assert_int_equal(remove_name(&p, "mnt"), NFS4ERR_NOENT);
	assert_int_equal(umount(host_path(&host, "mnt")), 0);
	assert_int_equal(list_root(&p, FATTR4_FILEHANDLE), 3);
	peer_fini(&p);
	host_stop(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookupp_does_not_leave),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(mounts_are_left_out),
	};

	host_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
