/* SPDX-License-Identifier: MIT */
/*
 * Several exports in one name space: the pseudo file system that joins them
 * (RFC 8881 7.3), their options, and two exports of the same files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "rig.h"

struct scene {
	struct rig r;
	struct peer p;
};

static void begin(struct scene *s, enum rig_exports exports, rig_adjust adjust)
{
	rig_init_exports(&s->r, exports, adjust);
	peer_init(&s->p, s->r.server, "client");
}

static void end(struct scene *s)
{
	peer_fini(&s->p);
	rig_fini(&s->r);
}

static struct fattr4_values look_at(struct peer *p, const char *path)
{
	static const unsigned wanted[] = {FATTR4_TYPE, FATTR4_FSID,
		FATTR4_FILEID, FATTR4_MOUNTED_ON_FILEID, FATTR4_MODE,
		FATTR4_CHANGE, FATTR4_FILEHANDLE};
	bitmap4 *mask;

	peer_begin(p);
	ask_root(p);
	if (*path) {
		p->nops--;
		ask_path(p, path);
	}
	mask = &peer_add(p, OP_GETATTR)->opgetattr.attr_request;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		bitmap4_set(mask, wanted[i]);
	assert_int_equal(peer_call(p), NFS4_OK);
	return attrs_of(p, p->nops - 2);
}

static bool same_fs(const struct attr *a, const struct attr *b)
{
	return a->fsid.major == b->fsid.major && a->fsid.minor == b->fsid.minor;
}

static bool same_handle(const struct handle *a, const struct handle *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* ---- the pseudo file system ---- */

static void nest_one(struct nfs_server_config *config)
{
	config->exports[0].path = "/srv/one";
}

static void the_file_system_changes_at_the_junction(void **state)
{
	struct attr root, srv, one, two;
	struct scene s;

	begin(&s, RIG_TWO, nest_one);
	root = look_at(&s.p, "").attr;
	srv = look_at(&s.p, "srv").attr;
	one = look_at(&s.p, "srv/one").attr;
	two = look_at(&s.p, "two").attr;
	assert_int_equal(root.type, OBJECT_DIR);
	assert_int_equal(root.mode, 0555);
	assert_true(same_fs(&root, &srv));
	assert_int_not_equal(root.inode, srv.inode);
	assert_int_equal(srv.mounted_on_inode, srv.inode);
	assert_false(same_fs(&root, &one));
	assert_false(same_fs(&root, &two));
	assert_false(same_fs(&one, &two));
	assert_int_not_equal(one.mounted_on_inode, one.inode);
	assert_int_not_equal(one.mounted_on_inode, two.mounted_on_inode);
	assert_int_equal(one.mode, 01777);
	end(&s);
}

static const entry4 *list_root(struct peer *p, uint32_t maxcount)
{
	READDIR4args *args;

	peer_begin(p);
	ask_root(p);
	args = ask_readdir(p, 0, NULL, maxcount);
	bitmap4_set(&args->attr_request, FATTR4_FSID);
	bitmap4_set(&args->attr_request, FATTR4_FILEID);
	bitmap4_set(&args->attr_request, FATTR4_MOUNTED_ON_FILEID);
	bitmap4_set(&args->attr_request, FATTR4_FILEHANDLE);
	bitmap4_set(&args->attr_request, FATTR4_RDATTR_ERROR);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)->opreaddir.resok4.reply.entries;
}

static void a_listing_shows_what_a_lookup_finds(void **state)
{
	struct attr found;
	struct fattr4_values listed;
	unsigned count = 0;
	struct peer other;
	struct scene s;

	begin(&s, RIG_TWO, NULL);
	peer_init(&other, s.r.server, "other");
	for (const entry4 *e = list_root(&s.p, 4000); e; e = e->nextentry) {
		struct handle fh;
		char name[16] = "";

		memcpy(name, e->name.data, e->name.len);
		assert_int_equal(fattr4_decode(&e->attrs, &listed), NFS4_OK);
		found = look_at(&other, name).attr;
		assert_true(same_fs(&found, &listed.attr));
		assert_int_equal(found.inode, listed.attr.inode);
		assert_int_equal(
			found.mounted_on_inode, listed.attr.mounted_on_inode);
		fh = handle_of(&other, name);
		assert_int_equal(fh.len, listed.fh.len);
		assert_memory_equal(fh.data, listed.fh.data, fh.len);
		count++;
	}
	assert_int_equal(count, 2);
	peer_fini(&other);
	end(&s);
}

