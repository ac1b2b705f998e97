/* SPDX-License-Identifier: MIT */
#include "store/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/posix_impl.h"

/* How long the reader of outside changes lets them gather. */
#define WATCH_GATHER_MS 5

static void posix_free(struct store *s)
{
	struct posix *p = posix_of(s);

	posix_watch_fini(p);
	fh_cache_fini(&p->cache);
	posix_pins_free(p->own_pins);
	if (p->root_fd >= 0)
		close(p->root_fd);
	if (p->tree_fd >= 0)
		close(p->tree_fd);
	if (p->outer_fd >= 0)
		close(p->outer_fd);
	free(p);
}

static int posix_root(struct store *s, struct fileid *ret)
{
	*ret = posix_of(s)->root;
	return 0;
}

static int posix_probe(struct store *s, const struct fileid *id)
{
	struct attr attr;

	return posix_getattr(s, id, &attr);
}

/* Links to one file at most; the kernel has no call that says. */
static uint32_t max_link_of(const struct statfs *fs)
{
	switch (fs->f_type) {
	case 0xef53: /* ext4 */
		return 65000;
	case 0x9123683e: /* btrfs */
		return 65535;
	case 0x58465342: /* xfs */
	case 0x01021994: /* tmpfs */
		return INT32_MAX;
	default:
		return 127; /* what POSIX systems may be expected to do */
	}
}

int posix_statfs(struct store *s, const struct fileid *id, struct fsinfo *ret)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	struct statfs fs;
	int err = posix_path(p, id, &fh);

	if (err)
		return err;
	if (fstatfs(fh->fd, &fs) != 0)
		return -errno;
	*ret = (struct fsinfo){
		.space_total = (uint64_t)fs.f_blocks * fs.f_frsize,
		.space_free = (uint64_t)fs.f_bfree * fs.f_frsize,
		.space_avail = (uint64_t)fs.f_bavail * fs.f_frsize,
		.files_total = fs.f_files,
		.files_free = fs.f_ffree,
		.files_avail = fs.f_ffree,
		.max_file_size = p->max_file_size,
		.max_name = fs.f_namelen > 0 && fs.f_namelen < NAME_LEN_MAX
			? fs.f_namelen
			: NAME_LEN_MAX,
		.max_link = max_link_of(&fs),
		.has_xattrs = p->has_xattrs,
	};
	return 0;
}

/* An object pinned after its last name went is kept at once. */
static int pin_nameless(struct posix *p, const struct fileid *id, int fd)
{
	struct statx st;
	int err = posix_stat(fd, &st);
	int held;

	if (err || st.stx_nlink > 0)
		return err;
	held = posix_opened(p, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (held < 0)
		return held;
	fh_orphan(&p->cache, id, held);
	return 0;
}

int posix_pin(struct store *s, const struct fileid *id)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_path(p, id, &fh);

	if (!err)
		err = fh_pin(&p->cache, id);
	if (err)
		return err;
	err = pin_nameless(p, id, fh->fd);
	if (err)
		fh_unpin(&p->cache, id);
	return err;
}

void posix_unpin(struct store *s, const struct fileid *id)
{
	fh_unpin(&posix_of(s)->cache, id);
}

static void posix_count_orphans(struct store *s, uint32_t *count, uint32_t *max)
{
	fh_count_orphans(&posix_of(s)->cache, count, max);
}

static const struct store_ops posix_ops = {
	.free = posix_free,
	.root = posix_root,
	.probe = posix_probe,
	.getattr = posix_getattr,
	.statfs = posix_statfs,
	.access = posix_access,
	.open_check = posix_open_check,
	.lookup = posix_lookup,
	.lookup_parent = posix_lookup_parent,
	.path = posix_dir_path,
	.readlink = posix_readlink,
	.readdir = posix_readdir,
	.dir_verifier = posix_dir_verifier,
	.check_create = posix_check_create,
	.check_link = posix_check_link,
	.check_remove = posix_check_remove,
	.check_rename = posix_check_rename,
	.create = posix_create,
	.link = posix_link,
	.remove = posix_remove,
	.rename = posix_rename,
	.sync_entry = posix_sync_entry,
	.exclusive_match = posix_exclusive_match,
	.check_setattr = posix_check_setattr,
	.check_xattr = posix_check_xattr,
	.setattr = posix_setattr,
	.read = posix_read,
	.write = posix_write,
	.commit = posix_commit,
	.write_verifier = posix_write_verifier,
	.seek = posix_seek,
	.allocate = posix_allocate,
	.deallocate = posix_deallocate,
	.xattr_get = posix_xattr_get,
	.xattr_set = posix_xattr_set,
	.xattr_list = posix_xattr_list,
	.xattr_remove = posix_xattr_remove,
	.pin = posix_pin,
	.unpin = posix_unpin,
	.count_orphans = posix_count_orphans,
	.observe = posix_observe,
	.watch = posix_watch,
	.unwatch = posix_unwatch,
	.read_watch_stats = posix_read_watch_stats,
	.note_outside = posix_note_outside,
};

void posix_trim(struct store *s, uint64_t idle_ms)
{
	fh_trim(&posix_of(s)->cache, idle_ms);
}

static int init_cache(
	struct posix *p, const struct posix_options *options, unsigned max_fds)
{
	struct posix_pins *pins = options->pins;
	int err;

	if (!pins)
		pins = p->own_pins = posix_pins_new();
	if (!pins)
		return -ENOMEM;
	err = fh_cache_init(&p->cache, options->clock, pins, max_fds);
	if (err < 0)
		posix_pins_free(p->own_pins);
	return err;
}

struct store *posix_new(
	const struct posix_options *options, char *why, size_t why_size)
{
	struct posix *p = calloc(1, sizeof(*p));
	unsigned max_fds = options->max_fds;

	if (max_fds < FH_CACHE_MIN)
		max_fds = FH_CACHE_MIN;
	if (max_fds > FH_CACHE_MAX)
		max_fds = FH_CACHE_MAX;
	if (!p || init_cache(p, options, max_fds) != 0) {
		snprintf(why, why_size, "out of memory");
		free(p);
		return NULL;
	}
	p->store = (struct store){.ops = &posix_ops, .kind = "posix"};
	p->clock = options->clock;
	p->index = options->index;
	p->source = (struct dirindex_source){
		.scan = posix_scan, .ctime = posix_dir_ctime, .store = p};
	p->watch = options->watch;
	if (!p->watch.gather_ms)
		p->watch.gather_ms = WATCH_GATHER_MS;
	p->tree_fd = -1;
	p->outer_fd = -1;
	p->root_fd = -1;
	umask(0); /* modes are the clients' */
	if (posix_start(p, options, why, why_size) != 0) {
		posix_free(&p->store);
		return NULL;
	}
	return &p->store;
}
