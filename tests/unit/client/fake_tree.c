/* SPDX-License-Identifier: MIT */
/* The fake's names, their attributes, and who is told about them. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "fake_priv.h"
#include "wire/fattr4.h"
#include "wire/nfs4_xdr.h"

#define PAGE 5 /* entries of one READDIR */

/* ---- nodes ---- */

static int find_child(
	struct fake *f, uint32_t dir, const char *name, size_t len)
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
static int walk(struct fake *f, const char *path, const char **last)
{
	int at = 0;

	for (;;) {
		size_t len = strcspn(path, "/");

		if (last && path[len] == '\0') {
			*last = path;
			return at;
		}
		if (len)
			at = find_child(f, (uint32_t)at, path, len);
		if (at < 0 || path[len] == '\0')
			return at;
		path += len + 1;
	}
}

static uint32_t new_node(
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

static fattr4 attrs_of(struct fake *f, uint32_t node, const bitmap4 *want,
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

	return attrs_of(run->f, node, want, buf, 512);
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
	child = find_child(
		run->f, run->fh - 1, (const char *)name.data, name.len);
	if (child < 0)
		return NFS4ERR_NOENT;
	run->fh = (uint32_t)child + 1;
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

static struct fake_deleg *find_deleg(struct fake *f, const stateid4 *stateid)
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
	struct fake_deleg *d = find_deleg(run->f, stateid);

	if (!d || d->node != run->fh - 1)
		return NFS4ERR_BAD_STATEID;
	if (d->revoked)
		return NFS4ERR_DELEG_REVOKED;
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
			find_deleg(run->f, &args->ts_stateids.items[i]);

		ok->tsr_status_codes.items[i] = !d ? NFS4ERR_BAD_STATEID
			: d->revoked               ? NFS4ERR_DELEG_REVOKED
						   : NFS4_OK;
	}
	return NFS4_OK;
}

