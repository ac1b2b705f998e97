/* SPDX-License-Identifier: MIT */
#include "spy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/htab.h"
#include "base/list.h"

/* What is remembered of an object, for ever. */
struct object {
	struct htab_link link;
	struct fileid id;
	uint64_t touched, touched_by[SPY_USERS], doomed;
};

static struct {
	pthread_mutex_t lock;
	struct store_ops ops; /* the store's own with some of ours */
	const struct store_ops *below;
	_Atomic uint64_t seq;
	struct spy_change *changes;
	size_t count, room;
	struct spy_attempt *attempts;
	size_t nattempts, attempts_room;
	struct htab objects;
	bool has_objects;
} spy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *must(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "spy: out of memory\n");
	abort();
}

/* ---- objects ---- */

static struct object *find(const struct fileid *id)
{
	struct htab_link *at;

	htab_for_each_match(at, &spy.objects, htab_hash(id->data, id->len)) {
		struct object *o = container_of(at, struct object, link);

		if (fileid_equal(&o->id, id))
			return o;
	}
	return NULL;
}

static struct object *object_of(const struct fileid *id)
{
	struct object *o = find(id);

	if (o)
		return o;
	o = must(calloc(1, sizeof(*o)));
	o->id = *id;
	htab_insert(&spy.objects, &o->link, htab_hash(id->data, id->len));
	return o;
}

static int who_is(const struct cred *cred)
{
	return (int)cred->uid - SPY_UID_FIRST;
}

static void touch_locked(const struct fileid *id, int who)
{
	struct object *o;

	if (!id->len)
		return;
	o = object_of(id);
	o->touched = spy.seq;
	if (who >= 0 && who < SPY_USERS)
		o->touched_by[who] = spy.seq;
}

static void touch(const struct cred *cred, const struct fileid *id)
{
	pthread_mutex_lock(&spy.lock);
	spy.seq++;
	touch_locked(id, who_is(cred));
	pthread_mutex_unlock(&spy.lock);
}

uint64_t spy_touched(const struct fileid *id)
{
	const struct object *o;
	uint64_t seq;

	pthread_mutex_lock(&spy.lock);
	o = find(id);
	seq = o ? o->touched : 0;
	pthread_mutex_unlock(&spy.lock);
	return seq;
}

uint64_t spy_touched_by(const struct fileid *id, int who)
{
	const struct object *o;
	uint64_t seq;

	pthread_mutex_lock(&spy.lock);
	o = find(id);
	seq = o ? o->touched_by[who] : 0;
	pthread_mutex_unlock(&spy.lock);
	return seq;
}

uint64_t spy_doomed(const struct fileid *id)
{
	const struct object *o;
	uint64_t seq;

	pthread_mutex_lock(&spy.lock);
	o = find(id);
	seq = o ? o->doomed : 0;
	pthread_mutex_unlock(&spy.lock);
	return seq;
}

static void doom(const struct fileid *id)
{
	pthread_mutex_lock(&spy.lock);
	object_of(id)->doomed = ++spy.seq;
	pthread_mutex_unlock(&spy.lock);
}

/* ---- changes ---- */

static void copy_name(struct spy_name *to, struct name from)
{
	to->len = from.len;
	if (from.len)
		memcpy(to->bytes, from.data, from.len);
}

static struct spy_change *new_change_locked(
	const struct cred *cred, const struct fileid *dir)
{
	struct spy_change *c;

	if (spy.count == spy.room) {
		spy.room = spy.room ? 2 * spy.room : 1024;
		spy.changes = must(
			realloc(spy.changes, spy.room * sizeof(*spy.changes)));
	}
	c = &spy.changes[spy.count++];
	memset(c, 0, sizeof(*c));
	c->seq = spy.seq;
	c->who = who_is(cred);
	c->dir = *dir;
	touch_locked(dir, c->who);
	return c;
}

