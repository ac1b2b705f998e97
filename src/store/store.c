/* SPDX-License-Identifier: MIT */
/*
 * The checked waist. Every wrapper has one shape: assert the arguments, let
 * the store answer into locals, count, and hand the locals over only when it
 * succeeded and they are sane. So no caller sees half an answer, whatever a
 * store does on its way to an error.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>

#include "store/store_calls.h"

#define ERRNO_MAX      4095
#define XATTR_NAME_MAX 250
#define OFFSET_MAX     ((uint64_t)INT64_MAX)
#define COOKIE_MIN     3

/* Count a call that returned @err, which must be 0 or -errno. */
static int counted(enum store_call call, int err)
{
	assert(err <= 0 && err >= -ERRNO_MAX);
	store_calls_note(call, err != 0);
	return err;
}

static void assert_fileid(const struct fileid *id)
{
	assert(id->len > 0 && id->len <= FILEID_MAX);
}

static bool name_is_dots(struct name name)
{
	return name.data[0] == '.' &&
		(name.len == 1 || (name.len == 2 && name.data[1] == '.'));
}

static void assert_name(struct name name)
{
	assert(name.len > 0 && name.len <= NAME_LEN_MAX);
	assert(!memchr(name.data, 0, name.len));
	assert(!memchr(name.data, '/', name.len));
	assert(!name_is_dots(name));
}

static void assert_xattr_name(struct name name)
{
	assert(name.len > 0 && name.len <= XATTR_NAME_MAX);
	assert(!memchr(name.data, 0, name.len));
}

static void assert_access(uint32_t bits)
{
	assert(!(bits &
		~(STORE_MAY_READ | STORE_MAY_WRITE | STORE_MAY_EXECUTE)));
}

static void assert_io(int io)
{
	assert(io == STORE_IO_CHECK || io == STORE_IO_OPENED);
}

static void assert_type(enum object_type type)
{
	assert(type >= OBJECT_FILE && type <= OBJECT_FIFO);
}

static void assert_attr(const struct attr *a)
{
	assert_type(a->type);
	assert(!(a->mode & ~07777u));
	assert(a->change == 0);
}

void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

int store_root(struct store *s, struct fileid *ret)
{
	struct fileid id = {0};
	int err = counted(STORE_CALL_ROOT, s->ops->root(s, &id));

	if (err)
		return err;
	assert_fileid(&id);
	*ret = id;
	return 0;
}

int store_probe(struct store *s, const struct fileid *id)
{
	assert_fileid(id);
	return counted(STORE_CALL_PROBE, s->ops->probe(s, id));
}

int store_getattr(struct store *s, const struct fileid *id, struct attr *ret)
{
	struct attr attr = {0};
	int err;

	assert_fileid(id);
	err = counted(STORE_CALL_GETATTR, s->ops->getattr(s, id, &attr));
	if (err)
		return err;
	assert_attr(&attr);
	*ret = attr;
	return 0;
}

int store_statfs(struct store *s, const struct fileid *id, struct fsinfo *ret)
{
	struct fsinfo info = {0};
	int err;

	assert_fileid(id);
	err = counted(STORE_CALL_STATFS, s->ops->statfs(s, id, &info));
	if (err)
		return err;
	assert(info.max_name > 0 && info.max_name <= NAME_LEN_MAX);
	*ret = info;
	return 0;
}

int store_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted)
{
	uint32_t bits = 0;
	int err;

	assert_fileid(id);
	assert_access(want);
	err = counted(
		STORE_CALL_ACCESS, s->ops->access(s, cred, id, want, &bits));
	if (err)
		return err;
	assert(!(bits & ~want));
	*granted = bits;
	return 0;
}

int store_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	assert_fileid(id);
	assert(!(access & ~(STORE_MAY_READ | STORE_MAY_WRITE)));
	return counted(
		STORE_CALL_OPEN_CHECK, s->ops->open_check(s, cred, id, access));
}

int store_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret)
{
	struct fileid id = {0};
	int err;

	assert_fileid(dir);
	assert_name(name);
	err = counted(STORE_CALL_LOOKUP,
		s->ops->lookup(s, cred, dir, name, &id, NULL));
	if (err)
		return err;
	assert_fileid(&id);
	*ret = id;
	return 0;
}

int store_lookup_attr(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr)
{
	struct fileid id = {0};
	struct attr attr = {0};
	int err;

	assert_fileid(dir);
	assert_name(name);
	err = counted(STORE_CALL_LOOKUP,
		s->ops->lookup(s, cred, dir, name, ret ? &id : NULL, &attr));
	if (err)
		return err;
	assert_attr(&attr);
	*ret_attr = attr;
	if (!ret)
		return 0;
	assert_fileid(&id);
	*ret = id;
	return 0;
}

