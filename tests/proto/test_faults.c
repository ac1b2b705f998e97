/* SPDX-License-Identifier: MIT */
/*
 * Every operation x every store call it makes x EIO, ENOSPC, EACCES, ESTALE,
 * ENOMEM: the right status, no leak (ASan), no hang, nothing half done, and
 * the server goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "nfs/errmap.h"
#include "rig.h"

struct stage {
	struct rig r;
	struct peer p;
	struct handle root, dir, file, link;
	stateid4 sid; /* the file's open */
};

/* One operation under test, and what stands before it. */
struct scenario {
	const char *name;
	void (*ask)(struct stage *s);
	/* Calls whose failure the operation may bear: bits. */
	uint64_t bears;
	bool looks_again; /* by name: what is STALE may be found then */
};

#define CALL(c) (UINT64_C(1) << STORE_CALL_##c)

/* ---- the operations ---- */

static void do_putfh(struct stage *s)
{
	ask_fh(&s->p, &s->file);
}

static void do_access(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_ACCESS)->opaccess.access = 0x3f;
}

static void do_getattr(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_getattr(&s->p, FATTR4_CHANGE);
	ask_getattr(&s->p, FATTR4_SPACE_FREE);
}

static void do_lookup(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_lookup(&s->p, "dir");
}

static void do_lookupp(struct stage *s)
{
	ask_fh(&s->p, &s->dir);
	peer_add(&s->p, OP_LOOKUPP);
}

static void do_secinfo(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	peer_add(&s->p, OP_SECINFO)->opsecinfo.name =
		xdr_opaque_from_str("dir");
}

static void do_secinfo_no_name(struct stage *s)
{
	ask_fh(&s->p, &s->dir);
	peer_add(&s->p, OP_SECINFO_NO_NAME)->opsecinfo_no_name =
		SECINFO_STYLE4_PARENT;
}

static void do_readlink(struct stage *s)
{
	ask_fh(&s->p, &s->link);
	peer_add(&s->p, OP_READLINK);
}

static void do_readdir(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	bitmap4_set(
		&ask_readdir(&s->p, 0, NULL, 8192)->attr_request, FATTR4_SIZE);
}

static void do_create_dir(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_create(&s->p, "new", NF4DIR);
}

static void do_create_link(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_create(&s->p, "new", NF4LNK);
}

static void do_open_create(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_open_create(&s->p, "new", UNCHECKED4);
}

static void do_open_exclusive(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_open_create(&s->p, "new", EXCLUSIVE4_1);
}

static void do_open_exclusive_again(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_open_create(&s->p, "exclusive", EXCLUSIVE4_1)
		->openhow.how.ch_createboth.cva_verf[0] = 9;
}

static void do_open_truncate(struct stage *s)
{
	OPEN4args *args;

	ask_fh(&s->p, &s->root);
	args = ask_open_create(&s->p, "file", UNCHECKED4);
	args->openhow.how.createattrs = ask_attr_u64(&s->p, FATTR4_SIZE, 0);
}

static void do_open(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_open(&s->p, "file", OPEN4_SHARE_ACCESS_READ);
}

static void do_open_fh(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_open_fh(&s->p, OPEN4_SHARE_ACCESS_READ);
}

static void do_close(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_close(&s->p, &s->sid);
}

static void do_lock(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_lock(&s->p, &s->sid, "locker", 0, 10);
}

static void do_lockt(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_LOCKT)->oplockt =
		(LOCKT4args){.locktype = READ_LT, .length = 1};
}

static void do_read(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_read(&s->p, &s->sid, 0, 100);
}

static void do_write(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_write(&s->p, &s->sid, 0, "other text", FILE_SYNC4);
}

static void do_commit(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_COMMIT);
}

static void do_setattr_file(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_setattr(&s->p, &anonymous_stateid,
		ask_attr_u32(&s->p, FATTR4_MODE, 0600));
}

static void do_setattr_size(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_setattr(&s->p, &s->sid, ask_attr_u64(&s->p, FATTR4_SIZE, 2));
}

static void do_setattr_dir(struct stage *s)
{
	ask_fh(&s->p, &s->dir);
	ask_setattr(&s->p, &anonymous_stateid,
		ask_attr_u32(&s->p, FATTR4_MODE, 0700));
}

static void do_verify(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_VERIFY)->opverify.obj_attributes =
		ask_attr_u64(&s->p, FATTR4_SIZE, 4);
}

static void do_remove(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_remove(&s->p, "file"); /* it is open: pinned */
}