static void a_listing_goes_on_page_by_page(void **state)
{
	const READDIR4resok *ok;
	uint64_t cookie = 0;
	unsigned count = 0;
	struct scene s;

	begin(&s, RIG_TWO, NULL);
	do {
		peer_begin(&s.p);
		ask_root(&s.p);
		ask_readdir(&s.p, cookie, NULL, 64);
		assert_int_equal(peer_call(&s.p), NFS4_OK);
		ok = &peer_last(&s.p)->opreaddir.resok4;
		if (!ok->reply.entries)
			break;
		assert_true(ok->reply.entries->cookie > cookie);
		cookie = ok->reply.entries->cookie;
		assert_null(ok->reply.entries->nextentry);
		count++;
	} while (!ok->reply.eof);
	assert_int_equal(count, 2);
	end(&s);
}

static void the_way_up_leads_back(void **state)
{
	struct handle root, srv, up;
	struct scene s;

	begin(&s, RIG_TWO, nest_one);
	peer_begin(&s.p);
	ask_root(&s.p);
	ask_getfh(&s.p);
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	root = handle_from(&s.p, 1);
	srv = handle_of(&s.p, "srv");
	peer_begin(&s.p);
	ask_path(&s.p, "srv/one");
	peer_add(&s.p, OP_LOOKUPP);
	ask_getfh(&s.p);
	peer_add(&s.p, OP_LOOKUPP);
	ask_getfh(&s.p);
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	up = handle_from(&s.p, 4);
	assert_true(same_handle(&up, &srv));
	up = handle_from(&s.p, 6);
	assert_true(same_handle(&up, &root));
	peer_begin(&s.p);
	ask_root(&s.p);
	peer_add(&s.p, OP_LOOKUPP);
	assert_int_equal(peer_call(&s.p), NFS4ERR_NOENT);
	/* Within an export the way up is the export's own. */
	rig_make(&s.r, "dir", OBJECT_DIR, 0777);
	peer_begin(&s.p);
	ask_path(&s.p, "srv/one/dir");
	peer_add(&s.p, OP_LOOKUPP);
	ask_getfh(&s.p);
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	up = handle_from(&s.p, 5);
	srv = handle_of(&s.p, "srv/one");
	assert_true(same_handle(&up, &srv));
	end(&s);
}

static nfsstat4 secinfo_parent(struct peer *p, const char *path)
{
	peer_begin(p);
	ask_path(p, path);
	peer_add(p, OP_SECINFO_NO_NAME)->opsecinfo_no_name =
		SECINFO_STYLE4_PARENT;
	return peer_call(p);
}

static void secinfo_is_answered_everywhere(void **state)
{
	struct scene s;

	begin(&s, RIG_TWO, nest_one);
	peer_begin(&s.p);
	ask_root(&s.p);
	peer_add(&s.p, OP_SECINFO)->opsecinfo.name = xdr_opaque_from_str("two");
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	assert_int_equal(
		peer_last(&s.p)->opsecinfo.resok4.items[0].flavor, AUTH_SYS);
	assert_int_equal(secinfo_parent(&s.p, "srv/one"), NFS4_OK);
	assert_int_equal(secinfo_parent(&s.p, "srv"), NFS4_OK);
	peer_begin(&s.p);
	ask_root(&s.p);
	peer_add(&s.p, OP_SECINFO)->opsecinfo.name = xdr_opaque_from_str("six");
	assert_int_equal(peer_call(&s.p), NFS4ERR_NOENT);
	end(&s);
}

