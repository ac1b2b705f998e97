/* SPDX-License-Identifier: MIT */
/*
 * The changes of directories. Each is one system call of the caller's; then
 * the books: the descriptor cache, the listing index, the change for those who
 * are told of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/posix_impl.h"

#define MODE_SPECIAL_BITS (S_ISUID | S_ISGID | S_ISVTX)

/* What index and cookies say about a change; failing to say is no failure. */
static void note(
	struct posix *p, const struct fileid *dir, struct dir_change *change)
{
	dirindex_note(p->index, &p->source, dir, change);
}

/*
 * RFC 8275: the umask counts unless the directory has a default ACL; then the
 * kernel masks with the ACL (our own umask is 0).
 */
static uint32_t mode_to_create(int dirfd, const struct store_new *new)
{
	uint32_t mode = setattr_mode(&new->attr, store_default_mode(new->type));
	struct fd_path path = fd_path_of(dirfd);

	if (!(new->attr.mask &SETATTR_UMASK))
		return mode;
	if (getxattr(path.s, "system.posix_acl_default", NULL, 0) > 0)
		return mode;
	return mode & ~new->attr.umask;
}

static unsigned format_of(enum object_type type)
{
	switch (type) {
	case OBJECT_BLOCK:
		return S_IFBLK;
	case OBJECT_CHAR:
		return S_IFCHR;
	case OBJECT_SOCKET:
		return S_IFSOCK;
	default:
		return S_IFIFO;
	}
}

static int make_symlink(int dirfd, const char *name, struct name text)
{
	char target[POSIX_SYMLINK_MAX + 1];

	if (text.len == 0)
		return -EINVAL;
	if (text.len > POSIX_SYMLINK_MAX)
		return -ENAMETOOLONG;
	memcpy(target, text.data, text.len);
	target[text.len] = 0;
	return symlinkat(target, dirfd, name) ? -errno : 0;
}

static int make_other(
	int dirfd, const char *name, const struct store_new *new, uint32_t mode)
{
	dev_t dev = 0;

	if (new->type == OBJECT_SYMLINK)
		return make_symlink(dirfd, name, new->link_text);
	if (new->type == OBJECT_DIR)
		return mkdirat(dirfd, name, mode) ? -errno : 0;
	if (new->type == OBJECT_BLOCK || new->type == OBJECT_CHAR)
		dev = makedev(new->rdev_major, new->rdev_minor);
	mode |= format_of(new->type);
	return mknodat(dirfd, name, mode, dev) ? -errno : 0;
}

/* Does the name still lead to @made? As whoever the thread acts as. */
static bool is_made(int dirfd, struct name name, const struct statx *made)
{
	struct statx now;

	return posix_stat_name(dirfd, name, &now) == 0 &&
		posix_same_object(&now, made);
}

/*
 * Half made is not made. As its maker and only while it is there: others may
 * have put something of theirs in its place.
 */
static void unmake(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, int fd)
{
	struct cname c = cname_of(name);
	scope_caller err = caller_enter(p->can_switch, cred);
	struct statx made;

	if (!err && posix_stat(fd, &made) == 0 && is_made(dirfd, name, &made))
		unlinkat(dirfd, c.s, S_ISDIR(made.stx_mode) ? AT_REMOVEDIR : 0);
}

static int make_file(
	struct posix *p, int dirfd, const char *name, uint32_t mode)
{
	int flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC |
		O_NOCTTY | O_NONBLOCK;

	return posix_opened(p, openat(dirfd, name, flags, mode));
}

/*
 * What has just been made. If it cannot be had it is undone, as far as it can
 * be known again without: what others may have put there is not his, or not
 * of that type.
 */
static int open_made(
	struct posix *p, int dirfd, struct name name, enum object_type type)
{
	int fd = posix_open_name(p, dirfd, name);
	struct cname c = cname_of(name);
	struct statx st;

	if (fd == -EWOULDBLOCK) /* the cache gave some descriptors back */
		fd = posix_open_name(p, dirfd, name);
	if (fd >= 0 || posix_stat_name(dirfd, name, &st) != 0)
		return fd;
	if (posix_type_of(st.stx_mode) == type && st.stx_uid == caller_uid())
		unlinkat(dirfd, c.s, type == OBJECT_DIR ? AT_REMOVEDIR : 0);
	return fd;
}

/* Make it as the caller: a descriptor, O_RDWR for files, else O_PATH. */
static int make(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, const struct store_new *new, uint32_t mode)
{
	struct cname c = cname_of(name);
	scope_caller err = caller_enter(p->can_switch, cred);

	if (err)
		return err;
	if (new->type == OBJECT_FILE)
		return posix_dir_error(dirfd, make_file(p, dirfd, c.s, mode));
	err = make_other(dirfd, c.s, new, mode);
	if (err)
		return posix_dir_error(dirfd, err);
	return open_made(p, dirfd, name, new->type);
}

