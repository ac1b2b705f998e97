/* SPDX-License-Identifier: MIT */
#include "nfs/pseudo.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "nfs/export.h"

/* "HERALDps": no f_fsid is it but by a miracle. */
#define PSEUDO_FSID 0x484552414c447073

#define PSEUDO_MODE 0555

#define ID_SIZE 16

/* A directory, or the place of an export. */
struct place {
	struct fileid id;
	struct fileid parent; /* the root: its own */
	uint64_t number;      /* inode number, and READDIR's cookie */
	int export;           /* index; -1: a directory */
	uint32_t subdirs;
	struct name name; /* a copy; the root has none */
};

struct pseudo {
	struct store store;
	int64_t since_ns;
	size_t count;
	struct place *places; /* by number */
};

static struct pseudo *pseudo_of(struct store *s)
{
	return container_of(s, struct pseudo, store);
}

static struct place *find(struct store *s, const struct fileid *id)
{
	struct pseudo *p = pseudo_of(s);

	for (size_t i = 0; i < p->count; i++) {
		if (fileid_equal(&p->places[i].id, id))
			return &p->places[i];
	}
	return NULL;
}

static int find_dir(
	struct store *s, const struct fileid *id, struct place **ret)
{
	*ret = find(s, id);
	return *ret && (*ret)->export < 0 ? 0 : -ESTALE;
}

/* ---- what is asked of it ---- */

static void fill_attr(
	const struct pseudo *p, const struct place *place, struct attr *ret)
{
	*ret = (struct attr){
		.type = OBJECT_DIR,
		.mode = PSEUDO_MODE,
		.nlink = 2 + place->subdirs,
		.inode = place->number,
		.mounted_on_inode = place->number,
		.fsid = {.major = PSEUDO_FSID},
		.atime_ns = p->since_ns,
		.mtime_ns = p->since_ns,
		.ctime_ns = p->since_ns,
	};
}

static void pseudo_free(struct store *s)
{
	struct pseudo *p = pseudo_of(s);

	for (size_t i = 0; i < p->count; i++)
		free((char *)p->places[i].name.data);
	free(p->places);
	free(p);
}

static struct fileid id_of_path(const char *path, size_t len)
{
	struct fileid id = {.len = ID_SIZE};

	crypto_generichash(
		id.data, ID_SIZE, (const uint8_t *)path, len, NULL, 0);
	return id;
}

static int pseudo_root(struct store *s, struct fileid *ret)
{
	*ret = id_of_path("/", 1);
	return 0;
}

static int pseudo_probe(struct store *s, const struct fileid *id)
{
	struct place *dir;

	return find_dir(s, id, &dir);
}

static int pseudo_getattr(
	struct store *s, const struct fileid *id, struct attr *ret)
{
	struct place *dir;
	int err = find_dir(s, id, &dir);

	if (err == 0)
		fill_attr(pseudo_of(s), dir, ret);
	return err;
}

static int pseudo_statfs(
	struct store *s, const struct fileid *id, struct fsinfo *ret)
{
	*ret = (struct fsinfo){
		.files_total = pseudo_of(s)->count,
		.max_file_size = INT64_MAX,
		.max_name = NAME_LEN_MAX,
		.max_link = UINT32_MAX,
	};
	return pseudo_probe(s, id);
}

static int pseudo_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted)
{
	*granted = want & (STORE_MAY_READ | STORE_MAY_EXECUTE);
	return pseudo_probe(s, id);
}

static int pseudo_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr)
{
	struct pseudo *p = pseudo_of(s);
	int err = pseudo_probe(s, dir);

	if (err < 0)
		return err;
	for (size_t i = 0; i < p->count; i++) {
		const struct place *place = &p->places[i];

		if (!name_equal(place->name, name) ||
			!fileid_equal(&place->parent, dir))
			continue;
		*ret = place->id;
		if (ret_attr)
			fill_attr(p, place, ret_attr);
		return 0;
	}
	return -ENOENT;
}