/* Everybody may look, AUTH_NONE and root alike. */
static void anybody_may_list_and_search(void **state)
{
	const uint32_t all = ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY |
		ACCESS4_EXTEND | ACCESS4_DELETE;
	const ACCESS4resok *ok;
	struct scene s;

	begin(&s, RIG_TWO, NULL);
	for (int i = 0; i < 3; i++) {
		s.p.uid = i * 1000;
		peer_begin(&s.p);
		ask_root(&s.p);
		peer_add(&s.p, OP_ACCESS)->opaccess.access = all;
		assert_int_equal(peer_call(&s.p), NFS4_OK);
		ok = &peer_last(&s.p)->opaccess.resok4;
		assert_int_equal(ok->supported, all);
		assert_int_equal(ok->access, ACCESS4_READ | ACCESS4_LOOKUP);
	}
	end(&s);
}

static void dd09_the_pseudo_root_is_not_delegated(void **state)
{
	const GET_DIR_DELEGATION4res_non_fatal *res;
	struct scene s;

	begin(&s, RIG_TWO, nest_one);
	take_dir_delegation(&s.p, "srv/one", 0);
	for (int i = 0; i < 2; i++) {
		peer_begin(&s.p);
		ask_root(&s.p);
		if (i == 1)
			ask_lookup(&s.p, "srv");
		ask_dir_delegation(&s.p, ENTRIES);
		ask_getattr(&s.p, FATTR4_TYPE);
		assert_int_equal(peer_call(&s.p), NFS4_OK);
		res = &peer_result(&s.p, 1 + i)
			       ->opget_dir_delegation.gddr_res_non_fatal4;
		assert_int_equal(res->gddrnf_status, GDD4_UNAVAIL);
	}
	end(&s);
}

/* ---- nothing changes there ---- */

static void try_mkdir(struct peer *p)
{
	ask_create(p, "new", NF4DIR);
}

static void try_open_create(struct peer *p)
{
	ask_open_create(p, "new", UNCHECKED4);
}

static void try_open_create_over(struct peer *p)
{
	ask_open_create(p, "one", UNCHECKED4);
}

static void try_remove(struct peer *p)
{
	ask_remove(p, "one");
}

static void try_rename(struct peer *p)
{
	peer_add(p, OP_SAVEFH);
	ask_rename(p, "one", "three");
}

static void try_setattr(struct peer *p)
{
	ask_setattr(p, &anonymous_stateid, ask_attr_u32(p, FATTR4_MODE, 0777));
}

static void try_setxattr(struct peer *p)
{
	peer_add(p, OP_SETXATTR)->opsetxattr.sxa_key = xdr_opaque_from_str("k");
}

static void the_pseudo_file_system_is_read_only(void **state)
{
	static void (*const tries[])(struct peer *) = {try_mkdir,
		try_open_create, try_open_create_over, try_remove, try_rename,
		try_setattr, try_setxattr};
	struct scene s;

	begin(&s, RIG_TWO, NULL);
	s.p.uid = 0;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		peer_begin(&s.p);
		ask_root(&s.p);
		tries[i](&s.p);
		assert_int_equal(peer_call(&s.p), NFS4ERR_ROFS);
	}
	end(&s);
}

static nfsstat4 call_on_root(struct peer *p, nfs_opnum4 op)
{
	peer_begin(p);
	ask_root(p);
	peer_add(p, op);
	return peer_call(p);
}

static void what_only_files_can_do_is_refused(void **state)
{
	struct scene s;

	begin(&s, RIG_TWO, NULL);
	assert_int_equal(call_on_root(&s.p, OP_READ), NFS4ERR_ISDIR);
	assert_int_equal(call_on_root(&s.p, OP_COMMIT), NFS4ERR_ISDIR);
	assert_int_equal(call_on_root(&s.p, OP_READLINK), NFS4ERR_WRONG_TYPE);
	assert_int_equal(call_on_root(&s.p, OP_LISTXATTRS), NFS4ERR_NOTSUPP);
	peer_begin(&s.p);
	ask_root(&s.p);
	ask_open(&s.p, "one", OPEN4_SHARE_ACCESS_READ);
	assert_int_equal(peer_call(&s.p), NFS4ERR_ISDIR);
	peer_begin(&s.p);
	ask_path(&s.p, "three");
	assert_int_equal(peer_call(&s.p), NFS4ERR_NOENT);
	end(&s);
}

