/* SPDX-License-Identifier: MIT */
/*
 * Inside the memory store: objects, directories, pages, and the helpers its
 * files share. One lock (LOCK_STORE) guards everything; functions here are
 * called with it held unless they say otherwise. It is never held across a
 * call into the directory index.
 */
#ifndef STORE_MEMORY_IMPL_H
#define STORE_MEMORY_IMPL_H

#include "base/htab.h"
#include "base/list.h"
#include "base/lock.h"
#include "store/memory.h"

#define MEM_PAGE      4096u
#define MEM_PAGES_MAX (4ULL << 20) /* 16 GiB */
#define MEM_FILES_MAX (16ULL << 20)
#define MEM_LINKS_MAX 65000u
#define MEM_SIZE_MAX  ((uint64_t)INT64_MAX)
#define MEM_XATTR_MAX 65536u

/* The bytes of a file: the pages that are not holes, in ascending order. */
struct mem_page {
	uint64_t index;
	uint8_t *data; /* NULL: reserved, reads as zeros */
};

struct mem_pages {
	struct mem_page *at;
	size_t count, capacity;
};

struct mem_xattr {
	struct list link;
	void *value;
	size_t len;
	uint32_t name_len;
	char name[];
};

struct mem_node {
	struct htab_link link; /* in memory.nodes, by inode number */
	struct attr attr;      /* space_used is worked out when asked */
	unsigned pins;
	unsigned watched[STORE_WATCHES];
	bool was_watched; /* STORE_WATCH_ENTRIES, and goes on for ever */
	struct list xattrs;
	bool exclusive; /* made by an exclusive create with `verifier` */
	uint64_t verifier;

	/* directories */
	struct mem_node *parent; /* NULL: the root, or removed */
	uint32_t subdirs;
	struct htab entries;

	/* symlinks; attr.size bytes */
	char *link_text;

	/* files */
	struct mem_pages pages;
};

struct mem_entry {
	struct htab_link link;
	struct mem_node *child;
	uint32_t name_len;
	char name[];
};

struct memory {
	struct store store;
	struct clock *clock;
	struct dirindex *index;
	struct dirindex_source source;
	uint64_t id; /* random: in every fileid, and the fsid */
	uint64_t write_verifier;
	struct lock lock; /* guards what follows, and every node */
	struct htab nodes;
	struct mem_node *root;
	uint64_t next_inode;
	uint64_t pages;                 /* of all files */
	struct store_observer observer; /* `outside` NULL: nobody */
	struct store_watch_stats watches;
	unsigned reporting; /* reports that are running now */
	struct cond reported;
	bool mute; /* tests: reports get lost */
};

static inline struct memory *memory_of(struct store *s)
{
	return container_of(s, struct memory, store);
}

/* memory_node.c */

struct fileid mem_fileid(const struct memory *m, const struct mem_node *n);

/* The object, or -ESTALE; the directory, or also -ENOTDIR. */
int mem_find(struct memory *m, const struct fileid *id, struct mem_node **ret);
int mem_find_dir(
	struct memory *m, const struct fileid *id, struct mem_node **ret);

/* A new object without a name, of @type; NULL: no memory. */
struct mem_node *mem_node_new(struct memory *m, enum object_type type);

/* Free it if it has neither name nor pin. */
void mem_node_release(struct memory *m, struct mem_node *n);
void mem_node_free(struct memory *m, struct mem_node *n);

struct mem_entry *mem_entry_find(const struct mem_node *dir, struct name name);

/* -ENOMEM. Entry and link count of the child; times of both. */
int mem_entry_add(struct memory *m, struct mem_node *dir, struct name name,
	struct mem_node *child);
void mem_entry_remove(
	struct memory *m, struct mem_node *dir, struct mem_entry *e);

/* A directory whose old entry was removed after its new one was added. */
void mem_dir_moved(struct mem_node *dir, struct mem_node *parent);

/* The names of a directory for the index; takes the lock itself. */
int mem_scan(void *store, const struct fileid *dir, dirindex_add_name add,
	void *fill);
int mem_dir_ctime(void *store, const struct fileid *dir, int64_t *ctime_ns);

int64_t mem_now(const struct memory *m);
void mem_attr(
	const struct memory *m, const struct mem_node *n, struct attr *ret);

/* memory_attr.c */

bool mem_is_owner(const struct cred *cred, const struct mem_node *n);

/* Has @cred all of the STORE_MAY_* bits in @want? */
bool mem_may(const struct cred *cred, const struct mem_node *n, uint32_t want);

/* What of a new object's attributes @cred may not have: 0 or -EPERM. */
int mem_init_attr(struct memory *m, const struct cred *cred,
	const struct mem_node *dir, struct mem_node *n,
	const struct setattr *set);

/* A write by @cred clears what a changed program must not keep. */
void mem_clear_suid(const struct cred *cred, struct mem_node *n);

