/* SPDX-License-Identifier: MIT */
/* Somebody else's changes in the fake, and who is told about them. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "fake_priv.h"
#include "wire/nfs4_xdr.h"

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
	return fake_find_deleg(f, stateid) == NULL;
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
		e.ne_attrs = fake_attrs_of(
			f, (uint32_t)node, &d->child_attrs, buf, size);
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
		fake_attrs_of(f, d->node, &d->dir_attrs, attrs, sizeof(attrs));
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
	dir = fake_walk(f, path, &name);
	lock_release(&f->lock);
	assert(dir >= 0);
	before(f, dir, NOTIFY4_ADD_ENTRY);
	lock_acquire(&f->lock);
	node = (int)fake_new_node(f, (uint32_t)dir, name, strlen(name), is_dir);
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
	dir = fake_walk(f, path, &name);
	node = fake_find_child(f, (uint32_t)dir, name, strlen(name));
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
	from = fake_walk(f, old, &from_name);
	to = fake_walk(f, name, &to_name);
	node = fake_find_child(f, (uint32_t)from, from_name, strlen(from_name));
	victim = fake_find_child(f, (uint32_t)to, to_name, strlen(to_name));
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
	*dir = fake_walk(f, path, name);
	return fake_find_child(f, (uint32_t)*dir, *name, strlen(*name));
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

stateid4 fake_stateid(struct fake *f, const char *path)
{
	struct fake_deleg d;
	int dir;

	lock_acquire(&f->lock);
	dir = fake_walk(f, path, NULL);
	lock_release(&f->lock);
	assert(holder_of(f, dir, &d));
	return d.stateid;
}

void fake_recall(struct fake *f, const char *path)
{
	struct fake_deleg d;
	int dir;

	lock_acquire(&f->lock);
	dir = fake_walk(f, path, NULL);
	lock_release(&f->lock);
	if (holder_of(f, dir, &d))
		recall(f, &d);
}

void fake_chmod(struct fake *f, const char *path)
{
	int dir;

	lock_acquire(&f->lock);
	dir = fake_walk(f, path, NULL);
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
	*dir = fake_walk(f, path, &name);
	*node = fake_find_child(f, (uint32_t)*dir, name, strlen(name));
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
