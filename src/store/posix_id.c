/* SPDX-License-Identifier: MIT */
/*
 * Fileids: 8 bytes that name the file system (posix_start.c says which), one
 * byte of handle type, then the kernel's handle, as name_to_handle_at() makes
 * it and fanotify reports it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/posix_impl.h"

#define ID_HEADER  9
#define HANDLE_MAX (FILEID_MAX - ID_HEADER)

union kernel_handle {
	struct file_handle head;
	uint8_t room[sizeof(struct file_handle) + HANDLE_MAX];
};

struct fd_path fd_path_of(int fd)
{
	struct fd_path path;

	snprintf(path.s, sizeof(path.s), "/proc/self/fd/%d", fd);
	return path;
}

int posix_id_of_handle(
	const struct posix *p, const struct file_handle *h, struct fileid *ret)
{
	if (h->handle_type < 0 || h->handle_type > UINT8_MAX ||
		h->handle_bytes > HANDLE_MAX)
		return -EOVERFLOW;
	ret->len = ID_HEADER + h->handle_bytes;
	memcpy(ret->data, &p->fsid, 8);
	ret->data[8] = h->handle_type;
	memcpy(ret->data + ID_HEADER, h->f_handle, h->handle_bytes);
	return 0;
}

int posix_id_of_fd(const struct posix *p, int fd, struct fileid *ret)
{
	union kernel_handle h = {.head = {.handle_bytes = HANDLE_MAX}};
	int mount;

	if (name_to_handle_at(fd, "", &h.head, &mount, AT_EMPTY_PATH) != 0)
		return -errno;
	return posix_id_of_handle(p, &h.head, ret);
}

static int handle_of_id(
	const struct posix *p, const struct fileid *id, union kernel_handle *h)
{
	if (id->len <= ID_HEADER || id->len > FILEID_MAX ||
		memcmp(id->data, &p->fsid, 8) != 0)
		return -ESTALE;
	h->head.handle_bytes = id->len - ID_HEADER;
	h->head.handle_type = id->data[8];
	memcpy(h->head.f_handle, id->data + ID_HEADER, id->len - ID_HEADER);
	return 0;
}

int posix_opened(struct posix *p, int fd)
{
	if (fd >= 0)
		return fd;
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	fh_shrink(&p->cache);
	return -EWOULDBLOCK;
}

/*
 * ENOMEM is also what Linux says of a number whose file is gone while another
 * one is being made under it (iget_locked()): soon it is ESTALE.
 */
#define BEING_MADE_TRIES 100

static int open_handle(int root_fd, union kernel_handle *h)
{
	int fd = -1;

	for (int i = 0; i < BEING_MADE_TRIES; i++) {
		fd = open_by_handle_at(root_fd, &h->head, O_PATH | O_CLOEXEC);
		if (fd >= 0 || errno != ENOMEM)
			break;
		sched_yield();
	}
	return fd;
}

int posix_id_open(struct posix *p, const struct fileid *id)
{
	union kernel_handle h;
	int fd = handle_of_id(p, id, &h);

	if (fd)
		return fd;
	caller_be_server(p->can_switch);
	fd = posix_opened(p, open_handle(p->root_fd, &h));
	return fd == -EINVAL ? -ESTALE : fd;
}

int posix_path(struct posix *p, const struct fileid *id, struct fh **ret)
{
	int fd, err;

	*ret = fh_find(&p->cache, id, FH_PATH);
	if (*ret)
		return 0;
	err = fh_reserve(&p->cache);
	if (err)
		return err;
	fd = posix_id_open(p, id);
	if (fd < 0) {
		fh_unreserve(&p->cache);
		return fd;
	}
	return fh_add(&p->cache, id, FH_PATH, fd, ret);
}

int posix_dir(struct posix *p, const struct fileid *id, struct fh **ret)
{
	unsigned format;
	int err = posix_path(p, id, ret);

	if (!err)
		err = fh_format(*ret, &format);
	if (!err && format != S_IFDIR)
		err = -ENOTDIR;
	return err;
}

int posix_reopen(struct posix *p, int fd, int flags)
{
	struct fd_path path = fd_path_of(fd);

	flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	return posix_opened(p, open(path.s, flags));
}