static void do_remove_dir(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	ask_remove(&s->p, "dir");
}

static void do_rename(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	peer_add(&s->p, OP_SAVEFH);
	ask_rename(&s->p, "exclusive", "renamed");
}

static void do_rename_over(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	peer_add(&s->p, OP_SAVEFH);
	ask_rename(&s->p, "exclusive", "file");
}

static void do_rename_across(struct stage *s)
{
	ask_fh(&s->p, &s->root);
	peer_add(&s->p, OP_SAVEFH);
	ask_fh(&s->p, &s->dir);
	ask_rename(&s->p, "file", "moved");
}

static void do_link(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_SAVEFH);
	ask_fh(&s->p, &s->dir);
	ask_link(&s->p, "second");
}

static void do_seek(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_SEEK)->opseek = (SEEK4args){.sa_stateid = s->sid};
}

static void do_allocate(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_ALLOCATE)->opallocate =
		(ALLOCATE4args){.aa_stateid = s->sid, .aa_length = 9000};
}

static void do_deallocate(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_DEALLOCATE)->opdeallocate =
		(DEALLOCATE4args){.da_stateid = s->sid, .da_length = 2};
}

static void do_getxattr(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_GETXATTR)->opgetxattr.gxa_name =
		xdr_opaque_from_str("key");
}

static void do_setxattr(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_setxattr(&s->p, "other", "value");
}

static void do_setxattr_dir(struct stage *s)
{
	ask_fh(&s->p, &s->dir);
	ask_setxattr(&s->p, "other", "value");
}

static void do_listxattrs(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	peer_add(&s->p, OP_LISTXATTRS)->oplistxattrs.lxa_maxcount = 1000;
}

static void do_removexattr(struct stage *s)
{
	ask_fh(&s->p, &s->file);
	ask_removexattr(&s->p, "key");
}

static void do_get_dir_delegation(struct stage *s)
{
	ask_fh(&s->p, &s->dir);
	ask_dir_delegation(&s->p, 0);
}

/*
 * After a change its attributes are read for the change value: when they
 * cannot be, the value moves blindly and the change stands.
 */
#define AFTERWARDS CALL(GETATTR)

static const struct scenario scenarios[] = {
	{"PUTFH", do_putfh},
	{"ACCESS", do_access},
	{"GETATTR", do_getattr},
	{"LOOKUP", do_lookup},
	{"LOOKUPP", do_lookupp},
	{"SECINFO", do_secinfo},
	{"SECINFO_NO_NAME", do_secinfo_no_name},
	{"READLINK", do_readlink},
	/* An entry that has gone meanwhile is left out. */
	{"READDIR", do_readdir, CALL(LOOKUP) | CALL(GETATTR)},
	{"CREATE dir", do_create_dir, AFTERWARDS},
	{"CREATE symlink", do_create_link, AFTERWARDS},
	/* Without the pin it may be gone before it is open, and says so. */
	{"OPEN create", do_open_create, AFTERWARDS | CALL(PIN)},
	{"OPEN exclusive", do_open_exclusive, AFTERWARDS | CALL(PIN)},
	{"OPEN exclusive again", do_open_exclusive_again, 0, true},
	{"OPEN truncate", do_open_truncate, AFTERWARDS, true},
	{"OPEN", do_open, 0, true},
	{"OPEN fh", do_open_fh},
	{"CLOSE", do_close},
	{"LOCK", do_lock},
	{"LOCKT", do_lockt},
	{"READ", do_read},
	{"WRITE", do_write, AFTERWARDS},
	{"COMMIT", do_commit},
	{"SETATTR file", do_setattr_file, AFTERWARDS},
	{"SETATTR size", do_setattr_size, AFTERWARDS},
	{"SETATTR dir", do_setattr_dir, AFTERWARDS},
	{"VERIFY", do_verify},
	{"REMOVE", do_remove, AFTERWARDS},
	{"REMOVE dir", do_remove_dir, AFTERWARDS},
	{"RENAME", do_rename, AFTERWARDS},
	{"RENAME over", do_rename_over, AFTERWARDS},
	{"RENAME across", do_rename_across, AFTERWARDS},
	{"LINK", do_link, AFTERWARDS},
	{"SEEK", do_seek},
	{"ALLOCATE", do_allocate, AFTERWARDS},
	{"DEALLOCATE", do_deallocate, AFTERWARDS},
	{"GETXATTR", do_getxattr},
	{"SETXATTR", do_setxattr, AFTERWARDS},
	{"SETXATTR dir", do_setxattr_dir, AFTERWARDS},
	{"LISTXATTRS", do_listxattrs},
	{"REMOVEXATTR", do_removexattr, AFTERWARDS},
	/* A refusal is no error (DD-01). */
	{"GET_DIR_DELEGATION", do_get_dir_delegation,
		CALL(ACCESS) | CALL(DIR_VERIFIER) | CALL(GETATTR)},
};

