/* SPDX-License-Identifier: MIT */
/*
 * Dry checks: what the kernel would say to a change of entries, found out
 * without making it. Whatever has a question to ask the kernel asks it (as the
 * caller); the sticky bit, append-only and immutable flags and the hard link
 * guard have none and are decided here by the kernel's rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_impl.h"

/* A name looked up as the caller; fd -1 when there is none. */
struct entry {
	int fd;
	struct statx st;
	struct fileid id;
};

static void entry_close(struct entry *e)
{
	if (e->fd >= 0)
		close(e->fd);
}

#define scope_entry __attribute__((cleanup(entry_close))) struct entry

static bool is_dir(const struct statx *st)
{
	return (st->stx_mode & S_IFMT) == S_IFDIR;
}

static bool has_flag(const struct statx *st, uint64_t flag)
{
	return (st->stx_attributes & st->stx_attributes_mask & flag) != 0;
}

/* -ENOENT when the name is not there. */
static int entry_open(
	struct posix *p, int dirfd, struct name name, struct entry *e)
{
	int err;

	e->fd = posix_open_name(p, dirfd, name);
	if (e->fd < 0)
		return posix_dir_error(dirfd, e->fd);
	err = posix_stat(e->fd, &e->st);
	return err ? err : posix_id_of_fd(p, e->fd, &e->id);
}

/* May the thread add or remove entries here at all? */
static int check_dir_writable(int dirfd)
{
	struct statx st;
	int err = posix_may(dirfd, W_OK | X_OK);

	if (err)
		return err;
	err = posix_stat(dirfd, &st);
	return !err && st.stx_nlink == 0 ? -ESTALE : err;
}

/* may_create() of the kernel, after the lookup. */
static int check_new_name(struct posix *p, int dirfd, struct name name)
{
	int err = posix_check_free(p, dirfd, name);

	return err ? err : check_dir_writable(dirfd);
}

int posix_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_dir(p, dir, &fh);

	if (err)
		return err;
	scope_caller entered = caller_enter(p->can_switch, cred);
	err = entered ? entered : check_new_name(p, fh->fd, name);
	if (!err && (type == OBJECT_BLOCK || type == OBJECT_CHAR) &&
		!caller_is_privileged(p->can_switch, cred))
		err = -EPERM;
	return err;
}

/* may_linkat(): fs.protected_hardlinks. */
static int check_link_guard(
	const struct posix *p, const struct cred *cred, const struct entry *e)
{
	unsigned mode = e->st.stx_mode;

	if (!p->guards_links || caller_is_privileged(p->can_switch, cred) ||
		e->st.stx_uid == caller_uid())
		return 0;
	if (!S_ISREG(mode) || (mode & S_ISUID) ||
		(mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return posix_may(e->fd, R_OK | W_OK) ? -EPERM : 0;
}

int posix_linkable(struct posix *p, const struct fileid *id, struct fh **ret)
{
	unsigned format;
	int err = posix_path(p, id, ret);

	if (!err)
		err = fh_format(*ret, &format);
	return !err && format == S_IFDIR ? -EISDIR : err;
}

static int check_link_source(
	const struct posix *p, const struct cred *cred, const struct entry *e)
{
	if (e->st.stx_nlink == 0)
		return -ENOENT;
	if (has_flag(&e->st, STATX_ATTR_IMMUTABLE) ||
		has_flag(&e->st, STATX_ATTR_APPEND))
		return -EPERM;
	return check_link_guard(p, cred, e);
}

int posix_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name)
{
	struct posix *p = posix_of(s);
	scope_fh *source = NULL, *fh = NULL;
	struct entry e;
	int err = posix_linkable(p, id, &source);

	if (!err)
		err = posix_dir(p, dir, &fh);
	if (err)
		return err;
	e = (struct entry){.fd = source->fd};
	err = posix_stat(e.fd, &e.st);
	if (err)
		return err;
	scope_caller entered = caller_enter(p->can_switch, cred);
	err = entered ? entered : check_new_name(p, fh->fd, name);
	return err ? err : check_link_source(p, cred, &e);
}

/* The sticky bit: in /tmp, only one's own. */
static int check_sticky(const struct posix *p, const struct cred *cred,
	const struct statx *dir, const struct statx *victim)
{
	uint32_t uid = caller_uid();

	if (!(dir->stx_mode & S_ISVTX) || victim->stx_uid == uid ||
		dir->stx_uid == uid ||
		caller_is_privileged(p->can_switch, cred))
		return 0;
	return -EPERM;
}

/* may_delete() of the kernel: may this entry go? */
static int check_entry_removable(const struct posix *p, const struct cred *cred,
	int dirfd, const struct entry *e)
{
	struct statx dir;
	int err = check_dir_writable(dirfd);

	if (!err)
		err = posix_stat(dirfd, &dir);
	if (err)
		return err;
	if (has_flag(&dir, STATX_ATTR_APPEND) ||
		has_flag(&e->st, STATX_ATTR_APPEND) ||
		has_flag(&e->st, STATX_ATTR_IMMUTABLE))
		return -EPERM;
	return check_sticky(p, cred, &dir, &e->st);
}

static int stop_at_name(void *fill, struct name name)
{
	return -ENOTEMPTY;
}

int posix_check_empty(struct posix *p, int dirfd)
{
	scope_fd int fd = posix_open_listing(p, dirfd);

	return fd < 0 ? fd : posix_scan_fd(fd, stop_at_name, NULL);
}

/* Looked up and checked as the caller; emptiness is the server's to see. */
static int check_remove_as(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, struct entry *e)
{
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err)
		err = entry_open(p, dirfd, name, e);
	if (!err)
		err = check_entry_removable(p, cred, dirfd, e);
	return err;
}

