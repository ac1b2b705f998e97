/* SPDX-License-Identifier: MIT */
/*
 * The memory store's "other processes of the host", for tests: changes behind
 * the server's back, in no change section and without a note to the index,
 * reported to the observer as a host's kernel would. Not for the server.
 *
 * All return 0 or -errno as the change itself does, and ask nobody for
 * permission. Reports come on the calling thread before the function returns.
 */
#ifndef STORE_MEMORY_FOREIGN_H
#define STORE_MEMORY_FOREIGN_H

#include "store/memory.h"

/* A file of mode 0644, a directory of mode 0755, ... @ret may be NULL. */
int memory_foreign_create(struct store *s, const struct fileid *dir,
	struct name name, enum object_type type, struct fileid *ret);
int memory_foreign_link(struct store *s, const struct fileid *id,
	const struct fileid *dir, struct name name);
int memory_foreign_remove(
	struct store *s, const struct fileid *dir, struct name name);

/* Over @to, if it exists and that is possible. */
int memory_foreign_rename(struct store *s, const struct fileid *from_dir,
	struct name from, const struct fileid *to_dir, struct name to);

/*
 * Change the object that @dir has under @name, or @dir itself when that is
 * empty; write one byte to a file at @offset.
 */
int memory_foreign_setattr(struct store *s, const struct fileid *dir,
	struct name name, const struct setattr *set);
int memory_foreign_write(struct store *s, const struct fileid *dir,
	struct name name, uint64_t offset, uint8_t byte);

/* Reports were lost, as by a queue that overflowed. */
void memory_foreign_lose(struct store *s);

/* From now on what happens is not reported, until it is switched on again. */
void memory_foreign_mute(struct store *s, bool mute);

/* Stop watching the entries of @dir unless somebody still asks for it. */
void memory_foreign_evict(struct store *s, const struct fileid *dir);

/* At most @max objects are watched at a time (0: any number). */
void memory_foreign_limit(struct store *s, uint64_t max);

#endif