/* What creating did not do: bits mkdir() ignores, and owners that differ. */
static struct setattr rest_to_set(
	const struct store_new *new, uint32_t mode, const struct statx *st)
{
	struct setattr set = new->attr;

	set.mask &= ~(SETATTR_MODE | SETATTR_MODE_MASKED | SETATTR_UMASK |
		SETATTR_SIZE);
	if (set.uid == st->stx_uid)
		set.mask &= ~SETATTR_UID;
	if (set.gid == st->stx_gid)
		set.mask &= ~SETATTR_GID;
	if (new->type == OBJECT_DIR && (mode & (S_ISUID | S_ISGID))) {
		set.mask |= SETATTR_MODE;
		set.mode = (st->stx_mode & 07777) | (mode & MODE_SPECIAL_BITS);
	}
	return set;
}

static int set_initial(struct posix *p, const struct cred *cred, int fd,
	const struct store_new *new, uint32_t mode)
{
	struct setattr rest;
	struct statx st;
	int err = posix_stat(fd, &st);

	if (err)
		return err;
	if (new->type == OBJECT_FILE && (new->attr.mask &SETATTR_SIZE) &&
		new->attr.size > 0 && ftruncate(fd, new->attr.size) != 0)
		return -errno;
	rest = rest_to_set(new, mode, &st);
	err = posix_apply(p, cred, fd, &rest);
	if (!err && rest.mask &&
		new->type != OBJECT_FILE &&new->type != OBJECT_DIR)
		err = fh_sync_all(&p->cache, p->root_fd); /* nobody else will */
	return err;
}

/*
 * The verifier of an exclusive create is an extended attribute, not a pair of
 * times: nobody ever sees it, and the file's times are true.
 */
static int set_verifier(const struct posix *p, int fd, uint64_t verifier)
{
	return fsetxattr(fd, p->exclusive_xattr, &verifier, sizeof(verifier), 0)
		? -errno
		: 0;
}

/*
 * An attribute of users asks for the right to write, which the server may lack
 * and a new file of mode 0444 gives nobody: its owner has it for a moment. (A
 * set-group-ID bit that only creation may set is lost on the way.)
 */
static int set_verifier_as_owner(
	struct posix *p, const struct cred *cred, int fd, uint64_t verifier)
{
	scope_caller err = caller_enter(p->can_switch, cred);
	struct statx st;
	unsigned mode;

	if (!err)
		err = posix_stat(fd, &st);
	if (err)
		return err;
	mode = st.stx_mode & 07777;
	if (mode & S_IWUSR)
		return set_verifier(p, fd, verifier);
	if (fchmod(fd, mode | S_IWUSR) != 0)
		return -errno;
	err = set_verifier(p, fd, verifier);
	if (fchmod(fd, mode) != 0 && !err)
		err = -errno;
	return err;
}

static int remember_exclusive(struct posix *p, const struct cred *cred, int fd,
	const struct store_new *new)
{
	int err;

	if (!new->exclusive || new->type != OBJECT_FILE || !p->exclusive_xattr)
		return 0;
	err = set_verifier(p, fd, new->verifier);
	if (err == -EACCES)
		err = set_verifier_as_owner(p, cred, fd, new->verifier);
	return err;
}

int posix_exclusive_match(struct store *s, const struct fileid *id,
	uint64_t verifier, bool *match)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	uint64_t stored;
	int err = posix_path(p, id, &fh);

	if (err)
		return err;
	*match = false;
	if (p->exclusive_xattr) {
		struct fd_path path = fd_path_of(fh->fd);

		*match = getxattr(path.s, p->exclusive_xattr, &stored,
				 sizeof(stored)) == sizeof(stored) &&
			stored == verifier;
	}
	return 0;
}

/* The creating descriptor goes to the cache: it is what WRITE will ask for. */
static void keep(
	struct posix *p, const struct fileid *id, enum object_type type, int fd)
{
	enum fh_kind kind = type == OBJECT_FILE ? FH_WRITE : FH_PATH;
	struct fh *fh;

	if (fh_add(&p->cache, id, kind, fd, &fh) == 0)
		fh_put(fh);
}

static int create(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, const struct store_new *new, struct fileid *ret)
{
	uint32_t mode = mode_to_create(dirfd, new);
	int fd, err = posix_check_new_owner(p, cred, dirfd, &new->attr);

	if (err)
		return err;
	fd = make(p, cred, dirfd, name, new, mode);
	if (fd < 0)
		return fd;
	err = posix_id_of_fd(p, fd, ret);
	if (!err)
		err = remember_exclusive(p, cred, fd, new); /* he owns it yet */
	if (!err)
		err = set_initial(p, cred, fd, new, mode);
	if (err) {
		unmake(p, cred, dirfd, name, fd);
		close(fd);
		return err;
	}
	keep(p, ret, new->type, fd);
	return 0;
}