int posix_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	scope_entry e = {.fd = -1};
	int err = posix_dir(p, dir, &fh);

	if (!err)
		err = check_remove_as(p, cred, fh->fd, name, &e);
	if (!err && is_dir(&e.st))
		err = posix_check_empty(p, e.fd);
	if (err)
		return err;
	*victim = e.id;
	posix_fill_attr(p, e.fd, &e.st, victim_attr);
	return 0;
}

struct rename_check {
	struct posix *p;
	const struct cred *cred;
	int from_dir;
	int to_dir;
	bool same_dir;
	struct entry source;
	struct entry victim; /* fd -1: the new name is free */
};

/*
 * A directory must not move below itself, nor onto one that it is in: the
 * kernel looks at these before it looks at permissions and types.
 */
static int check_loops(const struct rename_check *r)
{
	int err = 0;

	if (r->same_dir)
		return 0;
	if (is_dir(&r->source.st))
		err = posix_check_way_up(r->p, r->to_dir, &r->source.st);
	if (err || r->victim.fd < 0 || !is_dir(&r->victim.st))
		return err;
	err = posix_check_way_up(r->p, r->from_dir, &r->victim.st);
	return err == -EINVAL ? -ENOTEMPTY : err;
}

static int check_rename_types(const struct rename_check *r)
{
	if (is_dir(&r->source.st) && !is_dir(&r->victim.st))
		return -ENOTDIR;
	if (!is_dir(&r->source.st) && is_dir(&r->victim.st))
		return -EISDIR;
	return 0;
}

static int check_rename_target(const struct rename_check *r)
{
	int err;

	if (r->victim.fd < 0)
		return check_dir_writable(r->to_dir);
	err = check_entry_removable(r->p, r->cred, r->to_dir, &r->victim);
	return err ? err : check_rename_types(r);
}

static int rename_lookup(
	struct rename_check *r, struct name from, struct name to)
{
	scope_caller err = caller_enter(r->p->can_switch, r->cred);

	if (!err)
		err = entry_open(r->p, r->from_dir, from, &r->source);
	if (err)
		return err;
	err = entry_open(r->p, r->to_dir, to, &r->victim);
	if (err == -ENOENT)
		err = posix_check_free(r->p, r->to_dir, to);
	return err == -EEXIST ? -EBUSY : err; /* what is mounted there stays */
}

static bool rename_is_nothing(const struct rename_check *r)
{
	return r->victim.fd >= 0 && fileid_equal(&r->source.id, &r->victim.id);
}

/* vfs_rename() of the kernel. */
static int check_rename_as(const struct rename_check *r)
{
	scope_caller err = caller_enter(r->p->can_switch, r->cred);

	if (!err)
		err = check_entry_removable(
			r->p, r->cred, r->from_dir, &r->source);
	if (!err)
		err = check_rename_target(r);
	/* `..` of a directory that moves is written. */
	if (!err && is_dir(&r->source.st) && !r->same_dir)
		err = posix_may(r->source.fd, W_OK);
	return err;
}

static int check_rename_possible(const struct rename_check *r)
{
	int err = check_loops(r);

	if (!err)
		err = check_rename_as(r);
	if (!err && r->victim.fd >= 0 && is_dir(&r->victim.st))
		err = posix_check_empty(r->p, r->victim.fd);
	return err;
}

static void fill_plan(
	const struct rename_check *r, struct store_rename_plan *plan)
{
	*plan = (struct store_rename_plan){
		.source = r->source.id,
		.source_type = posix_type_of(r->source.st.stx_mode),
		.has_victim = r->victim.fd >= 0,
	};
	if (!plan->has_victim)
		return;
	plan->same_object = rename_is_nothing(r);
	plan->victim = r->victim.id;
	plan->victim_type = posix_type_of(r->victim.st.stx_mode);
	plan->victim_last_link =
		is_dir(&r->victim.st) || r->victim.st.stx_nlink == 1;
}

static int check_rename(struct rename_check *r, struct name from,
	struct name to, struct store_rename_plan *plan)
{
	int err = rename_lookup(r, from, to);

	if (!err && !rename_is_nothing(r))
		err = check_rename_possible(r);
	if (!err)
		fill_plan(r, plan);
	entry_close(&r->source);
	entry_close(&r->victim);
	return err;
}

int posix_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan)
{
	struct posix *p = posix_of(s);
	scope_fh *source = NULL, *target = NULL;
	struct rename_check r = {.p = p,
		.cred = cred,
		.source.fd = -1,
		.victim.fd = -1,
		.same_dir = fileid_equal(from_dir, to_dir)};
	int err = posix_dir(p, from_dir, &source);

	if (!err)
		err = posix_dir(p, to_dir, &target);
	if (err)
		return err;
	r.from_dir = source->fd;
	r.to_dir = target->fd;
	return check_rename(&r, from, to, plan);
}
