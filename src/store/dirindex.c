/* SPDX-License-Identifier: MIT */
#include "store/dirindex.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"
#include "store/dirindex_impl.h"

/* One page on its way out. */
struct page_out {
	uint64_t cookie; /* of the last entry emitted, or where we begin */
	bool started;    /* something was emitted */
	bool full;
	bool eof;
	store_emit emit;
	void *ctx;
};

/* Emit what @s has after the cookie. Runs under no lock. */
static void emit_segment(struct page_out *out, const struct dirseg *s)
{
	struct dirseg_cursor at = dirseg_after(s, out->cookie);
	struct name name;
	uint64_t cookie;

	while (dirseg_next(&at, &name, &cookie)) {
		if (!out->emit(out->ctx, name, cookie)) {
			out->full = true;
			return;
		}
		out->cookie = cookie;
		out->started = true;
	}
}

/*
 * Emit one segment, or step to the end of the window. d->lock is held and
 * dropped in between.
 */
static void list_step(struct dirindex_dir *d, struct page_out *out)
{
	struct dirseg *s = dirtree_segment_after(d->tree, out->cookie);

	if (s) {
		lock_release(&d->lock);
		emit_segment(out, s);
		dirseg_put(s);
		lock_acquire(&d->lock);
	} else if (d->tree->end == DIRHASH_END) {
		out->eof = true;
	} else {
		out->cookie = dirhash_cookie(d->tree->end, 0) - 1;
	}
}

/*
 * The verifier of the page. Once something was emitted, another one ends the
 * page: what was emitted belongs to the first.
 */
static int check_verifier(
	const struct page_out *out, uint64_t now, uint64_t *page, bool resumed)
{
	if (out->started || resumed)
		return now == *page ? 0 : -EKEYREJECTED;
	*page = now;
	return 0;
}

/* The place to look for entries after @cookie. */
static uint64_t place_after(uint64_t cookie)
{
	uint64_t place = dirhash_place(cookie + 1);

	return place < DIRHASH_END ? place : DIRHASH_END - 1;
}

/* Lists until the page is full or over; d->lock is held. */
static int list_page(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, bool resumed, uint64_t *verifier,
	struct page_out *out)
{
	bool fresh = !resumed;
	int err = 0;

	while (!out->full && !out->eof) {
		if (out->started && !d->tree)
			break; /* evicted: the next page will see to it */
		err = dirfill_ensure(
			x, d, source, place_after(out->cookie), fresh);
		if (err)
			break;
		err = check_verifier(
			out, dirfill_verifier(x, d), verifier, resumed);
		if (err)
			break;
		fresh = false;
		list_step(d, out);
	}
	return out->started ? 0 : err;
}

int dirindex_list(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t cookie, uint64_t verifier,
	store_emit emit, void *ctx, struct store_page *page)
{
	struct page_out out = {.cookie = cookie, .emit = emit, .ctx = ctx};
	struct dirindex_dir *d;
	int err;

	if (cookie > INT64_MAX)
		out.cookie = INT64_MAX;
	d = dirindex_cache_get(x, dir);
	if (!d)
		return -ENOMEM;
	lock_acquire(&d->lock);
	err = list_page(x, d, source, cookie != 0, &verifier, &out);
	lock_release(&d->lock);
	dirindex_cache_put(x, d);
	if (err)
		return err;
	*page = (struct store_page){.verifier = verifier, .eof = out.eof};
	return 0;
}

int dirindex_verifier(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, uint64_t *ret, bool *cookies)
{
	struct dirindex_dir *d = dirindex_cache_get(x, dir);
	int err;

	if (!d)
		return -ENOMEM;
	lock_acquire(&d->lock);
	err = dirfill_ensure(x, d, source, 0, true);
	if (!err) {
		*ret = dirfill_verifier(x, d);
		*cookies = dirtree_whole(d->tree);
	}
	lock_release(&d->lock);
	dirindex_cache_put(x, d);
	return err;
}

/* A change as the tree sees it: one name goes, one comes, or both. */
struct note {
	struct change_entry *gone; /* NULL: none */
	struct change_entry *come; /* NULL: none */
	bool replaces;             /* `come` was there before */
};

static struct note note_of(struct dir_change *c)
{
	struct note n = {.replaces = c->has_overwritten};

	assert(c->kind == CHANGE_ADD_ENTRY || c->kind == CHANGE_REMOVE_ENTRY ||
		c->kind == CHANGE_RENAME_ENTRY);
	if (c->kind == CHANGE_REMOVE_ENTRY)
		n.gone = &c->entry;
	else
		n.come = &c->entry;
	if (c->kind == CHANGE_RENAME_ENTRY)
		n.gone = &c->old;
	return n;
}

