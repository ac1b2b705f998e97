/* SPDX-License-Identifier: MIT */
/*
 * Seeds for the fuzzers, made from valid messages and files: fuzz_corpus DIR
 * writes DIR/compound, DIR/cb_reply, DIR/notify and DIR/config.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ask.h"
#include "daemon/config.h"
#include "daemon/settings_print.h"
#include "operations.h"
#include "wire/nfs4_xdr.h"
#include "wire/notify4.h"
#include "wire/rpcmsg.h"

static const char *corpus;
static unsigned count;
static struct peer p; /* without a server: it only builds */

static void write_seed(const char *set, const void *head, size_t head_size,
	const void *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%03u", corpus, set, count++);
	file = fopen(path, "w");
	if (!file || fwrite(head, 1, head_size, file) != head_size ||
		fwrite(data, 1, size, file) != size || fclose(file) != 0)
		err(1, "%s", path);
}

/* The operations built so far, as fuzz_compound reads them; as a record. */
static void write_compound(uint8_t how)
{
	static uint8_t buf[65536];
	struct xdr out;
	const uint8_t as_record = 1;

	xdr_init_encode(&out, buf, sizeof(buf));
	for (uint32_t i = 0; i < p.nops; i++)
		nfs4_put_nfs_argop4(&out, &p.ops[i]);
	write_seed("compound", &how, 1, buf, xdr_pos(&out));
	write_seed("compound", &as_record, 1, buf,
		peer_encode(&p, buf, sizeof(buf)));
	peer_begin_bare(&p);
}

static stateid4 known_stateid(uint8_t which)
{
	stateid4 ret = {.other = FUZZ_STATEID_MAGIC};

	ret.other[4] = which;
	return ret;
}

static void known_handle(uint8_t which)
{
	uint8_t *byte = arena_dup(&p.arena, &which, 1);

	peer_add(&p, OP_PUTFH)->opputfh.object = xdr_opaque_from(byte, 1);
}

static void seed_names(void)
{
	ask_path(&p, "dir");
	ask_create(&p, "sub", NF4DIR)->opcreate.createattrs =
		ask_attr_u32(&p, FATTR4_MODE, 0755);
	ask_getfh(&p);
	write_compound(0);
	ask_root(&p);
	peer_add(&p, OP_SAVEFH);
	ask_rename(&p, "one", "three");
	ask_lookup(&p, "three");
	peer_add(&p, OP_SAVEFH);
	ask_root(&p);
	ask_link(&p, "four");
	ask_remove(&p, "four");
	write_compound(4 | 16);
	ask_root(&p);
	ask_create(&p, "new", NF4LNK);
	peer_add(&p, OP_READLINK);
	peer_add(&p, OP_RESTOREFH);
	write_compound(2);
	ask_path(&p, "dir");
	peer_add(&p, OP_LOOKUPP);
	peer_add(&p, OP_SECINFO)->opsecinfo.name = xdr_opaque_from_str("one");
	write_compound(0);
	ask_root(&p);
	peer_add(&p, OP_SECINFO_NO_NAME);
	write_compound(0);
}

static void seed_attrs(void)
{
	GETATTR4args *args;

	ask_root(&p);
	args = &peer_add(&p, OP_GETATTR)->opgetattr;
	args->attr_request.word[0] = 0xfffffff7;
	args->attr_request.word[1] = 0x003effff;
	write_compound(0);
	ask_path(&p, "two");
	ask_setattr(&p, &anonymous_stateid, ask_attr_u64(&p, FATTR4_SIZE, 100));
	peer_add(&p, OP_VERIFY)->opverify.obj_attributes =
		ask_attr_u64(&p, FATTR4_SIZE, 100);
	peer_add(&p, OP_NVERIFY)->opnverify.obj_attributes =
		ask_attr_u32(&p, FATTR4_TYPE, 2);
	peer_add(&p, OP_ACCESS)->opaccess.access = 0x1ff;
	write_compound(0);
	ask_root(&p);
	ask_readdir(&p, 0, NULL, 4096)->attr_request.word[0] = 0x8001a;
	write_compound(0);
}

