/* SPDX-License-Identifier: MIT */
#include "store/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/rand.h"
#include "store/memory_impl.h"

static void mem_free(struct store *s)
{
	struct memory *m = memory_of(s);
	struct htab_link *at;
	size_t cursor = 0;

	while ((at = htab_walk(&m->nodes, &cursor, NULL))) {
		mem_node_free(m, container_of(at, struct mem_node, link));
		cursor--; /* the bucket may hold more */
	}
	htab_fini(&m->nodes);
	cond_fini(&m->reported);
	lock_fini(&m->lock);
	free(m);
}

static int mem_root(struct store *s, struct fileid *ret)
{
	struct memory *m = memory_of(s);

	*ret = mem_fileid(m, m->root); /* never changes */
	return 0;
}

static int mem_probe(struct store *s, const struct fileid *id)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;

	scope_lock(&m->lock);
	return mem_find(m, id, &n);
}

static int mem_getattr(
	struct store *s, const struct fileid *id, struct attr *ret)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (!err)
		mem_attr(m, n, ret);
	return err;
}

static int mem_statfs(
	struct store *s, const struct fileid *id, struct fsinfo *ret)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (err)
		return err;
	*ret = (struct fsinfo){
		.space_total = MEM_PAGES_MAX * MEM_PAGE,
		.space_free = (MEM_PAGES_MAX - m->pages) * MEM_PAGE,
		.space_avail = (MEM_PAGES_MAX - m->pages) * MEM_PAGE,
		.files_total = MEM_FILES_MAX,
		.files_free = MEM_FILES_MAX - m->nodes.count,
		.files_avail = MEM_FILES_MAX - m->nodes.count,
		.max_file_size = MEM_SIZE_MAX,
		.max_name = NAME_LEN_MAX,
		.max_link = MEM_LINKS_MAX,
		.has_xattrs = true,
	};
	return 0;
}

static int mem_access(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t want, uint32_t *granted)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (err)
		return err;
	for (uint32_t bit = STORE_MAY_READ; bit <= STORE_MAY_EXECUTE; bit *= 2)
		if ((want & bit) && mem_may(cred, n, bit))
			*granted |= bit;
	return 0;
}

/* Why this is not a file that can be opened. */
static int not_a_file(enum object_type type)
{
	if (type == OBJECT_DIR)
		return -EISDIR;
	return type == OBJECT_SYMLINK ? -ELOOP : -ENXIO;
}

static int mem_open_check(struct store *s, const struct cred *cred,
	const struct fileid *id, uint32_t access)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (err)
		return err;
	if (n->attr.type != OBJECT_FILE)
		return not_a_file(n->attr.type);
	if (mem_may(cred, n, access))
		return 0;
	if (access == STORE_MAY_READ && mem_may(cred, n, STORE_MAY_EXECUTE))
		return 0;
	return -EACCES;
}

static int mem_readlink(struct store *s, const struct cred *cred,
	const struct fileid *id, char *buf, size_t size, size_t *len)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (err)
		return err;
	if (n->attr.type != OBJECT_SYMLINK)
		return -EINVAL;
	if (n->attr.size > size)
		return -ENAMETOOLONG;
	memcpy(buf, n->link_text, n->attr.size);
	*len = n->attr.size;
	return 0;
}

static int check_dir(struct memory *m, const struct cred *cred,
	const struct fileid *dir, uint32_t want)
{
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find_dir(m, dir, &n);
	if (!err && !mem_may(cred, n, want))
		err = -EACCES;
	return err;
}

static int mem_readdir(struct store *s, const struct cred *cred,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct memory *m = memory_of(s);
	int err = check_dir(m, cred, dir, STORE_MAY_READ);

	if (err)
		return err;
	return dirindex_list(
		m->index, &m->source, dir, cookie, verifier, emit, ctx, page);
}

static int mem_dir_verifier(
	struct store *s, const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	struct memory *m = memory_of(s);
	int err = check_dir(m, &cred_server, dir, STORE_MAY_READ);

	if (err)
		return err;
	return dirindex_verifier(m->index, &m->source, dir, ret, cookies);
}

static int mem_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	return 0; /* what is done here is durable: no child need be there */
}

static int mem_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (!err)
		*match = n->exclusive && n->verifier == verifier;
	return err;
}

static uint64_t mem_write_verifier(struct store *s)
{
	return memory_of(s)->write_verifier;
}

static int mem_pin(struct store *s, const struct fileid *id)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (!err)
		n->pins++;
	return err;
}

static void mem_unpin(struct store *s, const struct fileid *id)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	assert(!err && n->pins > 0);
	n->pins--;
	mem_node_release(m, n);
}

static const struct store_ops memory_ops = {
	.free = mem_free,
	.root = mem_root,
	.probe = mem_probe,
	.getattr = mem_getattr,
	.statfs = mem_statfs,
	.access = mem_access,
	.open_check = mem_open_check,
	.lookup = mem_lookup,
	.lookup_parent = mem_lookup_parent,
	.path = mem_path,
	.readlink = mem_readlink,
	.readdir = mem_readdir,
	.dir_verifier = mem_dir_verifier,
	.check_create = mem_check_create,
	.check_link = mem_check_link,
	.check_remove = mem_check_remove,
	.check_rename = mem_check_rename,
	.create = mem_create,
	.link = mem_link,
	.remove = mem_remove,
	.rename = mem_rename,
	.sync_entry = mem_sync_entry,
	.exclusive_match = mem_exclusive_match,
	.check_setattr = mem_check_setattr,
	.check_xattr = mem_check_xattr,
	.setattr = mem_setattr,
	.read = mem_read,
	.write = mem_write,
	.commit = mem_commit,
	.write_verifier = mem_write_verifier,
	.seek = mem_seek,
	.allocate = mem_allocate,
	.deallocate = mem_deallocate,
	.xattr_get = mem_xattr_get,
	.xattr_set = mem_xattr_set,
	.xattr_list = mem_xattr_list,
	.xattr_remove = mem_xattr_remove,
	.pin = mem_pin,
	.unpin = mem_unpin,
	.observe = mem_observe,
	.watch = mem_watch,
	.unwatch = mem_unwatch,
	.read_watch_stats = mem_read_watch_stats,
	.note_outside = mem_note_outside,
};

static int make_root(struct memory *m)
{
	m->root = mem_node_new(m, OBJECT_DIR);
	if (!m->root)
		return -ENOMEM;
	m->root->attr.mode = 01777;
	m->root->attr.nlink = 2;
	return 0;
}

struct store *memory_new(struct clock *clock, struct dirindex *index)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	if (htab_init(&m->nodes, 64)) {
		free(m);
		return NULL;
	}
	m->store = (struct store){.ops = &memory_ops, .kind = "memory"};
	m->clock = clock;
	m->index = index;
	m->source = (struct dirindex_source){
		.scan = mem_scan, .ctime = mem_dir_ctime, .store = m};
	m->id = rand_u64();
	m->write_verifier = rand_u64();
	m->next_inode = 2;
	lock_init(&m->lock, LOCK_STORE);
	cond_init(&m->reported);
	if (make_root(m)) {
		mem_free(&m->store);
		return NULL;
	}
	return &m->store;
}

void memory_set_index(struct store *s, struct dirindex *index)
{
	assert(s->ops->free == mem_free);
	memory_of(s)->index = index;
}