/* ---- several exports ---- */

static nfsstat4 move_across(struct peer *p, bool link)
{
	peer_begin(p);
	ask_path(p, "one");
	if (link)
		ask_lookup(p, "file");
	peer_add(p, OP_SAVEFH);
	ask_path(p, "two");
	if (link)
		ask_link(p, "file");
	else
		ask_rename(p, "file", "file");
	return peer_call(p);
}

/* Between two exports nothing moves, even if both show the same files. */
static void nothing_moves_from_one_export_to_another(void **state)
{
	for (int overlap = 0; overlap < 2; overlap++) {
		struct scene s;

		begin(&s, overlap ? RIG_OVERLAP : RIG_TWO, NULL);
		rig_make(&s.r, "file", OBJECT_FILE, 0666);
		assert_int_equal(move_across(&s.p, false), NFS4ERR_XDEV);
		assert_int_equal(move_across(&s.p, true), NFS4ERR_XDEV);
		handle_of(&s.p, "one/file");
		end(&s);
	}
}

static void options_of_two(struct nfs_server_config *config)
{
	config->exports[0].root_squash = false;
	config->exports[0].read_only = true;
	config->exports[1].all_squash = true;
	config->exports[1].anon_uid = 77;
	config->exports[1].anon_gid = 78;
}

static void each_export_has_its_own_options(void **state)
{
	struct fattr4_values made;
	bitmap4 *mask;
	struct scene s;

	begin(&s, RIG_TWO, options_of_two);
	s.p.uid = 1000;
	s.p.gid = 1000;
	peer_begin(&s.p);
	ask_path(&s.p, "one");
	ask_create(&s.p, "dir", NF4DIR);
	assert_int_equal(peer_call(&s.p), NFS4ERR_ROFS);
	peer_begin(&s.p);
	ask_path(&s.p, "two");
	ask_create(&s.p, "dir", NF4DIR);
	mask = &peer_add(&s.p, OP_GETATTR)->opgetattr.attr_request;
	bitmap4_set(mask, FATTR4_OWNER);
	bitmap4_set(mask, FATTR4_OWNER_GROUP);
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	made = attrs_of(&s.p, 3);
	assert_int_equal(made.owner.len, 2);
	assert_memory_equal(made.owner.data, "77", 2);
	assert_memory_equal(made.group.data, "78", 2);
	end(&s);
}

/* What a client keeps of one server means the same at the next. */
static void handles_and_numbers_outlive_a_restart(void **state)
{
	struct attr before[3], after[3];
	struct handle srv, one;
	struct scene s;

	begin(&s, RIG_TWO, nest_one);
	srv = handle_of(&s.p, "srv");
	one = handle_of(&s.p, "srv/one");
	before[0] = look_at(&s.p, "").attr;
	before[1] = look_at(&s.p, "srv").attr;
	before[2] = look_at(&s.p, "srv/one").attr;
	peer_fini(&s.p);
	rig_restart(&s.r);
	peer_init(&s.p, s.r.server, "client");
	after[0] = look_at(&s.p, "").attr;
	after[1] = look_at(&s.p, "srv").attr;
	after[2] = look_at(&s.p, "srv/one").attr;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(before[i].inode, after[i].inode);
		assert_int_equal(
			before[i].mounted_on_inode, after[i].mounted_on_inode);
		assert_true(same_fs(&before[i], &after[i]));
	}
	peer_begin(&s.p);
	ask_fh(&s.p, &srv);
	ask_lookup(&s.p, "one");
	ask_fh(&s.p, &one);
	ask_getattr(&s.p, FATTR4_TYPE);
	assert_int_equal(peer_call(&s.p), NFS4_OK);
	end(&s);
}

/* ---- what is refused at start ---- */