/* ---- the stage ---- */

static void make_file(struct stage *s)
{
	s->sid = open_file(&s->p, "file", &s->file);
	peer_begin(&s->p);
	ask_fh(&s->p, &s->file);
	ask_write(&s->p, &s->sid, 0, "text", FILE_SYNC4);
	ask_setxattr(&s->p, "key", "value");
	assert_int_equal(peer_call(&s->p), NFS4_OK);
}

static void make_exclusive(struct stage *s)
{
	peer_begin(&s->p);
	ask_root(&s->p);
	ask_open_create(&s->p, "exclusive", EXCLUSIVE4_1)
		->openhow.how.ch_createboth.cva_verf[0] = 9;
	ask_close(&s->p, &current_stateid);
	assert_int_equal(peer_call(&s->p), NFS4_OK);
}

static void prove_back_channel(struct stage *s)
{
	stateid4 sid = take_dir_delegation(&s->p, "dir", 0);

	peer_begin(&s->p);
	ask_fh(&s->p, &s->dir);
	ask_delegreturn(&s->p, &sid);
	assert_int_equal(peer_call(&s->p), NFS4_OK);
}

static void stage_begin(struct stage *s)
{
	rig_init(&s->r, NULL);
	peer_init(&s->p, s->r.server, "client");
	assert_int_equal(make_dir(&s->p, "dir"), NFS4_OK);
	peer_begin(&s->p);
	ask_root(&s->p);
	ask_getfh(&s->p);
	ask_create(&s->p, "link", NF4LNK);
	assert_int_equal(peer_call(&s->p), NFS4_OK);
	s->root = handle_from(&s->p, 1);
	s->dir = handle_of(&s->p, "dir");
	s->link = handle_of(&s->p, "link");
	make_file(s);
	make_exclusive(s);
	prove_back_channel(s);
}

static void stage_end(struct stage *s)
{
	peer_fini(&s->p);
	rig_fini(&s->r);
}

/* ---- what there is, as one string ---- */

struct snapshot {
	char text[4096];
	size_t len;
};

struct walk {
	struct stage *s;
	struct fileid dir;
	struct snapshot *snap;
};

static void note(struct snapshot *snap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	snap->len += vsnprintf(snap->text + snap->len,
		sizeof(snap->text) - snap->len, format, args);
	va_end(args);
	assert_true(snap->len < sizeof(snap->text));
}

static void note_content(struct walk *w, const struct fileid *id)
{
	struct store_xattr_names names = {.data = (char[256]){0}, .size = 256};
	char text[64] = {0};
	size_t done = 0;
	bool eof;

	store_read(w->s->r.store, &cred_server, id, STORE_IO_CHECK, 0, text,
		sizeof(text) - 1, &done, &eof);
	store_xattr_list(w->s->r.store, &cred_server, id, &names);
	note(w->snap, " '%s' xattrs %zu", text, names.used);
}

static bool note_entry(void *ctx, struct name name, uint64_t cookie)
{
	struct walk *w = ctx;
	struct fileid id;
	struct attr attr;

	assert_int_equal(store_lookup_attr(w->s->r.store, &cred_server, &w->dir,
				 name, &id, &attr),
		0);
	note(w->snap, "%.*s type %d mode %o links %u size %llu", name.len,
		name.data, attr.type, attr.mode, attr.nlink,
		(unsigned long long)attr.size);
	if (attr.type == OBJECT_FILE)
		note_content(w, &id);
	note(w->snap, "; ");
	return true;
}

static void list_dir(struct walk *w)
{
	struct store_page page = {0};

	assert_int_equal(store_readdir(w->s->r.store, &cred_server, &w->dir, 0,
				 0, note_entry, w, &page),
		0);
}

/* A directory that is gone has nothing. */
static void look(struct stage *s, struct snapshot *snap)
{
	struct walk w = {.s = s, .snap = snap};
	struct fileid root;

	snap->len = 0;
	assert_int_equal(store_root(s->r.store, &root), 0);
	w.dir = root;
	list_dir(&w);
	if (store_lookup(s->r.store, &cred_server, &root, name_from_str("dir"),
		    &w.dir) == 0)
		list_dir(&w);
}