int store_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret)
{
	struct fileid id = {0};
	int err;

	assert_fileid(dir);
	err = counted(STORE_CALL_LOOKUP_PARENT,
		s->ops->lookup_parent(s, cred, dir, &id));
	if (err)
		return err;
	assert_fileid(&id);
	*ret = id;
	return 0;
}

int store_path(
	struct store *s, const struct fileid *dir, char *buf, size_t size)
{
	assert_fileid(dir);
	return s->ops->path ? s->ops->path(s, dir, buf, size) : -EOPNOTSUPP;
}

int store_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len)
{
	size_t got = 0;
	int err;

	assert_fileid(id);
	err = counted(STORE_CALL_READLINK,
		s->ops->readlink(s, cred, id, buf, size, &got));
	if (err)
		return err;
	assert(got <= size);
	*len = got;
	return 0;
}

/* A listing on its way out: checks what the store emits. */
struct listing {
	store_emit emit;
	void *ctx;
	uint64_t cookie; /* of the last entry emitted */
	bool full;       /* the caller took no more */
};

static bool listing_emit(void *ctx, struct name name, uint64_t cookie)
{
	struct listing *l = ctx;

	assert_name(name);
	assert(!l->full);
	assert(cookie >= COOKIE_MIN && cookie <= OFFSET_MAX);
	assert(cookie > l->cookie);
	l->cookie = cookie;
	l->full = !l->emit(l->ctx, name, cookie);
	return !l->full;
}

int store_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct listing l = {.emit = emit, .ctx = ctx, .cookie = cookie};
	struct store_page got = {0};
	int err;

	assert_fileid(dir);
	err = counted(STORE_CALL_READDIR,
		s->ops->readdir(s, cred, dir, cookie, verifier, listing_emit,
			&l, &got));
	if (err)
		return err;
	assert(!(got.eof && l.full));
	*page = got;
	return 0;
}

int store_dir_verifier(
	struct store *s, const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	uint64_t verifier = 0;
	bool known = false;
	int err;

	assert_fileid(dir);
	err = counted(STORE_CALL_DIR_VERIFIER,
		s->ops->dir_verifier(s, dir, &verifier, &known));
	if (err)
		return err;
	*ret = verifier;
	*cookies = known;
	return 0;
}

int store_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	assert_fileid(dir);
	assert_name(name);
	assert_type(type);
	return counted(STORE_CALL_CHECK_CREATE,
		s->ops->check_create(s, cred, dir, name, type));
}

int store_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	assert_fileid(id);
	assert_fileid(dir);
	assert_name(name);
	return counted(STORE_CALL_CHECK_LINK,
		s->ops->check_link(s, cred, id, dir, name));
}

int store_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	struct fileid id = {0};
	struct attr attr = {0};
	int err;

	assert_fileid(dir);
	assert_name(name);
	err = counted(STORE_CALL_CHECK_REMOVE,
		s->ops->check_remove(s, cred, dir, name, &id, &attr));
	if (err)
		return err;
	assert_fileid(&id);
	assert_attr(&attr);
	*victim = id;
	*victim_attr = attr;
	return 0;
}

int store_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	struct store_rename_plan got = {0};
	int err;

	assert_fileid(from_dir);
	assert_fileid(to_dir);
	assert_name(from);
	assert_name(to);
	err = counted(STORE_CALL_CHECK_RENAME,
		s->ops->check_rename(
			s, cred, from_dir, from, to_dir, to, &got));
	if (err)
		return err;
	assert_fileid(&got.source);
	assert(!got.same_object || got.has_victim);
	if (got.has_victim)
		assert_fileid(&got.victim);
	*plan = got;
	return 0;
}

/* All a caller may say in a change it hands to a store. */
static void change_clear(struct dir_change *change)
{
	*change = (struct dir_change){
		.no_position = change->no_position, .victim = change->victim};
}

static void assert_change(const struct dir_change *c, enum change_kind kind)
{
	assert(c->kind == kind);
	assert_name(c->entry.name);
	assert_fileid(&c->entry.child);
	if (kind == CHANGE_RENAME_ENTRY)
		assert_name(c->old.name);
	if (c->has_overwritten)
		assert(name_equal(c->overwritten.name, c->entry.name));
	if (c->has_previous)
		assert(c->previous_cookie < c->entry.cookie);
	assert(c->verifier_moved == (c->old_verifier != c->new_verifier));
}

