/* SPDX-License-Identifier: MIT */
/* How local changes are made: by system calls, or in the memory store. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "prop_actor.h"
#include "store/memory_foreign.h"

/* ---- by system calls ---- */

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

static int take_place(int fd, struct deed_place *ret)
{
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -ESTALE;
	}
	ret->fd = fd;
	ret->inode = st.st_ino;
	return 0;
}

static int host_enter(const struct local_job *job, int i,
	const struct deed_place *at, const char *name, struct deed_place *ret)
{
	return take_place(at ? openat(at->fd, name, DIR_FLAGS)
			     : open(job->path[i], DIR_FLAGS),
		ret);
}

static void host_leave(struct deed_place *at)
{
	close(at->fd);
}

static int seek_below(
	struct deed_place *at, uint64_t inode, struct deed_place *ret);

static int seek_entry(int fd, const struct dirent *entry, uint64_t inode,
	struct deed_place *ret)
{
	struct deed_place sub;
	int err;

	if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		strcmp(entry->d_name, "..") == 0)
		return -ENOENT;
	err = take_place(openat(fd, entry->d_name, DIR_FLAGS), &sub);
	return err ? err : seek_below(&sub, inode, ret);
}

/* @at, or what is below it. Takes @at. */
static int seek_below(
	struct deed_place *at, uint64_t inode, struct deed_place *ret)
{
	int fd, err = -ENOENT;
	struct dirent *entry;
	DIR *dir;

	if (at->inode == inode) {
		*ret = *at;
		return 0;
	}
	dir = fdopendir(at->fd);
	if (!dir) {
		host_leave(at);
		return -ENOMEM;
	}
	fd = dirfd(dir);
	while (err && (entry = readdir(dir)))
		err = seek_entry(fd, entry, inode, ret);
	closedir(dir);
	return err;
}

static int host_find(const struct local_job *job,
	const struct local_dir_id *dir, struct deed_place *ret)
{
	struct deed_place top;
	int err = -ENOENT;

	for (int i = 0; i < LOCAL_TOPS && err; i++) {
		if (host_enter(job, i, NULL, "", &top) == 0)
			err = seek_below(&top, dir->inode, ret);
	}
	return err;
}

static int host_create(const struct local_job *job, const struct deed_place *at,
	const char *name, enum object_type type)
{
	int fd;

	if (type == OBJECT_DIR)
		return result(mkdirat(at->fd, name, 0777));
	if (type == OBJECT_SYMLINK)
		return result(symlinkat("target", at->fd, name));
	fd = openat(
		at->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int host_link(const struct local_job *job, const struct deed_place *from,
	const char *name, const struct deed_place *to, const char *new_name)
{
	return result(linkat(from->fd, name, to->fd, new_name, 0));
}

static int host_remove(const struct local_job *job, const struct deed_place *at,
	const char *name, bool *was_dir)
{
	*was_dir = false;
	if (unlinkat(at->fd, name, 0) == 0)
		return 0;
	*was_dir = errno == EISDIR;
	return *was_dir ? result(unlinkat(at->fd, name, AT_REMOVEDIR)) : -errno;
}

static int host_rename(const struct local_job *job,
	const struct deed_place *from, const char *name,
	const struct deed_place *to, const char *new_name)
{
	return result(renameat(from->fd, name, to->fd, new_name));
}

/* O_PATH, so that what is changed is what was looked at. */
static int set_opened(int fd, const struct setattr *set, uint64_t *dir)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
		{.tv_sec = set->mtime_ns / NSEC_PER_SEC}};
	char path[64];
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -EINVAL;
	*dir = S_ISDIR(st.st_mode) ? st.st_ino : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (set->mask & SETATTR_MODE)
		r = chmod(path, set->mode);
	if (r == 0 && (set->mask & SETATTR_UID))
		r = chown(path, set->uid, (gid_t)-1);
	if (r == 0 && (set->mask & SETATTR_MTIME))
		r = utimensat(AT_FDCWD, path, times, 0);
	return result(r);
}

