/* SPDX-License-Identifier: MIT */
/* The fake's names and their attributes, and the operations on them. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "fake_priv.h"
#include "wire/fattr4.h"
#include "wire/nfs4_xdr.h"

#define PAGE 5 /* entries of one READDIR */

/* ---- nodes ---- */

int fake_find_child(struct fake *f, uint32_t dir, const char *name, size_t len)
{
	for (int i = 1; i < FAKE_NODES; i++) {
		struct fake_node *n = &f->nodes[i];

		if (n->used && n->parent == dir && strlen(n->name) == len &&
			memcmp(n->name, name, len) == 0)
			return i;
	}
	return -1;
}

/* The node at @path, or with @last its parent and the last name. */
int fake_walk(struct fake *f, const char *path, const char **last)
{
	int at = 0;

	for (;;) {
		size_t len = strcspn(path, "/");

		if (last && path[len] == '\0') {
			*last = path;
			return at;
		}
		if (len)
			at = fake_find_child(f, (uint32_t)at, path, len);
		if (at < 0 || path[len] == '\0')
			return at;
		path += len + 1;
	}
}

uint32_t fake_new_node(
	struct fake *f, uint32_t dir, const char *name, size_t len, bool is_dir)
{
	uint32_t i = 1;

	while (f->nodes[i].used)
		i++;
	assert(i < FAKE_NODES);
	f->nodes[i] = (struct fake_node){.used = true,
		.dir = is_dir,
		.parent = dir,
		.change = 1,
		.mode = is_dir ? 0755 : 0644};
	snprintf(f->nodes[i].name, sizeof(f->nodes[i].name), "%.*s", (int)len,
		name);
	f->nodes[dir].change = ++f->next_id;
	return i;
}

/* ---- attributes ---- */

fattr4 fake_attrs_of(struct fake *f, uint32_t node, const bitmap4 *want,
	uint8_t *buf, size_t size)
{
	static const struct fattr4_server server = {.lease_s = 3};
	const struct fake_node *n = &f->nodes[node];
	struct attr attr = {
		.type = n->dir ? OBJECT_DIR : OBJECT_FILE,
		.inode = node + 1000,
		.mode = n->mode,
		.nlink = 1,
		.change = n->change,
		.size = n->size,
		.mtime_ns = n->mtime_ns,
		.ctime_ns = n->ctime_ns,
	};
	uint8_t fh[4] = {'F', 'H', (uint8_t)(node >> 8), (uint8_t)node};
	struct fattr4_source src = {
		.server = &server, .attr = &attr, .fh = {4, fh}};
	struct xdr x;
	fattr4 ret;

	xdr_init_encode(&x, buf, size);
	assert(fattr4_encode(&x, want, &src));
	xdr_init_decode(&x, buf, xdr_pos(&x), NULL);
	assert(nfs4_get_fattr4(&x, &ret));
	return ret;
}

static fattr4 arena_attrs(
	struct fake_run *run, uint32_t node, const bitmap4 *want)
{
	uint8_t *buf = arena_alloc(&run->call->arena, 512);

	return fake_attrs_of(run->f, node, want, buf, 512);
}

/* ---- operations ---- */

static nfsstat4 put_fh(struct fake_run *run, nfs_fh4 fh)
{
	uint32_t node;

	if (fh.len != 4 || fh.data[0] != 'F')
		return NFS4ERR_BADHANDLE;
	node = (uint32_t)fh.data[2] << 8 | fh.data[3];
	if (node >= FAKE_NODES || !run->f->nodes[node].used)
		return NFS4ERR_STALE;
	run->fh = node + 1;
	return NFS4_OK;
}

static nfsstat4 get_fh(struct fake_run *run, GETFH4resok *ok)
{
	uint8_t *fh = arena_alloc(&run->call->arena, 4);

	fh[0] = 'F';
	fh[1] = 'H';
	fh[2] = (uint8_t)((run->fh - 1) >> 8);
	fh[3] = (uint8_t)(run->fh - 1);
	ok->object = xdr_opaque_from(fh, 4);
	return NFS4_OK;
}

static nfsstat4 look_up(struct fake_run *run, component4 name)
{
	int child;

	if (!run->f->nodes[run->fh - 1].dir)
		return NFS4ERR_NOTDIR;
	child = fake_find_child(
		run->f, run->fh - 1, (const char *)name.data, name.len);
	if (child < 0)
		return NFS4ERR_NOENT;
	run->fh = (uint32_t)child + 1;
	return NFS4_OK;
}

/* What no honest server has. */
static nfsstat4 read_endlessly(
	struct fake_run *run, const READDIR4args *args, READDIR4resok *ok)
{
	entry4 **tail = &ok->reply.entries;
	struct fake *f = run->f;