int store_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	struct fileid id = {0};
	int err;

	assert_fileid(dir);
	assert_name(name);
	assert_type(new->type);
	change_clear(change);
	if ((new->attr.mask &SETATTR_SIZE) && new->attr.size > OFFSET_MAX)
		return counted(STORE_CALL_CREATE, -EFBIG);
	err = counted(STORE_CALL_CREATE,
		s->ops->create(s, cred, dir, name, new, &id, change));
	if (err)
		return err;
	assert_fileid(&id);
	assert_change(change, CHANGE_ADD_ENTRY);
	*ret = id;
	return 0;
}

int store_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change)
{
	int err;

	assert_fileid(id);
	assert_fileid(dir);
	assert_name(name);
	change_clear(change);
	err = counted(
		STORE_CALL_LINK, s->ops->link(s, cred, id, dir, name, change));
	if (!err)
		assert_change(change, CHANGE_ADD_ENTRY);
	return err;
}

int store_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	int err;

	assert_fileid(dir);
	assert_name(name);
	change_clear(change);
	err = counted(
		STORE_CALL_REMOVE, s->ops->remove(s, cred, dir, name, change));
	if (!err)
		assert_change(change, CHANGE_REMOVE_ENTRY);
	return err;
}

int store_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	bool same_dir = fileid_equal(from_dir, to_dir);
	bool none = false;
	int err;

	assert_fileid(from_dir);
	assert_fileid(to_dir);
	assert_name(from);
	assert_name(to);
	change_clear(from_change);
	if (!same_dir)
		change_clear(to_change);
	err = counted(STORE_CALL_RENAME,
		s->ops->rename(s, cred, from_dir, from, to_dir, to, from_change,
			to_change, &none));
	if (err)
		return err;
	*nothing = none;
	if (none)
		return 0;
	assert_change(from_change,
		same_dir ? CHANGE_RENAME_ENTRY : CHANGE_REMOVE_ENTRY);
	if (!same_dir)
		assert_change(to_change, CHANGE_ADD_ENTRY);
	return 0;
}

int store_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	assert_fileid(dir);
	if (child)
		assert_fileid(child);
	return counted(
		STORE_CALL_SYNC_ENTRY, s->ops->sync_entry(s, dir, child));
}

int store_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match)
{
	bool same = false;
	int err;

	assert_fileid(id);
	err = counted(STORE_CALL_EXCLUSIVE_MATCH,
		s->ops->exclusive_match(s, id, verifier, &same));
	if (!err)
		*match = same;
	return err;
}

/* -EFBIG for a size no file can have. */
static int setattr_arguments(
	const struct fileid *id, int io, const struct setattr *set)
{
	assert_fileid(id);
	assert_io(io);
	assert(!(set->mask & SETATTR_UMASK));
	return (set->mask & SETATTR_SIZE) && set->size > OFFSET_MAX ? -EFBIG
								    : 0;
}

int store_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	int err = setattr_arguments(id, io, set);

	if (!err)
		err = s->ops->check_setattr(s, cred, id, io, set);
	return counted(STORE_CALL_CHECK_SETATTR, err);
}

int store_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	int err = setattr_arguments(id, io, set);

	if (!err)
		err = s->ops->setattr(s, cred, id, io, set);
	return counted(STORE_CALL_SETATTR, err);
}

int store_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof)
{
	size_t got = 0;
	bool end = false;
	int err;

	assert_fileid(id);
	assert_io(io);
	if (offset > OFFSET_MAX)
		offset = OFFSET_MAX;
	if (len > OFFSET_MAX - offset)
		len = OFFSET_MAX - offset;
	err = counted(STORE_CALL_READ,
		s->ops->read(s, cred, id, io, offset, buf, len, &got, &end));
	if (err)
		return err;
	assert(got <= len);
	*done = got;
	*eof = end || (got == 0 && len > 0);
	return 0;
}

int store_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done)
{
	enum store_stability given = *stability;
	size_t put = 0;
	int err;

	assert_fileid(id);
	assert_io(io);
	if (offset > OFFSET_MAX || len > OFFSET_MAX - offset)
		return counted(STORE_CALL_WRITE, -EFBIG);
	err = counted(STORE_CALL_WRITE,
		s->ops->write(s, cred, id, io, offset, buf, len, &given, &put));
	if (err)
		return err;
	assert(put <= len);
	assert(given >= *stability && given <= STORE_FILE_SYNC);
	*stability = given;
	*done = put;
	return 0;
}