int posix_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	int err = posix_dir(p, dir, &fh);

	if ((new->attr.mask &SETATTR_SIZE) && new->type != OBJECT_FILE)
		return -EINVAL;
	if (!err)
		err = fh_reserve(&p->cache);
	if (err)
		return err;
	err = create(p, cred, fh->fd, name, new, ret);
	if (err) {
		fh_unreserve(&p->cache);
		return err;
	}
	change->kind = CHANGE_ADD_ENTRY;
	change->entry = (struct change_entry){.name = name, .child = *ret};
	note(p, dir, change);
	return 0;
}

/* linkat() by descriptor, as the caller; AT_EMPTY_PATH would need root. */
static int link_as(struct posix *p, const struct cred *cred, int fd, int dirfd,
	struct name name)
{
	struct fd_path path = fd_path_of(fd);
	struct cname c = cname_of(name);
	scope_caller err = caller_enter(p->can_switch, cred);

	if (err)
		return err;
	if (linkat(AT_FDCWD, path.s, dirfd, c.s, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	return posix_dir_error(dirfd, -errno);
}

int posix_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name,
	struct dir_change *change)
{
	struct posix *p = posix_of(s);
	scope_fh *source = NULL, *fh = NULL;
	int err = posix_linkable(p, id, &source);

	if (!err)
		err = posix_dir(p, dir, &fh);
	if (!err)
		err = link_as(p, cred, source->fd, fh->fd, name);
	if (err)
		return err;
	change->kind = CHANGE_ADD_ENTRY;
	change->entry = (struct change_entry){.name = name, .child = *id};
	note(p, dir, change);
	return 0;
}

/* An object about to lose a name, as it was found. */
struct loser {
	int fd; /* O_PATH, -1 = none */
	struct fileid id;
	bool dir;
};

static int loser_open(
	struct posix *p, int dirfd, struct name name, struct loser *l)
{
	struct statx st;
	int err;