static int start_with(struct rig *r, const char *a, const char *b)
{
	struct nfs_server_config config;
	struct nfs_server *server = NULL;
	struct export list[2] = {export_default(), export_default()};
	int err;

	list[0].store = list[1].store = r->store;
	list[0].path = a;
	list[1].path = b;
	nfs_server_config_default(&config, &r->clock, &r->timers);
	config.exports = list;
	config.nexports = b ? 2 : 1;
	err = nfs_server_start(&config, &server);
	if (err == 0)
		nfs_server_stop(server);
	return err;
}

static void exports_that_do_not_go_together_are_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(start_with(r, "/a", "/b"), 0);
	assert_int_equal(start_with(r, "/a/b", "/a/c"), 0);
	assert_int_equal(start_with(r, "/a", "/ab"), 0);
	assert_int_equal(start_with(r, "/a/b/c/d", NULL), 0);
	assert_int_equal(start_with(r, "/a", "/a"), -EINVAL);
	assert_int_equal(start_with(r, "/a", "/a/b"), -EINVAL);
	assert_int_equal(start_with(r, "/a/b/c", "/a"), -EINVAL);
	assert_int_equal(start_with(r, "/", "/a"), -EINVAL);
	assert_int_equal(start_with(r, "/a", "/"), -EINVAL);
	assert_int_equal(start_with(r, "a", NULL), -EINVAL);
	assert_int_equal(start_with(r, "", NULL), -EINVAL);
	assert_int_equal(start_with(r, "/a/", NULL), -EINVAL);
	assert_int_equal(start_with(r, "//a", NULL), -EINVAL);
	assert_int_equal(start_with(r, "/a//b", NULL), -EINVAL);
	assert_int_equal(start_with(r, "/a/..", NULL), -EINVAL);
	assert_int_equal(start_with(r, "/./a", NULL), -EINVAL);
}

/* ---- two exports of the same files (DD-17) ---- */

struct overlap {
	struct rig r;
	struct peer one, two; /* watch and change through either */
	struct handle dir_one, dir_two;
	stateid4 sid_one, sid_two;
};

static stateid4 watch(struct peer *p, const char *path)
{
	GET_DIR_DELEGATION4args wanted = {
		.gdda_notification_types.word[0] = ENTRIES};

	bitmap4_set(&wanted.gdda_child_attributes, FATTR4_FILEHANDLE);
	return take_dir_delegation_as(p, path, &wanted);
}

static void overlap_begin(struct overlap *o)
{
	rig_init_exports(&o->r, RIG_OVERLAP, NULL);
	peer_init(&o->one, o->r.server, "at one");
	peer_init(&o->two, o->r.server, "at two");
	peer_begin(&o->one);
	ask_path(&o->one, "one");
	ask_create(&o->one, "dir", NF4DIR);
	assert_int_equal(peer_call(&o->one), NFS4_OK);
	o->dir_one = handle_of(&o->one, "one/dir");
	o->dir_two = handle_of(&o->two, "two/dir");
}

static void overlap_end(struct overlap *o)
{
	peer_fini(&o->one);
	peer_fini(&o->two);
	rig_fini(&o->r);
}

static nfsstat4 create(
	struct peer *p, const struct handle *dir, const char *name)
{
	peer_begin(p);
	ask_fh(p, dir);
	ask_create(p, name, NF4DIR);
	return peer_call(p);
}

/* The callback names a handle as its client knows it, and its child's. */
static void dd17_told_of(struct peer *p, const struct handle *dir,
	const char *child_path, unsigned times)
{
	struct handle child;

	peer_serve_until(p, &p->notifies, times);
	assert_true(same_handle(&p->cb_fh, dir));
	child = handle_of(p, child_path);
	assert_true(same_handle(&p->cb_child, &child));
}

static void dd17_holders_hear_of_changes_through_another_export(void **state)
{
	struct overlap o;

	overlap_begin(&o);
	assert_false(same_handle(&o.dir_one, &o.dir_two));
	watch(&o.one, "one/dir");
	watch(&o.two, "two/dir");
	assert_int_equal(create(&o.two, &o.dir_two, "x"), NFS4_OK);
	dd17_told_of(&o.one, &o.dir_one, "one/dir/x", 1);
	assert_int_equal(create(&o.one, &o.dir_one, "y"), NFS4_OK);
	dd17_told_of(&o.two, &o.dir_two, "two/dir/y", 1);
	assert_int_equal(o.one.notifies, 1); /* not of its own */
	assert_int_equal(o.one.recalls + o.two.recalls, 0);
	overlap_end(&o);
}