/* ---- the matrix ---- */

static const int errors[] = {EIO, ENOSPC, EACCES, ESTALE, ENOMEM};

#define ERRORS (sizeof(errors) / sizeof(errors[0]))

static void count_calls(struct stage *s, uint64_t counts[STORE_CALLS])
{
	for (int c = 0; c < STORE_CALLS; c++)
		counts[c] = fault_count(s->r.store, c);
}

static nfsstat4 run(struct stage *s, const struct scenario *sc)
{
	peer_begin(&s->p);
	sc->ask(s);
	return peer_call(&s->p);
}

struct run {
	uint64_t calls[STORE_CALLS];
	struct snapshot before, after;
	struct state_stats stats;
};

/* Undisturbed: what it calls, and what it leaves. */
static void rehearse(const struct scenario *sc, struct run *ret)
{
	uint64_t before[STORE_CALLS];
	struct stage s;

	stage_begin(&s);
	look(&s, &ret->before);
	state_read_stats(s.r.server->state, &ret->stats);
	count_calls(&s, before);
	assert_int_equal(run(&s, sc), NFS4_OK);
	count_calls(&s, ret->calls);
	for (int c = 0; c < STORE_CALLS; c++)
		ret->calls[c] -= before[c];
	look(&s, &ret->after);
	stage_end(&s);
}

static void check_server_goes_on(struct stage *s)
{
	peer_begin(&s->p);
	ask_root(&s->p);
	ask_getattr(&s->p, FATTR4_CHANGE);
	ask_create(&s->p, "normal", NF4DIR);
	ask_root(&s->p);
	ask_remove(&s->p, "normal");
	assert_int_equal(peer_call(&s->p), NFS4_OK);
}

static void complain(const struct scenario *sc, int call, uint64_t nth,
	int error, nfsstat4 status)
{
	print_error("%s: %s no. %llu %s: %s\n", sc->name, store_call_name(call),
		(unsigned long long)nth, strerror(error),
		nfs4_status_name(status));
}

/* Not at all, or whole: what could not be synced may be there. */
static bool nothing_half_done(struct stage *s, const struct run *calm)
{
	struct snapshot now;

	look(s, &now);
	return strcmp(now.text, calm->before.text) == 0 ||
		strcmp(now.text, calm->after.text) == 0;
}

static bool no_state_left(struct stage *s, const struct run *calm)
{
	struct state_stats stats;

	state_read_stats(s->r.server->state, &stats);
	return stats.opens == calm->stats.opens &&
		stats.stateids == calm->stats.stateids;
}

/*
 * What is only to be synced is done: DELAY would have it done once more. What
 * is gone before it is pinned is not the client's to know.
 */
static nfsstat4 status_of(int call, int error)
{
	if (call == STORE_CALL_PIN && error == ESTALE)
		return NFS4ERR_DELAY;
	return call == STORE_CALL_SYNC_ENTRY ? errmap_status_changed(-error)
					     : errmap_status(-error);
}

static unsigned disturb(const struct scenario *sc, const struct run *calm,
	int call, uint64_t nth, int error)
{
	const nfsstat4 want = status_of(call, error);
	bool bears = sc->bears >> call & 1;
	struct stage s;
	nfsstat4 status;
	bool good;

	stage_begin(&s);
	fault_fail_nth(s.r.store, call, error, nth);
	status = run(&s, sc);
	fault_fail(s.r.store, call, 0, 0);
	bears |= sc->looks_again && error == ESTALE;
	good = status == want || (bears && status == NFS4_OK);
	good = good && nothing_half_done(&s, calm);
	if (status != NFS4_OK)
		good = good && no_state_left(&s, calm);
	if (!good)
		complain(sc, call, nth, error, status);
	check_server_goes_on(&s);
	stage_end(&s);
	return !good;
}

static void every_call_of_every_operation_fails(void **state)
{
	unsigned bad = 0, runs = 0;

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *sc = &scenarios[i];
		struct run calm;

		rehearse(sc, &calm);
		for (int c = 0; c < STORE_CALLS; c++) {
			for (uint64_t n = 1; n <= calm.calls[c]; n++) {
				for (size_t e = 0; e < ERRORS; e++, runs++)
					bad += disturb(
						sc, &calm, c, n, errors[e]);
			}
		}
	}
	print_message("%u failures injected\n", runs);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_of_every_operation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
