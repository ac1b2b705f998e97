/* SPDX-License-Identifier: MIT */
#include "store/fault.h"

#include <assert.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"

/* What befalls one call, or any call (the last row). */
struct fault_rule {
	int error;      /* 0: nothing */
	uint64_t spare; /* calls that it lets pass first */
	uint64_t times; /* left; 0: always */
};

struct fault {
	struct store store;
	struct store *below;
	struct lock lock; /* guards what follows */
	struct cond released;
	struct fault_rule rules[STORE_CALLS + 1];
	int late[STORE_CALLS]; /* errors of the next call when it is done */
	uint64_t counts[STORE_CALLS];
	bool hang;
	unsigned waiting;
	uint64_t releases;
};

static struct fault *fault_of(struct store *s)
{
	return container_of(s, struct fault, store);
}

static int use_rule(struct fault_rule *r)
{
	int error = r->error;

	if (error && r->spare) {
		r->spare--;
		return 0;
	}
	if (error && r->times && --r->times == 0)
		r->error = 0;
	return -error;
}

static void hang_locked(struct fault *f)
{
	uint64_t releases = f->releases;

	f->waiting++;
	while (f->hang && f->releases == releases)
		cond_wait(&f->released, &f->lock);
	f->waiting--;
}

/* Every call comes through here first: 0, or what it is to return. */
static int enter(struct fault *f, enum store_call call)
{
	int err;

	scope_lock(&f->lock);
	f->counts[call]++;
	hang_locked(f);
	err = use_rule(&f->rules[call]);
	return err ? err : use_rule(&f->rules[FAULT_ALL]);
}

/* A call ends that came to @err. */
static int leave(struct fault *f, enum store_call call, int err)
{
	int late;

	scope_lock(&f->lock);
	late = f->late[call];
	f->late[call] = 0;
	return err || !late ? err : -late;
}

static void fault_free(struct store *s)
{
	struct fault *f = fault_of(s);

	store_free(f->below);
	cond_fini(&f->released);
	lock_fini(&f->lock);
	free(f);
}

static int fault_root(struct store *s, struct fileid *ret)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_ROOT);

	return err ? err : f->below->ops->root(f->below, ret);
}

static int fault_probe(struct store *s, const struct fileid *id)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_PROBE);

	return err ? err : f->below->ops->probe(f->below, id);
}

static int fault_getattr(
	struct store *s, const struct fileid *id, struct attr *ret)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_GETATTR);

	return err ? err : f->below->ops->getattr(f->below, id, ret);
}

static int fault_statfs(
	struct store *s, const struct fileid *id, struct fsinfo *ret)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_STATFS);

	return err ? err : f->below->ops->statfs(f->below, id, ret);
}

static int fault_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_ACCESS);

	return err ? err
		   : f->below->ops->access(f->below, cred, id, want, granted);
}

static int fault_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_OPEN_CHECK);

	return err ? err
		   : f->below->ops->open_check(f->below, cred, id, access);
}

static int fault_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_LOOKUP);

	return err ? err
		   : f->below->ops->lookup(
			     f->below, cred, dir, name, ret, ret_attr);
}

static int fault_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_LOOKUP_PARENT);

	return err ? err
		   : f->below->ops->lookup_parent(f->below, cred, dir, ret);
}

static int fault_path(
	struct store *s, const struct fileid *dir, char *buf, size_t size)
{
	struct fault *f = fault_of(s);

	lock_acquire(&f->lock);
	hang_locked(f);
	lock_release(&f->lock);
	return store_path(f->below, dir, buf, size);
}

static int fault_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_READLINK);

	return err
		? err
		: f->below->ops->readlink(f->below, cred, id, buf, size, len);
}

static int fault_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_READDIR);

	return err ? err
		   : f->below->ops->readdir(f->below, cred, dir, cookie,
			     verifier, emit, ctx, page);
}

static int fault_dir_verifier(
	struct store *s, const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_DIR_VERIFIER);

	return err ? err
		   : f->below->ops->dir_verifier(f->below, dir, ret, cookies);
}

static int fault_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_CREATE);

	return err
		? err
		: f->below->ops->check_create(f->below, cred, dir, name, type);
}

static int fault_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_LINK);

	return err ? err
		   : f->below->ops->check_link(f->below, cred, id, dir, name);
}