/*
 * To one client they are two directories: what it changes through the one it
 * is told of about the other, and loses what it did not subscribe to.
 */
static void dd17_a_client_hears_of_its_change_through_another_export(
	void **state)
{
	struct overlap o;

	overlap_begin(&o);
	o.sid_one = watch(&o.one, "one/dir");
	o.sid_two = watch(&o.one, "two/dir");
	assert_int_equal(create(&o.one, &o.dir_two, "x"), NFS4_OK);
	dd17_told_of(&o.one, &o.dir_one, "one/dir/x", 1);
	assert_memory_equal(
		o.one.cb_stateid.other, o.sid_one.other, NFS4_OTHER_SIZE);
	assert_int_equal(create(&o.one, &o.dir_one, "y"), NFS4_OK);
	dd17_told_of(&o.one, &o.dir_two, "two/dir/y", 2);
	assert_memory_equal(
		o.one.cb_stateid.other, o.sid_two.other, NFS4_OTHER_SIZE);
	overlap_end(&o);
}

static nfsstat4 give_back(
	struct peer *p, const struct handle *dir, const stateid4 *sid)
{
	peer_begin(p);
	ask_fh(p, dir);
	ask_delegreturn(p, sid);
	return peer_call(p);
}

static void dd17_a_client_returns_what_its_other_handle_is_in_the_way_of(
	void **state)
{
	struct overlap o;
	stateid4 sid;

	overlap_begin(&o);
	sid = take_dir_delegation(&o.one, "one/dir", 0);
	/* Through the same handle it is its own, and no conflict. */
	assert_int_equal(create(&o.one, &o.dir_one, "x"), NFS4_OK);
	assert_int_equal(o.one.recalls, 0);
	assert_int_equal(create(&o.one, &o.dir_two, "y"), NFS4ERR_DELAY);
	peer_serve_until(&o.one, &o.one.recalls, 1);
	assert_true(same_handle(&o.one.cb_fh, &o.dir_one));
	assert_int_equal(give_back(&o.one, &o.dir_one, &sid), NFS4_OK);
	assert_int_equal(create(&o.one, &o.dir_two, "y"), NFS4_OK);
	overlap_end(&o);
}

static nfsstat4 remove_dir(struct peer *p, const char *root)
{
	peer_begin(p);
	ask_path(p, root);
	ask_remove(p, "dir");
	return peer_call(p);
}

static void dd17_a_directory_goes_through_another_export(void **state)
{
	struct overlap o;
	stateid4 sid;

	overlap_begin(&o);
	sid = watch(&o.one, "one/dir");
	assert_int_equal(remove_dir(&o.one, "two"), NFS4ERR_DELAY);
	peer_serve_until(&o.one, &o.one.recalls, 1);
	assert_int_equal(give_back(&o.one, &o.dir_one, &sid), NFS4_OK);
	assert_int_equal(remove_dir(&o.one, "two"), NFS4_OK);
	peer_begin(&o.one);
	ask_fh(&o.one, &o.dir_one);
	assert_int_equal(peer_call(&o.one), NFS4ERR_STALE);
	overlap_end(&o);
}

static gddrnf4_status ask_in_vain(struct overlap *o, struct peer *p)
{
	fault_fail_nth(o->r.store, STORE_CALL_ACCESS, EIO, 2);
	peer_begin(p);
	ask_fh(p, &o->dir_two);
	ask_dir_delegation(p, ENTRIES);
	assert_int_equal(peer_call(p), NFS4_OK);
	return peer_last(p)
		->opget_dir_delegation.gddr_res_non_fatal4.gddrnf_status;
}