int mem_check_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);
int mem_setattr(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, const struct setattr *set);

/* memory_io.c */

void mem_pages_free(struct memory *m, struct mem_pages *p);
void mem_resize(struct memory *m, struct mem_node *n, uint64_t size);

int mem_read(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, void *buf, size_t len, size_t *done,
	bool *eof);
int mem_write(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, const void *buf, size_t len,
	enum store_stability *stability, size_t *done);
int mem_commit(struct store *s, const struct fileid *id, uint64_t offset,
	uint64_t len);
int mem_seek(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, bool hole, uint64_t *ret, bool *eof);
int mem_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);
int mem_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len);

/* memory_name.c */

int mem_lookup(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *ret,
	struct attr *ret_attr);
int mem_path(struct store *s, const struct fileid *dir, char *buf, size_t size);
int mem_lookup_parent(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct fileid *ret);
int mem_check_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, enum object_type type);
int mem_check_link(struct store *s, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name);
int mem_check_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct fileid *victim,
	struct attr *victim_attr);
int mem_create(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret, struct dir_change *change);
int mem_link(struct store *s, const struct cred *cred, const struct fileid *id,
	const struct fileid *dir, struct name name, struct dir_change *change);
int mem_remove(struct store *s, const struct cred *cred,
	const struct fileid *dir, struct name name, struct dir_change *change);

/* The changes themselves: the lock is taken inside, the index not told. */
int mem_create_entry(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct store_new *new,
	struct fileid *ret);
int mem_link_entry(struct memory *m, const struct cred *cred,
	const struct fileid *id, const struct fileid *dir, struct name name);
int mem_remove_entry(struct memory *m, const struct cred *cred,
	const struct fileid *dir, struct name name, const struct fileid *only,
	struct fileid *victim, bool *was_dir);

/*
 * @entry may lose its name, as far as dir_change.victim says so: @only. There
 * may be neither. 0 or -EWOULDBLOCK.
 */
int mem_check_victim(const struct memory *m, const struct mem_entry *entry,
	const struct fileid *only);

/* @child may be taken out of @dir by @cred: 0, -EACCES or -EPERM. */
int mem_may_remove(const struct cred *cred, const struct mem_node *dir,
	const struct mem_node *child);

/* Is @n a directory with an entry? */
bool mem_is_full(const struct mem_node *n);

/* Tell the index of a change. The lock is not held. */
void mem_note(
	struct memory *m, const struct fileid *dir, struct dir_change *change);

/* The same, when @change is @kind of the entry @name, which leads to @child. */
void mem_note_entry(struct memory *m, const struct fileid *dir,
	enum change_kind kind, struct name name, const struct fileid *child,
	struct dir_change *change);

/* memory_rename.c */

/* What was done, for the changes to tell. */
struct mem_renamed {
	const struct fileid *only; /* in: dir_change.victim */
	struct fileid source;
	struct fileid victim; /* len 0: none */
	bool source_is_dir, victim_was_dir;
	bool nothing;
};

/* The rename itself: the lock is taken inside, the index not told. */
int mem_rename_entry(struct memory *m, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to, struct mem_renamed *done);

int mem_check_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct store_rename_plan *plan);
int mem_rename(struct store *s, const struct cred *cred,
	const struct fileid *from_dir, struct name from,
	const struct fileid *to_dir, struct name to,
	struct dir_change *from_change, struct dir_change *to_change,
	bool *nothing);

/* memory_outside.c */

int mem_observe(struct store *s, const struct store_observer *observer);
int mem_watch(struct store *s, const struct fileid *id, enum store_watch what);
void mem_unwatch(
	struct store *s, const struct fileid *id, enum store_watch what);
void mem_read_watch_stats(struct store *s, struct store_watch_stats *ret);
void mem_note_outside(
	struct store *s, const struct fileid *dir, struct dir_change *change);

/* The object goes, and who watched it. */
void mem_forget_watches(struct memory *m, struct mem_node *n);

/* Tell the observer. The lock is not held. */
void mem_report(struct memory *m, const struct outside *o);

/*
 * Is a change of the object's data or attributes, made by its name in @dir (of
 * a directory: by any), seen by anybody? The lock is not held.
 */
bool mem_sees_object(
	struct memory *m, const struct fileid *dir, const struct fileid *id);

/* memory_xattr.c */

void mem_xattrs_free(struct mem_node *n);
int mem_xattr_get(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, void *buf, size_t *len);
int mem_check_xattr(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, enum store_xattr_mode mode);
int mem_xattr_set(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name, const void *value,
	size_t len, enum store_xattr_mode mode);
int mem_xattr_list(struct store *s, const struct cred *cred,
	const struct fileid *id, struct store_xattr_names *names);
int mem_xattr_remove(struct store *s, const struct cred *cred,
	const struct fileid *id, struct name name);

#endif