static int pseudo_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *id, struct fileid *ret)
{
	struct place *dir;
	int err = find_dir(s, id, &dir);

	if (err == 0 && dir->name.len == 0)
		err = -ENOENT;
	if (err == 0)
		*ret = dir->parent;
	return err;
}

/* Cookies depend on nothing but the path: any listing may be gone on with. */
static int pseudo_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct pseudo *p = pseudo_of(s);
	int err = pseudo_probe(s, dir);

	if (err < 0)
		return err;
	*page = (struct store_page){.eof = true};
	for (size_t i = 0; i < p->count && page->eof; i++) {
		const struct place *place = &p->places[i];

		if (place->number > cookie && place->name.len &&
			fileid_equal(&place->parent, dir))
			page->eof = emit(ctx, place->name, place->number);
	}
	return 0;
}

static int pseudo_dir_verifier(
	struct store *s, const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	*ret = 0;
	*cookies = false; /* there are no changes */
	return pseudo_probe(s, dir);
}

static uint64_t pseudo_write_verifier(struct store *s)
{
	return 0;
}

/* ---- what directories are not asked ---- */

static int pseudo_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	return -EISDIR;
}

static int pseudo_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len)
{
	return -EINVAL;
}

static int pseudo_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match)
{
	return -EISDIR;
}

static int pseudo_read(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, void *buf, size_t len,
	size_t *done, bool *eof)
{
	return -EISDIR;
}

static int pseudo_commit(
	struct store *s, const struct fileid *id, uint64_t offset, uint64_t len)
{
	return -EISDIR;
}

static int pseudo_seek(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, bool hole,
	uint64_t *ret, bool *eof)
{
	return -EISDIR;
}

static int pseudo_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len)
{
	return -EOPNOTSUPP;
}

static int pseudo_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names)
{
	return -EOPNOTSUPP;
}

/* ---- what would change something ---- */

static int pseudo_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	return -EROFS;
}

static int pseudo_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	return -EROFS;
}

static int pseudo_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	return -EROFS;
}

static int pseudo_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	return -EROFS;
}

static int pseudo_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set)
{
	return -EROFS;
}

static int pseudo_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	return -EROFS;
}

static int pseudo_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change)
{
	return -EROFS;
}

static int pseudo_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	return -EROFS;
}

static int pseudo_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	return -EROFS;
}

static int pseudo_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	return -EROFS;
}

static int pseudo_write(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, const void *buf,
	size_t len, enum store_stability *stability, size_t *done)
{
	return -EROFS;
}

static int pseudo_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	return -EROFS;
}

static int pseudo_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode)
{
	return -EROFS;
}

static int pseudo_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode)
{
	return -EROFS;
}

static int pseudo_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name)
{
	return -EROFS;
}

static int pseudo_pin(struct store *s, const struct fileid *id)
{
	return -EROFS;
}

static void pseudo_unpin(struct store *s, const struct fileid *id)
{
}

/* Nobody changes it, from outside as little as from inside. */
static int pseudo_observe(
	struct store *s, const struct store_observer *observer)
{
	return 0;
}

static int pseudo_watch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
	return 0;
}

static void pseudo_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what)
{
}

static void pseudo_read_watch_stats(
	struct store *s, struct store_watch_stats *ret)
{
}

static void pseudo_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change)
{
}