static void note_position(struct spy_change *c, const struct dir_change *change)
{
	c->cookie = change->entry.cookie;
	c->old_cookie = change->old.cookie;
	c->overwritten_cookie = change->overwritten.cookie;
	c->has_previous = change->has_previous;
	if (c->has_previous) {
		copy_name(&c->previous, change->previous);
		c->previous_cookie = change->previous_cookie;
	}
	c->last = change->last;
	c->verifier_moved = change->verifier_moved;
	c->old_verifier = change->old_verifier;
	c->new_verifier = change->new_verifier;
}

static void note_locked(const struct cred *cred, const struct fileid *dir,
	const struct dir_change *change)
{
	struct spy_change *c = new_change_locked(cred, dir);

	c->kind = change->kind;
	copy_name(&c->name, change->entry.name);
	copy_name(&c->old, change->old.name);
	c->child = change->entry.child;
	c->has_overwritten = change->has_overwritten;
	c->overwritten = change->overwritten.child;
	note_position(c, change);
	touch_locked(&c->child, c->who);
	if (c->has_overwritten)
		touch_locked(&c->overwritten, c->who);
}

static void note(const struct cred *cred, const struct fileid *dir,
	const struct dir_change *change, const struct fileid *child)
{
	pthread_mutex_lock(&spy.lock);
	spy.seq++;
	note_locked(cred, dir, change);
	if (child)
		touch_locked(child, who_is(cred));
	pthread_mutex_unlock(&spy.lock);
}

/* The last change of @dir by this user was a renaming of @from. */
static void note_source(
	const struct cred *cred, const struct fileid *dir, struct name from)
{
	struct spy_change *c = NULL;

	pthread_mutex_lock(&spy.lock);
	for (size_t i = spy.count; i > 0; i--) {
		c = &spy.changes[i - 1];
		if (c->who == who_is(cred) && fileid_equal(&c->dir, dir))
			break;
	}
	copy_name(&c->source, from);
	c->has_source = true;
	pthread_mutex_unlock(&spy.lock);
}

static void note_set(const struct cred *cred, const struct fileid *dir)
{
	pthread_mutex_lock(&spy.lock);
	spy.seq++;
	new_change_locked(cred, dir)->kind = CHANGE_DIR_ATTRS;
	pthread_mutex_unlock(&spy.lock);
}

static void note_attempt(const struct cred *cred, const struct fileid *dir,
	enum change_kind kind)
{
	pthread_mutex_lock(&spy.lock);
	spy.seq++;
	if (spy.nattempts == spy.attempts_room) {
		spy.attempts_room =
			spy.attempts_room ? 2 * spy.attempts_room : 1024;
		spy.attempts = must(realloc(spy.attempts,
			spy.attempts_room * sizeof(*spy.attempts)));
	}
	spy.attempts[spy.nattempts++] = (struct spy_attempt){
		.seq = spy.seq,
		.who = who_is(cred),
		.kind = kind,
		.dir = *dir,
	};
	pthread_mutex_unlock(&spy.lock);
}

uint64_t spy_seq(void)
{
	return spy.seq;
}

size_t spy_count(void)
{
	return spy.count;
}

struct spy_change *spy_at(size_t i)
{
	return &spy.changes[i];
}

size_t spy_attempts(void)
{
	return spy.nattempts;
}

const struct spy_attempt *spy_attempt_at(size_t i)
{
	return &spy.attempts[i];
}

/* A server that looks once more than it must may note something now. */
void spy_clear(void)
{
	pthread_mutex_lock(&spy.lock);
	spy.count = 0;
	spy.nattempts = 0;
	pthread_mutex_unlock(&spy.lock);
}

/* ---- the watched calls ---- */

static int create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	int err = spy.below->create(s, cred, dir, name, new, ret, change);

	if (err == 0)
		note(cred, dir, change, ret);
	return err;
}

static int link_(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change)
{
	int err = spy.below->link(s, cred, id, dir, name, change);

	if (err == 0)
		note(cred, dir, change, id);
	return err;
}

static int remove_(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	int err = spy.below->remove(s, cred, dir, name, change);

	if (err == 0)
		note(cred, dir, change, NULL);
	return err;
}

