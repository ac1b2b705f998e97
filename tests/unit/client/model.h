/* SPDX-License-Identifier: MIT */
/*
 * Short ways to write listings and notifications, and a model that writes down
 * what it tells: "+a" CREATE, "-a" DELETE, "a>b" MOVE, "a>b!" MOVE over an
 * entry, "+a!" CREATE over one, "~a" attributes.
 */
#ifndef TESTS_UNIT_CLIENT_MODEL_H
#define TESTS_UNIT_CLIENT_MODEL_H

#include <stdio.h>
#include <string.h>

#include "client/dircache.h"
#include "proto/nfs4.h"

struct told {
	char text[4096];
	size_t len;
};

static inline void told_write(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	bool over = replaced && event != DIRCACHE_ATTRS;
	static const char signs[] = {'+', '-', '>', '~'};
	struct told *t = ctx;
	int n;

	if (event == DIRCACHE_MOVE)
		n = snprintf(t->text + t->len, sizeof(t->text) - t->len,
			"%s%.*s>%.*s%s", t->len ? " " : "", (int)from.len,
			from.data, (int)entry->name.len, entry->name.data,
			over ? "!" : "");
	else
		n = snprintf(t->text + t->len, sizeof(t->text) - t->len,
			"%s%c%.*s%s", t->len ? " " : "", signs[event],
			(int)entry->name.len, entry->name.data,
			over ? "!" : "");
	t->len += (size_t)n;
	if (t->len >= sizeof(t->text))
		t->len = 0; /* start over rather than run over */
}

/* An entry with a fileid (0: not told). */
static inline struct dircache_entry entry_of(const char *name, uint64_t id)
{
	struct dircache_entry e = {.name = name_from_str(name)};

	if (id) {
		bitmap4_set(&e.mask, FATTR4_FILEID);
		e.attr.inode = id;
	}
	return e;
}

static inline struct dircache_change add_of(const char *name, uint64_t id)
{
	return (struct dircache_change){
		.kind = CHANGE_ADD_ENTRY, .entry = entry_of(name, id)};
}

static inline struct dircache_change remove_of(const char *name)
{
	return (struct dircache_change){
		.kind = CHANGE_REMOVE_ENTRY, .entry = entry_of(name, 0)};
}

static inline struct dircache_change rename_of(const char *old, const char *to)
{
	return (struct dircache_change){.kind = CHANGE_RENAME_ENTRY,
		.old = entry_of(old, 0),
		.entry = entry_of(to, 0)};
}

static inline struct dircache_change over(
	struct dircache_change change, const char *name)
{
	change.has_overwritten = true;
	change.overwritten = entry_of(name, 0);
	return change;
}

#endif
