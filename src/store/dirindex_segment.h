/* SPDX-License-Identifier: MIT */
/*
 * One segment of a dirindex tree: a sorted array of entries and the bytes of
 * their names. Internal to dirindex_tree.c, which keeps the sums and decides
 * when a segment is copied, split or dropped.
 */
#ifndef STORE_DIRINDEX_SEGMENT_H
#define STORE_DIRINDEX_SEGMENT_H

#include "store/dirindex_tree.h"

/*
 * A segment with more entries is split, unless they share one place. Larger
 * ones make a fill slower (4,096: three times), for every name is put in its
 * place by moving those behind it.
 */
#define DIRSEG_MAX 512

/* An empty segment, or one with copies of entries @from .. @to - 1 of @s. */
struct dirseg *dirseg_new(void);
struct dirseg *dirseg_copy(const struct dirseg *s, uint32_t from, uint32_t to);

/* Memory in use by a segment. */
size_t dirseg_bytes(const struct dirseg *s);

/* Index of the first entry whose place is @place or more. */
uint32_t dirseg_lower(const struct dirseg *s, uint64_t place);

/* One past the last entry that has the place of the entry at @at. */
uint32_t dirseg_run_end(const struct dirseg *s, uint32_t at);

/* Index of @name, or where it belongs; *@found says which. */
uint32_t dirseg_search(
	const struct dirseg *s, uint64_t place, struct name name, bool *found);

/* 0, -ENOMEM or -EOVERFLOW (more bytes of names than a segment can hold). */
int dirseg_insert(
	struct dirseg *s, uint32_t at, uint64_t place, struct name name);
void dirseg_remove(struct dirseg *s, uint32_t at);

static inline struct name dirseg_name(const struct dirseg *s, uint32_t at)
{
	const struct dirseg_entry *e = &s->entries[at];

	return (struct name){.len = e->name_len, .data = s->names + e->name_at};
}

#endif