static int rename_(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	int err = spy.below->rename(s, cred, from_dir, from, to_dir, to,
		from_change, to_change, nothing);

	if (err < 0 || *nothing)
		return err;
	note(cred, from_dir, from_change, NULL);
	if (!fileid_equal(from_dir, to_dir))
		note(cred, to_dir, to_change, NULL);
	note_source(cred, to_dir, from);
	return err;
}

/* What others did, in the moment in which it is told. */
static void note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
	spy.below->note_outside(s, dir, change);
	pthread_mutex_lock(&spy.lock);
	spy.seq++;
	note_locked(&cred_server, dir, change);
	spy.changes[spy.count - 1].local = true;
	pthread_mutex_unlock(&spy.lock);
}

/* ---- the watched checks ---- */

static int check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	int err = spy.below->check_create(s, cred, dir, name, type);

	if (err == 0)
		note_attempt(cred, dir, CHANGE_ADD_ENTRY);
	return err;
}

static int check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	int err = spy.below->check_link(s, cred, id, dir, name);

	if (err == 0)
		note_attempt(cred, dir, CHANGE_ADD_ENTRY);
	return err;
}

static int check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	int err = spy.below->check_remove(
		s, cred, dir, name, victim, victim_attr);

	if (err)
		return err;
	note_attempt(cred, dir, CHANGE_REMOVE_ENTRY);
	doom(victim);
	return 0;
}

static int check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	int err = spy.below->check_rename(
		s, cred, from_dir, from, to_dir, to, plan);

	if (err || plan->same_object)
		return err;
	if (fileid_equal(from_dir, to_dir)) {
		note_attempt(cred, from_dir, CHANGE_RENAME_ENTRY);
	} else {
		note_attempt(cred, from_dir, CHANGE_REMOVE_ENTRY);
		note_attempt(cred, to_dir, CHANGE_ADD_ENTRY);
	}
	if (plan->has_victim)
		doom(&plan->victim);
	return 0;
}

static int check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	int err = spy.below->check_setattr(s, cred, id, io, set);

	if (err == 0)
		note_attempt(cred, id, CHANGE_DIR_ATTRS);
	return err;
}

/* ---- attributes ---- */

static int setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	struct attr attr = {.type = OBJECT_NONE};
	int err = spy.below->setattr(s, cred, id, io, set);

	/* The time of access alone is no change. */
	if (err == 0 && set->mask & ~(uint32_t)SETATTR_ATIME_NOW)
		spy.below->getattr(s, id, &attr);
	if (attr.type == OBJECT_DIR)
		note_set(cred, id);
	else
		touch(cred, id);
	return err;
}

static int write_(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done)
{
	int err = spy.below->write(
		s, cred, id, io, offset, buf, len, stability, done);

	touch(cred, id);
	return err;
}

void spy_install(struct store *s)
{
	if (s->ops == &spy.ops)
		return;
	if (!spy.has_objects && htab_init(&spy.objects, 1024) < 0)
		must(NULL);
	spy.has_objects = true;
	spy.below = s->ops;
	spy.ops = *s->ops;
	spy.ops.create = create;
	spy.ops.link = link_;
	spy.ops.remove = remove_;
	spy.ops.rename = rename_;
	spy.ops.check_create = check_create;
	spy.ops.check_link = check_link;
	spy.ops.check_remove = check_remove;
	spy.ops.check_rename = check_rename;
	spy.ops.check_setattr = check_setattr;
	spy.ops.note_outside = note_outside;
	spy.ops.setattr = setattr;
	spy.ops.write = write_;
	s->ops = &spy.ops;
}

void spy_fini(void)
{
	struct htab_link *at, *next;
	size_t cursor = 0;

	if (spy.has_objects) {
		at = htab_walk(&spy.objects, &cursor, NULL);
		while (at) {
			next = htab_walk(&spy.objects, &cursor, at);
			free(container_of(at, struct object, link));
			at = next;
		}
		htab_fini(&spy.objects);
	}
	free(spy.changes);
	free(spy.attempts);
}
