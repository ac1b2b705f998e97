/* SPDX-License-Identifier: MIT */
/*
 * Attributes that a holder was told against those that are true at a quiet
 * point. Who hears of changed children must have them as they are; who does
 * not has them as of the event, which is still true if nothing touched the
 * object since. A client is told of no attribute that it changed itself: it
 * has to look, and does so at the end of each quiet point.
 */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/dirattr.h"

struct check {
	struct world *w;
	struct hold *h;
	bool final;
	const char *wrong;
};

/* What two readers may see differently: it moves by itself, or is late. */
static bitmap4 comparable(
	const struct world *w, const bitmap4 *a, const bitmap4 *b)
{
	bitmap4 both = bitmap4_and(a, b);

	bitmap4_clear(&both, FATTR4_CHANGE); /* a new value at any time */
	bitmap4_clear(&both, FATTR4_TIME_ACCESS);
	if (w->options.posix_path)
		bitmap4_clear(&both, FATTR4_SPACE_USED);
	return both;
}

/*
 * Changes of entries that others made in a directory which nobody watches are
 * not seen there (docs/NFS.md); what else they do to it is, in its parent.
 */
static void leave_out_entries(bitmap4 *mask)
{
	static const unsigned bits[] = {FATTR4_SIZE, FATTR4_NUMLINKS,
		FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY, FATTR4_SPACE_USED};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		bitmap4_clear(mask, bits[i]);
}

static const char *difference(const char *whose, unsigned bit,
	const struct attr *told, const struct attr *now)
{
	static _Thread_local char text[512];
	char a[64], b[64];

	dirattr_show(told, bit, a, sizeof(a));
	dirattr_show(now, bit, b, sizeof(b));
	snprintf(text, sizeof(text), "attribute %u of %s: %s told, %s now", bit,
		whose, a, b);
	return text;
}

/* ---- children ---- */

static struct fileid id_of(struct world *w, const struct dircache_entry *listed)
{
	struct nfsc_fh fh;

	nfsc_fh_copy(&fh, listed->handle);
	return prop_fileid(w, &fh);
}

/* What it did itself it has to look up. */
static bool is_unsure(const struct hold *h, const struct known *known,
	const struct fileid *id)
{
	return known->unsure ||
		(hold_is_own(h, h->peer->index) &&
			spy_touched_by(id, h->peer->index) > h->looked);
}

static void look(struct hold *h, const struct dircache_entry *listed)
{
	struct dircache_change change = {
		.kind = CHANGE_CHILD_ATTRS, .entry = *listed};

	change.entry.mask = bitmap4_and(&listed->mask, &h->deleg.child_attrs);
	change.entry.cookie = COOKIE_NONE;
	dircache_apply(h->model, &change);
}

/* Was it changed since then, by whomever? A period is long. */
static bool is_newer(
	const struct dircache_entry *listed, const struct known *known)
{
	return !bitmap4_has(&listed->mask, FATTR4_TIME_METADATA) ||
		listed->attr.ctime_ns >= known->since_ns;
}

/*
 * What the kernel does not report of local changes (docs/NFS.md): that a file
 * with one link gets another in a directory that nobody watches, and what is
 * done by that one from then on.
 */
static bool may_be_missed(struct check *c, const struct dircache_entry *listed,
	struct known *known)
{
	if (!c->w->options.local)
		return false;
	if (actor_did(LOCAL_LINKED, c->h->inode,
		    prop_name_index(c->w, listed->name)))
		known->linked = true;
	return known->linked && is_newer(listed, known);
}

/* True: what is known of it is no promise. */
static bool is_excused(struct check *c, const struct dircache_entry *listed,
	struct known *known)
{
	struct fileid id = id_of(c->w, listed);

	if (!hold_covers(c->h, CHANGE_CHILD_ATTRS))
		return spy_touched(&id) > known->snap ||
			(c->w->options.local && is_newer(listed, known));
	if (!may_be_missed(c, listed, known) && !is_unsure(c->h, known, &id))
		return false;
	if (c->final) {
		look(c->h, listed);
		known->unsure = false;
		known->since_ns = (int64_t)clock_file_ns(&c->w->server.clock);
	}
	return true;
}

static void count(struct check *c, const bitmap4 *both)
{
	if (!c->final)
		return;
	c->w->counts.entries++;
	for (unsigned bit = 0; bit < BITMAP4_BITS; bit++)
		c->w->counts.attrs += bitmap4_has(both, bit);
}

static bool check_entry(void *ctx, const struct dircache_entry *listed)
{
	struct check *c = ctx;
	int i = prop_name_index(c->w, listed->name);
	struct dircache_entry known;
	char whose[NAME_LEN_MAX + 64];
	bitmap4 both;
	unsigned bit;

	if (i < 0 || !dircache_find(c->h->model, listed->name, &known) ||
		is_excused(c, listed, &c->h->known[i]))
		return true;
	both = comparable(c->w, &known.mask, &listed->mask);
	if (c->w->options.local && listed->attr.type == OBJECT_DIR)
		leave_out_entries(&both);
	bit = dirattr_first_difference(&known.attr, &listed->attr, &both);
	if (bit >= BITMAP4_BITS) {
		count(c, &both);
		return true;
	}
	snprintf(whose, sizeof(whose), "%s \"%.*s\" (id %" PRIu64 ", %u links)",
		listed->attr.type == OBJECT_DIR ? "directory" : "file",
		(int)listed->name.len, listed->name.data, listed->attr.inode,
		listed->attr.nlink);
	c->wrong = difference(whose, bit, &known.attr, &listed->attr);
	return false;
}

const char *attrs_check(struct world *w, struct hold *h,
	const struct dircache *listing, bool final)
{
	struct check check = {.w = w, .h = h, .final = final};

	dircache_each(listing, check_entry, &check);
	if (final && !check.wrong)
		h->looked = spy_seq();
	return check.wrong;
}

/* ---- the directory itself ---- */

static bool has_set_it(const struct hold *h)
{
	for (size_t i = 0; i < spy_count(); i++) {
		const struct spy_change *c = spy_at(i);

		if (c->kind == CHANGE_DIR_ATTRS && hold_is_own(h, c->who) &&
			fileid_equal(&c->dir, &h->dir))
			return true;
	}
	return false;
}

static bitmap4 only_mode(const bitmap4 *mask)
{
	bitmap4 mode = {.beyond = false};

	bitmap4_set(&mode, FATTR4_MODE);
	return bitmap4_and(mask, &mode);
}

const char *attrs_check_dir(
	struct world *w, struct hold *h, const struct attr *now, bool mode)
{
	bitmap4 told = mode ? only_mode(&h->dir_mask) : h->dir_mask;
	bitmap4 mask = comparable(w, &told, &told);
	unsigned bit;

	if (has_set_it(h))
		return NULL;
	bit = dirattr_first_difference(&h->dir_attr, now, &mask);
	if (bit < BITMAP4_BITS)
		return difference("the directory", bit, &h->dir_attr, now);
	w->counts.dir_attrs += !mode && !bitmap4_empty(&mask);
	return NULL;
}
