/* SPDX-License-Identifier: MIT */
/*
 * An exclusive create that is sent again finds the file it made. Who made it
 * may open it as asked, whatever its mode; anybody else who knows verifier and
 * name used to be let in as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"
#include "rig.h"

static struct rig r;
static struct peer maker, other;

static void begin(void)
{
	rig_init(&r, NULL);
	peer_init(&maker, r.server, "maker");
	peer_init(&other, r.server, "other");
	other.uid = other.gid = 1001;
}

static void end(void)
{
	peer_fini(&maker);
	peer_fini(&other);
	rig_fini(&r);
}

static nfsstat4 create(struct peer *who, uint32_t mode)
{
	createhow4 *how;

	peer_begin(who);
	ask_root(who);
	how = &ask_open_create(who, "file", EXCLUSIVE4_1)->openhow.how;
	how->ch_createboth.cva_verf[0] = 1;
	how->ch_createboth.cva_attrs = ask_attr_u32(who, FATTR4_MODE, mode);
	return peer_call(who);
}

static void its_maker_opens_it_again(void **state)
{
	begin();
	assert_int_equal(create(&maker, 0), NFS4_OK);
	assert_int_equal(create(&maker, 0), NFS4_OK);
	/* Another client, the same user. */
	other.uid = other.gid = 1000;
	assert_int_equal(create(&other, 0), NFS4_OK);
	end();
}

static void others_need_the_permission(void **state)
{
	begin();
	assert_int_equal(create(&maker, 0644), NFS4_OK);
	assert_int_equal(create(&other, 0644), NFS4ERR_ACCESS);
	/* Root is nobody here. */
	other.uid = other.gid = 0;
	assert_int_equal(create(&other, 0644), NFS4ERR_ACCESS);
	assert_int_equal(create(&maker, 0644), NFS4_OK);
	end();
}

static void who_has_it_gets_in(void **state)
{
	begin();
	assert_int_equal(create(&maker, 0666), NFS4_OK);
	assert_int_equal(create(&other, 0666), NFS4_OK);
	end();
}

/* The export has become read-only since. */
static void nobody_writes_on_a_read_only_export(void **state)
{
	begin();
	assert_int_equal(create(&maker, 0644), NFS4_OK);
	peer_fini(&maker);
	peer_fini(&other);
	r.config.exports[0].read_only = true;
	rig_restart(&r);
	peer_init(&maker, r.server, "maker");
	peer_init(&other, r.server, "other");
	assert_int_equal(create(&maker, 0644), NFS4ERR_ROFS);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_maker_opens_it_again),
		cmocka_unit_test(others_need_the_permission),
		cmocka_unit_test(who_has_it_gets_in),
		cmocka_unit_test(nobody_writes_on_a_read_only_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