static void seed_files(void)
{
	stateid4 sid = known_stateid(0);

	ask_root(&p);
	ask_open_create(&p, "file", GUARDED4);
	ask_getfh(&p);
	ask_write(&p, &current_stateid, 0, "some text", UNSTABLE4);
	ask_read(&p, &current_stateid, 0, 100);
	peer_add(&p, OP_COMMIT);
	ask_close(&p, &current_stateid);
	write_compound(0);
	ask_root(&p);
	ask_open_create(&p, "excl", EXCLUSIVE4_1);
	write_compound(0);
	known_handle(0);
	ask_open_fh(&p, OPEN4_SHARE_ACCESS_READ);
	peer_add(&p, OP_OPEN_DOWNGRADE)->opopen_downgrade.open_stateid =
		known_stateid(0);
	write_compound(0);
	known_handle(0);
	ask_lock(&p, &sid, "locker", 0, 100);
	peer_add(&p, OP_LOCKU)->oplocku = (LOCKU4args){.locktype = WRITE_LT,
		.lock_stateid = current_stateid,
		.offset = 10,
		.length = 20};
	peer_add(&p, OP_LOCKT)->oplockt =
		(LOCKT4args){.locktype = READ_LT, .length = UINT64_MAX};
	write_compound(0);
	known_handle(0);
	peer_add(&p, OP_ALLOCATE)->opallocate =
		(ALLOCATE4args){.aa_stateid = sid, .aa_length = 4096};
	peer_add(&p, OP_DEALLOCATE)->opdeallocate =
		(DEALLOCATE4args){.da_stateid = sid, .da_length = 100};
	peer_add(&p, OP_SEEK)->opseek = (SEEK4args){.sa_stateid = sid};
	write_compound(0);
	known_handle(0);
	peer_add(&p, OP_SETXATTR)->opsetxattr =
		(SETXATTR4args){.sxa_key = xdr_opaque_from_str("key"),
			.sxa_value = xdr_opaque_from_str("value")};
	peer_add(&p, OP_GETXATTR)->opgetxattr.gxa_name =
		xdr_opaque_from_str("key");
	peer_add(&p, OP_LISTXATTRS)->oplistxattrs.lxa_maxcount = 1000;
	peer_add(&p, OP_REMOVEXATTR)->opremovexattr.rxa_name =
		xdr_opaque_from_str("key");
	write_compound(0);
}

static void seed_state(void)
{
	stateid4 sid = known_stateid(1);

	ask_path(&p, "dir");
	ask_dir_delegation(&p, 0x5c);
	ask_delegreturn(&p, &current_stateid);
	write_compound(0);
	ask_test_stateid(&p, &sid);
	ask_free_stateid(&p, &sid);
	write_compound(8);
	ask_path(&p, "dir");
	ask_delegreturn(&p, &sid);
	write_compound(0);
	peer_add(&p, OP_BACKCHANNEL_CTL);
	peer_add(&p, OP_RECLAIM_COMPLETE);
	write_compound(0);
	peer_add(&p, OP_EXCHANGE_ID)->opexchange_id.eia_clientowner.co_ownerid =
		xdr_opaque_from_str("new");
	write_compound(1);
	peer_add(&p, OP_DESTROY_SESSION);
	write_compound(0);
	peer_add(&p, OP_DESTROY_CLIENTID);
	write_compound(0);
	peer_add(&p, OP_BIND_CONN_TO_SESSION)
		->opbind_conn_to_session.bctsa_dir = CDFC4_FORE_OR_BOTH;
	write_compound(0);
	peer_add(&p, OP_CREATE_SESSION);
	write_compound(0);
}

/* ---- answers to callbacks ---- */

static void write_answer(uint8_t how, const struct xdr *out)
{
	for (uint8_t which = 0; which < 3; which++) {
		const uint8_t head[2] = {which, how};

		write_seed("cb_reply", head, 2, out->data, xdr_pos(out));
	}
}