static int fault_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_REMOVE);

	return err ? err
		   : f->below->ops->check_remove(
			     f->below, cred, dir, name, victim, victim_attr);
}

static int fault_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_RENAME);

	return err ? err
		   : f->below->ops->check_rename(
			     f->below, cred, from_dir, from, to_dir, to, plan);
}

static int fault_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CREATE);

	return err ? err
		   : f->below->ops->create(
			     f->below, cred, dir, name, new, ret, change);
}

static int fault_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_LINK);

	return err ? err
		   : f->below->ops->link(f->below, cred, id, dir, name, change);
}

static int fault_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_REMOVE);

	return err ? err
		   : f->below->ops->remove(f->below, cred, dir, name, change);
}

static int fault_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_RENAME);

	return err ? err
		   : f->below->ops->rename(f->below, cred, from_dir, from,
			     to_dir, to, from_change, to_change, nothing);
}

static int fault_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_SYNC_ENTRY);

	return err ? err : f->below->ops->sync_entry(f->below, dir, child);
}

static int fault_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_EXCLUSIVE_MATCH);

	return err
		? err
		: f->below->ops->exclusive_match(f->below, id, verifier, match);
}

static int fault_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_SETATTR);

	return err ? err
		   : f->below->ops->check_setattr(f->below, cred, id, io, set);
}

static int fault_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_CHECK_XATTR);

	return err ? err
		   : f->below->ops->check_xattr(f->below, cred, id, name, mode);
}

static int fault_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_SETATTR);

	if (err == 0)
		err = f->below->ops->setattr(f->below, cred, id, io, set);
	return leave(f, STORE_CALL_SETATTR, err);
}

static int fault_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_READ);

	return err ? err
		   : f->below->ops->read(f->below, cred, id, io, offset, buf,
			     len, done, eof);
}

static int fault_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_WRITE);

	if (err == 0)
		err = f->below->ops->write(f->below, cred, id, io, offset, buf,
			len, stability, done);
	return leave(f, STORE_CALL_WRITE, err);
}

static int fault_commit(
	struct store *s, const struct fileid *id, uint64_t offset, uint64_t len)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_COMMIT);

	return err ? err : f->below->ops->commit(f->below, id, offset, len);
}

static int fault_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_SEEK);

	return err ? err
		   : f->below->ops->seek(
			     f->below, cred, id, io, offset, hole, ret, eof);
}

static int fault_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_ALLOCATE);

	if (err == 0)
		err = f->below->ops->allocate(
			f->below, cred, id, io, offset, len);
	return leave(f, STORE_CALL_ALLOCATE, err);
}

static int fault_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_DEALLOCATE);

	if (err == 0)
		err = f->below->ops->deallocate(
			f->below, cred, id, io, offset, len);
	return leave(f, STORE_CALL_DEALLOCATE, err);
}

static int fault_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_XATTR_GET);

	return err
		? err
		: f->below->ops->xattr_get(f->below, cred, id, name, buf, len);
}

static int fault_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_XATTR_SET);

	if (err == 0)
		err = f->below->ops->xattr_set(
			f->below, cred, id, name, value, len, mode);
	return leave(f, STORE_CALL_XATTR_SET, err);
}

static int fault_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_XATTR_LIST);

	return err ? err : f->below->ops->xattr_list(f->below, cred, id, names);
}

static int fault_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_XATTR_REMOVE);

	if (err == 0)
		err = f->below->ops->xattr_remove(f->below, cred, id, name);
	return leave(f, STORE_CALL_XATTR_REMOVE, err);
}

static int fault_pin(struct store *s, const struct fileid *id)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_PIN);

	return err ? err : f->below->ops->pin(f->below, id);
}

static uint64_t fault_write_verifier(struct store *s)
{
	struct fault *f = fault_of(s);

	return f->below->ops->write_verifier(f->below);
}

static void fault_unpin(struct store *s, const struct fileid *id)
{
	struct fault *f = fault_of(s);

	f->below->ops->unpin(f->below, id);
}

static void fault_count_orphans(struct store *s, uint32_t *count, uint32_t *max)
{
	store_count_orphans(fault_of(s)->below, count, max);
}

static int fault_observe(struct store *s, const struct store_observer *observer)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_OBSERVE);

	return err ? err : f->below->ops->observe(f->below, observer);
}