	for (uint64_t i = 1; i <= 50; i++) {
		entry4 *e = arena_array(&run->call->arena, 1, sizeof(*e));
		char *name = arena_alloc(&run->call->arena, 64);

		e->cookie = args->cookie + i;
		snprintf(name, 64, "endless-%llu",
			(unsigned long long)(f->endless_new ? e->cookie : i));
		e->name = xdr_opaque_from_str(name);
		*tail = e;
		tail = &e->nextentry;
	}
	return NFS4_OK;
}

static nfsstat4 read_dir(
	struct fake_run *run, const READDIR4args *args, READDIR4resok *ok)
{
	entry4 **tail = &ok->reply.entries;
	uint32_t i = args->cookie ? (uint32_t)args->cookie - 9 : 1;
	int n = 0;

	if (!run->f->nodes[run->fh - 1].dir)
		return NFS4ERR_NOTDIR;
	run->f->seen.readdirs++;
	if (run->f->readdir_status)
		return run->f->readdir_status;
	if (run->f->endless_new || run->f->endless_old)
		return read_endlessly(run, args, ok);
	for (; i < FAKE_NODES && n < PAGE; i++) {
		struct fake_node *node = &run->f->nodes[i];
		entry4 *e;

		if (!node->used || node->parent != run->fh - 1)
			continue;
		e = arena_array(&run->call->arena, 1, sizeof(*e));
		e->cookie = i + 10;
		e->name = xdr_opaque_from_str(node->name);
		e->attrs = arena_attrs(run, i, &args->attr_request);
		*tail = e;
		tail = &e->nextentry;
		n++;
	}
	ok->reply.eof = i == FAKE_NODES;
	return NFS4_OK;
}

struct fake_deleg *fake_find_deleg(struct fake *f, const stateid4 *stateid)
{
	for (int i = 0; i < FAKE_DELEGS; i++) {
		struct fake_deleg *d = &f->delegs[i];

		if (d->used &&
			memcmp(d->stateid.other, stateid->other, 12) == 0)
			return d;
	}
	return NULL;
}

static void grant(struct fake_run *run, const GET_DIR_DELEGATION4args *args,
	GET_DIR_DELEGATION4resok *ok)
{
	bitmap4 offered = {.word = {0x18001a, 0x30003a}};
	bitmap4 types = {.word = {0x5e}};
	struct fake *f = run->f;
	struct fake_deleg *d = f->delegs;

	if (f->promise_little)
		offered = (bitmap4){.beyond = false};
	if (f->grant_attrs)
		bitmap4_set(&types, NOTIFY4_CHANGE_CHILD_ATTRS);

	while (d->used)
		d++;
	assert(d < f->delegs + FAKE_DELEGS);
	*d = (struct fake_deleg){.used = true,
		.clientid = f->clientid,
		.node = run->fh - 1,
		.types = bitmap4_and(&args->gdda_notification_types, &types),
		.child_attrs =
			bitmap4_and(&args->gdda_child_attributes, &offered),
		.dir_attrs = bitmap4_and(&args->gdda_dir_attributes, &offered)};
	d->stateid.seqid = 1;
	memcpy(d->stateid.other, &(uint64_t){++f->next_id}, 8);
	ok->gddr_stateid = d->stateid;
	ok->gddr_notification = d->types;
	ok->gddr_child_attributes = d->child_attrs;
	ok->gddr_dir_attributes = d->dir_attrs;
	f->seen.asked_types = args->gdda_notification_types;
	f->seen.asked_attrs = args->gdda_child_attributes;
	f->seen.grants++;
	f->seen.delegations++;
	memcpy(f->grant_session, run->session->id, sizeof(sessionid4));
	f->grant_slot = run->slot;
	f->grant_seqid = run->seqid;
	run->granted = true;
}

static nfsstat4 get_delegation(struct fake_run *run,
	const GET_DIR_DELEGATION4args *args,
	GET_DIR_DELEGATION4res_non_fatal *res)
{
	struct fake *f = run->f;

	if (f->refuse && f->refuse_status)
		return f->refuse_status;
	if (!f->nodes[run->fh - 1].dir)
		return NFS4ERR_NOTDIR;
	res->gddrnf_status = GDD4_UNAVAIL;
	if (f->refuse)
		return NFS4_OK;
	for (int i = 0; i < FAKE_DELEGS; i++) {
		if (f->delegs[i].used && !f->delegs[i].revoked &&
			f->delegs[i].node == run->fh - 1)
			return NFS4_OK;
	}
	res->gddrnf_status = GDD4_OK;
	grant(run, args, &res->gddrnf_resok4);
	return NFS4_OK;
}