static void note_log(struct dirindex_dir *d, const struct note *n)
{
	if (n->gone)
		dirfill_log(d, false, n->gone->name);
	if (n->come)
		dirfill_log(d, true, n->come->name);
}

/* Make the tree what the directory was, whether a fill saw the change or not */
static int apply_before(struct dirindex_dir *d, const struct note *n)
{
	int err = 0;

	if (n->gone)
		err = dirfill_apply(d, true, n->gone->name);
	if (err >= 0 && n->come)
		err = dirfill_apply(d, n->replaces, n->come->name);
	return err < 0 ? err : 0;
}

static int apply_after(struct dirindex_dir *d, const struct note *n)
{
	int err = 0;

	if (n->gone)
		err = dirfill_apply(d, false, n->gone->name);
	if (err >= 0 && n->come)
		err = dirfill_apply(d, true, n->come->name);
	return err < 0 ? err : 0;
}

static uint64_t cookie_of(const struct dirtree *t, struct name name)
{
	struct dirtree_position at;
	bool found = dirtree_find(t, name, &at);

	assert(found);
	return at.cookie;
}

static void fill_in_before(
	const struct dirtree *t, const struct note *n, struct dir_change *c)
{
	if (n->gone)
		n->gone->cookie = cookie_of(t, n->gone->name);
	if (n->replaces)
		c->overwritten.cookie = cookie_of(t, n->come->name);
}

static void fill_in_after(
	const struct dirtree *t, const struct note *n, struct dir_change *c)
{
	struct dirtree_position at;
	bool found;

	if (!n->come)
		return;
	found = dirtree_find(t, n->come->name, &at);
	assert(found);
	c->entry.cookie = at.cookie;
	c->last = at.last;
	c->has_previous = at.has_previous;
	if (!at.has_previous)
		return;
	memcpy(c->previous_bytes, at.previous.data, at.previous.len);
	c->previous.data = c->previous_bytes;
	c->previous.len = at.previous.len;
	c->previous_cookie = at.previous_cookie;
}

/* The whole directory is in the tree: say everything. */
static int note_whole(struct dirindex *x, struct dirindex_dir *d,
	const struct note *n, struct dir_change *c)
{
	int err = apply_before(d, n);

	if (err)
		return err;
	c->old_verifier = dirfill_verifier(x, d);
	fill_in_before(d->tree, n, c);
	err = apply_after(d, n);
	if (err)
		return err;
	c->new_verifier = dirfill_verifier(x, d);
	c->verifier_moved = c->old_verifier != c->new_verifier;
	fill_in_after(d->tree, n, c);
	if (c->verifier_moved)
		dirindex_cache_count(x, &x->moved);
	return 0;
}

/* Nothing is known of cookies, position or verifiers. */
static void note_nothing(struct dir_change *c)
{
	c->entry.cookie = COOKIE_NONE;
	c->old.cookie = COOKIE_NONE;
	c->overwritten.cookie = COOKIE_NONE;
	c->has_previous = false;
	c->last = false;
	c->old_verifier = 0;
	c->new_verifier = 0;
	c->verifier_moved = false;
}

/* d->lock is held. */
static int note_locked(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, struct dir_change *c)
{
	struct note n = note_of(c);
	int err;

	if (!d->tree && (c->no_position || d->big)) {
		note_log(d, &n);
		return d->big ? -E2BIG : 0;
	}
	err = d->tree ? 0 : dirfill_ensure(x, d, source, 0, false);
	if (err)
		return err;
	note_log(d, &n);
	if (dirtree_whole(d->tree))
		return note_whole(x, d, &n, c);
	err = apply_after(d, &n);
	return err ? err : -E2BIG;
}

int dirindex_note(struct dirindex *x, const struct dirindex_source *source,
	const struct fileid *dir, struct dir_change *change)
{
	struct dirindex_dir *d = change->no_position
		? dirindex_cache_find(x, dir)
		: dirindex_cache_get(x, dir);
	int err;

	note_nothing(change);
	if (!d)
		return change->no_position ? 0 : -ENOMEM;
	lock_acquire(&d->lock);
	err = note_locked(x, d, source, change);
	if (err && err != -E2BIG)
		dirindex_cache_set_tree(x, d, NULL, 0);
	if (err)
		note_nothing(change);
	dirindex_cache_recharge(x, d);
	lock_release(&d->lock);
	dirindex_cache_put(x, d);
	return err;
}

void dirindex_forget(struct dirindex *x, const struct fileid *dir)
{
	struct dirindex_dir *d = dirindex_cache_find(x, dir);

	if (!d)
		return;
	lock_acquire(&d->lock);
	d->big = false;
	if (d->fill)
		d->fill->spoiled = -ESTALE;
	dirindex_cache_set_tree(x, d, NULL, 0);
	lock_release(&d->lock);
	dirindex_cache_put(x, d);
}