static const struct store_ops pseudo_ops = {
	.free = pseudo_free,
	.root = pseudo_root,
	.probe = pseudo_probe,
	.getattr = pseudo_getattr,
	.statfs = pseudo_statfs,
	.access = pseudo_access,
	.open_check = pseudo_open_check,
	.lookup = pseudo_lookup,
	.lookup_parent = pseudo_lookup_parent,
	.readlink = pseudo_readlink,
	.readdir = pseudo_readdir,
	.dir_verifier = pseudo_dir_verifier,
	.check_create = pseudo_check_create,
	.check_link = pseudo_check_link,
	.check_remove = pseudo_check_remove,
	.check_rename = pseudo_check_rename,
	.check_setattr = pseudo_setattr,
	.check_xattr = pseudo_check_xattr,
	.create = pseudo_create,
	.link = pseudo_link,
	.remove = pseudo_remove,
	.rename = pseudo_rename,
	.sync_entry = pseudo_sync_entry,
	.exclusive_match = pseudo_exclusive_match,
	.setattr = pseudo_setattr,
	.read = pseudo_read,
	.write = pseudo_write,
	.commit = pseudo_commit,
	.write_verifier = pseudo_write_verifier,
	.seek = pseudo_seek,
	.allocate = pseudo_allocate,
	.deallocate = pseudo_allocate,
	.xattr_get = pseudo_xattr_get,
	.xattr_set = pseudo_xattr_set,
	.xattr_list = pseudo_xattr_list,
	.xattr_remove = pseudo_xattr_remove,
	.pin = pseudo_pin,
	.unpin = pseudo_unpin,
	.observe = pseudo_observe,
	.watch = pseudo_watch,
	.unwatch = pseudo_unwatch,
	.read_watch_stats = pseudo_read_watch_stats,
	.note_outside = pseudo_note_outside,
};

/* ---- how it is made ---- */

/* 62 bits of the id, above the cookies that mean something else. */
static uint64_t number_of(const struct fileid *id)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | id->data[i];
	return (number >> 2) + 3;
}

/* The place that the first @len bytes of @path lead to, whose name is last. */
static bool add_place(struct pseudo *p, const char *path, size_t len,
	struct name name, const struct fileid *parent)
{
	struct place *place = &p->places[p->count];

	*place = (struct place){
		.id = id_of_path(path, len), .parent = *parent, .export = -1};
	place->number = number_of(&place->id);
	if (name.len) {
		place->name = (struct name){name.len, malloc(name.len)};
		if (!place->name.data)
			return false;
		memcpy((char *)place->name.data, name.data, name.len);
		find(&p->store, parent)->subdirs++;
	}
	p->count++;
	return true;
}

/* The directories on the way, as far as they are missing, and its place. */
static bool add_path(struct pseudo *p, const char *path, int export)
{
	struct fileid dir = id_of_path("/", 1), id = dir;
	size_t len = 0;

	while (path[len]) {
		struct name name = {.data = path + len + 1};

		name.len = strcspn(name.data, "/");
		len += 1 + name.len;
		id = id_of_path(path, len);
		if (!find(&p->store, &id) &&
			!add_place(p, path, len, name, &dir))
			return false;
		dir = id;
	}
	find(&p->store, &id)->export = export;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static size_t count_components(const char *const *paths, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		for (const char *at = paths[i]; *at; at++)
			n += *at == '/';
	}
	return n;
}

static bool add_all(struct pseudo *p, const char *const *paths, size_t count)
{
	const struct fileid root = id_of_path("/", 1);

	if (!add_place(p, "/", 1, (struct name){.len = 0}, &root))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!add_path(p, paths[i], i))
			return false;
	}
	return true;
}

struct store *pseudo_new(
	const char *const *paths, size_t count, struct clock *clock)
{
	struct pseudo *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->store = (struct store){.ops = &pseudo_ops, .kind = "pseudo"};
	p->since_ns = clock_file_ns(clock);
	p->places =
		calloc(1 + count_components(paths, count), sizeof(*p->places));
	if (!p->places) {
		free(p);
		return NULL;
	}
	if (!add_all(p, paths, count)) {
		pseudo_free(&p->store);
		return NULL;
	}
	qsort(p->places, p->count, sizeof(*p->places), by_number);
	return &p->store;
}

int pseudo_export_at(struct store *s, const struct fileid *id)
{
	const struct place *place = find(s, id);

	return place ? place->export : -1;
}

void pseudo_place(
	struct store *s, size_t i, struct fileid *above, uint64_t *number)
{
	struct pseudo *p = pseudo_of(s);

	for (size_t k = 0; k < p->count; k++) {
		if (p->places[k].export != (int)i)
			continue;
		*above = p->places[k].parent;
		*number = p->places[k].number;
	}
}
