/* SPDX-License-Identifier: MIT */
/*
 * The pseudo file system (RFC 8881 7.3): a store of the directories that lead
 * to exports, and nothing else. Everybody may list and search it, nobody may
 * change it, and it asks no disk. Fileids and numbers are functions of the
 * paths alone: they survive a restart, and any change of the other exports.
 *
 * The last component of each path is the place of an export: it is listed and
 * found by name, with the attributes of a directory here, but it is no
 * directory to work in (-ESTALE): whoever finds it crosses into the export.
 */
#ifndef NFS_PSEUDO_H
#define NFS_PSEUDO_H

#include <stddef.h>

#include "base/clock.h"
#include "store/store.h"

/*
 * A store over @count pseudo paths, which are sound and do not clash
 * (export.h). Its directories have changed now. NULL when out of memory.
 */
struct store *pseudo_new(
	const char *const *paths, size_t count, struct clock *clock);

/* Which of the paths ends at @id? Its index, or -1. */
int pseudo_export_at(struct store *s, const struct fileid *id);

/* Where path @i ends: the directory that holds it, and its own number. */
void pseudo_place(
	struct store *s, size_t i, struct fileid *above, uint64_t *number);

#endif