	l->fd = posix_open_name(p, dirfd, name);
	if (l->fd < 0)
		return posix_dir_error(dirfd, l->fd);
	err = posix_id_of_fd(p, l->fd, &l->id);
	if (!err)
		err = posix_stat(l->fd, &st);
	if (err)
		return err;
	l->dir = S_ISDIR(st.stx_mode);
	return 0;
}

/*
 * Others may have put something else there since it was looked at: nobody was
 * asked about that.
 */
static int loser_check(const struct loser *l, const struct fileid *only)
{
	return l->fd < 0 || !only || fileid_equal(&l->id, only) ? 0
								: -EWOULDBLOCK;
}

static void loser_close(struct loser *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

#define scope_loser __attribute__((cleanup(loser_close))) struct loser

/* A name of it has gone: perhaps the object has, too. */
static void loser_settle(struct posix *p, struct loser *l)
{
	struct statx st;

	if (!l->dir && posix_stat(l->fd, &st) == 0 && st.stx_nlink > 0)
		return;
	if (l->dir)
		dirindex_forget(p->index, &l->id);
	fh_orphan(&p->cache, &l->id, l->fd);
	l->fd = -1;
}

/*
 * Some file systems say EEXIST where most say ENOTEMPTY (POSIX allows it). And
 * a directory that has become a file just now, or a file a directory, is none
 * of the caller's errors.
 */
static int remove_error(int dirfd, int err)
{
	if (err == -ENOTDIR || err == -EISDIR)
		return -EWOULDBLOCK;
	return err == -EEXIST ? -ENOTEMPTY : posix_dir_error(dirfd, err);
}

static int remove_as(struct posix *p, const struct cred *cred, int dirfd,
	struct name name, const struct fileid *only, struct loser *l)
{
	struct cname c = cname_of(name);
	scope_caller err = caller_enter(p->can_switch, cred);

	if (!err)
		err = loser_open(p, dirfd, name, l);
	if (!err)
		err = loser_check(l, only);
	if (err)
		return err;
	if (unlinkat(dirfd, c.s, l->dir ? AT_REMOVEDIR : 0) == 0)
		return 0;
	return remove_error(dirfd, -errno);
}

int posix_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change)
{
	struct posix *p = posix_of(s);
	scope_fh *fh = NULL;
	scope_loser loser = {.fd = -1};
	int err = posix_dir(p, dir, &fh);

	if (!err)
		err = remove_as(p, cred, fh->fd, name, change->victim, &loser);
	if (err)
		return err;
	change->kind = CHANGE_REMOVE_ENTRY;
	change->entry = (struct change_entry){.name = name, .child = loser.id};
	note(p, dir, change);
	loser_settle(p, &loser);
	return 0;
}

struct rename_op {
	struct posix *p;
	const struct fileid *from_id;
	const struct fileid *to_id;
	int from_dir;
	int to_dir;
	struct name from;
	struct name to;
	struct fileid source;
	const struct fileid *only; /* may lose its name; NULL: anything */
	struct loser victim;
	bool nothing;
};

static int rename_lookup(struct rename_op *r)
{
	scope_fd int fd = posix_open_name(r->p, r->from_dir, r->from);
	int err;

	if (fd < 0)
		return posix_dir_error(r->from_dir, fd);
	err = posix_id_of_fd(r->p, fd, &r->source);
	if (!err)
		err = loser_open(r->p, r->to_dir, r->to, &r->victim);
	if (err == -ENOENT)
		err = 0;
	if (err)
		return err;
	r->nothing =
		r->victim.fd >= 0 && fileid_equal(&r->source, &r->victim.id);
	return r->nothing ? 0 : loser_check(&r->victim, r->only);
}

static int rename_as(struct rename_op *r, const struct cred *cred)
{
	struct cname from = cname_of(r->from), to = cname_of(r->to);
	scope_caller err = caller_enter(r->p->can_switch, cred);

	if (!err)
		err = rename_lookup(r);
	if (err || r->nothing)
		return err;
	if (renameat(r->from_dir, from.s, r->to_dir, to.s) == 0)
		return 0;
	if (errno == EEXIST)
		return -ENOTEMPTY;
	err = posix_dir_error(r->from_dir, -errno);
	return posix_dir_error(r->to_dir, err);
}

/*
 * Others may have put something else in its place before it was moved: what is
 * there now is it, or what they put there since, which they report.
 */
static void rename_settle(struct rename_op *r)
{
	scope_fd int fd = -1;
	struct fileid id;

	if (!r->p->watcher)
		return;
	fd = posix_open_name(r->p, r->to_dir, r->to);
	if (fd >= 0 && posix_id_of_fd(r->p, fd, &id) == 0)
		r->source = id;
}

/* The new name, in the directory it came to. */
static void note_arrival(struct rename_op *r, struct dir_change *change)
{
	change->entry =
		(struct change_entry){.name = r->to, .child = r->source};
	if (r->victim.fd >= 0) {
		change->has_overwritten = true;
		change->overwritten = (struct change_entry){
			.name = r->to, .child = r->victim.id};
	}
	note(r->p, r->to_id, change);
}

static void note_rename(struct rename_op *r, struct dir_change *from_change,
	struct dir_change *to_change)
{
	if (fileid_equal(r->from_id, r->to_id)) {
		from_change->kind = CHANGE_RENAME_ENTRY;
		from_change->old = (struct change_entry){
			.name = r->from, .child = r->source};
		note_arrival(r, from_change);
		return;
	}
	from_change->kind = CHANGE_REMOVE_ENTRY;
	from_change->entry =
		(struct change_entry){.name = r->from, .child = r->source};
	note(r->p, r->from_id, from_change);
	to_change->kind = CHANGE_ADD_ENTRY;
	note_arrival(r, to_change);
}

int posix_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing)
{
	struct posix *p = posix_of(s);
	scope_fh *source = NULL, *target = NULL;
	struct rename_op r = {.p = p,
		.from_id = from_dir,
		.to_id = to_dir,
		.from = from,
		.to = to,
		.victim.fd = -1};
	int err = posix_dir(p, from_dir, &source);

	if (!err)
		err = posix_dir(p, to_dir, &target);
	if (err)
		return err;
	r.from_dir = source->fd;
	r.to_dir = target->fd;
	r.only = fileid_equal(from_dir, to_dir) ? from_change->victim
						: to_change->victim;
	err = rename_as(&r, cred);
	*nothing = r.nothing;
	if (!err && !r.nothing) {
		rename_settle(&r);
		note_rename(&r, from_change, to_change);
		if (r.victim.fd >= 0)
			loser_settle(p, &r.victim);
	}
	loser_close(&r.victim);
	return err;
}

int posix_sync_entry(
	struct store *s, const struct fileid *dir, const struct fileid *child)
{
	struct posix *p = posix_of(s);
	int err = child ? posix_sync_object(p, child) : 0;

	if (err && err != -ESTALE)
		return err;
	/* Removed meanwhile by somebody else: nothing left to keep. */
	err = posix_sync_object(p, dir);
	return err == -ESTALE ? 0 : err;
}