static nfsstat4 free_stateid(struct fake_run *run, const stateid4 *stateid)
{
	struct fake *f = run->f;
	struct fake_deleg *d = find_deleg(f, stateid);
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
	int child = find_child(
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

	if (find_child(run->f, run->fh - 1, name, args->objname.len) >= 0)
		return NFS4ERR_EXIST;
	run->fh = new_node(run->f, run->fh - 1, name, args->objname.len,
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

/* ---- telling the holders ---- */

/* A copy of the directory's delegation, if it is held and can be told. */
static bool holder_of(struct fake *f, int dir, struct fake_deleg *ret)
{
	scope_lock(&f->lock);
	for (int i = 0; i < FAKE_DELEGS; i++) {
		struct fake_deleg *d = &f->delegs[i];

		if (d->used && !d->revoked && (int)d->node == dir) {
			*ret = *d;
			return !f->mute;
		}
	}
	return false;
}

static void count_failure(struct fake *f, const struct fake_cb_reply *reply)
{
	if (reply->outcome == RPC_OUT_OK && reply->status == NFS4_OK)
		return;
	scope_lock(&f->lock);
	f->seen.cb_failures++;
}

static bool is_returned(struct fake *f, const stateid4 *stateid)
{
	return find_deleg(f, stateid) == NULL;
}

/* CB_RECALL, and wait up to two seconds for the return. */
static void recall(struct fake *f, const struct fake_deleg *d)
{
	uint8_t fh[4] = {'F', 'H', (uint8_t)(d->node >> 8), (uint8_t)d->node};
	struct fake_cb cb = {.nops = 1, .ops = {{.argop = OP_CB_RECALL}}};
	struct fake_cb_reply reply;

	cb.ops[0].opcbrecall.stateid = d->stateid;
	cb.ops[0].opcbrecall.stateid.seqid = 0;
	cb.ops[0].opcbrecall.fh = xdr_opaque_from(fh, 4);
	fake_call_back(f, &cb, 2000, &reply);
	count_failure(f, &reply);
	scope_lock(&f->lock);
	for (int i = 0; i < 200 && !is_returned(f, &d->stateid); i++)
		cond_wait_ms(&f->cond, &f->lock, 10);
}

/* Before a change of @type in @dir: recall who did not ask to be told. */
static void before(struct fake *f, int dir, unsigned type)
{
	struct fake_deleg d;

	if (holder_of(f, dir, &d) &&
		(f->recall_always || !bitmap4_has(&d.types, type)))
		recall(f, &d);
}

static notify_entry4 entry_for(struct fake *f, const struct fake_deleg *d,
	const char *name, int node, uint8_t *buf, size_t size)
{
	notify_entry4 e = {.ne_file = xdr_opaque_from_str(name)};

	if (node >= 0)
		e.ne_attrs =
			attrs_of(f, (uint32_t)node, &d->child_attrs, buf, size);
	return e;
}

/* The directory's attributes, as knfsd puts them behind every change. */
static bool dir_attrs(
	struct fake *f, const struct fake_deleg *d, struct xdr *x, notify4 *ret)
{
	uint8_t attrs[512];
	notify_attr4 body = {.na_changed_entry = {.ne_file = {.len = 0}}};

	if (!bitmap4_has(&d->types, NOTIFY4_CHANGE_DIR_ATTRS))
		return false;
	body.na_changed_entry.ne_attrs =
		attrs_of(f, d->node, &d->dir_attrs, attrs, sizeof(attrs));
	assert(nfs4_put_notify_attr4(x, &body));
	bitmap4_set(&ret->notify_mask, NOTIFY4_CHANGE_DIR_ATTRS);
	ret->notify_vals = xdr_opaque_from(x->data, (uint32_t)x->pos);
	return true;
}

static void tell(struct fake *f, const struct fake_deleg *d, unsigned type,
	const struct xdr *body)
{
	uint8_t fh[4] = {'F', 'H', (uint8_t)(d->node >> 8), (uint8_t)d->node};
	uint8_t buf[512];
	struct fake_cb cb = {.nops = 1, .ops = {{.argop = OP_CB_NOTIFY}}};
	CB_NOTIFY4args *args = &cb.ops[0].opcbnotify;
	notify4 changes[2] = {{.notify_vals = xdr_opaque_from(
				       body->data, (uint32_t)body->pos)}};
	struct fake_cb_reply reply;
	struct xdr x;

	assert(!body->bad);
	bitmap4_set(&changes[0].notify_mask, type);
	args->cna_stateid = d->stateid;
	args->cna_stateid.seqid = 0;
	args->cna_fh = xdr_opaque_from(fh, 4);
	xdr_init_encode(&x, buf, sizeof(buf));
	args->cna_changes.count = 1u + dir_attrs(f, d, &x, &changes[1]);
	args->cna_changes.items = changes;
	fake_call_back(f, &cb, 2000, &reply);
	count_failure(f, &reply);
}

static void tell_add(struct fake *f, int dir, const char *name, int node)
{
	uint8_t attrs[512], buf[1024];
	struct fake_deleg d;
	notify_add4 add = {.nad_last_entry = false};
	struct xdr x;

	if (!holder_of(f, dir, &d) || !bitmap4_has(&d.types, NOTIFY4_ADD_ENTRY))
		return;
	add.nad_new_entry = entry_for(f, &d, name, node, attrs, sizeof(attrs));
	xdr_init_encode(&x, buf, sizeof(buf));
	nfs4_put_notify_add4(&x, &add);
	tell(f, &d, NOTIFY4_ADD_ENTRY, &x);
}

static void tell_attrs(struct fake *f, int dir, const char *name, int node)
{
	uint8_t attrs[512], buf[1024];
	struct fake_deleg d;
	notify_attr4 body;
	struct xdr x;

	if (!holder_of(f, dir, &d) ||
		!bitmap4_has(&d.types, NOTIFY4_CHANGE_CHILD_ATTRS))
		return;
	body.na_changed_entry =
		entry_for(f, &d, name, node, attrs, sizeof(attrs));
	xdr_init_encode(&x, buf, sizeof(buf));
	nfs4_put_notify_attr4(&x, &body);
	tell(f, &d, NOTIFY4_CHANGE_CHILD_ATTRS, &x);
}

static void tell_remove(struct fake *f, int dir, const char *name)
{
	uint8_t buf[1024];
	struct fake_deleg d;
	notify_remove4 gone = {.nrm_old_entry_cookie = 0};
	struct xdr x;

	if (!holder_of(f, dir, &d) ||
		!bitmap4_has(&d.types, NOTIFY4_REMOVE_ENTRY))
		return;
	gone.nrm_old_entry = entry_for(f, &d, name, -1, NULL, 0);
	xdr_init_encode(&x, buf, sizeof(buf));
	nfs4_put_notify_remove4(&x, &gone);
	tell(f, &d, NOTIFY4_REMOVE_ENTRY, &x);
}

static void tell_rename(struct fake *f, int dir, const char *old,
	const char *name, int node, bool replaced)
{
	uint8_t attrs[512], buf[2048];
	struct fake_deleg d;
	notify_rename4 r = {.nrn_new_entry = {.nad_last_entry = false}};
	notify_remove4 victim = {.nrm_old_entry_cookie = 0};
	struct xdr x;

	if (!holder_of(f, dir, &d) ||
		!bitmap4_has(&d.types, NOTIFY4_RENAME_ENTRY))
		return;
	r.nrn_old_entry.nrm_old_entry = entry_for(f, &d, old, -1, NULL, 0);
	r.nrn_new_entry.nad_new_entry =
		entry_for(f, &d, name, node, attrs, sizeof(attrs));
	if (replaced) {
		victim.nrm_old_entry = entry_for(f, &d, name, -1, NULL, 0);
		r.nrn_new_entry.nad_old_entry.count = 1;
		r.nrn_new_entry.nad_old_entry.items = &victim;
	}
	xdr_init_encode(&x, buf, sizeof(buf));
	nfs4_put_notify_rename4(&x, &r);
	tell(f, &d, NOTIFY4_RENAME_ENTRY, &x);
}

/* ---- somebody else's changes ---- */

static void make(struct fake *f, const char *path, bool is_dir)
{
	const char *name;
	int dir, node;

	lock_acquire(&f->lock);
	dir = walk(f, path, &name);
	lock_release(&f->lock);
	assert(dir >= 0);
	before(f, dir, NOTIFY4_ADD_ENTRY);
	lock_acquire(&f->lock);
	node = (int)new_node(f, (uint32_t)dir, name, strlen(name), is_dir);
	lock_release(&f->lock);
	tell_add(f, dir, name, node);
}

void fake_mkdir(struct fake *f, const char *path)
{
	make(f, path, true);
}

void fake_create(struct fake *f, const char *path)
{
	make(f, path, false);
}

void fake_remove(struct fake *f, const char *path)
{
	struct fake_deleg d;
	const char *name;
	int dir, node;

	lock_acquire(&f->lock);
	dir = walk(f, path, &name);
	node = find_child(f, (uint32_t)dir, name, strlen(name));
	lock_release(&f->lock);
	assert(node >= 0);
	if (holder_of(f, node, &d))
		recall(f, &d);
	before(f, dir, NOTIFY4_REMOVE_ENTRY);
	lock_acquire(&f->lock);
	f->nodes[node].used = false;
	f->nodes[dir].change = ++f->next_id;
	lock_release(&f->lock);
	tell_remove(f, dir, name);
}

static void rename_same(struct fake *f, int dir, int node, int victim,
	const char *old, const char *name)
{
	before(f, dir, NOTIFY4_RENAME_ENTRY);
	lock_acquire(&f->lock);
	if (victim >= 0)
		f->nodes[victim].used = false;
	snprintf(f->nodes[node].name, sizeof(f->nodes[node].name), "%s", name);
	f->nodes[dir].change = ++f->next_id;
	lock_release(&f->lock);
	tell_rename(f, dir, old, name, node, victim >= 0);
}

void fake_rename(struct fake *f, const char *old, const char *name)
{
	const char *from_name, *to_name;
	int from, to, node, victim;

	lock_acquire(&f->lock);
	from = walk(f, old, &from_name);
	to = walk(f, name, &to_name);
	node = find_child(f, (uint32_t)from, from_name, strlen(from_name));
	victim = find_child(f, (uint32_t)to, to_name, strlen(to_name));
	lock_release(&f->lock);
	assert(node >= 0);
	if (from == to) {
		rename_same(f, from, node, victim, from_name, to_name);
		return;
	}
	assert(victim < 0);
	before(f, from, NOTIFY4_REMOVE_ENTRY);
	before(f, to, NOTIFY4_ADD_ENTRY);
	lock_acquire(&f->lock);
	f->nodes[node].parent = (uint32_t)to;
	snprintf(f->nodes[node].name, sizeof(f->nodes[node].name), "%s",
		to_name);
	f->nodes[from].change = ++f->next_id;
	f->nodes[to].change = ++f->next_id;
	lock_release(&f->lock);
	tell_remove(f, from, from_name);
	tell_add(f, to, to_name, node);
}

static int find(struct fake *f, const char *path, int *dir, const char **name)
{
	scope_lock(&f->lock);
	*dir = walk(f, path, name);
	return find_child(f, (uint32_t)*dir, *name, strlen(*name));
}

void fake_tell_added(struct fake *f, const char *path, const char *object)
{
	const char *name;
	int dir, node = find(f, object, &dir, &name);

	assert(node >= 0);
	find(f, path, &dir, &name);
	tell_add(f, dir, name, node);
}

void fake_tell_removed(struct fake *f, const char *path)
{
	const char *name;
	int dir;

	find(f, path, &dir, &name);
	tell_remove(f, dir, name);
}

void fake_recall(struct fake *f, const char *path)
{
	struct fake_deleg d;
	int dir;

	lock_acquire(&f->lock);
	dir = walk(f, path, NULL);
	lock_release(&f->lock);
	if (holder_of(f, dir, &d))
		recall(f, &d);
}

void fake_chmod(struct fake *f, const char *path)
{
	int dir;

	lock_acquire(&f->lock);
	dir = walk(f, path, NULL);
	lock_release(&f->lock);
	before(f, dir, BITMAP4_BITS - 1); /* nobody asks for that */
	lock_acquire(&f->lock);
	f->nodes[dir].mode ^= 1;
	f->nodes[dir].change = ++f->next_id;
	lock_release(&f->lock);
}

/* An entry whose attributes change; under the lock until told. */
static struct fake_node *entry_at(
	struct fake *f, const char *path, int *dir, int *node)
{
	const char *name;

	lock_acquire(&f->lock);
	*dir = walk(f, path, &name);
	*node = find_child(f, (uint32_t)*dir, name, strlen(name));
	assert(*node >= 0);
	f->nodes[*node].change = ++f->next_id;
	return &f->nodes[*node];
}

static void entry_changed(struct fake *f, int dir, int node)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", f->nodes[node].name);
	lock_release(&f->lock);
	tell_attrs(f, dir, name, node);
}

void fake_write(struct fake *f, const char *path)
{
	int dir, node;
	struct fake_node *n = entry_at(f, path, &dir, &node);

	n->size++;
	n->mtime_ns = n->ctime_ns = (int64_t)n->change;
	entry_changed(f, dir, node);
}

void fake_chmod_entry(struct fake *f, const char *path)
{
	int dir, node;
	struct fake_node *n = entry_at(f, path, &dir, &node);

	n->mode ^= 0100;
	n->ctime_ns = (int64_t)n->change;
	entry_changed(f, dir, node);
}

void fake_touch(struct fake *f, const char *path)
{
	int dir, node;
	struct fake_node *n = entry_at(f, path, &dir, &node);

	n->ctime_ns = (int64_t)n->change;
	entry_changed(f, dir, node);
}

void fake_tell_again(struct fake *f, const char *path)
{
	int dir, node;

	entry_at(f, path, &dir, &node);
	entry_changed(f, dir, node);
}

void fake_revoke_all(struct fake *f)
{
	scope_lock(&f->lock);
	for (int i = 0; i < FAKE_DELEGS; i++)
		f->delegs[i].revoked = f->delegs[i].used;
	f->flags |= SEQ4_STATUS_RECALLABLE_STATE_REVOKED;
}

void fake_recall_any(struct fake *f, uint32_t keep)
{
	struct fake_cb cb = {.nops = 1, .ops = {{.argop = OP_CB_RECALL_ANY}}};
	struct fake_cb_reply reply;

	cb.ops[0].opcbrecall_any.craa_objects_to_keep = keep;
	bitmap4_set(&cb.ops[0].opcbrecall_any.craa_type_mask,
		RCA4_TYPE_MASK_DIR_DLG);
	fake_call_back(f, &cb, 2000, &reply);
	count_failure(f, &reply);
}

bool fake_has_returned(const struct fake_seen *seen, unsigned n)
{
	return seen->returns >= n;
}
