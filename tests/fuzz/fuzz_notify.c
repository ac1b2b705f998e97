/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: what a server notifies our client of. One byte first: how the
 * model is. Then come the arguments of one CB_NOTIFY, applied to a model of a
 * few names; what is told must add up to the model.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/htab.h"
#include "client/dirattr.h"
#include "client/dirnotify.h"
#include "wire/nfs4_xdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ORDERED = 1,
	ECHOES = 2,
	SETTLED = 4,
	FILLING = 8,
	POOR = 16, /* hardly any room for more entries */
};

#define NAMES_MAX 4096

struct model {
	struct dircache_budget budget;
	struct dircache *cache;
	uint64_t names[NAMES_MAX]; /* hashes of those told to be there */
	size_t nnames;
};

static void check(bool good)
{
	if (!good)
		abort();
}

static void forget(struct model *m, struct name name)
{
	uint64_t hash = htab_hash(name.data, name.len);

	for (size_t i = m->nnames; i > 0; i--) {
		if (m->names[i - 1] == hash)
			m->names[i - 1] = m->names[--m->nnames];
	}
}

static void remember(struct model *m, struct name name)
{
	forget(m, name);
	check(m->nnames < NAMES_MAX);
	m->names[m->nnames++] = htab_hash(name.data, name.len);
}

static void tell(void *ctx, enum dircache_event event,
	const struct dircache_entry *entry, struct name from,
	const struct dircache_entry *replaced)
{
	struct model *m = ctx;

	check(dirnotify_is_name(entry->name));
	if (event == DIRCACHE_MOVE)
		forget(m, from);
	if (event == DIRCACHE_DELETE)
		forget(m, entry->name);
	else if (event != DIRCACHE_ATTRS)
		remember(m, entry->name);
}

static void open_model(struct model *m, uint8_t how)
{
	struct dircache_config config = {
		.keep = dirattr_known(),
		.ordered = how & ORDERED,
		.echoes = how & ECHOES,
		.budget = &m->budget,
		.tell = tell,
		.ctx = m,
	};

	m->budget =
		(struct dircache_budget){.limit = how & POOR ? 2048 : 1 << 18};
	m->nnames = 0;
	m->cache = dircache_new(&config);
	check(m->cache);
	dircache_fill_begin(m->cache);
	for (char c = 'a'; c < 'e'; c++) {
		struct dircache_entry e = {.name = {1, &c}, .cookie = 9};

		check(dircache_fill_entry(m->cache, &e) == 0);
	}
	if (how & FILLING)
		return;
	check(dircache_fill_end(m->cache, 7) == 0);
	if (how & SETTLED)
		dircache_settle(m->cache);
}

static int apply(void *ctx, const struct dircache_change *change)
{
	struct model *m = ctx;

	dircache_apply(m->cache, change);
	check(m->budget.used <= m->budget.limit);
	return 0;
}

static void apply_all(struct model *m, const CB_NOTIFY4args *args)
{
	struct arena arena;

	arena_init(&arena, 1024 * 1024);
	for (uint32_t i = 0; i < args->cna_changes.count; i++) {
		arena_reset(&arena);
		dirnotify_decode(&args->cna_changes.items[i], &arena, apply, m);
	}
	arena_fini(&arena);
}

static bool is_told(void *ctx, const struct dircache_entry *entry)
{
	struct model *m = ctx;
	size_t n = m->nnames;

	remember(m, entry->name);
	check(m->nnames == n);
	return true;
}

static void close_model(struct model *m, uint8_t how)
{
	if (how & FILLING)
		dircache_fill_end(m->cache, 7);
	check(m->nnames == dircache_count(m->cache));
	dircache_each(m->cache, is_told, m);
	dircache_free(m->cache);
	check(m->budget.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CB_NOTIFY4args args;
	struct arena arena;
	static struct model m;
	struct xdr x;

	if (size < 1)
		return 0;
	arena_init(&arena, 1024 * 1024);
	xdr_init_decode(&x, data + 1, size - 1, &arena);
	if (nfs4_get_CB_NOTIFY4args(&x, &args)) {
		open_model(&m, data[0]);
		apply_all(&m, &args);
		close_model(&m, data[0]);
	}
	arena_fini(&arena);
	return 0;
}