static int fault_watch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	struct fault *f = fault_of(s);
	int err = enter(f, STORE_CALL_WATCH);

	return err ? err : f->below->ops->watch(f->below, id, what);
}

static void fault_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	struct fault *f = fault_of(s);

	f->below->ops->unwatch(f->below, id, what);
}

static void fault_read_watch_stats(
	struct store *s, struct store_watch_stats *ret)
{
	struct fault *f = fault_of(s);

	f->below->ops->read_watch_stats(f->below, ret);
}

static void fault_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
	struct fault *f = fault_of(s);

	f->below->ops->note_outside(f->below, dir, change);
}

static const struct store_ops fault_ops = {
	.free = fault_free,
	.root = fault_root,
	.probe = fault_probe,
	.getattr = fault_getattr,
	.statfs = fault_statfs,
	.access = fault_access,
	.open_check = fault_open_check,
	.lookup = fault_lookup,
	.lookup_parent = fault_lookup_parent,
	.path = fault_path,
	.readlink = fault_readlink,
	.readdir = fault_readdir,
	.dir_verifier = fault_dir_verifier,
	.check_create = fault_check_create,
	.check_link = fault_check_link,
	.check_remove = fault_check_remove,
	.check_rename = fault_check_rename,
	.create = fault_create,
	.link = fault_link,
	.remove = fault_remove,
	.rename = fault_rename,
	.sync_entry = fault_sync_entry,
	.exclusive_match = fault_exclusive_match,
	.check_setattr = fault_check_setattr,
	.check_xattr = fault_check_xattr,
	.setattr = fault_setattr,
	.read = fault_read,
	.write = fault_write,
	.commit = fault_commit,
	.write_verifier = fault_write_verifier,
	.seek = fault_seek,
	.allocate = fault_allocate,
	.deallocate = fault_deallocate,
	.xattr_get = fault_xattr_get,
	.xattr_set = fault_xattr_set,
	.xattr_list = fault_xattr_list,
	.xattr_remove = fault_xattr_remove,
	.pin = fault_pin,
	.unpin = fault_unpin,
	.count_orphans = fault_count_orphans,
	.observe = fault_observe,
	.watch = fault_watch,
	.unwatch = fault_unwatch,
	.read_watch_stats = fault_read_watch_stats,
	.note_outside = fault_note_outside,
};

struct store *fault_new(struct store *below)
{
	struct fault *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->store = (struct store){.ops = &fault_ops, .kind = "fault"};
	f->below = below;
	lock_init(&f->lock, LOCK_LEAF);
	cond_init(&f->released);
	return &f->store;
}

/* The filter @s, which must be one. */
static struct fault *filter(struct store *s)
{
	assert(s->ops == &fault_ops);
	return fault_of(s);
}

void fault_fail(
	struct store *s, enum store_call call, int error, uint64_t times)
{
	struct fault *f = filter(s);

	assert(error >= 0 && call <= FAULT_ALL);
	scope_lock(&f->lock);
	f->rules[call] = (struct fault_rule){.error = error, .times = times};
}

void fault_fail_nth(
	struct store *s, enum store_call call, int error, uint64_t nth)
{
	struct fault *f = filter(s);

	assert(error >= 0 && call <= FAULT_ALL && nth > 0);
	scope_lock(&f->lock);
	f->rules[call] = (struct fault_rule){
		.error = error, .spare = nth - 1, .times = 1};
}

void fault_fail_late(struct store *s, enum store_call call, int error)
{
	struct fault *f = filter(s);

	assert(error > 0 && call < FAULT_ALL);
	scope_lock(&f->lock);
	f->late[call] = error;
}

void fault_hang(struct store *s)
{
	struct fault *f = filter(s);

	scope_lock(&f->lock);
	f->hang = true;
}

void fault_release(struct store *s)
{
	struct fault *f = filter(s);

	scope_lock(&f->lock);
	f->hang = false;
	f->releases++;
	cond_broadcast(&f->released);
}

unsigned fault_waiting(struct store *s)
{
	struct fault *f = filter(s);

	scope_lock(&f->lock);
	return f->hang ? f->waiting : 0;
}

uint64_t fault_count(struct store *s, enum store_call call)
{
	struct fault *f = filter(s);

	assert(call < STORE_CALLS);
	scope_lock(&f->lock);
	return f->counts[call];
}