static int host_set(const struct local_job *job, const struct deed_place *at,
	const char *name, const struct setattr *set, uint64_t *dir)
{
	int fd, err;

	fd = openat(
		at->fd, *name ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = set_opened(fd, set, dir);
	close(fd);
	return err;
}

static int host_write(const struct local_job *job, const struct deed_place *at,
	const char *name, uint64_t offset)
{
	int fd = openat(at->fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = result((int)pwrite(fd, "l", 1, (off_t)offset));
	close(fd);
	return err;
}

/* A queue that overflows would have to be the kernel's. */
static void host_mute(const struct local_job *job)
{
}

const struct deeds deeds_host = {
	.enter = host_enter,
	.find = host_find,
	.leave = host_leave,
	.create = host_create,
	.link = host_link,
	.remove = host_remove,
	.rename = host_rename,
	.set = host_set,
	.write = host_write,
	.mute = host_mute,
	.lose = host_mute,
};

/* ---- in the memory store ---- */

static int read_inode(const struct local_job *job, const struct fileid *id,
	uint64_t *inode, bool *is_dir)
{
	struct attr attr;
	int err = store_getattr(job->store, id, &attr);

	if (err)
		return err;
	*inode = attr.inode;
	*is_dir = attr.type == OBJECT_DIR;
	return 0;
}

static int memory_enter(const struct local_job *job, int i,
	const struct deed_place *at, const char *name, struct deed_place *ret)
{
	bool is_dir = true;
	int err = 0;

	if (at)
		err = store_lookup(job->store, &cred_server, &at->id,
			name_from_str(name), &ret->id);
	else
		ret->id = job->top[i].id;
	if (!err)
		err = read_inode(job, &ret->id, &ret->inode, &is_dir);
	return err || is_dir ? err : -ENOTDIR;
}

static int memory_find(const struct local_job *job,
	const struct local_dir_id *dir, struct deed_place *ret)
{
	bool is_dir;

	ret->id = dir->id;
	return read_inode(job, &ret->id, &ret->inode, &is_dir);
}

static void memory_leave(struct deed_place *at)
{
}

static int memory_create(const struct local_job *job,
	const struct deed_place *at, const char *name, enum object_type type)
{
	const struct setattr set = {
		.mask = SETATTR_MODE, .mode = type == OBJECT_DIR ? 0777 : 0666};
	int err = memory_foreign_create(
		job->store, &at->id, name_from_str(name), type, NULL);

	if (err == 0 && type != OBJECT_SYMLINK)
		memory_foreign_setattr(
			job->store, &at->id, name_from_str(name), &set);
	return err;
}

static int memory_link(const struct local_job *job,
	const struct deed_place *from, const char *name,
	const struct deed_place *to, const char *new_name)
{
	struct fileid id;
	int err = store_lookup(
		job->store, &cred_server, &from->id, name_from_str(name), &id);

	return err ? err
		   : memory_foreign_link(
			     job->store, &id, &to->id, name_from_str(new_name));
}

static int memory_remove(const struct local_job *job,
	const struct deed_place *at, const char *name, bool *was_dir)
{
	*was_dir = true;
	return memory_foreign_remove(job->store, &at->id, name_from_str(name));
}

static int memory_rename(const struct local_job *job,
	const struct deed_place *from, const char *name,
	const struct deed_place *to, const char *new_name)
{
	return memory_foreign_rename(job->store, &from->id, name_from_str(name),
		&to->id, name_from_str(new_name));
}

static int memory_set(const struct local_job *job, const struct deed_place *at,
	const char *name, const struct setattr *set, uint64_t *dir)
{
	struct fileid id = at->id;
	bool is_dir;
	int err = 0;

	if (*name)
		err = store_lookup(job->store, &cred_server, &at->id,
			name_from_str(name), &id);
	if (!err)
		err = read_inode(job, &id, dir, &is_dir);
	if (err)
		return err;
	if (!is_dir)
		*dir = 0;
	return memory_foreign_setattr(
		job->store, &at->id, name_from_str(name), set);
}

static int memory_write(const struct local_job *job,
	const struct deed_place *at, const char *name, uint64_t offset)
{
	return memory_foreign_write(
		job->store, &at->id, name_from_str(name), offset, 'l');
}

static void memory_mute(const struct local_job *job)
{
	memory_foreign_mute(job->store, true);
}

static void memory_lose(const struct local_job *job)
{
	memory_foreign_mute(job->store, false);
	memory_foreign_lose(job->store);
}

const struct deeds deeds_memory = {
	.enter = memory_enter,
	.find = memory_find,
	.leave = memory_leave,
	.create = memory_create,
	.link = memory_link,
	.remove = memory_remove,
	.rename = memory_rename,
	.set = memory_set,
	.write = memory_write,
	.mute = memory_mute,
	.lose = memory_lose,
};