int store_commit(
	struct store *s, const struct fileid *id, uint64_t offset, uint64_t len)
{
	assert_fileid(id);
	if (offset > OFFSET_MAX)
		offset = OFFSET_MAX;
	if (len > OFFSET_MAX - offset)
		len = 0;
	return counted(STORE_CALL_COMMIT, s->ops->commit(s, id, offset, len));
}

uint64_t store_write_verifier(struct store *s)
{
	return s->ops->write_verifier(s);
}

int store_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof)
{
	uint64_t at = 0;
	bool end = false;
	int err;

	assert_fileid(id);
	assert_io(io);
	if (offset > OFFSET_MAX)
		return counted(STORE_CALL_SEEK, -ENXIO);
	err = counted(STORE_CALL_SEEK,
		s->ops->seek(s, cred, id, io, offset, hole, &at, &end));
	if (err)
		return err;
	assert(at >= offset);
	*ret = at;
	*eof = end;
	return 0;
}

static int check_range(uint64_t offset, uint64_t len)
{
	if (len == 0 || offset > OFFSET_MAX)
		return -EINVAL;
	return len > OFFSET_MAX - offset ? -EFBIG : 0;
}

int store_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	int err = check_range(offset, len);

	assert_fileid(id);
	assert_io(io);
	if (!err)
		err = s->ops->allocate(s, cred, id, io, offset, len);
	return counted(STORE_CALL_ALLOCATE, err);
}

int store_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	int err = check_range(offset, len);

	assert_fileid(id);
	assert_io(io);
	if (!err)
		err = s->ops->deallocate(s, cred, id, io, offset, len);
	return counted(STORE_CALL_DEALLOCATE, err);
}

int store_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len)
{
	size_t size = *len;
	int err;

	assert_fileid(id);
	assert_xattr_name(name);
	err = counted(STORE_CALL_XATTR_GET,
		s->ops->xattr_get(s, cred, id, name, buf, &size));
	if (err)
		return err;
	assert(size <= *len);
	*len = size;
	return 0;
}

int store_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode)
{
	assert_fileid(id);
	assert_xattr_name(name);
	return counted(STORE_CALL_XATTR_SET,
		s->ops->xattr_set(s, cred, id, name, value, len, mode));
}

int store_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names)
{
	struct store_xattr_names got = *names;
	int err;

	assert_fileid(id);
	got.used = 0;
	err = counted(
		STORE_CALL_XATTR_LIST, s->ops->xattr_list(s, cred, id, &got));
	if (err)
		return err;
	assert(got.used <= got.size);
	assert(got.used == 0 || got.data[got.used - 1] == 0);
	names->used = got.used;
	return 0;
}

int store_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name)
{
	assert_fileid(id);
	assert_xattr_name(name);
	return counted(STORE_CALL_XATTR_REMOVE,
		s->ops->xattr_remove(s, cred, id, name));
}

int store_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode)
{
	assert_fileid(id);
	assert_xattr_name(name);
	return counted(STORE_CALL_CHECK_XATTR,
		s->ops->check_xattr(s, cred, id, name, mode));
}

int store_pin(struct store *s, const struct fileid *id)
{
	assert_fileid(id);
	return counted(STORE_CALL_PIN, s->ops->pin(s, id));
}

void store_unpin(struct store *s, const struct fileid *id)
{
	assert_fileid(id);
	s->ops->unpin(s, id);
}

void store_count_orphans(struct store *s, uint32_t *count, uint32_t *max)
{
	*count = 0;
	*max = UINT32_MAX;
	if (s->ops->count_orphans)
		s->ops->count_orphans(s, count, max);
}

int store_observe(struct store *s, const struct store_observer *observer)
{
	assert(!observer || observer->outside);
	return counted(STORE_CALL_OBSERVE, s->ops->observe(s, observer));
}

int store_watch(struct store *s, const struct fileid *id, enum store_watch what)
{
	assert_fileid(id);
	assert(what < STORE_WATCHES);
	return counted(STORE_CALL_WATCH, s->ops->watch(s, id, what));
}

void store_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	assert_fileid(id);
	assert(what < STORE_WATCHES);
	s->ops->unwatch(s, id, what);
}

void store_read_watch_stats(struct store *s, struct store_watch_stats *ret)
{
	*ret = (struct store_watch_stats){0};
	s->ops->read_watch_stats(s, ret);
}

void store_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
	assert_fileid(dir);
	assert_name(change->entry.name);
	s->ops->note_outside(s, dir, change);
}