static nfsstat4 return_delegation(struct fake_run *run, const stateid4 *stateid)
{
	struct fake_deleg *d = fake_find_deleg(run->f, stateid);

	if (!d || d->node != run->fh - 1)
		return NFS4ERR_BAD_STATEID;
	if (d->revoked)
		return NFS4ERR_DELEG_REVOKED;
	run->f->seen.returning++;
	cond_broadcast(&run->f->cond);
	while (run->f->hold_returns && !run->f->closing)
		cond_wait(&run->f->cond, &run->f->lock);
	d->used = false;
	run->f->seen.returns++;
	run->f->seen.delegations--;
	return NFS4_OK;
}

static nfsstat4 test_stateids(struct fake_run *run,
	const TEST_STATEID4args *args, TEST_STATEID4resok *ok)
{
	uint32_t n = args->ts_stateids.count;

	ok->tsr_status_codes.count = n;
	ok->tsr_status_codes.items =
		arena_array(&run->call->arena, n, sizeof(nfsstat4));
	for (uint32_t i = 0; i < n; i++) {
		struct fake_deleg *d =
			fake_find_deleg(run->f, &args->ts_stateids.items[i]);

		ok->tsr_status_codes.items[i] = !d ? NFS4ERR_BAD_STATEID
			: d->revoked               ? NFS4ERR_DELEG_REVOKED
						   : NFS4_OK;
	}
	return NFS4_OK;
}

static nfsstat4 free_stateid(struct fake_run *run, const stateid4 *stateid)
{
	struct fake *f = run->f;
	struct fake_deleg *d = fake_find_deleg(f, stateid);
	bool more = false;

	if (!d)
		return NFS4ERR_BAD_STATEID;
	if (!d->revoked)
		return NFS4ERR_LOCKS_HELD;
	d->used = false;
	f->seen.delegations--;
	for (int i = 0; i < FAKE_DELEGS; i++)
		more |= f->delegs[i].used && f->delegs[i].revoked;
	if (!more)
		f->flags &= ~(uint32_t)SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
	return NFS4_OK;
}

/* REMOVE and CREATE by the client itself: nobody is told. */
static nfsstat4 remove_own(struct fake_run *run, component4 name)
{
	int child = fake_find_child(
		run->f, run->fh - 1, (const char *)name.data, name.len);

	run->f->seen.removes++;
	if (child < 0)
		return NFS4ERR_NOENT;
	run->f->nodes[child].used = false;
	run->f->nodes[run->fh - 1].change = ++run->f->next_id;
	return NFS4_OK;
}

static nfsstat4 create_own(struct fake_run *run, const CREATE4args *args)
{
	const char *name = (const char *)args->objname.data;

	if (fake_find_child(run->f, run->fh - 1, name, args->objname.len) >= 0)
		return NFS4ERR_EXIST;
	run->fh = fake_new_node(run->f, run->fh - 1, name, args->objname.len,
			  args->objtype.type == NF4DIR) +
		1;
	return NFS4_OK;
}

nfsstat4 fake_tree_op(
	struct fake_run *run, const nfs_argop4 *arg, nfs_resop4 *res)
{
	switch (arg->argop) {
	case OP_RECLAIM_COMPLETE:
		run->f->seen.claims++;
		return NFS4_OK;
	case OP_PUTROOTFH:
		run->fh = 1;
		return NFS4_OK;
	case OP_PUTFH:
		return put_fh(run, arg->opputfh.object);
	case OP_TEST_STATEID:
		return test_stateids(run, &arg->optest_stateid,
			&res->optest_stateid.tsr_resok4);
	case OP_FREE_STATEID:
		return free_stateid(run, &arg->opfree_stateid.fsa_stateid);
	default:
		break;
	}
	if (!run->fh)
		return NFS4ERR_NOFILEHANDLE;
	switch (arg->argop) {
	case OP_GETFH:
		return get_fh(run, &res->opgetfh.resok4);
	case OP_LOOKUP:
		return look_up(run, arg->oplookup.objname);
	case OP_GETATTR:
		res->opgetattr.resok4.obj_attributes = arena_attrs(
			run, run->fh - 1, &arg->opgetattr.attr_request);
		return NFS4_OK;
	case OP_READDIR:
		return read_dir(run, &arg->opreaddir, &res->opreaddir.resok4);
	case OP_REMOVE:
		return remove_own(run, arg->opremove.target);
	case OP_CREATE:
		return create_own(run, &arg->opcreate);
	case OP_GET_DIR_DELEGATION:
		return get_delegation(run, &arg->opget_dir_delegation,
			&res->opget_dir_delegation.gddr_res_non_fatal4);
	case OP_DELEGRETURN:
		return return_delegation(
			run, &arg->opdelegreturn.deleg_stateid);
	default:
		return NFS4ERR_NOTSUPP;
	}
}