/* Permission went after it was granted: only what was granted just now ends. */
static void dd12_a_second_look_that_fails_ends_one_grant(void **state)
{
	struct overlap o;
	struct state_stats before, stats;

	overlap_begin(&o);
	watch(&o.one, "one/dir");
	state_read_stats(o.r.server->state, &before);
	assert_int_equal(ask_in_vain(&o, &o.one), GDD4_UNAVAIL);
	state_read_stats(o.r.server->state, &stats);
	assert_int_equal(stats.grants, before.grants + 1);
	assert_int_equal(stats.dir_delegs, 1);
	assert_int_equal(stats.refusals, before.refusals + 1);
	assert_int_equal(create(&o.two, &o.dir_two, "x"), NFS4_OK);
	dd17_told_of(&o.one, &o.dir_one, "one/dir/x", 1);
	overlap_end(&o);
}

/* Opens and locks meet on the file, whatever the way to it. */
static void state_is_shared_by_the_file(void **state)
{
	struct overlap o;
	struct handle file;
	stateid4 open;

	overlap_begin(&o);
	peer_begin(&o.one);
	ask_fh(&o.one, &o.dir_one);
	ask_open_create(&o.one, "file", UNCHECKED4)->share_deny =
		OPEN4_SHARE_DENY_WRITE;
	ask_getfh(&o.one);
	assert_int_equal(peer_call(&o.one), NFS4_OK);
	open = peer_result(&o.one, 1)->opopen.resok4.stateid;
	file = handle_from(&o.one, 2);
	peer_begin(&o.two);
	ask_fh(&o.two, &o.dir_two);
	ask_open(&o.two, "file", OPEN4_SHARE_ACCESS_BOTH);
	assert_int_equal(peer_call(&o.two), NFS4ERR_SHARE_DENIED);
	/* Removed through the one, it can be read where it is open. */
	peer_begin(&o.two);
	ask_fh(&o.two, &o.dir_two);
	ask_remove(&o.two, "file");
	assert_int_equal(peer_call(&o.two), NFS4_OK);
	peer_begin(&o.one);
	ask_fh(&o.one, &o.dir_one);
	ask_lookup(&o.one, "file");
	assert_int_equal(peer_call(&o.one), NFS4ERR_NOENT);
	peer_begin(&o.one);
	ask_fh(&o.one, &file);
	ask_write(&o.one, &open, 0, "text", FILE_SYNC4);
	ask_close(&o.one, &open);
	assert_int_equal(peer_call(&o.one), NFS4_OK);
	peer_begin(&o.one);
	ask_fh(&o.one, &file);
	assert_int_equal(peer_call(&o.one), NFS4ERR_STALE);
	overlap_end(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_system_changes_at_the_junction),
		cmocka_unit_test(a_listing_shows_what_a_lookup_finds),
		cmocka_unit_test(a_listing_goes_on_page_by_page),
		cmocka_unit_test(the_way_up_leads_back),
		cmocka_unit_test(secinfo_is_answered_everywhere),
		cmocka_unit_test(anybody_may_list_and_search),
		cmocka_unit_test(dd09_the_pseudo_root_is_not_delegated),
		cmocka_unit_test(the_pseudo_file_system_is_read_only),
		cmocka_unit_test(what_only_files_can_do_is_refused),
		cmocka_unit_test(nothing_moves_from_one_export_to_another),
		cmocka_unit_test(each_export_has_its_own_options),
		cmocka_unit_test(handles_and_numbers_outlive_a_restart),
		cmocka_unit_test_setup_teardown(
			exports_that_do_not_go_together_are_refused, rig_setup,
			rig_teardown),
		cmocka_unit_test(
			dd17_holders_hear_of_changes_through_another_export),
		cmocka_unit_test(
			dd17_a_client_hears_of_its_change_through_another_export),
		cmocka_unit_test(
			dd17_a_client_returns_what_its_other_handle_is_in_the_way_of),
		cmocka_unit_test(dd17_a_directory_goes_through_another_export),
		cmocka_unit_test(dd12_a_second_look_that_fails_ends_one_grant),
		cmocka_unit_test(state_is_shared_by_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
