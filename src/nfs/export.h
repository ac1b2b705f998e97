/* SPDX-License-Identifier: MIT */
/*
 * The exports: trees of files with their options, and the one name space they
 * make. A single export at "/" is the root itself; otherwise the root is a
 * read-only pseudo file system of the directories that lead to the exports'
 * pseudo paths (RFC 8881 7.3), an export of its own over the store of pseudo.h.
 *
 * Exports may show the same files, or a part of each other's: state hangs on
 * the file. Their pseudo paths may not lie below one another.
 */
#ifndef NFS_EXPORT_H
#define NFS_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "rpc/rpc.h"
#include "store/store.h"

/* More would make a listing of the pseudo root slow. */
#define EXPORTS_MAX 1024

/* A pseudo path, its terminating NUL included. */
#define EXPORT_PATH_MAX 1024

/* What exports(5) squashes to: nobody and nogroup. */
#define EXPORT_ANON_ID 65534

struct export
{
	/* What the configuration says. */
	const char *path;    /* pseudo path; exports_init() keeps a copy */
	struct store *store; /* borrowed; may be another export's too */
	bool read_only;
	bool root_squash;
	bool all_squash;
	bool local_changes; /* others on this server write here, too */
	uint32_t anon_uid;
	uint32_t anon_gid;

	/* What exports_init() makes of it. */
	uint32_t id; /* in filehandles: a function of the path alone */
	struct fileid root;
	struct rpc_gate gate; /* this export's share of permits */
	bool watched;         /* what others change is reported: nfs/local */
	bool is_pseudo;       /* the pseudo file system: needs no disk */
	struct fileid above;  /* the pseudo directory LOOKUPP leads to ... */
	uint64_t mounted_on;  /* ... and this root's number there; or none */
};

struct exports {
	struct export *list;
	size_t count;
	struct export pseudo; /* store NULL: list[0] is the root */
};

/* A read-write export at "/" without a store, root squashed. */
struct export export_default(void);

/*
 * What is wrong with a pseudo path, as the end of "PATH ..."; NULL: nothing.
 * It begins with "/", and has no empty, "." or ".." component and no "/" at
 * its end.
 */
const char *export_path_fault(const char *path);

/* Can exports at @a and @b not stand together (equal, or one in the other)? */
bool export_paths_clash(const char *a, const char *b);

/*
 * A copy of the @count exports at @config, with roots and ids filled in and
 * the pseudo file system over them. -EINVAL, and the reason is logged; -errno
 * of a store that does not tell its root; -ENOMEM. After a failure too,
 * exports_fini() may be called.
 */
int exports_init(struct exports *x, const struct export *config, size_t count,
	struct clock *clock);
void exports_fini(struct exports *x);

/* Where PUTROOTFH leads. */
struct export *exports_root(struct exports *x);

/* The export with this id, the pseudo file system included; else NULL. */
struct export *exports_find(struct exports *x, uint32_t id);

/*
 * An object that a name led to: when it is the place of an export in the
 * pseudo file system, @export and @id become that export and its root.
 */
void exports_cross(
	struct exports *x, struct export **export, struct fileid *id);

/*
 * The way up from @export's root: true, and @export and @id become the pseudo
 * directory that holds it. False: @id is not its root, or nothing is above.
 */
bool exports_climb(
	struct exports *x, struct export **export, struct fileid *id);

#endif