static void seed_answers(void)
{
	static const nfsstat4 statuses[] = {NFS4_OK, NFS4ERR_DELAY,
		NFS4ERR_BAD_STATEID, NFS4ERR_BADHANDLE, NFS4ERR_NOTSUPP,
		NFS4ERR_BADSESSION, NFS4ERR_SEQ_MISORDERED};
	uint8_t buf[512];
	struct xdr out;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		/* CB_SEQUENCE is fine, the operation says this. */
		xdr_init_encode(&out, buf, sizeof(buf));
		xdr_put_u32(&out, i & 1 ? OP_CB_NOTIFY : OP_CB_RECALL);
		xdr_put_u32(&out, statuses[i]);
		write_answer(2 + i % 2, &out);
		/* CB_SEQUENCE itself says it. */
		xdr_init_encode(&out, buf, sizeof(buf));
		xdr_put_u32(&out, statuses[i]);
		xdr_put_u32(&out, 0);
		xdr_put_u32(&out, 1);
		xdr_put_u32(&out, OP_CB_SEQUENCE);
		xdr_put_u32(&out, statuses[i]);
		write_answer(1, &out);
	}
	xdr_init_encode(&out, buf, sizeof(buf));
	rpcmsg_put_auth_error(&out, 1, AUTH_BADCRED);
	write_answer(0, &out);
	xdr_init_encode(&out, buf, sizeof(buf));
	rpcmsg_put_failure(&out, 1, PROG_UNAVAIL);
	write_answer(0, &out);
}

static struct dir_change sample_change(enum change_kind kind, const char *name)
{
	struct dir_change change = {.kind = kind};

	change.entry = (struct change_entry){.name = name_from_str(name),
		.cookie = 10,
		.has_attr = true,
		.attr = {.type = OBJECT_FILE, .inode = 5, .mode = 0644}};
	change.old =
		(struct change_entry){.name = name_from_str("a"), .cookie = 9};
	change.overwritten = change.old;
	change.has_previous = true;
	change.previous = name_from_str("c");
	change.previous_cookie = 9;
	return change;
}

/* Each kind by itself, and behind an ADD, to a model in any state. */
static void seed_notifications(void)
{
	static const struct fattr4_server server = {.lease_s = 90};
	struct notify4_terms terms = {.server = &server,
		.child_attrs.word = {1u << FATTR4_TYPE | 1u << FATTR4_FILEID,
			1u << (FATTR4_MODE - 32)}};
	uint8_t buf[1024];

	for (uint8_t how = 0; how < 32; how++) {
		for (int kind = 0; kind < CHANGE_KINDS; kind++) {
			struct dir_change add = sample_change(
				CHANGE_ADD_ENTRY, how & 1 ? "b" : "new");
			struct dir_change change =
				sample_change((enum change_kind)kind,
					kind == CHANGE_ADD_ENTRY ? "d" : "new");
			struct xdr out;

			terms.ordered = how & 1;
			xdr_init_encode(&out, buf, sizeof(buf));
			xdr_put_u32(&out, 0);
			xdr_put_u64(&out, 1);
			xdr_put_u32(&out, 2); /* stateid */
			xdr_put_u32(&out, 0); /* handle */
			xdr_put_u32(&out, 2);
			notify4_put(&out, &add, &terms);
			notify4_put(&out, &change, &terms);
			write_seed("notify", &how, 1, buf, xdr_pos(&out));
		}
	}
}

static void make_dir_or_die(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", corpus, name);
	mkdir(path, 0777);
}

static void write_config(const char *text)
{
	write_seed("config", NULL, 0, text, strlen(text));
}

static void seed_config(void)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	settings_print_yaml(&config_table, to);
	fclose(to);
	write_config(text);
	free(text);
	write_config("exports:\n"
		     "  - {path: /a, pseudo: /x/y, options: [ro, anonuid=7]}\n"
		     "  - {path: &p /b, pseudo: /x/z, options: all_squash}\n"
		     "  - {path: *p, pseudo: /w}\n");
	write_config("exports: [{path: /a}]\n"
		     "server: {listen: ['[::1]:1', 10.0.0.1:2], lease: 2m}\n"
		     "nfs: {directory_delegations: {queue_bytes: 1MiB}}\n");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: fuzz_corpus DIR");
	corpus = argv[1];
	mkdir(corpus, 0777);
	make_dir_or_die("compound");
	make_dir_or_die("cb_reply");
	make_dir_or_die("notify");
	make_dir_or_die("config");
	p.minor = 2;
	arena_init(&p.arena, 1 << 20);
	peer_begin_bare(&p);
	seed_names();
	seed_attrs();
	seed_files();
	seed_state();
	seed_answers();
	seed_notifications();
	seed_config();
	arena_fini(&p.arena);
	return 0;
}
